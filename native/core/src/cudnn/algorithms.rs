//! Which of cuDNN's algorithms computes a gradient: the one that it expects to be fastest among those that give the same bits each time,
//! use no tensor cores, and need no more workspace than the limit.

use std::ffi::c_int;

/// cudnnConvolutionBwdFilterAlgoPerf_t, and cudnnConvolutionBwdDataAlgoPerf_t, which is laid out alike.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Performance {
    algorithm: c_int,
    status: c_int,
    time: f32,
    memory: usize,
    determinism: c_int,
    math: c_int,
    reserved: [c_int; 3],
}

/// There are seven algorithms at most, each with and without tensor cores.
pub const MOST_ALGORITHMS: usize = 14;

/// An algorithm that wins little by more workspace than this is not worth the memory.
pub const WORKSPACE_LIMIT: usize = 256 << 20;

/// CUDNN_DETERMINISTIC.
const DETERMINISTIC: c_int = 1;
/// CUDNN_DEFAULT_MATH and CUDNN_FMA_MATH. With the former it is the convolution's descriptor that keeps tensor cores out.
const EXACT: [c_int; 2] = [0, 3];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    pub algorithm: c_int,
    pub workspace: usize,
}

/// Chooses from what cuDNN has found, fastest first; `workspace` tells the bytes that an algorithm needs, or that it cannot be used.
pub fn choose(found: &[Performance], workspace: impl Fn(c_int) -> Option<usize>) -> Option<Choice> {
    let fits = |p: &&Performance| p.status == 0 && p.determinism == DETERMINISTIC && EXACT.contains(&p.math);
    let choice = |p: &Performance| workspace(p.algorithm).map(|workspace| Choice { algorithm: p.algorithm, workspace });
    found.iter().filter(fits).filter_map(choice).find(|choice| choice.workspace <= WORKSPACE_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn performance(algorithm: c_int, status: c_int, determinism: c_int, math: c_int) -> Performance {
        Performance { algorithm, status, determinism, math, ..Performance::default() }
    }

    #[test]
    fn the_fastest_exact_and_repeatable_algorithm_within_the_limit_is_chosen() {
        let found = [
            performance(0, 0, 0, 3),
            performance(5, 0, 1, 1),
            performance(6, 0, 1, 2),
            performance(4, 3000, 1, 3),
            performance(2, 0, 1, 3),
            performance(3, 0, 1, 3),
            performance(1, 0, 1, 0),
            performance(7, 0, 1, 3),
        ];
        let workspace = |algorithm| match algorithm {
            2 => Some(WORKSPACE_LIMIT + 1),
            3 => None,
            other => Some(100 * other as usize),
        };
        assert_eq!(choose(&found, workspace), Some(Choice { algorithm: 1, workspace: 100 }));
        assert_eq!(choose(&found[..6], workspace), None);
    }

    #[test]
    fn entries_have_the_size_of_the_header() {
        assert_eq!(size_of::<Performance>(), if cfg!(target_pointer_width = "64") { 48 } else { 36 });
    }
}
