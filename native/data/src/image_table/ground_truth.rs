//! Labels of ImageNet's validation images by their number: line k of `ILSVRC2012_validation_ground_truth.txt` is the class of
//! `ILSVRC2012_val_0000000k.JPEG`. The devkit numbers the classes in an order of its own, which `meta.mat` or `map_clsloc.txt` tell.

use std::collections::HashMap;

use super::{Image, LabelFile, Row};
use crate::column_splits::Told;
use crate::error::{Problem, Result};
use crate::images::Named;
use crate::options::{Format, Options};
use crate::sniff::What;
use crate::table;
use crate::tree::{Entry, Tree};

fn is_list(entry: &Entry) -> bool {
    let Some(stem) = entry.file_name().strip_suffix(".txt") else { return false };
    let stem = stem.to_lowercase();
    stem.ends_with("validation_ground_truth") || stem.ends_with("validation_synset_labels")
}

/// What stands before the number of a validation image, the number of digits, and what stands behind.
fn numbered(entry: &Entry) -> Option<(&str, usize, &str)> {
    let name = entry.file_name();
    let before = name.find("_val_")? + "_val_".len();
    let digits = name[before..].bytes().take_while(u8::is_ascii_digit).count();
    (digits > 0).then(|| (&name[..before], digits, &name[before + digits..]))
}

/// The list and a first image of its kind.
fn find(tree: &Tree, what: &[What]) -> Option<(usize, usize)> {
    let list = tree.entries.iter().take(what.len()).position(is_list)?;
    let image = (0..what.len()).find(|at| what[*at] == What::Image && numbered(&tree.entries[*at]).is_some())?;
    Some((list, image))
}

pub fn is_there(tree: &Tree, what: &[What]) -> bool {
    find(tree, what).is_some()
}

fn is_synset(text: &str) -> bool {
    text.len() == 9 && text.starts_with('n') && text[1..].bytes().all(|byte| byte.is_ascii_digit())
}

pub fn open(tree: &Tree, what: &[What]) -> Result<Option<LabelFile>> {
    let Some((list, image)) = find(tree, what) else { return Ok(None) };
    let entry = &tree.entries[list];
    let mut labels: Vec<String> = Vec::new();
    table::lines(tree, entry, &mut |row, line| match std::str::from_utf8(line) {
        Ok(text) if !text.contains(char::is_whitespace) => {
            labels.push(text.to_owned());
            Ok(())
        }
        _ => Err(table::bad_row(tree, entry, row, "it is not one label")),
    })?;
    let mut with = Vec::new();
    if !labels.iter().all(|label| is_synset(label)) {
        let Some((at, synsets)) = synsets(tree, what)? else { return Err(no_order(tree, entry).into()) };
        for (row, label) in labels.iter_mut().enumerate() {
            let synset = synsets.get(label.as_str()).cloned();
            *label = synset.ok_or_else(|| table::bad_row(tree, entry, row, "its number is none of the devkit's"))?;
        }
        with.push((at, "numbers of classes"));
    }
    let Some((before, digits, behind)) = numbered(&tree.entries[image]) else { return Ok(None) };
    let (before, behind) = (before.to_owned(), behind.to_owned());
    let rows = move |_: &Tree, hand: &mut dyn FnMut(Row) -> Result<()>| {
        labels.iter().enumerate().try_for_each(|(number, label)| {
            let image = Image::Named(format!("{before}{:0digits$}{behind}", number + 1));
            hand(Row { image, label: Some(label.clone()), split: Told::Split(Some(Named::Validation)), number })
        })
    };
    Ok(Some(LabelFile {
        entry: list,
        kind: "lists of labels",
        group: String::new(),
        columns: Vec::new(),
        used: Vec::new(),
        label: tree.display(entry),
        classes: Vec::new(),
        named: Some(Named::Validation),
        with,
        notes: Vec::new(),
        rows: Box::new(rows),
    }))
}

/// The devkit's numbers with their synsets, and the file that tells them.
fn synsets(tree: &Tree, what: &[What]) -> Result<Option<(usize, HashMap<String, String>)>> {
    for at in 0..what.len() {
        let entry = &tree.entries[at];
        let mut found = HashMap::new();
        if entry.file_name() == "map_clsloc.txt" {
            table::lines(tree, entry, &mut |_, line| {
                let text = String::from_utf8_lossy(line);
                if let [synset, number, ..] = text.split_whitespace().collect::<Vec<_>>()[..] {
                    found.insert(number.to_owned(), synset.to_owned());
                }
                Ok(())
            })?;
        } else if entry.file_name() == "synsets.csv" {
            let shape = table::shape(tree, entry, false)?;
            let column = |end: &str| shape.columns.iter().position(|name| name.ends_with(end));
            let (Some(number), Some(synset)) = (column("ILSVRC2012_ID").or_else(|| column("_ID")), column("WNID")) else { continue };
            shape.rows(tree, entry, &mut |_, row| {
                if let (Some(number), Some(synset)) = (&row[number], &row[synset]) {
                    found.insert(number.clone(), synset.clone());
                }
                Ok(())
            })?;
        }
        if !found.is_empty() {
            return Ok(Some((at, found)));
        }
    }
    Ok(None)
}

fn no_order(tree: &Tree, entry: &Entry) -> Problem {
    let file = tree.display(entry);
    let sentence = format!(
        "{file} numbers the classes in the order of ImageNet's devkit, which is not that of the synsets; put the devkit's meta.mat or \
         map_clsloc.txt beside it"
    );
    let problem = Problem::error("no-class-order", sentence).at(tree.place(entry));
    let mut folders = tree.entries.iter().flat_map(|entry| entry.folder().split('/'));
    if !folders.any(is_synset) {
        return problem;
    }
    let options = Options { format: Some(Format::ImageFolder), ..Options::default() };
    problem.with("choose", "Take the folders as the classes, without these labels", options)
}
