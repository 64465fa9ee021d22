//! Folders of files of columns, and what is said of them.
#![allow(dead_code, clippy::unwrap_used)]

use std::path::Path;

use sdp_data::error::Problem;
use sdp_data::options::Options;
use tempfile::TempDir;

use crate::common::parquet::{self, ints, parquet};
use crate::common::{agreed, verdict_of, write};

pub const THREE: &str = r#"{"image":{"_type":"Image"},"label":{"names":["zebra","ant","bee"],"_type":"ClassLabel"}}"#;

pub fn folder(files: &[(&str, Vec<u8>)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, content)| write(folder.path(), name, content));
    folder
}

/// Images of these values with labels of as many numbers as classes are noted.
pub fn labelled(values: std::ops::Range<u8>, label: impl Fn(u8) -> i64) -> Vec<u8> {
    parquet(&[("image", parquet::images(values.clone())), ("label", ints(values.map(label)))], Some(THREE))
}

pub fn of(path: &Path) -> String {
    agreed(path, &Options::default())
}

pub fn problem(path: &Path, code: &str) -> Problem {
    let verdict = verdict_of(path, &Options::default());
    let found = verdict.problems.iter().find(|problem| problem.code == code);
    found.unwrap_or_else(|| panic!("no {code} in {:?}", verdict.problems)).clone()
}

pub fn buttons(problem: &Problem) -> Vec<&str> {
    problem.remedies.iter().map(|remedy| remedy.title.as_str()).collect()
}

/// Each button of a question leads to an import; what that has, one a line.
pub fn answers(path: &Path, code: &str) -> Vec<String> {
    let problem = problem(path, code);
    problem.remedies.iter().map(|remedy| format!("{}: {}", remedy.title, agreed(path, &remedy.options))).collect()
}

/// Lines of the account: how many of what.
pub fn account(path: &Path, options: &Options) -> Vec<String> {
    verdict_of(path, options).account.iter().map(|line| format!("{} {}", line.count, line.what)).collect()
}
