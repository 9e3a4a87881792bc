"""Which feature files make up a video, and where their snippets lie in time."""

from __future__ import annotations

from dataclasses import dataclass, replace

from avel.batch import TimeGrid


@dataclass(frozen=True, slots=True)
class FeatureFamily:
    """One published set of feature files.

    Attributes:
        visual: endings of a video's visual files; their features are concatenated in this order.
        audio: endings of its audio files; without any, audio features have no channels.
        grid: where the snippets lie in time.
        max_length: snippets that the published methods train on.
        folder: where the files lie in the folder of the data set.
        prefix: what their names begin with, before the video's id.
        native_fps: whether frames were taken at the video's own rate, as far as annotations state it.
    """

    visual: tuple[str, ...]
    audio: tuple[str, ...]
    grid: TimeGrid
    max_length: int
    folder: str = "av_features"
    prefix: str = ""
    native_fps: bool = False

    @property
    def endings(self) -> tuple[str, ...]:
        """Endings of all files of a video."""
        return self.visual + self.audio

    def names(self, video: str) -> list[str]:
        """Return the names of a video's files."""
        return [f"{self.prefix}{video}{ending}" for ending in self.endings]

    def patterns(self) -> str:
        """Return what the names of its files look like, for messages."""
        return " and ".join(self.names("*"))

    def grid_at(self, fps: float | None) -> TimeGrid:
        """Return the grid of a video whose annotation states `fps` frames per second, or nothing (None)."""
        return replace(self.grid, fps=fps) if self.native_fps and fps is not None else self.grid


FAMILIES = {
    "one_peace": FeatureFamily(
        visual=("_one_peace_video_finetune.npy",),
        audio=("_one_peace_audio.npy",),
        grid=TimeGrid(fps=16, stride=4, window=16),
        max_length=256,
    ),
    "i3d_vggish": FeatureFamily(
        visual=("_rgb.npy", "_flow.npy"),
        audio=("_vggish.npy",),
        grid=TimeGrid(fps=25, stride=8, window=24),
        max_length=224,
    ),
}
