//! Columns of a file of columns that tell the split of a row: words (`split`), flags (`is_valid`), or folds, of which one is asked for.

use std::collections::BTreeMap;

use crate::error::{Problem, Result};
use crate::images::{Named, named_split};
use crate::options::Options;

const WORDS: [&str; 7] = ["split", "subset", "set", "data_set", "dataset", "partition", "fold"];
const FLAGS: [(&str, Named, Named); 9] = [
    ("is_valid", Named::Validation, Named::Train),
    ("is_val", Named::Validation, Named::Train),
    ("is_validation", Named::Validation, Named::Train),
    ("valid", Named::Validation, Named::Train),
    ("validation", Named::Validation, Named::Train),
    ("is_test", Named::Test, Named::Train),
    ("test", Named::Test, Named::Train),
    ("is_train", Named::Train, Named::Validation),
    ("train", Named::Train, Named::Validation),
];
const FOLDS: [&str; 5] = ["fold", "kfold", "k_fold", "folds", "fold_id"];
/// More values than this are no folds.
const MOST_FOLDS: usize = 20;

fn plain(name: &str) -> String {
    name.trim().to_lowercase().replace([' ', '-'], "_")
}

/// Columns that may tell splits, by name, the likeliest first.
pub fn candidates(columns: &[String]) -> Vec<String> {
    let usual = WORDS.iter().chain(FLAGS.iter().map(|(name, ..)| name)).chain(&FOLDS);
    let mut found: Vec<String> = usual.filter_map(|usual| columns.iter().find(|name| plain(name) == *usual)).cloned().collect();
    found.dedup();
    found
}

/// The splits that the values of a column tell; `None` where they tell none. Asks which fold validates.
pub fn told(name: &str, texts: &[Option<String>], options: &Options) -> Result<Option<Vec<Option<Named>>>> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    texts.iter().flatten().for_each(|text| *counts.entry(text.trim()).or_default() += 1);
    let by = |split: &dyn Fn(&str) -> Option<Named>| texts.iter().map(|text| text.as_deref().and_then(|text| split(text.trim()))).collect();
    if WORDS.contains(&plain(name).as_str()) && !counts.is_empty() && counts.keys().all(|text| named_split(text).is_some()) {
        return Ok(Some(by(&named_split)));
    }
    let truth = |text: &str| match text.to_lowercase().as_str() {
        "1" | "true" | "yes" => Some(true),
        "0" | "false" | "no" => Some(false),
        _ => None,
    };
    let flag = FLAGS.iter().find(|(usual, ..)| plain(name) == *usual);
    if let Some((_, yes, no)) = flag.filter(|_| counts.len() == 2 && counts.keys().all(|text| truth(text).is_some())) {
        return Ok(Some(by(&|text| truth(text).map(|is_true| if is_true { *yes } else { *no }))));
    }
    if !FOLDS.contains(&plain(name).as_str()) || !(2..=MOST_FOLDS).contains(&counts.len()) || options.fold.as_deref() == Some("none") {
        return Ok(None);
    }
    match &options.fold {
        Some(fold) if counts.contains_key(fold.trim()) => {
            Ok(Some(by(&|text| Some(if text == fold.trim() { Named::Validation } else { Named::Train }))))
        }
        Some(fold) => Err(which_fold(&counts, &format!("the column {name} has no fold {fold}")).into()),
        None => Err(which_fold(&counts, &format!("the column {name} tells of {} folds; which of them validates?", counts.len())).into()),
    }
}

fn which_fold(counts: &BTreeMap<&str, u64>, sentence: &str) -> Problem {
    let mut values: Vec<&str> = counts.keys().copied().collect();
    values.sort_by(|a, b| a.parse().unwrap_or(f64::MAX).total_cmp(&b.parse().unwrap_or(f64::MAX)));
    let offer = |problem: Problem, value: &&str| {
        let options = Options { fold: Some((*value).to_owned()), ..Options::default() };
        problem.with("split", format!("{value} validates ({} rows)", counts[value]), options)
    };
    let problem = values.iter().fold(Problem::error("which-fold", sentence), offer);
    problem.with("split", "A share of each class validates", Options { fold: Some("none".into()), ..Options::default() })
}
