//! Files that hold tokens already: .npy arrays of one axis, or raw little-endian .bin files, of uint16 or uint32; several are shards.

use std::io::Read;

use crate::account::Account;
use crate::error::{Place, Problem, Result, refuse};
use crate::image_parquet::split_of;
use crate::images::Named;
use crate::options::{Options, TokenType};
use crate::sniff::What;
use crate::tree::{Tree, read_fully};

/// Tokens that are read at a time.
const CHUNK: usize = 1 << 16;

struct Part {
    entry: usize,
    kind: TokenType,
    start: usize,
    count: u64,
    split: Option<Named>,
}

pub struct TokenSet {
    parts: Vec<Part>,
    pub problems: Vec<Problem>,
    pub train: u64,
    pub test: u64,
    /// The widest of the parts.
    pub kind: TokenType,
}

/// Where a token was found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Largest {
    pub token: u32,
    pub file: String,
    pub position: u64,
}

fn is_tokens(tree: &Tree, what: &[What], at: usize) -> bool {
    match &what[at] {
        What::Npy(header) => header.shape.len() == 1,
        What::Unknown | What::Text | What::Empty | What::Idx(..) => tree.entries[at].extension() == "bin",
        _ => false,
    }
}

pub fn fits(tree: &Tree, what: &[What]) -> bool {
    (0..what.len()).any(|at| is_tokens(tree, what, at))
}

pub fn open(tree: &Tree, what: &[What], options: &Options) -> Result<TokenSet> {
    let mut parts = Vec::new();
    for at in (0..what.len()).filter(|at| is_tokens(tree, what, *at)) {
        parts.push(open_part(tree, what, at, options)?);
    }
    let Some(kind) = parts.iter().map(|part| part.kind).max_by_key(|kind| kind.bytes()) else {
        return Err(Problem::error("missing-file", "there is no file of tokens (.npy of one axis, or .bin)").into());
    };
    let mut problems = Vec::new();
    let has = |split: &dyn Fn(Named) -> bool| parts.iter().any(|part| part.split.is_some_and(split));
    let has_both = has(&|named| named == Named::Train) && has(&|named| named != Named::Train);
    let mut total: u64 = parts.iter().map(|part| part.count).sum();
    let mut test: u64 = parts.iter().filter(|part| part.split.is_some_and(|named| named != Named::Train)).map(|part| part.count).sum();
    if !has_both || options.validation.is_some() {
        parts.iter_mut().for_each(|part| part.split = None);
        test = (total as f64 * options.validation_share()).round() as u64;
        let percent = (options.validation_share() * 1000.0).round() / 10.0;
        problems.push(Problem::note(
            "no-validation",
            format!("the files have no validation split; the last {percent} % of the tokens are kept for validation"),
        ));
    }
    total -= test;
    if let Some(short) = [total, test].into_iter().find(|count| *count < 2) {
        let sentence = format!("the tokens leave a split of {short}; 2 are needed at least");
        return Err(Problem::error("too-few-tokens", sentence).at(tree.place(&tree.entries[parts[0].entry])).into());
    }
    Ok(TokenSet { parts, problems, train: total, test, kind })
}

fn open_part(tree: &Tree, what: &[What], at: usize, options: &Options) -> Result<Part> {
    let entry = &tree.entries[at];
    let file = tree.display(entry);
    let (kind, start, said) = match &what[at] {
        What::Npy(header) => {
            let Some(kind) = header.token_type() else {
                let sentence =
                    format!("{file} holds {} of {} axes, expected uint16 or uint32 tokens of one axis", header.descr, header.shape.len());
                return refuse("bad-type", sentence, Place::file(file));
            };
            (kind, header.start, Some(header.count() as u64))
        }
        _ => (options.dtype.unwrap_or(TokenType::Uint16), 0, None),
    };
    let bytes = tree.size(entry).saturating_sub(start as u64);
    let (count, rest) = (bytes / kind.bytes() as u64, bytes % kind.bytes() as u64);
    if rest != 0 || said.is_some_and(|said| said != count) {
        let name = if kind == TokenType::Uint16 { "uint16" } else { "uint32" };
        let sentence = format!("{file} is truncated: it has {bytes} bytes of {name} tokens");
        return refuse("truncated-file", sentence, Place { offset: Some(bytes), ..Place::file(file) });
    }
    Ok(Part { entry: at, kind, start, count, split: split_of(entry) })
}

impl TokenSet {
    pub fn account(&self, tree: &Tree) -> Account {
        let mut account = Account::default();
        for part in &self.parts {
            let what = match part.split {
                None => "tokens",
                Some(Named::Train) => "training tokens",
                Some(_) => "validation tokens",
            };
            account.use_as(tree, part.entry, what);
        }
        account
    }

    /// Hands over all tokens in order, with whether they are kept for validation, and the position of the first in its file.
    pub fn chunks(&self, tree: &Tree, hand: &mut dyn FnMut(Vec<u32>, bool, Place) -> Result<()>) -> Result<()> {
        let mut before = 0;
        for part in &self.parts {
            let entry = &tree.entries[part.entry];
            let file = tree.display(entry);
            tree.read(entry, |stream| {
                let skipped = std::io::copy(&mut stream.take(part.start as u64), &mut std::io::sink());
                skipped.map_err(|error| tree.unreadable(entry, &error))?;
                let mut at = 0;
                while at < part.count {
                    // A chunk ends where validation begins.
                    let to_mark = self.train.checked_sub(before + at).filter(|rest| *rest > 0).unwrap_or(u64::MAX);
                    let count = (part.count - at).min(CHUNK as u64).min(if part.split.is_none() { to_mark } else { u64::MAX }) as usize;
                    let mut bytes = vec![0; count * part.kind.bytes()];
                    if read_fully(stream, &mut bytes).map_err(|error| tree.unreadable(entry, &error))? < bytes.len() {
                        return refuse("truncated-file", format!("{file} became shorter while it was read"), Place::file(file.clone()));
                    }
                    let test = part.split.map_or(before + at >= self.train, |named| named != Named::Train);
                    hand(values(part.kind, &bytes), test, Place::row(file.clone(), at as usize))?;
                    at += count as u64;
                }
                Ok(())
            })?;
            before += part.count;
        }
        Ok(())
    }
}

fn values(kind: TokenType, bytes: &[u8]) -> Vec<u32> {
    match kind {
        TokenType::Uint16 => bytes.as_chunks::<2>().0.iter().map(|word| u32::from(u16::from_le_bytes(*word))).collect(),
        TokenType::Uint32 => bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect(),
    }
}
