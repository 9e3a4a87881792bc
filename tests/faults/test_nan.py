"""A loss or gradient that is NaN: the run ends at that step, says where it began, and goes on from before it."""

import json
import shutil
from functools import cache

import pytest
import torch

from tests.end_to_end.test_run import assert_same
from tests.faults.test_determinism import TRAINED, assert_same_rows
from tests.synthetic import TINY

pytestmark = pytest.mark.slow

TWO = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "data.loader.batch_size=2")
CCNET = ("experiment=ccnet_unav100", *TINY)
UNIAV = (
    *("experiment=uniav_multitask", "tasks=[unav100,desed]", "size=narrow", "method.pyramid.dim=16"),
    *("method.head.dim=16", "data.sets.unav100.max_length=64", "data.sets.desed.max_length=64"),
    *("data.sets.unav100.loader.batch_size=4", "data.sets.desed.loader.batch_size=4"),
)
PSP = ("experiment=psp_ave", "size=narrow", "data.loader.batch_size=8")
AVDLN = ("experiment=avdln_ave", "size=narrow", "data.loader.batch_size=8")
CASES = {
    "a head of CCNet": (CCNET, "SpoilOutput", "classify.out.conv", ()),
    "a gradient of CCNet": (CCNET, "SpoilGradient", "classify.out.conv", ()),
    "CCNet in bfloat16": (CCNET, "SpoilOutput", "regress.out.conv", ("trainer.precision=bf16-mixed",)),
    "CCNet, gradients accumulated": (CCNET, "SpoilOutput", "regress.out.conv", ("+trainer.accumulate_grad_batches=2",)),
    "one of two tasks of UniAV": (UNIAV, "SpoilOutput", "classify.visual.conv", ()),
    "PSP": (PSP, "SpoilOutput", "propagate.visual_key.0", ()),
    "one of two processes": (CCNET, "SpoilOutput", "classify.out.conv", (*TWO, "+callbacks.spoil.rank=1")),
    "a gradient of one of two processes": (
        *(CCNET, "SpoilGradient", "classify.out.conv"),
        (*TWO, "+callbacks.spoil.rank=1"),
    ),
    "AVDLN, compiled": (AVDLN, "SpoilOutput", "audio.0", ("method.compile=true",)),
}
STEP = 4


@pytest.fixture(scope="module")
def undisturbed(run_py, tmp_path_factory):
    """Gives the folder of a run to which nothing happens."""

    @cache
    def run(*options):
        folder = tmp_path_factory.mktemp("undisturbed")
        done = run_py(*options, f"hydra.run.dir={folder}")
        assert done.returncode == 0, done.stderr
        return folder

    return run


@pytest.mark.parametrize("case", CASES)
def test_a_run_stops_before_it_and_goes_on_as_if_nothing_had_been(run_py, undisturbed, data_dir, tmp_path, told, case):
    method, fault, module, extra = CASES[case]
    if "method.compile=true" in extra and not shutil.which("c++"):
        pytest.skip("there is no C++ compiler")
    spoil = (f"+callbacks.spoil._target_=tests.faults.spoiling.{fault}", f"+callbacks.spoil.module={module}")
    options = (*method, "trainer.max_epochs=3", f"paths.data_dir={data_dir}", "trainer.log_every_n_steps=1")
    others = [option for option in extra if "spoil" not in option]
    folder, again = tmp_path / "stopped", tmp_path / "again"

    done = run_py(*options, *extra, *spoil, f"+callbacks.spoil.step={STEP}", f"hydra.run.dir={folder}")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr, done.stderr
    said = next(line for line in done.stderr.splitlines() if line.startswith("error: "))
    what = "gradient" if fault == "SpoilGradient" else "loss"
    assert said.startswith(f"error: the {what} is NaN or infinite at step {STEP} (epoch ")
    first = "SqrtBackward0" if what == "gradient" else f"the output of {module} ("
    assert first in said
    assert ("(rank 1)" in said) == (TWO[0] in extra)
    assert ("of task unav100" in said) == (method is UNIAV)
    record = json.loads((folder / "non_finite.json").read_text())
    assert (record["what"], record["step"]) == (what, STEP)
    assert all(record["ranks"][0]["videos"])

    checkpoint = folder / "checkpoints" / "before_non_finite.ckpt"
    done = run_py(*options, *others, f"ckpt_path={checkpoint}", f"hydra.run.dir={again}")
    assert done.returncode == 0, done.stderr
    whole = undisturbed(*options, *others)
    ends = [torch.load(path / "checkpoints" / "last.ckpt", weights_only=True) for path in (again, whole)]
    assert_same(*({key: end[key] for key in TRAINED & end.keys()} for end in ends))
    assert_same_rows(whole, again, by_turns=method is UNIAV)
    told(f"NaN: {case}", f"stopped at step {STEP}, {said.partition('First of all: ')[2]}; resumed bitwise")
