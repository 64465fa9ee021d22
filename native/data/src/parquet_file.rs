//! Parquet files column by column, page by page: bytes, text, whole numbers, and lists of whole numbers; lists of anything else are not read.

use std::fs::File;

use parquet::column::reader::ColumnReader;
use parquet::data_type::{AsBytes, ByteArray};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescPtr;

use crate::error::{Error, Place, Problem, Result};
use crate::tree::{Entry, Tree};

/// Rows that are read at a time.
const ROWS: usize = 64;

pub struct ParquetFile {
    reader: SerializedFileReader<File>,
    file: String,
    /// Leaf columns outside lists: path, and its index in the file.
    columns: Vec<(String, usize)>,
    /// Columns that are lists of whole numbers: name, and index in the file.
    lists: Vec<(String, usize)>,
    pub rows: usize,
}

impl ParquetFile {
    pub fn open(tree: &Tree, entry: &Entry) -> Result<Self> {
        let file = tree.display(entry);
        let reader = SerializedFileReader::new(tree.seekable(entry)?).map_err(|error| damaged(&file, &error))?;
        let schema = reader.metadata().file_metadata().schema_descr();
        let leaves = schema.columns().iter().enumerate().filter(|(_, column)| column.max_rep_level() == 0);
        let columns = leaves.map(|(at, column)| (column.path().string(), at)).collect();
        let is_whole = |kind| matches!(kind, parquet::basic::Type::INT32 | parquet::basic::Type::INT64);
        let is_list = |column: &ColumnDescPtr| column.max_rep_level() == 1 && is_whole(column.physical_type());
        let lists = schema.columns().iter().enumerate().filter(|(_, column)| is_list(column));
        let lists = lists.filter_map(|(at, column)| Some((column.path().parts().first()?.clone(), at))).collect();
        let rows = usize::try_from(reader.metadata().file_metadata().num_rows()).unwrap_or(0);
        Ok(Self { reader, file, columns, lists, rows })
    }

    pub fn names(&self) -> Vec<String> {
        self.columns.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Leaf columns that hold bytes or text.
    pub fn byte_columns(&self) -> Vec<String> {
        let schema = self.reader.metadata().file_metadata().schema_descr();
        let holds_bytes = |at: usize| schema.column(at).physical_type() == parquet::basic::Type::BYTE_ARRAY;
        self.columns.iter().filter(|(_, at)| holds_bytes(*at)).map(|(name, _)| name.clone()).collect()
    }

    /// Names of the classes of a column, as Hugging Face's datasets note them in the metadata.
    pub fn class_names(&self, column: &str) -> Option<Vec<String>> {
        let metadata = self.reader.metadata().file_metadata().key_value_metadata()?;
        let text = metadata.iter().find(|pair| pair.key == "huggingface")?.value.as_deref()?;
        let parsed: serde_json::Value = serde_json::from_str(text).ok()?;
        let names = parsed.pointer(&format!("/info/features/{column}/names"))?.as_array()?;
        names.iter().map(|name| name.as_str().map(ToOwned::to_owned)).collect()
    }

    /// Hands over the values of a column of bytes, from a row on.
    pub fn bytes(&self, column: &str, from: usize, hand: &mut dyn FnMut(Option<ByteArray>) -> Result<()>) -> Result<()> {
        let at = self.index(column)?;
        let mut before = 0;
        for group in 0..self.reader.num_row_groups() {
            let row_group = self.reader.get_row_group(group).map_err(|error| self.damaged(&error))?;
            let rows = usize::try_from(row_group.metadata().num_rows()).unwrap_or(0);
            let mut skipped = from.saturating_sub(before).min(rows);
            before += rows;
            if skipped == rows {
                continue;
            }
            let reader = row_group.get_column_reader(at).map_err(|error| self.damaged(&error))?;
            let ColumnReader::ByteArrayColumnReader(mut reader) = reader else { return Err(self.wrong_type(column, "bytes or text")) };
            while skipped > 0 {
                skipped -= reader.skip_records(skipped).map_err(|error| self.damaged(&error))?.max(1).min(skipped);
            }
            let most = row_group.metadata().column(at).column_descr().max_def_level();
            loop {
                let (mut levels, mut values) = (Vec::new(), Vec::new());
                let read = reader.read_records(ROWS, Some(&mut levels), None, &mut values).map_err(|error| self.damaged(&error))?;
                if read.0 == 0 {
                    break;
                }
                let mut values = values.into_iter();
                for row in 0..read.0 {
                    let present = most == 0 || levels.get(row) == Some(&most);
                    hand(if present { values.next() } else { None })?;
                }
            }
        }
        Ok(())
    }

    /// All values of a column as text, numbers among them.
    pub fn texts(&self, column: &str) -> Result<Vec<Option<String>>> {
        let at = self.index(column)?;
        let mut texts = Vec::with_capacity(self.rows);
        for group in 0..self.reader.num_row_groups() {
            let row_group = self.reader.get_row_group(group).map_err(|error| self.damaged(&error))?;
            let most = row_group.metadata().column(at).column_descr().max_def_level();
            let reader = row_group.get_column_reader(at).map_err(|error| self.damaged(&error))?;
            let read = match reader {
                ColumnReader::BoolColumnReader(mut reader) => {
                    column_texts(&mut reader, most, |x: bool| u8::from(x).to_string(), &mut texts)
                }
                ColumnReader::Int32ColumnReader(mut reader) => column_texts(&mut reader, most, |x: i32| x.to_string(), &mut texts),
                ColumnReader::Int64ColumnReader(mut reader) => column_texts(&mut reader, most, |x: i64| x.to_string(), &mut texts),
                ColumnReader::ByteArrayColumnReader(mut reader) => {
                    column_texts(&mut reader, most, |x: ByteArray| String::from_utf8_lossy(x.as_bytes()).into_owned(), &mut texts)
                }
                _ => return Err(self.wrong_type(column, "whole numbers or text")),
            };
            read.map_err(|error| self.damaged(&error))?;
        }
        Ok(texts)
    }

    /// Names of the columns that are lists of whole numbers.
    pub fn lists(&self) -> Vec<String> {
        self.lists.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Numbers in all lists of a column.
    pub fn count_of_list(&self, column: &str) -> Result<u64> {
        let at = self.list(column)?;
        let metadata = self.reader.metadata();
        let known = metadata.row_groups().iter().map(|group| {
            let chunk = group.column(at);
            let is_full = chunk.statistics().and_then(|statistics| statistics.null_count_opt()) == Some(0);
            u64::try_from(chunk.num_values()).ok().filter(|_| is_full)
        });
        // An empty list counts as a value there.
        if let Some(count) = known.sum::<Option<u64>>() {
            return Ok(count);
        }
        let mut count = 0;
        self.numbers_of_list(column, &mut |numbers| {
            count += numbers.len() as u64;
            Ok(())
        })?;
        Ok(count)
    }

    /// Hands over the numbers in all lists of a column, one list after the other.
    pub fn numbers_of_list(&self, column: &str, hand: &mut dyn FnMut(Vec<i64>) -> Result<()>) -> Result<()> {
        let at = self.list(column)?;
        for group in 0..self.reader.num_row_groups() {
            let row_group = self.reader.get_row_group(group).map_err(|error| self.damaged(&error))?;
            match row_group.get_column_reader(at).map_err(|error| self.damaged(&error))? {
                ColumnReader::Int32ColumnReader(mut reader) => self.numbers(&mut reader, i64::from, hand)?,
                ColumnReader::Int64ColumnReader(mut reader) => self.numbers(&mut reader, |x| x, hand)?,
                _ => return Err(self.wrong_type(column, "lists of whole numbers")),
            }
        }
        Ok(())
    }

    fn numbers<T: parquet::data_type::DataType>(
        &self,
        reader: &mut parquet::column::reader::ColumnReaderImpl<T>,
        number: impl Fn(T::T) -> i64 + Copy,
        hand: &mut dyn FnMut(Vec<i64>) -> Result<()>,
    ) -> Result<()> {
        loop {
            let (mut levels, mut depths, mut values) = (Vec::new(), Vec::new(), Vec::new());
            let (rows, ..) =
                reader.read_records(ROWS, Some(&mut levels), Some(&mut depths), &mut values).map_err(|error| self.damaged(&error))?;
            if rows == 0 {
                return Ok(());
            }
            hand(values.into_iter().map(number).collect())?;
        }
    }

    fn list(&self, column: &str) -> Result<usize> {
        let found = self.lists.iter().find(|(name, _)| name == column).map(|(_, at)| *at);
        found.ok_or_else(|| {
            let sentence = format!("{} has no column {column} of lists of whole numbers; there are {}", self.file, self.lists().join(", "));
            Problem::error("no-column", sentence).at(Place::file(self.file.clone())).into()
        })
    }

    fn index(&self, column: &str) -> Result<usize> {
        let found = self.columns.iter().find(|(name, _)| name == column).map(|(_, at)| *at);
        found.ok_or_else(|| {
            let sentence = format!("{} has no column {column}; there are {}", self.file, self.names().join(", "));
            Problem::error("no-column", sentence).at(Place::file(self.file.clone())).into()
        })
    }

    fn wrong_type(&self, column: &str, wanted: &str) -> Error {
        let sentence = format!("{} has a column {column} of another type than {wanted}", self.file);
        Problem::error("bad-type", sentence).at(Place::file(self.file.clone())).into()
    }

    fn damaged(&self, error: &ParquetError) -> Error {
        damaged(&self.file, error)
    }
}

fn damaged(file: &str, error: &ParquetError) -> Error {
    let why = error.to_string().replace('\n', " ");
    Problem::error("damaged-file", format!("{file} is a damaged Parquet file: {why}")).at(Place::file(file)).into()
}

fn column_texts<T: parquet::data_type::DataType>(
    reader: &mut parquet::column::reader::ColumnReaderImpl<T>,
    most: i16,
    text: impl Fn(T::T) -> String,
    texts: &mut Vec<Option<String>>,
) -> parquet::errors::Result<()> {
    loop {
        let (mut levels, mut values) = (Vec::new(), Vec::new());
        let (rows, ..) = reader.read_records(4096, Some(&mut levels), None, &mut values)?;
        if rows == 0 {
            return Ok(());
        }
        let mut values = values.into_iter();
        texts.extend((0..rows).map(|row| if most == 0 || levels.get(row) == Some(&most) { values.next().map(&text) } else { None }));
    }
}
