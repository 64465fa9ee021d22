"""Reads the events of a run where its users would, and prints what TensorBoard makes of them: scalars, texts, pictures, and the row of the table
of hyper-parameters with the last metrics.

Usage: python bench/tensorboard_check.py SDP_HOME/runs/ID
(needs tensorboard and pillow; ran with tensorboard 2.21.0)
"""

import io
import sys

from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "images": 0, "tensors": 0}).Reload()
    tags = events.Tags()
    for tag in tags["scalars"]:
        last = events.Scalars(tag)[-1]
        print(f"{tag}: {last.value:.4f} at step {last.step}")
    for tag in tags["images"]:
        image = events.Images(tag)[-1]
        shown = Image.open(io.BytesIO(image.encoded_image_string))
        print(f"{tag}: {shown.format} of {shown.size[0]}x{shown.size[1]}, {len(shown.getcolors())} shades")
    text = events.Tensors("configuration")[-1]
    print("configuration:", text.tensor_proto.string_val[0].decode().splitlines()[:3])
    contents = events.PluginTagToContent("hparams")
    read = {tag: HParamsPluginData.FromString(content) for tag, content in contents.items()}
    start = read["_hparams_/session_start_info"].session_start_info
    print("hparams:", {name: start.hparams[name] for name in ("model.family", "training.steps") if name in start.hparams})
    print("metrics:", [metric.name.tag for metric in read["_hparams_/experiment"].experiment.metric_infos])
    end = read.get("_hparams_/session_end_info")
    print("ended:", end and end.session_end_info.status)


if __name__ == "__main__":
    main()
