"""What all readers of precomputed features can do, whatever the files are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from torch import Tensor

UNEVEN_SNIPPETS, UNEVEN_SHARE = 3, 0.05
"""Audio and visual lengths may differ by either of these without a warning."""


class Shape(NamedTuple):
    """Snippets and channels of a video's features, before audio and visual are cut alike."""

    visual_length: int
    audio_length: int
    visual_dim: int
    audio_dim: int

    @property
    def length(self) -> int:
        """Snippets that are left of both."""
        return min(self.visual_length, self.audio_length)

    @property
    def is_uneven(self) -> bool:
        """Whether audio and visual lengths differ by more than extractors explain."""
        longest = max(self.visual_length, self.audio_length)
        return abs(self.visual_length - self.audio_length) > max(UNEVEN_SNIPPETS, UNEVEN_SHARE * longest)


class FeatureReader(Protocol):
    """Reads the features of many videos; workers of a loader may share one, whether forked or spawned."""

    @property
    def place(self) -> Path:
        """The file or folder that is read."""
        ...

    @property
    def sought(self) -> str:
        """What a missing video lacks, for messages."""
        ...

    def describe(self, video: str) -> str:
        """Return what the video's features are called, for messages."""
        ...

    def videos(self) -> list[str]:
        """Return the ids of all videos of which something is there, in any order."""
        ...

    def missing(self, videos: Sequence[str]) -> list[str]:
        """Return those of `videos` whose features are not all there."""
        ...

    def shape(self, video: str) -> Shape:
        """Return lengths and widths of a video's features without reading them.

        Raises:
            UserError: they are missing, damaged or empty.
        """
        ...

    def expect(self, videos: Sequence[str]) -> None:
        """Be told which videos are read next."""
        ...

    def read(self, video: str) -> tuple[Tensor, Tensor]:
        """Return a video's features, visual (T_visual, D_visual) and audio (T_audio, D_audio) float32.

        Without audio, D_audio is 0 and T_audio is T_visual.

        Raises:
            UserError: they are missing, damaged, empty or hold NaN or infinity; the message names the file.
        """
        ...
