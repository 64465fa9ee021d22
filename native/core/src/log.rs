//! The log of the app: lines of all its processes in one file, which never grows beyond a few mebibytes.
//!
//! A file that a line would make too large becomes `NAME.1`, that one `NAME.2`, and so on; the oldest goes. The file is opened anew for each
//! line, of which there are few: processes share it, and none goes on in a file that another has renamed. What cannot be written is left
//! out: the log fails nobody.

use std::backtrace::Backtrace;
use std::cell::Cell;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};

/// Of a file in bytes; older files that are kept; of one entry, whose rest is cut off.
const FILE_BYTES: usize = 4 << 20;
const KEPT: usize = 3;
const ENTRY_BYTES: usize = 64 << 10;

struct Rolling {
    path: PathBuf,
    file_bytes: usize,
}

impl Rolling {
    fn append(&self, entry: &[u8]) -> io::Result<()> {
        let cut;
        let entry = if entry.len() > ENTRY_BYTES {
            cut = [&entry[..ENTRY_BYTES], b" ...\n"].concat();
            &cut
        } else {
            entry
        };
        if fs::metadata(&self.path).is_ok_and(|file| file.len() as usize + entry.len() > self.file_bytes) {
            self.roll();
        }
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        let opened = options.open(&self.path).or_else(|_| {
            // Only the log's own folder: a data folder that is gone is not made anew.
            let _ = self.path.parent().map(fs::create_dir);
            options.open(&self.path)
        });
        opened?.write_all(entry)
    }

    fn roll(&self) {
        for index in (1..KEPT).rev() {
            let _ = fs::rename(numbered(&self.path, index), numbered(&self.path, index + 1));
        }
        let _ = fs::rename(&self.path, numbered(&self.path, 1));
    }
}

fn numbered(path: &Path, index: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{index}"));
    name.into()
}

static LOG: Mutex<Option<Rolling>> = Mutex::new(None);
static SUBSCRIBED: Once = Once::new();

thread_local! {
    /// Whether this thread's last entry is in the file.
    static WRITTEN: Cell<bool> = const { Cell::new(false) };
}

/// Where the subscriber writes to, one entry at a time.
struct Entry;

impl Write for Entry {
    fn write(&mut self, entry: &[u8]) -> io::Result<usize> {
        let log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
        WRITTEN.set(log.as_ref().is_some_and(|log| log.append(entry).is_ok()));
        Ok(entry.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// From now on entries of this process, and panics of the engine with their stacks, go to this file.
pub fn open(path: PathBuf) {
    *LOG.lock().unwrap_or_else(PoisonError::into_inner) = Some(Rolling { path, file_bytes: FILE_BYTES });
    SUBSCRIBED.call_once(|| {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::INFO)
            .with_writer(|| Entry)
            .with_ansi(false)
            .with_target(false)
            .log_internal_errors(false)
            .finish();
        let _ = tracing::subscriber::set_global_default(subscriber);
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let stack = format!("{panic}\n{}", Backtrace::force_capture()).replace('\n', "\n  ");
            write("error", &stack);
            before(panic);
        }));
    });
}

/// Adds an entry of level `error`, `warn` or `info`. Returns whether it is in the file.
pub fn write(level: &str, text: &str) -> bool {
    WRITTEN.set(false);
    match level {
        "error" => tracing::error!("{text}"),
        "warn" => tracing::warn!("{text}"),
        _ => tracing::info!("{text}"),
    }
    WRITTEN.get()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn writers_that_share_a_file_keep_it_and_its_predecessors_small() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/sdp.log");
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let log = Rolling { path: path.clone(), file_bytes: 10_000 };
                scope.spawn(move || {
                    for entry in 0..500 {
                        log.append(format!("{:99}\n", format!("{writer} {entry}")).as_bytes()).unwrap();
                    }
                });
            }
        });
        let kept = names(&folder.path().join("logs"));
        assert!(kept.len() > 1 && kept.iter().all(|name| ["sdp.log", "sdp.log.1", "sdp.log.2", "sdp.log.3"].contains(&name.as_str())));
        for name in kept {
            let text = fs::read_to_string(folder.path().join("logs").join(name)).unwrap();
            // Each of the others may have one entry on its way.
            assert!(text.len() <= 10_300, "{}", text.len());
            assert!(text.split_terminator('\n').all(|line| line.len() == 99));
        }
    }

    #[test]
    fn an_entry_that_is_too_long_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let log = Rolling { path: folder.path().join("sdp.log"), file_bytes: FILE_BYTES };
        log.append(&vec![b'x'; FILE_BYTES]).unwrap();
        assert!(fs::read_to_string(&log.path).unwrap().ends_with("x ...\n"));
        assert_eq!(fs::metadata(&log.path).unwrap().len() as usize, ENTRY_BYTES + 5);
    }

    #[test]
    fn what_cannot_be_written_is_told_of_and_nothing_more() {
        let folder = tempfile::tempdir().unwrap();
        let gone = Rolling { path: folder.path().join("gone/logs/sdp.log"), file_bytes: FILE_BYTES };
        assert!(gone.append(b"line\n").is_err());
        assert!(names(folder.path()).is_empty());
        if cfg!(target_os = "linux") {
            let full = Rolling { path: "/dev/full".into(), file_bytes: FILE_BYTES };
            assert_eq!(full.append(b"line\n").unwrap_err().kind(), io::ErrorKind::StorageFull);
        }
    }

    #[test]
    fn entries_and_panics_are_in_the_file_that_was_opened_last() {
        assert!(!write("error", "nowhere"));
        let folder = tempfile::tempdir().unwrap();
        for name in ["first.log", "second.log"] {
            open(folder.path().join(name));
            assert!(write("warn", &format!("entry of {name}")));
        }
        let caught = crate::device::guarded(|| -> crate::error::Result<()> { panic!("what never happens") });
        assert!(caught.is_err());
        assert!(fs::read_to_string(folder.path().join("first.log")).unwrap().ends_with("WARN entry of first.log\n"));
        let text = fs::read_to_string(folder.path().join("second.log")).unwrap();
        assert!(text.contains(" WARN entry of second.log\n"));
        assert!(text.contains("what never happens") && text.contains("log::tests::"), "{text}");
    }
}
