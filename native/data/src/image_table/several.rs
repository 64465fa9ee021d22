//! Labels of images that have several: told as such. Only images with one label are samples, or each combination is a class where that is
//! chosen.

use std::collections::{BTreeSet, HashMap};

use crate::error::Problem;
use crate::options::Options;
use crate::table::SEVERAL;

/// Text between several labels of one value, where the values of a column show that it is that.
fn separator(texts: &[&str]) -> Option<char> {
    let distinct: BTreeSet<&str> = texts.iter().copied().collect();
    let parts = |text: &str, at: char| -> Vec<String> {
        text.split(at).map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
    };
    if distinct.iter().any(|text| text.contains(SEVERAL)) {
        return Some(SEVERAL);
    }
    let has_several = |at: char| distinct.iter().any(|text| parts(text, at).len() > 1);
    if let Some(bar) = ['|', ';'].into_iter().find(|at| has_several(*at)) {
        return Some(bar);
    }
    // Commas and spaces are in names too: parts that other values have show that they are labels.
    let shared = |at: char, others: &dyn Fn(usize) -> bool| {
        let mut values_of: HashMap<String, usize> = HashMap::new();
        for text in &distinct {
            parts(text, at).into_iter().collect::<BTreeSet<_>>().into_iter().for_each(|part| *values_of.entry(part).or_default() += 1);
        }
        has_several(at) && others(values_of.len())
    };
    let fewer = |parts: usize| parts < distinct.len();
    let alone = |at: char| {
        let singles: BTreeSet<&str> = distinct.iter().copied().filter(|text| parts(text, at).len() == 1).collect();
        let combined = distinct.iter().filter(|text| parts(text, at).len() > 1);
        combined.flat_map(|text| parts(text, at)).any(|part| singles.contains(part.as_str()))
    };
    if shared(',', &|parts| fewer(parts)) || (has_several(',') && alone(',')) {
        return Some(',');
    }
    shared(' ', &|parts| fewer(parts)).then_some(' ')
}

/// What the labels are.
pub struct Labels {
    /// One per text; those of images with several are `None` unless combined.
    pub texts: Vec<Option<String>>,
    /// Which texts are several labels.
    pub several: Vec<usize>,
    pub problem: Option<Problem>,
}

/// `columns`: those of a flag for each class, each of which may be the labels.
pub fn settle(texts: Vec<Option<String>>, what: &str, columns: &[String], options: &Options) -> Labels {
    let none = |texts| Labels { texts, several: Vec::new(), problem: None };
    let found: Vec<&str> = texts.iter().flatten().map(String::as_str).collect();
    let Some(at) = separator(&found) else { return none(texts) };
    let parts = |text: &str| text.split(at).map(str::trim).filter(|part| !part.is_empty()).map(ToOwned::to_owned).collect::<BTreeSet<_>>();
    if options.combine_labels == Some(true) {
        let combined = |text: String| {
            let parts = parts(&text);
            if parts.len() > 1 && at != ' ' { parts.into_iter().collect::<Vec<_>>().join(" + ") } else { text.trim().to_owned() }
        };
        return none(texts.into_iter().map(|text| text.map(combined)).collect());
    }
    let several: Vec<usize> = (0..texts.len()).filter(|&i| texts[i].as_deref().is_some_and(|text| parts(text).len() > 1)).collect();
    let mut is_several = vec![false; texts.len()];
    several.iter().for_each(|&i| is_several[i] = true);
    let single =
        |(text, is_several): (Option<String>, bool)| text.filter(|_| !is_several).map(|text| text.trim_matches([at, ' ']).to_owned());
    let combinations: BTreeSet<BTreeSet<String>> = several.iter().filter_map(|&i| texts[i].as_deref()).map(parts).collect();
    let first = combinations.first().map_or(String::new(), |first| first.iter().cloned().collect::<Vec<_>>().join(" and "));
    let texts: Vec<Option<String>> = texts.into_iter().zip(is_several).map(single).collect();
    let left: BTreeSet<&String> = texts.iter().flatten().collect();
    let (images, number) = if several.len() == 1 { ("image has", 1) } else { ("images have", several.len()) };
    let sentence = format!("{number} {images} several labels in {what}, such as {first}; a classification needs one label per image");
    let mut problem = Problem::error("several-labels", sentence).counted(several.len() as u64);
    if left.len() > 1 {
        problem = problem.skippable(&format!("Only the {} with one label", texts.iter().flatten().count()));
    }
    let combine = Options { combine_labels: Some(true), ..Options::default() };
    let title = if at == ' ' { "Take each text as a class".to_owned() } else { "Take each combination as a class".to_owned() };
    if (2..=1000.min(texts.len() / 2)).contains(&(combinations.len() + left.len())) {
        problem = problem.with("choose", title, combine);
    }
    for column in columns.iter().take(40) {
        let options = Options { label_column: Some(column.clone()), ..Options::default() };
        problem = problem.with("choose", format!("Only whether it is {column}"), options);
    }
    Labels { texts, several, problem: Some(problem) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_labels_are_told_from_names_with_spaces() {
        for (texts, expected) in [
            (&["golden retriever", "labrador retriever", "german shepherd"][..], None),
            (&["clear primary", "clear", "clear primary water", "haze", "haze water"], Some(' ')),
            (&["Atelectasis|Effusion", "Effusion", "No Finding"], Some('|')),
            (&["a;b", "c"], Some(';')),
            (&["tench, Tinca tinca", "goldfish, Carassius auratus"], None),
            (&["rust,scab", "rust", "scab"], Some(',')),
            (&["a\u{1f}b", "c d"], Some(SEVERAL)),
            (&["cat", "dog"], None),
            (&[], None),
        ] {
            assert_eq!(separator(texts), expected, "{texts:?}");
        }
    }
}
