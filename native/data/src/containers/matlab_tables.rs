//! Structures and cells of MAT-files as text: an array of structures is a table (a row each, a column for each field that holds text or single
//! numbers), a cell array of text is a list. So are the labels of Stanford Cars and the synsets of ImageNet's devkit saved.

use std::io::Read;

use flate2::read::ZlibDecoder;

use super::matlab::{Element, Order};
use crate::archive::SharedFile;

/// A larger one tells no labels, bytes.
const LARGEST: u64 = 64 << 20;
/// Cells in cells.
const MAX_DEPTH: usize = 4;

pub struct Table {
    pub name: String,
    /// "csv" or "txt".
    pub extension: &'static str,
    pub text: Vec<u8>,
}

/// `None`: it holds something else, is too large or damaged.
pub fn read(file: &SharedFile, order: Order, element: &Element) -> Option<Table> {
    let mut stored = file.part(element.at, element.length);
    let mut bytes = Vec::new();
    match element.packed {
        true => ZlibDecoder::new(stored).take(LARGEST + 8).read_to_end(&mut bytes),
        false => (&mut stored).take(LARGEST).read_to_end(&mut bytes),
    }
    .ok()?;
    table(order, bytes.get(if element.packed { 8 } else { 0 }..)?)
}

fn table(order: Order, bytes: &[u8]) -> Option<Table> {
    let heading = order.heading(bytes)?;
    let count = heading.shape.iter().try_fold(1usize, |count, extent| count.checked_mul(*extent))?;
    let mut at = heading.next;
    if heading.class() == 1 {
        // Each has a tag of eight bytes.
        let texts = (0..count.min(bytes.len() / 8 + 1)).map(|_| next(order, bytes, &mut at)?).collect::<Option<Vec<String>>>()?;
        let is_list = texts.len() > 1 && texts.iter().all(|text| !text.contains(['\n', '\r']));
        return is_list.then(|| Table { name: heading.name, extension: "txt", text: (texts.join("\n") + "\n").into_bytes() });
    }
    let (_, _, start, after) = order.tag(bytes, at)?;
    let width = order.word(bytes, start)? as usize;
    let (_, length, start, after) = order.tag(bytes, after)?;
    at = after;
    let names = bytes.get(start..start.checked_add(length)?)?;
    let name = |name: &[u8]| String::from_utf8_lossy(name.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned();
    let fields: Vec<String> = names.chunks(width.max(1)).map(name).collect();
    if count < 2 || fields.is_empty() || count.checked_mul(fields.len())? > bytes.len() / 8 {
        return None;
    }
    let row = |_| (0..fields.len()).map(|_| next(order, bytes, &mut at)).collect::<Option<Vec<Option<String>>>>();
    let rows: Vec<Vec<Option<String>>> = (0..count).map(row).collect::<Option<_>>()?;
    let kept: Vec<usize> = (0..fields.len()).filter(|field| rows.iter().any(|row| row[*field].is_some())).collect();
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(kept.iter().map(|field| fields[*field].as_str())).ok()?;
    for row in &rows {
        out.write_record(kept.iter().map(|field| row[*field].as_deref().unwrap_or_default())).ok()?;
    }
    let text = out.into_inner().ok().filter(|_| kept.len() > 1)?;
    Some(Table { name: heading.name, extension: "csv", text })
}

/// The matrix at a place as text, where it is that; the place goes on to the next. `None`: there is no matrix.
fn next(order: Order, bytes: &[u8], at: &mut usize) -> Option<Option<String>> {
    let (kind, length, start, after) = order.tag(bytes, *at)?;
    let body = bytes.get(start..start.checked_add(length)?).filter(|_| kind == 14)?;
    *at = after;
    Some(text(order, body, 0))
}

fn text(order: Order, bytes: &[u8], depth: usize) -> Option<String> {
    let heading = order.heading(bytes)?;
    let count = heading.shape.iter().try_fold(1usize, |count, extent| count.checked_mul(*extent))?;
    let (kind, length, start, _) = order.tag(bytes, heading.next)?;
    let body = bytes.get(start..start.checked_add(length)?)?;
    match heading.class() {
        1 if count == 1 && kind == 14 && depth < MAX_DEPTH => text(order, body, depth + 1),
        4 if heading.shape.first() == Some(&1) => Some(characters(order, kind, body)).filter(|text| !text.is_empty()),
        6..=15 if count == 1 && !heading.is_complex() => number(order, kind, body),
        _ => None,
    }
}

/// UTF-16 or a byte for each.
fn characters(order: Order, kind: u32, bytes: &[u8]) -> String {
    let text = if matches!(kind, 4 | 17) {
        let unit = |pair: &[u8; 2]| if order.big { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) };
        String::from_utf16_lossy(&bytes.as_chunks::<2>().0.iter().map(unit).collect::<Vec<_>>())
    } else {
        String::from_utf8_lossy(bytes).into_owned()
    };
    text.trim().to_owned()
}

fn number(order: Order, kind: u32, bytes: &[u8]) -> Option<String> {
    if bytes.is_empty() || bytes.len() > 8 {
        return None;
    }
    let digit = |bits: u64, byte: &u8| bits << 8 | u64::from(*byte);
    let bits = if order.big { bytes.iter().fold(0, digit) } else { bytes.iter().rev().fold(0, digit) };
    Some(match kind {
        1 => (bits as i8).to_string(),
        2 | 4 | 6 | 13 => bits.to_string(),
        3 => (bits as i16).to_string(),
        5 => (bits as i32).to_string(),
        7 => f32::from_bits(bits as u32).to_string(),
        9 => f64::from_bits(bits).to_string(),
        12 => (bits as i64).to_string(),
        _ => return None,
    })
}
