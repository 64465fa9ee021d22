//! Columns that tell the split of a row: words (`train`, `PublicTest`), flags (`is_valid`), a flag for each split, folds, or numbers, of which
//! one is asked for. Tables of text and files of columns share this.

use std::collections::BTreeSet;

use crate::error::{Problem, Result};
use crate::images::{Named, named_split};
use crate::options::Options;
use crate::scope;

const WORDS: [&str; 9] = ["split", "subset", "set", "data_set", "dataset", "partition", "usage", "phase", "fold"];
const FLAGS: [(&str, Named, Named); 16] = [
    ("is_valid", Named::Validation, Named::Train),
    ("is_val", Named::Validation, Named::Train),
    ("is_validation", Named::Validation, Named::Train),
    ("valid", Named::Validation, Named::Train),
    ("val", Named::Validation, Named::Train),
    ("validation", Named::Validation, Named::Train),
    ("is_test", Named::Test, Named::Train),
    ("test", Named::Test, Named::Train),
    ("is_train", Named::Train, Named::Validation),
    ("is_training", Named::Train, Named::Validation),
    ("is_training_image", Named::Train, Named::Validation),
    ("train", Named::Train, Named::Validation),
    ("training", Named::Train, Named::Validation),
    ("in_train", Named::Train, Named::Validation),
    ("in_test", Named::Test, Named::Train),
    ("in_val", Named::Validation, Named::Train),
];
const FOLDS: [&str; 8] = ["fold", "kfold", "folds", "k_fold", "cv_fold", "fold_id", "fold_number", "folder_fold"];

/// The choice that 0, 1 and 2 are training, validation and test.
const SPLITS: &str = "splits";

/// The question which fold validates.
pub const WHICH_FOLD: &str = "which-fold";

/// More values than this are no folds.
const MOST_FOLDS: usize = 20;

/// What a row says of its split.
pub enum Told {
    /// The file's name may tell it.
    Unsaid,
    Split(Option<Named>),
    /// No split is called so.
    Strange(String),
}

/// How the split of a row is told.
#[derive(Clone)]
pub enum SplitRule {
    Words(usize),
    /// What true and what false mean.
    Flag(usize, Named, Named),
    /// A column for each split, of which one is true.
    Flags(Vec<(usize, Named)>),
    /// The rows with this value validate.
    Fold(usize, String),
    /// CelebA's numbers.
    Numbered(usize),
}

/// As column names are compared.
pub fn plain_name(name: &str) -> String {
    name.trim().to_lowercase().replace([' ', '-'], "_")
}

pub fn truth(text: &str) -> Option<bool> {
    match text.trim().to_lowercase().as_str() {
        "1" | "1.0" | "true" | "yes" | "t" | "y" => Some(true),
        "0" | "0.0" | "false" | "no" | "f" | "n" => Some(false),
        _ => None,
    }
}

/// The split that a value speaks of; FER2013 says `PublicTest` for validation and `PrivateTest` for test.
pub fn value(text: &str) -> Option<Named> {
    match text.trim().to_lowercase().as_str() {
        "publictest" | "public_test" => Some(Named::Validation),
        "privatetest" | "private_test" => Some(Named::Test),
        other => named_split(other),
    }
}

/// A value that says a split and nothing else: `training set`; not a sentence that begins with such a word.
fn is_only_split(text: &str) -> bool {
    let is_about = |word: &str| ["set", "split", "data", "public", "private"].contains(&word) || value(word).is_some();
    let lower = text.trim().to_lowercase();
    value(&lower).is_some() && lower.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).all(is_about) && lower.len() <= 32
}

/// What CelebA means by 0, 1 and 2.
pub fn of_number(text: &str) -> Option<Named> {
    match text.trim() {
        "0" => Some(Named::Train),
        "1" => Some(Named::Validation),
        "2" => Some(Named::Test),
        _ => None,
    }
}

/// Columns that may tell the split.
#[derive(Clone)]
pub enum Candidate {
    Rule(SplitRule),
    /// Folds or numbers; all rows must be looked at.
    Numbers(usize),
}

impl Candidate {
    pub fn columns(&self) -> Vec<usize> {
        match self {
            Self::Rule(rule) => rule.columns(),
            Self::Numbers(column) => vec![*column],
        }
    }
}

type Rows<'a> = &'a [crate::table::Row];

/// `split` of `metadata.split`.
fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Columns that may tell the split by their names.
pub fn is_usual(name: &str) -> bool {
    let name = plain_name(last_part(name));
    WORDS.contains(&name.as_str()) || FOLDS.contains(&name.as_str()) || FLAGS.iter().any(|(usual, ..)| *usual == name)
}

/// A column that is called like folds.
pub fn is_fold(name: &str) -> bool {
    FOLDS.contains(&plain_name(name).as_str())
}

/// By names and the first rows; `taken` are columns of something else.
pub fn candidate(columns: &[String], has_header: bool, rows: Rows, taken: &[usize]) -> Option<Candidate> {
    let values = |column: usize| rows.iter().filter_map(move |row| row[column].as_deref());
    let all = |column: usize, fits: &dyn Fn(&str) -> bool| values(column).next().is_some() && values(column).all(fits);
    let free = || (0..columns.len()).filter(|column| !taken.contains(column));
    if !has_header {
        let says_split = |column: &usize| all(*column, &is_only_split);
        return free().find(says_split).map(|column| Candidate::Rule(SplitRule::Words(column)));
    }
    let is_called = |column: usize, usual: &str| plain_name(&columns[column]) == usual;
    // Of a structure its last part.
    let ends_so = |column: usize, usual: &str| plain_name(last_part(&columns[column])) == usual;
    let named = |usual: &str| free().find(|column| is_called(*column, usual)).or_else(|| free().find(|column| ends_so(*column, usual)));
    let speaks = |column: &usize| {
        let number = values(*column).filter(|text| value(text).is_some()).count();
        // A few of many datasets may be called like a split.
        let is_vague = ["set", "data_set", "dataset"].contains(&plain_name(&columns[*column]).as_str());
        let least = if is_vague { values(*column).count() / 2 } else { 0 };
        number > least
    };
    if let Some(column) = WORDS.into_iter().filter_map(named).find(speaks) {
        return Some(Candidate::Rule(SplitRule::Words(column)));
    }
    let is_flag = |column: usize| all(column, &|text| truth(text).is_some());
    let flags: Vec<(usize, Named, Named)> =
        FLAGS.into_iter().filter_map(|(usual, yes, no)| Some((named(usual).filter(|column| is_flag(*column))?, yes, no))).collect();
    // One true among more columns of truths is rather a class that is called like a split.
    let truths: Vec<usize> = free().filter(|column| is_flag(*column)).collect();
    let ones = |row: &crate::table::Row| truths.iter().filter(|column| row[**column].as_deref().and_then(truth) == Some(true)).count();
    let are_classes = truths.len() > flags.len().max(2) && rows.iter().all(|row| ones(row) == 1);
    match flags[..] {
        _ if are_classes => {}
        [(column, yes, no)] => return Some(Candidate::Rule(SplitRule::Flag(column, yes, no))),
        [_, _, ..] => return Some(Candidate::Rule(SplitRule::Flags(flags.into_iter().map(|(column, yes, _)| (column, yes)).collect()))),
        [] => {}
    }
    // Splits and nothing else, whatever it is called.
    let tells_splits = |column: &usize| {
        let said: BTreeSet<Option<Named>> = values(*column).map(value).collect();
        said.len() > 1 && said.contains(&Some(Named::Train)) && all(*column, &is_only_split)
    };
    if let Some(column) = free().find(tells_splits) {
        return Some(Candidate::Rule(SplitRule::Words(column)));
    }
    let is_number = |column: &usize| all(*column, &|text| text.trim().parse::<f64>().is_ok_and(|x| x.fract() == 0.0));
    let numbers = FOLDS.into_iter().chain(["split", "partition", "subset"]).filter_map(named).find(is_number);
    numbers.map(Candidate::Numbers)
}

/// Values of a column of folds, in order, with how often each is there.
#[derive(Default)]
pub struct Folds(std::collections::BTreeMap<i64, u64>);

impl Folds {
    pub fn see(&mut self, text: &str) {
        if let Some(number) = text.trim().parse::<f64>().ok().filter(|x| x.fract() == 0.0) {
            *self.0.entry(number as i64).or_default() += 1;
        }
    }

    /// The rule that the choice makes of them; asks where nothing is chosen. `None`: they tell no split.
    pub fn rule(&self, file: &str, name: &str, column: usize, options: &Options) -> Result<Option<SplitRule>> {
        let values: Vec<i64> = self.0.keys().copied().collect();
        if values.len() < 2 || values.len() > MOST_FOLDS || options.fold.as_deref() == Some("none") {
            return Ok(None);
        }
        // 0, 1 and 2 under such a name are rather training, validation and test than folds.
        let are_splits = !is_fold(name) && values == [0, 1, 2];
        if are_splits && options.fold.as_deref() == Some(SPLITS) {
            return Ok(Some(SplitRule::Numbered(column)));
        }
        if let Some(fold) = options.fold.as_ref() {
            let number = fold.trim().parse::<f64>().ok().map(|x| x as i64);
            return match number.filter(|number| self.0.contains_key(number)) {
                Some(number) => Ok(Some(SplitRule::Fold(column, number.to_string()))),
                None => Err(self.asked(file, name, &format!("{file} has no fold {fold} in its column {name}")).into()),
            };
        }
        let shown = values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        Err(self.asked(file, name, &format!("the column {name} of {file} has the numbers {shown}; which of them validates?")).into())
    }

    fn asked(&self, file: &str, name: &str, sentence: &str) -> Problem {
        let problem = Problem::error(WHICH_FOLD, sentence).at(crate::error::Place::file(file));
        // Validation is the smaller part.
        let mut values: Vec<(i64, u64)> = self.0.iter().map(|(value, count)| (*value, *count)).collect();
        values.sort_by_key(|(value, count)| (*count, *value));
        if self.0.len() > 3 {
            values.sort_unstable();
        }
        let offer = |problem: Problem, (value, count): &(i64, u64)| {
            let options = Options { fold: Some(value.to_string()), ..Options::default() };
            problem.with("choose", format!("Validate on {name} {value} ({count} rows)"), options)
        };
        let none = Options { fold: Some("none".into()), ..Options::default() };
        let problem = match !is_fold(name) && self.0.keys().eq(&[0, 1, 2]) {
            true => {
                let splits = Options { fold: Some(SPLITS.into()), ..Options::default() };
                problem.with("choose", format!("Train on {name} 0, validate on 1 and leave 2 for testing"), splits)
            }
            false => problem,
        };
        values.iter().take(10).fold(problem, offer).with("choose", format!("Pay no heed to {name}"), none)
    }
}

impl SplitRule {
    /// What its columns are used as.
    pub fn kind(&self) -> &'static str {
        if matches!(self, Self::Fold(..) | Self::Numbered(_)) { scope::FOLDS } else { "splits" }
    }

    pub fn columns(&self) -> Vec<usize> {
        match self {
            Self::Words(column) | Self::Flag(column, ..) | Self::Fold(column, _) | Self::Numbered(column) => vec![*column],
            Self::Flags(columns) => columns.iter().map(|(column, _)| *column).collect(),
        }
    }

    /// What a row says.
    pub fn told(&self, fields: &[Option<String>]) -> Told {
        let strange = |column: usize| Told::Strange(fields[column].clone().unwrap_or_default());
        let text = |column: usize| fields[column].as_deref().unwrap_or_default();
        match self {
            Self::Words(column) => value(text(*column)).map_or_else(|| strange(*column), |named| Told::Split(Some(named))),
            Self::Numbered(column) => of_number(text(*column)).map_or_else(|| strange(*column), |named| Told::Split(Some(named))),
            Self::Flag(column, yes, no) => match truth(text(*column)) {
                Some(true) => Told::Split(Some(*yes)),
                Some(false) => Told::Split(Some(*no)),
                None => strange(*column),
            },
            Self::Flags(columns) => {
                let said: BTreeSet<Named> =
                    columns.iter().filter(|(column, _)| truth(text(*column)) == Some(true)).map(|(_, named)| *named).collect();
                match said.first() {
                    Some(only) if said.len() == 1 => Told::Split(Some(*only)),
                    _ if columns.len() == 2 && said.is_empty() && columns.iter().all(|(_, named)| *named != Named::Train) => {
                        Told::Split(Some(Named::Train))
                    }
                    _ => strange(columns[0].0),
                }
            }
            Self::Fold(column, chosen) => match text(*column).trim().parse::<f64>().ok() {
                Some(number) if (number as i64).to_string() == *chosen => Told::Split(Some(Named::Validation)),
                Some(_) => Told::Split(Some(Named::Train)),
                None => strange(*column),
            },
        }
    }
}
