//! Equal images, by a hash of their files or pixels: within a class, with different labels, and in both splits. An import compares all of
//! them; an inspection as many as time allows, and says how many these were.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Error, Problem, Result};
use crate::images::{ImageSet, Raw, Split};
use crate::look::read_image;
use crate::options::{Duplicates, Options};
use crate::pipeline::num_threads;
use crate::text::until_enough;
use crate::tree::Tree;

/// Bytes of a key.
pub const KEY: usize = 16;

/// Equal for equal images; of what cannot be read it is 0.
pub type Key = [u8; KEY];

pub const NONE: Key = [0; KEY];

/// A hash of 64 bits beside the length: one that resists forgery would take a twentieth of an import.
pub fn key(content: &[u8]) -> Key {
    // An empty file is none that is there twice.
    if content.is_empty() {
        return NONE;
    }
    let mut key = NONE;
    key[..8].copy_from_slice(&rapidhash::v3::rapidhash_v3(content).to_le_bytes());
    key[8..].copy_from_slice(&(content.len() as u64).to_le_bytes());
    key
}

fn key_of(raw: &Raw, tree: &Tree) -> Key {
    match raw {
        Raw::Entry(entry) => read_image(tree, *entry).map_or(NONE, |bytes| key(&bytes)),
        Raw::Encoded(bytes) => key(bytes),
        Raw::Pixels(pixels) => key(&pixels.data),
        Raw::Bad(_) => NONE,
    }
}

/// Samples that are equal to others, each group in order.
pub fn groups(mut keys: Vec<(Key, u32)>) -> Vec<Vec<usize>> {
    keys.retain(|(key, _)| *key != NONE);
    keys.sort_unstable();
    let equal = keys.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1);
    equal.map(|group| group.iter().map(|(_, sample)| *sample as usize).collect()).collect()
}

/// Equal images among those that are used, and of how many images these are, where not of all.
struct Compared {
    groups: Vec<Vec<usize>>,
    of: Option<usize>,
}

fn compare(tree: &Tree, set: &ImageSet, time: Option<Duration>) -> Result<Compared> {
    let end = time.map(|time| Instant::now() + time);
    let is_late = || end.is_some_and(|end| Instant::now() > end);
    let used: Vec<usize> = (0..set.count()).filter(|&sample| set.is_used(sample)).collect();
    if used.first().is_some_and(|&first| set.content.entry(first).is_some()) {
        return Ok(compare_files(tree, set, &used, &is_late));
    }
    let (mut keys, mut at) = (Vec::new(), 0);
    until_enough(set.content.stream(tree, 0, &mut |raw| {
        if set.is_used(at) {
            keys.push((key_of(&raw, tree), at as u32));
        }
        at += 1;
        if is_late() { Err(Error::Cancelled) } else { Ok(()) }
    }))?;
    let of = Some(keys.len()).filter(|compared| *compared < used.len());
    Ok(Compared { groups: groups(keys), of })
}

/// Of files only those are read that have the size of another.
fn compare_files(tree: &Tree, set: &ImageSet, used: &[usize], is_late: &(dyn Fn() -> bool + Sync)) -> Compared {
    let mut of_size: HashMap<u64, Vec<u32>> = HashMap::new();
    let mut listed = 0;
    for &sample in used {
        if is_late() {
            break;
        }
        let Some(entry) = set.content.entry(sample) else { continue };
        of_size.entry(tree.size(&tree.entries[entry])).or_default().push(sample as u32);
        listed += 1;
    }
    let mut alike: Vec<Vec<u32>> = of_size.into_values().filter(|samples| samples.len() > 1).collect();
    alike.sort_unstable();
    let (next, keys, unread) = (AtomicUsize::new(0), Mutex::new(Vec::new()), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..num_threads() {
            scope.spawn(|| {
                while let Some(samples) = alike.get(next.fetch_add(1, Ordering::Relaxed)) {
                    for (at, &sample) in samples.iter().enumerate() {
                        if is_late() {
                            unread.fetch_add(samples.len() - at, Ordering::Relaxed);
                            break;
                        }
                        let Some(entry) = set.content.entry(sample as usize) else { continue };
                        let key = key_of(&Raw::Entry(entry), tree);
                        if let Ok(mut keys) = keys.lock() {
                            keys.push((key, sample));
                        }
                    }
                }
            });
        }
    });
    let compared = listed - unread.into_inner();
    Compared { groups: groups(keys.into_inner().unwrap_or_default()), of: Some(compared).filter(|compared| *compared < used.len()) }
}

/// Groups by what is wrong with them.
#[derive(Default)]
struct Sorted<'a> {
    /// Of different labels.
    conflicts: Vec<&'a Vec<usize>>,
    /// In both splits.
    leaks: Vec<&'a Vec<usize>>,
    within: Vec<&'a Vec<usize>>,
}

fn sorted<'a>(set: &ImageSet, groups: &'a [Vec<usize>]) -> Sorted<'a> {
    let mut sorted = Sorted::default();
    for group in groups {
        let differ = |of: &dyn Fn(usize) -> u32| group.iter().any(|&sample| of(sample) != of(group[0]));
        match () {
            () if differ(&|sample| set.labels[sample]) => sorted.conflicts.push(group),
            () if differ(&|sample| u32::from(set.splits[sample] == Split::Test)) => sorted.leaks.push(group),
            () => sorted.within.push(group),
        }
    }
    sorted
}

/// Leaves out what was chosen. With a time, only what is found in it.
pub fn leave_out(tree: &Tree, set: &mut ImageSet, options: &Options, time: Option<Duration>) -> Result<()> {
    let Some(chosen) = options.duplicates else { return Ok(()) };
    let Compared { groups, of } = compare(tree, set, time)?;
    let Sorted { conflicts, leaks, .. } = sorted(set, &groups);
    let mut out: Vec<usize> = conflicts.into_iter().flatten().copied().collect();
    let from = match chosen {
        Duplicates::Conflicts => None,
        Duplicates::Training => Some(Split::Train),
        Duplicates::Validation => Some(Split::Test),
    };
    out.extend(leaks.into_iter().flatten().copied().filter(|&sample| Some(set.splits[sample]) == from));
    out.iter().for_each(|&sample| set.splits[sample] = Split::Duplicate);
    set.problems.extend(part_compared(set, of));
    let sentence = format!("{} images that are there several times are left out, as chosen", out.len());
    set.problems.push(Problem::note("duplicates-left-out", sentence).counted(out.len() as u64));
    Ok(())
}

/// What an inspection says of them.
pub fn look(tree: &Tree, set: &ImageSet, time: Duration) -> Result<Vec<Problem>> {
    let Compared { groups, of } = compare(tree, set, Some(time))?;
    let mut problems = report(tree, set, &groups, of);
    problems.extend(part_compared(set, of));
    Ok(problems)
}

fn part_compared(set: &ImageSet, of: Option<usize>) -> Option<Problem> {
    let sentence = |compared| format!("{compared} of {} images were compared with each other; the import compares all", set.count());
    of.map(|compared| Problem::note("part-compared", sentence(compared)))
}

/// What is said of equal images; `of`: among how many, where not all were compared.
pub fn report(tree: &Tree, set: &ImageSet, groups: &[Vec<usize>], of: Option<usize>) -> Vec<Problem> {
    let Sorted { conflicts, leaks, within } = sorted(set, groups);
    let part = of.map_or(String::new(), |compared| format!(" (of the {compared} that were compared)"));
    let name = |sample: usize| {
        let place = set.content.place(tree, sample);
        place.row.map_or(place.file.clone(), |row| format!("{} row {row}", place.file))
    };
    let class = |sample: usize| set.class_names.get(set.labels[sample] as usize).map_or("none", String::as_str);
    let remedy = |duplicates| Options { duplicates: Some(duplicates), ..Options::default() };
    let places = |problem: Problem, groups: &[&Vec<usize>]| {
        groups.iter().copied().flatten().take(20).fold(problem, |problem, &sample| problem.at(set.content.place(tree, sample)))
    };
    let mut problems = Vec::new();
    if let Some(group) = conflicts.first() {
        let (first, count) = (group[0], conflicts.iter().map(|group| group.len()).sum::<usize>());
        let other = group.iter().copied().find(|&sample| set.labels[sample] != set.labels[first]).unwrap_or(first);
        let sentence = format!(
            "{count} images{part} are equal to one of another class, such as {} ({}) and {} ({})",
            name(first),
            class(first),
            name(other),
            class(other)
        );
        let problem = places(Problem::warning("conflicting-duplicates", sentence).counted(count as u64), &conflicts);
        problems.push(problem.with("skip", "Leave them out", remedy(Duplicates::Conflicts)));
    }
    if let Some(group) = leaks.first() {
        let is_validation = |sample: &&usize| set.splits[**sample] == Split::Test;
        let count = leaks.iter().flat_map(|group| group.iter()).filter(is_validation).count();
        let held = group.iter().find(is_validation).copied().unwrap_or(group[0]);
        let trained = group.iter().copied().find(|&sample| set.splits[sample] == Split::Train).unwrap_or(group[0]);
        let sentence = format!(
            "{count} validation images{part} are in the training split too, such as {} and {}; validation then measures what was learnt by heart",
            name(held),
            name(trained)
        );
        let problem = places(Problem::warning("leaked-duplicates", sentence).counted(count as u64), &leaks);
        let problem = problem.with("skip", "Take them out of training", remedy(Duplicates::Training));
        problems.push(problem.with("skip", "Take them out of validation", remedy(Duplicates::Validation)));
    }
    let again: usize = within.iter().map(|group| group.len() - 1).sum();
    if let Some(group) = within.first() {
        let sentence =
            format!("{again} images{part} are there again in their class and split, such as {} and {}", name(group[0]), name(group[1]));
        problems.push(places(Problem::note("duplicates", sentence).counted(again as u64), &within));
    }
    problems
}
