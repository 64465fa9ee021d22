//! The account that a verdict ends with: every file once, used as what or left out why, and the same of the samples and columns in files that
//! hold many. Each importer says what it does with its files; what nobody spoke of is left out as what it is.

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::Serialize;

use crate::sniff::What;
use crate::tree::{Entry, Tree};

/// Files of a line that are named.
const EXAMPLES: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "AccountUnit")]
pub enum Unit {
    Files,
    Samples,
    Columns,
}

/// Files, or samples and columns in files that hold many, with what becomes of them. The lines of files count each file once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "AccountLine")]
pub struct Line {
    pub unit: Unit,
    pub used: bool,
    /// As what, or why not: "training images", "hidden".
    pub what: String,
    pub count: u64,
    /// The first of them.
    pub examples: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub struct Account {
    lines: Vec<Line>,
    /// Entries that were spoken of.
    told: HashSet<usize>,
}

impl Account {
    pub fn use_as(&mut self, tree: &Tree, at: usize, what: &str) {
        self.tell(tree, at, true, what);
    }

    pub fn leave_out(&mut self, tree: &Tree, at: usize, why: &str) {
        self.tell(tree, at, false, why);
    }

    /// The first word about a file holds.
    fn tell(&mut self, tree: &Tree, at: usize, used: bool, what: &str) {
        if self.told.insert(at) {
            self.add(Unit::Files, used, what, &tree.entries[at].name);
        }
    }

    /// One more of what is no entry of the tree.
    pub fn add(&mut self, unit: Unit, used: bool, what: &str, name: &str) {
        let line = self.line(unit, used, what);
        line.count += 1;
        if line.examples.len() < EXAMPLES {
            line.examples.push(name.to_owned());
        }
    }

    /// Samples of files that hold many.
    pub fn samples(&mut self, used: bool, what: &str, count: u64) {
        if count > 0 {
            self.line(Unit::Samples, used, what).count += count;
        }
    }

    /// Columns of a table: those that are used, and as what; the others are left out.
    pub fn columns(&mut self, columns: &[String], used: &[(&str, &str)]) {
        for column in columns {
            match used.iter().find(|(name, _)| name == column) {
                Some((_, what)) => self.add(Unit::Columns, true, what, column),
                None => self.add(Unit::Columns, false, "other columns", column),
            }
        }
    }

    fn line(&mut self, unit: Unit, used: bool, what: &str) -> &mut Line {
        let known = self.lines.iter().position(|line| (line.unit, line.used) == (unit, used) && line.what == what);
        let at = known.unwrap_or_else(|| {
            self.lines.push(Line { unit, used, what: what.to_owned(), count: 0, examples: Vec::new() });
            self.lines.len() - 1
        });
        &mut self.lines[at]
    }

    /// What was said so far.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// With all other files; what is used first, then by number.
    pub fn close(mut self, tree: &Tree, what: &[What]) -> Vec<Line> {
        for (at, entry) in tree.entries.iter().enumerate() {
            // A table may name files that lie beside what was given.
            let kind = what.get(at).map_or_else(|| other_kind(entry), |what| kind_of(what, entry));
            self.tell(tree, at, false, &kind);
        }
        self.lines.extend(tree.left_out.lines.iter().cloned());
        self.lines.sort_by_key(|line| (line.unit, !line.used, std::cmp::Reverse(line.count)));
        self.lines
    }
}

/// What a file is that has no part in the dataset.
fn kind_of(what: &What, entry: &Entry) -> String {
    match what {
        What::Idx(..) => "other IDX files".into(),
        What::Npy(_) => "other arrays".into(),
        What::Pickle => "other pickles".into(),
        What::Parquet => "other Parquet files".into(),
        What::Arrow => "other Arrow files".into(),
        What::Shard(_) => "other shards".into(),
        What::Image => "other images".into(),
        What::OtherImage => "images of a kind that cannot be read".into(),
        What::Csv | What::JsonLines => "other tables".into(),
        What::Text | What::Json => "other text".into(),
        What::Empty => "empty".into(),
        What::Other(kind) => (*kind).to_owned(),
        What::Refused(_) => "files that cannot be read".into(),
        What::StandIn(_) => "pointers, pages or text in place of files".into(),
        What::Unknown => other_kind(entry),
    }
}

fn other_kind(entry: &Entry) -> String {
    match entry.extension().as_str() {
        "" => "of another kind".into(),
        extension => format!("of another kind (.{extension})"),
    }
}
