//! LZF, by which h5py compresses where it is asked for speed. Format: liblzf 3.6, Marc Lehmann.

/// The content, at most `limit` bytes; `None` where it is damaged.
pub fn unpack(packed: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut out: Vec<u8> = Vec::new();
    let mut rest = packed;
    while let Some((&control, after)) = rest.split_first() {
        let control = usize::from(control);
        if control < 32 {
            // So many bytes and one as they are.
            let (literal, after) = after.split_at_checked(control + 1)?;
            out.extend_from_slice(literal);
            rest = after;
        } else {
            // Bytes that were there before; seven is followed by more of the length.
            let (more, after) =
                if control >> 5 == 7 { after.split_first().map(|(more, after)| (usize::from(*more), after))? } else { (0, after) };
            let (&low, after) = after.split_first()?;
            let length = (control >> 5) + more + 2;
            let distance = ((control & 31) << 8 | usize::from(low)) + 1;
            let start = out.len().checked_sub(distance)?;
            // They may lie over what they become.
            (start..start + length).for_each(|at| out.push(out[at]));
            rest = after;
        }
        if out.len() > limit {
            return None;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_and_plain_bytes_are_unpacked() {
        assert_eq!(unpack(&[2, 1, 2, 3], 3).as_deref(), Some(&[1, 2, 3][..]));
        // Two bytes, then six more of them.
        assert_eq!(unpack(&[1, 7, 8, 4 << 5, 1], 8).as_deref(), Some(&[7, 8, 7, 8, 7, 8, 7, 8][..]));
        // A long one of a single byte: 7 + 41 + 2.
        assert_eq!(unpack(&[0, 9, 7 << 5, 41, 0], 51), Some(vec![9; 51]));
        for damaged in [&[2, 1][..], &[32], &[0, 9, 32, 5], &[7 << 5, 1]] {
            assert_eq!(unpack(damaged, 100), None, "{damaged:?}");
        }
        assert_eq!(unpack(&[2, 1, 2, 3], 2), None);
    }
}
