import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from avel.errors import UserError
from avel.metrics.matching import MatchingAccuracy, chance

LENGTH = 6
spans = st.tuples(st.integers(0, LENGTH), st.integers(0, LENGTH)).map(sorted)
NAMES = ["a2v", "v2a", "matching", "a2v_overlap", "v2a_overlap"]


@st.composite
def answers(draw):
    """Some clips, each with its event (start, end) and two windows that end with the clip."""
    rows = []
    for start, end in draw(st.lists(spans, min_size=1, max_size=5)):
        last = LENGTH - (end - start)
        rows.append(((start, end), draw(st.tuples(st.integers(0, last), st.integers(0, last)))))
    return rows


def events(rows):
    return torch.tensor([[start <= t < end for t in range(LENGTH)] for start, end in rows])


def score(rows):
    metric = MatchingAccuracy()
    spans, starts = zip(*rows, strict=True)
    metric.update([f"video {row}" for row in range(len(rows))], torch.tensor(starts), events(spans))
    scores = metric.compute()
    assert {value.dtype for value in scores.values()} == {torch.float64}
    return {name: value.item() for name, value in scores.items()}


def slow_score(rows):
    """Clip by clip."""
    rows = [row for row in rows if 0 < row[0][1] - row[0][0] < LENGTH]
    if not rows:
        return dict.fromkeys(NAMES, math.nan)
    snippets = sum(end - start for (start, end), _ in rows)
    result = {}
    for column, name in enumerate(("a2v", "v2a")):
        windows = [(span, starts[column]) for span, starts in rows]
        result[name] = sum(start == span[0] for span, start in windows) / len(rows)
        covered = [
            len({*range(start, end)} & {*range(window, window + end - start)}) for (start, end), window in windows
        ]
        result[f"{name}_overlap"] = sum(covered) / snippets
    return result | {"matching": (result["a2v"] + result["v2a"]) / 2}


@given(answers())
def test_equals_the_slow_twin(rows):
    assert score(rows) == pytest.approx(slow_score(rows), nan_ok=True)


def test_by_hand():
    """Two of three clips count: one event of three snippets, one of one snippet."""
    rows = [((2, 5), (2, 3)), ((0, LENGTH), (0, 0)), ((1, 2), (0, 1))]
    assert score(rows) == {"a2v": 0.5, "v2a": 0.5, "matching": 0.5, "a2v_overlap": 3 / 4, "v2a_overlap": 3 / 4}
    assert list(score(rows)) == NAMES


@given(st.lists(spans, min_size=1, max_size=4))
def test_chance_is_the_mean_over_all_windows(rows):
    expected = {name: value.item() for name, value in chance(events(rows)).items()}
    rows = [(start, end) for start, end in rows if 0 < end - start < LENGTH]
    if not rows:
        assert all(math.isnan(value) for value in expected.values())
        return
    # each window of each clip, in a sample that repeats clips until all have equally many
    repeat = math.lcm(*(LENGTH - (end - start) + 1 for start, end in rows))
    sample = [
        ((start, end), (offset, offset))
        for start, end in rows
        for offset in [*range(LENGTH - (end - start) + 1)] * (repeat // (LENGTH - (end - start) + 1))
    ]
    assert expected == pytest.approx(slow_score(sample))


def test_videos_seen_twice_count_once():
    metric = MatchingAccuracy()
    event = events([(1, 3)])
    metric.update(["a"], torch.tensor([[1, 0]]), event)
    metric.update(["a", "b"], torch.tensor([[1, 0], [0, 0]]), event.expand(2, -1))
    assert metric.compute()["a2v"] == 0.5


@pytest.mark.parametrize(
    ("starts", "event"), [((2, 3), (2, LENGTH)), ((1, 2), (2, LENGTH)), ((2, 2), (1, LENGTH)), ((2, 2), (2,))]
)
def test_shapes_are_checked(starts, event):
    with pytest.raises(UserError, match=r"starts and events of 2 videos must have the shapes \(2, 2\) and \(2, T\)"):
        MatchingAccuracy().update(["a", "b"], torch.zeros(starts, dtype=torch.int64), torch.zeros(event) > 0)
