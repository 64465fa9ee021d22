//! Which files of a tree are text, and of what kind: documents, source code, marked-up pages, tables of rows. What only lies beside them,
//! such as a readme, a script or a tokenizer, is told apart; kinds that could each be the text are a question.

mod about;
mod tokenizer;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

pub use self::about::is_about_others;
pub use self::tokenizer::Beside;
use self::tokenizer::is_part_of_tokenizer;
use crate::account::Account;
use crate::error::{Place, Problem, Result};
use crate::image_parquet::split_of;
use crate::image_table::{is_list_of_classes, is_named};
use crate::images::Named;
use crate::json_rows;
use crate::not_text::{COMPARED, FEW, is_list, no_splits_inside, number_table};
use crate::options::{Format, Options};
use crate::packed::plain_name;
use crate::sniff::What;
use crate::tree::{ARCHIVE_BESIDE, Entry, Tree};

const CODE: [&str; 44] = [
    "py", "pyi", "ipynb", "js", "mjs", "cjs", "jsx", "ts", "tsx", "vue", "c", "h", "cc", "cpp", "cxx", "hpp", "cu", "cuh", "rs", "go",
    "java", "kt", "scala", "cs", "swift", "m", "rb", "php", "pl", "lua", "r", "jl", "hs", "ml", "sh", "bash", "ps1", "bat", "sql", "css",
    "scss", "asm", "toml", "cmake",
];
const MARKUP: [&str; 8] = ["html", "htm", "xhtml", "xml", "sgm", "sgml", "yaml", "yml"];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Document,
    Table,
    Code,
    Markup,
}

impl Kind {
    fn named(self) -> &'static str {
        match self {
            Self::Document => "text",
            Self::Table => "tables",
            Self::Code => "source code",
            Self::Markup => "marked-up pages",
        }
    }
}

/// The question which kind of files is the text.
pub const SEVERAL_KINDS: &str = "several-kinds";

#[derive(Default)]
pub struct Files {
    /// Entries that are text.
    pub texts: Vec<usize>,
    pub tokenizer: Option<Beside>,
    pub problems: Vec<Problem>,
    pub left_out: Account,
}

/// What a file is as text; none where it is no text, or tells of the dataset.
fn kind_of(what: &What, entry: &Entry) -> Option<Kind> {
    let extension = entry.extension();
    match what {
        What::Text | What::Json if CODE.contains(&extension.as_str()) => Some(Kind::Code),
        What::Text | What::Json if MARKUP.contains(&extension.as_str()) => Some(Kind::Markup),
        What::Text => Some(Kind::Document),
        What::JsonLines | What::Csv | What::Parquet | What::Arrow => Some(Kind::Table),
        _ => None,
    }
}

/// Neither source code nor marked-up pages, by its ending.
pub fn is_prose(entry: &Entry) -> bool {
    let extension = entry.extension();
    !CODE.contains(&extension.as_str()) && !MARKUP.contains(&extension.as_str())
}

/// Text about a dataset.
fn is_about(entry: &Entry) -> bool {
    let stem = entry.stem().to_lowercase();
    // A scheme of pages says what their tags are.
    if ["dtd", "xsd"].contains(&entry.extension().as_str()) {
        return true;
    }
    let last = stem.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    // `_about.txt` or `corpus_readme.txt`; not `all_about.txt`, whose first word is of a title.
    let is_known =
        |name: &str| ["readme", "license", "licence", "notice", "changelog", "requirements", "citation", "contributing"].contains(&name);
    is_known(&stem) || is_known(last) || stem.trim_start_matches('_') == "about"
}

pub fn fits(tree: &Tree, what: &[What]) -> bool {
    let any = what.iter().zip(&tree.entries).any(|(what, entry)| kind_of(what, entry).is_some());
    any || what.iter().zip(&tree.entries).any(|(what, entry)| is_array(tree, what, entry))
}

/// A JSON file of rows.
fn is_array(tree: &Tree, what: &What, entry: &Entry) -> bool {
    *what == What::Json && entry.extension() == "json" && !is_part_of_tokenizer(entry) && json_rows::has_rows(tree, entry)
}

/// Text that is more than words about the files beside it.
pub fn has_documents(tree: &Tree, what: &[What]) -> bool {
    let is_document = |(what, entry): (&What, &Entry)| {
        matches!(kind_of(what, entry), Some(Kind::Document | Kind::Table)) && !is_about(entry) && !is_part_of_tokenizer(entry)
    };
    what.iter().zip(&tree.entries).any(is_document)
}

/// Documents that are more than notes beside images: several, none of which is called like an image.
pub fn has_books(tree: &Tree, what: &[What]) -> bool {
    let is_book =
        |(what, entry): &(&What, &Entry)| kind_of(what, entry) == Some(Kind::Document) && !is_about(entry) && !is_part_of_tokenizer(entry);
    let stems: BTreeSet<&str> = what.iter().zip(&tree.entries).filter(is_book).map(|(_, entry)| entry.stem()).collect();
    let is_caption = |(what, entry): (&What, &Entry)| *what == What::Image && stems.contains(entry.stem());
    stems.len() > 2 && !what.iter().zip(&tree.entries).any(is_caption)
}

pub fn choose(tree: &Tree, what: &[What], options: &Options) -> Result<Files> {
    let mut files = Files::default();
    files.find_tokenizer(tree, what, options);
    let (mut found, mut about) = (Vec::new(), Vec::new());
    for (at, (what, entry)) in what.iter().zip(&tree.entries).enumerate() {
        if is_part_of_tokenizer(entry) {
            continue;
        }
        let kind = kind_of(what, entry).or_else(|| is_array(tree, what, entry).then_some(Kind::Table));
        if let Some(kind) = kind {
            if is_about(entry) && *what == What::Text { &mut about } else { &mut found }.push((at, kind));
        }
    }
    if found.is_empty() {
        found.append(&mut about);
    }
    files.leave_copies(tree, &mut found);
    if found.iter().any(|(_, kind)| *kind == Kind::Table) {
        let is_names = |(at, kind): &mut (usize, Kind)| *kind == Kind::Document && is_list_of_classes(&tree.entries[*at]);
        found.extract_if(.., is_names).for_each(|(at, _)| files.left_out.leave_out(tree, at, "names of classes"));
    }
    let is_document = |file: &&(usize, Kind)| file.1 == Kind::Document && what[file.0] == What::Text;
    let documents: Vec<usize> = found.iter().filter(is_document).map(|(at, _)| *at).collect();
    let others = found.iter().filter(|file| !is_document(file)).map(|(at, _)| tree.size(&tree.entries[*at])).sum();
    match number_table(tree, &documents, others) {
        Some(problem) if options.format != Some(Format::Text) => return Err(problem.into()),
        Some(_) => {}
        None => files.leave_lists(tree, what, &mut found),
    }
    files.leave_tables(tree, &mut found, options)?;
    about.iter().for_each(|(at, _)| files.left_out.leave_out(tree, *at, "text about the dataset"));
    match &options.extensions {
        Some(chosen) => files.take_chosen(tree, &found, chosen)?,
        None => {
            files.leave_indexes(tree, what, &mut found)?;
            files.take_likely(tree, &found)?;
        }
    }
    files.tell_kinds(tree, &found);
    if options.validation.is_none() {
        let is_page = |at: &usize| MARKUP.contains(&tree.entries[*at].extension().as_str());
        no_splits_inside(tree, &files.texts.iter().copied().filter(is_page).collect::<Vec<_>>())?;
    }
    Ok(files)
}

/// As `extensions` lists them; a file without one is `none`.
fn extension_of(entry: &Entry) -> String {
    Some(entry.extension()).filter(|extension| !extension.is_empty()).unwrap_or_else(|| "none".into())
}

/// Endings of files and how often, the most frequent first.
fn endings(tree: &Tree, files: &[(usize, Kind)], wanted: impl Fn(Kind) -> bool) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (at, _) in files.iter().filter(|(_, kind)| wanted(*kind)) {
        *counts.entry(extension_of(&tree.entries[*at])).or_default() += 1;
    }
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}

fn listed(endings: &[(String, usize)]) -> String {
    let shown: Vec<String> = endings.iter().take(4).map(|(ending, count)| format!("{count} .{ending}")).collect();
    format!("{}{}", shown.join(", ").replace(".none", "without an ending"), if endings.len() > 4 { ", ..." } else { "" })
}

fn taking(endings: &[(String, usize)]) -> Options {
    let names: Vec<&str> = endings.iter().map(|(ending, _)| ending.as_str()).collect();
    Options { extensions: Some(names.join(",")), ..Options::default() }
}

/// What is to be said of files of numbers or addresses in place of text.
pub fn no_words(count: usize, first: Place) -> Problem {
    let sentence = format!("{} is no text but numbers or addresses; tokens are imported as numbers from .npy or .bin", first.file);
    Problem::warning("numbers", sentence).counted(count as u64).at(first)
}

impl Files {
    /// Compressed files beside what they were made of.
    fn leave_copies(&mut self, tree: &Tree, found: &mut Vec<(usize, Kind)>) {
        if !found.iter().any(|(at, _)| tree.entries[*at].is_packed()) {
            return;
        }
        let names: HashMap<&str, usize> = found.iter().map(|(at, _)| (tree.entries[*at].name.as_str(), *at)).collect();
        let head = |at: usize| tree.head(&tree.entries[at], COMPARED).ok();
        let is_copy = |(at, _): &mut (usize, Kind)| {
            let entry = &tree.entries[*at];
            entry.is_packed() && names.get(plain_name(&entry.name)).is_some_and(|plain| head(*plain) == head(*at))
        };
        let copies: Vec<usize> = found.extract_if(.., is_copy).map(|(at, _)| at).collect();
        let Some(first) = copies.first() else { return };
        copies.iter().for_each(|at| self.left_out.leave_out(tree, *at, "compressed files beside what they unpack to"));
        let first = tree.place(&tree.entries[*first]);
        let sentence = format!("{} lies beside the file that it unpacks to and is left out", first.file);
        self.problems.push(Problem::note(ARCHIVE_BESIDE, sentence).counted(copies.len() as u64).at(first));
    }

    /// Lists of addresses or of numbers that lie beside documents, where a folder has few files.
    fn leave_lists(&mut self, tree: &Tree, what: &[What], found: &mut Vec<(usize, Kind)>) {
        let mut of_folder: HashMap<&str, usize> = HashMap::new();
        found.iter().for_each(|(at, _)| *of_folder.entry(tree.entries[*at].folder()).or_default() += 1);
        let is_list = |(at, kind): &(usize, Kind)| {
            let entry = &tree.entries[*at];
            *kind == Kind::Document
                && what[*at] == What::Text
                && of_folder[entry.folder()] <= FEW
                && tree.head(entry, COMPARED).is_ok_and(|head| is_list(&head))
        };
        let lists: HashSet<usize> = found.iter().filter(|file| is_list(file)).map(|(at, _)| *at).collect();
        if lists.len() < found.len() {
            lists.iter().for_each(|at| self.left_out.leave_out(tree, *at, "lists of addresses or numbers beside the text"));
            found.retain(|(at, _)| !lists.contains(at));
        } else if let Some((first, _)) = found.first() {
            let first = tree.place(&tree.entries[*first]);
            self.problems.push(no_words(lists.len(), first));
        }
    }

    /// Samples of submissions, and tables of a split of which another was chosen.
    fn leave_tables(&mut self, tree: &Tree, found: &mut Vec<(usize, Kind)>, options: &Options) -> Result<()> {
        let is_table = |(_, kind): &(usize, Kind)| *kind == Kind::Table;
        let is_sample = |file: &(usize, Kind)| is_table(file) && tree.entries[file.0].file_name().to_lowercase().contains("submission");
        if found.iter().any(|file| is_table(file) && !is_sample(file)) {
            for (at, _) in found.extract_if(.., |file| is_sample(file)) {
                self.left_out.leave_out(tree, at, "sample submissions");
            }
        }
        let Some(chosen) = &options.table else { return Ok(()) };
        let is_chosen = |at: usize| is_named(&tree.entries[at], chosen);
        let splits: BTreeSet<Option<Named>> =
            found.iter().filter(|(at, _)| is_chosen(*at)).map(|(at, _)| split_of(&tree.entries[*at])).collect();
        if splits.is_empty() {
            return Err(Problem::error("no-table", format!("there is no table {chosen}")).into());
        }
        // Of an ending all files count that have it, and none else.
        let may_be_other = |file: &(usize, Kind)| is_table(file) || chosen.starts_with("*.");
        let is_other =
            |file: &mut (usize, Kind)| may_be_other(file) && !is_chosen(file.0) && splits.contains(&split_of(&tree.entries[file.0]));
        for (at, _) in found.extract_if(.., is_other) {
            self.left_out.leave_out(
                tree,
                at,
                if chosen.starts_with("*.") { "text of endings that were not chosen" } else { "tables that were not chosen" },
            );
        }
        Ok(())
    }

    fn take_chosen(&mut self, tree: &Tree, found: &[(usize, Kind)], chosen: &str) -> Result<()> {
        let wanted: Vec<String> = chosen.split(',').map(|ending| ending.trim().trim_start_matches('.').to_lowercase()).collect();
        for (at, _) in found {
            match wanted.contains(&extension_of(&tree.entries[*at])) {
                true => self.texts.push(*at),
                false => self.left_out.leave_out(tree, *at, "text of endings that were not chosen"),
            }
        }
        if self.texts.is_empty() {
            let sentence = format!("no text has one of the endings {chosen}; there are {}", listed(&endings(tree, found, |_| true)));
            return Err(Problem::error("no-text", sentence).into());
        }
        Ok(())
    }

    /// Code and pages beside much more text are left out; other mixtures are asked.
    fn take_likely(&mut self, tree: &Tree, found: &[(usize, Kind)]) -> Result<()> {
        let mut bytes: BTreeMap<Kind, u64> = BTreeMap::new();
        found.iter().for_each(|(at, kind)| *bytes.entry(*kind).or_default() += tree.size(&tree.entries[*at]));
        let main: u64 = [Kind::Document, Kind::Table].iter().filter_map(|kind| bytes.get(kind)).sum();
        let other: u64 = [Kind::Code, Kind::Markup].iter().filter_map(|kind| bytes.get(kind)).sum();
        let kinds: Vec<Kind> = bytes.keys().copied().collect();
        let beside = |kind: Kind| matches!(kind, Kind::Code | Kind::Markup) && main > 4 * other;
        let left: Vec<Kind> = kinds.iter().copied().filter(|kind| !beside(*kind)).collect();
        if left.len() > 1 {
            return Err(which_kind(tree, found, &left).into());
        }
        for (at, kind) in found {
            match beside(*kind) {
                false => self.texts.push(*at),
                true => self.left_out.leave_out(tree, *at, &format!("{} beside text", kind.named())),
            }
        }
        let out = endings(tree, found, beside);
        if !out.is_empty() {
            let count: usize = out.iter().map(|(_, count)| count).sum();
            let sentence = format!("{count} files of source code or marked-up pages beside the text are left out ({})", listed(&out));
            let all = taking(&endings(tree, found, |_| true));
            self.problems.push(Problem::note("code-beside", sentence).counted(count as u64).with("choose", "Take them too", all));
        }
        Ok(())
    }

    /// What is in the text besides words.
    fn tell_kinds(&mut self, tree: &Tree, found: &[(usize, Kind)]) {
        let taken: Vec<(usize, Kind)> = found.iter().filter(|(at, _)| self.texts.binary_search(at).is_ok()).copied().collect();
        for (kind, code, words) in [
            (Kind::Code, "code", "files of source code are taken as text"),
            (Kind::Markup, "markup", "files are taken as text with their marks (tags and keys) in it"),
        ] {
            let endings = endings(tree, &taken, |of| of == kind);
            let count: usize = endings.iter().map(|(_, count)| count).sum();
            if count > 0 {
                self.problems.push(Problem::note(code, format!("{count} {words} ({})", listed(&endings))).counted(count as u64));
            }
        }
    }
}

/// The kinds that may each be the text, the largest first.
fn which_kind(tree: &Tree, found: &[(usize, Kind)], kinds: &[Kind]) -> Problem {
    let mut of_kind: Vec<(Kind, Vec<(String, usize)>)> = kinds.iter().map(|kind| (*kind, endings(tree, found, |of| of == *kind))).collect();
    of_kind.sort_by_key(|(_, endings)| std::cmp::Reverse(endings.iter().map(|(_, count)| *count).sum::<usize>()));
    let shown: Vec<String> = of_kind.iter().map(|(kind, endings)| format!("{} ({})", kind.named(), listed(endings))).collect();
    let sentence = format!("there are files of {}; say which are the text", shown.join(" and of "));
    let first = found.first().map(|(at, _)| Place::file(tree.display(&tree.entries[*at])));
    let problem = first.into_iter().fold(Problem::error(SEVERAL_KINDS, sentence), Problem::at);
    let offer = |problem: Problem, (kind, endings): &(Kind, Vec<(String, usize)>)| {
        problem.with("choose", format!("Take the {}", kind.named()), taking(endings))
    };
    let problem = of_kind.iter().fold(problem, offer);
    problem.with("choose", "Take all of them", taking(&endings(tree, found, |_| true)))
}
