import json

import pytest
import torch

from avel.data.thumos14 import Thumos14
from tests.unit.data.files import SHARED, counts, link, write_visual_only

REAL = SHARED / "thumos14" / "thumos14.json"


@pytest.fixture
def root(tmp_path):
    return write_visual_only(tmp_path)


def test_facts(root):
    facts = Thumos14(root=root).facts()
    assert (facts.num_classes, facts.visual_dim, facts.audio_dim, facts.max_length) == (1, 6, 0, 2304)
    assert facts.videos == {"train": 9, "validation": 1, "test": 2}
    assert facts.class_names == ["dog barking"]
    assert Thumos14.tiou_grid == pytest.approx((0.3, 0.4, 0.5, 0.6, 0.7))
    assert Thumos14(root=root, visual_dim=6, audio_dim=0).facts() == facts


def test_videos_have_no_audio_and_their_own_frame_rates(root):
    (batch,) = Thumos14(root=root).test_dataloader()
    assert (batch.visual.shape, batch.audio.shape) == ((2, 40, 6), (2, 40, 0))
    assert [grid.fps for grid in batch.grids] == [25, 30]
    seconds = [grid.to_seconds(segments) for grid, segments in zip(batch.grids, batch.segments, strict=True)]
    torch.testing.assert_close(torch.stack(seconds), torch.tensor([[[1.0, 3.0]], [[1.0, 3.0]]]))


@pytest.mark.skipif(not REAL.exists(), reason="the real THUMOS14 annotations lie outside of the repository")
def test_real_annotations(tmp_path, recwarn):
    link(tmp_path / "annotations" / "thumos14.json", REAL)
    data = Thumos14(root=tmp_path, selection_split="test", beyond="keep")
    statistics = json.loads((SHARED / "statistics.json").read_text())["thumos14"]
    assert counts(data.annotations) == {
        "train": (statistics["videos"]["Validation"], statistics["events"]["Validation"]),
        "validation": (0, 0),
        "test": (statistics["videos"]["Test"], statistics["events"]["Test"]),
    }
    assert len(data.class_names) == statistics["classes"] == 20
    assert data.class_names == sorted(data.class_names)
    assert {video.fps for video in data.annotations.videos} == {24.0, 25.0, 29.97, 30.0}
    clipped = Thumos14(root=tmp_path)
    assert counts(clipped.annotations) == {"train": (180, 2742), "validation": (20, 261), "test": (212, 3332)}
    lost = statistics["end>dur"]
    told = [str(warning.message).partition("json: ")[2] for warning in recwarn]
    assert told == [
        f"{lost} events beyond the end of their video kept as annotated; first in video 'video_test_0000270'",
        f"{lost} events outside of their video dropped; first in video 'video_test_0000270'",
    ]
