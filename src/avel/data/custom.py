"""A data set of one's own: annotations in any known format, and a folder of features with a manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from avel.data.annotations import Annotations
from avel.data.dense_module import DenseDataModule
from avel.data.event_checks import AnnotationRules, Beyond
from avel.data.families import FeatureFamily
from avel.data.formats.completion import Seen, complete_durations, complete_subsets
from avel.data.formats.entries import Entry
from avel.data.formats.reading import read_any
from avel.data.manifest import read_manifest, read_provenance
from avel.data.module import LoaderOptions
from avel.data.option_checks import check_share
from avel.data.splits import draw_splits
from avel.data.transforms import RandomCrop
from avel.errors import UserError
from avel.provenance import Provenance

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""tIoU thresholds of the metric where none are given."""

SHARES = {"test": 0.15, "validation": 0.15}
"""Of the videos, for splits that annotations lack."""

LENGTH_STEP = 64
"""Snippets by which `max_length` grows: pyramids need a multiple of a power of two."""


class CustomData(DenseDataModule):
    """A data set of one's own; see `DenseDataModule` for the arguments that are not explained here.

    What annotations do not say is found out. Classes are the labels, in alphabetical order; durations are those of the
    features. Splits that the annotations lack are drawn from the training videos, which are all where nobody has a
    subset, by a hash of their ids: the same videos give the same splits; a warning tells so. Of events that are
    annotated twice one is kept.

    Args:
        annotations: file or folder, see `avel.data.formats.reading`.
        feature_dir: folder of the features, see `avel.data.manifest`.
        frame_rate: frames per second, for annotations that count frames, see `avel.data.formats.label_studio`.
        test_share: share of the videos that is for testing where the annotations have no test split.
        validation_share: the same for choosing the checkpoint; not drawn where `selection_split` is "test".
        tiou_grid: thresholds of the metric.
        max_length: snippets of a training sample at most; None for the multiple of 64 that leaves the longest training
            video at least one padded snippet, or 512 if that is less.

    Raises:
        UserError: an unknown choice, an impossible number, no manifest; when files are read, what is wrong with them.
    """

    hint = "scripts/check_dataset.py shows what fits together and what does not"
    families = {}
    rules = AnnotationRules(drop_repeated=True)
    training_crop = RandomCrop(ratio=(0.6, 1.0))

    def __init__(
        self,
        *,
        annotations: str | Path | None,
        feature_dir: str | Path | None,
        frame_rate: float | None = None,
        test_share: float = SHARES["test"],
        validation_share: float = SHARES["validation"],
        tiou_grid: Sequence[float] = THRESHOLDS,
        modality: str = "both",
        max_length: int | None = None,
        class_names: Sequence[str] | None = None,
        num_classes: int | None = None,
        visual_dim: int | None = None,
        audio_dim: int | None = None,
        crop: RandomCrop | None = None,
        noise: float = 0.0,
        beyond: Beyond | None = None,
        loader: LoaderOptions | None = None,
        seed: int = 0,
        predict_split: str = "test",
        selection_split: str = "validation",
        allow_missing: bool = False,
    ) -> None:
        if not annotations or not feature_dir:
            raise UserError(
                "data.annotations=FILE data.feature_dir=DIR: give both, the file or folder of the annotations and the"
                " folder of the features"
            )
        super().__init__(
            root=feature_dir,
            modality=modality,
            max_length=max_length,
            class_names=class_names,
            num_classes=num_classes,
            visual_dim=visual_dim,
            audio_dim=audio_dim,
            crop=crop,
            noise=noise,
            beyond=beyond,
            loader=loader,
            seed=seed,
            predict_split=predict_split,
            selection_split=selection_split,
            allow_missing=allow_missing,
        )
        self.shares = {"test": test_share, "validation": validation_share}
        check_shares(self.shares)
        if frame_rate is not None and not frame_rate > 0:
            raise UserError(f"data.frame_rate={frame_rate}: give a positive number of frames per second, or null")
        if not tiou_grid or not all(0 < threshold <= 1 for threshold in tiou_grid):
            raise UserError(f"data.tiou_grid={list(tiou_grid)}: give thresholds above 0 and up to 1")
        self.source = Path(annotations)
        self.frame_rate = frame_rate
        self.tiou_grid = tuple(tiou_grid)

    def choose_family(self, name: str | None) -> FeatureFamily:
        """Return what the manifest says."""
        return read_manifest(self.root)

    def provenance(self) -> Provenance:
        """Return what the manifest says of how the features were made."""
        return read_provenance(self.root)

    def database(self) -> tuple[Path, dict[str, Entry]]:
        """Read the annotations and fill in what they do not say."""
        return self.source, read_custom(self.source, self._seen, frame_rate=self.frame_rate)

    def split(self, annotations: Annotations) -> Annotations:
        """Draw the splits that the annotations lack."""
        wanted = {split: share for split, share in self.shares.items() if split in ("test", self.selection_split)}
        return draw_splits(annotations, wanted, self.source)

    @cached_property
    def max_length(self) -> int:
        """Snippets of a training sample at most."""
        if (stated := self.stated["max_length"]) is not None:
            return stated
        training = [video.video for video in self.annotations.split("train")]
        absent = set(self.features.missing(training))
        lengths = [self.features.shape(video).length for video in training if video not in absent]
        fitting = LENGTH_STEP * (max(lengths, default=0) // LENGTH_STEP + 1)
        return min(fitting, self.features.family.max_length)

    def _seen(self, video: str) -> Seen | None:
        try:
            length = self.features.shape(video).length
        except UserError:  # a missing or damaged file is told of when features are checked
            return None
        grid = self.features.family.grid
        return Seen(grid.seen(length), slack=(grid.stride + grid.window) / grid.fps)


def check_shares(shares: Mapping[str, float]) -> None:
    """Raise a UserError unless the drawn splits leave something of the videos to train on."""
    for split, share in shares.items():
        check_share(f"data.{split}_share", share)
    check_share(" + ".join(f"data.{split}_share" for split in shares), sum(shares.values()))


def read_custom(
    source: Path, seen: Callable[[str], Seen | None], *, frame_rate: float | None = None
) -> dict[str, Entry]:
    """Read annotations in any known format and fill in what they do not say.

    Args:
        source: file or folder.
        seen: says how long a video is by its features.
        frame_rate: frames per second, for formats that count frames.

    Raises:
        UserError: they cannot be read.
    """
    try:
        return complete_subsets(complete_durations(read_any(source, frame_rate=frame_rate), seen))
    except ValueError as error:
        raise UserError(f"{source}: {error}") from None
