//! Text that is named for no split beside text for validation or testing alone: the training text where its name says so, else a question.

use crate::error::{Place, Problem, Result};
use crate::image_table::is_named;
use crate::images::named_split;
use crate::options::Options;
use crate::tree::{Entry, Tree};

/// Names of files and folders that say nothing of what is in them.
const PLAIN: [&str; 15] =
    ["data", "dataset", "corpus", "text", "texts", "txt", "all", "full", "input", "main", "raw", "documents", "docs", "doc", "part"];

/// Words of a name that do not speak of splits.
fn base(entry: &Entry) -> String {
    let stem = entry.stem().to_lowercase();
    let words = stem.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty() && named_split(word).is_none());
    words.collect::<Vec<_>>().join(" ")
}

/// `data.txt`, `shakespeare.txt` beside `shakespeare_val.txt`, or `data/0.txt` where the others lie elsewhere.
fn is_training(stray: &Entry, evaluated: &[&Entry]) -> bool {
    let own = base(stray);
    let is_plain = |name: &str| PLAIN.contains(&name);
    let folder = stray.folder();
    let is_apart = !evaluated.iter().any(|entry| entry.folder().starts_with(folder));
    let is_alike = own.split(' ').all(is_plain) || evaluated.iter().any(|entry| base(entry) == own);
    (!own.is_empty() && is_alike) || (is_apart && is_plain(&folder.rsplit('/').next().unwrap_or_default().to_lowercase()))
}

/// For each stray whether it is trained on or else left out. `evaluated`: entries of the other splits.
pub fn train(tree: &Tree, strays: &[usize], evaluated: &[usize], options: &Options) -> Result<Vec<bool>> {
    if let Some(chosen) = &options.train_on {
        return Ok(strays.iter().map(|at| is_named(&tree.entries[*at], chosen)).collect());
    }
    let others: Vec<&Entry> = evaluated.iter().map(|at| &tree.entries[*at]).collect();
    if strays.iter().all(|at| is_training(&tree.entries[*at], &others)) {
        return Ok(vec![true; strays.len()]);
    }
    let first = tree.display(&tree.entries[strays[0]]);
    let files = match strays.len() {
        1 => format!("{first} is named for no split"),
        count => format!("{count} files, such as {first}, are named for no split"),
    };
    let sentence = format!("no text is named for training, some is for validation or testing, and {files}; is that the training text?");
    let problem = Problem::error("no-training-split", sentence).counted(strays.len() as u64).at(Place::file(first));
    let Some(name) = common_name(tree, strays, evaluated) else {
        let together = Options { validation: Some(0.1), ..Options::default() };
        return Err(problem.with("split", "Take all files together and keep 10 %", together).into());
    };
    let train = Options { train_on: Some(name.clone()), ..Options::default() };
    let leave = Options { leave_out: Some(name.clone()), ..Options::default() };
    let mut answers = [("split", format!("Train on {name}"), train), ("choose", format!("Leave {name} out"), leave)];
    // The training text is the larger.
    let bytes = |files: &[usize]| files.iter().map(|at| tree.size(&tree.entries[*at])).sum::<u64>();
    if bytes(strays) < bytes(evaluated) {
        answers.reverse();
    }
    Err(answers.into_iter().fold(problem, |problem, (action, title, options)| problem.with(action, title, options)).into())
}

/// What the names of these files share, with a star for the rest, which means none of the others.
fn common_name(tree: &Tree, files: &[usize], others: &[usize]) -> Option<String> {
    let names: Vec<&str> = files.iter().map(|at| tree.entries[*at].name.as_str()).collect();
    let (first, rest) = names.split_first()?;
    if rest.is_empty() {
        return Some((*first).to_owned());
    }
    let shared = |of: &dyn Fn(&str) -> Vec<char>| {
        let first = of(first);
        rest.iter().fold(first.len(), |count, name| first[..count].iter().zip(of(name)).take_while(|(a, b)| *a == b).count())
    };
    let letters: Vec<char> = first.chars().collect();
    let start = shared(&|name| name.chars().collect());
    let shortest = names.iter().map(|name| name.chars().count()).min().unwrap_or(0);
    let end = shared(&|name| name.chars().rev().collect()).min(shortest - start);
    let name = format!("{}*{}", letters[..start].iter().collect::<String>(), letters[letters.len() - end..].iter().collect::<String>());
    (!others.iter().any(|at| is_named(&tree.entries[*at], &name))).then_some(name)
}
