import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch import LightningModule, Trainer
from torch.optim import SGD
from torch.optim.lr_scheduler import LambdaLR

from avel.training.schedulers import ScheduleSteps, warmup_cosine

MIN_LR = 0.01


def rates(steps, warmup_steps, total_steps, *bases):
    """Learning rates of each group at every optimizer step."""
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": base} for base in bases]
    optimizer = SGD(groups)
    scheduler = warmup_cosine(optimizer, warmup_steps, total_steps, MIN_LR)
    history = []
    for _ in range(steps):
        history.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    return [list(column) for column in zip(*history, strict=True)]


def test_shape_of_the_schedule():
    (history,) = rates(10, 3, 7, 1.0)
    assert history[:4] == [0.0, 0.5, 1.0, 1.0]
    assert history[5] == pytest.approx((1 + MIN_LR) / 2)
    assert history[7:] == pytest.approx([MIN_LR] * 3)


@pytest.mark.parametrize(("warmup_steps", "first"), [(0, [1.0]), (1, [0.0, 1.0]), (2, [0.0, 1.0, 1.0])])
def test_short_warmups(warmup_steps, first):
    (history,) = rates(6, warmup_steps, 5, 1.0)
    assert history[: len(first)] == first
    assert history[5] == pytest.approx(MIN_LR)


@pytest.mark.parametrize("total_steps", [0, 2, 4])
def test_a_run_that_ends_within_the_warmup(total_steps):
    (history,) = rates(7, 4, total_steps, 1.0)
    assert history == pytest.approx([0, 1 / 3, 2 / 3, 1, 1, MIN_LR, MIN_LR])


def test_every_group_starts_from_its_own_rate_and_ends_at_the_same():
    small, large = rates(9, 2, 8, 0.1, 1.0)
    assert (small[1], large[1]) == (0.1, 1.0)
    assert small[8] == large[8] == pytest.approx(MIN_LR)


def test_a_rate_of_zero_stays_zero():
    still, moving = rates(9, 2, 8, 0.0, 1.0)
    assert still == [0.0] * 9
    assert moving[2] == 1


@given(st.integers(0, 20), st.integers(0, 60))
def test_rises_then_falls_within_bounds(warmup_steps, total_steps):
    (history,) = rates(70, warmup_steps, total_steps, 1.0)
    rising, falling = history[:warmup_steps], history[warmup_steps:]
    assert rising == sorted(rising)
    assert falling == sorted(falling, reverse=True)
    assert all(0 <= rate <= 1 for rate in rising)
    assert all(MIN_LR <= rate <= 1 for rate in falling)


def test_resumes_in_the_middle():
    def start():
        optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        return optimizer, warmup_cosine(optimizer, 3, 12, MIN_LR)

    def advance(optimizer, scheduler):
        optimizer.step()
        scheduler.step()
        return optimizer.param_groups[0]["lr"]

    optimizer, scheduler = start()
    for _ in range(5):
        advance(optimizer, scheduler)
    resumed_optimizer, resumed = start()
    resumed_optimizer.load_state_dict(optimizer.state_dict())
    resumed.load_state_dict(scheduler.state_dict())
    for _ in range(8):
        assert advance(resumed_optimizer, resumed) == advance(optimizer, scheduler)


class Counting(LightningModule):
    """Notes how far its schedule is at the end of every epoch."""

    def __init__(self, per_round):
        super().__init__()
        self.per_round = per_round
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.reached = []

    def training_step(self, batch, batch_idx):
        return self.weight**2

    def on_train_epoch_end(self):
        self.reached.append(self.lr_schedulers().last_epoch)

    def configure_optimizers(self):
        self.steps = ScheduleSteps.of(self.trainer, self.per_round)
        optimizer = SGD(self.parameters(), lr=0.1)
        schedule = {"scheduler": LambdaLR(optimizer, lambda _: 1.0), "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": schedule | {"frequency": self.steps.frequency}}


@pytest.mark.parametrize(
    ("per_round", "options", "per_epoch", "total"),
    [
        (1, {}, 12, 24),
        (3, {}, 4, 8),
        (3, {"accumulate_grad_batches": 3}, 4, 8),
        (3, {"accumulate_grad_batches": 2}, 2, 4),
        (3, {"accumulate_grad_batches": 24}, 1, 2),
        (1, {"accumulate_grad_batches": 5}, 3, 6),
        (3, {"limit_train_batches": 7}, 2, 4),
        (3, {"limit_train_batches": 2}, 1, 2),
        (3, {"limit_train_batches": 9, "accumulate_grad_batches": 2}, 2, 4),
        (3, {"limit_train_batches": 7, "accumulate_grad_batches": 3}, 2, 4),
        (3, {"max_steps": 19}, 4, 6),
        (3, {"max_steps": 9, "accumulate_grad_batches": 2}, 2, 3),
        (3, {"max_epochs": -1, "max_steps": 30}, 4, 10),
    ],
    ids=str,
)
def test_steps_are_those_that_lightning_makes(per_round, options, per_epoch, total):
    module = Counting(per_round)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = Trainer(**{"accelerator": "cpu", "max_epochs": 2, "enable_model_summary": False, **quiet, **options})
    trainer.fit(module, torch.utils.data.DataLoader(torch.zeros(12), batch_size=1))
    assert (module.steps.per_epoch, module.steps.total) == (per_epoch, total)
    assert module.reached[0] == per_epoch
    assert module.lr_schedulers().last_epoch == total
