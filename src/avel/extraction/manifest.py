"""The manifest of a folder of features: how they were made, of which files, and what became of those.

{"visual": ["_visual.npy"], "audio": ["_audio.npy"],      a video's files: (T, D) float32, maps (T, H, W, D)
 "fps": 8, "stride": 2, "window": 4,                      step t saw the time [t * stride, t * stride + window) / fps
 "reading": 1, "encoders": {"visual": …, "audio": …},     what made them, see `EncoderPair.provenance`
 "versions": {package: version},                          of the run that wrote it last
 "files": {video: record}, "failed": {video: record}}     see `Record`
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import av

from avel.errors import UserError
from avel.extraction.records import Record, record_of
from avel.files import whole_file
from avel.provenance import Provenance, provenance_of

NAME = "manifest.json"
PACKED = "features.h5"
ENDINGS = {"visual": "_visual.npy", "audio": "_audio.npy"}
PACKAGES = ("avel", "torch", "av", "numpy", "pillow", "transformers", "timm")


@dataclass(slots=True)
class Manifest:
    """What a manifest says.

    Attributes:
        provenance: how the features were made; None where there is no manifest yet.
        files: video -> its record.
        failed: video -> the record of one that has no features.
    """

    provenance: Provenance | None = None
    files: dict[str, Record] = field(default_factory=dict)
    failed: dict[str, Record] = field(default_factory=dict)

    def add(self, video: str, record: Record) -> None:
        """Take over what was found out about a video, instead of what was known before."""
        fits, other = (self.failed, self.files) if record.error else (self.files, self.failed)
        fits[video] = record
        other.pop(video, None)

    def write(self, folder: Path) -> None:
        """Write the manifest of a folder."""
        document = {
            **{modality: [ending] for modality, ending in ENDINGS.items()},
            **(self.provenance or {}),
            "versions": versions(),
            "failed": {video: record.plain() for video, record in sorted(self.failed.items())},
            "files": {video: record.plain() for video, record in sorted(self.files.items())},
        }
        with whole_file(folder / NAME) as temporary:
            temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a folder; an empty one where there is none.

    Raises:
        UserError: it is damaged.
    """
    path = folder / NAME
    if not path.is_file():
        return Manifest()
    document = read_object(path)
    return Manifest(provenance_of(document), *(_records(document, key, path) for key in ("files", "failed")))


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        UserError: the file holds none.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None
    if not isinstance(document, dict):
        raise UserError(f"{path}: must be a JSON object")
    return document


def versions() -> dict[str, str]:
    """Versions of whatever has a say in the numbers."""
    libraries = {name: ".".join(map(str, numbers)) for name, numbers in av.library_versions.items()}
    packages = {name: found for name in PACKAGES if (found := _version(name))}
    return {"python": platform.python_version()} | packages | {"ffmpeg": av.ffmpeg_version_info} | libraries


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # optional
        return None


def _records(document: Mapping[str, Any], key: str, path: Path) -> dict[str, Record]:
    table = document.get(key, {})
    if not isinstance(table, dict):
        raise UserError(f'{path}: "{key}" must be an object, video -> what is known of its file')
    return {video: record_of(values, path) for video, values in table.items()}
