//! Where in one range of addresses each block of memory lies: best fit, neighbours joined when they are freed.
//!
//! A request gets the smallest free block between used ones that is large enough, of equal ones the lowest; where there is none, it goes to
//! the end of the used part, which shrinks when what lies there is freed. So the same requests in the same order always lie in the same
//! places: src-main/graph/blocks.ts follows the same rules and predicts the size of the used part before anything runs.

use std::collections::{BTreeMap, BTreeSet};

/// Sizes are rounded up to this.
pub const ALIGNMENT: usize = 256;

#[derive(Default)]
pub struct Blocks {
    /// Size of each used block, by offset.
    used: BTreeMap<usize, usize>,
    /// Free blocks by offset, and by size and offset.
    free: BTreeMap<usize, usize>,
    by_size: BTreeSet<(usize, usize)>,
    end: usize,
    peak: usize,
}

impl Blocks {
    /// Offset of a new block.
    pub fn take(&mut self, size: usize) -> usize {
        let size = size.max(1).next_multiple_of(ALIGNMENT);
        let offset = match self.by_size.range((size, 0)..).next().copied() {
            Some((found, offset)) => {
                self.forget(offset, found);
                if found > size {
                    self.remember(offset + size, found - size);
                }
                offset
            }
            None => self.end,
        };
        self.used.insert(offset, size);
        self.end = self.end.max(offset + size);
        self.peak = self.peak.max(self.end);
        offset
    }

    /// Frees the block at `offset`; false where there is none.
    pub fn give_back(&mut self, offset: usize) -> bool {
        let Some(mut size) = self.used.remove(&offset) else { return false };
        let mut start = offset;
        if let Some((&before, &length)) = self.free.range(..offset).next_back().filter(|(at, length)| **at + **length == offset) {
            self.forget(before, length);
            (start, size) = (before, size + length);
        }
        if let Some(&length) = self.free.get(&(start + size)) {
            self.forget(start + size, length);
            size += length;
        }
        if start + size == self.end {
            self.end = start;
        } else {
            self.remember(start, size);
        }
        true
    }

    /// Forgets the largest size so far.
    pub fn reset_peak(&mut self) {
        self.peak = self.end;
    }

    /// Size of the used part of the range, and the largest that it has been.
    pub fn end(&self) -> usize {
        self.end
    }

    pub fn peak(&self) -> usize {
        self.peak
    }

    fn remember(&mut self, offset: usize, size: usize) {
        self.free.insert(offset, size);
        self.by_size.insert((size, offset));
    }

    fn forget(&mut self, offset: usize, size: usize) {
        self.free.remove(&offset);
        self.by_size.remove(&(size, offset));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: usize = ALIGNMENT;

    #[test]
    fn the_smallest_free_block_that_fits_is_taken_and_split() {
        let mut blocks = Blocks::default();
        let offsets: Vec<_> = [4, 1, 2, 1].iter().map(|units| blocks.take(units * UNIT)).collect();
        assert_eq!(offsets, [0, 4 * UNIT, 5 * UNIT, 7 * UNIT]);
        assert!(blocks.give_back(0) && blocks.give_back(5 * UNIT) && !blocks.give_back(5 * UNIT));
        assert_eq!(blocks.take(UNIT + 1), 5 * UNIT);
        assert_eq!(blocks.take(3), 0);
        assert_eq!(blocks.take(3 * UNIT), UNIT);
        assert_eq!((blocks.end(), blocks.peak()), (8 * UNIT, 8 * UNIT));
    }

    #[test]
    fn neighbours_are_joined_and_the_used_part_shrinks() {
        let mut blocks = Blocks::default();
        let offsets: Vec<_> = (0..5).map(|_| blocks.take(UNIT)).collect();
        for index in [0, 2, 1] {
            assert!(blocks.give_back(offsets[index]));
        }
        assert_eq!(blocks.take(3 * UNIT), 0);
        assert!(blocks.give_back(offsets[3]) && blocks.give_back(offsets[4]));
        assert_eq!((blocks.end(), blocks.peak()), (3 * UNIT, 5 * UNIT));
        assert_eq!(blocks.take(2 * UNIT), 3 * UNIT);
        assert!(blocks.give_back(0) && blocks.give_back(3 * UNIT));
        assert_eq!((blocks.end(), blocks.peak()), (0, 5 * UNIT));
    }
}
