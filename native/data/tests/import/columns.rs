//! Files of columns, Parquet and Arrow alike: which column has the images, which the labels, which the splits, and Arrow's encodings.

use crate::common::columns::{answers, buttons, folder, of, problem};
use crate::common::parquet::{self as made, Column, ints, parquet, texts};
use crate::common::{agreed, fixtures, images, import_fixture, labels, png, refusal, try_import, verdict_of, write};
use sdp_data::options::{Format, Options};
use tempfile::TempDir;

/// One Parquet file of 12 rows beside images.
fn twelve(columns: Vec<(&str, Column)>) -> TempDir {
    let mut all = vec![("image", made::images(0..12))];
    all.extend(columns);
    folder(&[("data.parquet", parquet(&all, None))])
}

fn three(i: i64) -> i64 {
    i % 3
}

#[test]
fn columns_of_labels_of_many_kinds() {
    let labels = |column: Column| of(twelve(vec![("label", column)]).path());
    assert_eq!(labels(ints((0..12).map(three))), "0 3+1, 1 3+1, 2 3+1");
    assert_eq!(labels(texts((0..12).map(|i| ["cat", "ant"][i % 2]))), "ant 5+1, cat 5+1");
    assert_eq!(labels(Column::Bool((0..12).map(|i| i % 2 == 0).collect())), "False 5+1, True 5+1");
    assert_eq!(labels(Column::Double((0..12).map(|i| Some(f64::from(i % 3))).collect())), "0 3+1, 1 3+1, 2 3+1");
    assert_eq!(labels(Column::Double((0..12).map(|i| Some(f64::from(i) + 0.5)).collect())), "bad-label");
    assert_eq!(labels(Column::Ints((0..12).map(|i| vec![three(i)]).collect())), "0 3+1, 1 3+1, 2 3+1");
    let one_hot = |i: i64| (0..3).map(|class| i64::from(class == three(i))).collect();
    assert_eq!(labels(Column::Ints((0..12).map(one_hot).collect())), "0 3+1, 1 3+1, 2 3+1");
    assert_eq!(labels(Column::Ints((0..12).map(|i| (0..three(i)).collect()).collect())), "multi-label");
    assert_eq!(labels(ints((0..12).map(|i| [-1, 1][i % 2]))), "-1 5+1, 1 5+1");
    assert_eq!(labels(ints((0..12).map(|i| i % 3 - 1))), "no-label");
}

#[test]
fn several_columns_of_labels_are_asked_for() {
    let folder = twelve(vec![("fine_label", ints((0..12).map(three))), ("coarse_label", ints((0..12).map(|i| i % 2)))]);
    assert_eq!(answers(folder.path(), "which-labels"), ["Take coarse_label: 0 5+1, 1 5+1", "Take fine_label: 0 3+1, 1 3+1, 2 3+1"]);
    let folder = twelve(vec![("label", ints((0..12).map(three))), ("superclass", texts((0..12).map(|i| ["a", "b"][i % 2])))]);
    assert_eq!(of(folder.path()), "0 3+1, 1 3+1, 2 3+1");
    assert_eq!(answers(folder.path(), "other-labels"), ["Take superclass: a 5+1, b 5+1"]);
    // One that datasets call a class label, whatever its name.
    let features = r#"{"image":{"_type":"Image"},"cultivar":{"names":["x","y"],"_type":"ClassLabel"}}"#;
    let rows = parquet(&[("image", made::images(0..12)), ("cultivar", ints((0..12).map(|i| i % 2))), ("age", ints(0..12))], Some(features));
    assert_eq!(of(self::folder(&[("data.parquet", rows)]).path()), "x 5+1, y 5+1");
}

#[test]
fn several_columns_of_images_are_said_or_asked_for() {
    let folder = twelve(vec![("mask", made::images(100..112)), ("label", ints((0..12).map(three)))]);
    assert_eq!(answers(folder.path(), "other-images"), ["Take mask: 0 3+1, 1 3+1, 2 3+1"]);
    let pair = parquet(&[("left", made::images(0..12)), ("right", made::images(20..32)), ("label", ints((0..12).map(three)))], None);
    let folder = self::folder(&[("data.parquet", pair)]);
    let asked = problem(folder.path(), "which-images");
    assert_eq!(buttons(&asked), ["Take left", "Take right"]);
    let (_, pixels) = try_import(&[folder.path().to_owned()], asked.remedies[1].options.clone()).unwrap().array("train/images.npy");
    assert!(pixels.iter().all(|pixel| (20..32).contains(pixel)));
    // A mask called label.
    let folder = twelve(vec![("label", made::images(100..112))]);
    assert_eq!(of(folder.path()), "no-labels");
    assert_eq!(of(twelve(vec![("mask", made::images(100..112))]).path()), "no-labels");
    assert_eq!(of(twelve(vec![]).path()), "no-labels");
}

#[test]
fn captions_and_boxes_are_no_labels() {
    let folder = twelve(vec![("text", texts((0..12).map(|i| format!("a photo of number {i} on a table"))))]);
    let captions = problem(folder.path(), "captions");
    let verdict = verdict_of(folder.path(), &captions.remedies[0].options);
    assert!(verdict.importable && verdict.format.unwrap().id == Format::Text, "{:?}", verdict.problems);
    try_import(&[folder.path().to_owned()], captions.remedies[0].options.clone()).unwrap();
    assert_eq!(of(twelve(vec![("objects", Column::Objects(12))]).path()), "several-labels");
    // All different is no class.
    let folder = folder_of_many(40);
    assert_eq!(of(folder.path()), "no-classes");
}

fn folder_of_many(count: u8) -> TempDir {
    let columns = [("image", made::images(0..count)), ("label", texts((0..count).map(|i| format!("thing {i}"))))];
    folder(&[("data.parquet", parquet(&columns, None))])
}

#[test]
fn columns_tell_splits() {
    let with = |name, column| twelve(vec![("label", ints((0..12).map(|i| i % 2))), (name, column)]);
    let words = texts((0..12).map(|i| if i < 8 { "train" } else { "validation" }));
    assert_eq!(of(with("split", words).path()), "0 4+2, 1 4+2");
    assert_eq!(of(with("data_set", texts((0..12).map(|i| if i < 8 { "TRAIN" } else { "TEST" }))).path()), "0 4+2, 1 4+2");
    assert_eq!(of(with("is_valid", Column::Bool((0..12).map(|i| i >= 6).collect())).path()), "0 3+3, 1 3+3");
    let folds = with("fold", ints((0..12).map(|i| i / 4)));
    let found = answers(folds.path(), "which-fold");
    assert_eq!(found[..2], ["Validate on fold 0 (4 rows): 0 4+2, 1 4+2", "Validate on fold 1 (4 rows): 0 4+2, 1 4+2"]);
    assert_eq!(found[3], "Pay no heed to fold: 0 5+1, 1 5+1");
    // Names as a table of text may have them too; a split that is not known is told by its row.
    assert_eq!(of(with("in_val", Column::Bool((0..12).map(|i| i >= 6).collect())).path()), "0 3+3, 1 3+3");
    assert_eq!(of(with("usage", texts((0..12).map(|i| if i < 8 { "Training" } else { "PublicTest" }))).path()), "0 4+2, 1 4+2");
    let strange = with("split", texts((0..12).map(|i| ["train", "train", "train", "train", "test", "extra"][i / 2])));
    assert_eq!(answers(strange.path(), "unknown-split"), ["Leave these rows out: 0 4+1, 1 4+1"]);
    // A few values that sound like a split are names of something else.
    let sources = with("dataset", texts((0..12).map(|i| ["flickr", "web", "coco", "coco-train"][i / 3])));
    assert_eq!(of(sources.path()), "0 5+1, 1 5+1");
}

#[test]
fn images_that_lie_beside_a_file_of_columns() {
    let names = |i: usize| format!("images/{i:02}.png");
    let table =
        |column: Column, name: &'static str| parquet(&[(name, column), ("label", texts((0..12).map(|i| ["cat", "dog"][i % 2])))], None);
    let with = |content: Vec<u8>| {
        let folder = folder(&[("metadata.parquet", content)]);
        (0..12).for_each(|i| write(folder.path(), &names(i), png(i as u8)));
        folder
    };
    let named = with(table(texts((0..12).map(names)), "file_name"));
    assert_eq!(of(named.path()), "cat 5+1, dog 5+1");
    // datasets' structure without the bytes, with paths of another machine.
    let rows = (0..12).map(|i| (None, Some(format!("/home/someone/data/{}", names(i))))).collect();
    let pathed = with(table(Column::Image(rows), "image"));
    assert_eq!(of(pathed.path()), "cat 5+1, dog 5+1");
    // Some of the rows.
    let rows = (0..12).map(|i| if i < 6 { (Some(png(i as u8)), None) } else { (None, Some(names(i))) }).collect();
    let mixed = with(table(Column::Image(rows), "image"));
    let imported = try_import(&[mixed.path().to_owned()], Options::default()).unwrap();
    assert_eq!(imported.outcome.train + imported.outcome.test, 12);
    std::fs::remove_file(named.path().join(names(3))).unwrap();
    let missing = problem(named.path(), "missing-file");
    assert_eq!(missing.count, 1);
    assert_eq!(agreed(named.path(), &missing.remedies[0].options), "cat 5+1, dog 4+1");
    // None of them.
    let alone = folder(&[("train.parquet", table(Column::Image((0..12).map(|i| (None, Some(names(i)))).collect()), "image"))]);
    assert_eq!(of(alone.path()), "missing-file");
    let (up, outside) = (tempfile::tempdir().unwrap(), texts((0..12).map(|i| format!("../{i}.png"))));
    (0..12).for_each(|i| write(up.path(), &format!("{i}.png"), png(i)));
    write(up.path(), "in/train.parquet", table(outside, "file_name"));
    let verdict = verdict_of(&up.path().join("in"), &Options::default());
    assert!(!verdict.importable || verdict.format.is_some_and(|format| format.id == Format::Text), "no path leaves the folder");
}

#[test]
fn json_lines_of_tokens() {
    let lines = |rows: std::ops::Range<u32>| -> String {
        rows.map(|row| format!("{{\"id\": {row}, \"input_ids\": [{row}, 7, 300], \"attention_mask\": [1, 1, 1]}}\n")).collect()
    };
    let folder = folder(&[("train.jsonl", lines(0..20).into_bytes()), ("validation.jsonl", lines(20..24).into_bytes())]);
    let imported = try_import(&[folder.path().to_owned()], Options::default()).unwrap();
    assert_eq!((imported.outcome.format, imported.outcome.train, imported.outcome.test), (Format::Tokens, 60, 12));
    let verdict = verdict_of(folder.path(), &Options::default());
    assert!(verdict.importable && (verdict.train, verdict.test) == (60, 12), "{:?}", verdict.problems);
    // Another field of lists is chosen.
    let chosen = Options { text_column: Some("attention_mask".into()), format: Some(Format::Tokens), ..Options::default() };
    assert_eq!(try_import(&[folder.path().to_owned()], chosen).unwrap().outcome.train, 60);
    write(folder.path(), "train.jsonl", lines(0..20) + "{\"input_ids\": [1, -2]}\n");
    assert_eq!(refusal(folder.path(), Options::default()).code, "bad-token");
    write(folder.path(), "train.jsonl", lines(0..20) + "{\"input_ids\": [1, 2\n");
    assert_eq!(refusal(folder.path(), Options::default()).code, "bad-row");
}

#[test]
fn captions_of_an_image_folder_are_no_labels() {
    let image = |name: &str, i: u8| (format!("train/{name}"), png(i));
    let captions = |names: &[String]| -> String {
        "file_name,caption\n".to_owned() + &names.iter().map(|name| format!("{name},a photo of something in {name}\n")).collect::<String>()
    };
    let (flat, classed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let names: Vec<String> = (0..12).map(|i| format!("{i}.png")).collect();
    names.iter().zip(0..).map(|(name, i)| image(name, i)).for_each(|(name, bytes)| write(flat.path(), &name, bytes));
    write(flat.path(), "train/metadata.csv", captions(&names));
    assert!(!verdict_of(flat.path(), &Options::default()).importable);
    let names: Vec<String> = (0..12).map(|i| format!("{}/{i}.png", ["cat", "dog"][i % 2])).collect();
    names.iter().zip(0..).map(|(name, i)| image(name, i)).for_each(|(name, bytes)| write(classed.path(), &name, bytes));
    write(classed.path(), "train/metadata.csv", captions(&names));
    assert_eq!(of(classed.path()), "cat 5+1, dog 5+1");
}

#[test]
fn views_compressed_batches_and_dictionaries_of_arrow_are_read() {
    let numbers = ["0", "1", "2"];
    let insects = ["ant", "bee", "cat"];
    for (name, classes) in [
        ("views.arrow", ["a cat of more than twelve letters", "ant", "bee"]),
        ("compressed.arrow", numbers),
        ("dictionary.arrow", insects),
        // Of these the dictionary grows and changes between the batches.
        ("lz4.arrow", insects),
        ("zstd.arrow", insects),
    ] {
        let path = fixtures().join("hub").join(name);
        assert_eq!(of(&path), classes.map(|class| format!("{class} 3+1")).join(", "), "{name}");
        let imported = import_fixture(&format!("hub/{name}"), Options { validation: Some(0.3), ..Options::default() });
        let mut seen = 0;
        for split in ["train", "test"] {
            let (_, pixels) = imported.array(&format!("{split}/images.npy"));
            for (pixels, label) in pixels.chunks_exact(144).zip(imported.labels(split)) {
                let sample = (0..12).find(|i| images([*i], 3, 8, 6) == pixels).unwrap();
                // In the fixture of views the third class comes first.
                let number = if name == "views.arrow" { [1, 2, 0][sample % 3] } else { labels([sample])[0] };
                assert_eq!(label, number, "{name}: image {sample}");
                seen += 1;
            }
        }
        assert_eq!(seen, 12, "{name}");
    }
    // Fractions in a dictionary are no classes, as fractions without one.
    let weights = Options { label_column: Some("weight".into()), ..Options::default() };
    assert_eq!(agreed(&fixtures().join("hub/zstd.arrow"), &weights), "bad-label");
}

#[test]
fn feather_files_of_text_and_tokens_are_read() {
    let verdict = verdict_of(&fixtures().join("hub/text.feather"), &Options::default());
    assert!(verdict.importable, "{:?}", verdict.problems);
    assert_eq!(verdict.columns, ["text", "language"]);
    let imported = import_fixture("hub/text.feather", Options::default());
    let bytes = [imported.tokens("train"), imported.tokens("test")].concat();
    let documents: Vec<String> = bytes
        .split(|token| *token == 256)
        .map(|document| String::from_utf8(document.iter().map(|token| *token as u8).collect()).unwrap())
        .collect();
    for number in 0..40 {
        let start = format!("Document {number}: the quick brown fox – «{}» – jumps", number * number);
        assert_eq!(documents.iter().filter(|document| document.starts_with(&start)).count(), 1, "{number}");
    }
    // The words of a dictionary are text too.
    let words = import_fixture("hub/text.feather", Options { text_column: Some("language".into()), ..Options::default() });
    let words = [words.tokens("train"), words.tokens("test")].concat();
    assert_eq!(words.iter().filter(|token| **token == 256).count(), 40);
    assert!(words.windows(2).any(|pair| pair == [u32::from(b'p'), u32::from(b'l')]));
    let imported = import_fixture("hub/tokens.feather", Options::default());
    let rows: Vec<u32> = (0..60).flat_map(|row| (0..row % 5 + 1).map(move |at| (7 * row + at) % 50)).collect();
    let wide = |split: &str| -> Vec<u32> {
        imported.array(&format!("{split}/tokens.npy")).1.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
    };
    assert_eq!([wide("train"), wide("test")].concat(), rows);
}

#[test]
fn damaged_batches_of_arrow_are_refused() {
    let whole = std::fs::read(fixtures().join("hub/lz4.arrow")).unwrap();
    // The frames of LZ4 begin so; after their first bytes the content is another.
    let frames: Vec<usize> = (0..whole.len() - 4).filter(|at| whole[*at..*at + 4] == [0x04, 0x22, 0x4d, 0x18]).collect();
    let mut damaged = whole.clone();
    frames.iter().for_each(|at| damaged[at + 4..at + 11].fill(0xff));
    let folder = folder(&[("d.arrow", damaged)]);
    let message = refusal(folder.path(), Options::default()).message;
    assert!(message.contains("d.arrow") && message.contains("cannot be unpacked"), "{message}");
}
