//! Records of labelling tools with what is said of an image in lists within: VoTT, Labelbox, Datumaro, CreateML.

use crate::common::sets::{asked, check, many};

const LABELS: &str = "cat 7+1, dog 7+1";

fn class(i: usize) -> &'static str {
    ["cat", "dog"][i % 2]
}

fn joined(one: &dyn Fn(usize) -> String) -> String {
    (0..16).map(one).collect::<Vec<_>>().join(",")
}

fn lines(one: &dyn Fn(usize) -> String) -> String {
    (0..16).map(|i| one(i) + "\n").collect()
}

/// What is asked of objects in images.
fn objects(file: &str, content: &str) {
    let one = [("Only the 16 images whose objects are all of one class", LABELS)];
    asked(&many("p#.png", 16), &[(file, content)], "detection", &one);
}

#[test]
fn labels_of_records_are_read() {
    let images = many("p#.png", 16);
    let answer = |i: usize| format!(r#"{{"name":"species","value":"species","radio_answer":{{"name":"{0}","value":"{0}"}}}}"#, class(i));
    let row = |i: usize, classifications: &str| {
        format!(
            r#"{{"data_row":{{"id":"ck{i}","external_id":"p{i}.png","row_data":"https://host/a/p{i}.png"}},"media_attributes":{{"height":2}},
            "projects":{{"cl":{{"name":"pets","labels":[{{"id":"l","annotations":{{"objects":[],"classifications":[{classifications}]}}}}]}}}}}}"#
        )
        .replace('\n', "")
    };
    check(&images, &[("export.ndjson", &lines(&|i| row(i, &answer(i))))], LABELS);
    // A row that nobody labelled.
    let some = lines(&|i| row(i, &if i > 13 { String::new() } else { answer(i) }));
    check(&images, &[("export.ndjson", &some)], "cat 6+1, dog 6+1");
    let first = |i: usize| {
        format!(
            r#"{{"ID":"x{i}","Labeled Data":"https://host/p{i}.png","External ID":"p{i}.png",
            "Label":{{"objects":[],"classifications":[{{"title":"species","answer":{{"title":"{}"}}}}]}}}}"#,
            class(i)
        )
    };
    check(&images, &[("export.json", &format!("[{}]", joined(&first)))], LABELS);
    let item = |i: usize| {
        format!(
            r#"{{"id":"p{i}","annotations":[{{"id":0,"type":"label","attributes":{{}},"group":0,"label_id":{}}}],"image":{{"path":"p{i}.png"}}}}"#,
            i % 2
        )
    };
    let names = r#"{"label":{"labels":[{"name":"cat","parent":""},{"name":"dog","parent":""}],"attributes":[]}}"#;
    check(&images, &[("default.json", &format!(r#"{{"info":{{}},"categories":{names},"items":[{}]}}"#, joined(&item)))], LABELS);
    let plain = |i: usize| format!(r#"{{"image":"p{i}.png","annotations":[{{"label":"{}","confidence":1}}]}}"#, class(i));
    check(&images, &[("labels.json", &format!("[{}]", joined(&plain)))], LABELS);
}

#[test]
fn several_labels_of_a_record_are_told() {
    let several = |i: usize| {
        let other = if i < 4 { r#",{"label":"wet"}"# } else { "" };
        format!(r#"{{"image":"p{i}.png","annotations":[{{"label":"{}"}}{other}]}}"#, class(i))
    };
    let list = format!("[{}]", joined(&several));
    let answers = [("Only the 12 with one label", "cat 5+1, dog 5+1"), ("Take each combination as a class", "absent-class")];
    let found = check(&many("p#.png", 16), &[("labels.json", &list)], "several-labels");
    let titles: Vec<&str> = found.problems.iter().flat_map(|problem| &problem.remedies).map(|remedy| remedy.title.as_str()).collect();
    assert!(titles.contains(&answers[0].0), "{titles:?}");
}

#[test]
fn objects_of_records_are_refused_as_such() {
    let region = |i: usize| {
        format!(
            r#""a{i}":{{"asset":{{"id":"a{i}","name":"p{i}.png","path":"file:/x/p{i}.png","size":{{"width":2,"height":2}}}},
            "regions":[{{"id":"r","type":"RECTANGLE","tags":["{}"],"boundingBox":{{"left":0}},"points":[{{"x":0,"y":0}}]}}],"version":"2.1.0"}}"#,
            class(i)
        )
    };
    let tags = r##"[{"name":"cat","color":"#fff"},{"name":"dog","color":"#000"}]"##;
    let settings = r#""name":"pets","videoSettings":{"frameExtractionRate":15},"id":"k""#;
    objects("export.json", &format!(r#"{{{settings},"tags":{tags},"assets":{{{}}}}}"#, joined(&region)));
    let named = |i: usize| {
        format!(
            r#"{{"data_row":{{"external_id":"p{i}.png"}},"projects":{{"cl":{{"labels":[{{"annotations":{{"objects":[{{"name":"{}","bounding_box":{{"top":0}}}}],"classifications":[]}}}}]}}}}}}"#,
            class(i)
        )
    };
    objects("export.ndjson", &lines(&named));
    let boxed = |i: usize| {
        format!(r#"{{"image":"p{i}.png","annotations":[{{"label":"{}","coordinates":{{"x":1,"y":1,"width":1,"height":1}}}}]}}"#, class(i))
    };
    objects("createml.json", &format!("[{}]", joined(&boxed)));
}

#[test]
fn a_label_of_its_own_counts_before_lists_within() {
    let row = |i: usize| format!(r#"{{"file":"p{i}.png","label":"{}","objects":[{{"name":"paw","bbox":[0,0,1,1]}}]}}"#, class(i));
    check(&many("p#.png", 16), &[("labels.jsonl", &lines(&row))], LABELS);
    check(&many("p#.png", 16), &[("labels.json", &format!("[{}]", joined(&row)))], LABELS);
}
