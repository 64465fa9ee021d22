//! Files of arrays among the entries: each array becomes an entry in a folder of the file's name.

use std::sync::Arc;

use super::{Entry, Location, Tree};
use crate::account::Unit;
use crate::containers::{self, Opened, Part, Source};
use crate::error::{Place, Problem, Result};

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
                        if array.part.change == containers::Change::TenIsZero {
                            let sentence = format!("{shown} has the digit 0 as label 10, as SVHN does; it is taken as 0");
                            self.problems.push(Problem::note("ten-is-zero", sentence).at(Place::file(shown.clone())));
                        }
                        let location = Location::Part(Arc::new(array.part));
                        self.entries.push(Entry::new(format!("{folder}/{}.{}", array.name, array.extension), location));
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
