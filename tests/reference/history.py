"""Records what a trainer does, to be compared with the steps of the released codes."""

import copy

import torch
from lightning import Callback


class History(Callback):
    """Records what a trainer does at every step, and the raw weights after the last one."""

    def __init__(self, steps: int) -> None:
        self.steps, self.rows, self.raw = steps, [], {}

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        gradients = [p.grad.norm() for p in pl_module.parameters() if p.grad is not None]
        lr = optimizer.param_groups[0]["lr"]
        self.rows.append({"lr": lr, "grad_norm_before_clip": torch.stack(gradients).norm().item()})

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        for key, name in (("cls_loss", "classification_loss"), ("reg_loss", "regression_loss")):
            self.rows[-1][key] = trainer.callback_metrics[f"train/{name}"].item()
        self.rows[-1]["loss_normalizer"] = pl_module.criterion.normalizer.item()
        if len(self.rows) == self.steps:
            self.raw = copy.deepcopy(pl_module.state_dict())
            trainer.should_stop = True
