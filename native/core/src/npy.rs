//! NumPy's .npy files (versions 1 to 3, C order), mapped. The header is a Python dictionary literal with three known keys:
//! https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

use std::path::Path;

use memmap2::Mmap;

use crate::error::{Error, Result};
use crate::store::mapping::{map_file, release};

pub struct Npy {
    file: Mmap,
    start: usize,
    pub shape: Vec<usize>,
    /// Bytes of an element.
    pub scalar: usize,
}

impl Npy {
    /// Maps a file that must have one of the element types (such as "|u1") and exactly the length that its shape takes.
    pub fn open(path: &Path, types: &[&str]) -> Result<Self> {
        let file = map_file(path, Error::Data)?;
        let (header, start) = header(&file).ok_or_else(|| Error::Data(format!("{} is not an .npy file", path.display())))?;
        let found = value(header, "descr").map(|text| text.trim_matches(['\'', '"']));
        if !found.is_some_and(|found| types.contains(&found)) {
            let (found, types) = (found.unwrap_or("none"), types.join(" or "));
            return Err(Error::Data(format!("{} must have the element type {types}, found {found}", path.display())));
        }
        let shape = shape(header).filter(|_| value(header, "fortran_order") == Some("False"));
        let shape = shape.ok_or_else(|| Error::Data(format!("{} must be in C order with a shape", path.display())))?;
        let digits = found.and_then(|found| found.get(2..)).and_then(|digits| digits.parse().ok());
        let scalar = digits.ok_or_else(|| Error::Data(format!("{} has an element type without a size", path.display())))?;
        let expected = shape.iter().try_fold(scalar, |size: usize, extent| size.checked_mul(*extent));
        let data = file.len() - start;
        if expected != Some(data) {
            return Err(Error::Data(format!("{} holds {data} bytes of data, but its shape is {shape:?}", path.display())));
        }
        Ok(Self { file, start, shape, scalar })
    }

    /// What was read no longer counts as memory of this process.
    pub fn release(&self) {
        release(&self.file);
    }

    pub fn data(&self) -> &[u8] {
        &self.file[self.start..]
    }
}

/// Text of the header, and where the data starts.
fn header(file: &[u8]) -> Option<(&str, usize)> {
    let version = *file.strip_prefix(b"\x93NUMPY")?.first()?;
    let (len, start) = match version {
        1 => (usize::from(u16::from_le_bytes([*file.get(8)?, *file.get(9)?])), 10),
        2 | 3 => (u32::from_le_bytes([*file.get(8)?, *file.get(9)?, *file.get(10)?, *file.get(11)?]) as usize, 12),
        _ => return None,
    };
    Some((std::str::from_utf8(file.get(start..start + len)?).ok()?, start + len))
}

/// What stands behind a key, up to the next comma.
fn value<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = header.split_once(&format!("'{key}':"))?;
    Some(rest.split([',', '}']).next()?.trim())
}

fn shape(header: &str) -> Option<Vec<usize>> {
    let (_, rest) = header.split_once("'shape':")?;
    let list = rest.trim_start().strip_prefix('(')?.split(')').next()?;
    list.split(',').map(str::trim).filter(|extent| !extent.is_empty()).map(|extent| extent.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An .npy file of version 1, as NumPy writes it.
    fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
        header.push_str(&" ".repeat(63 - (10 + header.len()) % 64));
        header.push('\n');
        [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
    }

    #[test]
    fn an_array_is_mapped_with_its_shape() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        std::fs::write(&path, npy("|u1", "2, 3", &[1, 2, 3, 4, 5, 6])).unwrap();
        let array = Npy::open(&path, &["|u1"]).unwrap();
        assert_eq!((array.shape.as_slice(), array.data()), (&[2, 3][..], &[1, 2, 3, 4, 5, 6][..]));
    }

    #[test]
    fn malformed_files_are_refused_in_one_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        let name = path.display();
        let fortran = String::from_utf8_lossy(&npy("|u1", "2,", &[])[10..]).replace("False", "True ");
        let fortran = [b"\x93NUMPY\x01\x00", &(fortran.len() as u16).to_le_bytes()[..], fortran.as_bytes(), &[1, 2]].concat();
        for (bytes, expected) in [
            (b"PNG".to_vec(), format!("data: {name} is not an .npy file")),
            (npy("|u1", "3", &[1])[..40].to_vec(), format!("data: {name} is not an .npy file")),
            (npy("<f4", "1,", &[0; 4]), format!("data: {name} must have the element type |u1, found <f4")),
            (npy("|u1", "2, 3", &[0; 5]), format!("data: {name} holds 5 bytes of data, but its shape is [2, 3]")),
            (npy("|u1", "2, x", &[0; 5]), format!("data: {name} must be in C order with a shape")),
            (fortran, format!("data: {name} must be in C order with a shape")),
        ] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(Npy::open(&path, &["|u1"]).err().unwrap().to_string(), expected);
        }
        let missing = folder.path().join("none.npy");
        assert_eq!(Npy::open(&missing, &["|u1"]).err().unwrap().to_string(), format!("data: there is no file {}", missing.display()));
    }
}
