//! The one error type of the engine. A user error has a stable code (contract/errors.ts) in front of its sentence; `Internal` is a bug
//! and has none, so that it arrives in JavaScript as a plain Error.

/// Why a call failed: one sentence that says what was found and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A setting, or a combination of settings.
    #[error("configuration: {0}")]
    Configuration(String),
    /// A dataset or one of its files.
    #[error("data: {0}")]
    Data(String),
    /// A device that failed, was lost, or cannot run a graph.
    #[error("device: {0}")]
    Device(String),
    /// Files and memory files: no space, no permission.
    #[error("storage: {0}")]
    Storage(String),
    /// A checkpoint that is damaged or of another model.
    #[error("checkpoint: {0}")]
    Checkpoint(String),
    /// The caller closed the device while it worked.
    #[error("cancelled: {0}")]
    Cancelled(String),
    /// A bug: arguments that the app itself computed wrongly.
    #[error("{0}")]
    Internal(String),
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The sentence without its code.
    pub fn sentence(&self) -> &str {
        match self {
            Self::Configuration(s)
            | Self::Data(s)
            | Self::Device(s)
            | Self::Storage(s)
            | Self::Checkpoint(s)
            | Self::Cancelled(s)
            | Self::Internal(s) => s,
        }
    }

    /// A failed file operation; `doing` is what was tried, such as "writing model.safetensors".
    pub fn storage(doing: impl std::fmt::Display, error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Self::Storage(format!("{doing} failed because the disk is full"))
            }
            _ => Self::Storage(format!("{doing} failed: {}", reason(error))),
        }
    }
}

/// A system's refusal in words, with the limit behind it where there is one.
pub fn reason(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    #[cfg(unix)]
    if error.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error()) {
        return "this process has as many files open as it may (ulimit -n); raise that limit".into();
    }
    match error.kind() {
        ErrorKind::ReadOnlyFilesystem => "its file system is read-only; mount it for writing, or choose another folder".into(),
        ErrorKind::PermissionDenied => "permission denied; make it writable for this user, or choose another folder".into(),
        ErrorKind::NotADirectory => "a part of the path is a file, not a folder".into(),
        ErrorKind::IsADirectory => "a folder is in its place; move it away".into(),
        ErrorKind::NotFound => "its folder does not exist".into(),
        ErrorKind::OutOfMemory => format!("the system gives no memory for it{}", crate::process::memory_limit()),
        _ => error.to_string(),
    }
}

/// Fails with a bug report unless `condition` holds.
pub(crate) fn ensure(condition: bool, sentence: impl FnOnce() -> String) -> Result<()> {
    if condition { Ok(()) } else { Err(Error::Internal(sentence())) }
}
