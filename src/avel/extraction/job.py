"""Extracting the features of a folder of media files, by one process or many that share the work."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lightning import LightningDataModule, LightningModule, Trainer
from torch.utils.data import DataLoader, IterableDataset

from avel.exchange.names import check_told_apart
from avel.extraction.attempt import attempt
from avel.extraction.extract import Features, Progress
from avel.extraction.folder import FeatureStore
from avel.extraction.manifest import Manifest
from avel.extraction.pair import EncoderPair
from avel.extraction.records import Record, new_record
from avel.extraction.sources import Source, find_sources

NOT_FOR_USERS = (
    # a file is decoded where it is encoded; more processes are `trainer.devices`
    "The '.*' does not have many workers",
    # between Lightning and PyTorch
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
)
"""Warnings (regular expressions) that a user can do nothing about."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What came of a run.

    Attributes:
        present: files whose features were there already.
        extracted: files that were extracted.
        failed: video -> why it has no features.
        warned: extracted video -> what was wrong with its file.
    """

    present: int
    extracted: int
    failed: dict[str, str]
    warned: dict[str, Sequence[str]]

    def lines(self) -> Iterator[str]:
        """Tell it."""
        for title, messages in (
            ("Warning", [line for told in self.warned.values() for line in told]),
            ("Without features", self.failed.values()),
        ):
            yield from (f"{title}: {message}" for message in messages)
        there = f", {self.present} were there" if self.present else ""
        failed = f", {len(self.failed)} have none" if self.failed else ""
        yield f"Extracted features of {self.extracted} files{there}{failed}"


def extract_folder(
    source: Path,
    out: Path,
    encoders: EncoderPair,
    trainer: Trainer,
    *,
    overwrite: bool = False,
    chunk: float = 60.0,
    packed: Collection[str] = (),
) -> Summary | None:
    """Write the features of the media files in a folder, as far as they are not there yet.

    What is broken is passed over. A run that was killed goes on where it was; a file is extracted again if it has
    another content than then. Every rank writes what it extracts, rank 0 also the manifest.

    Args:
        source: folder of media files, see `find_sources`.
        out: where features go, see `FeatureStore`.
        encoders: what makes them.
        trainer: says how many processes work, and where.
        overwrite: replace features in `out` that were made in another way.
        chunk: seconds that are encoded at once.
        packed: videos whose features are in the packed file of `out`.

    Returns:
        On rank 0 what came of it; None on others.

    Raises:
        UserError: there are no files, or their names coincide; the encoders do not fit together; `out` holds features
            that were made in another way.
    """
    sources, store = find_sources(source), FeatureStore(out, encoders.provenance(), packed)
    store.check(overwrite=overwrite)  # on every rank, before any of them begins
    check_told_apart(out, [source.video for source in sources])
    files = SourceFiles(sources, store)
    with warnings.catch_warnings():
        for message in NOT_FOR_USERS:
            warnings.filterwarnings("ignore", message)
        trainer.predict(Extraction(encoders, store, source, chunk), files, return_predictions=False)
    return files.summary


class Share(IterableDataset[Source]):
    """The files of one rank; iterable, or Lightning would share them out among the ranks once more."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = sources

    def __iter__(self) -> Iterator[Source]:
        return iter(self.sources)


class SourceFiles(LightningDataModule):
    """The media files that are still to be extracted, the largest first, shared out among the ranks.

    Args:
        sources: all files.
        store: where their features go.
    """

    def __init__(self, sources: Sequence[Source], store: FeatureStore) -> None:
        super().__init__()
        self.sources = sources
        self.store = store
        self.todo: list[Source] = []
        self.share: list[Source] = []
        self.summary: Summary | None = None

    def setup(self, stage: str) -> None:
        """Let rank 0 find what is to be done (called by the trainer)."""
        trainer: Any = self.trainer
        self.todo = trainer.strategy.broadcast(self.store.begin(self.sources) if trainer.is_global_zero else [])
        self.share = self.todo[trainer.global_rank :: trainer.world_size]

    def predict_dataloader(self) -> DataLoader[Source]:
        """The files of this rank, one by one."""
        return DataLoader(Share(self.share), batch_size=None)

    def teardown(self, stage: str) -> None:
        """Wait for all ranks, then let rank 0 write the manifest (called by the trainer)."""
        trainer: Any = self.trainer
        trainer.strategy.barrier()
        if trainer.is_global_zero:
            self.summary = self._summarize(self.store.finish())

    def _summarize(self, manifest: Manifest) -> Summary:
        todo = [source.video for source in self.todo]
        failed = {video: manifest.failed[video].error for video in todo if video in manifest.failed}
        extracted = {video: manifest.files[video] for video in todo if video in manifest.files}
        warned = {video: record.warnings for video, record in extracted.items() if record.warnings}
        return Summary(len(self.sources) - len(todo), len(extracted), failed, warned)


class Extraction(LightningModule):
    """Extracts media files.

    Args:
        encoders: what makes the features.
        store: where they go.
        root: folder of the files, which the manifest need not name.
        chunk: seconds that are encoded at once.
    """

    def __init__(self, encoders: EncoderPair, store: FeatureStore, root: Path, chunk: float) -> None:
        super().__init__()
        self.encoders = encoders
        self.store = store
        self.root = root
        self.chunk = chunk
        self.progress: Progress = lambda share: None

    def predict_step(self, source: Source, batch_idx: int) -> Record:
        """Extract one file, or note what is wrong with it (called by the trainer)."""
        name = source.path.relative_to(self.root if self.root.is_dir() else self.root.parent).as_posix()
        made = attempt(source.path, lambda: self._extract(source.path, name))
        if made.result is None:
            return self.store.fail(source.video, Record(name, error=made.error))
        features, record = made.result
        return self.store.add(source.video, features, replace(record, warnings=made.warnings))

    def _extract(self, path: Path, name: str) -> tuple[Features, Record]:
        record = new_record(path, name)  # first: if the file changes meanwhile, it will not be the one on record
        return self.encoders(path, chunk=self.chunk, progress=self.progress), record
