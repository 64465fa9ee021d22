//! tf.train.Example as its fields lie in a record, by a small reader of protobuf's wire format: it notes where the bytes of images are
//! without copying them, which libraries that decode whole messages do.
//!
//! Example { Features features = 1; }, Features { map<string, Feature> feature = 1; },
//! Feature { oneof { BytesList bytes_list = 1; FloatList float_list = 2; Int64List int64_list = 3; } }, lists { repeated value = 1; }.

use std::ops::Range;

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Where each value lies in the message.
    Bytes(Vec<Range<usize>>),
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    /// Without a value.
    Empty,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    pub name: String,
    pub kind: Kind,
}

/// Values of a list that are kept; longer lists are no labels.
const KEPT: usize = 16;

/// The features of a serialised Example; `None` where it is none.
pub fn features(message: &[u8]) -> Option<Vec<Feature>> {
    let mut found = Vec::new();
    for (number, _, features) in fields(message, 0..message.len())? {
        if number != 1 {
            continue;
        }
        for (number, _, entry) in fields(message, features)? {
            if number == 1 {
                found.extend(feature(message, entry)?);
            }
        }
    }
    Some(found)
}

/// Entries of more bytes are an image, of which the beginning tells where it lies.
const SMALL: usize = 4096;

/// The same of a message of `length` bytes that is read in parts: `read` gives bytes at a place.
pub fn spread_features(length: usize, read: &mut dyn FnMut(usize, usize) -> Option<Vec<u8>>) -> Option<Vec<Feature>> {
    let mut part = |at: usize, count: usize| read(at, count.min(length.checked_sub(at)?));
    let head = part(0, 16)?;
    let mut at = 0;
    let is_features = varint(&head, &mut at, head.len())? == 0x0a;
    let inner = usize::try_from(varint(&head, &mut at, head.len())?).ok()?;
    if !is_features || at.checked_add(inner)? != length {
        return features(&part(0, length)?);
    }
    let mut found = Vec::new();
    while at < length {
        let head = part(at, 16)?;
        let mut start = 0;
        let key = varint(&head, &mut start, head.len())?;
        let size = usize::try_from(varint(&head, &mut start, head.len())?).ok()?;
        start += at;
        at = start.checked_add(size).filter(|end| *end <= length && key == 0x0a)?;
        let entry = part(start, size.min(SMALL))?;
        let of_entry = match feature(&entry, 0..size) {
            Some(found) => found,
            None => feature(&part(start, size)?, 0..size)?,
        };
        found.extend(of_entry.map(|feature| feature.shifted(start)));
    }
    Some(found)
}

impl Feature {
    fn shifted(mut self, by: usize) -> Self {
        if let Kind::Bytes(places) = &mut self.kind {
            places.iter_mut().for_each(|place| *place = place.start + by..place.end + by);
        }
        self
    }
}

fn feature(message: &[u8], entry: Range<usize>) -> Option<Option<Feature>> {
    let (mut name, mut kind) = (None, Kind::Empty);
    for (number, _, part) in fields(message, entry)? {
        match number {
            1 => name = Some(std::str::from_utf8(message.get(part)?).ok()?.to_owned()),
            2 => {
                for (number, _, list) in fields(message, part)? {
                    kind = match number {
                        1 => Kind::Bytes(fields(message, list)?.into_iter().take(KEPT).map(|(_, _, value)| value).collect()),
                        2 => Kind::Floats(floats(message, list)?),
                        3 => Kind::Ints(ints(message, list)?),
                        _ => Kind::Empty,
                    };
                }
            }
            _ => {}
        }
    }
    Some(name.map(|name| Feature { name, kind }))
}

/// Number, wire type and content of the fields in a part of the message; of a number the bytes of the number.
fn fields(message: &[u8], part: Range<usize>) -> Option<Vec<(u64, u8, Range<usize>)>> {
    let (mut at, end) = (part.start, part.end);
    let mut found = Vec::new();
    while at < end {
        let key = varint(message, &mut at, end)?;
        let wire = (key & 7) as u8;
        let length = match wire {
            0 => {
                let start = at;
                varint(message, &mut at, end)?;
                found.push((key >> 3, wire, start..at));
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(message, &mut at, end)?).ok()?,
            5 => 4,
            _ => return None,
        };
        let to = at.checked_add(length).filter(|to| *to <= end)?;
        found.push((key >> 3, wire, at..to));
        at = to;
    }
    Some(found)
}

fn varint(message: &[u8], at: &mut usize, end: usize) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *message.get(*at).filter(|_| *at < end)?;
        *at += 1;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Numbers one by one or packed.
fn ints(message: &[u8], list: Range<usize>) -> Option<Vec<i64>> {
    let mut found = Vec::new();
    for (_, _, part) in fields(message, list)? {
        let mut at = part.start;
        while at < part.end && found.len() < KEPT {
            found.push(varint(message, &mut at, part.end)? as i64);
        }
    }
    Some(found)
}

fn floats(message: &[u8], list: Range<usize>) -> Option<Vec<f32>> {
    let mut found = Vec::new();
    for (_, _, part) in fields(message, list)? {
        let words = message.get(part)?.as_chunks::<4>().0;
        found.extend(words.iter().take(KEPT - found.len().min(KEPT)).map(|word| f32::from_le_bytes(*word)));
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_of_all_kinds_are_found() {
        // {"label": [3, -1], "image": [b"ab"], "x": [0.5]} as protobuf writes it.
        let image = b"\x0a\x05image\x12\x06\x0a\x04\x0a\x02ab";
        let label = b"\x0a\x05label\x12\x0f\x1a\x0d\x0a\x0b\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        let x = b"\x0a\x01x\x12\x08\x12\x06\x0a\x04\x00\x00\x00\x3f";
        let entries: Vec<u8> = [&image[..], label, x].iter().flat_map(|entry| [&[0x0a, entry.len() as u8][..], *entry].concat()).collect();
        let message = [&[0x0a, entries.len() as u8][..], &entries].concat();
        let found = features(&message).unwrap();
        assert_eq!(found.iter().map(|feature| feature.name.as_str()).collect::<Vec<_>>(), ["image", "label", "x"]);
        let Kind::Bytes(places) = &found[0].kind else { panic!("no bytes") };
        assert_eq!(&message[places[0].clone()], b"ab");
        assert_eq!((&found[1].kind, &found[2].kind), (&Kind::Ints(vec![3, -1]), &Kind::Floats(vec![0.5])));
        let spread = spread_features(message.len(), &mut |at, count| message.get(at..at + count).map(<[u8]>::to_vec));
        assert_eq!(spread.as_ref(), Some(&found));
        assert_eq!(features(&message[..message.len() - 1]), None);
    }
}
