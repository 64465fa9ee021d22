//! The rows of all label files brought to one sample for each image; what cannot be used is told by its row.

use std::collections::{BTreeSet, HashMap};

use super::choice::which_table;
use super::index::{Found, Index, plain};
use super::{Image, LabelFile, Row, cell, copies, several_folders};
use crate::answers;
use crate::column_splits::Told;
use crate::error::{Place, Problem, Result};
use crate::image_parquet::split_of;
use crate::images::{Named, named_split};
use crate::table::SEVERAL;
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
    /// Rows tell different labels of an image.
    pub conflicting: bool,
    /// A row means all that it may mean in several folders.
    pub takes_all: bool,
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

/// The rows of a file, each with the images that it means.
pub fn located(tree: &Tree, file: &LabelFile, index: &Index) -> Result<Vec<(Row, Found)>> {
    let mut rows = as_written(tree, file, index)?;
    copies::settle(tree, &mut rows)?;
    take_by_name(tree, index, &mut rows);
    Ok(rows)
}

fn as_written(tree: &Tree, file: &LabelFile, index: &Index) -> Result<Vec<(Row, Found)>> {
    let mut rows = Vec::new();
    (file.rows)(tree, &mut |row| {
        let named = split_of_row(&row, file);
        let found = index.locate(tree, file.entry, &row.image, named, row.label.as_deref());
        rows.push((row, found));
        Ok(())
    })?;
    Ok(rows)
}

fn split_of_row(row: &Row, file: &LabelFile) -> Option<Named> {
    if let Told::Split(named) = row.split { named } else { file.named }
}

/// Paths of another machine: where no row is found at its path, each means the only image with its file name, unless the folders speak of
/// another split or class than the rows. Returns how many are.
fn take_by_name(tree: &Tree, index: &Index, rows: &mut [(Row, Found)]) -> usize {
    if rows.iter().any(|(_, found)| !matches!(found, Found::None)) {
        return 0;
    }
    let labels: BTreeSet<String> = rows.iter().filter_map(|(row, _)| row.label.as_deref()).map(plain).collect();
    let mut taken: HashMap<usize, &str> = HashMap::new();
    let mut images = vec![None; rows.len()];
    for (at, (row, _)) in rows.iter().enumerate() {
        let Image::Named(name) = &row.image else { continue };
        let Some(image) = index.only(name) else { continue };
        let entry = &tree.entries[image];
        let folder = plain(entry.folder().rsplit('/').next().unwrap_or_default());
        let is_of_other_class = labels.contains(&folder) && row.label.as_deref().map(plain) != Some(folder);
        let said = cell::file(name).rsplit(['/', '\\']).skip(1).find_map(named_split);
        let is_of_other_split = said.is_some_and(|said| split_of(entry).is_some_and(|split| split != said));
        if is_of_other_class || is_of_other_split || taken.insert(image, name).is_some_and(|other| other != name) {
            return 0;
        }
        images[at] = Some(image);
    }
    let count = taken.len();
    if 2 * count <= rows.len() {
        return 0;
    }
    rows.iter_mut().zip(images).for_each(|((_, found), image)| *found = image.map_or(Found::None, Found::One));
    count
}

impl Reading {
    pub fn read(&mut self, tree: &mut Tree, file: &LabelFile, index: &Index) -> Result<()> {
        let shown = tree.display(&tree.entries[file.entry]);
        let mut rows = as_written(tree, file, index)?;
        self.problems.extend(copies::settle(tree, &mut rows)?);
        for (row, found) in &mut rows {
            if let (Image::Named(name), Found::None) = (&row.image, &found)
                && let Some(entry) = tree.resolve(&tree.entries[file.entry], &cell::file(name).replace('\\', "/"))?
            {
                tree.entries.push(entry);
                *found = Found::One(tree.entries.len() - 1);
            }
        }
        let moved = take_by_name(tree, index, &mut rows);
        if moved > 0 {
            let first = rows.iter().find_map(|(row, _)| if let Image::Named(name) = &row.image { Some(name.as_str()) } else { None });
            let first = first.unwrap_or_default();
            let sentence =
                format!("{shown} names images by paths that are not here, such as {first}; {moved} are taken by the names of their files");
            self.problems.push(Problem::note("moved-files", sentence).counted(moved as u64).at(Place::file(&shown)));
        }
        self.add(tree, rows, file, &shown);
        Ok(())
    }

    fn add(&mut self, tree: &Tree, rows: Vec<(Row, Found)>, file: &LabelFile, shown: &str) {
        let mut rejected = Bad::default();
        let [mut nameless, mut missing, mut several, mut strange, mut ragged, mut uncertain]: [Bad; 6] = Default::default();
        let (mut folders, mut alike, mut are_folders, all) = (0, Vec::new(), false, rows.len());
        for (row, found) in rows {
            let named = split_of_row(&row, file);
            let Row { image, label, split, number } = row;
            if let Told::Strange(text) = split {
                strange.add(number, &text);
                continue;
            }
            let name = match &image {
                Image::Named(name) | Image::Below(name) => name,
                Image::Missing => {
                    nameless.add(number, "");
                    continue;
                }
                Image::Ragged => {
                    ragged.add(number, "");
                    continue;
                }
                Image::Rejected => {
                    rejected.rows.push(number);
                    continue;
                }
                Image::Uncertain => {
                    uncertain.add(number, "");
                    continue;
                }
            };
            let images = match found {
                Found::One(image) => vec![image],
                Found::All(images) => {
                    folders += 1;
                    images
                }
                Found::Several(images) if self.takes_all => {
                    folders += 1;
                    images
                }
                Found::Several(images) => {
                    several.add(number, name);
                    are_folders |= matches!(image, Image::Below(_));
                    alike.push(images);
                    continue;
                }
                Found::None => {
                    missing.add(number, name);
                    continue;
                }
            };
            let sample = |entry| Sample { entry, label: label.clone(), named, file: file.entry, row: number };
            self.samples.extend(images.into_iter().map(sample));
        }
        if folders > 0 {
            let sentence = format!("{folders} rows of {shown} name folders; each labels the images below them");
            self.problems.push(Problem::note("folder-rows", sentence).counted(folders).at(Place::file(shown)));
        }
        if !rejected.rows.is_empty() {
            let problem = answers::rejected(rejected.rows.len(), &format!(" of {shown}"));
            self.problems.push(of_rows(problem, shown, &rejected.rows));
        }
        ragged.report(&mut self.problems, "ragged-row", shown, "has # rows with more fields than columns");
        nameless.report(&mut self.problems, "missing-file", shown, "has # rows without an image");
        strange.report(&mut self.problems, "unknown-split", shown, "has # rows whose split is neither training, validation nor test");
        uncertain.report(&mut self.problems, "uncertain-label", shown, "has # rows with -1 beside 0 and 1, which says neither yes nor no");
        missing.report(&mut self.problems, "missing-file", shown, "names # files that do not exist");
        several.report(&mut self.problems, "ambiguous-file", shown, "names # files that lie in several folders");
        if let Some(problem) = self.problems.pop_if(|problem| problem.code == "ambiguous-file") {
            self.problems.push(several_folders::ask(tree, problem, (&alike, are_folders), all));
        }
    }

    /// With one row for each image: another that says the same is left out, one of another label counts with it as an image of several.
    pub fn settled(mut self, tree: &Tree, files: &[LabelFile]) -> Result<Self> {
        let mut first: HashMap<usize, usize> = HashMap::new();
        let (mut again, mut split_twice) = (Vec::new(), BTreeSet::new());
        for at in 0..self.samples.len() {
            let other = *first.entry(self.samples[at].entry).or_insert(at);
            if other == at {
                continue;
            }
            let (one, two) = (&self.samples[other], &self.samples[at]);
            if one.file != two.file && (&one.label, one.named) != (&two.label, two.named) {
                let sentence = "several tables name the same images with different labels or splits; which of them counts?";
                return Err(which_table(tree, files, sentence).into());
            }
            if one.named != two.named {
                split_twice.insert(one.entry);
            } else if one.label != two.label {
                let labels: BTreeSet<&str> =
                    [&one.label, &two.label].into_iter().flatten().flat_map(|label| label.split(SEVERAL)).collect();
                self.samples[other].label = Some(labels.into_iter().collect::<Vec<_>>().join(&SEVERAL.to_string()));
                self.conflicting = true;
            } else {
                again.push((two.file, two.row));
                continue;
            }
            self.samples[other].row = self.samples[at].row;
        }
        if let Some(&image) = split_twice.first() {
            let sentence = format!(
                "{} images are in two splits by rows of {}, such as {}",
                split_twice.len(),
                tree.display(&tree.entries[files[0].entry]),
                tree.display(&tree.entries[image])
            );
            let problem = Problem::error("several-splits", sentence).counted(split_twice.len() as u64);
            let problem = split_twice.iter().take(20).fold(problem, |problem, image| problem.at(tree.place(&tree.entries[*image])));
            self.problems.push(problem.skippable("Leave these images out"));
        }
        if let Some(&(file, row)) = again.first() {
            let file = tree.display(&tree.entries[file]);
            let sentence =
                format!("{} rows say of an image what an earlier row says, such as row {row} of {file}; they count once", again.len());
            self.problems.push(Problem::note("repeated-rows", sentence).counted(again.len() as u64).at(Place::row(file, row)));
        }
        let mut at = 0;
        self.samples.retain(|sample| {
            at += 1;
            first.get(&sample.entry) == Some(&(at - 1)) && !split_twice.contains(&sample.entry)
        });
        Ok(self)
    }
}

pub fn of_rows(problem: Problem, file: &str, rows: &[usize]) -> Problem {
    let problem = problem.counted(rows.len() as u64);
    rows.iter().take(20).fold(problem, |problem, &row| problem.at(Place::row(file, row)))
}
