"""A method that classifies by prompts, with other classes than those of its checkpoint, or fewer tasks."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from avel.errors import UserError
from avel.layers.heads import rows_of_classes

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """The classes of a task, by id.

    Attributes:
        prompts: their text embeddings (C, P), all zero where there are none.
        names: their names, () where nobody told.
    """

    prompts: Tensor
    names: tuple[str, ...] = ()

    def name(self, label: int) -> str:
        """Call a class by its name or its id."""
        return self.names[label] if self.names else f"class {label}"

    def agrees(self, known: Vocabulary) -> bool:
        """Whether all prompts are those of `known`, up to rounding; without prompts there is nothing to disagree on."""
        ours, theirs = self.prompts, known.prompts.to(self.prompts)
        return not ours.any() or (ours.shape == theirs.shape and torch.allclose(ours, theirs, atol=1e-4))

    def is_same(self, known: Vocabulary) -> bool:
        """Whether classes and their order are those of `known`: by their names, without names by their prompts."""
        if self.names and known.names:
            return self.names == known.names
        return len(self.prompts) == len(known.prompts) and self.agrees(known)

    def new_to(self, known: Vocabulary) -> list[int]:
        """Return the ids of the classes whose names `known` does not have; without names, of all."""
        return [i for i in range(len(self.prompts)) if not self.names or self.names[i] not in known.names]

    def likes(self, known: Vocabulary) -> Tensor:
        """Find for every class that of `known` with its name, else that with the most similar prompt (cosine).

        Without names and prompts, as in released weights, classes are known by their order.

        Returns:
            Ids (C,) int64.

        Raises:
            UserError: they are known by their order, but there are more or fewer.
        """
        new = self.new_to(known)
        if new and not known.prompts.any():
            if len(self.prompts) != len(known.prompts):
                raise UserError(
                    f"{len(self.prompts)} classes are wanted, but the released weights know {len(known.prompts)}, and"
                    " these by their order alone"
                )
            return torch.arange(len(self.prompts), device=known.prompts.device)
        likes = torch.tensor([0 if i in new else known.names.index(self.names[i]) for i in range(len(self.prompts))])
        if new:
            similarity = normalize(self.prompts[new].to(known.prompts), dim=1) @ normalize(known.prompts, dim=1).T
            likes[new] = similarity.argmax(dim=1).cpu()
        return likes.to(known.prompts.device)


def adapt_classes(checkpoint: dict[str, Any], tasks: Mapping[str, Vocabulary], *, resumes: bool) -> None:
    """Make the weights of a checkpoint those of other classes, for evaluation and prediction.

    A class that the checkpoint knows by name keeps its prompt and its offsets. A new one has the prompt that we have
    for it and, where offsets are class-aware, those of the known class whose prompt is most similar. The log says
    which.

    Args:
        checkpoint: of a run; its `state_dict` has `classify.prompts_<task>` and `regress.out.<task>`, and is changed.
        tasks: the classes that are wanted.
        resumes: training goes on, which it can with the same classes only.

    Raises:
        UserError: training would go on with other classes or prompts of another width, or a new class has no prompt, or
            one of another width.
    """
    described = checkpoint.get("hyper_parameters", {}).get("tasks", {})
    for name in [name for name in tasks if name in described]:
        state, task = checkpoint["state_dict"], described[name]
        known = Vocabulary(state[f"classify.prompts_{name}"], tuple(task.get("class_names", ())))
        if resumes:
            _check_same(name, known, tasks[name])
        if not known.prompts.any():
            _take_prompts(state, name, known, tasks[name], class_aware=task["class_aware"])
        elif not tasks[name].is_same(known):
            _rewrite(state, name, known, tasks[name], class_aware=task["class_aware"])
        elif not tasks[name].agrees(known):
            log.warning("%s: prompts are those of the checkpoint: it was trained with others than the file holds", name)


def leave_out_tasks(checkpoint: dict[str, Any], tasks: Set[str]) -> None:
    """Remove the weights of all tasks but some from a checkpoint of joint training, to evaluate and predict with these.

    Args:
        checkpoint: of a run; its `state_dict` is changed.
        tasks: names of the tasks that stay.
    """
    state, described = checkpoint["state_dict"], checkpoint.get("hyper_parameters", {}).get("tasks", {})
    if not tasks & described.keys():
        return  # of another method, or of other tasks altogether, which loading will refuse
    for task in described.keys() - tasks:
        name = re.escape(task)
        own = re.compile(rf"(^criterion|\.norm_mlp|\.mlp|^regress\.out)\.{name}\.|\.prompts_{name}$")
        for key in [key for key in state if own.search(key)]:
            del state[key]
        log.info("%s: left out, though the checkpoint knows this task", task)


def _rewrite(state: dict[str, Tensor], task: str, known: Vocabulary, ours: Vocabulary, *, class_aware: bool) -> None:
    new = ours.new_to(known)
    _check_new(new, task, known, ours)
    likes = ours.likes(known)
    prompts = known.prompts[likes]
    if new:
        prompts[new] = ours.prompts[new].to(prompts)
    state[f"classify.prompts_{task}"] = prompts
    for name in [name for name in state if class_aware and name.startswith(f"regress.out.{task}.")]:
        state[name] = rows_of_classes(state[name], likes)
    like = [f" (offsets of {known.name(i)!r})" if class_aware else "" for i in likes.tolist()]
    listed = ", ".join(f"{ours.name(i)!r}{like[i]}" for i in new)
    added = f" and {len(new)} new ones: {listed}" if new else ""
    kept = f"{len(likes) - len(new)} of the checkpoint's {len(known.prompts)} classes"
    log.info("%s: looks for %s%s", task, kept, added)


def _take_prompts(
    state: dict[str, Tensor], task: str, known: Vocabulary, ours: Vocabulary, *, class_aware: bool
) -> None:
    """Give released weights, beside which prompts lie in files of their own, those that we have."""
    if not ours.prompts.any() or ours.prompts.shape[1] != known.prompts.shape[1]:
        raise UserError(
            f"{task}: released weights hold no prompts: give method.tasks.{task}.prompts=FILE, of width"
            f" {known.prompts.shape[1]}"
        )
    state[f"classify.prompts_{task}"] = ours.prompts
    for name in [name for name in state if class_aware and name.startswith(f"regress.out.{task}.")]:
        state[name] = rows_of_classes(state[name], ours.likes(known))


def _check_same(task: str, known: Vocabulary, ours: Vocabulary) -> None:
    if not ours.is_same(known):
        old, now = (", ".join(of.names) or f"{len(of.prompts)} without names" for of in (known, ours))
        raise UserError(
            f"{task}: training goes on with the same classes only. Those of the checkpoint are {old}; here they are"
            f" {now}. Repeat the data.class_names of its run, or train anew: ckpt_path=null"
        )
    if (width := ours.prompts.shape[1]) != (wanted := known.prompts.shape[1]):
        raise UserError(
            f"method.tasks.{task}.prompts: width {width}, but the checkpoint's prompts have {wanted}: give those of its"
            f" run, or method.tasks.{task}.prompts=null method.prompt_dim={wanted} to go on without the file"
        )


def _check_new(new: list[int], task: str, known: Vocabulary, ours: Vocabulary) -> None:
    if new and not ours.prompts[new].any(dim=1).all():
        raise UserError(
            f"{task}: the checkpoint does not know the class {ours.name(new[0])!r} ({len(new)} of {len(ours.prompts)}"
            f" are new): give method.tasks.{task}.prompts=FILE, which scripts/make_prompts.py makes"
        )
    if new and (width := ours.prompts.shape[1]) != (wanted := known.prompts.shape[1]):
        raise UserError(
            f"method.tasks.{task}.prompts: width {width}, but the checkpoint's prompts have {wanted}: make them with"
            " the text encoder of its training"
        )
