//! Folders of several versions of one dataset, such as `mnist/3.0.0` and `mnist/3.0.1`, whose files are called alike: which of them counts is
//! asked.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Problem, Result};
use crate::options::Options;
use crate::tree::Tree;

/// Numbers with dots between them.
fn is_version(folder: &str) -> bool {
    let folder = folder.strip_prefix('v').unwrap_or(folder);
    folder.contains('.') && folder.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

fn numbers(version: &str) -> Vec<u64> {
    version.trim_start_matches('v').split('.').filter_map(|part| part.parse().ok()).collect()
}

/// Fails where most files of a version are in another too, and no folder was chosen.
pub fn one(tree: &Tree, options: &Options) -> Result<()> {
    if options.folder.is_some() || options.leave_out.is_some() {
        return Ok(());
    }
    // By the folder around them: versions with the files below each.
    let mut sets: BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for entry in &tree.entries {
        let mut start = 0;
        for part in entry.folder().split('/') {
            if is_version(part) {
                let rest = &entry.name[start + part.len() + 1..];
                sets.entry(&entry.name[..start]).or_default().entry(part).or_default().insert(rest);
                break;
            }
            start += part.len() + 1;
        }
    }
    let are_alike = |versions: &BTreeMap<&str, BTreeSet<&str>>| {
        let mut files = versions.values();
        let Some(first) = files.next() else { return false };
        versions.len() > 1 && files.all(|other| 2 * first.intersection(other).count() > first.len().max(other.len()))
    };
    let Some((around, versions)) = sets.into_iter().find(|(_, versions)| are_alike(versions)) else { return Ok(()) };
    let mut names: Vec<&str> = versions.into_keys().collect();
    names.sort_by_key(|name| std::cmp::Reverse(numbers(name)));
    let sentence = format!("folders of several versions hold files of the same names: {}; which of them counts?", names.join(", "));
    let offer = |problem: Problem, name: &&str| {
        problem.with("choose", format!("Take {name}"), Options { folder: Some(format!("{around}{name}")), ..Options::default() })
    };
    let problem = Problem::error("several-versions", sentence).counted(names.len() as u64);
    Err(names.iter().take(12).fold(problem, offer).into())
}
