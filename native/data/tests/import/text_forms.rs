//! Which files are the text: its forms beside each other, words about it, tables about it, rows that were rejected.

use crate::common::sets::{folder, texts};
use crate::common::texts::{landed, problem};
use crate::common::verdict_of;
use sdp_data::options::Options;

fn none() -> Options {
    Options::default()
}

/// Lines that differ.
fn lines(from: usize, count: usize) -> String {
    (from..from + count).map(|i| format!("{{\"text\":\"the sentence of number {i} says {}\"}}\n", i * i)).collect()
}

#[test]
fn forms_of_a_text_are_known_by_what_they_share() {
    for [one, other] in [
        ["sharegpt_v3_split.json", "sharegpt_v3_split_no_imsorry.json"],
        ["sg_90k_part1.jsonl", "sg_90k_part1_html_cleaned.jsonl"],
        ["oasst_all.messages.jsonl", "oasst_ready.messages.jsonl"],
    ] {
        let content = |from: usize| match one.ends_with("json") {
            true => format!("[{}]", lines(from, 100).trim_end().replace('\n', ",")),
            false => lines(from, 100),
        };
        let set = folder(&[], &texts(&[(one, &content(0)), (other, &content(5))]));
        let verdict = verdict_of(set.path(), &none());
        let question = verdict.problems.iter().find(|problem| problem.code == "several-forms");
        let question = question.unwrap_or_else(|| panic!("{one}: {:?}", verdict.problems));
        assert_eq!((verdict.importable, question.remedies.len()), (false, 3));
        for (remedy, file) in question.remedies.iter().zip(question.places.iter().map(|place| place.file.rsplit('/').next().unwrap())) {
            let account = verdict_of(set.path(), &remedy.options).account;
            let used = account.iter().filter(|line| line.used).flat_map(|line| &line.examples).filter(|name| name.contains('.'));
            assert_eq!(used.collect::<Vec<_>>(), [file]);
        }
    }
    // Parts of one text have nothing in common.
    let parts = folder(&[], &texts(&[("stories_winter.jsonl", &lines(0, 100)), ("stories_summer.jsonl", &lines(500, 100))]));
    assert!(verdict_of(parts.path(), &none()).importable);
}

#[test]
fn endings_of_translations_name_no_training() {
    let text = |name: &str| format!("the sentence of {name} says something\n").repeat(200);
    let of = |files: &[&str]| {
        let set = folder(&[], &files.iter().map(|name| (*name, text(name).into_bytes())).collect::<Vec<_>>());
        let account = verdict_of(set.path(), &none()).account;
        let used = account.iter().filter(|line| line.used).map(|line| format!("{}: {}", line.what, line.examples.join(" ")));
        used.collect::<Vec<_>>().join("; ")
    };
    assert_eq!(
        of(&["train.de", "newstest2013.de", "newstest2014.de"]),
        "validation text: newstest2013.de newstest2014.de; training text: train.de"
    );
    assert_eq!(
        of(&["dev/eng_Latn.dev", "devtest/eng_Latn.devtest"]),
        "training text: dev/eng_Latn.dev; validation text: devtest/eng_Latn.devtest"
    );
}

#[test]
fn lists_of_addresses_and_words_about_the_files_are_no_text() {
    let text = |name: &str| format!("a line of {name} says something\n").repeat(100);
    let addresses: String = (0..100).map(|i| format!("m{i} +++$+++ the film {i} +++$+++ http://www.host.org/{i}.html\n")).collect();
    let set = folder(
        &[],
        &texts(&[
            ("movie_lines.txt", &text("lines")),
            ("raw_script_urls.txt", &addresses),
            ("_about.txt", "what is here and how it was made\n"),
        ]),
    );
    let account = verdict_of(set.path(), &none()).account;
    let used: Vec<&String> = account.iter().filter(|line| line.used).flat_map(|line| &line.examples).collect();
    assert_eq!(used, ["movie_lines.txt"]);
    // Named for the two parts of a test.
    let parts = folder(&[], &texts(&[("eng.train", &text("a")), ("eng.testa", &text("b")), ("eng.testb", &text("c"))]));
    let account = verdict_of(parts.path(), &none()).account;
    let trained: Vec<&String> = account.iter().filter(|line| line.what == "training text").flat_map(|line| &line.examples).collect();
    assert_eq!(trained, ["eng.train"]);
}

#[test]
fn words_beside_text_are_no_text() {
    let used = |files: &[(&str, &str)]| {
        let set = folder(&[], &texts(files));
        let account = verdict_of(set.path(), &none()).account;
        account.iter().filter(|line| line.used).flat_map(|line| line.examples.clone()).filter(|name| name.contains('.')).collect::<Vec<_>>()
    };
    let text = |name: &str| format!("a line of {name} says something\n").repeat(100);
    let links: String = (0..100).map(|i| format!("de/2000/{i}/2.xml.gz\ten/2000/{i}/3.xml.gz\t1\t{i}\n")).collect();
    assert_eq!(used(&[("subtitles.de", &text("de")), ("subtitles.ids", &links)]), ["subtitles.de"]);
    let table = lines(0, 100);
    assert_eq!(
        used(&[("classes.txt", "World\nSports\nBusiness\n"), ("train.jsonl", &table), ("test.jsonl", &lines(200, 50))]),
        ["test.jsonl", "train.jsonl"]
    );
}

#[test]
fn shards_that_begin_alike_are_no_other_format() {
    let set = folder(&[], &texts(&[("c4-train.00000-of-00002.json", &lines(0, 50)), ("c4-train.00001-of-00002.json", &lines(0, 50))]));
    let verdict = verdict_of(set.path(), &none());
    assert!(verdict.problems.iter().all(|problem| problem.code != "same-rows"), "{:?}", verdict.problems);
    assert!(!verdict.importable);
}

#[test]
fn a_text_and_what_was_made_of_it_are_forms() {
    let names = |i: usize| ["text", "tokens", "counts"].map(|form| format!("{form}/PG{i}_{form}.txt"));
    let files: Vec<(String, Vec<u8>)> =
        (0..4).flat_map(names).map(|name| (name.clone(), format!("{name} is a text of words\n").repeat(60).into_bytes())).collect();
    let files: Vec<(&str, Vec<u8>)> = files.iter().map(|(name, text)| (name.as_str(), text.clone())).collect();
    let verdict = verdict_of(folder(&[], &files).path(), &none());
    let question = verdict.problems.iter().find(|problem| problem.code == "several-forms").unwrap();
    assert_eq!((verdict.importable, question.remedies.len()), (false, 4));
}

#[test]
fn a_text_without_its_signs_is_a_form_of_it() {
    let text: String = (0..200).map(|i| format!("Sentence {i}: it says {}, and no more.\n", i * i)).collect();
    let plain = text.to_lowercase().replace([':', ',', '.'], "");
    let set = folder(&[], &texts(&[("corpus.txt", &text), ("corpus_lowered_nopunct.txt", &plain)]));
    let verdict = verdict_of(set.path(), &none());
    assert!(
        verdict.problems.iter().any(|problem| problem.code == "several-forms" && problem.remedies.len() == 3),
        "{:?}",
        verdict.problems
    );
}

#[test]
fn texts_without_doubles_are_forms_of_the_text() {
    let line = |i: usize| format!("{{\"text\":\"the sentence of number {} says {}\"}}\n", i % 80, (i % 80) * (i % 80));
    let all: String = (0..100).map(line).collect();
    let exact: String = (0..80).map(line).collect();
    let fuzzy: String = (0..70).map(line).collect();
    let set = folder(&[], &texts(&[("wiki.jsonl", &all), ("wiki_exact_dedup.jsonl", &exact), ("wiki_fuzzy_dedup.jsonl", &fuzzy)]));
    let verdict = verdict_of(set.path(), &none());
    let question = problem(&verdict, "which-table");
    assert_eq!((verdict.importable, question.remedies.len()), (false, 4));
    for remedy in &question.remedies[..3] {
        assert!(verdict_of(set.path(), &remedy.options).importable, "{}", remedy.title);
    }
}

#[test]
fn rows_of_text_that_were_rejected_are_left_out() {
    let answer = |i: usize| ["accept", "reject", "ignore"][i % 3];
    let row = |i: usize| format!("{{\"text\":\"<{i}>\",\"label\":\"X\",\"answer\":\"{}\"}}\n", answer(i));
    let set =
        folder(&[], &texts(&[("train.jsonl", &(0..9).map(row).collect::<String>()), ("val.jsonl", &(9..15).map(row).collect::<String>())]));
    assert_eq!(landed(set.path(), &none()), ("<0>¶<3>¶<6>¶".into(), "<9>¶<12>¶".into()));
    let verdict = verdict_of(set.path(), &none());
    assert_eq!(problem(&verdict, "rejected-rows").count, 10);
    assert!(verdict.account.iter().any(|line| line.what == "answers" && line.examples == ["answer"]), "{:?}", verdict.account);
    // Answers to questions are text.
    let row = |i: usize| format!("{{\"question\":\"is it {i}\",\"answer\":\"{}\"}}\n", answer(i));
    let set = folder(&[], &texts(&[("a.jsonl", &(0..9).map(row).collect::<String>())]));
    assert!(verdict_of(set.path(), &none()).problems.iter().all(|problem| problem.code != "rejected-rows"));
}

#[test]
fn a_table_about_files_of_text_is_no_text() {
    let book = |i: usize| format!("It was the night of number {i}. ").repeat(60);
    let books: Vec<(String, Vec<u8>)> = (0..6).map(|i| (format!("books/b{i}.txt"), book(i).into_bytes())).collect();
    let with = |table: &str| {
        let mut files: Vec<(&str, Vec<u8>)> = books.iter().map(|(name, text)| (name.as_str(), text.clone())).collect();
        files.push(("metadata.csv", table.as_bytes().to_vec()));
        folder(&[], &files)
    };
    for header in ["id,title,author", "file,title,description"] {
        let end = if header.starts_with("id") { "" } else { ".txt" };
        let rows: String = (0..6).map(|i| format!("b{i}{end},The title of {i},Somebody who wrote it by night {i}\n")).collect();
        let set = with(&format!("{header}\n{rows}"));
        let verdict = verdict_of(set.path(), &none());
        assert!(verdict.importable, "{:?}", verdict.problems);
        assert!(verdict.account.iter().any(|line| line.what == "tables about the text" && !line.used), "{:?}", verdict.account);
        assert_eq!(problem(&verdict, "about-text").remedies.len(), 1);
    }
    // A table without text beside it is no answer, and one of other texts is a question.
    let other = |header: &str, row: &dyn Fn(usize) -> String| with(&format!("{header}\n{}", (0..6).map(row).collect::<String>()));
    let numbers = verdict_of(other("a,b", &|i| format!("{i},{}\n", i * i)).path(), &none());
    assert!(numbers.importable, "{:?}", numbers.problems);
    assert_eq!(problem(&numbers, "no-text").severity, sdp_data::error::Severity::Warning);
    let prose = verdict_of(other("k,text", &|i| format!("{i},another text of several words {i}\n")).path(), &none());
    assert_eq!((prose.importable, problem(&prose, "several-kinds").remedies.len()), (false, 3));
}

#[test]
fn text_that_only_tells_of_data_is_no_dataset() {
    let lines = |file: &str| (0..8).map(|i| format!("{file}_{i}.avi {i}\n")).collect::<String>().into_bytes();
    let videos = |i: usize| (format!("videos/run_{i}.avi"), vec![0u8, 1, 2, 3, 255, i as u8]);
    let videos: Vec<(String, Vec<u8>)> = (0..8).map(videos).collect();
    let words = b"# Pictures\n\nSome words about them, and where they are from.\n".to_vec();
    for files in [
        vec![("scans/1.dcm", [&[0; 128][..], b"DICM", &[7; 300]].concat()), ("README.md", words.clone())],
        vec![("train.beton", vec![0, 1, 2, 0xff, 0]), ("class_names.txt", b"cat\ndog\n".to_vec())],
        [
            &videos.iter().map(|(name, video)| (name.as_str(), video.clone())).collect::<Vec<_>>()[..],
            &[("lists/trainlist01.txt", lines("run"))],
        ]
        .concat(),
    ] {
        let set = folder(&[], &files);
        let verdict = verdict_of(set.path(), &none());
        assert!(!verdict.importable, "{:?}", verdict.account);
        assert_eq!(verdict.problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), ["unknown-format"], "{:?}", verdict.problems);
        let text = Options { format: Some(sdp_data::options::Format::Text), ..none() };
        assert!(verdict_of(set.path(), &text).content.is_some());
    }
    // A text beside other files is one all the same.
    let book = "It was a dark night, and nobody was there.\n".repeat(50);
    let set = folder(&[], &[("book.txt", book.into_bytes()), ("model.safetensors", vec![0, 1, 2, 0xff, 0]), ("README.md", words)]);
    assert!(verdict_of(set.path(), &none()).importable);
}

#[test]
fn a_chosen_encoding_leaves_text_in_utf8_as_it_is() {
    let latin = |text: &str| text.chars().map(|c| c as u8).collect::<Vec<u8>>();
    let files: [(&str, Vec<u8>); 3] =
        [("train/a.txt", "the café of one\n".into()), ("train/b.txt", latin("the café of two\n")), ("val/c.txt", b"plain\n".to_vec())];
    let set = folder(&[], &files);
    let options = Options { encoding: Some("windows-1252".into()), ..none() };
    assert_eq!(landed(set.path(), &options).0, "the café of one\n¶the café of two\n¶");
}

#[test]
fn what_was_not_preferred_is_offered_last() {
    let row = |i: usize| {
        format!("{{\"rejected\":\"a long answer that nobody liked at all, number {i}\",\"chosen\":\"an answer of several words {i}\"}}\n")
    };
    let set = folder(&[], &texts(&[("a.jsonl", &(0..20).map(row).collect::<String>())]));
    let verdict = verdict_of(set.path(), &none());
    assert_eq!(crate::common::texts::titles(problem(&verdict, "no-column")), ["Take chosen", "Take rejected"]);
}
