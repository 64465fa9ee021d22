//! One text in several forms, languages or versions, numbers beside or in place of text, levels of classes, bands and masks in place of
//! samples.

use std::path::Path;

use crate::common::texts::{folder, landed, problem as problem_of, remedied, titles};
use crate::common::{agreed, found, png, try_import, verdict_of, write};
use sdp_data::error::{Problem, Severity};
use sdp_data::inspect::{Looked, Verdict};
use sdp_data::npy::write_header;
use sdp_data::options::{Format, Options};
use tempfile::TempDir;

/// The error of a verdict, which an import ends with too.
fn asked(at: &Path) -> Problem {
    let verdict = verdict_of(at, &Options::default());
    let problem = verdict.problems.iter().find(|problem| problem.severity == Severity::Error);
    let problem = problem.unwrap_or_else(|| panic!("{:?} {:?} {:?}", verdict.format, verdict.problems, verdict.account)).clone();
    assert!(try_import(&[at.to_owned()], Options::default()).is_err());
    problem
}

fn lines(word: &str, count: usize) -> String {
    (0..count).map(|i| format!("{word} the river runs {i}.\n")).collect()
}

/// Files of sentences that begin with a word.
fn texts(files: Named) -> TempDir {
    let made: Vec<(&str, String)> = files.iter().map(|(name, word)| (*name, lines(word, 30))).collect();
    folder(&made.iter().map(|(name, text)| (*name, text.as_bytes())).collect::<Vec<_>>())
}

/// Files by name, and the word that their lines begin with.
type Named<'a> = &'a [(&'a str, &'a str)];
/// Buttons, and the words of training and of validation that they lead to.
type Answers<'a> = &'a [(&'a str, [&'a str; 2])];

/// The words that the lines begin with, of training and of validation.
fn words(landed: &(String, String)) -> [String; 2] {
    let of = |text: &str| {
        let words: std::collections::BTreeSet<&str> =
            text.split(['\n', '¶']).filter_map(|line| line.split_once(" the river").map(|(word, _)| word)).collect();
        words.into_iter().collect::<Vec<_>>().join(" ")
    };
    [of(&landed.0), of(&landed.1)]
}

#[test]
fn forms_of_a_text_side_by_side_are_asked() {
    let cases: &[(Named, Answers)] = &[
        (
            &[("ptb.train.txt", "a"), ("ptb.valid.txt", "b"), ("ptb.char.train.txt", "c"), ("ptb.char.valid.txt", "d")],
            &[
                ("Take ptb.train.txt and its like", ["a", "b"]),
                ("Take ptb.char.train.txt and its like", ["c", "d"]),
                ("Take all of them", ["a c", "b d"]),
            ],
        ),
        (
            &[("w/wiki.train.tokens", "a"), ("w/wiki.valid.tokens", "b"), ("w-raw/wiki.train.raw", "c"), ("w-raw/wiki.valid.raw", "d")],
            &[("Take w", ["a", "b"]), ("Take w-raw", ["c", "d"]), ("Take all of them", ["a c", "b d"])],
        ),
        (
            &[("train.en", "a"), ("val.en", "b"), ("train.de", "c"), ("val.de", "d"), ("test.de", "e"), ("test.en", "f")],
            &[("Take *.de", ["c", "d"]), ("Take *.en", ["a", "b"]), ("Take all of them", ["a c", "b d"])],
        ),
        (
            &[("en/train.txt", "a"), ("en/dev.txt", "b"), ("de/train.txt", "c"), ("de/dev.txt", "d")],
            &[("Take de", ["c", "d"]), ("Take en", ["a", "b"]), ("Take all of them", ["a c", "b d"])],
        ),
        (&[("europarl-v7.de-en.de", "a"), ("europarl-v7.de-en.en", "b")], &[("Take *.de", ["a", "a"]), ("Take *.en", ["b", "b"])]),
        (
            &[("corpus_v1/one.txt", "a"), ("corpus_v1/two.txt", "a"), ("corpus_v2/one.txt", "b"), ("corpus_v2/two.txt", "b")],
            &[("Take corpus_v1", ["a", "a"]), ("Take corpus_v2", ["b", "b"])],
        ),
        (&[("book.txt", "a"), ("book_clean.txt", "b")], &[("Take book.txt", ["a", "a"]), ("Take book_clean.txt", ["b", "b"])]),
    ];
    for (files, answers) in cases {
        let data = texts(files);
        let problem = asked(data.path());
        assert_eq!(problem.code, "several-forms", "{files:?} {}", problem.message);
        for (title, expected) in *answers {
            assert_eq!(words(&remedied(data.path(), &problem, title)), *expected, "{files:?} {title}");
        }
    }
    // Rows of tables too.
    let rows = |word: &str| (0..30).map(|i| format!("{{\"text\": \"{word} the river runs {i}.\"}}\n")).collect::<String>();
    let tables = folder(&[("en/train.jsonl", rows("a").as_bytes()), ("de/train.jsonl", rows("b").as_bytes())]);
    let problem = asked(tables.path());
    assert_eq!(titles(&problem), ["Take de", "Take en", "Take all of them"]);
    assert_eq!(words(&remedied(tables.path(), &problem, "Take en")), ["a", "a"]);
    assert_eq!(words(&remedied(tables.path(), &problem, "Take all of them")), ["a b", "a b"]);
}

#[test]
fn parts_of_one_text_are_taken_together() {
    for files in [
        &[("train.0.txt", "a"), ("train.1.txt", "a"), ("val.txt", "b")][..],
        &[("part1/train.txt", "a"), ("part2/train.txt", "a"), ("part1/val.txt", "b")],
        &[("AA/wiki_00", "a"), ("AB/wiki_00", "a")],
        &[("alice.txt", "a"), ("moby.txt", "a"), ("emma.txt", "a")],
        &[("train/alice.txt", "a"), ("train/moby.txt", "a"), ("val/emma.txt", "b")],
        &[("train-aa", "a"), ("train-ab", "a"), ("val", "b")],
    ] {
        let data = texts(files);
        let verdict = verdict_of(data.path(), &Options::default());
        assert!(verdict.problems.iter().all(|problem| problem.code != "several-forms"), "{files:?} {:?}", verdict.problems);
        assert_eq!(words(&landed(data.path(), &Options::default()))[0], "a", "{files:?}");
    }
    // Of subjects, and of sources that share what is validated on: told, and taken.
    for files in [
        &[("sport/001.txt", "a"), ("sport/002.txt", "a"), ("business/001.txt", "a"), ("business/002.txt", "a")][..],
        &[("train_books.txt", "a"), ("train_news.txt", "a"), ("val.txt", "b")],
        &[("a1/bnc.train", "a"), ("a1/tales.train", "a"), ("a1/wikis.train", "a"), ("a1/talks.train", "a"), ("a2/bnc.dev", "b")],
    ] {
        let data = texts(files);
        let verdict = verdict_of(data.path(), &Options::default());
        let told = problem_of(&verdict, "several-forms");
        assert_eq!((told.severity, told.remedies.len() as u64), (Severity::Warning, told.count), "{}", told.message);
        assert!(verdict.importable);
    }
}

fn tokens(data: &[(&str, u16)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, from) in data {
        // Many values, so that they look like tokens of 16 bits.
        let bytes: Vec<u8> = (0..3000u16).flat_map(|i| (from + i % 1000 * 7).to_le_bytes()).collect();
        write(folder.path(), name, bytes);
    }
    folder
}

#[test]
fn tokens_of_two_tokenizers_are_asked() {
    let count = |verdict: &Verdict| {
        assert!(verdict.importable, "{:?}", verdict.problems);
        (verdict.train, verdict.test)
    };
    for (files, titles_of) in [
        ([("gpt2/train.bin", 1), ("gpt2/val.bin", 2), ("llama/train.bin", 3), ("llama/val.bin", 4)], ["Take gpt2", "Take llama"]),
        (
            [("train.bin", 1), ("val.bin", 2), ("train_char.bin", 3), ("val_char.bin", 4)],
            ["Take train.bin and its like", "Take train_char.bin and its like"],
        ),
        ([("gpt2/a.bin", 1), ("gpt2/b.bin", 2), ("llama/a.bin", 3), ("llama/b.bin", 4)], ["Take gpt2", "Take llama"]),
    ] {
        let data = tokens(&files);
        let problem = asked(data.path());
        assert_eq!(titles(&problem), [&titles_of[..], &["Take all of them"]].concat());
        let counts: Vec<u64> = problem
            .remedies
            .iter()
            .map(|remedy| {
                let (train, test) = count(&verdict_of(data.path(), &remedy.options));
                train + test
            })
            .collect();
        assert_eq!(counts, [6000, 6000, 12000], "{files:?}");
        assert!(try_import(&[data.path().to_owned()], problem.remedies[0].options.clone()).is_ok());
    }
    let shards = tokens(&[("fineweb_train_000001.bin", 1), ("fineweb_train_000002.bin", 2), ("fineweb_val_000000.bin", 3)]);
    assert_eq!(count(&verdict_of(shards.path(), &Options::default())), (6000, 3000));
    let none = Options { table: Some("none.bin".into()), ..Options::default() };
    assert!(!verdict_of(shards.path(), &none).importable);
}

#[test]
fn numbers_beside_text_are_no_text() {
    let split = |split: &str| -> Vec<(String, String)> {
        let name = |kind: &str| format!("{split}/dialogues_{kind}{split}.txt");
        vec![(name(""), lines(split, 30)), (name("act_"), "2 1 \n".repeat(30)), (name("emotion_"), "0 0 \n".repeat(30))]
    };
    let files = [split("train"), split("validation")].concat();
    let data = folder(&files.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect::<Vec<_>>());
    let (train, test) = landed(data.path(), &Options::default());
    assert_eq!([train, test], [lines("train", 30) + "¶", lines("validation", 30) + "¶"]);
    // The bytes of the text as numbers in one line, as Transformer-XL prepares enwik8.
    let text = lines("a", 400);
    let bytes = text.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(" ") + "\n";
    let data = folder(&[("train.txt.raw", text.as_bytes()), ("train.txt", bytes.as_bytes()), ("val.txt.raw", b"b\n")]);
    assert_eq!(landed(data.path(), &Options::default()), (text + "¶", "b\n¶".into()));
}

#[test]
fn tables_of_numbers_are_no_text() {
    let row = |i: usize| {
        let pixels = (0..256).map(move |at| format!("{}.0000", (at + i) % 2));
        pixels.chain((0..10).map(move |at| u8::from(at == i % 10).to_string()))
    };
    let rows: String = (0..40).map(|i| row(i).collect::<Vec<_>>().join(" ") + " \n").collect();
    let data = folder(&[("semeion.data", rows.as_bytes()), ("semeion.names", b"1. Title: Semeion\n")]);
    let problem = asked(data.path());
    assert!(problem.code == "number-table" && problem.message.contains("266 numbers"), "{}", problem.message);
    let options = &problem.remedies[0].options;
    assert!(verdict_of(data.path(), options).importable);
    let arff = "% digits\n@RELATION digits\n@ATTRIBUTE pixel1 REAL\n@ATTRIBUTE class {0,1}\n@DATA\n1,0\n2,1\n";
    let data = folder(&[("digits.arff", arff.as_bytes())]);
    assert!(asked(data.path()).message.contains("ARFF"));
    // Lists of numbers alone are text, and it is said.
    let list = folder(&[("train.txt", b"1\n2\n3\n"), ("val.txt", b"4\n5\n")]);
    let verdict = verdict_of(list.path(), &Options::default());
    assert!(verdict.importable);
    assert_eq!(problem_of(&verdict, "numbers").severity, Severity::Warning);
}

#[test]
fn lists_of_tokens_in_csv_are_tokens() {
    for lists in [["[5, 6, 7]", "[8, 9]"], ["[5 6 7]", "[8 9]"]] {
        let rows = format!("id,input_ids\n0,\"{}\"\n1,\"{}\"\n", lists[0], lists[1]);
        let data = folder(&[("train.csv", rows.as_bytes()), ("val.csv", b"id,input_ids\n0,\"[1, 2]\"\n")]);
        let verdict = verdict_of(data.path(), &Options::default());
        assert_eq!(verdict.format.as_ref().map(|format| format.id), Some(Format::Tokens), "{:?}", verdict.problems);
        let imported = try_import(&[data.path().to_owned()], Options::default()).unwrap();
        let stored = |split: &str| -> Vec<u32> {
            let (_, bytes) = imported.array(&format!("{split}/tokens.npy"));
            bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
        };
        assert_eq!((stored("train"), stored("test")), (vec![5, 6, 7, 8, 9], vec![1, 2]));
    }
    let other = folder(&[("train.csv", b"name,numbers\na,\"[5, 6]\"\nb,\"[7, 8]\"\n")]);
    assert!(asked(other.path()).message.contains("numbers (lists of numbers)"));
    let bad = folder(&[("train.csv", b"input_ids\n\"[5, 6, 7]\"\n\"[8, x]\"\n")]);
    assert!(asked(bad.path()).message.contains("row 1"));
}

#[test]
fn pages_that_tell_splits_are_refused() {
    let page =
        |split: &str| format!("<!DOCTYPE lewis SYSTEM \"lewis.dtd\">\n<REUTERS LEWISSPLIT=\"{split}\">\n<BODY>Cocoa.</BODY></REUTERS>\n");
    let pages = [page("TRAIN"), page("TEST")];
    let data =
        folder(&[("reut2-000.sgm", pages[0].as_bytes()), ("reut2-001.sgm", pages[1].as_bytes()), ("lewis.dtd", b"<!ELEMENT lewis>\n")]);
    let problem = asked(data.path());
    assert_eq!(problem.code, "splits-inside", "{}", problem.message);
    let (train, test) = remedied(data.path(), &problem, &problem.remedies[0].title);
    assert!(!(train + &test).contains("ELEMENT"));
}

/// Images in folders, `count folder/name`.
fn pictures(files: &[(String, u8)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, value)| write(folder.path(), name, png(*value)));
    folder
}

fn answers(at: &Path, problem: &Problem) -> Vec<(String, String)> {
    problem.remedies.iter().map(|remedy| (remedy.title.clone(), agreed(at, &remedy.options))).collect()
}

#[test]
fn two_levels_of_classes_are_asked() {
    let of = |folders: &[&str], below: &str| -> TempDir {
        let names = folders
            .iter()
            .enumerate()
            .flat_map(|(at, folder)| (0..10).map(move |i| (format!("{folder}{below}/{i}.png"), (at * 10 + i) as u8)));
        pictures(&names.collect::<Vec<_>>())
    };
    let lungs = ["set/colon/colon_aca", "set/colon/colon_n", "set/lung/lung_aca", "set/lung/lung_scc"];
    let data = of(&lungs, "");
    let problem = asked(data.path());
    let expected = [
        ("Take colon, lung as the classes", "colon 18+2, lung 18+2"),
        ("Take colon_aca, colon_n, lung_aca, ... as the classes", "colon_aca 9+1, colon_n 9+1, lung_aca 9+1, lung_scc 9+1"),
    ];
    let expected: Vec<(String, String)> = expected.iter().map(|(title, found)| ((*title).to_owned(), (*found).to_owned())).collect();
    assert_eq!((problem.code, answers(data.path(), &problem)), ("which-classes", expected));
    // Below a wrapper, and below splits.
    let tumours = of(&["benign/SOB/adenosis", "benign/SOB/phyllodes", "malignant/SOB/lobular", "malignant/SOB/mucinous"], "/p1/40X");
    assert_eq!(answers(tumours.path(), &asked(tumours.path()))[1].1, "adenosis 9+1, lobular 9+1, mucinous 9+1, phyllodes 9+1");
    let splits = of(&["train/cat/manx", "train/cat/tabby", "train/dog/pug", "train/dog/husky", "val/cat/manx", "val/dog/pug"], "");
    assert_eq!(answers(splits.path(), &asked(splits.path()))[0].1, "cat 20+10, dog 20+10");
    // Patients are parts.
    let patients = of(&["ill/p1", "ill/p2", "well/p3", "well/p4"], "");
    assert_eq!(agreed(patients.path(), &Options::default()), "ill 18+2, well 18+2");
    let scans = of(&["ill/a/p1", "ill/a/p2", "well/a/p3", "well/a/p4"], "");
    assert!(problem_of(&verdict_of(scans.path(), &Options::default()), "unused-level").message.contains("p1"));
}

#[test]
fn bands_and_masks_are_no_samples() {
    let city = |name: &str, words: &[&str]| -> Vec<(String, u8)> {
        let cities = [("train", "aachen"), ("train", "bochum"), ("val", "aachen"), ("val", "bochum")];
        let places = cities.iter().flat_map(|(split, city)| (0..3).map(move |i| format!("{split}/{city}/{city}_{i}")));
        places
            .enumerate()
            .flat_map(|(at, place)| {
                words.iter().enumerate().map(move |(k, word)| (format!("{name}/{place}_{word}.png"), (at * 8 + k) as u8))
            })
            .collect()
    };
    let fine = pictures(&city("gtFine", &["gtFine_color", "gtFine_labelIds", "gtFine_instanceIds"]));
    let problem = asked(fine.path());
    assert!(problem.code == "views" && problem.message.contains("color, instanceIds, labelIds"), "{}", problem.message);
    assert_eq!(answers(fine.path(), &problem), [("Take each image as a sample".to_owned(), "aachen 9+9, bochum 9+9".to_owned())]);
    let both = pictures(&[city("gtFine", &["gtFine_color", "gtFine_labelIds"]), city("leftImg8bit", &["leftImg8bit"])].concat());
    assert_eq!(asked(both.path()).code, "views");
    let bands: Vec<(String, u8)> =
        (0..12u8).flat_map(|i| ["B02", "B03", "B04", "B8A"].map(|band| (format!("P_{i}/P_{i}_{band}.png"), i))).collect();
    assert_eq!(asked(pictures(&bands).path()).code, "views");
    // Numbered frames are samples.
    let frames: Vec<(String, u8)> = (0..12u8)
        .flat_map(|i| [1, 2].map(|frame| (format!("{}/v{i}_f{frame}.png", ["run", "walk"][usize::from(i) % 2]), i * 2 + frame)))
        .collect();
    assert_eq!(agreed(pictures(&frames).path(), &Options::default()), "run 11+1, walk 11+1");
}

#[test]
fn no_button_leads_to_masks_or_splits_as_classes() {
    let of = |folders: &[&str]| -> TempDir {
        let names =
            folders.iter().enumerate().flat_map(|(at, folder)| (0..10).map(move |i| (format!("{folder}/{i}.png"), (at * 10 + i) as u8)));
        pictures(&names.collect::<Vec<_>>())
    };
    for (folders, code) in [
        (&["train", "trainannot", "val", "valannot", "test", "testannot"][..], "masks"),
        (&["train", "train_masks"], "masks"),
        (&["bounding_box_train", "bounding_box_test", "gt_bbox", "query"], "class-like-split"),
        (&["DIV2K_train_HR", "DIV2K_valid_HR", "DIV2K_train_LR/X2", "DIV2K_valid_LR/X2"], "no-classes"),
    ] {
        let data = of(folders);
        let problem = asked(data.path());
        assert_eq!((problem.code, problem.remedies.len()), (code, 0), "{folders:?} {}", problem.message);
    }
    let data = of(&["NCT-100K/ADI", "NCT-100K/TUM", "CRC-VAL-7K/ADI", "CRC-VAL-7K/TUM"]);
    let problem = asked(data.path());
    let first = &answers(data.path(), &problem)[0];
    assert_eq!((first.0.as_str(), first.1.as_str()), ("Train on NCT-100K and validate on CRC-VAL-7K", "ADI 10+10, TUM 10+10"));
}

#[test]
fn tables_of_pixels_and_of_boxes_are_read_by_their_names() {
    let head = |first: &str| format!("{first},{}\n", (0..64).map(|i| format!("pixel{i}")).collect::<Vec<_>>().join(","));
    let rows = |count: usize, first: &dyn Fn(usize) -> usize| -> String {
        (0..count)
            .map(|i| format!("{},{}\n", first(i), (0..64).map(|at| ((at * 7 + i) % 255).to_string()).collect::<Vec<_>>().join(",")))
            .collect()
    };
    let data = folder(&[
        ("train.csv", (head("label") + &rows(30, &|i| i % 3)).as_bytes()),
        ("test.csv", (head("id") + &rows(12, &|i| i)).as_bytes()),
        ("Dig-MNIST.csv", (head("label") + &rows(12, &|i| i % 3)).as_bytes()),
    ]);
    assert_eq!(agreed(data.path(), &Options::default()), "0 9+1, 1 9+1, 2 9+1");
    // A row for each box.
    let images = pictures(&(0..20u8).map(|i| (format!("images/p{i:03}.png"), i)).collect::<Vec<_>>());
    let boxes = |i: usize| if i % 2 == 1 { format!("p{i:03},1.0,2.0,3.0,4.0,1\n").repeat(2) } else { format!("p{i:03},,,,,0\n") };
    write(images.path(), "labels.csv", format!("patientId,x,y,width,height,Target\n{}", (0..20).map(boxes).collect::<String>()));
    assert_eq!(agreed(images.path(), &Options::default()), "0 9+1, 1 9+1");
}

#[test]
fn a_sole_array_without_a_name_has_that_of_its_file() {
    let npz = |array: Vec<u8>| {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        zip.start_file("arr_0.npy", zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut zip, &array).unwrap();
        zip.finish().unwrap().into_inner()
    };
    let images = |count: usize| {
        npz([&write_header("|u1", &[count, 4, 4])[..], &(0..count * 16).map(|i| (i * 3 % 251) as u8).collect::<Vec<_>>()].concat())
    };
    let labels = |count: usize| npz([&write_header("|u1", &[count])[..], &(0..count).map(|i| (i % 3) as u8).collect::<Vec<_>>()].concat());
    let (a, b, c, d) = (images(12), labels(12), images(6), labels(6));
    let data = folder(&[
        ("kmnist-train-imgs.npz", &a[..]),
        ("kmnist-train-labels.npz", &b),
        ("kmnist-test-imgs.npz", &c),
        ("kmnist-test-labels.npz", &d),
    ]);
    assert_eq!(agreed(data.path(), &Options::default()), "0 4+2, 1 4+2, 2 4+2");
}

#[test]
fn files_that_name_the_classes_are_used() {
    for (classes, file, text, expected) in [
        (
            ["0", "1", "2"],
            "categories_places365.txt",
            "/a/airfield 0\n/a/alley 1\n/b/bakery/shop 2\n",
            "/a/airfield 9+1, /a/alley 9+1, /b/bakery/shop 9+1",
        ),
        (
            ["n0", "n1", "n2"],
            "monkey_labels.txt",
            "Label, Latin Name, Images\nn0   , palliata\t, 8\nn1 , patas\t, 8\nn2 , calvus , 8\n",
            "palliata 9+1, patas 9+1, calvus 9+1",
        ),
        // Names that end with numbers of their own.
        (["0", "1", "2"], "classes.txt", "grade 0\ngrade 1\ngrade 2\n", "grade 0 9+1, grade 1 9+1, grade 2 9+1"),
    ] {
        let names = (0..30).map(|i| (format!("{}/{i}.png", classes[i % 3]), i as u8));
        let data = pictures(&names.collect::<Vec<_>>());
        write(data.path(), file, text);
        assert_eq!(agreed(data.path(), &Options::default()), expected, "{file}");
    }
}

#[test]
fn refusals_say_what_to_do() {
    let dat = folder(&[("train.dat", &[1, 0, 200, 3, 9, 1, 0, 7][..]), ("val.memmap", &[1, 0, 200, 3])]);
    assert!(asked(dat.path()).message.contains("call it .bin"));
    let copy: Vec<(String, u8)> = ["x", "x/x"]
        .iter()
        .flat_map(|at| {
            ["train/a", "train/b", "test/a", "test/b"]
                .iter()
                .flat_map(move |folder| (0..4).map(move |i| (format!("{at}/{folder}/{i}.png"), i)))
        })
        .collect();
    let copy = pictures(&copy);
    let verdict = verdict_of(copy.path(), &Options::default());
    assert!(found(&verdict).contains("no-label") && verdict.problems.iter().all(|problem| problem.code != "unused-level"));
    assert!(!matches!(verdict.content, Some(Looked::Tokens { .. })));
}
