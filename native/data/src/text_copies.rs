//! Tables of text that hold the same rows: one table in several formats is read once; which of a table and its part or copy counts is asked.

use crate::error::{Error, Place, Problem, Result};
use crate::images::Named;
use crate::options::Options;
use crate::text::until_enough;
use crate::text_rows::{Content, Rows};
use crate::tree::{Entry, Tree};

/// Tables that are compared; more are shards.
const MOST: usize = 100;
/// Rows that are compared.
const COMPARED: usize = 3;
/// What a part of a table is called behind its name.
const PARTS: [&str; 11] = ["small", "sample", "samples", "subset", "mini", "tiny", "head", "toy", "debug", "example", "examples"];

/// A table, and what the files' names say of its split.
pub struct Table<'a> {
    pub entry: usize,
    pub split: Option<Named>,
    pub rows: &'a Rows,
}

/// Entries of tables that repeat others in another format. Fails where a table has a part or a copy beside it.
pub fn find(tree: &Tree, tables: &[Table], options: &Options) -> Result<Vec<usize>> {
    if tables.len() < 2 || tables.len() > MOST || options.table.as_deref().is_some_and(|table| table != "*") {
        return Ok(Vec::new());
    }
    let firsts = tables.iter().map(|table| first(tree, table)).collect::<Result<Vec<_>>>()?;
    let mut repeated = Vec::new();
    for (at, table) in tables.iter().enumerate() {
        let entry = &tree.entries[table.entry];
        let is_beside = |other: &usize| {
            let other = &tables[*other];
            other.split == table.split && tree.entries[other.entry].folder() == entry.folder() && !repeated.contains(&other.entry)
        };
        let of = |other: usize| &tree.entries[tables[other].entry];
        let same = |other: &usize| firsts[at].len() > 1 && firsts[*other] == firsts[at];
        let others: Vec<usize> = (0..at).filter(is_beside).collect();
        // Shards are called alike and have one ending.
        let in_another_format = |other: &usize| of(*other).stem() == entry.stem() && of(*other).extension() != entry.extension();
        if others.iter().any(|other| same(other) && in_another_format(other)) {
            repeated.push(table.entry);
            continue;
        }
        let is_part = |other: &usize| part_of(entry, of(*other)) || part_of(of(*other), entry);
        if let Some(other) = others.into_iter().find(|other| options.table.is_none() && (same(other) || is_part(other))) {
            let more = (at + 1..tables.len()).filter(|next| is_beside(next) && same(next)).map(of);
            return Err(which(tree, of(other), entry, same(&other), more.collect()).into());
        }
    }
    Ok(repeated)
}

/// Tables whose first texts are nothing but numbers.
pub fn of_numbers(tree: &Tree, tables: &[Table]) -> Result<Vec<usize>> {
    let is_number = |part: &str| part.parse::<f64>().is_ok();
    let mut found = Vec::new();
    for table in tables.iter().take(MOST) {
        let texts = first(tree, table)?;
        if !texts.is_empty() && texts.iter().all(|text| !text.trim().is_empty() && text.split_whitespace().all(is_number)) {
            found.push(table.entry);
        }
    }
    Ok(found)
}

/// The first texts of a table.
fn first(tree: &Tree, table: &Table) -> Result<Vec<String>> {
    let mut first = Vec::new();
    let read = table.rows.documents(tree, &tree.entries[table.entry], &mut |document| {
        first.push(match document.map(|document| document.text) {
            Ok(Content::Text(text)) => text,
            Ok(Content::Bytes(bytes)) => String::from_utf8_lossy(bytes.data()).into_owned(),
            Ok(Content::Nothing | Content::Rejected) | Err(_) => String::new(),
        });
        if first.len() < COMPARED { Ok(()) } else { Err(Error::Cancelled) }
    });
    match until_enough(read) {
        // Reading the whole table says so.
        Err(Error::Data(_)) => Ok(Vec::new()),
        read => read.map(|()| first),
    }
}

/// Whether a file is called as a part of another.
fn part_of(part: &Entry, whole: &Entry) -> bool {
    let rest = part.stem().to_lowercase();
    let rest = rest.strip_prefix(&whole.stem().to_lowercase()).and_then(|rest| rest.strip_prefix(['_', '-', '.']));
    rest.is_some_and(|rest| PARTS.contains(&rest)) && part.extension() == whole.extension()
}

/// `more`: others that begin with the same rows.
fn which(tree: &Tree, one: &Entry, other: &Entry, same: bool, more: Vec<&Entry>) -> Problem {
    let mut both = [one, other];
    both.sort_by_key(|entry| std::cmp::Reverse(tree.size(entry)));
    let [large, small] = both.map(|entry| tree.display(entry));
    let sentence = match same {
        true => format!("{large} and {small} begin with the same rows; which of them counts?"),
        false => format!("{small} is called as a part of {large}; which of them counts?"),
    };
    let offer = |problem: Problem, entry: &&Entry| {
        problem.with("choose", format!("Take {}", entry.name), Options { table: Some(entry.name.clone()), ..Options::default() })
    };
    let problem = both.iter().chain(&more).take(12).fold(Problem::error("which-table", sentence).at(Place::file(large)), offer);
    problem.with(
        "choose",
        if more.is_empty() { "Take both" } else { "Take all" },
        Options { table: Some("*".into()), ..Options::default() },
    )
}
