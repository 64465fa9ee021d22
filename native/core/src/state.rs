//! Files of tensors (safetensors) in library layout: values, optimizer state, averaged gradients.
//!
//! Written tensor by tensor, so that no second copy of the model is in memory, and synced; a file that could not be written whole is
//! removed. Its digest (BLAKE3) is taken while it is written. Read through a mapping, with the digest and every shape checked before
//! anything changes.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use safetensors::{Dtype, SafeTensors};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::error::{Error, Result, ensure};
use crate::layout::{Tensor, TensorKind};
use crate::reduce;
use crate::store::mapping::map_file;
use crate::store::{Area, Store};

/// What `write_values` writes.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteOptions {
    /// Factors of whole tensors.
    pub scales: HashMap<String, f64>,
    /// Buffers as last re-estimated, in the place of the running ones.
    pub statistics: bool,
    /// What else the file carries.
    pub int64: Vec<Int64Tensor>,
    pub metadata: BTreeMap<String, String>,
    /// Only these tensors; absent: all.
    pub tensors: Option<Vec<String>>,
}

/// An integer tensor that a file carries beside those of the store.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Int64Tensor {
    pub name: String,
    /// Empty: a scalar.
    pub shape: Vec<usize>,
    /// Row-major.
    pub values: Vec<i64>,
}

/// A tensor to write: its name in the file, and what fills a buffer with it in the store's order.
struct Entry<'a> {
    name: String,
    tensor: &'a Tensor,
    fill: Fill<'a>,
}

type Fill<'a> = Box<dyn Fn(&mut [f32]) + 'a>;

/// Returns the digest of the file.
pub fn write_values<'a>(store: &'a Store, path: &Path, options: &WriteOptions) -> Result<String> {
    let layout = store.layout();
    for tensor in &options.int64 {
        let fits = tensor.shape.iter().product::<usize>() == tensor.values.len();
        ensure(fits, || format!("{} has {} integers for shape {:?}", tensor.name, tensor.values.len(), tensor.shape))?;
    }
    let entry = |tensor: &'a Tensor| {
        let estimated = options.statistics && tensor.kind == TensorKind::Buffer;
        let (area, start) =
            if estimated { (Area::Statistics, tensor.offset - layout.parameter_size) } else { (Area::Values, tensor.offset) };
        let scale = options.scales.get(&tensor.name).map(|scale| *scale as f32);
        let fill = move |buffer: &mut [f32]| {
            buffer.copy_from_slice(store.read(area, start..start + tensor.size()));
            if let Some(scale) = scale {
                buffer.iter_mut().for_each(|x| *x *= scale);
            }
        };
        Entry { name: tensor.name.clone(), tensor, fill: Box::new(fill) }
    };
    let wanted = |tensor: &&Tensor| options.tensors.as_ref().is_none_or(|names| names.contains(&tensor.name));
    write(path, &layout.tensors.iter().filter(wanted).map(entry).collect::<Vec<_>>(), &options.int64, &options.metadata)
}

pub fn write_gradients<'a>(store: &'a Store, path: &Path) -> Result<String> {
    let parameters = store.layout().tensors.iter().enumerate().filter(|(_, tensor)| tensor.kind == TensorKind::Parameter);
    let entry = |(index, tensor): (usize, &'a Tensor)| {
        let fill = Box::new(move |buffer: &mut [f32]| reduce::averaged_gradient(store, index, buffer));
        Entry { name: tensor.name.clone(), tensor, fill }
    };
    write(path, &parameters.map(entry).collect::<Vec<_>>(), &[], &BTreeMap::new())
}

pub fn write_optimizer(store: &Store, path: &Path) -> Result<String> {
    let mut entries = Vec::new();
    for (slot, name) in store.layout().optimizer_slots.iter().enumerate() {
        for tensor in store.layout().of_kind(TensorKind::Parameter) {
            let fill = Box::new(move |buffer: &mut [f32]| {
                buffer.copy_from_slice(store.read(Area::Slot(slot), tensor.offset..tensor.offset + tensor.size()));
            });
            entries.push(Entry { name: format!("{name}/{}", tensor.name), tensor, fill });
        }
    }
    write(path, &entries, &[], &BTreeMap::new())
}

/// `digest`: what `write_values` has returned; `None`: it is not known.
pub fn read_values(store: &Store, path: &Path, digest: Option<&str>) -> Result<()> {
    let targets = store.layout().tensors.iter().map(|tensor| (tensor.name.clone(), tensor, Area::Values)).collect();
    read(store, path, digest, targets)
}

pub fn read_optimizer(store: &Store, path: &Path, digest: Option<&str>) -> Result<()> {
    let mut targets = Vec::new();
    for (slot, name) in store.layout().optimizer_slots.iter().enumerate() {
        for tensor in store.layout().of_kind(TensorKind::Parameter) {
            targets.push((format!("{name}/{}", tensor.name), tensor, Area::Slot(slot)));
        }
    }
    read(store, path, digest, targets)
}

/// The digest of a file as it is now.
pub fn digest(path: &Path) -> Result<String> {
    Ok(digest_of(&map_file(path, Error::Checkpoint)?))
}

fn digest_of(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// Checks all targets, then fills them.
fn read(store: &Store, path: &Path, digest: Option<&str>, targets: Vec<(String, &Tensor, Area)>) -> Result<()> {
    let file = map_file(path, Error::Checkpoint)?;
    if digest.is_some_and(|digest| digest_of(&file) != digest) {
        return Err(Error::Checkpoint(format!("{} is damaged: its bytes are not those that were written", path.display())));
    }
    let damaged = |e| Error::Checkpoint(format!("{} is not a safetensors file: {e}", path.display()));
    let tensors = SafeTensors::deserialize(&file).map_err(damaged)?;
    let mut sources = Vec::new();
    for (name, tensor, _) in &targets {
        let missing = |_| Error::Checkpoint(format!("{} has no tensor {name}", path.display()));
        let found = tensors.tensor(name).map_err(missing)?;
        if found.dtype() != Dtype::F32 || found.shape() != tensor.shape {
            let found = format!("{:?} {:?}", found.dtype(), found.shape());
            let expected = format!("{:?} {:?}", Dtype::F32, tensor.shape);
            return Err(Error::Checkpoint(format!("{name} in {} is {found}, expected {expected}", path.display())));
        }
        sources.push(found.data());
    }
    let mut library = Vec::new();
    for ((_, tensor, area), source) in targets.into_iter().zip(sources) {
        library.clear();
        library.extend(source.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)));
        tensor.to_store(&library, store.write(area, tensor.offset..tensor.offset + tensor.size()));
    }
    Ok(())
}

/// Writes and syncs a file, or removes it.
fn write(path: &Path, entries: &[Entry], int64: &[Int64Tensor], metadata: &BTreeMap<String, String>) -> Result<String> {
    let written = write_file(path, entries, int64, metadata);
    if written.is_err() {
        let _ = std::fs::remove_file(path);
    }
    written.map_err(|e| Error::storage(format!("writing {}", path.display()), &e))
}

fn write_file(path: &Path, entries: &[Entry], int64: &[Int64Tensor], metadata: &BTreeMap<String, String>) -> std::io::Result<String> {
    let mut file = BufWriter::with_capacity(1 << 20, Hashed { file: File::create(path)?, hasher: Box::default() });
    let header = header(entries, int64, metadata);
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    for value in int64.iter().flat_map(|tensor| &tensor.values) {
        file.write_all(&value.to_le_bytes())?;
    }
    let (mut stored, mut library) = (Vec::new(), Vec::new());
    for entry in entries {
        stored.resize(entry.tensor.size(), 0.0);
        library.resize(entry.tensor.size(), 0.0);
        (entry.fill)(&mut stored);
        entry.tensor.to_library(&stored, &mut library);
        write_floats(&mut file, &library)?;
    }
    let Hashed { file, hasher } = file.into_inner()?;
    file.sync_all()?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// A file, and the digest of what was written to it.
struct Hashed {
    file: File,
    hasher: Box<blake3::Hasher>,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

fn write_floats(file: &mut impl Write, floats: &[f32]) -> std::io::Result<()> {
    let mut bytes = [0; 4096];
    for part in floats.chunks(bytes.len() / 4) {
        for (target, x) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(part) {
            *target = x.to_le_bytes();
        }
        file.write_all(&bytes[..4 * part.len()])?;
    }
    Ok(())
}

/// The JSON header, padded to eight bytes: integers first, which keeps them aligned, then tensors in layout order.
fn header(entries: &[Entry], int64: &[Int64Tensor], metadata: &BTreeMap<String, String>) -> String {
    let mut map = serde_json::Map::new();
    if !metadata.is_empty() {
        map.insert("__metadata__".into(), json!(metadata));
    }
    let mut end = 0;
    let mut place = |dtype: &str, shape: &[usize], bytes: usize| {
        end += bytes;
        json!({"dtype": dtype, "shape": shape, "data_offsets": [end - bytes, end]})
    };
    for tensor in int64 {
        map.insert(tensor.name.clone(), place("I64", &tensor.shape, 8 * tensor.values.len()));
    }
    for entry in entries {
        map.insert(entry.name.clone(), place("F32", &entry.tensor.shape, 4 * entry.tensor.size()));
    }
    let mut text = serde_json::Value::Object(map).to_string();
    text.push_str(&" ".repeat(text.len().next_multiple_of(8) - text.len()));
    text
}
