//! The verdict about files before anything is imported: what was found, what is wrong with it, what the model will see. Field by field the
//! record of contract/verdict.ts.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine;
use schemars::JsonSchema;
use sdp_tokenizer::Tokenizer;
use serde::Serialize;

use crate::account::{Account, Line};
use crate::error::{Error, NOT_LOOKED_AT, Problem, Result, Severity};
use crate::images::{ImageSet, NO_LABEL, Raw, Split};
use crate::import::{ImportSpec, bad_text, choose_tokenizer, empty_split, too_few_tokens};
use crate::look::{Look, look, to_pixels};
use crate::options::{Format, Options, Storage};
use crate::pixels::{Header, Pixels};
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

/// What is found in files before anything is imported.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Null where nothing was recognised; then a problem says what was found.
    pub format: Option<Named>,
    /// Other formats that the files may be read as.
    pub alternatives: Vec<Named>,
    /// No error is left: an import with these options would begin.
    pub importable: bool,
    /// Everything was looked at; false: of many or large files a part, and the figures are estimates.
    pub exact: bool,
    /// Samples or tokens of each split; without what was found to be unreadable.
    pub train: u64,
    pub test: u64,
    /// Bytes that the import will take on the disk, estimated.
    pub bytes: u64,
    pub content: Option<Looked>,
    /// Columns of a table, or arrays, to choose from.
    pub columns: Vec<String>,
    pub problems: Vec<Problem>,
    pub previews: Vec<Preview>,
    /// Every file, with what becomes of it. Empty where the files could not be listed.
    pub account: Vec<Line>,
    /// The options with what was inferred filled in.
    pub options: Options,
    /// That the inspection took.
    pub seconds: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "FormatFound")]
pub struct Named {
    pub id: Format,
    pub title: &'static str,
}

impl From<Format> for Named {
    fn from(id: Format) -> Self {
        Self { id, title: id.title() }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[schemars(rename = "ContentFound")]
pub enum Looked {
    Images {
        /// With the samples of each that are imported where what cannot be read is left out.
        classes: Vec<Class>,
        /// How many images were looked at, and how many of them cannot be read.
        looked: usize,
        unreadable: usize,
        /// The most frequent sizes of what was looked at.
        sizes: Vec<Size>,
        /// What is stored, [C,H,W]; the sizes may differ where it is `encoded`.
        sample: [usize; 3],
        storage: Storage,
        mean: Vec<f64>,
        std: Vec<f64>,
    },
    Tokens {
        documents: u64,
        characters: u64,
        /// bytes, the name of a tokenizer.json, or `bpe`; `tokens` where the files are tokens already and no tokenizer of theirs is known.
        tokenizer: String,
        vocabulary: usize,
    },
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ClassFound")]
pub struct Class {
    pub name: String,
    pub train: u64,
    pub test: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SizeFound")]
pub struct Size {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub count: usize,
}

/// A sample as the model will see it, before normalisation.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Preview {
    Image {
        source: String,
        /// Class name; null where there is none.
        label: Option<String>,
        original: Extent,
        height: usize,
        width: usize,
        channels: usize,
        /// data:image/png;base64,... of the decoded and resized pixels; large pictures are made smaller.
        png: String,
        /// Of the normalised values.
        normalised: Range,
    },
    Text {
        source: String,
        /// The first tokens with the text of each.
        tokens: Vec<Token>,
    },
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ImageExtent")]
pub struct Extent {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ValueRange")]
pub struct Range {
    pub min: f64,
    pub max: f64,
    pub mean: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Token {
    pub id: u32,
    pub text: String,
}

/// `scratch` is a folder that does not exist yet; it is made where something must be unpacked, and removed.
pub fn inspect(paths: &[PathBuf], options: &Options, scratch: PathBuf) -> Result<Verdict> {
    let start = Instant::now();
    let target = Target { folder: scratch.clone(), shown: scratch.clone() };
    let spec = ImportSpec { paths: paths.to_vec(), options: options.clone(), target };
    let verdict = match Tree::open_as(paths, Scratch::new(scratch, UNPACKED), recognise::listing(options)) {
        Ok(mut tree) => judge(&spec, &mut tree),
        Err(error) => refused(error, options),
    };
    verdict.map(|verdict| Verdict { seconds: start.elapsed().as_secs_f64(), ..verdict })
}

/// Files that cannot be opened at all.
fn refused(error: Error, options: &Options) -> Result<Verdict> {
    match error {
        Error::Data(problem) => Ok(Verdict { problems: vec![*problem], ..empty(options) }),
        other => Err(other),
    }
}

fn empty(options: &Options) -> Verdict {
    Verdict {
        format: options.format.map(Named::from),
        alternatives: Vec::new(),
        importable: false,
        exact: false,
        train: 0,
        test: 0,
        bytes: 0,
        content: None,
        columns: Vec::new(),
        problems: Vec::new(),
        previews: Vec::new(),
        account: Vec::new(),
        options: options.clone(),
        seconds: 0.0,
    }
}

fn judge(spec: &ImportSpec, tree: &mut Tree) -> Result<Verdict> {
    let options = &spec.options;
    let unused = |tree: &Tree, what: &[What]| Account::default().close(tree, what);
    let chosen = match recognise::choose(tree, options) {
        Ok(chosen) => chosen,
        Err(error) => return Ok(Verdict { account: unused(tree, &[]), ..refused(error, options)? }),
    };
    let base = Verdict {
        format: Some(chosen.format.into()),
        alternatives: chosen.alternatives.iter().copied().map(Named::from).collect(),
        ..empty(options)
    };
    let what = &chosen.what;
    let judged = recognise::open(tree, &chosen, options, Some(LOOK)).and_then(|Found { content, problems }| {
        let base = Verdict {
            format: Some(chosen.format.into()),
            exact: !tree.is_partial(),
            problems,
            options: Options { format: Some(chosen.format), ..options.clone() },
            ..empty(options)
        };
        match content {
            Content::Images(set) => judge_images(spec, tree, what, &set, base),
            Content::Text(set) => Ok(Verdict { account: set.account(tree).close(tree, what), ..judge_text(spec, tree, &set, base)? }),
            Content::Tokens(set) => Ok(Verdict { account: set.account(tree).close(tree, what), ..judge_tokens(tree, &set, base)? }),
        }
    });
    let mut verdict = match judged {
        Ok(verdict) => Verdict { alternatives: base.alternatives, ..verdict },
        Err(error) => {
            let Verdict { problems, .. } = refused(error, options)?;
            let problems = problems.into_iter().map(|problem| recognise::offer_others(tree, &chosen, options, problem)).collect();
            return Ok(Verdict { problems, account: unused(tree, what), ..base });
        }
    };
    for problem in verdict.problems.iter_mut().filter(|problem| problem.code == "one-class") {
        *problem = recognise::offer_others(tree, &chosen, options, problem.clone());
    }
    recognise::settle(&mut verdict.problems, options);
    verdict.exact &= verdict.problems.iter().all(|problem| problem.code != NOT_LOOKED_AT);
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
    let sizes = shown_sizes(&sizes);
    let account = set.account(tree, &unreadable).close(tree, what);
    let unreadable = unreadable.len();
    let content = Looked::Images { classes, looked, unreadable, sizes, sample, storage: plan.storage, mean, std };
    let mut all = base.problems;
    all.append(&mut problems);
    if !exact {
        let others = set.splits.len().saturating_sub(looked);
        all.extend(Problem::not_looked_at(format!("{others} images were not looked at"), &spec.options));
    }
    let options = Options { storage: Some(plan.storage), channels: Some(plan.channels as u8), ..set.content.inferred(base.options) };
    refuse_empty(&mut all, [train, test]);
    Ok(Verdict {
        exact: base.exact && exact,
        train,
        test,
        bytes: (train + test) * (per_image + 8),
        // Without samples there is nothing to show.
        content: Some(content).filter(|_| train + test > 0),
        columns: set.columns.clone(),
        problems: all,
        previews,
        account,
        options,
        ..base
    })
}

/// A split without images is never ready: to leave out what is wrong is no remedy then, and an error says so where nothing else does.
/// `left`: training and validation images.
fn refuse_empty(problems: &mut Vec<Problem>, left: [u64; 2]) {
    let Some(empty) = left.iter().position(|count| *count == 0) else { return };
    if left == [0, 0] {
        problems.retain(|problem| problem.severity != Severity::Note);
    }
    for problem in problems.iter_mut() {
        problem.remedies.retain(|remedy| remedy.action != "skip");
    }
    if problems.iter().all(|problem| problem.severity != Severity::Error) {
        problems.push(empty_split(empty));
    }
}

/// The most frequent sizes.
fn shown_sizes(headers: &[(Header, usize)]) -> Vec<Size> {
    let mut sizes: Vec<Size> = Vec::new();
    for (header, count) in headers {
        let Header { height, width, channels, .. } = *header;
        match sizes.iter().position(|size| (size.height, size.width, size.channels) == (height, width, channels)) {
            Some(known) => sizes[known].count += count,
            None if sizes.len() < 12 => sizes.push(Size { height, width, channels, count: *count }),
            None => {}
        }
    }
    sizes.sort_by_key(|size| std::cmp::Reverse(size.count));
    sizes
}

/// The first samples of the classes in turn where samples are files, else the first of the source.
fn preview_images(spec: &ImportSpec, tree: &Tree, set: &ImageSet, sample: [usize; 3], mean: &[f64], std: &[f64]) -> Result<Vec<Preview>> {
    let mut previews = Vec::new();
    let end = Instant::now() + LOOK;
    let enough = |shown: &[Preview]| shown.len() >= PREVIEWS || (!shown.is_empty() && Instant::now() > end);
    let show = |at: usize, raw: Raw| -> Option<Preview> {
        let (pixels, _) = to_pixels(tree, raw, &spec.options, None).ok()?;
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
    // Bytes of the files of which the tokens were counted.
    let mut counted = 0;
    let mut previews = Vec::new();
    let mut whole = true;
    let mut begins = true;
    let end = Instant::now() + LOOK;
    let read = until_enough(set.pieces(tree, &spec.options, &mut |piece, at| {
        if begins && previews.len() < PREVIEWS {
            previews.push(preview_text(&tokenizer, &piece)?);
        }
        begins = piece.last;
        documents += u64::from(piece.last);
        characters += piece.text.chars().count() as u64;
        (bytes, through) = (bytes + piece.text.len(), at);
        // Behind so much text it is only read, to find what cannot be.
        if counted == 0 || bytes < TEXT {
            let ended = u64::from(piece.last && tokenizer.end().is_some());
            tokens[usize::from(piece.test)] += tokenizer.encode(&piece.text).map_err(bad_text)?.len() as u64 + ended;
            counted = at;
        }
        whole = bytes < TEXT || Instant::now() < end;
        if whole { Ok(()) } else { Err(Error::Cancelled) }
    }));
    let mut problems = base.problems;
    problems.append(&mut set.told());
    match read {
        Err(Error::Data(problem)) => {
            whole = false;
            problems.push(*problem);
        }
        Ok(()) if !whole => {
            let percent = (through as f64 / set.bytes.max(1) as f64 * 100.0).floor();
            problems.extend(Problem::not_looked_at(format!("the text behind the first {percent} % was not looked at"), &spec.options));
        }
        read => read?,
    }
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
    let scaled =
        |count: u64, of: u64| if of == 0 { count } else { (count as f64 * (set.bytes as f64 / of as f64).max(1.0)).round() as u64 };
    let all_counted = whole && bytes < TEXT;
    let total = if all_counted { tokens[0] + tokens[1] } else { scaled(tokens[0] + tokens[1], counted) };
    // What is kept for validation may lie behind what was looked at.
    let test = if all_counted { tokens[1] } else { (total as f64 * set.validation_share(tree, &spec.options)) as u64 };
    if all_counted && tokens[0].min(tokens[1]) < 2 {
        problems.push(too_few_tokens(tokens[0], tokens[1]));
    }
    let vocabulary = tokenizer.vocabulary();
    let token_bytes = if vocabulary <= 1 << 16 { 2 } else { 4 };
    let estimate = |count: u64| if whole { count } else { scaled(count, through) };
    let content = Looked::Tokens { documents: estimate(documents), characters: estimate(characters), tokenizer: name, vocabulary };
    Ok(Verdict {
        exact: base.exact && all_counted,
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
    let end = Instant::now() + LOOK;
    let mut largest = 0;
    let mut seen = 0;
    let mut shown: Vec<(String, Vec<u32>)> = Vec::new();
    until_enough(set.chunks(tree, &mut |tokens, _, place| {
        let parts = tokens.chunks(PREVIEW_TOKENS).take(PREVIEWS - shown.len());
        shown.extend(parts.map(|part| (place.file.clone(), part.to_vec())));
        seen += tokens.len();
        largest = tokens.iter().copied().fold(largest, u32::max);
        if seen < TEXT || (set.may_have_bad_tokens() && Instant::now() < end) { Ok(()) } else { Err(Error::Cancelled) }
    }))?;
    let mut problems = base.problems;
    if set.may_have_bad_tokens() && (seen as u64) < set.train + set.test {
        let sentence = format!("the tokens behind the first {seen} were not looked at; one below 0 or beyond 32 bits ends the import");
        problems.push(Problem::note(NOT_LOOKED_AT, sentence));
    }
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
