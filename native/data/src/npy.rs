//! NumPy's .npy header, any version, and its element types as numbers. Format: numpy.lib.format.

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// As NumPy writes it: `|u1`, `<f4`.
    pub descr: String,
    pub shape: Vec<usize>,
    pub fortran: bool,
    /// Where the elements start, bytes.
    pub start: usize,
}

/// Reads the header at the beginning of a file; the error is the end of a sentence that starts with the file.
pub fn parse(head: &[u8]) -> Result<Header, String> {
    let not = || "is not a .npy file".to_owned();
    let version = *head.strip_prefix(b"\x93NUMPY").ok_or_else(not)?.first().ok_or_else(not)?;
    let (length, start) = match (version, head) {
        (1, [_, _, _, _, _, _, _, _, a, b, ..]) => (usize::from(u16::from_le_bytes([*a, *b])), 10),
        (2 | 3, [_, _, _, _, _, _, _, _, a, b, c, d, ..]) => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, 12),
        _ => return Err(not()),
    };
    let text = head.get(start..start + length).ok_or("has a header that ends too early")?;
    let text = std::str::from_utf8(text).map_err(|_| "has a header that is no text")?;
    let value = |key: &str| text.split_once(&format!("'{key}':")).map(|(_, rest)| rest.trim_start());
    let descr = value("descr").and_then(|rest| rest.strip_prefix('\'')).and_then(|rest| rest.split('\'').next());
    let descr = descr.ok_or("holds records or has no element type; save a plain array")?;
    let fortran = value("fortran_order").is_some_and(|rest| rest.starts_with("True"));
    let shape = value("shape").and_then(|rest| rest.strip_prefix('(')).and_then(|rest| rest.split(')').next());
    // Python 2 writes `3L`.
    let extents =
        shape.ok_or("has no shape")?.split(',').map(|extent| extent.trim().trim_end_matches('L')).filter(|extent| !extent.is_empty());
    let shape: Vec<usize> = extents.map(str::parse).collect::<Result<_, _>>().map_err(|_| "has a shape that is no list of numbers")?;
    let header = Header { descr: descr.to_owned(), shape, fortran, start: start + length };
    header.bytes().ok_or("has a shape beyond all memory")?;
    Ok(header)
}

impl Header {
    /// Bytes of an element; 0 for a type that is no number.
    pub fn element(&self) -> usize {
        let digits = self.descr.get(2..).unwrap_or_default();
        if self.number_kind().is_some() { digits.parse().unwrap_or(0) } else { 0 }
    }

    /// Bytes of an element of text, and whether they are UTF-32 (`<U7`) rather than bytes (`|S7`).
    pub fn text_element(&self) -> Option<(usize, bool)> {
        let length: usize = self.descr.get(2..)?.parse().ok()?;
        match self.descr.as_bytes()[1] {
            b'U' => length.checked_mul(4).map(|bytes| (bytes, true)),
            b'S' | b'a' => Some((length, false)),
            _ => None,
        }
    }

    /// Python objects, which a pickle holds.
    pub fn is_objects(&self) -> bool {
        self.descr.ends_with('O')
    }

    /// Number of elements.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    pub fn bytes(&self) -> Option<usize> {
        let element = self.text_element().map_or_else(|| self.element(), |(bytes, _)| bytes);
        self.shape.iter().try_fold(element, |size: usize, extent| size.checked_mul(*extent))
    }

    fn number_kind(&self) -> Option<char> {
        let known = ["b1", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"];
        known.contains(&self.descr.get(1..)?).then(|| self.descr.as_bytes()[1] as char)
    }

    pub fn is_number(&self) -> bool {
        self.number_kind().is_some()
    }

    pub fn is_integer(&self) -> bool {
        matches!(self.number_kind(), Some('u' | 'i'))
    }

    pub fn is_boolean(&self) -> bool {
        self.number_kind() == Some('b')
    }

    /// The elements of text in `bytes`; NumPy fills them up with zeros.
    pub fn texts(&self, bytes: &[u8]) -> Vec<String> {
        let Some((element, wide)) = self.text_element().filter(|(element, _)| *element > 0) else { return Vec::new() };
        let big = self.descr.starts_with('>');
        let letter = |word: &[u8; 4]| if big { u32::from_be_bytes(*word) } else { u32::from_le_bytes(*word) };
        let text = |element: &[u8]| {
            let text: String = match wide {
                true => element.as_chunks::<4>().0.iter().map(|word| char::from_u32(letter(word)).unwrap_or('\u{fffd}')).collect(),
                false => String::from_utf8_lossy(element).into_owned(),
            };
            text.trim_end_matches('\0').to_owned()
        };
        bytes.chunks_exact(element).map(text).collect()
    }

    /// The elements in `bytes` as numbers.
    pub fn numbers<'a>(&self, bytes: &'a [u8]) -> impl Iterator<Item = f64> + use<'a> {
        let big = self.descr.starts_with('>');
        let (kind, size) = (self.number_kind().unwrap_or('u'), self.element().max(1));
        bytes.chunks_exact(size).map(move |element| {
            let mut word = [0; 8];
            for (at, &byte) in element.iter().enumerate() {
                word[if big { size - 1 - at } else { at }] = byte;
            }
            number(kind, size, word)
        })
    }
}

/// `word` is little-endian with zeros behind the element.
fn number(kind: char, size: usize, word: [u8; 8]) -> f64 {
    let [a, b, c, d, ..] = word;
    match (kind, size) {
        ('f', 2) => half(u16::from_le_bytes([a, b])),
        ('f', 4) => f64::from(f32::from_le_bytes([a, b, c, d])),
        ('f', _) => f64::from_le_bytes(word),
        ('i', _) => {
            let shift = 64 - 8 * size as u32;
            ((i64::from_le_bytes(word) << shift) >> shift) as f64
        }
        _ => u64::from_le_bytes(word) as f64,
    }
}

/// IEEE 754 binary16.
pub(crate) fn half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from((bits >> 10) & 0x1f), f64::from(bits & 0x3ff) / 1024.0);
    sign * match exponent {
        0 => fraction * 2f64.powi(-14),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction) * 2f64.powi(exponent - 15),
    }
}

/// A version 1 header of 128 bytes for a C-ordered array.
pub fn write_header(descr: &str, shape: &[usize]) -> [u8; 128] {
    let extents: Vec<String> = shape.iter().map(ToString::to_string).collect();
    let tuple = if extents.len() == 1 { format!("{},", extents[0]) } else { extents.join(", ") };
    let dict = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({tuple}), }}");
    let mut header = [b' '; 128];
    header[..10].copy_from_slice(b"\x93NUMPY\x01\x00\x76\x00");
    header[10..10 + dict.len()].copy_from_slice(dict.as_bytes());
    header[127] = b'\n';
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let header = parse(&write_header("<u2", &[3, 70000])).unwrap();
        assert_eq!(header, Header { descr: "<u2".into(), shape: vec![3, 70000], fortran: false, start: 128 });
        assert_eq!(header.bytes(), Some(420_000));
    }

    #[test]
    fn elements_of_every_type_are_numbers() {
        let of = |descr: &str, bytes: &[u8]| {
            let header = Header { descr: descr.into(), shape: vec![1], fortran: false, start: 0 };
            header.numbers(bytes).collect::<Vec<_>>()
        };
        assert_eq!(of("|u1", &[200]), [200.0]);
        assert_eq!(of("|i1", &[200]), [-56.0]);
        assert_eq!(of(">i2", &[0xff, 0xfe]), [-2.0]);
        assert_eq!(of("<i8", &(-5i64).to_le_bytes()), [-5.0]);
        assert_eq!(of("<f4", &0.5f32.to_le_bytes()), [0.5]);
        assert_eq!(of(">f8", &2.5f64.to_be_bytes()), [2.5]);
        assert_eq!(of("<f2", &[0, 0x3c, 0, 0xc1, 1, 0, 0, 0x7c]), [1.0, -2.5, 2f64.powi(-24), f64::INFINITY]);
    }

    #[test]
    fn text_of_both_kinds_is_read_without_its_filling() {
        let of = |descr: &str, bytes: &[u8]| Header { descr: descr.into(), shape: vec![2], fortran: false, start: 0 }.texts(bytes);
        assert_eq!(of("|S3", b"cat\x00\x00\x00"), ["cat", ""]);
        assert_eq!(of("<U2", b"a\0\0\0\0\0\0\0\xe9\0\0\0b\0\0\0"), ["a", "\u{e9}b"]);
        assert_eq!(of(">U1", b"\0\0\0a\0\0\0b"), ["a", "b"]);
    }

    #[test]
    fn malformed_headers_are_refused() {
        for bytes in [&b"PNG"[..], b"\x93NUMPY\x01\x00\xff", b"\x93NUMPY\x01\x00\x20\x00{'descr'"] {
            assert!(parse(bytes).is_err());
        }
        let huge = write_header("<f8", &[usize::MAX / 2, 8]);
        assert_eq!(parse(&huge), Err("has a shape beyond all memory".into()));
    }
}
