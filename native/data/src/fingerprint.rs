//! The fingerprint of a dataset as it lies in its folder: the one that its import had, as long as no byte has changed.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Problem, Result};
use crate::store::{HEADER, fingerprint, shard_file};

/// Reads all data files; ends soon with `cancelled` when that is set.
pub fn fingerprint_of(folder: &Path, cancelled: &AtomicBool) -> Result<String> {
    let mut hashes = Vec::new();
    for split in ["train", "test"] {
        let split = folder.join(split);
        if split.join("tokens.npy").exists() {
            hashes.push(hash_array(&split.join("tokens.npy"), cancelled)?);
            continue;
        }
        hashes.push(hash_array(&split.join("labels.npy"), cancelled)?);
        if split.join("images.npy").exists() {
            hashes.push(hash_array(&split.join("images.npy"), cancelled)?);
        } else {
            hashes.push(hash_shards(&split, cancelled)?);
            hashes.push(hash_array(&split.join("index.npy"), cancelled)?);
        }
    }
    Ok(fingerprint(&hashes))
}

/// Of the rows, then of the header, as an import writes them.
fn hash_array(path: &Path, cancelled: &AtomicBool) -> Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    let mut file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let mut header = [0; HEADER as usize];
    file.read_exact(&mut header).map_err(|error| unreadable(path, &error))?;
    hash_rest(&mut file, path, &mut hasher, cancelled)?;
    Ok(hasher.update(&header).finalize())
}

/// Of the images of all shards.
fn hash_shards(split: &Path, cancelled: &AtomicBool) -> Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    for shard in 0.. {
        let path = split.join(shard_file(shard));
        match File::open(&path) {
            Ok(mut file) => hash_rest(&mut file, &path, &mut hasher, cancelled)?,
            Err(error) if error.kind() == ErrorKind::NotFound => break,
            Err(error) => return Err(unreadable(&path, &error)),
        }
    }
    Ok(hasher.finalize())
}

fn hash_rest(file: &mut File, path: &Path, hasher: &mut blake3::Hasher, cancelled: &AtomicBool) -> Result<()> {
    let mut part = vec![0; 1 << 18];
    loop {
        if cancelled.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        match file.read(&mut part) {
            Ok(0) => return Ok(()),
            Ok(read) => hasher.update(&part[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(path, &error)),
        };
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Problem::error("unreadable-file", format!("{} cannot be read ({error})", path.display())).into()
}
