//! Tokenizers among files of text.

use super::Files;
use crate::error::Problem;
use crate::options::Options;
use crate::sniff::What;
use crate::tree::{Entry, Tree};

/// A tokenizer among the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    Json(usize),
    /// The vocabulary and merges of a byte-level BPE, as GPT-2 has it.
    Gpt2 {
        vocabulary: usize,
        merges: usize,
    },
}

impl Files {
    pub(super) fn find_tokenizer(&mut self, tree: &Tree, what: &[What], options: &Options) {
        let named = |name: &str| tree.entries.iter().position(|entry| entry.file_name() == name);
        let pair = |one: &str, other: &str| {
            let vocabulary = named(one)?;
            let folder = tree.entries[vocabulary].folder();
            let merges = tree.entries.iter().position(|entry| entry.file_name() == other && entry.folder() == folder)?;
            // CLIP and others that end words with a mark are none of this kind.
            let head = tree.head(&tree.entries[merges], 1 << 14).unwrap_or_default();
            (!head.windows(4).any(|four| four == b"</w>")).then_some(Beside::Gpt2 { vocabulary, merges })
        };
        let json = named("tokenizer.json").map(Beside::Json);
        self.tokenizer = json.or_else(|| pair("vocab.json", "merges.txt")).or_else(|| pair("encoder.json", "vocab.bpe"));
        let is_unread = |(at, entry): (usize, &Entry)| {
            let is_binary = !matches!(what.get(at), Some(What::Text | What::Json | What::JsonLines));
            let name = entry.file_name();
            (entry.extension() == "model" && is_binary) || ["merges.txt", "vocab.bpe"].contains(&name) || is_word_pieces(tree, entry)
        };
        let unread = tree.entries.iter().enumerate().find(|(at, entry)| is_unread((*at, entry)));
        if let Some((at, entry)) = unread.filter(|_| self.tokenizer.is_none()) {
            self.left_out.leave_out(tree, at, "tokenizers of a kind that is not read");
            if options.tokenizer.is_none() {
                let sentence = format!(
                    "{} is a tokenizer of a kind that is not read; save it as tokenizer.json (save_pretrained of its transformers tokenizer \
                     does), or every byte is a token",
                    tree.display(entry)
                );
                let with = |tokenizer: &str| Options { tokenizer: Some(tokenizer.into()), ..Options::default() };
                let problem = Problem::warning("other-tokenizer", sentence).at(tree.place(entry));
                let problem = problem.with("tokenizer", "Train a BPE of 4,096", with("bpe"));
                self.problems.push(problem.with("tokenizer", "Take bytes", with("bytes")));
            }
        }
        for (at, entry) in tree.entries.iter().enumerate().filter(|(_, entry)| is_part_of_tokenizer(entry)) {
            let used = match self.tokenizer {
                Some(Beside::Json(json)) => at == json,
                Some(Beside::Gpt2 { vocabulary, merges }) => at == vocabulary || at == merges,
                None => false,
            };
            match used {
                true => self.left_out.use_as(tree, at, "tokenizers"),
                false => self.left_out.leave_out(
                    tree,
                    at,
                    if entry.extension() == "json" { "other files of tokenizers" } else { "other tokenizers" },
                ),
            }
        }
    }
}

/// BERT's vocabulary.
fn is_word_pieces(tree: &Tree, entry: &Entry) -> bool {
    let has_unknown = || tree.head(entry, 8192).is_ok_and(|head| head.windows(6).any(|six| six == b"[UNK]\n" || six == b"[PAD]\n"));
    entry.file_name() == "vocab.txt" && has_unknown()
}

/// Files that a tokenizer is saved as, by their names.
pub fn is_part_of_tokenizer(entry: &Entry) -> bool {
    let known = [
        "tokenizer.json",
        "vocab.json",
        "merges.txt",
        "encoder.json",
        "vocab.bpe",
        "vocab.txt",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
    ];
    known.contains(&entry.file_name()) || entry.extension() == "vocab"
}
