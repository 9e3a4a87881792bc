"""The table of a sweep, or of any runs: on the terminal, as `summary.csv` and as `summary.md`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # Hydra imports this module whenever it starts
    from avel.report.compare import Group


def summarize(folders: Sequence[Path], out: Path | None, *, resamples: int = 1000) -> None:
    """Show all runs below some folders, and write the same.

    Args:
        folders: of runs or of sweeps.
        out: where `summary.csv` and `summary.md` go; None: nowhere.
        resamples: of the bootstrap, where there are two groups of runs.

    Raises:
        UserError: there are no runs.
    """
    from rich.console import Console

    from avel.report.compare import group_runs, show_tables, to_csv, to_markdown
    from avel.tasks.comparison import read_runs
    from avel.terminal import escape
    from avel.training.console import WIDTH
    from avel.training.files import write_text

    groups = group_runs(read_runs(folders))
    notes = [compare(groups[0], groups[1], resamples)] if len(groups) == 2 else []
    console = Console(highlight=False)
    console.width = console.width if console.is_terminal else WIDTH
    console.print(*show_tables(groups), *map(escape, notes), sep="\n")
    if out:
        write_text(out / "summary.csv", to_csv(groups))
        write_text(out / "summary.md", to_markdown(groups, notes))
        console.print(escape(f"Written to {out / 'summary.csv'} and summary.md"), soft_wrap=True)


def compare(one: Group, other: Group, resamples: int) -> str:
    """Say how sure the difference of two groups is, or why that cannot be said."""
    from avel.errors import UserError
    from avel.tasks.comparison import difference

    finished = [run for group in (one, other) for run in group.runs if run.score is not None]
    if not (one.scores and other.scores):
        return ""
    try:
        if len({run.judged for run in finished}) > 1:
            raise UserError("they were judged on different data")
        found = difference(one, other, data_of(Path(finished[0].folder)), split=finished[0].split, resamples=resamples)
    except (UserError, OSError) as error:
        return f"No confidence interval: {error}"
    points = [f"{100 * value:+.2f}" for value in (found.difference, found.low, found.high)]
    return (
        f"mAP of {one.label} minus that of {other.label}: {points[0]} points, 95 % interval {points[1]} to {points[2]}"
        f" (paired bootstrap over test videos, {resamples} draws)"
    )


def data_of(run: Path, data_dir: Path | None = None) -> Any:
    """Build the data set that a run was about.

    Args:
        run: its folder.
        data_dir: folder that the data set's own folder lies in by now; None: where it was.

    Raises:
        UserError: its configuration cannot be read, is of another version, or names other code than the data sets of
            this package.
    """
    from avel_run.stored_config import NAME, build_data, read_config

    path = run / NAME
    config = read_config(run).get("data")
    sets = config.get("sets") if isinstance(config, dict) else None
    for section in (config, *(sets.values() if isinstance(sets, dict) else ())):
        if data_dir and isinstance(section, dict) and "root" in section:
            section["root"] = str(data_dir / Path(str(section["root"])).name)
    return build_data(config, path)
