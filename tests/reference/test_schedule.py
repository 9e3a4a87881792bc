"""The learning rate of every optimizer step against the released recipes."""

import json
import re
from typing import Any

import pytest
import torch
from torch.optim import AdamW

from avel.training.schedulers import warmup_cosine
from tests.reference.loader import FOLDER

TABLE = re.compile(r"lr_used_at_iteration_(\d+)_iters_per_epoch")
RECIPES = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*-training.json"))}
TABLES = [
    pytest.param(recipe, key, id=f"{name}-{key}")
    for name, recipe in RECIPES.items()
    for key in recipe.get("schedule", {})
    if TABLE.fullmatch(key)
]


@pytest.mark.parametrize(("recipe", "key"), TABLES)
def test_learning_rates(recipe: dict[str, Any], key: str) -> None:
    schedule, per_epoch = recipe["schedule"], int(TABLE.fullmatch(key)[1])
    optimizer = AdamW([torch.nn.Parameter(torch.zeros(1))], lr=recipe["optimizer"]["lr"])
    warmup_steps, total_steps = (schedule[epochs] * per_epoch for epochs in ("warmup_epochs", "total_epochs"))
    min_lr = float(re.search(r"eta_min (\S+?),", schedule["kind"])[1])
    scheduler = warmup_cosine(optimizer, warmup_steps, total_steps, min_lr)
    expected = {int(iteration): rate for iteration, rate in schedule[key].items()}
    used = []
    for _ in range(max(expected) + 1):
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert {i: used[i] for i in expected} == pytest.approx(expected, rel=1e-6, abs=0)
