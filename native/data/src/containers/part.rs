//! An array in another file as the bytes of a .npy: a header, then its elements in C order, gathered block by block.

use std::io::{self, Read};
use std::sync::Arc;

use flate2::read::ZlibDecoder;

use crate::archive::SharedFile;

/// Extent and distance of an axis within a block, the distance in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axis {
    pub extent: usize,
    pub stride: usize,
}

#[derive(Clone)]
pub enum Source {
    /// Elements as they are.
    File(SharedFile, u64),
    /// A zlib stream that begins here, and the elements behind so many bytes of it.
    Zlib(SharedFile, u64, u64),
    Memory(Arc<Vec<u8>>),
    Rows(Arc<dyn Rows>),
}

/// Rows of elements that a library reads.
pub trait Rows: Send + Sync {
    /// Bytes of a row.
    fn row(&self) -> usize;
    fn count(&self) -> usize;
    fn read(&self, from: usize, count: usize) -> io::Result<Vec<u8>>;
}

/// Bytes of rows that are read together.
const ROWS: usize = 1 << 22;

struct InRows {
    rows: Arc<dyn Rows>,
    next: usize,
    ready: io::Cursor<Vec<u8>>,
}

impl Read for InRows {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let count = self.ready.read(target)?;
        let left = self.rows.count() - self.next;
        if count > 0 || left == 0 || target.is_empty() {
            return Ok(count);
        }
        let wanted = (ROWS / self.rows.row().max(1)).clamp(1, left);
        self.ready = io::Cursor::new(self.rows.read(self.next, wanted)?);
        self.next += wanted;
        self.ready.read(target)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    None,
    /// bfloat16 to float32.
    Widen,
    /// The label 10 to 0.
    TenIsZero,
}

#[derive(Clone)]
pub struct Part {
    /// The file, for messages.
    pub shown: String,
    /// Of the .npy.
    pub header: Vec<u8>,
    pub source: Source,
    /// Blocks follow one another at this distance, bytes.
    pub blocks: usize,
    pub distance: u64,
    /// Bytes of a block, and its axes; elements are as large as this.
    pub block: usize,
    pub axes: Vec<Axis>,
    pub element: usize,
    pub change: Change,
}

/// Largest block that is gathered, bytes.
pub const LARGEST_BLOCK: usize = 1 << 29;

impl Part {
    /// Elements in order.
    pub fn plain(shown: &str, header: Vec<u8>, element: usize, source: Source, bytes: usize) -> Self {
        // Copied in blocks of whole elements.
        let block = (1 << 16) / element.max(1) * element.max(1);
        let block = block.min(bytes).max(1);
        let axes = vec![Axis { extent: block / element.max(1), stride: element }];
        let whole = bytes / block;
        // What is left over is a block of its own where there is any: then all blocks are elements.
        if whole * block == bytes {
            return Self {
                shown: shown.into(),
                header,
                source,
                blocks: whole,
                distance: block as u64,
                block,
                axes,
                element,
                change: Change::None,
            };
        }
        let axes = vec![Axis { extent: 1, stride: element }];
        Self {
            shown: shown.into(),
            header,
            source,
            blocks: bytes / element,
            distance: element as u64,
            block: element,
            axes,
            element,
            change: Change::None,
        }
    }

    /// Of the .npy.
    pub fn size(&self) -> u64 {
        let elements: usize = self.axes.iter().map(|axis| axis.extent).product();
        let element = if self.change == Change::Widen { 4 } else { self.element };
        self.header.len() as u64 + self.blocks as u64 * (elements * element) as u64
    }

    pub fn stream(self: &Arc<Self>) -> io::Result<Stream> {
        let source: Box<dyn Read> = match &self.source {
            Source::File(file, start) => {
                let mut file = file.clone();
                file.seek_to(*start);
                // Blocks that lie apart are sought, those that follow are read through one buffer.
                if self.distance == self.block as u64 {
                    Box::new(io::BufReader::with_capacity(1 << 18, file))
                } else {
                    Box::new(io::empty())
                }
            }
            Source::Zlib(file, start, skip) => {
                let mut file = file.clone();
                file.seek_to(*start);
                let mut unpacked = ZlibDecoder::new(io::BufReader::with_capacity(1 << 16, file));
                io::copy(&mut (&mut unpacked).take(*skip), &mut io::sink())?;
                Box::new(unpacked)
            }
            Source::Memory(bytes) => Box::new(io::Cursor::new(SharedBytes(bytes.clone()))),
            Source::Rows(rows) => Box::new(InRows { rows: rows.clone(), next: 0, ready: io::Cursor::default() }),
        };
        Ok(Stream { part: self.clone(), source, next: 0, ready: self.header.clone(), given: 0 })
    }

    /// Elements of a block in C order.
    fn gathered(&self, block: &[u8]) -> Vec<u8> {
        let count: usize = self.axes.iter().map(|axis| axis.extent).product();
        let mut out = Vec::with_capacity(count * self.element);
        if self.is_plain() {
            out.extend_from_slice(&block[..(count * self.element).min(block.len())]);
        } else {
            let mut index = vec![0; self.axes.len()];
            for _ in 0..count {
                let at: usize = index.iter().zip(&self.axes).map(|(index, axis)| index * axis.stride).sum();
                out.extend_from_slice(&block[at..at + self.element]);
                for (index, axis) in index.iter_mut().zip(&self.axes).rev() {
                    *index += 1;
                    if *index < axis.extent {
                        break;
                    }
                    *index = 0;
                }
            }
        }
        match self.change {
            Change::None => out,
            Change::Widen => out.as_chunks::<2>().0.iter().flat_map(|[low, high]| [0, 0, *low, *high]).collect(),
            Change::TenIsZero => {
                out.chunks_exact_mut(self.element).for_each(|element| {
                    if element.iter().map(|byte| u32::from(*byte)).sum::<u32>() == 10 {
                        element.fill(0);
                    }
                });
                out
            }
        }
    }

    fn is_plain(&self) -> bool {
        let mut stride = self.element;
        self.axes.iter().rev().all(|axis| {
            let fits = axis.stride == stride || axis.extent == 1;
            stride *= axis.extent;
            fits
        })
    }
}

struct SharedBytes(Arc<Vec<u8>>);

impl AsRef<[u8]> for SharedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

pub struct Stream {
    part: Arc<Part>,
    source: Box<dyn Read>,
    next: usize,
    ready: Vec<u8>,
    given: usize,
}

impl Read for Stream {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if self.given == self.ready.len() {
            if self.next == self.part.blocks || target.is_empty() {
                return Ok(0);
            }
            let mut block = vec![0; self.part.block];
            match &self.part.source {
                Source::File(file, start) if self.part.distance != self.part.block as u64 => {
                    let mut file = file.clone();
                    file.seek_to(start + self.next as u64 * self.part.distance);
                    file.read_exact(&mut block)?;
                }
                _ => self.source.read_exact(&mut block)?,
            }
            self.next += 1;
            self.ready = self.part.gathered(&block);
            self.given = 0;
        }
        let count = target.len().min(self.ready.len() - self.given);
        target[..count].copy_from_slice(&self.ready[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}
