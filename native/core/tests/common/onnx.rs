//! Small ONNX files, encoded by hand (https://onnx.ai/onnx/repo-docs/IR.html, protobuf wire format): enough for the graphs of tests.

/// A graph under construction: the fields of a GraphProto.
#[derive(Default)]
pub struct Graph {
    fields: Vec<u8>,
}

pub const FLOAT: u64 = 1;
pub const INT64: u64 = 7;

pub enum Attribute<'a> {
    Int(&'a str, i64),
    Ints(&'a str, &'a [i64]),
}

impl Graph {
    pub fn node(&mut self, op: &str, inputs: &[&str], output: &str, attributes: &[Attribute]) {
        let mut node = Vec::new();
        inputs.iter().for_each(|input| bytes(&mut node, 1, input.as_bytes()));
        bytes(&mut node, 2, output.as_bytes());
        bytes(&mut node, 4, op.as_bytes());
        for attribute in attributes {
            let mut field = Vec::new();
            match attribute {
                Attribute::Int(name, value) => {
                    bytes(&mut field, 1, name.as_bytes());
                    number(&mut field, 3, *value as u64);
                    number(&mut field, 20, 2);
                }
                Attribute::Ints(name, values) => {
                    bytes(&mut field, 1, name.as_bytes());
                    values.iter().for_each(|value| number(&mut field, 8, *value as u64));
                    number(&mut field, 20, 7);
                }
            }
            bytes(&mut node, 5, &field);
        }
        bytes(&mut self.fields, 1, &node);
    }

    pub fn int64s(&mut self, name: &str, values: &[i64]) {
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, INT64, &[values.len()], &raw);
    }

    pub fn float(&mut self, name: &str, value: f32) {
        self.constant(name, FLOAT, &[], &value.to_le_bytes());
    }

    fn constant(&mut self, name: &str, kind: u64, shape: &[usize], raw: &[u8]) {
        let mut tensor = Vec::new();
        shape.iter().for_each(|extent| number(&mut tensor, 1, *extent as u64));
        number(&mut tensor, 2, kind);
        bytes(&mut tensor, 8, name.as_bytes());
        bytes(&mut tensor, 9, raw);
        bytes(&mut self.fields, 5, &tensor);
    }

    pub fn input(&mut self, name: &str, kind: u64, shape: &[usize]) {
        let port = port(name, kind, shape);
        bytes(&mut self.fields, 11, &port);
    }

    pub fn output(&mut self, name: &str, kind: u64, shape: &[usize]) {
        let port = port(name, kind, shape);
        bytes(&mut self.fields, 12, &port);
    }

    /// The file, with IR version 8 and opset 17.
    pub fn finish(mut self) -> Vec<u8> {
        bytes(&mut self.fields, 2, b"test");
        let mut model = Vec::new();
        number(&mut model, 1, 8);
        bytes(&mut model, 7, &self.fields);
        let mut opset = Vec::new();
        bytes(&mut opset, 1, b"");
        number(&mut opset, 2, 17);
        bytes(&mut model, 8, &opset);
        model
    }
}

fn port(name: &str, kind: u64, shape: &[usize]) -> Vec<u8> {
    let (mut extents, mut tensor, mut kinds, mut port) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for extent in shape {
        let mut dimension = Vec::new();
        number(&mut dimension, 1, *extent as u64);
        bytes(&mut extents, 1, &dimension);
    }
    number(&mut tensor, 1, kind);
    bytes(&mut tensor, 2, &extents);
    bytes(&mut kinds, 1, &tensor);
    bytes(&mut port, 1, name.as_bytes());
    bytes(&mut port, 2, &kinds);
    port
}

fn varint(target: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        target.push(value as u8 | 0x80);
        value >>= 7;
    }
    target.push(value as u8);
}

fn number(target: &mut Vec<u8>, field: u64, value: u64) {
    varint(target, field << 3);
    varint(target, value);
}

fn bytes(target: &mut Vec<u8>, field: u64, content: &[u8]) {
    varint(target, field << 3 | 2);
    varint(target, content.len() as u64);
    target.extend_from_slice(content);
}
