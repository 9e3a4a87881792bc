"""Reads reference cases: folders of numbers that the papers' released codes produced."""

import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

FOLDER = Path(os.environ.get("AVEL_REFERENCE_CASES") or Path(__file__).parent / "cases")


@dataclass(frozen=True)
class Case:
    folder: Path

    @cached_property
    def document(self) -> dict[str, Any]:
        return json.loads((self.folder / "case.json").read_text())

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def kind(self) -> str:
        return self.document["kind"]

    @property
    def method(self) -> str:
        return self.document["method"]

    @property
    def config(self) -> dict[str, Any]:
        return self.document["config"]

    @property
    def expected(self) -> dict[str, Any]:
        return self.document.get("expected", {})

    @property
    def tolerance(self) -> dict[str, float]:
        return {key: self.document["tolerance"][key] for key in ("rtol", "atol")}

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        # sorted, because the file's order differs from process to process and test processes must agree
        return dict(sorted(read(self.folder / "tensors.safetensors").items()))

    @cached_property
    def weights(self) -> dict[str, Tensor]:
        return read(self.folder / "weights.safetensors")

    def select(self, prefix: str) -> dict[str, Tensor]:
        """Tensors whose name starts with `prefix`, without it."""
        return {name.removeprefix(prefix): t for name, t in self.tensors.items() if name.startswith(prefix)}

    def __str__(self) -> str:
        return self.name


def read(path: Path) -> dict[str, Tensor]:
    """Tensors by name, which serve autograd too, though the first to ask may do so in inference mode."""
    with torch.inference_mode(False):
        return load_file(path)


def find_cases(*, kind: str, methods: tuple[str, ...]) -> list[Case]:
    """The cases of one kind that speak about any of `methods`, by name."""
    cases = [Case(path.parent) for path in sorted(FOLDER.glob("*/case.json"))]
    return [case for case in cases if case.kind == kind and case.method in methods]
