//! MAT-files of version 5 (MATLAB's -v6 and -v7, scipy.io.savemat): numeric arrays, compressed or not, of either byte order. Only the
//! head of each array is read here, its elements when they are wanted; structures and cells are `matlab_tables`. Format: MathWorks,
//! "MAT-File Format".
//!
//! Elements lie in Fortran order. Images of SVHN's kind [H,W,C,N] become [N,C,H,W]: the axis of as many elements as there are
//! labels is the first.

use std::io::Read;
use std::sync::Arc;

use flate2::read::ZlibDecoder;

use super::matlab_tables::{self, Table};
use super::part::{Axis, Change, LARGEST_BLOCK, Part, Source};
use super::{Inner, Opened, header};
use crate::archive::SharedFile;

/// What stands before the elements of an array is shorter, bytes.
const HEAD: usize = 4096;

#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    pub name: String,
    /// NumPy's type.
    pub descr: String,
    pub shape: Vec<usize>,
    /// Where the elements begin in the matrix.
    pub start: usize,
}

/// Numbers of one byte order.
#[derive(Clone, Copy)]
pub struct Order {
    pub big: bool,
}

/// What a matrix begins with.
pub struct Heading {
    flags: u32,
    pub shape: Vec<usize>,
    pub name: String,
    /// Where the rest begins.
    pub next: usize,
}

impl Heading {
    /// Cells are 1, structures 2, characters 4, numbers 6 to 15.
    pub fn class(&self) -> u32 {
        self.flags & 0xff
    }

    pub fn is_complex(&self) -> bool {
        self.flags & 0x0800 != 0
    }
}

impl Order {
    pub fn word(self, bytes: &[u8], at: usize) -> Option<u32> {
        let word = bytes.get(at..at.checked_add(4)?)?.first_chunk::<4>()?;
        Some(if self.big { u32::from_be_bytes(*word) } else { u32::from_le_bytes(*word) })
    }

    /// Type, length and place of the element whose tag stands at a place, and the place behind it.
    pub fn tag(self, bytes: &[u8], at: usize) -> Option<(u32, usize, usize, usize)> {
        let first = self.word(bytes, at)?;
        if first >> 16 != 0 {
            // Up to four bytes lie in the tag.
            return Some((first & 0xffff, (first >> 16) as usize, at + 4, at + 8));
        }
        let length = self.word(bytes, at + 4)? as usize;
        Some((first, length, at + 8, (at + 8).checked_add(length.checked_next_multiple_of(8)?)?))
    }

    /// The beginning of a matrix, behind its own tag.
    pub fn heading(self, bytes: &[u8]) -> Option<Heading> {
        let (kind, length, at, next) = self.tag(bytes, 0)?;
        let flags = self.word(bytes, at).filter(|_| kind == 6 && length == 8)?;
        let (kind, length, at, next) = self.tag(bytes, next)?;
        if kind != 5 || length > 64 {
            return None;
        }
        let shape: Vec<usize> =
            (0..length / 4).map(|axis| self.word(bytes, at + 4 * axis).map(|extent| extent as usize)).collect::<Option<_>>()?;
        let (_, length, at, next) = self.tag(bytes, next)?;
        let name = std::str::from_utf8(bytes.get(at..at.checked_add(length)?)?).ok()?.to_owned();
        Some(Heading { flags, shape, name, next })
    }

    /// `None` where it holds no plain numbers.
    fn matrix(self, bytes: &[u8]) -> Option<Matrix> {
        let heading = self.heading(bytes).filter(|heading| (6..=15).contains(&heading.class()) && !heading.is_complex())?;
        let Heading { shape, name, next, .. } = heading;
        let (kind, length, start, _) = self.tag(bytes, next)?;
        let order = if self.big { '>' } else { '<' };
        let descr = match kind {
            1 => "|i1".into(),
            2 => "|u1".into(),
            3 => format!("{order}i2"),
            4 => format!("{order}u2"),
            5 => format!("{order}i4"),
            6 => format!("{order}u4"),
            7 => format!("{order}f4"),
            9 => format!("{order}f8"),
            12 => format!("{order}i8"),
            13 => format!("{order}u8"),
            _ => return None,
        };
        let element = usize::from(descr.as_bytes()[2] - b'0');
        let bytes = shape.iter().try_fold(element, |bytes: usize, extent| bytes.checked_mul(*extent))?;
        (bytes == length && shape.len() >= 2).then_some(Matrix { name, descr, shape, start })
    }
}

/// A matrix, and where it lies: of a compressed one the place of its zlib stream.
type Placed = (Matrix, u64, bool);

/// An element of a file.
pub struct Element {
    /// Place and length of its body.
    pub at: u64,
    pub length: u64,
    /// The body is a zlib stream of the matrix with its tag.
    pub packed: bool,
    /// The beginning of the matrix, behind its tag.
    head: Vec<u8>,
}

/// Hands over the matrices of a file; an error is the end of a sentence that starts with the file.
fn elements(file: &SharedFile, hand: &mut dyn FnMut(Order, Element)) -> Result<(), String> {
    let mut head = [0; 128];
    let mut at = 128u64;
    file.clone().read_exact(&mut head).map_err(|_| "is no MAT-file of version 5".to_owned())?;
    let big = match &head[124..128] {
        [0, 1, b'I', b'M'] => false,
        [1, 0, b'M', b'I'] => true,
        _ => return Err("is no MAT-file of version 5".into()),
    };
    let order = Order { big };
    while at + 8 <= file.len() {
        let mut tag = [0; 8];
        let mut element = file.clone();
        element.seek_to(at);
        element.read_exact(&mut tag).map_err(|_| "ends too early".to_owned())?;
        let (kind, length) = (order.word(&tag, 0).unwrap_or(0), u64::from(order.word(&tag, 4).unwrap_or(0)));
        if at + 8 + length > file.len() {
            return Err("is truncated: its last array goes beyond its end".into());
        }
        if matches!(kind, 14 | 15) {
            let mut head = vec![0; HEAD];
            let read = match kind {
                15 => crate::tree::read_fully(&mut ZlibDecoder::new(element), &mut head).map_err(|_| "has a damaged array".to_owned())?,
                _ => crate::tree::read_fully(&mut element, &mut head).map_err(|_| "ends too early".to_owned())?,
            };
            head.truncate(read);
            if kind == 15 {
                head.drain(..8.min(read));
            }
            hand(order, Element { at: at + 8, length, packed: kind == 15, head });
        }
        // Only what is not compressed is filled up.
        at += 8 + length;
    }
    Ok(())
}

/// All arrays of numbers of a file.
pub fn matrices(file: &SharedFile) -> Result<Vec<Placed>, String> {
    let mut found = Vec::new();
    elements(file, &mut |order, element| {
        let before = if element.packed { 8 } else { 0 };
        let matrix = order.matrix(&element.head).map(|matrix| Matrix { start: matrix.start + before, ..matrix });
        found.extend(matrix.map(|matrix| (matrix, element.at, element.packed)));
    })?;
    Ok(found)
}

/// Structures and cells of text, as tables and lists.
fn tables(file: &SharedFile) -> Result<Vec<Table>, String> {
    let mut found = Vec::new();
    elements(file, &mut |order, element| {
        if order.heading(&element.head).is_some_and(|heading| matches!(heading.class(), 1 | 2)) {
            found.extend(matlab_tables::read(file, order, &element));
        }
    })?;
    Ok(found)
}

pub fn open(file: &SharedFile, shown: &str) -> Opened {
    let mut head = [0; 128];
    let found = crate::tree::read_fully(&mut file.clone(), &mut head).unwrap_or(0);
    if head.starts_with(b"MATLAB 7.3") {
        return Opened::Refused("is a MATLAB file of version 7.3, which is HDF5; save it with -v7".into());
    }
    if found < 128 || !head.starts_with(b"MATLAB 5.0") {
        return Opened::Refused("is a MATLAB file of version 4 or of another kind; save it with -v7".into());
    }
    let matrices = match matrices(file) {
        Ok(matrices) => matrices,
        Err(why) => return Opened::Refused(format!("{why}; save or download it again")),
    };
    // As many as the longest vector has elements.
    let vector = |shape: &[usize]| shape.len() == 2 && shape.contains(&1);
    let counts: Vec<usize> =
        matrices.iter().filter(|(matrix, ..)| vector(&matrix.shape)).map(|(matrix, ..)| matrix.shape.iter().product()).collect();
    let is_svhn = shown.ends_with("_32x32.mat") && matrices.iter().any(|(matrix, ..)| matrix.name == "X");
    let part = |(matrix, at, packed): &Placed| {
        let part = part(file, shown, matrix, *at, *packed, &counts)?;
        // SVHN calls the digit 0 by 10.
        let change = if is_svhn && matrix.name == "y" { Change::TenIsZero } else { Change::None };
        Some(Inner { name: matrix.name.clone(), extension: "npy", part: Part { change, ..part } })
    };
    let mut arrays: Vec<Inner> = matrices.iter().filter_map(part).collect();
    arrays.extend(tables(file).unwrap_or_default().into_iter().map(|Table { name, extension, text }| Inner {
        name,
        extension,
        part: Part::plain(shown, text, 1, Source::Memory(Arc::default()), 0),
    }));
    match arrays.is_empty() {
        true => Opened::Refused(
            "is a MATLAB file without arrays of numbers, structures of text and numbers, or cells of text; save what it holds as these"
                .into(),
        ),
        false => Opened::Arrays(arrays, Vec::new()),
    }
}

fn part(file: &SharedFile, shown: &str, matrix: &Matrix, at: u64, packed: bool, counts: &[usize]) -> Option<Part> {
    let element = usize::from(matrix.descr.as_bytes()[2] - b'0');
    let source = match packed {
        true => Source::Zlib(file.clone(), at, matrix.start as u64),
        false => Source::File(file.clone(), at + matrix.start as u64),
    };
    // Distances in Fortran order.
    let mut stride = element;
    let axes: Vec<Axis> = matrix
        .shape
        .iter()
        .map(|&extent| {
            let axis = Axis { extent, stride };
            stride *= extent;
            axis
        })
        .collect();
    let bytes = stride;
    let [.., last] = axes[..] else { return None };
    if axes.len() == 2 && axes.iter().any(|axis| axis.extent == 1) {
        let (header, _) = header(&matrix.descr, &[bytes / element])?;
        return Some(Part::plain(shown, header, element, source, bytes));
    }
    let first_counts = counts.contains(&axes[0].extent);
    if axes.len() > 2 && counts.contains(&last.extent) && !first_counts {
        // [H,W,C,N], [H,W,N]: a block of each image.
        let mut inner: Vec<Axis> = axes[..axes.len() - 1].to_vec();
        if inner.len() == 3 && [1, 3].contains(&inner[2].extent) {
            inner.rotate_right(1);
        }
        let shape: Vec<usize> = std::iter::once(last.extent).chain(inner.iter().map(|axis| axis.extent)).collect();
        let (header, _) = header(&matrix.descr, &shape)?;
        let part = Part {
            shown: shown.into(),
            header,
            source,
            blocks: last.extent,
            distance: last.stride as u64,
            block: last.stride,
            axes: inner,
            element,
            change: Change::None,
        };
        return (last.stride <= LARGEST_BLOCK).then_some(part);
    }
    let (header, _) = header(&matrix.descr, &matrix.shape)?;
    let part =
        Part { shown: shown.into(), header, source, blocks: 1, distance: bytes as u64, block: bytes, axes, element, change: Change::None };
    (bytes <= LARGEST_BLOCK && bytes > 0).then_some(part)
}
