//! Rows that name folders: of a patient, a study, a scene. Such a row tells the label of all images below its folder.

use std::collections::BTreeSet;

use super::Role;
use super::beside_folders::Classes;
use super::index::Index;
use super::labelling::{Judged, Labelling, speaks_of_labels};
use crate::column_splits::plain_name;
use crate::error::{Place, Problem, Result};
use crate::options::{Format, Options};
use crate::sniff::What;
use crate::table::Row;
use crate::tree::Tree;

/// Words for what a folder of images is of.
const WORDS: [&str; 17] = [
    "patient",
    "subject",
    "participant",
    "study",
    "series",
    "scan",
    "case",
    "exam",
    "session",
    "slide",
    "specimen",
    "sequence",
    "video",
    "folder",
    "directory",
    "dir",
    "path",
];

/// The column whose first values are mostly folders with images below them.
pub fn column(columns: &[String], rows: &[Row], index: &Index) -> Option<usize> {
    let folders = |column: usize| rows.iter().filter_map(move |row| row[column].as_deref()).filter(|text| index.is_folder(text));
    let names = |column: &usize| 2 * folders(*column).count() > rows.len() && folders(*column).collect::<BTreeSet<_>>().len() > 1;
    (0..columns.len()).filter(names).max_by_key(|column| {
        // Patients rather than the sites that they are of.
        (folders(*column).count(), folders(*column).collect::<BTreeSet<_>>().len(), std::cmp::Reverse(*column))
    })
}

/// Whether the rows of folders tell labels. `None`: as those of images would; where the folders may be the classes, it is asked.
pub fn settle(
    tree: &Tree,
    what: &[What],
    at: usize,
    judged: &Judged,
    column: usize,
    labelling: &std::result::Result<Option<Labelling>, Vec<String>>,
    options: &Options,
) -> Result<Option<Role>> {
    let is_chosen = options.format == Some(Format::ImageTable)
        || [&options.table, &options.label_column, &options.image_column].into_iter().any(Option::is_some);
    if is_chosen || judged.free.is_empty() {
        return Ok(None);
    }
    let values = || judged.rows.iter().filter_map(|row| row[column].as_deref());
    let classes = Classes::of(tree, what);
    let is_path = values().any(|text| text.contains(['/', '\\']));
    let are_numbered = classes.as_ref().is_some_and(|classes| !classes.are_likely());
    let names_folders = is_path || are_numbered || speaks_of_folders(&judged.columns[column]);
    let are_classes = is_path
        || classes.as_ref().is_none_or(|classes| {
            let values: BTreeSet<&str> = values().collect();
            let names = classes.names();
            2 * names.iter().filter(|name| values.contains(*name)).count() >= names.len()
        });
    let by_name = judged.free.len() > 1 || speaks_of_labels(&judged.columns[judged.free[0]]);
    let label = match labelling {
        Ok(Some(labelling)) => labelling.columns().first().copied(),
        _ => None,
    };
    let repeats = |column: usize| {
        let labels: BTreeSet<&Option<String>> = judged.rows.iter().map(|row| &row[column]).collect();
        labels.len() < judged.rows.len()
    };
    Ok(match label {
        Some(_) if names_folders && are_classes => None,
        // A number or a description of each class.
        Some(label) if !repeats(label) => Some(Role::Other("names of classes")),
        Some(label) if names_folders || (are_classes && by_name) => {
            let label = &judged.columns[label];
            let file = tree.display(&tree.entries[at]);
            let sentence = format!(
                "{file} names folders in its column {}; is its column {label} the label of the images below, or do folders name the classes?",
                judged.columns[column]
            );
            let table = Options { table: Some(tree.entries[at].name.clone()), ..Options::default() };
            let problem = Problem::error("folder-rows", sentence).at(Place::file(file));
            let problem = problem.with("choose", format!("Take {label} as the labels"), table);
            Some(Role::Asked(at, problem))
        }
        None if names_folders && are_classes => None,
        _ => Some(Role::Other("tables about folders")),
    })
}

/// `patient_id`, `Folder`, `BraTS21ID`; not `class_id`.
fn speaks_of_folders(column: &str) -> bool {
    let name = plain_name(column);
    let has_word =
        name.split('_').any(|word| WORDS.iter().any(|known| word.trim_end_matches("id").trim_end_matches('s') == *known || word == *known));
    has_word || (name.ends_with("id") && !speaks_of_labels(column) && !name.starts_with("class"))
}
