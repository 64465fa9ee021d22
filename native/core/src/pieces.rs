//! Which parts of host memory are copied together, and where each of them lies on the device.
//!
//! Parts that are adjacent in one region of host memory become one piece, which the device mirrors byte by byte, so that it takes one copy.
//! A piece may also take along the bytes between two parts, where the caller allows it: on the way to the device, and on the way back the padding
//! of a worker's own slab, which nobody reads; elsewhere somebody else may write there. On the device every part starts at a multiple of ALIGNMENT, as kernels read several scalars at once;
//! one that would not begins a piece of its own.

use std::ops::Range;

/// That of tensors in the store, in bytes.
const ALIGNMENT: usize = 64;

/// The most that lies between two tensors which follow each other in a slab, in bytes.
pub const PADDING: usize = ALIGNMENT - 1;

/// Of pieces, in bytes: that of allocations on a device.
pub const PIECE_ALIGNMENT: usize = 256;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Addresses on the host.
    pub host: Range<usize>,
    /// Offset on the device.
    pub device: usize,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Ascending by address.
    pub pieces: Vec<Piece>,
    /// Offset on the device of each part, in the order of the parts.
    pub places: Vec<usize>,
    /// Size on the device.
    pub bytes: usize,
}

/// Plans the copies of `parts`, which are ranges of host addresses. A piece stays in one of the `regions`, which do not overlap; up to `gap`
/// bytes between two parts may be copied as well.
pub fn plan(parts: &[Range<usize>], regions: &[Range<usize>], gap: usize) -> Plan {
    let mut plan = Plan { places: vec![0; parts.len()], ..Plan::default() };
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|&index| (parts[index].start, parts[index].end));
    for index in order {
        let part = &parts[index];
        let joins = |piece: &&mut Piece| {
            let together = piece.host.start..piece.host.end.max(part.end);
            part.start <= piece.host.end + gap
                && (part.start - piece.host.start).is_multiple_of(ALIGNMENT)
                && regions.iter().any(|region| region.start <= together.start && together.end <= region.end)
        };
        if let Some(piece) = plan.pieces.last_mut().filter(joins) {
            piece.host.end = piece.host.end.max(part.end);
            plan.places[index] = piece.device + (part.start - piece.host.start);
            plan.bytes = piece.device + piece.host.len();
        } else {
            let device = plan.bytes.next_multiple_of(PIECE_ALIGNMENT);
            plan.pieces.push(Piece { host: part.clone(), device });
            plan.places[index] = device;
            plan.bytes = device + part.len();
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGION: Range<usize> = 4096..65536;

    fn piece(host: Range<usize>, device: usize) -> Piece {
        Piece { host, device }
    }

    #[test]
    fn adjacent_parts_are_one_piece_in_any_order() {
        let planned = plan(&[4224..4288, 4096..4224, 4288..4300], &[REGION], 0);
        assert_eq!(planned, Plan { pieces: vec![piece(4096..4300, 0)], places: vec![128, 0, 192], bytes: 204 });
    }

    #[test]
    fn gaps_are_copied_only_up_to_the_allowed_size() {
        let parts = [4096..4160, 4224..4288, 8512..8576];
        let apart = plan(&parts, &[REGION], 0);
        assert_eq!(apart.pieces, [piece(4096..4160, 0), piece(4224..4288, 256), piece(8512..8576, 512)]);
        let joined = plan(&parts, &[REGION], 4096);
        assert_eq!(joined.pieces, [piece(4096..4288, 0), piece(8512..8576, 256)]);
        assert_eq!(joined.places, [0, 128, 256]);
    }

    #[test]
    fn a_part_that_would_lie_unaligned_begins_a_piece() {
        let planned = plan(&[4096..4100, 4100..4228, 4228..4240], &[REGION], 4096);
        assert_eq!(planned.pieces, [piece(4096..4100, 0), piece(4100..4240, 256)]);
        assert_eq!(planned.places, [0, 256, 384]);
    }

    #[test]
    fn pieces_stay_in_their_region() {
        let parts = [4032..4096, 4096..4160, 65472..65536, 65536..65600];
        let planned = plan(&parts, &[REGION, 65536..65600], 4096);
        assert_eq!(planned.pieces.iter().map(|piece| piece.host.clone()).collect::<Vec<_>>(), parts);
    }

    #[test]
    fn what_is_bound_twice_is_copied_once() {
        let planned = plan(&[4096..4352, 4160..4224, 4096..4352], &[REGION], 0);
        assert_eq!(planned, Plan { pieces: vec![piece(4096..4352, 0)], places: vec![0, 64, 0], bytes: 256 });
    }

    /// Whatever the parts are: each is in exactly one piece at its place, places are aligned and apart, and without gaps no other byte is copied.
    #[test]
    fn random_parts_are_each_copied_whole_and_once() {
        let mut state = 7u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % below
        };
        for round in 0..200 {
            let gap = [0, 4096][round % 2];
            let mut at = REGION.start;
            let mut parts = Vec::new();
            while at < REGION.end - 2000 {
                at += [0, 0, 64, 4, 1000][random(5)];
                let bytes = 4 * (1 + random(100));
                parts.push(at..at + bytes);
                at += [bytes, bytes.next_multiple_of(64)][random(2)];
            }
            for index in (1..parts.len()).rev() {
                parts.swap(index, random(index + 1));
            }
            let planned = plan(&parts, &[REGION], gap);
            for (part, place) in parts.iter().zip(&planned.places) {
                let holds = |piece: &&Piece| piece.host.start <= part.start && part.end <= piece.host.end;
                let holding: Vec<&Piece> = planned.pieces.iter().filter(holds).collect();
                assert_eq!(holding.len(), 1);
                assert_eq!(*place, holding[0].device + part.start - holding[0].host.start);
                assert!(place.is_multiple_of(ALIGNMENT));
            }
            for two in planned.pieces.windows(2) {
                assert!(two[0].host.end <= two[1].host.start && two[0].device + two[0].host.len() <= two[1].device);
            }
            let copied: usize = planned.pieces.iter().map(|piece| piece.host.len()).sum();
            let wanted: usize = parts.iter().map(ExactSizeIterator::len).sum();
            assert!(if gap == 0 { copied == wanted } else { copied >= wanted });
        }
    }
}
