//! Files of columns, Parquet or Arrow, with images: as Hugging Face's datasets write them, a column of encoded files (`image.bytes`, or
//! bytes), or of names of files that lie beside, and one of labels. Shards are read in the order of their names.
//!
//! The split is told by the card, by dataset_dict.json, by `train-00000-of-00002.parquet`, by folders, or by a column. A label of -1 is none.

use std::collections::BTreeMap;

use crate::account::Account;
use crate::array_labels::{self, Labels};
use crate::column_splits::{self, Candidate, Folds, SplitRule, Told};
use crate::columnar::{Columnar, is_columnar};
use crate::error::{Error, Place, Problem, Result, refuse};
use crate::features::Features;
use crate::folder::{Files, Levels};
use crate::image_columns::{Beside, Image, choose_image, choose_label, images};
use crate::images::{Content, Hand, ImageSet, NO_LABEL, Named, Raw, Split, check_classes, named_split, place_among, splits_of};
use crate::merged;
use crate::options::Options;
use crate::sniff::What;
use crate::table::Row;
use crate::tree::{Entry, Tree};

const UNLABELLED_SPLIT: &str = "files of a split without labels";

struct Shards {
    /// Entry and rows.
    shards: Vec<(usize, usize)>,
    column: String,
    /// Files of rows that have none in the column.
    beside: BTreeMap<usize, usize>,
    account: Account,
}

struct Shard {
    entry: usize,
    rows: usize,
    labels: Labels,
    split: Option<Named>,
}

pub fn fits(tree: &Tree, what: &[What], options: &Options) -> bool {
    let Some(first) = what.iter().position(is_columnar) else { return false };
    let found = |entry: &Entry| -> Result<Option<Image>> {
        let file = Columnar::open(tree, entry)?;
        let found = images(entry, &file, &Beside::new(tree, what))?;
        // Several that nobody chose among are asked for at opening.
        let several = found.first().cloned();
        Ok(choose_image(found, &file.names(), options, &mut Vec::new()).unwrap_or(several))
    };
    match found(&tree.entries[first]) {
        Ok(found) => found.is_some(),
        // Opening it says so.
        Err(Error::Data(problem)) => problem.code == "damaged-file",
        Err(_) => false,
    }
}

pub fn open(tree: &Tree, what: &[What], options: &Options) -> Result<ImageSet> {
    let entries: Vec<usize> = (0..what.len()).filter(|&at| is_columnar(&what[at])).collect();
    let Some(&first) = entries.first() else {
        return Err(Problem::error("missing-file", "there is no Parquet or Arrow file").into());
    };
    let (shown, head) = (tree.display(&tree.entries[first]), Columnar::open(tree, &tree.entries[first])?);
    let beside = Beside::new(tree, what);
    let mut problems = Vec::new();
    let found = images(&tree.entries[first], &head, &beside)?;
    let Some(image) = choose_image(found.clone(), &head.names(), options, &mut problems)? else {
        return refuse("no-column", format!("{shown} has no column of image files"), Place::file(shown));
    };
    let features = Features::of(tree, &tree.entries[first], &head, options);
    let label = choose_label((&shown, &head), &features, &found, options, &mut problems)?;
    if features.is_image(&label) || found.iter().any(|image| image.name() == label) {
        let sentence = format!("{shown} has images in its column {label}, as masks are; training takes one class per image");
        return refuse("no-labels", sentence, Place::file(shown));
    }
    let mut account = Account::default();
    let mut shards = Vec::new();
    for at in entries {
        let entry = &tree.entries[at];
        let file = Columnar::open(tree, entry)?;
        whole(tree, entry, &file, &mut problems);
        let labels = labels_of(tree, entry, &file, &label)?;
        if features.class_names(&label) != Features::of(tree, entry, &file, options).class_names(&label) {
            let (first, other) = (&shown, tree.display(entry));
            return refuse("differing-classes", format!("{other} names other classes than {first}; give one of them"), Place::file(other));
        }
        shards.push(Shard { entry: at, rows: file.rows(), labels, split: split_of(entry) });
    }
    leave_unlabelled(tree, &mut shards, &mut account, &mut problems);
    problems.extend(merged::of_entries(shards.iter().map(|shard| &tree.entries[shard.entry])));
    let mut named: Vec<Option<Named>> = shards.iter().flat_map(|shard| std::iter::repeat_n(shard.split, shard.rows)).collect();
    let mut used = vec![(label.as_str(), "labels")];
    let columns = head.names();
    let by_columns = match named.iter().all(Option::is_none) {
        true => splits_by_columns(tree, &shards, &columns, &label, options)?,
        false => None,
    };
    let strange = by_columns.as_ref().map_or_else(Vec::new, |told| told.strange.clone());
    if let Some(told) = &by_columns {
        named.clone_from(&told.named);
        problems.extend(told.merged.clone());
        used.extend(told.columns.iter().map(|column| (column.as_str(), told.kind)));
    }
    used.extend(image.columns().into_iter().map(|column| (column, "images")));
    account.columns(&[columns.clone(), head.lists(), head.other_lists()].concat(), &used);
    let parts: Vec<(usize, usize)> = shards.iter().map(|shard| (shard.entry, shard.rows)).collect();
    let place = |row: usize| place_among(tree, parts.iter().copied(), row);
    let labels: Vec<Labels> = shards.into_iter().map(|shard| shard.labels).collect();
    let (class_names, labels) = match features.class_names(&label) {
        Some(names) => noted_classes(names, labels, &place)?,
        None => array_labels::classes(labels, &place)?,
    };
    check_classes(&class_names, labels.len(), &format!("the column {label}"))?;
    let mut splits = splits_of(&named, &mut problems);
    if let Some(&first) = strange.first() {
        splits.resize(labels.len(), Split::Train);
        strange.iter().for_each(|row| splits[*row] = Split::Strange);
        let Place { file, row, .. } = place(first);
        let sentence = format!(
            "{file} has {} rows whose split is neither training, validation nor test, such as row {}",
            strange.len(),
            row.unwrap_or(0)
        );
        let problem = Problem::error("unknown-split", sentence).counted(strange.len() as u64);
        let problem = strange.iter().take(20).fold(problem, |problem, row| problem.at(place(*row)));
        problems.push(problem.skippable("Leave these rows out"));
    }
    let set = ImageSet {
        class_names,
        labels,
        splits,
        content: Box::new(Files { entries: Vec::new(), account: Account::default(), levels: Levels::default() }),
        columns,
        problems,
    };
    with_content(tree, set, &image, parts, &beside, account)
}

struct ByColumns {
    named: Vec<Option<Named>>,
    columns: Vec<String>,
    /// What they are used as.
    kind: &'static str,
    /// Rows of a split that is not known.
    strange: Vec<usize>,
    /// That several words mean one split.
    merged: Option<Problem>,
}

/// The split of each row as columns tell it, where they do.
fn splits_by_columns(tree: &Tree, shards: &[Shard], columns: &[String], label: &str, options: &Options) -> Result<Option<ByColumns>> {
    let usual: Vec<String> = columns.iter().filter(|name| *name != label && column_splits::is_usual(name)).cloned().collect();
    let mut rows: Vec<Row> = Vec::new();
    for shard in shards.iter().filter(|_| !usual.is_empty()) {
        let file = Columnar::open(tree, &tree.entries[shard.entry])?;
        let texts = usual.iter().map(|name| file.texts(name)).collect::<Result<Vec<_>>>()?;
        rows.extend((0..shard.rows).map(|row| texts.iter().map(|column| column.get(row).cloned().flatten()).collect::<Row>()));
    }
    let rule = match column_splits::candidate(&usual, true, &rows, &[]) {
        None => None,
        Some(Candidate::Rule(rule)) => Some(rule),
        Some(Candidate::Numbers(column)) => {
            let mut folds = Folds::default();
            rows.iter().filter_map(|row| row[column].as_deref()).for_each(|text| folds.see(text));
            let file = shards.first().map_or_else(String::new, |shard| tree.display(&tree.entries[shard.entry]));
            folds.rule(&file, &usual[column], column, options)?
        }
    };
    let Some(rule) = rule else { return Ok(None) };
    let mut told =
        ByColumns { named: Vec::with_capacity(rows.len()), columns: Vec::new(), kind: rule.kind(), strange: Vec::new(), merged: None };
    if let SplitRule::Words(column) = &rule {
        told.merged = merged::of_values(rows.iter().filter_map(|row| row[*column].as_deref()));
    }
    told.columns.extend(rule.columns().into_iter().map(|column| usual[column].clone()));
    for (number, row) in rows.iter().enumerate() {
        told.named.push(match rule.told(row) {
            Told::Split(named) => named,
            Told::Unsaid => None,
            Told::Strange(_) => {
                told.strange.push(number);
                None
            }
        });
    }
    Ok(Some(told))
}

/// Of which files the images are, and what of them is missing.
fn with_content(
    tree: &Tree,
    mut set: ImageSet,
    image: &Image,
    shards: Vec<(usize, usize)>,
    beside: &Beside,
    mut account: Account,
) -> Result<ImageSet> {
    let path = match image {
        Image::Encoded { path, .. } => path.clone(),
        Image::Path(path) => Some(path.clone()),
    };
    let (mut found, mut missing, mut before) = (BTreeMap::new(), Vec::new(), 0);
    for &(at, rows) in &shards {
        let entry = &tree.entries[at];
        account.use_as(tree, at, if matches!(image, Image::Path(_)) { "tables of labels" } else { "Parquet or Arrow files of images" });
        let file = Columnar::open(tree, entry)?;
        let has_all = matches!(image, Image::Encoded { bytes, .. } if file.nulls(bytes)? == Some(0));
        let paths = path.as_ref().filter(|_| !has_all && rows > 0).map(|path| file.texts(path)).transpose()?.unwrap_or_default();
        for (row, name) in paths.iter().enumerate() {
            match name.as_ref().map(|name| (name, beside.find(entry, name))) {
                Some((_, Some(other))) => {
                    found.insert(before + row, other);
                }
                Some((name, None)) if matches!(image, Image::Path(_)) => missing.push((before + row, name.clone())),
                None if matches!(image, Image::Path(_)) => missing.push((before + row, String::new())),
                _ => {}
            }
        }
        before += rows;
    }
    let place = |row: usize| place_among(tree, shards.iter().copied(), row);
    if let Some((row, name)) = missing.first() {
        let sentence = format!(
            "{} names {} files that do not lie in the folder that was given, such as {name:?} in row {}; give the folder that holds them too",
            place(*row).file,
            missing.len(),
            place(*row).row.unwrap_or(0)
        );
        let problem = Problem::error("missing-file", sentence).counted(missing.len() as u64);
        let problem = missing.iter().take(20).fold(problem, |problem, (row, _)| problem.at(place(*row)));
        if found.is_empty() {
            return Err(problem.into());
        }
        set.problems.push(problem.skippable("Leave these rows out"));
    }
    match image {
        Image::Path(_) => {
            let kept: Vec<usize> = found.keys().copied().collect();
            set.labels = kept.iter().map(|row| set.labels[*row]).collect();
            if !set.splits.is_empty() {
                set.splits = kept.iter().map(|row| set.splits[*row]).collect();
            }
            set.content = Box::new(Files { entries: found.into_values().collect(), account, levels: Levels::default() });
        }
        Image::Encoded { bytes, .. } => set.content = Box::new(Shards { shards, column: bytes.clone(), beside: found, account }),
    }
    Ok(set)
}

/// As other files tell, else by the file's name, or that of the nearest of its folders.
pub fn split_of(entry: &Entry) -> Option<Named> {
    match &entry.split {
        Some(split) => named_split(split),
        None => entry.name.rsplit('/').find_map(named_split).or_else(|| by_ending(&entry.extension())),
    }
}

/// Endings that stand for splits: `pendigits.tra` and `.tes`.
fn by_ending(ending: &str) -> Option<Named> {
    match ending {
        "tra" => Some(Named::Train),
        "tes" => Some(Named::Test),
        _ => None,
    }
}

/// A stream of Arrow without the mark of its end may lack rows.
fn whole(tree: &Tree, entry: &Entry, file: &Columnar, problems: &mut Vec<Problem>) {
    if let Columnar::Arrow(arrow) = file
        && !arrow.is_whole
    {
        let sentence = format!("{} ends without the mark of its end after {} rows; more may be missing", tree.display(entry), arrow.rows);
        problems.push(Problem::error("truncated-file", sentence).at(tree.place(entry)).skippable("Take the rows that are there"));
    }
}

/// The labels of a file: a column, or lists of one class each.
fn labels_of(tree: &Tree, entry: &Entry, file: &Columnar, column: &str) -> Result<Labels> {
    if !file.lists().iter().any(|name| name == column) {
        if file.other_lists().iter().any(|name| name == column) {
            let shown = tree.display(entry);
            return refuse(
                "multi-label",
                format!("{shown} has lists in its column {column}; training takes one class per image"),
                Place::file(shown),
            );
        }
        return file.labels(column);
    }
    let (mut rows, mut several) = (Vec::new(), Vec::new());
    let mut width = None;
    let mut is_one_hot = true;
    file.numbers(column, &mut |numbers| {
        let same = *width.get_or_insert(numbers.len()) == numbers.len();
        let ones = numbers.iter().filter(|number| **number == 1).count();
        is_one_hot &= same && numbers.len() > 1 && ones == 1 && numbers.iter().all(|number| *number == 0 || *number == 1);
        if numbers.len() != 1 {
            several.push(rows.len());
        }
        let one = if numbers.len() == 1 { numbers[0] as f64 } else { f64::NAN };
        rows.push((one, numbers.iter().position(|number| *number == 1)));
        Ok(())
    })?;
    if is_one_hot {
        return Ok(Labels::Numbers(rows.iter().map(|(_, place)| place.map_or(f64::NAN, |place| place as f64)).collect()));
    }
    let Some(first) = several.first() else { return Ok(Labels::Numbers(rows.into_iter().map(|(one, _)| one).collect())) };
    let shown = tree.display(entry);
    let sentence = format!(
        "{shown} has several labels per image in its column {column}: {} images are of none or of several classes (first row {first}); \
         training takes one class per image",
        several.len()
    );
    let problem = Problem::error("multi-label", sentence).counted(several.len() as u64);
    Err(several.iter().take(20).fold(problem, |problem, row| problem.at(Place::row(shown.clone(), *row))).into())
}

/// A split none of whose rows has a label, such as a test split of a competition, is not evaluated on.
fn leave_unlabelled(tree: &Tree, shards: &mut Vec<Shard>, account: &mut Account, problems: &mut Vec<Problem>) {
    let is_none = |labels: &Labels| match labels {
        Labels::Texts(texts) => texts.iter().all(String::is_empty),
        Labels::Numbers(numbers) | Labels::Singles(numbers) | Labels::Booleans(numbers) => numbers.iter().all(|x| x.is_nan() || *x == -1.0),
    };
    let mut by_split: BTreeMap<Option<Named>, bool> = BTreeMap::new();
    for shard in shards.iter() {
        let none = by_split.entry(shard.split).or_insert(true);
        *none &= is_none(&shard.labels);
    }
    let unlabelled = |split: &Option<Named>| matches!(split, Some(Named::Validation | Named::Test)) && by_split[split];
    let left: Vec<Shard> = shards.extract_if(.., |shard| unlabelled(&shard.split)).collect();
    let rows: usize = left.iter().map(|shard| shard.rows).sum();
    left.iter().for_each(|shard| account.leave_out(tree, shard.entry, UNLABELLED_SPLIT));
    if rows > 0 {
        let sentence = format!("{rows} images of a split without labels, in {} files, are left out", left.len());
        let problem = Problem::warning("unlabelled-split", sentence).counted(rows as u64);
        problems.push(left.iter().take(20).fold(problem, |problem, shard| problem.at(tree.place(&tree.entries[shard.entry]))));
    }
}

/// Labels as numbers, or names, of classes that are noted; -1 and null are none.
fn noted_classes(names: Vec<String>, labels: Vec<Labels>, place: &dyn Fn(usize) -> Place) -> Result<(Vec<String>, Vec<u32>)> {
    let places: BTreeMap<&str, u32> = names.iter().zip(0..).map(|(name, at)| (name.as_str(), at)).collect();
    let mut numbers = Vec::new();
    for part in labels {
        let before = numbers.len();
        let wrong = |row: usize, found: &str| {
            let place = place(before + row);
            let sentence =
                format!("{} has the label {found} at row {}, but names {} classes", place.file, place.row.unwrap_or(0), names.len());
            Problem::error("bad-label", sentence).at(place)
        };
        match part {
            Labels::Texts(texts) => {
                for (row, text) in texts.iter().enumerate() {
                    let known = places.get(text.as_str()).copied().or(if text.is_empty() { Some(NO_LABEL) } else { None });
                    numbers.push(known.ok_or_else(|| wrong(row, text))?);
                }
            }
            Labels::Numbers(part) | Labels::Singles(part) | Labels::Booleans(part) => {
                for (row, number) in part.into_iter().enumerate() {
                    numbers.push(match number {
                        none if none.is_nan() || none == -1.0 => NO_LABEL,
                        known if known.fract() == 0.0 && (0.0..names.len() as f64).contains(&known) => known as u32,
                        other => return Err(wrong(row, &other.to_string()).into()),
                    });
                }
            }
        }
    }
    Ok((names, numbers))
}

impl Content for Shards {
    fn account(&self, _: &Tree) -> Account {
        self.account.clone()
    }

    fn stream(&self, tree: &Tree, from: usize, hand: &mut Hand) -> Result<()> {
        let mut before = 0;
        for &(at, rows) in &self.shards {
            let skipped = from.saturating_sub(before).min(rows);
            let mut row = before + skipped;
            before += rows;
            if skipped < rows {
                let file = Columnar::open(tree, &tree.entries[at])?;
                file.bytes(&self.column, skipped, &mut |bytes| {
                    row += 1;
                    hand(match (bytes, self.beside.get(&(row - 1))) {
                        (Some(bytes), _) => Raw::Encoded(bytes.data().to_vec()),
                        (None, Some(entry)) => Raw::Entry(*entry),
                        (None, None) => Raw::Bad("the row has neither an image nor the name of one that lies beside".into()),
                    })
                })?;
            }
        }
        Ok(())
    }

    fn place(&self, tree: &Tree, sample: usize) -> Place {
        place_among(tree, self.shards.iter().copied(), sample)
    }
}
