//! Images and labels as NumPy arrays: .npy files, or the members of an .npz, which lie in a folder of its name. What belongs together, and
//! which split it is of, the names tell (`x_train`, `test/labels`); of several arrays that may be the images or the labels the usual names
//! come first, and where none is usual it is asked.
//!
//! Images: [n,H,W], [n,H,W,C] or [n,C,H,W] with C of 1 or 3, or rows of a square image each; of any numbers, brought to bytes by their
//! range. Labels: [n], [n,1], or one-hot [n,classes].

use std::collections::BTreeSet;
use std::io::Read;

use crate::account::Account;
use crate::array_choice::{choose_images, choose_labels, offer_labels};
use crate::array_labels::{self, Labels};
use crate::array_name::{ArrayName, IMAGES, LABELS};
use crate::class_arrays;
use crate::error::{Error, Place, Problem, Result, refuse};
use crate::image_table;
use crate::images::{Content, Hand, ImageSet, Named, Raw, classes_of, place_among, splits_of};
use crate::merged;
use crate::npy::Header;
use crate::options::{Options, Order};
use crate::pixel_range::{self, PixelRange};
use crate::pixels::{Pixels, extent};
use crate::sniff::What;
use crate::tokens::is_called_tokens;
use crate::tree::{Entry, Tree, read_fully};

/// Rows of fewer pixels are rather numbers of another kind.
const LEAST_ROW: usize = 64;
/// So much of an array tells whether its numbers are whole, bytes.
const LOOKED_AT: usize = 1 << 14;

struct Part {
    entry: usize,
    labels: usize,
    header: Header,
    layout: Layout,
    range: PixelRange,
    /// Rows with values that are no numbers, and how many there are in each.
    bad: Vec<(usize, usize)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    shape: [usize; 3],
    /// [C,H,W] rather than [H,W,C].
    planes: bool,
}

struct Arrays {
    parts: Vec<Part>,
    /// Entry with the names of the classes.
    named_in: Option<usize>,
}

/// An array among the files.
pub struct Array<'a> {
    pub at: usize,
    pub entry: &'a Entry,
    pub header: &'a Header,
    pub name: ArrayName,
}

fn layout(header: &Header, options: &Options) -> Option<Layout> {
    let planes = |shape: [usize; 3]| Some(Layout { shape, planes: true });
    match header.shape[..] {
        [_, height, width] if height > 1 && width > 1 => Some(Layout { shape: [1, height, width], planes: false }),
        [_, height, width, channels @ (1 | 3)] => Some(Layout { shape: [channels, height, width], planes: false }),
        [_, channels @ (1 | 3), height, width] => planes([channels, height, width]),
        [_, pixels] => match row_of(pixels)? {
            (1, side) => planes([1, side, side]),
            (channels, side) => Some(Layout { shape: [channels, side, side], planes: options.order == Some(Order::Planes) }),
        },
        _ => None,
    }
}

/// How the values of a colour image that is a row follow one another.
pub fn which_order(file: &str, values: usize, side: usize) -> Problem {
    let sentence = format!(
        "{file} has rows of {values} values, colour images of {side} x {side}; say whether a row is one plane per channel or one pixel after the other"
    );
    let order = |order| Options { order: Some(order), ..Options::default() };
    let problem = Problem::error("which-order", sentence).at(Place::file(file));
    let problem = problem.with("choose", "Plane after plane, as CIFAR has them", order(Order::Planes));
    problem.with("choose", "Pixel after pixel", order(Order::Pixels))
}

/// Channels and side of a square image whose pixels are a row.
pub fn row_of(pixels: usize) -> Option<(usize, usize)> {
    let square = |channels: usize| {
        let side = (pixels / channels).isqrt();
        (side * side * channels == pixels).then_some((channels, side))
    };
    if pixels < LEAST_ROW { None } else { square(1).or_else(|| square(3)) }
}

/// An array of rows is of images where it is called so or holds bytes, and labels lie beside it.
pub fn is_images(array: &Array, arrays: &[Array]) -> bool {
    match array.header.shape[..] {
        [_, _, _, ..] => true,
        [count, pixels] => {
            let is_row = array.header.is_number() && row_of(pixels).is_some();
            let is_called = array.name.rank(&IMAGES).is_some() || array.header.descr.ends_with("u1");
            // Of rows of bytes any numbers beside them are the labels, unless they are called tokens.
            let are_bytes = array.header.descr.ends_with("u1") && !is_called_tokens(&array.name);
            let is_beside = |other: &Array| are_bytes && other.at != array.at && other.entry.folder() == array.entry.folder();
            let has_labels =
                |other: &Array| array_labels::can_be(other.header, count) && (other.name.rank(&LABELS).is_some() || is_beside(other));
            is_row && is_called && arrays.iter().any(has_labels)
        }
        _ => false,
    }
}

fn arrays<'a>(tree: &'a Tree, what: &'a [What]) -> Vec<Array<'a>> {
    let array = |(at, what): (usize, &'a What)| match what {
        What::Npy(header) => {
            let entry = &tree.entries[at];
            Some(Array { at, entry, header, name: ArrayName::of(entry) })
        }
        _ => None,
    };
    what.iter().enumerate().filter_map(array).collect()
}

pub fn fits(tree: &Tree, what: &[What]) -> bool {
    let arrays = arrays(tree, what);
    arrays.iter().any(|array| is_images(array, &arrays))
        || class_arrays::fits(&arrays)
        || class_arrays::no_single_images(tree, &arrays).is_err()
}

/// Arrays of images with labels, or called by their class.
pub fn are_labelled(tree: &Tree, what: &[What]) -> bool {
    let arrays = arrays(tree, what);
    let has_labels = |count: usize| {
        arrays.iter().any(|other| array_labels::can_be(other.header, count) || array_labels::can_be_one_hot(other.header, count))
    };
    arrays.iter().any(|array| is_images(array, &arrays) && has_labels(array.header.shape[0]))
        || matches!(class_arrays::classes(tree, &arrays, &Options::default()), Ok(Some(_)))
}

pub fn open(tree: &Tree, what: &[What], options: &Options) -> Result<ImageSet> {
    let arrays = arrays(tree, what);
    class_arrays::no_single_images(tree, &arrays)?;
    if let Some(classes) = class_arrays::classes(tree, &arrays, options)? {
        return open_classes(tree, &arrays, &classes, options);
    }
    let images = choose_images(tree, &arrays, options)?;
    let (mut parts, mut labels, mut named, mut used) = (Vec::new(), Vec::new(), Vec::<Option<Named>>::new(), Vec::new());
    let mut problems = Vec::new();
    for array in &images {
        let partner = match choose_labels(tree, array, &arrays, options) {
            // A test split may be without labels, as that of a competition is.
            Err(Error::Data(problem)) if problem.code == "no-labels" && array.name.split == Some(Named::Test) && images.len() > 1 => {
                let sentence = format!("{}; it is a test split without labels and is left out", problem.message);
                problems.push(Problem::warning("unlabelled-split", sentence).at(tree.place(array.entry)));
                continue;
            }
            partner => partner?,
        };
        let mut part = open_images(tree, array, options)?;
        same_size(tree, array, parts.first(), &part)?;
        part.labels = partner.at;
        check_length(tree, partner.entry, partner.header)?;
        labels.push(array_labels::read(tree, partner.entry, partner.header)?);
        named.resize(named.len() + array.header.shape[0], array.name.split);
        used.extend([array.at, partner.at]);
        parts.push(part);
    }
    if parts.is_empty() {
        return Err(Problem::error("no-labels", "no array of images has labels beside it").into());
    }
    let rows: Vec<(usize, usize)> = parts.iter().map(|part| (part.entry, part.header.shape[0])).collect();
    let (mut class_names, labels) = classes(tree, labels, &used, &rows)?;
    let named_in = match rename(tree, &arrays, &mut class_names, &mut problems)? {
        Some(at) => Some(at),
        None => image_table::rename_classes(tree, what, &used, &mut class_names, &mut problems)?,
    };
    used.extend(named_in);
    ranges(tree, &mut parts, options, &mut problems)?;
    report_rows(tree, &parts, &mut problems);
    report_unused(tree, &arrays, &used, &mut problems);
    problems.extend(merged::of_entries(images.iter().map(|array| array.entry)));
    let splits = splits_of(&named, &mut problems);
    let columns = columns(&arrays);
    let content: Box<dyn Content> = Box::new(Arrays { parts, named_in });
    Ok(ImageSet { class_names, labels, splits, content, columns, problems })
}

/// Names of the classes from an array of as many texts that is called so: `label_names`, `list_classes`. Returns its entry.
fn rename(tree: &Tree, arrays: &[Array], class_names: &mut Vec<String>, problems: &mut Vec<Problem>) -> Result<Option<usize>> {
    let numbers: Option<Vec<usize>> = class_names.iter().map(|name| name.parse().ok()).collect();
    let (count, Some(numbers)) = (class_names.len(), numbers) else { return Ok(None) };
    if !(numbers.iter().copied().eq(0..count) || numbers.iter().copied().eq(1..=count)) {
        return Ok(None);
    }
    let is_called =
        |array: &&Array| ["names", "classes", "categories"].iter().any(|word| array.entry.stem().to_lowercase().ends_with(word));
    let is_text = |array: &&Array| array.header.shape == [count] && array.header.text_element().is_some();
    let Some(array) = arrays.iter().filter(is_called).find(is_text) else { return Ok(None) };
    let Labels::Texts(names) = array_labels::read(tree, array.entry, array.header)? else { return Ok(None) };
    if names.iter().collect::<BTreeSet<_>>().len() < count {
        return Ok(None);
    }
    let sentence = format!("{} names the classes: {} is {}, ...", tree.display(array.entry), class_names[0], names[0]);
    problems.push(Problem::note("class-names", sentence).at(tree.place(array.entry)));
    *class_names = names;
    Ok(Some(array.at))
}

/// Arrays of one class each.
fn open_classes(tree: &Tree, arrays: &[Array], classes: &[String], options: &Options) -> Result<ImageSet> {
    let (mut parts, mut texts, mut named, mut problems) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (array, class) in arrays.iter().zip(classes) {
        let part = open_images(tree, array, options)?;
        same_size(tree, array, parts.first(), &part)?;
        texts.resize(texts.len() + array.header.shape[0], Some(class.clone()));
        named.resize(texts.len(), array.name.split);
        parts.push(part);
    }
    let (class_names, labels) = classes_of(&texts);
    let shown: Vec<&str> = class_names.iter().take(3).map(String::as_str).collect();
    let more = if class_names.len() > 3 { ", ..." } else { "" };
    problems.push(Problem::note("array-per-class", format!("each array is a class by its name ({}{more})", shown.join(", "))));
    ranges(tree, &mut parts, options, &mut problems)?;
    report_rows(tree, &parts, &mut problems);
    let splits = splits_of(&named, &mut problems);
    let content: Box<dyn Content> = Box::new(Arrays { parts, named_in: None });
    Ok(ImageSet { class_names, labels, splits, content, columns: columns(arrays), problems })
}

fn same_size(tree: &Tree, array: &Array, first: Option<&Part>, part: &Part) -> Result<()> {
    let Some(first) = first.filter(|first| first.layout.shape != part.layout.shape) else { return Ok(()) };
    let (file, [c, h, w], [c0, h0, w0]) = (tree.display(array.entry), part.layout.shape, first.layout.shape);
    let sentence = format!("{file} has images of {} in {c} channels, others are {} in {c0}", extent(h, w), extent(h0, w0));
    refuse("different-sizes", sentence, Place::file(file))
}

/// Names that may be chosen, each once.
pub fn columns(arrays: &[Array]) -> Vec<String> {
    let mut columns: Vec<String> = arrays.iter().map(|array| array.name.column.clone()).collect();
    columns.sort();
    columns.dedup();
    columns
}

/// Labels lie at the rows of the second of each pair of arrays that are used.
fn classes(tree: &Tree, labels: Vec<Labels>, used: &[usize], rows: &[(usize, usize)]) -> Result<(Vec<String>, Vec<u32>)> {
    let partners = used.iter().skip(1).step_by(2).zip(rows).map(|(&at, (_, count))| (at, *count));
    array_labels::classes(labels, &|row| place_among(tree, partners.clone(), row))
}

fn open_images(tree: &Tree, array: &Array, options: &Options) -> Result<Part> {
    let Array { at, entry, header, .. } = array;
    let file = tree.display(entry);
    let refused = |code, sentence: String| refuse(code, sentence, Place::file(file.clone()));
    let Some(layout) = layout(header, options) else {
        let sentence = format!("{file} has the shape {:?}; images are [n,H,W], [n,H,W,C] or [n,C,H,W] with 1 or 3 channels", header.shape);
        return refused("bad-shape", sentence);
    };
    if header.fortran {
        return refused("fortran-order", format!("{file} is in Fortran order; save numpy.ascontiguousarray of it"));
    }
    if !header.is_number() {
        return refused("bad-type", format!("{file} holds elements of type {}, which are no numbers", header.descr));
    }
    check_length(tree, entry, header)?;
    if header.shape[0] == 0 {
        return refused("empty-file", format!("{file} holds no images"));
    }
    if header.shape.len() == 2 && layout.shape[0] == 3 && options.order.is_none() {
        return Err(which_order(&file, header.shape[1], layout.shape[1]).into());
    }
    Ok(Part { entry: *at, labels: *at, header: (*header).clone(), layout, range: PixelRange::default(), bad: Vec::new() })
}

/// One range for all arrays of a type: what is black in training is black in validation.
fn ranges(tree: &Tree, parts: &mut [Part], options: &Options, problems: &mut Vec<Problem>) -> Result<()> {
    let mut types: Vec<String> = parts.iter().map(|part| part.header.descr.clone()).collect();
    types.sort();
    types.dedup();
    for descr in &types {
        let of_type: Vec<&Part> = parts.iter().filter(|part| part.header.descr == *descr).collect();
        // Bytes are what they are, unless there are none but 0 and 1.
        if descr.ends_with("u1") && options.range.is_none() && !are_flags(tree, &of_type)? {
            continue;
        }
        let mut survey = pixel_range::Survey::default();
        for part in parts.iter_mut().filter(|part| part.header.descr == *descr) {
            let bad = survey.add(tree, &tree.entries[part.entry], &part.header)?;
            part.bad = bad;
        }
        let first = parts.iter().find(|part| part.header.descr == *descr).map_or(0, |part| part.entry);
        let range = survey.range(tree, &tree.entries[first], options, problems)?;
        parts.iter_mut().filter(|part| part.header.descr == *descr).for_each(|part| part.range = range);
    }
    Ok(())
}

/// The beginnings of arrays of bytes hold 0 and 1 alone.
fn are_flags(tree: &Tree, parts: &[&Part]) -> Result<bool> {
    for part in parts {
        let head = tree.head(&tree.entries[part.entry], part.header.start + (1 << 16))?;
        if head.get(part.header.start..).unwrap_or_default().iter().any(|byte| *byte > 1) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn report_rows(tree: &Tree, parts: &[Part], problems: &mut Vec<Problem>) {
    let rows = parts.iter().filter(|part| part.header.shape.len() == 2);
    let mut rows = rows.peekable();
    let Some(first) = rows.peek() else { return };
    let [channels, height, width] = first.layout.shape;
    let sentence = format!(
        "rows of {} values are taken as {} images of {}",
        first.header.shape[1],
        if channels == 1 { "grey" } else { "colour" },
        extent(height, width)
    );
    problems.push(rows.fold(Problem::note("flat-rows", sentence), |problem, part| problem.at(tree.place(&tree.entries[part.entry]))));
}

fn report_unused(tree: &Tree, arrays: &[Array], used: &[usize], problems: &mut Vec<Problem>) {
    let unused: Vec<&Array> = arrays.iter().filter(|array| !used.contains(&array.at)).collect();
    if unused.is_empty() {
        return;
    }
    let mut names: Vec<&str> = unused.iter().map(|array| array.name.column.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let sentence = format!("not used: {} ({})", names.join(", "), counted(unused.len(), "array"));
    let problem = Problem::note("unused-arrays", sentence).counted(unused.len() as u64);
    let problem = unused.iter().take(20).fold(problem, |problem, array| problem.at(tree.place(array.entry)));
    let counts: Vec<usize> = arrays.iter().filter(|array| used.contains(&array.at)).map(|array| array.header.shape[0]).collect();
    // Numbers with fractions are measured.
    let are_whole = |array: &Array| {
        let head = tree.head(array.entry, array.header.start + LOOKED_AT).unwrap_or_default();
        let body = head.get(array.header.start..).unwrap_or_default();
        !array.header.descr.contains('f') || array.header.numbers(body).all(|number| number.is_nan() || number.fract() == 0.0)
    };
    let may_be = |name: &&&str| {
        let fits = |array: &Array| counts.iter().any(|&count| array_labels::can_be(array.header, count)) && are_whole(array);
        unused.iter().any(|array| array.name.column == **name && fits(array))
    };
    problems.push(names.iter().filter(may_be).take(6).fold(problem, |problem, name| offer_labels(problem, name)));
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// The elements must end the file.
fn check_length(tree: &Tree, entry: &Entry, header: &Header) -> Result<()> {
    if header.is_objects() {
        return Ok(());
    }
    let expected = (header.start + header.bytes().unwrap_or(usize::MAX)) as u64;
    let found = tree.size(entry);
    // The size of a compressed file is that of its content only in archives.
    if found == expected || entry.is_packed() {
        return Ok(());
    }
    let file = tree.display(entry);
    let sentence = format!("{file} is truncated or goes on: its shape {:?} takes {expected} bytes, it has {found}", header.shape);
    refuse("truncated-file", sentence, Place { offset: Some(found.min(expected)), ..Place::file(file) })
}

impl Content for Arrays {
    fn account(&self, tree: &Tree) -> Account {
        let mut account = Account::default();
        for part in &self.parts {
            account.use_as(tree, part.entry, "arrays of images");
            account.use_as(tree, part.labels, "arrays of labels");
        }
        self.named_in.into_iter().for_each(|at| account.use_as(tree, at, "names of classes"));
        account
    }

    fn stream(&self, tree: &Tree, from: usize, hand: &mut Hand) -> Result<()> {
        let mut before = 0;
        for part in &self.parts {
            let count = part.header.shape[0];
            let skipped = from.saturating_sub(before).min(count);
            before += count;
            if skipped == count {
                continue;
            }
            let entry = &tree.entries[part.entry];
            let size = part.layout.shape.iter().product::<usize>() * part.header.element();
            tree.read(entry, |stream| {
                let start = (part.header.start + skipped * size) as u64;
                std::io::copy(&mut stream.take(start), &mut std::io::sink()).map_err(|error| tree.unreadable(entry, &error))?;
                let mut bytes = vec![0; size];
                for row in skipped..count {
                    if read_fully(stream, &mut bytes).map_err(|error| tree.unreadable(entry, &error))? < size {
                        let file = tree.display(entry);
                        return refuse("truncated-file", format!("{file} ends within image {row}"), Place::row(file, row));
                    }
                    hand(part.image(&bytes))?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn place(&self, tree: &Tree, sample: usize) -> Place {
        place_among(tree, self.parts.iter().map(|part| (part.entry, part.header.shape[0])), sample)
    }

    fn shape(&self) -> Option<[usize; 3]> {
        self.parts.first().map(|part| part.layout.shape)
    }

    fn unreadable(&self) -> Vec<(usize, String)> {
        let mut before = 0;
        let mut found = Vec::new();
        for part in &self.parts {
            found.extend(part.bad.iter().map(|(row, count)| (before + row, pixel_range::not_finite(*count))));
            before += part.header.shape[0];
        }
        found
    }
}

impl Part {
    fn image(&self, bytes: &[u8]) -> Raw {
        let [channels, height, width] = self.layout.shape;
        let data = match self.header.descr.get(1..) {
            Some("u1") if self.range == PixelRange::default() => bytes.to_vec(),
            _ => match self.range.bytes(self.header.numbers(bytes)) {
                Ok(data) => data,
                Err(why) => return Raw::Bad(why),
            },
        };
        let pixels =
            if self.layout.planes { Pixels::from_planes(channels, height, width, &data) } else { Pixels { height, width, channels, data } };
        Raw::Pixels(pixels)
    }
}
