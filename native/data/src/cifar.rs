//! CIFAR-10 and CIFAR-100 in the binary and in the Python version, unpacked or in an archive.
//!
//! Binary: records of one label byte (CIFAR-100: coarse and fine) and 3072 pixels [3,32,32]. Python: pickles of a dictionary with `data`
//! [n,3072] and `labels` or `fine_labels`. Both: https://www.cs.toronto.edu/~kriz/cifar.html

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use crate::account::Account;
use crate::array_labels::{self, Labels};
use crate::error::{Error, Place, Problem, Result, refuse};
use crate::images::{Content, Hand, ImageSet, Named, Raw, named_split, place_among, splits_of};
use crate::options::Options;
use crate::pickle::{self, Refusal, Value};
use crate::pixels::Pixels;
use crate::sniff::What;
use crate::tree::{Entry, Tree, read_fully};

const PIXELS: usize = 3072;

/// A pickle of CIFAR-100 has 155 MB.
const LARGEST_PICKLE: usize = 1 << 30;

struct Part {
    entry: usize,
    count: usize,
    /// Bytes before the pixels of a record; `None` for a pickle.
    label_bytes: Option<usize>,
}

struct Cifar {
    parts: Vec<Part>,
    /// Entry with the names of the classes.
    named_in: Option<usize>,
}

pub fn fits(tree: &Tree, what: &[What]) -> bool {
    what.contains(&What::Pickle) || tree.entries.iter().any(|entry| label_bytes(tree, entry).is_some())
}

/// Files of records, or pickles that are called as CIFAR's are.
pub fn has_batches(tree: &Tree, what: &[What]) -> bool {
    let is_named = |entry: &Entry| entry.file_name().contains("batch") || ["train", "test"].contains(&entry.file_name());
    let is_batch = |(at, entry): (usize, &Entry)| (what[at] == What::Pickle && is_named(entry)) || label_bytes(tree, entry).is_some();
    tree.entries.iter().enumerate().any(is_batch)
}

pub fn open(tree: &Tree, what: &[What], _: &Options) -> Result<ImageSet> {
    let mut found = Found::default();
    for (at, entry) in tree.entries.iter().enumerate() {
        if what[at] == What::Pickle {
            found.add_pickle(tree, entry, at)?;
        } else if let Some(bytes) = label_bytes(tree, entry) {
            found.add_binary(tree, entry, at, bytes)?;
        } else if ["batches.meta.txt", "fine_label_names.txt"].contains(&entry.file_name()) {
            let text = String::from_utf8_lossy(&tree.read_all(entry, 1 << 20)?).into_owned();
            found.named_in = Some(at);
            found.names = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(ToOwned::to_owned).collect();
        }
    }
    if found.parts.is_empty() {
        let sentence = "the pickles hold no CIFAR batch (a dictionary with data and labels); save the arrays as .npy to import them";
        return Err(Problem::error("unknown-pickle", sentence).into());
    }
    one_form(tree, &found.parts)?;
    one_dataset(tree, &found)?;
    let mut problems = Vec::new();
    let splits = splits_of(&found.named, &mut problems);
    let (content, numbers) = (Cifar { parts: found.parts, named_in: found.named_in }, found.labels.iter().map(|label| f64::from(*label)));
    let (mut class_names, mut labels) = array_labels::classes(vec![Labels::Numbers(numbers.collect())], &|row| content.place(tree, row))?;
    // Names count from 0, or from 1 where there are as many.
    let most = found.labels.iter().max().map_or(0, |label| *label as usize);
    let from_one = !found.labels.contains(&0) && found.names.len() == most;
    if found.names.len() > most || from_one {
        labels = found.labels.iter().map(|label| label - u32::from(from_one)).collect();
        class_names = found.names;
    }
    Ok(ImageSet { class_names, labels, splits, content: Box::new(content), columns: Vec::new(), problems })
}

/// Pickles and files of records side by side hold the same images.
fn one_form(tree: &Tree, parts: &[Part]) -> Result<()> {
    let folders = |binary: bool| -> BTreeSet<&str> {
        parts.iter().filter(|part| part.label_bytes.is_some() == binary).map(|part| tree.entries[part.entry].folder()).collect()
    };
    let (pickles, records) = (folders(false), folders(true));
    if pickles.is_empty() || records.is_empty() {
        return Ok(());
    }
    let problem = Problem::error("several-forms", "there are pickles and files of records of the same images; which of them count?");
    let take = |problem: Problem, folder: &&str| {
        problem.with("choose", format!("Take {folder}"), Options { folder: Some((*folder).to_owned()), ..Options::default() })
    };
    let apart = pickles.is_disjoint(&records) && !pickles.contains("") && !records.contains("");
    let leave = Options { leave_out: Some("*.bin".into()), ..Options::default() };
    Err(match apart {
        true => pickles.iter().chain(&records).fold(problem, take),
        false => problem.with("choose", "Leave the .bin files out", leave),
    }
    .into())
}

/// Batches of one split in several folders are of several datasets, as CIFAR-10 and CIFAR-100.
fn one_dataset(tree: &Tree, found: &Found) -> Result<()> {
    let mut of_split: BTreeMap<Option<Named>, BTreeSet<&str>> = BTreeMap::new();
    let mut sample = 0;
    for part in found.parts.iter().filter(|part| part.count > 0) {
        of_split.entry(found.named[sample]).or_default().insert(tree.entries[part.entry].folder());
        sample += part.count;
    }
    let Some(folders) = of_split.into_values().find(|folders| folders.len() > 1) else { return Ok(()) };
    let shown = folders.iter().copied().collect::<Vec<_>>().join(", ");
    let sentence = format!("batches of several datasets lie side by side: {shown}; which of them count?");
    let take = |problem: Problem, folder: &&str| {
        problem.with("choose", format!("Take {folder}"), Options { folder: Some((*folder).to_owned()), ..Options::default() })
    };
    Err(folders.iter().take(12).fold(Problem::error("several-datasets", sentence), take).into())
}

#[derive(Default)]
struct Found {
    parts: Vec<Part>,
    labels: Vec<u32>,
    named: Vec<Option<Named>>,
    names: Vec<String>,
    named_in: Option<usize>,
}

impl Found {
    fn add(&mut self, tree: &Tree, at: usize, label_bytes: Option<usize>, labels: impl IntoIterator<Item = u32>) {
        let before = self.labels.len();
        self.labels.extend(labels);
        let name = tree.entries[at].file_name();
        let split = named_split(name).or(name.starts_with("data_batch").then_some(Named::Train));
        self.named.resize(self.labels.len(), split);
        self.parts.push(Part { entry: at, count: self.labels.len() - before, label_bytes });
    }

    fn add_binary(&mut self, tree: &Tree, entry: &Entry, at: usize, label_bytes: usize) -> Result<()> {
        let mut labels = Vec::new();
        tree.read(entry, |stream| {
            let mut record = vec![0; label_bytes + PIXELS];
            while read_fully(stream, &mut record).map_err(|error| tree.unreadable(entry, &error))? == record.len() {
                labels.push(u32::from(record[label_bytes - 1]));
            }
            Ok(())
        })?;
        self.add(tree, at, Some(label_bytes), labels);
        Ok(())
    }

    fn add_pickle(&mut self, tree: &Tree, entry: &Entry, at: usize) -> Result<()> {
        let bytes = tree.read_all(entry, LARGEST_PICKLE)?;
        let value = load(tree, entry, &bytes)?;
        for key in ["label_names", "fine_label_names"] {
            if let Some(Value::List(names)) = value.get(key, &bytes) {
                self.named_in = Some(at);
                self.names = names.iter().filter_map(|name| name.text(&bytes)).collect();
            }
        }
        let Some(count) = pixels_of(&value, &bytes).map(|pixels| pixels.len() / PIXELS) else { return Ok(()) };
        let labels = value.get("labels", &bytes).or_else(|| value.get("fine_labels", &bytes)).and_then(|labels| labels.integers(&bytes));
        let file = tree.display(entry);
        let Some(labels) = labels else {
            return refuse("no-labels", format!("{file} has data but no list of labels or fine_labels"), Place::file(file));
        };
        if labels.len() != count {
            let sentence = format!("{file} has {count} images, but {} labels", labels.len());
            return refuse("mismatched-counts", sentence, Place::file(file));
        }
        let labels: Option<Vec<u32>> = labels.into_iter().map(|label| u32::try_from(label).ok().filter(|label| *label < 100_000)).collect();
        let Some(labels) = labels else {
            return refuse("bad-label", format!("{file} has a label that is no class number"), Place::file(file));
        };
        self.add(tree, at, None, labels);
        Ok(())
    }
}

fn load(tree: &Tree, entry: &Entry, bytes: &[u8]) -> Result<Value> {
    let file = tree.display(entry);
    pickle::load(bytes).map_err(|refusal| {
        let (code, sentence, offset) = match refusal {
            Refusal::Code(name) => {
                ("unsafe-pickle", format!("{file} asks to run {name}; a pickle of plain data does not, so it is refused"), None)
            }
            Refusal::Damaged(why, at) => ("damaged-pickle", format!("{file} is a pickle that {why} at byte {at}"), Some(at as u64)),
        };
        Error::from(Problem::error(code, sentence).at(Place { offset, ..Place::file(file.clone()) }))
    })
}

/// The pixels of a batch: an array [n,3072] of bytes.
fn pixels_of<'a>(value: &'a Value, pickle: &'a [u8]) -> Option<&'a [u8]> {
    match value.get("data", pickle)? {
        Value::Array(array) if !array.fortran && array.dtype.ends_with("u1") => {
            let bytes = array.data.bytes(pickle)?;
            (array.shape.get(1..) == Some(&[PIXELS]) && array.shape[0].checked_mul(PIXELS) == Some(bytes.len())).then_some(bytes)
        }
        _ => None,
    }
}

/// 1 for a file of CIFAR-10 records, 2 for one of CIFAR-100: the size fits and so do the labels of the first records.
fn label_bytes(tree: &Tree, entry: &Entry) -> Option<usize> {
    if entry.extension() != "bin" {
        return None;
    }
    let size = usize::try_from(tree.size(entry)).ok()?;
    let fits = |label_bytes: usize, classes: &[u8]| {
        let record = label_bytes + PIXELS;
        if size == 0 || size % record != 0 {
            return false;
        }
        let head = tree.head(entry, 32 * record).unwrap_or_default();
        head.chunks_exact(record).all(|record| record.iter().zip(classes).all(|(label, classes)| label < classes))
    };
    if fits(1, &[10]) {
        Some(1)
    } else if fits(2, &[20, 100]) {
        Some(2)
    } else {
        None
    }
}

fn image(data: &[u8]) -> Raw {
    Raw::Pixels(Pixels::from_planes(3, 32, 32, data))
}

impl Content for Cifar {
    fn account(&self, tree: &Tree) -> Account {
        let mut account = Account::default();
        self.parts.iter().for_each(|part| account.use_as(tree, part.entry, "CIFAR batches"));
        self.named_in.into_iter().for_each(|entry| account.use_as(tree, entry, "names of the classes"));
        account
    }

    fn stream(&self, tree: &Tree, from: usize, hand: &mut Hand) -> Result<()> {
        let mut before = 0;
        for part in &self.parts {
            let skipped = from.saturating_sub(before).min(part.count);
            before += part.count;
            if skipped == part.count {
                continue;
            }
            let entry = &tree.entries[part.entry];
            match part.label_bytes {
                Some(labels) => tree.read(entry, |stream| {
                    let mut record = vec![0; labels + PIXELS];
                    let start = (skipped * record.len()) as u64;
                    std::io::copy(&mut stream.take(start), &mut std::io::sink()).map_err(|error| tree.unreadable(entry, &error))?;
                    for _ in skipped..part.count {
                        stream.read_exact(&mut record).map_err(|error| tree.unreadable(entry, &error))?;
                        hand(image(&record[labels..]))?;
                    }
                    Ok(())
                })?,
                None => {
                    let bytes = tree.read_all(entry, LARGEST_PICKLE)?;
                    let value = load(tree, entry, &bytes)?;
                    let pixels = pixels_of(&value, &bytes).unwrap_or_default();
                    pixels.chunks_exact(PIXELS).skip(skipped).try_for_each(|data| hand(image(data)))?;
                }
            }
        }
        Ok(())
    }

    fn place(&self, tree: &Tree, sample: usize) -> Place {
        place_among(tree, self.parts.iter().map(|part| (part.entry, part.count)), sample)
    }

    fn shape(&self) -> Option<[usize; 3]> {
        Some([3, 32, 32])
    }
}
