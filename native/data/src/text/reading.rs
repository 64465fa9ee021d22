//! The text of all files as a stream of pieces, each of one split.

use std::io::Read;

use super::{Kind, Part, TextSet};
use crate::encoding::{self, Decoded};
use crate::error::{Error, Place, Result};
use crate::images::Named;
use crate::options::Options;
use crate::text_pieces::{Piece, cut, piece, text_of, whole_pieces};
use crate::text_rows::Content;
use crate::text_told::{END_MARK, Told};
use crate::tree::{Entry, Tree, read_fully};

impl TextSet {
    /// Hands over all text in the order of the files. `progress` is told the bytes of the files that were gone through.
    pub fn pieces(&self, tree: &Tree, options: &Options, hand: &mut dyn FnMut(Piece, u64) -> Result<()>) -> Result<()> {
        let share = options.validation_share();
        let phase = (options.seed.unwrap_or(0) as f64 * 0.618_033_988_749_895).fract();
        let few = self.is_few();
        let kept_from = ((1.0 - share) * self.bytes as f64) as u64;
        let (mut document, mut before) = (0u64, 0u64);
        if let Ok(mut told) = self.told.lock() {
            *told = Told::default();
        }
        for part in &self.parts {
            let entry = &tree.entries[part.entry];
            let size = tree.size(entry);
            let mut through = 0u64;
            self.part_pieces(tree, part, options, &mut |mut piece, bytes| {
                let start = before + through.min(size);
                through += bytes;
                let at = before + through.min(size);
                match piece.split.filter(|_| self.keeps_splits).or(part.split) {
                    Some(named) => piece.test = named != Named::Train,
                    // The piece in which validation begins is cut there.
                    None if few => {
                        let place = kept_from.saturating_sub(start) as f64 * piece.text.len() as f64 / bytes.max(1) as f64;
                        let (train, test) = piece.split_at(place as u64);
                        if let Some(train) = train {
                            hand(train, at)?;
                        }
                        return test.map_or(Ok(()), |test| hand(test, at));
                    }
                    // Evenly: the documents at which the running share passes a whole number.
                    None => {
                        let passed = |documents: u64| (documents as f64 * share + phase).floor();
                        piece.test = passed(document + 1) > passed(document);
                    }
                };
                if piece.last && !matches!(part.kind, Kind::Plain) {
                    document += 1;
                }
                hand(piece, at)
            })?;
            if matches!(part.kind, Kind::Plain) {
                document += 1;
            }
            before += size;
        }
        Ok(())
    }

    /// Hands over the pieces of a file, each with the bytes of the file that it stands for.
    fn part_pieces(&self, tree: &Tree, part: &Part, options: &Options, hand: &mut dyn FnMut(Piece, u64) -> Result<()>) -> Result<()> {
        let entry = &tree.entries[part.entry];
        let Kind::Rows(rows) = &part.kind else { return self.plain_pieces(tree, entry, options, hand) };
        let file = tree.display(entry);
        rows.documents(tree, entry, &mut |document| {
            let document = match document {
                Err(Error::Data(problem)) if options.skips() && problem.remedies.iter().any(|remedy| remedy.action == "skip") => {
                    self.tell(|told| told.bad_rows += 1);
                    return Ok(());
                }
                document => document?,
            };
            if document.split == Some(Named::Test) && self.leaves_test {
                self.tell(|told| told.test_rows += 1);
                return Ok(());
            }
            let place = Place::row(file.clone(), document.row);
            let text = match document.text {
                Content::Text(text) => text,
                Content::Bytes(bytes) => text_of(bytes.data().to_vec(), options, &place, 0)?,
                Content::Nothing => {
                    self.tell(|told| told.rows_without_text += 1);
                    return Ok(());
                }
                Content::Rejected => {
                    self.tell(|told| told.rejected += 1);
                    return Ok(());
                }
            };
            if document.calls > 0 {
                self.tell(|told| told.calls += document.calls);
            }
            cut(text, &mut |text, last| {
                let bytes = text.len() as u64;
                hand(Piece { split: document.split, ..piece(text, last, place.clone()) }, bytes)
            })
        })
    }

    fn tell(&self, change: impl FnOnce(&mut Told)) {
        if let Ok(mut told) = self.told.lock() {
            change(&mut told);
        }
    }

    /// The pieces of one file, with the documents in it told apart.
    fn plain_pieces(&self, tree: &Tree, entry: &Entry, options: &Options, hand: &mut dyn FnMut(Piece, u64) -> Result<()>) -> Result<()> {
        let place = tree.place(entry);
        let mut ended = false;
        let mut hand_text = |text: String, last: bool, bytes: u64| {
            let zeros = text.bytes().filter(|byte| *byte == 0).count() as u64;
            if zeros > 0 {
                self.tell(|told| told.zeros += zeros);
            }
            let mut rest = text.as_str();
            while let Some(at) = rest.find(END_MARK) {
                self.tell(|told| told.end_marks += 1);
                let behind = &rest[at + END_MARK.len()..];
                let behind = behind.strip_prefix("\r\n").or_else(|| behind.strip_prefix('\n')).unwrap_or(behind);
                let through = (rest.len() - behind.len()) as u64 * bytes / text.len() as u64;
                hand(piece(rest[..at].to_owned(), true, place.clone()), through)?;
                rest = behind;
                ended = true;
            }
            if ended && rest.is_empty() {
                return Ok(());
            }
            ended = false;
            let bytes = rest.len() as u64 * bytes / text.len().max(1) as u64;
            hand(piece(rest.to_owned(), last, place.clone()), bytes)
        };
        // A file that is UTF-8 is read so, whatever was chosen for others.
        let is_utf8 = |_: &&str| tree.read(entry, |stream| encoding::is_utf8(stream).map_err(|error| tree.unreadable(entry, &error)));
        let chosen = options.encoding.as_deref();
        let chosen = if chosen.as_ref().map(is_utf8).transpose()?.unwrap_or(false) { None } else { chosen };
        tree.read(entry, |stream| {
            let mut head = vec![0; 1 << 12];
            let found = read_fully(stream, &mut head).map_err(|error| tree.unreadable(entry, &error))?;
            head.truncate(found);
            let mut whole = head.as_slice().chain(stream);
            match encoding::encoding_of(&head, chosen)? {
                None => whole_pieces(tree, entry, &mut whole, options, &mut |text, last| {
                    let bytes = text.len() as u64;
                    hand_text(text, last, bytes)
                }),
                Some(encoding) => {
                    self.tell(|told| *told.encodings.entry(encoding.name()).or_default() += 1);
                    let scale = encoding::bytes_per_text(encoding, &head);
                    whole_pieces(tree, entry, &mut Decoded::new(whole, encoding, options.skips()), options, &mut |text, last| {
                        let bytes = (text.len() as f64 * scale) as u64;
                        hand_text(text, last, bytes)
                    })
                }
            }
        })
    }
}
