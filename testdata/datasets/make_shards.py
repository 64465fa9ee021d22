"""Makes the datasets of the folder shards with the usual writers of each container: webdataset, tfrecord, mosaicml-streaming, litdata,
torch, safetensors, scipy, h5py, py7zr, zstandard.

Usage: python testdata/datasets/make_shards.py (needs these, numpy and pillow). Images and labels are those of make.py.
"""

import bz2, gzip, io, json, lzma, os, shutil, subprocess, tarfile, zipfile
from pathlib import Path

import numpy as np
from PIL import Image

here = Path(__file__).parent / "shards"
TRAIN, TEST = range(12), range(12, 18)
CLASSES = ["ant", "bee", "cat"]


def image(i, height=8, width=6, channels=3):
    y, x, c = np.ogrid[:height, :width, :channels]
    return ((37 * i + 5 * y + 3 * x + 11 * c) % 256).astype(np.uint8)


def png(i):
    out = io.BytesIO()
    Image.fromarray(image(i)).save(out, "PNG")
    return out.getvalue()


def jpeg(i):
    out = io.BytesIO()
    Image.fromarray(image(i)).save(out, "JPEG", quality=100, subsampling=0)
    return out.getvalue()


def stack(samples, **size):
    return np.stack([image(i, **size) for i in samples])


def labels(samples):
    return np.array([i % 3 for i in samples], np.int64)


def web_dataset():
    import webdataset as wds

    folder = here / "webdataset"
    folder.mkdir()
    for name, samples, most in (("train", TRAIN, 8), ("val", TEST, 8)):
        with wds.ShardWriter(str(folder / f"pets-{name}-%06d.tar"), maxcount=most, verbose=0, mtime=0) as sink:
            for i in samples:
                sink.write({"__key__": f"{i:06d}", "png": png(i), "cls": i % 3, "json": {"label": i % 3, "class_name": CLASSES[i % 3], "width": 6, "url": f"x/{i}"}})
    (folder / "classnames.txt").write_text("\n".join(CLASSES) + "\n")


def tf_records():
    import tfrecord

    folder = here / "tfrecord"
    folder.mkdir()
    for name, samples in (("train-00000-of-00002", TRAIN[:6]), ("train-00001-of-00002", TRAIN[6:]), ("validation-00000-of-00001", TEST)):
        writer = tfrecord.TFRecordWriter(str(folder / name))
        for i in samples:
            writer.write({"image/encoded": (png(i), "byte"), "image/class/label": (i % 3 + 1, "int"), "image/class/text": (CLASSES[i % 3].encode(), "byte"), "image/height": (8, "int"), "image/width": (6, "int"), "image/filename": (f"{i}.png".encode(), "byte")})
        writer.close()
    # As TensorFlow Datasets calls them.
    folder = here / "tfds"
    folder.mkdir()
    for name, samples in (("train", TRAIN), ("test", TEST)):
        writer = tfrecord.TFRecordWriter(str(folder / f"pets-{name}.tfrecord-00000-of-00001"))
        for i in samples:
            writer.write({"image": (png(i), "byte"), "label": (i % 3, "int"), "id": (f"{name}_{i:05}".encode(), "byte")})
        writer.close()
    (folder / "label.labels.txt").write_text("\n".join(CLASSES) + "\n")
    (folder / "features.json").write_text(json.dumps({"pythonClassName": "tensorflow_datasets.core.features.features_dict.FeaturesDict"}))
    (folder / "dataset_info.json").write_text(json.dumps({"name": "pets", "fileFormat": "tfrecord", "splits": [{"name": "train"}, {"name": "test"}]}))
    folder = here / "tfrecord-raw"
    folder.mkdir()
    writer = tfrecord.TFRecordWriter(str(folder / "train.tfrecords"))
    for i in TRAIN:
        writer.write({"image_raw": (image(i).tobytes(), "byte"), "label": (i % 3, "int"), "height": (8, "int"), "width": (6, "int"), "depth": (3, "int")})
    writer.close()


def streaming():
    from streaming import MDSWriter

    for kind, compression in (("pil", None), ("png", "zstd"), ("jpeg", None)):
        for name, samples in (("train", TRAIN), ("val", TEST)):
            columns = {"image": kind, "label": "int", "name": "str"}
            with MDSWriter(out=str(here / f"mds-{kind}" / name), columns=columns, compression=compression) as out:
                for i in samples:
                    picture = {"pil": lambda: Image.fromarray(image(i)), "png": lambda: Image.open(io.BytesIO(png(i))), "jpeg": lambda: Image.open(io.BytesIO(jpeg(i)))}[kind]()
                    out.write({"image": picture, "label": i % 3, "name": CLASSES[i % 3]})


def lit_data():
    from litdata.streaming.writer import BinaryWriter

    for name, picture in (("litdata", lambda i: Image.fromarray(image(i))), ("litdata-jpeg", lambda i: Image.open(io.BytesIO(jpeg(i))))):
        folder = here / name
        writer = BinaryWriter(str(folder), chunk_size=5, compression=None)
        for i in TRAIN:
            writer[i] = {"image": picture(i), "label": i % 3}
        writer.done()
        writer.merge(num_workers=1)
        for extra in folder.glob("*.lock"):
            extra.unlink()


def tensors():
    import torch
    from safetensors.numpy import save_file

    grey = lambda samples: stack(samples, channels=1)[..., 0]
    folder = here / "torch"
    folder.mkdir()
    # As torchvision's MNIST kept it until 0.8, in processed/.
    for name, samples in (("training", TRAIN), ("test", TEST)):
        torch.save((torch.from_numpy(grey(samples)), torch.from_numpy(labels(samples))), folder / f"{name}.pt")
    # A file for each tensor.
    alone = here / "tensors"
    alone.mkdir()
    for name, samples in (("train", TRAIN), ("test", TEST)):
        torch.save(torch.from_numpy(grey(samples)), alone / f"{name}_images.pt")
        torch.save(torch.from_numpy(labels(samples)), alone / f"{name}_labels.pt")
    planes = torch.from_numpy(stack(TRAIN).transpose(0, 3, 1, 2).copy())
    torch.save({"images": planes.to(memory_format=torch.channels_last), "labels": torch.from_numpy(labels(TRAIN)), "epoch": 3}, here / "channels-last.pt")
    both = planes.float().div(255).to(torch.bfloat16)
    torch.save({"train": {"x": both[:9], "y": torch.from_numpy(labels(TRAIN)[:9])}, "test": {"x": both[9:], "y": torch.from_numpy(labels(TRAIN)[9:])}}, here / "nested.pth")
    torch.save({"images": planes, "labels": torch.from_numpy(labels(TRAIN))}, here / "old.pt", _use_new_zipfile_serialization=False)
    torch.save([(plane, 0) for plane in planes[:2]], here / "pairs.pt")
    torch.save(torch.nn.Linear(4, 2).state_dict(), here / "weights.pt")
    torch.save(torch.utils.data.TensorDataset(planes, torch.from_numpy(labels(TRAIN))), here / "object.pt")
    save_file({"images": stack(TRAIN), "labels": labels(TRAIN)}, here / "train.safetensors")


def matlab():
    from scipy.io import savemat

    folder = here / "svhn"
    folder.mkdir()
    for name, samples in (("train", TRAIN), ("test", TEST)):
        digits = np.array([[i % 3 or 10] for i in samples], np.uint8)
        savemat(folder / f"{name}_32x32.mat", {"X": stack(samples, height=32, width=32).transpose(1, 2, 3, 0), "y": digits}, do_compression=True)
    savemat(here / "digits.mat", {"X": stack(TRAIN, height=16, width=16, channels=1).reshape(12, 256).astype(np.float64), "y": labels(TRAIN)[:, None].astype(np.float64)})
    folder = here / "flowers"
    (folder / "jpg").mkdir(parents=True)
    for i in TRAIN:
        Image.fromarray(image(i)).save(folder / "jpg" / f"image_{i + 1:05}.jpg", quality=100, subsampling=0)
    savemat(folder / "imagelabels.mat", {"labels": (labels(TRAIN) + 1)[None].astype(np.uint8)})
    ids = lambda part: np.array([[i + 1 for i in TRAIN if i % 4 in part]], np.uint16)
    savemat(folder / "setid.mat", {"trnid": ids((0, 1)), "valid": ids((2,)), "tstid": ids((3,))})
    savemat(here / "old.mat", {"x": np.arange(4)}, format="4")


def structures(rows, names, shape):
    """A MATLAB array of structures: text, numbers and lists of numbers."""
    out = np.empty(len(rows), dtype=[(name, object) for name in names])
    for at, row in enumerate(rows):
        out[at] = tuple(np.array([value]) if isinstance(value, str) else np.atleast_2d(value) for value in row)
    return out.reshape(shape)


def cell(texts):
    out = np.empty((1, len(texts)), object)
    for at, text in enumerate(texts):
        out[0, at] = np.array([text])
    return out


def known_sets():
    """Label files of Stanford Cars and of ImageNet's devkit, as these are laid out."""
    from scipy.io import savemat

    folder = here / "cars"
    folder.mkdir()
    box = ["bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2"]
    number = lambda i: np.uint8(i % 3 + 1)
    row = lambda i, first: [*np.uint8([1, 2, 5, 6]), number(i), f"{i - first + 1:05}.jpg"]
    savemat(folder / "cars_train_annos.mat", {"annotations": structures([row(i, 0) for i in TRAIN], [*box, "class", "fname"], (1, -1))}, do_compression=True)
    savemat(folder / "cars_test_annos_withlabels.mat", {"annotations": structures([row(i, 12) for i in TEST], [*box, "class", "fname"], (1, -1))}, do_compression=True)
    savemat(folder / "cars_test_annos.mat", {"annotations": structures([row(i, 12)[:4] + row(i, 12)[5:] for i in TEST], [*box, "fname"], (1, -1))}, do_compression=True)
    savemat(folder / "cars_meta.mat", {"class_names": cell(["Acura RL Sedan 2012", "Audi A5 Coupe 2012", "BMW M3 Coupe 2012"])}, do_compression=True)
    both = [[f"car_ims/{i + 1:06}.jpg", *np.uint8([1, 2, 5, 6]), number(i), np.uint8(i in TEST)] for i in [*TRAIN, *TEST]]
    savemat(here / "cars_annos.mat", {"annotations": structures(both, ["relative_im_path", *box, "class", "test"], (1, -1)), "class_names": cell(["Acura RL Sedan 2012", "Audi A5 Coupe 2012", "BMW M3 Coupe 2012"])}, do_compression=True)
    # Its own order of the classes, and a word that has others below it.
    synsets = [("n01484850", "great white shark, white shark"), ("n01440764", "tench, Tinca tinca"), ("n01443537", "goldfish, Carassius auratus")]
    rows = [[np.uint8(at + 1), synset, words, "a fish", np.uint8(0), np.zeros((0, 0), np.uint8), np.uint8(0), np.uint16(1300)] for at, (synset, words) in enumerate(synsets)]
    rows.append([np.uint16(1001), "n02512053", "fish", "an animal", np.uint8(3), np.uint8([1, 2, 3]), np.uint8(1), np.uint8(0)])
    names = ["ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children", "wordnet_height", "num_train_images"]
    savemat(here / "meta.mat", {"synsets": structures(rows, names, (-1, 1))}, do_compression=True)


def hdf5():
    import h5py

    folder = here / "hdf5"
    folder.mkdir()
    # As PatchCamelyon is.
    for name, samples in (("train", TRAIN), ("valid", TEST)):
        with h5py.File(folder / f"camelyonpatch_level_2_split_{name}_x.h5", "w") as out:
            out.create_dataset("x", data=stack(samples), chunks=(4, 8, 6, 3), compression="gzip")
        with h5py.File(folder / f"camelyonpatch_level_2_split_{name}_y.h5", "w") as out:
            out.create_dataset("y", data=(labels(samples) % 2).astype(np.uint8).reshape(-1, 1, 1, 1), chunks=(4, 1, 1, 1), compression="gzip")
    with h5py.File(here / "plain.h5", "w") as out:
        out["train/images"], out["train/labels"] = stack(TRAIN), labels(TRAIN)
        out["test/images"], out["test/labels"] = stack(TEST), labels(TEST)
        out.attrs["about"] = "pets"
    with h5py.File(here / "lzf.h5", "w") as out:
        for name, samples in (("train", TRAIN), ("test", TEST)):
            out.create_dataset(f"{name}/images", data=stack(samples), chunks=(5, 8, 6, 3), compression="lzf")
            out.create_dataset(f"{name}/labels", data=labels(samples), compression="lzf", shuffle=True, fletcher32=True)
    # As the Food-101 of Kaggle is: a column of booleans for each class.
    with h5py.File(here / "booleans.h5", "w") as out:
        out.create_dataset("images", data=stack(TRAIN), chunks=(4, 8, 6, 3), compression="gzip")
        out["category"] = np.eye(3, dtype=bool)[labels(TRAIN)]
        out["category_names"] = np.array([name.encode() for name in CLASSES])
    # Weights as Keras 2 and 3 save them.
    with h5py.File(here / "keras-2.h5", "w") as out:
        out["model_weights/dense/dense/kernel:0"], out["model_weights/dense/dense/bias:0"] = np.ones((4, 2), np.float32), np.ones(2, np.float32)
    with h5py.File(here / "keras-3.weights.h5", "w") as out:
        out["layers/dense/vars/0"], out["layers/dense/vars/1"] = np.ones((4, 2), np.float32), np.ones(2, np.float32)


def folder_tar():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for split, samples in (("train", TRAIN), ("val", TEST)):
            for i in samples:
                info = tarfile.TarInfo(f"{split}/{CLASSES[i % 3]}/{i:02}.png")
                info.size = len(png(i))
                archive.addfile(info, io.BytesIO(png(i)))
    return out.getvalue()


def archives():
    import py7zr, zstandard

    tar = folder_tar()
    (here / "folder.tar.xz").write_bytes(lzma.compress(tar))
    (here / "folder.tar.bz2").write_bytes(bz2.compress(tar))
    (here / "folder.tar.zst").write_bytes(zstandard.compress(tar))
    (here / "lines.jsonl.zst").write_bytes(zstandard.compress(b"".join(json.dumps({"text": f"line {i} of many"}).encode() + b"\n" for i in range(40))))
    with py7zr.SevenZipFile(here / "folder.7z", "w") as out:
        out.writestr(png(1), "ant/1.png")
    inner = {name: io.BytesIO() for name in ("train", "test")}
    for name, samples in (("train", TRAIN), ("test", TEST)):
        with zipfile.ZipFile(inner[name], "w") as out:
            for i in samples:
                out.writestr(zipfile.ZipInfo(f"{CLASSES[i % 3]}/{i:02}.png", (2026, 1, 1, 0, 0, 0)), png(i))
    with zipfile.ZipFile(here / "zips-in-zip.zip", "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in inner.items():
            out.writestr(zipfile.ZipInfo(f"{name}.zip", (2026, 1, 1, 0, 0, 0)), content.getvalue())
        out.writestr(zipfile.ZipInfo("sampleSubmission.csv", (2026, 1, 1, 0, 0, 0)), "id,label\n1,0\n")


def main():
    if here.exists():
        shutil.rmtree(here)
    here.mkdir()
    for make in (web_dataset, tf_records, streaming, lit_data, tensors, matlab, known_sets, hdf5, archives):
        make()


if __name__ == "__main__":
    main()
