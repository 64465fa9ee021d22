//! Images as pixels: decoding of files, grey and colour, resizing.
//!
//! Decoding follows what torchvision's datasets do: alpha is dropped, 16 bits become 8, grey is Rec. 601 luma as Pillow computes it, an
//! orientation tag is not applied unless that is chosen. Resizing is bilinear with antialiasing, as Pillow's.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use crate::image_marks::{has_frames, has_other_bands, webp_orientation};
use crate::options::Resize;
use crate::pixel_range::PixelRange;

/// An image of more pixels than this was made to fill the memory.
const MAX_PIXELS: u64 = 178_956_970;

/// Bytes, one (grey) or three (colour) per pixel, rows from the top: [H,W,C].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub data: Vec<u8>,
}

/// A size in words: "32 x 32" of a square; else which is which.
pub fn extent(height: usize, width: usize) -> String {
    if height == width { format!("{width} x {height}") } else { format!("{width} wide, {height} high") }
}

/// What the header of an image file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Header {
    pub height: usize,
    pub width: usize,
    /// 1 for grey, 3 for colour.
    pub channels: usize,
    pub format: ImageFormat,
    /// What decoding will change.
    pub change: Option<Change>,
    /// Of EXIF, 1 to 8; from 5 on height and width change places when it is turned upright.
    pub orientation: u8,
    /// There are further frames or pages.
    pub frames: bool,
}

impl Header {
    /// Of the image turned upright.
    pub fn upright(self) -> Self {
        if self.orientation < 5 { self } else { Self { height: self.width, width: self.height, ..self } }
    }
}

/// How image files are read, beside what they say themselves.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading {
    /// The part of a JPEG that was cut off is kept.
    pub keep_cut: bool,
    /// Turned upright as EXIF says.
    pub orient: bool,
    /// Which values of 16 bits are black and white; default: 0 and 65535.
    pub range: Option<PixelRange>,
}

/// An image as it was read.
pub struct Decoded {
    pub pixels: Pixels,
    /// Least and largest value, of 16 bits.
    pub levels: Option<(u16, u16)>,
    /// `decode` of the same file gives these pixels.
    pub as_it_is: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    Sixteen,
    Cmyk,
    Alpha,
}

/// Whether the first bytes are those of an image file that can be decoded.
pub fn is_image(head: &[u8]) -> bool {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Pnm, Tiff, WebP};
    match image::guess_format(head) {
        // Text may begin with P1 too.
        Ok(Pnm) => {
            head.get(2).is_some_and(u8::is_ascii_whitespace) && head.get(3).is_some_and(|next| next.is_ascii_digit() || *next == b'#')
        }
        Ok(format) => matches!(format, Jpeg | Png | Gif | Bmp | WebP | Tiff),
        Err(_) => false,
    }
}

/// Reads the header alone; `bytes` may be the beginning of a file.
pub fn header(bytes: &[u8]) -> Result<Header, String> {
    let format = format_of(bytes)?;
    let mut decoder = ImageReader::with_format(Cursor::new(bytes), format).into_decoder().map_err(|error| sentence(&error))?;
    let (width, height) = decoder.dimensions();
    let color = decoder.color_type();
    no_bands(bytes, format)?;
    let cmyk = format == ImageFormat::Jpeg && jpeg_components(bytes) == Some(4);
    let change = match color {
        _ if cmyk => Some(Change::Cmyk),
        ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16 | ColorType::Rgb32F | ColorType::Rgba32F => {
            Some(Change::Sixteen)
        }
        _ if color.has_alpha() => Some(Change::Alpha),
        _ => None,
    };
    let channels = if color.has_color() { 3 } else { 1 };
    let (orientation, frames) = (orientation(&mut decoder, bytes, format).to_exif(), has_frames(bytes, format));
    Ok(Header { height: height as usize, width: width as usize, channels, format, change, orientation, frames })
}

/// The decoder takes a band beyond grey or colour for alpha, or drops it; of a TIFF it is alpha only where the file says so.
fn no_bands(bytes: &[u8], format: ImageFormat) -> Result<(), String> {
    if format == ImageFormat::Tiff && has_other_bands(bytes) {
        return Err(
            "it has bands beyond grey or colour that are not marked as alpha, such as near infrared; save one or three as PNG".into()
        );
    }
    Ok(())
}

fn orientation(decoder: &mut impl ImageDecoder, bytes: &[u8], format: ImageFormat) -> Orientation {
    // The decoder would parse the headers anew, tables and all.
    if format == ImageFormat::Jpeg && !jpeg_segments(bytes).any(|(kind, content)| kind == 0xe1 && content.starts_with(b"Exif")) {
        return Orientation::NoTransforms;
    }
    let told = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    if format == ImageFormat::WebP { webp_orientation(bytes).unwrap_or(told) } else { told }
}

/// Decodes an image file as it is; the first frame of an animation. The error is a sentence's end: "the file ends too early".
pub fn decode(bytes: &[u8]) -> Result<Pixels, String> {
    let reading = Reading { keep_cut: true, ..Reading::default() };
    decode_as(bytes, &reading).map(|decoded| decoded.pixels)
}

/// What is said of a file that was cut off and of which the beginning can be decoded.
pub const CUT: &str = "it ends too early; its first part can be read";

/// As `decode`, but as it is to be read; a JPEG that was cut off is refused, as Pillow does, unless it is to be kept: the decoder fills the
/// rest with grey.
pub fn decode_as(bytes: &[u8], reading: &Reading) -> Result<Decoded, String> {
    let format = format_of(bytes)?;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_PIXELS * 4);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder().map_err(|error| sentence(&error))?;
    let (width, height) = decoder.dimensions();
    no_bands(bytes, format)?;
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(format!("{width} pixels wide and {height} high are more than {MAX_PIXELS}"));
    }
    if width == 0 || height == 0 {
        return Err("it has no pixels".into());
    }
    decoder.set_limits(limits).map_err(|error| sentence(&error))?;
    let turn = if reading.orient { orientation(&mut decoder, bytes, format) } else { Orientation::NoTransforms };
    let mut image = DynamicImage::from_decoder(decoder).map_err(|error| sentence(&error))?;
    if !reading.keep_cut && bytes.starts_with(&[0xff, 0xd8]) && !jpeg_is_whole(bytes) {
        return Err(CUT.into());
    }
    image.apply_orientation(turn);
    let levels = levels_of(&image);
    let range = reading.range.filter(|_| levels.is_some());
    let pixels = match range {
        Some(range) => spread(image, range)?,
        None => plain(image),
    };
    Ok(Decoded { pixels, levels, as_it_is: turn == Orientation::NoTransforms && range.is_none() })
}

fn plain(image: DynamicImage) -> Pixels {
    let (height, width) = (image.height() as usize, image.width() as usize);
    let (channels, data) = match image {
        DynamicImage::ImageLuma8(grey) => (1, grey.into_raw()),
        DynamicImage::ImageRgb8(rgb) => (3, rgb.into_raw()),
        other if other.color().has_color() => (3, other.into_rgb8().into_raw()),
        other => (1, other.into_luma8().into_raw()),
    };
    Pixels { height, width, channels, data }
}

/// Least and largest value of an image of 16 bits, alpha included.
fn levels_of(image: &DynamicImage) -> Option<(u16, u16)> {
    let values: &[u16] = match image {
        DynamicImage::ImageLuma16(grey) => grey.as_raw(),
        DynamicImage::ImageRgb16(rgb) => rgb.as_raw(),
        _ if [ColorType::La16, ColorType::Rgba16].contains(&image.color()) => return levels_of(&without_alpha(image.clone())),
        _ => return None,
    };
    Some(values.iter().fold((u16::MAX, 0), |(least, most), &value| (least.min(value), most.max(value))))
}

fn without_alpha(image: DynamicImage) -> DynamicImage {
    if image.color().has_color() { image.into_rgb16().into() } else { image.into_luma16().into() }
}

/// An image of 16 bits with its own black and white.
fn spread(image: DynamicImage, range: PixelRange) -> Result<Pixels, String> {
    let (height, width) = (image.height() as usize, image.width() as usize);
    let (channels, values) = match without_alpha(image) {
        DynamicImage::ImageRgb16(rgb) => (3, rgb.into_raw()),
        other => (1, other.into_luma16().into_raw()),
    };
    Ok(Pixels { height, width, channels, data: range.bytes(values.into_iter().map(f64::from))? })
}

fn format_of(bytes: &[u8]) -> Result<ImageFormat, String> {
    match bytes {
        [] => Err("it is empty".into()),
        _ => image::guess_format(bytes).map_err(|_| {
            let unknown = || "it is no image that is known (JPEG, PNG, GIF, BMP, WebP, TIFF, PNM)".into();
            crate::stand_in::of_image(bytes).unwrap_or_else(unknown)
        }),
    }
}

/// Of a pixel of four floating-point numbers.
const MOST_BITS: u32 = 128;

/// Bits of a pixel that is neither grey nor colour: `Unknown(208)`.
fn unknown_bits(error: &image::error::UnsupportedError) -> Option<u32> {
    error.to_string().split_once("Unknown(")?.1.split_once(')')?.0.parse().ok()
}

fn sentence(error: &image::ImageError) -> String {
    use image::ImageError;
    match error {
        ImageError::Limits(_) => "it takes more memory than an image may".into(),
        ImageError::Unsupported(error) if unknown_bits(error).is_some_and(|bits| bits > MOST_BITS) => {
            let bits = unknown_bits(error).unwrap_or_default();
            format!("its {bits} bits a pixel are those of many bands; save three of the bands as PNG")
        }
        ImageError::Unsupported(error) if error.to_string().contains("Tiff") => {
            format!("{error}; TIFF files of 8 or 16 bits without a sign can be read, other numbers as .npy").replace('\n', " ")
        }
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => "it ends too early".into(),
        // The decoder of PNG prints its own structures.
        ImageError::Decoding(error) if error.to_string().contains("ChunkType {") => {
            "it is damaged: a part of it does not fit its checksum".into()
        }
        other => other.to_string().replace('\n', " "),
    }
}

/// The end mark of a JPEG follows its last scan; a file that was cut off has none.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    if bytes.ends_with(&[0xff, 0xd9]) {
        return true;
    }
    let mut at = 2;
    loop {
        // To the next marker, over entropy-coded data with its stuffed zeros and restart markers.
        let Some(found) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == 0xff)) else { return false };
        at += found + 1;
        match bytes.get(at) {
            None => return false,
            Some(0xd9) => return true,
            // Fill bytes: the next 0xff is the one.
            Some(0xff) => {}
            Some(0x00 | 0x01 | 0xd0..=0xd8) => at += 1,
            Some(_) => {
                let Some(length) = bytes.get(at + 1..at + 3) else { return false };
                at += 1 + usize::from(u16::from_be_bytes([length[0], length[1]]));
            }
        }
    }
}

/// Segments before the first scan of a JPEG: kind and content, as far as it is there.
fn jpeg_segments(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut at = 2;
    std::iter::from_fn(move || {
        while bytes.get(at..at + 2)? == [0xff, 0xff] {
            at += 1;
        }
        let &[0xff, kind, high, low] = bytes.get(at..at + 4)? else { return None };
        let content = at + 4;
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
        (kind != 0xda).then(|| (kind, &bytes[content.min(bytes.len())..at.clamp(content, bytes.len())]))
    })
}

/// Number of components that the frame header of a JPEG states.
fn jpeg_components(bytes: &[u8]) -> Option<u8> {
    let is_frame = |kind| (0xc0..=0xcf).contains(&kind) && ![0xc4, 0xc8, 0xcc].contains(&kind);
    jpeg_segments(bytes).find(|(kind, _)| is_frame(*kind))?.1.get(5).copied()
}

impl Pixels {
    /// The same image in one or three channels.
    pub fn with_channels(self, channels: usize) -> Self {
        let data = match (self.channels, channels) {
            (1, 3) => self.data.iter().flat_map(|&grey| [grey; 3]).collect(),
            (3, 1) => self.data.as_chunks::<3>().0.iter().map(luma).collect(),
            _ => return self,
        };
        Self { channels, data, ..self }
    }

    /// Brought to another size.
    pub fn resized(self, height: usize, width: usize, how: Resize) -> Self {
        if (self.height, self.width) == (height, width) {
            return self;
        }
        let (h, w) = (self.height as f64, self.width as f64);
        match how {
            Resize::Stretch => self.scaled((0.0, 0.0, h, w), height, width),
            Resize::Crop => {
                let scale = (height as f64 / h).max(width as f64 / w);
                let (part_height, part_width) = ((height as f64 / scale).min(h), (width as f64 / scale).min(w));
                self.scaled(((h - part_height) / 2.0, (w - part_width) / 2.0, part_height, part_width), height, width)
            }
            Resize::Pad => {
                let scale = (height as f64 / h).min(width as f64 / w);
                let inner = |extent: f64, limit: usize| ((extent * scale).round() as usize).clamp(1, limit);
                let (inner_height, inner_width) = (inner(h, height), inner(w, width));
                self.scaled((0.0, 0.0, h, w), inner_height, inner_width).padded(height, width)
            }
        }
    }

    /// The part (top, left, height, width) of the image, brought to a size.
    pub fn scaled(&self, part: (f64, f64, f64, f64), height: usize, width: usize) -> Self {
        let data = sdp_resize::resized(&self.data, (self.height, self.width, self.channels), part, (height, width));
        Self { height, width, channels: self.channels, data }
    }

    fn padded(self, height: usize, width: usize) -> Self {
        let mut data = vec![0; height * width * self.channels];
        let (top, left) = ((height - self.height) / 2, (width - self.width) / 2);
        for (row, source) in self.data.chunks_exact(self.width * self.channels).enumerate() {
            data[((top + row) * width + left) * self.channels..][..source.len()].copy_from_slice(source);
        }
        Self { height, width, channels: self.channels, data }
    }

    /// [C,H,W]: one plane per channel.
    pub fn planes(&self) -> Vec<u8> {
        let mut planes = Vec::new();
        self.append_planes(&mut planes);
        planes
    }

    pub fn append_planes(&self, target: &mut Vec<u8>) {
        if self.channels == 1 {
            target.extend(&self.data);
            return;
        }
        let (start, plane) = (target.len(), self.height * self.width);
        target.resize(start + 3 * plane, 0);
        let (red, rest) = target[start..].split_at_mut(plane);
        let (green, blue) = rest.split_at_mut(plane);
        // Four pixels at once: a store of one byte takes as long as one of four.
        let (whole, rest) = self.data.as_chunks::<12>();
        let words = red.as_chunks_mut::<4>().0.iter_mut().zip(green.as_chunks_mut::<4>().0).zip(blue.as_chunks_mut::<4>().0);
        for (((r, g), b), [r0, g0, b0, r1, g1, b1, r2, g2, b2, r3, g3, b3]) in words.zip(whole) {
            (*r, *g, *b) = ([*r0, *r1, *r2, *r3], [*g0, *g1, *g2, *g3], [*b0, *b1, *b2, *b3]);
        }
        let first = plane - rest.len() / 3;
        for (at, [r, g, b]) in (first..).zip(rest.as_chunks::<3>().0) {
            (red[at], green[at], blue[at]) = (*r, *g, *b);
        }
    }

    /// From [C,H,W], of one or three channels.
    pub fn from_planes(channels: usize, height: usize, width: usize, planes: &[u8]) -> Self {
        if channels == 1 {
            return Self { height, width, channels, data: planes.to_vec() };
        }
        let (red, rest) = planes.split_at(height * width);
        let (green, blue) = rest.split_at(height * width);
        let data = red.iter().zip(green).zip(blue).flat_map(|((r, g), b)| [*r, *g, *b]).collect();
        Self { height, width, channels, data }
    }

    /// As a PNG file.
    pub fn png(&self) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        let color = if self.channels == 1 { image::ExtendedColorType::L8 } else { image::ExtendedColorType::Rgb8 };
        let (width, height) = (self.width as u32, self.height as u32);
        // Writing into memory does not fail.
        let _ = image::write_buffer_with_format(&mut file, &self.data, width, height, color, ImageFormat::Png);
        file.into_inner()
    }
}

pub(crate) fn luma([r, g, b]: &[u8; 3]) -> u8 {
    ((u32::from(*r) * 19595 + u32::from(*g) * 38470 + u32::from(*b) * 7471 + 0x8000) >> 16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(height: usize, width: usize, channels: usize) -> Pixels {
        Pixels { height, width, channels, data: (0..height * width * channels).map(|x| (x * 7 % 251) as u8).collect() }
    }

    #[test]
    fn a_png_of_pixels_decodes_to_the_same() {
        for channels in [1, 3] {
            let image = ramp(5, 7, channels);
            assert_eq!(decode(&image.png()), Ok(image.clone()));
            assert_eq!(header(&image.png()).unwrap().channels, channels);
        }
    }

    #[test]
    fn planes_and_channels_go_back_and_forth() {
        let image = ramp(3, 4, 3);
        assert_eq!(Pixels::from_planes(3, 3, 4, &image.planes()), image);
        let grey = ramp(2, 2, 1);
        assert_eq!(grey.clone().with_channels(3).with_channels(1), grey);
    }

    #[test]
    fn resizing_keeps_flat_images_flat_and_pads_with_black() {
        let flat = Pixels { height: 4, width: 8, channels: 3, data: vec![90; 96] };
        for how in [Resize::Crop, Resize::Stretch] {
            assert_eq!(flat.clone().resized(6, 6, how).data, vec![90; 108]);
        }
        let padded = flat.resized(4, 4, Resize::Pad);
        assert_eq!(padded.data.chunks(12).map(|row| row[0]).collect::<Vec<_>>(), [0, 90, 90, 0]);
    }
}
