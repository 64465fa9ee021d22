//! Imports of files that tests make, and of fixtures. One program: each would link all formats anew.

#![allow(clippy::unwrap_used)]

mod common;
#[allow(dead_code)]
#[path = "../../src/random.rs"]
mod random;

mod account;
mod arrays;
mod beside_data;
mod broken;
mod choices;
mod columns;
mod contradictions;
mod folders;
mod formats;
mod forms;
mod fuzz;
mod hub;
mod image_files;
mod known_sets;
mod label_files;
mod label_tables;
mod labels;
mod look_alikes;
mod records;
mod shards;
mod tables;
mod text_columns;
mod text_forms;
mod texts;
mod tokens;
