//! Changes of the colours of an image, in place, as torchvision's functional transforms define them; results are rounded to bytes.

use crate::pixels::{Pixels, luma};

/// factor x image + (1 - factor) x other, in bytes.
pub fn blend(image: u8, other: f64, factor: f64) -> u8 {
    (factor * f64::from(image) + (1.0 - factor) * other).round().clamp(0.0, 255.0) as u8
}

pub fn brightness(image: &mut Pixels, factor: f64) {
    let table: [u8; 256] = std::array::from_fn(|x| blend(x as u8, 0.0, factor));
    look_up(image, &table);
}

/// Towards or away from the mean grey.
pub fn contrast(image: &mut Pixels, factor: f64) {
    let sum: u64 = image.data.chunks_exact(image.channels).map(|pixel| u64::from(grey(pixel))).sum();
    let mean = sum as f64 / (image.height * image.width).max(1) as f64;
    let table: [u8; 256] = std::array::from_fn(|x| blend(x as u8, mean, factor));
    look_up(image, &table);
}

/// Towards or away from the grey image. Grey images stay.
pub fn saturation(image: &mut Pixels, factor: f64) {
    for pixel in image.data.chunks_exact_mut(image.channels).filter(|pixel| pixel.len() == 3) {
        let grey = f64::from(grey(pixel));
        pixel.iter_mut().for_each(|x| *x = blend(*x, grey, factor));
    }
}

/// Turns the colour circle by a share of it. Grey images stay.
pub fn hue(image: &mut Pixels, turn: f64) {
    for pixel in image.data.as_chunks_mut::<3>().0.iter_mut().take(if image.channels == 3 { usize::MAX } else { 0 }) {
        let (h, s, v) = hsv(*pixel);
        *pixel = rgb((h + turn).rem_euclid(1.0), s, v);
    }
}

pub fn look_up(image: &mut Pixels, table: &[u8; 256]) {
    image.data.iter_mut().for_each(|x| *x = table[usize::from(*x)]);
}

fn grey(pixel: &[u8]) -> u8 {
    match pixel {
        [r, g, b] => luma(&[*r, *g, *b]),
        _ => pixel.first().copied().unwrap_or(0),
    }
}

/// Hue and saturation in [0, 1], value in [0, 255].
fn hsv([r, g, b]: [u8; 3]) -> (f64, f64, f64) {
    let [r, g, b] = [r, g, b].map(f64::from);
    let (value, least) = (r.max(g).max(b), r.min(g).min(b));
    let range = value - least;
    if range == 0.0 {
        return (0.0, 0.0, value);
    }
    let sixth = if value == r {
        (g - b) / range
    } else if value == g {
        2.0 + (b - r) / range
    } else {
        4.0 + (r - g) / range
    };
    ((sixth / 6.0).rem_euclid(1.0), range / value, value)
}

fn rgb(hue: f64, saturation: f64, value: f64) -> [u8; 3] {
    [5.0, 3.0, 1.0].map(|offset: f64| {
        let k = (offset + hue * 6.0).rem_euclid(6.0);
        let x = value - value * saturation * k.min(4.0 - k).clamp(0.0, 1.0);
        x.round().clamp(0.0, 255.0) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixels(data: &[u8]) -> Pixels {
        Pixels { height: 1, width: data.len() / 3, channels: 3, data: data.to_vec() }
    }

    #[test]
    fn factors_of_one_and_whole_turns_change_nothing() {
        let image = pixels(&[0, 128, 255, 10, 10, 10, 200, 30, 90]);
        for change in [brightness, contrast, saturation] {
            let mut changed = image.clone();
            change(&mut changed, 1.0);
            assert_eq!(changed, image);
        }
        for turn in [0.0, 1.0, -1.0] {
            let mut changed = image.clone();
            hue(&mut changed, turn);
            assert_eq!(changed, image);
        }
    }

    #[test]
    fn each_change_by_hand() {
        let changed = |change: fn(&mut Pixels, f64), factor, data: &[u8]| {
            let mut image = pixels(data);
            change(&mut image, factor);
            image.data
        };
        assert_eq!(changed(brightness, 2.0, &[10, 100, 200]), [20, 200, 255]);
        // The mean of grey 50 and 150 is 100.
        assert_eq!(changed(contrast, 0.5, &[50, 50, 50, 150, 150, 150]), [75, 75, 75, 125, 125, 125]);
        // Grey of pure red is 76.
        assert_eq!(changed(saturation, 0.0, &[255, 0, 0]), [76, 76, 76]);
        assert_eq!(changed(hue, 1.0 / 3.0, &[255, 0, 0]), [0, 255, 0]);
        assert_eq!(changed(hue, 0.5, &[255, 0, 0]), [0, 255, 255]);
        assert_eq!(changed(hue, 0.3, &[9, 9, 9]), [9, 9, 9]);
    }
}
