//! A look at the images of a dataset before they are imported: as many as time allows, evenly over all of them, are decoded.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::duplicates;
use crate::error::{Place, Problem, Result};
use crate::images::{ImageSet, Raw};
use crate::moments::Moments;
use crate::options::{Options, Storage};
use crate::pipeline::num_threads;
use crate::pixel_range::{BITS, PixelRange, offered};
use crate::pixels::{self, Change, Header, Pixels, Reading, extent};
use crate::text::until_enough;
use crate::tree::Tree;

/// Largest encoded image that is read, bytes.
pub const LARGEST_FILE: usize = 256 << 20;

/// Files whose headers decide what images become.
const HEADERS: usize = 2048;

/// Samples that are looked at where they can only be read in order.
const FIRST: usize = 512;

/// How images are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ImagePlan {
    pub storage: Storage,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

pub struct Look {
    pub plan: ImagePlan,
    /// Sizes and how often, the most frequent first.
    pub sizes: Vec<(Header, usize)>,
    pub problems: Vec<Problem>,
    /// All images were looked at.
    pub exact: bool,
    /// How many were, and which of them cannot be read.
    pub looked: usize,
    pub unreadable: Vec<usize>,
    pub moments: Moments,
    /// Bytes of the files that were looked at, and their number.
    pub encoded: (u64, usize),
}

struct Seen {
    sample: usize,
    /// Least and largest value, of 16 bits.
    levels: Option<(u16, u16)>,
    /// All pixels have one colour.
    flat: bool,
    result: std::result::Result<(Header, Moments, u64), String>,
}

/// What images are made of, which depends on them and the options alone. With a time, so many of them are decoded besides as it allows,
/// to find what cannot be read.
pub fn look(tree: &Tree, set: &ImageSet, options: &Options, time: Option<Duration>) -> Result<Look> {
    if let Some([channels, height, width]) = set.content.shape() {
        return look_at_arrays(tree, set, options, [channels, height, width], time);
    }
    if let Some(range) = &options.range {
        PixelRange::parse(range)?;
    }
    let reading = options.reading();
    let wanted: Vec<usize> = (0..set.count()).filter(|&sample| set.is_used(sample)).collect();
    let are_files = set.content.entry(0).is_some();
    let seen = match time {
        _ if !are_files => decode_first(tree, set, &reading)?,
        Some(time) => spread_over(tree, set, &wanted, Some(time), |sample, bytes| decoded(sample, bytes, &reading)),
        None => Vec::new(),
    };
    let exact = seen.len() >= wanted.len();
    let mut problems = Vec::new();
    report_bad(tree, set, &seen, &mut problems);
    report_flat(tree, set, &seen, &mut problems);
    report_dark(&seen, options, &mut problems);
    let looked = seen.len();
    let unreadable = seen.iter().filter(|seen| seen.result.is_err()).map(|seen| seen.sample).collect();
    let headers: Vec<Header> = if are_files {
        let first = spread_over(tree, set, &wanted, None, |_, bytes| pixels::header(&bytes?));
        first.into_iter().filter_map(std::result::Result::ok).collect()
    } else {
        seen.iter().filter_map(|seen| seen.result.as_ref().ok()).map(|(header, ..)| *header).collect()
    };
    let mut sizes: HashMap<Header, usize> = HashMap::new();
    let upright = |header: Header| if reading.orient { header.upright() } else { header };
    let part = if headers.len() < wanted.len() { format!(" of the {} that were looked at", headers.len()) } else { String::new() };
    headers.into_iter().map(upright).for_each(|header| *sizes.entry(header).or_default() += 1);
    let mut sizes: Vec<(Header, usize)> = sizes.into_iter().collect();
    sizes.sort_by_key(|(header, count)| (std::cmp::Reverse(*count), header.height, header.width, header.channels));
    report_changes(&sizes, &part, reading.orient, &mut problems);
    let plan = plan(&sizes, options, &mut problems);
    if let Some(time) = time {
        problems.append(&mut duplicates::look(tree, set, time / 2)?);
    }
    let mut moments = Moments::new(plan.channels);
    let mut encoded = (0, 0);
    for (_, of_image, bytes) in seen.iter().filter_map(|seen| seen.result.as_ref().ok()) {
        // Grey among colour counts in each channel alike.
        moments.add(&of_image.spread_over(plan.channels));
        encoded = (encoded.0 + bytes, encoded.1 + 1);
    }
    Ok(Look { plan, sizes, problems, exact, looked, unreadable, moments, encoded })
}

fn look_at_arrays(
    tree: &Tree,
    set: &ImageSet,
    options: &Options,
    [found, height, width]: [usize; 3],
    time: Option<Duration>,
) -> Result<Look> {
    let channels = options.channels.map_or(found, usize::from);
    let side = |extent: usize| options.size.map_or(extent, |size| size as usize);
    let mut moments = Moments::new(channels);
    let mut seen = 0;
    until_enough(set.content.stream(tree, 0, &mut |raw| {
        if let Raw::Pixels(pixels) = raw {
            moments.add_planes(&pixels.with_channels(channels).planes());
        }
        seen += 1;
        if seen < FIRST { Ok(()) } else { Err(crate::error::Error::Cancelled) }
    }))?;
    let storage = options.storage.unwrap_or(Storage::Array);
    let plan = ImagePlan { storage, channels, height: side(height), width: side(width) };
    let header = Header { height, width, channels: found, format: image::ImageFormat::Bmp, change: None, orientation: 1, frames: false };
    let bad: Vec<Seen> =
        set.content.unreadable().into_iter().map(|(sample, why)| Seen { sample, levels: None, flat: false, result: Err(why) }).collect();
    let mut problems = Vec::new();
    report_bad(tree, set, &bad, &mut problems);
    if let Some(time) = time {
        problems.append(&mut duplicates::look(tree, set, time / 2)?);
    }
    let unreadable: Vec<usize> = bad.iter().map(|seen| seen.sample).collect();
    let sizes = vec![(header, set.count() - unreadable.len())];
    Ok(Look { plan, sizes, problems, exact: true, looked: set.count(), unreadable, moments, encoded: (0, 0) })
}

fn decoded(sample: usize, bytes: std::result::Result<Vec<u8>, String>, reading: &Reading) -> Seen {
    let (mut levels, mut flat) = (None, false);
    let result = bytes.and_then(|bytes| {
        let header = pixels::header(&bytes)?;
        let image = pixels::decode_as(&bytes, reading)?;
        levels = image.levels;
        let mut pixels = image.pixels.data.chunks_exact(image.pixels.channels);
        flat = pixels.next().is_none_or(|first| pixels.all(|pixel| pixel == first));
        let mut moments = Moments::new(image.pixels.channels);
        moments.add_planes(&image.pixels.planes());
        Ok((header, moments, bytes.len() as u64))
    });
    Seen { sample, levels, flat, result }
}

/// Images of fewer pixels may well be of one colour.
const LEAST_PIXELS: usize = 64;

/// Images of one colour have nothing to be learned; of some the shape is in the alpha channel, which is dropped.
fn report_flat(tree: &Tree, set: &ImageSet, seen: &[Seen], problems: &mut Vec<Problem>) {
    let read: Vec<(&Seen, &Header)> = seen.iter().filter_map(|seen| seen.result.as_ref().ok().map(|(header, ..)| (seen, header))).collect();
    let is_large = |header: &Header| header.height * header.width >= LEAST_PIXELS;
    let flat = read.iter().filter(|(seen, header)| seen.flat && is_large(header));
    let (drawn, plain): (Vec<_>, Vec<_>) = flat.partition(|(_, header)| header.change == Some(Change::Alpha));
    let told = |problem: Problem, of: &[&(&Seen, &Header)]| {
        let problem = problem.counted(of.len() as u64);
        of.iter().take(20).fold(problem, |problem, (seen, _)| problem.at(set.content.place(tree, seen.sample)))
    };
    if !drawn.is_empty() {
        let sentence = format!(
            "{} of {} images that were looked at are of one colour without their alpha channel, which holds their shape and is dropped; save \
             them over a ground of another colour",
            drawn.len(),
            read.len()
        );
        problems.push(told(Problem::warning("alpha-only", sentence), &drawn));
    }
    if !plain.is_empty() {
        let sentence = format!("{} of {} images that were looked at are of one colour alone", plain.len(), read.len());
        problems.push(told(Problem::warning("one-colour", sentence), &plain));
    }
}

/// Reads files in an order that is spread over all of them, until time is up, or without one the first of that order; sorted by sample.
fn spread_over<T: Send>(
    tree: &Tree,
    set: &ImageSet,
    wanted: &[usize],
    time: Option<Duration>,
    read: impl Fn(usize, std::result::Result<Vec<u8>, String>) -> T + Sync,
) -> Vec<T> {
    let end = time.map(|time| Instant::now() + time);
    let mut order = spread(wanted.len());
    if time.is_none() {
        order.truncate(HEADERS);
    }
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..num_threads() {
            scope.spawn(|| {
                while let Some(&at) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let sample = wanted[at];
                    let Some(entry) = set.content.entry(sample) else { return };
                    let result = read(sample, read_image(tree, entry));
                    if let Ok(mut results) = results.lock() {
                        results.push((sample, result));
                    }
                    if end.is_some_and(|end| Instant::now() > end) {
                        return;
                    }
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_default();
    results.sort_by_key(|(sample, _)| *sample);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Content of an image file; the error is a sentence's end.
pub fn read_image(tree: &Tree, entry: usize) -> std::result::Result<Vec<u8>, String> {
    tree.read_all(&tree.entries[entry], LARGEST_FILE).map_err(|error| error.to_string().trim_start_matches("data: ").to_owned())
}

/// Numbers below `count`, each once, so that any beginning of them is spread evenly: multiples of a stride near the golden section.
fn spread(count: usize) -> Vec<usize> {
    let gcd = |mut a: usize, mut b: usize| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    let start = ((count as f64 * 0.618_033_988_75) as usize).max(1);
    let stride = (start..).find(|stride| gcd(*stride, count.max(1)) == 1).unwrap_or(1);
    (0..count).map(|step| (step as u128 * stride as u128 % count.max(1) as u128) as usize).collect()
}

fn decode_first(tree: &Tree, set: &ImageSet, reading: &Reading) -> Result<Vec<Seen>> {
    let mut seen = Vec::new();
    until_enough(set.content.stream(tree, 0, &mut |raw| {
        if let Raw::Encoded(bytes) = raw {
            seen.push(decoded(seen.len(), Ok(bytes), reading));
        }
        if seen.len() < FIRST { Ok(()) } else { Err(crate::error::Error::Cancelled) }
    }))?;
    Ok(seen)
}

fn report_bad(tree: &Tree, set: &ImageSet, seen: &[Seen], problems: &mut Vec<Problem>) {
    let bad: Vec<(&Seen, &String)> = seen.iter().filter_map(|seen| seen.result.as_ref().err().map(|why| (seen, why))).collect();
    let Some((first, why)) = bad.first() else { return };
    let file = set.content.place(tree, first.sample);
    let sentence = match bad.len() {
        1 => bad_image(&file, why),
        count => format!("{count} images cannot be read, the first of them {}", bad_image(&file, why)),
    };
    let problem = Problem::error("unreadable-image", sentence).counted(bad.len() as u64);
    let problem = bad.iter().take(20).fold(problem, |problem, (seen, _)| problem.at(set.content.place(tree, seen.sample)));
    let problem = problem.skippable("Leave these images out");
    let keep = Options { keep_cut: Some(true), ..Options::default() };
    let all_cut = bad.iter().all(|(_, why)| *why == pixels::CUT);
    problems.push(if all_cut { problem.with("convert", "Keep the part that can be read", keep) } else { problem });
}

pub fn bad_image(place: &Place, why: &str) -> String {
    let row = place.row.map_or(String::new(), |row| format!(" row {row}"));
    format!("{}{row} cannot be read as an image: {why}", place.file)
}

/// Images of 10 or 12 bits in files of 16 lose most of their levels.
fn report_dark(seen: &[Seen], options: &Options, problems: &mut Vec<Problem>) {
    let levels: Vec<(u16, u16)> = seen.iter().filter_map(|seen| seen.levels).collect();
    let Some(most) = levels.iter().map(|(_, most)| *most).max().filter(|most| *most < 1 << 14 && options.range.is_none()) else { return };
    let least = levels.iter().map(|(least, _)| *least).min().unwrap_or(0);
    let sentence = format!(
        "{} images of 16 bits have values from {least} to {most}, the darkest part of their range only; brought to 8 bits they have {} levels",
        levels.len(),
        most / 256 + 1
    );
    let mut problem = Problem::warning("few-levels", sentence).counted(levels.len() as u64);
    if let Some(bits) = BITS.into_iter().find(|bits| u32::from(most) < 1 << bits) {
        let white = (1u32 << bits) - 1;
        problem = offered(problem, &format!("Take them as {bits} bits, 0 to {white}"), 0.0, f64::from(white));
    }
    // The same as the bits where they are used in full.
    let is_full = least == 0 && (u32::from(most) + 1).is_power_of_two() && BITS.contains(&(u32::from(most) + 1).trailing_zeros());
    if least < most && !is_full {
        problem = offered(problem, &format!("Spread {least} to {most}"), f64::from(least), f64::from(most));
    }
    problems.push(problem);
}

/// `part` says of how many images these are, where not of all.
fn report_changes(sizes: &[(Header, usize)], part: &str, orient: bool, problems: &mut Vec<Problem>) {
    let count = |fits: &dyn Fn(&Header) -> bool| -> usize { sizes.iter().filter(|(header, _)| fits(header)).map(|(_, count)| count).sum() };
    let changes = [
        (Change::Sixteen, "sixteen-bit", "have 16 bits per channel and are converted to 8"),
        (Change::Cmyk, "cmyk", "are in CMYK and are converted to RGB"),
        (Change::Alpha, "alpha", "have an alpha channel, which is dropped"),
    ];
    for (change, code, words) in changes {
        let count = count(&|header| header.change == Some(change));
        if count > 0 {
            problems.push(Problem::note(code, format!("{count} images{part} {words}")).counted(count as u64));
        }
    }
    let frames = count(&|header| header.frames);
    if frames > 0 {
        let sentence = format!("{frames} files{part} hold several frames or pages, of which the first is taken");
        problems.push(Problem::warning("several-frames", sentence).counted(frames as u64));
    }
    let turned = count(&|header| header.orientation != 1);
    if turned > 0 && orient {
        problems.push(Problem::note("turned", format!("{turned} images{part} are turned upright, as EXIF says")).counted(turned as u64));
    } else if turned > 0 {
        let sentence = format!("{turned} images{part} are stored turned, which EXIF says; they are taken as they are stored");
        let remedy = Options { orient: Some(true), ..Options::default() };
        problems.push(Problem::warning("turned", sentence).counted(turned as u64).with("convert", "Turn them upright", remedy));
    }
}

/// Colour where any image has it; the common size, or one that suits the smaller ones.
fn plan(sizes: &[(Header, usize)], options: &Options, problems: &mut Vec<Problem>) -> ImagePlan {
    let total: usize = sizes.iter().map(|(_, count)| count).sum();
    let colour = sizes.iter().any(|(header, _)| header.channels == 3);
    let channels = options.channels.map_or(if colour { 3 } else { 1 }, usize::from);
    let grey: usize = sizes.iter().filter(|(header, _)| header.channels == 1).map(|(_, count)| count).sum();
    if channels == 3 && grey > 0 && grey < total {
        let sentence = format!("{grey} of {total} images are grey and become colour");
        let remedy = Options { channels: Some(1), ..Options::default() };
        problems.push(Problem::note("mixed-channels", sentence).counted(grey as u64).with("convert", "Make all grey", remedy));
    }
    let mut by_size: HashMap<(usize, usize), usize> = HashMap::new();
    for (header, count) in sizes {
        *by_size.entry((header.height, header.width)).or_default() += count;
    }
    // Images of many sizes are kept as they are, unless one size is asked for.
    let is_mixed = by_size.len() > 1 && options.size.is_none();
    let storage = options.storage.unwrap_or(if is_mixed { Storage::Encoded } else { Storage::Array });
    let common = by_size.iter().max_by_key(|(size, count)| (**count, **size)).map_or(((1, 1), 0), |(size, count)| (*size, *count));
    if by_size.len() <= 1 && options.size.is_none() {
        let (height, width) = common.0;
        return ImagePlan { storage, channels, height, width };
    }
    let suited = if common.1 * 10 >= total * 9 { common.0 } else { (suited_side(sizes), suited_side(sizes)) };
    let (height, width) = options.size.map_or(suited, |side| (side as usize, side as usize));
    let other: usize = by_size.iter().filter(|(size, _)| **size != (height, width)).map(|(_, count)| count).sum();
    if other > 0 {
        problems.push(size_problem(&by_size, other, (height, width), storage, options));
    }
    ImagePlan { storage, channels, height, width }
}

fn size_problem(
    by_size: &HashMap<(usize, usize), usize>,
    other: usize,
    (height, width): (usize, usize),
    storage: Storage,
    options: &Options,
) -> Problem {
    use crate::options::Resize;
    let least = by_size.keys().min().copied().unwrap_or_default();
    let most = by_size.keys().max().copied().unwrap_or_default();
    let how = match options.resizing() {
        Resize::Crop => "scaled and cut at the centre",
        Resize::Stretch => "stretched",
        Resize::Pad => "scaled and padded with black",
    };
    let range = if by_size.len() == 1 {
        format!("are {}", extent(least.0, least.1))
    } else {
        format!("have {} sizes from {} to {}", by_size.len(), extent(least.0, least.1), extent(most.0, most.1))
    };
    let when = if storage == Storage::Encoded { "when they are read" } else { "once, at the import" };
    let sentence = format!("the images {range}; {other} are {how} to {}, {when}", extent(height, width));
    let mut problem = Problem::note("different-sizes", sentence).counted(other as u64);
    for (resize, title) in [(Resize::Crop, "Cut at the centre"), (Resize::Stretch, "Stretch"), (Resize::Pad, "Pad with black")] {
        if options.resizing() != resize {
            problem = problem.with("resize", title, Options { resize: Some(resize), ..Options::default() });
        }
    }
    for side in [32, 64, 128, 224].into_iter().filter(|side| (*side as usize, *side as usize) != (height, width)) {
        problem = problem.with("resize", format!("Make them {side} x {side}"), Options { size: Some(side), ..Options::default() });
    }
    problem
}

/// The largest usual side that half of the images have at least.
fn suited_side(sizes: &[(Header, usize)]) -> usize {
    let mut sides: Vec<usize> =
        sizes.iter().flat_map(|(header, count)| std::iter::repeat_n(header.height.min(header.width), (*count).min(10_000))).collect();
    sides.sort_unstable();
    let median = sides.get(sides.len() / 2).copied().unwrap_or(32);
    [224, 160, 128, 96, 64].into_iter().find(|side| *side <= median).unwrap_or(32)
}

/// A raw sample as pixels, with the file where it may be kept as it is; the error is a sentence's end. Sets the key of its content.
pub fn to_pixels(
    tree: &Tree,
    raw: Raw,
    options: &Options,
    key: Option<&mut duplicates::Key>,
) -> std::result::Result<(Pixels, Option<Vec<u8>>), String> {
    let take = |bytes: &[u8]| key.into_iter().for_each(|key| *key = duplicates::key(bytes));
    let bytes = match raw {
        Raw::Pixels(pixels) => {
            take(&pixels.data);
            return Ok((pixels, None));
        }
        Raw::Bad(why) => return Err(why),
        Raw::Encoded(bytes) => bytes,
        Raw::Entry(entry) => read_image(tree, entry)?,
    };
    take(&bytes);
    let image = pixels::decode_as(&bytes, &options.reading())?;
    Ok((image.pixels, Some(bytes).filter(|_| image.as_it_is)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_order_has_each_number_once() {
        for count in [0, 1, 2, 5, 100, 1234] {
            let mut order = spread(count);
            order.sort_unstable();
            assert_eq!(order, (0..count).collect::<Vec<_>>());
        }
        assert!(spread(1000)[..10].iter().any(|at| *at > 900));
    }
}
