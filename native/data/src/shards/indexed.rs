//! Shards that an index.json tells of: MosaicML Streaming (MDS) and litdata. Both write the number of samples, the place of each and one
//! behind the last, 32 bits each, then the samples: sizes of the columns that have no fixed one, and their values.
//!
//! The formats: Streaming `base/format/mds/writer.py` and `encodings.py`; litdata `streaming/writer.py` and `serializers.py`.

use std::io::Read;

use serde_json::Value;

use super::Found;
use super::columns::{Columns, Part};
use super::records::Coding;
use crate::error::{Problem, Result};
use crate::pixels::Pixels;
use crate::tree::Tree;

/// Largest index that is read, bytes.
const LARGEST: usize = 1 << 28;

#[derive(Debug, Clone, PartialEq)]
pub struct IndexedShard {
    /// As they may be called: plain, then compressed.
    pub names: Vec<String>,
    pub samples: Option<u64>,
    /// Name, encoding, and size where it is fixed.
    columns: Vec<(String, String, Option<u64>)>,
    streaming: bool,
}

/// Encodings that hold an image.
const IMAGES: [&str; 4] = ["pil", "jpeg", "png", "jpegarray"];

/// `None` where it is the index of something else, or of shards without images; an error is a sentence's end.
pub fn shards_of(json: &[u8]) -> Option<std::result::Result<Vec<IndexedShard>, String>> {
    let json: Value = serde_json::from_slice(json).ok()?;
    let shards = match (json.get("chunks"), json.get("config")) {
        (Some(chunks), Some(config)) => litdata(chunks, config)?,
        _ => {
            let shards = json.get("shards")?.as_array()?;
            shards.iter().map(mds).collect::<Option<Vec<_>>>()?
        }
    };
    let has_image = |shard: &IndexedShard| shard.columns.iter().any(|(_, encoding, _)| IMAGES.contains(&encoding.as_str()));
    if !shards.iter().any(has_image) {
        return None;
    }
    let unsupported = shards.iter().flat_map(|shard| &shard.names).find(|name| name.ends_with(".br") || name.ends_with(".snappy"));
    Some(match unsupported.filter(|_| shards.iter().all(|shard| shard.names.len() == 1)) {
        Some(name) => Err(format!("tells of shards compressed as {name}; write them with zstd, gz or bz2, or without compression")),
        None => Ok(shards),
    })
}

fn mds(shard: &Value) -> Option<IndexedShard> {
    if shard.get("format").and_then(Value::as_str) != Some("mds") {
        return None;
    }
    let list = |key: &str| shard.get(key)?.as_array();
    let texts = |key: &str| -> Option<Vec<String>> { list(key)?.iter().map(|text| text.as_str().map(ToOwned::to_owned)).collect() };
    let (names, encodings) = (texts("column_names")?, texts("column_encodings")?);
    let sizes: Vec<Option<u64>> = list("column_sizes")?.iter().map(Value::as_u64).collect();
    if names.len() != encodings.len() || names.len() != sizes.len() {
        return None;
    }
    let columns = names.into_iter().zip(encodings).zip(sizes).map(|((name, encoding), size)| (name, encoding, size)).collect();
    let base = |pointer: &str| shard.pointer(pointer).and_then(Value::as_str).map(ToOwned::to_owned);
    let mut files: Vec<String> = base("/raw_data/basename").into_iter().chain(base("/zip_data/basename")).collect();
    // A compressed shard is there under its own name alone.
    if shard.get("compression").is_some_and(|compression| !compression.is_null()) && files.len() > 1 {
        files.reverse();
    }
    Some(IndexedShard { names: files, samples: shard.get("samples")?.as_u64(), columns, streaming: true })
}

fn litdata(chunks: &Value, config: &Value) -> Option<Vec<IndexedShard>> {
    let formats: Vec<String> =
        config.get("data_format")?.as_array()?.iter().map(|format| format.as_str().map(ToOwned::to_owned)).collect::<Option<_>>()?;
    let names = config.get("data_spec").and_then(Value::as_str).and_then(leaf_names);
    let names = names.filter(|names| names.len() == formats.len());
    let name = |at: usize| names.as_ref().map_or_else(|| at.to_string(), |names| names[at].clone());
    let columns: Vec<(String, String, Option<u64>)> =
        formats.iter().enumerate().map(|(at, format)| (name(at), format.clone(), None)).collect();
    let shard = |chunk: &Value| {
        let file = chunk.get("filename")?.as_str()?.to_owned();
        Some(IndexedShard { names: vec![file], samples: chunk.get("chunk_size")?.as_u64(), columns: columns.clone(), streaming: false })
    };
    chunks.as_array()?.iter().map(shard).collect()
}

/// Names of the leaves of a pytree of PyTorch: a dictionary's keys.
fn leaf_names(spec: &str) -> Option<Vec<String>> {
    let spec: Value = serde_json::from_str(spec).ok()?;
    let tree = spec.as_array()?.get(1)?;
    let context = tree.get("context")?;
    let keys: Value = match context.as_str() {
        Some(text) => serde_json::from_str(text).ok()?,
        None => context.clone(),
    };
    keys.as_array()?.iter().map(|key| key.as_str().map(ToOwned::to_owned)).collect()
}

pub fn find(tree: &Tree, indexes: &[usize]) -> Result<std::result::Result<Found, String>> {
    let (mut columns, mut used, mut writer) = (Columns::default(), Vec::new(), "MDS shards");
    for &index in indexes {
        let of = &tree.entries[index];
        let shards = match shards_of(&tree.read_all(of, LARGEST)?) {
            Some(Ok(shards)) => shards,
            Some(Err(why)) => return Ok(Err(why)),
            None => continue,
        };
        used.push((index, "indexes of shards"));
        for shard in shards {
            let at = |name: &String| {
                let wanted = if of.folder().is_empty() { name.clone() } else { format!("{}/{name}", of.folder()) };
                tree.entries.binary_search_by(|entry| entry.name.as_str().cmp(&wanted)).ok()
            };
            let Some(entry) = shard.names.iter().find_map(at) else {
                return Ok(Err(format!("tells of {}, which is missing", shard.names.join(" or "))));
            };
            if !shard.streaming {
                writer = "litdata chunks";
            }
            columns.shards.push(Part { entry, count: 0 });
            if let Err(why) = read(tree, entry, &shard, &mut columns)? {
                let file = tree.display(&tree.entries[entry]);
                return Err(Problem::error("damaged-shard", format!("{file} {why}")).at(tree.place(&tree.entries[entry])).into());
            }
        }
    }
    Ok(Ok(Found { columns, coding: Coding::Pillow, writer, used, class_names: None }))
}

/// Samples of one shard; the inner error is a sentence's end.
fn read(tree: &Tree, entry: usize, shard: &IndexedShard, columns: &mut Columns) -> Result<std::result::Result<(), String>> {
    let mut file = tree.unpacked(&tree.entries[entry])?;
    let size = file.len();
    let mut bytes_at = |offset: u64, length: usize| -> Option<Vec<u8>> {
        offset.checked_add(length as u64).filter(|end| *end <= size)?;
        let mut bytes = vec![0; length];
        file.seek_to(offset);
        file.read_exact(&mut bytes).ok().map(|()| bytes)
    };
    let word = |bytes: &[u8], at: usize| {
        bytes.get(4 * at..4 * at + 4).map_or(0, |word| u64::from(u32::from_le_bytes([word[0], word[1], word[2], word[3]])))
    };
    let Some(head) = bytes_at(0, 4) else { return Ok(Err("is empty".into())) };
    let count = word(&head, 0);
    if shard.samples.is_some_and(|samples| samples != count) {
        return Ok(Err(format!("has {count} samples, its index.json tells of {}", shard.samples.unwrap_or(0))));
    }
    let Some(places) =
        usize::try_from(count).ok().filter(|count| (*count as u64) < size / 4).and_then(|count| bytes_at(4, 4 * (count + 1)))
    else {
        return Ok(Err(format!("is truncated: it has no room for the places of {count} samples")));
    };
    let variable = shard.columns.iter().filter(|(.., size)| size.is_none()).count();
    for row in 0..count as usize {
        let (from, to) = (word(&places, row), word(&places, row + 1));
        let sizes = bytes_at(from, 4 * variable).filter(|_| from <= to && to <= size);
        let Some(sizes) = sizes else { return Ok(Err(format!("is truncated or damaged: sample {row} ends at byte {to} of {size}"))) };
        let sample = columns.begin();
        let (mut at, mut next) = (from + 4 * variable as u64, 0);
        for (name, encoding, fixed) in &shard.columns {
            let length = fixed.unwrap_or_else(|| {
                next += 1;
                word(&sizes, next - 1)
            });
            let Some(end) = at.checked_add(length).filter(|end| *end <= to) else {
                return Ok(Err(format!("has a damaged sample {row}")));
            };
            if IMAGES.contains(&encoding.as_str()) {
                columns.image(sample, name, at, length as u32);
            } else {
                let text = if length <= 4096 { bytes_at(at, length as usize).and_then(|bytes| value(encoding, &bytes)) } else { None };
                match text {
                    Some(text) => columns.value(sample, name, &text),
                    None => columns.other(name),
                }
            }
            at = end;
        }
    }
    Ok(Ok(()))
}

/// A number or text of a usual encoding.
fn value(encoding: &str, bytes: &[u8]) -> Option<String> {
    if matches!(encoding, "str" | "str_int" | "string") {
        return std::str::from_utf8(bytes).ok().map(ToOwned::to_owned);
    }
    let mut word = [0; 8];
    word.get_mut(..bytes.len())?.copy_from_slice(bytes);
    let signed = |bits: u32| (i64::from_le_bytes(word) << (64 - bits)) >> (64 - bits);
    match (encoding, bytes.len()) {
        ("int" | "int64", 8) => Some(signed(64).to_string()),
        ("int8", 1) => Some(signed(8).to_string()),
        ("int16", 2) => Some(signed(16).to_string()),
        ("int32", 4) => Some(signed(32).to_string()),
        ("uint8" | "uint16" | "uint32" | "uint64", _) => Some(u64::from_le_bytes(word).to_string()),
        ("bool" | "boolean", 1) => Some(if word[0] == 0 { "False" } else { "True" }.into()),
        _ => None,
    }
}

/// A Pillow image as Streaming and litdata write it: width, height and length of the mode, 32 bits each, the mode, and the pixels.
/// The error is a sentence's end.
pub fn pixels_of_pil(bytes: &[u8]) -> std::result::Result<Pixels, String> {
    let word = |at: usize| bytes.get(4 * at..4 * at + 4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]) as usize);
    let early = || "it ends too early".to_owned();
    let (width, height, length) = (word(0).ok_or_else(early)?, word(1).ok_or_else(early)?, word(2).ok_or_else(early)?);
    let mode = bytes.get(12..12usize.saturating_add(length)).ok_or_else(early)?;
    let (channels, stored) = match mode {
        b"L" => (1, 1),
        b"RGB" => (3, 3),
        b"RGBA" => (3, 4),
        other => return Err(format!("it has Pillow's mode {:?}; L, RGB and RGBA are read", String::from_utf8_lossy(other))),
    };
    let data = &bytes[12 + length..];
    if width.checked_mul(height).and_then(|pixels| pixels.checked_mul(stored)) != Some(data.len()) || data.is_empty() {
        return Err(format!("it has {} bytes, not those of {width} x {height} pixels", data.len()));
    }
    let data = if stored == channels { data.to_vec() } else { data.chunks_exact(4).flat_map(|pixel| &pixel[..3]).copied().collect() };
    Ok(Pixels { height, width, channels, data })
}
