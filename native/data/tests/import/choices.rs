//! What an option does: it is applied, or refused by its name.

use crate::common::sets::{folder, many, rows, texts};
use crate::common::{agreed, refusal, verdict_of};
use sdp_data::options::Options;

fn none() -> Options {
    Options::default()
}

fn in_folder(folder: &str) -> Options {
    Options { folder: Some(folder.into()), ..none() }
}

fn without(folder: &str) -> Options {
    Options { leave_out: Some(folder.into()), ..none() }
}

/// 16 images in folders of two classes.
fn classes() -> Vec<String> {
    (0..16).map(|i| format!("{}/{i}.png", ["cat", "dog"][i % 2])).collect()
}

/// What is said of a choice that has no use.
fn refused(path: &std::path::Path, options: Options, flag: &str) {
    let verdict = verdict_of(path, &options);
    let told = verdict.problems.iter().find(|problem| problem.code == "unused-option");
    let told = told.unwrap_or_else(|| panic!("{flag} is accepted: {:?}", verdict.problems));
    assert!(told.message.contains(flag), "{}", told.message);
    assert!(!verdict.importable);
    assert_eq!(refusal(path, options).code, "unused-option");
}

#[test]
fn a_choice_without_a_use_is_refused_by_its_name() {
    let text = |name: &str| Some(name.to_owned());
    let folders = folder(&classes(), &[]);
    let table = folder(&many("#.png", 16), &texts(&[("labels.csv", &rows("file,label", "#.png,@", 0..16, &["x", "y"]))]));
    let plain = folder(&[], &texts(&[("a.txt", &"some words of a text\n".repeat(40))]));
    for (path, options, flag) in [
        (&folders, in_folder("nosuch"), "--folder nosuch"),
        (&folders, without("nosuch"), "--leave-out nosuch"),
        (&folders, Options { label_column: text("tumor"), ..none() }, "--label-column tumor"),
        (&folders, Options { text_column: text("text"), ..none() }, "--text-column text"),
        (&folders, Options { fold: text("1"), ..none() }, "--fold 1"),
        (&folders, Options { extensions: text("txt"), ..none() }, "--extensions txt"),
        (&folders, Options { train_on: text("extra"), ..none() }, "--train-on extra"),
        (&table, Options { class_level: Some(1), ..none() }, "--class-level 1"),
        (&table, Options { split_level: Some(1), ..none() }, "--split-level 1"),
        (&table, in_folder("images"), "--folder images"),
        (&table, Options { configuration: text("en"), ..none() }, "--configuration en"),
        (&table, Options { fold: text("2"), ..none() }, "--fold 2"),
        (&plain, in_folder("nosuch"), "--folder nosuch"),
        (&plain, Options { label_column: text("label"), ..none() }, "--label-column label"),
        (&plain, Options { class_level: Some(2), ..none() }, "--class-level 2"),
    ] {
        refused(path.path(), options, flag);
    }
    // What is a column of no table is asked as before.
    let wrong = verdict_of(table.path(), &Options { label_column: text("nothing"), ..none() });
    assert!(!wrong.importable, "{:?}", wrong.problems);
}

#[test]
fn a_folder_counts_in_every_layout() {
    let half = |name: &str| folder(&[], &texts(&[(name, &"some words of a text\n".repeat(40)), ("en/b.txt", &"other words\n".repeat(40))]));
    let text = half("fr/a.txt");
    let files = |options: &Options| {
        let account = verdict_of(text.path(), options).account;
        account.iter().filter(|line| line.used).flat_map(|line| line.examples.clone()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(files(&in_folder("fr")), "fr/a.txt");
    assert_eq!(files(&without("fr")), "en/b.txt");
    // Of a table beside folders of images the pictures are looked for there.
    let both: Vec<String> = many("rgb/p#.png", 16).into_iter().chain(many("seg/p#.png", 16)).collect();
    let table = rows("file,label", "p#.png,@", 0..16, &["x", "y"]);
    let beside = folder(&both, &texts(&[("meta/labels.csv", &table)]));
    assert_eq!(agreed(beside.path(), &in_folder("rgb")), "x 7+1, y 7+1");
    assert_eq!(agreed(beside.path(), &without("seg")), "x 7+1, y 7+1");
    let coco = {
        let joined = |one: &dyn Fn(usize) -> String| (0..16).map(one).collect::<Vec<_>>().join(",");
        let images = joined(&|i| format!(r#"{{"id":{i},"file_name":"p{i}.png"}}"#));
        let annotations = joined(&|i| format!(r#"{{"id":{i},"image_id":{i},"category_id":{}}}"#, i % 2));
        format!(r#"{{"images":[{images}],"annotations":[{annotations}],"categories":[{{"id":0,"name":"x"}},{{"id":1,"name":"y"}}]}}"#)
    };
    let objects = folder(&both, &texts(&[("annotations/instances.json", &coco)]));
    assert_eq!(agreed(objects.path(), &in_folder("rgb")), "x 7+1, y 7+1");
    // A folder with a table of its own is a dataset of its own.
    let own: Vec<String> = many("a/p#.png", 16).into_iter().chain(many("b/p#.png", 16)).collect();
    let other = rows("file,label", "p#.png,@", 0..16, &["u", "v"]);
    let sets = folder(&own, &texts(&[("a/labels.csv", &table), ("b/labels.csv", &other)]));
    assert_eq!(agreed(sets.path(), &in_folder("a")), "x 7+1, y 7+1");
    assert_eq!(agreed(sets.path(), &in_folder("b")), "u 7+1, v 7+1");
}

/// Pictures and masks of the same names, with a table of labels in a folder beside.
fn drawn(images: &str, masks: &str) -> Vec<String> {
    many(&format!("{images}/p#.png"), 16).into_iter().chain(many(&format!("{masks}/p#.png"), 16)).collect()
}

#[test]
fn a_name_in_several_folders_is_asked() {
    let table = rows("file,label", "p#.png,@", 0..16, &["x", "y"]);
    let list = (0..16).map(|i| format!("p{i} {} {} 1\n", i % 2 + 1, i % 2 + 1)).collect::<String>();
    let jsons =
        format!("[{}]", (0..16).map(|i| format!(r#"{{"file":"p{i}.png","label":"{}"}}"#, ["x", "y"][i % 2])).collect::<Vec<_>>().join(","));
    for (images, masks, file, content, first) in [
        ("images", "masks", "labels.csv", &table, "images"),
        ("data/images", "data/gt/masks", "data/gt/labels.csv", &table, "data/images"),
        ("rgb", "labels/seg", "labels/labels.csv", &table, "rgb"),
        ("images", "annotations/masks", "annotations/labels.json", &jsons, "images"),
        ("original", "meta/augmented", "meta/labels.csv", &table, "meta/augmented"),
        ("train", "train_masks", "train.csv", &table, "train"),
    ] {
        let folder = folder(&drawn(images, masks), &texts(&[(file, content)]));
        let verdict = verdict_of(folder.path(), &none());
        let question = verdict.problems.iter().find(|problem| problem.code == "ambiguous-file");
        let question = question.unwrap_or_else(|| panic!("{images} {masks}: {:?}", verdict.problems));
        assert!(!verdict.importable);
        let chosen: Vec<&str> = question.remedies.iter().filter_map(|remedy| remedy.options.folder.as_deref()).collect();
        assert_eq!((chosen.len(), chosen[0], question.remedies.len()), (2, first, 2), "{images} {masks}");
        for remedy in &question.remedies {
            assert_eq!(agreed(folder.path(), &remedy.options), "x 7+1, y 7+1", "{images} {masks}: {}", remedy.title);
        }
        let account = verdict_of(folder.path(), &question.remedies[0].options).account;
        let used: Vec<&String> =
            account.iter().filter(|line| line.used && line.what.ends_with("images")).flat_map(|line| &line.examples).collect();
        assert!(used.iter().all(|name| !name.contains('/') || name.starts_with(&format!("{first}/"))), "{used:?}");
    }
    // Lists that name their pictures by stems.
    let pets: Vec<String> = (0..16)
        .flat_map(|i| {
            ["images/#.png", "annotations/trimaps/#.png"].map(|name| name.replace('#', &format!("{}_{i}", ["pug", "cat"][i % 2])))
        })
        .collect();
    let lists = list.lines().enumerate().map(|(i, line)| line.replacen(&format!("p{i}"), &format!("{}_{i}", ["pug", "cat"][i % 2]), 1));
    let list = lists.collect::<Vec<_>>().join("\n");
    let (train, test): (Vec<&str>, Vec<&str>) = list.lines().partition(|line| !line.contains("_1"));
    let folder = folder(&pets, &texts(&[("annotations/trainval.txt", &train.join("\n")), ("annotations/test.txt", &test.join("\n"))]));
    let verdict = verdict_of(folder.path(), &none());
    let question = verdict.problems.iter().find(|problem| problem.code == "ambiguous-file").unwrap();
    assert_eq!(question.remedies[0].options.folder.as_deref(), Some("images"));
    assert_eq!(agreed(folder.path(), &question.remedies[0].options), "cat 4+4, pug 5+3");
}

#[test]
fn tables_of_parts_name_the_pictures_below_their_folders() {
    let table = |labels: &[&str]| rows("file,label", "p#.png,@", 0..16, labels);
    let images: Vec<String> = many("a/images/p#.png", 16).into_iter().chain(many("b/images/p#.png", 16)).collect();
    let folder = folder(&images, &texts(&[("a/labels.csv", &table(&["x", "y"])), ("b/labels.csv", &table(&["x", "y"]))]));
    assert_eq!(agreed(folder.path(), &none()), "x 14+2, y 14+2");
}
