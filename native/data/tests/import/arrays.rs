//! Arrays as people save them: which are the images and the labels, of which split, what their numbers mean; and what is asked.

use std::fs;
use std::path::Path;

use crate::common::{Imported, refusal, try_import, verdict_of};
use sdp_data::error::Severity;
use sdp_data::import::OutcomeContent;
use sdp_data::inspect::Looked;
use sdp_data::options::{Options, Order};

fn npy(descr: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    [&sdp_data::npy::write_header(descr, shape)[..], data].concat()
}

/// Images of 8 x 8, each all of the number of its row.
fn images(count: usize) -> Vec<u8> {
    npy("|u1", &[count, 8, 8], &(0..count).flat_map(|i| [i as u8; 64]).collect::<Vec<u8>>())
}

fn integers(values: impl IntoIterator<Item = i64>) -> Vec<u8> {
    let values: Vec<i64> = values.into_iter().collect();
    npy("<i8", &[values.len()], &values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
}

fn floats(shape: &[usize], values: &[f32]) -> Vec<u8> {
    npy("<f4", shape, &values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
}

/// Files by name; `set.npz/x` is a member of an .npz.
fn files(at: &Path, members: &[(&str, Vec<u8>)]) {
    let mut archives: std::collections::BTreeMap<&str, Vec<(&str, &Vec<u8>)>> = Default::default();
    for (name, content) in members {
        match name.split_once(".npz/") {
            Some((archive, member)) => archives.entry(archive).or_default().push((member, content)),
            None => {
                let path = at.join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
        }
    }
    for (name, members) in archives {
        let path = at.join(format!("{name}.npz"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut zip = zip::ZipWriter::new(fs::File::create(path).unwrap());
        for (member, content) in members {
            zip.start_file(format!("{member}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
            std::io::Write::write_all(&mut zip, content).unwrap();
        }
        zip.finish().unwrap();
    }
}

/// Imports the files; the verdict must have said so.
fn imported(members: &[(&str, Vec<u8>)], options: &Options) -> Imported {
    let folder = tempfile::tempdir().unwrap();
    files(folder.path(), members);
    let verdict = verdict_of(folder.path(), options);
    assert!(verdict.importable, "{:?}", verdict.problems);
    let imported = try_import(&[folder.path().to_owned()], options.clone()).unwrap();
    assert_eq!((verdict.train, verdict.test), (imported.outcome.train, imported.outcome.test));
    imported
}

/// Code, sentence and the choices that are offered.
fn refused(members: &[(&str, Vec<u8>)], options: &Options) -> (&'static str, String, Vec<Options>) {
    let folder = tempfile::tempdir().unwrap();
    files(folder.path(), members);
    let verdict = verdict_of(folder.path(), options);
    assert!(!verdict.importable);
    let problem = refusal(folder.path(), options.clone());
    let said = verdict.problems.iter().find(|said| said.code == problem.code).unwrap_or_else(|| panic!("{:?}", verdict.problems));
    (problem.code, problem.message, said.remedies.iter().map(|remedy| remedy.options.clone()).collect())
}

fn class_names(imported: &Imported) -> Vec<String> {
    let OutcomeContent::Images { class_names, .. } = &imported.outcome.content else { panic!("tokens") };
    class_names.clone()
}

/// The first pixel of each image with its label, of both splits, sorted.
fn pairs(imported: &Imported) -> Vec<(u8, i64)> {
    let mut pairs = Vec::new();
    for split in ["train", "test"] {
        let (shape, pixels) = imported.array(&format!("{split}/images.npy"));
        let size: usize = shape[1..].iter().product();
        pairs.extend(pixels.chunks(size).map(|image| image[0]).zip(imported.labels(split)));
    }
    pairs.sort_unstable();
    pairs
}

fn codes(imported: &Imported) -> Vec<&'static str> {
    imported.outcome.problems.iter().map(|problem| problem.code).collect()
}

fn even() -> Vec<(u8, i64)> {
    (0..20).map(|i| (i as u8, i64::from(i % 2))).collect()
}

#[test]
fn labels_are_chosen_by_name_before_any_other_array() {
    let (y, other) = (integers((0..20).map(|i| i % 2)), integers((0..20).map(|i| i % 5)));
    for (labels, others) in [("labels", ["age", "fold"]), ("y", ["fold", "a"]), ("target", ["age", "groups"]), ("labels", ["class", "y"])] {
        for place in ["", "set.npz/"] {
            let end = if place.is_empty() { ".npy" } else { "" };
            let name = |name: &str| format!("{place}{name}{end}");
            let (a, b, c, x) = (name(others[0]), name(others[1]), name(labels), name("images"));
            let members = [(x.as_str(), images(20)), (&a, other.clone()), (&b, other.clone()), (&c, y.clone())];
            let found = imported(&members, &Options::default());
            assert_eq!((class_names(&found), pairs(&found)), (vec!["0".into(), "1".into()], even()), "{labels} among {others:?}");
            let unused = found.outcome.problems.iter().find(|problem| problem.code == "unused-arrays").unwrap();
            assert_eq!(unused.count, 2);
            assert!(others.iter().all(|other| unused.message.contains(other)), "{}", unused.message);
        }
    }
    let chosen = Options { label_column: Some("age".into()), ..Options::default() };
    let found = imported(&[("x.npy", images(20)), ("age.npy", other), ("y.npy", y)], &chosen);
    assert_eq!(class_names(&found).len(), 5);
}

#[test]
fn labels_of_no_usual_name_are_asked_for_where_there_are_several() {
    let (one, other) = (integers((0..20).map(|i| i % 2)), integers((0..20).map(|i| i % 5)));
    for (x, y) in [("age", "sex"), ("fine_labels", "coarse_labels")] {
        let members = [("images.npy", images(20)), (&*format!("{x}.npy"), one.clone()), (&*format!("{y}.npy"), other.clone())];
        let (code, sentence, choices) = refused(&members, &Options::default());
        assert_eq!(code, "which-labels", "{sentence}");
        assert_eq!(choices.len(), 2);
        for choice in choices {
            imported(&members, &choice);
        }
    }
    let found = imported(&[("images.npy", images(20)), ("species.npy", one.clone())], &Options::default());
    assert_eq!(pairs(&found), even());
    let members = [("images.npy", images(20)), ("labels.npy", integers((0..19).map(|i| i % 2))), ("age.npy", one)];
    assert_eq!(refused(&members, &Options::default()).0, "mismatched-counts", "labels of another length are not replaced by ages");
}

#[test]
fn images_are_chosen_by_name_before_masks() {
    let black = npy("|u1", &[20, 8, 8], &[0; 1280]);
    let y = integers((0..20).map(|i| i % 2));
    let found =
        imported(&[("set.npz/images", images(20)), ("set.npz/a_mask", black.clone()), ("set.npz/labels", y.clone())], &Options::default());
    assert_eq!(pairs(&found), even());
    assert!(codes(&found).contains(&"unused-arrays"));
    let members = [("left.npy", images(20)), ("right.npy", black), ("y.npy", y)];
    let (code, _, choices) = refused(&members, &Options::default());
    assert_eq!((code, choices.len()), ("which-images", 2));
    assert_eq!(pairs(&imported(&members, &choices[0])), even());
}

#[test]
fn splits_are_those_of_the_names_of_arrays_files_and_folders() {
    let part = |from: i64, count: usize| {
        let x = npy("|u1", &[count, 8, 8], &(0..count).flat_map(|i| [(from + i as i64) as u8; 64]).collect::<Vec<u8>>());
        (x, integers((0..count as i64).map(|i| (from + i) % 2)))
    };
    let ((x0, y0), (x1, y1)) = (part(0, 12), part(12, 8));
    for [a, b, c, d] in [
        ["train.npz/images", "train.npz/labels", "test.npz/images", "test.npz/labels"],
        ["set.npz/x_train", "set.npz/y_train", "set.npz/x_test", "set.npz/y_test"],
        ["data/set.npz/x_train", "data/set.npz/y_train", "data/set.npz/x_test", "data/set.npz/y_test"],
        ["data/train.npz/x", "data/train.npz/y", "data/test.npz/x", "data/test.npz/y"],
        ["train/part.npz/x", "train/part.npz/y", "val/part.npz/x", "val/part.npz/y"],
        ["trainX.npy", "trainy.npy", "testX.npy", "testy.npy"],
        ["Xtr.npy", "Ytr.npy", "Xte.npy", "Yte.npy"],
        ["images/train.npy", "labels/train.npy", "images/val.npy", "labels/val.npy"],
        ["train/a/x.npy", "train/a/y.npy", "dev/a/x.npy", "dev/a/y.npy"],
        ["x_train.npy", "y_train.npy", "images_valid.npy", "labels_valid.npy"],
    ] {
        let found = imported(&[(a, x0.clone()), (b, y0.clone()), (c, x1.clone()), (d, y1.clone())], &Options::default());
        assert_eq!((found.labels("train").len(), found.labels("test").len()), (12, 8), "{a}");
        assert_eq!(pairs(&found), even(), "{a}");
        assert!(!codes(&found).contains(&"no-validation"), "{a}");
    }
}

/// MedMNIST: labels are [n,1], and the test split is neither trained nor evaluated on.
#[test]
fn three_splits_stay_apart() {
    let y = |count: usize| npy("|u1", &[count, 1], &(0..count).map(|i| (i % 2) as u8).collect::<Vec<u8>>());
    let mut members = Vec::new();
    for (split, count) in [("train", 10), ("val", 4), ("test", 6)] {
        members.push((format!("medmnist.npz/{split}_images"), images(count)));
        members.push((format!("medmnist.npz/{split}_labels"), y(count)));
    }
    let members: Vec<(&str, Vec<u8>)> = members.iter().map(|(name, content)| (name.as_str(), content.clone())).collect();
    let found = imported(&members, &Options::default());
    assert_eq!((found.labels("train").len(), found.labels("test").len()), (10, 4));
    let unused = found.outcome.problems.iter().find(|problem| problem.code == "unused-split").unwrap();
    assert_eq!(unused.count, 6);
}

#[test]
fn labels_of_every_type_are_classes() {
    let one_hot: Vec<f32> = (0..20).flat_map(|i| if i % 2 == 0 { [1.0, 0.0] } else { [0.0, 1.0] }).collect();
    let wide: Vec<u8> = (0..20)
        .flat_map(|i| {
            if i % 2 == 0 { "ant" } else { "bee" }.chars().flat_map(|letter| u32::from(letter).to_le_bytes()).collect::<Vec<u8>>()
        })
        .collect();
    // numpy.array(["ant", "bee", "bee"] ..., dtype=object), as Python 3 writes it.
    let mut objects = b"\x80\x04cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85C\x01b\x87R(K\x01K\x14\x85cnumpy\ndtype\n\x8c\x02O8\x89\x88\x87R(K\x03\x8c\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb\x89](".to_vec();
    (0..20).for_each(|i| objects.extend(if i % 2 == 0 { b"\x8c\x03ant" } else { b"\x8c\x03bee" }));
    objects.extend(b"etb.");
    let bytes = |descr: &str, data: Vec<u8>| npy(descr, &[20], &data);
    let alternating = |a: f32, b: f32| floats(&[20], &(0..20).map(|i| if i % 2 == 0 { a } else { b }).collect::<Vec<f32>>());
    let cases: [(&str, Vec<u8>, [&str; 2]); 10] = [
        ("one-hot", floats(&[20, 2], &one_hot), ["0", "1"]),
        ("text", npy("<U3", &[20], &wide), ["ant", "bee"]),
        ("bytes", bytes("|S3", (0..20).flat_map(|i| if i % 2 == 0 { *b"ant" } else { *b"bee" }).collect()), ["ant", "bee"]),
        ("objects", npy("|O", &[20], &objects), ["ant", "bee"]),
        ("booleans", bytes("|b1", (0..20).map(|i| i % 2).collect()), ["False", "True"]),
        ("floats", alternating(0.0, 1.0), ["0", "1"]),
        ("half stars", alternating(0.5, 3.5), ["0.5", "3.5"]),
        ("from 1", integers((0..20).map(|i| i % 2 + 1)), ["1", "2"]),
        ("3 and 7", integers((0..20).map(|i| i % 2 * 4 + 3)), ["3", "7"]),
        ("-1 and 1", integers((0..20).map(|i| i % 2 * 2 - 1)), ["-1", "1"]),
    ];
    for (kind, labels, names) in cases {
        let found = imported(&[("x.npy", images(20)), ("y.npy", labels)], &Options::default());
        assert_eq!((class_names(&found), pairs(&found)), (names.map(ToOwned::to_owned).to_vec(), even()), "{kind}");
    }
}

#[test]
fn labels_that_are_none_are_refused_by_their_cause() {
    let several: Vec<f32> = (0..20).flat_map(|i| if i == 3 { [1.0, 1.0] } else { [0.0, 1.0] }).collect();
    let measured: Vec<f32> = (0..20).map(|i| 0.37 * i as f32).collect();
    let code_object = b"\x80\x02cos\nsystem\nU\x01x\x85R.";
    for (labels, expected, says) in [
        (floats(&[20, 2], &several), "multi-label", "1 images are of none or of several classes (first row 3)"),
        (floats(&[20, 2], &measured.repeat(2)), "bad-label", "0.37"),
        (floats(&[20], &measured), "bad-label", "only where they are few"),
        (npy("|O", &[20], code_object), "unsafe-pickle", "os.system"),
        (integers((0..20).map(|i| -i)), "bad-label", "class numbers from 0"),
        (npy("|u1", &[20, 3, 2], &[0; 120]), "which-images", ""),
    ] {
        let (code, sentence, _) = refused(&[("x.npy", images(20)), ("y.npy", labels)], &Options::default());
        if expected != "which-images" {
            assert!(code == expected && sentence.contains(says), "{code}: {sentence}");
        }
    }
    let mut labels: Vec<i64> = (0..20).map(|i| i % 2).collect();
    labels[4] = -1;
    let members = [("x.npy", images(20)), ("y.npy", integers(labels))];
    assert_eq!(refused(&members, &Options::default()).0, "no-label");
    let skip = Options { skip: Some(true), ..Options::default() };
    assert_eq!(pairs(&imported(&members, &skip)).len(), 19);
}

#[test]
fn rows_of_square_images_are_images() {
    let y = integers((0..20).map(|i| i % 2));
    let rows = npy("|u1", &[20, 64], &(0..20).flat_map(|i| [i as u8; 64]).collect::<Vec<u8>>());
    let found = imported(&[("data.npy", rows), ("target.npy", y.clone())], &Options::default());
    assert_eq!((found.array("train/images.npy").0[1..].to_vec(), pairs(&found)), (vec![1, 8, 8], even()));
    assert!(codes(&found).contains(&"flat-rows"));
    let colour: Vec<u8> = (0..20).flat_map(|i| (0..192).map(move |at| if at == 1 { 200 } else { i as u8 })).collect();
    let members = [("X.npy", npy("|u1", &[20, 192], &colour)), ("y.npy", y)];
    let (code, _, choices) = refused(&members, &Options::default());
    assert_eq!((code, choices.len()), ("which-order", 2));
    for (order, channel) in [(Order::Planes, 0), (Order::Pixels, 64)] {
        let found = imported(&members, &Options { order: Some(order), ..Options::default() });
        let (shape, pixels) = found.array("train/images.npy");
        assert_eq!(shape[1..], [3, 8, 8]);
        assert_eq!(pixels[..192].iter().position(|pixel| *pixel == 200), Some(if channel == 0 { 1 } else { channel }));
    }
}

#[test]
fn the_range_of_the_data_says_what_is_black_and_white() {
    let y = || ("y.npy", integers((0..20).map(|i| i % 2)));
    let image = |descr: &str, values: Vec<u8>| ("x.npy", npy(descr, &[20, 8, 8], &values));
    let shorts = |value: &dyn Fn(usize) -> i16| -> Vec<u8> { (0..20 * 64).flat_map(|at| value(at).to_le_bytes()).collect() };
    // 16-bit types: bytes stay as they are, 12 bits are spread, negatives are asked about.
    let found = imported(&[image("<u2", shorts(&|at| (at / 64) as i16)), y()], &Options::default());
    assert_eq!(pairs(&found), even());
    for descr in ["<u2", "<i2"] {
        let found = imported(&[image(descr, shorts(&|at| (at % 64 * 65) as i16)), y()], &Options::default());
        let (_, pixels) = found.array("train/images.npy");
        assert_eq!((pixels[1], pixels[63], pixels.iter().collect::<std::collections::BTreeSet<_>>().len()), (4, 255, 64), "{descr}");
        let said = found.outcome.problems.iter().find(|problem| problem.code == "sixteen-bit").unwrap();
        assert!(said.message.contains("as 12 bits, 0 to 4095"), "{}", said.message);
    }
    let scan = image("<i2", shorts(&|at| at as i16 * 3 - 1000));
    let (code, sentence, choices) = refused(&[scan.clone(), y()], &Options::default());
    assert!(code == "bad-range" && sentence.contains("has values from -1000 to 2837"), "{sentence}");
    let (_, pixels) = imported(&[scan.clone(), y()], &choices[0]).array("train/images.npy");
    assert!(pixels.iter().collect::<std::collections::BTreeSet<_>>().len() > 200);
    let window = Options { range: Some("0:100".into()), ..Options::default() };
    let (_, pixels) = imported(&[scan.clone(), y()], &window).array("train/images.npy");
    assert!(pixels.contains(&0) && pixels.contains(&255));
    assert_eq!(refused(&[scan, y()], &Options { range: Some("5".into()), ..Options::default() }).0, "bad-range");
    // float16 from 0 to 1: 0x3800 is a half.
    let (_, pixels) = imported(&[image("<f2", [0, 0x38].repeat(1280)), y()], &Options::default()).array("train/images.npy");
    assert_eq!(pixels[0], 128);
    // From -1 to 1, as after a usual normalisation.
    let values: Vec<f32> = (0..1280).map(|at| at as f32 / 640.0 - 1.0).collect();
    let (_, _, choices) = refused(&[("x.npy", floats(&[20, 8, 8], &values)), y()], &Options::default());
    assert_eq!(choices[0].range.as_deref(), Some("-1:1"));
    // One range for both splits.
    let half = |most: u16| npy("<u2", &[10, 8, 8], &most.to_le_bytes().repeat(640));
    let y10 = || integers((0..10).map(|i| i % 2));
    let members = [("x_train.npy", half(4000)), ("y_train.npy", y10()), ("x_test.npy", half(900)), ("y_test.npy", y10())];
    let found = imported(&members, &Options::default());
    assert_eq!((found.array("train/images.npy").1[0], found.array("test/images.npy").1[0]), (249, 56));
}

#[test]
fn values_that_are_no_numbers_are_told_of_and_their_images_left_out_on_request() {
    let mut values = vec![0.5f32; 1280];
    values[64 * 7 + 3] = f32::NAN;
    values[64 * 9] = f32::INFINITY;
    let members = [("x.npy", floats(&[20, 8, 8], &values)), ("y.npy", integers((0..20).map(|i| i % 2)))];
    let folder = tempfile::tempdir().unwrap();
    files(folder.path(), &members);
    let verdict = verdict_of(folder.path(), &Options::default());
    let problem = verdict.problems.iter().find(|problem| problem.code == "unreadable-image").unwrap();
    assert!(
        problem.severity == Severity::Error && problem.count == 2 && problem.message.contains("NaN or infinite"),
        "{}",
        problem.message
    );
    assert_eq!(problem.places.iter().map(|place| place.row).collect::<Vec<_>>(), [Some(7), Some(9)]);
    let Some(Looked::Images { unreadable: 2, .. }) = verdict.content else { panic!("{:?}", verdict.content) };
    assert_eq!(refused(&members, &Options::default()).0, "unreadable-image");
    let found = imported(&members, &Options { skip: Some(true), ..Options::default() });
    assert_eq!(pairs(&found).len(), 18);
    assert!(pairs(&found).iter().all(|(pixel, _)| *pixel == 128));
}

#[test]
fn images_of_every_layout_are_the_same() {
    let y = integers((0..20).map(|i| i % 2));
    let bytes: Vec<u8> = (0..20).flat_map(|i| [i as u8; 64]).collect();
    for shape in [&[20, 8, 8][..], &[20, 8, 8, 1], &[20, 1, 8, 8]] {
        let found = imported(&[("x.npy", npy("|u1", shape, &bytes)), ("y.npy", y.clone())], &Options::default());
        assert_eq!((found.array("train/images.npy").0[1..].to_vec(), pairs(&found)), (vec![1, 8, 8], even()), "{shape:?}");
    }
    let booleans: Vec<u8> = (0..20).flat_map(|i| [i as u8 % 2; 64]).collect();
    let found = imported(&[("x.npy", npy("|b1", &[20, 8, 8], &booleans)), ("y.npy", y)], &Options::default());
    assert!(pairs(&found).iter().all(|&(pixel, label)| i64::from(pixel) == 255 * label));
}

/// CIFAR-10.1 as it is downloaded: two versions side by side, a dot in their names. Each has its own labels.
#[test]
fn versions_with_dots_in_their_names_have_their_own_labels() {
    let pictures = |from: u8| npy("|u1", &[20, 8, 8], &(from..from + 20).flat_map(|value| [value; 64]).collect::<Vec<u8>>());
    let of = |shift: i64| integers((0..20).map(|i| (i + shift) % 2));
    let files = [
        ("cifar10.1_v4_data.npy", pictures(0)),
        ("cifar10.1_v4_labels.npy", of(0)),
        ("cifar10.1_v6_data.npy", pictures(101)),
        ("cifar10.1_v6_labels.npy", of(1)),
    ];
    // One may be a part of the other, so one of them is chosen.
    for (version, from, shift) in [("v4", 0, 0), ("v6", 101, 1)] {
        let found = imported(&files, &Options { folder: Some(format!("cifar10.1_{version}*")), ..Options::default() });
        let right = |&(value, label): &(u8, i64)| label == (i64::from(value) - from + shift) % 2;
        assert_eq!(pairs(&found).len(), 20);
        assert!(pairs(&found).iter().all(right), "{:?}", pairs(&found));
    }
}
