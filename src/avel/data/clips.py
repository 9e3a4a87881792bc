"""What data sets of short videos share: annotations plus arrays of features give clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from avel.batch import Clip
from avel.data.h5 import H5Array

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ClipAnnotations:
    """V short videos of T snippets with one class each.

    Attributes:
        videos: unique ids; where a video is listed again, it is followed by ~2, ~3 and so on.
        sources: ids as they were listed, by which videos that are listed twice are told.
        classes: class of each video, (V,); C where none of the C classes occurs.
        segments: where it occurs, [start, end) in snippets, (V, 2); nowhere if they are equal.
        snippets: T.
        class_names: names of the classes 0..C-1.
    """

    videos: tuple[str, ...]
    sources: tuple[str, ...]
    classes: Indices
    segments: Indices
    snippets: int
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.videos)

    @property
    def background(self) -> int:
        """Class index C of what is no event."""
        return len(self.class_names)

    def snippet_labels(self) -> Indices:
        """Return the class of each snippet, (V, T); C is background."""
        time = np.arange(self.snippets)
        inside = (self.segments[:, :1] <= time) & (time < self.segments[:, 1:])
        return np.where(inside, self.classes[:, None], self.background)

    def with_background(self, count: int) -> ClipAnnotations:
        """Return the same videos followed by `count` that hold none of the classes, background_000 and so on."""
        names = tuple(f"background_{number:03d}" for number in range(count))
        return replace(
            self,
            videos=self.videos + names,
            sources=self.sources + names,
            classes=np.append(self.classes, np.full(count, self.background)),
            segments=np.append(self.segments, np.zeros((count, 2), dtype=np.int64), axis=0),
        )


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """What a method and a trainer need to know about a data set before it is read.

    Attributes:
        num_classes: number of classes C, without background.
        visual_dim: channels of the visual features.
        audio_dim: channels of the audio features.
        positions: places H * W of a visual map; 1 for vectors.
        snippets: T, length of each video.
        videos: split -> number of videos.
    """

    num_classes: int
    visual_dim: int
    audio_dim: int
    positions: int
    snippets: int
    videos: dict[str, int]


@dataclass(frozen=True, slots=True)
class ClipFeatures:
    """Features of videos that are numbered through one file or several, one after the other.

    Attributes:
        visual: arrays (V, T, H, W, D_visual) or (V, T, D_visual).
        audio: arrays (V, T, D_audio), of the same videos.
        pool: average maps over H and W.
    """

    visual: tuple[H5Array, ...]
    audio: tuple[H5Array, ...]
    pool: bool = False

    def load(self, rows: Sequence[int], parts: Sequence[slice]) -> tuple[Tensor, Tensor]:
        """Return the visual (N, T, …) and the audio features (N, T, D_audio) of parts of videos, equally many snippets.

        Raises:
            UserError: they cannot be read, or hold NaN or infinity; the message names file and row.
        """
        visual = _read(self.visual, rows, parts, pool=self.pool)
        return torch.from_numpy(visual), torch.from_numpy(_read(self.audio, rows, parts))


class ClipDataset(Dataset[Clip]):
    """Annotated short videos with their features.

    Args:
        annotations: of all videos.
        rows: which of them are in this data set, in the order of the indices.
        features: where the features lie.
        single_snippets: give each snippet of each video as a clip of its own, T = 1.
    """

    def __init__(
        self,
        annotations: ClipAnnotations,
        rows: Indices,
        features: ClipFeatures,
        *,
        single_snippets: bool = False,
    ) -> None:
        self.rows = rows
        self.features = features
        self.videos = [annotations.videos[row] for row in rows]
        self.classes = annotations.classes[rows]
        self.labels = annotations.snippet_labels()[rows]
        self.parts = [slice(None)]
        if single_snippets:
            self.parts = [slice(snippet, snippet + 1) for snippet in range(annotations.snippets)]

    def __len__(self) -> int:
        return len(self.rows) * len(self.parts)

    def __getitem__(self, key: int | tuple[int, int]) -> Clip:
        """Return the clip with key (index, epoch), which is the same in every epoch; a bare index will do.

        Raises:
            UserError: its features cannot be read, or hold NaN or infinity; the message names file and row.
        """
        return self.__getitems__([key])[0]

    def __getitems__(self, keys: Sequence[int | tuple[int, int]]) -> list[Clip]:
        """Return the clips of a batch (called by loaders): their features lie side by side, so that none are copied."""
        places = [divmod(key[0] if isinstance(key, tuple) else key, len(self.parts)) for key in keys]
        parts = [self.parts[part] for _, part in places]
        visual, audio = self.features.load([int(self.rows[index]) for index, _ in places], parts)
        return [
            Clip(
                video=self.videos[index],
                visual=seen,
                audio=heard,
                labels=torch.from_numpy(self.labels[index, part]),
                video_label=int(self.classes[index]),
            )
            for (index, _), part, seen, heard in zip(places, parts, visual, audio, strict=True)
        ]


def _read(
    arrays: Sequence[H5Array], rows: Sequence[int], parts: Sequence[slice], *, pool: bool = False
) -> npt.NDArray[np.float32]:
    _, snippets, *step = arrays[0].shape
    length = len(range(*parts[0].indices(snippets)))
    values = np.empty((len(rows), length, *(step[-1:] if pool else step)), np.float32)
    order = np.argsort(rows, kind="stable")  # disks like to go one way
    places = [(*_find(arrays, rows[number]), parts[number], values[number]) for number in order]
    for array, row, part, _ in places:
        array.expect(row, part)
    for array, row, part, out in places:
        if len(array.shape) > out.ndim + 1:
            out[:] = array.read(row, part).mean(axis=(1, 2))
        else:
            array.read(row, part, out=out)
    return values


def _find(arrays: Sequence[H5Array], row: int) -> tuple[H5Array, int]:
    for array in arrays:
        if row < len(array):
            return array, row
        row -= len(array)
    raise IndexError("there are fewer videos")
