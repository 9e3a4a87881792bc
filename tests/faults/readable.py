"""What must hold at every moment of a folder: a file that bears its name is whole."""

import csv
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import torch
import yaml


def assert_readable(folder: Path) -> None:
    """Open every file of a folder but those that are being written (`.NAME.part`)."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            READERS.get(path.suffix, Path.read_bytes)(path)


def read_checkpoint(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
    torch.load(path, weights_only=True)


def read_csv(path: Path) -> None:
    assert path.read_text().endswith("\n")
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    assert {len(row) for row in rows} <= {len(header)}


def read_json(path: Path) -> None:
    json.loads(path.read_text())


def read_html(path: Path) -> None:
    assert path.read_text().rstrip().endswith("</html>")


def read_h5(path: Path) -> None:
    with h5py.File(path) as file:
        file.visititems(lambda name, item: item[()] if isinstance(item, h5py.Dataset) else None)


READERS: dict[str, Callable[[Path], object]] = {
    ".ckpt": read_checkpoint,
    ".csv": read_csv,
    ".h5": read_h5,
    ".html": read_html,
    ".json": read_json,
    ".npy": np.load,
    ".yaml": lambda path: yaml.safe_load(path.read_text()),
}
