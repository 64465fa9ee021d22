//! JSON objects one after the other: the lines of a JSON-lines file, or the elements of an array, at the top of a file or as one of its
//! values (`{"data": [...]}`). Read as a stream; an element that is a string is a row of one column, `text`.

use std::cell::Cell;
use std::fmt;
use std::io::Read;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::encoding;
use crate::error::{Error, Place, Problem, Result};
use crate::table;
use crate::tree::{Entry, Tree};

/// Values that hold the rows where a file is one object.
const HOLDERS: [&str; 6] = ["data", "rows", "examples", "train", "instances", "items"];

/// An element longer than this is no row.
const LONGEST: u64 = 64 << 20;

/// What may be done about a row that cannot be read.
pub const SKIP: &str = "Leave out such rows";
const NO_ROW: &str = "it is neither an object nor text";

pub type Row = Map<String, Value>;

type Hand<'a> = dyn FnMut(usize, Result<Row>) -> Result<()> + 'a;

/// Hands over every row with its number; an error is that of one row.
pub fn rows(tree: &Tree, entry: &Entry, are_lines: bool, hand: &mut Hand) -> Result<()> {
    if are_lines {
        return table::lines(tree, entry, &mut |number, line| {
            let bad = |why: &str| Err(bad_row(tree, entry, number, why).skippable(SKIP).into());
            hand(
                number,
                match serde_json::from_slice(line).map(row_of) {
                    Ok(Some(row)) => Ok(row),
                    Ok(None) => bad(NO_ROW),
                    Err(_) if std::str::from_utf8(line).is_err() => {
                        Err(encoding::offered(bad_row(tree, entry, number, "it is not UTF-8"), line).skippable(SKIP).into())
                    }
                    Err(error) => bad(&format!("it is no JSON object ({error})")),
                },
            )
        });
    }
    let (mut number, mut failed) = (0, None);
    let parsed = tree.read_text(entry, |stream| {
        let mut take = |value: Value| {
            let row = row_of(value).ok_or_else(|| bad_row(tree, entry, number, NO_ROW).skippable(SKIP).into());
            let result = hand(number, row);
            number += 1;
            result.map_err(|error| failed = Some(error)).is_ok()
        };
        Ok(parse(stream, &mut take))
    })?;
    match (failed, parsed) {
        (Some(error), _) => Err(error),
        (None, Err(error)) => Err(bad_row(tree, entry, number, &error.to_string()).into()),
        (None, Ok(())) => Ok(()),
    }
}

fn row_of(value: Value) -> Option<Row> {
    match value {
        Value::Object(row) => Some(row),
        Value::String(_) => Some(Map::from_iter([("text".to_owned(), value)])),
        _ => None,
    }
}

/// Hands the elements of the array of a JSON text to `take`, which says whether it wants more.
pub fn parse(stream: &mut dyn Read, take: &mut dyn FnMut(Value) -> bool) -> serde_json::Result<()> {
    let left = Cell::new(LONGEST);
    let rationed = std::io::BufReader::with_capacity(1 << 16, Rationed { stream, left: &left });
    let mut json = serde_json::Deserializer::from_reader(rationed);
    let mut take = |value| {
        left.set(LONGEST);
        take(value)
    };
    Elements { take: &mut take, top: true }.deserialize(&mut json)?;
    json.end()
}

/// A stream that ends with an error where an element does not.
struct Rationed<'a> {
    stream: &'a mut dyn Read,
    left: &'a Cell<u64>,
}

impl Read for Rationed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.stream.read(buffer)?;
        let left = self.left.get().checked_sub(read as u64).ok_or_else(|| std::io::Error::other("it is longer than 64 MiB"))?;
        self.left.set(left);
        Ok(read)
    }
}

struct Elements<'a> {
    take: &'a mut dyn FnMut(Value) -> bool,
    top: bool,
}

impl<'de> DeserializeSeed<'de> for Elements<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an array of objects or texts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> std::result::Result<(), A::Error> {
        while let Some(value) = elements.next_element::<Value>()? {
            if !(self.take)(value) {
                return Err(serde::de::Error::custom("no more is wanted"));
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> std::result::Result<(), A::Error> {
        let mut found = false;
        while let Some(name) = members.next_key::<String>()? {
            if self.top && !found && HOLDERS.contains(&name.as_str()) {
                found = true;
                members.next_value_seed(Elements { take: &mut *self.take, top: false })?;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        if found { Ok(()) } else { Err(serde::de::Error::custom("an object without an array of rows")) }
    }
}

fn bad_row(tree: &Tree, entry: &Entry, row: usize, why: &str) -> Problem {
    let file = tree.display(entry);
    Problem::error("bad-row", format!("{file} has row {row}, which cannot be read: {why}")).at(Place::row(file, row))
}

/// Whether a file of JSON holds rows: its first is read.
pub fn has_rows(tree: &Tree, entry: &Entry) -> bool {
    let mut any = false;
    let _ = rows(tree, entry, false, &mut |_, row| {
        any = row.is_ok();
        Err(Error::Cancelled)
    });
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(text: &str) -> std::result::Result<Vec<String>, String> {
        let mut found = Vec::new();
        let parsed = parse(&mut text.as_bytes(), &mut |value| {
            found.push(value.to_string());
            true
        });
        parsed.map(|()| found).map_err(|error| error.to_string())
    }

    #[test]
    fn rows_are_the_elements_of_the_array() {
        assert_eq!(elements(r#"[{"a": 1}, "b", [2]]"#).unwrap(), [r#"{"a":1}"#, r#""b""#, "[2]"]);
        assert_eq!(elements(r#"{"version": [9], "data": [{"a": 1}]}"#).unwrap(), [r#"{"a":1}"#]);
        assert!(elements(r#"{"a": [1]}"#).unwrap_err().contains("without an array of rows"));
        assert!(elements(r#"[{"a": 1},"#).is_err() && elements(r#"[1] [2]"#).is_err() && elements("3").is_err());
        assert!(elements(&"[".repeat(100_000)).is_err());
    }
}
