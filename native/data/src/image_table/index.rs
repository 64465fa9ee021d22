//! Which image a row means: the file whose path ends as the row says, or whose whole path the row ends with; `old/0.png` is never
//! `new/0.png`. A file name that several folders have is told apart by the row's split or label, or by the folder of the table. A row may
//! name a folder too, for all images below it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use unicode_normalization::UnicodeNormalization;

use super::{Image, cell};
use crate::image_parquet::split_of;
use crate::images::Named;
use crate::sniff::{What, is_image_extension, is_other_image_extension};
use crate::tree::Tree;

pub enum Found {
    One(usize),
    /// The images below a folder.
    All(Vec<usize>),
    /// Of a name in several folders.
    Several(Vec<usize>),
    None,
}

/// Images by their file names with and without the extension, composed and in lower case.
pub struct Index {
    images: usize,
    names: HashMap<String, Vec<usize>>,
    folders: BTreeSet<String>,
    /// Images by the folder that they lie in.
    within: BTreeMap<String, Vec<usize>>,
    /// Folders that hold a table or a list.
    of_tables: HashSet<String>,
    /// Folders by their last parts.
    paths: HashMap<String, BTreeSet<String>>,
}

pub fn plain(name: &str) -> String {
    if name.is_ascii() { name.to_lowercase() } else { name.nfc().collect::<String>().to_lowercase() }
}

fn without_extension(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, extension)) if is_image_extension(extension) || is_other_image_extension(extension) => stem,
        _ => name,
    }
}

/// Recordings and scans from which pictures are made.
const RECORDED: [&str; 16] =
    ["wav", "mp3", "flac", "ogg", "m4a", "aac", "mp4", "avi", "mov", "mkv", "webm", "mpg", "dcm", "nii", "npy", "svs"];

/// The name without the ending of what a picture was made from: `0.wav` of `0.png`.
fn made_from(name: &str) -> Option<&str> {
    name.rsplit_once('.').filter(|(_, ending)| RECORDED.contains(ending)).map(|(stem, _)| stem)
}

pub fn is_image_name(text: &str) -> bool {
    cell::file(text).rsplit_once('.').is_some_and(|(_, extension)| is_image_extension(&extension.to_lowercase()))
}

/// The parts of a path in a row, composed and in lower case.
fn parts(unified: &str) -> Vec<&str> {
    unified.split('/').filter(|part| !part.is_empty() && *part != ".").collect()
}

fn unified(name: &str) -> String {
    plain(&cell::file(name).replace('\\', "/"))
}

impl Index {
    pub fn new(tree: &Tree, what: &[What]) -> Self {
        let is_table = |what: &What| matches!(what, What::Csv | What::JsonLines | What::Json | What::Text);
        let tables = what.iter().zip(&tree.entries).filter(|(what, _)| is_table(what));
        let mut index = Self {
            images: 0,
            names: HashMap::new(),
            folders: BTreeSet::new(),
            within: BTreeMap::new(),
            of_tables: tables.map(|(_, entry)| entry.folder().to_owned()).collect(),
            paths: HashMap::new(),
        };
        for (at, entry) in tree
            .entries
            .iter()
            .enumerate()
            .filter(|(at, _)| matches!(what[*at], What::Image | What::OtherImage | What::Empty | What::Unknown))
        {
            let name = plain(entry.file_name());
            index.images += usize::from(matches!(what[at], What::Image | What::OtherImage) || without_extension(&name) != name);
            index.folders.extend(entry.folder().rsplit('/').next().filter(|folder| !folder.is_empty()).map(plain));
            if matches!(what[at], What::Image | What::OtherImage) && !entry.folder().is_empty() {
                index.within.entry(plain(entry.folder())).or_default().push(at);
            }
            let stem = without_extension(&name).to_owned();
            if stem != name {
                index.names.entry(stem).or_default().push(at);
            }
            index.names.entry(name).or_default().push(at);
        }
        // Files of another kind alone are no images.
        if index.images == 0 {
            index.names.clear();
        }
        for folder in index.within.keys() {
            let ends = folder.match_indices('/').map(|(at, _)| at).chain([folder.len()]);
            for path in ends.map(|end| &folder[..end]) {
                index.paths.entry(path.rsplit('/').next().unwrap_or_default().to_owned()).or_default().insert(path.to_owned());
            }
        }
        index
    }

    /// Number of images.
    pub fn images(&self) -> usize {
        self.images
    }

    pub fn has(&self, name: &str) -> bool {
        self.named(unified(name).rsplit('/').next().unwrap_or_default()).is_some()
    }

    /// Images of a file name.
    fn named(&self, file: &str) -> Option<&Vec<usize>> {
        self.names.get(file).or_else(|| self.names.get(made_from(file)?))
    }

    /// The image with this file name, in whatever folder, where there is only one. Label Studio writes eight digits before the name.
    pub fn only(&self, name: &str) -> Option<usize> {
        let unified = unified(name);
        let file = unified.rsplit('/').next().unwrap_or_default();
        let is_mark = |mark: &str| mark.len() == 8 && mark.bytes().all(|byte| byte.is_ascii_hexdigit());
        let original = || file.split_once('-').filter(|(mark, _)| is_mark(mark)).and_then(|(_, original)| self.names.get(original));
        match self.named(file).or_else(original).map(Vec::as_slice) {
            Some([only]) => Some(*only),
            _ => None,
        }
    }

    /// The images below the folder that a row names.
    pub fn below(&self, name: &str) -> Found {
        let unified = unified(name);
        let parts = parts(&unified);
        let Some(paths) = parts.last().and_then(|last| self.paths.get(*last)) else { return Found::None };
        let score = |path: &str| {
            let of_folder = path.split('/').count();
            let common = parts.iter().rev().zip(path.rsplit('/')).take_while(|(a, b)| *a == b).count();
            (common == parts.len() || common == of_folder).then_some(common)
        };
        let scored: Vec<(&String, usize)> = paths.iter().filter_map(|path| Some((path, score(path)?))).collect();
        let best = scored.iter().map(|(_, score)| *score).max().unwrap_or(0);
        let mut likely: Vec<&String> = scored.into_iter().filter(|(_, score)| *score == best).map(|(path, _)| path).collect();
        // Of `a/a` the outer one holds all.
        likely.dedup_by(|inner, outer| inner.starts_with(&format!("{outer}/")));
        let below = |folder: &String| -> Vec<usize> {
            let inner = format!("{folder}/");
            let own = self.within.get(folder).into_iter().flatten();
            let below = self.within.range(inner.clone()..).take_while(|(folder, _)| folder.starts_with(&inner));
            own.chain(below.flat_map(|(_, images)| images)).copied().collect()
        };
        match likely[..] {
            [] => Found::None,
            [one] => Found::All(below(one)),
            _ => Found::Several(likely.into_iter().flat_map(below).collect()),
        }
    }

    /// A folder, or several, with images below.
    pub fn is_folder(&self, name: &str) -> bool {
        parts(&unified(name)).last().is_some_and(|last| self.paths.contains_key(*last))
    }

    /// Folders of one name in several others, as those of a person below each class.
    pub fn are_folders(&self, name: &str) -> bool {
        let unified = unified(name);
        !unified.contains('/') && self.paths.get(&unified).is_some_and(|paths| paths.len() > 1)
    }

    /// What a row means, whatever it names.
    pub fn locate(&self, tree: &Tree, table: usize, image: &Image, split: Option<Named>, label: Option<&str>) -> Found {
        match image {
            Image::Named(name) => self.find(tree, table, name, split, label),
            Image::Below(name) => self.below(name),
            Image::Missing | Image::Ragged | Image::Uncertain | Image::Rejected => Found::None,
        }
    }

    /// The image that a row means.
    pub fn find(&self, tree: &Tree, table: usize, name: &str, split: Option<Named>, label: Option<&str>) -> Found {
        let unified = unified(name);
        let parts = parts(&unified);
        let Some((file, folders)) = parts.split_last() else { return Found::None };
        let Some(named) = self.named(file) else { return Found::None };
        let own_folder = folders.last().is_some_and(|folder| self.folders.contains(*folder));
        // Folders that the row and the file have in common, counted from the file up.
        let score = |at: usize| {
            let folder = plain(tree.entries[at].folder());
            let of_file: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
            let common = folders.iter().rev().zip(of_file.iter().rev()).take_while(|(a, b)| a == b).count();
            let fits = common == folders.len() || common > 0 || (of_file.is_empty() && !own_folder);
            fits.then_some(common)
        };
        let scored: Vec<(usize, usize)> = named.iter().filter_map(|&at| score(at).map(|score| (at, score))).collect();
        let best = scored.iter().map(|(_, score)| *score).max().unwrap_or(0);
        let likely: Vec<usize> = scored.into_iter().filter(|(_, score)| *score == best).map(|(at, _)| at).collect();
        let beside = tree.entries[table].folder();
        // Below the folder of another table a picture is that table's.
        let is_of_other = |at: usize| {
            let folder = tree.entries[at].folder();
            let above = folder.match_indices('/').map(|(slash, _)| &folder[..slash]).chain([folder]);
            above.filter(|above| *above != beside && !beside.starts_with(&format!("{above}/"))).any(|above| self.of_tables.contains(above))
        };
        let tests: [&dyn Fn(usize) -> bool; 5] = [
            &|at| tree.entries[at].file_name() == cell::file(name).rsplit(['/', '\\']).next().unwrap_or_default(),
            &|at| split.is_some() && split_of(&tree.entries[at]) == split,
            &|at| {
                label.is_some_and(|label| tree.entries[at].folder().rsplit('/').next().is_some_and(|folder| plain(folder) == plain(label)))
            },
            &|at| {
                tree.entries[at].folder()
                    == [beside, &folders.join("/")].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("/")
            },
            &|at| !is_of_other(at),
        ];
        let mut left = likely;
        for test in tests {
            let passing: Vec<usize> = left.iter().copied().filter(|&at| test(at)).collect();
            if left.len() > 1 && !passing.is_empty() {
                left = passing;
            }
        }
        match &left[..] {
            [] => Found::None,
            [one] => Found::One(*one),
            _ => Found::Several(left),
        }
    }
}
