//! The label files of known datasets, as these are laid out: CUB-200, NABirds, Pets, GTSRB, ImageNet, CelebA, Stanford Cars, HAM10000, and
//! annotations of objects.

use crate::common::sets::{asked, check, check_bytes, folder, many, rows, texts};
use crate::common::{agreed, fixtures, verdict_of};
use sdp_data::options::Options;

#[test]
fn the_files_of_known_datasets_are_read_together() {
    // CUB-200: the number of each image, then a label and a split by it.
    let class = |i: usize| ["001.Albatross", "002.Auk"][i % 2];
    let images: Vec<String> = (0..20).map(|i| format!("CUB/images/{}/bird_{i}.png", class(i))).collect();
    let each = |row: &dyn Fn(usize) -> String| (0..20).map(|i| format!("{} {}\n", i + 1, row(i))).collect::<String>();
    let files = [
        ("CUB/images.txt", each(&|i| format!("{}/bird_{i}.png", class(i)))),
        ("CUB/image_class_labels.txt", each(&|i| (i % 2 + 1).to_string())),
        ("CUB/train_test_split.txt", each(&|i| usize::from(i < 14).to_string())),
        ("CUB/classes.txt", "1 001.Albatross\n2 002.Auk\n".to_owned()),
        ("CUB/bounding_boxes.txt", each(&|_| "60.0 27.0 325.0 304.0".to_owned())),
    ];
    check(&images, &files.each_ref().map(|(name, text)| (*name, text.as_str())), "001.Albatross 7+3, 002.Auk 7+3");
    // Oxford-IIIT Pets: the class is in the name.
    let pet = |i: usize| format!("{}_{i}", ["Abyssinian", "beagle"][i % 2]);
    let images: Vec<String> = (0..20).map(|i| format!("images/{}.png", pet(i))).collect();
    let list = |range: std::ops::Range<usize>| range.map(|i| format!("{} {} {} 1\n", pet(i), i % 2 + 1, i % 2 + 1)).collect::<String>();
    let all = format!("#Image CLASS-ID SPECIES BREED ID\n#ID: 1:37\n{}", list(0..20));
    let files = [("annotations/list.txt", all), ("annotations/trainval.txt", list(0..14)), ("annotations/test.txt", list(14..20))];
    check(&images, &files.each_ref().map(|(name, text)| (*name, text.as_str())), "Abyssinian 7+3, beagle 7+3");
    // GTSRB: a table with semicolons in each folder, names that all folders have.
    let mut images = Vec::new();
    let mut files = Vec::new();
    for class in 0..3 {
        images.extend(many(&format!("Final_Training/Images/0000{class}/00000_0000#.png"), 6));
        let table = rows("Filename;Width;Height;Roi.X1;ClassId", &format!("00000_0000#.png;29;30;5;{class}"), 0..6, &[""]);
        files.push((format!("Final_Training/Images/0000{class}/GT-0000{class}.csv"), table));
    }
    images.extend(many("Final_Test/Images/0000#.png", 6));
    files.push((
        "Final_Test/Images/GT-final_test.csv".into(),
        rows("Filename;Width;Height;Roi.X1;ClassId", "0000#.png;29;30;5;@", 0..6, &["0", "1", "2"]),
    ));
    check(&images, &files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect::<Vec<_>>(), "0 6+2, 1 6+2, 2 6+2");
    // GTSRB as Kaggle has it.
    let images: Vec<String> = (0..2)
        .flat_map(|class| many(&format!("Train/{class}/0_#.png"), 6))
        .chain(many("Test/#.png", 4))
        .chain(many("Meta/#.png", 2))
        .collect();
    let train: String = (0..2).map(|class| rows("", &format!("29,{class},Train/{class}/0_#.png"), 0..6, &[""])).collect();
    let files = [
        ("Train.csv", format!("Width,ClassId,Path\n{train}")),
        ("Test.csv", rows("Width,ClassId,Path", "29,@,Test/#.png", 0..4, &["0", "1"])),
        ("Meta.csv", rows("Path,ClassId,ShapeId,ColorId", "Meta/#.png,#,0,1", 0..2, &[""])),
    ];
    check(&images, &files.each_ref().map(|(name, text)| (*name, text.as_str())), "0 6+2, 1 6+2");
}

#[test]
fn lists_for_validation_go_with_class_folders_for_training() {
    let (tench, fish) = ("n01440764", "n01443537");
    let words = format!("{tench}\ttench\n{fish}\tgoldfish\nn1\tother\n");
    let tiny: Vec<String> = [tench, fish]
        .iter()
        .flat_map(|class| many(&format!("train/{class}/images/{class}_#.png"), 5))
        .chain(many("val/images/val_#.png", 4))
        .chain(many("test/images/test_#.png", 3))
        .collect();
    let val = rows("", "val_#.png\t@\t0\t32\t44\t62", 0..4, &[tench, fish]);
    let boxes = format!("{tench}_0.png\t0\t10\t63\t58\n");
    let train_boxes = format!("train/{tench}/{tench}_boxes.txt");
    let wnids = format!("{fish}\n{tench}\n");
    let files = [("val/val_annotations.txt", val.as_str()), ("words.txt", &words), ("wnids.txt", &wnids), (&train_boxes, &boxes)];
    check(&tiny, &files, "tench 5+2, goldfish 5+2");
    // ImageNet as Kaggle has it.
    let images: Vec<String> = [tench, fish]
        .iter()
        .flat_map(|class| many(&format!("ILSVRC/Data/CLS-LOC/train/{class}/{class}_#.png"), 5))
        .chain(many("ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_#.png", 4))
        .chain(many("ILSVRC/Data/CLS-LOC/test/ILSVRC2012_test_#.png", 3))
        .collect();
    let val = rows("ImageId,PredictionString", "ILSVRC2012_val_#,@ 111 108 230 331", 0..4, &[tench, fish]);
    let mapping = format!("{tench} tench, Tinca tinca\n{fish} goldfish, Carassius auratus\n");
    let submission = rows("ImageId,PredictionString", "ILSVRC2012_test_#,n1 1 1 1 1", 0..3, &[""]);
    let files = [("LOC_val_solution.csv", val.as_str()), ("LOC_synset_mapping.txt", &mapping), ("LOC_sample_submission.csv", &submission)];
    check(&images, &files, "tench, Tinca tinca 5+2, goldfish, Carassius auratus 5+2");
    // Folders that are called otherwise are no guess.
    let images: Vec<String> =
        ["a", "b"].iter().flat_map(|class| many(&format!("train/{class}/#.png"), 5)).chain(many("val/v#.png", 4)).collect();
    check(&images, &[("val.csv", &rows("file,label", "v#.png,@", 0..4, &["x", "y"]))], "no-label");
    check(&images, &[("val.csv", &rows("file,label", "v#.png,@", 0..4, &["a", "b"]))], "a 5+2, b 5+2");
}

#[test]
fn annotations_of_objects_are_told_by_name() {
    let images = many("images/train/#.png", 12);
    // COCO.
    let image = |i: usize| format!("{{\"id\": {i}, \"file_name\": \"{i}.png\", \"width\": 2, \"height\": 2}}");
    let object = |i: usize, class: usize| format!("{{\"id\": {i}, \"image_id\": {i}, \"category_id\": {class}, \"bbox\": [0, 0, 1, 1]}}");
    let join = |of: &dyn Fn(usize) -> String| (0..12).map(of).collect::<Vec<_>>().join(", ");
    let coco = |objects: String| {
        format!(
            "{{\"info\": {{}}, \"images\": [{}], \"annotations\": [{objects}], \"categories\": [{{\"id\": 1, \"name\": \"ant\"}}, {{\"id\": 3, \"name\": \"bee\"}}]}}",
            join(&image)
        )
    };
    let mixed = join(&|i| object(i, 1 + 2 * (i % 2))) + ", " + &object(0, 3);
    let name = "annotations/instances_train2017.json";
    asked(&images, &[(name, &coco(mixed))], "detection", &[("Only the 11 images whose objects are all of one class", "ant 4+1, bee 5+1")]);
    asked(&images, &[(name, &coco(join(&|i| object(i, 1))))], "detection", &[]);
    // YOLO, by its folders.
    let label = |i: usize| format!("{} 0.5 0.5 0.25 0.25\n", i % 2);
    let mut files: Vec<(String, String)> = (0..12).map(|i| (format!("labels/train/{i}.txt"), label(i))).collect();
    files[0].1 += "1 0.1 0.1 0.2 0.2\n";
    files.push(("data.yaml".into(), "train: images/train\nnc: 2\nnames: ['ant', 'bee']\n".into()));
    let refs: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    asked(&images, &refs, "detection", &[("Only the 11 images whose objects are all of one class", "ant 4+1, bee 5+1")]);
    // Pascal VOC, by its lists or its XML.
    let images = many("VOC2007/JPEGImages/00#.png", 12);
    let xml = |i: usize| {
        format!("<annotation><object><name>{}</name><part><name>head</name></part></object></annotation>", ["ant", "bee"][i % 2])
    };
    let xml: Vec<(String, String)> = (0..12).map(|i| (format!("VOC2007/Annotations/00{i}.xml"), xml(i))).collect();
    let mut files = xml.clone();
    for (class, number) in [("ant", 0), ("bee", 1)] {
        for (split, range) in [("train", 0..8), ("val", 8..12), ("trainval", 0..12)] {
            let list: String = range.map(|i| format!("00{i} {:>2}\n", if i % 2 == number { 1 } else { -1 })).collect();
            files.push((format!("VOC2007/ImageSets/Main/{class}_{split}.txt"), list));
        }
    }
    let refs = |files: &'static Vec<(String, String)>| files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect::<Vec<_>>();
    let (with_lists, alone) = (refs(Box::leak(Box::new(files))), refs(Box::leak(Box::new(xml))));
    asked(&images, &with_lists, "detection", &[("Only the 12 images whose objects are all of one class", "ant 4+2, bee 4+2")]);
    asked(&images, &alone, "detection", &[("Only the 12 images whose objects are all of one class", "ant 5+1, bee 5+1")]);
    // Folders of classes win: YOLO's classification, Stanford Dogs.
    let images: Vec<String> = ["ant", "bee"].iter().flat_map(|class| many(&format!("Images/{class}/{class}_#.png"), 10)).collect();
    let xml: String = "<annotation><object><name>ant</name></object></annotation>".into();
    check(&images, &[("Annotation/ant/ant_0", &xml), ("Annotation/ant/ant_1.xml", &xml)], "ant 9+1, bee 9+1");
}

fn pairs(files: &[(&'static str, String)]) -> Vec<(&'static str, Vec<u8>)> {
    files.iter().map(|(name, text)| (*name, text.as_bytes().to_vec())).collect()
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(fixtures().join("shards").join(name)).unwrap()
}

/// The files of CelebA: 12 of 20 images train, 4 validate, 4 test.
fn celeba() -> (Vec<String>, Vec<(&'static str, String)>) {
    let name = |i: usize| format!("{:06}.jpg", i + 1);
    let lines = |row: &dyn Fn(usize) -> String| (0..20).map(|i| format!("{} {}\n", name(i), row(i))).collect::<String>();
    let flag = |is_true: bool| if is_true { " 1" } else { "-1" };
    let attributes = lines(&|i| format!("{} {} {}", flag(i % 2 == 0), flag(i % 3 == 0), flag(i % 5 == 0)));
    let points = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y";
    let files = vec![
        ("identity_CelebA.txt", lines(&|i| (i % 2 + 1).to_string())),
        ("list_attr_celeba.txt", format!("20\nMale Smiling Young \n{attributes}")),
        ("list_bbox_celeba.txt", format!("20\nimage_id x_1 y_1 width height\n{}", lines(&|_| "   95  71 226 313".into()))),
        ("list_eval_partition.txt", lines(&|i| if i < 12 { "0" } else { ["1", "2"][i % 2] }.into())),
        (
            "list_landmarks_align_celeba.txt",
            format!("20\n{points} \n{}", lines(&|_| "69 109  106  113   77  142   73  152  108  154".into())),
        ),
    ];
    ((0..20).map(|i| format!("img_align_celeba/{}", name(i))).collect(), files)
}

#[test]
fn celeba_has_its_labels_and_its_splits_in_different_files() {
    let (images, files) = celeba();
    let refs: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    // Of 12 images for training half are of each identity; those that validate are the even ones.
    asked(
        &images,
        &refs,
        "which-table",
        &[("Take identity_CelebA.txt", "1 6+4, 2 6+0"), ("Take list_attr_celeba.txt", "several-labels no-label")],
    );
    check(&images, &[refs[0], refs[3]], "1 6+4, 2 6+0");
    let whole = folder(&images, &pairs(&files));
    let of = |column: &str| agreed(whole.path(), &Options { label_column: Some(column.into()), ..Options::default() });
    assert_eq!([of("Male"), of("Smiling"), of("Young")], ["-1 6+0, 1 6+4", "-1 8+2, 1 4+2", "-1 9+4, 1 3+0"]);
    let told = verdict_of(whole.path(), &Options { label_column: Some("Male".into()), ..Options::default() }).account;
    assert!(told.iter().any(|line| line.used && line.what == "lists of splits" && line.count == 1), "{told:?}");
    // The attributes as Kaggle has them.
    let tables: Vec<(&str, String)> = files.iter().map(|(name, text)| (*name, as_csv(text, name))).collect();
    let tables = [("list_attr_celeba.csv", tables[1].1.as_str()), ("list_eval_partition.csv", tables[3].1.as_str())];
    let kaggle = folder(&images, &texts(&tables));
    assert_eq!(agreed(kaggle.path(), &Options { label_column: Some("Male".into()), ..Options::default() }), "-1 6+0, 1 6+4");
    // An image of no split is told, and left out where that is chosen.
    let partition: String = files[3].1.lines().skip(2).map(|line| format!("{line}\n")).collect();
    asked(&images, &[refs[0], ("list_eval_partition.txt", &partition)], "unknown-split", &[("Leave these images out", "1 5+4, 2 5+0")]);
    // Splits of other words, and those that are not known.
    let words = files[3].1.replace(" 0\n", " train\n").replace(" 1\n", " val\n").replace(" 2\n", " test\n");
    check(&images, &[refs[0], ("splits.txt", &words)], "1 6+4, 2 6+0");
    let verdict = check(&images, &[refs[0], ("splits.txt", &files[3].1)], "1 9+1, 2 9+1");
    assert!(verdict.problems.iter().any(|problem| problem.code == "unknown-split"), "{:?}", verdict.problems);
    let other = words.replace("000003.jpg train", "000003.jpg val");
    check(&images, &[refs[0], ("splits.txt", &words), ("other_splits.txt", &other)], "which-splits");
}

/// A text table of CelebA as the table that Kaggle makes of it.
fn as_csv(text: &str, name: &str) -> String {
    let rows = |lines: std::str::Lines| lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(",") + "\n").collect::<String>();
    let mut lines = text.lines();
    if name.contains("partition") {
        return format!("image_id,partition\n{}", rows(lines));
    }
    lines.next();
    format!("image_id,{}", rows(lines))
}

#[test]
fn a_table_of_splits_goes_with_one_of_labels() {
    let images = many("#.png", 20);
    let labels = rows("file,label", "#.png,@", 0..20, &["a", "b"]);
    let with = |split: &str| -> Vec<(&'static str, String)> { vec![("labels.csv", labels.clone()), ("split.csv", split.to_owned())] };
    let found = |split: &str| agreed(folder(&images, &pairs(&with(split))).path(), &Options::default());
    assert_eq!(found(&rows("file,split", "#.png,@", 0..20, &["train", "train", "train", "train", "test"])), "a 8+2, b 8+2");
    assert_eq!(found(&rows("file,is_valid", "#.png,@", 0..20, &["0", "0", "0", "1", "1"])), "a 6+4, b 6+4");
    let folds = with(&rows("file,fold", "#.png,@", 0..20, &["0", "0", "1", "1"]));
    let refs: Vec<(&str, &str)> = folds.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let answers = [
        ("Validate on fold 0 (10 rows)", "a 5+5, b 5+5"),
        ("Validate on fold 1 (10 rows)", "a 5+5, b 5+5"),
        ("Pay no heed to fold", "a 9+1, b 9+1"),
    ];
    asked(&images, &refs, "which-fold", &answers);
    // So it does with folders of classes.
    let images: Vec<String> = (0..20).map(|i| format!("{}/{i}.png", ["a", "b"][i % 2])).collect();
    let split = |range: std::ops::Range<usize>| -> String {
        let row = |i: usize| format!("{}/{i}.png,{}\n", ["a", "b"][i % 2], if i % 5 == 4 { "val" } else { "train" });
        format!("path,split\n{}", range.map(row).collect::<String>())
    };
    check(&images, &[("split.csv", &split(0..20))], "a 8+2, b 8+2");
    asked(&images, &[("split.csv", &split(2..20))], "unknown-split", &[("Leave these images out", "a 7+2, b 7+2")]);
    let images = many("#.png", 20);
    // A table that tells both wins.
    let both = rows("file,label,split", "#.png,@", 0..20, &["a,train", "b,train", "a,val", "b,val"]);
    check(&images, &[("labels.csv", &both), ("split.csv", &rows("file,split", "#.png,@", 0..20, &["train", "test"]))], "a 5+5, b 5+5");
}

#[test]
fn structures_of_matlab_tell_the_labels_of_stanford_cars() {
    let of = |folder: &'static str, count: usize| (1..=count).map(move |i| format!("{folder}/{i:05}.jpg"));
    let images: Vec<String> = of("cars_train", 12).chain(of("cars_test", 6)).collect();
    let devkit = |names: &[&'static str]| -> Vec<(&'static str, Vec<u8>)> {
        names.iter().map(|name| (*name, fixture(&name.replace("devkit/", "cars/").replace("labels/", "cars/")))).collect()
    };
    let cars = ["Acura RL Sedan 2012", "Audi A5 Coupe 2012", "BMW M3 Coupe 2012"];
    let each = |counts: &str| cars.map(|car| format!("{car} {counts}")).join(", ");
    let public = ["devkit/cars_train_annos.mat", "devkit/cars_test_annos.mat", "devkit/cars_meta.mat"];
    // The images for testing have the same names, in another folder.
    check_bytes(&images, &devkit(&public), &each("3+1"));
    let all = [&public[..], &["labels/cars_test_annos_withlabels.mat"]].concat();
    check_bytes(&images, &devkit(&all), &each("4+2"));
    check_bytes(&images, &devkit(&all[..1]), "1 3+1, 2 3+1, 3 3+1");
    // All in one, with the names of the classes.
    let images: Vec<String> = (1..=18).map(|i| format!("car_ims/{i:06}.jpg")).collect();
    check_bytes(&images, &[("cars_annos.mat", fixture("cars_annos.mat"))], &each("4+2"));
}

#[test]
fn numbers_of_imagenet_s_devkit_are_those_of_its_own_order() {
    let synsets = ["n01440764", "n01443537", "n01484850"];
    let training: Vec<String> = synsets.iter().flat_map(|synset| many(&format!("train/{synset}/{synset}_#.JPEG"), 5)).collect();
    let validation: Vec<String> = (1..=6).map(|i| format!("val/ILSVRC2012_val_{i:08}.JPEG")).collect();
    let images = [training.clone(), validation.clone()].concat();
    let list = "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt";
    // 1 is n01484850, as meta.mat tells.
    let numbers = (list, b"2\n3\n1\n2\n2\n1\n".to_vec());
    let meta = ("ILSVRC2012_devkit_t12/data/meta.mat", fixture("meta.mat"));
    let names = "tench, Tinca tinca 5+3, goldfish, Carassius auratus 5+1, great white shark, white shark 5+2";
    check_bytes(&images, &[numbers.clone(), meta.clone()], names);
    let map = ("data/map_clsloc.txt", b"n01440764 2 tench\nn01443537 3 goldfish\nn01484850 1 great_white_shark\n".to_vec());
    check_bytes(&images, &[numbers.clone(), map], "n01440764 5+3, n01443537 5+1, n01484850 5+2");
    check_bytes(
        &validation,
        &[numbers.clone(), meta.clone()],
        "tench, Tinca tinca 2+1, goldfish, Carassius auratus 1+0, great white shark, white shark 1+1",
    );
    // Without the order the numbers say nothing, whatever else is there.
    let words = rows("", "@ fish #", 0..3, &synsets);
    let folders = "Take the folders as the classes, without these labels";
    asked(
        &images,
        &[(list, "2\n3\n1\n2\n2\n1\n"), ("synset_words.txt", &words)],
        "no-class-order",
        &[(folders, "fish 0 4+1, fish 1 4+1, fish 2 4+1")],
    );
    // A list of synsets needs none.
    let named: String = [1, 2, 0, 1, 1, 0].map(|i| format!("{}\n", ["n01484850", "n01440764", "n01443537"][i])).concat();
    let metadata = "n01440764\ttench\nn01443537\tgoldfish\nn01484850\tgreat white shark\n";
    let files = [("imagenet_2012_validation_synset_labels.txt", named.as_str()), ("imagenet_metadata.txt", metadata)];
    check(&images, &files, "tench 5+3, goldfish 5+1, great white shark 5+2");
    // Images that are not there are told by their line.
    let fewer = [training, validation[..4].to_vec()].concat();
    let folder = folder(&fewer, &[numbers, meta]);
    let verdict = verdict_of(folder.path(), &Options::default());
    let missing = verdict.problems.iter().find(|problem| problem.code == "missing-file").unwrap();
    assert!(missing.count == 2 && missing.message.contains("ILSVRC2012_val_00000005.JPEG"), "{}", missing.message);
    let left = "tench, Tinca tinca 5+2, goldfish, Carassius auratus 5+1, great white shark, white shark 5+1";
    assert_eq!(agreed(folder.path(), &missing.remedies[0].options), left);
}

#[test]
fn nabirds_names_its_images_by_codes() {
    let class = |i: usize| ["0817", "0860", "0900"][i % 3];
    let code = |i: usize| format!("0000139e-21dc-4d0c-bfe1-4cae3c85{i:04x}");
    let file = |i: usize| format!("{}/{}.jpg", class(i), code(i).replace('-', ""));
    let images: Vec<String> = (0..24).map(|i| format!("images/{}", file(i))).collect();
    let each = |row: &dyn Fn(usize) -> String| (0..24).map(|i| format!("{} {}\n", code(i), row(i))).collect::<String>();
    let files = [
        ("images.txt", each(&file)),
        ("image_class_labels.txt", each(&|i| class(i).trim_start_matches('0').to_owned())),
        ("train_test_split.txt", each(&|i| usize::from(i < 18).to_string())),
        (
            "classes.txt",
            "0 Birds\n1 Ducks, Geese, and Swans\n817 Oak Titmouse\n860 Wood Duck (Female/Eclipse male)\n900 Canvasback\n".into(),
        ),
        ("hierarchy.txt", "1 0\n817 1\n860 1\n900 1\n".into()),
        ("sizes.txt", each(&|_| "1024 819".into())),
        ("bounding_boxes.txt", each(&|_| "83 59 128 228".into())),
        ("photographers.txt", each(&|_| "Ruth Cantwell".into())),
        ("parts/part_locs.txt", each(&|_| "0 128 228 1".into())),
    ];
    let expected = "Oak Titmouse 6+2, Wood Duck (Female/Eclipse male) 6+2, Canvasback 6+2";
    check(&images, &files.each_ref().map(|(name, text)| (*name, text.as_str())), expected);
}

#[test]
fn ham10000_has_the_diagnosis_in_dx() {
    let images: Vec<String> = (0..24).map(|i| format!("HAM10000_images_part_{}/ISIC_{:07}.jpg", 1 + i / 12, 24306 + i)).collect();
    let row = |i: usize| {
        let dx = ["nv", "mel", "bkl"][i % 3];
        format!("HAM_{:07},ISIC_{:07},{dx},{},80.0,male,scalp\n", i / 2, 24306 + i, ["histo", "consensus"][i % 2])
    };
    let table = format!("lesion_id,image_id,dx,dx_type,age,sex,localization\n{}", (0..24).map(row).collect::<String>());
    check(&images, &[("HAM10000_metadata.csv", &table)], "bkl 7+1, mel 7+1, nv 7+1");
    // Small copies of the images as tables of pixels lie beside.
    let pixels = |channels: usize| {
        let header: String = (0..64 * channels).map(|at| format!("pixel{at:04},")).collect();
        let row = |i: usize| (0..64 * channels).map(|at| format!("{},", (i + at) % 256)).collect::<String>() + &(i % 3).to_string() + "\n";
        format!("{header}label\n{}", (0..24).map(row).collect::<String>())
    };
    let (grey, colour) = (pixels(1), pixels(3));
    let files = [("HAM10000_metadata.csv", table.as_str()), ("hmnist_8_8_L.csv", &grey), ("hmnist_8_8_RGB.csv", &colour)];
    check(&images, &files, "bkl 7+1, mel 7+1, nv 7+1");
}
