"""What `run.py` does about the report: it writes one unless told otherwise, and never fails for it."""

from types import SimpleNamespace

import pytest
import run

from avel.events import EventTable
from tests.unit.tasks.test_run_report import EXACT, RESULTS, TRUTH, Data

DOCUMENT = RESULTS | {"videos": {"evaluated": 3, "annotated": 3}, "tiou_grid": [0.5, 0.9], "metrics": {"test/map": 1.0}}
METHOD = SimpleNamespace(tables={"": EventTable(EXACT, [*TRUTH])})


def config(report, stage="test"):
    return SimpleNamespace(report=report, stage=stage)


def test_a_test_leaves_a_report(tmp_path):
    run.write_report(config(SimpleNamespace(videos=None)), tmp_path, DOCUMENT, METHOD, Data())
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("options", [{"report": None}, {"report": SimpleNamespace(videos=None), "stage": "predict"}])
def test_there_is_none_where_nobody_wants_one_or_nothing_was_judged(tmp_path, options):
    run.write_report(config(**options), tmp_path, DOCUMENT, METHOD, Data())
    assert list(tmp_path.iterdir()) == []


def test_a_run_does_not_fail_for_its_report(tmp_path, caplog):
    run.write_report(config(SimpleNamespace(videos=None)), tmp_path, DOCUMENT, METHOD, data=None)
    assert list(tmp_path.iterdir()) == []
    (message,) = caplog.messages
    assert message.startswith("No report.html: AttributeError")
    assert "python scripts/report.py" in message
