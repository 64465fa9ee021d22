//! What the name of an array says, with the folders it lies in: its split, and what it is of (`x_train`, `trainY`, `val/images`,
//! `labels/test`). Members of `train.npz` lie in a folder `train`.

use crate::images::{Named, named_split};
use crate::tree::Entry;

/// The likeliest first.
pub const IMAGES: [&str; 11] = ["images", "image", "imgs", "img", "x", "pixels", "data", "inputs", "input", "fea", "samples"];
pub const LABELS: [&str; 10] = ["labels", "label", "y", "targets", "target", "class", "classes", "gnd", "digit", "digits"];

pub struct ArrayName {
    pub split: Option<Named>,
    /// Its own name without split and number, as it is offered for a choice: `fold` of `fold_train`. Of an array that is called after its
    /// split alone, the name of the folder.
    pub column: String,
    /// Words of `column`, lower case.
    words: Vec<String>,
    /// Everything else in the path: arrays with the same one belong together.
    key: Vec<String>,
}

impl ArrayName {
    pub fn of(entry: &Entry) -> Self {
        let parts: Vec<Vec<String>> = entry.folder().split('/').chain([own_name(entry)]).map(words).collect();
        let own = own_name(entry);
        let split = split_of(own, &parts[parts.len() - 1])
            .or_else(|| entry.folder().rsplit('/').zip(parts.iter().rev().skip(1)).find_map(|(name, words)| split_of(name, words)));
        let is_named = |word: &String| split_word(&word.to_lowercase()).is_none() && word.parse::<u64>().is_err();
        let named = parts.iter().rev().find_map(|words| {
            let named: Vec<&str> = words.iter().filter(|word| is_named(word)).map(String::as_str).collect();
            (!named.is_empty()).then_some(named)
        });
        let column = named.map_or_else(|| own.to_owned(), |named| named.join("_"));
        let words: Vec<String> = column.split('_').map(str::to_lowercase).collect();
        let is_key = |word: &String| split_word(word).is_none() && !IMAGES.contains(&word.as_str()) && !LABELS.contains(&word.as_str());
        let key = parts.iter().flatten().map(|word| word.to_lowercase()).filter(is_key).collect();
        Self { split, column, words, key }
    }

    /// How well it is called one of these names: 0 is best, exact names come before those with another word.
    pub fn rank(&self, names: &[&str]) -> Option<usize> {
        let at = names.iter().position(|name| self.words.iter().any(|word| word == name))?;
        Some(if self.words.len() == 1 { at } else { names.len() + at })
    }

    /// Chosen by the name that is offered, or by that of the file.
    pub fn is_called(&self, entry: &Entry, chosen: &str) -> bool {
        self.column == chosen || own_name(entry) == chosen
    }

    pub fn belongs_to(&self, other: &Self) -> bool {
        self.key == other.key
    }

    /// The version that a name tells: `v4` of `cifar10.1_v4_data`.
    pub fn version(&self) -> Option<String> {
        let number = self.key.windows(2).find(|pair| pair[0] == "v" && pair[1].parse::<u64>().is_ok())?;
        Some(number.concat())
    }

    /// Of the same dataset, as other numbers do not tell otherwise.
    pub fn is_of_set(&self, other: &Self) -> bool {
        let words = |name: &Self| -> Vec<String> { name.key.iter().filter(|word| word.parse::<u64>().is_err()).cloned().collect() };
        words(self) == words(other)
    }
}

/// Of the file, without its ending; `cifar10.1_v4_data.npy` has a dot of its own.
fn own_name(entry: &Entry) -> &str {
    entry.file_name().strip_suffix(".npy").unwrap_or_else(|| entry.stem())
}

fn split_of(name: &str, words: &[String]) -> Option<Named> {
    named_split(name).or_else(|| words.iter().find_map(|word| split_word(&word.to_lowercase())))
}

fn split_word(word: &str) -> Option<Named> {
    match word {
        "train" | "training" | "tr" => Some(Named::Train),
        "val" | "valid" | "validation" | "dev" | "va" => Some(Named::Validation),
        "test" | "testing" | "eval" | "evaluation" | "te" => Some(Named::Test),
        _ => None,
    }
}

/// Words of a name: at signs, between a small and a capital letter, before and behind digits, and where a split and a known word meet
/// (`Xtrain`, `testy`).
fn words(name: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut before = ' ';
    for letter in name.chars() {
        let goes_on =
            before.is_alphanumeric() && before.is_numeric() == letter.is_numeric() && !(before.is_lowercase() && letter.is_uppercase());
        if letter.is_alphanumeric() {
            match found.last_mut().filter(|_| goes_on) {
                Some(word) => word.push(letter),
                None => found.push(letter.to_string()),
            }
        }
        before = letter;
    }
    found.into_iter().flat_map(|word| halves(&word).unwrap_or_else(|| vec![word])).collect()
}

fn halves(word: &str) -> Option<Vec<String>> {
    let lower = word.to_lowercase();
    let is_known = |rest: &str| IMAGES.contains(&rest) || LABELS.contains(&rest);
    (1..lower.len()).filter(|at| lower.is_char_boundary(*at) && lower.len() == word.len()).find_map(|at| {
        let (left, right) = lower.split_at(at);
        let meet = (split_word(left).is_some() && is_known(right)) || (is_known(left) && split_word(right).is_some());
        (meet && word.is_char_boundary(at)).then(|| vec![word[..at].to_owned(), word[at..].to_owned()])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        for (name, expected) in [
            ("x_train", &["x", "train"][..]),
            ("trainY", &["train", "Y"]),
            ("Xtest", &["X", "test"]),
            ("ytr", &["y", "tr"]),
            ("images_12", &["images", "12"]),
            ("fine_labels", &["fine", "labels"]),
            ("étoile", &["étoile"]),
        ] {
            assert_eq!(words(name), expected, "{name}");
        }
    }
}
