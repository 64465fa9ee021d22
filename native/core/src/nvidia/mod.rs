//! What can be known of NVIDIA's side without running anything on a card: its libraries (`library`), and its cards by the driver's
//! management library (`cards`).

pub mod cards;
pub mod library;
