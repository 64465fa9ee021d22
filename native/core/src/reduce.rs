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
use crate::optimizer::Update;
use crate::store::{Area, Store};

/// Bytes from which on another thread is worth its start.
const BYTES_PER_THREAD: usize = 4 << 20;

/// Bits of the largest magnitude in the slabs of these workers; what is not finite is reported. Not what lies between tensors, where a
/// device may leave anything.
pub fn look(store: &Store, workers: &[usize], threads: usize) -> u32 {
    let largest = AtomicU32::new(0);
    each_chunk(store, 0..store.chunks().all.len(), threads, |_, chunk, _| {
        for (worker, part) in held(store, chunk).filter(|(worker, _)| workers.contains(worker)) {
            largest.fetch_max(look_at_slab(store, worker, chunk.tensor, part), Ordering::Relaxed);
        }
    });
    largest.into_inner()
}

/// Square sums of the averaged gradient of this share, without updating anything.
pub fn measure(store: &Store, share: Range<usize>, threads: usize) {
    each_chunk(store, share, threads, |index, chunk, scratch| {
        if index < store.chunks().parameters {
            let squares = average(&slabs(store, chunk), scratch);
            store.set_square_sum(index, squares);
        }
    });
}

/// Averages this share and updates parameters, optimizer state and statistics in place. `clip` scales the averaged gradient; `None`:
/// no clipping, and square sums are recorded on the way. `norms`: so are those of every holder's gradient, for norms.rs.
/// Returns the bits of the largest magnitude that it leaves.
pub fn update(store: &Store, share: Range<usize>, threads: usize, update: &Update, clip: Option<f32>, norms: bool) -> u32 {
    let largest = AtomicU32::new(0);
    each_chunk(store, share, threads, |index, chunk, scratch| {
        let values = store.write(Area::Values, chunk.offset..chunk.offset + chunk.len);
        if index >= store.chunks().parameters {
            average(&slabs(store, chunk), values);
            largest.fetch_max(magnitude(values), Ordering::Relaxed);
            return;
        }
        let slabs = slabs(store, chunk);
        let squares = average(&slabs, scratch);
        if norms {
            store.set_norms(chunk, squares, slabs.iter().map(|slab| square_sum(slab)));
        }
        match clip {
            None => store.set_square_sum(index, squares),
            Some(1.0) => {}
            Some(factor) => scratch.iter_mut().for_each(|g| *g *= factor),
        }
        let decays = store.layout().tensors[chunk.tensor as usize].decays;
        largest.fetch_max(apply(store, chunk, update, scratch, decays), Ordering::Relaxed);
    });
    largest.into_inner()
}

/// What `update` would do, on copies: reports what would not be finite of this share.
pub fn foresee(store: &Store, share: Range<usize>, threads: usize, update: &Update, clip: Option<f32>) {
    each_chunk(store, share, threads, |index, chunk, scratch| {
        average(&slabs(store, chunk), scratch);
        let mut largest = magnitude(scratch);
        if index < store.chunks().parameters {
            scratch.iter_mut().for_each(|g| *g *= clip.unwrap_or(1.0));
            let areas = std::iter::once(Area::Values).chain(store.slots());
            let copy = |area| store.read(area, chunk.offset..chunk.offset + chunk.len).to_vec();
            let mut copies: Vec<Vec<f32>> = areas.map(copy).collect();
            let mut parts: Vec<&mut [f32]> = copies.iter_mut().map(Vec::as_mut_slice).collect();
            if let Some((values, slots)) = parts.split_first_mut() {
                largest = largest.max(update.apply(values, slots, scratch, store.layout().tensors[chunk.tensor as usize].decays));
            }
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

fn apply(store: &Store, chunk: &Chunk, update: &Update, gradient: &[f32], decays: bool) -> u32 {
    let part = move |area| store.write(area, chunk.offset..chunk.offset + chunk.len);
    let mut slots: Vec<&mut [f32]> = store.slots().map(part).collect();
    update.apply(part(Area::Values), &mut slots, gradient, decays)
}

/// The part of each holder's slab that belongs to a chunk, in ascending worker order.
fn slabs<'a>(store: &'a Store, chunk: &Chunk) -> Vec<&'a [f32]> {
    held(store, chunk).map(|(_, part)| part).collect()
}

/// The same, with the worker.
fn held<'a>(store: &'a Store, chunk: &Chunk) -> impl Iterator<Item = (usize, &'a [f32])> {
    let run = &store.layout().tensors[chunk.tensor as usize].runs[chunk.run as usize];
    let (start, len) = (chunk.start, chunk.len);
    let part = move |(&worker, &offset): (&usize, &usize)| (worker, store.read(Area::Slab(worker), offset + start..offset + start + len));
    run.holders.iter().zip(&run.slab_offsets).map(part)
}

/// Runs `work` on every chunk of a share, spread over threads, each with a scratch chunk of its own.
fn each_chunk(store: &Store, share: Range<usize>, threads: usize, work: impl Fn(usize, &Chunk, &mut [f32]) + Sync) {
    let chunks = store.chunks();
    let threads = threads.min(chunks.cost(&share) / BYTES_PER_THREAD).max(1);
    let run = |part: usize| {
        let mut scratch = vec![0.0; CHUNK_SIZE];
        for index in chunks.share(&share, part, threads) {
            let chunk = &chunks.all[index];
            work(index, chunk, &mut scratch[..chunk.len]);
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
        [] => unreachable!("a run without holders"),
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
