//! Names of a zip's members that are not in UTF-8: writers on Windows use the system's own encoding and do not say which. It is guessed over
//! all names of the archive, and what was taken is said with the other readings.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{BIG5, EUC_KR, Encoding, GBK, IBM866, SHIFT_JIS};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Problem;
use crate::options::Options;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NameEncoding {
    Gbk,
    ShiftJis,
    Big5,
    EucKr,
    /// Cyrillic of DOS.
    Ibm866,
    /// Western European of DOS, the zip format's own.
    Cp437,
}

impl NameEncoding {
    pub const ALL: [Self; 6] = [Self::Gbk, Self::ShiftJis, Self::Big5, Self::EucKr, Self::Ibm866, Self::Cp437];

    fn title(self) -> &'static str {
        match self {
            Self::Gbk => "GBK (simplified Chinese)",
            Self::ShiftJis => "Shift-JIS (Japanese)",
            Self::Big5 => "Big5 (traditional Chinese)",
            Self::EucKr => "EUC-KR (Korean)",
            Self::Ibm866 => "IBM866 (Cyrillic)",
            Self::Cp437 => "CP437 (Western European)",
        }
    }

    fn encoding(self) -> Option<&'static Encoding> {
        match self {
            Self::Gbk => Some(GBK),
            Self::ShiftJis => Some(SHIFT_JIS),
            Self::Big5 => Some(BIG5),
            Self::EucKr => Some(EUC_KR),
            Self::Ibm866 => Some(IBM866),
            Self::Cp437 => None,
        }
    }

    /// `None` where the bytes are no such text. `western` is the same name as CP437.
    fn decode(self, bytes: &[u8], western: &str) -> Option<String> {
        match self.encoding() {
            Some(encoding) => encoding.decode_without_bom_handling_and_without_replacement(bytes).map(std::borrow::Cow::into_owned),
            None => Some(western.to_owned()),
        }
    }
}

/// A member's name: as bytes, and as CP437.
pub struct Name {
    pub bytes: Vec<u8>,
    pub western: String,
}

/// How the names that are not UTF-8 are read, and what is to be said of them; nothing where all are UTF-8.
pub fn reading(archive: &str, names: &[Name], options: Option<NameEncoding>) -> Option<(NameEncoding, Problem)> {
    let foreign: Vec<&Name> = names.iter().filter(|name| std::str::from_utf8(&name.bytes).is_err()).collect();
    let first = foreign.first()?;
    let fits = |encoding: &NameEncoding| foreign.iter().all(|name| encoding.decode(&name.bytes, &name.western).is_some());
    let fitting: Vec<NameEncoding> = NameEncoding::ALL.into_iter().filter(fits).collect();
    let chosen = options.filter(fits).unwrap_or_else(|| guess(&foreign, &fitting));
    let shown = |encoding: NameEncoding| encoding.decode(&first.bytes, &first.western).unwrap_or_default();
    let sentence = format!(
        "{archive} has {} names that are not UTF-8 and does not say what they are; they are read as {}: {:?}",
        foreign.len(),
        chosen.title(),
        shown(chosen)
    );
    let problem = if options.is_some() { Problem::note("name-encoding", sentence) } else { Problem::warning("name-encoding", sentence) };
    let others = fitting.into_iter().filter(|other| *other != chosen);
    let offer = |problem: Problem, other: NameEncoding| {
        problem.with(
            "choose",
            format!("Read them as {}: {:?}", other.title(), shown(other)),
            Options { name_encoding: Some(other), ..Options::default() },
        )
    };
    Some((chosen, others.fold(problem.counted(foreign.len() as u64), offer)))
}

/// By Firefox's detector, where it finds one of those that fit.
fn guess(names: &[&Name], fitting: &[NameEncoding]) -> NameEncoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    for name in names.iter().take(2000) {
        detector.feed(&name.bytes, false);
        detector.feed(b"\n", false);
    }
    detector.feed(b"", true);
    let guessed = detector.guess(None, Utf8Detection::Deny);
    fitting.iter().copied().find(|encoding| encoding.encoding() == Some(guessed)).unwrap_or(NameEncoding::Cp437)
}

/// One name as it is read.
pub fn decoded(name: &Name, encoding: Option<NameEncoding>) -> String {
    match std::str::from_utf8(&name.bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => encoding.and_then(|encoding| encoding.decode(&name.bytes, &name.western)).unwrap_or_else(|| name.western.clone()),
    }
}
