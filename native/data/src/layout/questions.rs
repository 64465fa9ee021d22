//! What is asked about a layout, and refused: levels that may each be the classes, copies, masks, folders that are named like splits.

use std::collections::{BTreeMap, BTreeSet};

use super::{Tree, are_masks, is_mask, is_plain, is_split_name, other_words, speaks_of_split};
use crate::error::{Problem, Result};
use crate::images::{Named, named_split};
use crate::options::Options;

/// Two folders of labelled images for one split may be a copy of each other.
pub(super) fn one_folder_per_split(tree: &Tree, level: usize) -> Result<()> {
    let mut folders: BTreeMap<Named, Vec<&str>> = BTreeMap::new();
    for (name, inner) in tree.with_inner(level) {
        if let Some(named) = named_split(name).filter(|_| !inner.is_empty()) {
            folders.entry(named).or_default().push(name);
        }
    }
    let Some((_, several)) = folders.iter().find(|(_, folders)| folders.len() > 1) else { return Ok(()) };
    let sentence = format!("the folders {} are named like the same split; which of them count?", several.join(", "));
    let all = Options { split_level: Some(level as u32 + 1), ..Options::default() };
    let problem = Problem::error("same-split", sentence).counted(several.len() as u64).with("choose", "Take them together", all);
    let without = |problem: Problem, name: &&str| match path_of(tree, level, name) {
        Some(path) => problem.with("choose", format!("Leave {name} out"), Options { leave_out: Some(path), ..Options::default() }),
        None => problem,
    };
    Err(several.iter().rev().take(6).fold(problem, without).into())
}

/// A folder with those above it, where all of its name have the same.
fn path_of(tree: &Tree, level: usize, name: &str) -> Option<String> {
    let part = tree.of(level, name);
    let paths: BTreeSet<String> = part.folders().map(|image| part.images[image][..=level].join("/")).collect();
    paths.first().filter(|_| paths.len() == 1).cloned()
}

/// Levels that may be the classes; `upper` is that of the folders of which one may be taken alone.
pub(super) fn which_classes(tree: &Tree, upper: usize, levels: &[usize], split: Option<usize>) -> Problem {
    let shown = |level: usize| {
        let names = tree.names(level);
        let more = if names.len() > 3 { ", ..." } else { "" };
        format!("{}{more}", names.into_iter().take(3).collect::<Vec<_>>().join(", "))
    };
    let readings: Vec<String> = levels.iter().map(|&level| format!("those of level {} ({})", level + 1, shown(level))).collect();
    let sentence = match &readings[..] {
        [one] if levels.contains(&upper) => format!("the folders that may be classes hold the same folders each: {one}"),
        [one] => format!("folders beside one that is named like a split may hold the classes: {one}"),
        some => format!("several levels of folders may be the classes: {}", some.join(" or ")),
    };
    let mut problem = Problem::error("which-classes", sentence);
    // One of them may be a split of the other: `CRC` and `CRC-VAL`.
    let (evaluated, rest): (Vec<&str>, Vec<&str>) = tree.names(upper).into_iter().partition(|name| named_split(name).is_some());
    if let ([evaluated], [train], None) = (&evaluated[..], &rest[..], split)
        && named_split(evaluated) != Some(Named::Train)
        && levels.contains(&upper)
    {
        let by_split = Options { split_level: Some(upper as u32 + 1), ..Options::default() };
        problem = problem.with("choose", format!("Train on {train} and validate on {evaluated}"), by_split);
    }
    // Names with numbers are rather those of parts, and the folders in which all hold the same, of sources, than classes.
    let is_numbered = |level: usize| {
        let names = tree.names(level);
        2 * names.iter().filter(|name| name.contains(|c: char| c.is_ascii_digit())).count() >= names.len()
    };
    // A folder of a split is no class among others.
    let mut ordered: Vec<usize> =
        levels.iter().copied().filter(|&level| level == upper || !tree.names(level).iter().any(|name| speaks_of_split(name))).collect();
    // Of the pictures of each class.
    let speaks_of_form = |name: &&str| name.split(|c: char| !c.is_alphanumeric()).any(is_form);
    let of_forms = levels.iter().copied().find(|inner| *inner > upper && tree.names(*inner).iter().all(speaks_of_form));
    ordered.sort_by_key(|&level| (Some(level) == of_forms, is_numbered(level), std::cmp::Reverse(level)));
    let by_level = |problem: Problem| {
        ordered.iter().fold(problem, |problem, &level| {
            let options =
                Options { class_level: Some(level as u32 + 1), split_level: split.map(|split| split as u32 + 1), ..Options::default() };
            problem.with("choose", format!("Take {} as the classes", shown(level)), options)
        })
    };
    let below = tree.with_inner(upper);
    let alone = |problem: Problem| {
        // Of classes none is a dataset by itself.
        let are_classes = ordered.first() == Some(&upper);
        let holds_classes = |name: &&str| !are_classes && below.get(name).is_some_and(|inner| inner.len() > 1);
        let with_classes = tree.names(upper).into_iter().filter(holds_classes).take(6);
        // Classes below others folders are not seen in a part alone.
        let class_level = ordered.first().filter(|level| **level > upper + 1).map(|level| *level as u32 + 1);
        with_classes.fold(problem, |problem, name| match path_of(tree, upper, name) {
            Some(path) => {
                problem.with("choose", format!("Take {name} alone"), Options { folder: Some(path), class_level, ..Options::default() })
            }
            None => problem,
        })
    };
    let are_forms = tree.names(upper).iter().any(speaks_of_form);
    if let Some(inner) = of_forms {
        let of_form = |problem: Problem, name: &str| {
            let folder = format!("{}{name}", "*/".repeat(inner));
            problem.with("choose", format!("Take {name} of each alone"), Options { folder: Some(folder), ..Options::default() })
        };
        return by_level(tree.names(inner).into_iter().take(6).fold(problem, of_form));
    }
    if are_forms || !levels.contains(&upper) { by_level(alone(problem)) } else { alone(by_level(problem)) }
}

/// What folders of the same pictures in another form are called.
pub fn is_form(word: &str) -> bool {
    const FORMS: &str = "color colour gray grey grayscale greyscale rgb bw segmented augmented aug raw original resized cropped crop normalized \
                         processed preprocessed enhanced denoised full thumbs thumb thumbnail thumbnails small large 40x 100x 200x 400x";
    let lower = word.to_lowercase();
    let is_version = lower.strip_prefix('v').is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()));
    is_version || FORMS.split_whitespace().any(|known| known == lower)
}

pub(super) fn no_classes(tree: &Tree, level: usize, names: &BTreeSet<&str>) -> Problem {
    let shown: Vec<&str> = names.iter().copied().take(3).collect();
    let sentence = format!(
        "the {} images lie in {} and no folders below that name their classes; make a folder per class, or a CSV with a column of file names and one of labels",
        tree.kept.len(),
        shown.join(", ")
    );
    let problem = Problem::error("no-classes", sentence);
    if names.len() < 2 || are_splits_alone(names) {
        return problem;
    }
    // Several splits of each are no classes: x_train, x_val, y_train, y_val.
    let mut families: BTreeMap<Vec<String>, BTreeSet<Option<Named>>> = BTreeMap::new();
    for name in names {
        families.entry(other_words(name)).or_default().insert(named_split(name));
    }
    if families.values().any(|splits| splits.len() > 1) {
        return problem;
    }
    let options = Options { split_level: Some(0), class_level: Some(level as u32 + 1), ..Options::default() };
    problem.with("choose", format!("Take {} as the classes", shown.join(", ")), options)
}

/// Folders of classes that hold others with names of their own each may be classes or groups of them: `lung/lung_aca`, `dog/beagle`. Names
/// with digits are those of patients, scenes and other parts.
pub(super) fn one_level_of_classes(tree: &Tree, level: usize, split: Option<usize>) -> Result<()> {
    let has = |lower: &usize| tree.kept.iter().all(|&image| tree.folder(image, *lower).is_some());
    let lowers: Vec<usize> =
        (level + 1..tree.depth()).take_while(has).filter(|lower| are_own_words(&tree.groups(level, *lower))).take(4).collect();
    if lowers.is_empty() {
        return Ok(());
    }
    let shown = |level: usize| {
        let names = tree.names(level);
        let more = if names.len() > 3 { ", ..." } else { "" };
        format!("{}{more}", names.into_iter().take(3).collect::<Vec<_>>().join(", "))
    };
    let below: Vec<String> = lowers.iter().map(|lower| format!("those of level {} below ({})", lower + 1, shown(*lower))).collect();
    let sentence =
        format!("several levels of folders may be the classes: those of level {} ({}) or {}", level + 1, shown(level), below.join(" or "));
    let offer = |problem: Problem, level: &usize| {
        let options =
            Options { class_level: Some(*level as u32 + 1), split_level: split.map(|split| split as u32 + 1), ..Options::default() };
        problem.with("choose", format!("Take {} as the classes", shown(*level)), options)
    };
    Err(std::iter::once(level)
        .chain(lowers)
        .fold(Problem::error("which-classes", sentence), |problem, level| offer(problem, &level))
        .into())
}

/// Each group has several folders, which are called otherwise than those of the others and without a number.
fn are_own_words(groups: &BTreeMap<&str, BTreeSet<&str>>) -> bool {
    let names: Vec<&&str> = groups.values().flatten().collect();
    let is_word = |name: &str| name.chars().any(char::is_alphabetic) && !name.chars().any(|c| c.is_ascii_digit()) && !is_plain(name);
    let differ = names.iter().copied().collect::<BTreeSet<_>>().len() == names.len();
    groups.len() > 1 && differ && groups.values().all(|names| names.len() > 1) && names.iter().all(|name| is_word(name))
}

pub(super) fn no_splits(level: usize, names: &BTreeSet<&str>) -> Problem {
    let shown: Vec<&str> = names.iter().copied().take(3).collect();
    let sentence = format!("no folder of level {} is named like a split (train, val, test): {}", level + 1, shown.join(", "));
    Problem::error("no-split", sentence)
}

/// Folders that speak of splits within others that do.
pub(super) fn splits_or_classes(tree: &Tree, level: usize, class_level: usize) -> Problem {
    let sentence = format!("the folders of level {} and those of level {} are both named like splits", level + 1, class_level + 1);
    let reading = |split: usize, class: usize| Options {
        split_level: Some(split as u32 + 1),
        class_level: Some(class as u32 + 1),
        ..Options::default()
    };
    let title = |level: usize| {
        let names = tree.names(level);
        let more = if names.len() > 3 { ", ..." } else { "" };
        format!("Take {}{more} as the classes", names.into_iter().take(3).collect::<Vec<_>>().join(", "))
    };
    let problem = Problem::error("class-like-split", sentence).with("choose", title(level), reading(class_level, level));
    problem.with("choose", title(class_level), reading(level, class_level))
}

/// Folders that are all splits of one dataset, which are no classes: `train` and `test1`, `cars_train` and `cars_test`.
pub(super) fn are_splits_alone(names: &BTreeSet<&str>) -> bool {
    let families: BTreeSet<Vec<String>> = names.iter().map(|name| other_words(name)).collect();
    families.len() == 1 && names.iter().all(|name| speaks_of_split(name))
}

/// Refuses masks within each class (`COVID/images`, `COVID/masks`), or classes within images and masks each.
pub(super) fn no_masks_in_classes(tree: &Tree) -> Result<()> {
    for level in 0..tree.depth() {
        let names = tree.names(level);
        let masks: Vec<&str> = names.iter().copied().filter(|name| is_mask(name)).collect();
        let ([mask], true) = (&masks[..], are_masks(&names)) else { continue };
        let kept = tree.kept.iter().copied().filter(|&image| tree.folder(image, level) != Some(mask)).collect();
        let rest = Tree { images: tree.images, kept };
        let are_classes = |other: &usize| rest.names(*other).iter().filter(|name| !speaks_of_split(name)).count() > 1;
        if !(0..tree.depth()).filter(|other| *other != level).any(|other| are_classes(&other)) {
            continue;
        }
        let shown = names.iter().copied().collect::<Vec<_>>().join(", ");
        let count = tree.kept.len() - rest.kept.len();
        let sentence = format!(
            "the folders {shown} of level {} hold images and what is drawn over them; {count} images of {mask} are no samples",
            level + 1
        );
        let path = format!("{}{mask}", "*/".repeat(level));
        let leave = Options { leave_out: Some(path), ..Options::default() };
        let problem = Problem::error("masks", sentence).counted(count as u64);
        return Err(problem.with("choose", format!("Leave the folders {mask} out"), leave).into());
    }
    Ok(())
}

pub(super) fn no_masks(names: &BTreeSet<&str>) -> Result<()> {
    if !are_masks(names) {
        return Ok(());
    }
    let shown = names.iter().copied().collect::<Vec<_>>().join(", ");
    let sentence = format!(
        "the folders {shown} hold images and masks or labels drawn over them, which name no classes; a classification needs a folder per class"
    );
    Err(Problem::error("masks", sentence).into())
}

/// Refuses folders that hold a dataset each: one that holds folders named like those beside it, or several that hold the same.
pub(super) fn one_dataset(tree: &Tree, level: usize, names: &BTreeSet<&str>) -> Result<()> {
    let below = tree.with_inner(level);
    let nested = below.iter().find(|(name, inner)| {
        let shared = inner.iter().filter(|inner| *inner != *name && names.contains(*inner)).count();
        shared > 0 && 2 * shared >= names.len() - 1
    });
    if let Some((name, _)) = nested {
        let sentence = format!("the folder {name} holds folders named like those beside it; which of them count?");
        let mut problem = Problem::error("nested-copy", sentence);
        if let Some(path) = path_of(tree, level, name) {
            let leave = Options { leave_out: Some(path.clone()), ..Options::default() };
            problem = problem.with("choose", format!("Take {name} alone"), Options { folder: Some(path), ..Options::default() });
            problem = problem.with("choose", format!("Leave {name} out"), leave);
        }
        return Err(problem.into());
    }
    let branching: Vec<&str> = below.iter().filter(|(_, inner)| inner.len() > 1).map(|(name, _)| *name).collect();
    if let [alone] = branching[..]
        && below.len() > 1
        && below.iter().all(|(name, inner)| *name == alone || inner.is_empty())
    {
        let sentence = format!("only {alone} of the folders of level {} has folders in it; do these name the classes?", level + 1);
        let mut problem = Problem::error("which-classes", sentence);
        if let Some(path) = path_of(tree, level, alone) {
            problem = problem.with("choose", format!("Take {alone} alone"), Options { folder: Some(path), ..Options::default() });
        }
        let level = Options { class_level: Some(level as u32 + 1), ..Options::default() };
        return Err(problem.with("choose", format!("No, {alone} is a class"), level).into());
    }
    let lies_in_all = |inner: &usize| tree.kept.iter().all(|&image| tree.folder(image, *inner).is_some());
    let Some(first) = below.values().next().filter(|first| first.len() > 1 && names.len() > 1) else { return Ok(()) };
    let alike = |inner: &BTreeSet<&str>, first: &BTreeSet<&str>| 2 * inner.intersection(first).count() >= inner.union(first).count();
    if !below.values().all(|inner| alike(inner, first)) {
        // Each of several sites may hold the same classes below folders of its own patients.
        let is_word = |name: &&str| name.chars().any(char::is_alphabetic) && !name.chars().any(|c| c.is_ascii_digit()) && !is_plain(name);
        let is_of_classes = |inner: &usize| {
            let all = tree.names(*inner);
            let groups = tree.groups(level, *inner);
            let mut own = groups.values();
            let are_alike = own.next().is_some_and(|first| own.all(|other| alike(other, first)));
            all.len() > 1 && all.iter().all(is_word) && lies_in_all(inner) && are_alike
        };
        return match (level + 2..tree.depth()).find(is_of_classes) {
            Some(inner) => Err(which_classes(tree, level, &[level, inner], None).into()),
            None => Ok(()),
        };
    }
    // The classes may be those below, where they lie at one level.
    let inner = (level + 1..tree.depth()).find(|&inner| tree.names(inner).len() > 1);
    Err(which_classes(tree, level, &std::iter::once(level).chain(inner.filter(lies_in_all)).collect::<Vec<_>>(), None).into())
}

/// Folders of a split without classes, beside the only folder that has some: their images have no labels.
pub(super) fn flat_splits<'a>(tree: &Tree<'a>, level: usize, names: &BTreeSet<&'a str>) -> BTreeSet<&'a str> {
    let below = tree.with_inner(level);
    let is_flat =
        |name: &&str| speaks_of_split(name) && named_split(name) != Some(Named::Train) && below.get(name).is_some_and(BTreeSet::is_empty);
    let (flat, rest): (BTreeSet<&str>, BTreeSet<&str>) = names.iter().copied().partition(is_flat);
    let has_classes = |name: &&str| below.get(name).is_some_and(|inner| inner.len() > 1 && !inner.iter().any(|name| speaks_of_split(name)));
    if rest.len() == 1 && rest.iter().all(has_classes) { flat } else { BTreeSet::new() }
}

/// Where fewer than two folders are called otherwise than splits, those below may be the classes; of several levels it is asked.
pub(super) fn classes_below(tree: &Tree, level: usize, names: &BTreeSet<&str>) -> Result<()> {
    let rest = names.iter().filter(|name| !speaks_of_split(name)).count();
    let lies_in_all = |inner: &usize| tree.kept.iter().all(|&image| tree.folder(image, *inner).is_some());
    let levels: Vec<usize> = (level + 1..tree.depth()).filter(|inner| tree.names(*inner).len() > 1 && lies_in_all(inner)).collect();
    if rest == 1 && names.len() > 1 && !levels.is_empty() { Err(which_classes(tree, level, &levels, None).into()) } else { Ok(()) }
}

/// Classes that are named like splits, which an error tells of: `test` beside `cat` and `dog`. Where all folders speak of splits, they all are.
pub(super) fn classes_like_splits<'a>(
    names: &BTreeSet<&'a str>,
    level: usize,
    chosen: bool,
    problems: &mut Vec<Problem>,
) -> BTreeSet<&'a str> {
    let speaking = names.iter().filter(|name| speaks_of_split(name)).count();
    let like: BTreeSet<&str> =
        names.iter().copied().filter(|name| is_split_name(name) || (2 * speaking >= names.len() && speaks_of_split(name))).collect();
    if like.is_empty() || chosen {
        return BTreeSet::new();
    }
    let shown = like.iter().copied().take(3).collect::<Vec<_>>().join(", ");
    let sentence = format!(
        "of the folders of level {}, {shown} would be {} named like a split",
        level + 1,
        if like.len() == 1 { "a class" } else { "classes" }
    );
    let as_classes = Options { class_level: Some(level as u32 + 1), ..Options::default() };
    let mut problem = Problem::error("class-like-split", sentence).counted(like.len() as u64);
    // Both splits are the dataset, and what lies beside them has no part in it.
    let named: BTreeSet<Option<Named>> = like.iter().map(|name| named_split(name)).collect();
    if named.contains(&Some(Named::Train)) && named.len() > 1 {
        problem.message.push_str("; splits without folders that name classes need a CSV with a column of file names and one of labels");
        problems.push(problem);
        return like;
    }
    if names.len() - like.len() > 1 {
        problem = problem.skippable(&format!("Leave {shown} out"));
    }
    problems.push(problem.with("choose", format!("Take {shown} as classes"), as_classes));
    like
}
