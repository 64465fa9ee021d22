//! Text that was imported, read back token by token.

use std::path::Path;

use sdp_data::error::Problem;
use sdp_data::inspect::Verdict;
use sdp_data::options::{Format, Options};
use tempfile::TempDir;

use super::{try_import, verdict_of, write};

/// Text of both splits, with ¶ at each end of a document.
pub fn landed(path: &Path, options: &Options) -> (String, String) {
    let verdict = verdict_of(path, options);
    assert!(verdict.importable, "{}: {:?}", path.display(), verdict.problems);
    assert_eq!(verdict.format.as_ref().map(|format| format.id), Some(Format::Text));
    let imported = try_import(&[path.to_owned()], options.clone()).unwrap();
    assert_eq!((verdict.train, verdict.test), (imported.outcome.train, imported.outcome.test));
    let text = |split: &str| {
        let tokens = imported.tokens(split);
        let bytes = tokens.split(|token| *token == 256).map(|part| part.iter().map(|token| *token as u8).collect::<Vec<u8>>());
        bytes.map(|part| String::from_utf8(part).unwrap()).collect::<Vec<_>>().join("¶")
    };
    (text("train"), text("test"))
}

/// With a validation file, so that all of the rest is for training.
pub fn trained(path: &Path, options: &Options) -> String {
    landed(path, options).0
}

pub fn problem<'a>(verdict: &'a Verdict, code: &str) -> &'a Problem {
    verdict.problems.iter().find(|problem| problem.code == code).unwrap_or_else(|| panic!("{code}: {:?}", verdict.problems))
}

pub fn titles(problem: &Problem) -> Vec<&str> {
    problem.remedies.iter().map(|remedy| remedy.title.as_str()).collect()
}

/// A remedy leads to an import.
pub fn remedied(path: &Path, problem: &Problem, title: &str) -> (String, String) {
    let remedy = problem.remedies.iter().find(|remedy| remedy.title == title).unwrap_or_else(|| panic!("{title}: {:?}", titles(problem)));
    landed(path, &remedy.options)
}

pub fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, content)| write(folder.path(), name, content));
    folder
}
