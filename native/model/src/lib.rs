//! The control block of the store (core/src/store) on atomics of a model checker, which tries every order of what threads do, and
//! every value that the memory of a processor may show them. Around it stands what it needs of the engine, as small as can be.

#![cfg(not(test))]

pub use loom::sync::atomic;

#[path = "../../core/src/store/control.rs"]
pub mod control;
#[path = "../../core/src/store/reports.rs"]
pub mod reports;

mod store {
    pub use crate::reports;

    pub mod waiting {
        use crate::atomic::AtomicU32;

        pub fn wait(_: &AtomicU32, _: u32) {
            loom::thread::yield_now();
        }

        pub fn wake_all(_: &AtomicU32) {}
    }
}

mod error {
    #[derive(Debug, PartialEq, Eq)]
    pub enum Error {
        Cancelled(String),
    }

    pub type Result<T> = std::result::Result<T, Error>;
}

mod layout {
    pub const MAX_PARTICIPANTS: usize = 3;
}

mod process {
    pub fn start_time(_: u32) -> Option<u64> {
        None
    }

    /// The main process tells of those that are lost, as it notices them first.
    pub fn lives(_: u32, _: u64) -> bool {
        true
    }
}

mod spec {
    use serde::Serializer;

    pub fn number<S: Serializer>(count: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(*count)
    }
}
