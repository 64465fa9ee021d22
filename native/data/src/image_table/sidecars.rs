//! Files beside images, one for each and called like it: `0.json` of fields, `0.txt` of a label. Together they are a table.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use super::document::{FILE, LABEL};
use super::project::{self, Fields};
use crate::error::Result;
use crate::sniff::What;
use crate::table::Row;
use crate::tree::{Entry, Tree};

/// Files by which the columns are known, evenly among all.
const JUDGED: usize = 1000;
/// A longer text is no label, bytes.
const LONGEST: usize = 64;
/// A larger file is none about one image, bytes.
const LARGEST: u64 = 4 << 20;

#[derive(Clone)]
pub struct Sidecars {
    pub columns: Vec<String>,
    /// An image with the file beside it.
    pub pairs: Vec<(usize, usize)>,
}

fn without_extension(name: &str) -> &str {
    let from = name.rfind('/').map_or(0, |at| at + 1);
    name[from..].rfind('.').map_or(name, |at| &name[..from + at])
}

fn is_sidecar(what: &What, entry: &Entry) -> bool {
    match what {
        What::Text => entry.extension() == "txt",
        What::Json | What::JsonLines => entry.extension() == "json",
        _ => false,
    }
}

impl Sidecars {
    /// `None`: most images have none, or they say nothing of labels.
    pub fn find(tree: &Tree, what: &[What]) -> Result<Option<Self>> {
        let pairs = pairs(tree, what);
        if pairs.len() < 2 {
            return Ok(None);
        }
        let mut columns: Vec<String> = vec![FILE.into()];
        for &(_, file) in pairs.iter().step_by(pairs.len().div_ceil(JUDGED)) {
            let Some(fields) = fields(tree, &tree.entries[file])? else { return Ok(None) };
            for (name, _) in fields {
                if !columns.contains(&name) && columns.len() < 1000 {
                    columns.push(name);
                }
            }
        }
        let found = Self { columns, pairs };
        Ok(Some(found).filter(|found| found.columns.len() > 1))
    }

    fn row(&self, tree: &Tree, (image, file): (usize, usize)) -> Result<Row> {
        let mut row: Row = vec![None; self.columns.len()];
        row[0] = Some(tree.entries[image].name.clone());
        for (name, value) in fields(tree, &tree.entries[file])?.unwrap_or_default() {
            if let Some(at) = self.columns.iter().position(|column| *column == name) {
                row[at] = value;
            }
        }
        Ok(row)
    }

    pub fn first_rows(&self, tree: &Tree) -> Result<Vec<Row>> {
        self.pairs.iter().step_by(self.pairs.len().div_ceil(JUDGED)).map(|pair| self.row(tree, *pair)).collect()
    }

    pub fn rows(&self, tree: &Tree, hand: &mut dyn FnMut(usize, Row) -> Result<()>) -> Result<()> {
        self.pairs.iter().enumerate().try_for_each(|(number, pair)| hand(number, self.row(tree, *pair)?))
    }
}

/// Images with the files beside them, of the extension that most have; none where fewer than half of the images have one.
fn pairs(tree: &Tree, what: &[What]) -> Vec<(usize, usize)> {
    let files: Vec<usize> = (0..what.len()).filter(|at| is_sidecar(&what[*at], &tree.entries[*at])).collect();
    let images: Vec<usize> = (0..what.len()).filter(|at| what[*at] == What::Image).collect();
    if 2 * files.len() < images.len() {
        return Vec::new();
    }
    let (mut by_path, mut by_name): (HashMap<&str, usize>, HashMap<&str, Option<usize>>) = Default::default();
    for &image in &images {
        let entry = &tree.entries[image];
        by_path.insert(without_extension(&entry.name), image);
        by_path.insert(&entry.name, image);
        for name in [entry.file_name(), without_extension(entry.file_name())] {
            by_name.entry(name).and_modify(|only| *only = None).or_insert(Some(image));
        }
    }
    let image_of = |file: usize| {
        let entry = &tree.entries[file];
        let beside = by_path.get(without_extension(&entry.name)).copied();
        beside.or_else(|| by_name.get(without_extension(entry.file_name())).copied().flatten())
    };
    let mut by_extension: BTreeMap<String, BTreeMap<usize, usize>> = BTreeMap::new();
    for file in files {
        if let Some(image) = image_of(file) {
            by_extension.entry(tree.entries[file].extension()).or_default().entry(image).or_insert(file);
        }
    }
    let most = by_extension.into_values().max_by_key(BTreeMap::len).filter(|pairs| 2 * pairs.len() >= images.len());
    most.unwrap_or_default().into_iter().collect()
}

/// What a file says; `None` where it is none about the label of an image.
fn fields(tree: &Tree, entry: &Entry) -> Result<Option<Fields>> {
    if tree.size(entry) > LARGEST {
        return Ok(None);
    }
    let content = tree.read_all(entry, LARGEST as usize)?;
    if entry.extension() == "json" {
        let object: Option<Map<String, Value>> = serde_json::from_slice(&content).ok();
        return Ok(object.map(project::beside_image));
    }
    let text = String::from_utf8_lossy(&content);
    let text = text.trim();
    let are_numbers = text.split_whitespace().count() > 1 && text.split_whitespace().all(|word| word.parse::<f64>().is_ok());
    let is_label = text.lines().count() <= 1 && text.len() <= LONGEST && !are_numbers;
    Ok(is_label.then(|| vec![(LABEL.to_owned(), Some(text.to_owned()).filter(|text| !text.is_empty()))]))
}
