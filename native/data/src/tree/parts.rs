//! Files of arrays among the entries: each array becomes an entry in a folder of the file's name.

use std::sync::Arc;

use super::{Entry, Location, Tree};
use crate::account::Unit;
use crate::containers::{self, Axis, Change, Opened, Part, Source};
use crate::error::{Place, Problem, Result};
use crate::npy;

/// Side of an image of STL-10.
const STL_SIDE: usize = 96;
const STL_IMAGE: usize = 3 * STL_SIDE * STL_SIDE;

impl Tree {
    pub(super) fn open_containers(&mut self) -> Result<()> {
        let may_be = |entry: &Entry| containers::may_be(&entry.extension()) && entry.shard.is_none();
        let count = self.entries.iter().filter(|entry| may_be(entry)).count();
        if count == 0 || count > containers::MOST {
            return Ok(());
        }
        for mut entry in std::mem::take(&mut self.entries) {
            if !may_be(&entry) {
                self.entries.push(entry);
                continue;
            }
            let shown = self.display(&entry);
            match containers::open(&self.unpacked(&entry)?, &shown, &entry.extension()) {
                Opened::Arrays(arrays, others) => {
                    let other =
                        |name: &String| self.left_out.add(Unit::Columns, false, "neither numbers nor text", &format!("{shown}: {name}"));
                    others.iter().for_each(other);
                    let folder = entry.name[..entry.name.len() - entry.extension().len() - 1].to_owned();
                    for array in arrays {
                        // One without a name of its own is called like its file.
                        let name = if array.name.is_empty() { folder.clone() } else { format!("{folder}/{}", array.name) };
                        if array.part.change == containers::Change::TenIsZero {
                            let sentence = format!("{shown} has the digit 0 as label 10, as SVHN does; it is taken as 0");
                            self.problems.push(Problem::note("ten-is-zero", sentence).at(Place::file(shown.clone())));
                        }
                        let location = Location::Part(Arc::new(array.part));
                        self.entries.push(Entry::new(format!("{name}.{}", array.extension), location));
                    }
                }
                Opened::Refused(why) => {
                    entry.refused = Some(why);
                    self.entries.push(entry);
                }
                Opened::Else => self.entries.push(entry),
            }
        }
        self.read_flowers()
    }

    /// STL-10: `train_X.bin` of images whose planes lie column by column, `train_y.bin` of labels; both become arrays. The images without
    /// labels are left out.
    pub(super) fn open_stl(&mut self) -> Result<()> {
        let named = |entry: &Entry, end: &str| entry.file_name().strip_suffix(end).map(ToOwned::to_owned);
        let mut pairs = Vec::new();
        for (images, entry) in self.entries.iter().enumerate() {
            let Some(split) = named(entry, "_X.bin").filter(|split| split == "train" || split == "test") else { continue };
            let is_partner = |other: &Entry| other.folder() == entry.folder() && named(other, "_y.bin").as_ref() == Some(&split);
            let Some(labels) = self.entries.iter().position(is_partner) else { continue };
            let (bytes, count) = (self.size(entry), self.size(&self.entries[labels]));
            if count > 0 && bytes == count * STL_IMAGE as u64 {
                pairs.push((images, labels, count as usize));
            }
        }
        for &(images, labels, count) in &pairs {
            let axes = vec![
                Axis { extent: 3, stride: STL_SIDE * STL_SIDE },
                Axis { extent: STL_SIDE, stride: 1 },
                Axis { extent: STL_SIDE, stride: STL_SIDE },
            ];
            let of_images = Part {
                shown: self.display(&self.entries[images]),
                header: npy::write_header("|u1", &[count, 3, STL_SIDE, STL_SIDE]).to_vec(),
                source: Source::File(self.unpacked(&self.entries[images])?, 0),
                blocks: count,
                distance: STL_IMAGE as u64,
                block: STL_IMAGE,
                axes,
                element: 1,
                change: Change::None,
            };
            let header = npy::write_header("|u1", &[count]).to_vec();
            let source = Source::File(self.unpacked(&self.entries[labels])?, 0);
            let of_labels = Part::plain(&self.display(&self.entries[labels]), header, 1, source, count);
            for (at, part) in [(images, of_images), (labels, of_labels)] {
                let name = self.entries[at].name.replace(".bin", ".npy");
                self.entries[at] = Entry::new(name, Location::Part(Arc::new(part)));
            }
        }
        if !pairs.is_empty()
            && let Some(at) = self.entries.iter().position(|entry| entry.file_name() == "unlabeled_X.bin")
        {
            let entry = self.entries.remove(at);
            self.left_out.add(Unit::Files, false, "images without labels", &entry.name);
        }
        Ok(())
    }

    /// Oxford's flowers: `imagelabels.mat` has a label for each of `jpg/image_00001.jpg`, ..., and `setid.mat` the numbers of each split.
    /// Both become a table.
    fn read_flowers(&mut self) -> Result<()> {
        let Some(at) = self.entries.iter().position(|entry| entry.name.ends_with("imagelabels/labels.npy")) else { return Ok(()) };
        let folder = self.entries[at].name.trim_end_matches("imagelabels/labels.npy").to_owned();
        let numbers = |entry: &Entry| -> Result<Vec<u64>> {
            let bytes = self.read_all(entry, 1 << 24)?;
            let header = crate::npy::parse(&bytes).ok();
            Ok(header.map_or_else(Vec::new, |header| header.numbers(&bytes[header.start..]).map(|number| number as u64).collect()))
        };
        let labels = numbers(&self.entries[at])?;
        let mut splits = vec!["train"; labels.len()];
        for (name, split) in [("trnid", "train"), ("valid", "val"), ("tstid", "test")] {
            let wanted = format!("{folder}setid/{name}.npy");
            let Some(entry) = self.entries.iter().find(|entry| entry.name == wanted) else { continue };
            for number in numbers(entry)? {
                if let Some(slot) = usize::try_from(number).ok().and_then(|number| splits.get_mut(number.checked_sub(1)?)) {
                    *slot = split;
                }
            }
        }
        let row = |(at, (label, split)): (usize, (&u64, &&str))| format!("jpg/image_{:05}.jpg,{label},{split}\n", at + 1);
        let rows: String = labels.iter().zip(&splits).enumerate().map(row).collect();
        let shown = self.display(&self.entries[at]).trim_end_matches(": labels").to_owned();
        let table = format!("file_name,label,split\n{rows}").into_bytes();
        let part = Part::plain(&shown, table, 1, Source::Memory(Arc::default()), 0);
        let is_told =
            |entry: &Entry| entry.name.starts_with(&format!("{folder}imagelabels/")) || entry.name.starts_with(&format!("{folder}setid/"));
        self.entries.retain(|entry| !is_told(entry));
        let location = Location::Part(Arc::new(part));
        self.entries.push(Entry::new(format!("{folder}imagelabels.csv"), location));
        Ok(())
    }
}
