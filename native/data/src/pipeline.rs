//! Work in order over all cores in bounded memory: one thread produces batches, all cores work on them, the caller takes the results in
//! the order of the batches. At most `WINDOW` batches per core exist at a time.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, sync_channel};

use crate::error::{Error, Result};

const WINDOW: usize = 4;

pub fn num_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// `produce` hands batches to its argument, which fails when the rest is not wanted; `work` runs on all cores; `take` sees the results in
/// order. The first error of any of them is returned, in the order of the batches.
pub fn in_order<T: Send, R: Send>(
    produce: impl FnOnce(&mut dyn FnMut(T) -> Result<()>) -> Result<()> + Send,
    work: impl Fn(T) -> Result<R> + Sync,
    mut take: impl FnMut(R) -> Result<()>,
) -> Result<()> {
    let threads = num_threads();
    let window = WINDOW * threads;
    let (permits, returned) = sync_channel::<()>(window);
    let (to_work, batches) = sync_channel::<(u64, T)>(window);
    let (to_take, results) = sync_channel::<(u64, Result<R>)>(window + 1);
    let batches = Mutex::new(batches);
    std::thread::scope(|scope| {
        let failed = to_take.clone();
        scope.spawn(move || {
            let mut number = 0;
            let mut hand = |batch: T| {
                permits.send(()).map_err(|_| Error::Cancelled)?;
                to_work.send((number, batch)).map_err(|_| Error::Cancelled)?;
                number += 1;
                Ok(())
            };
            let produced = catch_unwind(AssertUnwindSafe(|| produce(&mut hand))).unwrap_or_else(|_| Err(panicked()));
            if let Err(error) = produced {
                let _ = failed.send((number, Err(error)));
            }
        });
        for _ in 0..threads {
            let (to_take, batches, work) = (to_take.clone(), &batches, &work);
            scope.spawn(move || {
                while let Some((number, batch)) = next(batches) {
                    let result = catch_unwind(AssertUnwindSafe(|| work(batch))).unwrap_or_else(|_| Err(panicked()));
                    if to_take.send((number, result)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(to_take);
        let mut early = BTreeMap::new();
        let mut expected = 0;
        // Dropping `returned` and `results` on the way out ends the threads.
        let (returned, results) = (returned, results);
        for (number, result) in &results {
            early.insert(number, result);
            while let Some(result) = early.remove(&expected) {
                take(result?)?;
                expected += 1;
                let _ = returned.recv();
            }
        }
        Ok(())
    })
}

fn next<T>(batches: &Mutex<Receiver<(u64, T)>>) -> Option<(u64, T)> {
    batches.lock().ok()?.recv().ok()
}

fn panicked() -> Error {
    Error::Internal("panic while reading a dataset".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_the_first_error_ends_it() {
        let mut seen = Vec::new();
        let produce = |hand: &mut dyn FnMut(u64) -> Result<()>| (0..1000).try_for_each(hand);
        let take = |x| {
            seen.push(x);
            Ok(())
        };
        in_order(produce, |x| Ok(x * 2), take).unwrap();
        assert_eq!(seen, (0..1000).map(|x| x * 2).collect::<Vec<_>>());
        let mut count = 0;
        let work = |x| if x == 500 { Err(Error::Internal("five hundred".into())) } else { Ok(()) };
        let take = |()| {
            count += 1;
            Ok(())
        };
        let error = in_order(produce, work, take).unwrap_err();
        assert_eq!((error.to_string().as_str(), count), ("five hundred", 500));
        let error = in_order(produce, Ok, |_| Err(Error::Cancelled)).unwrap_err();
        assert!(matches!(error, Error::Cancelled));
    }

    #[test]
    fn a_failing_producer_and_a_panic_are_errors() {
        let produce = |hand: &mut dyn FnMut(u64) -> Result<()>| {
            hand(1)?;
            Err(Error::Internal("no more".into()))
        };
        let mut seen = 0;
        let take = |_| {
            seen += 1;
            Ok(())
        };
        let error = in_order(produce, Ok, take).unwrap_err();
        assert_eq!((error.to_string().as_str(), seen), ("no more", 1));
        let error = in_order(|hand| hand(1), |_: i32| -> Result<()> { panic!("boom") }, |()| Ok(())).unwrap_err();
        assert!(matches!(error, Error::Internal(_)));
    }
}
