"""What is wrong, or may be, with annotations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from avel.data.annotations import Annotations
from avel.data.inspection.findings import Finding, some
from avel.data.inspection.statistics import class_statistics, near_repeats

FEW = 10
"""Training events below which a class can hardly be learned."""


def annotation_findings(annotations: Annotations, needed: Sequence[str]) -> Iterator[Finding]:
    """Look at annotations alone.

    Args:
        annotations: the checked ones.
        needed: splits that training and testing need.
    """
    for split in dict.fromkeys(needed):
        if not annotations.split(split):
            yield Finding(f"No video in the split {split!r}", "Give some videos this subset", "error")
    yield from _class_findings(annotations, needed)
    if names := _alike(annotations.class_names):
        yield Finding(f"Class names that are nearly the same: {names}", "Spell them alike if they mean one class")
    repeats = {video.video: len(near_repeats(video)) for video in annotations.videos}
    if pairs := sum(repeats.values()):
        where = some([video for video, count in repeats.items() if count])
        yield Finding(
            f"Pairs of events of one class that nearly coincide: {pairs} (in {where})",
            "Delete one of the two if one event was annotated twice",
        )


def _class_findings(annotations: Annotations, needed: Sequence[str]) -> Iterator[Finding]:
    classes = class_statistics(annotations)
    total = len(classes)
    untaught = [found.name for found in classes if not found.events["train"]]
    if untaught and "train" in needed:
        yield Finding(
            f"Classes without an event in training: {len(untaught)} of {total} ({some(untaught)})",
            "They cannot be learned: annotate training videos with them, or leave them out",
        )
    taught = {found.name: found.events["train"] for found in classes if found.events["train"]}
    rare = [f"{name} {events}" for name, events in taught.items() if events < FEW]
    if rare and "train" in needed:
        yield Finding(
            f"Classes with fewer than {FEW} events in training: {len(rare)} of {total} ({some(rare)})",
            "Expect little of them; annotate more, or merge classes",
        )
    for split in dict.fromkeys(needed):
        absent = [found.name for found in classes if not found.events[split]]
        if split != "train" and 0 < len(absent) < total:
            yield Finding(
                f"Classes that do not occur in the split {split!r}: {len(absent)} of {total} ({some(absent)})",
                "The mean average precision there is over the others",
                "note",
            )


def _alike(names: Sequence[str]) -> str:
    """Return the groups of names that differ in case, blanks, underscores and hyphens alone."""
    groups = defaultdict(list)
    for name in names:
        groups["".join(character for character in name.casefold() if character not in " _-")].append(repr(name))
    return ", ".join(" and ".join(group) for group in groups.values() if len(group) > 1)
