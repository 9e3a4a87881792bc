"""The table of a sweep, or of any runs: on the terminal, as `summary.csv` and as `summary.md`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

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
    from rich.markup import escape

    from avel.report.compare import group_runs, show_tables, to_csv, to_markdown
    from avel.tasks.comparison import read_runs
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
    from avel.errors import UserError

    path = run / "config.yaml"
    try:
        config = OmegaConf.load(path).data or {}
        called = re.findall(r"_target_: (.*)", OmegaConf.to_yaml(config, resolve=True))
        # a run of others may name any code, also that which a module of ours imports
        if not called or not all(re.fullmatch(r"avel\.data\.\w+\.[A-Z]\w+", name) for name in called):
            raise UserError(f"{path}: a _target_ in data is no class of avel.data")
        for section in (config, *config.get("sets", {}).values()):
            if data_dir and "root" in section:
                section.root = str(data_dir / Path(section.root).name)
        return instantiate(config, _convert_="all")
    except (YAMLError, OmegaConfBaseException, HydraException) as error:
        reason = str(error.__cause__ or error).partition("\n")[0]
        raise UserError(f"{path}: no data set can be built from it ({reason}): repeat the run's test") from None
