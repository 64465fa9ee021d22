//! Recognition, inspection, import and decoding of datasets. See src-main/contract/verdict.ts for what a verdict says.

mod archive;
mod arrays;
pub mod augment;
mod cifar;
pub mod error;
mod folder;
mod idx;
mod image_parquet;
mod image_table;
mod images;
pub mod import;
pub mod inspect;
mod look;
pub mod npy;
pub mod options;
mod parquet_file;
pub mod pickle;
mod pipeline;
pub mod pixels;
mod recognise;
pub mod sampling;
mod sniff;
pub mod store;
mod table;
mod text;
mod tokens;
pub mod tree;
