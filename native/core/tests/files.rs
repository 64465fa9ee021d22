//! Files that the engine writes and reads: states as safetensors, datasets, recorded batches; good ones and bad ones.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use common::{MOMENTS, TestTensor, layout_json, npy};
use safetensors::SafeTensors;
use sdp_core::error::Error;
use sdp_core::loader::{Batch, Loader, Samples};
use sdp_core::spec::{Augmentation, BatchSource, Encoded, ImageReading, Mixing, Reading};
use sdp_core::state::{self, Int64Tensor, WriteOptions};
use sdp_core::store::{Area, Store};
use sdp_data::augment;
use sdp_data::options::Resize;
use sdp_data::pixels::Pixels;

fn store(folder: &Path, name: &str, masked: bool) -> Store {
    let holders = |rows: usize| (0..rows).map(|row| vec![row % 2]).collect();
    let whole = vec![vec![0, 1]];
    let tensors = [
        TestTensor {
            name: "conv",
            kind: "parameter",
            shape: vec![2, 3, 2],
            axis: masked.then_some(1),
            holders: if masked { holders(3) } else { whole.clone() },
        },
        TestTensor { name: "bias", kind: "parameter", shape: vec![4], axis: None, holders: whole.clone() },
        TestTensor { name: "running", kind: "buffer", shape: vec![3], axis: None, holders: whole },
    ];
    Store::create(&folder.join(name), &layout_json(&tensors, 2, 1, &MOMENTS)).unwrap()
}

fn count_up(store: &Store) {
    for (area, first) in [(Area::Values, 0.5), (Area::Slot(0), 100.5), (Area::Slot(1), 200.5), (Area::Statistics, 300.5)] {
        store.write(area, 0..store.size(area)).iter_mut().enumerate().for_each(|(i, x)| *x = first + i as f32);
    }
}

fn tensor(path: &Path, name: &str) -> (Vec<usize>, Vec<f32>) {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let view = file.tensor(name).unwrap();
    (view.shape().to_vec(), view.data().as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect())
}

/// The tensors of a store as they are, whatever its layout.
fn tensors(store: &Store, area: Area) -> Vec<Vec<f32>> {
    let stored = store.layout().tensors.iter().filter(|tensor| tensor.offset + tensor.size() <= store.size(area));
    let library = |tensor: &sdp_core::layout::Tensor| {
        let mut library = vec![0.0; tensor.size()];
        tensor.to_library(store.read(area, tensor.offset..tensor.offset + tensor.size()), &mut library);
        library
    };
    stored.map(library).collect()
}

#[test]
fn values_go_out_and_come_back_in_library_layout_whatever_the_masks() {
    let folder = tempfile::tempdir().unwrap();
    let (masked, whole) = (store(folder.path(), "a", true), store(folder.path(), "b", false));
    count_up(&masked);
    let path = folder.path().join("values.safetensors");
    state::write_values(&masked, &path, &WriteOptions::default()).unwrap();
    assert_eq!(tensor(&path, "conv"), (vec![2, 3, 2], vec![0.5, 1.5, 4.5, 5.5, 8.5, 9.5, 2.5, 3.5, 6.5, 7.5, 10.5, 11.5]));
    state::read_values(&whole, &path, None).unwrap();
    assert_eq!(tensors(&whole, Area::Values), tensors(&masked, Area::Values));

    let path = folder.path().join("optimizer.safetensors");
    state::write_optimizer(&masked, &path).unwrap();
    assert_eq!(tensor(&path, "exp_avg_sq/bias"), (vec![4], vec![216.5, 217.5, 218.5, 219.5]));
    state::read_optimizer(&whole, &path, None).unwrap();
    for slot in [Area::Slot(0), Area::Slot(1)] {
        assert_eq!(tensors(&whole, slot), tensors(&masked, slot));
    }
}

#[test]
fn exports_carry_scales_statistics_scalars_and_metadata() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), "a", true);
    count_up(&store);
    let path = folder.path().join("export.safetensors");
    let options = WriteOptions {
        scales: HashMap::from([("bias".into(), 0.5)]),
        statistics: true,
        int64: vec![
            Int64Tensor { name: "num_batches_tracked".into(), shape: vec![], values: vec![7] },
            Int64Tensor { name: "index".into(), shape: vec![3], values: vec![2, 0, -1] },
        ],
        metadata: BTreeMap::from([("format".into(), "pt".into())]),
        tensors: None,
    };
    state::write_values(&store, &path, &options).unwrap();
    assert_eq!(tensor(&path, "bias").1, [8.25, 8.75, 9.25, 9.75]);
    assert_eq!(tensor(&path, "running").1, [300.5, 301.5, 302.5]);
    let bytes = std::fs::read(&path).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!(header.metadata().as_ref().unwrap()["format"], "pt");
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let scalar = file.tensor("num_batches_tracked").unwrap();
    assert_eq!((scalar.shape(), scalar.data()), (&[][..], &7i64.to_le_bytes()[..]));
    let vector = file.tensor("index").unwrap();
    assert_eq!((vector.shape(), vector.data()), (&[3][..], &[2i64, 0, -1].map(i64::to_le_bytes).concat()[..]));
    let part = WriteOptions { tensors: Some(vec!["bias".into()]), ..WriteOptions::default() };
    state::write_values(&store, &path, &part).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(SafeTensors::deserialize(&bytes).unwrap().names(), ["bias"]);
}

#[test]
fn a_checkpoint_of_another_model_changes_nothing_and_says_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let (store, other) = (store(folder.path(), "a", false), folder.path().join("other.safetensors"));
    let name = other.display();
    let header = |text: &str, data: usize| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes(), &vec![0; data]].concat();
    let conv = r#""conv":{"dtype":"F32","shape":[2,3,2],"data_offsets":[0,48]}"#;
    for (bytes, expected) in [
        (header(&format!("{{{conv}}}"), 48), format!("{name} has no tensor bias")),
        (
            header(&format!(r#"{{{conv},"bias":{{"dtype":"F32","shape":[2],"data_offsets":[48,56]}}}}"#), 56),
            format!("bias in {name} is F32 [2], expected F32 [4]"),
        ),
        (
            header(&format!(r#"{{{conv},"bias":{{"dtype":"I64","shape":[4],"data_offsets":[48,80]}}}}"#), 80),
            format!("bias in {name} is I64 [4], expected F32 [4]"),
        ),
        (header("{}", 0)[..7].to_vec(), format!("{name} is not a safetensors file: header too small")),
    ] {
        std::fs::write(&other, bytes).unwrap();
        store.write(Area::Values, 0..4).fill(3.0);
        assert_eq!(state::read_values(&store, &other, None), Err(Error::Checkpoint(expected)));
        assert_eq!(store.read(Area::Values, 0..4), [3.0; 4]);
    }
    let missing = folder.path().join("none");
    assert_eq!(state::read_values(&store, &missing, None), Err(Error::Checkpoint(format!("there is no file {}", missing.display()))));
}

#[test]
fn a_file_whose_bytes_have_changed_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (store, path) = (store(folder.path(), "a", true), folder.path().join("optimizer.safetensors"));
    count_up(&store);
    let digest = state::write_optimizer(&store, &path).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    assert_eq!(digest, blake3::hash(&bytes).to_hex().as_str());
    assert_eq!(state::digest(&path), Ok(digest.clone()));
    state::read_optimizer(&store, &path, Some(&digest)).unwrap();
    let middle = bytes.len() - 20;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    store.write(Area::Slot(0), 0..4).fill(3.0);
    let expected = format!("{} is damaged: its bytes are not those that were written", path.display());
    assert_eq!(state::read_optimizer(&store, &path, Some(&digest)), Err(Error::Checkpoint(expected)));
    assert_eq!(store.read(Area::Slot(0), 0..4), [3.0; 4]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_in_one_sentence_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), "a", false);
    let path = folder.path().join("values.safetensors");
    // Every write to /dev/full fails with "no space left"; what is removed is the link.
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let error = state::write_values(&store, &path, &WriteOptions::default()).unwrap_err();
    assert_eq!(error, Error::Storage(format!("writing {} failed because the disk is full", path.display())));
    assert!(path.symlink_metadata().is_err() && Path::new("/dev/full").exists());
    let nowhere = folder.path().join("none/values.safetensors");
    assert!(matches!(state::write_values(&store, &nowhere, &WriteOptions::default()), Err(Error::Storage(_))));
}

/// A dataset of `count` images of 2 channels with 1 x 2 pixels.
fn dataset(folder: &Path, count: usize, labels: &[i64]) -> BatchSource {
    let images: Vec<u8> = (0..count * 4).map(|i| (i * 5) as u8).collect();
    let labels: Vec<u8> = labels.iter().flat_map(|label| label.to_le_bytes()).collect();
    std::fs::write(folder.join("images.npy"), npy("|u1", &format!("{count}, 2, 1, 2"), &images)).unwrap();
    std::fs::write(folder.join("labels.npy"), npy("<i8", &format!("{},", labels.len() / 8), &labels)).unwrap();
    source(Reading::Images(plain([0.5, 0.25], [0.5, 0.125])), folder)
}

fn plain<const C: usize>(mean: [f64; C], std: [f64; C]) -> ImageReading {
    ImageReading { mean: mean.to_vec(), std: std.to_vec(), encoded: None, augmentation: None }
}

fn source(reads: Reading, path: &Path) -> BatchSource {
    BatchSource { path: path.to_owned(), seed: 1, num_workers: 2, micro_batch: 2, accumulation: 1, reads }
}

#[test]
fn samples_are_normalised_per_channel_and_absent_ones_are_marked() {
    let folder = tempfile::tempdir().unwrap();
    let mut loader = Loader::open(&dataset(folder.path(), 5, &[0, 1, 2, 1, 0])).unwrap();
    let batch = loader.ordered_batch(1, 3, 4).unwrap();
    let scaled = |pixel: u8, mean: f32, std: f32| (f32::from(pixel) / 255.0 - mean) / std;
    let image = [scaled(60, 0.5, 0.5), scaled(65, 0.5, 0.5), scaled(70, 0.25, 0.125), scaled(75, 0.25, 0.125)];
    let samples = Samples::F32([&image[..], &[0.0; 8]].concat());
    assert_eq!(batch, Batch { samples, labels: vec![1, -1, -1], shares: vec![], checksum: 0 });
    let seen: Vec<i64> = (0..2).flat_map(|worker| loader.micro_batch(0, worker, 0).unwrap().labels).collect();
    assert_eq!(seen.len(), 4);
}

#[test]
fn bad_datasets_are_refused_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().display();
    let refusal = |source: &BatchSource| Loader::open(source).err().unwrap().to_string();
    assert_eq!(refusal(&dataset(folder.path(), 3, &[0, 1])), format!("data: {name} has 3 images and labels of shape [2]"));
    assert_eq!(refusal(&dataset(folder.path(), 2, &[0, -3])), format!("data: label 1 in {name} is negative"));
    let grey = BatchSource { reads: Reading::Images(plain([0.5], [0.5])), ..dataset(folder.path(), 2, &[0, 0]) };
    assert_eq!(refusal(&grey), format!("data: images in {name} have 2 channels, but mean has 1 and std 1 entries"));
    let mut small = Loader::open(&dataset(folder.path(), 3, &[0, 1, 2])).unwrap();
    let text = small.micro_batch(0, 0, 0).unwrap_err().to_string();
    assert_eq!(text, format!("data: one batch of all workers takes 4 samples, but {name} has 3"));
    let text = small.ordered_batch(0, 2, 9).unwrap_err().to_string();
    assert_eq!(text, format!("data: evaluation takes 9 samples, but {name} has 3"));
    let text = small.statistics_batch(1, 2).unwrap_err().to_string();
    assert_eq!(text, format!("data: re-estimating statistics takes 4 samples, but {name} has 3"));
    std::fs::write(folder.path().join("images.npy"), npy("|u1", "3, 4", &[0; 12])).unwrap();
    let flat = source(Reading::Images(plain([0.5], [0.5])), folder.path());
    assert_eq!(refusal(&flat), format!("data: images.npy in {name} must have the shape [n, C, H, W], found [3, 4]"));
}

/// `count` grey images of 6 x 5, each of one brightness that rises to the right, with three classes.
fn ramps(folder: &Path, count: usize) -> BatchSource {
    let images: Vec<u8> = (0..count).flat_map(|image| (0..30).map(move |at| (image * 3 + at % 5 * 20) as u8)).collect();
    let labels: Vec<u8> = (0..count).flat_map(|image| (image as i64 % 3).to_le_bytes()).collect();
    std::fs::write(folder.join("images.npy"), npy("|u1", &format!("{count}, 1, 6, 5"), &images)).unwrap();
    std::fs::write(folder.join("labels.npy"), npy("<i8", &format!("{count},"), &labels)).unwrap();
    let changes = augment::Augmentation {
        height: 4,
        width: 4,
        resized_crop: 0.3,
        crop_padding: 0,
        flip: 0.5,
        brightness: 0.4,
        contrast: 0.0,
        saturation: 0.0,
        hue: 0.0,
        rand_augment: 1,
        magnitude: 9,
        evaluation_resize: 4,
    };
    let mixing = Mixing { mixup: 0.4, cutmix: 1.0, label_smoothing: 0.1, classes: 3 };
    let reading = ImageReading { augmentation: Some(Augmentation { changes, mixing }), ..plain([0.5], [0.5]) };
    source(Reading::Images(reading), folder)
}

#[test]
fn augmented_batches_are_the_same_for_any_number_of_workers_and_after_a_pause() {
    let folder = tempfile::tempdir().unwrap();
    let of = ramps(folder.path(), 20);
    let global_batch = |num_workers: usize, step: u64, loader: &mut Loader| {
        let parts: Vec<Batch> = (0..num_workers).map(|worker| loader.micro_batch(step, worker, 0).unwrap()).collect();
        let samples: Vec<u32> = parts.iter().flat_map(|part| floats(&part.samples)).map(f32::to_bits).collect();
        let shares: Vec<u32> = parts.iter().flat_map(|part| &part.shares).map(|share| share.to_bits()).collect();
        (samples, shares)
    };
    let loader = |num_workers: usize| {
        let micro_batch = 8 / num_workers;
        Loader::open(&BatchSource { num_workers, micro_batch, ..of.clone() }).unwrap()
    };
    let mut one = loader(1);
    let steps: Vec<_> = (0..6).map(|step| global_batch(1, step, &mut one)).collect();
    assert_ne!(steps[0], steps[2], "another epoch, other changes");
    for num_workers in [2, 4] {
        let mut resumed = loader(num_workers);
        for step in (0..6).rev() {
            assert_eq!(global_batch(num_workers, step, &mut resumed), steps[step as usize], "{num_workers} workers, step {step}");
        }
    }
}

#[test]
fn soft_labels_are_shares_and_evaluation_is_fixed() {
    let folder = tempfile::tempdir().unwrap();
    let mut loader = Loader::open(&ramps(folder.path(), 20)).unwrap();
    let batch = loader.micro_batch(0, 0, 0).unwrap();
    assert_eq!((floats(&batch.samples).count(), batch.labels.len(), batch.shares.len()), (2 * 16, 2, 2 * 3));
    for row in batch.shares.chunks_exact(3) {
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{row:?}");
        assert!(row.iter().all(|&share| share >= 0.1 / 3.0 - 1e-6), "{row:?}");
    }
    let (first, again) = (loader.ordered_batch(0, 4, 4).unwrap(), loader.ordered_batch(0, 4, 4).unwrap());
    assert_eq!(first, again);
    assert_eq!((first.shares.len(), first.labels), (0, vec![0, 1, 2, 0]));
}

/// Three images of their own sizes as files in two shards, read as 2 x 2.
fn files_of_many_sizes(folder: &Path) -> BatchSource {
    let image = |height: usize, width: usize, grey: u8| Pixels { height, width, channels: 1, data: vec![grey; height * width] }.png();
    let (first, second, third) = (image(2, 2, 30), image(5, 3, 60), image(1, 9, 90));
    let rows = [[0, 0, first.len()], [0, first.len(), second.len()], [1, 0, third.len()]];
    let index: Vec<u8> = rows.iter().flatten().flat_map(|word| (*word as u64).to_le_bytes()).collect();
    std::fs::write(folder.join("images-00000.bin"), [first, second].concat()).unwrap();
    std::fs::write(folder.join("images-00001.bin"), third).unwrap();
    std::fs::write(folder.join("index.npy"), npy("<u8", "3, 3", &index)).unwrap();
    std::fs::write(folder.join("labels.npy"), npy("<i8", "3,", &[0i64, 1, 1].map(i64::to_le_bytes).concat())).unwrap();
    let encoded = Some(Encoded { channels: 1, height: 2, width: 2, resize: Resize::Crop });
    source(Reading::Images(ImageReading { encoded, ..plain([0.0], [1.0]) }), folder)
}

#[test]
fn files_are_decoded_to_the_size_that_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let of = files_of_many_sizes(folder.path());
    let batch = Loader::open(&of).unwrap().ordered_batch(0, 3, 3).unwrap();
    let brightness = |grey: u8| [f32::from(grey) / 255.0; 4];
    assert_eq!(floats(&batch.samples).collect::<Vec<_>>(), [30, 60, 90].map(brightness).concat());
    assert_eq!(batch.labels, [0, 1, 1]);
    let (Reading::Images(files), Reading::Images(ramps)) = (&of.reads, ramps(tempfile::tempdir().unwrap().path(), 1).reads) else {
        panic!("both are images")
    };
    let augmented = source(Reading::Images(ImageReading { augmentation: ramps.augmentation, ..files.clone() }), folder.path());
    let evaluated = Loader::open(&augmented).unwrap().ordered_batch(0, 3, 3).unwrap();
    assert_eq!(floats(&evaluated.samples).collect::<Vec<_>>(), [30u8, 60, 90].map(|grey| [f32::from(grey) / 255.0; 16]).concat());
}

#[test]
fn damaged_files_of_a_dataset_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let (of, name) = (files_of_many_sizes(folder.path()), folder.path().display());
    std::fs::write(folder.path().join("images-00001.bin"), b"").unwrap();
    let text = Loader::open(&of).err().unwrap().to_string();
    assert_eq!(text, format!("data: sample 2 in {name} lies beyond its shard; import the dataset again"));
    std::fs::write(folder.path().join("images-00001.bin"), [7; 500]).unwrap();
    let text = Loader::open(&of).unwrap().ordered_batch(2, 1, 3).unwrap_err().to_string();
    assert!(text.starts_with(&format!("data: sample 2 in {name} cannot be read: ")), "{text}");
}

fn floats(samples: &Samples) -> impl Iterator<Item = f32> {
    let Samples::F32(samples) = samples else { panic!("images are floats") };
    samples.iter().copied()
}

#[test]
fn recorded_batches_are_found_by_step_and_worker() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("batches.safetensors");
    let mut tensors = Vec::new();
    for step in 0..2 {
        for worker in 0..2 {
            let first = (step * 2 + worker) as f32;
            let input: Vec<u8> = [first, first + 0.5].iter().flat_map(|x| x.to_le_bytes()).collect();
            let label: Vec<u8> = [step as i64, worker as i64].iter().flat_map(|x| x.to_le_bytes()).collect();
            tensors.push((format!("step{step}.worker{worker}.input"), safetensors::Dtype::F32, vec![2, 1], input));
            tensors.push((format!("step{step}.worker{worker}.label"), safetensors::Dtype::I64, vec![2], label));
        }
    }
    let views =
        tensors.iter().map(|(name, kind, shape, data)| (name, safetensors::tensor::TensorView::new(*kind, shape.clone(), data).unwrap()));
    std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    let mut loader = Loader::open(&source(Reading::Case {}, &path)).unwrap();
    let expected = Batch { samples: Samples::F32(vec![2.0, 2.5]), labels: vec![1, 0], shares: vec![], checksum: 0 };
    assert_eq!(loader.micro_batch(1, 0, 0).unwrap(), expected);
    assert_eq!(loader.statistics_batch(2, 2).unwrap(), expected);
    assert_eq!(loader.ordered_batch(2, 2, 5).unwrap(), Batch { labels: vec![1, -1], ..expected });
    let text = loader.micro_batch(2, 1, 0).unwrap_err().to_string();
    assert_eq!(text, format!("data: {} has no tensor step2.worker1.input", path.display()));
}

#[test]
fn tokens_are_cut_into_sequences_with_the_next_token_as_label() {
    let folder = tempfile::tempdir().unwrap();
    let of_type = |descr: &str, width: usize| {
        let tokens: Vec<u8> = (0..12u32).flat_map(|token| (token * 7000).to_le_bytes()[..width].to_vec()).collect();
        std::fs::write(folder.path().join("tokens.npy"), npy(descr, "12,", &tokens)).unwrap();
        source(Reading::Tokens { sequence: 3 }, folder.path())
    };
    let mut wide = Loader::open(&of_type("<u4", 4)).unwrap();
    let samples = Samples::I64(vec![42000, 49000, 56000, 0, 0, 0]);
    assert_eq!(
        wide.ordered_batch(1, 2, 3).unwrap(),
        Batch { samples, labels: vec![49000, 56000, 63000, -1, -1, -1], shares: vec![], checksum: 0 }
    );
    let mut narrow = Loader::open(&of_type("<u2", 2)).unwrap();
    let samples = Samples::I64(vec![0, 7000, 14000]);
    assert_eq!(narrow.ordered_batch(0, 1, 1).unwrap(), Batch { samples, labels: vec![7000, 14000, 21000], shares: vec![], checksum: 0 });
    let text = narrow.micro_batch(0, 0, 0).unwrap_err().to_string();
    assert_eq!(text, format!("data: one batch of all workers takes 4 samples, but {} has 3", folder.path().display()));
    std::fs::write(folder.path().join("tokens.npy"), npy("<i8", "1,", &[0; 8])).unwrap();
    let text = Loader::open(&source(Reading::Tokens { sequence: 3 }, folder.path())).err().unwrap().to_string();
    assert_eq!(text, format!("data: {}/tokens.npy must have the element type <u2 or <u4, found <i8", folder.path().display()));
}
