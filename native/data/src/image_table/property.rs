//! Tables with a known truth, as they are written in many ways: none is silently something else. Nothing is decoded.

use std::collections::BTreeMap;

use crate::error::Severity;
use crate::images::{ImageSet, NO_LABEL, Split};
use crate::options::Options;
use crate::random::Random;
use crate::recognise::{self, Content};
use crate::tree::{Scratch, Tree};

/// Class, number of training images, and of those of another split.
type Truth = BTreeMap<String, (usize, usize)>;

struct Made {
    files: Vec<(String, Vec<u8>)>,
    /// Which image has which class, by the name of its file.
    classes: BTreeMap<String, String>,
    truth: Truth,
}

fn encoded(text: &str, random: &mut Random) -> Vec<u8> {
    let text = match random.below(4) {
        0 => text.replace('\n', "\r\n"),
        1 => text.replace('\n', "\r"),
        _ => text.to_owned(),
    };
    let units = |text: &str| format!("\u{feff}{text}").encode_utf16().collect::<Vec<u16>>();
    match random.below(8) {
        0 => format!("\u{feff}{text}").into_bytes(),
        1 => units(&text).into_iter().flat_map(u16::to_le_bytes).collect(),
        2 => units(&text).into_iter().flat_map(u16::to_be_bytes).collect(),
        _ => text.into_bytes(),
    }
}

/// An image that is only known to be one.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

fn make(random: &mut Random) -> Made {
    let classes = [["cat", "dog", "emu"], ["0", "1", "2"], ["3", "7", "11"], ["train", "test", "car"], ["caf\u{e9}", "no one", "x,y"]]
        [random.below(5)];
    let delimiter = random.one_of(&[",", ";", "\t", "|"]);
    let (has_header, one_hot) = (random.chance(80), random.chance(20));
    let has_split = random.chance(33) && (has_header || !one_hot);
    let splits = [("train", "val"), ("TRAIN", "TEST"), ("Training", "PublicTest"), ("0", "1")][random.below(4)];
    let split_name = if splits.0 == "0" {
        random.one_of(&["is_valid", "is_test", "fold"])
    } else {
        random.one_of(&["split", "data set", "Usage", "subset"])
    };
    let place = random.one_of(&["", "images/", "a/b/", "train/"]);
    let written = random.one_of(&["", "", "/home/me/", "C:\\set\\", "./"]);
    let (upper, bare, padded) = (random.chance(15), random.chance(15), random.chance(25) && !one_hot);
    let decoy = random.below(6);
    let flag = [("1", "0"), ("1.0", "0.0"), ("true", "false")][random.below(3)];
    let mut header = vec![random.one_of(&["file", "path", "image", "filename"]).to_owned()];
    match one_hot {
        true => header.extend(classes.map(|class| class.replace("x,y", "xy"))),
        false => header.push(random.one_of(&["label", "class", "Category", "target"]).to_owned()),
    }
    let extra = (has_header && random.chance(40)).then(|| random.one_of(&["width", "notes", "label_id"]));
    header.extend(extra.map(ToOwned::to_owned));
    if has_split {
        header.push(split_name.to_owned());
    }
    let quoted = |text: &str| if text.contains([',', ';', '|', '\t']) { format!("\"{text}\"") } else { text.to_owned() };
    let mut table = String::new();
    if random.chance(10) && delimiter != "\t" {
        table += &format!("sep={delimiter}\n");
    }
    if random.chance(10) && has_header {
        table += "# made by hand\n";
    }
    if has_header {
        table += &(header.join(delimiter) + "\n");
    }
    let mut made = Made { files: Vec::new(), classes: BTreeMap::new(), truth: Truth::new() };
    for i in 0..12 + random.below(12) {
        let class = classes[i % 3];
        let name = format!("{place}im{i}.png");
        made.files.push((name.clone(), PNG.to_vec()));
        if decoy == 1 {
            made.files.push((format!("other/im{i}.png"), PNG.to_vec()));
        }
        let other = has_split && i % 5 == 4;
        let told = if one_hot { class.replace("x,y", "xy") } else { class.to_owned() };
        made.classes.insert(name, told.clone());
        let counts = made.truth.entry(told).or_default();
        if other {
            counts.1 += 1
        } else {
            counts.0 += 1
        }
        let mut row = format!("{written}{place}im{i}{}", if bare { "" } else { ".png" });
        if upper {
            row = row.to_uppercase();
        }
        let mut row = vec![row];
        match one_hot {
            true => row.extend((0..3).map(|at| if at == i % 3 { flag.0 } else { flag.1 }.to_owned())),
            false if padded => row.push(quoted(&format!(" {class} "))),
            false => row.push(quoted(class)),
        }
        row.extend(extra.map(|_| i.to_string()));
        if has_split {
            row.push(if other { splits.1 } else { splits.0 }.to_owned());
        }
        table += &(row.join(delimiter) + "\n");
    }
    match decoy {
        2 => made.files.push(("sample_submission.csv".into(), b"file,label\nim0.png,cat\nim1.png,cat\n".to_vec())),
        3 => made.files.push(("classes.csv".into(), b"id,name\n5,cat\n6,dog\n".to_vec())),
        4 => made.files.push(("config.json".into(), b"{\"size\": 3}".to_vec())),
        _ => {}
    }
    let name = random.one_of(&["labels.csv", "all.csv", "labels.txt"]);
    let content = encoded(&table, random);
    made.files.push((name.into(), content));
    made
}

fn open(files: &[(String, Vec<u8>)], folder: &std::path::Path, options: &Options) -> crate::error::Result<(Tree, ImageSet)> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, &content[..]).unwrap();
    }
    let path = folder.join("set.tar");
    std::fs::write(&path, tar.into_inner().unwrap()).unwrap();
    let mut tree = Tree::open(&[path], Scratch::new(folder.join("scratch"), 0))?;
    let chosen = recognise::choose(&mut tree, options)?;
    let found = recognise::open(&mut tree, &chosen, options, None)?;
    match found.content {
        Content::Images(mut set) => {
            set.problems = found.problems;
            Ok((tree, set))
        }
        _ => Err(crate::error::Problem::error("other", "no images").into()),
    }
}

#[test]
fn no_table_is_silently_read_as_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let (mut read, cases) = (0, 10_000);
    for seed in 0..cases {
        let made = make(&mut Random::seeded(seed));
        let Ok((tree, set)) = open(&made.files, folder.path(), &Options::default()) else { continue };
        if set.problems.iter().any(|problem| problem.severity == Severity::Error) {
            continue;
        }
        let text = || String::from_utf8_lossy(&made.files.last().unwrap().1).into_owned();
        let has_splits = made.truth.values().any(|(_, other)| *other > 0);
        let mut found = Truth::new();
        for sample in 0..set.count() {
            if set.labels[sample] == NO_LABEL {
                continue;
            }
            let class = &set.class_names[set.labels[sample] as usize];
            let entry = set.content.entry(sample).unwrap();
            assert_eq!(Some(class), made.classes.get(&tree.entries[entry].name), "seed {seed}: {} {:?}", tree.entries[entry].name, text());
            let counts = found.entry(class.clone()).or_default();
            match set.splits[sample] {
                Split::Test if has_splits => counts.1 += 1,
                _ => counts.0 += 1,
            }
        }
        assert_eq!(found, made.truth, "seed {seed}: {:?} {:?}", text(), set.problems);
        read += 1;
    }
    assert!(2 * read > cases, "{read} of {cases} were read");
}
