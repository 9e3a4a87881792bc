import dataclasses
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avel.errors import UserError
from avel.metrics.error_kinds import KINDS
from avel.metrics.errors import analyse
from avel.metrics.mean_ap import DenseMeanAveragePrecision
from avel.metrics.one_sided import OneSided
from avel.metrics.tables import Events, Predictions, take
from tests.unit.metrics import slow, slow_errors
from tests.unit.metrics.test_error_kinds import FOUND, MISTAKES, TRUTH, kinds
from tests.unit.metrics.test_functional import NUM_CLASSES, events, predictions, table

prediction_rows, event_rows = st.lists(predictions, max_size=25), st.lists(events, min_size=1, max_size=12)


def analysis(prediction_rows, event_rows, thresholds=(0.5,), **options):
    return analyse(
        table(Predictions, prediction_rows),
        table(Events, event_rows),
        num_classes=NUM_CLASSES,
        tiou_thresholds=torch.tensor(thresholds, dtype=torch.float64),
        durations=torch.full((3,), 60.0, dtype=torch.float64),
        **options,
    )


def test_one_mistake_of_every_kind():
    profile = analysis(FOUND, TRUTH)
    assert kinds(FOUND, TRUTH) == ["right", *MISTAKES, "right"]
    # class 0 finds its events as 1st of 1 and as 2nd of 7; class 1 finds nothing
    assert profile.map == pytest.approx((1 + 2 / 7) / 2 / 2)
    assert (profile.true_positives, profile.predictions, profile.total) == (2, 7, 7)
    for mistake in profile.false_positives:
        assert (mistake.count, mistake.total, mistake.share) == (1, 1, 1 / 7)
        assert mistake.cost == pytest.approx((2 / 6 - 2 / 7) / 2 / 2)  # 2nd of 6
    assert [mistake.kind for mistake in profile.false_positives] == list(KINDS)
    assert (profile.missed.count, profile.missed.share) == (1, 1 / 3)
    assert profile.missed.cost == pytest.approx((1 + 2 / 7) / 2 - profile.map)  # without the hammer, class 0 is left


def test_kinds_change_with_the_threshold_and_costs_are_of_the_whole_grid():
    assert kinds(FOUND, TRUTH, 0.3) == ["right", "double", "double", "class", "class", "background", "right"]
    profile = analysis(FOUND, TRUTH, thresholds=(0.3, 0.5))
    assert profile.map == pytest.approx((1 + 2 / 7) / 2 / 2)  # at both
    cost = {mistake.kind: mistake.cost for mistake in profile.false_positives}
    one, two = (2 / 6 - 2 / 7) / 4, (2 / 5 - 2 / 7) / 4  # what is gained without one of seven, and without two
    expected = {"double": two + one, "localization": one, "class": two + one, "both": one, "background": 2 * one}
    assert cost == pytest.approx({kind: gain / 2 for kind, gain in expected.items()})
    assert [mistake.count for mistake in profile.false_positives] == [1] * 5  # counted at 0.5


def test_the_surest_are_counted_but_all_cost():
    profile = analysis(FOUND, TRUTH, top=2)  # 4 of class 0
    assert (profile.true_positives, profile.predictions, profile.total) == (1, 4, 7)
    assert [(m.count, m.total) for m in profile.false_positives] == [(1, 1)] * 3 + [(0, 1)] * 2
    assert profile.false_positives[-1].cost > 0
    without_events = slow.Prediction(0, 50.0, 60.0, 3, 0.4)
    assert analysis([*FOUND, without_events], TRUTH).predictions == 7
    assert analysis([*FOUND, without_events], TRUTH, top=None).predictions == 8


def test_what_is_only_heard_or_only_seen():
    spans = OneSided(
        torch.tensor([0, 0, 0, 0]),
        torch.tensor([[45.0, 55.0], [50.0, 56.0], [0.0, 6.0], [0.0, 30.0]], dtype=torch.float64),
        torch.tensor([0, 0, 0, 1]),
        torch.tensor([0, 1, 1, 1]),
    )
    heard, seen = analysis(FOUND[::-1], TRUTH, one_sided=spans).modality
    assert [(side.side, side.spans, side.count, side.share) for side in (heard, seen)] == [
        ("heard", 1, 1, 1 / 7),  # the prediction in the background lies there by its half
        ("seen", 3, 2, 2 / 7),  # of three on the third span one is right, one double; none is of the last one's class
    ]
    assert heard.cost == pytest.approx((2 / 6 - 2 / 7) / 4)
    assert analysis(FOUND, TRUTH).modality == ()


@settings(max_examples=25, deadline=None)
@given(prediction_rows, event_rows)
def test_counts_add_up_and_the_map_is_that_of_the_metric(prediction_rows, event_rows):
    grid = (0.1, 0.5, 1.0)
    profile = analysis(prediction_rows, event_rows, grid, top=None)
    counted = sum(mistake.count for mistake in profile.false_positives)
    assert counted + profile.true_positives == profile.predictions == profile.total == len(prediction_rows)
    metric = DenseMeanAveragePrecision(num_classes=NUM_CLASSES, tiou_thresholds=grid)
    metric.update(*(by_video(cls, rows) for cls, rows in ((Predictions, prediction_rows), (Events, event_rows))))
    assert profile.map == float(metric.compute()["map"])
    events = sum(one.events for one in profile.characteristics[0].bins)
    assert profile.true_positives + profile.missed.count == events
    assert all(sum(one.events for one in every.bins) == events for every in profile.characteristics)
    assert min(profile.missed.cost, *(mistake.cost for mistake in profile.false_positives)) >= 0


@settings(max_examples=10, deadline=None)
@given(prediction_rows, event_rows, st.randoms())
def test_the_order_of_rows_does_not_matter(prediction_rows, event_rows, random):
    rows = [row._replace(score=place / 32) for place, row in enumerate(prediction_rows)]  # no ties
    events = [event for place, event in enumerate(event_rows) if event not in event_rows[:place]]
    shuffled = random.sample(rows, len(rows))
    assert analysis(shuffled, events, (0.3, 0.7)) == analysis(rows, events, (0.3, 0.7))


@settings(max_examples=12, deadline=None)
@given(prediction_rows, event_rows, st.sampled_from([0.05, 0.3, 0.5, 1.0]))
def test_a_cost_is_what_the_metric_gains(prediction_rows, event_rows, threshold):
    profile = analysis(prediction_rows, event_rows, [threshold])
    kept = kinds(prediction_rows, event_rows, threshold)
    for mistake in profile.false_positives:
        left = [row for row, kind in zip(prediction_rows, kept, strict=True) if kind != mistake.kind]
        assert mistake.cost == analysis(left, event_rows, [threshold]).map - profile.map


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(prediction_rows, event_rows, st.sampled_from([0.05, 0.3, 0.5, 1.0]))
def test_equals_the_plain_loops(prediction_rows, event_rows, threshold):
    grid = [0.1, 0.5, 0.75]
    profile = analysis(prediction_rows, event_rows, grid, tiou_threshold=threshold)
    assert kinds(prediction_rows, event_rows, threshold) == slow_errors.kinds(prediction_rows, event_rows, threshold)
    full, gained, missed = slow_errors.costs(prediction_rows, event_rows, NUM_CLASSES, grid)
    assert profile.map == pytest.approx(full)
    assert {m.kind: m.cost for m in profile.false_positives} == pytest.approx(gained)
    assert profile.missed.cost == pytest.approx(missed)


def test_nothing_predicted_and_nothing_to_find():
    nothing = analysis([], TRUTH)
    assert (nothing.map, nothing.missed.count, nothing.missed.share, nothing.missed.cost) == (0, 3, 1, 1)
    assert [mistake.cost for mistake in nothing.false_positives] == [0] * 5
    for profile in (analysis(FOUND, []), analysis([], [])):
        assert math.isnan(profile.map)
        assert math.isnan(profile.missed.share)
        assert profile.characteristics == ()
    assert {mistake.total for mistake in analysis(FOUND, []).false_positives} == {0, 7}


@pytest.mark.parametrize("option", [{"tiou_threshold": 50.0}, {"tiou_threshold": 0.0}, {"top": 0}])
def test_impossible_numbers_are_refused(option):
    (name,) = option
    with pytest.raises(UserError, match=f"{name}="):
        analysis(FOUND, TRUTH, **option)


def test_a_profile_is_plain_values():
    assert isinstance(dataclasses.asdict(analysis(FOUND, TRUTH))["characteristics"][0]["bins"][0]["map"], float)


def by_video(cls, rows):
    """Rows as the metric takes them, for the three videos."""
    full = table(cls, rows)
    parts = (take(full, (full.videos == video).nonzero().squeeze(1)) for video in range(3))
    return [part._asdict() | {"video_id": video} for video, part in enumerate(parts)]
