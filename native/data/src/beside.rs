//! What lies beside images that have no classes: files that may hold their labels, and names of files that begin with a class. A refusal
//! ends with it.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Problem;
use crate::sniff::What;
use crate::tree::Tree;

/// Names that a sentence lists.
const SHOWN: usize = 4;

/// The refusal with what lies beside the images.
pub fn told(mut problem: Problem, tree: &Tree, what: &[What]) -> Problem {
    let said = [files(tree, what), names(tree, what)];
    said.into_iter().flatten().for_each(|said| problem.message.push_str(&said));
    problem
}

/// Tables, lists and arrays in which no label of these images was found.
fn files(tree: &Tree, what: &[What]) -> Option<String> {
    let is_about =
        |name: &str| ["readme", "license", "licence", "citation", "submission"].iter().any(|about| name.to_lowercase().contains(about));
    let tells = |at: &usize| {
        matches!(
            what[*at],
            What::Csv | What::JsonLines | What::Json | What::Text | What::Npy(_) | What::Parquet | What::Pickle | What::Refused(_)
        ) && !is_about(tree.entries[*at].file_name())
    };
    let found: Vec<&str> = (0..what.len()).filter(tells).map(|at| tree.entries[at].name.as_str()).collect();
    let first = found.first()?;
    let shown = match found.len() {
        count if count > SHOWN => format!("{count} files, such as {first}"),
        _ => found.join(", "),
    };
    Some(format!(
        "; beside the images lie {shown}, in which no label is found for the name of an image (a table has a column of file names and one \
         of labels)"
    ))
}

/// `cat.0.jpg`, `dog.0.jpg`: names of one word and a number, of several words that are there often.
fn names(tree: &Tree, what: &[What]) -> Option<String> {
    let mut words: BTreeMap<&str, usize> = BTreeMap::new();
    let mut count = 0;
    for (_, entry) in what.iter().zip(&tree.entries).filter(|(what, _)| **what == What::Image) {
        count += 1;
        let stem = entry.file_name().rsplit_once('.').map_or("", |(stem, _)| stem);
        let word = stem.trim_end_matches(|c: char| c.is_ascii_digit());
        let class = word.trim_end_matches(['.', '_', '-', ' ']);
        if word.len() < stem.len() && class.len() < word.len() && !class.is_empty() {
            *words.entry(class).or_default() += 1;
        }
    }
    let named: usize = words.values().sum();
    if words.len() < 2 || 2 * words.len() > named || 2 * named < count {
        return None;
    }
    let shown: BTreeSet<&str> = words.keys().copied().take(3).collect();
    let more = if words.len() > 3 { ", ..." } else { "" };
    Some(format!(
        "; the names of the files may begin with the class ({}{more}): move the files into a folder for each, or save a table",
        shown.into_iter().collect::<Vec<_>>().join(", ")
    ))
}
