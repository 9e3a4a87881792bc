"""The page of a report: one self-contained HTML file, whose script draws what is looked at."""

from __future__ import annotations

from pathlib import Path

from avel.report.rendering import compact_json, render
from avel.report.run_report import Report


def write_report(path: Path, report: Report) -> None:
    """Write the page of a report.

    It needs no network and, but for videos that it plays, no other file. Names are shown as they are, whatever
    characters they have.

    Args:
        path: where to write it.
        report: what it shows.
    """
    render(path, "report.html", title=report.title, data=compact_json(report))
