//! Tables with columns, as CSV, JSON lines or a JSON document: which column names the images, which has their labels, which their splits.

use std::collections::BTreeSet;

use super::beside_folders::Classes;
use super::document::LABEL;
use super::index::{Found, Index, is_image_name};
use super::labelling::{Judged, Label, Labelling, ask_labels, is_caption, is_unlabelled};
use super::pointer::{Pointer, Table};
use super::project::REGIONS;
use super::sidecars::Sidecars;
use super::source::{JUDGED, Source, source};
use super::{Image, LabelFile, Role, Row, detection, folder_rows, partition};
use crate::answers;
use crate::column_splits::{self, Candidate, Folds, SplitRule, Told};
use crate::error::{Place, Problem, Result};
use crate::image_parquet::split_of;
use crate::images::named_split;
use crate::merged;
use crate::options::Options;
use crate::sniff::What;
use crate::table;
use crate::tree::{Entry, Tree};

/// As the account calls files beside images.
pub const OF_SIDECARS: &str = "labels beside images";
pub const NAMES_NO_IMAGES: &str = "tables that name no images";

pub fn role(tree: &Tree, what: &[What], at: usize, index: &Index, options: &Options) -> Result<Role> {
    let entry = &tree.entries[at];
    let Some(source) = source(tree, entry, &what[at], index)? else { return Ok(Role::Other("other JSON documents")) };
    role_of(tree, what, at, (source, index), options)
}

/// What the files beside the images tell together.
pub fn role_of_sidecars(tree: &Tree, what: &[What], index: &Index, options: &Options) -> Result<Option<LabelFile>> {
    let Some(sidecars) = Sidecars::find(tree, what)? else { return Ok(None) };
    let files: Vec<usize> = sidecars.pairs.iter().map(|(_, file)| *file).collect();
    let is_text = tree.entries[files[0]].extension() == "txt";
    let source = Source::Sidecars(sidecars);
    // A text beside each image is a label where texts repeat; others are captions.
    if is_text {
        let rows = source.first_rows(tree, &tree.entries[files[0]])?;
        let repeats = Judged { columns: source.columns(), has_header: true, rows: &rows, free: &[1] }.may_be_classes(1);
        if !repeats {
            return Ok(None);
        }
    }
    let Role::Labels(file) = role_of(tree, what, files[0], (source, index), options)? else { return Ok(None) };
    let with = files.into_iter().map(|at| (at, OF_SIDECARS)).collect();
    let label = format!("{} in the files beside the images", file.label);
    Ok(Some(LabelFile { kind: OF_SIDECARS, named: None, label, with, ..file }))
}

fn role_of(tree: &Tree, what: &[What], at: usize, (mut source, index): (Source, &Index), options: &Options) -> Result<Role> {
    let entry = &tree.entries[at];
    let mut rows = source.first_rows(tree, entry)?;
    // A first line that names a file or a folder, as the rows do, is a row.
    let names = |fits: &dyn Fn(&str) -> bool| {
        let all = |column: usize| fits(&source.columns()[column]) && rows.iter().all(|row| row[column].as_deref().is_some_and(fits));
        (0..source.columns().len()).any(all)
    };
    if let Source::Shape(shape) = &source
        && shape.has_header
        && !shape.is_json()
        && (names(&|text| index.has(text)) || names(&|text| text.contains('/') && matches!(index.below(text), Found::All(_))))
    {
        source = Source::Shape(shape.clone().without_header());
        rows = source.first_rows(tree, entry)?;
    }
    let columns = source.columns().to_vec();
    let table = Table { tree, at, source: &source, rows: &rows, index };
    let (pointer, is_asked) = match table.pointer(options) {
        Some(pointer) => (pointer, None),
        None => match folder_rows::column(&columns, &rows, index).map(|column| (Pointer::below(column), None)) {
            Some(found) => found,
            None => match table.row_numbers() {
                Some(column) => (Pointer::file(column), Some(column)),
                None => return Ok(Role::Other(NAMES_NO_IMAGES)),
            },
        },
    };
    let is_chosen = options.table.is_some() || options.image_column.is_some() || options.format.is_some();
    if !is_chosen && table.names_others(pointer) && Classes::of(tree, what).is_some_and(|classes| classes.are_likely()) {
        return Ok(Role::Other(NAMES_NO_IMAGES));
    }
    if columns.iter().any(|column| column == "region_shape_attributes") {
        let file = tree.display(entry);
        let sentence = format!(
            "{file} is a table of regions, as VIA exports it; export the annotations as JSON, whose attributes of files are labels"
        );
        return Ok(Role::Asked(at, Problem::error("detection", sentence).at(Place::file(file))));
    }
    if rows.len() < 2 && what[at] == What::JsonLines {
        return Ok(Role::Other("notes about an image"));
    }
    let image = pointer.column;
    // Of regions alone it tells of objects.
    if columns.iter().any(|column| column == REGIONS) && !columns.iter().any(|column| column == LABEL) {
        return Ok(Role::Other(detection::KIND));
    }
    let chosen = options.label_column.as_ref().and_then(|name| columns.iter().position(|column| column == name));
    let taken: Vec<usize> = [Some(image), chosen].into_iter().flatten().collect();
    let split = column_splits::candidate(&columns, source.has_header(), &rows, &taken);
    let of_split = split.as_ref().map(Candidate::columns).unwrap_or_default();
    let answers = answers::column(&columns, &rows).or_else(|| answers::presence(&columns, &rows, image));
    let is_free = |column: &usize| *column != image && Some(*column) != answers && !of_split.contains(column);
    // Addresses are no labels.
    let is_address = |text: &str| text.starts_with("http://") || text.starts_with("https://");
    let said = |column: usize| rows.iter().filter_map(move |row| row[column].as_deref());
    let are_addresses = |column: usize| said(column).next().is_some() && said(column).all(is_address);
    let is_free = |column: &usize| is_free(column) && (Some(*column) == chosen || !are_addresses(*column));
    let free: Vec<usize> = (0..columns.len()).filter(is_free).collect();
    let judged = Judged { columns: &columns, has_header: source.has_header(), rows: &rows, free: &free };
    let labelling = judged.labelling(options);
    if pointer.is_of_folders
        && let Some(role) = folder_rows::settle(tree, what, at, &judged, image, &labelling, options)?
    {
        return Ok(role);
    }
    let ask =
        |why: &str, offered: &[String]| Role::Asked(at, ask_labels(tree, at, &format!("{why}; there are {}", columns.join(", ")), offered));
    let labelling = match labelling {
        Ok(Some(labelling)) => labelling,
        Ok(None) if is_asked.is_some() && source.has_header() => return Ok(Role::Other(NAMES_NO_IMAGES)),
        Ok(None) if is_asked.is_some() => return Ok(Role::Asked(at, ask_images(tree, at, &columns[image]))),
        Ok(None) => {
            return Ok(match &free[..] {
                [] => return split_table(tree, at, (source, &rows), pointer, split, options),
                [only] if is_caption(&columns[*only], &rows, *only) => Role::Other("tables of captions"),
                _ => ask("has no column of labels that is known by its name", &judged.likely()),
            });
        }
        Err(several) => return Ok(ask(&format!("has several columns that may be the labels: {}", several.join("; ")), &several)),
    };
    let of_label = labelling.columns();
    if rows.iter().all(|row| of_label.iter().all(|column| row[*column].is_none())) {
        return Ok(Role::Other("tables without labels"));
    }
    if let [label] = of_label[..]
        && named_split(entry.stem()).is_none()
        && are_names(&rows, image, label)
    {
        // Of most images it is a table all the same.
        if is_asked.is_none() && 2 * rows.len() >= index.images().min(JUDGED) {
            let others: Vec<usize> = free.iter().copied().filter(|column| *column != label).collect();
            let offered = Judged { free: &others, ..judged }.likely();
            return Ok(ask("has no column of labels that repeat", &offered));
        }
        return Ok(Role::Other("names of classes"));
    }
    if let Some(column) = is_asked {
        return Ok(Role::Asked(at, ask_images(tree, at, &columns[column])));
    }
    let pointer = table.with_folder(pointer, &free, &of_label);
    let rule = split_rule(tree, entry, &source, split, options)?;
    let mut notes: Vec<Problem> = judged.others(&of_label).filter(|_| options.label_column.is_none()).into_iter().collect();
    notes.extend(rule.as_ref().and_then(|rule| merged_words(rule, &rows)));
    Ok(Role::Labels(LabelFile { notes, ..label_file(at, entry, source, pointer, labelling, (rule, answers)) }))
}

/// Numbers of rows fit the names of files by chance.
fn ask_images(tree: &Tree, at: usize, column: &str) -> Problem {
    let file = tree.display(&tree.entries[at]);
    let sentence = format!("{file} names images only by {column}, which seems to number its rows; does it name the files?");
    let options = Options { image_column: Some(column.to_owned()), ..Options::default() };
    Problem::error("no-column", sentence).at(Place::file(file)).with("choose", format!("Take {column} as the names of the files"), options)
}

/// A table of images that tells their splits alone.
fn split_table(
    tree: &Tree,
    at: usize,
    (source, rows): (Source, &[table::Row]),
    image: Pointer,
    split: Option<Candidate>,
    options: &Options,
) -> Result<Role> {
    let entry = &tree.entries[at];
    let rule = match split {
        Some(Candidate::Numbers(column)) if partition::is_numbered(entry) => Some(SplitRule::Numbered(column)),
        split => split_rule(tree, entry, &source, split, options)?,
    };
    Ok(match rule {
        Some(rule) => {
            let notes = merged_words(&rule, rows).into_iter().collect();
            Role::Splits(LabelFile { notes, ..label_file(at, entry, source, image, Labelling::Elsewhere, (Some(rule), None)) })
        }
        // `val.csv` with a column of files.
        None if split_of(entry).is_some() => Role::Splits(label_file(at, entry, source, image, Labelling::Elsewhere, (None, None))),
        None => Role::Other("tables without labels"),
    })
}

/// That several words of a column mean one split.
fn merged_words(rule: &SplitRule, rows: &[table::Row]) -> Option<Problem> {
    let SplitRule::Words(column) = rule else { return None };
    merged::of_values(rows.iter().filter_map(|row| row[*column].as_deref()))
}

/// Numbers with a name each, which only look like the names of some images: `0,cat`.
fn are_names(rows: &[table::Row], image: usize, label: usize) -> bool {
    let bare = rows.iter().all(|row| row[image].as_deref().is_none_or(|text| !is_image_name(text)));
    let labels: BTreeSet<&Option<String>> = rows.iter().map(|row| &row[label]).collect();
    bare && labels.len() == rows.len() && rows.len() > 1
}

fn label_file(
    at: usize,
    entry: &Entry,
    source: Source,
    pointer: Pointer,
    labelling: Labelling,
    (rule, answers): (Option<SplitRule>, Option<usize>),
) -> LabelFile {
    let columns = source.columns().to_vec();
    let mut used: Vec<(String, &str)> = pointer.uses().into_iter().map(|(column, what)| (columns[column].clone(), what)).collect();
    used.extend(labelling.columns().into_iter().map(|column| (columns[column].clone(), "labels")));
    if let Some(rule) = &rule {
        used.extend(rule.columns().into_iter().map(|column| (columns[column].clone(), rule.kind())));
    }
    used.extend(answers.map(|column| (columns[column].clone(), "answers")));
    let of_label = labelling.columns();
    let (label, classes) = match (&labelling, &of_label[..]) {
        (Labelling::OneHot { .. }, of_label) => {
            let names: Vec<String> = of_label.iter().map(|column| columns[*column].clone()).filter(|name| !is_unlabelled(name)).collect();
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
                if answers.is_some_and(|column| !answers::is_accepted(fields[column].as_deref())) {
                    return hand(Row { image: Image::Rejected, label: None, split: Told::Unsaid, number: number_of_row });
                }
                let split = rule.as_ref().map_or(Told::Unsaid, |rule| rule.told(&fields));
                let (image, label) = match labelling.label(&columns, &fields) {
                    Label::Uncertain => (Image::Uncertain, None),
                    Label::Text(label) => (pointer.image(&mut fields), label),
                };
                hand(Row { image, label, split, number: number_of_row })
            })
        }
    };
    let group = columns.join("\u{1f}");
    LabelFile {
        entry: at,
        kind: "tables of labels",
        group,
        columns,
        used,
        label,
        classes,
        named,
        notes: Vec::new(),
        with: Vec::new(),
        rows: Box::new(rows),
    }
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
