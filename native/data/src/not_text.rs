//! Files that read as text and are rather something else: lists and tables of numbers, pages whose documents tell their splits.

use crate::error::{Place, Problem, Result};
use crate::images::named_split;
use crate::options::{Format, Options};
use crate::tree::Tree;

/// So much of files is looked at, bytes.
pub const COMPARED: usize = 8192;
/// Of the files of a larger folder none is a list beside the others.
pub const FEW: usize = 20;
/// So many numbers a row are rather a table than text.
const WIDE: usize = 16;

/// Every line is an address, or numbers.
pub fn is_list(head: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(head).or_else(|error| std::str::from_utf8(&head[..error.valid_up_to()])) else { return false };
    // The last line may be cut, or the last word of a sole one.
    let whole = if head.len() < COMPARED {
        text
    } else {
        text.rsplit_once(if text.contains('\n') { '\n' } else { ' ' }).map_or("", |(whole, _)| whole)
    };
    let mut lines = whole.lines().map(str::trim).filter(|line| !line.is_empty()).peekable();
    // Behind an address stands nothing; before it a name may stand.
    let is_address = |line: &str| {
        let at = ["http://", "https://", "ftp://"].iter().find_map(|start| line.find(start));
        at.is_some_and(|at| !line[at..].contains(' ') && line[..at].split_whitespace().count() <= 8)
    };
    let is_path = |part: &str| part.contains('/') && part.rsplit_once('.').is_some_and(|(_, ending)| (1..=5).contains(&ending.len()));
    let are_numbers = |line: &str| {
        line.split([' ', '\t', ',', ';']).filter(|part| !part.is_empty()).all(|part| part.parse::<f64>().is_ok() || is_path(part))
    };
    lines.peek().is_some() && lines.all(|line| is_address(line) || are_numbers(line))
}

/// Numbers in each line, where all lines of the beginning have as many.
fn numbers_per_line(head: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(head).ok()?;
    let (whole, _) = text.rsplit_once('\n')?;
    let count = |line: &str| {
        let mut parts = line.split([' ', '\t', ',', ';']).filter(|part| !part.is_empty());
        parts.by_ref().try_fold(0, |count, part| part.parse::<f64>().is_ok().then_some(count + 1))
    };
    let mut counts = whole.lines().filter(|line| !line.trim().is_empty()).map(count);
    let first = counts.next().flatten()?;
    counts.all(|other| other == Some(first)).then_some(first)
}

/// What is wrong where rows of as many numbers each are most of the text: a table, such as images beside their labels. `others`: bytes of
/// what is no document.
pub fn number_table(tree: &Tree, documents: &[usize], others: u64) -> Option<Problem> {
    let per_line = |at: usize| {
        let count = tree.head(&tree.entries[at], COMPARED).ok().and_then(|head| numbers_per_line(&head));
        count.filter(|count| *count >= WIDE)
    };
    if documents.len() > FEW {
        return None;
    }
    let tables: Vec<(usize, usize)> = documents.iter().filter_map(|at| Some((*at, per_line(*at)?))).collect();
    let size = |at: usize| tree.size(&tree.entries[at]);
    let of_tables: u64 = tables.iter().map(|(at, _)| size(*at)).sum();
    let all: u64 = others + documents.iter().map(|at| size(*at)).sum::<u64>();
    let (first, count) = tables.first().filter(|_| 2 * of_tables > all)?;
    let file = tree.display(&tree.entries[*first]);
    let sentence = format!(
        "{file} is a table of {count} numbers a row, not text; save images as CSV with one column of labels and a square number of pixels, \
         tokens as .npy"
    );
    let as_text = Options { format: Some(Format::Text), table: Some("*".into()), ..Options::default() };
    let problem = Problem::error("number-table", sentence).counted(tables.len() as u64).at(Place::file(file));
    Some(problem.with("choose", "Take all as text", as_text))
}

/// The attribute by which documents in a page tell their splits: `LEWISSPLIT="TRAIN"`.
fn split_inside(head: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(head).to_lowercase();
    text.match_indices("split=").find_map(|(at, found)| {
        let value: String = text[at + found.len()..].trim_start_matches(['"', '\'']).chars().take_while(|c| c.is_alphabetic()).collect();
        let name: String = text[..at].chars().rev().take_while(|c| c.is_alphanumeric()).collect();
        named_split(&value).map(|_| format!("{}split", name.chars().rev().collect::<String>()))
    })
}

/// Refuses pages whose documents tell splits, which are not read.
pub fn no_splits_inside(tree: &Tree, pages: &[usize]) -> Result<()> {
    let tells = |at: &usize| {
        let head = tree.head(&tree.entries[*at], COMPARED).ok()?;
        split_inside(&head).map(|name| (*at, name))
    };
    let Some((at, name)) = pages.iter().take(FEW).find_map(tells) else { return Ok(()) };
    let file = tree.display(&tree.entries[at]);
    let sentence = format!(
        "the documents in {file} tell their splits ({name}), which are not read from marked-up pages; save the text of each split as a file \
         (train.txt, test.txt)"
    );
    let together = Options { validation: Some(0.1), ..Options::default() };
    let problem = Problem::error("splits-inside", sentence).at(Place::file(file));
    Err(problem.with("split", "Take all together, with the marks, and keep 10 %", together).into())
}
