from copy import deepcopy

import pytest
import torch
from torch import nn

from avel.errors import UserError
from avel.training.optim import OptimizerRecipe, StepRecipe, build_adam, build_optimizer, decay_groups, take_recipe
from avel.training.schedulers import adam_in_steps, warmup_cosine


class Scale(nn.Module):
    def __init__(self, *shape):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(shape))


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.zeta = nn.Linear(3, 4)
        self.conv = nn.Conv1d(4, 4, 3, groups=4, bias=False)
        self.norm = nn.LayerNorm(4)
        self.drop = Scale(4)
        self.level = Scale()
        self.attention = nn.MultiheadAttention(4, 2)
        self.attention.distance_bias = nn.Parameter(torch.zeros(2, 3))


def names_of(module, parameters):
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    return [names[id(parameter)] for parameter in parameters]


def test_only_matrices_and_kernels_decay():
    network = Network()
    decaying, other = (names_of(network, group) for group in decay_groups(network))
    assert decaying == [
        "attention.in_proj_weight",
        "attention.out_proj.weight",
        "conv.weight",
        "zeta.weight",
    ]
    assert other == [
        "attention.distance_bias",
        "attention.in_proj_bias",
        "attention.out_proj.bias",
        "drop.scale",
        "level.scale",
        "norm.bias",
        "norm.weight",
        "zeta.bias",
    ]


def test_shared_parameters_count_once_and_frozen_ones_not():
    network = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)})
    network["b"].weight = network["a"].weight
    network["a"].bias.requires_grad_(False)
    decaying, other = (names_of(network, group) for group in decay_groups(network))
    assert (decaying, other) == (["a.weight"], ["b.bias"])


def test_optimizer_follows_the_recipe():
    recipe = OptimizerRecipe(lr=0.5, weight_decay=0.1, betas=(0.8, 0.9), eps=1e-6)
    optimizer = build_optimizer(nn.Linear(2, 2), recipe)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1, 0.0]
    for group in optimizer.param_groups:
        assert (group["lr"], group["betas"], group["eps"]) == (0.5, (0.8, 0.9), 1e-6)


def test_parameters_can_have_a_learning_rate_of_their_own():
    network = nn.ModuleDict({"text": nn.Linear(2, 2), "visual": nn.Linear(2, 2)})
    groups = build_optimizer(network, OptimizerRecipe(lr=0.5, weight_decay=0.1, lr_of={"text": 0.25})).param_groups
    found = [(names_of(network, group["params"]), group["lr"], group["weight_decay"]) for group in groups]
    assert found == [
        (["visual.weight"], 0.5, 0.1),
        (["visual.bias"], 0.5, 0.0),
        (["text.weight"], 0.25, 0.1),
        (["text.bias"], 0.25, 0.0),
    ]
    with pytest.raises(UserError, match="lr_of: no parameter's name begins with 'words'"):
        build_optimizer(network, OptimizerRecipe(lr_of={"words": 0.25}))
    with pytest.raises(UserError, match="lr_of.text=-1: give a number from 0 on"):
        OptimizerRecipe(lr_of={"text": -1})


def test_a_step_without_gradient_shrinks_weights_only():
    layer = nn.Linear(2, 2)
    weight, bias = layer.weight.detach().clone(), layer.bias.detach().clone()
    (layer.weight.sum() * 0 + layer.bias.sum() * 0).backward()
    build_optimizer(layer, OptimizerRecipe(lr=0.1, weight_decay=0.5)).step()
    torch.testing.assert_close(layer.weight.detach(), weight * 0.95)
    torch.testing.assert_close(layer.bias.detach(), bias, rtol=0, atol=0)


def test_adam_follows_the_recipe_and_leaves_frozen_parameters_out():
    network = nn.Linear(2, 3)
    network.bias.requires_grad_(False)
    (group,) = build_adam(network, StepRecipe(lr=0.5, eps=1e-7)).param_groups
    assert group["params"] == [network.weight]
    assert (group["lr"], group["eps"], group["betas"], group["weight_decay"]) == (0.5, 1e-7, (0.9, 0.999), 0)


def test_adam_does_not_shrink_weights():
    layer = nn.Linear(2, 2)
    before = layer.weight.detach().clone()
    (layer.weight.sum() * 0 + layer.bias.sum() * 0).backward()
    build_adam(layer, StepRecipe(lr=0.1)).step()
    torch.testing.assert_close(layer.weight.detach(), before, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interval": "batch"}, "interval=batch: unknown, choose one of epoch, step"),
        ({"lr": -1.0}, "lr=-1.0: give a number from 0 on"),
        ({"gamma": "half"}, "gamma=half: give a number from 0 on"),
        ({"eps": None}, "eps=None: give a number from 0 on"),
        ({"clip_norm": 0}, "clip_norm=0: give a number above 0, or null"),
        ({"clip_norm": "no"}, "clip_norm=no: give a number above 0, or null"),
        ({"milestones": (10, 0)}, r"milestones=\(10, 0\): give a list of whole numbers from 1 on"),
        ({"milestones": [1.5]}, r"milestones=\[1.5\]: give a list of whole numbers"),
        ({"milestones": 5}, "milestones=5: give a list of whole numbers"),
    ],
)
def test_a_recipe_that_cannot_be_meant_is_named(options, message):
    with pytest.raises(UserError, match=f"method.optimizer.{message}"):
        StepRecipe(**options)


def recipe_of(lr, norm=0.5, **options):
    return OptimizerRecipe(lr=lr, lr_of={"norm": norm}, **options)


def scheduled(recipe, steps=0):
    """Optimizer and schedule of a training with a rate of its own for the norms, after some steps."""
    optimizer = build_optimizer(Network(), recipe)
    schedule = warmup_cosine(optimizer, 2, 10, 0.0)
    for _ in range(steps):
        optimizer.step()
        schedule.step()
    return optimizer, schedule


def stepped(recipe, steps=0):
    """Optimizer and schedule of a training whose rate falls in steps, after some of them."""
    made = adam_in_steps(nn.Linear(2, 2), recipe)
    optimizer, schedule = made["optimizer"], made["lr_scheduler"]["scheduler"]
    for _ in range(steps):
        optimizer.step()
        schedule.step()
    return optimizer, schedule


def checkpoint_of(optimizer, schedule):
    return deepcopy({"optimizer_states": [optimizer.state_dict()], "lr_schedulers": [schedule.state_dict()]})


CHANGES = [
    (scheduled, recipe_of(1.0), recipe_of(0.25)),
    (scheduled, recipe_of(1.0), recipe_of(1.0, norm=0.125)),
    (scheduled, recipe_of(1.0), recipe_of(1.0, weight_decay=0.1, betas=(0.8, 0.9), eps=1e-6)),
    (scheduled, recipe_of(1.0, weight_decay=0.0), recipe_of(2.0, weight_decay=0.1)),
    (stepped, StepRecipe(lr=1.0, milestones=(2, 6)), StepRecipe(lr=0.5, milestones=(2, 6), eps=1e-4)),
    (stepped, StepRecipe(lr=1.0, milestones=(2, 6)), StepRecipe(lr=1.0, milestones=(5,), gamma=0.5)),
    (stepped, StepRecipe(lr=1.0, milestones=(9,)), StepRecipe(lr=0.5, milestones=(1, 2, 2, 5))),
]


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize(("training", "then", "now"), CHANGES)
def test_a_resumed_training_is_optimized_by_its_own_recipe(training, then, now, steps):
    whole, (optimizer, schedule) = training(now, steps), training(now)
    checkpoint = checkpoint_of(*training(then, steps))
    take_recipe(checkpoint, now)
    optimizer.load_state_dict(checkpoint["optimizer_states"][0])
    schedule.load_state_dict(checkpoint["lr_schedulers"][0])
    for _ in range(3):
        assert schedule.get_last_lr() == pytest.approx(whole[1].get_last_lr())
        for each in (optimizer, schedule, *whole):
            each.step()
    for one, other in zip(optimizer.param_groups, whole[0].param_groups, strict=True):
        left_out = {"params": None, "lr": None}
        assert one | left_out == other | left_out


@pytest.mark.parametrize(
    ("training", "recipe"), [(scheduled, recipe_of(0.3)), (stepped, StepRecipe(lr=0.3, milestones=(1, 3), gamma=0.7))]
)
def test_a_checkpoint_of_the_same_recipe_stays_as_it_is(training, recipe):
    checkpoint = checkpoint_of(*training(recipe, 3))
    same = deepcopy(checkpoint)
    take_recipe(checkpoint, recipe)
    assert str(checkpoint) == str(same)


def test_what_other_recipes_do_not_fit_stays_as_it_is():
    take_recipe({}, recipe_of(1.0))
    checkpoint = checkpoint_of(*scheduled(recipe_of(1.0), 3))
    same = deepcopy(checkpoint)
    for recipe in (StepRecipe(), OptimizerRecipe()):
        take_recipe(checkpoint, recipe)
    assert str(checkpoint) == str(same)


def test_a_rate_that_had_fallen_to_zero_stays_and_so_does_one_that_was_zero():
    checkpoint = checkpoint_of(*stepped(StepRecipe(lr=0.3, milestones=(1,), gamma=0.0), 2))
    take_recipe(checkpoint, StepRecipe(lr=0.3))
    assert checkpoint["optimizer_states"][0]["param_groups"][0]["lr"] == 0
    checkpoint = checkpoint_of(*stepped(StepRecipe(lr=0.0), 2))
    take_recipe(checkpoint, StepRecipe(lr=0.3))
    assert checkpoint["optimizer_states"][0]["param_groups"][0]["lr"] == 0
