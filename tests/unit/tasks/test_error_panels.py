import pytest
import torch

from avel.events import Event, EventTable
from avel.metrics.error_kinds import KINDS
from avel.tasks.error_panels import show_errors, thresholds_of
from avel.tasks.report_dense import ground_of
from avel.training.dashboards import Moment
from tests.unit.training.boards import Board

MOMENT = Moment(step=8, epoch=1)


class Data:
    """Videos of a minute: id -> start, end and class of its events."""

    class_names = ["dog", "owl"]
    tiou_grid = (0.3, 0.5, 0.7)

    def __init__(self, events, spans=None):
        self.events, self.spans = events, spans or {}

    def targets(self, split):
        return {
            video: {
                "video_id": video,
                "segments": torch.tensor([event[:2] for event in events], dtype=torch.float64).view(-1, 2),
                "labels": torch.tensor([event[2] for event in events], dtype=torch.int64),
            }
            for video, events in self.events.items()
        }

    def one_sided(self, split):
        return self.spans

    def annotated_durations(self, split):
        return dict.fromkeys(self.events, 60.0)


FOUND = EventTable(
    [
        Event("a", 0.0, 10.0, "dog", 0.9),
        Event("a", 0.0, 9.0, "dog", 0.8),  # double
        Event("b", 20.0, 26.0, "owl", 0.7),  # class
        Event("b", 50.0, 60.0, "dog", 0.6),  # background
        Event("b", 50.0, 60.0, "a class of others", 0.6),
    ],
    ["a", "b"],
)


@pytest.fixture(scope="module")
def board():
    board = Board()
    show_errors([board], "test", Data({"a": [(0, 10, 0)], "b": [(20, 26, 0), (30, 31, 1)]}), "test", FOUND, MOMENT)
    return board


def test_pictures_are_shown(board):
    names = ("precision_recall", "false_positives_chart", "missed_events_chart")
    assert board.pictures.keys() == {f"test/{name}" for name in names}
    assert {moment for ((_, moment),) in board.pictures.values()} == {MOMENT}


def test_false_positives_are_counted_by_kind(board):
    ((columns, rows, _),) = board.tables["test/false_positives"]
    assert columns == ["kind", "count", "share", "mAP it costs"]
    counts = {kind: count for kind, count, *_ in rows}
    assert counts == dict.fromkeys(KINDS, 0) | {"double": 1, "class": 1, "background": 1}


def test_false_positives_on_what_is_only_heard_are_counted_apart():
    span = {
        "segments": torch.tensor([[50.0, 60.0]], dtype=torch.float64),
        "labels": torch.tensor([0]),
        "sides": torch.tensor([0]),
    }
    board = Board()
    show_errors([board], "test", Data({"a": [(0, 10, 0)], "b": []}, {"b": span}), "test", FOUND, MOMENT)
    ((_, rows, _),) = board.tables["test/false_positives"]
    assert [row[:2] for row in rows[len(KINDS) :]] == [["only heard", 1], ["only seen", 0]]


def test_missed_events_are_told_by_what_they_are_like(board):
    ((columns, rows, _),) = board.tables["test/missed_events"]
    assert columns == ["characteristic", "range", "events", "missed", "normalized mAP"]
    by_length = [row[2:4] for row in rows if row[0] == "length"]
    assert by_length == [[1, 1.0], [1, 1.0], [1, 0.0]]  # the longest one is found


def test_curves_are_shown_at_the_ends_of_the_grid_and_at_one_half():
    def thresholds(*grid):
        data = Data({"a": [(0, 10, 0)]})
        data.tiou_grid = grid
        return thresholds_of(ground_of(data, {"a": 0}, "test")).tolist()

    assert thresholds(0.1, 0.3, 0.5, 0.7) == [0.1, 0.5, 0.7]
    assert thresholds(0.5, 0.75, 0.95) == [0.5, 0.95]
    assert thresholds(0.3) == [0.3]


@pytest.mark.parametrize("table", [EventTable(), EventTable([], ["a"])])
def test_where_nothing_is_annotated_nothing_is_shown(table):
    board = Board()
    show_errors([board], "test", Data({"a": []}), "test", table, MOMENT)
    assert board.pictures == board.tables == {}


def test_a_method_that_finds_nothing_is_shown_too():
    board = Board()
    show_errors([board], "test", Data({"a": [(0, 10, 0)]}), "test", EventTable([], ["a"]), MOMENT)
    ((_, rows, _),) = board.tables["test/false_positives"]
    assert [row[1:] for row in rows] == [[0, 0.0, 0.0]] * len(KINDS)
