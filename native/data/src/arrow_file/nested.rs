//! Rows with what is inside their columns, as JSON has them: structures, lists of structures such as the messages of a chat, text, numbers.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::batch::{Batch, Buffers, Content};
use super::schema::{Form, Kind, Leaf, Nested};
use super::{ArrowFile, bit, double, half, integer, single};
use crate::error::Result;

/// Values of a column of a batch; more cannot be meant.
const MOST: u64 = 1 << 40;

/// A column of a batch.
struct Column<'a> {
    /// Bits of the rows that have a value; all have where there are none.
    valid: Vec<u8>,
    values: Values<'a>,
}

enum Values<'a> {
    /// Nothing is stored.
    Null,
    Structure(Vec<(&'a str, Column<'a>)>),
    List(Vec<u64>, Box<Column<'a>>),
    Lists(usize, Box<Column<'a>>),
    Bytes(Vec<u64>, Content<'a>),
    /// Views, and the buffers that they mean.
    Views(Vec<u8>, BTreeMap<u64, (Content<'a>, u64)>),
    Numbers(Vec<u8>, Kind),
    /// Places of so many bytes, with or without a sign, among words.
    Words(Vec<u8>, (usize, bool), Vec<String>),
}

impl ArrowFile {
    /// Hands over every row as an object, at most so many, with those of the outermost columns alone that are named; of other types than text, numbers,
    /// structures and lists of these all is null.
    pub fn objects(&self, outermost: &[&str], most: usize, hand: &mut dyn FnMut(Map<String, Value>) -> Result<()>) -> Result<()> {
        let wanted: Vec<&Nested> = self.fields.iter().filter(|field| outermost.contains(&field.leaf.name.as_str())).collect();
        let mut left = most;
        for (number, batch) in self.batches.iter().enumerate() {
            let rows = batch.rows.min(left) as u64;
            if rows == 0 {
                continue;
            }
            left -= rows as usize;
            let buffers = self.buffers(batch)?;
            let columns = wanted.iter().map(|field| Ok((field.leaf.name.as_str(), self.column((number, batch), &buffers, field, rows)?)));
            let mut columns = columns.collect::<Result<Vec<_>>>()?;
            for row in 0..rows {
                let values = columns.iter_mut().map(|(name, column)| Ok(((*name).to_owned(), column.value(row)?)));
                let row: std::result::Result<Map<String, Value>, String> = values.collect();
                hand(row.map_err(|why| self.damaged(&why))?)?;
            }
        }
        Ok(())
    }

    fn column<'a>(&'a self, batch: (usize, &Batch), buffers: &Buffers, field: &'a Nested, rows: u64) -> Result<Column<'a>> {
        let leaf = &field.leaf;
        if leaf.kind == Kind::Null {
            return Ok(Column { valid: Vec::new(), values: Values::Null });
        }
        if rows > MOST {
            return Err(self.damaged("has lists that are too long"));
        }
        let bits = rows.div_ceil(8);
        let valid = if self.buffer(buffers, leaf, 0)?.size > 0 { self.values(buffers, leaf, 0, bits)? } else { Vec::new() };
        let inner = |rows: u64| self.column(batch, buffers, &field.inner[0], rows).map(Box::new);
        let values = match (field.form, leaf.kind) {
            (Form::Structure, _) => {
                let inner = field.inner.iter().map(|field| Ok((field.leaf.name.as_str(), self.column(batch, buffers, field, rows)?)));
                let inner: Vec<(&str, Column)> = inner.collect::<Result<_>>()?;
                let is_empty = inner.iter().all(|(_, column)| matches!(column.values, Values::Null));
                if is_empty { Values::Null } else { Values::Structure(inner) }
            }
            (Form::List { wide }, _) => {
                let ends = self.ends(batch.1, buffers, leaf, wide, rows)?;
                let count = ends.last().copied().unwrap_or(0);
                Values::List(ends, inner(count)?)
            }
            (Form::Lists(size), _) => Values::Lists(size, inner(rows.saturating_mul(size as u64))?),
            (Form::Plain, Kind::Bytes { wide, .. }) => {
                let ends = self.ends(batch.1, buffers, leaf, wide, rows)?;
                let stored = self.buffer(buffers, leaf, 2)?;
                if ends.last().is_some_and(|end| *end > stored.size) {
                    return Err(self.damaged("has values that lie behind their batch"));
                }
                Values::Bytes(ends, self.content(stored))
            }
            (Form::Plain, Kind::View) => {
                let views = self.values(buffers, leaf, 1, 16 * rows)?;
                let count = buffers.views.get(leaf.views).copied().unwrap_or(0);
                let mut contents = BTreeMap::new();
                for number in 0..count {
                    let stored = self.buffer(buffers, leaf, usize::try_from(number).unwrap_or(usize::MAX).saturating_add(2))?;
                    contents.insert(number, (self.content(stored), stored.size));
                }
                Values::Views(views, contents)
            }
            (Form::Plain, Kind::Int { .. } | Kind::Float { .. } | Kind::Bool) => {
                let length = match leaf.kind {
                    Kind::Int { bytes, .. } | Kind::Float { bytes } => rows * bytes as u64,
                    _ => bits,
                };
                Values::Numbers(self.values(buffers, leaf, 1, length)?, leaf.kind)
            }
            (_, Kind::Indexes { bytes, signed, dictionary }) => {
                let places = self.values(buffers, leaf, 1, rows * bytes as u64)?;
                Values::Words(places, (bytes, signed), self.words(dictionary, batch.0)?)
            }
            _ => Values::Null,
        };
        Ok(Column { valid, values })
    }

    fn ends(&self, batch: &Batch, buffers: &Buffers, leaf: &Leaf, wide: bool, rows: u64) -> Result<Vec<u64>> {
        if rows == 0 {
            return Ok(vec![0]);
        }
        self.offsets(batch, buffers, leaf, wide, usize::try_from(rows).unwrap_or(usize::MAX - 1))
    }
}

impl Column<'_> {
    /// Rows are asked for in their order, so that compressed buffers are unpacked once.
    fn value(&mut self, row: u64) -> std::result::Result<Value, String> {
        let at = usize::try_from(row).unwrap_or(usize::MAX);
        if !self.valid.is_empty() && !bit(&self.valid, at) {
            return Ok(Value::Null);
        }
        let list = |inner: &mut Column<'_>, rows: std::ops::Range<u64>| -> std::result::Result<Value, String> {
            match inner.values {
                Values::Null => Ok(Value::Array(Vec::new())),
                _ => rows.map(|row| inner.value(row)).collect(),
            }
        };
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_or(Value::Null, Value::from);
        Ok(match &mut self.values {
            Values::Null => Value::Null,
            Values::Structure(inner) => {
                let values = inner.iter_mut().map(|(name, column)| Ok(((*name).to_owned(), column.value(row)?)));
                Value::Object(values.collect::<std::result::Result<_, String>>()?)
            }
            Values::List(ends, inner) => list(inner, ends[at]..ends[at + 1])?,
            Values::Lists(size, inner) => list(inner, row * *size as u64..(row + 1) * *size as u64)?,
            Values::Bytes(ends, content) => text(content.part(ends[at], ends[at + 1] - ends[at])?),
            Values::Views(views, contents) => {
                let view = &views[16 * at..16 * (at + 1)];
                let word = |at: usize| integer(&view[at..at + 4], false) as u64;
                let length = word(0);
                if length <= 12 {
                    text(view[4..4 + length as usize].to_vec())
                } else {
                    let (content, size) = contents.get_mut(&word(8)).ok_or("has values in buffers that it does not have")?;
                    if word(12) + length > *size {
                        return Err("has values that lie behind their batch".into());
                    }
                    text(content.part(word(12), length)?)
                }
            }
            Values::Numbers(values, Kind::Bool) => Value::from(bit(values, at)),
            Values::Numbers(values, Kind::Int { bytes, signed }) => {
                let number = integer(&values[at * *bytes..(at + 1) * *bytes], *signed);
                if *signed { Value::from(number) } else { Value::from(number as u64) }
            }
            Values::Numbers(values, Kind::Float { bytes }) => {
                let value = &values[at * *bytes..(at + 1) * *bytes];
                Value::from(match bytes {
                    8 => double(value),
                    2 => half(value),
                    _ => single(value),
                })
            }
            Values::Numbers(..) => Value::Null,
            Values::Words(places, (bytes, signed), words) => {
                let place = usize::try_from(integer(&places[at * *bytes..(at + 1) * *bytes], *signed)).ok();
                place.and_then(|place| words.get(place)).map_or(Value::Null, |word| Value::from(word.as_str()))
            }
        })
    }
}
