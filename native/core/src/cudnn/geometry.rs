//! Extents of a convolution whose gradient is computed, checked, and as cuDNN wants them. Images [N,C,H,W], kernels [K,C,R,S], output
//! gradients [N,K,P,Q].

/// All of it, in the order of cuDNN's arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    pub x: [i32; 4],
    pub w: [i32; 4],
    pub dy: [i32; 4],
    pub strides: [i32; 2],
    /// In front of rows and columns; cuDNN has the same behind them.
    pub pads: [i32; 2],
}

impl Geometry {
    /// `pads`: top, left, bottom, right. What lies behind the image matters only as far as it makes for further rows and columns of outputs.
    pub fn new(x: &[i64], w: &[i64], dy: &[i64], strides: &[i64], pads: &[i64]) -> Result<Self, String> {
        let described = || format!("a convolution of {x:?} with {w:?} to {dy:?}, strides {strides:?}, pads {pads:?}");
        let fitting = || -> Option<Self> {
            let [x, w, dy] = [integers::<4>(x)?, integers::<4>(w)?, integers::<4>(dy)?];
            let (strides, [top, left, ..]) = (integers::<2>(strides)?, integers::<4>(pads)?);
            Some(Self { x, w, dy, strides, pads: [top, left] })
        };
        let geometry = fitting().ok_or_else(|| format!("{} is not one of images", described()))?;
        let Self { x, w, dy, .. } = geometry;
        if x[0] != dy[0] || x[1] != w[1] || w[0] != dy[1] || geometry.strides.contains(&0) {
            return Err(format!("{} does not fit together", described()));
        }
        if geometry.output() != [i64::from(dy[2]), i64::from(dy[3])] {
            return Err(format!("{} is none that cuDNN has, which pads both sides alike", described()));
        }
        Ok(geometry)
    }

    /// Rows and columns of outputs with the same padding on both sides.
    fn output(&self) -> [i64; 2] {
        [0, 1].map(|axis| {
            let [image, kernel, pad, stride] = [self.x[axis + 2], self.w[axis + 2], self.pads[axis], self.strides[axis]].map(i64::from);
            (image + 2 * pad - kernel).div_euclid(stride) + 1
        })
    }
}

/// Exactly so many numbers, none of them negative.
fn integers<const COUNT: usize>(numbers: &[i64]) -> Option<[i32; COUNT]> {
    let numbers: Vec<i32> =
        numbers.iter().map(|&number| i32::try_from(number).ok().filter(|&number| number >= 0)).collect::<Option<_>>()?;
    numbers.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_behind_the_image_may_differ_where_no_output_needs_it() {
        let geometry = Geometry::new(&[8, 3, 32, 30], &[16, 3, 3, 5], &[8, 16, 16, 15], &[2, 2], &[1, 2, 1, 2]);
        let expected = Geometry { x: [8, 3, 32, 30], w: [16, 3, 3, 5], dy: [8, 16, 16, 15], strides: [2, 2], pads: [1, 2] };
        assert_eq!(geometry, Ok(expected));
        let shorter = Geometry::new(&[8, 3, 32, 30], &[16, 3, 3, 5], &[8, 16, 16, 15], &[2, 2], &[1, 2, 0, 1]);
        assert_eq!(shorter, Ok(expected));
        let lacking = Geometry::new(&[1, 1, 4, 4], &[1, 1, 3, 3], &[1, 1, 3, 3], &[1, 1], &[1, 1, 0, 0]).unwrap_err();
        assert!(lacking.ends_with("pads [1, 1, 0, 0] is none that cuDNN has, which pads both sides alike"), "{lacking}");
    }

    #[test]
    fn extents_that_do_not_fit_are_an_error_that_names_them() {
        let new = |x: &[i64], w: &[i64], dy: &[i64], strides: &[i64]| Geometry::new(x, w, dy, strides, &[0; 4]).unwrap_err();
        let (x, w, dy, strides) = ([2, 3, 4, 4], [5, 3, 1, 1], [2, 5, 4, 4], [1, 1]);
        assert!(Geometry::new(&x, &w, &dy, &strides, &[0; 4]).is_ok());
        assert!(new(&[1, 3, 4, 4], &w, &dy, &strides).starts_with("a convolution of [1, 3, 4, 4] with [5, 3, 1, 1] to [2, 5, 4, 4]"));
        assert!(new(&x, &[5, 1, 1, 1], &dy, &strides).ends_with("does not fit together"));
        assert!(new(&x, &[4, 3, 1, 1], &dy, &strides).ends_with("does not fit together"));
        assert!(new(&x, &w, &dy, &[0, 1]).ends_with("does not fit together"));
        assert!(new(&x[..3], &w, &dy, &strides).ends_with("is not one of images"));
        assert!(new(&[2, 3, 4, 1 << 40], &w, &dy, &strides).ends_with("is not one of images"));
        assert!(new(&x, &w, &dy, &[-1, 1]).ends_with("is not one of images"));
    }
}
