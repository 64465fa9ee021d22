//! Evaluation of the full network, shared out over the participants by batches.
//!
//! Batch b belongs to the member of rank b mod D. Statistics: each batch fills its row of the store; barrier; the first averages the rows in
//! order (or copies the running statistics where none are estimated); barrier. Evaluation: each batch records its sums in the store;
//! barrier; everybody adds them in batch order. So the result is the same for any number of participants.

use crate::device::Engine;
use crate::error::{Error, Result, ensure};
use crate::loader::Loader;
use crate::spec::{BatchSource, EvaluateResult, EvaluateSpec, StatisticsSpec};
use crate::store::{Area, Store};

pub fn evaluate(engine: &mut Engine, spec: &EvaluateSpec) -> Result<EvaluateResult> {
    prepare_statistics(engine, spec.statistics.as_ref())?;
    let size = engine.session(spec.session)?.batch.max(1);
    let batches = spec.samples.div_ceil(size);
    let room = engine.store.layout().evaluation_batches;
    ensure(batches <= room, || format!("{batches} evaluation batches, the store has room for {room}"))?;
    let mut loader = Loader::open(&spec.source)?;
    for batch in own(engine, batches) {
        evaluate_batch(engine, spec, &mut loader, batch, size)?;
        engine.beat();
    }
    engine.meet(false)?;
    let per_sample = engine.session(spec.session)?.loss()?.len() / size;
    let zero = EvaluateResult { loss_sum: 0.0, correct: 0, samples: spec.samples as u64, labels: (spec.samples * per_sample) as u64 };
    Ok((0..batches).map(|batch| engine.store.result(batch)).fold(zero, |sum, (loss, correct)| EvaluateResult {
        loss_sum: sum.loss_sum + loss,
        correct: sum.correct + correct,
        ..sum
    }))
}

/// Logits of the labels of samples [0, count), row-major, computed on this device alone.
pub fn logits(engine: &mut Engine, session: usize, source: &BatchSource, count: usize) -> Result<Vec<f32>> {
    let mut loader = Loader::open(source)?;
    let session = engine.session(session)?;
    let size = session.batch.max(1);
    let mut all = Vec::new();
    for batch in 0..count.div_ceil(size) {
        session.run(&loader.ordered_batch(batch, size, count)?)?;
        let logits = session.logits()?;
        all.extend_from_slice(&logits[..size.min(count - batch * size) * (logits.len() / size)]);
    }
    Ok(all)
}

/// Batches of this participant.
fn own(engine: &Engine, batches: usize) -> impl Iterator<Item = usize> + use<> {
    (engine.rank()..batches).step_by(engine.store.control().num_members())
}

/// Leaves the statistics to evaluate with in the store.
fn prepare_statistics(engine: &mut Engine, spec: Option<&StatisticsSpec>) -> Result<()> {
    if let Some(spec) = spec {
        let room = engine.store.layout().statistics_batches;
        ensure((1..=room).contains(&spec.batches), || format!("{} statistics batches, the store has room for {room}", spec.batches))?;
        let mut loader = Loader::open(&spec.source)?;
        for batch in own(engine, spec.batches) {
            let store = engine.store.clone();
            let session = engine.session(spec.session)?;
            session.run(&loader.statistics_batch(batch, session.batch)?)?;
            let row = store.write(Area::StatisticsRow(batch), 0..store.layout().buffer_size());
            row.copy_from_slice(session.statistics()?);
            engine.beat();
        }
    }
    engine.meet(false)?;
    if engine.rank() == 0 {
        let store = &engine.store;
        match spec {
            Some(spec) => average_rows(store, spec.batches),
            None => copy_running(store),
        }
    }
    engine.meet(false)?;
    engine.invalidate();
    Ok(())
}

fn average_rows(store: &Store, rows: usize) {
    let size = store.layout().buffer_size();
    let mut sums = vec![0.0f64; size];
    for row in 0..rows {
        let statistics = store.read(Area::StatisticsRow(row), 0..size);
        sums.iter_mut().zip(statistics).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    let target = store.write(Area::Statistics, 0..size);
    target.iter_mut().zip(&sums).for_each(|(x, sum)| *x = (sum / rows as f64) as f32);
}

fn copy_running(store: &Store) {
    let layout = store.layout();
    let running = store.read(Area::Values, layout.parameter_size..layout.values_size);
    store.write(Area::Statistics, 0..layout.buffer_size()).copy_from_slice(running);
}

fn evaluate_batch(engine: &mut Engine, spec: &EvaluateSpec, loader: &mut Loader, index: usize, size: usize) -> Result<()> {
    let batch = loader.ordered_batch(index, size, spec.samples)?;
    let session = engine.session(spec.session)?;
    session.run(&batch)?;
    let loss = session.loss()?;
    ensure(loss.len() == batch.labels.len(), || format!("{} losses for {} labels", loss.len(), batch.labels.len()))?;
    let loss_sum = loss.iter().zip(&batch.labels).filter(|(_, label)| **label >= 0).map(|(&loss, _)| f64::from(loss)).sum();
    let logits = session.logits()?;
    let classes = logits.len() / batch.labels.len().max(1);
    if classes == 0 {
        return Err(Error::Internal("logits of no class".into()));
    }
    let right = |(row, label): &(&[f32], &i64)| **label >= 0 && argmax(row) as i64 == **label;
    let correct = logits.chunks_exact(classes).zip(&batch.labels).filter(right).count() as u64;
    engine.store.set_result(index, loss_sum, correct);
    Ok(())
}

/// Index of the first largest element.
fn argmax(row: &[f32]) -> usize {
    row.iter().enumerate().fold(0, |best, (index, x)| if *x > row[best] { index } else { best })
}

#[cfg(test)]
mod tests {
    use super::argmax;

    #[test]
    fn the_first_largest_logit_is_the_answer() {
        assert_eq!(argmax(&[0.5, 2.0, 2.0, -1.0]), 1);
        assert_eq!(argmax(&[f32::NAN, 2.0]), 0);
        assert_eq!(argmax(&[-f32::INFINITY, -f32::INFINITY]), 0);
    }
}
