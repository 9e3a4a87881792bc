"""The yaml of UniAV is the recipe of the released code for its audio-visual task."""

import json

import pytest
import torch

from avel_run.building import build_method
from tests.config.conftest import CONF

RELEASED = json.loads((CONF.parent / "tests/reference/cases/uniav-training.json").read_text())
FACTS = (
    *("data.num_classes=100", "data.visual_dim=1536", "data.audio_dim=1536", "data.max_length=256"),
    "method.tasks.unav100.prompts=null",
)


@pytest.fixture
def recipe(compose):
    """The composed configuration and the method."""
    config = compose("experiment=uniav_unav100", "size=published", "protocol=published", *FACTS)
    with torch.device("meta"):
        return config, build_method(config)


def test_what_the_tasks_share_and_one_task_have_the_published_size(recipe):
    _, method = recipe
    # 130,750,693 with three tasks: two more LayerNorm and MLP experts in each of 16 blocks, two more output layers
    experts = 16 * (2 * 512 + 2 * 4 * 512**2 + 5 * 512)
    outputs = 3 * 512 * (2 + 2 * 10) + 2 + 2 * 10
    assert sum(p.numel() for p in method.parameters()) == 130_750_693 - 2 * experts - outputs


def test_optimization(recipe):
    config, method = recipe
    released, ours = RELEASED["optimizer"], method.recipe
    decay = {group["name"]: group for group in released["groups"]}
    assert ours.lr == decay["clip_proj_weight"]["lr"] == 1e-3
    assert f"learning_rate = {ours.lr:.0e}".replace("e-03", "e-3") in released["base_lr"]
    assert (ours.weight_decay, list(ours.betas), ours.eps) == (
        *(decay["decay"]["weight_decay"], released["betas"]),
        released["eps"],
    )
    assert (ours.clip_norm, ours.min_lr) == (RELEASED["grad_clip_l2"], 1e-8)
    epochs = RELEASED["epochs"]
    assert (ours.warmup_epochs, config.trainer.max_epochs) == (epochs["warmup_epochs"], epochs["total"])
    assert config.data.loader.batch_size == RELEASED["batch_size"]["per_task"]
    assert config.data.loader.eval_batch_size == RELEASED["eval"]["batch_size"]
    average = config.callbacks.average
    assert (average.decay, average.warmup) == (RELEASED["ema"]["decay"], False)
    assert (config.protocol.monitor, config.protocol.selection_split) == ("epoch", "test")


def test_objective_and_suppression(recipe):
    config, method = recipe
    loss, decoder, nms = method.tasks["unav100"].loss, method.tasks["unav100"].decoder, RELEASED["nms"]
    assert loss.initial_normalizer == RELEASED["loss"]["init_loss_norm"]["AVEL"]
    assert (loss.regression_weight, loss.label_smoothing) == (1, RELEASED["loss"]["label_smoothing"]["AVEL"])
    assert loss.normalizer_momentum == RELEASED["loss"]["normaliser_momentum"]
    assert config.method.pyramid.drop_path == RELEASED["droppath"]
    assert (decoder.nms, decoder.sigma, decoder.per_class) == ("soft", nms["soft_sigma"]["AVEL"], nms["multiclass"])
    assert (decoder.pre_nms_threshold, decoder.pre_nms_topk) == (nms["pre_nms_thresh"], nms["pre_nms_topk"])
    assert (decoder.min_score, decoder.max_events) == (nms["min_score"], nms["max_seg_num"])
    assert (decoder.min_length, decoder.class_scores) == (nms["duration_thresh"], nms["external_scores"])


def test_positions_are_right_unless_the_released_ones_are_asked_for(compose, recipe):
    assert recipe[1].positions == "whole_table_in_eval"
    assert compose("experiment=uniav_unav100", *FACTS).method.positions == "prefix"
