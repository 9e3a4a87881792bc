"""Builds our methods from a reference case's configuration."""

from typing import Any

import torch
from torch import Tensor

from avel.batch import Batch, TimeGrid
from avel.checkpoints import official
from avel.decoding.dense import DenseDecoder
from avel.layers.drop import AffineDropPath
from avel.layers.heads import HeadConfig
from avel.layers.pyramid import PyramidConfig
from avel.losses.dense import DenseLossConfig
from avel.methods.ccnet import CCNet
from avel.methods.unav import UnAV
from avel.segments.points import default_ranges
from avel.tasks.dense import DenseLocalizer
from avel.training.optim import OptimizerRecipe
from tests.reference.loader import Case

METHODS: dict[str, type[DenseLocalizer]] = {"unav": UnAV, "ccnet": CCNet}
TABLES = {"unav": official.UNAV, "ccnet": official.CCNET}


def arguments(method: str, config: dict[str, Any]) -> dict[str, Any]:
    """Constructor arguments (without optimizer, loss and decoder) for a configuration in the released code's words."""
    assert config.get("scale_factor", 2) == 2, "pyramids halve the time axis from level to level"
    embedding, stem, branches = config["backbone_arch"]
    assert [tuple(r) for r in config["regression_range"]] == list(default_ranges(branches + 1))
    norm = config.get("embd_with_ln", True)
    values = {
        "num_classes": config["num_classes"],
        "visual_dim": config["input_dim_V"],
        "audio_dim": config["input_dim_A"],
        "max_length": config["max_seq_len"],
        "pyramid": PyramidConfig(
            dim=config["embd_dim"],
            heads=config["n_head"],
            embedding_layers=embedding,
            stem_layers=stem - 1 if method == "unav" else stem,
            levels=branches + 1,
            kernel_size=config.get("embd_kernel_size", 3),
            positions=config.get("use_abs_pe", True),
            norm=norm,
            drop_path=config.get("train_cfg", {}).get("droppath", 0.1),
        ),
        "head": HeadConfig(
            dim=config["head_dim"],
            layers=config.get("head_num_layers", 3),
            kernel_size=config.get("head_kernel_size", 3),
            norm=config.get("head_with_ln", True),
            class_aware=config["class_aware"],
        ),
        "neck_dim": config["neck_dim"] if config.get("use_dependency", True) else None,
    }
    return values | ({"gate_mask": "released"} if method == "ccnet" else {})


def loss(config: dict[str, Any], **changes: Any) -> DenseLossConfig:
    train = config["train_cfg"]
    values = {
        "regression_weight": train["loss_weight"],
        "label_smoothing": train["label_smoothing"],
        "initial_normalizer": train["init_loss_norm"],
        "same_class": "last",
    }
    return DenseLossConfig(**values | changes)


def build(case: Case, *, row_mask: str = "per_video", kind: type | None = None, **changes: Any) -> DenseLocalizer:
    """Our method with the case's weights, drop path switched off, in training mode."""
    module = (kind or METHODS[case.method])(
        **arguments(case.method, case.config) | {"row_mask": row_mask, "loss": loss(case.config)} | changes
    )
    state = official.convert(case.weights, TABLES[case.method], module.state_dict())
    missing = set(module.state_dict()) - set(state)
    assert missing == {"criterion.normalizer"}
    module.load_state_dict(state, strict=False)
    for drop in module.modules():
        if isinstance(drop, AffineDropPath):
            drop.probability = 0.0
    return module.train()


def decoder(settings: dict[str, Any]) -> DenseDecoder:
    """The decoder of a `test_cfg` section in the released code's words."""
    assert settings["ext_score_file"] is None
    return DenseDecoder(
        pre_nms_threshold=settings["pre_nms_thresh"],
        pre_nms_topk=settings["pre_nms_topk"],
        min_length=settings["duration_thresh"],
        nms=settings["nms_method"],
        per_class=settings["multiclass_nms"],
        sigma=settings["nms_sigma"],
        iou_threshold=settings["iou_threshold"],
        min_score=settings["min_score"],
        max_events=settings["max_seg_num"],
        voting_threshold=settings["voting_thresh"],
    )


def recipe(config: dict[str, Any]) -> OptimizerRecipe:
    return OptimizerRecipe(
        lr=config["optimizer"]["lr"],
        weight_decay=config["optimizer"]["weight_decay"],
        warmup_epochs=config["scheduler"]["warmup_epochs"],
        clip_norm=config["clip"],
    )


def batch(case: Case, *, pad: int | None = None) -> Batch:
    """The case's inputs without events; times as in its configuration."""
    lengths = case.tensors["in.lengths"]
    longest = int(lengths.max())
    visual, audio = (case.tensors[f"in.{name}"].transpose(1, 2)[:, :longest] for name in ("visual", "audio"))
    return _batch(case, visual, audio).pad_to(pad or longest)


def empty_batch(case: Case) -> Batch:
    """The times of a case that has no features."""
    lengths = case.tensors["in.lengths"]
    nothing = torch.zeros(len(lengths), int(lengths.max()), 0)
    return _batch(case, nothing, nothing).pad_to(case.config["max_seq_len"])


def _batch(case: Case, visual: Tensor, audio: Tensor) -> Batch:
    config, lengths = case.config, case.tensors["in.lengths"]
    count = len(lengths)
    grid = TimeGrid(fps=config["fps"], stride=config["feat_stride"], window=config["num_frames"])
    return Batch(
        videos=[f"video {index}" for index in range(count)],
        visual=visual,
        audio=audio,
        mask=torch.arange(visual.shape[1]) < lengths[:, None],
        segments=torch.zeros(count, 0, 2),
        labels=torch.zeros(count, 0, dtype=torch.int64),
        durations=case.tensors.get("in.duration", torch.full((count,), 1e8)).double(),
        grids=[grid] * count,
    )
