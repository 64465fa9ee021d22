//! COCO's JSON of images, annotations and categories. Without boxes, outlines and points it tells categories of whole images, as iNaturalist and
//! Camera Traps do.

use std::collections::{BTreeSet, HashMap};
use std::io::BufReader;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::detection::{LARGEST, Objects};
use crate::error::Result;
use crate::tree::{Entry, Tree};

/// Whether the beginning of a JSON document speaks of images and of what is in them.
pub fn is_coco(tree: &Tree, entry: &Entry) -> bool {
    let Ok(head) = tree.head(entry, 1 << 16) else { return false };
    let has = |key: &str| head.windows(key.len()).any(|part| part == key.as_bytes());
    has("\"images\"") && (has("\"annotations\"") || has("\"categories\"") || has("\"licenses\""))
        || (has("\"annotations\"") && has("\"bbox\"") && has("\"image_id\""))
}

#[derive(Deserialize)]
struct Coco {
    images: Vec<CocoImage>,
    #[serde(default)]
    annotations: Vec<CocoObject>,
    #[serde(default)]
    categories: Vec<CocoCategory>,
}

/// A number, or text as Camera Traps have it.
type Id = serde_json::Value;

#[derive(Deserialize)]
struct CocoImage {
    id: Id,
    file_name: String,
}

#[derive(Deserialize)]
struct CocoObject {
    image_id: Id,
    category_id: Id,
    bbox: Option<IgnoredAny>,
    segmentation: Option<IgnoredAny>,
    keypoints: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct CocoCategory {
    id: Id,
    name: String,
}

/// Of each file that is not too large and complete, with whether it tells of regions; `captions` and `keypoints` beside `instances` are not.
pub fn read(tree: &Tree, files: &[usize]) -> Vec<(usize, Objects, bool)> {
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
        let categories: HashMap<String, String> = categories.into_iter().map(|category| (category.id.to_string(), category.name)).collect();
        let mut classes: HashMap<String, BTreeSet<String>> = HashMap::new();
        let mut has_regions = false;
        for CocoObject { image_id, category_id, bbox, segmentation, keypoints } in annotations {
            has_regions |= [bbox, segmentation, keypoints].iter().any(Option::is_some);
            let category = category_id.to_string();
            let name = categories.get(&category).cloned().unwrap_or(category);
            classes.entry(image_id.to_string()).or_default().insert(name);
        }
        let named = images.into_iter().filter_map(|image| Some(((image.file_name, None), classes.remove(&image.id.to_string())?)));
        let objects: Objects = named.collect();
        (!objects.is_empty()).then_some((*at, objects, has_regions))
    };
    wanted.filter_map(read).collect()
}
