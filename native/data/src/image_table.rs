//! A CSV or JSON-lines file that names images and their labels; the images lie beside it or in the same archive.

use std::collections::HashMap;

use crate::account::Account;
use crate::error::{Problem, Result};
use crate::folder::Files;
use crate::images::{Content, ImageSet, Named, classes_of, named_split, splits_of};
use crate::options::Options;
use crate::sniff::{What, is_image_extension};
use crate::table::{self, Shape};
use crate::tree::Tree;

const IMAGE_COLUMNS: [&str; 12] =
    ["image", "image_path", "file_name", "filename", "file", "path", "img", "image_id", "id", "image_file", "filepath", "name"];
const LABEL_COLUMNS: [&str; 9] = ["label", "labels", "class", "class_name", "category", "target", "y", "label_name", "species"];
const SPLIT_COLUMNS: [&str; 4] = ["split", "subset", "fold", "set"];

struct Table {
    entry: usize,
    shape: Shape,
    image: usize,
}

/// Whether there is a table that names images, or one that cannot be read, which opening says.
pub fn fits(tree: &Tree, what: &[What], options: &Options) -> bool {
    !matches!(find(tree, what, options), Ok(None))
}

/// The first table with a column of image files.
fn find(tree: &Tree, what: &[What], options: &Options) -> Result<Option<Table>> {
    for (at, entry) in tree.entries.iter().enumerate() {
        let json = what[at] == What::JsonLines;
        if json || what[at] == What::Csv {
            let shape = table::shape(tree, entry, json)?;
            if let Some(image) = image_column(tree, at, &shape, options)? {
                return Ok(Some(Table { entry: at, shape, image }));
            }
        }
    }
    Ok(None)
}

fn is_image_name(text: &str) -> bool {
    text.rsplit_once('.').is_some_and(|(_, extension)| is_image_extension(&extension.to_lowercase()))
}

/// The chosen column, or the one whose first values are mostly names of image files.
fn image_column(tree: &Tree, at: usize, shape: &Shape, options: &Options) -> Result<Option<usize>> {
    if options.image_column.is_some() {
        return Ok(shape.choose(options.image_column.as_ref(), &[]));
    }
    let mut rows = Vec::new();
    let read = shape.rows(tree, &tree.entries[at], &mut |_, row| {
        rows.push(row);
        if rows.len() < 100 { Ok(()) } else { Err(crate::error::Error::Cancelled) }
    });
    if !matches!(read, Ok(()) | Err(crate::error::Error::Cancelled)) {
        read?;
    }
    let named = |column: usize| rows.iter().filter(|row| row[column].as_deref().is_some_and(is_image_name)).count();
    let best = (0..shape.columns.len()).max_by_key(|column| named(*column)).filter(|column| 2 * named(*column) > rows.len());
    // Names without an extension (Kaggle's `id`), where images lie beside the table.
    let has_images = tree.entries.iter().any(|entry| is_image_name(entry.file_name()));
    Ok(best.or_else(|| if has_images { shape.choose(None, &IMAGE_COLUMNS) } else { None }))
}

pub fn open(tree: &mut Tree, what: &[What], options: &Options) -> Result<ImageSet> {
    let Some(Table { entry: at, shape, image }) = find(tree, what, options)? else {
        let sentence = "there is no CSV or JSON-lines file with a column of image files";
        return Err(Problem::error("no-column", sentence).into());
    };
    let label = match shape.choose(options.label_column.as_ref(), &LABEL_COLUMNS) {
        Some(label) => label,
        None if options.label_column.is_none() && shape.columns.len() == 2 => 1 - image.min(1),
        None => {
            let remedy = |name: &str| Options { label_column: Some(name.to_owned()), ..Options::default() };
            return table::no_column(tree, &tree.entries[at], "labels", &shape, remedy);
        }
    };
    let split = shape.choose(None, &SPLIT_COLUMNS).filter(|column| *column != label && *column != image);
    let mut rows: Vec<(String, Option<String>, Option<Named>, usize)> = Vec::new();
    let mut nameless = Vec::new();
    shape.rows(tree, &tree.entries[at], &mut |row, mut fields| {
        let named = split.and_then(|column| fields[column].as_deref().and_then(named_split));
        match fields[image].take() {
            Some(name) => rows.push((name, fields[label].take(), named, row)),
            None => nameless.push(row),
        }
        Ok(())
    })?;
    let file = tree.display(&tree.entries[at]);
    let mut problems = Vec::new();
    if !nameless.is_empty() {
        let sentence = format!("{file} has {} rows without an image", nameless.len());
        problems.push(of_rows(Problem::error("missing-file", sentence), &file, &nameless).skippable("Leave these rows out"));
    }
    let known: HashMap<String, usize> = names_of(tree);
    let (mut entries, mut texts, mut named, mut missing) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (name, text, split, row) in rows {
        match locate(tree, at, &known, &name)? {
            Some(entry) => {
                entries.push(entry);
                texts.push(text);
                named.push(split);
            }
            None => missing.push((name, row)),
        }
    }
    if let Some((name, row)) = missing.first() {
        let sentence = format!("{file} names {} files that do not exist, such as {name:?} in row {row}", missing.len());
        let numbers: Vec<usize> = missing.iter().map(|(_, row)| *row).collect();
        problems.push(of_rows(Problem::error("missing-file", sentence), &file, &numbers).skippable("Leave these rows out"));
    }
    let (class_names, labels) = classes_of(&texts);
    let splits = splits_of(&named, &mut problems);
    let mut account = Account::default();
    account.use_as(tree, at, "tables of labels");
    account.columns(&shape.columns, &used_columns(&shape.columns, image, label, split));
    let content: Box<dyn Content> = Box::new(Files { entries, account, levels: None });
    Ok(ImageSet { class_names, labels, splits, content, columns: shape.columns, problems })
}

fn used_columns(columns: &[String], image: usize, label: usize, split: Option<usize>) -> Vec<(&str, &'static str)> {
    let mut used = vec![(columns[image].as_str(), "images"), (columns[label].as_str(), "labels")];
    used.extend(split.map(|split| (columns[split].as_str(), "splits")));
    used
}

fn of_rows(problem: Problem, file: &str, rows: &[usize]) -> Problem {
    let problem = problem.counted(rows.len() as u64);
    rows.iter().take(20).fold(problem, |problem, &row| problem.at(crate::error::Place::row(file, row)))
}

/// Entries by name, and by file name where only one has it.
fn names_of(tree: &Tree) -> HashMap<String, usize> {
    let mut names: HashMap<String, usize> = HashMap::new();
    let mut short: HashMap<&str, Option<usize>> = HashMap::new();
    for (at, entry) in tree.entries.iter().enumerate() {
        for name in [entry.file_name(), entry.stem()] {
            short
                .entry(name)
                .and_modify(|found| {
                    if *found != Some(at) {
                        *found = None
                    }
                })
                .or_insert(Some(at));
        }
        names.insert(entry.name.clone(), at);
    }
    for (name, at) in short {
        if let Some(at) = at {
            names.entry(name.to_owned()).or_insert(at);
        }
    }
    names
}

/// The image as the table names it: relative to the table's folder, anywhere in the tree by its file name, or on the disk beside it.
fn locate(tree: &mut Tree, table: usize, known: &HashMap<String, usize>, name: &str) -> Result<Option<usize>> {
    let name = name.trim().trim_start_matches("./").replace('\\', "/");
    let folder = tree.entries[table].folder();
    let beside = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
    let short = name.rsplit('/').next().unwrap_or_default();
    let found = known.get(&beside).or_else(|| known.get(&name)).or_else(|| known.get(short)).copied().filter(|at| *at != table);
    if found.is_some() {
        return Ok(found);
    }
    let beside = &tree.entries[table];
    let resolved = tree.resolve(beside, &name)?;
    Ok(resolved.map(|entry| {
        tree.entries.push(entry);
        tree.entries.len() - 1
    }))
}
