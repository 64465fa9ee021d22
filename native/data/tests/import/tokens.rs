//! Files of tokens as the usual programs write them: by their headers, by the files beside them, and by their bytes where nothing tells.

use std::fs;
use std::path::Path;

use crate::common::{Imported, refusal, try_import, verdict_of};
use sdp_data::import::OutcomeContent;
use sdp_data::inspect::Preview;
use sdp_data::npy::write_header;
use sdp_data::options::{Element, Options};

/// Tokens of GPT-2's vocabulary or of a larger one.
fn tokens(count: u32, bound: u32) -> Vec<u32> {
    (0..count).map(|at| (at.wrapping_mul(2_654_435_761) >> 7) % bound).collect()
}

fn shorts(tokens: &[u32]) -> Vec<u8> {
    tokens.iter().flat_map(|token| (*token as u16).to_le_bytes()).collect()
}

fn words(tokens: &[u32]) -> Vec<u8> {
    tokens.iter().flat_map(|token| token.to_le_bytes()).collect()
}

fn longs(tokens: &[u32]) -> Vec<u8> {
    tokens.iter().flat_map(|token| i64::from(*token).to_le_bytes()).collect()
}

/// Imports the files; the verdict must have said so.
fn imported(members: &[(&str, Vec<u8>)], options: &Options) -> Imported {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), members);
    let verdict = verdict_of(folder.path(), options);
    assert!(verdict.importable, "{:?}", verdict.problems);
    let imported = try_import(&[folder.path().to_owned()], options.clone()).unwrap();
    assert_eq!((verdict.train, verdict.test), (imported.outcome.train, imported.outcome.test));
    imported
}

fn write(at: &Path, members: &[(&str, Vec<u8>)]) {
    for (name, content) in members {
        let path = at.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

fn refused(members: &[(&str, Vec<u8>)]) -> (&'static str, String) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), members);
    assert!(!verdict_of(folder.path(), &Options::default()).importable);
    let problem = refusal(folder.path(), Options::default());
    (problem.code, problem.message)
}

/// Tokens of a split, of whichever type they are stored as.
fn stored(imported: &Imported, split: &str) -> Vec<u32> {
    let (shape, bytes) = imported.array(&format!("{split}/tokens.npy"));
    if bytes.len() == shape[0] * 2 {
        return imported.tokens(split);
    }
    bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
}

fn both(imported: &Imported) -> Vec<u32> {
    [stored(imported, "train"), stored(imported, "test")].concat()
}

fn codes(imported: &Imported) -> Vec<&'static str> {
    imported.outcome.problems.iter().map(|problem| problem.code).collect()
}

fn llm_c(magic: i32, version: i32, count: i32, tokens: Vec<u8>) -> Vec<u8> {
    let mut file: Vec<u8> = [magic, version, count].iter().flat_map(|word| word.to_le_bytes()).collect();
    file.resize(1024, 0);
    file.extend(tokens);
    file
}

#[test]
fn the_header_of_llm_c_is_no_token() {
    let (train, val) = (tokens(450, 50257), tokens(50, 50257));
    let of = |tokens: &[u32]| llm_c(20_240_520, 1, tokens.len() as i32, shorts(tokens));
    let found = imported(&[("fineweb_train_000001.bin", of(&train)), ("fineweb_val_000000.bin", of(&val))], &Options::default());
    assert_eq!((stored(&found, "train"), stored(&found, "test")), (train, val));
    let large = tokens(450, 128_000);
    let found = imported(&[("tiny.bin", llm_c(20_240_801, 7, 450, words(&large)))], &Options::default());
    assert_eq!(both(&found), large);
    for (file, says) in [
        (llm_c(20_240_520, 1, 451, shorts(&tokens(450, 500))), "tells of 451 tokens, it has 450"),
        (llm_c(20_240_520, 2, 450, shorts(&tokens(450, 500))), "of version 2"),
    ] {
        let (code, sentence) = refused(&[("x.bin", file)]);
        assert!(code == "truncated-file" && sentence.contains(says), "{sentence}");
    }
}

fn megatron(code: u8, element: u64, lengths: &[u32]) -> Vec<u8> {
    let mut index = b"MMIDIDX\0\0\x01\0\0\0\0\0\0\0".to_vec();
    index.push(code);
    index.extend((lengths.len() as u64).to_le_bytes());
    index.extend((lengths.len() as u64 + 1).to_le_bytes());
    lengths.iter().for_each(|length| index.extend(length.to_le_bytes()));
    let mut place = 0u64;
    for length in lengths {
        index.extend(place.to_le_bytes());
        place += u64::from(*length) * element;
    }
    (0..=lengths.len() as u64).for_each(|document| index.extend(document.to_le_bytes()));
    index
}

#[test]
fn megatron_s_index_tells_the_type() {
    let all = tokens(1000, 50257);
    for (code, bytes, element) in [(4, words(&all), 4), (5, longs(&all), 8), (8, shorts(&all), 2)] {
        let index = megatron(code, element, &[400, 600]);
        let found = imported(&[("text_document.bin", bytes.clone()), ("text_document.idx", index.clone())], &Options::default());
        assert_eq!(both(&found), all, "type {code}");
        assert!(found.outcome.problems.iter().any(|problem| problem.message.contains("2 documents")));
        let (code, sentence) = refused(&[("x.bin", bytes[..bytes.len() - 8].to_vec()), ("x.idx", index.clone())]);
        assert!(code == "truncated-file" && sentence.contains("its .idx tells of"), "{sentence}");
        assert_eq!(refused(&[("y.bin", bytes.clone()), ("x.idx", index)]).0, "missing-file");
    }
    let bytes: Vec<u8> = (0..200).collect();
    let found = imported(&[("x.bin", bytes.clone()), ("x.idx", megatron(1, 1, &[200]))], &Options::default());
    assert_eq!(both(&found), bytes.into_iter().map(u32::from).collect::<Vec<_>>());
    assert_eq!(refused(&[("x.bin", shorts(&all)), ("x.idx", megatron(7, 4, &[10]))]).0, "bad-index");
    assert_eq!(refused(&[("x.bin", shorts(&all)), ("x.idx", b"TNTIDX\0\0\x01".to_vec())]).0, "bad-index");
}

#[test]
fn the_type_of_tokens_without_a_header_is_told_by_their_bytes() {
    let (train, val) = (tokens(4000, 128_000), tokens(500, 128_000));
    for encode in [words, longs] {
        for extension in ["bin", "npy"] {
            let names = [format!("train.{extension}"), format!("val.{extension}")];
            let found = imported(&[(names[0].as_str(), encode(&train)), (&names[1], encode(&val))], &Options::default());
            assert_eq!((stored(&found, "train"), stored(&found, "test")), (train.clone(), val.clone()), "{extension}");
            assert!(codes(&found).contains(&"token-type"));
        }
    }
    let short = tokens(4000, 50257);
    let found = imported(&[("part-0-00000.npy", shorts(&short)), ("part-0-00001.npy", shorts(&short))], &Options::default());
    assert_eq!(both(&found), short.repeat(2));
    let said = found.outcome.problems.iter().find(|problem| problem.code == "token-type").unwrap();
    assert!(said.count == 2 && said.message.contains("read as uint16"), "{}", said.message);
    let chosen = Options { dtype: Some(Element::Uint32), ..Options::default() };
    assert_eq!(both(&imported(&[("a.bin", shorts(&short))], &chosen)).len(), 2000);
}

#[test]
fn weights_and_other_files_are_no_tokens() {
    let weights: Vec<u8> = (0..4000).flat_map(|at| ((at as f32 * 0.37).sin() * 0.05).to_le_bytes()).collect();
    let safetensors = [&100u64.to_le_bytes()[..], b"{\"a\":{\"dtype\":\"F32\"", &[0; 400]].concat();
    let cases: [(Vec<u8>, &str); 6] = [
        (weights, "looks like floating-point numbers"),
        (
            b"PK\x03\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x16\0\0\0pytorch_model/data.pkl\x80\x02}q\0.\0\0".to_vec(),
            "a PyTorch file",
        ),
        (b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.".to_vec(), "a PyTorch file"),
        (b"GGUF\x03\0\0\0\x01\0\0\0".to_vec(), "a GGUF file"),
        (safetensors, "a safetensors file"),
        ((0..8192u32).flat_map(|at| (at as u16).wrapping_mul(40503).to_le_bytes()).collect(), "compressed or encrypted data"),
    ];
    for (content, says) in cases {
        let (code, sentence) = refused(&[("pytorch_model.bin", content), ("config.json", b"{\n \"a\": 1\n}".to_vec())]);
        assert!(sentence.contains(says), "{code}: {sentence}");
    }
    // Text is read as such, but no page that was saved in place of the file.
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("train.bin", b"To be, or not to be, that is the question\n".repeat(20))]);
    assert_eq!(verdict_of(folder.path(), &Options::default()).format.unwrap().title, "text (plain, JSON lines, CSV or Parquet)");
    let (code, sentence) = refused(&[("train.bin", b"<!DOCTYPE html><html><body>Not found</body></html>\n".repeat(20))]);
    assert!(code == "stand-in" && sentence.contains("web page"), "{code}: {sentence}");
}

/// torch.save writes a zip; given by itself it is opened as one.
#[test]
fn a_pytorch_file_that_is_given_by_itself_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pytorch_model.bin");
    let mut zip = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    for (name, content) in [("pytorch_model/data.pkl", &b"\x80\x02}q\0."[..]), ("pytorch_model/data/0", &[1; 4000])] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut zip, content).unwrap();
    }
    zip.finish().unwrap();
    let problem = refusal(&path, Options::default());
    assert!(problem.message.contains("PyTorch file of weights or tensors"), "{}", problem.message);
}

/// The pickle that nanoGPT's prepare.py of a character-level dataset writes.
fn meta(characters: &str) -> Vec<u8> {
    let mut pickle = b"\x80\x04}(\x8c\x0avocab_sizeK".to_vec();
    pickle.push(characters.len() as u8);
    pickle.extend(b"\x8c\x04itos}(");
    for (token, character) in characters.chars().enumerate() {
        pickle.extend([b'K', token as u8, 0x8c, 1, character as u8]);
    }
    pickle.extend(b"uu.");
    pickle
}

#[test]
fn the_vocabulary_of_nanogpt_comes_with_its_tokens() {
    let characters = "\n !abcdefgh";
    let text = "bad cafe!\n".repeat(40);
    let of: Vec<u32> = text.chars().map(|letter| characters.find(letter).unwrap() as u32).collect();
    let members = [("train.bin", shorts(&of)), ("val.bin", shorts(&of[..100])), ("meta.pkl", meta(characters))];
    let found = imported(&members, &Options::default());
    assert_eq!((stored(&found, "train"), stored(&found, "test").len()), (of, 100));
    let OutcomeContent::Tokens { vocabulary: 11, tokenizer, .. } = &found.outcome.content else { panic!("not 11") };
    assert!(tokenizer.ends_with("meta.pkl"), "{tokenizer}");
    let json = fs::read(found.folder.path().join("set/tokenizer.json")).unwrap();
    let tokenizer = sdp_tokenizer::Tokenizer::load(&json).unwrap();
    assert_eq!(tokenizer.decode(&stored(&found, "train")[..10]).unwrap(), "bad cafe!\n");
    assert_eq!(tokenizer.encode("a bad\n").unwrap(), [3, 1, 4, 3, 6, 0]);
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &members);
    let verdict = verdict_of(folder.path(), &Options::default());
    let Some(Preview::Text { tokens, .. }) = verdict.previews.first() else { panic!("no preview") };
    assert!(tokens.iter().map(|token| token.text.as_str()).collect::<String>().starts_with("bad cafe!\nbad"));
    // Of other tokens it is not the vocabulary, and a pickle of something else is told of.
    let found = imported(&[("train.bin", shorts(&tokens_of_90())), ("meta.pkl", meta(characters))], &Options::default());
    assert!(codes(&found).contains(&"other-tokenizer"));
    let OutcomeContent::Tokens { vocabulary: 90, .. } = found.outcome.content else { panic!("not 90") };
    let code = b"\x80\x02cos\nsystem\nU\x01x\x85R.".to_vec();
    let found = imported(&[("train.bin", shorts(&tokens_of_90())), ("meta.pkl", code)], &Options::default());
    assert!(codes(&found).contains(&"no-vocabulary"));
}

fn tokens_of_90() -> Vec<u32> {
    (0..200).map(|at| at * 7 % 90).collect()
}

#[test]
fn rows_of_tokens_follow_one_another_and_arrays_beside_them_are_told_of() {
    let all = tokens(640, 30_000);
    for (descr, bytes) in [("<u2", shorts(&all)), ("<i4", words(&all)), ("<i8", longs(&all))] {
        let rows = [&write_header(descr, &[20, 32])[..], &bytes].concat();
        let mask = [&write_header("<i8", &[20, 32])[..], &[1, 0, 0, 0, 0, 0, 0, 0].repeat(640)].concat();
        let members = [("input_ids.npy", rows.clone()), ("attention_mask.npy", mask.clone()), ("labels.npy", rows.clone())];
        let found = imported(&members, &Options::default());
        assert_eq!(both(&found), all, "{descr}");
        assert!(codes(&found).contains(&"token-rows") && codes(&found).contains(&"unused-arrays"));
        if descr != "<i8" {
            assert_eq!(refused(&[("a.npy", rows), ("b.npy", mask)]).0, "which-tokens");
        }
    }
    let big: Vec<u8> = all.iter().flat_map(|token| token.to_be_bytes()).collect();
    assert_eq!(both(&imported(&[("x.npy", [&write_header(">u4", &[640])[..], &big].concat())], &Options::default())), all);
}

#[test]
fn three_splits_of_tokens_stay_apart() {
    let of = |count| shorts(&tokens(count, 500));
    let found = imported(&[("train.bin", of(400)), ("val.bin", of(60)), ("test.bin", of(80))], &Options::default());
    assert_eq!((stored(&found, "train").len(), stored(&found, "test").len()), (400, 60));
    let unused = found.outcome.problems.iter().find(|problem| problem.code == "unused-split").unwrap();
    assert_eq!(unused.count, 80);
    assert!(!codes(&found).contains(&"no-validation"));
}

#[test]
fn litdata_is_read_by_its_index() {
    let all = tokens(1000, 50257);
    // Number of items and their places, then the items.
    let chunk = |tokens: &[u32]| {
        let places = [2, 16, 16 + 2 * tokens.len() as u32, 16 + 4 * tokens.len() as u32];
        [words(&places), words(tokens)].concat()
    };
    let index = |compression: &str, dim: u32| {
        let chunks = format!(
            r#"[{{"chunk_bytes": 2416, "chunk_size": 2, "dim": 600, "filename": "chunk-0-0.bin"}}, {{"chunk_bytes": 1, "chunk_size": 2, "dim": {dim}, "filename": "chunk-0-1.bin"}}]"#
        );
        format!(r#"{{"chunks": {chunks}, "config": {{"compression": {compression}, "data_format": ["no_header_tensor:16"]}}, "updated_at": "1"}}"#)
            .into_bytes()
    };
    let members = |index: Vec<u8>| [("chunk-0-0.bin", chunk(&all[..600])), ("chunk-0-1.bin", chunk(&all[600..])), ("index.json", index)];
    assert_eq!(both(&imported(&members(index("null", 400)), &Options::default())), all);
    assert_eq!(refused(&members(index("\"zstd\"", 400))).0, "bad-index");
    assert_eq!(refused(&members(index("null", 401))).0, "truncated-file");
    assert_eq!(refused(&members(index("null", 400))[1..]).0, "missing-file");
}

/// A shard of Streaming: number of samples, their places, the configuration, the samples, each with the sizes of its columns.
fn mds(samples: &[Vec<Vec<u8>>]) -> Vec<u8> {
    let config = b"{\"version\": 2}";
    let start = 4 * (samples.len() + 2) + config.len();
    let bodies: Vec<Vec<u8>> = samples
        .iter()
        .map(|columns| {
            let sizes: Vec<u8> = columns.iter().flat_map(|column| (column.len() as u32).to_le_bytes()).collect();
            [sizes, columns.concat()].concat()
        })
        .collect();
    let mut places = vec![start as u32];
    bodies.iter().for_each(|body| places.push(places.last().unwrap() + body.len() as u32));
    [words(&[samples.len() as u32]), words(&places), config.to_vec(), bodies.concat()].concat()
}

#[test]
fn streaming_is_read_by_its_index() {
    let all = tokens(512, 50257);
    let index = |encoding: &str, samples: usize| {
        format!(
            r#"{{"shards": [{{"column_encodings": ["str", "{encoding}"], "column_names": ["id", "tokens"], "column_sizes": [null, null], "compression": null, "format": "mds", "hashes": [], "raw_data": {{"basename": "shard.00000.mds", "bytes": 1, "hashes": {{}}}}, "samples": {samples}, "size_limit": 67108864, "version": 2, "zip_data": null}}], "version": 2}}"#
        )
        .into_bytes()
    };
    let shard = |encode: &dyn Fn(&[u32]) -> Vec<u8>| {
        mds(&all.chunks(128).enumerate().map(|(row, tokens)| vec![vec![b'a'; row + 1], encode(tokens)]).collect::<Vec<_>>())
    };
    // One axis of 128, a number of 8 bits.
    let shaped = |tokens: &[u32]| [vec![1 << 2, 128], shorts(tokens)].concat();
    for (encoding, shard) in
        [("bytes", shard(&longs)), ("bytes", shard(&words)), ("ndarray:uint16", shard(&shaped)), ("ndarray:int32:128", shard(&words))]
    {
        let members = [("train/index.json", index(encoding, 4)), ("train/shard.00000.mds", shard.clone())];
        assert_eq!(both(&imported(&members, &Options::default())), all, "{encoding}");
        assert_eq!(refused(&[("index.json", index(encoding, 5)), ("shard.00000.mds", shard.clone())]).0, "damaged-file");
        let cut = shard[..shard.len() - 1].to_vec();
        assert_eq!(refused(&[("index.json", index(encoding, 4)), ("shard.00000.mds", cut)]).0, "damaged-file");
    }
    let members = [("index.json", index("pkl", 4)), ("shard.00000.mds", shard(&longs))];
    assert_eq!(refused(&members).0, "bad-index");
}

/// A Parquet file with lists of numbers, empty ones among them, beside a column of other lists.
fn parquet(name: &str, rows: &[&[i32]]) -> Vec<u8> {
    use parquet::data_type::Int32Type;
    let list = |name: &str| format!("optional group {name} (LIST) {{ repeated group list {{ optional int32 element; }} }}");
    let schema = format!("message schema {{ {} {} }}", list("attention_mask"), list(name));
    let schema = std::sync::Arc::new(parquet::schema::parser::parse_message_type(&schema).unwrap());
    let mut bytes = Vec::new();
    let mut writer = parquet::file::writer::SerializedFileWriter::new(&mut bytes, schema, Default::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    while let Some(mut column) = group.next_column().unwrap() {
        let values: Vec<i32> = rows.concat();
        // 1: an empty list, 3: an element; a row begins at depth 0.
        let (mut levels, mut depths) = (Vec::new(), Vec::new());
        for row in rows {
            levels.extend(if row.is_empty() { vec![1] } else { vec![3; row.len()] });
            depths.extend((0..row.len().max(1)).map(|at| i16::from(at > 0)));
        }
        column.typed::<Int32Type>().write_batch(&values, Some(&levels), Some(&depths)).unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

#[test]
fn columns_of_tokens_are_read_from_parquet() {
    let all: Vec<i32> = (0..400).map(|at| at * 7 % 90).collect();
    for name in ["input_ids", "tokens"] {
        for rows in [&[&all[..100], &all[100..]][..], &[&all[..250], &[], &all[250..]]] {
            let found = imported(&[("data/train-00000-of-00001.parquet", parquet(name, rows))], &Options::default());
            assert_eq!(both(&found), all.iter().map(|token| *token as u32).collect::<Vec<_>>(), "{name}");
            assert!(codes(&found).contains(&"token-rows"));
        }
    }
    let chosen = Options { text_column: Some("attention_mask".into()), ..Options::default() };
    assert_eq!(both(&imported(&[("x.parquet", parquet("input_ids", &[&all]))], &chosen)).len(), 400);
    let members = [("train.parquet", parquet("input_ids", &[&all])), ("test.parquet", parquet("input_ids", &[&all[..40]]))];
    let found = imported(&members, &Options::default());
    assert_eq!((stored(&found, "train").len(), stored(&found, "test").len()), (400, 40));
    let (code, sentence) = refused(&[("x.parquet", parquet("input_ids", &[&all[..90], &[-100]]))]);
    assert!(code == "bad-token" && sentence.contains("holds -100 at position 90"), "{sentence}");
}

#[test]
fn arrays_of_something_else_are_not_taken_for_tokens() {
    let labels = [&write_header("<i8", &[400])[..], &longs(&tokens(400, 10))].concat();
    let features = [&write_header("<f4", &[400, 10])[..], &[0; 16000]].concat();
    let (code, sentence) = refused(&[("X.npy", features.clone()), ("y.npy", labels.clone())]);
    assert!(code == "which-tokens" && sentence.contains("the arrays X, y"), "{sentence}");
    assert_eq!(refused(&[("y_train.npy", labels.clone()), ("y_test.npy", labels.clone())]).0, "which-tokens");
    // Beside text an array is not the dataset.
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("book.txt", b"a line of text\n".repeat(200)), ("lengths.npy", labels)]);
    let verdict = verdict_of(folder.path(), &Options::default());
    assert_eq!(verdict.format.unwrap().title, "text (plain, JSON lines, CSV or Parquet)");
    assert!(verdict.account.iter().any(|line| line.what == "other arrays" && line.count == 1));
}
