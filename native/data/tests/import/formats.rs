//! Each format from files of its usual writer (testdata/datasets): pixels, labels, classes and tokens are those that the writer was given.

use crate::common::{fixtures, image, images, import_fixture, labels, try_import, verdict_of};
use sdp_data::import::OutcomeContent;
use sdp_data::inspect::{Looked, Preview};
use sdp_data::options::{Format, Options, Resize, Storage};

/// Training and test samples of a fixture in the order in which they are stored.
fn check_images(name: &str, format: Format, shape: [usize; 3], train: &[usize], test: &[usize]) {
    let imported = import_fixture(name, Options::default());
    assert_eq!(imported.outcome.format, format, "{name}");
    let [channels, height, width] = shape;
    for (split, samples) in [("train", train), ("test", test)] {
        let (found, pixels) = imported.array(&format!("{split}/images.npy"));
        assert_eq!(found, [samples.len(), channels, height, width], "{name} {split}");
        assert!(pixels == images(samples.iter().copied(), channels, height, width), "{name}: pixels of {split}");
        assert_eq!(imported.labels(split), labels(samples.iter().copied()), "{name} {split}");
    }
    let verdict = verdict_of(&fixtures().join(name), &Options::default());
    assert!(verdict.importable && verdict.exact, "{name}: {:?}", verdict.problems);
    assert_eq!((verdict.train, verdict.test), (train.len() as u64, test.len() as u64), "{name}");
    assert_eq!(verdict.previews.len(), (train.len() + test.len()).min(20), "{name}");
    assert!(verdict.seconds < 60.0);
}

const TRAIN: [usize; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
const TEST: [usize; 6] = [12, 13, 14, 15, 16, 17];
/// Class by class.
const SORTED: [usize; 12] = [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11];
const SORTED_TEST: [usize; 6] = [12, 15, 13, 16, 14, 17];

#[test]
fn idx_plain_and_gzipped_in_a_zip() {
    for name in ["idx", "idx.zip"] {
        check_images(name, Format::Idx, [1, 8, 6], &TRAIN, &TEST);
    }
}

#[test]
fn cifar_binary_and_python() {
    for name in [
        "cifar-10-binary.tar.gz",
        "cifar-100-binary.tar.gz",
        "cifar-10-python-2.tar.gz",
        "cifar-10-python-5.tar.gz",
        "cifar-100-python.tar.gz",
    ] {
        check_images(name, Format::Cifar, [3, 32, 32], &TRAIN, &TEST);
        assert_eq!(class_names(name), ["ant", "bee", "cat"], "{name}");
    }
}

#[test]
fn image_folders_in_zip_and_tar() {
    for name in ["folder.zip", "folder.tar", "folder.tar.gz"] {
        check_images(name, Format::ImageFolder, [3, 8, 6], &SORTED, &SORTED_TEST);
        assert_eq!(class_names(name), ["ant", "bee", "cat"], "{name}");
    }
}

#[test]
fn arrays_parquet_and_json_lines() {
    check_images("arrays.npz", Format::ImageArrays, [3, 8, 6], &TRAIN, &TEST);
    check_images("hugging-face", Format::ImageParquet, [3, 8, 6], &TRAIN, &TEST);
    assert_eq!(class_names("hugging-face"), ["ant", "bee", "cat"]);
    check_images("table-jsonl.zip", Format::ImageTable, [3, 8, 6], &TRAIN[..9], &TRAIN[9..]);
}

fn class_names(name: &str) -> Vec<String> {
    match import_fixture(name, Options::default()).outcome.content {
        OutcomeContent::Images { class_names, .. } => class_names,
        OutcomeContent::Tokens { .. } => panic!("tokens"),
    }
}

#[test]
fn files_without_a_split_keep_a_share_of_each_class() {
    for name in ["table-csv.zip", "arrays-float"] {
        let options = |seed| Options { validation: Some(0.25), seed: Some(seed), ..Options::default() };
        let imported = import_fixture(name, options(1));
        let (train, test) = (imported.labels("train"), imported.labels("test"));
        assert_eq!((train.len(), test.len()), (9, 3), "{name}");
        let mut kept = test.clone();
        kept.sort_unstable();
        assert_eq!(kept, [0, 1, 2], "{name}: one of each class");
        let (_, mut pixels) = imported.array("train/images.npy");
        pixels.extend(imported.array("test/images.npy").1);
        let mut found: Vec<&[u8]> = pixels.chunks(144).collect();
        let all: Vec<Vec<u8>> = TRAIN.iter().map(|&i| image(i, 3, 8, 6)).collect();
        let mut expected: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{name}");
        assert_eq!(import_fixture(name, options(1)).outcome.fingerprint, imported.outcome.fingerprint, "{name}");
        assert_ne!(import_fixture(name, options(2)).outcome.fingerprint, imported.outcome.fingerprint, "{name}");
    }
}

#[test]
fn jpeg_files_decode_as_they_were_and_are_kept_where_that_is_chosen() {
    let options = Options { validation: Some(0.25), ..Options::default() };
    let decoded = import_fixture("jpeg", options.clone());
    let (shape, pixels) = decoded.array("train/images.npy");
    assert_eq!(shape, [9, 3, 16, 16]);
    let smooth = |i: usize| -> Vec<u8> {
        (0..3).flat_map(|c| (0..16).flat_map(move |y| (0..16).map(move |x| (2 * i + y + x + 40 * c) as u8))).collect()
    };
    for image in pixels.chunks(768) {
        let nearest = TRAIN.iter().map(|&i| smooth(i).iter().zip(image).map(|(a, b)| a.abs_diff(*b)).max().unwrap()).min();
        assert!(nearest <= Some(2), "a JPEG of quality 100 differs by {nearest:?}");
    }
    let kept = import_fixture("jpeg", Options { storage: Some(Storage::Encoded), ..options });
    let (shape, index) = kept.array("train/index.npy");
    assert_eq!(shape, [9, 3]);
    let shard = std::fs::read(kept.folder.path().join("set/train/images-00000.bin")).unwrap();
    let rows: Vec<Vec<u64>> =
        index.chunks(24).map(|row| row.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect()).collect();
    for (row, image) in rows.iter().zip(pixels.chunks(768)) {
        let file = &shard[row[1] as usize..(row[1] + row[2]) as usize];
        assert_eq!(sdp_data::pixels::decode(file).unwrap().planes(), image);
    }
    assert_eq!(kept.labels("train"), decoded.labels("train"));
    let statistics = |imported: &crate::common::Imported| match &imported.outcome.content {
        OutcomeContent::Images { mean, std, .. } => (mean.clone(), std.clone()),
        OutcomeContent::Tokens { .. } => panic!("tokens"),
    };
    assert_eq!(statistics(&kept), statistics(&decoded));
}

#[test]
fn every_kind_of_image_file_decodes() {
    let kinds = fixtures().join("kinds");
    let of = |name: &str| sdp_data::pixels::decode(&std::fs::read(kinds.join(name)).unwrap()).unwrap();
    for name in ["image.bmp", "image.webp", "image.tiff", "alpha.png"] {
        assert_eq!(of(name).planes(), image(1, 3, 8, 6), "{name}");
    }
    assert_eq!(of("image.gif").with_channels(1).planes(), image(1, 1, 8, 6));
    assert_eq!(of("sixteen.png").planes(), image(1, 1, 8, 6));
    let cmyk = of("cmyk.jpg");
    assert_eq!((cmyk.height, cmyk.width, cmyk.channels), (16, 16, 3));
    let expected = (2 + 8 + 8) as u8;
    assert!(cmyk.data[(8 * 16 + 8) * 3].abs_diff(expected) <= 4, "{} for {expected}", cmyk.data[(8 * 16 + 8) * 3]);
}

#[test]
fn images_of_many_sizes_are_brought_to_one() {
    let folder = tempfile::tempdir().unwrap();
    for (class, name) in ["ant", "bee"].iter().enumerate() {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        for i in 0..6 {
            let (height, width) = (20 + i, 30 + 2 * i);
            let image = sdp_data::pixels::Pixels { height, width, channels: 3, data: vec![50 * (class as u8 + 1); height * width * 3] };
            std::fs::write(folder.path().join(name).join(format!("{i}.png")), image.png()).unwrap();
        }
    }
    let verdict = verdict_of(folder.path(), &Options::default());
    let problem = verdict.problems.iter().find(|problem| problem.code == "different-sizes").unwrap();
    assert!(problem.remedies.iter().any(|remedy| remedy.options.resize == Some(Resize::Pad)));
    let options = Options { size: Some(16), ..Options::default() };
    let imported = try_import(&[folder.path().to_owned()], options).unwrap();
    let (shape, pixels) = imported.array("train/images.npy");
    assert_eq!(shape, [10, 3, 16, 16]);
    for (image, label) in pixels.chunks(768).zip(imported.labels("train")) {
        assert!(image.iter().all(|&pixel| i64::from(pixel) == 50 * (label + 1)));
    }
}

#[test]
fn text_of_every_kind_gives_the_same_tokens() {
    let fixture = |name: &str| fixtures().join("text").join(name);
    let options = Options { tokenizer: Some(fixtures().join("tokenizer.json").display().to_string()), ..Options::default() };
    let expected: Vec<Vec<u32>> = serde_json::from_slice(&std::fs::read(fixtures().join("expected-tokens.json")).unwrap()).unwrap();
    for name in ["lines.jsonl", "table.csv", "table.parquet"] {
        let imported = try_import(&[fixture(name)], options.clone()).unwrap();
        let (train, test) = (imported.tokens("train"), imported.tokens("test"));
        // Every tenth document is kept; 0 ends a document.
        let documents: Vec<Vec<u32>> =
            train.split(|token| *token == 0).chain(test.split(|token| *token == 0)).map(<[u32]>::to_vec).collect();
        let mut found: Vec<Vec<u32>> = documents.into_iter().filter(|document| !document.is_empty()).collect();
        let mut all = expected.clone();
        found.sort();
        all.sort();
        assert_eq!(found, all, "{name}");
        assert_eq!(test.iter().filter(|token| **token == 0).count(), 4, "{name}");
        assert!(imported.folder.path().join("set/tokenizer.json").exists());
    }
}

#[test]
fn plain_text_as_bytes_keeps_its_end_for_validation() {
    let imported = import_fixture("text/plain.txt", Options::default());
    let mut bytes: Vec<u8> = imported.tokens("train").iter().map(|&token| token as u8).collect();
    let test = imported.tokens("test");
    assert_eq!(test.last(), Some(&256), "the end of the text");
    bytes.extend(test[..test.len() - 1].iter().map(|&token| token as u8));
    assert_eq!(bytes, std::fs::read(fixtures().join("text/plain.txt")).unwrap());
}

#[test]
fn a_bpe_is_trained_on_the_dataset_and_saved() {
    let options = Options { tokenizer: Some("bpe".into()), vocabulary: Some(300), ..Options::default() };
    let verdict = verdict_of(&fixtures().join("text/lines.jsonl"), &options);
    let Some(Looked::Tokens { documents: 40, vocabulary: 300, .. }) = verdict.content else { panic!("{:?}", verdict.content) };
    let Some(Preview::Text { tokens, .. }) = verdict.previews.first() else { panic!("no preview") };
    assert!(tokens.iter().map(|token| token.text.as_str()).collect::<String>().starts_with("Document 0: the quick"));
    let imported = import_fixture("text/lines.jsonl", options.clone());
    let OutcomeContent::Tokens { vocabulary: 300, tokenizer, .. } = &imported.outcome.content else { panic!("images") };
    assert_eq!(tokenizer, "bpe");
    assert_eq!((imported.outcome.train + imported.outcome.test, true), (verdict.train + verdict.test, verdict.exact));
    assert_eq!(import_fixture("text/lines.jsonl", options).outcome.fingerprint, imported.outcome.fingerprint);
}

#[test]
fn tokens_are_taken_as_they_are() {
    for name in ["tokens.npy", "tokens.bin"] {
        let imported = import_fixture(name, Options::default());
        let mut tokens = imported.tokens("train");
        assert_eq!(tokens.len(), 180);
        tokens.extend(imported.tokens("test"));
        assert_eq!(tokens, (0..200).map(|i| i * 7 % 90).collect::<Vec<u32>>(), "{name}");
        let OutcomeContent::Tokens { vocabulary: 90, .. } = imported.outcome.content else { panic!("not 90") };
    }
}

/// X-rays and microscopes give 12 bits in files of 16.
#[test]
fn images_of_16_bits_that_use_few_of_them_are_told_of() {
    for (most, told) in [(4095u32, true), (60_000, false)] {
        let folder = tempfile::tempdir().unwrap();
        for (class, name) in ["ant", "bee"].iter().enumerate() {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            for i in 0..4u32 {
                let pixels: Vec<u16> = (0..64).map(|at| ((at * 97 + i + class as u32) * most / 6200) as u16).collect();
                let image = image::ImageBuffer::<image::Luma<u16>, _>::from_raw(8, 8, pixels).unwrap();
                image.save(folder.path().join(name).join(format!("{i}.png"))).unwrap();
            }
        }
        let verdict = verdict_of(folder.path(), &Options::default());
        assert_eq!(verdict.problems.iter().any(|problem| problem.code == "few-levels" && problem.count == 8), told, "{most}");
    }
}

#[test]
fn labels_of_every_type_of_numpy_and_images_of_float16() {
    let path = fixtures().join("arrays-kinds.npz");
    let verdict = verdict_of(&path, &Options::default());
    assert_eq!(verdict.problems[0].code, "which-labels");
    assert_eq!(verdict.problems[0].remedies.len(), 5);
    for remedy in &verdict.problems[0].remedies {
        let options = Options { validation: Some(0.25), ..remedy.options.clone() };
        let imported = try_import(std::slice::from_ref(&path), options).unwrap();
        let OutcomeContent::Images { class_names, .. } = &imported.outcome.content else { panic!("tokens") };
        let column = remedy.options.label_column.as_deref().unwrap();
        let is_number = ["half_labels", "one_hot_labels"].contains(&column);
        assert_eq!(*class_names, if is_number { ["0", "1", "2"] } else { ["ant", "bee", "cat"] }, "{column}");
        let (_, pixels) = imported.array("train/images.npy");
        for (found, label) in pixels.chunks(144).zip(imported.labels("train")) {
            let i = TRAIN.iter().find(|&&i| image(i, 3, 8, 6) == found).unwrap_or_else(|| panic!("{column}: other pixels"));
            assert_eq!((i % 3) as i64, label, "{column}");
        }
    }
}

#[test]
fn nanogpt_s_characters_come_with_its_tokens() {
    let imported = import_fixture("nanogpt", Options::default());
    let json = std::fs::read(imported.folder.path().join("set/tokenizer.json")).unwrap();
    let tokenizer = sdp_tokenizer::Tokenizer::load(&json).unwrap();
    let text: String = ["train", "test"].map(|split| tokenizer.decode(&imported.tokens(split)).unwrap()).concat();
    assert_eq!(text, "a bad cafe, a cab\n".repeat(12));
}
