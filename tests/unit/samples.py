"""A sample of any length with any number of events."""

import torch

from avel.batch import Sample, TimeGrid

GRID = TimeGrid(fps=16, stride=4, window=16)


def sample(video: str, length: int, events: int) -> Sample:
    generator = torch.Generator().manual_seed(length)
    return Sample(
        video=video,
        visual=torch.randn(length, 3, generator=generator),
        audio=torch.randn(length, 2, generator=generator),
        segments=torch.rand(events, 2, generator=generator) * length,
        labels=torch.arange(events),
        duration=length * GRID.hop,
        grid=GRID,
    )
