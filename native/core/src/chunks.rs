//! Chunks: the pieces of spans that averaging and the optimizer work on, cut by the layout alone.
//!
//! Which participant or thread works on a chunk never changes a result: sums of squares are kept per chunk and added in chunk order.
//! Chunks of parameters come first, then those of buffers.

use std::ops::Range;

use crate::layout::{Layout, TensorKind};

/// Scalars per chunk at most: a chunk of the averaged gradient stays in the second-level cache.
pub const CHUNK_SIZE: usize = 16 * 1024;
/// Bytes from which on another thread is worth its start.
const BYTES_PER_THREAD: usize = 4 << 20;
/// More threads of one participant do not move memory faster.
const MOST_HANDS: usize = 16;

#[derive(Debug, Clone, Copy)]
pub struct Chunk {
    /// Index into `Layout::tensors`, and of the span in it.
    pub tensor: u32,
    pub span: u32,
    /// Start in the span, and in `values`.
    pub start: usize,
    pub offset: usize,
    pub len: usize,
    /// Index of its first square sum among the norms of gradients: that of the mean, then those of the holders in their order.
    pub norms: usize,
}

/// All chunks of a layout.
#[derive(Debug)]
pub struct Chunks {
    pub all: Vec<Chunk>,
    /// The first `parameters` chunks are of parameters.
    pub parameters: usize,
    /// Square sums of the chunks of parameters, one for the mean and one for each holder.
    pub norms: usize,
    /// `costs[i]`: bytes that the chunks before chunk i move.
    costs: Vec<usize>,
}

impl Chunks {
    pub fn of(layout: &Layout) -> Self {
        let mut all = Vec::new();
        let mut costs = vec![0];
        let (mut parameters, mut norms) = (0, 0);
        for (index, tensor) in layout.tensors.iter().enumerate() {
            let is_parameter = tensor.kind == TensorKind::Parameter;
            let slots = if is_parameter { layout.optimizer_slots.len() } else { 0 };
            for (position, span) in tensor.spans.iter().enumerate() {
                let size = span.rows * tensor.row_size;
                for start in (0..size).step_by(CHUNK_SIZE) {
                    let len = CHUNK_SIZE.min(size - start);
                    let offset = tensor.offset + span.row * tensor.row_size + start;
                    all.push(Chunk { tensor: index as u32, span: position as u32, start, offset, len, norms });
                    norms += if is_parameter { 1 + span.holders.len() } else { 0 };
                    costs.push(costs[costs.len() - 1] + len * 4 * (span.holders.len() + 2 * (1 + slots)));
                }
            }
            if is_parameter {
                parameters = all.len();
            }
        }
        Self { all, parameters, norms, costs }
    }

    /// Bytes that a range of chunks moves.
    pub fn cost(&self, range: &Range<usize>) -> usize {
        self.costs[range.end] - self.costs[range.start]
    }

    /// Threads that a range of chunks is worth.
    pub fn threads(&self, range: &Range<usize>) -> usize {
        (self.cost(range) / BYTES_PER_THREAD).max(1)
    }

    /// Threads of one participant that may update at the same time; each keeps what it changes (`Store::keep`).
    pub fn hands(&self) -> usize {
        self.threads(&(0..self.all.len())).min(MOST_HANDS)
    }

    /// Parts [from, to) of `of` equal ones of a range of chunks: contiguous, of equal bytes as nearly as chunks allow.
    pub fn share(&self, range: &Range<usize>, parts: Range<usize>, of: usize) -> Range<usize> {
        let (from, total) = (self.costs[range.start], self.cost(range));
        let edge = |part: usize| {
            let bytes = from + (total as u128 * part as u128 / of as u128) as usize;
            self.costs.partition_point(|&cost| cost < bytes).clamp(range.start, range.end)
        };
        edge(parts.start)..if parts.end == of { range.end } else { edge(parts.end) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(sizes: &[usize]) -> Layout {
        let mut offset = 0;
        let tensors: Vec<_> = sizes
            .iter()
            .map(|size| {
                offset += size;
                serde_json::json!({"name": "t", "kind": "parameter", "shape": [size], "axis": null, "offset": offset - size, "rows": 1,
                    "rowSize": size, "decays": false,
                    "spans": [{"row": 0, "rows": 1, "holders": [0], "slabOffsets": [offset - size]}]})
            })
            .collect();
        let json = serde_json::json!({"version": 2, "numWorkers": 1, "numParticipants": 1, "optimizerSlots": ["momentum"], "tensors": tensors,
            "valuesSize": offset, "parameterSize": offset, "slabSizes": [offset], "statisticsBatches": 0, "evaluationBatches": 0});
        Layout::parse(&json.to_string()).unwrap()
    }

    #[test]
    fn shares_cover_every_chunk_once_and_are_balanced() {
        let chunks = Chunks::of(&layout(&[5, 100_000, 17, 40_000, 1, 16_384, 16_385]));
        let all = 0..chunks.all.len();
        for parts in 1..=20 {
            let shares: Vec<_> = (0..parts).map(|index| chunks.share(&all, index..index + 1, parts)).collect();
            assert_eq!(shares.iter().flat_map(Clone::clone).collect::<Vec<_>>(), all.clone().collect::<Vec<_>>());
            let even = chunks.cost(&all) / parts;
            let chunk = CHUNK_SIZE * 4 * 5;
            assert!(shares.iter().all(|share| chunks.cost(share) <= even + chunk), "{shares:?}");
            let half = parts.div_ceil(2);
            assert_eq!(chunks.share(&all, 0..half, parts).end, chunks.share(&all, half..parts, parts).start);
        }
    }
}
