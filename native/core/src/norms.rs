//! Norms of the gradients that the holders have published, by row (a unit, or what else the caller puts together), and how far the
//! holders of a row disagree. From the square sums that reduce.rs leaves in a measured step, added in chunk order, so that they are the
//! same for any number of participants and threads.
//!
//! The disagreement of a row is D = sqrt(S) / |g|, where g is the averaged gradient of the row's scalars, and S the sum over these
//! scalars of the mean squared distance of their holders from g, which is the mean of the holders' squares less that of g. So D is the
//! coefficient of variation of the holders' gradients: 0 where all are equal (or one alone holds the row), and sqrt(k - 1) where k
//! gradients of equal length are orthogonal. This definition is the project's own; for a block with k holders, (1 + D^2) / k is its
//! gradient diversity (Yin et al., Gradient Diversity, arXiv 1706.05699). Where g is zero, D is 0 if all gradients are zero, else
//! infinite. Rounding of g in float32 hides a D below about 3e-4. What is not finite in a gradient stays visible: the norms of its holder and of the mean are not finite, nor is D.

use schemars::JsonSchema;
use serde::Serialize;

use crate::error::{Result, ensure};
use crate::spec::number;
use crate::store::Store;

/// Norms of the gradients of one step by row (what the caller puts together).
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct GradientNorms {
    /// Steps done with the one that was measured.
    #[serde(serialize_with = "number")]
    pub step: u64,
    /// Norm of what each worker has published of a row, 0 where it holds nothing of it; row-major [rows, workers].
    pub holders: Vec<f64>,
    /// By row: norm of the averaged gradient (before clipping), and disagreement.
    pub mean: Vec<f64>,
    pub disagreement: Vec<f64>,
}

/// What was last measured; `None` before that, and while it is being measured. `rows[t]`: row of tensor t, below `count`; buffers add
/// nothing to theirs.
pub fn gradient_norms(store: &Store, rows: &[usize], count: usize) -> Result<Option<GradientNorms>> {
    let tensors = store.layout().tensors.len();
    ensure(rows.len() == tensors && rows.iter().all(|&row| row < count), || format!("rows {rows:?} of {count} for {tensors} tensors"))?;
    Ok(store.control().read_norms(|| Sums::of(store, rows, count)).map(|(step, sums)| sums.norms(step)))
}

/// Square sums by row; `spread`: of the holders, each divided by their number.
struct Sums {
    holders: Vec<f64>,
    mean: Vec<f64>,
    spread: Vec<f64>,
}

impl Sums {
    fn of(store: &Store, rows: &[usize], count: usize) -> Self {
        let (layout, chunks) = (store.layout(), store.chunks());
        let mut sums = Self { holders: vec![0.0; count * layout.num_workers], mean: vec![0.0; count], spread: vec![0.0; count] };
        for chunk in &chunks.all[..chunks.parameters] {
            let row = rows[chunk.tensor as usize];
            let workers = &layout.tensors[chunk.tensor as usize].spans[chunk.span as usize].holders;
            let mut squares = store.norms(chunk, workers.len());
            sums.mean[row] += squares.next().unwrap_or(f64::NAN);
            let mut total = 0.0;
            for (&worker, square) in workers.iter().zip(squares) {
                sums.holders[row * layout.num_workers + worker] += square;
                total += square;
            }
            sums.spread[row] += total / workers.len() as f64;
        }
        sums
    }

    fn norms(self, step: u64) -> GradientNorms {
        let roots = |squares: &[f64]| squares.iter().map(|square| square.sqrt()).collect();
        let disagreement = self.spread.iter().zip(&self.mean).map(|(&spread, &mean)| disagreement(spread, mean)).collect();
        GradientNorms { step, holders: roots(&self.holders), mean: roots(&self.mean), disagreement }
    }
}

/// From the mean of the holders' squares and the square of their mean. Rounding may leave the first a little below the second.
fn disagreement(spread: f64, mean: f64) -> f64 {
    if spread == 0.0 {
        return 0.0;
    }
    let excess = spread / mean - 1.0;
    if excess < 0.0 { 0.0 } else { excess.sqrt() }
}
