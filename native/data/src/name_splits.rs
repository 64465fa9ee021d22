//! Splits that the names of all image files tell at one place: `train_00001.jpg` and `test_00001.jpg`, `cat_000_test.png`.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Problem;
use crate::images::{Named, named_split};
use crate::options::Options;
use crate::tree::{Entry, Tree};

/// Words of a name behind the first or the last that may tell the split.
const PLACES: usize = 6;

/// The splits that the words of a name say, from its beginning and from its end.
fn told(entry: &Entry) -> Vec<Option<Named>> {
    let name = entry.file_name();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    // A name that begins with a split and has no number is a class's: `test_tube.png`.
    let words: Vec<&str> = stem.split(|c: char| !c.is_alphanumeric()).filter(|_| stem.contains(|c: char| c.is_ascii_digit())).collect();
    let said = |word: Option<&&str>| {
        let word = word?.trim_end_matches(|c: char| c.is_ascii_digit());
        named_split(word).filter(|_| word.chars().all(char::is_alphabetic))
    };
    let from_end = |place: usize| words.len().checked_sub(place + 1).and_then(|at| words.get(at));
    (0..PLACES).map(|place| said(words.get(place))).chain((0..PLACES).map(|place| said(from_end(place)))).collect()
}

/// One for each image, where all names tell one at the same place, training among them, and a class is in several; with what is to be said of it.
pub fn of<'a>(tree: &Tree, images: impl Iterator<Item = (usize, Option<&'a String>)>) -> Option<(Vec<Option<Named>>, Problem)> {
    let images: Vec<(usize, Option<&String>)> = images.collect();
    let mut places = [true; 2 * PLACES];
    for (entry, _) in &images {
        places.iter_mut().zip(told(&tree.entries[*entry])).for_each(|(all, said)| *all &= said.is_some());
        if !places.contains(&true) {
            return None;
        }
    }
    let place = places.iter().position(|all| *all)?;
    let (mut named, mut of_class) = (Vec::new(), BTreeMap::<&String, BTreeSet<Named>>::new());
    for (entry, class) in images {
        let split = told(&tree.entries[entry])[place]?;
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
