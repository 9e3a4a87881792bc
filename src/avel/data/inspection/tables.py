"""A report about a data set as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE
from rich.console import RenderableType
from rich.table import Table

from avel.data.annotations import Annotations
from avel.data.features import FeatureFolder
from avel.data.inspection.features import FeatureSurvey
from avel.data.inspection.findings import Finding, Level
from avel.data.inspection.report import DatasetReport
from avel.data.inspection.statistics import Spread, class_statistics, split_statistics
from avel.data.module import SPLITS
from avel.terminal import escape

STYLES: dict[Level, str] = {"error": "bold red", "warning": "yellow", "note": "dim"}
"""Levels of findings, the gravest first -> how they look."""

CLASSES = 10
"""Classes that are shown at either end of their table."""


def show_report(report: DatasetReport, *, all_classes: bool = False) -> Iterator[RenderableType]:
    """Give what a report says, part by part.

    Args:
        report: what was found.
        all_classes: show all classes, not only the most and the least frequent ones.
    """
    if report.source:
        yield f"Annotations: {escape(str(report.source))}"
    if report.annotations:
        yield split_table(report.annotations)
        yield class_table(report.annotations, None if all_classes else CLASSES)
    if report.folder and report.survey.shapes:
        yield features_line(report.folder, report.survey)
    if report.findings:
        yield finding_list(report.findings)


def split_table(annotations: Annotations) -> Table:
    """Tabulate what is in the splits, one column per split."""
    found = [split_statistics(annotations.split(split)) for split in SPLITS]
    table = _table("", *SPLITS)
    table.add_row("videos", *(f"{split.videos:,}" for split in found))
    table.add_row("  without events", *(f"{split.without_events:,}" for split in found))
    table.add_row("  hours", *(f"{split.seconds / 3600:.2f}" for split in found))
    table.add_row("  seconds of a video", *(format_spread(split.durations) for split in found))
    table.add_row("events", *(f"{split.events:,}" for split in found))
    table.add_row("  seconds of an event", *(format_spread(split.lengths) for split in found))
    table.add_row("  overlapping others", *(f"{100 * split.overlapping:.0f} %" for split in found))
    table.add_row("classes", *(str(split.classes) for split in found))
    table.caption = "seconds: shortest – median – longest"
    return table


def class_table(annotations: Annotations, most: int | None) -> Table:
    """Tabulate how often classes occur, frequent ones first; of many, `most` at either end."""
    ranked = sorted(class_statistics(annotations), key=lambda found: -found.total)
    table = _table("events of a class", *SPLITS, "share", "videos", "median s")
    total = max(sum(found.total for found in ranked), 1)
    rows = [
        (
            escape(found.name),
            *(f"{found.events[split]:,}" for split in SPLITS),
            f"{100 * found.total / total:.1f} %",
            f"{found.videos:,}",
            format_seconds(found.lengths.median) if found.lengths else "",
        )
        for found in ranked
    ]
    hidden = 0 if most is None else max(len(rows) - 2 * most, 0)
    for place, row in enumerate(rows):
        if not hidden or most is None or not most <= place < most + hidden:
            table.add_row(*row)
        elif place == most:
            table.add_row(f"… {hidden} more", style="dim")
    return table


def features_line(folder: FeatureFolder, survey: FeatureSurvey) -> str:
    """Say what the features are, in rich's markup."""
    grid, lengths = folder.family.grid, [shape.length for shape in survey.shapes.values()]
    visual, audio = survey.widths or (0, 0)
    return (
        f"Features: {escape(str(folder.place))}\n{visual} channels visual, {audio} audio; a snippet of"
        f" {grid.window / grid.fps:.3g} s every {grid.hop:.3g} s, {min(lengths)} to {max(lengths)} a video\n"
    )


def finding_list(findings: Sequence[Finding]) -> Table:
    """List findings, the gravest first."""
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column()
    for finding in sorted(findings, key=lambda finding: list(STYLES).index(finding.level)):
        table.add_row(f"[{STYLES[finding.level]}]{finding.level}[/]", escape(finding.what))
        if finding.remedy:
            table.add_row("", f"→ {escape(finding.remedy)}")
    return table


def format_spread(found: Spread | None) -> str:
    """Write the smallest, median and largest of some seconds."""
    return " – ".join(map(format_seconds, (found.smallest, found.median, found.largest))) if found else ""


def format_seconds(value: float) -> str:
    """Write seconds with as many digits as one wants to see."""
    return f"{value:.2f}" if value < 1 else f"{value:.1f}"


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE, caption_justify="left")
    for place, column in enumerate(columns):
        table.add_column(column, no_wrap=True, justify="right" if place else "left", max_width=None if place else 40)
    return table
