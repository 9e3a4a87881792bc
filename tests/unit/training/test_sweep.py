from dataclasses import replace

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
