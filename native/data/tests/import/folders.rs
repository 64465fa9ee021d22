//! Images in folders as people have them: which level names splits, which classes, and what has no place. What may be read in two ways is
//! asked; a property test makes trees with a known truth, of which none is silently something else.

use std::fs;

use crate::common::{agreed, found, png, verdict_of, write};
use sdp_data::options::Options;

/// Writes `NUMBER FOLDER` for each: so many images in it.
fn tree(layout: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for part in layout.split(';') {
        let (number, name) = part.trim().split_once(' ').unwrap();
        for i in 0..number.parse().unwrap() {
            let name = name.trim_matches('.');
            write(folder.path(), &format!("{name}{}{i}.png", if name.is_empty() { "" } else { "/" }), png(i));
        }
    }
    folder
}

fn read(layout: &str, options: &Options) -> String {
    let folder = tree(layout);
    let verdict = verdict_of(folder.path(), options);
    let counted: u64 = verdict.account.iter().map(|line| line.count).sum();
    let files: u64 = layout.split(';').map(|part| part.trim().split(' ').next().unwrap().parse::<u64>().unwrap()).sum();
    assert!(verdict.content.is_none() || counted == files, "{layout}: {:?}", verdict.account);
    agreed(folder.path(), options)
}

#[test]
fn splits_and_classes_come_from_the_folders_that_name_them() {
    let skip = Options { skip: Some(true), ..Options::default() };
    for (layout, expected) in [
        // Intel's scenes: a split word within the name, a level that repeats, a folder without labels.
        (
            "4 seg_train/seg_train/cat; 4 seg_train/seg_train/dog; 4 seg_test/seg_test/cat; 4 seg_test/seg_test/dog; 3 seg_pred/seg_pred",
            "cat 4+4, dog 4+4",
        ),
        ("4 train2017/cat; 4 train2017/dog; 2 val2017/cat; 2 val2017/dog", "cat 4+2, dog 4+2"),
        ("4 1_train/cat; 4 1_train/dog; 2 2_test/cat; 2 2_test/dog", "cat 4+2, dog 4+2"),
        ("4 imagenet_train/n01; 4 imagenet_train/n02; 2 imagenet_val/n01; 2 imagenet_val/n02", "n01 4+2, n02 4+2"),
        // Fruits-360: a flat folder of a split without labels.
        ("4 Training/cat; 4 Training/dog; 4 Test/cat; 4 Test/dog; 2 test-multiple_fruits", "cat 4+4, dog 4+4"),
        // STL-10.
        ("4 train/cat; 4 train/dog; 4 test/cat; 4 test/dog; 9 unlabeled", "cat 4+4, dog 4+4"),
        // A flat test folder beside a training folder of classes.
        ("20 train/cat; 20 train/dog; 9 test", "cat 18+2, dog 18+2"),
        ("20 train/cat; 20 train/dog; 9 test/images", "cat 18+2, dog 18+2"),
        // Classes above splits.
        ("4 cat/train; 4 dog/train; 2 cat/test; 2 dog/test", "cat 4+2, dog 4+2"),
        ("4 cat/train/images; 4 dog/train/images; 2 cat/val/images; 2 dog/val/images", "cat 4+2, dog 4+2"),
        // Wrappers, on both sides or on one.
        ("4 data/train/images/cat; 4 data/train/images/dog; 2 data/val/images/cat; 2 data/val/images/dog", "cat 4+2, dog 4+2"),
        ("4 train/train/cat; 4 train/train/dog; 2 test/cat; 2 test/dog", "cat 4+2, dog 4+2"),
        // A training split alone.
        ("20 train/cat; 20 train/dog", "cat 18+2, dog 18+2"),
        // Three splits.
        ("4 train/cat; 4 train/dog; 2 val/cat; 2 val/dog; 3 test/cat; 3 test/dog", "cat 4+2, dog 4+2"),
        // Folders below the classes.
        ("10 cat/persian; 10 cat/manx; 20 dog/pug", "cat 18+2, dog 18+2"),
        // Names that only contain a split word are classes.
        ("10 bullet_train; 10 bus; 10 car", "bullet_train 9+1, bus 9+1, car 9+1"),
        ("10 trains; 10 latest", "latest 9+1, trains 9+1"),
        // NFC and NFD.
        ("4 train/caf\u{e9}; 4 train/dog; 2 test/cafe\u{301}; 2 test/dog", "caf\u{e9} 4+2, dog 4+2"),
        ("10 caf\u{e9}; 10 cafe\u{301}; 10 dog", "caf\u{e9} 18+2, dog 9+1"),
    ] {
        assert_eq!(read(layout, &Options::default()), expected, "{layout}");
        assert_eq!(read(layout, &skip), expected, "{layout}, skipping");
    }
}

#[test]
fn what_has_no_place_is_an_error_until_it_is_to_be_left_out() {
    let skip = Options { skip: Some(true), ..Options::default() };
    let pets = "4 train/cat; 4 train/dog; 2 val/cat; 2 val/dog";
    for (more, code, expected) in [
        ("3 docs", "no-label", "cat 4+2, dog 4+2"),
        ("1 .", "no-label", "cat 4+2, dog 4+2"),
        ("1 train", "no-label", "cat 4+2, dog 4+2"),
        ("1 val/emu", "untrained-class", "cat 4+2, dog 4+2"),
    ] {
        let layout = format!("{pets}; {more}");
        assert_eq!(read(&layout, &Options::default()), code, "{layout}");
        assert_eq!(read(&layout, &skip), expected, "{layout}");
    }
    assert_eq!(read("10 cat; 10 dog; 5 test", &Options::default()), "class-like-split");
    assert_eq!(read("10 cat; 10 dog; 5 test", &skip), "cat 9+1, dog 9+1");
}

/// Every remedy of an ambiguous layout leads to an import.
#[test]
fn what_may_be_read_in_two_ways_is_asked() {
    for (layout, code, readings) in [
        // Splits alone are no classes.
        ("10 train; 10 test", "no-classes", &[][..]),
        ("10 cat; 10 train; 10 bus", "class-like-split", &["bus 9+1, cat 9+1", "bus 9+1, cat 9+1, train 9+1"]),
        ("10 images; 10 masks", "masks", &[]),
        ("10 train/images; 10 train/masks; 5 val/images; 5 val/masks", "masks", &[]),
        (
            "10 color/cat; 10 color/dog; 10 gray/cat; 10 gray/dog",
            "which-classes",
            &["cat 9+1, dog 9+1", "cat 9+1, dog 9+1", "cat 18+2, dog 18+2", "color 18+2, gray 18+2"],
        ),
        (
            "4 v1/train/cat; 4 v1/train/dog; 2 v1/val/cat; 2 v1/val/dog; 6 v2/train/cat; 6 v2/train/dog; 3 v2/val/cat; 3 v2/val/dog",
            "which-classes",
            &["cat 4+2, dog 4+2", "cat 6+3, dog 6+3", "cat 10+5, dog 10+5", "v1 8+4, v2 12+6"],
        ),
        ("10 ill; 10 well; 20 cells/ill; 20 cells/well", "nested-copy", &["ill 18+2, well 18+2", "ill 9+1, well 9+1"]),
        (
            "4 train/cat; 4 train/dog; 9 train_small/cat; 9 train_small/dog; 2 val/cat; 2 val/dog",
            "same-split",
            &["cat 13+2, dog 13+2", "cat 4+2, dog 4+2", "cat 9+2, dog 9+2"],
        ),
    ] {
        let folder = tree(layout);
        let verdict = verdict_of(folder.path(), &Options::default());
        assert_eq!(found(&verdict), code, "{layout}");
        let remedies = &verdict.problems.iter().find(|problem| problem.code == code).unwrap().remedies;
        let found: Vec<String> = remedies.iter().map(|remedy| read(layout, &remedy.options)).collect();
        assert_eq!(found, readings, "{layout}");
    }
}

#[test]
fn levels_can_be_said() {
    let levels = |split, class| Options { split_level: Some(split), class_level: Some(class), ..Options::default() };
    assert_eq!(read("10 train/a; 10 test/b", &levels(0, 1)), "test 9+1, train 9+1");
    assert_eq!(read("10 cat/persian; 10 cat/manx; 20 dog/pug", &levels(0, 2)), "manx 9+1, persian 9+1, pug 18+2");
    assert_eq!(read("10 x/train/cat; 10 y/train/dog; 5 x/test/cat; 5 y/test/dog", &levels(2, 3)), "cat 10+5, dog 10+5");
    let folder = tree("4 cat/train; 4 dog/train; 2 cat/test; 2 dog/test");
    let options = verdict_of(folder.path(), &Options::default()).options;
    assert_eq!((options.split_level, options.class_level), (Some(2), Some(1)));
}

#[test]
fn images_of_kinds_that_cannot_be_read_are_counted_class_by_class() {
    let folder = tree("5 ant; 5 bee");
    (0..5).for_each(|i| write(folder.path(), &format!("cow/{i}.jxl"), [0xff, 0x0a, i]));
    (0..20).for_each(|i| write(folder.path(), &format!("ant/IMG_{i}.HEIC"), b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"));
    let verdict = verdict_of(folder.path(), &Options::default());
    assert!(!verdict.importable);
    let problem = verdict.problems.iter().find(|problem| problem.code == "unsupported-image").unwrap();
    let expected =
        "25 images are of kinds that cannot be read (20 HEIC, 5 JXL): 20 of ant, 5 of cow, which has no others; save them as PNG or JPEG";
    assert_eq!(problem.message, expected);
    let skipped = verdict_of(folder.path(), &Options { skip: Some(true), ..Options::default() });
    assert_eq!(found(&skipped), "ant 4+1, bee 4+1");
    let folder = tempfile::tempdir().unwrap();
    (0..6).for_each(|i| write(folder.path(), &format!("{}/{i}.heic", ["ant", "bee"][i % 2]), b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"));
    assert_eq!(found(&verdict_of(folder.path(), &Options { skip: Some(true), ..Options::default() })), "unsupported-image");
    // PGM is read.
    let folder = tree("5 ant; 5 bee");
    (0..5).for_each(|i| write(folder.path(), &format!("cow/{i}.pgm"), [b"P5\n2 2\n255\n", &[i; 4][..]].concat()));
    assert_eq!(found(&verdict_of(folder.path(), &Options::default())), "ant 4+1, bee 4+1, cow 4+1");
}

#[test]
fn a_jpeg_that_was_cut_off_is_refused_at_its_file() {
    let jpeg = fs::read(crate::common::fixtures().join("jpeg/ant/00.jpg")).unwrap();
    let decode = |bytes: &[u8]| sdp_data::pixels::decode_as(bytes, &Default::default()).map(|decoded| decoded.pixels);
    assert!(decode(&jpeg).is_ok());
    for cut in [1, 2, 20] {
        assert_eq!(decode(&jpeg[..jpeg.len() - cut]), Err("it ends too early; its first part can be read".into()), "{cut} bytes");
    }
    let folder = tempfile::tempdir().unwrap();
    for (class, i) in [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1), ("b", 2)] {
        let end = if (class, i) == ("a", 2) { jpeg.len() - 20 } else { jpeg.len() };
        write(folder.path(), &format!("{class}/{i}.jpg"), &jpeg[..end]);
    }
    let verdict = verdict_of(folder.path(), &Options::default());
    let problem = verdict.problems.iter().find(|problem| problem.code == "unreadable-image").unwrap();
    assert!(
        problem.message.ends_with("a/2.jpg cannot be read as an image: it ends too early; its first part can be read"),
        "{}",
        problem.message
    );
    let readings: Vec<String> = problem.remedies.iter().map(|remedy| agreed(folder.path(), &remedy.options)).collect();
    assert_eq!(readings, ["a 1+1, b 2+1", "a 2+1, b 2+1"]);
}
