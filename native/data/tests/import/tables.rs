//! Tables of images and labels as people have them: which of several counts, which file a row means, what is a label. A property test makes
//! tables with a known truth, of which none is silently something else.

use std::collections::BTreeMap;
use std::path::Path;

use crate::common::{agreed, found, png, verdict_of, write};
use crate::random::Random;
use sdp_data::options::Options;

/// Writes an image for each name, and tables.
fn folder(images: &[&str], tables: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    images.iter().enumerate().for_each(|(i, name)| write(folder.path(), name, png(i as u8)));
    tables.iter().for_each(|(name, text)| write(folder.path(), name, text));
    folder
}

fn numbered(pattern: &str, numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|i| pattern.replace('#', &i.to_string())).collect()
}

fn rows(header: &str, pattern: &str, numbers: std::ops::Range<usize>, labels: &[&str]) -> String {
    let row = |i: usize| format!("{}\n", pattern.replace('#', &i.to_string()).replace('@', labels[i % labels.len()]));
    format!("{header}\n{}", numbers.map(row).collect::<String>())
}

fn read(folder: &Path) -> String {
    agreed(folder, &Options::default())
}

fn images(patterns: &[(&str, std::ops::Range<usize>)]) -> Vec<String> {
    patterns.iter().flat_map(|(pattern, numbers)| numbered(pattern, numbers.clone())).collect()
}

fn check(patterns: &[(&str, std::ops::Range<usize>)], tables: &[(&str, &str)], expected: &str) {
    let images = images(patterns);
    let folder = folder(&images.iter().map(String::as_str).collect::<Vec<_>>(), tables);
    let verdict = verdict_of(folder.path(), &Options::default());
    assert_eq!(read(folder.path()), expected, "{tables:?}: {:?}", verdict.problems);
    let counted: u64 = verdict.account.iter().filter(|line| line.unit == sdp_data::account::Unit::Files).map(|line| line.count).sum();
    assert!(verdict.content.is_none() || counted == (images.len() + tables.len()) as u64, "{:?}", verdict.account);
}

#[test]
fn of_several_tables_those_named_for_a_split_count() {
    let train = rows("id,label", "tr#.png,@", 0..20, &["0", "1"]);
    let submission = rows("id,label", "te#.png,@", 0..6, &["0"]);
    check(
        &[("train/tr#.png", 0..20), ("test/te#.png", 0..6)],
        &[("train.csv", &train), ("sample_submission.csv", &submission)],
        "0 9+1, 1 9+1",
    );
    check(
        &[("train/tr#.png", 0..20), ("test/te#.png", 0..6)],
        &[("labels.csv", &train), ("sample_submission.csv", &submission)],
        "0 9+1, 1 9+1",
    );
    // A test table without labels, as in a competition.
    let unlabelled = rows("id", "te#.png", 0..6, &[""]);
    check(&[("train/tr#.png", 0..20), ("test/te#.png", 0..6)], &[("train.csv", &train), ("test.csv", &unlabelled)], "0 9+1, 1 9+1");
    let (train, test) =
        (rows("filename,label", "images/#.png,@", 0..6, &["dog", "cat"]), rows("filename,label", "images/#.png,@", 6..10, &["dog", "cat"]));
    check(&[("images/#.png", 0..10)], &[("train.csv", &train), ("test.csv", &test)], "cat 3+2, dog 3+2");
    // Names of classes and a description of them are no labels.
    let classes = "id,name\n0,cat\n1,dog\n";
    check(
        &[("images/#.png", 0..10)],
        &[("classes.csv", classes), ("train.csv", &train), ("test.csv", &test), ("about.json", "{\"name\": \"pets\"}")],
        "cat 3+2, dog 3+2",
    );
}

#[test]
fn several_tables_that_do_not_go_together_are_asked_of() {
    let (one, two) = (rows("file,label", "#.png,@", 0..20, &["a", "b"]), rows("file,breed", "#.png,@", 0..20, &["x", "y"]));
    let images = numbered("#.png", 0..20);
    let folder = folder(&images.iter().map(String::as_str).collect::<Vec<_>>(), &[("one.csv", &one), ("two.csv", &two)]);
    let verdict = verdict_of(folder.path(), &Options::default());
    assert_eq!(found(&verdict), "which-table");
    let readings: Vec<String> = verdict.problems[0].remedies.iter().map(|remedy| agreed(folder.path(), &remedy.options)).collect();
    assert_eq!(readings, ["a 9+1, b 9+1", "x 9+1, y 9+1"]);
}

#[test]
fn folders_of_classes_win_over_a_table_without_labels() {
    let captions = |split: &str| rows("file_name,caption", &format!("@/{split}#.png,a photo of a @ number #"), 0..8, &["cat", "dog"]);
    let patterns =
        [("train/cat/train#.png", 0..8), ("train/dog/train#.png", 0..8), ("test/cat/test#.png", 0..8), ("test/dog/test#.png", 0..8)];
    check(&patterns, &[("train/metadata.csv", &captions("train")), ("test/metadata.csv", &captions("test"))], "cat 8+8, dog 8+8");
    check(&[("cat/#.png", 0..10), ("dog/#.png", 0..10)], &[("prices.csv", "item,price\nfood,3\ntoys,4\n")], "cat 9+1, dog 9+1");
}

#[test]
fn a_row_means_the_file_that_its_path_says() {
    let table = |pattern: &str| rows("path,label", pattern, 0..20, &["a", "b"]);
    for pattern in [
        "data/#.png,@",
        "./data/#.png,@",
        "/home/me/set/data/#.png,@",
        "C:\\set\\data\\#.png,@",
        "DATA/#.PNG,@",
        "#.png,@",
        "#,@",
        "data/#,@",
    ] {
        check(&[("data/#.png", 0..20)], &[("labels.csv", &table(pattern))], "a 9+1, b 9+1");
    }
    // Files beside the table, rows with the folder that they lay in.
    check(&[("#.png", 0..20)], &[("labels.csv", &table("images/#.png,@"))], "a 9+1, b 9+1");
    // The row's own folder is respected.
    let table = "path,label\nold/0.png,a\nold/1.png,b\nold/2.png,a\nold/3.png,b\n";
    check(&[("new/#.png", 0..2), ("old/#.png", 2..4)], &[("labels.csv", table)], "missing-file");
    // One name in several folders: the label or the split tells which, else nothing does.
    let labelled = rows("file,label", "#.png,a", 0..10, &[""]) + rows("", "#.png,b", 0..10, &[""]).trim_start();
    check(&[("a/#.png", 0..10), ("b/#.png", 0..10)], &[("labels.csv", &labelled)], "a 9+1, b 9+1");
    let table = rows("file,label", "#.png,@", 0..10, &["a", "b"]);
    check(&[("x/#.png", 0..10), ("y/#.png", 0..10)], &[("labels.csv", &table)], "ambiguous-file");
    check(&[("train/#.png", 0..10), ("test/#.png", 0..10)], &[("train.csv", &table), ("test.csv", &table)], "a 5+5, b 5+5");
}

#[test]
fn columns_of_splits_keep_the_splits() {
    let row =
        |(class, split, i): (&str, &str, usize)| format!("{},{split}/{class}/{i:03}.png,{class},{split}\n", usize::from(class == "judo"));
    let mut names = Vec::new();
    for (split, number) in [("train", 4), ("valid", 2), ("test", 2)] {
        ["archery", "judo"].iter().for_each(|class| names.extend((0..number).map(|i| (*class, split, i))));
    }
    let table = format!("class id,filepaths,labels,data set\n{}", names.iter().copied().map(row).collect::<String>());
    let images: Vec<String> = names.iter().map(|(class, split, i)| format!("{split}/{class}/{i:03}.png")).collect();
    let folder = folder(&images.iter().map(String::as_str).collect::<Vec<_>>(), &[("sports.csv", &table)]);
    assert_eq!(read(folder.path()), "archery 4+2, judo 4+2");
}

#[test]
fn a_table_without_a_header_and_labels_of_every_kind_are_read() {
    let without = |pattern: &str, labels: &[&str]| rows("", pattern, 0..30, labels).trim_start().to_owned();
    check(&[("im#.png", 0..30)], &[("labels.csv", &without("im#.png,@", &["a", "b", "c"]))], "a 9+1, b 9+1, c 9+1");
    check(&[("im#.png", 0..30)], &[("labels.csv", &without("im#.png|@", &["a", "b"]))], "a 13+2, b 13+2");
    let labelled = |labels: &[&str]| rows("file,label", "#.png,@", 0..20, labels);
    for (labels, expected) in [
        (&["cat", " cat"][..], "one-class"),
        (&[" cat", "dog "], "cat 9+1, dog 9+1"),
        (&["1.0", "0.0"], "0 9+1, 1 9+1"),
        (&["1", "2"], "1 9+1, 2 9+1"),
        (&["10", "9"], "9 9+1, 10 9+1"),
        (&["true", "false"], "false 9+1, true 9+1"),
    ] {
        check(&[("#.png", 0..20)], &[("labels.csv", &labelled(labels))], expected);
    }
}

#[test]
fn several_rows_for_an_image_are_refused_where_they_differ() {
    let twice = rows("file,label", "#.png,@", 0..20, &["a", "b"]) + "0.png,a\n";
    check(&[("#.png", 0..20)], &[("labels.csv", &twice)], "a 9+1, b 9+1");
    let objects = rows("file,label", "#.png,@", 0..20, &["a", "b"]) + "0.png,b\n";
    check(&[("#.png", 0..20)], &[("labels.csv", &objects)], "several-labels");
    let unique = format!("file,label\n{}", (0..30).map(|i| format!("{i}.png,x{i}\n")).collect::<String>());
    check(&[("#.png", 0..30)], &[("labels.csv", &unique)], "no-classes");
}

/// A folder with a table of which the truth is known: the samples of each class, per split where a column tells it.
fn made(random: &mut Random, folder: &Path) -> BTreeMap<String, (u64, u64)> {
    let classes = [["cat", "dog", "emu"], ["0", "1", "2"], ["3", "7", "11"], ["train", "test", "car"]][random.below(4)];
    let delimiter = random.one_of(&[",", ";", "\t", "|"]);
    let (has_split, has_header) = (random.below(3) == 0, random.below(5) > 0);
    let place = random.one_of(&["", "images/", "a/b/"]);
    let written = random.one_of(&["", "", "/home/me/", "C:\\set\\", "./"]);
    let (upper, bare, padded) = (random.below(6) == 0, random.below(6) == 0, random.below(4) == 0);
    let decoy = random.below(4);
    let mut truth: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let extra = if has_header && random.below(2) == 0 { Some(random.one_of(&["width", "notes", "label_id"])) } else { None };
    let mut header = vec![random.one_of(&["file", "path", "image", "filename"]), random.one_of(&["label", "class", "Category", "target"])];
    header.extend(extra);
    if has_split {
        header.push(random.one_of(&["split", "data set", "subset"]));
    }
    let mut table = if has_header { format!("{}\n", header.join(delimiter)) } else { String::new() };
    for i in 0..12 + random.below(12) {
        let class = classes[i % 3];
        write(folder, &format!("{place}im{i}.png"), png(i as u8));
        if decoy == 1 {
            write(folder, &format!("other/im{i}.png"), png(200));
        }
        let test = has_split && i % 5 == 4;
        let counts = truth.entry(class.to_owned()).or_default();
        if test {
            counts.1 += 1
        } else {
            counts.0 += 1
        }
        let mut name = format!("{written}{place}im{i}{}", if bare { "" } else { ".png" });
        if upper {
            name = name.to_uppercase();
        }
        let mut row = vec![name, if padded { format!(" {class} ") } else { class.to_owned() }];
        row.extend(extra.map(|_| i.to_string()));
        if has_split {
            row.push(if test { "val" } else { "train" }.to_owned());
        }
        table += &format!("{}\n", row.join(delimiter));
    }
    match decoy {
        2 => write(folder, "sample_submission.csv", rows("file,label", "im#.png,cat", 0..5, &[""])),
        3 => write(folder, "classes.csv", "id,name\n0,cat\n1,dog\n"),
        _ => {}
    }
    write(folder, "labels.csv", table);
    truth
}

#[test]
fn no_table_is_silently_read_as_something_else() {
    let (mut imported, cases) = (0, 600);
    for seed in 0..cases {
        let folder = tempfile::tempdir().unwrap();
        let truth = made(&mut Random::seeded(seed), folder.path());
        let verdict = verdict_of(folder.path(), &Options::default());
        let Some(sdp_data::inspect::Looked::Images { classes, .. }) = verdict.content.as_ref().filter(|_| verdict.importable) else {
            continue;
        };
        let has_splits = truth.values().any(|(_, test)| *test > 0);
        let of = |train: u64, test: u64| if has_splits { (train, test) } else { (train + test, 0) };
        let found: BTreeMap<String, (u64, u64)> = classes.iter().map(|class| (class.name.clone(), of(class.train, class.test))).collect();
        let text = std::fs::read_to_string(folder.path().join("labels.csv")).unwrap();
        assert_eq!(found, truth, "seed {seed}: {text} {:?}", verdict.problems);
        imported += 1;
    }
    assert!(2 * imported > cases, "{imported} of {cases} were read");
}
