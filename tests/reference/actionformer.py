"""Builds ActionFormer, its recipe and its batches from a reference case's configuration."""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from avel.batch import NO_EVENT, Batch, TimeGrid
from avel.checkpoints import official
from avel.layers.drop import AffineDropPath
from avel.layers.heads import HeadConfig
from avel.layers.neck import NeckConfig
from avel.layers.single_stream import SingleStreamConfig
from avel.losses.dense import DenseLossConfig
from avel.methods.actionformer import ActionFormer
from avel.training.optim import OptimizerRecipe
from tests.reference import methods
from tests.reference.loader import Case

BLOCKS = {"convTransformer": "transformer", "conv": "conv"}


def sizes(model: dict) -> dict:
    """Constructor arguments for a `model` section in the released code's words."""
    assert model["scale_factor"] == 2, "pyramids halve the time axis from level to level"
    embedding, stem, branches = model["backbone_arch"]
    streams, dims = model["input_dim"], model["embd_dim"]
    several = isinstance(streams, list)
    windows = model["n_mha_win_size"]
    windows = windows if isinstance(windows, list) else [windows] * (branches + 1)
    fpn = model["fpn_type"] == "fpn"
    return {
        "num_classes": model["num_classes"],
        "visual_dim": streams[0] if several else streams,
        "audio_dim": streams[1] if several else 0,
        "max_length": model["max_seq_len"],
        "streams": "projected" if several else "visual",
        "pyramid": SingleStreamConfig(
            block=BLOCKS[model["backbone_type"]],
            dim=sum(dims) if several else dims,
            heads=model["n_head"],
            windows=tuple(window if window > 1 else None for window in windows),
            relative_positions=model["use_rel_pe"],
            positions=model["use_abs_pe"],
            embedding_layers=embedding,
            stem_layers=stem,
            levels=branches + 1,
            projections=tuple(dims) if several else None,
            kernel_size=model["embd_kernel_size"],
            norm=model["embd_with_ln"],
        ),
        "neck": NeckConfig(
            kind=model["fpn_type"],
            dim=model["fpn_dim"] if fpn else None,
            norm=model["fpn_with_ln"],
            first_level=model["fpn_start_level"],
            ranges=model["regression_range"],
        ),
        "head": HeadConfig(
            dim=model["head_dim"],
            layers=model["head_num_layers"],
            kernel_size=model["head_kernel_size"],
            norm=model["head_with_ln"],
            class_aware=False,
        ),
    }


def loss(train: dict) -> DenseLossConfig:
    assert train["center_sample"] in ("radius", "none")
    return DenseLossConfig(
        regression_weight=train["loss_weight"] if train["loss_weight"] > 0 else None,
        label_smoothing=train["label_smoothing"],
        initial_normalizer=train["init_loss_norm"],
        centre_radius=train["center_sample_radius"] if train["center_sample"] == "radius" else None,
    )


def recipe(config: dict) -> OptimizerRecipe:
    options = config["steps"]["opt"]
    assert (options["type"], options["schedule_type"]) == ("AdamW", "cosine")
    return OptimizerRecipe(
        lr=options["learning_rate"],
        weight_decay=options["weight_decay"],
        warmup_epochs=options["warmup_epochs"] if options["warmup"] else 0,
        clip_norm=config["train_cfg"]["clip_grad_l2norm"],
    )


def build(case: Case) -> ActionFormer:
    """Our method with the case's weights, drop path switched off, in training mode."""
    config = case.config
    method = ActionFormer(
        **sizes(config["model"]),
        optimizer=recipe(config),
        loss=loss(config["train_cfg"]),
        decoder=replace(methods.decoder(config["test_cfg"]), voting_weight="score_tiou"),
    )
    state = official.convert(case.weights, official.ACTIONFORMER, method.state_dict())
    assert set(method.state_dict()) - set(state) == {"criterion.normalizer"}
    method.load_state_dict(state, strict=False)
    for drop in method.modules():
        if isinstance(drop, AffineDropPath):
            drop.probability = 0.0
    return method.train()


def batch(case: Case, features: list[Tensor], videos: list[str], prefix: str = "") -> Batch:
    """Videos with features (T, D); with the times and events stored under `prefix`, where one is given."""
    streams = case.config["model"]["input_dim"]
    visual_dim = streams[0] if isinstance(streams, list) else streams
    values = [case.select(f"{prefix}.{video}.") if prefix else {} for video in videos]
    padded, lengths = pad_sequence(features, batch_first=True), torch.tensor([len(x) for x in features])
    database = case.config["annotations"]["database"]
    return Batch(
        videos=videos,
        visual=padded[..., :visual_dim],
        audio=padded[..., visual_dim:],
        mask=torch.arange(padded.shape[1]) < lengths[:, None],
        segments=pad_sequence([v.get("segments_grid", torch.zeros(0, 2)) for v in values], batch_first=True),
        labels=pad_sequence(
            [v.get("labels", torch.zeros(0).long()) for v in values], batch_first=True, padding_value=NO_EVENT
        ),
        durations=torch.tensor([database[video]["duration"] for video in videos], dtype=torch.float64),
        grids=[grid(case, video) for video in videos],
    )


def grid(case: Case, video: str) -> TimeGrid:
    """Where the snippets of a whole video lie in time, as the released reader found."""
    stored = case.select(f"data_eval.{video}.")
    stated = case.config["annotations"]["database"][video]
    return TimeGrid(
        fps=case.config["dataset"]["default_fps"] or stated["fps"],
        stride=stored["feat_stride"].item(),
        window=stored["feat_num_frames"].item(),
    )


def whole_videos(case: Case) -> Batch:
    """The videos as the released reader gives them to evaluation."""
    videos = list(case.config["annotations"]["database"])
    resized = case.config["dataset"]["force_upsampling"]
    features = [
        case.tensors[f"data_eval.{video}.feats_resized"].T if resized else case.tensors[f"in.{video}.feats"]
        for video in videos
    ]
    return batch(case, features, videos, "data_eval")


def training_videos(case: Case) -> Batch:
    """The crops that the released reader gives to training."""
    videos = list(case.config["annotations"]["database"])
    return batch(case, [case.tensors[f"data_train.{video}.feats"].T for video in videos], videos, "data_train")
