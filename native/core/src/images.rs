//! Images of a dataset as the graph reads them: changed by augmentation, normalised, with their labels.
//!
//! input = (pixel / 255 - mean) / std per channel in float32, as torchvision's transforms compute it. What is random about a training sample is
//! drawn from a generator keyed by (seed, epoch, sample), so that it depends neither on workers and devices nor on threads, and a resumed
//! run goes on as if it had not stopped. Mixup and CutMix pair a sample with the one that follows in the order of its epoch.

use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_core::RngCore;
use rand_distr::{Beta, Distribution};
use sdp_data::augment;
use sdp_data::pixels::Pixels;
use sdp_data::sampling::generator;

use crate::error::{Error, Result};
use crate::loader::{Batch, Samples};
use crate::npy::Npy;
use crate::sampling::Draw;
use crate::shards::Shards;
use crate::spec::{Augmentation, Encoded, ImageReading, Mixing};

/// How a dataset has its images.
enum Stored {
    /// [n,C,H,W]
    Array(Npy),
    Files(Shards),
}

impl Stored {
    fn open(folder: &Path, encoded: Option<Encoded>) -> Result<Self> {
        if let Some(as_read) = encoded {
            return Shards::open(folder, as_read).map(Self::Files);
        }
        let images = Npy::open(&folder.join("images.npy"), &["|u1"])?;
        if images.shape.len() != 4 {
            let path = folder.display();
            return Err(Error::Data(format!("images.npy in {path} must have the shape [n, C, H, W], found {:?}", images.shape)));
        }
        Ok(Self::Array(images))
    }

    fn count(&self) -> usize {
        match self {
            Self::Array(images) => images.shape[0],
            Self::Files(shards) => shards.count(),
        }
    }

    /// Of an image as the dataset has it, [C,H,W].
    fn shape(&self) -> [usize; 3] {
        match self {
            Self::Array(images) => [images.shape[1], images.shape[2], images.shape[3]],
            Self::Files(shards) => shards.shape(),
        }
    }

    /// What was read no longer counts as memory of this process.
    fn release(&self) {
        match self {
            Self::Array(images) => images.release(),
            Self::Files(shards) => shards.release(),
        }
    }
}

/// Images of a split with a label each.
pub struct Images {
    stored: Stored,
    labels: Npy,
    /// As the dataset has them, [C,H,W].
    shape: [usize; 3],
    /// Scalars per channel of what the graph reads, and in a row of it.
    plane: usize,
    width: usize,
    /// What each pixel value becomes, for each channel.
    tables: Vec<[f32; 256]>,
    augmentation: Option<Augmentation>,
    seed: u64,
}

impl Images {
    /// `folder`: of the split. `seed`: of what is random about training samples.
    pub fn open(folder: &Path, seed: u64, reading: &ImageReading) -> Result<Self> {
        let ImageReading { mean, std, encoded, augmentation } = reading;
        let stored = Stored::open(folder, *encoded)?;
        let labels = Npy::open(&folder.join("labels.npy"), &["<i8"])?;
        let path = folder.display().to_string();
        let count = stored.count();
        let shape @ [channels, height, width] = stored.shape();
        if labels.shape != [count] {
            return Err(Error::Data(format!("{path} has {count} images and labels of shape {:?}", labels.shape)));
        }
        if u32::try_from(count).is_err() {
            return Err(Error::Data(format!("{path} has {count} images, more than 4 billion")));
        }
        if mean.len() != channels || std.len() != channels {
            let (mean, std) = (mean.len(), std.len());
            return Err(Error::Data(format!("images in {path} have {channels} channels, but mean has {mean} and std {std} entries")));
        }
        let augmentation = augmentation.clone();
        let [height, width] = augmentation.as_ref().map_or([height, width], |of| [of.changes.height, of.changes.width]);
        let tables = mean.iter().zip(std).map(|(&mean, &std)| table(mean as f32, std as f32)).collect();
        let images = Self { stored, labels, shape, plane: height * width, width, tables, augmentation, seed };
        if let Some(negative) = (0..count).find(|index| images.label(*index as u32) < 0) {
            return Err(Error::Data(format!("label {negative} in {path} is negative")));
        }
        Ok(images)
    }

    pub fn count(&self) -> usize {
        self.stored.count()
    }

    fn label(&self, index: u32) -> i64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.labels.data()[8 * index as usize..][..8]);
        i64::from_le_bytes(bytes)
    }

    /// The given samples as they are evaluated, filled up to `size` with zeros and the label -1.
    pub fn gather(&self, samples: &[u32], size: usize) -> Result<Batch> {
        let mut labels: Vec<i64> = samples.iter().map(|&sample| self.label(sample)).collect();
        labels.resize(size, -1);
        let pixels = self.fill(size, samples, |&sample, target| {
            match (&self.augmentation, &self.stored) {
                (None, Stored::Array(images)) => self.normalise_planes(self.planes(images, sample), target),
                (None, Stored::Files(shards)) => self.normalise(&shards.read(sample)?, target),
                (Some(of), _) => self.normalise(&of.changes.evaluate(self.pixels(sample)?), target),
            }
            Ok(())
        })?;
        Ok(Batch { samples: Samples::F32(pixels), labels, shares: Vec::new(), checksum: 0 })
    }

    /// The given samples as they are evaluated; an error where there is no such sample.
    pub fn evaluated(&self, samples: &[u32]) -> Result<Samples> {
        let count = self.count();
        if let Some(beyond) = samples.iter().find(|sample| **sample as usize >= count) {
            return Err(Error::Data(format!("there is no sample {beyond} among {count}")));
        }
        Ok(self.gather(samples, samples.len())?.samples)
    }

    /// The given samples of an epoch as they are trained on.
    pub fn training(&self, epoch: u64, draws: &[Draw]) -> Result<Batch> {
        let Some(Augmentation { changes, mixing }) = &self.augmentation else {
            return self.gather(&draws.iter().map(|draw| draw.sample).collect::<Vec<_>>(), draws.len());
        };
        let labels = draws.iter().map(|draw| self.label(draw.sample)).collect();
        let mixes: Vec<Mix> = draws.iter().map(|draw| self.mix(*mixing, epoch, draw.sample)).collect();
        let own = |sample: u32, target: &mut [f32]| {
            let random = &mut keyed(b"augmentation    ", self.seed, epoch, sample);
            self.normalise(&changes.train(self.pixels(sample)?, random), target);
            Ok::<(), Error>(())
        };
        let pairs: Vec<(&Draw, &Mix)> = draws.iter().zip(&mixes).collect();
        let pixels = self.fill(draws.len(), &pairs, |(draw, mix), target| {
            own(draw.sample, target)?;
            if mix.share < 1.0 {
                let mut partner = vec![0.0; target.len()];
                own(draw.partner, &mut partner)?;
                mix.apply(target, &partner, self.plane, self.width);
            }
            Ok(())
        })?;
        let shares = if mixing.is_soft() { self.shares(*mixing, &pairs) } else { Vec::new() };
        Ok(Batch { samples: Samples::F32(pixels), labels, shares, checksum: 0 })
    }

    /// [B,K]: the share of each class in the label of each sample.
    fn shares(&self, mixing: Mixing, pairs: &[(&Draw, &Mix)]) -> Vec<f32> {
        let (classes, smoothing) = (mixing.classes, mixing.label_smoothing);
        let mut shares = vec![(smoothing / classes as f64) as f32; pairs.len() * classes];
        for ((draw, mix), row) in pairs.iter().zip(shares.chunks_exact_mut(classes.max(1))) {
            for (sample, share) in [(draw.sample, mix.share), (draw.partner, 1.0 - mix.share)] {
                if let Some(target) = row.get_mut(self.label(sample) as usize) {
                    *target += ((1.0 - smoothing) * share) as f32;
                }
            }
        }
        shares
    }

    fn mix(&self, Mixing { mixup, cutmix, .. }: Mixing, epoch: u64, sample: u32) -> Mix {
        let random = &mut keyed(b"mixing of images", self.seed, epoch, sample);
        let cuts = cutmix > 0.0 && (mixup == 0.0 || augment::below(random, 2) == 1);
        let alpha = if cuts { cutmix } else { mixup };
        // Fails for an alpha of 0, which is no mixing.
        let Ok(beta) = Beta::new(alpha, alpha) else { return Mix { share: 1.0, cut: None } };
        let share = beta.sample(random);
        if !cuts {
            return Mix { share, cut: None };
        }
        Mix::cut(share, self.plane / self.width.max(1), self.width, random)
    }

    /// Runs `body` for each item on the row of the batch that is its own, on all cores where images are decoded or changed.
    fn fill<T: Sync>(&self, size: usize, items: &[T], body: impl Fn(&T, &mut [f32]) -> Result<()> + Sync) -> Result<Vec<f32>> {
        let row = (self.shape[0] * self.plane).max(1);
        let mut batch = vec![0.0; size * row];
        let is_work = self.augmentation.is_some() || matches!(self.stored, Stored::Files(_));
        let cores = if is_work { std::thread::available_parallelism().map_or(1, usize::from) } else { 1 };
        let part = items.len().div_ceil(cores).max(1);
        let work = |items: &[T], rows: &mut [f32]| items.iter().zip(rows.chunks_exact_mut(row)).try_for_each(|(item, row)| body(item, row));
        let results: Vec<Result<()>> = std::thread::scope(|scope| {
            let mut parts = items.chunks(part).zip(batch.chunks_mut(part * row));
            let first = parts.next();
            let others: Vec<_> = parts.map(|(items, rows)| scope.spawn(move || work(items, rows))).collect();
            let own = first.map(|(items, rows)| work(items, rows));
            let joined = others.into_iter().map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            own.into_iter().chain(joined).collect()
        });
        self.stored.release();
        results.into_iter().collect::<Result<()>>()?;
        Ok(batch)
    }

    fn planes<'a>(&self, images: &'a Npy, sample: u32) -> &'a [u8] {
        let size = self.shape.iter().product::<usize>();
        &images.data()[sample as usize * size..][..size]
    }

    /// In the size in which it is stored.
    fn pixels(&self, sample: u32) -> Result<Pixels> {
        let [channels, height, width] = self.shape;
        match &self.stored {
            Stored::Array(images) => Ok(Pixels::from_planes(channels, height, width, self.planes(images, sample))),
            Stored::Files(shards) => shards.decode(sample),
        }
    }

    fn normalise_planes(&self, planes: &[u8], target: &mut [f32]) {
        let plane = self.plane.max(1);
        for ((target, pixels), table) in target.chunks_exact_mut(plane).zip(planes.chunks_exact(plane)).zip(&self.tables) {
            target.iter_mut().zip(pixels).for_each(|(x, &pixel)| *x = table[usize::from(pixel)]);
        }
    }

    fn normalise(&self, image: &Pixels, target: &mut [f32]) {
        for (channel, (target, table)) in target.chunks_exact_mut(self.plane.max(1)).zip(&self.tables).enumerate() {
            let pixels = image.data.iter().skip(channel).step_by(image.channels);
            target.iter_mut().zip(pixels).for_each(|(x, &pixel)| *x = table[usize::from(pixel)]);
        }
    }
}

/// How a sample is mixed with its partner.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Mix {
    /// Of the sample itself.
    share: f64,
    /// Rows and columns [top, bottom) x [left, right) that come from the partner; none: all pixels are blended.
    cut: Option<[usize; 4]>,
}

impl Mix {
    /// A box about a random centre whose area is about 1 - share, as torchvision's CutMix has it; the share is that of what is left.
    fn cut(share: f64, height: usize, width: usize, random: &mut impl RngCore) -> Self {
        let (y, x) = (augment::below(random, height), augment::below(random, width));
        let half = 0.5 * (1.0 - share).sqrt();
        let range = |centre: usize, extent: usize| {
            let half = (half * extent as f64) as usize;
            (centre.saturating_sub(half), (centre + half).min(extent))
        };
        let ((top, bottom), (left, right)) = (range(y, height), range(x, width));
        let area = ((bottom - top) * (right - left)) as f64 / (height * width) as f64;
        Self { share: 1.0 - area, cut: Some([top, bottom, left, right]) }
    }

    fn apply(&self, image: &mut [f32], partner: &[f32], plane: usize, width: usize) {
        let Some([top, bottom, left, right]) = self.cut else {
            let (own, other) = (self.share as f32, (1.0 - self.share) as f32);
            image.iter_mut().zip(partner).for_each(|(x, y)| *x = own * *x + other * y);
            return;
        };
        for (image, partner) in image.chunks_exact_mut(plane).zip(partner.chunks_exact(plane)) {
            for row in top..bottom {
                let columns = row * width + left..row * width + right;
                image[columns.clone()].copy_from_slice(&partner[columns]);
            }
        }
    }
}

fn keyed(purpose: &[u8; 16], seed: u64, epoch: u64, sample: u32) -> ChaCha8Rng {
    let mut random = generator(purpose, seed, epoch);
    random.set_stream(u64::from(sample));
    random
}

fn table(mean: f32, std: f32) -> [f32; 256] {
    std::array::from_fn(|pixel| (pixel as f32 / 255.0 - mean) / std)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_lie_inside_and_tell_their_share() {
        let random = &mut generator(b"test of the cuts", 1, 1);
        for _ in 0..1000 {
            let share = augment::unit(random);
            let mix = Mix::cut(share, 9, 14, random);
            let [top, bottom, left, right] = mix.cut.unwrap();
            assert!(top <= bottom && bottom <= 9 && left <= right && right <= 14);
            let (mut image, partner) = (vec![0.0; 2 * 126], vec![1.0; 2 * 126]);
            mix.apply(&mut image, &partner, 126, 14);
            let of_partner = image.iter().map(|&x| f64::from(x)).sum::<f64>() / 252.0;
            assert!((of_partner - (1.0 - mix.share)).abs() < 1e-9);
        }
    }

    #[test]
    fn blends_by_share() {
        let mut image = vec![1.0, 2.0];
        Mix { share: 0.75, cut: None }.apply(&mut image, &[5.0, 6.0], 2, 2);
        assert_eq!(image, [2.0, 3.0]);
    }
}
