//! Text tables of CelebA's kind: the number of rows, the names of the columns, then in each line an image and a value for each column, with
//! spaces between them.

use super::index::{Index, is_image_name};
use crate::error::{Error, Result};
use crate::table::{self, Row};
use crate::tree::{Entry, Tree};

/// Lines before the rows.
const BEFORE: usize = 2;

#[derive(Clone)]
pub struct Counted {
    pub columns: Vec<String>,
}

impl Counted {
    /// `None`: it is none.
    pub fn open(tree: &Tree, entry: &Entry, index: &Index) -> Result<Option<Self>> {
        let mut first: Vec<Vec<String>> = Vec::new();
        let read = table::lines(tree, entry, &mut |_, line| {
            first.push(String::from_utf8_lossy(line).split_whitespace().map(ToOwned::to_owned).collect());
            if first.len() > BEFORE { Err(Error::Cancelled) } else { Ok(()) }
        });
        match read {
            Ok(()) | Err(Error::Cancelled) => {}
            Err(Error::Data(_)) => return Ok(None),
            Err(other) => return Err(other),
        }
        let [count, names, row] = &first[..] else { return Ok(None) };
        let is_count = matches!(&count[..], [count] if count.parse::<u64>().is_ok());
        let names_image = row.first().is_some_and(|name| is_image_name(name) || index.has(name));
        let columns = match row.len().checked_sub(names.len()) {
            // The images have no name of their own.
            Some(1) => std::iter::once("file".to_owned()).chain(names.iter().cloned()).collect(),
            Some(0) => names.clone(),
            _ => return Ok(None),
        };
        let are_names = names.iter().any(|name| name.parse::<f64>().is_err()) && !names.iter().any(|name| is_image_name(name));
        Ok((is_count && names_image && are_names).then_some(Self { columns }))
    }

    pub fn rows(&self, tree: &Tree, entry: &Entry, hand: &mut dyn FnMut(usize, Row) -> Result<()>) -> Result<()> {
        let mut before = 0;
        table::lines(tree, entry, &mut |number, line| {
            if before < BEFORE {
                before += 1;
                return Ok(());
            }
            let text = std::str::from_utf8(line).map_err(|_| table::bad_row(tree, entry, number, "it is not UTF-8"))?;
            let mut row: Row = text.split_whitespace().map(|value| Some(value.to_owned())).collect();
            row.resize(row.len().max(self.columns.len()), None);
            hand(number.saturating_sub(BEFORE), row)
        })
    }
}
