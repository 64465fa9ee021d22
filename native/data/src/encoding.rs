//! Text in other encodings than UTF-8, as a stream of UTF-8: that which a byte order mark tells, or one that is chosen by its name in the
//! WHATWG's list (`gbk`, `shift_jis`, `windows-1252`, `latin1`, `utf-16le`).

use std::borrow::Cow;
use std::io::{self, Read};

use encoding_rs::{
    BIG5, CoderResult, Decoder, DecoderResult, EUC_KR, Encoding, GBK, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1251, WINDOWS_1252,
};

use crate::error::{Error, Place, Problem, Result};
use crate::options::Options;
use crate::tree::{Entry, Tree};

/// Those that are tried on text that is no UTF-8.
const KNOWN: [(&Encoding, &str); 6] = [
    (GBK, "GBK (Chinese)"),
    (SHIFT_JIS, "Shift-JIS (Japanese)"),
    (EUC_KR, "EUC-KR (Korean)"),
    (BIG5, "Big5 (Chinese)"),
    (WINDOWS_1252, "Windows-1252 (Latin-1)"),
    (WINDOWS_1251, "Windows-1251 (Cyrillic)"),
];

/// Bytes that are checked together.
const CHECKED: u64 = 1 << 16;

/// What text is written in, by its first bytes or as it was chosen by its name; `None`: UTF-8.
pub fn encoding_of(head: &[u8], chosen: Option<&str>) -> Result<Option<&'static Encoding>> {
    if let Some((by_mark, _)) = Encoding::for_bom(head) {
        return Ok(Some(by_mark).filter(|encoding| *encoding != UTF_8));
    }
    let Some(name) = chosen else { return Ok(by_zeros(head)) };
    match Encoding::for_label(name.as_bytes()) {
        Some(encoding) => Ok(Some(encoding).filter(|encoding| *encoding != UTF_8)),
        None => {
            let sentence =
                format!("the encoding {name:?} is not known; there are gbk, shift_jis, euc-kr, big5, latin1, utf-16le and so on");
            Err(Problem::error("bad-encoding", sentence).into())
        }
    }
}

/// Whether a stream is UTF-8 with characters beyond ASCII: text that needs no other encoding.
pub fn is_utf8(stream: &mut dyn Read) -> io::Result<bool> {
    let (mut bytes, mut beyond) = (Vec::new(), false);
    loop {
        let before = bytes.len();
        (&mut *stream).take(CHECKED).read_to_end(&mut bytes)?;
        if bytes.len() == before {
            return Ok(before == 0 && beyond);
        }
        let valid = match std::str::from_utf8(&bytes) {
            Ok(_) => bytes.len(),
            // The end may be the beginning of a character.
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => return Ok(false),
        };
        beyond |= !bytes[..valid].is_ascii();
        bytes.drain(..valid);
    }
}

/// UTF-16 without a mark: of most pairs of bytes the same one is zero, and the other rarely is.
pub fn by_zeros(head: &[u8]) -> Option<&'static Encoding> {
    let pairs = head.as_chunks::<2>().0;
    let zeros = |at: usize| pairs.iter().filter(|pair| pair[at] == 0).count();
    let is_upper = |upper: usize, lower: usize| 3 * upper > 2 * pairs.len() && 8 * lower <= upper;
    match (zeros(0), zeros(1)) {
        (lower, upper) if is_upper(upper, lower) => Some(UTF_16LE),
        (upper, lower) if is_upper(upper, lower) => Some(UTF_16BE),
        _ => None,
    }
}

/// The first bytes of a file that is text in UTF-16, as UTF-8; others as they are.
pub fn decoded_head(head: &[u8]) -> Cow<'_, [u8]> {
    match encoding_of(head, None) {
        Ok(Some(encoding)) => Cow::Owned(encoding.decode_with_bom_removal(&head[..head.len() & !1]).0.into_owned().into_bytes()),
        _ => Cow::Borrowed(head),
    }
}

/// No control characters: text in an encoding of bytes. Few bytes are it only where most of them are ASCII.
pub fn may_be_text(head: &[u8]) -> bool {
    let is_plain = |byte: &u8| (b' '..0x7f).contains(byte) || byte.is_ascii_whitespace();
    let plain = head.iter().filter(|byte| is_plain(byte)).count();
    head.iter().all(|byte| is_plain(byte) || *byte >= 0x80) && (head.len() >= 128 || 10 * plain >= 7 * head.len())
}

/// Bytes of a file for one of its text, from its beginning.
pub fn bytes_per_text(encoding: &'static Encoding, head: &[u8]) -> f64 {
    let (text, _) = encoding.decode_without_bom_handling(head);
    head.len().max(1) as f64 / text.len().max(1) as f64
}

/// A problem of bytes that are no UTF-8, with the encodings in which they are whole, the likeliest first. `bytes` begin at `before`.
pub fn not_utf8(bytes: &[u8], place: &Place, before: u64) -> Problem {
    let valid = std::str::from_utf8(bytes).err().map_or(0, |error| error.valid_up_to());
    let offset = before + valid as u64;
    let sentence = format!("{} is not UTF-8 at byte {offset}; save it as UTF-8, or say what it is", place.file);
    let place = Place { offset: Some(offset), ..place.clone() };
    offered(Problem::error("bad-utf8", sentence).at(place), &bytes[valid.saturating_sub(64)..])
        .skippable("Replace what is not UTF-8 with \u{fffd}")
}

/// With the encodings in which bytes are whole, the likeliest first.
pub fn offered(problem: Problem, bytes: &[u8]) -> Problem {
    let offer = |problem: Problem, (encoding, title): &(&'static Encoding, &str)| {
        let options = Options { encoding: Some(encoding.name().to_lowercase()), ..Options::default() };
        problem.with("convert", format!("Read it as {title}"), options)
    };
    likely(bytes).iter().fold(problem, offer)
}

/// Encodings in which bytes are whole. Letters beyond ASCII stand alone in Latin text, and together in others.
fn likely(bytes: &[u8]) -> Vec<(&'static Encoding, &'static str)> {
    // A character may be cut at either end.
    let bytes = &bytes[..bytes.len().min(1 << 16)];
    let runs = bytes.chunk_by(|a, b| (*a < 0x80) == (*b < 0x80)).filter(|run| run[0] >= 0x80);
    let (alone, together) =
        runs.fold((0, 0), |(alone, together), run| if run.len() == 1 { (alone + 1, together) } else { (alone, together + 1) });
    let is_whole = |(encoding, _): &(&'static Encoding, &str)| {
        let (text, _) = encoding.decode_without_bom_handling(bytes);
        text.matches('\u{fffd}').count() <= 2
    };
    let mut found: Vec<(&'static Encoding, &'static str)> = KNOWN.into_iter().filter(is_whole).collect();
    found.sort_by_key(|(encoding, _)| encoding.is_single_byte() != (alone > together));
    found.truncate(4);
    found
}

/// Error of a file that could not be read as what it is written in.
pub fn malformed(tree: &Tree, entry: &Entry, error: &io::Error) -> Error {
    if error.kind() != io::ErrorKind::InvalidData {
        return tree.unreadable(entry, error);
    }
    let sentence = format!("{} cannot be read: {error}", tree.display(entry));
    Problem::error("bad-encoding", sentence).at(tree.place(entry)).skippable("Replace what is malformed with \u{fffd}").into()
}

/// A stream in another encoding as one of UTF-8.
pub struct Decoded<R> {
    stream: R,
    decoder: Decoder,
    /// Bytes that were read and not yet decoded, and how many were decoded before them.
    waiting: Vec<u8>,
    before: u64,
    /// All of the stream was read, and decoded.
    read: bool,
    finished: bool,
    text: Vec<u8>,
    given: usize,
    /// What is malformed becomes U+FFFD; else it is an error.
    replaces: bool,
}

impl<R: Read> Decoded<R> {
    pub fn new(stream: R, encoding: &'static Encoding, replaces: bool) -> Self {
        let decoder = encoding.new_decoder_with_bom_removal();
        Self { stream, decoder, waiting: Vec::new(), before: 0, read: false, finished: false, text: Vec::new(), given: 0, replaces }
    }

    fn fill(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() && !self.read {
            self.waiting.resize(1 << 12, 0);
            let read = crate::tree::read_fully(&mut self.stream, &mut self.waiting)?;
            self.read = read < self.waiting.len();
            self.waiting.truncate(read);
        }
        self.text.resize(1 << 14, 0);
        self.given = 0;
        let (whole, read, written) = if self.replaces {
            let (result, read, written, _) = self.decoder.decode_to_utf8(&self.waiting, &mut self.text, self.read);
            (result == CoderResult::InputEmpty, read, written)
        } else {
            let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(&self.waiting, &mut self.text, self.read);
            if let DecoderResult::Malformed(length, behind) = result {
                let at = (self.before + read as u64).saturating_sub(u64::from(length) + u64::from(behind));
                let encoding = self.decoder.encoding().name();
                return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it is not {encoding} at byte {at}")));
            }
            (result == DecoderResult::InputEmpty, read, written)
        };
        self.finished = whole && self.read;
        self.waiting.drain(..read);
        self.before += read as u64;
        self.text.truncate(written);
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() && !self.finished {
            self.fill()?;
        }
        let rest = &self.text[self.given..];
        let count = rest.len().min(target.len());
        target[..count].copy_from_slice(&rest[..count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], encoding: &'static Encoding, replaces: bool) -> io::Result<String> {
        let mut text = String::new();
        Decoded::new(bytes, encoding, replaces).read_to_string(&mut text).map(|_| text)
    }

    #[test]
    fn streams_of_other_encodings_are_read_whole() {
        let text = "Zażółć 中文 \u{1f408}\n".repeat(9000);
        let sixteen: Vec<u8> = std::iter::once(0xfeffu16).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        assert_eq!(encoding_of(&sixteen, None).unwrap(), Some(UTF_16LE));
        assert!(read(&sixteen, UTF_16LE, false).unwrap() == text);
        let chinese = "你好，世界。\n".repeat(20_000);
        let (bytes, ..) = GBK.encode(&chinese);
        assert!(read(&bytes, GBK, false).unwrap() == chinese);
        assert_eq!(read(b"", UTF_16BE, false).unwrap(), "");
    }

    #[test]
    fn sixteen_bits_without_a_mark_are_known_by_their_zeros() {
        for text in ["a,b\n1,2\n", "café.png,\u{1f600}", &"naïve text, 中文\r\n".repeat(3000)] {
            let (little, big): (Vec<u8>, Vec<u8>) =
                (text.encode_utf16().flat_map(u16::to_le_bytes).collect(), text.encode_utf16().flat_map(u16::to_be_bytes).collect());
            assert_eq!((by_zeros(&little), by_zeros(&big)), (Some(UTF_16LE), Some(UTF_16BE)), "{text}");
            assert_eq!((read(&little, UTF_16LE, false).unwrap(), read(&big, UTF_16BE, false).unwrap()), (text.into(), text.into()));
            assert!(decoded_head(&little) == text.as_bytes() && decoded_head(text.as_bytes()) == text.as_bytes());
        }
        for bytes in [b"abc\0def\0".as_slice(), b"", b"abcd", b"\0\0\0\0", "中文".as_bytes()] {
            assert_eq!(by_zeros(bytes), None, "{bytes:?}");
        }
        assert!(may_be_text(b"d\xe9j\xe0 vu, c'est la vie") && !may_be_text(b"\xff\xd8\xff\xe0") && !may_be_text(&[0; 200]));
    }

    #[test]
    fn what_is_malformed_is_an_error_at_its_byte_or_replaced() {
        let bytes = [b"ab".as_slice(), &[0xff], b"cd"].concat();
        assert_eq!(read(&bytes, GBK, false).unwrap_err().to_string(), "it is not GBK at byte 2");
        assert_eq!(read(&bytes, GBK, true).unwrap(), "ab\u{fffd}cd");
        assert_eq!(read(&[0, 0x61, 0], UTF_16BE, true).unwrap(), "a\u{fffd}");
    }

    #[test]
    fn the_likeliest_encoding_comes_first() {
        let first = |bytes: &[u8]| likely(bytes).first().map(|(encoding, _)| *encoding);
        assert_eq!(first(&WINDOWS_1252.encode("déjà vu, çà et là, où êtes-vous allés").0), Some(WINDOWS_1252));
        assert_eq!(first(&GBK.encode("你好，世界。这是一个测试。").0), Some(GBK));
        assert_eq!(first(&SHIFT_JIS.encode("これはテストです。日本語の文章。").0).map(Encoding::is_single_byte), Some(false));
    }
}
