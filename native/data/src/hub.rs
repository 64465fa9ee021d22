//! The cache of Hugging Face's Hub: `datasets--OWNER--NAME` with `blobs`, `refs` and `snapshots/REVISION`, whose files are links to blobs.
//! Blobs are read through one revision's links: the one that is chosen, else the one that `refs/main` names, else the only one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Problem, Result};
use crate::options::Options;

const BLOBS: &str = "blobs of the cache, which are read through their links";
const REFS: &str = "names of revisions";
const REVISIONS: &str = "other revisions of the dataset";
const OTHERS: &str = "other parts of the cache";

/// Names in a folder that are read, where only some are.
#[derive(Default)]
pub struct Parts {
    /// Of a repository: blobs and refs have reasons of their own.
    is_repository: bool,
    only: Option<(String, &'static str)>,
}

impl Parts {
    /// Why a name in the folder is not read.
    pub fn left_out(&self, name: &str) -> Option<&'static str> {
        match &self.only {
            Some((only, why)) if name != only => Some(why),
            _ if self.is_repository && name == "blobs" => Some(BLOBS),
            _ if self.is_repository && name == "refs" => Some(REFS),
            _ => None,
        }
    }
}

fn is_repository(folder: &Path) -> bool {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.contains("--") && folder.join("snapshots").is_dir() && folder.join("blobs").is_dir()
}

/// The blobs of the repository that a real folder lies in.
pub fn blobs_around(folder: &Path) -> Option<PathBuf> {
    let repository = folder.ancestors().find(|folder| is_repository(folder))?;
    repository.join("blobs").canonicalize().ok()
}

/// What of a folder is read. `prefix` is its name in the tree, `chosen` the part of the tree that was chosen.
pub fn parts(folder: &Path, prefix: &str, chosen: Option<&str>) -> Result<Parts> {
    let joined = |name: &str| if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
    let is_chosen = |name: &&String| chosen.is_some_and(|chosen| Path::new(chosen).starts_with(joined(name)));
    let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    if is_repository(&real) {
        return Ok(Parts { is_repository: true, only: None });
    }
    if real.file_name().is_some_and(|name| name == "snapshots") && real.parent().is_some_and(is_repository) {
        let revisions = folders(folder, "");
        let main = real.parent().and_then(|repository| fs::read_to_string(repository.join("refs/main")).ok());
        let main = main.map(|revision| revision.trim().to_owned()).filter(|main| revisions.contains(main));
        let only = if revisions.len() == 1 { revisions.first() } else { None };
        let one = revisions.iter().find(is_chosen).or(main.as_ref()).or(only).cloned();
        return match one {
            Some(one) => Ok(Parts { is_repository: false, only: Some((one, REVISIONS)) }),
            None if revisions.is_empty() => Ok(Parts::default()),
            None => Err(which(&revisions, &joined, "revisions of one dataset", "which-revision").into()),
        };
    }
    // The root alone: inside a dataset of folders nothing is called so.
    if !prefix.is_empty() {
        return Ok(Parts::default());
    }
    let datasets: BTreeSet<String> = folders(folder, "datasets--");
    let datasets: BTreeSet<String> = datasets.into_iter().filter(|name| is_repository(&folder.join(name))).collect();
    match (datasets.iter().find(is_chosen), datasets.len()) {
        (_, 0) => Ok(Parts::default()),
        (Some(one), _) => Ok(Parts { is_repository: false, only: Some((one.clone(), OTHERS)) }),
        (None, 1) => Ok(Parts { is_repository: false, only: datasets.first().map(|one| (one.clone(), OTHERS)) }),
        (None, _) => Err(which(&datasets, &joined, "datasets of the cache of Hugging Face's Hub", "which-dataset").into()),
    }
}

/// Folders in a folder whose names begin so.
fn folders(folder: &Path, beginning: &str) -> BTreeSet<String> {
    let fits = |item: &fs::DirEntry| {
        let name = item.file_name();
        let name = name.to_str().unwrap_or(".");
        name.starts_with(beginning) && !name.starts_with('.') && item.path().is_dir()
    };
    let items = fs::read_dir(folder).into_iter().flatten().flatten().filter(fits);
    items.filter_map(|item| item.file_name().into_string().ok()).collect()
}

fn which(names: &BTreeSet<String>, joined: &dyn Fn(&str) -> String, kind: &str, code: &'static str) -> Problem {
    let problem = Problem::error(code, format!("there are {} {kind}; which of them counts?", names.len()));
    names.iter().take(12).fold(problem.counted(names.len() as u64), |problem, name| {
        problem.with("choose", format!("Take {name}"), Options { folder: Some(joined(name)), ..Options::default() })
    })
}
