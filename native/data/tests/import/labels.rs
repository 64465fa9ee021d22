//! Labels that no table tells, splits that files tell in other ways than by folders, and what is asked where it cannot be known.

use crate::common::sets::{asked, check, folder, many, rows, texts};
use crate::common::{agreed, found, refusal, try_import, verdict_of, write};
use sdp_data::options::Options;

const SITES: &str = "site0 7+1, site1 7+1";
/// The labels of `sites`.
const LABELS: &str = "x 7+1, y 7+1";

/// 16 images in two folders that are no classes.
fn sites() -> Vec<String> {
    (0..16).map(|i| format!("site{}/p{i}.png", i % 2)).collect()
}

/// The same in folders that may be classes.
fn words() -> Vec<String> {
    (0..16).map(|i| format!("{}/p{i}.png", ["hill", "river"][i % 2])).collect()
}

fn label(i: usize) -> &'static str {
    ["x", "y"][i / 2 % 2]
}

fn joined(one: impl Fn(usize) -> String) -> String {
    (0..16).map(one).collect::<Vec<_>>().join(",")
}

/// Categories of whole images, or of boxes in them.
fn coco(images: &[String], category: impl Fn(usize) -> usize, boxes: bool, quote: &str) -> String {
    let bbox = if boxes { r#","bbox":[1,2,3,4]"# } else { "" };
    let image = |i: usize| format!(r#"{{"id":{quote}{i}{quote},"file_name":"{}"}}"#, images[i]);
    let annotation = |i: usize| format!(r#"{{"id":{i},"image_id":{quote}{i}{quote},"category_id":{}{bbox}}}"#, category(i));
    let categories = r#"[{"id":0,"name":"x"},{"id":1,"name":"y"}]"#;
    format!(r#"{{"images":[{}],"annotations":[{}],"categories":{categories}}}"#, joined(image), joined(annotation))
}

/// A file beside each image.
fn beside(images: &[String], ending: &str, content: impl Fn(usize) -> String) -> Vec<(String, String)> {
    images.iter().enumerate().map(|(i, name)| (name.replace("png", ending), content(i))).collect()
}

fn check_beside(images: &[String], files: &[(String, String)], expected: &str) {
    let files: Vec<(&str, &str)> = files.iter().map(|(name, content)| (name.as_str(), content.as_str())).collect();
    check(images, &files, expected);
}

#[test]
fn categories_of_whole_images_are_their_labels() {
    let category = |i: usize| i / 2 % 2;
    for quote in ["", "\""] {
        check(&sites(), &[("annotations.json", &coco(&sites(), category, false, quote))], LABELS);
    }
    check(&many("#.png", 16), &[("annotations.json", &coco(&many("#.png", 16), category, false, ""))], LABELS);
    // What folders of words say otherwise is told.
    let verdict = check(&words(), &[("annotations.json", &coco(&words(), category, false, ""))], LABELS);
    let note = verdict.problems.iter().find(|problem| problem.code == "folders-differ").unwrap();
    assert_eq!(note.remedies[0].title, "Take the folders as the classes");
    // Those that agree with the folders leave these.
    check(&words(), &[("annotations.json", &coco(&words(), |i| i % 2, false, ""))], "hill 7+1, river 7+1");
}

#[test]
fn objects_in_images_that_contradict_the_folders_are_a_question() {
    let answers =
        |folders| [("Take the folders as the classes", folders), ("Only the 16 images whose objects are all of one class", LABELS)];
    let json = coco(&sites(), |i| i / 2 % 2, true, "");
    asked(&sites(), &[("instances.json", &json)], "detection", &answers(SITES));
    let yolo = beside(&sites(), "txt", |i| format!("{} 0.5 0.5 0.2 0.2\n", i / 2 % 2));
    let files: Vec<(&str, &str)> = yolo.iter().map(|(name, content)| (name.as_str(), content.as_str())).collect();
    let numbers = [answers(SITES)[0], ("Only the 16 images whose objects are all of one class", "0 7+1, 1 7+1")];
    asked(&sites(), &files, "detection", &numbers);
    let voc = beside(&sites(), "xml", |i| format!("<annotation><object><name>{}</name></object></annotation>", label(i)));
    let files: Vec<(&str, &str)> = voc.iter().map(|(name, content)| (name.as_str(), content.as_str())).collect();
    asked(&sites(), &files, "detection", &answers(SITES));
    let shapes = beside(&sites(), "json", |i| format!(r#"{{"flags":{{}},"shapes":[{{"label":"{}"}}],"imagePath":"p{i}.png"}}"#, label(i)));
    let files: Vec<(&str, &str)> = shapes.iter().map(|(name, content)| (name.as_str(), content.as_str())).collect();
    asked(&sites(), &files, "detection", &answers(SITES));
    // Boxes of what the folders say, by whatever name, ask nothing.
    check(&words(), &[("instances.json", &coco(&words(), |i| i % 2, true, ""))], "hill 7+1, river 7+1");
    check_beside(&words(), &beside(&words(), "txt", |i| format!("{} 0.5 0.5 0.2 0.2\n", i % 2)), "hill 7+1, river 7+1");
    check_beside(&words(), &beside(&words(), "txt", |_| "0 0.5 0.5 0.2 0.2\n".into()), "hill 7+1, river 7+1");
}

#[test]
fn projects_of_labelling_tools_tell_labels() {
    let task = |i: usize, image: String, result: String| {
        format!(r#"{{"id":{i},"data":{{"image":"{image}"}},"annotations":[{{"result":[{result}]}}]}}"#)
    };
    let choice = |i: usize| format!(r#"{{"type":"choices","value":{{"choices":["{}"]}}}}"#, label(i));
    let local = joined(|i| task(i, format!("/data/local-files/?d=site{}/p{i}.png", i % 2), choice(i)));
    check(&sites(), &[("project.json", &format!("[{local}]"))], LABELS);
    let uploaded = joined(|i| task(i, format!("/data/upload/1/ab12cd{i:02}-p{i}.png"), choice(i)));
    check(&sites(), &[("project.json", &format!("[{uploaded}]"))], LABELS);
    let rectangles = |i: usize| format!(r#"{{"type":"rectanglelabels","value":{{"x":1,"rectanglelabels":["{}"]}}}}"#, label(i));
    let objects = joined(|i| task(i, format!("/data/local-files/?d=site{}/p{i}.png", i % 2), rectangles(i)));
    let answers = [("Take the folders as the classes", SITES), ("Only the 16 images whose objects are all of one class", LABELS)];
    asked(&sites(), &[("project.json", &format!("[{objects}]"))], "detection", &answers);
    let via = |i: usize, attributes: String, regions: &str| {
        format!(r#""p{i}.png9":{{"filename":"p{i}.png","size":9,"file_attributes":{{{attributes}}},"regions":[{regions}]}}"#)
    };
    let files = joined(|i| via(i, format!(r#""grade":"{}""#, label(i)), ""));
    check(&sites(), &[("via.json", &format!("{{{files}}}"))], LABELS);
    let project = format!(r#"{{"_via_settings":{{"ui":{{}}}},"_via_img_metadata":{{{files}}},"_via_image_id_list":["p0.png9"]}}"#);
    check(&sites(), &[("via.json", &project)], LABELS);
    let regions = joined(|i| {
        via(i, String::new(), &format!(r#"{{"shape_attributes":{{"name":"rect"}},"region_attributes":{{"kind":"{}"}}}}"#, label(i)))
    });
    asked(&sites(), &[("via.json", &format!("{{{regions}}}"))], "detection", &answers);
}

#[test]
fn a_file_beside_each_image_tells_its_label() {
    check_beside(&sites(), &beside(&sites(), "json", |i| format!(r#"{{"label":"{}","width":16}}"#, label(i))), LABELS);
    check_beside(&sites(), &beside(&sites(), "txt", |i| format!("{}\n", label(i))), LABELS);
    let flags = |i: usize| format!(r#"{{"flags":{{"good":{},"poor":{}}},"shapes":[],"imageData":null}}"#, label(i) == "x", label(i) == "y");
    check_beside(&sites(), &beside(&sites(), "json", flags), "good 7+1, poor 7+1");
    let flat = many("images/#.png", 16);
    check_beside(&flat, &beside(&flat, "json", |i| format!(r#"{{"label":"{}"}}"#, label(i))), LABELS);
    // Captions, and notes without a label, are none.
    check_beside(&sites(), &beside(&sites(), "txt", |i| format!("a photo of number {i}, taken at noon")), SITES);
    check_beside(&sites(), &beside(&sites(), "json", |i| format!(r#"{{"width":{i},"camera":"{}"}}"#, label(i))), SITES);
    let files = beside(&sites(), "json", |i| format!(r#"{{"label":"{}"}}"#, label(i)));
    let files: Vec<(&str, Vec<u8>)> = files.iter().map(|(name, content)| (name.as_str(), content.clone().into_bytes())).collect();
    let set = folder(&sites(), &files);
    let account = verdict_of(set.path(), &Options::default()).account;
    assert!(account.iter().any(|line| line.used && line.what == "labels beside images" && line.count == 16), "{account:?}");
}

#[test]
fn lists_of_videos_split_their_frames() {
    let mut images = Vec::new();
    let (mut train, mut test) = ([String::new(), String::new()], [String::new(), String::new()]);
    for (number, class) in ["Archery", "Biking"].iter().enumerate() {
        for video in 0..6 {
            let name = format!("{class}/v_{class}_g{video:02}_c01");
            images.extend((0..3).map(|frame| format!("UCF/{name}/frame{frame:04}.png")));
            for division in 0..2 {
                match video < division + 2 {
                    true => test[division] += &format!("{name}.avi\n"),
                    false => train[division] += &format!("{name}.avi {}\n", number + 1),
                }
            }
        }
    }
    let one = [("lists/trainlist01.txt", train[0].as_str()), ("lists/testlist01.txt", &test[0])];
    check(&images, &one, "Archery 12+6, Biking 12+6");
    let both = [one[0], one[1], ("lists/trainlist02.txt", &train[1]), ("lists/testlist02.txt", &test[1])];
    let answers = [("Division 1", "Archery 12+6, Biking 12+6"), ("Division 2", "Archery 9+9, Biking 9+9")];
    asked(&images, &both, "which-fold", &answers);
    // Numbers that are none of classes are told.
    let coded = |class: &str, labels: &[&str]| rows("", &format!("{class}/v_{class}_g0#_c01.avi @"), 0..6, labels);
    let coded = format!("{}{}", coded("Archery", &["1", "2"]), coded("Biking", &["1", "0"]));
    let verdict = check(&images, &[("all_test_split1.txt", &coded)], "Archery 16+2, Biking 16+2");
    assert!(verdict.problems.iter().any(|problem| problem.code == "unknown-split"), "{:?}", verdict.problems);
}

#[test]
fn names_of_files_tell_splits() {
    let of = |folder: &str| -> Vec<String> {
        (0..20).map(|i| format!("{folder}train_{i:05}.png")).chain((0..8).map(|i| format!("{folder}test_{i:05}.png"))).collect()
    };
    let list: String = of("").iter().enumerate().map(|(i, name)| format!("{name} {}\n", "ab".as_bytes()[i % 2] as char)).collect();
    check(&of("original/"), &[("list_patition_label.txt", &list)], "a 10+4, b 10+4");
    check(&[of("cat/"), of("dog/")].concat(), &[], "cat 20+8, dog 20+8");
    // A class that is called so is a class.
    let classes: Vec<String> = many("car/car_#.png", 20).into_iter().chain(many("train/train_#.png", 20)).collect();
    check(&classes, &[], "class-like-split one-class");
}

#[test]
fn a_validation_split_trains_where_there_is_only_a_test_split_beside() {
    let table: String = (0..24).map(|i| format!("{i}.png,{},{}\n", label(i), if i < 16 { "dev" } else { "eval" })).collect();
    let table = format!("file,label,set\n{table}");
    let verdict = check(&many("#.png", 24), &[("t.csv", &table)], "x 8+4, y 8+4");
    let problem = verdict.problems.iter().find(|problem| problem.code == "no-training").unwrap();
    let set = folder(&many("#.png", 24), &texts(&[("t.csv", &table)]));
    assert_eq!(agreed(set.path(), &problem.remedies[0].options), "x 11+1, y 11+1");
    let images: Vec<String> = many("val/a/#.png", 8).into_iter().chain(many("val/b/#.png", 8)).chain(many("test/a/#.png", 3)).collect();
    check(&images, &[], "a 8+3, b 8+0");
}

/// The texts of training and validation, imported as bytes, in one line each.
fn imported(path: &std::path::Path, options: &Options) -> (String, String) {
    let imported = try_import(&[path.to_owned()], options.clone()).unwrap();
    let text = |split: &str| {
        let bytes: Vec<u8> = imported.tokens(split).into_iter().filter(|token| *token < 256).map(|token| token as u8).collect();
        String::from_utf8(bytes).unwrap()
    };
    (text("train"), text("test"))
}

fn sentence(i: usize) -> String {
    format!("the river runs under old bridge while birds sing {i}.\n")
}

#[test]
fn a_stray_file_is_no_training_split() {
    let set = tempfile::tempdir().unwrap();
    (0..5).for_each(|i| write(set.path(), &format!("test/doc{i}.txt"), sentence(i).repeat(3)));
    write(set.path(), "words.txt", "zebra\n");
    assert_eq!(refusal(set.path(), Options::default()).remedies[0].title, "Leave words.txt out");
    write(set.path(), "words.txt", "zebra\n".repeat(200));
    let problem = refusal(set.path(), Options::default());
    assert_eq!(problem.code, "no-training-split");
    let titles: Vec<&str> = problem.remedies.iter().map(|remedy| remedy.title.as_str()).collect();
    assert_eq!(titles, ["Train on words.txt", "Leave words.txt out"]);
    let (train, test) = imported(set.path(), &problem.remedies[0].options);
    assert!(train.contains("zebra") && !train.contains("river") && test.contains("river"), "{train}");
    let (train, test) = imported(set.path(), &problem.remedies[1].options);
    assert!(!train.contains("zebra") && train.contains("river") && test.contains("river"), "{train}");
    // Several are chosen by what their names share.
    write(set.path(), "verbs.txt", "sing\n".repeat(200));
    let problem = refusal(set.path(), Options::default());
    let (train, _) = imported(set.path(), &problem.remedies[1].options);
    assert!(!train.contains("zebra") && !train.contains("sing\n"), "{train} {:?}", problem.remedies);
    for (train, test) in [("data.txt", "test.txt"), ("poems.txt", "poems_val.txt"), ("data/0.txt", "valid/1.txt")] {
        let set = tempfile::tempdir().unwrap();
        write(set.path(), train, "zebra\n".repeat(50));
        write(set.path(), test, sentence(1).repeat(5));
        let (train, test) = imported(set.path(), &Options::default());
        assert!(train.contains("zebra") && !train.contains("river") && test.contains("river"), "{train}");
    }
}

#[test]
fn a_table_for_training_is_not_left_out_beside_one_for_testing() {
    let set = tempfile::tempdir().unwrap();
    for (split, count) in [("train", 60), ("dev", 20)] {
        let rows: String =
            (0..count).map(|i| format!("gj04\t{}\t{}\t{split} {}", i % 2, if i % 2 == 0 { "*" } else { "" }, sentence(i))).collect();
        write(set.path(), &format!("{split}.tsv"), rows);
    }
    let rows: String = (0..40).map(|i| format!("{i}\ttest {}", sentence(i))).collect();
    write(set.path(), "test.tsv", format!("index\tsentence\n{rows}"));
    let problem = refusal(set.path(), Options::default());
    assert_eq!(problem.code, "no-column");
    let (train, test) = imported(set.path(), &problem.remedies[0].options);
    assert!(train.starts_with("train the river") && !train.contains("test the") && test.starts_with("dev the river"), "{train}");
}

#[test]
fn sentences_that_begin_with_a_split_word_tell_no_split() {
    let rides = |i: usize| format!("{} ride number {i}", if i.is_multiple_of(2) { "train" } else { "test" });
    let set = tempfile::tempdir().unwrap();
    write(set.path(), "rides.csv", (0..30).map(|i| rides(i) + "\n").collect::<String>());
    let (train, test) = imported(set.path(), &Options::default());
    assert!(train.contains("test ride") && train.contains("train ride") && (train + &test).contains("number 0"), "{test}");
    let set = tempfile::tempdir().unwrap();
    write(
        set.path(),
        "rides.csv",
        (0..30).map(|i| format!("{},\"{}\",\"The text {}\"\n", i % 2, rides(i), sentence(i).trim())).collect::<String>(),
    );
    let (train, test) = imported(set.path(), &Options { text_column: Some("column 3".into()), ..Options::default() });
    assert!(train.matches("The text").count() == 27 && test.matches("The text").count() == 3, "{train}");
    // A column of nothing but splits tells them.
    let set = tempfile::tempdir().unwrap();
    let split = |i: usize| if i.is_multiple_of(3) { "test set" } else { "train set" };
    write(set.path(), "rides.csv", (0..30).map(|i| format!("{},\"The text {}\"\n", split(i), sentence(i).trim())).collect::<String>());
    let (_, test) = imported(set.path(), &Options { text_column: Some("column 2".into()), ..Options::default() });
    assert_eq!(test.matches("The text").count(), 10);
}

#[test]
fn a_column_of_files_that_differ_names_the_images() {
    let mut images = Vec::new();
    let mut table = String::from("ID,Left,Right,D,labels,filename\n");
    for side in ["right", "left"] {
        for i in 0..20 {
            images.push(format!("images/{i}_{side}.png"));
            let label = ["N", "D"][(i + usize::from(side == "left")) % 2];
            table += &format!("{i},{i}_left.png,{i}_right.png,0,['{label}'],{i}_{side}.png\n");
        }
    }
    check(&images, &[("full.csv", &table)], "D 18+2, N 18+2");
    // Names without an ending, with a row for each object.
    let images: Vec<String> = (0..20).map(|i| format!("images/{i:04x}a-b{i}.png")).collect();
    let row = |i: usize| {
        let box_of = |x: usize| format!("{i:04x}a-b{i},{x},2,{}\n", i % 2);
        if i % 4 == 1 { box_of(1) + &box_of(9) } else { box_of(1) }
    };
    check(&images, &[("boxes.csv", &format!("patientId,x,y,Target\n{}", (0..20).map(row).collect::<String>()))], "0 9+1, 1 9+1");
}

#[test]
fn the_table_for_training_is_asked_about() {
    let images: Vec<String> = many("train/a#.png", 20).into_iter().chain(many("test/b#.png", 6)).collect();
    let train = rows("image_name,patient_id,diagnosis,target", "a#,IP_1,@", 0..20, &["nevus,0", "unknown,0", "melanoma,1"]);
    let test = rows("image_name,patient_id", "b#,@", 0..6, &["IP_1", "IP_2"]);
    asked(
        &images,
        &[("test.csv", &test), ("train.csv", &train)],
        "no-column",
        &[("Take target as the labels", "0 13+1, 1 5+1"), ("Take diagnosis as the labels", "melanoma 5+1, nevus 6+1, unknown 6+1")],
    );
}

#[test]
fn tables_of_divisions_are_a_question() {
    let mut files = vec![("labels.csv".to_owned(), rows("file,label", "#.png,@", 0..40, &["a", "b"]))];
    for fold in 0..3 {
        let rest = |split: usize| (0..40).filter(move |i| [1, 2, 0][(i / 2 + fold) % 3] == split);
        for (split, name) in ["test", "train", "val"].iter().enumerate() {
            let table: String = rest(split).map(|i| format!("{i}.png,{}\n", ["a", "b"][i % 2])).collect();
            files.push((format!("{name}_subset{fold}.csv"), format!("file,label\n{table}")));
        }
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let answers = [("Division 0", "a 7+7, b 7+7"), ("Division 1", "a 6+7, b 6+7"), ("Division 2", "a 7+6, b 7+6")];
    asked(&many("#.png", 40), &files, "which-fold", &answers);
}

#[test]
fn pixels_in_files_that_end_with_their_split() {
    let row = |i: usize| {
        let pixels: Vec<String> = (0..64).map(|at| if at == 0 { 0 } else { (i * 7 + at * 3) % 17 }.to_string()).collect();
        format!("{},{}\n", pixels.join(","), i % 10)
    };
    let set = tempfile::tempdir().unwrap();
    write(set.path(), "digits.tra", (0..60).map(row).collect::<String>());
    write(set.path(), "digits.tes", (0..20).map(row).collect::<String>());
    let expected: Vec<String> = (0..10).map(|class| format!("{class} 6+2")).collect();
    assert_eq!(agreed(set.path(), &Options::default()), expected.join(", "));
}

#[test]
fn numbered_lists_of_images_and_labels_go_together() {
    let images: String = (1..17).map(|i| format!("{i} jpg/image_{i:05}.png\n")).collect();
    let labels: String = (1..17).map(|i| format!("{i} {}\n", i % 2)).collect();
    let names: Vec<String> = (1..17).map(|i| format!("jpg/image_{i:05}.png")).collect();
    check(&names, &[("images.txt", &images), ("labels.txt", &labels)], "0 7+1, 1 7+1");
}

#[test]
fn folders_of_which_one_is_named_like_a_split() {
    let of = |root: &str, from: usize, to: usize| -> Vec<String> {
        ["ADI", "BACK"].iter().flat_map(|class| (from..to).map(move |i| format!("{root}/{class}/{i}.png"))).collect()
    };
    let images = [of("NCT-100K", 0, 10), of("CRC-VAL", 10, 14)].concat();
    let verdict = verdict_of(folder(&images, &[]).path(), &Options::default());
    assert_eq!(found(&verdict), "which-classes");
    let first = &verdict.problems[0].remedies[0];
    assert_eq!(first.title, "Train on NCT-100K and validate on CRC-VAL");
    assert_eq!(agreed(folder(&images, &[]).path(), &first.options), "ADI 10+4, BACK 10+4");
    // A flat folder of a split has no labels, nor has a table of other files.
    let images = [of("characters", 0, 10), many("kaggle_testset/x#.png", 5)].concat();
    let table = rows("", "./other/x_#.png,57,72,@", 0..20, &["ADI", "BACK"]);
    check(&images, &[("annotation.txt", &table)], "ADI 9+1, BACK 9+1");
}

#[test]
fn folders_of_one_name_in_several_others_are_told() {
    let mut images = Vec::new();
    for (part, alphabet) in [("images_background", "Greek"), ("images_background", "Latin"), ("images_evaluation", "Tengwar")] {
        for character in 1..3 {
            images.extend(many(&format!("{part}/{alphabet}/character0{character}/{alphabet}#.png"), 4));
        }
    }
    let set = folder(&images, &[]);
    let verdict = verdict_of(set.path(), &Options::default());
    assert_eq!(found(&verdict), "which-classes");
    let answers: Vec<(&str, String)> =
        verdict.problems[0].remedies.iter().map(|remedy| (remedy.title.as_str(), agreed(set.path(), &remedy.options))).collect();
    assert!(answers.contains(&("Take Greek, Latin, Tengwar as the classes", "Greek 7+1, Latin 7+1, Tengwar 7+1".into())), "{answers:?}");
    let options = Options { class_level: Some(3), ..Options::default() };
    assert!(verdict_of(set.path(), &options).problems.iter().any(|problem| problem.code == "same-class"));
}
