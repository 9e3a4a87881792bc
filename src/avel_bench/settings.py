"""How it is measured: the options of the command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from avel.errors import UserError


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Options of a benchmark, in plain values.

    Attributes:
        device: where networks and decoders work: cpu or cuda.
        threads: of PyTorch.
        repeats: samples of a row.
        warmup: rounds before the first sample.
        size: "full" has the published sizes, "narrow" is for trying out: its numbers mean nothing.
        videos: written for the groups that read from the disk; None for their own numbers.
        folder: where files are written for a while, on the disk to measure; None for that of temporary files.
        annotations: of UnAV-100, for the group metric; None draws events.
        profile: folder for the traces of training steps; None makes none.

    Raises:
        UserError: a number is too small, or there is no GPU.
    """

    device: Literal["cpu", "cuda"] = "cpu"
    threads: int = 1
    repeats: int = 3
    warmup: int = 1
    size: Literal["full", "narrow"] = "full"
    videos: int | None = None
    folder: Path | None = None
    annotations: Path | None = None
    profile: Path | None = None

    def __post_init__(self) -> None:
        for name, least in (("threads", 1), ("repeats", 1), ("warmup", 0), ("videos", 1)):
            if (number := getattr(self, name)) is not None and number < least:
                raise UserError(f"--{name} {number}: give a whole number from {least} on")
        if self.folder is not None and not self.folder.is_dir():
            raise UserError(f"--folder {self.folder}: there is no such folder")
        if self.annotations is not None and not self.annotations.is_file():
            raise UserError(f"--annotations {self.annotations}: there is no such file")
        if self.profile is not None and self.profile.exists() and not self.profile.is_dir():
            raise UserError(f"--profile {self.profile}: is a file, give the name of a folder")
        if self.on_gpu and not torch.cuda.is_available():
            raise UserError("--device cuda: PyTorch finds no GPU that it can use here; --device cpu measures without")

    @property
    def on_gpu(self) -> bool:
        """Whether a GPU does the work."""
        return self.device == "cuda"

    @property
    def narrow(self) -> bool:
        """Whether sizes are those for trying out."""
        return self.size == "narrow"

    def apply(self) -> None:
        """Set what PyTorch keeps for the whole process."""
        torch.set_num_threads(self.threads)
        torch.manual_seed(0)
