//! One device of this process: a thread that owns the sessions and does one call after the other.
//!
//! Calls are handed to the thread with what to do with their result; a panic in one becomes its error. When a call that others take
//! part in fails here, the store is aborted, so that the others fail too and do not wait. Closing ends a call in progress: a waiting
//! one at once, a running graph behind its current operator.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;

use blake3::Hash;
use ort::environment::Environment;
use ort::session::RunOptions;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cuda::{self, Context};
use crate::error::{Error, Result, ensure};
use crate::process;
use crate::provider::Provider;
use crate::records::StepRecords;
use crate::runtime::{self, Graph, Session, Surroundings};
use crate::spec::{
    BatchSource, Copies, DeviceKind, DeviceOptions, EvaluateResult, EvaluateSpec, SessionSpec, TrainResult, TrainSpec, number,
};
use crate::store::{Area, Store};
use crate::{evaluate, train};

type Call = Box<dyn FnOnce(&mut Engine) + Send>;

/// Bytes of this process by category; measured, not predicted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemorySample {
    /// Of the whole process.
    #[serde(serialize_with = "number")]
    pub resident_bytes: u64,
    #[serde(serialize_with = "number")]
    pub peak_resident_bytes: u64,
    /// What of the store it maps.
    #[serde(serialize_with = "number")]
    pub shared_bytes: u64,
    /// What of the store's values (and of rows copied together), of all slabs, and of the optimizer's state this process has used since its
    /// last call began.
    #[serde(serialize_with = "number")]
    pub values_bytes: u64,
    #[serde(serialize_with = "number")]
    pub gradients_bytes: u64,
    #[serde(serialize_with = "number")]
    pub optimizer_bytes: u64,
    /// Largest size since then of the arena that the sessions share for what they compute; 0 on systems where each has one of the runtime's own.
    #[serde(serialize_with = "number")]
    pub arena_peak_bytes: u64,
}

/// How copies between host and device go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CopyReport {
    /// In large pieces; else tensor by tensor, or not at all.
    pub large: bool,
    /// Host memory that is pinned for them.
    #[serde(serialize_with = "number")]
    pub pinned_bytes: u64,
    /// Why they do not go in large pieces though they were to, or why memory was left unpinned: slower, and nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
}

/// What the thread shares with the callers.
#[derive(Default)]
pub struct Shared {
    pub records: Mutex<StepRecords>,
    pub cancelled: AtomicBool,
    /// Bytes of the rows that all sessions copy together.
    gathered: AtomicU64,
    /// Graphs that the runtime has.
    graphs: AtomicUsize,
    /// What the runtime counts of the device's memory, as the last call has left it.
    allocated: Mutex<BTreeMap<String, f64>>,
}

/// The state of the device's thread.
pub struct Engine {
    pub store: Arc<Store>,
    pub participant: usize,
    pub threads: usize,
    pub shared: Arc<Shared>,
    pub sessions: Vec<Option<Session>>,
    /// By the hash of their file; those that a session has.
    graphs: Vec<(Hash, Weak<Graph>)>,
    environment: Environment,
    provider: Provider,
    /// Where copies go in large pieces.
    driver: Option<Arc<Context>>,
    run_options: Arc<RunOptions>,
    /// Where the profiles of sessions go.
    profile: Option<PathBuf>,
}

pub struct Device {
    calls: Mutex<Option<Sender<Call>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    shared: Arc<Shared>,
    store: Arc<Store>,
    store_path: PathBuf,
    run_options: Arc<RunOptions>,
    driver: Option<Arc<Context>>,
    /// Why copies go tensor by tensor though they were to go in large pieces.
    refusal: Option<String>,
}

impl Device {
    /// Opens the store as participant and starts the thread.
    pub fn open(options: &DeviceOptions) -> Result<Self> {
        let environment = runtime::environment(&options.runtime_library)?;
        let provider = Provider::open(&environment, &options.runtime_library, options.kind, options.index, &options.preload)?;
        let provider = provider.with_custom_operators(options.custom_operators);
        let store = Arc::new(Store::open(&options.store_path)?);
        let participants = store.layout().num_participants;
        ensure(options.participant < participants, || format!("participant {} of {participants}", options.participant))?;
        let run_options = Arc::new(RunOptions::new().map_err(|e| Error::Device(e.to_string()))?);
        let (driver, refusal) = driver(options);
        store.control().register(options.participant);
        let shared = Arc::new(Shared::default());
        let engine = Engine {
            store: store.clone(),
            participant: options.participant,
            threads: options.threads.max(1),
            shared: shared.clone(),
            sessions: Vec::new(),
            graphs: Vec::new(),
            environment,
            provider,
            driver: driver.clone(),
            run_options: run_options.clone(),
            profile: options.profile.clone(),
        };
        let (calls, thread) = start(engine)?;
        let (calls, thread) = (Mutex::new(Some(calls)), Mutex::new(Some(thread)));
        // As the system lists it among the mappings of this process.
        let store_path = options.store_path.canonicalize().unwrap_or_else(|_| options.store_path.clone());
        Ok(Self { calls, thread, shared, store, store_path, run_options, driver, refusal })
    }

    /// Does `work` on the device's thread and hands its result to `done` there; after `close`, hands an error to `done` at once.
    pub fn call<T: 'static>(
        &self,
        work: impl FnOnce(&mut Engine) -> Result<T> + Send + 'static,
        done: impl FnOnce(Result<T>) + Send + 'static,
    ) {
        match &*lock(&self.calls) {
            None => done(Err(Error::Internal("the device is closed".into()))),
            // The thread ends only when `calls` is dropped, so that sending succeeds.
            Some(calls) => drop(calls.send(Box::new(move |engine| {
                engine.beat();
                let result = guarded(|| work(engine));
                engine.beat();
                done(result);
            }))),
        }
    }

    /// Records since the last call of this function.
    pub fn drain_records(&self) -> StepRecords {
        std::mem::take(&mut *lock(&self.shared.records))
    }

    pub fn memory(&self) -> MemorySample {
        let memory = process::memory(&self.store_path);
        let layout = self.store.layout();
        let sum = |areas: &mut dyn Iterator<Item = Area>| areas.map(|area| self.store.resident(area)).sum();
        MemorySample {
            resident_bytes: memory.resident,
            peak_resident_bytes: memory.peak_resident,
            shared_bytes: memory.mapped,
            values_bytes: sum(&mut std::iter::once(Area::Values)) + self.shared.gathered.load(Ordering::Relaxed),
            gradients_bytes: sum(&mut (0..layout.slab_sizes.len()).map(Area::Slab)),
            optimizer_bytes: sum(&mut self.store.slots()),
            arena_peak_bytes: runtime::arena_peak_bytes(),
        }
    }

    /// What the runtime has counted of the device's memory by the end of the last call, summed over the graphs; nothing where it does not.
    pub fn allocator_statistics(&self) -> BTreeMap<String, f64> {
        lock(&self.shared.allocated).clone()
    }

    /// Graphs that the runtime has: sessions whose graphs are equal share one.
    pub fn num_graphs(&self) -> usize {
        self.shared.graphs.load(Ordering::Relaxed)
    }

    /// How copies between host and device go.
    pub fn copy_report(&self) -> CopyReport {
        let refusal = self.driver.as_ref().and_then(|driver| driver.refusal()).or_else(|| self.refusal.clone());
        let pinned_bytes = self.driver.as_ref().map_or(0, |driver| driver.pinned_bytes() as u64);
        CopyReport { large: self.driver.is_some(), pinned_bytes, refusal }
    }

    /// Ends the call in progress and the thread. A second call does nothing.
    pub fn close(&self) {
        self.shared.cancelled.store(true, Ordering::Release);
        let _ = self.run_options.terminate();
        lock(&self.calls).take();
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.close();
    }
}

/// The driver, where copies are to go in large pieces, or why they cannot.
fn driver(options: &DeviceOptions) -> (Option<Arc<Context>>, Option<String>) {
    if options.copies == Copies::Each || (options.kind != DeviceKind::Cuda && options.driver.is_none()) {
        return (None, None);
    }
    match Context::open(options.driver.as_deref().unwrap_or(cuda::driver_name()), options.index) {
        Ok(context) => (Some(context), None),
        Err(error) => (None, Some(error.sentence().to_owned())),
    }
}

fn start(mut engine: Engine) -> Result<(Sender<Call>, JoinHandle<()>)> {
    let (sender, receiver) = channel::<Call>();
    let body = move || {
        for call in receiver {
            call(&mut engine);
        }
        engine.store.control().leave(engine.participant);
    };
    let thread = std::thread::Builder::new().name("device".into()).spawn(body);
    Ok((sender, thread.map_err(|_| no_thread())?))
}

impl Engine {
    pub fn add_session(&mut self, spec: &SessionSpec) -> Result<usize> {
        self.settle();
        // The runtime adds the time to the name, and nothing that tells the session.
        let profile = self.profile.as_ref().map(|prefix| PathBuf::from(format!("{}-{}", prefix.display(), self.sessions.len())));
        let surroundings = Surroundings {
            environment: &self.environment,
            provider: &self.provider,
            driver: self.driver.as_ref(),
            store: &self.store,
            options: &self.run_options,
            threads: self.threads,
        };
        let hash = blake3::hash(&spec.onnx);
        let known = self.graphs.iter().find(|(of, _)| *of == hash).and_then(|(_, graph)| graph.upgrade());
        let graph = match known {
            Some(graph) => graph,
            None => Arc::new(Graph::new(&surroundings, profile.as_deref(), &spec.onnx)?),
        };
        let session = Session::new(&surroundings, graph.clone(), spec)?;
        self.graphs.retain(|(of, graph)| *of != hash && graph.strong_count() > 0);
        self.graphs.push((hash, Arc::downgrade(&graph)));
        self.sessions.push(Some(session));
        self.count()?;
        runtime::trim();
        Ok(self.sessions.len() - 1)
    }

    pub fn remove_session(&mut self, id: usize) -> Result<()> {
        self.session(id)?;
        self.sessions[id] = None;
        self.count()?;
        self.settle();
        Ok(())
    }

    /// Before something else begins: gives back what the last training or evaluation has used, which does not count any more.
    pub fn settle(&self) {
        runtime::trim();
        self.store.release();
    }

    /// Ends the profiles of all graphs; their files.
    pub fn end_profiles(&self) -> Result<Vec<String>> {
        self.sessions.iter().flatten().filter_map(|session| session.graph().end_profile().transpose()).collect()
    }

    /// Tells the callers what memory the sessions have.
    fn count(&self) -> Result<()> {
        let bytes = self.sessions.iter().flatten().map(Session::gathered_bytes).sum();
        self.shared.gathered.store(bytes, Ordering::Relaxed);
        let mut graphs = BTreeSet::new();
        let mut sums = BTreeMap::new();
        for session in self.sessions.iter().flatten().filter(|session| graphs.insert(Arc::as_ptr(session.graph()))) {
            session.allocator_statistics()?.into_iter().for_each(|(name, count)| *sums.entry(name).or_insert(0.0) += count);
        }
        *lock(&self.shared.allocated) = sums;
        self.shared.graphs.store(graphs.len(), Ordering::Relaxed);
        Ok(())
    }

    pub fn session(&mut self, id: usize) -> Result<&mut Session> {
        let session = self.sessions.get_mut(id).and_then(Option::as_mut);
        session.ok_or_else(|| Error::Internal(format!("there is no session {id}")))
    }

    pub fn train(&mut self, spec: &TrainSpec) -> Result<TrainResult> {
        self.together(|engine| train::train(engine, spec))
    }

    pub fn evaluate(&mut self, spec: &EvaluateSpec) -> Result<EvaluateResult> {
        self.together(|engine| evaluate::evaluate(engine, spec))
    }

    pub fn logits(&mut self, session: usize, source: &BatchSource, count: usize) -> Result<Vec<f32>> {
        self.invalidate();
        evaluate::logits(self, session, source, count)
    }

    /// Something has got done: what the main process knows a device that hangs by.
    pub fn beat(&self) {
        self.store.control().beat(self.participant);
    }

    /// Its place among the members.
    pub fn rank(&self) -> usize {
        self.store.control().rank(self.participant)
    }

    /// Waits for all members.
    pub fn meet(&self, latch: bool) -> Result<()> {
        self.store.control().meet(self.participant, latch, &self.shared.cancelled)
    }

    /// Parameters or statistics of the store have changed, or may have.
    pub fn invalidate(&mut self) {
        self.sessions.iter_mut().flatten().for_each(Session::invalidate);
    }

    /// A call that all participants take part in: a failure or a panic here ends it for all.
    fn together<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.invalidate();
        self.settle();
        let result = guarded(|| {
            let result = work(self)?;
            self.count()?;
            Ok(result)
        });
        match &result {
            Ok(_) | Err(Error::Cancelled(_)) => {}
            Err(error) => {
                let reason = format!("device process {} has failed: {}", self.participant, error.sentence());
                self.store.control().abort(&reason);
            }
        }
        result
    }
}

fn no_thread() -> Error {
    Error::Device(
        "no more threads can be started: this user, or its control group, has as many as it may (ulimit -u); raise that limit".into(),
    )
}

/// The result of `work`; a panic in it is a bug reported as such.
pub fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        if text.contains("failed to spawn thread") {
            return Err(no_thread());
        }
        Err(Error::Internal(format!("panic in the engine: {text}")))
    })
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
