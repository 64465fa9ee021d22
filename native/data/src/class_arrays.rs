//! Arrays of images whose class is the name of the array: QuickDraw's `full_numpy_bitmap_cat.npy`, `train0` and `test0` of mnist_all.mat.
//! Other arrays that look like images and have no labels are a question, for bytes in rows may be tokens too. And arrays of several
//! datasets, which lie side by side, each in its folder or .npz.

use std::collections::{BTreeMap, BTreeSet};

use crate::array_labels;
use crate::array_name::{IMAGES, LABELS};
use crate::arrays::{Array, row_of};
use crate::error::{Place, Problem, Result};
use crate::images::Named;
use crate::options::{Format, Options};
use crate::tree::Tree;

const QUICK_DRAW: &str = "full_numpy_bitmap_";

/// A row of bytes that is a square image, or an array of three axes and more.
fn may_be_images(array: &Array) -> bool {
    match array.header.shape[..] {
        [_, pixels] => array.header.descr.ends_with("u1") && row_of(pixels).is_some(),
        [_, height, width] | [_, height, width, _] => array.header.is_number() && height > 1 && width > 1,
        _ => false,
    }
}

/// Arrays of images without any labels beside them.
fn without_labels(arrays: &[Array]) -> bool {
    let is_labels = |other: &Array, count: usize| other.name.rank(&LABELS).is_some() || array_labels::can_be(other.header, count);
    let mut images = arrays.iter().filter(|array| may_be_images(array)).peekable();
    images.peek().is_some() && images.all(|image| !arrays.iter().any(|other| is_labels(other, image.header.shape[0])))
}

/// The class that an array's name tells: without its split, and without what all are called.
fn class_of(array: &Array) -> String {
    let stem = array.entry.file_name().rsplit_once('.').map_or(array.entry.file_name(), |(stem, _)| stem);
    if let Some(name) = stem.strip_prefix(QUICK_DRAW) {
        return name.to_owned();
    }
    let letters = stem.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = &stem[letters.len()..];
    let is_split = array.name.split.is_some() && crate::images::named_split(letters).is_some();
    match is_split && !number.is_empty() {
        true => number.to_owned(),
        false if is_split && array.name.column == stem => String::new(),
        false => array.name.column.clone(),
    }
}

/// Whether arrays of bytes are images rather than tokens, or may be.
pub fn fits(arrays: &[Array]) -> bool {
    without_labels(arrays) && arrays.iter().all(|array| may_be_images(array) && array.name.rank(&["tokens", "ids", "token"]).is_none())
}

/// The class of each array, where their names tell it; `None` where they have labels of their own. Fails where it is not plain.
pub fn classes(tree: &Tree, arrays: &[Array], options: &Options) -> Result<Option<Vec<String>>> {
    if !fits(arrays) || options.image_column.is_some() || options.label_column.is_some() {
        return Ok(None);
    }
    let names: Vec<String> = arrays.iter().map(class_of).collect();
    let is_row = arrays.iter().all(|array| array.header.shape.len() == 2);
    let distinct: BTreeSet<&String> = names.iter().filter(|name| !name.is_empty()).collect();
    let alike = arrays.windows(2).all(|pair| pair[0].header.shape[1..] == pair[1].header.shape[1..]);
    let is_class = |(array, name): (&Array, &String)| !name.is_empty() && array.name.rank(&IMAGES).is_none();
    let several = distinct.len() > 1 && alike && arrays.iter().zip(&names).all(is_class);
    if several && (is_quick_draw(arrays) || is_numbered(arrays, &names) || options.format == Some(Format::ImageArrays)) {
        return Ok(Some(names));
    }
    // One array of images alone lacks its labels, which is said where they are looked for.
    if !several && !is_row {
        return Ok(None);
    }
    let first = &arrays[0];
    let (file, shape) = (tree.display(first.entry), &first.header.shape);
    let look = if is_row { "has rows of bytes that may be square images or tokens" } else { "holds images" };
    let sentence =
        format!("{file} {look} (its shape is {shape:?}), and no array of labels lies beside it; save one, with a label for each image");
    let mut problem = Problem::error("no-labels", sentence).counted(arrays.len() as u64).at(Place::file(file));
    let taking = |format| Options { format: Some(format), ..Options::default() };
    if several {
        let shown: Vec<&str> = distinct.iter().take(3).map(|name| name.as_str()).collect();
        let more = if distinct.len() > 3 { ", ..." } else { "" };
        problem = problem.with("choose", format!("Take each array as a class ({}{more})", shown.join(", ")), taking(Format::ImageArrays));
    }
    if is_row {
        problem = problem.with("choose", "Take the bytes as tokens", taking(Format::Tokens));
    }
    Err(problem.into())
}

fn is_quick_draw(arrays: &[Array]) -> bool {
    arrays.iter().all(|array| array.entry.file_name().starts_with(QUICK_DRAW))
}

/// The same numbers for training and for another split.
fn is_numbered(arrays: &[Array], names: &[String]) -> bool {
    let mut of_split: BTreeMap<Option<Named>, BTreeSet<&str>> = BTreeMap::new();
    for (array, name) in arrays.iter().zip(names) {
        of_split.entry(array.name.split).or_default().insert(name);
    }
    let are_numbers = names.iter().all(|name| name.parse::<u32>().is_ok());
    let train = of_split.get(&Some(Named::Train));
    are_numbers && of_split.len() > 1 && of_split.values().all(|numbers| Some(numbers) == train)
}

/// Refuses arrays of one image each, in folders like classes.
pub fn no_single_images(tree: &Tree, arrays: &[Array]) -> Result<()> {
    let of_tokens = |array: &Array| ["u2", "u4", "u8", "i4", "i8"].iter().any(|kind| array.header.descr.ends_with(kind));
    let is_image = |array: &Array| match array.header.shape[..] {
        [height, width] => height >= 8 && width >= 8,
        [height, width, 1 | 3] | [1 | 3, height, width] => height >= 8 && width >= 8,
        _ => false,
    };
    let folders: BTreeSet<&str> = arrays.iter().map(|array| array.entry.folder().rsplit('/').next().unwrap_or_default()).collect();
    let are_classes = folders.iter().filter(|folder| crate::images::named_split(folder).is_none()).count() > 1;
    if !are_classes || arrays.len() < 2 * folders.len() || !arrays.iter().all(|array| is_image(array) && !of_tokens(array)) {
        return Ok(());
    }
    let shown: Vec<&str> = folders.iter().copied().take(3).collect();
    let sentence = format!(
        "{} arrays lie in folders ({}{}) and seem to be an image each (the first of the shape {:?}); save them as PNG files there, or all as \
         one array [n,H,W] with one of labels",
        arrays.len(),
        shown.join(", "),
        if folders.len() > 3 { ", ..." } else { "" },
        arrays[0].header.shape
    );
    let problem = Problem::error("array-per-image", sentence).counted(arrays.len() as u64);
    Err(arrays.iter().take(20).fold(problem, |problem, array| problem.at(tree.place(array.entry))).into())
}

/// Asks which of several datasets counts, whose arrays for one split lie in several folders.
pub fn one_dataset(images: &[&Array]) -> Result<()> {
    one_version(images)?;
    let is_of_set = |a: &Array, b: &Array| a.name.is_of_set(&b.name) && a.header.shape[1..] == b.header.shape[1..];
    let differs = |a: &&&Array, b: &&&Array| a.entry.folder() != b.entry.folder() && a.name.split == b.name.split && !is_of_set(a, b);
    let Some(first) = images.iter().find(|a| images.iter().any(|b| differs(a, &b))) else { return Ok(()) };
    let folders: BTreeSet<&str> = images.iter().map(|array| array.entry.folder()).collect();
    let shown: Vec<&str> = folders.iter().copied().take(4).collect();
    let more = if folders.len() > 4 { ", ..." } else { "" };
    let sentence = format!("arrays of several datasets lie side by side: {}{more}; which of them counts?", shown.join(", "));
    let take = |problem: Problem, folder: &&str| {
        problem.with("choose", format!("Take {folder} alone"), Options { folder: Some((*folder).to_owned()), ..Options::default() })
    };
    let problem = folders.iter().take(12).fold(Problem::error("several-datasets", sentence), take);
    let problem = problem.counted(folders.len() as u64);
    let are_alike = images.iter().all(|array| array.header.shape[1..] == first.header.shape[1..]);
    let together = Options { image_column: Some(first.name.column.clone()), ..Options::default() };
    Err(if are_alike { problem.with("choose", "Take them together, as one", together) } else { problem }.into())
}

/// Asks which of several versions of one split counts, whose files lie in one folder.
fn one_version(images: &[&Array]) -> Result<()> {
    let mut versions: BTreeMap<String, &Array> = BTreeMap::new();
    for array in images {
        let has_other = |other: &&Array| other.name.split == array.name.split && other.name.version() != array.name.version();
        if let Some(version) = array.name.version().filter(|_| images.iter().any(has_other)) {
            versions.entry(version).or_insert(array);
        }
    }
    if versions.len() < 2 {
        return Ok(());
    }
    let shown = versions.keys().cloned().collect::<Vec<_>>().join(", ");
    let problem =
        Problem::error("several-versions", format!("arrays of several versions lie side by side: {shown}; which of them counts?"));
    let offer = |problem: Problem, (version, array): (&String, &&Array)| {
        let name = &array.entry.name;
        let end = name.to_lowercase().rfind(version.as_str()).map_or(name.len(), |at| at + version.len());
        let chosen = Options { folder: Some(format!("{}*", &name[..end])), ..Options::default() };
        problem.with("choose", format!("Take {version}"), chosen)
    };
    Err(versions.iter().fold(problem.counted(versions.len() as u64), offer).into())
}

/// Asks of numpy.savez's `arr_0`, `arr_1`, ... which arrays of images count: their names tell no split.
pub fn named_arrays(tree: &Tree, images: &[&Array]) -> Result<()> {
    let is_nameless = |array: &&&Array| array.entry.stem().strip_prefix("arr_").is_some_and(|number| number.parse::<u32>().is_ok());
    let nameless: Vec<&&Array> = images.iter().filter(is_nameless).collect();
    let [first, .., _] = nameless[..] else { return Ok(()) };
    let names: Vec<&str> = nameless.iter().map(|array| array.entry.stem()).collect();
    let sentence = format!(
        "{} are images without a name that tells their split; save them by name: numpy.savez(file, x_train=..., y_train=..., x_test=..., \
         y_test=...)",
        names.join(", ")
    );
    let take = |name: &str| Options { image_column: Some(name.to_owned()), ..Options::default() };
    let problem = Problem::error("which-images", sentence).counted(names.len() as u64).at(tree.place(first.entry));
    let problem = names.iter().take(6).fold(problem, |problem, name| problem.with("choose", format!("Take {name} alone"), take(name)));
    Err(problem.with("choose", "Take all together, without their splits", take(&first.name.column)).into())
}
