//! Annotations of objects in images, which are no labels of images: COCO, YOLO, Pascal VOC, CVAT, regions of Label Studio, VIA and LabelMe. They
//! are told by their name; images whose objects are all of one class can be taken. CVAT's tags are labels, and so are COCO's categories of
//! whole images. Where the folders of the images say something else, it is asked which count.

use std::collections::{BTreeMap, BTreeSet};

use super::beside_folders::{are_renamed, take_folders};
use super::document::{Document, FILE, LABEL};
use super::index::{Found as Place, Index, is_image_name, plain};
use super::project::REGIONS;
use super::sidecars::Sidecars;
use super::{Image, LabelFile, Row, candidates, coco, cvat};
use crate::column_splits::Told;
use crate::error::{Problem, Result};
use crate::image_parquet::split_of;
use crate::images::{Named, named_split};
use crate::sniff::What;
use crate::table::SEVERAL;
use crate::tree::{Entry, Tree};

pub const KIND: &str = "annotations of objects";
/// As the account calls files with categories of whole images.
pub const OF_CATEGORIES: &str = "files of categories";

/// More or larger files are not read to offer the images of one class.
const MOST_FILES: usize = 20_000;
pub const LARGEST: u64 = 256 << 20;
const LARGEST_XML: usize = 1 << 20;

/// Annotations and what may be done with them.
pub struct Found {
    pub files: Vec<LabelFile>,
    pub problem: Problem,
}

/// Classes of the objects of an image, by its name, and its split.
pub type Objects = BTreeMap<(String, Option<Named>), BTreeSet<String>>;

pub fn is_there(tree: &Tree, what: &[What], index: &Index) -> bool {
    if lie_in_classes(tree, what) { !matches!(find(tree, what, index), Ok(None)) } else { kind(tree, what).is_some() }
}

/// Images lie in folders that are neither plain nor named like splits: these may be classes.
fn lie_in_classes(tree: &Tree, what: &[What]) -> bool {
    let images = what.iter().zip(&tree.entries).filter(|(what, _)| **what == What::Image);
    let folders: BTreeSet<&str> = images.map(|(_, entry)| entry.folder().rsplit('/').next().unwrap_or_default()).collect();
    folders.len() > 1 && folders.into_iter().any(|folder| !is_plain(folder))
}

/// A folder that says nothing of what is in it but the split.
pub fn is_plain(folder: &str) -> bool {
    let known = ["", "images", "image", "imgs", "img", "jpegimages", "data", "dataset", "all", "files", "raw", "jpg", "png", "photos"];
    known.contains(&folder.to_lowercase().as_str()) || named_split(folder).is_some()
}

enum Kind {
    Coco(Vec<usize>),
    Yolo(Vec<usize>),
    Voc {
        xml: Vec<usize>,
        lists: Vec<usize>,
    },
    Cvat(Vec<usize>),
    /// Files of labelling tools for all images.
    Projects(Vec<usize>),
    /// A file beside each image.
    Sidecars(Sidecars),
}

fn kind(tree: &Tree, what: &[What]) -> Option<Kind> {
    let all = |fits: &dyn Fn(usize, &Entry) -> bool| -> Vec<usize> {
        tree.entries.iter().enumerate().filter(|(at, entry)| *at < what.len() && fits(*at, entry)).map(|(at, _)| at).collect()
    };
    let is_json = |at: &usize| matches!(what[*at], What::Json | What::JsonLines);
    let documents: Vec<usize> = candidates(tree, what).into_iter().filter(is_json).collect();
    let is_coco = |at: &usize| tree.entries[*at].extension() == "json" && coco::is_coco(tree, &tree.entries[*at]);
    let coco: Vec<usize> = documents.iter().copied().filter(is_coco).collect();
    if !coco.is_empty() {
        return Some(Kind::Coco(coco));
    }
    let has_regions = |at: &usize| matches!(document(tree, *at), Ok(Some(document)) if of_regions(&document.columns));
    let projects: Vec<usize> = documents.into_iter().filter(|at| what.contains(&What::Image) && has_regions(at)).collect();
    if !projects.is_empty() {
        return Some(Kind::Projects(projects));
    }
    let is_annotation = |_: usize, entry: &Entry| entry.extension() == "xml";
    let is_main = |at: usize, entry: &Entry| what[at] == What::Text && is_of_voc(entry) && entry.stem().contains('_');
    let (xml, lists) = (all(&is_annotation), all(&is_main));
    if xml.first().is_some_and(|&at| tree.head(&tree.entries[at], 4096).is_ok_and(|head| cvat::is_cvat(&head))) {
        return Some(Kind::Cvat(xml));
    }
    if xml.first().is_some_and(|&at| is_voc(tree, &tree.entries[at])) || !lists.is_empty() {
        return Some(Kind::Voc { xml, lists });
    }
    let has_text = tree.entries.iter().zip(what).any(|(entry, what)| *what == What::Text && entry.extension() == "txt");
    let images: BTreeSet<&str> =
        tree.entries.iter().zip(what).filter(|(_, what)| has_text && **what == What::Image).map(|(entry, _)| entry.stem()).collect();
    let is_box = |at: usize, entry: &Entry| {
        matches!(what[at], What::Text | What::Empty) && entry.extension() == "txt" && images.contains(entry.stem())
    };
    let yolo = all(&is_box);
    let first = yolo.iter().copied().find(|at| what[*at] == What::Text);
    if first.is_some_and(|at| yolo.len() > 1 && is_yolo(tree, &tree.entries[at])) {
        return Some(Kind::Yolo(yolo));
    }
    let sidecars = Sidecars::find(tree, what).ok().flatten();
    sidecars.filter(|sidecars| of_regions(&sidecars.columns)).map(Kind::Sidecars)
}

fn document(tree: &Tree, at: usize) -> Result<Option<Document>> {
    let entry = &tree.entries[at];
    if entry.extension() == "json" { Document::open(tree, entry) } else { Document::of_records(tree, entry) }
}

/// Rows tell of regions, and not of whole images.
fn of_regions(columns: &[String]) -> bool {
    columns.iter().any(|column| column == REGIONS) && !columns.iter().any(|column| column == LABEL)
}

/// Lists of the images with objects of a class.
pub fn is_of_voc(entry: &Entry) -> bool {
    entry.folder().ends_with("ImageSets/Main")
}

fn is_voc(tree: &Tree, entry: &Entry) -> bool {
    tree.head(entry, 4096).is_ok_and(|head| head.windows(11).any(|part| part == b"<annotation"))
}

/// Lines of a class and at least four numbers from 0 to 1.
fn is_yolo(tree: &Tree, entry: &Entry) -> bool {
    let Ok(head) = tree.head(entry, 4096) else { return false };
    let text = String::from_utf8_lossy(&head);
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).peekable();
    lines.peek().is_some_and(|line| {
        let values: Vec<f64> = line.split_whitespace().map_while(|value| value.parse().ok()).collect();
        values.len() >= 5
            && values.len() == line.split_whitespace().count()
            && values[0].fract() == 0.0
            && values[1..].iter().all(|x| (0.0..=1.0).contains(x))
    })
}

/// The annotations, where there are any and the folders of the images say nothing else or no more.
pub fn find(tree: &Tree, what: &[What], index: &Index) -> Result<Option<Found>> {
    let Some(kind) = kind(tree, what) else { return Ok(None) };
    let mut are_of_images = false;
    let (name, first, files) = match &kind {
        Kind::Coco(files) => {
            let found = coco::read(tree, files);
            are_of_images = !found.is_empty() && found.iter().all(|(.., has_regions)| !has_regions);
            ("COCO annotations", files[0], found.into_iter().map(|(at, objects, _)| (at, objects)).collect())
        }
        Kind::Projects(files) => ("annotations", files[0], projects(tree, files)?),
        Kind::Sidecars(sidecars) => ("annotations", sidecars.pairs[0].1, of_sidecars(tree, sidecars)?),
        Kind::Yolo(files) => ("YOLO annotations", files[0], yolo(tree, files)?),
        Kind::Cvat(files) => ("CVAT annotations", files[0], tags(tree, files)?),
        Kind::Voc { xml, lists } => ("Pascal VOC annotations", *xml.first().or(lists.first()).unwrap_or(&0), voc(tree, xml, lists)?),
    };
    let file = tree.display(&tree.entries[first]);
    let is_in_classes = lie_in_classes(tree, what);
    if is_in_classes && !contradict(tree, &files, index) {
        return Ok(None);
    }
    let is_cvat = matches!(kind, Kind::Cvat(_));
    if (is_cvat || are_of_images) && !files.is_empty() {
        let (sentence, kind, label) = match is_cvat {
            true => (format!("{file} is of CVAT; its tags are the labels"), "files of tags", "the tags"),
            false => (format!("{file} is of COCO's kind; its categories of images are the labels"), OF_CATEGORIES, "the categories"),
        };
        let problem = Problem::note("tags", sentence).at(tree.place(&tree.entries[first]));
        let tags = |(at, tags)| LabelFile { kind, label: label.into(), ..label_file(tree, at, tags) };
        return Ok(Some(Found { files: files.into_iter().map(tags).collect(), problem }));
    }
    let sentence = format!("{file} is of {name} of objects in images; a classification needs one label per image");
    let mut problem = Problem::error("detection", sentence).at(tree.place(&tree.entries[first]));
    if is_in_classes {
        problem.message = format!(
            "{file} is of {name} of objects in images, and the folders of the images say something else; a classification needs one label per \
             image, that of its folder or of its objects"
        );
        problem = take_folders(problem);
    }
    let of_one = |objects: &Objects| objects.values().filter(|classes| classes.len() == 1).count();
    let count: usize = files.iter().map(|(_, objects)| of_one(objects)).sum();
    let classes: BTreeSet<&String> =
        files.iter().flat_map(|(_, objects)| objects.values()).filter(|classes| classes.len() == 1).flatten().collect();
    if classes.len() < 2 {
        return Err(problem.into());
    }
    let problem = problem.skippable(&format!("Only the {count} images whose objects are all of one class"));
    let mut files: Vec<LabelFile> = files.into_iter().map(|(at, objects)| label_file(tree, at, objects)).collect();
    if let ([file], Kind::Yolo(all) | Kind::Voc { xml: all, .. }) = (&mut files[..], &kind) {
        file.with = all.iter().map(|at| (*at, KIND)).collect();
    }
    if let ([file], Kind::Sidecars(sidecars)) = (&mut files[..], &kind) {
        file.with = sidecars.pairs.iter().map(|(_, at)| (*at, KIND)).collect();
    }
    Ok(Some(Found { files, problem }))
}

/// Whether most images that are named are of objects of one class that their folders are not called like, in whatever language.
fn contradict(tree: &Tree, files: &[(usize, Objects)], index: &Index) -> bool {
    let mut both: Vec<(String, &String)> = Vec::new();
    for (at, objects) in files {
        for ((name, split), classes) in objects {
            if let (Place::One(entry), Some(class), 1) = (index.find(tree, *at, name, *split, None), classes.first(), classes.len()) {
                let folder = tree.entries[entry].folder().rsplit('/').find(|folder| !is_plain(folder)).unwrap_or_default();
                both.push((plain(folder), class));
            }
        }
    }
    let is_other = both.iter().any(|(folder, class)| *folder != plain(class));
    both.iter().map(|(_, class)| *class).collect::<BTreeSet<_>>().len() > 1
        && is_other
        && !are_renamed(both.iter().map(|(folder, class)| (folder, *class)))
}

fn label_file(tree: &Tree, at: usize, objects: Objects) -> LabelFile {
    let rows = move |_: &Tree, hand: &mut dyn FnMut(Row) -> Result<()>| {
        objects.iter().enumerate().try_for_each(|(number, ((image, named), classes))| {
            let label = classes.iter().cloned().collect::<Vec<_>>().join(&SEVERAL.to_string());
            let split = named.map_or(Told::Unsaid, |named| Told::Split(Some(named)));
            hand(Row { image: Image::Named(image.clone()), label: Some(label), split, number })
        })
    };
    LabelFile {
        entry: at,
        kind: KIND,
        group: KIND.into(),
        columns: Vec::new(),
        used: Vec::new(),
        label: KIND.into(),
        classes: Vec::new(),
        named: split_of(&tree.entries[at]),
        with: Vec::new(),
        notes: Vec::new(),
        rows: Box::new(rows),
    }
}

/// Regions of documents of labelling tools.
fn projects(tree: &Tree, files: &[usize]) -> Result<Vec<(usize, Objects)>> {
    let mut found = Vec::new();
    for &at in files {
        let Some(document) = document(tree, at)? else { continue };
        let Some(labels) = document.columns.iter().position(|column| column == REGIONS) else { continue };
        let mut objects = Objects::new();
        document.rows(tree, &tree.entries[at], &mut |_, row| {
            let image = row.iter().flatten().find(|text| is_image_name(text));
            add_regions(&mut objects, image, row[labels].as_ref());
            Ok(())
        })?;
        found.push((at, objects));
    }
    Ok(found)
}

fn of_sidecars(tree: &Tree, sidecars: &Sidecars) -> Result<Vec<(usize, Objects)>> {
    let index = |name: &str| sidecars.columns.iter().position(|column| column == name);
    let (Some(file), Some(labels)) = (index(FILE), index(REGIONS)) else { return Ok(Vec::new()) };
    let mut objects = Objects::new();
    sidecars.rows(tree, &mut |_, row| {
        add_regions(&mut objects, row[file].as_ref(), row[labels].as_ref());
        Ok(())
    })?;
    Ok(sidecars.pairs.first().map(|(_, first)| (*first, objects)).into_iter().collect())
}

fn add_regions(objects: &mut Objects, image: Option<&String>, labels: Option<&String>) {
    if let (Some(image), Some(labels)) = (image, labels) {
        objects.entry((image.clone(), None)).or_default().extend(labels.split(SEVERAL).map(ToOwned::to_owned));
    }
}

fn yolo(tree: &Tree, files: &[usize]) -> Result<Vec<(usize, Objects)>> {
    if files.len() > MOST_FILES {
        return Ok(Vec::new());
    }
    let mut objects = Objects::new();
    for &at in files {
        let entry = &tree.entries[at];
        let mut classes = BTreeSet::new();
        crate::table::lines(tree, entry, &mut |_, line| {
            classes.extend(String::from_utf8_lossy(line).split_whitespace().next().map(ToOwned::to_owned));
            Ok(())
        })?;
        if !classes.is_empty() {
            let folder = entry.folder().split('/').map(|part| if part == "labels" { "images" } else { part }).collect::<Vec<_>>().join("/");
            objects.insert((format!("{folder}/{}", entry.stem()), split_of(entry)), classes);
        }
    }
    Ok(files.first().map(|&first| (first, objects)).into_iter().collect())
}

/// Tags of whole images; none where a file is of shapes.
fn tags(tree: &Tree, files: &[usize]) -> Result<Vec<(usize, Objects)>> {
    let mut found = Vec::new();
    for &at in files {
        let xml = tree.read_all(&tree.entries[at], LARGEST as usize)?;
        let Some(tags) = cvat::tagged(&String::from_utf8_lossy(&xml)) else { return Ok(Vec::new()) };
        found.push((at, tags));
    }
    Ok(found)
}

/// By the lists `ImageSets/Main/CLASS_train.txt`, else by the names in the XML files.
fn voc(tree: &Tree, xml: &[usize], lists: &[usize]) -> Result<Vec<(usize, Objects)>> {
    let mut objects = Objects::new();
    for &at in lists {
        let entry = &tree.entries[at];
        let Some((class, split)) = entry.stem().rsplit_once('_') else { continue };
        let twin = |split: &str| lists.iter().any(|&other| tree.entries[other].stem() == format!("{class}_{split}"));
        if split == "trainval" && twin("train") && twin("val") {
            continue;
        }
        crate::table::lines(tree, entry, &mut |_, line| {
            let text = String::from_utf8_lossy(line);
            // -1: none; 0: only some that are difficult.
            if let [image, "0" | "1"] = text.split_whitespace().collect::<Vec<_>>()[..] {
                objects.entry((image.to_owned(), named_split(split))).or_default().insert(class.to_owned());
            }
            Ok(())
        })?;
    }
    if lists.is_empty() && xml.len() <= MOST_FILES {
        for &at in xml {
            let entry = &tree.entries[at];
            let classes = names_of_objects(&tree.read_all(entry, LARGEST_XML)?);
            if !classes.is_empty() {
                objects.insert((entry.stem().to_owned(), split_of(entry)), classes);
            }
        }
    }
    let first = lists.first().or(xml.first());
    Ok(first.map(|&first| (first, objects)).into_iter().collect())
}

/// The first `<name>` in each `<object>`.
pub fn names_of_objects(xml: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(xml);
    let name = |object: &str| {
        let object = object.split("</object>").next()?;
        let (_, rest) = object.split_once("<name>")?;
        let (name, _) = rest.split_once("</name>")?;
        Some(name.trim().to_owned()).filter(|name| !name.is_empty())
    };
    text.split("<object>").skip(1).filter_map(name).collect()
}
