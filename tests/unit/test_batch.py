from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from avel.batch import Batch, Clip, TimeGrid
from avel.collate import collate, collate_clips, empty_batch
from tests.unit.samples import GRID, sample


@pytest.fixture
def batch() -> Batch:
    return collate([sample("a", 9, 2), sample("b", 4, 0)])


def test_pad_to(batch):
    padded = batch.pad_to(12)
    assert padded.mask.shape == (2, 12)
    assert padded.lengths.tolist() == [9, 4]
    assert torch.equal(padded.visual[:, :9], batch.visual)
    assert batch.pad_to(9) is batch
    with pytest.raises(ValueError, match="cannot pad a batch of 9 snippets to 8"):
        batch.pad_to(8)


def test_windows_cut_features_and_masks(batch):
    windows = batch.windows([0, 0, 1], [0, 5, 2], 6)
    assert windows.videos == ["a", "a", "b"]
    assert torch.equal(windows.visual[1, :4], batch.visual[0, 5:])
    assert windows.lengths.tolist() == [6, 4, 2]
    assert windows.labels.shape == (3, 0)


def test_the_task_of_a_batch_is_kept(batch):
    assert batch.task == ""
    named = replace(batch, task="sounds")
    assert {named.pad_to(12).task, named.windows([0], [0], 6).task, named.to("meta").task} == {"sounds"}


def test_to_moves_tensors_and_keeps_the_rest(batch):
    moved = batch.to("meta")
    assert moved.visual.device.type == moved.labels.device.type == "meta"
    assert moved.grids == batch.grids


@settings(max_examples=50)
@given(st.floats(1, 60), st.floats(0.5, 32), st.floats(0, 64), st.floats(0, 1e4))
def test_seconds_to_snippets_and_back(fps, stride, window, seconds):
    grid = TimeGrid(fps, stride, window)
    time = torch.tensor([seconds], dtype=torch.float64)
    assert_close(grid.to_seconds(grid.to_snippets(time)), time)


def test_a_snippet_stands_for_the_middle_of_its_window():
    assert GRID.to_seconds(torch.tensor([0.0, 1.0])).tolist() == [0.5, 0.75]
    assert GRID.hop == 0.25


def test_a_grid_says_how_far_snippets_see():
    assert [GRID.seen(length) for length in (1, 2, 9)] == [1, 1.25, 3]


def test_the_task_comes_along_to_another_device():
    clip = Clip("a", torch.zeros(10, 3), torch.zeros(10, 2), torch.zeros(10, dtype=torch.int64), 0)
    assert empty_batch("desed").to("meta").task == "desed"
    assert replace(collate_clips([clip]), task="ave").to("meta").task == "ave"
