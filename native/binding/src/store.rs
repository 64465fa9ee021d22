//! The store as the main process holds it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use napi::bindgen_prelude::AsyncTask;
use napi::{Env, Task};
use napi_derive::napi;
use sdp_core::device::guarded;
use sdp_core::error::{Error, Result};
use sdp_core::store::Store;
use sdp_core::{init, norms, state};

use crate::convert::{GradientNorms, InitSpec, WriteOptions, raise};

#[napi]
pub struct NativeStore {
    store: Mutex<Option<Arc<Store>>>,
    path: PathBuf,
    closed: Arc<AtomicBool>,
}

/// Making a store off the JavaScript thread.
pub struct CreateStore {
    path: PathBuf,
    layout: String,
}

impl Task for CreateStore {
    type Output = Store;
    type JsValue = NativeStore;

    fn compute(&mut self) -> napi::Result<Store> {
        guarded(|| Store::create(&self.path, &self.layout)).map_err(raise)
    }

    fn resolve(&mut self, _env: Env, store: Store) -> napi::Result<NativeStore> {
        Ok(NativeStore { path: store.path().into(), store: Mutex::new(Some(Arc::new(store))), closed: Arc::default() })
    }
}

#[napi(ts_return_type = "Promise<NativeStore>")]
pub fn create_store(path: String, layout: String) -> AsyncTask<CreateStore> {
    AsyncTask::new(CreateStore { path: path.into(), layout })
}

/// See NativeStore.progress in src-main/native.ts.
#[napi(object)]
pub struct Progress {
    pub beats: f64,
    pub waiting: bool,
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

    /// Removes the file, and gives what still maps it; `None` where that was done before.
    fn remove(&self) -> Option<Arc<Store>> {
        self.closed.store(true, Ordering::Relaxed);
        let open = self.store.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let _ = std::fs::remove_file(&self.path);
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
    #[napi(ts_return_type = "Promise<void>")]
    pub fn initialise(&self, inits: Vec<InitSpec>, seed: i64) -> AsyncTask<Job> {
        let closed = self.closed.clone();
        self.job(move |store| {
            let inits = inits.into_iter().map(TryInto::try_into).collect::<Result<Vec<_>>>()?;
            init::initialise(store, &inits, seed as u64, &closed).map(|()| None)
        })
    }

    #[napi(ts_return_type = "Promise<void>")]
    pub fn read_values(&self, path: String, digest: Option<String>) -> AsyncTask<Job> {
        self.job(move |store| state::read_values(store, path.as_ref(), digest.as_deref()).map(|()| None))
    }

    #[napi(ts_return_type = "Promise<string>")]
    pub fn write_values(&self, path: String, options: WriteOptions) -> AsyncTask<Job> {
        self.job(move |store| state::write_values(store, path.as_ref(), &options.into()).map(Some))
    }

    #[napi(ts_return_type = "Promise<string>")]
    pub fn write_gradients(&self, path: String) -> AsyncTask<Job> {
        self.job(move |store| state::write_gradients(store, path.as_ref()).map(Some))
    }

    #[napi(ts_return_type = "Promise<string>")]
    pub fn write_optimizer(&self, path: String) -> AsyncTask<Job> {
        self.job(move |store| state::write_optimizer(store, path.as_ref()).map(Some))
    }

    #[napi(ts_return_type = "Promise<void>")]
    pub fn read_optimizer(&self, path: String, digest: Option<String>) -> AsyncTask<Job> {
        self.job(move |store| state::read_optimizer(store, path.as_ref(), digest.as_deref()).map(|()| None))
    }

    #[napi]
    pub fn request_stop(&self) -> napi::Result<()> {
        self.open().map(|store| store.control().request_stop(true)).map_err(raise)
    }

    #[napi]
    pub fn progress(&self) -> napi::Result<Vec<Progress>> {
        let store = self.open().map_err(raise)?;
        let all = store.control().progress(store.layout().num_participants);
        Ok(all.into_iter().map(|of| Progress { beats: of.beats as f64, waiting: of.waiting }).collect())
    }

    #[napi]
    pub fn updates(&self) -> napi::Result<Option<f64>> {
        self.open().map(|store| store.control().updates().map(|count| count as f64)).map_err(raise)
    }

    #[napi]
    pub fn clear_stop(&self) -> napi::Result<()> {
        self.open().map(|store| store.control().request_stop(false)).map_err(raise)
    }

    #[napi]
    pub fn request_norms(&self) -> napi::Result<()> {
        self.open().map(|store| store.control().request_norms()).map_err(raise)
    }

    #[napi]
    pub fn gradient_norms(&self, rows: Vec<u32>, count: u32) -> napi::Result<Option<GradientNorms>> {
        let rows: Vec<usize> = rows.into_iter().map(|row| row as usize).collect();
        let found = guarded(|| norms::gradient_norms(&*self.open()?, &rows, count as usize)).map_err(raise)?;
        Ok(found.map(Into::into))
    }

    #[napi]
    pub fn abort(&self, reason: String) -> napi::Result<()> {
        self.open().map(|store| store.control().abort(&reason)).map_err(raise)
    }

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
