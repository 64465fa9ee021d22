//! What an image file says beside its pixels: how it is to be turned (EXIF), and whether it holds more than one picture. Read from the file's
//! structure alone; what is cut off or damaged says nothing.

use image::ImageFormat;
use image::metadata::Orientation;

/// The file holds further frames or pages.
pub fn has_frames(bytes: &[u8], format: ImageFormat) -> bool {
    match format {
        ImageFormat::Gif => gif_frames(bytes).is_some_and(|frames| frames > 1),
        ImageFormat::Png => png_chunk(bytes, b"acTL").and_then(|chunk| word_be(chunk, 0)).is_some_and(|frames| frames > 1),
        ImageFormat::WebP => bytes.get(12..16) == Some(b"VP8X") && bytes.get(20).is_some_and(|flags| flags & 2 != 0),
        ImageFormat::Tiff => tiff_pages(bytes).unwrap_or(false),
        _ => false,
    }
}

/// The EXIF orientation that the decoder does not tell of.
pub fn webp_orientation(bytes: &[u8]) -> Option<Orientation> {
    let mut at = 12;
    loop {
        let length = usize::try_from(u32::from_le_bytes(*bytes.get(at + 4..)?.first_chunk::<4>()?)).ok()?;
        if bytes.get(at..at + 4)? == b"EXIF" {
            let chunk = bytes.get(at + 8..(at + 8).checked_add(length)?)?;
            return Orientation::from_exif_chunk(chunk.strip_prefix(b"Exif\0\0").unwrap_or(chunk));
        }
        at = at.checked_add(8)?.checked_add(length)?.checked_add(length % 2)?;
    }
}

/// Number of pictures, at most 2.
fn gif_frames(bytes: &[u8]) -> Option<usize> {
    let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let mut at = 13 + table(*bytes.get(10)?);
    let mut frames = 0;
    loop {
        match bytes.get(at)? {
            0x21 => at += 2,
            0x2c => {
                frames += 1;
                if frames == 2 {
                    return Some(frames);
                }
                at += 11 + table(*bytes.get(at + 9)?);
            }
            _ => return Some(frames),
        }
        // Blocks of data, to the empty one.
        loop {
            let length = usize::from(*bytes.get(at)?);
            at += 1 + length;
            if length == 0 {
                break;
            }
        }
    }
}

/// A chunk before the pixels of a PNG.
fn png_chunk<'a>(bytes: &'a [u8], wanted: &[u8; 4]) -> Option<&'a [u8]> {
    let mut at: usize = 8;
    loop {
        let length = word_be(bytes, at)? as usize;
        let name = bytes.get(at + 4..at + 8)?;
        if name == wanted {
            return bytes.get(at + 8..(at + 8).checked_add(length)?);
        }
        if name == b"IDAT" {
            return None;
        }
        at = at.checked_add(12)?.checked_add(length)?;
    }
}

fn word_be(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|word| u32::from_be_bytes(*word))
}

/// Whether the first directory of a TIFF names a next one.
fn tiff_pages(bytes: &[u8]) -> Option<bool> {
    let Directory { start, entries, offset, entry } = tiff_directory(bytes)?;
    Some(tiff_number(bytes, start.checked_add(entries.checked_mul(entry)?)?, offset)? != 0)
}

/// Bands of a TIFF beyond grey or colour that it does not call alpha (ExtraSamples of 1 or 2).
pub fn has_other_bands(bytes: &[u8]) -> bool {
    let tag = |wanted: u64| {
        let Directory { start, entries, offset, entry } = tiff_directory(bytes)?;
        let of_tag = |at: &usize| tiff_number(bytes, *at, 2) == Some(wanted);
        let at = (0..entries.min(1 << 16)).map_while(|number| start.checked_add(number.checked_mul(entry)?)).find(of_tag)?;
        // Behind the tag, the type and the count.
        tiff_number(bytes, at + 4 + offset, 2)
    };
    let (samples, photometric, extra) = (tag(277).unwrap_or(1), tag(262), tag(338));
    let own = match photometric {
        Some(0 | 1 | 3) => 1,
        Some(2 | 6 | 8) => 3,
        _ => return false,
    };
    samples > own + 1 || (samples > own && !matches!(extra, Some(1 | 2)))
}

/// The entries of the first directory of a TIFF: where they start, how many there are, the bytes of an offset and of an entry.
struct Directory {
    start: usize,
    entries: usize,
    offset: usize,
    entry: usize,
}

fn tiff_directory(bytes: &[u8]) -> Option<Directory> {
    // BigTIFF has wider offsets, counts and entries.
    let (offset, count, entry) = if tiff_number(bytes, 2, 2)? == 43 { (8, 8, 20) } else { (4, 2, 12) };
    let directory = usize::try_from(tiff_number(bytes, if offset == 8 { 8 } else { 4 }, offset)?).ok()?;
    let entries = usize::try_from(tiff_number(bytes, directory, count)?).ok()?;
    Some(Directory { start: directory.checked_add(count)?, entries, offset, entry })
}

/// A number of so many bytes, in the order of bytes that a TIFF begins with.
fn tiff_number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let part = bytes.get(at..at.checked_add(length)?)?;
    let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
    Some(if bytes.first()? == &b'I' { part.iter().rev().fold(0, add) } else { part.iter().fold(0, add) })
}
