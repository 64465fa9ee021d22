//! The layout of the parameter store, as computed by src-main/memory/storeLayout.ts, and its validation. Not computed here.
//!
//! Offsets and sizes count float32 scalars. A layout that passes `parse` can be followed without further checks: every tensor and every
//! span lies inside its area, and the spans of a tensor cover its rows once, in ascending order.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::error::{Error, Result, ensure};

/// A maximal range of rows with the same holders; contiguous in `values` and in every holder's slab.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "StoreSpan")]
pub struct Span {
    /// First row and number of rows.
    pub row: usize,
    pub rows: usize,
    /// Workers, ascending; averaging sums them in this order. Never empty.
    pub holders: Vec<usize>,
    /// Where the span starts in the slab of each holder, in the order of `holders`.
    pub slab_offsets: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TensorKind {
    Parameter,
    Buffer,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "StoreTensor")]
pub struct Tensor {
    pub name: String,
    pub kind: TensorKind,
    /// Library layout.
    pub shape: Vec<usize>,
    /// Axis that comes first in the store; null: library layout.
    pub axis: Option<usize>,
    /// Start in `values`.
    pub offset: usize,
    /// Number of rows (1 where no axis is masked) and scalars per row; rows * rowSize is the number of scalars.
    pub rows: usize,
    pub row_size: usize,
    /// Weight decay applies (two or more dimensions).
    pub decays: bool,
    pub spans: Vec<Span>,
}

/// Where each tensor, each worker's slab and each shared array lies.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "StoreLayout")]
pub struct Layout {
    pub version: u32,
    pub num_workers: usize,
    /// Device processes that meet at the barriers.
    pub num_participants: usize,
    /// Names of the optimizer's state, each of the size of the parameters.
    pub optimizer_slots: Vec<String>,
    pub tensors: Vec<Tensor>,
    /// Scalars in `values`; the first `parameterSize` of them are parameters.
    pub values_size: usize,
    pub parameter_size: usize,
    /// Scalars in the slab of each worker.
    pub slab_sizes: Vec<usize>,
    /// Statistics batches and evaluation batches that fit.
    pub statistics_batches: usize,
    pub evaluation_batches: usize,
}

/// Participants that fit in the control block of a store.
pub const MAX_PARTICIPANTS: usize = 128;

impl Tensor {
    /// Number of scalars.
    pub fn size(&self) -> usize {
        self.rows * self.row_size
    }

    /// Calls `copy(library, store, length)` for every stretch of scalars that is contiguous in both layouts; offsets from the start
    /// of the tensor, in library order.
    pub fn stretches(&self, mut copy: impl FnMut(usize, usize, usize)) {
        let Some(axis) = self.axis else {
            return copy(0, 0, self.size());
        };
        let outer: usize = self.shape[..axis].iter().product();
        let inner: usize = self.shape[axis + 1..].iter().product();
        for o in 0..outer {
            for row in 0..self.rows {
                copy((o * self.rows + row) * inner, row * self.row_size + o * inner, inner);
            }
        }
    }

    /// `library` rearranged into the store's order.
    pub fn to_store(&self, library: &[f32], store: &mut [f32]) {
        self.stretches(|l, s, n| store[s..s + n].copy_from_slice(&library[l..l + n]));
    }

    /// `store` rearranged into the library's order.
    pub fn to_library(&self, store: &[f32], library: &mut [f32]) {
        self.stretches(|l, s, n| library[l..l + n].copy_from_slice(&store[s..s + n]));
    }
}

impl Layout {
    /// Reads and validates the JSON of a StoreLayout.
    pub fn parse(json: &str) -> Result<Self> {
        let layout: Self = serde_json::from_str(json).map_err(|e| Error::Internal(format!("the store layout does not parse: {e}")))?;
        layout.validate()?;
        Ok(layout)
    }

    /// Scalars of the buffer part of `values`.
    pub fn buffer_size(&self) -> usize {
        self.values_size - self.parameter_size
    }

    /// Tensors of one kind, in order.
    pub fn of_kind(&self, kind: TensorKind) -> impl Iterator<Item = &Tensor> {
        self.tensors.iter().filter(move |t| t.kind == kind)
    }

    fn validate(&self) -> Result<()> {
        ensure(self.version == 2, || format!("store layout version 2 expected, found {}", self.version))?;
        ensure(self.num_workers > 0 && self.slab_sizes.len() == self.num_workers, || {
            format!("{} slab sizes for {} workers", self.slab_sizes.len(), self.num_workers)
        })?;
        ensure((1..=MAX_PARTICIPANTS).contains(&self.num_participants), || {
            format!("1 to {MAX_PARTICIPANTS} participants expected, found {}", self.num_participants)
        })?;
        ensure(self.parameter_size <= self.values_size, || "more parameters than values".into())?;
        let mut end = 0;
        for tensor in &self.tensors {
            self.validate_tensor(tensor, end)?;
            end = tensor.offset + tensor.size();
        }
        ensure(end <= self.values_size, || format!("tensors end at {end}, values at {}", self.values_size))
    }

    fn validate_tensor(&self, tensor: &Tensor, start: usize) -> Result<()> {
        let fail = |what: &str| Err(Error::Internal(format!("store layout: {what} of {}", tensor.name)));
        let (from, to) = match tensor.kind {
            TensorKind::Parameter => (start, self.parameter_size),
            TensorKind::Buffer => (start.max(self.parameter_size), self.values_size),
        };
        if tensor.offset < from || tensor.offset + tensor.size() > to {
            return fail("place");
        }
        let rows = tensor.axis.map_or(Some(1), |axis| tensor.shape.get(axis).copied());
        if rows != Some(tensor.rows) || tensor.shape.iter().product::<usize>() != tensor.size() {
            return fail("shape");
        }
        let mut next = 0;
        for span in &tensor.spans {
            if span.row != next || span.rows == 0 {
                return fail("rows of a span");
            }
            next += span.rows;
            if !self.valid_holders(span, tensor.row_size) {
                return fail("holders of a span");
            }
        }
        if next == tensor.rows { Ok(()) } else { fail("number of rows") }
    }

    fn valid_holders(&self, span: &Span, row_size: usize) -> bool {
        !span.holders.is_empty()
            && span.holders.len() == span.slab_offsets.len()
            && span.holders.is_sorted_by(|a, b| a < b)
            && span
                .holders
                .iter()
                .zip(&span.slab_offsets)
                .all(|(&worker, &offset)| self.slab_sizes.get(worker).is_some_and(|&size| offset + span.rows * row_size <= size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = r#"{"version":2,"numWorkers":2,"numParticipants":1,"optimizerSlots":["momentum"],"valuesSize":32,"parameterSize":16,
      "slabSizes":[32,32],"statisticsBatches":1,"evaluationBatches":1,"tensors":[
      {"name":"w","kind":"parameter","shape":[2,3,2],"axis":1,"offset":0,"rows":3,"rowSize":4,"decays":true,"spans":[
        {"row":0,"rows":1,"holders":[0],"slabOffsets":[0]},{"row":1,"rows":2,"holders":[0,1],"slabOffsets":[4,0]}]},
      {"name":"b","kind":"buffer","shape":[2],"axis":null,"offset":16,"rows":1,"rowSize":2,"decays":false,"spans":[
        {"row":0,"rows":1,"holders":[0,1],"slabOffsets":[16,16]}]}]}"#;

    #[test]
    fn a_masked_axis_comes_first_in_the_store_and_goes_back() {
        let layout = Layout::parse(VALID).unwrap();
        let library: Vec<f32> = (0..12).map(|i| i as f32).collect();
        let mut store = vec![0.0; 12];
        layout.tensors[0].to_store(&library, &mut store);
        assert_eq!(store, [0., 1., 6., 7., 2., 3., 8., 9., 4., 5., 10., 11.]);
        let mut back = vec![0.0; 12];
        layout.tensors[0].to_library(&store, &mut back);
        assert_eq!(back, library);
    }

    #[test]
    fn wrong_layouts_are_refused_with_the_tensor_named() {
        for (from, to, expected) in [
            (r#""holders":[0,1],"slabOffsets":[4,0]"#, r#""holders":[1,0],"slabOffsets":[4,0]"#, "store layout: holders of a span of w"),
            (r#""holders":[0,1],"slabOffsets":[4,0]"#, r#""holders":[0,1],"slabOffsets":[4,28]"#, "store layout: holders of a span of w"),
            (r#""holders":[0],"#, r#""holders":[],"#, "store layout: holders of a span of w"),
            (r#""row":1,"rows":2"#, r#""row":2,"rows":1"#, "store layout: rows of a span of w"),
            (r#""row":1,"rows":2"#, r#""row":1,"rows":1"#, "store layout: number of rows of w"),
            (r#""offset":16"#, r#""offset":8"#, "store layout: place of b"),
            (r#""shape":[2]"#, r#""shape":[3]"#, "store layout: shape of b"),
            (r#""version":2"#, r#""version":3"#, "store layout version 2 expected, found 3"),
        ] {
            let error = Layout::parse(&VALID.replace(from, to)).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }
}
