//! safetensors: the length of a JSON header, the header, the elements. Weights are in such files nearly always; arrays of images beside
//! labels are a dataset.

use std::io::Read;

use serde_json::Value;

use super::part::Change;
use super::{Inner, Opened, Part, Source, header, is_dataset};
use crate::archive::SharedFile;

/// Largest header that is read, bytes.
const LARGEST: u64 = 100 << 20;

/// An array of the header: its name, NumPy's type ("bf" for bfloat16), shape, and where it lies behind the header.
pub struct Array {
    pub name: String,
    pub descr: &'static str,
    pub shape: Vec<usize>,
    pub start: u64,
}

/// `None` where the header is none.
pub fn arrays(json: &[u8], body: u64) -> Option<Vec<Array>> {
    let Value::Object(items) = serde_json::from_slice(json).ok()? else { return None };
    let mut found = Vec::new();
    for (name, item) in items.into_iter().filter(|(name, _)| name != "__metadata__") {
        let descr = match item.get("dtype")?.as_str()? {
            "U8" => "|u1",
            "I8" => "|i1",
            "BOOL" => "|b1",
            "U16" => "<u2",
            "I16" => "<i2",
            "U32" => "<u4",
            "I32" => "<i4",
            "U64" => "<u8",
            "I64" => "<i8",
            "F16" => "<f2",
            "F32" => "<f4",
            "F64" => "<f8",
            "BF16" => "bf",
            _ => continue,
        };
        let shape: Vec<usize> = item
            .get("shape")?
            .as_array()?
            .iter()
            .map(|extent| extent.as_u64().and_then(|x| usize::try_from(x).ok()))
            .collect::<Option<_>>()?;
        let ends: Vec<u64> = item.get("data_offsets")?.as_array()?.iter().map(Value::as_u64).collect::<Option<_>>()?;
        let [start, end] = ends[..] else { return None };
        let element = if descr == "bf" { 2 } else { u64::from(descr.as_bytes()[2] - b'0') };
        let bytes = shape.iter().try_fold(element, |bytes: u64, extent| bytes.checked_mul(*extent as u64))?;
        if start > end || end > body || end - start != bytes {
            return None;
        }
        found.push(Array { name, descr, shape, start });
    }
    Some(found)
}

pub fn open(file: &SharedFile, shown: &str) -> Opened {
    let mut head = file.clone();
    let mut word = [0; 8];
    if head.read_exact(&mut word).is_err() {
        return Opened::Else;
    }
    let length = u64::from_le_bytes(word);
    let Some(body) = file.len().checked_sub(length.saturating_add(8)).filter(|_| length <= LARGEST) else { return Opened::Else };
    let mut json = vec![0; length as usize];
    let Some(arrays) = head.read_exact(&mut json).ok().and_then(|()| arrays(&json, body)) else { return Opened::Else };
    if !is_dataset(arrays.iter().map(|array| (array.name.as_str(), &array.shape[..], !array.descr.contains('f')))) {
        let has_fractions = arrays.iter().any(|array| array.descr.contains('f'));
        let what = if has_fractions { "of weights" } else { "of whole numbers without images and labels; save tokens as .npy" };
        return Opened::Refused(format!("is a safetensors file {what}"));
    }
    let part = |array: Array| {
        let wide = array.descr == "bf";
        let (header, element) = header(if wide { "<f4" } else { array.descr }, &array.shape)?;
        let element = if wide { 2 } else { element };
        let bytes = array.shape.iter().product::<usize>() * element;
        let source = Source::File(file.clone(), 8 + length + array.start);
        let part = Part::plain(shown, header, element, source, bytes);
        Some(Inner { name: array.name, extension: "npy", part: Part { change: if wide { Change::Widen } else { Change::None }, ..part } })
    };
    Opened::Arrays(arrays.into_iter().filter_map(part).collect(), Vec::new())
}
