//! Which of several arrays are the images and which their labels: as chosen, by their usual names, or asked.

use crate::array_labels;
use crate::array_name::{IMAGES, LABELS};
use crate::arrays::{Array, columns, is_images};
use crate::class_arrays;
use crate::error::{Error, Place, Problem, Result};
use crate::images::Named;
use crate::npy::Header;
use crate::options::Options;
use crate::tree::Tree;

/// Those that are chosen, or of the likeliest name; of all splits.
pub fn choose_images<'a, 'b>(tree: &Tree, arrays: &'b [Array<'a>], options: &Options) -> Result<Vec<&'b Array<'a>>> {
    let mut images: Vec<&Array> = arrays.iter().filter(|array| is_images(array, arrays)).collect();
    if let Some(chosen) = &options.image_column {
        images.retain(|array| array.name.is_called(array.entry, chosen));
        if images.is_empty() {
            return Err(no_array(arrays, "images", chosen));
        }
        return Ok(images);
    }
    let best = images.iter().filter_map(|array| array.name.rank(&IMAGES)).min();
    if let Some(best) = best {
        // `x_train` and `images_test` are of one dataset: names of one split stand for each other only within it.
        let splits: Vec<(Option<Named>, usize)> =
            images.iter().filter_map(|array| Some((array.name.split, array.name.rank(&IMAGES)?))).collect();
        let best_of = |split| splits.iter().filter(|(other, _)| *other == split).map(|(_, rank)| *rank).min().unwrap_or(best);
        images.retain(|array| array.name.rank(&IMAGES) == Some(best_of(array.name.split)));
    }
    class_arrays::one_dataset(&images)?;
    class_arrays::named_arrays(tree, &images)?;
    // Arrays that share labels are different views of the same images.
    let several: Vec<&&Array> = images
        .iter()
        .filter(|array| {
            images.iter().any(|other| {
                other.at != array.at
                    && other.name.split == array.name.split
                    && other.entry.folder() == array.entry.folder()
                    && other.name.column != array.name.column
            })
        })
        .collect();
    if several.is_empty() {
        return Ok(images);
    }
    let mut names: Vec<&String> = several.iter().map(|array| &array.name.column).collect();
    names.sort();
    names.dedup();
    let shown: Vec<String> = names.iter().map(|name| (*name).clone()).collect();
    let sentence = format!("several arrays may be the images: {}; choose one", shown.join(", "));
    let problem =
        several.iter().take(20).fold(Problem::error("which-images", sentence), |problem, array| problem.at(tree.place(array.entry)));
    let offer = |problem: Problem, name: &String| {
        problem.with("choose", format!("Take {name}"), Options { image_column: Some(name.clone()), ..Options::default() })
    };
    Err(shown.iter().take(12).fold(problem, offer).into())
}

fn no_array(arrays: &[Array], of: &str, chosen: &str) -> Error {
    let sentence = format!("there is no array {chosen} of {of}; there are {}", columns(arrays).join(", "));
    Problem::error("no-array", sentence).into()
}

/// Of the arrays with as many rows in the same split: that which is chosen, then by name, where only one has it.
pub fn choose_labels<'a, 'b>(tree: &Tree, images: &Array, arrays: &'b [Array<'a>], options: &Options) -> Result<&'b Array<'a>> {
    let count = images.header.shape[0];
    let near = |array: &&Array| {
        array.at != images.at
            && array.name.split == images.name.split
            && (array.entry.folder() == images.entry.folder() || array.name.belongs_to(&images.name))
    };
    let fits = |array: &&Array| array_labels::can_be(array.header, count) || array_labels::can_be_one_hot(array.header, count);
    if let Some(chosen) = &options.label_column {
        let found = arrays.iter().filter(near).find(|array| fits(array) && array.name.is_called(array.entry, chosen));
        return found.ok_or_else(|| no_array(arrays, &format!("{count} labels"), chosen));
    }
    // An array of the best name and another length is a mistake of which the next best knows nothing.
    let named = |array: &&Array| matches!(array.header.shape.len(), 1 | 2) && array.name.rank(&LABELS[..5]).is_some();
    let exact: Vec<&Array> = arrays.iter().filter(near).filter(named).filter(|array| array.name.belongs_to(&images.name)).collect();
    if let (Some(other), false) = (exact.iter().min_by_key(|array| array.name.rank(&LABELS)), exact.iter().any(fits)) {
        return Err(mismatched(tree, images, other));
    }
    let rank = |array: &Array| (!array.name.belongs_to(&images.name), array.name.rank(&LABELS).unwrap_or(usize::MAX));
    let mut found: Vec<&Array> = arrays.iter().filter(near).filter(|array| fits(array) && array.name.rank(&LABELS).is_some()).collect();
    if found.is_empty() {
        let is_plain = |array: &&Array| array_labels::can_be(array.header, count) && !array.header.descr.contains('f');
        found = arrays.iter().filter(near).filter(is_plain).collect();
    }
    // Rows of booleans are one-hot whatever they are called.
    if found.is_empty() {
        let is_one_hot = |array: &&Array| array.header.is_boolean() && array_labels::can_be_one_hot(array.header, count);
        found = arrays.iter().filter(near).filter(is_one_hot).collect();
    }
    let Some(best) = found.iter().map(|array| rank(array)).min() else { return Err(no_labels(tree, images, arrays)) };
    let several = found.iter().filter(|array| rank(array) == best).count() > 1;
    if !several {
        return found.into_iter().find(|array| rank(array) == best).ok_or_else(|| no_labels(tree, images, arrays));
    }
    found.sort_by_key(|array| rank(array));
    let names: Vec<&str> = found.iter().map(|array| array.name.column.as_str()).collect();
    let sentence = format!("several arrays may be the labels of {}: {}; choose one", tree.display(images.entry), names.join(", "));
    let problem =
        found.iter().take(20).fold(Problem::error("which-labels", sentence), |problem, array| problem.at(tree.place(array.entry)));
    Err(names.iter().take(12).fold(problem, |problem, name| offer_labels(problem, name)).into())
}

pub fn offer_labels(problem: Problem, name: &str) -> Problem {
    problem.with("choose", format!("Take {name} as the labels"), Options { label_column: Some(name.to_owned()), ..Options::default() })
}

fn mismatched(tree: &Tree, images: &Array, labels: &Array) -> Error {
    let (file, other) = (tree.display(images.entry), tree.display(labels.entry));
    let (count, rows) = (images.header.shape[0], labels.header.shape[0]);
    let (code, sentence) = match rows == count {
        false => ("mismatched-counts", format!("{file} has {count} images, but {other} has {rows} labels")),
        true => {
            let Header { shape, descr, .. } = labels.header;
            ("bad-label", format!("{other} has the shape {shape:?} of {descr}; labels are one number or text per image, or one-hot rows"))
        }
    };
    Problem::error(code, sentence).at(Place::file(file)).into()
}

fn no_labels(tree: &Tree, images: &Array, arrays: &[Array]) -> Error {
    let is_labels =
        |array: &&Array| array.entry.folder() == images.entry.folder() && array_labels::can_be(array.header, array.header.count());
    if let Some(other) = arrays.iter().find(|array| is_labels(array) && array.name.split == images.name.split) {
        return mismatched(tree, images, other);
    }
    let (file, count) = (tree.display(images.entry), images.header.shape[0]);
    let sentence = format!("{file} has {count} images, but no array of as many labels lies beside it");
    Problem::error("no-labels", sentence).at(Place::file(file)).into()
}
