//! Averaging plus AdamW over the store, in bytes moved per second, beside a plain memory copy with the same threads; and the same in a
//! step whose gradients are measured.
//! Usage: cargo run --release --example store_bench -- [MILLIONS OF PARAMETERS=100] [THREADS=all cores] [FOLDER=/dev/shm or temporary]
//! Four workers, each parameter held by two of them. Prints one JSON line; medians after a warm-up.

use std::path::PathBuf;
use std::time::Instant;

use sdp_core::optimizer::{OptimizerSpec, UpdateRule};
use sdp_core::reduce::{self, Participant};
use sdp_core::store::{Area, Store};
use serde_json::json;

const ROUNDS: usize = 9;
const TENSOR: usize = 1 << 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let millions: usize = arguments.next().map_or(Ok(100), |text| text.parse())?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads: usize = arguments.next().map_or(Ok(cores), |text| text.parse())?;
    let shared = PathBuf::from("/dev/shm");
    let temporary = if shared.is_dir() { shared } else { std::env::temp_dir() };
    let folder = arguments.next().map_or(temporary, PathBuf::from);

    let path = folder.join(format!("store-bench-{}", std::process::id()));
    let store = Store::create(&path, &layout(millions * 1_000_000))?;
    std::fs::remove_file(&path)?;
    let bytes = store.layout().values_size * 4 * (2 + 2 * 3);
    let (update, measured) = update_seconds(&store, threads);
    drop(store);
    let copied = millions * 1_000_000 * 4 * 4;
    let copy = copy_seconds(copied, threads);
    let (moved, plain) = (bytes as f64 / update / 1e9, 2.0 * copied as f64 / copy / 1e9);
    let result = json!({"parameters": millions * 1_000_000, "threads": threads, "updateMs": update * 1e3, "measuredMs": measured * 1e3, "bytesMoved": bytes,
        "updateGbPerSec": moved, "copyGbPerSec": plain, "ratio": moved / plain});
    println!("{result}");
    Ok(())
}

/// Tensors of a million scalars, held in turn by every pair of the four workers.
fn layout(parameters: usize) -> String {
    let pairs = [[0, 1], [2, 3], [0, 2], [1, 3], [0, 3], [1, 2]];
    let mut slab_sizes = [0; 4];
    let mut tensors = Vec::new();
    for (index, offset) in (0..parameters).step_by(TENSOR).enumerate() {
        let size = TENSOR.min(parameters - offset);
        let holders = pairs[index % pairs.len()];
        let slab_offsets = holders.map(|worker: usize| slab_sizes[worker]);
        holders.iter().for_each(|&worker| slab_sizes[worker] += size);
        tensors
            .push(json!({"name": format!("t{index}"), "kind": "parameter", "shape": [size, 1], "axis": null, "offset": offset, "rows": 1,
            "rowSize": size, "decays": true, "spans": [{"row": 0, "rows": 1, "holders": holders, "slabOffsets": slab_offsets}]}));
    }
    json!({"version": 2, "numWorkers": 4, "numParticipants": 1, "optimizerSlots": ["exp_avg", "exp_avg_sq"], "tensors": tensors, "valuesSize": parameters,
        "parameterSize": parameters, "slabSizes": slab_sizes, "statisticsBatches": 0, "evaluationBatches": 0})
    .to_string()
}

fn update_seconds(store: &Store, threads: usize) -> (f64, f64) {
    for worker in 0..4 {
        let slab = store.write(Area::Slab(worker), 0..store.layout().slab_sizes[worker]);
        slab.iter_mut().enumerate().for_each(|(i, x)| *x = ((i * 7 + worker) % 1001) as f32 * 1e-4 - 0.05);
    }
    let rule = UpdateRule::AdamW { beta1: 0.9, beta2: 0.999, eps: 1e-8 };
    let spec = OptimizerSpec { rule, weight_decay: 0.01, clip_global_norm: 0.0 };
    let update = |round: usize, norms: bool| {
        let me = Participant { index: 0, threads };
        reduce::update(store, 0..store.chunks().all.len(), me, &spec.update(round as u64, 1e-3), None, norms);
        store.control().end_update();
    };
    (median(|round| update(round, false)), median(|round| update(round, true)))
}

fn copy_seconds(bytes: usize, threads: usize) -> f64 {
    let (source, mut target) = (vec![1u8; bytes], vec![0u8; bytes]);
    let part = bytes.div_ceil(threads);
    median(|_| {
        std::thread::scope(|scope| {
            for (target, source) in target.chunks_mut(part).zip(source.chunks(part)) {
                scope.spawn(move || target.copy_from_slice(source));
            }
        });
    })
}

/// Median time of `work`, after two rounds that touch every page.
fn median(mut work: impl FnMut(usize)) -> f64 {
    let mut times: Vec<f64> = (0..ROUNDS + 2)
        .map(|round| {
            let start = Instant::now();
            work(round);
            start.elapsed().as_secs_f64()
        })
        .skip(2)
        .collect();
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 2]
}
