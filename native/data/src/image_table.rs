//! Files that tell the labels of images: tables (CSV, JSON lines, JSON), lists, and files that several of a dataset's tell together. Each kind
//! is a module that makes rows of it: an image, its label, its split. The images lie beside them or in the same archive.
//!
//! Of several files those named for a split count for it: `train.csv`, `val.csv`, `test.csv` with labels; a submission is none.

mod apart;
mod beside_folders;
mod cell;
mod choice;
mod classes;
mod coco;
mod columns;
mod copies;
mod counted;
mod cvat;
mod detection;
mod divisions;
mod document;
mod folder_rows;
mod ground_truth;
mod index;
mod known;
mod labelling;
mod lists;
mod names;
mod nested;
mod partition;
mod pointer;
mod project;
#[cfg(test)]
mod property;
mod reading;
mod samples;
mod several;
mod several_folders;
mod sidecars;
mod source;
pub mod unplaced;

use std::collections::{BTreeSet, HashMap, HashSet};

pub use self::classes::classes_of;
use self::classes::same_numbers;
pub use self::divisions::OTHERS as LISTS_OF_OTHERS;
use self::index::Index;
pub use self::names::{is_names as is_list_of_classes, rename as rename_classes};
use self::reading::Reading;
use self::samples::{Samples, add_folders, settle_folders, settle_labels};
use crate::account::Account;
use crate::column_splits::{Told, WHICH_FOLD};
use crate::error::{Error, Place, Problem, Result};
use crate::folder::Files;
use crate::folder_splits;
use crate::images::{Content, ImageSet, Named, check_classes, splits_of};
use crate::name_splits;
use crate::options::Options;
use crate::pixel_table;
use crate::sniff::What;
use crate::table;
use crate::tree::{Entry, Tree};

/// Files that are looked into; where there are more of a kind in a folder, they are notes about an image each.
const MOST_FILES: usize = 100;

/// So few images beside tables of pixels show what these hold.
const EXAMPLES: usize = 5;

/// What a row says of an image.
struct Row {
    image: Image,
    label: Option<String>,
    split: Told,
    /// From 0.
    number: usize,
}

enum Image {
    Named(String),
    /// All images below a folder.
    Below(String),
    Missing,
    /// A row with more fields than there are columns.
    Ragged,
    /// A row whose label is neither told nor denied.
    Uncertain,
    /// A row that who labelled it did not accept.
    Rejected,
}

type Rows = dyn Fn(&Tree, &mut dyn FnMut(Row) -> Result<()>) -> Result<()>;

/// A file that tells labels, whatever its form.
struct LabelFile {
    entry: usize,
    /// As the account calls it.
    kind: &'static str,
    /// Those of one group go together.
    group: String,
    columns: Vec<String>,
    used: Vec<(String, &'static str)>,
    /// What the labels come from, for messages.
    label: String,
    /// In their order, where the file tells it.
    classes: Vec<String>,
    /// The split that the file's name speaks of.
    named: Option<Named>,
    /// What is to be said of its columns.
    notes: Vec<Problem>,
    /// Other files that tell part of it.
    with: Vec<(usize, &'static str)>,
    rows: Box<Rows>,
}

impl LabelFile {
    /// All files that tell it.
    fn entries(&self) -> impl Iterator<Item = usize> {
        std::iter::once(self.entry).chain(self.with.iter().map(|(at, _)| *at))
    }
}

/// What a file is.
enum Role {
    Labels(LabelFile),
    /// It tells the splits of images alone.
    Splits(LabelFile),
    Other(&'static str),
    /// It names images, but what its columns say is a question.
    Asked(usize, Problem),
}

/// Whether a file tells labels, or names images and may have their labels. One that cannot be read counts where no folders tell of classes.
pub fn fits(tree: &Tree, what: &[What], options: &Options) -> bool {
    let index = Index::new(tree, what);
    if index.images() <= EXAMPLES && pixel_table::fits(tree, what) {
        return true;
    }
    if matches!(known::birds(tree), Ok(Some(_))) || ground_truth::is_there(tree, what) {
        return true;
    }
    // A table that was chosen is never passed over; one of splits alone may be of folders.
    if let Some(chosen) = options.table.as_ref().filter(|_| index.images() > 0) {
        let tells_splits =
            |at: usize| is_named(&tree.entries[at], chosen) && matches!(role(tree, what, at, &index, options), Ok(Role::Splits(_)));
        return !candidates(tree, what).into_iter().any(tells_splits);
    }
    let chosen = options.label_column.is_some() || options.image_column.is_some();
    let could = |at: usize| match role(tree, what, at, &index, options) {
        Ok(Role::Labels(_) | Role::Asked(..)) => true,
        Err(Error::Data(problem)) if problem.code == WHICH_FOLD => true,
        // Without images it is a table of something else.
        Err(_) => what[at] != What::Text && (chosen || (index.images() > 0 && !has_folders(tree, what))),
        Ok(Role::Splits(_) | Role::Other(_)) => false,
    };
    let has_sidecars = || matches!(columns::role_of_sidecars(tree, what, &index, options), Ok(Some(_)));
    candidates(tree, what).into_iter().any(could) || has_sidecars() || detection::is_there(tree, what, &index)
}

/// Images lie in several folders, which may be their classes.
fn has_folders(tree: &Tree, what: &[What]) -> bool {
    let images = what.iter().zip(&tree.entries).filter(|(what, _)| **what == What::Image);
    images.map(|(_, entry)| entry.folder()).collect::<BTreeSet<_>>().len() > 1
}

/// Files that may tell labels.
fn candidates(tree: &Tree, what: &[What]) -> Vec<usize> {
    let is_json = |at: usize| what[at] == What::Json && tree.entries[at].extension() == "json";
    let kinds: [&dyn Fn(usize) -> bool; 3] =
        [&|at| what[at] == What::Csv, &|at| what[at] == What::JsonLines || is_json(at), &|at| what[at] == What::Text];
    let mut found = Vec::new();
    for is_kind in kinds {
        let mut of_folder: HashMap<&str, Vec<usize>> = HashMap::new();
        (0..what.len()).filter(|&at| is_kind(at)).for_each(|at| of_folder.entry(tree.entries[at].folder()).or_default().push(at));
        let mut few: Vec<usize> = of_folder.into_values().filter(|files| files.len() <= MOST_FILES).flatten().collect();
        few.sort_unstable();
        found.extend(few.into_iter().take(10 * MOST_FILES));
    }
    found
}

fn role(tree: &Tree, what: &[What], at: usize, index: &Index, options: &Options) -> Result<Role> {
    let entry = &tree.entries[at];
    if entry.file_name().to_lowercase().contains("submission") {
        return Ok(Role::Other("sample submissions"));
    }
    if options.table.as_ref().is_none_or(|chosen| is_named(entry, chosen)) {
        return own_role(tree, what, at, index, options);
    }
    // What tells of splits counts beside any table.
    match own_role(tree, what, at, index, options) {
        Ok(Role::Splits(file)) => Ok(Role::Splits(file)),
        _ => Ok(Role::Other("tables that were not chosen")),
    }
}

fn own_role(tree: &Tree, what: &[What], at: usize, index: &Index, options: &Options) -> Result<Role> {
    let entry = &tree.entries[at];
    if what[at] != What::Text || counted::Counted::open(tree, entry, index)?.is_some() || table::is_spaced(tree, entry)? {
        return columns::role(tree, what, at, index, options);
    }
    match lists::role(tree, at, index, options) {
        // A table under the name of a text.
        Ok(Role::Other(why)) => match columns::role(tree, what, at, index, options) {
            Ok(Role::Labels(file)) if file.columns.len() > 1 => Ok(Role::Labels(file)),
            Ok(Role::Asked(entry, problem)) if !problem.remedies.is_empty() => Ok(Role::Asked(entry, problem)),
            Err(Error::Data(problem)) if problem.code == WHICH_FOLD => Err(Error::Data(problem)),
            _ => Ok(Role::Other(why)),
        },
        Err(Error::Data(_)) => Ok(Role::Other("other text")),
        role => role,
    }
}

/// Texts that may be lists, where a folder has few.
pub fn texts(tree: &Tree, what: &[What]) -> impl Iterator<Item = usize> {
    candidates(tree, what).into_iter().filter(|at| what[*at] == What::Text)
}

/// The splits of images in folders of classes, where tables or lists beside them tell these alone.
pub fn splits_beside(
    tree: &Tree,
    what: &[What],
    options: &Options,
    told: (&mut Account, &mut Vec<Problem>),
) -> Result<Option<partition::Known>> {
    let candidates = candidates(tree, what);
    if candidates.is_empty() {
        return Ok(None);
    }
    let index = Index::new(tree, what);
    let (mut files, mut unknown) = (Vec::new(), Vec::new());
    for at in candidates {
        match role(tree, what, at, &index, options) {
            Ok(Role::Splits(file)) => files.push(file),
            Ok(Role::Other(lists::UNKNOWN)) => unknown.push(at),
            Err(Error::Data(problem)) if problem.code == WHICH_FOLD => return Err(Error::Data(problem)),
            // What is wrong with other files is no matter of the folders.
            Ok(_) | Err(Error::Data(_)) => {}
            Err(other) => return Err(other),
        }
    }
    let (account, problems) = told;
    if let Some(first) = unknown.first().map(|at| tree.display(&tree.entries[*at])) {
        let sentence = format!(
            "{} lists named for a split, such as {first}, have numbers behind the images whose meaning is not known, and are not used; write a \
             list for each split",
            unknown.len()
        );
        problems.push(Problem::warning("unknown-split", sentence).counted(unknown.len() as u64).at(Place::file(first)));
        unknown.iter().for_each(|at| account.leave_out(tree, *at, lists::UNKNOWN));
    }
    for at in divisions::settle(tree, &mut files, options)? {
        account.leave_out(tree, at, divisions::OTHERS);
    }
    partition::read(tree, &index, &files, (account, problems))
}

/// Whether a choice means this file: by its whole name or its last part; a star stands for anything.
pub fn is_named(entry: &Entry, chosen: &str) -> bool {
    is_named_so(&entry.name, chosen)
}

/// As `is_named`, of a whole name.
pub fn is_named_so(name: &str, chosen: &str) -> bool {
    let is = |name: &str| match chosen.split_once('*') {
        Some((start, end)) => name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end),
        None => name == chosen,
    };
    is(name) || is(name.rsplit('/').next().unwrap_or_default())
}

pub fn open(tree: &mut Tree, what: &[What], options: &Options) -> Result<ImageSet> {
    let index = Index::new(tree, what);
    if index.images() <= EXAMPLES && pixel_table::fits(tree, what) {
        return pixel_table::open(tree, what, options);
    }
    let mut account = Account::default();
    let mut reading = Reading { takes_all: options.folder.as_deref() == Some("*"), ..Reading::default() };
    let (files, splits) = choice::choose(tree, what, &index, options, (&mut account, &mut reading.problems))?;
    for file in &files {
        reading.read(tree, file, &index)?;
        account.use_as(tree, file.entry, file.kind);
        file.with.iter().for_each(|(at, kind)| account.use_as(tree, *at, kind));
    }
    let first = &files[0];
    let used: Vec<(&str, &'static str)> = first.used.iter().map(|(name, used)| (name.as_str(), *used)).collect();
    account.columns(&first.columns, &used);
    let Reading { mut samples, mut problems, conflicting, .. } = reading.settled(tree, &files)?;
    // Tables of one kind say the same of their columns.
    problems.extend(files[0].notes.iter().cloned());
    let chosen_level = options.split_level.and_then(|level| (level as usize).checked_sub(1));
    let of_folders = {
        let images: Vec<(usize, Option<&String>)> = samples.iter().map(|sample| (sample.entry, sample.label.as_ref())).collect();
        folder_splits::of(tree, &images, chosen_level)
    };
    if let Some(folders) = of_folders.as_ref().filter(|_| chosen_level.is_some()) {
        samples.iter_mut().zip(&folders.named).for_each(|(sample, told)| sample.named = *told);
    }
    partition::apply(tree, &index, &splits, &mut samples, (&mut account, &mut problems))?;
    let levels = settle_folders(tree, &files[0], &mut samples, of_folders.as_ref(), options, &mut problems);
    if samples.iter().all(|sample| sample.named.is_none())
        && let Some((told, note)) = name_splits::of(tree, samples.iter().map(|sample| (sample.entry, sample.label.as_ref())))
    {
        samples.iter_mut().zip(told).for_each(|(sample, told)| sample.named = told);
        problems.push(note);
    }
    let mut samples = settle_labels(tree, (samples, conflicting), first, options, &mut account, &mut problems)?;
    problems.extend(beside_folders::compared(tree, what, &files, (&samples.entries, &samples.texts), options));
    add_folders(tree, what, &files, &mut samples)?;
    let Samples { entries, named, texts } = samples;
    let used: HashSet<usize> = entries.iter().copied().collect();
    problems.extend(apart::asked(tree, what, &used, options));
    for at in (0..what.len()).filter(|at| matches!(what[*at], What::Image | What::OtherImage) && !used.contains(at)) {
        account.leave_out(tree, at, "images that no row names");
    }
    let (mut class_names, labels) = classes_of(&texts, &first.classes);
    check_classes(&class_names, texts.len(), &first.label)?;
    problems.extend(same_numbers(&texts, &first.label));
    let labels_of: Vec<usize> = files.iter().map(|file| file.entry).collect();
    if let Some(at) = names::rename(tree, what, &labels_of, &mut class_names, &mut problems)? {
        account.use_as(tree, at, "names of classes");
    }
    let splits = splits_of(&named, &mut problems);
    let columns = first.columns.clone();
    let content: Box<dyn Content> = Box::new(Files { entries, account, levels });
    Ok(ImageSet { class_names, labels, splits, content, columns, problems })
}
