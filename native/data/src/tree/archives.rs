//! Archives among the files: their members as entries, archives in archives, shards that stay files, parts of split archives.

use std::fs;
use std::path::{Path, PathBuf};

use super::listing::{file_name, is_hidden, joined, not_listed, without_extensions};
use super::{ARCHIVE_BESIDE, Entry, HIDDEN, Location, Tree, reason};
use crate::account::Unit;
use crate::archive::{self, Kind, SharedFile};
use crate::error::{Error, Place, Problem, Result, refuse};
use crate::member_names::{self, Name};
use crate::packed::unpack;
use crate::shards;

/// An archive in an archive in an archive ends here.
const MAX_INNER: usize = 2;

pub struct Archive {
    pub path: PathBuf,
    /// The archive itself, or for a compressed tar what it was unpacked into.
    pub file: SharedFile,
    pub zip: Option<zip::ZipArchive<SharedFile>>,
}

impl Tree {
    /// A tar of samples stays a file; false where it is none. `numbered`: it is called like one of many shards.
    pub(super) fn add_shard(&mut self, path: &Path, name: &str, numbered: bool) -> Result<bool> {
        if self.listing.expands || !archive::looks_like_archive(name) {
            return Ok(false);
        }
        let file = SharedFile::open(path).map_err(|error| not_listed(path, &error))?;
        let shard = shards::of_tar(&file, name, numbered);
        if shard.is_some() {
            self.entries.push(Entry { shard, ..Entry::new(name.to_owned(), Location::File(path.to_owned())) });
        }
        Ok(shard.is_some())
    }

    /// Refuses a part of a split archive with all of its parts.
    pub(super) fn check_parts(&self, path: &Path, name: &str) -> Result<()> {
        let whole_of = |name: &str| archive::part_of(name).map(|(whole, _)| whole);
        let names = || -> Vec<String> {
            let items = path.parent().and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten().flatten();
            items.filter_map(|item| item.file_name().into_string().ok()).collect()
        };
        // The last part of data.z01, data.z02, ... is called data.zip.
        let (whole, how) = match archive::part_of(name) {
            Some(part) => part,
            None if name.to_lowercase().ends_with(".zip") => match names().iter().find(|other| whole_of(other).as_deref() == Some(name)) {
                Some(other) if !other.contains(".zip.") => archive::part_of(other).unwrap_or_default(),
                _ => return Ok(()),
            },
            None => return Ok(()),
        };
        let file = file_name(Path::new(&whole)).unwrap_or_default();
        let mut parts: Vec<String> =
            names().into_iter().filter(|other| whole_of(other).as_deref() == Some(&file) || *other == file).collect();
        parts.sort();
        let shown = path.display();
        let sentence = format!("{shown} is one of {} parts of {file} ({}); {how}, and give the whole", parts.len(), shown_parts(&parts));
        refuse("split-archive", sentence, Place::file(shown.to_string()))
    }

    /// Adds the members of an archive as files below `prefix`; false where the file is none.
    pub(super) fn add_archive(&mut self, path: &Path, prefix: &str) -> Result<bool> {
        let file = SharedFile::open(path).map_err(|error| not_listed(path, &error))?;
        self.add_opened(path, file, prefix)
    }

    /// The same of an open file; `path` is how it is shown.
    fn add_opened(&mut self, path: &Path, file: SharedFile, prefix: &str) -> Result<bool> {
        let first = self.entries.len();
        let is_archive = self.add_members(path, file, prefix)?;
        if is_archive && self.inner < MAX_INNER {
            self.inner += 1;
            self.add_inner(first)?;
            self.inner -= 1;
        }
        Ok(is_archive)
    }

    /// Archives among the entries from `first` on become folders too, where no images lie beside them.
    fn add_inner(&mut self, first: usize) -> Result<()> {
        if !self.entries[first..].iter().any(|entry| archive::looks_like_archive(&entry.name)) {
            return Ok(());
        }
        let is_image = |entry: &Entry| crate::sniff::is_image_extension(&entry.extension());
        let beside = self.entries[first..].iter().any(is_image);
        for entry in self.entries.split_off(first) {
            let may_be = archive::looks_like_archive(&entry.name) && archive::part_of(&entry.name).is_none();
            let file = if may_be { self.stored(&entry)? } else { None };
            let shown = PathBuf::from(self.display(&entry));
            let kind = file.as_ref().map_or(Kind::None, archive::kind_of);
            let Some(file) = file.filter(|_| !matches!(kind, Kind::None | Kind::Unsupported(_))) else {
                self.entries.push(entry);
                continue;
            };
            let shard = if self.listing.expands { None } else { shards::of_tar(&file, &entry.name, false) };
            if shard.is_some() {
                self.entries.push(Entry { shard, ..entry });
            } else if beside {
                let sentence = format!("{} lies beside unpacked files and is left out; unpack it to import it", shown.display());
                self.report(Problem::note(ARCHIVE_BESIDE, sentence), &shown);
            } else {
                self.add_opened(&shown, file, &without_extensions(&entry.name))?;
            }
        }
        Ok(())
    }

    /// A member as a file, as it is stored; of a zip unpacked into the scratch folder.
    fn stored(&self, entry: &Entry) -> Result<Option<SharedFile>> {
        match &entry.location {
            Location::File(_) | Location::Part(_) => Ok(None),
            Location::Tar { archive, offset, size } => Ok(Some(self.archives[*archive].file.part(*offset, *size))),
            Location::Zip { .. } => {
                let name = format!("inner-{}", blake3::hash(self.display(entry).as_bytes()).to_hex());
                let unreadable = |error: &std::io::Error| self.unreadable(entry, error);
                let path = self.read_stored(entry, |stream| self.scratch.keep(&name, stream, unreadable))?;
                SharedFile::open(&path).map(Some).map_err(|error| self.unreadable(entry, &error))
            }
        }
    }

    fn add_members(&mut self, path: &Path, file: SharedFile, prefix: &str) -> Result<bool> {
        match archive::kind_of(&file) {
            Kind::Zip => self.add_zip(path, file, prefix).map(|()| true),
            Kind::Tar => self.add_tar(path, file, prefix).map(|()| true),
            Kind::CompressedTar(packing) => {
                let counted = archive::Counted::new(file);
                let count = counted.count.clone();
                let unpacked = unpack(packing, counted).map_err(|error| damaged(path, &error))?;
                let mut guarded = archive::Guarded::new(unpacked, count);
                let name = format!("unpacked-{}.tar", self.archives.len());
                let kept = self.scratch.keep(&name, &mut guarded, |error| damaged(path, error))?;
                let file = SharedFile::open(&kept).map_err(|error| not_listed(&kept, &error))?;
                self.add_tar(path, file, prefix).map(|()| true)
            }
            Kind::Unsupported(name) => {
                let shown = path.display();
                let sentence = format!("{shown} is {name}, which cannot be read; unpack it (7-Zip does) and give the folder");
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
        let names: Vec<Name> = (0..zip.len()).map(|index| name_of(&zip, index)).collect();
        let reading = member_names::reading(&path.display().to_string(), &names, self.listing.names);
        let encoding = reading.as_ref().map(|(encoding, _)| *encoding);
        self.problems.extend(reading.map(|(_, problem)| problem.at(Place::file(path.display().to_string()))));
        // numpy.savez without a name for its sole array: the file has the name.
        let is_nameless = names.len() == 1 && names[0].bytes == b"arr_0.npy" && !prefix.is_empty();
        let (folder, own) = prefix.rsplit_once('/').unwrap_or(("", prefix));
        for (index, name) in names.iter().enumerate() {
            let Ok(member) = zip.by_index_data(index) else { continue };
            if member.is_dir() {
                continue;
            }
            let (size, compressed) = (member.size(), member.compressed_size());
            if size > archive::BOMB_BYTES && size / compressed.max(1) > archive::BOMB_RATIO {
                return Err(bomb(path, &format!("{compressed} bytes would unpack to {size}")));
            }
            let name = member_names::decoded(name, encoding);
            let encrypted = member.encrypted();
            if encrypted {
                let shown = path.display();
                let sentence = format!("{shown} has encrypted members ({name:?}); unpack it with its password and give the folder");
                return refuse("encrypted-archive", sentence, Place::file(shown.to_string()));
            }
            let symlink = member.is_symlink();
            let (prefix, name) = if is_nameless { (folder, format!("{own}.npy")) } else { (prefix, name) };
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
                Err(_) if self.is_partial() => break,
                Err(error) => return Err(damaged(path, &error)),
            };
            let kind = member.header().entry_type();
            if kind.is_dir() || kind.is_pax_global_extensions() {
                continue;
            }
            let name = String::from_utf8(member.path_bytes().into_owned()).unwrap_or_default();
            let (offset, size) = (member.raw_file_position(), member.size());
            if offset.saturating_add(size) > length {
                if self.is_partial() {
                    break;
                }
                return Err(damaged(path, &std::io::Error::other(format!("it ends within its member {name:?}"))));
            }
            members.push((name, !kind.is_file(), Location::Tar { archive, offset, size }));
        }
        let end =
            members.iter().map(|(_, _, location)| if let Location::Tar { offset, size, .. } = location { offset + size } else { 0 }).max();
        // A tar ends with blocks of zeros; one that was cut between two members has none.
        if !self.is_partial() && end.is_some_and(|end| end.next_multiple_of(512) + 512 > length) {
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
}

fn name_of(zip: &zip::ZipArchive<SharedFile>, index: usize) -> Name {
    let Ok(member) = zip.by_index_data(index) else { return Name { bytes: Vec::new(), western: String::new() } };
    Name { bytes: member.name_raw().to_vec(), western: member.name().map_or_else(|_| String::new(), std::borrow::Cow::into_owned) }
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

/// The first and the last of many.
fn shown_parts(parts: &[String]) -> String {
    match parts {
        [first, .., last] if parts.len() > 4 => format!("{first} ... {last}"),
        _ => parts.join(", "),
    }
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

pub fn bomb(path: &Path, why: &str) -> Error {
    let shown = path.display();
    Problem::error("archive-bomb", format!("{shown} is refused: {why}, as only an archive made to fill the disk does"))
        .at(Place::file(shown.to_string()))
        .into()
}
