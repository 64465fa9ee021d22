//! Files that tell the splits of images whose labels other files tell: CelebA's `list_eval_partition.txt`, tables of an image and a split.

use std::collections::{BTreeSet, HashMap};

use super::index::{Found, Index};
use super::reading::{Sample, located};
use super::{Image, LabelFile};
use crate::account::{Account, Unit};
use crate::column_splits::Told;
use crate::error::{Place, Problem, Result};
use crate::images::Named;
use crate::tree::{Entry, Tree};

/// CelebA's numbers of splits.
pub fn is_numbered(entry: &Entry) -> bool {
    entry.stem().to_lowercase().contains("eval_partition")
}

/// What such files tell.
pub struct Known {
    /// By entries of images.
    splits: HashMap<usize, Named>,
    /// One of the files.
    list: usize,
}

/// The splits that the files tell together; none where they tell nothing that is known.
pub fn read(
    tree: &Tree,
    index: &Index,
    files: &[LabelFile],
    (account, problems): (&mut Account, &mut Vec<Problem>),
) -> Result<Option<Known>> {
    let mut known: Option<Known> = None;
    for file in files {
        let (mut here, mut strange): (HashMap<usize, Named>, BTreeSet<String>) = Default::default();
        let mut missing = 0;
        for (row, found) in located(tree, file, index)? {
            let named = match (row.split, file.named) {
                (Told::Split(Some(named)), _) | (Told::Unsaid, Some(named)) => named,
                (Told::Strange(text), _) if strange.len() < 3 => {
                    strange.insert(text);
                    continue;
                }
                _ => continue,
            };
            match found {
                Found::One(entry) => {
                    here.insert(entry, named);
                }
                Found::All(entries) => here.extend(entries.into_iter().map(|entry| (entry, named))),
                // A person's folders, in each class.
                Found::Several(entries) if matches!(row.image, Image::Below(_)) => {
                    here.extend(entries.into_iter().map(|entry| (entry, named)));
                }
                Found::Several(_) | Found::None => missing += 1,
            }
        }
        let shown = tree.display(&tree.entries[file.entry]);
        if !strange.is_empty() {
            let values = strange.into_iter().collect::<Vec<_>>().join(", ");
            let sentence = format!("{shown} tells of splits by values that are not known ({values}) and is not used");
            problems.push(Problem::warning("unknown-split", sentence).at(tree.place(&tree.entries[file.entry])));
            account.leave_out(tree, file.entry, "lists of splits that are not known");
            continue;
        }
        if missing > 0 {
            let sentence = format!("{shown} tells the splits of {missing} images that are not here, or in several folders");
            problems.push(Problem::warning("missing-file", sentence).counted(missing).at(tree.place(&tree.entries[file.entry])));
        }
        if here.is_empty() {
            account.leave_out(tree, file.entry, "lists of splits of other images");
            continue;
        }
        let known = known.get_or_insert_with(|| Known { splits: HashMap::new(), list: file.entry });
        if let Some((entry, _)) = here.iter().find(|(entry, named)| known.splits.get(*entry).is_some_and(|other| other != *named)) {
            let (image, other) = (tree.display(&tree.entries[*entry]), tree.display(&tree.entries[known.list]));
            let sentence = format!("{shown} and {other} tell different splits of {image}; keep the one that counts");
            return Err(Problem::error("which-splits", sentence).at(tree.place(&tree.entries[file.entry])).into());
        }
        known.splits.extend(here);
        account.use_as(tree, file.entry, "lists of splits");
        problems.extend(file.notes.iter().cloned());
        file.used.iter().for_each(|(column, what)| account.add(Unit::Columns, true, what, column));
    }
    if let Some(known) = known.as_ref().filter(|known| !known.has_training()) {
        let list = tree.display(&tree.entries[known.list]);
        let sentence = format!("{list} tells no training images; all that no list names are for training");
        problems.push(Problem::note("rest-is-training", sentence).at(tree.place(&tree.entries[known.list])));
    }
    Ok(known)
}

impl Known {
    fn has_training(&self) -> bool {
        self.splits.values().any(|named| *named == Named::Train)
    }

    /// As the files tell them.
    pub fn told(&self, entries: impl Iterator<Item = usize>) -> Vec<Option<Named>> {
        entries.map(|entry| self.splits.get(&entry).copied()).collect()
    }

    /// The file that is named in messages.
    pub fn shown(&self, tree: &Tree) -> String {
        tree.display(&tree.entries[self.list])
    }

    /// Of all images that are given. Lists of evaluation alone leave the others for training.
    pub fn of(&self, entries: impl Iterator<Item = usize>) -> Vec<Option<Named>> {
        let rest = (!self.has_training()).then_some(Named::Train);
        entries.map(|entry| self.splits.get(&entry).copied().or(rest)).collect()
    }

    /// Speaks of images that have no split.
    pub fn without(&self, tree: &Tree, count: usize) -> Problem {
        let list = tree.display(&tree.entries[self.list]);
        let sentence = format!("{count} images have no split in {list}, which tells those of the others");
        Problem::error("unknown-split", sentence).counted(count as u64).skippable("Leave these images out")
    }
}

/// Gives the samples the splits that the files tell, where nothing else tells of splits. Images that they do not name are left out.
pub fn apply(
    tree: &Tree,
    index: &Index,
    files: &[LabelFile],
    samples: &mut Vec<Sample>,
    (account, problems): (&mut Account, &mut Vec<Problem>),
) -> Result<()> {
    if samples.iter().any(|sample| sample.named.is_some()) {
        files.iter().for_each(|file| account.leave_out(tree, file.entry, "lists of splits beside labels with splits"));
        return Ok(());
    }
    let Some(known) = read(tree, index, files, (&mut *account, &mut *problems))? else { return Ok(()) };
    let named = known.of(samples.iter().map(|sample| sample.entry));
    samples.iter_mut().zip(named).for_each(|(sample, named)| sample.named = named);
    let without: Vec<Sample> = samples.extract_if(.., |sample| sample.named.is_none()).collect();
    without.iter().for_each(|sample| account.leave_out(tree, sample.entry, "images without a split"));
    if !without.is_empty() {
        let place = |sample: &Sample| Place::row(tree.display(&tree.entries[sample.file]), sample.row);
        problems.push(without.iter().take(20).fold(known.without(tree, without.len()), |problem, sample| problem.at(place(sample))));
    }
    Ok(())
}
