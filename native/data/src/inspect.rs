//! The verdict about files before anything is imported: what was found, what is wrong with it, what the model will see. Field by field the
//! record of contract/verdict.ts.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine;
use sdp_tokenizer::Tokenizer;
use serde::Serialize;

use crate::account::Line;
use crate::error::{Error, Problem, Result, Severity};
use crate::images::{ImageSet, NO_LABEL, Raw, Split};
use crate::import::{ImportSpec, bad_text, choose_tokenizer, too_few_tokens};
use crate::look::{Look, look, to_pixels};
use crate::options::{Format, Options, Storage};
use crate::pixels::Pixels;
use crate::recognise::{self, Content, Found};
use crate::sniff::What;
use crate::store::Target;
use crate::text::{TextSet, until_enough};
use crate::tokens::TokenSet;
use crate::tree::{Scratch, Tree};

/// Samples that are shown.
const PREVIEWS: usize = 20;
/// Tokens of each that are shown.
const PREVIEW_TOKENS: usize = 64;
/// Longest side of a picture that is shown.
const PREVIEW_SIDE: usize = 256;
/// Time for decoding images, and once more for those that are shown.
const LOOK: Duration = Duration::from_millis(2000);
/// An archive is unpacked up to this size to look at it, bytes.
const UNPACKED: u64 = 2 << 30;
/// Text that is looked at, bytes.
const TEXT: usize = 4 << 20;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    pub format: Option<Named>,
    pub alternatives: Vec<Named>,
    pub importable: bool,
    pub exact: bool,
    pub train: u64,
    pub test: u64,
    pub bytes: u64,
    pub content: Option<Looked>,
    pub columns: Vec<String>,
    pub problems: Vec<Problem>,
    pub previews: Vec<Preview>,
    /// Every file, with what becomes of it.
    pub account: Vec<Line>,
    pub options: Options,
    pub seconds: f64,
}

#[derive(Debug, Serialize)]
pub struct Named {
    pub id: Format,
    pub title: &'static str,
}

impl From<Format> for Named {
    fn from(id: Format) -> Self {
        Self { id, title: id.title() }
    }
}

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Looked {
    Images {
        classes: Vec<Class>,
        looked: usize,
        unreadable: usize,
        sizes: Vec<Size>,
        sample: [usize; 3],
        storage: Storage,
        mean: Vec<f64>,
        std: Vec<f64>,
    },
    Tokens {
        documents: u64,
        characters: u64,
        tokenizer: String,
        vocabulary: usize,
    },
}

#[derive(Debug, Serialize)]
pub struct Class {
    pub name: String,
    pub train: u64,
    pub test: u64,
}

#[derive(Debug, Serialize)]
pub struct Size {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub count: usize,
}

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Preview {
    Image {
        source: String,
        label: Option<String>,
        original: Extent,
        height: usize,
        width: usize,
        channels: usize,
        png: String,
        normalised: Range,
    },
    Text {
        source: String,
        tokens: Vec<Token>,
    },
}

#[derive(Debug, Serialize)]
pub struct Extent {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

#[derive(Debug, Serialize)]
pub struct Range {
    pub min: f64,
    pub max: f64,
    pub mean: f64,
}

#[derive(Debug, Serialize)]
pub struct Token {
    pub id: u32,
    pub text: String,
}

/// `scratch` is a folder that does not exist yet; it is made where something must be unpacked, and removed.
pub fn inspect(paths: &[PathBuf], options: &Options, scratch: PathBuf) -> Result<Verdict> {
    let start = Instant::now();
    let target = Target { folder: scratch.clone(), shown: scratch.clone() };
    let spec = ImportSpec { paths: paths.to_vec(), options: options.clone(), target };
    let opened = Tree::open_as(paths, Scratch::new(scratch, UNPACKED), recognise::listing(options));
    let chosen = opened.and_then(|tree| Ok((recognise::choose(&tree, options)?, tree)));
    let (mut format, mut alternatives) = (options.format.map(Named::from), Vec::new());
    let judged = chosen.and_then(|(chosen, tree)| {
        format = Some(chosen.format.into());
        alternatives = chosen.alternatives.iter().copied().map(Named::from).collect();
        judge(&spec, recognise::open(tree, chosen, options)?)
    });
    let verdict = judged.or_else(|error| match error {
        Error::Data(problem) => Ok(Verdict { format, alternatives, ..refused(*problem, options) }),
        other => Err(other),
    });
    verdict.map(|verdict| Verdict { seconds: start.elapsed().as_secs_f64(), ..verdict })
}

/// Files that cannot be opened at all.
fn refused(problem: Problem, options: &Options) -> Verdict {
    Verdict {
        format: None,
        alternatives: Vec::new(),
        importable: false,
        exact: false,
        train: 0,
        test: 0,
        bytes: 0,
        content: None,
        columns: Vec::new(),
        problems: vec![problem],
        previews: Vec::new(),
        account: Vec::new(),
        options: options.clone(),
        seconds: 0.0,
    }
}

fn judge(spec: &ImportSpec, found: Found) -> Result<Verdict> {
    let Found { tree, format, alternatives, content, what, problems } = found;
    let empty = refused(Problem::note("", ""), &spec.options);
    let base = Verdict {
        format: Some(format.into()),
        alternatives: alternatives.into_iter().map(Named::from).collect(),
        exact: !tree.is_partial(),
        problems,
        options: Options { format: Some(format), ..spec.options.clone() },
        ..empty
    };
    let mut verdict = match content {
        Content::Images(set) => judge_images(spec, &tree, &what, &set, base)?,
        Content::Text(set) => Verdict { account: set.account(&tree).close(&tree, &what), ..judge_text(spec, &tree, &set, base)? },
        Content::Tokens(set) => Verdict { account: set.account(&tree).close(&tree, &what), ..judge_tokens(&tree, &set, base)? },
    };
    recognise::settle(&mut verdict.problems, &spec.options);
    verdict.problems.sort_by_key(|problem| problem.severity as u8);
    verdict.importable = verdict.problems.iter().all(|problem| problem.severity != Severity::Error);
    Ok(verdict)
}

fn judge_images(spec: &ImportSpec, tree: &Tree, what: &[What], set: &ImageSet, base: Verdict) -> Result<Verdict> {
    let Look { plan, sizes, mut problems, exact, looked, unreadable, moments, encoded } = look(tree, set, &spec.options, Some(LOOK))?;
    let (mean, std) = moments.statistics();
    let counts = [Split::Train, Split::Test].map(|split| set.per_class_without(split, &unreadable));
    let total = |counts: &[u64]| counts.iter().sum::<u64>();
    let (train, test) = (total(&counts[0]), total(&counts[1]));
    let sample = [plan.channels, plan.height, plan.width];
    let per_image = match plan.storage {
        Storage::Array => sample.iter().product::<usize>() as u64,
        Storage::Encoded => encoded.0 / (encoded.1 as u64).max(1),
    };
    let classes = set.class_names.iter().zip(counts[0].iter().zip(&counts[1]));
    let classes = classes.map(|(name, (&train, &test))| Class { name: name.clone(), train, test }).collect();
    let previews = preview_images(spec, tree, set, sample, &mean, &std)?;
    let sizes = sizes.iter().take(12).map(|(header, count)| Size {
        height: header.height,
        width: header.width,
        channels: header.channels,
        count: *count,
    });
    let account = set.account(tree, &unreadable).close(tree, what);
    let (sizes, unreadable) = (sizes.collect(), unreadable.len());
    let content = Looked::Images { classes, looked, unreadable, sizes, sample, storage: plan.storage, mean, std };
    let mut all = base.problems;
    all.append(&mut problems);
    let options = Options { storage: Some(plan.storage), channels: Some(plan.channels as u8), ..set.content.inferred(base.options) };
    Ok(Verdict {
        exact: base.exact && exact,
        train,
        test,
        bytes: (train + test) * (per_image + 8),
        content: Some(content),
        columns: set.columns.clone(),
        problems: all,
        previews,
        account,
        options,
        ..base
    })
}

/// The first samples of the classes in turn where samples are files, else the first of the source.
fn preview_images(spec: &ImportSpec, tree: &Tree, set: &ImageSet, sample: [usize; 3], mean: &[f64], std: &[f64]) -> Result<Vec<Preview>> {
    let mut previews = Vec::new();
    let end = Instant::now() + LOOK;
    let enough = |shown: &[Preview]| shown.len() >= PREVIEWS || (!shown.is_empty() && Instant::now() > end);
    let show = |at: usize, raw: Raw| -> Option<Preview> {
        let (pixels, _) = to_pixels(tree, raw, &spec.options).ok()?;
        let original = Extent { height: pixels.height, width: pixels.width, channels: pixels.channels };
        let [channels, height, width] = sample;
        let pixels = pixels.with_channels(channels).resized(height, width, spec.options.resizing());
        let values =
            pixels.data.iter().enumerate().map(|(at, &pixel)| (f64::from(pixel) / 255.0 - mean[at % channels]) / std[at % channels]);
        let (min, max, sum) = values.fold((f64::MAX, f64::MIN, 0.0), |(min, max, sum), x| (x.min(min), x.max(max), sum + x));
        let place = set.content.place(tree, at);
        let source = place.row.map_or(place.file.clone(), |row| format!("{} row {row}", place.file));
        let label = set.class_names.get(set.labels[at] as usize).filter(|_| set.labels[at] != NO_LABEL).cloned();
        let normalised = Range { min, max, mean: sum / pixels.data.len().max(1) as f64 };
        let png = format!("data:image/png;base64,{}", base64::engine::general_purpose::STANDARD.encode(made_small(pixels).png()));
        Some(Preview::Image { source, label, original, height, width, channels, png, normalised })
    };
    if set.content.entry(0).is_some() {
        for at in in_turn(set) {
            if !enough(&previews) {
                previews.extend(set.content.entry(at).and_then(|entry| show(at, Raw::Entry(entry))));
            }
        }
        return Ok(previews);
    }
    let mut at = 0;
    until_enough(set.content.stream(tree, 0, &mut |raw| {
        previews.extend(show(at, raw));
        at += 1;
        if at < PREVIEWS && !enough(&previews) { Ok(()) } else { Err(Error::Cancelled) }
    }))?;
    Ok(previews)
}

/// A picture that is not too large to be sent to a page.
fn made_small(pixels: Pixels) -> Pixels {
    let longest = pixels.height.max(pixels.width);
    if longest <= PREVIEW_SIDE {
        return pixels;
    }
    let side = |extent: usize| (extent * PREVIEW_SIDE / longest).max(1);
    pixels.scaled((0.0, 0.0, pixels.height as f64, pixels.width as f64), side(pixels.height), side(pixels.width))
}

/// Samples of all classes in turn, from the first of each.
fn in_turn(set: &ImageSet) -> Vec<usize> {
    let mut of_class = vec![Vec::new(); set.class_names.len()];
    for (sample, &label) in set.labels.iter().enumerate() {
        if let Some(samples) = of_class.get_mut(label as usize).filter(|samples| samples.len() < PREVIEWS) {
            samples.push(sample);
        }
    }
    (0..PREVIEWS).flat_map(|turn| of_class.iter().filter_map(move |samples| samples.get(turn).copied())).take(PREVIEWS).collect()
}

fn judge_text(spec: &ImportSpec, tree: &Tree, set: &TextSet, base: Verdict) -> Result<Verdict> {
    let (name, tokenizer) = choose_tokenizer(spec, tree, set, TEXT)?;
    let (mut documents, mut characters, mut bytes, mut through) = (0u64, 0u64, 0usize, 0u64);
    let mut tokens = [0u64; 2];
    let mut previews = Vec::new();
    let mut whole = true;
    let mut begins = true;
    until_enough(set.pieces(tree, &spec.options, &mut |piece, at| {
        if begins && previews.len() < PREVIEWS {
            previews.push(preview_text(&tokenizer, &piece)?);
        }
        begins = piece.last;
        documents += u64::from(piece.last);
        characters += piece.text.chars().count() as u64;
        (bytes, through) = (bytes + piece.text.len(), at);
        let ended = u64::from(piece.last && tokenizer.end().is_some());
        tokens[usize::from(piece.test)] += tokenizer.encode(&piece.text).map_err(bad_text)?.len() as u64 + ended;
        whole = bytes < TEXT;
        if whole { Ok(()) } else { Err(Error::Cancelled) }
    }))?;
    let mut problems = base.problems;
    if tokenizer.end().is_none() {
        problems.push(Problem::warning(
            "no-end-of-text",
            format!("{name} has no end-of-text token; documents follow each other without a mark"),
        ));
    }
    if name == "bytes" {
        let remedy = |vocabulary| Options { tokenizer: Some("bpe".into()), vocabulary: Some(vocabulary), ..Options::default() };
        let note = Problem::note("bytes", "every byte is a token; a tokenizer makes sequences several times shorter");
        let note = note.with("tokenizer", "Train a BPE of 4,096", remedy(4096)).with("tokenizer", "Train a BPE of 16,384", remedy(16384));
        problems.push(note);
    }
    let scale = if whole || through == 0 { 1.0 } else { set.bytes as f64 / through as f64 };
    let estimate = |count: u64| (count as f64 * scale).round() as u64;
    let total = estimate(tokens[0] + tokens[1]);
    // What is kept for validation may lie behind what was looked at.
    let test = if whole { tokens[1] } else { (total as f64 * spec.options.validation_share()) as u64 };
    if whole && tokens[0].min(tokens[1]) < 2 {
        problems.push(too_few_tokens(tokens[0], tokens[1]));
    }
    let vocabulary = tokenizer.vocabulary();
    let token_bytes = if vocabulary <= 1 << 16 { 2 } else { 4 };
    let content = Looked::Tokens { documents: estimate(documents), characters: estimate(characters), tokenizer: name, vocabulary };
    Ok(Verdict {
        exact: base.exact && whole,
        train: total - test,
        test,
        bytes: total * token_bytes,
        content: Some(content),
        columns: set.columns.clone(),
        problems,
        previews,
        ..base
    })
}

fn preview_text(tokenizer: &Tokenizer, piece: &crate::text::Piece) -> Result<Preview> {
    let end = piece.text.char_indices().nth(PREVIEW_TOKENS * 8).map_or(piece.text.len(), |(at, _)| at);
    let tokens =
        tokenizer.preview(&piece.text[..end], PREVIEW_TOKENS).map_err(bad_text)?.into_iter().map(|(id, text)| Token { id, text }).collect();
    let source = piece.place.row.map_or(piece.place.file.clone(), |row| format!("{} row {row}", piece.place.file));
    Ok(Preview::Text { source, tokens })
}

fn judge_tokens(tree: &Tree, set: &TokenSet, base: Verdict) -> Result<Verdict> {
    let mut largest = 0;
    let mut seen = 0;
    let mut shown: Vec<(String, Vec<u32>)> = Vec::new();
    until_enough(set.chunks(tree, &mut |tokens, _, place| {
        let parts = tokens.chunks(PREVIEW_TOKENS).take(PREVIEWS - shown.len());
        shown.extend(parts.map(|part| (place.file.clone(), part.to_vec())));
        seen += tokens.len();
        largest = tokens.iter().copied().fold(largest, u32::max);
        if seen < TEXT { Ok(()) } else { Err(Error::Cancelled) }
    }))?;
    let mut problems = base.problems;
    let fitting = set.tokenizer(tree, u64::from(largest) + 1)?.unwrap_or_else(|unfit| {
        problems.push(unfit);
        None
    });
    let text = |id: u32| fitting.as_ref().and_then(|(_, tokenizer)| tokenizer.decode(&[id]).ok()).unwrap_or_default();
    let preview = |(source, tokens): (String, Vec<u32>)| {
        let tokens = tokens.into_iter().map(|id| Token { id, text: text(id) }).collect();
        Preview::Text { source, tokens }
    };
    let previews = shown.into_iter().map(preview).collect();
    let whole = seen as u64 == set.train + set.test;
    let (tokenizer, vocabulary) = match &fitting {
        Some((name, tokenizer)) => (name.clone(), tokenizer.vocabulary()),
        None => ("tokens".into(), largest as usize + 1),
    };
    let content = Looked::Tokens { documents: 0, characters: 0, tokenizer, vocabulary };
    let bytes = (set.train + set.test) * set.kind.bytes() as u64;
    let columns = set.columns.clone();
    let (train, test) = (set.train, set.test);
    Ok(Verdict { exact: base.exact && whole, train, test, bytes, content: Some(content), columns, problems, previews, ..base })
}
