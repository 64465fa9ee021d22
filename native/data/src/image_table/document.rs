//! JSON documents that name images: lists of objects or of pairs, {file: label}, {class: [files]}, and these below the names of splits. Each
//! becomes rows of a table. Lists are read one element after the other.

use std::io::BufReader;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::index::is_image_name;
use super::nested;
use super::project::{self, Fields};
use crate::column_splits;
use crate::error::{Error, Place, Problem, Result};
use crate::json_rows;
use crate::table::{Row, text_of};
use crate::tree::{Entry, Tree};

/// A document that is an object is read key by key; a larger one is none of labels.
const LARGEST_OBJECT: u64 = 64 << 20;
/// Rows by which the columns are known.
const JUDGED: usize = 1000;

pub const FILE: &str = "file";
pub const LABEL: &str = "label";
const SPLIT: &str = "split";

/// Members that tell of the whole dataset.
const ABOUT: [&str; 13] = [
    "info",
    "meta",
    "metadata",
    "metainfo",
    "licenses",
    "license",
    "config",
    "categories",
    "classes",
    "class_names",
    "version",
    "description",
    "name",
];

/// Names of the fields that the rows have.
#[derive(Clone)]
pub struct Document {
    pub columns: Vec<String>,
    /// Objects line by line.
    are_lines: bool,
}

impl Document {
    /// `None`: it has no rows.
    pub fn open(tree: &Tree, entry: &Entry) -> Result<Option<Self>> {
        let first = tree.head(entry, 512)?.into_iter().find(|byte| !byte.is_ascii_whitespace() && byte.is_ascii());
        if first != Some(b'[') && (first != Some(b'{') || tree.size(entry) > LARGEST_OBJECT) {
            return Ok(None);
        }
        Self::judged(tree, entry, false)
    }

    /// Of records line by line that hold what is said of an image in lists within; other lines are a table.
    pub fn of_records(tree: &Tree, entry: &Entry) -> Result<Option<Self>> {
        let document = match Self::judged(tree, entry, true) {
            Err(Error::Data(_)) => return Ok(None),
            document => document?,
        };
        Ok(document.filter(|document| document.columns.iter().any(|column| column == nested::IMAGE)))
    }

    fn judged(tree: &Tree, entry: &Entry, are_lines: bool) -> Result<Option<Self>> {
        let (mut columns, mut of_records, mut rows) = (Vec::<String>::new(), Vec::new(), 0);
        let read = read(tree, entry, are_lines, &mut |fields| {
            let is_record = fields.first().is_some_and(|(name, _)| name == nested::IMAGE);
            let columns = if is_record { &mut of_records } else { &mut columns };
            for (name, _) in fields {
                if !columns.contains(&name) && columns.len() < 1000 {
                    columns.push(name);
                }
            }
            rows += 1;
            if rows < JUDGED { Ok(()) } else { Err(Error::Cancelled) }
        });
        match read {
            Err(Error::Data(_)) if rows == 0 => return Ok(None),
            read => crate::text::until_enough(read)?,
        }
        // Beside records, what else a document has is about these.
        let columns = if of_records.is_empty() { columns } else { of_records };
        Ok((rows > 0).then_some(Self { columns, are_lines }))
    }

    pub fn rows(&self, tree: &Tree, entry: &Entry, hand: &mut dyn FnMut(usize, Row) -> Result<()>) -> Result<()> {
        let mut row = 0;
        let of_records = self.columns.iter().any(|column| column == nested::IMAGE);
        read(tree, entry, self.are_lines, &mut |fields| {
            if of_records && fields.first().is_none_or(|(name, _)| name != nested::IMAGE) {
                return Ok(());
            }
            let mut found: Row = vec![None; self.columns.len()];
            for (name, value) in fields {
                if let Some(at) = self.columns.iter().position(|column| *column == name) {
                    found[at] = value;
                }
            }
            hand(row, found)?;
            row += 1;
            Ok(())
        })
    }
}

type Hand<'a> = &'a mut dyn FnMut(Fields) -> Result<()>;

fn read(tree: &Tree, entry: &Entry, are_lines: bool, hand: Hand) -> Result<()> {
    if are_lines {
        return json_rows::rows(tree, entry, true, &mut |_, row| hand_element(None, None, Value::Object(row?), hand));
    }
    tree.read_text(entry, |stream| {
        let mut parser = serde_json::Deserializer::from_reader(BufReader::with_capacity(1 << 16, stream));
        let mut failed = None;
        let parsed = Whole { hand, failed: &mut failed }.deserialize(&mut parser).and_then(|()| parser.end());
        match (failed, parsed) {
            (Some(error), _) => Err(error),
            (None, Ok(())) => Ok(()),
            (None, Err(error)) => {
                let file = tree.display(entry);
                Err(Problem::error("bad-json", format!("{file} is damaged JSON: {error}")).at(Place::file(file)).into())
            }
        }
    })
}

/// Hands over rows while the document is parsed; an error of whoever takes them ends that and is kept.
struct Whole<'a, 'b> {
    hand: Hand<'a>,
    failed: &'b mut Option<Error>,
}

impl<'de> DeserializeSeed<'de> for Whole<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Whole<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str("a list or an object")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<(), A::Error> {
        while let Some(element) = list.next_element::<Value>()? {
            if let Err(error) = hand_element(None, None, element, self.hand) {
                *self.failed = Some(error);
                return Err(A::Error::custom("it was enough"));
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        let mut names = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, Value>()? {
            if key == "categories" {
                names = nested::names(&value).unwrap_or_default();
            }
            let handed = match value {
                // Items of numbered classes.
                Value::Array(items) if !names.is_empty() => {
                    let mut records = items.iter().filter_map(Value::as_object).filter_map(|item| nested::fields(item, &names));
                    records.try_for_each(|fields| (self.hand)(fields))
                }
                value => hand_member(None, key, value, self.hand),
            };
            if let Err(error) = handed {
                *self.failed = Some(error);
                return Err(A::Error::custom("it was enough"));
            }
        }
        Ok(())
    }
}

/// One of a list: an object, a pair of a file and a label, or a file.
fn hand_element(split: Option<&str>, key: Option<&str>, element: Value, hand: Hand) -> Result<()> {
    let mut fields: Fields = match element {
        Value::Object(object) => match project::fields(&object).or_else(|| nested::fields(&object, &[]).filter(nested::tells)) {
            Some(fields) => fields,
            None => with_labels(object),
        },
        Value::Array(mut pair) if pair.len() == 2 => {
            let label = pair.pop().and_then(|value| text_of(value, true));
            let file = pair.pop().and_then(|value| text_of(value, false));
            vec![(FILE.into(), file), (LABEL.into(), label)]
        }
        other => vec![(FILE.into(), text_of(other, false))],
    };
    let mut add = |name: &str, value: Option<&str>| {
        if let Some(value) = value
            && fields.iter().all(|(known, _)| known != name)
        {
            fields.push((name.to_owned(), Some(value.to_owned())));
        }
    };
    add(LABEL, key);
    add(SPLIT, split);
    hand(fields)
}

/// The fields of an object. A sole member that is an object with a label tells that of the image, as FiftyOne's classifications do.
fn with_labels(object: Map<String, Value>) -> Fields {
    let label = |value: &Value| value.get(LABEL)?.as_str().map(ToOwned::to_owned);
    let labels: Vec<String> = object.values().filter_map(label).collect();
    let own = labels.into_iter().next().filter(|_| object.values().filter_map(label).count() == 1 && !object.contains_key(LABEL));
    let told = own.into_iter().map(|label| (LABEL.to_owned(), Some(label)));
    // And what a member within says of the split.
    let of_split = |(name, value): (&String, &Value)| {
        let members = value.as_object().into_iter().flatten().filter(|(inner, _)| column_splits::is_usual(inner));
        members.map(|(inner, value)| (format!("{name}.{inner}"), text_of(value.clone(), false))).collect::<Fields>()
    };
    let told = told.chain(object.iter().flat_map(of_split)).collect::<Fields>();
    object.iter().map(|(name, value)| (name.clone(), text_of(value.clone(), true))).chain(told).collect()
}

/// One of an object: a file with its label, a class with its files, or a split with either.
fn hand_member(split: Option<&str>, key: String, value: Value, hand: Hand) -> Result<()> {
    let is_split = split.is_none() && !is_image_name(&key) && column_splits::value(&key).is_some();
    if ABOUT.contains(&key.to_lowercase().as_str()) {
        return Ok(());
    }
    match value {
        Value::Object(files) if key == project::VIA_FILES => hand_members(split, files, hand),
        _ if project::is_of_via(&key) => Ok(()),
        Value::Object(object) if is_split => hand_members(Some(&key), object, hand),
        Value::Object(object) if nested::are_records(&object) => hand_members(split, object, hand),
        // A file of VIA has its name in it.
        Value::Object(object) if project::fields(&object).is_some() => hand_element(split, None, Value::Object(object), hand),
        Value::Object(mut object) => {
            object.insert("key".into(), Value::String(key));
            hand_element(split, None, Value::Object(object), hand)
        }
        Value::Array(labels) if is_image_name(&key) => {
            hand_element(split, None, Value::Array(vec![Value::String(key), Value::Array(labels)]), hand)
        }
        Value::Array(elements) => elements.into_iter().try_for_each(|element| {
            // Names of files below that of their class; objects and pairs have a label of their own.
            let of_class = element.is_string().then_some(key.as_str()).filter(|_| !is_split);
            hand_element(if is_split { Some(&key) } else { split }, of_class, element, hand)
        }),
        scalar => hand_element(split, None, Value::Array(vec![Value::String(key), scalar]), hand),
    }
}

fn hand_members(split: Option<&str>, object: Map<String, Value>, hand: Hand) -> Result<()> {
    object.into_iter().try_for_each(|(key, value)| hand_member(split, key, value, hand))
}
