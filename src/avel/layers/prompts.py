"""Classification by prompts: a class is a sentence, and its score how well what is seen and heard fits it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from avel.floats import at_least_float32, full_precision
from avel.layers.heads import HeadConfig, hidden_levels
from avel.layers.levels import JoinedLevels
from avel.layers.masked import ConvStack, MaskedConv1d

TEMPERATURE = 0.07
"""First value of the temperature (CLIP, Radford et al., ICML 2021)."""


class PromptClassifier(nn.Module):
    """Scores every point of the pyramid by the cosine between its features and the text embedding of every class.

    UniAV (arXiv 2404.03179): both are projected to a common space; all tasks share all weights, a task is told by its
    prompts alone. These are buffers, so that a checkpoint holds its vocabulary.

    Args:
        in_dim: channels of the pyramid.
        prompt_dim: width of the text embeddings.
        num_classes: classes C of each task.
        config: sizes; the common space is `config.dim` wide.
    """

    def __init__(self, in_dim: int, prompt_dim: int, num_classes: Mapping[str, int], config: HeadConfig) -> None:
        super().__init__()
        dims = [in_dim] + [config.dim] * (config.layers - 1)
        self.kernel_size = config.kernel_size
        self.hidden = ConvStack(dims, config.kernel_size, norm=config.norm)
        self.visual = MaskedConv1d(dims[-1], config.dim, config.kernel_size)
        self.text = nn.Linear(prompt_dim, config.dim)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / TEMPERATURE)))
        for task, count in num_classes.items():
            self.register_buffer(f"prompts_{task}", torch.zeros(count, prompt_dim))

    @property
    def prompt_dim(self) -> int:
        """Width of the text embeddings."""
        return self.text.in_features

    def set_prompt_dim(self, prompt_dim: int) -> None:
        """Take text embeddings of another width than before: projection and prompts are then yet to be loaded."""
        if prompt_dim == self.prompt_dim:
            return
        self.text = nn.Linear(prompt_dim, self.text.out_features).to(self.logit_scale)
        for name, prompts in self.named_buffers(recurse=False):
            setattr(self, name, prompts.new_zeros(len(prompts), prompt_dim))

    def prompts(self, task: str) -> Tensor:
        """Text embeddings of a task's classes, (C, prompt_dim)."""
        return self.get_buffer(f"prompts_{task}")

    def set_prompts(self, task: str, prompts: Tensor) -> None:
        """Give a task the text embeddings (C', prompt_dim) of its classes, which may be others than before."""
        self.register_buffer(f"prompts_{task}", prompts.to(self.prompts(task)))

    def forward(self, features: list[Tensor], masks: list[Tensor], task: str) -> Tensor:
        """Return logits (B, P, C) of all P points, levels fine to coarse; 0 at padded points."""
        joined = JoinedLevels.of(masks, self.kernel_size)
        visual = torch.cat(joined.split(self.visual(*hidden_levels(self.hidden, features, masks, joined))), dim=1)
        with full_precision(visual.device):
            classes = self.logit_scale.exp() * normalize(self.text(self.prompts(task)), dim=1).T  # (dim, C)
            return normalize(at_least_float32(visual), dim=2) @ classes
