//! The rows of all label files brought to one sample for each image; what cannot be used is told by its row.

use std::collections::HashMap;

use super::index::{Found, Index};
use super::{Image, LabelFile, Row, which_table};
use crate::column_splits::Told;
use crate::error::{Place, Problem, Result};
use crate::images::Named;
use crate::tree::Tree;

pub struct Sample {
    pub entry: usize,
    pub label: Option<String>,
    pub named: Option<Named>,
    /// Of the file that tells it, and its row there.
    pub file: usize,
    pub row: usize,
}

/// Rows of all files, with those that cannot be used.
#[derive(Default)]
pub struct Reading {
    pub samples: Vec<Sample>,
    pub problems: Vec<Problem>,
}

/// Rows that cannot be used, with what they say.
#[derive(Default)]
struct Bad {
    rows: Vec<usize>,
    first: String,
}

impl Bad {
    fn add(&mut self, row: usize, what: &str) {
        if self.rows.is_empty() {
            self.first = what.to_owned();
        }
        self.rows.push(row);
    }

    fn report(&self, problems: &mut Vec<Problem>, code: &'static str, file: &str, words: &str) {
        let Some(row) = self.rows.first() else { return };
        let count = self.rows.len();
        let shown = if self.first.is_empty() { format!("row {row}") } else { format!("{:?} in row {row}", self.first) };
        let sentence = format!("{file} {}, such as {shown}", words.replace('#', &count.to_string()));
        problems.push(of_rows(Problem::error(code, sentence), file, &self.rows).skippable("Leave these rows out"));
    }
}

impl Reading {
    pub fn read(&mut self, tree: &mut Tree, file: &LabelFile, index: &Index) -> Result<()> {
        let shown = tree.display(&tree.entries[file.entry]);
        let mut rows: Vec<Row> = Vec::new();
        (file.rows)(tree, &mut |row| {
            rows.push(row);
            Ok(())
        })?;
        let (mut nameless, mut missing, mut several, mut strange, mut ragged) =
            (Bad::default(), Bad::default(), Bad::default(), Bad::default(), Bad::default());
        for Row { image, label, split, number } in rows {
            let named = match split {
                Told::Unsaid => file.named,
                Told::Split(named) => named,
                Told::Strange(text) => {
                    strange.add(number, &text);
                    continue;
                }
            };
            let name = match image {
                Image::Named(name) => name,
                Image::Missing => {
                    nameless.add(number, "");
                    continue;
                }
                Image::Ragged => {
                    ragged.add(number, "");
                    continue;
                }
            };
            let found = match index.find(tree, file.entry, &name, named, label.as_deref()) {
                Found::One(entry) => Some(entry),
                Found::Several => {
                    several.add(number, &name);
                    continue;
                }
                Found::None => tree.resolve(&tree.entries[file.entry], &name.trim().replace('\\', "/"))?.map(|entry| {
                    tree.entries.push(entry);
                    tree.entries.len() - 1
                }),
            };
            match found {
                Some(entry) => self.samples.push(Sample { entry, label, named, file: file.entry, row: number }),
                None => missing.add(number, &name),
            }
        }
        ragged.report(&mut self.problems, "ragged-row", &shown, "has # rows with more fields than columns");
        nameless.report(&mut self.problems, "missing-file", &shown, "has # rows without an image");
        strange.report(&mut self.problems, "unknown-split", &shown, "has # rows whose split is neither training, validation nor test");
        missing.report(&mut self.problems, "missing-file", &shown, "names # files that do not exist");
        several.report(&mut self.problems, "ambiguous-file", &shown, "names # files that lie in several folders");
        Ok(())
    }

    /// With one row for each image: another that says the same is left out, one that says something else is an error.
    pub fn settled(mut self, tree: &Tree, files: &[LabelFile]) -> Result<Self> {
        let mut first: HashMap<usize, usize> = HashMap::new();
        let (mut again, mut differing) = (Vec::new(), Vec::new());
        for (at, sample) in self.samples.iter().enumerate() {
            match first.get(&sample.entry) {
                None => {
                    first.insert(sample.entry, at);
                }
                Some(&other) if self.samples[other].label == sample.label && self.samples[other].named == sample.named => again.push(at),
                Some(_) => differing.push(at),
            }
        }
        let rows = |at: &[usize]| at.iter().map(|&at| (self.samples[at].file, self.samples[at].row)).collect::<Vec<_>>();
        if let Some(&(file, row)) = rows(&differing).first() {
            let across = files.len() > 1 && self.samples[first[&self.samples[differing[0]].entry]].file != file;
            if across {
                let sentence = "several tables name the same images with different labels or splits; which of them counts?";
                return Err(which_table(tree, files, sentence).into());
            }
            let file = tree.display(&tree.entries[file]);
            let sentence = format!(
                "{file} has {} rows with another label or split for an image of an earlier row, such as row {row}; a table of objects in images has no label per image",
                differing.len()
            );
            return Err(Problem::error("several-labels", sentence).counted(differing.len() as u64).at(Place::row(file, row)).into());
        }
        if let Some(&(file, row)) = rows(&again).first() {
            let file = tree.display(&tree.entries[file]);
            let sentence =
                format!("{} rows say of an image what an earlier row says, such as row {row} of {file}; they count once", again.len());
            self.problems.push(Problem::note("repeated-rows", sentence).counted(again.len() as u64).at(Place::row(file, row)));
            let again: std::collections::HashSet<usize> = again.into_iter().collect();
            let mut at = 0;
            self.samples.retain(|_| {
                at += 1;
                !again.contains(&(at - 1))
            });
        }
        Ok(self)
    }
}

pub fn of_rows(problem: Problem, file: &str, rows: &[usize]) -> Problem {
    let problem = problem.counted(rows.len() as u64);
    rows.iter().take(20).fold(problem, |problem, &row| problem.at(Place::row(file, row)))
}
