"""The learning rate of every optimizer step against the released recipes."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from torch import Tensor
from torch.optim import AdamW

from avel.batch import Batch, DensePrediction, empty_batch
from avel.data.multitask import MultitaskDataModule
from avel.tasks.dense import DenseLocalizer
from avel.tasks.dense_task import DenseTask
from avel.training.optim import OptimizerRecipe
from avel.training.schedulers import warmup_cosine
from tests.reference.loader import FOLDER
from tests.stored import StoredBatches

TABLE = re.compile(r"lr_used_at_iteration_(\d+)_iters_per_epoch")
RECIPES = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*-training.json"))}
ROUNDS = re.compile(r"table_N(\d+)_base(\S+?)_warmup(\d+)_epochs(\d+)")
TABLES = [
    pytest.param(recipe, key, id=f"{name}-{key}")
    for name, recipe in RECIPES.items()
    for key in recipe.get("schedule", {})
    if TABLE.fullmatch(key)
]
TABLES_OF_ROUNDS = [
    pytest.param(recipe, key, id=f"{name}-{key}")
    for name, recipe in RECIPES.items()
    for key in recipe.get("schedule", {})
    if ROUNDS.fullmatch(key)
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


class Rates(DenseLocalizer):
    """Learns one number, and notes with which rate."""

    def __init__(self, tasks: tuple[str, ...], recipe: OptimizerRecipe) -> None:
        super().__init__({task: DenseTask(2, 4) for task in tasks}, 1, recipe)
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.used: list[float] = []

    def forward(self, batch: Batch) -> DensePrediction:
        raise NotImplementedError

    def padded_length(self, longest: int) -> int:
        raise NotImplementedError

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        self.used.append(self.trainer.optimizers[0].param_groups[0]["lr"])
        return self.weight**2


@pytest.mark.parametrize(("recipe", "key"), TABLES_OF_ROUNDS)
def test_learning_rates_of_rounds(recipe: dict[str, Any], key: str) -> None:
    """Lightning steps the schedule once per round, in which each task is trained, or rests."""
    rounds, base, warmup, epochs = ROUNDS.fullmatch(key).groups()
    tasks = tuple(recipe.get("loss", {}).get("init_loss_norm", ["only"]))
    method = Rates(tasks, OptimizerRecipe(lr=float(base), warmup_epochs=int(warmup)))
    sets = {task: StoredBatches(replace(empty_batch(task), videos=["v"] * (task == tasks[0]))) for task in tasks}
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=int(warmup) + int(epochs),
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(method, MultitaskDataModule(sets, rounds=int(rounds)))
    for number, rate in recipe["schedule"][key].items():
        used = method.used[len(tasks) * int(number) :][: len(tasks)]
        assert used == pytest.approx([rate] * len(tasks), rel=1e-6, abs=0)


def test_there_are_tables() -> None:
    assert TABLES
    assert TABLES_OF_ROUNDS
