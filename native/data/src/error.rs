//! What goes wrong with files: a problem that a user can understand, a disk that refuses, a cancellation, or a bug.

use schemars::JsonSchema;
use serde::Serialize;

use crate::options::Options;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing can be imported until it is remedied.
    Error,
    /// The import goes on as the sentence says.
    Warning,
    Note,
}

/// Code of the note that a part was not looked at.
pub const NOT_LOOKED_AT: &str = "not-looked-at";

/// Where in the files something is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    pub file: String,
    /// Of a table or array, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    /// In bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

impl Place {
    pub fn file(file: impl Into<String>) -> Self {
        Self { file: file.into(), ..Self::default() }
    }

    pub fn row(file: impl Into<String>, row: usize) -> Self {
        Self { row: Some(row as u64), ..Self::file(file) }
    }
}

/// A change of the options: inspecting again with it shows what it does, importing with it applies it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Remedy {
    pub action: &'static str,
    /// As on a button: "Leave these files out".
    pub title: String,
    /// What it changes.
    pub options: Options,
}

/// One kind of trouble: how often it was found, and the first of its places.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Problem {
    /// Stable, such as `unreadable-image`.
    pub code: &'static str,
    pub severity: Severity,
    /// One sentence.
    pub message: String,
    pub count: u64,
    pub places: Vec<Place>,
    pub remedies: Vec<Remedy>,
}

impl Problem {
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, severity: Severity::Error, message: message.into(), count: 1, places: Vec::new(), remedies: Vec::new() }
    }

    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    pub fn note(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Note, ..Self::error(code, message) }
    }

    pub fn at(mut self, place: Place) -> Self {
        self.places.push(place);
        self
    }

    pub fn counted(mut self, count: u64) -> Self {
        self.count = count;
        self
    }

    pub fn with(mut self, action: &'static str, title: impl Into<String>, options: Options) -> Self {
        self.remedies.push(Remedy { action, title: title.into(), options });
        self
    }

    /// What an inspection did not look at, and what an import may so still end with.
    pub fn not_looked_at(sentence: String, options: &Options) -> Option<Self> {
        let problem = Self::note(NOT_LOOKED_AT, format!("{sentence}; what cannot be read there ends the import"));
        (!options.skips()).then(|| problem.skippable("Leave out what cannot be read"))
    }

    /// Offers to leave out what is concerned.
    pub fn skippable(self, title: &str) -> Self {
        self.with("skip", title, Options { skip: Some(true), ..Options::default() })
    }
}

/// Why a call ended: a user's sentence behind a code of contract/errors.ts, or a bug.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error("data: {}", .0.message)]
    Data(Box<Problem>),
    #[error("storage: {0}")]
    Storage(String),
    #[error("conflict: {0}")]
    Conflict(String),
    #[error("cancelled: the import was cancelled")]
    Cancelled,
    #[error("{0}")]
    Internal(String),
}

pub type Result<T> = std::result::Result<T, Error>;

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Data(Box::new(problem))
    }
}

/// A refusal of one file.
pub fn refuse<T>(code: &'static str, message: impl Into<String>, place: Place) -> Result<T> {
    Err(Problem::error(code, message).at(place).into())
}

/// A failed write of `path`.
pub fn storage(path: &std::path::Path, error: &std::io::Error) -> Error {
    let path = path.display();
    Error::Storage(match error.kind() {
        std::io::ErrorKind::StorageFull => format!("no space is left on the disk while writing {path}; free some and try again"),
        std::io::ErrorKind::QuotaExceeded => format!("the disk quota is used up while writing {path}; free some space and try again"),
        std::io::ErrorKind::ReadOnlyFilesystem => {
            format!("{path} cannot be written: its file system is read-only; mount it for writing, or choose another folder")
        }
        std::io::ErrorKind::PermissionDenied => {
            format!("{path} cannot be written: permission denied; make it writable for this user, or choose another folder")
        }
        std::io::ErrorKind::NotADirectory => format!("{path} cannot be written: a part of the path is a file, not a folder"),
        std::io::ErrorKind::IsADirectory => format!("{path} cannot be written: a folder is in its place; move it away"),
        _ => format!("{path} cannot be written ({error})"),
    })
}
