//! Datasets for finding anomalies: training shows one kind, `train/good`, and the test images others too, `test/good` and `test/scratch`
//! (MVTec AD). Nothing can be learned of classes from such a training split, which is said with the way on.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Problem, Result};
use crate::images::{Named, named_split};
use crate::options::Options;
use crate::tree::Tree;

/// The classes of training and those of the other splits, below one folder.
#[derive(Default)]
struct Kinds<'a> {
    train: BTreeSet<&'a str>,
    test: BTreeSet<&'a str>,
    /// The folder of the test images, and at which level it lies.
    folder: &'a str,
    level: usize,
}

/// Fails where all training images of each dataset among the files are of one class, and its test images of several.
pub fn none(tree: &Tree, images: &[usize], options: &Options) -> Result<()> {
    if options.class_level.is_some() || options.split_level.is_some() {
        return Ok(());
    }
    let mut found: BTreeMap<&str, Kinds> = BTreeMap::new();
    for &at in images {
        let name = tree.entries[at].name.as_str();
        let mut from = 0;
        for (level, part) in name.split('/').enumerate() {
            let end = from + part.len();
            if let Some(split) = named_split(part) {
                let below = name[end..].trim_start_matches('/').split_once('/').map(|(class, _)| class);
                let kinds = found.entry(name[..from].trim_end_matches('/')).or_default();
                match split {
                    Named::Train => kinds.train.extend(below),
                    _ => (kinds.folder, kinds.level) = (&name[..end], level),
                }
                if split != Named::Train {
                    kinds.test.extend(below);
                }
                break;
            }
            from = end + 1;
        }
    }
    let is_one = |kinds: &Kinds| kinds.train.len() == 1 && kinds.test.len() > 1 && kinds.test.is_superset(&kinds.train);
    let Some(first) = found.values().find(|kinds| !kinds.train.is_empty()) else { return Ok(()) };
    let level = first.level;
    if !found.values().filter(|kinds| !kinds.train.is_empty()).all(|kinds| is_one(kinds) && kinds.level == level) {
        return Ok(());
    }
    let others: Vec<&str> = first.test.difference(&first.train).copied().take(3).collect();
    let good = first.train.first().copied().unwrap_or_default();
    let sentence = format!(
        "the training images are all of {good:?}, those of {} of others too ({}, ...), as datasets for finding anomalies have them; training \
         needs images of each class, which here are in {} alone",
        first.folder,
        others.join(", "),
        first.folder
    );
    let test = first.folder.rsplit('/').next().unwrap_or_default();
    let folder = if found.len() == 1 { first.folder.to_owned() } else { format!("{}{test}", "*/".repeat(level)) };
    let take = Options { folder: Some(folder), split_level: Some(0), class_level: Some(level as u32 + 2), ..Options::default() };
    Err(Problem::error("one-class", sentence).with("choose", format!("Take the images of {test} alone"), take).into())
}
