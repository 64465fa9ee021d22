//! What is said of a layout that was read: images without a place, the levels of classes and splits, folders that say nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::{BESIDE_CLASSES, BESIDE_SPLITS, Fate, Layout, Tree, speaks_of_split};
use crate::error::{Place, Problem};
use crate::options::Options;

impl Layout {
    /// Images without a place, by reason, with their folders.
    pub(super) fn tell_strays(&mut self, tree: &Tree, place: &dyn Fn(usize) -> Place) {
        for why in [BESIDE_SPLITS, BESIDE_CLASSES] {
            let strays: Vec<usize> = tree.kept.iter().copied().filter(|&image| self.fates[image] == Fate::Stray(why)).collect();
            if strays.is_empty() {
                continue;
            }
            let folders: BTreeSet<String> = strays.iter().map(|&image| tree.images[image].join("/")).collect();
            let shown: Vec<String> = folders.iter().take(3).map(|folder| format!("{folder:?}")).collect();
            let more = if folders.len() > 3 { ", ..." } else { "" };
            let sentence = format!("{} {why} have no label; they lie in {}{more}", strays.len(), shown.join(", "));
            let problem = strays.iter().take(20).fold(Problem::error("no-label", sentence), |problem, &image| problem.at(place(image)));
            self.problems.push(problem.counted(strays.len() as u64).skippable("Leave these images out"));
        }
    }

    /// Where classes and splits come from, and which folders say nothing.
    pub(super) fn tell_levels(&mut self, tree: &Tree) {
        let level = self.class_level;
        let splits = self.split_level.map_or(String::new(), |level| {
            let names: Vec<&str> = tree.names(level).into_iter().filter(|name| speaks_of_split(name)).take(6).collect();
            format!(", splits from level {} ({})", level + 1, names.join(", "))
        });
        let classes: BTreeSet<&String> =
            self.fates.iter().filter_map(|fate| if let Fate::Sample { class, .. } = fate { Some(class) } else { None }).collect();
        let shown: Vec<&str> = classes.iter().take(3).map(|name| name.as_str()).collect();
        let more = if classes.len() > 3 { ", ..." } else { "" };
        let sentence = format!("classes are made from the folders of level {} ({}{more}){splits}", level + 1, shown.join(", "));
        self.problems.push(Problem::note("folder-levels", sentence));
        self.tell_same_names(tree);
        let is_sample = |image: &usize| matches!(self.fates[*image], Fate::Sample { .. });
        let samples = Tree { images: tree.images, kept: tree.kept.iter().copied().filter(is_sample).collect() };
        let below = (level + 1..samples.depth()).find(|level| samples.names(*level).len() > 1);
        let deeper: BTreeSet<&str> = below.map(|level| samples.names(level)).unwrap_or_default();
        if let Some(below) = below.filter(|_| self.split_level.is_none_or(|split| split < level)) {
            let sentence = format!(
                "{} folders below those of the classes, such as {:?}, make no difference",
                deeper.len(),
                deeper.first().unwrap_or(&"")
            );
            let mut problem = Problem::note("unused-level", sentence).counted(deeper.len() as u64);
            if samples.kept.iter().all(|&image| tree.folder(image, below).is_some()) {
                problem =
                    problem.with("choose", "Make classes of them", Options { class_level: Some(below as u32 + 1), ..Options::default() });
            }
            self.problems.push(problem);
        }
    }

    /// Folders of one name in several others are one class.
    fn tell_same_names(&mut self, tree: &Tree) {
        let mut parents: BTreeMap<&str, BTreeSet<Vec<&str>>> = BTreeMap::new();
        for image in tree.folders() {
            if let Some(class) = tree.folder(image, self.class_level) {
                let is_split = |level: usize, name: &str| Some(level) == self.split_level || speaks_of_split(name);
                let above = tree.images[image][..self.class_level].iter().enumerate().filter(|(level, name)| !is_split(*level, name));
                parents.entry(class).or_default().insert(above.map(|(_, name)| *name).collect());
            }
        }
        parents.retain(|_, parents| parents.len() > 1);
        let Some((class, folders)) = parents.first_key_value() else { return };
        let shown = folders.iter().take(3).map(|folders| folders.join("/")).collect::<Vec<_>>().join(", ");
        let more = if folders.len() > 3 { ", ..." } else { "" };
        let sentence = format!(
            "{} classes are made of folders of one name in several others, such as {class:?} in {shown}{more}; rename the folders where they \
             are different classes",
            parents.len()
        );
        self.problems.push(Problem::warning("same-class", sentence).counted(parents.len() as u64));
    }
}
