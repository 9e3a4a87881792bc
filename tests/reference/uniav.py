"""Builds UniAV, its recipe and its batches from a reference case's configuration."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from avel.batch import NO_EVENT, Batch, TimeGrid
from avel.checkpoints import official
from avel.layers.drop import AffineDropPath
from avel.layers.heads import HeadConfig
from avel.layers.pyramid import PyramidConfig
from avel.losses.dense import DenseLossConfig
from avel.methods.uniav import UniAV
from avel.segments.points import default_ranges
from avel.tasks.dense_task import DenseTask
from avel.training.optim import OptimizerRecipe
from tests.reference import methods
from tests.reference.loader import Case

NAMES = {"TAL": "activitynet13", "AVEL": "unav100", "SED": "desed"}
"""Our names of the released tasks."""


def sizes(model: dict) -> dict[str, Any]:
    """Constructor arguments for a `model` section in the released code's words."""
    assert model["scale_factor"] == 2, "pyramids halve the time axis from level to level"
    embedding, stem, branches = model["backbone_arch"]
    assert [tuple(limits) for limits in model["regression_range"]] == list(default_ranges(branches + 1))
    return {
        "visual_dim": model["input_dim_V"],
        "audio_dim": model["input_dim_A"],
        "pyramid": PyramidConfig(
            dim=model["embd_dim"],
            heads=model["n_head"],
            embedding_layers=embedding,
            stem_layers=stem - 1,
            levels=branches + 1,
            kernel_size=model["embd_kernel_size"],
            positions=model["use_abs_pe"],
            norm=model["embd_with_ln"],
        ),
        "head": HeadConfig(
            dim=model["head_dim"],
            layers=model["head_num_layers"],
            kernel_size=model["head_kernel_size"],
            norm=model["head_with_ln"],
        ),
    }


def loss(train: dict) -> DenseLossConfig:
    return DenseLossConfig(
        regression_weight=train["loss_weight"] if train["loss_weight"] > 0 else None,
        label_smoothing=train["label_smoothing"],
        initial_normalizer=train["init_loss_norm"],
        same_class="last",
    )


def tasks(config: dict, **test: Any) -> dict[str, DenseTask]:
    """The tasks by our names; `test` changes the decoding of all of them."""
    return {
        NAMES[task]: DenseTask(
            num_classes=own["dataset"]["num_classes"],
            max_length=own["dataset"]["max_seq_len"],
            class_aware=own["dataset"]["class_aware"],
            loss=loss(config["train_cfg"] | own["train_cfg"]),
            decoder=methods.decoder(config["test_cfg"] | own["test_cfg"] | test),
        )
        for task, own in config["tasks"].items()
    }


def recipe(config: dict) -> OptimizerRecipe:
    steps = config["steps"]
    options = steps["opt"]
    assert (options["type"], options["schedule_type"]) == ("AdamW", "cosine")
    return OptimizerRecipe(
        lr=steps["base_lr"],
        weight_decay=options["weight_decay"],
        warmup_epochs=options["warmup_epochs"] if options["warmup"] else 0,
        clip_norm=steps["clip_grad_l2norm"],
        lr_of={"classify.text": options["clip_proj_lr"]},
    )


def build(case: Case, *, positions: str = "whole_table_in_eval", **test: Any) -> UniAV:
    """Our method with the case's weights and prompts, drop path switched off, in training mode."""
    config = case.config
    method = UniAV(
        **sizes(config["model"]),
        prompt_dim=config["clip_dim"],
        tasks=tasks(config, **test),
        positions=positions,
        optimizer=recipe(config),
    )
    state = official.convert(case.weights, official.UNIAV, method.state_dict())
    method.load_state_dict(state, strict=False)
    for task in config["tasks"]:
        method.classify.set_prompts(NAMES[task], case.tensors[f"in.{task}.prompt"])
    for drop in method.modules():
        if isinstance(drop, AffineDropPath):
            drop.probability = 0.0
    return method.train()


def grid(case: Case, task: str, video: str) -> TimeGrid:
    """Where the snippets of a whole video lie in time, as the released reader found."""
    stored = case.select(f"data_eval.{task}.{video}.")
    fps = case.config["tasks"][task]["dataset"]["default_fps"]
    return TimeGrid(fps=fps, stride=stored["feat_stride"].item(), window=stored["feat_num_frames"].item())


def batch(case: Case, task: str, streams: list[tuple[Tensor, Tensor]], videos: list[str], prefix: str = "") -> Batch:
    """Videos with visual and audio features (T, D); with the times and events stored under `prefix`, if it is given."""
    values = [case.select(f"{prefix}.{task}.{video}.") if prefix else {} for video in videos]
    streams = [(visual[: len(audio)], audio[: len(visual)]) for visual, audio in streams]
    visual, audio = (pad_sequence(list(column), batch_first=True) for column in zip(*streams, strict=True))
    lengths = torch.tensor([len(x) for x, _ in streams])
    database = case.config["annotations"][task]["database"]
    return Batch(
        videos=videos,
        visual=visual,
        audio=audio,
        mask=torch.arange(visual.shape[1]) < lengths[:, None],
        segments=pad_sequence([v.get("segments_grid", torch.zeros(0, 2)) for v in values], batch_first=True),
        labels=pad_sequence(
            [v.get("labels", torch.zeros(0).long()) for v in values], batch_first=True, padding_value=NO_EVENT
        ),
        durations=torch.tensor([database[v]["duration"] if prefix else 1e8 for v in videos], dtype=torch.float64),
        grids=[grid(case, task, video) if prefix else TimeGrid(1, 1, 1) for video in videos],
        task=NAMES[task],
    )


def whole_videos(case: Case, task: str) -> Batch:
    """The videos as the released reader gives them to evaluation."""
    videos = list(case.config["annotations"][task]["database"])
    if case.config["tasks"][task]["dataset"].get("force_upsampling"):
        stored = [case.select(f"data_eval.{task}.{video}.") for video in videos]
        streams = [(values["visual_resized"].T, values["audio_resized"].T) for values in stored]
    else:
        stored = [case.select(f"in.{task}.{video}.") for video in videos]
        streams = [(values["visual"], values["audio"]) for values in stored]
    return batch(case, task, streams, videos, "data_eval")


def long_videos(case: Case, task: str) -> Batch:
    """The batch that is handed to the network directly."""
    videos = sorted({name.split(".")[0] for name in case.select(f"in_long.{task}.")}, key=int)
    stored = [case.select(f"in_long.{task}.{video}.") for video in videos]
    return batch(case, task, [(values["visual"].T, values["audio"].T) for values in stored], videos)


def training_videos(case: Case, task: str) -> Batch:
    """The crops that the released reader gives to training; of these only the visual part is stored."""
    whole, streams = whole_videos(case, task), []
    for row, video in enumerate(whole.videos):
        crop = case.tensors[f"data_train.{task}.{video}.visual"].T
        starts = range(whole.lengths[row] - len(crop) + 1)
        start = next(start for start in starts if torch.equal(whole.visual[row, start : start + len(crop)], crop))
        streams.append((crop, whole.audio[row, start : start + len(crop)]))
    return batch(case, task, streams, whole.videos, "data_train")
