//! Numbers as the bytes of pixels: which value is black and which is white, from the range of the data.
//!
//! Whole numbers from 0 are spread by their bits (8, 10, 12, 14, 16), numbers from 0 to 1 and from 0 to 255 as they are meant; for all others
//! it is asked, with the range of the data as the first choice.

use std::io::Read;

use crate::error::{Place, Problem, Result};
use crate::npy::Header;
use crate::options::Options;
use crate::tree::{Entry, Tree, read_fully};

/// So much of an array is looked at, bytes; a value beyond the range that comes later is an error at its row.
const LOOKED_AT: usize = 1 << 30;

/// Values of these bits are usual.
pub const BITS: [u32; 4] = [10, 12, 14, 16];

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PixelRange {
    black: f64,
    white: f64,
    /// What lies outside becomes black or white, as it was chosen.
    clips: bool,
}

impl Default for PixelRange {
    fn default() -> Self {
        Self { black: 0.0, white: 255.0, clips: false }
    }
}

impl PixelRange {
    fn new(black: f64, white: f64) -> Self {
        Self { black, white, clips: false }
    }

    /// Bytes of an image's values; the error is a sentence's end.
    pub fn bytes(&self, values: impl Iterator<Item = f64>) -> std::result::Result<Vec<u8>, String> {
        let scale = 255.0 / (self.white - self.black);
        let (mut infinite, mut outside) = (0, None);
        let byte = |value: f64| {
            if !value.is_finite() {
                infinite += 1;
            } else if !self.clips && !(self.black..=self.white).contains(&value) {
                outside = Some(value);
            }
            ((value - self.black) * scale).round().clamp(0.0, 255.0) as u8
        };
        let bytes = values.map(byte).collect();
        match outside {
            _ if infinite > 0 => Err(not_finite(infinite)),
            Some(value) => {
                Err(format!("it has the value {value}, outside of {} to {}, the range of the first images", self.black, self.white))
            }
            None => Ok(bytes),
        }
    }
}

pub fn not_finite(count: usize) -> String {
    format!("it has {count} values that are NaN or infinite")
}

/// What the values of arrays of one type are.
#[derive(Debug, Default)]
pub struct Survey {
    least: Option<f64>,
    most: Option<f64>,
    fractions: bool,
    integers: bool,
    boolean: bool,
    images: u64,
    /// Images that were not looked at.
    unseen: u64,
}

impl Survey {
    /// Returns the rows with values that are not finite, and how many these are.
    pub fn add(&mut self, tree: &Tree, entry: &Entry, header: &Header) -> Result<Vec<(usize, usize)>> {
        self.integers |= header.is_integer();
        self.boolean |= header.is_boolean();
        self.images += header.shape[0] as u64;
        if header.is_boolean() {
            return Ok(Vec::new());
        }
        let image = header.shape[1..].iter().product::<usize>() * header.element();
        let mut bad = Vec::new();
        tree.read(entry, |stream| {
            let failed = |error: std::io::Error| tree.unreadable(entry, &error);
            std::io::copy(&mut stream.take(header.start as u64), &mut std::io::sink()).map_err(failed)?;
            let mut bytes = vec![0; image];
            let looked_at = header.shape[0].min((LOOKED_AT / image.max(1)).max(1));
            self.unseen += (header.shape[0] - looked_at) as u64;
            for row in 0..looked_at {
                if read_fully(stream, &mut bytes).map_err(failed)? < image {
                    break;
                }
                let infinite = self.see(header.numbers(&bytes));
                if infinite > 0 {
                    bad.push((row, infinite));
                }
            }
            Ok(())
        })?;
        Ok(bad)
    }

    /// The values of one image that is written as text; returns how many of them are not finite.
    pub fn add_row(&mut self, values: &[f64]) -> usize {
        self.images += 1;
        self.see(values.iter().copied())
    }

    /// Whether numbers that were written as text are whole ones.
    pub fn integers(&mut self, integers: bool) {
        self.integers = integers;
    }

    fn see(&mut self, values: impl Iterator<Item = f64>) -> usize {
        let (mut least, mut most, mut infinite, mut fractions) = (f64::INFINITY, f64::NEG_INFINITY, 0, false);
        for value in values {
            if value.is_finite() {
                (least, most) = (least.min(value), most.max(value));
                fractions |= value.fract() != 0.0;
            } else {
                infinite += 1;
            }
        }
        if least <= most {
            self.least = Some(self.least.map_or(least, |known| known.min(least)));
            self.most = Some(self.most.map_or(most, |known| known.max(most)));
        }
        self.fractions |= fractions;
        infinite
    }

    /// What is black and white: as chosen, or as it is meant without doubt. Says what it assumes.
    pub fn range(&self, tree: &Tree, entry: &Entry, options: &Options, problems: &mut Vec<Problem>) -> Result<PixelRange> {
        if let Some(chosen) = &options.range {
            return PixelRange::parse(chosen);
        }
        if self.unseen > 0 {
            let sentence = format!(
                "{} images of arrays were not looked at, of which a value beyond the range of the others cannot be read",
                self.unseen
            );
            problems.extend(Problem::not_looked_at(sentence, options));
        }
        let (least, most) = (self.least.unwrap_or(0.0), self.most.unwrap_or(0.0));
        if self.boolean || (!self.integers && least >= 0.0 && most <= 1.0) {
            return Ok(PixelRange::new(0.0, 1.0));
        }
        if self.integers && least >= 0.0 && most == 1.0 {
            let sentence = format!("{} images have the values 0 and 1 alone, which become black and white", self.images);
            let note = Problem::note("flags", sentence).counted(self.images);
            problems.push(offered(note, "Take them as they are, 0 to 255", 0.0, 255.0));
            return Ok(PixelRange::new(0.0, 1.0));
        }
        let plain = self.integers || !self.fractions;
        if least >= 0.0 && most <= 255.0 && (plain || most > 64.0) {
            return Ok(PixelRange::default());
        }
        let bits = BITS.into_iter().find(|bits| most < f64::from(1u32 << bits)).filter(|_| least >= 0.0 && self.integers);
        let Some(bits) = bits else { return Err(self.asked(tree, entry, least, most)) };
        let white = f64::from((1u32 << bits) - 1);
        let sentence =
            format!("{} images have values from {least} to {most}; as {bits} bits, 0 to {white}, they are brought to 8 bits", self.images);
        let mut problem = Problem::note("sixteen-bit", sentence).counted(self.images);
        if most < white * 0.9 || least > white * 0.1 {
            problem = offered(problem, &format!("Spread {least} to {most} instead"), least, most);
        }
        if bits < 16 {
            problem = offered(problem, "Take them as 16 bits", 0.0, 65535.0);
        }
        problems.push(problem);
        Ok(PixelRange::new(0.0, white))
    }

    fn asked(&self, tree: &Tree, entry: &Entry, least: f64, most: f64) -> crate::error::Error {
        let file = tree.display(entry);
        let sentence =
            format!("{file} has values from {least} to {most}; pixels are 0 to 1 or 0 to 255, so say which values are black and white");
        let mut problem = Problem::error("bad-range", sentence).at(Place::file(file));
        if least >= -1.0 && most <= 1.0 {
            problem = offered(problem, "Take -1 as black and 1 as white", -1.0, 1.0);
        }
        if least < most {
            problem = offered(problem, &format!("Take {least} as black and {most} as white"), least, most);
        }
        if least >= 0.0 && most < 255.0 {
            problem = offered(problem, "Take 0 as black and 255 as white", 0.0, 255.0);
        }
        problem.into()
    }
}

pub fn offered(problem: Problem, title: &str, black: f64, white: f64) -> Problem {
    problem.with("choose", title, Options { range: Some(format!("{black}:{white}")), ..Options::default() })
}

impl PixelRange {
    /// `black:white`, two different numbers.
    pub fn parse(range: &str) -> Result<Self> {
        let ends = range.split_once(':').and_then(|(black, white)| Some((black.trim().parse().ok()?, white.trim().parse().ok()?)));
        match ends {
            Some((black, white)) if f64::is_finite(black) && f64::is_finite(white) && black < white => {
                Ok(PixelRange { black, white, clips: true })
            }
            _ => {
                let sentence = format!("the range {range:?} is no black:white, two numbers of which the first is smaller, such as 0:4095");
                Err(Problem::error("bad-range", sentence).into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range_of(values: &[f64], integers: bool) -> Option<PixelRange> {
        let mut survey = Survey { integers, ..Survey::default() };
        survey.see(values.iter().copied());
        let folder = tempfile::tempdir().ok()?;
        std::fs::write(folder.path().join("x.npy"), [0]).ok()?;
        let tree = Tree::open(&[folder.path().to_owned()], crate::tree::Scratch::new(folder.path().join("scratch"), 0)).ok()?;
        survey.range(&tree, &tree.entries[0], &Options::default(), &mut Vec::new()).ok()
    }

    #[test]
    fn a_range_is_taken_where_it_is_beyond_doubt() {
        let whole = |most: f64| range_of(&[0.0, most], true).map(|range| range.white);
        assert_eq!(
            [255.0, 300.0, 4000.0, 4096.0, 60000.0, 70000.0].map(whole),
            [Some(255.0), Some(1023.0), Some(4095.0), Some(16383.0), Some(65535.0), None]
        );
        let fractions = |least: f64, most: f64| range_of(&[least, most], false).map(|range| range.white);
        assert_eq!([fractions(0.0, 0.5), fractions(0.0, 16.0), fractions(0.5, 254.5)], [Some(1.0), Some(255.0), Some(255.0)]);
        assert_eq!([fractions(0.0, 2.5), fractions(-1.0, 1.0), fractions(0.0, 4095.0), whole(-1.0)], [None; 4]);
    }

    #[test]
    fn values_become_bytes_or_say_why_not() {
        let range = PixelRange::new(0.0, 4095.0);
        assert_eq!(range.bytes([0.0, 4095.0, 2047.5].into_iter()), Ok(vec![0, 255, 128]));
        assert!(range.bytes([f64::NAN].into_iter()).is_err() && range.bytes([5000.0].into_iter()).is_err());
        assert_eq!(PixelRange::parse("-1000:400").unwrap().bytes([-2000.0, 9000.0].into_iter()), Ok(vec![0, 255]));
        assert!(["4:4", "a:b", "5", "NaN:1"].into_iter().all(|range| PixelRange::parse(range).is_err()));
    }
}
