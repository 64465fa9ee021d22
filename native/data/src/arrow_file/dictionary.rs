//! Columns whose values are places in a dictionary (pandas' categorical, pyarrow's dictionary_encode). A stream may add to a dictionary, or
//! replace it, between two batches.

use std::ops::Range;

use super::batch::Batch;
use super::schema::{Kind, Leaf};
use super::{ArrowFile, integer};
use crate::array_labels::Labels;
use crate::columnar::Bytes;
use crate::error::{Place, Result, refuse};

/// Dictionaries of bytes that are held, bytes.
const LARGEST: usize = 256 << 20;

/// Bytes of a place, whether it has a sign, and the number of its dictionary.
pub type Indexes = (usize, bool, i64);

pub struct Dictionary {
    pub number: i64,
    values: Leaf,
    batches: Vec<Batch>,
    /// Of each of them the record batches before it, and which of all values count from then on.
    told: Vec<(usize, Range<usize>)>,
}

impl Dictionary {
    pub fn new(number: i64, values: Leaf) -> Self {
        Self { number, values, batches: Vec::new(), told: Vec::new() }
    }

    /// `before`: record batches so far. `adds`: the values so far keep their places.
    pub fn add(&mut self, values: Batch, before: usize, adds: bool) -> std::result::Result<(), String> {
        let known = self.told.last().map_or(0..0, |(_, range)| range.clone());
        let end = known.end.checked_add(values.rows).ok_or("has too many values in a dictionary")?;
        self.told.push((before, if adds { known.start } else { known.end }..end));
        self.batches.push(values);
        Ok(())
    }

    /// Which of all values a record batch means.
    fn range(&self, batch: usize) -> Range<usize> {
        let known = self.told.partition_point(|(before, _)| *before <= batch);
        self.told[..known].last().map_or(0..0, |(_, range)| range.clone())
    }
}

impl ArrowFile {
    fn dictionary(&self, number: i64) -> Result<&Dictionary> {
        self.dictionaries.iter().find(|known| known.number == number).ok_or_else(|| self.damaged("has no dictionary of a column"))
    }

    pub(super) fn holds_bytes(&self, dictionary: i64) -> bool {
        self.dictionary(dictionary).is_ok_and(|known| matches!(known.values.kind, Kind::Bytes { .. } | Kind::View))
    }

    /// Of each row its place among all values of the dictionary; `None` for null.
    fn places(&self, leaf: &Leaf, (bytes, signed, dictionary): Indexes) -> Result<Vec<Option<usize>>> {
        let dictionary = self.dictionary(dictionary)?;
        let mut places = Vec::new();
        for (number, batch) in self.batches.iter().enumerate() {
            let range = dictionary.range(number);
            let buffers = self.buffers(batch)?;
            let validity = self.validity(batch, &buffers, leaf)?;
            let values = self.values(&buffers, leaf, 1, batch.rows as u64 * bytes as u64)?;
            for (value, valid) in values.chunks_exact(bytes).zip(validity) {
                let place = usize::try_from(integer(value, signed)).ok().and_then(|place| place.checked_add(range.start));
                match place.filter(|place| *place < range.end) {
                    Some(place) => places.push(valid.then_some(place)),
                    None if !valid => places.push(None),
                    None => return Err(self.damaged("has values that their dictionary does not have")),
                }
            }
        }
        Ok(places)
    }

    /// The texts that the places of a record batch mean; none where the dictionary is of something else.
    pub(super) fn words(&self, dictionary: i64, batch: usize) -> Result<Vec<String>> {
        let dictionary = self.dictionary(dictionary)?;
        let range = dictionary.range(batch);
        match self.labels_of(&dictionary.values, &dictionary.batches)? {
            Labels::Texts(texts) => Ok(texts.into_iter().skip(range.start).take(range.len()).collect()),
            _ => Ok(Vec::new()),
        }
    }

    /// As `labels`, of such a column.
    pub(super) fn indexed_labels(&self, leaf: &Leaf, indexes: Indexes) -> Result<Labels> {
        let dictionary = self.dictionary(indexes.2)?;
        let places = self.places(leaf, indexes)?;
        let numbers = |values: &[f64]| places.iter().map(|place| place.map_or(f64::NAN, |place| values[place])).collect();
        Ok(match self.labels_of(&dictionary.values, &dictionary.batches)? {
            Labels::Numbers(values) => Labels::Numbers(numbers(&values)),
            Labels::Booleans(values) => Labels::Booleans(numbers(&values)),
            Labels::Singles(values) => Labels::Singles(numbers(&values)),
            Labels::Texts(values) => {
                Labels::Texts(places.iter().map(|place| place.map_or_else(String::new, |place| values[place].clone())).collect())
            }
        })
    }

    /// As `bytes`, of such a column; its dictionary is held.
    pub(super) fn indexed_bytes(
        &self,
        leaf: &Leaf,
        indexes: Indexes,
        from: usize,
        hand: &mut dyn FnMut(Option<Bytes>) -> Result<()>,
    ) -> Result<()> {
        let dictionary = self.dictionary(indexes.2)?;
        let (mut values, mut held) = (Vec::new(), 0);
        self.bytes_of(&dictionary.values, &dictionary.batches, 0, &mut |value| {
            held += value.as_ref().map_or(0, |value| value.data().len());
            if held > LARGEST {
                let (file, column) = (&self.file, &leaf.name);
                let sentence =
                    format!("{file} has a dictionary of more than 256 MiB for its column {column}; write the column without one");
                return refuse("too-large", sentence, Place::file(file.clone()));
            }
            values.push(value.map(|value| value.data().to_vec()));
            Ok(())
        })?;
        self.places(leaf, indexes)?.into_iter().skip(from).try_for_each(|place| {
            let value = place.and_then(|place| values.get(place).cloned().flatten());
            hand(value.map(Bytes::Owned))
        })
    }
}
