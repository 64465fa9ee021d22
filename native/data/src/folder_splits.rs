//! Splits that a level of folders tells of images whose labels are told elsewhere, and what is asked where other files tell other splits.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Place, Problem};
use crate::images::{Named, named_split};
use crate::options::Options;
use crate::tree::{Entry, Tree};

/// What a level of folders says of images.
pub struct FolderSplits {
    /// From 0.
    pub level: usize,
    /// One for each image; `None`: its folder is called otherwise.
    pub named: Vec<Option<Named>>,
    /// Of the folders.
    names: BTreeSet<String>,
}

fn folder(entry: &Entry, level: usize) -> Option<&str> {
    entry.folder().split('/').filter(|part| !part.is_empty()).nth(level)
}

/// The chosen level, or the first at which all folders are named like splits, training among them, with images of one class in several.
/// `images`: entries with their classes.
pub fn of(tree: &Tree, images: &[(usize, Option<&String>)], level: Option<usize>) -> Option<FolderSplits> {
    if let Some(level) = level {
        return Some(at(tree, images, level));
    }
    let depth = images.iter().map(|(entry, _)| tree.entries[*entry].folder().split('/').count()).min()?;
    (0..depth).map(|level| at(tree, images, level)).find(|found| {
        let mut of_class: BTreeMap<&String, BTreeSet<Named>> = BTreeMap::new();
        for (named, (_, class)) in found.named.iter().zip(images) {
            if let (Some(named), Some(class)) = (named, class) {
                of_class.entry(class).or_default().insert(*named);
            }
        }
        found.named.iter().all(Option::is_some)
            && found.named.contains(&Some(Named::Train))
            && of_class.values().any(|splits| splits.len() > 1)
    })
}

fn at(tree: &Tree, images: &[(usize, Option<&String>)], level: usize) -> FolderSplits {
    let mut found = FolderSplits { level, named: Vec::with_capacity(images.len()), names: BTreeSet::new() };
    for (entry, _) in images {
        let name = folder(&tree.entries[*entry], level);
        found.named.push(name.and_then(named_split));
        if let Some(name) = name.filter(|name| !found.names.contains(*name)) {
            found.names.insert(name.to_owned());
        }
    }
    found
}

impl FolderSplits {
    fn shown(&self) -> String {
        let more = if self.names.len() > 4 { ", ..." } else { "" };
        format!("{}{more}", self.names.iter().take(4).map(String::as_str).collect::<Vec<_>>().join(", "))
    }

    /// Says that they count, where nothing else tells of splits.
    pub fn note(&self) -> Problem {
        let sentence = format!("the folders of level {} ({}) tell the splits of the images", self.level + 1, self.shown());
        let share = Options { validation: Some(0.1), ..Options::default() };
        Problem::note("folder-splits", sentence).with("split", "Take all together and keep 10 %", share)
    }

    /// How many images have another split in another source. One that only divides the training folder contradicts nothing.
    pub fn contradicted(&self, other: &[Option<Named>]) -> usize {
        contradictions(&self.named, other)
    }

    /// Asks which counts. `file` tells the others; `class_level` is chosen with either, where folders name the classes.
    pub fn asked(&self, file: &str, count: usize, class_level: Option<u32>) -> Question {
        let sentence = format!(
            "{file} tells other splits of {count} of the {} images than the folders that they lie in ({}); which of them count?",
            self.named.len(),
            self.shown()
        );
        let problem = Problem::error("which-splits", sentence).counted(count as u64).at(Place::file(file));
        let of = |split_level: u32| Options { split_level: Some(split_level), class_level, ..Options::default() };
        Question {
            problem,
            folders: (format!("Take the splits of the folders {}", self.shown()), of(self.level as u32 + 1)),
            file: ("Take the splits of the file".to_owned(), of(0)),
        }
    }
}

/// What is asked, with its two answers.
pub struct Question {
    pub problem: Problem,
    pub folders: (String, Options),
    pub file: (String, Options),
}

/// Images that are for training by one and not by the other. Validation images that the folders have for training are none, where the folders
/// have no validation split of their own and the other leaves their test split as it is.
fn contradictions(folders: &[Option<Named>], other: &[Option<Named>]) -> usize {
    let is_of_test =
        |(folder, other): (&Option<Named>, &Option<Named>)| *folder != Some(Named::Test) || matches!(other, None | Some(Named::Test));
    let divides = !folders.contains(&Some(Named::Validation)) && folders.iter().zip(other).all(is_of_test);
    let differs = |folder: Named, other: Named| match (folder, other) {
        (Named::Train, Named::Validation) => !divides,
        (folder, other) => (folder == Named::Train) != (other == Named::Train),
    };
    folders.iter().zip(other).filter(|(folder, other)| folder.zip(**other).is_some_and(|(folder, other)| differs(folder, other))).count()
}
