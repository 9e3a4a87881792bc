"""Which tensor of a training step is the first that is not finite: found by running the step again."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

Moment = Literal["loss", "gradient"]
Step = Callable[[], Tensor]


def first_non_finite(method: nn.Module, batch: Any, step: Step, moment: Moment) -> str | None:
    """Say for people where the numbers of a step go wrong first.

    All processes that train together have to ask together: a step may ask the others for their numbers.

    Args:
        method: what is trained.
        batch: what it was trained on, see `avel.batch`.
        step: runs the step again, as it was, and returns the loss.
        moment: whether the loss is not finite, or a gradient.

    Returns:
        None where all is finite this time, or in this process.
    """
    before = bad_input(batch) or bad_weight(method)
    if moment == "loss":
        with torch.no_grad():  # the memory of the first attempt is still in use
            found = first_bad_output(method, step)  # in any case: other processes may wait for this one
            return before or found
    found, function = first_bad_gradient(method, step), failing_function(method, step)
    return before or (f"{found}, behind {function}" if found and function else found)


def bad_input(batch: Any) -> str | None:
    """Name the features of a batch that are not finite."""
    for name in ("visual", "audio"):
        bad = ~getattr(batch, name).flatten(2).isfinite().all(dim=2)  # (B, T)
        if bad.any():
            row, snippet = bad.nonzero()[0].tolist()
            return f"the {name} features of video {batch.videos[row]!r}, first in snippet {snippet}"
    return None


def bad_weight(method: nn.Module) -> str | None:
    """Name the first weight or buffer of a checkpoint that is not finite."""
    names = (name for name, value in method.state_dict().items() if not is_finite(value))
    return next((f"the weights {name}, before the step" for name in names), None)


def first_bad_output(method: nn.Module, step: Step) -> str | None:
    """Name the module, first in the order of execution, whose output is not finite while all that it got is."""
    found: list[str] = []

    def look(name: str, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        if not found and not is_finite(output) and is_finite((args, kwargs)):
            found.append(f"the output of {name or 'the network'} ({type(module).__name__}), whose inputs are finite")

    modules = method.named_modules()
    with _removed([module.register_forward_hook(partial(look, name), with_kwargs=True) for name, module in modules]):
        loss = step()
    if not found and not is_finite(loss):
        return "the loss, of outputs that are finite"
    return found[0] if found else None


def first_bad_gradient(method: nn.Module, step: Step) -> str | None:
    """Name the weights whose gradient is, first in the order of the backward pass, not finite."""
    bad: list[str] = []

    def look(name: str, gradient: Tensor) -> None:
        if not is_finite(gradient):
            bad.append(name)

    with _removed([weight.register_hook(partial(look, name)) for name, weight in trained(method).items()]):
        differentiate(method, step)
    return f"the gradient of {bad[0]} (the first of {len(bad)} in the backward pass)" if bad else None


def failing_function(method: nn.Module, step: Step) -> str | None:
    """Name the operation whose backward pass gives NaN, as autograd calls it; None where it is infinity first."""
    with warnings.catch_warnings(action="ignore"), torch.autograd.detect_anomaly():
        try:
            differentiate(method, step)
        except RuntimeError as error:
            name = re.search(r"Function '(\w+)' returned nan", str(error))
            return name[1] if name else None
    return None


def differentiate(method: nn.Module, step: Step) -> None:
    """Run the backward pass of a step past the gradients that are there, and past other processes."""
    torch.autograd.grad(step(), [*trained(method).values()], allow_unused=True)


def trained(method: nn.Module) -> dict[str, nn.Parameter]:
    """Return the weights that have gradients, by name."""
    return {name: weight for name, weight in method.named_parameters() if weight.requires_grad}


def is_finite(value: Any) -> bool:
    """Whether all floating-point tensors in nested containers and dataclasses are finite."""
    return all(bool(tensor.isfinite().all()) for tensor in tensors(value) if tensor.is_floating_point())


def tensors(value: Any) -> Iterator[Tensor]:
    """Give all tensors in nested containers and dataclasses."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from tensors([*value.values()])
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors(item)
    elif is_dataclass(value):
        yield from tensors([getattr(value, field.name) for field in fields(value)])


@contextmanager
def _removed(hooks: list[Any]) -> Iterator[None]:
    """Remove hooks when the block ends."""
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
