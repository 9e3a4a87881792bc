import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avel.metrics.bootstrap import ResampledMAP, ResampledMean, paired_bootstrap
from avel.metrics.functional import dense_average_precision
from avel.metrics.tables import Events, Predictions

VIDEOS, CLASSES = 5, 3
THRESHOLDS = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)


def make_events(generator):
    rows = 12
    start = torch.randint(8, (rows,), generator=generator).double()
    length = torch.randint(1, 5, (rows,), generator=generator).double()
    videos, labels = (torch.randint(most, (rows,), generator=generator) for most in (VIDEOS, CLASSES))
    return Events(videos, torch.stack([start, start + length], dim=1), labels)


def make_predictions(events, generator, noise=1.0):
    rows = torch.randint(len(events.labels), (40,), generator=generator)
    shift = noise * torch.randn(40, 2, generator=generator, dtype=torch.float64)
    segments = (events.segments[rows] + shift).sort(dim=1).values
    scores = torch.rand(40, generator=generator, dtype=torch.float64)
    return Predictions(events.videos[rows], segments, events.labels[rows], scores)


def prepare(predictions, events):
    return ResampledMAP(predictions, events, num_videos=VIDEOS, num_classes=CLASSES, tiou_thresholds=THRESHOLDS)


def with_copies(table, counts):
    """Every video as often as it counts; copies of a row follow each other, each in a video of its own."""
    rows = torch.arange(len(table.videos)).repeat_interleave(counts[table.videos])
    copy = torch.cat([torch.arange(int(counts[video])) for video in table.videos])
    columns = [column[rows] for column in table]
    return type(table)(columns[0] + VIDEOS * copy, *columns[1:])


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 3), min_size=VIDEOS, max_size=VIDEOS))
def test_equals_the_metric_on_videos_that_are_copied(seed, counts):
    generator, counts = torch.Generator().manual_seed(seed), torch.tensor(counts)
    events = make_events(generator)
    predictions = make_predictions(events, generator)
    copied = dense_average_precision(
        with_copies(predictions, counts),
        with_copies(events, counts),
        num_classes=CLASSES,
        tiou_thresholds=THRESHOLDS,
    )
    actual = prepare(predictions, events)(counts.double())
    torch.testing.assert_close(actual, copied.ap.nanmean(), rtol=0, atol=1e-12, equal_nan=True)


def test_identical_predictions_differ_by_exactly_nothing():
    generator = torch.Generator().manual_seed(0)
    events = make_events(generator)
    predictions = make_predictions(events, generator)
    found = paired_bootstrap([prepare(predictions, events)], [prepare(predictions, events)], resamples=50)
    assert (found.difference, found.low, found.high) == (0, 0, 0)


def test_what_is_better_on_every_video_is_surely_better():
    events = Events(
        torch.arange(VIDEOS), torch.tensor([[0.0, 4.0]] * VIDEOS).double(), torch.zeros(VIDEOS, dtype=torch.int64)
    )
    scores = torch.linspace(0.1, 0.9, VIDEOS, dtype=torch.float64)
    right = Predictions(events.videos, events.segments, events.labels, scores)
    half = right._replace(segments=events.segments / 2)
    found = paired_bootstrap([prepare(right, events)], [prepare(half, events)], resamples=200)
    assert 0 < found.low <= found.difference <= found.high
    assert found.difference == pytest.approx(1 / 3)  # half an event is missed at tIoU 0.9 alone


def test_seeds_are_averaged_and_draws_repeat():
    generator = torch.Generator().manual_seed(3)
    events = make_events(generator)
    a, b, c = (prepare(make_predictions(events, generator, noise), events) for noise in (0.5, 1.0, 2.0))
    found = paired_bootstrap([a, b], [c], resamples=50)
    everything = torch.ones(VIDEOS, dtype=torch.float64)
    assert found.difference == pytest.approx(float((a(everything) + b(everything)) / 2 - c(everything)))
    assert found == paired_bootstrap([a, b], [c], resamples=50)
    assert found.low <= found.high


def test_nothing_predicted_scores_nothing():
    events = make_events(torch.Generator().manual_seed(0))
    nothing = Predictions(
        torch.zeros(0).long(), torch.zeros(0, 2).double(), torch.zeros(0).long(), torch.zeros(0).double()
    )
    assert prepare(nothing, events)(torch.ones(VIDEOS, dtype=torch.float64)) == 0


def test_draws_without_an_event_do_not_count():
    events = Events(torch.tensor([0]), torch.tensor([[0.0, 4.0]]).double(), torch.tensor([0]))  # in one of 5 videos
    right = Predictions(*events, torch.tensor([0.5], dtype=torch.float64))
    found = paired_bootstrap([prepare(right, events)], [prepare(right._replace(labels=1 - events.labels), events)])
    assert (found.difference, found.low, found.high) == (1, 1, 1)


def test_the_level_is_the_share_of_draws_inside():
    one, other = (ResampledMean(torch.tensor(values, dtype=torch.float64)) for values in ([1, 0], [0, 0]))
    # the difference is 0, 1/2 and 1 in one, two and one of four draws
    found = [paired_bootstrap([one], [other], level=level) for level in (0.4, 0.6)]
    assert [(interval.low, interval.high) for interval in found] == [(0.5, 0.5), (0, 1)]


def test_means_of_numbers_per_video_are_compared():
    better, worse = (ResampledMean(torch.tensor(values, dtype=torch.float64)) for values in ([1, 0.5], [0.5, 0]))
    found = paired_bootstrap([better], [worse], resamples=20)
    assert (found.difference, found.low, found.high) == (0.5, 0.5, 0.5)
    partly = ResampledMean(torch.tensor([1.0, torch.nan], dtype=torch.float64))
    assert partly(torch.tensor([3.0, 5.0], dtype=torch.float64)) == 1.0
