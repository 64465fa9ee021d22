//! Where the rows of a table of labels come from: CSV and JSON lines, JSON documents, texts that begin with their count, files beside images.

use super::coco;
use super::counted::Counted;
use super::document::Document;
use super::index::Index;
use super::sidecars::Sidecars;
use crate::error::{Error, Result};
use crate::sniff::What;
use crate::table::{self, Shape};
use crate::tree::{Entry, Tree};

/// Rows by which columns are judged.
pub const JUDGED: usize = 1000;

/// Where rows come from.
#[derive(Clone)]
pub enum Source {
    Shape(Shape),
    Document(Document),
    Counted(Counted),
    Sidecars(Sidecars),
}

impl Source {
    pub fn columns(&self) -> &[String] {
        match self {
            Self::Shape(shape) => &shape.columns,
            Self::Document(document) => &document.columns,
            Self::Counted(counted) => &counted.columns,
            Self::Sidecars(sidecars) => &sidecars.columns,
        }
    }

    pub fn has_header(&self) -> bool {
        match self {
            Self::Shape(shape) => shape.has_header,
            Self::Document(_) | Self::Counted(_) | Self::Sidecars(_) => true,
        }
    }

    pub fn rows(&self, tree: &Tree, entry: &Entry, hand: &mut dyn FnMut(usize, table::Row) -> Result<()>) -> Result<()> {
        match self {
            Self::Shape(shape) => shape.rows(tree, entry, hand),
            Self::Document(document) => document.rows(tree, entry, hand),
            Self::Counted(counted) => counted.rows(tree, entry, hand),
            Self::Sidecars(sidecars) => sidecars.rows(tree, hand),
        }
    }

    pub fn first_rows(&self, tree: &Tree, entry: &Entry) -> Result<Vec<table::Row>> {
        if let Self::Sidecars(sidecars) = self {
            return sidecars.first_rows(tree);
        }
        let mut rows = Vec::new();
        let read = self.rows(tree, entry, &mut |_, row| {
            rows.push(row);
            if rows.len() < JUDGED { Ok(()) } else { Err(Error::Cancelled) }
        });
        crate::text::until_enough(read)?;
        Ok(rows)
    }
}

/// Objects or anything else line by line; of texts and lists there are no columns.
fn has_objects(tree: &Tree, entry: &Entry) -> Result<bool> {
    let first = tree.head(entry, 512)?.into_iter().find(|byte| byte.is_ascii_graphic());
    Ok(!matches!(first, Some(b'"' | b'[')))
}

/// The table as rows, where it is one.
pub fn source(tree: &Tree, entry: &Entry, what: &What, index: &Index) -> Result<Option<Source>> {
    if *what == What::Text
        && let Some(counted) = Counted::open(tree, entry, index)?
    {
        return Ok(Some(Source::Counted(counted)));
    }
    if *what == What::JsonLines && !has_objects(tree, entry)? {
        return Ok(None);
    }
    if entry.extension() == "json" && coco::is_coco(tree, entry) {
        return Ok(None);
    }
    if entry.extension() == "json" {
        return Ok(match Document::open(tree, entry) {
            Ok(Some(document)) => Some(Source::Document(document)),
            // Objects line by line under a document's name.
            Ok(None) | Err(Error::Data(_)) if *what == What::JsonLines => Some(Source::Shape(table::shape(tree, entry, true)?)),
            other => other?.map(Source::Document),
        });
    }
    if *what == What::JsonLines
        && let Some(document) = Document::of_records(tree, entry)?
    {
        return Ok(Some(Source::Document(document)));
    }
    Ok(Some(Source::Shape(table::shape(tree, entry, *what == What::JsonLines)?.with_lists())))
}
