//! Splits that the names of all image files tell: `train_00001.jpg` and `test_00001.jpg` in one folder.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Problem;
use crate::images::{Named, named_split};
use crate::options::Options;
use crate::tree::{Entry, Tree};

/// The split that the first word of a name says, before a number.
fn told(entry: &Entry) -> Option<Named> {
    let stem = entry.stem();
    let word = &stem[..stem.find(|c: char| !c.is_alphabetic())?];
    stem[word.len()..].contains(|c: char| c.is_ascii_digit()).then(|| named_split(word)).flatten()
}

/// One for each image, where all names tell one, training among them, and a class is in several; with what is to be said of it.
pub fn of<'a>(tree: &Tree, images: impl Iterator<Item = (usize, Option<&'a String>)>) -> Option<(Vec<Option<Named>>, Problem)> {
    let (mut named, mut of_class) = (Vec::new(), BTreeMap::<&String, BTreeSet<Named>>::new());
    for (entry, class) in images {
        let split = told(&tree.entries[entry])?;
        named.push(Some(split));
        of_class.entry(class?).or_default().insert(split);
    }
    let splits: BTreeSet<Named> = of_class.values().flatten().copied().collect();
    if !splits.contains(&Named::Train) || !of_class.values().any(|splits| splits.len() > 1) {
        return None;
    }
    let share = Options { validation: Some(0.1), ..Options::default() };
    let note = Problem::note("split-names", "the names of the image files tell their splits (such as train_1 and test_1)");
    Some((named, note.with("split", "Take all together and keep 10 %", share)))
}
