//! Files of columns, Parquet and Arrow alike: what importers of images, text and tokens read of them.

use parquet::data_type::ByteArray;
use serde_json::{Map, Value};

use crate::array_labels::Labels;
use crate::arrow_file::ArrowFile;
use crate::error::{Error, Result};
use crate::parquet_file::ParquetFile;
use crate::sniff::What;
use crate::tree::{Entry, Tree};

/// Numbers of lists that are handed over together.
const TOGETHER: usize = 1 << 16;

/// A value of a column of bytes.
pub enum Bytes {
    Shared(ByteArray),
    Owned(Vec<u8>),
}

impl Bytes {
    pub fn data(&self) -> &[u8] {
        match self {
            Self::Shared(bytes) => bytes.data(),
            Self::Owned(bytes) => bytes,
        }
    }
}

pub enum Columnar {
    Parquet(ParquetFile),
    Arrow(ArrowFile),
}

pub fn is_columnar(what: &What) -> bool {
    matches!(what, What::Parquet | What::Arrow)
}

impl Columnar {
    pub fn open(tree: &Tree, entry: &Entry) -> Result<Self> {
        if tree.head(entry, 4)? == b"PAR1" {
            return ParquetFile::open(tree, entry).map(Self::Parquet);
        }
        ArrowFile::open(Box::new(tree.seekable(entry)?), tree.display(entry)).map(Self::Arrow)
    }

    pub fn rows(&self) -> usize {
        match self {
            Self::Parquet(file) => file.rows,
            Self::Arrow(file) => file.rows,
        }
    }

    /// Leaf columns outside lists; that of a structure is called `image.bytes`.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Parquet(file) => file.names(),
            Self::Arrow(file) => file.names(),
        }
    }

    /// All columns in their order; a part of a structure is called `meta.url`, a list by its own name.
    pub fn columns(&self) -> Vec<String> {
        match self {
            Self::Parquet(file) => file.columns(),
            Self::Arrow(file) => file.columns(),
        }
    }

    /// Hands over every row as an object, at most so many, with those of the outermost columns alone that are named.
    pub fn objects(&self, outermost: &[&str], most: usize, hand: &mut dyn FnMut(Map<String, Value>) -> Result<()>) -> Result<()> {
        match self {
            Self::Parquet(file) => file.objects(outermost, most, hand),
            Self::Arrow(file) => file.objects(outermost, most, hand),
        }
    }

    /// Those of them that hold bytes or text.
    pub fn byte_columns(&self) -> Vec<String> {
        match self {
            Self::Parquet(file) => file.byte_columns(),
            Self::Arrow(file) => file.byte_columns(),
        }
    }

    /// Columns that are lists of whole numbers.
    pub fn lists(&self) -> Vec<String> {
        match self {
            Self::Parquet(file) => file.lists(),
            Self::Arrow(file) => file.lists(),
        }
    }

    /// Columns that are lists of anything else, or lie in lists.
    pub fn other_lists(&self) -> Vec<String> {
        match self {
            Self::Parquet(file) => file.other_lists(),
            Self::Arrow(file) => file.other_lists(),
        }
    }

    /// What Hugging Face's datasets note, as JSON.
    pub fn notes(&self) -> Option<&str> {
        match self {
            Self::Parquet(file) => file.notes(),
            Self::Arrow(file) => file.notes.as_deref(),
        }
    }

    /// Rows without a value in a column, where that is known without reading them.
    pub fn nulls(&self, column: &str) -> Result<Option<usize>> {
        match self {
            Self::Parquet(file) => file.nulls(column),
            Self::Arrow(file) => file.nulls(column).map(Some),
        }
    }

    /// Hands over the values of a column of bytes or text, from a row on.
    pub fn bytes(&self, column: &str, from: usize, hand: &mut dyn FnMut(Option<Bytes>) -> Result<()>) -> Result<()> {
        match self {
            Self::Parquet(file) => file.bytes(column, from, hand),
            Self::Arrow(file) => file.bytes(column, from, hand),
        }
    }

    /// The first value of a column of bytes, among the first `rows`.
    pub fn first(&self, column: &str, rows: usize) -> Result<Option<Bytes>> {
        let (mut first, mut seen) = (None, 0);
        let read = self.bytes(column, 0, &mut |value| {
            first = value;
            seen += 1;
            if first.is_some() || seen == rows { Err(Error::Cancelled) } else { Ok(()) }
        });
        crate::text::until_enough(read)?;
        Ok(first)
    }

    /// All values of a column that is no list; what is null is NaN or an empty text.
    pub fn labels(&self, column: &str) -> Result<Labels> {
        match self {
            Self::Parquet(file) => file.labels(column),
            Self::Arrow(file) => file.labels(column),
        }
    }

    /// As `labels`, as text; `None` for null.
    pub fn texts(&self, column: &str) -> Result<Vec<Option<String>>> {
        Ok(match self.labels(column)? {
            Labels::Texts(texts) => texts.into_iter().map(|text| Some(text).filter(|text| !text.is_empty())).collect(),
            Labels::Booleans(numbers) => numbers.into_iter().map(|x| (!x.is_nan()).then(|| (x != 0.0).to_string())).collect(),
            Labels::Numbers(numbers) | Labels::Singles(numbers) => {
                numbers.into_iter().map(|x| (!x.is_nan()).then(|| x.to_string())).collect()
            }
        })
    }

    /// Hands over the numbers of a column of lists, row by row.
    pub fn numbers(&self, column: &str, hand: &mut dyn FnMut(Vec<i64>) -> Result<()>) -> Result<()> {
        match self {
            Self::Parquet(file) => file.numbers(column, hand),
            Self::Arrow(file) => file.numbers(column, hand),
        }
    }

    /// Numbers in all lists of a column.
    pub fn count_of_list(&self, column: &str) -> Result<u64> {
        match self {
            Self::Parquet(file) => file.count(column),
            Self::Arrow(file) => file.count(column),
        }
    }

    /// Hands over the numbers in all lists of a column, many rows together.
    pub fn numbers_of_list(&self, column: &str, hand: &mut dyn FnMut(Vec<i64>) -> Result<()>) -> Result<()> {
        let mut waiting = Vec::new();
        self.numbers(column, &mut |numbers| {
            waiting.extend(numbers);
            if waiting.len() < TOGETHER { Ok(()) } else { hand(std::mem::take(&mut waiting)) }
        })?;
        if waiting.is_empty() { Ok(()) } else { hand(waiting) }
    }
}
