//! Images that a dataset keeps as files: one behind the other in shards (native/data/src/store.rs), mapped, decoded at each reading.

use std::path::Path;

use memmap2::Mmap;
use sdp_data::pixels::{self, Pixels};
use sdp_data::store::shard_file;

use crate::error::{Error, Result};
use crate::npy::Npy;
use crate::spec::Encoded;
use crate::store::mapping::{map_file, release};

pub struct Shards {
    /// uint64 [n,3]: shard, offset, length.
    index: Npy,
    shards: Vec<Mmap>,
    path: String,
    as_read: Encoded,
}

impl Shards {
    /// Opens the split of a dataset.
    pub fn open(folder: &Path, as_read: Encoded) -> Result<Self> {
        let index = Npy::open(&folder.join("index.npy"), &["<u8"])?;
        let path = folder.display().to_string();
        if index.shape.len() != 2 || index.shape[1] != 3 {
            return Err(Error::Data(format!("index.npy in {path} must have the shape [n, 3], found {:?}", index.shape)));
        }
        let mut shards = Self { index, shards: Vec::new(), path, as_read };
        let count = (0..shards.count()).map(|sample| shards.row(sample as u32)[0] + 1).max().unwrap_or(0);
        for shard in 0..count {
            shards.shards.push(map_file(&folder.join(shard_file(shard)), Error::Data)?);
        }
        match (0..shards.count()).find(|sample| shards.file(*sample as u32).is_none()) {
            Some(sample) => Err(Error::Data(format!("sample {sample} in {} lies beyond its shard; import the dataset again", shards.path))),
            None => Ok(shards),
        }
    }

    pub fn count(&self) -> usize {
        self.index.shape[0]
    }

    /// Of what is read, [C,H,W].
    pub fn shape(&self) -> [usize; 3] {
        let Encoded { channels, height, width, .. } = self.as_read;
        [channels, height, width]
    }

    /// The image in the channels of the dataset, in its own size.
    pub fn decode(&self, sample: u32) -> Result<Pixels> {
        let decoded = pixels::decode(self.file(sample).unwrap_or_default());
        let unreadable = |why| Error::Data(format!("sample {sample} in {} cannot be read: {why}; import the dataset again", self.path));
        Ok(decoded.map_err(unreadable)?.with_channels(self.as_read.channels))
    }

    /// The image in the size of the dataset.
    pub fn read(&self, sample: u32) -> Result<Pixels> {
        let Encoded { height, width, resize, .. } = self.as_read;
        Ok(self.decode(sample)?.resized(height, width, resize))
    }

    /// What was read no longer counts as memory of this process.
    pub fn release(&self) {
        self.shards.iter().for_each(release);
    }

    fn row(&self, sample: u32) -> [u64; 3] {
        let row = &self.index.data()[24 * sample as usize..][..24];
        let mut words = [0; 3];
        words.iter_mut().zip(row.as_chunks::<8>().0).for_each(|(word, bytes)| *word = u64::from_le_bytes(*bytes));
        words
    }

    fn file(&self, sample: u32) -> Option<&[u8]> {
        let [shard, offset, length] = self.row(sample).map(|word| usize::try_from(word).unwrap_or(usize::MAX));
        self.shards.get(shard)?.get(offset..offset.checked_add(length)?)
    }
}
