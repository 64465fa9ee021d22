//! The store as the main process holds it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use napi::bindgen_prelude::AsyncTask;
use napi::bindgen_prelude::Float64Array;
use napi::{Env, Task};
use napi_derive::napi;
use sdp_core::device::guarded;
use sdp_core::error::{Error, Result};
use sdp_core::norms::GradientNorms;
use sdp_core::optimizer::OptimizerSpec;
use sdp_core::spec::InitSpec;
use sdp_core::state::WriteOptions;
use sdp_core::store::control::Progress;
use sdp_core::store::{Store, StoreState};
use sdp_core::{init, norms, reduce, state};

use crate::record::{Js, raise};

/// Of the main process: reads and writes whole states.
#[napi]
pub struct NativeStore {
    store: Mutex<Option<Arc<Store>>>,
    /// The file, where it goes with this handle.
    file: Option<PathBuf>,
    closed: Arc<AtomicBool>,
}

/// Makes a store; `None` where there is none to be had.
type Make = Box<dyn FnOnce() -> Result<Option<Store>> + Send>;

/// Making, taking or copying a store off the JavaScript thread.
pub struct Making {
    make: Option<Make>,
    /// Whether its file goes with the handle.
    removes: bool,
}

impl Making {
    fn task(removes: bool, make: impl FnOnce() -> Result<Option<Store>> + Send + 'static) -> AsyncTask<Self> {
        AsyncTask::new(Self { make: Some(Box::new(make)), removes })
    }
}

impl Task for Making {
    type Output = Option<Store>;
    type JsValue = Option<NativeStore>;

    fn compute(&mut self) -> napi::Result<Option<Store>> {
        self.make.take().map_or(Ok(None), |make| guarded(make).map_err(raise))
    }

    fn resolve(&mut self, _env: Env, store: Option<Store>) -> napi::Result<Option<NativeStore>> {
        Ok(store.map(|store| NativeStore {
            file: self.removes.then(|| store.path().into()),
            store: Mutex::new(Some(Arc::new(store))),
            closed: Arc::default(),
        }))
    }
}

/// `layout` is the JSON of a StoreLayout. The file is created (in a memory file system where there is one) and sized, and goes with the handle;
/// fails with `storage` where space is lacking.
#[napi(ts_return_type = "Promise<NativeStore>")]
pub fn create_store(path: String, layout: String) -> AsyncTask<Making> {
    Making::task(true, move || Store::create(path.as_ref(), &layout).map(Some))
}

/// Opens a store that an app has left which died, and keeps others from it; null while somebody has it. The file stays.
#[napi(ts_return_type = "Promise<NativeStore | null>")]
pub fn take_store(path: String) -> AsyncTask<Making> {
    Making::task(false, move || Store::take(path.as_ref()))
}

/// What a store says of itself.
#[napi]
pub fn look_at_store(path: String) -> napi::Result<Js<StoreState>> {
    guarded(|| Store::open(path.as_ref()).map(|store| StoreState::of(&store))).map(Js).map_err(raise)
}

/// Work on the store that runs off the JavaScript thread.
pub struct Job(Option<Work>);

/// What it gives back: the digest of a file.
type Work = Box<dyn FnOnce() -> Result<Option<String>> + Send>;

impl Task for Job {
    type Output = Option<String>;
    type JsValue = Option<String>;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        self.0.take().map_or(Ok(None), |work| guarded(work).map_err(raise))
    }

    fn resolve(&mut self, _env: Env, output: Self::Output) -> napi::Result<Self::JsValue> {
        Ok(output)
    }
}

impl NativeStore {
    fn open(&self) -> Result<Arc<Store>> {
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        store.clone().ok_or_else(|| Error::Internal("the store is closed".into()))
    }

    /// Work that keeps the store until it ends, also where the store is closed meanwhile.
    fn job(&self, work: impl FnOnce(&Store) -> Result<Option<String>> + Send + 'static) -> AsyncTask<Job> {
        let store = self.open();
        AsyncTask::new(Job(Some(Box::new(move || work(&*store?)))))
    }

    /// Removes a file that goes with the handle, and gives what still maps it; `None` where that was done before.
    fn remove(&self) -> Option<Arc<Store>> {
        self.closed.store(true, Ordering::Relaxed);
        let open = self.store.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        if let Some(file) = &self.file {
            let _ = std::fs::remove_file(file);
        }
        Some(open)
    }
}

/// The digest of a file that a store has written, as the file is now.
#[napi(ts_return_type = "Promise<string>")]
pub fn file_digest(path: String) -> AsyncTask<Job> {
    AsyncTask::new(Job(Some(Box::new(move || state::digest(path.as_ref()).map(Some)))))
}

#[napi]
impl NativeStore {
    /// Draws initial parameters; `inits` by tensor index. Fails with `cancelled` where the store is closed meanwhile.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn initialise(&self, inits: Js<Vec<InitSpec>>, seed: i64) -> AsyncTask<Job> {
        let closed = self.closed.clone();
        self.job(move |store| init::initialise(store, &inits.0, seed as u64, &closed).map(|()| None))
    }

    /// Fills values from a safetensors file in library layout. Every tensor of the layout must be there with its shape; others are ignored.
    /// `digest`: what writing it has returned; absent: it is not known.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn read_values(&self, path: String, digest: Option<String>) -> AsyncTask<Job> {
        self.job(move |store| state::read_values(store, path.as_ref(), digest.as_deref()).map(|()| None))
    }

    /// Writes parameters and buffers in library layout. Returns the digest of the file (BLAKE3, hexadecimal).
    #[napi(ts_return_type = "Promise<string>")]
    pub fn write_values(&self, path: String, options: Js<WriteOptions>) -> AsyncTask<Job> {
        self.job(move |store| state::write_values(store, path.as_ref(), &options.0).map(Some))
    }

    /// Writes the averaged gradient of the last step, before clipping, in library layout. Call while no step runs.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn write_gradients(&self, path: String) -> AsyncTask<Job> {
        self.job(move |store| state::write_gradients(store, path.as_ref()).map(Some))
    }

    /// Writes the optimizer's state as `<slot>/<parameter>`.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn write_optimizer(&self, path: String) -> AsyncTask<Job> {
        self.job(move |store| state::write_optimizer(store, path.as_ref()).map(Some))
    }

    #[napi(ts_return_type = "Promise<void>")]
    pub fn read_optimizer(&self, path: String, digest: Option<String>) -> AsyncTask<Job> {
        self.job(move |store| state::read_optimizer(store, path.as_ref(), digest.as_deref()).map(|()| None))
    }

    /// A copy of values and optimizer state in memory of this process, from which their files can be written while the store changes. Call while
    /// no step runs.
    #[napi(ts_return_type = "Promise<NativeStore>")]
    pub fn copy(&self) -> AsyncTask<Making> {
        let store = self.open();
        Making::task(false, move || store?.copy(thread::available_parallelism().map_or(1, usize::from)).map(Some))
    }

    /// Bytes that a copy takes, and its files, but for their headers.
    #[napi]
    pub fn copy_bytes(&self) -> napi::Result<f64> {
        self.open().map(|store| store.copy_bytes() as f64).map_err(raise)
    }

    /// Says whose it is, once it is filled: a text that `lookAtStore` gives back. One that is too long is left out.
    #[napi]
    pub fn set_owner(&self, owner: String) -> napi::Result<()> {
        self.open().map(|store| store.set_owner(&owner)).map_err(raise)
    }

    /// The running train() of every participant ends after the current step. Cleared by `clearStop`.
    #[napi]
    pub fn request_stop(&self) -> napi::Result<()> {
        self.open().map(|store| store.control().request_stop(true)).map_err(raise)
    }

    /// How far each participant is.
    #[napi]
    pub fn progress(&self) -> napi::Result<Js<Vec<Progress>>> {
        let store = self.open().map_err(raise)?;
        Ok(Js(store.control().progress(store.layout().num_participants)))
    }

    /// Steps whose update is done since the store was made; null while one is in progress, and for good where a participant was lost in it.
    #[napi]
    pub fn updates(&self) -> napi::Result<Option<f64>> {
        self.open().map(|store| store.control().updates().map(|count| count as f64)).map_err(raise)
    }

    #[napi]
    pub fn clear_stop(&self) -> napi::Result<()> {
        self.open().map(|store| store.control().request_stop(false)).map_err(raise)
    }

    /// The gradients of a step to come are measured; those of the last step of a train() are in any case.
    #[napi]
    pub fn request_norms(&self) -> napi::Result<()> {
        self.open().map(|store| store.control().request_norms()).map_err(raise)
    }

    /// What was last measured; null before that, and in the moment in which it is done. `rows[t]`: row of tensor t, of `count`.
    #[napi]
    pub fn gradient_norms(&self, rows: Vec<u32>, count: u32) -> napi::Result<Option<Js<GradientNorms>>> {
        let rows: Vec<usize> = rows.into_iter().map(|row| row as usize).collect();
        let found = guarded(|| norms::gradient_norms(&*self.open()?, &rows, count as usize)).map_err(raise)?;
        Ok(found.map(Js))
    }

    /// Updates that are done, whether one is in progress or not.
    #[napi]
    pub fn updates_done(&self) -> napi::Result<f64> {
        self.open().map(|store| (store.control().next_update() - 1) as f64).map_err(raise)
    }

    /// What the devices have noted of steps [from, to), of the last 1024 before `to`; row-major [steps, 1 + 2 * workers]: the norm of the
    /// gradient, then the loss of each worker, then the checksum of each one's samples. Not a number where nothing was noted.
    #[napi]
    pub fn notes(&self, from: i64, to: i64) -> napi::Result<Float64Array> {
        let store = self.open().map_err(raise)?;
        Ok((from as u64..to as u64).flat_map(|step| store.notes(step).collect::<Vec<_>>()).collect::<Vec<_>>().into())
    }

    /// From now on these participants take part in what is asked, with so many threads each, and no others; what an abort has left is gone. Call while no device is asked.
    #[napi]
    pub fn set_members(&self, members: Vec<u32>, threads: Vec<u32>) -> napi::Result<()> {
        let members: Vec<(usize, u32)> = members.into_iter().map(|member| member as usize).zip(threads).collect();
        self.open().map(|store| store.control().set_members(&members)).map_err(raise)
    }

    /// Completes the update in which participants were lost, as they would have done it; nothing where there is none. Call while no device is
    /// asked. `step`: the one that the update is of.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn complete_update(&self, optimizer: Js<OptimizerSpec>, step: i64, learning_rate: f64) -> AsyncTask<Job> {
        self.job(move |store| {
            let threads = thread::available_parallelism().map_or(1, usize::from);
            reduce::complete(store, &optimizer.0, step as u64, learning_rate, threads);
            Ok(None)
        })
    }

    /// A participant was lost: every barrier fails at once with `reason` in place of waiting.
    #[napi]
    pub fn abort(&self, reason: String) -> napi::Result<()> {
        self.open().map(|store| store.control().abort(&reason)).map_err(raise)
    }

    /// Removes a file that goes with the handle at once; resolves when it is unmapped, once no call is in progress any more.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn close(&self) -> AsyncTask<Job> {
        let store = self.remove();
        let unmap = move || {
            // Calls in progress keep it.
            let kept = store.as_ref().map(Arc::downgrade);
            drop(store);
            while kept.as_ref().is_some_and(|kept| kept.strong_count() > 0) {
                thread::sleep(Duration::from_millis(2));
            }
            Ok(None)
        };
        AsyncTask::new(Job(Some(Box::new(unmap))))
    }
}

impl Drop for NativeStore {
    fn drop(&mut self) {
        drop(self.remove());
    }
}
