//! Classes of labels that are text or numbers.

use std::collections::{BTreeSet, HashMap};

use crate::error::Problem;
use crate::images::{NO_LABEL, numbered};

/// Labels that are written differently and are one number, other than `1` and `1.0`.
pub fn same_numbers(texts: &[Option<String>], what: &str) -> Option<Problem> {
    let mut written: HashMap<u64, BTreeSet<&str>> = HashMap::new();
    for text in texts.iter().flatten().collect::<BTreeSet<_>>() {
        let number: f64 = text.parse().ok()?;
        let whole = text.split_once('.').filter(|(_, rest)| rest.bytes().all(|byte| byte == b'0')).map(|(whole, _)| whole);
        written.entry(number.to_bits()).or_default().insert(whole.unwrap_or(text));
    }
    let forms = written.into_values().filter(|forms| forms.len() > 1).min()?.into_iter().collect::<Vec<_>>().join(" and ");
    let sentence = format!("{what} has labels that are the same number, such as {forms}; they are one class");
    Some(Problem::warning("same-number", sentence))
}

/// Class names and labels: numbers in their order, text in the given order or its own.
pub fn classes_of(texts: &[Option<String>], order: &[String]) -> (Vec<String>, Vec<u32>) {
    if !order.is_empty() && texts.iter().flatten().all(|text| order.contains(text)) {
        let places: HashMap<&String, u32> = order.iter().zip(0..).collect();
        let labels = texts.iter().map(|text| text.as_ref().map_or(NO_LABEL, |text| places[text])).collect();
        return (order.to_vec(), labels);
    }
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
    // -1 among others says that there is no label.
    if values.len() > 2 && values[0] == -1.0 {
        values.remove(0);
    }
    let from_zero = values.iter().enumerate().all(|(at, value)| *value == at as f64);
    let names = if from_zero { numbered(values.len()) } else { values.iter().map(ToString::to_string).collect() };
    let place = |value: &Option<f64>| {
        value.and_then(|value| values.binary_search_by(|known| known.total_cmp(&value)).ok()).map_or(NO_LABEL, |at| at as u32)
    };
    (names, numbers.iter().map(place).collect())
}
