//! Pictures whose names several folders have, as `images/0.jpg` and `masks/0.png`: which folder counts is asked.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Problem, Severity};
use crate::layout::{is_mask, is_plain};
use crate::options::Options;
use crate::pixels;
use crate::tree::Tree;

/// Bytes of a picture by which its channels are known.
const HEAD: usize = 1 << 16;
/// Folders that are offered.
const MOST: usize = 6;

/// A folder that may hold the pictures.
struct Choice {
    pattern: String,
    /// Its least likely sign first.
    rank: (bool, bool, bool, usize),
}

/// Offers the folders in which the pictures lie, those that rather hold pictures than masks first. `rows`: entries of the pictures that each row
/// may mean; `are_folders`: they name folders, such as those of patients in several sites; `all`: how many rows there are. Of most rows it is a question that leaves nothing out.
pub fn ask(tree: &Tree, problem: Problem, (rows, are_folders): (&[Vec<usize>], bool), all: usize) -> Problem {
    let problem = match 2 * rows.len() > all {
        true => Problem { severity: Severity::Error, remedies: Vec::new(), ..problem },
        false => problem,
    };
    let mut folders: BTreeMap<(usize, &str), BTreeMap<&str, usize>> = BTreeMap::new();
    let mut above: BTreeSet<String> = BTreeSet::new();
    for row in rows {
        let parts = |at: usize| tree.entries[at].folder().split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>();
        let all: Vec<Vec<&str>> = row.iter().map(|at| parts(*at)).collect();
        let level = (0..).find(|level| all.iter().any(|parts| parts.get(*level).is_none() || parts.get(*level) != all[0].get(*level)));
        let Some(level) = level else { continue };
        for (parts, at) in all.iter().zip(row) {
            if let Some(part) = parts.get(level) {
                above.insert(parts[..level].join("/"));
                folders.entry((level, *part)).or_default().entry(tree.entries[*at].folder()).or_insert(*at);
            }
        }
    }
    let mut choices: Vec<Choice> = folders
        .into_iter()
        .filter_map(|((level, part), within)| {
            let (folder, first) = within.first_key_value()?;
            let pattern = match above.len() {
                1 if within.len() == 1 => (*folder).to_owned(),
                1 => above.iter().map(String::as_str).filter(|above| !above.is_empty()).chain([part]).collect::<Vec<_>>().join("/"),
                _ => format!("{}{part}", "*/".repeat(level)),
            };
            let entry = &tree.entries[*first];
            let header = tree.head(entry, HEAD).ok().and_then(|head| pixels::header(&head).ok());
            let channels = header.map_or(0, |header| header.channels);
            let rank =
                (pattern.split('/').any(is_mask), !pattern.split('/').any(is_plain), entry.extension() == "png", 4 - channels.min(4));
            Some(Choice { rank, pattern })
        })
        .collect();
    choices.sort_by(|a, b| (a.rank, &a.pattern).cmp(&(b.rank, &b.pattern)));
    let problem = match are_folders {
        true => problem.with("choose", "Take those in all folders", Options { folder: Some("*".into()), ..Options::default() }),
        false => problem,
    };
    choices.into_iter().take(MOST).fold(problem, |problem, Choice { pattern, .. }| {
        problem.with("choose", format!("Take the pictures in {pattern}"), Options { folder: Some(pattern), ..Options::default() })
    })
}
