//! Broken and hostile inputs: each has its code and sentence; none crashes, runs code, writes outside the target or leaves half an import.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::common::{fixtures, refusal, try_import, verdict_of};
use flate2::Compression;
use flate2::write::GzEncoder;
use sdp_data::error::{Error, Severity};
use sdp_data::inspect::Looked;
use sdp_data::options::Options;
use sdp_data::pixels::Pixels;
use zip::write::SimpleFileOptions;

/// What becomes of a case.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// Nothing is imported.
    Refused,
    /// It is told of, and the rest is imported.
    Reported,
    /// There is nothing wrong with it.
    Fine,
}
use End::{Fine, Refused, Reported};

type Make = fn(&Path) -> PathBuf;

fn png(value: u8) -> Vec<u8> {
    Pixels { height: 4, width: 4, channels: 3, data: vec![value; 48] }.png()
}

fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Two classes of four images.
fn pets(folder: &Path) -> PathBuf {
    for (class, name) in ["ant", "bee"].iter().enumerate() {
        for i in 0..4 {
            write(folder, &format!("{name}/{i}.png"), png(60 * class as u8 + i));
        }
    }
    folder.to_owned()
}

fn pets_and(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    write(folder, name, content);
    pets(folder)
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(fixtures().join(name)).unwrap()
}

fn file(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    write(folder, name, content);
    folder.join(name)
}

/// The first part of a fixture.
fn cut(folder: &Path, name: &str, percent: usize) -> PathBuf {
    let whole = fixture(name);
    file(folder, Path::new(name).file_name().unwrap().to_str().unwrap(), &whole[..whole.len() * percent / 100])
}

fn zip_of(folder: &Path, members: &[(&str, Vec<u8>)]) -> PathBuf {
    let path = folder.join("set.zip");
    let mut zip = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    for (name, content) in members {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap();
    path
}

fn pets_zip(folder: &Path, also: &str) -> PathBuf {
    let images: Vec<(String, Vec<u8>)> = (0..8).map(|i| (format!("{}/{i}.png", ["ant", "bee"][i % 2]), png(i as u8))).collect();
    let mut members: Vec<(&str, Vec<u8>)> = images.iter().map(|(name, content)| (name.as_str(), content.clone())).collect();
    members.push((also, png(9)));
    zip_of(folder, &members)
}

fn npy(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let dict = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({shape}), }}");
    [b"\x93NUMPY\x01\x00\x76\x00", format!("{dict:<117}\n").as_bytes(), data].concat()
}

fn images_npy(folder: &Path, images: Vec<u8>, labels: usize) -> PathBuf {
    write(folder, "x_train.npy", images);
    let numbers: Vec<u8> = (0..labels).flat_map(|i| (i as i64 % 2).to_le_bytes()).collect();
    write(folder, "y_train.npy", npy("<i8", false, &format!("{labels},"), &numbers));
    folder.to_owned()
}

fn gzip(content: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    content.for_each(|part| encoder.write_all(&part).unwrap());
    encoder.finish().unwrap()
}

/// A PNG whose header claims a size that would fill the memory.
fn huge_png() -> Vec<u8> {
    let mut file = png(1);
    file[16..20].copy_from_slice(&60_000u32.to_be_bytes());
    file[20..24].copy_from_slice(&60_000u32.to_be_bytes());
    let mut crc = flate2::Crc::new();
    crc.update(&file[12..29]);
    let sum = crc.sum().to_be_bytes();
    file[29..33].copy_from_slice(&sum);
    file
}

/// Sets the encryption flag of all members.
fn encrypted(folder: &Path) -> PathBuf {
    let path = pets_zip(folder, "ant/x.png");
    let mut bytes = fs::read(&path).unwrap();
    for at in 0..bytes.len() - 10 {
        match &bytes[at..at + 4] {
            b"PK\x03\x04" => bytes[at + 6] |= 1,
            b"PK\x01\x02" => bytes[at + 8] |= 1,
            _ => {}
        }
    }
    fs::write(&path, bytes).unwrap();
    path
}

/// Several members of the directory share the data of the first.
fn overlapping(folder: &Path) -> PathBuf {
    let path = pets_zip(folder, "ant/x.png");
    let mut bytes = fs::read(&path).unwrap();
    for at in 0..bytes.len() - 46 {
        if &bytes[at..at + 4] == b"PK\x01\x02" {
            bytes[at + 42..at + 46].copy_from_slice(&[0; 4]);
        }
    }
    fs::write(&path, bytes).unwrap();
    path
}

fn table(folder: &Path, csv: impl AsRef<[u8]>) -> PathBuf {
    for i in 0..4 {
        write(folder, &format!("images/{i}.png"), png(i));
    }
    write(folder, "labels.csv", csv);
    folder.to_owned()
}

fn linked(folder: &Path, target: &Path) -> PathBuf {
    let set = folder.join("set");
    pets(&set);
    std::os::unix::fs::symlink(target, set.join("ant/link.png")).unwrap();
    set
}

fn long_text(folder: &Path, end: &[u8]) -> PathBuf {
    file(folder, "text.txt", ["a line of text\n".repeat(400).as_bytes(), end].concat())
}

/// Name, files, code of the problem, part of its sentence.
const CASES: &[(&str, Make, End, &str, &str)] = &[
    ("a zip cut in half", |at| cut(at, "folder.zip", 50), Refused, "damaged-archive", "folder.zip is a damaged archive"),
    ("a tar cut in half", |at| cut(at, "folder.tar", 48), Refused, "damaged-archive", "folder.tar is a damaged archive"),
    ("a compressed tar cut in half", |at| cut(at, "cifar-10-binary.tar.gz", 50), Refused, "damaged-archive", "ends too early"),
    ("a zip member above the archive", |at| pets_zip(at, "../evil.png"), Reported, "unsafe-path", "../evil.png"),
    ("a zip member at the root", |at| pets_zip(at, "/evil.png"), Reported, "unsafe-path", "/evil.png"),
    ("a zip member with backslashes", |at| pets_zip(at, "..\\evil.png"), Reported, "unsafe-path", "left out"),
    ("a zip bomb", |at| zip_of(at, &[("a/x.png", vec![0; 300 << 20])]), Refused, "archive-bomb", "made to fill the disk"),
    ("a zip of overlapping members", overlapping, Refused, "archive-bomb", "over each other"),
    ("a gzip bomb", |at| file(at, "text.txt.gz", gzip((0..300).map(|_| vec![b'a'; 1 << 20]))), Refused, "archive-bomb", "text.txt.gz"),
    ("an encrypted zip", encrypted, Refused, "encrypted-archive", "encrypted members"),
    ("a 7z archive", |at| file(at, "set.7z", b"7z\xbc\xaf\x27\x1c\0\0"), Refused, "unsupported-archive", "unpack it"),
    ("an empty zip", |at| zip_of(at, &[]), Refused, "unknown-format", "there is no file"),
    ("an empty folder", |at| at.to_owned(), Refused, "unknown-format", "there is no file"),
    ("an empty file", |at| file(at, "set.dat", b""), Refused, "unknown-format", "is empty"),
    ("a path to nothing", |at| at.join("nowhere"), Refused, "missing-file", "does not exist"),
    ("a file of no kind", |at| file(at, "set.dat", [0xc3, 0x28, 0, 1, 2, 200]), Refused, "unknown-format", "of no known kind"),
    ("a JPEG cut in half", |at| pets_and(at, "ant/x.jpg", &fixture("jpeg/ant/00.jpg")[..400]), Refused, "unreadable-image", "ant/x.jpg"),
    ("a PNG cut in half", |at| pets_and(at, "ant/x.png", &png(1)[..40]), Refused, "unreadable-image", "ant/x.png"),
    ("a PNG named .jpg", |at| pets_and(at, "ant/x.jpg", png(9)), Fine, "", ""),
    ("text named .png", |at| pets_and(at, "ant/x.png", "hello"), Refused, "unreadable-image", "no image that is known"),
    ("an empty image", |at| pets_and(at, "ant/x.png", ""), Refused, "unreadable-image", "it is empty"),
    ("an image of 3.6 billion pixels", |at| pets_and(at, "ant/x.png", huge_png()), Refused, "unreadable-image", "ant/x.png"),
    ("a 16-bit image", |at| pets_and(at, "ant/x.png", fixture("kinds/sixteen.png")), Reported, "sixteen-bit", "converted to 8"),
    ("a CMYK image", |at| pets_and(at, "ant/x.jpg", fixture("kinds/cmyk.jpg")), Reported, "cmyk", "converted to RGB"),
    ("an image with alpha", |at| pets_and(at, "ant/x.png", fixture("kinds/alpha.png")), Reported, "alpha", "dropped"),
    ("grey among colour", |at| pets_and(at, "ant/x.png", fixture("kinds/sixteen.png")), Reported, "mixed-channels", "become colour"),
    ("another size", |at| pets_and(at, "ant/x.bmp", fixture("kinds/image.bmp")), Reported, "different-sizes", "sizes"),
    (
        "an empty class",
        |at| {
            fs::create_dir(at.join("cat")).unwrap();
            pets(at)
        },
        Reported,
        "empty-class",
        "cat",
    ),
    (
        "a single class",
        |at| file(at, "ant/0.png", png(1)).parent().unwrap().parent().unwrap().to_owned(),
        Refused,
        "one-class",
        "needs two",
    ),
    (
        "images without folders",
        |at| {
            write(at, "1.png", png(1));
            write(at, "2.png", png(2));
            at.to_owned()
        },
        Refused,
        "no-classes",
        "make a folder per class",
    ),
    ("an image beside the classes", |at| pets_and(at, "x.png", png(1)), Refused, "no-label", "have no label"),
    (
        "a class without training images",
        |at| {
            pets(&at.join("train"));
            write(at, "val/cat/1.png", png(1));
            write(at, "val/ant/1.png", png(1));
            at.to_owned()
        },
        Refused,
        "untrained-class",
        "cat",
    ),
    ("names with spaces, quotes, emoji and newlines", |at| pets_and(at, "ant/a \"b\" 'c' 🐜\nd.png", png(1)), Fine, "", ""),
    (
        "a link out of the folder",
        |at| {
            let out = file(at, "out.png", png(1));
            linked(at, &out)
        },
        Reported,
        "link-outside",
        "left out",
    ),
    ("a link to nothing", |at| linked(at, Path::new("/nowhere/x.png")), Reported, "broken-link", "link to nothing"),
    (
        "a folder within itself",
        |at| {
            let set = at.join("set");
            pets(&set);
            std::os::unix::fs::symlink("..", set.join("ant/up")).unwrap();
            set
        },
        Fine,
        "",
        "",
    ),
    ("folders without end", |at| pets_and(at, &format!("ant/{}x.png", "d/".repeat(40)), png(1)), Reported, "too-deep", "32 folders deep"),
    ("more labels than images", |at| images_npy(at, npy("|u1", false, "4, 2, 2", &[7; 16]), 5), Refused, "mismatched-counts", "4 images"),
    ("images without labels", |at| file(at, "x.npy", npy("|u1", false, "4, 2, 2", &[7; 16])), Refused, "no-labels", "no array of as many"),
    (
        "a truncated array",
        |at| images_npy(at, npy("|u1", false, "4, 2, 2", &[7; 15]), 4),
        Refused,
        "truncated-file",
        "takes 144 bytes, it has 143",
    ),
    ("an array of objects", |at| images_npy(at, npy("|O", false, "4, 2, 2", &[7; 16]), 4), Refused, "bad-type", "|O"),
    (
        "an array in Fortran order",
        |at| images_npy(at, npy("|u1", true, "4, 2, 2", &[7; 16]), 4),
        Refused,
        "fortran-order",
        "ascontiguousarray",
    ),
    (
        "normalised floats",
        |at| images_npy(at, npy("<f4", false, "4, 2, 2", &(-1.5f32).to_le_bytes().repeat(16)), 4),
        Refused,
        "bad-range",
        "-1.5",
    ),
    ("a Parquet file without text", |at| file(at, "x.parquet", fixture("numbers.parquet")), Refused, "no-column", "no column of text"),
    ("a Parquet file cut in half", |at| cut(at, "text/table.parquet", 50), Refused, "damaged-file", "damaged Parquet"),
    (
        "a table with missing files",
        |at| table(at, "file,label\nimages/0.png,a\nimages/1.png,b\nimages/9.png,a\nimages/2.png,b\n"),
        Refused,
        "missing-file",
        "\"images/9.png\" in row 2",
    ),
    (
        "a table that names files outside",
        |at| {
            let set = at.join("set");
            write(at, "out.png", png(1));
            table(&set, "file,label\n../out.png,a\nimages/1.png,b\nimages/2.png,a\n")
        },
        Refused,
        "unsafe-path",
        "outside its folder",
    ),
    ("a table without labels", |at| table(at, "file,one,two\nimages/0.png,a,b\nimages/1.png,a,b\n"), Refused, "no-column", "one, two"),
    ("a table row that is not UTF-8", |at| table(at, b"file,label\nimages/0.png,a\nimages/1.png,\xff\xfe\n"), Refused, "bad-row", "row 1"),
    ("a row that is no JSON", |at| file(at, "text.jsonl", "{\"text\": \"a\"}\n{\"text\": \n"), Refused, "bad-row", "row 1"),
    (
        "JSON lines without text",
        |at| file(at, "text.jsonl", "{\"a\": \"b\", \"c\": 1}\n{\"a\": \"b\"}\n"),
        Refused,
        "no-column",
        "no column of text",
    ),
    ("text that is not UTF-8", |at| long_text(at, b"\xff\xfeabc"), Refused, "bad-utf8", "at byte 6000"),
    ("UTF-16 text cut within a character", |at| file(at, "text.txt", b"\xff\xfea\0b\0c"), Refused, "bad-encoding", "it is not UTF-16LE"),
    ("hardly any text", |at| file(at, "text.txt", "a"), Refused, "too-few-tokens", "2 are needed"),
    (
        "a damaged tokenizer",
        |at| {
            write(at, "tokenizer.json", "{\"model\": 3}");
            long_text(at, b"");
            at.to_owned()
        },
        Refused,
        "bad-tokenizer",
        "is no tokenizer.json",
    ),
    ("half a token", |at| file(at, "tokens.bin", [7; 41]), Refused, "truncated-file", "41 bytes of uint16"),
    ("tokens beyond 32 bits", |at| file(at, "tokens.npy", npy("<i8", false, "40,", &[1; 320])), Refused, "bad-token", "is no token"),
    ("tokens below 0", |at| file(at, "tokens.npy", npy("<i4", false, "40,", &[255; 160])), Refused, "bad-token", "holds -1 at position 0"),
    ("tokens with a fraction", |at| file(at, "tokens.npy", npy("<f4", false, "8,", &[1; 32])), Refused, "bad-type", "whole numbers"),
    (
        "records",
        |at| file(at, "x.npy", b"\x93NUMPY\x01\x00\x76\x00{'descr': [('a', '<i4')], 'shape': (2,), }"),
        Refused,
        "unknown-format",
        "a NumPy file of records",
    ),
    ("too few tokens", |at| file(at, "tokens.bin", [7; 8]), Refused, "too-few-tokens", "2 are needed"),
    (
        "a pickle that would run code",
        |at| file(at, "data_batch_1", b"\x80\x02cos\nsystem\nq\0U\x10touch /tmp/pickledq\x01\x85Rq\x02."),
        Refused,
        "unsafe-pickle",
        "asks to run os.system",
    ),
    ("a pickle cut in half", |at| file(at, "data_batch_1", b"\x80\x02}q\0(U\x04data"), Refused, "damaged-pickle", "ends too early"),
    ("a pickle of something else", |at| file(at, "data_batch_1", b"\x80\x02}q\0."), Refused, "unknown-pickle", "no CIFAR batch"),
];

#[test]
fn broken_inputs_have_their_code_and_sentence() {
    assert!(CASES.len() >= 40);
    let failed: Vec<String> = CASES.iter().filter_map(|case| check(case).err().map(|why| format!("{}: {why}", case.0))).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(!Path::new("/tmp/pickled").exists());
}

fn check(&(_, make, end, code, says): &(&str, Make, End, &str, &str)) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    fs::create_dir(&files).unwrap();
    let path = make(&files);
    let before = listing(folder.path());
    let require = |holds: bool, why: String| if holds { Ok(()) } else { Err(why) };
    let verdict = verdict_of(&path, &Options::default());
    let found: Vec<(&str, &str)> = verdict.problems.iter().map(|problem| (problem.code, problem.message.as_str())).collect();
    require(verdict.importable == (end != Refused), format!("{found:?}"))?;
    match verdict.problems.iter().find(|problem| problem.code == code) {
        Some(problem) => require(problem.message.contains(says), problem.message.clone())?,
        None => require(end == Fine && verdict.problems.iter().all(|problem| problem.severity == Severity::Note), format!("{found:?}"))?,
    }
    match try_import(std::slice::from_ref(&path), Options::default()) {
        Ok(_) => require(end != Refused, "it was imported".into())?,
        Err(Error::Data(problem)) => {
            require(end == Refused && problem.code == code, format!("import: {} {}", problem.code, problem.message))?
        }
        Err(other) => return Err(other.to_string()),
    }
    require(listing(folder.path()) == before, "files outside the target changed".into())
}

/// All paths below a folder; links are not followed.
fn listing(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for item in fs::read_dir(folder).unwrap().flatten() {
        found.push(item.path());
        if item.file_type().unwrap().is_dir() {
            found.extend(listing(&item.path()));
        }
    }
    found.sort();
    found
}

#[test]
fn what_is_broken_is_left_out_where_that_is_chosen() {
    let skip = Options { skip: Some(true), ..Options::default() };
    let folder = tempfile::tempdir().unwrap();
    let path = pets_and(folder.path(), "ant/x.jpg", &fixture("jpeg/ant/00.jpg")[..400]);
    let verdict = verdict_of(&path, &skip);
    assert!(verdict.importable, "{:?}", verdict.problems);
    let imported = try_import(&[path], skip.clone()).unwrap();
    assert_eq!(imported.outcome.train + imported.outcome.test, 8);
    assert_eq!((verdict.train, verdict.test), (imported.outcome.train, imported.outcome.test));
    let Some(Looked::Images { classes, looked: 9, unreadable: 1, .. }) = &verdict.content else { panic!("{:?}", verdict.content) };
    assert_eq!(classes.iter().map(|class| class.train + class.test).collect::<Vec<_>>(), [4, 4]);
    let problem = imported.outcome.problems.iter().find(|problem| problem.code == "unreadable-image").unwrap();
    assert!(problem.places[0].file.ends_with("ant/x.jpg"));
    let text = tempfile::tempdir().unwrap();
    let path = long_text(text.path(), b"\xff\xfeabc");
    let imported = try_import(&[path], skip).unwrap();
    assert!(imported.outcome.train > 0);
}

/// A quotation mark that is never closed makes the rest of a CSV file one cell.
#[test]
fn a_row_of_a_table_beyond_64_mib_is_refused_before_it_is_in_memory() {
    for (name, start, end) in [("endless.csv", "text\n\"", ""), ("endless.jsonl", "{\"text\": \"", "\"}\n")] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        let cell = "a line of a table, or what one takes for it\n".repeat((66 << 20) / 44);
        let cell = if name.ends_with(".csv") { cell } else { cell.replace('\n', " ") };
        std::fs::write(&path, [start, &cell, end].concat()).unwrap();
        let problem = refusal(&path, Options::default());
        assert_eq!(problem.code, "bad-row", "{name}: {}", problem.message);
        assert!(problem.message.ends_with("longer than 64 MiB"), "{name}: {}", problem.message);
    }
}
