"""What the networks of VGG's kind share (Simonyan and Zisserman, ICLR 2015)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn


def convolutions(channels: int, *blocks: Sequence[int]) -> nn.Sequential:
    """Stack blocks of 3 x 3 convolutions with ReLU, each block followed by 2 x 2 max pooling.

    Layers are numbered as in torchvision: "0.weight", "2.weight" and so on.

    Args:
        channels: of the input.
        blocks: channels of each convolution, block by block.
    """
    layers: list[nn.Module] = []
    for block in blocks:
        for width in block:
            layers += [nn.Conv2d(channels, width, kernel_size=3, padding=1), nn.ReLU(inplace=True)]
            channels = width
        layers.append(nn.MaxPool2d(kernel_size=2))
    return nn.Sequential(*layers)
