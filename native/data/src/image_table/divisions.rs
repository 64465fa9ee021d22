//! Several divisions of the same images into splits, by lists or tables with a number each (`train0`, `split_1/train`, `fold1_test`): one is
//! chosen. And lists that repeat others.

use std::collections::{BTreeMap, BTreeSet};

use super::{Image, LabelFile};
use crate::error::{Error, Problem, Result};
use crate::images::{Named, named_split};
use crate::options::Options;
use crate::tree::{Entry, Tree};

/// What lists are that do not count beside others.
pub const OTHERS: &str = "lists of other divisions, or that repeat others";

/// What a division into splits is called, before its number.
const DIVISIONS: [&str; 6] = ["split", "fold", "division", "partition", "trial", "cv"];

/// Rows by which tables are compared.
const JUDGED: usize = 1000;

/// The number that a list's name ends with, beside a split, or that of its division: `train1`, `split_1/train`, `fold1_train`.
fn repetition(entry: &Entry) -> Option<u32> {
    let stem = entry.stem();
    named_split(stem)?;
    let ending = |text: &str| text[text.trim_end_matches(|c: char| c.is_ascii_digit()).len()..].parse().ok();
    let of_division = |text: &str| {
        let lower = text.to_lowercase();
        let (at, word) = DIVISIONS.iter().find_map(|word| Some((lower.rfind(word)?, word)))?;
        let rest = lower[at + word.len()..].trim_start_matches(['_', '-', ' ', '.']);
        rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()
    };
    let folder = entry.folder().rsplit('/').next().unwrap_or_default();
    ending(stem).or_else(|| of_division(stem)).or_else(|| of_division(folder))
}

/// Tables of a number each, such as `train0`, `test0`, `train1` and `test1`, are divisions of the same images where those of two numbers share
/// some.
fn are_divisions(tree: &Tree, files: &[LabelFile]) -> Result<bool> {
    let mut divisions: BTreeMap<u32, (BTreeSet<Option<Named>>, BTreeSet<String>)> = BTreeMap::new();
    for file in files.iter().filter(|file| file.kind == "tables of labels") {
        let Some(number) = repetition(&tree.entries[file.entry]) else { continue };
        let (splits, images) = divisions.entry(number).or_default();
        splits.insert(file.named);
        let mut read = 0;
        crate::text::until_enough((file.rows)(tree, &mut |row| {
            if let Image::Named(name) = row.image {
                images.insert(name);
            }
            read += 1;
            if read < JUDGED { Ok(()) } else { Err(Error::Cancelled) }
        }))?;
    }
    let mut images = divisions.values().map(|(_, images)| images);
    let first = images.next();
    let share = first.is_some_and(|first| images.all(|other| !first.is_disjoint(other)));
    Ok(divisions.len() > 1 && share && divisions.values().all(|(splits, _)| splits.len() > 1))
}

/// Of lists of repetitions of a split those that are chosen; and none that repeats others.
pub fn settle(tree: &Tree, files: &mut Vec<LabelFile>, options: &Options) -> Result<Vec<usize>> {
    let mut out = Vec::new();
    let tables = are_divisions(tree, files)?;
    let is_list =
        |file: &LabelFile| ["lists of images", "lists of splits"].contains(&file.kind) || (tables && file.kind == "tables of labels");
    let numbers: BTreeSet<u32> =
        files.iter().filter(|file| is_list(file)).filter_map(|file| repetition(&tree.entries[file.entry])).collect();
    if numbers.len() > 1 {
        let chosen = options.fold.as_ref().and_then(|fold| fold.trim().parse().ok()).filter(|number| numbers.contains(number));
        let Some(chosen) = chosen else {
            let shown = numbers.iter().take(10).map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let problem = Problem::error("which-fold", format!("there are several divisions into splits: {shown}; which of them counts?"));
            let offer = |problem: Problem, number: &u32| {
                problem.with("choose", format!("Division {number}"), Options { fold: Some(number.to_string()), ..Options::default() })
            };
            return Err(numbers.iter().take(10).fold(problem, offer).into());
        };
        files.retain(|file| {
            let keep = !is_list(file) || repetition(&tree.entries[file.entry]).is_none_or(|number| number == chosen);
            if !keep {
                out.push(file.entry);
            }
            keep
        });
    }
    let stems: BTreeSet<(String, String)> = files.iter().map(|file| key(&tree.entries[file.entry])).collect();
    files.retain(|file| {
        let (folder, stem) = key(&tree.entries[file.entry]);
        let part = |word: &str| stems.contains(&(folder.clone(), stem.replace("trainval", word)));
        let keep = !(stem.contains("trainval") && part("train") && part("val"));
        if !keep {
            out.push(file.entry);
        }
        keep
    });
    Ok(out)
}

fn key(entry: &Entry) -> (String, String) {
    (entry.folder().to_owned(), entry.stem().to_lowercase())
}
