//! Files that stand in for others: pointers of Git LFS and git-annex, web pages that were saved in place of a download, text under an
//! ending of binary data. Each is refused by name.

use crate::error::Problem;
use crate::sniff::{What, is_image_extension, is_text};
use crate::tree::{Entry, Tree};

const POINTER: &str = "is a pointer of Git LFS in place of the file; run `git lfs pull` in its repository, or download the file itself";
const ANNEXED: &str = "is a pointer of git-annex in place of the file; run `git annex get` in its repository, or download the file itself";
const PAGE: &str = "is a web page in place of the file; download it again, its address may ask for a login or a confirmation first";

/// Endings of data that is no text.
const BINARY: [&str; 17] = [
    "parquet",
    "arrow",
    "feather",
    "npy",
    "npz",
    "h5",
    "hdf5",
    "hdf",
    "mat",
    "safetensors",
    "tfrecord",
    "tfrecords",
    "zip",
    "tar",
    "tgz",
    "7z",
    "mds",
];

/// Endings of files that may be web pages, or hold them.
const PAGES: [&str; 14] = ["html", "htm", "xhtml", "mhtml", "xml", "svg", "php", "asp", "aspx", "jsp", "vue", "txt", "md", "text"];

/// Why a file is none, the end of a sentence that starts with it; `head` are its first bytes.
pub fn found(entry: &Entry, head: &[u8]) -> Option<String> {
    if let Some(pointer) = pointer(head) {
        return Some(pointer.to_owned());
    }
    let extension = entry.extension();
    let may_be_page = PAGES.contains(&extension.as_str()) || (extension.is_empty() && !entry.is_packed());
    // An image that is none is counted where images are decoded.
    if is_page(head) && !may_be_page && !is_image_extension(&extension) {
        return Some(PAGE.to_owned());
    }
    let is_binary = BINARY.contains(&extension.as_str()) && !head.is_empty() && is_text(head);
    let begins: String = String::from_utf8_lossy(head).chars().take(24).collect();
    is_binary.then(|| format!("holds text ({begins:?}...) in place of .{extension} data; download or save it again"))
}

/// The same of an image that cannot be decoded; the end of a sentence about it.
pub fn of_image(head: &[u8]) -> Option<String> {
    let why = pointer(head).or_else(|| is_page(head).then_some(PAGE))?;
    Some(why.replacen("is ", "it is ", 1))
}

fn pointer(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(b"version https://git-lfs.github.com/spec/") {
        return Some(POINTER);
    }
    let start = head.get(..head.len().min(64)).unwrap_or_default();
    (head.len() < 4096 && start.starts_with(b"/annex/objects/")).then_some(ANNEXED)
}

fn is_page(head: &[u8]) -> bool {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let begins = |with: &[u8]| text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    begins(b"<!doctype html") || begins(b"<html")
}

/// One problem for all of them.
pub fn problem(tree: &Tree, what: &[What]) -> Option<Problem> {
    let all: Vec<(usize, &String)> =
        what.iter().enumerate().filter_map(|(at, what)| if let What::StandIn(why) = what { Some((at, why)) } else { None }).collect();
    let (first, why) = all.first()?;
    let file = tree.display(&tree.entries[*first]);
    let sentence = match all.len() {
        1 => format!("{file} {why}"),
        count => format!("{count} files are not what their names say, the first of them {file}: it {why}"),
    };
    let problem = Problem::error("stand-in", sentence).counted(all.len() as u64);
    Some(all.iter().take(20).fold(problem, |problem, (at, _)| problem.at(tree.place(&tree.entries[*at]))))
}
