//! The training loop of one participant.
//!
//! Barriers of a step: (1) all gradients are in their slabs; (2) with clipping, all square sums are there; (3) the update is done, and
//! the stop request is fixed for all. A barrier at the start makes sure that nobody reads what another call still writes, and lets a
//! stop that was requested before take effect.

use std::sync::mpsc::Receiver;
use std::time::Instant;

use crate::device::{Engine, lock};
use crate::error::{Error, Result, ensure};
use crate::loader::{Batch, Loader, prefetched};
use crate::optimizer::OptimizerSpec;
use crate::records::WorkerStep;
use crate::reduce;
use crate::spec::{TrainResult, TrainSpec};

pub fn train(engine: &mut Engine, spec: &TrainSpec) -> Result<TrainResult> {
    let workers = check(engine, spec)?;
    let loader = Loader::open(&spec.source)?;
    engine.meet(true)?;
    if engine.store.control().stop_latched() {
        return Ok(TrainResult { step: spec.from, stopped: true });
    }
    prefetched(loader, spec.from..spec.to, &workers, |batches| {
        for (step, &learning_rate) in (spec.from..spec.to).zip(&spec.learning_rates) {
            one_step(engine, spec, step, learning_rate, batches)?;
            if engine.store.control().stop_latched() {
                return Ok(TrainResult { step: step + 1, stopped: true });
            }
        }
        Ok(TrainResult { step: spec.to, stopped: false })
    })
}

/// Workers of the sessions, in their order.
fn check(engine: &mut Engine, spec: &TrainSpec) -> Result<Vec<usize>> {
    let steps = spec.to.checked_sub(spec.from);
    ensure(steps == Some(spec.learning_rates.len() as u64), || "one learning rate per step expected".into())?;
    let slots = engine.store.layout().optimizer_slots;
    ensure(spec.optimizer.slots() == slots, || format!("the store has {slots} optimizer slots, {:?}", spec.optimizer))?;
    let worker = |&id: &usize| engine.session(id)?.worker.ok_or_else(|| Error::Internal(format!("session {id} does not train")));
    let workers = spec.sessions.iter().map(worker).collect::<Result<Vec<_>>>()?;
    ensure(workers.is_sorted_by(|a, b| a < b), || format!("workers {workers:?} must be ascending"))?;
    Ok(workers)
}

fn one_step(engine: &mut Engine, spec: &TrainSpec, step: u64, learning_rate: f64, batches: &Receiver<Result<Batch>>) -> Result<()> {
    let workers = spec.sessions.iter().map(|&id| compute(engine, id, batches)).collect::<Result<Vec<_>>>()?;
    let start = Instant::now();
    engine.meet(false)?;
    update(engine, &spec.optimizer, step, learning_rate)?;
    engine.meet(true)?;
    engine.invalidate();
    engine.record_arena_peaks();
    let norm = engine.store.gradient_norm();
    lock(&engine.shared.records).push(step, &workers, norm, milliseconds(start));
    Ok(())
}

/// Forward and backward of one logical worker.
fn compute(engine: &mut Engine, id: usize, batches: &Receiver<Result<Batch>>) -> Result<WorkerStep> {
    let start = Instant::now();
    let batch = batches.recv().map_err(|_| Error::Internal("the loader ended early".into()))??;
    let data_ms = milliseconds(start);
    let start = Instant::now();
    let session = engine.session(id)?;
    session.run(&batch)?;
    let loss = session.loss()?.first().copied().unwrap_or(f32::NAN);
    Ok(WorkerStep { worker: session.worker.unwrap_or(0), loss, compute_ms: milliseconds(start), data_ms })
}

/// Averages and updates this participant's share of the store.
fn update(engine: &Engine, optimizer: &OptimizerSpec, step: u64, learning_rate: f64) -> Result<()> {
    let store = &engine.store;
    let chunks = store.chunks();
    let share = chunks.share(&(0..chunks.all.len()), engine.participant, store.layout().num_participants);
    let mut clip = None;
    if optimizer.clip_global_norm > 0.0 {
        reduce::measure(store, share.clone(), engine.threads);
        engine.meet(false)?;
        clip = Some(optimizer.clip_factor(store.gradient_norm()));
    }
    reduce::update(store, share, engine.threads, &optimizer.update(step, learning_rate), clip);
    Ok(())
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}
