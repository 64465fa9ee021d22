//! Parquet files column by column, page by page: bytes, text, numbers, and lists of whole numbers; lists of anything else are named.

use std::fs::File;

use parquet::column::reader::ColumnReader;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::schema::types::{ColumnDescPtr, Type};
use serde_json::{Map, Value};

use crate::array_labels::Labels;
use crate::columnar::Bytes;
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
    other_lists: Vec<String>,
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
        let named = |column: &ColumnDescPtr| list_name(column.path().parts());
        let lists = schema.columns().iter().enumerate().filter(|(_, column)| is_list(column));
        let lists: Vec<(String, usize)> = lists.map(|(at, column)| (named(column), at)).collect();
        let is_other = |column: &&ColumnDescPtr| column.max_rep_level() > 0 && !is_list(column);
        let mut other_lists: Vec<String> = schema.columns().iter().filter(is_other).map(named).collect();
        other_lists.dedup();
        let rows = usize::try_from(reader.metadata().file_metadata().num_rows()).unwrap_or(0);
        Ok(Self { reader, file, columns, lists, other_lists, rows })
    }

    pub fn names(&self) -> Vec<String> {
        self.columns.iter().map(|(name, _)| name.clone()).collect()
    }

    /// All columns in their order; a part of a structure is called `meta.url`, a list by its own name.
    pub fn columns(&self) -> Vec<String> {
        let schema = self.reader.metadata().file_metadata().schema_descr();
        let named = |column: &ColumnDescPtr| match column.max_rep_level() {
            0 => column.path().string(),
            _ => outer_name(column.path().parts()),
        };
        let mut names: Vec<String> = schema.columns().iter().map(named).collect();
        names.dedup();
        names
    }

    /// Hands over every row as an object, at most so many, with those of the outermost columns alone that are named.
    pub fn objects(&self, outermost: &[&str], most: usize, hand: &mut dyn FnMut(Map<String, Value>) -> Result<()>) -> Result<()> {
        let schema = self.reader.metadata().file_metadata().schema();
        let fields: Vec<_> = schema.get_fields().iter().filter(|field| outermost.contains(&field.name())).cloned().collect();
        if fields.is_empty() {
            return Ok(());
        }
        let wanted = Type::group_type_builder(schema.name()).with_fields(fields).build().map_err(|error| self.damaged(&error))?;
        let rows = self.reader.get_row_iter(Some(wanted)).map_err(|error| self.damaged(&error))?;
        for row in rows.with_batch_size(ROWS).take(most) {
            let row = row.map_err(|error| self.damaged(&error))?;
            hand(row.get_column_iter().map(|(name, field)| (name.clone(), json_of(field))).collect())?;
        }
        Ok(())
    }

    /// Leaf columns that hold bytes or text.
    pub fn byte_columns(&self) -> Vec<String> {
        let schema = self.reader.metadata().file_metadata().schema_descr();
        let holds_bytes = |at: usize| schema.column(at).physical_type() == parquet::basic::Type::BYTE_ARRAY;
        self.columns.iter().filter(|(_, at)| holds_bytes(*at)).map(|(name, _)| name.clone()).collect()
    }

    /// What Hugging Face's datasets note in the metadata, as JSON.
    pub fn notes(&self) -> Option<&str> {
        let metadata = self.reader.metadata().file_metadata().key_value_metadata()?;
        metadata.iter().find(|pair| pair.key == "huggingface")?.value.as_deref()
    }

    /// Rows without a value in a column, where all its parts tell.
    pub fn nulls(&self, column: &str) -> Result<Option<usize>> {
        let at = self.index(column)?;
        let of_group = |group: &parquet::file::metadata::RowGroupMetaData| group.column(at).statistics()?.null_count_opt();
        let nulls: Option<u64> = self.reader.metadata().row_groups().iter().map(of_group).sum();
        Ok(nulls.and_then(|nulls| usize::try_from(nulls).ok()))
    }

    /// Hands over the values of a column of bytes, from a row on.
    pub fn bytes(&self, column: &str, from: usize, hand: &mut dyn FnMut(Option<Bytes>) -> Result<()>) -> Result<()> {
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
                    hand(if present { values.next().map(Bytes::Shared) } else { None })?;
                }
            }
        }
        Ok(())
    }

    /// All values of a column that is no list; what is null is NaN or an empty text.
    pub fn labels(&self, column: &str) -> Result<Labels> {
        let at = self.index(column)?;
        let descr = self.reader.metadata().file_metadata().schema_descr().column(at);
        let (mut numbers, mut texts) = (Vec::new(), Vec::new());
        for group in 0..self.reader.num_row_groups() {
            let row_group = self.reader.get_row_group(group).map_err(|error| self.damaged(&error))?;
            let reader = row_group.get_column_reader(at).map_err(|error| self.damaged(&error))?;
            let most = descr.max_def_level();
            let read = match reader {
                ColumnReader::BoolColumnReader(mut reader) => {
                    column_values(&mut reader, most, f64::NAN, |x| f64::from(u8::from(x)), &mut numbers)
                }
                ColumnReader::Int32ColumnReader(mut reader) => column_values(&mut reader, most, f64::NAN, f64::from, &mut numbers),
                ColumnReader::Int64ColumnReader(mut reader) => column_values(&mut reader, most, f64::NAN, |x| x as f64, &mut numbers),
                ColumnReader::FloatColumnReader(mut reader) => column_values(&mut reader, most, f64::NAN, f64::from, &mut numbers),
                ColumnReader::DoubleColumnReader(mut reader) => column_values(&mut reader, most, f64::NAN, |x| x, &mut numbers),
                ColumnReader::ByteArrayColumnReader(mut reader) => {
                    let text = |x: ByteArray| String::from_utf8_lossy(x.data()).into_owned();
                    column_values(&mut reader, most, String::new(), text, &mut texts)
                }
                _ => return Err(self.wrong_type(column, "numbers or text")),
            };
            read.map_err(|error| self.damaged(&error))?;
        }
        Ok(match descr.physical_type() {
            parquet::basic::Type::BYTE_ARRAY => Labels::Texts(texts),
            parquet::basic::Type::BOOLEAN => Labels::Booleans(numbers),
            parquet::basic::Type::FLOAT => Labels::Singles(numbers),
            _ => Labels::Numbers(numbers),
        })
    }

    /// Names of the columns that are lists of whole numbers.
    pub fn lists(&self) -> Vec<String> {
        self.lists.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Names of the columns that are other lists, or lists of structures.
    pub fn other_lists(&self) -> Vec<String> {
        self.other_lists.clone()
    }

    /// Numbers in all lists of a column.
    pub fn count(&self, column: &str) -> Result<u64> {
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
        self.numbers(column, &mut |numbers| {
            count += numbers.len() as u64;
            Ok(())
        })?;
        Ok(count)
    }

    /// Hands over the numbers of a column of lists, row by row.
    pub fn numbers(&self, column: &str, hand: &mut dyn FnMut(Vec<i64>) -> Result<()>) -> Result<()> {
        let at = self.list(column)?;
        for group in 0..self.reader.num_row_groups() {
            let row_group = self.reader.get_row_group(group).map_err(|error| self.damaged(&error))?;
            match row_group.get_column_reader(at).map_err(|error| self.damaged(&error))? {
                ColumnReader::Int32ColumnReader(mut reader) => self.lists_of(at, &mut reader, i64::from, hand)?,
                ColumnReader::Int64ColumnReader(mut reader) => self.lists_of(at, &mut reader, |x| x, hand)?,
                _ => return Err(self.wrong_type(column, "lists of whole numbers")),
            }
        }
        Ok(())
    }

    fn lists_of<T: parquet::data_type::DataType>(
        &self,
        at: usize,
        reader: &mut parquet::column::reader::ColumnReaderImpl<T>,
        number: impl Fn(T::T) -> i64 + Copy,
        hand: &mut dyn FnMut(Vec<i64>) -> Result<()>,
    ) -> Result<()> {
        let descr = self.reader.metadata().file_metadata().schema_descr().column(at);
        let (most, may_lack) = (descr.max_def_level(), descr.self_type().is_optional());
        loop {
            let (mut levels, mut depths, mut values) = (Vec::new(), Vec::new(), Vec::new());
            let (rows, ..) =
                reader.read_records(ROWS, Some(&mut levels), Some(&mut depths), &mut values).map_err(|error| self.damaged(&error))?;
            if rows == 0 {
                return Ok(());
            }
            let mut values = values.into_iter().map(number);
            let mut row = Vec::new();
            for (place, (level, depth)) in levels.iter().zip(&depths).enumerate() {
                if *depth == 0 && place > 0 {
                    hand(std::mem::take(&mut row))?;
                }
                if *level == most {
                    row.extend(values.next());
                } else if may_lack && *level == most - 1 {
                    let sentence = format!("{} has empty places in the lists of {}", self.file, descr.path());
                    return Err(Problem::error("bad-type", sentence).at(Place::file(self.file.clone())).into());
                }
            }
            hand(row)?;
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

/// Bytes that are no text are null.
fn json_of(field: &Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Str(text) => Value::from(text.as_str()),
        Field::Bytes(bytes) => std::str::from_utf8(bytes.data()).map_or(Value::Null, Value::from),
        Field::Bool(yes) => Value::from(*yes),
        Field::Byte(number) => Value::from(*number),
        Field::Short(number) => Value::from(*number),
        Field::Int(number) => Value::from(*number),
        Field::Long(number) => Value::from(*number),
        Field::UByte(number) => Value::from(*number),
        Field::UShort(number) => Value::from(*number),
        Field::UInt(number) => Value::from(*number),
        Field::ULong(number) => Value::from(*number),
        Field::Float(number) => Value::from(*number),
        Field::Double(number) => Value::from(*number),
        Field::Group(row) => Value::Object(row.get_column_iter().map(|(name, field)| (name.clone(), json_of(field))).collect()),
        Field::ListInternal(list) => Value::Array(list.elements().iter().map(json_of).collect()),
        Field::MapInternal(map) => {
            Value::Array(map.entries().iter().map(|(key, value)| Value::Array(vec![json_of(key), json_of(value)])).collect())
        }
        // Times and the like are neither text nor numbers.
        _ => Value::Null,
    }
}

/// What lies around a list's levels.
const LEVELS: [&str; 8] = ["list", "element", "item", "array", "bag", "array_element", "key_value", "entries"];

/// The name of the outermost list that a column lies in.
fn outer_name(path: &[String]) -> String {
    let levels = path.iter().skip(1).position(|part| LEVELS.contains(&part.as_str()));
    path[..levels.map_or(path.len(), |at| at + 1)].join(".")
}

/// A list of a column's own is called after it, one inside structures after its whole path.
fn list_name(path: &[String]) -> String {
    let outer: Vec<&str> = path.iter().map(String::as_str).collect();
    match outer.iter().skip(1).position(|part| LEVELS.contains(part)) {
        Some(at) if outer[at + 1..].iter().all(|part| LEVELS.contains(part)) => outer[..=at].join("."),
        _ => outer.join("."),
    }
}

fn column_values<T: parquet::data_type::DataType, V: Clone>(
    reader: &mut parquet::column::reader::ColumnReaderImpl<T>,
    most: i16,
    empty: V,
    value: impl Fn(T::T) -> V,
    found: &mut Vec<V>,
) -> parquet::errors::Result<()> {
    loop {
        let (mut levels, mut values) = (Vec::new(), Vec::new());
        let (rows, ..) = reader.read_records(4096, Some(&mut levels), None, &mut values)?;
        if rows == 0 {
            return Ok(());
        }
        let mut values = values.into_iter();
        let present = |row: usize| most == 0 || levels.get(row) == Some(&most);
        found.extend((0..rows).map(|row| if present(row) { values.next().map_or_else(|| empty.clone(), &value) } else { empty.clone() }));
    }
}
