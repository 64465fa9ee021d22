//! Where several things tell of one: splits by folders and by tables, forms and sizes of one picture, lists of some classes.

use crate::common::sets::{asked, check, folder, rows, texts};
use crate::common::{agreed, fixtures, verdict_of};
use sdp_data::error::Problem;
use sdp_data::inspect::Verdict;
use sdp_data::options::Options;
use sdp_data::pixels::Pixels;

fn note(verdict: &Verdict, code: &str) -> Problem {
    let found = verdict.problems.iter().find(|problem| problem.code == code);
    found.unwrap_or_else(|| panic!("no {code}: {:?}", verdict.problems)).clone()
}

fn class(i: usize) -> &'static str {
    ["cat", "dog"][i % 2]
}

/// 24 images of two classes, 16 of them for training, by folders; `#` the number, `%` the split, `@` the class.
fn divided(pattern: &str) -> Vec<String> {
    let split = |i: usize| if i < 16 { "train" } else { "test" };
    (0..24).map(|i| pattern.replace('#', &i.to_string()).replace('%', split(i)).replace('@', class(i))).collect()
}

/// The first eight for testing, which the folders have for training.
fn other_splits(with_labels: bool) -> String {
    let row = |i: usize| {
        let label = if with_labels { format!(",{}", class(i)) } else { String::new() };
        format!("{i}.png{label},{}\n", if i < 8 { "test" } else { "train" })
    };
    format!("file{},split\n{}", if with_labels { ",label" } else { "" }, (0..24).map(row).collect::<String>())
}

#[test]
fn a_table_of_splits_that_contradicts_folders_is_asked() {
    let of_folders = ("Take the splits of the folders test, train", "cat 8+4, dog 8+4");
    let of_file = ("Take the splits of the file", "cat 8+4, dog 8+4");
    asked(&divided("%/@/#.png"), &[("split.csv", &other_splits(false))], "which-splits", &[of_folders, of_file]);
    asked(&divided("%/@/#.png"), &[("labels.csv", &other_splits(true))], "which-splits", &[of_file, of_folders]);
    asked(&divided("%/#.png"), &[("labels.csv", &other_splits(true))], "which-splits", &[of_file, of_folders]);
    let list = |range: std::ops::Range<usize>| range.map(|i| format!("{}/{i}.png\n", class(i))).collect::<String>();
    let lists = [("test.txt", &*list(0..8)), ("train.txt", &*list(8..24))];
    asked(&divided("%/@/#.png"), &lists, "which-splits", &[of_file, of_folders]);
    // Which images are of which split, by either answer.
    let set = folder(&divided("%/@/#.png"), &texts(&[("split.csv", &other_splits(false))]));
    let question = note(&verdict_of(set.path(), &Options::default()), "which-splits");
    let validates = |options: &Options| {
        let account = verdict_of(set.path(), options).account;
        let line = account.iter().find(|line| line.what == "validation images").unwrap();
        line.examples.iter().map(|name| name.split('/').next().unwrap().to_owned()).collect::<std::collections::BTreeSet<_>>()
    };
    assert!(validates(&question.remedies[0].options).contains("test"));
    assert!(validates(&question.remedies[1].options).contains("train"));
}

#[test]
fn a_table_of_splits_that_agrees_or_divides_the_training_folder_counts() {
    let table = |split: &dyn Fn(usize) -> &'static str, range: std::ops::Range<usize>| {
        format!("file,split\n{}", range.map(|i| format!("{i}.png,{}\n", split(i))).collect::<String>())
    };
    let same = |i: usize| if i < 16 { "train" } else { "test" };
    check(&divided("%/@/#.png"), &[("split.csv", &table(&same, 0..24))], "cat 8+4, dog 8+4");
    let parts = |i: usize| if i < 12 { "train" } else { "val" };
    check(&divided("%/@/#.png"), &[("split.csv", &table(&parts, 0..16))], "cat 6+2, dog 6+2");
    let all = |i: usize| match i {
        0..12 => "train",
        12..16 => "val",
        _ => "test",
    };
    check(&divided("%/@/#.png"), &[("split.csv", &table(&all, 0..24))], "cat 6+2, dog 6+2");
    // A list of other images says nothing.
    check(&divided("%/@/#.png"), &[("split.csv", "file,split\na.png,train\nb.png,test\n")], "cat 8+4, dog 8+4");
}

#[test]
fn folders_of_splits_count_for_images_of_a_table() {
    let table = rows("file,label", "#.png,@", 0..24, &["cat", "dog"]);
    let verdict = check(&divided("%/#.png"), &[("labels.csv", &table)], "cat 8+4, dog 8+4");
    let told = note(&verdict, "folder-splits");
    let set = folder(&divided("%/#.png"), &texts(&[("labels.csv", &table)]));
    assert_eq!(agreed(set.path(), &told.remedies[0].options), "cat 11+1, dog 11+1");
    assert_eq!(agreed(set.path(), &Options { split_level: Some(0), ..Options::default() }), "cat 11+1, dog 11+1");
    check(&divided("data/%/images/#.png"), &[("data/labels.csv", &table)], "cat 8+4, dog 8+4");
    // Folders that are called after the label are none of splits.
    let named: Vec<String> = (0..24).map(|i| format!("{}/{i}.png", ["test_tube", "train_set"][i % 2])).collect();
    let labels = rows("file,label", "#.png,@", 0..24, &["tube", "railway"]);
    check(&named, &[("labels.csv", &labels)], "railway 11+1, tube 11+1");
}

#[test]
fn words_and_names_that_mean_one_split_are_told() {
    let told = "the validation split is made of id_val and val";
    let split = |i: usize| match i {
        0..16 => "train",
        16..20 => "val",
        _ => "id_val",
    };
    let images: Vec<String> = (0..24).map(|i| format!("{}/{}/{i}.png", split(i), class(i))).collect();
    let set = folder(&images, &[]);
    let together = Options { split_level: Some(1), ..Options::default() };
    assert_eq!(agreed(set.path(), &together), "cat 8+4, dog 8+4");
    assert_eq!(note(&verdict_of(set.path(), &together), "several-splits").message, told);
    // A table of splits alone.
    let images: Vec<String> = (0..24).map(|i| format!("{}/{i}.png", class(i))).collect();
    let table: String = (0..24).map(|i| format!("{i}.png,{}\n", split(i))).collect();
    let verdict = check(&images, &[("splits.csv", &format!("file,split\n{table}"))], "cat 8+4, dog 8+4");
    assert_eq!(note(&verdict, "several-splits").message, told);
    // Rows of text, and files.
    let row = |i: usize| format!("{{\"text\":\"the sentence of number {i} says {}\",\"split\":\"{}\"}}\n", i * i, split(i % 24));
    let rows_of_text = folder(&[], &texts(&[("a.jsonl", &(0..240).map(row).collect::<String>())]));
    assert_eq!(note(&verdict_of(rows_of_text.path(), &Options::default()), "several-splits").message, told);
    let text = |name: &str| format!("a line of {name} says something\n").repeat(100);
    let files = ["train", "val", "dev"].map(|name| (format!("{name}.txt"), text(name)));
    let files = folder(&[], &files.each_ref().map(|(name, text)| (name.as_str(), text.clone().into_bytes())));
    let verdict = verdict_of(files.path(), &Options::default());
    assert_eq!(note(&verdict, "several-splits").message, "the validation split is made of dev and val");
    // Parts of one split are none.
    let parts = ["train", "val_0", "val_1"].map(|name| (format!("{name}.txt"), text(name)));
    let parts = folder(&[], &parts.each_ref().map(|(name, text)| (name.as_str(), text.clone().into_bytes())));
    assert!(verdict_of(parts.path(), &Options::default()).problems.iter().all(|problem| problem.code != "several-splits"));
}

#[test]
fn patients_of_several_sites_are_taken_together_or_by_site() {
    let images: Vec<String> = (0..24).map(|i| format!("site{}/p{}/{i}.png", i / 12, i / 2 % 6)).collect();
    let table = rows("patient,label", "p#,@", 0..6, &["x", "y"]);
    asked(
        &images,
        &[("labels.csv", &table)],
        "ambiguous-file",
        &[
            ("Take those in all folders", "x 11+1, y 11+1"),
            ("Take the pictures in site0", "x 5+1, y 5+1"),
            ("Take the pictures in site1", "x 5+1, y 5+1"),
        ],
    );
    // A column of the sites tells them apart.
    let both: String = (0..12).map(|i| format!("site{},p{},{}\n", i / 6, i % 6, ["x", "y"][(i / 6 + i) % 2])).collect();
    check(&images, &[("labels.csv", &format!("site,patient,label\n{both}"))], "x 11+1, y 11+1");
}

#[test]
fn classes_below_folders_of_patients_in_sites_are_asked() {
    let images: Vec<String> = (0..24).map(|i| format!("{}/patient{}/{}/{i}.png", ["north", "south"][i / 12], i / 2, class(i))).collect();
    asked(
        &images,
        &[],
        "which-classes",
        &[
            ("Take cat, dog as the classes", "cat 11+1, dog 11+1"),
            ("Take north, south as the classes", "north 11+1, south 11+1"),
            ("Take north alone", "cat 5+1, dog 5+1"),
            ("Take south alone", "cat 5+1, dog 5+1"),
        ],
    );
}

#[test]
fn lists_of_some_classes_are_asked() {
    let images: Vec<String> = (0..24).map(|i| format!("{}/{i}.png", ["cat", "dog", "fox", "owl"][i % 4])).collect();
    let all = ("Take all folders", "cat 5+1, dog 5+1, fox 5+1, owl 5+1");
    asked(&images, &[("classes.txt", "cat\ndog\n")], "which-classes", &[all, ("Take the 2 classes of classes.txt", "cat 5+1, dog 5+1")]);
    asked(
        &images,
        &[("test_classes.txt", "fox\nowl\n"), ("train_classes.txt", "0 cat\n1 dog\n")],
        "which-classes",
        &[
            all,
            ("Take the 2 classes of train_classes.txt", "cat 5+1, dog 5+1"),
            ("Take the 2 classes of test_classes.txt", "fox 5+1, owl 5+1"),
        ],
    );
    // One of all, and one that names something else too.
    let verdict = check(&images, &[("classes.txt", "cat\ndog\nfox\nowl\n"), ("notes.txt", "cat\nbird\n")], all.1);
    assert!(
        verdict.account.iter().any(|line| line.what == "lists of classes" && line.examples == ["classes.txt"]),
        "{:?}",
        verdict.account
    );
}

#[test]
fn sizes_of_one_picture_are_asked() {
    let png = |value: usize, side: usize| {
        let data = (0..side * side).map(|at| ((at * 7 + value * 31) % 256) as u8).collect();
        Pixels { height: side, width: side, channels: 1, data }.png()
    };
    let found = |names: [&str; 2], sides: [usize; 2]| {
        let of = |name: &str, i: usize| name.replace('@', class(i)).replace('#', &i.to_string());
        let images: Vec<(String, Vec<u8>)> = (0..16).flat_map(|i| [0, 1].map(|form| (of(names[form], i), png(i, sides[form])))).collect();
        let files: Vec<(&str, Vec<u8>)> = images.iter().map(|(name, png)| (name.as_str(), png.clone())).collect();
        let set = folder(&[], &files);
        let verdict = verdict_of(set.path(), &Options::default());
        let question = verdict.problems.iter().find(|problem| !problem.remedies.is_empty() && !verdict.importable);
        let answers = question.iter().flat_map(|question| &question.remedies).take(2);
        answers.map(|remedy| format!("{}: {}", remedy.title, agreed(set.path(), &remedy.options))).collect::<Vec<_>>()
    };
    let one = "cat 7+1, dog 7+1";
    assert_eq!(
        found(["@/#.png", "@/small/#.png"], [32, 8]),
        [format!("Take those outside it: {one}"), format!("Take those in small alone: {one}")]
    );
    assert_eq!(
        found(["@/full/#.png", "@/thumbs/#.png"], [32, 8]),
        [format!("Take full of each alone: {one}"), format!("Take thumbs of each alone: {one}")]
    );
    assert_eq!(
        found(["full/@/#.png", "thumbs/@/#.png"], [32, 8]),
        [format!("Take full alone: {one}"), format!("Take thumbs alone: {one}")]
    );
    // Of one size they are other pictures of one name.
    assert!(found(["@/#.png", "@/small/#.png"], [8, 8]).is_empty());
}

#[test]
fn a_small_table_of_a_split_is_none_of_names() {
    let images: Vec<String> = (0..18).map(|i| format!("images/s{i}.png")).collect();
    let table = |range: std::ops::Range<usize>| rows("id_code,diagnosis", "s#,@", range, &["0", "1", "2"]);
    let files = [("train.csv", &*table(0..15)), ("valid.csv", &*table(15..18))];
    check(&images, &files, "0 5+1, 1 5+1, 2 5+1");
}

#[test]
fn a_split_within_a_structure_counts() {
    let split = |i: usize| if i < 16 { "train" } else { "test" };
    let row = |i: usize| format!(r#"{{"image":"{i}.png","label":"{}","meta":{{"split":"{}","camera":"a"}}}}"#, class(i), split(i));
    let images: Vec<String> = (0..24).map(|i| format!("{i}.png")).collect();
    let list = format!("[{}]", (0..24).map(row).collect::<Vec<_>>().join(","));
    check(&images, &[("labels.json", &list)], "cat 8+4, dog 8+4");
    let row = |i: usize| format!("{{\"text\":\"the sentence of number {i}\",\"metadata\":{{\"split\":\"{}\"}}}}\n", split(i % 24));
    let set = folder(&[], &texts(&[("a.jsonl", &(0..240).map(row).collect::<String>())]));
    let verdict = verdict_of(set.path(), &Options::default());
    assert!(verdict.importable && verdict.account.iter().any(|line| line.what == "text of several splits"), "{:?}", verdict.account);
}

/// 16 images of 2 x 2 in IDX files.
fn of_idx() -> Vec<(&'static str, Vec<u8>)> {
    let idx = |axes: &[u32], data: Vec<u8>| {
        let mut file = vec![0, 0, 8, axes.len() as u8];
        axes.iter().for_each(|axis| file.extend(axis.to_be_bytes()));
        [file, data].concat()
    };
    vec![
        ("raw/train-images-idx3-ubyte", idx(&[16, 2, 2], (0..64).collect())),
        ("raw/train-labels-idx1-ubyte", idx(&[16], (0..16).map(|i| i % 2).collect())),
    ]
}

#[test]
fn a_chosen_folder_of_images_counts_before_data_elsewhere() {
    let images: Vec<String> = (0..16).map(|i| format!("photos/{}/{i}.png", class(i))).collect();
    let set = folder(&images, &of_idx());
    assert_eq!(agreed(set.path(), &Options { folder: Some("photos".into()), ..Options::default() }), "cat 7+1, dog 7+1");
}

#[test]
fn data_of_several_kinds_side_by_side_are_asked() {
    let images: Vec<String> = (0..16).map(|i| format!("photos/{}/{i}.png", class(i))).collect();
    let (mnist, photos) = ("0 7+1, 1 7+1", "cat 7+1, dog 7+1");
    let set = folder(&images, &of_idx());
    let question = note(&verdict_of(set.path(), &Options::default()), "several-datasets");
    let found: Vec<String> = question.remedies.iter().map(|remedy| agreed(set.path(), &remedy.options)).collect();
    assert_eq!(found, [mnist, photos]);
    assert_eq!(agreed(set.path(), &Options::default()), "several-datasets");
    // A few pictures that name no classes are no dataset.
    let few: Vec<String> = (0..3).map(|i| format!("assets/{i}.png")).collect();
    assert_eq!(agreed(folder(&few, &of_idx()).path(), &Options::default()), mnist);
    // CIFAR-10 and CIFAR-100 in one folder.
    let both = folder(&[], &[]);
    for (archive, name) in [("cifar-10-python-2", "ten"), ("cifar-100-python", "hundred")] {
        let into = both.path().join(name);
        std::fs::create_dir(&into).unwrap();
        let archive = fixtures().join(format!("{archive}.tar.gz"));
        assert!(std::process::Command::new("tar").arg("xzf").arg(archive).arg("-C").arg(into).status().unwrap().success());
    }
    let question = note(&verdict_of(both.path(), &Options::default()), "several-datasets");
    assert_eq!(question.remedies.len(), 2);
    for remedy in &question.remedies {
        assert!(verdict_of(both.path(), &remedy.options).importable, "{}", remedy.title);
    }
    // The pickles and the records of one.
    let forms = folder(&[], &[]);
    for archive in ["cifar-10-python-2", "cifar-10-binary"] {
        let into = forms.path().join(archive);
        std::fs::create_dir(&into).unwrap();
        let archive = fixtures().join(format!("{archive}.tar.gz"));
        assert!(std::process::Command::new("tar").arg("xzf").arg(archive).arg("-C").arg(into).status().unwrap().success());
    }
    let question = note(&verdict_of(forms.path(), &Options::default()), "several-forms");
    for remedy in &question.remedies {
        assert!(verdict_of(forms.path(), &remedy.options).importable, "{}", remedy.title);
    }
}

#[test]
fn classes_two_levels_below_groups_are_asked() {
    let groups = [["lower", "polyps"], ["lower", "cecum"], ["upper", "ulcer"], ["upper", "pylorus"]];
    let images: Vec<String> = (0..32)
        .map(|i| {
            let [tract, class] = groups[i % 4];
            format!("{tract}/{}/{class}/{i}.png", ["findings", "landmarks"][i % 2])
        })
        .collect();
    asked(
        &images,
        &[],
        "which-classes",
        &[
            ("Take lower, upper as the classes", "lower 14+2, upper 14+2"),
            ("Take cecum, polyps, pylorus, ... as the classes", "cecum 7+1, polyps 7+1, pylorus 7+1, ulcer 7+1"),
        ],
    );
}

#[test]
fn folders_to_evaluate_on_are_found_beside_a_table_for_training() {
    let images: Vec<String> =
        (0..16).map(|i| format!("train/p{i}.png")).chain((16..22).map(|i| format!("validation/{}/p{i}.png", class(i)))).collect();
    let table = rows("id,class", "p#,@", 0..16, &["cat", "dog"]);
    check(&images, &[("train_labels.csv", &table)], "cat 8+3, dog 8+3");
    // Without folders of the classes they have no labels.
    let images: Vec<String> = (0..16).map(|i| format!("train/p{i}.png")).chain((16..22).map(|i| format!("validation/p{i}.png"))).collect();
    check(&images, &[("train_labels.csv", &table)], "cat 7+1, dog 7+1");
}

#[test]
fn classes_that_differ_by_case_alone_are_told() {
    let images: Vec<String> = (0..24).map(|i| format!("{}/{i}.png", ["Cat", "cat", "dog"][i % 3])).collect();
    let verdict = check(&images, &[], "Cat 7+1, cat 7+1, dog 7+1");
    assert!(note(&verdict, "similar-class").message.contains("\"Cat\" and \"cat\""));
    // Letters are classes of their own.
    let letters: Vec<String> = (0..24).map(|i| format!("{}/{i}.png", ["A", "a", "b"][i % 3])).collect();
    assert!(verdict_of(folder(&letters, &[]).path(), &Options::default()).problems.iter().all(|problem| problem.code != "similar-class"));
}

#[test]
fn coordinates_of_a_box_are_no_labels() {
    let row = |i: usize| format!("p{i}.png,{},{}.5,{}.2,30,40\n", ["Mass", "Nodule"][i % 2], i, i * 3);
    let table = format!("Image Index,Finding Label,Bbox [x,y,w,h]\n{}", (0..16).map(row).collect::<String>());
    let images: Vec<String> = (0..16).map(|i| format!("p{i}.png")).collect();
    check(&images, &[("BBox_List.csv", &table)], "Mass 7+1, Nodule 7+1");
}

#[test]
fn empty_images_are_not_the_same_image() {
    let images: Vec<String> = (0..16).map(|i| format!("{}/{i}.png", class(i))).collect();
    let set = folder(&images, &[("cat/a.png", Vec::new()), ("dog/b.png", Vec::new())]);
    let verdict = verdict_of(set.path(), &Options { skip: Some(true), ..Options::default() });
    assert!(verdict.problems.iter().all(|problem| !problem.message.contains("equal to")), "{:?}", verdict.problems);
}

#[test]
fn versions_in_folders_are_asked() {
    let files = |version: &str, from: usize| (from..from + 12).map(|i| format!("pets/{version}/{}/{i}.png", class(i))).collect::<Vec<_>>();
    let images = [files("1.9.0", 0), files("1.10.0", 0)].concat();
    asked(&images, &[], "several-versions", &[("Take 1.10.0", "cat 5+1, dog 5+1"), ("Take 1.9.0", "cat 5+1, dog 5+1")]);
    // Other files are parts of one dataset.
    let images = [files("1.0", 0), files("2.0", 50)].concat();
    let set = folder(&images, &[]);
    assert!(verdict_of(set.path(), &Options::default()).problems.iter().all(|problem| problem.code != "several-versions"));
}
