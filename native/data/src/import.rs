//! The import itself: streamed, on all cores, in bounded memory, told of on the way, cancellable, and taken up again where it was cut off.
//!
//! The result depends on the files and the options alone: samples are written in the order of the source whatever the threads do, and an
//! import that was killed goes on behind the last mark of its journal. Who calls gives a folder that is only named when it is complete.

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sdp_tokenizer::Tokenizer;
use serde::{Deserialize, Serialize};

use crate::account::Line;
use crate::duplicates::{self, KEY, Key};
use crate::error::{Error, NOT_LOOKED_AT, Place, Problem, Result, Severity, refuse};
use crate::images::{ImageSet, Raw, Split};
use crate::look::{ImagePlan, bad_image, look, to_pixels};
use crate::moments::Moments;
use crate::options::{Options, Storage, TokenType};
use crate::pipeline::in_order;
use crate::recognise::{self, Content, Found};
use crate::store::{self, ArrayWriter, Marker, ShardPosition, ShardWriter, Target, Written};
use crate::text::{Beside, TextSet};
use crate::tokens::{Largest, TokenSet};
use crate::tree::{Scratch, Tree};

/// Text that a tokenizer is trained on at most, bytes.
const TRAINED_ON: usize = 256 << 20;

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
    pub format: crate::options::Format,
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

fn import_images(
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
        let sentence = format!("no image is left for the {} split", ["training", "validation"][empty]);
        return Err(Problem::error("empty-split", sentence).into());
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

#[derive(Serialize, Deserialize)]
struct TextJournal {
    key: String,
    /// Batches of text that were gone through.
    batches: u64,
    written: [u64; 2],
    largest: Option<(u32, String, u64)>,
}

/// The tokenizer that the options choose; a trained one is kept in the folder, so that an import that goes on takes the same.
pub fn choose_tokenizer(spec: &ImportSpec, tree: &Tree, set: &TextSet, trained_on: usize) -> Result<(String, Tokenizer)> {
    let kept = spec.target.folder.join("tokenizer.json");
    let loaded = |name: String, json: &[u8]| match Tokenizer::load(json) {
        Ok(tokenizer) => Ok((name, tokenizer)),
        Err(why) => refuse("bad-tokenizer", format!("{name} {why}"), Place::file(name)),
    };
    match (spec.options.tokenizer.as_deref(), set.tokenizer) {
        (Some("bpe"), _) => match fs::read(&kept) {
            Ok(json) => loaded("bpe".into(), &json),
            Err(_) => Ok(("bpe".into(), train_tokenizer(spec, tree, set, trained_on)?)),
        },
        (Some("bytes"), _) | (None, None) => Ok(("bytes".into(), Tokenizer::Bytes)),
        (Some(path), _) => {
            let unreadable =
                |error: std::io::Error| Problem::error("missing-file", format!("{path} cannot be read: {}", crate::tree::reason(&error)));
            loaded(path.to_owned(), &fs::read(path).map_err(unreadable)?)
        }
        (None, Some(Beside::Json(at))) => loaded(tree.display(&tree.entries[at]), &tree.read_all(&tree.entries[at], 1 << 30)?),
        (None, Some(Beside::Gpt2 { vocabulary, merges })) => {
            let name = tree.display(&tree.entries[vocabulary]);
            let read = |at: usize| tree.read_all(&tree.entries[at], 1 << 28);
            Tokenizer::gpt2(&read(vocabulary)?, &read(merges)?)
                .map(|tokenizer| (name.clone(), tokenizer))
                .or_else(|why| refuse("bad-tokenizer", format!("{name} {why}"), Place::file(name.clone())))
        }
    }
}

/// A split without a sequence.
pub fn too_few_tokens(train: u64, test: u64) -> Problem {
    let sentence = format!("the text leaves {train} tokens for training and {test} for validation; 2 are needed at least");
    let remedy = Options { validation: Some(0.3), ..Options::default() };
    Problem::error("too-few-tokens", sentence).with("split", "Keep 30 % for validation", remedy)
}

/// A tokenizer's objection to a text.
pub fn bad_text(why: String) -> Error {
    Problem::error("bad-tokenizer", format!("the tokenizer {why}; choose another one")).into()
}

fn train_tokenizer(spec: &ImportSpec, tree: &Tree, set: &TextSet, most: usize) -> Result<Tokenizer> {
    let (send, receive) = std::sync::mpsc::sync_channel::<String>(16);
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let mut read = 0;
            crate::text::until_enough(set.pieces(tree, &spec.options, &mut |piece, _| {
                if !piece.test {
                    read += piece.text.len();
                    send.send(piece.text).map_err(|_| Error::Cancelled)?;
                }
                if read < most { Ok(()) } else { Err(Error::Cancelled) }
            }))
        });
        let trained = Tokenizer::train(spec.options.vocabulary.unwrap_or(4096) as usize, receive.into_iter());
        reader.join().unwrap_or_else(|_| Err(Error::Internal("panic while reading text".into())))?;
        trained.map_err(bad_text)
    })
}

/// Batches of text of about this size go to a core together, bytes.
const TEXT_BATCH: usize = 1 << 18;

fn import_text(
    spec: &ImportSpec,
    tree: &Tree,
    set: &TextSet,
    progress: &Progress,
    marker: &mut Marker,
    problems: &mut Vec<Problem>,
) -> Result<Imported> {
    progress.is_text.store(true, Ordering::Relaxed);
    progress.total.store(set.bytes, Ordering::Relaxed);
    let key = key_of(spec, tree, set.bytes);
    let kept = store::resume(&spec.target, |journal: &TextJournal| journal.key == key);
    let (name, tokenizer) = choose_tokenizer(spec, tree, set, TRAINED_ON)?;
    if let Some(json) = tokenizer.json() {
        fs::write(spec.target.folder.join("tokenizer.json"), json).map_err(|error| spec.target.failed(&error))?;
    }
    progress.check()?;
    let vocabulary = tokenizer.vocabulary() as u64;
    let kind = if vocabulary <= 1 << 16 { TokenType::Uint16 } else { TokenType::Uint32 };
    let mut writer = TokenWriter::open(spec, key, kept, kind)?;
    let from = writer.journal.batches;
    let produce = |hand: &mut dyn FnMut((Vec<crate::text::Piece>, u64)) -> Result<()>| {
        let (mut number, mut size, mut waiting, mut through) = (0, 0, Vec::new(), 0);
        set.pieces(tree, &spec.options, &mut |piece, at| {
            size += piece.text.len() + 1;
            through = at;
            waiting.push(piece);
            if size < TEXT_BATCH {
                return Ok(());
            }
            let batch = std::mem::take(&mut waiting);
            (size, number) = (0, number + 1);
            if number > from { hand((batch, at)) } else { Ok(()) }
        })?;
        if waiting.is_empty() || number < from { Ok(()) } else { hand((waiting, through)) }
    };
    let work = |(pieces, at): (Vec<crate::text::Piece>, u64)| {
        progress.check()?;
        let mut tokens: [Vec<u32>; 2] = Default::default();
        for piece in pieces {
            let target = &mut tokens[usize::from(piece.test)];
            target.extend(tokenizer.encode(&piece.text).map_err(bad_text)?);
            target.extend(tokenizer.end().filter(|_| piece.last));
        }
        Ok((tokens, at))
    };
    in_order(produce, work, |(tokens, at)| {
        progress.check()?;
        progress.done.store(at, Ordering::Relaxed);
        for (split, tokens) in tokens.iter().enumerate() {
            writer.append(split, tokens)?;
        }
        writer.next_batch(marker)
    })?;
    problems.append(&mut set.told());
    let largest = Largest { token: (vocabulary - 1) as u32, file: format!("the tokenizer ({name})"), position: vocabulary - 1 };
    writer.finish(OutcomeContent::Tokens { vocabulary, largest, tokenizer: name })
}

fn import_tokens(
    spec: &ImportSpec,
    tree: &Tree,
    set: &TokenSet,
    progress: &Progress,
    marker: &mut Marker,
    problems: &mut Vec<Problem>,
) -> Result<Imported> {
    progress.is_text.store(true, Ordering::Relaxed);
    let bytes = set.kind.bytes() as u64;
    progress.total.store((set.train + set.test) * bytes, Ordering::Relaxed);
    let key = key_of(spec, tree, set.train);
    let kept = store::resume(&spec.target, |journal: &TextJournal| journal.key == key);
    let mut writer = TokenWriter::open(spec, key, kept, set.kind)?;
    let (from, mut number, mut done) = (writer.journal.batches, 0, 0);
    set.chunks(tree, &mut |tokens, test, place| {
        progress.check()?;
        number += 1;
        done += tokens.len() as u64 * bytes;
        progress.done.store(done, Ordering::Relaxed);
        if number <= from {
            return Ok(());
        }
        writer.note_largest(&tokens, place);
        writer.append(usize::from(test), &tokens)?;
        writer.next_batch(marker)
    })?;
    let largest = writer.largest();
    let (tokenizer, vocabulary) = match set.tokenizer(tree, u64::from(largest.token) + 1)? {
        Ok(Some((name, tokenizer))) => {
            let json = tokenizer.json().unwrap_or_default();
            fs::write(spec.target.folder.join("tokenizer.json"), json).map_err(|error| spec.target.failed(&error))?;
            (name, tokenizer.vocabulary() as u64)
        }
        Ok(None) => ("tokens".into(), u64::from(largest.token) + 1),
        Err(unfit) => {
            problems.push(unfit);
            ("tokens".into(), u64::from(largest.token) + 1)
        }
    };
    writer.finish(OutcomeContent::Tokens { vocabulary, largest, tokenizer })
}

/// Both token files, with the journal.
struct TokenWriter {
    arrays: [ArrayWriter; 2],
    kind: TokenType,
    journal: TextJournal,
}

impl TokenWriter {
    fn open(spec: &ImportSpec, key: String, kept: Option<TextJournal>, kind: TokenType) -> Result<Self> {
        let journal = kept.unwrap_or(TextJournal { key, batches: 0, written: [0; 2], largest: None });
        let array = |split: usize| {
            ArrayWriter::open(&spec.target, &format!("{}/tokens.npy", SPLITS[split]), kind.descr(), &[], journal.written[split])
        };
        let arrays = [array(0)?, array(1)?];
        // From here on the tokenizer beside it is the one to go on with.
        store::write_journal(&spec.target, &journal)?;
        Ok(Self { arrays, kind, journal })
    }

    fn append(&mut self, split: usize, tokens: &[u32]) -> Result<()> {
        let bytes: Vec<u8> = match self.kind {
            TokenType::Uint16 => tokens.iter().flat_map(|&token| (token as u16).to_le_bytes()).collect(),
            TokenType::Uint32 => tokens.iter().flat_map(|&token| token.to_le_bytes()).collect(),
        };
        self.arrays[split].append(&bytes)
    }

    fn note_largest(&mut self, tokens: &[u32], place: Place) {
        for (at, &token) in tokens.iter().enumerate() {
            if self.journal.largest.as_ref().is_none_or(|(largest, ..)| token > *largest) {
                self.journal.largest = Some((token, place.file.clone(), place.row.unwrap_or(0) + at as u64));
            }
        }
    }

    fn next_batch(&mut self, marker: &mut Marker) -> Result<()> {
        self.journal.batches += 1;
        if !marker.is_due() {
            return Ok(());
        }
        let mut files = Vec::new();
        for (split, array) in self.arrays.iter_mut().enumerate() {
            files.push(array.flushed()?);
            self.journal.written[split] = array.count;
        }
        marker.mark(files, &self.journal)
    }

    /// Of the tokens that were noted; of none a token 0.
    fn largest(&self) -> Largest {
        let (token, file, position) = self.journal.largest.clone().unwrap_or_default();
        Largest { token, file, position }
    }

    fn finish(self, content: OutcomeContent) -> Result<Imported> {
        let [train, test] = self.arrays;
        let counts = (train.count, test.count);
        let fingerprint = store::fingerprint(&[train.finish()?, test.finish()?]);
        if counts.0.min(counts.1) < 2 {
            return Err(too_few_tokens(counts.0, counts.1).into());
        }
        Ok(Imported { train: counts.0, test: counts.1, content, fingerprint })
    }
}
