//! Small Parquet files as pyarrow lays them out: nullable columns, structures of bytes and path, lists with three levels.
#![allow(dead_code, clippy::unwrap_used)]

use std::sync::Arc;

use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

pub enum Column {
    /// A structure of bytes and path, as datasets writes an image.
    Image(Vec<(Option<Vec<u8>>, Option<String>)>),
    Bytes(Vec<Option<Vec<u8>>>),
    Text(Vec<Option<String>>),
    Int(Vec<Option<i64>>),
    Double(Vec<Option<f64>>),
    Bool(Vec<bool>),
    Ints(Vec<Vec<i64>>),
    /// A list of structures with a box of whole numbers.
    Objects(usize),
    /// Lists of messages of a role and a content.
    Chats(Vec<Vec<(String, String)>>),
    /// Lists of texts.
    Words(Vec<Vec<String>>),
}

pub fn images(values: impl IntoIterator<Item = u8>) -> Column {
    Column::Image(values.into_iter().map(|value| (Some(crate::common::png(value)), None)).collect())
}

pub fn ints(values: impl IntoIterator<Item = i64>) -> Column {
    Column::Int(values.into_iter().map(Some).collect())
}

pub fn texts<T: ToString>(values: impl IntoIterator<Item = T>) -> Column {
    Column::Text(values.into_iter().map(|text| Some(text.to_string())).collect())
}

/// `features` is what datasets notes of the columns, as JSON.
pub fn parquet(columns: &[(&str, Column)], features: Option<&str>) -> Vec<u8> {
    let schema: String = columns.iter().map(|(name, column)| declared(name, column)).collect();
    let schema = Arc::new(parse_message_type(&format!("message schema {{ {schema} }}")).unwrap());
    let notes = features.map(|features| vec![KeyValue::new("huggingface".into(), format!("{{\"info\":{{\"features\":{features}}}}}"))]);
    let properties = Arc::new(WriterProperties::builder().set_key_value_metadata(notes).build());
    let mut file = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut file, schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    columns.iter().for_each(|(_, column)| write(&mut group, column));
    group.close().unwrap();
    writer.close().unwrap();
    file
}

fn declared(name: &str, column: &Column) -> String {
    match column {
        Column::Image(_) => format!("optional group {name} {{ optional binary bytes; optional binary path (STRING); }} "),
        Column::Bytes(_) => format!("optional binary {name}; "),
        Column::Text(_) => format!("optional binary {name} (STRING); "),
        Column::Int(_) => format!("optional int64 {name}; "),
        Column::Double(_) => format!("optional double {name}; "),
        Column::Bool(_) => format!("required boolean {name}; "),
        Column::Ints(_) => format!("optional group {name} (LIST) {{ repeated group list {{ optional int64 element; }} }} "),
        Column::Objects(_) => {
            format!("optional group {name} (LIST) {{ repeated group list {{ optional group element {{ optional double x; }} }} }} ")
        }
        Column::Chats(_) => format!(
            "optional group {name} (LIST) {{ repeated group list {{ optional group element {{ \
             optional binary role (STRING); optional binary content (STRING); }} }} }} "
        ),
        Column::Words(_) => {
            format!("optional group {name} (LIST) {{ repeated group list {{ optional binary element (STRING); }} }} ")
        }
    }
}

fn write(group: &mut SerializedRowGroupWriter<'_, &mut Vec<u8>>, column: &Column) {
    fn plain<T: parquet::data_type::DataType>(
        group: &mut SerializedRowGroupWriter<'_, &mut Vec<u8>>,
        values: &[Option<T::T>],
        present: i16,
    ) {
        let levels: Vec<i16> = values.iter().map(|value| if value.is_some() { present } else { present - 1 }).collect();
        let values: Vec<T::T> = values.iter().flatten().cloned().collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<T>().write_batch(&values, Some(&levels), None).unwrap();
        column.close().unwrap();
    }
    let bytes =
        |values: Vec<Option<Vec<u8>>>| -> Vec<Option<ByteArray>> { values.into_iter().map(|value| value.map(ByteArray::from)).collect() };
    match column {
        Column::Image(rows) => {
            plain::<ByteArrayType>(group, &bytes(rows.iter().map(|row| row.0.clone()).collect()), 2);
            plain::<ByteArrayType>(group, &bytes(rows.iter().map(|row| row.1.clone().map(String::into_bytes)).collect()), 2);
        }
        Column::Bytes(rows) => plain::<ByteArrayType>(group, &bytes(rows.clone()), 1),
        Column::Text(rows) => {
            plain::<ByteArrayType>(group, &bytes(rows.iter().map(|row| row.clone().map(String::into_bytes)).collect()), 1)
        }
        Column::Int(rows) => plain::<Int64Type>(group, rows, 1),
        Column::Double(rows) => plain::<DoubleType>(group, rows, 1),
        Column::Bool(rows) => {
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<BoolType>().write_batch(rows, None, None).unwrap();
            column.close().unwrap();
        }
        Column::Ints(rows) => {
            let levels: Vec<i16> = rows.iter().flat_map(|row| if row.is_empty() { vec![1] } else { vec![3; row.len()] }).collect();
            let depths: Vec<i16> = rows.iter().flat_map(|row| (0..row.len().max(1)).map(|at| i16::from(at > 0))).collect();
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<Int64Type>().write_batch(&rows.concat(), Some(&levels), Some(&depths)).unwrap();
            column.close().unwrap();
        }
        Column::Chats(rows) => {
            texts_in_lists(group, &rows.iter().map(|row| row.iter().map(|(role, _)| role.as_str()).collect()).collect::<Vec<_>>(), 4);
            texts_in_lists(group, &rows.iter().map(|row| row.iter().map(|(_, text)| text.as_str()).collect()).collect::<Vec<_>>(), 4);
        }
        Column::Words(rows) => {
            texts_in_lists(group, &rows.iter().map(|row| row.iter().map(String::as_str).collect()).collect::<Vec<_>>(), 3)
        }
        Column::Objects(rows) => {
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<DoubleType>().write_batch(&vec![0.5; *rows], Some(&vec![4; *rows]), Some(&vec![0; *rows])).unwrap();
            column.close().unwrap();
        }
    }
}

fn texts_in_lists(group: &mut SerializedRowGroupWriter<'_, &mut Vec<u8>>, rows: &[Vec<&str>], level: i16) {
    let values: Vec<ByteArray> = rows.iter().flatten().map(|text| ByteArray::from(*text)).collect();
    let depths: Vec<i16> = rows.iter().flat_map(|row| (0..row.len()).map(|at| i16::from(at > 0))).collect();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&values, Some(&vec![level; values.len()]), Some(&depths)).unwrap();
    column.close().unwrap();
}
