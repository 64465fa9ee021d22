//! Tables as rows of text: CSV (comma, semicolon, tab or bar) and JSON lines, read as streams. Used for tables of images and for text.
//!
//! Before the rows of a CSV file there may be Excel's `sep=;` and comments. A row with more fields than there are columns keeps them.

use std::io::{BufRead, BufReader, Read};

use crate::columnar::Columnar;
use crate::encoding;
use crate::error::{Place, Problem, Result};
use crate::sniff::is_image_extension;
use crate::tree::{Entry, Tree};

/// A row longer than this is no row of a table; it is refused before more of it is in memory.
const LONGEST_LINE: u64 = 64 << 20;
const TOO_LONG: &str = "it is longer than 64 MiB";

/// One row; a field that is missing or null is `None`.
pub type Row = Vec<Option<String>>;

/// Between the values of a JSON list of texts or numbers, where lists are wanted.
pub const SEVERAL: char = '\u{1f}';

/// So much of a CSV file tells its columns, bytes.
const HEAD: u64 = 1 << 20;
/// A longer first line names no columns, bytes.
const LONGEST_HEADER: usize = 4096;
/// Fewer fields with spaces between them are no table.
const LEAST_SPACED: usize = 3;
/// Rows by which the delimiter is judged.
const JUDGED: usize = 20;

/// Longer is no name of a column, characters.
const LONGEST_NAME: usize = 64;

/// The name of an only column has fewer words.
const SENTENCE: usize = 4;

/// Column names of a table, and how its rows are written.
#[derive(Clone)]
pub struct Shape {
    pub columns: Vec<String>,
    form: Form,
    /// The first line holds names of columns.
    pub has_header: bool,
    /// Lists are handed over with `SEVERAL` between their values; else they are missing.
    lists: bool,
}

#[derive(Clone, Copy)]
enum Form {
    /// `before`: lines before the first row.
    Csv {
        delimiter: u8,
        before: usize,
    },
    JsonLines,
    /// Parquet or Arrow.
    Columns,
}

/// The columns of a Parquet or Arrow file, other than parts of structures.
pub fn shape_of_columns(tree: &Tree, entry: &Entry) -> Result<Shape> {
    let columns = Columnar::open(tree, entry)?.columns().into_iter().filter(|name| !name.contains('.')).collect();
    Ok(Shape { columns, form: Form::Columns, has_header: true, lists: false })
}

pub fn shape(tree: &Tree, entry: &Entry, json: bool) -> Result<Shape> {
    if json {
        let mut columns: Vec<String> = Vec::new();
        let keys = |line: &[u8], row: usize| {
            for (key, _) in object(tree, entry, line, row)? {
                if !columns.contains(&key) {
                    columns.push(key);
                }
            }
            Ok(())
        };
        first_lines(tree, entry, 50, keys)?;
        return Ok(Shape { columns, form: Form::JsonLines, has_header: true, lists: false });
    }
    let head = tree.read_text(entry, |stream| {
        let mut head = Vec::new();
        stream.take(HEAD).read_to_end(&mut head).map_err(|error| tree.unreadable(entry, &error))?;
        Ok(head)
    })?;
    let is_whole = (head.len() as u64) < HEAD;
    let (said, before) = preamble(&head);
    let start = rest_of_lines(&head, before);
    let delimiter = said.unwrap_or_else(|| delimiter(start, is_whole));
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(start);
    let columns = reader.byte_headers().map_err(|error| bad_row(tree, entry, 0, &error.to_string()))?.clone();
    let columns =
        csv::StringRecord::from_byte_record(columns).map_err(|error| not_utf8(tree, entry, 0, error.into_byte_record().as_slice()))?;
    let name = |(at, name): (usize, &str)| match name.trim().trim_start_matches(['#', ' ']) {
        "" => format!("column {}", at + 1),
        name => name.to_owned(),
    };
    // A first row that names an image file is no header.
    let is_image = |name: &str| name.trim().rsplit_once('.').is_some_and(|(_, extension)| is_image_extension(&extension.to_lowercase()));
    let has_header = !columns.iter().any(is_image);
    let shape =
        Shape { columns: columns.iter().enumerate().map(name).collect(), form: Form::Csv { delimiter, before }, has_header, lists: false };
    Ok(if has_header { shape } else { shape.without_header() })
}

/// The delimiter that `sep=;` tells, and the number of lines before the rows: that one, and comments, which have another number of fields
/// than the line that follows them.
fn preamble(head: &[u8]) -> (Option<u8>, usize) {
    let mut said = None;
    let mut before = 0;
    if let [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter, b'\r' | b'\n', ..] = head {
        (said, before) = (Some(*delimiter), 1);
    }
    loop {
        let here = rest_of_lines(head, before);
        let next = rest_of_lines(head, before + 1);
        let is_comment = here.starts_with(b"#") && !next.is_empty();
        let delimiter = said.unwrap_or_else(|| delimiter(next, false));
        if !is_comment || (!next.starts_with(b"#") && fields(here, delimiter) == fields(next, delimiter)) {
            return (said, before);
        }
        before += 1;
    }
}

/// Number of fields of the first record.
fn fields(text: &[u8], delimiter: u8) -> usize {
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(text);
    let mut record = csv::ByteRecord::new();
    reader.read_byte_record(&mut record).map_or(0, |_| record.len())
}

/// What follows `count` lines that end with \n, \r\n or \r.
fn rest_of_lines(text: &[u8], count: usize) -> &[u8] {
    (0..count).fold(text, |text, _| {
        let end = text.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(text.len());
        let rest = &text[end..];
        rest.strip_prefix(b"\r\n").unwrap_or_else(|| rest.get(1..).unwrap_or_default())
    })
}

/// Names of columns with a space between them: `image_id class_id path`.
fn is_header_of_words(line: &[u8]) -> bool {
    let is_name = |word: &[u8]| {
        word.first().is_some_and(u8::is_ascii_alphabetic) && word.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
    };
    line.split(|byte| *byte == b' ').all(is_name) && line.contains(&b'_')
}

/// Whether a text is a table whose fields have spaces between them.
pub fn is_spaced(tree: &Tree, entry: &Entry) -> Result<bool> {
    let head = tree.head(entry, LONGEST_HEADER)?;
    if !is_header_of_words(head.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default()) {
        return Ok(false);
    }
    let head = tree.head(entry, HEAD as usize)?;
    Ok(delimiter(&head, (head.len() as u64) < HEAD) == b' ')
}

/// That by which the first rows have equally many fields, else that which is most often in the first.
fn delimiter(text: &[u8], is_whole: bool) -> u8 {
    let line = text.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    let count = |delimiter: &u8| line.iter().filter(|byte| *byte == delimiter).count();
    let even = |delimiter: &u8| {
        let mut reader = csv::ReaderBuilder::new().delimiter(*delimiter).has_headers(false).flexible(true).from_reader(text);
        let mut counts: Vec<usize> = reader.byte_records().take(JUDGED).map_while(|record| Some(record.ok()?.len())).collect();
        // The last may be cut.
        if counts.len() < JUDGED && !is_whole && counts.len() > 1 {
            counts.pop();
        }
        counts.first().copied().filter(|first| *first > 1 && counts.iter().all(|count| count == first)).unwrap_or(0)
    };
    let most = |of: &dyn Fn(&u8) -> usize| {
        let all = [b'|', b'\t', b';', b','];
        all.into_iter().max_by_key(|delimiter| of(delimiter)).filter(|delimiter| of(delimiter) > 0)
    };
    // Words that are as many in each line, of a header too, are columns where nothing else is.
    let is_spaced = || is_header_of_words(line) && even(&b' ') >= LEAST_SPACED;
    most(&even).or_else(|| is_spaced().then_some(b' ')).or_else(|| most(&count)).unwrap_or(b',')
}

impl Shape {
    /// Without a header where the first line has a number or a sentence, which are no names of columns.
    pub fn headed_by_words(self) -> Self {
        let is_value = |name: &String| {
            let name = name.trim();
            name.parse::<f64>().is_ok() || name.chars().count() > LONGEST_NAME || name.ends_with(['.', '!', '?']) && name.contains(' ')
        };
        // pandas numbers columns that have no names.
        let is_numbered =
            self.columns.iter().all(|name| name.starts_with("column ") || name.parse::<usize>().is_ok_and(|number| number < 100));
        // The only column of a list of sentences.
        let is_sentence = self.columns.len() == 1 && self.columns[0].split_whitespace().count() >= SENTENCE;
        let has_values = is_sentence || self.columns.iter().any(is_value);
        if self.has_header && !is_numbered && has_values { self.without_header() } else { self }
    }

    /// The first line is a row like the others.
    pub fn without_header(self) -> Self {
        let columns = (1..=self.columns.len()).map(|number| format!("column {number}")).collect();
        Self { columns, has_header: false, ..self }
    }

    /// Lists of texts or numbers are handed over too.
    pub fn with_lists(self) -> Self {
        Self { lists: true, ..self }
    }

    pub fn is_json(&self) -> bool {
        matches!(self.form, Form::JsonLines)
    }

    pub fn index(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|name| name == column)
    }

    /// Hands over every row with its number.
    pub fn rows(&self, tree: &Tree, entry: &Entry, hand: &mut dyn FnMut(usize, Row) -> Result<()>) -> Result<()> {
        match self.form {
            Form::Csv { delimiter, before } => self.csv_rows(tree, entry, (delimiter, before), hand),
            Form::JsonLines => lines(tree, entry, &mut |row, line| {
                let mut fields: Row = vec![None; self.columns.len()];
                for (key, value) in object(tree, entry, line, row)? {
                    if let Some(at) = self.index(&key) {
                        fields[at] = text_of(value, self.lists);
                    }
                }
                hand(row, fields)
            }),
            Form::Columns => {
                let outermost: Vec<&str> = self.columns.iter().map(String::as_str).collect();
                let mut row = 0;
                Columnar::open(tree, entry)?.objects(&outermost, usize::MAX, &mut |mut object| {
                    row += 1;
                    hand(row - 1, self.columns.iter().map(|name| object.remove(name).and_then(numbers_of)).collect())
                })
            }
        }
    }

    fn csv_rows(
        &self,
        tree: &Tree,
        entry: &Entry,
        (delimiter, before): (u8, usize),
        hand: &mut dyn FnMut(usize, Row) -> Result<()>,
    ) -> Result<()> {
        tree.read_text(entry, |stream| {
            let mut stream = BufReader::with_capacity(1 << 16, stream);
            (0..before).try_for_each(|_| skip_line(&mut stream)).map_err(|error| tree.unreadable(entry, &error))?;
            let mut reader = csv::ReaderBuilder::new()
                .delimiter(delimiter)
                .has_headers(self.has_header)
                .flexible(true)
                .from_reader(Rationed { stream: &mut stream, left: LONGEST_LINE });
            let mut record = csv::ByteRecord::new();
            let mut row = 0;
            while reader.read_byte_record(&mut record).map_err(|error| bad_row(tree, entry, row, &error.to_string()))? {
                reader.get_mut().left = LONGEST_LINE;
                // A comment between rows.
                if record.len() != self.columns.len() && record.get(0).is_some_and(|first| first.starts_with(b"#")) {
                    continue;
                }
                let field = |at: usize| match record.get(at) {
                    None | Some(b"") => Ok(None),
                    Some(bytes) => match std::str::from_utf8(bytes) {
                        Ok(text) => Ok(Some(text.to_owned())),
                        Err(_) => Err(not_utf8(tree, entry, row, record.as_slice())),
                    },
                };
                let fields: Result<Row> = (0..self.columns.len().max(record.len())).map(field).collect();
                hand(row, fields?)?;
                row += 1;
            }
            Ok(())
        })
    }
}

fn skip_line(stream: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let buffer = stream.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let Some(end) = buffer.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
            let length = buffer.len();
            stream.consume(length);
            continue;
        };
        let is_return = buffer[end] == b'\r';
        stream.consume(end + 1);
        if is_return && stream.fill_buf()?.first() == Some(&b'\n') {
            stream.consume(1);
        }
        return Ok(());
    }
}

/// A stream that ends with an error where it gave `left` bytes: the csv crate takes in a cell whole, however long it is.
struct Rationed<'a> {
    stream: &'a mut dyn Read,
    left: u64,
}

impl Read for Rationed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 {
            return Err(std::io::Error::other(TOO_LONG));
        }
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.stream.read(&mut buffer[..most])?;
        self.left -= read as u64;
        Ok(read)
    }
}

/// Hands over the lines that are not blank, with their numbers.
pub fn lines(tree: &Tree, entry: &Entry, hand: &mut dyn FnMut(usize, &[u8]) -> Result<()>) -> Result<()> {
    tree.read_text(entry, |stream| {
        let mut reader = BufReader::with_capacity(1 << 16, stream);
        let mut line = Vec::new();
        let mut row = 0;
        loop {
            line.clear();
            let read = (&mut reader).take(LONGEST_LINE).read_until(b'\n', &mut line).map_err(|error| tree.unreadable(entry, &error))?;
            if read == 0 {
                return Ok(());
            }
            if read as u64 == LONGEST_LINE {
                return Err(bad_row(tree, entry, row, TOO_LONG));
            }
            if !line.trim_ascii().is_empty() {
                hand(row, line.trim_ascii())?;
            }
            row += 1;
        }
    })
}

/// As `lines`, but at most `count`.
fn first_lines(tree: &Tree, entry: &Entry, count: usize, mut hand: impl FnMut(&[u8], usize) -> Result<()>) -> Result<()> {
    let mut seen = 0;
    let result = lines(tree, entry, &mut |row, line| {
        if seen == count {
            return Err(crate::error::Error::Cancelled);
        }
        seen += 1;
        hand(line, row)
    });
    match result {
        Err(crate::error::Error::Cancelled) => Ok(()),
        other => other,
    }
}

/// Fields of a JSON object.
fn object(tree: &Tree, entry: &Entry, line: &[u8], row: usize) -> Result<serde_json::Map<String, serde_json::Value>> {
    serde_json::from_slice(line).map_err(|error| match std::str::from_utf8(line) {
        Ok(_) => bad_row(tree, entry, row, &format!("it is no JSON object ({error})")),
        Err(_) => not_utf8(tree, entry, row, line),
    })
}

/// A value as text; lists of numbers, also in lists, as their numbers with spaces between them.
fn numbers_of(value: serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::Array(values) => Some(values.into_iter().map(numbers_of).collect::<Option<Vec<_>>>()?.join(" ")),
        value => text_of(value, false),
    }
}

/// A JSON value as text. A list of texts or numbers is the text of each where lists are wanted; other nested values are missing.
pub fn text_of(value: serde_json::Value, lists: bool) -> Option<String> {
    use serde_json::Value;
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Array(values) if lists && !values.is_empty() => {
            let texts: Option<Vec<String>> = values.into_iter().map(|value| text_of(value, false)).collect();
            Some(texts?.join(&SEVERAL.to_string()))
        }
        _ => None,
    }
}

pub fn bad_row(tree: &Tree, entry: &Entry, row: usize, why: &str) -> crate::error::Error {
    unread(tree, entry, row, why).into()
}

fn unread(tree: &Tree, entry: &Entry, row: usize, why: &str) -> Problem {
    let file = tree.display(entry);
    Problem::error("bad-row", format!("{file} has row {row}, which cannot be read: {why}")).at(Place::row(file, row))
}

fn not_utf8(tree: &Tree, entry: &Entry, row: usize, bytes: &[u8]) -> crate::error::Error {
    encoding::offered(unread(tree, entry, row, "it is not UTF-8"), bytes).into()
}
