//! What lies beside tables of pixels: their labels in tables of their own, copies of them; and rows that are of bands.

use std::collections::BTreeSet;

use super::{JUDGED, Judged, is_number, tables, values_of};
use crate::array_name::{ArrayName, LABELS};
use crate::columnar::is_columnar;
use crate::error::{Error, Place, Problem, Result};
use crate::sniff::What;
use crate::table::{self, Shape};
use crate::text::until_enough;
use crate::tree::Tree;

/// So much of tables is compared, bytes.
const COMPARED: usize = 8192;
/// Of red, green, blue and near infrared.
const BANDS: usize = 4;

/// A table with names of columns, which are no numbers.
fn headed(tree: &Tree, at: usize) -> Result<Shape> {
    let shape = table::shape(tree, &tree.entries[at], false)?;
    let is_row = shape.has_header && shape.columns.iter().all(|name| is_number(name));
    Ok(if is_row { shape.without_header() } else { shape })
}

/// A column of labels, or one for each class with 1 for that of the row.
pub(super) fn labels_of(tree: &Tree, at: usize) -> Result<Vec<Option<String>>> {
    let entry = &tree.entries[at];
    let shape = headed(tree, at)?;
    let mut labels = Vec::new();
    shape.rows(tree, entry, &mut |row, fields| {
        if let [only] = &fields[..] {
            labels.push(trimmed(only));
            return Ok(());
        }
        let numbers: Vec<Option<f64>> = fields.iter().map(|field| field.as_deref()?.trim().parse().ok()).collect();
        let is_flag = |number: &Option<f64>| [Some(0.0), Some(1.0)].contains(number);
        let ones: Vec<usize> = (0..numbers.len()).filter(|column| numbers[*column] == Some(1.0)).collect();
        let ([class], true) = (&ones[..], numbers.iter().all(is_flag)) else {
            let file = tree.display(entry);
            let sentence = format!("{file} has no single class in row {row}; labels are one number or text, or 0 and 1 for each class");
            return Err(Problem::error("bad-label", sentence).at(Place::row(file, row)).into());
        };
        labels.push(Some(if shape.has_header { shape.columns[*class].clone() } else { class.to_string() }));
        Ok(())
    })?;
    Ok(labels)
}

/// The table of labels beside one of images that has none: `y_train.csv` of `X_train.csv`.
pub(super) fn labels_beside(tree: &Tree, what: &[What], of: usize) -> Option<usize> {
    let images = &tree.entries[of];
    let name = ArrayName::of(images);
    let is_beside = |at: &usize| {
        let (entry, other) = (&tree.entries[*at], ArrayName::of(&tree.entries[*at]));
        let is_called = other.rank(&LABELS).is_some() && name.rank(&LABELS).is_none();
        *at != of && entry.folder() == images.folder() && is_called && other.split == name.split && other.is_of_set(&name)
    };
    tables(what).filter(|at| !is_columnar(&what[*at])).find(is_beside)
}

/// Tables of the same name, size and beginning as others.
pub(super) fn repeated(tree: &Tree, tables: &[Judged]) -> BTreeSet<usize> {
    let entry = |table: &Judged| &tree.entries[table.entry];
    let is_same = |one: &Judged, other: &Judged| {
        entry(one).file_name() == entry(other).file_name()
            && tree.size(entry(one)) == tree.size(entry(other))
            && tree.head(entry(one), COMPARED).ok() == tree.head(entry(other), COMPARED).ok()
    };
    let depth = |table: &Judged| (entry(table).name.matches('/').count(), table.entry);
    let has_other = |table: &&Judged| tables.iter().any(|other| depth(other) < depth(table) && is_same(other, table));
    tables.iter().filter(has_other).map(|table| table.entry).collect()
}

/// Refuses rows of four bands, pixel after pixel, which are a square number of values too: the next value of a band is then nearer than the
/// next of the row.
pub(super) fn no_bands(tree: &Tree, table: &Judged) -> Result<()> {
    let side = (table.values / BANDS).isqrt();
    if side * side * BANDS != table.values {
        return Ok(());
    }
    let entry = &tree.entries[table.entry];
    let (mut of_band, mut of_row, mut read) = (0.0, 0.0, 0);
    let seen = table.shape.rows(tree, entry, &mut |_, fields| {
        if let Ok((values, _)) = values_of(&fields, &table.pixels, table.values) {
            let change = |step: usize| values.iter().zip(&values[step..]).map(|(a, b)| (a - b).abs()).sum::<f64>();
            of_band += change(BANDS);
            of_row += change(1);
        }
        read += 1;
        if read < JUDGED { Ok(()) } else { Err(Error::Cancelled) }
    });
    until_enough(seen)?;
    if 2.0 * of_band >= of_row {
        return Ok(());
    }
    let file = tree.display(entry);
    let sentence = format!(
        "{file} has rows of {} values that change as the pixels of {BANDS} bands of {side} x {side} do; save one or three of the bands",
        table.values
    );
    Err(Problem::error("bands", sentence).at(Place::file(file)).into())
}

pub(super) fn trimmed(field: &Option<String>) -> Option<String> {
    field.as_deref().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}
