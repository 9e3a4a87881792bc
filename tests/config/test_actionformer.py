"""The yamls of ActionFormer are the recipes of the released code."""

import json

import pytest
import torch
from hydra.utils import instantiate

from avel_run.building import build_method
from tests.reference.loader import FOLDER

RELEASED = json.loads((FOLDER / "actionformer-training.json").read_text())
EXPERIMENTS = {
    "thumos_i3d": ("actionformer_thumos14", ("data.num_classes=20", "data.visual_dim=2048")),
    "anet_tsp": (
        "actionformer_activitynet13",
        ("data.num_classes=200", "data.visual_dim=512", "method.decoder.class_scores=scores.json"),
    ),
}


@pytest.fixture(params=EXPERIMENTS)
def recipe(compose, request):
    """The released numbers, the composed configuration and the method."""
    experiment, facts = EXPERIMENTS[request.param]
    released = RELEASED["configs"][request.param]
    facts = (*facts, "data.audio_dim=0", f"data.max_length={released['max_seq_len']}")
    config = compose(f"experiment={experiment}", "protocol=published", *facts)
    with torch.device("meta"):
        return released, config, build_method(config)


def test_sizes(recipe):
    released, config, method = recipe
    windows = released["window"] if isinstance(released["window"], list) else [released["window"]] * 6
    pyramid = instantiate(config.method.pyramid, _convert_="all")
    assert pyramid.window_per_level == [window if window > 1 else None for window in windows]
    assert pyramid.dim == config.method.head.dim == released["embd_dim"]
    assert pyramid.positions == released.get("abs_pe", False)
    assert pyramid.drop_path == RELEASED["droppath"]
    assert instantiate(config.method.head, _convert_="all").prior == RELEASED["cls_prior"]
    assert sum(p.numel() for p in method.parameters()) == released["params"]


def test_optimization(recipe):
    released, config, method = recipe
    assert (method.recipe.lr, method.recipe.weight_decay) == (released["lr"], released["weight_decay"])
    assert (list(method.recipe.betas), method.recipe.eps) == (RELEASED["optimizer"]["betas"], 1e-8)
    assert method.recipe.clip_norm == RELEASED["grad_clip_l2"]
    assert method.recipe.warmup_epochs == released["warmup_epochs"]
    assert config.trainer.max_epochs == released["warmup_epochs"] + released["epochs"]
    assert config.data.loader.batch_size == released["batch_size"]
    average = config.callbacks.average
    assert (average.decay, average.warmup) == (RELEASED["ema"]["decay"], False)
    assert (config.protocol.monitor, config.data.selection_split) == ("epoch", "test")


def test_objective(recipe):
    released, _, method = recipe
    loss = method.criterion.config
    assert loss.initial_normalizer == released["init_loss_norm"]
    assert (loss.regression_weight, loss.label_smoothing) == (released["loss_weight"], released["label_smoothing"])
    assert RELEASED["center_sampling"] == f"radius {loss.centre_radius}"


def test_suppression(compose):
    thumos, anet = (
        instantiate(compose(f"experiment={experiment}", *facts).method.decoder)
        for experiment, facts in EXPERIMENTS.values()
    )
    released = RELEASED["configs"]["thumos_i3d"]
    ours = (thumos.sigma, thumos.max_events, thumos.voting_threshold)
    assert ours == (released["nms_sigma"], released["max_seg_num"], released["voting_thresh"])
    stated = RELEASED["configs"]["anet_tsp"]["nms"]
    assert f"sigma {anet.sigma}, voting {anet.voting_threshold}" in stated
    assert f"duration_thresh {anet.min_length}, max_seg_num {anet.max_events}" in stated


def test_thresholds_of_the_metric(recipe):
    released, config, _ = recipe
    low, step, high = map(float, released["tiou"].split(":"))
    grid = instantiate(config.data, _convert_="all").tiou_grid
    assert grid == pytest.approx([low + step * i for i in range(round((high - low) / step) + 1)])
