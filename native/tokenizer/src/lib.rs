//! Text to tokens: bytes, a `tokenizer.json` of Hugging Face, or a byte-level BPE trained on the dataset itself.
//!
//! Every document ends with the end-of-text token, where the tokenizer has one.

use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Tokenizer as HuggingFace};

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
        // Documents are cut into sequences later, all of the same length.
        model.with_truncation(None).map_err(|error| one_line(&error))?;
        model.with_padding(None);
        let end = ENDS.iter().find_map(|name| model.token_to_id(name));
        Ok(Self::HuggingFace { model: Box::new(model), end })
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
        model.with_post_processor(Some(ByteLevel::new(false, false, true)));
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
            Self::HuggingFace { model, .. } => model.to_string(true).ok(),
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

    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        match self {
            Self::Bytes => Ok(text.bytes().map(u32::from).collect()),
            Self::HuggingFace { model, .. } => Ok(model.encode_fast(text, false).map_err(untokenizable)?.get_ids().to_vec()),
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
        let Tokenizer::HuggingFace { model, .. } = &one else { panic!("bytes") };
        assert_eq!(model.decode(&tokens, false).unwrap(), TEXT);
    }

    #[test]
    fn what_is_no_tokenizer_is_refused() {
        let error = Tokenizer::load(b"{}").err().unwrap();
        assert!(error.starts_with("is no tokenizer.json"), "{error}");
    }
}
