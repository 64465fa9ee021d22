//! Lists of images as plain text: `path label` (Caffe, FGVC-Aircraft), paths alone whose folders are the classes (Food-101, DTD, SUN397), and
//! names with numbers that are none of labels. The split is in the list's name; trailing numbers of several lists are repetitions of the split.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::detection::{is_of_voc, is_plain};
use super::index::{Found, Index};
use super::{Image, LabelFile, Role, Row, partition};
use crate::column_splits::{self, Told};
use crate::error::{Error, Place, Problem, Result};
use crate::image_parquet;
use crate::images::{Named, named_split};
use crate::options::Options;
use crate::table;
use crate::tree::{Entry, Tree};

/// Lists named for a split whose lines tell more than that.
pub const UNKNOWN: &str = "lists of splits with numbers that are not known";

/// Lines by which a list is judged.
const JUDGED: usize = 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// The image is the first word, its label the rest.
    First,
    /// The label is the last word.
    Last,
    /// The label is the second word; numbers follow.
    Second,
    /// The label is in the name: `Abyssinian_100 1 1 1`.
    Stem,
    /// The whole line is a path; its folders are the label.
    Path,
}

/// The split that a list is named for, also where a name stands right behind it: `trainCT_COVID.txt`.
fn split_of(entry: &Entry) -> Option<Named> {
    let stem = entry.stem();
    let before = stem.find(char::is_uppercase).map_or("", |at| &stem[..at]);
    image_parquet::split_of(entry).or_else(|| named_split(before))
}

fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok()
}

fn first_word(line: &str) -> (&str, &str) {
    line.split_once(char::is_whitespace).map_or((line, ""), |(first, rest)| (first, rest.trim()))
}

fn last_word(line: &str) -> (&str, &str) {
    line.rsplit_once(char::is_whitespace).map_or((line, ""), |(rest, last)| (rest.trim(), last))
}

/// `Abyssinian` of `Abyssinian_100`.
fn stem(name: &str) -> &str {
    name.rsplit_once('_').filter(|(_, number)| is_number(number)).map_or(name, |(stem, _)| stem)
}

/// Image and label of a line; folders count for the label without the first `common`.
fn parts(line: &str, style: Style, common: usize) -> (String, Option<String>) {
    let said = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    match style {
        Style::First => {
            let (image, label) = first_word(line);
            (image.to_owned(), said(label))
        }
        Style::Last => {
            let (image, label) = last_word(line);
            (image.to_owned(), said(label))
        }
        Style::Second => {
            let (image, rest) = first_word(line);
            (image.to_owned(), said(first_word(rest).0))
        }
        Style::Stem => {
            let image = first_word(line).0;
            (image.to_owned(), said(stem(image)))
        }
        Style::Path => {
            let folders = folders(line);
            let below = folders[common.min(folders.len())..].iter().skip_while(|folder| is_plain(folder));
            (line.to_owned(), said(&below.cloned().collect::<Vec<_>>().join("/")))
        }
    }
}

fn folders(path: &str) -> Vec<String> {
    let unified = path.replace('\\', "/");
    let mut parts: Vec<String> = unified.split('/').filter(|part| !part.is_empty() && *part != ".").map(ToOwned::to_owned).collect();
    parts.pop();
    parts
}

/// Hands over the lines with their numbers, without comments.
fn lines(tree: &Tree, entry: &Entry, hand: &mut dyn FnMut(usize, &str) -> Result<()>) -> Result<()> {
    table::lines(tree, entry, &mut |row, line| {
        let text = std::str::from_utf8(line).map_err(|_| table::bad_row(tree, entry, row, "it is not UTF-8"))?;
        if text.starts_with("# ") || text == "#" || text.starts_with("#Image") { Ok(()) } else { hand(row, text) }
    })
}

pub fn role(tree: &Tree, at: usize, index: &Index, options: &Options) -> Result<Role> {
    let entry = &tree.entries[at];
    if is_of_voc(entry) {
        return Ok(Role::Other("lists of objects"));
    }
    let mut first: Vec<String> = Vec::new();
    let read = lines(tree, entry, &mut |_, line| {
        first.push(line.to_owned());
        if first.len() < JUDGED { Ok(()) } else { Err(Error::Cancelled) }
    });
    crate::text::until_enough(read)?;
    let Some(style) = style(&first, index) else {
        if let Some(role) = of_words(tree, at, index, &first, options) {
            return Ok(role);
        }
        return Ok(match name_folders(&first, index) {
            Some(true) if split_of(entry).is_some() => Role::Splits(split_list(tree, at, split_of(entry), true)),
            Some(_) if split_of(entry).is_some() => Role::Other(UNKNOWN),
            _ => Role::Other("other text"),
        });
    };
    let group = group_of(entry);
    if ["split", "partition"].iter().any(|word| group.contains(word)) && style != Style::Path {
        return Ok(Role::Splits(split_list(tree, at, None, false)));
    }
    let rest: Vec<&str> = first.iter().map(|line| first_word(line).1).collect();
    let numbers = |text: &str| text.split_whitespace().count() > 1 && text.split_whitespace().all(is_number);
    let is_box = |text: &str| text.split_whitespace().count() == 5 && numbers(first_word(text).1) && !is_number(first_word(text).0);
    let style = match style {
        Style::First if rest.iter().all(|text| numbers(text)) => {
            if !stems_are_classes(&first) {
                return Ok(Role::Other("lists of numbers"));
            }
            Style::Stem
        }
        Style::First if rest.iter().all(|text| is_box(text)) => Style::Second,
        // Fields with tabs between them, or in quotes, are columns.
        Style::First | Style::Last if rest.iter().any(|text| text.contains(['\t', '"'])) => return Ok(Role::Other("other text")),
        // As a table of a number, a label and a path has.
        Style::Path if first.iter().any(|line| line.contains('\t')) => return Ok(Role::Other("other text")),
        style => style,
    };
    let labels: BTreeSet<Option<String>> = first.iter().map(|line| parts(line, style, 0).1).collect();
    if style != Style::Path && labels.len() == first.len() && labels.len() > 1 {
        return Ok(Role::Other("names of classes or of images"));
    }
    let mut common = 0;
    if style == Style::Path {
        common = match common_folders(tree, entry, index)? {
            Some(common) => common,
            None if split_of(entry).is_some() => return Ok(Role::Splits(split_list(tree, at, split_of(entry), false))),
            None => return Ok(Role::Other("lists of images without labels")),
        };
        // Where a level of folders was chosen, the folders tell the classes.
        if options.class_level.is_some() {
            return Ok(match split_of(entry) {
                Some(named) => Role::Splits(split_list(tree, at, Some(named), false)),
                None => Role::Other("lists of images without labels"),
            });
        }
        if let Some(problem) = which_level(tree, at, index, &first, common) {
            return Ok(Role::Asked(at, problem));
        }
    }
    let rows = move |tree: &Tree, hand: &mut dyn FnMut(Row) -> Result<()>| {
        lines(tree, &tree.entries[at], &mut |number, line| {
            let (image, label) = parts(line, style, common);
            hand(Row { image: Image::Named(image), label, split: Told::Unsaid, number })
        })
    };
    let label = tree.display(entry);
    Ok(Role::Labels(LabelFile {
        entry: at,
        kind: "lists of images",
        group: format!("{style:?} {group}"),
        columns: Vec::new(),
        used: Vec::new(),
        label,
        classes: Vec::new(),
        named: split_of(entry),
        with: Vec::new(),
        notes: Vec::new(),
        rows: Box::new(rows),
    }))
}

/// Lines of as many words each, one of them an image: `patient file class source`. Another is the label; of several it is asked which.
fn of_words(tree: &Tree, at: usize, index: &Index, lines: &[String], options: &Options) -> Option<Role> {
    let rows: Vec<Vec<&str>> = lines.iter().map(|line| line.split_whitespace().collect()).collect();
    let count = rows.first()?.len();
    if count < 3 || rows.iter().any(|row| row.len() != count) {
        return None;
    }
    let image = (0..count).find(|word| 10 * rows.iter().filter(|row| index.has(row[*word])).count() > 9 * rows.len())?;
    let values = |word: usize| rows.iter().map(|row| row[word]).collect::<BTreeSet<_>>().len();
    let may_be = |word: &usize| *word != image && values(*word) > 1 && 2 * values(*word) <= rows.len();
    let mut labels: Vec<usize> = (0..count).filter(may_be).collect();
    // What stands behind the image is likelier.
    labels.sort_by_key(|word| *word < image);
    let columns: Vec<String> = (1..=count).map(|number| format!("column {number}")).collect();
    let entry = &tree.entries[at];
    let file = tree.display(entry);
    let chosen = options.label_column.as_ref().and_then(|name| columns.iter().position(|column| column == name));
    let label = match (chosen, &labels[..]) {
        (Some(chosen), _) => chosen,
        (None, [only]) => *only,
        (None, []) => return None,
        (None, several) => {
            let shown =
                |word: usize| rows.iter().map(|row| row[word]).collect::<BTreeSet<_>>().into_iter().take(3).collect::<Vec<_>>().join(", ");
            let sentence = format!("{file} names an image and {} words in each line; which of them is its label?", count - 1);
            let offer = |problem: Problem, word: &usize| {
                let options = Options { label_column: Some(columns[*word].clone()), ..Options::default() };
                problem.with("choose", format!("Take {} as the labels ({}, ...)", columns[*word], shown(*word)), options)
            };
            return Some(Role::Asked(
                at,
                several.iter().take(12).fold(Problem::error("which-labels", sentence).at(Place::file(file)), offer),
            ));
        }
    };
    let rows = move |tree: &Tree, hand: &mut dyn FnMut(Row) -> Result<()>| {
        self::lines(tree, &tree.entries[at], &mut |number, line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let Some((image, label)) = words.get(image).zip(words.get(label)) else {
                return hand(Row { image: Image::Missing, label: None, split: Told::Unsaid, number });
            };
            hand(Row { image: Image::Named((*image).to_owned()), label: Some((*label).to_owned()), split: Told::Unsaid, number })
        })
    };
    let used = vec![(columns[image].clone(), "images"), (columns[label].clone(), "labels")];
    Some(Role::Labels(LabelFile {
        entry: at,
        kind: "lists of images",
        group: format!("{count} {image} {label} {}", group_of(entry)),
        label: format!("{} of {file}", columns[label]),
        columns,
        used,
        classes: Vec::new(),
        named: split_of(entry),
        with: Vec::new(),
        notes: Vec::new(),
        rows: Box::new(rows),
    }))
}

/// An image in each line, all of the split that the list is named for, or with the name or the number of its split.
fn split_list(tree: &Tree, at: usize, named: Option<Named>, are_folders: bool) -> LabelFile {
    let entry = &tree.entries[at];
    let is_numbered = partition::is_numbered(entry);
    let rows = move |tree: &Tree, hand: &mut dyn FnMut(Row) -> Result<()>| {
        lines(tree, &tree.entries[at], &mut |number, line| {
            if named.is_some() {
                let image = if are_folders { Image::Below(video(line).to_owned()) } else { Image::Named(line.to_owned()) };
                return hand(Row { image, label: None, split: Told::Split(named), number });
            }
            let (image, said) = first_word(line);
            let named = if is_numbered { column_splits::of_number(said) } else { column_splits::value(said) };
            let split = named.map_or_else(|| Told::Strange(said.to_owned()), |named| Told::Split(Some(named)));
            hand(Row { image: Image::Named(image.to_owned()), label: None, split, number })
        })
    };
    LabelFile {
        entry: at,
        kind: "lists of splits",
        group: String::new(),
        columns: Vec::new(),
        used: Vec::new(),
        label: tree.display(entry),
        classes: Vec::new(),
        named: None,
        with: Vec::new(),
        notes: Vec::new(),
        rows: Box::new(rows),
    }
}

/// The video or folder that a line names, without its ending and the number of its class.
fn video(line: &str) -> &str {
    let name = first_word(line).0;
    let is_video = |ending: &str| ["avi", "mp4", "mkv", "webm", "mov", "mpg", "mpeg"].contains(&ending.to_lowercase().as_str());
    name.rsplit_once('.').filter(|(_, ending)| is_video(ending)).map_or(name, |(stem, _)| stem)
}

/// Lines name folders of frames by the paths of their videos; whether a number behind each is that of its class, the same for all of a folder.
fn name_folders(lines: &[String], index: &Index) -> Option<bool> {
    let mut numbers: HashMap<Option<String>, String> = HashMap::new();
    let (mut count, mut are_classes) = (0, true);
    for line in lines {
        let (name, number) = first_word(line);
        let is_path = video(line) != name || name.contains('/');
        if (is_path && index.is_folder(video(line))) || index.are_folders(video(line)) {
            count += 1;
            are_classes &= numbers.entry(folders(name).pop()).or_insert_with(|| number.to_owned()) == number;
        }
    }
    (lines.len() > 1 && 10 * count > 9 * lines.len()).then_some(are_classes)
}

fn style(lines: &[String], index: &Index) -> Option<Style> {
    let count = |fits: &dyn Fn(&str) -> bool| lines.iter().filter(|line| fits(line)).count();
    let mostly = |count: usize| 10 * count > 9 * lines.len();
    let (whole, first, last) = (
        count(&|line| index.has(line)),
        count(&|line| index.has(first_word(line).0) && !first_word(line).1.is_empty()),
        count(&|line| index.has(last_word(line).0) && !last_word(line).1.is_empty()),
    );
    match () {
        () if lines.is_empty() => None,
        () if mostly(whole) => Some(Style::Path),
        () if mostly(first) && first >= last => Some(Style::First),
        () if mostly(last) => Some(Style::Last),
        // A list of which some files are missing is one all the same.
        () if 2 * first > lines.len() && first >= last => Some(Style::First),
        () if 2 * last > lines.len() => Some(Style::Last),
        () if 2 * whole > lines.len() => Some(Style::Path),
        () => None,
    }
}

/// Whether the first number after the name goes with the name without its number.
fn stems_are_classes(lines: &[String]) -> bool {
    let (mut there, mut back): (HashMap<&str, &str>, BTreeMap<&str, &str>) = Default::default();
    let fits = lines.iter().all(|line| {
        let (name, rest) = first_word(line);
        let (class, number) = (stem(name), first_word(rest).0);
        class != name && *there.entry(class).or_insert(number) == number && *back.entry(number).or_insert(class) == class
    });
    fits && there.len() < lines.len()
}

/// How many folders all paths begin with that say nothing of the class; `None` where no folders do.
fn common_folders(tree: &Tree, entry: &Entry, index: &Index) -> Result<Option<usize>> {
    let mut common: Option<Vec<String>> = None;
    lines(tree, entry, &mut |_, line| {
        let folders = folders(line);
        match &mut common {
            None => common = Some(folders),
            Some(common) => common.truncate(common.iter().zip(&folders).take_while(|(a, b)| a == b).count()),
        }
        Ok(())
    })?;
    let common = common.unwrap_or_default();
    let mut labelled = false;
    lines(tree, entry, &mut |_, line| {
        labelled |= parts(line, Style::Path, common.len()).1.is_some();
        Ok(())
    })?;
    // A list of one class, whose folder is here.
    let is_here = |at: &usize| at + 1 == common.len() && index.is_folder(&common[*at]);
    let only = common.iter().rposition(|folder| !is_plain(folder)).filter(is_here);
    Ok(if labelled { Some(common.len()) } else { only })
}

/// Several levels of folders differ in the paths of a list, which may each be the classes: maker, model and year. Folders of a letter only
/// sort those below.
fn which_level(tree: &Tree, at: usize, index: &Index, lines: &[String], common: usize) -> Option<Problem> {
    let paths: Vec<Vec<String>> = lines.iter().map(|line| folders(line)).collect();
    let depth = paths.first()?.len();
    let names = |level: usize| paths.iter().filter_map(|path| path.get(level)).map(String::as_str).collect::<BTreeSet<_>>();
    let levels: Vec<usize> = (common..depth).filter(|level| names(*level).len() > 1).collect();
    let sorts = |level: &usize| names(*level).iter().all(|name| name.chars().count() == 1 && name.chars().all(char::is_alphabetic));
    if levels.len() < 2 || paths.iter().any(|path| path.len() != depth) || levels.first().is_some_and(sorts) {
        return None;
    }
    let Found::One(image) = index.find(tree, at, &lines[0], split_of(&tree.entries[at]), None) else { return None };
    let above = tree.entries[image].folder().split('/').count().checked_sub(depth)?;
    let shown = |level: usize| {
        let names = names(level);
        let more = if names.len() > 3 { ", ..." } else { "" };
        format!("{}{more}", names.into_iter().take(3).collect::<Vec<_>>().join(", "))
    };
    let readings: Vec<String> = levels.iter().map(|level| format!("level {} ({})", above + level + 1, shown(*level))).collect();
    let file = tree.display(&tree.entries[at]);
    let sentence = format!("{file} names images in folders of several levels that may be the classes: {}", readings.join(" or "));
    let offer = |problem: Problem, level: &usize| {
        let options = Options { class_level: Some((above + level + 1) as u32), ..Options::default() };
        problem.with("choose", format!("Take {} as the classes", shown(*level)), options)
    };
    Some(levels.iter().fold(Problem::error("which-classes", sentence).at(Place::file(file)), offer))
}

/// A list's name without splits and numbers: those of one dataset share it.
fn group_of(entry: &Entry) -> String {
    let lower = entry.stem().to_lowercase();
    let words = lower.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty() && named_split(word).is_none());
    words.collect::<Vec<_>>().join("_")
}
