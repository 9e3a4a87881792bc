"""Reads what W&B's client wrote on disk: a log of records in LevelDB's format behind a header of 7 bytes."""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BLOCK = 32768
HEAD = struct.Struct("<IHB")  # checksum, length, kind: whole, first, middle, last
WHOLE, LAST = 1, 4


@dataclass
class StoredRun:
    """One offline run."""

    folder: Path
    run: Any = None
    config: dict[str, Any] = field(default_factory=dict)
    axes: dict[str, str] = field(default_factory=dict)
    """name, as in `define_metric` -> its axis"""
    history: dict[str, list[Any]] = field(default_factory=dict)
    """name -> what was logged, in order"""
    artifacts: dict[str, dict[str, Path]] = field(default_factory=dict)
    """type -> name of the file in the artifact -> where it waits"""
    finished: bool = False

    def of_kind(self, kind: str) -> dict[str, list[Any]]:
        """What is logged as files of a kind, e.g. "image-file"; all of them must be there."""
        found = {name: values for name, values in self.history.items() if _kind(values[0]) == kind}
        for value in (value for values in found.values() for value in values):
            assert (self.folder / "files" / value["path"]).is_file()
        return found

    def numbers(self) -> dict[str, list[float]]:
        return {name: values for name, values in self.history.items() if isinstance(values[0], int | float)}

    def table(self, name: str) -> dict[str, Any]:
        """The last table of this name: `columns` and `data`."""
        return json.loads((self.folder / "files" / self.history[name][-1]["path"]).read_text())


def read_run(folder: Path) -> StoredRun:
    """Read an offline run of `folder`, that of a run of avel; of several the last."""
    path = sorted(folder.glob("wandb/offline-run-*/run-*.wandb"))[-1]
    stored = StoredRun(path.parent)
    for record in _records(path.read_bytes()):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            stored.run = record.run
        elif kind == "config":
            stored.config |= {item.key: json.loads(item.value_json) for item in record.config.update if item.key}
        elif kind == "metric":
            stored.axes[record.metric.name or record.metric.glob_name] = record.metric.step_metric
        elif kind == "artifact":
            contents = record.artifact.manifest.contents
            stored.artifacts.setdefault(record.artifact.type, {}).update(
                {entry.path: Path(entry.local_path) for entry in contents}
            )
        elif kind == "history":
            for name, value in _row(record.history.item).items():
                stored.history.setdefault(name, []).append(value)
        stored.finished |= kind == "exit"
    return stored


def _records(data: bytes) -> Iterator[Any]:
    from wandb.proto.wandb_internal_pb2 import Record

    place, parts = 7, b""
    while place + HEAD.size <= len(data):
        if BLOCK - place % BLOCK < HEAD.size:
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = HEAD.unpack_from(data, place)
        place += HEAD.size + length
        parts += data[place - length : place]
        if kind in (WHOLE, LAST):
            yield Record.FromString(parts)
            parts = b""


def _row(items: Any) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for item in items:
        *outer, last = item.nested_key or [item.key]
        inner = row
        for key in outer:
            inner = inner.setdefault(key, {})
        inner[last] = json.loads(item.value_json)
    return row


def _kind(value: Any) -> str:
    return value.get("_type", "") if isinstance(value, dict) else ""
