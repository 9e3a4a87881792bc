from dataclasses import replace

import pytest

from avel.errors import UserError
from avel.training.sweep import Trial, failed, read_trials, write_trial


def test_trials_are_read_in_order_each_as_it_stands(tmp_path):
    trials = [Trial(number, f"/logs/a/run{number}", ("seed=1",)) for number in (11, 2)]
    for trial in trials:
        write_trial(tmp_path, trial)
    broken = replace(trials[1], status="failed", message="why")
    write_trial(tmp_path, broken)
    assert read_trials(tmp_path) == [broken, trials[0]]
    assert failed(read_trials(tmp_path)) == [broken]


def test_runs_of_two_experiments_may_have_one_name(tmp_path):
    for experiment in "ab":
        write_trial(tmp_path, Trial(0, f"/logs/{experiment}/run", ()))
    assert len(read_trials(tmp_path)) == 2


def test_a_folder_without_trials_has_none(tmp_path):
    assert read_trials(tmp_path) == []


WRONG = (
    '"x", "folder": "a"',
    '0, "folder": 5',
    '0, "folder": "a\\u0000b"',
    '0, "folder": "\\udcff"',
    'null, "folder": "a"',
)
DAMAGED = ["{", "[]", '{"number": 0}', '{"overrides": [], "new": 1}', "[" * 100_000]


@pytest.mark.parametrize("text", [*DAMAGED, *(f'{{"overrides": [], "number": {wrong}}}' for wrong in WRONG)])
def test_a_damaged_note_is_named(tmp_path, text):
    (tmp_path / "trials").mkdir()
    (tmp_path / "trials" / "a.json").write_text(text)
    with pytest.raises(UserError, match=r"a\.json: is damaged: remove it"):
        read_trials(tmp_path)
