//! What the samples of shards have besides: images under one or several names and values that may be labels. Which of them count is told by
//! their names, else asked.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::array_labels::{self, Labels};
use crate::error::{Place, Problem, Result};
use crate::images::{NO_LABEL, check_classes};
use crate::options::Options;
use crate::tree::Tree;

/// A sample has no more images than this.
const MOST_IMAGES: usize = 16;

/// A column of more different values holds no labels; its values are forgotten.
const MOST_VALUES: usize = 100_000;

/// Names of labels, the likeliest first.
const LABELS: [&str; 12] = [
    "cls",
    "label",
    "labels",
    "class",
    "image/class/label",
    "target",
    "targets",
    "class_name",
    "category",
    "y",
    "fine_label",
    "label_name",
];

/// Names of classes in words, which go with a number of the same sample.
const WORDS: [&str; 9] =
    ["image/class/text", "image/class/synset", "class_name", "classname", "label_name", "class_label", "label_text", "synset", "name"];

pub struct Part {
    pub entry: usize,
    pub count: usize,
}

/// Where an image lies in its shard, bytes.
#[derive(Clone, Copy)]
pub struct Member {
    pub sample: u32,
    pub column: u16,
    pub length: u32,
    pub offset: u64,
}

/// Values of one column by number, so that each text is kept once.
#[derive(Default)]
struct Values {
    numbers: HashMap<String, u32>,
    /// Too many to be labels.
    full: bool,
}

#[derive(Default)]
pub struct Columns {
    pub shards: Vec<Part>,
    pub count: u32,
    images: Vec<String>,
    members: Vec<Member>,
    names: Vec<String>,
    values: Vec<Values>,
    /// Sample, column, value.
    cells: Vec<(u32, u16, u32)>,
    /// The same of columns that hold something else: captions, masks, arrays.
    others: BTreeMap<String, u64>,
}

pub struct Chosen {
    pub class_names: Vec<String>,
    /// One per sample, also of those without an image.
    pub labels: Vec<u32>,
    pub image: String,
    pub label: String,
    /// Samples with an image, where not all have one.
    pub kept: Option<Vec<u32>>,
    pub without_image: usize,
    pub problems: Vec<Problem>,
}

impl Columns {
    /// The next sample, of the shard that was begun last.
    pub fn begin(&mut self) -> u32 {
        if let Some(shard) = self.shards.last_mut() {
            shard.count += 1;
        }
        self.count += 1;
        self.count - 1
    }

    pub fn image(&mut self, sample: u32, name: &str, offset: u64, length: u32) {
        let column = number(&mut self.images, name);
        self.members.push(Member { sample, column, length, offset });
    }

    pub fn value(&mut self, sample: u32, name: &str, value: &str) {
        let column = number(&mut self.names, name);
        if self.values.len() <= usize::from(column) {
            self.values.push(Values::default());
        }
        let values = &mut self.values[usize::from(column)];
        if values.full {
            return;
        }
        let next = values.numbers.len() as u32;
        let known = values.numbers.get(value).copied();
        let value = known.unwrap_or_else(|| {
            values.numbers.insert(value.to_owned(), next);
            next
        });
        if values.numbers.len() > MOST_VALUES {
            *values = Values { full: true, ..Values::default() };
            self.cells.retain(|cell| cell.1 != column);
            return;
        }
        self.cells.push((sample, column, value));
    }

    pub fn other(&mut self, name: &str) {
        match self.others.get_mut(name) {
            Some(count) => *count += 1,
            None => drop(self.others.insert(name.to_owned(), 1)),
        }
    }

    /// All that a sample may have, to choose from.
    pub fn names(&self) -> Vec<String> {
        let mut names = self.images.clone();
        names.extend(self.names.iter().cloned());
        names.extend(self.others.keys().cloned());
        names
    }

    /// The value that a column has in all samples, as a number.
    pub fn constant(&self, name: &str) -> Option<usize> {
        let column = self.names.iter().position(|known| known == name)?;
        let values = &self.values[column].numbers;
        (values.len() == 1).then(|| values.keys().next().and_then(|value| value.parse().ok())).flatten()
    }

    /// Images of the chosen column, in the order of the samples.
    pub fn members(&mut self, image: &str) -> Vec<Member> {
        let columns = self.image_columns(image);
        let mut members = std::mem::take(&mut self.members);
        members.retain(|member| columns.contains(&member.column));
        members.sort_by_key(|member| member.sample);
        members.dedup_by_key(|member| member.sample);
        members
    }

    /// `jpg`, `png` and their like are one column, in which each sample has one.
    fn image_columns(&self, image: &str) -> Vec<u16> {
        let is_one = is_plain(image) && !self.plain_is_ambiguous();
        let is_it = |name: &&String| name.as_str() == image || (is_one && is_plain(name));
        (0..self.images.len()).filter(|&at| is_it(&&self.images[at])).map(|at| at as u16).collect()
    }

    /// A sample has two images of no other name than their kind.
    fn plain_is_ambiguous(&self) -> bool {
        let plain: Vec<bool> = self.images.iter().map(|name| is_plain(name)).collect();
        let mut samples: Vec<u32> =
            self.members.iter().filter(|member| plain[usize::from(member.column)]).map(|member| member.sample).collect();
        samples.sort_unstable();
        samples.windows(2).any(|pair| pair[0] == pair[1])
    }

    pub fn choose(&self, tree: &Tree, writer: &str, names: Option<&(String, Vec<String>)>, options: &Options) -> Result<Chosen> {
        let image = self.choose_image(tree, writer, options)?;
        let columns = self.image_columns(&image);
        let mut with_image = vec![false; self.count as usize];
        for member in self.members.iter().filter(|member| columns.contains(&member.column)) {
            with_image[member.sample as usize] = true;
        }
        let label = self.choose_label(tree, writer, options)?;
        let mut problems = Vec::new();
        let (mut class_names, labels) = self.classes(tree, &label, names, &mut problems)?;
        if let Some((file, names)) = names {
            match named(&class_names, names) {
                Some(named) => class_names = named,
                None if class_names.iter().all(|name| name.parse::<u64>().is_ok()) => {
                    let sentence = format!("{file} has {} names, which do not fit the labels", names.len());
                    problems.push(Problem::warning("unfit-names", sentence).at(Place::file(file.clone())));
                }
                None => {}
            }
        }
        let without_image = with_image.iter().filter(|with| !**with).count();
        let kept = (without_image > 0).then(|| (0..self.count).filter(|&sample| with_image[sample as usize]).collect::<Vec<u32>>());
        let lost = (0..self.count as usize).filter(|&sample| !with_image[sample] && labels[sample] != NO_LABEL).count();
        if lost > 0 {
            let sentence = format!("{lost} samples have a label but no image {image}");
            problems.push(Problem::error("missing-image", sentence).counted(lost as u64).skippable("Leave these samples out"));
        }
        if let Some(kept) = &kept
            && kept.is_empty()
        {
            return Err(Problem::error("no-images", format!("no sample of these {writer} has an image {image}")).into());
        }
        self.note_unused(&image, &label, &mut problems);
        Ok(Chosen { class_names, labels, image, label, kept, without_image, problems })
    }

    fn choose_image(&self, tree: &Tree, writer: &str, options: &Options) -> Result<String> {
        if let Some(chosen) = &options.image_column {
            return match self.images.contains(chosen) {
                true => Ok(chosen.clone()),
                false => Err(self.missing(chosen, "images", &self.images)),
            };
        }
        let mut images: Vec<&String> = self.images.iter().collect();
        let plain: Vec<&String> = images.iter().copied().filter(|name| is_plain(name)).collect();
        if let (Some(first), false) = (plain.first(), self.plain_is_ambiguous()) {
            return Ok((*first).clone());
        }
        match images[..] {
            [] => {
                let sentence = format!("the samples of these {writer} hold no image that is known; they have {}", self.names().join(", "));
                Err(self.at_first(tree, Problem::error("no-images", sentence)).into())
            }
            [only] => Ok(only.clone()),
            // What follows the first dot of a name is its column.
            [first, ..] if images.len() > MOST_IMAGES => {
                let sentence = format!(
                    "the samples of these {writer} have {} images by their names, such as {first}: a key ends at its first dot; write keys \
                     without dots",
                    images.len()
                );
                Err(self.at_first(tree, Problem::error("keys-with-dots", sentence)).into())
            }
            _ => {
                images.sort_by_key(|name| (is_mask(name), !is_plain(name)));
                let listed: Vec<&str> = images.iter().map(|name| name.as_str()).collect();
                let sentence = format!("a sample of these {writer} has several images: {}; choose one", listed.join(", "));
                let offer = |problem: Problem, name: &&String| {
                    problem.with("choose", format!("Take {name}"), Options { image_column: Some((*name).clone()), ..Options::default() })
                };
                let problem = self.at_first(tree, Problem::error("which-images", sentence));
                Err(images.iter().take(12).fold(problem, offer).into())
            }
        }
    }

    fn at_first(&self, tree: &Tree, problem: Problem) -> Problem {
        self.shards.first().map_or(problem.clone(), |shard| problem.at(tree.place(&tree.entries[shard.entry])))
    }

    fn missing(&self, chosen: &str, of: &str, known: &[String]) -> crate::error::Error {
        Problem::error("no-column", format!("there is no {chosen} of {of}; there are {}", known.join(", "))).into()
    }

    /// The last part of a field's name: `label` of `json.label`.
    fn rank(name: &str) -> Option<usize> {
        let last = name.strip_prefix("json.").unwrap_or(name);
        LABELS.iter().position(|usual| *usual == last)
    }

    fn choose_label(&self, tree: &Tree, writer: &str, options: &Options) -> Result<String> {
        if let Some(chosen) = &options.label_column {
            return match self.names.contains(chosen) {
                true => Ok(chosen.clone()),
                false => Err(self.missing(chosen, "labels", &self.names)),
            };
        }
        let usable = |name: &&String| {
            let column = self.names.iter().position(|known| known == *name).unwrap_or(0);
            let (values, samples) = (&self.values[column], self.count as usize);
            !values.full && (values.numbers.len() < 20 || 2 * values.numbers.len() <= samples)
        };
        let mut usual: Vec<&String> = self.names.iter().filter(|name| Self::rank(name).is_some()).collect();
        usual.sort_by_key(|name| (name.contains('.'), Self::rank(name)));
        // A number and its words tell the same, and the words name the classes.
        let first = usual.iter().find(|name| usable(name)).copied();
        let Some(first) = first else { return Err(self.no_label(tree, writer, &usable)) };
        let differing: Vec<&&String> = usual.iter().filter(|name| **name != first && usable(name) && !self.agree(first, name)).collect();
        if differing.is_empty() {
            return Ok(first.clone());
        }
        let names: Vec<&String> = std::iter::once(first).chain(differing.into_iter().copied()).collect();
        let listed: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
        let sentence = format!("the samples of these {writer} have several labels: {}; choose one", listed.join(", "));
        let problem = self.at_first(tree, Problem::error("which-labels", sentence));
        Err(names.into_iter().take(12).fold(problem, offer_label).into())
    }

    /// Nothing is called like a label: what has few values is offered.
    fn no_label(&self, tree: &Tree, writer: &str, usable: &dyn Fn(&&String) -> bool) -> crate::error::Error {
        let may_be: Vec<&String> = self.names.iter().filter(usable).filter(|name| self.distinct(name) > 1).collect();
        let others: Vec<&str> = self.names.iter().chain(self.others.keys()).map(String::as_str).collect();
        if may_be.is_empty() {
            let sentence = match others[..] {
                [] => format!("the samples of these {writer} are images and nothing else; there are no labels"),
                _ => format!("the samples of these {writer} have no labels: {} tell no classes (captions, for one)", others.join(", ")),
            };
            return self.at_first(tree, Problem::error("no-labels", sentence)).into();
        }
        let sentence =
            format!("the samples of these {writer} have nothing that is called a label, but {}; choose the labels", others.join(", "));
        let problem = self.at_first(tree, Problem::error("which-labels", sentence));
        may_be.into_iter().take(12).fold(problem, offer_label).into()
    }

    fn column(&self, name: &str) -> Option<u16> {
        self.names.iter().position(|known| known == name).map(|at| at as u16)
    }

    fn distinct(&self, name: &str) -> usize {
        self.column(name).map_or(0, |column| self.values[usize::from(column)].numbers.len())
    }

    /// Value numbers of two columns for each sample that has both.
    fn pairs(&self, a: u16, b: u16) -> BTreeSet<(u32, u32)> {
        let of =
            |column: u16| -> HashMap<u32, u32> { self.cells.iter().filter(|cell| cell.1 == column).map(|cell| (cell.0, cell.2)).collect() };
        let others = of(b);
        of(a).into_iter().filter_map(|(sample, value)| Some((value, *others.get(&sample)?))).collect()
    }

    /// Each value of one goes with one value of the other.
    fn agree(&self, a: &str, b: &str) -> bool {
        let (Some(a), Some(b)) = (self.column(a), self.column(b)) else { return false };
        let pairs = self.pairs(a, b);
        let (left, right): (BTreeSet<u32>, BTreeSet<u32>) = pairs.iter().copied().unzip();
        !pairs.is_empty() && left.len() == pairs.len() && right.len() == pairs.len()
    }

    /// Class names and a label for each sample.
    fn classes(
        &self,
        tree: &Tree,
        label: &str,
        names: Option<&(String, Vec<String>)>,
        problems: &mut Vec<Problem>,
    ) -> Result<(Vec<String>, Vec<u32>)> {
        let column = self.column(label).unwrap_or(0);
        let mut texts: Vec<(&String, u32)> =
            self.values[usize::from(column)].numbers.iter().map(|(text, number)| (text, *number)).collect();
        texts.sort_by_key(|(_, number)| *number);
        let first_of = |value: usize| self.cells.iter().find(|cell| cell.1 == column && cell.2 as usize == value).map_or(0, |cell| cell.0);
        let place = |value: usize| self.place(tree, first_of(value));
        let distinct = texts.iter().map(|(text, _)| (*text).clone()).collect();
        let (mut class_names, of_value) = array_labels::classes(vec![Labels::Texts(distinct)], &place)?;
        let mut labels = vec![NO_LABEL; self.count as usize];
        for cell in self.cells.iter().filter(|cell| cell.1 == column) {
            labels[cell.0 as usize] = of_value[cell.2 as usize];
        }
        check_classes(&class_names, self.count as usize, &format!("the column {label}"))?;
        if names.is_none()
            && class_names.iter().all(|name| name.parse::<u64>().is_ok())
            && let Some(words) = WORDS.iter().find_map(|words| self.words(label, words, &of_value, class_names.len()))
        {
            let sentence = format!("{label} has the numbers of the classes; their names are from {}", words.0);
            problems.push(Problem::note("class-names", sentence));
            class_names = words.1;
        }
        Ok((class_names, labels))
    }

    /// Names of the classes from another column, where each class has one of its own.
    fn words(&self, label: &str, words: &str, of_value: &[u32], classes: usize) -> Option<(String, Vec<String>)> {
        let name = self.names.iter().find(|name| name.strip_prefix("json.").unwrap_or(name) == words && name.as_str() != label)?;
        if !self.agree(label, name) {
            return None;
        }
        let column = self.column(name)?;
        let by_number: HashMap<u32, &String> =
            self.values[usize::from(column)].numbers.iter().map(|(text, number)| (*number, text)).collect();
        let mut found: Vec<Option<String>> = vec![None; classes];
        for (value, word) in self.pairs(self.column(label)?, column) {
            let class = of_value.get(value as usize)?;
            if let Some(slot) = found.get_mut(*class as usize) {
                *slot = by_number.get(&word).map(|text| text.trim().to_owned());
            }
        }
        Some((name.clone(), found.into_iter().collect::<Option<Vec<String>>>()?))
    }

    fn place(&self, tree: &Tree, sample: u32) -> Place {
        let parts = self.shards.iter().map(|shard| (shard.entry, shard.count));
        crate::images::place_among(tree, parts, sample as usize)
    }

    fn note_unused(&self, image: &str, label: &str, problems: &mut Vec<Problem>) {
        let images = self.image_columns(image);
        let unused = (0..self.images.len()).filter(|at| !images.contains(&(*at as u16))).map(|at| &self.images[at]);
        let unused: Vec<&str> =
            unused.chain(self.names.iter().filter(|name| *name != label)).chain(self.others.keys()).map(String::as_str).collect();
        if !unused.is_empty() {
            let sentence = format!("images are {image}, labels {label}; not used: {}", unused.join(", "));
            let note = Problem::note("unused-columns", sentence).counted(unused.len() as u64);
            let others: Vec<&String> = self.names.iter().filter(|name| *name != label && Self::rank(name).is_some()).collect();
            problems.push(others.into_iter().take(6).fold(note, offer_label));
        }
    }
}

/// Names for classes that are numbers, from 0 or else from 1.
fn named(numbers: &[String], names: &[String]) -> Option<Vec<String>> {
    let numbers: Vec<usize> = numbers.iter().map(|number| number.parse().ok()).collect::<Option<_>>()?;
    let of = |first: usize| numbers.iter().map(|number| names.get(number.checked_sub(first)?).cloned()).collect::<Option<Vec<String>>>();
    of(0).map(|found| (found, 0)).or_else(|| (numbers.len() == names.len()).then(|| of(1)).flatten().map(|found| (found, 1))).map(
        |(found, first)| {
            let rest = if first == 0 && numbers.iter().copied().eq(0..numbers.len()) { &names[numbers.len()..] } else { &[] };
            found.into_iter().chain(rest.iter().cloned()).collect()
        },
    )
}

fn offer_label(problem: Problem, name: &String) -> Problem {
    problem.with("choose", format!("Take {name} as the labels"), Options { label_column: Some(name.clone()), ..Options::default() })
}

/// Called after its kind or as an image, and nothing else.
fn is_plain(name: &str) -> bool {
    crate::sniff::is_image_extension(name)
        || ["image", "img", "image/encoded", "image.png", "image.jpg", "image.jpeg", "image_raw", "pixels", "x"].contains(&name)
}

fn is_mask(name: &str) -> bool {
    name.split(|c: char| !c.is_alphanumeric()).any(|word| ["seg", "mask", "target", "label", "depth", "gt", "semantic"].contains(&word))
}

fn number(names: &mut Vec<String>, name: &str) -> u16 {
    let known = names.iter().position(|known| known == name);
    known.unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    }) as u16
}
