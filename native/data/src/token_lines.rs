//! JSON lines with a field that is a list of tokens, such as `{"input_ids": [1, 2, 3]}`, and CSV with such lists as text. Only that field of a
//! line is kept.

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use crate::error::{Error, Place, Problem, Result};
use crate::options::Options;
use crate::table::{self, lines};
use crate::text::until_enough;
use crate::tree::{Entry, Tree};

/// The field of tokens: as chosen, or of `usual` the first that the first line has as a list of numbers.
pub fn column(tree: &Tree, entry: &Entry, usual: &[&str], options: &Options) -> Result<Option<String>> {
    let mut found = None;
    if is_csv(tree, entry)? {
        let shape = table::shape(tree, entry, false)?;
        let read = shape.rows(tree, entry, &mut |_, fields| {
            let is_list = |name: &&String| shape.index(name).and_then(|at| list(fields[at].as_deref()?)).is_some();
            let wanted = options.text_column.as_ref().map_or(usual.to_vec(), |chosen| vec![chosen.as_str()]);
            let known = || shape.columns.iter().filter(is_list);
            found = wanted.iter().find_map(|wanted| known().find(|name| *name == wanted || name.to_lowercase() == *wanted)).cloned();
            Err(Error::Cancelled)
        });
        until_enough(read)?;
        return Ok(found);
    }
    let read = lines(tree, entry, &mut |_, line| {
        let object: Option<serde_json::Map<String, Value>> = serde_json::from_slice(line).ok();
        let is_list = |name: &&String| {
            let list = object.as_ref().and_then(|object| object.get(*name)?.as_array());
            list.is_some_and(|list| list.iter().all(Value::is_i64))
        };
        let known: Vec<&String> = object.iter().flat_map(|object| object.keys()).filter(is_list).collect();
        found = match &options.text_column {
            Some(chosen) => known.into_iter().find(|name| *name == chosen).cloned(),
            None => usual.iter().find_map(|usual| known.iter().find(|name| name.to_lowercase() == *usual)).map(|name| (*name).clone()),
        };
        Err(Error::Cancelled)
    });
    until_enough(read)?;
    Ok(found)
}

/// No line is an object.
fn is_csv(tree: &Tree, entry: &Entry) -> Result<bool> {
    Ok(tree.head(entry, 64)?.into_iter().find(|byte| !byte.is_ascii_whitespace()) != Some(b'{'))
}

/// `[1, 2, 3]`, or as NumPy prints it.
fn list(text: &str) -> Option<Vec<i64>> {
    let inner = text.trim().strip_prefix('[')?.strip_suffix(']')?;
    inner.split([',', ' ', '\n', '\r']).filter(|part| !part.is_empty()).map(|part| part.parse().ok()).collect()
}

/// Hands over the numbers of each line.
pub fn numbers(tree: &Tree, entry: &Entry, column: &str, hand: &mut dyn FnMut(Vec<i64>) -> Result<()>) -> Result<()> {
    if is_csv(tree, entry)? {
        let shape = table::shape(tree, entry, false)?;
        return shape.rows(tree, entry, &mut |row, fields| {
            let numbers = shape.index(column).and_then(|at| list(fields[at].as_deref()?));
            match numbers {
                Some(numbers) => hand(numbers),
                None => {
                    let file = tree.display(entry);
                    let sentence = format!("{file} has row {row}, whose {column} is no list of whole numbers");
                    Err(Problem::error("bad-row", sentence).at(Place::row(file, row)).into())
                }
            }
        });
    }
    lines(tree, entry, &mut |row, line| {
        let read = Field(column).deserialize(&mut serde_json::Deserializer::from_slice(line));
        let why = match read {
            Ok(Some(numbers)) => return hand(numbers),
            Ok(None) => format!("it has no {column}"),
            Err(error) => error.to_string(),
        };
        let file = tree.display(entry);
        let sentence = format!("{file} has line {row}, whose list of tokens {column} cannot be read: {why}");
        Err(Problem::error("bad-row", sentence).at(Place::row(file, row)).into())
    })
}

/// One field of an object.
struct Field<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for Field<'_> {
    type Value = Option<Vec<i64>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Field<'_> {
    type Value = Option<Vec<i64>>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "an object with {}", self.0)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> std::result::Result<Self::Value, M::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == self.0 {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}
