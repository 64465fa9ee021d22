//! Tables of images as they break importers: columns that number rows, paths of another machine, rows of folders, splits in other files, flags
//! beside text, tables that contradict folders, and rows that contradict each other.

use crate::common::sets::{asked, check, folder, many, rows, texts};
use crate::common::{agreed, found, verdict_of};
use sdp_data::inspect::Verdict;
use sdp_data::options::{Format, Options};

/// Rows `pattern` whose images are in another order than the rows: `#` the row, `%` the image, `@` the label of the image.
fn shuffled(header: &str, pattern: &str) -> String {
    let row = |i: usize| {
        let image = (i * 7 + 3) % 20;
        let row = pattern.replace('#', &i.to_string()).replace('%', &image.to_string());
        row.replace('@', ["even", "odd"][image % 2]) + "\n"
    };
    format!("{header}\n{}", (0..20).map(row).collect::<String>())
}

/// The labels that the rows of an import have, by image.
fn labels_by_image(images: &[String], files: &[(&str, &str)]) -> Vec<(String, String)> {
    let folder = folder(images, &texts(files));
    let verdict = verdict_of(folder.path(), &Options::default());
    let shown = |preview: &sdp_data::inspect::Preview| match preview {
        sdp_data::inspect::Preview::Image { source, label, .. } => {
            (source.rsplit('/').next().unwrap().to_owned(), label.clone().unwrap_or_default())
        }
        sdp_data::inspect::Preview::Text { .. } => panic!("text"),
    };
    verdict.previews.iter().map(shown).collect()
}

fn messages(verdict: &Verdict) -> String {
    verdict.problems.iter().map(|problem| format!("{}: {}\n", problem.code, problem.message)).collect()
}

#[test]
fn numbers_of_rows_are_no_names_of_files() {
    let cells = shuffled(",image,label", "#,\"{'bytes': None, 'path': 'imgs/%.png'}\",@");
    let images = many("imgs/#.png", 20);
    check(&images, &[("train.csv", &cells)], "even 9+1, odd 9+1");
    for (image, label) in labels_by_image(&images, &[("train.csv", &cells)]) {
        let number: usize = image.trim_end_matches(".png").parse().unwrap();
        assert_eq!(label, ["even", "odd"][number % 2], "{image}");
    }
    for header in [",photo_ref,label", "Unnamed: 0,photo_ref,label", "index,photo_ref,label"] {
        let folder = folder(&images, &texts(&[("train.csv", &shuffled(header, "#,ref-%,@"))]));
        let verdict = verdict_of(folder.path(), &Options::default());
        assert_eq!(found(&verdict), "no-column", "{header}");
        assert_eq!(agreed(folder.path(), &verdict.problems[0].remedies[0].options), "even 9+1, odd 9+1", "{header}");
    }
    // Without a header; two columns have no other that may name files.
    let bare = shuffled("", "#,ref-%,@");
    asked(&images, &[("train.csv", bare.trim_start())], "no-column", &[("Take column 1 as the names of the files", "no-column")]);
    check(&images, &[("train.csv", &rows("", "#,@", 0..20, &["a", "b"]))], "a 9+1, b 9+1");
    // A log of training beside class folders is no table of images.
    let log = rows(",loss,acc", "#,0.#,0.5", 0..10, &[""]);
    check(&[many("cat/#.png", 10), many("dog/#.png", 10)].concat(), &[("log.csv", &log)], "cat 9+1, dog 9+1");
}

#[test]
fn paths_of_another_machine_are_taken_by_the_names_of_files() {
    let images = many("images/p#.png", 20);
    for path in [
        "/data/upload/1/p#.png",
        "/kaggle/input/foo/train/p#.png",
        "https://host/some/p#.png",
        "https://host/some/p#.png?token=1",
        "C:\\\\old\\\\p#.png",
        "gs://bucket/images/p#.png",
        "/data/local-files/?d=old/p#.png",
        "/data/upload/1/3fa2b01c-p#.png",
    ] {
        let verdict = check(&images, &[("l.csv", &rows("file,label", &format!("{path},@"), 0..20, &["a", "b"]))], "a 9+1, b 9+1");
        let is_told = verdict.problems.iter().any(|problem| problem.code == "moved-files");
        assert_eq!(is_told, !path.contains("images/"), "{path}");
    }
    // Not where another file of the name is meant, or the folders speak of another split or class.
    let table = |pattern: &str| rows("file,label", pattern, 0..20, &["a", "b"]);
    for (images, pattern) in
        [(many("test/p#.png", 20), "/x/train/p#.png,@"), ([many("new/p#.png", 10), many("more/p#.png", 20)].concat(), "old/p#.png,@")]
    {
        assert_eq!(found(&verdict_of(folder(&images, &texts(&[("l.csv", &table(pattern))])).path(), &Options::default())), "missing-file");
    }
    let b_in_a: Vec<String> = (0..20).map(|i| format!("{}/{i}.png", ["b", "a"][i % 2])).collect();
    check(&b_in_a, &[("l.csv", &table("set/old/#.png,@"))], "missing-file");
    // The column whose files are there is the one of images.
    let faces = rows(",original_path,id,label_str,path", "#,/kaggle/nvidia/#.jpg,f#,@,real/f#.png", 0..20, &["real", "fake"]);
    check(&many("real/f#.png", 20), &[("train.csv", &faces)], "fake 9+1, real 9+1");
}

#[test]
fn a_column_of_folders_completes_the_names_of_files() {
    let images = [many("siteA/#.png", 10), many("siteB/#.png", 10)].concat();
    let table =
        format!("{}{}", rows("folder,filename,label", "siteA,#.png,@", 0..10, &["x", "y"]), rows("", "siteB,#.png,@", 0..10, &["y", "x"]));
    let verdict = check(&images, &[("l.csv", &table)], "x 9+1, y 9+1");
    assert!(verdict.account.iter().any(|line| line.what == "folders of images" && line.examples == ["folder"]), "{:?}", verdict.account);
}

#[test]
fn rows_of_folders_label_the_images_below() {
    let images: Vec<String> = (0..8).flat_map(|i| [format!("P{i:03}/AP.png"), format!("P{i:03}/LAT.png")]).collect();
    let clinical = |header: &str, row: &dyn Fn(usize) -> String| format!("{header}\n{}", (0..8).map(|i| row(i) + "\n").collect::<String>());
    let class = |i: usize| ["benign", "malignant"][i % 2];
    let table = clinical("patient_id,diagnosis,age", &|i| format!("P{i:03},{},{}", class(i), 40 + i));
    let verdict = check(&images, &[("clinical.csv", &table)], "benign 7+1, malignant 7+1");
    assert!(verdict.problems.iter().any(|problem| problem.code == "folder-rows"), "{}", messages(&verdict));
    // By a path, and with splits.
    let scans: Vec<String> = images.iter().map(|name| format!("scans/{name}")).collect();
    let table = clinical("folder,label,split", &|i| format!("scans/P{i:03},{},{}", class(i), ["train", "val"][i / 6]));
    check(&scans, &[("labels.csv", &table)], "benign 6+2, malignant 6+2");
    // MURA: no header, paths of folders that end with a slash.
    let mura: Vec<String> =
        (0..8).flat_map(|i| [1, 2].map(|n| format!("train/XR_HAND/patient{i:05}/study1_{}/image{n}.png", class(i)))).collect();
    let studies: String = (0..8).map(|i| format!("MURA-v1.1/train/XR_HAND/patient{i:05}/study1_{}/,{}\n", class(i), i % 2)).collect();
    check(&mura, &[("train_labeled_studies.csv", &studies)], "0 7+1, 1 7+1");
    let valid: Vec<String> = (8..12).map(|i| format!("valid/XR_HAND/patient{i:05}/study1_{}/image1.png", class(i))).collect();
    let others: String = (8..12).map(|i| format!("MURA-v1.1/valid/XR_HAND/patient{i:05}/study1_{}/,{}\n", class(i), i % 2)).collect();
    let both = [("train_labeled_studies.csv", studies.as_str()), ("valid_labeled_studies.csv", others.as_str())];
    check(&[mura, valid].concat(), &both, "0 8+2, 1 8+2");
    // BraTS: several folders below that of a patient, the label in the only other column.
    let brats: Vec<String> = (0..10).flat_map(|i| ["FLAIR", "T1w"].map(|kind| format!("train/{i:05}/{kind}/Image-0.png"))).collect();
    let table: String = (0..10).map(|i| format!("{i:05},{}\n", i % 2)).collect();
    check(&brats, &[("train_labels.csv", &format!("BraTS21ID,MGMT_value\n{table}"))], "0 9+1, 1 9+1");
    // Unknown columns of labels are asked of.
    for header in ["patient_id,outcome,age", "pat,outcome,age"] {
        let table = clinical(header, &|i| format!("P{i:03},{},{}", class(i), 40 + i));
        asked(&images, &[("clinical.csv", &table)], "no-column", &[("Take outcome as the labels", "benign 7+1, malignant 7+1")]);
    }
    // Folders that are words may be the classes: which is asked.
    let pets = [many("beagle/#.png", 4), many("boxer/#.png", 4), many("sphynx/#.png", 4), many("persian/#.png", 4)].concat();
    let kinds = "kind,species,note\nbeagle,dog,x1\nboxer,dog,x2\nsphynx,cat,x3\npersian,cat,x4\n";
    asked(
        &pets,
        &[("kinds.csv", kinds)],
        "folder-rows",
        &[
            ("Take species as the labels", "cat 7+1, dog 7+1"),
            ("Take the folders as the classes", "beagle 3+1, boxer 3+1, persian 3+1, sphynx 3+1"),
        ],
    );
    // Facts about classes or patients are no labels.
    let facts = "class,images\nbeagle,4\nboxer,4\nsphynx,4\npersian,5\n";
    check(&pets, &[("counts.csv", facts)], "beagle 3+1, boxer 3+1, persian 3+1, sphynx 3+1");
    let numbers = "class_id,class\n0,beagle\n1,boxer\n2,persian\n3,sphynx\n";
    check(&pets, &[("classes.csv", numbers), ("names.csv", numbers)], "beagle 3+1, boxer 3+1, persian 3+1, sphynx 3+1");
    let sorted: Vec<String> = (0..8).flat_map(|i| [1, 2].map(|n| format!("{}/P{i:03}/{n}.png", class(i)))).collect();
    let ages = clinical("patient_id,age,sex", &|i| format!("P{i:03},{},{}", 40 + i % 3, ["F", "M"][i / 4]));
    check(&sorted, &[("patients.csv", &ages)], "benign 7+1, malignant 7+1");
}

#[test]
fn a_table_that_is_chosen_is_never_passed_over() {
    let images = [many("cat/#.png", 10), many("dog/#.png", 10)].concat();
    let folder = folder(&images, &texts(&[("prices.csv", "item,price\nfood,3\ntoys,4\n")]));
    let chosen = |table: &str| Options { table: Some(table.into()), ..Options::default() };
    for (table, says) in [("prices.csv", "names no image that is there"), ("missing.csv", "there is no table or list called missing.csv")] {
        let verdict = verdict_of(folder.path(), &chosen(table));
        assert_eq!(found(&verdict), "no-table");
        assert!(verdict.problems[0].message.contains(says), "{}", messages(&verdict));
    }
}

#[test]
fn splits_in_other_files_are_kept() {
    let labels = rows("img,label", "#.png,@", 0..20, &["a", "b"]);
    let list = |range: std::ops::Range<usize>, pattern: &str| rows("", pattern, range, &[""]);
    let images = many("#.png", 20);
    let lists = [("train.txt", list(0..14, "#.png")), ("val.txt", list(14..20, "#.png")), ("labels.csv", labels.clone())];
    check(&images, &lists.each_ref().map(|(name, text)| (*name, text.as_str())), "a 7+3, b 7+3");
    let json = |pattern: &str, range: std::ops::Range<usize>| {
        range.map(|i| format!("\"{}\"", pattern.replace('#', &i.to_string()))).collect::<Vec<_>>().join(", ")
    };
    let both = format!("{{\"train\": [{}], \"test\": [{}]}}", json("#.png", 0..14), json("#.png", 14..20));
    check(&images, &[("labels.csv", &labels), ("split.json", &both)], "a 7+3, b 7+3");
    // Lists of evaluation alone leave the others for training.
    check(&images, &[("labels.csv", &labels), ("validation_list.txt", &list(14..20, "#.png"))], "a 7+3, b 7+3");
    // Lists of another machine, and of other images.
    let moved = [("train.txt", list(0..14, "/old/set/#.png")), ("val.txt", list(14..20, "/old/set/#.png")), ("labels.csv", labels.clone())];
    check(&many("images/#.png", 20), &moved.each_ref().map(|(name, text)| (*name, text.as_str())), "a 7+3, b 7+3");
    let partly = [("train.txt", list(0..14, "#.png")), ("val.txt", list(14..24, "#.png")), ("labels.csv", labels.clone())];
    let verdict = check(&images, &partly.each_ref().map(|(name, text)| (*name, text.as_str())), "a 7+3, b 7+3");
    assert!(messages(&verdict).contains("the splits of 4 images that are not here"), "{}", messages(&verdict));
    // One of `train`, `val` and both together counts once.
    let trainval = [lists[0].clone(), lists[1].clone(), lists[2].clone(), ("trainval.txt", list(0..20, "#.png"))];
    check(&images, &trainval.each_ref().map(|(name, text)| (*name, text.as_str())), "a 7+3, b 7+3");
    // Tables of names alone, one of each split.
    let column = |range: std::ops::Range<usize>| rows("file", "#.png", range, &[""]);
    check(&images, &[("labels.csv", &labels), ("train.csv", &column(0..14)), ("val.csv", &column(14..20))], "a 7+3, b 7+3");
    // Beside folders of classes.
    let folders = [many("cat/c#.png", 10), many("dog/d#.png", 10)].concat();
    let of_both = |range: std::ops::Range<usize>, end: &str| {
        format!("{}{}", list(range.clone(), &format!("cat/c#.png{end}")), list(range, &format!("dog/d#.png{end}")))
    };
    let splits = format!("path,split\n{}{}", of_both(0..7, ",train"), of_both(7..10, ",test"));
    check(&folders, &[("splits.csv", &splits)], "cat 7+3, dog 7+3");
    let both = format!(
        "{{\"train\": [{}, {}], \"test\": [{}, {}]}}",
        json("cat/c#.png", 0..7),
        json("dog/d#.png", 0..7),
        json("cat/c#.png", 7..10),
        json("dog/d#.png", 7..10)
    );
    check(&folders, &[("split.json", &both)], "cat 7+3, dog 7+3");
    let bare = |range: std::ops::Range<usize>| format!("{}{}", list(range.clone(), "c#.png"), list(range, "d#.png"));
    check(&folders, &[("train.txt", &bare(0..7)), ("test.txt", &bare(7..10))], "cat 7+3, dog 7+3");
}

#[test]
fn flags_beside_text_are_asked_of() {
    let dummies =
        rows("file,sex_M,sex_F,dx_code", "#.png,@", 0..24, &["1,0,TB", "0,1,normal", "1,0,covid", "0,1,TB", "1,0,normal", "0,1,covid"]);
    asked(
        &many("#.png", 24),
        &[("l.csv", &dummies)],
        "no-column",
        &[("Take dx_code as the labels", "TB 7+1, covid 7+1, normal 7+1"), ("Take sex_M,sex_F as the labels", "sex_M 11+1, sex_F 11+1")],
    );
    let remarks =
        rows("file,male,smoker,finding", "#.png,@", 0..24, &["1,0,TB", "0,1,normal", "1,0,covid", "0,1,TB", "1,0,normal", "0,1,covid"]);
    let folder = folder(&many("#.png", 24), &texts(&[("l.csv", &remarks)]));
    let verdict = verdict_of(folder.path(), &Options::default());
    assert_eq!(found(&verdict), "no-column");
    assert_eq!(verdict.problems[0].remedies[0].title, "Take finding as the labels");
    // A flag of all images is no class.
    let regions = rows("filename,region_count,region_id,region_attributes", "#.png,1,0,@", 0..20, &["cat", "dog"]);
    asked(&many("#.png", 20), &[("via.csv", &regions)], "no-column", &[("Take region_attributes as the labels", "cat 9+1, dog 9+1")]);
    // Numbers that tell of the image are no text.
    let ages = rows("file,rust,scab,healthy,age", "#.png,@", 0..24, &["1,0,0,30", "0,1,0,31", "0,0,1,32"]);
    check(&many("#.png", 24), &[("l.csv", &ages)], "rust 7+1, scab 7+1, healthy 7+1");
}

#[test]
fn minus_one_beside_zero_and_one_is_uncertain() {
    let chest = rows("Path,No Finding,Edema,Fracture", "#.png,@", 0..30, &["1.0,0.0,0.0", "0.0,1.0,", ",0.0,1.0", "0.0,-1.0,1.0", ",1.0,"]);
    asked(
        &many("#.png", 30),
        &[("train.csv", &chest)],
        "uncertain-label",
        &[("Leave these rows out", "No Finding 5+1, Edema 11+1, Fracture 5+1")],
    );
    let celeb = rows("file,Young,Old", "#.png,@", 0..20, &["1,-1", "-1,1"]);
    check(&many("#.png", 20), &[("l.csv", &celeb)], "Young 9+1, Old 9+1");
}

#[test]
fn a_small_table_does_not_replace_folders_of_classes_silently() {
    let images = [many("cat/#.png", 10), many("dog/#.png", 10)].concat();
    let bad = "file,class\ncat/1.png,blurry\ndog/2.png,dark\ndog/3.png,blurry\ncat/5.png,dark\n";
    asked(
        &images,
        &[("bad_images.csv", bad)],
        "table-or-folders",
        &[("Take the folders as the classes", "cat 9+1, dog 9+1"), ("Take the 4 labels of the table", "blurry 1+1, dark 1+1")],
    );
    // All images have a row: the table counts, and it is said.
    let clean = format!(
        "file,label\n{}",
        images.iter().enumerate().map(|(i, name)| format!("{name},{}\n", if i == 3 { "dog" } else { &name[..3] })).collect::<String>()
    );
    let verdict = check(&images, &[("clean_labels.csv", &clean)], "cat 8+1, dog 10+1");
    assert!(verdict.problems.iter().any(|problem| problem.code == "folders-differ" && problem.count == 1), "{}", messages(&verdict));
    // Parts of a dataset are no classes.
    let parts = [many("part_1/a#.png", 10), many("part_2/b#.png", 10)].concat();
    let table = format!("{}{}", rows("id,dx", "a#,@", 0..10, &["x", "y"]), rows("", "b#,@", 0..10, &["x", "y"]));
    let verdict = check(&parts, &[("meta.csv", &table)], "x 9+1, y 9+1");
    assert!(verdict.problems.iter().all(|problem| problem.code != "folders-differ"), "{}", messages(&verdict));
}

#[test]
fn what_leaves_nothing_is_neither_ready_nor_offered() {
    let gone = rows("file,label", "gone#.png,@", 0..20, &["a", "b"]);
    let images = many("#.png", 20);
    let only_gone = folder(&images, &texts(&[("labels.csv", &gone)]));
    for skip in [None, Some(true)] {
        let verdict = verdict_of(only_gone.path(), &Options { skip, ..Options::default() });
        assert!(!verdict.importable && verdict.content.is_none(), "{}", messages(&verdict));
        assert!(verdict.problems.iter().all(|problem| problem.remedies.iter().all(|remedy| remedy.action != "skip")));
        assert!(verdict.problems.iter().all(|problem| problem.code != "no-validation"), "{}", messages(&verdict));
        let expected = if skip.is_some() { "empty-split" } else { "missing-file" };
        assert_eq!(agreed(only_gone.path(), &Options { skip, ..Options::default() }), expected);
    }
    // Validation of other classes than training.
    let other = [many("train/0/a#.png", 5), many("train/1/b#.png", 5), many("val/cat/c#.png", 5), many("val/dog/d#.png", 5)].concat();
    let other = folder(&other, &[]);
    let verdict = verdict_of(other.path(), &Options { skip: Some(true), ..Options::default() });
    assert!(!verdict.importable && agreed(other.path(), &verdict.options) == found(&verdict), "{}", messages(&verdict));
}

#[test]
fn likely_columns_are_offered_first_and_others_not() {
    let studio = rows(
        "image,id,choice,annotator,annotation_id,created_at,lead_time",
        "/data/upload/1/p#.png,1#,@,1,9#,2024-01-0#,1.#",
        0..16,
        &["cat", "dog"],
    );
    asked(&many("images/p#.png", 16), &[("export.csv", &studio)], "no-column", &[("Take choice as the labels", "cat 7+1, dog 7+1")]);
    let lesions = ["L1,I#,histo,40,back", "L1,I#,histo,40,face", "L2,I#,follow_up,50,back", "L2,I#,histo,50,face"];
    let ham: String = (0..24).map(|i| lesions[i % 4].replace('#', &i.to_string()) + "\n").collect();
    let ham = format!("lesion_id,image_id,dx_type,age,localization\n{ham}");
    let images: Vec<String> = (0..24).map(|i| format!("part_{}/I{i}.png", 1 + i % 2)).collect();
    let ham = folder(&images, &texts(&[("meta.csv", &ham)]));
    let verdict = verdict_of(ham.path(), &Options::default());
    let titles: Vec<&str> = verdict.problems[0].remedies.iter().map(|remedy| remedy.title.as_str()).collect();
    let as_labels = ["dx_type", "localization", "age", "lesion_id"].map(|column| format!("Take {column} as the labels"));
    assert_eq!(titles, as_labels);
    assert!(verdict.problems[0].remedies.iter().all(|remedy| remedy.options.format != Some(Format::ImageFolder)));
}

#[test]
fn different_labels_of_one_image_are_several_labels() {
    let twice = rows("file,label", "#.png,@", 0..20, &["a", "b"]) + "0.png,b\n1.png,a\n2.png,a\n";
    asked(
        &many("#.png", 20),
        &[("l.csv", &twice)],
        "several-labels",
        &[("Only the 18 with one label", "a 8+1, b 8+1"), ("Take each combination as a class", "a 8+1, a + b 1+1, b 8+1")],
    );
    let verdict = check(&many("#.png", 20), &[("l.csv", &twice)], "several-labels");
    assert!(
        messages(&verdict).contains("2 images have several labels in the rows of the column label, such as a and b"),
        "{}",
        messages(&verdict)
    );
    let every = rows("file,label", "#.png,@", 0..4, &["a", "b"]) + &rows("", "#.png,@", 0..4, &["b", "a"]);
    asked(&many("#.png", 4), &[("l.csv", &every)], "several-labels", &[]);
    let splits = rows("file,label,split", "#.png,@", 0..20, &["a,train", "b,train", "a,val", "b,val"]) + "0.png,a,val\n";
    asked(&many("#.png", 20), &[("l.csv", &splits)], "several-splits", &[("Leave these images out", "a 4+5, b 5+5")]);
}

#[test]
fn labels_are_unwrapped_and_equal_numbers_told() {
    check(&many("#.png", 20), &[("l.csv", &rows("file,label", "#.png,@", 0..20, &["\"['a']\"", "\"['b']\""]))], "a 9+1, b 9+1");
    let several = rows("file,label", "#.png,@", 0..30, &["\"['a', 'b']\"", "\"['a']\"", "\"['b']\""]);
    check(&many("#.png", 30), &[("l.csv", &several)], "several-labels");
    for (labels, says) in [(["01", "1", "2"], "such as 01 and 1"), (["1e3", "1000", "2"], "such as 1000 and 1e3")] {
        let verdict = check_any(&rows("file,label", "#.png,@", 0..30, &labels));
        assert!(messages(&verdict).contains(says), "{}", messages(&verdict));
    }
    let verdict = check_any(&rows("file,label", "#.png,@", 0..30, &["1.0", "1", "2"]));
    assert!(!messages(&verdict).contains("same number"), "{}", messages(&verdict));
    // Roboflow's column of images that nobody labelled is no class.
    let roboflow = rows("filename, cat, dog, Unlabeled", "#.png,@", 0..40, &["1,0,0", "0,1,0", "1,0,0", "0,0,1"]);
    asked(&many("#.png", 40), &[("_classes.csv", &roboflow)], "no-label", &[("Leave these images out", "cat 18+2, dog 9+1")]);
    let ages = format!("file,age\n{}", (0..40).map(|i| format!("{i}.png,{i}.5\n")).collect::<String>());
    let verdict = check_any(&ages);
    assert!(!messages(&verdict).contains("the column the column"), "{}", messages(&verdict));
}

#[test]
fn tags_of_cvat_are_labels() {
    let image = |i: usize| format!("<image id=\"{i}\" name=\"{i}.png\"><tag label=\"{}\"></tag></image>\n", ["cat", "dog"][i % 2]);
    let xml = format!("<?xml version=\"1.0\"?>\n<annotations>\n{}</annotations>", (0..20).map(image).collect::<String>());
    check(&many("images/#.png", 20), &[("annotations.xml", &xml)], "cat 9+1, dog 9+1");
    check(&many("images/#.png", 20), &[("annotations.xml", &xml.replace("tag", "box"))], "detection");
}

fn check_any(table: &str) -> Verdict {
    verdict_of(folder(&many("#.png", 40), &texts(&[("l.csv", table)])).path(), &Options::default())
}
