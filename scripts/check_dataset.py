"""Shows what is in a data set and what is wrong with it, before anyone trains on it.

Your own data:       python scripts/check_dataset.py --annotations FILE --features DIR
Any other data set:  python scripts/check_dataset.py data=unav100 paths.data_dir=DIR

Exit code 1: training would fail; 2: nothing could be checked.
"""

import argparse
import shlex
from pathlib import Path
from typing import Any

import hydra
from hydra.utils import instantiate
from omegaconf import OmegaConf
from rich.console import Console

from avel.data.inspection.features import with_bar
from avel.data.inspection.report import DatasetReport, inspect, inspect_annotations
from avel.data.inspection.tables import show_report
from avel.errors import UserError
from avel.terminal import escape
from avel.training.console import WIDTH
from avel_run.arguments import check_arguments
from avel_run.interruption import interruptible
from avel_run.mistakes import Mistakes

CONF = Path(__file__).resolve().parents[1] / "conf"


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("overrides", nargs="*", metavar="key=value", help="as for run.py: data=NAME and keys of its configuration")
    add("--annotations", type=Path, help="file or folder; data/README.md says which formats there are")
    add("--features", type=Path, help="folder with a manifest.json, or packed file (default: annotations alone)")
    add("--headers-only", action="store_true", help="do not read the features themselves, which may take long")
    add("--all-classes", action="store_true", help="show every class")
    return parser


def check(args: argparse.Namespace) -> dict[str, DatasetReport]:
    """Return a report per data set, by the task that it is for ("" where there is one data set)."""
    own = [] if args.annotations is None else ["data=custom"]
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        config = hydra.compose("config", overrides=[*own, *args.overrides])
    if not config.get("data") or (args.features and not own):
        raise UserError("say what to check: --annotations FILE --features DIR, or data=NAME")
    if own and "annotations" not in config.data:
        raise UserError("--annotations is for data of your own: leave it out, or data=NAME")
    options: Any = OmegaConf.to_container(config.data, resolve=True)
    check_arguments("data", options)
    if own and args.features is None:
        return {"": inspect_annotations(args.annotations, frame_rate=config.data.frame_rate)}
    if own:
        config.data.annotations, config.data.feature_dir = str(args.annotations), str(args.features)
    sets = instantiate(config.data, _convert_="all").by_task()
    return {task: inspect(data, headers_only=args.headers_only, track=with_bar) for task, data in sets.items()}


def verdict(args: argparse.Namespace, fatal: int) -> str:
    """Say how to go on, in rich's markup."""
    if fatal:
        return f"[bold red]Training would fail for {fatal} reason{'s' if fatal > 1 else ''}.[/]"
    if args.annotations and not args.features:
        return "[bold green]The annotations can be used.[/] Check them with the features too: --features DIR"
    own = [f"data.annotations={args.annotations}", f"data.feature_dir={args.features}", *args.overrides]
    command = shlex.join(["python", "run.py", "experiment=ccnet_custom", "size=narrow", *own])
    return "[bold green]Training can start.[/]" + (f"\n    {escape(command)}" if args.annotations else "")


@interruptible
def main() -> None:
    """Show the report and exit."""
    parser = build_parser()
    args = parser.parse_args()
    with Mistakes(CONF, show_keys="", implied=() if args.annotations is None else ("data=custom",)).told():
        reports = check(args)
    console = Console(highlight=False)
    console.width = console.width if console.is_terminal else WIDTH
    for task, report in reports.items():
        console.print(*filter(None, [escape(task)]), *show_report(report, all_classes=args.all_classes), sep="\n")
    fatal = sum(report.fatal for report in reports.values())
    console.print(verdict(args, fatal), soft_wrap=True)
    parser.exit(1 if fatal else 0)


if __name__ == "__main__":
    main()
