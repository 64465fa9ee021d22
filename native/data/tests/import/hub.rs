//! What Hugging Face leaves on a disk, and files of columns alike: the cache of the Hub, `save_to_disk`, the cache of datasets, cards with
//! configurations, and Parquet files of many layouts. A verdict and an import say the same, and nothing is dropped without a word.

use std::path::Path;

use crate::common::columns::{THREE, account, answers, buttons, folder, labelled, of, problem};
use crate::common::parquet::{self as made, Column, ints, parquet, texts};
use crate::common::{agreed, fixtures, images, labels, png, refusal, try_import, verdict_of, write};
use sdp_data::options::{Format, Options};
use tempfile::TempDir;

#[cfg(unix)]
fn hub(folder: &Path, repository: &str, revision: &str, main: bool, files: &[(&str, Vec<u8>)]) {
    let root = folder.join(repository);
    for (at, (name, content)) in files.iter().enumerate() {
        let blob = format!("{revision}{at}");
        write(&root, &format!("blobs/{blob}"), content);
        let link = root.join("snapshots").join(revision).join(name);
        std::fs::create_dir_all(link.parent().unwrap()).unwrap();
        let up = "../".repeat(name.split('/').count() + 1);
        std::os::unix::fs::symlink(format!("{up}blobs/{blob}"), link).unwrap();
    }
    if main {
        write(&root, "refs/main", revision);
    }
}

#[cfg(unix)]
#[test]
fn a_cache_of_the_hub_is_read_once_through_its_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        ("data/train-00000-of-00001.parquet", labelled(0..18, |i| i64::from(i % 3))),
        ("data/test-00000-of-00001.parquet", labelled(18..24, |i| i64::from(i % 3))),
        ("README.md", b"# A dataset\n".to_vec()),
    ];
    hub(folder.path(), "datasets--u--d", "abc", true, &files);
    let root = folder.path().join("datasets--u--d");
    let all = "zebra 6+2, ant 6+2, bee 6+2";
    for path in
        [folder.path().to_owned(), root.clone(), root.join("snapshots/abc"), root.join("snapshots/abc/data"), root.join("snapshots")]
    {
        assert_eq!(of(&path), all, "{}", path.display());
    }
    // One shard alone, a link itself.
    assert_eq!(of(&root.join("snapshots/abc/data/train-00000-of-00001.parquet")), "zebra 5+1, ant 5+1, bee 5+1");
    let told = account(&root, &Options::default());
    assert!(told.contains(&"3 blobs of the cache, which are read through their links".to_owned()), "{told:?}");
    assert!(told.contains(&"1 names of revisions".to_owned()) && told.contains(&"2 Parquet or Arrow files of images".to_owned()));
    // Of two revisions the one that refs/main names counts, or the one that is chosen.
    hub(folder.path(), "datasets--u--d", "def", false, &[("data/train.parquet", labelled(0..30, |i| i64::from(i % 3)))]);
    assert_eq!(of(&root), all);
    assert_eq!(agreed(&root, &Options { folder: Some("snapshots/def".into()), ..Options::default() }), "zebra 9+1, ant 9+1, bee 9+1");
    std::fs::remove_file(root.join("refs/main")).unwrap();
    assert_eq!(answers(&root, "which-revision"), [format!("Take abc: {all}"), "Take def: zebra 9+1, ant 9+1, bee 9+1".into()]);
    // A link that leaves the repository stays out.
    std::os::unix::fs::symlink(fixtures().join("tokens.npy"), root.join("snapshots/abc/data/x.npy")).unwrap();
    assert_eq!(problem(&root.join("snapshots/abc"), "link-outside").count, 1);
}

#[cfg(unix)]
#[test]
fn several_datasets_of_a_cache_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    for (name, count) in [("datasets--u--a", 12), ("datasets--u--b", 24)] {
        hub(folder.path(), name, "abc", true, &[("data/train.parquet", labelled(0..count, |i| i64::from(i % 3)))]);
    }
    hub(folder.path(), "models--u--m", "abc", true, &[("config.json", b"{}".to_vec())]);
    let found = answers(folder.path(), "which-dataset");
    assert_eq!(found, ["Take datasets--u--a: zebra 3+1, ant 3+1, bee 3+1", "Take datasets--u--b: zebra 7+1, ant 7+1, bee 7+1"]);
}

#[cfg(unix)]
#[test]
fn folders_of_images_in_a_cache_are_followed_too() {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<String> =
        (0..8).map(|i| format!("{}/{}/{i}.png", if i < 4 { "train" } else { "test" }, ["cat", "dog"][i % 2])).collect();
    let files: Vec<(&str, Vec<u8>)> = names.iter().zip(0..).map(|(name, i)| (name.as_str(), png(i))).collect();
    hub(folder.path(), "datasets--u--pets", "abc", true, &files);
    assert_eq!(of(&folder.path().join("datasets--u--pets")), "cat 2+2, dog 2+2");
    assert_eq!(of(&folder.path().join("datasets--u--pets/snapshots/abc")), "cat 2+2, dog 2+2");
}

#[test]
fn a_download_into_a_folder_has_a_hidden_cache() {
    let folder = folder(&[
        ("data/train-00000-of-00001.parquet", labelled(0..12, |i| i64::from(i % 3))),
        ("data/validation-00000-of-00001.parquet", labelled(12..18, |i| i64::from(i % 3))),
        (".cache/huggingface/download/data/train-00000-of-00001.parquet.metadata", b"abc\n".to_vec()),
        (".gitattributes", b"*.parquet filter=lfs\n".to_vec()),
    ]);
    assert_eq!(of(folder.path()), "zebra 4+2, ant 4+2, bee 4+2");
}

/// Pixels and labels of a fixture, in order.
fn check(name: &str, train: &[usize], test: &[usize]) {
    let imported = crate::common::import_fixture(name, Options::default());
    assert_eq!(imported.outcome.format, Format::ImageParquet, "{name}");
    for (split, samples) in [("train", train), ("test", test)] {
        let (shape, pixels) = imported.array(&format!("{split}/images.npy"));
        assert_eq!(shape, [samples.len(), 3, 8, 6], "{name} {split}");
        assert!(pixels == images(samples.iter().copied(), 3, 8, 6), "{name}: pixels of {split}");
        assert_eq!(imported.labels(split), labels(samples.iter().copied()), "{name} {split}");
    }
}

const TRAIN: [usize; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
const TEST: [usize; 6] = [12, 13, 14, 15, 16, 17];

#[test]
fn datasets_saved_to_a_disk_and_cached_as_arrow() {
    check("hub/disk", &TRAIN, &TEST);
    check("hub/cache", &TRAIN, &TEST);
    check("hub/file.arrow", &TRAIN[..9], &TRAIN[9..]);
    assert_eq!(of(&fixtures().join("hub/disk")), "ant 4+2, bee 4+2, cat 4+2");
    assert_eq!(of(&fixtures().join("hub/disk-one")), "ant 3+1, bee 3+1, cat 3+1");
    let told = account(&fixtures().join("hub/cache"), &Options::default());
    assert!(told.contains(&"1 a result of map or filter in the cache of datasets".to_owned()), "{told:?}");
    let chosen = Options { validation: Some(0.5), ..Options::default() };
    assert_eq!(agreed(&fixtures().join("hub/disk"), &chosen), "ant 3+3, bee 3+3, cat 3+3");
}

#[test]
fn text_and_tokens_saved_to_a_disk() {
    let verdict = verdict_of(&fixtures().join("hub/disk-text"), &Options::default());
    assert!(verdict.importable, "{:?}", verdict.problems);
    assert_eq!(verdict.columns, ["text", "id"]);
    let Some(sdp_data::inspect::Looked::Tokens { documents, .. }) = verdict.content else { panic!("no text") };
    assert_eq!(documents, 40);
    let imported = crate::common::import_fixture("hub/disk-tokens", Options::default());
    let rows =
        |rows: std::ops::Range<u32>| -> Vec<u32> { rows.flat_map(|row| (0..row % 5 + 1).map(move |at| (7 * row + at) % 50)).collect() };
    let wide = |split: &str| -> Vec<u32> {
        imported.array(&format!("{split}/tokens.npy")).1.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
    };
    assert_eq!((wide("train"), wide("test")), (rows(0..50), rows(50..60)));
}

/// A copy of a fixture that can be changed.
fn copied(name: &str) -> TempDir {
    fn copy(from: &Path, to: &Path) {
        for item in std::fs::read_dir(from).unwrap().flatten() {
            let target = to.join(item.file_name());
            if item.path().is_dir() {
                std::fs::create_dir_all(&target).unwrap();
                copy(&item.path(), &target);
            } else {
                std::fs::copy(item.path(), target).unwrap();
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    copy(&fixtures().join(name), folder.path());
    folder
}

#[test]
fn what_is_missing_of_a_saved_dataset_is_said() {
    let folder = copied("hub/disk");
    std::fs::copy(folder.path().join("test/data-00000-of-00001.arrow"), folder.path().join("train/old.arrow")).unwrap();
    assert_eq!(of(folder.path()), "ant 4+2, bee 4+2, cat 4+2");
    assert!(account(folder.path(), &Options::default()).contains(&"1 an Arrow file that state.json does not name".to_owned()));
    std::fs::remove_file(folder.path().join("train/data-00001-of-00002.arrow")).unwrap();
    let missing = problem(folder.path(), "missing-shard");
    assert!(missing.message.contains("data-00001-of-00002.arrow"), "{}", missing.message);
    assert_eq!(agreed(folder.path(), &missing.remedies[0].options), "ant 2+2, bee 2+2, cat 2+2");
    std::fs::remove_dir_all(folder.path().join("test")).unwrap();
    assert!(verdict_of(folder.path(), &Options::default()).problems.iter().any(|problem| problem.message.contains("\"test\"")));
    // Cut off within a batch, and before the mark of the end.
    let one = copied("hub/disk-one");
    let arrow = one.path().join("data-00000-of-00001.arrow");
    let whole = std::fs::read(&arrow).unwrap();
    std::fs::write(&arrow, &whole[..whole.len() - 8]).unwrap();
    assert_eq!(answers(one.path(), "truncated-file"), ["Take the rows that are there: ant 3+1, bee 3+1, cat 3+1"]);
    std::fs::write(&arrow, &whole[..whole.len() - 100]).unwrap();
    assert!(refusal(one.path(), Options::default()).message.contains("is cut off"));
}

#[test]
fn configurations_are_asked_for_and_never_mixed() {
    let configurations = fixtures().join("hub/configurations");
    let found = answers(&configurations, "which-configuration");
    assert_eq!(found, ["Take coarse: insect 8+4, pet 4+2", "Take fine: ant 4+2, bee 4+2, cat 4+2"]);
    // The folder of one.
    assert_eq!(of(&configurations.join("fine")), "ant 4+2, bee 4+2, cat 4+2");
    // Without the card the folders are asked for.
    let plain = copied("hub/configurations");
    std::fs::remove_file(plain.path().join("README.md")).unwrap();
    let asked = problem(plain.path(), "which-configuration");
    assert_eq!(buttons(&asked), ["Take coarse", "Take fine"]);
    assert_eq!(agreed(plain.path(), &asked.remedies[1].options), "ant 4+2, bee 4+2, cat 4+2");
    let together = Options { folder: Some(".".into()), ..Options::default() };
    assert_eq!(agreed(plain.path(), &together), "differing-classes");
    let wrong = Options { configuration: Some("other".into()), ..Options::default() };
    assert_eq!(agreed(&configurations, &wrong), "no-configuration");
}

#[test]
fn a_card_tells_which_file_is_of_which_split() {
    let card = b"---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: part-[0-1].parquet\n  - split: test\n    path: held/*.parquet\n---\n";
    let folder = folder(&[
        ("README.md", card.to_vec()),
        ("part-0.parquet", labelled(0..6, |i| i64::from(i % 3))),
        ("part-1.parquet", labelled(6..12, |i| i64::from(i % 3))),
        ("part-2.parquet", labelled(12..18, |i| i64::from(i % 3))),
        ("held/out.parquet", labelled(18..24, |i| i64::from(i % 3))),
    ]);
    assert_eq!(of(folder.path()), "zebra 4+2, ant 4+2, bee 4+2");
    assert!(account(folder.path(), &Options::default()).contains(&"1 a file that the README.md does not name".to_owned()));
    // A card of other files says nothing of these.
    write(folder.path(), "README.md", "---\nconfigs:\n- config_name: default\n  data_files: nowhere/*\n---\n");
    assert_eq!(of(folder.path()), "which-configuration");
}

#[test]
fn a_card_tells_the_names_of_classes() {
    let card = b"---\ndataset_info:\n  features:\n  - name: image\n    dtype: image\n  - name: kind\n    dtype:\n      class_label:\n        names:\n          '0': wolf\n          '1': fox\n---\n";
    let rows = parquet(&[("image", made::images(0..12)), ("id", ints(0..12)), ("kind", ints((0..12).map(|i| i % 2)))], None);
    let folder = folder(&[("README.md", card.to_vec()), ("train.parquet", rows)]);
    assert_eq!(of(folder.path()), "wolf 5+1, fox 5+1");
}

#[test]
fn a_missing_shard_is_named() {
    let shard = |from| labelled(from..from + 6, |i| i64::from(i % 3));
    let folder = folder(&[
        ("train-00000-of-00003.parquet", shard(0)),
        ("train-00002-of-00003.parquet", shard(6)),
        ("test-00000-of-00001.parquet", shard(12)),
    ]);
    let missing = problem(folder.path(), "missing-shard");
    assert_eq!(missing.message, "the shard train-00001-of-00003.parquet is missing");
    assert_eq!(agreed(folder.path(), &missing.remedies[0].options), "zebra 4+2, ant 4+2, bee 4+2");
}

#[test]
fn a_label_of_minus_one_or_null_is_none_and_names_stay() {
    let folder = folder(&[("train.parquet", labelled(0..24, |i| if i % 4 == 0 { -1 } else { i64::from(i % 2) + 1 }))]);
    let none = problem(folder.path(), "no-label");
    assert_eq!(none.count, 6);
    // A class that no image is of keeps its name.
    assert_eq!(problem(folder.path(), "absent-class").message, "no training image is of the class \"zebra\"");
    assert_eq!(agreed(folder.path(), &none.remedies[0].options), "zebra 0+0, ant 5+1, bee 11+1");
    let holes = Column::Int((0..12).map(|i| (i % 4 != 0).then_some(i % 3)).collect());
    write(folder.path(), "train.parquet", parquet(&[("image", made::images(0..12)), ("label", holes)], Some(THREE)));
    assert_eq!(problem(folder.path(), "no-label").count, 3);
    // A label beyond the names.
    write(folder.path(), "train.parquet", labelled(0..12, |i| i64::from(i % 4)));
    assert_eq!(of(folder.path()), "bad-label");
}

#[test]
fn splits_without_labels_or_of_other_names_are_left_out_with_a_word() {
    let of_three = |from: u8, label: fn(u8) -> i64| labelled(from..from + 12, label);
    let folder = folder(&[
        ("train-00000-of-00001.parquet", of_three(0, |i| i64::from(i % 3))),
        ("test-00000-of-00001.parquet", of_three(12, |_| -1)),
        ("unsupervised-00000-of-00001.parquet", of_three(24, |i| i64::from(i % 3))),
    ]);
    assert_eq!(of(folder.path()), "zebra 3+1, ant 3+1, bee 3+1");
    assert_eq!(problem(folder.path(), "unlabelled-split").count, 12);
    assert!(problem(folder.path(), "unused-split").message.contains("\"unsupervised\""));
    assert_eq!(answers(folder.path(), "unused-split"), ["Train on unsupervised too: zebra 7+1, ant 7+1, bee 7+1"]);
    write(folder.path(), "validation-00000-of-00001.parquet", of_three(36, |i| i64::from(i % 3)));
    assert_eq!(of(folder.path()), "zebra 4+4, ant 4+4, bee 4+4");
}

/// A number below a bound, from a seed that goes on.
fn below(seed: &mut u64, bound: u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed % bound
}

/// Shards of random splits, kinds of labels and configurations: what an import has is what was written, or it is asked for.
#[test]
fn random_layouts_of_shards_equal_what_was_written() {
    const NAMES: [&str; 3] = ["zebra", "ant", "bee"];
    for case in 0..400u64 {
        let seed = &mut (0x9e37_79b9_7f4a_7c15 ^ (case + 1).wrapping_mul(0x2545_f491_4f6c_dd1d));
        let (kind, place, configurations) = (below(seed, 4), below(seed, 4), if below(seed, 4) == 0 { 2 } else { 1 });
        let folder = tempfile::tempdir().unwrap();
        let mut truths = Vec::new();
        for configuration in 0..configurations {
            let mut counts = [[0u64; 2]; 3];
            let mut value = configuration as u8 * 100;
            for (split, name) in ["train", ["test", "validation"][below(seed, 2) as usize]].into_iter().enumerate() {
                let shards = 1 + below(seed, 3);
                for shard in 0..shards {
                    // Each class is there.
                    let labels: Vec<usize> = (0..3).chain((0..below(seed, 4)).map(|_| below(seed, 3) as usize)).collect();
                    let missing = kind == 0 && below(seed, 3) == 0;
                    labels.iter().for_each(|label| counts[*label][split] += 1);
                    let rows = labels.len() as u8 + u8::from(missing);
                    let column = match kind {
                        0 | 1 => ints(labels.iter().map(|label| *label as i64).chain(missing.then_some(-1))),
                        2 => texts(labels.iter().map(|label| NAMES[*label])),
                        _ => Column::Ints(labels.iter().map(|label| (0..3).map(|at| i64::from(at == *label as i64)).collect()).collect()),
                    };
                    let columns = [("image", made::images(value..value + rows)), ("label", column), ("id", ints(0..i64::from(rows)))];
                    value += rows;
                    let file = parquet(&columns, (kind < 2).then_some(THREE));
                    let part = format!("{shard:05}-of-{shards:05}.parquet");
                    let own = if configurations == 1 { String::new() } else { format!("c{configuration}/") };
                    let path = match place {
                        0 => format!("{own}{name}-{part}"),
                        1 => format!("{own}data/{name}-{part}"),
                        2 => format!("{own}{name}/{part}"),
                        _ => format!("{own}{name}/data-{part}"),
                    };
                    write(folder.path(), &path, file);
                }
            }
            let names = match kind {
                0 | 1 => vec![(0, "zebra"), (1, "ant"), (2, "bee")],
                2 => vec![(1, "ant"), (2, "bee"), (0, "zebra")],
                _ => vec![(0, "0"), (1, "1"), (2, "2")],
            };
            let shown = names.iter().map(|(label, name)| format!("{name} {}+{}", counts[*label][0], counts[*label][1]));
            truths.push(shown.collect::<Vec<_>>().join(", "));
        }
        let skip = Options { skip: Some(true), ..Options::default() };
        if configurations == 1 {
            assert_eq!(agreed(folder.path(), &skip), truths[0], "{case}");
            continue;
        }
        let asked = problem(folder.path(), "which-configuration");
        for (remedy, truth) in asked.remedies.iter().zip(&truths) {
            assert_eq!(&agreed(folder.path(), &Options { skip: Some(true), ..remedy.options.clone() }), truth, "{case} {}", remedy.title);
        }
    }
}

#[test]
fn folders_of_one_table_are_asked_for() {
    let shard = |from| labelled(from..from + 6, |i| i64::from(i % 3));
    let months = folder(&[("2023/train.parquet", shard(0)), ("2024/train.parquet", shard(6)), ("2024/test.parquet", shard(12))]);
    let found = answers(months.path(), "which-configuration");
    let of_2024 = "zebra 2+2, ant 2+2, bee 2+2";
    assert_eq!(found[1..], [format!("Take 2024: {of_2024}"), "Take all together: zebra 4+2, ant 4+2, bee 4+2".into()]);
    let beside = folder(&[("train.parquet", shard(0)), ("old/train.parquet", shard(6))]);
    assert_eq!(answers(beside.path(), "which-configuration").len(), 3);
    assert_eq!(buttons(&problem(beside.path(), "which-configuration"))[1], "Take the others, without old");
    let parts = folder(&[("day=1/0.parquet", shard(0)), ("day=2/0.parquet", shard(6))]);
    assert_eq!(answers(parts.path(), "partitions"), ["Take all together, without day: zebra 3+1, ant 3+1, bee 3+1"]);
    let rows = |from: u8| parquet(&[("image", made::images(from..from + 6))], None);
    let by_label = folder(&[("label=cat/0.parquet", rows(0)), ("label=dog/0.parquet", rows(6))]);
    assert_eq!(buttons(&problem(by_label.path(), "partitions")), Vec::<&str>::new());
}

#[test]
fn splits_of_several_names_are_said() {
    let shard = |from| labelled(from..from + 6, |i| i64::from(i % 3));
    let folder = folder(&[
        ("data/train_sft-00000-of-00001.parquet", shard(0)),
        ("data/train_gen-00000-of-00001.parquet", shard(6)),
        ("data/test_sft-00000-of-00001.parquet", shard(12)),
    ]);
    assert_eq!(of(folder.path()), "zebra 4+2, ant 4+2, bee 4+2");
    assert_eq!(problem(folder.path(), "several-splits").message, "the training split is made of train_gen and train_sft");
}

#[test]
fn text_of_a_split_of_another_name_is_left_out() {
    let rows = |name: &str| parquet(&[("text", texts((0..30).map(|i| format!("a document {i} of {name}"))))], None);
    let files = ["train", "test", "unsupervised"].map(|name| (format!("plain_text/{name}-00000-of-00001.parquet"), rows(name)));
    let folder = folder(&files.iter().map(|(name, file)| (name.as_str(), file.clone())).collect::<Vec<_>>());
    let told = account(folder.path(), &Options::default());
    assert!(told.contains(&"1 a file of a split that is neither for training nor for validation".to_owned()), "{told:?}");
    let trained = |options: &Options| -> String {
        let imported = try_import(&[folder.path().to_owned()], options.clone()).unwrap();
        imported.tokens("train").iter().filter_map(|token| char::from_u32(*token)).collect()
    };
    let without = trained(&Options::default());
    assert!(without.contains("document 7 of train") && !without.contains("unsupervised"));
    let unused = problem(folder.path(), "unused-split");
    assert_eq!(unused.remedies[0].title, "Train on unsupervised too");
    let with = trained(&unused.remedies[0].options);
    assert!(with.contains("document 7 of train") && with.contains("document 7 of unsupervised") && !with.contains("of test"));
}
