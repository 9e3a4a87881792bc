"""What a hostile file would touch: a file that appears when its code runs, and a folder that nobody may look into."""

from pathlib import Path

import numpy as np

SECRET = "the-word-that-nobody-may-read"


class Trap:
    """`ran` appears where a stranger's code runs; `private` holds files that only their owner may read or change."""

    def __init__(self, folder: Path) -> None:
        self.ran = folder / "ran"
        self.private = folder / "private"
        self.private.mkdir()
        (self.private / "notes.txt").write_text(SECRET)
        np.save(self.private / "v_visual.npy", np.full((4, 6), 7, np.float32))
        self.before = self._state()

    @property
    def command(self) -> str:
        return f"touch {self.ran}"

    def assert_untouched(self, *said: str) -> None:
        """Nothing ran, nothing of the private folder changed, and none of what was said or written tells of it."""
        assert not self.ran.exists()
        assert self._state() == self.before
        assert not any(SECRET in text for text in said)

    def _state(self) -> dict[str, tuple[bytes, int]]:
        return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in self.private.iterdir()}


def texts(folder: Path) -> list[str]:
    """All that the files of a folder say."""
    return [path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file()]
