//! The tokenizer of a dataset, for prompts and exports.

use napi::bindgen_prelude::AsyncTask;
use napi::{Env, Task};
use napi_derive::napi;
use sdp_core::device::guarded;
use sdp_tokenizer::Tokenizer;

use crate::record::raise;

/// The error ends the sentence.
fn failed(why: String) -> napi::Error {
    napi::Error::from_reason(format!("data: the tokenizer {why}"))
}

/// Runs on a thread of the pool, as a large tokenizer.json takes a while.
pub struct OpenTokenizer(Option<String>);

impl Task for OpenTokenizer {
    type Output = Tokenizer;
    type JsValue = NativeTokenizer;

    fn compute(&mut self) -> napi::Result<Tokenizer> {
        let load = || Ok(self.0.as_ref().map_or(Ok(Tokenizer::Bytes), |json| Tokenizer::load(json.as_bytes())));
        guarded(load).map_err(raise)?.map_err(failed)
    }

    fn resolve(&mut self, _env: Env, tokenizer: Tokenizer) -> napi::Result<NativeTokenizer> {
        Ok(NativeTokenizer(tokenizer))
    }
}

/// From the content of a tokenizer.json; that of bytes where there is none.
#[napi(ts_return_type = "Promise<NativeTokenizer>")]
pub fn open_tokenizer(json: Option<String>) -> AsyncTask<OpenTokenizer> {
    AsyncTask::new(OpenTokenizer(json))
}

/// The token that ends a document, and how it is written.
#[napi(object)]
pub struct EndOfText {
    pub token: u32,
    pub text: String,
}

#[napi]
pub struct NativeTokenizer(Tokenizer);

#[napi]
impl NativeTokenizer {
    #[napi]
    pub fn encode(&self, text: String) -> napi::Result<Vec<u32>> {
        guarded(|| Ok(self.0.encode(&text))).map_err(raise)?.map_err(failed)
    }

    /// Bytes that are no text become U+FFFD.
    #[napi]
    pub fn decode(&self, tokens: Vec<u32>) -> napi::Result<String> {
        guarded(|| Ok(self.0.decode(&tokens))).map_err(raise)?.map_err(failed)
    }

    /// Null where the tokenizer has none.
    #[napi]
    pub fn end(&self) -> Option<EndOfText> {
        let (token, text) = (self.0.end()?, self.0.end_text()?);
        Some(EndOfText { token, text })
    }

    /// As a tokenizer.json of exactly these tokens, which adds none of its own.
    #[napi]
    pub fn exported(&self) -> napi::Result<String> {
        self.0.exported().map_err(failed)
    }
}
