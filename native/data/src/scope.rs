//! The folders that were chosen: files elsewhere are left out before anything is recognised. And what was chosen that nothing has a use for.

use std::collections::BTreeSet;

use crate::account::{Line, Unit};
use crate::column_splits::is_fold;
use crate::error::{Problem, Result};
use crate::image_table::{LISTS_OF_OTHERS, is_named, is_named_so};
use crate::options::{Format, Options};
use crate::recognise::Content;
use crate::sniff::What;
use crate::tree::{Entry, Tree};
use crate::{arrays, image_parquet};

/// How the account calls columns of folds.
pub const FOLDS: &str = "folds";

/// Whether a file is, or lies below, what a choice names; a star stands for any folder, or for a part of a name.
fn is_within(entry: &Entry, chosen: &str) -> bool {
    let parts = chosen.split(['/', '\\']).filter(|part| !part.is_empty() && *part != ".");
    let mut own = entry.name.split('/');
    parts.into_iter().all(|part| own.next().is_some_and(|own| part == "*" || part == own)) || is_named(entry, chosen)
}

/// Files outside a folder that hold images of their own, which are another dataset.
fn others(tree: &Tree, what: &[What], inside: &[bool], options: &Options) -> Vec<bool> {
    let outside: Vec<What> = what.iter().zip(inside).map(|(what, inside)| if *inside { What::Empty } else { what.clone() }).collect();
    let (arrays, columns) = (arrays::are_labelled(tree, &outside), image_parquet::fits(tree, &outside, options));
    let is_data = |what: &What| match what {
        What::Idx(..) | What::Pickle | What::Shard(_) => true,
        What::Npy(_) => arrays,
        What::Parquet | What::Arrow => columns,
        _ => false,
    };
    outside.iter().map(is_data).collect()
}

/// Leaves out what lies outside the chosen folder, and what was to be left out. Tables and lists outside a folder of images alone stay, as
/// does what tells of a dataset; images of another kind do not. Fails where a choice names nothing.
pub fn settle(tree: &mut Tree, what: &mut Vec<What>, options: &Options) -> Result<()> {
    if let Some(chosen) = options.leave_out.as_ref().filter(|chosen| !tree.entries.iter().any(|entry| is_within(entry, chosen))) {
        return Err(no_folder(tree, "--leave-out", chosen).into());
    }
    // A star alone: all folders, and those of one name together.
    if let Some(chosen) = options.folder.as_ref().filter(|chosen| *chosen != "*") {
        let inside: Vec<bool> = tree.entries.iter().map(|entry| is_within(entry, chosen)).collect();
        if !inside.contains(&true) {
            return Err(no_folder(tree, "--folder", chosen).into());
        }
        let is_image = |what: &What| matches!(what, What::Image | What::OtherImage);
        let is_about = |what: &What| is_image(what) || matches!(what, What::Text | What::Empty | What::Unknown | What::Other(_));
        let images_alone = what.iter().zip(&inside).all(|(what, inside)| !inside || is_about(what))
            && what.iter().zip(&inside).any(|(what, inside)| *inside && is_image(what));
        let tells = |at: usize| images_alone && !is_image(&what[at]);
        let is_data = if images_alone { others(tree, what, &inside, options) } else { vec![false; what.len()] };
        let stays: Vec<bool> =
            (0..what.len()).map(|at| inside[at] || (tells(at) && !is_data[at]) || tree.entries[at].file_name() == "README.md").collect();
        keep(tree, what, &stays, "outside the chosen folder");
    }
    if let Some(chosen) = &options.leave_out {
        let stays: Vec<bool> = tree.entries.iter().map(|entry| !is_within(entry, chosen)).collect();
        keep(tree, what, &stays, "left out as chosen");
    }
    Ok(())
}

fn keep(tree: &mut Tree, what: &mut Vec<What>, stays: &[bool], why: &str) {
    tree.keep(stays, why);
    let mut stays = stays.iter();
    what.retain(|_| stays.next() == Some(&true));
}

fn no_folder(tree: &Tree, flag: &str, chosen: &str) -> Problem {
    let folders: BTreeSet<&str> = tree.entries.iter().filter_map(|entry| entry.name.split_once('/')).map(|(first, _)| first).collect();
    let there = match folders.len() {
        0 => "there are no folders".to_owned(),
        count => {
            format!("there are {}{}", folders.into_iter().take(6).collect::<Vec<_>>().join(", "), if count > 6 { ", ..." } else { "" })
        }
    };
    Problem::error("unused-option", format!("{flag} {chosen} means no file; {there}"))
}

/// What was chosen that the files have no use for as they were opened. `account`: that of the content.
pub fn unused(tree: &Tree, format: Format, content: &Content, options: &Options) -> Vec<Problem> {
    let columns = match content {
        Content::Images(set) => &set.columns,
        Content::Text(set) => &set.columns,
        Content::Tokens(set) => &set.columns,
    };
    let account = || -> Vec<Line> {
        match content {
            Content::Images(set) => set.content.account(tree).lines().to_vec(),
            Content::Text(set) => set.account(tree).lines().to_vec(),
            Content::Tokens(set) => set.account(tree).lines().to_vec(),
        }
    };
    let levels = match content {
        Content::Images(set) => set.content.inferred(Options::default()),
        Content::Text(_) | Content::Tokens(_) => Options::default(),
    };
    let is = |formats: &[Format]| formats.contains(&format);
    let tables = [Format::ImageTable, Format::ImageParquet, Format::ImageArrays, Format::ImageShards];
    // Other formats ask where a column is not there.
    let has = |chosen: &str| format != Format::ImageTable || columns.iter().any(|column| column == chosen);
    let uses_table = |chosen: &str| match format {
        Format::ImageFolder => account().iter().any(|line| {
            let mut names = line.examples.iter().map(String::as_str);
            line.unit == Unit::Files && line.used && line.what.starts_with("lists") && names.any(|name| is_named_so(name, chosen))
        }),
        format => [Format::ImageTable, Format::Text, Format::Tokens].contains(&format),
    };
    let uses_fold = || {
        columns.iter().any(|column| is_fold(column))
            || account().iter().any(|line| (line.unit, line.what.as_str()) == (Unit::Columns, FOLDS) || line.what == LISTS_OF_OTHERS)
    };
    let tells = |name: &str| {
        let told = format!("train-{name}");
        tree.entries.iter().any(|entry| entry.split.as_ref() == Some(&told) || is_named(entry, name))
    };
    let columns_are = || match columns.len() {
        0 => "columns name nothing here".to_owned(),
        _ => format!("there are {}", columns.iter().take(12).cloned().collect::<Vec<_>>().join(", ")),
    };
    let of_classes = "the folders do not name the classes as the files are read";
    let mut found: Vec<(&str, String, String)> = Vec::new();
    let mut refuse = |is_used: bool, flag: &'static str, value: String, why: String| {
        if !is_used {
            found.push((flag, value, why));
        }
    };
    if let Some(chosen) = &options.label_column {
        let is_used = is(&tables) && (has(chosen) || chosen.split(',').all(|one| has(one.trim())));
        refuse(is_used, "--label-column", chosen.clone(), columns_are());
    }
    if let Some(chosen) = &options.image_column {
        refuse(is(&[Format::Idx]) || (is(&tables) && has(chosen)), "--image-column", chosen.clone(), columns_are());
    }
    if let Some(chosen) = &options.text_column {
        refuse(is(&[Format::Text, Format::Tokens]), "--text-column", chosen.clone(), columns_are());
    }
    if let Some(chosen) = &options.table {
        refuse(uses_table(chosen), "--table", chosen.clone(), "no table or list called so is read".into());
    }
    if let Some(level) = options.class_level {
        refuse(levels.class_level.is_some(), "--class-level", level.to_string(), of_classes.into());
    }
    if let Some(level) = options.split_level {
        refuse(levels.split_level.is_some(), "--split-level", level.to_string(), "the folders do not name the splits of the images".into());
    }
    if let Some(fold) = &options.fold {
        refuse(fold == "none" || uses_fold(), "--fold", fold.clone(), "there are no folds or divisions of that number".into());
    }
    if let Some(name) = &options.train_on {
        refuse(tells(name), "--train-on", name.clone(), "no split or text is called so".into());
    }
    if let Some(chosen) = &options.extensions {
        refuse(is(&[Format::Text]), "--extensions", chosen.clone(), "the files are not read as text".into());
    }
    if let Some(name) = &options.configuration {
        let has_card = tree.entries.iter().any(|entry| entry.file_name() == "README.md");
        refuse(has_card, "--configuration", name.clone(), "there is no README.md that tells of configurations".into());
    }
    let told = |(flag, value, why): (&str, String, String)| {
        Problem::error("unused-option", format!("{flag} {value} has no use: {why}; leave it out"))
    };
    found.into_iter().map(told).collect()
}
