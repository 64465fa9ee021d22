//! Folders of classes apart from the images that a table names: another dataset, of which it is asked which counts.

use std::collections::HashSet;

use super::beside_folders::Classes;
use crate::error::Problem;
use crate::options::{Format, Options};
use crate::sniff::What;
use crate::tree::Tree;

/// `used`: the images that are named. Fewer than half as many others are no dataset beside them.
pub fn asked(tree: &Tree, what: &[What], used: &HashSet<usize>, options: &Options) -> Option<Problem> {
    let is_chosen = [&options.table, &options.label_column, &options.image_column, &options.folder].into_iter().any(Option::is_some);
    if is_chosen || options.format.is_some() {
        return None;
    }
    let others: Vec<What> = what.iter().enumerate().map(|(at, what)| if used.contains(&at) { What::Empty } else { what.clone() }).collect();
    let images: Vec<usize> = (0..others.len()).filter(|at| others[*at] == What::Image).collect();
    if 2 * images.len() < used.len() {
        return None;
    }
    // The folder around all of the others holds none that is named.
    let first = tree.entries[*images.first()?].folder().split('/').collect::<Vec<_>>();
    let shared = |at: &usize| tree.entries[*at].folder().split('/').zip(&first).take_while(|(a, b)| a == *b).count();
    let around = first[..images.iter().map(shared).min()?].join("/");
    let inside = format!("{around}/");
    if around.is_empty() || used.iter().any(|at| tree.entries.get(*at).is_none_or(|entry| entry.name.starts_with(&inside))) {
        return None;
    }
    let classes = Classes::of(tree, &others).filter(Classes::are_likely)?;
    let shown = classes.names().into_iter().take(3).collect::<Vec<_>>().join(", ");
    let sentence = format!(
        "a table names {} images, and {} others lie in {around} in folders that may be classes ({shown}); which of them count?",
        used.len(),
        images.len()
    );
    let folders = Options { folder: Some(around), ..Options::default() };
    let table = Options { format: Some(Format::ImageTable), ..Options::default() };
    let mut answers = [("Take the folders as the classes", folders), ("Take the images of the table", table)];
    if images.len() < used.len() {
        answers.reverse();
    }
    Some(
        answers
            .into_iter()
            .fold(Problem::error("several-datasets", sentence), |problem, (title, options)| problem.with("choose", title, options)),
    )
}
