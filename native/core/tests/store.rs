//! Steps over a store without sessions: gradients are written into the slabs by hand, averaging and the optimizer are real.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::sync::atomic::AtomicBool;

use common::{MOMENTS, TestTensor, layout_json};
use sdp_core::error::Error;
use sdp_core::layout::TensorKind;
use sdp_core::norms::gradient_norms;
use sdp_core::optimizer::{OptimizerSpec, UpdateRule};
use sdp_core::process;
use sdp_core::reduce::{self, Participant};
use sdp_core::state::{WriteOptions, write_optimizer, write_values};
use sdp_core::store::mapping::Mapping;
use sdp_core::store::{Area, PIECE_SIZE, Store, StoreState};

const WORKERS: usize = 4;

/// Tensors of every sort: shared, masked by row, masked along a later axis, larger than a chunk, and a buffer.
fn tensors() -> Vec<TestTensor> {
    let all = vec![0, 1, 2, 3];
    let by_row = |rows: usize| (0..rows).map(|row| vec![row * 7 % 3, 3]).collect::<Vec<_>>();
    vec![
        TestTensor { name: "stem", kind: "parameter", shape: vec![3, 5], axis: None, holders: vec![all.clone()] },
        TestTensor { name: "large", kind: "parameter", shape: vec![1000, 700], axis: None, holders: vec![vec![0, 2]] },
        TestTensor { name: "rows", kind: "parameter", shape: vec![37, 11], axis: Some(0), holders: by_row(37) },
        TestTensor { name: "columns", kind: "parameter", shape: vec![6, 50, 9], axis: Some(1), holders: by_row(50) },
        TestTensor { name: "bias", kind: "parameter", shape: vec![21], axis: None, holders: vec![vec![0, 1, 3]] },
        TestTensor { name: "alone", kind: "parameter", shape: vec![21], axis: None, holders: vec![vec![2]] },
        TestTensor { name: "mean", kind: "buffer", shape: vec![50], axis: Some(0), holders: by_row(50) },
    ]
}

/// Rows for the norms of these tensors: stem and columns together, large and alone, the others.
const ROWS: [usize; 7] = [0, 1, 2, 0, 2, 1, 2];

fn adamw(clip: f64) -> OptimizerSpec {
    let rule = UpdateRule::AdamW { beta1: 0.9, beta2: 0.999, eps: 1e-6 };
    OptimizerSpec { rule, weight_decay: 0.01, clip_global_norm: clip }
}

fn noise(key: usize, index: usize) -> f32 {
    let mut x = (key as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (index as u64 + 1).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x >> 40) as f32 / (1 << 24) as f32 - 0.5) * 0.2
}

fn fill(target: &mut [f32], key: usize) {
    target.iter_mut().enumerate().for_each(|(index, x)| *x = noise(key, index));
}

/// Three steps by `participants` threads, each with a mapping of its own; returns the store. `norms`: the last one is measured.
fn run(participants: usize, threads: usize, clip: f64, norms: bool) -> Store {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = Store::create(&path, &layout_json(&tensors(), WORKERS, participants, &MOMENTS)).unwrap();
    fill(store.write(Area::Values, 0..store.layout().values_size), 99);
    std::thread::scope(|scope| {
        for me in 0..participants {
            let path = path.clone();
            scope.spawn(move || steps(&path, me, participants, threads, &adamw(clip), norms));
        }
    });
    store.control().end_norms(3);
    store
}

/// Values, state and the norm of the last step.
fn bits(store: &Store) -> (Vec<u32>, u64) {
    let parts = [Area::Values, Area::Slot(0), Area::Slot(1)];
    let scalars = parts.iter().flat_map(|&area| store.read(area, 0..store.size(area)));
    (scalars.map(|x| x.to_bits()).collect(), store.gradient_norm().to_bits())
}

fn steps(path: &Path, me: usize, participants: usize, threads: usize, spec: &OptimizerSpec, norms: bool) {
    let store = Store::open(path).unwrap();
    let never = AtomicBool::new(false);
    let meet = || store.control().meet(me, true, &never).unwrap();
    let share = store.chunks().share(&(0..store.chunks().all.len()), me..me + 1, participants);
    for step in 0..3 {
        for worker in (me..WORKERS).step_by(participants) {
            fill(store.write(Area::Slab(worker), 0..store.layout().slab_sizes[worker]), 10 * step + worker);
        }
        meet();
        let mut clip = None;
        if spec.clip_global_norm > 0.0 {
            reduce::measure(&store, share.clone(), threads);
            meet();
            clip = Some(spec.clip_factor(store.gradient_norm()));
        }
        reduce::update(
            &store,
            share.clone(),
            Participant { index: me, threads },
            &spec.update(step as u64, 0.01),
            clip,
            norms && step == 2,
        );
        meet();
    }
}

#[test]
fn results_are_bit_equal_for_any_number_of_participants_and_threads() {
    for clip in [0.0, 1.0] {
        let expected = bits(&run(1, 1, clip, false));
        let norms = gradient_norms(&run(1, 1, clip, true), &ROWS, 3).unwrap();
        for (participants, threads) in [(1, 1), (1, 3), (2, 1), (3, 2), (4, 1)] {
            let store = run(participants, threads, clip, true);
            assert!(bits(&store) == expected, "{participants} participants, {threads} threads");
            assert_eq!(gradient_norms(&store, &ROWS, 3).unwrap(), norms);
        }
    }
}

/// Squares of what is in the slabs of the last step, by row and worker; of their mean, and of its distance from the holders, by row.
fn naive_squares(store: &Store) -> ([[f64; WORKERS]; 3], [f64; 3], [f64; 3]) {
    let (mut holders, mut means, mut distances) = ([[0.0; WORKERS]; 3], [0.0; 3], [0.0; 3]);
    let parameters = store.layout().tensors.iter().zip(ROWS).filter(|(tensor, _)| tensor.kind == TensorKind::Parameter);
    for (tensor, row) in parameters {
        for span in &tensor.spans {
            for i in 0..span.rows * tensor.row_size {
                let slabs = span.holders.iter().zip(&span.slab_offsets);
                let of: Vec<_> = slabs.map(|(&w, at)| (w, f64::from(store.read(Area::Slab(w), at + i..at + i + 1)[0]))).collect();
                let mean = of.iter().map(|(_, x)| x).sum::<f64>() / of.len() as f64;
                means[row] += mean * mean;
                distances[row] += of.iter().map(|(_, x)| (x - mean).powi(2)).sum::<f64>() / of.len() as f64;
                of.iter().for_each(|&(worker, x)| holders[row][worker] += x * x);
            }
        }
    }
    (holders, means, distances)
}

#[test]
fn norms_and_disagreement_are_those_of_the_published_gradients() {
    let store = run(2, 2, 1.0, true);
    let found = gradient_norms(&store, &ROWS, 3).unwrap().unwrap();
    let (holders, means, distances) = naive_squares(&store);
    let close = |found: f64, expected: f64| assert!((found - expected).abs() <= 1e-6 * expected, "{found} {expected}");
    assert_eq!(found.step, 3);
    for (found, expected) in found.holders.iter().zip(holders.as_flattened()) {
        close(*found, expected.sqrt());
    }
    for row in 0..3 {
        close(found.mean[row], means[row].sqrt());
        close(found.disagreement[row], (distances[row] / means[row]).sqrt());
    }
    close(found.mean.iter().map(|norm| norm * norm).sum::<f64>().sqrt(), store.gradient_norm());
    assert!(gradient_norms(&store, &ROWS[1..], 3).is_err() && gradient_norms(&store, &ROWS, 2).is_err());
}

#[test]
fn equal_opposite_missing_and_infinite_gradients_have_a_disagreement() {
    let holders = vec![vec![0, 1]];
    let tensor = TestTensor { name: "x", kind: "parameter", shape: vec![2], axis: None, holders };
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(&folder.path().join("store"), &layout_json(&[tensor], 3, 1, &MOMENTS)).unwrap();
    let measured = |first: [f32; 2], second: [f32; 2]| {
        store.write(Area::Slab(0), 0..2).copy_from_slice(&first);
        store.write(Area::Slab(1), 0..2).copy_from_slice(&second);
        store.control().begin_norms();
        assert_eq!(gradient_norms(&store, &[0], 1).unwrap(), None);
        reduce::update(&store, 0..1, Participant { index: 0, threads: 1 }, &adamw(0.0).update(0, 0.01), None, true);
        store.control().end_update();
        store.control().end_norms(1);
        let norms = gradient_norms(&store, &[0], 1).unwrap().unwrap();
        (norms.holders, norms.mean[0], norms.disagreement[0])
    };
    assert_eq!(measured([3.0, 4.0], [3.0, 4.0]), (vec![5.0, 5.0, 0.0], 5.0, 0.0));
    assert_eq!(measured([0.0, 2.0], [2.0, 0.0]), (vec![2.0, 2.0, 0.0], 2.0f64.sqrt(), 1.0));
    assert_eq!(measured([0.0, 2.0], [0.0, -2.0]), (vec![2.0, 2.0, 0.0], 0.0, f64::INFINITY));
    assert_eq!(measured([0.0, 0.0], [0.0, 0.0]), (vec![0.0, 0.0, 0.0], 0.0, 0.0));
    let (holders, mean, disagreement) = measured([f32::INFINITY, 1.0], [f32::NAN, 1.0]);
    assert!(holders[0].is_infinite() && holders[1].is_nan() && mean.is_nan() && disagreement.is_nan());
}

#[test]
fn the_averaged_gradient_is_the_mean_over_the_holders() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(&folder.path().join("store"), &layout_json(&tensors(), WORKERS, 1, &MOMENTS)).unwrap();
    for worker in 0..WORKERS {
        fill(store.write(Area::Slab(worker), 0..store.layout().slab_sizes[worker]), worker);
    }
    let mut squares = 0.0;
    for (index, tensor) in store.layout().tensors.iter().enumerate() {
        let mut average = vec![f32::NAN; tensor.size()];
        reduce::averaged_gradient(&store, index, &mut average);
        for span in &tensor.spans {
            for i in 0..span.rows * tensor.row_size {
                let sum: f64 = span.holders.iter().zip(&span.slab_offsets).map(|(&w, offset)| f64::from(noise(w, offset + i))).sum();
                let found = f64::from(average[span.row * tensor.row_size + i]);
                assert!((found - sum / span.holders.len() as f64).abs() < 1e-8, "{} {i}", tensor.name);
            }
        }
        if tensor.kind == TensorKind::Parameter {
            squares += average.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>();
        }
    }
    reduce::measure(&store, 0..store.chunks().all.len(), 1);
    assert!((store.gradient_norm() - squares.sqrt()).abs() < 1e-12 * squares.sqrt());
}

#[test]
fn a_store_is_only_opened_whole_and_undamaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let refused = |path: &Path| Error::Storage(format!("{} is not a parameter store of this version", path.display()));
    drop(Store::create(&path, &layout_json(&tensors(), WORKERS, 1, &MOMENTS)).unwrap());
    let bytes = std::fs::read(&path).unwrap();
    let mut changed = bytes.clone();
    let at = bytes.windows(4).position(|window| window == b"stem").unwrap();
    changed[at] = b'S';
    // Whose areas have other sizes than this version makes of its layout.
    let mut longer = [bytes.as_slice(), &[0; 4096]].concat();
    let size = longer.len() as u64;
    longer[32..40].copy_from_slice(&size.to_le_bytes());
    for damaged in [&bytes[..bytes.len() - 4096], &bytes[..100], &changed, &longer, b"something else"] {
        let other = folder.path().join("damaged");
        std::fs::write(&other, damaged).unwrap();
        assert_eq!(Store::open(&other).err(), Some(refused(&other)));
    }
    assert!(Store::create(&path, "{}").is_err() && path.exists());
}

#[test]
fn a_lack_of_memory_is_an_error_and_leaves_no_file() {
    let folder = Path::new("/dev/shm");
    if !folder.is_dir() {
        return eprintln!("skipped: there is no memory file system");
    }
    let path = folder.join(format!("sdp-test-{}", std::process::id()));
    let bytes = 2 * process::describe_cpu().memory_bytes as usize;
    let expected = format!("{} MiB of shared memory are needed in {}, and there is less", bytes >> 20, path.display());
    assert_eq!(Mapping::create(&path, bytes).err(), Some(Error::Storage(expected)));
    assert!(!path.exists());
}

/// Three steps of one participant, of which the second dies where `dies` says; completed, and gone on with.
fn disturbed(clip: f64, dies: impl Fn(&Store, usize)) -> Store {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(&folder.path().join("store"), &layout_json(&tensors(), WORKERS, 1, &MOMENTS)).unwrap();
    fill(store.write(Area::Values, 0..store.layout().values_size), 99);
    let (spec, all) = (adamw(clip), 0..store.chunks().all.len());
    for step in 0..3 {
        for worker in 0..WORKERS {
            fill(store.write(Area::Slab(worker), 0..store.layout().slab_sizes[worker]), 10 * step + worker);
        }
        let mut factor = None;
        if clip > 0.0 {
            reduce::measure(&store, all.clone(), 1);
            factor = Some(spec.clip_factor(store.gradient_norm()));
        }
        let update = spec.update(step as u64, 0.01);
        let me = Participant { index: 0, threads: 1 };
        if step != 1 {
            reduce::update(&store, all.clone(), me, &update, factor, false);
            store.control().end_update();
            continue;
        }
        for index in all.clone() {
            if index % 3 == 0 {
                reduce::update(&store, index..index + 1, me, &update, factor, false);
            }
        }
        store.control().begin_update();
        let chunks = &store.chunks().all;
        let index = chunks.iter().enumerate().position(|(index, chunk)| index % 3 != 0 && chunk.len > 3 * PIECE_SIZE).unwrap();
        dies(&store, index);
        assert_eq!(store.control().updates(), None);
        assert!(reduce::complete(&store, &spec, step as u64, 0.01, 2));
        assert!(!reduce::complete(&store, &spec, step as u64, 0.01, 2));
        assert_eq!(store.control().updates(), Some(2));
    }
    store
}

#[test]
fn an_update_in_which_a_participant_died_is_completed_with_the_same_bits() {
    for clip in [0.0, 1.0] {
        let expected = bits(&run(1, 1, clip, false));
        assert!(bits(&disturbed(clip, |_, _| ())) == expected, "between two chunks");
        let scribble = |store: &Store, index: usize, piece: usize| {
            let start = store.chunks().all[index].offset + piece * PIECE_SIZE;
            for area in [Area::Values, Area::Slot(0), Area::Slot(1)] {
                fill(store.write(area, start..start + PIECE_SIZE / 2), 5);
            }
        };
        for piece in 0..3 {
            let in_a_piece = |store: &Store, index: usize| {
                half_done(store, index, piece + 1, clip);
                let state = store.state(&store.piece(index, piece));
                state.into_iter().zip(store.draft(0, piece, PIECE_SIZE)).for_each(|(from, to)| to.copy_from_slice(from));
                store.commit(0, index, piece, 2);
                scribble(store, index, piece);
            };
            assert!(bits(&disturbed(clip, in_a_piece)) == expected, "in piece {piece}");
        }
        assert!(bits(&disturbed(clip, |store, index| scribble(store, index, 0))) != expected, "without its draft it would show");
    }
}

/// Changes the first pieces of a chunk as the second step does, and nothing else.
fn half_done(store: &Store, index: usize, pieces: usize, clip: f64) {
    let chunk = store.chunks().all[index];
    let rest = chunk.offset + pieces * PIECE_SIZE..chunk.offset + chunk.len;
    let areas = [Area::Values, Area::Slot(0), Area::Slot(1)];
    let before = areas.map(|area| store.read(area, rest.clone()).to_vec());
    let spec = adamw(clip);
    let factor = (clip > 0.0).then(|| spec.clip_factor(store.gradient_norm()));
    reduce::update(store, index..index + 1, Participant { index: 0, threads: 1 }, &spec.update(1, 0.01), factor, false);
    for (area, before) in areas.into_iter().zip(&before) {
        store.write(area, rest.clone()).copy_from_slice(before);
    }
    store.set_updated(index, 1);
}

#[test]
fn a_store_is_taken_by_one_when_nobody_has_it_and_says_whose_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = Store::create(&path, &layout_json(&tensors(), WORKERS, 2, &MOMENTS)).unwrap();
    let device = Store::open(&path).unwrap();
    assert_eq!(StoreState::of(&device), StoreState { owner: None, updates: 0, processes: vec![] });
    store.set_owner("another, with a longer name");
    store.set_owner(&"too long ".repeat(1000));
    assert_eq!(device.owner().as_deref(), Some("another, with a longer name"));
    store.set_owner("run é");
    store.control().register(1);
    store.control().begin_update();
    let found = StoreState { owner: Some("run é".into()), updates: 1, processes: vec![std::process::id()] };
    assert_eq!(StoreState::of(&device), found);
    drop(store);
    // A device that outlives the main process may still write.
    assert!(Store::take(&path).unwrap().is_none());
    drop(device);
    let taken = Store::take(&path).unwrap().unwrap();
    assert_eq!(StoreState::of(&taken), found);
    assert!(Store::take(&path).unwrap().is_none());
    assert!(matches!(Store::open(&path), Err(Error::Storage(reason)) if reason.contains("is taken by another process")));
}

#[test]
fn a_copy_is_what_the_store_was() {
    let folder = tempfile::tempdir().unwrap();
    let tensor = |name, rows| TestTensor { name, kind: "parameter", shape: vec![rows, 1000], axis: None, holders: vec![vec![0]] };
    let path = folder.path().join("store");
    let store = Store::create(&path, &layout_json(&[tensor("a", 1), tensor("b", 2600)], 1, 1, &MOMENTS)).unwrap();
    for (key, area) in [Area::Values, Area::Slot(0), Area::Slot(1)].into_iter().enumerate() {
        fill(store.write(area, 0..store.size(area)), key);
    }
    let before = bits(&store).0;
    for threads in [1, 3] {
        let copy = store.copy(threads).unwrap();
        let (values, state) = (folder.path().join("values"), folder.path().join("state"));
        let digests =
            |store: &Store| (write_values(store, &values, &WriteOptions::default()).unwrap(), write_optimizer(store, &state).unwrap());
        assert_eq!(digests(&copy), digests(&store));
        fill(store.write(Area::Slot(1), 0..100), 7);
        assert!(bits(&copy).0 == before);
        fill(store.write(Area::Slot(1), 0..store.size(Area::Slot(1))), 2);
        assert_eq!(copy.copy_bytes(), 4 * before.len() as u64);
    }
}
