//! WebDataset: tars whose members are samples by their names, `000001.jpg` and `000001.cls` (everything up to the first dot behind the last
//! slash). Headers are read once, and of the members only what may be a label.

use std::collections::HashMap;
use std::io::{Read, Seek};

use super::columns::{Columns, Part};
use super::records::Coding;
use super::window::Window;
use super::{Found, LARGEST_TEXT};
use crate::error::{Place, Problem, Result};
use crate::sniff::is_image_extension;
use crate::tree::{Tree, reason};

/// Members that are looked at to see what a tar is.
const LOOKED_AT: usize = 64;

/// A label is short.
const LABEL: u64 = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looks {
    /// Images with something of the same name beside them.
    Samples,
    /// Images without folders, and nothing else.
    Bare,
    Else,
}

/// A member's key and the rest of its name, which is lower case; `None` where it is no part of a sample.
fn key_of(name: &str) -> Option<(&str, String)> {
    let start = name.rfind('/').map_or(0, |slash| slash + 1);
    let dot = start + name[start..].find('.')?;
    let hidden = dot == start || name[start..dot].starts_with("__");
    (!hidden).then(|| (&name[..dot], name[dot + 1..].to_lowercase()))
}

/// `png`, `seg.png`.
fn is_image(extension: &str) -> bool {
    is_image_extension(extension.rsplit('.').next().unwrap_or_default())
}

/// What WebDataset's writers put beside an image.
fn is_beside(extension: &str) -> bool {
    let known =
        ["cls", "cls2", "class", "label", "labels", "target", "index", "inx", "id", "json", "txt", "text", "caption", "npy", "npz", "pyd"];
    known.contains(&extension.rsplit('.').next().unwrap_or_default())
}

/// By the first members. `called`: the tar has a number in its name; `numbered`: it is one of many that count on.
pub fn looks(file: impl Read + Seek, called: bool, numbered: bool) -> Looks {
    let mut tar = tar::Archive::new(file);
    let Ok(members) = tar.entries_with_seek() else { return Looks::Else };
    let (mut images, mut others, mut folders, mut sure) = (HashMap::new(), HashMap::new(), false, false);
    let mut strange = false;
    for member in members.take(LOOKED_AT).map_while(std::result::Result::ok).filter(|member| member.header().entry_type().is_file()) {
        let name = String::from_utf8_lossy(&member.path_bytes()).into_owned();
        let name = name.strip_prefix("./").unwrap_or(&name);
        let Some((key, extension)) = key_of(name) else { continue };
        folders |= key.contains('/');
        strange |= !is_image(&extension);
        let into = if is_image(&extension) { &mut images } else { &mut others };
        into.insert(key.to_owned(), extension);
    }
    let pairs = others.iter().filter(|(key, extension)| images.contains_key(*key) && is_beside(extension));
    for (_, extension) in pairs.clone() {
        // Other kinds of data lie beside images too, in folders of classes.
        sure |= !matches!(extension.as_str(), "json" | "txt") || !folders || called;
    }
    let compound = images.values().filter(|extension| extension.contains('.')).count();
    match () {
        () if sure => Looks::Samples,
        () if compound > 1 && compound == images.len() && !folders => Looks::Samples,
        () if numbered && !images.is_empty() && !strange && !folders => Looks::Bare,
        () => Looks::Else,
    }
}

pub fn find(tree: &Tree, entries: &[usize]) -> Result<Found> {
    let mut columns = Columns::default();
    for &entry in entries {
        columns.shards.push(Part { entry, count: 0 });
        let file = tree.unpacked(&tree.entries[entry])?;
        let length = file.len();
        read(&mut columns, Window::new(file), length)
            .or_else(|error| if tree.is_partial() { Ok(()) } else { Err(damaged(tree, entry, &error)) })?;
    }
    Ok(Found { columns, coding: Coding::File, writer: "WebDataset shards", used: Vec::new(), class_names: None })
}

fn damaged(tree: &Tree, entry: usize, error: &std::io::Error) -> crate::error::Error {
    let file = tree.display(&tree.entries[entry]);
    let sentence = format!("{file} is a damaged archive: {}; download or pack it again", reason(error));
    Problem::error("damaged-archive", sentence).at(Place::file(file)).into()
}

/// The samples of one tar, `length` bytes long.
fn read(columns: &mut Columns, file: impl Read + Seek, length: u64) -> std::io::Result<()> {
    let mut tar = tar::Archive::new(file);
    let mut samples: HashMap<String, (u32, Vec<String>)> = HashMap::new();
    let mut end = 0;
    for member in tar.entries_with_seek()? {
        let mut member = member?;
        let (offset, size) = (member.raw_file_position(), member.size());
        end = offset.saturating_add(size);
        if end > length {
            return Err(std::io::Error::other(format!("it ends within its member {:?}", String::from_utf8_lossy(&member.path_bytes()))));
        }
        if !member.header().entry_type().is_file() {
            continue;
        }
        let name = String::from_utf8_lossy(&member.path_bytes()).into_owned();
        let Some((key, extension)) = key_of(&name) else { continue };
        let sample = match samples.get_mut(key) {
            Some((sample, known)) if !known.contains(&extension) => {
                known.push(extension.clone());
                *sample
            }
            // The same name once more is another sample.
            _ => {
                let sample = columns.begin();
                samples.insert(key.to_owned(), (sample, vec![extension.clone()]));
                sample
            }
        };
        if is_image(&extension) {
            let length =
                u32::try_from(size).map_err(|_| std::io::Error::other(format!("its member {name:?} is too large for an image")))?;
            columns.image(sample, &extension, offset, length);
            continue;
        }
        let last = extension.rsplit('.').next().unwrap_or_default();
        let limit = if last == "json" { LARGEST_TEXT } else { LABEL };
        if size > limit || ["npy", "npz", "pth", "pickle", "pkl", "pyd", "mp", "msg", "ten", "tb"].contains(&last) {
            columns.other(&extension);
            continue;
        }
        let mut bytes = Vec::with_capacity(size as usize);
        member.read_to_end(&mut bytes)?;
        value(columns, sample, &extension, &bytes);
    }
    // A tar ends with blocks of zeros; one that was cut between two members has none.
    if end > 0 && end.next_multiple_of(512) + 512 > length {
        return Err(std::io::Error::other("it has no end mark, so its last members are missing"));
    }
    Ok(())
}

/// What a member that is no image tells of its sample.
fn value(columns: &mut Columns, sample: u32, extension: &str, bytes: &[u8]) {
    if extension.rsplit('.').next() == Some("json") {
        return match serde_json::from_slice(bytes) {
            Ok(serde_json::Value::Object(fields)) => {
                let prefix = if extension == "json" { "json.".to_owned() } else { format!("{extension}.") };
                for (name, value) in fields {
                    match scalar(&value) {
                        Some(text) => columns.value(sample, &format!("{prefix}{name}"), &text),
                        None => columns.other(&format!("{prefix}{name}")),
                    }
                }
            }
            Ok(value) => match scalar(&value) {
                Some(text) => columns.value(sample, extension, &text),
                None => columns.other(extension),
            },
            Err(_) => columns.other(extension),
        };
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.trim().is_empty() => columns.value(sample, extension, text.trim()),
        _ => columns.other(extension),
    }
}

pub(super) fn scalar(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) if text.len() <= LABEL as usize => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        serde_json::Value::Bool(flag) => Some(if *flag { "True" } else { "False" }.into()),
        _ => None,
    }
}
