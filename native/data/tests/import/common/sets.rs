//! Folders of images beside files that tell their labels, and what is found in them.
#![allow(dead_code, clippy::unwrap_used)]

use sdp_data::inspect::Verdict;
use sdp_data::options::Options;

use crate::common::{self, agreed, png, verdict_of, write};

/// A folder with an image for each name, and other files.
pub fn folder(images: &[String], files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    images.iter().enumerate().for_each(|(i, name)| write(folder.path(), name, png(i as u8)));
    files.iter().for_each(|(name, content)| write(folder.path(), name, content));
    folder
}

pub fn many(pattern: &str, count: usize) -> Vec<String> {
    (0..count).map(|i| pattern.replace('#', &i.to_string())).collect()
}

/// Rows `pattern` with `#` the number and `@` the label, in turn.
pub fn rows(header: &str, pattern: &str, range: std::ops::Range<usize>, labels: &[&str]) -> String {
    let row = |i: usize| format!("{}\n", pattern.replace('#', &i.to_string()).replace('@', labels[i % labels.len()]));
    format!("{header}{}{}", if header.is_empty() { "" } else { "\n" }, range.map(row).collect::<String>())
}

pub fn texts<'a>(files: &[(&'a str, &str)]) -> Vec<(&'a str, Vec<u8>)> {
    files.iter().map(|(name, text)| (*name, text.as_bytes().to_vec())).collect()
}

/// What is found, and what it becomes with each of the choices that are offered.
pub fn check(images: &[String], files: &[(&str, &str)], expected: &str) -> Verdict {
    check_bytes(images, &texts(files), expected)
}

pub fn check_bytes(images: &[String], files: &[(&str, Vec<u8>)], expected: &str) -> Verdict {
    let folder = folder(images, files);
    let verdict = verdict_of(folder.path(), &Options::default());
    assert_eq!(agreed(folder.path(), &Options::default()), expected, "{:?}", verdict.problems);
    verdict
}

/// As `check`, with what each remedy of the errors leads to, by its title.
pub fn asked(images: &[String], files: &[(&str, &str)], code: &str, answers: &[(&str, &str)]) {
    let folder = folder(images, &texts(files));
    let verdict = verdict_of(folder.path(), &Options::default());
    assert_eq!(common::found(&verdict), code, "{:?}", verdict.problems);
    let problem = verdict.problems.iter().find(|problem| code.split(' ').any(|code| code == problem.code)).unwrap();
    let found: Vec<(&str, String)> =
        problem.remedies.iter().map(|remedy| (remedy.title.as_str(), agreed(folder.path(), &remedy.options))).collect();
    let found: Vec<(&str, &str)> = found.iter().map(|(title, found)| (*title, found.as_str())).collect();
    assert_eq!(found, answers, "{}", problem.message);
}
