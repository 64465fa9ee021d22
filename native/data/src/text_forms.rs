//! Files that may be one text in several forms: languages (`en/train.txt`, `train.de`), versions (`v1/a.txt`), steps of its making
//! (`a.raw.txt`, `ptb.char.train.txt`) or tokens of several tokenizers. Nothing in the files tells whether they belong together, so which of
//! them counts is a question.
//!
//! A file that is called after its split is a form by all other words of its path. Of other files those are forms of one another whose paths
//! differ by nothing but a word of a form and the ending. Folders that merely have files of the same names are told of as text, and asked as
//! tokens, which have a vocabulary each.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::error::{Place, Problem, Result};
use crate::image_parquet::split_of;
use crate::image_table::is_named;
use crate::images::{Named, named_split};
use crate::options::Options;
use crate::packed::plain_name;
use crate::tree::{Entry, Tree};

/// Forms that are offered one by one.
const OFFERED: usize = 6;
/// More groups that are called after no form are sources of one text.
const FEW: usize = 3;
/// What a form of a text is called.
const FORMS: &str = "raw clean cleaned char chars character characters words bytes tok token tokens tokenized tokenised bpe spm lower \
    lowercase lowercased cased uncased norm normalized processed preprocessed unprocessed original orig filtered unfiltered \
    dedup deduplicated plain annotated parsed small sample mini tiny full source target src tgt input output text counts";
const LANGUAGES: &str = "ar bg bn ca cs da de el en es et fa fi fr gu he hi hr hu id it ja ko lt lv nl no pl pt ro ru sk sl sr sv ta th tr uk vi \
    zh cn eng deu ger fra fre spa ita rus zho jpn english german french spanish italian russian chinese japanese arabic \
    portuguese dutch turkish";
/// Of numbered parts.
const PARTS: [&str; 10] = ["part", "shard", "chunk", "batch", "file", "split", "of", "vol", "volume", "piece"];

/// Files of a folder that are compared.
const MOST_COMPARED: usize = 16;
/// Letters that the names of forms begin with alike.
const LEAST_SHARED: usize = 3;
/// Bytes of a file that are compared, at so many places, so many bytes at each.
const HEAD: usize = 1 << 16;
const WINDOWS: usize = 64;
const WINDOW: usize = 48;

/// What becomes of the files.
#[derive(Default)]
pub struct Settled {
    /// Entries of forms that were not chosen.
    pub left_out: Vec<usize>,
    pub problem: Option<Problem>,
}

pub enum Of {
    Text,
    Tokens,
}

/// A form, and its entries.
type Forms = BTreeMap<Vec<String>, Vec<usize>>;
/// A split, and the words of a path that are of no form.
type Slot = (Option<Named>, Vec<String>);

/// Fails where several forms lie side by side and none is chosen (`table`; a star stands for all).
pub fn settle(tree: &Tree, files: &[usize], of: Of, options: &Options) -> Result<Settled> {
    let (called, others): (Vec<usize>, Vec<usize>) =
        files.iter().copied().partition(|at| named_split(tree.entries[*at].file_name()).is_some());
    let is_counted = files.iter().any(|at| words_of(tree, *at).iter().any(|word| ["aa", "xaa"].contains(&word.as_str())));
    let mut forms = by_split(tree, &called);
    // Many corpora, or several that share what is validated on, are rather meant to be one.
    let mut is_sure = forms.keys().flatten().any(|word| is_form(word)) || (forms.len() <= FEW && share_all(tree, &forms, files));
    // Beside files that are called after their splits others are strays.
    let are_strays = others.len() < called.len();
    if forms.len() < 2 && !are_strays {
        forms = by_words(tree, &others);
        is_sure = 2 * forms.values().map(Vec::len).sum::<usize>() >= others.len();
    }
    if !are_strays {
        let alike = by_content(tree, &others);
        if alike.len() > 1 && alike.values().map(Vec::len).sum::<usize>() >= forms.values().map(Vec::len).sum() {
            (forms, is_sure) = (alike, true);
        }
    }
    if forms.len() < 2 && !are_strays {
        forms = by_folder(tree, &others);
        is_sure = matches!(of, Of::Tokens);
    }
    if forms.len() < 2 || is_counted {
        return Ok(Settled::default());
    }
    if let Some(chosen) = &options.table {
        let is_chosen = |form: &&Vec<usize>| form.iter().any(|at| is_named(&tree.entries[*at], chosen));
        if forms.values().any(|form| is_chosen(&form)) {
            let left_out = forms.values().filter(|form| !is_chosen(form)).flatten().copied().collect();
            return Ok(Settled { left_out, problem: None });
        }
    }
    let problem = told(tree, &forms, &of, is_sure);
    if is_sure { Err(problem.into()) } else { Ok(Settled { left_out: Vec::new(), problem: Some(problem) }) }
}

fn parts(name: &str) -> impl Iterator<Item = String> {
    name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

fn words_of(tree: &Tree, at: usize) -> Vec<String> {
    parts(plain_name(&tree.entries[at].name)).collect()
}

fn is_form(word: &str) -> bool {
    let is_version = word.strip_prefix('v').is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()));
    is_version || FORMS.split(' ').chain(LANGUAGES.split(' ')).any(|known| known == word)
}

/// It numbers a part, or is a sum of its content.
fn is_number(word: &str) -> bool {
    let letters = word.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_sum = word.len() >= 8 && word.bytes().any(|byte| byte.is_ascii_digit());
    letters.is_empty() || is_sum || (letters.len() == 1 && letters != "v") || PARTS.contains(&letters)
}

/// Files that are called after their split, by the other words of their path.
fn by_split(tree: &Tree, files: &[usize]) -> Forms {
    let mut forms = Forms::new();
    for &at in files {
        let entry = &tree.entries[at];
        let folders = entry.folder().split('/').filter(|folder| !parts(folder).all(|word| is_number(&word)));
        let speaks = |word: &String| named_split(word).is_none();
        let words = folders.flat_map(parts).chain(parts(plain_name(entry.file_name())).filter(|word| !is_number(word)));
        forms.entry(words.filter(speaks).collect()).or_default().push(at);
    }
    // Those of a split that no other has are no other form.
    let mut of_split: BTreeMap<Option<Named>, usize> = BTreeMap::new();
    let splits = |files: &[usize]| files.iter().map(|at| split_of(&tree.entries[*at])).collect::<BTreeSet<_>>();
    forms.values().flat_map(|files| splits(files)).for_each(|split| *of_split.entry(split).or_default() += 1);
    forms.retain(|_, files| splits(files).iter().any(|split| of_split[split] > 1));
    without_common(forms)
}

/// All files that are called after a split belong to a form.
fn share_all(tree: &Tree, forms: &Forms, files: &[usize]) -> bool {
    let inside: BTreeSet<usize> = forms.values().flatten().copied().collect();
    files.iter().all(|at| inside.contains(at) || split_of(&tree.entries[*at]).is_none())
}

/// Files whose paths are the same but for words of forms and the ending.
fn by_words(tree: &Tree, files: &[usize]) -> Forms {
    let mut slots: HashMap<Slot, Vec<(Vec<String>, usize)>> = HashMap::new();
    for &at in files {
        let entry = &tree.entries[at];
        let name = plain_name(&entry.name);
        let (path, ending) = match name.rsplit_once('.') {
            Some((path, ending)) if !ending.contains('/') => (path, Some(ending.to_lowercase())),
            _ => (name, None),
        };
        let (form, rest): (Vec<String>, Vec<String>) = parts(path).partition(|word| is_form(word));
        let split = split_of(entry);
        let rest = rest.into_iter().filter(|word| named_split(word).is_none()).collect();
        slots.entry((split, rest)).or_default().push((form.into_iter().chain(ending).collect(), at));
    }
    let mut forms = Forms::new();
    for files in slots.into_values() {
        let mut of_slot = Forms::new();
        files.into_iter().for_each(|(form, at)| of_slot.entry(form).or_default().push(at));
        if of_slot.len() > 1 {
            without_common(of_slot).into_iter().for_each(|(form, files)| forms.entry(form).or_default().extend(files));
        }
    }
    forms.values_mut().for_each(|files| files.sort_unstable());
    forms
}

/// Files of one folder whose names share their first words and differ in others than numbers, and whose contents overlap.
fn by_content(tree: &Tree, files: &[usize]) -> Forms {
    let mut groups: BTreeMap<(&str, String, Option<Named>), Vec<usize>> = BTreeMap::new();
    for &at in files {
        let entry = &tree.entries[at];
        groups.entry((entry.folder(), entry.extension(), split_of(entry))).or_default().push(at);
    }
    let mut forms = Forms::new();
    for group in groups.into_values().filter(|group| (2..=MOST_COMPARED).contains(&group.len())) {
        let words: Vec<Vec<String>> = group.iter().map(|at| parts(tree.entries[*at].stem()).collect()).collect();
        let are_called_alike = |one: usize, other: usize| {
            let (one, other) = (&words[one], &words[other]);
            let shared = one.iter().zip(other).take_while(|(a, b)| a == b).map(|(word, _)| word.len()).sum::<usize>();
            let differs = one.iter().chain(other).any(|word| !is_number(word) && (one.contains(word) != other.contains(word)));
            shared >= LEAST_SHARED && differs
        };
        let pairs = (0..group.len()).flat_map(|one| (one + 1..group.len()).map(move |other| (one, other)));
        let pairs: Vec<(usize, usize)> = pairs.filter(|(one, other)| are_called_alike(*one, *other)).collect();
        let named: BTreeSet<usize> = pairs.iter().flat_map(|(one, other)| [*one, *other]).collect();
        let heads: HashMap<usize, Vec<u8>> =
            named.into_iter().map(|at| (at, letters(tree.head(&tree.entries[group[at]], HEAD).unwrap_or_default()))).collect();
        let alike: BTreeSet<usize> =
            pairs.iter().filter(|(one, other)| overlap(&heads[one], &heads[other])).flat_map(|(one, other)| [*one, *other]).collect();
        // What is called like two forms is another, such as one with answers of another model.
        let called = |at: &usize| alike.iter().all(|other| other == at || are_called_alike(*at, *other));
        let all = (0..group.len()).filter(|at| alike.contains(at) || (!alike.is_empty() && called(at)));
        forms.extend(all.map(|at| (words[at].clone(), vec![group[at]])));
    }
    forms
}

/// In lower case and without signs, which forms of a text may lack.
fn letters(mut text: Vec<u8>) -> Vec<u8> {
    text.retain(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii());
    text.make_ascii_lowercase();
    text
}

/// Whether most places of the shorter beginning are in the other.
fn overlap(one: &[u8], other: &[u8]) -> bool {
    let (short, long) = if one.len() < other.len() { (one, other) } else { (other, one) };
    let windows: Vec<&[u8]> = short.windows(WINDOW).step_by((short.len() / WINDOWS).max(1)).collect();
    let known: std::collections::HashSet<&[u8]> = long.windows(WINDOW).collect();
    !windows.is_empty() && 2 * windows.iter().filter(|window| known.contains(**window)).count() > windows.len()
}

/// Folders of one level that have nearly the same files.
fn by_folder(tree: &Tree, files: &[usize]) -> Forms {
    let depth = files.iter().map(|at| tree.entries[*at].name.matches('/').count()).max().unwrap_or(0);
    for level in 0..depth {
        let mut folders: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let mut places: HashMap<(&str, &str), usize> = HashMap::new();
        for &at in files {
            let name = tree.entries[at].name.as_str();
            let starts = name.match_indices('/').map(|(slash, _)| slash + 1);
            let start = std::iter::once(0).chain(starts).nth(level).unwrap_or(name.len());
            let Some((folder, rest)) = name[start..].split_once('/') else { continue };
            let is_other = named_split(folder).is_none() && !parts(folder).all(|word| is_number(&word));
            if is_other {
                folders.entry(folder).or_default().push(at);
                *places.entry((&name[..start], rest)).or_default() += 1;
            }
        }
        let several = places.values().filter(|count| **count > 1).sum::<usize>();
        if folders.len() > 1 && 2 * several >= files.len() {
            return folders.into_iter().map(|(folder, files)| (vec![folder.to_owned()], files)).collect();
        }
    }
    Forms::new()
}

/// Words that all forms have tell none.
fn without_common(forms: Forms) -> Forms {
    let Some(mut common) = forms.keys().next().map(|words| words.iter().cloned().collect::<BTreeSet<String>>()) else { return forms };
    common.retain(|word| forms.keys().all(|words| words.contains(word)));
    let mut without = Forms::new();
    for (words, files) in &forms {
        let words = words.iter().filter(|word| !common.contains(*word)).cloned().collect();
        without.entry(words).or_default().extend(files);
    }
    // The order of the same words.
    if without.len() < forms.len() { forms } else { without }
}

/// What means the files of a form and no others: a folder, an ending, or the name of the first.
fn pattern(tree: &Tree, form: &[usize], others: &Forms) -> Option<(String, String)> {
    let is_own = |pattern: &str| {
        let means = |at: &usize| is_named(&tree.entries[*at], pattern);
        form.iter().any(means) && others.values().filter(|files| *files != form).flatten().all(|at| !means(at))
    };
    let first = &tree.entries[*form.first()?];
    let folders = first.folder().match_indices('/').map(|(slash, _)| &first.folder()[..slash]).chain([first.folder()]);
    let folders =
        folders.filter(|folder| !folder.is_empty() && form.iter().all(|at| tree.entries[*at].name.starts_with(&format!("{folder}/"))));
    let folder = folders.map(|folder| (folder.to_owned(), format!("{folder}/*"))).find(|(_, pattern)| is_own(pattern));
    let ending = first.file_name().rsplit_once('.').map(|(_, ending)| format!("*.{ending}"));
    let is_of_all = |pattern: &String| form.iter().all(|at| is_named(&tree.entries[*at], pattern)) && is_own(pattern);
    let own = |entry: &Entry| {
        let like = if form.len() > 1 { " and its like" } else { "" };
        Some((format!("{}{like}", entry.name), entry.name.clone())).filter(|(_, name)| is_own(name))
    };
    folder.or_else(|| ending.filter(is_of_all).map(|ending| (ending.clone(), ending))).or_else(|| own(first))
}

fn told(tree: &Tree, forms: &Forms, of: &Of, is_sure: bool) -> Problem {
    let mut all: Vec<(&Vec<String>, &Vec<usize>)> = forms.iter().collect();
    let size = |files: &[usize]| files.iter().map(|at| tree.size(&tree.entries[*at])).sum::<u64>();
    // What is called after no form first, then the largest.
    all.sort_by_key(|(words, files)| (words.iter().filter(|word| is_form(word)).count(), std::cmp::Reverse(size(files))));
    let patterns: Vec<(String, String)> = all.iter().filter_map(|(_, files)| pattern(tree, files, forms)).take(OFFERED).collect();
    let shown: Vec<&str> = patterns.iter().map(|(title, _)| title.as_str()).take(4).collect();
    let more = if forms.len() > shown.len() { ", ..." } else { "" };
    let (what, end) = match (is_sure, of) {
        (true, Of::Text) => ("may be the same text in several forms, languages or versions", "which of them counts?"),
        (true, Of::Tokens) => ("may be tokens of several tokenizers or of the same text", "which of them counts?"),
        (false, _) => ("are for the same split or have files of the same names", "all of them are taken"),
    };
    let sentence = format!("{} groups of files, {}{more}, {what}; {end}", forms.len(), shown.join(", "));
    let problem = if is_sure { Problem::error("several-forms", sentence) } else { Problem::warning("several-forms", sentence) };
    let firsts = all.iter().filter_map(|(_, files)| files.first()).take(20);
    let problem = firsts.fold(problem, |problem, at| problem.at(Place::file(tree.display(&tree.entries[*at]))));
    let choice = |table: String| Options { table: Some(table), ..Options::default() };
    let offer = |problem: Problem, (title, pattern): (String, String)| problem.with("choose", format!("Take {title}"), choice(pattern));
    let problem = patterns.into_iter().fold(problem.counted(forms.len() as u64), offer);
    if is_sure { problem.with("choose", "Take all of them", choice("*".into())) } else { problem }
}
