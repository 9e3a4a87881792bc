"""A folder of features that grows file by file, written by many processes; a killed one leaves nothing to mend.

What is found out about a video lies in `records/` until one process puts all of it into the manifest. Features that
were packed into `features.h5` since (which is for others to write and read) count as being there.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from avel.errors import UserError, check_flag
from avel.extraction.encoder import Encoded
from avel.extraction.extract import Features
from avel.extraction.manifest import ENDINGS, NAME, PACKED, Manifest, read_manifest, read_object
from avel.extraction.records import Record, record_of
from avel.extraction.sources import Source
from avel.files import check_links, whole_file
from avel.provenance import Provenance, differences, show_differences

OURS = "reading"
"""What only the manifests of this program state."""


class FeatureStore:
    """Writes features into a folder, each file whole or not at all.

    Args:
        root: the folder, which need not be there.
        provenance: how the features are made.
        packed: videos in the packed file of the folder.
    """

    def __init__(self, root: Path, provenance: Provenance, packed: Collection[str] = ()) -> None:
        self.root = root
        self.packed = packed
        self.provenance = provenance
        self.records = root / "records"

    # Before and after the work, by one process

    def check(self, *, overwrite: bool = False) -> None:
        """Look whether the folder may be used.

        Args:
            overwrite: features that were made in another way may be removed.

        Raises:
            UserError: its features were made in another way, or by another program; `overwrite` is no truth value; or
                `records` is a link.
        """
        check_flag("overwrite", overwrite)
        check_links([self.records])
        there, path = read_manifest(self.root).provenance, self.root / NAME
        foreign = next(iter(self._features()), None) if there is None else path if OURS not in there else None
        if foreign:
            raise UserError(f"{foreign}: is there, and this program did not write it: choose another folder")
        if there and not overwrite and (changed := show_differences(there, self.provenance, ("there", "now"))):
            raise UserError(
                f"{path}: features were made there in another way. Choose another folder, or replace them all:"
                f" overwrite=true\n{changed}"
            )

    def begin(self, sources: Iterable[Source]) -> list[Source]:
        """Make the folder ready and find what is to be extracted, large files first.

        Features that were made in another way are removed.
        """
        manifest = read_manifest(self.root)
        if manifest.provenance and differences(manifest.provenance, self.provenance):
            manifest = self._cleared()
        for torn in self.root.glob(".*.part"):
            torn.unlink()
        self._merge(manifest)
        present = {path.name for path in self._features()}
        todo = [source for source in sources if not self._is_done(source, manifest, present)]
        return sorted(todo, key=_size, reverse=True)

    def finish(self) -> Manifest:
        """Put all records into the manifest and return it."""
        return self._merge(read_manifest(self.root))

    # The work, by any process

    def add(self, video: str, features: Features, record: Record) -> Record:
        """Write the features of a video; its record comes last, so that it says that they are complete."""
        self._remove(video)
        for modality, array in (("visual", features.visual), ("audio", features.audio)):
            _save(self.root / f"{video}{ENDINGS[modality]}", array)
        return self._note(video, replace(record, duration=features.duration, steps=len(features.visual)))

    def fail(self, video: str, record: Record) -> Record:
        """Note why a video has no features, and remove those of an earlier file."""
        self._remove(video)
        return self._note(video, record)

    def _note(self, video: str, record: Record) -> Record:
        record.write(self.records / f"{video}.json")
        return record

    def _remove(self, video: str) -> None:
        for ending in ENDINGS.values():
            (self.root / f"{video}{ending}").unlink(missing_ok=True)

    def _features(self) -> Iterable[Path]:
        patterns = [PACKED, *(f"*{ending}" for ending in ENDINGS.values())]
        return (path for pattern in patterns for path in self.root.glob(pattern))

    def _is_done(self, source: Source, manifest: Manifest, present: set[str]) -> bool:
        record = manifest.files.get(source.video)
        files = {f"{source.video}{ending}" for ending in ENDINGS.values()}
        is_there = files <= present or (source.video in self.packed and not files & present)
        return record is not None and is_there and record.is_about(source.path)

    def _merge(self, manifest: Manifest) -> Manifest:
        for path in sorted(self.records.glob("*.json")):
            manifest.add(path.stem, record_of(read_object(path), path))
        manifest.provenance = self.provenance
        manifest.write(self.root)
        shutil.rmtree(self.records, ignore_errors=True)
        return manifest

    def _cleared(self) -> Manifest:
        for path in [*self._features()]:
            path.unlink()
        shutil.rmtree(self.records, ignore_errors=True)
        return Manifest()


def _size(source: Source) -> int:
    return source.path.stat().st_size


def _save(path: Path, array: Encoded) -> None:
    with whole_file(path, durable=True) as temporary, temporary.open("wb") as file:
        np.save(file, array)
