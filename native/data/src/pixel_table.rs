//! Images that are written as numbers in CSV files, a row each: a column for every pixel (MNIST in CSV), or all of them in one (FER2013). Rows are
//! square images; they are read one after the other, and only the labels are kept.

mod beside;

use std::collections::BTreeSet;

use self::beside::{labels_beside, labels_of, no_bands, repeated, trimmed};
use crate::account::Account;
use crate::array_name::{ArrayName, IMAGES};
use crate::arrays::{row_of, which_order};
use crate::column_splits::{self, Candidate, Folds, SplitRule, Told, plain_name};
use crate::columnar::{Columnar, is_columnar};
use crate::error::{Error, Place, Problem, Result};
use crate::image_parquet::split_of;
use crate::image_table::{classes_of, is_named};
use crate::images::{Content, Hand, ImageSet, Named, Raw, check_classes, place_among, splits_of};
use crate::options::{Options, Order};
use crate::pixel_range::{PixelRange, Survey, not_finite};
use crate::pixels::Pixels;
use crate::sniff::What;
use crate::table::{self, Row, Shape};
use crate::tree::{Entry, Tree};

/// Rows by which a table is judged.
const JUDGED: usize = 200;
/// Of an image with a column for each pixel.
const LEAST_COLUMNS: usize = 64;
/// More tables are of another kind.
const MOST: usize = 100;
const LABELS: [&str; 10] = ["label", "labels", "class", "target", "y", "emotion", "category", "digit", "class_id", "class_label"];

/// Where the pixels of a row are.
#[derive(Clone, PartialEq)]
enum Where {
    Columns(Vec<usize>),
    /// Numbers in one text.
    Text(usize),
}

/// A table of pixels, before its labels are read.
struct Judged {
    entry: usize,
    shape: Shape,
    pixels: Where,
    /// Values of an image.
    values: usize,
    /// Columns that may be the labels.
    labels: Vec<usize>,
    split: Option<Candidate>,
    named: Option<Named>,
    /// The table beside it that has a label for each row.
    beside: Option<usize>,
}

struct Part {
    entry: usize,
    shape: Shape,
    pixels: Where,
    rows: usize,
}

struct PixelTable {
    parts: Vec<Part>,
    columns: Vec<String>,
    label: String,
    shape: [usize; 3],
    planes: bool,
    range: PixelRange,
    bad: Vec<(usize, String)>,
    account: Account,
}

pub fn fits(tree: &Tree, what: &[What]) -> bool {
    // One of many files of columns tells of all.
    let first = what.iter().position(is_columnar);
    tables(what).filter(|at| !is_columnar(&what[*at]) || Some(*at) == first).any(|at| matches!(judge(tree, what, at), Ok(Some(_))))
}

fn tables(what: &[What]) -> impl Iterator<Item = usize> {
    (0..what.len()).filter(|&at| matches!(what[at], What::Csv | What::Text | What::Parquet | What::Arrow)).take(MOST)
}

fn numbers(text: &str) -> Option<Vec<f64>> {
    let separators = [' ', ',', ';', '\t', '[', ']', '\n', '\r'];
    text.split(separators).filter(|part| !part.is_empty()).map(|part| part.parse().ok()).collect()
}

fn has_fraction(text: &str) -> bool {
    text.trim().parse::<f64>().is_ok_and(|number| number.fract() != 0.0)
}

fn is_number(text: &str) -> bool {
    text.trim().parse::<f64>().is_ok()
}

/// A file of columns with a list that is called an image, or a numbered column for each pixel.
fn may_hold_pixels(file: &Columnar) -> bool {
    let is_image = |name: &String| IMAGES[..6].contains(&plain_name(name).as_str());
    let is_numbered = |name: &&String| name.ends_with(|c: char| c.is_ascii_digit());
    [file.lists(), file.other_lists()].iter().flatten().any(is_image) || file.names().iter().filter(is_numbered).count() >= LEAST_COLUMNS
}

/// What a table of pixels has where; `None` where it is none.
fn judge(tree: &Tree, what: &[What], at: usize) -> Result<Option<Judged>> {
    let entry = &tree.entries[at];
    let is_columnar = is_columnar(&what[at]);
    if is_columnar && !may_hold_pixels(&Columnar::open(tree, entry)?) {
        return Ok(None);
    }
    if entry.file_name().to_lowercase().contains("submission") {
        return Ok(None);
    }
    let mut shape = if is_columnar { table::shape_of_columns(tree, entry)? } else { table::shape(tree, entry, false)? };
    // Lists of tokens of one length may be a square number.
    if shape.columns.iter().any(|name| ["input_ids", "token_ids", "tokens"].contains(&plain_name(name).as_str())) {
        return Ok(None);
    }
    let counts_up = shape.columns.iter().enumerate().all(|(number, name)| *name == number.to_string());
    if !is_columnar && shape.has_header && shape.columns.len() > 1 && !counts_up && shape.columns.iter().all(|name| is_number(name)) {
        shape = shape.without_header();
    }
    let mut rows: Vec<Row> = Vec::new();
    let read = shape.rows(tree, entry, &mut |_, row| {
        rows.push(row);
        if rows.len() < JUDGED { Ok(()) } else { Err(Error::Cancelled) }
    });
    crate::text::until_enough(read)?;
    if rows.is_empty() {
        return Ok(None);
    }
    let named = split_of(entry);
    let all = |column: usize, fits: &dyn Fn(&str) -> bool| rows.iter().all(|row| row[column].as_deref().is_some_and(fits));
    let is_image = |text: &str| numbers(text).is_some_and(|values| row_of(values.len()).is_some());
    if let Some(column) = (0..shape.columns.len()).find(|column| all(*column, &is_image)) {
        let values = rows[0][column].as_deref().and_then(numbers).map_or(0, |values| values.len());
        let split = column_splits::candidate(&shape.columns, shape.has_header, &rows, &[column]);
        let of_split = split.as_ref().map(Candidate::columns).unwrap_or_default();
        let free: Vec<usize> = (0..shape.columns.len()).filter(|other| *other != column && !of_split.contains(other)).collect();
        // Numbers with fractions are measured, such as places in the image.
        let is_measured = |other: &usize| rows.iter().any(|row| row[*other].as_deref().is_some_and(has_fraction));
        let likely: Vec<usize> = free.iter().copied().filter(|other| !is_measured(other)).collect();
        let labels = usual(&shape, &free).map_or(likely, |usual| vec![usual]);
        return Ok(Some(Judged { entry: at, shape, pixels: Where::Text(column), values, labels, split, named, beside: None }));
    }
    let numeric: Vec<usize> = (0..shape.columns.len()).filter(|column| all(*column, &is_number)).collect();
    let other: Vec<usize> = (0..shape.columns.len()).filter(|column| !numeric.contains(column)).collect();
    if numeric.len() < LEAST_COLUMNS || other.len() > 4 {
        return Ok(None);
    }
    let split = column_splits::candidate(&shape.columns, shape.has_header, &rows, &numeric).or_else(|| {
        let not = |column: &usize| !plain_name(&shape.columns[*column]).contains("fold");
        let pixels: Vec<usize> = numeric.iter().copied().filter(not).collect();
        column_splits::candidate(&shape.columns, shape.has_header, &rows, &pixels)
    });
    let of_split = split.as_ref().map(Candidate::columns).unwrap_or_default();
    let pixels: Vec<usize> = numeric.iter().copied().filter(|column| !of_split.contains(column)).collect();
    let labels: Vec<usize> = other.iter().copied().filter(|column| !of_split.contains(column)).collect();
    let judged = |pixels: Vec<usize>, labels: Vec<usize>| {
        let values = pixels.len();
        row_of(values).map(|_| Judged {
            entry: at,
            shape: shape.clone(),
            pixels: Where::Columns(pixels),
            values,
            labels,
            split: split.clone(),
            named,
            beside: None,
        })
    };
    let without = |label: usize| pixels.iter().copied().filter(|column| *column != label).collect::<Vec<_>>();
    if let Some(label) = shape.has_header.then(|| usual(&shape, &pixels)).flatten() {
        return Ok(judged(without(label), vec![label]));
    }
    if let Some(found) = judged(pixels.clone(), labels) {
        return Ok(Some(found));
    }
    // The labels stand before or behind the pixels, and differ.
    let (Some(&first), Some(&last)) = (pixels.first(), pixels.last()) else { return Ok(None) };
    let differs = |column: &usize| rows.iter().map(|row| &row[*column]).collect::<BTreeSet<_>>().len() > 1;
    let ends = [first, last];
    let differing: Vec<usize> = ends.into_iter().filter(differs).collect();
    let labels = if differing.is_empty() { ends.to_vec() } else { differing };
    Ok(judged(without(labels[0]), labels))
}

fn usual(shape: &Shape, among: &[usize]) -> Option<usize> {
    LABELS.into_iter().find_map(|usual| among.iter().copied().find(|column| plain_name(&shape.columns[*column]) == usual))
}

pub fn open(tree: &Tree, what: &[What], options: &Options) -> Result<ImageSet> {
    let mut account = Account::default();
    let tables = choose(tree, what, options, &mut account)?;
    let first = &tables[0];
    let Some((channels, side)) = row_of(first.values) else { return Err(none().into()) };
    no_bands(tree, first)?;
    if channels == 3 && options.order.is_none() {
        return Err(which_order(&tree.display(&tree.entries[first.entry]), first.values, side).into());
    }
    let columns = first.shape.columns.clone();
    let (mut parts, mut texts, mut named, mut problems) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut reading = Reading::default();
    let mut label_name = String::new();
    for table in &tables {
        let (label, pixels) = match table.beside {
            Some(_) => (None, table.pixels.clone()),
            None => label_of(tree, table, options).map(|(label, pixels)| (Some(label), pixels))?,
        };
        label_name = label.map_or_else(|| "labels".into(), |label| table.shape.columns[label].clone());
        let entry = &tree.entries[table.entry];
        let rule = split_rule(tree, entry, table, options)?;
        let before = texts.len();
        table.shape.rows(tree, entry, &mut |row, fields| {
            named.push(match rule.as_ref().map(|rule| rule.told(&fields)) {
                None | Some(Told::Unsaid) => table.named,
                Some(Told::Split(named)) => named,
                Some(Told::Strange(text)) => {
                    let file = tree.display(entry);
                    let sentence = format!("{file} has the split {text:?} in row {row}, which is neither training, validation nor test");
                    return Err(Problem::error("unknown-split", sentence).at(Place::row(file, row)).into());
                }
            });
            reading.add(texts.len(), values_of(&fields, &pixels, table.values));
            texts.push(label.and_then(|label| trimmed(&fields[label])));
            Ok(())
        })?;
        if let Some(beside) = table.beside {
            let labels = labels_of(tree, beside)?;
            account.use_as(tree, beside, "tables of labels");
            if labels.len() != texts.len() - before {
                let (file, other) = (tree.display(entry), tree.display(&tree.entries[beside]));
                let sentence = format!("{file} has {} images, but {other} has {} labels", texts.len() - before, labels.len());
                return Err(Problem::error("mismatched-counts", sentence).at(Place::file(file)).into());
            }
            texts.splice(before.., labels);
        }
        parts.push(Part { entry: table.entry, shape: table.shape.clone(), pixels, rows: texts.len() - before });
    }
    reading.survey.integers(!reading.points);
    let range = reading.survey.range(tree, &tree.entries[first.entry], options, &mut problems)?;
    let sentence = format!("rows of {} values are taken as images of {channels} x {side} x {side}", first.values);
    problems.push(Problem::note("flat-rows", sentence).at(tree.place(&tree.entries[first.entry])));
    let (class_names, labels) = classes_of(&texts, &[]);
    check_classes(&class_names, texts.len(), &format!("the column {label_name}"))?;
    let splits = splits_of(&named, &mut problems);
    let planes = channels == 1 || options.order == Some(Order::Planes);
    let Reading { bad, .. } = reading;
    let content =
        PixelTable { parts, columns: columns.clone(), label: label_name, shape: [channels, side, side], planes, range, bad, account };
    let content: Box<dyn Content> = Box::new(content);
    Ok(ImageSet { class_names, labels, splits, content, columns, problems })
}

fn none() -> Problem {
    Problem::error("no-column", "there is no table of images and labels, and no image beside a table")
}

/// Tables with labels; of several those named for a split.
fn choose(tree: &Tree, what: &[What], options: &Options, account: &mut Account) -> Result<Vec<Judged>> {
    let mut found = Vec::new();
    for at in tables(what) {
        let Some(mut judged) = judge(tree, what, at)? else { continue };
        if judged.labels.is_empty() {
            judged.beside = labels_beside(tree, what, at);
            judged.named = judged.named.or(ArrayName::of(&tree.entries[at]).split);
        }
        let entry = &tree.entries[at];
        if options.table.as_ref().is_some_and(|chosen| !is_named(entry, chosen)) {
            account.leave_out(tree, at, "tables that were not chosen");
        } else if judged.labels.is_empty() && judged.beside.is_none() {
            account.leave_out(tree, at, "tables of images without labels");
        } else {
            found.push(judged);
        }
    }
    let copies = repeated(tree, &found);
    for table in found.extract_if(.., |table| copies.contains(&table.entry)) {
        account.leave_out(tree, table.entry, "copies of tables");
    }
    // Beside a table whose labels are known by their name, one of numbered rows has none.
    let is_known = |table: &Judged| table.shape.has_header && usual(&table.shape, &table.labels).is_some();
    let is_numbered = |table: &mut Judged| {
        let names = || table.labels.iter().map(|column| plain_name(&table.shape.columns[*column]));
        table.labels.len() > 1
            && table.shape.has_header
            && names().any(|name| ["id", "index", "image_id", "imageid"].contains(&name.as_str()))
    };
    if found.iter().any(is_known) {
        for table in found.extract_if(.., is_numbered) {
            account.leave_out(tree, table.entry, "tables of images without labels");
        }
    }
    if found.iter().any(|table| table.named == Some(Named::Train)) {
        for table in found.extract_if(.., |table| table.named.is_none()) {
            account.leave_out(tree, table.entry, "tables beside those named for a split");
        }
    }
    let Some(first) = found.first() else {
        return Err(Problem::error(
            "no-label",
            "the tables have rows of numbers that may be images, but no column of labels; save tokens as .npy or .bin",
        )
        .into());
    };
    let alike = found.iter().all(|table| table.values == first.values);
    let several = found.iter().filter(|table| table.named == first.named).count() > 1;
    let are_shards = found.iter().all(|table| is_columnar(&what[table.entry]) && table.shape.columns == first.shape.columns);
    if !alike || (several && !are_shards) {
        let offer = |problem: Problem, table: &Judged| {
            let name = &tree.entries[table.entry].name;
            problem.with("choose", format!("Take {name}"), Options { table: Some(name.clone()), ..Options::default() })
        };
        let problem = Problem::error("which-table", "there are several tables of images and labels; which of them counts?");
        return Err(found.iter().take(12).fold(problem.counted(found.len() as u64), offer).into());
    }
    Ok(found)
}

/// The column of labels, and where the pixels are without it.
fn label_of(tree: &Tree, table: &Judged, options: &Options) -> Result<(usize, Where)> {
    let chosen = options.label_column.as_ref().and_then(|name| table.shape.index(name)).filter(|column| table.labels.contains(column));
    let label = match (chosen, &table.labels[..]) {
        (Some(chosen), _) => chosen,
        (None, [only]) => *only,
        (None, several) => {
            let names: Vec<&str> = several.iter().map(|column| table.shape.columns[*column].as_str()).collect();
            let file = tree.display(&tree.entries[table.entry]);
            let sentence = format!("{file} has several columns that may be the labels: {}", names.join(", "));
            let offer = |problem: Problem, name: &&str| {
                let options = Options { label_column: Some((*name).to_owned()), ..Options::default() };
                problem.with("choose", format!("Take {name} as the labels"), options)
            };
            return Err(names.iter().take(12).fold(Problem::error("which-labels", sentence).at(Place::file(file)), offer).into());
        }
    };
    let pixels = match &table.pixels {
        Where::Text(column) => Where::Text(*column),
        // The other end of a row is a pixel.
        Where::Columns(columns) => {
            let mut columns: Vec<usize> = columns.iter().chain(&table.labels).copied().filter(|column| *column != label).collect();
            columns.sort_unstable();
            columns.dedup();
            Where::Columns(columns)
        }
    };
    Ok((label, pixels))
}

fn split_rule(tree: &Tree, entry: &Entry, table: &Judged, options: &Options) -> Result<Option<SplitRule>> {
    let column = match &table.split {
        None => return Ok(None),
        Some(Candidate::Rule(rule)) => return Ok(Some(rule.clone())),
        Some(Candidate::Numbers(column)) => *column,
    };
    let mut folds = Folds::default();
    table.shape.rows(tree, entry, &mut |_, row| {
        row[column].as_deref().into_iter().for_each(|text| folds.see(text));
        Ok(())
    })?;
    folds.rule(&tree.display(entry), &table.shape.columns[column], column, options)
}

/// The values of an image, and whether one is written with a point; the error is a sentence's end.
fn values_of(fields: &[Option<String>], pixels: &Where, expected: usize) -> std::result::Result<(Vec<f64>, bool), String> {
    let (values, points) = match pixels {
        Where::Text(column) => {
            let text = fields[*column].as_deref().unwrap_or_default();
            (numbers(text), text.contains(['.', 'e', 'E']))
        }
        Where::Columns(columns) => {
            let texts = || columns.iter().map(|column| fields[*column].as_deref().unwrap_or_default().trim());
            (texts().map(|text| text.parse().ok()).collect(), texts().any(|text| text.contains(['.', 'e', 'E'])))
        }
    };
    match values {
        None => Err("it has a pixel that is no number".into()),
        Some(values) if values.len() != expected => Err(format!("it has {} values, others have {expected}", values.len())),
        Some(values) => Ok((values, points)),
    }
}

#[derive(Default)]
struct Reading {
    survey: Survey,
    points: bool,
    bad: Vec<(usize, String)>,
}

impl Reading {
    fn add(&mut self, sample: usize, values: std::result::Result<(Vec<f64>, bool), String>) {
        match values {
            Ok((values, points)) => {
                self.points |= points;
                let infinite = self.survey.add_row(&values);
                if infinite > 0 {
                    self.bad.push((sample, not_finite(infinite)));
                }
            }
            Err(why) => self.bad.push((sample, why)),
        }
    }
}

impl Content for PixelTable {
    fn account(&self, tree: &Tree) -> Account {
        let Self { parts, columns, label, .. } = self;
        let mut account = self.account.clone();
        parts.iter().for_each(|part| account.use_as(tree, part.entry, "tables of pixels"));
        if let Some(Where::Text(column)) = parts.first().map(|part| &part.pixels) {
            account.columns(columns, &[(columns[*column].as_str(), "images"), (label, "labels")]);
        }
        account
    }

    fn stream(&self, tree: &Tree, from: usize, hand: &mut Hand) -> Result<()> {
        let Self { parts, shape: [channels, side, _], planes, range, .. } = self;
        let (channels, side) = (*channels, *side);
        let mut before = 0;
        for part in parts {
            let skipped = from.saturating_sub(before).min(part.rows);
            before += part.rows;
            if skipped == part.rows {
                continue;
            }
            part.shape.rows(tree, &tree.entries[part.entry], &mut |row, fields| {
                if row < skipped {
                    return Ok(());
                }
                let bytes =
                    values_of(&fields, &part.pixels, channels * side * side).and_then(|(values, _)| range.bytes(values.into_iter()));
                hand(match bytes {
                    Ok(data) if *planes => Raw::Pixels(Pixels::from_planes(channels, side, side, &data)),
                    Ok(data) => Raw::Pixels(Pixels { height: side, width: side, channels, data }),
                    Err(why) => Raw::Bad(why),
                })
            })?;
        }
        Ok(())
    }

    fn place(&self, tree: &Tree, sample: usize) -> Place {
        place_among(tree, self.parts.iter().map(|part| (part.entry, part.rows)), sample)
    }

    fn shape(&self) -> Option<[usize; 3]> {
        Some(self.shape)
    }

    fn unreadable(&self) -> Vec<(usize, String)> {
        self.bad.clone()
    }
}
