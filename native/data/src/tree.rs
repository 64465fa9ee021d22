//! The files that a user gave, as one tree: files, folders and archives alike, found by name and read as streams.
//!
//! Nothing is ever extracted under a name that a file or an archive chose: zip and tar members are read in place, a compressed tar is
//! unpacked into one scratch file of our own name. So a member called `../x` has nowhere to go; it is reported and left out all the same.
//! Symbolic links are followed while they stay inside the folder that was given.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use crate::account::{Account, Unit};
use crate::archive::{self, Kind, SharedFile};
use crate::error::{Error, Place, Problem, Result, refuse};
use crate::sniff::{is_image_extension, is_other_image_extension};

/// A folder inside a folder inside ... ends here.
const MAX_DEPTH: usize = 32;

const HIDDEN: &str = "hidden";

enum Location {
    File(PathBuf),
    Zip { archive: usize, index: usize },
    Tar { archive: usize, offset: u64, size: u64 },
}

/// A file of the tree. Its name is relative to what was given, with `/` between its parts.
pub struct Entry {
    pub name: String,
    location: Location,
}

impl Entry {
    /// Last part of the name.
    pub fn file_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or_default()
    }

    /// All but the last part, without the `/`.
    pub fn folder(&self) -> &str {
        self.name.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Lower case, without the dot; that before `.gz` where there is one.
    pub fn extension(&self) -> String {
        let name = self.file_name().to_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        name.rsplit_once('.').map_or(String::new(), |(_, extension)| extension.to_owned())
    }

    /// File name without its extension.
    pub fn stem(&self) -> &str {
        let name = self.file_name();
        name.split('.').next().filter(|stem| !stem.is_empty()).unwrap_or(name)
    }
}

struct Archive {
    path: PathBuf,
    /// The archive itself, or for a compressed tar what it was unpacked into.
    file: SharedFile,
    zip: Option<zip::ZipArchive<SharedFile>>,
}

/// A folder of our own for what has to be unpacked; made when it is first needed, removed with this value.
pub struct Scratch {
    folder: PathBuf,
    /// Bytes after which unpacking ends early.
    limit: u64,
}

impl Scratch {
    pub fn new(folder: impl Into<PathBuf>, limit: u64) -> Self {
        Self { folder: folder.into(), limit }
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

pub struct Tree {
    pub entries: Vec<Entry>,
    archives: Vec<Archive>,
    /// Names of folders without any file.
    pub empty_folders: Vec<String>,
    /// Links that lead outside, names that cannot be used, and their like.
    pub problems: Vec<Problem>,
    /// What became no entry.
    pub left_out: Account,
    /// An archive was so large that only its first part was looked at.
    pub partial: bool,
    /// Real folders that were given, for links and for the files that a table names.
    roots: Vec<PathBuf>,
    /// Archives that were found in a folder.
    waiting: Vec<(PathBuf, String)>,
    scratch: Scratch,
}

impl Tree {
    /// Lists everything below `paths`; archives among them, or directly in a folder among them, count as folders.
    pub fn open(paths: &[PathBuf], scratch: Scratch) -> Result<Self> {
        let mut tree = Self {
            entries: vec![],
            archives: vec![],
            empty_folders: vec![],
            problems: vec![],
            left_out: Account::default(),
            partial: false,
            roots: vec![],
            waiting: vec![],
            scratch,
        };
        for path in paths {
            let prefix = if paths.len() == 1 { String::new() } else { stem_of(path) };
            tree.add_given(path, &prefix)?;
            tree.add_waiting()?;
        }
        tree.entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(tree)
    }

    /// The path or archive member, for messages.
    pub fn display(&self, entry: &Entry) -> String {
        match &entry.location {
            Location::File(path) => path.display().to_string(),
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
            let mut start = [0; 2];
            let found = read_fully(&mut stored, &mut start).map_err(|e| self.unreadable(entry, &e))?;
            let mut whole = (&start[..found]).chain(stored);
            if start[..found] != [0x1f, 0x8b] {
                return read(&mut whole);
            }
            let counted = archive::Counted::new(whole);
            let read_so_far = counted.count.clone();
            let unpacked = MultiGzDecoder::new(BufReader::with_capacity(1 << 16, counted));
            read(&mut BufReader::with_capacity(1 << 16, archive::Guarded::new(unpacked, read_so_far)))
        })
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
        let Some(folder) = table.parent() else { return Ok(None) };
        let Ok(real) = folder.join(name).canonicalize() else { return Ok(None) };
        let root = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        if !real.starts_with(&root) && !self.roots.iter().any(|root| real.starts_with(root)) {
            let sentence = format!("{} names {name:?}, which lies outside its folder", self.display(beside));
            return refuse("unsafe-path", sentence, self.place(beside));
        }
        Ok(real.is_file().then(|| Entry { name: name.to_owned(), location: Location::File(real) }))
    }

    fn read_stored<T>(&self, entry: &Entry, read: impl FnOnce(&mut dyn Read) -> Result<T>) -> Result<T> {
        match &entry.location {
            Location::File(path) => read(&mut File::open(path).map_err(|error| self.unreadable(entry, &error))?),
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

    fn add_given(&mut self, path: &Path, prefix: &str) -> Result<()> {
        let shown = path.display();
        let metadata = fs::metadata(path).map_err(|error| {
            let sentence = match error.kind() {
                std::io::ErrorKind::NotFound => format!("{shown} does not exist"),
                _ => format!("{shown} cannot be read: {}", reason(&error)),
            };
            Error::from(Problem::error("missing-file", sentence).at(Place::file(shown.to_string())))
        })?;
        if metadata.is_dir() {
            let root = path.canonicalize().map_err(|error| not_listed(path, &error))?;
            self.roots.push(root.clone());
            return self.walk(path, prefix, 0, &root, &mut HashSet::from([root.clone()]));
        }
        if !metadata.is_file() {
            return refuse("not-a-file", format!("{shown} is neither a file nor a folder"), Place::file(shown.to_string()));
        }
        if !self.add_archive(path, prefix)? {
            let name = file_name(path).unwrap_or_default();
            self.add(joined(prefix, &name), Location::File(path.to_owned()));
        }
        Ok(())
    }

    fn walk(&mut self, folder: &Path, prefix: &str, depth: usize, root: &Path, seen: &mut HashSet<PathBuf>) -> Result<()> {
        if depth > MAX_DEPTH {
            let sentence = format!("{} lies more than {MAX_DEPTH} folders deep and is left out", folder.display());
            self.report(Problem::warning("too-deep", sentence), folder);
            return Ok(());
        }
        let before = self.entries.len() + self.waiting.len();
        for item in fs::read_dir(folder).map_err(|error| not_listed(folder, &error))? {
            let item = item.map_err(|error| not_listed(folder, &error))?;
            let path = item.path();
            let Some(name) = file_name(&path) else {
                let sentence = format!("{} has a name that is not UTF-8 and is left out; rename it", path.display());
                self.report(Problem::warning("bad-name", sentence), &path);
                continue;
            };
            if is_hidden(&name) {
                self.left_out.add(Unit::Files, false, HIDDEN, &joined(prefix, &name));
                continue;
            }
            let kind = item.file_type().map_err(|error| not_listed(&path, &error))?;
            let (kind, path) = if kind.is_symlink() {
                match self.follow(&path, root, seen) {
                    Some((kind, real)) => (kind, real),
                    None => continue,
                }
            } else {
                (kind, path)
            };
            let name = joined(prefix, &name);
            if kind.is_dir() {
                self.walk(&path, &name, depth + 1, root, seen)?;
            } else if kind.is_file() {
                self.add_found(path, name, depth)?;
            } else {
                self.report(Problem::note("not-a-file", format!("{} is no ordinary file and is left out", path.display())), &path);
            }
        }
        if self.entries.len() + self.waiting.len() == before && !prefix.is_empty() {
            self.empty_folders.push(prefix.to_owned());
        }
        Ok(())
    }

    /// A file of a folder. Archives directly in the folder wait: beside unpacked data they are what it was unpacked from.
    fn add_found(&mut self, path: PathBuf, name: String, depth: usize) -> Result<()> {
        if depth == 0 && archive::looks_like_archive(&name) {
            let file = SharedFile::open(&path).map_err(|error| not_listed(&path, &error))?;
            if !matches!(archive::kind_of(&file), Kind::None) {
                self.waiting.push((path, name));
                return Ok(());
            }
        }
        self.add(name, Location::File(path));
        Ok(())
    }

    /// Adds the archives of a folder that holds nothing else, those of images beside tables, and NumPy's .npz in any case.
    fn add_waiting(&mut self) -> Result<()> {
        let said = ["md", "txt", "pdf", "html", "license", ""];
        let tables = ["csv", "tsv", "json", "jsonl"];
        let holds_only = |kinds: &[&str]| self.entries.iter().all(|entry| kinds.contains(&entry.extension().as_str()));
        let (alone, beside_tables) = (holds_only(&said), holds_only(&[&said[..], &tables].concat()));
        for (path, name) in std::mem::take(&mut self.waiting) {
            let before = self.entries.len();
            let mut added = alone || beside_tables || name.ends_with(".npz");
            if added {
                self.add_archive(&path, &without_extensions(&name))?;
            }
            // A packed copy of the tables is none of images.
            if added && !alone && !name.ends_with(".npz") {
                let is_image = |entry: &Entry| is_image_extension(&entry.extension()) || is_other_image_extension(&entry.extension());
                added = self.entries[before..].iter().any(is_image);
                self.entries.truncate(if added { self.entries.len() } else { before });
            }
            if !added {
                let sentence = format!("{} lies beside unpacked files and is left out; give it alone to import it", path.display());
                self.report(Problem::note("archive-beside", sentence), &path);
            }
        }
        Ok(())
    }

    /// What a link leads to, where that lies inside and was not seen before.
    fn follow(&mut self, link: &Path, root: &Path, seen: &mut HashSet<PathBuf>) -> Option<(fs::FileType, PathBuf)> {
        let shown = link.display();
        let Ok(real) = link.canonicalize() else {
            self.report(Problem::warning("broken-link", format!("{shown} is a link to nothing and is left out")), link);
            return None;
        };
        if !real.starts_with(root) {
            let sentence = format!("{shown} is a link out of the folder and is left out; copy its target into the folder");
            self.report(Problem::warning("link-outside", sentence), link);
            return None;
        }
        let kind = fs::metadata(&real).ok()?.file_type();
        // A folder that contains itself would never end.
        let fresh = !kind.is_dir() || (!link.starts_with(&real) && seen.insert(real.clone()));
        if !fresh {
            self.left_out.add(Unit::Files, false, "links to folders that are there already", &shown.to_string());
        }
        fresh.then_some((kind, real))
    }

    /// Adds the members of an archive as files below `prefix`; false where the file is none.
    fn add_archive(&mut self, path: &Path, prefix: &str) -> Result<bool> {
        let file = SharedFile::open(path).map_err(|error| not_listed(path, &error))?;
        match archive::kind_of(&file) {
            Kind::Zip => self.add_zip(path, file, prefix).map(|()| true),
            Kind::Tar => self.add_tar(path, file, prefix).map(|()| true),
            Kind::CompressedTar => {
                let (scratch, mut target) = self.scratch.create(&format!("unpacked-{}.tar", self.archives.len()))?;
                let counted = archive::Counted::new(file);
                let count = counted.count.clone();
                let unpacked = MultiGzDecoder::new(BufReader::with_capacity(1 << 18, counted));
                let mut guarded = archive::Guarded::new(unpacked, count);
                self.partial |= archive::copy(&mut guarded, &mut target, self.scratch.limit, &scratch, |error| damaged(path, error))?;
                drop(target);
                let file = SharedFile::open(&scratch).map_err(|error| not_listed(&scratch, &error))?;
                self.add_tar(path, file, prefix).map(|()| true)
            }
            Kind::Unsupported(name) => {
                let shown = path.display();
                let sentence = format!("{shown} is {name}, which cannot be read; unpack it and give the folder");
                refuse("unsupported-archive", sentence, Place::file(shown.to_string()))
            }
            Kind::None => Ok(false),
        }
    }

    fn add_zip(&mut self, path: &Path, file: SharedFile, prefix: &str) -> Result<()> {
        let mut zip = zip::ZipArchive::new(file.clone()).map_err(|error| damaged(path, &archive::io_error(error)))?;
        if zip.has_overlapping_files().unwrap_or(true) {
            return Err(bomb(path, "its members lie over each other"));
        }
        let archive = self.archives.len();
        for index in 0..zip.len() {
            let Ok(member) = zip.by_index_data(index) else { continue };
            if member.is_dir() {
                continue;
            }
            let (size, compressed) = (member.size(), member.compressed_size());
            if size > archive::BOMB_BYTES && size / compressed.max(1) > archive::BOMB_RATIO {
                return Err(bomb(path, &format!("{compressed} bytes would unpack to {size}")));
            }
            let name = member.name().map_or_else(|_| String::new(), |name| name.into_owned());
            let encrypted = member.encrypted();
            if encrypted {
                let shown = path.display();
                let sentence = format!("{shown} has encrypted members ({name:?}); unpack it and give the folder");
                return refuse("encrypted-archive", sentence, Place::file(shown.to_string()));
            }
            let symlink = member.is_symlink();
            self.add_member(path, prefix, &name, symlink, Location::Zip { archive, index });
        }
        self.archives.push(Archive { path: path.to_owned(), file, zip: Some(zip) });
        Ok(())
    }

    fn add_tar(&mut self, path: &Path, file: SharedFile, prefix: &str) -> Result<()> {
        let archive = self.archives.len();
        let length = file.len();
        let mut tar = tar::Archive::new(file.clone());
        let mut members = Vec::new();
        for member in tar.entries_with_seek().map_err(|error| damaged(path, &error))? {
            let member = match member {
                Ok(member) => member,
                // The end of a part that was cut off on purpose.
                Err(_) if self.partial => break,
                Err(error) => return Err(damaged(path, &error)),
            };
            let kind = member.header().entry_type();
            if kind.is_dir() || kind.is_pax_global_extensions() {
                continue;
            }
            let name = String::from_utf8(member.path_bytes().into_owned()).unwrap_or_default();
            let (offset, size) = (member.raw_file_position(), member.size());
            if offset.saturating_add(size) > length {
                if self.partial {
                    break;
                }
                return Err(damaged(path, &std::io::Error::other(format!("it ends within its member {name:?}"))));
            }
            members.push((name, !kind.is_file(), Location::Tar { archive, offset, size }));
        }
        let end =
            members.iter().map(|(_, _, location)| if let Location::Tar { offset, size, .. } = location { offset + size } else { 0 }).max();
        // A tar ends with blocks of zeros; one that was cut between two members has none.
        if !self.partial && end.is_some_and(|end| end.next_multiple_of(512) + 512 > length) {
            return Err(damaged(path, &std::io::Error::other("it has no end mark, so its last members are missing")));
        }
        for (name, special, location) in members {
            self.add_member(path, prefix, &name, special, location);
        }
        self.archives.push(Archive { path: path.to_owned(), file, zip: None });
        Ok(())
    }

    /// `special`: a link or device, never followed.
    fn add_member(&mut self, archive: &Path, prefix: &str, name: &str, special: bool, location: Location) {
        let shown = archive.display();
        let problem = match safe_name(name) {
            None => Problem::warning("unsafe-path", format!("{shown} has a member {name:?}, a path that leads outside; it is left out")),
            Some(_) if special => Problem::note("not-a-file", format!("{shown} has a link {name:?}; it is left out")),
            Some(safe) => {
                match safe.split('/').any(is_hidden) {
                    true => self.left_out.add(Unit::Files, false, HIDDEN, &joined(prefix, &safe)),
                    false => self.add(joined(prefix, &safe), location),
                }
                return;
            }
        };
        self.report(problem, archive);
    }

    fn add(&mut self, name: String, location: Location) {
        self.entries.push(Entry { name, location });
    }

    /// Keeps one problem of each kind, with the first places of all; what it speaks of is left out.
    fn report(&mut self, problem: Problem, path: &Path) {
        let why = match problem.code {
            "too-deep" => "folders that lie too deep",
            "bad-name" => "with a name that is not UTF-8",
            "broken-link" => "links to nothing",
            "link-outside" => "links out of the folder",
            "unsafe-path" => "members with a path that leads outside",
            "archive-beside" => "archives beside unpacked files",
            _ => "links and devices",
        };
        self.left_out.add(Unit::Files, false, why, &path.display().to_string());
        let place = Place::file(path.display().to_string());
        match self.problems.iter_mut().find(|known| known.code == problem.code) {
            Some(known) => {
                known.count += 1;
                if known.places.len() < 20 {
                    known.places.push(place);
                }
            }
            None => self.problems.push(problem.at(place)),
        }
    }
}

/// A member's name as parts that stay inside: no `..`, no root, no drive; `None` where it does not.
fn safe_name(name: &str) -> Option<String> {
    let unified = name.replace('\\', "/");
    let drive = unified.as_bytes().get(1) == Some(&b':');
    if unified.is_empty() || unified.starts_with('/') || drive || unified.contains('\0') {
        return None;
    }
    let parts: Vec<&str> = unified.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    (!parts.is_empty() && !parts.contains(&"..")).then(|| parts.join("/"))
}

/// What systems leave behind.
fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || name == "__MACOSX" || name == "Thumbs.db" || name == "desktop.ini"
}

fn file_name(path: &Path) -> Option<String> {
    path.file_name().and_then(|name| name.to_str()).map(ToOwned::to_owned)
}

fn joined(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") }
}

/// A folder's name, or a file's without what says that it is an archive.
fn stem_of(path: &Path) -> String {
    let name = file_name(path).unwrap_or_default();
    if path.is_dir() || archive::looks_like_archive(&name) { without_extensions(&name) } else { String::new() }
}

fn without_extensions(name: &str) -> String {
    let mut name = name;
    for extension in [".gz", ".tgz", ".tar", ".zip", ".npz"] {
        name = name.strip_suffix(extension).unwrap_or(name);
    }
    name.to_owned()
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

fn not_listed(path: &Path, error: &std::io::Error) -> Error {
    let shown = path.display();
    Problem::error("unreadable-file", format!("{shown} cannot be read: {}", reason(error))).at(Place::file(shown.to_string())).into()
}

fn damaged(path: &Path, error: &std::io::Error) -> Error {
    let shown = path.display();
    if archive::is_bomb(error) {
        return bomb(path, &error.to_string());
    }
    Problem::error("damaged-archive", format!("{shown} is a damaged archive: {}; download or pack it again", reason(error)))
        .at(Place::file(shown.to_string()))
        .into()
}

fn bomb(path: &Path, why: &str) -> Error {
    let shown = path.display();
    Problem::error("archive-bomb", format!("{shown} is refused: {why}, as only an archive made to fill the disk does"))
        .at(Place::file(shown.to_string()))
        .into()
}

/// Shared by the threads of an import.
pub type SharedTree = Arc<Tree>;
