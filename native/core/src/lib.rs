//! The engine of SDP Lab without Node: shared parameter store, averaging and optimizer, data loading, ONNX Runtime sessions, training,
//! evaluation, and files of tensors. What the app asks of it, and what it answers, are the records of spec.rs and of
//! the modules that give them.

#[cfg(unix)]
pub mod arena;
pub mod blocks;
pub mod chunks;
pub mod cuda;
pub mod cudnn;
pub mod device;
pub mod draws;
pub mod error;
pub mod evaluate;
pub mod finite;
pub mod hold;
pub mod images;
pub mod init;
pub mod large;
pub mod layout;
pub mod loader;
pub mod log;
pub mod norms;
pub mod npy;
pub mod nvidia;
pub mod optimizer;
pub mod pieces;
pub mod process;
pub mod provider;
pub mod publish;
pub mod records;
pub mod reduce;
pub mod runtime;
pub mod sampling;
pub mod shards;
pub mod spec;
pub mod state;
pub mod store;
pub mod timing;
pub mod train;

/// What the control block of a store is made of; native/model has others in their place.
mod atomic {
    pub use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
}

/// What unit tests share with those of tests/.
#[cfg(test)]
#[allow(dead_code, clippy::unwrap_used)]
#[path = "../tests/common"]
mod testing {
    pub mod library;
    pub mod onnx;
}
