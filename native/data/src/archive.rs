//! Archives read in place: which kind a file is, a file handle that many threads read at their own positions, and limits on unpacking.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result, storage};

/// Data that unpacks to more than this many bytes ...
pub const BOMB_BYTES: u64 = 256 << 20;
/// ... and to more than this many times its size, was made to fill a disk: real data is far from it.
pub const BOMB_RATIO: u64 = 200;

pub enum Kind {
    Zip,
    Tar,
    CompressedTar,
    /// Known, but not read.
    Unsupported(&'static str),
    None,
}

/// A file read at a position of one's own; clones share the handle, not the position.
#[derive(Clone)]
pub struct SharedFile {
    file: Arc<File>,
    length: u64,
    position: u64,
}

impl SharedFile {
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok(Self { file: Arc::new(file), length, position: 0 })
    }

    pub fn seek_to(&mut self, position: u64) {
        self.position = position;
    }

    pub fn len(&self) -> u64 {
        self.length
    }
}

impl Read for SharedFile {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        #[cfg(unix)]
        let count = std::os::unix::fs::FileExt::read_at(&*self.file, target, self.position)?;
        #[cfg(windows)]
        let count = std::os::windows::fs::FileExt::seek_read(&*self.file, target, self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for SharedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = target.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a position before the start"))?;
        Ok(self.position)
    }
}

/// By content: the first bytes, and for a gzip file the first bytes of what it holds.
pub fn kind_of(file: &SharedFile) -> Kind {
    let mut head = [0; 512];
    let found = crate::tree::read_fully(&mut file.clone(), &mut head).unwrap_or(0);
    match &head[..found.min(6)] {
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Kind::Zip,
        [0x1f, 0x8b, ..] => {
            let mut inner = [0; 512];
            let found = crate::tree::read_fully(&mut flate2::read::GzDecoder::new(file.clone()), &mut inner).unwrap_or(0);
            if is_tar(&inner[..found]) { Kind::CompressedTar } else { Kind::None }
        }
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Kind::Unsupported("an xz archive"),
        [b'B', b'Z', b'h', ..] => Kind::Unsupported("a bzip2 archive"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Kind::Unsupported("a Zstandard archive"),
        [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c] => Kind::Unsupported("a 7z archive"),
        [b'R', b'a', b'r', b'!', ..] => Kind::Unsupported("a RAR archive"),
        _ if is_tar(&head[..found]) => Kind::Tar,
        _ => Kind::None,
    }
}

/// What the end of a gzip file says of the size of its content (below 4 GiB).
pub fn unpacked_size(path: &Path) -> io::Result<u64> {
    let mut file = SharedFile::open(path)?;
    let mut word = [0; 4];
    file.seek_to(file.len().saturating_sub(4));
    file.read_exact(&mut word)?;
    Ok(u32::from_le_bytes(word).into())
}

/// `ustar` at its place, or for the oldest archives a header whose checksum is right.
fn is_tar(head: &[u8]) -> bool {
    if head.len() < 512 {
        return false;
    }
    if &head[257..262] == b"ustar" {
        return true;
    }
    let sum: u64 = head.iter().enumerate().map(|(at, &byte)| if (148..156).contains(&at) { 32 } else { u64::from(byte) }).sum();
    let text = std::str::from_utf8(&head[148..156]).unwrap_or("").trim_matches(['\0', ' ']);
    head[0] != 0 && u64::from_str_radix(text, 8) == Ok(sum)
}

pub fn looks_like_archive(name: &str) -> bool {
    let name = name.to_lowercase();
    [".zip", ".npz", ".tar", ".tgz", ".gz", ".xz", ".bz2", ".7z", ".rar", ".zst"].iter().any(|end| name.ends_with(end))
}

/// Counts what is read through it, for others to see.
pub struct Counted<R> {
    inner: R,
    pub count: Arc<AtomicU64>,
}

impl<R> Counted<R> {
    pub fn new(inner: R) -> Self {
        Self { inner, count: Arc::default() }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(target)?;
        self.count.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Ends with an error where far more comes out than went in.
pub struct Guarded<R> {
    inner: R,
    packed: Arc<AtomicU64>,
    unpacked: u64,
}

impl<R> Guarded<R> {
    pub fn new(inner: R, packed: Arc<AtomicU64>) -> Self {
        Self { inner, packed, unpacked: 0 }
    }

    /// Where the packed size is known beforehand.
    pub fn fixed(inner: R, packed: u64) -> Self {
        Self::new(inner, Arc::new(AtomicU64::new(packed)))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{packed} bytes unpack to more than {unpacked}")]
struct Bomb {
    packed: u64,
    unpacked: u64,
}

pub fn is_bomb(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Bomb>())
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(target)?;
        self.unpacked += count as u64;
        let (packed, unpacked) = (self.packed.load(Ordering::Relaxed), self.unpacked);
        if unpacked > BOMB_BYTES && unpacked / packed.max(1) > BOMB_RATIO {
            return Err(io::Error::other(Bomb { packed, unpacked }));
        }
        Ok(count)
    }
}

/// Copies up to `limit` bytes; true where there was more.
pub fn copy(from: &mut dyn Read, to: &mut File, limit: u64, path: &Path, unreadable: impl Fn(&io::Error) -> Error) -> Result<bool> {
    let mut chunk = vec![0; 1 << 18];
    let mut copied = 0;
    loop {
        let count = crate::tree::read_fully(from, &mut chunk).map_err(|error| unreadable(&error))?;
        to.write_all(&chunk[..count]).map_err(|error| storage(path, &error))?;
        copied += count as u64;
        if count < chunk.len() {
            return Ok(false);
        }
        if copied >= limit {
            return Ok(true);
        }
    }
}

pub fn io_error(error: zip::result::ZipError) -> io::Error {
    use zip::result::ZipError;
    match error {
        ZipError::Io(error) => error,
        ZipError::CompressionMethodNotSupported(method) => io::Error::other(format!("its compression method {method} is not supported")),
        other => io::Error::other(other.to_string()),
    }
}
