//! Headers that are spread over a large file, read through one small buffer.

use std::io::{Read, Seek, SeekFrom};

use crate::archive::SharedFile;

pub struct Window {
    file: SharedFile,
    at: u64,
    start: u64,
    buffer: Vec<u8>,
}

const WINDOW: usize = 4096;

impl Window {
    pub fn new(file: SharedFile) -> Self {
        Self { file, at: 0, start: 0, buffer: Vec::new() }
    }
}

impl Window {
    /// Fills `target` with what lies at a place; returns how much there is.
    pub fn read_at(&mut self, at: u64, target: &mut [u8]) -> std::io::Result<usize> {
        self.at = at;
        crate::tree::read_fully(self, target)
    }
}

impl Read for Window {
    fn read(&mut self, target: &mut [u8]) -> std::io::Result<usize> {
        let within = |window: &Self| window.at.checked_sub(window.start).filter(|offset| *offset < window.buffer.len() as u64);
        if within(self).is_none() {
            self.file.seek_to(self.at);
            self.buffer.resize(WINDOW, 0);
            let found = crate::tree::read_fully(&mut self.file, &mut self.buffer)?;
            self.buffer.truncate(found);
            self.start = self.at;
        }
        let offset = within(self).unwrap_or(0) as usize;
        let count = target.len().min(self.buffer.len() - offset);
        target[..count].copy_from_slice(&self.buffer[offset..offset + count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Window {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let target = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.file.len().checked_add_signed(offset),
            SeekFrom::Current(offset) => self.at.checked_add_signed(offset),
        };
        self.at = target.ok_or_else(|| std::io::Error::new(std::io::ErrorKind::InvalidInput, "a position before the start"))?;
        Ok(self.at)
    }
}
