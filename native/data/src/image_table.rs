//! Tables (CSV or JSON lines) that name images and their labels; the images lie beside them or in the same archive.
//!
//! Of several tables those named for a split count for it: `train.csv`, `val.csv`, `test.csv` with labels; a submission is none. A row means
//! the file whose path ends as the row says, or whose whole path the row ends with: `old/0.png` is never `new/0.png`. A file name that
//! several folders have is told apart by the row's split or label, or reported.

use std::collections::{BTreeSet, HashMap};

use unicode_normalization::UnicodeNormalization;

use crate::account::Account;
use crate::error::{Error, Place, Problem, Result};
use crate::folder::Files;
use crate::image_parquet::split_of;
use crate::images::{Content, ImageSet, NO_LABEL, Named, check_classes, named_split, numbered, splits_of};
use crate::options::{Format, Options};
use crate::sniff::{What, is_image_extension};
use crate::table::{self, Shape};
use crate::tree::{Entry, Tree};

const IMAGE_COLUMNS: [&str; 15] = [
    "image",
    "image_path",
    "file_name",
    "filename",
    "file",
    "path",
    "img",
    "image_id",
    "id",
    "image_file",
    "filepath",
    "filepaths",
    "name",
    "image_name",
    "id_code",
];
const LABEL_COLUMNS: [&str; 16] = [
    "label",
    "labels",
    "class",
    "class_name",
    "category",
    "target",
    "y",
    "label_name",
    "species",
    "classes",
    "class_id",
    "classid",
    "category_name",
    "breed",
    "diagnosis",
    "emotion",
];
const SPLIT_COLUMNS: [&str; 7] = ["split", "subset", "fold", "set", "data_set", "dataset", "partition"];
/// Columns of text about an image, which is no label.
const CAPTION_COLUMNS: [&str; 9] = ["caption", "captions", "text", "description", "prompt", "sentence", "title", "comment", "alt"];

/// Tables that are looked into; where there are more, they are notes about an image each.
const MOST_TABLES: usize = 100;
/// Rows by which columns are judged.
const JUDGED: usize = 1000;

struct Table {
    entry: usize,
    shape: Shape,
    image: usize,
    label: usize,
    split: Option<usize>,
    named: Option<Named>,
}

/// What a table is.
enum Role {
    Labels(Table),
    Other(&'static str),
    /// It names images, but which column has their labels is not known.
    Unlabelled(Shape),
}

/// Whether there is a table that names images and may have their labels. One that cannot be read counts where no folders tell of classes.
pub fn fits(tree: &Tree, what: &[What], options: &Options) -> bool {
    let chosen = options.label_column.is_some() || options.image_column.is_some() || options.table.is_some();
    let index = Index::new(tree, what);
    let could = |at: usize| match role(tree, what, at, &index, options) {
        Ok(Role::Labels(_) | Role::Unlabelled(_)) => true,
        Err(_) => chosen || !has_folders(tree, what),
        Ok(Role::Other(_)) => false,
    };
    tables(what).any(could)
}

/// Images lie in several folders, which may be their classes.
fn has_folders(tree: &Tree, what: &[What]) -> bool {
    let images = what.iter().zip(&tree.entries).filter(|(what, _)| **what == What::Image);
    images.map(|(_, entry)| entry.folder()).collect::<BTreeSet<_>>().len() > 1
}

fn tables(what: &[What]) -> impl Iterator<Item = usize> {
    let found: Vec<usize> = (0..what.len()).filter(|&at| matches!(what[at], What::Csv | What::JsonLines)).collect();
    if found.len() > MOST_TABLES { Vec::new().into_iter() } else { found.into_iter() }
}

fn is_image_name(text: &str) -> bool {
    text.rsplit_once('.').is_some_and(|(_, extension)| is_image_extension(&extension.to_lowercase()))
}

fn role(tree: &Tree, what: &[What], at: usize, index: &Index, options: &Options) -> Result<Role> {
    let entry = &tree.entries[at];
    if entry.file_name().to_lowercase().contains("submission") {
        return Ok(Role::Other("sample submissions"));
    }
    if options.table.as_ref().is_some_and(|chosen| !is_named(entry, chosen)) {
        return Ok(Role::Other("tables that were not chosen"));
    }
    let mut shape = table::shape(tree, entry, what[at] == What::JsonLines)?;
    let mut rows = first_rows(tree, entry, &shape)?;
    // A first line that names a file, as the rows do, is a row.
    let names_file = |column: &usize| {
        index.has(&shape.columns[*column]) && rows.iter().all(|row| row[*column].as_deref().is_some_and(|text| index.has(text)))
    };
    if shape.has_header && (0..shape.columns.len()).any(|column| names_file(&column)) {
        shape = shape.without_header();
        rows = first_rows(tree, entry, &shape)?;
    }
    let Some(image) = image_column(&shape, &rows, index, options) else { return Ok(Role::Other("tables that name no images")) };
    if rows.len() < 2 && what[at] == What::JsonLines {
        return Ok(Role::Other("notes about an image"));
    }
    let says_split = |column: &usize| rows.iter().any(|row| row[*column].as_deref().is_some_and(|text| named_split(text).is_some()));
    let all_say_split = |column: &usize| rows.iter().all(|row| row[*column].as_deref().is_some_and(|text| named_split(text).is_some()));
    let split = match shape.has_header {
        true => shape.choose(None, &SPLIT_COLUMNS).filter(says_split),
        false => (0..shape.columns.len()).filter(|column| *column != image).find(all_say_split),
    };
    let of_name = shape.choose(options.label_column.as_ref(), &LABEL_COLUMNS).filter(|column| *column != image);
    let only = (0..shape.columns.len()).filter(|column| *column != image && Some(*column) != split).collect::<Vec<_>>();
    let label = match (of_name, &only[..]) {
        (Some(label), _) => label,
        (None, [only]) if options.label_column.is_none() && !is_caption(&shape.columns[*only], &rows, *only) => *only,
        (None, []) => return Ok(Role::Other("tables without labels")),
        (None, [only]) if options.label_column.is_none() && is_caption(&shape.columns[*only], &rows, *only) => {
            return Ok(Role::Other("tables of captions"));
        }
        _ => return Ok(Role::Unlabelled(shape)),
    };
    if rows.iter().all(|row| row[label].is_none()) {
        return Ok(Role::Other("tables without labels"));
    }
    Ok(Role::Labels(Table { entry: at, image, label, split, named: split_of(entry), shape }))
}

fn first_rows(tree: &Tree, entry: &Entry, shape: &Shape) -> Result<Vec<table::Row>> {
    let mut rows = Vec::new();
    let read = shape.rows(tree, entry, &mut |_, row| {
        rows.push(row);
        if rows.len() < JUDGED { Ok(()) } else { Err(Error::Cancelled) }
    });
    crate::text::until_enough(read)?;
    Ok(rows)
}

/// Whether a choice means this file: by its whole name or the end of it.
fn is_named(entry: &Entry, chosen: &str) -> bool {
    entry.name == chosen || entry.file_name() == chosen
}

/// Text about an image rather than the name of a class.
fn is_caption(column: &str, rows: &[table::Row], at: usize) -> bool {
    let words: usize = rows.iter().filter_map(|row| row[at].as_ref()).map(|text| text.split_whitespace().count()).sum();
    CAPTION_COLUMNS.contains(&column.to_lowercase().as_str()) || words > 4 * rows.len().max(1)
}

/// The chosen column, or the one whose first values are mostly names of image files, or of files without their extension.
fn image_column(shape: &Shape, rows: &[table::Row], index: &Index, options: &Options) -> Option<usize> {
    if options.image_column.is_some() {
        return shape.choose(options.image_column.as_ref(), &[]);
    }
    let most = |count: &dyn Fn(usize) -> usize| {
        (0..shape.columns.len())
            .max_by_key(|column| (count(*column), std::cmp::Reverse(*column)))
            .filter(|column| 2 * count(*column) > rows.len())
    };
    let values = |column: usize| rows.iter().filter_map(move |row| row[column].as_deref());
    most(&|column| values(column).filter(|text| is_image_name(text)).count()).or_else(|| {
        let there = |column: usize| values(column).filter(|text| index.has(text)).count();
        match shape.has_header {
            true => shape.choose(None, &IMAGE_COLUMNS).filter(|usual| 2 * there(*usual) > rows.len()),
            false => most(&there),
        }
    })
}

pub fn open(tree: &mut Tree, what: &[What], options: &Options) -> Result<ImageSet> {
    let index = Index::new(tree, what);
    let mut account = Account::default();
    let tables = choose(tree, what, &index, options, &mut account)?;
    let mut reading = Reading::default();
    for table in &tables {
        reading.read(tree, table, &index)?;
        account.use_as(tree, table.entry, "tables of labels");
    }
    let first = &tables[0];
    account.columns(&first.shape.columns, &used_columns(first));
    let columns = first.shape.columns.clone();
    let Reading { samples, mut problems, .. } = reading.settled(tree, &tables)?;
    let (mut entries, mut texts, mut named) = (Vec::new(), Vec::new(), Vec::new());
    for Sample { entry, label, named: split, .. } in samples {
        entries.push(entry);
        texts.push(label);
        named.push(split);
    }
    let used: std::collections::HashSet<usize> = entries.iter().copied().collect();
    for at in (0..what.len()).filter(|at| what[*at] == What::Image && !used.contains(at)) {
        account.leave_out(tree, at, "images that no row names");
    }
    let (class_names, labels) = classes_of(&texts);
    check_classes(&class_names, texts.len(), &columns[first.label])?;
    let splits = splits_of(&named, &mut problems);
    let content: Box<dyn Content> = Box::new(Files { entries, account, levels: None });
    Ok(ImageSet { class_names, labels, splits, content, columns, problems })
}

/// The tables that count: those named for a split, else the one there is, or several alike.
fn choose(tree: &Tree, what: &[What], index: &Index, options: &Options, account: &mut Account) -> Result<Vec<Table>> {
    let (mut found, mut unlabelled) = (Vec::new(), None);
    for at in tables(what) {
        match role(tree, what, at, index, options)? {
            Role::Labels(table) => found.push(table),
            Role::Other(why) => account.leave_out(tree, at, why),
            Role::Unlabelled(shape) => {
                account.leave_out(tree, at, "tables without a column of labels that is known by its name");
                unlabelled.get_or_insert((at, shape));
            }
        }
    }
    if found.is_empty() {
        let Some((at, shape)) = unlabelled else {
            return Err(
                Problem::error("no-column", "there is no CSV or JSON-lines file with a column of image files and one of labels").into()
            );
        };
        let remedy = |name: &str| Options { label_column: Some(name.to_owned()), ..Options::default() };
        let refusal = table::no_column::<Vec<Table>>(tree, &tree.entries[at], "labels", &shape, remedy);
        return match refusal {
            Err(Error::Data(problem)) if has_folders(tree, what) => {
                let folders = Options { format: Some(Format::ImageFolder), ..Options::default() };
                Err(problem.with("choose", "Take the folders as the classes", folders).into())
            }
            other => other,
        };
    }
    if found.iter().any(|table| table.named == Some(Named::Train)) {
        for table in found.extract_if(.., |table| table.named.is_none()) {
            account.leave_out(tree, table.entry, "tables beside those named for a split");
        }
    }
    let alike = found.iter().all(|table| table.shape.columns == found[0].shape.columns);
    let several = found.iter().filter(|table| table.named == found[0].named).count() > 1;
    if several && !alike {
        return Err(which_table(tree, &found, "there are several tables of images and labels; which of them counts?").into());
    }
    Ok(found)
}

fn which_table(tree: &Tree, tables: &[Table], sentence: &str) -> Problem {
    let offer = |problem: Problem, table: &Table| {
        let name = &tree.entries[table.entry].name;
        problem.with("choose", format!("Take {name}"), Options { table: Some(name.clone()), ..Options::default() })
    };
    let problem = Problem::error("which-table", sentence).counted(tables.len() as u64);
    tables.iter().take(12).fold(problem, offer)
}

fn used_columns(table: &Table) -> Vec<(&str, &'static str)> {
    let name = |column: usize| table.shape.columns[column].as_str();
    let mut used = vec![(name(table.image), "images"), (name(table.label), "labels")];
    used.extend(table.split.map(|split| (name(split), "splits")));
    used
}

struct Sample {
    entry: usize,
    label: Option<String>,
    named: Option<Named>,
    table: usize,
    row: usize,
}

/// Rows of all tables, with those that cannot be used.
#[derive(Default)]
struct Reading {
    samples: Vec<Sample>,
    problems: Vec<Problem>,
}

impl Reading {
    fn read(&mut self, tree: &mut Tree, table: &Table, index: &Index) -> Result<()> {
        let file = tree.display(&tree.entries[table.entry]);
        let (mut rows, mut nameless) = (Vec::new(), Vec::new());
        table.shape.rows(tree, &tree.entries[table.entry], &mut |row, mut fields| {
            let split = table.split.and_then(|column| fields[column].as_deref().and_then(named_split)).or(table.named);
            let label = fields[table.label].take().map(|label| label.trim().to_owned()).filter(|label| !label.is_empty());
            match fields[table.image].take().filter(|name| !name.trim().is_empty()) {
                Some(name) => rows.push((name, label, split, row)),
                None => nameless.push(row),
            }
            Ok(())
        })?;
        if !nameless.is_empty() {
            let sentence = format!("{file} has {} rows without an image", nameless.len());
            self.problems.push(of_rows(Problem::error("missing-file", sentence), &file, &nameless).skippable("Leave these rows out"));
        }
        let (mut missing, mut several) = (Vec::new(), Vec::new());
        for (name, label, split, row) in rows {
            match index.find(tree, table.entry, &name, split, label.as_deref()) {
                Found::One(entry) => self.samples.push(Sample { entry, label, named: split, table: table.entry, row }),
                Found::Several => several.push((name, row)),
                Found::None => match tree.resolve(&tree.entries[table.entry], &name.trim().replace('\\', "/"))? {
                    Some(entry) => {
                        tree.entries.push(entry);
                        self.samples.push(Sample { entry: tree.entries.len() - 1, label, named: split, table: table.entry, row });
                    }
                    None => missing.push((name, row)),
                },
            }
        }
        for (code, rows, words) in
            [("missing-file", missing, "files that do not exist"), ("ambiguous-file", several, "files that lie in several folders")]
        {
            let Some((name, row)) = rows.first() else { continue };
            let sentence = format!("{file} names {} {words}, such as {name:?} in row {row}", rows.len());
            let numbers: Vec<usize> = rows.iter().map(|(_, row)| *row).collect();
            self.problems.push(of_rows(Problem::error(code, sentence), &file, &numbers).skippable("Leave these rows out"));
        }
        Ok(())
    }

    /// With one row for each image: another that says the same is left out, one that says something else is an error.
    fn settled(mut self, tree: &Tree, tables: &[Table]) -> Result<Self> {
        let mut first: HashMap<usize, usize> = HashMap::new();
        let (mut again, mut differing) = (Vec::new(), Vec::new());
        for (at, sample) in self.samples.iter().enumerate() {
            match first.get(&sample.entry) {
                None => {
                    first.insert(sample.entry, at);
                }
                Some(&other) if self.samples[other].label == sample.label && self.samples[other].named == sample.named => again.push(at),
                Some(_) => differing.push(at),
            }
        }
        let rows = |at: &[usize]| at.iter().map(|&at| (self.samples[at].table, self.samples[at].row)).collect::<Vec<_>>();
        if let Some(&(table, row)) = rows(&differing).first() {
            let across = tables.len() > 1 && self.samples[first[&self.samples[differing[0]].entry]].table != table;
            if across {
                return Err(which_table(
                    tree,
                    tables,
                    "several tables name the same images with different labels or splits; which of them counts?",
                )
                .into());
            }
            let file = tree.display(&tree.entries[table]);
            let sentence = format!(
                "{file} has {} rows with another label or split for an image of an earlier row, such as row {row}; a table of objects in images has no label per image",
                differing.len()
            );
            return Err(Problem::error("several-labels", sentence).counted(differing.len() as u64).at(Place::row(file, row)).into());
        }
        if let Some(&(table, row)) = rows(&again).first() {
            let file = tree.display(&tree.entries[table]);
            let sentence =
                format!("{} rows say of an image what an earlier row says, such as row {row} of {file}; they count once", again.len());
            self.problems.push(Problem::note("repeated-rows", sentence).counted(again.len() as u64).at(Place::row(file, row)));
            let again: std::collections::HashSet<usize> = again.into_iter().collect();
            let mut at = 0;
            self.samples.retain(|_| {
                at += 1;
                !again.contains(&(at - 1))
            });
        }
        Ok(self)
    }
}

fn of_rows(problem: Problem, file: &str, rows: &[usize]) -> Problem {
    let problem = problem.counted(rows.len() as u64);
    rows.iter().take(20).fold(problem, |problem, &row| problem.at(Place::row(file, row)))
}

enum Found {
    One(usize),
    Several,
    None,
}

/// Images by their file names with and without the extension, composed and in lower case.
struct Index {
    names: HashMap<String, Vec<usize>>,
    folders: BTreeSet<String>,
}

fn plain(name: &str) -> String {
    if name.is_ascii() { name.to_lowercase() } else { name.nfc().collect::<String>().to_lowercase() }
}

fn without_extension(name: &str) -> &str {
    if is_image_name(name) { name.rsplit_once('.').map_or(name, |(stem, _)| stem) } else { name }
}

impl Index {
    fn new(tree: &Tree, what: &[What]) -> Self {
        let mut index = Self { names: HashMap::new(), folders: BTreeSet::new() };
        if tables(what).next().is_none() {
            return index;
        }
        for (at, entry) in tree
            .entries
            .iter()
            .enumerate()
            .filter(|(at, _)| matches!(what[*at], What::Image | What::OtherImage | What::Empty | What::Unknown))
        {
            let name = plain(entry.file_name());
            index.folders.extend(entry.folder().rsplit('/').next().filter(|folder| !folder.is_empty()).map(plain));
            let stem = without_extension(&name).to_owned();
            if stem != name {
                index.names.entry(stem).or_default().push(at);
            }
            index.names.entry(name).or_default().push(at);
        }
        index
    }

    fn has(&self, name: &str) -> bool {
        let unified = name.trim().replace('\\', "/");
        self.names.contains_key(&plain(unified.rsplit('/').next().unwrap_or_default()))
    }

    /// The image that a row means.
    fn find(&self, tree: &Tree, table: usize, name: &str, split: Option<Named>, label: Option<&str>) -> Found {
        let unified = plain(&name.trim().replace('\\', "/"));
        let parts: Vec<&str> = unified.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        let Some((file, folders)) = parts.split_last() else { return Found::None };
        let Some(named) = self.names.get(*file) else { return Found::None };
        let own_folder = folders.last().is_some_and(|folder| self.folders.contains(*folder));
        // Folders that the row and the file have in common, counted from the file up.
        let score = |at: usize| {
            let folder = plain(tree.entries[at].folder());
            let of_file: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
            let common = folders.iter().rev().zip(of_file.iter().rev()).take_while(|(a, b)| a == b).count();
            let fits = common == folders.len() || common > 0 || (of_file.is_empty() && !own_folder);
            fits.then_some(common)
        };
        let scored: Vec<(usize, usize)> = named.iter().filter_map(|&at| score(at).map(|score| (at, score))).collect();
        let best = scored.iter().map(|(_, score)| *score).max().unwrap_or(0);
        let likely: Vec<usize> = scored.into_iter().filter(|(_, score)| *score == best).map(|(at, _)| at).collect();
        let beside = tree.entries[table].folder();
        let tests: [&dyn Fn(usize) -> bool; 5] = [
            &|at| tree.entries[at].file_name() == name.trim().rsplit(['/', '\\']).next().unwrap_or_default(),
            &|at| split.is_some() && split_of(&tree.entries[at]) == split,
            &|at| {
                label.is_some_and(|label| tree.entries[at].folder().rsplit('/').next().is_some_and(|folder| plain(folder) == plain(label)))
            },
            &|at| {
                tree.entries[at].folder()
                    == [beside, &folders.join("/")].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("/")
            },
            &|at| !beside.is_empty() && tree.entries[at].name.starts_with(&format!("{beside}/")),
        ];
        let mut left = likely;
        for test in tests {
            let passing: Vec<usize> = left.iter().copied().filter(|&at| test(at)).collect();
            if left.len() > 1 && !passing.is_empty() {
                left = passing;
            }
        }
        match left[..] {
            [] => Found::None,
            [one] => Found::One(one),
            _ => Found::Several,
        }
    }
}

/// Class names and labels of the values of a column: numbers in their order, else text in its own.
fn classes_of(texts: &[Option<String>]) -> (Vec<String>, Vec<u32>) {
    let numbers: Option<Vec<Option<f64>>> = texts
        .iter()
        .map(|text| text.as_ref().map(|text| text.parse().ok().filter(|x: &f64| x.is_finite())).map_or(Some(None), |x| x.map(Some)))
        .collect();
    let Some(numbers) = numbers else {
        let names: BTreeSet<&String> = texts.iter().flatten().collect();
        let places: HashMap<&String, u32> = names.iter().enumerate().map(|(number, name)| (*name, number as u32)).collect();
        let labels = texts.iter().map(|text| text.as_ref().map_or(NO_LABEL, |text| places[text])).collect();
        return (names.into_iter().cloned().collect(), labels);
    };
    let mut values: Vec<f64> = numbers.iter().flatten().copied().collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    let from_zero = values.iter().enumerate().all(|(at, value)| *value == at as f64);
    let names = if from_zero { numbered(values.len()) } else { values.iter().map(ToString::to_string).collect() };
    let place = |value: &Option<f64>| {
        value.and_then(|value| values.binary_search_by(|known| known.total_cmp(&value)).ok()).map_or(NO_LABEL, |at| at as u32)
    };
    (names, numbers.iter().map(place).collect())
}
