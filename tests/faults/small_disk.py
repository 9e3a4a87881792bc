"""A disk that is soon full, or that nobody may write to."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.end_to_end.conftest import environment
from tests.forked import ROOT


@dataclass(frozen=True)
class SmallDisk:
    """A folder with room for so many bytes."""

    folder: Path
    size: int

    @property
    def name(self) -> str:
        return f"a tmpfs of {self.size / 2**20:.3g} MiB"

    def become(self, options: str) -> None:
        """Be of another size, "size=64m", or of another kind, "ro"."""
        subprocess.run(["mount", "-o", f"remount,{options}", self.folder], check=True)


def can_mount() -> bool:
    """Whether we may mount file systems here."""
    probe = ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    try:
        return os.geteuid() == 0 and subprocess.run(probe, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


needs_mount = pytest.mark.skipif(not can_mount(), reason="mounting a small disk takes root, and unshare and mount")


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[SmallDisk]:
    """Mount one of `size` bytes, whole pages, in a new folder."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield SmallDisk(folder, size)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def run_with_small_files(size: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python run.py …`, in which no file can be larger: as a full disk, where nothing can be mounted."""
    return subprocess.run(
        [sys.executable, "run.py", *arguments],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
    )
