//! Sums over the pixels of images, from which their mean and standard deviation follow exactly.

/// Of one channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Channel {
    pixels: u64,
    sum: u64,
    squares: u64,
}

impl Channel {
    fn add(&mut self, other: Self) {
        self.pixels += other.pixels;
        self.sum += other.sum;
        self.squares += other.squares;
    }

    fn statistics(self) -> (f64, f64) {
        let pixels = self.pixels.max(1);
        let mean = self.sum as f64 / pixels as f64 / 255.0;
        // Integers, since a difference of two near numbers loses digits.
        let spread = u128::from(pixels) * u128::from(self.squares) - u128::from(self.sum).pow(2);
        let std = (spread as f64).sqrt() / pixels as f64 / 255.0;
        (mean, if std > 0.0 { std } else { 1.0 })
    }
}

/// Of each channel.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Moments(Vec<Channel>);

impl Moments {
    pub fn new(channels: usize) -> Self {
        Self(vec![Channel::default(); channels])
    }

    /// Adds an image [C,H,W].
    pub fn add_planes(&mut self, planes: &[u8]) {
        let plane = planes.len() / self.0.len().max(1);
        for (channel, plane) in self.0.iter_mut().zip(planes.chunks_exact(plane.max(1))) {
            plane.chunks(LONGEST).for_each(|part| channel.add(channel_of(part)));
        }
    }

    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(channel, other)| channel.add(*other));
    }

    /// For images of one channel among such of several: it counts in each of them alike.
    pub fn spread_over(&self, channels: usize) -> Self {
        if self.0.len() == channels { self.clone() } else { Self(vec![self.0[0]; channels]) }
    }

    /// Mean and standard deviation of pixel / 255 per channel. A channel that never varies has deviation 1: it stays zero when normalised.
    pub fn statistics(&self) -> (Vec<f64>, Vec<f64>) {
        self.0.iter().map(|channel| channel.statistics()).unzip()
    }
}

/// As many pixels have a sum of squares that fits into an i32.
const LONGEST: usize = 1 << 15;

/// Nothing overflows here; a check of it would keep the processor's vector unit from the work.
fn channel_of(pixels: &[u8]) -> Channel {
    let sum = pixels.iter().fold(0_i32, |sum, &pixel| sum.wrapping_add(i32::from(pixel)));
    let squares = pixels.iter().fold(0_i32, |sum, &pixel| sum.wrapping_add(i32::from(pixel).wrapping_mul(i32::from(pixel))));
    Channel { pixels: pixels.len() as u64, sum: sum as u64, squares: squares as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_exact() {
        let mut moments = Moments::new(2);
        moments.add_planes(&[0, 255, 51, 51]);
        assert_eq!(moments.statistics(), (vec![0.5, 0.2], vec![0.5, 1.0]));
    }

    #[test]
    fn the_brightest_large_image_does_not_overflow() {
        let mut moments = Moments::new(1);
        let mut planes = vec![255; 3 * LONGEST + 1];
        planes[0] = 0;
        moments.add_planes(&planes);
        let n = planes.len() as f64;
        let (mean, std) = moments.statistics();
        assert!((mean[0] - (n - 1.0) / n).abs() < 1e-15);
        assert!((std[0] - (n - 1.0).sqrt() / n).abs() < 1e-12);
    }
}
