from pathlib import Path

import pytest

from avel.errors import UserError
from avel.training.results_format import check_results

DATA = {"videos": {"evaluated": 2, "annotated": 3}, "tiou_grid": [0.1, 0.5], "features": None, "synthetic": None}
GOOD = DATA | {
    **{"experiment": "x", "stage": "fit", "split": "test", "seed": 0, "selection_score": None, "seconds": 1.5},
    **{"metrics": {"test/map": 0.5, "test/map@0.50": None}, "overrides": ["seed=0"], "versions": {"torch": "2"}},
    **{"baselines": {"most frequent": {"map": 0.1}}},
}


def test_what_runs_write_passes():
    check_results(GOOD, Path("results.json"))
    check_results({"metrics": {}, "another key": []}, Path("results.json"))
    of_task = {"desed": {"most frequent": {"map": 0.1}}}
    check_results(GOOD | {"tasks": {"desed": DATA}, "baselines": of_task}, Path("results.json"))


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"split": ["test"]}, "split"),
        ({"stage": "\ud800"}, "stage"),
        ({"seed": True}, "seed"),
        ({"selection_score": float("inf")}, "selection_score"),
        ({"seconds": 10**400}, "seconds"),
        ({"metrics": {"test/map": "1"}}, "metrics"),
        ({"overrides": "seed=0"}, "overrides"),
        ({"baselines": {"x": 0.1}}, "baselines"),
        ({"baselines": {"desed": {"most frequent": {"map": 0.1}}}}, "baselines"),
        ({"videos": {"evaluated": 2}}, "videos"),
        ({"tiou_grid": []}, "tiou_grid"),
        ({"tasks": ["desed"]}, "tasks"),
        ({"tasks": {"desed": DATA | {"tiou_grid": [0]}}}, "tiou_grid"),
        ({"tasks": {"desed": DATA}}, "baselines"),
    ],
)
def test_what_no_run_writes_is_named(change, key):
    with pytest.raises(UserError, match=rf"^results\.json: '{key}' must "):
        check_results(GOOD | change, Path("results.json"))
