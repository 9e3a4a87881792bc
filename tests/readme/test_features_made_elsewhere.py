"""The manifest that the README writes by hand is enough to train on features of other tools."""

import json
import re

import numpy as np
import pytest

from avel.data.custom import CustomData
from tests.readme.test_readme import ROOT
from tests.unit.data.files import write_rows

pytestmark = pytest.mark.filterwarnings("ignore:.*drawn by a hash")


def test_features_made_elsewhere_are_read(tmp_path):
    (example,) = re.findall(r"^```json\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    manifest = json.loads(example)
    (tmp_path / "manifest.json").write_text(example)
    videos = [f"v{number:02d}" for number in range(12)]
    for video in videos:
        for ending in manifest["visual"] + manifest["audio"]:
            np.save(tmp_path / f"{video}{ending}", np.full((37, 5), int(video[1:]), np.float32))
    data = CustomData(
        annotations=write_rows(tmp_path / "own.csv", *[f"{video},2,4,bark" for video in videos]), feature_dir=tmp_path
    )
    assert (data.facts().visual_dim, data.facts().audio_dim) == (5, 5)
    (batch,) = data.test_dataloader()
    assert batch.visual.shape[1:] == (37, 5)
    assert batch.durations.tolist() == [10.0] * len(batch.videos)  # 36 strides of 4 and a window of 16 frames
    assert batch.segments[0, 0].tolist() == [6, 14]  # the middle of row 6 is at 4 * 6 + 8 = 32 frames: 2 s
