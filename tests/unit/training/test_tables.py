import pytest
import torch
from rich.console import Console

from avel.training.console import WIDTH
from avel.training.tables import class_table, closing, headline, percent, score_table, task_table
from tests.unit.training.scored import Scored

CHOICES = {"method": "ccnet", "size": "narrow", "protocol": "clean", "data": "unav100"}


def text(*renderables):
    console = Console(width=WIDTH)
    with console.capture() as capture:
        console.print(*renderables)
    return capture.get()


def cells(table):
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in text(table).splitlines() if "│" in line]


def test_score_table_has_a_row_per_threshold_and_a_column_per_system():
    scores = {"ccnet": {"map": 0.3, "recall@1": 0.9, "map@0.10": 0.5, "map@0.20": 0.1}, "untrained": {"map": 0.0}}
    table = score_table(scores, "test")
    assert cells(table) == [["0.10", "50.00", ""], ["0.20", "10.00", ""], ["average", "30.00", "0.00"]]
    assert "mAP (%), test split" in text(table)


def test_score_table_of_segments_names_its_scores():
    scores = {"accuracy": 0.75, "accuracy_partial": 0.5, "event_f1": 0.6, "map": 0.3, "map@0.10": 0.4}
    table = score_table({"cmran": scores, "all background": {"accuracy": 0.1779, "map": 0.0}}, "test")
    assert "scores (%), test split" in text(table)
    assert cells(table) == [
        ["accuracy", "75.00", "17.79"],
        ["accuracy, partial events", "50.00", ""],
        ["event F1", "60.00", ""],
        ["mAP, mean over tIoU", "30.00", "0.00"],
    ]


def test_matching_has_no_table_of_classes():
    (table,) = closing({"": {"avdln": {"a2v": 0.5, "v2a": 0.4}}}, {"": torch.empty(0)}, {"": ["a"]}, "test")
    assert "from sound to picture" in text(table)
    assert "mAP" not in text(table)


SYSTEMS = {
    "unav100": {
        "uniav": {"map": 0.3, "recall@1": 0.9, "map@0.10": 0.5, "map@0.50": 0.1},
        "most frequent": {"map": 0.02, "map@0.10": 0.04},
    },
    "desed": {"uniav": {"map": 0.5, "map@0.50": 0.25, "map@0.95": 0.75}, "most frequent": {"map": float("nan")}},
}


def test_tasks_have_a_column_each_over_all_their_thresholds_and_a_mean():
    assert cells(task_table(SYSTEMS, "test")) == [
        ["0.10", "50.00", "", ""],
        ["0.50", "10.00", "25.00", ""],
        ["0.95", "", "75.00", ""],
        ["average", "30.00", "50.00", "40.00"],
        ["most frequent", "2.00", "", "2.00"],
    ]


def test_tasks_share_a_table_of_scores_and_have_one_of_classes_each():
    ap, names = {task: torch.tensor([[0.5]]) for task in SYSTEMS}, {"unav100": ["dog"], "desed": ["[cat]"]}
    scores, unav100, desed = map(text, closing(SYSTEMS, ap, names, "validation"))
    assert "mAP (%), validation split" in scores
    assert "unav100: AP" in unav100
    assert "dog" in unav100
    assert "desed: AP" in desed
    assert "[cat]" in desed


@pytest.mark.parametrize("task", ["", "desed"])
def test_one_task_needs_no_name(task):
    shown = text(*closing({task: SYSTEMS["desed"]}, {task: torch.tensor([[0.5]])}, {task: ["cat"]}, "test"))
    assert "uniav" in shown
    assert "desed" not in shown


def test_class_table_ranks_and_leaves_out_classes_without_events():
    ap = torch.tensor([[0.2, 0.4], [0.9, 0.7], [float("nan")] * 2, [0.0, 0.0], [0.5, 0.5]])
    rows = [["b", "80.00", "c", "0.00"], ["d", "50.00", "a", "30.00"]]
    assert cells(class_table(ap, ["a", "b", "absent", "c", "d"])) == rows


@pytest.mark.parametrize("name", ["dog [small]", "[/x]", "[bold]", "C:\\[red]"])
def test_names_are_shown_literally(name):
    assert name in text(class_table(torch.tensor([[0.2], [0.1]]), [name, "b"]))
    assert name in text(score_table({name: {"map": 0.5}}, "test"))
    assert name in text(task_table({name: {"uniav": {"map": 0.5}}, "b": {name: {"map": 0.5}}}, "test"))
    assert name in text(headline(CHOICES | {"method": name}, Scored([]), {"": {"train": 3}}))
    assert text(headline(CHOICES, Scored([]), {name: {"train": 3}, "b": {"train": 3}})).count(name) == 2


def test_predictions_have_nothing_to_tabulate():
    assert closing({}, {}, {"": ["a"]}, "test") == []


def test_headline_says_what_runs():
    line = headline(CHOICES, Scored([]), {"": {"train": 3, "test": 2}})
    assert "ccnet" in line
    assert "on unav100:" in line
    assert line.endswith("videos: 3 train, 2 test")


def test_headline_names_the_tasks():
    videos = {"unav100": {"train": 3, "test": 2}, "desed": {"train": 5, "test": 4}}
    first, *tasks = headline(CHOICES | {"data": "multitask"}, Scored([]), videos).splitlines()
    assert "on unav100, desed:" in first
    assert tasks == ["  unav100: 3 train, 2 test videos", "  desed: 5 train, 4 test videos"]
    assert "on desed:" in headline(CHOICES, Scored([]), {"desed": {"train": 5}})


def test_percent():
    assert (percent(0.12345), percent(None), percent(float("nan"))) == ("12.35", "", "")
