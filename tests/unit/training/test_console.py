import logging
import warnings

import pytest
import rich
import torch
from rich.console import Console

from avel.training.console import WIDTH, EpochProgress, Terminal, class_table, closing, headline, percent, score_table
from tests.unit.training.scored import Scored, fit


@pytest.fixture
def terminal(tmp_path):
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with warnings.catch_warnings():
        yield Terminal(tmp_path / "console.log")
    logging.captureWarnings(False)
    for handler in root.handlers:
        handler.close()
    root.handlers, root.level = handlers, level
    rich.reconfigure()


def text(*renderables):
    console = Console(width=WIDTH)
    with console.capture() as capture:
        console.print(*renderables)
    return capture.get()


def test_what_is_shown_is_in_the_log_too(terminal, tmp_path, capsys):
    assert not terminal.log_file.exists()
    logging.getLogger("avel.any").info("a record")
    warnings.warn("a warning", stacklevel=1)
    terminal.show("[bold]a line[/]", score_table({"ccnet": {"map": 0.5}}, "scores"))
    shown, kept = capsys.readouterr().out, terminal.log_file.read_text()
    for expected in ("a record", "a warning", "a line", "50.00"):
        assert expected in shown
        assert expected in kept
    assert "\x1b" not in kept


def test_a_second_terminal_replaces_the_first(terminal, tmp_path):
    second = Terminal(tmp_path / "second.log")
    logging.getLogger("avel.any").info("for the second")
    assert "for the second" in second.log_file.read_text()
    assert not terminal.log_file.exists()


def test_a_fit_shows_a_line_per_epoch_and_nothing_else(terminal, capsys):
    fit(EpochProgress(), scores=[0.25, 0.5])
    lines = terminal.log_file.read_text().splitlines()
    assert [line[: line.index("  lr")] for line in lines] == ["epoch   1/2  loss 3.0000", "epoch   2/2  loss 7.0000"]
    assert ["val mAP 0.2500" in lines[0], "val mAP 0.5000" in lines[1]] == [True, True]
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_score_table_has_a_row_per_threshold_and_a_column_per_system():
    scores = {"ccnet": {"map": 0.3, "recall@1": 0.9, "map@0.10": 0.5, "map@0.20": 0.1}, "untrained": {"map": 0.0}}
    shown = text(score_table(scores, "mAP (%), test split"))
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.splitlines() if "│" in line]
    assert rows == [["0.10", "50.00", ""], ["0.20", "10.00", ""], ["average", "30.00", "0.00"]]


def test_score_table_of_segments_names_its_scores():
    scores = {"accuracy": 0.75, "accuracy_partial": 0.5, "event_f1": 0.6, "map": 0.3, "map@0.10": 0.4}
    shown = text(score_table({"cmran": scores, "all background": {"accuracy": 0.1779, "map": 0.0}}, "scores (%)"))
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.splitlines() if "│" in line]
    assert rows == [
        ["accuracy", "75.00", "17.79"],
        ["accuracy, partial events", "50.00", ""],
        ["event F1", "60.00", ""],
        ["mAP, mean over tIoU", "30.00", "0.00"],
    ]


def test_matching_has_no_table_of_classes():
    results = {"method": "avdln", "split": "test", "metrics": {"test/a2v": 0.5, "test/v2a": 0.4}, "baselines": {}}
    (table,) = closing(results, torch.empty(0), ["a"])
    assert "from sound to picture" in text(table)
    assert "mAP" not in text(table)


def test_class_table_ranks_and_leaves_out_classes_without_events():
    ap = torch.tensor([[0.2, 0.4], [0.9, 0.7], [float("nan")] * 2, [0.0, 0.0], [0.5, 0.5]])
    shown = text(class_table(ap, ["a", "b", "absent", "c", "d"]))
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.splitlines() if "│" in line]
    assert rows == [["b", "80.00", "c", "0.00"], ["d", "50.00", "a", "30.00"]]


@pytest.mark.parametrize("name", ["dog [small]", "[/x]", "[bold]", "C:\\[red]"])
def test_names_are_shown_literally(name):
    assert name in text(class_table(torch.tensor([[0.2], [0.1]]), [name, "b"]))
    assert name in text(score_table({name: {"map": 0.5}}, "scores"))
    choices = {"method": name, "size": "narrow", "protocol": "clean", "data": "unav100"}
    assert name in text(headline(choices, Scored([]), {"train": 3}))


def test_predictions_have_nothing_to_tabulate():
    results = {"method": "ccnet", "split": "test", "metrics": {}, "baselines": {}}
    assert closing(results, torch.empty(0), ["a"]) == []


def test_headline_says_what_runs():
    choices = {"method": "ccnet", "size": "narrow", "protocol": "clean", "data": "unav100"}
    line = headline(choices, Scored([]), {"train": 3, "test": 2})
    assert "ccnet" in line
    assert "unav100" in line
    assert "3 train, 2 test" in line


def test_percent():
    assert (percent(0.12345), percent(None), percent(float("nan"))) == ("12.35", "", "")
