from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from avel.errors import UserError
from avel.events import Event, EventTable
from avel.report.compare import Group
from avel.tasks.comparison import difference, read_runs
from avel.training.files import write_json
from avel.training.sweep import Trial, write_trial
from tests.unit.report.test_compare import RESULTS

TRUTH = {f"v{i}": (float(i), i + 4.0) for i in range(6)}
DATA = SimpleNamespace(
    class_names=["bark", "talk"],
    tiou_grid=(0.5, 0.9),
    targets=lambda split: {
        video: {"video_id": video, "segments": torch.tensor([segment]), "labels": torch.tensor([0])}
        for video, segment in TRUTH.items()
    },
)


def write_run(folder, shift=0.0, videos=tuple(TRUTH), seed=1):
    events = [Event(video, TRUTH[video][0] + shift, TRUTH[video][1] + shift, "bark", 0.5) for video in videos]
    (folder / "predictions").mkdir(parents=True)
    EventTable(events).write_json(folder / "predictions" / "test.json")
    write_json(folder / "results.json", RESULTS | {"seed": seed})
    return folder


def group(*folders):
    return Group("", tuple(read_runs(folders)))


def test_the_better_system_is_surely_better(tmp_path):
    right = group(write_run(tmp_path / "a"), write_run(tmp_path / "b", seed=2))
    found = difference(right, group(write_run(tmp_path / "c", shift=1.0)), DATA, split="test", resamples=20)
    assert found.low == found.difference == found.high == 0.5  # a second off is missed at tIoU 0.9
    assert difference(right, right, DATA, split="test", resamples=20).high == 0


def test_runs_on_other_videos_are_not_compared(tmp_path):
    one, other = write_run(tmp_path / "a"), write_run(tmp_path / "b", videos=("v0", "v1"))
    with pytest.raises(UserError, match="different videos"):
        difference(group(one), group(other), DATA, split="test")


def test_missing_predictions_are_told(tmp_path):
    one = write_run(tmp_path / "a")
    (one / "predictions" / "test.json").unlink()
    with pytest.raises(UserError, match=r"test\.json: no such file"):
        difference(group(one), group(one), DATA, split="test")


def test_of_a_sweep_all_trials_are_read(tmp_path, monkeypatch):
    done, cut_off, failed = (tmp_path / "logs" / name for name in ("done", "cut_off", "failed"))
    write_run(done)
    write_run(tmp_path / "logs" / "of_another_sweep")
    write_run(tmp_path / "logs" / "done.until-2026-01-01_00-00-00")
    for number, (folder, status) in enumerate([(done, "done"), (cut_off, "running"), (failed, "failed")]):
        write_trial(tmp_path / "sweep", Trial(number, str(folder), ("lr=1", f"seed={number}"), status))
    runs = read_runs([tmp_path / "sweep"])
    assert [(run.status, run.seed) for run in runs] == [("done", 1), ("unfinished", 1), ("failed", 2)]
    monkeypatch.chdir(tmp_path)
    assert len(read_runs([Path("logs"), tmp_path / "sweep"])) == 4


def test_a_folder_without_runs_is_refused(tmp_path):
    with pytest.raises(UserError, match="no runs there"):
        read_runs([tmp_path])


@pytest.mark.parametrize("seed", ["\N{SUPERSCRIPT TWO}", "9" * 5000, "x"])
def test_seeds_of_unfinished_trials_may_be_no_numbers(tmp_path, seed):
    write_trial(tmp_path, Trial(0, str(tmp_path / "run"), (f"seed={seed}",)))
    (found,) = read_runs([tmp_path])
    assert found.seed is None
