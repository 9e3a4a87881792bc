"""Random weights of VGG-19 and VGGish in files like the published ones, with half the bytes per number."""

from math import ceil, prod

import h5py
import numpy as np
import torch

CONVOLUTIONS = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
"""Numbers of VGG-19's convolutions in torchvision; a pooling layer takes the place behind a ReLU's."""
CHANNELS = (64, 64, 128, 128, *(256,) * 4, *(512,) * 8)
KERAS = [f"block{block}_conv{layer}" for block, count in enumerate((2, 2, 4, 4, 4), 1) for layer in range(1, count + 1)]
VGGISH = (0, 3, 6, 8, 11, 13)
VGGISH_CHANNELS = (64, 128, 256, 256, 512, 512)
LINEAR = {0: (4096, 12288), 2: (4096, 4096), 4: (128, 4096)}


def write_torchvision(path):
    """Write VGG-19 as torchvision has it, with something of its classifier; return the tensors in float32."""
    weights = convolutions(CONVOLUTIONS, CHANNELS, 3)
    torch.save(weights | {"classifier.6.bias": torch.zeros(1000)}, path)
    return {name: tensor.float() for name, tensor in weights.items()}


def write_keras(path, weights, *, names=("{0}_W_1:0", "{0}_b_1:0")):
    """Write VGG-19's tensors as Keras has them, without classifier."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([b"input_1", *(layer.encode() for layer in KERAS), b"block1_pool"])
        for empty in ("input_1", "block1_pool"):
            file.create_group(empty).attrs["weight_names"] = np.zeros(0)
        for layer, number in zip(KERAS, CONVOLUTIONS, strict=True):
            kernel, bias = (weights[f"features.{number}.{part}"].half().numpy() for part in ("weight", "bias"))
            kernel_name, bias_name = (name.format(layer) for name in names)
            group = file.create_group(layer)
            group.attrs["weight_names"] = np.array([kernel_name.encode(), bias_name.encode()])
            group[kernel_name], group[bias_name] = kernel.transpose(2, 3, 1, 0), bias


def write_vggish(path):
    """Write VGGish as torchvggish has it; return the tensors in float32."""
    weights = convolutions(VGGISH, VGGISH_CHANNELS, 1)
    for number, shape in LINEAR.items():
        weights |= {f"embeddings.{number}.weight": drawn(shape), f"embeddings.{number}.bias": drawn(shape[:1])}
    torch.save(weights, path)
    return {name: tensor.float() for name, tensor in weights.items()}


def write_components(path):
    """Write principal components as torchvggish has them, as arrays of NumPy; return them."""
    random = np.random.default_rng(0)
    components = {"pca_eigen_vectors": random.normal(size=(128, 128)) / 12, "pca_means": random.normal(size=(128, 1))}
    torch.save(components, path)
    return components


def convolutions(numbers, channels, inputs):
    weights = {}
    for number, before, width in zip(numbers, (inputs, *channels), channels, strict=False):
        weights[f"features.{number}.weight"] = drawn((width, before, 3, 3))
        weights[f"features.{number}.bias"] = drawn((width,))
    return weights


def drawn(shape):
    """Numbers that keep their size through a layer with ReLU; the same come again and again, which saves seconds."""
    scale = (2 / prod(shape[1:])) ** 0.5 if len(shape) > 1 else 0.1
    pool = (scale * torch.randn(100_003, generator=torch.Generator().manual_seed(prod(shape)))).half()
    return pool.repeat(ceil(prod(shape) / len(pool)))[: prod(shape)].view(shape)
