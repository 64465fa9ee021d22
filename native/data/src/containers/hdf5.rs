//! HDF5 by a reader without C: datasets of numbers and text at any depth, read in rows. No other file is opened, whatever a file links to.

use std::io;
use std::sync::Arc;

use hdf5_reader::error::Error;
use hdf5_reader::group::Group;
use hdf5_reader::storage::{Storage, StorageBuffer};
use hdf5_reader::{Dataset, Datatype, FilterRegistry, H5Type, Hdf5File, OpenOptions, SliceInfo, SliceInfoElem};

use super::part::{Part, Rows, Source};
use super::{Inner, Opened, header, lzf};
use crate::archive::SharedFile;
use crate::npy;

/// Groups in groups, and datasets of a file, end here.
const MAX_DEPTH: usize = 8;
const MAX_DATASETS: usize = 1000;

/// What one read may allocate, bytes.
const LARGEST_READ: usize = 512 << 20;

/// h5py's number of its filter LZF, which notes the size of a chunk.
const LZF: u16 = 32_000;

struct Seekable(SharedFile);

impl Storage for Seekable {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_range(&self, offset: u64, len: usize) -> hdf5_reader::error::Result<StorageBuffer> {
        if offset.checked_add(len as u64).is_none_or(|end| end > self.0.len()) {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let mut bytes = vec![0; len];
        let mut file = self.0.clone();
        file.seek_to(offset);
        io::Read::read_exact(&mut file, &mut bytes)?;
        Ok(StorageBuffer::from_vec(bytes))
    }
}

/// The datasets of a file with their paths.
pub fn datasets(file: &SharedFile) -> Result<Vec<(String, Dataset)>, String> {
    let mut filters = FilterRegistry::new();
    filters.register(
        LZF,
        Box::new(|filter, packed, _| {
            let size = filter.client_data.get(2).map_or(LARGEST_READ, |size| *size as usize);
            let damaged = || io::Error::new(io::ErrorKind::InvalidData, "a chunk of LZF is damaged").into();
            lzf::unpack(packed, size.min(LARGEST_READ)).ok_or_else(damaged)
        }),
    );
    let options = OpenOptions {
        max_chunk_bytes: LARGEST_READ,
        max_read_bytes: LARGEST_READ,
        filter_registry: Some(filters),
        ..OpenOptions::default()
    };
    let opened = Hdf5File::from_storage_with_options(Arc::new(Seekable(file.clone())), options).and_then(|file| file.root_group());
    let root = opened.map_err(|error| format!("is an HDF5 file that cannot be read: {error}"))?;
    let mut found = Vec::new();
    collect(&root, "", 0, &mut found).map_err(|error| format!("is an HDF5 file that cannot be read: {error}"))?;
    Ok(found)
}

fn collect(group: &Group, path: &str, depth: usize, found: &mut Vec<(String, Dataset)>) -> hdf5_reader::error::Result<()> {
    let (groups, datasets) = group.members()?;
    let inner = |name: &str| {
        let name = name.rsplit('/').next().unwrap_or_default();
        if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
    };
    for dataset in datasets {
        if found.len() < MAX_DATASETS {
            found.push((inner(dataset.name()), dataset));
        }
    }
    for group in groups.iter().filter(|_| depth < MAX_DEPTH) {
        collect(group, &inner(group.name()), depth + 1, found)?;
    }
    Ok(())
}

pub fn open(file: &SharedFile, shown: &str) -> Opened {
    let mut head = [0; 8];
    if crate::tree::read_fully(&mut file.clone(), &mut head).is_err() || &head != b"\x89HDF\r\n\x1a\n" {
        return Opened::Else;
    }
    let datasets = match datasets(file) {
        Ok(datasets) => datasets,
        Err(why) => return Opened::Refused(why),
    };
    // Keras 3 numbers the arrays of each layer below `vars`.
    let words = ["kernel", "bias", "weight", "gamma", "moving_mean", "/vars/"];
    let is_weight = |name: &str| words.iter().any(|word| name.contains(word));
    if datasets.iter().any(|(name, _)| is_weight(&name.to_lowercase())) {
        return Opened::Refused("is an HDF5 file of weights".into());
    }
    let (mut arrays, mut others) = (Vec::new(), Vec::new());
    for (name, dataset) in datasets {
        match part(shown, dataset) {
            Some(part) => arrays.push(Inner { name, extension: "npy", part }),
            None => others.push(name),
        }
    }
    match arrays.is_empty() {
        true => Opened::Refused("is an HDF5 file without arrays of numbers or text".into()),
        false => Opened::Arrays(arrays, others),
    }
}

/// NumPy's type of the numbers that are read.
fn descr(datatype: &Datatype) -> Option<&'static str> {
    Some(match datatype {
        Datatype::FixedPoint { size: 1, signed: false, .. } => "|u1",
        Datatype::FixedPoint { size: 1, signed: true, .. } => "|i1",
        Datatype::FixedPoint { size: 2, signed: false, .. } => "<u2",
        Datatype::FixedPoint { size: 2, signed: true, .. } => "<i2",
        Datatype::FixedPoint { size: 4, signed: false, .. } => "<u4",
        Datatype::FixedPoint { size: 4, signed: true, .. } => "<i4",
        Datatype::FixedPoint { size: 8, signed: false, .. } => "<u8",
        Datatype::FixedPoint { size: 8, signed: true, .. } => "<i8",
        Datatype::FloatingPoint { size: 4, .. } => "<f4",
        Datatype::FloatingPoint { size: 8, .. } => "<f8",
        _ if is_boolean(datatype) => "|b1",
        _ => return None,
    })
}

/// A byte that is called FALSE or TRUE, as h5py writes booleans.
fn is_boolean(datatype: &Datatype) -> bool {
    let Datatype::Enum { base, members } = datatype else { return false };
    let is = |name: &str, value: u8| members.iter().any(|member| member.name.eq_ignore_ascii_case(name) && member.value == [value]);
    matches!(**base, Datatype::FixedPoint { size: 1, .. }) && members.len() == 2 && is("false", 0) && is("true", 1)
}

/// A boolean as its byte.
#[derive(Clone)]
struct Boolean(u8);

impl H5Type for Boolean {
    fn hdf5_type() -> Datatype {
        u8::hdf5_type()
    }

    fn from_bytes(bytes: &[u8], _: &Datatype) -> hdf5_reader::error::Result<Self> {
        bytes.first().map(|byte| Self(*byte)).ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof).into())
    }

    fn element_size(_: &Datatype) -> usize {
        1
    }
}

fn part(shown: &str, dataset: Dataset) -> Option<Part> {
    let mut shape: Vec<usize> = dataset.shape().iter().map(|extent| usize::try_from(*extent).ok()).collect::<Option<_>>()?;
    // Labels of PatchCamelyon's kind, [n,1,1,1].
    if shape.len() > 1 && shape[1..].iter().all(|extent| *extent == 1) {
        shape.truncate(1);
    }
    if matches!(dataset.dtype(), Datatype::String { .. } | Datatype::VarLen { .. }) {
        return texts(shown, &dataset, &shape);
    }
    let rows = *shape.first()?;
    let descr = descr(dataset.dtype())?;
    let (header, element) = header(descr, &shape)?;
    let bytes = shape.iter().product::<usize>() * element;
    Some(Part::plain(shown, header, element, Source::Rows(Arc::new(Numbers { dataset, descr, row: bytes / rows })), bytes))
}

fn texts(shown: &str, dataset: &Dataset, shape: &[usize]) -> Option<Part> {
    let [count @ 1..10_000_000] = shape[..] else { return None };
    let texts = dataset.read_strings().ok().filter(|texts| texts.len() == count)?;
    let element = texts.iter().map(String::len).max().unwrap_or(0).max(1);
    let mut bytes = vec![0; count.checked_mul(element).filter(|bytes| *bytes <= LARGEST_READ)?];
    for (text, target) in texts.iter().zip(bytes.chunks_exact_mut(element)) {
        target[..text.len()].copy_from_slice(text.as_bytes());
    }
    let header = npy::write_header(&format!("|S{element}"), &[count]).to_vec();
    let length = bytes.len();
    Some(Part::plain(shown, header, element, Source::Memory(Arc::new(bytes)), length))
}

struct Numbers {
    dataset: Dataset,
    descr: &'static str,
    /// Bytes.
    row: usize,
}

impl Rows for Numbers {
    fn row(&self) -> usize {
        self.row
    }

    fn count(&self) -> usize {
        self.dataset.shape().first().map_or(0, |count| *count as usize)
    }

    fn read(&self, from: usize, count: usize) -> io::Result<Vec<u8>> {
        let all = SliceInfoElem::Slice { start: 0, end: u64::MAX, step: 1 };
        let mut selections = vec![all; self.dataset.ndim()];
        if let Some(first) = selections.first_mut() {
            *first = SliceInfoElem::Slice { start: from as u64, end: (from + count) as u64, step: 1 };
        }
        let selection = SliceInfo { selections };
        macro_rules! numbers {
            ($type:ty) => {
                self.dataset.read_slice::<$type>(&selection).map(|array| array.iter().flat_map(|number| number.to_le_bytes()).collect())
            };
        }
        let read: hdf5_reader::error::Result<Vec<u8>> = match self.descr {
            "|u1" => numbers!(u8),
            "|b1" => self.dataset.read_slice::<Boolean>(&selection).map(|array| array.iter().map(|Boolean(byte)| *byte).collect()),
            "|i1" => numbers!(i8),
            "<u2" => numbers!(u16),
            "<i2" => numbers!(i16),
            "<u4" => numbers!(u32),
            "<i4" => numbers!(i32),
            "<u8" => numbers!(u64),
            "<i8" => numbers!(i64),
            "<f4" => numbers!(f32),
            _ => numbers!(f64),
        };
        read.map_err(|error| match error {
            Error::UnsupportedFilter(name) => io::Error::other(format!("it is compressed by {name}; write it with gzip or LZF")),
            other => io::Error::other(other.to_string()),
        })
    }
}
