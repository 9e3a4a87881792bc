"""What a run leaves and says in the end: a page unless told otherwise, for which it never fails, and how to go on."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from avel.events import EventTable
from avel_run.outcome import next_steps, write_report
from tests.unit.tasks.test_run_report import EXACT, RESULTS, TRUTH, Data

DOCUMENT = RESULTS | {"videos": {"evaluated": 3, "annotated": 3}, "tiou_grid": [0.5, 0.9], "metrics": {"test/map": 1.0}}
METHOD = SimpleNamespace(tables={"": EventTable(EXACT, [*TRUTH])})


def config(report, stage="test"):
    return SimpleNamespace(report=report, stage=stage)


def test_a_test_leaves_a_report(tmp_path):
    write_report(config(SimpleNamespace(videos=None)), tmp_path, DOCUMENT, METHOD, Data())
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("options", [{"report": None}, {"report": SimpleNamespace(videos=None), "stage": "predict"}])
def test_there_is_none_where_nobody_wants_one_or_nothing_was_judged(tmp_path, options):
    write_report(config(**options), tmp_path, DOCUMENT, METHOD, Data())
    assert list(tmp_path.iterdir()) == []


def test_a_run_does_not_fail_for_its_report(tmp_path, caplog):
    write_report(config(SimpleNamespace(videos=None)), tmp_path, DOCUMENT, METHOD, data=None)
    assert list(tmp_path.iterdir()) == []
    (message,) = caplog.messages
    assert message.startswith("No report.html: AttributeError")
    assert "python scripts/report.py" in message


def test_the_commands_that_a_run_ends_with_are_shown_literally(compose):
    config = compose("experiment=ccnet_unav100", "seed=7", "description='[/x] [bold]'")
    console = Console(width=300)
    with console.capture() as capture:
        console.print(*next_steps(config, Path("logs/[small]"), "logs/[small]/checkpoints/best.ckpt"), sep="\n")
    _, folder, predict, seeds = capture.get().splitlines()
    assert folder == "Run folder: logs/[small]"
    assert "[/x] [bold]" in predict
    assert predict.endswith("'ckpt_path=logs/[small]/checkpoints/best.ckpt'")
    assert "seed=7" in predict
    assert "seed=7" not in seeds
    assert seeds.endswith("seed=1,2,3")


def test_without_a_checkpoint_no_prediction_is_proposed(compose):
    config = compose("experiment=ccnet_unav100")
    assert [line for line in next_steps(config, Path("logs"), None) if "Predict" in line] == []
