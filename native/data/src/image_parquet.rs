//! Parquet files of images as Hugging Face's datasets write them: a column of encoded files (`image.bytes`, or bytes) and one of labels.
//! Shards are read in the order of their names; `train-00000-of-00002.parquet` tells the split.

use crate::account::Account;
use crate::error::{Place, Problem, Result, refuse};
use crate::images::{Content, Hand, ImageSet, Named, Raw, classes_of, named_split, place_among, splits_of};
use crate::options::Options;
use crate::parquet_file::ParquetFile;
use crate::pixels;
use crate::sniff::What;
use crate::tree::{Entry, Tree};

const LABEL_COLUMNS: [&str; 8] = ["label", "labels", "fine_label", "class", "target", "category", "class_name", "y"];

struct Shards {
    /// Entry and rows.
    shards: Vec<(usize, usize)>,
    column: String,
    label: String,
    columns: Vec<String>,
}

/// The column whose first values are image files.
fn image_column(tree: &Tree, entry: &Entry, options: &Options) -> Result<Option<String>> {
    let file = ParquetFile::open(tree, entry)?;
    if let Some(chosen) = &options.image_column {
        let nested = format!("{chosen}.bytes");
        return Ok(Some(if file.names().contains(&nested) { nested } else { chosen.clone() }));
    }
    for column in file.byte_columns() {
        let mut found = None;
        let read = file.bytes(&column, 0, &mut |value| {
            found = value.map(|bytes| pixels::is_image(bytes.data()));
            if found.is_some() { Err(crate::error::Error::Cancelled) } else { Ok(()) }
        });
        if !matches!(read, Ok(()) | Err(crate::error::Error::Cancelled)) {
            read?;
        }
        if found == Some(true) {
            return Ok(Some(column));
        }
    }
    Ok(None)
}

pub fn fits(tree: &Tree, what: &[What], options: &Options) -> bool {
    let first = what.iter().position(|what| *what == What::Parquet);
    first.is_some_and(|at| matches!(image_column(tree, &tree.entries[at], options), Ok(Some(_))))
}

pub fn open(tree: &Tree, what: &[What], options: &Options) -> Result<ImageSet> {
    let entries: Vec<usize> = (0..what.len()).filter(|&at| what[at] == What::Parquet).collect();
    let Some(&first) = entries.first() else {
        return Err(Problem::error("missing-file", "there is no Parquet file").into());
    };
    let Some(column) = image_column(tree, &tree.entries[first], options)? else {
        let file = tree.display(&tree.entries[first]);
        return refuse("no-column", format!("{file} has no column of image files"), Place::file(file));
    };
    let head = ParquetFile::open(tree, &tree.entries[first])?;
    let columns = head.names();
    let label = label_column(tree, &tree.entries[first], &columns, options)?;
    let (mut shards, mut texts, mut named) = (Vec::new(), Vec::new(), Vec::new());
    for at in entries {
        let entry = &tree.entries[at];
        let file = ParquetFile::open(tree, entry)?;
        texts.extend(file.texts(&label)?);
        named.resize(texts.len(), split_of(entry));
        shards.push((at, file.rows));
    }
    let (mut class_names, labels) = classes_of(&texts);
    if let Some(names) = head.class_names(&label).filter(|names| names.len() >= class_names.len()) {
        class_names = names;
    }
    let mut problems = Vec::new();
    let splits = splits_of(&named, &mut problems);
    let content: Box<dyn Content> = Box::new(Shards { shards, column, label, columns: columns.clone() });
    Ok(ImageSet { class_names, labels, splits, content, columns, problems })
}

fn label_column(tree: &Tree, entry: &Entry, columns: &[String], options: &Options) -> Result<String> {
    if let Some(chosen) = &options.label_column {
        return Ok(chosen.clone());
    }
    if let Some(usual) = LABEL_COLUMNS.iter().find(|usual| columns.iter().any(|name| name == *usual)) {
        return Ok((*usual).to_owned());
    }
    let file = tree.display(entry);
    let sentence = format!("{file} has no column of labels that is known by its name; there are {}", columns.join(", "));
    let offer = |problem: Problem, name: &String| {
        problem.with("choose", format!("Take {name}"), Options { label_column: Some(name.clone()), ..Options::default() })
    };
    Err(columns.iter().take(12).fold(Problem::error("no-column", sentence).at(Place::file(file)), offer).into())
}

/// By the file's name, or that of the nearest of its folders.
pub fn split_of(entry: &Entry) -> Option<Named> {
    entry.name.rsplit('/').find_map(named_split)
}

impl Content for Shards {
    fn account(&self, tree: &Tree) -> Account {
        let mut account = Account::default();
        self.shards.iter().for_each(|(entry, _)| account.use_as(tree, *entry, "Parquet files of images"));
        account.columns(&self.columns, &[(&self.column, "images"), (&self.label, "labels")]);
        account
    }

    fn stream(&self, tree: &Tree, from: usize, hand: &mut Hand) -> Result<()> {
        let mut before = 0;
        for &(at, rows) in &self.shards {
            let skipped = from.saturating_sub(before).min(rows);
            before += rows;
            if skipped < rows {
                let file = ParquetFile::open(tree, &tree.entries[at])?;
                // A null is an empty file, which decoding refuses with its place.
                file.bytes(&self.column, skipped, &mut |bytes| {
                    hand(Raw::Encoded(bytes.map_or_else(Vec::new, |bytes| bytes.data().to_vec())))
                })?;
            }
        }
        Ok(())
    }

    fn place(&self, tree: &Tree, sample: usize) -> Place {
        place_among(tree, self.shards.iter().copied(), sample)
    }
}
