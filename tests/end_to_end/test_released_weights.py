"""Released weights in the place of a checkpoint: by run.py, and by way of scripts/convert_checkpoint.py."""

import json
import os
import runpy
import sys

import pytest
import torch

from avel.checkpoints.official import rename
from avel.methods.av_att import AVAtt
from tests.forked import ROOT
from tests.reference.authors import CLASSES, write_module
from tests.reference.loader import find_cases
from tests.reference.test_segment import RELEASED
from tests.synthetic import write_tiny_ave
from tests.unit.checkpoints import hostile

SCRIPT = str(ROOT / "scripts" / "convert_checkpoint.py")
ON_CPU = ("data.loader.num_workers=0", "protocol=published", "callbacks.pictures=null")


@pytest.fixture
def av_att(tmp_path):
    """A whole module as AV-att's authors saved it, for tiny data."""
    torch.manual_seed(0)
    ours = AVAtt(num_classes=3, visual_dim=6, audio_dim=4).state_dict()
    names = find_cases(kind="segment", methods=("AV_att",))[0].weights
    weights = {name: ours[rename(name, RELEASED["AV_att"].table)] for name in names}
    write_module(tmp_path / "AV_att.pt", weights, CLASSES["AV_att"], legacy=True)
    return tmp_path / "AV_att.pt"


@pytest.mark.slow
def test_released_weights_are_tested_directly_and_converted(run_py, python, av_att, tmp_path):
    options = (f"paths.data_dir={write_tiny_ave(tmp_path / 'data')}", *ON_CPU)
    checkpoint, results = tmp_path / "av_att.ckpt", []
    converted = python.run(SCRIPT, str(av_att), str(checkpoint))
    assert converted.returncode == 0, converted.stderr
    assert converted.stdout.startswith("AVAtt, whole module att_Net\n")
    assert "not told by the weights, so as published (--set KEY=VALUE): supervision=full" in converted.stdout
    for number, file in enumerate((av_att, checkpoint)):
        folder = tmp_path / f"run{number}"
        done = run_py("experiment=av_att_ave", *options, "stage=test", f"ckpt_path={file}", f"hydra.run.dir={folder}")
        assert done.returncode == 0, done.stderr
        assert "Released weights of AVAtt: AV_att.pt (whole module att_Net)" in done.stdout + done.stderr
        results.append(json.loads((folder / "results.json").read_text())["metrics"])
    assert results[0] == results[1]

    done = run_py("experiment=av_att_ave", *options, f"ckpt_path={av_att}", f"hydra.run.dir={tmp_path / 'fit'}")
    assert done.returncode == 2
    assert "holds weights alone" in done.stderr
    begun = (f"method.start_from={av_att}", "trainer.max_epochs=1", "data.loader.batch_size=4")
    done = run_py("experiment=dmrn_ave", *options, *begun, f"hydra.run.dir={tmp_path / 'dmrn'}")
    assert done.returncode == 0, done.stderr


def test_the_script_refuses_in_one_line(av_att, tmp_path, monkeypatch, capsys):
    hostile.write(tmp_path / "bad.pt", hostile.calls(tmp_path / "trace")["posix.system"], "archive")
    (tmp_path / "there.ckpt").write_text("of others")
    for words, complaint in (
        ((tmp_path / "bad.pt", tmp_path / "new.ckpt"), "names posix.system"),
        ((av_att, tmp_path / "there.ckpt"), "there.ckpt: is there already; --force replaces it"),
        ((av_att, tmp_path / "new.ckpt", "--method", "dmrn"), "taken for DMRN with num_classes=3"),
        ((av_att, tmp_path / "new.ckpt", "--set", "heads"), "is not KEY=VALUE"),
    ):
        monkeypatch.setattr(sys, "argv", [SCRIPT, *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            runpy.run_path(SCRIPT, run_name="__main__")
        assert stopped.value.code == 2
        assert complaint in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == ["AV_att.pt", "bad.pt", "there.ckpt"]
    assert (tmp_path / "there.ckpt").read_text() == "of others"


def test_the_script_replaces_on_demand(av_att, tmp_path, monkeypatch, capsys):
    out = tmp_path / "there.ckpt"
    out.write_text("of before")
    monkeypatch.setattr(sys, "argv", [SCRIPT, str(av_att), str(out), "--force", "--set", "supervision=weak"])
    runpy.run_path(SCRIPT, run_name="__main__")
    told = capsys.readouterr().out
    assert "as given: supervision=weak" in told
    assert told.endswith(f"wrote {out}\n")
    assert torch.load(out, weights_only=True)["hyper_parameters"]["supervision"] == "weak"
