//! Which column of a table names the images: files, or folders whose images all have the label of the row.

use std::collections::BTreeSet;

use super::index::{Found, Index, is_image_name};
use super::source::{JUDGED, Source};
use super::{Image, cell};
use crate::column_splits::plain_name;
use crate::options::Options;
use crate::table;
use crate::tree::Tree;

const IMAGE_COLUMNS: [&str; 17] = [
    "image",
    "image_path",
    "file_name",
    "filename",
    "file",
    "path",
    "img",
    "image_id",
    "imageid",
    "id",
    "image_file",
    "filepath",
    "filepaths",
    "name",
    "image_name",
    "id_code",
    "key",
];
/// As the account calls columns that name folders.
pub const FOLDERS: &str = "folders of images";
/// How a row names images.
#[derive(Clone, Copy)]
pub struct Pointer {
    pub column: usize,
    /// The column of the folder that a name lies in.
    folder: Option<usize>,
    /// A row names a folder, whose images all have the label.
    pub is_of_folders: bool,
}

impl Pointer {
    pub fn file(column: usize) -> Self {
        Self { column, folder: None, is_of_folders: false }
    }

    pub fn below(column: usize) -> Self {
        Self { column, folder: None, is_of_folders: true }
    }

    pub fn uses(self) -> Vec<(usize, &'static str)> {
        let own = if self.is_of_folders { FOLDERS } else { "images" };
        self.folder.map(|folder| (folder, FOLDERS)).into_iter().chain([(self.column, own)]).collect()
    }

    pub fn image(self, fields: &mut [Option<String>]) -> Image {
        let mut take = |column: usize| fields[column].take().filter(|name| !name.trim().is_empty());
        let folder = self.folder.and_then(&mut take);
        let Some(name) = take(self.column) else { return Image::Missing };
        let name = match folder {
            Some(folder) => joined(&folder, &name),
            None => name,
        };
        if self.is_of_folders { Image::Below(name) } else { Image::Named(name) }
    }
}

fn joined(folder: &str, file: &str) -> String {
    format!("{}/{}", folder.trim().trim_end_matches(['/', '\\']), cell::file(file))
}

/// A table with its first rows.
pub struct Table<'a> {
    pub tree: &'a Tree,
    pub at: usize,
    pub source: &'a Source,
    pub rows: &'a [table::Row],
    pub index: &'a Index,
}

impl Table<'_> {
    fn values(&self, column: usize) -> impl Iterator<Item = &str> {
        self.rows.iter().filter_map(move |row| row[column].as_deref())
    }

    fn there(&self, column: usize) -> usize {
        self.values(column).filter(|text| self.index.has(text)).count()
    }

    /// Of the names in a column, those of images that lie where it says.
    fn found(&self, column: usize) -> usize {
        let is_found = |name: &&str| !matches!(self.index.find(self.tree, self.at, name, None, None), Found::None);
        self.values(column).filter(is_found).count()
    }

    /// Names of files of which none is here.
    pub fn names_others(&self, Pointer { column, is_of_folders, .. }: Pointer) -> bool {
        let Some(first) = self.values(column).next().filter(|_| !is_of_folders && self.index.images() > 0 && self.there(column) == 0)
        else {
            return false;
        };
        matches!(self.tree.resolve(&self.tree.entries[self.at], &cell::file(first).replace('\\', "/")), Ok(None))
    }

    /// The column with most of something, where most rows have it.
    fn most<K: Ord>(&self, count: &dyn Fn(usize) -> usize, key: &dyn Fn(usize) -> K) -> Option<usize> {
        let columns = (0..self.source.columns().len()).filter(|column| 2 * count(*column) > self.rows.len());
        columns.max_by_key(|column| (key(*column), count(*column), std::cmp::Reverse(*column)))
    }

    /// A column without a name, as pandas writes its index, whose values are whole numbers; without a header one that counts the rows beside
    /// two others.
    fn numbers_rows(&self, column: usize) -> bool {
        let numbers: Option<Vec<u64>> = self.values(column).map(|text| text.trim().parse().ok()).collect();
        let Some(numbers) = numbers else { return false };
        if !self.source.has_header() {
            return self.source.columns().len() > 2 && numbers.len() > 1 && numbers.windows(2).all(|two| two[1] == two[0] + 1);
        }
        let name = plain_name(&self.source.columns()[column]);
        name == format!("column_{}", column + 1) || name.starts_with("unnamed:") || name == "index"
    }

    fn different(&self, column: usize) -> usize {
        self.values(column).collect::<BTreeSet<_>>().len()
    }

    /// Names of files are all there, and most differ: some may have a row for each of their objects. Numbers differ, for those of classes
    /// repeat, and are not few.
    fn differing(&self, column: usize) -> bool {
        let (count, different) = (self.rows.len(), self.different(column));
        let images = self.index.images().min(JUDGED);
        let numbers = self.values(column).all(|text| text.trim().parse::<f64>().is_ok());
        let enough = match numbers {
            true => different == count && 2 * count >= images,
            false => different == count || (2 * different >= count && 2 * different >= images),
        };
        count > 1 && self.there(column) == count && enough
    }

    /// The chosen column, or the one whose first values are mostly names of image files, of files that are there before others, or of files
    /// without their extension.
    pub fn pointer(&self, options: &Options) -> Option<Pointer> {
        let columns = self.source.columns();
        if let Some(chosen) = &options.image_column {
            let column = columns.iter().position(|name| name == chosen)?;
            let names_folders = self.there(column) == 0 && self.values(column).any(|text| self.index.is_folder(text));
            return Some(Pointer { column, folder: None, is_of_folders: names_folders });
        }
        let usual = || {
            let named = |usual: &str| columns.iter().position(|name| plain_name(name) == usual);
            let usual = IMAGE_COLUMNS.iter().find_map(|usual| named(usual));
            usual.filter(|usual| 2 * self.there(*usual) > self.rows.len() && self.source.has_header())
        };
        let plain = |column: usize| !self.numbers_rows(column) && (self.differing(column) || !self.source.has_header());
        let named = self.most(&|column| self.values(column).filter(|text| is_image_name(text)).count(), &|column| {
            // One that differs in each row rather than one that repeats: the two eyes of a patient beside the file of the row.
            (self.found(column), self.there(column), self.different(column))
        });
        let there = || self.most(&|column| if plain(column) { self.there(column) } else { 0 }, &|_| ());
        // Addresses of images that are not here stand beside names of those that are.
        let named = named.filter(|column| self.there(*column) > 0 || usual().or_else(there).is_none());
        named.or_else(usual).or_else(there).map(Pointer::file)
    }

    /// The column that numbers the rows, where these are names of files too.
    pub fn row_numbers(&self) -> Option<usize> {
        (0..self.source.columns().len()).find(|column| self.numbers_rows(*column) && self.differing(*column))
    }

    /// With the column of folders that a name needs, which several folders have.
    pub fn with_folder(&self, pointer: Pointer, free: &[usize], of_label: &[usize]) -> Pointer {
        let place = |name: &str| match pointer.is_of_folders {
            true => self.index.below(name),
            false => self.index.find(self.tree, self.at, name, None, None),
        };
        if !self.values(pointer.column).any(|name| matches!(place(name), Found::Several(_))) {
            return pointer;
        }
        let tells = |column: &usize| {
            let pairs = self.rows.iter().filter_map(|row| row[*column].as_deref().zip(row[pointer.column].as_deref()));
            2 * pairs.filter(|(folder, name)| matches!(place(&joined(folder, name)), Found::One(_) | Found::All(_))).count()
                > self.rows.len()
        };
        Pointer { folder: free.iter().copied().filter(|column| !of_label.contains(column)).find(tells), ..pointer }
    }
}
