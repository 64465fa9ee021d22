//! Datasets of which several files together tell the labels: CUB-200 and NABirds (`images.txt`, `image_class_labels.txt` or
//! `labels.txt`, `train_test_split.txt`, each with the image's number first), and class folders for training beside a list for validation (ImageNet,
//! Tiny ImageNet).

use std::collections::{BTreeSet, HashMap};

use super::index::is_image_name;
use super::{Image, LabelFile, Row};
use crate::column_splits::Told;
use crate::error::{Problem, Result};
use crate::image_parquet::split_of;
use crate::images::{Named, named_split};
use crate::options::{Format, Options};
use crate::sniff::What;
use crate::table;
use crate::tree::{Entry, Tree};

/// `images.txt` with a number before each image, and a list of labels by these numbers beside it.
fn numbered_lists(tree: &Tree) -> Option<(usize, usize)> {
    for (images, entry) in tree.entries.iter().enumerate().filter(|(_, entry)| entry.file_name() == "images.txt") {
        let is_labels = |other: &Entry| {
            let stem = other.stem().to_lowercase();
            other.folder() == entry.folder() && other.extension() == "txt" && (stem == "labels" || stem == "image_class_labels")
        };
        let Some(labels) = tree.entries.iter().position(is_labels) else { continue };
        let head = |at: usize| tree.head(&tree.entries[at], 4096).unwrap_or_default();
        let first = |head: &[u8]| {
            let line = String::from_utf8_lossy(head.split(|byte| *byte == b'\n').next().unwrap_or_default()).into_owned();
            line.split_once(char::is_whitespace).map(|(id, value)| (id.to_owned(), value.trim().to_owned()))
        };
        if let (Some((id, image)), Some((other, label))) = (first(&head(images)), first(&head(labels)))
            && id == other
            && is_image_name(&image)
            && !label.contains(char::is_whitespace)
        {
            return Some((images, labels));
        }
    }
    None
}

/// The files of CUB-200 and their like, where they lie beside each other.
pub fn birds(tree: &Tree) -> Result<Option<LabelFile>> {
    let find = |folder: &str, name: &str| tree.entries.iter().position(|entry| entry.file_name() == name && entry.folder() == folder);
    let Some((images, labels)) = numbered_lists(tree) else { return Ok(None) };
    let split = find(tree.entries[labels].folder(), "train_test_split.txt");
    let of_image = pairs(tree, labels)?;
    let is_train = split.map(|split| pairs(tree, split)).transpose()?;
    let rows = move |tree: &Tree, hand: &mut dyn FnMut(Row) -> Result<()>| {
        each_pair(tree, images, &mut |number, id, name| {
            let split = match is_train.as_ref().map(|split| split.get(id).map(String::as_str)) {
                None => Told::Unsaid,
                Some(Some("1")) => Told::Split(Some(Named::Train)),
                Some(Some("0")) => Told::Split(Some(Named::Test)),
                Some(other) => Told::Strange(other.unwrap_or_default().to_owned()),
            };
            hand(Row { image: Image::Named(name.to_owned()), label: of_image.get(id).cloned(), split, number })
        })
    };
    let mut with = vec![(labels, "lists of labels")];
    with.extend(split.map(|split| (split, "lists of splits")));
    Ok(Some(LabelFile {
        entry: images,
        kind: "lists of images",
        group: String::new(),
        columns: Vec::new(),
        used: Vec::new(),
        label: tree.display(&tree.entries[labels]),
        classes: Vec::new(),
        named: None,
        with,
        notes: Vec::new(),
        rows: Box::new(rows),
    }))
}

fn pairs(tree: &Tree, at: usize) -> Result<HashMap<String, String>> {
    let mut found = HashMap::new();
    each_pair(tree, at, &mut |_, id, value| {
        found.insert(id.to_owned(), value.to_owned());
        Ok(())
    })?;
    Ok(found)
}

fn each_pair(tree: &Tree, at: usize, hand: &mut dyn FnMut(usize, &str, &str) -> Result<()>) -> Result<()> {
    let entry = &tree.entries[at];
    table::lines(tree, entry, &mut |row, line| {
        let text = std::str::from_utf8(line).map_err(|_| table::bad_row(tree, entry, row, "it is not UTF-8"))?;
        match text.split_once(char::is_whitespace) {
            Some((id, value)) => hand(row, id, value.trim()),
            None => Err(table::bad_row(tree, entry, row, "it has no value behind its number")),
        }
    })
}

/// The folder of a class below that of a split.
fn class_below(tree: &Tree, at: usize, split: Named) -> Option<String> {
    let parts: Vec<&str> = tree.entries[at].folder().split('/').collect();
    let of_split = parts.iter().position(|part| named_split(part) == Some(split))?;
    let below = parts[of_split + 1..].iter().find(|part| named_split(part) != Some(split))?;
    Some((*below).to_owned())
}

/// Images of a split with their classes.
type OfSplit = Vec<(usize, String, Named)>;

/// Images to evaluate on that lie in a folder per class, where label files tell of training only; none where one of them does not.
pub fn other_folders(tree: &Tree, what: &[What], used: &BTreeSet<usize>, labels: &BTreeSet<&str>) -> OfSplit {
    let mut found = OfSplit::new();
    for at in (0..what.len()).filter(|at| what[*at] == What::Image && !used.contains(at)) {
        let Some(split) = split_of_folder(tree, at).filter(|split| *split != Named::Train) else { continue };
        match class_below(tree, at, split).filter(|class| labels.contains(class.as_str())) {
            Some(class) => found.push((at, class, split)),
            None => return OfSplit::new(),
        }
    }
    found
}

/// Training images that lie in a folder per class, where label files tell of other splits only.
pub fn training_folders(tree: &Tree, what: &[What], used: &BTreeSet<usize>, labels: &BTreeSet<&str>) -> Result<OfSplit> {
    let class_of = |at: usize| class_below(tree, at, Named::Train);
    let is_training = |at: &usize| what[*at] == What::Image && !used.contains(at) && split_of_folder(tree, *at) == Some(Named::Train);
    let found: Vec<(usize, Option<String>)> = (0..what.len()).filter(is_training).map(|at| (at, class_of(at))).collect();
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let classes: BTreeSet<&str> = found.iter().filter_map(|(_, class)| class.as_deref()).collect();
    if found.iter().all(|(_, class)| class.is_some()) && labels.iter().all(|label| classes.contains(label)) {
        return Ok(found.into_iter().filter_map(|(at, class)| Some((at, class?, Named::Train))).collect());
    }
    let sentence = format!(
        "the labels of {} images for training are in no table or list, and their folders are not called like the labels of the others",
        found.len()
    );
    let folders = Options { format: Some(Format::ImageFolder), ..Options::default() };
    Err(Problem::error("no-label", sentence).with("choose", "Take the folders as the classes, without the table", folders).into())
}

fn split_of_folder(tree: &Tree, at: usize) -> Option<Named> {
    tree.entries[at].folder().rsplit('/').find_map(named_split)
}

/// Whether all that is said is of splits to evaluate on.
pub fn lacks_training(tree: &Tree, files: &[LabelFile]) -> bool {
    files.iter().all(|file| matches!(split_of(&tree.entries[file.entry]), Some(Named::Validation | Named::Test)))
}
