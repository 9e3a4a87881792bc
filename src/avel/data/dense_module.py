"""What the data modules of all densely annotated data sets share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch

from avel.batch import collate
from avel.data.annotations import Annotations, VideoAnnotation, check_annotations
from avel.data.dense import DatasetFacts, DenseDataset
from avel.data.event_checks import AnnotationRules, Beyond
from avel.data.families import FeatureFamily
from avel.data.features import FeatureFolder
from avel.data.module import SPLITS, LoaderOptions, LocalizationDataModule
from avel.data.one_sided import one_sided_table
from avel.data.option_checks import check_share, check_stated
from avel.data.transforms import MODALITIES, FeatureNoise, RandomCrop
from avel.errors import UserError, check_choice
from avel.provenance import Provenance


class DenseDataModule(LocalizationDataModule):
    """A data set of untrimmed videos with many events, with precomputed features.

    A data set inherits from this class, describes itself in the attributes below and finds its annotations in
    `database`. Where it has no labelled validation split, training videos are held out as one.

    Args:
        root: folder of the data set.
        features: family of feature files, None for the first of `families`.
        modality: both, audio or visual; the absent one is zeroed.
        resize: stretch or squeeze every video to `max_length` snippets, see `avel.data.transforms.resize`.
        max_length: snippets of a training sample at most, None for that of the family; evaluation gives whole
            videos.
        class_names: the classes that may occur, in the order of their ids; None takes those of the annotations.
        num_classes: number of classes, None to take it from the annotations; a number is checked against
            them.
        visual_dim: channels of the visual features, None to take them from the files; a number is checked.
        audio_dim: the same for the audio features.
        crop: random crop of training samples, None for `training_crop`.
        noise: what is added to features in training, see `FeatureNoise`; 0: nothing.
        beyond: what becomes of events that reach beyond their video, see `AnnotationRules`; None for what `rules` say.
        held_out: share of the training videos that is the validation split where the data set has none. Where
            `selection_split` is "test", nothing is held out.
        loader: how batches are made.
        seed: of order and crops.
        predict_split: split that `predict_dataloader` gives.
        selection_split: split that `val_dataloader` gives, by which a checkpoint is chosen.
        allow_missing: leave videos without feature files out instead of failing (videos vanish from the web).

    Raises:
        UserError: an unknown choice or an impossible number; when files are read, whatever is wrong with them.
    """

    hint: ClassVar[str]
    """Where the data set comes from, for messages about missing files."""
    families: ClassVar[Mapping[str, FeatureFamily]]
    """Name -> published set of feature files, the usual one first."""
    rules: ClassVar[AnnotationRules] = AnnotationRules()
    """What is made of the annotations."""
    training_crop: ClassVar[RandomCrop] = RandomCrop()
    """How training samples are cropped."""

    def __init__(
        self,
        *,
        root: str | Path,
        features: str | None = None,
        modality: str = "both",
        resize: bool = False,
        max_length: int | None = None,
        class_names: Sequence[str] | None = None,
        num_classes: int | None = None,
        visual_dim: int | None = None,
        audio_dim: int | None = None,
        crop: RandomCrop | None = None,
        noise: float = 0.0,
        beyond: Beyond | None = None,
        held_out: float = 0.1,
        loader: LoaderOptions | None = None,
        seed: int = 0,
        predict_split: str = "test",
        selection_split: str = "validation",
        allow_missing: bool = False,
    ) -> None:
        super().__init__(
            collate, loader=loader, seed=seed, predict_split=predict_split, selection_split=selection_split
        )
        self.root = Path(root)
        check_choice("data.modality", modality, MODALITIES)
        family = self.choose_family(features)
        if modality == "audio" and not family.audio:
            raise UserError("data.modality=audio: the features have none")
        check_share("data.held_out", held_out)
        self.stated = {
            "num_classes": num_classes,
            "visual_dim": visual_dim,
            "audio_dim": audio_dim,
            "max_length": max_length,
        }
        check_stated(self.stated)
        if class_names is not None and not class_names:
            raise UserError("data.class_names is empty: list the classes, or give null")
        self.features = FeatureFolder(self.root / family.folder, family, self.hint)
        self.modality = modality
        self.resize = resize
        self.listed_classes = class_names
        self.crop = crop or self.training_crop
        self.noise = FeatureNoise(noise)
        self.reading = replace(self.rules, beyond=beyond or self.rules.beyond)
        self.held_out = held_out
        self.allow_missing = allow_missing
        self._videos: dict[str, list[VideoAnnotation]] = {}

    # What is on disk

    def choose_family(self, name: str | None) -> FeatureFamily:
        """Return the family of that name, the first one if there is no name, or raise a UserError."""
        name = name or next(iter(self.families))
        check_choice("data.features", name, self.families)
        return self.families[name]

    @abstractmethod
    def database(self) -> tuple[Path, Mapping[str, Any]]:
        """Find and parse the annotations: where they come from and video id -> entry, see `avel.data.annotations`."""

    def find(self, *names: str) -> Path:
        """Return the first of some files of `root` that is there.

        Raises:
            UserError: none is.
        """
        paths = [self.root / name for name in names]
        for path in paths:
            if path.is_file():
                return path
        others = f" (nor {', '.join(path.name for path in paths[1:])})" if paths[1:] else ""
        raise UserError(f"{paths[0]}: no such file{others}\n{self.hint}")

    @cached_property
    def annotations(self) -> Annotations:
        """The checked annotations of all splits."""
        return self.split(self.check(*self.database()))

    def check(self, source: Path, database: Mapping[str, Any]) -> Annotations:
        """Check what `database` found."""
        return check_annotations(
            database,
            source,
            num_classes=self.stated["num_classes"],
            class_names=self.listed_classes,
            rules=self.reading,
        )

    def split(self, annotations: Annotations) -> Annotations:
        """Hold out what the data set has no split of its own for."""
        return annotations.hold_out(self.held_out) if self._holds_out else annotations

    @cached_property
    def max_length(self) -> int:
        """Snippets of a training sample at most."""
        return self.stated["max_length"] or self.features.family.max_length

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
            class_names=self.class_names,
        )

    def prepare(self, split: str) -> None:
        """Check the files of a split (the first time)."""
        self.videos(split)

    # What the splits hold

    @property
    def class_names(self) -> list[str]:
        """Names of the classes, by class id."""
        return list(self.annotations.class_names)

    def memory(self) -> dict[str, Any]:
        """Return the classes, what is zeroed, and how the features were made where their folder says so."""
        return {"class_names": self.class_names, "modality": self.modality, "features": self.provenance()}

    def provenance(self) -> Provenance:
        """Return how the features were made, see `avel.provenance`; nothing where that is not known."""
        return {}

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

    def one_sided(self, split: str) -> dict[str, dict[str, Any]]:
        """What is only heard or only seen: video id -> `one_sided_table`, of the videos where something is."""
        videos = self.annotations.split(split)
        return {video.video: one_sided_table(video.one_sided, self.class_names) for video in videos if video.one_sided}

    def durations(self, split: str) -> dict[str, float]:
        """Length in seconds of each usable video of a split."""
        return {annotation.video: annotation.duration for annotation in self.videos(split)}

    def annotated_durations(self, split: str) -> dict[str, float]:
        """Length in seconds of each annotated video of a split, whether or not its features are there."""
        return {annotation.video: annotation.duration for annotation in self.annotations.split(split)}

    def dataset(self, split: str, *, training: bool) -> DenseDataset:
        """The videos of a split, cropped for training, whole otherwise."""
        return DenseDataset(
            self.videos(split),
            self.features,
            modality=self.modality,
            resize=self.max_length if self.resize else None,
            max_length=self.max_length if training else None,
            crop=self.crop,
            noise=self.noise,
            seed=self.seed,
        )

    @property
    def _has_validation(self) -> bool:
        return "validation" in self.rules.subsets.values()

    @property
    def _holds_out(self) -> bool:
        return not self._has_validation and self.selection_split == "validation" and self.held_out > 0

    def _checked(self, split: str) -> list[VideoAnnotation]:
        annotations = self.annotations.split(split)
        if not annotations and split == "validation" and not self._has_validation:
            raise UserError(
                f"{self.root}: has no labelled validation split: hold training videos out (data.held_out=0.1 and"
                " data.selection_split=validation), or use the test split (data.selection_split=test)"
            )
        if not annotations:
            raise UserError(f"{self.root}: the annotations have no video of the subset {split!r}")
        facts = self.facts()
        present = self.features.require([a.video for a in annotations], allow_missing=self.allow_missing)
        self.features.check(present, visual_dim=facts.visual_dim, audio_dim=facts.audio_dim)
        usable = set(present)
        return [annotation for annotation in annotations if annotation.video in usable]
