"""Where the media files of videos lie, for programs that play them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Media:
    """Media files in a folder.

    Attributes:
        folder: they lie in it, or in folders in it.
        paths: video id -> its file, for the videos that have one.
    """

    folder: Path = Path()
    paths: Mapping[str, Path] = field(default_factory=dict)

    def local_url(self, video: str) -> str:
        """Return where Label Studio finds a file that it serves from disk, the folder's parent being its root."""
        if video not in self.paths:
            return video
        path = os.path.relpath(self.paths[video].resolve(), self.folder.resolve().parent)
        return f"/data/local-files/?d={quote(os.fsencode(Path(path).as_posix()))}"
