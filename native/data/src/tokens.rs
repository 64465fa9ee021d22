//! Files that hold tokens already: .npy arrays, raw files of little-endian numbers, and those that tell by a header or a file beside them
//! what they are (token_files.rs); several are shards. A vocabulary that lies beside them (nanoGPT's meta.pkl, tokenizer.json) is kept.

mod found;
mod vocabulary;

use std::collections::{BTreeSet, HashSet};
use std::io::Read;

use sdp_tokenizer::Tokenizer;

use self::found::Found;
use self::vocabulary::vocabulary;
use crate::account::Account;
use crate::array_name::ArrayName;
use crate::columnar::{Columnar, is_columnar};
use crate::error::{Error, Place, Problem, Result, refuse};
use crate::image_table::is_named;
use crate::images::{Named, Split, splits_of};
use crate::options::{Element, Format, Options, TokenType};
use crate::sniff::What;
use crate::text;
use crate::text_forms;
use crate::token_files::{self, Span};
use crate::token_lines;
use crate::tree::{Entry, Tree, read_fully};

/// Tokens that are read at a time.
const CHUNK: usize = 1 << 16;

/// Largest index or vocabulary that is read, bytes.
const LARGEST_INDEX: usize = 1 << 30;

/// Arrays that are tokens rather than others beside them, the likeliest first.
const NAMES: [&str; 6] = ["input_ids", "tokens", "token_ids", "token", "ids", "data"];

struct Part {
    entry: usize,
    element: Element,
    big_endian: bool,
    /// In the order of the file; of a file of columns one, in tokens.
    spans: Vec<Span>,
    /// Of a file of columns.
    column: Option<String>,
    split: Split,
}

impl Part {
    fn count(&self) -> u64 {
        self.spans.iter().map(|span| span.count).sum()
    }
}

pub struct TokenSet {
    parts: Vec<Part>,
    pub problems: Vec<Problem>,
    pub columns: Vec<String>,
    pub train: u64,
    pub test: u64,
    /// What holds the tokens of all parts.
    pub kind: TokenType,
    /// Whether the files know of splits; else the end is kept for validation.
    split: bool,
    /// A tokenizer beside the tokens: its entry, and its tokenizer.json.
    tokenizer: Option<(usize, Vec<u8>)>,
    /// Entries that tell what the parts are.
    indexes: Vec<usize>,
    left_out: Account,
}

/// Where a token was found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Largest {
    pub token: u32,
    pub file: String,
    pub position: u64,
}

/// Called tokens and nothing else: arrays of images are called data too.
pub fn is_called_tokens(name: &ArrayName) -> bool {
    name.rank(&NAMES[..5]).is_some()
}

fn is_array(what: &What) -> bool {
    matches!(what, What::Npy(header) if matches!(header.shape.len(), 1 | 2) && header.is_number())
}

/// OLMo calls raw tokens .npy; tokens may begin with the bytes of an IDX file.
fn is_raw(tree: &Tree, what: &[What], at: usize) -> bool {
    let kind = (tree.entries[at].extension(), &what[at]);
    matches!((kind.0.as_str(), kind.1), ("bin", What::Unknown | What::Empty | What::Idx(..)) | ("npy", What::Unknown))
}

fn is_index(tree: &Tree, at: usize) -> bool {
    let entry = &tree.entries[at];
    entry.file_name() == "index.json" && tree.read_all(entry, LARGEST_INDEX).is_ok_and(|json| token_files::index(&json).is_some())
}

pub fn fits(tree: &Tree, what: &[What], options: &Options) -> bool {
    what.iter().any(is_array) || is_sure(tree, what, options)
}

/// There is more than arrays that are called otherwise, which may be anything.
pub fn is_sure(tree: &Tree, what: &[What], options: &Options) -> bool {
    let is_called = |at: usize| is_array(&what[at]) && ArrayName::of(&tree.entries[at]).rank(&NAMES).is_some();
    (0..what.len()).any(|at| is_called(at) || is_raw(tree, what, at) || is_index(tree, at))
        || matches!(column_of(tree, what, options), Ok(Some(_)))
}

/// The column of the first file of columns, of JSON lines or of CSV that is lists of tokens: as chosen, or by its name.
fn column_of(tree: &Tree, what: &[What], options: &Options) -> Result<Option<String>> {
    if let Some(first) = what.iter().position(is_columnar) {
        let lists = Columnar::open(tree, &tree.entries[first])?.lists();
        return Ok(match &options.text_column {
            Some(chosen) => lists.into_iter().find(|name| name == chosen),
            None => NAMES[..3].iter().find_map(|usual| lists.iter().find(|name| name.to_lowercase() == **usual)).cloned(),
        });
    }
    let column = |first: usize| token_lines::column(tree, &tree.entries[first], &NAMES[..3], options);
    if let Some(first) = what.iter().position(|what| *what == What::JsonLines) {
        return column(first);
    }
    // A table of anything may lie beside tokens.
    Ok(what.iter().position(|what| *what == What::Csv).and_then(|first| column(first).ok().flatten()))
}

/// Text in folders of its own beside tokens in theirs may be the dataset as well; which of them counts is asked.
fn not_beside_books(tree: &Tree, what: &[What], parts: &[Part]) -> Result<()> {
    let is_text = |at: &usize| what[*at] == What::Text && tree.entries[*at].extension() == "txt";
    let texts: Vec<usize> = (0..what.len()).filter(is_text).collect();
    let tokens: Vec<usize> = parts.iter().map(|part| part.entry).collect();
    let folders = |of: &[usize]| of.iter().map(|at| tree.entries[*at].folder()).collect::<BTreeSet<_>>();
    let holds = |outer: &str, inner: &str| outer.is_empty() || inner == outer || inner.starts_with(&format!("{outer}/"));
    let (of_text, of_tokens) = (folders(&texts), folders(&tokens));
    let meet = of_text.iter().any(|text| of_tokens.iter().any(|tokens| holds(text, tokens) || holds(tokens, text)));
    let (Some(text), Some(token), false) = (texts.first(), tokens.first(), meet) else { return Ok(()) };
    let bytes = |of: &[usize]| of.iter().map(|at| tree.size(&tree.entries[*at])).sum::<u64>();
    let (text, token) = (tree.display(&tree.entries[*text]), tree.display(&tree.entries[*token]));
    let sentence = format!("{} files of text, such as {text}, lie beside tokens, such as {token}; which of them count?", texts.len());
    let mut answers = [("Take the text", Format::Text), ("Take the tokens", Format::Tokens)];
    if bytes(&texts) < bytes(&tokens) {
        answers.reverse();
    }
    let offer = |problem: Problem, (title, format): (&str, Format)| {
        problem.with("choose", title, Options { format: Some(format), ..Options::default() })
    };
    Err(answers.into_iter().fold(Problem::error("several-datasets", sentence).at(Place::file(text)), offer).into())
}

pub fn open(tree: &Tree, what: &[What], options: &Options) -> Result<TokenSet> {
    let mut found =
        Found { tree, options, parts: Vec::new(), named: Vec::new(), problems: Vec::new(), columns: Vec::new(), indexes: Vec::new() };
    found.add_indexed(what)?;
    found.add_arrays(what)?;
    found.add_raw(what)?;
    found.add_rows(what)?;
    let Found { mut parts, mut named, mut problems, columns, indexes, .. } = found;
    // In the order of their names, whatever told of them.
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|at| parts[*at].entry);
    named = order.iter().map(|at| named[*at]).collect();
    parts.sort_by_key(|part| part.entry);
    if options.format.is_none() && text::has_books(tree, what) {
        not_beside_books(tree, what, &parts)?;
    }
    let left_out = leave_forms(tree, what, options, (&mut parts, &mut named, &mut problems))?;
    let Some(kind) = parts.iter().map(|part| part.element.stored()).max_by_key(|kind| kind.bytes()) else {
        return Err(missing(tree, what));
    };
    let mut all: u64 = parts.iter().map(Part::count).sum();
    let splits = splits(&parts, &named, options, &mut problems);
    let of = |split: Split| parts.iter().zip(&splits).filter(|(_, found)| **found == split).map(|(part, _)| part.count()).sum::<u64>();
    let is_split = !splits.is_empty();
    let test = if is_split { of(Split::Test) } else { (all as f64 * options.validation_share()).round() as u64 };
    all = if is_split { of(Split::Train) } else { all - test };
    for (part, split) in parts.iter_mut().zip(splits) {
        part.split = split;
    }
    if let Some(short) = [all, test].into_iter().find(|count| *count < 2) {
        let sentence = format!("the tokens leave a split of {short}; 2 are needed at least");
        return Err(Problem::error("too-few-tokens", sentence).at(tree.place(&tree.entries[parts[0].entry])).into());
    }
    let tokenizer = vocabulary(tree, what, &mut problems)?;
    Ok(TokenSet { parts, problems, columns, train: all, test, kind, split: is_split, tokenizer, indexes, left_out })
}

/// Leaves out tokens of other forms, as chosen.
fn leave_forms(
    tree: &Tree,
    what: &[What],
    options: &Options,
    (parts, named, problems): (&mut Vec<Part>, &mut Vec<Option<Named>>, &mut Vec<Problem>),
) -> Result<Account> {
    let files: Vec<usize> = parts.iter().map(|part| part.entry).collect();
    if let Some(chosen) = options.table.as_ref().filter(|chosen| !files.iter().any(|at| is_named(&tree.entries[*at], chosen))) {
        return Err(Problem::error("no-table", format!("there is no file {chosen} of tokens")).into());
    }
    // Of Parquet and Arrow files configurations are asked for.
    let others: Vec<usize> = files.iter().copied().filter(|at| !is_columnar(&what[*at])).collect();
    let settled = text_forms::settle(tree, &others, text_forms::Of::Tokens, options)?;
    problems.extend(settled.problem);
    let mut account = Account::default();
    settled.left_out.iter().for_each(|at| account.leave_out(tree, *at, "tokens of forms that were not chosen"));
    let left_out: HashSet<usize> = settled.left_out.into_iter().collect();
    let is_kept: Vec<bool> = files.iter().map(|at| !left_out.contains(at)).collect();
    let mut kept = is_kept.iter();
    parts.retain(|_| kept.next() == Some(&true));
    let mut kept = is_kept.iter();
    named.retain(|_| kept.next() == Some(&true));
    Ok(account)
}

fn missing(tree: &Tree, what: &[What]) -> Error {
    let other = what.iter().enumerate().find_map(|(at, what)| if let What::Other(kind) = what { Some((at, kind)) } else { None });
    match other {
        Some((at, kind)) => {
            let file = tree.display(&tree.entries[at]);
            Problem::error("missing-file", format!("{file} is {kind}, which is no file of tokens")).at(Place::file(file)).into()
        }
        None => Problem::error("missing-file", "there is no file of tokens (.npy of whole numbers, or .bin)").into(),
    }
}

/// Of each part; none where the files have no training or no validation split, or a share is chosen.
fn splits(parts: &[Part], named: &[Option<Named>], options: &Options, problems: &mut Vec<Problem>) -> Vec<Split> {
    let has = |wanted: bool| named.iter().flatten().any(|named| (*named == Named::Train) == wanted);
    if has(true) && has(false) && options.validation.is_none() {
        let mut said = Vec::new();
        let splits = splits_of(named, &mut said);
        let unused: u64 = parts.iter().zip(&splits).filter(|(_, split)| **split == Split::Unused).map(|(part, _)| part.count()).sum();
        if unused > 0 {
            let sentence = format!("training is evaluated on the validation split; the {unused} tokens of the test split are left out");
            problems.push(Problem::note("unused-split", sentence).counted(unused));
        }
        return splits;
    }
    let percent = (options.validation_share() * 1000.0).round() / 10.0;
    let sentence = if has(false) || has(true) {
        format!("all files are taken together; the last {percent} % of the tokens are kept for validation")
    } else {
        format!("the files have no validation split; the last {percent} % of the tokens are kept for validation")
    };
    problems.push(Problem::note("no-validation", sentence));
    Vec::new()
}

fn refused<T>(tree: &Tree, entry: &Entry, code: &'static str, why: &str) -> Result<T> {
    let file = tree.display(entry);
    refuse(code, format!("{file} {why}"), Place::file(file))
}

/// A tokenizer with the name of its file.
type Fitting = Option<(String, Tokenizer)>;

impl TokenSet {
    pub fn account(&self, tree: &Tree) -> Account {
        let mut account = self.left_out.clone();
        for part in &self.parts {
            match part.split {
                _ if !self.split => account.use_as(tree, part.entry, "tokens"),
                Split::Train => account.use_as(tree, part.entry, "training tokens"),
                Split::Test => account.use_as(tree, part.entry, "validation tokens"),
                Split::Unused | Split::Duplicate | Split::Strange => {
                    account.leave_out(tree, part.entry, "tokens of a test split beside a validation split")
                }
            }
        }
        self.indexes.iter().for_each(|entry| account.use_as(tree, *entry, "indexes of tokens"));
        self.tokenizer.iter().for_each(|(entry, _)| account.use_as(tree, *entry, "vocabulary"));
        account
    }

    /// Of a type with numbers that are no tokens.
    pub fn may_have_bad_tokens(&self) -> bool {
        self.parts.iter().any(|part| part.column.is_some() || matches!(part.element, Element::Int32 | Element::Int64))
    }

    /// The tokenizer beside the tokens; a problem where it has fewer tokens than are used.
    pub fn tokenizer(&self, tree: &Tree, used: u64) -> Result<std::result::Result<Fitting, Problem>> {
        let Some((entry, json)) = &self.tokenizer else { return Ok(Ok(None)) };
        let file = tree.display(&tree.entries[*entry]);
        let tokenizer = match Tokenizer::load(json) {
            Ok(tokenizer) => tokenizer,
            Err(why) => return refused(tree, &tree.entries[*entry], "bad-tokenizer", &why),
        };
        let known = tokenizer.vocabulary() as u64;
        if known >= used {
            return Ok(Ok(Some((file, tokenizer))));
        }
        let sentence = format!("{file} has {known} tokens, but the files hold token {}; it is not theirs and is not used", used - 1);
        Ok(Err(Problem::warning("other-tokenizer", sentence).at(Place::file(file))))
    }

    /// Hands over all tokens in order, with whether they are kept for validation, and the position of the first in its file.
    pub fn chunks(&self, tree: &Tree, hand: &mut dyn FnMut(Vec<u32>, bool, Place) -> Result<()>) -> Result<()> {
        let mut before = 0;
        for part in self.parts.iter().filter(|part| part.split != Split::Unused) {
            let file = tree.display(&tree.entries[part.entry]);
            let mut at = 0;
            let mut deliver = |tokens: Vec<u32>| -> Result<()> {
                let place = |at: u64| Place::row(file.clone(), at as usize);
                let start = before + at;
                let from = at;
                at += tokens.len() as u64;
                if self.split {
                    return hand(tokens, part.split == Split::Test, place(from));
                }
                // Validation begins within a chunk, and a chunk ends there.
                let mark = self.train.clamp(start, before + at) - start;
                let (train, test) = tokens.split_at(mark as usize);
                for (tokens, is_test, from) in [(train, false, from), (test, true, from + mark)] {
                    if !tokens.is_empty() {
                        hand(tokens.to_vec(), is_test, place(from))?;
                    }
                }
                Ok(())
            };
            match &part.column {
                Some(column) => part.lists(tree, column, &mut deliver)?,
                None => part.spans(tree, &mut deliver)?,
            }
            before += part.count();
        }
        Ok(())
    }
}

impl Part {
    fn spans(&self, tree: &Tree, deliver: &mut dyn FnMut(Vec<u32>) -> Result<()>) -> Result<()> {
        let entry = &tree.entries[self.entry];
        tree.read(entry, |stream| {
            let failed = |error: std::io::Error| tree.unreadable(entry, &error);
            let (mut position, mut at) = (0, 0);
            for span in &self.spans {
                std::io::copy(&mut stream.take(span.start.saturating_sub(position)), &mut std::io::sink()).map_err(failed)?;
                let end = at + span.count;
                while at < end {
                    let count = (end - at).min(CHUNK as u64);
                    let mut bytes = vec![0; count as usize * self.element.bytes()];
                    if read_fully(stream, &mut bytes).map_err(failed)? < bytes.len() {
                        return refused(tree, entry, "truncated-file", "became shorter while it was read");
                    }
                    deliver(values(self, &bytes, &Place::row(tree.display(entry), at as usize))?)?;
                    at += count;
                }
                position = span.start + span.count * self.element.bytes() as u64;
            }
            Ok(())
        })
    }

    fn lists(&self, tree: &Tree, column: &str, deliver: &mut dyn FnMut(Vec<u32>) -> Result<()>) -> Result<()> {
        let entry = &tree.entries[self.entry];
        let mut at = 0;
        let mut take = |numbers: Vec<i64>| {
            let place = Place::row(tree.display(entry), at);
            at += numbers.len();
            deliver(numbers.into_iter().enumerate().map(|(row, number)| token(number, row, &place)).collect::<Result<_>>()?)
        };
        match tree.head(entry, 1)?.as_slice() {
            b"P" | b"A" | [0xff] => Columnar::open(tree, entry)?.numbers_of_list(column, &mut take),
            _ => token_lines::numbers(tree, entry, column, &mut take),
        }
    }
}

/// A number below 0 or beyond 32 bits is no token. `row` counts from the place.
fn token(number: i64, row: usize, place: &Place) -> Result<u32> {
    u32::try_from(number).or_else(|_| {
        let at = place.row.unwrap_or(0) as usize + row;
        refuse(
            "bad-token",
            format!("{} holds {number} at position {at}, which is no token", place.file),
            Place::row(place.file.clone(), at),
        )
    })
}

fn values(part: &Part, bytes: &[u8], place: &Place) -> Result<Vec<u32>> {
    let size = part.element.bytes();
    let number = |(row, element): (usize, &[u8])| {
        let bits = (0..size).fold(0u64, |bits, at| (bits << 8) | u64::from(element[if part.big_endian { at } else { size - 1 - at }]));
        token(if part.element == Element::Int32 { i64::from(bits as u32 as i32) } else { bits as i64 }, row, place)
    };
    match (part.element, part.big_endian) {
        // The usual types, without a check of each.
        (Element::Uint16, false) => Ok(bytes.as_chunks::<2>().0.iter().map(|word| u32::from(u16::from_le_bytes(*word))).collect()),
        (Element::Uint32, false) => Ok(bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect()),
        _ => bytes.chunks_exact(size).enumerate().map(number).collect(),
    }
}
