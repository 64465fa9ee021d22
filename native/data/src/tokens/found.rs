//! Which files hold tokens, and of what type: by their indexes, as arrays, without a header, as rows of columns.

use std::collections::BTreeMap;
use std::io::Read;

use super::{LARGEST_INDEX, NAMES, Part, column_of, is_array, is_raw, refused};
use crate::array_name::{ArrayName, IMAGES, LABELS};
use crate::columnar::{Columnar, is_columnar};
use crate::error::{Error, Place, Problem, Result, refuse};
use crate::images::{Named, Split};
use crate::npy::Header;
use crate::options::{Element, Format, Options};
use crate::sniff::What;
use crate::token_files::{self, Index, Looks, Span};
use crate::token_lines;
use crate::tree::{Entry, Tree, read_fully};

/// So much of a file without a header is looked at, bytes.
const LOOKED_AT: usize = 1 << 18;

/// What is found, part by part.
pub(super) struct Found<'a> {
    pub(super) tree: &'a Tree,
    pub(super) options: &'a Options,
    pub(super) parts: Vec<Part>,
    /// The split that each part's name tells.
    pub(super) named: Vec<Option<Named>>,
    pub(super) problems: Vec<Problem>,
    pub(super) columns: Vec<String>,
    pub(super) indexes: Vec<usize>,
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
    pub(super) fn add_indexed(&mut self, what: &[What]) -> Result<()> {
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
            Element::Uint8 => ": both halves of its words of 16 bits have the same small values",
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
                // What is proven by the bytes is no choice.
                let others: &[Element] = match element {
                    Element::Uint16 => &[Element::Uint32],
                    Element::Uint8 => &[Element::Uint16],
                    _ => &[],
                };
                let fitting = others.iter().filter(|other| size.is_multiple_of(other.bytes() as u64));
                self.problems.push(fitting.fold(problem, |problem, other| {
                    let remedy = Options { dtype: Some(*other), ..Options::default() };
                    problem.with("choose", format!("Read as {}", other.name()), remedy)
                }));
            }
        }
        Ok(element)
    }

    /// Arrays of whole numbers; of several kinds in one folder those that are called tokens.
    pub(super) fn add_arrays(&mut self, what: &[What]) -> Result<()> {
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
                if let Some((rows, labels)) = rows_with_labels(tree, &arrays) {
                    return Err(features(tree, rows, labels));
                }
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
            let why = format!(
                "holds {} of {} axes, expected whole numbers as tokens (images need an array of labels beside them)",
                header.descr,
                header.shape.len()
            );
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
    pub(super) fn add_raw(&mut self, what: &[What]) -> Result<()> {
        let tree = self.tree;
        self.no_images(what)?;
        for at in (0..what.len()).filter(|at| is_raw(tree, what, *at)) {
            if self.has(at) {
                continue;
            }
            let (entry, size) = (&tree.entries[at], tree.size(&tree.entries[at]));
            let head = tree.head(entry, LOOKED_AT)?;
            if token_files::is_evaluation(&head) {
                let sentence = format!("{} holds questions for an evaluation, as llm.c writes them, and is left out", tree.display(entry));
                self.problems.push(Problem::note("evaluation", sentence).at(tree.place(entry)));
                continue;
            }
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
    /// Refuses raw files that are called images and labels, whose shape nothing tells.
    fn no_images(&self, what: &[What]) -> Result<()> {
        if self.options.format == Some(Format::Tokens) {
            return Ok(());
        }
        let raw = (0..what.len()).filter(|at| is_raw(self.tree, what, *at) && !self.has(*at));
        let named: Vec<(usize, ArrayName)> = raw.map(|at| (at, ArrayName::of(&self.tree.entries[at]))).collect();
        let called = |names: &[&str]| named.iter().find(|(_, name)| name.rank(names).is_some());
        // Tokens are data and inputs too.
        let (Some((images, _)), Some((labels, _))) = (called(&IMAGES[..6]), called(&LABELS)) else { return Ok(()) };
        let (images, labels) = (&self.tree.entries[*images], &self.tree.entries[*labels]);
        let sentence = format!(
            "{} and {} are called images and labels, and nothing tells their shape; save both as .npy (numpy.save)",
            self.tree.display(images),
            labels.file_name()
        );
        Err(Problem::error("raw-images", sentence).at(self.tree.place(images)).at(self.tree.place(labels)).into())
    }

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

    /// Lists in rows, as Hugging Face's datasets keep what a tokenizer made: of Parquet or Arrow files, or else of JSON lines, or else of CSV.
    pub(super) fn add_rows(&mut self, what: &[What]) -> Result<()> {
        let Some(column) = column_of(self.tree, what, self.options)? else { return Ok(()) };
        let of_columns = what.iter().any(is_columnar);
        let of_lines = if what.contains(&What::JsonLines) { What::JsonLines } else { What::Csv };
        for at in (0..what.len()).filter(|at| if of_columns { is_columnar(&what[*at]) } else { what[*at] == of_lines }) {
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

/// Its entry, its header and its name.
type Array<'a> = (usize, &'a Header, ArrayName);

/// An array of rows of whole numbers with a number for each beside it.
fn rows_with_labels<'a, 'b>(tree: &Tree, arrays: &'b [Array<'a>]) -> Option<(&'b Array<'a>, &'b Array<'a>)> {
    let folder = |at: usize| tree.entries[at].folder();
    let is_whole = |header: &Header| Element::of_descr(&header.descr).is_some();
    let are_rows = |header: &Header| is_whole(header) && matches!(header.shape[..], [rows, width] if rows > 1 && width > 1);
    arrays.iter().filter(|(_, header, _)| are_rows(header)).find_map(|rows| {
        let is_one_each = |(at, header, _): &&Array| {
            folder(*at) == folder(rows.0) && matches!(header.shape[..], [count] | [count, 1] if count == rows.1.shape[0])
        };
        arrays.iter().find(is_one_each).map(|labels| (rows, labels))
    })
}

/// Rows with a number each are features of something.
fn features(tree: &Tree, (rows, header, name): &Array, (labels, ..): &Array) -> Error {
    let (file, beside) = (tree.display(&tree.entries[*rows]), tree.display(&tree.entries[*labels]));
    let sentence = format!(
        "{file} has {} rows of {} numbers and {beside} one number for each, as features and labels are, which are no tokens; save images as \
         [n,H,W]",
        header.shape[0], header.shape[1]
    );
    let take = Options { text_column: Some(name.column.clone()), ..Options::default() };
    let problem = Problem::error("features", sentence).at(Place::file(file));
    problem.with("choose", format!("Take {} as tokens", name.column), take).into()
}
