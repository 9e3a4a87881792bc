import pytest

from avel.tasks.run_facts import MOST_POINTS, duration, facts_of, read_curves
from tests.unit.report.test_compare import RESULTS

RESULTS = RESULTS | {"videos": {"evaluated": 5, "annotated": 5}, "tiou_grid": [0.5, 0.9], "seconds": 62.0}


def notes(tmp_path, **results):
    return facts_of("run", tmp_path, RESULTS | results).notes


def test_facts_are_those_that_are_known(tmp_path):
    facts = facts_of("run", tmp_path, RESULTS | {"supervision": None, "protocol": None}).facts
    assert facts["judged on"] == "test split, 5 of 5 videos"
    assert facts["time"] == "1 min 2 s"
    assert facts["tIoU grid"] == "0.5, 0.9"
    assert "protocol" not in facts
    assert all(facts.values())


@pytest.mark.parametrize(("monitor", "shown"), [("map", "mAP"), ("accuracy", "accuracy")])
def test_the_score_that_chose_the_weights_is_in_percent(tmp_path, monitor, shown):
    chosen = {"selection_split": "validation", "selection_score": 0.2512, "monitor": monitor}
    facts = facts_of("run", tmp_path, RESULTS | chosen).facts
    assert facts["weights chosen by"] == f"validation split, {shown} 25.12 %"


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ({"selection_split": "validation", "ckpt_path": "best.ckpt"}, []),
        ({"selection_split": "test", "ckpt_path": "best.ckpt"}, ["chosen on the test split"]),
        ({"selection_split": "validation", "ckpt_path": "b", "resting_split": "test"}, ["Stop-and-go"]),
        ({"selection_split": None, "ckpt_path": None}, ["Nothing chose the weights"]),
        ({"stage": "test", "selection_split": None, "ckpt_path": "other.ckpt"}, ["the weights of other.ckpt"]),
        ({"stage": "test", "selection_split": None, "ckpt_path": None}, ["untrained"]),
        (
            {"selection_split": "validation", "ckpt_path": "b", "videos": {"evaluated": 2, "annotated": 5}},
            ["Only 2 of the 5 videos"],
        ),
        (
            {"stage": "validate", "split": "validation", "selection_split": None, "ckpt_path": "b"},
            ["did not train", "no result to report"],
        ),
    ],
)
def test_what_speaks_against_the_numbers_is_told(tmp_path, results, expected):
    told = notes(tmp_path, **results)
    assert len(told) == len(expected)
    assert [part for part, note in zip(expected, told, strict=True) if part not in note] == []


@pytest.mark.parametrize(
    ("seconds", "text"), [(1.23, "1.2 s"), (62, "1 min 2 s"), (3720, "1 h 2 min"), (90000, "1 d 1 h")]
)
def test_durations_have_two_units(seconds, text):
    assert duration(seconds) == text


def test_curves_are_thinned_and_end_where_they_end(tmp_path):
    path = tmp_path / "metrics.csv"
    rows = [f"0,{step},{step / 3},{'nan' if step % 2 else ''},0.5" for step in range(1000)]
    path.write_text("\n".join(["epoch,step,train/loss,val/map,test/map", *rows]))
    curves = read_curves(path)
    assert curves.keys() == {"train/loss"}
    steps, values = curves["train/loss"]
    assert len(steps) <= MOST_POINTS
    assert (steps[-1], values[-1]) == (999, 333.0)


def test_a_run_without_metrics_has_no_curves(tmp_path):
    assert read_curves(tmp_path / "metrics.csv") == {}
    (tmp_path / "metrics.csv").write_text("epoch,step\n")
    assert read_curves(tmp_path / "metrics.csv") == {}
