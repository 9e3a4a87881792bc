"""What a person meets who types `python run.py …`."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from avel.events import EventTable
from tests.end_to_end.conftest import ROOT
from tests.wandb_files import read_run


@pytest.fixture(scope="module")
def fitted(run_py, tiny, tmp_path_factory):
    """Run folder and terminal of an uninterrupted fit of 4 epochs."""
    folder = tmp_path_factory.mktemp("fit") / "run"
    done = run_py(*tiny, "trainer.max_epochs=4", "untrained=true", f"hydra.run.dir={folder}")
    assert done.returncode == 0, done.stderr
    return folder, done


def read_metrics(folder):
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def load(path):
    return torch.load(path, weights_only=True)


def assert_same(a, b):
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list | tuple):
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    else:
        assert a == b


def test_alone_it_lists_the_experiments(run_py_afresh):
    done = run_py_afresh()
    assert done.returncode == 0
    for path in (ROOT / "conf" / "experiment").glob("*.yaml"):
        assert [line for line in done.stdout.splitlines() if line.split()[:1] == [path.stem]]


def test_help_and_config_work_without_an_experiment(run_py):
    assert re.search(r"^experiment: .*\bccnet_unav100\b", run_py("--help").stdout, re.MULTILINE)
    assert "max_epochs" in run_py("experiment=unav_unav100", "--cfg", "job").stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["seed=1"], ["choose an experiment"]),
        (["experiment=ccnet_unav10"], ["ccnet_unav10", "Did you mean ccnet_unav100", "unav_unav100"]),
        (["experiment=ccnet_unav100", "method=ccnt"], ["method=ccnt", "Did you mean ccnet"]),
        (
            ["experiment=ccnet_unav100", "trainer.max_epoch=3"],
            ["trainer.max_epoch:", "Did you mean trainer.max_epochs"],
        ),
        (
            ["-m", "experiment=ccnet_unav100,unav_unav100", "trainer.max_epoch=3"],
            ["trainer.max_epoch:", "Did you mean trainer.max_epochs"],
        ),
        (["experiment=ccnet_unav100", "trainer.max_epochs=0"], ["trainer.max_epochs=0", "whole number"]),
        (["experiment=ccnet_unav100", "trainer.max_epochs=-5"], ["trainer.max_epochs=-5", "whole number"]),
        (["experiment=ccnet_unav100", "seed=x"], ["seed=x", "whole number"]),
        (["experiment=cmran_ave", "data=ave_weak"], ["data.supervision=weak", "_weak"]),
        (["experiment=uniav_unav100", "tasks=[desed]"], ["tasks=[…]", "experiment=uniav_multitask"]),
        (["experiment=uniav_multitask", "tasks=[]"], ["data.sets is empty", "choose tasks"]),
        (["experiment=ccnet_unav100", "trainr=gpu"], ["trainr", "Did you mean trainer"]),
        (["experiment=ccnet_unav100", "stage=tets"], ["stage=tets", "Did you mean test"]),
        (["experiment=ccnet_unav100", "seed=["], ["no viable alternative"]),
        (["experiment=ccnet_unav100", "report.videos=nowhere"], ["report.videos=nowhere", "no such folder"]),
        (["experiment=ccnet_unav100", "ckpt_path=nowhere.ckpt"], ["nowhere.ckpt", "no such file"]),
        (["experiment=ccnet_unav100", "ckpt_path=README.md"], ["README.md", "no checkpoint"]),
        (
            ["experiment=ccnet_unav100", "paths.data_dir=nowhere"],
            ["nowhere/unav100/annotations", "no such file", "Hugging Face", "make_synthetic.py"],
        ),
    ],
)
def test_mistakes_get_one_message_and_leave_nothing(run_py, tmp_path, arguments, expected):
    done = run_py(*arguments, f"paths.log_dir={tmp_path / 'logs'}")

    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("error: ") == 1
    assert "Traceback" not in done.stderr + done.stdout
    assert [part for part in expected if part not in done.stderr] == []
    assert {path.name for path in tmp_path.rglob("*")} <= {"logs"}


def test_what_a_constructor_refuses_is_one_line(run_py, tiny, tmp_path):
    done = run_py(*tiny, "method.pyramid.heads=3", f"hydra.run.dir={tmp_path / 'mine' / 'run'}")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "method.pyramid.heads=3: must divide" in done.stderr
    # of empty folders, only that of the run goes
    assert [path.name for path in tmp_path.rglob("*")] == ["mine"]


def test_run_folder_is_complete(fitted):
    folder, done = fitted
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {
        *("config.yaml", "metrics.csv", "results.json", "console.log", "predictions/test.json", "report.html"),
        *("checkpoints/best.ckpt", "checkpoints/last.ckpt"),
    }
    log = (folder / "console.log").read_text()
    for text in (log, done.stdout):
        assert "epoch   4/4" in text
        assert "most frequent everywhere" in text
        assert "Run folder" in text
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) < 60


def test_results_are_comparable(fitted):
    folder, _ = fitted
    results = json.loads((folder / "results.json").read_text())

    assert results["experiment"] == "ccnet_unav100"
    assert (results["method"], results["data"], results["features"]) == ("ccnet", "unav100", "one_peace")
    assert (results["size"], results["protocol"], results["seed"]) == ("narrow", "clean", 0)
    assert (results["split"], results["selection_split"]) == ("test", "validation")
    assert results["videos"] == {"evaluated": 5, "annotated": 5}
    assert results["tiou_grid"] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    per_tiou = [results["metrics"][f"test/map@{tiou:.2f}"] for tiou in results["tiou_grid"]]
    assert results["metrics"]["test/map"] == pytest.approx(sum(per_tiou) / 9)
    assert {"most frequent everywhere", "untrained"} == results["baselines"].keys()
    assert all(0 <= scores["map"] <= 1 for scores in results["baselines"].values())
    assert results["versions"].keys() >= {"python", "avel", "torch", "lightning"}
    assert {"git_commit", "ckpt_path"} <= results.keys()
    assert min(results[key] for key in ("seconds", "peak_memory_mib", "parameters")) > 0


def test_predictions_are_in_the_submission_format(fitted, data_dir):
    folder, _ = fitted
    document = json.loads((folder / "predictions" / "test.json").read_text())
    database = json.loads((data_dir / "unav100/annotations/unav100_annotations.json").read_text())["database"]

    assert document.keys() == {"version", "results", "external_data"}
    assert document["results"].keys() == {video for video, entry in database.items() if entry["subset"] == "test"}
    labels = {annotation["label"] for entry in database.values() for annotation in entry["annotations"]}
    for event in EventTable.from_activitynet(document):
        assert event.label in labels
        assert 0 <= event.start <= event.end <= database[event.video]["duration"]
        assert 0 <= event.score <= 1


def test_metrics_file_has_a_row_per_step(fitted):
    rows = read_metrics(fitted[0])
    assert [int(row["step"]) for row in rows] == sorted({int(row["step"]) for row in rows})
    assert sum(bool(row["val/map"]) for row in rows) == 4
    assert sum(bool(row["train/loss"]) for row in rows) == 12
    assert sum(bool(row["test/map"]) for row in rows) == 1


def test_checkpoint_opens_without_hydra_and_without_this_package(fitted):
    code = (
        "import sys\n"
        "for name in ('hydra', 'omegaconf', 'avel', 'lightning'): sys.modules[name] = None\n"
        "import torch\n"
        "for path in sys.argv[1:]:\n"
        "    checkpoint = torch.load(path, weights_only=True)\n"
        "    assert checkpoint['config']['method']['num_classes'] == 3\n"
        "    assert checkpoint['hyper_parameters']['num_classes'] == 3\n"
    )
    paths = [str(fitted[0] / "checkpoints" / name) for name in ("best.ckpt", "last.ckpt")]
    subprocess.run([sys.executable, "-c", code, *paths], check=True, cwd="/")


def test_a_checkpoint_gives_the_same_predictions_again(fitted, run_py, tiny, tmp_path):
    checkpoint = fitted[0] / "checkpoints" / "best.ckpt"
    done = run_py(*tiny, "stage=predict", f"ckpt_path={checkpoint}", f"hydra.run.dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    again, first = ((folder / "predictions" / "test.json").read_text() for folder in (tmp_path, fitted[0]))
    assert again == first


def test_validation_gives_the_score_that_the_checkpoint_was_chosen_for(fitted, run_py, tiny, tmp_path):
    checkpoint = fitted[0] / "checkpoints" / "best.ckpt"
    done = run_py(*tiny, "stage=validate", f"ckpt_path={checkpoint}", f"hydra.run.dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert (results["split"], results["selection_split"]) == ("validation", None)
    best = max(float(row["val/map"]) for row in read_metrics(fitted[0]) if row["val/map"])
    assert results["metrics"]["val/map"] == pytest.approx(best)


@pytest.mark.slow
def test_two_processes_get_the_numbers_of_one(fitted, run_py, tiny, tmp_path):
    checkpoint = fitted[0] / "checkpoints" / "best.ckpt"
    # 5 videos: the first process has two batches, the second one
    options = (*tiny, "stage=test", f"ckpt_path={checkpoint}", "data.loader.eval_batch_size=2")
    two = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
    for name, trainer in (("one", ()), ("two", two)):
        done = run_py(*options, *trainer, f"hydra.run.dir={tmp_path / name}")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.count("Run folder") == 1

    results = [json.loads((tmp_path / name / "results.json").read_text()) for name in ("one", "two")]
    assert results[0]["metrics"] == results[1]["metrics"]
    assert results[1]["videos"] == {"evaluated": 5, "annotated": 5}
    one, two = ({path.name for path in (tmp_path / name).rglob("*")} for name in ("one", "two"))
    assert one == two
    assert {path.name for path in tmp_path.iterdir()} == {"one", "two"}


def test_two_processes_train_together(run_py, tiny, tmp_path):
    options = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "data.loader.batch_size=2")
    done = run_py(*tiny, *options, "trainer.max_epochs=1", "untrained=true", f"hydra.run.dir={tmp_path}")
    assert (done.returncode, done.stderr) == (0, "")
    assert [int(row["step"]) for row in read_metrics(tmp_path) if row["train/loss"]] == [0, 1, 2]
    assert load(tmp_path / "checkpoints/last.ckpt")["global_step"] == 3
    assert json.loads((tmp_path / "results.json").read_text())["videos"] == {"evaluated": 5, "annotated": 5}


def test_without_checkpoints_the_last_weights_are_tested(run_py, tiny, tmp_path):
    options = ("~callbacks.best", "~callbacks.last", "trainer.max_epochs=1", "+trainer.limit_test_batches=1")
    done = run_py(*tiny, *options, "data.loader.eval_batch_size=2", f"hydra.run.dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.rglob("*.ckpt"))
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["ckpt_path"] is None
    assert results["videos"] == {"evaluated": 2, "annotated": 5}
    assert "No checkpoint was kept" in done.stdout
    assert "Only 2 of the 5 videos" in done.stdout
    assert "Predict:" not in done.stdout


def test_all_loggers_together(run_py, tiny, tmp_path):
    pytest.importorskip("wandb", reason="the optional package wandb is not installed")
    tensorboard = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    done = run_py(*tiny, "logger=many", "trainer=debug", f"hydra.run.dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert f"wandb sync {os.path.relpath(tmp_path, ROOT)}/wandb/offline-run-*" in done.stdout

    stored, shown = read_run(tmp_path), tensorboard.EventAccumulator(str(tmp_path / "tensorboard")).Reload().Tags()
    names = read_metrics(tmp_path)[0].keys() - {"step"}
    assert names >= {"epoch", "lr", "train/loss", "val/map", "val/map@0.50", "test/map"}
    assert stored.numbers().keys() - {"trainer/global_step", "_step", "_runtime", "_timestamp"} == names
    assert set(shown["scalars"]) == names

    tables = {f"{split}/{table}" for split in ("val", "test") for table in ("ap_per_class", "map_per_tiou")}
    tables |= {"test/false_positives", "test/missed_events"}
    assert {name.removesuffix("_table") for name in stored.of_kind("table-file")} == tables
    assert {name.removesuffix("/text_summary") for name in shown["tensors"]} >= tables | {"config"}
    pictures = stored.of_kind("image-file").keys()
    assert {name.rpartition("/")[0] for name in pictures} == {"timelines/val", "timelines/test", "test"}
    assert set(shown["images"]) == pictures
    assert stored.of_kind("html-file").keys() == {"report"}

    results = json.loads((tmp_path / "results.json").read_text())
    assert {key: stored.config[key] for key in ("git_commit", "versions", "seed")} == {
        key: results[key] for key in ("git_commit", "versions", "seed")
    }
    assert stored.config["method"]["head"]["dim"] == 16
    files = {"config.yaml", "results.json", "metrics.csv", "report.html", "predictions/test.json"}
    assert stored.artifacts["report"].keys() == files
    assert stored.run.run_group == "ccnet_unav100"
    assert load(tmp_path / "checkpoints" / "last.ckpt")["dashboards"]["WeightsAndBiases"] == stored.run.run_id
    assert stored.finished


def test_a_checkpoint_of_another_size_is_explained(fitted, run_py, tiny, tmp_path):
    checkpoint = fitted[0] / "checkpoints" / "best.ckpt"
    options = ("stage=test", "method.head.dim=32", f"ckpt_path={checkpoint}", f"hydra.run.dir={tmp_path}")
    done = run_py(*tiny, *options)
    assert done.returncode == 2
    assert "weights of another method, size or data set" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_killed_run_resumes_to_the_same_weights(fitted, run_py, tiny, tmp_path):
    options = (*tiny, "trainer.max_epochs=4")
    killed = run_py(
        *options,
        f"hydra.run.dir={tmp_path / 'killed'}",
        "callbacks.last.every_n_train_steps=7",  # in the middle of the third epoch
        "+callbacks.kill._target_=tests.end_to_end.kill.KillAtStep",
        "+callbacks.kill.step=8",
    )
    assert killed.returncode == -signal.SIGKILL
    checkpoint = tmp_path / "killed" / "checkpoints" / "last.ckpt"
    assert load(checkpoint)["global_step"] == 7

    resumed = run_py(*options, f"ckpt_path={checkpoint}", f"hydra.run.dir={tmp_path / 'resumed'}")

    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stderr == ""
    whole, continued = (load(folder / "checkpoints/last.ckpt") for folder in (fitted[0], tmp_path / "resumed"))
    for key in ("state_dict", "current_model_state", "averaging_state", "optimizer_states", "lr_schedulers"):
        assert_same(whole[key], continued[key])
    assert_same(
        load(fitted[0] / "checkpoints/best.ckpt")["state_dict"],
        load(tmp_path / "resumed/checkpoints/best.ckpt")["state_dict"],
    )
    assert read_metrics(tmp_path / "resumed") == read_metrics(fitted[0])
    results = [json.loads((folder / "results.json").read_text()) for folder in (fitted[0], tmp_path / "resumed")]
    tested = [{k: v for k, v in result["metrics"].items() if k.startswith("test/")} for result in results]
    assert tested[0] == tested[1]
    assert "test/map" in tested[0]


@pytest.mark.slow
def test_sweep_gives_every_job_its_folder(run_py, tiny, tmp_path):
    done = run_py("-m", *tiny, "trainer=debug", "seed=1,2", f"paths.log_dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    folders = sorted(Path(tmp_path).glob("ccnet_unav100/*"))
    assert [json.loads((folder / "results.json").read_text())["seed"] for folder in folders] == [1, 2]
    for folder in folders:
        assert sum(bool(row["val/map"]) for row in read_metrics(folder)) == 1
        assert (folder / "checkpoints" / "best.ckpt").is_file()


def test_a_sweep_over_several_processes_is_refused(run_py, tiny, tmp_path):
    options = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "seed=1,2", f"paths.log_dir={tmp_path}")
    done = run_py("-m", *tiny, *options)
    assert done.returncode == 1
    assert "one by one: torchrun --nproc-per-node=2" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_says_how_to_go_on_and_fewer_epochs_are_refused(run_py, tiny, tmp_path):
    stopped = run_py(
        *tiny,
        f"hydra.run.dir={tmp_path / 'run'}",
        "+callbacks.kill._target_=tests.end_to_end.kill.InterruptAtStep",
        "+callbacks.kill.step=8",  # in the third epoch
    )
    assert stopped.returncode == 130
    assert "Traceback" not in stopped.stdout + stopped.stderr
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    assert re.search(r"Stopped: go on with the same command and ckpt_path=\S+last\.ckpt", stopped.stdout)
    assert load(last)["global_step"] == 6

    refused = run_py(*tiny, "trainer.max_epochs=1", f"ckpt_path={last}", f"hydra.run.dir={tmp_path / 'again'}")
    assert refused.returncode == 2
    assert f"ckpt_path={last}: is of epoch 2, beyond trainer.max_epochs=1" in refused.stderr
    assert not (tmp_path / "again").exists()


def test_what_is_no_checkpoint_is_refused(run_py, tiny, tmp_path):
    (tmp_path / "text.ckpt").write_text("hello\n")
    for path, complaint in ((tmp_path, "is a folder"), (tmp_path / "text.ckpt", "this is no checkpoint of a run")):
        done = run_py(*tiny, "stage=test", f"ckpt_path={path}", f"hydra.run.dir={tmp_path / 'run'}")
        assert done.returncode == 2
        assert f"ckpt_path={path}: {complaint}" in done.stderr


def test_damaged_features_leave_no_run_folder(run_py, tiny, data_dir, tmp_path):
    done = run_py(*tiny, "data.visual_dim=7", f"hydra.run.dir={tmp_path / 'run'}")
    assert done.returncode == 2
    assert "set data.visual_dim=6" in done.stderr
    assert not (tmp_path / "run").exists()
