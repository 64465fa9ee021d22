//! Which files belong together: of several configurations of a dataset one is imported, and none of its shards may be missing.
//!
//! Told by the card of the dataset (README.md), by dataset_dict.json and state.json of `save_to_disk`, by folders of Parquet or Arrow files
//! that hold the same split twice, and by names such as `train-00000-of-00002`. Files of other configurations are left out by name.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::card::{self, Configuration};
use crate::columnar::{Columnar, is_columnar};
use crate::error::{Problem, Result};
use crate::features::LARGEST_NOTE;
use crate::image_columns::is_like_label;
use crate::image_parquet::split_of;
use crate::images::{Named, named_split};
use crate::options::Options;
use crate::sniff::What;
use crate::tree::{Entry, Tree};

const OTHER: What = What::Other("a file of another configuration");
const UNNAMED: What = What::Other("a file that the README.md does not name");
const UNKNOWN_TO_STATE: What = What::Other("an Arrow file that state.json does not name");
const RESULT: What = What::Other("a result of map or filter in the cache of datasets");
const OTHER_SPLIT: What = What::Other("a file of a split that is neither for training nor for validation");

/// Folders whose columns are compared.
const COMPARED: usize = 50;
/// Shards of one file that are looked for.
const MOST_SHARDS: u64 = 1 << 20;

/// Leaves aside what is of another configuration, and notes splits and missing shards. Fails where a choice is needed.
pub fn settle(tree: &mut Tree, what: &mut [What], options: &Options) -> Result<()> {
    // Names of their own decide nothing where there is no such file.
    let is_table = |what: &What| is_columnar(what) || matches!(what, What::Csv | What::JsonLines);
    let has_card = what.iter().any(is_table) || tree.entries.iter().any(|entry| entry.file_name() == "README.md");
    if !has_card {
        return Ok(());
    }
    for (what, entry) in what.iter_mut().zip(&tree.entries) {
        if *what == What::Arrow && is_result(entry) {
            *what = RESULT;
        }
    }
    let told = by_card(tree, what, options)?;
    saved_to_disk(tree, what)?;
    if !told && !what.contains(&What::Image) {
        by_folder(tree, what, options)?;
    }
    other_splits(tree, what, options);
    missing_shards(tree, what);
    Ok(())
}

fn lies_in(entry: &Entry, folder: &str) -> bool {
    let parts: Vec<&str> = folder.split(['/', '\\']).filter(|part| !part.is_empty() && *part != ".").collect();
    let own: Vec<&str> = entry.name.split('/').collect();
    own.starts_with(&parts)
}

/// `cache-` and a fingerprint.
fn is_result(entry: &Entry) -> bool {
    let stem = entry.stem();
    stem.strip_prefix("cache-").is_some_and(|print| print.len() >= 16 && print.chars().take(16).all(|c| c.is_ascii_hexdigit()))
}

/// Whether a card tells of configurations of the files that are here.
fn by_card(tree: &mut Tree, what: &mut [What], options: &Options) -> Result<bool> {
    let cards = (0..what.len()).filter(|at| tree.entries[*at].file_name() == "README.md");
    let Some(at) = cards.min_by_key(|at| tree.entries[*at].name.len()) else { return Ok(false) };
    let root = tree.entries[at].folder().to_owned();
    let Ok(readme) = tree.read_all(&tree.entries[at], LARGEST_NOTE) else { return Ok(false) };
    let Some(card) = card::parse(&readme) else { return Ok(false) };
    let name_in = |entry: &Entry| match root.as_str() {
        "" => Some(entry.name.clone()),
        root => entry.name.strip_prefix(root)?.strip_prefix('/').map(ToOwned::to_owned),
    };
    let names: Vec<Option<String>> = tree.entries.iter().take(what.len()).map(name_in).collect();
    let is_data = |at: usize| !matches!(what[at], What::Json | What::Empty | What::Other(_)) && tree.entries[at].file_name() != "README.md";
    let splits_of = |configuration: &Configuration| -> Vec<Option<String>> {
        let split = |(at, name): (usize, &Option<String>)| {
            name.as_ref().filter(|_| is_data(at)).and_then(|name| configuration.split_of(name)).map(ToOwned::to_owned)
        };
        names.iter().enumerate().map(split).collect()
    };
    let here: Vec<(&Configuration, Vec<Option<String>>)> = card.configurations.iter().map(|known| (known, splits_of(known))).collect();
    let here: Vec<(&Configuration, Vec<Option<String>>)> =
        here.into_iter().filter(|(_, splits)| splits.iter().any(Option::is_some)).collect();
    let chosen = match &options.configuration {
        Some(chosen) => match here.iter().find(|(known, _)| known.name == *chosen) {
            Some(found) => found,
            None => {
                let sentence = format!("the README.md tells of no configuration {chosen:?} with files that are here");
                return Err(offered(&here, Problem::error("no-configuration", sentence)).into());
            }
        },
        None => match &here[..] {
            [] => return Ok(false),
            [one] => one,
            several => {
                let sentence = format!("the README.md tells of {} configurations of the dataset; which of them counts?", several.len());
                return Err(offered(several, Problem::error("which-configuration", sentence)).into());
            }
        },
    };
    let is_table = |what: &What| is_columnar(what) || matches!(what, What::Csv | What::JsonLines);
    for at in 0..names.len() {
        let of_other = here.iter().any(|(_, splits)| splits[at].is_some());
        match &chosen.1[at] {
            Some(split) => tree.entries[at].split = Some(split.clone()),
            None if of_other => what[at] = OTHER,
            None if is_table(&what[at]) && here_has_tables(&chosen.1, what) => what[at] = UNNAMED,
            None => {}
        }
    }
    if here.len() > 1 {
        let sentence = format!("of {} configurations the files of {:?} are taken, as chosen", here.len(), chosen.0.name);
        tree.problems.push(Problem::note("configuration", sentence));
    }
    Ok(true)
}

/// The configuration is of tables, not of images beside one.
fn here_has_tables(splits: &[Option<String>], what: &[What]) -> bool {
    splits.iter().zip(what).any(|(split, what)| split.is_some() && (is_columnar(what) || matches!(what, What::Csv | What::JsonLines)))
}

fn offered(here: &[(&Configuration, Vec<Option<String>>)], problem: Problem) -> Problem {
    let mut known: Vec<&Configuration> = here.iter().map(|(known, _)| *known).collect();
    known.sort_by_key(|known| !known.is_default);
    known.iter().take(12).fold(problem.counted(here.len() as u64), |problem, known| {
        problem.with("choose", format!("Take {}", known.name), Options { configuration: Some(known.name.clone()), ..Options::default() })
    })
}

/// What dataset_dict.json and state.json tell of splits and shards.
fn saved_to_disk(tree: &mut Tree, what: &mut [What]) -> Result<()> {
    let json =
        |tree: &Tree, at: usize| -> Option<Value> { serde_json::from_slice(&tree.read_all(&tree.entries[at], LARGEST_NOTE).ok()?).ok() };
    let called = |tree: &Tree, name: &str| -> Vec<usize> { (0..what.len()).filter(|at| tree.entries[*at].file_name() == name).collect() };
    let mut missing = Vec::new();
    for at in called(tree, "dataset_dict.json") {
        let root = tree.entries[at].folder().to_owned();
        let Some(Value::Array(splits)) = json(tree, at).and_then(|dict| dict.get("splits").cloned()) else { continue };
        for split in splits.iter().filter_map(Value::as_str) {
            let folder = joined(&root, split);
            let inside: Vec<usize> = (0..what.len()).filter(|at| lies_in(&tree.entries[*at], &folder)).collect();
            if inside.is_empty() {
                missing.push((at, format!("the folder {split:?}")));
            }
            inside.into_iter().for_each(|at| tree.entries[at].split = Some(split.to_owned()));
        }
    }
    for at in called(tree, "state.json") {
        let root = tree.entries[at].folder().to_owned();
        let Some(Value::Array(files)) = json(tree, at).and_then(|state| state.get("_data_files").cloned()) else { continue };
        let names: BTreeSet<String> = files.iter().filter_map(|file| file.get("filename")?.as_str().map(ToOwned::to_owned)).collect();
        let beside = |other: usize| tree.entries[other].folder() == root;
        for name in &names {
            if !(0..what.len()).any(|other| beside(other) && tree.entries[other].file_name() == name) {
                missing.push((at, name.clone()));
            }
        }
        for other in (0..what.len()).filter(|other| beside(*other)) {
            if what[other] == What::Arrow && !names.contains(tree.entries[other].file_name()) {
                what[other] = UNKNOWN_TO_STATE;
            }
        }
    }
    if let Some((at, name)) = missing.first() {
        let sentence = format!("{} tells of {}, which is missing", tree.display(&tree.entries[*at]), names_of(&missing, name));
        let problem = Problem::error("missing-shard", sentence).counted(missing.len() as u64);
        tree.problems.push(problem.at(tree.place(&tree.entries[*at])).skippable("Import what is here"));
    }
    Ok(())
}

fn names_of(missing: &[(usize, String)], first: &str) -> String {
    if missing.len() == 1 { first.to_owned() } else { format!("{first} and {} more", missing.len() - 1) }
}

fn joined(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// The folder of a configuration: without those that are named for a split.
fn configuration_folder(entry: &Entry) -> String {
    let parts: Vec<&str> = entry.folder().split('/').filter(|part| !part.is_empty()).collect();
    let told = entry.split.as_deref();
    parts.into_iter().filter(|part| named_split(part).is_none() && Some(*part) != told).collect::<Vec<_>>().join("/")
}

/// Folders that hold the same split are configurations; one is asked for.
fn by_folder(tree: &Tree, what: &[What], options: &Options) -> Result<()> {
    // A chosen folder may be of all.
    if options.folder.is_some() || options.leave_out.is_some() {
        return Ok(());
    }
    let files: Vec<&Entry> = (0..what.len()).filter(|at| is_columnar(&what[*at])).map(|at| &tree.entries[at]).collect();
    let mut folders: BTreeMap<String, BTreeSet<Option<Named>>> = BTreeMap::new();
    let mut firsts: BTreeMap<String, &Entry> = BTreeMap::new();
    for entry in files {
        let folder = configuration_folder(entry);
        firsts.entry(folder.clone()).or_insert(entry);
        folders.entry(folder).or_default().insert(split_of(entry));
    }
    let mut seen = BTreeSet::new();
    let repeats = folders.values().flatten().any(|split| !seen.insert(*split));
    if folders.len() < 2 || !repeats {
        return Ok(());
    }
    let together = Options { folder: Some(".".into()), ..Options::default() };
    let keys: BTreeSet<&str> =
        folders.keys().filter_map(|folder| Some(folder.rsplit('/').find_map(|part| part.split_once('='))?.0)).collect();
    if let (Some(key), 1, true) = (keys.first(), keys.len(), folders.keys().all(|folder| folder.contains('='))) {
        let sentence = format!(
            "the folders are the parts of one table by its column {key}, which their names alone tell and which is not read; \
             write the table without such parts to use the column"
        );
        let problem = Problem::error("partitions", sentence).counted(folders.len() as u64);
        let problem =
            if is_like_label(key) { problem } else { problem.with("choose", format!("Take all together, without {key}"), together) };
        return Err(problem.into());
    }
    let sentence =
        format!("{} folders hold files of the same splits, as configurations of one dataset do; which of them counts?", folders.len());
    let problem = Problem::error("which-configuration", sentence).counted(folders.len() as u64);
    let named: Vec<&String> = folders.keys().filter(|folder| !folder.is_empty() && holds_all(tree, what, folder)).collect();
    let offer = |problem: Problem, folder: &&String| {
        problem.with("choose", format!("Take {folder}"), Options { folder: Some((*folder).clone()), ..Options::default() })
    };
    let mut problem = named.iter().take(12).fold(problem, offer);
    if let ([other], true) = (&named[..], folders.contains_key("")) {
        let without = Options { leave_out: Some((*other).clone()), ..Options::default() };
        problem = problem.with("choose", format!("Take the others, without {other}"), without);
    }
    let columns = |entry: &Entry| -> Result<(Vec<String>, Vec<String>, Option<String>)> {
        let file = Columnar::open(tree, entry)?;
        let notes =
            file.notes().and_then(|notes| serde_json::from_str::<Value>(notes).ok()?.pointer("/info/features").map(Value::to_string));
        Ok((file.names(), file.lists(), notes))
    };
    let mut of_first = firsts.values().take(COMPARED).map(|entry| columns(entry).ok());
    let first = of_first.next().flatten();
    let alike = first.is_some() && of_first.all(|other| other == first);
    Err(if alike { problem.with("choose", "Take all together", together) } else { problem }.into())
}

/// Files of a split whose name speaks of no split, beside others that are for training, and splits of several names.
fn other_splits(tree: &mut Tree, what: &mut [What], options: &Options) {
    let mut named: Vec<(usize, Option<Named>)> =
        (0..what.len()).filter(|at| is_columnar(&what[*at])).map(|at| (at, split_of(&tree.entries[at]))).collect();
    if !named.iter().any(|(_, split)| *split == Some(Named::Train)) {
        return;
    }
    let mut unused: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, split) in named.iter_mut().filter(|(_, split)| split.is_none()) {
        let entry = &mut tree.entries[*at];
        let name = split_name(entry);
        if options.train_on.as_ref() == Some(&name) {
            entry.split = Some(format!("train-{name}"));
            *split = Some(Named::Train);
        } else {
            unused.entry(name).or_default().push(*at);
        }
    }
    for (name, files) in &unused {
        let sentence =
            format!("{} files are of the split {name:?}, which is neither for training nor for validation, and are left out", files.len());
        let problem = Problem::warning("unused-split", sentence).counted(files.len() as u64);
        let problem = files.iter().take(20).fold(problem, |problem, at| problem.at(tree.place(&tree.entries[*at])));
        let options = Options { train_on: Some(name.clone()), ..Options::default() };
        tree.problems.push(problem.with("split", format!("Train on {name} too"), options));
    }
    for split in [Named::Train, Named::Validation] {
        let of_split = named.iter().filter(|(_, named)| *named == Some(split));
        let told = of_split.filter_map(|(at, _)| told_split(&tree.entries[*at])).collect::<BTreeSet<_>>();
        if told.len() > 1 {
            let role = if split == Named::Train { "training" } else { "validation" };
            let sentence = format!("the {role} split is made of {}", told.into_iter().collect::<Vec<_>>().join(" and "));
            tree.problems.push(Problem::note("several-splits", sentence));
        }
    }
    unused.into_values().flatten().for_each(|at| what[at] = OTHER_SPLIT);
}

/// The name of the split that another file or the name of a shard tells.
fn told_split(entry: &Entry) -> Option<String> {
    let prefix = shard(entry.file_name()).map(|(prefix, ..)| prefix.to_owned()).filter(|prefix| named_split(prefix).is_some());
    entry.split.clone().or(prefix)
}

fn split_name(entry: &Entry) -> String {
    let prefix = shard(entry.file_name()).map(|(prefix, ..)| prefix.to_owned());
    entry.split.clone().or(prefix).unwrap_or_else(|| entry.stem().to_owned())
}

/// All files of the configuration lie below its folder.
fn holds_all(tree: &Tree, what: &[What], folder: &str) -> bool {
    let own = (0..what.len()).filter(|at| is_columnar(&what[*at]) && configuration_folder(&tree.entries[*at]) == folder);
    own.into_iter().all(|at| lies_in(&tree.entries[at], folder))
}

/// Prefix, number and total of `train-00000-of-00002.parquet`, and what follows.
pub fn shard(name: &str) -> Option<(&str, u64, u64, &str)> {
    let (before, after) = name.split_once("-of-")?;
    let digits = |text: &str| text.len() - text.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let first = &before[before.len() - digits(before)..];
    let end = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let prefix = before[..before.len() - first.len()].trim_end_matches(['-', '_', '.']);
    Some((prefix, first.parse().ok()?, after[..end].parse().ok()?, &after[end..]))
}

/// A shard that its fellows tell of and that is not here.
fn missing_shards(tree: &mut Tree, what: &[What]) {
    // With the mark between the prefix and the number.
    let mut families: BTreeMap<(String, String, u64, String), BTreeSet<u64>> = BTreeMap::new();
    for (what, entry) in what.iter().zip(&tree.entries) {
        let is_data = is_columnar(what) || matches!(what, What::Csv | What::JsonLines | What::Text);
        if let Some((prefix, number, total, rest)) = shard(entry.file_name()).filter(|(.., total, _)| is_data && *total <= MOST_SHARDS) {
            let mark =
                entry.file_name()[prefix.len()..].chars().next().filter(|mark| !mark.is_ascii_digit()).map_or(String::new(), String::from);
            families.entry((entry.folder().to_owned(), format!("{prefix}{mark}"), total, rest.to_owned())).or_default().insert(number);
        }
    }
    let (mut missing, mut count) = (Vec::new(), 0u64);
    for ((folder, prefix, total, rest), numbers) in families {
        // Some count from 1.
        let first = u64::from(!numbers.contains(&0) && numbers.contains(&total));
        let absent = (first..total + first).filter(|number| !numbers.contains(number));
        count += absent.clone().count() as u64;
        missing.extend(absent.take(20).map(|number| joined(&folder, &format!("{prefix}{number:05}-of-{total:05}{rest}"))));
    }
    let Some(name) = missing.first() else { return };
    let sentence = match count {
        1 => format!("the shard {name} is missing"),
        count => format!("{count} shards are missing, such as {name}"),
    };
    let problem = Problem::error("missing-shard", sentence).counted(count);
    let problem = missing.iter().take(20).fold(problem, |problem, name| problem.at(crate::error::Place::file(name.clone())));
    tree.problems.push(problem.skippable("Import the shards that are here"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_known_by_their_names() {
        assert_eq!(shard("train-00001-of-00012.parquet"), Some(("train", 1, 12, ".parquet")));
        assert_eq!(shard("d-train-00000-of-00003.arrow"), Some(("d-train", 0, 3, ".arrow")));
        assert_eq!(shard("train.tfrecord-00000-of-00010"), Some(("train.tfrecord", 0, 10, "")));
        assert_eq!(shard("state-of-the-art.csv"), None);
        assert_eq!(shard("5-of-.csv"), None);
    }
}
