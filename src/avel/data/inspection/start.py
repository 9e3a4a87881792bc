"""What a run says about its data before it starts: in short what `scripts/check_dataset.py` says in full.

Headers of feature files take a second per 10,000 files, on a disk that has them in memory; reading them in several
threads was not faster.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Literal, get_args

from avel.data.inspection.features import Track
from avel.data.inspection.findings import Finding
from avel.data.inspection.report import DatasetReport, inspect
from avel.data.module import LocalizationDataModule
from avel.data.option_names import name_options_of
from avel.errors import UserError, check_choice

Extent = Literal["headers", "full", "none"]

SHOWN = 3
"""Findings of a data set that are told one by one."""


def check_at_start(
    sets: Mapping[str, LocalizationDataModule],
    splits: Sequence[str],
    extent: Extent,
    command: str,
    *,
    track: Track = iter,
) -> list[str]:
    """Look through the data of a run; return what was warned of and, in a message per data set, what is odd.

    Args:
        sets: task -> its data set.
        splits: those that the run needs.
        extent: how much is looked at. "headers": annotations and the headers of feature files; "full": the features as
            well, which takes as long as an epoch; "none": nothing.
        command: what lists all findings.
        track: goes through the videos, and may show how far it is.

    Raises:
        UserError: an unknown extent, or the run would fail; the message names the first reasons.
    """
    check_choice("check_data", extent, get_args(Extent))
    if extent == "none":
        return []
    looks = partial(inspect, splits=splits, headers_only=extent == "headers", track=track)
    reports = {task: looks(data) for task, data in sets.items()}
    if refused := list(_messages(reports, "error", command)):
        raise UserError("\n".join(refused))
    warned = [name_options_of(task, message) for task, report in reports.items() for message in report.warned]
    return [*warned, *_messages(reports, "warning", command)]


def _messages(reports: Mapping[str, DatasetReport], level: str, command: str) -> Iterator[str]:
    for task, report in reports.items():
        found = [finding for finding in report.findings if finding.level == level]
        if found:
            name = f"data.sets.{task}" if task else "data"
            counted = f"{len(found)} {level}{'s' if len(found) > 1 else ''}"
            yield _message(found, f"{name}: {counted}, in {_place(report)}", command)


def _message(found: Sequence[Finding], headline: str, command: str) -> str:
    if len(found) == 1 and not found[0].remedy:  # what ended the reading, in its own words
        return found[0].what
    lines = [f"{finding.what}\n→ {finding.remedy}".removesuffix("\n→ ") for finding in found[:SHOWN]]
    more = [f"… and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return "\n".join([headline, *lines, *more, f"All: {command}"])


def _place(report: DatasetReport) -> str:
    """Say which files a report is about."""
    folder = report.folder.place if report.folder else None
    return " and ".join(str(path) for path in (report.source, folder) if path) or "the annotations"
