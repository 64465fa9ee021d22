//! What the operating system says about processes, the memory of this one, and the CPU.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use crate::spec::number;

/// CPU and memory of this machine.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CpuDescription {
    /// Of the model.
    pub name: String,
    #[serde(serialize_with = "number")]
    pub physical_cores: usize,
    #[serde(serialize_with = "number")]
    pub logical_cores: usize,
    #[serde(serialize_with = "number")]
    pub memory_bytes: u64,
}

pub fn describe_cpu() -> CpuDescription {
    let kinds = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing()).with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(kinds);
    let logical_cores = system.cpus().len().max(1);
    CpuDescription {
        name: system.cpus().first().map_or_else(|| "CPU".into(), |cpu| cpu.brand().trim().to_owned()),
        physical_cores: System::physical_core_count().unwrap_or(logical_cores),
        logical_cores,
        memory_bytes: system.total_memory(),
    }
}

/// What this process's memory is limited to, to be added to a sentence about memory that it did not get; empty where it has no limit.
pub fn memory_limit() -> String {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit};
        let kinds = [(Resource::As, "address space (ulimit -v)"), (Resource::Data, "data (ulimit -d)")];
        let set = kinds.map(|(kind, name)| getrlimit(kind).current.map(|most| format!("{} MiB of {name}", most >> 20)));
        let set: Vec<String> = set.into_iter().flatten().collect();
        if !set.is_empty() {
            return format!("; this process may take {}: raise that limit", set.join(" and "));
        }
    }
    String::new()
}

/// Bytes of this process.
#[derive(Debug, Default, Clone, Copy)]
pub struct ProcessMemory {
    pub resident: u64,
    pub peak_resident: u64,
    /// Resident part of the mapping of one file.
    pub mapped: u64,
}

/// Memory of this process, and how much of it belongs to the mapping of `file`.
#[cfg(target_os = "linux")]
pub fn memory(file: &Path) -> ProcessMemory {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bytes = |text: &str, key: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or(0) * 1024
    };
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    let name = format!(" {}", file.display());
    let mapped = maps.find(&name).map_or(0, |at| bytes(&maps[at..], "Rss:"));
    ProcessMemory { resident: bytes(&status, "VmRSS:"), peak_resident: bytes(&status, "VmHWM:"), mapped }
}

/// How much of a range of addresses this process has in memory.
#[cfg(target_os = "linux")]
pub fn resident_part(range: std::ops::Range<usize>) -> u64 {
    use std::os::unix::fs::FileExt;
    const PAGE: usize = 4096;
    /// One entry per page, of 64 bits; the last says whether the page is there.
    const ENTRY: usize = 8;
    let pages = range.start / PAGE..range.end.div_ceil(PAGE);
    let Ok(map) = std::fs::File::open("/proc/self/pagemap") else { return 0 };
    let mut entries = vec![0; ENTRY * pages.len().min(1 << 16)];
    let mut present = 0;
    for first in pages.clone().step_by(1 << 16) {
        let part = &mut entries[..ENTRY * (pages.end - first).min(1 << 16)];
        if map.read_exact_at(part, (ENTRY * first) as u64).is_err() {
            break;
        }
        present += part.chunks_exact(ENTRY).filter(|entry| entry[ENTRY - 1] & 0x80 != 0).count();
    }
    (present * PAGE) as u64
}

#[cfg(not(target_os = "linux"))]
pub fn resident_part(range: std::ops::Range<usize>) -> u64 {
    range.len() as u64
}

/// Where only the resident size is known, it stands for its peak, and the whole file for the mapped part.
#[cfg(not(target_os = "linux"))]
pub fn memory(file: &Path) -> ProcessMemory {
    use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate};
    let pid = Pid::from_u32(std::process::id());
    let mut system = System::new();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, ProcessRefreshKind::nothing().with_memory());
    let resident = system.process(pid).map_or(0, |process| process.memory());
    let mapped = std::fs::metadata(file).map_or(0, |metadata| metadata.len());
    ProcessMemory { resident, peak_resident: resident, mapped }
}

/// When a process started, in the system's own unit; `None` where it has gone (or is a zombie) or this cannot be known.
#[cfg(target_os = "linux")]
pub fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command, in parentheses, may contain anything: count fields from behind it. State is the first, start time the twentieth.
    let mut fields = stat[stat.rfind(')')? + 1..].split_whitespace();
    if matches!(fields.next()?, "Z" | "X") { None } else { fields.nth(18)?.parse().ok() }
}

#[cfg(not(target_os = "linux"))]
pub fn start_time(_pid: u32) -> Option<u64> {
    None
}

/// Whether the process that had this id when it started at `started` is still there.
#[cfg(target_os = "linux")]
pub fn lives(pid: u32, started: u64) -> bool {
    start_time(pid) == Some(started)
}

/// Another process with the same id cannot be told apart here.
#[cfg(all(unix, not(target_os = "linux")))]
pub fn lives(pid: u32, _started: u64) -> bool {
    match i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
        Some(pid) => rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH),
        None => false,
    }
}

/// Not known here: the main process sees the end of its children and aborts the store.
#[cfg(not(unix))]
pub fn lives(_pid: u32, _started: u64) -> bool {
    true
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_killed_process_is_seen_as_gone_even_before_it_is_waited_for() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let started = start_time(child.id()).unwrap();
        assert!(lives(child.id(), started) && !lives(child.id(), started + 1));
        child.kill().unwrap();
        let end = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while lives(child.id(), started) && std::time::Instant::now() < end {
            std::thread::yield_now();
        }
        assert!(!lives(child.id(), started));
        child.wait().unwrap();
    }

    #[test]
    fn memory_and_cpu_are_described() {
        let memory = memory(Path::new("/nowhere"));
        assert!(memory.resident > 0 && memory.peak_resident >= memory.resident / 2 && memory.mapped == 0);
        let cpu = describe_cpu();
        assert!(cpu.logical_cores >= 1 && cpu.memory_bytes > 1 << 20 && !cpu.name.is_empty());
    }
}
