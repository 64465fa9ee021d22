//! A dataset of images as an importer found it: labels, splits and class names in memory, the images themselves as a stream.

use std::collections::BTreeMap;

use crate::account::Account;
use crate::error::{Place, Problem, Result};
use crate::options::Options;
use crate::pixels::Pixels;
use crate::sampling;
use crate::tree::Tree;

/// A sample whose label the files do not tell.
pub const NO_LABEL: u32 = u32::MAX;

/// One image as it comes from its file.
pub enum Raw {
    /// Entry of the tree: the file is read by whoever decodes it.
    Entry(usize),
    /// Content of an image file.
    Encoded(Vec<u8>),
    Pixels(Pixels),
    /// What cannot be read, and why: the end of a sentence.
    Bad(String),
}

/// Takes samples; fails when no more are wanted.
pub type Hand<'a> = dyn FnMut(Raw) -> Result<()> + 'a;

/// Where the images of a format come from. Sample numbers run from 0 as in `ImageSet::labels`.
pub trait Content: Send + Sync {
    /// Hands over the samples from `from` on, in order.
    fn stream(&self, tree: &Tree, from: usize, hand: &mut Hand) -> Result<()>;
    fn place(&self, tree: &Tree, sample: usize) -> Place;
    /// Entry of a sample that is a file of its own.
    fn entry(&self, _sample: usize) -> Option<usize> {
        None
    }
    /// Samples that are known to be unreadable, and why.
    fn unreadable(&self) -> Vec<(usize, String)> {
        Vec::new()
    }
    /// Says what files are used as or left out for, other than those that are a sample each.
    fn account(&self, _tree: &Tree) -> Account {
        Account::default()
    }
    /// The options with what the files decided.
    fn inferred(&self, options: Options) -> Options {
        options
    }
    /// Size of all images, where the files say it once for all.
    fn shape(&self) -> Option<[usize; 3]> {
        None
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    Train,
    Test,
    /// Of a third split, which is neither trained nor evaluated on.
    Unused,
    /// Equal to another sample, and left out as chosen.
    Duplicate,
    /// What the files tell is no split that is known.
    Strange,
}

/// Where a sample lies: `parts` are entries of the tree and their numbers of samples, which follow one another.
pub fn place_among(tree: &Tree, parts: impl Iterator<Item = (usize, usize)>, sample: usize) -> Place {
    let mut first = 0;
    for (entry, count) in parts {
        if sample < first + count {
            return Place::row(tree.display(&tree.entries[entry]), sample - first);
        }
        first += count;
    }
    Place::default()
}

pub struct ImageSet {
    /// Index: label.
    pub class_names: Vec<String>,
    /// One per sample.
    pub labels: Vec<u32>,
    /// One per sample; empty where the files know no splits.
    pub splits: Vec<Split>,
    pub content: Box<dyn Content>,
    pub columns: Vec<String>,
    pub problems: Vec<Problem>,
}

impl ImageSet {
    pub fn count(&self) -> usize {
        self.labels.len()
    }

    /// For training or validation.
    pub fn is_used(&self, sample: usize) -> bool {
        matches!(self.splits[sample], Split::Train | Split::Test) && self.labels[sample] != NO_LABEL
    }

    /// Gives every sample a split: that of the files, or a share of each class for validation.
    pub fn split(&mut self, options: &Options) {
        let has = |split| self.splits.contains(&split);
        if has(Split::Test) && has(Split::Train) && options.validation.is_none() {
            return;
        }
        let share = options.validation_share();
        let only_test = has(Split::Test) && !has(Split::Train);
        let percent = (share * 1000.0).round() / 10.0;
        let sentence = match has(Split::Test) {
            false => format!(
                "the files have no validation split; {percent} % of each class, at least one image of two or more, are kept for validation"
            ),
            true if only_test => {
                format!(
                    "the files have no training split; all are taken together, and {percent} % of each class, at least one image of two or more, are kept for validation"
                )
            }
            true => format!(
                "all files are taken together, and {percent} % of each class, at least one image of two or more, are kept for validation, as chosen"
            ),
        };
        let other = if share < 0.15 { 0.2 } else { 0.1 };
        let remedy = Options { validation: Some(other), ..Options::default() };
        self.problems.push(Problem::note("no-validation", sentence).with("split", format!("Keep {} %", other * 100.0), remedy));
        let seed = options.seed.unwrap_or(0);
        let shared = sampling::stratified(&self.labels, self.class_names.len(), share, seed);
        let before = std::mem::replace(&mut self.splits, shared);
        let is_told = |(label, split): (&u32, &Split)| *label == NO_LABEL && *split == Split::Strange;
        let told: Vec<bool> = self.labels.iter().zip(&before).map(is_told).collect();
        self.splits.iter_mut().zip(told).filter(|(_, told)| *told).for_each(|(split, _)| *split = Split::Strange);
    }

    /// What becomes of every file; `unreadable` are samples, in order.
    pub fn account(&self, tree: &Tree, unreadable: &[usize]) -> Account {
        let mut account = self.content.account(tree);
        for sample in 0..self.count() {
            let (used, what) = match self.splits[sample] {
                _ if unreadable.binary_search(&sample).is_ok() => (false, "images that cannot be read"),
                _ if self.labels[sample] == NO_LABEL => (false, "images without a label"),
                Split::Train => (true, "training images"),
                Split::Test => (true, "validation images"),
                Split::Unused => (false, "images of a test split beside a validation split"),
                Split::Duplicate => (false, "images that are there several times"),
                Split::Strange => (false, "images of a split that is not known"),
            };
            match self.content.entry(sample) {
                Some(entry) if used => account.use_as(tree, entry, what),
                Some(entry) => account.leave_out(tree, entry, what),
                None => account.samples(used, what, 1),
            }
        }
        account
    }

    /// Samples per class of a split.
    pub fn per_class(&self, split: Split) -> Vec<u64> {
        let mut counts = vec![0; self.class_names.len()];
        for (&label, _) in self.labels.iter().zip(&self.splits).filter(|(_, found)| **found == split) {
            if let Some(count) = counts.get_mut(label as usize) {
                *count += 1;
            }
        }
        counts
    }

    /// The same without these samples.
    pub fn per_class_without(&self, split: Split, left_out: &[usize]) -> Vec<u64> {
        let mut counts = self.per_class(split);
        for &sample in left_out.iter().filter(|&&sample| self.splits[sample] == split) {
            if let Some(count) = counts.get_mut(self.labels[sample] as usize) {
                *count -= 1;
            }
        }
        counts
    }
}

/// Which split a file or folder name speaks of; validation before test, as `Named` orders them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Named {
    Train,
    Validation,
    Test,
}

/// By the words of a name: `seg_train`, `train2017`, `x_test.npy`, `wiki.valid.tokens`; not `trains` or `latest`.
pub fn named_split(name: &str) -> Option<Named> {
    let name = name.to_lowercase();
    if name.contains("t10k") {
        return Some(Named::Test);
    }
    name.split(|c: char| !c.is_alphabetic()).filter_map(split_word).min()
}

/// `train`, `testing`, `valset`, `trainlabels`.
fn split_word(word: &str) -> Option<Named> {
    let plain = ["sets", "set", "lists", "list", "data", "images", "imgs", "labels", "x", "y"]
        .iter()
        .find_map(|end| word.strip_suffix(end))
        .unwrap_or(word);
    match plain {
        "train" | "training" | "trn" | "trainval" => Some(Named::Train),
        "val" | "valid" | "validation" | "dev" | "development" | "newsdev" | "testa" | "publictest" => Some(Named::Validation),
        "test" | "testing" | "tst" | "eval" | "evaluation" | "devtest" | "newstest" | "testb" | "privatetest" => Some(Named::Test),
        _ => None,
    }
}

/// Where there are a validation and a test split alone, the first trains and the second validates, and this is said.
pub fn train_on_validation(named: &mut [Option<Named>], problems: &mut Vec<Problem>) {
    let has = |wanted: Option<Named>| named.contains(&wanted);
    if has(None) || has(Some(Named::Train)) || !has(Some(Named::Validation)) || !has(Some(Named::Test)) {
        return;
    }
    named.iter_mut().filter(|name| **name == Some(Named::Validation)).for_each(|name| *name = Some(Named::Train));
    problems.push(no_training_split());
}

/// Of a dataset with a validation and a test split alone.
pub fn no_training_split() -> Problem {
    let sentence = "there is no training split; the validation split trains, and the test split validates";
    let together = Options { validation: Some(0.1), ..Options::default() };
    Problem::warning("no-training", sentence).with("split", "Take all together and keep 10 %", together)
}

/// Splits of samples by the names that were found: training, and validation where there is one, else test. A note tells of what is left.
pub fn splits_of(named: &[Option<Named>], problems: &mut Vec<Problem>) -> Vec<Split> {
    let has = |wanted| named.contains(&Some(wanted));
    if !has(Named::Train) && !has(Named::Validation) && !has(Named::Test) {
        return Vec::new();
    }
    let mut named = named.to_vec();
    train_on_validation(&mut named, problems);
    let has = |wanted| named.contains(&Some(wanted));
    let both = has(Named::Validation) && has(Named::Test);
    let evaluated = if has(Named::Validation) { Named::Validation } else { Named::Test };
    if both {
        let unused = named.iter().filter(|name| **name == Some(Named::Test)).count();
        let sentence = format!("training is evaluated on the validation split; the {unused} samples of the test split are left out");
        problems.push(Problem::note("unused-split", sentence).counted(unused as u64));
    }
    let split = |name: &Option<Named>| match name {
        Some(Named::Train) | None => Split::Train,
        Some(name) if *name == evaluated => Split::Test,
        Some(_) => Split::Unused,
    };
    named.iter().map(split).collect()
}

/// Names 0, 1, ... for labels that are numbers.
pub fn numbered(classes: usize) -> Vec<String> {
    (0..classes).map(|class| class.to_string()).collect()
}

/// Labels that are text: their sorted distinct values as class names; whole numbers that begin at 0 stay what they are.
pub fn classes_of(texts: &[Option<String>]) -> (Vec<String>, Vec<u32>) {
    let numbers: Option<Vec<u32>> = texts.iter().flatten().map(|text| text.trim().parse().ok()).collect();
    if let Some(max) = numbers.and_then(|numbers| numbers.iter().max().copied())
        && (max as usize) < texts.len().max(1000)
    {
        let labels = texts.iter().map(|text| text.as_ref().and_then(|text| text.trim().parse().ok()).unwrap_or(NO_LABEL)).collect();
        return (numbered(max as usize + 1), labels);
    }
    let names: std::collections::BTreeSet<&String> = texts.iter().flatten().collect();
    let numbers: std::collections::HashMap<&String, u32> = names.iter().enumerate().map(|(number, name)| (*name, number as u32)).collect();
    let labels = texts.iter().map(|text| text.as_ref().map_or(NO_LABEL, |text| numbers[text])).collect();
    (names.into_iter().cloned().collect(), labels)
}

/// Values that are nearly all different are no classes. `labels`: what they are, such as "the column age".
pub fn check_classes(class_names: &[String], samples: usize, labels: &str) -> Result<()> {
    if class_names.len() < 20 || 2 * class_names.len() <= samples {
        return Ok(());
    }
    let sentence = format!(
        "{labels} has {} different values for {samples} images, too many to be classes; choose the column of labels",
        class_names.len()
    );
    Err(Problem::error("no-classes", sentence).into())
}

/// Classes whose names differ by case or spaces alone; letters are classes of their own.
fn similar_classes(names: &[String]) -> Option<Problem> {
    let mut alike: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for name in names.iter().filter(|name| name.trim().chars().count() > 1) {
        alike.entry(name.trim().to_lowercase()).or_default().push(name);
    }
    let several: Vec<Vec<&str>> = alike.into_values().filter(|names| names.len() > 1).collect();
    let shown = several.first()?.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(" and ");
    let sentence = format!("classes such as {shown} differ by case or spaces alone; give them one name where they are the same class");
    Some(Problem::warning("similar-class", sentence).counted(several.len() as u64))
}

/// A label beyond the classes of training, or one between them that no sample has, as problems.
pub fn check_labels(set: &mut ImageSet, tree: &Tree) {
    let is_unlabelled =
        |&sample: &usize| set.labels[sample] == NO_LABEL && !matches!(set.splits.get(sample), Some(Split::Unused | Split::Strange));
    let unlabelled: Vec<usize> = (0..set.count()).filter(is_unlabelled).collect();
    if !unlabelled.is_empty() {
        let problem = Problem::error("no-label", format!("{} images have no label", unlabelled.len()));
        let problem = unlabelled.iter().take(20).fold(problem, |problem, &sample| problem.at(set.content.place(tree, sample)));
        set.problems.push(problem.counted(unlabelled.len() as u64).skippable("Leave these images out"));
    }
    set.problems.extend(similar_classes(&set.class_names));
    let counts = set.per_class(Split::Train);
    let absent: Vec<usize> = (0..counts.len()).filter(|&class| counts[class] == 0).collect();
    if counts.len() - absent.len() == 1 {
        let only = counts.iter().position(|count| *count > 0).unwrap_or(0);
        let sentence = format!("all training images are of one class, {:?}; training needs two at least", set.class_names[only]);
        set.problems.push(Problem::error("one-class", sentence));
    } else if let Some(&first) = absent.first() {
        let are_numbers = set.class_names.iter().enumerate().all(|(number, name)| *name == number.to_string());
        let sentence = match are_numbers {
            true => format!("the labels run to {}, but no training image has label {first}", counts.len() - 1),
            false => format!("no training image is of the class {:?}", set.class_names[first]),
        };
        let problem = Problem::error("absent-class", sentence).counted(absent.len() as u64);
        // Names that are all others than those of training say that the splits are labelled differently.
        let evaluated = set.per_class(Split::Test);
        let is_shared = |class: usize| counts[class] > 0 && evaluated[class] > 0;
        let shares = evaluated.iter().all(|count| *count == 0) || (0..counts.len()).any(is_shared);
        set.problems.push(if shares { problem.skippable("Keep such classes, untrained") } else { problem });
    }
}
