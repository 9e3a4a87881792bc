import csv
import json
import time

import pytest
import torch

from avel.errors import UserError
from avel.events import Event, EventTable
from avel.training.checkpointing import LastCheckpoint
from avel.training.run_folder import MetricsFile, RunFolder, footprint, git_commit, write_predictions
from tests.unit.training.scored import Scored, fit
from tests.unit.training.toy import BATCHES, ResumableLoader

CONFIG = {"seed": 1, "method": {"dim": 8, "ratio": [0.9, 1.0]}}


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def fit_in(folder, *, scores, every=None, resume=None):
    last = LastCheckpoint(folder / "checkpoints", every)
    metrics = MetricsFile(folder / "metrics.csv")
    return fit(RunFolder(CONFIG), last, scores=scores, loggers=[metrics], resume=resume)


def test_a_row_per_step_with_everything_beside_it(tmp_path):
    file = MetricsFile(tmp_path / "metrics.csv")
    file.log_metrics({"val/map": 0.25, "epoch": 0}, step=9)
    file.log_metrics({"train/loss": torch.tensor(2.0), "lr": 1e-4, "epoch": 0}, step=9)
    file.log_metrics({"train/loss": 1.0, "lr": 1e-5, "epoch": 1}, step=4)
    file.finalize("success")
    assert (tmp_path / "metrics.csv").read_text().splitlines() == [
        "epoch,step,lr,train/loss,val/map",
        "1,4,1e-05,1,",
        "0,9,0.0001,2,0.25",
    ]


def test_what_is_of_one_task_stands_behind_what_is_of_all(tmp_path):
    file = MetricsFile(tmp_path / "metrics.csv")
    names = ("lr", "train/loss", "train/a/loss", "train/b/resting", "val/map", "val/a/map", "val/b/map", "test/map")
    file.log_metrics({name: 1.0 for name in sorted(names)}, step=0)
    assert (tmp_path / "metrics.csv").read_text().splitlines()[0].split(",") == ["epoch", "step", *names]


def test_rows_appear_at_once_after_a_checkpoint_but_not_with_every_step(tmp_path):
    file = MetricsFile(tmp_path / "metrics.csv", interval=3600)
    file.log_metrics({"loss": 1.0}, step=0)
    file.log_metrics({"loss": 1.0}, step=1)
    assert [row["step"] for row in read(file.path)] == ["0"]
    file.after_save_checkpoint(None)
    assert [row["step"] for row in read(file.path)] == ["0", "1"]
    file.log_metrics({"loss": 1.0}, step=2)
    assert [row["step"] for row in read(file.path)] == ["0", "1", "2"]


def test_a_run_without_metrics_leaves_no_file(tmp_path):
    MetricsFile(tmp_path / "metrics.csv").finalize("success")
    assert list(tmp_path.iterdir()) == []


def test_lightning_fills_the_file(tmp_path):
    trainer = fit_in(tmp_path, scores=[0.1, 0.2])
    trainer.test(Scored([0.1]), ResumableLoader(), verbose=False)
    rows = read(tmp_path / "metrics.csv")
    assert [float(row["train/loss"]) for row in rows[:-1]] == list(range(2 * BATCHES))
    assert {row["epoch"]: row["val/map"] for row in rows if row["val/map"]} == {"0": "0.1", "1": "0.2"}
    assert rows[-1]["test/map"] == "0.5"


def test_a_resumed_run_has_the_whole_history(tmp_path):
    scores = [0.1, 0.2, 0.3]
    fit_in(tmp_path / "whole", scores=scores)
    fit_in(tmp_path / "first", scores=scores[:2], every=BATCHES + 2)
    fit_in(tmp_path / "then", scores=scores, resume=tmp_path / "first/checkpoints/last.ckpt")
    assert read(tmp_path / "then/metrics.csv") == read(tmp_path / "whole/metrics.csv")


def test_a_checkpoint_may_be_named_from_its_own_folder(tmp_path, monkeypatch):
    fit_in(tmp_path / "first", scores=[0.1])
    monkeypatch.chdir(tmp_path / "first" / "checkpoints")
    fit_in(tmp_path / "then", scores=[0.1, 0.2], resume="last.ckpt")
    assert [row["val/map"] for row in read(tmp_path / "then/metrics.csv") if row["val/map"]] == ["0.1", "0.2"]


def test_checkpoints_hold_the_config(tmp_path):
    fit_in(tmp_path, scores=[0.1])
    assert torch.load(tmp_path / "checkpoints/last.ckpt", weights_only=True)["config"] == CONFIG


def test_footprint_is_plain_and_complete():
    module = Scored([])
    facts = json.loads(json.dumps(footprint(module, started=time.monotonic() - 2)))
    assert facts.keys() == {"parameters", "seconds", "peak_memory_mib", "versions", "git_commit"}
    assert facts["parameters"] == sum(p.numel() for p in module.parameters())
    assert facts["seconds"] >= 2
    assert 10 < facts["peak_memory_mib"] < 10**6
    assert facts["versions"]["torch"] == torch.__version__


def test_git_commit_is_none_outside_a_repository(monkeypatch):
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert git_commit() is None


def test_predictions_read_back(tmp_path):
    table = EventTable([Event("v", 1.0, 2.5, "dog barking", 0.5)], ["v", "empty"])
    write_predictions(tmp_path, "test", {"": table})
    assert EventTable.read_json(tmp_path / "predictions/test.json") == table


def test_predictions_of_tasks_lie_apart(tmp_path):
    tables = {task: EventTable([Event("v", 1.0, 2.5, task, 0.5)], ["v"]) for task in ("a", "b")}
    write_predictions(tmp_path, "validation", tables)
    for task, table in tables.items():
        assert EventTable.read_json(tmp_path / "predictions" / task / "validation.json") == table


class Witness(MetricsFile):
    """Notes which steps the file has in the moment in which a checkpoint has appeared."""

    def __init__(self, path):
        super().__init__(path, interval=3600)
        self.seen = []

    def after_save_checkpoint(self, checkpoint_callback):
        self.seen.append([row["step"] for row in read(self.path) if row["train/loss"]])


def test_a_checkpoint_appears_after_the_rows_up_to_it(tmp_path):
    witness = Witness(tmp_path / "metrics.csv")
    last = LastCheckpoint(tmp_path / "checkpoints", BATCHES + 2)
    fit(RunFolder(CONFIG), last, scores=[0.1, 0.2], loggers=[witness])
    steps = [str(step) for step in range(2 * BATCHES)]
    assert witness.seen == [steps[:BATCHES], steps[: BATCHES + 2], steps]
    rows = read(tmp_path / "metrics.csv")
    assert [float(row["train/loss"]) for row in rows] == list(range(2 * BATCHES))
    assert [row["epoch"] for row in rows] == ["0"] * BATCHES + ["1"] * BATCHES


def test_rows_of_an_epoch_repeat_the_newest_losses_of_other_tasks_also_over_a_resumption(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("epoch,step,train/a/loss,val/map\n0,2,7,0.5\n1,3,8,\n1,4,9,\n")
    file = MetricsFile(tmp_path / "then.csv")
    file.resume(path, steps=4)
    for step, epoch in ((4, 1), (5, 1), (6, 2)):
        file.log_metrics({"train/b/loss": 1.0, "epoch": epoch}, step)
    file.finalize("success")
    assert [row["train/a/loss"] for row in read(file.path)] == ["7", "8", "8", "8", ""]
    assert [row["val/map"] for row in read(file.path)] == ["0.5", "", "", "", ""]


@pytest.mark.parametrize(
    "text", [b"step,a\n1,b\n", b"step,a\n1,2,3\n", b"a\n1\n", b"step\n\xff\n", b"a" * 200_000 + b"\n1"]
)
def test_a_damaged_history_is_named(tmp_path, text):
    (tmp_path / "metrics.csv").write_bytes(text)
    with pytest.raises(UserError, match=r"metrics\.csv: is no table of a training .*: move it away"):
        MetricsFile(tmp_path / "new.csv").resume(tmp_path / "metrics.csv", steps=4)
