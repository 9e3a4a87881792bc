"""From a video file to events: the encoders and the network that a checkpoint remembers, over files of any length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from avel.batch import Sample, TimeGrid, collate
from avel.data.transforms import keep_modality
from avel.decoding.detections import Detections
from avel.errors import UserError
from avel.events import Event, EventTable
from avel.extraction.device import usable_device
from avel.extraction.extract import Features, Progress
from avel.extraction.manifest import versions
from avel.extraction.pair import load_encoders
from avel.extraction.records import digest
from avel.report.folder import LocalizedVideo
from avel.segments.windows import window_cores, window_starts
from avel.tasks.dense import DenseLocalizer
from avel.tasks.loading import build_method, open_checkpoint

STRETCH, OVERLAP = 8, 2
"""Times a network's `max_length` that are localized at once, and that neighbours of these stretches share."""


def localize(
    video: str | Path,
    checkpoint: str | Path,
    *,
    threshold: float = 0.0,
    task: str | None = None,
    device: str = "cpu",
    weights: Mapping[str, str | Path] | None = None,
) -> EventTable:
    """Find the events in a video.

    Args:
        video: a media file of any length.
        checkpoint: of a run that was trained on features of `scripts/extract_features.py`, e.g.
            `logs/ccnet_custom/TIME/checkpoints/best.ckpt`.
        threshold: events that are less sure are left out.
        task: which one of a checkpoint of several tasks.
        device: where networks run, e.g. "cuda".
        weights: "visual" or "audio" -> where the weights of that encoder lie, if no longer where the training had them.

    Returns:
        Events, surest first.

    Raises:
        UserError: the video or the checkpoint cannot be used; the message says why.
    """
    found = VideoLocalizer(checkpoint, task=task, device=device, weights=weights)(Path(video))
    return EventTable(list(found.events), [found.video]).above(threshold)


class VideoLocalizer:
    """Finds events in media files by what a checkpoint remembers: its encoders, its network and its classes.

    A file is localized in stretches of several windows: memory grows with its length by the features alone, and up to
    `DenseDecoder.max_events` events are found in each. A video of a single stretch gives what a test would give.

    Args:
        checkpoint: see `localize`.
        task: which one of a checkpoint of several tasks; None for the only one.
        device: where networks run.
        weights: see `localize`.

    Raises:
        UserError: the checkpoint does not say how its features were made, names no encoders of this package, or has no
            such task; there is no such device; the weights of an encoder are not found, or are others.
    """

    def __init__(
        self,
        checkpoint: str | Path,
        *,
        task: str | None = None,
        device: str = "cpu",
        weights: Mapping[str, str | Path] | None = None,
    ) -> None:
        self.device = usable_device(device)
        # first: if the file changes meanwhile, it will not be the one that is remembered
        self.digest = digest(Path(checkpoint)) if Path(checkpoint).is_file() else ""
        content = open_checkpoint(checkpoint)
        method = build_method(checkpoint, content)
        if not isinstance(method, DenseLocalizer):
            raise UserError(
                f"{checkpoint}: {type(method).__name__} works on clips of one length, not on whole videos: give one"
                " of a run on such, e.g. experiment=ccnet_custom"
            )
        self.task, memory = _choose_task(checkpoint, content.get("data", {}), task)
        try:
            self.encoders = load_encoders(memory["features"], weights=weights).to(self.device)
        except UserError as error:
            raise UserError(f"{checkpoint}: {error}") from None
        self.method: DenseLocalizer = method.to(self.device)
        if any(own.decoder.class_scores for own in method.tasks.values()):
            raise UserError(f"{checkpoint}: takes the classes of its events from a file about other videos")
        self.class_names: Sequence[str] = memory["class_names"]
        self.modality: str = memory["modality"]
        self.grid = TimeGrid(*(memory["features"][key] for key in ("fps", "stride", "window")))

    def provenance(self) -> dict[str, Any]:
        """Say what decides the events in a file, in plain values."""
        return {"checkpoint": self.digest, "task": self.task, "device": str(self.device), "versions": versions()}

    def __call__(self, path: Path, *, progress: Progress = lambda share: None) -> LocalizedVideo:
        """Localize a file.

        Args:
            path: the file; its name without the ending is the id of the video.
            progress: is told which share of the work is done, in 0..1.

        Raises:
            UserError: the file cannot be read.
        """
        features = self.encoders(path, progress=progress)
        events = sorted(self.events(path.stem, features), key=lambda event: -(event.score or 0))
        return LocalizedVideo(path.stem, path, features.duration, tuple(events))

    def events(self, video: str, features: Features) -> Iterator[Event]:
        """Localize features, stretch by stretch.

        Of neighbouring stretches each keeps the events that are nearer to its own middle: it sees all of them.
        """
        size = STRETCH * self.method.max_length
        starts = window_starts(len(features.visual), size, OVERLAP * self.method.max_length)
        for start, (low, high) in zip(starts, window_cores(starts, size), strict=True):
            found = self._detect(video, features, start, start + size)
            centres = self.grid.to_snippets(found.segments.mean(dim=1)) + start
            later = start * self.grid.hop
            for centre, ((begin, end), score, label) in zip(centres.tolist(), found.rows(), strict=True):
                if low <= centre < high:
                    yield Event(video, begin + later, end + later, self.class_names[label], score)

    def _detect(self, video: str, features: Features, start: int, stop: int) -> Detections:
        sample = Sample(
            video=video,
            visual=torch.from_numpy(features.visual[start:stop]),
            audio=torch.from_numpy(features.audio[start:stop]),
            segments=torch.zeros(0, 2),
            labels=torch.zeros(0, dtype=torch.int64),
            duration=features.duration - start * self.grid.hop,
            grid=self.grid,
        )
        batch = replace(collate([keep_modality(sample, self.modality)]), task=self.task)
        (found,) = self.method.localize(batch.to(self.device))
        return found.cpu()


def _choose_task(checkpoint: str | Path, learned: Mapping[str, Any], task: str | None) -> tuple[str, Mapping[str, Any]]:
    """Return a task's name and what the checkpoint remembers of its data."""
    known = {name: memory for name, memory in learned.items() if memory.get("features")}
    if not known:
        raise UserError(
            f"{checkpoint}: does not say how the features were made that it learned from, so that none can be made of"
            " a video: train on features of scripts/extract_features.py (experiment=ccnet_custom)"
        )
    if task is None and len(known) > 1:
        raise UserError(f"{checkpoint}: has several tasks, choose one: {', '.join(known)}")
    name = next(iter(known)) if task is None else task
    if name not in known:
        raise UserError(
            f"{checkpoint}: has no task {name!r} for videos; there is {', '.join(known) or 'one without a name'}"
        )
    return name, known[name]
