//! The import itself: streamed, on all cores, in bounded memory, told of on the way, cancellable, and taken up again where it was cut off.
//!
//! The result depends on the files and the options alone: samples are written in the order of the source whatever the threads do, and an
//! import that was killed goes on behind the last mark of its journal. Who calls gives a folder that is only named when it is complete.

mod images;
mod tokens;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde::Serialize;

use self::images::import_images;
pub use self::tokens::{bad_text, choose_tokenizer, too_few_tokens};
use self::tokens::{import_text, import_tokens};
use crate::account::Line;
use crate::error::{Error, NOT_LOOKED_AT, Problem, Result, Severity};
use crate::options::{Format, Options, Storage};
use crate::recognise::{self, Content, Found};
use crate::store::{self, Marker, Target, Written};
use crate::tokens::Largest;
use crate::tree::{Scratch, Tree};

const SPLITS: [&str; 2] = ["train", "test"];

pub struct ImportSpec {
    pub paths: Vec<PathBuf>,
    pub options: Options,
    pub target: Target,
}

/// Read by others while an import runs.
#[derive(Default)]
pub struct Progress {
    pub done: AtomicU64,
    /// 0 while it is not known.
    pub total: AtomicU64,
    pub skipped: AtomicU64,
    /// Of text, `done` and `total` are bytes.
    pub is_text: AtomicBool,
    pub cancelled: AtomicBool,
}

impl Progress {
    fn check(&self) -> Result<()> {
        if self.cancelled.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }
}

/// What the manifest takes from an import.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    pub train: u64,
    pub test: u64,
    pub fingerprint: String,
    pub bytes: u64,
    pub files: Vec<Written>,
    pub format: Format,
    /// Warnings and notes, and what was left out.
    pub problems: Vec<Problem>,
    /// What became of every file.
    pub account: Vec<Line>,
    #[serde(flatten)]
    pub content: OutcomeContent,
}

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum OutcomeContent {
    Images {
        classes: usize,
        class_names: Vec<String>,
        /// [C,H,W]
        sample: [usize; 3],
        storage: Storage,
        mean: Vec<f64>,
        std: Vec<f64>,
        samples_per_class: PerClass,
    },
    Tokens {
        vocabulary: u64,
        largest: Largest,
        tokenizer: String,
    },
}

#[derive(Debug, Serialize)]
pub struct PerClass {
    pub train: Vec<u64>,
    pub test: Vec<u64>,
}

pub fn import(spec: &ImportSpec, progress: &Progress) -> Result<Outcome> {
    let _lock = store::lock(&spec.target)?;
    let scratch = Scratch::new(spec.target.folder.join("scratch"), u64::MAX);
    let mut tree = Tree::open_as(&spec.paths, scratch, recognise::listing(&spec.options))?;
    let chosen = recognise::choose(&mut tree, &spec.options)?;
    let found = recognise::open(&mut tree, &chosen, &spec.options, None)?;
    if let Some(problem) = found.problems.iter().find(|problem| problem.severity == Severity::Error) {
        return Err(problem.clone().into());
    }
    progress.check()?;
    let Found { content, mut problems } = found;
    problems.retain(|problem| problem.code != NOT_LOOKED_AT);
    let mut marker = Marker::new(&spec.target);
    let (Imported { train, test, content, fingerprint }, account) = match content {
        Content::Images(set) => {
            let (imported, skipped) = import_images(spec, &tree, &set, progress, &mut marker, &mut problems)?;
            (imported, set.account(&tree, &skipped))
        }
        Content::Text(set) => (import_text(spec, &tree, &set, progress, &mut marker, &mut problems)?, set.account(&tree)),
        Content::Tokens(set) => (import_tokens(spec, &tree, &set, progress, &mut marker, &mut problems)?, set.account(&tree)),
    };
    let account = account.close(&tree, &chosen.what);
    drop(tree);
    marker.wait()?;
    let files = store::settle(&spec.target)?;
    store::forget_journal(&spec.target);
    let bytes = files.iter().map(|file| file.bytes).sum();
    Ok(Outcome { train, test, fingerprint, bytes, files, format: chosen.format, problems, account, content })
}

/// What was written.
struct Imported {
    train: u64,
    test: u64,
    content: OutcomeContent,
    fingerprint: String,
}

/// `split`: of `SPLITS`.
pub fn empty_split(split: usize) -> Problem {
    let sentence = format!("no image is left for the {} split", ["training", "validation"][split]);
    Problem::error("empty-split", sentence)
}

/// What an import is of: the same files and options give the same key.
fn key_of(spec: &ImportSpec, tree: &Tree, samples: u64) -> String {
    let options = Options { skip: None, ..spec.options.clone() };
    let mut hasher = blake3::Hasher::new();
    let mut add = |text: &str| {
        hasher.update(text.as_bytes());
        hasher.update(&[0]);
    };
    add(&serde_json::to_string(&options).unwrap_or_default());
    for path in &spec.paths {
        let time = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        add(&format!("{} {time:?}", path.display()));
    }
    add(&format!("{samples} of {}", tree.entries.len()));
    for entry in tree.entries.iter().step_by(tree.entries.len().div_ceil(1000).max(1)) {
        add(&format!("{} {}", entry.name, tree.size(entry)));
    }
    hasher.finalize().to_hex().to_string()
}
