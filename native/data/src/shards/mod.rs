//! Images with their labels in large files, one sample behind the other: WebDataset's tars, TFRecord files of tf.train.Example, shards of
//! MosaicML Streaming (MDS) and of litdata. Samples are found by their headers alone, images are read where they lie.

mod columns;
mod example;
mod indexed;
mod records;
mod tar;
mod tfrecord;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};

use crate::archive::{self, Kind, SharedFile};
use crate::error::{Place, Problem, Result};
use crate::images::{ImageSet, Named, named_split, splits_of};
use crate::options::Options;
use crate::packed::unpack;
use crate::sniff::What;
use crate::tree::{Entry, Tree};
use columns::Columns;
pub use example::{features, spread_features};
pub use indexed::{IndexedShard, pixels_of_pil, shards_of as indexed_shards};
use records::{Coding, Records};
use tar::{Looks, looks};
pub use tfrecord::frame;

/// Largest label, index or description that is read, bytes.
pub(crate) const LARGEST_TEXT: u64 = 1 << 20;

/// Of a compressed tar so much is looked at, bytes.
const HEAD: u64 = 4 << 20;

/// What a shard is by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shard {
    /// A tar of samples.
    Tar,
    /// Numbered tars of images and nothing else.
    BareTar,
    Records,
    /// An index.json that tells of others.
    Index,
}

/// What a tar is that is read as a file, by its first members; `numbered`: it is called like one of many.
pub fn of_tar(file: &SharedFile, name: &str, numbered: bool) -> Option<Shard> {
    let is_called = numbered || name.rsplit('/').next().unwrap_or_default().contains(|c: char| c.is_ascii_digit());
    let found = match archive::kind_of(file) {
        Kind::Tar => looks(file.clone(), is_called, numbered),
        Kind::CompressedTar(packing) => {
            let mut head = Vec::new();
            let unpacked = unpack(packing, file.clone()).ok()?;
            // What follows the first members may be cut off.
            let _ = unpacked.take(HEAD).read_to_end(&mut head);
            looks(Cursor::new(head), is_called, numbered)
        }
        _ => Looks::Else,
    };
    match found {
        Looks::Samples => Some(Shard::Tar),
        Looks::Bare => Some(Shard::BareTar),
        Looks::Else => None,
    }
}

/// Which tars of a folder are numbered one after the other from 0 or 1, two at least; names such as n01440764 are classes.
pub fn numbered(names: &[&str]) -> Vec<bool> {
    let part = |name: &str| -> Option<(String, u64)> {
        let stem = name.split('.').next().unwrap_or_default();
        let digits = stem.len() - stem.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let (prefix, number) = stem.split_at(stem.len() - digits);
        Some((prefix.to_owned(), number.parse().ok()?))
    };
    let mut numbers: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for (prefix, number) in names.iter().filter_map(|name| part(name)) {
        numbers.entry(prefix).or_default().insert(number);
    }
    let runs = |prefix: &str| {
        let numbers = &numbers[prefix];
        let first = numbers.first().copied().unwrap_or(2);
        numbers.len() > 1 && first < 2 && numbers.last().is_some_and(|last| last - first + 1 == numbers.len() as u64)
    };
    names.iter().map(|name| part(name).is_some_and(|(prefix, _)| runs(&prefix))).collect()
}

/// Samples of all shards, before it is known which member is the image and which the label.
struct Found {
    columns: Columns,
    coding: Coding,
    /// What holds them, for sentences.
    writer: &'static str,
    /// Entries that tell something, and as what.
    used: Vec<(usize, &'static str)>,
    /// Names of the classes, where the files tell them.
    class_names: Option<(String, Vec<String>)>,
}

pub fn fits(what: &[What]) -> bool {
    what.iter().any(|what| matches!(what, What::Shard(_)))
}

pub fn open(tree: &Tree, what: &[What], options: &Options) -> Result<ImageSet> {
    let of = |wanted: Shard| -> Vec<usize> { (0..what.len()).filter(|&at| what[at] == What::Shard(wanted)).collect() };
    let (tars, bare, records, indexes) = (of(Shard::Tar), of(Shard::BareTar), of(Shard::Records), of(Shard::Index));
    let kinds = [!tars.is_empty(), !records.is_empty(), !indexes.is_empty()];
    if kinds.into_iter().filter(|there| *there).count() > 1 {
        return Err(
            Problem::error("several-kinds", "there are shards of several kinds (WebDataset, TFRecord, MDS); give one of them").into()
        );
    }
    let found = if let Some(&first) = indexes.first() {
        indexed::find(tree, &indexes)?.map_err(|why| error_at(tree, first, why))?
    } else if records.is_empty() {
        if tars.is_empty()
            && let Some(&first) = bare.first()
        {
            return Err(bare_tars(tree, first, bare.len()).into());
        }
        let mut found = tar::find(tree, &tars)?;
        found.class_names = names_beside(tree, what, &mut found.used);
        found
    } else {
        let mut found = tfrecord::find(tree, &records)?;
        found.class_names = names_beside(tree, what, &mut found.used);
        found
    };
    let named = found.columns.shards.iter().map(|shard| (shard.count, split_of(&tree.entries[shard.entry]))).collect::<Vec<_>>();
    let chosen = found.columns.choose(tree, found.writer, found.class_names.as_ref(), options)?;
    let mut problems = chosen.problems;
    let named: Vec<Option<Named>> = named.iter().flat_map(|(count, named)| std::iter::repeat_n(*named, *count)).collect();
    let (named, labels): (Vec<_>, Vec<_>) = match &chosen.kept {
        Some(kept) => kept.iter().map(|&sample| (named[sample as usize], chosen.labels[sample as usize])).unzip(),
        None => (named, chosen.labels),
    };
    let splits = splits_of(&named, &mut problems);
    let columns = found.columns.names();
    let content = Records::new(tree, found, &chosen.image, &chosen.label, chosen.kept.as_deref(), chosen.without_image, &mut problems)?;
    Ok(ImageSet { class_names: chosen.class_names, labels, splits, content: Box::new(content), columns, problems })
}

fn error_at(tree: &Tree, at: usize, why: String) -> crate::error::Error {
    let file = tree.display(&tree.entries[at]);
    Problem::error("bad-index", format!("{file} {why}")).at(Place::file(file)).into()
}

/// Numbered tars of images alone may be shards without labels, or a class each.
fn bare_tars(tree: &Tree, first: usize, count: usize) -> Problem {
    let sentence = format!(
        "{count} numbered tar files, such as {}, hold images and neither labels nor folders: shards without labels, or a class each",
        tree.display(&tree.entries[first])
    );
    let remedy = Options { format: Some(crate::options::Format::ImageFolder), ..Options::default() };
    let problem = Problem::error("no-labels", sentence).at(tree.place(&tree.entries[first]));
    problem.with("choose", "Take each tar file as a class", remedy)
}

/// By the file's name, or that of the nearest of its folders.
pub(crate) fn split_of(entry: &Entry) -> Option<Named> {
    entry.name.rsplit('/').find_map(named_split)
}

/// Files that name the classes: `classnames.txt`, `_classes.json`, `label.labels.txt` of TensorFlow Datasets and their like.
fn names_beside(tree: &Tree, what: &[What], used: &mut Vec<(usize, &'static str)>) -> Option<(String, Vec<String>)> {
    const NAMES: [&str; 7] =
        ["classnames.txt", "_classes.json", "classes.json", "classes.txt", "class_names.txt", "label.labels.txt", "labels.txt"];
    let rank = |at: &usize| NAMES.iter().position(|name| tree.entries[*at].file_name() == *name);
    let mut files: Vec<usize> = (0..what.len()).filter(|at| rank(at).is_some()).collect();
    files.sort_by_key(|at| (rank(at), tree.entries[*at].name.len()));
    let at = *files.first()?;
    let bytes = tree.read_all(&tree.entries[at], LARGEST_TEXT as usize).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let names = if tree.entries[at].file_name().ends_with(".json") { json_names(&text)? } else { lines(&text) };
    used.push((at, "names of the classes"));
    Some((tree.display(&tree.entries[at]), names))
}

fn lines(text: &str) -> Vec<String> {
    text.trim_start_matches('\u{feff}').lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

/// A list of names, a table from names to numbers, or one from numbers to names.
pub(crate) fn json_names(text: &str) -> Option<Vec<String>> {
    use serde_json::Value;
    let by_number = |pairs: Option<BTreeMap<u64, String>>| {
        let pairs = pairs?;
        pairs.keys().copied().eq(0..pairs.len() as u64).then(|| pairs.into_values().collect())
    };
    match serde_json::from_str(text).ok()? {
        Value::Array(items) => items.iter().map(|item| item.as_str().map(ToOwned::to_owned)).collect(),
        Value::Object(items) => by_number(items.iter().map(|(name, number)| Some((number.as_u64()?, name.clone()))).collect())
            .or_else(|| by_number(items.iter().map(|(number, name)| Some((number.parse().ok()?, name.as_str()?.to_owned()))).collect())),
        _ => None,
    }
}
