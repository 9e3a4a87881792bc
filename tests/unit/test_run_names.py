import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avel.run_names import LONGEST, deciding, run_name

key = st.from_regex(r"[a-z_]{1,8}(\.[a-z_]{1,8}){0,2}", fullmatch=True)
overrides = st.dictionaries(key, st.text(max_size=40).map(str.strip), max_size=6)


@settings(max_examples=60)
@given(overrides, st.randoms())
def test_order_does_not_matter_and_names_are_names_of_folders(options, random):
    given = [f"{key}={value}" for key, value in options.items()]
    shuffled = random.sample(given, len(given))
    name = run_name(given)
    assert name == run_name(shuffled)
    assert not set("=,/'\" \n") & set(name)
    assert len(name) <= LONGEST + 9
    assert name not in (".", "..")


@settings(max_examples=60)
@given(overrides, overrides)
def test_what_decides_differently_is_called_differently(one, other):
    one, other = ([f"{key}={value}" for key, value in options.items()] for options in (one, other))
    assert (deciding(one) == deciding(other)) == (run_name(one) == run_name(other))


def test_a_name_can_be_read():
    name = run_name(["experiment=a", "method.optimizer.lr=1e-4", "~callbacks.best", "seed=1"], leave_out=["experiment"])
    assert name.startswith("seed-1__lr-0.0001__no_best-")
    assert run_name([]).startswith("default-")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["a.b=1e-4"], ["a.b=0.0001"]),
        (["a=1"], ["a=2", "a=1"]),
        (["+a=1"], ["++a=1"]),
        (["a=1"], ["a=1", "logger=wandb", "logger.wandb.project=x", "launcher=joblib", "resume=auto"]),
        (["a=1"], ["a=1", "paths.log_dir=/elsewhere"]),
        (["a=1"], ["a=1", "check_data=full", "callbacks.non_finite.every=5"]),
    ],
)
def test_the_same_run_has_the_same_name(one, other):
    assert run_name(one) == run_name(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["method.head.dim=8"], ["method.pyramid.dim=8"]),
        (["~a"], ["a="]),
        (["paths.data_dir=real"], ["paths.data_dir=synthetic"]),
        (["logging=1"], []),
    ],
)
def test_other_runs_have_other_names(one, other):
    assert run_name(one) != run_name(other)
