"""Localizing many files: each gives its own results or a message, and all of them together the tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from avel.errors import UserError, check_number
from avel.exchange.names import check_told_apart
from avel.extraction.attempt import attempt
from avel.extraction.progress import FileBar
from avel.extraction.sources import Source, find_sources
from avel.files import check_links
from avel.report.folder import FOLDERS, INDEX, TABLE, LocalizedVideo, write_tables, write_video
from avel.report.page import Page
from avel.tasks.localization import VideoLocalizer


@dataclass(slots=True)
class Outcome:
    """What came of some files.

    Attributes:
        found: what was found in those that could be read.
        failed: why others could not.
        warned: what was wrong with those of `found`.
        sure: how many of the events in `found` are sure, see `avel.report.folder`.
    """

    found: list[LocalizedVideo] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)
    sure: int = 0

    def lines(self, folder: Path) -> Iterator[str]:
        """Tell it."""
        yield from (f"Warning: {message}" for message in self.warned)
        yield from (f"Failed: {message}" for message in self.failed)
        if self.found:
            events = sum(len(found.events) for found in self.found)
            files = f"{len(self.found)} file{'s' * (len(self.found) > 1)}"
            yield f"{self.sure} sure events in {files}, {events} with unsure ones; look at {folder / INDEX}"


def localize_files(
    paths: Iterable[Path],
    localizer: VideoLocalizer,
    folder: Path,
    *,
    threshold: float | None = None,
    force: bool = False,
) -> Outcome:
    """Localize files and write what is found, see `avel.report.folder`.

    Args:
        paths: media files, and folders of them.
        localizer: what finds events.
        folder: where the results go.
        threshold: score from which on events are sure; None for one that depends on the video.
        force: replace results that are there.

    Raises:
        UserError: results are there, a folder in it is a link to elsewhere, or the threshold is no number from 0 on.
    """
    if threshold is not None:
        check_number("--threshold", threshold)
    if (folder / TABLE).exists() and not force:
        raise UserError(f"{folder / TABLE}: is there already; --force replaces it")
    check_links(folder / name for name in FOLDERS)
    outcome, pages = Outcome(), []
    sources = _sources(paths, outcome.failed)
    check_told_apart(folder, [source.video for source in sources])
    with FileBar([source.path.stat().st_size for source in sources]) as bar:
        for source in sources:
            pages += _localize(source, localizer, folder, threshold, bar, outcome)
            bar.end()
    outcome.sure = sum(len(page.events) for page in pages)
    if outcome.found:
        write_tables(folder, outcome.found, pages)
    return outcome


def _sources(paths: Iterable[Path], failed: list[str]) -> list[Source]:
    """Find the files and leave those out that have a name in common with an earlier one."""
    chosen: dict[str, Source] = {}
    for path in paths:
        try:
            found = find_sources(path)
        except UserError as error:
            failed.append(str(error))
            continue
        for source in found:
            first = chosen.setdefault(source.video, source)
            if first is not source:
                failed.append(f"{source.path}: results would be called like those of {first.path}: rename one of them")
    return list(chosen.values())


def _localize(
    source: Source,
    localizer: VideoLocalizer,
    folder: Path,
    threshold: float | None,
    bar: FileBar,
    outcome: Outcome,
) -> list[Page]:
    made = attempt(source.path, lambda: localizer(source.path, progress=bar.begin(source.path.name)))
    if made.result is None:
        outcome.failed.append(made.error)
        return []
    outcome.warned += made.warnings
    outcome.found.append(made.result)
    return [write_video(folder, made.result, threshold)]
