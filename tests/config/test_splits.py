"""Which split a stage needs and judges, and by which something was chosen."""

from types import SimpleNamespace

import pytest

from avel_run.splits import judged_split, needed_splits, resting_split, selection_split

DATA = SimpleNamespace(selection_split="validation", predict_split="train")


def config(stage="fit", monitor=None, **callbacks):
    return SimpleNamespace(stage=stage, protocol=SimpleNamespace(monitor=monitor), callbacks=callbacks)


@pytest.mark.parametrize(
    ("stage", "judged", "needed"),
    [
        ("fit", "test", ("train", "validation", "test")),
        ("validate", "validation", ("validation",)),
        ("test", "test", ("test",)),
        ("predict", "train", ("train",)),
    ],
)
def test_a_stage_judges_one_split_and_training_needs_all(stage, judged, needed):
    assert judged_split(config(stage), DATA) == judged
    assert needed_splits(config(stage), DATA) == needed


def test_only_weights_that_a_score_of_this_training_chose_have_a_selection_split():
    assert selection_split(config(), DATA, "run/best.ckpt") == "validation"
    assert selection_split(config(), DATA, "run/last.ckpt") is None
    assert selection_split(config(), DATA, None) is None
    assert selection_split(config(monitor="epoch"), DATA, "run/best.ckpt") is None
    assert selection_split(config("test"), DATA, "run/best.ckpt") is None


def test_tasks_rest_by_a_split_only_where_a_training_lets_them_rest():
    assert resting_split(config(stop_and_go={}), DATA) is None
    assert resting_split(config(stop_and_go={"patience": 1}), DATA) == "validation"
    assert resting_split(config("test", stop_and_go={"patience": 1}), DATA) is None
