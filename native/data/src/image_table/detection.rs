//! Annotations of objects in images, which are no labels of images: COCO, YOLO, Pascal VOC, CVAT. They are told by their name; images whose
//! objects are all of one class can be taken. CVAT's tags are labels.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;

use serde::Deserialize;

use super::{Image, LabelFile, Row, cvat};
use crate::column_splits::Told;
use crate::error::{Problem, Result};
use crate::image_parquet::split_of;
use crate::images::{Named, named_split};
use crate::sniff::What;
use crate::table::SEVERAL;
use crate::tree::{Entry, Tree};

pub const KIND: &str = "annotations of objects";

/// More or larger files are not read to offer the images of one class.
const MOST_FILES: usize = 20_000;
const LARGEST: u64 = 256 << 20;
const LARGEST_XML: usize = 1 << 20;

/// Annotations and what may be done with them.
pub struct Found {
    pub files: Vec<LabelFile>,
    pub problem: Problem,
}

/// Classes of the objects of an image, by its name, and its split.
pub type Objects = BTreeMap<(String, Option<Named>), BTreeSet<String>>;

pub fn is_there(tree: &Tree, what: &[What]) -> bool {
    !lie_in_classes(tree, what) && kind(tree, what).is_some()
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
    Voc { xml: Vec<usize>, lists: Vec<usize> },
    Cvat(Vec<usize>),
}

fn kind(tree: &Tree, what: &[What]) -> Option<Kind> {
    let all = |fits: &dyn Fn(usize, &Entry) -> bool| -> Vec<usize> {
        tree.entries.iter().enumerate().filter(|(at, entry)| *at < what.len() && fits(*at, entry)).map(|(at, _)| at).collect()
    };
    let is_json = |at: usize, entry: &Entry| matches!(what[at], What::Json | What::JsonLines) && entry.extension() == "json";
    let coco = all(&|at, entry| is_json(at, entry) && is_coco(tree, entry));
    if !coco.is_empty() {
        return Some(Kind::Coco(coco));
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
    let images: BTreeSet<&str> =
        tree.entries.iter().zip(what).filter(|(_, what)| **what == What::Image).map(|(entry, _)| entry.stem()).collect();
    let is_box = |at: usize, entry: &Entry| {
        matches!(what[at], What::Text | What::Empty) && entry.extension() == "txt" && images.contains(entry.stem())
    };
    let yolo = all(&is_box);
    let first = yolo.iter().copied().find(|at| what[*at] == What::Text);
    first.filter(|&at| yolo.len() > 1 && is_yolo(tree, &tree.entries[at])).map(|_| Kind::Yolo(yolo))
}

/// Whether the beginning of a JSON document speaks of images and of what is in them.
pub fn is_coco(tree: &Tree, entry: &Entry) -> bool {
    let Ok(head) = tree.head(entry, 1 << 16) else { return false };
    let has = |key: &str| head.windows(key.len()).any(|part| part == key.as_bytes());
    has("\"images\"") && (has("\"annotations\"") || has("\"categories\"") || has("\"licenses\""))
        || (has("\"annotations\"") && has("\"bbox\""))
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

/// The annotations, where there are any and no folders of classes.
pub fn find(tree: &Tree, what: &[What]) -> Result<Option<Found>> {
    if lie_in_classes(tree, what) {
        return Ok(None);
    }
    let Some(kind) = kind(tree, what) else { return Ok(None) };
    let (name, first, files) = match &kind {
        Kind::Coco(files) => ("COCO annotations", files[0], coco(tree, files)),
        Kind::Yolo(files) => ("YOLO annotations", files[0], yolo(tree, files)?),
        Kind::Cvat(files) => ("CVAT annotations", files[0], tags(tree, files)?),
        Kind::Voc { xml, lists } => ("Pascal VOC annotations", *xml.first().or(lists.first()).unwrap_or(&0), voc(tree, xml, lists)?),
    };
    let file = tree.display(&tree.entries[first]);
    if matches!(kind, Kind::Cvat(_)) && !files.is_empty() {
        let problem = Problem::note("tags", format!("{file} is of CVAT; its tags are the labels")).at(tree.place(&tree.entries[first]));
        let tags = |(at, tags)| LabelFile { kind: "files of tags", label: "the tags".into(), ..label_file(tree, at, tags) };
        return Ok(Some(Found { files: files.into_iter().map(tags).collect(), problem }));
    }
    let sentence = format!("{file} is of {name} of objects in images; a classification needs one label per image");
    let problem = Problem::error("detection", sentence).at(tree.place(&tree.entries[first]));
    let of_one = |objects: &Objects| objects.values().filter(|classes| classes.len() == 1).count();
    let count: usize = files.iter().map(|(_, objects)| of_one(objects)).sum();
    let classes: BTreeSet<&String> =
        files.iter().flat_map(|(_, objects)| objects.values()).filter(|classes| classes.len() == 1).flatten().collect();
    if classes.len() < 2 {
        return Err(problem.into());
    }
    let problem = problem.skippable(&format!("Only the {count} images whose objects are all of one class"));
    let files = files.into_iter().map(|(at, objects)| label_file(tree, at, objects)).collect();
    Ok(Some(Found { files, problem }))
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
        rows: Box::new(rows),
    }
}

#[derive(Deserialize)]
struct Coco {
    images: Vec<CocoImage>,
    annotations: Vec<CocoObject>,
    categories: Vec<CocoCategory>,
}

#[derive(Deserialize)]
struct CocoImage {
    id: i64,
    file_name: String,
}

#[derive(Deserialize)]
struct CocoObject {
    image_id: i64,
    category_id: i64,
}

#[derive(Deserialize)]
struct CocoCategory {
    id: i64,
    name: String,
}

/// Of each file that is not too large and complete; `captions` and `keypoints` beside `instances` are not.
fn coco(tree: &Tree, files: &[usize]) -> Vec<(usize, Objects)> {
    let instances = |at: &&usize| tree.entries[**at].file_name().contains("instances");
    let some = files.iter().any(|at| instances(&at));
    let wanted = files.iter().filter(|at| !some || instances(at));
    let read = |at: &usize| {
        let entry = &tree.entries[*at];
        if tree.size(entry) > LARGEST {
            return None;
        }
        let parsed: Result<Option<Coco>> =
            tree.read(entry, |stream| Ok(serde_json::from_reader(BufReader::with_capacity(1 << 16, stream)).ok()));
        let Coco { images, annotations, categories } = parsed.ok()??;
        let categories: BTreeMap<i64, String> = categories.into_iter().map(|category| (category.id, category.name)).collect();
        let mut classes: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
        for CocoObject { image_id, category_id } in annotations {
            let name = categories.get(&category_id).cloned().unwrap_or_else(|| category_id.to_string());
            classes.entry(image_id).or_default().insert(name);
        }
        let named = images.into_iter().filter_map(|image| Some(((image.file_name, None), classes.remove(&image.id)?)));
        Some((*at, named.collect()))
    };
    wanted.filter_map(read).collect()
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
