//! NVIDIA's cards and libraries.

use std::path::PathBuf;
use std::time::Duration;

use napi::bindgen_prelude::AsyncTask;
use napi::{Env, Task};
use napi_derive::napi;
use sdp_core::device::guarded;
use sdp_core::nvidia::{cards, library};

use crate::record::{Js, raise};

/// NVIDIA's cards in PCI order, by the driver's management library; that there is no driver is an answer. Waits for a driver that does not
/// answer until `patienceMs` are over (default: 20 s). `library`: in place of the driver's, for tests.
#[napi(ts_return_type = "Promise<NvidiaCards>")]
pub fn nvidia_cards(patience_ms: Option<f64>, library: Option<String>) -> AsyncTask<AskCards> {
    let patience = Duration::try_from_secs_f64(patience_ms.unwrap_or(20_000.0) / 1000.0).unwrap_or_default();
    AsyncTask::new(AskCards { patience, library: library.map(Into::into) })
}

pub struct AskCards {
    patience: Duration,
    library: Option<PathBuf>,
}

impl Task for AskCards {
    type Output = cards::NvidiaCards;
    type JsValue = Js<cards::NvidiaCards>;

    fn compute(&mut self) -> napi::Result<cards::NvidiaCards> {
        Ok(cards::cards(self.patience, self.library.take()))
    }

    fn resolve(&mut self, _env: Env, found: cards::NvidiaCards) -> napi::Result<Self::JsValue> {
        Ok(Js(found))
    }
}

/// What a shared library says about itself. `contents` (default: true): also what takes a look through the whole file.
#[napi(ts_return_type = "Promise<NvidiaLibrary>")]
pub fn read_nvidia_library(path: String, contents: Option<bool>) -> AsyncTask<ReadLibrary> {
    AsyncTask::new(ReadLibrary { path: path.into(), contents: contents.unwrap_or(true) })
}

pub struct ReadLibrary {
    path: PathBuf,
    contents: bool,
}

impl Task for ReadLibrary {
    type Output = library::NvidiaLibrary;
    type JsValue = Js<library::NvidiaLibrary>;

    fn compute(&mut self) -> napi::Result<library::NvidiaLibrary> {
        guarded(|| library::read_library(&self.path, self.contents)).map_err(raise)
    }

    fn resolve(&mut self, _env: Env, found: library::NvidiaLibrary) -> napi::Result<Self::JsValue> {
        Ok(Js(found))
    }
}
