//! Choices for an import. Everything has a default that follows from the files; the verdict says which.
//!
//! The options of the app, its forms and the command line are made from the record here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::member_names::NameEncoding;
use crate::pixel_range::PixelRange;
use crate::pixels::Reading;

/// Formats that are recognised, by content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "DatasetFormat")]
pub enum Format {
    Idx,
    Cifar,
    ImageFolder,
    ImageTable,
    ImageArrays,
    ImageParquet,
    ImageShards,
    Text,
    Tokens,
}

impl Format {
    pub const ALL: [Self; 9] = [
        Self::Idx,
        Self::Cifar,
        Self::ImageFolder,
        Self::ImageTable,
        Self::ImageArrays,
        Self::ImageParquet,
        Self::ImageShards,
        Self::Text,
        Self::Tokens,
    ];

    /// What it reads, for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Idx => "MNIST-family IDX files",
            Self::Cifar => "CIFAR batches",
            Self::ImageFolder => "folders of images, one per class",
            Self::ImageTable => "a table or list of images and labels",
            Self::ImageArrays => "NumPy arrays of images and labels",
            Self::ImageParquet => "Parquet or Arrow files with images and labels",
            Self::ImageShards => "shards of images and labels (WebDataset, TFRecord, MDS, litdata)",
            Self::Text => "text (plain, JSON lines, CSV or Parquet)",
            Self::Tokens => "tokens as .npy or .bin files",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// One size, decoded once.
    Array,
    /// The files as they are, decoded when they are read.
    Encoded,
}

/// Which images are left out that are there several times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Duplicates {
    /// Those with different labels.
    Conflicts,
    /// These, and in training those that are in validation too.
    Training,
    /// These, and in validation those that are in training too.
    Validation,
}

/// How images of another size are brought to the one that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Resize {
    /// The shorter side to the size, then cut at the centre.
    Crop,
    Stretch,
    /// The longer side to the size, then padded with black.
    Pad,
}

/// How the values of a colour image follow one another in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// [H,W,C]
    Pixels,
    /// [C,H,W]
    Planes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenType {
    Uint16,
    Uint32,
}

/// Type of the tokens in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Element {
    Uint8,
    Uint16,
    Uint32,
    Int32,
    Int64,
}

impl Element {
    pub const ALL: [Self; 5] = [Self::Uint8, Self::Uint16, Self::Uint32, Self::Int32, Self::Int64];

    pub fn bytes(self) -> usize {
        match self {
            Self::Uint8 => 1,
            Self::Uint16 => 2,
            Self::Uint32 | Self::Int32 => 4,
            Self::Int64 => 8,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Uint8 => "uint8",
            Self::Uint16 => "uint16",
            Self::Uint32 => "uint32",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|element| element.name() == name)
    }

    /// As NumPy writes it, of any byte order; 64 bits without a sign hold the same tokens.
    pub fn of_descr(descr: &str) -> Option<Self> {
        match descr.get(1..)? {
            "u1" => Some(Self::Uint8),
            "u2" => Some(Self::Uint16),
            "u4" => Some(Self::Uint32),
            "i4" => Some(Self::Int32),
            "i8" | "u8" => Some(Self::Int64),
            _ => None,
        }
    }

    /// What holds all of its tokens.
    pub fn stored(self) -> TokenType {
        if self.bytes() <= 2 { TokenType::Uint16 } else { TokenType::Uint32 }
    }
}

impl TokenType {
    pub fn bytes(self) -> usize {
        match self {
            Self::Uint16 => 2,
            Self::Uint32 => 4,
        }
    }

    /// As NumPy writes it.
    pub fn descr(self) -> &'static str {
        match self {
            Self::Uint16 => "<u2",
            Self::Uint32 => "<u4",
        }
    }
}

/// Choices for an import. Forms and the command line show these descriptions.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "ImportOptions")]
pub struct Options {
    /// Format of the files; default: recognised by content
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Leave out samples that cannot be read or have no label, instead of refusing the import
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip: Option<bool>,
    /// Keep the readable part of truncated JPEG files, with the rest grey, instead of refusing them
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_cut: Option<bool>,
    /// Turn image files upright as their EXIF data says; default: as stored
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orient: Option<bool>,
    /// Equal images to leave out: conflicts: those with different labels; training or validation: also the copies in that split of images that
    /// are in both splits; default: none
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicates: Option<Duplicates>,
    /// Share of the samples for the validation split if the files have none; default: 0.1
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
    pub validation: Option<f64>,
    /// Seed of the choice of validation samples; default: 0
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// array: all images of one size, decoded by the import; encoded: the files as they are, decoded in training
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
    /// Height and width of the images in pixels; default: that of most images, or 224 if sizes differ much
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 8192))]
    pub size: Option<u32>,
    /// How images of another size are changed: crop cuts them at the centre, stretch distorts them, pad adds black; default: crop
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize: Option<Resize>,
    /// 1: grey, 3: colour; default: colour where any image has it
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = [1, 3]))]
    pub channels: Option<u8>,
    /// Values that become black and white, of arrays and of image files of 16 bits, such as 0:4095; default: the range of the data for arrays,
    /// 0:65535 for files
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
    /// Order of the values of a colour image in a row: pixel by pixel, or plane by plane
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// Folder to take files from, such as data/color; a star stands for any folder, and alone for all of a name in several; tables outside a
    /// folder of images count too; default: all folders
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub folder: Option<String>,
    /// Folder or file to leave out; a star stands for any folder, or for a part of a name
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub leave_out: Option<String>,
    /// Configuration to import, if README.md lists several
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    pub configuration: Option<String>,
    /// Split to train on besides the training split, such as unsupervised, or text of no split
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    pub train_on: Option<String>,
    /// Level of the folders that name the splits, from 1; 0: no such level; default: the level with names such as train and test
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 32))]
    pub split_level: Option<u32>,
    /// Level of the folders that name the classes, from 1; default: the first level below the splits whose names differ
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 32))]
    pub class_level: Option<u32>,
    /// Encoding of names in a zip that are not UTF-8; default: guessed from the names
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_encoding: Option<NameEncoding>,
    /// Table to import, or file of text or tokens, if there are several; a star stands for anything
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub table: Option<String>,
    /// Column or array with images
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    pub image_column: Option<String>,
    /// Column or array with labels
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    pub label_column: Option<String>,
    /// Fold to validate on: a value of the column of folds, or the number of a division; splits: 0, 1 and 2 are training, validation and test;
    /// none: validate on a share of each class
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub fold: Option<String>,
    /// Make each combination of several labels of an image one class
    #[serde(skip_serializing_if = "Option::is_none")]
    pub combine_labels: Option<bool>,
    /// Column, field or array with text or tokens
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    pub text_column: Option<String>,
    /// Endings of the text files, such as txt,md; none: files without an ending; default: chosen from the files
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    pub extensions: Option<String>,
    /// Encoding of text and tables that are not UTF-8, such as gbk, shift_jis or latin1; default: UTF-8, or as the byte order mark says
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub encoding: Option<String>,
    /// Tokenizer: bytes, bpe (trained on the dataset), or the path of a tokenizer.json; default: the tokenizer beside the text
    /// (tokenizer.json, or vocab.json with merges.txt), else bytes
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
    /// Size of the vocabulary for bpe; default: 4096
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub vocabulary: Option<u32>,
    /// Type of tokens in files without a header; default: guessed from the bytes
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtype: Option<Element>,
}

impl Options {
    pub fn skips(&self) -> bool {
        self.skip.unwrap_or(false)
    }

    /// How image files are read; a range that is none is refused where images are looked at.
    pub fn reading(&self) -> Reading {
        let range = self.range.as_deref().and_then(|range| PixelRange::parse(range).ok());
        Reading { keep_cut: self.keep_cut.unwrap_or(false), orient: self.orient.unwrap_or(false), range }
    }

    pub fn validation_share(&self) -> f64 {
        self.validation.unwrap_or(0.1)
    }

    pub fn resizing(&self) -> Resize {
        self.resize.unwrap_or(Resize::Crop)
    }
}
