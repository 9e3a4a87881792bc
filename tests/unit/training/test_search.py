import pytest

from avel.errors import UserError

pytest.importorskip("optuna", reason="the optional package optuna is not installed")

from avel.training.search import completed, distribution, learn, left_over, open_study, suggest

SPACE = {
    "lr": distribution("lr", {"low": 1e-5, "high": 1e-3, "log": True}),
    "layers": distribution("layers", {"low": 2, "high": 6, "step": 2}),
    "nms": distribution("nms", {"choices": ["soft", "hard"]}),
}


def test_values_come_from_the_space(tmp_path):
    study = open_study(tmp_path, seed=0)
    for trial in suggest(study, SPACE, 5):
        assert 1e-5 <= trial.values["lr"] <= 1e-3
        assert trial.values["layers"] in (2, 4, 6)
        assert trial.values["nms"] in ("soft", "hard")


def test_a_search_goes_on_where_it_was_cut_off(tmp_path):
    study = open_study(tmp_path, seed=0)
    done, failed, cut_off = suggest(study, SPACE, 3)
    learn(study, [done, failed], [0.5, None])

    study = open_study(tmp_path, seed=0)
    assert completed(study) == 1
    again = left_over(study, SPACE)
    assert [trial.values for trial in again] == [cut_off.values, failed.values]
    new = suggest(study, SPACE, 1)[0]
    assert new.values not in [trial.values for trial in (done, failed, cut_off)]
    learn(study, [*again, new], [0.6, 0.7, 0.8])
    assert completed(study) == 4
    assert study.best_value == 0.8

    assert left_over(open_study(tmp_path, seed=0), SPACE) == []


@pytest.mark.parametrize("options", [{}, {"low": 1}, {"low": 2.0, "high": 1.0}, {"choices": []}, {"choice": [1]}])
def test_what_is_no_space_is_refused(options):
    with pytest.raises(UserError, match="search_space.lr"):
        distribution("lr", options)
