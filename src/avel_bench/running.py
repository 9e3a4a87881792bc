"""Runs the chosen groups and shows what comes out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile

from rich.console import Console

from avel.errors import UserError, check_choice
from avel_bench.groups import GROUPS
from avel_bench.machine import machine, versions
from avel_bench.report import table, write_document
from avel_bench.rows import Row
from avel_bench.screen import open_screen
from avel_bench.settings import Settings


def run(names: Sequence[str], settings: Settings, json: Path | None, console: Console) -> None:
    """Measure groups one after the other.

    Args:
        names: of the groups, none means all.
        settings: how.
        json: file that gets all samples, None for none.
        console: gets a table per group.

    Raises:
        UserError: there is no such group, or the file cannot be written.
    """
    for name in names:
        check_choice("--only", name, GROUPS)
    if json is not None:
        check_writable(json)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    facts = machine(on_gpu=settings.on_gpu) | versions() | {"threads": settings.threads}
    console.print(", ".join(f"{name} {value}" for name, value in facts.items()))
    settings.apply()
    found: dict[str, list[Row]] = {}
    for name in names or GROUPS:
        found[name] = measure(name, settings, console)
        if json is not None:
            write_document(json, found, settings)  # after every group: who stops the rest keeps what there is


def check_writable(path: Path) -> None:
    """Raise a UserError if a file cannot be written: now, not when all is measured."""
    if path.is_dir():
        raise UserError(f"--json {path}: is a folder, give the name of a file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise UserError(f"--json {path}: cannot be written ({error.strerror}): choose another place") from None


def measure(name: str, settings: Settings, console: Console) -> list[Row]:
    """Measure a group and show its table; nothing comes out where it has no part on the device."""
    group = GROUPS[name]
    rows = group.on_gpu if settings.on_gpu else group.on_cpu
    if rows is None:
        console.print(f"{name}: left out, a GPU has no part in it")
        return []
    with open_screen(console) as screen:
        found = list(rows(settings, screen))
    console.print(table(f"{name}: {group.what}", found, judged=not settings.narrow))
    return found


def show_groups(console: Console) -> None:
    """List the groups."""
    for name, group in GROUPS.items():
        console.print(f"{name:10}{group.what}" + ("" if group.on_gpu else " (not on a GPU)"))
