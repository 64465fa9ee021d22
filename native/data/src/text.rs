//! Text as documents, from plain files, JSON lines, CSV, Parquet and Arrow, read as a stream of pieces. A plain file is one document, a row of a
//! table is one. Long documents come in pieces that end at line ends, so that no tokenizer holds a whole book.

use crate::account::Account;
use crate::columnar::Columnar;
use crate::error::{Error, Place, Problem, Result};
use crate::image_parquet::split_of;
use crate::images::Named;
use crate::options::Options;
use crate::sniff::What;
use crate::table::{self, Shape};
use crate::tree::{Entry, Tree, read_fully};

/// Longest piece of a document, bytes.
const PIECE: usize = 1 << 18;

const TEXT_COLUMNS: [&str; 8] = ["text", "content", "document", "body", "sentence", "story", "article", "markdown"];

/// Fewer documents than this are not shared out whole: the end of the text is kept for validation.
const FEW: usize = 20;

enum Kind {
    Plain,
    Table(Shape, usize),
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
    /// A tokenizer.json among the files.
    pub tokenizer: Option<usize>,
    /// Bytes of all files, for progress.
    pub bytes: u64,
    /// Documents of files known to be one each; `None` where tables have rows.
    plain: Option<usize>,
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

pub fn fits(what: &[What]) -> bool {
    what.iter().any(|what| matches!(what, What::Text | What::JsonLines | What::Csv | What::Parquet | What::Arrow))
}

pub fn open(tree: &Tree, what: &[What], options: &Options) -> Result<TextSet> {
    let mut set = TextSet {
        parts: vec![],
        columns: vec![],
        problems: vec![],
        left_out: Account::default(),
        tokenizer: None,
        bytes: 0,
        plain: Some(0),
    };
    let only_readme = |at: usize| what[at] == What::Text && is_readme(&tree.entries[at]) && what.len() > 1;
    for (at, entry) in tree.entries.iter().enumerate() {
        if entry.file_name() == "tokenizer.json" {
            set.tokenizer = Some(at);
            continue;
        }
        if only_readme(at) {
            set.left_out.leave_out(tree, at, "text about the dataset");
            continue;
        }
        let kind = match what[at] {
            What::Text => Kind::Plain,
            What::JsonLines | What::Csv => {
                let shape = table::shape(tree, entry, what[at] == What::JsonLines)?;
                let column = text_column(tree, entry, &shape, options)?;
                set.columns.clone_from(&shape.columns);
                Kind::Table(shape, column)
            }
            What::Parquet | What::Arrow => {
                let file = Columnar::open(tree, entry)?;
                set.columns = file.names();
                Kind::Parquet(parquet_column(tree, entry, &file, options)?)
            }
            _ => continue,
        };
        set.plain = if matches!(kind, Kind::Plain) { set.plain.map(|plain| plain + 1) } else { None };
        set.bytes += tree.size(entry);
        set.parts.push(Part { entry: at, kind, split: split_of(entry) });
    }
    set.settle_splits(tree, options);
    Ok(set)
}

/// Text beside what describes it.
pub fn has_documents(tree: &Tree, what: &[What]) -> bool {
    let is_document = |(what, entry): (&What, &Entry)| match what {
        What::Text => !is_readme(entry),
        other => matches!(other, What::JsonLines | What::Csv | What::Parquet | What::Arrow),
    };
    what.iter().zip(&tree.entries).any(is_document)
}

fn is_readme(entry: &Entry) -> bool {
    let stem = entry.stem().to_lowercase();
    ["readme", "license", "licence", "notice", "changelog"].contains(&stem.as_str())
}

fn text_column(tree: &Tree, entry: &Entry, shape: &Shape, options: &Options) -> Result<usize> {
    let only = if shape.columns.len() == 1 && options.text_column.is_none() { Some(0) } else { None };
    match shape.choose(options.text_column.as_ref(), &TEXT_COLUMNS).or(only) {
        Some(column) => Ok(column),
        None => table::no_column(tree, entry, "text", shape, |name| Options { text_column: Some(name.to_owned()), ..Options::default() }),
    }
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
        self.tokenizer.into_iter().for_each(|entry| account.use_as(tree, entry, "tokenizers"));
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
        for part in &self.parts {
            let entry = &tree.entries[part.entry];
            let size = tree.size(entry);
            let mut through = 0u64;
            self.part_pieces(tree, part, options, &mut |mut piece, whole_file| {
                let start = before + through.min(size);
                through += piece.text.len() as u64;
                let at = before + through.min(size);
                match part.split {
                    Some(named) => piece.test = named != Named::Train,
                    // The piece in which validation begins is cut there.
                    None if few => {
                        let (train, test) = piece.split_at(kept_from.saturating_sub(start));
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
                if piece.last && !whole_file {
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

    fn part_pieces(&self, tree: &Tree, part: &Part, options: &Options, hand: &mut dyn FnMut(Piece, bool) -> Result<()>) -> Result<()> {
        let entry = &tree.entries[part.entry];
        let file = tree.display(entry);
        match &part.kind {
            Kind::Plain => plain_pieces(tree, entry, options, &mut |text, last| hand(piece(text, last, Place::file(file.clone())), true)),
            Kind::Table(shape, column) => shape.rows(tree, entry, &mut |row, mut fields| match fields[*column].take() {
                Some(text) => cut(text, &mut |text, last| hand(piece(text, last, Place::row(file.clone(), row)), false)),
                None => Ok(()),
            }),
            Kind::Parquet(column) => {
                let mut row = 0;
                Columnar::open(tree, entry)?.bytes(column, 0, &mut |value| {
                    row += 1;
                    let Some(value) = value else { return Ok(()) };
                    let place = Place::row(file.clone(), row - 1);
                    let text = text_of(value.data().to_vec(), options, &place, 0)?;
                    cut(text, &mut |text, last| hand(piece(text, last, place.clone()), false))
                })
            }
        }
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
        let offset = before + error.utf8_error().valid_up_to() as u64;
        let sentence = format!("{} is not UTF-8 at byte {offset}; save it as UTF-8", place.file);
        let place = Place { offset: Some(offset), ..place.clone() };
        Err(Problem::error("bad-utf8", sentence).at(place).skippable("Replace what is not UTF-8 with \u{fffd}").into())
    })
}

/// The pieces of one file.
fn plain_pieces(tree: &Tree, entry: &Entry, options: &Options, hand: &mut dyn FnMut(String, bool) -> Result<()>) -> Result<()> {
    let place = tree.place(entry);
    tree.read(entry, |stream| {
        let mut rest: Vec<u8> = Vec::new();
        let mut before = 0;
        loop {
            let kept = rest.len();
            rest.resize(kept + PIECE, 0);
            let found = read_fully(stream, &mut rest[kept..]).map_err(|error| tree.unreadable(entry, &error))?;
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
    })
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
