//! Mutated inputs through every parser of bytes that is ours: the pickle machine, the .npy header, the search in JPEG headers. A parser may
//! refuse what it is given; it may not panic, hang or build without end. Seeds come from fixtures; mutations from a seeded generator.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::Read;

use common::fixtures;
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

/// Inputs per parser.
const INPUTS: u64 = 100_000;

/// Flips, cuts, copies and overwrites at random places.
fn mutated(seed: &[u8], generator: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    let below = |generator: &mut ChaCha8Rng, bound: usize| (generator.next_u64() % bound.max(1) as u64) as usize;
    for _ in 0..=below(generator, 6) {
        if bytes.is_empty() {
            bytes.push(generator.next_u32() as u8);
        }
        let at = below(generator, bytes.len());
        match generator.next_u32() % 6 {
            0 => bytes[at] ^= 1 << (generator.next_u32() % 8),
            1 => bytes[at] = generator.next_u32() as u8,
            2 => bytes.truncate(at),
            3 => bytes.insert(at, generator.next_u32() as u8),
            4 => {
                let length = below(generator, (bytes.len() - at).min(32));
                let part = bytes[at..at + length].to_vec();
                let to = below(generator, bytes.len());
                bytes.splice(to..to, part);
            }
            _ => {
                let word = [0, 0xffff_ffff, 0x7fff_ffff, 0x8000_0000][below(generator, 4)];
                let end = bytes.len().min(at + 4);
                bytes[at..end].copy_from_slice(&u32::to_le_bytes(word)[..end - at]);
            }
        }
    }
    bytes
}

fn through(seeds: &[Vec<u8>], parse: impl Fn(&[u8]) -> bool) -> u64 {
    let mut generator = ChaCha8Rng::seed_from_u64(1);
    (0..INPUTS).filter(|input| parse(&mutated(&seeds[*input as usize % seeds.len()], &mut generator))).count() as u64
}

/// The pickles of a fixture's tar, without the pixels' bulk.
fn pickles(name: &str) -> Vec<Vec<u8>> {
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&std::fs::read(fixtures().join(name)).unwrap()[..]).read_to_end(&mut unpacked).unwrap();
    let mut tar = tar::Archive::new(&unpacked[..]);
    let read = |member: std::io::Result<tar::Entry<&[u8]>>| {
        let mut bytes = Vec::new();
        member.unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    };
    tar.entries().unwrap().map(read).filter(|bytes| sdp_data::pickle::load(bytes).is_ok()).collect()
}

#[test]
fn mutated_pickles_are_read_or_refused() {
    let mut seeds = vec![b"(dp0\nS'labels'\np1\n(lp2\nI3\naI1\nasS'data'\np3\nS'a\\x00\\n'\np4\ns.".to_vec()];
    for name in ["cifar-10-python-2.tar.gz", "cifar-10-python-5.tar.gz", "cifar-100-python.tar.gz"] {
        // The instructions stand before and behind the pixels.
        seeds.extend(
            pickles(name)
                .into_iter()
                .map(|bytes| if bytes.len() > 2000 { [&bytes[..600], &bytes[bytes.len() - 300..]].concat() } else { bytes }),
        );
    }
    let read = through(&seeds, |bytes| sdp_data::pickle::load(bytes).is_ok());
    assert!(read < INPUTS);
}

#[test]
fn mutated_array_headers_are_read_or_refused() {
    let seeds = ["tokens.npy", "arrays-float/train_images.npy"].map(|name| std::fs::read(fixtures().join(name)).unwrap()[..160].to_vec());
    let read = through(&seeds, |bytes| {
        let header = sdp_data::npy::parse(bytes);
        header.is_ok_and(|header| header.numbers(bytes.get(header.start..).unwrap_or_default()).count() > 0)
    });
    assert!(read > 0 && read < INPUTS);
}

#[test]
fn mutated_image_headers_are_read_or_refused() {
    let seeds = ["jpeg/ant/00.jpg", "kinds/cmyk.jpg", "kinds/sixteen.png", "kinds/image.bmp"]
        .map(|name| std::fs::read(fixtures().join(name)).unwrap());
    let read = through(&seeds, |bytes| sdp_data::pixels::header(bytes).is_ok());
    assert!(read > 0 && read < INPUTS);
}
