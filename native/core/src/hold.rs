//! Files that a process holds: a lock of the operating system, which goes with the process however it ends. It does not depend on process
//! numbers, and holds between processes, between containers with a common folder, and between two holders in one process.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use crate::error::{Error, Result};

/// Takes a file, which is made where it is missing; `None` where it is held already. The hold goes with the value.
pub fn hold(path: &Path) -> Result<Option<File>> {
    let failed = |error: &std::io::Error| Error::storage(format!("taking {}", path.display()), error);
    loop {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(|error| failed(&error))?;
        match file.try_lock() {
            Ok(()) if is_removed(&file) => {}
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(failed(&error)),
        }
    }
}

/// Whether a file is held; one that is not there, cannot be opened, or is on a file system without locks is not.
pub fn is_held(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Whether the file was removed by its last holder before it could be locked.
#[cfg(unix)]
pub fn is_removed(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
}

#[cfg(not(unix))]
pub fn is_removed(_file: &File) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_holder_until_it_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert!(!is_held(&path) && !path.exists());
        let first = hold(&path).unwrap();
        assert!(first.is_some() && is_held(&path) && hold(&path).unwrap().is_none());
        drop(first);
        assert!(!is_held(&path) && hold(&path).unwrap().is_some());
        assert!(matches!(hold(&folder.path().join("missing/lock")), Err(Error::Storage(_))));
    }

    #[test]
    fn of_many_that_take_a_file_and_remove_it_one_has_it_at_a_time() {
        use std::sync::atomic::{AtomicI32, Ordering};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let (inside, taken) = (AtomicI32::new(0), AtomicI32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..300 {
                        let Some(file) = hold(&path).unwrap() else { continue };
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        taken.fetch_add(1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        // From here on the next one may make another file, and take that.
                        std::fs::remove_file(&path).unwrap();
                        drop(file);
                    }
                });
            }
        });
        assert!(taken.load(Ordering::SeqCst) > 0);
    }
}
