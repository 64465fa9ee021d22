//! Archives read in place: which kind a file is, a file handle that many threads read at their own positions, and limits on unpacking.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result, storage};
use crate::packed::{Packing, packing, unpack};

/// Data that unpacks to more than this many bytes ...
pub const BOMB_BYTES: u64 = 256 << 20;
/// ... and to more than this many times its size, was made to fill a disk: real data is far from it.
pub const BOMB_RATIO: u64 = 200;

pub enum Kind {
    Zip,
    Tar,
    CompressedTar(Packing),
    /// Known, but not read.
    Unsupported(&'static str),
    None,
}

/// A file read at a position of one's own; clones share the handle, not the position.
#[derive(Clone)]
pub struct SharedFile {
    file: Arc<File>,
    /// Where it begins in the file.
    base: u64,
    length: u64,
    position: u64,
}

impl SharedFile {
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok(Self { file: Arc::new(file), base: 0, length, position: 0 })
    }

    pub fn seek_to(&mut self, position: u64) {
        self.position = position;
    }

    pub fn len(&self) -> u64 {
        self.length
    }

    /// A part of it as a file of its own.
    pub fn part(&self, start: u64, length: u64) -> Self {
        let start = start.min(self.length);
        Self { file: self.file.clone(), base: self.base + start, length: length.min(self.length - start), position: 0 }
    }
}

impl Read for SharedFile {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.length.saturating_sub(self.position)).unwrap_or(usize::MAX).min(target.len());
        if most == 0 {
            return Ok(0);
        }
        let (target, at) = (&mut target[..most], self.base + self.position);
        #[cfg(unix)]
        let count = std::os::unix::fs::FileExt::read_at(&*self.file, target, at)?;
        #[cfg(windows)]
        let count = std::os::windows::fs::FileExt::seek_read(&*self.file, target, at)?;
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
    if let Some(packing) = packing(&head[..found]) {
        let mut inner = [0; 512];
        let found = unpack(packing, file.clone()).map_or(0, |mut inside| crate::tree::read_fully(&mut inside, &mut inner).unwrap_or(0));
        return if is_tar(&inner[..found]) { Kind::CompressedTar(packing) } else { Kind::None };
    }
    match &head[..found.min(6)] {
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Kind::Zip,
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
    let ends = [".zip", ".npz", ".tar", ".tgz", ".txz", ".tbz2", ".tzst", ".gz", ".xz", ".bz2", ".7z", ".rar", ".zst", ".zstd"];
    ends.iter().any(|end| name.ends_with(end)) || part_of(&name).is_some()
}

/// The whole that a file is a part of by its name, and how parts are joined: `data.zip.001`, `data.z01`, `data.tar.gz.aa`, `data.part1.rar`.
pub fn part_of(name: &str) -> Option<(String, &'static str)> {
    let lower = name.to_lowercase();
    let (stem, last) = lower.rsplit_once('.')?;
    let whole = |length: usize| name.get(..length).unwrap_or_default().to_owned();
    let of_archive = [".zip", ".7z", ".tar", ".gz", ".tgz", ".xz", ".bz2", ".zst"].iter().any(|end| stem.ends_with(end));
    let is_number = last.len() >= 2 && last.bytes().all(|byte| byte.is_ascii_digit());
    let last = last.strip_prefix("part-").or_else(|| last.strip_prefix("part")).filter(|rest| !rest.is_empty()).unwrap_or(last);
    let is_letters = (2..=3).contains(&last.len()) && last.starts_with('a') && last.bytes().all(|byte| byte.is_ascii_lowercase());
    let numbered = last.len() >= 2 && last.bytes().all(|byte| byte.is_ascii_digit());
    if of_archive && (is_number || is_letters || numbered) {
        return Some((
            whole(stem.len()),
            "join them, in the order of their names, into one file (cat on Linux and macOS, copy /b on Windows)",
        ));
    }
    if last.len() >= 3 && last.starts_with('z') && last[1..].bytes().all(|byte| byte.is_ascii_digit()) {
        return Some((format!("{}.zip", whole(stem.len())), "join them with \"zip -s 0\", or unpack them with 7-Zip"));
    }
    let is_rar = last == "rar" && stem.rsplit_once(".part").is_some_and(|(_, number)| number.parse::<u32>().is_ok());
    is_rar.then(|| (whole(stem.rfind(".part").unwrap_or(stem.len())), "unpack them"))
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
