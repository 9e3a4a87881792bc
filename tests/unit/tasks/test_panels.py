import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from avel.errors import UserError
from avel.events import Event
from avel.exchange.names import is_plain
from avel.tasks.panels import EvaluationPanels, annotated_events, class_rows, handful, show_scores
from avel.training.dashboards import Moment
from tests.unit.tasks.clips import ClipData, Toy, quiet_trainer
from tests.unit.training.boards import Board

MOMENT = Moment(0, 0)


def test_a_training_shows_its_validations_every_few_epochs_and_its_test():
    board, data, method = Board(), ClipData(), Toy()
    callback = EvaluationPanels(every_n_epochs=2, count=3)
    trainer = quiet_trainer(callbacks=[callback], logger=[board], max_epochs=3, log_every_n_steps=1)
    trainer.fit(method, data)
    steps = trainer.global_step // 3
    moments = [Moment(2 * steps, 1), Moment(3 * steps, 2)]
    trainer.test(method, data, verbose=False)
    for shown in (board.tables["val/ap_per_class"], board.curves["val/map_per_tiou"]):
        assert [moment for *_, moment in shown] == moments
    (columns, rows, _) = board.tables["test/ap_per_class"][-1]
    assert columns == ["class", "AP", "AP@0.50", "AP@0.90"]
    assert [row[0] for row in rows] == data.class_names
    (columns, points, _) = board.curves["test/map_per_tiou"][-1]
    assert columns == ("tIoU", "mAP")
    assert points == [(0.5, method.results["test/map@0.50"]), (0.9, method.results["test/map@0.90"])]
    timelines = {name: shown for name, shown in board.pictures.items() if name.startswith("timelines/")}
    assert {name.rpartition("/")[0] for name in timelines} == {"timelines/val", "timelines/test"}
    assert {len(shown) for name, shown in timelines.items() if name.startswith("timelines/val")} == {2}
    assert len(timelines) == 6


def test_where_the_method_fails_is_shown_after_a_test_alone():
    board, data, method = Board(), ClipData(), Toy()
    trainer = quiet_trainer(callbacks=[EvaluationPanels(count=0)], logger=[board], log_every_n_steps=1)
    trainer.fit(method, data)
    assert (board.pictures.keys(), board.tables.keys()) == (set(), {"val/ap_per_class"})
    trainer.test(method, data, verbose=False)
    assert "test/precision_recall" in board.pictures
    assert {"test/false_positives", "test/missed_events"} < board.tables.keys()


def test_a_picture_shows_what_is_annotated_and_what_is_found(monkeypatch):
    drawn = {}

    def draw(video, duration, annotated, predicted):
        drawn[video] = duration, annotated, predicted
        return '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 2 1" font-size="9"/>'

    monkeypatch.setattr("avel.tasks.panels.draw_timeline", draw)
    board, data, method = Board(), ClipData(), Toy()
    callback = EvaluationPanels(count=9)
    quiet_trainer(callbacks=[callback], logger=[board]).test(method, data, verbose=False)
    assert drawn.keys() == {clip.video for clip in data.clips["test"]}
    duration, annotated, predicted = drawn["test 2"]
    assert (duration, annotated) == (3.0, [Event("test 2", 0.0, 3.0, "bell")])
    assert predicted == [event for event in method.predictions if event.video == "test 2"]
    ((image, _),) = board.pictures["timelines/test/test 2"]
    assert np.asarray(image).shape == (2, 3, 3)


@pytest.mark.parametrize("video", ["x" * 250, "a\0b", "\ud800", "../v"])
def test_pictures_have_names_that_files_can_have(monkeypatch, video):
    targets = {video: {"segments": torch.tensor([[0.0, 1.0]]), "labels": torch.tensor([0])}}
    data = ClipData()
    monkeypatch.setattr(data, "targets", lambda split: targets)
    monkeypatch.setattr(data, "durations", lambda split: {video: 3.0})
    board = Board()
    EvaluationPanels()._show_timelines([board], "timelines/val", data, "test", {video: []}, MOMENT)
    (name,) = board.pictures
    assert is_plain(name.removeprefix("timelines/val/"))
    assert len(name.encode()) < 220


def test_tasks_with_names_are_shown_one_by_one():
    class Data(ClipData):
        def by_task(self):
            return {"ours": self}

    board, data, method = Board(), ClipData(), Toy()
    trainer = quiet_trainer(logger=[board])
    trainer.test(method, data, verbose=False)
    for name in ("evaluations", "scores", "ap"):
        setattr(method, name, {"ours": getattr(method, name)[""]})
    trainer.datamodule = Data()
    EvaluationPanels(count=1).on_test_end(trainer, method)
    assert {name.rpartition("/")[0] for name in board.tables} == {"test/ours"}
    assert {name.rpartition("/")[0] for name in board.pictures} == {"test/ours", "timelines/test/ours"}


def test_without_a_dashboard_nothing_is_drawn(monkeypatch):
    monkeypatch.setattr("avel.tasks.panels.draw_timeline", None)
    quiet_trainer(callbacks=[EvaluationPanels()]).test(Toy(), ClipData(), verbose=False)


def test_only_rank_0_draws(monkeypatch):
    board, trainer = Board(), quiet_trainer()
    monkeypatch.setattr(type(trainer), "is_global_zero", False)
    trainer.loggers = [board]
    EvaluationPanels().on_test_end(trainer, Toy())
    assert board.pictures == board.tables == {}


def test_tasks_without_ap_show_none():
    board = Board()
    show_scores(board, "val", ClipData(), {"matching": 0.5}, torch.empty(0), MOMENT)
    assert board.tables == board.curves == {}


def test_classes_without_events_have_empty_cells():
    ap = torch.tensor([[0.25, 0.75], [float("nan")] * 2])
    assert class_rows(ap, ["dog", "owl"]) == [["dog", 0.5, 0.25, 0.75], ["owl", None, None, None]]


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 3)), st.integers(0, 8), st.randoms())
def test_the_handful_is_the_same_in_any_order_and_has_videos_with_several_events(events, count, random):
    chosen = handful(events, count)
    shuffled = list(events)
    random.shuffle(shuffled)
    assert chosen == handful({video: events[video] for video in shuffled}, count)
    assert len(set(chosen)) == len(chosen) == min(count, len(events))
    several = sum(number > 1 for number in events.values())
    assert sum(events[video] > 1 for video in chosen) >= min(several, (count + 1) // 2)


def test_annotations_are_named():
    target = {"segments": torch.tensor([[0.5, 2.0], [1.0, 3.0]]), "labels": torch.tensor([1, 0])}
    assert annotated_events("v", target, ["dog", "owl"]) == [Event("v", 0.5, 2, "owl"), Event("v", 1, 3, "dog")]


@pytest.mark.parametrize(
    "option", [{"count": -1}, {"count": 0.5}, *({"every_n_epochs": epochs} for epochs in (0, -1, 1.5, "5"))]
)
def test_wrong_options_are_named(option):
    ((key, value),) = option.items()
    with pytest.raises(UserError, match=rf"callbacks\.panels\.{key}={value}"):
        EvaluationPanels(**option)
