//! NVIDIA's cards as the driver's management library (NVML) lists them, with what is in use of them now. The library comes with the driver
//! and is loaded when asked; that there is none is an answer. What a card does not tell (memory where it is that of the machine, load while
//! it is cut into MIG slices) is `None`.
//!
//! A broken driver may never answer. So one thread asks it, and callers wait for that thread with patience of their own.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};
use schemars::JsonSchema;
use serde::Serialize;

use crate::spec::{number, optional_number};

/// Null: the driver or the card does not tell.
#[derive(Debug, Default, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NvidiaCards {
    pub driver: Option<String>,
    /// Newest version of CUDA that the driver knows, such as `13.0`.
    pub cuda_version: Option<String>,
    pub cards: Vec<NvidiaCard>,
    /// Why there are no cards, or not all; a sentence without its full stop.
    pub problem: Option<String>,
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NvidiaCard {
    /// In PCI order, which device processes are told to use as well.
    #[serde(serialize_with = "number")]
    pub index: usize,
    pub uuid: Option<String>,
    pub name: String,
    #[serde(serialize_with = "optional_number")]
    pub memory_bytes: Option<u64>,
    #[serde(serialize_with = "optional_number")]
    pub used_bytes: Option<u64>,
    /// Share of the last moments in which it computed.
    pub utilisation: Option<f64>,
    /// Major and minor.
    pub compute_capability: Option<[u32; 2]>,
    pub pcie_generation: Option<u32>,
    pub pcie_width: Option<u32>,
    /// Those that compute.
    pub processes: Vec<CardProcess>,
    /// Whether it is cut into slices; null where it cannot be.
    pub mig_mode: Option<bool>,
    pub slices: Vec<MigSlice>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CardProcess {
    pub pid: u32,
    #[serde(serialize_with = "optional_number")]
    pub used_bytes: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MigSlice {
    pub uuid: Option<String>,
    pub name: String,
    #[serde(serialize_with = "optional_number")]
    pub memory_bytes: Option<u64>,
}

type Question = (Option<PathBuf>, Sender<NvidiaCards>);

/// The thread that asks drivers; ends with the process.
static ASKING: LazyLock<Option<Sender<Question>>> = LazyLock::new(|| {
    let (sender, questions): (_, Receiver<Question>) = channel();
    let body = move || {
        for (library, answer) in questions {
            // Nobody waits any more where the driver took too long.
            let _ = answer.send(ask(library));
        }
    };
    std::thread::Builder::new().name("nvml".into()).spawn(body).ok().map(|_| sender)
});

/// The cards of this machine in PCI order. `library`: that of the driver; default: as the loader finds it.
pub fn cards(patience: Duration, library: Option<PathBuf>) -> NvidiaCards {
    let (sender, answer) = channel();
    let asked = ASKING.as_ref().is_some_and(|asking| asking.send((library, sender)).is_ok());
    let answered = if asked { answer.recv_timeout(patience).ok() } else { None };
    answered.unwrap_or_else(|| {
        let problem = format!("the NVIDIA driver has not answered within {} s; restart the machine", patience.as_secs_f64());
        NvidiaCards { problem: Some(problem), ..NvidiaCards::default() }
    })
}

fn ask(library: Option<PathBuf>) -> NvidiaCards {
    let mut builder = Nvml::builder();
    if let Some(path) = &library {
        builder.lib_path(path.as_os_str());
    }
    match builder.init() {
        Ok(nvml) => describe(&nvml),
        Err(error) => NvidiaCards { problem: Some(sentence(&error)), ..NvidiaCards::default() },
    }
}

fn describe(nvml: &Nvml) -> NvidiaCards {
    let version = |version: i32| format!("{}.{}", version / 1000, version % 1000 / 10);
    let mut found = NvidiaCards {
        driver: nvml.sys_driver_version().ok(),
        cuda_version: nvml.sys_cuda_driver_version().ok().map(version),
        ..NvidiaCards::default()
    };
    let mut devices = Vec::new();
    for index in 0..nvml.device_count().unwrap_or(0) {
        match nvml.device_by_index(index) {
            Ok(device) => devices.push(device),
            Err(error) => found.problem = Some(format!("card {index} cannot be used: {}", sentence(&error))),
        }
    }
    let place = |device: &Device| device.pci_info().ok().map(|pci| (pci.domain, pci.bus, pci.device));
    devices.sort_by_key(|device| place(device).unwrap_or((u32::MAX, 0, 0)));
    found.cards = devices.iter().enumerate().map(|(index, device)| card(index, device)).collect();
    found
}

fn card(index: usize, device: &Device) -> NvidiaCard {
    let memory = device.memory_info().ok().filter(|memory| memory.total > 0);
    let mig_mode = device.mig_mode().ok().map(|mode| mode.current == 1);
    NvidiaCard {
        index,
        uuid: device.uuid().ok(),
        name: name(device),
        memory_bytes: memory.as_ref().map(|memory| memory.total),
        used_bytes: memory.as_ref().map(|memory| memory.used),
        utilisation: device.utilization_rates().ok().map(|rates| f64::from(rates.gpu.min(100)) / 100.0),
        compute_capability: device
            .cuda_compute_capability()
            .ok()
            .and_then(|of| Some([of.major.try_into().ok()?, of.minor.try_into().ok()?])),
        // The largest generation: a card at rest takes a slower one.
        pcie_generation: device.max_pcie_link_gen().ok(),
        pcie_width: device.current_pcie_link_width().ok(),
        processes: device.running_compute_processes().unwrap_or_default().into_iter().map(process).collect(),
        mig_mode,
        slices: if mig_mode == Some(true) { slices(device) } else { Vec::new() },
    }
}

fn name(device: &Device) -> String {
    device.name().unwrap_or_else(|_| "NVIDIA GPU".into())
}

fn process(process: nvml_wrapper::struct_wrappers::device::ProcessInfo) -> CardProcess {
    let used_bytes = match process.used_gpu_memory {
        UsedGpuMemory::Used(bytes) => Some(bytes),
        UsedGpuMemory::Unavailable => None,
    };
    CardProcess { pid: process.pid, used_bytes }
}

/// The slices that there are; places for more are empty.
fn slices(device: &Device) -> Vec<MigSlice> {
    let places = device.mig_device_count().unwrap_or(0);
    let slice = |slice: Device| MigSlice {
        uuid: slice.uuid().ok(),
        name: name(&slice),
        memory_bytes: slice.memory_info().ok().map(|memory| memory.total).filter(|&bytes| bytes > 0),
    };
    (0..places).filter_map(|place| device.mig_device_by_index(place).ok()).map(slice).collect()
}

fn sentence(error: &NvmlError) -> String {
    match error {
        NvmlError::LibloadingError(_) => "there is no NVIDIA driver: its library libnvidia-ml.so.1 is not found".into(),
        NvmlError::DriverNotLoaded => "the NVIDIA driver is installed and not loaded".into(),
        NvmlError::LibRmVersionMismatch => "the NVIDIA driver in use is of another version than its libraries; restart the machine".into(),
        NvmlError::NoPermission => "this user may not use the NVIDIA driver".into(),
        other => format!("the NVIDIA driver answers: {other}"),
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    /// A library in the place of the driver's, from testdata/nvidia/nvml.c; none where there is no C compiler.
    fn stand_in(folder: &Path, defines: &[&str]) -> Option<PathBuf> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/nvidia/nvml.c");
        let library = folder.join("libnvidia-ml.so.1");
        let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).args(defines).status();
        match built {
            Ok(status) => {
                assert!(status.success());
                Some(library)
            }
            Err(error) => {
                eprintln!("skipped: there is no C compiler to build a driver's library with ({error})");
                None
            }
        }
    }

    fn ask_stand_in(defines: &[&str], patience: Duration) -> Option<NvidiaCards> {
        let folder = tempfile::tempdir().unwrap();
        Some(cards(patience, Some(stand_in(folder.path(), defines)?)))
    }

    #[test]
    fn cards_are_listed_in_pci_order_with_what_each_tells() {
        let Some(found) = ask_stand_in(&[], Duration::from_secs(10)) else { return };
        assert_eq!((found.driver.as_deref(), found.cuda_version.as_deref(), found.problem), (Some("580.82.07"), Some("13.0"), None));
        let [ordinary, unified, cut] = &found.cards[..] else { panic!("{:?}", found.cards) };
        let expected = NvidiaCard {
            index: 0,
            uuid: Some("GPU-0".into()),
            name: "Stand-in H100".into(),
            memory_bytes: Some(80 << 30),
            used_bytes: Some(3 << 30),
            utilisation: Some(0.37),
            compute_capability: Some([9, 0]),
            pcie_generation: Some(5),
            pcie_width: Some(16),
            processes: vec![CardProcess { pid: 11, used_bytes: Some(1 << 30) }, CardProcess { pid: 12, used_bytes: None }],
            mig_mode: Some(false),
            slices: vec![],
        };
        assert_eq!(*ordinary, expected);
        let told_less = NvidiaCard {
            index: 1,
            uuid: Some("GPU-1".into()),
            name: "Stand-in GB10".into(),
            compute_capability: Some([12, 1]),
            ..NvidiaCard::default()
        };
        assert_eq!(*unified, told_less);
        assert_eq!((cut.index, cut.mig_mode, cut.utilisation, cut.memory_bytes), (2, Some(true), None, Some(80 << 30)));
        let slice = |place: usize| MigSlice {
            uuid: Some(format!("MIG-{place}")),
            name: "Stand-in H100 MIG 1g.10gb".into(),
            memory_bytes: Some(10 << 30),
        };
        assert_eq!(cut.slices, [slice(0), slice(2)]);
    }

    #[test]
    fn no_driver_is_an_answer() {
        let missing = cards(Duration::from_secs(10), Some("/nonexistent/libnvidia-ml.so.1".into()));
        let problem = "there is no NVIDIA driver: its library libnvidia-ml.so.1 is not found";
        assert_eq!(missing, NvidiaCards { problem: Some(problem.into()), ..NvidiaCards::default() });
        let Some(unloaded) = ask_stand_in(&["-DINIT_RESULT=9"], Duration::from_secs(10)) else { return };
        assert_eq!(unloaded.problem.as_deref(), Some("the NVIDIA driver is installed and not loaded"));
    }
}
