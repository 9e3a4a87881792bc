import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avel.metrics.characteristics import characteristics, overlap
from avel.metrics.ranking import rank
from avel.metrics.tables import Events, Predictions
from tests.unit.metrics import slow, slow_errors
from tests.unit.metrics.test_functional import NUM_CLASSES, table

GRID = [0.3, 0.5]


def judge(prediction_rows, event_rows, duration=60.0):
    predictions, events = table(Predictions, prediction_rows), table(Events, event_rows)
    thresholds = torch.tensor(GRID, dtype=torch.float64)
    ranking = rank(predictions, events, num_classes=NUM_CLASSES, tiou_thresholds=thresholds)
    durations = torch.full((4,), duration, dtype=torch.float64)
    found = characteristics(ranking, events, durations, ~ranking.is_found()[-1])
    return {characteristic.name: characteristic.bins for characteristic in found}


def event(video, start, end, label=0):
    return slow.Event(video, float(start), float(end), label)


def hit(event, score=0.5):
    return slow.Prediction(*event, score)


def test_ends_are_readable_and_bins_alike():
    events = [event(0, 0, length + 0.137) for length in range(1, 50)]
    bins = judge([], events)["length"]
    assert [one.label for one in bins] == ["< 11 s", "11-20 s", "20-30 s", "30-39 s", "≥ 39 s"]
    assert [(one.low, one.high) for one in bins] == [(0, 11), (11, 20), (20, 30), (30, 39), (39, math.inf)]
    assert [one.events for one in bins] == [10, 9, 10, 9, 11]
    assert [one.label for one in judge([], events)["coverage"]] == ["< 19 %", "19-34 %", "34-50 %", "50-65 %", "≥ 65 %"]


def test_ends_of_hours_are_readable():
    bins = judge([], [event(0, 0, seconds) for seconds in (500, 1234, 3600, 5000, 10000)], duration=360_000.0)
    assert [one.label for one in bins["length"]] == ["< 1200 s", "1200-3600 s", "3600-5000 s", "≥ 5000 s"]


def test_bins_without_events_are_left_out():
    whole = [event(video, 0, 60) for video in range(4)]
    bins = judge([], whole)
    assert [(one.label, one.events) for one in bins["coverage"]] == [("≥ 100 %", 4)]
    assert [(one.label, one.events) for one in bins["overlap"]] == [("none", 4)]


def test_instances_of_the_class_in_the_video():
    events = [event(video, 5 * k, 5 * k + 4) for video, count in enumerate((1, 3, 8, 9)) for k in range(count)]
    events.append(event(0, 30, 40, label=1))  # of another class
    bins = judge([hit(row) for row in events[:3]], events)["instances"]
    assert [(one.label, one.events) for one in bins] == [("1", 2), ("2-3", 3), ("4-8", 8), ("> 8", 9)]
    assert [one.missed for one in bins] == [1 / 2, 1 / 3, 1, 1]


def test_overlap_is_the_share_under_all_events_of_other_classes():
    events = table(
        Events,
        [
            event(0, 10, 20),
            event(0, 5, 12, label=1),  # 2 of 10
            event(0, 11, 14, label=2),  # 2 more
            event(0, 12, 13, label=2),  # nothing new
            event(0, 10, 20),  # of its class: does not count
            event(1, 10, 20, label=1),  # in another video
            event(2, 7, 7, label=1),  # all of nothing
            event(2, 0, 9),
        ],
    )
    shares = overlap(events).tolist()
    assert shares == [0.4, round(2 / 7, 9), 1, 1, 0.4, 0, 1, 0]
    bins = judge([], [slow.Event(*row) for row in [(0, 0.0, 0.3, 0), (0, 0.1, 0.25, 1), (1, 0.0, 1.0, 0)]])["overlap"]
    assert [(one.label, one.events) for one in bins] == [("none", 1), ("≥ 50 %", 2)]  # exactly half, and all


@settings(max_examples=30, deadline=None)
@given(st.lists(st.builds(event, st.integers(0, 1), st.integers(0, 9), st.integers(10, 16), st.integers(0, 2))))
def test_overlap_equals_counting_seconds(rows):
    seconds = [
        sum(
            any(o[0] == video and o[3] != label and o[1] <= second < o[2] for o in rows)
            for second in range(int(start), int(end))
        )
        for video, start, end, label in rows
    ]
    lengths = [row.end - row.start for row in rows]
    assert overlap(table(Events, rows)).tolist() == pytest.approx(
        [count / length for count, length in zip(seconds, lengths, strict=True)], abs=1e-9
    )


def test_normalized_precision_worked_out_by_hand():
    short = [event(video, 0, 4) for video in range(2)]
    long = [event(2, 0, 40), event(3, 0, 40)]
    wrong = slow.Prediction(3, 50.0, 60.0, 0, 0.7)
    bins = judge([hit(short[0], 0.9), hit(long[0], 0.8), wrong, hit(long[1], 0.6)], [*short, *long])["length"]
    assert [(one.label, one.events, one.missed) for one in bins] == [("4-40 s", 2, 0.5), ("≥ 40 s", 2, 0)]
    # one class of 4 events, 2 of each bin: each counts twice. Short: found at precision 1, then never.
    # Long: at 1, then 4 / (4 + 1) behind one mistake
    assert [one.map for one in bins] == pytest.approx([1 / 2, (1 + 4 / 5) / 2])


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_sensitivity_equals_the_plain_loops(seed):
    generator = torch.Generator().manual_seed(seed)
    draw = torch.randint(10, (30, 5), generator=generator).tolist()
    events = [event(a % 3, b, b + c + 1, d % 3) for a, b, c, d, _ in draw[:10]]
    predictions = [slow.Prediction(a % 3, float(b), b + c + 1.0, d % 3, e / 10) for a, b, c, d, e in draw[10:]]
    for one in judge(predictions, events)["length"]:
        inside = [place for place, row in enumerate(events) if one.low <= row.end - row.start < one.high]
        expected = slow_errors.normalized_average_precision(predictions, events, inside, NUM_CLASSES, GRID)
        assert one.map == pytest.approx(expected)
