//! Rows of tables (CSV, JSON, Parquet, Arrow) as documents: a column of text, or several in a plain template, one for each kind of data:
//!
//! - chats (`messages` of role and content, `conversations` of from and value): `<|im_start|>ROLE\nCONTENT<|im_end|>\n` for each message
//! - instructions: `### Instruction:\n...\n\n### Input:\n...\n\n### Response:\n...`, without the input where a row has none
//! - questions: `Question: ...\nAnswer: ...`
//! - prompts: the prompt, and behind it the completion as it is

mod template;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use self::template::Template;
use crate::answers;
use crate::chat;
use crate::column_splits::{self, Candidate, Folds, SplitRule, Told, plain_name};
use crate::columnar::{Bytes, Columnar};
use crate::error::{Error, Place, Problem, Result};
use crate::images::Named;
use crate::json_rows;
use crate::merged;
use crate::options::Options;
use crate::sniff::What;
use crate::table::{self, Shape};
use crate::text::until_enough;
use crate::text_columns::{self, Column, Look};
use crate::tree::{Entry, Tree};

/// Rows that show what the columns of a file are.
const SHOWN: usize = 50;
/// Rows that show which splits a column tells.
const SPLIT: usize = 1 << 18;
/// More words are no names of splits.
const MOST_WORDS: usize = 20;

enum Source {
    Csv(Shape),
    /// One object per line, else an array.
    Json {
        are_lines: bool,
    },
    /// Parquet or Arrow.
    Columns,
}

/// A table whose rows are documents.
pub struct Rows {
    source: Source,
    pub columns: Vec<String>,
    /// Columns of bytes or text outside lists, of a file of columns.
    stored: Vec<String>,
    template: Template,
    rule: Option<SplitRule>,
    /// Splits that rows tell.
    pub splits: BTreeSet<Named>,
    /// That several words mean one of them.
    merged: Option<Problem>,
    /// The column in which rows are accepted or rejected.
    answers: Option<usize>,
}

/// A row as a document.
pub struct Document {
    pub row: usize,
    pub text: Content,
    /// As a column tells it.
    pub split: Option<Named>,
    /// Messages that call tools, which are not written.
    pub calls: u64,
}

pub enum Content {
    Text(String),
    Bytes(Bytes),
    Nothing,
    /// Of a row that who labelled it did not accept.
    Rejected,
}

/// The values of a row.
enum Fields {
    Texts(table::Row),
    Object(Map<String, Value>),
}

impl Fields {
    fn take(&mut self, columns: &[String], at: usize) -> Value {
        match self {
            Self::Texts(fields) => fields[at].take().map_or(Value::Null, Value::from),
            Self::Object(row) => take(row, &columns[at]).unwrap_or_default(),
        }
    }

    /// The values of some columns as text.
    fn words(&self, columns: &[String], wanted: &[usize]) -> table::Row {
        let mut words = vec![None; columns.len()];
        for &at in wanted {
            words[at] = match self {
                Self::Texts(fields) => fields[at].clone(),
                Self::Object(row) => find(row, &columns[at]).cloned().and_then(|value| table::text_of(value, false)),
            };
        }
        words
    }
}

/// A column by its name, or a part of a structure.
fn take(row: &mut Map<String, Value>, name: &str) -> Option<Value> {
    if let Some(value) = row.remove(name) {
        return Some(value);
    }
    name.match_indices('.').find_map(|(at, _)| take(row.get_mut(&name[..at])?.as_object_mut()?, &name[at + 1..]))
}

fn find<'a>(row: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let inner = || name.match_indices('.').find_map(|(at, _)| find(row.get(&name[..at])?.as_object()?, &name[at + 1..]));
    row.get(name).or_else(inner)
}

type Hand<'a> = dyn FnMut(usize, Result<Fields>) -> Result<()> + 'a;

impl Rows {
    pub fn open(tree: &Tree, entry: &Entry, what: &What, options: &Options) -> Result<Self> {
        let mut look = Look::default();
        let mut stored = Vec::new();
        let source = match what {
            What::Csv => {
                let shape = table::shape(tree, entry, false)?.headed_by_words();
                look = Look::new(&shape.columns);
                Source::Csv(shape)
            }
            What::Parquet | What::Arrow => {
                let file = Columnar::open(tree, entry)?;
                look = Look::new(&file.columns());
                stored = file.byte_columns();
                Source::Columns
            }
            // A file of one line may be one object around its rows.
            _ => Source::Json { are_lines: *what == What::JsonLines && !(entry.extension() == "json" && json_rows::has_rows(tree, entry)) },
        };
        let columns = look.names();
        let (template, splits) = (Template::Column(0), BTreeSet::new());
        let mut rows = Self { source, columns, stored, template, rule: None, splits, merged: None, answers: None };
        rows.look(tree, entry, options, &mut look)?;
        // Bytes that are no UTF-8 may be text of another encoding.
        look.columns.iter_mut().filter(|column| rows.stored.contains(&column.name)).for_each(Column::may_hold_text);
        rows.columns = look.names();
        rows.template = rows.choose(tree, entry, &look.columns, options)?;
        rows.answers = answers::column(&rows.columns, &look.rows).filter(|column| rows.parts().iter().all(|(part, _)| part != column));
        rows.find_splits(tree, entry, &look, options)?;
        Ok(rows)
    }

    /// The first rows.
    fn look(&self, tree: &Tree, entry: &Entry, options: &Options, look: &mut Look) -> Result<()> {
        let (mut seen, mut failed) = (0, None);
        let all: Vec<usize> = (0..self.columns.len()).collect();
        until_enough(self.fields(tree, entry, (&all[..], SHOWN), &mut |row, fields| {
            match fields {
                Ok(Fields::Object(row)) if text_columns::is_of_columns(&row) && row.len() > 1 && seen == 0 => {
                    let file = tree.display(entry);
                    let sentence = format!(
                        "{file} is a table written column by column, as pandas' to_json writes it; save it with orient=\"records\" and \
                         lines=True"
                    );
                    return Err(Problem::error("by-columns", sentence).at(Place::file(file)).into());
                }
                Ok(Fields::Object(row)) => look.see(row),
                Ok(Fields::Texts(fields)) => {
                    let named = self.columns.iter().cloned().zip(fields.into_iter().map(|field| field.map_or(Value::Null, Value::from)));
                    let mut row = Map::new();
                    named.for_each(|(name, value)| {
                        row.entry(name).or_insert(value);
                    });
                    look.see(row);
                }
                Err(error) if options.skips() => {
                    failed.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
            seen += 1;
            if row + 1 < SHOWN { Ok(()) } else { Err(Error::Cancelled) }
        }))?;
        match failed {
            Some(error) if look.rows.is_empty() => Err(error),
            _ => Ok(()),
        }
    }

    /// The rule by which columns tell the splits of the rows, and the splits that they tell.
    fn find_splits(&mut self, tree: &Tree, entry: &Entry, look: &Look, options: &Options) -> Result<()> {
        let taken: Vec<usize> = self.parts().into_iter().map(|(at, _)| at).collect();
        let has_header = !matches!(&self.source, Source::Csv(shape) if !shape.has_header);
        let Some(candidate) = column_splits::candidate(&self.columns, has_header, &look.rows, &taken) else { return Ok(()) };
        let wanted = candidate.columns();
        let (mut seen, mut folds, mut strange, mut said) = (BTreeSet::new(), Folds::default(), false, BTreeSet::new());
        until_enough(self.fields(tree, entry, (&wanted[..], SPLIT), &mut |row, fields| {
            if let Ok(fields) = fields {
                let words = fields.words(&self.columns, &wanted);
                match &candidate {
                    Candidate::Numbers(column) => words[*column].iter().for_each(|word| folds.see(word)),
                    Candidate::Rule(rule) => match rule.told(&words) {
                        Told::Split(Some(named)) => {
                            seen.insert(named);
                            if said.len() < MOST_WORDS {
                                said.extend(wanted.iter().filter_map(|column| words[*column].clone()));
                            }
                        }
                        _ => strange = true,
                    },
                }
            }
            if row + 1 < SPLIT { Ok(()) } else { Err(Error::Cancelled) }
        }))?;
        let file = tree.display(entry);
        match candidate {
            Candidate::Numbers(column) => {
                self.rule = folds.rule(&file, &self.columns[column], column, options)?;
                seen.extend(self.rule.is_some().then_some([Named::Train, Named::Validation]).into_iter().flatten());
            }
            // A column that is called otherwise may tell something else of some rows.
            Candidate::Rule(rule) => {
                let is_sure = !strange || rule.columns().iter().all(|column| plain_name(&self.columns[*column]) == "split");
                self.rule = Some(rule).filter(|_| is_sure && !seen.is_empty());
            }
        }
        if let Some(rule) = &self.rule {
            self.splits = seen;
            let words = said.iter().map(String::as_str).filter(|_| matches!(rule, SplitRule::Words(_)));
            self.merged = merged::of_values(words);
        }
        Ok(())
    }

    fn split_columns(&self) -> Vec<usize> {
        self.rule.iter().flat_map(SplitRule::columns).collect()
    }

    /// Columns that are used, and as what.
    pub fn used(&self) -> Vec<(&str, &str)> {
        let kind = self.rule.as_ref().map_or("splits", SplitRule::kind);
        let splits = self.split_columns().into_iter().map(|at| (at, kind));
        let answers = self.answers.map(|at| (at, "answers"));
        self.parts().into_iter().chain(splits).chain(answers).map(|(at, what)| (self.columns[at].as_str(), what)).collect()
    }

    /// How rows are written, where that is more than a column, and which words mean one split.
    pub fn notes(&self) -> impl Iterator<Item = Problem> {
        self.written_so().into_iter().chain(self.merged.clone())
    }

    /// Hands over the columns that are wanted of every row, with its number; of a file of columns so many rows at most.
    fn fields(&self, tree: &Tree, entry: &Entry, (wanted, most): (&[usize], usize), hand: &mut Hand) -> Result<()> {
        match &self.source {
            Source::Csv(shape) => shape.rows(tree, entry, &mut |row, fields| hand(row, Ok(Fields::Texts(fields)))),
            Source::Json { are_lines } => {
                json_rows::rows(tree, entry, *are_lines, &mut |number, row| hand(number, row.map(Fields::Object)))
            }
            Source::Columns => {
                let mut number = 0;
                let outermost = |at: &usize| self.columns[*at].split('.').next().unwrap_or_default();
                let outermost: Vec<&str> = wanted.iter().map(outermost).chain(wanted.iter().map(|at| self.columns[*at].as_str())).collect();
                Columnar::open(tree, entry)?.objects(&outermost, most, &mut |row| {
                    number += 1;
                    hand(number - 1, Ok(Fields::Object(row)))
                })
            }
        }
    }

    /// Hands over every row as a document; an error is that of one row.
    pub fn documents(&self, tree: &Tree, entry: &Entry, hand: &mut dyn FnMut(Result<Document>) -> Result<()>) -> Result<()> {
        if let (Source::Columns, Template::Column(at), None, None) = (&self.source, self.template, &self.rule, self.answers)
            && self.stored.contains(&self.columns[at])
        {
            let mut row = 0;
            return Columnar::open(tree, entry)?.bytes(&self.columns[at], 0, &mut |value| {
                row += 1;
                hand(Ok(Document { row: row - 1, text: value.map_or(Content::Nothing, Content::Bytes), split: None, calls: 0 }))
            });
        }
        let told = self.split_columns();
        let wanted: Vec<usize> = self.parts().into_iter().map(|(at, _)| at).chain(told.iter().copied()).chain(self.answers).collect();
        self.fields(tree, entry, (&wanted[..], usize::MAX), &mut |row, fields| {
            let document = fields.and_then(|mut fields| {
                let answer = |column: usize| fields.words(&self.columns, &[column])[column].take();
                if self.answers.is_some_and(|column| !answers::is_accepted(answer(column).as_deref())) {
                    return Ok(Document { row, text: Content::Rejected, split: None, calls: 0 });
                }
                let split = match self.rule.as_ref().map(|rule| rule.told(&fields.words(&self.columns, &told))) {
                    None | Some(Told::Unsaid) => None,
                    Some(Told::Split(named)) => named,
                    Some(Told::Strange(word)) => {
                        let file = tree.display(entry);
                        let sentence = format!("{file} row {row} is of the split {word:?}, which is none that is known");
                        return Err(Problem::error("unknown-split", sentence).at(Place::row(file, row)).skippable(json_rows::SKIP).into());
                    }
                };
                let mut calls = 0;
                let text = self.written(&mut |at| {
                    let value = fields.take(&self.columns, at);
                    let chat = matches!(self.template, Template::Chat(_)) && value.is_array();
                    let text = if chat {
                        let written = chat::written(&value).ok_or("holds no messages of a role and a text");
                        written.map(|(text, called)| {
                            calls += called;
                            Some(text)
                        })
                    } else {
                        plain(value)
                    };
                    text.map_err(|why| not_text(tree, entry, row, &self.columns[at], why).into())
                })?;
                Ok(Document { row, text: text.map_or(Content::Nothing, Content::Text), split, calls })
            });
            hand(document)
        })
    }
}

fn not_text(tree: &Tree, entry: &Entry, row: usize, column: &str, why: &str) -> Problem {
    let file = tree.display(entry);
    Problem::error("bad-row", format!("{file} row {row}: its {column} {why}")).at(Place::row(file, row)).skippable(json_rows::SKIP)
}

/// A value as text; nested ones are none.
fn plain(value: Value) -> std::result::Result<Option<String>, &'static str> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Bool(yes) => Ok(Some(yes.to_string())),
        Value::Array(_) => Err("is a list, not text"),
        Value::Object(_) => Err("is an object, not text"),
    }
}
