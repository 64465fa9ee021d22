//! Inspects and imports into a temporary folder, and reads back what was written.
#![allow(dead_code, clippy::unwrap_used)]

pub mod columns;
pub mod parquet;
pub mod sets;
pub mod texts;

use std::path::{Path, PathBuf};

use sdp_data::error::{Error, Problem, Result};
use sdp_data::import::{ImportSpec, Outcome, Progress, import};
use sdp_data::inspect::{Verdict, inspect};
use sdp_data::options::Options;
use sdp_data::store::Target;
use tempfile::TempDir;

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/datasets")
}

pub struct Imported {
    pub folder: TempDir,
    pub outcome: Outcome,
}

pub fn target(folder: &Path) -> Target {
    Target { folder: folder.to_owned(), shown: folder.to_owned() }
}

pub fn try_import(paths: &[PathBuf], options: Options) -> Result<Imported> {
    let folder = tempfile::tempdir().unwrap();
    let spec = ImportSpec { paths: paths.to_vec(), options, target: target(&folder.path().join("set")) };
    let outcome = import(&spec, &Progress::default())?;
    Ok(Imported { folder, outcome })
}

pub fn import_fixture(name: &str, options: Options) -> Imported {
    try_import(&[fixtures().join(name)], options).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub fn verdict_of(path: &Path, options: &Options) -> Verdict {
    let folder = tempfile::tempdir().unwrap();
    let verdict = inspect(&[path.to_owned()], options, folder.path().join("scratch")).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "an inspection leaves nothing");
    verdict
}

/// The problem that an import ends with.
pub fn refusal(path: &Path, options: Options) -> Problem {
    match try_import(&[path.to_owned()], options) {
        Err(Error::Data(problem)) => *problem,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("{} was imported", path.display()),
    }
}

impl Imported {
    /// Shape and data of an array, checked against its header.
    pub fn array(&self, name: &str) -> (Vec<usize>, Vec<u8>) {
        let file = std::fs::read(self.folder.path().join("set").join(name)).unwrap();
        let header = String::from_utf8_lossy(&file[10..128]).into_owned();
        let shape = header.split("'shape': (").nth(1).unwrap().split(')').next().unwrap();
        let shape = shape.split(',').filter(|extent| !extent.trim().is_empty()).map(|extent| extent.trim().parse().unwrap()).collect();
        (shape, file[128..].to_vec())
    }

    pub fn labels(&self, split: &str) -> Vec<i64> {
        let (_, bytes) = self.array(&format!("{split}/labels.npy"));
        bytes.as_chunks::<8>().0.iter().map(|word| i64::from_le_bytes(*word)).collect()
    }

    pub fn tokens(&self, split: &str) -> Vec<u32> {
        let (_, bytes) = self.array(&format!("{split}/tokens.npy"));
        bytes.as_chunks::<2>().0.iter().map(|word| u32::from(u16::from_le_bytes(*word))).collect()
    }

    /// Everything that was written, by name.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let read =
            |file: &sdp_data::store::Written| (file.path.clone(), std::fs::read(self.folder.path().join("set").join(&file.path)).unwrap());
        self.outcome.files.iter().map(read).collect()
    }
}

/// Image `i` of testdata/datasets/make.py as [C,H,W].
pub fn image(i: usize, channels: usize, height: usize, width: usize) -> Vec<u8> {
    let at = |c: usize, y: usize, x: usize| ((37 * i + 5 * y + 3 * x + 11 * c) % 256) as u8;
    (0..channels).flat_map(|c| (0..height).flat_map(move |y| (0..width).map(move |x| at(c, y, x)))).collect()
}

pub fn images(samples: impl IntoIterator<Item = usize>, channels: usize, height: usize, width: usize) -> Vec<u8> {
    samples.into_iter().flat_map(|i| image(i, channels, height, width)).collect()
}

pub fn labels(samples: impl IntoIterator<Item = usize>) -> Vec<i64> {
    samples.into_iter().map(|i| (i % 3) as i64).collect()
}

/// A small image, each value its own.
pub fn png(value: u8) -> Vec<u8> {
    sdp_data::pixels::Pixels { height: 2, width: 2, channels: 1, data: vec![value; 4] }.png()
}

pub fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// Class names with their training and validation samples, where it can be imported, else the codes of the errors.
pub fn found(verdict: &Verdict) -> String {
    if !verdict.importable {
        let errors = verdict.problems.iter().filter(|problem| problem.severity == sdp_data::error::Severity::Error);
        return errors.map(|problem| problem.code).collect::<Vec<_>>().join(" ");
    }
    let Some(sdp_data::inspect::Looked::Images { classes, .. }) = &verdict.content else { panic!("no images") };
    classes.iter().map(|class| format!("{} {}+{}", class.name, class.train, class.test)).collect::<Vec<_>>().join(", ")
}

/// What a verdict says was found; an import must say the same or refuse with it.
pub fn agreed(path: &Path, options: &Options) -> String {
    let verdict = verdict_of(path, options);
    let found = found(&verdict);
    match try_import(&[path.to_owned()], options.clone()) {
        Ok(imported) => {
            let sdp_data::import::OutcomeContent::Images { class_names, samples_per_class, .. } = imported.outcome.content else {
                panic!("tokens")
            };
            let counts = samples_per_class.train.iter().zip(&samples_per_class.test);
            let written: Vec<String> =
                class_names.iter().zip(counts).map(|(name, (train, test))| format!("{name} {train}+{test}")).collect();
            assert_eq!(found, written.join(", "), "{}", path.display());
        }
        Err(error) => assert!(!verdict.importable, "{}: {error}", path.display()),
    }
    found
}

/// An archive of these files.
pub fn zip(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ::zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in members {
        zip.start_file(*name, ::zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut zip, content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}
