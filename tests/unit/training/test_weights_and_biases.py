"""With the real client, which writes to disk and reaches nobody."""

import logging
import os

import pytest
from lightning.pytorch.utilities import rank_zero_only
from PIL import Image

from avel.training.dashboards import Moment
from tests import wandb_files

wandb = pytest.importorskip("wandb", reason="the optional package wandb is not installed")

from avel.training.wandb_account import account_exists, choose_mode  # noqa: E402
from avel.training.weights_and_biases import WeightsAndBiases, in_a_line, staged_in  # noqa: E402

KEY = "0123456789" * 4
MOMENT = Moment(step=8, epoch=1)


@pytest.fixture(autouse=True)
def _afresh(tmp_path, monkeypatch):
    """The client reads the environment once: every test has one of its own, without an account."""
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "WANDB_BASE_URL", "WANDB_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    wandb.teardown()
    yield
    wandb.teardown()


def read_run(folder):
    """Read the run when the client's service has written all of it."""
    wandb.teardown()
    return wandb_files.read_run(folder)


def test_a_run_has_numbers_tables_curves_and_pictures_over_their_axes(tmp_path):
    board = WeightsAndBiases(
        tmp_path, project="mine", group="one", overrides=["experiment=x", "seed=2"], tags=["a", 1], job_type="fit"
    )
    board.describe({"seed": 2, "method": {"lr": 0.5}, "git_commit": "abc"})
    board.log_metrics({"train/loss": 0.5, "epoch": 0}, step=3)
    board.log_metrics({"val/map": 0.25, "val/map@0.50": 0.125, "epoch": 0}, step=4)
    rows = [["dog", 0.5], ["<img src=x onerror=alert(1)>", None]]
    board.show_table("val/ap_per_class", ["class", "AP"], rows, MOMENT)
    board.show_curve("val/map_per_tiou", ("tIoU", "mAP"), [(0.5, 0.25), (0.75, 0.125)], MOMENT)
    board.show_picture("timelines/val/a b", Image.new("RGB", (4, 2)), MOMENT)
    assert f"wandb sync {os.path.relpath(tmp_path)}/wandb/offline-run-*" in board.close()

    stored = read_run(tmp_path)
    run = stored.run
    assert (run.project, run.run_group, run.job_type, [*run.tags]) == ("mine", "one", "fit", ["a", "1"])
    assert run.display_name.startswith("seed-2-")
    assert {key: stored.config[key] for key in ("seed", "git_commit")} == {"seed": 2, "git_commit": "abc"}
    assert stored.config["method"] == {"lr": 0.5}
    numbers = stored.numbers()
    assert {name: numbers[name] for name in ("train/loss", "val/map", "val/map@0.50")} == {
        **{"train/loss": [0.5], "val/map": [0.25], "val/map@0.50": [0.125]}
    }
    assert numbers["trainer/global_step"] == [3, 4, 8, 8, 8]
    assert numbers["epoch"] == [0, 0, 1, 1, 1]
    assert stored.axes["train/*"] == stored.axes["lr"] == "trainer/global_step"
    assert {stored.axes[name] for name in ("val/*", "test/*", "timelines/*", "attention/*")} == {"epoch"}
    assert stored.table("val/ap_per_class") == {"columns": ["class", "AP"], "data": rows}
    assert not stored.of_kind("html-file")  # names are texts in cells
    assert stored.table("val/map_per_tiou_table")["data"] == [[0.5, 0.25], [0.75, 0.125]]
    assert stored.of_kind("image-file").keys() == {"timelines/val/a b"}
    assert stored.finished


def test_all_that_waits_for_an_upload_lies_in_the_run_folder(tmp_path):
    (tmp_path / "results.json").write_text("{}")
    (tmp_path / "best.ckpt").write_text("weights")
    board = WeightsAndBiases(tmp_path, log_model=True)
    board.show_table("val/ap_per_class", ["class"], [["dog"]], MOMENT)
    board.keep(tmp_path, [tmp_path / "results.json"], tmp_path / "best.ckpt")
    board.close()
    artifacts = read_run(tmp_path).artifacts
    assert artifacts["report"] == {"results.json": tmp_path / "results.json"}
    assert artifacts["model"] == {"best.ckpt": tmp_path / "best.ckpt"}
    (table,) = artifacts["run_table"].values()
    assert table.is_relative_to(tmp_path)
    assert table.is_file()
    assert "WANDB_DATA_DIR" not in os.environ


def test_the_report_is_a_page_of_the_run_as_it_is(tmp_path):
    (tmp_path / "report.html").write_text("<!doctype html><title>a run</title>", encoding="utf-8")
    board = WeightsAndBiases(tmp_path)
    board.keep(tmp_path, [tmp_path / "report.html"], None)
    board.close()
    stored = read_run(tmp_path)
    ((page,),) = stored.of_kind("html-file").values()
    assert (stored.folder / "files" / page["path"]).read_bytes() == (tmp_path / "report.html").read_bytes()
    assert "report.html" in stored.artifacts["report"]


def test_the_best_checkpoint_is_kept_on_request_only(tmp_path):
    (tmp_path / "best.ckpt").write_text("weights")
    board = WeightsAndBiases(tmp_path)
    board.keep(tmp_path, [], tmp_path / "best.ckpt")
    board.close()
    assert "model" not in read_run(tmp_path).artifacts


def test_a_folder_that_the_user_has_chosen_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_DATA_DIR", "elsewhere")
    with staged_in(tmp_path):
        assert os.environ["WANDB_DATA_DIR"] == "elsewhere"
    assert os.environ["WANDB_DATA_DIR"] == "elsewhere"


def test_a_resumed_run_goes_on_with_the_run(tmp_path):
    first = WeightsAndBiases(tmp_path / "first")
    assert first.run_id == ""
    first.log_metrics({"train/loss": 1.0}, step=0)
    second = WeightsAndBiases(tmp_path / "second")
    second.resume(first.run_id)
    first.close()
    second.log_metrics({"train/loss": 0.5}, step=1)
    second.close()
    ids = [read_run(tmp_path / name).run.run_id for name in ("first", "second")]
    assert ids[0] == ids[1]


def test_runs_of_one_process_are_runs_of_their_own(tmp_path):
    boards = [WeightsAndBiases(tmp_path / name) for name in ("a", "b")]
    for board in boards:
        board.log_metrics({"lr": 1.0}, step=0)
    assert boards[0].run_id != boards[1].run_id
    for board in boards:
        board.close()


def test_only_rank_0_has_a_run(tmp_path, monkeypatch):
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    board = WeightsAndBiases(tmp_path / "run")
    board.log_metrics({"lr": 1.0}, step=0)
    assert (board.run_id, board.close()) == ("", "")
    assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_written_is_told_once_and_ends_nothing(tmp_path, caplog):
    (tmp_path / "file").touch()
    board = WeightsAndBiases(tmp_path / "file" / "run")
    board.describe({})
    board.log_metrics({"lr": 1.0}, step=0)
    board.show_table("val/ap_per_class", ["class"], [["dog"]], MOMENT)
    assert board.close() == ""
    assert [record.message for record in caplog.records if "goes on without it" in record.message] != []
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 1


def test_what_cannot_be_logged_is_told_once_and_what_was_logged_is_kept(tmp_path, caplog):
    board = WeightsAndBiases(tmp_path)
    board.log_metrics({"lr": 1.0}, step=0)
    board.keep(tmp_path, [tmp_path / "absent.json"], None)
    board.log_metrics({"lr": 0.5}, step=1)
    board.close()
    assert caplog.text.count("goes on without it") == 1
    assert read_run(tmp_path).history["lr"] == [1.0]


def test_a_server_that_does_not_answer_leaves_the_run_on_disk(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    wandb.teardown()
    board = WeightsAndBiases(tmp_path, init_timeout=0.5)
    board.resume("again")
    board.log_metrics({"lr": 1.0}, step=0)
    assert "wandb sync" in board.close()
    stored = read_run(tmp_path)
    assert stored.run.run_id == "again"
    assert stored.history["lr"] == [1.0]
    assert "cannot be reached" in caplog.text


def test_what_is_not_uploaded_in_time_is_told(tmp_path, caplog):
    class Stuck:
        offline = False

        def finish(self, exit_code):
            raise TimeoutError("600 seconds have passed")

    board = WeightsAndBiases(tmp_path)
    board._run = Stuck()
    assert board.close().endswith("/wandb/run-*")
    assert "600 seconds have passed" in caplog.text


def test_wandb_can_be_switched_off(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    wandb.teardown()
    board = WeightsAndBiases(tmp_path)
    board.log_metrics({"lr": 1.0}, step=0)
    assert board.close() == ""
    assert not list(tmp_path.rglob("*.wandb"))


@pytest.mark.parametrize(
    ("asked", "account", "offline", "mode"),
    [
        ("online", True, None, "online"),
        ("online", True, True, "offline"),
        ("online", False, None, "offline"),
        ("online", False, False, "offline"),
        ("offline", True, False, "offline"),
        ("disabled", True, None, "disabled"),
    ],
)
def test_runs_are_uploaded_where_there_is_an_account_and_nothing_against_it(monkeypatch, asked, account, offline, mode):
    monkeypatch.setenv("WANDB_MODE", asked)
    if account:
        monkeypatch.setenv("WANDB_API_KEY", KEY)
    wandb.teardown()
    assert choose_mode(offline) == mode


def test_accounts_are_found_where_the_client_finds_them(tmp_path):
    settings = wandb.Settings(base_url="https://wandb.example:8080")
    assert not account_exists(settings)
    (tmp_path / "netrc").write_text(f"machine other.example login user password {KEY}\n")
    assert not account_exists(settings)
    (tmp_path / "netrc").write_text(f"machine wandb.example:8080 login user password {KEY}\n")
    assert account_exists(settings)
    (tmp_path / "netrc").write_text("gibberish")
    assert not account_exists(settings)
    assert account_exists(wandb.Settings(api_key=KEY))


def test_nothing_waits_for_input(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setattr("sys.stdin", None)
    wandb.teardown()
    board = WeightsAndBiases(tmp_path)
    board.log_metrics({"lr": 1.0}, step=0)
    board.close()
    assert read_run(tmp_path).history["lr"] == [1.0]


def test_what_it_says_is_told_in_a_line():
    assert in_a_line(ValueError("1 error\n  mode: unknown\n")) == "1 error mode: unknown"
    assert in_a_line(ValueError()) == "ValueError"
    assert len(in_a_line(ValueError("x" * 1000))) < 210
