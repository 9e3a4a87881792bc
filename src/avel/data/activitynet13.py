"""ActivityNet-1.3: 19,994 untrimmed videos, 200 classes of human activities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from avel.batch import TimeGrid
from avel.data.annotations import read_database
from avel.data.dense_module import DenseDataModule
from avel.data.event_checks import AnnotationRules
from avel.data.families import FAMILIES, FeatureFamily
from avel.data.tables import read_table
from avel.data.text_files import read_json
from avel.data.transforms import RandomCrop
from avel.errors import UserError

ANNOTATION_FILES = ("activity_net.v1-3.min.json", "anet1.3_all.json")
"""The official file, and that of UniAV, which adds label ids."""

PROPOSAL_FILES = ("anet_anno_action.json", "anet_anno_action.json.gz")
"""The cleaned list of BSN and BMN, beside `video_info_new.csv`, which says where the splits are."""

SUBSETS = {"training": "train", "train": "train", "validation": "test", "val": "test", "testing": None, "test": None}

TSP = FeatureFamily(
    visual=(".npy",),
    audio=(),
    grid=TimeGrid(fps=15, stride=16, window=16),
    max_length=192,
    folder="tsp_features",
    prefix="v_",
)


class ActivityNet13(DenseDataModule):
    """ActivityNet-1.3 with precomputed features (one_peace, tsp or i3d); see `DenseDataModule` for the arguments.

    Caba Heilbron et al., "ActivityNet: a large-scale video benchmark for human activity understanding", CVPR 2015. On
    disk: `root/annotations/` with one of `ANNOTATION_FILES` or `PROPOSAL_FILES`, and the features in
    `root/av_features`, `root/tsp_features` or `root/i3d_features`, whose names begin with `v_` and the video's id.

    The labels of the official test set are secret: as in the papers, the official validation set is our split "test".
    Class ids are the alphabetical order of the names (capitals first), unless the file says otherwise. Of events that
    are annotated twice one is kept (195 in the list of BSN, as many as the evaluators leave out), and events without
    length are dropped (12).
    """

    # as the published evaluator builds it
    tiou_grid = tuple(np.linspace(0.5, 0.95, 10).tolist())
    families = {
        "one_peace": replace(FAMILIES["one_peace"], grid=TimeGrid(fps=16, stride=8, window=16), prefix="v_"),
        "tsp": TSP,
        "i3d": replace(TSP, grid=TimeGrid(fps=25, stride=16, window=16), folder="i3d_features"),
    }
    hint = (
        "Get the data: annotations from activity-net.org or, cleaned, from JJBOY/BMN-Boundary-Matching-Network; TSP and"
        " I3D features through the README of happyharrycn/actionformer_release, ONE-PEACE features through that of"
        " ttgeng233/UniAV. data/README.md says where the files go.\n"
        "Or make some up: python scripts/make_synthetic.py activitynet13 --out DIR, then add paths.data_dir=DIR"
    )
    rules = AnnotationRules(subsets=SUBSETS, beyond="clip", drop_repeated=True)
    training_crop = RandomCrop(margin="half_window", clip_first=True)

    def database(self) -> tuple[Path, Mapping[str, Any]]:
        """Parse the annotations, whichever file is there."""
        path = self.find(*(f"annotations/{name}" for name in ANNOTATION_FILES + PROPOSAL_FILES))
        return path, read_proposal_list(path) if path.name in PROPOSAL_FILES else read_database(path)


def read_proposal_list(path: Path) -> dict[str, Any]:
    """Parse the list of BSN and BMN: video id without `v_` -> entry in the official layout.

    Raises:
        UserError: a file is missing or malformed, or a video is in one of them only.
    """
    table = path.with_name("video_info_new.csv")
    subsets = {row["video"]: row["subset"] for row in read_table(table, ("video", "subset"))}
    videos = read_json(path)
    if not isinstance(videos, dict) or not all(isinstance(entry, dict) for entry in videos.values()):
        raise UserError(f"{path}: needs one object per video")
    if lost := videos.keys() - subsets.keys():
        raise UserError(f"{path}: {len(lost)} videos are not in {table.name} (first: {min(lost)!r})")
    return {
        video.removeprefix("v_"): {
            "subset": subsets[video],
            "annotations": entry.get("annotations"),
            "duration": entry.get("duration_second"),
        }
        for video, entry in videos.items()
    }
