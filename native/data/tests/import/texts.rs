//! Text as people have it: which files and columns are the text, in which split, in which encoding, with which tokenizer. What landed is read
//! back as text, token by token.

use crate::common::texts::{folder, landed, problem, remedied, titles, trained};
use crate::common::{fixtures, try_import, verdict_of};
use sdp_data::error::Severity;
use sdp_data::options::Options;

#[test]
fn the_usual_corpora_keep_their_splits() {
    for (names, expected) in [
        (["wiki.train.tokens", "wiki.valid.tokens", "wiki.test.tokens"], ("a\n¶", "b\n¶")),
        (["ptb.train.txt", "ptb.valid.txt", "ptb.test.txt"], ("a\n¶", "b\n¶")),
        (["TinyStoriesV2-GPT4-train.txt", "TinyStoriesV2-GPT4-valid.txt", "README.md"], ("a\n¶", "b\n¶")),
        (["train/pg1.txt", "validation/pg2.txt", "test/pg3.txt"], ("a\n¶", "b\n¶")),
        (["train.src.rst", "dev.src.rst", "test.src.rst"], ("a\n¶", "b\n¶")),
        (["training.log", "testing.log", "LICENSE"], ("a\n¶", "b\n¶")),
        (["en-train.tex", "en-eval.tex", "notes.log"], ("a\n¶", "b\n¶")),
    ] {
        let data = folder(&[(names[0], b"a\n"), (names[1], b"b\n"), (names[2], b"c\n")]);
        let (train, test) = landed(data.path(), &Options::default());
        assert_eq!((train.as_str(), test.as_str()), expected, "{names:?}");
    }
    let verdict = verdict_of(folder(&[("train.txt", b"a\n"), ("val.txt", b"b\n"), ("more.txt", b"c\n")]).path(), &Options::default());
    assert_eq!(titles(problem(&verdict, "no-split")), ["Take all files together and keep 10 %"]);
    let enwik = folder(&[("enwik8", "<page>\n".repeat(100).as_bytes())]);
    let (train, test) = landed(enwik.path(), &Options::default());
    assert_eq!(train + &test, "<page>\n".repeat(100) + "¶");
    let subtitles = folder(&[("train.srt", b"1\n00:00:01 --> 00:00:02\nHello\n"), ("val.srt", b"1\n00:00:01\nBye\n")]);
    assert!(trained(subtitles.path(), &Options::default()).contains("Hello"));
}

#[test]
fn documents_of_one_file_end_at_their_marks() {
    let data = folder(&[("train.txt", b"One.\n<|endoftext|>\nTwo.\n<|endoftext|>\n"), ("valid.txt", b"Three.<|endoftext|>Four.")]);
    assert_eq!(landed(data.path(), &Options::default()), ("One.\n¶Two.\n¶".into(), "Three.¶Four.¶".into()));
    let verdict = verdict_of(data.path(), &Options::default());
    assert_eq!(problem(&verdict, "end-marks").count, 3);
    let imported = try_import(&[data.path().to_owned()], Options::default()).unwrap();
    assert!(imported.outcome.problems.iter().any(|problem| problem.code == "end-marks" && problem.count == 3));
}

#[test]
fn source_code_is_text_where_there_is_nothing_else() {
    let data = folder(&[("train/a.py", b"x = 1\n"), ("train/b.js", b"let y\n"), ("train/c.rs", b"fn z() {}\n"), ("val/d.c", b"int w;\n")]);
    assert_eq!(landed(data.path(), &Options::default()), ("x = 1\n¶let y\n¶fn z() {}\n¶".into(), "int w;\n¶".into()));
    assert!(problem(&verdict_of(data.path(), &Options::default()), "code").message.contains("4 files of source code"));
    let python = folder(&[("a.py", b"print('hello')\n"), ("README.md", b"read me\n"), ("requirements.txt", b"numpy\n")]);
    assert!(!landed(python.path(), &Options::default()).0.contains("numpy"));
    let pages = folder(&[("train/a.html", b"<p>a</p>\n"), ("test/b.xml", b"<b>b</b>\n")]);
    assert_eq!(landed(pages.path(), &Options::default()), ("<p>a</p>\n¶".into(), "<b>b</b>\n¶".into()));
    assert!(problem(&verdict_of(pages.path(), &Options::default()), "markup").message.contains("tags and keys"));
    let readme = folder(&[("README.md", b"All there is.\n"), ("LICENSE", b"MIT\n")]);
    let (train, test) = landed(readme.path(), &Options::default());
    assert!((train + &test).replace('¶', "").contains("All there is."));
}

#[test]
fn kinds_of_text_that_lie_together_are_asked_or_told() {
    let text = "A long story.\n".repeat(100);
    let data = folder(&[("input.txt", text.as_bytes()), ("prepare.py", b"import os\n")]);
    let verdict = verdict_of(data.path(), &Options::default());
    let (train, test) = remedied(data.path(), problem(&verdict, "code-beside"), "Take them too");
    assert!((train + &test).contains("import os"));
    assert!(!trained(data.path(), &Options::default()).contains("import os"));
    let mixed = folder(&[("a.py", b"x = 1\n"), ("b.py", b"y = 2\n"), ("guide.md", b"How to.\n")]);
    let verdict = verdict_of(mixed.path(), &Options::default());
    let asked = problem(&verdict, "several-kinds");
    assert_eq!(titles(asked), ["Take the source code", "Take the text", "Take all of them"]);
    let all = |title: &str| {
        let (train, test) = remedied(mixed.path(), asked, title);
        (train + &test).replace('¶', "")
    };
    assert_eq!([all("Take the source code"), all("Take the text")], ["x = 1\ny = 2\n", "How to.\n"]);
    let table = folder(&[("train.csv", b"text\nhello\nworld\n"), ("notes.txt", b"not data\n")]);
    assert_eq!(titles(problem(&verdict_of(table.path(), &Options::default()), "several-kinds")).len(), 3);
    let none = Options { extensions: Some("xyz".into()), ..Options::default() };
    assert!(problem(&verdict_of(table.path(), &none), "no-text").message.contains("1 .csv"));
}

/// JSON of both splits, of which the training text is `expected`.
fn check_rows(name: &str, rows: &str, expected: &str) {
    let data = folder(&[(&format!("train.{name}"), rows.as_bytes()), (&format!("validation.{name}"), rows.as_bytes())]);
    let (train, test) = landed(data.path(), &Options::default());
    assert_eq!((train.as_str(), test.as_str()), (expected, expected), "{rows}");
}

#[test]
fn arrays_of_json_and_chats_are_written_by_a_template() {
    check_rows("json", r#"[{"text": "one"}, {"text": "two"}]"#, "one¶two¶");
    check_rows("json", r#"["one", "two"]"#, "one¶two¶");
    check_rows("json", r#"{"version": 1, "data": [{"text": "one"}]}"#, "one¶");
    check_rows("jsonl", "\"one\"\n\"two\"\n", "one¶two¶");
    let hello = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n¶";
    check_rows("jsonl", r#"{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}"#, hello);
    let parts =
        r#"{"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, {"role": "assistant", "content": "Hello"}]}"#;
    check_rows("jsonl", parts, hello);
    check_rows("json", r#"[{"id": "a1", "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}]"#, hello);
    let alpaca = r#"[{"instruction": "Add.", "input": "1 2", "output": "3"}, {"instruction": "Greet.", "input": "", "output": "Hello"}]"#;
    let written = "### Instruction:\nAdd.\n\n### Input:\n1 2\n\n### Response:\n3¶### Instruction:\nGreet.\n\n### Response:\nHello¶";
    check_rows("json", alpaca, written);
    let dolly = r#"{"instruction": "Add.", "context": "1 2", "response": "3", "category": "sums"}"#;
    check_rows("jsonl", dolly, &written[..written.find('¶').unwrap() + 2]);
    check_rows("jsonl", r#"{"prompt": "Once upon", "completion": " a time"}"#, "Once upon a time¶");
    check_rows("jsonl", r#"{"question": "2+2?", "answer": "4"}"#, "Question: 2+2?\nAnswer: 4¶");
    check_rows("csv", "instruction,input,output\nAdd.,1 2,3\nGreet.,,Hello\n", written);
    let verdict = verdict_of(folder(&[("train.json", alpaca.as_bytes()), ("val.json", alpaca.as_bytes())]).path(), &Options::default());
    assert!(problem(&verdict, "template").message.contains("### Response:"));
    assert_eq!(titles(problem(&verdict, "template")), ["Take output alone", "Take input alone", "Take instruction alone"]);
    assert!(verdict.account.iter().any(|line| line.what == "answers" && line.examples == ["output"]));
}

#[test]
fn columns_that_may_each_be_the_text_are_asked() {
    let rows = r#"{"text": "t", "content": "c"}"#.to_owned() + "\n";
    let data = folder(&[("train.jsonl", rows.as_bytes()), ("val.jsonl", rows.as_bytes())]);
    let verdict = verdict_of(data.path(), &Options::default());
    let asked = problem(&verdict, "several-columns");
    assert_eq!(titles(asked), ["Take text", "Take content"]);
    assert_eq!(remedied(data.path(), asked, "Take content").0, "c¶");
    let preferences = r#"[{"chosen": [{"role": "user", "content": "a"}], "rejected": [{"role": "user", "content": "b"}]}]"#;
    let data = folder(&[("train.json", preferences.as_bytes()), ("val.json", preferences.as_bytes())]);
    let verdict = verdict_of(data.path(), &Options::default());
    assert_eq!(remedied(data.path(), problem(&verdict, "several-columns"), "Take chosen").0, "<|im_start|>user\na<|im_end|>\n¶");
    let lists = folder(&[("train.jsonl", b"[\"a\", 1]\n[\"b\", 2]\n")]);
    let verdict = verdict_of(lists.path(), &Options::default());
    assert!(problem(&verdict, "bad-row").message.contains("row 0, which cannot be read: it is neither an object nor text"));
    let nested = "{\"text\": [1, 2]}\n{\"text\": \"b\"}\n";
    let data = folder(&[("train.jsonl", nested.as_bytes())]);
    assert!(problem(&verdict_of(data.path(), &Options::default()), "bad-row").message.contains("row 0: its text is a list, not text"));
    let gaps = "{\"text\": \"a\"}\n{\"text\": null}\n";
    let data = folder(&[("train.jsonl", gaps.as_bytes()), ("val.jsonl", gaps.as_bytes())]);
    assert_eq!(problem(&verdict_of(data.path(), &Options::default()), "empty-row").count, 2);
    assert_eq!(trained(data.path(), &Options::default()), "a¶");
}

#[test]
fn other_encodings_are_read_or_asked() {
    let sixteen = |text: &str, little: bool| -> Vec<u8> {
        let words = std::iter::once(0xfeffu16).chain(text.encode_utf16());
        words.flat_map(|word| if little { word.to_le_bytes() } else { word.to_be_bytes() }).collect()
    };
    let data = folder(&[("train.txt", &sixteen("Zażółć 中文\n", true)), ("val.txt", &sixteen("gęślą\n", false))]);
    assert_eq!(landed(data.path(), &Options::default()), ("Zażółć 中文\n¶".into(), "gęślą\n¶".into()));
    assert!(verdict_of(data.path(), &Options::default()).problems.iter().any(|problem| problem.code == "encoding"));
    let text = "un été à la mer, déjà vu\n";
    let latin: Vec<u8> = text.repeat(20).chars().map(|c| c as u8).collect();
    let data = folder(&[("train.txt", &latin), ("val.txt", &latin)]);
    let verdict = verdict_of(data.path(), &Options::default());
    let asked = problem(&verdict, "bad-utf8");
    assert_eq!((asked.severity, titles(asked)[0]), (Severity::Error, "Read it as Windows-1252 (Latin-1)"));
    assert!(!verdict.account.is_empty());
    assert_eq!(remedied(data.path(), asked, titles(asked)[0]).0, text.repeat(20) + "¶");
    let chinese: Vec<u8> = [0xc4, 0xe3, 0xba, 0xc3, 0xa3, 0xac, 0xca, 0xc0, 0xbd, 0xe7, b'\n'].repeat(30);
    let data = folder(&[("train.txt", &chinese), ("val.txt", &chinese)]);
    let verdict = verdict_of(data.path(), &Options::default());
    let asked = problem(&verdict, "bad-utf8");
    assert_eq!(titles(asked)[0], "Read it as GBK (Chinese)");
    assert_eq!(remedied(data.path(), asked, titles(asked)[0]).0, "你好，世界\n".repeat(30) + "¶");
    let unknown = Options { encoding: Some("klingon".into()), ..Options::default() };
    assert!(problem(&verdict_of(data.path(), &unknown), "bad-encoding").message.contains("klingon"));
    // One file without a split: its end is for validation, whatever its encoding.
    let data = folder(&[("all.txt", &sixteen(&"a line of text\n".repeat(1000), true))]);
    let (train, test) = landed(data.path(), &Options::default());
    assert!((0.08..0.12).contains(&(test.len() as f64 / (train.len() + test.len()) as f64)), "{} {}", train.len(), test.len());
}

#[test]
fn a_tokenizer_beside_the_text_is_used_or_told_of() {
    let text = "the cat sat on the mat, it's 12 cats\n";
    let gpt2 = fixtures().join("gpt2");
    let read = |name: &str| std::fs::read(gpt2.join(name)).unwrap();
    let (vocab, merges) = (read("vocab.json"), read("merges.txt"));
    let files: [(&str, &[u8]); 4] =
        [("train.txt", text.as_bytes()), ("val.txt", text.as_bytes()), ("vocab.json", &vocab), ("merges.txt", &merges)];
    let data = folder(&files);
    let imported = try_import(&[data.path().to_owned()], Options::default()).unwrap();
    let expected: serde_json::Value = serde_json::from_slice(&read("expected.json")).unwrap();
    let expected: Vec<u32> = serde_json::from_value(expected[text].clone()).unwrap();
    let tokens = imported.tokens("train");
    assert_eq!(tokens[..tokens.len() - 1], expected);
    let verdict = verdict_of(data.path(), &Options::default());
    assert!(verdict.account.iter().any(|line| line.what == "tokenizers" && line.used && line.count == 2), "{:?}", verdict.account);
    let openai = folder(&[files[0], files[1], ("encoder.json", &vocab), ("vocab.bpe", &merges)]);
    assert_eq!(try_import(&[openai.path().to_owned()], Options::default()).unwrap().tokens("train"), tokens);
    for (name, content) in
        [("tokenizer.model", b"\x0a\x0e\x0a\x05<unk>\x15\0\0\0\0\x18\x02".as_slice()), ("vocab.txt", b"[PAD]\n[UNK]\n[CLS]\nthe\n")]
    {
        let data = folder(&[files[0], files[1], (name, content)]);
        let verdict = verdict_of(data.path(), &Options::default());
        let told = problem(&verdict, "other-tokenizer");
        assert_eq!((told.severity, titles(told)), (Severity::Warning, vec!["Train a BPE of 4,096", "Take bytes"]), "{name}");
        assert_eq!(trained(data.path(), &Options::default()), format!("{text}¶"), "{name}");
    }
}

#[test]
fn what_lies_far_behind_is_found_before_the_import() {
    let long = [b"a line of text\n".repeat(400_000).as_slice(), b"\xff\xfe\n"].concat();
    let verdict = verdict_of(folder(&[("train.txt", &long), ("val.txt", b"short\n")]).path(), &Options::default());
    assert!(!verdict.importable && problem(&verdict, "bad-utf8").message.contains("at byte 6000000"), "{:?}", verdict.problems);
    let tokens: Vec<u8> = (0..4_500_000i64).chain([-1]).flat_map(|token| (token % 90).to_le_bytes()).collect();
    let array = [&sdp_data::npy::write_header("<i8", &[4_500_001])[..], &tokens].concat();
    let verdict = verdict_of(folder(&[("train.npy", &array)]).path(), &Options::default());
    assert!(!verdict.importable && problem(&verdict, "bad-token").message.contains("position 4500000"), "{:?}", verdict.problems);
}
