//! Which column of a table tells the labels: by its name and its values, or asked with the likeliest first.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::cell;
use crate::column_splits::{plain_name, truth};
use crate::error::{Place, Problem};
use crate::options::Options;
use crate::table::{Row, SEVERAL};
use crate::tree::Tree;

/// Of one meaning each line; within a line it is asked which, where the columns say different things.
const LABEL_COLUMNS: [&[&str]; 2] = [
    &["label", "labels"],
    &[
        "class",
        "class_name",
        "classname",
        "category",
        "target",
        "y",
        "label_name",
        "species",
        "classes",
        "class_id",
        "classid",
        "category_name",
        "breed",
        "diagnosis",
        "diagnostic",
        "dx",
        "emotion",
        "class_label",
        "finding_labels",
    ],
];
/// Words in names of columns of labels.
const LABEL_WORDS: [&str; 7] = ["label", "labels", "class", "category", "target", "breed", "species"];
/// Columns of text about an image, which is no label.
const CAPTION_COLUMNS: [&str; 9] = ["caption", "captions", "text", "description", "prompt", "sentence", "title", "comment", "alt"];
/// More columns of 0 and 1 are rather classes than remarks about the image.
const FEW_FLAGS: usize = 4;

/// Where the label of a row is.
#[derive(Clone)]
pub enum Labelling {
    Column(usize),
    /// The first word of ImageNet's `n01440764 10 20 30 40`.
    FirstWord(usize),
    /// A column of 0 and 1 for each class. With zeros, -1 is neither.
    OneHot {
        columns: Vec<usize>,
        has_zeros: bool,
    },
    /// Another file has the labels.
    Elsewhere,
}

/// The label that a row tells.
pub enum Label {
    Text(Option<String>),
    /// -1 beside 0 and 1, CheXpert's "uncertain".
    Uncertain,
}

impl Labelling {
    pub fn columns(&self) -> Vec<usize> {
        match self {
            Self::Column(column) | Self::FirstWord(column) => vec![*column],
            Self::OneHot { columns, .. } => columns.clone(),
            Self::Elsewhere => Vec::new(),
        }
    }

    fn one_hot(columns: Vec<usize>, rows: &[Row]) -> Self {
        let is_zero = |row: &Row| columns.iter().any(|column| row[*column].as_deref().and_then(truth) == Some(false));
        let has_zeros = rows.iter().any(is_zero);
        Self::OneHot { columns, has_zeros }
    }

    pub fn label(&self, columns: &[String], fields: &[Option<String>]) -> Label {
        let said = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty() && !text.eq_ignore_ascii_case("nan"));
        Label::Text(match self {
            Self::Column(column) => fields[*column].as_deref().map(cell::labels).and_then(|text| said(&text)),
            Self::FirstWord(column) => fields[*column].as_deref().and_then(|text| text.split_whitespace().next()).map(ToOwned::to_owned),
            Self::OneHot { columns: all, has_zeros } => {
                if *has_zeros && all.iter().any(|column| fields[*column].as_deref().is_some_and(is_minus_one)) {
                    return Label::Uncertain;
                }
                let set = all.iter().filter(|column| fields[**column].as_deref().and_then(flag) == Some(true));
                let names = set.map(|column| columns[*column].as_str()).filter(|name| !is_unlabelled(name)).collect::<Vec<_>>();
                Some(names.join(&SEVERAL.to_string())).filter(|names| !names.is_empty())
            }
            Self::Elsewhere => None,
        })
    }
}

/// Roboflow's column of images that nobody labelled.
pub fn is_unlabelled(column: &str) -> bool {
    matches!(plain_name(column).as_str(), "unlabeled" | "unlabelled")
}

fn is_minus_one(text: &str) -> bool {
    matches!(text.trim(), "-1" | "-1.0")
}

/// As `truth`, with -1 as false.
fn flag(text: &str) -> Option<bool> {
    if is_minus_one(text) { Some(false) } else { truth(text) }
}

/// Text about an image rather than the name of a class.
pub fn is_caption(column: &str, rows: &[Row], at: usize) -> bool {
    let words: usize = rows.iter().filter_map(|row| row[at].as_ref()).map(|text| text.split_whitespace().count()).sum();
    CAPTION_COLUMNS.contains(&column.to_lowercase().as_str()) || words > 4 * rows.len().max(1)
}

/// A table whose columns are judged by its first rows.
pub struct Judged<'a> {
    pub columns: &'a [String],
    pub has_header: bool,
    pub rows: &'a [Row],
    /// Columns of neither images nor splits.
    pub free: &'a [usize],
}

impl Judged<'_> {
    fn values(&self, column: usize) -> impl Iterator<Item = &str> {
        self.rows.iter().filter_map(move |row| row[column].as_deref())
    }

    fn is_text(&self, column: usize) -> bool {
        self.values(column).any(|text| text.trim().parse::<f64>().is_err())
    }

    /// Of the free columns, by its name.
    fn named(&self, usual: &str) -> Option<usize> {
        self.free.iter().copied().find(|column| plain_name(&self.columns[*column]) == usual)
    }

    fn is_flag(&self, column: usize) -> bool {
        let mut values = self.values(column).peekable();
        values.peek().is_some() && values.all(|text| flag(text).is_some())
    }

    /// It has several values that repeat, as classes do.
    pub fn may_be_classes(&self, column: usize) -> bool {
        let (count, distinct) = (self.values(column).count(), self.values(column).collect::<BTreeSet<_>>().len());
        distinct > 1 && distinct < count && (distinct < 20 || 2 * distinct <= count)
    }

    /// Text that may be the classes.
    fn other_text(&self, flags: &[usize]) -> Option<usize> {
        let may_be = |column: &usize| {
            self.may_be_classes(*column) && self.is_text(*column) && !is_caption(&self.columns[*column], self.rows, *column)
        };
        self.free.iter().copied().filter(|column| !flags.contains(column)).find(may_be)
    }

    /// The chosen column, or columns of 0 and 1 with commas between their names.
    fn chosen(&self, chosen: &str) -> Option<Labelling> {
        let index = |name: &str| self.free.iter().copied().find(|column| self.columns[*column] == name);
        if let Some(column) = index(chosen) {
            return Some(Labelling::Column(column));
        }
        let flags = chosen.split(',').map(|name| index(name.trim()).filter(|column| self.is_flag(*column)));
        flags.collect::<Option<Vec<usize>>>().map(|flags| Labelling::one_hot(flags, self.rows))
    }

    /// The labels by the name and the values of their columns. `Err`: what may be it alike, a column or several with commas between them.
    pub fn labelling(&self, options: &Options) -> Result<Option<Labelling>, Vec<String>> {
        let Self { columns, rows, free, .. } = *self;
        if let Some(chosen) = &options.label_column {
            return Ok(self.chosen(chosen));
        }
        if let Some(column) = self.named("predictionstring") {
            let is_synset = |text: &str| text.len() > 9 && text.starts_with('n') && text[1..9].bytes().all(|byte| byte.is_ascii_digit());
            return Ok(self.values(column).all(is_synset).then_some(Labelling::FirstWord(column)));
        }
        // Beside x, y is a coordinate.
        let is_x = |column: &String| column.to_lowercase().split(|c: char| !c.is_alphanumeric()).any(|word| word == "x");
        let has_x = columns.iter().any(is_x);
        let of_group =
            |group: &&[&str]| group.iter().filter(|usual| !has_x || **usual != "y").filter_map(|usual| self.named(usual)).collect();
        let groups: Vec<Vec<usize>> = LABEL_COLUMNS.iter().map(of_group).collect();
        if let Some(best) = groups.iter().find(|group| !group.is_empty()).filter(|_| self.has_header) {
            let first = best[0];
            let differing: Vec<usize> =
                best.iter().copied().filter(|other| *other != first && !same_classes(rows, first, *other)).collect();
            if !differing.is_empty() {
                return Err(std::iter::once(first).chain(differing).map(|column| columns[column].clone()).collect());
            }
            // Names rather than numbers, where both say the same.
            let named = groups.iter().flatten().copied().find(|other| self.is_text(*other) && same_classes(rows, first, *other));
            return Ok(Some(Labelling::Column(named.filter(|_| !self.is_text(first)).unwrap_or(first))));
        }
        let flags: Vec<usize> = free.iter().copied().filter(|column| self.is_flag(*column)).collect();
        if self.has_header && flags.len() > 1 {
            return self.of_flags(flags);
        }
        if let [only] = free {
            return Ok(Some(Labelling::Column(*only)).filter(|_| !is_caption(&columns[*only], rows, *only)));
        }
        let speaking: Vec<usize> = free.iter().copied().filter(|column| speaks(&columns[*column])).collect();
        match speaking[..] {
            [] => Ok(None),
            [only] => Ok(Some(Labelling::Column(only)).filter(|_| self.has_header)),
            _ => Err(speaking.into_iter().map(|column| columns[column].clone()).collect()),
        }
    }

    /// Columns of 0 and 1 are classes where each row has one, or nothing else is there; beside text that may be the classes it is asked.
    fn of_flags(&self, flags: Vec<usize>) -> Result<Option<Labelling>, Vec<String>> {
        let ones = |row: &Row| flags.iter().filter(|column| row[**column].as_deref().and_then(flag) == Some(true)).count();
        let exact = self.rows.iter().all(|row| ones(row) == 1);
        // Two flags among other columns are rather remarks about the image.
        if !exact && flags.len() != self.free.len() && flags.len() <= FEW_FLAGS {
            return Ok(None);
        }
        // `pandas.get_dummies` makes `sex_M` and `sex_F` of a column.
        let first = self.columns[flags[0]].split_once('_').map(|(start, _)| format!("{start}_"));
        let is_spread = first.is_some_and(|start| flags.iter().all(|column| self.columns[*column].starts_with(&start)));
        match self.other_text(&flags).filter(|_| is_spread || flags.len() <= FEW_FLAGS) {
            Some(text) => {
                let is_set = |column: &&usize| self.values(**column).any(|text| flag(text) == Some(true));
                let set = flags.iter().filter(is_set).count();
                let names: Vec<&str> = flags.iter().map(|column| self.columns[*column].as_str()).collect();
                let (text, flags) = (self.columns[text].clone(), names.join(","));
                Err(match set {
                    0 | 1 => vec![text],
                    _ if is_spread || names.len() == 2 => vec![text, flags],
                    _ => vec![flags, text],
                })
            }
            None => Ok(Some(Labelling::one_hot(flags, self.rows))),
        }
    }

    /// Other columns that speak of labels and have other classes than those that are taken, which a note tells.
    pub fn others(&self, taken: &[usize]) -> Option<Problem> {
        let [label] = *taken else { return None };
        let is_other = |column: &usize| {
            let column = *column;
            // `subclass` too.
            let name = plain_name(&self.columns[column]);
            let speaks = name.split('_').any(|word| LABEL_WORDS.iter().any(|known| word.ends_with(known)));
            column != label && speaks && self.may_be_classes(column) && !same_classes(self.rows, label, column)
        };
        let others: Vec<&String> = self.free.iter().copied().filter(is_other).map(|column| &self.columns[column]).collect();
        let first = others.first()?;
        let shown = others.iter().take(3).map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
        let sentence = format!("the labels are of the column {}; {shown} may be labels too", self.columns[label]);
        let choice = Options { label_column: Some((*first).clone()), ..Options::default() };
        Some(Problem::note("other-labels", sentence).with("choose", format!("Take {first} as the labels"), choice))
    }

    /// Columns that may be the labels, the likeliest first.
    pub fn likely(&self) -> Vec<String> {
        let rank = |column: usize| {
            let name = plain_name(&self.columns[column]);
            let is_identity = name == "id" || name.ends_with("_id") || name.ends_with("_at") || name.contains("date");
            let order = [is_usual(&name), speaks(&name), !is_identity && self.is_text(column) && !self.is_flag(column), !is_identity];
            order.iter().position(|fits| *fits).unwrap_or(order.len())
        };
        let is_whole = |text: &str| text.trim().parse::<f64>().map_or(true, |number| !number.is_finite() || number.fract() == 0.0);
        let may_be = |column: &usize| {
            self.may_be_classes(*column) && self.values(*column).all(is_whole) && !is_caption(&self.columns[*column], self.rows, *column)
        };
        let mut offered: Vec<usize> = self.free.iter().copied().filter(may_be).collect();
        offered.sort_by_key(|column| (rank(*column), *column));
        offered.into_iter().map(|column| self.columns[column].clone()).collect()
    }
}

fn speaks(column: &str) -> bool {
    plain_name(column).split('_').any(|word| LABEL_WORDS.contains(&word))
}

fn is_usual(name: &str) -> bool {
    LABEL_COLUMNS.iter().flat_map(|group| group.iter()).any(|usual| *usual == name)
}

/// A column that is called like labels.
pub fn speaks_of_labels(column: &str) -> bool {
    speaks(column) || is_usual(&plain_name(column))
}

/// Whether each value of one column goes with one of the other.
fn same_classes(rows: &[Row], one: usize, other: usize) -> bool {
    let (mut there, mut back): (HashMap<&str, &str>, BTreeMap<&str, &str>) = Default::default();
    rows.iter()
        .filter_map(|row| row[one].as_deref().zip(row[other].as_deref()))
        .all(|(a, b)| *there.entry(a).or_insert(b) == b && *back.entry(b).or_insert(a) == a)
}

/// Offers the columns that may be the labels.
pub fn ask_labels(tree: &Tree, entry: usize, why: &str, offered: &[String]) -> Problem {
    let file = tree.display(&tree.entries[entry]);
    let problem = Problem::error("no-column", format!("{file} {why}")).at(Place::file(file));
    let offer = |problem: Problem, name: &String| {
        problem.with("choose", format!("Take {name} as the labels"), Options { label_column: Some(name.clone()), ..Options::default() })
    };
    offered.iter().take(12).fold(problem, offer)
}
