//! Mutated inputs through every parser of bytes that is ours: the pickle machine, the .npy header and its text, the headers and indexes of
//! files of tokens, the search in JPEG headers, Arrow's streams, chunks of LZF, heads of dataset cards. A parser may
//! refuse what it is given; it may not panic, hang or build without end. Seeds come from fixtures; mutations from a seeded generator.

use std::io::Read;

use crate::common::fixtures;
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

/// Inputs per parser.
const INPUTS: u64 = 100_000;

/// Inputs that are whole files on a disk.
const WHOLE: u64 = 50_000;

/// Flips, cuts, copies and overwrites at random places.
fn mutated(seed: &[u8], generator: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    let below = |generator: &mut ChaCha8Rng, bound: usize| (generator.next_u64() % bound.max(1) as u64) as usize;
    for _ in 0..=below(generator, 6) {
        if bytes.is_empty() {
            bytes.push(generator.next_u32() as u8);
        }
        let at = below(generator, bytes.len());
        match generator.next_u32() % 6 {
            0 => bytes[at] ^= 1 << (generator.next_u32() % 8),
            1 => bytes[at] = generator.next_u32() as u8,
            2 => bytes.truncate(at),
            3 => bytes.insert(at, generator.next_u32() as u8),
            4 => {
                let length = below(generator, (bytes.len() - at).min(32));
                let part = bytes[at..at + length].to_vec();
                let to = below(generator, bytes.len());
                bytes.splice(to..to, part);
            }
            _ => {
                let word = [0, 0xffff_ffff, 0x7fff_ffff, 0x8000_0000][below(generator, 4)];
                let end = bytes.len().min(at + 4);
                bytes[at..end].copy_from_slice(&u32::to_le_bytes(word)[..end - at]);
            }
        }
    }
    bytes
}

fn through(seeds: &[Vec<u8>], parse: impl Fn(&[u8]) -> bool) -> u64 {
    let mut generator = ChaCha8Rng::seed_from_u64(1);
    (0..INPUTS).filter(|input| parse(&mutated(&seeds[*input as usize % seeds.len()], &mut generator))).count() as u64
}

/// The pickles of a fixture's tar, without the pixels' bulk.
fn pickles(name: &str) -> Vec<Vec<u8>> {
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&std::fs::read(fixtures().join(name)).unwrap()[..]).read_to_end(&mut unpacked).unwrap();
    let mut tar = tar::Archive::new(&unpacked[..]);
    let read = |member: std::io::Result<tar::Entry<&[u8]>>| {
        let mut bytes = Vec::new();
        member.unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    };
    tar.entries().unwrap().map(read).filter(|bytes| sdp_data::pickle::load(bytes).is_ok()).collect()
}

#[test]
fn mutated_pickles_are_read_or_refused() {
    let mut seeds = vec![b"(dp0\nS'labels'\np1\n(lp2\nI3\naI1\nasS'data'\np3\nS'a\\x00\\n'\np4\ns.".to_vec()];
    for name in ["cifar-10-python-2.tar.gz", "cifar-10-python-5.tar.gz", "cifar-100-python.tar.gz"] {
        // The instructions stand before and behind the pixels.
        seeds.extend(
            pickles(name)
                .into_iter()
                .map(|bytes| if bytes.len() > 2000 { [&bytes[..600], &bytes[bytes.len() - 300..]].concat() } else { bytes }),
        );
    }
    let read = through(&seeds, |bytes| sdp_data::pickle::load(bytes).is_ok());
    assert!(read < INPUTS);
}

#[test]
fn mutated_array_headers_are_read_or_refused() {
    let seeds = ["tokens.npy", "arrays-float/train_images.npy"].map(|name| std::fs::read(fixtures().join(name)).unwrap()[..160].to_vec());
    let read = through(&seeds, |bytes| {
        let header = sdp_data::npy::parse(bytes);
        header.is_ok_and(|header| header.numbers(bytes.get(header.start..).unwrap_or_default()).count() > 0)
    });
    assert!(read > 0 && read < INPUTS);
}

#[test]
fn mutated_arrays_of_text_are_read_or_refused() {
    let seeds: Vec<Vec<u8>> = ["<U2", "|S3", ">U1", "<f2"]
        .map(|descr| [&sdp_data::npy::write_header(descr, &[2])[..], "a\0\0\0\u{e9}\0\0\0bcd\0\0".as_bytes()].concat())
        .to_vec();
    let read = through(&seeds, |bytes| {
        let header = sdp_data::npy::parse(bytes);
        header.is_ok_and(|header| !header.texts(bytes.get(header.start..).unwrap_or_default()).is_empty())
    });
    assert!(read > 0 && read < INPUTS);
}

#[test]
fn mutated_headers_of_tokens_are_read_or_refused() {
    use sdp_data::token_files::{llm_c, looks};
    let header = |magic: i32, version: i32, count: i32| -> Vec<u8> {
        [magic, version, count].iter().flat_map(|word| word.to_le_bytes()).chain(std::iter::repeat_n(7, 1112)).collect()
    };
    let seeds = [header(20_240_520, 1, 50), header(20_240_801, 7, 25)];
    let read = through(&seeds, |bytes| {
        looks(bytes, bytes.len() as u64);
        matches!(llm_c(bytes, bytes.len() as u64), Some(Ok(_)))
    });
    assert!(read > 0 && read < INPUTS);
}

#[test]
fn mutated_indexes_of_megatron_are_read_or_refused() {
    let words = |numbers: &[u64]| -> Vec<u8> { numbers.iter().flat_map(|number| number.to_le_bytes()).collect() };
    let seed = [b"MMIDIDX\0\0".to_vec(), words(&[1]), vec![4], words(&[2, 3, 400 | 600 << 32, 0, 1600, 0, 1, 2])].concat();
    let read = through(&[seed], |bytes| matches!(sdp_data::token_files::megatron(bytes), Some(Ok(_))));
    assert!(read > 0 && read < INPUTS);
}

#[test]
fn mutated_shards_and_their_indexes_are_read_or_refused() {
    use sdp_data::token_files::{Index, index};
    let json = |encoding: &str| {
        format!(
            r#"{{"shards":[{{"column_encodings":["str","{encoding}"],"column_names":["id","tokens"],"column_sizes":[null,null],"compression":null,"format":"mds","raw_data":{{"basename":"shard.00000.mds"}},"samples":2}}]}}"#
        )
        .into_bytes()
    };
    let litdata = br#"{"chunks":[{"chunk_size":2,"dim":600,"filename":"chunk-0-0.bin"}],"config":{"compression":null,"data_format":["no_header_tensor:16"]}}"#;
    let seeds = [json("bytes"), json("ndarray:uint16"), litdata.to_vec()];
    let shard: Vec<u8> = [2u32, 16, 30, 44, 1, 5, 0x0101_0561, 9, 1, 5, 7, 9].iter().flat_map(|word| word.to_le_bytes()).collect();
    let read = through(&seeds, |bytes| match index(bytes) {
        Some(Ok(Index::Litdata { element, chunks })) => chunks.iter().all(|chunk| chunk.span(element, 2416).is_ok()),
        Some(Ok(Index::Mds(shards))) => shards.iter().all(|found| places(found, &shard)),
        _ => false,
    });
    assert!(read > 0 && read < INPUTS);
    let Some(Ok(Index::Mds(shards))) = index(&seeds[0]) else { panic!("no index") };
    let read = through(&[shard], |bytes| places(&shards[0], bytes));
    assert!(read > 0 && read < INPUTS);
}

/// Whether the samples of a shard are found.
fn places(shard: &sdp_data::token_files::MdsShard, file: &[u8]) -> bool {
    let head = &file[..shard.head().min(file.len())];
    let mut sample = |from: u64, length: usize| -> Result<Vec<u8>, ()> {
        let rest = file.get(from as usize..).unwrap_or_default();
        Ok(rest[..length.min(rest.len())].to_vec())
    };
    matches!(shard.places(head, file.len() as u64, &mut sample), Ok(Ok(_)))
}

#[test]
fn mutated_image_headers_are_read_or_refused() {
    let seeds = ["jpeg/ant/00.jpg", "kinds/cmyk.jpg", "kinds/sixteen.png", "kinds/image.bmp"]
        .map(|name| std::fs::read(fixtures().join(name)).unwrap());
    let read = through(&seeds, |bytes| sdp_data::pixels::header(bytes).is_ok());
    assert!(read > 0 && read < INPUTS);
}

/// How many numbers the lists of an Arrow file hold, where all of it can be read.
fn read_arrow(bytes: &[u8]) -> Option<usize> {
    use sdp_data::arrow_file::ArrowFile;
    let file = ArrowFile::open(Box::new(std::io::Cursor::new(bytes.to_vec())), "x".into()).ok()?;
    let plain = file.names().iter().all(|name| file.nulls(name).is_ok() && file.labels(name).is_ok());
    let values = file.byte_columns().iter().all(|name| file.bytes(name, 1, &mut |_| Ok(())).is_ok());
    let mut count = 0;
    let listed = file.lists().iter().all(|name| {
        let read = file.numbers(name, &mut |numbers| {
            count += numbers.len();
            Ok(())
        });
        file.count(name).is_ok() && read.is_ok()
    });
    let columns = file.columns();
    let rows = file.objects(&columns.iter().map(String::as_str).collect::<Vec<_>>(), usize::MAX, &mut |_| Ok(()));
    (plain && values && listed && rows.is_ok()).then_some(count)
}

#[test]
fn mutated_streams_of_arrow_are_read_or_refused() {
    let names = [
        "hub/disk/test/data-00000-of-00001.arrow",
        "hub/disk-tokens/validation/data-00000-of-00001.arrow",
        "hub/file.arrow",
        "hub/views.arrow",
        "hub/dictionary.arrow",
        "hub/chats.arrow",
        "hub/chats-views.arrow",
    ];
    let seeds = names.map(|name| std::fs::read(fixtures().join(name)).unwrap());
    let read = through(&seeds, |bytes| read_arrow(bytes).is_some_and(|count| count <= bytes.len()));
    assert!(read > 0 && read < INPUTS, "{read}");
}

#[test]
fn mutated_compressed_streams_of_arrow_are_read_or_refused() {
    let seeds = ["lz4.arrow", "zstd.arrow", "compressed.arrow", "tokens.feather", "text.feather"]
        .map(|name| std::fs::read(fixtures().join("hub").join(name)).unwrap());
    assert!(seeds.iter().all(|seed| read_arrow(seed).is_some()));
    let read = through(&seeds, |bytes| read_arrow(bytes).is_some());
    assert!(read > 0 && read < INPUTS, "{read}");
}

#[test]
fn mutated_chunks_of_lzf_are_unpacked_or_refused() {
    use sdp_data::containers::unpack_lzf;
    let seeds = [vec![1, 7, 8, 4 << 5, 1, 2, 1, 2, 3], vec![0, 9, 7 << 5, 41, 0, 1, 3, 4, 2 << 5, 1]];
    let read =
        through(&seeds, |bytes| unpack_lzf(bytes, 1 << 12).is_some_and(|unpacked| !unpacked.is_empty() && unpacked.len() <= 1 << 12));
    assert!(read > 0 && read < INPUTS, "{read}");
}

#[test]
fn mutated_cards_are_read_or_refused() {
    let own = std::fs::read(fixtures().join("hub/configurations/README.md")).unwrap();
    let other = b"---\ndataset_info:\n- config_name: a\n  features: [{name: label, dtype: {class_label: {names: {'0': x, '1': &b y}}}}]\nconfigs: [{config_name: a, data_dir: d, data_files: {train: ['**/[a-c]*', *b]}}]\n---\n";
    let read = through(&[own, other.to_vec()], |bytes| {
        let card = sdp_data::card::parse(bytes);
        card.is_some_and(|card| {
            card.class_names(None, "label");
            card.configurations.iter().any(|known| known.split_of("fine/train-00000-of-00001.parquet").is_some())
        })
    });
    assert!(read > 0 && read < INPUTS, "{read}");
}

#[test]
fn mutated_images_of_several_frames_are_read_or_refused() {
    let seeds = ["turned-6.png", "frames.gif", "frames.webp", "frames.png", "pages.tiff", "turned.jpg"]
        .map(|name| std::fs::read(fixtures().join("odd-images").join(name)).unwrap());
    use image::ImageFormat::{Gif, Png, Tiff, WebP};
    let read = through(&seeds, |bytes| {
        sdp_data::image_marks::webp_orientation(bytes);
        [Gif, Png, Tiff, WebP].into_iter().any(|format| sdp_data::image_marks::has_frames(bytes, format))
    });
    assert!(read > 0 && read < INPUTS);
}

#[test]
fn mutated_rows_of_json_and_other_encodings_are_read_or_refused() {
    let seeds = [r#"[{"text": "one"}, "two", {"messages": [{"role": "user", "content": "é"}]}]"#, r#"{"v": [1], "data": [{"a": "b"}]}"#]
        .map(|text| text.as_bytes().to_vec());
    let read = through(&seeds, |bytes| sdp_data::json_rows::parse(&mut &bytes[..], &mut |_| true).is_ok());
    assert!(read > 0 && read < INPUTS);
    let sixteen: Vec<u8> = "\u{feff}ab中\u{1f408}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let seeds = [sixteen, vec![0xc4, 0xe3, 0xba, 0xc3, b'a', b'\n']];
    for label in ["utf-16le", "gbk", "shift_jis", "latin1"] {
        let read = through(&seeds, |bytes| {
            let Ok(Some(encoding)) = sdp_data::encoding::encoding_of(bytes, Some(label)) else { return false };
            let mut text = String::new();
            sdp_data::encoding::Decoded::new(bytes, encoding, true).read_to_string(&mut text).unwrap();
            sdp_data::encoding::Decoded::new(bytes, encoding, false).read_to_string(&mut text).is_ok()
        });
        assert!(read > 0, "{label}");
    }
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(fixtures().join("shards").join(name)).unwrap()
}

#[test]
fn mutated_examples_of_tensorflow_are_read_or_refused() {
    use sdp_data::shards::{features, frame, spread_features};
    let records = fixture("tfrecord/train-00000-of-00002");
    let length = frame(&records).unwrap() as usize;
    let message = records[12..12 + length].to_vec();
    let read = through(&[message], |bytes| {
        let whole = features(bytes);
        let spread = spread_features(bytes.len(), &mut |at, count| bytes.get(at..at + count).map(<[u8]>::to_vec));
        whole.is_some() && spread.is_some()
    });
    assert!(read > 0 && read < INPUTS);
    assert!(through(&[records[..200].to_vec()], |bytes| frame(bytes).is_some()) < INPUTS);
}

#[test]
fn mutated_indexes_of_shards_and_pillow_images_are_read_or_refused() {
    let seeds = ["mds-pil/train/index.json", "mds-png/val/index.json", "litdata/index.json"].map(fixture);
    let read = through(&seeds, |bytes| matches!(sdp_data::shards::indexed_shards(bytes), Some(Ok(_))));
    assert!(read > 0 && read < INPUTS);
    let image = [&[2, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0][..], b"RGB", &[7; 12]].concat();
    let read = through(&[image], |bytes| sdp_data::shards::pixels_of_pil(bytes).is_ok());
    assert!(read > 0 && read < INPUTS);
}

#[test]
fn mutated_pickles_of_tensors_are_read_or_refused() {
    let pickle = |name: &str| {
        let mut zip = zip::ZipArchive::new(std::io::Cursor::new(fixture(name))).unwrap();
        let at = (0..zip.len()).find(|at| zip.by_index_data(*at).unwrap().name().unwrap().ends_with("data.pkl")).unwrap();
        let mut bytes = Vec::new();
        zip.by_index(at).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    };
    let seeds = ["torch/training.pt", "channels-last.pt", "nested.pth", "weights.pt"].map(pickle);
    let read = through(&seeds, |bytes| {
        sdp_data::pickle::load_tensors(bytes).is_ok_and(|(value, _)| !sdp_data::containers::tensors(&value, bytes).is_empty())
    });
    assert!(read > 0 && read < INPUTS);
}

#[test]
fn mutated_headers_of_safetensors_are_read_or_refused() {
    let file = fixture("train.safetensors");
    let end = 8 + u64::from_le_bytes(*file.first_chunk().unwrap()) as usize;
    let body = (file.len() - end) as u64;
    let read = through(&[file[8..end].to_vec()], |bytes| sdp_data::containers::safetensors_arrays(bytes, body).is_some());
    assert!(read > 0 && read < INPUTS);
}

/// Whole files, of which all arrays are read; each is written to a disk, so there are fewer.
#[test]
fn mutated_files_of_arrays_are_read_or_refused() {
    use sdp_data::tree::{Scratch, Tree};
    let mut generator = ChaCha8Rng::seed_from_u64(2);
    let folder = tempfile::tempdir().unwrap();
    let (mut read, mut all) = (0, 0);
    for name in [
        "svhn/test_32x32.mat",
        "flowers/setid.mat",
        "old.pt",
        "channels-last.pt",
        "plain.h5",
        "hdf5/camelyonpatch_level_2_split_valid_x.h5",
        "lzf.h5",
        "cars_annos.mat",
        "cars/cars_meta.mat",
        "meta.mat",
    ] {
        let seed = fixture(name);
        let path = folder.path().join(name.rsplit('/').next().unwrap());
        for _ in 0..WHOLE / 10 {
            std::fs::write(&path, mutated(&seed, &mut generator)).unwrap();
            let tree = Tree::open(std::slice::from_ref(&path), Scratch::new(folder.path().join("scratch"), 1 << 24)).unwrap();
            let whole = tree.entries.iter().all(|entry| tree.read_all(entry, 1 << 24).is_ok());
            read += usize::from(whole && tree.entries.len() > 1);
            all += 1;
        }
    }
    assert!(read > 0 && read < all);
}

#[test]
fn mutated_text_of_every_encoding_becomes_utf8_or_is_refused() {
    let text = "file,label\ncaf\u{e9}.png,\u{1f600}\n".repeat(20);
    let units = |big: bool| -> Vec<u8> {
        format!("\u{feff}{text}").encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    };
    let seeds = [text.clone().into_bytes(), format!("\u{feff}{text}").into_bytes(), units(false), units(true)];
    let read = through(&seeds, |bytes| {
        let Some(encoding) = sdp_data::encoding::encoding_of(bytes, None).unwrap() else { return true };
        let mut text = Vec::new();
        let read = sdp_data::encoding::Decoded::new(bytes, encoding, false).read_to_end(&mut text);
        assert!(text.len() <= 2 * bytes.len());
        read.is_ok()
    });
    assert!(read < INPUTS);
}

/// Shards as a verdict reads them.
#[test]
fn mutated_shards_are_inspected_or_refused() {
    use sdp_data::options::Options;
    let mut generator = ChaCha8Rng::seed_from_u64(3);
    let folder = tempfile::tempdir().unwrap();
    let (mut read, mut all) = (0, 0);
    for (name, beside) in [
        ("webdataset/pets-train-000001.tar", None),
        ("tfrecord/train-00000-of-00002", None),
        ("mds-pil/train/shard.00000.mds", Some("mds-pil/train/index.json")),
        ("litdata/chunk-0-0.bin", Some("litdata/index.json")),
    ] {
        let (seed, folder) = (fixture(name), folder.path().join(name.split('/').next().unwrap()));
        std::fs::create_dir_all(&folder).unwrap();
        let last = |name: &str| folder.join(name.rsplit('/').next().unwrap());
        for other in beside
            .iter()
            .copied()
            .chain(["litdata/chunk-0-1.bin", "litdata/chunk-0-2.bin"].into_iter().filter(|_| name.starts_with("litdata")))
        {
            std::fs::write(last(other), fixture(other)).unwrap();
        }
        for _ in 0..WHOLE / 20 {
            std::fs::write(last(name), mutated(&seed, &mut generator)).unwrap();
            let verdict = sdp_data::inspect::inspect(std::slice::from_ref(&folder), &Options::default(), folder.join("scratch")).unwrap();
            read += usize::from(verdict.importable);
            all += 1;
        }
    }
    assert!(read > 0 && read < all);
}
