"""The training crop and the time grid against the released readers."""

from random import Random

import pytest
import torch
from torch.testing import assert_close

from avel.batch import Sample, TimeGrid
from avel.data.transforms import RandomCrop
from tests.reference.loader import find_cases

CASES = find_cases(kind="dense", methods=("dense-common",))
TRUNCATIONS = [
    pytest.param(row, id=f"{case}-{row['name']}") for case in CASES for row in case.expected.get("truncate_feats", [])
]
GRIDS = [
    pytest.param(case, name, id=f"{case}-{name}")
    for case in CASES
    for name in case.expected
    if name.startswith("grid.")
]


class RecordingRandom(Random):
    """Keeps the bounds and the value of every integer drawn."""

    def __init__(self, seed):
        super().__init__(seed)
        self.draws = []

    def randint(self, low, high):
        self.draws.append([low, high, super().randint(low, high)])
        return self.draws[-1][2]


def crop(row, random):
    """The row's sample after the crop; the only feature is the number of the snippet."""
    steps = torch.arange(row["feat_len"], dtype=torch.float32)[:, None]
    sample = Sample(
        video=row["name"],
        visual=steps,
        audio=-steps,
        segments=torch.tensor(row["segments"], dtype=torch.float32).reshape(-1, 2),
        labels=torch.tensor(row["labels"], dtype=torch.int64),
        duration=0.0,
        grid=TimeGrid(fps=16, stride=4, window=16),
    )
    random_crop = RandomCrop(ratio=row["crop_ratio"] and tuple(row["crop_ratio"]), keep_ratio=row["trunc_thresh"])
    return random_crop(sample, max_length=row["max_seq_len"], random=random)


@pytest.mark.parametrize("row", TRUNCATIONS)
def test_truncation(row):
    cropped = crop(row, RecordingRandom(row["python_random_seed"]))
    window = torch.arange(row["out_start"], row["out_start"] + row["out_len"], dtype=torch.float32)[:, None]
    assert_close(cropped.visual, window, rtol=0, atol=0)
    assert_close(cropped.audio, -window, rtol=0, atol=0)
    segments = torch.tensor(row["out_segments"], dtype=torch.float32).reshape(-1, 2)
    assert_close(cropped.segments, segments, rtol=0, atol=1e-6)
    assert cropped.labels.tolist() == row["out_labels"]


@pytest.mark.parametrize("row", TRUNCATIONS)
def test_truncation_draws(row):
    """Nothing else is drawn: the crop keeps in step with the released code for a whole epoch."""
    random, expected = RecordingRandom(row["python_random_seed"]), row["randint_draws_lo_hi_value"]
    crop(row, random)
    if isinstance(expected, dict):
        shown = len(expected["first"])
        found = {"count": len(random.draws), "first": random.draws[:shown], "last": random.draws[-1]}
        assert found == expected
    else:
        assert random.draws == expected


@pytest.mark.parametrize(("case", "name"), GRIDS)
def test_grid(case, name):
    facts = case.expected[name]
    grid = TimeGrid(fps=facts["fps"], stride=facts["feat_stride"], window=facts["num_frames"])
    assert_close(grid.to_snippets(case.tensors["grid.seconds"]), case.tensors[name], **case.tolerance)
