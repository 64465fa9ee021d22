//! Files and layouts for tests. Layouts: tensors given by rows and holders, placed as src-main/memory/storeLayout.ts places them.

#![allow(dead_code, clippy::unwrap_used)]

use serde_json::{Value, json};

pub struct TestTensor {
    pub name: &'static str,
    pub kind: &'static str,
    pub shape: Vec<usize>,
    pub axis: Option<usize>,
    /// Holders of each row.
    pub holders: Vec<Vec<usize>>,
}

/// Slots of AdamW.
pub const MOMENTS: [&str; 2] = ["exp_avg", "exp_avg_sq"];

pub fn layout_json(tensors: &[TestTensor], workers: usize, participants: usize, slots: &[&str]) -> String {
    let align = |size: usize| size.next_multiple_of(16);
    let mut slab_sizes = vec![0; workers];
    let (mut offset, mut parameter_size) = (0, 0);
    let mut placed = Vec::new();
    for tensor in tensors {
        let rows = tensor.holders.len();
        let row_size = tensor.shape.iter().product::<usize>() / rows;
        let mut taken = slab_sizes.clone();
        let mut spans: Vec<Value> = Vec::new();
        for (row, holders) in tensor.holders.iter().enumerate() {
            match spans.last_mut().filter(|span| span["holders"] == json!(holders)) {
                Some(span) => span["rows"] = json!(span["rows"].as_u64().unwrap() + 1),
                None => {
                    let offsets: Vec<usize> = holders.iter().map(|&worker| taken[worker]).collect();
                    spans.push(json!({"row": row, "rows": 1, "holders": holders, "slabOffsets": offsets}));
                }
            }
            holders.iter().for_each(|&worker| taken[worker] += row_size);
        }
        for (size, taken) in slab_sizes.iter_mut().zip(&taken) {
            *size += align(taken - *size);
        }
        let decays = tensor.kind == "parameter" && tensor.shape.len() >= 2;
        placed.push(json!({"name": tensor.name, "kind": tensor.kind, "shape": tensor.shape, "axis": tensor.axis, "offset": offset,
            "rows": rows, "rowSize": row_size, "decays": decays, "spans": spans}));
        offset += align(rows * row_size);
        if tensor.kind == "parameter" {
            parameter_size = offset;
        }
    }
    json!({"version": 2, "numWorkers": workers, "numParticipants": participants, "optimizerSlots": slots, "tensors": placed,
        "valuesSize": offset, "parameterSize": parameter_size, "slabSizes": slab_sizes, "statisticsBatches": 8, "evaluationBatches": 8})
    .to_string()
}

/// An .npy file of version 1, as NumPy writes it.
pub fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    header.push_str(&" ".repeat(63 - (10 + header.len()) % 64));
    header.push('\n');
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
}
