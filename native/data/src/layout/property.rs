//! Trees of folders with a known truth, as people lay them out: none is silently something else.

use super::*;
use crate::random::Random;

type Counts = BTreeMap<(Option<Named>, String), usize>;

/// A tree of images as people lay them out, and how many there are of each split and class; `None` where it has no single reading.
struct Made {
    images: Vec<String>,
    truth: Option<Counts>,
    /// With nothing that has no place.
    clean: bool,
}

const NAMES: [(Named, [&str; 7]); 3] = [
    (Named::Train, ["train", "Training", "seg_train", "1_train", "train2017", "TRAIN", "train_images"]),
    (Named::Validation, ["val", "Validation", "seg_val", "2_valid", "val2017", "VAL", "val_images"]),
    (Named::Test, ["test", "Test", "seg_test", "3_test", "test2017", "TEST", "test_images"]),
];
const CLASSES: [&str; 12] =
    ["cat", "dog", "bullet_train", "test_tube", "n01440764", "caf\u{e9}", "Elephant", "class 7", "0", "1", "trainer", "unknown"];

fn make(random: &mut Random) -> Made {
    let mut classes: Vec<&str> = CLASSES.to_vec();
    for at in 0..classes.len() {
        let other = at + random.below(classes.len() - at);
        classes.swap(at, other);
    }
    classes.truncate(2 + random.below(4));
    let kinds = [&[][..], &[0], &[0, 1], &[0, 2], &[0, 1, 2], &[1, 2]];
    let style = random.below(7);
    let splits: Vec<(Option<Named>, &str)> = match kinds[random.below(kinds.len())] {
        [] => vec![(None, "")],
        some => some.iter().map(|&kind| (Some(NAMES[kind].0), NAMES[kind].1[style])).collect(),
    };
    let root = random.one_of(&["", "", "data", "archive/set", "images"]);
    let class_first = random.chance(20) && splits[0].0.is_some();
    let (repeats, wraps, inner) = (random.chance(20), random.chance(15), random.chance(15));
    let decomposed = random.chance(50);
    let (mut images, mut truth) = (Vec::new(), Counts::new());
    for (at, (named, split)) in splits.iter().enumerate() {
        for class in &classes {
            let number = 1 + random.below(4);
            *truth.entry((*named, (*class).to_owned())).or_default() += number;
            // A system may have written one side decomposed.
            let class: String = if decomposed && at == 0 { class.nfd().collect() } else { (*class).to_owned() };
            let folders: Vec<&str> = match class_first {
                true => vec![root, &class, split, if inner { "images" } else { "" }],
                false => {
                    let repeated = if repeats { split } else { "" };
                    vec![root, split, repeated, if wraps { "images" } else { "" }, &class, if inner { "images" } else { "" }]
                }
            };
            let folder = folders.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
            images.extend((0..number).map(|_| folder.clone()));
        }
    }
    let mut made = Made { images, truth: Some(truth), clean: false };
    // Beside classes, a folder of pictures is a class.
    spoil(&mut made, root, random, splits[0].0.is_some() || wraps);
    made
}

/// Adds what has no place in the dataset, or a second dataset.
fn spoil(made: &mut Made, root: &str, random: &mut Random, above_classes: bool) {
    let below = |folder: &str| [root, folder].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
    match random.below(8) {
        0 => made.images.push(below("")),
        1 if above_classes => made.images.extend([below("docs"), below("docs")]),
        2 => made.images.extend([below("unlabeled"), below("test_unlabelled")]),
        3 => {
            let images = &made.images;
            let versions = ["color", "gray"].iter().flat_map(|version| images.iter().map(move |image| format!("{version}/{image}")));
            made.images = versions.collect();
            made.truth = None;
        }
        4 => {
            let copy: Vec<String> = made.images.iter().map(|image| format!("copy/{image}")).collect();
            made.images.extend(copy);
            made.truth = None;
        }
        _ => made.clean = true,
    }
}

#[test]
fn no_tree_is_silently_read_as_something_else() {
    let (mut clean, mut read_as_meant) = (0, 0);
    for seed in 0..10_000 {
        let made = make(&mut Random::seeded(seed));
        let images: Vec<Folders> = made.images.iter().map(|image| image.split('/').filter(|part| !part.is_empty()).collect()).collect();
        clean += usize::from(made.clean);
        let Ok(layout) = read(&images, &Options::default(), &|_| Place::default()) else { continue };
        if layout.problems.iter().any(|problem| problem.severity == crate::error::Severity::Error) && made.clean {
            eprintln!("{seed} {:?} {:?}", layout.problems[0].message, made.images);
        }
        if layout.problems.iter().any(|problem| problem.severity == crate::error::Severity::Error) {
            continue;
        }
        let mut found = Counts::new();
        for fate in layout.fates {
            if let Fate::Sample { split, class } = fate {
                *found.entry((split, class)).or_default() += 1;
            }
        }
        // A single split, whose folder may be above all, is no split.
        let merged = |counts: Counts| match counts.keys().map(|(split, _)| *split).collect::<BTreeSet<_>>().len() {
            1 => counts.into_iter().map(|((_, class), count)| ((None, class), count)).collect(),
            _ => counts,
        };
        assert_eq!(Some(merged(found)), made.truth.map(merged), "seed {seed}: {:?}", made.images);
        read_as_meant += usize::from(made.clean);
    }
    assert!(10 * read_as_meant > 9 * clean, "{read_as_meant} of {clean} that ask for nothing were read");
}
