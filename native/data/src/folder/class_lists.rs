//! Lists of some of the classes beside their folders, as benchmarks of few images and subsets have: `classes.txt` of ten of a hundred folders,
//! `train_classes.txt` and `test_classes.txt`. Whether all folders count or those that a list names is asked.

use std::collections::{BTreeMap, BTreeSet};

use crate::account::Account;
use crate::error::{Place, Problem, Result};
use crate::image_parquet::split_of;
use crate::image_table::{is_named, texts};
use crate::images::Named;
use crate::layout::class_name;
use crate::options::{Format, Options};
use crate::sniff::What;
use crate::tree::{Entry, Tree};

/// A longer file lists no classes, bytes.
const LARGEST: usize = 1 << 20;
/// As the account calls lists that count.
const USED: &str = "lists of classes";

/// The classes that a text names, each in a line; `None`: it has other lines too, or fewer than two.
fn named(tree: &Tree, entry: &Entry, classes: &BTreeSet<&str>) -> Result<Option<BTreeSet<String>>> {
    if tree.size(entry) > LARGEST as u64 {
        return Ok(None);
    }
    let text = tree.read_all(entry, LARGEST)?;
    let text = String::from_utf8_lossy(&text);
    let mut found = BTreeSet::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words = [Some(line), line.split(char::is_whitespace).next(), line.rsplit(char::is_whitespace).next()];
        let Some(class) = words.into_iter().flatten().map(class_name).find(|name| classes.contains(name.as_str())) else { return Ok(None) };
        if !found.insert(class) {
            return Ok(None);
        }
    }
    Ok((found.len() > 1).then_some(found))
}

/// The classes of the list that was chosen; `None`: all. Lists of all classes change nothing. Fails with a question where lists name some of
/// them and nothing was chosen. `levels`: the choice of the folders as they are read.
pub fn chosen(
    tree: &Tree,
    what: &[What],
    classes: &[Option<String>],
    levels: Options,
    options: &Options,
    account: &mut Account,
) -> Result<Option<BTreeSet<String>>> {
    let all: BTreeSet<&str> = classes.iter().flatten().map(String::as_str).collect();
    let mut lists: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for at in texts(tree, what) {
        if let Some(names) = named(tree, &tree.entries[at], &all)? {
            lists.insert(at, names);
        }
    }
    if let Some(table) = &options.table {
        let wanted = lists.iter().filter(|(at, _)| is_named(&tree.entries[**at], table));
        let wanted: Vec<(usize, &BTreeSet<String>)> = wanted.map(|(at, names)| (*at, names)).collect();
        wanted.iter().for_each(|(at, _)| account.use_as(tree, *at, USED));
        lists.keys().for_each(|at| account.leave_out(tree, *at, "other lists of classes"));
        return Ok((!wanted.is_empty()).then(|| wanted.into_iter().flat_map(|(_, names)| names.iter().cloned()).collect()));
    }
    let mut some: Vec<(&usize, &BTreeSet<String>)> = lists.iter().filter(|(_, names)| names.len() < all.len()).collect();
    some.sort_by_key(|(at, _)| split_of(&tree.entries[**at]) != Some(Named::Train));
    lists.keys().for_each(|at| account.leave_out(tree, *at, USED));
    let Some((first, names)) = some.first().filter(|_| options.class_level.is_none()) else { return Ok(None) };
    let file = tree.display(&tree.entries[**first]);
    let which = match some.len() {
        1 => format!("{file} names {} of", names.len()),
        count => format!("{count} lists, such as {file}, name some of"),
    };
    let sentence = format!("{which} the {} folders of classes; do all folders count?", all.len());
    let problem = Problem::error("which-classes", sentence).at(Place::file(file)).with("choose", "Take all folders", levels);
    let offer = |problem: Problem, (at, names): &(&usize, &BTreeSet<String>)| {
        let name = tree.entries[**at].name.clone();
        let title = format!("Take the {} classes of {name}", names.len());
        problem.with("choose", title, Options { table: Some(name), format: Some(Format::ImageFolder), ..Options::default() })
    };
    Err(some.iter().take(6).fold(problem, offer).into())
}
