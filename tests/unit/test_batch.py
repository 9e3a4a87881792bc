from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from avel.batch import NO_EVENT, Batch, Clip, Sample, TimeGrid, collate, collate_clips, empty_batch

GRID = TimeGrid(fps=16, stride=4, window=16)


def sample(video: str, length: int, events: int) -> Sample:
    generator = torch.Generator().manual_seed(length)
    return Sample(
        video=video,
        visual=torch.randn(length, 3, generator=generator),
        audio=torch.randn(length, 2, generator=generator),
        segments=torch.rand(events, 2, generator=generator) * length,
        labels=torch.arange(events),
        duration=length * GRID.hop,
        grid=GRID,
    )


@pytest.fixture
def batch() -> Batch:
    return collate([sample("a", 9, 2), sample("b", 4, 0)])


def test_collate_pads_to_the_longest_video_and_the_most_events(batch):
    assert batch.videos == ["a", "b"]
    assert batch.visual.shape == (2, 9, 3)
    assert batch.audio.shape == (2, 9, 2)
    assert batch.lengths.tolist() == [9, 4]
    assert batch.visual[1, 4:].abs().sum() == 0
    assert batch.labels.tolist() == [[0, 1], [NO_EVENT, NO_EVENT]]
    assert batch.segments.shape == (2, 2, 2)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 4)), min_size=1, max_size=4), st.integers(0, 3))
def test_a_batch_holds_its_samples_and_nothing_else(sizes, missing):
    samples = [sample(f"video {row}", *size) for row, size in enumerate(sizes)]
    batch = collate(samples)
    batch = batch.pad_to(batch.mask.shape[1] + missing)
    for row, original in enumerate(samples):
        assert batch.videos[row] == original.video
        for name, valid in (("visual", batch.mask[row]), ("audio", batch.mask[row])):
            assert torch.equal(getattr(batch, name)[row, valid], getattr(original, name))
            assert not getattr(batch, name)[row, ~valid].any()
        events = batch.labels[row] != NO_EVENT
        assert torch.equal(batch.segments[row, events], original.segments)
        assert torch.equal(batch.labels[row, events], original.labels)
        assert not batch.segments[row, ~events].any()
        assert batch.durations[row] == original.duration


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


def test_clips_are_stacked_and_move_together():
    clips = [Clip(str(i), torch.full((10, 7, 7, 3), i), torch.zeros(10, 2), torch.arange(10), i) for i in range(3)]
    batch = collate_clips(clips).to("meta")
    assert (len(batch), batch.videos) == (3, ["0", "1", "2"])
    assert batch.visual.shape == (3, 10, 7, 7, 3)
    assert batch.labels.shape == (3, 10)
    assert {tensor.device.type for tensor in (batch.visual, batch.audio, batch.labels, batch.video_labels)} == {"meta"}
    assert collate_clips(clips).video_labels.tolist() == [0, 1, 2]


def test_clips_are_stacked_wherever_they_lie():
    together = torch.arange(24.0).view(4, 2, 3)
    for order in ([0, 1, 2, 3], [1, 2], [2], [0, 2], [1, 0], [1, 1], [3, 0]):
        for parts in ([together[i] for i in order], [together[i].clone() for i in order]):
            clips = [Clip(str(i), part, torch.zeros(2, 2), torch.zeros(2), 0) for i, part in enumerate(parts)]
            assert_close(collate_clips(clips).visual, together[order], rtol=0, atol=0)
    columns = [Clip("a", column, torch.zeros(2, 2), torch.zeros(2), 0) for column in together[0].T]
    assert_close(collate_clips(columns).visual, together[0].T, rtol=0, atol=0)


def test_a_batch_of_no_videos_can_be_used_as_one():
    batch = empty_batch("desed")
    assert (len(batch), batch.task, batch.videos) == (0, "desed", [])
    assert batch.lengths.shape == batch.durations.shape == (0,)
    assert batch.to("cpu").pad_to(8).mask.shape == (0, 8)


def test_the_task_comes_along_to_another_device():
    clip = Clip("a", torch.zeros(10, 3), torch.zeros(10, 2), torch.zeros(10, dtype=torch.int64), 0)
    assert empty_batch("desed").to("meta").task == "desed"
    assert replace(collate_clips([clip]), task="ave").to("meta").task == "ave"
