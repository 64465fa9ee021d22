//! Which level of folders names the splits of images and which their classes: `train/cat/1.png`, `cat/train/1.png`,
//! `seg_train/seg_train/cat/1.png`. Levels count from 0 here and from 1 in the options and in sentences.
//!
//! A level names splits where its folders are named like a training split and one to evaluate on, or all like splits. Classes are the first
//! folders below it that differ, or else those above it. What more than one reading fits is an error with a remedy for each.

mod notes;
mod questions;

use std::collections::{BTreeMap, BTreeSet};

use unicode_normalization::UnicodeNormalization;

pub use self::questions::is_form;
use self::questions::{
    are_splits_alone, classes_below, classes_like_splits, flat_splits, no_classes, no_masks, no_masks_in_classes, no_splits, one_dataset,
    one_folder_per_split, one_level_of_classes, splits_or_classes, which_classes,
};
use crate::error::{Place, Problem, Result};
use crate::images::{Named, named_split};
use crate::merged;
use crate::options::Options;

/// Names of folders around a sample, from the outermost, without the name of its file.
pub type Folders<'a> = Vec<&'a str>;

/// What becomes of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    Sample {
        split: Option<Named>,
        class: String,
    },
    /// The choice, or its place, leaves it out, and this is said.
    Out(&'static str),
    /// It has no place; an error unless what has none is to be left out.
    Stray(&'static str),
}

pub struct Layout {
    pub split_level: Option<usize>,
    pub class_level: usize,
    /// One per image.
    pub fates: Vec<Fate>,
    pub problems: Vec<Problem>,
}

const UNLABELLED: &str = "images of a split without labels";
const BESIDE_SPLITS: &str = "images beside the folders of the splits";
const BESIDE_CLASSES: &str = "images beside the folders of the classes";
const LIKE_SPLIT: &str = "images of folders that are named like a split";

/// A folder's name as a class: composed, whatever the system that wrote it.
pub fn class_name(folder: &str) -> String {
    if folder.is_ascii() { folder.to_owned() } else { folder.nfc().collect() }
}

/// A folder named for images without labels.
fn is_unlabelled(name: &str) -> bool {
    let lower = name.to_lowercase();
    let known = ["unlabeled", "unlabelled", "unsup", "pred", "predict", "prediction", "predictions"];
    lower.split(|c: char| !c.is_alphabetic()).any(|word| known.contains(&word))
}

fn speaks_of_split(name: &str) -> bool {
    named_split(name).is_some() || is_unlabelled(name)
}

/// Words of a name that do not speak of splits.
fn other_words(name: &str) -> Vec<String> {
    let lower = name.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty() && !speaks_of_split(word) && !is_plain(word));
    words.map(ToOwned::to_owned).collect()
}

/// Named like a split and nothing else: `train`, `1_test`, `val2017`; not `bullet_train`.
pub fn is_split_name(name: &str) -> bool {
    speaks_of_split(name) && other_words(name).is_empty()
}

/// Folders that say nothing of what is in them.
const PLAIN: &str = "images image imgs img jpegimages data dataset set files folder split jpg jpeg png raw all";
/// Folders of what is drawn over pictures.
const DRAWN: &str =
    "mask masks seg segs segmentations annotation annotations annot annots groundtruth gt manual labels label trimap trimaps";

pub fn is_plain(name: &str) -> bool {
    let lower = name.to_lowercase();
    PLAIN.split(' ').any(|known| known == lower)
}

pub fn is_mask(name: &str) -> bool {
    let is_known = |word: &str| DRAWN.split(' ').any(|known| known == word) || word.starts_with("segmentation");
    // `trainannot` beside `train`.
    let behind = |word: &str| ["train", "val", "test"].iter().any(|split| word.strip_prefix(split).is_some_and(is_known));
    let lower = name.to_lowercase();
    lower.split(|c: char| !c.is_alphabetic()).any(|word| is_known(word) || (named_split(word).is_none() && behind(word)))
}

/// Folders of pictures and of what is drawn over them; of several splits each.
fn are_masks(names: &BTreeSet<&str>) -> bool {
    let (masks, others): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| is_mask(name));
    let are_splits = || !others.is_empty() && others.iter().all(|name| is_split_name(name));
    !masks.is_empty() && ((others.len() == 1 && is_plain(others[0])) || are_splits())
}

struct Tree<'a> {
    images: &'a [Folders<'a>],
    /// Those that the choice of folders leaves, by number.
    kept: Vec<usize>,
}

impl<'a> Tree<'a> {
    fn folder(&self, image: usize, level: usize) -> Option<&'a str> {
        self.images[image].get(level).copied()
    }

    /// One image of each folder, nearly: neighbours in a listing lie in one.
    fn folders(&self) -> impl Iterator<Item = usize> {
        let mut before: Option<usize> = None;
        self.kept.iter().copied().filter(move |&image| before.replace(image).is_none_or(|before| self.images[before] != self.images[image]))
    }

    fn names(&self, level: usize) -> BTreeSet<&'a str> {
        self.folders().filter_map(|image| self.folder(image, level)).collect()
    }

    fn of(&self, level: usize, name: &str) -> Tree<'a> {
        let kept = self.kept.iter().copied().filter(|&image| self.folder(image, level) == Some(name)).collect();
        Tree { images: self.images, kept }
    }

    /// The level at which folders first differ; images of none above it are strays.
    fn base(&self) -> usize {
        (0..).find(|&level| self.names(level).len() != 1).unwrap_or(0)
    }

    /// The folders of a level, each with the names of all below it.
    fn with_inner(&self, level: usize) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
        let mut folders: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for image in self.folders() {
            if let Some(name) = self.folder(image, level) {
                folders.entry(name).or_default().extend(&self.images[image][level + 1..]);
            }
        }
        folders
    }

    /// The folders of a level, each with those of a lower one.
    fn groups(&self, level: usize, lower: usize) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
        let mut groups: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for image in self.folders() {
            if let (Some(upper), Some(name)) = (self.folder(image, level), self.folder(image, lower)) {
                groups.entry(upper).or_default().insert(name);
            }
        }
        groups
    }

    fn depth(&self) -> usize {
        self.kept.iter().map(|&image| self.images[image].len()).max().unwrap_or(0)
    }

    /// The first level whose folders are named like splits.
    fn split_level(&self, class_level: Option<usize>) -> Option<usize> {
        let base = self.base();
        let first = if self.names(base).is_empty() { base.saturating_sub(1) } else { base };
        let names_splits = |level: &usize| {
            let names = self.names(*level);
            // Splits of one dataset are named alike: seg_train and seg_test, not bullet_train and test_tube.
            let mut families: BTreeMap<Vec<String>, BTreeSet<Option<Named>>> = BTreeMap::new();
            for name in names.iter().filter(|name| speaks_of_split(name)) {
                families.entry(other_words(name)).or_default().insert(named_split(name));
            }
            let trains = |named: &BTreeSet<Option<Named>>| named.contains(&Some(Named::Train)) && named.len() > 1;
            let all = names.iter().all(|name| speaks_of_split(name)) && names.iter().any(|name| named_split(name).is_some());
            let together: BTreeSet<Option<Named>> = families.values().flatten().copied().collect();
            let alike = families.len() == 1 || (families.contains_key(&Vec::new()) && trains(&together));
            let both = families.values().any(trains);
            let has_classes = *level > base || !self.names(level + 1).is_empty() || class_level.is_some();
            (both || (all && alike)) && has_classes
        };
        (first..self.depth()).filter(|level| Some(*level) != class_level).find(names_splits)
    }

    /// The first level from `from` on that has several folders, behind wrappers such as `images` and names that repeat.
    fn first_varied(&self, from: usize) -> Option<usize> {
        let mut level = from;
        loop {
            let names = self.names(level);
            let name = names.first()?;
            let below = self.names(level + 1);
            let wraps = is_plain(name) || speaks_of_split(name) || below.len() > 1;
            if names.len() > 1 || below.is_empty() || !wraps {
                return (!(names.len() == 1 && wraps && below.is_empty() && (is_plain(name) || speaks_of_split(name)))).then_some(level);
            }
            level += 1;
        }
    }
}

/// Reads the layout of images from their folders. `place` gives the place of an image, for messages.
pub fn read(images: &[Folders<'_>], options: &Options, place: &dyn Fn(usize) -> Place) -> Result<Layout> {
    let kept: Vec<usize> = (0..images.len()).collect();
    if kept.is_empty() {
        return Err(Problem::error("no-images", "there is no image").into());
    }
    let tree = Tree { images, kept };
    if options.class_level.is_none() && options.folder.is_none() && options.leave_out.is_none() {
        no_masks_in_classes(&tree)?;
    }
    let class_level = options.class_level.map(|level| level as usize - 1);
    let split_level = match options.split_level {
        None => tree.split_level(class_level),
        Some(level) => (level as usize).checked_sub(1),
    };
    let mut layout = Layout { split_level, class_level: 0, fates: vec![Fate::Stray(BESIDE_CLASSES); images.len()], problems: Vec::new() };
    match split_level {
        Some(level) => layout.with_splits(&tree, level, class_level, options)?,
        None => layout.without_splits(&tree, class_level, options, place)?,
    }
    layout.tell_strays(&tree, place);
    layout.tell_levels(&tree);
    Ok(layout)
}

impl Layout {
    fn with_splits(&mut self, tree: &Tree, level: usize, chosen: Option<usize>, options: &Options) -> Result<()> {
        let names = tree.names(level);
        if options.split_level.is_none() {
            one_folder_per_split(tree, level)?;
        }
        let labelled = |name: &&str| named_split(name).is_some();
        let is_training = |name: &&str| named_split(name) == Some(Named::Train);
        // Where the level was chosen and no folder is named for training, those that are named for no split train.
        let trains_rest = options.split_level.is_some() && !names.iter().any(is_training) && names.iter().any(labelled);
        let split_of = |name: &str| named_split(name).or_else(|| (trains_rest && !is_unlabelled(name)).then_some(Named::Train));
        let speaks = |name: &str| split_of(name).is_some() || is_unlabelled(name);
        let is_training = |name: &&str| split_of(name) == Some(Named::Train);
        // The folder that says at which level classes are.
        let Some(leading) = names.iter().copied().find(is_training).or_else(|| names.iter().copied().find(labelled)) else {
            return Err(no_splits(level, &names).into());
        };
        let leading_tree = tree.of(level, leading);
        let below = leading_tree.first_varied(level + 1);
        let varied: Vec<usize> = (0..level).filter(|&above| tree.names(above).len() > 1).chain(below).collect();
        let class_level = match (chosen, &varied[..]) {
            (Some(chosen), _) => chosen,
            (None, [one]) => *one,
            (None, []) => return Err(no_classes(tree, level, &names).into()),
            (None, several) => return Err(which_classes(tree, several[0], several, Some(level)).into()),
        };
        self.class_level = class_level;
        let classes: BTreeSet<String> = leading_tree.names(class_level).into_iter().map(class_name).collect();
        if chosen.is_none() {
            let names = leading_tree.names(class_level);
            no_masks(&names)?;
            if class_level > level {
                one_level_of_classes(tree, class_level, Some(level))?;
            }
            let is_plain_split = tree.names(level).iter().any(|name| is_split_name(name));
            let like_split = |name: &&&str| if is_plain_split { is_split_name(name) } else { speaks_of_split(name) };
            if 2 * names.iter().filter(like_split).count() >= names.len() {
                return Err(splits_or_classes(tree, level, class_level).into());
            }
        }
        for image in tree.kept.iter().copied().filter(|&image| tree.folder(image, level).is_none_or(|name| !speaks(name))) {
            self.fates[image] = Fate::Stray(BESIDE_SPLITS);
        }
        let mut merging = Vec::new();
        for name in names.into_iter().filter(|name| speaks(name)) {
            let part = tree.of(level, name);
            let own =
                if chosen.is_some() || class_level < level { class_level } else { matching_level(&part, level, class_level, &classes) };
            let has_classes = part.kept.iter().any(|&image| part.folder(image, own).is_some()) && split_of(name).is_some();
            let trains = split_of(name) == Some(Named::Train);
            merging.extend(has_classes.then_some(name));
            for &image in &part.kept {
                self.fates[image] = match part.folder(image, own) {
                    Some(class) if has_classes => Fate::Sample { split: split_of(name), class: class_name(class) },
                    _ if !has_classes && !trains => Fate::Out(UNLABELLED),
                    _ => Fate::Stray(BESIDE_CLASSES),
                };
            }
            if !has_classes && !trains {
                let sentence =
                    format!("{} images of {name} lie in no folder of a class; they have no label and are left out", part.kept.len());
                self.problems.push(Problem::warning("unlabelled-split", sentence).counted(part.kept.len() as u64));
            }
        }
        self.problems.extend(merged::of_names(merging.into_iter()));
        Ok(())
    }

    fn without_splits(&mut self, tree: &Tree, chosen: Option<usize>, options: &Options, place: &dyn Fn(usize) -> Place) -> Result<()> {
        let base = tree.base();
        let level = chosen.unwrap_or(if tree.names(base).is_empty() { base.saturating_sub(1) } else { base });
        self.class_level = level;
        let names = tree.names(level);
        if names.is_empty() {
            let count = tree.kept.len();
            let sentence = format!(
                "there are {count} images, but no folders that name their classes; make a folder per class, or a CSV with a column of file names and one of labels"
            );
            return Err(Problem::error("no-classes", sentence).at(place(tree.kept[0])).into());
        }
        let mut like_splits = BTreeSet::new();
        if chosen.is_none() && options.split_level.is_none() {
            let beside = flat_splits(tree, level, &names);
            if let Some(first) = beside.first() {
                let is_beside = |image: &usize| tree.folder(*image, level).is_some_and(|name| beside.contains(name));
                let (out, kept): (Vec<usize>, Vec<usize>) = tree.kept.iter().partition(|image| is_beside(image));
                self.without_splits(&Tree { images: tree.images, kept }, None, options, place)?;
                let sentence = format!("{} images of {first} lie in no folder of a class; they have no label and are left out", out.len());
                self.problems.push(Problem::warning("unlabelled-split", sentence).counted(out.len() as u64));
                out.into_iter().for_each(|image| self.fates[image] = Fate::Out(UNLABELLED));
                return Ok(());
            }
        }
        if chosen.is_none() {
            no_masks(&names)?;
            one_dataset(tree, level, &names)?;
            if are_splits_alone(&names) {
                return Err(no_classes(tree, level, &names).into());
            }
            if options.split_level.is_none() {
                classes_below(tree, level, &names)?;
            }
            like_splits = classes_like_splits(&names, level, options.split_level.is_some(), &mut self.problems);
            if like_splits.is_empty() {
                one_level_of_classes(tree, level, None)?;
            }
        }
        for &image in &tree.kept {
            self.fates[image] = match tree.folder(image, level) {
                Some(name) if like_splits.contains(name) => Fate::Stray(LIKE_SPLIT),
                Some(name) => Fate::Sample { split: None, class: class_name(name) },
                None => Fate::Stray(BESIDE_CLASSES),
            };
        }
        Ok(())
    }
}

/// The level at which the folders of a split are named like the classes of training: most often the same, else one near it.
fn matching_level(part: &Tree, split_level: usize, class_level: usize, classes: &BTreeSet<String>) -> usize {
    let matching = |level: usize| {
        let known: BTreeSet<&str> = part.names(level).into_iter().filter(|name| classes.contains(&class_name(name))).collect();
        part.folders().filter(|&image| part.folder(image, level).is_some_and(|name| known.contains(name))).count()
    };
    let levels = std::iter::once(class_level).chain(split_level + 1..split_level + 5);
    let mut best = (class_level, matching(class_level));
    for level in levels {
        let count = matching(level);
        if count > best.1 {
            best = (level, count);
        }
    }
    // Wrappers alone, such as test/images/1.png, are no classes.
    if best.1 == 0 && part.first_varied(split_level + 1).is_none() { part.depth() } else { best.0 }
}

#[cfg(test)]
mod property;
