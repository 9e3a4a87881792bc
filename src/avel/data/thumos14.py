"""THUMOS14: 413 untrimmed videos with dense annotations, 20 classes of sports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from avel.batch import TimeGrid
from avel.data.annotations import read_database
from avel.data.dense_module import DenseDataModule
from avel.data.event_checks import AnnotationRules
from avel.data.families import FeatureFamily
from avel.data.transforms import RandomCrop

I3D = FeatureFamily(
    visual=(".npy",),
    audio=(),
    grid=TimeGrid(fps=30, stride=4, window=16),
    max_length=2304,
    folder="i3d_features",
    native_fps=True,
)


class Thumos14(DenseDataModule):
    """THUMOS14 with the I3D features of ActionFormer, visual only; see `DenseDataModule` for the arguments.

    Jiang et al., "THUMOS challenge: action recognition with a large number of classes", 2014. On disk:
    `root/annotations/thumos14.json`, in the layout of ActionFormer, and `root/i3d_features/<video>.npy`.

    Methods train on the official validation set, which is our split "train". Frames were taken at a video's own rate:
    30 per second where the file does not say `fps`. "Ambiguous" is no class. 30 events lie behind the end of their
    videos: they are dropped, `beyond="keep"` keeps them, to be missed, as released evaluators do.
    """

    # as the published evaluator builds it: its 0.6 is 0.6000000000000001
    tiou_grid = tuple(np.linspace(0.3, 0.7, 5).tolist())
    families = {"i3d": I3D}
    hint = (
        "Get the data: annotations and I3D features through the README of happyharrycn/actionformer_release."
        " data/README.md says where the files go.\n"
        "Or make some up: python scripts/make_synthetic.py thumos14 --out DIR, then add paths.data_dir=DIR"
    )
    rules = AnnotationRules(subsets={"validation": "train", "test": "test"}, beyond="clip", ignored=("Ambiguous",))
    training_crop = RandomCrop(margin="half_window")

    def database(self) -> tuple[Path, dict[str, Any]]:
        """Parse the annotation file."""
        path = self.find("annotations/thumos14.json")
        return path, read_database(path)
