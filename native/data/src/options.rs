//! Choices for an import, as contract/verdict.ts describes them; everything has a default that follows from the files.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    Idx,
    Cifar,
    ImageFolder,
    ImageTable,
    ImageArrays,
    ImageParquet,
    Text,
    Tokens,
}

impl Format {
    pub const ALL: [Self; 8] =
        [Self::Idx, Self::Cifar, Self::ImageFolder, Self::ImageTable, Self::ImageArrays, Self::ImageParquet, Self::Text, Self::Tokens];

    /// What it reads, for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Idx => "MNIST-family IDX files",
            Self::Cifar => "CIFAR batches",
            Self::ImageFolder => "folders of images, one per class",
            Self::ImageTable => "a table (CSV or JSON lines) of images and labels",
            Self::ImageArrays => "NumPy arrays of images and labels",
            Self::ImageParquet => "Parquet files with images and labels",
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

/// How images of another size are brought to the one that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resize {
    /// The shorter side to the size, then cut at the centre.
    Crop,
    Stretch,
    /// The longer side to the size, then padded with black.
    Pad,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenType {
    Uint16,
    Uint32,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leave_out: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split_level: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_level: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_column: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_column: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_column: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vocabulary: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtype: Option<TokenType>,
}

impl Options {
    pub fn skips(&self) -> bool {
        self.skip.unwrap_or(false)
    }

    pub fn keeps_cut(&self) -> bool {
        self.keep_cut.unwrap_or(false)
    }

    pub fn validation_share(&self) -> f64 {
        self.validation.unwrap_or(0.1)
    }

    pub fn resizing(&self) -> Resize {
        self.resize.unwrap_or(Resize::Crop)
    }
}
