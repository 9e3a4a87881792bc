"""Batches of random clips, and methods small enough for unit tests that take them."""

import torch

from avel.batch import ClipBatch

C = 3
"""Classes of the clips; background is class 3."""


def random_clips(count=4, length=5, height=2, width=3, visual_dim=6, audio_dim=4, seed=0):
    """Clips of which the first is all event, the last all background and the others are mixed."""
    generator = torch.Generator().manual_seed(seed)
    video_labels = torch.randint(C, (count,), generator=generator)
    event = torch.rand(count, length, generator=generator) < 0.5
    event[0], event[-1] = True, False
    return ClipBatch(
        videos=[f"video {index}" for index in range(count)],
        visual=torch.rand(count, length, height, width, visual_dim, generator=generator),
        audio=torch.rand(count, length, audio_dim, generator=generator),
        labels=torch.where(event, video_labels[:, None], C),
        video_labels=video_labels,
    )


def narrow_on_clips(kind, seed=0, **changes):
    torch.manual_seed(seed)
    sizes = {"num_classes": C, "visual_dim": 6, "audio_dim": 4, "positions": 6, "attention_dim": 7, "lstm_dim": 4}
    return kind(**sizes | changes)
