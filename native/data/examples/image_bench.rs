//! Import of many small JPEG files beside the decoder alone. Each command is a process of its own, so that peaks of memory are its own:
//!   cargo run --release -p sdp-data --example image_bench -- make FOLDER COUNT [SIDE]
//!   ... -- decode FOLDER      reads and decodes every file on all cores, and keeps nothing
//!   ... -- import FOLDER OUT  imports into the folder OUT, which must not exist
//! Prints images per second, and for an import the peak of memory (Linux).

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use image::codecs::jpeg::JpegEncoder;
use sdp_data::import::{self, ImportSpec, Progress};
use sdp_data::options::Options;
use sdp_data::pixels;
use sdp_data::store::Target;

const CLASSES: usize = 10;

/// Smooth colours with some noise, quality 90: files of about the size that photographs of these pixels have.
fn jpeg(index: usize, side: usize) -> Vec<u8> {
    let mut noise = index as u32 | 1;
    let mut pixels = Vec::with_capacity(side * side * 3);
    for (y, x) in (0..side).flat_map(|y| (0..side).map(move |x| (y, x))) {
        for channel in 1..=3 {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let wave = ((x * channel + index) as f32 / 9.0).sin() + ((y + index * channel) as f32 / 7.0).cos();
            pixels.push((128.0 + 50.0 * wave) as u8 ^ (noise >> 29) as u8);
        }
    }
    let mut file = Vec::new();
    let side = side as u32;
    JpegEncoder::new_with_quality(&mut file, 90).encode(&pixels, side, side, image::ExtendedColorType::Rgb8).unwrap();
    file
}

/// Calls `body` with every index below `count`, on all cores.
fn on_all_cores(count: usize, body: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let taken = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|index| *index < count);
                std::iter::from_fn(taken).for_each(&body);
            });
        }
    });
}

fn make(folder: &Path, count: usize, side: usize) {
    (0..CLASSES).for_each(|class| std::fs::create_dir_all(folder.join(format!("class-{class}"))).unwrap());
    on_all_cores(count, |index| {
        std::fs::write(folder.join(format!("class-{}/{index:06}.jpg", index % CLASSES)), jpeg(index, side)).unwrap();
    });
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let classes = std::fs::read_dir(folder).unwrap().map(|class| class.unwrap().path());
    classes.flat_map(|class| std::fs::read_dir(class).unwrap().map(|file| file.unwrap().path())).collect()
}

fn decode(folder: &Path) {
    let files = files(folder);
    let start = Instant::now();
    on_all_cores(files.len(), |index| drop(pixels::decode(&std::fs::read(&files[index]).unwrap()).unwrap()));
    println!("{:.0} images/s read and decoded", files.len() as f64 / start.elapsed().as_secs_f64());
}

fn import(folder: &Path, out: &Path) {
    let target = Target { folder: out.to_owned(), shown: out.to_owned() };
    let spec = ImportSpec { paths: vec![folder.to_owned()], options: Options::default(), target };
    let start = Instant::now();
    let outcome = import::import(&spec, &Progress::default()).unwrap();
    let rate = (outcome.train + outcome.test) as f64 / start.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).map_or("unknown", str::trim);
    println!("{rate:.0} images/s imported, peak memory {peak}");
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["make", folder, count] => make(folder.as_ref(), count.parse().unwrap(), 64),
        ["make", folder, count, side] => make(folder.as_ref(), count.parse().unwrap(), side.parse().unwrap()),
        ["decode", folder] => decode(folder.as_ref()),
        ["import", folder, out] => import(folder.as_ref(), out.as_ref()),
        _ => eprintln!("image_bench make FOLDER COUNT [SIDE] | decode FOLDER | import FOLDER OUT"),
    }
}
