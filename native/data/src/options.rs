//! Choices for an import, as contract/verdict.ts describes them; everything has a default that follows from the files.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::member_names::NameEncoding;
use crate::pixel_range::PixelRange;
use crate::pixels::Reading;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// One size, decoded once.
    Array,
    /// The files as they are, decoded when they are read.
    Encoded,
}

/// Which images are left out that are there several times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Options {
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_cut: Option<bool>,
    /// Image files are turned upright as EXIF says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orient: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicates: Option<Duplicates>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize: Option<Resize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<u8>,
    /// Which values are black and white: `0:4095`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leave_out: Option<String>,
    /// Of several configurations that a README.md tells of, the one that is imported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configuration: Option<String>,
    /// A split of another name than training, validation or test that is trained on too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_on: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split_level: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_level: Option<u32>,
    /// Of a zip's members whose names are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_encoding: Option<NameEncoding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_column: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_column: Option<String>,
    /// The value of a column of folds, or of splits that are numbers, that validates; `none`: a share of each class does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fold: Option<String>,
    /// Several labels of an image are one class of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub combine_labels: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_column: Option<String>,
    /// Endings of the files that are text: `txt,md`; `none` for files without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extensions: Option<String>,
    /// Of text that is no UTF-8, by its name in the WHATWG's list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vocabulary: Option<u32>,
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
