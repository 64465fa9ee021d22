//! What the files of a tree are, by their first bytes. In a large tree some are looked at, evenly, and the names tell of the others.

use crate::encoding;
use crate::error::Result;
use crate::npy;
use crate::pixels;
use crate::shards::{self, Shard};
use crate::stand_in;
use crate::tree::{Entry, Tree};

/// Files that are opened to see what they are.
const LOOKED_AT: usize = 2000;

/// So much of each, bytes.
const HEAD: usize = 8192;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Element type and extents.
    Idx(u8, Vec<u32>),
    Npy(npy::Header),
    Pickle,
    Parquet,
    /// A stream or file of Arrow.
    Arrow,
    /// A tar, a file or an index of samples.
    Shard(Shard),
    Image,
    /// Of a kind that is not decoded.
    OtherImage,
    Csv,
    JsonLines,
    Text,
    /// tokenizer.json and its like.
    Json,
    Empty,
    /// Known, but nothing that is read: what it is, as a sentence names it.
    Other(&'static str),
    Unknown,
    /// Known and not read: the end of a sentence that starts with the file.
    Refused(String),
    /// In place of what its name says: the end of a sentence that starts with the file.
    StandIn(String),
}

/// One per entry of the tree. Fails where a file cannot be opened at all.
pub fn sniff(tree: &Tree) -> Result<Vec<What>> {
    let stride = tree.entries.len().div_ceil(LOOKED_AT).max(1);
    let look = |(index, entry): (usize, &Entry)| {
        if let Some(shard) = entry.shard {
            return Ok(What::Shard(shard));
        }
        if let Some(why) = &entry.refused {
            let head = tree.head(entry, HEAD).unwrap_or_default();
            return Ok(stand_in::found(entry, &head).map_or_else(|| What::Refused(why.clone()), What::StandIn));
        }
        let by_name = by_name(entry);
        match by_name {
            Some(known) if index % stride != 0 => Ok(known),
            _ => by_content(tree, entry),
        }
    };
    tree.entries.iter().enumerate().map(look).collect()
}

/// Extensions of images of kinds that are not decoded.
const OTHER_IMAGES: [&str; 24] = [
    "heic", "heif", "hif", "avif", "jp2", "j2k", "jpf", "jpx", "jxl", "svg", "ico", "tga", "dds", "exr", "hdr", "psd", "dng", "cr2", "cr3",
    "nef", "arw", "orf", "raf", "dcm",
];

/// Of images that are decoded, in lower case.
pub fn is_image_extension(extension: &str) -> bool {
    let known = ["jpg", "jpeg", "jpe", "jfif", "png", "gif", "bmp", "webp", "tif", "tiff", "pgm", "ppm", "pbm", "pnm"];
    known.contains(&extension)
}

/// Of images that are not decoded, in lower case.
pub fn is_other_image_extension(extension: &str) -> bool {
    OTHER_IMAGES.contains(&extension)
}

fn by_name(entry: &Entry) -> Option<What> {
    match entry.extension().as_str() {
        extension if is_image_extension(extension) => Some(What::Image),
        extension if OTHER_IMAGES.contains(&extension) => Some(What::OtherImage),
        "txt" | "md" => Some(What::Text),
        "csv" | "tsv" => Some(What::Csv),
        "jsonl" | "ndjson" => Some(What::JsonLines),
        _ => None,
    }
}

fn by_content(tree: &Tree, entry: &Entry) -> Result<What> {
    // A damaged gzip file, which whoever reads it will name.
    let head = match tree.head(entry, HEAD) {
        Ok(head) => head,
        Err(error) => return by_name(entry).ok_or(error).or(Ok(What::Unknown)),
    };
    if let Some(why) = stand_in::found(entry, &head) {
        return Ok(What::StandIn(why));
    }
    Ok(match &head[..] {
        [] => by_name(entry).unwrap_or(What::Empty),
        _ if store(entry, &head).is_some() => store(entry, &head).map_or(What::Unknown, What::Other),
        [0, 0, kind @ (8 | 9 | 0xb | 0xc | 0xd | 0xe), axes @ 1..=8, extents @ ..] => {
            let (words, _) = extents.as_chunks::<4>();
            What::Idx(*kind, words.iter().take(usize::from(*axes)).map(|word| u32::from_be_bytes(*word)).collect())
        }
        [b'P', b'A', b'R', b'1', ..] => What::Parquet,
        [b'A', b'R', b'R', b'O', b'W', b'1', 0, 0, ..] => What::Arrow,
        // The mark of a message, then its length.
        [0xff, 0xff, 0xff, 0xff, _, _, _, 0, rest @ ..] if entry.extension() == "arrow" && !rest.is_empty() => What::Arrow,
        _ if head.starts_with(b"\x93NUMPY") => {
            npy::parse(&head).map_or(What::Other("a NumPy file of records or with a damaged header"), What::Npy)
        }
        [0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, ..] => What::Other("a PyTorch file of weights or tensors"),
        [0x80, 2..=5, ..] if is_of_torch(entry) => What::Other("the pickle of a PyTorch file of weights or tensors"),
        [0x80, 2..=5, next, ..] if entry.extension() != "bin" || b"}](c)\x8a\x8c\x95X".contains(next) => What::Pickle,
        _ if pixels::is_image(&head) => What::Image,
        _ if shards::frame(&head).is_some() => records(&head),
        _ if is_index(tree, entry, &head) => What::Shard(Shard::Index),
        _ if is_text(&head) => text_kind(entry, &head),
        _ if !is_of_numbers(entry) && is_text(&encoding::decoded_head(&head)) => text_kind(entry, &encoding::decoded_head(&head)),
        _ if entry.extension().is_empty() && encoding::may_be_text(&head) => What::Text,
        // An image that is none: whoever decodes it will say so.
        _ => by_name(entry).or_else(|| document(&head)).or_else(|| other(entry, &head).map(What::Other)).unwrap_or(What::Unknown),
    })
}

/// TFRecord files hold messages of any kind; those of an Example begin with its features.
fn records(head: &[u8]) -> What {
    match head.get(12) {
        Some(0x0a) => What::Shard(Shard::Records),
        Some(0x09) => What::Other("a log of TensorBoard"),
        _ => What::Other("a TFRecord file without tf.train.Example"),
    }
}

/// The index of shards with images.
fn is_index(tree: &Tree, entry: &Entry, head: &[u8]) -> bool {
    entry.file_name() == "index.json"
        && head.starts_with(b"{")
        && tree.read_all(entry, 1 << 28).is_ok_and(|json| shards::indexed_shards(&json).is_some())
}

/// Endings of documents that are zip archives, in lower case.
pub fn is_document_extension(extension: &str) -> bool {
    ["xlsx", "xlsm", "ods", "docx", "odt", "pptx", "epub"].contains(&extension)
}

/// Tables and books that are zip archives inside.
fn document(head: &[u8]) -> Option<What> {
    let names = |name: &[u8]| head.windows(name.len()).any(|found| found == name);
    let refused = |why: &str| Some(What::Refused(why.to_owned()));
    match () {
        () if !head.starts_with(b"PK\x03\x04") => None,
        () if names(b"opendocument.spreadsheet") || names(b"xl/") => refused("is a spreadsheet; save each of its tables as CSV"),
        () if names(b"application/epub+zip") => refused("is an EPUB book; save its text as .txt"),
        () if names(b"word/") || names(b"opendocument.text") => refused("is a document of a word processor; save its text as .txt"),
        () if names(b"ppt/") => refused("is a presentation; save its text as .txt"),
        () => None,
    }
}

/// Stores of data that are not read, with the way on.
const STORES: [&str; 5] = [
    "part of a Zarr store; save its arrays with numpy.savez",
    "an ArrayRecord file; prepare the dataset with file_format=\"tfrecord\"",
    "an FFCV file; give the images that it was written from",
    "an LMDB database; export its images into a folder for each class",
    "a NIfTI volume; save its slices as PNG, or the volumes as .npy",
];

fn store(entry: &Entry, head: &[u8]) -> Option<&'static str> {
    let is_word = |at: usize, word: &[u8; 4]| head.get(at..at + 4) == Some(word);
    let is_nifti = |at: usize| is_word(at, b"n+1\0") || is_word(at, b"n+2\0");
    let kinds = [
        entry.file_name() == "zarr.json",
        entry.file_name().contains(".array_record"),
        entry.extension() == "beton",
        is_word(16, &0xbeef_c0de_u32.to_le_bytes()),
        is_nifti(4) || is_nifti(344),
    ];
    kinds.iter().position(|fits| *fits).map(|at| STORES[at])
}

pub fn is_store(what: &What) -> bool {
    matches!(what, What::Other(kind) if STORES.contains(kind))
}

/// Files of other programs that lie beside data or are called like it.
fn other(entry: &Entry, head: &[u8]) -> Option<&'static str> {
    let known: [(&[u8], &str); 8] = [
        (b"GGUF", "a GGUF file of weights"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"%PDF-", "a PDF document"),
        (b"\x7fELF", "a program"),
        (b"PK\x05\x06", "an empty zip archive"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"Rar!\x1a\x07", "a RAR archive"),
    ];
    if let Some((_, kind)) = known.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some(kind);
    }
    if head.starts_with(b"PK\x03\x04") {
        let start = &head[..head.len().min(200)];
        let is_torch = start.windows(8).any(|name| name == b"data.pkl");
        return Some(match entry.extension().as_str() {
            _ if is_torch => "a PyTorch file of weights or tensors",
            "npz" => "an archive of NumPy arrays (.npz) in a folder of others; save them as one array of images and one of labels",
            _ => "a zip archive",
        });
    }
    if head.get(257..262) == Some(b"ustar") {
        return Some("a tar archive of files, in a folder of others; unpack it");
    }
    let length = head.first_chunk::<8>().map_or(u64::MAX, |word| u64::from_le_bytes(*word));
    let is_safetensors = head.get(8..10) == Some(b"{\"") && length < 1 << 30;
    (is_safetensors || entry.extension() == "safetensors").then_some("a safetensors file of weights")
}

/// torch.save writes a zip with the pickle `NAME/data.pkl`.
fn is_of_torch(entry: &Entry) -> bool {
    entry.file_name() == "data.pkl"
}

/// Tokens may look like text of 16 bits.
fn is_of_numbers(entry: &Entry) -> bool {
    ["bin", "npy", "idx", "dat", "raw"].contains(&entry.extension().as_str())
}

/// `@relation` is the first line that is no comment.
fn is_arff(head: &[u8]) -> bool {
    let mut lines = head.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty() && !line.starts_with(b"%"));
    lines.next().is_some_and(|line| line.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"@relation")))
}

/// Lines of a label and of `place:value`, as LIBSVM writes features.
fn is_features(head: &[u8]) -> bool {
    let lines: Vec<&[u8]> = head.split(|byte| *byte == b'\n').take(3).collect();
    let is_number = |part: &[u8]| std::str::from_utf8(part).is_ok_and(|part| part.parse::<f64>().is_ok());
    let is_pair = |part: &[u8]| match part.split(|byte| *byte == b':').collect::<Vec<_>>()[..] {
        [place, value] => place.iter().all(u8::is_ascii_digit) && !place.is_empty() && is_number(value),
        _ => false,
    };
    let is_line = |line: &&[u8]| {
        let mut parts = line.split(u8::is_ascii_whitespace).filter(|part| !part.is_empty()).take(20).peekable();
        parts.next().is_some_and(is_number) && parts.peek().is_some() && parts.all(is_pair)
    };
    // The last line may be cut.
    let whole = lines.len().saturating_sub(1).max(1);
    lines.iter().take(whole).all(is_line)
}

/// UTF-8 without control characters; a character may be cut at the end.
pub fn is_text(head: &[u8]) -> bool {
    let valid = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none() || error.valid_up_to() > 1024,
    };
    valid && !head.iter().any(|byte| *byte < 9 || (14..27).contains(byte))
}

fn text_kind(entry: &Entry, head: &[u8]) -> What {
    let first = head.iter().find(|byte| !byte.is_ascii_whitespace()).copied();
    match entry.extension().as_str() {
        "csv" | "tsv" => What::Csv,
        "jsonl" | "ndjson" => What::JsonLines,
        "json" if first == Some(b'{') && is_object_per_line(head) => What::JsonLines,
        "json" | "yaml" | "yml" | "py" | "html" | "xml" => What::Json,
        _ if first == Some(b'{') && is_object_per_line(head) => What::JsonLines,
        _ if is_arff(head) => What::Refused("is a table of Weka (ARFF); save it as CSV with a header".into()),
        _ if is_features(head) => What::Other("a file of features, as LIBSVM writes them"),
        extension if is_image_extension(extension) => What::Image,
        extension if OTHER_IMAGES.contains(&extension) => What::OtherImage,
        _ => What::Text,
    }
}

/// The first line is a whole JSON object.
fn is_object_per_line(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(line).is_ok()
}
