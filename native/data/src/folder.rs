//! Folders of images, one per class, with or without a level of splits above them (`train/cat/1.png`): torchvision's ImageFolder and
//! ImageNet's layout. Classes are numbered in the order of their names.

mod anomalies;
mod class_lists;
mod sizes;
mod views;

use std::collections::{BTreeMap, BTreeSet};

use self::views::{drawn_over, no_views};
use crate::account::Account;
use crate::error::{Error, Place, Problem, Result, Severity};
use crate::folder_splits::{self, Question};
use crate::image_table;
use crate::images::{Content, Hand, ImageSet, NO_LABEL, Named, Raw, Split, named_split, splits_of, train_on_validation};
use crate::layout::{self, Fate, Folders, Layout, class_name};
use crate::name_splits;
use crate::options::Options;
use crate::sniff::What;
use crate::tree::Tree;

/// Images that are files of their own.
pub struct Files {
    /// Entry of each sample.
    pub entries: Vec<usize>,
    /// What is to be said of them, and of other files.
    pub account: Account,
    /// The levels of folders that name splits (0: none) and classes, from 1, where these tell them.
    pub levels: Levels,
}

#[derive(Default)]
pub struct Levels {
    pub split: Option<u32>,
    pub class: Option<u32>,
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

    fn inferred(&self, options: Options) -> Options {
        let Levels { split, class } = self.levels;
        Options { split_level: split.or(options.split_level), class_level: class.or(options.class_level), ..options }
    }

    fn entry(&self, sample: usize) -> Option<usize> {
        self.entries.get(sample).copied()
    }
}

pub fn fits(what: &[What]) -> bool {
    what.contains(&What::Image)
}

/// Images lie in several folders that are called otherwise than splits.
pub fn has_classes(tree: &Tree, what: &[What]) -> bool {
    let images = what.iter().zip(&tree.entries).filter(|(what, _)| **what == What::Image);
    let names: BTreeSet<&str> =
        images.filter_map(|(_, entry)| entry.folder().rsplit('/').find(|name| named_split(name).is_none())).collect();
    names.iter().filter(|name| !name.is_empty()).count() > 1
}

pub fn open(tree: &Tree, what: &[What], options: &Options) -> Result<ImageSet> {
    let mut images: Vec<usize> = (0..what.len()).filter(|&at| matches!(what[at], What::Image | What::OtherImage)).collect();
    let over = drawn_over(tree, &images);
    images.retain(|at| !over.contains(at));
    let folders: Vec<Folders> = images.iter().map(|&at| folders_of(&tree.entries[at].name)).collect();
    if options.class_level.is_none() {
        no_views(tree, &images, &folders, options)?;
    }
    anomalies::none(tree, &images, options)?;
    let Layout { split_level, class_level, fates, mut problems } =
        layout::read(&folders, options, &|image| tree.place(&tree.entries[images[image]]))?;
    let mut account = Account::default();
    if let Some(&first) = over.first() {
        let sentence = format!(
            "{} images are masks or thumbnails of others, such as {:?}, and are left out",
            over.len(),
            tree.entries[first].file_name()
        );
        let note = over.iter().take(20).fold(Problem::warning("masks", sentence), |note, &at| note.at(tree.place(&tree.entries[at])));
        problems.push(note.counted(over.len() as u64));
        over.iter().for_each(|&at| account.leave_out(tree, at, "masks or thumbnails of other images"));
    }
    let (mut entries, mut classes, mut named, mut other) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (&at, fate) in images.iter().zip(fates) {
        match fate {
            Fate::Sample { class, .. } if what[at] == What::OtherImage => other.push((at, class)),
            Fate::Sample { split, class } => {
                entries.push(at);
                classes.push(Some(class));
                named.push(split);
            }
            Fate::Out(why) | Fate::Stray(why) => account.leave_out(tree, at, why),
        }
    }
    let levels = Levels { split: Some(split_level.map_or(0, |level| level as u32 + 1)), class: Some(class_level as u32 + 1) };
    let as_read = Options { split_level: levels.split, class_level: levels.class, ..Options::default() };
    if options.class_level.is_none() {
        sizes::one_size(tree, &entries, as_read.clone())?;
    }
    if let Some(wanted) = class_lists::chosen(tree, what, &classes, as_read, options, &mut account)? {
        let stays: Vec<bool> = classes.iter().map(|class| class.as_ref().is_some_and(|class| wanted.contains(class))).collect();
        let out = entries.iter().zip(&stays).filter(|(_, stays)| !**stays);
        out.for_each(|(&at, _)| account.leave_out(tree, at, "images of classes that the list does not name"));
        keep(&mut entries, &stays);
        keep(&mut classes, &stays);
        keep(&mut named, &stays);
    }
    if let Some(level) = split_level.filter(|_| options.split_level.is_none()) {
        settle_lists(tree, what, (&entries, &classes, &mut named), (level, class_level), options, &mut account, &mut problems)?;
    }
    if named.iter().all(Option::is_none)
        && let Some(known) = image_table::splits_beside(tree, what, options, (&mut account, &mut problems))?
    {
        named = known.of(entries.iter().copied());
        let without: Vec<usize> = (0..entries.len()).filter(|&at| named[at].is_none()).collect();
        if !without.is_empty() {
            let places = without.iter().take(20).map(|&at| tree.place(&tree.entries[entries[at]]));
            problems.push(places.fold(known.without(tree, without.len()), Problem::at));
            without.iter().for_each(|&at| account.leave_out(tree, entries[at], "images without a split"));
            let has_split: Vec<bool> = named.iter().map(Option::is_some).collect();
            keep(&mut entries, &has_split);
            keep(&mut classes, &has_split);
            keep(&mut named, &has_split);
        }
    }
    if named.iter().all(Option::is_none)
        && options.split_level.is_none()
        && let Some((told, note)) = name_splits::of(tree, entries.iter().copied().zip(classes.iter().map(Option::as_ref)))
    {
        named = told;
        problems.push(note);
    }
    train_on_validation(&mut named, &mut problems);
    let mut class_names = class_names(&classes, &named, &mut problems);
    tell_other_images(tree, &other, &class_names, &mut account, &mut problems)?;
    note_empty_folders(tree, &class_names, class_level, &mut problems);
    let numbers: BTreeMap<&str, u32> = class_names.iter().enumerate().map(|(number, name)| (name.as_str(), number as u32)).collect();
    let label = |name: &Option<String>| name.as_deref().and_then(|name| numbers.get(name)).copied().unwrap_or(NO_LABEL);
    let labels: Vec<u32> = classes.iter().map(label).collect();
    let mut splits = splits_of(&named, &mut problems);
    // What has a class that training lacks is told already.
    splits.iter_mut().zip(&labels).filter(|(_, label)| **label == NO_LABEL).for_each(|(split, _)| *split = Split::Strange);
    if let Some(at) = image_table::rename_classes(tree, what, &[], &mut class_names, &mut problems)? {
        account.use_as(tree, at, "names of classes");
    }
    if options.format.is_none() && options.class_level.is_none() {
        problems.extend(image_table::unplaced::asked(tree, what, entries.len(), &class_names, options)?);
    }
    let content: Box<dyn Content> = Box::new(Files { entries, account, levels });
    Ok(ImageSet { class_names, labels, splits, content, columns: Vec::new(), problems })
}

type Samples<'a> = (&'a [usize], &'a [Option<String>], &'a mut Vec<Option<Named>>);

/// Lists and tables of splits beside folders of splits: one that divides the training folder counts, one that contradicts the folders is asked
/// about.
fn settle_lists(
    tree: &Tree,
    what: &[What],
    (entries, classes, named): Samples,
    (split_level, class_level): (usize, usize),
    options: &Options,
    account: &mut Account,
    problems: &mut Vec<Problem>,
) -> Result<()> {
    let (mut of_lists, mut said) = (account.clone(), Vec::new());
    let known = match image_table::splits_beside(tree, what, options, (&mut of_lists, &mut said)) {
        Ok(Some(known)) => known,
        // The folders tell the splits without them.
        Ok(None) | Err(Error::Data(_)) => return Ok(()),
        Err(other) => return Err(other),
    };
    let told = known.told(entries.iter().copied());
    let images: Vec<(usize, Option<&String>)> = entries.iter().copied().zip(classes.iter().map(Option::as_ref)).collect();
    let Some(folders) = folder_splits::of(tree, &images, Some(split_level)) else { return Ok(()) };
    let count = folders.contradicted(&told);
    if count == 0 {
        *account = of_lists;
        named.iter_mut().zip(told).for_each(|(named, told)| *named = told.or(*named));
        return Ok(());
    }
    let Question { problem, folders, file } = folders.asked(&known.shown(tree), count, Some(class_level as u32 + 1));
    let leads = |choice: &Options| {
        let choice = Options { split_level: choice.split_level, class_level: choice.class_level, ..options.clone() };
        open(tree, what, &choice).is_ok_and(|set| set.problems.iter().all(|problem| problem.severity != Severity::Error))
    };
    let offer = |problem: Problem, (title, choice): (String, Options)| match leads(&choice) {
        true => problem.with("choose", title, choice),
        false => problem,
    };
    problems.push([folders, file].into_iter().fold(problem, offer));
    Ok(())
}

fn keep<T>(all: &mut Vec<T>, which: &[bool]) {
    let mut which = which.iter();
    all.retain(|_| which.next() == Some(&true));
}

/// The folders in a name, from the outermost.
fn folders_of(name: &str) -> Folders<'_> {
    let mut parts: Vec<&str> = name.split('/').collect();
    parts.pop();
    parts
}

/// Images of kinds that cannot be decoded: how many of which kind and class.
fn tell_other_images(
    tree: &Tree,
    images: &[(usize, String)],
    class_names: &[String],
    account: &mut Account,
    problems: &mut Vec<Problem>,
) -> Result<()> {
    let (mut kinds, mut classes): (BTreeMap<String, usize>, BTreeMap<&str, usize>) = Default::default();
    for (at, class) in images {
        let kind = tree.entries[*at].extension().to_uppercase();
        account.leave_out(tree, *at, &format!("images of a kind that cannot be read ({kind})"));
        *kinds.entry(kind).or_default() += 1;
        *classes.entry(class).or_default() += 1;
    }
    if images.is_empty() {
        return Ok(());
    }
    let listed = |counts: Vec<String>| if counts.len() > 6 { format!("{}, ...", counts[..6].join(", ")) } else { counts.join(", ") };
    let kinds = listed(kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect());
    let of_class = |(class, count): (&&str, &usize)| {
        let gone = if class_names.iter().any(|name| name == class) { "" } else { ", which has no others" };
        format!("{count} of {class}{gone}")
    };
    let classes = listed(classes.iter().map(of_class).collect());
    let sentence = format!("{} images are of kinds that cannot be read ({kinds}): {classes}; save them as PNG or JPEG", images.len());
    let problem = Problem::error("unsupported-image", sentence).counted(images.len() as u64);
    let problem = images.iter().take(20).fold(problem, |problem, (at, _)| problem.at(tree.place(&tree.entries[*at])));
    if class_names.is_empty() {
        return Err(problem.into());
    }
    problems.push(problem.skippable("Leave these images out"));
    Ok(())
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
        let cased = train.iter().find(|name| name.to_lowercase() == first.to_lowercase());
        let like =
            cased.map_or(String::new(), |name| format!("; training has {name:?}: rename one of the folders where they are the same class"));
        let sentence = format!("{} classes, such as {first:?}, have images for validation but none for training{like}", strange.len());
        let problem = Problem::error("untrained-class", sentence).counted(strange.len() as u64);
        let is_left = strange.len() < other.len() && train.len() > 1;
        problems.push(if is_left { problem.skippable("Leave their images out") } else { problem });
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
            (parts.len() == level + 1).then(|| parts[level]).filter(|name| !classes.contains(&class_name(name)))
        })
        .collect();
    if let Some(first) = empty.first() {
        let sentence = format!("{} folders, such as {first:?}, hold no image and become no class", empty.len());
        let problem = empty.iter().take(20).fold(Problem::warning("empty-class", sentence), |problem, name| problem.at(Place::file(*name)));
        problems.push(problem.counted(empty.len() as u64));
    }
}
