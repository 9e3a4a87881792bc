"""UniAV against the released code, task by task: outputs, losses, gradients, training steps, detections, names."""

import json

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor
from torch.nn.utils import get_total_norm
from torch.testing import assert_close

from avel.checkpoints import official
from avel.data.multitask import MultitaskDataModule
from avel.layers.heads import HeadConfig
from avel.layers.pyramid import PyramidConfig
from avel.losses.dense import DenseLosses
from avel.methods.uniav import UniAV
from avel.segments.points import pyramid_points
from avel.segments.targets import assign_targets
from avel.tasks.dense_task import DenseTask
from avel.training.averaging import ExponentialMovingAverage
from avel.training.stop_and_go import StopAndGo
from tests.reference import uniav
from tests.reference.decoding import check_same_up_to_ties
from tests.reference.loader import FOLDER, Case, find_cases
from tests.reference.uniav import NAMES
from tests.stored import StoredBatches

CASES = find_cases(kind="dense", methods=("UniAV",))
all_cases = pytest.mark.parametrize("case", CASES, ids=str)
all_tasks = pytest.mark.parametrize(("case", "task"), [(c, task) for c in CASES for task in c.config["tasks"]], ids=str)


def joined(case: Case, prefix: str) -> Tensor:
    """What is stored per level, levels concatenated from fine to coarse: (B, P, …)."""
    return torch.cat([case.tensors[f"{prefix}.l{level}"] for level in range(len(case.select(f"{prefix}.")))], dim=1)


def test_there_are_cases():
    assert CASES
    assert VARIANTS


@all_tasks
def test_forward_of_whole_videos(case, task):
    method, name = uniav.build(case).eval(), NAMES[task]
    batch = method.padded(uniav.whole_videos(case, task))
    whole_table = batch.mask.shape[1] >= method.tasks[name].max_length
    with torch.inference_mode():
        features, _ = method.pyramid(batch.visual, batch.audio, batch.mask, name, whole_table=whole_table)
        prediction = method(batch)
    for level, expected in case.select(f"eval.{task}.feat_AV.l").items():
        assert_close(features[int(level)][: len(expected)].mT, expected, **case.tolerance)
    assert torch.equal(prediction.mask, joined(case, f"eval.{task}.mask"))
    assert_close(prediction.logits, joined(case, f"eval.{task}.logits"), **case.tolerance)
    assert_close(prediction.offsets, joined(case, f"eval.{task}.offsets"), **case.tolerance)
    assert not prediction.logits[~prediction.mask].any(), "exactly 0 where masked"


@all_tasks
def test_forward_of_videos_that_are_longer_than_in_training(case, task):
    method, batch = uniav.build(case).eval(), uniav.long_videos(case, task)
    longest = -(-batch.mask.shape[1] // method.stride) * method.stride
    with torch.inference_mode():
        prediction = method(batch.pad_to(max(longest, method.tasks[NAMES[task]].max_length)))
    assert torch.equal(prediction.mask, joined(case, f"eval_long.{task}.mask"))
    assert_close(prediction.logits, joined(case, f"eval_long.{task}.logits"), **case.tolerance)
    assert_close(prediction.offsets, joined(case, f"eval_long.{task}.offsets"), **case.tolerance)


@all_tasks
def test_positions_differ_from_the_released_ones_for_shorter_tasks_only(case, task):
    method, batch = uniav.build(case, positions="prefix").eval(), uniav.whole_videos(case, task)
    limit = method.tasks[NAMES[task]].max_length
    with torch.inference_mode():
        prediction = method(batch.pad_to(limit))
    difference = (prediction.logits - joined(case, f"eval.{task}.logits")).abs().max()
    assert (difference > 1e-2) if limit < method.max_length else (difference < 1e-4)


@all_tasks
def test_less_padding_and_fewer_batch_mates_give_the_same(case, task):
    method, full = uniav.build(case, positions="prefix").eval(), uniav.whole_videos(case, task)
    with torch.inference_mode():
        together = method(full.pad_to(method.tasks[NAMES[task]].max_length))
        for row, length in enumerate(full.lengths.tolist()):
            alone = method(method.padded(full.windows([row], [0], length)))
            assert_close(alone.logits[alone.mask], together.logits[row][together.mask[row]], **case.tolerance)
            assert_close(alone.offsets[alone.mask], together.offsets[row][together.mask[row]], **case.tolerance)


@all_tasks
def test_targets(case, task):
    method, batch = uniav.build(case), uniav.training_videos(case, task)
    settings = method.tasks[NAMES[task]]
    targets = assign_targets(
        pyramid_points(settings.max_length, method.ranges),
        batch.segments,
        batch.labels,
        num_classes=settings.num_classes,
        class_aware=settings.class_aware,
        same_class=settings.loss.same_class,
    )
    labels, offsets = (
        torch.stack([case.tensors[f"data_train.{task}.{video}.{name}"] for video in batch.videos])
        for name in ("gt_cls", "gt_offsets")
    )
    positive = labels.bool() if settings.class_aware else labels.any(dim=2)
    assert positive.any()
    assert_close(targets.labels, labels, rtol=0, atol=0)
    assert_close(targets.offsets[positive], offsets[positive], rtol=0, atol=0)


@all_tasks
def test_losses_and_gradients(case, task):
    method, batch = uniav.build(case), uniav.training_videos(case, task)
    normalizer = method.criterion[NAMES[task]].normalizer
    losses = method.losses(batch)
    losses.total.backward()
    check_losses(losses, normalizer, case.select(f"train.{task}.call1."))
    check_losses(method.losses(batch), normalizer, case.select(f"train.{task}.call2."))
    gradients = {name: parameter.grad for name, parameter in method.named_parameters()}
    for name, norm in case.select(f"train.{task}.gradnorm.").items():
        ours = gradients[official.rename(name, official.UNIAV)].norm()
        assert_close(ours, norm, **case.tolerance, msg=name)
    kept = [gradient for gradient in gradients.values() if gradient is not None]
    assert len(gradients) - len(kept) == case.tensors[f"train.{task}.n_params_without_grad"]
    total = torch.stack([gradient.norm() for gradient in kept]).norm()
    assert_close(total, case.tensors[f"train.{task}.gradnorm_total"], **case.tolerance)


def check_losses(losses: DenseLosses, normalizer: Tensor, expected: dict[str, Tensor]) -> None:
    values = torch.stack([losses.classification, losses.regression, losses.total, normalizer]).detach()
    names = ("cls_loss", "reg_loss", "final_loss", "loss_norm_after")
    assert_close(values, torch.stack([expected[name] for name in names]), rtol=1e-5, atol=1e-7)


class Notes(Callback):
    """Notes what the released loop notes, and stops the training with its last iteration."""

    def __init__(self, iterations):
        self.iterations = iterations
        self.rates, self.losses, self.norms = [], [], []

    def on_train_batch_start(self, trainer, *_):
        self.rates.append({group["lr"] for group in trainer.optimizers[0].param_groups})

    def on_before_optimizer_step(self, trainer, method, _):
        self.norms.append(get_total_norm([p.grad for p in method.parameters() if p.grad is not None]))

    def on_train_batch_end(self, trainer, method, outputs, batch, _):
        parts = (f"train/{batch.task}/{name}" for name in ("classification_loss", "regression_loss", "loss"))
        self.losses.append(torch.stack([trainer.callback_metrics[name] for name in parts]))
        if trainer.global_step == self.iterations * len(method.tasks):
            self.weights = {name: value.clone() for name, value in method.state_dict().items()}
            trainer.should_stop = True


@all_cases
def test_training_steps(case):
    """The released loop as our parts train together: a step of each task with one learning rate, then the next rate."""
    config, expected, method = case.config["steps"], case.select("steps."), uniav.build(case)
    assert {task.weight for task in method.tasks.values()} == set(config["loss_scale"].values()) == {1.0}
    sets = {NAMES[task]: StoredBatches(uniav.training_videos(case, task)) for task in case.config["tasks"]}
    notes = Notes(config["iterations"])
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=method.recipe.warmup_epochs + config["num_train_epochs"],
        limit_val_batches=0,
        callbacks=[notes, ExponentialMovingAverage(0.999, warmup=False), StopAndGo(resume="drop")],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(method, MultitaskDataModule(sets, rounds=config["iters_per_epoch"]))

    tolerance = {"rtol": case.document["tolerance"]["steps_rtol"], "atol": case.document["tolerance"]["steps_atol"]}
    stored_rates = expected["lr"].repeat_interleave(len(sets), dim=0).tolist()
    for ours, stored in zip(notes.rates, stored_rates, strict=True):
        assert sorted(ours) == pytest.approx(sorted(set(stored)), rel=1e-6, abs=1e-12)
    assert_close(torch.stack(notes.losses).view(-1, len(sets), 3), expected["losses"], **tolerance)
    assert_close(torch.stack(notes.norms).view(-1, len(sets)), expected["gradnorm_before_clip"], **tolerance)
    normalizers = torch.stack([method.criterion[task].normalizer for task in sets])
    assert_close(normalizers, expected["loss_norm"], **tolerance)
    for prefix, state in (("steps.final.", notes.weights), ("steps.ema.", method.state_dict())):
        stored = case.select(prefix)
        assert set(stored) == set(config["watch"])
        for name, value in official.convert(stored, official.UNIAV, state, partial=True).items():
            assert_close(state[name], value, **tolerance, msg=f"{prefix}{name}")


@all_tasks
def test_candidates(case, task):
    method, batch = uniav.build(case).eval(), uniav.whole_videos(case, task)
    with torch.inference_mode():
        found = method._candidates(batch)
    for name, expected in case.select(f"cand.{task}.{batch.videos[0]}.").items():
        assert_close(getattr(found, name)[0][found.valid[0]], expected, **case.tolerance)


@all_tasks
def test_detections_in_seconds(case, task):
    check_detections(case, task, "final")


VARIANTS = [
    (case, task, variant)
    for case in CASES
    for task in case.config["tasks"]
    for variant in case.config["nms_variants"]
    if case.select(f"final_{variant}.{task}.")
]


@pytest.mark.parametrize(("case", "task", "variant"), VARIANTS, ids=str)
def test_other_suppressions(case, task, variant):
    method, per_class = case.config["nms_variants"][variant]
    check_detections(case, task, f"final_{variant}", nms_method=method, multiclass_nms=per_class)


def check_detections(case: Case, task: str, prefix: str, **test: object) -> None:
    batch, checked = uniav.whole_videos(case, task), 0
    for video, ours in zip(batch.videos, uniav.build(case, **test).eval().localize(batch), strict=True):
        if expected := case.select(f"{prefix}.{task}.{video}."):
            checked += 1
            assert len(ours.scores) == len(expected["scores"])
            assert_close(ours.scores, expected["scores"], **case.tolerance)
            check_same_up_to_ties(ours, expected, tolerance=1e-4)
    assert checked


def released_sizes(shapes: dict[str, list[int]]) -> dict:
    """Sizes of the released model, from the shapes of its parameters."""

    def count(module: str) -> int:
        return len({name.split(".")[2] for name in shapes if name.startswith(f"{module}.")})

    dim, visual_dim, kernel = shapes["backbone.embd_V.0.conv.weight"]
    head, prompt_dim = shapes["cls_head.clip_proj.weight"]
    offsets = [shapes[f"reg_head.offset_head.TASK{number}.conv.bias"][0] for number in (1, 2, 3)]
    return {
        "visual_dim": visual_dim,
        "audio_dim": shapes["backbone.embd_A.0.conv.weight"][1],
        "prompt_dim": prompt_dim,
        "pyramid": PyramidConfig(
            dim=dim,
            embedding_layers=count("backbone.embd_V"),
            stem_layers=count("backbone.self_att_V"),
            levels=count("backbone.cross_att_Va") + 1,
            kernel_size=kernel,
        ),
        "head": HeadConfig(dim=head, layers=count("cls_head.head") + 1),
        "tasks": {
            name: DenseTask(max(outputs // 2, 2), 64, class_aware=outputs > 2)
            for name, outputs in zip(NAMES.values(), offsets, strict=True)
        },
    }


def test_official_names_match_one_to_one():
    document = json.loads((FOLDER / "uniav-full-keys.json").read_text())
    with torch.device("meta"):
        method = UniAV(**released_sizes(dict(document["state_dict"])))
        released = {name: torch.empty(shape) for name, shape in document["state_dict"]}
    ours = method.state_dict()
    prefixed = {f"{document['checkpoint_prefix']}{name}": tensor for name, tensor in released.items()}
    state = official.convert(prefixed, official.UNIAV, ours)
    assert len(state) == len(released)
    assert all(official.OURS_ALONE.fullmatch(name) for name in set(ours) - set(state))
    assert sum(p.numel() for p in method.parameters()) == document["total_parameters"]
