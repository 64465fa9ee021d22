//! Real processes that meet at the barrier of one store; one of them is killed.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use common::{TestTensor, layout_json};
use sdp_core::error::Error;
use sdp_core::store::{Area, Store};

const PARTICIPANTS: usize = 3;
const PATH: &str = "SDP_TEST_STORE";
const INDEX: &str = "SDP_TEST_PARTICIPANT";

fn store(folder: &Path) -> (Store, std::path::PathBuf) {
    let tensor = TestTensor { name: "x", kind: "parameter", shape: vec![PARTICIPANTS], axis: None, holders: vec![vec![0]] };
    let path = folder.join("store");
    (Store::create(&path, &layout_json(&[tensor], 1, PARTICIPANTS, &[])).unwrap(), path)
}

/// This test binary again, as participant.
fn child(path: &Path, index: usize) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "participant", "--ignored", "--quiet"]).env(PATH, path).env(INDEX, index.to_string());
    command.stdout(std::process::Stdio::null()).spawn().unwrap()
}

/// Counts in its own scalar, one barrier after each count, until the run is stopped or aborted.
#[test]
#[ignore = "runs in the child processes of the other tests"]
fn participant() {
    let me: usize = std::env::var(INDEX).unwrap().parse().unwrap();
    let store = Store::open(Path::new(&std::env::var(PATH).unwrap())).unwrap();
    store.control().register(me);
    while store.control().meet(me, true, &AtomicBool::new(false)).is_ok() && !store.control().stop_latched() {
        store.write(Area::Values, me..me + 1)[0] += 1.0;
    }
    store.control().leave(me);
}

fn wait_for(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited too long");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn processes_step_together_and_stop_at_the_same_step() {
    let folder = tempfile::tempdir().unwrap();
    let (store, path) = store(folder.path());
    let children: Vec<Child> = (0..PARTICIPANTS).map(|index| child(&path, index)).collect();
    wait_for(|| store.read(Area::Values, 0..1)[0] > 100.0);
    store.control().request_stop(true);
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let counts = store.read(Area::Values, 0..PARTICIPANTS);
    assert!(counts[0] > 100.0 && counts.iter().all(|count| *count == counts[0]), "{counts:?}");
}

#[test]
fn a_killed_process_is_noticed_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let (store, path) = store(folder.path());
    store.control().register(0);
    let mut children: Vec<Child> = (1..PARTICIPANTS).map(|index| child(&path, index)).collect();
    let meet = || store.control().meet(0, true, &AtomicBool::new(false));
    for _ in 0..100 {
        meet().unwrap();
    }
    children[1].kill().unwrap();
    let error = (0..).find_map(|_| meet().err()).unwrap();
    let id = children[1].id();
    assert_eq!(error, Error::Cancelled(format!("device process 2 (process id {id}) was lost")));
    assert!(children[0].wait().unwrap().success(), "the other one ended by itself");
    children[1].wait().unwrap();
}

#[test]
fn waiting_takes_no_processor_time() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _path) = store(folder.path());
    let used = || {
        let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        stat.split(' ').next().unwrap().parse::<u64>().unwrap()
    };
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let before = used();
            let result = store.control().meet(0, false, &AtomicBool::new(false));
            assert!(result.is_err());
            used() - before
        });
        std::thread::sleep(Duration::from_millis(600));
        store.control().abort("end of the test");
        let nanoseconds = waiting.join().unwrap();
        assert!(nanoseconds < 20_000_000, "{nanoseconds} ns of 600 ms");
    });
}
