//! CVAT's XML ("CVAT for images"): a tag labels an image as a whole.

use std::collections::BTreeSet;

use super::detection::Objects;
use crate::images::named_split;

const SHAPES: [&str; 7] = ["<box ", "<polygon ", "<polyline ", "<points ", "<ellipse ", "<cuboid ", "<mask "];

pub fn is_cvat(head: &[u8]) -> bool {
    let has = |text: &str| head.windows(text.len()).any(|part| part == text.as_bytes());
    has("<annotations") && (has("<image ") || has("<meta>"))
}

/// The tags of each image, by its name and split. `None`: the file is of shapes in images.
pub fn tagged(xml: &str) -> Option<Objects> {
    if SHAPES.iter().any(|shape| xml.contains(shape)) {
        return None;
    }
    let mut images = Objects::new();
    for image in xml.split("<image ").skip(1).filter_map(|image| image.split("</image>").next()) {
        let labels: BTreeSet<String> = image.split("<tag ").skip(1).filter_map(|tag| attribute(tag, "label")).collect();
        if let Some(name) = attribute(image, "name").filter(|_| !labels.is_empty()) {
            images.insert((name, attribute(image, "subset").and_then(|subset| named_split(&subset))), labels);
        }
    }
    (!images.is_empty()).then_some(images)
}

/// Of the element that the text begins in.
fn attribute(text: &str, name: &str) -> Option<String> {
    let element = format!(" {}", text.split('>').next()?);
    let value = element.split_once(&format!(" {name}=\""))?.1.split('"').next()?;
    let marks = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    Some(marks.iter().fold(value.to_owned(), |value, (mark, character)| value.replace(mark, character)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::Named;

    #[test]
    fn tags_are_read() {
        let xml = "<annotations><image id=\"0\" name=\"a&amp;b/0.png\" subset=\"Train\" width=\"2\"><tag label=\"cat\" source=\"manual\"></tag></image></annotations>";
        let tags = tagged(xml).unwrap();
        assert_eq!(tags.into_iter().collect::<Vec<_>>(), [(("a&b/0.png".into(), Some(Named::Train)), BTreeSet::from(["cat".into()]))]);
        assert_eq!(tagged("<image name=\"0.png\"><box label=\"cat\"></box></image>"), None);
    }
}
