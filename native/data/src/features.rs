//! What Hugging Face's datasets note of columns: their types and the names of classes. In the metadata of a file, in the dataset_info.json
//! beside it, or on the dataset's card.

use serde_json::Value;

use crate::card;
use crate::columnar::Columnar;
use crate::options::Options;
use crate::tree::{Entry, Tree};

/// Largest dataset_info.json or README.md that is read, bytes.
pub const LARGEST_NOTE: usize = 16 << 20;

#[derive(Default)]
pub struct Features {
    features: Value,
    card: Option<card::Card>,
    configuration: Option<String>,
}

impl Features {
    pub fn of(tree: &Tree, entry: &Entry, file: &Columnar, options: &Options) -> Self {
        let own = file.notes().and_then(|notes| serde_json::from_str::<Value>(notes).ok());
        let own = own.and_then(|notes| notes.pointer("/info/features").cloned());
        let beside = || {
            let info = tree.entries.iter().find(|other| other.file_name() == "dataset_info.json" && other.folder() == entry.folder())?;
            serde_json::from_slice::<Value>(&tree.read_all(info, LARGEST_NOTE).ok()?).ok()?.get("features").cloned()
        };
        let card = tree.entries.iter().filter(|entry| entry.file_name() == "README.md").min_by_key(|entry| entry.name.len());
        let card = card.and_then(|readme| card::parse(&tree.read_all(readme, LARGEST_NOTE).ok()?));
        Self { features: own.or_else(beside).unwrap_or_default(), card, configuration: options.configuration.clone() }
    }

    fn kind(&self, column: &str) -> Option<&str> {
        self.features.get(column)?.get("_type")?.as_str()
    }

    pub fn is_image(&self, column: &str) -> bool {
        self.kind(column) == Some("Image")
    }

    /// A column of one class per row.
    pub fn is_class(&self, column: &str) -> bool {
        self.kind(column) == Some("ClassLabel") || (self.kind(column).is_none() && self.on_card(column).is_some())
    }

    fn on_card(&self, column: &str) -> Option<Vec<String>> {
        self.card.as_ref()?.class_names(self.configuration.as_deref(), column).map(<[String]>::to_vec)
    }

    /// Of a column of classes, or of lists of classes.
    pub fn class_names(&self, column: &str) -> Option<Vec<String>> {
        let noted = || -> Option<Vec<String>> {
            let feature = self.features.get(column)?;
            let names = feature.get("names").or_else(|| feature.pointer("/feature/names"))?.as_array()?;
            names.iter().map(|name| name.as_str().map(ToOwned::to_owned)).collect()
        };
        noted().or_else(|| self.on_card(column))
    }
}
