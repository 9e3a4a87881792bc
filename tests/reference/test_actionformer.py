"""ActionFormer against the released code: outputs, targets, losses, gradients, training steps, detections, names."""

import json

import pytest
import torch
from lightning import Trainer
from torch import Tensor
from torch.testing import assert_close

from avel.batch import Batch
from avel.checkpoints import official
from avel.decoding.class_scores import VideoClasses
from avel.decoding.detections import Detections
from avel.layers.heads import HeadConfig
from avel.layers.single_stream import SingleStreamConfig
from avel.losses.dense import DenseLosses
from avel.methods.actionformer import ActionFormer
from avel.segments.points import pyramid_points
from avel.segments.targets import assign_targets
from avel.training.averaging import ExponentialMovingAverage
from tests.reference import actionformer
from tests.reference.decoding import check_same_up_to_ties
from tests.reference.history import History
from tests.reference.loader import FOLDER, Case, find_cases

CASES = find_cases(kind="dense", methods=("ActionFormer",))
all_cases = pytest.mark.parametrize("case", CASES, ids=str)


def with_tensor(name: str):
    return pytest.mark.parametrize("case", [case for case in CASES if name in case.tensors], ids=str)


def joined(case: Case, prefix: str) -> Tensor:
    """What is stored per level, levels concatenated from fine to coarse: (B, P, …)."""
    return torch.cat([case.tensors[f"{prefix}.l{level}"] for level in range(len(case.select(f"{prefix}.")))], dim=1)


def short_videos(case: Case) -> Batch:
    """The batch that the intermediates are stored for, padded as little as its longest video needs."""
    videos, longest = list(case.config["annotations"]["database"]), case.config["model"]["max_seq_len"]
    stored = case.select("in_batch.")
    features = [x.T for x in stored.values()] or [case.tensors[f"in.{video}.feats"] for video in videos]
    kept = [(x, video) for x, video in zip(features, videos, strict=True) if len(x) <= longest]
    return actionformer.batch(case, [x for x, _ in kept], [video for _, video in kept])


def test_there_are_cases():
    assert CASES


@all_cases
def test_forward_of_the_released_batch(case):
    method = actionformer.build(case).eval()
    batch = short_videos(case).pad_to(method.max_length)
    streams = [batch.visual] if method.streams == "visual" else [batch.visual, batch.audio]
    with torch.inference_mode():
        features, masks = method.pyramid(streams, batch.mask)
        kept = slice(method.first_level, None)
        for name, levels in (("backbone", features), ("neck", method.neck(features[kept], masks[kept]))):
            for level, expected in case.select(f"eval.{name}.l").items():
                assert_close(levels[int(level)].mT, expected, **case.tolerance)
        prediction = method(batch)
    assert torch.equal(prediction.mask, joined(case, "eval.mask"))
    assert_close(prediction.logits, joined(case, "eval.logits"), **case.tolerance)
    assert_close(prediction.offsets, joined(case, "eval.offsets"), **case.tolerance)


@all_cases
def test_less_padding_and_fewer_batch_mates_give_the_same(case):
    method, full = actionformer.build(case).eval(), short_videos(case)
    for row, length in enumerate(full.lengths.tolist()):
        with torch.inference_mode():
            alone = method(full.windows([row], [0], method.padded_length(length)))
        valid = joined(case, "eval.mask")[row]
        assert_close(alone.logits[alone.mask], joined(case, "eval.logits")[row][valid], **case.tolerance)
        assert_close(alone.offsets[alone.mask], joined(case, "eval.offsets")[row][valid], **case.tolerance)


LONG = [(case, name.split(".")[1]) for case in CASES for name in case.tensors if name.startswith("eval_long.")]


@pytest.mark.parametrize(("case", "video"), sorted(set(LONG), key=str), ids=str)
def test_videos_that_are_longer_than_in_training(case, video):
    method = actionformer.build(case).eval()
    batch = actionformer.batch(case, [case.tensors[f"in.{video}.feats"]], [video])
    assert batch.mask.shape[1] > method.max_length
    with torch.inference_mode():
        prediction = method(batch.pad_to(method.padded_length(batch.mask.shape[1])))
    assert torch.equal(prediction.mask, joined(case, f"eval_long.{video}.mask"))
    assert_close(prediction.logits, joined(case, f"eval_long.{video}.logits"), **case.tolerance)
    assert_close(prediction.offsets, joined(case, f"eval_long.{video}.offsets"), **case.tolerance)


@all_cases
def test_points_and_targets(case):
    method, batch = actionformer.build(case), actionformer.training_videos(case)
    points = pyramid_points(method.max_length, method.ranges, first_stride=method.first_stride)
    rows = torch.stack((points.position, points.lower, points.upper, points.stride), dim=1)
    assert_close(rows, case.tensors["points"], rtol=0, atol=0)
    targets = assign_targets(
        points,
        batch.segments,
        batch.labels,
        num_classes=method.num_classes,
        class_aware=False,
        centre_radius=method.criterion.config.centre_radius,
    )
    labels, offsets = (
        torch.stack([case.tensors[f"data_train.{video}.{name}"] for video in batch.videos])
        for name in ("gt_cls", "gt_offsets")
    )
    positive = labels.any(dim=2)
    assert positive.any()
    assert_close(targets.labels, labels, rtol=0, atol=0)
    assert_close(targets.offsets[positive], offsets[positive], rtol=0, atol=0)


@all_cases
def test_losses_and_gradients(case):
    method, batch = actionformer.build(case), actionformer.training_videos(case)
    losses = method.losses(batch)
    losses.total.backward()
    check_losses(losses, method.criterion.normalizer, case.select("train.call1."))
    check_losses(method.losses(batch), method.criterion.normalizer, case.select("train.call2."))
    gradients = {name: parameter.grad for name, parameter in method.named_parameters()}
    for name, norm in case.select("train.gradnorm.").items():
        ours = gradients[official.rename(name, official.ACTIONFORMER)].norm()
        assert_close(ours, norm, **case.tolerance, msg=name)
    total = torch.stack([gradient.norm() for gradient in gradients.values() if gradient is not None]).norm()
    assert_close(total, case.tensors["train.gradnorm_total"], **case.tolerance)


def check_losses(losses: DenseLosses, normalizer: Tensor, expected: dict[str, Tensor]) -> None:
    values = torch.stack([losses.classification, losses.regression, losses.total, normalizer]).detach()
    names = ("cls_loss", "reg_loss", "final_loss", "loss_norm_after")
    assert_close(values, torch.stack([expected[name] for name in names]), rtol=1e-5, atol=1e-7)


@all_cases
def test_training_steps(case, tmp_path):
    """The whole recipe through a real Trainer: loss, clipping, AdamW groups, schedule, moving average."""
    config, steps = case.config["steps"], case.select("steps.")
    options, method = config["opt"], actionformer.build(case)
    history = History(config["iterations"])
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=options["epochs"] + method.recipe.warmup_epochs,
        callbacks=[history, ExponentialMovingAverage(0.999, warmup=False)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    batches = [actionformer.training_videos(case)] * config["iters_per_epoch"]
    trainer.fit(method, torch.utils.data.DataLoader(batches, batch_size=None))

    tolerance = {"rtol": case.document["tolerance"]["steps_rtol"], "atol": case.document["tolerance"]["steps_atol"]}

    def column(name: str) -> Tensor:
        return torch.tensor([row[name] for row in history.rows], dtype=torch.float64)

    assert len(history.rows) == config["iterations"]
    assert_close(column("lr")[:, None].expand(-1, 2), steps["lr"], rtol=1e-6, atol=1e-12)
    losses = torch.stack((column("cls_loss"), column("reg_loss")), dim=1)
    assert_close(losses, steps["losses"][:, :2].double(), **tolerance)
    assert_close(column("grad_norm_before_clip"), steps["gradnorm_before_clip"].double(), **tolerance)
    assert_close(column("loss_normalizer")[-1], steps["loss_norm"].double(), **tolerance)
    for prefix, state in (("steps.final.", history.raw), ("steps.ema.", method.state_dict())):
        stored = case.select(prefix)
        assert set(stored) == set(config["watch"])
        for name, value in official.convert(stored, official.ACTIONFORMER, state, partial=True).items():
            assert_close(state[name], value, **tolerance, msg=f"{prefix}{name}")


@all_cases
def test_candidates(case):
    method, videos = actionformer.build(case).eval(), actionformer.whole_videos(case)
    alone = videos.windows([0], [0], int(videos.lengths[0]))
    with torch.inference_mode():
        found = method._candidates(alone)
    for name, expected in case.select(f"cand.{videos.videos[0]}.").items():
        assert_close(getattr(found, name)[found.valid], expected, **case.tolerance)


@all_cases
def test_detections_in_seconds(case):
    """All videos in one batch, which the released code localizes one at a time."""
    batch = actionformer.whole_videos(case)
    for video, ours in zip(batch.videos, actionformer.build(case).eval().localize(batch), strict=True):
        expected = case.select(f"final.{video}.")
        assert_close(ours.scores, expected["scores"], **case.tolerance)
        check_same_up_to_ties(ours, expected, tolerance=1e-4)


@with_tensor("ext.score")
def test_classes_of_the_videos(case):
    videos = sorted(case.config["annotations"]["database"])
    classes = VideoClasses(dict(zip(videos, case.tensors["in_ext.scores"], strict=True)), top_k=2)
    stored = case.select("ext.")
    for number, video in enumerate(videos):
        proposals = case.select(f"final.{video}.")
        found = classes.label(video, Detections(proposals["segments"], proposals["scores"], proposals["labels"]))
        rows = stored["video_index"] == number
        bounds = torch.stack((stored["t_start"], stored["t_end"]), dim=1)[rows]
        expected = {"segments": bounds, "scores": stored["score"][rows], "labels": stored["label"][rows]}
        assert len(found.scores) == len(bounds)
        check_same_up_to_ties(found, expected, tolerance=1e-5)


def released_sizes(shapes: dict[str, list[int]]) -> dict:
    """Sizes of a released model without FPN, relative positions or projections, from the shapes of its parameters."""

    def count(module: str) -> int:
        return len({name.split(".")[2] for name in shapes if name.startswith(f"{module}.")})

    dim, width, kernel = shapes["backbone.embd.0.conv.weight"]
    classes, head, _ = shapes["cls_head.cls_head.conv.weight"]
    return {
        "num_classes": classes,
        "visual_dim": width,
        "audio_dim": 0,
        "max_length": 2304,
        "pyramid": SingleStreamConfig(
            dim=dim,
            embedding_layers=count("backbone.embd"),
            stem_layers=count("backbone.stem"),
            levels=count("backbone.branch") + 1,
            kernel_size=kernel,
        ),
        "head": HeadConfig(dim=head, layers=count("cls_head.head") + 1, class_aware=False),
    }


def official_keys() -> list[dict]:
    documents = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("actionformer*-full-keys.json"))]
    assert documents
    return documents


@pytest.mark.parametrize("document", official_keys(), ids=lambda document: document["config"])
def test_official_names_match_one_to_one(document):
    with torch.device("meta"):
        method = ActionFormer(**released_sizes(dict(document["state_dict"])))
        released = {name: torch.empty(shape) for name, shape in document["state_dict"]}
    ours = method.state_dict()
    state = official.convert(released, official.ACTIONFORMER, ours)
    assert len(state) == len(released)
    assert set(ours) - set(state) == {"criterion.normalizer"}
    assert sum(p.numel() for p in method.parameters()) == document["total_parameters"]
