//! The files that a user gave, as one tree: files, folders and archives alike, found by name and read as streams.
//!
//! Nothing is ever extracted under a name that a file or an archive chose: zip and tar members are read in place, a compressed tar is
//! unpacked into one scratch file of our own name. So a member called `../x` has nowhere to go; it is reported and left out all the same.
//! Symbolic links are followed while they stay inside the folder that was given.

mod archives;
mod listing;
mod parts;

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::account::{Account, Unit};
use crate::archive::{self, SharedFile};
use crate::containers::Part;
use crate::encoding::{Decoded, encoding_of};
use crate::error::{Error, Place, Problem, Result, refuse};
use crate::member_names::NameEncoding;
use crate::packed::{self, packing, plain_name, unpack};
use crate::shards::Shard;
use archives::bomb;
use listing::stem_of;

const HIDDEN: &str = "hidden";

enum Location {
    File(PathBuf),
    Zip {
        archive: usize,
        index: usize,
    },
    Tar {
        archive: usize,
        offset: u64,
        size: u64,
    },
    /// An array in another file.
    Part(Arc<Part>),
}

/// A file of the tree. Its name is relative to what was given, with `/` between its parts.
pub struct Entry {
    pub name: String,
    /// The split that another file tells of, where one does.
    pub split: Option<String>,
    location: Location,
    /// A tar that is read as a file.
    pub shard: Option<Shard>,
    /// Why it is not read, the end of a sentence that starts with the file.
    pub refused: Option<String>,
}

impl Entry {
    fn new(name: String, location: Location) -> Self {
        Self { name, location, split: None, shard: None, refused: None }
    }

    /// Last part of the name.
    pub fn file_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or_default()
    }

    /// All but the last part, without the `/`.
    pub fn folder(&self) -> &str {
        self.name.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Lower case, without the dot; that before `.gz` and its like where there is one.
    pub fn extension(&self) -> String {
        extension_of(self.file_name())
    }

    /// Named as a compressed file.
    pub fn is_packed(&self) -> bool {
        plain_name(&self.name) != self.name
    }

    /// File name without its extension.
    pub fn stem(&self) -> &str {
        let name = self.file_name();
        name.split('.').next().filter(|stem| !stem.is_empty()).unwrap_or(name)
    }
}

/// Code of the note that an archive beside other files is not unpacked.
pub const ARCHIVE_BESIDE: &str = "archive-beside";

/// A folder of our own for what has to be unpacked; made when it is first needed, removed with this value.
pub struct Scratch {
    folder: PathBuf,
    /// Bytes after which unpacking ends early.
    limit: u64,
    unpacked: AtomicU64,
    /// Something was unpacked in part.
    cut: AtomicBool,
}

impl Scratch {
    pub fn new(folder: impl Into<PathBuf>, limit: u64) -> Self {
        Self { folder: folder.into(), limit, unpacked: AtomicU64::default(), cut: AtomicBool::default() }
    }

    /// Writes a stream into a file of ours, as far as the limit for all of them goes.
    fn keep(&self, name: &str, stream: &mut dyn Read, unreadable: impl Fn(&std::io::Error) -> Error) -> Result<PathBuf> {
        let (path, mut file) = self.create(name)?;
        let left = self.limit.saturating_sub(self.unpacked.load(Ordering::Relaxed));
        if archive::copy(stream, &mut file, left, &path, unreadable)? {
            self.cut.store(true, Ordering::Relaxed);
        }
        self.unpacked.fetch_add(fs::metadata(&path).map_or(0, |metadata| metadata.len()), Ordering::Relaxed);
        Ok(path)
    }

    fn create(&self, name: &str) -> Result<(PathBuf, File)> {
        let path = self.folder.join(name);
        let made = fs::create_dir_all(&self.folder).and_then(|()| File::create(&path));
        made.map(|file| (path.clone(), file)).map_err(|error| crate::error::storage(&path, &error))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Choices for how files are listed and read.
#[derive(Default)]
pub struct Listing {
    /// Tars of samples are folders too.
    pub expands: bool,
    /// Of names in a zip that are not UTF-8.
    pub names: Option<NameEncoding>,
    /// Of a cache of Hugging Face with several datasets or revisions, begins with the folder of one.
    pub chosen: Option<String>,
    /// Of tables and lists that are no UTF-8, by its name.
    pub encoding: Option<String>,
}

pub struct Tree {
    pub entries: Vec<Entry>,
    archives: Vec<archives::Archive>,
    /// Names of folders without any file.
    pub empty_folders: Vec<String>,
    /// Links that lead outside, names that cannot be used, and their like.
    pub problems: Vec<Problem>,
    /// What became no entry.
    pub left_out: Account,
    listing: Listing,
    /// Archives around that which is listed.
    inner: usize,
    /// Real folders that were given, and the blobs of their cache, for links and for the files that a table names.
    roots: Vec<PathBuf>,
    /// Archives that were found in a folder.
    waiting: Vec<(PathBuf, String)>,
    /// The same in folders below.
    below: Vec<(PathBuf, String)>,
    /// NumPy's .npz in folders below.
    nested: Vec<(PathBuf, String)>,
    scratch: Scratch,
    /// Folders were chosen, and nothing outside them counts.
    is_closed: bool,
}

impl Tree {
    /// Lists everything below `paths`; archives among them, or directly in a folder among them, count as folders, other than tars that are
    /// shards of samples.
    pub fn open(paths: &[PathBuf], scratch: Scratch) -> Result<Self> {
        Self::open_as(paths, scratch, Listing::default())
    }

    pub fn open_as(paths: &[PathBuf], scratch: Scratch, listing: Listing) -> Result<Self> {
        let mut tree = Self {
            entries: vec![],
            archives: vec![],
            empty_folders: vec![],
            problems: vec![],
            left_out: Account::default(),
            listing,
            inner: 0,
            roots: vec![],
            waiting: vec![],
            below: vec![],
            nested: vec![],
            scratch,
            is_closed: false,
        };
        for path in paths {
            let prefix = if paths.len() == 1 { String::new() } else { stem_of(path) };
            tree.add_given(path, &prefix)?;
            tree.add_waiting()?;
        }
        tree.open_containers()?;
        tree.open_stl()?;
        tree.entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(tree)
    }

    /// Keeps those entries alone that stay; tables find no others.
    pub fn keep(&mut self, stays: &[bool], why: &str) {
        let mut stays = stays.iter();
        let out = self.entries.extract_if(.., |_| stays.next() != Some(&true));
        out.for_each(|entry| self.left_out.add(Unit::Files, false, why, &entry.name));
        self.is_closed = true;
    }

    /// An archive was so large that only its first part was looked at.
    pub fn is_partial(&self) -> bool {
        self.scratch.cut.load(Ordering::Relaxed)
    }

    /// The path or archive member, for messages.
    pub fn display(&self, entry: &Entry) -> String {
        match &entry.location {
            Location::File(path) => path.display().to_string(),
            Location::Part(part) => format!("{}: {}", part.shown, entry.stem()),
            Location::Zip { archive, .. } | Location::Tar { archive, .. } => {
                let member = entry.name.clone();
                format!("{}: {member}", self.archives[*archive].path.display())
            }
        }
    }

    pub fn place(&self, entry: &Entry) -> Place {
        Place::file(self.display(entry))
    }

    /// Size in bytes; of a gzip file that of its content, as its end says.
    pub fn size(&self, entry: &Entry) -> u64 {
        match &entry.location {
            Location::File(path) if entry.name.ends_with(".gz") => archive::unpacked_size(path).unwrap_or(0),
            Location::File(path) => fs::metadata(path).map_or(0, |metadata| metadata.len()),
            Location::Zip { archive, index } => {
                let data = self.archives[*archive].zip.as_ref().and_then(|zip| zip.by_index_data(*index).ok().map(|data| data.size()));
                data.unwrap_or(0)
            }
            Location::Tar { size, .. } => *size,
            Location::Part(part) => part.size(),
        }
    }

    /// Gives `read` the content as a stream, unpacked where it is a gzip file.
    pub fn read<T>(&self, entry: &Entry, read: impl FnOnce(&mut dyn Read) -> Result<T>) -> Result<T> {
        if let Location::File(path) = &entry.location
            && entry.name.ends_with(".gz")
        {
            let (packed, unpacked) = (fs::metadata(path).map_or(0, |metadata| metadata.len()), self.size(entry));
            if unpacked > archive::BOMB_BYTES && unpacked / packed.max(1) > archive::BOMB_RATIO {
                return Err(bomb(path, &format!("{packed} bytes would unpack to {unpacked}")));
            }
        }
        self.read_stored(entry, |stored| {
            let mut stored = BufReader::with_capacity(1 << 16, stored);
            let mut start = [0; 6];
            let found = read_fully(&mut stored, &mut start).map_err(|e| self.unreadable(entry, &e))?;
            let mut whole = (&start[..found]).chain(stored);
            // Other kinds are unpacked where the name says so: text may begin with BZh.
            let packing = packing(&start[..found]).filter(|packing| *packing == packed::Packing::Gzip || entry.is_packed());
            let Some(packing) = packing else { return read(&mut whole) };
            let counted = archive::Counted::new(whole);
            let read_so_far = counted.count.clone();
            let unpacked = unpack(packing, counted).map_err(|error| self.unreadable(entry, &error))?;
            read(&mut BufReader::with_capacity(1 << 16, archive::Guarded::new(unpacked, read_so_far)))
        })
    }

    /// As `read`, as UTF-8 without its mark, whatever the file is encoded in.
    pub fn read_text<T>(&self, entry: &Entry, read: impl FnOnce(&mut dyn Read) -> Result<T>) -> Result<T> {
        self.read(entry, |stream| {
            let mut head = vec![0; 1 << 12];
            let found = read_fully(stream, &mut head).map_err(|error| self.unreadable(entry, &error))?;
            head.truncate(found);
            let start = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head);
            match encoding_of(&head, self.listing.encoding.as_deref())? {
                None => read(&mut start.chain(stream)),
                Some(encoding) => read(&mut Decoded::new(head.as_slice().chain(stream), encoding, false)),
            }
        })
    }

    /// The content as a file to be read at many places: in place where it can be, else unpacked into the scratch folder once.
    pub fn unpacked(&self, entry: &Entry) -> Result<SharedFile> {
        let failed = |error: std::io::Error| self.unreadable(entry, &error);
        let in_place = match &entry.location {
            Location::File(path) => Some(SharedFile::open(path).map_err(failed)?),
            Location::Tar { archive, offset, size } => Some(self.archives[*archive].file.part(*offset, *size)),
            Location::Zip { .. } | Location::Part(_) => None,
        };
        if let Some(file) = in_place {
            let mut start = [0; 6];
            let found = read_fully(&mut file.clone(), &mut start).map_err(failed)?;
            if packing(&start[..found]).is_none() {
                return Ok(file);
            }
        }
        let name = format!("shard-{}", blake3::hash(entry.name.as_bytes()).to_hex());
        let kept = self.scratch.folder.join(&name);
        let path = match kept.is_file() {
            true => kept,
            false => self.read(entry, |stream| self.scratch.keep(&name, stream, |error| self.unreadable(entry, error)))?,
        };
        SharedFile::open(&path).map_err(failed)
    }

    /// The whole content, which must not be larger than `limit`.
    pub fn read_all(&self, entry: &Entry, limit: usize) -> Result<Vec<u8>> {
        self.read(entry, |stream| {
            let mut bytes = Vec::new();
            let read = stream.take(limit as u64 + 1).read_to_end(&mut bytes);
            read.map_err(|error| self.unreadable(entry, &error))?;
            if bytes.len() > limit {
                let sentence = format!("{} is larger than {} MiB, too large for such a file", self.display(entry), limit >> 20);
                return refuse("too-large", sentence, self.place(entry));
            }
            Ok(bytes)
        })
    }

    /// The first bytes, at most `length`.
    pub fn head(&self, entry: &Entry, length: usize) -> Result<Vec<u8>> {
        self.read(entry, |stream| {
            let mut head = vec![0; length];
            let found = read_fully(stream, &mut head).map_err(|error| self.unreadable(entry, &error))?;
            head.truncate(found);
            Ok(head)
        })
    }

    /// A real file with this content, for readers that seek; unpacked into the scratch folder where it lies in an archive.
    pub fn seekable(&self, entry: &Entry) -> Result<File> {
        if let Location::File(path) = &entry.location {
            return File::open(path).map_err(|error| self.unreadable(entry, &error));
        }
        let (path, mut file) = self.scratch.create(&format!("member-{}", blake3::hash(entry.name.as_bytes()).to_hex()))?;
        self.read(entry, |stream| archive::copy(stream, &mut file, u64::MAX, &path, |error| self.unreadable(entry, error)))?;
        File::open(&path).map_err(|error| self.unreadable(entry, &error))
    }

    /// Error of a file that could not be read.
    pub fn unreadable(&self, entry: &Entry, error: &std::io::Error) -> Error {
        let file = self.display(entry);
        if archive::is_bomb(error) {
            return bomb(Path::new(&file), &error.to_string());
        }
        Problem::error("unreadable-file", format!("{file} cannot be read: {}", reason(error))).at(Place::file(file)).into()
    }

    /// Adds the file that a table at `beside` names, where it lies inside the table's folder; `None` where it does not exist.
    pub fn resolve(&self, beside: &Entry, name: &str) -> Result<Option<Entry>> {
        let Location::File(table) = &beside.location else { return Ok(None) };
        if self.is_closed {
            return Ok(None);
        }
        let Some(folder) = table.parent() else { return Ok(None) };
        let Ok(real) = folder.join(name).canonicalize() else { return Ok(None) };
        let root = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        if !real.starts_with(&root) && !self.roots.iter().any(|root| real.starts_with(root)) {
            let sentence = format!("{} names {name:?}, which lies outside its folder", self.display(beside));
            return refuse("unsafe-path", sentence, self.place(beside));
        }
        Ok(real.is_file().then(|| Entry::new(name.to_owned(), Location::File(real))))
    }

    fn read_stored<T>(&self, entry: &Entry, read: impl FnOnce(&mut dyn Read) -> Result<T>) -> Result<T> {
        match &entry.location {
            Location::File(path) => read(&mut File::open(path).map_err(|error| self.unreadable(entry, &error))?),
            Location::Part(part) => read(&mut part.stream().map_err(|error| self.unreadable(entry, &error))?),
            Location::Tar { archive, offset, size } => {
                let mut file = self.archives[*archive].file.clone();
                file.seek_to(*offset);
                read(&mut file.take(*size))
            }
            Location::Zip { archive, index } => {
                let Some(zip) = &self.archives[*archive].zip else { return Err(Error::Internal("a zip member of no zip".into())) };
                let mut zip = zip.clone();
                let member = zip.by_index(*index).map_err(|error| self.unreadable(entry, &archive::io_error(error)))?;
                let size = member.size();
                let compressed = member.compressed_size();
                read(&mut archive::Guarded::fixed(member.take(size), compressed))
            }
        }
    }
}

fn extension_of(name: &str) -> String {
    let name = name.to_lowercase();
    plain_name(&name).rsplit_once('.').map_or(String::new(), |(_, extension)| extension.to_owned())
}

/// Fills `target` as far as the stream goes.
pub fn read_fully(stream: &mut dyn Read, target: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < target.len() {
        match stream.read(&mut target[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// A system's refusal in words.
pub fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        std::io::ErrorKind::NotFound => "it does not exist".into(),
        std::io::ErrorKind::UnexpectedEof => "it ends too early".into(),
        _ => error.to_string(),
    }
}

/// Shared by the threads of an import.
pub type SharedTree = Arc<Tree>;
