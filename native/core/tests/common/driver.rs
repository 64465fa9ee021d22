//! The stand-in for the CUDA driver (driver.c), built where there is a C compiler.

#![allow(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::Command;

pub struct StandIn {
    pub path: PathBuf,
    library: libloading::Library,
}

impl StandIn {
    /// Builds it into a folder; none, and a word about it, where there is no compiler.
    pub fn build(folder: &Path, flags: &[&str]) -> Option<Self> {
        let path = folder.join("libcuda-stand-in.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/common/driver.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", "-o"]).arg(&path).arg(source).args(flags);
        match compiler.status() {
            Ok(status) => assert!(status.success(), "the stand-in for the CUDA driver does not compile"),
            Err(error) => {
                eprintln!("SKIPPED: copies over a stand-in for the CUDA driver, as there is no C compiler (cc: {error})");
                return None;
            }
        }
        // SAFETY: the library has just been built from the file above, and does nothing when it is loaded.
        let library = unsafe { libloading::Library::new(&path) }.unwrap();
        Some(Self { path, library })
    }

    /// Number of copies so far, bytes pinned, and contexts retained.
    pub fn counts(&self) -> (usize, usize, usize) {
        // SAFETY: a function of this signature in driver.c.
        let count = |name: &str| unsafe { self.library.get::<extern "C" fn() -> usize>(name).unwrap()() };
        (count("standInCopies"), count("standInPinned"), count("standInContexts"))
    }
}
