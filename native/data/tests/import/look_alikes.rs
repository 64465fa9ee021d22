//! Files, folders, images and arrays of which nothing tells the classes, or something else than it seems: pointers and pages in place of
//! files, arrays without labels, several datasets side by side, masks beside images, stray files.

use std::path::Path;

use crate::common::parquet::{parquet, texts};
use crate::common::{agreed, found, images, import_fixture, labels, png, try_import, verdict_of, write, zip};
use sdp_data::error::{Problem, Severity};
use sdp_data::inspect::Looked;
use sdp_data::options::{Format, Options};
use tempfile::TempDir;

type Files<'a> = &'a [(&'a str, Vec<u8>)];

fn folder(files: Files) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, content)| write(folder.path(), name, content));
    folder
}

/// Class folders of images, each of its own value.
fn pets(at: &Path) {
    (0..10).for_each(|i| write(at, &format!("{}/{i}.png", ["cat", "dog"][i % 2]), png(i as u8)));
}

/// The first error; an import ends with it too.
fn refused(at: &Path, options: &Options) -> Problem {
    let verdict = verdict_of(at, options);
    let problem = verdict.problems.iter().find(|problem| problem.severity == Severity::Error);
    assert!(try_import(&[at.to_owned()], options.clone()).is_err());
    problem.unwrap_or_else(|| panic!("{:?} {:?}", verdict.format, verdict.problems)).clone()
}

fn said(at: &Path, code: &str) -> Problem {
    let verdict = verdict_of(at, &Options::default());
    verdict.problems.iter().find(|problem| problem.code == code).unwrap_or_else(|| panic!("{:?}", verdict.problems)).clone()
}

/// What each remedy leads to.
fn remedied(at: &Path, problem: &Problem) -> Vec<String> {
    problem.remedies.iter().map(|remedy| agreed(at, &remedy.options)).collect()
}

fn npy(descr: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    [&sdp_data::npy::write_header(descr, shape)[..], data].concat()
}

/// Rows of 8 x 8 images, each of its own value.
fn rows(values: std::ops::Range<u8>) -> Vec<u8> {
    let count = values.len();
    npy("|u1", &[count, 64], &values.flat_map(|value| [value; 64]).collect::<Vec<u8>>())
}

fn numbers(labels: &[u8]) -> Vec<u8> {
    npy("|u1", &[labels.len()], labels)
}

/// Pixels with the labels of both splits, sorted.
fn pairs(at: &Path, options: &Options) -> Vec<(u8, i64)> {
    let imported = try_import(&[at.to_owned()], options.clone()).unwrap_or_else(|error| panic!("{error}"));
    let mut pairs = Vec::new();
    for split in ["train", "test"] {
        let (shape, pixels) = imported.array(&format!("{split}/images.npy"));
        pairs.extend(pixels.chunks(shape[1..].iter().product()).map(|image| image[0]).zip(imported.labels(split)));
    }
    pairs.sort_unstable();
    pairs
}

const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";
const CARD: &[u8] = b"---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/train-*\n---\n# A dataset\n";
const PAGE: &[u8] = b"<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title></head><body>Too large</body></html>";

#[test]
fn pointers_and_pages_in_place_of_files_are_refused_by_name() {
    let readme = ("README.md", b"# A dataset\n".repeat(20));
    let pointer = |name: &'static str| (name, POINTER.to_vec());
    let text = |name: &'static str| (name, b"just some words\n".to_vec());
    for (files, says) in [
        (&[pointer("data/train-00000-of-00001.parquet"), pointer("data/test-00000-of-00001.parquet"), readme.clone()][..], "git lfs pull"),
        (&[pointer("train.txt"), pointer("val.txt")], "git lfs pull"),
        (&[pointer("train.bin"), pointer("val.bin")], "git lfs pull"),
        (&[pointer("train.jsonl"), readme.clone()], "git lfs pull"),
        (&[pointer("cat/1.jpg"), pointer("dog/1.jpg")], "git lfs pull"),
        (&[pointer("model.safetensors")], "git lfs pull"),
        (&[pointer("data/train-00000-of-00001.parquet"), ("README.md", CARD.to_vec())], "git lfs pull"),
        (&[("images.zip", PAGE.to_vec())], "web page"),
        (&[("train.csv", PAGE.to_vec())], "web page"),
        (&[("train.bin", PAGE.to_vec())], "web page"),
        (&[text("train.parquet"), readme.clone()], "holds text (\"just some words"),
        (&[text("x.npy")], "holds text"),
        (&[("x.txt", b"/annex/objects/MD5E-s1--abc".to_vec())], "git annex get"),
    ] {
        let folder = folder(files);
        let problem = refused(folder.path(), &Options::default());
        assert_eq!((problem.code, problem.message.contains(says), problem.remedies.len()), ("stand-in", true, 0), "{}", problem.message);
    }
    // Pages are a corpus too.
    let pages = folder(&[("a.html", PAGE.repeat(9)), ("b.html", PAGE.repeat(9))]);
    assert!(verdict_of(pages.path(), &Options::default()).importable);
}

#[test]
fn a_pointer_among_images_can_be_left_out() {
    let folder = tempfile::tempdir().unwrap();
    pets(folder.path());
    write(folder.path(), "cat/pointer.png", POINTER);
    let problem = refused(folder.path(), &Options::default());
    assert_eq!((problem.code, remedied(folder.path(), &problem)), ("stand-in", vec!["cat 4+1, dog 4+1".to_owned()]));
    write(folder.path(), "cat/pointer.png", PAGE);
    let problem = refused(folder.path(), &Options::default());
    assert!(problem.code == "unreadable-image" && problem.message.contains("it is a web page"), "{}", problem.message);
}

#[test]
fn arrays_that_are_called_by_their_class_are_images() {
    let drawn = folder(&[("full_numpy_bitmap_cat.npy", rows(0..10)), ("full_numpy_bitmap_The Eiffel Tower.npy", rows(10..20))]);
    assert_eq!(agreed(drawn.path(), &Options::default()), "The Eiffel Tower 9+1, cat 9+1");
    let expected: Vec<(u8, i64)> = (0..20).map(|value| (value, i64::from(value < 10))).collect();
    assert_eq!(pairs(drawn.path(), &Options::default()), expected);
    // mnist_all.mat.
    let files: Vec<(String, Vec<u8>)> = (0..3)
        .flat_map(|digit| {
            [
                (format!("m/train{digit}.npy"), rows(digit * 10..digit * 10 + 4)),
                (format!("m/test{digit}.npy"), rows(digit * 10 + 4..digit * 10 + 6)),
            ]
        })
        .collect();
    let digits = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, content)| write(digits.path(), name, content));
    assert_eq!(agreed(digits.path(), &Options::default()), "0 4+2, 1 4+2, 2 4+2");
    assert!(pairs(digits.path(), &Options::default()).iter().all(|(value, label)| i64::from(value / 10) == *label));
}

#[test]
fn bytes_that_may_be_images_or_tokens_are_asked() {
    let folder_of = |names: [&str; 2]| folder(&[(&format!("{}.npy", names[0]), rows(0..10)), (&format!("{}.npy", names[1]), rows(10..20))]);
    let classes = folder_of(["cat", "dog"]);
    let problem = refused(classes.path(), &Options::default());
    assert_eq!(problem.code, "no-labels");
    let formats: Vec<Option<Format>> = problem.remedies.iter().map(|remedy| remedy.options.format).collect();
    assert_eq!(formats, [Some(Format::ImageArrays), Some(Format::Tokens)]);
    assert_eq!(agreed(classes.path(), &problem.remedies[0].options), "cat 9+1, dog 9+1");
    assert!(verdict_of(classes.path(), &problem.remedies[1].options).importable);
    let splits = folder_of(["train", "val"]);
    let problem = refused(splits.path(), &Options::default());
    assert_eq!((problem.code, problem.remedies.len()), ("no-labels", 1));
    assert!(verdict_of(splits.path(), &problem.remedies[0].options).importable);
    // A stream of bytes is one of tokens.
    let stream = folder(&[("train.npy", npy("|u1", &[4096], &[7; 4096])), ("val.npy", npy("|u1", &[4096], &[9; 4096]))]);
    let verdict = verdict_of(stream.path(), &Options::default());
    assert!(verdict.importable && matches!(verdict.content, Some(Looked::Tokens { .. })));
}

#[test]
fn arrays_of_one_image_each_and_raw_images_are_refused() {
    for (descr, element) in [("|u1", 1), ("<f4", 4), ("<i2", 2)] {
        let image = || npy(descr, &[12, 12], &vec![1; 144 * element]);
        let single = folder(&[("cat/1.npy", image()), ("cat/2.npy", image()), ("dog/1.npy", image()), ("dog/2.npy", image())]);
        let problem = refused(single.path(), &Options::default());
        assert!(problem.code == "array-per-image" && problem.message.contains("(cat, dog)"), "{}", problem.message);
    }
    let raw = folder(&[("images.bin", (0..4096u32).flat_map(|i| [(i % 50) as u8, 0]).collect()), ("labels.bin", vec![1; 64])]);
    assert_eq!(refused(raw.path(), &Options::default()).code, "raw-images");
}

#[test]
fn stl_is_read_with_its_columns_and_names() {
    const SIDE: usize = 96;
    // Red tells the row and green the column.
    let image = |blue: u8| -> Vec<u8> {
        let plane = |of: &dyn Fn(usize, usize) -> u8| -> Vec<u8> {
            (0..SIDE).flat_map(|x| (0..SIDE).map(move |y| (x, y))).map(|(x, y)| of(x, y)).collect()
        };
        [plane(&|_, y| y as u8), plane(&|x, _| x as u8), plane(&|_, _| blue)].concat()
    };
    let images = |count: u8| (0..count).flat_map(|i| image(200 + i % 3)).collect::<Vec<u8>>();
    let labels = |count: u8| (0..count).map(|i| 1 + i % 3).collect::<Vec<u8>>();
    let folder = folder(&[
        ("stl10_binary/train_X.bin", images(9)),
        ("stl10_binary/train_y.bin", labels(9)),
        ("stl10_binary/test_X.bin", images(3)),
        ("stl10_binary/test_y.bin", labels(3)),
        ("stl10_binary/unlabeled_X.bin", images(2)),
        ("stl10_binary/class_names.txt", b"airplane\nbird\ncar\n".to_vec()),
        ("stl10_binary/fold_indices.txt", b"0 1 2 \n3 4 5 \n".to_vec()),
    ]);
    assert_eq!(agreed(folder.path(), &Options::default()), "airplane 3+1, bird 3+1, car 3+1");
    let imported = try_import(&[folder.path().to_owned()], Options::default()).unwrap();
    let (shape, pixels) = imported.array("train/images.npy");
    assert_eq!(shape, [9, 3, SIDE, SIDE]);
    let at = |channel: usize, y: usize, x: usize| pixels[channel * SIDE * SIDE + y * SIDE + x];
    assert_eq!((at(0, 5, 70), at(1, 5, 70), at(2, 5, 70)), (5, 70, 200 + imported.labels("train")[0] as u8));
    let verdict = verdict_of(folder.path(), &Options::default());
    assert!(verdict.account.iter().any(|line| line.what == "images without labels" && line.count == 1), "{:?}", verdict.account);
}

/// A set of a training and a test split in an .npz.
fn set(classes: u8) -> Vec<u8> {
    let labels = |count: u8| numbers(&(0..count).map(|i| i % classes).collect::<Vec<u8>>());
    zip(&[
        ("train_images.npy", rows(0..12)),
        ("train_labels.npy", labels(12)),
        ("test_images.npy", rows(12..18)),
        ("test_labels.npy", labels(6)),
    ])
}

#[test]
fn datasets_side_by_side_are_asked() {
    let folder = folder(&[("pathmnist.npz", set(3)), ("bloodmnist.npz", set(2))]);
    let problem = refused(folder.path(), &Options::default());
    assert_eq!(problem.code, "several-datasets");
    assert_eq!(remedied(folder.path(), &problem), ["0 6+3, 1 6+3", "0 4+2, 1 4+2, 2 4+2", "0 10+5, 1 10+5, 2 4+2"]);
    // Two versions in one folder are too.
    let array = |name: &str, version: u8, content: Vec<u8>| (format!("set_v{version}_{name}.npy"), content);
    let of = |version: u8| {
        let values = 12 * version..12 * version + 12;
        [array("data", version, rows(values)), array("labels", version, numbers(&[0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]))]
    };
    let files: Vec<(String, Vec<u8>)> = [of(4), of(6)].concat();
    let versions = self::folder(&files.iter().map(|(name, content)| (name.as_str(), content.clone())).collect::<Vec<_>>());
    let problem = refused(versions.path(), &Options::default());
    assert_eq!(problem.code, "several-versions");
    assert_eq!(remedied(versions.path(), &problem), ["0 5+1, 1 5+1", "0 5+1, 1 5+1"]);
    // Shards of one are taken together.
    let shards = folder_of_shards();
    assert_eq!(agreed(shards.path(), &Options::default()), "0 5+1, 1 5+1");
}

fn folder_of_shards() -> TempDir {
    let part = |from: u8| [rows(from..from + 6), numbers(&[0, 1, 0, 1, 0, 1])];
    let ([a, b], [c, d]) = (part(0), part(6));
    folder(&[("part_1.npz", zip(&[("images.npy", a), ("labels.npy", b)])), ("part_2.npz", zip(&[("images.npy", c), ("labels.npy", d)]))])
}

#[test]
fn arrays_without_names_are_asked() {
    let y = |count: u8| numbers(&(0..count).map(|i| i % 2).collect::<Vec<u8>>());
    let images = |from: u8, count: u8| {
        npy("|u1", &[usize::from(count), 8, 8], &(from..from + count).flat_map(|value| [value; 64]).collect::<Vec<u8>>())
    };
    let members = [("arr_0.npy", images(0, 20)), ("arr_1.npy", y(20)), ("arr_2.npy", images(20, 8)), ("arr_3.npy", y(8))];
    let whole = folder(&[("set.npz", zip(&members))]);
    let problem = refused(whole.path(), &Options::default());
    assert!(problem.code == "which-images" && problem.message.contains("x_train"), "{}", problem.message);
    assert_eq!(remedied(whole.path(), &problem), ["0 9+1, 1 9+1", "0 3+1, 1 3+1", "0 13+1, 1 13+1"]);
    let pair = folder(&[("set.npz", zip(&members[..2]))]);
    assert_eq!(agreed(pair.path(), &Options::default()), "0 9+1, 1 9+1");
}

#[test]
fn masks_beside_images_are_no_samples() {
    let folder = tempfile::tempdir().unwrap();
    for (class, from) in [("benign", 0), ("malignant", 50)] {
        for i in 0..10 {
            write(folder.path(), &format!("{class}/{class} ({i}).png"), png(from + i));
            write(folder.path(), &format!("{class}/{class} ({i})_mask.png"), png(100 + from + i));
        }
        write(folder.path(), &format!("{class}/{class} (1)_mask_1.png"), png(200 + from));
    }
    assert_eq!(agreed(folder.path(), &Options::default()), "benign 9+1, malignant 9+1");
    assert_eq!(said(folder.path(), "masks").count, 22);
    // What else lies beside a picture: superpixels (ISIC), crops of the depth and of the mask beside those of the picture (RGB-D objects).
    let others = tempfile::tempdir().unwrap();
    for i in 0..20u8 {
        let name = format!("{}/{i}", ["nevus", "melanoma"][usize::from(i) % 2]);
        write(others.path(), &format!("{name}.png"), png(i));
        write(others.path(), &format!("{name}_superpixels.png"), png(100 + i));
    }
    assert_eq!(agreed(others.path(), &Options::default()), "melanoma 9+1, nevus 9+1");
    let crops = tempfile::tempdir().unwrap();
    for i in 0..20u8 {
        let name = format!("{}/{i}", ["apple", "ball"][usize::from(i) % 2]);
        for (which, from) in [("crop", 0), ("depthcrop", 100), ("maskcrop", 200)] {
            write(crops.path(), &format!("{name}_{which}.png"), png(from + i));
        }
    }
    assert_eq!(agreed(crops.path(), &Options::default()), "apple 9+1, ball 9+1");
    // Pascal VOC and DRIVE: segmentation, which has no classes of images.
    for [images, masks, more] in [["JPEGImages", "SegmentationClass", "SegmentationObject"], ["images", "1st_manual", "mask"]] {
        let folder = tempfile::tempdir().unwrap();
        for i in 0..20u8 {
            [images, masks, more].iter().for_each(|name| write(folder.path(), &format!("{name}/{i}.png"), png(i)));
        }
        let verdict = verdict_of(folder.path(), &Options::default());
        assert!(!verdict.importable, "{images}");
    }
    // A name alone is no mask.
    let faces = tempfile::tempdir().unwrap();
    (0..20).for_each(|i| write(faces.path(), &format!("{}/{i}_mask.png", ["with", "without"][i % 2]), png(i as u8)));
    assert_eq!(agreed(faces.path(), &Options::default()), "with 9+1, without 9+1");
    // Folders of masks in those of the classes.
    let lungs = tempfile::tempdir().unwrap();
    for i in 0..20 {
        let class = ["COVID", "Normal"][i % 2];
        write(lungs.path(), &format!("{class}/images/{i}.png"), png(i as u8));
        write(lungs.path(), &format!("{class}/masks/{i}.png"), png(100 + i as u8));
    }
    let problem = refused(lungs.path(), &Options::default());
    assert_eq!((problem.code, remedied(lungs.path(), &problem)), ("masks", vec!["COVID 9+1, Normal 9+1".to_owned()]));
    let splits = tempfile::tempdir().unwrap();
    for i in 0..40 {
        let (split, class) = (["train", "val"][i / 20], ["cat", "dog"][i % 2]);
        write(splits.path(), &format!("{split}/images/{class}/{i}.png"), png(i as u8));
        write(splits.path(), &format!("{split}/masks/{class}/{i}.png"), png(100 + i as u8));
    }
    let problem = refused(splits.path(), &Options::default());
    assert_eq!((problem.code, remedied(splits.path(), &problem)), ("masks", vec!["cat 10+10, dog 10+10".to_owned()]));
}

#[test]
fn pictures_of_nothing_but_alpha_are_told() {
    let drawn = |alpha: &dyn Fn(u32, u32) -> u8, colour: u8| {
        let image = image::RgbaImage::from_fn(16, 16, |x, y| image::Rgba([colour, colour, colour, alpha(x, y)]));
        let mut bytes = std::io::Cursor::new(Vec::new());
        image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        bytes.into_inner()
    };
    let icons = tempfile::tempdir().unwrap();
    for i in 0..10u32 {
        write(icons.path(), &format!("{}/{i}.png", ["a", "b"][i as usize % 2]), drawn(&|x, y| (x * y + i) as u8, 0));
    }
    let problem = said(icons.path(), "alpha-only");
    assert_eq!((problem.severity, problem.count), (Severity::Warning, 10));
    let some = tempfile::tempdir().unwrap();
    for i in 0..10u32 {
        let opaque = image::RgbImage::from_fn(16, 16, |x, y| image::Rgb([x as u8, y as u8, i as u8]));
        let mut bytes = std::io::Cursor::new(Vec::new());
        opaque.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        let bytes = if i == 3 { drawn(&|x, _| x as u8, 9) } else { bytes.into_inner() };
        write(some.path(), &format!("{}/{i}.png", ["a", "b"][i as usize % 2]), bytes);
    }
    assert_eq!(said(some.path(), "alpha-only").count, 1);
}

#[test]
fn flags_as_pixels_become_black_and_white() {
    let x = npy("|u1", &[20, 8, 8], &(0..20usize * 64).map(|at| u8::from(at % (at / 64 + 2) == 0)).collect::<Vec<u8>>());
    let silhouettes = folder(&[("x.npy", x), ("y.npy", numbers(&[0, 1].repeat(10)))]);
    let imported = try_import(&[silhouettes.path().to_owned()], Options::default()).unwrap();
    let (_, pixels) = imported.array("train/images.npy");
    assert!(pixels.iter().all(|pixel| [0, 255].contains(pixel)) && pixels.contains(&255));
    assert_eq!(said(silhouettes.path(), "flags").severity, Severity::Note);
}

#[test]
fn splits_are_never_offered_as_classes() {
    for (files, says) in [
        (&["train/cat.#.jpg", "train/dog.#.jpg", "test1/#.jpg"][..], "begin with the class (cat, dog)"),
        (&["cars_train/#.jpg", "cars_test/#.jpg"], "cars_test, cars_train"),
        (&["training/0_#.jpg", "training/1_#.jpg", "validation/0_#.jpg", "evaluation/1_#.jpg"], "begin with the class (0, 1)"),
        (&["images/Abyssinian_#.jpg", "images/pug_#.jpg"], "begin with the class (Abyssinian, pug)"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut value = 0;
        for name in files {
            for i in 0..8 {
                value += 1;
                write(folder.path(), &name.replace('#', &i.to_string()), png(value));
            }
        }
        let problem = refused(folder.path(), &Options::default());
        assert!(problem.message.contains(says) && problem.remedies.is_empty(), "{problem:?}");
    }
}

#[test]
fn a_refusal_names_what_lies_beside_the_images() {
    let images = |folder: &str| -> Vec<(String, Vec<u8>)> { (0..8).map(|i| (format!("{folder}/{i}.png"), png(i))).collect() };
    let lines = (0..8).map(|i| format!("{}\n", ["cat", "dog"][i % 2])).collect::<String>().into_bytes();
    let zeros = (0..8).map(|i| format!("x{i:04},{}\n", i % 2)).collect::<String>();
    for (folder_name, name, content) in [
        ("images", "labels.npy", numbers(&[0, 1].repeat(4))),
        ("images", "labels.txt", lines),
        ("train", "trainLabels.csv", format!("id,label\n{zeros}").into_bytes()),
    ] {
        let folder = folder(&[(name, content)]);
        images(folder_name).iter().for_each(|(name, content)| write(folder.path(), name, content));
        let problem = refused(folder.path(), &Options::default());
        assert!(problem.message.contains(&format!("beside the images lie {name}")), "{}", problem.message);
    }
}

fn idx(extents: &[u32], data: &[u8]) -> Vec<u8> {
    let header =
        [&[0, 0, 8, extents.len() as u8][..], &extents.iter().flat_map(|extent| extent.to_be_bytes()).collect::<Vec<u8>>()].concat();
    [header, data.to_vec()].concat()
}

/// The four files of a set, as `name` of a split and a kind calls them.
fn mnist(name: &dyn Fn(&str, &str) -> String, labels: &[u8]) -> Vec<(String, Vec<u8>)> {
    let images =
        |from: u8, count: u8| idx(&[u32::from(count), 8, 8], &(from..from + count).flat_map(|value| [value; 64]).collect::<Vec<u8>>());
    let of = |count: usize| idx(&[count as u32], &labels.iter().copied().cycle().take(count).collect::<Vec<u8>>());
    vec![
        (name("train", "images"), images(0, 12)),
        (name("train", "labels"), of(12)),
        (name("t10k", "images"), images(12, 6)),
        (name("t10k", "labels"), of(6)),
    ]
}

fn written(files: &[Vec<(String, Vec<u8>)>]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    files.iter().flatten().for_each(|(name, content)| write(folder.path(), name, content));
    folder
}

#[test]
fn idx_files_are_found_where_archives_leave_them() {
    let axes = |kind: &str| if kind == "images" { "idx3" } else { "idx1" };
    let dotted = |split: &str, kind: &str| format!("{split}-{kind}.{}-ubyte", axes(kind));
    let nested = |split: &str, kind: &str| format!("{0}/{0}", format!("{split}-{kind}-{}-ubyte", axes(kind)));
    for files in [&[mnist(&dotted, &[0, 1]), mnist(&nested, &[0, 1])][..], &[mnist(&nested, &[0, 1])]] {
        assert_eq!(agreed(written(files).path(), &Options::default()), "0 6+3, 1 6+3");
    }
    // Labels from 1 have no class without images.
    assert_eq!(agreed(written(&[mnist(&dotted, &[1, 2])]).path(), &Options::default()), "1 6+3, 2 6+3");
    let emnist = |set: &'static str| {
        move |split: &str, kind: &str| format!("emnist-{set}-{}-{kind}-{}-ubyte", if split == "t10k" { "test" } else { split }, axes(kind))
    };
    let folder = written(&[mnist(&emnist("letters"), &[1, 2, 3]), mnist(&emnist("digits"), &[0, 1])]);
    let problem = refused(folder.path(), &Options::default());
    assert_eq!(
        (problem.code, remedied(folder.path(), &problem)),
        ("several-datasets", vec!["0 6+3, 1 6+3".to_owned(), "1 4+2, 2 4+2, 3 4+2".to_owned()])
    );
    let both = written(&[
        mnist(&|split, kind| format!("a/{}", dotted(split, kind)), &[0, 1]),
        mnist(&|split, kind| format!("b/{}", dotted(split, kind)), &[0, 1, 2]),
    ]);
    let problem = refused(both.path(), &Options::default());
    assert_eq!(remedied(both.path(), &problem), ["0 6+3, 1 6+3", "0 4+2, 1 4+2, 2 4+2"]);
}

#[test]
fn a_stray_file_never_takes_the_folder_over() {
    let classes = "cat 4+1, dog 4+1";
    let images = tempfile::tempdir().unwrap();
    pets(images.path());
    // A pickle of a dictionary of losses.
    write(images.path(), "history.pkl", b"\x80\x04}\x94\x8c\x04loss\x94]\x94(K\x01K\x02es.");
    assert_eq!(agreed(images.path(), &Options::default()), classes);
    write(images.path(), "noise.npy", npy("|u1", &[2, 8, 8, 3], &[1; 384]));
    assert_eq!(agreed(images.path(), &Options::default()), classes);
    let embedded = tempfile::tempdir().unwrap();
    pets(embedded.path());
    let paths = (0..10).map(|i| format!("{}/{i}.png", ["cat", "dog"][i % 2]));
    let captions = (0..10).map(|i| format!("a picture of number {i}"));
    write(embedded.path(), "embeddings.parquet", parquet(&[("path", texts(paths)), ("caption", texts(captions))], None));
    let verdict = verdict_of(embedded.path(), &Options::default());
    let problem = verdict.problems.iter().find(|problem| problem.severity == Severity::Error).unwrap();
    assert_eq!(agreed(embedded.path(), &problem.remedies[0].options), classes);
    let books = tempfile::tempdir().unwrap();
    for i in 0..20 {
        write(books.path(), &format!("covers/{i}.png"), png(i));
        write(books.path(), &format!("book-{i}.txt"), format!("Chapter {i}. It was a dark and stormy night.\n").repeat(40));
    }
    let problem = refused(books.path(), &Options::default());
    assert!(verdict_of(books.path(), &problem.remedies[0].options).importable, "{problem:?}");
    assert_eq!(problem.remedies[0].options.format, Some(Format::Text));
    let words = tempfile::tempdir().unwrap();
    (0..3).for_each(|i| write(words.path(), &format!("book-{i}.txt"), "It was a dark and stormy night.\n".repeat(40)));
    write(words.path(), "embeddings.npy", rows(0..20));
    let verdict = verdict_of(words.path(), &Options::default());
    assert!(verdict.importable && verdict.format.unwrap().id == Format::Text);
}

#[test]
fn files_of_other_programs_are_named() {
    for (name, member, says) in [
        ("labels.xlsx", "xl/workbook.xml", "is a spreadsheet; save each of its tables as CSV"),
        ("book.docx", "word/document.xml", "is a document of a word processor"),
    ] {
        let folder = folder(&[(name, zip(&[(member, b"<x/>".to_vec())]))]);
        for path in [folder.path().to_owned(), folder.path().join(name)] {
            let problem = refused(&path, &Options::default());
            assert!(problem.message.contains(says), "{}", problem.message);
        }
    }
}

#[test]
fn what_is_known_of_a_test_split_and_of_names_is_kept() {
    let y = numbers(&[0, 1].repeat(6));
    let set = folder(&[(
        "set.npz",
        zip(&[
            ("train_data.npy", rows(0..12)),
            ("train_labels.npy", y),
            ("valid_data.npy", rows(12..16)),
            ("valid_labels.npy", numbers(&[0, 1, 0, 1])),
            ("test_data.npy", rows(16..20)),
        ]),
    )]);
    assert_eq!(agreed(set.path(), &Options::default()), "0 6+2, 1 6+2");
    assert_eq!(said(set.path(), "unlabelled-split").severity, Severity::Warning);
    let y = numbers(&[0, 1].repeat(10));
    let listed = folder(&[("x.npy", rows(0..20)), ("y.npy", y), ("list_classes.npy", npy("|S7", &[2], b"non-catcat\0\0\0\0"))]);
    assert_eq!(agreed(listed.path(), &Options::default()), "non-cat 9+1, cat 9+1");
    let flowers = tempfile::tempdir().unwrap();
    (0..20).for_each(|i| write(flowers.path(), &format!("{}/{i}.png", [1, 12][i % 2]), png(i as u8)));
    write(flowers.path(), "cat_to_name.json", br#"{"1": "pink primrose", "12": "colt's foot", "7": "lily"}"#);
    assert_eq!(agreed(flowers.path(), &Options::default()), "pink primrose 9+1, colt's foot 9+1");
    let synsets = tempfile::tempdir().unwrap();
    (0..20).for_each(|i| write(synsets.path(), &format!("{}/{i}.png", ["n01440764", "n01443537"][i % 2]), png(i as u8)));
    write(synsets.path(), "imagenet_class_index.json", br#"{"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]}"#);
    assert_eq!(agreed(synsets.path(), &Options::default()), "tench 9+1, goldfish 9+1");
}

#[test]
fn a_class_of_validation_alone_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..20 {
        write(folder.path(), &format!("train/{}/{i}.png", ["Rose", "Tulip"][i % 2]), png(i as u8));
        write(folder.path(), &format!("val/{}/{i}.png", ["rose", "Tulip"][i % 2]), png(100 + i as u8));
    }
    let verdict = verdict_of(folder.path(), &Options::default());
    assert_eq!(found(&verdict), "untrained-class");
    assert!(said(folder.path(), "untrained-class").message.contains("training has \"Rose\""));
    // Without a class in common nothing is left.
    let other = tempfile::tempdir().unwrap();
    for i in 0..20 {
        write(other.path(), &format!("train/{}/{i}.png", i % 2), png(i as u8));
        write(other.path(), &format!("val/{}/{i}.png", ["cat", "dog"][i % 2]), png(100 + i as u8));
    }
    let skip = Options { skip: Some(true), ..Options::default() };
    assert!(!verdict_of(other.path(), &skip).importable);
    assert!(said(other.path(), "untrained-class").remedies.is_empty());
}

#[test]
fn a_tensor_alone_is_an_array_of_its_file_s_name() {
    let imported = import_fixture("shards/tensors", Options::default());
    assert_eq!((imported.labels("train"), imported.labels("test")), (labels(0..12), labels(12..18)));
    assert_eq!(imported.array("train/images.npy").1, images(0..12, 1, 8, 6));
}

#[test]
fn damage_is_told_in_words() {
    let folder = tempfile::tempdir().unwrap();
    pets(folder.path());
    let mut damaged = png(7);
    let tag = damaged.windows(4).position(|four| four == b"IDAT").unwrap();
    let length = u32::from_be_bytes(*damaged[tag - 4..].first_chunk::<4>().unwrap()) as usize;
    damaged[tag + 4 + length] ^= 0xff;
    write(folder.path(), "cat/damaged.png", damaged);
    let problem = refused(folder.path(), &Options::default());
    assert!(problem.message.ends_with("a part of it does not fit its checksum"), "{}", problem.message);
}

#[test]
fn keys_of_samples_with_dots_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut tar = tar::Builder::new(std::fs::File::create(folder.path().join("set-000000.tar")).unwrap());
    for i in 0..20u8 {
        for (extension, content) in [("png", png(i)), ("cls", b"1".to_vec())] {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, format!("0.5_{i:04}.{extension}"), &content[..]).unwrap();
        }
    }
    tar.finish().unwrap();
    let problem = refused(folder.path(), &Options::default());
    assert_eq!((problem.code, problem.remedies.len()), ("keys-with-dots", 0), "{}", problem.message);
}
