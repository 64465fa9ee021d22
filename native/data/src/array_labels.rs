//! Labels of arrays as classes: numbers, booleans, text, Python objects of these, and one-hot rows.

use crate::error::{Place, Problem, Result, refuse};
use crate::images::{NO_LABEL, classes_of, numbered};
use crate::npy::Header;
use crate::pickle::{self, Refusal, Value};
use crate::tree::{Entry, Tree};

/// Largest array of labels that is read, bytes.
const LARGEST: usize = 1 << 30;

/// Numbers that are no whole ones are classes where there are so few of them.
const FEW_VALUES: usize = 100;

/// Of one array, a row each.
pub enum Labels {
    Numbers(Vec<f64>),
    Booleans(Vec<f64>),
    /// float32 has shorter names than float64.
    Singles(Vec<f64>),
    Texts(Vec<String>),
}

pub fn can_be(header: &Header, count: usize) -> bool {
    header.shape.first() == Some(&count)
        && matches!(header.shape[..], [_] | [_, 1])
        && (header.is_number() || header.text_element().is_some() || header.is_objects())
}

/// Rows of a class each.
pub fn can_be_one_hot(header: &Header, count: usize) -> bool {
    matches!(header.shape[..], [rows, 2..=10_000] if rows == count) && header.is_number()
}

pub fn read(tree: &Tree, entry: &Entry, header: &Header) -> Result<Labels> {
    let bytes = tree.read_all(entry, LARGEST)?;
    let body = bytes.get(header.start..).unwrap_or_default();
    if header.is_objects() {
        return objects(tree, entry, body);
    }
    if header.text_element().is_some() {
        return Ok(Labels::Texts(header.texts(body)));
    }
    let numbers: Vec<f64> = header.numbers(body).collect();
    Ok(match header.shape[..] {
        [_, width] if width > 1 && !header.fortran => Labels::Numbers(one_hot(tree, entry, &numbers, width)?),
        [_, width] if width > 1 => {
            let file = tree.display(entry);
            return refuse("fortran-order", format!("{file} is in Fortran order; save numpy.ascontiguousarray of it"), Place::file(file));
        }
        _ if header.is_boolean() => Labels::Booleans(numbers),
        _ if header.descr.ends_with("f4") || header.descr.ends_with("f2") => Labels::Singles(numbers),
        _ => Labels::Numbers(numbers),
    })
}

/// An array of Python objects is a pickle, which is read as plain data.
fn objects(tree: &Tree, entry: &Entry, pickle: &[u8]) -> Result<Labels> {
    let file = tree.display(entry);
    let value = match pickle::load(pickle) {
        Ok(value) => value,
        Err(Refusal::Code(name)) => {
            let sentence = format!("{file} asks to run {name}, as plain data never does; it was not run, and nothing is imported");
            return refuse("unsafe-pickle", sentence, Place::file(file));
        }
        Err(Refusal::Damaged(why, at)) => {
            let place = Place { offset: Some(at as u64), ..Place::file(file.clone()) };
            return refuse("damaged-pickle", format!("{file} {why}"), place);
        }
    };
    let Value::Array(array) = &value else { return not_plain(file, 0) };
    let Value::List(items) = &*array.data else { return not_plain(file, 0) };
    if items.iter().any(|item| item.text(pickle).is_some()) {
        let text = |(row, item): (usize, &Value)| item.text(pickle).map_or_else(|| not_plain(file.clone(), row), Ok);
        return items.iter().enumerate().map(text).collect::<Result<_>>().map(Labels::Texts);
    }
    let number = |(row, item): (usize, &Value)| match item {
        Value::Int(x) => Ok(*x as f64),
        Value::Float(x) => Ok(*x),
        Value::Bool(x) => Ok(f64::from(u8::from(*x))),
        _ => not_plain(file.clone(), row),
    };
    items.iter().enumerate().map(number).collect::<Result<_>>().map(Labels::Numbers)
}

fn not_plain<T>(file: String, row: usize) -> Result<T> {
    refuse("bad-label", format!("{file} has a label that is neither text nor a number at row {row}"), Place::row(file, row))
}

/// The class of each row of `width` numbers.
fn one_hot(tree: &Tree, entry: &Entry, numbers: &[f64], width: usize) -> Result<Vec<f64>> {
    let file = tree.display(entry);
    let (mut classes, mut several) = (Vec::new(), Vec::new());
    for (row, values) in numbers.chunks_exact(width).enumerate() {
        if let Some(other) = values.iter().find(|value| **value != 0.0 && **value != 1.0) {
            let sentence =
                format!("{file} has {width} numbers per image, {other} among them at row {row}; labels are one number, or 0 and 1");
            return refuse("bad-label", sentence, Place::row(file, row));
        }
        if values.iter().sum::<f64>() != 1.0 {
            several.push(row);
        }
        classes.push(values.iter().position(|value| *value == 1.0).unwrap_or(0) as f64);
    }
    let Some(first) = several.first() else { return Ok(classes) };
    let sentence = format!(
        "{file} has {width} labels per image, and {} images are of none or of several classes (first row {first}); \
         training takes one class per image, so save one label each",
        several.len()
    );
    let problem = Problem::error("multi-label", sentence).counted(several.len() as u64);
    Err(several.iter().take(20).fold(problem, |problem, &row| problem.at(Place::row(file.clone(), row))).into())
}

/// Class names and labels of all arrays together. `place` tells where a row lies.
pub fn classes(parts: Vec<Labels>, place: &dyn Fn(usize) -> Place) -> Result<(Vec<String>, Vec<u32>)> {
    if parts.iter().all(|part| matches!(part, Labels::Texts(_))) {
        let texts = parts.into_iter().flat_map(|part| if let Labels::Texts(texts) = part { texts } else { Vec::new() });
        let texts: Vec<Option<String>> = texts.map(|text| Some(text.trim().to_owned()).filter(|text| !text.is_empty())).collect();
        let numbers = texts.iter().map(|text| text.as_ref().map_or(Some(f64::NAN), |text| text.parse().ok())).collect::<Option<Vec<f64>>>();
        return numbers.map_or_else(|| Ok(classes_of(&texts)), |numbers| numbered_classes(&numbers, false, place));
    }
    let is_boolean = parts.iter().all(|part| matches!(part, Labels::Booleans(_)));
    let is_single = parts.iter().any(|part| matches!(part, Labels::Singles(_)));
    let mut numbers = Vec::new();
    for part in parts {
        match part {
            Labels::Numbers(part) | Labels::Booleans(part) | Labels::Singles(part) => numbers.extend(part),
            Labels::Texts(_) => {
                let place = place(numbers.len());
                let sentence = format!("{} has labels of text, other labels are numbers; save all alike", place.file);
                return refuse("bad-label", sentence, Place::file(place.file));
            }
        }
    }
    let (names, labels) = numbered_classes(&numbers, is_single, place)?;
    let says = |name: &String| if name == "0" { "False".to_owned() } else { "True".to_owned() };
    Ok((if is_boolean { names.iter().map(says).collect() } else { names }, labels))
}

/// Numbers from 0 are the labels themselves. Others are classes in their order, called after them, so that none is without images.
fn numbered_classes(numbers: &[f64], is_single: bool, place: &dyn Fn(usize) -> Place) -> Result<(Vec<String>, Vec<u32>)> {
    // -0 is 0, and NaN is no label.
    let mut distinct: Vec<f64> = numbers.iter().filter(|x| !x.is_nan()).map(|x| x + 0.0).collect();
    distinct.sort_by(f64::total_cmp);
    distinct.dedup();
    let is_whole = distinct.iter().all(|x| x.fract() == 0.0);
    let of_two = distinct.len() == 2 && distinct.iter().all(|x| x.abs() == 1.0);
    if is_whole && !of_two {
        // The usual mark of what has no label.
        distinct.retain(|x| *x != -1.0);
    }
    let at = |wrong: &dyn Fn(f64) -> bool| numbers.iter().position(|x| wrong(*x)).unwrap_or(0);
    let refused = |row: usize, why: &str| {
        let place = place(row);
        let sentence = format!("{} has the label {} at row {}; {why}", place.file, numbers[row], place.row.unwrap_or(0));
        refuse("bad-label", sentence, place)
    };
    if !is_whole && (distinct.len() > FEW_VALUES || distinct.len() * 2 > numbers.len()) {
        return refused(at(&|x| x.fract() != 0.0), "numbers that are no whole ones are learned as classes only where they are few");
    }
    if is_whole && distinct.iter().any(|x| *x < 0.0) && !of_two {
        return refused(at(&|x| x < -1.0), "labels are class numbers from 0");
    }
    let from_0 = is_whole && distinct.first() == Some(&0.0);
    let most = distinct.last().copied().unwrap_or(0.0);
    if (from_0 && most >= 100_000.0) || distinct.len() > 100_000 {
        return refused(at(&|x| x == most), "labels are class numbers from 0");
    }
    if from_0 {
        let label = |&x: &f64| if (0.0..=most).contains(&x) { x as u32 } else { NO_LABEL };
        return Ok((numbered(most as usize + 1), numbers.iter().map(label).collect()));
    }
    let number = |x: f64| distinct.binary_search_by(|known| known.total_cmp(&(x + 0.0))).map_or(NO_LABEL, |at| at as u32);
    let name = |x: &f64| if is_single { (*x as f32).to_string() } else { x.to_string() };
    Ok((distinct.iter().map(name).collect(), numbers.iter().map(|x| number(*x)).collect()))
}
