//! Writes the arrays of a dataset so that an import can go on after it was cut off: files only grow, and a journal says how far they are
//! whole. Layout of a split: labels.npy (int64 [n]) with images.npy (uint8 [n,C,H,W]), or with index.npy (uint64 [n,3]: shard, offset,
//! length) and images-NNNNN.bin; tokens.npy (uint16 or uint32 [n]).

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result, storage};
use crate::npy::write_header;

/// Between two marks of the journal.
const MARK_EVERY: Duration = Duration::from_millis(250);

/// A shard of encoded images is closed behind this size.
const SHARD_BYTES: u64 = 1 << 30;

/// The folder that is written, and the name it will have, for messages.
#[derive(Clone)]
pub struct Target {
    pub folder: PathBuf,
    pub shown: PathBuf,
}

impl Target {
    pub fn failed(&self, error: &std::io::Error) -> Error {
        storage(&self.shown, error)
    }
}

/// A .npy file that grows; its header is written when it is finished.
pub struct ArrayWriter {
    file: BufWriter<File>,
    /// Of all rows so far.
    hasher: Box<blake3::Hasher>,
    target: Target,
    descr: &'static str,
    /// Extents behind the first axis.
    sample: Vec<usize>,
    pub count: u64,
    row_bytes: u64,
}

/// Of a .npy file, bytes.
pub const HEADER: u64 = 128;

impl ArrayWriter {
    /// Opens a file that has `count` whole rows, cutting off what lies behind.
    pub fn open(target: &Target, name: &str, descr: &'static str, sample: &[usize], count: u64) -> Result<Self> {
        let element: u64 = descr[2..].parse().unwrap_or(1);
        let row_bytes = element * sample.iter().map(|extent| *extent as u64).product::<u64>();
        let mut hasher = Box::<blake3::Hasher>::default();
        let file = grown(target, name, HEADER..HEADER + count * row_bytes, &mut hasher)?;
        Ok(Self { file, hasher, target: target.clone(), descr, sample: sample.to_vec(), count, row_bytes })
    }

    /// Appends whole rows.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.hasher.update(bytes);
        self.file.write_all(bytes).map_err(|error| self.target.failed(&error))?;
        self.count += bytes.len() as u64 / self.row_bytes.max(1);
        Ok(())
    }

    /// The file with all rows so far in it, for a mark of the journal.
    pub fn flushed(&mut self) -> Result<File> {
        flushed(&mut self.file).map_err(|error| self.target.failed(&error))
    }

    /// Returns the hash of its content.
    pub fn finish(mut self) -> Result<blake3::Hash> {
        let shape: Vec<usize> = std::iter::once(self.count as usize).chain(self.sample.iter().copied()).collect();
        let header = write_header(self.descr, &shape);
        let write = |file: &mut BufWriter<File>| {
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&header)?;
            file.flush()
        };
        write(&mut self.file).map_err(|error| self.target.failed(&error))?;
        Ok(self.hasher.update(&header).finalize())
    }
}

fn flushed(file: &mut BufWriter<File>) -> std::io::Result<File> {
    file.flush()?;
    file.get_ref().try_clone()
}

/// A file that ends where `kept` does, longer ones cut, positioned at its end. Its kept part goes into the hasher.
fn grown(target: &Target, name: &str, kept: Range<u64>, hasher: &mut blake3::Hasher) -> Result<BufWriter<File>> {
    let path = target.folder.join(name);
    let mut open = || {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path)?;
        file.set_len(kept.end)?;
        file.seek(SeekFrom::Start(kept.start))?;
        hasher.update_reader(&file)?;
        Ok(BufWriter::with_capacity(1 << 16, file))
    };
    open().map_err(|error: std::io::Error| target.failed(&error))
}

/// Encoded images one behind the other in shards, with an index.
pub struct ShardWriter {
    index: ArrayWriter,
    shard: BufWriter<File>,
    /// Of the images of all shards so far.
    hasher: Box<blake3::Hasher>,
    /// Shards that were closed since the last mark.
    closed: Vec<File>,
    target: Target,
    split: &'static str,
    pub position: ShardPosition,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, serde::Deserialize)]
pub struct ShardPosition {
    pub shard: u64,
    pub length: u64,
}

/// In the folder of its split.
pub fn shard_file(shard: u64) -> String {
    format!("images-{shard:05}.bin")
}

fn shard_name(split: &str, shard: u64) -> String {
    format!("{split}/{}", shard_file(shard))
}

impl ShardWriter {
    pub fn open(target: &Target, split: &'static str, count: u64, position: ShardPosition) -> Result<Self> {
        let index = ArrayWriter::open(target, &format!("{split}/index.npy"), "<u8", &[3], count)?;
        let mut hasher = Box::<blake3::Hasher>::default();
        for closed in 0..position.shard {
            let mut read = || hasher.update_reader(File::open(target.folder.join(shard_name(split, closed)))?).map(|_| ());
            read().map_err(|error: std::io::Error| target.failed(&error))?;
        }
        let shard = grown(target, &shard_name(split, position.shard), 0..position.length, &mut hasher)?;
        // What a run that was cut off wrote behind the last mark.
        for later in position.shard + 1.. {
            if fs::remove_file(target.folder.join(shard_name(split, later))).is_err() {
                break;
            }
        }
        Ok(Self { index, shard, hasher, closed: Vec::new(), target: target.clone(), split, position })
    }

    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        if self.position.length > 0 && self.position.length + bytes.len() as u64 > SHARD_BYTES {
            self.closed.push(flushed(&mut self.shard).map_err(|error| self.target.failed(&error))?);
            self.position = ShardPosition { shard: self.position.shard + 1, length: 0 };
            self.shard = grown(&self.target, &shard_name(self.split, self.position.shard), 0..0, &mut self.hasher)?;
        }
        let row = [self.position.shard, self.position.length, bytes.len() as u64];
        self.hasher.update(bytes);
        self.shard.write_all(bytes).map_err(|error| self.target.failed(&error))?;
        self.position.length += bytes.len() as u64;
        self.index.append(&row.map(u64::to_le_bytes).concat())
    }

    /// Its files with all images so far in them, for a mark of the journal.
    pub fn flushed(&mut self) -> Result<Vec<File>> {
        let shard = flushed(&mut self.shard).map_err(|error| self.target.failed(&error))?;
        Ok(self.closed.drain(..).chain([shard, self.index.flushed()?]).collect())
    }

    /// Returns the hashes of its images and of its index.
    pub fn finish(mut self) -> Result<[blake3::Hash; 2]> {
        self.shard.flush().map_err(|error| self.target.failed(&error))?;
        Ok([self.hasher.finalize(), self.index.finish()?])
    }
}

/// Makes the folder and takes it for this process; the lock goes with the value.
pub fn lock(target: &Target) -> Result<File> {
    let open = || {
        fs::create_dir_all(&target.folder)?;
        File::create(target.folder.join("lock"))
    };
    let file = open().map_err(|error| target.failed(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Error::Conflict(format!("{} is being imported already", target.shown.display()))),
        Err(fs::TryLockError::Error(error)) => Err(target.failed(&error)),
    }
}

/// The journal of an import that was cut off, where it is of this import; anything else that lies there is removed.
pub fn resume<T: DeserializeOwned>(target: &Target, is_of_this: impl Fn(&T) -> bool) -> Option<T> {
    let journal = fs::read(target.folder.join("journal.json")).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let kept = journal.filter(is_of_this);
    if kept.is_none() {
        forget_journal(target);
        let _ = fs::remove_file(target.folder.join("tokenizer.json"));
        for split in ["train", "test"] {
            let _ = fs::remove_dir_all(target.folder.join(split));
        }
    }
    kept
}

pub fn forget_journal(target: &Target) {
    let _ = fs::remove_file(target.folder.join("journal.json"));
}

/// Says how far the files are whole.
pub fn write_journal(target: &Target, journal: &impl Serialize) -> Result<()> {
    replace_journal(&target.folder, &text_of(journal)?).map_err(|error| target.failed(&error))
}

fn text_of(journal: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(journal).map_err(|error| Error::Internal(error.to_string()))
}

fn replace_journal(folder: &Path, text: &[u8]) -> std::io::Result<()> {
    let next = folder.join("journal.next");
    fs::write(&next, text)?;
    fs::rename(&next, folder.join("journal.json"))
}

/// Marks in the journal how far an import is, several times a second, while the import goes on: the disk is waited for by a thread of its own.
pub struct Marker {
    target: Target,
    last: Instant,
    running: Option<JoinHandle<std::io::Result<()>>>,
}

impl Marker {
    pub fn new(target: &Target) -> Self {
        Self { target: target.clone(), last: Instant::now(), running: None }
    }

    pub fn is_due(&self) -> bool {
        self.last.elapsed() >= MARK_EVERY && self.running.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Writes the journal as it is now when what is in the files now is on the disk.
    pub fn mark(&mut self, files: Vec<File>, journal: &impl Serialize) -> Result<()> {
        self.wait()?;
        let (text, folder) = (text_of(journal)?, self.target.folder.clone());
        self.last = Instant::now();
        self.running = Some(std::thread::spawn(move || {
            files.iter().try_for_each(File::sync_data)?;
            replace_journal(&folder, &text)
        }));
        Ok(())
    }

    /// Waits for the mark that is being made.
    pub fn wait(&mut self) -> Result<()> {
        let done = self.running.take().map_or(Ok(Ok(())), JoinHandle::join);
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map_err(|error| self.target.failed(&error))
    }
}

impl Drop for Marker {
    /// Nothing is written into the folder any more when an import has ended, however it did.
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            let _ = running.join();
        }
    }
}

/// A file of the dataset and its size, as the manifest lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Written {
    pub path: String,
    pub bytes: u64,
}

/// The data files of the folder in order of name; all of it is on the disk afterwards.
pub fn settle(target: &Target) -> Result<Vec<Written>> {
    let mut files = Vec::new();
    let mut list = || {
        for split in ["test", "train"] {
            for item in fs::read_dir(target.folder.join(split))? {
                let item = item?;
                // Some systems sync only what is open for writing.
                let file = OpenOptions::new().write(true).open(item.path())?;
                file.sync_all()?;
                let path = format!("{split}/{}", item.file_name().to_string_lossy());
                files.push(Written { path, bytes: file.metadata()?.len() });
            }
        }
        Ok(())
    };
    list().map_err(|error: std::io::Error| target.failed(&error))?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Of the content of all files.
pub fn fingerprint(hashes: &[blake3::Hash]) -> String {
    let mut hasher = blake3::Hasher::new();
    hashes.iter().for_each(|hash| {
        hasher.update(hash.as_bytes());
    });
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_gone_on_with_have_the_hash_of_such_as_were_written_at_once() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [whole, cut] = folders.each_ref().map(|folder| Target { folder: folder.path().into(), shown: folder.path().into() });
        let images = [vec![1; 300], vec![2; 70_000], vec![3; 5]];
        let write = |target: &Target, count: u64, position, images: &[Vec<u8>]| {
            let mut writer = ShardWriter::open(target, "train", count, position).unwrap();
            images.iter().for_each(|image| writer.append(image).unwrap());
            writer.flushed().unwrap();
            (writer.position, writer.finish().unwrap())
        };
        let (_, expected) = write(&whole, 0, ShardPosition::default(), &images);
        let (position, _) = write(&cut, 0, ShardPosition::default(), &images[..2]);
        // Behind the last mark there may be more.
        let mut shard = OpenOptions::new().append(true).open(cut.folder.join("train/images-00000.bin")).unwrap();
        shard.write_all(b"not marked").unwrap();
        assert_eq!(write(&cut, 2, position, &images[2..]).1, expected);
        // A shard that is closed counts as well.
        let closed = ShardPosition { shard: 1, length: 0 };
        assert_eq!(write(&cut, 3, closed, &[]).1[0], expected[0]);
        assert_ne!(write(&cut, 0, ShardPosition::default(), &images[1..]).1, expected);
    }
}
