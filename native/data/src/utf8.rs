//! Text files as UTF-8: the mark at the beginning is left out, UTF-16 of either byte order is converted, with or without its mark.

use std::io::{Error, Read, Result};

const CHUNK: usize = 1 << 13;

#[derive(Clone, Copy)]
enum Encoding {
    Unknown,
    Utf8,
    /// Big-endian?
    Utf16(bool),
}

/// Reads as UTF-8 what is encoded as the first bytes tell. Fails at half a character of UTF-16.
pub struct Utf8<'a> {
    stream: &'a mut dyn Read,
    encoding: Encoding,
    /// Converted, and how much of it was handed over.
    ready: Vec<u8>,
    taken: usize,
    /// Bytes of a character that is not complete.
    rest: Vec<u8>,
}

impl<'a> Utf8<'a> {
    pub fn new(stream: &'a mut dyn Read) -> Self {
        Self { stream, encoding: Encoding::Unknown, ready: Vec::new(), taken: 0, rest: Vec::new() }
    }

    fn begin(&mut self) -> Result<()> {
        let mut head = [0; 4];
        let found = crate::tree::read_fully(self.stream, &mut head)?;
        let (encoding, mark) = match head[..found] {
            [0xff, 0xfe, ..] => (Encoding::Utf16(false), 2),
            [0xfe, 0xff, ..] => (Encoding::Utf16(true), 2),
            [0xef, 0xbb, 0xbf, ..] => (Encoding::Utf8, 3),
            [1..=255, 0, 1..=255, 0] => (Encoding::Utf16(false), 0),
            [0, 1..=255, 0, 1..=255] => (Encoding::Utf16(true), 0),
            _ => (Encoding::Utf8, 0),
        };
        self.encoding = encoding;
        match encoding {
            Encoding::Utf16(_) => self.rest.extend(&head[mark..found]),
            _ => self.ready.extend(&head[mark..found]),
        }
        Ok(())
    }

    /// Converts the next bytes. None are ready afterwards where the stream has ended.
    fn convert(&mut self, big: bool) -> Result<()> {
        (self.taken, self.ready) = (0, Vec::new());
        let not_utf16 = || Error::other("it is not UTF-16");
        while self.ready.is_empty() {
            let mut bytes = vec![0; CHUNK];
            let found = crate::tree::read_fully(self.stream, &mut bytes)?;
            self.rest.extend(&bytes[..found]);
            let (pairs, odd) = self.rest.as_chunks::<2>();
            let mut units: Vec<u16> =
                pairs.iter().map(|pair| if big { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) }).collect();
            let mut kept = odd.to_vec();
            let is_high = |unit: &u16| (0xd800..0xdc00).contains(unit);
            if found > 0
                && let Some(high) = units.pop_if(|unit| is_high(unit))
            {
                let bytes = if big { high.to_be_bytes() } else { high.to_le_bytes() };
                kept.splice(..0, bytes);
            }
            for character in char::decode_utf16(units) {
                let character = character.map_err(|_| not_utf16())?;
                self.ready.extend(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            self.rest = kept;
            if found == 0 {
                return if self.rest.is_empty() { Ok(()) } else { Err(not_utf16()) };
            }
        }
        Ok(())
    }
}

impl Read for Utf8<'_> {
    fn read(&mut self, target: &mut [u8]) -> Result<usize> {
        if matches!(self.encoding, Encoding::Unknown) {
            self.begin()?;
        }
        if self.taken == self.ready.len() {
            match self.encoding {
                Encoding::Utf16(big) => self.convert(big)?,
                _ => return self.stream.read(target),
            }
        }
        let count = target.len().min(self.ready.len() - self.taken);
        target[..count].copy_from_slice(&self.ready[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<String> {
        let mut text = String::new();
        let mut stream = bytes;
        Utf8::new(&mut stream).read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn both_byte_orders_and_every_mark_become_utf8() {
        let long = "name,\u{e9}\u{1f600}\n".repeat(3000);
        for text in ["", "a", "ab", "a,b\n1,2\n", "caf\u{e9}.png,\u{1f600}", &long] {
            let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            assert_eq!(read(text.as_bytes()).unwrap(), text);
            assert_eq!(read(&[&[0xef, 0xbb, 0xbf], text.as_bytes()].concat()).unwrap(), text);
            assert_eq!(read(&[&[0xff, 0xfe][..], &little].concat()).unwrap(), text);
            assert_eq!(read(&[&[0xfe, 0xff][..], &big].concat()).unwrap(), text);
            if text.len() > 3 {
                assert_eq!((read(&little).unwrap(), read(&big).unwrap()), (text.to_owned(), text.to_owned()));
            }
        }
        assert!(read(&[0xff, 0xfe, b'a', 0, b'b']).is_err() && read(&[0xff, 0xfe, 0, 0xd8]).is_err());
    }
}
