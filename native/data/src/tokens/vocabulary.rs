//! The vocabulary beside tokens.

use super::LARGEST_INDEX;
use crate::error::{Problem, Result};
use crate::pickle::{self, Value};
use crate::sniff::What;
use crate::tree::Tree;

/// nanoGPT's meta.pkl, or a tokenizer.json.
pub fn vocabulary(tree: &Tree, what: &[What], problems: &mut Vec<Problem>) -> Result<Option<(usize, Vec<u8>)>> {
    for (at, entry) in tree.entries.iter().enumerate() {
        if entry.file_name() == "tokenizer.json" {
            return Ok(Some((at, tree.read_all(entry, LARGEST_INDEX)?)));
        }
        if entry.file_name() != "meta.pkl" || what[at] != What::Pickle {
            continue;
        }
        let pickle = tree.read_all(entry, LARGEST_INDEX)?;
        let characters = pickle::load(&pickle).ok().and_then(|meta| characters(&meta, &pickle));
        match characters {
            Some(characters) => return Ok(Some((at, of_characters(&characters)))),
            None => {
                let sentence = format!("{} is not used: it has no vocabulary (itos) of characters", tree.display(entry));
                problems.push(Problem::note("no-vocabulary", sentence).at(tree.place(entry)));
            }
        }
    }
    Ok(None)
}

/// `itos` as a list: the character of each token.
fn characters(meta: &Value, pickle: &[u8]) -> Option<Vec<String>> {
    let Value::Dict(items) = meta.get("itos", pickle)? else { return None };
    let mut characters = vec![None; items.len()];
    for (token, character) in items {
        let Value::Int(token) = token else { return None };
        *characters.get_mut(usize::try_from(*token).ok()?)? = Some(character.text(pickle)?);
    }
    let characters: Vec<String> = characters.into_iter().collect::<Option<_>>()?;
    characters.iter().all(|text| text.chars().count() == 1).then_some(characters)
}

/// A tokenizer.json of single characters: a BPE without merges.
fn of_characters(characters: &[String]) -> Vec<u8> {
    let vocabulary: serde_json::Map<String, serde_json::Value> =
        characters.iter().zip(0..).map(|(text, id)| (text.clone(), id.into())).collect();
    let json = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null, "pre_tokenizer": null,
        "post_processor": null, "decoder": {"type": "Fuse"},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
            "fuse_unk": false, "byte_fallback": false, "ignore_merges": false, "vocab": vocabulary, "merges": []},
    });
    json.to_string().into_bytes()
}
