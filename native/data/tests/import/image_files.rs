//! Image files of which there is more to say than their pixels: turned, of several frames, of more than 8 bits, equal to one another.

use std::path::Path;

use crate::common::{agreed, fixtures, image, png, try_import, verdict_of, write};
use sdp_data::error::{Problem, Severity};
use sdp_data::inspect::Verdict;
use sdp_data::options::{Duplicates, Options, Storage};
use tempfile::TempDir;

fn odd(name: &str) -> Vec<u8> {
    std::fs::read(fixtures().join("odd-images").join(name)).unwrap()
}

fn problem<'a>(problems: &'a [Problem], code: &str) -> &'a Problem {
    problems.iter().find(|problem| problem.code == code).unwrap_or_else(|| panic!("{code}: {problems:?}"))
}

fn has(verdict: &Verdict, code: &str) -> bool {
    verdict.problems.iter().any(|problem| problem.code == code)
}

/// Two classes of one training image each, the given files, and one other image per class for validation.
fn pets(files: &[Vec<u8>]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (i, file) in files.iter().enumerate() {
        write(folder.path(), &format!("train/{}/{i}.png", ["a", "b"][i % 2]), file);
    }
    write(folder.path(), "val/a/x.png", png(201));
    write(folder.path(), "val/b/y.png", png(202));
    folder
}

#[test]
fn turned_images_are_told_of_and_turned_where_that_is_chosen() {
    // Row and column of the picture that is stored at (0, 0), (0, 1) and (1, 0) by EXIF orientation.
    let files: Vec<Vec<u8>> = (1..=8).map(|turn| odd(&format!("turned-{turn}.png"))).collect();
    let folder = pets(&files);
    let verdict = verdict_of(folder.path(), &Options::default());
    let told = problem(&verdict.problems, "turned");
    assert_eq!((told.count, told.severity, told.remedies.len()), (7, Severity::Warning, 1));
    let upright = &told.remedies[0].options;
    assert_eq!(upright.orient, Some(true));
    let as_stored = sdp_data::pixels::decode(&files[5]).unwrap();
    assert_eq!((as_stored.height, as_stored.width), (8, 6));
    let reading = upright.reading();
    let turned: Vec<_> = files.iter().map(|file| sdp_data::pixels::decode_as(file, &reading).unwrap().pixels).collect();
    assert_eq!(turned.iter().map(|pixels| (pixels.height, pixels.width)).collect::<Vec<_>>(), [[(8, 6); 4], [(6, 8); 4]].concat());
    // EXIF 6: the right of the picture is stored at the top, so its first row is the first column from the bottom.
    let plain = image(1, 1, 8, 6);
    let first_row: Vec<u8> = turned[5].planes()[..8].to_vec();
    assert_eq!(first_row, (0..8).rev().map(|y| plain[y * 6]).collect::<Vec<_>>());
    let verdict = verdict_of(folder.path(), upright);
    assert_eq!(problem(&verdict.problems, "turned").severity, Severity::Note);
    // Kept as files, they are turned once and for all.
    let kept = Options { storage: Some(Storage::Encoded), ..upright.clone() };
    let imported = try_import(&[folder.path().to_owned()], kept).unwrap();
    let shard = std::fs::read(imported.folder.path().join("set/train/images-00000.bin")).unwrap();
    let (_, index) = imported.array("train/index.npy");
    let words: Vec<u64> = index.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let sizes = words.chunks(3).map(|row| {
        let pixels = sdp_data::pixels::decode(&shard[row[1] as usize..(row[1] + row[2]) as usize]).unwrap();
        (pixels.height, pixels.width)
    });
    assert_eq!(sizes.filter(|size| *size == (6, 8)).count(), 4);
    let jpeg = sdp_data::pixels::header(&odd("turned.jpg")).unwrap();
    assert_eq!((jpeg.orientation, jpeg.frames), (6, false));
}

#[test]
fn files_of_several_frames_or_pages_are_told_of() {
    for (name, first) in [("frames.webp", true), ("frames.png", true), ("pages.tiff", true), ("frames.gif", false)] {
        assert!(sdp_data::pixels::header(&odd(name)).unwrap().frames, "{name}");
        let folder = pets(&[odd(name), png(1), odd(name), png(2)]);
        let verdict = verdict_of(folder.path(), &Options::default());
        let told = problem(&verdict.problems, "several-frames");
        assert_eq!((told.count, told.severity), (2, Severity::Warning), "{name}");
        if first {
            assert_eq!(sdp_data::pixels::decode(&odd(name)).unwrap().planes(), image(0, 3, 8, 6), "{name}");
        }
    }
    for name in ["image.webp", "image.gif", "image.tiff", "alpha.png"] {
        assert!(!sdp_data::pixels::header(&std::fs::read(fixtures().join("kinds").join(name)).unwrap()).unwrap().frames, "{name}");
    }
}

#[test]
fn files_of_twelve_bits_are_spread_as_it_is_chosen() {
    for name in ["twelve.png", "twelve.tiff"] {
        let folder = pets(&[odd(name), odd(name), png(1), png(2)]);
        let verdict = verdict_of(folder.path(), &Options { channels: Some(1), ..Options::default() });
        let told = problem(&verdict.problems, "few-levels");
        let titles: Vec<&str> = told.remedies.iter().map(|remedy| remedy.title.as_str()).collect();
        assert_eq!(titles, ["Take them as 12 bits, 0 to 4095", "Spread 0 to 4089"], "{name}");
        let options = told.remedies[0].options.clone();
        let pixels = sdp_data::pixels::decode_as(&odd(name), &options.reading()).unwrap().pixels;
        let expected: Vec<u8> = (0..48).map(|i| (f64::from(i * 87) * 255.0 / 4095.0).round() as u8).collect();
        assert_eq!(pixels.data, expected, "{name}");
        // Images of 8 bits beside them stay as they are.
        assert_eq!(sdp_data::pixels::decode_as(&png(7), &options.reading()).unwrap().pixels.data, [7; 4]);
        let verdict = verdict_of(folder.path(), &options);
        assert!(verdict.importable && !has(&verdict, "few-levels"), "{:?}", verdict.problems);
    }
    let folder = pets(&[png(1), png(2)]);
    let wrong = Options { range: Some("5:1".into()), ..Options::default() };
    assert_eq!(crate::common::found(&verdict_of(folder.path(), &wrong)), "bad-range");
}

#[test]
fn numbers_that_are_no_pixels_are_refused_by_name() {
    for name in ["float.tiff", "signed.tiff"] {
        let folder = pets(&[odd(name), png(1), png(2), png(3)]);
        let verdict = verdict_of(folder.path(), &Options::default());
        let refused = problem(&verdict.problems, "unreadable-image");
        assert!(refused.message.contains("without a sign can be read, other numbers as .npy"), "{}", refused.message);
        let skip = Options { skip: Some(true), ..Options::default() };
        assert_eq!(agreed(folder.path(), &skip), "a 1+1, b 2+1", "{name}");
    }
    let folder = pets(&[png(1), png(2), Vec::new(), b"\x89PNG\r\n\x1a\n".to_vec()]);
    assert_eq!(problem(&verdict_of(folder.path(), &Options::default()).problems, "unreadable-image").count, 2);
}

fn classes_of(path: &Path, duplicates: Duplicates) -> String {
    agreed(path, &Options { duplicates: Some(duplicates), ..Options::default() })
}

#[test]
fn equal_images_are_counted_and_left_out_as_it_is_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str, value: u8| write(folder.path(), name, png(value));
    (0..4).for_each(|i| at(&format!("train/a/{i}.png"), i));
    (0..4).for_each(|i| at(&format!("train/b/{i}.png"), 10 + i));
    at("val/a/new.png", 100);
    at("val/b/new.png", 101);
    assert_eq!(agreed(folder.path(), &Options::default()), "a 4+1, b 4+1");
    assert!(!verdict_of(folder.path(), &Options::default()).problems.iter().any(|problem| problem.code.contains("duplicates")));
    at("train/a/again.png", 3);
    at("train/b/of-a.png", 0);
    at("val/b/leaked.png", 12);
    for problems in [
        verdict_of(folder.path(), &Options::default()).problems,
        try_import(&[folder.path().to_owned()], Options::default()).unwrap().outcome.problems,
    ] {
        let of = |code: &str| problem(&problems, code);
        assert_eq!((of("conflicting-duplicates").count, of("conflicting-duplicates").severity), (2, Severity::Warning));
        assert!(of("conflicting-duplicates").message.contains("a/0.png (a)"), "{}", of("conflicting-duplicates").message);
        assert_eq!((of("leaked-duplicates").count, of("leaked-duplicates").places.len()), (1, 2));
        let titles: Vec<&str> = of("leaked-duplicates").remedies.iter().map(|remedy| remedy.title.as_str()).collect();
        assert_eq!(titles, ["Take them out of training", "Take them out of validation"]);
        assert_eq!((of("duplicates").count, of("duplicates").severity), (1, Severity::Note));
    }
    assert_eq!(agreed(folder.path(), &Options::default()), "a 5+1, b 5+2");
    assert_eq!(classes_of(folder.path(), Duplicates::Conflicts), "a 4+1, b 4+2");
    assert_eq!(classes_of(folder.path(), Duplicates::Training), "a 4+1, b 3+2");
    assert_eq!(classes_of(folder.path(), Duplicates::Validation), "a 4+1, b 4+1");
    let left = verdict_of(folder.path(), &Options { duplicates: Some(Duplicates::Training), ..Options::default() });
    let line = left.account.iter().find(|line| line.what == "images that are there several times").unwrap();
    assert_eq!((line.count, line.used), (3, false));
}

#[test]
fn equal_images_of_arrays_and_tables_are_found_too() {
    let arrays = tempfile::tempdir().unwrap();
    let npy = |shape: &[usize], descr: &'static str, data: Vec<u8>| [&sdp_data::npy::write_header(descr, shape)[..], &data].concat();
    let pixels: Vec<u8> = [0, 1, 2, 3, 0, 5].iter().flat_map(|value| [*value; 16]).collect();
    write(arrays.path(), "x_train.npy", npy(&[6, 4, 4], "|u1", pixels));
    write(arrays.path(), "y_train.npy", npy(&[6], "|u1", vec![0, 1, 0, 1, 1, 0]));
    write(arrays.path(), "x_test.npy", npy(&[2, 4, 4], "|u1", [[5; 16], [9; 16]].concat()));
    write(arrays.path(), "y_test.npy", npy(&[2], "|u1", vec![0, 1]));
    let verdict = verdict_of(arrays.path(), &Options::default());
    assert_eq!(problem(&verdict.problems, "conflicting-duplicates").count, 2);
    assert_eq!(problem(&verdict.problems, "leaked-duplicates").count, 1);
    assert_eq!(classes_of(arrays.path(), Duplicates::Validation), "0 2+0, 1 2+1");
    let table = tempfile::tempdir().unwrap();
    (0..8).for_each(|i| write(table.path(), &format!("{i}.png"), png(i / 2 * 2)));
    let rows: String = (0..8).map(|i| format!("{i}.png,{},{}\n", ["a", "b"][i / 4], ["train", "val"][i % 2])).collect();
    write(table.path(), "labels.csv", format!("file,label,split\n{rows}"));
    assert_eq!(problem(&verdict_of(table.path(), &Options::default()).problems, "leaked-duplicates").count, 4);
}

#[test]
fn the_account_is_kept_and_told_of_refusals_too() {
    let folder = pets(&[png(1), png(2), png(3)]);
    write(folder.path(), "notes.txt", "hello");
    let imported = try_import(&[folder.path().to_owned()], Options::default()).unwrap();
    assert_eq!(imported.outcome.account, verdict_of(folder.path(), &Options::default()).account);
    assert!(imported.outcome.account.iter().any(|line| line.what == "other text" && !line.used));
    let refused = tempfile::tempdir().unwrap();
    (0..3).for_each(|i| write(refused.path(), &format!("{i}.png"), png(i)));
    write(refused.path(), "x.bin", [255; 40]);
    let verdict = verdict_of(refused.path(), &Options::default());
    assert!(!verdict.importable);
    assert_eq!(verdict.account.iter().map(|line| line.count).sum::<u64>(), 4);
    assert!(verdict.account.iter().all(|line| !line.used));
}
