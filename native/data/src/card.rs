//! The card of a dataset of Hugging Face: what the head of its README.md, in YAML, says of configurations, splits and names of classes.

use serde_json::Value;

/// Longest head that is read, and longest pattern of files, bytes.
const LONGEST_HEAD: usize = 4 << 20;
const LONGEST_PATTERN: usize = 1000;

#[derive(Debug, Default)]
pub struct Card {
    pub configurations: Vec<Configuration>,
    /// Configuration, column and names of its classes.
    classes: Vec<(String, String, Vec<String>)>,
}

#[derive(Debug)]
pub struct Configuration {
    pub name: String,
    /// The one that is taken where none is asked for.
    pub is_default: bool,
    /// A split and the patterns of its files.
    splits: Vec<(String, Vec<String>)>,
}

/// `None` where the file has no head, or one that says nothing of data.
pub fn parse(readme: &[u8]) -> Option<Card> {
    let text = std::str::from_utf8(readme).ok()?.trim_start_matches('\u{feff}');
    let rest = text.strip_prefix("---")?.trim_start_matches([' ', '\r']).strip_prefix('\n')?;
    let end = rest.find("\n---")?;
    if end > LONGEST_HEAD {
        return None;
    }
    let head: Value = serde_saphyr::from_str(&rest[..end]).ok()?;
    let configurations = list(head.get("configs")).filter_map(configuration).collect();
    let classes = list(head.get("dataset_info")).flat_map(classes).collect();
    Some(Card { configurations, classes })
}

impl Card {
    pub fn class_names(&self, configuration: Option<&str>, column: &str) -> Option<&[String]> {
        let fits = |known: &&(String, String, Vec<String>)| {
            known.1 == column && configuration.is_none_or(|configuration| known.0 == configuration)
        };
        let mut found = self.classes.iter().filter(fits);
        let first = found.next()?;
        found.all(|other| other.2 == first.2).then_some(&first.2[..])
    }
}

impl Configuration {
    /// The split of a file, by its name within the dataset.
    pub fn split_of(&self, name: &str) -> Option<&str> {
        self.splits.iter().find(|(_, patterns)| patterns.iter().any(|pattern| matches(pattern, name))).map(|(split, _)| split.as_str())
    }
}

/// A list, or one in its place.
fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    match value {
        Some(Value::Array(items)) => items.iter().collect::<Vec<_>>().into_iter(),
        Some(Value::Null) | None => Vec::new().into_iter(),
        Some(one) => vec![one].into_iter(),
    }
}

fn configuration(value: &Value) -> Option<Configuration> {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let name = text("config_name").unwrap_or("default").to_owned();
    let folder = text("data_dir").map(|folder| folder.trim_matches('/').to_owned()).filter(|folder| !folder.is_empty());
    let placed = |pattern: &str| {
        let pattern = pattern.trim_start_matches("./");
        let pattern = folder.as_ref().map_or(pattern.to_owned(), |folder| format!("{folder}/{pattern}"));
        Some(pattern).filter(|pattern| pattern.len() <= LONGEST_PATTERN)
    };
    let mut splits: Vec<(String, Vec<String>)> = Vec::new();
    let mut add = |split: &str, paths: Option<&Value>| {
        let patterns = list(paths).filter_map(|path| placed(path.as_str()?)).collect::<Vec<_>>();
        splits.push((split.to_owned(), patterns));
    };
    match value.get("data_files") {
        Some(Value::Array(items)) if items.iter().any(Value::is_object) => {
            items.iter().for_each(|item| add(item.get("split").and_then(Value::as_str).unwrap_or("train"), item.get("path")));
        }
        Some(Value::Object(named)) => named.iter().for_each(|(split, paths)| add(split, Some(paths))),
        Some(paths) => add("train", Some(paths)),
        None => {}
    }
    let is_default = value.get("default").and_then(Value::as_bool).unwrap_or(name == "default");
    splits.retain(|(_, patterns)| !patterns.is_empty());
    (!splits.is_empty()).then_some(Configuration { name, is_default, splits })
}

fn classes(info: &Value) -> Vec<(String, String, Vec<String>)> {
    let configuration = info.get("config_name").and_then(Value::as_str).unwrap_or("default");
    let of_feature = |feature: &Value| {
        let names = feature.pointer("/dtype/class_label/names")?;
        let names: Vec<String> = match names {
            Value::Array(names) => names.iter().map(text_of).collect::<Option<_>>()?,
            // Numbered: '0': airplane.
            Value::Object(numbered) => {
                (0..numbered.len()).map(|at| numbered.get(&at.to_string()).and_then(text_of)).collect::<Option<_>>()?
            }
            _ => return None,
        };
        Some((configuration.to_owned(), feature.get("name")?.as_str()?.to_owned(), names))
    };
    list(info.get("features")).filter_map(of_feature).collect()
}

/// A name that YAML takes for a number or a truth is one all the same.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        _ => None,
    }
}

/// `*` and `?` stop at a `/`, `**` does not; `[abc]` is one of these.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    // Which beginnings of the name the pattern so far fits.
    let mut fits = vec![false; name.len() + 1];
    fits[0] = true;
    let mut at = 0;
    while at < pattern.len() {
        let mut next = vec![false; name.len() + 1];
        let is_deep = pattern[at] == '*' && pattern.get(at + 1) == Some(&'*');
        if pattern[at] == '*' {
            let mut open = false;
            for end in 0..=name.len() {
                open = fits[end] || (open && end > 0 && (is_deep || name[end - 1] != '/'));
                next[end] = open;
            }
            at += if is_deep { 2 } else { 1 };
            // `**/` is no folder too.
            if is_deep && pattern.get(at) == Some(&'/') {
                let inner: Vec<bool> = (0..=name.len()).map(|end| end > 0 && next[end - 1] && name[end - 1] == '/').collect();
                next = inner.iter().zip(&fits).map(|(inner, none)| *inner || *none).collect();
                at += 1;
            }
        } else {
            let class = pattern[at..].iter().position(|end| *end == ']').filter(|end| pattern[at] == '[' && *end > 1);
            let one = |letter: char| match (pattern[at], class) {
                ('?', _) => letter != '/',
                ('[', Some(end)) => in_class(&pattern[at + 1..at + end], letter),
                (plain, _) => plain == letter,
            };
            for end in 1..=name.len() {
                next[end] = fits[end - 1] && one(name[end - 1]);
            }
            at += class.map_or(1, |end| end + 1);
        }
        fits = next;
    }
    fits[name.len()]
}

fn in_class(class: &[char], letter: char) -> bool {
    let (not, class) = match class {
        ['!' | '^', rest @ ..] => (true, rest),
        all => (false, all),
    };
    let ranges = class.windows(3).any(|range| range[1] == '-' && (range[0]..=range[2]).contains(&letter));
    (ranges || class.contains(&letter)) != not
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_files() {
        for (pattern, name, fits) in [
            ("data/train-*", "data/train-00000-of-00002.parquet", true),
            ("data/train-*", "data/test-00000-of-00002.parquet", false),
            ("data/*", "data/a/b.parquet", false),
            ("data/**", "data/a/b.parquet", true),
            ("**/train.csv", "train.csv", true),
            ("**/train.csv", "a/b/train.csv", true),
            ("**/train.csv", "a/btrain.csv", false),
            ("*/*/*.parquet", "data/CC-1/0.parquet", true),
            ("part-[0-3].csv", "part-2.csv", true),
            ("part-[!0-3].csv", "part-2.csv", false),
            ("part-?.csv", "part-7.csv", true),
            ("train[1].csv", "train1.csv", true),
            ("[", "[", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn heads_say_configurations_splits_and_classes() {
        let readme = b"---\nlicense: mit\ndataset_info:\n  config_name: fine\n  features:\n  - name: label\n    dtype:\n      class_label:\n        names:\n          '0': ant\n          '1': 'no'\n          '2': 7\nconfigs:\n- config_name: fine\n  default: true\n  data_files:\n  - split: train\n    path: fine/train-*\n  - split: test\n    path: [fine/test-*, more/*]\n- config_name: coarse\n  data_dir: coarse\n  data_files: '*.parquet'\n---\n# Text\n";
        let card = parse(readme).unwrap();
        assert_eq!(card.class_names(Some("fine"), "label").unwrap(), ["ant", "no", "7"]);
        let [fine, coarse] = &card.configurations[..] else { panic!("two") };
        assert!(fine.is_default && !coarse.is_default);
        assert_eq!(fine.split_of("more/x.parquet"), Some("test"));
        assert_eq!(coarse.split_of("coarse/x.parquet"), Some("train"));
        assert!(parse(b"# Text").is_none() && parse(b"---\n: [\n---\n").is_none());
    }
}
