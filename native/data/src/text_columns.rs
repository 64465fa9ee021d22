//! What the columns of a table of text hold, by its first rows, and the question which of them is the text.

use serde_json::{Map, Value};

use crate::chat;
use crate::error::{Error, Place, Problem};
use crate::options::Options;
use crate::table::Row;
use crate::tree::{Entry, Tree};

/// Prose is at least so long, characters.
const SHORTEST: usize = 20;
/// A longer value tells no split.
const LONGEST_WORD: usize = 64;
/// Structures inside structures.
const DEEPEST: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    Text,
    Chat,
    /// As a sentence names it.
    Other(&'static str),
}

pub struct Column {
    pub name: String,
    pub holds: Holds,
    texts: usize,
    /// Texts of several words, or of letters that stand for words.
    worded: usize,
    /// Those of them that are long.
    prose: usize,
    characters: usize,
    first: Option<String>,
    varies: bool,
}

/// What the first rows of a table show.
#[derive(Default)]
pub struct Look {
    pub columns: Vec<Column>,
    /// Their short values, for columns of splits.
    pub rows: Vec<Row>,
}

impl Look {
    pub fn new(columns: &[String]) -> Self {
        let mut look = Self::default();
        columns.iter().for_each(|name| look.add(name.clone()));
        look
    }

    fn add(&mut self, name: String) {
        let holds = Holds::Other("nothing");
        self.columns.push(Column { name, holds, texts: 0, worded: 0, prose: 0, characters: 0, first: None, varies: false });
    }

    pub fn names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }

    pub fn see(&mut self, row: Map<String, Value>) {
        self.rows.push(vec![None; self.columns.len()]);
        self.see_object(row, "", 0);
        let width = self.columns.len();
        self.rows.iter_mut().for_each(|row| row.resize(width, None));
    }

    /// The parts of a structure are columns.
    fn see_object(&mut self, object: Map<String, Value>, prefix: &str, depth: usize) {
        for (name, value) in object {
            let name = format!("{prefix}{name}");
            match value {
                Value::Object(inner) if depth < DEEPEST && !inner.is_empty() => self.see_object(inner, &format!("{name}."), depth + 1),
                value => self.see_value(name, value),
            }
        }
    }

    fn see_value(&mut self, name: String, value: Value) {
        let part_of_it = |column: &Column| column.name.strip_prefix(&name).is_some_and(|rest| rest.starts_with('.'));
        if value.is_null() && self.columns.iter().any(part_of_it) {
            return;
        }
        let at = self.columns.iter().position(|column| column.name == name).unwrap_or_else(|| {
            self.add(name);
            self.columns.len() - 1
        });
        self.columns[at].see(&value);
        let short = crate::table::text_of(value, false).filter(|text| text.len() <= LONGEST_WORD);
        if let Some(row) = self.rows.last_mut() {
            row.resize(row.len().max(at + 1), None);
            row[at] = short;
        }
    }
}

impl Column {
    fn see(&mut self, value: &Value) {
        self.holds = match value {
            Value::Null => return,
            Value::String(text) => {
                self.see_text(text);
                not_text(text).map_or(Holds::Text, Holds::Other)
            }
            value if chat::written(value).is_some() => Holds::Chat,
            _ if self.holds == Holds::Chat || self.holds == Holds::Text => return,
            Value::Array(values) if values.iter().all(Value::is_object) => Holds::Other("lists of objects"),
            Value::Array(_) => Holds::Other("lists"),
            Value::Object(_) => Holds::Other("objects"),
            Value::Number(_) | Value::Bool(_) => Holds::Other("numbers"),
        };
    }

    fn see_text(&mut self, text: &str) {
        let text = text.trim();
        let length = text.chars().count();
        let count = |wanted: fn(char) -> bool| text.chars().filter(|letter| wanted(*letter)).count();
        let (letters, foreign) = (count(char::is_alphabetic), count(|letter| !letter.is_ascii()));
        let has_words = 2 * letters >= length && (text.contains(char::is_whitespace) || 2 * foreign > length);
        self.texts += 1;
        self.characters += length;
        self.worded += usize::from(has_words);
        self.prose += usize::from(has_words && length >= SHORTEST);
        match &self.first {
            None => self.first = Some(text.to_owned()),
            Some(first) => self.varies |= first != text,
        }
    }

    /// Where nothing else was seen in it.
    pub fn may_hold_text(&mut self) {
        if self.holds == Holds::Other("nothing") {
            self.holds = Holds::Text;
        }
    }

    /// Long texts of words, which differ.
    pub fn is_prose(&self) -> bool {
        2 * self.prose >= self.texts.max(1) && (self.varies || self.texts == 1)
    }

    /// Words, which differ: it may be the text.
    fn has_words(&self) -> bool {
        self.holds == Holds::Chat || (2 * self.worded >= self.texts.max(1) && (self.varies || self.texts == 1))
    }

    fn described(&self) -> String {
        match self.holds {
            Holds::Other(kind) if kind != "nothing" => format!("{} ({kind})", self.name),
            _ => self.name.clone(),
        }
    }
}

/// Text that stands for something else.
fn not_text(text: &str) -> Option<&'static str> {
    let text = text.trim_start();
    // The beginnings of PNG, JPEG, GIF, WebP and BMP.
    let pictures = ["iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR", "data:image/"];
    let is_picture = pictures.iter().any(|start| text.starts_with(start)) && !text.contains(' ') && text.len() > 40;
    let is_cut = text.starts_with('[') && text.ends_with(']') && text.contains(" ... ") && !text.contains('"');
    let list = text.trim_end().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let mut numbers = list.into_iter().flat_map(|list| list.split([' ', ',', '\n'])).filter(|part| !part.is_empty()).peekable();
    let is_numbers = numbers.peek().is_some() && numbers.all(|part| part.parse::<f64>().is_ok());
    match (is_picture, is_cut, is_numbers) {
        (true, ..) => Some("pictures as base64"),
        (_, true, _) => Some("arrays as NumPy prints them, cut short"),
        (.., true) => Some("lists of numbers"),
        _ => None,
    }
}

/// An object of columns, each an object of its values by the number of the row.
pub fn is_of_columns(row: &Map<String, Value>) -> bool {
    let by_number = |value: &Value| {
        value.as_object().is_some_and(|values| !values.is_empty() && values.keys().all(|key| key.bytes().all(|byte| byte.is_ascii_digit())))
    };
    !row.is_empty() && row.values().all(by_number)
}

/// Which column is the text: of those that may be, else of all that hold words, the longest first.
pub fn asked(tree: &Tree, entry: &Entry, columns: &[Column], several: &[usize], chosen: Option<&str>) -> Error {
    let file = tree.display(entry);
    let listed = |columns: &mut dyn Iterator<Item = &Column>| columns.map(Column::described).collect::<Vec<_>>().join(", ");
    let mut offered: Vec<usize> = match several {
        [] => (0..columns.len()).filter(|at| !matches!(columns[*at].holds, Holds::Other(_)) && columns[*at].has_words()).collect(),
        several => several.to_vec(),
    };
    let (code, sentence) = if several.is_empty() {
        offered.sort_by_key(|at| std::cmp::Reverse(columns[*at].characters / columns[*at].texts.max(1)));
        let there = match columns {
            [] => "there are no columns".to_owned(),
            columns => format!("there are {}", listed(&mut columns.iter())),
        };
        let hint = if offered.is_empty() { "; save a table with a column of text" } else { "; say which is the text" };
        let lacks = match chosen {
            Some(chosen) => format!("no column {chosen} of text"),
            None => "no column of text that is known by its name".to_owned(),
        };
        ("no-column", format!("{file} has {lacks}; {there}{hint}"))
    } else {
        let sentence =
            format!("{file} has several columns of text, {}; say which is the text", listed(&mut several.iter().map(|at| &columns[*at])));
        ("several-columns", sentence)
    };
    // Of pairs of answers that which was not preferred comes last.
    offered.sort_by_key(|at| ["rejected", "loser", "dispreferred"].contains(&columns[*at].name.to_lowercase().as_str()));
    let offer = |problem: Problem, at: &usize| {
        let name = &columns[*at].name;
        problem.with("choose", format!("Take {name}"), Options { text_column: Some(name.clone()), ..Options::default() })
    };
    offered.iter().take(12).fold(Problem::error(code, sentence).at(Place::file(file)), offer).into()
}
