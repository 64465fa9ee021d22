//! Kinds of layouts that were silently taken for something else: data beside what tells of it, versions side by side, labels in files of
//! their own.

use crate::common::sets::many;
use crate::common::{agreed, fixtures, png, try_import, verdict_of, write, zip};
use sdp_data::error::{Problem, Severity};
use sdp_data::options::{Format, Options};
use tempfile::TempDir;

type Files<'a> = &'a [(&'a str, Vec<u8>)];

fn folder(files: Files) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, content)| write(folder.path(), name, content));
    folder
}

fn of(folder: &TempDir) -> String {
    agreed(folder.path(), &Options::default())
}

/// The first error.
fn error(folder: &TempDir, options: &Options) -> Problem {
    let verdict = verdict_of(folder.path(), options);
    let problem = verdict.problems.iter().find(|problem| problem.severity == Severity::Error);
    problem.unwrap_or_else(|| panic!("{:?} {:?}", verdict.format, verdict.problems)).clone()
}

/// Each button with what it leads to.
fn answers(folder: &TempDir, code: &str) -> Vec<String> {
    let problem = error(folder, &Options::default());
    assert_eq!(problem.code, code, "{}", problem.message);
    problem.remedies.iter().map(|remedy| format!("{}: {}", remedy.title, agreed(folder.path(), &remedy.options))).collect()
}

fn npy(descr: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    [&sdp_data::npy::write_header(descr, shape)[..], data].concat()
}

/// Pictures of these values, in folders a and b in turn.
fn pets(values: std::ops::Range<u8>) -> Vec<(String, Vec<u8>)> {
    values.map(|i| (format!("{}/{i}.png", ["a", "b"][usize::from(i) % 2]), png(i))).collect()
}

fn packed(values: std::ops::Range<u8>) -> Vec<u8> {
    let files = pets(values);
    zip(&files.iter().map(|(name, content)| (name.as_str(), content.clone())).collect::<Vec<_>>())
}

#[test]
fn archives_below_are_opened_as_those_beside_a_readme_are() {
    let readme = ("README.md", b"# Pets\n".to_vec());
    let split = [("data/train.zip", packed(0..8)), ("data/test.zip", packed(8..12))];
    assert_eq!(of(&folder(&[readme.clone(), split[0].clone(), split[1].clone()])), "a 4+2, b 4+2");
    assert_eq!(of(&folder(&split)), "a 4+2, b 4+2");
    let of_class = |values: std::ops::Range<u8>| {
        zip(&values.map(|i| (["1.png", "2.png", "3.png", "4.png"][usize::from(i % 4)], png(i))).collect::<Vec<_>>())
    };
    let classes = folder(&[("images/cat.zip", of_class(0..4)), ("images/dog.zip", of_class(4..8)), readme.clone()]);
    assert_eq!(agreed(classes.path(), &Options { validation: Some(0.25), ..Options::default() }), "cat 3+1, dog 3+1");
    // Beside data that is unpacked an archive stays closed.
    let beside =
        folder(&[("a/1.png", png(1)), ("a/2.png", png(2)), ("b/1.png", png(3)), ("b/2.png", png(4)), ("old/pets.zip", packed(0..8))]);
    assert_eq!(of(&beside), "a 1+1, b 1+1");
}

#[test]
fn a_script_or_a_picture_beside_an_archive_is_no_data() {
    let archive = ("dataset.zip", packed(0..8));
    for other in [
        ("train.py", b"print(1)\n".to_vec()),
        ("explore.ipynb", b"{\"cells\": []}".to_vec()),
        ("sample.png", png(99)),
        ("CITATION.cff", b"cff-version: 1.2.0\n".to_vec()),
    ] {
        let folder = folder(&[archive.clone(), ("README.md", b"# Pets\n".to_vec()), other.clone()]);
        assert_eq!(of(&folder), "a 3+1, b 3+1", "{}", other.0);
        let account = verdict_of(folder.path(), &Options::default()).account;
        let files: u64 = account.iter().filter(|line| line.examples.iter().any(|name| name.contains(other.0))).map(|line| line.count).sum();
        assert!(files > 0, "{account:?}");
    }
    let table = (0..8).map(|i| format!("{}/{i}.png,{}\n", ["a", "b"][i % 2], ["cat", "dog"][i / 4])).collect::<String>();
    let folder = folder(&[archive, ("prepare.py", b"print(1)\n".to_vec()), ("labels.csv", format!("image,label\n{table}").into_bytes())]);
    assert_eq!(of(&folder), "cat 3+1, dog 3+1");
}

#[test]
fn a_folder_of_pictures_that_was_chosen_leaves_other_data_out() {
    let bytes = (0..8u8).flat_map(|i| [i; 16]).collect::<Vec<_>>();
    let idx = [&[0, 0, 8, 3, 0, 0, 0, 8, 0, 0, 0, 4, 0, 0, 0, 4][..], &bytes].concat();
    let numbers = [&[0, 0, 8, 1, 0, 0, 0, 8][..], &[0, 1, 2, 3, 0, 1, 2, 3]].concat();
    let arrays = zip(&[("images.npy", npy("|u1", &[8, 4, 4], &bytes)), ("labels.npy", npy("|u1", &[8], &[0, 1, 2, 3, 0, 1, 2, 3]))]);
    let photos: Vec<(String, Vec<u8>)> = pets(100..110).into_iter().map(|(name, content)| (format!("photos/{name}"), content)).collect();
    for others in [&[("raw/train-images-idx3-ubyte", idx), ("raw/train-labels-idx1-ubyte", numbers)][..], &[("digits.npz", arrays)]] {
        let folder = folder(others);
        photos.iter().for_each(|(name, content)| write(folder.path(), name, content));
        let chosen = Options { folder: Some("photos".into()), ..Options::default() };
        assert_eq!(agreed(folder.path(), &chosen), "a 4+1, b 4+1");
    }
}

#[test]
fn versions_side_by_side_are_asked_for() {
    let table = |count: usize| (0..count).map(|i| format!("{i}.png,{}\n", ["cat", "dog"][i % 2])).collect::<String>();
    let folder = tempfile::tempdir().unwrap();
    for (version, count) in [("3.0.0", 8), ("3.0.1", 12)] {
        write(folder.path(), &format!("pets/{version}/labels.csv"), format!("image,label\n{}", table(count)));
        (0..count).for_each(|i| write(folder.path(), &format!("pets/{version}/{i}.png"), png(i as u8)));
    }
    let expected = ["Take 3.0.1: cat 5+1, dog 5+1", "Take 3.0.0: cat 3+1, dog 3+1"];
    assert_eq!(answers(&folder, "several-versions"), expected);
    // Folders of other files are no versions of these.
    let folder = tempfile::tempdir().unwrap();
    (0..8u8).for_each(|i| write(folder.path(), &format!("1.0.{}/{i}.png", i % 2), png(i)));
    assert_eq!(of(&folder), "1.0.0 3+1, 1.0.1 3+1");
}

#[test]
fn lists_of_splits_may_be_one_for_each_class() {
    let folder = tempfile::tempdir().unwrap();
    for (class, word) in [("CT_sick", "sick"), ("CT_well", "well")] {
        let names = many(&format!("{word}#.png"), 6);
        names.iter().enumerate().for_each(|(i, name)| write(folder.path(), &format!("images/{class}/{name}"), png(i as u8)));
        for (split, range) in [("train", 0..4), ("val", 4..5), ("test", 5..6)] {
            write(folder.path(), &format!("lists/{word}/{split}{class}.txt"), names[range].join("\n"));
        }
    }
    assert_eq!(of(&folder), "CT_sick 4+1, CT_well 4+1");
}

#[test]
fn lists_of_several_words_name_an_image_and_its_label() {
    let write_all = |line: &dyn Fn(usize) -> String| {
        let folder = tempfile::tempdir().unwrap();
        for (split, range) in [("train", 0..8), ("test", 8..12)] {
            range.clone().for_each(|i| write(folder.path(), &format!("{split}/{i}.png"), png(i as u8)));
            write(folder.path(), &format!("{split}.txt"), range.map(|i| line(i) + "\n").collect::<String>());
        }
        folder
    };
    let label = |i: usize| ["ill", "well"][i % 2];
    assert_eq!(of(&write_all(&|i| format!("p{i} {i}.png {}", label(i)))), "ill 4+2, well 4+2");
    let folder = write_all(&|i| format!("p{i} {i}.png {} {}", label(i), ["north", "south"][i / 2 % 2]));
    let expected = [
        "Take column 3 as the labels (ill, well, ...): ill 4+2, well 4+2",
        "Take column 4 as the labels (north, south, ...): north 4+2, south 4+2",
    ];
    assert_eq!(answers(&folder, "which-labels"), expected);
}

#[test]
fn rows_with_a_number_each_are_images_or_features_and_no_tokens() {
    let bytes: Vec<u8> = (0..12u8).flat_map(|i| [i; 64]).collect();
    let classes: Vec<u8> = (0..12).map(|i| i % 3).collect();
    let wide = |values: &[u8]| values.iter().flat_map(|value| i64::from(*value).to_le_bytes()).collect::<Vec<u8>>();
    let double = |values: &[u8]| values.iter().flat_map(|value| f64::from(*value).to_le_bytes()).collect::<Vec<u8>>();
    for (rows, labels) in [
        (("fea", npy("|u1", &[12, 64], &bytes)), ("gnd", npy("|u1", &[12, 1], &classes))),
        (("fea", npy("<i8", &[12, 64], &wide(&bytes))), ("gnd", npy("<i8", &[12, 1], &wide(&classes)))),
        (("fea", npy("<f8", &[12, 64], &double(&bytes))), ("gnd", npy("<f8", &[12, 1], &double(&classes)))),
        (("samples", npy("|u1", &[12, 64], &bytes)), ("digit", npy("|u1", &[12], &classes))),
    ] {
        let named = |(name, content): (&str, Vec<u8>)| (format!("{name}.npy"), content);
        let members = [named(rows), named(labels)];
        let folder =
            folder(&[("set.npz", zip(&members.iter().map(|(name, content)| (name.as_str(), content.clone())).collect::<Vec<_>>()))]);
        assert_eq!(of(&folder), "0 3+1, 1 3+1, 2 3+1", "{}", members[0].0);
        let chosen = Options { label_column: Some(members[1].0.replace(".npy", "")), ..Options::default() };
        assert_eq!(agreed(folder.path(), &chosen), "0 3+1, 1 3+1, 2 3+1");
    }
    // Rows of another number of values are features, which are tokens only where that is said.
    let features: Vec<u8> = wide(&(0..120).collect::<Vec<_>>());
    let folder = folder(&[("a.npy", npy("<i8", &[12, 10], &features)), ("b.npy", npy("<i8", &[12], &wide(&classes)))]);
    let problem = error(&folder, &Options::default());
    assert_eq!((problem.code, problem.remedies[0].title.as_str()), ("features", "Take a as tokens"), "{}", problem.message);
    let verdict = verdict_of(folder.path(), &problem.remedies[0].options);
    assert_eq!((verdict.format.map(|format| format.id), verdict.train + verdict.test), (Some(Format::Tokens), 120));
}

#[test]
fn booleans_of_hdf5_are_one_hot_labels() {
    let path = fixtures().join("shards/booleans.h5");
    assert_eq!(agreed(&path, &Options { validation: Some(0.25), ..Options::default() }), "ant 3+1, bee 3+1, cat 3+1");
}

/// Rows of 64 values.
fn pixels(values: std::ops::Range<u8>) -> Vec<u8> {
    values.map(|i| vec![i.to_string(); 64].join(",") + "\n").collect::<String>().into_bytes()
}

fn lines(values: impl Iterator<Item = String>) -> Vec<u8> {
    values.map(|line| line + "\n").collect::<String>().into_bytes()
}

#[test]
fn labels_lie_in_a_table_beside_that_of_pixels() {
    let class = |i: u8| (i % 3).to_string();
    let one_hot = |i: u8| (0..3).map(|column| u8::from(column == i % 3).to_string()).collect::<Vec<_>>().join(",");
    for (names, label) in [
        (
            ["csvTrainImages 12x64.csv", "csvTrainLabel 12x1.csv", "csvTestImages 3x64.csv", "csvTestLabel 3x1.csv"],
            &class as &dyn Fn(u8) -> String,
        ),
        (["X_train_set.csv", "y_train_set.csv", "X_test_set.csv", "y_test_set.csv"], &one_hot),
    ] {
        let files = [
            (names[0], pixels(0..12)),
            (names[1], lines((0..12).map(label))),
            (names[2], pixels(12..15)),
            (names[3], lines((12..15).map(label))),
        ];
        assert_eq!(of(&folder(&files)), "0 4+1, 1 4+1, 2 4+1", "{}", names[0]);
        let short = folder(&[(names[0], pixels(0..12)), (names[1], lines((0..11).map(label)))]);
        assert_eq!(error(&short, &Options::default()).code, "mismatched-counts");
    }
}

#[test]
fn copies_of_tables_of_pixels_and_pictures_of_examples_do_not_count() {
    let table = |values: std::ops::Range<u8>| {
        let header = (0..64).map(|at| format!("pixel{at}")).collect::<Vec<_>>().join(",");
        let rows = values.map(|i| format!("{},{}\n", i % 2, vec![i.to_string(); 64].join(",")));
        format!("label,{header}\n{}", rows.collect::<String>()).into_bytes()
    };
    let folder = folder(&[
        ("digits_train.csv", table(0..8)),
        ("digits_train/digits_train.csv", table(0..8)),
        ("digits_test.csv", table(8..12)),
        ("digits_test/digits_test.csv", table(8..12)),
        ("example.png", png(1)),
        ("signs.PNG", png(2)),
    ]);
    assert_eq!(of(&folder), "0 4+2, 1 4+2");
}

/// A TIFF of 2 x 2 pixels of four bytes, with what is said of the fourth.
fn tiff(value: u8, extra: Option<u16>) -> Vec<u8> {
    let short =
        |tag: u16, value: u16| [&tag.to_le_bytes()[..], &3u16.to_le_bytes(), &1u32.to_le_bytes(), &value.to_le_bytes(), &[0, 0]].concat();
    let long = |tag: u16, count: u32, kind: u16, value: u32| {
        [&tag.to_le_bytes()[..], &kind.to_le_bytes(), &count.to_le_bytes(), &value.to_le_bytes()].concat()
    };
    let mut entries = vec![short(256, 2), short(257, 2), long(258, 4, 3, 24), short(259, 1), short(262, 2), long(273, 1, 4, 8)];
    entries.extend([short(277, 4), short(278, 2), long(279, 1, 4, 16)]);
    entries.extend(extra.map(|extra| short(338, extra)));
    let count = entries.len() as u16;
    let bits: Vec<u8> = [8u16; 4].iter().flat_map(|bits| bits.to_le_bytes()).collect();
    [&b"II*\0"[..], &32u32.to_le_bytes(), &[value; 16], &bits, &count.to_le_bytes(), &entries.concat(), &[0; 4]].concat()
}

#[test]
fn a_fourth_band_of_a_tiff_is_alpha_only_where_the_file_says_so() {
    for (extra, is_alpha) in [(None, false), (Some(0), false), (Some(1), true), (Some(2), true)] {
        let folder = tempfile::tempdir().unwrap();
        (0..8u8).for_each(|i| write(folder.path(), &format!("{}/{i}.tif", ["a", "b"][usize::from(i) % 2]), tiff(10 * i, extra)));
        let imported = try_import(&[folder.path().to_owned()], Options::default());
        assert_eq!(imported.is_ok(), is_alpha, "{extra:?}");
        if is_alpha {
            assert_eq!(of(&folder), "a 3+1, b 3+1");
        } else {
            let problem = error(&folder, &Options::default());
            assert!(problem.code == "unreadable-image" && problem.message.contains("bands beyond grey or colour"), "{}", problem.message);
        }
    }
}

#[test]
fn pictures_of_two_folders_that_are_equal_files_count_once() {
    let folder = tempfile::tempdir().unwrap();
    for (part, range) in [("part_1", 0..6u8), ("part_2", 6..12)] {
        for i in range {
            write(folder.path(), &format!("SET_images_{part}/x{i}.png"), png(i));
            write(folder.path(), &format!("set_images_{part}_again/x{i}.png"), png(i));
        }
    }
    let rows = (0..12).map(|i| format!("x{i},{}\n", ["mel", "nv"][i % 2])).collect::<String>();
    write(folder.path(), "metadata.csv", format!("image_id,dx\n{rows}"));
    assert_eq!(of(&folder), "mel 5+1, nv 5+1");
    let verdict = verdict_of(folder.path(), &Options::default());
    assert!(verdict.problems.iter().any(|problem| problem.code == "equal-files" && problem.count == 12), "{:?}", verdict.problems);
    // Other pictures of the same names are asked about.
    write(folder.path(), "set_images_part_1_again/x0.png", png(99));
    (1..6u8).for_each(|i| write(folder.path(), &format!("set_images_part_1_again/x{i}.png"), png(100 + i)));
    (6..12u8).for_each(|i| write(folder.path(), &format!("set_images_part_2_again/x{i}.png"), png(100 + i)));
    assert_eq!(error(&folder, &Options::default()).code, "ambiguous-file");
}

#[test]
fn training_on_what_is_good_alone_is_the_detection_of_anomalies() {
    let folder = tempfile::tempdir().unwrap();
    let mut value = 0;
    let mut write_all = |category: &str| {
        for (class, count) in [("train/good", 8), ("test/good", 4), ("test/broken", 4), ("ground_truth/broken", 4)] {
            for i in 0..count {
                value += 1;
                write(folder.path(), &format!("{category}{class}/{i}.png"), png(value));
            }
        }
    };
    write_all("");
    let problem = error(&folder, &Options::default());
    assert!(problem.code == "one-class" && problem.message.contains("anomalies"), "{}", problem.message);
    assert_eq!(answers(&folder, "one-class"), ["Take the images of test alone: broken 3+1, good 3+1"]);
    let folder = tempfile::tempdir().unwrap();
    for category in ["bottle", "cable"] {
        for (class, count) in [("train/good", 8), ("test/good", 4), ("test/broken", 4), ("ground_truth/broken", 4)] {
            (0..count).for_each(|i| write(folder.path(), &format!("mvtec/{category}/{class}/{i}.png"), png(i + category.len() as u8 * 20)));
        }
    }
    assert_eq!(answers(&folder, "one-class"), ["Take the images of test alone: broken 7+1, good 7+1"]);
}

#[test]
fn labels_that_are_said_to_be_absent_do_not_count() {
    let folder = tempfile::tempdir().unwrap();
    (0..8u8).for_each(|i| write(folder.path(), &format!("train/{i:04}.png"), png(i)));
    let classes = ["cat", "dog"];
    let rows = (0..8).map(|i| format!("{i:04},verification,{},1\n{i:04},verification,{},0\n", classes[i % 2], classes[(i + 1) % 2]));
    write(folder.path(), "train-labels.csv", format!("ImageID,Source,LabelName,Confidence\n{}", rows.collect::<String>()));
    assert_eq!(agreed(folder.path(), &Options { label_column: Some("LabelName".into()), ..Options::default() }), "cat 3+1, dog 3+1");
}

#[test]
fn stores_that_are_not_read_are_named() {
    let lmdb = [&[0; 16][..], &0xbeef_c0de_u32.to_le_bytes(), &[0; 4000]].concat();
    let nifti = [&[0; 344][..], b"n+1\0", &[0; 400]].concat();
    let readme = || ("README.md", b"# Scans\n".to_vec());
    for (files, word) in [
        (vec![("train_lmdb/data.mdb", lmdb), readme()], "LMDB"),
        (vec![("data.zarr/zarr.json", b"{\"zarr_format\": 3, \"node_type\": \"group\"}".to_vec())], "Zarr"),
        (
            vec![
                ("pets/1.0.0/pets-train.array_record-00000-of-00001", vec![7; 900]),
                ("pets/1.0.0/dataset_info.json", b"{\"splits\": [{\"name\": \"train\"}]}".to_vec()),
            ],
            "ArrayRecord",
        ),
        (vec![("train.beton", vec![9; 900]), ("classes.txt", b"cat\ndog\n".to_vec())], "FFCV"),
        (vec![("imagesTr/1.nii", nifti), ("dataset.json", b"{\"training\": [{\"image\": \"imagesTr/1.nii\"}]}".to_vec())], "NIfTI"),
    ] {
        let problem = error(&folder(&files), &Options::default());
        assert!(problem.code == "unknown-format" && problem.message.contains(word), "{word}: {}", problem.message);
    }
}

#[test]
fn files_of_columns_hold_pixels_as_lists_or_as_a_column_each() {
    use crate::common::parquet::{Column, ints, parquet};
    let list = |values: std::ops::Range<u8>| {
        let rows = values.clone().map(|i| vec![i64::from(i); 64]).collect();
        parquet(&[("image", Column::Ints(rows)), ("label", ints(values.map(|i| i64::from(i % 2))))], None)
    };
    assert_eq!(of(&folder(&[("train.parquet", list(0..8)), ("test.parquet", list(8..12))])), "0 4+2, 1 4+2");
    let shards = [
        ("train-00000-of-00002.parquet", list(0..4)),
        ("train-00001-of-00002.parquet", list(4..8)),
        ("test-00000-of-00001.parquet", list(8..12)),
    ];
    assert_eq!(of(&folder(&shards)), "0 4+2, 1 4+2");
    let names: Vec<String> = (0..64).map(|at| format!("pixel_{at}")).collect();
    let mut columns: Vec<(&str, Column)> = names.iter().map(|name| (name.as_str(), ints(0..8))).collect();
    columns.push(("label", ints((0..8).map(|i| i % 2))));
    assert_eq!(of(&folder(&[("train.parquet", parquet(&columns, None))])), "0 3+1, 1 3+1");
    // Lists of another name are none of pixels.
    let rows = (0..8).map(|i| vec![i; 64]).collect();
    let words = (0..8).map(|i| format!("a document of several words, {i} of 8"));
    let texts = parquet(&[("embedding", Column::Ints(rows)), ("text", crate::common::parquet::texts(words))], None);
    let verdict = verdict_of(folder(&[("train.parquet", texts)]).path(), &Options::default());
    assert_eq!(verdict.format.map(|format| format.id), Some(Format::Text));
}

#[test]
fn rows_of_four_bands_are_none_of_a_larger_image() {
    let row = |i: u8| (0..16 * 16).flat_map(|_| [i, 90 + i, 20, 200 - i]).map(|value| value.to_string()).collect::<Vec<_>>().join(",");
    let labels = (0..8).map(|i: u8| (i % 2).to_string());
    let folder = folder(&[("X_train.csv", lines((0..8).map(row))), ("y_train.csv", lines(labels))]);
    assert_eq!(error(&folder, &Options::default()).code, "bands");
}

#[test]
fn numbers_with_fractions_are_offered_as_no_labels() {
    let doubles = |count: usize| (0..count).flat_map(|i| (i as f64 / 7.0 + 0.5).to_le_bytes()).collect::<Vec<u8>>();
    let arrays = zip(&[
        ("images.npy", npy("|u1", &[12, 8, 8], &(0..12u8).flat_map(|i| [i; 64]).collect::<Vec<_>>())),
        ("ans.npy", npy("|u1", &[12], &(0..12).map(|i| i % 3).collect::<Vec<u8>>())),
        ("redshift.npy", npy("<f8", &[12], &doubles(12))),
    ]);
    let folder = folder(&[("galaxies.npz", arrays)]);
    assert_eq!(of(&folder), "0 3+1, 1 3+1, 2 3+1");
    let verdict = verdict_of(folder.path(), &Options::default());
    let note = verdict.problems.iter().find(|problem| problem.code == "unused-arrays").unwrap();
    assert!(note.remedies.is_empty() && note.message.contains("redshift"), "{note:?}");
    let rows = (0..8).map(|i| format!("{}.5,{}\n", i, vec![i.to_string(); 64].join(" "))).collect::<String>();
    let points = self::folder(&[("training.csv", format!("nose_x,Image\n{rows}").into_bytes())]);
    assert_eq!(error(&points, &Options::default()).code, "no-label");
}

#[test]
fn names_of_files_that_are_here_come_before_addresses() {
    let folder = tempfile::tempdir().unwrap();
    (0..8u8).for_each(|i| write(folder.path(), &format!("images/hash{i}.jpg"), png(i)));
    let rows = (0..8).map(|i| format!("hash{i},{},https://example.org/pictures/{}.jpg\n", ["a", "b"][i % 2], 90 + i)).collect::<String>();
    write(folder.path(), "skin.csv", format!("md5hash,label,url\n{rows}"));
    assert_eq!(of(&folder), "a 3+1, b 3+1");
}

#[test]
fn questions_of_llm_c_beside_tokens_are_left_out() {
    let file = |magic: i32, count: usize| {
        let header: Vec<u8> = [magic, 1, count as i32].into_iter().chain([0; 253]).flat_map(i32::to_le_bytes).collect();
        [header, (0..count).flat_map(|i| (i as u16 % 500).to_le_bytes()).collect()].concat()
    };
    let folder = folder(&[
        ("web/web_train_000001.bin", file(20_240_520, 900)),
        ("web/web_val_000000.bin", file(20_240_520, 100)),
        ("hellaswag/hellaswag_val.bin", file(20_240_522, 300)),
    ]);
    let verdict = verdict_of(folder.path(), &Options::default());
    assert!(verdict.importable, "{:?}", verdict.problems);
    assert_eq!((verdict.train, verdict.test), (900, 100));
    assert!(verdict.problems.iter().any(|problem| problem.code == "evaluation"));
}

#[test]
fn addresses_are_no_labels() {
    let folder = tempfile::tempdir().unwrap();
    (0..8u8).for_each(|i| write(folder.path(), &format!("images/{}.jpg", 100 + u16::from(i)), png(i)));
    let links = (100..108).map(|i| format!("{i}.jpg,https://example.org/{i}.jpg\n")).collect::<String>();
    write(folder.path(), "images.csv", format!("filename,link\n{links}"));
    let styles = (100..108).map(|i| format!("{i},{}\n", ["shirt", "shoe"][i % 2])).collect::<String>();
    write(folder.path(), "styles.csv", format!("id,label\n{styles}"));
    assert_eq!(of(&folder), "shirt 3+1, shoe 3+1");
}

#[test]
fn what_is_left_out_may_lie_outside_the_chosen_folder() {
    let folder = tempfile::tempdir().unwrap();
    pets(0..8).iter().for_each(|(name, content)| write(folder.path(), &format!("one/{name}"), content));
    pets(8..16).iter().for_each(|(name, content)| write(folder.path(), &format!("two/{name}"), content));
    let chosen = Options { folder: Some("one".into()), leave_out: Some("two".into()), ..Options::default() };
    assert_eq!(agreed(folder.path(), &chosen), "a 3+1, b 3+1");
    let nothing = Options { leave_out: Some("three".into()), ..Options::default() };
    assert_eq!(error(&folder, &nothing).code, "unused-option");
}

#[test]
fn splits_that_are_labelled_otherwise_are_told_by_name() {
    let folder = tempfile::tempdir().unwrap();
    for (split, labels) in [("train", ["cat", "dog"]), ("val", ["0", "1"])] {
        let rows = (0..8).map(|i| format!("{split}/{i}.png,{}\n", labels[i % 2])).collect::<String>();
        (0..8u8).for_each(|i| write(folder.path(), &format!("{split}/{i}.png"), png(i + 8 * u8::from(split == "val"))));
        write(folder.path(), &format!("{split}.csv"), format!("image,label\n{rows}"));
    }
    let problem = error(&folder, &Options::default());
    assert_eq!((problem.code, problem.remedies.len()), ("absent-class", 0), "{}", problem.message);
    assert!(problem.message.contains("of the class \"0\""), "{}", problem.message);
}

#[test]
fn an_ending_that_was_chosen_leaves_files_of_others_out() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..12 {
        write(folder.path(), &format!("doc-{i}.txt"), format!("Document {i} of twelve, with words of its own.\n"));
        write(folder.path(), &format!("doc-{i}.ann"), format!("T1\tNumber 9 10\t{i}\n"));
    }
    write(folder.path(), "annotation.conf", "[entities]\nNumber\n");
    let problem = error(&folder, &Options::default());
    let txt = problem.remedies.iter().find(|remedy| remedy.title.contains("*.txt")).unwrap_or_else(|| panic!("{problem:?}"));
    let verdict = verdict_of(folder.path(), &txt.options);
    let Some(sdp_data::inspect::Looked::Tokens { documents, .. }) = verdict.content else { panic!("{:?}", verdict.problems) };
    assert_eq!(documents, 12);
}

#[test]
fn text_beside_tokens_in_folders_of_their_own_is_a_question() {
    let tokens = |count: u16| npy("<u2", &[usize::from(count)], &(0..count).flat_map(|i| (i % 300).to_le_bytes()).collect::<Vec<_>>());
    let text = |i: usize| format!("Document {i} has words of its own. ").repeat(60).into_bytes();
    let mut files = vec![("tokens/train.npy".to_owned(), tokens(400)), ("tokens/val.npy".to_owned(), tokens(100))];
    files.extend((0..6).map(|i| (format!("docs/{i}.txt"), text(i))));
    let folder = folder(&files.iter().map(|(name, content)| (name.as_str(), content.clone())).collect::<Vec<_>>());
    let problem = error(&folder, &Options::default());
    let formats: Vec<Option<Format>> = problem
        .remedies
        .iter()
        .map(|remedy| verdict_of(folder.path(), &remedy.options))
        .map(|verdict| verdict.format.filter(|_| verdict.importable).map(|format| format.id))
        .collect();
    assert_eq!((problem.code, formats), ("several-datasets", vec![Some(Format::Text), Some(Format::Tokens)]));
}

#[test]
fn a_column_of_splits_and_nothing_else_tells_them_whatever_it_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let split = |i: usize| ["train", "train", "train", "val", "test"][i % 5];
    (0..20u8).for_each(|i| write(folder.path(), &format!("img/{i}.jpg"), png(i)));
    let table = |header: &str, said: &dyn Fn(usize) -> String| {
        let rows = (0..20).map(|i| format!("img/{i}.jpg   {}\n", said(i))).collect::<String>();
        format!("20\n{header}\n{rows}")
    };
    write(folder.path(), "Anno/list_category_img.txt", table("image_name  category_label", &|i| (1 + i % 2).to_string()));
    write(folder.path(), "Eval/list_eval_partition.txt", table("image_name  evaluation_status", &|i| split(i).to_owned()));
    assert_eq!(of(&folder), "1 6+2, 2 6+2");
}

#[test]
fn class_folders_apart_from_the_images_of_a_table_are_a_question() {
    let folder = tempfile::tempdir().unwrap();
    (0..10u8).for_each(|i| write(folder.path(), &format!("extra/e{i}.png"), png(i)));
    write(
        folder.path(),
        "extra/labels.csv",
        format!("file,label\n{}", (0..10).map(|i| format!("e{i}.png,{}\n", ["x", "y"][i % 2])).collect::<String>()),
    );
    pets(20..40).iter().for_each(|(name, content)| write(folder.path(), &format!("photos/{name}"), content));
    let expected = ["Take the folders as the classes: a 9+1, b 9+1", "Take the images of the table: x 4+1, y 4+1"];
    assert_eq!(answers(&folder, "several-datasets"), expected);
}
