//! Import of images: decoded on all cores, written in their order, with a journal from which it goes on.

use std::fs::{self, File};
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use super::{ImportSpec, Imported, OutcomeContent, PerClass, Progress, SPLITS, empty_split, key_of};
use crate::duplicates::{self, KEY, Key};
use crate::error::{Problem, Result, Severity};
use crate::images::{ImageSet, Raw, Split};
use crate::look::{ImagePlan, bad_image, look, to_pixels};
use crate::moments::Moments;
use crate::options::{Options, Storage};
use crate::pipeline::in_order;
use crate::recognise;
use crate::store::{self, ArrayWriter, Marker, ShardPosition, ShardWriter, Target};
use crate::tree::Tree;

#[derive(Serialize, Deserialize)]
struct ImageJournal {
    key: String,
    plan: ImagePlan,
    /// Samples of the source that were gone through.
    next: usize,
    written: [u64; 2],
    shards: [ShardPosition; 2],
    skipped: Vec<usize>,
    moments: Moments,
    /// Samples whose keys were written.
    keys: u64,
}

enum Images {
    Array(ArrayWriter),
    Shards(ShardWriter),
}

/// Both files of a split.
struct SplitWriter {
    labels: ArrayWriter,
    images: Images,
}

impl SplitWriter {
    fn open(target: &Target, split: usize, journal: &ImageJournal) -> Result<Self> {
        let ImagePlan { storage, channels, height, width } = journal.plan;
        let (name, count) = (SPLITS[split], journal.written[split]);
        let images = match storage {
            Storage::Array => {
                Images::Array(ArrayWriter::open(target, &format!("{name}/images.npy"), "|u1", &[channels, height, width], count)?)
            }
            Storage::Encoded => Images::Shards(ShardWriter::open(target, name, count, journal.shards[split])?),
        };
        Ok(Self { labels: ArrayWriter::open(target, &format!("{name}/labels.npy"), "<i8", &[], count)?, images })
    }

    fn append(&mut self, batch: &SplitBatch) -> Result<()> {
        match &mut self.images {
            Images::Array(array) => array.append(&batch.bytes)?,
            Images::Shards(shards) => {
                let mut rest = batch.bytes.as_slice();
                for &length in &batch.lengths {
                    let (image, behind) = rest.split_at(length);
                    shards.append(image)?;
                    rest = behind;
                }
            }
        }
        self.labels.append(&batch.labels)
    }

    /// Its files with all samples so far in them, and where the next encoded image goes.
    fn flushed(&mut self) -> Result<(Vec<File>, ShardPosition)> {
        let labels = self.labels.flushed()?;
        let (mut files, position) = match &mut self.images {
            Images::Array(array) => (vec![array.flushed()?], ShardPosition::default()),
            Images::Shards(shards) => (shards.flushed()?, shards.position),
        };
        files.push(labels);
        Ok((files, position))
    }

    /// Returns the hashes of its files' content.
    fn finish(self) -> Result<Vec<blake3::Hash>> {
        let mut hashes = vec![self.labels.finish()?];
        match self.images {
            Images::Array(array) => hashes.push(array.finish()?),
            Images::Shards(shards) => hashes.extend(shards.finish()?),
        }
        Ok(hashes)
    }
}

/// What a batch adds to the files of a split.
#[derive(Default)]
struct SplitBatch {
    /// Images one behind the other, as they are stored.
    bytes: Vec<u8>,
    /// Of each image.
    lengths: Vec<usize>,
    /// int64
    labels: Vec<u8>,
}

/// Samples that were worked on.
struct Worked {
    splits: [SplitBatch; 2],
    moments: Moments,
    /// Samples that cannot be read, and why.
    bad: Vec<(usize, String)>,
    /// `duplicates::Key` of each.
    keys: Vec<u8>,
    /// The sample behind the last.
    next: usize,
}

/// Returns what was written, and the samples that were left out.
pub(super) fn import_images(
    spec: &ImportSpec,
    tree: &Tree,
    set: &ImageSet,
    progress: &Progress,
    marker: &mut Marker,
    problems: &mut Vec<Problem>,
) -> Result<(Imported, Vec<usize>)> {
    let key = key_of(spec, tree, set.count() as u64);
    let mut journal = match store::resume(&spec.target, |journal: &ImageJournal| journal.key == key) {
        Some(journal) => journal,
        None => fresh_journal(spec, tree, set, key, problems)?,
    };
    let plan = journal.plan;
    let mut writers = [SplitWriter::open(&spec.target, 0, &journal)?, SplitWriter::open(&spec.target, 1, &journal)?];
    progress.total.store(set.count() as u64, Ordering::Relaxed);
    let batch = ((1 << 19) / (plan.channels * plan.height * plan.width).max(1)).clamp(1, 64);
    let mut keys = ArrayWriter::open(&spec.target, KEYS, "|u1", &[KEY], journal.keys)?;
    let from = journal.next;
    let produce = |hand: &mut dyn FnMut(Vec<(usize, Raw)>) -> Result<()>| {
        let (mut sample, mut waiting) = (from, Vec::with_capacity(batch));
        set.content.stream(tree, from, &mut |raw| {
            if set.is_used(sample) {
                waiting.push((sample, raw));
            }
            sample += 1;
            if waiting.len() == batch { hand(std::mem::take(&mut waiting)) } else { Ok(()) }
        })?;
        if waiting.is_empty() { Ok(()) } else { hand(waiting) }
    };
    let work = |batch: Vec<(usize, Raw)>| {
        progress.check()?;
        let moments = Moments::new(plan.channels);
        let mut worked = Worked { splits: Default::default(), moments, bad: Vec::new(), keys: Vec::new(), next: 0 };
        for (sample, raw) in batch {
            let is_test = set.splits[sample] == Split::Test;
            let stored = &mut worked.splits[usize::from(is_test)];
            let seen = if is_test { None } else { Some(&mut worked.moments) };
            let mut key = duplicates::NONE;
            match store_image(tree, raw, plan, &spec.options, &mut stored.bytes, seen, &mut key) {
                Ok(length) => {
                    stored.lengths.push(length);
                    stored.labels.extend(i64::from(set.labels[sample]).to_le_bytes());
                }
                Err(why) => worked.bad.push((sample, why)),
            }
            worked.keys.extend(key);
            worked.next = sample + 1;
        }
        Ok(worked)
    };
    in_order(produce, work, |worked| {
        progress.check()?;
        for (sample, why) in worked.bad {
            let place = set.content.place(tree, sample);
            if !spec.options.skips() {
                let problem = Problem::error("unreadable-image", bad_image(&place, &why)).at(place);
                return Err(problem.skippable("Leave such images out").into());
            }
            journal.skipped.push(sample);
            progress.skipped.store(journal.skipped.len() as u64, Ordering::Relaxed);
        }
        for (writer, batch) in writers.iter_mut().zip(&worked.splits) {
            writer.append(batch)?;
        }
        keys.append(&worked.keys)?;
        journal.moments.add(&worked.moments);
        journal.next = worked.next;
        progress.done.store(journal.next as u64, Ordering::Relaxed);
        if marker.is_due() { mark(marker, &mut journal, &mut writers, &mut keys) } else { Ok(()) }
    })?;
    let counts = [writers[0].labels.count, writers[1].labels.count];
    let [train, test] = writers;
    let fingerprint = store::fingerprint(&[train.finish()?, test.finish()?].concat());
    if let Some(empty) = counts.iter().position(|count| *count == 0) {
        return Err(empty_split(empty).into());
    }
    if !journal.skipped.is_empty() {
        let sentence = format!("{} images that cannot be read were left out", journal.skipped.len());
        let problem = Problem::warning("unreadable-image", sentence).counted(journal.skipped.len() as u64);
        problems.retain(|problem| problem.code != "unreadable-image");
        problems.push(journal.skipped.iter().take(20).fold(problem, |problem, &sample| problem.at(set.content.place(tree, sample))));
    }
    problems.append(&mut equal_images(spec, tree, set, keys)?);
    let (mean, std) = journal.moments.statistics();
    let sample = [plan.channels, plan.height, plan.width];
    let [train, test] = [Split::Train, Split::Test].map(|split| set.per_class_without(split, &journal.skipped));
    let samples_per_class = PerClass { train, test };
    let (classes, class_names) = (set.class_names.len(), set.class_names.clone());
    let content = OutcomeContent::Images { classes, class_names, sample, storage: plan.storage, mean, std, samples_per_class };
    Ok((Imported { train: counts[0], test: counts[1], content, fingerprint }, journal.skipped))
}

/// While images are imported, the keys of all so far, [n,16].
const KEYS: &str = "keys.npy";

/// What there is to say of equal images, from the keys of all that were imported.
fn equal_images(spec: &ImportSpec, tree: &Tree, set: &ImageSet, keys: ArrayWriter) -> Result<Vec<Problem>> {
    keys.finish()?;
    let path = spec.target.folder.join(KEYS);
    let bytes = fs::read(&path).and_then(|bytes| fs::remove_file(&path).map(|()| bytes)).map_err(|error| spec.target.failed(&error))?;
    let rows = bytes.get(store::HEADER as usize..).unwrap_or_default().as_chunks::<KEY>().0;
    let samples = (0..set.count()).filter(|&sample| set.is_used(sample));
    let keys: Vec<(Key, u32)> = rows.iter().copied().zip(samples.map(|sample| sample as u32)).collect();
    Ok(duplicates::report(tree, set, &duplicates::groups(keys), None))
}

fn fresh_journal(spec: &ImportSpec, tree: &Tree, set: &ImageSet, key: String, problems: &mut Vec<Problem>) -> Result<ImageJournal> {
    let mut look = look(tree, set, &spec.options, None)?;
    recognise::settle(&mut look.problems, &spec.options);
    problems.append(&mut look.problems);
    if let Some(problem) = problems.iter().find(|problem| problem.severity == Severity::Error) {
        return Err(problem.clone().into());
    }
    let moments = Moments::new(look.plan.channels);
    Ok(ImageJournal { key, plan: look.plan, next: 0, written: [0; 2], shards: Default::default(), skipped: Vec::new(), moments, keys: 0 })
}

/// Appends an image as it is stored to `bytes`; returns its length, sets its key, and for training counts its pixels in.
fn store_image(
    tree: &Tree,
    raw: Raw,
    plan: ImagePlan,
    options: &Options,
    bytes: &mut Vec<u8>,
    moments: Option<&mut Moments>,
    key: &mut Key,
) -> std::result::Result<usize, String> {
    let (pixels, encoded) = to_pixels(tree, raw, options, Some(key))?;
    let pixels = pixels.with_channels(plan.channels);
    let before = bytes.len();
    match plan.storage {
        Storage::Array => {
            pixels.resized(plan.height, plan.width, options.resizing()).append_planes(bytes);
            moments.into_iter().for_each(|moments| moments.add_planes(&bytes[before..]));
        }
        Storage::Encoded => {
            moments.into_iter().for_each(|moments| moments.add_planes(&pixels.planes()));
            // A source of raw pixels has files of a size: PNG keeps them exactly.
            bytes.extend(encoded.unwrap_or_else(|| pixels.png()));
        }
    }
    Ok(bytes.len() - before)
}

fn mark(marker: &mut Marker, journal: &mut ImageJournal, writers: &mut [SplitWriter; 2], keys: &mut ArrayWriter) -> Result<()> {
    // Not waited for: what is lost of them with the power says nothing of equal images.
    keys.flushed()?;
    journal.keys = keys.count;
    let mut files = Vec::new();
    for (split, writer) in writers.iter_mut().enumerate() {
        let (of_split, position) = writer.flushed()?;
        files.extend(of_split);
        journal.shards[split] = position;
        journal.written[split] = writer.labels.count;
    }
    marker.mark(files, journal)
}
