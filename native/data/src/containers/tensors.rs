//! Tensors that torch.save wrote, by the reader of pickles that builds plain data only: the zip of today and the stream of before
//! PyTorch 1.6. Images beside labels are a dataset; weights and objects are refused by name.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

use super::part::{Axis, Change, LARGEST_BLOCK};
use super::{Inner, Opened, Part, Source, header, is_dataset};
use crate::archive::SharedFile;
use crate::pickle::{self, Refusal, Tensor, Value};

/// Largest pickle that is read, bytes; elements are not in it.
const LARGEST: u64 = 256 << 20;

/// A tensor or a list of numbers, by the keys that lead to it.
pub enum Stored {
    Tensor(Tensor),
    Numbers(Vec<i64>),
}

/// All tensors of a value, and lists of whole numbers.
pub fn tensors(value: &Value, pickle: &[u8]) -> Vec<(String, Stored)> {
    fn add(value: &Value, pickle: &[u8], path: &str, found: &mut Vec<(String, Stored)>) {
        let inner = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}/{key}") };
        match value {
            Value::Tensor(tensor) => found.push((path.to_owned(), Stored::Tensor((**tensor).clone()))),
            Value::Dict(items) => {
                for (key, value) in items {
                    let key = key.text(pickle).or_else(|| if let Value::Int(key) = key { Some(key.to_string()) } else { None });
                    add(value, pickle, &inner(&key.unwrap_or_default()), found);
                }
            }
            Value::List(items) | Value::Tuple(items) => match value.integers(pickle).filter(|numbers| numbers.len() > 1) {
                Some(numbers) => found.push((path.to_owned(), Stored::Numbers(numbers))),
                None => items.iter().enumerate().for_each(|(at, item)| add(item, pickle, &inner(&at.to_string()), found)),
            },
            _ => {}
        }
    }
    let mut found = Vec::new();
    add(value, pickle, "", &mut found);
    // A pair is images and labels, as torchvision's MNIST has them.
    if let [(first, Stored::Tensor(images)), (second, _)] = &mut found[..]
        && first == "0"
        && second == "1"
        && images.shape.len() > 1
    {
        (*first, *second) = ("images".into(), "labels".into());
    }
    found
}

pub fn open(file: &SharedFile, shown: &str) -> Opened {
    let mut head = [0; 16];
    let found = crate::tree::read_fully(&mut file.clone(), &mut head).unwrap_or(0);
    match &head[..found] {
        [b'P', b'K', 3, 4, ..] => of_zip(file, shown),
        [0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, ..] => of_stream(file, shown),
        _ => Opened::Else,
    }
}

fn refused(why: &Refusal) -> Opened {
    Opened::Refused(match why {
        Refusal::Code(name) if name.starts_with("torch._utils._rebuild_parameter") => "is a PyTorch file of weights".into(),
        Refusal::Code(name) => {
            format!("is a PyTorch file of objects ({name}), which only their program can open; save a dictionary of tensors")
        }
        Refusal::Damaged(why, at) => format!("is a PyTorch file whose pickle {why} at byte {at}"),
    })
}

fn of_zip(file: &SharedFile, shown: &str) -> Opened {
    let Ok(mut zip) = zip::ZipArchive::new(file.clone()) else {
        return Opened::Refused("is a damaged PyTorch file; save or download it again".into());
    };
    let names: Vec<String> = zip.file_names().map(|name| name.map_or_else(|_| String::new(), std::borrow::Cow::into_owned)).collect();
    let Some(main) = names.iter().find(|name| name.ends_with("/data.pkl")) else { return Opened::Else };
    let folder = main.trim_end_matches("data.pkl").to_owned();
    let mut read = |name: &str| -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        zip.by_name(name).ok()?.take(LARGEST).read_to_end(&mut bytes).ok().map(|_| bytes)
    };
    let Some(pickle) = read(main) else { return Opened::Refused("is a damaged PyTorch file; save or download it again".into()) };
    let big = read(&format!("{folder}byteorder")).is_some_and(|order| order == b"big");
    let value = match pickle::load_tensors(&pickle) {
        Ok((value, _)) => value,
        Err(why) => return refused(&why),
    };
    // torch.save stores without compression, so that storages can be mapped.
    let mut places = HashMap::new();
    for (index, name) in names.iter().enumerate() {
        let Some(key) = name.strip_prefix(&format!("{folder}data/")) else { continue };
        let Ok(member) = zip.by_index_raw(index) else { continue };
        if let (zip::CompressionMethod::Stored, Some(start)) = (member.compression(), member.data_start()) {
            places.insert(key.to_owned(), (start, member.size()));
        }
    }
    arrays(file, shown, &tensors(&value, &pickle), &places, big)
}

/// Pickles of a number, a version, the system, the value and the keys of the storages, then each storage with its length.
fn of_stream(file: &SharedFile, shown: &str) -> Opened {
    let damaged = || Opened::Refused("is a damaged PyTorch file of before version 1.6; save it again".into());
    let mut bytes = Vec::new();
    if file.len() > LARGEST * 4 || file.clone().read_to_end(&mut bytes).is_err() {
        return Opened::Refused("is a PyTorch file of before version 1.6 and too large for that; save it again".into());
    }
    // Behind the magic number and the version.
    let Some(rest) = bytes.get(15 + 6..) else { return damaged() };
    let Ok((system, length)) = pickle::load_tensors(rest) else { return damaged() };
    let big = system.get("little_endian", rest) == Some(&Value::Bool(false));
    let mut at = 21 + length;
    let pickled = &bytes[at..];
    let (value, length) = match pickle::load_tensors(pickled) {
        Ok(loaded) => loaded,
        Err(why) => return refused(&why),
    };
    at += length;
    let found = tensors(&value, pickled);
    let Ok((Value::List(keys), length)) = pickle::load_tensors(&bytes[at..]) else { return damaged() };
    let keys: Vec<String> = keys.iter().filter_map(|key| key.text(&bytes[at..])).collect();
    at += length;
    let elements: HashMap<&String, u64> = found
        .iter()
        .filter_map(|(_, stored)| if let Stored::Tensor(tensor) = stored { Some((&tensor.key, tensor.element() as u64)) } else { None })
        .collect();
    let mut places = HashMap::new();
    for key in keys {
        let Some(count) = bytes.get(at..at + 8).and_then(|word| word.first_chunk::<8>()) else { return damaged() };
        let Some(element) = elements.get(&key) else { break };
        let Some(size) = u64::from_le_bytes(*count).checked_mul(*element).filter(|size| *size <= bytes.len() as u64) else {
            return damaged();
        };
        places.insert(key, (at as u64 + 8, size));
        at += 8 + size as usize;
    }
    arrays(file, shown, &found, &places, big)
}

fn arrays(file: &SharedFile, shown: &str, found: &[(String, Stored)], places: &HashMap<String, (u64, u64)>, big: bool) -> Opened {
    let shape = |stored: &Stored| match stored {
        Stored::Tensor(tensor) => tensor.shape.clone(),
        Stored::Numbers(numbers) => vec![numbers.len()],
    };
    let is_integer = |stored: &Stored| !matches!(stored, Stored::Tensor(tensor) if tensor.descr.contains('f'));
    let shapes: Vec<(&str, Vec<usize>, bool)> =
        found.iter().map(|(name, stored)| (name.as_str(), shape(stored), is_integer(stored))).collect();
    // A tensor alone is an array, whose labels may be in another file.
    let is_alone = matches!(&shapes[..], [("", ..)]);
    if !is_alone && !is_dataset(shapes.iter().map(|(name, shape, integer)| (*name, &shape[..], *integer))) {
        return Opened::Refused(match found.len() {
            0 => "is a PyTorch file without tensors".into(),
            _ if shapes.iter().all(|(name, ..)| name.starts_with(|first: char| first.is_ascii_digit())) => {
                "is a PyTorch file of a list of tensors or of pairs; save a dictionary of two: the images as one tensor (torch.stack), and \
                 their labels"
                    .into()
            }
            _ => "is a PyTorch file of weights or of tensors without labels; a dataset is a dictionary of images and labels".into(),
        });
    }
    let mut parts = Vec::new();
    for (name, stored) in found {
        let part = match stored {
            Stored::Tensor(tensor) => match places.get(&tensor.key) {
                Some(&(start, size)) => part(file, shown, tensor, start, size, big),
                None => Err("lies in a storage that is missing or compressed".into()),
            },
            Stored::Numbers(numbers) => {
                let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
                let length = bytes.len();
                header("<i8", &[numbers.len()])
                    .map(|(header, element)| Part::plain(shown, header, element, Source::Memory(Arc::new(bytes)), length))
                    .ok_or_else(|| "is too large".into())
            }
        };
        match part {
            Ok(part) => parts.push(Inner { name: name.clone(), extension: "npy", part }),
            Err(why) => return Opened::Refused(format!("is a PyTorch file whose tensor {name} {why}")),
        }
    }
    Opened::Arrays(parts, Vec::new())
}

/// A tensor whose storage lies at `start`; the error is a sentence's end.
fn part(file: &SharedFile, shown: &str, tensor: &Tensor, start: u64, size: u64, big: bool) -> Result<Part, String> {
    let wide = tensor.descr == "bf2";
    let order = if big { '>' } else { '<' };
    let descr = if wide { "<f4".to_owned() } else { format!("{}{}", if tensor.descr.ends_with('1') { '|' } else { order }, tensor.descr) };
    if wide && big {
        return Err("is bfloat16 in big-endian order; save it as float32".into());
    }
    let shape = if tensor.shape.is_empty() { vec![1] } else { tensor.shape.clone() };
    let (header, _) = header(&descr, &shape).ok_or("is of a type or shape that is not known")?;
    let element = tensor.element();
    let mut axes = Vec::new();
    for (extent, stride) in tensor.shape.iter().zip(&tensor.strides) {
        let stride = stride.checked_mul(element).ok_or("has strides beyond its storage")?;
        axes.push(Axis { extent: *extent, stride });
    }
    let span =
        |axes: &[Axis]| axes.iter().try_fold(element, |span: usize, axis| (axis.extent - 1).checked_mul(axis.stride)?.checked_add(span));
    let whole = span(&axes).ok_or("has strides beyond its storage")?;
    let offset = (tensor.offset as u64).checked_mul(element as u64).ok_or("lies beyond its storage")?;
    if offset.checked_add(whole as u64).is_none_or(|end| end > size) {
        return Err("lies beyond its storage".into());
    }
    let source = Source::File(file.clone(), start + offset);
    let contiguous =
        axes.iter().rev().try_fold(element, |stride, axis| (axis.stride == stride || axis.extent == 1).then_some(stride * axis.extent));
    let change = if wide { Change::Widen } else { Change::None };
    if let Some(bytes) = contiguous {
        return Ok(Part { change, ..Part::plain(shown, header, element, source, bytes) });
    }
    // Rows that lie apart are gathered one by one, others all at once.
    let inner = span(&axes[1..]).ok_or("has strides beyond its storage")?;
    let (blocks, distance, block, axes) = match axes[0].stride >= inner {
        true => (axes[0].extent, axes[0].stride as u64, inner, axes[1..].to_vec()),
        false => (1, whole as u64, whole, axes),
    };
    if block > LARGEST_BLOCK {
        return Err("is a view that is too large to be put in order; save .contiguous() of it".into());
    }
    Ok(Part { shown: shown.into(), header, source, blocks, distance, block, axes, element, change })
}
