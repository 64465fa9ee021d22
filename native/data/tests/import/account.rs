//! The account of a verdict counts every file once, used or left out, whatever the format.

use std::path::Path;

use crate::common::{fixtures, png, try_import, verdict_of, write};
use sdp_data::account::{Line, Unit};
use sdp_data::options::Options;

fn count(account: &[Line], what: &str) -> u64 {
    account.iter().filter(|line| line.what == what).map(|line| line.count).sum()
}

fn files(account: &[Line]) -> u64 {
    account.iter().filter(|line| line.unit == Unit::Files).map(|line| line.count).sum()
}

#[test]
fn every_file_beside_image_folders_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    for (split, class, number) in [("train", "ant", 4), ("train", "bee", 4), ("test", "ant", 2), ("test", "bee", 2), ("val", "bee", 1)] {
        (0..number).for_each(|i| write(folder.path(), &format!("{split}/{class}/{i}.png"), png(i)));
    }
    for (name, content) in
        [(".DS_Store", "x"), ("notes.csv", "a,b\n1,2\n"), ("model.pth", "\0\x01\x02"), ("LICENSE", "free"), ("empty", "")]
    {
        write(folder.path(), name, content);
    }
    let verdict = verdict_of(folder.path(), &Options::default());
    let account = &verdict.account;
    assert_eq!(files(account), 18, "{account:?}");
    assert_eq!((count(account, "training images"), count(account, "validation images")), (8, 1));
    assert_eq!(count(account, "images of a test split beside a validation split"), 4);
    for what in ["hidden", "other tables", "of another kind (.pth)", "other text", "empty"] {
        assert_eq!(count(account, what), 1, "{what}: {account:?}");
    }
    assert!(account.iter().all(|line| !line.examples.is_empty()));
    assert!(account[0].used && account[0].examples.len() == 5);
}

#[test]
fn the_files_of_every_format_are_used_or_told_of() {
    let of = |name: &str| verdict_of(&fixtures().join(name), &Options::default()).account;
    for (name, used, number) in [
        ("idx", "IDX files of labels", 2),
        ("cifar-10-python-2.tar.gz", "names of the classes", 1),
        ("arrays.npz", "arrays of labels", 2),
        ("hugging-face", "labels", 1),
        ("table-csv.zip", "tables of labels", 1),
        ("tokens.bin", "tokens", 1),
        ("text/plain.txt", "text", 1),
    ] {
        let account = of(name);
        let line = account.iter().find(|line| line.what == used).unwrap_or_else(|| panic!("{name}: {account:?}"));
        assert!(line.used && line.count == number, "{name}: {account:?}");
    }
    assert_eq!(count(&of("hugging-face"), "training images"), 12);
}

#[test]
fn text_keeps_the_splits_that_files_and_folders_are_named_for() {
    let folder = tempfile::tempdir().unwrap();
    for split in ["train", "val", "test"] {
        write(folder.path(), &format!("{split}.txt"), format!("{split} line.\n").repeat(40));
    }
    let text =
        |tokens: Vec<u32>| String::from_utf8(tokens.into_iter().filter(|token| *token < 256).map(|token| token as u8).collect()).unwrap();
    let check = |path: &Path| {
        let imported = try_import(&[path.to_owned()], Options::default()).unwrap();
        (text(imported.tokens("train")), text(imported.tokens("test")))
    };
    assert_eq!(check(folder.path()), ("train line.\n".repeat(40), "val line.\n".repeat(40)));
    let verdict = verdict_of(folder.path(), &Options::default());
    assert_eq!(count(&verdict.account, "text of a test split beside a validation split"), 1);
    assert!(verdict.problems.iter().any(|problem| problem.code == "unused-split"));
    let reviews = tempfile::tempdir().unwrap();
    for split in ["train", "test"] {
        for class in ["pos", "neg"] {
            (0..15).for_each(|i| write(reviews.path(), &format!("{split}/{class}/{i}_7.txt"), format!("{split} review {i}.\n")));
        }
    }
    let (train, test) = check(reviews.path());
    assert_eq!((train.matches("train review").count(), train.matches("test").count()), (30, 0));
    assert_eq!((test.matches("test review").count(), test.matches("train").count()), (30, 0));
}
