//! Files that tell the labels of images: tables (CSV, JSON lines, JSON), lists, and files that several of a dataset's tell together. Each kind
//! is a module that makes rows of it: an image, its label, its split. The images lie beside them or in the same archive.
//!
//! Of several files those named for a split count for it: `train.csv`, `val.csv`, `test.csv` with labels; a submission is none.

mod beside_folders;
mod cell;
mod choice;
mod coco;
mod columns;
mod counted;
mod cvat;
mod detection;
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
mod several;
mod several_folders;
mod sidecars;
mod source;
pub mod unplaced;

use std::collections::{BTreeSet, HashMap, HashSet};

use self::index::Index;
pub use self::lists::OTHERS as LISTS_OF_OTHERS;
pub use self::names::{is_names as is_list_of_classes, rename as rename_classes};
use self::reading::{Reading, Sample};
use crate::account::Account;
use crate::column_splits::{Told, WHICH_FOLD};
use crate::error::{Error, Place, Problem, Result};
use crate::folder::{Files, Levels};
use crate::folder_splits::{self, FolderSplits, Question};
use crate::images::{Content, ImageSet, NO_LABEL, Named, check_classes, numbered, splits_of};
use crate::name_splits;
use crate::options::Options;
use crate::pixel_table;
use crate::sniff::What;
use crate::table;
use crate::tree::{Entry, Tree};

/// Files that are looked into; where there are more of a kind in a folder, they are notes about an image each.
const MOST_FILES: usize = 100;

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
    if index.images() == 0 && pixel_table::fits(tree, what) {
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
    for at in lists::settle(tree, &mut files, options)? {
        account.leave_out(tree, at, lists::OTHERS);
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
    if index.images() == 0 && pixel_table::fits(tree, what) {
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
    let Samples { entries, mut named, texts } = settle_labels(tree, (samples, conflicting), first, options, &mut account, &mut problems)?;
    problems.extend(beside_folders::compared(tree, what, &files, (&entries, &texts), options));
    let (mut entries, mut texts) = (entries, texts);
    add_training_folders(tree, what, &files, (&mut entries, &mut texts, &mut named))?;
    let used: HashSet<usize> = entries.iter().copied().collect();
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

/// Splits that folders tell count where nothing else tells any; where they contradict it is asked, unless a level was chosen.
fn settle_folders(
    tree: &Tree,
    file: &LabelFile,
    samples: &mut [Sample],
    folders: Option<&FolderSplits>,
    options: &Options,
    problems: &mut Vec<Problem>,
) -> Levels {
    let Some(folders) = folders else { return Levels::default() };
    let levels = Levels { split: Some(folders.level as u32 + 1), class: None };
    if let Some(chosen) = options.split_level {
        let tells = folders.named.iter().any(Option::is_some);
        return Levels { split: tells.then_some(chosen), class: None };
    }
    if samples.iter().all(|sample| sample.named.is_none()) {
        samples.iter_mut().zip(&folders.named).for_each(|(sample, told)| sample.named = *told);
        problems.push(folders.note());
        return levels;
    }
    let named: Vec<Option<Named>> = samples.iter().map(|sample| sample.named).collect();
    let count = folders.contradicted(&named);
    if count > 0 {
        let Question { problem, folders, file } = folders.asked(&tree.display(&tree.entries[file.entry]), count, None);
        let offer = |problem: Problem, (title, options): (String, Options)| problem.with("choose", title, options);
        problems.push([file, folders].into_iter().fold(problem, offer));
    }
    Levels::default()
}

struct Samples {
    entries: Vec<usize>,
    named: Vec<Option<Named>>,
    texts: Vec<Option<String>>,
}

/// Images with one label each; those with several are told and left out.
fn settle_labels(
    tree: &Tree,
    (samples, conflicting): (Vec<Sample>, bool),
    file: &LabelFile,
    options: &Options,
    account: &mut Account,
    problems: &mut Vec<Problem>,
) -> Result<Samples> {
    let what = if conflicting { format!("the rows of {}", file.label) } else { file.label.clone() };
    let (mut places, mut all) = (Vec::new(), Vec::new());
    for Sample { entry, label, named, row, file } in samples {
        places.push((entry, named, file, row));
        all.push(label);
    }
    let several::Labels { texts, several, problem } = several::settle(all, &what, &file.classes, options);
    if let Some(problem) = problem {
        let place = |&sample: &usize| Place::row(tree.display(&tree.entries[places[sample].2]), places[sample].3);
        let problem = several.iter().take(20).fold(problem, |problem, sample| problem.at(place(sample)));
        if texts.iter().flatten().collect::<BTreeSet<_>>().len() < 2 {
            return Err(problem.into());
        }
        // Of objects it is said already.
        if file.kind != detection::KIND {
            problems.push(problem);
        }
    }
    let out: HashSet<usize> = several.into_iter().collect();
    let mut kept = Samples { entries: Vec::new(), named: Vec::new(), texts: Vec::new() };
    for (at, (text, (entry, named, ..))) in texts.into_iter().zip(places).enumerate() {
        if out.contains(&at) {
            account.leave_out(tree, entry, "images with several labels");
            continue;
        }
        kept.entries.push(entry);
        kept.named.push(named);
        kept.texts.push(text);
    }
    Ok(kept)
}

type Parts<'a> = (&'a mut Vec<usize>, &'a mut Vec<Option<String>>, &'a mut Vec<Option<Named>>);

/// Where files tell of evaluation only, training images are those in folders of the classes.
fn add_training_folders(tree: &Tree, what: &[What], files: &[LabelFile], (entries, texts, named): Parts) -> Result<()> {
    if !known::lacks_training(tree, files) || named.contains(&Some(Named::Train)) {
        return Ok(());
    }
    let used: BTreeSet<usize> = entries.iter().copied().collect();
    let found = {
        let labels: BTreeSet<&str> = texts.iter().flatten().map(String::as_str).collect();
        known::training_folders(tree, what, &used, &labels)?
    };
    for (entry, class) in found {
        entries.push(entry);
        texts.push(Some(class));
        named.push(Some(Named::Train));
    }
    Ok(())
}

/// Labels that are written differently and are one number, other than `1` and `1.0`.
fn same_numbers(texts: &[Option<String>], what: &str) -> Option<Problem> {
    let mut written: HashMap<u64, BTreeSet<&str>> = HashMap::new();
    for text in texts.iter().flatten().collect::<BTreeSet<_>>() {
        let number: f64 = text.parse().ok()?;
        let whole = text.split_once('.').filter(|(_, rest)| rest.bytes().all(|byte| byte == b'0')).map(|(whole, _)| whole);
        written.entry(number.to_bits()).or_default().insert(whole.unwrap_or(text));
    }
    let forms = written.into_values().filter(|forms| forms.len() > 1).min()?.into_iter().collect::<Vec<_>>().join(" and ");
    let sentence = format!("{what} has labels that are the same number, such as {forms}; they are one class");
    Some(Problem::warning("same-number", sentence))
}

/// Class names and labels: numbers in their order, text in the given order or its own.
pub fn classes_of(texts: &[Option<String>], order: &[String]) -> (Vec<String>, Vec<u32>) {
    if !order.is_empty() && texts.iter().flatten().all(|text| order.contains(text)) {
        let places: HashMap<&String, u32> = order.iter().zip(0..).collect();
        let labels = texts.iter().map(|text| text.as_ref().map_or(NO_LABEL, |text| places[text])).collect();
        return (order.to_vec(), labels);
    }
    let numbers: Option<Vec<Option<f64>>> = texts
        .iter()
        .map(|text| text.as_ref().map(|text| text.parse().ok().filter(|x: &f64| x.is_finite())).map_or(Some(None), |x| x.map(Some)))
        .collect();
    let Some(numbers) = numbers else {
        let names: BTreeSet<&String> = texts.iter().flatten().collect();
        let places: HashMap<&String, u32> = names.iter().enumerate().map(|(number, name)| (*name, number as u32)).collect();
        let labels = texts.iter().map(|text| text.as_ref().map_or(NO_LABEL, |text| places[text])).collect();
        return (names.into_iter().cloned().collect(), labels);
    };
    let mut values: Vec<f64> = numbers.iter().flatten().copied().collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    // -1 among others says that there is no label.
    if values.len() > 2 && values[0] == -1.0 {
        values.remove(0);
    }
    let from_zero = values.iter().enumerate().all(|(at, value)| *value == at as f64);
    let names = if from_zero { numbered(values.len()) } else { values.iter().map(ToString::to_string).collect() };
    let place = |value: &Option<f64>| {
        value.and_then(|value| values.binary_search_by(|known| known.total_cmp(&value)).ok()).map_or(NO_LABEL, |at| at as u32)
    };
    (names, numbers.iter().map(place).collect())
}
