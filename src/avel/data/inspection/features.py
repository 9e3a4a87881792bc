"""Looks through all feature files of a data set; what is wrong with one does not keep it from the others."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import torch
from rich import progress
from rich.console import Console
from torch import Tensor

from avel.data.feature_reader import Shape
from avel.data.features import FeatureFolder
from avel.errors import UserError

Track = Callable[[Sequence[str]], Iterable[str]]
"""Goes through videos; may show how far it is."""


def with_bar(videos: Sequence[str]) -> Iterable[str]:
    """Go through videos with a progress bar that goes when all is done, and without one where there is no terminal."""
    console = Console(stderr=True)
    hidden = not console.is_terminal  # a hidden bar leaves no empty line
    return progress.track(videos, "Reading features", console=console, transient=True, disable=hidden)


@dataclass(slots=True)
class FeatureSurvey:
    """What is in the feature files of some videos.

    Attributes:
        missing: videos that lack a file.
        damaged: video -> why its files cannot be read.
        shapes: video -> lengths and widths, of all others.
        constant: modality -> videos in which its features never change.
        copies: pairs of videos whose features are the same.
        strays: videos that have files but were not asked for.
    """

    missing: list[str] = field(default_factory=list)
    damaged: dict[str, str] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    constant: dict[str, list[str]] = field(default_factory=lambda: {"visual": [], "audio": []})
    copies: list[tuple[str, str]] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)

    @property
    def widths(self) -> tuple[int, int] | None:
        """The visual and the audio width that most videos have; None where no file can be read."""
        widths = Counter((shape.visual_dim, shape.audio_dim) for shape in self.shapes.values())
        return widths.most_common(1)[0][0] if widths else None


def survey_features(
    folder: FeatureFolder, videos: Sequence[str], *, headers_only: bool = False, track: Track = iter
) -> FeatureSurvey:
    """Look through the files of some videos.

    Args:
        folder: where they lie.
        videos: ids.
        headers_only: do not read the features: NaN, constant features and copies are not found.
        track: goes through the videos.
    """
    found = FeatureSurvey(missing=folder.missing(videos), strays=sorted(set(folder.videos()).difference(videos)))
    absent, known = set(found.missing), dict[str, str]()
    for video in track([video for video in videos if video not in absent]):
        try:
            found.shapes[video] = folder.shape(video)
            if not headers_only:
                _look_at(video, *folder.load(video), found, known)
        except UserError as error:
            found.damaged[video] = str(error)
            found.shapes.pop(video, None)
    return found


def _look_at(video: str, visual: Tensor, audio: Tensor, found: FeatureSurvey, known: dict[str, str]) -> None:
    changing = {name: _changes(features) for name, features in (("visual", visual), ("audio", audio))}
    for name, changes in changing.items():
        if not changes:
            found.constant[name].append(video)
    if any(changing.values()):
        digest = hashlib.sha256(torch.cat([visual, audio], dim=1).numpy().tobytes()).hexdigest()
        if (first := known.setdefault(digest, video)) != video:
            found.copies.append((first, video))


def _changes(features: Tensor) -> bool:
    """Whether features change; those of a modality that a family does not have do not count as constant."""
    return not features.shape[1] or len(features) < 2 or bool((features != features[0]).any())
