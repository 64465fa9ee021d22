//! Arrays inside other files: MATLAB's .mat, tensors of torch.save, safetensors, HDF5. Each becomes an entry of the tree that reads as a
//! .npy of the same values, in a folder of its file's name; what belongs together, the arrays' names tell as ever.

mod hdf5;
mod lzf;
mod matlab;
mod matlab_tables;
mod part;
mod safetensors;
mod tensors;

use crate::archive::SharedFile;
use crate::npy;
pub use hdf5::datasets as hdf5_datasets;
pub use lzf::unpack as unpack_lzf;
pub use matlab::matrices;
pub use part::{Axis, Change, Part, Source};
pub use safetensors::arrays as safetensors_arrays;
pub use tensors::{Stored, tensors};

/// Folders of more such files hold something else than one dataset.
pub const MOST: usize = 256;

/// An array of a file, or a table made of it.
pub struct Inner {
    pub name: String,
    /// "npy" of an array, "csv" and "txt" of tables and lists.
    pub extension: &'static str,
    pub part: Part,
}

pub enum Opened {
    /// And the names of what is neither numbers nor text.
    Arrays(Vec<Inner>, Vec<String>),
    /// Known and not read: the end of a sentence that starts with the file.
    Refused(String),
    /// Of no such kind.
    Else,
}

/// By the extension, in lower case.
pub fn may_be(extension: &str) -> bool {
    ["mat", "pt", "pth", "safetensors", "h5", "hdf5", "hdf", "he5"].contains(&extension)
}

/// `shown` is the file, for messages.
pub fn open(file: &SharedFile, shown: &str, extension: &str) -> Opened {
    match extension {
        "mat" => matlab::open(file, shown),
        "h5" | "hdf5" | "hdf" | "he5" => hdf5::open(file, shown),
        "safetensors" => safetensors::open(file, shown),
        _ => tensors::open(file, shown),
    }
}

/// Extents and NumPy's type of an array, where it is known and of a size that can be.
fn header(descr: &str, shape: &[usize]) -> Option<(Vec<u8>, usize)> {
    let header = npy::Header { descr: descr.to_owned(), shape: shape.to_vec(), fortran: false, start: 0 };
    let known = shape.len() <= 8
        && shape.iter().all(|extent| (1..1 << 45).contains(extent))
        && header.element() > 0
        && header.bytes().is_some_and(|bytes| bytes < 1 << 45);
    known.then(|| (npy::write_header(descr, shape).to_vec(), header.element()))
}

/// Arrays that are a dataset: one of several numbers per row, and one of a label for each.
fn is_dataset<'a>(arrays: impl Iterator<Item = (&'a str, &'a [usize], bool)> + Clone) -> bool {
    let is_label = |name: &str, shape: &[usize], integer: bool, count: usize| {
        let words = crate::array_name::LABELS;
        let last = name.rsplit(['/', '.']).next().unwrap_or_default().to_lowercase();
        shape.first() == Some(&count) && shape.iter().product::<usize>() == count && (integer || words.contains(&last.as_str()))
    };
    let rows = arrays.clone().filter(|(_, shape, _)| shape.len() >= 2 && shape[0] > 1 && shape[1..].iter().product::<usize>() >= 16);
    rows.clone().any(|(_, shape, _)| arrays.clone().any(|(name, other, integer)| is_label(name, other, integer, shape[0])))
}
