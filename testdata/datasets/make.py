"""Makes the datasets of this folder with the usual writers of each format: pickle, NumPy, pyarrow, Pillow, tarfile, zipfile, gzip, tokenizers.

Usage: python testdata/datasets/make.py (needs numpy, pillow, pyarrow, tokenizers, datasets, huggingface_hub). Pixel (y, x, c) of image i is
(37 i + 5 y + 3 x + 11 c) mod 256, its label i mod 3; smooth images have (2 i + y + x + 40 c) instead, which JPEG keeps almost exactly.
"""

import csv, gzip, io, json, pickle, shutil, struct, tarfile, zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

here = Path(__file__).parent
TRAIN, TEST = range(12), range(12, 18)
CLASSES = ["ant", "bee", "cat"]


def image(i, height=8, width=6, channels=3):
    y, x, c = np.ogrid[:height, :width, :channels]
    return ((37 * i + 5 * y + 3 * x + 11 * c) % 256).astype(np.uint8)


def smooth(i, height=16, width=16):
    y, x, c = np.ogrid[:height, :width, :3]
    return (2 * i + y + x + 40 * c).astype(np.uint8)


def file_of(pixels, kind, **options):
    out = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(out, kind, **options)
    return out.getvalue()


def png(i):
    return file_of(image(i), "PNG")


def idx(array):
    return struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def labels(samples):
    return np.array([i % 3 for i in samples], np.uint8)


def idx_files():
    for name, samples in (("train", TRAIN), ("t10k", TEST)):
        grey = np.stack([image(i, channels=1)[..., 0] for i in samples])
        yield f"{name}-images-idx3-ubyte", idx(grey)
        yield f"{name}-labels-idx1-ubyte", idx(labels(samples))


def arrays_of_kinds(images):
    names = np.array(CLASSES)[labels(TRAIN)]
    kinds = {"text": names, "bytes": names.astype("S"), "object": names.astype(object), "half": labels(TRAIN).astype(np.float16), "one_hot": np.eye(3)[labels(TRAIN)]}
    np.savez_compressed(here / "arrays-kinds.npz", images=(images / 255).astype(np.float16), **{f"{kind}_labels": array for kind, array in kinds.items()})


def nanogpt(text):
    # As data/shakespeare_char/prepare.py of nanoGPT writes it.
    chars = sorted(set(text))
    stoi, itos = {ch: i for i, ch in enumerate(chars)}, {i: ch for i, ch in enumerate(chars)}
    folder = here / "nanogpt"
    folder.mkdir()
    cut = int(len(text) * 0.9)
    for name, part in (("train", text[:cut]), ("val", text[cut:])):
        np.array([stoi[ch] for ch in part], dtype=np.uint16).tofile(folder / f"{name}.bin")
    with open(folder / "meta.pkl", "wb") as out:
        pickle.dump({"vocab_size": len(chars), "itos": itos, "stoi": stoi}, out)


def write_zip(name, files):
    with zipfile.ZipFile(here / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files:
            archive.writestr(zipfile.ZipInfo(path, (2026, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)


def write_tar(name, files, mode):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, content in files:
            info = tarfile.TarInfo(path)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    (here / name).write_bytes(gzip.compress(out.getvalue(), mtime=0) if mode == "gz" else out.getvalue())


def cifar(samples):
    return np.stack([image(i, 32, 32).transpose(2, 0, 1).reshape(-1) for i in samples])


def binary_cifar(samples, coarse=False):
    first = [bytes([1])] if coarse else []
    return b"".join(b"".join([*first, bytes([i % 3]), row.tobytes()]) for i, row in zip(samples, cifar(samples)))


def python_cifar(samples, protocol, key=b"labels"):
    return pickle.dumps({b"batch_label": b"batch", key: [i % 3 for i in samples], b"data": cifar(samples)}, protocol)


def folder_files(top=""):
    for split, samples in (("train", TRAIN), ("val", TEST)):
        for i in samples:
            yield f"{top}{split}/{CLASSES[i % 3]}/{i:02}.png", png(i)


def parquet(path, columns, metadata=None, **options):
    table = pa.table(columns)
    if metadata:
        table = table.replace_schema_metadata({"huggingface": json.dumps(metadata)})
    pq.write_table(table, path, **options)


def hugging_face(name, samples, **options):
    column = pa.array([{"bytes": png(i), "path": f"{i}.png"} for i in samples], pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    metadata = {"info": {"features": {"image": {"_type": "Image"}, "label": {"names": CLASSES, "_type": "ClassLabel"}}}}
    parquet(here / "hugging-face" / name, {"image": column, "label": pa.array([i % 3 for i in samples], pa.int64())}, metadata, **options)


def hub():
    """What Hugging Face's datasets and huggingface_hub leave on a disk."""
    from datasets import ClassLabel, Dataset, DatasetDict, Features, Image as ImageFeature, List, Value, load_dataset
    from datasets.utils.metadata import MetadataConfigs
    from huggingface_hub import DatasetCard, DatasetCardData

    folder = here / "hub"
    shutil.rmtree(folder, ignore_errors=True)
    features = Features({"image": ImageFeature(), "label": ClassLabel(names=CLASSES)})

    def of(samples):
        return Dataset.from_dict({"image": [{"bytes": png(i), "path": None} for i in samples], "label": [i % 3 for i in samples]}, features=features)

    DatasetDict({"train": of(TRAIN), "test": of(TEST)}).save_to_disk(folder / "disk", num_shards={"train": 2, "test": 1})
    of(TRAIN).save_to_disk(folder / "disk-one")
    Dataset.from_dict({"text": documents(), "id": list(range(40))}).save_to_disk(folder / "disk-text")
    rows = [[(7 * row + at) % 50 for at in range(row % 5 + 1)] for row in range(60)]
    tokens = Features({"input_ids": List(Value("int32")), "attention_mask": List(Value("int8"))})
    DatasetDict({name: Dataset.from_dict({"input_ids": part, "attention_mask": [[1] * len(row) for row in part]}, features=tokens) for name, part in (("train", rows[:50]), ("validation", rows[50:]))}).save_to_disk(folder / "disk-tokens")
    # Two configurations on one card.
    configs = folder / "configurations"
    for name, classes in (("fine", CLASSES), ("coarse", ["insect", "pet"])):
        for split, samples in (("train", TRAIN), ("test", TEST)):
            (configs / name).mkdir(parents=True, exist_ok=True)
            kinds = [i % 3 if name == "fine" else i % 3 // 2 for i in samples]
            part = Dataset.from_dict({"image": [{"bytes": png(i), "path": None} for i in samples], "label": kinds}, features=Features({"image": ImageFeature(), "label": ClassLabel(names=classes)}))
            part.to_parquet(configs / name / f"{split}-00000-of-00001.parquet")
    data = DatasetCardData(license="mit")
    files = lambda name: [{"split": split, "path": f"{name}/{split}-*"} for split in ("train", "test")]
    MetadataConfigs({name: {"data_files": files(name)} for name in ("fine", "coarse")}).to_dataset_card_data(data)
    DatasetCard(f"---\n{data}\n---\n\n# Insects\n").save(configs / "README.md")
    # The cache of Arrow files that load_dataset keeps.
    source = {split: str(configs / "fine" / f"{split}-00000-of-00001.parquet") for split in ("train", "test")}
    cached = load_dataset("parquet", data_files=source, cache_dir=str(folder / "cache"))
    cached["train"].filter(lambda row: row["label"] == 0)
    # Its name depends on the time.
    next((folder / "cache" / "parquet").iterdir()).rename(folder / "cache" / "parquet" / "default-0")
    for lock in folder.rglob("*.lock"):
        lock.unlink()
    # Arrow's file format, as pyarrow and Feather write it.
    table = pa.table({"image": pa.array([png(i) for i in TRAIN], pa.large_binary()), "split": ["train"] * 9 + ["test"] * 3, "label": pa.array([CLASSES[i % 3] for i in TRAIN], pa.large_string())})
    with pa.OSFile(str(folder / "file.arrow"), "wb") as out, pa.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table, max_chunksize=5)
    # Views, as Polars writes them; long names lie in buffers of their own.
    names = ["ant", "bee", "a cat of more than twelve letters"]
    table = pa.table({"note": pa.array(["a note of more than twelve letters"] * 12, pa.string_view()), "image": pa.array([png(i) for i in TRAIN], pa.binary_view()), "label": pa.array([names[i % 3] for i in TRAIN], pa.string_view())})
    with pa.OSFile(str(folder / "views.arrow"), "wb") as out, pa.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table, max_chunksize=7)
    feather.write_feather(pa.table({"image": [png(i) for i in TRAIN], "label": list(labels(TRAIN))}), folder / "compressed.arrow", compression="lz4")
    table = pa.table({"image": [png(i) for i in TRAIN], "label": pa.array([CLASSES[i % 3] for i in TRAIN]).dictionary_encode()})
    with pa.OSFile(str(folder / "dictionary.arrow"), "wb") as out, pa.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table)
    arrow_streams(folder)
    chats(folder)


def chats(folder):
    """Chats as datasets keeps them, and with views as Polars writes them; every third row is for validation."""
    messages = [[{"role": "user", "content": f"What is {i} and a very long text behind it?"}, {"role": "assistant", "content": f"«{i}»"}] for i in range(30)]
    splits = ["test" if i % 3 == 2 else "train" for i in range(30)]
    for name, text, options in (("chats", pa.string(), {}), ("chats-views", pa.string_view(), {"compression": "zstd"})):
        kind = pa.list_(pa.struct([("content", text), ("role", text)]))
        split = pa.array(splits) if name == "chats" else pa.array(splits).dictionary_encode()
        table = pa.table({"id": list(range(30)), "messages": pa.array(messages, kind), "source": pa.array(["made"] * 30, text), "split": split})
        with pa.OSFile(str(folder / f"{name}.arrow"), "wb") as out, pa.ipc.new_stream(out, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
            writer.write_table(table, max_chunksize=12)


def arrow_streams(folder):
    """Streams of Arrow that are compressed, with dictionaries that grow and change between the batches."""
    picture = pa.array([png(i) for i in TRAIN], pa.binary())
    parts = [TRAIN[:5], TRAIN[5:7], TRAIN[7:]]
    kinds = [pa.array([CLASSES[i % 3] for i in part]).dictionary_encode() for part in parts]
    # The last part knows other places for the classes, and lacks one value.
    kinds[2] = pa.DictionaryArray.from_arrays(pa.array([["cat", "bee", "ant"].index(CLASSES[i % 3]) for i in parts[2]], pa.int8()).cast(pa.int32()), pa.array(["cat", "bee", "ant"]))
    table = pa.table({"image": picture, "label": pa.chunked_array(kinds), "weight": pa.array([i / 7 for i in TRAIN], pa.float32()).dictionary_encode()})
    for compression in ("lz4", "zstd"):
        options = pa.ipc.IpcWriteOptions(compression=compression, emit_dictionary_deltas=compression == "zstd")
        with pa.OSFile(str(folder / f"{compression}.arrow"), "wb") as out, pa.ipc.new_stream(out, table.schema, options=options) as writer:
            for batch in table.to_batches():
                writer.write_batch(batch)
    text = pa.table({"text": pa.array(documents()), "language": pa.array(["en", "pl"] * 20).dictionary_encode()})
    feather.write_feather(text, folder / "text.feather", compression="zstd", chunksize=16)
    rows = [[(7 * row + at) % 50 for at in range(row % 5 + 1)] for row in range(60)]
    feather.write_feather(pa.table({"input_ids": pa.array(rows, pa.list_(pa.uint16()))}), folder / "tokens.feather", compression="lz4")


def documents():
    return [f"Document {i}: the quick brown fox – «{i * i}» – jumps over the lazy dog.\nIts second line ends here." for i in range(40)]


def gpt2(texts):
    """A byte-level BPE as GPT-2 is saved, and what its usual reader makes of some text."""
    from tokenizers import ByteLevelBPETokenizer
    folder = here / "gpt2"
    folder.mkdir(exist_ok=True)
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(texts, vocab_size=320, special_tokens=["<|endoftext|>"], show_progress=False)
    tokenizer.save_model(str(folder))
    reader = ByteLevelBPETokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    samples = ["the cat sat on the mat, it's 12 cats\n", "  Zażółć 中文 \U0001f408\r\n\t don't", "documents of the quick brown fox"]
    (folder / "expected.json").write_text(json.dumps({text: reader.encode(text).ids for text in samples}))


def odd_images():
    """Image files of which a reader shows less than there is, or something else: turned, of several frames, of other numbers."""
    folder = here / "odd-images"
    folder.mkdir(exist_ok=True)
    picture = Image.fromarray(image(1))
    for turn in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = turn
        picture.save(folder / f"turned-{turn}.png", exif=exif)
    exif[0x0112] = 6
    Image.fromarray(smooth(1)).save(folder / "turned.jpg", quality=100, subsampling=0, exif=exif)
    frames = [Image.fromarray(image(i)) for i in range(3)]
    frames[0].save(folder / "frames.gif", save_all=True, append_images=frames[1:])
    frames[0].save(folder / "frames.webp", save_all=True, append_images=frames[1:], lossless=True)
    frames[0].save(folder / "frames.png", save_all=True, append_images=frames[1:])
    frames[0].save(folder / "pages.tiff", save_all=True, append_images=frames[1:])
    values = np.arange(48).reshape(8, 6)
    Image.fromarray((values / 47).astype(np.float32)).save(folder / "float.tiff")
    Image.fromarray((values * 100 - 1000).astype(np.int32)).save(folder / "signed.tiff")
    Image.fromarray((values * 87).astype(np.uint16)).save(folder / "twelve.tiff")
    Image.fromarray((values * 87).astype(np.uint16)).save(folder / "twelve.png")


def main():
    for item in here.iterdir():
        if item.name in ("make.py", "make_shards.py", "shards"):
            continue
        if item.is_dir():
            shutil.rmtree(item)
        else:
            item.unlink()
    hub()
    write_zip("idx.zip", [(f"{name}.gz", gzip.compress(content, mtime=0)) for name, content in idx_files()])
    (here / "idx").mkdir()
    for name, content in idx_files():
        (here / "idx" / name).write_bytes(content)
    meta = "\n".join(CLASSES).encode() + b"\n"
    half = list(TRAIN)[:6], list(TRAIN)[6:]
    write_tar("cifar-10-binary.tar.gz", [("c/batches.meta.txt", meta), ("c/data_batch_1.bin", binary_cifar(half[0])), ("c/data_batch_2.bin", binary_cifar(half[1])), ("c/test_batch.bin", binary_cifar(TEST))], "gz")
    write_tar("cifar-100-binary.tar.gz", [("c/fine_label_names.txt", meta), ("c/train.bin", binary_cifar(TRAIN, True)), ("c/test.bin", binary_cifar(TEST, True))], "gz")
    for protocol in (2, 5):
        names = pickle.dumps({b"label_names": [name.encode() for name in CLASSES]}, protocol)
        write_tar(f"cifar-10-python-{protocol}.tar.gz", [("c/batches.meta", names), ("c/data_batch_1", python_cifar(half[0], protocol)), ("c/data_batch_2", python_cifar(half[1], protocol)), ("c/test_batch", python_cifar(TEST, protocol))], "gz")
    fine = pickle.dumps({"fine_label_names": CLASSES}, 2)
    write_tar("cifar-100-python.tar.gz", [("c/meta", fine), ("c/train", python_cifar(TRAIN, 2, b"fine_labels")), ("c/test", python_cifar(TEST, 2, b"fine_labels"))], "gz")
    write_zip("folder.zip", folder_files("pets/"))
    write_tar("folder.tar", folder_files(), "plain")
    write_tar("folder.tar.gz", folder_files("./"), "gz")
    images = [(f"images/{i:02}.png", png(i)) for i in TRAIN]
    table = io.StringIO()
    csv.writer(table).writerows([["file_name", "label"], *[[f"images/{i:02}.png", CLASSES[i % 3]] for i in TRAIN]])
    write_zip("table-csv.zip", [("labels.csv", table.getvalue()), *images])
    lines = "".join(json.dumps({"image": f"images/{i:02}.png", "class": CLASSES[i % 3], "split": "test" if i > 8 else "train"}) + "\n" for i in TRAIN)
    write_zip("table-jsonl.zip", [("metadata.jsonl", lines), *images])
    stack = lambda samples: np.stack([image(i) for i in samples])
    np.savez_compressed(here / "arrays.npz", x_train=stack(TRAIN), y_train=labels(TRAIN).astype(np.int64), x_test=stack(TEST), y_test=labels(TEST).astype(np.int64))
    (here / "arrays-float").mkdir()
    np.save(here / "arrays-float" / "train_images.npy", (stack(TRAIN).transpose(0, 3, 1, 2) / 255).astype(np.float32))
    np.save(here / "arrays-float" / "train_labels.npy", labels(TRAIN).astype(np.int32)[:, None])
    arrays_of_kinds(stack(TRAIN))
    (here / "hugging-face").mkdir()
    hugging_face("train-00000-of-00002.parquet", half[0], row_group_size=4)
    hugging_face("train-00001-of-00002.parquet", half[1], compression="zstd")
    hugging_face("validation-00000-of-00001.parquet", TEST, compression="gzip")
    (here / "jpeg").mkdir()
    for i in TRAIN:
        folder = here / "jpeg" / CLASSES[i % 3]
        folder.mkdir(exist_ok=True)
        (folder / f"{i:02}.jpg").write_bytes(file_of(smooth(i), "JPEG", quality=100, subsampling=0))
    (here / "kinds").mkdir()
    for kind in ("BMP", "WEBP", "TIFF"):
        (here / "kinds" / f"image.{kind.lower()}").write_bytes(file_of(image(1), kind, **({"lossless": True} if kind == "WEBP" else {})))
    grey = Image.fromarray(image(1, channels=1).squeeze())
    grey.save(here / "kinds" / "image.gif")
    Image.fromarray(image(1, channels=1).squeeze().astype(np.uint16) * 257).save(here / "kinds" / "sixteen.png")
    Image.fromarray(np.concatenate([image(1), np.full((8, 6, 1), 128, np.uint8)], 2)).save(here / "kinds" / "alpha.png")
    Image.fromarray(smooth(1)).convert("CMYK").save(here / "kinds" / "cmyk.jpg", quality=100, subsampling=0)
    (here / "text").mkdir()
    texts = documents()
    (here / "text" / "plain.txt").write_text("\n".join(texts), encoding="utf-8")
    (here / "text" / "lines.jsonl").write_text("".join(json.dumps({"id": i, "text": text}) + "\n" for i, text in enumerate(texts)), encoding="utf-8")
    with open(here / "text" / "table.csv", "w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([["id", "text"], *enumerate(texts)])
    parquet(here / "text" / "table.parquet", {"id": pa.array(range(40)), "text": pa.array(texts)})
    parquet(here / "numbers.parquet", {"id": pa.array(range(40)), "score": pa.array([0.5] * 40)})
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=["<|endoftext|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.save(str(here / "tokenizer.json"))
    (here / "expected-tokens.json").write_text(json.dumps([tokenizer.encode(text).ids for text in texts]))
    gpt2(texts)
    odd_images()
    tokens = np.arange(200, dtype=np.uint16) * 7 % 90
    np.save(here / "tokens.npy", tokens)
    tokens.tofile(here / "tokens.bin")
    nanogpt("a bad cafe, a cab\n" * 12)


if __name__ == "__main__":
    main()
