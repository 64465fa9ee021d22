//! TFRecord files of tf.train.Example: a length of 64 bits, its masked CRC-32C, the message, its masked CRC-32C. The sums of lengths are
//! checked when records are counted, those of messages when their images are read.

use super::Found;
use super::columns::{Columns, Part};
use super::example::{self, Kind};
use super::records::Coding;
use super::window::Window;
use crate::error::{Place, Problem, Result};
use crate::tree::Tree;

/// A label is shorter, bytes.
const LABEL: usize = 4096;

/// A record of more bytes holds no image.
const LARGEST: u64 = 256 << 20;

/// TensorFlow's rotated sum.
pub fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Length of the record that begins here; `None` where none does.
pub fn frame(head: &[u8]) -> Option<u64> {
    let (length, sum) = (head.first_chunk::<8>()?, head.get(8..12)?);
    (masked(length) == u32::from_le_bytes([sum[0], sum[1], sum[2], sum[3]])).then(|| u64::from_le_bytes(*length))
}

pub fn find(tree: &Tree, entries: &[usize]) -> Result<Found> {
    let mut columns = Columns::default();
    let mut spans = Vec::new();
    for &entry in entries {
        columns.shards.push(Part { entry, count: 0 });
        read(tree, entry, &mut columns, &mut spans)?;
    }
    Ok(Found { columns, coding: Coding::Record { raw: None, spans }, writer: "TFRecord files", used: Vec::new(), class_names: None })
}

fn read(tree: &Tree, entry: usize, columns: &mut Columns, spans: &mut Vec<(u64, u32)>) -> Result<()> {
    let of = &tree.entries[entry];
    let file = tree.unpacked(of)?;
    let end = file.len();
    let mut file = Window::new(file);
    let damaged = |record: u64, offset: u64, why: &str| -> Result<()> {
        let shown = tree.display(of);
        let place = Place { row: Some(record), offset: Some(offset), file: shown.clone() };
        let sentence = format!("{shown} is damaged at record {record}, byte {offset}: {why}; write or download it again");
        Err(Problem::error("damaged-record", sentence).at(place).into())
    };
    let (mut at, mut record) = (0u64, 0u64);
    while at < end {
        let mut head = [0; 12];
        let found = file.read_at(at, &mut head).map_err(|error| tree.unreadable(of, &error))?;
        let length = match frame(&head[..found]) {
            Some(length) if at.saturating_add(16).saturating_add(length) <= end => length,
            Some(_) | None if tree.is_partial() => return Ok(()),
            Some(_) => return damaged(record, at, "it ends within the record"),
            None if found < 12 => return damaged(record, at, "it ends within the length of a record"),
            None => return damaged(record, at, "the length of the record does not fit its checksum (CRC32C)"),
        };
        if length > LARGEST {
            return damaged(record, at, &format!("the record of {length} bytes is too large for an image"));
        }
        let mut part = |from: usize, count: usize| {
            let mut bytes = vec![0; count];
            let found = file.read_at(at + 12 + from as u64, &mut bytes).ok()?;
            (found == count).then_some(bytes)
        };
        let Some(features) = example::spread_features(length as usize, &mut part) else {
            return damaged(record, at, "the record is no tf.train.Example");
        };
        spans.push((at + 12, length as u32));
        add(columns, at + 12, &mut part, features);
        at += 16 + length;
        record += 1;
    }
    Ok(())
}

/// One sample of its features; bytes are an image by their content or their name.
fn add(columns: &mut Columns, start: u64, part: &mut dyn FnMut(usize, usize) -> Option<Vec<u8>>, features: Vec<example::Feature>) {
    let sample = columns.begin();
    for example::Feature { name, kind } in features {
        match kind {
            Kind::Bytes(places) => {
                let [place] = &places[..] else {
                    columns.other(&name);
                    continue;
                };
                let bytes = part(place.start, place.len().min(LABEL)).unwrap_or_default();
                let raw = place.len() >= 64 && ["image_raw", "image", "img", "pixels", "x", "image/encoded"].contains(&name.as_str());
                if crate::pixels::is_image(&bytes) || raw {
                    columns.image(sample, &name, start + place.start as u64, place.len() as u32);
                } else if let (Ok(text), true) = (std::str::from_utf8(&bytes), place.len() < LABEL) {
                    columns.value(sample, &name, text);
                } else {
                    columns.other(&name);
                }
            }
            Kind::Ints(values) => match values[..] {
                [value] => columns.value(sample, &name, &value.to_string()),
                _ => columns.other(&name),
            },
            Kind::Floats(values) => match values[..] {
                [value] => columns.value(sample, &name, &value.to_string()),
                _ => columns.other(&name),
            },
            Kind::Empty => columns.other(&name),
        }
    }
}
