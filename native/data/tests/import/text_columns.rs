//! Text in tables of every format: the same templates, questions, splits and account whether rows are CSV, JSON, Parquet or Arrow; copies of
//! text that lie beside it; encodings; files beside text that are none.

use std::io::Write;
use std::path::Path;

use crate::common::parquet::{Column, ints, parquet, texts};
use crate::common::texts::{folder, landed, problem, remedied, titles};
use crate::common::{fixtures, try_import, verdict_of};
use sdp_data::error::Severity;
use sdp_data::options::{Format, Options};

const HELLO: &str = "<|im_start|>user\nHi 0<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n";

fn chats(count: usize) -> Column {
    let message = |role: &str, text: String| (role.to_owned(), text);
    Column::Chats((0..count).map(|i| vec![message("user", format!("Hi {i}")), message("assistant", "Hello".into())]).collect())
}

fn all(path: &Path, options: &Options) -> String {
    let (train, test) = landed(path, options);
    train + &test
}

/// Lines of the account of columns: those that are used, as what, and the others.
fn columns(path: &Path) -> Vec<String> {
    let lines = verdict_of(path, &Options::default()).account;
    let of_columns = lines.iter().filter(|line| serde_json::to_value(line.unit).unwrap() == "columns");
    let mut said: Vec<String> = of_columns.map(|line| format!("{}: {}", line.what, line.examples.join(" "))).collect();
    said.sort();
    said
}

fn codes(path: &Path, options: &Options) -> Vec<&'static str> {
    let verdict = verdict_of(path, options);
    verdict.problems.iter().filter(|problem| problem.severity == Severity::Error).map(|problem| problem.code).collect()
}

#[test]
fn chats_and_templates_of_parquet_are_those_of_json() {
    let smol = parquet(&[("messages", chats(40)), ("source", texts(["smol-magpie"; 40]))], None);
    let data = folder(&[("train.parquet", &smol), ("validation.parquet", &smol)]);
    let (train, test) = landed(data.path(), &Options::default());
    assert!(train.starts_with(HELLO) && train == test && train.matches("Hello").count() == 40, "{train}");
    assert_eq!(columns(data.path()), ["messages: messages", "other columns: source"]);
    assert!(problem(&verdict_of(data.path(), &Options::default()), "template").message.contains("every message of messages"));
    let chosen = Options { text_column: Some("messages".into()), ..Options::default() };
    assert_eq!(landed(data.path(), &chosen).0, train);
    let vicuna = parquet(&[("id", texts(0..40)), ("conversations", chats(40))], None);
    assert!(all(folder(&[("train.parquet", &vicuna)]).path(), &Options::default()).contains(HELLO));
    let preferences = parquet(&[("chosen", chats(4)), ("rejected", chats(4))], None);
    let data = folder(&[("train.parquet", &preferences), ("val.parquet", &preferences)]);
    let verdict = verdict_of(data.path(), &Options::default());
    assert!(remedied(data.path(), problem(&verdict, "several-columns"), "Take chosen").0.starts_with(HELLO));
    let alpaca = parquet(&[("instruction", texts(["Add."])), ("input", texts(["1 2"])), ("output", texts(["3"]))], None);
    let data = folder(&[("train.parquet", &alpaca), ("val.parquet", &alpaca)]);
    assert_eq!(landed(data.path(), &Options::default()).0, "### Instruction:\nAdd.\n\n### Input:\n1 2\n\n### Response:\n3¶");
    let asked = parquet(&[("id", ints(0..1)), ("question", texts(["2+2?"])), ("answer", texts(["4"]))], None);
    let data = folder(&[("train.parquet", &asked), ("val.parquet", &asked)]);
    assert_eq!(landed(data.path(), &Options::default()).0, "Question: 2+2?\nAnswer: 4¶");
    assert_eq!(columns(data.path()), ["answers: answer", "other columns: id", "questions: question"]);
}

#[test]
fn chats_saved_by_datasets_and_polars_are_those_of_json() {
    for name in ["hub/chats.arrow", "hub/chats-views.arrow"] {
        let imported = try_import(&[fixtures().join(name)], Options::default()).unwrap();
        let tokens = [imported.tokens("train"), imported.tokens("test")].concat();
        let text: Vec<u8> = tokens.into_iter().map(|token| if token == 256 { b'|' } else { token as u8 }).collect();
        let text = String::from_utf8(text).unwrap();
        let message = "<|im_start|>user\nWhat is 7 and a very long text behind it?<|im_end|>\n<|im_start|>assistant\n«7»<|im_end|>\n";
        assert_eq!((text.matches("<|im_start|>user").count(), text.matches(message).count()), (30, 1), "{name}: {text}");
        let account = columns(&fixtures().join(name));
        assert_eq!(account, ["messages: messages", "other columns: id source", "splits: split"], "{name}");
        assert_eq!(imported.tokens("test").iter().filter(|token| **token == 256).count(), 10, "{name}");
    }
}

#[test]
fn a_sole_column_of_other_text_is_asked_and_nested_columns_are_named() {
    let sentences = Column::Words((0..9).map(|i| vec![format!("Sentence {i}."), "Another.".into()]).collect());
    let lists = parquet(&[("lang", texts(["en"; 9])), ("sentences", sentences)], None);
    let data = folder(&[("train.parquet", &lists)]);
    let verdict = verdict_of(data.path(), &Options::default());
    let asked = problem(&verdict, "no-column");
    assert!(asked.message.contains("lang, sentences (lists)") && asked.remedies.is_empty(), "{}", asked.message);
    for values in [vec!["en"; 9], (0..9).map(|_| "https://example.org/picture.jpg").collect()] {
        let table = parquet(&[("url", texts(values)), ("width", ints(0..9))], None);
        assert_eq!(codes(folder(&[("train.parquet", &table)]).path(), &Options::default()), ["no-column"]);
    }
    let prose = |i: i64| format!("Song number {i}: la la la, and so on.");
    let songs = parquet(&[("lyrics", texts((0..9).map(prose))), ("year", ints(0..9))], None);
    let data = folder(&[("train.parquet", &songs), ("val.parquet", &songs)]);
    assert!(landed(data.path(), &Options::default()).0.starts_with("Song number 0"));
    assert_eq!(columns(data.path()), ["other columns: year", "text: lyrics"]);
    let rows: String = (0..9)
        .map(|i| format!("{{\"id\": {i}, \"body\": {{\"messages\": [{{\"role\": \"user\", \"content\": \"Hi {i}\"}}]}}}}\n"))
        .collect();
    let data = folder(&[("train.jsonl", rows.as_bytes()), ("val.jsonl", rows.as_bytes())]);
    assert!(landed(data.path(), &Options::default()).0.starts_with("<|im_start|>user\nHi 0<|im_end|>\n¶"));
    assert_eq!(columns(data.path()), ["messages: body.messages", "other columns: id"]);
}

#[test]
fn what_a_table_holds_in_the_place_of_text_is_named() {
    let squad = r#"{"version": "1", "data": [{"title": "Warsaw", "paragraphs": [{"context": "A city.", "qas": []}]}]}"#;
    let by_columns = r#"{"text": {"0": "a b", "1": "c d"}, "label": {"0": 1, "1": 2}}"#;
    let pictures = format!("image,label\n{0}A,1\n{0}B,2\n", "iVBORw0KGgo".to_owned() + &"AAAA".repeat(20));
    let printed = "pixels,label\n\"[[0 1 2 ... 4 5 6]]\",a\n\"[[0 1 2 ... 4 5 7]]\",b\n";
    let iris = "sepal_length,petal_length,species\n5.1,1.4,setosa\n4.9,1.5,virginica\n";
    for (name, content, expected) in [
        ("train.json", squad, "there are paragraphs (lists of objects), title"),
        ("train.json", by_columns, "written column by column"),
        ("train.csv", &pictures, "image (pictures as base64), label"),
        ("train.csv", printed, "pixels (arrays as NumPy prints them, cut short), label"),
        ("train.csv", iris, "there are sepal_length, petal_length, species; save a table"),
        ("a.json", "{\n  \"text\": \"one document\",\n  \"id\": 1\n}\n", "is a JSON object without rows"),
    ] {
        let verdict = verdict_of(folder(&[(name, content.as_bytes())]).path(), &Options::default());
        let said = &verdict.problems[0];
        assert!(!verdict.importable && said.message.contains(expected) && said.remedies.is_empty(), "{name}: {}", said.message);
    }
    let object = [&sdp_data::npy::write_header("|O", &[])[..], b"\x80\x04}."].concat();
    let verdict = verdict_of(folder(&[("data.npy", &object)]).path(), &Options::default());
    assert!(verdict.problems[0].message.contains("array of Python objects"), "{:?}", verdict.problems);
    let calls = r#"{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": null, "tool_calls": [{"id": 1}]}]}"#;
    let data = folder(&[("train.jsonl", calls.as_bytes()), ("val.jsonl", calls.as_bytes())]);
    assert_eq!(problem(&verdict_of(data.path(), &Options::default()), "tool-calls").count, 2);
    let shard =
        folder(&[("c4-train.00001-of-00003.json", b"{\"text\": \"a\"}\n"), ("c4-train.00002-of-00003.json", b"{\"text\": \"b\"}\n")]);
    assert!(problem(&verdict_of(shard.path(), &Options::default()), "missing-shard").message.contains("c4-train.00000-of-00003.json"));
}

#[test]
fn a_column_of_splits_is_used_in_every_format() {
    let split = |i: usize| if i < 15 { "train" } else { "test" };
    let csv = "text,split\n".to_owned() + &(0..20).map(|i| format!("doc {i},{}\n", split(i))).collect::<String>();
    let json: String = (0..20).map(|i| format!("{{\"text\": \"doc {i}\", \"split\": \"{}\"}}\n", split(i))).collect();
    let table = parquet(&[("text", texts((0..20).map(|i| format!("doc {i}")))), ("split", texts((0..20).map(split)))], None);
    let expected = |range: std::ops::Range<usize>| range.map(|i| format!("doc {i}¶")).collect::<String>();
    for (name, content) in [("d.csv", csv.as_bytes()), ("d.jsonl", json.as_bytes()), ("d.parquet", &table)] {
        let data = folder(&[(name, content)]);
        assert_eq!(landed(data.path(), &Options::default()), (expected(0..15), expected(15..20)), "{name}");
        assert_eq!(columns(data.path()), ["splits: split", "text: text"], "{name}");
        let share = Options { validation: Some(0.5), ..Options::default() };
        assert_eq!(landed(data.path(), &share).1.matches('¶').count(), 10, "{name}");
    }
    let three = "text,split\na,train\nb,validation\nc,test\nd,train\n";
    let data = folder(&[("d.csv", three.as_bytes())]);
    assert_eq!(landed(data.path(), &Options::default()), ("a¶d¶".into(), "b¶".into()));
    assert_eq!(problem(&verdict_of(data.path(), &Options::default()), "unused-split").count, 1);
    let flags = "text,is_valid\na,False\nb,True\nc,False\n";
    assert_eq!(landed(folder(&[("d.csv", flags.as_bytes())]).path(), &Options::default()), ("a¶c¶".into(), "b¶".into()));
    let strange = "text,split\na,train\nb,test\nc,mystery\n";
    let data = folder(&[("d.csv", strange.as_bytes())]);
    let verdict = verdict_of(data.path(), &Options::default());
    assert_eq!(remedied(data.path(), problem(&verdict, "unknown-split"), "Leave out such rows"), ("a¶".into(), "b¶".into()));
    let folds = "text,fold\n".to_owned() + &(0..20).map(|i| format!("doc {i},{}\n", i % 5)).collect::<String>();
    let data = folder(&[("d.csv", folds.as_bytes())]);
    let verdict = verdict_of(data.path(), &Options::default());
    assert_eq!(remedied(data.path(), problem(&verdict, "which-fold"), "Validate on fold 1 (4 rows)").1.matches('¶').count(), 4);
    // A column of another meaning is none of splits.
    let sets = "text,set\na b,train\nc d,museum\ne f,museum\n";
    let half = Options { validation: Some(0.5), ..Options::default() };
    assert!(all(folder(&[("d.csv", sets.as_bytes())]).path(), &half).contains("c d"));
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(content).unwrap();
    packed.finish().unwrap()
}

fn zip(name: &str, content: &[u8]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(content).unwrap();
    zip.finish().unwrap().into_inner()
}

#[test]
fn text_beside_its_packed_form_or_in_several_formats_is_read_once() {
    let text = (0..300).map(|i| format!("line {i} of the text\n")).collect::<String>();
    let rows: String = (0..30).map(|i| format!("{{\"text\": \"document {i}\"}}\n")).collect();
    for (name, content, packed, bytes, once) in [
        ("text8", &text, "text8.zip", zip("text8", text.as_bytes()), "line 17 "),
        ("train.txt", &text, "train.txt.gz", gzip(text.as_bytes()), "line 17 "),
        ("d.jsonl", &rows, "d.jsonl.gz", gzip(rows.as_bytes()), "document 17"),
    ] {
        let data = folder(&[(name, content.as_bytes()), (packed, &bytes)]);
        let whole = all(data.path(), &Options::default());
        assert_eq!(whole.matches(once).count(), 1, "{name}");
        problem(&verdict_of(data.path(), &Options::default()), "archive-beside");
    }
    let array = format!("[{}]", rows.trim().replace('\n', ","));
    let csv = "text\n".to_owned() + &(0..30).map(|i| format!("document {i}\n")).collect::<String>();
    let table = parquet(&[("text", texts((0..30).map(|i| format!("document {i}"))))], None);
    let data = folder(&[("data.csv", csv.as_bytes()), ("data.json", array.as_bytes()), ("data.parquet", &table)]);
    assert_eq!(all(data.path(), &Options::default()).matches("document 17").count(), 1);
    assert_eq!(problem(&verdict_of(data.path(), &Options::default()), "same-rows").count, 2);
    let few: String = rows.lines().step_by(7).map(|line| format!("{line}\n")).collect();
    let first: String = rows.lines().take(9).map(|line| format!("{line}\n")).collect();
    for (name, part) in [("train_small.jsonl", &few), ("train_v2.jsonl", &first)] {
        let data = folder(&[("train.jsonl", rows.as_bytes()), (name, part.as_bytes()), ("val.jsonl", b"{\"text\": \"v\"}\n")]);
        let verdict = verdict_of(data.path(), &Options::default());
        let asked = problem(&verdict, "which-table");
        assert_eq!(titles(asked), ["Take train.jsonl", &format!("Take {name}"), "Take both"]);
        let counts: Vec<usize> = titles(asked).iter().map(|title| remedied(data.path(), asked, title).0.matches('¶').count()).collect();
        let count = part.lines().count();
        assert_eq!(counts, [30, count, 30 + count], "{name}");
    }
    let shards = folder(&[("a.jsonl", rows.as_bytes()), ("b.jsonl", rows.replace("document", "other").as_bytes())]);
    assert_eq!(all(shards.path(), &Options::default()).matches('¶').count(), 60);
}

#[test]
fn sixteen_bits_without_a_mark_and_zeros_are_told() {
    let text = "Hello text line\r\n".repeat(100);
    let sixteen: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for name in ["a.txt", "a"] {
        let data = folder(&[(name, &sixteen)]);
        assert_eq!(all(data.path(), &Options::default()).replace('¶', ""), text, "{name}");
        problem(&verdict_of(data.path(), &Options::default()), "encoding");
    }
    let zeros = text.replacen("text", "te\0xt", 3);
    let verdict = verdict_of(folder(&[("a.txt", zeros.as_bytes())]).path(), &Options::default());
    assert_eq!((problem(&verdict, "zero-bytes").count, problem(&verdict, "zero-bytes").severity), (3, Severity::Warning));
    // Tokens of 16 bits that are letters are no text.
    let verdict = verdict_of(folder(&[("train.bin", &sixteen)]).path(), &Options::default());
    assert_eq!(verdict.format.map(|format| format.id), Some(Format::Tokens));
}

#[test]
fn characters_in_bytes_are_read_as_such() {
    let tokens: Vec<u8> = (0..5001u32).map(|at| ((at.wrapping_mul(2_654_435_761) >> 7) % 65) as u8).collect();
    let data = folder(&[("train.bin", &tokens[..5000]), ("val.bin", &tokens[1..])]);
    let imported = try_import(&[data.path().to_owned()], Options::default()).unwrap();
    assert_eq!(imported.tokens("train"), tokens[..5000].iter().map(|token| u32::from(*token)).collect::<Vec<_>>());
    let verdict = verdict_of(data.path(), &Options::default());
    assert_eq!(titles(problem(&verdict, "token-type")), ["Read as uint16"]);
    let odd = folder(&[("train.bin", &tokens)]);
    assert_eq!(titles(problem(&verdict_of(odd.path(), &Options::default()), "token-type")), [""; 0]);
    // The bytes prove the type.
    let wide: Vec<u8> = tokens[..5000].iter().flat_map(|token| (u32::from(*token) * 700).to_le_bytes()).collect();
    let verdict = verdict_of(folder(&[("train.bin", &wide)]).path(), &Options::default());
    let told = problem(&verdict, "token-type");
    assert!(told.message.contains("uint32") && told.remedies.is_empty());
}

#[test]
fn files_beside_documents_that_are_no_text_are_left_out() {
    let review = |i: usize| format!("Review {i}: a film of some length.");
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for split in ["train", "test"] {
        files.extend((0..6).map(|i| (format!("{split}/pos/{i}_9.txt"), review(i).into_bytes())));
        files.push((format!("{split}/labeledBow.feat"), b"9 0:9 1:1 2:4\n7 0:1 5:2\n".to_vec()));
        files.push((format!("{split}/urls_pos.txt"), b"http://www.imdb.com/title/tt0453418/usercomments\nhttp://x.org/a\n".to_vec()));
    }
    files.push(("imdbEr.txt".into(), b"0.049\n-0.2\n".to_vec()));
    files.push(("imdb.vocab".into(), b"the\nand\n".to_vec()));
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect();
    let data = folder(&files);
    let (train, test) = landed(data.path(), &Options::default());
    assert!(train == test && train.matches('¶').count() == 6 && train.starts_with("Review 0"), "{train}");
    let addresses = folder(&[("urls.txt", b"http://x.org/a\nhttp://x.org/b\n")]);
    assert!(all(addresses.path(), &Options::default()).contains("http://x.org/b"));
    let latin: Vec<u8> = "From: déjà vu\nSubject: été\n\nIl était une fois.\n".repeat(5).chars().map(|letter| letter as u8).collect();
    let data = folder(&[("alt.atheism/1", b"From: a\n\nText of the first.\n"), ("sci.space/2", &latin)]);
    let verdict = verdict_of(data.path(), &Options::default());
    let asked = problem(&verdict, "bad-utf8");
    assert!(!verdict.importable);
    let (train, test) = remedied(data.path(), asked, "Read it as Windows-1252 (Latin-1)");
    assert!((train + &test).contains("déjà"));
}

#[test]
fn tables_of_kaggle_are_text_without_what_is_none() {
    let train =
        "id,keyword,location,text,target\n".to_owned() + &(0..9).map(|i| format!("{i},fire,,Tweet {i} about it,1\n")).collect::<String>();
    let test = "id,keyword,location,text\n90,flood,,Tweet 90 of the test\n91,flood,,Tweet 91 of the test\n";
    let submission = "id,target\n90,0\n91,0\n";
    let data = folder(&[("train.csv", train.as_bytes()), ("test.csv", test.as_bytes()), ("sample_submission.csv", submission.as_bytes())]);
    let (train_text, test_text) = landed(data.path(), &Options::default());
    assert!(train_text.starts_with("Tweet 0") && test_text == "Tweet 90 of the test¶Tweet 91 of the test¶", "{train_text} {test_text}");
    let labels = "id,toxic,obscene\n90,-1,-1\n91,0,0\n";
    let data = folder(&[("train.csv", train.as_bytes()), ("test.csv", test.as_bytes()), ("test_labels.csv", labels.as_bytes())]);
    assert!(landed(data.path(), &Options::default()).1 == test_text);
    assert_eq!(problem(&verdict_of(data.path(), &Options::default()), "no-column").severity, Severity::Warning);
    let news = |from: usize| {
        (from..from + 9)
            .map(|i| format!("\"{}\",\"Title of news {i}\",\"It was said on day {i} that all is well.\"\n", i % 4 + 1))
            .collect::<String>()
    };
    let data = folder(&[("train.csv", news(0).as_bytes()), ("test.csv", news(50).as_bytes())]);
    let verdict = verdict_of(data.path(), &Options::default());
    let asked = problem(&verdict, "no-column");
    assert_eq!(titles(asked), ["Take column 3", "Take column 2"]);
    let (train, test) = remedied(data.path(), asked, "Take column 3");
    assert!(train.starts_with("It was said on day 0") && train.matches('¶').count() == 9 && test.matches('¶').count() == 9);
}

#[test]
fn tables_of_other_encodings_and_broken_lines_have_their_buttons() {
    let latin = |text: &str| -> Vec<u8> { text.chars().map(|letter| letter as u8).collect() };
    let csv = "text,label\n".to_owned() + &"un été à la mer; déjà vu,1\n".repeat(5);
    let sentiment = "\"0\",\"146781\",\"déjà vu, c'est très bien\"\n\"4\",\"146782\",\"été à la mer, où es-tu\"\n";
    for (name, text) in [("d.csv", csv.as_str()), ("d.csv", sentiment)] {
        let data = folder(&[(name, &latin(text))]);
        let verdict = verdict_of(data.path(), &Options::default());
        assert_eq!(verdict.format.as_ref().map(|format| format.id), Some(Format::Text), "{:?}", verdict.problems);
        let asked = problem(&verdict, "bad-row");
        assert_eq!(titles(asked)[0], "Read it as Windows-1252 (Latin-1)", "{}", asked.message);
        let column = if text == csv { "text" } else { "column 3" };
        let options = Options { text_column: Some(column.into()), validation: Some(0.5), ..asked.remedies[0].options.clone() };
        assert!(all(data.path(), &options).contains("déjà vu"), "{text}");
    }
    let images = folder(&[
        ("B0.png", &crate::common::png(1)),
        ("B1.png", &crate::common::png(9)),
        ("B2.png", &crate::common::png(90)),
        ("B3.png", &crate::common::png(200)),
    ]);
    crate::common::write(images.path(), "labels.csv", latin("Dateiname;Klasse\nB0.png;Käfer\nB1.png;Bär\nB2.png;Käfer\nB3.png;Bär\n"));
    let verdict = verdict_of(images.path(), &Options::default());
    let remedy = &problem(&verdict, "bad-row").remedies[0];
    assert_eq!(crate::common::agreed(images.path(), &Options { validation: Some(0.5), ..remedy.options.clone() }), "Bär 1+1, Käfer 1+1");
    let broken = "{\"text\": \"a\"}\n{\"text\": \"b\"\n{\"text\": \"c\"}\n{\"text\": \"d\"}\n";
    let data = folder(&[("train.jsonl", broken.as_bytes()), ("val.jsonl", b"{\"text\": \"v\"}\n")]);
    let verdict = verdict_of(data.path(), &Options::default());
    assert_eq!(verdict.format.as_ref().map(|format| format.id), Some(Format::Text));
    assert_eq!(remedied(data.path(), problem(&verdict, "bad-row"), "Leave out such rows").0, "a¶c¶d¶");
    let skips = Options { skip: Some(true), ..Options::default() };
    assert_eq!(problem(&verdict_of(data.path(), &skips), "bad-row").severity, Severity::Warning);
}
