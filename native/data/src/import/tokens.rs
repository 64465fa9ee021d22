//! Import of text and of tokens: text is tokenised on all cores, tokens are copied, both written in their order, with a journal.

use std::fs;
use std::sync::atomic::Ordering;

use sdp_tokenizer::Tokenizer;
use serde::{Deserialize, Serialize};

use super::{ImportSpec, Imported, OutcomeContent, Progress, SPLITS, key_of};
use crate::error::{Error, Place, Problem, Result, refuse};
use crate::options::{Options, TokenType};
use crate::pipeline::in_order;
use crate::store::{self, ArrayWriter, Marker};
use crate::text::{Beside, TextSet};
use crate::tokens::{Largest, TokenSet};
use crate::tree::Tree;

/// Text that a tokenizer is trained on at most, bytes.
const TRAINED_ON: usize = 256 << 20;

#[derive(Serialize, Deserialize)]
struct TextJournal {
    key: String,
    /// Batches of text that were gone through.
    batches: u64,
    written: [u64; 2],
    largest: Option<(u32, String, u64)>,
}

/// The tokenizer that the options choose; a trained one is kept in the folder, so that an import that goes on takes the same.
pub fn choose_tokenizer(spec: &ImportSpec, tree: &Tree, set: &TextSet, trained_on: usize) -> Result<(String, Tokenizer)> {
    let kept = spec.target.folder.join("tokenizer.json");
    let loaded = |name: String, json: &[u8]| match Tokenizer::load(json) {
        Ok(tokenizer) => Ok((name, tokenizer)),
        Err(why) => refuse("bad-tokenizer", format!("{name} {why}"), Place::file(name)),
    };
    match (spec.options.tokenizer.as_deref(), set.tokenizer) {
        (Some("bpe"), _) => match fs::read(&kept) {
            Ok(json) => loaded("bpe".into(), &json),
            Err(_) => Ok(("bpe".into(), train_tokenizer(spec, tree, set, trained_on)?)),
        },
        (Some("bytes"), _) | (None, None) => Ok(("bytes".into(), Tokenizer::Bytes)),
        (Some(path), _) => {
            let unreadable =
                |error: std::io::Error| Problem::error("missing-file", format!("{path} cannot be read: {}", crate::tree::reason(&error)));
            loaded(path.to_owned(), &fs::read(path).map_err(unreadable)?)
        }
        (None, Some(Beside::Json(at))) => loaded(tree.display(&tree.entries[at]), &tree.read_all(&tree.entries[at], 1 << 30)?),
        (None, Some(Beside::Gpt2 { vocabulary, merges })) => {
            let name = tree.display(&tree.entries[vocabulary]);
            let read = |at: usize| tree.read_all(&tree.entries[at], 1 << 28);
            Tokenizer::gpt2(&read(vocabulary)?, &read(merges)?)
                .map(|tokenizer| (name.clone(), tokenizer))
                .or_else(|why| refuse("bad-tokenizer", format!("{name} {why}"), Place::file(name.clone())))
        }
    }
}

/// A split without a sequence.
pub fn too_few_tokens(train: u64, test: u64) -> Problem {
    let sentence = format!("the text leaves {train} tokens for training and {test} for validation; 2 are needed at least");
    let remedy = Options { validation: Some(0.3), ..Options::default() };
    Problem::error("too-few-tokens", sentence).with("split", "Keep 30 % for validation", remedy)
}

/// A tokenizer's objection to a text.
pub fn bad_text(why: String) -> Error {
    Problem::error("bad-tokenizer", format!("the tokenizer {why}; choose another one")).into()
}

fn train_tokenizer(spec: &ImportSpec, tree: &Tree, set: &TextSet, most: usize) -> Result<Tokenizer> {
    let (send, receive) = std::sync::mpsc::sync_channel::<String>(16);
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let mut read = 0;
            crate::text::until_enough(set.pieces(tree, &spec.options, &mut |piece, _| {
                if !piece.test {
                    read += piece.text.len();
                    send.send(piece.text).map_err(|_| Error::Cancelled)?;
                }
                if read < most { Ok(()) } else { Err(Error::Cancelled) }
            }))
        });
        let trained = Tokenizer::train(spec.options.vocabulary.unwrap_or(4096) as usize, receive.into_iter());
        reader.join().unwrap_or_else(|_| Err(Error::Internal("panic while reading text".into())))?;
        trained.map_err(bad_text)
    })
}

/// Batches of text of about this size go to a core together, bytes.
const TEXT_BATCH: usize = 1 << 18;

pub(super) fn import_text(
    spec: &ImportSpec,
    tree: &Tree,
    set: &TextSet,
    progress: &Progress,
    marker: &mut Marker,
    problems: &mut Vec<Problem>,
) -> Result<Imported> {
    progress.is_text.store(true, Ordering::Relaxed);
    progress.total.store(set.bytes, Ordering::Relaxed);
    let key = key_of(spec, tree, set.bytes);
    let kept = store::resume(&spec.target, |journal: &TextJournal| journal.key == key);
    let (name, tokenizer) = choose_tokenizer(spec, tree, set, TRAINED_ON)?;
    if let Some(json) = tokenizer.json() {
        fs::write(spec.target.folder.join("tokenizer.json"), json).map_err(|error| spec.target.failed(&error))?;
    }
    progress.check()?;
    let vocabulary = tokenizer.vocabulary() as u64;
    let kind = if vocabulary <= 1 << 16 { TokenType::Uint16 } else { TokenType::Uint32 };
    let mut writer = TokenWriter::open(spec, key, kept, kind)?;
    let from = writer.journal.batches;
    let produce = |hand: &mut dyn FnMut((Vec<crate::text::Piece>, u64)) -> Result<()>| {
        let (mut number, mut size, mut waiting, mut through) = (0, 0, Vec::new(), 0);
        set.pieces(tree, &spec.options, &mut |piece, at| {
            size += piece.text.len() + 1;
            through = at;
            waiting.push(piece);
            if size < TEXT_BATCH {
                return Ok(());
            }
            let batch = std::mem::take(&mut waiting);
            (size, number) = (0, number + 1);
            if number > from { hand((batch, at)) } else { Ok(()) }
        })?;
        if waiting.is_empty() || number < from { Ok(()) } else { hand((waiting, through)) }
    };
    let work = |(pieces, at): (Vec<crate::text::Piece>, u64)| {
        progress.check()?;
        let mut tokens: [Vec<u32>; 2] = Default::default();
        for piece in pieces {
            let target = &mut tokens[usize::from(piece.test)];
            target.extend(tokenizer.encode(&piece.text).map_err(bad_text)?);
            target.extend(tokenizer.end().filter(|_| piece.last));
        }
        Ok((tokens, at))
    };
    in_order(produce, work, |(tokens, at)| {
        progress.check()?;
        progress.done.store(at, Ordering::Relaxed);
        for (split, tokens) in tokens.iter().enumerate() {
            writer.append(split, tokens)?;
        }
        writer.next_batch(marker)
    })?;
    problems.append(&mut set.told());
    let largest = Largest { token: (vocabulary - 1) as u32, file: format!("the tokenizer ({name})"), position: vocabulary - 1 };
    writer.finish(OutcomeContent::Tokens { vocabulary, largest, tokenizer: name })
}

pub(super) fn import_tokens(
    spec: &ImportSpec,
    tree: &Tree,
    set: &TokenSet,
    progress: &Progress,
    marker: &mut Marker,
    problems: &mut Vec<Problem>,
) -> Result<Imported> {
    progress.is_text.store(true, Ordering::Relaxed);
    let bytes = set.kind.bytes() as u64;
    progress.total.store((set.train + set.test) * bytes, Ordering::Relaxed);
    let key = key_of(spec, tree, set.train);
    let kept = store::resume(&spec.target, |journal: &TextJournal| journal.key == key);
    let mut writer = TokenWriter::open(spec, key, kept, set.kind)?;
    let (from, mut number, mut done) = (writer.journal.batches, 0, 0);
    set.chunks(tree, &mut |tokens, test, place| {
        progress.check()?;
        number += 1;
        done += tokens.len() as u64 * bytes;
        progress.done.store(done, Ordering::Relaxed);
        if number <= from {
            return Ok(());
        }
        writer.note_largest(&tokens, place);
        writer.append(usize::from(test), &tokens)?;
        writer.next_batch(marker)
    })?;
    let largest = writer.largest();
    let (tokenizer, vocabulary) = match set.tokenizer(tree, u64::from(largest.token) + 1)? {
        Ok(Some((name, tokenizer))) => {
            let json = tokenizer.json().unwrap_or_default();
            fs::write(spec.target.folder.join("tokenizer.json"), json).map_err(|error| spec.target.failed(&error))?;
            (name, tokenizer.vocabulary() as u64)
        }
        Ok(None) => ("tokens".into(), u64::from(largest.token) + 1),
        Err(unfit) => {
            problems.push(unfit);
            ("tokens".into(), u64::from(largest.token) + 1)
        }
    };
    writer.finish(OutcomeContent::Tokens { vocabulary, largest, tokenizer })
}

/// Both token files, with the journal.
struct TokenWriter {
    arrays: [ArrayWriter; 2],
    kind: TokenType,
    journal: TextJournal,
}

impl TokenWriter {
    fn open(spec: &ImportSpec, key: String, kept: Option<TextJournal>, kind: TokenType) -> Result<Self> {
        let journal = kept.unwrap_or(TextJournal { key, batches: 0, written: [0; 2], largest: None });
        let array = |split: usize| {
            ArrayWriter::open(&spec.target, &format!("{}/tokens.npy", SPLITS[split]), kind.descr(), &[], journal.written[split])
        };
        let arrays = [array(0)?, array(1)?];
        // From here on the tokenizer beside it is the one to go on with.
        store::write_journal(&spec.target, &journal)?;
        Ok(Self { arrays, kind, journal })
    }

    fn append(&mut self, split: usize, tokens: &[u32]) -> Result<()> {
        let bytes: Vec<u8> = match self.kind {
            TokenType::Uint16 => tokens.iter().flat_map(|&token| (token as u16).to_le_bytes()).collect(),
            TokenType::Uint32 => tokens.iter().flat_map(|&token| token.to_le_bytes()).collect(),
        };
        self.arrays[split].append(&bytes)
    }

    fn note_largest(&mut self, tokens: &[u32], place: Place) {
        for (at, &token) in tokens.iter().enumerate() {
            if self.journal.largest.as_ref().is_none_or(|(largest, ..)| token > *largest) {
                self.journal.largest = Some((token, place.file.clone(), place.row.unwrap_or(0) + at as u64));
            }
        }
    }

    fn next_batch(&mut self, marker: &mut Marker) -> Result<()> {
        self.journal.batches += 1;
        if !marker.is_due() {
            return Ok(());
        }
        let mut files = Vec::new();
        for (split, array) in self.arrays.iter_mut().enumerate() {
            files.push(array.flushed()?);
            self.journal.written[split] = array.count;
        }
        marker.mark(files, &self.journal)
    }

    /// Of the tokens that were noted; of none a token 0.
    fn largest(&self) -> Largest {
        let (token, file, position) = self.journal.largest.clone().unwrap_or_default();
        Largest { token, file, position }
    }

    fn finish(self, content: OutcomeContent) -> Result<Imported> {
        let [train, test] = self.arrays;
        let counts = (train.count, test.count);
        let fingerprint = store::fingerprint(&[train.finish()?, test.finish()?]);
        if counts.0.min(counts.1) < 2 {
            return Err(too_few_tokens(counts.0, counts.1).into());
        }
        Ok(Imported { train: counts.0, test: counts.1, content, fingerprint })
    }
}
