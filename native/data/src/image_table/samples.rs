//! Images with one label and split each, of what the rows say: splits that folders tell, images with several labels, images of a split that no
//! row names.

use std::collections::{BTreeSet, HashSet};

use super::reading::Sample;
use super::{LabelFile, detection, known, several};
use crate::account::Account;
use crate::error::{Place, Problem, Result};
use crate::folder::Levels;
use crate::folder_splits::{FolderSplits, Question};
use crate::images::Named;
use crate::options::Options;
use crate::sniff::What;
use crate::tree::Tree;

/// Splits that folders tell count where nothing else tells any; where they contradict it is asked, unless a level was chosen.
pub fn settle_folders(
    tree: &Tree,
    file: &LabelFile,
    samples: &mut [Sample],
    folders: Option<&FolderSplits>,
    options: &Options,
    problems: &mut Vec<Problem>,
) -> Levels {
    let Some(folders) = folders else { return Levels::default() };
    let levels = Levels { split: Some(folders.level as u32 + 1), class: None };
    if let Some(chosen) = options.split_level {
        let tells = folders.named.iter().any(Option::is_some);
        return Levels { split: tells.then_some(chosen), class: None };
    }
    if samples.iter().all(|sample| sample.named.is_none()) {
        samples.iter_mut().zip(&folders.named).for_each(|(sample, told)| sample.named = *told);
        problems.push(folders.note());
        return levels;
    }
    let named: Vec<Option<Named>> = samples.iter().map(|sample| sample.named).collect();
    let count = folders.contradicted(&named);
    if count > 0 {
        let Question { problem, folders, file } = folders.asked(&tree.display(&tree.entries[file.entry]), count, None);
        let offer = |problem: Problem, (title, options): (String, Options)| problem.with("choose", title, options);
        problems.push([file, folders].into_iter().fold(problem, offer));
    }
    Levels::default()
}

pub struct Samples {
    pub entries: Vec<usize>,
    pub named: Vec<Option<Named>>,
    pub texts: Vec<Option<String>>,
}

/// Images with one label each; those with several are told and left out.
pub fn settle_labels(
    tree: &Tree,
    (samples, conflicting): (Vec<Sample>, bool),
    file: &LabelFile,
    options: &Options,
    account: &mut Account,
    problems: &mut Vec<Problem>,
) -> Result<Samples> {
    let what = if conflicting { format!("the rows of {}", file.label) } else { file.label.clone() };
    let (mut places, mut all) = (Vec::new(), Vec::new());
    for Sample { entry, label, named, row, file } in samples {
        places.push((entry, named, file, row));
        all.push(label);
    }
    let several::Labels { texts, several, problem } = several::settle(all, &what, &file.classes, options);
    if let Some(problem) = problem {
        let place = |&sample: &usize| Place::row(tree.display(&tree.entries[places[sample].2]), places[sample].3);
        let problem = several.iter().take(20).fold(problem, |problem, sample| problem.at(place(sample)));
        if texts.iter().flatten().collect::<BTreeSet<_>>().len() < 2 {
            return Err(problem.into());
        }
        // Of objects it is said already.
        if file.kind != detection::KIND {
            problems.push(problem);
        }
    }
    let out: HashSet<usize> = several.into_iter().collect();
    let mut kept = Samples { entries: Vec::new(), named: Vec::new(), texts: Vec::new() };
    for (at, (text, (entry, named, ..))) in texts.into_iter().zip(places).enumerate() {
        if out.contains(&at) {
            account.leave_out(tree, entry, "images with several labels");
            continue;
        }
        kept.entries.push(entry);
        kept.named.push(named);
        kept.texts.push(text);
    }
    Ok(kept)
}

/// Where files tell of evaluation only, training images are those in folders of the classes; and where they tell of training only, those to
/// evaluate on.
pub fn add_folders(tree: &Tree, what: &[What], files: &[LabelFile], samples: &mut Samples) -> Result<()> {
    let used: BTreeSet<usize> = samples.entries.iter().copied().collect();
    let labels: BTreeSet<&str> = samples.texts.iter().flatten().map(String::as_str).collect();
    let found = match known::lacks_training(tree, files) {
        true if !samples.named.contains(&Some(Named::Train)) => known::training_folders(tree, what, &used, &labels)?,
        false if samples.named.iter().all(|named| *named == Some(Named::Train)) => known::other_folders(tree, what, &used, &labels),
        _ => Vec::new(),
    };
    for (entry, class, named) in found {
        samples.entries.push(entry);
        samples.texts.push(Some(class));
        samples.named.push(Some(named));
    }
    Ok(())
}
