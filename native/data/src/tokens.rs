//! Files that hold tokens already: .npy arrays, raw files of little-endian numbers, and those that tell by a header or a file beside them
//! what they are (token_files.rs); several are shards. A vocabulary that lies beside them (nanoGPT's meta.pkl, tokenizer.json) is kept.

use std::collections::BTreeMap;
use std::io::Read;

use sdp_tokenizer::Tokenizer;

use crate::account::Account;
use crate::array_name::{ArrayName, LABELS};
use crate::columnar::{Columnar, is_columnar};
use crate::error::{Error, Place, Problem, Result, refuse};
use crate::images::{Named, Split, splits_of};
use crate::npy::Header;
use crate::options::{Element, Options, TokenType};
use crate::pickle::{self, Value};
use crate::sniff::What;
use crate::token_files::{self, Index, Looks, Span};
use crate::token_lines;
use crate::tree::{Entry, Tree, read_fully};

/// Tokens that are read at a time.
const CHUNK: usize = 1 << 16;

/// So much of a file without a header is looked at, bytes.
const LOOKED_AT: usize = 1 << 18;

/// Largest index or vocabulary that is read, bytes.
const LARGEST_INDEX: usize = 1 << 30;

/// Arrays that are tokens rather than others beside them, the likeliest first.
const NAMES: [&str; 6] = ["input_ids", "tokens", "token_ids", "token", "ids", "data"];

struct Part {
    entry: usize,
    element: Element,
    big_endian: bool,
    /// In the order of the file; of a file of columns one, in tokens.
    spans: Vec<Span>,
    /// Of a file of columns.
    column: Option<String>,
    split: Split,
}

impl Part {
    fn count(&self) -> u64 {
        self.spans.iter().map(|span| span.count).sum()
    }
}

pub struct TokenSet {
    parts: Vec<Part>,
    pub problems: Vec<Problem>,
    pub columns: Vec<String>,
    pub train: u64,
    pub test: u64,
    /// What holds the tokens of all parts.
    pub kind: TokenType,
    /// Whether the files know of splits; else the end is kept for validation.
    split: bool,
    /// A tokenizer beside the tokens: its entry, and its tokenizer.json.
    tokenizer: Option<(usize, Vec<u8>)>,
    /// Entries that tell what the parts are.
    indexes: Vec<usize>,
}

/// Where a token was found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Largest {
    pub token: u32,
    pub file: String,
    pub position: u64,
}

fn is_array(what: &What) -> bool {
    matches!(what, What::Npy(header) if matches!(header.shape.len(), 1 | 2) && header.is_number())
}

/// OLMo calls raw tokens .npy; tokens may begin with the bytes of an IDX file.
fn is_raw(tree: &Tree, what: &[What], at: usize) -> bool {
    let kind = (tree.entries[at].extension(), &what[at]);
    matches!((kind.0.as_str(), kind.1), ("bin", What::Unknown | What::Empty | What::Idx(..)) | ("npy", What::Unknown))
}

fn is_index(tree: &Tree, at: usize) -> bool {
    let entry = &tree.entries[at];
    entry.file_name() == "index.json" && tree.read_all(entry, LARGEST_INDEX).is_ok_and(|json| token_files::index(&json).is_some())
}

pub fn fits(tree: &Tree, what: &[What], options: &Options) -> bool {
    what.iter().any(is_array) || is_sure(tree, what, options)
}

/// There is more than arrays that are called otherwise, which may be anything.
pub fn is_sure(tree: &Tree, what: &[What], options: &Options) -> bool {
    let is_called = |at: usize| is_array(&what[at]) && ArrayName::of(&tree.entries[at]).rank(&NAMES).is_some();
    (0..what.len()).any(|at| is_called(at) || is_raw(tree, what, at) || is_index(tree, at))
        || matches!(column_of(tree, what, options), Ok(Some(_)))
}

/// The column of the first file of columns, or of JSON lines, that is lists of tokens: as chosen, or by its name.
fn column_of(tree: &Tree, what: &[What], options: &Options) -> Result<Option<String>> {
    if let Some(first) = what.iter().position(is_columnar) {
        let lists = Columnar::open(tree, &tree.entries[first])?.lists();
        return Ok(match &options.text_column {
            Some(chosen) => lists.into_iter().find(|name| name == chosen),
            None => NAMES[..3].iter().find_map(|usual| lists.iter().find(|name| name.to_lowercase() == **usual)).cloned(),
        });
    }
    let Some(first) = what.iter().position(|what| *what == What::JsonLines) else { return Ok(None) };
    token_lines::column(tree, &tree.entries[first], &NAMES[..3], options)
}

pub fn open(tree: &Tree, what: &[What], options: &Options) -> Result<TokenSet> {
    let mut found =
        Found { tree, options, parts: Vec::new(), named: Vec::new(), problems: Vec::new(), columns: Vec::new(), indexes: Vec::new() };
    found.add_indexed(what)?;
    found.add_arrays(what)?;
    found.add_raw(what)?;
    found.add_rows(what)?;
    let Found { mut parts, mut named, mut problems, columns, indexes, .. } = found;
    // In the order of their names, whatever told of them.
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|at| parts[*at].entry);
    named = order.iter().map(|at| named[*at]).collect();
    parts.sort_by_key(|part| part.entry);
    let Some(kind) = parts.iter().map(|part| part.element.stored()).max_by_key(|kind| kind.bytes()) else {
        return Err(missing(tree, what));
    };
    let mut all: u64 = parts.iter().map(Part::count).sum();
    let splits = splits(&parts, &named, options, &mut problems);
    let of = |split: Split| parts.iter().zip(&splits).filter(|(_, found)| **found == split).map(|(part, _)| part.count()).sum::<u64>();
    let is_split = !splits.is_empty();
    let test = if is_split { of(Split::Test) } else { (all as f64 * options.validation_share()).round() as u64 };
    all = if is_split { of(Split::Train) } else { all - test };
    for (part, split) in parts.iter_mut().zip(splits) {
        part.split = split;
    }
    if let Some(short) = [all, test].into_iter().find(|count| *count < 2) {
        let sentence = format!("the tokens leave a split of {short}; 2 are needed at least");
        return Err(Problem::error("too-few-tokens", sentence).at(tree.place(&tree.entries[parts[0].entry])).into());
    }
    let tokenizer = vocabulary(tree, what, &mut problems)?;
    Ok(TokenSet { parts, problems, columns, train: all, test, kind, split: is_split, tokenizer, indexes })
}

fn missing(tree: &Tree, what: &[What]) -> Error {
    let other = what.iter().enumerate().find_map(|(at, what)| if let What::Other(kind) = what { Some((at, kind)) } else { None });
    match other {
        Some((at, kind)) => {
            let file = tree.display(&tree.entries[at]);
            Problem::error("missing-file", format!("{file} is {kind}, which is no file of tokens")).at(Place::file(file)).into()
        }
        None => Problem::error("missing-file", "there is no file of tokens (.npy of whole numbers, or .bin)").into(),
    }
}

/// Of each part; none where the files have no training or no validation split, or a share is chosen.
fn splits(parts: &[Part], named: &[Option<Named>], options: &Options, problems: &mut Vec<Problem>) -> Vec<Split> {
    let has = |wanted: bool| named.iter().flatten().any(|named| (*named == Named::Train) == wanted);
    if has(true) && has(false) && options.validation.is_none() {
        let mut said = Vec::new();
        let splits = splits_of(named, &mut said);
        let unused: u64 = parts.iter().zip(&splits).filter(|(_, split)| **split == Split::Unused).map(|(part, _)| part.count()).sum();
        if unused > 0 {
            let sentence = format!("training is evaluated on the validation split; the {unused} tokens of the test split are left out");
            problems.push(Problem::note("unused-split", sentence).counted(unused));
        }
        return splits;
    }
    let percent = (options.validation_share() * 1000.0).round() / 10.0;
    let sentence = if has(false) || has(true) {
        format!("all files are taken together; the last {percent} % of the tokens are kept for validation")
    } else {
        format!("the files have no validation split; the last {percent} % of the tokens are kept for validation")
    };
    problems.push(Problem::note("no-validation", sentence));
    Vec::new()
}

struct Found<'a> {
    tree: &'a Tree,
    options: &'a Options,
    parts: Vec<Part>,
    named: Vec<Option<Named>>,
    problems: Vec<Problem>,
    columns: Vec<String>,
    indexes: Vec<usize>,
}

impl Found<'_> {
    fn add(&mut self, at: usize, element: Element, big_endian: bool, spans: Vec<Span>) {
        self.named.push(ArrayName::of(&self.tree.entries[at]).split);
        self.parts.push(Part { entry: at, element, big_endian, spans, column: None, split: Split::Train });
    }

    fn has(&self, at: usize) -> bool {
        self.parts.iter().any(|part| part.entry == at)
    }

    /// Files that another tells of: index.json of litdata and Streaming, Megatron's .idx.
    fn add_indexed(&mut self, what: &[What]) -> Result<()> {
        let tree = self.tree;
        for (at, entry) in tree.entries.iter().enumerate().filter(|(_, entry)| entry.file_name() == "index.json") {
            let json = tree.read_all(entry, LARGEST_INDEX)?;
            let index = token_files::index(&json);
            self.indexes.extend(index.is_some().then_some(at));
            match index {
                None => {}
                Some(Err(why)) => return refused(tree, entry, "bad-index", &why),
                Some(Ok(Index::Litdata { element, chunks })) => {
                    for chunk in chunks {
                        let at = self.sibling(entry, &chunk.filename)?;
                        let file = &tree.entries[at];
                        let span = chunk.span(element, tree.size(file)).or_else(|why| refused(tree, file, "truncated-file", &why))?;
                        self.add(at, element, false, vec![span]);
                    }
                }
                Some(Ok(Index::Mds(shards))) => {
                    for shard in shards {
                        self.add_mds(entry, &shard)?;
                    }
                }
            }
        }
        for (at, entry) in tree.entries.iter().enumerate() {
            if entry.extension() != "idx" || matches!(what[at], What::Idx(..)) {
                continue;
            }
            let index = tree.read_all(entry, LARGEST_INDEX)?;
            let (element, tokens, documents) = match token_files::megatron(&index) {
                None => continue,
                Some(Err(why)) => return refused(tree, entry, "bad-index", &why),
                Some(Ok(found)) => found,
            };
            self.indexes.push(at);
            let beside = self.sibling(entry, &format!("{}.bin", entry.file_name().trim_end_matches(".idx")))?;
            let (file, bytes) = (&tree.entries[beside], tree.size(&tree.entries[beside]));
            let expected = tokens * element.bytes() as u64;
            if bytes != expected {
                let why = format!("is truncated or goes on: its .idx tells of {expected} bytes, it has {bytes}");
                return refused(tree, file, "truncated-file", &why);
            }
            let sentence = format!("{} has {documents} documents of {} tokens, as its .idx tells", tree.display(file), element.name());
            self.problems.push(Problem::note("token-type", sentence));
            self.add(beside, element, false, vec![Span { start: 0, count: tokens }]);
        }
        Ok(())
    }

    /// A file that lies beside another one.
    fn sibling(&self, beside: &Entry, name: &str) -> Result<usize> {
        let place = |entry: &&Entry| entry.folder() == beside.folder() && entry.file_name() == name;
        self.tree.entries.iter().position(|entry| place(&entry)).ok_or_else(|| {
            let file = self.tree.display(beside);
            Problem::error("missing-file", format!("{file} tells of {name:?}, which does not lie beside it")).at(Place::file(file)).into()
        })
    }

    fn add_mds(&mut self, index: &Entry, shard: &token_files::MdsShard) -> Result<()> {
        let tree = self.tree;
        let at = self.sibling(index, &shard.basename)?;
        let file = &tree.entries[at];
        let (size, head_bytes) = (tree.size(file), shard.head());
        if head_bytes as u64 > size {
            return refused(tree, file, "truncated-file", "is truncated: it is shorter than its places of samples");
        }
        let head = tree.head(file, head_bytes)?;
        // One pass through the file gives the sizes of the columns of all samples.
        let mut places = Vec::new();
        let damaged = tree.read(file, |stream| {
            let mut position = 0u64;
            let mut part = |from: u64, length: usize| -> Result<Vec<u8>> {
                let failed = |error: std::io::Error| tree.unreadable(file, &error);
                let skipped = from.saturating_sub(position);
                std::io::copy(&mut stream.take(skipped), &mut std::io::sink()).map_err(failed)?;
                let mut bytes = vec![0; length];
                let found = read_fully(stream, &mut bytes).map_err(failed)?;
                bytes.truncate(found);
                position = from + found as u64;
                Ok(bytes)
            };
            match shard.places(&head, size, &mut part)? {
                Err(why) => Ok(Some(why)),
                Ok(found) => {
                    places = found;
                    Ok(None)
                }
            }
        })?;
        if let Some(why) = damaged {
            return refused(tree, file, "damaged-file", &why);
        }
        if shard.is_shaped() {
            self.without_shapes(file, shard, &mut places)?;
        }
        let element = match shard.element.or(self.options.dtype) {
            Some(element) => element,
            None => self.judged(file, places.first().copied().unwrap_or_default())?,
        };
        let mut spans = Vec::with_capacity(places.len());
        for (row, (start, length)) in places.into_iter().enumerate() {
            if !length.is_multiple_of(element.bytes() as u64) {
                let why = format!("has {length} bytes of {} tokens in sample {row}", element.name());
                return refused(tree, file, "truncated-file", &why);
            }
            spans.push(Span { start, count: length / element.bytes() as u64 });
        }
        self.add(at, element, false, spans);
        Ok(())
    }

    /// Takes the shape off each array, which stands before its values.
    fn without_shapes(&self, file: &Entry, shard: &token_files::MdsShard, places: &mut [(u64, u64)]) -> Result<()> {
        let tree = self.tree;
        tree.read(file, |stream| {
            let mut position = 0;
            for (row, (start, length)) in places.iter_mut().enumerate() {
                let failed = |error: std::io::Error| tree.unreadable(file, &error);
                std::io::copy(&mut stream.take(start.saturating_sub(position)), &mut std::io::sink()).map_err(failed)?;
                let mut first = [0];
                read_fully(stream, &mut first).map_err(failed)?;
                position = *start + 1;
                let shape = shard.shape_bytes(first[0]);
                if shape > *length {
                    return refused(tree, file, "damaged-file", &format!("has a damaged sample {row}"));
                }
                (*start, *length) = (*start + shape, *length - shape);
            }
            Ok(())
        })
    }

    /// The type of tokens that the bytes tell, here those of one sample.
    fn judged(&mut self, file: &Entry, (start, length): (u64, u64)) -> Result<Element> {
        let most = length.min(LOOKED_AT as u64);
        let head = self.tree.head(file, usize::try_from(start + most).unwrap_or(usize::MAX))?;
        let start = usize::try_from(start).unwrap_or(usize::MAX).min(head.len());
        self.element_of(file, &head[start..], length)
    }

    fn element_of(&mut self, file: &Entry, head: &[u8], size: u64) -> Result<Element> {
        let shown = self.tree.display(file);
        let element = match token_files::looks(head, size) {
            Looks::Tokens(element) => element,
            Looks::Else(other) => {
                let sentence =
                    format!("{shown} has no header and looks like {other}, which are no tokens; say the type (dtype) if they are");
                return Err(Problem::error("no-tokens", sentence).at(Place::file(shown)).into());
            }
        };
        let why = match element {
            Element::Uint32 => ": every second word of 16 bits is as good as empty",
            Element::Int64 => ": three of four words of 16 bits are as good as empty",
            _ => "",
        };
        let name = element.name();
        match self.problems.iter_mut().find(|problem| problem.code == "token-type" && problem.message.contains(&format!("read as {name}")))
        {
            Some(known) => {
                known.count += 1;
                known.places.extend((known.places.len() < 20).then(|| Place::file(shown)));
            }
            None => {
                let sentence = format!("{shown} has no header; its bytes are read as {name} tokens{why}");
                let problem = Problem::note("token-type", sentence).at(Place::file(shown));
                let other = if element == Element::Uint16 { Element::Uint32 } else { Element::Uint16 };
                let remedy = Options { dtype: Some(other), ..Options::default() };
                self.problems.push(problem.with("choose", format!("Read as {}", other.name()), remedy));
            }
        }
        Ok(element)
    }

    /// Arrays of whole numbers; of several kinds in one folder those that are called tokens.
    fn add_arrays(&mut self, what: &[What]) -> Result<()> {
        let tree = self.tree;
        let arrays: Vec<(usize, &Header, ArrayName)> = what
            .iter()
            .enumerate()
            .filter_map(|(at, what)| match what {
                What::Npy(header) if is_array(what) => Some((at, header, ArrayName::of(&tree.entries[at]))),
                _ => None,
            })
            .collect();
        let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (number, (.., name)) in arrays.iter().enumerate() {
            by_name.entry(&name.column).or_default().push(number);
        }
        self.columns = by_name.keys().map(|name| (*name).to_owned()).collect();
        let rank = |name: &str| NAMES.iter().position(|usual| *usual == name.to_lowercase());
        let wanted: Vec<usize> = match (&self.options.text_column, by_name.keys().filter_map(|name| rank(name)).min()) {
            (Some(chosen), _) => {
                let called = |(_, (at, _, name)): &(usize, &(usize, &Header, ArrayName))| name.is_called(&tree.entries[*at], chosen);
                let found: Vec<usize> = arrays.iter().enumerate().filter(called).map(|(number, _)| number).collect();
                if found.is_empty() && !arrays.is_empty() {
                    let sentence = format!("there is no array {chosen} of tokens; there are {}", self.columns.join(", "));
                    return Err(Problem::error("no-array", sentence).into());
                }
                found
            }
            (None, Some(best)) => {
                by_name.iter().filter(|(name, _)| rank(name) == Some(best)).flat_map(|(_, found)| found.clone()).collect()
            }
            (None, None) => {
                let may_be = |(_, header, name): &&(usize, &Header, ArrayName)| {
                    Element::of_descr(&header.descr).is_some() && name.rank(&LABELS).is_none()
                };
                // Shards of one type, whatever they are called.
                let is_alike = arrays.windows(2).all(|pair| pair[0].1.descr == pair[1].1.descr);
                if is_alike && (arrays.iter().all(|array| may_be(&array)) || arrays.iter().all(|(_, header, _)| !header.is_integer())) {
                    (0..arrays.len()).collect()
                } else {
                    let mut names: Vec<&str> = arrays.iter().filter(may_be).map(|(.., name)| name.column.as_str()).collect();
                    names.dedup();
                    return Err(unclear(&self.columns, &names));
                }
            }
        };
        let unused: Vec<&str> =
            (0..arrays.len()).filter(|number| !wanted.contains(number)).map(|number| arrays[number].2.column.as_str()).collect();
        if !unused.is_empty() {
            let sentence = format!("not used: {} ({} arrays)", unused.join(", "), unused.len());
            self.problems.push(Problem::note("unused-arrays", sentence).counted(unused.len() as u64));
        }
        for number in wanted {
            let (at, header, _) = &arrays[number];
            self.add_array(*at, header)?;
        }
        Ok(())
    }

    fn add_array(&mut self, at: usize, header: &Header) -> Result<()> {
        let (tree, entry) = (self.tree, &self.tree.entries[at]);
        let Some(element) = Element::of_descr(&header.descr) else {
            let why = format!("holds {} of {} axes, expected whole numbers as tokens", header.descr, header.shape.len());
            return refused(tree, entry, "bad-type", &why);
        };
        if header.fortran && header.shape.len() > 1 {
            return refused(tree, entry, "fortran-order", "is in Fortran order; save numpy.ascontiguousarray of it");
        }
        let (expected, found) = ((header.start + header.bytes().unwrap_or(usize::MAX)) as u64, tree.size(entry));
        if expected != found && !entry.is_packed() {
            let (bytes, name) = (found.saturating_sub(header.start as u64), element.name());
            return refused(tree, entry, "truncated-file", &format!("is truncated: it has {bytes} bytes of {name} tokens"));
        }
        if let [rows, width] = header.shape[..] {
            self.note_rows(entry, &format!("has {rows} sequences of {width} tokens"));
        }
        let span = Span { start: header.start as u64, count: header.count() as u64 };
        self.add(at, element, header.descr.starts_with('>'), vec![span]);
        Ok(())
    }

    /// Files of nothing but numbers, and llm.c's with a header.
    fn add_raw(&mut self, what: &[What]) -> Result<()> {
        let tree = self.tree;
        for at in (0..what.len()).filter(|at| is_raw(tree, what, *at)) {
            if self.has(at) {
                continue;
            }
            let (entry, size) = (&tree.entries[at], tree.size(&tree.entries[at]));
            let head = tree.head(entry, LOOKED_AT)?;
            match token_files::llm_c(&head, size) {
                Some(Err(why)) => return refused(tree, entry, "truncated-file", &why),
                Some(Ok((element, span))) => self.add(at, element, false, vec![span]),
                None => {
                    let element = match self.options.dtype {
                        Some(element) => element,
                        None => self.element_of(entry, &head, size)?,
                    };
                    if !size.is_multiple_of(element.bytes() as u64) {
                        let file = tree.display(entry);
                        let sentence = format!("{file} is truncated: it has {size} bytes of {} tokens", element.name());
                        return refuse("truncated-file", sentence, Place { offset: Some(size), ..Place::file(file) });
                    }
                    self.add(at, element, false, vec![Span { start: 0, count: size / element.bytes() as u64 }]);
                }
            }
        }
        Ok(())
    }
}

impl Found<'_> {
    /// One note for all files.
    fn note_rows(&mut self, entry: &Entry, has: &str) {
        let place = self.tree.place(entry);
        match self.problems.iter_mut().find(|problem| problem.code == "token-rows") {
            Some(known) => {
                known.count += 1;
                known.places.extend((known.places.len() < 20).then_some(place));
            }
            None => {
                let sentence = format!("{} {has}, which are read one after the other", place.file);
                self.problems.push(Problem::note("token-rows", sentence).at(place));
            }
        }
    }

    /// Columns of lists, as Hugging Face's datasets keep what a tokenizer made.
    /// Rows of Parquet or Arrow files, or else of JSON lines.
    fn add_rows(&mut self, what: &[What]) -> Result<()> {
        let Some(column) = column_of(self.tree, what, self.options)? else { return Ok(()) };
        let of_columns = what.iter().any(is_columnar);
        for at in (0..what.len()).filter(|at| if of_columns { is_columnar(&what[*at]) } else { what[*at] == What::JsonLines }) {
            let entry = &self.tree.entries[at];
            let (mut count, mut rows) = (0, 0);
            if of_columns {
                let file = Columnar::open(self.tree, entry)?;
                (count, rows) = (file.count_of_list(&column)?, file.rows());
                if self.columns.is_empty() {
                    self.columns = file.lists();
                }
            } else {
                token_lines::numbers(self.tree, entry, &column, &mut |numbers| {
                    (count, rows) = (count + numbers.len() as u64, rows + 1);
                    Ok(())
                })?;
                self.columns = vec![column.clone()];
            }
            self.note_rows(entry, &format!("has {rows} rows of tokens in {column}"));
            self.add(at, Element::Int64, false, vec![Span { start: 0, count }]);
            self.parts.iter_mut().filter(|part| part.entry == at).for_each(|part| part.column = Some(column.clone()));
        }
        Ok(())
    }
}

/// Arrays of which none is called tokens.
fn unclear(columns: &[String], choices: &[&str]) -> Error {
    let ends = if choices.is_empty() { "images and labels are not known by their names or shapes" } else { "choose which are tokens" };
    let sentence = format!("there are the arrays {}; {ends}", columns.join(", "));
    let offer = |problem: Problem, name: &&str| {
        problem.with("choose", format!("Take {name} as tokens"), Options { text_column: Some((*name).to_owned()), ..Options::default() })
    };
    choices.iter().take(12).fold(Problem::error("which-tokens", sentence), offer).into()
}

fn refused<T>(tree: &Tree, entry: &Entry, code: &'static str, why: &str) -> Result<T> {
    let file = tree.display(entry);
    refuse(code, format!("{file} {why}"), Place::file(file))
}

/// nanoGPT's meta.pkl, or a tokenizer.json.
fn vocabulary(tree: &Tree, what: &[What], problems: &mut Vec<Problem>) -> Result<Option<(usize, Vec<u8>)>> {
    for (at, entry) in tree.entries.iter().enumerate() {
        if entry.file_name() == "tokenizer.json" {
            return Ok(Some((at, tree.read_all(entry, LARGEST_INDEX)?)));
        }
        if entry.file_name() != "meta.pkl" || what[at] != What::Pickle {
            continue;
        }
        let pickle = tree.read_all(entry, LARGEST_INDEX)?;
        let characters = pickle::load(&pickle).ok().and_then(|meta| characters(&meta, &pickle));
        match characters {
            Some(characters) => return Ok(Some((at, of_characters(&characters)))),
            None => {
                let sentence = format!("{} is not used: it has no vocabulary (itos) of characters", tree.display(entry));
                problems.push(Problem::note("no-vocabulary", sentence).at(tree.place(entry)));
            }
        }
    }
    Ok(None)
}

/// `itos` as a list: the character of each token.
fn characters(meta: &Value, pickle: &[u8]) -> Option<Vec<String>> {
    let Value::Dict(items) = meta.get("itos", pickle)? else { return None };
    let mut characters = vec![None; items.len()];
    for (token, character) in items {
        let Value::Int(token) = token else { return None };
        *characters.get_mut(usize::try_from(*token).ok()?)? = Some(character.text(pickle)?);
    }
    let characters: Vec<String> = characters.into_iter().collect::<Option<_>>()?;
    characters.iter().all(|text| text.chars().count() == 1).then_some(characters)
}

/// A tokenizer.json of single characters: a BPE without merges.
fn of_characters(characters: &[String]) -> Vec<u8> {
    let vocabulary: serde_json::Map<String, serde_json::Value> =
        characters.iter().zip(0..).map(|(text, id)| (text.clone(), id.into())).collect();
    let json = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null, "pre_tokenizer": null,
        "post_processor": null, "decoder": {"type": "Fuse"},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
            "fuse_unk": false, "byte_fallback": false, "ignore_merges": false, "vocab": vocabulary, "merges": []},
    });
    json.to_string().into_bytes()
}

/// A tokenizer with the name of its file.
type Fitting = Option<(String, Tokenizer)>;

impl TokenSet {
    pub fn account(&self, tree: &Tree) -> Account {
        let mut account = Account::default();
        for part in &self.parts {
            match part.split {
                _ if !self.split => account.use_as(tree, part.entry, "tokens"),
                Split::Train => account.use_as(tree, part.entry, "training tokens"),
                Split::Test => account.use_as(tree, part.entry, "validation tokens"),
                Split::Unused | Split::Duplicate => account.leave_out(tree, part.entry, "tokens of a test split beside a validation split"),
            }
        }
        self.indexes.iter().for_each(|entry| account.use_as(tree, *entry, "indexes of tokens"));
        self.tokenizer.iter().for_each(|(entry, _)| account.use_as(tree, *entry, "vocabulary"));
        account
    }

    /// Of a type with numbers that are no tokens.
    pub fn may_have_bad_tokens(&self) -> bool {
        self.parts.iter().any(|part| part.column.is_some() || matches!(part.element, Element::Int32 | Element::Int64))
    }

    /// The tokenizer beside the tokens; a problem where it has fewer tokens than are used.
    pub fn tokenizer(&self, tree: &Tree, used: u64) -> Result<std::result::Result<Fitting, Problem>> {
        let Some((entry, json)) = &self.tokenizer else { return Ok(Ok(None)) };
        let file = tree.display(&tree.entries[*entry]);
        let tokenizer = match Tokenizer::load(json) {
            Ok(tokenizer) => tokenizer,
            Err(why) => return refused(tree, &tree.entries[*entry], "bad-tokenizer", &why),
        };
        let known = tokenizer.vocabulary() as u64;
        if known >= used {
            return Ok(Ok(Some((file, tokenizer))));
        }
        let sentence = format!("{file} has {known} tokens, but the files hold token {}; it is not theirs and is not used", used - 1);
        Ok(Err(Problem::warning("other-tokenizer", sentence).at(Place::file(file))))
    }

    /// Hands over all tokens in order, with whether they are kept for validation, and the position of the first in its file.
    pub fn chunks(&self, tree: &Tree, hand: &mut dyn FnMut(Vec<u32>, bool, Place) -> Result<()>) -> Result<()> {
        let mut before = 0;
        for part in self.parts.iter().filter(|part| part.split != Split::Unused) {
            let file = tree.display(&tree.entries[part.entry]);
            let mut at = 0;
            let mut deliver = |tokens: Vec<u32>| -> Result<()> {
                let place = |at: u64| Place::row(file.clone(), at as usize);
                let start = before + at;
                let from = at;
                at += tokens.len() as u64;
                if self.split {
                    return hand(tokens, part.split == Split::Test, place(from));
                }
                // Validation begins within a chunk, and a chunk ends there.
                let mark = self.train.clamp(start, before + at) - start;
                let (train, test) = tokens.split_at(mark as usize);
                for (tokens, is_test, from) in [(train, false, from), (test, true, from + mark)] {
                    if !tokens.is_empty() {
                        hand(tokens.to_vec(), is_test, place(from))?;
                    }
                }
                Ok(())
            };
            match &part.column {
                Some(column) => part.lists(tree, column, &mut deliver)?,
                None => part.spans(tree, &mut deliver)?,
            }
            before += part.count();
        }
        Ok(())
    }
}

impl Part {
    fn spans(&self, tree: &Tree, deliver: &mut dyn FnMut(Vec<u32>) -> Result<()>) -> Result<()> {
        let entry = &tree.entries[self.entry];
        tree.read(entry, |stream| {
            let failed = |error: std::io::Error| tree.unreadable(entry, &error);
            let (mut position, mut at) = (0, 0);
            for span in &self.spans {
                std::io::copy(&mut stream.take(span.start.saturating_sub(position)), &mut std::io::sink()).map_err(failed)?;
                let end = at + span.count;
                while at < end {
                    let count = (end - at).min(CHUNK as u64);
                    let mut bytes = vec![0; count as usize * self.element.bytes()];
                    if read_fully(stream, &mut bytes).map_err(failed)? < bytes.len() {
                        return refused(tree, entry, "truncated-file", "became shorter while it was read");
                    }
                    deliver(values(self, &bytes, &Place::row(tree.display(entry), at as usize))?)?;
                    at += count;
                }
                position = span.start + span.count * self.element.bytes() as u64;
            }
            Ok(())
        })
    }

    fn lists(&self, tree: &Tree, column: &str, deliver: &mut dyn FnMut(Vec<u32>) -> Result<()>) -> Result<()> {
        let entry = &tree.entries[self.entry];
        let mut at = 0;
        let mut take = |numbers: Vec<i64>| {
            let place = Place::row(tree.display(entry), at);
            at += numbers.len();
            deliver(numbers.into_iter().enumerate().map(|(row, number)| token(number, row, &place)).collect::<Result<_>>()?)
        };
        match tree.head(entry, 1)?.as_slice() {
            b"P" | b"A" | [0xff] => Columnar::open(tree, entry)?.numbers_of_list(column, &mut take),
            _ => token_lines::numbers(tree, entry, column, &mut take),
        }
    }
}

/// A number below 0 or beyond 32 bits is no token. `row` counts from the place.
fn token(number: i64, row: usize, place: &Place) -> Result<u32> {
    u32::try_from(number).or_else(|_| {
        let at = place.row.unwrap_or(0) as usize + row;
        refuse(
            "bad-token",
            format!("{} holds {number} at position {at}, which is no token", place.file),
            Place::row(place.file.clone(), at),
        )
    })
}

fn values(part: &Part, bytes: &[u8], place: &Place) -> Result<Vec<u32>> {
    let size = part.element.bytes();
    let number = |(row, element): (usize, &[u8])| {
        let bits = (0..size).fold(0u64, |bits, at| (bits << 8) | u64::from(element[if part.big_endian { at } else { size - 1 - at }]));
        token(if part.element == Element::Int32 { i64::from(bits as u32 as i32) } else { bits as i64 }, row, place)
    };
    match (part.element, part.big_endian) {
        // The usual types, without a check of each.
        (Element::Uint16, false) => Ok(bytes.as_chunks::<2>().0.iter().map(|word| u32::from(u16::from_le_bytes(*word))).collect()),
        (Element::Uint32, false) => Ok(bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect()),
        _ => bytes.chunks_exact(size).enumerate().map(number).collect(),
    }
}
