//! Which files are listed: folders are walked, links followed while they stay inside, archives added where they are the data, and what is
//! left out is told.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::{ARCHIVE_BESIDE, Entry, HIDDEN, Location, Tree, extension_of, reason};
use crate::account::Unit;
use crate::archive::{self, Kind, SharedFile};
use crate::error::{Error, Place, Problem, Result, refuse};
use crate::hub;
use crate::shards;
use crate::sniff::{is_image_extension, is_other_image_extension};

/// A folder inside a folder inside ... ends here.
const MAX_DEPTH: usize = 32;
/// More .npz in folders below are one for each image, which is no dataset of arrays.
const MOST_NESTED: usize = 64;
/// So much of files is compared, bytes.
const COMPARED: usize = 8192;
/// More scripts or pictures are data themselves.
const FEW: usize = 3;
/// What tells of data: words, and how it was made.
const SAID: [&str; 8] = ["md", "txt", "pdf", "html", "license", "cff", "bib", ""];
const SCRIPTS: [&str; 3] = ["py", "ipynb", "sh"];
const TABLES: [&str; 4] = ["csv", "tsv", "json", "jsonl"];

impl Tree {
    pub(super) fn add_given(&mut self, path: &Path, prefix: &str) -> Result<()> {
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
            self.roots.extend(hub::blobs_around(&root));
            return self.walk(path, prefix, 0, &root, &mut HashSet::from([root.clone()]));
        }
        if !metadata.is_file() {
            return refuse("not-a-file", format!("{shown} is neither a file nor a folder"), Place::file(shown.to_string()));
        }
        let name = file_name(path).unwrap_or_default();
        self.check_parts(path, &name)?;
        let extension = extension_of(&name);
        let container = crate::containers::may_be(&extension) || crate::sniff::is_document_extension(&extension);
        if self.add_shard(path, &joined(prefix, &name), false)? || (!container && self.add_archive(path, prefix)?) {
            return Ok(());
        }
        self.add(joined(prefix, &name), Location::File(path.to_owned()));
        Ok(())
    }

    fn walk(&mut self, folder: &Path, prefix: &str, depth: usize, root: &Path, seen: &mut HashSet<PathBuf>) -> Result<()> {
        if depth > MAX_DEPTH {
            let sentence = format!("{} lies more than {MAX_DEPTH} folders deep and is left out", folder.display());
            self.report(Problem::warning("too-deep", sentence), folder);
            return Ok(());
        }
        let before = self.listed();
        let cached = hub::parts(folder, prefix, self.listing.chosen.as_deref())?;
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
            if let Some(why) = cached.left_out(&name) {
                self.leave_out_all(&path, &joined(prefix, &name), why);
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
        if self.listed() == before && !prefix.is_empty() {
            self.empty_folders.push(prefix.to_owned());
        }
        Ok(())
    }

    fn listed(&self) -> usize {
        self.entries.len() + self.waiting.len() + self.below.len() + self.nested.len()
    }

    /// Accounts for the files of a part of a cache that is not read.
    fn leave_out_all(&mut self, path: &Path, name: &str, why: &str) {
        match fs::read_dir(path) {
            Ok(items) => items.flatten().for_each(|item| {
                self.left_out.add(Unit::Files, false, why, &joined(name, &item.file_name().to_string_lossy()));
            }),
            Err(_) => self.left_out.add(Unit::Files, false, why, name),
        }
    }

    /// A file of a folder. Archives wait, as beside unpacked data they are what it was unpacked from; so does NumPy's .npz in folders below.
    fn add_found(&mut self, path: PathBuf, name: String, depth: usize) -> Result<()> {
        if archive::looks_like_archive(&name) && self.add_shard(&path, &name, false)? {
            return Ok(());
        }
        if depth > 0 && name.ends_with(".npz") {
            self.nested.push((path, name));
            return Ok(());
        }
        if archive::looks_like_archive(&name) {
            let is_part = archive::part_of(&name).is_some();
            let kind = archive::kind_of(&SharedFile::open(&path).map_err(|error| not_listed(&path, &error))?);
            if depth == 0 && (is_part || !matches!(kind, Kind::None)) {
                self.waiting.push((path, name));
                return Ok(());
            }
            if depth > 0 && !is_part && matches!(kind, Kind::Zip | Kind::Tar | Kind::CompressedTar(_)) {
                self.below.push((path, name));
                return Ok(());
            }
        }
        self.add(name, Location::File(path));
        Ok(())
    }

    /// Adds the archives of folders that hold nothing else, but for words about them and a script or a picture; those of images beside tables,
    /// and NumPy's .npz in any case.
    pub(super) fn add_waiting(&mut self) -> Result<()> {
        let below = std::mem::take(&mut self.below);
        let others = self.beside_archives(self.waiting.iter().chain(&below));
        let is_other = |at: &usize| others.contains(at);
        let holds_only = |kinds: &[&str]| {
            self.entries.iter().enumerate().all(|(at, entry)| is_other(&at) || kinds.contains(&entry.extension().as_str()))
        };
        let (alone, beside_tables) = (holds_only(&SAID), holds_only(&[&SAID[..], &TABLES].concat()));
        match alone || beside_tables {
            true => self.waiting.extend(below),
            false => below.into_iter().for_each(|(path, name)| self.add(name, Location::File(path))),
        }
        if (alone || beside_tables) && !self.waiting.is_empty() {
            let mut at = 0..;
            let others = self.entries.extract_if(.., |_| others.contains(&at.next().unwrap_or_default()));
            others.for_each(|entry| self.left_out.add(Unit::Files, false, "scripts and pictures beside an archive", &entry.name));
        }
        let (mut waiting, nested) = (std::mem::take(&mut self.waiting), std::mem::take(&mut self.nested));
        let few = nested.len() <= MOST_NESTED;
        for (path, name) in nested {
            let is_archive = |path: &Path| SharedFile::open(path).is_ok_and(|file| !matches!(archive::kind_of(&file), Kind::None));
            if few && is_archive(&path) {
                waiting.push((path, name));
            } else {
                self.add(name, Location::File(path));
            }
        }
        let names: Vec<&str> = waiting.iter().map(|(_, name)| name.as_str()).collect();
        let numbered = shards::numbered(&names);
        for ((path, name), numbered) in waiting.iter().zip(numbered) {
            if alone || beside_tables {
                self.check_parts(path, name)?;
            }
            if numbered && alone && self.add_shard(path, name, true)? {
                continue;
            }
            let before = self.entries.len();
            let mut added = alone || beside_tables || name.ends_with(".npz");
            if added {
                self.add_archive(path, &without_extensions(name))?;
            }
            if added && alone {
                added = self.leave_copies(before)?;
            }
            // A packed copy of the tables is none of images.
            if added && !alone && !name.ends_with(".npz") {
                let is_image = |entry: &Entry| is_image_extension(&entry.extension()) || is_other_image_extension(&entry.extension());
                added = self.entries[before..].iter().any(is_image);
                self.entries.truncate(if added { self.entries.len() } else { before });
            }
            if !added {
                let sentence = format!("{} lies beside unpacked files and is left out; give it alone to import it", path.display());
                self.report(Problem::note(ARCHIVE_BESIDE, sentence), path);
            }
        }
        Ok(())
    }

    /// A script or a picture, or a few, beside archives that are larger.
    fn beside_archives<'a>(&self, archives: impl Iterator<Item = &'a (PathBuf, String)>) -> HashSet<usize> {
        let is_script = |entry: &Entry| SCRIPTS.contains(&entry.extension().as_str());
        let others = self.entries.iter().enumerate().filter(|(_, entry)| is_script(entry) || is_image_extension(&entry.extension()));
        let others: HashSet<usize> = others.map(|(at, _)| at).take(2 * FEW + 1).collect();
        let scripts = others.iter().filter(|at| is_script(&self.entries[**at])).count();
        let bytes: u64 = others.iter().map(|at| self.size(&self.entries[*at])).sum();
        let packed: u64 = archives.map(|(path, _)| fs::metadata(path).map_or(0, |metadata| metadata.len())).sum();
        if scripts > FEW || others.len() - scripts > FEW || bytes >= packed { HashSet::new() } else { others }
    }

    /// Leaves out the members of an archive, listed from `first` on, that also lie unpacked beside it; whether others are left.
    fn leave_copies(&mut self, first: usize) -> Result<bool> {
        let members = self.entries.split_off(first);
        let had_members = !members.is_empty();
        let unpacked = self.entries.iter().enumerate().filter(|(_, entry)| matches!(entry.location, Location::File(_)));
        let unpacked: HashMap<String, usize> = unpacked.map(|(at, entry)| (entry.file_name().to_owned(), at)).collect();
        for member in members {
            let beside = unpacked.get(member.file_name()).map(|at| &self.entries[*at]);
            let is_copy = match beside.filter(|beside| self.size(beside) == self.size(&member)) {
                Some(beside) => self.head(beside, COMPARED)? == self.head(&member, COMPARED)?,
                None => false,
            };
            if is_copy {
                self.left_out.add(Unit::Files, false, "members of an archive that also lie beside it", &member.name);
            } else {
                self.entries.push(member);
            }
        }
        Ok(!had_members || self.entries.len() > first)
    }

    /// What a link leads to, where that lies inside and was not seen before.
    fn follow(&mut self, link: &Path, root: &Path, seen: &mut HashSet<PathBuf>) -> Option<(fs::FileType, PathBuf)> {
        let shown = link.display();
        let Ok(real) = link.canonicalize() else {
            self.report(Problem::warning("broken-link", format!("{shown} is a link to nothing and is left out")), link);
            return None;
        };
        let is_inside = real.starts_with(root) || hub::blobs_around(root).is_some_and(|blobs| real.starts_with(blobs));
        if !is_inside {
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

    pub(super) fn add(&mut self, name: String, location: Location) {
        self.entries.push(Entry::new(name, location));
    }

    /// Keeps one problem of each kind, with the first places of all; what it speaks of is left out.
    pub(super) fn report(&mut self, problem: Problem, path: &Path) {
        let why = match problem.code {
            "too-deep" => "folders that lie too deep",
            "bad-name" => "with a name that is not UTF-8",
            "broken-link" => "links to nothing",
            "link-outside" => "links out of the folder",
            "unsafe-path" => "members with a path that leads outside",
            ARCHIVE_BESIDE => "archives beside unpacked files",
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

/// What systems leave behind.
pub(super) fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || name == "__MACOSX" || name == "Thumbs.db" || name == "desktop.ini"
}

pub(super) fn file_name(path: &Path) -> Option<String> {
    path.file_name().and_then(|name| name.to_str()).map(ToOwned::to_owned)
}

pub(super) fn joined(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") }
}

/// A folder's name, or a file's without what says that it is an archive.
pub(super) fn stem_of(path: &Path) -> String {
    let name = file_name(path).unwrap_or_default();
    if path.is_dir() || archive::looks_like_archive(&name) { without_extensions(&name) } else { String::new() }
}

pub(super) fn without_extensions(name: &str) -> String {
    let mut name = name;
    for extension in [".gz", ".xz", ".bz2", ".zst", ".zstd", ".tgz", ".txz", ".tbz2", ".tzst", ".tar", ".zip", ".npz"] {
        name = name.strip_suffix(extension).unwrap_or(name);
    }
    name.to_owned()
}

pub(super) fn not_listed(path: &Path, error: &std::io::Error) -> Error {
    let shown = path.display();
    Problem::error("unreadable-file", format!("{shown} cannot be read: {}", reason(error))).at(Place::file(shown.to_string())).into()
}
