import logging
from types import SimpleNamespace

from avel.training.results import (
    describe_data,
    flat,
    flat_baselines,
    mean_defined,
    score_name,
    score_of,
    warn_of_subset,
)

NAN = float("nan")
DATA = SimpleNamespace(
    tiou_grid=(0.1, 0.30000000000000004), facts=lambda: SimpleNamespace(videos={"test": 5, "validation": 4})
)


def test_names_have_no_empty_parts():
    assert score_name("test", "desed", "map") == "test/desed/map"
    assert score_name("test", "", "map") == "test/map"


def test_scores_bear_the_names_of_their_tasks():
    assert flat("test", {"a": {"map": 0.5, "map@0.10": 1.0}, "b": {"map": 0.25}}) == {
        "test/a/map": 0.5,
        "test/a/map@0.10": 1.0,
        "test/b/map": 0.25,
    }
    assert flat("val", {"": {"map": 0.5}}) == {"val/map": 0.5}


def test_so_do_those_of_baselines():
    baselines = {"all background": {"accuracy": 0.5}, "untrained": {"accuracy": 0.25}}
    names = ("all_background/accuracy", "untrained/accuracy")
    assert [*flat_baselines({"": baselines})] == [f"baseline/{name}" for name in names]
    assert flat_baselines({"ave": baselines})["baseline/ave/all_background/accuracy"] == 0.5
    assert flat_baselines({}) == {}


def test_the_mean_leaves_out_what_is_not_defined():
    scores = [{"map": 0.5}, {"map": NAN}, {}, {"map": 0.25}]
    assert mean_defined(scores, "map") == 0.375
    for undefined in ([], [{"map": NAN}], [{"accuracy": 0.5}]):
        assert mean_defined(undefined, "map") != mean_defined(undefined, "map")


def test_results_say_on_which_data_and_how_many_videos(caplog):
    described = describe_data(DATA, {"features": "one_peace", "root": "x"}, "test", 3)
    assert described == {
        **{"features": "one_peace", "modality": None, "splits": None, "drop_leaked": None},
        "synthetic": False,
        "tiou_grid": [0.1, 0.3],
        "videos": {"evaluated": 3, "annotated": 5},
    }
    whole = describe_data(DATA, {}, "test", 5)
    with caplog.at_level(logging.WARNING):
        warn_of_subset({"a": whole, "b": described}, "test")
        warn_of_subset({"": described}, "test")
    assert [record.getMessage() for record in caplog.records] == [
        "Only 3 of the 5 videos of b's test split: not comparable with results on all",
        "Only 3 of the 5 videos of the test split: not comparable with results on all",
    ]


def test_data_that_were_made_up_are_told_by_their_file(tmp_path):
    (tmp_path / "synthetic.json").touch()
    assert describe_data(DATA, {"root": str(tmp_path)}, "test", 5)["synthetic"] is True
    assert describe_data(DATA, {}, "test", 5)["synthetic"] is None  # those of one's own


def test_a_sweep_maximizes_what_chose_the_weights_but_never_the_test():
    fit = {"stage": "fit", "selection_split": "validation", "selection_score": 0.25, "metrics": {"test/map": 0.5}}
    assert score_of(fit) == 0.25
    assert score_of(fit | {"selection_split": "test"}) is None
    assert score_of({"stage": "test", "monitor": "map", "metrics": {"test/map": 0.5}}) == 0.5
    assert score_of({"stage": "predict", "monitor": "map", "metrics": {}}) is None
