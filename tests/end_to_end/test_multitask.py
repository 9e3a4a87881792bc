"""What a person meets who trains one model on several data sets."""

import csv
import json
import signal
from itertools import pairwise

import pytest
import torch
from scripts.draw_timeline import draw

from avel.errors import UserError
from avel.events import EventTable
from tests.synthetic import write_tiny, write_tiny_dense

TASKS = ("unav100", "desed")


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    """Overrides of a run of seconds: an epoch has 4 rounds, so 8 steps."""
    folder = write_tiny(tmp_path_factory.mktemp("data"))
    write_tiny_dense(folder, "desed", features="one_peace")
    sizes = (
        (f"data.sets.{task}.max_length=64", f"data.sets.{task}.loader.{size}")
        for task in TASKS
        for size in ("batch_size=4", "eval_batch_size=4")
    )
    return (
        *("experiment=uniav_multitask", f"tasks=[{','.join(TASKS)}]", "size=narrow", f"paths.data_dir={folder}"),
        *("method.pyramid.dim=16", "method.head.dim=16", "trainer.log_every_n_steps=1"),
        *dict.fromkeys(override for of_size in sizes for override in of_size),
    )


@pytest.fixture(scope="module")
def fitted(run_py, options, tmp_path_factory):
    """Run folder and terminal of an uninterrupted fit of 2 epochs."""
    folder = tmp_path_factory.mktemp("fit") / "run"
    done = run_py(*options, "trainer.max_epochs=2", "untrained=true", f"hydra.run.dir={folder}")
    assert (done.returncode, done.stderr) == (0, "")
    return folder, done


def read_metrics(folder):
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_run_folder_has_predictions_by_task(fitted):
    folder, done = fitted
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {
        *("config.yaml", "metrics.csv", "results.json", "console.log", "report.html"),
        *("checkpoints/best.ckpt", "checkpoints/last.ckpt"),
        *(f"predictions/{task}/test.json" for task in TASKS),
    }
    for text in ((folder / "console.log").read_text(), done.stdout):
        for part in ("on unav100, desed:", "epoch   2/2", "mean", "most frequent everywhere", "desed: AP"):
            assert part in text
    assert len(done.stdout.splitlines()) < 60


def test_results_tell_the_tasks_apart(fitted):
    results = json.loads((fitted[0] / "results.json").read_text())
    metrics = results["metrics"]
    assert list(results["tasks"]) == list(TASKS)
    assert not {"tiou_grid", "videos", "features", "modality"} & results.keys()
    for task, about in results["tasks"].items():
        assert about["features"] == "one_peace"
        assert about["videos"]["evaluated"] == about["videos"]["annotated"] > 0
        per_tiou = [metrics[f"test/{task}/map@{tiou:.2f}"] for tiou in about["tiou_grid"]]
        assert metrics[f"test/{task}/map"] == pytest.approx(sum(per_tiou) / len(per_tiou))
        assert results["baselines"][task].keys() == {"most frequent everywhere", "untrained"}
        assert metrics[f"baseline/{task}/most_frequent_everywhere/map"] > 0
    assert metrics["test/map"] == pytest.approx(sum(metrics[f"test/{task}/map"] for task in TASKS) / 2)


def test_metrics_file_has_a_row_per_step_and_the_newest_losses_of_all_tasks(fitted):
    rows = read_metrics(fitted[0])
    assert "train/loss" not in rows[0]
    trained = [row for row in rows if row["lr"]]
    assert len(trained) == 2 * 8
    for before, after in pairwise(trained):
        keys = {task: f"train/{task}/loss" for task in TASKS}
        changed = [task for task, key in keys.items() if after[key] and after[key] != before[key]]
        assert changed == [TASKS[trained.index(after) % 2]]
    for task in TASKS:
        assert sum(bool(row[f"val/{task}/map"]) for row in rows) == 2
    assert sum(bool(row["val/map"]) for row in rows) == 2


def test_predictions_are_about_the_videos_of_their_task(fitted):
    tables = {task: EventTable.read_json(fitted[0] / "predictions" / task / "test.json") for task in TASKS}
    evaluated = json.loads((fitted[0] / "results.json").read_text())["tasks"]
    for task, table in tables.items():
        assert len(table.videos) == evaluated[task]["videos"]["annotated"]


def test_a_timeline_is_of_one_task(fitted, tmp_path):
    for task, message in ((None, "choose one by --task unav100 or desed"), ("ours", "has unav100, desed")):
        with pytest.raises(UserError, match=message):
            draw(fitted[0], task, "test", None, 0.1)
    assert "<svg" in draw(fitted[0], "desed", "test", None, 0.0)


def test_a_run_folder_of_others_calls_no_other_code(tmp_path):
    crop = {"_target_": "os.system", "command": "true"}
    data = {"_target_": "avel.data.unav100.UnAV100", "root": "x", "crop": crop}
    (tmp_path / "config.yaml").write_text(json.dumps({"data": data}))
    with pytest.raises(UserError, match=r"no class of avel\.data"):
        draw(tmp_path, None, "test", None, 0.1)


@pytest.mark.slow
def test_validation_gives_the_mean_that_the_checkpoint_was_chosen_for(fitted, run_py, options, tmp_path):
    checkpoint = fitted[0] / "checkpoints" / "best.ckpt"
    done = run_py(*options, "stage=validate", f"ckpt_path={checkpoint}", f"hydra.run.dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    best = max(float(row["val/map"]) for row in read_metrics(fitted[0]) if row["val/map"])
    assert results["metrics"]["val/map"] == pytest.approx(best)
    assert results["baselines"] == {}


@pytest.mark.slow
def test_a_checkpoint_gives_the_same_predictions_again_on_two_processes(fitted, run_py, options, tmp_path):
    checkpoint = fitted[0] / "checkpoints" / "best.ckpt"
    two = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
    again = (*options, f"ckpt_path={checkpoint}")
    for name, extra in (("one", ("stage=predict",)), ("two", ("stage=test", *two))):
        done = run_py(*again, *extra, f"hydra.run.dir={tmp_path / name}")
        assert (done.returncode, done.stderr) == (0, "")
    folders = (tmp_path / "one", tmp_path / "two", fitted[0])
    for task in TASKS:
        one, two, first = ((folder / "predictions" / task / "test.json").read_text() for folder in folders)
        assert one == two == first
    results = [json.loads((folder / "results.json").read_text()) for folder in (fitted[0], tmp_path / "two")]
    tested = [{name: value for name, value in r["metrics"].items() if name.startswith("test/")} for r in results]
    assert tested[0] == tested[1]
    assert results[0]["tasks"] == results[1]["tasks"]


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_weights(fitted, run_py, options, tmp_path):
    killed = run_py(
        *(*options, "trainer.max_epochs=2", f"hydra.run.dir={tmp_path / 'killed'}"),
        "callbacks.last.every_n_train_steps=11",  # in the middle of a round of the second epoch
        "+callbacks.kill._target_=tests.end_to_end.kill.KillAtStep",
        "+callbacks.kill.step=13",
    )
    assert killed.returncode == -signal.SIGKILL
    checkpoint = tmp_path / "killed" / "checkpoints" / "last.ckpt"
    assert torch.load(checkpoint, weights_only=True)["global_step"] == 11
    resumed = run_py(
        *(*options, "trainer.max_epochs=2", f"ckpt_path={checkpoint}", f"hydra.run.dir={tmp_path / 'resumed'}")
    )
    assert (resumed.returncode, resumed.stderr) == (0, "")
    rows = [read_metrics(folder) for folder in (tmp_path / "resumed", fitted[0])]
    assert rows[0] == rows[1]
    whole, continued = (
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
        for folder in (fitted[0], tmp_path / "resumed")
    )
    for part in ("state_dict", "current_model_state", "callbacks"):
        assert whole[part].keys() == continued[part].keys()
    for part in ("state_dict", "current_model_state"):
        assert all(torch.equal(value, continued[part][name]) for name, value in whole[part].items())
    assert whole["callbacks"]["StopAndGo"] == continued["callbacks"]["StopAndGo"]
