//! Names of classes whose labels are numbers or codes, from a file beside them: `classes.txt`, `synset_words.txt`, `classes.csv`,
//! `class_indices.json` and their like. They count where they name every class and each differently.

use std::collections::{BTreeSet, HashMap};

use crate::error::{Error, Problem, Result};
use crate::sniff::What;
use crate::table;
use crate::tree::{Entry, Tree};

const STEMS: [&str; 35] = [
    "classes",
    "class",
    "class_names",
    "classnames",
    "classname",
    "class_name",
    "class_list",
    "labels",
    "label_names",
    "labelnames",
    "names",
    "categories",
    "category_names",
    "synset_words",
    "words",
    "loc_synset_mapping",
    "synsets",
    "label_list",
    "label_map",
    "labelmap",
    "class_map",
    "label_mapping",
    "class_mapping",
    "class_to_idx",
    "class_to_index",
    "class_index",
    "class_indices",
    "idx_to_class",
    "index_to_class",
    "id2label",
    "imagenet_class_index",
    "cat_to_name",
    "category_to_name",
    "class_to_name",
    "imagenet_metadata",
];
/// A larger file names no classes.
const LARGEST: usize = 64 << 20;

/// Keys with names, or names by their line.
#[derive(Default)]
struct Mapping {
    keys: HashMap<String, String>,
    lines: Vec<String>,
}

/// A file that may name classes.
pub fn is_names(entry: &Entry) -> bool {
    let stem = entry.stem().to_lowercase().replace([' ', '-'], "_");
    matches!(entry.extension().as_str(), "yaml" | "yml")
        || STEMS.contains(&stem.as_str())
        || (stem.starts_with("label_num_to") && entry.extension() == "json")
}

/// A file whose name speaks of classes, which counts where each class is a key of it: `categories_places365.txt`, `monkey_labels.txt`.
fn may_name(entry: &Entry) -> bool {
    let known = ["classes", "labels", "names", "categories", "synsets"];
    let stem = entry.stem().to_lowercase();
    stem.split(|c: char| !c.is_alphanumeric()).any(|word| known.contains(&word))
}

/// Replaces the names where a file tells better ones, other than those `used` for labels. Returns the file that did.
pub fn rename(
    tree: &Tree,
    what: &[What],
    used: &[usize],
    class_names: &mut Vec<String>,
    problems: &mut Vec<Problem>,
) -> Result<Option<usize>> {
    // 7, n01440764, n0.
    let is_code = |name: &String| name.strip_prefix(|c: char| c.is_ascii_alphabetic()).unwrap_or(name).parse::<i64>().is_ok();
    if class_names.is_empty() || !class_names.iter().all(is_code) {
        return Ok(None);
    }
    for (at, kind) in what.iter().enumerate() {
        let entry = &tree.entries[at];
        if used.contains(&at)
            || !(is_names(entry) || may_name(entry))
            || !matches!(kind, What::Text | What::Csv | What::Json | What::JsonLines)
        {
            continue;
        }
        let mut mapping = match mapping(tree, entry, kind, class_names) {
            Err(Error::Data(_)) => continue,
            mapping => mapping?,
        };
        if !is_names(entry) {
            mapping.lines.clear();
        }
        let Some(names) = mapping.names(class_names) else { continue };
        let file = tree.display(entry);
        let sentence = format!("{file} names the classes: {} is {}, ...", class_names[0], names[0]);
        problems.push(Problem::note("class-names", sentence).at(tree.place(entry)));
        *class_names = names;
        return Ok(Some(at));
    }
    Ok(None)
}

fn mapping(tree: &Tree, entry: &Entry, what: &What, class_names: &[String]) -> Result<Mapping> {
    match what {
        What::Csv => of_table(tree, entry),
        What::Text => of_text(tree, entry, class_names),
        _ if entry.extension() != "json" => Ok(of_yaml(&String::from_utf8_lossy(&tree.read_all(entry, LARGEST)?))),
        _ => Ok(of_json(&tree.read_all(entry, LARGEST)?)),
    }
}

fn of_text(tree: &Tree, entry: &Entry, class_names: &[String]) -> Result<Mapping> {
    let wanted: BTreeSet<&str> = class_names.iter().map(String::as_str).collect();
    let mut mapping = Mapping::default();
    let (mut keyed, mut behind) = (true, HashMap::new());
    table::lines(tree, entry, &mut |_, line| {
        let text = String::from_utf8_lossy(line).trim().to_owned();
        let split = text.split_once([' ', '\t', ',', ':']).map(|(key, name)| {
            let name = name.trim().trim_start_matches(',').trim();
            // Of a table its first column.
            let is_table = text[key.len()..].trim_start().starts_with(',');
            (key.trim(), if is_table { name.split(',').next().unwrap_or(name).trim() } else { name }.to_owned())
        });
        if let Some((name, key)) = text.rsplit_once([' ', '\t']).filter(|(_, key)| wanted.contains(key)) {
            behind.insert(key.to_owned(), name.trim().to_owned());
        }
        match split {
            Some((key, name)) if wanted.contains(key) && !name.is_empty() => {
                mapping.keys.insert(key.to_owned(), name);
            }
            // A line of column names is none.
            Some((key, _)) => keyed &= key.parse::<i64>().is_ok() || key.starts_with('n') || mapping.lines.is_empty(),
            None => keyed = false,
        }
        mapping.lines.push(text);
        Ok(())
    })?;
    // The key may stand behind the name, where these differ.
    if !keyed && behind.len() == wanted.len() && behind.values().collect::<BTreeSet<_>>().len() == wanted.len() {
        return Ok(Mapping { keys: behind, lines: Vec::new() });
    }
    if keyed {
        mapping.lines.clear();
    } else {
        mapping.keys.clear();
    }
    Ok(mapping)
}

fn of_table(tree: &Tree, entry: &Entry) -> Result<Mapping> {
    let shape = table::shape(tree, entry, false)?;
    let is_number = |text: &Option<String>| text.as_deref().is_some_and(|text| text.trim().parse::<f64>().is_ok());
    let mut mapping = Mapping::default();
    let wide = shape.columns.len() == 2;
    // ImageNet's devkit.
    let synsets = shape.index("WNID").zip(shape.index("words"));
    shape.rows(tree, entry, &mut |_, row| {
        if let Some((synset, words)) = synsets
            && let (Some(synset), Some(words)) = (&row[synset], &row[words])
        {
            mapping.keys.insert(synset.clone(), words.clone());
        } else if let ([one, other], true) = (&row[..], wide) {
            // The number may stand behind the name.
            let (key, name) = if is_number(other) && !is_number(one) { (other, one) } else { (one, other) };
            if let (Some(key), Some(name)) = (key, name) {
                mapping.keys.insert(key.trim().to_owned(), name.trim().to_owned());
            }
        }
        Ok(())
    })?;
    Ok(mapping)
}

/// `names` of YOLO's data.yaml: a list in one line or several, or numbers with names.
fn of_yaml(text: &str) -> Mapping {
    let mut mapping = Mapping::default();
    let plain = |name: &str| name.trim().trim_matches(['"', '\'']).to_owned();
    let mut lines = text.lines().skip_while(|line| !line.starts_with("names:"));
    let Some(first) = lines.next().map(|line| line["names:".len()..].trim()) else { return mapping };
    if let Some(list) = first.strip_prefix('[') {
        let rest: String = lines.take_while(|_| !first.contains(']')).collect();
        let list = format!("{list}{rest}");
        mapping.lines = list.split(']').next().unwrap_or_default().split(',').map(plain).filter(|name| !name.is_empty()).collect();
        return mapping;
    }
    for line in lines.take_while(|line| line.starts_with([' ', '-'])) {
        match (line.trim().strip_prefix('-'), line.split_once(':')) {
            (Some(name), _) => mapping.lines.push(plain(name)),
            (None, Some((key, name))) => {
                mapping.keys.insert(key.trim().to_owned(), plain(name));
            }
            _ => {}
        }
    }
    mapping
}

fn of_json(bytes: &[u8]) -> Mapping {
    use serde_json::Value;
    let mut mapping = Mapping::default();
    match serde_json::from_slice(bytes) {
        Ok(Value::Array(names)) => mapping.lines = names.into_iter().filter_map(|name| table::text_of(name, false)).collect(),
        Ok(Value::Object(map)) => {
            for (key, value) in map {
                match value {
                    Value::Number(number) if key.parse::<f64>().is_err() => mapping.keys.insert(number.to_string(), key),
                    // ImageNet's {"0": ["n01440764", "tench"]}.
                    Value::Array(mut names) => {
                        if let [Value::String(synset), Value::String(name)] = &names[..] {
                            mapping.keys.insert(synset.clone(), name.clone());
                        }
                        names.pop().and_then(|name| table::text_of(name, false)).and_then(|name| mapping.keys.insert(key, name))
                    }
                    value => table::text_of(value, false).and_then(|name| mapping.keys.insert(key, name)),
                };
            }
        }
        _ => {}
    }
    mapping
}

impl Mapping {
    /// One name per class, each once; lines count from the number of the first class where all are there.
    fn names(&self, classes: &[String]) -> Option<Vec<String>> {
        let by_key = || classes.iter().map(|class| self.keys.get(class).cloned()).collect::<Option<Vec<String>>>();
        let by_line = || {
            let numbers = classes.iter().map(|class| class.parse::<usize>().ok()).collect::<Option<Vec<usize>>>()?;
            let (least, most) = (numbers.iter().min()?, numbers.iter().max()?);
            let first = match self.lines.len() {
                count if *least == 0 && *most < count => 0,
                count if *least == 1 && *most == count => 1,
                _ => return None,
            };
            let names = numbers.iter().map(|number| self.lines.get(number - first).cloned()).collect::<Option<Vec<String>>>()?;
            // A line for each image repeats its words.
            (names.iter().collect::<BTreeSet<_>>().len() == names.len()).then_some(names)
        };
        let mut names: Vec<String> = by_key().or_else(by_line)?;
        // Words that are of several synsets.
        let mut seen: HashMap<String, usize> = HashMap::new();
        names.iter().for_each(|name| *seen.entry(name.clone()).or_default() += 1);
        for (name, class) in names.iter_mut().zip(classes).filter(|(name, _)| seen[*name] > 1) {
            *name = format!("{name} ({class})");
        }
        Some(names)
    }
}
