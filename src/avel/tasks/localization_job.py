"""Localizing many files: each gives its own results or a message, and all of them together the tables.

What was found so far lies in a folder of its own, see `avel.tasks.unfinished`: a killed run goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from avel.errors import UserError, check_number
from avel.exchange.names import check_told_apart
from avel.extraction.attempt import attempt
from avel.extraction.extract import Progress
from avel.extraction.progress import FileBar
from avel.extraction.records import new_record
from avel.extraction.sources import Source, find_sources
from avel.files import check_links
from avel.report.folder import FOLDERS, INDEX, TABLE, LocalizedVideo, write_tables, write_video
from avel.tasks.localization import VideoLocalizer
from avel.tasks.unfinished import FOLDER, Finding, Unfinished


@dataclass(slots=True)
class Outcome:
    """What came of some files.

    Attributes:
        found: what was found in those that could be read.
        failed: why others could not.
        warned: what was wrong with those of `found`.
        sure: how many of the events in `found` are sure, see `avel.report.folder`.
        files: how many there were.
        known: in how many of them it was known what was found, from a run that did not come to its end.
    """

    found: list[LocalizedVideo] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)
    sure: int = 0
    files: int = 0
    known: int = 0

    def lines(self, folder: Path) -> Iterator[str]:
        """Tell it."""
        if self.known:
            yield f"{self.known} of {self.files} videos {'were' if self.known > 1 else 'was'} done before"
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

    A run that was killed goes on: what the same localizer found in a file that is still the same is not sought again.

    Args:
        paths: media files, and folders of them.
        localizer: what finds events.
        folder: where the results go.
        threshold: score from which on events are sure; None for one that depends on the video.
        force: replace results that are there, and go on from none.

    Raises:
        UserError: results are there, a folder in it is a link to elsewhere, or the threshold is no number from 0 to 1.
    """
    if threshold is not None:
        check_number("--threshold", threshold, 0, 1)
    check_links(folder / name for name in (*FOLDERS, FOLDER))
    unfinished = _begin(folder, localizer, force=force)
    outcome, pages = Outcome(), []
    sources = _sources(paths, outcome.failed)
    check_told_apart(folder, [source.video for source in sources])
    known = {source.video: finding for source in sources if (finding := unfinished.recall(source))}
    outcome.files, outcome.known = len(sources), len(known)
    with FileBar([source.path.stat().st_size for source in sources if source.video not in known]) as bar:
        for source in sources:
            finding = known.get(source.video) or _localize(source, localizer, unfinished, bar, outcome.failed)
            if finding:
                outcome.found.append(finding.video)
                outcome.warned += finding.record.warnings
                pages.append(write_video(folder, finding.video, threshold))
    outcome.sure = sum(len(page.events) for page in pages)
    if outcome.found:
        write_tables(folder, outcome.found, pages)
        unfinished.clear()
    return outcome


def _begin(folder: Path, localizer: VideoLocalizer, *, force: bool) -> Unfinished:
    """Look whether the folder may be used; return what is known from a run that did not come to its end."""
    unfinished = Unfinished(folder, localizer.provenance())
    is_whole = (folder / TABLE).exists()
    if is_whole or force:
        unfinished.clear()  # of a run that was killed when all was written, or that is to be forgotten
    if is_whole and not force:
        raise UserError(f"{folder / TABLE}: is there already; --force replaces it")
    return unfinished


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
    source: Source, localizer: VideoLocalizer, unfinished: Unfinished, bar: FileBar, failed: list[str]
) -> Finding | None:
    """Localize a file and keep what is found, or put down why it cannot be read."""
    progress = bar.begin(source.path.name)
    made = attempt(source.path, lambda: _find(source, localizer, progress))
    bar.end()
    if made.result is None:
        failed.append(made.error)
        return None
    finding = replace(made.result, record=replace(made.result.record, warnings=made.warnings))
    unfinished.keep(finding)
    return finding


def _find(source: Source, localizer: VideoLocalizer, progress: Progress) -> Finding:
    record = new_record(source.path, source.path.name)  # first: if the file changes meanwhile, it will not be the same
    found = localizer(source.path, progress=progress)
    return Finding(found, replace(record, duration=found.duration))
