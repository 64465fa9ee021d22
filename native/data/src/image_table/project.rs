//! Items of projects of labelling tools: tasks of Label Studio, files of VIA (the VGG Image Annotator), annotations of LabelMe. What is said of
//! the whole image becomes fields of a row; what is said of its regions is one field, for these are objects.

use serde_json::{Map, Value};

use super::document::LABEL;
use crate::table::{SEVERAL, text_of};

/// The field with the labels of an image's regions.
pub const REGIONS: &str = "labels of regions";

/// Longer is no label, bytes.
const LONGEST: usize = 256;

/// Names and values, in their order.
pub type Fields = Vec<(String, Option<String>)>;

/// Members that tell of the project of VIA, and not of a file.
pub fn is_of_via(key: &str) -> bool {
    key.starts_with("_via_")
}

/// The members of VIA's project that are files.
pub const VIA_FILES: &str = "_via_img_metadata";

/// The fields of an item; `None` where it is none of these.
pub fn fields(object: &Map<String, Value>) -> Option<Fields> {
    task(object).or_else(|| via(object))
}

fn joined(labels: &[&str]) -> Option<String> {
    (!labels.is_empty()).then(|| labels.join(&SEVERAL.to_string()))
}

fn texts(value: Option<&Value>) -> Vec<&str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// A task of Label Studio: its data, and the results of those who annotated it.
fn task(object: &Map<String, Value>) -> Option<Fields> {
    let data = object.get("data")?.as_object()?;
    let annotations = object.get("annotations").or_else(|| object.get("completions"))?.as_array()?;
    let is_valid = |annotation: &&Value| annotation.get("was_cancelled").and_then(Value::as_bool) != Some(true);
    let (mut choices, mut regions) = (Vec::new(), Vec::new());
    for result in annotations.iter().filter(is_valid).filter_map(|annotation| annotation.get("result")?.as_array()).flatten() {
        let Some(value) = result.get("value").and_then(Value::as_object) else { continue };
        choices.extend(texts(value.get("choices")));
        value.iter().filter(|(key, _)| key.ends_with("labels")).for_each(|(_, value)| regions.extend(texts(Some(value))));
    }
    [&mut choices, &mut regions].into_iter().for_each(|labels| {
        labels.sort_unstable();
        labels.dedup();
    });
    let mut fields: Fields = data.iter().map(|(name, value)| (name.clone(), text_of(value.clone(), false))).collect();
    if regions.is_empty() || !choices.is_empty() {
        fields.retain(|(name, _)| name != LABEL);
        fields.push((LABEL.into(), joined(&choices)));
    }
    if !regions.is_empty() {
        fields.push((REGIONS.into(), joined(&regions)));
    }
    Some(fields)
}

/// A file of VIA: its attributes, and those of its regions.
fn via(object: &Map<String, Value>) -> Option<Fields> {
    let (file, of_file) = (object.get("filename")?, object.get("file_attributes")?.as_object()?);
    let regions: Vec<&Value> = match object.get("regions")? {
        Value::Array(regions) => regions.iter().collect(),
        Value::Object(regions) => regions.values().collect(),
        _ => return None,
    };
    // An attribute of check boxes is an object of the options that are set.
    let said = |value: &Value| match value {
        Value::Object(options) => joined(&options.keys().map(String::as_str).collect::<Vec<_>>()),
        other => text_of(other.clone(), true).filter(|text| !text.is_empty()),
    };
    let mut fields: Fields = vec![("filename".into(), text_of(file.clone(), false))];
    fields.extend(of_file.iter().map(|(name, value)| (name.clone(), said(value))));
    let attributes = regions.iter().filter_map(|region| region.get("region_attributes")?.as_object());
    let mut labels: Vec<String> = attributes.filter_map(|attributes| attributes.values().find_map(said)).collect();
    labels.sort_unstable();
    labels.dedup();
    if !labels.is_empty() {
        fields.push((REGIONS.into(), Some(labels.join(&SEVERAL.to_string()))));
    }
    Some(fields)
}

/// The fields of a JSON object that lies beside an image.
pub fn beside_image(object: Map<String, Value>) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in object {
        match value {
            // LabelMe's are of the whole image.
            Value::Object(flags) if name == "flags" => fields.extend(flags.into_iter().map(|(name, value)| (name, text_of(value, false)))),
            Value::Object(_) => {}
            Value::Array(items) if items.iter().any(Value::is_object) => {
                let named = |item: &Value| {
                    let name = ["label", "name", "class", "category", "classTitle"].iter().find_map(|key| item.get(key)?.as_str())?;
                    Some(name.to_owned())
                };
                let mut labels: Vec<String> = items.iter().filter_map(named).collect();
                labels.sort_unstable();
                labels.dedup();
                if !labels.is_empty() {
                    let field = if name == "tags" { LABEL } else { REGIONS };
                    fields.push((field.into(), Some(labels.join(&SEVERAL.to_string()))));
                }
            }
            value => fields.push((name, text_of(value, true).filter(|text| text.len() <= LONGEST))),
        }
    }
    fields
}
