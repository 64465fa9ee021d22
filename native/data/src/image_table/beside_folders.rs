//! Folders of classes beside a table or list of the same images: which of them count is asked where they contradict each other.

use std::collections::{BTreeSet, HashMap};

use super::index::plain;
use super::{LabelFile, columns, detection, pointer};
use crate::error::{Place, Problem, Severity};
use crate::layout::{self, Fate, Folders};
use crate::options::{Format, Options};
use crate::sniff::What;
use crate::tree::Tree;

/// What the folders alone say of the images.
pub struct Classes {
    /// By entry.
    of: HashMap<usize, String>,
}

impl Classes {
    /// `None`: no folders of two classes at least, or what they are is a question.
    pub fn of(tree: &Tree, what: &[What]) -> Option<Self> {
        let images: Vec<usize> = (0..what.len()).filter(|at| what[*at] == What::Image).collect();
        let folders: Vec<Folders> =
            images.iter().map(|at| tree.entries[*at].folder().split('/').filter(|part| !part.is_empty()).collect()).collect();
        if folders.iter().all(Vec::is_empty) {
            return None;
        }
        let layout = layout::read(&folders, &Options::default(), &|image| tree.place(&tree.entries[images[image]])).ok()?;
        if layout.problems.iter().any(|problem| problem.severity == Severity::Error) {
            return None;
        }
        let class = |(at, fate)| if let Fate::Sample { class, .. } = fate { Some((at, class)) } else { None };
        let classes = Self { of: images.into_iter().zip(layout.fates).filter_map(class).collect() };
        (classes.names().len() > 1).then_some(classes)
    }

    pub fn names(&self) -> BTreeSet<&str> {
        self.of.values().map(String::as_str).collect()
    }

    /// Folders that differ in more than a number; others are rather parts of the dataset.
    pub fn are_likely(&self) -> bool {
        let names = self.names();
        let stems: BTreeSet<String> = names.iter().map(|name| name.chars().filter(|c| !c.is_ascii_digit()).collect()).collect();
        stems.len() > 1 || names.iter().all(|name| name.parse::<u32>().is_ok())
    }
}

pub fn take_folders(problem: Problem) -> Problem {
    let folders = Options { format: Some(Format::ImageFolder), ..Options::default() };
    problem.with("choose", "Take the folders as the classes", folders)
}

/// Each folder has a label of its own, such as a number.
pub fn are_renamed<'a>(mut both: impl Iterator<Item = (&'a String, &'a String)>) -> bool {
    let (mut there, mut back): (HashMap<&String, &String>, HashMap<&String, &String>) = Default::default();
    both.all(|(folder, text)| *there.entry(folder).or_insert(text) == text && *back.entry(text).or_insert(folder) == folder)
}

/// What is to be said where the files tell other labels than the folders do. `entries` and `texts`: the images and labels of the rows.
pub fn compared(
    tree: &Tree,
    what: &[What],
    files: &[LabelFile],
    (entries, texts): (&[usize], &[Option<String>]),
    options: &Options,
) -> Option<Problem> {
    let is_chosen = [&options.table, &options.label_column, &options.image_column].into_iter().any(Option::is_some);
    let tells_folders = files[0].used.iter().any(|(_, what)| *what == pointer::FOLDERS);
    if is_chosen
        || tells_folders
        || options.format.is_some()
        || !["tables of labels", "lists of images", columns::OF_SIDECARS, detection::OF_CATEGORIES].contains(&files[0].kind)
    {
        return None;
    }
    let classes = Classes::of(tree, what)?;
    let both: Vec<(&String, &String)> =
        entries.iter().zip(texts).filter_map(|(entry, text)| classes.of.get(entry).zip(text.as_ref())).collect();
    let folders: BTreeSet<&String> = both.iter().map(|(folder, _)| *folder).collect();
    let differing = both.iter().filter(|(folder, text)| plain(folder) != plain(text)).count();
    let (labelled, all) = (both.len(), classes.of.len());
    let are_words = folders.iter().all(|folder| !folder.contains(|c: char| c.is_ascii_digit()));
    if folders.len() < 2 || differing == 0 || are_renamed(both.iter().copied()) || (2 * labelled >= all && !are_words) {
        return None;
    }
    let shown = folders.iter().take(3).map(|folder| folder.as_str()).collect::<Vec<_>>().join(", ");
    let file = tree.display(&tree.entries[files[0].entry]);
    if labelled == all {
        let sentence = format!("{differing} images lie in folders ({shown}) of another name than their label in {file}, which counts");
        return Some(take_folders(Problem::note("folders-differ", sentence).counted(differing as u64).at(Place::file(file))));
    }
    let sentence = format!(
        "{file} labels {labelled} of the {all} images that lie in folders of classes ({shown}), {differing} of them otherwise than these; which counts?"
    );
    let problem = Problem::error("table-or-folders", sentence).counted(differing as u64).at(Place::file(file));
    let table = Options { format: Some(Format::ImageTable), ..Options::default() };
    let take_table = |problem: Problem| problem.with("choose", format!("Take the {labelled} labels of the table"), table.clone());
    Some(if 2 * labelled < all { take_table(take_folders(problem)) } else { take_folders(take_table(problem)) })
}
