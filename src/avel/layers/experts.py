"""Modules of which every task has its own, beside those that all tasks share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from avel.errors import UserError


def per_task(tasks: Sequence[str], build: Callable[[str], nn.Module]) -> nn.Module:
    """Build one module for each task by its name, or, without names, a single one for all: `build("")`.

    Raises:
        UserError: a name that PyTorch does not allow for a module.
    """
    for task in tasks:
        if not task.isidentifier():
            raise UserError(f"task {task!r}: take a name of letters, digits and underscores")
        if task in dir(nn.ModuleDict):
            raise UserError(f"task {task!r}: take another name, this one is reserved")
    return nn.ModuleDict({task: build(task) for task in tasks}) if tasks else build("")


def expert(module: nn.Module, task: str) -> nn.Module:
    """Return a task's own module of what `per_task` built; a single one serves every task."""
    return module[task] if isinstance(module, nn.ModuleDict) else module
