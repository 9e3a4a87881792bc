"""UnAV-100: 10,790 untrimmed videos, 100 classes of events that are both seen and heard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from avel.data.annotations import read_database
from avel.data.dense_module import DenseDataModule
from avel.data.families import FAMILIES


class UnAV100(DenseDataModule):
    """UnAV-100 with precomputed features (one_peace or i3d_vggish); see `DenseDataModule` for the arguments.

    Geng et al., "Dense-localizing audio-visual events in untrimmed videos: a large-scale benchmark and
    baseline", CVPR 2023. On disk: `root/annotations/unav100_annotations.json` and `root/av_features/*.npy`.
    """

    # as the published evaluator builds it: its 0.3 is 0.30000000000000004
    tiou_grid = tuple(np.linspace(0.1, 0.9, 9).tolist())
    families = FAMILIES
    hint = (
        "Get the data: Hugging Face dataset ttgeng233/UnAV-100 or the drive of the UnAV-100 project page;"
        " ONE-PEACE features through the READMEs of UniAV and CCNet. data/README.md says where the files go.\n"
        "Or make some up: python scripts/make_synthetic.py unav100 --out DIR, then add paths.data_dir=DIR"
    )

    def database(self) -> tuple[Path, dict[str, Any]]:
        """Parse the annotation file."""
        path = self.find("annotations/unav100_annotations.json")
        return path, read_database(path)
