//! Text to tokens and back: bytes, a `tokenizer.json` of Hugging Face, or a byte-level BPE trained on the dataset itself.
//!
//! Every document ends with the end-of-text token, where the tokenizer has one; a tokenizer.json adds nothing else, whatever it says.

use std::collections::{BTreeSet, HashMap};

use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, PostProcessorWrapper, Tokenizer as HuggingFace};

/// The error is the end of a sentence that starts with the tokenizer.
pub type Result<T> = std::result::Result<T, String>;

/// As GPT-2 and its kin call it.
const END_OF_TEXT: &str = "<|endoftext|>";

/// Names under which tokenizers have an end of text, the most usual first.
const ENDS: [&str; 8] = [END_OF_TEXT, "<|end_of_text|>", "</s>", "<eos>", "<|eos|>", "<|im_end|>", "[EOS]", "[SEP]"];

/// The end-of-text token of bytes, after the 256 of them.
const END_OF_BYTES: u32 = 256;

pub enum Tokenizer {
    Bytes,
    HuggingFace { model: Box<HuggingFace>, end: Option<u32> },
}

impl Tokenizer {
    /// Reads a tokenizer.json.
    pub fn load(json: &[u8]) -> Result<Self> {
        let mut model = HuggingFace::from_bytes(json).map_err(|error| format!("is no tokenizer.json: {}", one_line(&error)))?;
        // Documents are cut into sequences later, all of the same length, with nothing before or between them.
        model.with_truncation(None).map_err(|error| one_line(&error))?;
        model.with_padding(None);
        model.with_post_processor(None::<PostProcessorWrapper>);
        let end = ENDS.iter().find_map(|name| model.token_to_id(name));
        Ok(Self::HuggingFace { model: Box::new(model), end })
    }

    /// Builds the byte-level BPE of GPT-2 and its kin from its `vocab.json` and `merges.txt`.
    pub fn gpt2(vocabulary: &[u8], merges: &[u8]) -> Result<Self> {
        let failed = |error: tokenizers::Error| format!("is no vocabulary of a byte-level BPE: {}", one_line(&error));
        let vocabulary: HashMap<String, u32> = serde_json::from_slice(vocabulary).map_err(|error| failed(error.into()))?;
        let merges = std::str::from_utf8(merges).map_err(|error| failed(error.into()))?;
        let lines = merges.lines().filter(|line| !line.is_empty() && !line.starts_with("#version"));
        let merges: Option<Vec<(String, String)>> =
            lines.map(|line| line.split_once(' ').map(|(left, right)| (left.to_owned(), right.to_owned()))).collect();
        let merges = merges.ok_or_else(|| failed("a merge is not two parts".into()))?;
        let has_end = vocabulary.contains_key(END_OF_TEXT);
        let vocabulary: Vocab = vocabulary.into_iter().collect();
        let mut model = HuggingFace::new(BPE::builder().vocab_and_merges(vocabulary, merges).build().map_err(failed)?);
        model.with_pre_tokenizer(Some(ByteLevel::new(false, true, true)));
        model.with_decoder(Some(ByteLevel::default()));
        if has_end {
            model.add_special_tokens([AddedToken::from(END_OF_TEXT, true)]).map_err(failed)?;
        }
        Self::load(model.to_string(false).map_err(failed)?.as_bytes())
    }

    /// Trains a byte-level BPE. The same text gives the same tokenizer.
    pub fn train(vocabulary: usize, texts: impl Iterator<Item = String> + Send) -> Result<Self> {
        let failed = |error: tokenizers::Error| format!("cannot be trained: {}", one_line(&error));
        let alphabet = ByteLevel::alphabet();
        let trainer = BpeTrainer::builder()
            .vocab_size(vocabulary.max(alphabet.len() + 1))
            .show_progress(false)
            .special_tokens(vec![AddedToken::from(END_OF_TEXT, true)])
            .initial_alphabet(alphabet.into_iter().collect())
            .build();
        let mut model = HuggingFace::new(BPE::default());
        model.with_pre_tokenizer(Some(ByteLevel::new(false, true, true)));
        model.with_decoder(Some(ByteLevel::default()));
        let mut texts = texts;
        let texts: &mut (dyn Iterator<Item = String> + Send) = &mut texts;
        model.train(&mut TrainerWrapper::from(trainer), texts).map_err(failed)?;
        Self::load(model.to_string(false).map_err(failed)?.as_bytes())
    }

    /// The file that Hugging Face's libraries read; none for bytes.
    pub fn json(&self) -> Option<String> {
        match self {
            Self::Bytes => None,
            Self::HuggingFace { .. } => self.exported().ok(),
        }
    }

    /// The same for other programs: that of bytes too, as a BPE without merges.
    pub fn exported(&self) -> Result<String> {
        let failed = |error: tokenizers::Error| format!("cannot be written: {}", one_line(&error));
        match self {
            Self::Bytes => bytes_as_bpe().and_then(|model| model.to_string(true)).map_err(failed),
            Self::HuggingFace { model, .. } => model.to_string(true).map_err(failed),
        }
    }

    /// Largest token and one.
    pub fn vocabulary(&self) -> usize {
        match self {
            Self::Bytes => END_OF_BYTES as usize + 1,
            Self::HuggingFace { model, .. } => {
                let largest = model.get_vocab(true).values().max().copied();
                largest.map_or(0, |largest| largest as usize + 1)
            }
        }
    }

    pub fn end(&self) -> Option<u32> {
        match self {
            Self::Bytes => Some(END_OF_BYTES),
            Self::HuggingFace { end, .. } => *end,
        }
    }

    /// How the end of text is written.
    pub fn end_text(&self) -> Option<String> {
        match self {
            Self::Bytes => Some(END_OF_TEXT.to_owned()),
            Self::HuggingFace { model, end } => end.and_then(|end| model.id_to_token(end)),
        }
    }

    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        match self {
            Self::Bytes => Ok(text.bytes().map(u32::from).collect()),
            Self::HuggingFace { model, .. } => Ok(model.encode_fast(text, false).map_err(untokenizable)?.get_ids().to_vec()),
        }
    }

    /// Bytes that are no text become U+FFFD; tokens that the tokenizer does not have are left out.
    pub fn decode(&self, tokens: &[u32]) -> Result<String> {
        match self {
            Self::Bytes => {
                let bytes: Vec<u8> = tokens.iter().filter_map(|&token| u8::try_from(token).ok()).collect();
                Ok(String::from_utf8_lossy(&bytes).into_owned())
            }
            Self::HuggingFace { model, .. } => {
                model.decode(tokens, false).map_err(|error| format!("cannot read these tokens: {}", one_line(&error)))
            }
        }
    }

    /// The first tokens with the part of the text that each stands for.
    pub fn preview(&self, text: &str, count: usize) -> Result<Vec<(u32, String)>> {
        match self {
            Self::Bytes => Ok(text.bytes().take(count).map(|byte| (u32::from(byte), readable(byte))).collect()),
            Self::HuggingFace { model, .. } => {
                let encoding = model.encode(text, false).map_err(untokenizable)?;
                let ids = encoding.get_ids().iter().zip(encoding.get_offsets());
                Ok(ids.take(count).map(|(id, &(start, end))| (*id, text.get(start..end).unwrap_or_default().to_owned())).collect())
            }
        }
    }
}

/// Every byte is its own token. ByteLevel writes bytes that can be printed as themselves, the others in their order above U+00FF.
fn bytes_as_bpe() -> tokenizers::Result<HuggingFace> {
    let alphabet: BTreeSet<char> = ByteLevel::alphabet().into_iter().collect();
    let mut others = alphabet.range('\u{100}'..);
    let vocabulary: [(String, u32); 256] = std::array::from_fn(|byte| {
        let own = char::from(byte as u8);
        let written = if alphabet.contains(&own) { own } else { others.next().copied().unwrap_or(own) };
        (written.to_string(), byte as u32)
    });
    let mut model = HuggingFace::new(BPE::builder().vocab_and_merges(vocabulary, Vec::new()).build()?);
    model.with_pre_tokenizer(Some(ByteLevel::new(false, true, false)));
    model.with_decoder(Some(ByteLevel::default()));
    model.add_special_tokens([AddedToken::from(END_OF_TEXT, true)])?;
    Ok(model)
}

fn readable(byte: u8) -> String {
    if byte.is_ascii() { char::from(byte).to_string() } else { format!("\\x{byte:02x}") }
}

fn untokenizable(error: tokenizers::Error) -> String {
    format!("cannot take this text: {}", one_line(&error))
}

fn one_line(error: &tokenizers::Error) -> String {
    error.to_string().replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "the cat sat on the mat, the other cat sat on the other mat; “quotes” and 12345\n";

    #[test]
    fn bytes_are_themselves() {
        assert_eq!(Tokenizer::Bytes.encode("aé").unwrap(), [97, 195, 169]);
        assert_eq!((Tokenizer::Bytes.vocabulary(), Tokenizer::Bytes.end()), (257, Some(256)));
        assert_eq!(Tokenizer::Bytes.decode(&[97, 195, 169, 256, 195]).unwrap(), "aé\u{fffd}");
    }

    #[test]
    fn bytes_are_written_as_a_tokenizer_of_the_same_tokens() {
        let written = Tokenizer::load(Tokenizer::Bytes.exported().unwrap().as_bytes()).unwrap();
        assert_eq!((written.vocabulary(), written.end(), written.end_text()), (257, Some(256), Tokenizer::Bytes.end_text()));
        let text: String = (0..0x500).filter_map(char::from_u32).chain("  \r\n 日本 🐈".chars()).collect();
        assert_eq!(written.encode(&text).unwrap(), Tokenizer::Bytes.encode(&text).unwrap());
        let tokens: Vec<u32> = (0..256).collect();
        assert_eq!(written.decode(&tokens).unwrap(), Tokenizer::Bytes.decode(&tokens).unwrap());
    }

    #[test]
    fn what_a_tokenizer_would_put_around_a_text_is_left_out() {
        let json = Tokenizer::train(280, std::iter::once(TEXT.to_owned())).unwrap().json().unwrap();
        let around = r#""post_processor": {"type": "BertProcessing", "sep": ["<|endoftext|>", 0], "cls": ["<|endoftext|>", 0]}"#;
        let json = json.replace(r#""post_processor": null"#, around);
        assert!(json.contains(around), "{json}");
        let tokenizer = Tokenizer::load(json.as_bytes()).unwrap();
        let written = HuggingFace::from_bytes(tokenizer.exported().unwrap()).unwrap();
        assert_eq!(written.encode(TEXT, true).unwrap().get_ids(), tokenizer.encode(TEXT).unwrap());
    }

    #[test]
    fn a_trained_bpe_is_the_same_each_time_and_loses_nothing() {
        let train = || Tokenizer::train(280, std::iter::repeat_n(TEXT.to_owned(), 20)).unwrap();
        let (one, other) = (train(), train());
        assert_eq!(one.json(), other.json());
        assert_eq!((one.vocabulary(), one.end()), (280, Some(0)));
        let tokens = one.encode(TEXT).unwrap();
        assert!(tokens.len() < TEXT.len() / 2, "{} tokens", tokens.len());
        let pieces = one.preview("the cat sat", 8).unwrap();
        assert_eq!(pieces.iter().map(|(_, text)| text.as_str()).collect::<String>(), "the cat sat");
        assert_eq!(one.decode(&tokens).unwrap(), TEXT);
        assert_eq!(one.end_text().unwrap(), END_OF_TEXT);
    }

    #[test]
    fn what_is_no_tokenizer_is_refused() {
        let error = Tokenizer::load(b"{}").err().unwrap();
        assert!(error.starts_with("is no tokenizer.json"), "{error}");
    }
}
