//! What an option does: it is applied, or refused by its name.

use crate::common::sets::{asked, check, folder, many, rows, texts};
use crate::common::{agreed, refusal, verdict_of};
use sdp_data::inspect::Verdict;
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
        ("images", "heatmaps", "labels.csv", &table, "images"),
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

#[test]
fn a_table_of_all_images_that_names_none_is_asked() {
    let images: Vec<String> = (0..16).map(|i| format!("patches/patient_00{}_node_0/patch_x_{i}.png", i % 2)).collect();
    let table = rows(",patient,x_coord,tumor", "#,0,#,@", 0..16, &["0", "0", "1", "1"]);
    asked(
        &images,
        &[("metadata.csv", &table)],
        "table-or-folders",
        &[("Take the folders as the classes", "patient_000_node_0 7+1, patient_001_node_0 7+1")],
    );
    // Half as many rows are of something else, and those that tell the folders agree with them.
    let half = rows(",patient,x_coord,tumor", "#,0,#,@", 0..8, &["0", "0", "1", "1"]);
    check(&images, &[("metadata.csv", &half)], "patient_000_node_0 7+1, patient_001_node_0 7+1");
    check(&classes(), &[("about.csv", &rows(",animal,age", "k#,@,99", 0..16, &["cat", "dog"]))], "cat 7+1, dog 7+1");
    // Pictures of recordings are called like these.
    let spectra: Vec<String> = (0..16).map(|i| format!("spec/fold{}/s{i}.png", i % 2 + 1)).collect();
    let sounds = rows("slice_file_name,fsID,class", "s#.wav,7,@", 0..16, &["bark", "bark", "siren", "siren"]);
    check(&spectra, &[("UrbanSound8K.csv", &sounds)], "bark 7+1, siren 7+1");
}

#[test]
fn a_word_at_one_place_of_all_names_tells_the_split() {
    let split = |i: usize| if i < 12 { "train" } else { "test" };
    let class = |i: usize| ["cat", "dog"][i % 2];
    for name in ["@/IMG_#_%.png", "@/@_%_#.png", "@/@.%.#.png", "@/%#.png", "@/@-#-%.png"] {
        let images: Vec<String> =
            (0..16).map(|i| name.replace('@', class(i)).replace('%', split(i)).replace('#', &format!("{i:03}"))).collect();
        check(&images, &[], "cat 6+2, dog 6+2");
    }
    let flat: Vec<String> = (0..16).map(|i| format!("p_{i:03}_{}.png", split(i))).collect();
    let table: String = flat.iter().enumerate().map(|(i, name)| format!("{name},{}\n", class(i))).collect();
    check(&flat, &[("d.csv", &format!("file,label\n{table}"))], "cat 6+2, dog 6+2");
    // One name without it, and it is none.
    let images: Vec<String> = (0..16).map(|i| format!("{}/IMG_{i:03}_{}.png", class(i), if i == 3 { "x" } else { split(i) })).collect();
    check(&images, &[], "cat 7+1, dog 7+1");
}

#[test]
fn rows_that_were_rejected_are_left_out() {
    let answer = |i: usize| ["accept", "accept", "reject", "ignore", "accept", "accept"][i % 6];
    let row = |i: usize| format!("{{\"image\":\"p{i}.png\",\"label\":\"{}\",\"answer\":\"{}\"}}\n", ["x", "y"][i % 2], answer(i));
    let table: String = (0..24).map(row).collect();
    let verdict = check(&many("p#.png", 24), &[("annotations.jsonl", &table)], "x 7+1, y 7+1");
    let note = verdict.problems.iter().find(|problem| problem.code == "rejected-rows").unwrap();
    assert_eq!((note.count, note.places.len()), (8, 8));
    let columns = verdict.account.iter().find(|line| line.what == "answers").unwrap();
    assert_eq!(columns.examples, ["answer"]);
}

#[test]
fn lists_of_paths_with_several_levels_are_asked() {
    let of = |i: usize| format!("{}/{}/{}/p{i}.png", i % 2, 10 + i % 4, 2010 + i % 3);
    let images: Vec<String> = (0..48).map(|i| format!("data/image/{}", of(i))).collect();
    let list = |range: std::ops::Range<usize>| range.map(|i| of(i) + "\n").collect::<String>();
    let files = [("train_test_split/train.txt", &*list(0..36)), ("train_test_split/test.txt", &*list(36..48))];
    asked(
        &images,
        &files,
        "which-classes",
        &[
            ("Take 0, 1 as the classes", "0 18+6, 1 18+6"),
            ("Take 10, 11, 12, ... as the classes", "10 9+3, 11 9+3, 12 9+3, 13 9+3"),
            ("Take 2010, 2011, 2012 as the classes", "2010 12+4, 2011 12+4, 2012 12+4"),
        ],
    );
}

#[test]
fn divisions_in_folders_are_asked() {
    let images: Vec<String> = (0..24).map(|i| format!("images/{}/p{i}.png", ["cat", "dog"][i % 2])).collect();
    let list = |from: usize, test: bool| {
        let chosen = (0..24).filter(|i| ((i + from) % 24 < 6) == test);
        chosen.map(|i| format!("{}/p{i}.png\n", ["cat", "dog"][i % 2])).collect::<String>()
    };
    let expected = [("Division 0", "cat 9+3, dog 9+3"), ("Division 1", "cat 9+3, dog 9+3")];
    for name in ["splits/split_#/%.txt", "splits/%#.txt", "lists/fold#_%.txt"] {
        let names: Vec<(String, String)> = (0..4)
            .map(|i| (name.replace('#', &(i / 2).to_string()).replace('%', ["train", "test"][i % 2]), list(i / 2 * 6, i % 2 == 1)))
            .collect();
        let files: Vec<(&str, &str)> = names.iter().map(|(name, list)| (name.as_str(), list.as_str())).collect();
        asked(&images, &files, "which-fold", &expected);
    }
}

#[test]
fn lists_of_persons_tell_the_splits_of_their_folders() {
    let images: Vec<String> = (0..24).map(|i| format!("{}/person0{}/p{i}.png", ["run", "walk"][i % 2], i / 4)).collect();
    let files = [("train_subjects.txt", "person00\nperson01\nperson02\nperson03\n"), ("test_subjects.txt", "person04\nperson05\n")];
    asked(
        &images,
        &files,
        "which-classes",
        &[
            ("Take run, walk as the classes", "run 8+4, walk 8+4"),
            ("Take person00, person01, person02, ... as the classes", "untrained-class"),
        ],
    );
}

#[test]
fn sources_that_hold_the_same_classes_are_taken_together_first() {
    let of =
        |upper: [&str; 3]| -> Vec<String> { (0..24).map(|i| format!("{}/{}/{i}.png", upper[i / 8], ["dog", "elephant"][i % 2])).collect() };
    let titles = |upper: [&str; 3]| {
        let set = folder(&of(upper), &[]);
        let verdict = verdict_of(set.path(), &none());
        let question = verdict.problems.iter().find(|problem| problem.code == "which-classes").unwrap().clone();
        assert_eq!(agreed(set.path(), &Options { class_level: Some(2), ..none() }), "dog 11+1, elephant 11+1");
        question.remedies.into_iter().map(|remedy| remedy.title).collect::<Vec<_>>()
    };
    assert_eq!(
        titles(["art_painting", "cartoon", "sketch"])[..2],
        ["Take dog, elephant as the classes", "Take art_painting, cartoon, sketch as the classes"]
    );
    assert_eq!(titles(["color", "grayscale", "segmented"])[0], "Take color alone");
}

#[test]
fn numbers_under_split_are_training_validation_and_test() {
    let split = |i: usize| [0, 0, 0, 0, 1, 2][i % 6];
    let table: String = (0..24).map(|i| format!("p{i}.png,{},{}\n", ["x", "y"][i / 2 % 2], split(i))).collect();
    asked(
        &many("p#.png", 24),
        &[("metadata.csv", &format!("file,label,split\n{table}"))],
        "which-fold",
        &[
            ("Train on split 0, validate on 1 and leave 2 for testing", "x 8+2, y 8+2"),
            ("Validate on split 1 (4 rows)", "x 10+2, y 10+2"),
            ("Validate on split 2 (4 rows)", "x 10+2, y 10+2"),
            ("Validate on split 0 (16 rows)", "x 4+8, y 4+8"),
            ("Pay no heed to split", "x 11+1, y 11+1"),
        ],
    );
}

#[test]
fn a_label_in_an_object_of_its_own_is_read() {
    let sample = |i: usize| {
        format!(
            r#"{{"filepath":"data/p{i}.png","tags":["a"],"metadata":{{"width":8}},"ground_truth":{{"_cls":"Classification","label":"{}"}}}}"#,
            ["x", "y"][i % 2]
        )
    };
    let samples = format!(r#"{{"samples":[{}]}}"#, (0..16).map(sample).collect::<Vec<_>>().join(","));
    check(&many("data/p#.png", 16), &[("samples.json", &samples)], "x 7+1, y 7+1");
}

#[test]
fn bands_of_a_few_pictures_are_told() {
    let images: Vec<String> = (0..16).map(|i| format!("{}/S{}_B0{}.png", ["S0", "S1", "S2", "S3"][i / 4], i / 4, i % 4 + 1)).collect();
    let set = folder(&images, &[]);
    assert!(verdict_of(set.path(), &none()).problems.iter().any(|problem| problem.code == "views"));
}

#[test]
fn what_is_merged_or_passed_over_is_told() {
    let note = |verdict: &Verdict, code: &str| {
        let found = verdict.problems.iter().find(|problem| problem.code == code);
        found.unwrap_or_else(|| panic!("no {code}: {:?}", verdict.problems)).clone()
    };
    let split = |i: usize| ["train", "train", "train", "val", "id_val", "train"][i % 6];
    let table: String = (0..24).map(|i| format!("p{i}.png,{},{}\n", ["x", "y"][i / 2 % 2], split(i))).collect();
    let verdict = check(&many("p#.png", 24), &[("d.csv", &format!("file,label,split\n{table}"))], "x 8+4, y 8+4");
    assert_eq!(note(&verdict, "several-splits").message, "the validation split is made of id_val and val");
    let table: String = (0..24).map(|i| format!("p{i}.png,{},{}\n", ["x", "y"][i % 2], ["a", "b", "c", "d"][i % 4])).collect();
    let set = folder(&many("p#.png", 24), &texts(&[("d.csv", &format!("file,class,subclass\n{table}"))]));
    let told = note(&verdict_of(set.path(), &none()), "other-labels");
    assert_eq!(agreed(set.path(), &told.remedies[0].options), "a 5+1, b 5+1, c 5+1, d 5+1");
    let numbers: String = (0..100).map(|i| format!("{{\"text\":\"{i} 4055 {}\"}}\n", i * 7)).collect();
    let set = folder(&[], &texts(&[("a.jsonl", &numbers)]));
    note(&verdict_of(set.path(), &none()), "numbers");
}

#[test]
fn tables_with_spaces_between_their_fields_are_read() {
    let row = |i: usize| format!("{i} {} {} bike_final/{i}_0.png\n", i / 4, i / 8);
    let images: Vec<String> = (0..16).map(|i| format!("bike_final/{i}_0.png")).collect();
    let table: String = (0..16).map(row).collect();
    let set = folder(&images, &texts(&[("Ebay_info.txt", &format!("image_id class_id super_class_id path\n{table}"))]));
    let verdict = verdict_of(set.path(), &none());
    assert_eq!(agreed(set.path(), &none()), "0 3+1, 1 3+1, 2 3+1, 3 3+1");
    let other = verdict.problems.iter().find(|problem| problem.code == "other-labels").unwrap();
    assert_eq!(agreed(set.path(), &other.remedies[0].options), "0 7+1, 1 7+1");
    // Words in brackets are labels.
    check(&many("p#.png", 16), &[("labels.csv", &rows("", "[@],p#.png", 0..16, &["cat", "dog"]))], "cat 7+1, dog 7+1");
}

#[test]
fn a_flat_folder_of_a_split_is_no_class_among_others() {
    let images: Vec<String> = (0..26)
        .map(|i| match i {
            0..20 => format!("animals/{}/{i}.png", ["bear", "lion"][i % 2]),
            _ => format!("web_testset/web_testset/{i}.png"),
        })
        .collect();
    asked(&images, &[], "which-classes", &[("Take animals alone", "bear 9+1, lion 9+1")]);
}

#[test]
fn numbers_labels_and_paths_with_tabs_are_a_table() {
    let list = |range: std::ops::Range<usize>| range.map(|i| format!("{i}\t{}.000000\timg/{i}.png\n", i % 2)).collect::<String>();
    let files = [("train.lst", &*list(0..12)), ("val.lst", &*list(12..16))];
    asked(&many("img/#.png", 16), &files, "no-column", &[("Take column 2 as the labels", "0 6+2, 1 6+2")]);
}

#[test]
fn two_tests_beside_training_are_splits() {
    let of =
        |split: &str, count: usize| (0..count).map(|i| format!("{split}/{}/{split}{i}.png", ["angry", "happy"][i % 2])).collect::<Vec<_>>();
    let images = [of("Training", 12), of("PublicTest", 6), of("PrivateTest", 4)].concat();
    check(&images, &[], "angry 6+3, happy 6+3");
}
