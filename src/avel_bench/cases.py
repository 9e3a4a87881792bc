"""The methods that are measured, in their published sizes, and random batches for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from avel.batch import Batch, Sample, TimeGrid, collate
from avel.data.families import FAMILIES
from avel.layers.heads import HeadConfig
from avel.layers.pyramid import PyramidConfig
from avel.methods.ccnet import CCNet
from avel.methods.unav import UnAV

EVENTS = 3
"""Events of a video, about as many as in UnAV-100."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A dense method and the features it works on; the defaults are UnAV-100's.

    Attributes:
        kind: the method.
        visual_dim: width of the visual features.
        audio_dim: width of the audio features.
        max_length: snippets it is trained on.
        shorter: snippets by which the second video of a batch is shorter than the first.
        num_classes: classes.
        pyramid: sizes of its pyramid.
        head: sizes of its heads.
        neck_dim: channels per class in its neck.
        grid: where the snippets lie in time.
    """

    kind: type[CCNet] | type[UnAV]
    visual_dim: int
    audio_dim: int
    max_length: int
    shorter: int = 40
    num_classes: int = 100
    pyramid: PyramidConfig = PyramidConfig()
    head: HeadConfig = HeadConfig()
    neck_dim: int = 128
    grid: TimeGrid = FAMILIES["i3d_vggish"].grid

    def build(self) -> CCNet | UnAV:
        """Build the method, untrained."""
        return self.kind(
            num_classes=self.num_classes,
            visual_dim=self.visual_dim,
            audio_dim=self.audio_dim,
            max_length=self.max_length,
            pyramid=self.pyramid,
            head=self.head,
            neck_dim=self.neck_dim,
        )

    def pair(self, longest: int) -> Batch:
        """Make a batch of two videos."""
        return self.batch([longest, longest - self.shorter])

    def batch(self, lengths: Sequence[int]) -> Batch:
        """Make a batch of random videos of some lengths in snippets."""
        return collate([self._sample(number, length) for number, length in enumerate(lengths)])

    def _sample(self, number: int, length: int) -> Sample:
        return Sample(
            video=f"video {number}",
            visual=torch.randn(length, self.visual_dim),
            audio=torch.randn(length, self.audio_dim),
            segments=(torch.rand(EVENTS, 2) * length).sort().values,
            labels=torch.randint(self.num_classes, (EVENTS,)),
            duration=self.grid.seen(length),
            grid=self.grid,
        )


def cases(*, narrow: bool) -> dict[str, Case]:
    """Return the methods by name."""
    if not narrow:
        grid = FAMILIES["one_peace"].grid
        ccnet = Case(kind=CCNet, visual_dim=1536, audio_dim=1536, max_length=256, grid=grid)
        return {"CCNet": ccnet, "UnAV": Case(kind=UnAV, visual_dim=2048, audio_dim=128, max_length=224)}
    pyramid, head = PyramidConfig(dim=8, heads=2, levels=3, stem_layers=1), HeadConfig(dim=8, layers=2)
    return {
        kind.__name__: Case(
            kind=kind,
            visual_dim=6,
            audio_dim=4,
            max_length=32,
            shorter=8,
            num_classes=3,
            pyramid=pyramid,
            head=head,
            neck_dim=4,
        )
        for kind in (CCNet, UnAV)
    }
