//! Files of arrays among the entries: each array becomes an entry in a folder of the file's name.

use std::sync::Arc;

use super::{Entry, Location, Tree};
use crate::containers::{self, Opened};
use crate::error::{Place, Problem, Result};

impl Tree {
    pub(super) fn open_containers(&mut self) -> Result<()> {
        let may_be = |entry: &Entry| containers::may_be(&entry.extension()) && entry.shard.is_none();
        if self.entries.iter().filter(|entry| may_be(entry)).count() > containers::MOST {
            return Ok(());
        }
        for mut entry in std::mem::take(&mut self.entries) {
            if !may_be(&entry) {
                self.entries.push(entry);
                continue;
            }
            let shown = self.display(&entry);
            match containers::open(&self.unpacked(&entry)?, &shown, &entry.extension()) {
                Opened::Arrays(arrays) => {
                    let folder = entry.name[..entry.name.len() - entry.extension().len() - 1].to_owned();
                    for array in arrays {
                        if array.part.change == containers::Change::TenIsZero {
                            let sentence = format!("{shown} has the digit 0 as label 10, as SVHN does; it is taken as 0");
                            self.problems.push(Problem::note("ten-is-zero", sentence).at(Place::file(shown.clone())));
                        }
                        let location = Location::Part(Arc::new(array.part));
                        self.entries.push(Entry { name: format!("{folder}/{}.npy", array.name), location, shard: None, refused: None });
                    }
                }
                Opened::Refused(why) => {
                    entry.refused = Some(why);
                    self.entries.push(entry);
                }
                Opened::Else => self.entries.push(entry),
            }
        }
        Ok(())
    }
}
