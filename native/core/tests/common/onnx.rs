//! Small ONNX files, encoded by hand (https://onnx.ai/onnx/repo-docs/IR.html, protobuf wire format): enough for the graphs of tests.

#![allow(dead_code)]

/// A graph under construction: the fields of a GraphProto.
#[derive(Default)]
pub struct Graph {
    fields: Vec<u8>,
    /// Domain of custom operators, of version 1.
    domain: Option<&'static str>,
}

pub const FLOAT: u64 = 1;
pub const INT64: u64 = 7;

pub enum Attribute<'a> {
    Int(&'a str, i64),
    Ints(&'a str, &'a [i64]),
    Float(&'a str, f32),
}

impl Graph {
    pub fn node(&mut self, op: &str, inputs: &[&str], output: &str, attributes: &[Attribute]) {
        self.operator("", op, inputs, &[output], attributes);
    }

    /// A custom operator of a domain, of which a graph has one at most.
    pub fn custom(&mut self, domain: &'static str, op: &str, inputs: &[&str], outputs: &[&str], attributes: &[Attribute]) {
        self.domain = Some(domain);
        self.operator(domain, op, inputs, outputs, attributes);
    }

    fn operator(&mut self, domain: &str, op: &str, inputs: &[&str], outputs: &[&str], attributes: &[Attribute]) {
        let mut node = Vec::new();
        inputs.iter().for_each(|input| bytes(&mut node, 1, input.as_bytes()));
        outputs.iter().for_each(|output| bytes(&mut node, 2, output.as_bytes()));
        bytes(&mut node, 4, op.as_bytes());
        bytes(&mut node, 7, domain.as_bytes());
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
                Attribute::Float(name, value) => {
                    bytes(&mut field, 1, name.as_bytes());
                    varint(&mut field, 2 << 3 | 5);
                    field.extend_from_slice(&value.to_le_bytes());
                    number(&mut field, 20, 1);
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
        let port = port(name, kind, Some(shape));
        bytes(&mut self.fields, 11, &port);
    }

    pub fn output(&mut self, name: &str, kind: u64, shape: &[usize]) {
        let port = port(name, kind, Some(shape));
        bytes(&mut self.fields, 12, &port);
    }

    /// An output whose shape is left to the runtime.
    pub fn inferred_output(&mut self, name: &str, kind: u64) {
        let port = port(name, kind, None);
        bytes(&mut self.fields, 12, &port);
    }

    /// The file, with IR version 8 and opset 17.
    pub fn finish(mut self) -> Vec<u8> {
        bytes(&mut self.fields, 2, b"test");
        let mut model = Vec::new();
        number(&mut model, 1, 8);
        bytes(&mut model, 7, &self.fields);
        for (domain, version) in [("", 17)].into_iter().chain(self.domain.map(|domain| (domain, 1))) {
            let mut opset = Vec::new();
            bytes(&mut opset, 1, domain.as_bytes());
            number(&mut opset, 2, version);
            bytes(&mut model, 8, &opset);
        }
        model
    }
}

fn port(name: &str, kind: u64, shape: Option<&[usize]>) -> Vec<u8> {
    let (mut extents, mut tensor, mut kinds, mut port) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for extent in shape.into_iter().flatten() {
        let mut dimension = Vec::new();
        number(&mut dimension, 1, *extent as u64);
        bytes(&mut extents, 1, &dimension);
    }
    number(&mut tensor, 1, kind);
    if shape.is_some() {
        bytes(&mut tensor, 2, &extents);
    }
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
