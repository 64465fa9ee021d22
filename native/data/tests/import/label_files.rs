//! Files that tell labels, as tools and datasets write them: encodings and separators of CSV, one-hot columns, several labels per image, columns
//! of splits, pixels in CSV, JSON and lists.

use crate::common::sets::{asked, check, check_bytes, folder, many, rows, texts};
use crate::common::{agreed, png, try_import, verdict_of};
use sdp_data::options::Options;

fn utf16(text: &str, big: bool, mark: bool) -> Vec<u8> {
    let text = if mark { format!("\u{feff}{text}") } else { text.to_owned() };
    text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
}

#[test]
fn csv_is_read_as_programs_write_it() {
    let plain = rows("file,label", "#.png,@", 0..20, &["caf\u{e9}", "tea"]);
    let with = |from: &str, to: &str| plain.replace(from, to).into_bytes();
    let quoted = rows("\"file\",\"label\"", "\"#.png\",\"@\"", 0..20, &["caf\u{e9}", "tea"]);
    for (what, content) in [
        ("plain", plain.clone().into_bytes()),
        ("BOM", format!("\u{feff}{plain}").into_bytes()),
        ("UTF-16, little", utf16(&plain, false, true)),
        ("UTF-16, big", utf16(&plain, true, true)),
        ("UTF-16 without a mark", utf16(&plain, false, false)),
        ("UTF-16 of tabs, as Excel's Unicode text", utf16(&plain.replace(',', "\t"), false, true)),
        ("semicolons", with(",", ";")),
        ("tabs", with(",", "\t")),
        ("bars", with(",", "|")),
        ("sep=;", format!("sep=;\r\n{}", plain.replace(',', ";").replace('\n', "\r\n")).into_bytes()),
        ("sep=, in UTF-16", utf16(&format!("sep=,\n{plain}"), false, true)),
        ("CR only", with("\n", "\r")),
        ("CR LF", with("\n", "\r\n")),
        ("quotes", quoted.clone().into_bytes()),
        ("spaces", rows("file, label", "#.png, @ ", 0..20, &["caf\u{e9}", "tea"]).into_bytes()),
        ("a comment", format!("# made by hand\n{plain}").into_bytes()),
        (
            "comments of several lines and in between",
            format!("# made by hand\n# for tests\n{}", plain.replace("\n7.png", "\n# here\n7.png")).into_bytes(),
        ),
        ("a header with #", format!("#{plain}").into_bytes()),
        ("an index of pandas", format!(",{}", plain.replace('\n', "\n0,").trim_end_matches("0,")).into_bytes()),
        ("no header", plain.split_once('\n').unwrap().1.as_bytes().to_vec()),
        ("no line end at the end", plain.trim_end().as_bytes().to_vec()),
    ] {
        let folder = folder(&many("#.png", 20), &[("labels.csv", content)]);
        let verdict = verdict_of(folder.path(), &Options::default());
        assert_eq!(agreed(folder.path(), &Options::default()), "caf\u{e9} 9+1, tea 9+1", "{what}: {:?}", verdict.problems);
    }
}

#[test]
fn rows_of_another_length_are_told_by_their_number() {
    let table = rows("file,label", "#.png,@", 0..20, &["a", "b"]).replace("\n7.png,b", "\n7.png,b,extra").replace("\n9.png,b", "\n9.png");
    let verdict = check(&many("#.png", 20), &[("labels.csv", &table)], "ragged-row no-label");
    assert_eq!(verdict.problems[0].places[0].row, Some(7));
    let folder = folder(&many("#.png", 20), &texts(&[("labels.csv", &table)]));
    assert_eq!(agreed(folder.path(), &Options { skip: Some(true), ..Options::default() }), "a 9+1, b 7+1");
}

#[test]
fn numbers_as_labels_are_in_their_order() {
    for (labels, expected) in [
        (&["1.0", "1", "0"][..], "0 9+1, 1 18+2"),
        (&["10", "9", "8.0"], "8 9+1, 9 9+1, 10 9+1"),
        (&["0.5", "1.5", "-3"], "-3 9+1, 0.5 9+1, 1.5 9+1"),
        (&["True", "False", "False"], "False 18+2, True 9+1"),
        (&["yes", "no", "no"], "no 18+2, yes 9+1"),
    ] {
        check(&many("#.png", 30), &[("labels.csv", &rows("file,label", "#.png,@", 0..30, labels))], expected);
    }
    check(&many("#.png", 30), &[("labels.csv", &rows("file,label", "#.png,@", 0..30, &["0", "1", "-1"]))], "no-label");
    check(&many("#.png", 30), &[("labels.csv", &rows("file,label", "#.png,@", 0..30, &["0", "1.0", "nan"]))], "no-label");
}

#[test]
fn one_hot_columns_are_classes_by_their_names() {
    check(
        &many("#.png", 30),
        &[("l.csv", &rows("image,dog,cat,bird", "#,@", 0..30, &["1,0,0", "0,1,0", "0,0,1"]))],
        "dog 9+1, cat 9+1, bird 9+1",
    );
    let isic = rows("image,MEL,NV,BCC", "ISIC_#,@", 0..30, &["1.0,0.0,0.0", "0.0,1.0,0.0", "0.0,0.0,1.0"]);
    check(&many("train/ISIC_#.png", 30), &[("GroundTruth.csv", &isic)], "MEL 9+1, NV 9+1, BCC 9+1");
    let flags = rows("file,dog,cat", "#.png,@", 0..20, &["true,false", "false,true"]);
    check(&many("#.png", 20), &[("l.csv", &flags)], "dog 9+1, cat 9+1");
    // Beside columns about the image, where each row has one.
    let more = rows("image_id,age,healthy,rust,scab", "#,3#,@", 0..30, &["1,0,0", "0,1,0", "0,0,1"]);
    check(&many("#.png", 30), &[("train.csv", &more)], "healthy 9+1, rust 9+1, scab 9+1");
    // A column of labels wins over flags.
    let labelled = rows("file,label,blurred,dark", "#.png,@,1,0", 0..20, &["a", "b"]);
    check(&many("#.png", 20), &[("l.csv", &labelled)], "a 9+1, b 9+1");
    let split = rows("file,dog,cat,train,test", "#.png,@", 0..20, &["1,0,1,0", "0,1,1,0", "1,0,0,1", "0,1,0,1"]);
    check(&many("#.png", 20), &[("l.csv", &split)], "dog 5+5, cat 5+5");
}

#[test]
fn several_labels_of_an_image_are_told() {
    let several = rows("file,dog,cat,bird", "#.png,@", 0..40, &["1,0,0", "0,1,0", "1,1,0", "0,0,1"]);
    asked(
        &many("#.png", 40),
        &[("l.csv", &several)],
        "several-labels",
        &[
            ("Only the 30 with one label", "dog 9+1, cat 9+1, bird 9+1"),
            ("Take each combination as a class", "bird 9+1, cat 9+1, cat + dog 9+1, dog 9+1"),
            ("Only whether it is dog", "0 18+2, 1 18+2"),
            ("Only whether it is cat", "0 18+2, 1 18+2"),
            ("Only whether it is bird", "0 27+3, 1 9+1"),
        ],
    );
    let chest = rows(
        "Image Index,Finding Labels,Patient Age",
        "#.png,@,5#",
        0..40,
        &["Atelectasis", "No Finding", "Atelectasis|Effusion", "Effusion"],
    );
    asked(
        &many("images/#.png", 40),
        &[("Data_Entry.csv", &chest)],
        "several-labels",
        &[
            ("Only the 30 with one label", "Atelectasis 9+1, Effusion 9+1, No Finding 9+1"),
            ("Take each combination as a class", "Atelectasis 9+1, Atelectasis + Effusion 9+1, Effusion 9+1, No Finding 9+1"),
        ],
    );
    let planet =
        rows("image_name,labels", "train_#,@", 0..50, &["clear primary", "clear primary water", "haze", "haze water", "haze primary"]);
    asked(
        &many("train/train_#.png", 50),
        &[("train.csv", &planet)],
        "several-labels",
        &[("Take each text as a class", "clear primary 9+1, clear primary water 9+1, haze 9+1, haze primary 9+1, haze water 9+1")],
    );
    for labels in [&["a;b", "a", "b"][..], &["\"a,b\"", "a", "b"], &["a b", "a", "b"]] {
        check(&many("#.png", 30), &[("l.csv", &rows("file,labels", "#.png,@", 0..30, labels))], "several-labels");
    }
    let lines = rows("", "{\"file_name\": \"#.png\", \"labels\": [@]}", 0..30, &["\"a\"", "\"b\"", "\"a\", \"b\""]);
    asked(
        &many("#.png", 30),
        &[("l.jsonl", &lines)],
        "several-labels",
        &[("Only the 20 with one label", "a 9+1, b 9+1"), ("Take each combination as a class", "a 9+1, a + b 9+1, b 9+1")],
    );
    check(
        &many("#.png", 30),
        &[("l.csv", &rows("file,label", "#.png,@", 0..30, &["golden retriever", "german shepherd"]))],
        "german shepherd 13+2, golden retriever 13+2",
    );
}

#[test]
fn columns_of_splits_of_every_kind_are_kept() {
    for (header, train, other, unused, expected) in [
        ("split", "train", "valid", "test", "a 5+3, b 5+2"),
        ("data set", "TRAIN", "VAL", "TEST", "a 5+3, b 5+2"),
        ("Usage", "Training", "PublicTest", "PrivateTest", "a 5+3, b 5+2"),
        ("set", "train", "dev", "train", "a 7+3, b 8+2"),
        ("phase", "training", "validation", "testing", "a 5+3, b 5+2"),
        ("subset", "train", "test", "test", "a 5+5, b 5+5"),
        ("is_valid", "False", "True", "False", "a 7+3, b 8+2"),
        ("is_train", "1", "0", "1", "a 7+3, b 8+2"),
        ("is_test", "0", "1", "0", "a 7+3, b 8+2"),
    ] {
        let mut table = format!("file,label,{header}\n");
        for i in 0..20 {
            let split = if i < 10 {
                train
            } else if i < 15 {
                other
            } else {
                unused
            };
            table += &format!("{i}.png,{},{split}\n", ["a", "b"][i % 2]);
        }
        check(&many("#.png", 20), &[("l.csv", &table)], expected);
    }
    let folds = rows("file,label,fold", "#.png,@", 0..30, &["a,0", "b,0", "a,1", "b,1", "a,2", "b,2"]);
    asked(
        &many("#.png", 30),
        &[("l.csv", &folds)],
        "which-fold",
        &[
            ("Validate on fold 0 (10 rows)", "a 10+5, b 10+5"),
            ("Validate on fold 1 (10 rows)", "a 10+5, b 10+5"),
            ("Validate on fold 2 (10 rows)", "a 10+5, b 10+5"),
            ("Pay no heed to fold", "a 13+2, b 13+2"),
        ],
    );
    let numbers = rows("file,label,split", "#.png,@", 0..30, &["a,0", "b,0", "a,0", "b,0", "a,1", "b,1"]);
    asked(
        &many("#.png", 30),
        &[("l.csv", &numbers)],
        "which-fold",
        &[
            ("Validate on split 1 (10 rows)", "a 10+5, b 10+5"),
            ("Validate on split 0 (20 rows)", "a 5+10, b 5+10"),
            ("Pay no heed to split", "a 13+2, b 13+2"),
        ],
    );
    let strange = rows("file,label,split", "#.png,@", 0..30, &["a,train", "b,train", "a,test", "b,test", "a,unlabeled", "b,"]);
    asked(&many("#.png", 30), &[("l.csv", &strange)], "unknown-split", &[("Leave these rows out", "a 5+5, b 5+5")]);
}

#[test]
fn labels_that_two_columns_tell_are_names_or_asked() {
    let both = rows("file,class,class_name", "#.png,@", 0..20, &["1,ant", "0,wasp"]);
    check(&many("#.png", 20), &[("l.csv", &both)], "ant 9+1, wasp 9+1");
    let coarse = rows("file,class,species", "#.png,@", 0..40, &["bird,wren", "bird,tit", "bug,ant", "bug,bee"]);
    asked(
        &many("#.png", 40),
        &[("l.csv", &coarse)],
        "no-column",
        &[("Take class as the labels", "bird 18+2, bug 18+2"), ("Take species as the labels", "ant 9+1, bee 9+1, tit 9+1, wren 9+1")],
    );
    let meta = rows("file,width,city", "#.png,1#,@", 0..20, &["Bonn", "Rome"]);
    asked(&many("#.png", 20), &[("meta.csv", &meta)], "no-column", &[("Take city as the labels", "Bonn 9+1, Rome 9+1")]);
    // Numbers with names are no labels of images that are numbered.
    let (table, names) = (rows("file,label", "#.png,@", 0..20, &["0", "1"]), "id,name\n0,ant\n1,bee\n");
    check(&many("#.png", 20), &[("labels.csv", &table), ("classes.csv", names)], "ant 9+1, bee 9+1");
}

/// An image of `values` numbers that tells its row.
fn pixels(i: usize, values: usize, separator: &str) -> String {
    (0..values).map(|at| ((37 * i + at) % 256).to_string()).collect::<Vec<_>>().join(separator)
}

fn pixel_rows(header: &str, range: std::ops::Range<usize>, values: usize, row: &dyn Fn(usize, String) -> String) -> String {
    let rows: String = range.map(|i| row(i, pixels(i, values, ",")) + "\n").collect();
    if header.is_empty() { rows } else { format!("{header}\n{rows}") }
}

fn names(pattern: &str, count: usize) -> String {
    many(pattern, count).join(",")
}

#[test]
fn images_that_are_rows_of_numbers_are_read() {
    let labelled = |i: usize, pixels: String| format!("{},{pixels}", i % 2);
    let header = format!("label,{}", names("pixel#", 784));
    let train = pixel_rows(&header, 0..20, 784, &labelled);
    check(&[], &[("mnist.csv", &train)], "0 9+1, 1 9+1");
    check(&[], &[("mnist_train.csv", &train), ("mnist_test.csv", &pixel_rows(&header, 20..30, 784, &labelled))], "0 10+5, 1 10+5");
    check(
        &[],
        &[(
            "mnist.csv",
            &pixel_rows("", 0..20, 784, &|i, pixels| {
                format!("{},{pixels},0", i % 2).replacen(",0,", ",0,", 1).rsplit_once(',').unwrap().0.to_owned()
            }),
        )],
        "which-labels",
    );
    // The last pixel of MNIST is black.
    let dark = |i: usize, pixels: String| format!("{},{},0", i % 2, pixels.rsplit_once(',').unwrap().0);
    check(&[], &[("mnist.csv", &pixel_rows("", 0..20, 784, &dark))], "0 9+1, 1 9+1");
    // Kaggle's digits: a test table without labels, and a submission.
    let unlabelled = pixel_rows(&names("pixel#", 784), 20..30, 784, &|_, pixels| pixels);
    check(&[], &[("train.csv", &train), ("test.csv", &unlabelled), ("sample_submission.csv", "ImageId,Label\n1,0\n")], "0 9+1, 1 9+1");
    check(&[], &[("train.csv", &train), ("valid.csv", &train.replace("\n0,", "\n2,"))], "absent-class");
    // FER2013.
    let faces: String =
        (0..30).map(|i| format!("{},{},{}\n", i % 2, pixels(i, 2304, " "), ["Training", "PublicTest", "PrivateTest"][i / 2 % 3])).collect();
    check(&[], &[("fer2013.csv", &format!("emotion,pixels,Usage\n{faces}"))], "0 5+5, 1 5+5");
    let icml: String = (0..20).map(|i| format!("{},Training, {}\n", i % 2, pixels(i, 2304, " "))).collect();
    check(&[], &[("icml_face_data.csv", &format!("emotion, Usage, pixels\n{icml}"))], "0 9+1, 1 9+1");
}

#[test]
fn pixels_of_rows_are_exact_and_bad_ones_are_told() {
    let header = format!("label,{}", names("pixel#", 64));
    let row = |i: usize, pixels: String| format!("{},{pixels}", i % 2);
    let dataset =
        folder(&[], &texts(&[("train.csv", &pixel_rows(&header, 0..12, 64, &row)), ("test.csv", &pixel_rows(&header, 12..20, 64, &row))]));
    let imported = try_import(&[dataset.path().to_owned()], Options::default()).unwrap();
    let (shape, data) = imported.array("test/images.npy");
    assert_eq!(shape, [8, 1, 8, 8]);
    let expected: Vec<u8> = (12..20).flat_map(|i| (0..64).map(move |at| ((37 * i + at) % 256) as u8)).collect();
    assert_eq!(data, expected);
    assert_eq!(imported.labels("test"), [0, 1, 0, 1, 0, 1, 0, 1]);
    // Colour: planes or pixels is asked; a row that is too short or no number is told.
    let colour = pixel_rows(&format!("{},label", names("pixel#", 192)), 0..20, 192, &|i, pixels| format!("{pixels},{}", i % 2));
    asked(
        &[],
        &[("rgb.csv", &colour)],
        "which-order",
        &[("Plane after plane, as CIFAR has them", "0 9+1, 1 9+1"), ("Pixel after pixel", "0 9+1, 1 9+1")],
    );
    let bad = |i: usize, pixels: String| if i == 299 { row(i, pixels.replacen(',', ",x", 1)) } else { row(i, pixels) };
    let verdict = check(&[], &[("train.csv", &pixel_rows(&header, 0..300, 64, &bad))], "unreadable-image");
    assert_eq!(verdict.problems.iter().find(|problem| problem.code == "unreadable-image").unwrap().places[0].row, Some(299));
    // 12 bits are told; fractions are what they are.
    let wide = pixel_rows(&header, 0..20, 64, &|i, pixels| format!("{},{}", i % 2, pixels.replacen(',', "3,", 1)));
    let verdict = check(&[], &[("train.csv", &wide)], "0 9+1, 1 9+1");
    assert!(verdict.problems.iter().any(|problem| problem.code == "sixteen-bit"), "{:?}", verdict.problems);
}

#[test]
fn json_documents_tell_labels_in_every_shape() {
    let label = |i: usize| ["ant", "bee"][i % 2];
    let list =
        |row: &dyn Fn(usize) -> String, range: std::ops::Range<usize>| format!("[{}]", range.map(row).collect::<Vec<_>>().join(",\n"));
    let object = |i: usize| format!("{{\"image\": \"{i}.png\", \"label\": \"{}\", \"size\": [2, 2]}}", label(i));
    let pair = |i: usize| format!("[\"{i}.png\", {}]", i % 2);
    let member = |i: usize| format!("\"{i}.png\": \"{}\"", label(i));
    let members = |range: std::ops::Range<usize>| format!("{{{}}}", range.map(member).collect::<Vec<_>>().join(", "));
    let files = |class: usize, range: std::ops::Range<usize>| {
        format!("[{}]", range.filter(|i| i % 2 == class).map(|i| format!("\"{i}.png\"")).collect::<Vec<_>>().join(", "))
    };
    let classes = |range: std::ops::Range<usize>| format!("{{\"ant\": {}, \"bee\": {}}}", files(0, range.clone()), files(1, range));
    let inner = |i: usize| format!("\"{i}.png\": {{\"label\": \"{}\", \"split\": \"{}\"}}", label(i), if i < 14 { "train" } else { "val" });
    let split = "ant 7+3, bee 7+3";
    for (text, expected) in [
        (list(&object, 0..20), "ant 9+1, bee 9+1"),
        (list(&pair, 0..20), "0 9+1, 1 9+1"),
        (members(0..20), "ant 9+1, bee 9+1"),
        (members(0..20).replace(", ", ",\n"), "ant 9+1, bee 9+1"),
        (classes(0..20), "ant 9+1, bee 9+1"),
        (format!("{{\"labels\": {}}}", list(&pair, 0..20)), "0 9+1, 1 9+1"),
        (format!("{{\"images\": {}, \"info\": {{\"year\": 2020}}}}", list(&object, 0..20)), "ant 9+1, bee 9+1"),
        (format!("{{\"train\": {}, \"test\": {}}}", list(&object, 0..14), list(&object, 14..20)), split),
        (format!("{{\"train\": {}, \"val\": {}}}", members(0..14), members(14..20)), split),
        (format!("{{\"train\": {}, \"val\": {}}}", classes(0..14), classes(14..20)), split),
        (format!("{{{}}}", (0..20).map(inner).collect::<Vec<_>>().join(", ")), split),
    ] {
        check(&many("images/#.png", 20), &[("labels.json", &text)], expected);
    }
    let lists = (0..20).map(|i| format!("\"{i}.png\": [\"{}\"]", label(i))).collect::<Vec<_>>().join(", ");
    check(&many("#.png", 20), &[("labels.json", &format!("{{{lists}}}"))], "ant 9+1, bee 9+1");
    check(&many("#.png", 20), &[("labels.json", &list(&object, 0..20)[..700])], "bad-json");
    // Names of classes, configurations and notes are no labels.
    let table = rows("file,label", "#.png,@", 0..20, &["0", "1"]);
    check(
        &many("#.png", 20),
        &[("train.csv", &table), ("classes.json", "{\"0\": \"ant\", \"1\": \"bee\"}"), ("config.json", "{\"size\": 3}")],
        "ant 9+1, bee 9+1",
    );
}

#[test]
fn lists_of_paths_and_labels_are_read() {
    // Caffe and ImageNet's: `path label`, with the names beside.
    let list = |range| rows("", "data/#.png @", range, &["0", "1"]);
    let images = many("data/#.png", 20);
    check(&images, &[("train.txt", &list(0..14)), ("val.txt", &list(14..20))], "0 7+3, 1 7+3");
    let words = "n01440764 tench, Tinca tinca\nn01443537 goldfish\n";
    check(&images, &[("train.txt", &list(0..14)), ("val.txt", &list(14..20)), ("synset_words.txt", words)], "0 7+3, 1 7+3");
    check(&images, &[("train.txt", &list(0..14)), ("val.txt", &list(14..20)), ("classes.txt", "ant\nbee\n")], "ant 7+3, bee 7+3");
    check(&images, &[("labels.txt", &rows("", "data/#.png\t@", 0..20, &["ant", "bee"]))], "ant 9+1, bee 9+1");
    check(&images, &[("labels.txt", &rows("file,label", "#.png,@", 0..20, &["ant", "bee"]))], "ant 9+1, bee 9+1");
    check(&many("my data/#.png", 20), &[("labels.txt", &rows("", "my data/#.png @", 0..20, &["ant", "bee"]))], "ant 9+1, bee 9+1");
    let with_test = [("train.txt", list(0..10)), ("val.txt", list(10..14)), ("test.txt", list(14..20))];
    check(&images, &with_test.each_ref().map(|(name, text)| (*name, text.as_str())), "0 5+2, 1 5+2");
    let words = rows("", "data/#.png @", 0..20, &["n01440764", "n01443537"]);
    let verdict = check(
        &images,
        &[("train.txt", &words), ("words.txt", "n01440764\ttench, Tinca tinca\nn01443537\tgoldfish\nn9\tx\n")],
        "tench, Tinca tinca 9+1, goldfish 9+1",
    );
    assert!(verdict.problems.iter().any(|problem| problem.code == "class-names"));
}

#[test]
fn lists_of_paths_keep_the_splits_of_class_folders() {
    let images: Vec<String> = ["apple_pie", "ramen"].iter().flat_map(|class| many(&format!("images/{class}/#.png"), 10)).collect();
    let list = |range: std::ops::Range<usize>| {
        ["apple_pie", "ramen"].iter().map(|class| rows("", &format!("{class}/#"), range.clone(), &[""])).collect::<String>()
    };
    let json = |range: std::ops::Range<usize>| {
        let files = |class: &str| range.clone().map(|i| format!("\"{class}/{i}\"")).collect::<Vec<_>>().join(", ");
        format!("{{\"apple_pie\": [{}], \"ramen\": [{}]}}", files("apple_pie"), files("ramen"))
    };
    let split = "apple_pie 7+3, ramen 7+3";
    check(&images, &[("meta/train.txt", &list(0..7)), ("meta/test.txt", &list(7..10))], split);
    check(&images, &[("meta/train.json", &json(0..7)), ("meta/test.json", &json(7..10))], split);
    let food = [
        ("meta/train.txt", list(0..7)),
        ("meta/test.txt", list(7..10)),
        ("meta/train.json", json(0..7)),
        ("meta/test.json", json(7..10)),
        ("meta/classes.txt", "apple_pie\nramen\n".to_owned()),
        ("meta/labels.txt", "Apple pie\nRamen\n".to_owned()),
    ];
    check(&images, &food.each_ref().map(|(name, text)| (*name, text.as_str())), split);
    // DTD and SUN397: several divisions.
    let dtd = [
        ("labels/train1.txt", list(0..7)),
        ("labels/val1.txt", list(7..10)),
        ("labels/train2.txt", list(3..10)),
        ("labels/val2.txt", list(0..3)),
    ];
    let dtd = dtd.each_ref().map(|(name, text)| (*name, text.as_str()));
    asked(&images, &dtd, "which-fold", &[("Division 1", split), ("Division 2", split)]);
    let scenes: Vec<String> =
        ["a/abbey", "c/church/outdoor", "m/market/outdoor"].iter().flat_map(|class| many(&format!("{class}/sun_#.png"), 4)).collect();
    let list = |range: std::ops::Range<usize>| {
        ["a/abbey", "c/church/outdoor", "m/market/outdoor"]
            .iter()
            .map(|class| rows("", &format!("/{class}/sun_#.png"), range.clone(), &[""]))
            .collect::<String>()
    };
    check(
        &scenes,
        &[("Training_01.txt", &list(0..3)), ("Testing_01.txt", &list(3..4))],
        "a/abbey 3+1, c/church/outdoor 3+1, m/market/outdoor 3+1",
    );
}

#[test]
fn lists_of_several_levels_of_classes_are_asked_of() {
    let images = many("data/images/100#.png", 20);
    let list = |range: std::ops::Range<usize>, labels: &[&str]| rows("", "100# @", range, labels);
    let files = [
        ("data/images_variant_train.txt", list(0..10, &["707-320", "A300 B4", "737-200", "BAE 146"])),
        ("data/images_variant_val.txt", list(10..16, &["707-320", "A300 B4", "737-200", "BAE 146"])),
        ("data/images_variant_trainval.txt", list(0..16, &["707-320", "A300 B4", "737-200", "BAE 146"])),
        ("data/images_variant_test.txt", list(16..20, &["707-320", "A300 B4", "737-200", "BAE 146"])),
        ("data/images_manufacturer_train.txt", list(0..10, &["Boeing", "Airbus", "Boeing", "British Aerospace"])),
        ("data/images_manufacturer_val.txt", list(10..16, &["Boeing", "Airbus", "Boeing", "British Aerospace"])),
        ("data/images_manufacturer_test.txt", list(16..20, &["Boeing", "Airbus", "Boeing", "British Aerospace"])),
        ("data/images_box.txt", list(0..20, &["3 144 998 431", "1 2 3 4"])),
        ("data/images_train.txt", rows("", "100#", 0..10, &[""])),
        ("data/variants.txt", "707-320\nA300 B4\n737-200\nBAE 146\n".to_owned()),
    ];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    asked(
        &images,
        &files,
        "which-table",
        &[
            ("Take data/images_manufacturer_*.txt", "Airbus 3+1, Boeing 5+3, British Aerospace 2+2"),
            ("Take data/images_variant_*.txt", "707-320 3+1, 737-200 2+2, A300 B4 3+1, BAE 146 2+2"),
        ],
    );
}

#[test]
fn images_in_an_archive_beside_their_table_are_found() {
    let zipped = |names: &[String]| {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (i, name) in names.iter().enumerate() {
            zip.start_file(name.as_str(), zip::write::SimpleFileOptions::default()).unwrap();
            std::io::Write::write_all(&mut zip, &png(i as u8)).unwrap();
        }
        zip.finish().unwrap().into_inner()
    };
    // A competition: archives of each split, a table for training, and a submission.
    let table = rows("id,label", "#,@", 0..20, &["0", "1"]);
    let files = [
        ("train.zip", zipped(&many("train/#.png", 20))),
        ("test.zip", zipped(&many("test/1#.png", 6))),
        ("train.csv", table.clone().into_bytes()),
        ("sample_submission.csv", rows("id,label", "1#,0", 0..6, &[""]).into_bytes()),
    ];
    check_bytes(&[], &files, "0 9+1, 1 9+1");
    check_bytes(&[], &[("images.zip", zipped(&many("#.png", 20))), ("labels.csv", table.into_bytes())], "0 9+1, 1 9+1");
    // An image that is of a kind that cannot be decoded is found by its name without the extension.
    let table = rows("id,label", "#,@", 0..20, &["0", "1"]);
    let scans: Vec<(String, Vec<u8>)> = (0..20).map(|i| (format!("{i}.dcm"), vec![0; 200])).collect();
    let mut files: Vec<(&str, Vec<u8>)> = scans.iter().map(|(name, content)| (name.as_str(), content.clone())).collect();
    files.push(("labels.csv", table.into_bytes()));
    check_bytes(&[], &files, "unreadable-image");
}
