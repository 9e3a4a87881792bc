"""A run ends at the step whose numbers go wrong, says where they do, and goes on from before it."""

import json
import math

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.plugins.precision import MixedPrecision
from torch import nn
from torch.utils.data import Dataset

from avel.batch import Clip, collate_clips
from avel.data.sampling import EpochSampler, ResumableLoader
from avel.errors import UserError
from avel.tasks.segment import SegmentLocalizer
from avel.training.first_non_finite import tensors
from avel.training.non_finite import StopAtNonFinite
from avel.training.randomness import SeedEachBatch

BATCHES = 4
pytestmark = pytest.mark.filterwarnings("ignore:You defined a `validation_step`", "ignore:.*existing checkpoint")


class Clips(Dataset):
    """Eight random clips of five snippets, two to a batch; `bad` replaces a number in the fourth."""

    def __init__(self, bad=None):
        generator = torch.Generator().manual_seed(1)
        self.visual = torch.rand(8, 5, 3, generator=generator)
        self.audio = torch.rand(8, 5, 2, generator=generator)
        if bad is not None:
            self.audio[3, 2, 1] = bad

    def __len__(self):
        return len(self.visual)

    def __getitem__(self, key):
        index, _ = key
        labels = torch.tensor([0, 1, 1, 2, 2])
        return Clip(f"video {index}", self.visual[index], self.audio[index], labels, 1)


class Faulty(nn.Module):
    """Passes numbers on, changed by `fault`."""

    fault = None

    def forward(self, x):
        return self.fault(x) if self.fault else x


class Tiny(SegmentLocalizer):
    """Two layers, dropout and a running number."""

    def __init__(self):
        super().__init__(2, None)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.encode = nn.Sequential(nn.Linear(5, 4), Faulty(), nn.Dropout(0.5))
            self.classify = nn.Linear(4, 3)
        self.register_buffer("steps", torch.zeros(()))
        self.factor = 1.0

    def losses(self, batch):
        self.steps += 1
        logits = self.classify(self.encode(torch.cat([batch.visual, batch.audio], dim=2)))
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), batch.labels.flatten())
        return {"events": self.factor * loss, "weights": 0.01 * self.classify.weight.square().sum()}

    def decide(self, batch):
        raise NotImplementedError


class FailInStep(Callback):
    """Makes a batch of the training go wrong."""

    def __init__(self, number, *, fault=None, factor=1.0, weight=None):
        self.number, self.fault, self.factor, self.weight = number, fault, factor, weight
        self.before = {}

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        fails = trainer.current_epoch * BATCHES + batch_idx == self.number
        self.before = {name: value.clone() for name, value in pl_module.state_dict().items()} if fails else self.before
        pl_module.encode[1].fault = self.fault if fails else None
        pl_module.factor = self.factor if fails else 1.0
        if fails and self.weight is not None:
            pl_module.classify.weight.data[0, 0] = self.weight


def train(folder, *callbacks, bad=None, resume=None, stop=True, **options):
    clips = Clips(bad)
    sampler = EpochSampler(clips, training=True, order="fixed")
    loader = ResumableLoader(clips, batch_size=2, sampler=sampler, collate_fn=collate_clips)
    method = Tiny()
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=2,
        callbacks=[SeedEachBatch(0), *([StopAtNonFinite(folder)] if stop else []), *callbacks],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )
    trainer.fit(method, loader, ckpt_path=resume, weights_only=True)
    return method


def stopped(folder, *callbacks, **options):
    """What the run says, and what it wrote about its end."""
    with pytest.raises(UserError) as caught:
        train(folder, *callbacks, **options)
    return str(caught.value), json.loads((folder / "non_finite.json").read_text())


def all_nan(x):
    return x * math.nan


def root_of_nothing(x):
    return x + (0 * x).sqrt()


def too_large(x):
    return x * 1e38 * 1e38


FAULTS = {
    "nan": (all_nan, "loss", "the output of encode.1 (Faulty), whose inputs are finite"),
    "inf": (too_large, "loss", "the output of encode.1 (Faulty), whose inputs are finite"),
    "gradient": (root_of_nothing, "gradient", ", behind SqrtBackward0"),
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_run_stops_before_the_weights_are_spoilt_and_goes_on_as_if_nothing_had_been(tmp_path, name, accumulate):
    fault, moment, place = FAULTS[name]
    failing = FailInStep(5, fault=fault)
    said, record = stopped(tmp_path, failing, accumulate_grad_batches=accumulate)
    step = 5 // accumulate
    assert said.startswith(f"the {moment} is NaN or infinite at step {step} (epoch 2). First of all: ")
    assert place in said
    videos = [["video 0", "video 1"]] if accumulate == 2 else []
    assert record["what"] == moment
    assert (record["epoch"], record["step"], record["task"]) == (1, step, "")
    assert record["ranks"][0]["videos"] == [*videos, ["video 2", "video 3"]]
    assert record["ranks"][0]["losses"].keys() == {"events_loss", "weights_loss", "loss"}

    file = tmp_path / "checkpoints" / "before_non_finite.ckpt"
    checkpoint = torch.load(file, weights_only=True)
    weights = {name: value for name, value in failing.before.items() if name != "steps"}
    assert {name: checkpoint["state_dict"][name].tolist() for name in weights} == {
        name: value.tolist() for name, value in weights.items()
    }
    resumed = train(tmp_path, resume=file, accumulate_grad_batches=accumulate)
    whole = train(tmp_path, accumulate_grad_batches=accumulate)
    torch.testing.assert_close(resumed.state_dict(), whole.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_feature_is_named_by_video_modality_and_snippet(tmp_path, bad):
    said, record = stopped(tmp_path, bad=bad)
    assert "First of all: the audio features of video 'video 3', first in snippet 2\n" in said
    assert (record["step"], record["ranks"][0]["videos"]) == (1, [["video 2", "video 3"]])


def test_a_weight_that_was_bad_before_is_named(tmp_path):
    said, _ = stopped(tmp_path, FailInStep(2, weight=math.nan))
    assert "First of all: the weights classify.weight, before the step\n" in said
    assert "take an earlier checkpoint" in said


def test_a_part_of_the_loss_is_told_where_outputs_are_finite(tmp_path):
    said, record = stopped(tmp_path, FailInStep(2, factor=math.inf))
    assert "First of all: the loss, of outputs that are finite\n" in said
    assert record["ranks"][0]["losses"]["events_loss"] is None
    assert record["ranks"][0]["losses"]["weights_loss"] > 0


def test_large_numbers_are_no_error(tmp_path):
    method = train(tmp_path, FailInStep(2, factor=1e30))  # the squares of its gradients are infinite
    assert all(value.isfinite().all() for value in method.state_dict().values())
    assert not any(tmp_path.iterdir())


def test_without_the_callback_the_run_goes_on(tmp_path):
    method = train(tmp_path, FailInStep(2, fault=all_nan), stop=False)
    assert method.classify.weight.isnan().all()


@pytest.mark.parametrize("scale", [2.0**16, 0.25])
def test_gradients_of_float16_may_overflow_while_the_loss_is_scaled_up(tmp_path, scale):
    scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    plugin = MixedPrecision("16-mixed", "cpu", scaler)
    failing = FailInStep(2, fault=root_of_nothing)
    if scale < 1:
        assert "SqrtBackward0" in stopped(tmp_path, failing, plugins=plugin)[0]
    else:
        method = train(tmp_path, failing, plugins=plugin)
        assert scaler.get_scale() == scale / 2
        assert all(value.isfinite().all() for value in method.state_dict().values())


def test_tensors_are_found_in_containers_of_containers():
    clip = Clips()[0, 0]
    assert len([*tensors([clip, {"a": (clip.audio, 3)}, None])]) == 4
