//! From files to a dataset of a known format: by content, in the order of how sure the signs are.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::error::{Error, Place, Problem, Result, Severity};
use crate::images::{ImageSet, check_labels};
use crate::options::{Format, Options};
use crate::sniff::{What, is_store, sniff};
use crate::stand_in;
use crate::text::TextSet;
use crate::tokens::TokenSet;
use crate::tree::{ARCHIVE_BESIDE, Entry, Listing, Tree};
use crate::{
    arrays, beside, cifar, configuration, duplicates, folder, idx, image_parquet, image_table, scope, shards, text, tokens, versions,
};

pub enum Content {
    Images(ImageSet),
    Text(TextSet),
    Tokens(TokenSet),
}

pub struct Found {
    pub content: Content,
    /// Of the tree, then of the content.
    pub problems: Vec<Problem>,
}

/// Formats that the files may be of, the likeliest first.
pub fn candidates(tree: &Tree, what: &[What], options: &Options) -> Vec<Format> {
    let fits = |format: Format| match format {
        Format::Idx => idx::fits(tree, what),
        Format::ImageParquet => image_parquet::fits(tree, what, options),
        Format::ImageShards => shards::fits(what),
        Format::Cifar => cifar::fits(tree, what),
        Format::ImageArrays => arrays::fits(tree, what),
        Format::ImageTable => image_table::fits(tree, what, options),
        Format::ImageFolder => folder::fits(what),
        Format::Tokens => tokens::fits(tree, what, options),
        Format::Text => text::fits(tree, what),
    };
    let mut order = vec![
        Format::ImageShards,
        Format::Idx,
        Format::ImageParquet,
        Format::Cifar,
        Format::ImageArrays,
        Format::ImageTable,
        Format::ImageFolder,
    ];
    order.extend([Format::Tokens, Format::Text]);
    order.retain(|format| fits(*format));
    // Arrays beside text that are not called tokens are rather of something else.
    if order.contains(&Format::Tokens) && text::has_documents(tree, what) && !tokens::is_sure(tree, what, options) {
        order.sort_by_key(|format| *format == Format::Tokens);
    }
    // Arrays without labels, and pickles of something else, beside folders of classes or books.
    if (order.contains(&Format::ImageFolder) && folder::has_classes(tree, what)) || text::has_books(tree, what) {
        let is_sure = |format: &Format| match format {
            Format::ImageArrays => arrays::are_labelled(tree, what),
            Format::Cifar => cifar::has_batches(tree, what),
            _ => true,
        };
        order.sort_by_key(|format| !is_sure(format));
    }
    // Images alone that cannot be decoded: opening says so.
    if order.is_empty() && what.contains(&What::OtherImage) {
        order.push(Format::ImageFolder);
    }
    // A pickle beside tokens describes them.
    if order.contains(&Format::Tokens) && !cifar::has_batches(tree, what) {
        order.sort_by_key(|format| *format == Format::Cifar);
    }
    order
}

/// How files are listed and read: tars of samples are folders where another format was chosen.
pub fn listing(options: &Options) -> Listing {
    let expands = options.format.is_some_and(|format| format != Format::ImageShards);
    Listing { expands, names: options.name_encoding, chosen: options.folder.clone(), encoding: options.encoding.clone() }
}

/// What the files are taken for.
pub struct Chosen {
    /// Of each entry that was there before the content was opened.
    pub what: Vec<What>,
    pub format: Format,
    pub alternatives: Vec<Format>,
}

/// The format that the options name, or the likeliest.
pub fn choose(tree: &mut Tree, options: &Options) -> Result<Chosen> {
    let mut what = sniff(tree)?;
    scope::settle(tree, &mut what, options)?;
    versions::one(tree, options)?;
    let stand_ins = stand_in::problem(tree, &what);
    match configuration::settle(tree, &mut what, options) {
        // A card tells of files that are not there.
        Err(Error::Data(other)) => return Err(stand_ins.unwrap_or(*other).into()),
        settled => settled?,
    }
    let mut alternatives = candidates(tree, &what, options);
    if let Some(problem) = stand_ins {
        // Words about data that is not there are no data.
        let is_text = options.format.or(alternatives.first().copied()).is_none_or(|format| format == Format::Text);
        if is_text && !options.skips() {
            return Err(problem.into());
        }
        tree.problems.push(problem.skippable("Leave these files out"));
    }
    // What tells of a store is no text.
    let is_text_at_most = alternatives.first().is_none_or(|format| *format == Format::Text);
    if options.format.is_none() && is_text_at_most && what.iter().any(is_store) && !text::has_books(tree, &what) {
        return Err(unknown(tree, &what).into());
    }
    let Some(format) = options.format.or(alternatives.first().copied()) else { return Err(unknown(tree, &what).into()) };
    alternatives.retain(|other| *other != format);
    if options.format.is_none() && format == Format::Text && options.extensions.is_none() && text::is_about_others(tree, &what) {
        return Err(about_others(tree, &what).into());
    }
    Ok(Chosen { what, format, alternatives })
}

/// Opens the files as what was chosen. With a time, equal images that are to be left out are looked for no longer.
pub fn open(tree: &mut Tree, chosen: &Chosen, options: &Options, time: Option<Duration>) -> Result<Found> {
    let Chosen { what, format, .. } = chosen;
    let mut content = match *format {
        Format::Idx => Content::Images(idx::open(tree, what, options)?),
        Format::Cifar => Content::Images(cifar::open(tree, what, options)?),
        Format::ImageFolder if !folder::fits(what) && !what.contains(&What::OtherImage) => return Err(unknown(tree, what).into()),
        Format::ImageFolder => Content::Images(folder::open(tree, what, options).map_err(|error| match error {
            Error::Data(problem) if problem.code == "no-classes" => beside::told(*problem, tree, what).into(),
            other => other,
        })?),
        Format::ImageTable => Content::Images(image_table::open(tree, what, options)?),
        Format::ImageArrays => Content::Images(arrays::open(tree, what, options)?),
        Format::ImageParquet => Content::Images(image_parquet::open(tree, what, options)?),
        Format::ImageShards => Content::Images(shards::open(tree, what, options)?),
        Format::Text => Content::Text(text::open(tree, what, options)?),
        Format::Tokens => Content::Tokens(tokens::open(tree, what, options)?),
    };
    let mut problems = std::mem::take(&mut tree.problems);
    problems.extend(several_datasets(tree, chosen, &content, options));
    match &mut content {
        Content::Images(set) => {
            set.split(options);
            duplicates::leave_out(tree, set, options, time)?;
            check_labels(set, tree);
            if *format == Format::ImageFolder
                && let Some(at) = set.problems.iter().position(|problem| problem.code == "one-class")
            {
                let problem = set.problems.remove(at);
                set.problems.push(beside::told(problem, tree, what));
            }
            problems.append(&mut set.problems);
        }
        Content::Text(set) => problems.append(&mut set.problems),
        Content::Tokens(set) => problems.append(&mut set.problems),
    }
    problems.extend(scope::unused(tree, *format, &content, options));
    settle(&mut problems, options);
    Ok(Found { content, problems })
}

/// Other formats that the files can be imported as, for a refusal of the one that was taken for the likeliest.
pub fn offer_others(tree: &mut Tree, Chosen { what, format, alternatives }: &Chosen, options: &Options, problem: Problem) -> Problem {
    // A chosen format is what was asked for, and a question has its own answers.
    if options.format.is_some() || (!problem.remedies.is_empty() && problem.code != "captions") {
        return problem;
    }
    let is_other = |other: &Format| match other {
        Format::ImageFolder => folder::has_classes(tree, what),
        Format::Text => text::has_books(tree, what),
        Format::ImageTable | Format::ImageArrays => true,
        _ => false,
    };
    let others: Vec<Format> = alternatives.iter().copied().filter(|other| other != format && is_other(other)).collect();
    let asked = Problem { remedies: Vec::new(), ..problem.clone() };
    let offered = others.into_iter().fold(asked, |asked, other| {
        let taking = Options { format: Some(other), ..options.clone() };
        let chosen = Chosen { what: what.clone(), format: other, alternatives: Vec::new() };
        match open(tree, &chosen, &taking, None) {
            Ok(found) if found.problems.iter().all(|problem| problem.severity != Severity::Error) => {
                asked.with("choose", format!("Take the {}", other.title()), Options { format: Some(other), ..Options::default() })
            }
            _ => asked,
        }
    });
    Problem { remedies: [offered.remedies, problem.remedies].concat(), ..problem }
}

/// What may be left out is no longer in the way where that was chosen.
pub fn settle(problems: &mut [Problem], options: &Options) {
    for problem in problems.iter_mut().filter(|problem| options.skips() && problem.severity == Severity::Error) {
        if problem.remedies.iter().any(|remedy| remedy.action == "skip") {
            problem.severity = Severity::Warning;
            problem.remedies.clear();
        }
    }
}

/// Of data that cannot be read, beside which text tells of it.
fn about_others(tree: &Tree, what: &[What]) -> Problem {
    let is_packed = |what: &What| matches!(what, What::Other(kind) if kind.contains("archive"));
    let passed_over = tree.problems.iter().find(|problem| problem.code == ARCHIVE_BESIDE).and_then(|problem| problem.places.first());
    let in_folders = what.iter().position(is_packed).map(|at| tree.display(&tree.entries[at]));
    let mut problem = match in_folders.or_else(|| passed_over.map(|place| place.file.clone())) {
        Some(file) => {
            let sentence = format!("{file} is an archive beside other files, and is not unpacked; give it alone, or unpack it");
            Problem::error("unknown-format", sentence).at(Place::file(file))
        }
        None => unknown(tree, what),
    };
    problem.message.push_str("; the text beside it tells of the data and is none of it");
    problem.with("choose", "Take the text all the same", Options { format: Some(Format::Text), ..Options::default() })
}

/// Datasets of other formats beside the one that was taken for the likeliest: which of them counts is asked. Pictures that are samples of the
/// content are none of another.
fn several_datasets(tree: &Tree, Chosen { what, format, alternatives }: &Chosen, content: &Content, options: &Options) -> Option<Problem> {
    let is_data =
        |format: &Format| matches!(format, Format::Idx | Format::Cifar | Format::ImageArrays | Format::ImageParquet | Format::ImageShards);
    let Content::Images(set) = content else { return None };
    if options.format.is_some() || !is_data(format) || set.content.entry(0).is_some() {
        return None;
    }
    let opened = |other: &Format| {
        let taking = Options { format: Some(*other), ..options.clone() };
        match other {
            Format::Idx => idx::open(tree, what, &taking),
            Format::Cifar if cifar::has_batches(tree, what) => cifar::open(tree, what, &taking),
            Format::ImageArrays if arrays::are_labelled(tree, what) => arrays::open(tree, what, &taking),
            Format::ImageParquet => image_parquet::open(tree, what, &taking),
            Format::ImageShards => shards::open(tree, what, &taking),
            Format::ImageFolder if folder::has_classes(tree, what) => folder::open(tree, what, &taking),
            _ => return false,
        }
        .is_ok_and(|set| set.class_names.len() > 1 && set.problems.iter().all(|problem| problem.severity != Severity::Error))
    };
    let others: Vec<Format> = alternatives.iter().copied().filter(opened).collect();
    let shown: Vec<&str> = std::iter::once(*format).chain(others.iter().copied()).map(Format::title).collect();
    let sentence = format!("data of several kinds lie side by side: {}; which of them count?", shown.join("; "));
    let offer = |problem: Problem, format: Format| {
        problem.with("choose", format!("Take the {}", format.title()), Options { format: Some(format), ..Options::default() })
    };
    let all = std::iter::once(*format).chain(others.iter().copied());
    (!others.is_empty()).then(|| all.fold(Problem::error("several-datasets", sentence), offer))
}

/// Why a file of objects is no data, the end of a sentence that starts with the file.
fn of_objects(what: &What, entry: &Entry) -> Option<&'static str> {
    match what {
        What::Npy(header) if header.descr.ends_with('O') => Some(
            "is an array of Python objects, as numpy.save writes a dictionary or lists of different lengths; save each array of the dictionary \
             with numpy.savez, or the lists as one array (numpy.concatenate)",
        ),
        What::Json if entry.extension() == "json" => {
            Some("is a JSON object without rows; save all objects as an array, or one a line as .jsonl")
        }
        _ => None,
    }
}

fn unknown(tree: &Tree, what: &[What]) -> Problem {
    let expected = Format::ALL.map(Format::title).join("; ");
    let count = tree.entries.len();
    let other = what.iter().enumerate().find_map(|(at, what)| if let What::Other(kind) = what { Some((at, kind)) } else { None });
    let refused = what.iter().enumerate().find_map(|(at, what)| if let What::Refused(why) = what { Some((at, why)) } else { None });
    let objects = what
        .iter()
        .zip(&tree.entries)
        .find_map(|(what, entry)| of_objects(what, entry).map(|why| format!("{} {why}", tree.display(entry))));
    let others = what.iter().zip(&tree.entries).filter(|(what, _)| **what == What::OtherImage);
    let kinds: BTreeSet<String> = others.map(|(_, entry)| entry.extension().to_uppercase()).collect();
    let found = match tree.entries.first() {
        Some(_) if refused.is_some() => refused.map_or(String::new(), |(at, why)| format!("{} {why}", tree.display(&tree.entries[at]))),
        Some(_) if other.is_some() => other.map_or(String::new(), |(at, kind)| format!("{} is {kind}", tree.display(&tree.entries[at]))),
        Some(_) if !kinds.is_empty() && !what.contains(&What::Image) => {
            let count = what.iter().filter(|what| **what == What::OtherImage).count();
            let kinds = kinds.into_iter().collect::<Vec<_>>().join(", ");
            format!("{count} images are of kinds that cannot be read ({kinds}); save them as PNG or JPEG")
        }
        None => "there is no file".to_owned(),
        Some(first) if count == 1 && what[0] == What::Empty => format!("{} is empty", tree.display(first)),
        Some(_) if objects.is_some() => objects.unwrap_or_default(),
        Some(first) => format!(
            "{} is of no known kind{}",
            tree.display(first),
            match (count, ["dat", "memmap", "mmap", "raw"].contains(&first.extension().as_str())) {
                (_, true) => ", as raw numbers are; call it .bin if it holds tokens".to_owned(),
                (1, _) => String::new(),
                _ => format!(", like the other {} files", count - 1),
            }
        ),
    };
    let problem = Problem::error("unknown-format", format!("{found}; what can be imported: {expected}"));
    tree.entries.iter().take(20).fold(problem, |problem, entry| problem.at(Place::file(tree.display(entry))))
}
