"""Files of strangers that would run code, through the commands that people give: none runs."""

import io
import os
import shutil
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch

from tests.clips import write_clips
from tests.end_to_end.conftest import environment
from tests.faults.trap import SECRET, Trap, texts
from tests.forked import ROOT
from tests.synthetic import TINY, write_tiny, write_tiny_ave, write_tiny_custom
from tests.unit.checkpoints import hostile
from tests.unit.tasks.test_run_report import write_run

pytestmark = pytest.mark.slow

LAYOUTS = ("archive", "stream", "first pickle", "tar")


@pytest.fixture
def trap(tmp_path_factory):
    return Trap(tmp_path_factory.mktemp("trap"))


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("filmed")
    write_clips(folder, 1)
    return folder / "videos"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Features and annotations of one's own, UnAV-100 and AVE."""
    folder = tmp_path_factory.mktemp("made")
    write_tiny(folder)
    write_tiny_ave(folder)
    write_tiny_custom(folder / "own")
    return folder


@pytest.fixture
def command(python):
    """Runs a script; it must end with a message, not with a traceback."""

    def run(script, *arguments, **variables):
        ended = python.run(script, *arguments, environment=environment() | variables)
        assert ended.returncode in (0, 1, 2), ended.stderr
        assert "Traceback" not in ended.stderr
        return ended

    return run


def evil_weights(trap, path, layout):
    """A file that runs a command when it is unpickled; also where a checkpoint's keys make it look like one."""
    call = hostile.Call(os.system, (trap.command,))
    weights = OrderedDict(weight=torch.zeros(2))
    content = {"state_dict": weights, "hyper_parameters": {"dim": call}, "epoch": 0, "loops": call}
    content |= {"pytorch-lightning_version": "2.6.1"}
    hostile.write(path, call if layout == "first pickle" else content, layout)
    return path


DOORS = {
    "test": ("run.py", "experiment=ccnet_unav100", *TINY, "{data}", "stage=test", "ckpt_path={file}", "{logs}"),
    "fit": ("run.py", "experiment=ccnet_unav100", *TINY, "{data}", "ckpt_path={file}", "{logs}"),
    "start_from": ("run.py", "experiment=dmrn_ave", "{data}", "method.start_from={file}", "{logs}"),
    "prompts": ("run.py", "experiment=uniav_unav100", "{data}", "method.tasks.unav100.prompts={file}", "{logs}"),
    "localize": ("scripts/localize.py", "{videos}", "--checkpoint", "{file}", "--out", "{out}"),
    "convert": ("scripts/convert_checkpoint.py", "{file}", "{out}"),
    "encoder": (
        *("scripts/extract_features.py", "{videos}", "{out}", "encoder=vgg19_vggish", "encoder/audio=spectral"),
        *("encoder.audio.window=1.0", "encoder.audio.hop=1.0", "encoder.visual.weights={file}"),
    ),
}
"""Commands that open weights; `{file}` is the hostile one."""

ENDINGS = {"prompts": ("npy",), "encoder": ("pt", "bin", "pth")}


@pytest.mark.parametrize("door", DOORS)
def test_weights_run_nothing(door, trap, command, made, filmed, tmp_path, told):
    places = {"videos": filmed, "out": tmp_path / "out", "logs": f"paths.log_dir={tmp_path / 'logs'}"}
    places["data"] = f"paths.data_dir={made}"
    for number, layout in enumerate(LAYOUTS):
        endings = ENDINGS.get(door, ("ckpt",))
        path = evil_weights(trap, tmp_path / f"{number}.{endings[number % len(endings)]}", layout)
        ended = command(*(word.format(file=path, **places) for word in DOORS[door]))
        assert ended.returncode == 2 or door == "encoder"
        assert path.name in ended.stdout + ended.stderr
        trap.assert_untouched(ended.stdout, ended.stderr)
    told(f"weights that run a command, given to {door}", f"{len(LAYOUTS)} layouts refused, nothing ran")


def test_a_run_that_goes_on_runs_nothing(trap, command, made, tmp_path, told):
    folder = tmp_path / "logs" / "run"
    (folder / "checkpoints").mkdir(parents=True)
    for name, layout in (("last.ckpt", "archive"), ("best.ckpt", "stream")):
        evil_weights(trap, folder / "checkpoints" / name, layout)
    ended = command(
        *("run.py", "experiment=ccnet_unav100", *TINY, f"paths.data_dir={made}", f"paths.log_dir={tmp_path / 'logs'}"),
        *("resume=auto", f"hydra.run.dir={folder}", "trainer.max_epochs=1", "+trainer.limit_train_batches=1"),
    )
    trap.assert_untouched(ended.stdout, ended.stderr)
    told("last.ckpt and best.ckpt that run a command, resume=auto", "nothing ran")


def evil_array(trap):
    return np.array([hostile.Call(os.system, (trap.command,))], dtype=object)


def test_arrays_run_nothing(trap, command, made, filmed, tmp_path, told):
    own = shutil.copytree(made / "own", tmp_path / "own")
    for path in (own / "features").glob("*.npy"):
        np.save(path, evil_array(trap), allow_pickle=True)
    np.savez(tmp_path / "weights.npz", evil_array(trap))
    np.save(tmp_path / "prompts.npy", evil_array(trap), allow_pickle=True)
    (tmp_path / "prompts.json").write_text('{"classes": ["a"]}')
    given = f"data.annotations={own / 'annotations.csv'}", f"data.feature_dir={own / 'features'}"
    logs = f"paths.log_dir={tmp_path / 'logs'}"
    places = {"videos": filmed, "out": tmp_path / "out", "file": tmp_path / "weights.npz"}
    ends = [
        command("run.py", "experiment=ccnet_custom", *TINY, *given, logs),
        command("scripts/check_dataset.py", "--annotations", own / "annotations.csv", "--features", own / "features"),
        command("scripts/pack_features.py", own / "features", tmp_path / "packed.h5"),
        command(*(word.format(**places) for word in DOORS["encoder"])),
        command(
            *("run.py", "experiment=uniav_unav100", f"paths.data_dir={made}", logs),
            f"method.tasks.unav100.prompts={tmp_path / 'prompts.npy'}",
        ),
    ]
    assert all(ended.returncode for ended in ends)
    trap.assert_untouched(*(ended.stdout + ended.stderr for ended in ends))
    assert not (tmp_path / "packed.h5").exists()
    told("arrays of objects (.npy, .npz) as features, prompts and weights", "refused by five commands, nothing ran")


CONFIGS = {
    "a tag": "data: !!python/object/apply:os.system ['{command}']\n",
    "a tag that makes a module": "data: !!python/module:os\nx: !!python/name:os.system\n",
    "a call": "data: {{_target_: os.system, command: '{command}'}}\n",
    "a call through what we import": "data: {{_target_: avel.data.h5.h5py.File, name: '{ran}', mode: w}}\n",
    "a call in an argument": (
        "data: {{_target_: avel.data.unav100.UnAV100, root: r,"
        ' loader: {{_target_: builtins.exec, _args_: [\'open("{ran}", "w")\']}}}}\n'
    ),
    "a call behind an alias": "x: &x {{_target_: os.system, command: '{command}'}}\ndata: *x\n",
    "a secret": (
        "data: {{_target_: avel.data.unav100.UnAV100, root: '${{oc.env:AVEL_SECRET}}',"
        " class_names: ['${{oc.env:AVEL_SECRET}}']}}\n"
    ),
    "a secret in disguise": 'data: {{_target_: avel.data.unav100.UnAV100, root: "\\x24\\x7boc.env:AVEL_SECRET}}"}}\n',
    "a call that is looked up": 'x: os.system\ndata: {{_target_: "${{x}}", command: "{command}"}}\n',
    "a bomb": "a: &a [1,1,1,1,1,1,1,1,1]\n"
    + "".join(
        f"{two}: &{two} [{','.join([f'*{one}'] * 9)}]\n" for one, two in zip("abcdefghij", "bcdefghijk", strict=True)
    ),
    "depth": "data: " + "[" * 20_000,
}
"""Contents of a `config.yaml` in the run folder of others."""


@pytest.mark.parametrize("name", CONFIGS)
def test_what_a_run_folder_says_runs_nothing(name, trap, command, made, tmp_path, told):
    run, other = tmp_path / "logs" / "run", tmp_path / "logs" / "other"
    write_run(run, metrics={"test/map": 0.5})
    write_run(other, metrics={"test/map": 0.4}, overrides=["experiment=unav_unav100"])
    for folder in (run, other):
        (folder / "config.yaml").write_text(CONFIGS[name].format(command=trap.command, ran=trap.ran))
    (run / "checkpoints").mkdir()
    secret = {"AVEL_SECRET": SECRET}
    ends = [
        command("scripts/report.py", run, "--out", tmp_path / "report.html", **secret),
        command("scripts/draw_timeline.py", run, "--out", tmp_path / "timeline.svg", **secret),
        command("scripts/compare_runs.py", run, other, "--out", tmp_path / "compared", **secret),
        command(
            *("run.py", "experiment=ccnet_unav100", *TINY, f"paths.data_dir={made}", "resume=auto"),
            f"hydra.run.dir={run}",
            **secret,
        ),
    ]
    assert [ended.returncode for ended in ends] == [2, 2, 0, 2]
    assert "No confidence interval" in ends[2].stdout
    trap.assert_untouched(*texts(tmp_path), *(ended.stdout + ended.stderr for ended in ends))
    told(f"{name} in the config.yaml of a run folder", "report, timeline, comparison and resuming ran and told nothing")


def test_modules_beside_a_user_are_not_imported(trap, command, tmp_path, told):
    """In the folder that a command is given in, files of others may be called like packages."""
    for name in ("sentencepiece", "tiktoken", "timm", "torch_xla", "apex", "flash_attn", "sitecustomize", "yaml"):
        (tmp_path / f"{name}.py").write_text(f"open({str(trap.ran)!r}, 'w')")
    scripts = sorted((ROOT / "scripts").glob("*.py"))
    for script in scripts:
        command(script, "--help", PYTHONPATH="")
    out = tmp_path / "prompts.npy"
    command(ROOT / "scripts/make_prompts.py", out, "--encoder", tmp_path, "--classes", "a", PYTHONPATH="")
    trap.assert_untouched()
    told("modules of others in the folder of the user", f"none was imported by {len(scripts)} commands")


def test_a_model_of_others_runs_nothing(trap, command, filmed, tmp_path, told):
    """Folders of `transformers` may bring code of their own, and pickles."""
    model = tmp_path / "model"
    model.mkdir()
    automatic = (
        '"auto_map": {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil", "AutoTokenizer": ["evil.Evil", null]}'
    )
    (model / "config.json").write_text('{"model_type": "clip", "architectures": ["Evil"], ' + automatic + "}")
    (model / "tokenizer_config.json").write_text('{"tokenizer_class": "Evil", ' + automatic + "}")
    (model / "preprocessor_config.json").write_text("{}")
    (model / "evil.py").write_text(f"open({str(trap.ran)!r}, 'w')\nclass Evil: pass")
    evil_weights(trap, model / "pytorch_model.bin", "archive")
    visual = "encoder/visual=clip", f"encoder.visual.weights={model}", "encoder.visual.window=0.5"
    ended = command("scripts/extract_features.py", filmed, tmp_path / "out", *visual, "encoder.visual.hop=0.25")
    assert ended.returncode
    ended = command("scripts/make_prompts.py", tmp_path / "p.npy", "--encoder", model, "--classes", "a")
    assert ended.returncode
    trap.assert_untouched()
    told("a model with code and a pickle of its own", "neither was run")


def test_small_files_do_not_fill_the_memory(command, made, filmed, tmp_path, told):
    """A megabyte that would be unpacked to a gigabyte; a hundred times as many are as easily made."""
    zeros = bytes(2**24)
    for name in ("weights.npz", "weights.pt", "weights.ckpt"):
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            with archive.open("archive/data.pkl", "w", force_zip64=True) as entry:
                torch_pickle = io.BytesIO()
                torch.save({"a": torch.zeros(1)}, torch_pickle)
                entry.write(zipfile.ZipFile(torch_pickle).read("archive/data.pkl"))
            with archive.open("archive/data/0", "w", force_zip64=True) as entry:
                for _ in range(64):
                    entry.write(zeros)
    places = {"videos": filmed, "out": tmp_path / "out", "data": f"paths.data_dir={made}"}
    places["logs"] = f"paths.log_dir={tmp_path / 'logs'}"
    for door, name in (("encoder", "weights.npz"), ("encoder", "weights.pt"), ("test", "weights.ckpt")):
        ended = command(*(word.format(file=tmp_path / name, **places) for word in DOORS[door]))
        assert ended.returncode
    told("archives that grow a thousandfold, as weights", "refused before they were unpacked")
