//! Averaging over holders and the optimizer, chunk by chunk, on this participant's share of the store.
//!
//! Phases of a step after the barrier behind the gradients: without clipping one pass (average, square sum, update); with clipping a
//! first pass for the square sums, a barrier, and a second pass that averages again and updates with the scaled gradient. Sums run over
//! holders in ascending worker order and over elements in fixed lanes, so results depend neither on threads, nor on participants, nor
//! on the vector width.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use multiversion::multiversion;

use crate::chunks::{CHUNK_SIZE, Chunk};
use crate::finite::{look_at_slab, look_at_update, magnitude};
use crate::optimizer::{OptimizerSpec, Update};
use crate::store::{Area, PIECE_SIZE, Store};

/// Who updates: its index, and how many threads it has.
#[derive(Debug, Clone, Copy)]
pub struct Participant {
    pub index: usize,
    pub threads: usize,
}

/// Bits of the largest magnitude in the slabs of these workers; what is not finite is reported. Not what lies between tensors, where a
/// device may leave anything.
pub fn look(store: &Store, workers: &[usize], threads: usize) -> u32 {
    let largest = AtomicU32::new(0);
    each_chunk(store, 0..store.chunks().all.len(), threads, |_, _, chunk, _| {
        for (worker, part) in held(store, chunk).filter(|(worker, _)| workers.contains(worker)) {
            largest.fetch_max(look_at_slab(store, worker, chunk.tensor, part), Ordering::Relaxed);
        }
    });
    largest.into_inner()
}

/// Square sums of the averaged gradient of this share, without updating anything.
pub fn measure(store: &Store, share: Range<usize>, threads: usize) {
    each_chunk(store, share, threads, |_, index, chunk, scratch| {
        if index < store.chunks().parameters {
            let squares = average(&slabs(store, chunk), scratch);
            store.set_square_sum(index, squares);
        }
    });
}

/// Averages this share and updates parameters, optimizer state and statistics in place. `clip` scales the averaged gradient; `None`:
/// no clipping, and square sums are recorded on the way. `norms`: so are those of every holder's gradient, for norms.rs. A chunk that is
/// part of this update already is left alone. Returns the bits of the largest magnitude that it leaves.
pub fn update(store: &Store, share: Range<usize>, me: Participant, update: &Update, clip: Option<f32>, norms: bool) -> u32 {
    store.control().begin_update();
    let number = store.control().next_update();
    let hands = store.chunks().hands();
    let largest = AtomicU32::new(0);
    each_chunk(store, share, me.threads.min(hands), |thread, index, chunk, scratch| {
        if store.updated(index) == number {
            return;
        }
        if index >= store.chunks().parameters {
            let values = store.write(Area::Values, chunk.offset..chunk.offset + chunk.len);
            average(&slabs(store, chunk), values);
            largest.fetch_max(magnitude(values), Ordering::Relaxed);
            return store.set_updated(index, number);
        }
        let at = Piece { hand: me.index * hands + thread, index, first: 0 };
        largest.fetch_max(change(store, at, update, clip, norms, scratch), Ordering::Relaxed);
    });
    largest.into_inner()
}

/// Of a chunk that is to change: whose hand does it, and its first piece that has not changed.
struct Piece {
    hand: usize,
    index: usize,
    first: usize,
}

/// Averages a chunk of parameters and updates it, piece by piece.
fn change(store: &Store, at: Piece, update: &Update, clip: Option<f32>, norms: bool, scratch: &mut [f32]) -> u32 {
    let chunk = &store.chunks().all[at.index];
    let number = store.control().next_update();
    let slabs = slabs(store, chunk);
    let squares = average(&slabs, scratch);
    if norms {
        store.set_norms(chunk, squares, slabs.iter().map(|slab| square_sum(slab)));
    }
    match clip {
        None => store.set_square_sum(at.index, squares),
        Some(1.0) => {}
        Some(factor) => scratch.iter_mut().for_each(|g| *g *= factor),
    }
    let decays = store.layout().tensors[chunk.tensor as usize].decays;
    let mut largest = 0;
    for (piece, gradient) in scratch.chunks(PIECE_SIZE).enumerate().skip(at.first) {
        let draft = store.draft(at.hand, piece, gradient.len());
        largest = largest.max(update.apply(store.state(&store.piece(at.index, piece)), gradient, decays, draft));
        store.commit(at.hand, at.index, piece, number);
    }
    store.set_updated(at.index, number);
    largest
}

/// Completes the update in which participants were lost, alone, as these would have done it: `optimizer` as in this step. Returns whether
/// there was one. Where this process dies too, the next one completes it.
pub fn complete(store: &Store, optimizer: &OptimizerSpec, step: u64, learning_rate: f64, threads: usize) -> bool {
    let control = store.control();
    if control.updates().is_some() {
        return false;
    }
    // With clipping all square sums are there before an update begins.
    let clip = (optimizer.clip_global_norm > 0.0).then(|| optimizer.clip_factor(store.gradient_norm()));
    let rule = optimizer.update(step, learning_rate);
    let mut scratch = vec![0.0; CHUNK_SIZE];
    for (hand, index, first) in store.redo(control.next_update()) {
        let len = store.chunks().all[index].len;
        change(store, Piece { hand, index, first }, &rule, clip, false, &mut scratch[..len]);
    }
    update(store, 0..store.chunks().all.len(), Participant { index: 0, threads }, &rule, clip, false);
    store.note_norm(step, store.gradient_norm());
    control.end_update();
    true
}

/// What `update` would do, on copies: reports what would not be finite of this share.
pub fn foresee(store: &Store, share: Range<usize>, threads: usize, update: &Update, clip: Option<f32>) {
    each_chunk(store, share, threads, |_, index, chunk, scratch| {
        average(&slabs(store, chunk), scratch);
        let mut largest = magnitude(scratch);
        if index < store.chunks().parameters {
            scratch.iter_mut().for_each(|g| *g *= clip.unwrap_or(1.0));
            let state = store.state(&(chunk.offset..chunk.offset + chunk.len));
            let mut copies = state.map(<[f32]>::to_vec);
            let decays = store.layout().tensors[chunk.tensor as usize].decays;
            largest = largest.max(update.apply(state, scratch, decays, copies.each_mut().map(Vec::as_mut_slice)));
        }
        look_at_update(store, chunk.tensor, largest);
    });
}

/// Averaged gradient of one tensor in the store's order, from the slabs of the last step.
pub fn averaged_gradient(store: &Store, tensor: usize, target: &mut [f32]) {
    let start = store.layout().tensors[tensor].offset;
    for chunk in store.chunks().all.iter().filter(|chunk| chunk.tensor as usize == tensor) {
        average(&slabs(store, chunk), &mut target[chunk.offset - start..][..chunk.len]);
    }
}

/// The part of each holder's slab that belongs to a chunk, in ascending worker order.
fn slabs<'a>(store: &'a Store, chunk: &Chunk) -> Vec<&'a [f32]> {
    held(store, chunk).map(|(_, part)| part).collect()
}

/// The same, with the worker.
fn held<'a>(store: &'a Store, chunk: &Chunk) -> impl Iterator<Item = (usize, &'a [f32])> {
    let span = &store.layout().tensors[chunk.tensor as usize].spans[chunk.span as usize];
    let (start, len) = (chunk.start, chunk.len);
    let part = move |(&worker, &offset): (&usize, &usize)| (worker, store.read(Area::Slab(worker), offset + start..offset + start + len));
    span.holders.iter().zip(&span.slab_offsets).map(part)
}

/// Runs `work` on every chunk of a share, spread over threads, each with a scratch chunk of its own. It is given its thread, and the index of
/// the chunk.
fn each_chunk(store: &Store, share: Range<usize>, threads: usize, work: impl Fn(usize, usize, &Chunk, &mut [f32]) + Sync) {
    let chunks = store.chunks();
    let threads = threads.clamp(1, chunks.threads(&share));
    let run = |part: usize| {
        let mut scratch = vec![0.0; CHUNK_SIZE];
        for index in chunks.share(&share, part..part + 1, threads) {
            let chunk = &chunks.all[index];
            work(part, index, chunk, &mut scratch[..chunk.len]);
        }
    };
    std::thread::scope(|scope| {
        for part in 1..threads {
            let run = &run;
            scope.spawn(move || run(part));
        }
        run(0);
    });
}

const LANES: usize = 16;

/// Mean over the holders, into `target`; returns its sum of squares.
fn average(holders: &[&[f32]], target: &mut [f32]) -> f64 {
    let count = holders.len() as f32;
    match holders {
        [only] => target.copy_from_slice(only),
        [a, b] => mean_of_two(a, b, target),
        [a, b, middle @ .., last] => {
            sum_of_two(a, b, target);
            middle.iter().for_each(|slab| add(slab, target));
            add_and_divide(last, count, target);
        }
        [] => unreachable!("a span without holders"),
    }
    square_sum(target)
}

#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2"))]
fn mean_of_two(a: &[f32], b: &[f32], target: &mut [f32]) {
    for ((t, &a), &b) in target.iter_mut().zip(a).zip(b) {
        *t = (a + b) * 0.5;
    }
}

#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2"))]
fn sum_of_two(a: &[f32], b: &[f32], target: &mut [f32]) {
    for ((t, &a), &b) in target.iter_mut().zip(a).zip(b) {
        *t = a + b;
    }
}

#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2"))]
fn add(slab: &[f32], target: &mut [f32]) {
    for (t, &s) in target.iter_mut().zip(slab) {
        *t += s;
    }
}

#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2"))]
fn add_and_divide(slab: &[f32], count: f32, target: &mut [f32]) {
    for (t, &s) in target.iter_mut().zip(slab) {
        *t = (*t + s) / count;
    }
}

/// Sum of squares in float64, in fixed lanes that are added at the end.
#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2"))]
fn square_sum(values: &[f32]) -> f64 {
    let mut lanes = [0.0f64; LANES];
    let (blocks, rest) = values.as_chunks::<LANES>();
    for block in blocks {
        for (lane, &x) in lanes.iter_mut().zip(block) {
            *lane += f64::from(x) * f64::from(x);
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        *lane += f64::from(x) * f64::from(x);
    }
    lanes.iter().sum()
}
