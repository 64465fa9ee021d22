//! Pictures that lie in several folders as equal files, such as those of an archive that was unpacked twice: one of each is taken.

use super::index::Found;
use super::{Image, Row};
use crate::error::{Problem, Result};
use crate::tree::Tree;

/// So much of files of one size is compared, bytes.
const COMPARED: usize = 1 << 16;

/// Takes the first of equal files where a row means several; says how often.
pub fn settle(tree: &Tree, rows: &mut [(Row, Found)]) -> Result<Option<Problem>> {
    let mut example = None;
    let mut count = 0;
    for (row, found) in rows.iter_mut() {
        let (Image::Named(_), Found::Several(images)) = (&row.image, &*found) else { continue };
        let first = images.iter().copied().min().unwrap_or_default();
        if are_equal(tree, images)? {
            example.get_or_insert(first);
            *found = Found::One(first);
            count += 1;
        }
    }
    Ok(example.map(|first| {
        let place = tree.place(&tree.entries[first]);
        let sentence = format!("{count} images lie in several folders as equal files, such as {}; one of each is taken", place.file);
        Problem::note("equal-files", sentence).counted(count).at(place)
    }))
}

fn are_equal(tree: &Tree, images: &[usize]) -> Result<bool> {
    let Some((first, rest)) = images.split_first() else { return Ok(false) };
    let size = |at: usize| tree.size(&tree.entries[at]);
    if rest.iter().any(|other| size(*other) != size(*first)) {
        return Ok(false);
    }
    let head = tree.head(&tree.entries[*first], COMPARED)?;
    for other in rest {
        if tree.head(&tree.entries[*other], COMPARED)? != head {
            return Ok(false);
        }
    }
    Ok(true)
}
