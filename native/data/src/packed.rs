//! Compressed files: gzip, xz, bzip2 and Zstandard, known by their first bytes and read as streams.

use std::io::{self, BufReader, Read};

use flate2::read::MultiGzDecoder;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    Gzip,
    Xz,
    Bzip2,
    Zstandard,
}

/// Extensions of files that are unpacked while they are read.
pub const EXTENSIONS: [&str; 5] = [".gz", ".xz", ".bz2", ".zst", ".zstd"];

/// Memory that an xz file may ask for, KiB.
const XZ_MEMORY: u32 = 1 << 20;

/// By the first bytes, six at least.
pub fn packing(head: &[u8]) -> Option<Packing> {
    match head {
        [0x1f, 0x8b, ..] => Some(Packing::Gzip),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Packing::Xz),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31 | 0x17, ..] => Some(Packing::Bzip2),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Packing::Zstandard),
        _ => None,
    }
}

/// The content of a compressed stream, also of several one behind the other.
pub fn unpack<'a>(packing: Packing, packed: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let packed = BufReader::with_capacity(1 << 16, packed);
    Ok(match packing {
        Packing::Gzip => Box::new(MultiGzDecoder::new(packed)),
        Packing::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(packed, true, XZ_MEMORY)),
        Packing::Bzip2 => Box::new(bzip2::read::MultiBzDecoder::new(packed)),
        Packing::Zstandard => Box::new(zstd::stream::read::Decoder::with_buffer(packed)?),
    })
}

/// A file's name without the extension of its compression.
pub fn plain_name(name: &str) -> &str {
    EXTENSIONS.iter().find_map(|extension| name.strip_suffix(extension)).unwrap_or(name)
}
