"""What all writers of synthetic data sets share: a folder says how it was made up, and real data are never touched."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from avel.errors import UserError
from avel.files import whole_file


def claim(root: Path, manifest: dict[str, Any], *, data: Sequence[str], stale: Sequence[str], force: bool) -> None:
    """Make `root` the synthetic data set of this manifest, which `synthetic.json` holds, or refuse.

    Args:
        root: folder of the data set, created if needed.
        manifest: what decides the files, in plain values.
        data: patterns of what only a data set has in its folder.
        stale: patterns of the files to remove if they were made up with another manifest.
        force: remove those files instead of refusing.

    Raises:
        UserError: `root` holds data that was not made up, or was made up with other options.
    """
    path = root / "synthetic.json"
    if not path.exists():
        if any(any(root.glob(pattern)) for pattern in data):
            raise UserError(f"{root}: holds data that was not made up: choose another folder")
    elif path.read_text(encoding="utf-8") != _encode(manifest):
        if not force:
            raise UserError(f"{root}: was made up with other options: choose another folder, or --force")
        # until all old files are gone the manifest equals no options, or a killed run would look complete
        write(path, b"{}")
        for pattern in stale:
            for file in root.glob(pattern):
                file.unlink()
    write(path, _encode(manifest).encode())


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def _encode(manifest: dict[str, Any]) -> str:
    return json.dumps(manifest, indent=2)
