//! Text as documents, from plain files, tables of rows (JSON, CSV), Parquet and Arrow, read as a stream of pieces. A plain file is one document, or
//! several with `<|endoftext|>` between them; a row of a table is one. Long documents come in pieces that end at line ends, so that no
//! tokenizer holds a whole book.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Mutex;

use crate::account::Account;
use crate::columnar::Columnar;
use crate::encoding::{self, Decoded};
use crate::error::{Error, Place, Problem, Result};
use crate::image_parquet::split_of;
use crate::images::Named;
use crate::options::Options;
use crate::sniff::What;
use crate::text_files;
pub use crate::text_files::{Beside, fits, has_books, has_documents};
use crate::text_rows::{Rows, TEXT_COLUMNS};
use crate::tree::{Entry, Tree, read_fully};

/// Longest piece of a document, bytes.
const PIECE: usize = 1 << 18;

/// Between documents of one file, as GPT-2's data has it.
const END_MARK: &str = "<|endoftext|>";

/// Fewer documents than this are not shared out whole: the end of the text is kept for validation.
const FEW: usize = 20;

enum Kind {
    Plain,
    Rows(Rows),
    Parquet(String),
}

struct Part {
    entry: usize,
    kind: Kind,
    split: Option<Named>,
}

pub struct TextSet {
    parts: Vec<Part>,
    pub columns: Vec<String>,
    pub problems: Vec<Problem>,
    left_out: Account,
    pub tokenizer: Option<Beside>,
    /// Bytes of all files, for progress.
    pub bytes: u64,
    /// Documents of files known to be one each; `None` where tables have rows.
    plain: Option<usize>,
    told: Mutex<Told>,
}

/// What was met while the text was read.
#[derive(Default)]
struct Told {
    end_marks: u64,
    rows_without_text: u64,
    /// Files by encoding.
    encodings: BTreeMap<&'static str, u64>,
}

/// Part of a document.
pub struct Piece {
    pub text: String,
    /// The last piece of its document.
    pub last: bool,
    pub test: bool,
    /// File and row, for messages and previews.
    pub place: Place,
}

impl Piece {
    /// What lies before and behind a place, each where there is any; the part behind is kept for validation.
    fn split_at(mut self, place: u64) -> (Option<Self>, Option<Self>) {
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        if place >= self.text.len() {
            return (Some(self), None);
        }
        let mut cut = if place > 2 { cut_at(&self.text.as_bytes()[..place]) } else { 0 };
        while !self.text.is_char_boundary(cut) {
            cut -= 1;
        }
        let text = self.text.split_off(cut);
        let test = Self { text, last: self.last, test: true, place: self.place.clone() };
        (Some(Self { last: false, ..self }).filter(|train| !train.text.is_empty()), Some(test))
    }
}

pub fn open(tree: &Tree, what: &[What], options: &Options) -> Result<TextSet> {
    let text_files::Files { texts, tokenizer, problems, left_out } = text_files::choose(tree, what, options)?;
    let mut set = TextSet {
        parts: Vec::with_capacity(texts.len()),
        columns: vec![],
        problems,
        left_out,
        tokenizer,
        bytes: 0,
        plain: Some(0),
        told: Mutex::default(),
    };
    for at in texts {
        let entry = &tree.entries[at];
        let kind = match what[at] {
            What::JsonLines | What::Csv => Kind::Rows(Rows::open(tree, entry, &what[at], options)?),
            What::Json if entry.extension() == "json" => Kind::Rows(Rows::open(tree, entry, &what[at], options)?),
            What::Parquet | What::Arrow => {
                let file = Columnar::open(tree, entry)?;
                set.columns = file.names();
                Kind::Parquet(parquet_column(tree, entry, &file, options)?)
            }
            _ => Kind::Plain,
        };
        if let Kind::Rows(rows) = &kind {
            set.take_columns(rows);
        }
        set.plain = if matches!(kind, Kind::Plain) { set.plain.map(|plain| plain + 1) } else { None };
        set.bytes += tree.size(entry);
        set.parts.push(Part { entry: at, kind, split: split_of(entry) });
    }
    set.settle_splits(tree, options);
    Ok(set)
}

fn parquet_column(tree: &Tree, entry: &Entry, file: &Columnar, options: &Options) -> Result<String> {
    if let Some(chosen) = &options.text_column {
        return Ok(chosen.clone());
    }
    let texts = file.byte_columns();
    let usual = TEXT_COLUMNS.iter().find_map(|usual| texts.iter().find(|name| name.to_lowercase() == **usual));
    if let Some(column) = usual.or(if texts.len() == 1 { texts.first() } else { None }) {
        return Ok(column.clone());
    }
    let shown = tree.display(entry);
    let sentence = format!("{shown} has no column of text that is known by its name; there are {}", file.names().join(", "));
    let offer = |problem: Problem, name: &String| {
        problem.with("choose", format!("Take {name}"), Options { text_column: Some(name.clone()), ..Options::default() })
    };
    Err(texts.iter().take(12).fold(Problem::error("no-column", sentence).at(Place::file(shown)), offer).into())
}

impl TextSet {
    /// The columns of a table, once for all that have the same.
    fn take_columns(&mut self, rows: &Rows) {
        if self.columns != rows.columns {
            self.columns.clone_from(&rows.columns);
            self.left_out.columns(&rows.columns, &rows.used());
        }
        if let Some(note) = rows.note().filter(|note| !self.problems.contains(note)) {
            self.problems.push(note);
        }
    }

    /// What was met in the text that was read.
    pub fn told(&self) -> Vec<Problem> {
        let Ok(told) = self.told.lock() else { return Vec::new() };
        let mut problems = Vec::new();
        if told.end_marks > 0 {
            let sentence = format!("{END_MARK} was met {} times; a document ends there, and the mark itself is no text", told.end_marks);
            problems.push(Problem::note("end-marks", sentence).counted(told.end_marks));
        }
        if told.rows_without_text > 0 {
            let sentence = format!("{} rows without text are left out", told.rows_without_text);
            problems.push(Problem::warning("empty-row", sentence).counted(told.rows_without_text));
        }
        for (encoding, count) in &told.encodings {
            problems.push(Problem::note("encoding", format!("{count} files are read as {encoding}")).counted(*count));
        }
        problems
    }

    /// Share of the text that is for validation, by the sizes of the files.
    pub fn validation_share(&self, tree: &Tree, options: &Options) -> f64 {
        if self.parts.iter().any(|part| part.split.is_none()) {
            return options.validation_share();
        }
        let kept = self.parts.iter().filter(|part| part.split != Some(Named::Train));
        kept.map(|part| tree.size(&tree.entries[part.entry])).sum::<u64>() as f64 / self.bytes.max(1) as f64
    }

    pub fn account(&self, tree: &Tree) -> Account {
        let mut account = self.left_out.clone();
        for part in &self.parts {
            let what = match part.split {
                None => "text",
                Some(Named::Train) => "training text",
                Some(_) => "validation text",
            };
            account.use_as(tree, part.entry, what);
        }
        account
    }

    /// Keeps the splits that the names tell, where some text is for training and some is not; else a share of all is for validation.
    fn settle_splits(&mut self, tree: &Tree, options: &Options) {
        let is_kept = |part: &Part| !matches!(part.split, None | Some(Named::Train));
        let (kept, trained) = (self.parts.iter().any(is_kept), !self.parts.iter().all(is_kept));
        if kept && trained && options.validation.is_none() {
            return self.keep_splits(tree);
        }
        let percent = (options.validation_share() * 1000.0).round() / 10.0;
        let what = if self.is_few() { "the end of the text" } else { "some of the documents" };
        let found = match (kept, trained) {
            (true, true) => "all files are taken together, as chosen",
            (true, false) => "the files have no training split and are taken together",
            _ => "the files have no validation split",
        };
        let sentence = format!("{found}; {what}, {percent} %, is kept for validation");
        self.parts.iter_mut().for_each(|part| part.split = None);
        let (other, title) = if percent < 15.0 { (0.2, "Keep 20 %") } else { (0.1, "Keep 10 %") };
        let remedy = Options { validation: Some(other), ..Options::default() };
        self.problems.push(Problem::note("no-validation", sentence).with("split", title, remedy));
    }

    /// A test split beside one for validation is left out.
    fn keep_splits(&mut self, tree: &Tree) {
        let has_validation = self.parts.iter().any(|part| part.split == Some(Named::Validation));
        let unused: Vec<Part> = self.parts.extract_if(.., |part| has_validation && part.split == Some(Named::Test)).collect();
        for part in &unused {
            self.left_out.leave_out(tree, part.entry, "text of a test split beside a validation split");
            self.bytes -= tree.size(&tree.entries[part.entry]);
        }
        if !unused.is_empty() {
            let files = if unused.len() == 1 {
                "the file of the test split is".to_owned()
            } else {
                format!("the {} files of the test split are", unused.len())
            };
            let sentence = format!("training is evaluated on the validation split; {files} left out");
            self.problems.push(Problem::note("unused-split", sentence).counted(unused.len() as u64));
        }
        let trained = self.parts.iter().any(|part| part.split == Some(Named::Train));
        let strays: Vec<Part> = self.parts.extract_if(.., |part| trained && part.split.is_none()).collect();
        for part in &strays {
            self.left_out.leave_out(tree, part.entry, "text beside the files of the splits");
            self.bytes -= tree.size(&tree.entries[part.entry]);
        }
        if let Some(first) = strays.first() {
            let first = tree.display(&tree.entries[first.entry]);
            let sentence = format!("{} files of no split, such as {first}, lie beside those of the splits and are left out", strays.len());
            let together = Options { validation: Some(0.1), ..Options::default() };
            let problem = Problem::warning("no-split", sentence).counted(strays.len() as u64).at(Place::file(first));
            self.problems.push(problem.with("split", "Take all files together and keep 10 %", together));
        }
        self.parts.iter_mut().filter(|part| part.split.is_none()).for_each(|part| part.split = Some(Named::Train));
    }

    fn is_few(&self) -> bool {
        self.plain.is_some_and(|plain| plain < FEW)
    }

    /// Hands over all text in the order of the files. `progress` is told the bytes of the files that were gone through.
    pub fn pieces(&self, tree: &Tree, options: &Options, hand: &mut dyn FnMut(Piece, u64) -> Result<()>) -> Result<()> {
        let share = options.validation_share();
        let phase = (options.seed.unwrap_or(0) as f64 * 0.618_033_988_749_895).fract();
        let few = self.is_few();
        let kept_from = ((1.0 - share) * self.bytes as f64) as u64;
        let (mut document, mut before) = (0u64, 0u64);
        if let Ok(mut told) = self.told.lock() {
            *told = Told::default();
        }
        for part in &self.parts {
            let entry = &tree.entries[part.entry];
            let size = tree.size(entry);
            let mut through = 0u64;
            self.part_pieces(tree, part, options, &mut |mut piece, bytes| {
                let start = before + through.min(size);
                through += bytes;
                let at = before + through.min(size);
                match part.split {
                    Some(named) => piece.test = named != Named::Train,
                    // The piece in which validation begins is cut there.
                    None if few => {
                        let place = kept_from.saturating_sub(start) as f64 * piece.text.len() as f64 / bytes.max(1) as f64;
                        let (train, test) = piece.split_at(place as u64);
                        if let Some(train) = train {
                            hand(train, at)?;
                        }
                        return test.map_or(Ok(()), |test| hand(test, at));
                    }
                    // Evenly: the documents at which the running share passes a whole number.
                    None => {
                        let passed = |documents: u64| (documents as f64 * share + phase).floor();
                        piece.test = passed(document + 1) > passed(document);
                    }
                };
                if piece.last && !matches!(part.kind, Kind::Plain) {
                    document += 1;
                }
                hand(piece, at)
            })?;
            if matches!(part.kind, Kind::Plain) {
                document += 1;
            }
            before += size;
        }
        Ok(())
    }

    /// Hands over the pieces of a file, each with the bytes of the file that it stands for.
    fn part_pieces(&self, tree: &Tree, part: &Part, options: &Options, hand: &mut dyn FnMut(Piece, u64) -> Result<()>) -> Result<()> {
        let entry = &tree.entries[part.entry];
        if matches!(part.kind, Kind::Plain) {
            return self.plain_pieces(tree, entry, options, hand);
        }
        let file = tree.display(entry);
        let mut hand_row = |text: Option<String>, place: Place| match text {
            Some(text) => cut(text, &mut |text, last| {
                let bytes = text.len() as u64;
                hand(piece(text, last, place.clone()), bytes)
            }),
            None => {
                self.tell(|told| told.rows_without_text += 1);
                Ok(())
            }
        };
        match &part.kind {
            Kind::Plain => Ok(()),
            Kind::Rows(rows) => rows.texts(tree, entry, &mut |row, text| hand_row(text, Place::row(file.clone(), row))),
            Kind::Parquet(column) => {
                let mut row = 0;
                Columnar::open(tree, entry)?.bytes(column, 0, &mut |value| {
                    row += 1;
                    let place = Place::row(file.clone(), row - 1);
                    let text = value.map(|value| text_of(value.data().to_vec(), options, &place, 0)).transpose()?;
                    hand_row(text, place)
                })
            }
        }
    }

    fn tell(&self, change: impl FnOnce(&mut Told)) {
        if let Ok(mut told) = self.told.lock() {
            change(&mut told);
        }
    }

    /// The pieces of one file, with the documents in it told apart.
    fn plain_pieces(&self, tree: &Tree, entry: &Entry, options: &Options, hand: &mut dyn FnMut(Piece, u64) -> Result<()>) -> Result<()> {
        let place = tree.place(entry);
        let mut ended = false;
        let mut hand_text = |text: String, last: bool, bytes: u64| {
            let mut rest = text.as_str();
            while let Some(at) = rest.find(END_MARK) {
                self.tell(|told| told.end_marks += 1);
                let behind = &rest[at + END_MARK.len()..];
                let behind = behind.strip_prefix("\r\n").or_else(|| behind.strip_prefix('\n')).unwrap_or(behind);
                let through = (rest.len() - behind.len()) as u64 * bytes / text.len() as u64;
                hand(piece(rest[..at].to_owned(), true, place.clone()), through)?;
                rest = behind;
                ended = true;
            }
            if ended && rest.is_empty() {
                return Ok(());
            }
            ended = false;
            let bytes = rest.len() as u64 * bytes / text.len().max(1) as u64;
            hand(piece(rest.to_owned(), last, place.clone()), bytes)
        };
        tree.read(entry, |stream| {
            let mut head = vec![0; 1 << 12];
            let found = read_fully(stream, &mut head).map_err(|error| tree.unreadable(entry, &error))?;
            head.truncate(found);
            let mut whole = head.as_slice().chain(stream);
            match encoding::encoding_of(&head, options)? {
                None => whole_pieces(tree, entry, &mut whole, options, &mut |text, last| {
                    let bytes = text.len() as u64;
                    hand_text(text, last, bytes)
                }),
                Some(encoding) => {
                    self.tell(|told| *told.encodings.entry(encoding.name()).or_default() += 1);
                    let scale = encoding::bytes_per_text(encoding, &head);
                    whole_pieces(tree, entry, &mut Decoded::new(whole, encoding, options.skips()), options, &mut |text, last| {
                        let bytes = (text.len() as f64 * scale) as u64;
                        hand_text(text, last, bytes)
                    })
                }
            }
        })
    }
}

fn piece(text: String, last: bool, place: Place) -> Piece {
    Piece { text, last, test: false, place }
}

/// Text of bytes; what is no UTF-8 is refused with its place, or replaced where that was chosen.
fn text_of(bytes: Vec<u8>, options: &Options, place: &Place, before: u64) -> Result<String> {
    String::from_utf8(bytes).or_else(|error| {
        if options.skips() {
            return Ok(String::from_utf8_lossy(error.as_bytes()).into_owned());
        }
        Err(encoding::not_utf8(error.as_bytes(), place, before).into())
    })
}

/// The pieces of a stream of UTF-8.
fn whole_pieces(
    tree: &Tree,
    entry: &Entry,
    stream: &mut dyn Read,
    options: &Options,
    hand: &mut dyn FnMut(String, bool) -> Result<()>,
) -> Result<()> {
    let place = tree.place(entry);
    let mut rest: Vec<u8> = Vec::new();
    let mut before = 0;
    loop {
        let kept = rest.len();
        rest.resize(kept + PIECE, 0);
        let found = read_fully(stream, &mut rest[kept..]).map_err(|error| encoding::malformed(tree, entry, &error))?;
        rest.truncate(kept + found);
        if found < PIECE {
            break;
        }
        let end = cut_at(&rest);
        let after = rest.split_off(end);
        let bytes = std::mem::replace(&mut rest, after);
        before += bytes.len() as u64;
        hand(text_of(bytes, options, &place, before - end as u64)?, false)?;
    }
    let text = text_of(rest, options, &place, before)?;
    // A byte order mark is no text.
    hand(text.strip_prefix('\u{feff}').filter(|_| before == 0).map_or(text.clone(), ToOwned::to_owned), true)
}

/// Cuts a document that is long.
fn cut(text: String, hand: &mut dyn FnMut(String, bool) -> Result<()>) -> Result<()> {
    let mut rest = text.as_str();
    while rest.len() > 2 * PIECE {
        let mut end = cut_at(&rest.as_bytes()[..PIECE]);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        hand(rest[..end].to_owned(), false)?;
        rest = &rest[end..];
    }
    hand(rest.to_owned(), true)
}

/// Where to cut: behind the last line end that has no white space around it, so that tokenizers that split at words see the same words;
/// else behind a line end or a space; else between two characters.
fn cut_at(bytes: &[u8]) -> usize {
    let plain = |at: &usize| bytes[*at] == b'\n' && !bytes[at - 1].is_ascii_whitespace() && !bytes[at + 1].is_ascii_whitespace();
    let inner = 1..bytes.len().saturating_sub(1);
    let line = inner.clone().rev().find(plain).or_else(|| inner.clone().rev().find(|at| bytes[*at] == b'\n'));
    if let Some(line) = line.or_else(|| inner.clone().rev().find(|at| bytes[*at] == b' ')) {
        return line + 1;
    }
    // A byte of the form 10xxxxxx goes on with a character.
    inner.rev().find(|at| bytes[*at] & 0xc0 != 0x80).unwrap_or(bytes.len())
}

/// Ends a stream early without an error.
pub fn until_enough(result: Result<()>) -> Result<()> {
    match result {
        Err(Error::Cancelled) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_at_line_ends_and_nothing_is_lost() {
        let text: String = (0..200_000).map(|line| format!("line {line}\n")).collect();
        let mut pieces: Vec<(String, bool)> = Vec::new();
        cut(text.clone(), &mut |piece, last| {
            pieces.push((piece, last));
            Ok(())
        })
        .unwrap();
        assert_eq!(pieces.iter().map(|(piece, _)| piece.as_str()).collect::<String>(), text);
        assert!(pieces.iter().rev().skip(1).all(|(piece, last)| piece.ends_with('\n') && !last && piece.len() <= PIECE));
        assert!(pieces.len() > 2 && pieces.last().unwrap().1);
    }

    #[test]
    fn text_without_a_space_is_cut_between_characters() {
        let text = "é".repeat(PIECE * 2);
        let mut whole = String::new();
        cut(text.clone(), &mut |piece, _| {
            whole.push_str(&piece);
            Ok(())
        })
        .unwrap();
        assert_eq!(whole, text);
    }
}
