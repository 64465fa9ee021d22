//! The shared parameter store: one mapped file with parameters, optimizer state, gradient slabs and the areas of evaluation.
//!
//! The main process creates it, every device process opens it. File: header page (magic, version, sizes, hash of the layout), control
//! block, layout as JSON, then areas, each from a page boundary on. Offsets in areas count scalars. Who may write what in which phase
//! is told in mapping.rs.

pub mod control;
pub mod mapping;
pub mod reports;
mod waiting;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering, fence};

use schemars::JsonSchema;
use serde::Serialize;

use crate::chunks::{CHUNK_SIZE, Chunk, Chunks};
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::optimizer::State;
use crate::process;
use crate::spec::number;
use control::Control;
use mapping::{Mapping, PAGE};

const MAGIC: &[u8; 8] = b"SDPSTORE";
const VERSION: u64 = 4;
/// In the header page, behind the header: length in bytes of whose it is, and that.
const OWNER_OFFSET: usize = 40;
const OWNER_WORDS: usize = (PAGE - OWNER_OFFSET) / 8 - 1;
/// Scalars that are worth a thread which copies them.
const COPIED: usize = 1 << 20;
const LAYOUT_OFFSET: usize = PAGE + size_of::<Control>().next_multiple_of(PAGE);

/// A float area of the store.
#[derive(Debug, Clone, Copy)]
pub enum Area {
    /// Parameters, then running statistics.
    Values,
    /// State of the optimizer, shaped as the parameters.
    Slot(usize),
    /// Statistics as last re-estimated, shaped as the buffers.
    Statistics,
    /// Gradients and updated statistics of what one worker holds.
    Slab(usize),
    /// Statistics of one batch.
    StatisticsRow(usize),
}

pub struct Store {
    layout: Layout,
    chunks: Chunks,
    path: PathBuf,
    places: Places,
    mapping: Mapping,
}

/// What a store says of itself, to whoever finds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StoreState {
    /// Whose it is; null where it is not filled.
    pub owner: Option<String>,
    /// Updates of the parameters that are done since it was filled, with the one that is in progress.
    #[serde(serialize_with = "number")]
    pub updates: u64,
    /// Numbers of the processes of participants that still live.
    pub processes: Vec<u32>,
}

impl StoreState {
    pub fn of(store: &Store) -> Self {
        let control = store.control();
        let updates = control.updates().unwrap_or_else(|| control.next_update());
        Self { owner: store.owner(), updates, processes: control.processes() }
    }
}

impl Store {
    /// Creates the file for a layout (JSON of a StoreLayout), filled with zeros.
    pub fn create(path: &Path, json: &str) -> Result<Self> {
        let layout = Layout::parse(json)?;
        let chunks = Chunks::of(&layout);
        let places = Places::of(&layout, &chunks, json.len());
        let mut mapping = Mapping::create(path, places.end)?;
        mapping.write_bytes(0, &header(json, places.end));
        mapping.write_bytes(LAYOUT_OFFSET, json.as_bytes());
        let store = Self { layout, chunks, path: path.into(), places, mapping };
        store.control().set_members(&(0..store.layout.num_participants).map(|member| (member, 1)).collect::<Vec<_>>());
        Ok(store)
    }

    /// Opens a store that another process (or this one) has created.
    pub fn open(path: &Path) -> Result<Self> {
        Self::of(Mapping::open(path)?, path)
    }

    /// Opens a store that others have left, and keeps others from it; `None` while somebody has it.
    pub fn take(path: &Path) -> Result<Option<Self>> {
        Mapping::take(path)?.map(|mapping| Self::of(mapping, path)).transpose()
    }

    /// A copy of values and optimizer state, which is all that a checkpoint is written from, in memory of this process alone. Call while nobody
    /// writes these. Fails where the system refuses the addresses.
    pub fn copy(&self, threads: usize) -> Result<Self> {
        let layout = self.layout.clone();
        let (chunks, json_len) = (Chunks::of(&layout), u64_at(self.mapping.bytes(0..40), 16) as usize);
        let (places, mapping) = (Places::of(&layout, &chunks, json_len), Mapping::private(self.places.end)?);
        let copy = Self { layout, chunks, path: self.path.clone(), places, mapping };
        for area in std::iter::once(Area::Values).chain(self.slots()) {
            let (from, to) = (self.read(area, 0..self.size(area)), copy.write(area, 0..self.size(area)));
            let part = self.size(area).div_ceil(threads.max(1)).next_multiple_of(COPIED).max(COPIED);
            std::thread::scope(|scope| {
                for (from, to) in from.chunks(part).zip(to.chunks_mut(part)) {
                    scope.spawn(|| to.copy_from_slice(from));
                }
            });
        }
        Ok(copy)
    }

    /// Bytes that a copy takes, and its files, but for their headers.
    pub fn copy_bytes(&self) -> u64 {
        size_of::<f32>() as u64 * (self.layout.values_size + self.layout.optimizer_slots.len() * self.layout.parameter_size) as u64
    }

    fn of(mapping: Mapping, path: &Path) -> Result<Self> {
        let damaged = || Error::Storage(format!("{} is not a parameter store of this version", path.display()));
        let head = (mapping.size() >= LAYOUT_OFFSET).then(|| mapping.bytes(0..40)).ok_or_else(damaged)?;
        let json_len = u64_at(head, 16) as usize;
        let json = LAYOUT_OFFSET.checked_add(json_len).filter(|end| *end <= mapping.size()).ok_or_else(damaged)?;
        let json = std::str::from_utf8(mapping.bytes(LAYOUT_OFFSET..json)).map_err(|_| damaged())?;
        if head != header(json, mapping.size()) {
            return Err(damaged());
        }
        let layout = Layout::parse(json)?;
        let chunks = Chunks::of(&layout);
        let places = Places::of(&layout, &chunks, json_len);
        if places.end != mapping.size() {
            return Err(damaged());
        }
        Ok(Self { layout, chunks, path: path.into(), places, mapping })
    }

    /// Of the optimizer's state.
    pub fn slots(&self) -> impl Iterator<Item = Area> + use<> {
        (0..self.layout().optimizer_slots.len()).map(Area::Slot)
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    pub fn chunks(&self) -> &Chunks {
        &self.chunks
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn control(&self) -> &Control {
        self.mapping.control(PAGE)
    }

    /// Says whose it is, once it is filled: a text that means nothing here. One that is too long is left out.
    pub fn set_owner(&self, owner: &str) {
        let words = self.mapping.words(OWNER_OFFSET, 1 + OWNER_WORDS);
        if owner.len() > 8 * OWNER_WORDS {
            return;
        }
        for (word, bytes) in words[1..].iter().zip(owner.as_bytes().chunks(8)) {
            let mut whole = [0; 8];
            whole[..bytes.len()].copy_from_slice(bytes);
            word.store(u64::from_le_bytes(whole), Ordering::Relaxed);
        }
        words[0].store(owner.len() as u64, Ordering::Release);
    }

    /// What was said last; `None` before.
    pub fn owner(&self) -> Option<String> {
        let words = self.mapping.words(OWNER_OFFSET, 1 + OWNER_WORDS);
        let len = words[0].load(Ordering::Acquire) as usize;
        let bytes: Vec<u8> = words[1..].iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect();
        String::from_utf8(bytes.get(..len)?.to_vec()).ok().filter(|owner| !owner.is_empty())
    }

    /// Part of an area that nobody writes in this phase.
    pub fn read(&self, area: Area, range: Range<usize>) -> &[f32] {
        self.mapping.floats(self.offset(area, &range), range.len())
    }

    /// Part of an area that only the caller uses in this phase.
    #[allow(clippy::mut_from_ref)]
    pub fn write(&self, area: Area, range: Range<usize>) -> &mut [f32] {
        self.mapping.floats_mut(self.offset(area, &range), range.len())
    }

    /// Address of part of an area, to be bound by a session.
    pub fn address(&self, area: Area, range: Range<usize>) -> *mut f32 {
        self.mapping.address(self.offset(area, &range), range.len())
    }

    /// Addresses of an area, in whole pages.
    pub fn region(&self, area: Area) -> Range<usize> {
        let size = self.size(area);
        let start = self.address(area, 0..size) as usize;
        start..start + (size_of::<f32>() * size).next_multiple_of(PAGE)
    }

    /// Begins to count anew what of it this process uses.
    pub fn release(&self) {
        self.mapping.release();
    }

    /// How much of an area this process has in memory, in bytes.
    pub fn resident(&self, area: Area) -> u64 {
        let start = self.address(area, 0..self.size(area)) as usize;
        process::resident_part(start..start + size_of::<f32>() * self.size(area))
    }

    /// Sums of squares of the averaged gradient, one per chunk of parameters.
    pub fn set_square_sum(&self, chunk: usize, sum: f64) {
        self.words(&self.places.square_sums)[chunk].store(sum.to_bits(), Ordering::Relaxed);
    }

    /// Global L2 norm of the averaged gradient: square sums added in chunk order.
    pub fn gradient_norm(&self) -> f64 {
        let sum = |sum: f64, word: &AtomicU64| sum + f64::from_bits(word.load(Ordering::Relaxed));
        self.words(&self.places.square_sums).iter().fold(0.0, sum).sqrt()
    }

    /// Square sums of a chunk of gradients: of the mean, and of each holder in their order. Between `begin_norms` and the barrier.
    pub fn set_norms(&self, chunk: &Chunk, mean: f64, holders: impl Iterator<Item = f64>) {
        for (word, sum) in self.words(&self.places.norms)[chunk.norms..].iter().zip(std::iter::once(mean).chain(holders)) {
            word.store(sum.to_bits(), Ordering::Relaxed);
        }
    }

    /// What `set_norms` has left for a chunk with `holders` holders; under `read_norms` of the control block.
    pub fn norms(&self, chunk: &Chunk, holders: usize) -> impl Iterator<Item = f64> {
        let words = &self.words(&self.places.norms)[chunk.norms..=chunk.norms + holders];
        words.iter().map(|word| f64::from_bits(word.load(Ordering::Relaxed)))
    }

    /// Number of the update that a chunk was last part of; 0: of none.
    pub fn updated(&self, chunk: usize) -> u64 {
        self.words(&self.places.updated)[chunk].load(Ordering::Acquire)
    }

    /// A chunk has been updated, behind `commit` of its last piece where it is one of parameters.
    pub fn set_updated(&self, chunk: usize, update: u64) {
        self.words(&self.places.updated)[chunk].store(update, Ordering::Release);
    }

    /// Parameters and optimizer state of part of a chunk.
    pub fn state(&self, range: &Range<usize>) -> State<&[f32]> {
        self.parts(|area, _| self.read(area, range.clone()))
    }

    /// Where a hand puts what a piece of a chunk is to become. That of the piece before is still there.
    pub fn draft(&self, hand: usize, piece: usize, len: usize) -> State<&mut [f32]> {
        let first = (2 * hand + piece % 2) * (1 + self.layout.optimizer_slots.len());
        self.parts(|_, part| self.mapping.floats_mut(self.places.drafts.start + 4 * PIECE_SIZE * (first + part), len))
    }

    /// A piece of a chunk of parameters becomes what its draft is; the pieces before it have. From the mark on the process may die: `redo`
    /// does it then.
    pub fn commit(&self, hand: usize, index: usize, piece: usize, update: u64) {
        self.words(&self.places.marks)[hand].store(mark_of(index, piece, update), Ordering::Release);
        // No write to the piece may come before the mark.
        fence(Ordering::Release);
        let range = self.piece(index, piece);
        let draft = self.draft(hand, piece, range.len());
        let state = self.parts(|area, _| self.write(area, range.clone()));
        state.into_iter().zip(draft).for_each(|(to, from)| to.copy_from_slice(from));
    }

    /// Commits the pieces that were being committed when their processes died. `update`: the one that was in progress. Returns hand, chunk,
    /// and the piece that comes next.
    pub fn redo(&self, update: u64) -> Vec<(usize, usize, usize)> {
        let torn = |(hand, mark): (usize, &AtomicU64)| {
            let mark = mark.load(Ordering::Acquire);
            let (index, piece) = (mark as u32 as usize / PIECES, mark as usize % PIECES);
            (mark == mark_of(index, piece, update) && self.updated(index) != update).then_some((hand, index, piece))
        };
        let found: Vec<_> = self.words(&self.places.marks).iter().enumerate().filter_map(torn).collect();
        found.iter().for_each(|&(hand, index, piece)| self.commit(hand, index, piece, update));
        found.into_iter().map(|(hand, index, piece)| (hand, index, piece + 1)).collect()
    }

    /// Where a piece of a chunk lies in its areas.
    pub fn piece(&self, index: usize, piece: usize) -> Range<usize> {
        let chunk = &self.chunks.all[index];
        chunk.offset + piece * PIECE_SIZE..chunk.offset + chunk.len.min((piece + 1) * PIECE_SIZE)
    }

    /// Of values and of each slot that there is.
    fn parts<T: Default>(&self, part: impl Fn(Area, usize) -> T) -> State<T> {
        std::array::from_fn(|index| match index {
            0 => part(Area::Values, 0),
            _ if index > self.layout.optimizer_slots.len() => T::default(),
            _ => part(Area::Slot(index - 1), index),
        })
    }

    /// Notes the loss of a worker in a step, and the checksum of its samples. The notes of the last `NOTED` steps stay.
    pub fn note_worker(&self, step: u64, worker: usize, loss: f32, samples: u32) {
        self.note(step, 1 + worker).store(noted(step) | u64::from(loss.to_bits()), Ordering::Relaxed);
        self.note(step, 1 + self.layout.num_workers + worker).store(noted(step) | u64::from(samples), Ordering::Relaxed);
    }

    /// Notes the norm of the averaged gradient of a step, rounded to float32.
    pub fn note_norm(&self, step: u64, norm: f64) {
        self.note(step, 0).store(noted(step) | u64::from((norm as f32).to_bits()), Ordering::Relaxed);
    }

    /// What was noted of a step: the norm of its gradient, then the loss of each worker, then the checksum of each one's samples; not a number
    /// where nothing was.
    pub fn notes(&self, step: u64) -> impl Iterator<Item = f64> {
        let num_workers = self.layout.num_workers;
        (0..notes_of_step(num_workers)).map(move |at| {
            let word = self.note(step, at).load(Ordering::Relaxed);
            match word as u32 {
                _ if word >> 32 != noted(step) >> 32 => f64::NAN,
                samples if at > num_workers => samples.into(),
                bits => f32::from_bits(bits).into(),
            }
        })
    }

    fn note(&self, step: u64, at: usize) -> &AtomicU64 {
        &self.words(&self.places.notes)[(step as usize % NOTED) * notes_of_step(self.layout.num_workers) + at]
    }

    /// Sum of losses and number of right answers of an evaluation batch.
    pub fn set_result(&self, batch: usize, loss_sum: f64, correct: u64) {
        let words = &self.words(&self.places.results)[2 * batch..];
        words[0].store(loss_sum.to_bits(), Ordering::Relaxed);
        words[1].store(correct, Ordering::Relaxed);
    }

    pub fn result(&self, batch: usize) -> (f64, u64) {
        let words = &self.words(&self.places.results)[2 * batch..];
        (f64::from_bits(words[0].load(Ordering::Relaxed)), words[1].load(Ordering::Relaxed))
    }

    fn words(&self, place: &Place) -> &[AtomicU64] {
        self.mapping.words(place.start, place.size)
    }

    /// Scalars of an area.
    pub fn size(&self, area: Area) -> usize {
        match area {
            Area::Slot(_) => self.layout.parameter_size,
            Area::Statistics | Area::StatisticsRow(_) => self.layout.buffer_size(),
            Area::Values => self.layout.values_size,
            Area::Slab(worker) => self.layout.slab_sizes[worker],
        }
    }

    /// Byte offset of a range of an area.
    fn offset(&self, area: Area, range: &Range<usize>) -> usize {
        let (place, index) = match area {
            Area::Values => (&self.places.values, 0),
            Area::Slot(index) => (&self.places.slots, index),
            Area::Statistics => (&self.places.statistics, 0),
            Area::Slab(worker) => (&self.places.slabs[worker], 0),
            Area::StatisticsRow(row) => (&self.places.rows, row),
        };
        let (size, start) = (self.size(area), index * self.size(area));
        assert!(range.end <= size && start + size <= place.size, "range {range:?} of {area:?}");
        place.start + 4 * (start + range.start)
    }
}

/// Scalars of a chunk that change at a time: they and their drafts stay in the first-level cache.
pub const PIECE_SIZE: usize = 1024;
const PIECES: usize = CHUNK_SIZE / PIECE_SIZE;

/// Steps of which the store has notes.
const NOTED: usize = 1024;

fn notes_of_step(num_workers: usize) -> usize {
    1 + 2 * num_workers
}

/// What tells the notes of one step from those of another; never 0.
fn noted(step: u64) -> u64 {
    (step + 1) << 32
}

/// Updates count from 1, so it is never 0.
fn mark_of(chunk: usize, piece: usize, update: u64) -> u64 {
    (update << 32) | (chunk * PIECES + piece) as u64
}

/// Start in bytes, and size in scalars or words.
struct Place {
    start: usize,
    size: usize,
}

struct Places {
    values: Place,
    slots: Place,
    statistics: Place,
    slabs: Vec<Place>,
    square_sums: Place,
    norms: Place,
    /// Of each chunk, its last update.
    updated: Place,
    /// Of each hand, the piece that it has committed last, and of which update.
    marks: Place,
    /// Of each hand, what two pieces in turn are to become: values and each slot.
    drafts: Place,
    /// Of the last steps: norm of the gradient, and loss of each worker.
    notes: Place,
    rows: Place,
    results: Place,
    end: usize,
}

impl Places {
    fn of(layout: &Layout, chunks: &Chunks, json_len: usize) -> Self {
        let hands = layout.num_participants * chunks.hands();
        let mut end = (LAYOUT_OFFSET + json_len).next_multiple_of(PAGE);
        let mut place = |size: usize, scalar: usize| {
            let start = end;
            end += (size * scalar).next_multiple_of(PAGE);
            Place { start, size }
        };
        Self {
            values: place(layout.values_size, 4),
            slots: place(layout.optimizer_slots.len() * layout.parameter_size, 4),
            statistics: place(layout.buffer_size(), 4),
            slabs: layout.slab_sizes.iter().map(|&size| place(size, 4)).collect(),
            square_sums: place(chunks.parameters, 8),
            norms: place(chunks.norms, 8),
            updated: place(chunks.all.len(), 8),
            marks: place(hands, 8),
            drafts: place(2 * hands * PIECE_SIZE * (1 + layout.optimizer_slots.len()), 4),
            notes: place(NOTED * notes_of_step(layout.num_workers), 8),
            rows: place(layout.statistics_batches * layout.buffer_size(), 4),
            results: place(2 * layout.evaluation_batches, 8),
            end,
        }
    }
}

fn header(json: &str, size: usize) -> [u8; 40] {
    let mut bytes = [0; 40];
    bytes[..8].copy_from_slice(MAGIC);
    for (index, word) in [VERSION, json.len() as u64, fnv1a(json.as_bytes()), size as u64].into_iter().enumerate() {
        bytes[8 + 8 * index..16 + 8 * index].copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

/// FNV-1a, 64 bits: tells a damaged layout apart, no more is asked of it.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
