//! Pictures of a class that are there under one name in folders of several sizes: `cat/0.png` and `cat/small/0.png`, `cat/full/0.png` and
//! `cat/thumbs/0.png`. Which of them counts is asked.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::error::{Problem, Result};
use crate::layout::is_form;
use crate::options::Options;
use crate::pixels::{self, Header};
use crate::tree::{Entry, Tree};

/// Pictures whose sizes are compared.
const COMPARED: usize = 20;
/// Bytes of a picture by which its size is known.
const HEAD: usize = 1 << 16;
/// Fewer pictures have one name by chance.
const FEWEST: usize = 2;

/// A picture's path without the folder of its form, and that folder: `cat/0` and `small` of `cat/small/0.png`.
fn apart(entry: &Entry) -> (String, Option<(usize, &str)>) {
    let parts: Vec<&str> = entry.folder().split('/').filter(|part| !part.is_empty()).collect();
    let form = parts.iter().rposition(|part| part.split(|c: char| !c.is_alphanumeric()).any(is_form));
    let rest: Vec<&str> =
        parts.iter().enumerate().filter(|(at, _)| Some(*at) != form).map(|(_, part)| *part).chain([entry.stem()]).collect();
    (rest.join("/"), form.map(|at| (at, parts[at])))
}

fn size(tree: &Tree, entry: &Entry) -> Option<(usize, usize)> {
    let Header { height, width, .. } = pixels::header(&tree.head(entry, HEAD).ok()?).ok()?;
    Some((height, width))
}

/// `images`: entries of the samples, each a picture of a class; `all`: the choice that takes each of them.
pub fn one_size(tree: &Tree, images: &[usize], all: Options) -> Result<()> {
    let has_form = |at: &&usize| apart(&tree.entries[**at]).1.is_some();
    if !images.iter().any(|at| has_form(&at)) {
        return Ok(());
    }
    let mut of_name: HashMap<String, Vec<usize>> = HashMap::new();
    images.iter().for_each(|&at| of_name.entry(apart(&tree.entries[at]).0).or_default().push(at));
    let several: BTreeMap<&String, &Vec<usize>> = of_name.iter().filter(|(_, entries)| entries.len() > 1).collect();
    let count: usize = several.values().map(|entries| entries.len()).sum();
    let differ = |entries: &&&Vec<usize>| {
        let sizes: BTreeSet<Option<(usize, usize)>> = entries.iter().map(|at| size(tree, &tree.entries[*at])).collect();
        sizes.len() == entries.len()
    };
    if several.len() < FEWEST || 2 * count < images.len() || !several.values().take(COMPARED).all(|entries| differ(&entries)) {
        return Ok(());
    }
    let forms: BTreeSet<Option<(usize, &str)>> =
        several.values().flat_map(|entries| entries.iter().map(|at| apart(&tree.entries[*at]).1)).collect();
    let Some([one, other]) = several.values().next().and_then(|entries| entries.first_chunk::<2>()) else { return Ok(()) };
    let sentence = format!(
        "{count} images are there in several sizes under one name, such as {} and {}; which of them count?",
        tree.display(&tree.entries[*one]),
        tree.display(&tree.entries[*other])
    );
    let pattern = |(level, name): (usize, &str)| format!("{}{name}", "*/".repeat(level));
    let named: Vec<(usize, &str)> = forms.iter().flatten().copied().collect();
    // Those outside the folders of forms are left where these are left out.
    let rest = match (&named[..], forms.contains(&None)) {
        (&[only], true) => Some(("Take those outside it".to_owned(), Options { leave_out: Some(pattern(only)), ..Options::default() })),
        _ => None,
    };
    let alone = named
        .iter()
        .map(|&form| (format!("Take those in {} alone", form.1), Options { folder: Some(pattern(form)), ..Options::default() }));
    let offer = |problem: Problem, (title, options): (String, Options)| problem.with("choose", title, options);
    let all = ("Take each image as a sample".to_owned(), all);
    Err(rest.into_iter().chain(alone).chain([all]).fold(Problem::error("several-sizes", sentence).counted(count as u64), offer).into())
}
