from dataclasses import replace
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avel.batch import Sample, TimeGrid
from avel.data.transforms import FeatureNoise, RandomCrop, clip_events, keep_modality, resize
from avel.errors import UserError


def sample(length, segments=()):
    steps = torch.arange(length, dtype=torch.float32)[:, None]
    return Sample(
        video="v",
        visual=steps.expand(-1, 3),
        audio=steps.expand(-1, 2),
        segments=torch.tensor(segments, dtype=torch.float32).reshape(-1, 2),
        labels=torch.arange(len(segments)),
        duration=length / 4,
        grid=TimeGrid(fps=16, stride=4, window=16),
    )


half = st.integers(0, 32).map(lambda halves: halves / 2)  # makes ends on the borders and shares of one half likely


@st.composite
def samples(draw):
    length = draw(st.integers(1, 300))
    starts = draw(st.lists(st.floats(-2, length, width=32), max_size=6))
    return sample(length, [(start, start + draw(st.floats(0.125, length + 2, width=32))) for start in starts])


@given(samples(), st.integers(1, 100), st.integers(0, 1000), st.sampled_from([None, (0.9, 1.0), (0.1, 0.5)]))
def test_crop_cuts_features_and_events_alike(original, max_length, seed, ratio):
    crop = RandomCrop(ratio=ratio)
    cropped = crop(original, max_length=max_length, random=Random(seed))
    size, start = len(cropped.visual), int(cropped.visual[0, 0])
    assert 1 <= size <= min(max_length, len(original.visual))
    assert torch.equal(cropped.visual, original.visual[start : start + size])
    assert torch.equal(cropped.audio, original.audio[start : start + size])
    assert len(cropped.segments) == len(cropped.labels)
    if size == len(original.visual):
        assert cropped is original
        return
    assert (cropped.segments >= 0).all()
    assert (cropped.segments <= size).all()
    before, after = original.segments[cropped.labels], cropped.segments + start
    kept = (after[:, 1] - after[:, 0]) / (before[:, 1] - before[:, 0])
    assert (kept >= 0.5 - 1e-4).all()


@settings(max_examples=60)
@given(
    st.lists(st.tuples(half, half.filter(lambda extent: extent > 0)), max_size=5),
    st.integers(0, 8),
    st.integers(1, 8),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from([0, 2]),
)
def test_events_with_their_share_in_a_window_are_kept_and_no_others(spans, start, size, keep_ratio, margin):
    events = [(first - 4, first - 4 + extent) for first, extent in spans]
    clipped, kept = clip_events(sample(1, events).segments, start, size, keep_ratio=keep_ratio, margin=margin)
    low, high = start - margin, start + size + margin
    for (first, last), (new_first, new_last), is_kept in zip(events, clipped.tolist(), kept.tolist(), strict=True):
        assert -margin <= new_first <= new_last <= size + margin
        share = (min(last, high) - max(first, low)) / (last - first)
        assert is_kept == (share > 0 and share >= keep_ratio)
        if share > 0:
            assert (new_first + start, new_last + start) == (max(first, low), min(last, high))


@settings(max_examples=15)
@given(samples(), st.sampled_from(["none", "half_window"]))
def test_what_is_clipped_once_stays_as_it_is(original, margin):
    crop = RandomCrop(ratio=None, margin=margin, clip_first=True)
    once = crop(original, max_length=300, random=Random(0))
    twice = crop(once, max_length=300, random=Random(1))
    assert torch.equal(twice.segments, once.segments)
    assert torch.equal(twice.labels, once.labels)
    assert twice.visual is once.visual is original.visual


@given(samples(), st.integers(1, 100), st.integers(0, 1000))
def test_crop_is_decided_by_its_generator(original, max_length, seed):
    first, second = (RandomCrop()(original, max_length=max_length, random=Random(seed)) for _ in range(2))
    assert torch.equal(first.visual, second.visual)
    assert torch.equal(first.segments, second.segments)


def test_crop_keeps_an_event_when_one_fits():
    for seed in range(20):
        cropped = RandomCrop()(sample(400, [(370, 380)]), max_length=64, random=Random(seed))
        assert len(cropped.segments) == 1


def test_every_window_may_be_drawn():
    original = sample(5)
    drawn = {int(RandomCrop()(original, max_length=3, random=Random(seed)).visual[0, 0]) for seed in range(30)}
    assert drawn == {0, 1, 2}


def test_a_video_without_events_is_truncated_too():
    cropped = RandomCrop()(sample(400), max_length=64, random=Random(0))
    assert cropped.visual.shape == (64, 3)
    assert cropped.segments.shape == (0, 2)


def test_an_event_too_long_for_the_window_leaves_an_empty_sample():
    cropped = RandomCrop()(sample(400, [(0, 399)]), max_length=64, random=Random(0))
    assert cropped.visual.shape == (64, 3)
    assert cropped.segments.shape == (0, 2)
    assert cropped.labels.shape == (0,)


@pytest.mark.parametrize(("ratio", "keep_ratio"), [((1.0, 0.9), 0.5), ((-0.1, 1.0), 0.5), ((0.9, 1.1), 0.5), (None, 2)])
def test_impossible_shares_are_refused(ratio, keep_ratio):
    with pytest.raises(UserError, match=r"data\.crop"):
        RandomCrop(ratio=ratio, keep_ratio=keep_ratio)


@pytest.mark.parametrize(("modality", "absent"), [("audio", {"visual"}), ("visual", {"audio"}), ("both", set())])
def test_the_other_modality_is_zeroed(modality, absent):
    original = sample(5, [(1, 2)])
    kept = keep_modality(original, modality)
    for name in ("visual", "audio"):
        features = getattr(original, name)
        assert torch.equal(getattr(kept, name), torch.zeros_like(features) if name in absent else features)
    assert torch.equal(kept.segments, original.segments)


def test_events_may_reach_beyond_the_crop_by_half_a_window():
    original = sample(100, [(-9, 120)])  # half a window is two snippets
    for margin, reach in {"none": 0, "half_window": 2}.items():
        cropped = RandomCrop(ratio=(0.5, 0.5), keep_ratio=0.1, margin=margin)(
            original, max_length=200, random=Random(1)
        )
        assert cropped.segments.tolist() == [[-reach, 50 + reach]]
    with pytest.raises(UserError, match=r"data\.crop\.margin=some: unknown, choose one of none, half_window"):
        RandomCrop(margin="some")


def test_events_may_be_clipped_to_the_features_first():
    original = sample(100, [(90, 110), (97, 110), (10, 20)])
    crop = RandomCrop(ratio=None, margin="half_window", clip_first=True)
    clipped = crop(original, max_length=200, random=Random(0))
    assert clipped.segments.tolist() == [[90, 102], [10, 20]]
    assert clipped.labels.tolist() == [0, 2]
    assert torch.equal(clipped.visual, original.visual)
    assert RandomCrop(ratio=None)(original, max_length=200, random=Random(0)) is original


@given(samples(), st.integers(0, 1000))
def test_no_noise_changes_nothing_and_takes_no_chance(original, seed):
    random = Random(seed)
    assert FeatureNoise()(original, whole=original, random=random) is original
    assert random.random() == Random(seed).random()


def test_noise_is_as_strong_as_each_channel_over_the_whole_video():
    steps = torch.arange(20_000.0)[:, None]
    original = replace(sample(20_000, [(1, 2)]), visual=torch.cat([steps, 100 * steps, 0 * steps + 7], dim=1))
    part = replace(original, visual=original.visual[:10_000], audio=original.audio[:10_000])
    noisy = FeatureNoise(0.1)(part, whole=original, random=Random(0))
    added = (noisy.visual - part.visual).std(dim=0)
    expected = 0.1 * original.visual.std(dim=0)
    torch.testing.assert_close(added, expected, rtol=0.03, atol=0)
    assert expected[2] == added[2] == 0
    assert not torch.equal(noisy.audio, part.audio)
    assert torch.equal(noisy.segments, original.segments)
    again = FeatureNoise(0.1)(part, whole=original, random=Random(0))
    assert torch.equal(again.visual, noisy.visual)
    assert not torch.equal(FeatureNoise(0.1)(part, whole=original, random=Random(1)).visual, noisy.visual)


@pytest.mark.parametrize("scale", [-0.1, float("nan"), float("inf")])
def test_impossible_noise_is_refused(scale):
    with pytest.raises(UserError, match=r"data\.noise=.*: give a number from 0"):
        FeatureNoise(scale)


@given(st.integers(1, 60), st.integers(1, 60), st.floats(1, 30), st.floats(1, 30))
def test_resizing_divides_what_the_features_saw(length, size, stride, window):
    grid = TimeGrid(fps=16, stride=stride, window=window)
    features = torch.rand(length, 3)
    visual, audio, resized = resize(features, features[:, :0], grid, size)
    assert (visual.shape, audio.shape) == ((size, 3), (size, 0))
    # the first snippet's window begins where it did, the last one's ends where it did
    assert resized.window == resized.stride
    assert size * resized.stride == pytest.approx((length - 1) * stride + window)
    edges = torch.tensor([0.0, ((length - 1) * stride + window) / 16], dtype=torch.float64)
    assert resized.to_snippets(edges).tolist() == pytest.approx([-0.5, size - 0.5], abs=1e-6)


def test_resizing_is_linear_in_time():
    ramp = torch.arange(8.0)[:, None]
    grid = TimeGrid(fps=16, stride=8, window=8)
    half, _, coarse = resize(ramp, ramp, grid, 4)
    assert half.flatten().tolist() == [0.5, 2.5, 4.5, 6.5]
    same, _, unchanged = resize(ramp, ramp, grid, 8)
    assert torch.equal(same, ramp)
    assert unchanged == grid
    # the ramp's value is the place on the old grid: it means the same time on the new one
    assert coarse.to_seconds(torch.arange(4.0)).tolist() == grid.to_seconds(half.flatten()).tolist()
