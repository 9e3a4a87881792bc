"""What was found in videos so far: in a folder beside the results until these are whole, so that a killed run goes on.

`unfinished/VIDEO.json` is in ActivityNet's layout and says in which file ("file", see `Record`) and by what ("by", see
`VideoLocalizer.provenance`) the events were found.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from avel.errors import UserError, check_number
from avel.events import EventTable
from avel.extraction.records import Record, record_of
from avel.extraction.sources import Source
from avel.files import open_regular, whole_file
from avel.report.folder import TABLE, LocalizedVideo

FOLDER = "unfinished"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found in a media file.

    Attributes:
        video: the events.
        record: the file, as it was before it was read, and what was wrong with it.
    """

    video: LocalizedVideo
    record: Record


class Unfinished:
    """Keeps findings until there are all of them.

    Args:
        results: folder of the results.
        provenance: what decides the findings in a file: those of anything else are not taken over.
    """

    def __init__(self, results: Path, provenance: Mapping[str, Any]) -> None:
        self.table = results / TABLE
        self.folder = results / FOLDER
        self.provenance = json.loads(json.dumps(provenance))  # as a file gives it back

    def recall(self, source: Source) -> Finding | None:
        """Return what was found in a file before; None where that is not known, or was found in another one."""
        path = self._path(source.video)
        try:
            with open_regular(path) as file:
                document = json.loads(file.read().decode())
            events = EventTable.from_activitynet(document).by_video()[source.video]
            record = record_of(document["file"], path)
            check_number("duration", record.duration, above=True)
            record = replace(record, warnings=tuple(map(str, record.warnings)))
            if document["by"] != self.provenance or not record.is_about(source.path):
                return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError, UserError):  # no such file, or a damaged one
            return None
        return Finding(LocalizedVideo(source.video, source.path, record.duration, tuple(events)), record)

    def keep(self, finding: Finding) -> None:
        """Keep what was found in a file; a table of an earlier run, which says that all results are there, goes."""
        self.table.unlink(missing_ok=True)
        found = finding.video
        table = EventTable(list(found.events), [found.video])
        document = table.to_activitynet() | {"file": finding.record.plain(), "by": self.provenance}
        with whole_file(self._path(found.video)) as temporary:
            temporary.write_text(json.dumps(document), encoding="utf-8")

    def clear(self) -> None:
        """Forget everything, and remove the folder if nothing else is in it."""
        for pattern in ("*.json", ".*.part"):
            for path in self.folder.glob(pattern):
                path.unlink(missing_ok=True)
        with suppress(OSError):  # there is none, or there is more in it
            self.folder.rmdir()

    def _path(self, video: str) -> Path:
        return self.folder / f"{video}.json"
