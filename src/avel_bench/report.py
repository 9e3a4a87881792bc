"""What is left of a benchmark: a table per group, and a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from rich.table import Table

from avel.files import whole_file
from avel_bench.machine import machine, versions
from avel_bench.rows import Row
from avel_bench.settings import Settings

MARKS = {True: " [green]met[/]", False: " [red]missed[/]", None: ""}


def table(title: str, rows: Sequence[Row], *, judged: bool) -> Table:
    """Put rows into a table; `judged` says whether goals are met."""
    found = Table(title=title, title_justify="left")
    for heading, side in (
        ("what", "left"),
        ("median", "right"),
        ("min … max", "right"),
        ("", "left"),
        ("goal", "left"),
    ):
        found.add_column(heading, justify=side, overflow="fold")  # type: ignore[arg-type]
    for row in rows:
        spread = f"{number(min(row.samples))} … {number(max(row.samples))}" if len(row.samples) > 1 else ""
        goal = f"{row.goal}{MARKS[row.met if judged else None]}" if row.goal else ""
        found.add_row(row.name, number(row.median), spread, row.unit, goal)
    return found


def number(value: float) -> str:
    """Write a number with about three digits."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:,.{digits}f}"


def document(found: Mapping[str, Sequence[Row]], settings: Settings) -> dict[str, object]:
    """Return all that was found, and where and how, in plain values."""
    plain = {name: str(value) if isinstance(value, Path) else value for name, value in asdict(settings).items()}
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(on_gpu=settings.on_gpu),
        "versions": versions(),
        "settings": plain,
        "rows": [{"group": group} | row.as_dict() for group, rows in found.items() for row in rows],
    }


def write_document(path: Path, found: Mapping[str, Sequence[Row]], settings: Settings) -> None:
    """Write all that was found to a JSON file."""
    with whole_file(path) as temporary:
        text = json.dumps(document(found, settings), indent=2, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")
