"""VGG-19 (Simonyan and Zisserman, ICLR 2015): maps of what is where in a picture, as the features of AVE hold them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor, nn

from avel.errors import check_choice
from avel.extraction.encoder import Encoded, Kept, Spans
from avel.extraction.encoders.pretrained import PretrainedEncoder
from avel.extraction.encoders.vgg import convolutions
from avel.extraction.pictures import Pixels
from avel.extraction.weight_files import fill, read_weights

Preprocessing = Literal["torchvision", "caffe"]


class Colours(NamedTuple):
    """How a network wants the channels of a pixel, which are red, green and blue in 0..255.

    Attributes:
        order: in which the network has them.
        mean: what is subtracted, in that order.
        std: what the rest is divided by.
    """

    order: list[int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


COLOURS: dict[Preprocessing, Colours] = {
    "torchvision": Colours([0, 1, 2], (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "caffe": Colours([2, 1, 0], (103.939, 116.779, 123.68), (1.0, 1.0, 1.0)),
}
BLOCKS = ((64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,) * 4)
SIDE, PLACES, WIDTH = 224, 7, 512
"""Pixels of a picture's side, places of a map's side, channels."""

KERAS = re.compile(r"(block\d_conv\d)(?:_|/)(W_1|b_1|kernel|bias)")
"""Names of Keras: those of its published files, and those that it writes today."""
CLASSIFIER = re.compile(r"classifier\.|(fc1|fc2|predictions)[_/]")
"""Begin of the names, by torchvision and Keras, of what is not needed here."""
ADVICE = (
    "Wanted are the weights of VGG-19, of Keras (vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5) or of torchvision"
    " (vgg19-dcbb9e9d.pth): say where they lie, encoder.visual.weights=FILE"
)


class VGG19Maps(PretrainedEncoder):
    """The mean, over the pictures of a window, of VGG-19's last maps: those behind its fifth pooling layer.

    Whole pictures are scaled to 224 x 224 pixels, whatever their shape, so that a place of the 7 x 7 map is a place of
    the picture. So the features of AVE were made (Tian et al., ECCV 2018): 16 pictures of each second, network and
    weights of Keras. Theirs are taken at k / 16 s and scaled by interpolation; ours at (k + 0.5) / 16 s, and by
    averaging: features are alike, but not the same numbers.

    A step takes 100 kB, three hours of them 1 GB, which lie in memory until the file is done.

    Args:
        weights: file of torchvision's or Keras's weights, see `read_weights`; a classifier in it is left out.
        window: seconds that a step covers.
        hop: seconds between two steps.
        frames: pictures of a window, spread evenly.
        pool: average the map over its places, too: vectors of 512 channels, for methods that know no maps.
        preprocessing: "torchvision": red, green, blue, normalized; "caffe": blue, green, red, of which the mean is
            subtracted; None: as the weights learned it, torchvision's the former and Keras's the latter.
        precision: float32, bfloat16 or float16.
        batch: pictures that the network sees at once.

    Raises:
        UserError: a setting makes no sense, or the weights are missing or of another network.
    """

    name = "vgg19"
    width = WIDTH

    def __init__(
        self,
        *,
        weights: str,
        window: float = 1.0,
        hop: float = 1.0,
        frames: int = 16,
        pool: bool = False,
        preprocessing: Preprocessing | None = None,
        precision: str = "float32",
        batch: int = 16,
    ) -> None:
        super().__init__(weights=weights, window=window, hop=hop, precision=precision, batch=batch)
        self.require(frames >= 1, f"frames={frames} must be at least 1")
        self.frames, self.rate, self.pool = frames, frames / window, pool
        tensors = read_weights(self.weights, ADVICE)
        is_keras = any(KERAS.match(name) for name in tensors)
        self.colours: Preprocessing = preprocessing or ("caffe" if is_keras else "torchvision")
        check_choice(f"encoder {self.name}: preprocessing", self.colours, get_args(Preprocessing))
        with torch.device("meta"):
            self.network = nn.ModuleDict({"features": convolutions(3, *BLOCKS)})
        fill(self.network, _renamed(tensors), self.weights)
        self.freeze()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a step's features: a map's, or a vector's."""
        return (WIDTH,) if self.pool else (PLACES, PLACES, WIDTH)

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments, as far as they change numbers."""
        return super().settings() | {"frames": self.frames, "pool": self.pool, "preprocessing": self.colours}

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Scale pictures to what the network learned from."""
        return SIDE, SIDE

    def preprocess(self, pictures: Pixels) -> Kept:
        """Keep the pictures."""
        return pictures

    def encode(self, samples: Kept, spans: Spans) -> Encoded:
        """Encode every picture once, however many windows it lies in."""
        maps = self.rows(samples)
        return np.stack([maps[slice(*span)].mean(axis=0) for span in spans])

    def embed(self, inputs: Tensor) -> Tensor:
        """Embed pictures (b, h, w, 3)."""
        order, mean, std = COLOURS[self.colours]
        offset, scale = (torch.tensor(values, device=inputs.device) for values in (mean, std))
        pixels = ((inputs[..., order] - offset) / scale).movedim(-1, 1).to(self.dtype)
        maps: Tensor = self.network["features"](pixels).movedim(1, -1)
        return maps.mean(dim=(1, 2)) if self.pool else maps


def _renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Call the tensors of a file as torchvision does, and leave the classifier out."""
    layers, renamed = _keras_layers(), dict[str, Tensor]()
    for name, tensor in tensors.items():
        if found := KERAS.fullmatch(name):
            kernel = found[2] in ("W_1", "kernel") and tensor.ndim == 4
            known = f"{layers.get(found[1], found[1])}.{'weight' if kernel else 'bias'}"
            renamed[known] = tensor.permute(3, 2, 0, 1) if kernel else tensor
        elif not CLASSIFIER.match(name):
            renamed[name] = tensor
    return renamed


def _keras_layers() -> dict[str, str]:
    """Return what torchvision calls the convolutions, by Keras's names."""
    names, place = dict[str, str](), 0
    for block, widths in enumerate(BLOCKS, start=1):
        for layer in range(1, len(widths) + 1):
            names[f"block{block}_conv{layer}"] = f"features.{place}"
            place += 2  # a ReLU has a number, too
        place += 1  # and so has the pooling
    return names
