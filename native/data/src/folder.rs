//! Folders of images, one per class, with or without a level of splits above them (`train/cat/1.png`): torchvision's ImageFolder and
//! ImageNet's layout. Classes are numbered in the order of their names.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::account::Account;
use crate::error::{Place, Problem, Result};
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
    /// Of folders: the levels of splits, where there is one, and of classes.
    pub levels: Option<(Option<usize>, usize)>,
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
        let Some((split, class)) = self.levels else { return options };
        let number = |level: usize| level as u32 + 1;
        Options { split_level: Some(split.map_or(0, number)), class_level: Some(number(class)), ..options }
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

/// What is drawn over an image, or a small copy of it: `NAME_mask.png` beside `NAME.png`.
const OVER: [&str; 11] =
    ["mask", "masks", "seg", "segmentation", "superpixels", "depth", "overlay", "groundtruth", "gt", "thumb", "thumbnail"];

/// Fewer sets of images of one name are met by chance, other than sets of so many.
const FEWEST_SETS: usize = 8;
const LARGE_SET: usize = 4;

/// The masks and thumbnails among images, by the names of those they are of.
fn drawn_over(tree: &Tree, images: &[usize]) -> BTreeSet<usize> {
    let stem = |at: usize| {
        let name = tree.entries[at].name.as_str();
        name.rsplit_once('.').map_or(name, |(stem, _)| stem)
    };
    // `_mask_1` of a second one.
    let base = |at: usize| {
        let name = stem(at);
        let numbered = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let name = if numbered.len() < name.len() { numbered.strip_suffix('_').unwrap_or(name) } else { name };
        let (base, word) = name.rsplit_once(['_', '-', '.'])?;
        let word = word.to_lowercase();
        // `NAME_maskcrop` is of `NAME_crop`.
        let rest = ["mask", "depth"].iter().find_map(|over| word.strip_prefix(over)).filter(|rest| !rest.is_empty() && *rest != "s");
        let of = match rest {
            Some(rest) => format!("{base}_{rest}"),
            None => OVER.contains(&word.as_str()).then(|| base.to_owned())?,
        };
        (!base.ends_with('/')).then_some(of)
    };
    let found: Vec<(usize, String)> = images.iter().filter_map(|&at| Some((at, base(at)?))).collect();
    if found.is_empty() {
        return BTreeSet::new();
    }
    let names: std::collections::HashSet<&str> = images.iter().map(|&at| stem(at)).collect();
    found.into_iter().filter(|(_, base)| names.contains(base.as_str())).map(|(at, _)| at).collect()
}

/// Refuses sets of files of the same name but for the last word, such as bands, masks or views of one picture: `x_B02.tif`, `x_B03.tif`.
fn no_views(tree: &Tree, images: &[usize], folders: &[Folders], options: &Options) -> Result<()> {
    let mut sets: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    for &at in images {
        let name = tree.entries[at].name.as_str();
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        if let Some((base, word)) = stem
            .rsplit_once(['_', '-'])
            .filter(|(base, word)| !base.ends_with('/') && !word.contains('/') && is_view(word) && named_split(word).is_none())
        {
            sets.entry(base).or_default().insert(word);
        }
    }
    let mut kinds: HashMap<&BTreeSet<&str>, usize> = HashMap::new();
    sets.values().filter(|words| words.len() > 1).for_each(|words| *kinds.entry(words).or_default() += 1);
    let Some((words, count)) = kinds.into_iter().max_by_key(|(words, count)| count * words.len()) else { return Ok(()) };
    let inside = count * words.len();
    let fewest = if words.len() < LARGE_SET { FEWEST_SETS } else { 2 };
    if count < fewest || 3 * inside < 2 * images.len() {
        return Ok(());
    }
    let shown = words.iter().copied().take(4).collect::<Vec<_>>().join(", ");
    let more = if words.len() > 4 { ", ..." } else { "" };
    let sentence = format!(
        "{inside} images are sets of {} of the same name ({shown}{more}), as bands, masks or views of one picture are; keep one of each, or \
         join bands into one file",
        words.len()
    );
    let problem = Problem::error("views", sentence).counted(inside as u64);
    // Each may be a sample where the folders name classes.
    let Ok(layout) = layout::read(folders, options, &|image| tree.place(&tree.entries[images[image]])) else { return Err(problem.into()) };
    let number = |level: usize| level as u32 + 1;
    let each = Options { class_level: Some(number(layout.class_level)), split_level: layout.split_level.map(number), ..Options::default() };
    Err(problem.with("choose", "Take each image as a sample", each).into())
}

/// What a view, a band or a mask is called; numbers and frames are told apart by digits alone, or behind a letter.
fn is_view(word: &str) -> bool {
    let is_frame = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    let is_band = word.len() <= 3 && word.starts_with(['B', 'b']);
    word.chars().any(char::is_alphabetic) && (is_band || !word.chars().next().is_some_and(|first| is_frame(&word[first.len_utf8()..])))
}

pub fn open(tree: &Tree, what: &[What], options: &Options) -> Result<ImageSet> {
    let mut images: Vec<usize> = (0..what.len()).filter(|&at| matches!(what[at], What::Image | What::OtherImage)).collect();
    let over = drawn_over(tree, &images);
    images.retain(|at| !over.contains(at));
    let folders: Vec<Folders> = images.iter().map(|&at| folders_of(&tree.entries[at].name)).collect();
    if options.class_level.is_none() {
        no_views(tree, &images, &folders, options)?;
    }
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
    let content: Box<dyn Content> = Box::new(Files { entries, account, levels: Some((split_level, class_level)) });
    Ok(ImageSet { class_names, labels, splits, content, columns: Vec::new(), problems })
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
