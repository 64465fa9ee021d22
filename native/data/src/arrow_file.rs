//! Arrow's streams and files, column by column: bytes, text, numbers, and lists of whole numbers. Of a record batch only the buffers of the
//! wanted column are read, so that neither a look at the labels nor an import holds a batch of images.
//!
//! The messages are taken apart with arrow-ipc's generated code, which checks them; lengths and places are checked here against the file.
//! A file (`ARROW1`) is read as the stream that it holds. Layout: arrow.apache.org/docs/format/Columnar.html.

use std::cell::RefCell;
use std::io::{Read, Seek, SeekFrom};

use arrow_ipc::{Endianness, Field, MessageHeader, Precision, Type, root_as_message};

use crate::array_labels::Labels;
use crate::columnar::Bytes;
use crate::error::{Place, Problem, Result};

/// Longest description of a message, bytes.
const LONGEST_MESSAGE: u64 = 64 << 20;
/// Values are read together up to this, bytes.
const TOGETHER: u64 = 1 << 20;
/// Structures inside structures.
const MAX_DEPTH: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Null,
    Bool,
    Int {
        bytes: usize,
        signed: bool,
    },
    Float {
        bytes: usize,
    },
    /// Bytes or text in views: short ones within, others by buffer and place.
    View,
    /// Bytes or text, with offsets of 32 or 64 bits.
    Bytes {
        wide: bool,
        text: bool,
    },
    /// A list of whole numbers: offsets of 32 or 64 bits, or a fixed length; then its numbers.
    Ints {
        wide: bool,
        fixed: Option<usize>,
        bytes: usize,
        signed: bool,
    },
    Other(&'static str),
}

/// A column outside lists, or a list of whole numbers.
struct Leaf {
    name: String,
    kind: Kind,
    node: usize,
    /// Its first buffer, without those of views before it.
    buffer: usize,
    /// Views before it, which have buffers as many as a batch tells.
    views: usize,
    /// Buffers of validity of the structures that it is in, each with the views before it.
    parents: Vec<(usize, usize)>,
}

struct Batch {
    rows: usize,
    metadata: (u64, u64),
    body: (u64, u64),
}

/// Where the buffers of a batch lie.
struct Buffers {
    nulls: Vec<u64>,
    /// Place and length in the file.
    places: Vec<(u64, u64)>,
    views: Vec<u64>,
}

/// What can be read at any place.
pub trait Source: Read + Seek {}

impl<T: Read + Seek> Source for T {}

pub struct ArrowFile {
    reader: RefCell<Box<dyn Source>>,
    file: String,
    leaves: Vec<Leaf>,
    batches: Vec<Batch>,
    pub rows: usize,
    /// What Hugging Face's datasets note, as JSON.
    pub notes: Option<String>,
    /// It has the mark that ends a stream.
    pub is_whole: bool,
}

/// Numbers the columns of a schema as a record batch has them.
#[derive(Default)]
struct Walk {
    leaves: Vec<Leaf>,
    node: usize,
    buffer: usize,
    views: usize,
}

impl Walk {
    /// `hidden`: inside a list, where columns are counted and not kept.
    fn field(
        &mut self,
        field: Field<'_>,
        prefix: &str,
        parents: &[(usize, usize)],
        hidden: bool,
        depth: usize,
    ) -> std::result::Result<(), String> {
        if depth > MAX_DEPTH {
            return Err("has structures inside more than 32 structures".into());
        }
        let own = field.name().unwrap_or_default();
        let name = if prefix.is_empty() { own.to_owned() } else { format!("{prefix}.{own}") };
        let (node, buffer, views) = (self.node, self.buffer, self.views);
        self.node += 1;
        let kind = kind_of(&field);
        let children: Vec<Field<'_>> = field.children().map(|children| children.iter().collect()).unwrap_or_default();
        let mut inner_hidden = true;
        let mut inner_parents = Vec::new();
        self.buffer += match field.type_type() {
            _ if field.dictionary().is_some() => 2,
            Type::Null | Type::RunEndEncoded => 0,
            Type::FixedSizeList => 1,
            Type::Struct_ => {
                inner_hidden = hidden;
                inner_parents = [parents, &[(buffer, views)]].concat();
                1
            }
            Type::Utf8View | Type::BinaryView => {
                self.views += 1;
                2
            }
            Type::Binary | Type::Utf8 | Type::LargeBinary | Type::LargeUtf8 | Type::ListView | Type::LargeListView => 3,
            Type::Union => {
                if field.type_as_union().is_some_and(|union| union.mode() == arrow_ipc::UnionMode::Dense) {
                    2
                } else {
                    1
                }
            }
            _ => 2,
        };
        let is_struct = field.type_type() == Type::Struct_ && field.dictionary().is_none();
        if !is_struct && !hidden {
            self.leaves.push(Leaf { name: name.clone(), kind, node, buffer, views, parents: parents.to_vec() });
        }
        // A dictionary's values are in a message of their own.
        if field.dictionary().is_none() {
            for child in children {
                self.field(child, if is_struct { &name } else { "" }, &inner_parents, inner_hidden, depth + 1)?;
            }
        }
        Ok(())
    }
}

fn int_of(field: &Field<'_>) -> Option<(usize, bool)> {
    let int = field.type_as_int()?;
    matches!(int.bitWidth(), 8 | 16 | 32 | 64).then(|| (int.bitWidth() as usize / 8, int.is_signed()))
}

fn kind_of(field: &Field<'_>) -> Kind {
    if field.dictionary().is_some() {
        return Kind::Other("values of a dictionary");
    }
    let child = || field.children().filter(|children| children.len() == 1).map(|children| children.get(0));
    let list = |wide: bool, fixed: Option<usize>| match child().filter(|child| child.dictionary().is_none()).and_then(|c| int_of(&c)) {
        Some((bytes, signed)) => Kind::Ints { wide, fixed, bytes, signed },
        None => Kind::Other("lists"),
    };
    match field.type_type() {
        Type::Null => Kind::Null,
        Type::Bool => Kind::Bool,
        Type::Int => int_of(field).map_or(Kind::Other("numbers of an unknown width"), |(bytes, signed)| Kind::Int { bytes, signed }),
        Type::FloatingPoint => match field.type_as_floating_point().map(|float| float.precision()) {
            Some(Precision::HALF) => Kind::Float { bytes: 2 },
            Some(Precision::SINGLE) => Kind::Float { bytes: 4 },
            Some(Precision::DOUBLE) => Kind::Float { bytes: 8 },
            _ => Kind::Other("numbers of an unknown width"),
        },
        Type::Binary => Kind::Bytes { wide: false, text: false },
        Type::Utf8 => Kind::Bytes { wide: false, text: true },
        Type::LargeBinary => Kind::Bytes { wide: true, text: false },
        Type::LargeUtf8 => Kind::Bytes { wide: true, text: true },
        Type::List => list(false, None),
        Type::LargeList => list(true, None),
        Type::FixedSizeList => {
            let size = field.type_as_fixed_size_list().and_then(|fixed| usize::try_from(fixed.listSize()).ok());
            size.map_or(Kind::Other("lists"), |size| list(false, Some(size)))
        }
        Type::ListView | Type::LargeListView | Type::Map => Kind::Other("lists"),
        Type::Utf8View | Type::BinaryView => Kind::View,
        Type::Date | Type::Time | Type::Timestamp | Type::Duration | Type::Interval => Kind::Other("times"),
        _ => Kind::Other("another type"),
    }
}

impl ArrowFile {
    /// Reads the schema and the heads of the batches; `file` is its name for messages.
    pub fn open(reader: Box<dyn Source>, file: String) -> Result<Self> {
        let mut this =
            Self { reader: RefCell::new(reader), file, leaves: Vec::new(), batches: Vec::new(), rows: 0, notes: None, is_whole: false };
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
                        walk.field(field, "", &[], false, 0)?;
                    }
                    self.leaves = walk.leaves;
                    let notes = schema.custom_metadata().iter().flatten().find(|pair| pair.key() == Some("huggingface"));
                    self.notes = notes.and_then(|pair| pair.value()).map(ToOwned::to_owned);
                }
                MessageHeader::RecordBatch if has_schema => {
                    let batch = message.header_as_record_batch().ok_or("has a batch without a head")?;
                    let rows = usize::try_from(batch.length()).ok().filter(|rows| *rows as u64 <= body.saturating_mul(8));
                    let rows = rows.ok_or_else(|| format!("has a batch of {} rows in {body} bytes", batch.length()))?;
                    self.rows = self.rows.checked_add(rows).ok_or("has too many rows")?;
                    self.batches.push(Batch { rows, metadata: (at, length), body: (start, body) });
                }
                MessageHeader::DictionaryBatch if has_schema => {}
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

    pub fn byte_columns(&self) -> Vec<String> {
        self.leaves.iter().filter(|leaf| matches!(leaf.kind, Kind::Bytes { .. } | Kind::View)).map(|leaf| leaf.name.clone()).collect()
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
        let wide = match leaf.kind {
            Kind::Bytes { wide, .. } => wide,
            Kind::View => return self.views(leaf, from, hand),
            _ => return Err(self.wrong_type(column, "bytes or text")),
        };
        let mut before = 0;
        for batch in &self.batches {
            let skipped = from.saturating_sub(before).min(batch.rows);
            before += batch.rows;
            if skipped == batch.rows {
                continue;
            }
            let buffers = self.buffers(batch)?;
            let validity = self.validity(batch, &buffers, leaf)?;
            let offsets = self.offsets(batch, &buffers, leaf, wide, batch.rows)?;
            let (start, length) = self.place(&buffers, leaf, 2)?;
            if offsets.last().is_some_and(|end| *end > length) {
                return Err(self.damaged("has values that lie behind their batch"));
            }
            let mut row = skipped;
            while row < batch.rows {
                // So many rows as fit together, at least one.
                let first = offsets[row];
                let fitting = (row + 1..=batch.rows).take_while(|end| offsets[*end] - first <= TOGETHER).last();
                let end = fitting.unwrap_or(row + 1);
                let together = self.part(start + first, offsets[end] - first).map_err(|why| self.damaged(&why))?;
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
    fn views(&self, leaf: &Leaf, from: usize, hand: &mut dyn FnMut(Option<Bytes>) -> Result<()>) -> Result<()> {
        let mut before = 0;
        for batch in &self.batches {
            let skipped = from.saturating_sub(before).min(batch.rows);
            before += batch.rows;
            if skipped == batch.rows {
                continue;
            }
            let buffers = self.buffers(batch)?;
            let validity = self.validity(batch, &buffers, leaf)?;
            let views = self.values(&buffers, leaf, 1, batch.rows as u64 * 16)?;
            let count = buffers.views.get(leaf.views).copied().unwrap_or(0);
            for (view, valid) in views.chunks_exact(16).zip(validity).skip(skipped) {
                let word = |at: usize| integer(&view[at..at + 4], false) as u64;
                let length = word(0);
                let value = match valid {
                    false => None,
                    true if length <= 12 => Some(view[4..4 + length as usize].to_vec()),
                    true => {
                        let (start, size) = match word(8) {
                            buffer if buffer < count => self.place(&buffers, leaf, 2 + buffer as usize)?,
                            _ => return Err(self.damaged("has values in buffers that it does not have")),
                        };
                        if word(12) + length > size {
                            return Err(self.damaged("has values that lie behind their batch"));
                        }
                        Some(self.part(start + word(12), length).map_err(|why| self.damaged(&why))?)
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
        let numbers = |width: usize, number: &dyn Fn(&[u8]) -> f64| -> Result<Vec<f64>> {
            let mut numbers = Vec::with_capacity(self.rows);
            for batch in &self.batches {
                let buffers = self.buffers(batch)?;
                let validity = self.validity(batch, &buffers, leaf)?;
                let values = self.values(&buffers, leaf, 1, batch.rows as u64 * width as u64)?;
                let read = values.chunks_exact(width).zip(validity);
                numbers.extend(read.map(|(value, valid)| if valid { number(value) } else { f64::NAN }));
            }
            Ok(numbers)
        };
        match leaf.kind {
            Kind::Null => Ok(Labels::Numbers(vec![f64::NAN; self.rows])),
            Kind::Int { bytes, signed } => numbers(bytes, &|value| integer(value, signed) as f64).map(Labels::Numbers),
            Kind::Float { bytes: 8 } => numbers(8, &double).map(Labels::Numbers),
            Kind::Float { bytes } => numbers(bytes, if bytes == 2 { &half } else { &single }).map(Labels::Singles),
            Kind::Bool => {
                let mut all = Vec::with_capacity(self.rows);
                for batch in &self.batches {
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
                let mut texts = Vec::with_capacity(self.rows);
                self.bytes(column, 0, &mut |value| {
                    texts.push(value.map_or(String::new(), |value| String::from_utf8_lossy(value.data()).into_owned()));
                    Ok(())
                })?;
                Ok(Labels::Texts(texts))
            }
            Kind::Ints { .. } => Err(self.wrong_type(column, "numbers or text")),
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
            let (start, length) = self.place(&buffers, leaf, child + 1)?;
            let count = ends.last().copied().unwrap_or(0);
            if count.checked_mul(bytes as u64).is_none_or(|end| end > length) {
                return Err(self.damaged("has lists that lie behind their batch"));
            }
            let inner = Leaf { node: leaf.node + 1, buffer: leaf.buffer + child, parents: Vec::new(), ..leaf.named() };
            if buffers.nulls.get(inner.node).is_some_and(|nulls| *nulls > 0) {
                return Err(self.damaged(&format!("has empty places in the lists of {column}")));
            }
            let mut row = 0;
            while row < batch.rows {
                let first = ends[row];
                let fits = |end: &usize| (ends[*end] - first) * bytes as u64 <= TOGETHER;
                let end = (row + 1..=batch.rows).take_while(fits).last().unwrap_or(row + 1);
                let values = self.part(start + first * bytes as u64, (ends[end] - first) * bytes as u64);
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

    fn buffers(&self, batch: &Batch) -> Result<Buffers> {
        self.located(batch).map_err(|why| self.damaged(&why))
    }

    fn located(&self, batch: &Batch) -> std::result::Result<Buffers, String> {
        let metadata = self.part(batch.metadata.0, batch.metadata.1)?;
        let message = root_as_message(&metadata).map_err(|error| one_line(&error.to_string()))?;
        let head = message.header_as_record_batch().ok_or("has a batch without a head")?;
        if head.compression().is_some() {
            return Err("has compressed batches, which are not read; write it without compression".into());
        }
        let (start, length) = batch.body;
        let inside = |buffer: &arrow_ipc::Buffer| {
            let (at, size) = (u64::try_from(buffer.offset()).ok()?, u64::try_from(buffer.length()).ok()?);
            at.checked_add(size).filter(|end| *end <= length).map(|_| (start + at, size))
        };
        let places: Option<Vec<(u64, u64)>> = head.buffers().iter().flatten().map(inside).collect();
        let nulls = head.nodes().iter().flatten().map(|node| u64::try_from(node.null_count()).unwrap_or(0)).collect();
        let views = head.variadicBufferCounts().iter().flatten().map(|count| u64::try_from(count).unwrap_or(0)).collect();
        Ok(Buffers { nulls, places: places.ok_or("has values that lie behind their batch")?, views })
    }

    /// Place and length of a column's buffer.
    fn place(&self, buffers: &Buffers, leaf: &Leaf, at: usize) -> Result<(u64, u64)> {
        let views: u64 = buffers.views.iter().take(leaf.views).fold(0, |sum, count| sum.saturating_add(*count));
        let index = usize::try_from(views).ok().and_then(|views| (leaf.buffer + at).checked_add(views));
        index.and_then(|index| buffers.places.get(index).copied()).ok_or_else(|| self.damaged("has a batch with too few columns"))
    }

    /// The first bytes of a buffer.
    fn values(&self, buffers: &Buffers, leaf: &Leaf, at: usize, bytes: u64) -> Result<Vec<u8>> {
        let (start, length) = self.place(buffers, leaf, at)?;
        if bytes > length {
            return Err(self.damaged("has columns with fewer values than rows"));
        }
        self.part(start, bytes).map_err(|why| self.damaged(&why))
    }

    /// Which rows of a batch have a value.
    fn validity(&self, batch: &Batch, buffers: &Buffers, leaf: &Leaf) -> Result<Vec<bool>> {
        let mut valid = vec![leaf.kind != Kind::Null; batch.rows];
        if leaf.kind == Kind::Null {
            return Ok(valid);
        }
        for &(buffer, views) in leaf.parents.iter().chain([&(leaf.buffer, leaf.views)]) {
            let leaf = Leaf { buffer, views, ..leaf.named() };
            // Without a bitmap all are valid.
            if self.place(buffers, &leaf, 0)?.1 > 0 {
                let bits = self.values(buffers, &leaf, 0, (batch.rows as u64).div_ceil(8))?;
                valid.iter_mut().enumerate().for_each(|(row, valid)| *valid &= bit(&bits, row));
            }
        }
        Ok(valid)
    }

    /// Ends of the values before each row, and of the last: never less than the one before.
    fn offsets(&self, batch: &Batch, buffers: &Buffers, leaf: &Leaf, wide: bool, rows: usize) -> Result<Vec<u64>> {
        let width: u64 = if wide { 8 } else { 4 };
        if batch.rows == 0 {
            return Ok(vec![0]);
        }
        let bytes = self.values(buffers, leaf, 1, (rows as u64 + 1) * width)?;
        let offsets: Vec<i64> = bytes.chunks_exact(width as usize).map(|value| integer(value, true)).collect();
        let rising = offsets.first().is_some_and(|first| *first >= 0) && offsets.is_sorted();
        if rising {
            Ok(offsets.into_iter().map(|offset| offset as u64).collect())
        } else {
            Err(self.damaged("has values that lie over each other"))
        }
    }

    fn read_exact(&self, at: u64, target: &mut [u8]) -> std::result::Result<(), String> {
        let mut reader = self.reader.borrow_mut();
        reader.seek(SeekFrom::Start(at)).and_then(|_| reader.read_exact(target)).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => "is cut off".to_owned(),
            _ => format!("cannot be read: {error}"),
        })
    }

    /// A part of the file; it lies inside, as was checked.
    fn part(&self, at: u64, length: u64) -> std::result::Result<Vec<u8>, String> {
        let mut bytes = vec![0; usize::try_from(length).map_err(|_| "is too large".to_owned())?];
        self.read_exact(at, &mut bytes)?;
        Ok(bytes)
    }

    fn wrong_type(&self, column: &str, wanted: &str) -> crate::error::Error {
        let sentence = format!("{} has a column {column} of another type than {wanted}", self.file);
        Problem::error("bad-type", sentence).at(Place::file(self.file.clone())).into()
    }

    fn damaged(&self, why: &str) -> crate::error::Error {
        Problem::error("damaged-file", format!("{} is a damaged Arrow file: it {why}", self.file)).at(Place::file(self.file.clone())).into()
    }
}

impl Leaf {
    /// The same without its structures.
    fn named(&self) -> Self {
        Self { name: self.name.clone(), parents: Vec::new(), ..*self }
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
