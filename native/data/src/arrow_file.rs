//! Arrow's streams and files, column by column: bytes, text, numbers, lists of whole numbers, and places in a dictionary of these. Of a
//! record batch only the buffers of the wanted column are read, so that neither a look at the labels nor an import holds a batch of images.
//!
//! The messages are taken apart with arrow-ipc's generated code, which checks them; lengths and places are checked here against the file.
//! A file (`ARROW1`) is read as the stream that it holds. Layout: arrow.apache.org/docs/format/Columnar.html.

mod batch;
mod dictionary;
mod nested;
mod schema;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{Read, Seek, SeekFrom};

use arrow_ipc::{Endianness, MessageHeader, root_as_message};

use self::batch::{Batch, Content};
use self::dictionary::Dictionary;
use self::schema::{Kind, Leaf, Nested, Walk};
use crate::array_labels::Labels;
use crate::columnar::Bytes;
use crate::error::{Place, Problem, Result};

/// Longest description of a message, bytes.
const LONGEST_MESSAGE: u64 = 64 << 20;
/// Values are read together up to this, bytes.
const TOGETHER: u64 = 1 << 20;

/// What can be read at any place.
pub trait Source: Read + Seek {}

impl<T: Read + Seek> Source for T {}

pub struct ArrowFile {
    reader: RefCell<Box<dyn Source>>,
    file: String,
    leaves: Vec<Leaf>,
    /// Outermost columns.
    fields: Vec<Nested>,
    batches: Vec<Batch>,
    dictionaries: Vec<Dictionary>,
    pub rows: usize,
    /// What Hugging Face's datasets note, as JSON.
    pub notes: Option<String>,
    /// It has the mark that ends a stream.
    pub is_whole: bool,
}

impl ArrowFile {
    /// Reads the schema and the heads of the batches; `file` is its name for messages.
    pub fn open(reader: Box<dyn Source>, file: String) -> Result<Self> {
        let mut this = Self {
            reader: RefCell::new(reader),
            file,
            leaves: Vec::new(),
            fields: Vec::new(),
            batches: Vec::new(),
            dictionaries: Vec::new(),
            rows: 0,
            notes: None,
            is_whole: false,
        };
        this.scan().map_err(|why| this.damaged(&why))?;
        Ok(this)
    }

    fn scan(&mut self) -> std::result::Result<(), String> {
        let size = self.reader.get_mut().seek(SeekFrom::End(0)).map_err(|error| error.to_string())?;
        let mut magic = [0; 6];
        let is_file = size >= 8 && self.read_exact(0, &mut magic).is_ok() && &magic == b"ARROW1";
        let mut at = if is_file { 8 } else { 0 };
        let mut has_schema = false;
        while at < size {
            let mut word = [0; 4];
            let mut next = |at: &mut u64| -> std::result::Result<u32, String> {
                self.read_exact(*at, &mut word)?;
                *at += 4;
                Ok(u32::from_le_bytes(word))
            };
            // Before Arrow 0.15 there was no mark before the length.
            let first = next(&mut at)?;
            let length = u64::from(if first == u32::MAX { next(&mut at)? } else { first });
            if length == 0 {
                self.is_whole = true;
                break;
            }
            if length > LONGEST_MESSAGE || length > size - at {
                return Err(format!("has a message of {length} bytes at byte {at}, more than the file holds"));
            }
            let metadata = self.part(at, length)?;
            let message = root_as_message(&metadata).map_err(|error| one_line(&error.to_string()))?;
            let body = u64::try_from(message.bodyLength()).map_err(|_| "has a message of negative length".to_owned())?;
            let start = at + length;
            if body > size - start {
                return Err(format!("is cut off: a message at byte {at} has {body} bytes, and {} follow", size - start));
            }
            match message.header_type() {
                MessageHeader::Schema if !has_schema => {
                    has_schema = true;
                    let schema = message.header_as_schema().ok_or("has no schema")?;
                    if schema.endianness() != Endianness::Little {
                        return Err("has numbers of the other byte order".into());
                    }
                    let mut walk = Walk::default();
                    for field in schema.fields().iter().flatten() {
                        self.fields.push(walk.field(field, "", &[], false, 0)?);
                    }
                    self.leaves = walk.leaves;
                    self.dictionaries = walk.dictionaries.into_iter().map(|(number, values)| Dictionary::new(number, values)).collect();
                    let notes = schema.custom_metadata().iter().flatten().find(|pair| pair.key() == Some("huggingface"));
                    self.notes = notes.and_then(|pair| pair.value()).map(ToOwned::to_owned);
                }
                MessageHeader::RecordBatch if has_schema => {
                    let batch = message.header_as_record_batch().ok_or("has a batch without a head")?;
                    let batch = Batch::new(&batch, self.rows, (at, length), (start, body))?;
                    self.rows = self.rows.checked_add(batch.rows).ok_or("has too many rows")?;
                    self.batches.push(batch);
                }
                MessageHeader::DictionaryBatch if has_schema => {
                    let head = message.header_as_dictionary_batch().ok_or("has a dictionary without a head")?;
                    let values = head.data().ok_or("has a dictionary without values")?;
                    let values = Batch::new(&values, 0, (at, length), (start, body))?;
                    if let Some(known) = self.dictionaries.iter_mut().find(|known| known.number == head.id()) {
                        known.add(values, self.batches.len(), head.isDelta())?;
                    }
                }
                _ => return Err(format!("has no record batch at byte {at}")),
            }
            at = start + body;
        }
        if has_schema { Ok(()) } else { Err("has no schema".into()) }
    }

    pub fn names(&self) -> Vec<String> {
        let plain = self.leaves.iter().filter(|leaf| !matches!(leaf.kind, Kind::Ints { .. } | Kind::Other("lists")));
        plain.map(|leaf| leaf.name.clone()).collect()
    }

    /// All columns in their order; a part of a structure is called `meta.url`.
    pub fn columns(&self) -> Vec<String> {
        self.leaves.iter().map(|leaf| leaf.name.clone()).collect()
    }

    pub fn byte_columns(&self) -> Vec<String> {
        let holds_bytes = |kind: Kind| match kind {
            Kind::Bytes { .. } | Kind::View => true,
            Kind::Indexes { dictionary, .. } => self.holds_bytes(dictionary),
            _ => false,
        };
        self.leaves.iter().filter(|leaf| holds_bytes(leaf.kind)).map(|leaf| leaf.name.clone()).collect()
    }

    pub fn lists(&self) -> Vec<String> {
        self.leaves.iter().filter(|leaf| matches!(leaf.kind, Kind::Ints { .. })).map(|leaf| leaf.name.clone()).collect()
    }

    pub fn other_lists(&self) -> Vec<String> {
        self.leaves.iter().filter(|leaf| leaf.kind == Kind::Other("lists")).map(|leaf| leaf.name.clone()).collect()
    }

    /// Rows without a value in a column.
    pub fn nulls(&self, column: &str) -> Result<usize> {
        let leaf = self.leaf(column)?;
        let mut nulls = 0;
        for batch in &self.batches {
            nulls += self.validity(batch, &self.buffers(batch)?, leaf)?.iter().filter(|valid| !**valid).count();
        }
        Ok(nulls)
    }

    /// Hands over the values of a column of bytes or text, from a row on.
    pub fn bytes(&self, column: &str, from: usize, hand: &mut dyn FnMut(Option<Bytes>) -> Result<()>) -> Result<()> {
        let leaf = self.leaf(column)?;
        match leaf.kind {
            Kind::Indexes { bytes, signed, dictionary } => self.indexed_bytes(leaf, (bytes, signed, dictionary), from, hand),
            _ => self.bytes_of(leaf, &self.batches, from, hand),
        }
    }

    fn bytes_of(&self, leaf: &Leaf, batches: &[Batch], from: usize, hand: &mut dyn FnMut(Option<Bytes>) -> Result<()>) -> Result<()> {
        let wide = match leaf.kind {
            Kind::Bytes { wide, .. } => wide,
            Kind::View => return self.views(leaf, batches, from, hand),
            _ => return Err(self.wrong_type(&leaf.name, "bytes or text")),
        };
        let mut before = 0;
        for batch in batches {
            let skipped = from.saturating_sub(before).min(batch.rows);
            before += batch.rows;
            if skipped == batch.rows {
                continue;
            }
            let buffers = self.buffers(batch)?;
            let validity = self.validity(batch, &buffers, leaf)?;
            let offsets = self.offsets(batch, &buffers, leaf, wide, batch.rows)?;
            let stored = self.buffer(&buffers, leaf, 2)?;
            if offsets.last().is_some_and(|end| *end > stored.size) {
                return Err(self.damaged("has values that lie behind their batch"));
            }
            let mut content = self.content(stored);
            let mut row = skipped;
            while row < batch.rows {
                // So many rows as fit together, at least one.
                let first = offsets[row];
                let fitting = (row + 1..=batch.rows).take_while(|end| offsets[*end] - first <= TOGETHER).last();
                let end = fitting.unwrap_or(row + 1);
                let together = content.part(first, offsets[end] - first).map_err(|why| self.damaged(&why))?;
                for row in row..end {
                    let value = &together[(offsets[row] - first) as usize..(offsets[row + 1] - first) as usize];
                    hand(validity[row].then(|| Bytes::Owned(value.to_vec())))?;
                }
                row = end;
            }
        }
        Ok(())
    }

    /// As `bytes`, of a column of views: 16 bytes each, with the length, then the value or its beginning, buffer and place.
    fn views(&self, leaf: &Leaf, batches: &[Batch], from: usize, hand: &mut dyn FnMut(Option<Bytes>) -> Result<()>) -> Result<()> {
        let mut before = 0;
        for batch in batches {
            let skipped = from.saturating_sub(before).min(batch.rows);
            before += batch.rows;
            if skipped == batch.rows {
                continue;
            }
            let buffers = self.buffers(batch)?;
            let validity = self.validity(batch, &buffers, leaf)?;
            let views = self.values(&buffers, leaf, 1, batch.rows as u64 * 16)?;
            let count = buffers.views.get(leaf.views).copied().unwrap_or(0);
            let mut contents: BTreeMap<u64, (Content<'_>, u64)> = BTreeMap::new();
            for (view, valid) in views.chunks_exact(16).zip(validity).skip(skipped) {
                let word = |at: usize| integer(&view[at..at + 4], false) as u64;
                let length = word(0);
                let value = match valid {
                    false => None,
                    true if length <= 12 => Some(view[4..4 + length as usize].to_vec()),
                    true => {
                        let number = word(8);
                        if number >= count {
                            return Err(self.damaged("has values in buffers that it does not have"));
                        }
                        let (content, size) = match contents.entry(number) {
                            Entry::Occupied(known) => known.into_mut(),
                            Entry::Vacant(free) => {
                                let stored = self.buffer(&buffers, leaf, 2 + number as usize)?;
                                free.insert((self.content(stored), stored.size))
                            }
                        };
                        if word(12) + length > *size {
                            return Err(self.damaged("has values that lie behind their batch"));
                        }
                        Some(content.part(word(12), length).map_err(|why| self.damaged(&why))?)
                    }
                };
                hand(value.map(Bytes::Owned))?;
            }
        }
        Ok(())
    }

    /// All values of a column that is no list.
    pub fn labels(&self, column: &str) -> Result<Labels> {
        let leaf = self.leaf(column)?;
        match leaf.kind {
            Kind::Indexes { bytes, signed, dictionary } => self.indexed_labels(leaf, (bytes, signed, dictionary)),
            _ => self.labels_of(leaf, &self.batches),
        }
    }

    fn labels_of(&self, leaf: &Leaf, batches: &[Batch]) -> Result<Labels> {
        let column = leaf.name.as_str();
        let rows: usize = batches.iter().map(|batch| batch.rows).sum();
        let at_first = rows.min(1 << 20);
        let numbers = |width: usize, number: &dyn Fn(&[u8]) -> f64| -> Result<Vec<f64>> {
            let mut numbers = Vec::with_capacity(at_first);
            for batch in batches {
                let buffers = self.buffers(batch)?;
                let validity = self.validity(batch, &buffers, leaf)?;
                let values = self.values(&buffers, leaf, 1, batch.rows as u64 * width as u64)?;
                let read = values.chunks_exact(width).zip(validity);
                numbers.extend(read.map(|(value, valid)| if valid { number(value) } else { f64::NAN }));
            }
            Ok(numbers)
        };
        match leaf.kind {
            Kind::Null => Ok(Labels::Numbers(vec![f64::NAN; rows])),
            Kind::Int { bytes, signed } => numbers(bytes, &|value| integer(value, signed) as f64).map(Labels::Numbers),
            Kind::Float { bytes: 8 } => numbers(8, &double).map(Labels::Numbers),
            Kind::Float { bytes } => numbers(bytes, if bytes == 2 { &half } else { &single }).map(Labels::Singles),
            Kind::Bool => {
                let mut all = Vec::with_capacity(at_first);
                for batch in batches {
                    let buffers = self.buffers(batch)?;
                    let validity = self.validity(batch, &buffers, leaf)?;
                    let bits = self.values(&buffers, leaf, 1, (batch.rows as u64).div_ceil(8))?;
                    all.extend(
                        validity
                            .iter()
                            .enumerate()
                            .map(|(row, valid)| if *valid { f64::from(u8::from(bit(&bits, row))) } else { f64::NAN }),
                    );
                }
                Ok(Labels::Booleans(all))
            }
            Kind::Bytes { .. } | Kind::View => {
                let mut texts = Vec::with_capacity(at_first);
                self.bytes_of(leaf, batches, 0, &mut |value| {
                    texts.push(value.map_or(String::new(), |value| String::from_utf8_lossy(value.data()).into_owned()));
                    Ok(())
                })?;
                Ok(Labels::Texts(texts))
            }
            Kind::Ints { .. } | Kind::Indexes { .. } => Err(self.wrong_type(column, "numbers or text")),
            Kind::Other(found) => {
                let sentence = format!("{} has a column {column} of {found}, which are not read; save it as text or numbers", self.file);
                Err(Problem::error("bad-type", sentence).at(Place::file(self.file.clone())).into())
            }
        }
    }

    /// Hands over the numbers of a column of lists, row by row.
    pub fn numbers(&self, column: &str, hand: &mut dyn FnMut(Vec<i64>) -> Result<()>) -> Result<()> {
        let leaf = self.leaf(column)?;
        let Kind::Ints { wide, fixed, bytes, signed } = leaf.kind else { return Err(self.wrong_type(column, "lists of whole numbers")) };
        for batch in &self.batches {
            let buffers = self.buffers(batch)?;
            let validity = self.validity(batch, &buffers, leaf)?;
            let (ends, child) = match fixed {
                Some(size) => ((0..=batch.rows as u64).map(|row| row * size as u64).collect(), 1),
                None => (self.offsets(batch, &buffers, leaf, wide, batch.rows)?, 2),
            };
            let stored = self.buffer(&buffers, leaf, child + 1)?;
            let count = ends.last().copied().unwrap_or(0);
            if count.checked_mul(bytes as u64).is_none_or(|end| end > stored.size) {
                return Err(self.damaged("has lists that lie behind their batch"));
            }
            let mut content = self.content(stored);
            let inner = Leaf { node: leaf.node + 1, buffer: leaf.buffer + child, parents: Vec::new(), ..leaf.named() };
            if buffers.nulls.get(inner.node).is_some_and(|nulls| *nulls > 0) {
                return Err(self.damaged(&format!("has empty places in the lists of {column}")));
            }
            let mut row = 0;
            while row < batch.rows {
                let first = ends[row];
                let fits = |end: &usize| (ends[*end] - first) * bytes as u64 <= TOGETHER;
                let end = (row + 1..=batch.rows).take_while(fits).last().unwrap_or(row + 1);
                let values = content.part(first * bytes as u64, (ends[end] - first) * bytes as u64);
                let values = values.map_err(|why| self.damaged(&why))?;
                let mut values = values.chunks_exact(bytes).map(|value| integer(value, signed));
                for row in row..end {
                    let numbers: Vec<i64> = values.by_ref().take((ends[row + 1] - ends[row]) as usize).collect();
                    hand(if validity[row] { numbers } else { Vec::new() })?;
                }
                row = end;
            }
        }
        Ok(())
    }

    /// Numbers in all lists of a column.
    pub fn count(&self, column: &str) -> Result<u64> {
        let leaf = self.leaf(column)?;
        let Kind::Ints { wide, fixed, .. } = leaf.kind else { return Err(self.wrong_type(column, "lists of whole numbers")) };
        let mut count = 0;
        for batch in &self.batches {
            let buffers = self.buffers(batch)?;
            let validity = self.validity(batch, &buffers, leaf)?;
            count += match fixed {
                Some(size) => size as u64 * validity.iter().filter(|valid| **valid).count() as u64,
                None => {
                    let ends = self.offsets(batch, &buffers, leaf, wide, batch.rows)?;
                    ends.windows(2).zip(validity).filter(|(_, valid)| *valid).map(|(ends, _)| ends[1] - ends[0]).sum()
                }
            };
        }
        Ok(count)
    }

    fn leaf(&self, column: &str) -> Result<&Leaf> {
        self.leaves.iter().find(|leaf| leaf.name == column).ok_or_else(|| {
            let names: Vec<&str> = self.leaves.iter().map(|leaf| leaf.name.as_str()).collect();
            let sentence = format!("{} has no column {column}; there are {}", self.file, names.join(", "));
            Problem::error("no-column", sentence).at(Place::file(self.file.clone())).into()
        })
    }

    fn wrong_type(&self, column: &str, wanted: &str) -> crate::error::Error {
        let sentence = format!("{} has a column {column} of another type than {wanted}", self.file);
        Problem::error("bad-type", sentence).at(Place::file(self.file.clone())).into()
    }

    fn damaged(&self, why: &str) -> crate::error::Error {
        Problem::error("damaged-file", format!("{} is a damaged Arrow file: it {why}", self.file)).at(Place::file(self.file.clone())).into()
    }
}

fn one_line(text: &str) -> String {
    format!("has a message that cannot be read: {}", text.lines().next().unwrap_or_default())
}

fn bit(bits: &[u8], at: usize) -> bool {
    bits.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1)
}

/// Little-endian, of at most 8 bytes.
fn integer(value: &[u8], signed: bool) -> i64 {
    let bits = value.iter().rev().fold(0u64, |bits, byte| (bits << 8) | u64::from(*byte));
    let unused = 64 - 8 * value.len().clamp(1, 8);
    if signed { ((bits << unused) as i64) >> unused } else { bits as i64 }
}

fn double(value: &[u8]) -> f64 {
    f64::from_bits(integer(value, false) as u64)
}

fn single(value: &[u8]) -> f64 {
    f64::from(f32::from_bits(integer(value, false) as u32))
}

fn half(value: &[u8]) -> f64 {
    crate::npy::half(integer(value, false) as u16)
}
