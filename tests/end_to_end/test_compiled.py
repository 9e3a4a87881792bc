"""`method.compile=true` from the command line: the checkpoint of a compiled training is one like others."""

import json
import shutil

import pytest

from tests.synthetic import write_tiny_ave


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("c++"), reason="there is no C++ compiler")
def test_the_checkpoint_of_a_compiled_training_is_tested_uncompiled(run_py, tmp_path):
    data = f"paths.data_dir={write_tiny_ave(tmp_path / 'data')}"
    options = ("experiment=avdln_ave", "size=narrow", "data.loader.batch_size=4", data)
    trained, tested = tmp_path / "trained", tmp_path / "tested"
    done = run_py(*options, "method.compile=true", "trainer.max_epochs=2", f"hydra.run.dir={trained}")
    assert done.returncode == 0, done.stderr
    checkpoint = trained / "checkpoints" / "best.ckpt"
    done = run_py(*options, "stage=test", f"ckpt_path={checkpoint}", f"hydra.run.dir={tested}")
    assert done.returncode == 0, done.stderr
    numbers = [json.loads((folder / "results.json").read_text())["metrics"] for folder in (trained, tested)]
    assert {name: value for name, value in numbers[0].items() if name.startswith("test/")} == {
        name: value for name, value in numbers[1].items() if name.startswith("test/")
    }


def test_a_precision_that_the_device_does_not_have_is_refused(run_py, tiny, tmp_path):
    done = run_py(*tiny, "trainer.precision=16-mixed", f"hydra.run.dir={tmp_path / 'run'}")
    assert done.returncode == 2
    assert done.stderr.startswith("error: trainer.precision=16-mixed: needs a GPU")
    assert not (tmp_path / "run").exists()
