//! Tables as rows of text: CSV (comma, semicolon or tab) and JSON lines, read as streams. Used for tables of images and for text.

use std::io::{BufRead, BufReader, Read};

use crate::error::{Place, Problem, Result, refuse};
use crate::sniff::is_image_extension;
use crate::tree::{Entry, Tree};

/// A row longer than this is no row of a table; it is refused before more of it is in memory.
const LONGEST_LINE: u64 = 64 << 20;
const TOO_LONG: &str = "it is longer than 64 MiB";

/// One row; a field that is missing or null is `None`.
pub type Row = Vec<Option<String>>;

/// Column names of a table, and whether it is CSV with this delimiter (`None`: JSON lines).
pub struct Shape {
    pub columns: Vec<String>,
    delimiter: Option<u8>,
    /// The first line holds names of columns.
    pub has_header: bool,
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
        return Ok(Shape { columns, delimiter: None, has_header: true });
    }
    let head = tree.head(entry, 1 << 16)?;
    if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        let file = tree.display(entry);
        return refuse("bad-utf8", format!("{file} is UTF-16; save it as UTF-8"), Place::file(file));
    }
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |delimiter: u8| line.iter().filter(|byte| **byte == delimiter).count();
    let delimiter =
        [b',', b';', b'\t', b'|'].into_iter().max_by_key(|delimiter| count(*delimiter)).filter(|d| count(*d) > 0).unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(&head[..]);
    let columns = reader.headers().map_err(|error| bad_row(tree, entry, 0, &error.to_string()))?;
    let columns: Vec<String> = columns.iter().map(|name| name.trim_start_matches('\u{feff}').trim().to_owned()).collect();
    // A first row that names an image file is no header.
    let is_image = |name: &String| name.rsplit_once('.').is_some_and(|(_, extension)| is_image_extension(&extension.to_lowercase()));
    let has_header = !columns.iter().any(is_image);
    let shape = Shape { columns, delimiter: Some(delimiter), has_header };
    Ok(if has_header { shape } else { shape.without_header() })
}

impl Shape {
    /// The first line is a row like the others.
    pub fn without_header(self) -> Self {
        let columns = (1..=self.columns.len()).map(|number| format!("column {number}")).collect();
        Self { columns, has_header: false, ..self }
    }

    pub fn index(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|name| name == column)
    }

    /// The column that the options name, or the first of `usual` that there is. Names without regard to case.
    pub fn choose(&self, chosen: Option<&String>, usual: &[&str]) -> Option<usize> {
        match chosen {
            Some(name) => self.index(name),
            None => {
                usual.iter().find_map(|usual| self.columns.iter().position(|name| name.to_lowercase().replace([' ', '-'], "_") == *usual))
            }
        }
    }

    /// Hands over every row with its number.
    pub fn rows(&self, tree: &Tree, entry: &Entry, hand: &mut dyn FnMut(usize, Row) -> Result<()>) -> Result<()> {
        match self.delimiter {
            Some(delimiter) => self.csv_rows(tree, entry, delimiter, hand),
            None => lines(tree, entry, &mut |row, line| {
                let mut fields: Row = vec![None; self.columns.len()];
                for (key, value) in object(tree, entry, line, row)? {
                    if let Some(at) = self.index(&key) {
                        fields[at] = value;
                    }
                }
                hand(row, fields)
            }),
        }
    }

    fn csv_rows(&self, tree: &Tree, entry: &Entry, delimiter: u8, hand: &mut dyn FnMut(usize, Row) -> Result<()>) -> Result<()> {
        tree.read(entry, |stream| {
            let mut reader = csv::ReaderBuilder::new()
                .delimiter(delimiter)
                .has_headers(self.has_header)
                .flexible(true)
                .from_reader(Rationed { stream, left: LONGEST_LINE });
            let mut record = csv::ByteRecord::new();
            let mut row = 0;
            while reader.read_byte_record(&mut record).map_err(|error| bad_row(tree, entry, row, &error.to_string()))? {
                let field = |at: usize| match record.get(at) {
                    None | Some(b"") => Ok(None),
                    Some(bytes) => match std::str::from_utf8(bytes) {
                        Ok(text) => Ok(Some(text.to_owned())),
                        Err(_) => Err(bad_row(tree, entry, row, "it is not UTF-8")),
                    },
                };
                let fields: Result<Row> = (0..self.columns.len()).map(field).collect();
                hand(row, fields?)?;
                row += 1;
                reader.get_mut().left = LONGEST_LINE;
            }
            Ok(())
        })
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
    tree.read(entry, |stream| {
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

/// Fields of a JSON object as text; nested values are not.
fn object(tree: &Tree, entry: &Entry, line: &[u8], row: usize) -> Result<Vec<(String, Option<String>)>> {
    use serde_json::Value;
    let parsed: serde_json::Map<String, Value> = serde_json::from_slice(line).map_err(|error| {
        let why = if std::str::from_utf8(line).is_err() { "it is not UTF-8".to_owned() } else { format!("it is no JSON object ({error})") };
        bad_row(tree, entry, row, &why)
    })?;
    let text = |value: Value| match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        _ => None,
    };
    Ok(parsed.into_iter().map(|(key, value)| (key, text(value))).collect())
}

fn bad_row(tree: &Tree, entry: &Entry, row: usize, why: &str) -> crate::error::Error {
    let file = tree.display(entry);
    Problem::error("bad-row", format!("{file} has row {row}, which cannot be read: {why}")).at(Place::row(file, row)).into()
}

/// Says which columns there are to choose from.
pub fn no_column<T>(tree: &Tree, entry: &Entry, what: &str, shape: &Shape, remedy: impl Fn(&str) -> crate::options::Options) -> Result<T> {
    let file = tree.display(entry);
    if shape.columns.is_empty() {
        return refuse("no-column", format!("{file} has no columns"), Place::file(file));
    }
    let problem = Problem::error(
        "no-column",
        format!("{file} has no column of {what} that is known by its name; there are {}", shape.columns.join(", ")),
    );
    let offered = shape.columns.iter().take(12);
    Err(offered.fold(problem.at(Place::file(file)), |problem, name| problem.with("choose", format!("Take {name}"), remedy(name))).into())
}
