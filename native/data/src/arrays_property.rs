//! Arrays with a known truth, as they are written in many ways: none is silently something else.

use std::io::Write;

use crate::error::Severity;
use crate::images::{ImageSet, NO_LABEL, Raw, Split};
use crate::options::Options;
use crate::random::Random;
use crate::recognise::{self, Content};
use crate::tree::{Scratch, Tree};

/// Class and pixels of an image, its rows one after the other.
type Sample = (String, Vec<u8>);

struct Made {
    files: Vec<(String, Vec<u8>)>,
    train: Vec<Sample>,
    /// Of a validation split; empty where there is none.
    validation: Vec<Sample>,
}

fn npy(descr: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let extents = shape.iter().map(|extent| format!("{extent},")).collect::<Vec<_>>().join(" ");
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({extents}), }}");
    let length = (header.len() + 11).next_multiple_of(64) - 10;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(format!("{header:<width$}\n", width = length - 1).bytes());
    bytes.extend(data);
    bytes
}

fn npz(arrays: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, content) in arrays {
        zip.start_file(format!("{name}.npy"), stored).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// How all splits are written alike.
struct Writing {
    channels: usize,
    /// Of a colour image: after its rows, or before them.
    last: bool,
    axis: bool,
    flat: bool,
    pixels: &'static str,
    labels: usize,
    classes: Vec<(i64, &'static str)>,
    side: usize,
}

impl Writing {
    fn images(&self, samples: &[Vec<u8>]) -> Vec<u8> {
        let (side, channels) = (self.side, self.channels);
        let planes = |pixels: &Vec<u8>| -> Vec<u8> {
            let plane = side * side;
            if self.last {
                pixels.clone()
            } else {
                (0..channels).flat_map(|c| (0..plane).map(move |p| (c, p))).map(|(c, p)| pixels[p * channels + c]).collect()
            }
        };
        let data: Vec<u8> = samples.iter().flat_map(planes).collect();
        let count = samples.len();
        let shape = match (channels, self.last) {
            _ if self.flat => vec![count, side * side * channels],
            (1, _) if !self.axis => vec![count, side, side],
            (_, true) => vec![count, side, side, channels],
            (_, false) => vec![count, channels, side, side],
        };
        let values = data.iter().map(|&value| f64::from(value));
        let bytes: Vec<u8> = match self.pixels {
            "|u1" => data,
            "<u2" => data.iter().flat_map(|&value| u16::from(value).to_le_bytes()).collect(),
            "<i4" => data.iter().flat_map(|&value| i32::from(value).to_le_bytes()).collect(),
            ">i2" => data.iter().flat_map(|&value| i16::from(value).to_be_bytes()).collect(),
            "<f4" => values.flat_map(|value| ((value / 255.0) as f32).to_le_bytes()).collect(),
            _ => values.flat_map(f64::to_le_bytes).collect(),
        };
        npy(self.pixels, &shape, &bytes)
    }

    /// Labels of every kind, and what the class of each number is called.
    fn labels(&self, of: &[usize]) -> Vec<u8> {
        let numbers = of.iter().map(|&class| self.classes[class].0);
        let count = of.len();
        match self.labels {
            0 => npy("<i8", &[count], &numbers.flat_map(i64::to_le_bytes).collect::<Vec<u8>>()),
            1 => npy("|u1", &[count, 1], &numbers.map(|number| number as u8).collect::<Vec<u8>>()),
            2 => npy("<f8", &[count], &numbers.flat_map(|number| (number as f64).to_le_bytes()).collect::<Vec<u8>>()),
            3 => {
                let text = of.iter().flat_map(|&class| self.classes[class].1.chars().chain(std::iter::repeat('\0')).take(8).map(u32::from));
                npy("<U8", &[count], &text.flat_map(u32::to_le_bytes).collect::<Vec<u8>>())
            }
            4 => {
                let rows = of.iter().flat_map(|&class| (0..self.classes.len()).map(move |at| u8::from(at == class)));
                npy("|u1", &[count, self.classes.len()], &rows.collect::<Vec<u8>>())
            }
            _ => npy(">i4", &[count], &numbers.flat_map(|number| (number as i32).to_be_bytes()).collect::<Vec<u8>>()),
        }
    }

    /// As the class names are given: of numbers, those that there are; of one-hot rows the columns.
    fn name(&self, class: usize) -> String {
        match self.labels {
            3 => self.classes[class].1.to_owned(),
            4 => class.to_string(),
            _ => self.classes[class].0.to_string(),
        }
    }
}

fn make(random: &mut Random) -> Made {
    let channels = if random.chance(40) { 3 } else { 1 };
    let numbers: [[i64; 3]; 4] = [[0, 1, 2], [1, 2, 3], [3, 7, 11], [0, 1, 5]];
    let classes: Vec<(i64, &str)> = numbers[random.below(4)].into_iter().zip(["cat", "dog", "emu"]).collect();
    let last = random.chance(60);
    let writing = Writing {
        channels,
        last,
        axis: random.chance(50),
        flat: random.chance(15),
        pixels: random.one_of(&["|u1", "|u1", "<u2", "<i4", ">i2", "<f4", "<f8"]),
        labels: random.below(6),
        classes,
        side: 6 + random.below(4),
    };
    let count = |random: &mut Random| 12 + random.below(8);
    let sizes = match random.below(3) {
        0 => vec![count(random)],
        1 => vec![count(random), count(random)],
        _ => vec![count(random), count(random), count(random)],
    };
    let splits: Vec<&str> =
        [random.one_of(&["train", "training"]), random.one_of(&["val", "valid", "test"]), "test"][..sizes.len()].to_vec();
    // Of three, the second validates and the third is left out.
    let splits = if splits.len() == 3 { vec![splits[0], "val", "test"] } else { splits };
    let (images, labels) = [("images", "labels"), ("x", "y"), ("X", "y"), ("image", "label"), ("data", "targets")][random.below(5)];
    let (layout, extra) = (random.below(4), random.below(4));
    let mut arrays: Vec<Vec<(String, Vec<u8>)>> = Vec::new();
    let mut truth: Vec<Vec<Sample>> = Vec::new();
    for (&size, split) in sizes.iter().zip(&splits) {
        // Each class is there, in any order.
        let of: Vec<usize> = (0..size).map(|at| if at < 3 { at } else { random.below(3) }).collect();
        let length = writing.side * writing.side * channels;
        // Every value in the range is reached, so that nobody has to guess it.
        let pixels: Vec<Vec<u8>> = (0..size)
            .map(|at| (0..length).map(|p| [0, 255].get(p).copied().unwrap_or_else(|| (random.word() as usize + at) as u8)).collect())
            .collect();
        let named = |what: &str| match layout {
            _ if sizes.len() == 1 => what.to_owned(),
            0 => format!("{split}_{what}"),
            1 => format!("{what}_{split}"),
            _ => what.to_owned(),
        };
        let mut of_split = vec![(named(images), writing.images(&pixels)), (named(labels), writing.labels(&of))];
        match extra {
            0 => of_split.push((
                named("age"),
                npy("<i8", &[size], &of.iter().rev().flat_map(|&at| (20 + at as i64).to_le_bytes()).collect::<Vec<u8>>()),
            )),
            1 => of_split.push((named("weights"), npy("<f8", &[size], &vec![0; 8 * size]))),
            2 => of_split.push((named("mean"), npy("<f8", &[1], &[0; 8]))),
            _ => {}
        }
        arrays.push(of_split);
        truth.push(of.iter().zip(pixels).map(|(&class, pixels)| (writing.name(class), pixels)).collect());
    }
    let files = match layout {
        // One file for all, or a file or a folder per split.
        0 | 1 if random.chance(50) => vec![("data.npz".to_owned(), npz(&arrays.concat()))],
        2 if sizes.len() > 1 => splits.iter().zip(&arrays).map(|(split, arrays)| (format!("{split}.npz"), npz(arrays))).collect(),
        3 if sizes.len() > 1 => {
            let of_split = |(split, arrays): (&&str, &Vec<(String, Vec<u8>)>)| {
                arrays.iter().map(|(name, content)| (format!("{split}/{name}.npy"), content.clone())).collect::<Vec<_>>()
            };
            splits.iter().zip(&arrays).flat_map(of_split).collect()
        }
        _ => arrays.concat().into_iter().map(|(name, content)| (format!("{name}.npy"), content)).collect(),
    };
    let mut truth = truth.into_iter();
    Made { files, train: truth.next().unwrap(), validation: truth.next().unwrap_or_default() }
}

/// What is imported of each split; none where something is asked or refused.
fn read(files: &[(String, Vec<u8>)], folder: &std::path::Path) -> Option<[Vec<Sample>; 2]> {
    let root = folder.join("set");
    let _ = std::fs::remove_dir_all(&root);
    for (name, content) in files {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let options = Options::default();
    let mut tree = Tree::open(&[root], Scratch::new(folder.join("scratch"), 0)).ok()?;
    let chosen = recognise::choose(&mut tree, &options).ok()?;
    let found = recognise::open(&mut tree, &chosen, &options, None).ok()?;
    let Content::Images(set) = found.content else { return None };
    if found.problems.iter().any(|problem| problem.severity == Severity::Error) {
        return None;
    }
    let mut pixels = Vec::new();
    let streamed = set.content.stream(&tree, 0, &mut |raw| {
        if let Raw::Pixels(image) = raw {
            pixels.push(image.data);
        }
        Ok(())
    });
    streamed.ok()?;
    Some([samples(&set, &pixels, Split::Train), samples(&set, &pixels, Split::Test)])
}

fn samples(set: &ImageSet, pixels: &[Vec<u8>], split: Split) -> Vec<Sample> {
    let of_split = (0..set.count()).filter(|&at| set.splits[at] == split && set.labels[at] != NO_LABEL);
    of_split.map(|at| (set.class_names[set.labels[at] as usize].clone(), pixels[at].clone())).collect()
}

#[test]
fn no_array_is_silently_read_as_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let (mut imported, cases) = (0, 10_000);
    for seed in 0..cases {
        let made = make(&mut Random::seeded(seed));
        let Some([mut train, validation]) = read(&made.files, folder.path()) else { continue };
        imported += 1;
        let names: Vec<&String> = made.files.iter().map(|(name, _)| name).collect();
        if made.validation.is_empty() {
            // A share of the samples validates.
            train.extend(validation);
            train.sort();
            let mut expected = made.train;
            expected.sort();
            assert!(train == expected, "seed {seed}: {names:?}");
        } else {
            assert!(train == made.train, "seed {seed}: training of {names:?}");
            assert!(validation == made.validation, "seed {seed}: validation of {names:?}");
        }
    }
    assert!(imported > cases / 2, "{imported} of {cases} are imported");
}
