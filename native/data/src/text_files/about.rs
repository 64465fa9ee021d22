//! Text that tells of other files: words about a dataset, lists and tables of its files, names of its classes.

use std::collections::HashSet;

use super::{Files, Kind, endings, is_about, kind_of, taking};
use crate::error::{Error, Problem, Result};
use crate::image_table::is_list_of_classes;
use crate::not_text::{COMPARED, FEW};
use crate::sniff::What;
use crate::table;
use crate::text::until_enough;
use crate::tree::{ARCHIVE_BESIDE, Entry, Tree};

/// Rows by which a table is known to name files.
const JUDGED: usize = 50;
/// More scripts are source code.
const FEW_SCRIPTS: usize = 3;

/// Whether all text only tells of what lies beside it: words about a dataset, a script or two, names of classes, lists of the other files.
pub fn is_about_others(tree: &Tree, what: &[What]) -> bool {
    let is_other = |what: &What| matches!(what, What::Other(_) | What::Unknown | What::Refused(_) | What::OtherImage);
    let others = what.iter().zip(&tree.entries).filter(|(what, _)| is_other(what));
    let names: HashSet<&str> = others.flat_map(|(_, entry)| entry.folder().split('/').chain([entry.stem()])).collect();
    let texts: Vec<(usize, Kind)> =
        what.iter().zip(&tree.entries).enumerate().filter_map(|(at, (what, entry))| Some((at, kind_of(what, entry)?))).collect();
    let code = texts.iter().filter(|(_, kind)| *kind == Kind::Code).count();
    let is_about_them = |(at, kind): &(usize, Kind)| {
        let entry = &tree.entries[*at];
        match kind {
            Kind::Code => code <= FEW_SCRIPTS,
            Kind::Document => is_about(entry) || is_list_of_classes(entry) || lists(tree, entry, &names),
            Kind::Table | Kind::Markup => lists(tree, entry, &names),
        }
    };
    let has_archives = tree.problems.iter().any(|problem| problem.code == ARCHIVE_BESIDE);
    (has_archives || !names.is_empty()) && !texts.is_empty() && texts.iter().all(is_about_them)
}

/// Most lines have a part that is one of the names.
fn lists(tree: &Tree, entry: &Entry, names: &HashSet<&str>) -> bool {
    let Ok(head) = tree.head(entry, COMPARED) else { return false };
    let head = String::from_utf8_lossy(&head);
    let parts = |line: &str| {
        line.split(|c: char| c.is_whitespace() || "/\\,;|".contains(c)).any(|part| {
            !part.is_empty()
                && (names.contains(part) || part.split('.').next().is_some_and(|stem| !stem.is_empty() && names.contains(stem)))
        })
    };
    let lines: Vec<&str> = head.lines().filter(|line| !line.trim().is_empty()).collect();
    2 * lines.iter().filter(|line| parts(line)).count() > lines.len()
}

impl Files {
    /// Tables whose rows name the files of text: they tell of these.
    pub(super) fn leave_indexes(&mut self, tree: &Tree, what: &[What], found: &mut Vec<(usize, Kind)>) -> Result<()> {
        let documents = found.iter().filter(|(_, kind)| *kind == Kind::Document).map(|(at, _)| &tree.entries[*at]);
        let names: HashSet<&str> = documents.flat_map(|entry| [entry.stem(), entry.file_name()]).collect();
        let tables = found.iter().filter(|(at, kind)| *kind == Kind::Table && matches!(what[*at], What::Csv | What::JsonLines));
        let tables: Vec<usize> = tables.map(|(at, _)| *at).filter(|_| names.len() > 2).take(FEW).collect();
        let mut indexes = HashSet::new();
        for at in tables {
            match name_files(tree, &tree.entries[at], &what[at], &names) {
                Ok(true) => indexes.insert(at),
                // Whoever reads it says so.
                Ok(false) | Err(Error::Data(_)) => false,
                Err(other) => return Err(other),
            };
        }
        let Some(first) = indexes.iter().min().map(|at| tree.place(&tree.entries[*at])) else { return Ok(()) };
        let all = taking(&endings(tree, found, |_| true));
        indexes.iter().for_each(|at| self.left_out.leave_out(tree, *at, "tables about the text"));
        found.retain(|(at, _)| !indexes.contains(at));
        let sentence = format!("{} names the files of text in its rows, and is left out as a table about these", first.file);
        let note = Problem::note("about-text", sentence).counted(indexes.len() as u64).at(first);
        self.problems.push(note.with("choose", "Take such tables too", all));
        Ok(())
    }
}

/// Whether most of the first rows of a table name one of some files, in one of its columns.
fn name_files(tree: &Tree, entry: &Entry, what: &What, names: &HashSet<&str>) -> Result<bool> {
    let shape = table::shape(tree, entry, *what == What::JsonLines)?;
    let (mut counts, mut rows) = (vec![0; shape.columns.len()], 0);
    until_enough(shape.rows(tree, entry, &mut |_, row| {
        let named = |field: &Option<String>| field.as_deref().is_some_and(|text| names.contains(text.rsplit('/').next().unwrap_or(text)));
        counts.iter_mut().zip(&row).for_each(|(count, field)| *count += usize::from(named(field)));
        rows += 1;
        if rows < JUDGED { Ok(()) } else { Err(Error::Cancelled) }
    }))?;
    Ok(counts.iter().any(|count| 2 * count > rows))
}
