//! Which columns of a file of columns are the images and the labels: by content and by what datasets note of them, then by name. What
//! several columns may be is asked for; captions, masks and boxes are no labels and are refused by name.

use std::collections::{BTreeMap, BTreeSet};

use crate::columnar::Columnar;
use crate::error::{Place, Problem, Result};
use crate::features::Features;
use crate::options::{Format, Options};
use crate::pixels;
use crate::sniff::{What, is_image_extension};
use crate::tree::{Entry, Tree};

/// Names of the column of images, the likeliest first; others beside it are masks and their like.
const IMAGES: [&str; 12] =
    ["image", "img", "images", "pixel_values", "pixels", "picture", "photo", "jpg", "png", "jpeg", "image_path", "file_name"];
/// Names of labels that win over all others.
const LABELS: [&str; 7] = ["label", "labels", "y", "target", "targets", "class", "category"];
/// Words of names of labels.
const LABEL_WORDS: [&str; 14] = [
    "label",
    "labels",
    "class",
    "classes",
    "category",
    "target",
    "species",
    "breed",
    "diagnosis",
    "emotion",
    "genre",
    "digit",
    "superclass",
    "subclass",
];
const CAPTIONS: [&str; 12] =
    ["caption", "captions", "text", "texts", "description", "prompt", "sentence", "sentences", "title", "alt", "conversations", "messages"];
/// Names of lists of what is in an image.
const OBJECTS: [&str; 6] = ["objects", "bbox", "bboxes", "boxes", "annotations", "faces"];
/// Rows that are looked at for the first value.
const LOOKED_AT: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Image {
    /// Encoded files in a column, and where it is empty their names in another.
    Encoded { bytes: String, path: Option<String> },
    /// Names of files that lie beside.
    Path(String),
}

impl Image {
    /// The column as people call it.
    pub fn name(&self) -> &str {
        match self {
            Self::Encoded { bytes, .. } => bytes.strip_suffix(".bytes").unwrap_or(bytes),
            Self::Path(path) => path.strip_suffix(".path").unwrap_or(path),
        }
    }

    pub fn columns(&self) -> Vec<&str> {
        match self {
            Self::Encoded { bytes, path } => std::iter::once(bytes.as_str()).chain(path.as_deref()).collect(),
            Self::Path(path) => vec![path],
        }
    }
}

/// The files of a tree by their last names, for the names that a column has.
pub struct Beside<'a> {
    tree: &'a Tree,
    names: BTreeMap<String, Vec<usize>>,
}

impl<'a> Beside<'a> {
    pub fn new(tree: &'a Tree, what: &[What]) -> Self {
        let mut names: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, entry) in tree.entries.iter().enumerate().filter(|(at, _)| matches!(what.get(*at), Some(What::Image | What::OtherImage))) {
            names.entry(entry.file_name().to_owned()).or_default().push(at);
        }
        Self { tree, names }
    }

    /// The file that a row of `table` means: as it lies beside the table, else the only one whose path ends as the name does, or whose
    /// whole path the name ends with.
    pub fn find(&self, table: &Entry, name: &str) -> Option<usize> {
        let unified = name.trim().replace('\\', "/");
        let parts: Vec<&str> = unified.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        let named = self.names.get(*parts.last()?)?;
        let wanted = [table.folder(), &parts.join("/")].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("/");
        if let Some(exact) = named.iter().find(|at| self.tree.entries[**at].name == wanted) {
            return Some(*exact);
        }
        let fits = |at: &&usize| {
            let own: Vec<&str> = self.tree.entries[**at].name.split('/').collect();
            own.ends_with(&parts) || parts.ends_with(&own)
        };
        let mut found = named.iter().filter(fits);
        let first = found.next().copied();
        first.filter(|_| found.next().is_none())
    }
}

fn is_image_name(text: &str) -> bool {
    text.rsplit_once('.').is_some_and(|(_, extension)| is_image_extension(&extension.to_lowercase()))
}

/// All columns of images; of names of files only where no column has encoded ones.
pub fn images(entry: &Entry, file: &Columnar, beside: &Beside) -> Result<Vec<Image>> {
    let columns = file.byte_columns();
    let (mut encoded, mut paths) = (Vec::new(), Vec::new());
    for column in &columns {
        let sibling = |end: &str, other: &str| {
            let other = format!("{}{other}", column.strip_suffix(end)?);
            columns.contains(&other).then_some(other)
        };
        let is_part = sibling(".path", ".bytes").is_some();
        let first = if is_part { None } else { file.first(column, LOOKED_AT)? };
        let path = sibling(".bytes", ".path");
        match first {
            Some(value) if pixels::is_image(value.data()) => encoded.push(Image::Encoded { bytes: column.clone(), path }),
            Some(value) => {
                let text = std::str::from_utf8(value.data()).ok().filter(|text| text.len() < 4096 && is_image_name(text));
                if text.is_some_and(|text| beside.find(entry, text).is_some()) {
                    paths.push(Image::Path(column.clone()));
                }
            }
            None => {
                if let Some(path) = path.filter(|path| matches!(file.first(path, LOOKED_AT), Ok(Some(_)))) {
                    paths.push(Image::Path(path));
                }
            }
        }
    }
    Ok(if encoded.is_empty() { paths } else { encoded })
}

/// The column of images: chosen, or the only one, or the one with a usual name, which is said.
pub fn choose_image(found: Vec<Image>, columns: &[String], options: &Options, problems: &mut Vec<Problem>) -> Result<Option<Image>> {
    if let Some(chosen) = &options.image_column {
        if let Some(known) = found.iter().find(|image| image.name() == chosen || image.columns().contains(&chosen.as_str())) {
            return Ok(Some(known.clone()));
        }
        let nested = format!("{chosen}.bytes");
        let bytes = if columns.contains(&nested) { nested } else { chosen.clone() };
        return Ok(Some(Image::Encoded { bytes, path: None }));
    }
    if found.len() < 2 {
        return Ok(found.into_iter().next());
    }
    let names = found.iter().map(Image::name).collect::<Vec<_>>();
    let usual = IMAGES.iter().find_map(|usual| found.iter().find(|image| image.name().to_lowercase() == *usual));
    let Some(usual) = usual else {
        let sentence = format!("there are several columns of images, {}; which of them is learned?", names.join(", "));
        return Err(offer_images(&names, Problem::error("which-images", sentence)).into());
    };
    let others: Vec<&str> = names.iter().copied().filter(|name| *name != usual.name()).collect();
    let sentence = format!("the images are those of {}; {} holds images too and is left out", usual.name(), others.join(", "));
    problems.push(offer_images(&others, Problem::note("other-images", sentence)));
    Ok(Some(usual.clone()))
}

fn offer_images(names: &[&str], problem: Problem) -> Problem {
    names.iter().take(12).fold(problem.counted(names.len() as u64), |problem, name| {
        problem.with("choose", format!("Take {name}"), Options { image_column: Some((*name).to_owned()), ..Options::default() })
    })
}

/// The column of labels of a file whose images are known. `others` are further columns of images.
pub fn choose_label(
    (shown, file): (&str, &Columnar),
    features: &Features,
    images: &[Image],
    options: &Options,
    problems: &mut Vec<Problem>,
) -> Result<String> {
    if let Some(chosen) = &options.label_column {
        return Ok(chosen.clone());
    }
    let is_of_image = |name: &str| images.iter().any(|image| name == image.name() || name.starts_with(&format!("{}.", image.name())));
    let columns: Vec<String> = file.names().into_iter().filter(|name| !is_of_image(name)).collect();
    let lists = file.lists();
    let lower = |name: &str| name.to_lowercase();
    let known: Vec<&String> = columns.iter().chain(&lists).collect();
    let usual = LABELS.iter().find_map(|usual| known.iter().find(|name| lower(name) == *usual));
    let classes: BTreeSet<&String> = known.iter().copied().filter(|name| features.is_class(name)).collect();
    let like: BTreeSet<&String> = known.iter().copied().filter(|name| is_like_label(name)).collect();
    let several = if classes.is_empty() { &like } else { &classes };
    if let Some(usual) = usual {
        let others: Vec<&String> = several.iter().copied().filter(|name| name != usual).collect();
        if !others.is_empty() {
            let sentence = format!("the labels are those of {usual}; {} may be labels too", listed(&others));
            problems.push(offer_labels(&others, Problem::note("other-labels", sentence)));
        }
        return Ok((*usual).clone());
    }
    match several.iter().copied().collect::<Vec<_>>()[..] {
        [one] => return Ok(one.clone()),
        [] => {}
        ref several => {
            let sentence = format!("{shown} has several columns of labels, {}; which of them is learned?", listed(several));
            return Err(offer_labels(several, Problem::error("which-labels", sentence).at(Place::file(shown))).into());
        }
    }
    Err(without_labels(shown, file, &columns, images).into())
}

pub fn is_like_label(name: &str) -> bool {
    let lower = name.to_lowercase();
    lower.split(|c: char| !c.is_alphanumeric()).any(|word| LABEL_WORDS.contains(&word))
}

fn listed(names: &[&String]) -> String {
    let shown: Vec<&str> = names.iter().take(12).map(|name| name.as_str()).collect();
    shown.join(", ")
}

fn offer_labels(names: &[&String], problem: Problem) -> Problem {
    names.iter().take(12).fold(problem.counted(names.len() as u64), |problem, name| {
        problem.with("choose", format!("Take {name}"), Options { label_column: Some((*name).clone()), ..Options::default() })
    })
}

/// Why a file of images has no labels, and what else it is.
fn without_labels(shown: &str, file: &Columnar, columns: &[String], images: &[Image]) -> Problem {
    let other_lists = file.other_lists();
    let is_called = |name: &String, known: &[&str]| known.contains(&name.to_lowercase().split('.').next().unwrap_or_default());
    let at = |code, sentence: String| Problem::error(code, sentence).at(Place::file(shown));
    if let Some(name) = other_lists.iter().chain(&file.lists()).find(|name| is_called(name, &OBJECTS)) {
        return at(
            "several-labels",
            format!("{shown} has boxes or objects in each image ({name}) and no label per image; such a dataset is not learned"),
        );
    }
    let texts = file.byte_columns();
    if let Some(caption) = columns.iter().find(|name| is_called(name, &CAPTIONS) && texts.contains(name)) {
        let sentence = format!("{shown} has captions ({caption}) and no labels; a caption is text about its image and no class");
        let options = Options { format: Some(Format::Text), text_column: Some(caption.clone()), ..Options::default() };
        return at("captions", sentence).with("choose", format!("Import {caption} as text, without the images"), options);
    }
    if let Some(caption) = other_lists.iter().find(|name| is_called(name, &CAPTIONS)) {
        return at("captions", format!("{shown} has several texts per image ({caption}) and no labels; a text about an image is no class"));
    }
    if images.len() > 1 {
        let names: Vec<&str> = images.iter().map(Image::name).collect();
        return at(
            "no-labels",
            format!("{shown} has pairs of images ({}) and no labels; masks and pairs are not learned", names.join(", ")),
        );
    }
    if columns.is_empty() {
        let lists = if other_lists.is_empty() { String::new() } else { format!(" but the lists {}", other_lists.join(", ")) };
        return at("no-labels", format!("{shown} has images and nothing beside them{lists}, so no labels"));
    }
    let names: Vec<&String> = columns.iter().collect();
    offer_labels(
        &names,
        at("no-column", format!("{shown} has no column of labels that is known by its name; there are {}", listed(&names))),
    )
}
