//! Pieces of documents: streams and long rows are cut at line ends, so that no tokenizer holds a whole book.

use std::io::Read;

use crate::encoding;
use crate::error::{Place, Result};
use crate::images::Named;
use crate::options::Options;
use crate::tree::{Entry, Tree, read_fully};

/// Longest piece of a document, bytes.
const PIECE: usize = 1 << 18;

/// Part of a document.
pub struct Piece {
    pub text: String,
    /// The last piece of its document.
    pub last: bool,
    pub test: bool,
    /// As its row tells.
    pub split: Option<Named>,
    /// File and row, for messages and previews.
    pub place: Place,
}

impl Piece {
    /// What lies before and behind a place, each where there is any; the part behind is kept for validation.
    pub fn split_at(mut self, place: u64) -> (Option<Self>, Option<Self>) {
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        if place >= self.text.len() {
            return (Some(self), None);
        }
        let mut cut = if place > 2 { cut_at(&self.text.as_bytes()[..place]) } else { 0 };
        while !self.text.is_char_boundary(cut) {
            cut -= 1;
        }
        let text = self.text.split_off(cut);
        let test = Self { text, last: self.last, test: true, split: None, place: self.place.clone() };
        (Some(Self { last: false, ..self }).filter(|train| !train.text.is_empty()), Some(test))
    }
}

pub fn piece(text: String, last: bool, place: Place) -> Piece {
    Piece { text, last, test: false, split: None, place }
}

/// Text of bytes; what is no UTF-8 is refused with its place, or replaced where that was chosen.
pub fn text_of(bytes: Vec<u8>, options: &Options, place: &Place, before: u64) -> Result<String> {
    String::from_utf8(bytes).or_else(|error| {
        if options.skips() {
            return Ok(String::from_utf8_lossy(error.as_bytes()).into_owned());
        }
        Err(encoding::not_utf8(error.as_bytes(), place, before).into())
    })
}

/// The pieces of a stream of UTF-8.
pub fn whole_pieces(
    tree: &Tree,
    entry: &Entry,
    stream: &mut dyn Read,
    options: &Options,
    hand: &mut dyn FnMut(String, bool) -> Result<()>,
) -> Result<()> {
    let place = tree.place(entry);
    let mut rest: Vec<u8> = Vec::new();
    let mut before = 0;
    loop {
        let kept = rest.len();
        rest.resize(kept + PIECE, 0);
        let found = read_fully(stream, &mut rest[kept..]).map_err(|error| encoding::malformed(tree, entry, &error))?;
        rest.truncate(kept + found);
        if found < PIECE {
            break;
        }
        let end = cut_at(&rest);
        let after = rest.split_off(end);
        let bytes = std::mem::replace(&mut rest, after);
        before += bytes.len() as u64;
        hand(text_of(bytes, options, &place, before - end as u64)?, false)?;
    }
    let text = text_of(rest, options, &place, before)?;
    // A byte order mark is no text.
    hand(text.strip_prefix('\u{feff}').filter(|_| before == 0).map_or(text.clone(), ToOwned::to_owned), true)
}

/// Cuts a document that is long.
pub fn cut(text: String, hand: &mut dyn FnMut(String, bool) -> Result<()>) -> Result<()> {
    let mut rest = text.as_str();
    while rest.len() > 2 * PIECE {
        let mut end = cut_at(&rest.as_bytes()[..PIECE]);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        hand(rest[..end].to_owned(), false)?;
        rest = &rest[end..];
    }
    hand(rest.to_owned(), true)
}

/// Where to cut: behind the last line end that has no white space around it, so that tokenizers that split at words see the same words;
/// else behind a line end or a space; else between two characters.
fn cut_at(bytes: &[u8]) -> usize {
    let plain = |at: &usize| bytes[*at] == b'\n' && !bytes[at - 1].is_ascii_whitespace() && !bytes[at + 1].is_ascii_whitespace();
    let inner = 1..bytes.len().saturating_sub(1);
    let line = inner.clone().rev().find(plain).or_else(|| inner.clone().rev().find(|at| bytes[*at] == b'\n'));
    if let Some(line) = line.or_else(|| inner.clone().rev().find(|at| bytes[*at] == b' ')) {
        return line + 1;
    }
    // A byte of the form 10xxxxxx goes on with a character.
    inner.rev().find(|at| bytes[*at] & 0xc0 != 0x80).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_at_line_ends_and_nothing_is_lost() {
        let text: String = (0..200_000).map(|line| format!("line {line}\n")).collect();
        let mut pieces: Vec<(String, bool)> = Vec::new();
        cut(text.clone(), &mut |piece, last| {
            pieces.push((piece, last));
            Ok(())
        })
        .unwrap();
        assert_eq!(pieces.iter().map(|(piece, _)| piece.as_str()).collect::<String>(), text);
        assert!(pieces.iter().rev().skip(1).all(|(piece, last)| piece.ends_with('\n') && !last && piece.len() <= PIECE));
        assert!(pieces.len() > 2 && pieces.last().unwrap().1);
    }

    #[test]
    fn text_without_a_space_is_cut_between_characters() {
        let text = "é".repeat(PIECE * 2);
        let mut whole = String::new();
        cut(text.clone(), &mut |piece, _| {
            whole.push_str(&piece);
            Ok(())
        })
        .unwrap();
        assert_eq!(whole, text);
    }
}
