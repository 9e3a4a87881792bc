"""Reads and checks what is annotated in AVE: `Annotations.txt`, the order files and, where present, the label files.

A line of `Annotations.txt` is `class&id&quality&start&end`: one video, whose only event lies in [start, end) seconds.
The number of a line, from 0 on, is what order files list and the row of the video in all arrays. Classes are numbered
by first appearance. An event of length 0 is none: the video keeps its class, and all its snippets are background.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from avel.data.clips import ClipAnnotations, Indices
from avel.data.h5 import H5Array
from avel.data.text_files import read_text
from avel.errors import UserError

FIELDS = "class&id&quality&start&end"

KEY = "avadataset"
"""Name of the array in all files of labels and features."""

PER_SNIPPET, PER_VIDEO = ("rows", "snippets", "columns"), ("rows", "columns")
AXES = {
    "labels.h5": PER_SNIPPET,
    "right_labels.h5": PER_SNIPPET,
    "mil_labels.h5": PER_VIDEO,
    "labels_closs.h5": PER_SNIPPET[:2],
    "prob_label.h5": PER_VIDEO,
    "labels_noisy.h5": PER_VIDEO,
}
"""Label file -> names of its axes, for messages."""

OF_PSP = ("right_labels.h5", "prob_label.h5")
"""Copies that PSP publishes; they may have been corrected, so a difference is worth a warning only."""


class DifferentLabels(UserError):
    """A label file does not say what the annotations say."""


"""Axes of arrays of labels."""


def read_ave_annotations(
    path: Path, *, snippets: int, class_names: Sequence[str] | None = None, hint: str = ""
) -> ClipAnnotations:
    """Read and check `Annotations.txt`, or any file like it with other classes.

    Args:
        path: the file.
        snippets: T, length of each video in snippets of 1 second.
        class_names: the classes that may occur, in the order of their numbers; None numbers them by first appearance.
        hint: where to get the file, for the message when it is missing.

    Raises:
        UserError: the file is missing, or a line is malformed; the message names file and line.
    """
    if len(set(class_names or ())) < len(class_names or ()):
        raise UserError(f"data.class_names={list(class_names or ())}: name each class once")
    rows = []
    for number, line in enumerate(_read_lines(path, hint), start=1):
        try:
            rows.append(_read_line(line, snippets, class_names))
        except ValueError as error:
            raise UserError(f"{path}, line {number}: {error}") from None
    names, sources, *times = zip(*rows, strict=True)
    numbers = {name: number for number, name in enumerate(class_names or dict.fromkeys(names))}
    return ClipAnnotations(
        videos=_unique(sources),
        sources=sources,
        classes=np.array([numbers[name] for name in names], dtype=np.int64),
        segments=np.array(times, dtype=np.int64).T,
        snippets=snippets,
        class_names=tuple(numbers),
    )


def read_order(path: Path, videos: int, *, hint: str = "") -> Indices:
    """Read the rows of a split, (N,), in the order of the file.

    Args:
        path: the file, with the rows under the key "order".
        videos: number of rows that there are.
        hint: where to get the file, for the message when it is missing.

    Raises:
        UserError: the file is missing or damaged, or a row does not exist or comes twice; the message names the file,
            the position and the row.
    """
    order = H5Array(path, "order", {"videos of the split": None}, kinds="iu", hint=hint).whole()
    outside = np.flatnonzero((order < 0) | (order >= videos))
    if outside.size:
        raise UserError(
            f"{path}: value {order[outside[0]]} at position {outside[0]} is out of range: rows go from 0 to"
            f" {videos - 1}, one per line of Annotations.txt; use files that belong together"
        )
    _, first = np.unique(order, return_index=True)
    if len(first) < len(order):
        again = np.setdiff1d(np.arange(len(order)), first)[0]
        before = np.flatnonzero(order == order[again])[0]
        raise UserError(
            f"{path}: value {order[again]} at position {again} is already at position {before}: list each row once"
        )
    return order.astype(np.int64)


def label_files(annotations: ClipAnnotations, background: int = 0) -> dict[str, npt.NDArray[np.float32]]:
    """Return what the published label files hold: name -> array.

    `labels.h5` and PSP's `right_labels.h5` hold the class of each snippet one-hot, (V, T, C + 1); `mil_labels.h5` that
    of the video, (V, C + 1); `labels_closs.h5` whether a snippet is an event, (V, T); `prob_label.h5` the share of the
    snippets that each class has, (V, C + 1); `labels_noisy.h5` the class of background-only videos, (N, C + 1).

    Args:
        annotations: of all V videos.
        background: number N of background-only videos; 0 leaves `labels_noisy.h5` out.
    """
    one_hot = np.eye(annotations.background + 1, dtype=np.float32)
    snippets = one_hot[annotations.snippet_labels()]
    files = {
        "labels.h5": snippets,
        "right_labels.h5": snippets,
        "mil_labels.h5": one_hot[annotations.classes],
        "labels_closs.h5": 1 - snippets[:, :, -1],
        "prob_label.h5": snippets.mean(axis=1),
    }
    return files | ({"labels_noisy.h5": np.tile(one_hot[-1], (background, 1))} if background else {})


def check_label_files(folder: Path, annotations: ClipAnnotations, background: int = 0) -> list[str]:
    """Compare those label files (see `label_files`) that are there with the annotations; return their names.

    Args:
        folder: where they lie.
        annotations: what they should agree with.
        background: number N of background-only videos; `labels_noisy.h5` is not looked at where it is 0.

    Raises:
        UserError: a file is damaged, or differs; the message names file, row and both values.
    """
    expected = label_files(annotations, background)
    present = [name for name in expected if (folder / name).exists()]
    for name in present:
        try:
            _compare(folder / name, AXES[name], expected[name])
        except DifferentLabels as error:
            if name not in OF_PSP:
                raise
            warnings.warn(f"{error}; nothing is read from it", stacklevel=2)
    return present


def _compare(path: Path, axes: Sequence[str], expected: npt.NDArray[np.float32]) -> None:
    found = H5Array(path, KEY, dict(zip(axes, expected.shape, strict=True))).whole()
    different = np.argwhere(~np.isclose(found, expected, rtol=0, atol=1e-5))  # shares may be rounded
    if len(different):
        first = tuple(different[0].tolist())
        where = ", ".join(f"{axis.removesuffix('s')} {index}" for axis, index in zip(axes, first, strict=True))
        raise DifferentLabels(
            f"{path}, {where}: is {found[first]:g}, but {expected[first]:g} by Annotations.txt"
            f" ({len(different)} values differ): use files that belong together, or remove this one"
        )


def _read_lines(path: Path, hint: str) -> list[str]:
    if not path.exists():
        raise UserError(f"{path}: no such file\n{hint}".rstrip())
    return re.split(r"\r\n?|\n", read_text(path).rstrip("\r\n"))


def _read_line(line: str, snippets: int, class_names: Sequence[str] | None) -> tuple[str, str, int, int]:
    fields = [field.strip() for field in line.split("&")]
    if len(fields) != 5:
        raise ValueError(f"must have the 5 fields {FIELDS}, has {len(fields)}")
    name, source, _, *times = fields
    if not name or (class_names is not None and name not in class_names):
        known = f" (known by data.class_names: {', '.join(class_names)})" if class_names else ""
        raise ValueError(f"unknown class {name!r}{known}")
    if source in {"", ".", ".."} or re.search(r"[/\\\0]", source):
        raise ValueError(f"the id {source!r} must be a plain name: it becomes part of file names")
    for field, time in zip(("start", "end"), times, strict=True):
        if not re.fullmatch(r"[0-9]{1,9}", time):
            raise ValueError(f"{field} {time!r} must be a whole number of seconds from 0 on")
    start, end = map(int, times)
    if start > end:
        raise ValueError(f"the event ends ({end}) before it starts ({start})")
    if end > snippets:
        raise ValueError(f"the event ends ({end}) beyond the {snippets} snippets that the features have")
    return name, source, start, end


def _unique(sources: Sequence[str]) -> tuple[str, ...]:
    taken: dict[str, None] = {}  # keeps the order, unlike a set
    for source in sources:
        video, number = source, 1
        while video in taken:
            number += 1
            video = f"{source}~{number}"
        taken[video] = None
    return tuple(taken)
