//! What is said where several words or names mean one split, as `val` and `id_val` do.

use std::collections::{BTreeMap, BTreeSet};

use crate::column_splits::value;
use crate::error::Problem;
use crate::images::{Named, named_split};
use crate::layout::{is_plain, is_split_name};
use crate::tree::Entry;

/// More names are those of parts.
const MOST: usize = 6;

type Words = BTreeMap<Named, BTreeSet<String>>;

/// Values of a column of splits.
pub fn of_values<'a>(values: impl Iterator<Item = &'a str>) -> Option<Problem> {
    let mut words = Words::new();
    for text in values {
        if let Some(named) = value(text) {
            words.entry(named).or_default().insert(text.trim().to_lowercase());
        }
    }
    told(words)
}

/// Names of folders and files, where one of those of a split says nothing else.
pub fn of_names<'a>(names: impl Iterator<Item = &'a str>) -> Option<Problem> {
    let mut words = Words::new();
    for name in names {
        if let Some(named) = named_split(name) {
            words.entry(named).or_default().insert(without_numbers(name));
        }
    }
    words.retain(|_, names| names.len() <= MOST && names.iter().any(|name| is_split_name(name)));
    told(words)
}

/// As `of_names`, of that part of each path that tells the split.
pub fn of_entries<'a>(entries: impl Iterator<Item = &'a Entry>) -> Option<Problem> {
    let part = |entry: &'a Entry| match &entry.split {
        Some(split) => Some(split.as_str()),
        None => std::iter::once(entry.stem()).chain(entry.folder().rsplit('/')).find(|part| named_split(part).is_some()),
    };
    of_names(entries.filter_map(part))
}

/// The words of a name that say something, in lower case.
fn without_numbers(name: &str) -> String {
    let lower = name.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty() && !is_plain(word));
    words.collect::<Vec<_>>().join("_")
}

fn told(words: Words) -> Option<Problem> {
    let told = words.into_iter().filter(|(_, words)| words.len() > 1).map(|(named, words)| {
        let split = match named {
            Named::Train => "training",
            Named::Validation => "validation",
            Named::Test => "test",
        };
        format!("the {split} split is made of {}", words.into_iter().collect::<Vec<_>>().join(" and "))
    });
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| Problem::note("several-splits", told.join("; ")))
}
