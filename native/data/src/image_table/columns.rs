//! Tables with columns, as CSV, JSON lines or a JSON document: which column names the images, which has their labels, which their splits.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::counted::Counted;
use super::document::Document;
use super::index::{Index, is_image_name};
use super::{Image, LabelFile, Role, Row};
use super::{detection, partition};
use crate::column_splits::{self, Candidate, Folds, SplitRule, Told, plain_name, truth};
use crate::error::{Error, Problem, Result};
use crate::image_parquet::split_of;
use crate::options::Options;
use crate::sniff::What;
use crate::table::{self, SEVERAL, Shape};
use crate::tree::{Entry, Tree};

const IMAGE_COLUMNS: [&str; 17] = [
    "image",
    "image_path",
    "file_name",
    "filename",
    "file",
    "path",
    "img",
    "image_id",
    "imageid",
    "id",
    "image_file",
    "filepath",
    "filepaths",
    "name",
    "image_name",
    "id_code",
    "key",
];
/// Of one meaning each line; within a line it is asked which, where the columns say different things.
const LABEL_COLUMNS: [&[&str]; 2] = [
    &["label", "labels"],
    &[
        "class",
        "class_name",
        "classname",
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
        "dx",
        "emotion",
        "class_label",
        "finding_labels",
    ],
];
/// Columns of text about an image, which is no label.
const CAPTION_COLUMNS: [&str; 9] = ["caption", "captions", "text", "description", "prompt", "sentence", "title", "comment", "alt"];

/// Rows by which columns are judged.
const JUDGED: usize = 1000;

/// Where rows come from.
#[derive(Clone)]
pub enum Source {
    Shape(Shape),
    Document(Document),
    Counted(Counted),
}

impl Source {
    fn columns(&self) -> &[String] {
        match self {
            Self::Shape(shape) => &shape.columns,
            Self::Document(document) => &document.columns,
            Self::Counted(counted) => &counted.columns,
        }
    }

    fn has_header(&self) -> bool {
        match self {
            Self::Shape(shape) => shape.has_header,
            Self::Document(_) | Self::Counted(_) => true,
        }
    }

    fn rows(&self, tree: &Tree, entry: &Entry, hand: &mut dyn FnMut(usize, table::Row) -> Result<()>) -> Result<()> {
        match self {
            Self::Shape(shape) => shape.rows(tree, entry, hand),
            Self::Document(document) => document.rows(tree, entry, hand),
            Self::Counted(counted) => counted.rows(tree, entry, hand),
        }
    }

    fn first_rows(&self, tree: &Tree, entry: &Entry) -> Result<Vec<table::Row>> {
        let mut rows = Vec::new();
        let read = self.rows(tree, entry, &mut |_, row| {
            rows.push(row);
            if rows.len() < JUDGED { Ok(()) } else { Err(Error::Cancelled) }
        });
        crate::text::until_enough(read)?;
        Ok(rows)
    }
}

/// Where the label of a row is.
#[derive(Clone)]
enum Labelling {
    Column(usize),
    /// The first word of ImageNet's `n01440764 10 20 30 40`.
    FirstWord(usize),
    /// A column of 0 and 1 for each class.
    OneHot(Vec<usize>),
    /// Another file has the labels.
    Elsewhere,
}

impl Labelling {
    fn columns(&self) -> Vec<usize> {
        match self {
            Self::Column(column) | Self::FirstWord(column) => vec![*column],
            Self::OneHot(columns) => columns.clone(),
            Self::Elsewhere => Vec::new(),
        }
    }

    fn label(&self, columns: &[String], fields: &mut [Option<String>]) -> Option<String> {
        let said = |text: String| Some(text.trim().to_owned()).filter(|text| !text.is_empty() && !text.eq_ignore_ascii_case("nan"));
        match self {
            Self::Column(column) => fields[*column].take().and_then(said),
            Self::FirstWord(column) => fields[*column].as_deref().and_then(|text| text.split_whitespace().next()).map(ToOwned::to_owned),
            Self::OneHot(all) => {
                let set = all.iter().filter(|column| fields[**column].as_deref().and_then(flag) == Some(true));
                let names: Vec<&str> = set.map(|column| columns[*column].as_str()).collect();
                Some(names.join(&SEVERAL.to_string())).filter(|names| !names.is_empty())
            }
            Self::Elsewhere => None,
        }
    }
}

/// As `truth`, with -1 as false.
fn flag(text: &str) -> Option<bool> {
    if matches!(text.trim(), "-1" | "-1.0") { Some(false) } else { truth(text) }
}

/// Objects or anything else line by line; of texts and lists there are no columns.
fn has_objects(tree: &Tree, entry: &Entry) -> Result<bool> {
    let first = tree.head(entry, 512)?.into_iter().find(|byte| byte.is_ascii_graphic());
    Ok(!matches!(first, Some(b'"' | b'[')))
}

/// The table as rows, where it is one.
fn source(tree: &Tree, entry: &Entry, what: &What, index: &Index) -> Result<Option<Source>> {
    if *what == What::Text
        && let Some(counted) = Counted::open(tree, entry, index)?
    {
        return Ok(Some(Source::Counted(counted)));
    }
    if *what == What::JsonLines && !has_objects(tree, entry)? {
        return Ok(None);
    }
    if entry.extension() == "json" && detection::is_coco(tree, entry) {
        return Ok(None);
    }
    if entry.extension() == "json" {
        return Ok(match Document::open(tree, entry) {
            Ok(Some(document)) => Some(Source::Document(document)),
            // Objects line by line under a document's name.
            Ok(None) | Err(Error::Data(_)) if *what == What::JsonLines => Some(Source::Shape(table::shape(tree, entry, true)?)),
            other => other?.map(Source::Document),
        });
    }
    Ok(Some(Source::Shape(table::shape(tree, entry, *what == What::JsonLines)?.with_lists())))
}

pub fn role(tree: &Tree, what: &[What], at: usize, index: &Index, options: &Options) -> Result<Role> {
    let entry = &tree.entries[at];
    let Some(mut source) = source(tree, entry, &what[at], index)? else { return Ok(Role::Other("other JSON documents")) };
    let mut rows = source.first_rows(tree, entry)?;
    // A first line that names a file, as the rows do, is a row.
    let names_file = |column: usize| {
        index.has(&source.columns()[column]) && rows.iter().all(|row| row[column].as_deref().is_some_and(|text| index.has(text)))
    };
    if let Source::Shape(shape) = &source
        && shape.has_header
        && !shape.is_json()
        && (0..shape.columns.len()).any(names_file)
    {
        source = Source::Shape(shape.clone().without_header());
        rows = source.first_rows(tree, entry)?;
    }
    let columns = source.columns().to_vec();
    let Some(image) = image_column(&source, &rows, index, options) else { return Ok(Role::Other("tables that name no images")) };
    if rows.len() < 2 && what[at] == What::JsonLines {
        return Ok(Role::Other("notes about an image"));
    }
    let chosen = options.label_column.as_ref().and_then(|name| columns.iter().position(|column| column == name));
    let taken: Vec<usize> = [Some(image), chosen].into_iter().flatten().collect();
    let split = column_splits::candidate(&columns, source.has_header(), &rows, &taken);
    let of_split = split.as_ref().map(Candidate::columns).unwrap_or_default();
    let free: Vec<usize> = (0..columns.len()).filter(|column| *column != image && !of_split.contains(column)).collect();
    let labelling = match labelling(&columns, source.has_header(), &rows, &free, options) {
        Ok(Some(labelling)) => labelling,
        Ok(None) => {
            return Ok(match &free[..] {
                [] => return split_table(tree, at, source, image, split, options),
                [only] if is_caption(&columns[*only], &rows, *only) => Role::Other("tables of captions"),
                _ => unlabelled(at, &columns, &rows, &free, "has no column of labels that is known by its name"),
            });
        }
        Err(several) => {
            let names: Vec<&str> = several.iter().map(|column| columns[*column].as_str()).collect();
            return Ok(unlabelled(
                at,
                &columns,
                &rows,
                &several,
                &format!("has several columns that may be the labels: {}", names.join(", ")),
            ));
        }
    };
    let of_label = labelling.columns();
    if rows.iter().all(|row| of_label.iter().all(|column| row[*column].is_none())) {
        return Ok(Role::Other("tables without labels"));
    }
    if let [label] = of_label[..]
        && are_names(&rows, image, label)
    {
        // Of most images it is a table all the same.
        if 2 * rows.len() >= index.images().min(JUDGED) {
            let others: Vec<usize> = free.iter().copied().filter(|column| *column != label).collect();
            return Ok(unlabelled(at, &columns, &rows, &others, "has no column of labels that repeat"));
        }
        return Ok(Role::Other("names of classes"));
    }
    let rule = split_rule(tree, entry, &source, split, options)?;
    Ok(Role::Labels(label_file(at, entry, source, image, labelling, rule)))
}

/// A table of images that tells their splits alone.
fn split_table(tree: &Tree, at: usize, source: Source, image: usize, split: Option<Candidate>, options: &Options) -> Result<Role> {
    let entry = &tree.entries[at];
    let rule = match split {
        Some(Candidate::Numbers(column)) if partition::is_numbered(entry) => Some(SplitRule::Numbered(column)),
        split => split_rule(tree, entry, &source, split, options)?,
    };
    Ok(match rule {
        Some(rule) => Role::Splits(label_file(at, entry, source, image, Labelling::Elsewhere, Some(rule))),
        None => Role::Other("tables without labels"),
    })
}

fn unlabelled(at: usize, columns: &[String], rows: &[table::Row], free: &[usize], why: &str) -> Role {
    let can_be = |column: &&usize| {
        let values: BTreeSet<&str> = rows.iter().filter_map(|row| row[**column].as_deref()).collect();
        values.len() > 1 && (values.len() < 20 || 2 * values.len() <= rows.len())
    };
    let offered = free.iter().filter(can_be).map(|column| columns[*column].clone()).collect();
    Role::Unlabelled { entry: at, why: format!("{why}; there are {}", columns.join(", ")), offered }
}

/// Numbers with a name each, which only look like the names of some images: `0,cat`.
fn are_names(rows: &[table::Row], image: usize, label: usize) -> bool {
    let bare = rows.iter().all(|row| row[image].as_deref().is_none_or(|text| !is_image_name(text)));
    let labels: BTreeSet<&Option<String>> = rows.iter().map(|row| &row[label]).collect();
    bare && labels.len() == rows.len() && rows.len() > 1
}

fn label_file(at: usize, entry: &Entry, source: Source, image: usize, labelling: Labelling, rule: Option<SplitRule>) -> LabelFile {
    let columns = source.columns().to_vec();
    let mut used = vec![(columns[image].clone(), "images")];
    used.extend(labelling.columns().into_iter().map(|column| (columns[column].clone(), "labels")));
    used.extend(rule.iter().flat_map(SplitRule::columns).map(|column| (columns[column].clone(), "splits")));
    let of_label = labelling.columns();
    let (label, classes) = match (&labelling, &of_label[..]) {
        (Labelling::OneHot(_), of_label) => {
            let names: Vec<String> = of_label.iter().map(|column| columns[*column].clone()).collect();
            (format!("the columns {}, ...", names.iter().take(3).cloned().collect::<Vec<_>>().join(", ")), names)
        }
        (_, of_label) => (format!("the column {}", of_label.first().map_or("", |column| &columns[*column])), Vec::new()),
    };
    let named = split_of(entry);
    let number = columns.len();
    let rows = {
        let columns = columns.clone();
        move |tree: &Tree, hand: &mut dyn FnMut(Row) -> Result<()>| {
            source.rows(tree, &tree.entries[at], &mut |number_of_row, mut fields| {
                if fields.len() > number && fields[number..].iter().any(Option::is_some) {
                    return hand(Row { image: Image::Ragged, label: None, split: Told::Unsaid, number: number_of_row });
                }
                let split = rule.as_ref().map_or(Told::Unsaid, |rule| rule.told(&fields));
                let label = labelling.label(&columns, &mut fields);
                let image = fields[image].take().filter(|name| !name.trim().is_empty()).map_or(Image::Missing, Image::Named);
                hand(Row { image, label, split, number: number_of_row })
            })
        }
    };
    let group = columns.join("\u{1f}");
    LabelFile { entry: at, kind: "tables of labels", group, columns, used, label, classes, named, with: Vec::new(), rows: Box::new(rows) }
}

/// Folds and numbers are judged by all rows.
fn split_rule(tree: &Tree, entry: &Entry, source: &Source, split: Option<Candidate>, options: &Options) -> Result<Option<SplitRule>> {
    let column = match split {
        None => return Ok(None),
        Some(Candidate::Rule(rule)) => return Ok(Some(rule)),
        Some(Candidate::Numbers(column)) => column,
    };
    let mut folds = Folds::default();
    source.rows(tree, entry, &mut |_, row| {
        row[column].as_deref().into_iter().for_each(|text| folds.see(text));
        Ok(())
    })?;
    folds.rule(&tree.display(entry), &source.columns()[column], column, options)
}

/// Text about an image rather than the name of a class.
fn is_caption(column: &str, rows: &[table::Row], at: usize) -> bool {
    let words: usize = rows.iter().filter_map(|row| row[at].as_ref()).map(|text| text.split_whitespace().count()).sum();
    CAPTION_COLUMNS.contains(&column.to_lowercase().as_str()) || words > 4 * rows.len().max(1)
}

/// The chosen column, or the one whose first values are mostly names of image files, or of files without their extension.
fn image_column(source: &Source, rows: &[table::Row], index: &Index, options: &Options) -> Option<usize> {
    let columns = source.columns();
    if let Some(chosen) = &options.image_column {
        return columns.iter().position(|name| name == chosen);
    }
    let most = |count: &dyn Fn(usize) -> usize| {
        (0..columns.len())
            .max_by_key(|column| (count(*column), std::cmp::Reverse(*column)))
            .filter(|column| 2 * count(*column) > rows.len())
    };
    let values = |column: usize| rows.iter().filter_map(move |row| row[column].as_deref());
    let there = |column: usize| values(column).filter(|text| index.has(text)).count();
    let usual = || {
        let named = |usual: &str| columns.iter().position(|name| plain_name(name) == usual);
        IMAGE_COLUMNS.iter().find_map(|usual| named(usual)).filter(|usual| 2 * there(*usual) > rows.len())
    };
    // Names of files differ and are all there; numbers of classes repeat, and other numbers are few.
    let differing = |column: usize| {
        let all: BTreeSet<&str> = values(column).collect();
        let numbers = all.iter().all(|text| text.trim().parse::<f64>().is_ok());
        let enough = !numbers || 2 * rows.len() >= index.images().min(JUDGED);
        all.len() == rows.len() && rows.len() > 1 && there(column) == rows.len() && enough
    };
    most(&|column| values(column).filter(|text| is_image_name(text)).count())
        .or_else(|| usual().filter(|_| source.has_header()))
        .or_else(|| most(&|column| if differing(column) || !source.has_header() { there(column) } else { 0 }))
}

/// The labels by the name and the values of their columns. `Err`: columns that may be it alike.
fn labelling(
    columns: &[String],
    has_header: bool,
    rows: &[table::Row],
    free: &[usize],
    options: &Options,
) -> std::result::Result<Option<Labelling>, Vec<usize>> {
    if let Some(chosen) = &options.label_column {
        return Ok(free.iter().copied().find(|column| columns[*column] == *chosen).map(Labelling::Column));
    }
    let named = |usual: &str| free.iter().copied().find(|column| plain_name(&columns[*column]) == usual);
    if let Some(column) = named("predictionstring") {
        let is_synset = |text: &str| text.len() > 9 && text.starts_with('n') && text[1..9].bytes().all(|byte| byte.is_ascii_digit());
        return Ok(rows.iter().filter_map(|row| row[column].as_deref()).all(is_synset).then_some(Labelling::FirstWord(column)));
    }
    let groups: Vec<Vec<usize>> = LABEL_COLUMNS.iter().map(|group| group.iter().filter_map(|usual| named(usual)).collect()).collect();
    if let Some(best) = groups.iter().find(|group| !group.is_empty()).filter(|_| has_header) {
        let first = best[0];
        let differing: Vec<usize> = best.iter().copied().filter(|other| *other != first && !same_classes(rows, first, *other)).collect();
        if !differing.is_empty() {
            return Err(std::iter::once(first).chain(differing).collect());
        }
        // Names rather than numbers, where both say the same.
        let is_text = |column: usize| rows.iter().filter_map(|row| row[column].as_deref()).any(|text| text.trim().parse::<f64>().is_err());
        let named = groups.iter().flatten().copied().find(|other| is_text(*other) && same_classes(rows, first, *other));
        return Ok(Some(Labelling::Column(named.filter(|_| !is_text(first)).unwrap_or(first))));
    }
    let is_flag = |column: &usize| {
        let mut values = rows.iter().filter_map(|row| row[*column].as_deref()).peekable();
        values.peek().is_some() && values.all(|text| flag(text).is_some())
    };
    let flags: Vec<usize> = free.iter().copied().filter(is_flag).collect();
    if has_header && flags.len() > 1 {
        let ones = |row: &table::Row| flags.iter().filter(|column| row[**column].as_deref().and_then(flag) == Some(true)).count();
        let exact = rows.iter().all(|row| ones(row) == 1);
        // Two flags among other columns are rather remarks about the image.
        if exact || flags.len() == free.len() || flags.len() > 4 {
            return Ok(Some(Labelling::OneHot(flags)));
        }
        return Ok(None);
    }
    if let [only] = free {
        return Ok(Some(Labelling::Column(*only)).filter(|_| !is_caption(&columns[*only], rows, *only)));
    }
    let words = ["label", "labels", "class", "category", "target", "breed", "species"];
    let speaks = |column: &usize| plain_name(&columns[*column]).split('_').any(|word| words.contains(&word));
    let speaking: Vec<usize> = free.iter().copied().filter(speaks).collect();
    match speaking[..] {
        [] => Ok(None),
        [only] => Ok(Some(Labelling::Column(only)).filter(|_| has_header)),
        _ => Err(speaking),
    }
}

/// Whether each value of one column goes with one of the other.
fn same_classes(rows: &[table::Row], one: usize, other: usize) -> bool {
    let (mut there, mut back): (HashMap<&str, &str>, BTreeMap<&str, &str>) = Default::default();
    rows.iter()
        .filter_map(|row| row[one].as_deref().zip(row[other].as_deref()))
        .all(|(a, b)| *there.entry(a).or_insert(b) == b && *back.entry(b).or_insert(a) == a)
}

/// Offers the columns that may be the labels.
pub fn ask_labels(tree: &Tree, entry: usize, why: &str, offered: &[String]) -> Problem {
    let file = tree.display(&tree.entries[entry]);
    let problem = Problem::error("no-column", format!("{file} {why}")).at(crate::error::Place::file(file));
    let offer = |problem: Problem, name: &String| {
        problem.with("choose", format!("Take {name} as the labels"), Options { label_column: Some(name.clone()), ..Options::default() })
    };
    offered.iter().take(12).fold(problem, offer)
}
