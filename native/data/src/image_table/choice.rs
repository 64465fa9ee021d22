//! Which of several files tell the labels: those named for a split, else the one there is, or several alike; else it is asked.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::beside_folders::{Classes, take_folders};
use super::index::{Found, Index};
use super::{LabelFile, Role, candidates, columns, detection, divisions, ground_truth, is_named, known, names, reading, role};
use crate::account::Account;
use crate::column_splits::Told;
use crate::error::{Place, Problem, Result};
use crate::image_parquet::split_of;
use crate::images::Named;
use crate::options::Options;
use crate::sniff::What;
use crate::tree::Tree;

/// The files that count: those named for a split, else the one there is, or several alike; and those that tell splits alone.
pub fn choose(
    tree: &Tree,
    what: &[What],
    index: &Index,
    options: &Options,
    (account, problems): (&mut Account, &mut Vec<Problem>),
) -> Result<(Vec<LabelFile>, Vec<LabelFile>)> {
    if options.table.is_none() {
        let known = known::birds(tree)?;
        if let Some(file) = known.map_or_else(|| ground_truth::open(tree, what), |file| Ok(Some(file)))? {
            return Ok((vec![file], Vec::new()));
        }
    }
    let (mut found, mut splits, mut asked, mut refused) = (Vec::new(), Vec::new(), None, None);
    let mut others: Vec<(usize, &str)> = Vec::new();
    for at in candidates(tree, what) {
        match role(tree, what, at, index, options)? {
            Role::Labels(file) => found.push(file),
            Role::Splits(file) => {
                if options.table.as_ref().is_some_and(|chosen| is_named(&tree.entries[at], chosen)) {
                    refused.get_or_insert((at, "tables of splits"));
                }
                splits.push(file);
            }
            Role::Other(why) if options.table.as_ref().is_some_and(|chosen| is_named(&tree.entries[at], chosen)) => {
                refused.get_or_insert((at, why));
            }
            // What is no table may be something else that is used.
            Role::Other(_) if names::is_names(&tree.entries[at]) || what[at] == What::Text => {}
            Role::Other(why) => others.push((at, why)),
            Role::Asked(entry, problem) => {
                account.leave_out(tree, entry, "tables without a column of labels that is known by its name");
                // A question with an answer before others, and of those the table for training.
                let rank = |problem: &Problem| (problem.remedies.is_empty(), split_of(&tree.entries[entry]) != Some(Named::Train));
                let rank = rank(&problem);
                if asked.as_ref().is_none_or(|(known, _)| rank < *known) {
                    asked = Some((rank, problem));
                }
            }
        }
    }
    if found.is_empty() && asked.is_none() && options.table.is_none() {
        found.extend(columns::role_of_sidecars(tree, what, index, options)?);
        if found.is_empty()
            && let Some(detection::Found { files, problem }) = detection::find(tree, what, index)?
        {
            problems.push(problem);
            found = files;
        }
        if !found.is_empty() {
            let used: HashSet<usize> = found.iter().flat_map(LabelFile::entries).collect();
            others.retain(|(at, _)| !used.contains(at));
            others.into_iter().for_each(|(at, why)| account.leave_out(tree, at, why));
            return Ok((found, splits));
        }
    }
    others.into_iter().for_each(|(at, why)| account.leave_out(tree, at, why));
    // What is asked of the table for training comes before tables of other splits.
    let is_of_training = |asked: &Option<((bool, bool), Problem)>| asked.as_ref().is_some_and(|((_, is_other), _)| !is_other);
    if found.iter().all(|file| matches!(file.named, Some(Named::Validation | Named::Test))) && is_of_training(&asked) {
        found.clear();
    }
    if found.is_empty() {
        return Err(nothing_found(tree, what, asked.map(|(_, problem)| problem), refused, options).into());
    }
    let has_chosen = |file: &LabelFile| options.label_column.as_ref().is_some_and(|column| file.columns.contains(column));
    if found.iter().any(has_chosen) {
        for file in found.extract_if(.., |file| !has_chosen(file)) {
            account.leave_out(tree, file.entry, "files without the column that was chosen");
        }
    }
    for at in divisions::settle(tree, &mut found, options)?.into_iter().chain(divisions::settle(tree, &mut splits, options)?) {
        account.leave_out(tree, at, divisions::OTHERS);
    }
    if found.iter().any(|file| file.named == Some(Named::Train)) {
        for file in found.extract_if(.., |file| file.named.is_none()) {
            account.leave_out(tree, file.entry, "tables beside those named for a split");
        }
    }
    let several = found.iter().filter(|file| file.named == found[0].named).count() > 1;
    if several && found.iter().any(|file| file.group != found[0].group) {
        return Ok((one_group(tree, index, found, account)?, splits));
    }
    Ok((found, splits))
}

/// What is asked of a table, or why there is none.
fn nothing_found(tree: &Tree, what: &[What], asked: Option<Problem>, refused: Option<(usize, &'static str)>, options: &Options) -> Problem {
    let offer = |problem: Problem| match Classes::of(tree, what) {
        // A question about the levels of folders has its own answers.
        Some(classes) if classes.are_likely() && problem.code != "which-classes" => take_folders(problem),
        _ => problem,
    };
    if let Some(problem) = asked {
        return offer(problem);
    }
    let image = what.iter().position(|what| *what == What::Image).map_or("", |at| tree.entries[at].name.as_str());
    match (refused, &options.table) {
        (Some((at, columns::NAMES_NO_IMAGES)), _) => {
            let file = tree.display(&tree.entries[at]);
            let sentence = format!("{file} names no image that is there; the images are called like {image}");
            offer(Problem::error("no-table", sentence).at(Place::file(file)))
        }
        (Some((at, why)), _) => {
            let file = tree.display(&tree.entries[at]);
            offer(Problem::error("no-table", format!("{file} tells no labels of images: it is one of the {why}")).at(Place::file(file)))
        }
        (None, Some(chosen)) => {
            let problem = Problem::error("no-table", format!("there is no table or list called {chosen}"));
            let name = |at: usize| tree.entries[at].name.clone();
            let tables = candidates(tree, what).into_iter().map(name);
            tables.take(12).fold(problem, |problem, name| problem.at(Place::file(name)))
        }
        (None, None) => Problem::error("no-column", "there is no CSV, JSON or list with image files and their labels"),
    }
}

/// Label and split of images.
type Said = HashMap<usize, (Option<String>, Option<Named>)>;

/// Of several groups the largest, where the others say nothing else; else it is asked.
fn one_group(tree: &Tree, index: &Index, mut files: Vec<LabelFile>, account: &mut Account) -> Result<Vec<LabelFile>> {
    let mut said: HashMap<String, Said> = HashMap::new();
    for file in &files {
        let of_group = said.entry(file.group.clone()).or_default();
        for (row, found) in reading::located(tree, file, index)? {
            let named = if let Told::Split(named) = row.split { named } else { file.named };
            let images = match found {
                Found::One(image) => vec![image],
                Found::All(images) => images,
                Found::Several(_) | Found::None => continue,
            };
            of_group.extend(images.into_iter().map(|image| (image, (row.label.clone(), named))));
        }
    }
    let Some((largest, all)) = said.iter().max_by_key(|(group, rows)| (rows.len(), std::cmp::Reverse((*group).clone()))) else {
        return Ok(files);
    };
    let repeated = said.values().all(|rows| rows.iter().all(|(entry, row)| all.get(entry) == Some(row)));
    if !repeated {
        return Err(which_table(tree, &files, "there are several tables of images and labels; which of them counts?").into());
    }
    for file in files.extract_if(.., |file| file.group != *largest) {
        account.leave_out(tree, file.entry, "tables that say what others say");
    }
    Ok(files)
}

/// Offers the files; of several that go together what is common to their names.
pub fn which_table(tree: &Tree, files: &[LabelFile], sentence: &str) -> Problem {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for file in files {
        let name = tree.entries[file.entry].name.as_str();
        match groups.iter_mut().find(|(group, _)| *group == file.group) {
            Some((_, names)) => names.push(name),
            None => groups.push((&file.group, vec![name])),
        }
    }
    let mut choices: Vec<String> = groups.iter().map(|(_, names)| common_name(names)).collect();
    // Files of one kind that contradict each other, or that share a beginning with another group.
    let is_sure = |choice: &String| {
        let all = files.iter().filter(|file| is_named(&tree.entries[file.entry], choice));
        all.map(|file| &file.group).collect::<BTreeSet<_>>().len() == 1
    };
    if groups.len() < 2 || !choices.iter().all(is_sure) {
        choices = files.iter().map(|file| tree.entries[file.entry].name.clone()).collect();
    }
    let offer = |problem: Problem, choice: &String| {
        problem.with("choose", format!("Take {choice}"), Options { table: Some(choice.clone()), ..Options::default() })
    };
    choices.iter().take(12).fold(Problem::error("which-table", sentence).counted(files.len() as u64), offer)
}

/// The beginning and the end that all names share, with a star between them.
fn common_name(names: &[&str]) -> String {
    let [first, rest @ ..] = names else { return String::new() };
    if rest.is_empty() {
        return (*first).to_owned();
    }
    let shared = |of: &dyn Fn(&str) -> Vec<char>| {
        let first = of(first);
        rest.iter().fold(first.len(), |count, name| first[..count].iter().zip(of(name)).take_while(|(a, b)| *a == b).count())
    };
    let characters: Vec<char> = first.chars().collect();
    let start = shared(&|name| name.chars().collect());
    let end = shared(&|name| name.chars().rev().collect()).min(characters.len() - start);
    let (start, end): (String, String) = (characters[..start].iter().collect(), characters[characters.len() - end..].iter().collect());
    format!("{start}*{end}")
}
