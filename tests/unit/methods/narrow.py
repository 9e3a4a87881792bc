"""Methods small enough for unit tests."""

from avel.layers.heads import HeadConfig
from avel.layers.pyramid import PyramidConfig
from avel.training.optim import OptimizerRecipe


def narrow(kind, **changes):
    arguments = {
        "num_classes": 3,
        "visual_dim": 5,
        "audio_dim": 4,
        "max_length": 32,
        "pyramid": PyramidConfig(dim=4, heads=2, levels=3, stem_layers=1),
        "head": HeadConfig(dim=6, layers=2),
        "neck_dim": 4,
        "optimizer": OptimizerRecipe(lr=1e-3),
    }
    return kind(**arguments | changes)
