//! Folders of images, one per class, with or without a level of splits above them (`train/cat/1.png`): torchvision's ImageFolder and
//! ImageNet's layout. Classes are numbered in the order of their names.

use std::collections::{BTreeMap, BTreeSet};

use crate::account::Account;
use crate::error::{Place, Problem, Result};
use crate::images::{Content, Hand, ImageSet, NO_LABEL, Named, Raw, named_split, splits_of};
use crate::options::Options;
use crate::sniff::What;
use crate::tree::Tree;

/// Images that are files of their own.
pub struct Files {
    /// Entry of each sample.
    pub entries: Vec<usize>,
    /// What is to be said of them, and of other files.
    pub account: Account,
}

impl Content for Files {
    fn account(&self, _: &Tree) -> Account {
        self.account.clone()
    }

    fn stream(&self, _: &Tree, from: usize, hand: &mut Hand) -> Result<()> {
        self.entries.iter().skip(from).try_for_each(|&entry| hand(Raw::Entry(entry)))
    }

    fn place(&self, tree: &Tree, sample: usize) -> Place {
        tree.place(&tree.entries[self.entries[sample]])
    }

    fn entry(&self, sample: usize) -> Option<usize> {
        self.entries.get(sample).copied()
    }
}

pub fn fits(what: &[What]) -> bool {
    what.contains(&What::Image)
}

pub fn open(tree: &Tree, what: &[What], _: &Options) -> Result<ImageSet> {
    let entries: Vec<usize> = (0..what.len()).filter(|&at| what[at] == What::Image).collect();
    let paths: Vec<Vec<&str>> = entries.iter().map(|&at| tree.entries[at].name.split('/').collect()).collect();
    let depth = common_folders(&paths);
    // The last folder that all share may be the only class.
    let level = |path: &[&str], at: usize| if at + 1 < path.len() { Some(path[at].to_owned()) } else { None };
    let first: Vec<Option<String>> = paths.iter().map(|path| level(path, depth)).collect();
    let has_splits = first.iter().flatten().any(|name| whole_split(name) == Some(Named::Train))
        && first.iter().all(|name| name.as_deref().is_some_and(|name| whole_split(name).is_some()));
    let named: Vec<Option<Named>> = match has_splits {
        true => first.iter().map(|name| name.as_deref().and_then(whole_split)).collect(),
        false => vec![None; entries.len()],
    };
    let class_level = depth + usize::from(has_splits);
    let mut names: Vec<Option<String>> = paths.iter().map(|path| level(path, class_level)).collect();
    if names.iter().all(Option::is_none) && depth > 0 && !has_splits && whole_split(paths[0][depth - 1]).is_none() {
        names = paths.iter().map(|path| Some(path[depth - 1].to_owned())).collect();
    }
    let mut problems = Vec::new();
    let class_names = class_names(&names, &named, &mut problems);
    if class_names.is_empty() {
        let sentence = format!(
            "there are {} images, but no folders that name their classes; make a folder per class, or a CSV with a column of file names and one of labels",
            entries.len()
        );
        return Err(Problem::error("no-classes", sentence).at(tree.place(&tree.entries[entries[0]])).into());
    }
    note_empty_folders(tree, &class_names, class_level, &mut problems);
    let numbers: BTreeMap<&str, u32> = class_names.iter().enumerate().map(|(number, name)| (name.as_str(), number as u32)).collect();
    let label = |name: &Option<String>| name.as_deref().and_then(|name| numbers.get(name)).copied().unwrap_or(NO_LABEL);
    let labels = names.iter().map(label).collect();
    let splits = splits_of(&named, &mut problems);
    let content: Box<dyn Content> = Box::new(Files { entries, account: Account::default() });
    Ok(ImageSet { class_names, labels, splits, content, columns: Vec::new(), problems })
}

/// A folder that is called like a split and nothing else: `train`, not `trains`.
fn whole_split(name: &str) -> Option<Named> {
    let plain = name.to_lowercase();
    let known = ["train", "training", "val", "valid", "validation", "dev", "test", "testing", "eval"];
    let base = plain.split(['_', '-', ' ']).next().unwrap_or_default();
    let rest_is_plain = plain.len() == base.len() || ["set", "images", "data"].iter().any(|word| plain.ends_with(word));
    (known.contains(&base) && rest_is_plain).then(|| named_split(base)).flatten()
}

/// Number of leading folders that all images share.
fn common_folders(paths: &[Vec<&str>]) -> usize {
    let Some(first) = paths.first() else { return 0 };
    let shared = |at: usize| paths.iter().all(|path| at + 1 < path.len() && path[at] == first[at]);
    (0..first.len()).take_while(|&at| shared(at)).count()
}

/// Classes of the training images, in order of name. One that only other splits have is reported.
fn class_names(names: &[Option<String>], named: &[Option<Named>], problems: &mut Vec<Problem>) -> Vec<String> {
    let of = |train: bool| -> BTreeSet<&String> {
        let fits = |name: &Option<Named>| matches!(name, None | Some(Named::Train)) == train;
        names.iter().zip(named).filter(|(_, split)| fits(split)).filter_map(|(name, _)| name.as_ref()).collect()
    };
    let (train, other) = (of(true), of(false));
    let strange: Vec<&String> = other.difference(&train).copied().collect();
    if let Some(first) = strange.first() {
        let sentence = format!("{} classes, such as {first:?}, have images for validation but none for training", strange.len());
        problems.push(Problem::error("untrained-class", sentence).counted(strange.len() as u64).skippable("Leave their images out"));
    }
    train.into_iter().cloned().collect()
}

/// Folders beside the classes that hold no image.
fn note_empty_folders(tree: &Tree, classes: &[String], level: usize, problems: &mut Vec<Problem>) {
    let empty: BTreeSet<&str> = tree
        .empty_folders
        .iter()
        .filter_map(|folder| {
            let parts: Vec<&str> = folder.split('/').collect();
            (parts.len() == level + 1).then(|| parts[level]).filter(|name| !classes.iter().any(|class| class == name))
        })
        .collect();
    if let Some(first) = empty.first() {
        let sentence = format!("{} folders, such as {first:?}, hold no image and become no class", empty.len());
        let problem = empty.iter().take(20).fold(Problem::warning("empty-class", sentence), |problem, name| problem.at(Place::file(*name)));
        problems.push(problem.counted(empty.len() as u64));
    }
}
