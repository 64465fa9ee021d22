//! Datasets in large files: WebDataset, TFRecord, MDS, litdata, and archives of every kind, as their usual writers make them
//! (testdata/datasets/make_shards.py), and what is wrong with them.

use std::path::Path;

use crate::common::{agreed, fixtures, images, import_fixture, labels, png, refusal, try_import, verdict_of, write};
use sdp_data::error::Severity;
use sdp_data::options::{Format, Options};

/// A tar of these members.
fn tar(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut out = tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        out.append_data(&mut header, name, &content[..]).unwrap();
    }
    out.into_inner().unwrap()
}

fn samples(range: std::ops::Range<usize>, others: &dyn Fn(usize) -> Vec<(&'static str, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    let of = |i: usize| {
        let image = std::iter::once((format!("{i:06}.png"), png(i as u8)));
        image.chain(others(i).into_iter().map(move |(extension, content)| (format!("{i:06}.{extension}"), content)))
    };
    range.flat_map(of).collect()
}

fn text(text: impl ToString) -> Vec<u8> {
    text.to_string().into_bytes()
}

fn shards(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, content)| write(folder.path(), name, content));
    folder
}

fn read(folder: &Path) -> String {
    agreed(folder, &Options::default())
}

fn classes(i: usize) -> Vec<(&'static str, Vec<u8>)> {
    vec![("cls", text(i % 2))]
}

/// Codes of what is said of a folder.
fn said(folder: &Path) -> Vec<&'static str> {
    verdict_of(folder, &Options::default()).problems.iter().map(|problem| problem.code).collect()
}

fn buttons(folder: &Path, code: &str) -> Vec<String> {
    let verdict = verdict_of(folder, &Options::default());
    let problem = verdict.problems.iter().find(|problem| problem.code == code).unwrap_or_else(|| panic!("{:?}", verdict.problems));
    problem.remedies.iter().map(|remedy| remedy.title.clone()).collect()
}

/// The fixture's images and labels are those of make.py.
fn check_fixture(name: &str, train: std::ops::Range<usize>, test: std::ops::Range<usize>) {
    let imported = import_fixture(name, Options::default());
    assert_eq!(imported.labels("train"), labels(train.clone()), "{name}");
    assert_eq!(imported.labels("test"), labels(test.clone()), "{name}");
    assert_eq!(imported.array("train/images.npy").1, images(train, 3, 8, 6), "{name}");
    assert_eq!(imported.array("test/images.npy").1, images(test, 3, 8, 6), "{name}");
}

#[test]
fn shards_of_the_usual_writers_are_read() {
    for name in ["webdataset", "tfrecord", "tfds", "mds-pil", "mds-png"] {
        check_fixture(&format!("shards/{name}"), 0..12, 12..18);
        assert_eq!(read(&fixtures().join("shards").join(name)), "ant 4+2, bee 4+2, cat 4+2", "{name}");
    }
    assert_eq!(read(&fixtures().join("shards/mds-jpeg")), "ant 4+2, bee 4+2, cat 4+2");
    for name in ["litdata", "litdata-jpeg"] {
        assert_eq!(read(&fixtures().join("shards").join(name)), "0 3+1, 1 3+1, 2 3+1", "{name}");
    }
    let raw = import_fixture("shards/tfrecord-raw", Options { validation: Some(0.3), ..Options::default() });
    let of_first: Vec<u8> =
        (0..3).flat_map(|c| (0..48).map(move |at| (c, at / 6, at % 6))).map(|(c, y, x)| (5 * y + 3 * x + 11 * c) as u8).collect();
    let train = raw.array("train/images.npy").1;
    assert!(train.chunks(144).chain(raw.array("test/images.npy").1.chunks(144)).any(|image| image == of_first));
}

#[test]
fn a_tar_of_samples_is_read_alone_and_compressed() {
    let shard = tar(&samples(0..20, &classes));
    let folder = shards(&[("data.tar", shard.clone())]);
    assert_eq!(read(&folder.path().join("data.tar")), "0 9+1, 1 9+1");
    let packed = |content: &[u8]| {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut out, content).unwrap();
        out.finish().unwrap()
    };
    let test = tar(&samples(20..26, &classes));
    let folder = shards(&[("train-0.tar.gz", packed(&shard)), ("test-0.tar.gz", packed(&test))]);
    assert_eq!(read(folder.path()), "0 10+3, 1 10+3");
    // Folders of splits, as CLIP benchmark has them.
    let folder =
        shards(&[("train/0.tar", shard), ("test/0.tar", test), ("classnames.txt", text("cat\ndog")), ("test/nshards.txt", text(1))]);
    assert_eq!(read(folder.path()), "cat 10+3, dog 10+3");
}

#[test]
fn labels_of_samples_are_found_by_name_or_asked_of() {
    let json = |i: usize| vec![("json", text(format!("{{\"label\": {}, \"url\": \"u{i}\", \"size\": [2, 2]}}", i % 3 + 1)))];
    let folder = shards(&[("train-0.tar", tar(&samples(0..12, &json))), ("val-0.tar", tar(&samples(12..18, &json)))]);
    assert_eq!(read(folder.path()), "1 4+2, 2 4+2, 3 4+2");
    let names = |i: usize| vec![("cls", text(["cat", "dog"][i % 2]))];
    let folder = shards(&[("train-0.tar", tar(&samples(0..12, &names))), ("val-0.tar", tar(&samples(12..18, &names)))]);
    assert_eq!(read(folder.path()), "cat 6+3, dog 6+3");
    // Numbers and words of the same.
    let both = |i: usize| vec![("json", text(format!("{{\"label\": {}, \"class_name\": \"{}\"}}", i % 2, ["cat", "dog"][i % 2])))];
    let folder = shards(&[("train-0.tar", tar(&samples(0..12, &both))), ("val-0.tar", tar(&samples(12..18, &both)))]);
    assert_eq!(read(folder.path()), "cat 6+3, dog 6+3");
    // Two that differ.
    let two = |i: usize| vec![("cls", text(i % 2)), ("json", text(format!("{{\"label\": {}}}", i % 3)))];
    let folder = shards(&[("train-0.tar", tar(&samples(0..12, &two))), ("val-0.tar", tar(&samples(12..18, &two)))]);
    assert_eq!(read(folder.path()), "which-labels");
    assert_eq!(buttons(folder.path(), "which-labels"), ["Take cls as the labels", "Take json.label as the labels"]);
    let chosen = Options { label_column: Some("json.label".into()), ..Options::default() };
    assert_eq!(agreed(folder.path(), &chosen), "0 4+2, 1 4+2, 2 4+2");
    // A text of few values may be a class.
    let txt = |i: usize| vec![("txt", text(["cat", "dog"][i % 2]))];
    let folder = shards(&[("train-0.tar", tar(&samples(0..12, &txt))), ("val-0.tar", tar(&samples(12..18, &txt)))]);
    assert_eq!(
        (read(folder.path()), buttons(folder.path(), "which-labels")),
        ("which-labels".into(), vec!["Take txt as the labels".into()])
    );
}

#[test]
fn names_beside_shards_name_the_classes() {
    let from = |first: usize| move |i: usize| vec![("cls", text(i % 2 + first))];
    for (first, name, content, expected) in [
        (0, "_classes.json", "[\"cat\", \"dog\"]", "cat 6+3, dog 6+3"),
        (0, "_classes.json", "{\"cat\": 0, \"dog\": 1}", "cat 6+3, dog 6+3"),
        (0, "classes.json", "{\"1\": \"dog\", \"0\": \"cat\"}", "cat 6+3, dog 6+3"),
        (1, "classnames.txt", "cat\ndog\n", "cat 6+3, dog 6+3"),
        (1, "classnames.txt", "background\ncat\ndog\n", "cat 6+3, dog 6+3"),
    ] {
        let (train, val) = (tar(&samples(0..12, &from(first))), tar(&samples(12..18, &from(first))));
        let folder = shards(&[("train-0.tar", train), ("val-0.tar", val), (name, text(content))]);
        assert_eq!(read(folder.path()), expected, "{name} {content}");
    }
    let folder = shards(&[
        ("train-0.tar", tar(&samples(0..12, &from(0)))),
        ("val-0.tar", tar(&samples(12..18, &from(0)))),
        ("classes.txt", text("one")),
    ]);
    assert_eq!(read(folder.path()), "0 6+3, 1 6+3");
    assert!(said(folder.path()).contains(&"unfit-names"));
}

#[test]
fn a_tar_of_class_folders_with_text_beside_images_is_none_of_samples() {
    let of =
        |i: usize| [(format!("{}/{i}.png", ["cat", "dog"][i % 2]), png(i as u8)), (format!("{}/{i}.txt", ["cat", "dog"][i % 2]), text(i))];
    let folder = shards(&[("data2.tar", tar(&(0..20).flat_map(of).collect::<Vec<_>>()))]);
    assert_eq!(read(folder.path()), "cat 9+1, dog 9+1");
}

#[test]
fn an_index_above_those_of_each_split_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut shards = Vec::new();
    for split in ["train", "val"] {
        let from = fixtures().join("shards/mds-pil").join(split);
        for name in ["index.json", "shard.00000.mds"] {
            write(folder.path(), &format!("{split}/{name}"), std::fs::read(from.join(name)).unwrap());
        }
        let mut index: serde_json::Value = serde_json::from_slice(&std::fs::read(from.join("index.json")).unwrap()).unwrap();
        index["shards"][0]["raw_data"]["basename"] = format!("{split}/shard.00000.mds").into();
        shards.push(index["shards"][0].clone());
    }
    write(folder.path(), "index.json", serde_json::json!({"shards": shards, "version": 2}).to_string());
    assert_eq!(read(folder.path()), "ant 4+2, bee 4+2, cat 4+2");
}

#[test]
fn captions_are_no_classes() {
    let captions = |i: usize| vec![("txt", text(format!("a photo of number {i}"))), ("json", text(format!("{{\"url\": \"u{i}\"}}")))];
    let folder = shards(&[("00000.tar", tar(&samples(0..30, &captions))), ("00001.tar", tar(&samples(30..60, &captions)))]);
    assert_eq!(read(folder.path()), "no-labels");
    assert!(refusal(folder.path(), Options::default()).message.contains("captions"));
}

#[test]
fn numbered_tars_of_images_alone_are_asked_of() {
    let folder = shards(&[("shard-000.tar", tar(&samples(0..6, &|_| vec![]))), ("shard-001.tar", tar(&samples(6..12, &|_| vec![])))]);
    assert_eq!(read(folder.path()), "no-labels");
    assert_eq!(buttons(folder.path(), "no-labels"), ["Take each tar file as a class"]);
    let chosen = Options { format: Some(Format::ImageFolder), ..Options::default() };
    assert_eq!(agreed(folder.path(), &chosen), "shard-000 5+1, shard-001 5+1");
    // ImageNet's tars of its classes are no shards.
    let folder = shards(&[("n01440764.tar", tar(&samples(0..6, &|_| vec![]))), ("n01443537.tar", tar(&samples(6..12, &|_| vec![])))]);
    assert_eq!(read(folder.path()), "n01440764 5+1, n01443537 5+1");
}

#[test]
fn several_images_of_a_sample_are_asked_of() {
    let of = |i: usize| -> Vec<(String, Vec<u8>)> {
        ["input.png", "seg.png"].iter().map(|end| (format!("{i}.{end}"), png(i as u8))).chain([(format!("{i}.cls"), text(i % 2))]).collect()
    };
    let folder = shards(&[
        ("train-0.tar", tar(&(0..12).flat_map(of).collect::<Vec<_>>())),
        ("val-0.tar", tar(&(12..18).flat_map(of).collect::<Vec<_>>())),
    ]);
    assert_eq!(
        (read(folder.path()), buttons(folder.path(), "which-images")),
        ("which-images".into(), vec!["Take input.png".into(), "Take seg.png".into()])
    );
    let chosen = Options { image_column: Some("input.png".into()), ..Options::default() };
    assert_eq!(agreed(folder.path(), &chosen), "0 6+3, 1 6+3");
}

#[test]
fn samples_without_a_label_or_an_image_are_counted() {
    let mut members = samples(0..12, &classes);
    members.retain(|(name, _)| name != "000003.cls" && name != "000005.png");
    let folder = shards(&[("train-0.tar", tar(&members)), ("val-0.tar", tar(&samples(12..18, &classes)))]);
    let verdict = verdict_of(folder.path(), &Options::default());
    let errors: Vec<(&str, u64)> = verdict
        .problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error)
        .map(|problem| (problem.code, problem.count))
        .collect();
    assert_eq!(errors, [("missing-image", 1), ("no-label", 1)]);
    let skip = Options { skip: Some(true), ..Options::default() };
    assert_eq!(agreed(folder.path(), &skip), "0 6+3, 1 4+3");
    // The same keys in two shards are different samples.
    let folder = shards(&[
        ("train-0.tar", tar(&samples(0..6, &classes))),
        ("train-1.tar", tar(&samples(0..6, &classes))),
        ("val-0.tar", tar(&samples(0..6, &classes))),
    ]);
    assert_eq!(read(folder.path()), "0 6+3, 1 6+3");
}

#[test]
fn every_shard_is_accounted_for_once() {
    let folder = fixtures().join("shards/webdataset");
    let verdict = verdict_of(&folder, &Options::default());
    let files: Vec<(bool, &str, u64)> = verdict
        .account
        .iter()
        .filter(|line| line.unit == sdp_data::account::Unit::Files)
        .map(|line| (line.used, line.what.as_str(), line.count))
        .collect();
    assert_eq!(files, [(true, "WebDataset shards", 3), (true, "names of the classes", 1)]);
    assert!(said(&folder).contains(&"unused-columns"));
}

#[test]
fn damaged_shards_are_refused_with_their_place() {
    let shard = tar(&samples(0..12, &classes));
    let folder = shards(&[("train-0.tar", shard[..shard.len() / 2 + 100].to_vec()), ("val-0.tar", shard)]);
    assert_eq!(read(folder.path()), "damaged-archive");
    let records = std::fs::read(fixtures().join("shards/tfrecord/train-00000-of-00002")).unwrap();
    let cut = shards(&[("train.tfrecord", records[..records.len() - 5].to_vec())]);
    assert_eq!(refusal(cut.path(), Options::default()).code, "damaged-record");
    let mut changed = records.clone();
    changed[200] ^= 1;
    let folder = shards(&[("train.tfrecord", changed), ("val.tfrecord", records)]);
    let problem = refusal(folder.path(), Options::default());
    assert!(problem.code == "unreadable-image" && problem.message.contains("CRC32C"), "{}", problem.message);
    let folder = tempfile::tempdir().unwrap();
    let json = std::fs::read(fixtures().join("shards/mds-pil/train/index.json")).unwrap();
    write(folder.path(), "index.json", json);
    assert_eq!(refusal(folder.path(), Options::default()).code, "bad-index");
}

#[test]
fn archives_of_every_compression_are_folders() {
    for name in ["folder.tar.xz", "folder.tar.bz2", "folder.tar.zst"] {
        assert_eq!(read(&fixtures().join("shards").join(name)), "ant 4+2, bee 4+2, cat 4+2", "{name}");
    }
}

#[test]
fn split_archives_are_named_with_their_parts() {
    for (parts, given, whole) in [
        (["data.zip.001", "data.zip.002"], "data.zip.001", "data.zip"),
        (["data.z01", "data.zip"], "data.zip", "data.zip"),
        (["data.tar.gz.aa", "data.tar.gz.ab"], "data.tar.gz.aa", "data.tar.gz"),
        (["data.7z.001", "data.7z.002"], "data.7z.002", "data.7z"),
        (["data.part1.rar", "data.part2.rar"], "data.part1.rar", "data"),
    ] {
        let folder = shards(&parts.map(|name| (name, b"PK\x03\x04 and more of it".to_vec())));
        for path in [folder.path().join(given), folder.path().to_owned()] {
            let problem = refusal(&path, Options::default());
            assert_eq!(problem.code, "split-archive", "{}", problem.message);
            assert!(parts.iter().all(|part| problem.message.contains(part)) && problem.message.contains(whole), "{}", problem.message);
        }
    }
}

/// Archives without members, of RAR 1.5 to 4 and of RAR 5.
#[test]
fn a_rar_archive_is_named() {
    let four = b"Rar!\x1a\x07\x00\xcf\x90\x73\x00\x00\x0d\x00\x00\x00\x00\x00\x00\x00\xc4\x3d\x7b\x00\x40\x07\x00".to_vec();
    let five = b"Rar!\x1a\x07\x01\x00\xc5\x1a\x33\x32\x03\x01\x00\x00\x1d\x77\x56\x51\x03\x05\x04\x00".to_vec();
    for archive in [four, five] {
        let folder = shards(&[("pets.rar", archive)]);
        for path in [folder.path().to_owned(), folder.path().join("pets.rar")] {
            let problem = refusal(&path, Options::default());
            assert!(problem.code == "unsupported-archive" && problem.message.contains("a RAR archive"), "{}", problem.message);
            assert!(problem.message.contains("unpack it (7-Zip does) and give the folder"), "{}", problem.message);
        }
    }
}

#[test]
fn a_7z_archive_is_named() {
    let problem = refusal(&fixtures().join("shards/folder.7z"), Options::default());
    assert!(problem.code == "unsupported-archive" && problem.message.contains("7-Zip"), "{}", problem.message);
}

#[test]
fn compressed_lines_are_text() {
    let imported = try_import(&[fixtures().join("shards/lines.jsonl.zst")], Options::default()).unwrap();
    assert!(imported.tokens("train").len() > 500);
}

/// A stored zip whose names are these bytes, without the flag of UTF-8; `extra` follows the name.
fn zip_of(members: &[(&[u8], &[u8], Vec<u8>)]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, extra, content) in members {
        let mut crc = flate2::Crc::new();
        crc.update(content);
        let fields = |version: &[u8]| {
            let size = (content.len() as u32).to_le_bytes();
            let lengths = [(name.len() as u16).to_le_bytes(), (extra.len() as u16).to_le_bytes()].concat();
            [version, &[20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0x5c], &crc.sum().to_le_bytes(), &size, &size, &lengths].concat()
        };
        directory.extend([b"PK\x01\x02", &fields(&[20, 0])[..], &[0; 10], &(out.len() as u32).to_le_bytes(), name, extra].concat());
        out.extend([b"PK\x03\x04", &fields(&[])[..], name, extra, content].concat());
    }
    let counts = [(members.len() as u16).to_le_bytes(); 2].concat();
    let end =
        [b"PK\x05\x06\0\0\0\0", &counts[..], &(directory.len() as u32).to_le_bytes(), &(out.len() as u32).to_le_bytes(), &[0, 0]].concat();
    [out, directory, end].concat()
}

fn pets(names: [&[u8]; 2], extra: &dyn Fn(&[u8], usize) -> Vec<u8>) -> tempfile::TempDir {
    let members: Vec<(Vec<u8>, Vec<u8>, Vec<u8>)> = (0..20usize)
        .map(|i| {
            let name = [names[i % 2], format!("/{i}.png").as_bytes()].concat();
            let extra = extra(&name, i);
            (name, extra, png(i as u8))
        })
        .collect();
    let members: Vec<(&[u8], &[u8], Vec<u8>)> =
        members.iter().map(|(name, extra, content)| (&name[..], &extra[..], content.clone())).collect();
    shards(&[("pets.zip", zip_of(&members))])
}

#[test]
fn names_in_a_zip_that_are_not_utf_8_are_read_as_they_were_written() {
    let none = |_: &[u8], _: usize| Vec::new();
    let gbk: [&[u8]; 2] = [b"\xb3\xe8\xce\xef\xc3\xa8", b"\xb3\xe8\xce\xef\xb9\xb7"];
    let shift_jis: [&[u8]; 2] = [b"\x83C\x83k", b"\x83l\x83R"];
    for (names, expected, encoding) in [(gbk, "宠物狗 9+1, 宠物猫 9+1", "GBK"), (shift_jis, "イヌ 9+1, ネコ 9+1", "Shift-JIS")] {
        let folder = pets(names, &none);
        assert_eq!(read(folder.path()), expected);
        let verdict = verdict_of(folder.path(), &Options::default());
        let problem = verdict.problems.iter().find(|problem| problem.code == "name-encoding").unwrap();
        assert!(
            problem.severity == Severity::Warning && problem.message.contains(encoding) && !problem.remedies.is_empty(),
            "{}",
            problem.message
        );
    }
    // What was guessed can be changed.
    let chosen = Options { name_encoding: Some(sdp_data::member_names::NameEncoding::Gbk), ..Options::default() };
    assert!(
        agreed(pets(shift_jis, &none).path(), &chosen).contains("9+1") && !agreed(pets(shift_jis, &none).path(), &chosen).contains("イヌ")
    );
    // Info-ZIP's Unicode path goes before the name.
    let names: [&[u8]; 2] = [b"\x83C\x83k", b"\x83l\x83R"];
    let unicode = |name: &[u8], i: usize| {
        let mut crc = flate2::Crc::new();
        crc.update(name);
        let path = format!("{}/{i}.png", ["犬", "猫"][i % 2]);
        [&0x7075u16.to_le_bytes()[..], &(path.len() as u16 + 5).to_le_bytes(), &[1], &crc.sum().to_le_bytes(), path.as_bytes()].concat()
    };
    let folder = pets(names, &unicode);
    assert_eq!(read(folder.path()), "犬 9+1, 猫 9+1");
    assert!(!said(folder.path()).contains(&"name-encoding"));
    // UTF-8 without its flag, as macOS writes it.
    let folder = pets(["é".as_bytes(), "ü".as_bytes()], &none);
    assert_eq!(read(folder.path()), "é 9+1, ü 9+1");
}

#[test]
fn archives_in_an_archive_are_folders() {
    assert_eq!(read(&fixtures().join("shards/zips-in-zip.zip")), "ant 4+2, bee 4+2, cat 4+2");
    let class = |from: usize| tar(&(from..from + 6).map(|i| (format!("{i}.png"), png(i as u8))).collect::<Vec<_>>());
    // ImageNet's tar of tars, read where it lies.
    let folder = shards(&[("ILSVRC2012_img_train.tar", tar(&[("n01440764.tar".into(), class(0)), ("n01443537.tar".into(), class(6))]))]);
    assert_eq!(read(&folder.path().join("ILSVRC2012_img_train.tar")), "n01440764 5+1, n01443537 5+1");
    // Shards in a tar.
    let (train, val) = (tar(&samples(0..12, &classes)), tar(&samples(12..18, &classes)));
    let folder = shards(&[("all.tar", tar(&[("train-0.tar".into(), train), ("val-0.tar".into(), val)]))]);
    assert_eq!(read(folder.path()), "0 6+3, 1 6+3");
    // An archive beside images is left out, and that is said.
    let members: Vec<(String, Vec<u8>)> =
        (0..20).map(|i| (format!("{}/{i}.png", i % 2), png(i as u8))).chain([("more.tar".into(), class(0))]).collect();
    let folder = shards(&[("pets.tar", tar(&members))]);
    assert_eq!(read(folder.path()), "0 9+1, 1 9+1");
    assert!(said(folder.path()).contains(&"archive-beside"));
}

#[test]
fn tensors_are_arrays() {
    let grey = |range: std::ops::Range<usize>| images(range, 1, 8, 6);
    let mnist = import_fixture("shards/torch", Options::default());
    assert_eq!((mnist.labels("train"), mnist.labels("test")), (labels(0..12), labels(12..18)));
    assert_eq!((mnist.array("train/images.npy").1, mnist.array("test/images.npy").1), (grey(0..12), grey(12..18)));
    for name in ["channels-last.pt", "old.pt", "train.safetensors"] {
        let name = format!("shards/{name}");
        let imported = import_fixture(&name, Options { validation: Some(0.25), ..Options::default() });
        let images_of = |split: &str| imported.array(&format!("{split}/images.npy")).1;
        let mut found: Vec<Vec<u8>> = [images_of("train"), images_of("test")].concat().chunks(144).map(<[u8]>::to_vec).collect();
        let mut expected: Vec<Vec<u8>> = images(0..12, 3, 8, 6).chunks(144).map(<[u8]>::to_vec).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{name}");
    }
    // bfloat16 in dictionaries of splits.
    let nested = import_fixture("shards/nested.pth", Options::default());
    assert_eq!((nested.labels("train"), nested.labels("test")), (labels(0..9), labels(9..12)));
    let near = nested.array("train/images.npy").1.iter().zip(images(0..9, 3, 8, 6)).all(|(a, b)| a.abs_diff(b) <= 1);
    assert!(near);
}

#[test]
fn pytorch_files_of_something_else_are_named() {
    for (name, words) in [("weights.pt", "weights"), ("object.pt", "TensorDataset"), ("pairs.pt", "a list of tensors or of pairs")] {
        let problem = refusal(&fixtures().join("shards").join(name), Options::default());
        assert!(problem.code == "unknown-format" && problem.message.contains(words), "{}", problem.message);
    }
}

#[test]
fn arrays_of_matlab_are_read() {
    let folder = fixtures().join("shards/svhn");
    let imported = import_fixture("shards/svhn", Options::default());
    assert_eq!((imported.labels("train"), imported.labels("test")), (labels(0..12), labels(12..18)));
    assert_eq!(imported.array("train/images.npy").1, images(0..12, 3, 32, 32));
    assert_eq!(imported.array("test/images.npy").1, images(12..18, 3, 32, 32));
    assert!(said(&folder).contains(&"ten-is-zero"));
    let alone = folder.join("train_32x32.mat");
    assert_eq!(agreed(&alone, &Options { validation: Some(0.25), ..Options::default() }), "0 3+1, 1 3+1, 2 3+1");
    let rows = import_fixture("shards/digits.mat", Options { validation: Some(0.25), ..Options::default() });
    let (first, data) = (images(0..1, 1, 16, 16), [rows.array("train/images.npy").1, rows.array("test/images.npy").1].concat());
    assert!(data.chunks(256).any(|image| image == first));
    let problem = refusal(&fixtures().join("shards/old.mat"), Options::default());
    assert!(problem.message.contains("version 4"), "{}", problem.message);
    let folder = shards(&[("x.mat", [b"MATLAB 7.3 MAT-file".to_vec(), vec![0; 600]].concat())]);
    assert!(refusal(folder.path(), Options::default()).message.contains("-v7"));
}

#[test]
fn arrays_of_hdf5_are_read() {
    let imported = import_fixture("shards/hdf5", Options::default());
    let of = |range: std::ops::Range<usize>| range.map(|i| (i % 3 % 2) as i64).collect::<Vec<i64>>();
    assert_eq!((imported.labels("train"), imported.labels("test")), (of(0..12), of(12..18)));
    assert_eq!(imported.array("train/images.npy").1, images(0..12, 3, 8, 6));
    check_fixture("shards/plain.h5", 0..12, 12..18);
    // Compressed by LZF; the labels also shuffled, with checksums.
    check_fixture("shards/lzf.h5", 0..12, 12..18);
    let folder = shards(&[("data.h5", b"\x89HDF\r\n\x1a\n and no more of it".to_vec())]);
    assert!(refusal(folder.path(), Options::default()).message.contains("HDF5"));
}

#[test]
fn weights_of_keras_are_named() {
    for name in ["keras-2.h5", "keras-3.weights.h5"] {
        let problem = refusal(&fixtures().join("shards").join(name), Options::default());
        assert!(problem.code == "unknown-format" && problem.message.contains("HDF5 file of weights"), "{}", problem.message);
    }
}

#[test]
fn labels_of_oxford_s_flowers_lie_beside_the_images() {
    let folder = fixtures().join("shards/flowers");
    // Of each split as setid.mat tells: two of four train, one validates, one tests.
    assert_eq!(read(&folder), "1 2+1, 2 2+1, 3 2+1");
    assert!(said(&folder).contains(&"unused-split"));
}
