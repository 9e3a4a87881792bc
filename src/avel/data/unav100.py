"""UnAV-100: 10,790 untrimmed videos, 100 classes of events that are both seen and heard."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from avel.batch import collate
from avel.data.annotations import Annotations, VideoAnnotation, read_annotations
from avel.data.dense import DatasetFacts, DenseDataset
from avel.data.features import FAMILIES, FeatureFolder
from avel.data.module import SPLITS, LoaderOptions, LocalizationDataModule
from avel.data.transforms import MODALITIES, RandomCrop
from avel.errors import UserError, check_choice

HINT = (
    "Get the data: Hugging Face dataset ttgeng233/UnAV-100 or the drive of the UnAV-100 project page;"
    " ONE-PEACE features through the READMEs of UniAV and CCNet. data/README.md says where the files go.\n"
    "Or make some up: python scripts/make_synthetic.py unav100 --out DIR, then add paths.data_dir=DIR"
)


class UnAV100(LocalizationDataModule):
    """UnAV-100 with precomputed features.

    Geng et al., "Dense-localizing audio-visual events in untrimmed videos: a large-scale benchmark and
    baseline", CVPR 2023. On disk: `root/annotations/unav100_annotations.json` and `root/av_features/*.npy`.

    Args:
        root: folder of the data set.
        features: family of feature files: one_peace or i3d_vggish.
        modality: both, audio or visual; the absent one is zeroed.
        max_length: snippets of a training sample at most, None for that of the family; evaluation gives whole
            videos.
        num_classes: number of classes, None to take it from the annotations; a number is checked against
            them.
        visual_dim: channels of the visual features, None to take them from the files; a number is checked.
        audio_dim: the same for the audio features.
        crop: random crop of training samples.
        loader: how batches are made.
        seed: of order and crops.
        predict_split: split that `predict_dataloader` gives.
        allow_missing: leave videos without feature files out instead of failing (videos vanish from the web).

    Raises:
        UserError: an unknown family, modality or split; when files are read, whatever is wrong with them.
    """

    # as the published evaluator builds it: its 0.3 is 0.30000000000000004
    tiou_grid = tuple(np.linspace(0.1, 0.9, 9).tolist())

    def __init__(
        self,
        *,
        root: str | Path,
        features: str = "one_peace",
        modality: str = "both",
        max_length: int | None = None,
        num_classes: int | None = None,
        visual_dim: int | None = None,
        audio_dim: int | None = None,
        crop: RandomCrop | None = None,
        loader: LoaderOptions | None = None,
        seed: int = 0,
        predict_split: str = "test",
        allow_missing: bool = False,
    ) -> None:
        super().__init__(collate, loader=loader, seed=seed, predict_split=predict_split)
        check_choice("data.features", features, FAMILIES)
        check_choice("data.modality", modality, MODALITIES)
        stated = {"num_classes": num_classes, "visual_dim": visual_dim, "audio_dim": audio_dim}
        for name, number in (stated | {"max_length": max_length}).items():
            if number is not None and (not isinstance(number, int) or number < 1):
                raise UserError(f"data.{name}={number}: give a whole number from 1 on, or null")
        self.root = Path(root)
        self.features = FeatureFolder(self.root / "av_features", FAMILIES[features], HINT)
        self.modality = modality
        self._videos: dict[str, list[VideoAnnotation]] = {}
        self.max_length = max_length or FAMILIES[features].max_length
        self.stated = stated
        self.crop = crop or RandomCrop()
        self.allow_missing = allow_missing

    @cached_property
    def annotations(self) -> Annotations:
        """The checked annotations of all splits."""
        path = self.root / "annotations" / "unav100_annotations.json"
        if not path.is_file():
            raise UserError(f"{path}: no such file\n{HINT}")
        return read_annotations(path, num_classes=self.stated["num_classes"])

    @property
    def class_names(self) -> list[str]:
        """Names of the classes, by class id."""
        return list(self.annotations.class_names)

    def facts(self) -> DatasetFacts:
        """Return what the data set is like, from the annotations and the headers of one video's files."""
        videos = [annotation.video for annotation in self.annotations.videos]
        shape = self.features.shape(self.features.first(videos))
        for name, found in (("visual_dim", shape.visual_dim), ("audio_dim", shape.audio_dim)):
            if self.stated[name] not in (None, found):
                raise UserError(
                    f"data.{name}={self.stated[name]}, but the features in {self.features.folder} are {found}"
                    f" wide: set data.{name}={found}, or null to take it from the files"
                )
        return DatasetFacts(
            num_classes=len(self.annotations.class_names),
            visual_dim=shape.visual_dim,
            audio_dim=shape.audio_dim,
            max_length=self.max_length,
            videos={split: len(self.annotations.split(split)) for split in SPLITS},
        )

    def videos(self, split: str) -> list[VideoAnnotation]:
        """The usable videos of a split; the first call checks that their files are there, whole and alike."""
        if split not in self._videos:
            self._videos[split] = self._checked(split)
        return self._videos[split]

    def targets(self, split: str) -> dict[str, dict[str, Any]]:
        """Ground truth for the metrics: all annotated videos, whether or not their features are there.

        Returns:
            video id -> {"video_id", "segments": (N, 2) float64 seconds, "labels": (N,) int64}.
        """
        return {
            annotation.video: {
                "video_id": annotation.video,
                "segments": torch.from_numpy(annotation.segments),
                "labels": torch.from_numpy(annotation.labels),
            }
            for annotation in self.annotations.split(split)
        }

    def durations(self, split: str) -> dict[str, float]:
        """Length in seconds of each usable video of a split."""
        return {annotation.video: annotation.duration for annotation in self.videos(split)}

    def prepare(self, split: str) -> None:
        """Check the files of a split (the first time)."""
        self.videos(split)

    def dataset(self, split: str, *, training: bool) -> DenseDataset:
        """The videos of a split, cropped for training, whole otherwise."""
        return DenseDataset(
            self.videos(split),
            self.features,
            modality=self.modality,
            max_length=self.max_length if training else None,
            crop=self.crop,
            seed=self.seed,
        )

    def _checked(self, split: str) -> list[VideoAnnotation]:
        annotations = self.annotations.split(split)
        if not annotations:
            raise UserError(f"{self.root}: the annotations have no video of the subset {split!r}")
        facts = self.facts()
        present = self.features.require([a.video for a in annotations], allow_missing=self.allow_missing)
        self.features.check(present, visual_dim=facts.visual_dim, audio_dim=facts.audio_dim)
        usable = set(present)
        return [annotation for annotation in annotations if annotation.video in usable]
