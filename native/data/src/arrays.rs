//! Images and labels as NumPy arrays: .npy files, or the members of an .npz, named for their split (`x_train`, `y_test`, `train_images`).
//!
//! Images: [n,H,W], [n,H,W,C] or [n,C,H,W] with C of 1 or 3; bytes, 16-bit integers (scaled down), or floats from 0 to 1 or 0 to 255.
//! Labels: integers [n] or [n,1].

use std::io::Read;

use crate::account::Account;
use crate::error::{Error, Place, Problem, Result, refuse};
use crate::images::{Content, Hand, ImageSet, NO_LABEL, Named, Raw, named_split, numbered, place_among, splits_of};
use crate::npy::Header;
use crate::options::Options;
use crate::pixels::Pixels;
use crate::sniff::What;
use crate::tree::{Entry, Tree, read_fully};

struct Part {
    entry: usize,
    labels: usize,
    header: Header,
    layout: Layout,
    /// What an element is multiplied with to run from 0 to 255.
    scale: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    shape: [usize; 3],
    /// [C,H,W] rather than [H,W,C].
    planes: bool,
}

struct Arrays {
    parts: Vec<Part>,
}

fn layout(header: &Header) -> Option<Layout> {
    match header.shape[..] {
        [_, height, width] if height > 1 && width > 1 => Some(Layout { shape: [1, height, width], planes: false }),
        [_, height, width, channels @ (1 | 3)] => Some(Layout { shape: [channels, height, width], planes: false }),
        [_, channels @ (1 | 3), height, width] => Some(Layout { shape: [channels, height, width], planes: true }),
        _ => None,
    }
}

fn is_labels(header: &Header) -> bool {
    matches!(header.shape[..], [_] | [_, 1]) && header.is_integer()
}

pub fn fits(what: &[What]) -> bool {
    what.iter().any(|what| matches!(what, What::Npy(header) if header.shape.len() >= 3))
}

pub fn open(tree: &Tree, what: &[What], _: &Options) -> Result<ImageSet> {
    let headers: Vec<(usize, &Header)> =
        what.iter().enumerate().filter_map(|(at, what)| if let What::Npy(header) = what { Some((at, header)) } else { None }).collect();
    let (mut parts, mut labels, mut named): (Vec<Part>, Vec<u32>, Vec<Option<Named>>) = Default::default();
    for &(at, header) in headers.iter().filter(|(_, header)| header.shape.len() >= 3) {
        let entry = &tree.entries[at];
        let mut part = open_images(tree, entry, at, header)?;
        if let Some(first) = parts.first()
            && first.layout.shape != part.layout.shape
        {
            let (file, [c, h, w], [c0, h0, w0]) = (tree.display(entry), part.layout.shape, first.layout.shape);
            return refuse(
                "different-sizes",
                format!("{file} has images of {c} x {h} x {w}, others are {c0} x {h0} x {w0}"),
                Place::file(file),
            );
        }
        let partner = partner(tree, entry, header.shape[0], &headers).ok_or_else(|| no_labels(tree, entry, header, &headers))?;
        part.labels = partner.0;
        labels.extend(read_labels(tree, &tree.entries[partner.0], partner.1)?);
        named.resize(labels.len(), named_split(entry.stem()));
        parts.push(part);
    }
    let classes = labels.iter().filter(|label| **label != NO_LABEL).max().map_or(0, |label| *label as usize + 1);
    let mut problems = Vec::new();
    let splits = splits_of(&named, &mut problems);
    let content: Box<dyn Content> = Box::new(Arrays { parts });
    Ok(ImageSet { class_names: numbered(classes), labels, splits, content, columns: Vec::new(), problems })
}

fn open_images(tree: &Tree, entry: &Entry, at: usize, header: &Header) -> Result<Part> {
    let file = tree.display(entry);
    let refused = |code, sentence: String| refuse(code, sentence, Place::file(file.clone()));
    let Some(layout) = layout(header) else {
        return refused(
            "bad-shape",
            format!("{file} has the shape {:?}; images are [n,H,W], [n,H,W,C] or [n,C,H,W] with 1 or 3 channels", header.shape),
        );
    };
    if header.fortran {
        return refused("fortran-order", format!("{file} is in Fortran order; save numpy.ascontiguousarray of it"));
    }
    if header.element() == 0 {
        return refused("bad-type", format!("{file} holds elements of type {}, which are no numbers", header.descr));
    }
    check_length(tree, entry, header)?;
    if header.shape[0] == 0 {
        return refused("empty-file", format!("{file} holds no images"));
    }
    let scale = match header.descr.get(1..) {
        Some("u1" | "i1") => 1.0,
        Some("b1") => 255.0,
        Some("u2" | "i2") => 1.0 / 257.0,
        _ => scale_of_range(tree, entry, header)?,
    };
    Ok(Part { entry: at, labels: at, header: header.clone(), layout, scale })
}

/// The elements must end the file.
fn check_length(tree: &Tree, entry: &Entry, header: &Header) -> Result<()> {
    let expected = (header.start + header.bytes().unwrap_or(usize::MAX)) as u64;
    let found = tree.size(entry);
    // The size of a compressed file is that of its content only in archives.
    if found == expected || entry.name.ends_with(".gz") {
        return Ok(());
    }
    let file = tree.display(entry);
    let sentence = format!("{file} is truncated or goes on: its shape {:?} takes {expected} bytes, it has {found}", header.shape);
    refuse("truncated-file", sentence, Place { offset: Some(found.min(expected)), ..Place::file(file) })
}

/// Floats and wide integers, judged by the first thousand images.
fn scale_of_range(tree: &Tree, entry: &Entry, header: &Header) -> Result<f64> {
    let sample: usize = header.shape[1..].iter().product::<usize>() * header.element();
    let head = tree.head(entry, header.start + sample.saturating_mul(header.shape[0].min(1000)).min(64 << 20))?;
    let (least, most) =
        header.numbers(&head[header.start.min(head.len())..]).fold((f64::MAX, f64::MIN), |(least, most), x| (least.min(x), most.max(x)));
    if least >= 0.0 && most <= 1.0 && !header.is_integer() {
        Ok(255.0)
    } else if least >= 0.0 && most <= 255.0 {
        Ok(1.0)
    } else {
        let file = tree.display(entry);
        let sentence = format!("{file} has values from {least} to {most}; pixels are 0 to 1 or 0 to 255, so undo the normalisation first");
        refuse("bad-range", sentence, Place::file(file))
    }
}

/// Labels in the same folder and of the same split with as many elements.
fn partner<'a>(tree: &Tree, images: &Entry, count: usize, headers: &[(usize, &'a Header)]) -> Option<(usize, &'a Header)> {
    let split = named_split(images.stem());
    let fits = |(at, header): &&(usize, &Header)| {
        let entry = &tree.entries[*at];
        is_labels(header) && header.shape[0] == count && entry.folder() == images.folder() && named_split(entry.stem()) == split
    };
    headers.iter().find(fits).copied()
}

fn no_labels(tree: &Tree, entry: &Entry, header: &Header, headers: &[(usize, &Header)]) -> Error {
    let file = tree.display(entry);
    let other = headers.iter().find(|(at, labels)| is_labels(labels) && tree.entries[*at].folder() == entry.folder());
    let (code, sentence) = match other {
        Some((at, labels)) => {
            let other = tree.display(&tree.entries[*at]);
            ("mismatched-counts", format!("{file} has {} images, but {other} has {} labels", header.shape[0], labels.shape[0]))
        }
        None => ("no-labels", format!("{file} has {} images, but no array of as many integer labels lies beside it", header.shape[0])),
    };
    Problem::error(code, sentence).at(Place::file(file)).into()
}

fn read_labels(tree: &Tree, entry: &Entry, header: &Header) -> Result<Vec<u32>> {
    check_length(tree, entry, header)?;
    let bytes = tree.read_all(entry, header.start + header.bytes().unwrap_or(0))?;
    let label = |(row, x): (usize, f64)| {
        if x == -1.0 {
            Ok(NO_LABEL)
        } else if (0.0..100_000.0).contains(&x) {
            Ok(x as u32)
        } else {
            let file = tree.display(entry);
            refuse("bad-label", format!("{file} has the label {x} at row {row}; labels are class numbers from 0"), Place::row(file, row))
        }
    };
    header.numbers(bytes.get(header.start..).unwrap_or_default()).enumerate().map(label).collect()
}

impl Content for Arrays {
    fn account(&self, tree: &Tree) -> Account {
        let mut account = Account::default();
        for part in &self.parts {
            account.use_as(tree, part.entry, "arrays of images");
            account.use_as(tree, part.labels, "arrays of labels");
        }
        account
    }

    fn stream(&self, tree: &Tree, from: usize, hand: &mut Hand) -> Result<()> {
        let mut before = 0;
        for part in &self.parts {
            let count = part.header.shape[0];
            let skipped = from.saturating_sub(before).min(count);
            before += count;
            if skipped == count {
                continue;
            }
            let entry = &tree.entries[part.entry];
            let size = part.layout.shape.iter().product::<usize>() * part.header.element();
            tree.read(entry, |stream| {
                let start = (part.header.start + skipped * size) as u64;
                std::io::copy(&mut stream.take(start), &mut std::io::sink()).map_err(|error| tree.unreadable(entry, &error))?;
                let mut bytes = vec![0; size];
                for row in skipped..count {
                    if read_fully(stream, &mut bytes).map_err(|error| tree.unreadable(entry, &error))? < size {
                        let file = tree.display(entry);
                        return refuse("truncated-file", format!("{file} ends within image {row}"), Place::row(file, row));
                    }
                    hand(Raw::Pixels(part.image(&bytes)))?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn place(&self, tree: &Tree, sample: usize) -> Place {
        place_among(tree, self.parts.iter().map(|part| (part.entry, part.header.shape[0])), sample)
    }

    fn shape(&self) -> Option<[usize; 3]> {
        self.parts.first().map(|part| part.layout.shape)
    }
}

impl Part {
    fn image(&self, bytes: &[u8]) -> Pixels {
        let [channels, height, width] = self.layout.shape;
        let data: Vec<u8> = match self.header.descr.get(1..) {
            Some("u1") => bytes.to_vec(),
            _ => self.header.numbers(bytes).map(|x| (x * self.scale).round() as u8).collect(),
        };
        if self.layout.planes { Pixels::from_planes(channels, height, width, &data) } else { Pixels { height, width, channels, data } }
    }
}
