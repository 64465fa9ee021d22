//! Records of labelling tools that hold what is said of an image in lists within: VoTT's assets, Labelbox's rows, Datumaro's items, CreateML's
//! images. They are known by their form: an image is named, and a list such as `annotations` has objects that name a class. Of objects with a
//! place in the image they tell regions, else labels of the image.

use serde_json::{Map, Value};

use super::document::LABEL;
use super::index::is_image_name;
use super::project::{Fields, REGIONS};
use crate::table::SEVERAL;

/// The column of the images.
pub const IMAGE: &str = "image of the record";
/// Of classes that are numbers of a list in the document.
const NUMBER: &str = "label_id";

/// Lists of what is said of an image.
const LISTS: [&str; 8] = ["annotations", "classifications", "regions", "objects", "shapes", "figures", "instances", "labels"];
/// Members with the class of an object of such a list.
const CLASSES: [&str; 9] = ["label", "class", "category", "classTitle", "class_name", "tags", "name", "title", NUMBER];
/// Members of a question's answer.
const ANSWERS: [&str; 5] = ["radio_answer", "checklist_answers", "answer", "answers", "choice"];
/// Parts of names of members that tell a place in the image.
const PLACES: [&str; 11] =
    ["bbox", "bounding", "coordinates", "points", "polygon", "polyline", "segmentation", "mask", "rle", "keypoints", "vertices"];
/// Deeper records are none.
const DEEPEST: usize = 12;

#[derive(Default)]
struct Said {
    images: Vec<String>,
    labels: Vec<String>,
    regions: Vec<String>,
    has_list: bool,
}

/// The fields of a record: its image, and its labels or regions. `names`: those of classes that are numbers. `None`: it is no such record, or
/// holds several.
pub fn fields(record: &Map<String, Value>, names: &[String]) -> Option<Fields> {
    // One with a label of its own is a row of a table.
    if CLASSES[..4].iter().any(|key| record.get(*key).is_some_and(|value| value.is_string() || value.is_number())) {
        return None;
    }
    let mut said = Said::default();
    said.see_members(record, names, 0);
    // An address rather than a name is where the image was.
    let is_name = |image: &&String| !image.contains(':');
    let image = said.images.iter().find(is_name).or(said.images.first())?.clone();
    let file = |image: &String| image.rsplit(['/', '\\']).next().unwrap_or_default().split('?').next().unwrap_or_default().to_owned();
    if !said.has_list || said.images.iter().any(|other| file(other) != file(&image)) {
        return None;
    }
    let joined = |mut labels: Vec<String>| {
        labels.sort_unstable();
        labels.dedup();
        Some(labels.join(&SEVERAL.to_string())).filter(|labels| !labels.is_empty())
    };
    let of_regions = (!said.regions.is_empty()).then(|| (REGIONS.to_owned(), joined(said.regions)));
    let of_image = (!said.labels.is_empty() || of_regions.is_none()).then(|| (LABEL.to_owned(), joined(said.labels)));
    Some([Some((IMAGE.to_owned(), Some(image))), of_image, of_regions].into_iter().flatten().collect())
}

/// An object whose members are such records, some of which tell classes.
pub fn are_records(object: &Map<String, Value>) -> bool {
    object.values().all(|value| value.as_object().is_some_and(|record| fields(record, &[]).is_some()))
        && object.values().filter_map(Value::as_object).filter_map(|record| fields(record, &[])).any(|fields| tells(&fields))
}

/// Whether a record tells a class.
pub fn tells(fields: &Fields) -> bool {
    fields.iter().any(|(name, value)| name != IMAGE && value.is_some())
}

/// Names of classes by their numbers: Datumaro's `categories`.
pub fn names(categories: &Value) -> Option<Vec<String>> {
    let labels = categories.get("label")?.get("labels")?.as_array()?;
    labels.iter().map(|label| label.get("name")?.as_str().map(ToOwned::to_owned)).collect()
}

fn class(value: &Value, names: &[String]) -> Vec<String> {
    match value {
        Value::String(text) if !text.is_empty() => vec![text.clone()],
        Value::Number(number) => {
            let name = number.as_u64().and_then(|number| names.get(number as usize)).cloned();
            vec![name.unwrap_or_else(|| number.to_string())]
        }
        Value::Array(values) => values.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect(),
        _ => Vec::new(),
    }
}

impl Said {
    fn see_members(&mut self, object: &Map<String, Value>, names: &[String], depth: usize) {
        for (key, value) in object.iter().filter(|_| depth < DEEPEST) {
            match value {
                Value::String(text) if is_image_name(text) => self.images.push(text.clone()),
                Value::Array(items) if LISTS.contains(&key.as_str()) => {
                    self.has_list = true;
                    items.iter().filter_map(Value::as_object).for_each(|item| self.see_item(item, names, depth + 1));
                }
                Value::Object(inner) => self.see_members(inner, names, depth + 1),
                Value::Array(items) => items.iter().filter_map(Value::as_object).for_each(|item| self.see_members(item, names, depth + 1)),
                _ => {}
            }
        }
    }

    /// One of a list of what is said.
    fn see_item(&mut self, item: &Map<String, Value>, names: &[String], depth: usize) {
        let has_place = item.iter().any(|(key, value)| {
            let lower = key.to_lowercase();
            !value.is_null() && PLACES.iter().any(|place| lower.contains(place))
        });
        let answers: Vec<&Value> = ANSWERS.iter().filter_map(|key| item.get(*key)).collect();
        let told = CLASSES.iter().find_map(|key| Some(class(item.get(*key)?, names)).filter(|classes| !classes.is_empty()));
        match told {
            _ if !answers.is_empty() => answers.into_iter().for_each(|answer| self.see_answer(answer)),
            Some(classes) if has_place => self.regions.extend(classes),
            Some(classes) => self.labels.extend(classes),
            None => self.see_members(item, names, depth),
        }
    }

    fn see_answer(&mut self, answer: &Value) {
        match answer {
            Value::Array(answers) => answers.iter().for_each(|answer| self.see_answer(answer)),
            Value::Object(object) => {
                let name = ["name", "title", "value"].iter().find_map(|key| object.get(*key)?.as_str());
                self.labels.extend(name.map(ToOwned::to_owned));
            }
            other => self.labels.extend(class(other, &[])),
        }
    }
}
