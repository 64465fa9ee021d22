//! Datasets on the way in. Options and results cross as JSON; a verdict and the options have schemas (record.rs).

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use napi::bindgen_prelude::{AsyncTask, Float32Array};
use napi::{Env, Task};
use napi_derive::napi;
use sdp_core::device::guarded;
use sdp_core::error::Error;
use sdp_core::images::Images;
use sdp_core::loader::Samples;
use sdp_core::spec::Reading;
use sdp_data::fingerprint::fingerprint_of;
use sdp_data::import::{self, ImportSpec, Progress};
use sdp_data::inspect;
use sdp_data::options::Options;
use sdp_data::store::Target;

use crate::record::{Js, raise};

fn paths_of(paths: Vec<String>) -> Vec<PathBuf> {
    paths.into_iter().map(PathBuf::from).collect()
}

/// A failure as JavaScript sees it; behind the sentence of a data error stands the file that it is about.
fn failed(error: sdp_data::error::Error) -> napi::Error {
    match &error {
        sdp_data::error::Error::Data(problem) => {
            let file = problem.places.first().map_or("", |place| place.file.as_str());
            napi::Error::from_reason(format!("{error}\u{0}{file}"))
        }
        _ => napi::Error::from_reason(error.to_string()),
    }
}

type Work = Box<dyn FnOnce() -> sdp_data::error::Result<serde_json::Result<String>> + Send>;

/// Runs on a thread of the pool; the result crosses as JSON.
pub struct JsonTask(Option<Work>);

impl JsonTask {
    fn start(work: impl FnOnce() -> sdp_data::error::Result<serde_json::Result<String>> + Send + 'static) -> AsyncTask<Self> {
        AsyncTask::new(Self(Some(Box::new(work))))
    }
}

impl Task for JsonTask {
    type Output = String;
    type JsValue = String;

    fn compute(&mut self) -> napi::Result<String> {
        let work = self.0.take().ok_or_else(|| raise(Error::Internal("a task ran twice".into())))?;
        let json = guarded(|| Ok(work())).map_err(raise)?.map_err(failed)?;
        json.map_err(|error| raise(Error::Internal(error.to_string())))
    }

    fn resolve(&mut self, _env: Env, json: String) -> napi::Result<String> {
        Ok(json)
    }
}

fn parse_options(options: &str) -> napi::Result<Options> {
    serde_json::from_str(options).map_err(|error| raise(Error::Internal(format!("import options: {error}"))))
}

/// The verdict about files as JSON. `scratch` is a folder that does not exist; it is made where needed, and removed.
#[napi(ts_return_type = "Promise<string>")]
pub fn inspect_dataset(paths: Vec<String>, options: String, scratch: String) -> napi::Result<AsyncTask<JsonTask>> {
    let options = parse_options(&options)?;
    Ok(JsonTask::start(move || inspect::inspect(&paths_of(paths), &options, scratch.into()).map(|verdict| serde_json::to_string(&verdict))))
}

/// How far an import is: samples, or of text bytes.
#[napi(object)]
pub struct ImportProgress {
    pub done: f64,
    /// 0 while it is not known.
    pub total: f64,
    pub skipped: f64,
    pub is_text: bool,
}

/// An import that is run once.
#[napi]
pub struct NativeImport {
    spec: Mutex<Option<ImportSpec>>,
    progress: Arc<Progress>,
}

/// An import into `folder`, which messages call `shown`.
#[napi]
pub fn open_import(paths: Vec<String>, options: String, folder: String, shown: String) -> napi::Result<NativeImport> {
    let target = Target { folder: folder.into(), shown: shown.into() };
    let spec = ImportSpec { paths: paths_of(paths), options: parse_options(&options)?, target };
    Ok(NativeImport { spec: Mutex::new(Some(spec)), progress: Arc::default() })
}

#[napi]
impl NativeImport {
    /// Once; what the manifest takes from the import, as JSON.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn run(&self) -> napi::Result<AsyncTask<JsonTask>> {
        let spec =
            self.spec.lock().ok().and_then(|mut spec| spec.take()).ok_or_else(|| raise(Error::Internal("an import runs once".into())))?;
        let progress = self.progress.clone();
        Ok(JsonTask::start(move || import::import(&spec, &progress).map(|outcome| serde_json::to_string(&outcome))))
    }

    #[napi]
    pub fn progress(&self) -> ImportProgress {
        let number = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed) as f64;
        ImportProgress {
            done: number(&self.progress.done),
            total: number(&self.progress.total),
            skipped: number(&self.progress.skipped),
            is_text: self.progress.is_text.load(Ordering::Relaxed),
        }
    }

    /// `run` fails soon with `cancelled`.
    #[napi]
    pub fn cancel(&self) {
        self.progress.cancelled.store(true, Ordering::Relaxed);
    }
}

/// The fingerprint of a dataset's files as they are now.
#[napi]
pub struct NativeFingerprint {
    folder: PathBuf,
    cancelled: Arc<AtomicBool>,
}

/// For the fingerprint of the dataset in a folder as its bytes are now.
#[napi]
pub fn open_fingerprint(folder: String) -> NativeFingerprint {
    NativeFingerprint { folder: folder.into(), cancelled: Arc::default() }
}

#[napi]
impl NativeFingerprint {
    /// Reads all data files; fails with `data` where one cannot be read.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn run(&self) -> AsyncTask<FingerprintTask> {
        AsyncTask::new(FingerprintTask { folder: self.folder.clone(), cancelled: self.cancelled.clone() })
    }

    /// `run` fails soon with `cancelled`.
    #[napi]
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

/// Runs on a thread of the pool.
pub struct FingerprintTask {
    folder: PathBuf,
    cancelled: Arc<AtomicBool>,
}

impl Task for FingerprintTask {
    type Output = String;
    type JsValue = String;

    fn compute(&mut self) -> napi::Result<String> {
        guarded(|| Ok(fingerprint_of(&self.folder, &self.cancelled))).map_err(raise)?.map_err(failed)
    }

    fn resolve(&mut self, _env: Env, fingerprint: String) -> napi::Result<String> {
        Ok(fingerprint)
    }
}

/// Runs on a thread of the pool.
pub struct ImagesTask {
    folder: PathBuf,
    reads: Reading,
    samples: Vec<u32>,
}

impl Task for ImagesTask {
    type Output = Vec<f32>;
    type JsValue = Float32Array;

    fn compute(&mut self) -> napi::Result<Vec<f32>> {
        let images = || match &self.reads {
            Reading::Images(reading) => Images::open(&self.folder, 0, reading)?.evaluated(&self.samples),
            other => Err(Error::Internal(format!("images are not read as {other:?}"))),
        };
        match guarded(images).map_err(raise)? {
            Samples::F32(images) => Ok(images),
            Samples::I64(_) => Err(raise(Error::Internal("images of integers".into()))),
        }
    }

    fn resolve(&mut self, _env: Env, images: Vec<f32>) -> napi::Result<Float32Array> {
        Ok(images.into())
    }
}

/// Samples of a split as they are evaluated, [n,C,H,W].
#[napi(ts_return_type = "Promise<Float32Array>")]
pub fn read_images(folder: String, reads: Js<Reading>, samples: Vec<u32>) -> AsyncTask<ImagesTask> {
    AsyncTask::new(ImagesTask { folder: folder.into(), reads: reads.0, samples })
}
