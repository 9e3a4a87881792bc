from contextlib import contextmanager

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import CSVLogger

from avel.training.checkpointing import LastCheckpoint
from avel.training.dashboards import (
    RunOnDashboards,
    close_with_report,
    closed_by_failures,
    dashboards,
    is_due,
)
from tests.unit.training.boards import Board
from tests.unit.training.toy import ResumableLoader, Toy

CONFIG = {"seed": 1}


def trainer(folder, *callbacks, board, **options):
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": bool(callbacks)}
    return Trainer(
        callbacks=[*callbacks, RunOnDashboards(CONFIG)],
        logger=[CSVLogger(folder), board],
        accelerator="cpu",
        log_every_n_steps=1,
        **quiet | {"max_epochs": 1} | options,
    )


def loaders():
    return ResumableLoader(), ResumableLoader()


def test_dashboards_are_the_loggers_that_show_more_than_numbers(tmp_path):
    board = Board()
    assert dashboards([CSVLogger(tmp_path), board]) == [board]


def test_a_run_is_described_once(tmp_path):
    board = Board()
    run = trainer(tmp_path, board=board)
    run.fit(module := Toy(), *loaders())
    run.test(module, ResumableLoader(), verbose=False)
    assert board.told == [("describe", CONFIG)]


@pytest.mark.parametrize("stage", ["validate", "test", "predict"])
@pytest.mark.filterwarnings("ignore:predict returned None")
def test_other_stages_are_described_too(tmp_path, stage):
    class Predicting(Toy):
        predict_step = Toy.test_step

    board = Board()
    options = {"return_predictions": False} if stage == "predict" else {"verbose": False}
    getattr(trainer(tmp_path, board=board), stage)(Predicting(), ResumableLoader(), **options)
    assert board.told == [("describe", CONFIG)]


def test_a_resumed_training_goes_on_with_the_run_and_a_test_of_its_weights_does_not(tmp_path):
    trainer(tmp_path, LastCheckpoint(tmp_path), board=Board("first")).fit(Toy(), *loaders())
    path = tmp_path / "last.ckpt"
    assert torch.load(path, weights_only=True)["dashboards"] == {"Board": "first"}
    resumed, tested = Board("second"), Board("third")
    trainer(tmp_path, board=resumed, max_epochs=2).fit(Toy(), *loaders(), ckpt_path=path)
    trainer(tmp_path, board=tested).test(Toy(), ResumableLoader(), ckpt_path=path, verbose=False)
    assert (resumed.run_id, tested.run_id) == ("first", "third")


def test_a_checkpoint_of_a_run_without_dashboards_is_resumed(tmp_path):
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    Trainer(callbacks=[LastCheckpoint(tmp_path)], max_epochs=1, accelerator="cpu", **quiet).fit(Toy(), *loaders())
    board = Board()
    trainer(tmp_path, board=board, max_epochs=2).fit(Toy(), *loaders(), ckpt_path=tmp_path / "last.ckpt")
    assert board.run_id == "mine"


def test_a_run_that_fails_is_ended_as_failed(tmp_path):
    class Failing(Toy):
        def training_step(self, batch, batch_idx):
            raise RuntimeError("boom")

    board, left = Board(), []
    with pytest.raises(RuntimeError, match="boom"), closed_by_failures([board], left.append):
        trainer(tmp_path, board=board).fit(Failing(), *loaders())
    assert board.told == [("describe", CONFIG), ("close", True)]
    assert left == ["mine is left"]


def test_uploads_do_not_keep_a_run_from_being_queued_again():
    board, before = Board(), []

    @contextmanager
    def queued_again():
        try:
            yield
        finally:
            before.extend(board.told)

    with pytest.raises(SystemExit), closed_by_failures([board], print), queued_again():
        raise SystemExit(1)
    assert (before, board.told) == ([], [("close", True)])


def test_what_a_run_has_come_to_is_kept(tmp_path):
    for name in ("results.json", "predictions/test.json", "predictions/desed/test.json", "console.log"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    board, weights = Board(), tmp_path / "best.ckpt"
    assert close_with_report([board], tmp_path, str(weights)) == ["mine is left"]
    files = ["results.json", "predictions/desed/test.json", "predictions/test.json"]
    assert board.told == [("keep", files, weights), ("close", False)]


def test_validations_are_due_every_few_epochs_and_at_the_end(tmp_path):
    class Watch(Callback):
        due = {}

        def on_validation_end(self, trainer, pl_module):
            self.due.setdefault(trainer.current_epoch, []).append(is_due(trainer, 2))

    watch, board = Watch(), Board()
    trainer(tmp_path, watch, board=board, max_epochs=5, enable_checkpointing=False).fit(Toy(), *loaders())
    assert watch.due == {0: [False, False], 1: [True], 2: [False], 3: [True], 4: [True]}  # the first is a sanity check
    trainer(tmp_path, watch, board=board, enable_checkpointing=False).validate(Toy(), ResumableLoader(), verbose=False)
    assert watch.due[0][-1]


def test_what_lies_elsewhere_is_not_kept(tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "a.json").touch()
    folder = tmp_path / "run"
    (folder / "predictions").mkdir(parents=True)
    (folder / "predictions" / "test.json").symlink_to(tmp_path / "secret" / "a.json")
    (folder / "results.json").touch()
    close_with_report([board := Board()], folder, None)
    assert board.told[0] == ("keep", ["results.json"], None)
