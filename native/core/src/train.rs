//! The training loop of one participant.
//!
//! Barriers of a step: (1) all gradients are in their slabs; (2) with clipping, all square sums are there; (3) the update is done, and
//! the stop request is fixed for all. A barrier at the start makes sure that nobody reads what another call still writes, and lets a
//! stop that was requested before take effect. The gradients of a step are measured (norms.rs) where that was requested before the
//! barrier in front of it, and in the last step of a call. Parameters change between (1) and (3) only. A step whose losses, gradients or new
//! parameters are not finite is not done (finite.rs), and the call ends before it for all.

use std::sync::mpsc::Receiver;
use std::time::Instant;

use crate::device::{Engine, lock};
use crate::error::{Error, Result, ensure};
use crate::finite;
use crate::loader::{Batch, Loader, prefetched};
use crate::optimizer::OptimizerSpec;
use crate::records::WorkerStep;
use crate::reduce::{self, Participant};
use crate::runtime::Session;
use crate::spec::{BatchSource, Fault, TrainResult, TrainSpec};

pub fn train(engine: &mut Engine, spec: &TrainSpec) -> Result<TrainResult> {
    let workers = check(engine, spec)?;
    let loader = Loader::open(&spec.source)?;
    engine.meet(true)?;
    if engine.store.control().stop_latched() {
        return Ok(TrainResult { step: spec.from, stopped: true, fault: None });
    }
    prefetched(loader, spec.from..spec.to, &workers, spec.source.accumulation, |batches| {
        // It is not known how large the values are before they have been updated.
        let mut largest = f64::INFINITY;
        for (step, &learning_rate) in (spec.from..spec.to).zip(&spec.learning_rates) {
            if let Some(fault) = one_step(engine, spec, (step, learning_rate), batches, &mut largest)? {
                return Ok(TrainResult { step, stopped: false, fault: Some(fault) });
            }
            if engine.store.control().stop_latched() {
                return Ok(TrainResult { step: step + 1, stopped: true, fault: None });
            }
        }
        Ok(TrainResult { step: spec.to, stopped: false, fault: None })
    })
}

/// Workers of the sessions, in their order.
fn check(engine: &mut Engine, spec: &TrainSpec) -> Result<Vec<usize>> {
    let steps = spec.to.checked_sub(spec.from);
    ensure(steps == Some(spec.learning_rates.len() as u64), || "one learning rate per step expected".into())?;
    let slots = &engine.store.layout().optimizer_slots;
    ensure(slots == spec.optimizer.rule.slots(), || format!("the store has the optimizer slots {slots:?}, {:?}", spec.optimizer))?;
    let worker = |&id: &usize| engine.session(id)?.worker.ok_or_else(|| Error::Internal(format!("session {id} does not train")));
    let workers = spec.sessions.iter().map(worker).collect::<Result<Vec<_>>>()?;
    ensure(workers.is_sorted_by(|a, b| a < b), || format!("workers {workers:?} must be ascending"))?;
    let accumulates = spec.source.accumulation > 1;
    for &id in &spec.sessions {
        ensure(engine.session(id)?.accumulates() == accumulates, || format!("session {id} and accumulation {}", spec.source.accumulation))?;
    }
    Ok(workers)
}

/// Step, and learning rate of it.
type At = (u64, f64);

/// Returns why it was not done. `largest`: magnitude of values and optimizer state, before the step and after it.
fn one_step(engine: &mut Engine, spec: &TrainSpec, at: At, batches: &Receiver<Result<Batch>>, largest: &mut f64) -> Result<Option<Fault>> {
    let (step, _) = at;
    let mut workers = spec.sessions.iter().map(|&id| compute(engine, id, &spec.source, step, batches)).collect::<Result<Vec<_>>>()?;
    for (done, &id) in workers.iter_mut().zip(&spec.sessions) {
        finish(engine.session(id)?, spec.source.accumulation, done)?;
        engine.store.note_worker(step, done.worker, done.loss as f32, done.samples);
        engine.beat();
    }
    let start = Instant::now();
    finite::look(engine, &workers);
    engine.meet(false)?;
    if let Some(fault) = finite::fault(&engine.store) {
        return Ok(Some(fault));
    }
    let norms = step + 1 == spec.to || engine.store.control().norms_latched();
    if let Some(fault) = update(engine, &spec.optimizer, at, norms, *largest)? {
        return Ok(Some(fault));
    }
    engine.meet(true)?;
    *largest = engine.store.control().reports.largest();
    if norms && engine.rank() == 0 {
        engine.store.control().end_norms(step + 1);
    }
    engine.invalidate();
    if step + 1 < spec.to && !engine.store.control().stop_latched() {
        spec.sessions.iter().try_for_each(|&id| engine.session(id)?.prefetch())?;
    }
    let norm = engine.store.gradient_norm();
    engine.store.note_norm(step, norm);
    lock(&engine.shared.records).push(step, &workers, norm, milliseconds(start));
    Ok(None)
}

/// Forward and backward of one logical worker: its micro-batches in turn. The results of the last are still on their way.
fn compute(engine: &mut Engine, id: usize, source: &BatchSource, step: u64, batches: &Receiver<Result<Batch>>) -> Result<WorkerStep> {
    let (store, me) = (engine.store.clone(), engine.participant);
    let session = engine.session(id)?;
    let worker = session.worker.unwrap_or(0);
    let mut done = WorkerStep { worker, loss: 0.0, samples: 0, compute_ms: 0.0, data_ms: 0.0, copy_ms: 0.0 };
    for part in 0..source.accumulation {
        let start = Instant::now();
        let batch = batches.recv().map_err(|_| Error::Internal("the loader ended early".into()))??;
        done.data_ms += milliseconds(start);
        done.samples = done.samples.wrapping_add(batch.checksum);
        let start = Instant::now();
        if part == 0 {
            session.begin_step();
        } else {
            done.loss += loss(session)?;
        }
        session.draw(source.seed, step, part * source.micro_batch);
        session.launch(&batch, part + 1 == source.accumulation)?;
        done.compute_ms += milliseconds(start);
        store.control().beat(me);
    }
    Ok(done)
}

/// Waits for what `compute` has left on its way, and makes sums over the micro-batches means.
fn finish(session: &mut Session, accumulation: usize, done: &mut WorkerStep) -> Result<()> {
    let start = Instant::now();
    let sum = done.loss + loss(session)?;
    done.loss = f64::from((sum / accumulation as f64) as f32);
    session.end_step(accumulation);
    done.compute_ms += milliseconds(start);
    done.copy_ms = session.take_copy_ms();
    Ok(())
}

/// Loss of the micro-batch that was launched last, once its results are here.
fn loss(session: &mut Session) -> Result<f64> {
    session.wait()?;
    Ok(session.loss()?.first().copied().unwrap_or(f32::NAN).into())
}

/// Averages and updates this participant's share of the store, unless something would not be finite after it. `largest`: magnitude of
/// values and optimizer state.
fn update(engine: &Engine, optimizer: &OptimizerSpec, (step, learning_rate): At, norms: bool, largest: f64) -> Result<Option<Fault>> {
    let store = &engine.store;
    let chunks = store.chunks();
    let (part, of) = store.control().part(engine.participant);
    let share = chunks.share(&(0..chunks.all.len()), part, of);
    let me = Participant { index: engine.participant, threads: engine.threads };
    let update = optimizer.update(step, learning_rate);
    // Averaging sums up the gradients of all workers.
    let gradient = store.control().reports.largest() * store.layout().num_workers as f64;
    let mut clip = None;
    if optimizer.clip_global_norm > 0.0 {
        reduce::measure(store, share.clone(), engine.threads);
        engine.meet(false)?;
        clip = Some(optimizer.clip_factor(store.gradient_norm()));
    }
    let is_safe = update.bound(gradient, largest) < finite::SAFE;
    if !is_safe {
        reduce::foresee(store, share.clone(), engine.threads, &update, clip);
        engine.meet(false)?;
        if let Some(fault) = finite::fault(store) {
            return Ok(Some(fault));
        }
    }
    if norms {
        store.control().begin_norms();
    }
    store.control().reports.magnitude(reduce::update(store, share, me, &update, clip, norms));
    Ok(None)
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}
