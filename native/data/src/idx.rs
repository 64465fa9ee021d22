//! MNIST-family datasets: IDX files of images and of labels, plain, .gz or in an archive.
//!
//! Format (yann.lecun.com): big-endian, two zero bytes, element type, number of axes, one u32 per axis, elements in C order.

use std::collections::BTreeSet;
use std::io::Read;

use crate::account::Account;
use crate::array_labels::{self, Labels};
use crate::error::{Error, Place, Problem, Result, refuse};
use crate::images::{Content, Hand, ImageSet, Named, Raw, named_split, place_among, splits_of};
use crate::options::Options;
use crate::pixels::Pixels;
use crate::sniff::What;
use crate::tree::{Entry, Tree, read_fully};

struct Part {
    images: usize,
    labels: usize,
    count: usize,
    split: Option<Named>,
}

pub struct Idx {
    parts: Vec<Part>,
    shape: [usize; 3],
    header: usize,
}

/// Whether a name is that of a file of the family: `train-images-idx3-ubyte`, `t10k-labels.idx1-ubyte`.
fn named_like(entry: &Entry) -> Option<&'static str> {
    let name = entry.file_name().to_lowercase();
    if !name.contains("idx") && !name.contains("ubyte") {
        return None;
    }
    if name.contains("images") {
        Some("images")
    } else if name.contains("labels") {
        Some("labels")
    } else {
        None
    }
}

pub fn fits(tree: &Tree, what: &[What]) -> bool {
    let by_content = what.iter().any(|what| matches!(what, What::Idx(8, extents) if extents.len() >= 3));
    by_content || tree.entries.iter().any(|entry| named_like(entry).is_some())
}

pub fn open(tree: &Tree, what: &[What], options: &Options) -> Result<ImageSet> {
    let of_kind = |axes: &dyn Fn(usize) -> bool, word: &str| -> Vec<usize> {
        let fits = |index: &usize| match &what[*index] {
            What::Idx(_, extents) if named_like(&tree.entries[*index]).is_none() => axes(extents.len()),
            _ => named_like(&tree.entries[*index]) == Some(word),
        };
        (0..tree.entries.len()).filter(fits).collect()
    };
    let images = prefer_plain(tree, of_kind(&|axes| axes >= 3, "images"));
    let labels = prefer_plain(tree, of_kind(&|axes| axes == 1, "labels"));
    let images = of_one_set(tree, images, options)?;
    let mut parts = Vec::new();
    let mut shapes: Vec<Vec<u32>> = Vec::new();
    for &at in &images {
        let entry = &tree.entries[at];
        let shape = header(tree, entry, &[3, 4])?;
        let partner = labels_of(tree, entry, &labels).ok_or_else(|| missing(tree, entry))?;
        let count = header(tree, &tree.entries[partner], &[1])?[0];
        if count != shape[0] {
            let (file, other) = (tree.display(entry), tree.display(&tree.entries[partner]));
            let sentence = format!("{file} has {} images, but {other} has {count} labels", shape[0]);
            return refuse("mismatched-counts", sentence, Place::file(file));
        }
        parts.push(Part { images: at, labels: partner, count: count as usize, split: named_split(entry.file_name()) });
        shapes.push(shape);
    }
    let Some(first) = shapes.first() else {
        let sentence = "there are IDX labels, but no IDX file of images beside them".to_owned();
        return Err(Problem::error("missing-file", sentence).into());
    };
    if let Some(other) = shapes.iter().position(|shape| shape[1..] != first[1..]) {
        let (a, b) = (extents(&first[1..]), extents(&shapes[other][1..]));
        let (file, second) = (tree.display(&tree.entries[parts[0].images]), tree.display(&tree.entries[parts[other].images]));
        return refuse("different-sizes", format!("{file} has images of {a}, but {second} of {b}"), Place::file(second));
    }
    let shape = image_shape(first).ok_or_else(|| {
        let file = tree.display(&tree.entries[parts[0].images]);
        Error::from(Problem::error("bad-shape", format!("{file} holds {}, which are no images", extents(first))).at(Place::file(file)))
    })?;
    let header = 4 + 4 * first.len();
    let content = Idx { parts, shape, header };
    let mut labels = Vec::new();
    let mut named = Vec::new();
    for part in &content.parts {
        labels.extend(read_labels(tree, &tree.entries[part.labels], part.count)?);
        named.resize(labels.len(), part.split);
    }
    let place = |row| place_among(tree, content.parts.iter().map(|part| (part.labels, part.count)), row);
    let (class_names, labels) = array_labels::classes(vec![Labels::Numbers(labels)], &place)?;
    let mut problems = Vec::new();
    let splits = splits_of(&named, &mut problems);
    let (content, columns): (Box<dyn Content>, _) = (Box::new(content), Vec::new());
    Ok(ImageSet { class_names, labels, splits, content, columns, problems })
}

/// A name as all ways of packing the file write it: `train-images.idx3-ubyte` and `train-images-idx3-ubyte.gz`.
fn plain(name: &str) -> String {
    name.trim_end_matches(".gz").to_lowercase().replace('.', "-")
}

/// The folder of a file; of one that an unpacked archive keeps in a folder of its own name, that around it.
fn home(entry: &Entry) -> &str {
    let folder = entry.folder();
    let (around, own) = folder.rsplit_once('/').unwrap_or(("", folder));
    if plain(own) == plain(entry.file_name()) { around } else { folder }
}

/// Where a file is there several times, plain, as .gz or in a folder of its own name, the plainest.
fn prefer_plain(tree: &Tree, found: Vec<usize>) -> Vec<usize> {
    let entry = |at: usize| &tree.entries[at];
    let is_same = |a: usize, b: usize| home(entry(a)) == home(entry(b)) && plain(entry(a).file_name()) == plain(entry(b).file_name());
    let rank = |at: usize| (entry(at).name.ends_with(".gz"), entry(at).folder() != home(entry(at)), at);
    found.iter().copied().filter(|at| !found.iter().any(|other| is_same(*at, *other) && rank(*other) < rank(*at))).collect()
}

/// What a name says besides its split and what it holds: `emnist-letters` of `emnist-letters-train-images-idx3-ubyte`.
fn set_of(entry: &Entry) -> String {
    let words = plain(entry.file_name());
    let is_own = |word: &&str| named_split(word).is_none() && !["images", "labels", "ubyte", ""].contains(word) && !word.starts_with("idx");
    words.split('-').filter(is_own).collect::<Vec<_>>().join("-")
}

/// The files of one dataset: as chosen by folder or name, or all where there is one training file.
fn of_one_set(tree: &Tree, mut images: Vec<usize>, options: &Options) -> Result<Vec<usize>> {
    let entry = |at: usize| &tree.entries[at];
    if let Some(chosen) = &options.image_column {
        images.retain(|at| set_of(entry(*at)) == *chosen);
    }
    let trains: Vec<usize> = images.iter().copied().filter(|at| named_split(entry(*at).file_name()) == Some(Named::Train)).collect();
    if trains.len() < 2 {
        return Ok(images);
    }
    let folders: BTreeSet<&str> = trains.iter().map(|at| home(entry(*at))).collect();
    let sets: BTreeSet<String> = trains.iter().map(|at| set_of(entry(*at))).collect();
    let names: Vec<String> =
        if folders.len() > 1 { folders.iter().map(|name| (*name).to_owned()).collect() } else { sets.into_iter().collect() };
    let sentence = format!("there are IDX files of several datasets ({}); which of them counts?", names.join(", "));
    let take = |problem: Problem, name: &String| match folders.len() {
        1 => problem.with("choose", format!("Take {name}"), Options { image_column: Some(name.clone()), ..Options::default() }),
        _ => problem.with("choose", format!("Take {name}"), Options { folder: Some(name.clone()), ..Options::default() }),
    };
    let problem = Problem::error("several-datasets", sentence).counted(names.len() as u64);
    Err(names.iter().filter(|name| !name.is_empty()).take(12).fold(problem, take).into())
}

/// The labels of the same split and dataset in the same folder; where names say nothing, the only ones there are.
fn labels_of(tree: &Tree, images: &Entry, labels: &[usize]) -> Option<usize> {
    let near: Vec<usize> = labels.iter().copied().filter(|index| home(&tree.entries[*index]) == home(images)).collect();
    let split = named_split(images.file_name());
    let of_split = |index: &usize| named_split(tree.entries[*index].file_name()) == split;
    let named = near.iter().copied().find(|index| of_split(index) && set_of(&tree.entries[*index]) == set_of(images));
    let mut same = near.iter().copied().filter(of_split);
    let only = same.next().filter(|_| same.next().is_none());
    named.or(only).or(if near.len() == 1 && split.is_none() { near.first().copied() } else { None })
}

fn missing(tree: &Tree, images: &Entry) -> Error {
    let file = tree.display(images);
    let wanted = images.file_name().replace("images", "labels").replace("idx3", "idx1").replace(".gz", "");
    let sentence = format!("{file} has no {wanted} (plain or .gz) beside it, which an MNIST-family dataset needs");
    Problem::error("missing-file", sentence).at(Place::file(file)).into()
}

/// Extents of an IDX file of bytes with one of these numbers of axes.
fn header(tree: &Tree, entry: &Entry, axes: &[u8]) -> Result<Vec<u32>> {
    let file = tree.display(entry);
    let head = tree.head(entry, 4 + 4 * 4)?;
    let expected = format!("expected 0000080{}", axes[0]);
    let refused = |code, sentence: String| refuse(code, sentence, Place { offset: Some(0), ..Place::file(file.clone()) });
    let Some(start) = head.first_chunk::<4>() else {
        let found = if head.is_empty() { "it is empty".to_owned() } else { format!("it has {} bytes", head.len()) };
        return refused("not-idx", format!("{file} is not an IDX file: {found}, {expected}"));
    };
    match start {
        [0, 0, 8, found] if axes.contains(found) => {
            let length = 4 + 4 * usize::from(*found);
            if head.len() < length {
                return refused("truncated-file", format!("{file} is truncated: its header needs {length} bytes, got {}", head.len()));
            }
            let extents: Vec<u32> = head[4..length].as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word)).collect();
            if extents.contains(&0) {
                return refused("empty-file", format!("{file} is empty: {}", self::extents(&extents)));
            }
            Ok(extents)
        }
        [0, 0, 8, found] => {
            refused("bad-shape", format!("{file} holds a {found}-dimensional array, expected a {}-dimensional one", axes[0]))
        }
        [0, 0, kind @ 9..=14, _] => refused("bad-type", format!("{file} holds IDX type 0x{kind:02x}, expected 0x08 (unsigned byte)")),
        [a, b, c, d] => refused("not-idx", format!("{file} is not an IDX file: it starts with {a:02x}{b:02x}{c:02x}{d:02x}, {expected}")),
    }
}

fn extents(extents: &[u32]) -> String {
    extents.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ")
}

/// [n,H,W], [n,H,W,3] or [n,H,W,1] as channels, height and width.
fn image_shape(extents: &[u32]) -> Option<[usize; 3]> {
    match extents {
        [_, height, width] => Some([1, *height as usize, *width as usize]),
        [_, height, width, channels @ (1 | 3)] => Some([*channels as usize, *height as usize, *width as usize]),
        _ => None,
    }
}

/// 255 says that there is no label.
fn read_labels(tree: &Tree, entry: &Entry, count: usize) -> Result<Vec<f64>> {
    let bytes = tree.read(entry, |stream| elements(tree, entry, stream, 8, count, count))?;
    Ok(bytes.into_iter().map(|label| if label == 255 { f64::NAN } else { f64::from(label) }).collect())
}

/// All `count` elements behind the header, which must end the file.
fn elements(tree: &Tree, entry: &Entry, stream: &mut dyn Read, header: usize, count: usize, samples: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = (header + count + 1) as u64;
    stream.take(limit).read_to_end(&mut bytes).map_err(|error| tree.unreadable(entry, &error))?;
    if bytes.len() != header + count {
        return Err(wrong_length(tree, entry, samples.to_string(), count, bytes.len().saturating_sub(header)));
    }
    Ok(bytes.split_off(header))
}

fn wrong_length(tree: &Tree, entry: &Entry, shape: String, expected: usize, found: usize) -> Error {
    let file = tree.display(entry);
    let (code, sentence) = if found > expected {
        ("trailing-bytes", format!("{file} goes on after the {expected} bytes that {shape} elements need"))
    } else {
        ("truncated-file", format!("{file} is truncated: {shape} elements need {expected} bytes, got {found}"))
    };
    Problem::error(code, sentence).at(Place { offset: Some(found.min(expected) as u64), ..Place::file(file) }).into()
}

impl Content for Idx {
    fn account(&self, tree: &Tree) -> Account {
        let mut account = Account::default();
        for part in &self.parts {
            account.use_as(tree, part.images, "IDX files of images");
            account.use_as(tree, part.labels, "IDX files of labels");
        }
        account
    }

    fn stream(&self, tree: &Tree, from: usize, hand: &mut Hand) -> Result<()> {
        let [channels, height, width] = self.shape;
        let size = channels * height * width;
        let mut before = 0;
        for part in &self.parts {
            let skipped = from.saturating_sub(before).min(part.count);
            before += part.count;
            if skipped == part.count {
                continue;
            }
            let entry = &tree.entries[part.images];
            let short = |found: usize| {
                let shape = format!("{} x {height} x {width}", part.count);
                wrong_length(tree, entry, shape, part.count * size, found)
            };
            tree.read(entry, |stream| {
                let start = (self.header + skipped * size) as u64;
                std::io::copy(&mut stream.take(start), &mut std::io::sink()).map_err(|error| tree.unreadable(entry, &error))?;
                for sample in skipped..part.count {
                    let mut data = vec![0; size];
                    let found = read_fully(stream, &mut data).map_err(|error| tree.unreadable(entry, &error))?;
                    if found < size {
                        return Err(short(sample * size + found));
                    }
                    hand(Raw::Pixels(Pixels { height, width, channels, data }))?;
                }
                match read_fully(stream, &mut [0]).map_err(|error| tree.unreadable(entry, &error))? {
                    0 => Ok(()),
                    _ => Err(short(part.count * size + 1)),
                }
            })?;
        }
        Ok(())
    }

    fn place(&self, tree: &Tree, sample: usize) -> Place {
        place_among(tree, self.parts.iter().map(|part| (part.images, part.count)), sample)
    }

    fn shape(&self) -> Option<[usize; 3]> {
        Some(self.shape)
    }
}
