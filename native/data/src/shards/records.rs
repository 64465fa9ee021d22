//! Images that lie in shards, read at their places in order.

use std::io::Read;

use super::Found;
use super::columns::Member;
use crate::account::Account;
use crate::archive::SharedFile;
use crate::error::{Place, Problem, Result};
use crate::images::{Content, Hand, Raw};
use crate::pixels::Pixels;
use crate::tree::Tree;

/// How an image lies in its shard.
pub enum Coding {
    /// As an image file.
    File,
    /// As an image file, or as bytes of this shape where it is none, inside records with checksums.
    Record { raw: Option<[usize; 3]>, spans: Vec<(u64, u32)> },
    /// As an image file, or as what Streaming and litdata make of a Pillow image.
    Pillow,
}

struct Part {
    entry: usize,
    count: usize,
}

pub struct Records {
    parts: Vec<Part>,
    members: Vec<Member>,
    coding: Coding,
    writer: &'static str,
    used: Vec<(usize, &'static str)>,
    columns: Vec<(String, bool)>,
    without_image: usize,
    shape: Option<[usize; 3]>,
}

impl Records {
    pub fn new(
        tree: &Tree,
        mut found: Found,
        image: &str,
        label: &str,
        kept: Option<&[u32]>,
        without_image: usize,
        problems: &mut Vec<Problem>,
    ) -> Result<Self> {
        let names = found.columns.names();
        let members = found.columns.members(image);
        let mut counts = Vec::new();
        let mut first = 0;
        for shard in &found.columns.shards {
            let of_shard = first..first + shard.count as u32;
            first = of_shard.end;
            let count = match kept {
                Some(kept) => {
                    kept.partition_point(|sample| *sample < of_shard.end) - kept.partition_point(|sample| *sample < of_shard.start)
                }
                None => shard.count,
            };
            counts.push(Part { entry: shard.entry, count });
        }
        let columns = names.into_iter().map(|name| (name == image || name == label, name)).map(|(used, name)| (name, used)).collect();
        let mut records = Self {
            parts: counts,
            members,
            coding: found.coding,
            writer: found.writer,
            used: found.used,
            columns,
            without_image,
            shape: None,
        };
        records.settle_shape(tree, &found.columns, problems)?;
        Ok(records)
    }

    /// Raw bytes are images of the shape that all records tell, or square ones.
    fn settle_shape(&mut self, tree: &Tree, columns: &super::Columns, problems: &mut Vec<Problem>) -> Result<()> {
        let Some(first) = self.members.first().copied() else { return Ok(()) };
        let Coding::Record { raw, .. } = &mut self.coding else { return Ok(()) };
        let Some(shard) = self.parts.iter().find(|part| part.count > 0) else { return Ok(()) };
        let mut file = tree.unpacked(&tree.entries[shard.entry])?;
        let mut head = vec![0; (first.length as usize).min(64)];
        file.seek_to(first.offset);
        file.read_exact(&mut head).map_err(|error| tree.unreadable(&tree.entries[shard.entry], &error))?;
        if crate::pixels::is_image(&head) {
            return Ok(());
        }
        let extent = |names: &[&str]| names.iter().find_map(|name| columns.constant(name));
        let told = extent(&["height", "image/height", "rows"]).zip(extent(&["width", "image/width", "cols"]));
        let length = first.length as usize;
        let shape = match told {
            Some((height, width)) if height * width > 0 && length.is_multiple_of(height * width) => {
                Some([length / (height * width), height, width])
            }
            Some(_) => None,
            None => [1, 3].into_iter().find_map(|channels| {
                let side = (length / channels).isqrt();
                (side > 1 && side * side * channels == length).then_some([channels, side, side])
            }),
        };
        let Some(shape) = shape.filter(|shape| [1, 3].contains(&shape[0])) else {
            let file = tree.display(&tree.entries[shard.entry]);
            let sentence = format!("{file} has images of {length} bytes that are no image files, and no height and width that fit them");
            return Err(Problem::error("bad-shape", sentence).at(Place::file(file)).into());
        };
        if told.is_none() {
            let [channels, height, width] = shape;
            problems.push(Problem::note("flat-rows", format!("{length} bytes are taken as images of {channels} x {height} x {width}")));
        }
        *raw = Some(shape);
        self.shape = Some(shape);
        Ok(())
    }

    fn image(&self, file: &mut SharedFile, member: Member) -> Raw {
        let mut read = |offset: u64, length: u32| -> std::result::Result<Vec<u8>, String> {
            let mut bytes = vec![0; length as usize];
            file.seek_to(offset);
            match file.read_exact(&mut bytes) {
                Ok(()) => Ok(bytes),
                Err(error) => Err(crate::tree::reason(&error)),
            }
        };
        match &self.coding {
            Coding::File => read(member.offset, member.length).map_or_else(Raw::Bad, Raw::Encoded),
            Coding::Pillow => match read(member.offset, member.length) {
                Ok(bytes) if crate::pixels::is_image(&bytes) => Raw::Encoded(bytes),
                Ok(bytes) => super::pixels_of_pil(&bytes).map_or_else(Raw::Bad, |pixels| Raw::Encoded(pixels.png())),
                Err(why) => Raw::Bad(why),
            },
            Coding::Record { raw, spans } => {
                let (start, length) = spans[member.sample as usize];
                let record = match read(start, length.saturating_add(4)) {
                    Ok(record) => record,
                    Err(why) => return Raw::Bad(why),
                };
                let (data, sum) = record.split_at(length as usize);
                if super::tfrecord::masked(data) != u32::from_le_bytes([sum[0], sum[1], sum[2], sum[3]]) {
                    return Raw::Bad("its record does not fit its checksum (CRC32C), so it is damaged".into());
                }
                let from = (member.offset - start) as usize;
                let bytes = data[from..from + member.length as usize].to_vec();
                match raw {
                    Some([channels, height, width]) if bytes.len() == channels * height * width => {
                        Raw::Pixels(Pixels { height: *height, width: *width, channels: *channels, data: bytes })
                    }
                    Some(shape) => Raw::Bad(format!("it has {} bytes, not those of {shape:?}", bytes.len())),
                    None => Raw::Encoded(bytes),
                }
            }
        }
    }
}

impl Content for Records {
    fn account(&self, tree: &Tree) -> Account {
        let mut account = Account::default();
        self.parts.iter().for_each(|part| account.use_as(tree, part.entry, self.writer));
        self.used.iter().for_each(|(entry, what)| account.use_as(tree, *entry, what));
        account.samples(false, "samples without an image", self.without_image as u64);
        let names: Vec<String> = self.columns.iter().map(|(name, _)| name.clone()).collect();
        let used: Vec<(&str, &str)> =
            self.columns.iter().filter(|(_, used)| *used).map(|(name, _)| (name.as_str(), "images and labels")).collect();
        account.columns(&names, &used);
        account
    }

    fn stream(&self, tree: &Tree, from: usize, hand: &mut Hand) -> Result<()> {
        let mut before = 0;
        for part in &self.parts {
            let members = &self.members[before..before + part.count];
            let skipped = from.saturating_sub(before).min(part.count);
            before += part.count;
            if skipped < part.count {
                let mut file = tree.unpacked(&tree.entries[part.entry])?;
                members[skipped..].iter().try_for_each(|&member| hand(self.image(&mut file, member)))?;
            }
        }
        Ok(())
    }

    fn place(&self, tree: &Tree, sample: usize) -> Place {
        crate::images::place_among(tree, self.parts.iter().map(|part| (part.entry, part.count)), sample)
    }

    fn shape(&self) -> Option<[usize; 3]> {
        self.shape
    }
}
