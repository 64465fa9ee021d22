//! What a cell says that a program wrapped: the path of `{'bytes': None, 'path': 'a/0.png'}`, as `datasets` writes images into CSV, a URL with
//! a query, and a list of labels as Python prints it.

use super::index::is_image_name;
use crate::table::SEVERAL;

/// The file that a cell names.
pub fn file(text: &str) -> &str {
    let text = text.trim();
    if text.starts_with('{') {
        return path_of(text).unwrap_or(text);
    }
    // Label Studio's files of a folder.
    if let Some((_, path)) = text.split_once("/local-files/?d=") {
        return path;
    }
    match text.split_once('?') {
        Some((address, _)) if address.contains("://") && is_image_name(address) => address,
        _ => text,
    }
}

fn path_of(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("'path'").or_else(|| text.split_once("\"path\""))?;
    let rest = rest.trim_start().strip_prefix(':')?.trim_start();
    let quote = rest.chars().next().filter(|first| matches!(first, '\'' | '"'))?;
    rest[1..].split(quote).next()
}

/// The texts of `['a', 'b']` with `SEVERAL` between them; any other text as it is.
pub fn labels(text: &str) -> String {
    let inner = text.trim().strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    // Words without quotes, as makesense.ai writes them.
    let is_word = |part: &str| part.trim().starts_with(char::is_alphabetic) && !part.contains(['[', '\'', '"']);
    if let Some(inner) = inner.filter(|inner| inner.split(',').all(is_word)) {
        return inner.split(',').map(str::trim).collect::<Vec<_>>().join(&SEVERAL.to_string());
    }
    let Some(inner) = inner.map(str::trim).filter(|inner| inner.starts_with(['\'', '"'])) else { return text.to_owned() };
    let (mut labels, mut rest) = (Vec::new(), inner);
    while let Some(quote) = rest.chars().next().filter(|first| matches!(first, '\'' | '"')) {
        let Some((label, behind)) = rest[1..].split_once(quote) else { return text.to_owned() };
        labels.push(label.trim());
        rest = behind.trim_start_matches([',', ' ']);
    }
    labels.join(&SEVERAL.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_unwrapped() {
        for (text, expected) in [
            ("a/0.png", "a/0.png"),
            ("{'bytes': None, 'path': 'a/0.png'}", "a/0.png"),
            ("{\"path\": \"a/0.png\", \"bytes\": null}", "a/0.png"),
            ("{'bytes': None}", "{'bytes': None}"),
            ("https://host/a/0.png?token=1", "https://host/a/0.png"),
            ("/data/local-files/?d=a/0.png", "a/0.png"),
        ] {
            assert_eq!(file(text), expected);
        }
        for (text, expected) in [("a", "a"), ("['a']", "a"), ("[\"a\", 'b']", "a\u{1f}b"), ("[0]", "[0]"), ("[']", "[']")] {
            assert_eq!(labels(text), expected);
        }
    }
}
