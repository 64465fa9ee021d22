//! Where the values of a batch lie, and how they are read: in place, or unpacked from buffers that are compressed one by one (LZ4 frames,
//! Zstandard), of which no more is unpacked than is wanted.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use arrow_ipc::{CompressionType, MessageHeader, RecordBatch, root_as_message};

use super::schema::{Kind, Leaf};
use super::{ArrowFile, bit, integer, one_line};
use crate::archive::{BOMB_BYTES, BOMB_RATIO};
use crate::error::Result;

/// Rows of a file's compressed batches, whose bytes say little of them.
const MOST_ROWS: usize = 1 << 28;
/// A compressed buffer whose values lie in no order is unpacked anew for them; so often at most.
const MOST_RESTARTS: usize = 1000;

/// The values of some rows, or of a dictionary.
pub struct Batch {
    pub rows: usize,
    /// Place and length of its message and of its buffers.
    metadata: (u64, u64),
    body: (u64, u64),
}

/// Where the buffers of a batch lie.
pub struct Buffers {
    pub nulls: Vec<u64>,
    /// Place and length in the file.
    places: Vec<(u64, u64)>,
    pub views: Vec<u64>,
    packing: Option<CompressionType>,
}

/// A buffer as it lies in the file.
#[derive(Clone, Copy)]
pub struct Stored {
    at: u64,
    length: u64,
    /// Bytes of its values.
    pub size: u64,
    packing: Option<CompressionType>,
}

/// The values of a buffer, part by part.
pub struct Content<'a> {
    file: &'a ArrowFile,
    stored: Stored,
    /// What unpacks it, and how far it did.
    unpacking: Option<(Box<dyn Read + 'a>, u64)>,
    restarts: usize,
}

/// Bytes of the file.
struct Section<'a> {
    file: &'a ArrowFile,
    at: u64,
    left: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let count = target.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let mut reader = self.file.reader.borrow_mut();
        reader.seek(SeekFrom::Start(self.at))?;
        let read = reader.read(&mut target[..count])?;
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}

impl<'a> Content<'a> {
    fn new(file: &'a ArrowFile, stored: Stored) -> Self {
        Self { file, stored, unpacking: None, restarts: 0 }
    }

    /// Bytes `from` to `from + length`, which lie inside.
    pub fn part(&mut self, from: u64, length: u64) -> std::result::Result<Vec<u8>, String> {
        let Some(packing) = self.stored.packing else { return self.file.part(self.stored.at + from, length) };
        let failed = |error: io::Error| format!("has a compressed buffer that cannot be unpacked: {error}");
        let (mut stream, through) = match self.unpacking.take() {
            Some((stream, through)) if through <= from => (stream, through),
            _ => {
                self.restarts += 1;
                if self.restarts > MOST_RESTARTS {
                    return Err("has compressed values that lie in no order".into());
                }
                (self.unpack(packing).map_err(failed)?, 0)
            }
        };
        io::copy(&mut stream.by_ref().take(from - through), &mut io::sink()).map_err(failed)?;
        let mut bytes = Vec::new();
        stream.by_ref().take(length).read_to_end(&mut bytes).map_err(failed)?;
        self.unpacking = Some((stream, from + length));
        if bytes.len() as u64 == length { Ok(bytes) } else { Err("has a compressed buffer that is too short".into()) }
    }

    fn unpack(&self, packing: CompressionType) -> io::Result<Box<dyn Read + 'a>> {
        let section = BufReader::new(Section { file: self.file, at: self.stored.at, left: self.stored.length });
        match packing {
            CompressionType::LZ4_FRAME => Ok(Box::new(lz4_flex::frame::FrameDecoder::new(section))),
            CompressionType::ZSTD => Ok(Box::new(zstd::stream::read::Decoder::with_buffer(section)?)),
            CompressionType(other) => Err(io::Error::other(format!("its kind of compression, {other}, is not known"))),
        }
    }
}

impl Batch {
    /// `before`: rows of the batches before. `metadata` and `body` are places and lengths in the file.
    pub fn new(head: &RecordBatch<'_>, before: usize, metadata: (u64, u64), body: (u64, u64)) -> std::result::Result<Self, String> {
        let rows = usize::try_from(head.length()).map_err(|_| "has a batch of a negative number of rows".to_owned())?;
        match head.compression().is_some() {
            true if before.saturating_add(rows) > MOST_ROWS => Err(format!("has more than {MOST_ROWS} rows in compressed batches")),
            false if rows as u64 > body.1.saturating_mul(8) => Err(format!("has a batch of {rows} rows in {} bytes", body.1)),
            _ => Ok(Self { rows, metadata, body }),
        }
    }
}

impl ArrowFile {
    pub(super) fn buffers(&self, batch: &Batch) -> Result<Buffers> {
        self.located(batch).map_err(|why| self.damaged(&why))
    }

    fn located(&self, batch: &Batch) -> std::result::Result<Buffers, String> {
        let metadata = self.part(batch.metadata.0, batch.metadata.1)?;
        let message = root_as_message(&metadata).map_err(|error| one_line(&error.to_string()))?;
        let head = match message.header_type() {
            MessageHeader::DictionaryBatch => message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data()),
            _ => message.header_as_record_batch(),
        };
        let head = head.ok_or("has a batch without a head")?;
        let (start, length) = batch.body;
        let inside = |buffer: &arrow_ipc::Buffer| {
            let (at, size) = (u64::try_from(buffer.offset()).ok()?, u64::try_from(buffer.length()).ok()?);
            at.checked_add(size).filter(|end| *end <= length).map(|_| (start + at, size))
        };
        let places: Option<Vec<(u64, u64)>> = head.buffers().iter().flatten().map(inside).collect();
        let nulls = head.nodes().iter().flatten().map(|node| u64::try_from(node.null_count()).unwrap_or(0)).collect();
        let views = head.variadicBufferCounts().iter().flatten().map(|count| u64::try_from(count).unwrap_or(0)).collect();
        let packing = head.compression().map(|compression| compression.codec());
        Ok(Buffers { nulls, places: places.ok_or("has values that lie behind their batch")?, views, packing })
    }

    /// Place and length of a column's buffer.
    fn place(&self, buffers: &Buffers, leaf: &Leaf, at: usize) -> Result<(u64, u64)> {
        let views: u64 = buffers.views.iter().take(leaf.views).fold(0, |sum, count| sum.saturating_add(*count));
        let index = usize::try_from(views).ok().and_then(|views| (leaf.buffer + at).checked_add(views));
        index.and_then(|index| buffers.places.get(index).copied()).ok_or_else(|| self.damaged("has a batch with too few columns"))
    }

    /// A column's buffer. A compressed one begins with the number of bytes that it has, or -1 where it is stored as it is.
    pub(super) fn buffer(&self, buffers: &Buffers, leaf: &Leaf, at: usize) -> Result<Stored> {
        let (at, length) = self.place(buffers, leaf, at)?;
        if buffers.packing.is_none() || length == 0 {
            return Ok(Stored { at, length, size: length, packing: None });
        }
        let Some(rest) = length.checked_sub(8) else { return Err(self.damaged("has a compressed buffer that is cut off")) };
        let head = self.part(at, 8).map_err(|why| self.damaged(&why))?;
        match u64::try_from(integer(&head, true)) {
            Ok(size) if size > BOMB_BYTES && size / length > BOMB_RATIO => {
                Err(self.damaged(&format!("has {length} bytes that would unpack to {size}, as only a file made to fill the memory does")))
            }
            Ok(size) => Ok(Stored { at: at + 8, length: rest, size, packing: buffers.packing }),
            Err(_) => Ok(Stored { at: at + 8, length: rest, size: rest, packing: None }),
        }
    }

    pub(super) fn content(&self, stored: Stored) -> Content<'_> {
        Content::new(self, stored)
    }

    /// The first bytes of a buffer.
    pub(super) fn values(&self, buffers: &Buffers, leaf: &Leaf, at: usize, bytes: u64) -> Result<Vec<u8>> {
        let stored = self.buffer(buffers, leaf, at)?;
        if bytes > stored.size {
            return Err(self.damaged("has columns with fewer values than rows"));
        }
        self.content(stored).part(0, bytes).map_err(|why| self.damaged(&why))
    }

    /// Which rows of a batch have a value.
    pub(super) fn validity(&self, batch: &Batch, buffers: &Buffers, leaf: &Leaf) -> Result<Vec<bool>> {
        let mut valid = vec![leaf.kind != Kind::Null; batch.rows];
        if leaf.kind == Kind::Null {
            return Ok(valid);
        }
        for &(buffer, views) in leaf.parents.iter().chain([&(leaf.buffer, leaf.views)]) {
            let leaf = Leaf { buffer, views, ..leaf.named() };
            // Without a bitmap all are valid.
            if self.buffer(buffers, &leaf, 0)?.size > 0 {
                let bits = self.values(buffers, &leaf, 0, (batch.rows as u64).div_ceil(8))?;
                valid.iter_mut().enumerate().for_each(|(row, valid)| *valid &= bit(&bits, row));
            }
        }
        Ok(valid)
    }

    /// Ends of the values before each row, and of the last: never less than the one before.
    pub(super) fn offsets(&self, batch: &Batch, buffers: &Buffers, leaf: &Leaf, wide: bool, rows: usize) -> Result<Vec<u64>> {
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

    pub(super) fn read_exact(&self, at: u64, target: &mut [u8]) -> std::result::Result<(), String> {
        let mut reader = self.reader.borrow_mut();
        reader.seek(SeekFrom::Start(at)).and_then(|_| reader.read_exact(target)).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => "is cut off".to_owned(),
            _ => format!("cannot be read: {error}"),
        })
    }

    /// A part of the file; it lies inside, as was checked.
    pub(super) fn part(&self, at: u64, length: u64) -> std::result::Result<Vec<u8>, String> {
        let mut bytes = vec![0; usize::try_from(length).map_err(|_| "is too large".to_owned())?];
        self.read_exact(at, &mut bytes)?;
        Ok(bytes)
    }
}
