//! Images that are of other images: masks, thumbnails, bands and views, known by the ends of their names.

use std::collections::{BTreeSet, HashMap};

use crate::error::{Problem, Result};
use crate::images::named_split;
use crate::layout::{self, Folders};
use crate::options::Options;
use crate::tree::Tree;

/// What is drawn over an image, or a small copy of it: `NAME_mask.png` beside `NAME.png`.
const OVER: [&str; 11] =
    ["mask", "masks", "seg", "segmentation", "superpixels", "depth", "overlay", "groundtruth", "gt", "thumb", "thumbnail"];

/// Fewer sets of images of one name are met by chance, other than sets of so many.
const FEWEST_SETS: usize = 8;
const LARGE_SET: usize = 4;

/// The masks and thumbnails among images, by the names of those they are of.
pub fn drawn_over(tree: &Tree, images: &[usize]) -> BTreeSet<usize> {
    let stem = |at: usize| {
        let name = tree.entries[at].name.as_str();
        name.rsplit_once('.').map_or(name, |(stem, _)| stem)
    };
    // `_mask_1` of a second one.
    let base = |at: usize| {
        let name = stem(at);
        let numbered = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let name = if numbered.len() < name.len() { numbered.strip_suffix('_').unwrap_or(name) } else { name };
        let (base, word) = name.rsplit_once(['_', '-', '.'])?;
        let word = word.to_lowercase();
        // `NAME_maskcrop` is of `NAME_crop`.
        let rest = ["mask", "depth"].iter().find_map(|over| word.strip_prefix(over)).filter(|rest| !rest.is_empty() && *rest != "s");
        let of = match rest {
            Some(rest) => format!("{base}_{rest}"),
            None => OVER.contains(&word.as_str()).then(|| base.to_owned())?,
        };
        (!base.ends_with('/')).then_some(of)
    };
    let found: Vec<(usize, String)> = images.iter().filter_map(|&at| Some((at, base(at)?))).collect();
    if found.is_empty() {
        return BTreeSet::new();
    }
    let names: std::collections::HashSet<&str> = images.iter().map(|&at| stem(at)).collect();
    found.into_iter().filter(|(_, base)| names.contains(base.as_str())).map(|(at, _)| at).collect()
}

/// Refuses sets of files of the same name but for the last word, such as bands, masks or views of one picture: `x_B02.tif`, `x_B03.tif`.
pub fn no_views(tree: &Tree, images: &[usize], folders: &[Folders], options: &Options) -> Result<()> {
    let mut sets: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    for &at in images {
        let name = tree.entries[at].name.as_str();
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        if let Some((base, word)) = stem
            .rsplit_once(['_', '-'])
            .filter(|(base, word)| !base.ends_with('/') && !word.contains('/') && is_view(word) && named_split(word).is_none())
        {
            sets.entry(base).or_default().insert(word);
        }
    }
    let mut kinds: HashMap<&BTreeSet<&str>, usize> = HashMap::new();
    sets.values().filter(|words| words.len() > 1).for_each(|words| *kinds.entry(words).or_default() += 1);
    let Some((words, count)) = kinds.into_iter().max_by_key(|(words, count)| count * words.len()) else { return Ok(()) };
    let inside = count * words.len();
    let fewest = if words.len() < LARGE_SET { FEWEST_SETS } else { 2 };
    if count < fewest || 3 * inside < 2 * images.len() {
        return Ok(());
    }
    let shown = words.iter().copied().take(4).collect::<Vec<_>>().join(", ");
    let more = if words.len() > 4 { ", ..." } else { "" };
    let sentence = format!(
        "{inside} images are sets of {} of the same name ({shown}{more}), as bands, masks or views of one picture are; keep one of each, or \
         join bands into one file",
        words.len()
    );
    let problem = Problem::error("views", sentence).counted(inside as u64);
    // Each may be a sample where the folders name classes.
    let Ok(layout) = layout::read(folders, options, &|image| tree.place(&tree.entries[images[image]])) else { return Err(problem.into()) };
    let number = |level: usize| level as u32 + 1;
    let each = Options { class_level: Some(number(layout.class_level)), split_level: layout.split_level.map(number), ..Options::default() };
    Err(problem.with("choose", "Take each image as a sample", each).into())
}

/// What a view, a band or a mask is called; numbers and frames are told apart by digits alone, or behind a letter.
fn is_view(word: &str) -> bool {
    let is_frame = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    let is_band = word.len() <= 3 && word.starts_with(['B', 'b']);
    word.chars().any(char::is_alphabetic) && (is_band || !word.chars().next().is_some_and(|first| is_frame(&word[first.len_utf8()..])))
}
