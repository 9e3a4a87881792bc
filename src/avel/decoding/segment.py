"""Decoding of per-snippet predictions: logits -> one class per snippet -> detections (seconds).

Every paper on AVE decides in one of two ways. AV-att, DMRN and PSP, fully or weakly supervised, take the best of all
classes and background in each snippet (`by_argmax`). CMRAN first asks of each snippet whether there is an event, and
gives all snippets that have one the class of the video (`by_relevance`).
"""

from __future__ import annotations

import torch
from torch import Tensor

from avel.decoding.detections import Detections
from avel.floats import at_least_float32
from avel.segments.runs import runs


def by_argmax(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Decide for the best class of each snippet, background being one of them.

    Args:
        logits: (B, T, C + 1), background last.

    Returns:
        Labels (B, T) in 0..C and, as scores (B, T, C), the probabilities of all classes but background.
    """
    return logits.argmax(dim=-1), at_least_float32(logits).softmax(dim=-1)[..., :-1]


def by_relevance(relevance: Tensor, video_logits: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Decide for the video's one class wherever there is an event (CMRAN; Xu et al., ACM MM 2020).

    Args:
        relevance: logits of "there is an event", (B, T); its probability must be above one half.
        video_logits: of the video's class, (B, C), or (B, C + 1) where that may be background.
        num_classes: classes C.

    Returns:
        Labels (B, T) in 0..C and scores (B, T, C), the probability of an event times that of the video's class.
    """
    event, video_logits = at_least_float32(relevance).sigmoid(), at_least_float32(video_logits)
    labels = torch.where(event > 0.5, video_logits.argmax(dim=-1, keepdim=True), num_classes)
    return labels, event[..., None] * video_logits.softmax(dim=-1)[:, None, :num_classes]


def to_detections(labels: Tensor, scores: Tensor, *, hop: float) -> list[Detections]:
    """Merge consecutive snippets of one class to events.

    Args:
        labels: (B, T) in 0..C; C is background.
        scores: (B, T, C). An event's score is the mean of its class's over its snippets.
        hop: seconds per snippet; an event lasts from its first snippet's start to its last snippet's end.

    Returns:
        Detections of each video in order of time.
    """
    found = runs(labels)
    row, start, end, label = (column[found.label < scores.shape[-1]] for column in found)
    time = torch.arange(labels.shape[1], device=labels.device)
    inside = (time >= start[:, None]) & (time < end[:, None])  # (N, T)
    score = scores[row, :, label].where(inside, 0).sum(dim=1) / (end - start)
    columns = (torch.stack([start, end], dim=1).double() * hop, score, label)
    sizes = row.bincount(minlength=len(labels)).tolist()
    parts = (column.split(sizes) for column in columns)
    return [Detections(*of_video) for of_video in zip(*parts, strict=True)]
