//! A table of as many rows as there are images that does not name them by their files: whether its labels or the folders count is asked.

use std::collections::{BTreeSet, HashSet};

use super::beside_folders::take_folders;
use super::index::Index;
use super::labelling::Judged;
use super::{Role, candidates, columns, own_role};
use crate::error::{Error, Place, Problem, Result};
use crate::options::Options;
use crate::sniff::What;
use crate::tree::Tree;

/// What is asked where folders would be the classes of `images` images. Tables in which the folders are named say what they do.
pub fn asked(tree: &Tree, what: &[What], images: usize, classes: &[String], options: &Options) -> Result<Option<Problem>> {
    let tables: Vec<usize> = candidates(tree, what).into_iter().filter(|at| what[*at] != What::Text).collect();
    if tables.is_empty() || images < 2 {
        return Ok(None);
    }
    let index = Index::new(tree, what);
    for at in tables {
        let names_none = matches!(own_role(tree, what, at, &index, options), Ok(Role::Other(columns::NAMES_NO_IMAGES)));
        let Some(source) = names_none.then(|| super::source::source(tree, &tree.entries[at], &what[at], &index).ok().flatten()).flatten()
        else {
            continue;
        };
        let rows = source.first_rows(tree, &tree.entries[at])?;
        let free: Vec<usize> = (0..source.columns().len()).collect();
        let judged = Judged { columns: source.columns(), has_header: source.has_header(), rows: &rows, free: &free };
        let likely = judged.likely();
        let folders: HashSet<&str> = classes.iter().map(String::as_str).collect();
        let names_folders = |column: &usize| {
            let values: BTreeSet<&str> =
                rows.iter().filter_map(|row| row[*column].as_deref()).filter(|text| folders.contains(text)).collect();
            2 * values.len() >= folders.len()
        };
        if likely.is_empty() || free.iter().any(names_folders) {
            continue;
        }
        let mut count = 0;
        let counted = source.rows(tree, &tree.entries[at], &mut |_, _| {
            count += 1;
            Ok(())
        });
        match counted {
            Ok(()) => {}
            Err(Error::Data(_)) => continue,
            Err(other) => return Err(other),
        }
        if 100 * images.abs_diff(count) > images {
            continue;
        }
        let file = tree.display(&tree.entries[at]);
        let sentence = format!(
            "{file} has {count} rows for the {images} images and names none by its file; are the folders ({}) the classes? To use its column {}, \
             add a column with the path of each image",
            classes.iter().take(3).cloned().collect::<Vec<_>>().join(", "),
            likely[0]
        );
        return Ok(Some(take_folders(Problem::error("table-or-folders", sentence).at(Place::file(file)))));
    }
    Ok(None)
}
