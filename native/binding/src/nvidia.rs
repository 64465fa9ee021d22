//! NVIDIA's cards and libraries as JavaScript objects.

use std::path::PathBuf;
use std::time::Duration;

use napi::bindgen_prelude::AsyncTask;
use napi::{Env, Task};
use napi_derive::napi;
use sdp_core::device::guarded;
use sdp_core::nvidia::{cards, library};

use crate::convert::raise;

#[napi(object, use_nullable = true)]
pub struct NvidiaCards {
    pub driver: Option<String>,
    pub cuda_version: Option<String>,
    pub cards: Vec<NvidiaCard>,
    pub problem: Option<String>,
}

#[napi(object, use_nullable = true)]
pub struct NvidiaCard {
    pub index: u32,
    pub uuid: Option<String>,
    pub name: String,
    pub memory_bytes: Option<f64>,
    pub used_bytes: Option<f64>,
    pub utilisation: Option<f64>,
    pub compute_capability: Option<Vec<u32>>,
    pub pcie_generation: Option<u32>,
    pub pcie_width: Option<u32>,
    pub processes: Vec<CardProcess>,
    pub mig_mode: Option<bool>,
    pub slices: Vec<MigSlice>,
}

#[napi(object, use_nullable = true)]
pub struct CardProcess {
    pub pid: u32,
    pub used_bytes: Option<f64>,
}

#[napi(object, use_nullable = true)]
pub struct MigSlice {
    pub uuid: Option<String>,
    pub name: String,
    pub memory_bytes: Option<f64>,
}

fn bytes(bytes: Option<u64>) -> Option<f64> {
    bytes.map(|bytes| bytes as f64)
}

impl From<cards::NvidiaCards> for NvidiaCards {
    fn from(found: cards::NvidiaCards) -> Self {
        let cards = found.cards.into_iter().map(Into::into).collect();
        Self { driver: found.driver, cuda_version: found.cuda_version, cards, problem: found.problem }
    }
}

impl From<cards::NvidiaCard> for NvidiaCard {
    fn from(card: cards::NvidiaCard) -> Self {
        let process = |of: cards::CardProcess| CardProcess { pid: of.pid, used_bytes: bytes(of.used_bytes) };
        let slice = |of: cards::MigSlice| MigSlice { uuid: of.uuid, name: of.name, memory_bytes: bytes(of.memory_bytes) };
        Self {
            index: card.index as u32,
            uuid: card.uuid,
            name: card.name,
            memory_bytes: bytes(card.memory_bytes),
            used_bytes: bytes(card.used_bytes),
            utilisation: card.utilisation,
            compute_capability: card.compute_capability.map(|(major, minor)| vec![major, minor]),
            pcie_generation: card.pcie_generation,
            pcie_width: card.pcie_width,
            processes: card.processes.into_iter().map(process).collect(),
            mig_mode: card.mig_mode,
            slices: card.slices.into_iter().map(slice).collect(),
        }
    }
}

#[napi(object)]
pub struct NvidiaLibrary {
    pub soname: Option<String>,
    pub needed: Vec<String>,
    pub runpath: Vec<String>,
    pub opened: Vec<String>,
    pub architectures: Vec<String>,
    pub has_ptx: bool,
    pub version: Option<String>,
}

impl From<library::NvidiaLibrary> for NvidiaLibrary {
    fn from(of: library::NvidiaLibrary) -> Self {
        let library::NvidiaLibrary { soname, needed, runpath, opened, architectures, has_ptx, version } = of;
        Self { soname, needed, runpath, opened, architectures, has_ptx, version }
    }
}

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
    type JsValue = NvidiaCards;

    fn compute(&mut self) -> napi::Result<cards::NvidiaCards> {
        Ok(cards::cards(self.patience, self.library.take()))
    }

    fn resolve(&mut self, _env: Env, found: cards::NvidiaCards) -> napi::Result<NvidiaCards> {
        Ok(found.into())
    }
}

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
    type JsValue = NvidiaLibrary;

    fn compute(&mut self) -> napi::Result<library::NvidiaLibrary> {
        guarded(|| library::read_library(&self.path, self.contents)).map_err(raise)
    }

    fn resolve(&mut self, _env: Env, found: library::NvidiaLibrary) -> napi::Result<NvidiaLibrary> {
        Ok(found.into())
    }
}
