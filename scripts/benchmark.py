"""Measures the speed of training steps, targets, decoding, metric, reading, long videos and starting.

    python scripts/benchmark.py --only step nms --json results.json
    python scripts/benchmark.py --device cuda

With one thread the clock is that of the process, which others on the machine disturb little; what waits for a disk, and
what a user waits for, goes by the clock on the wall. Goals are for an idle machine.
"""

import argparse
from dataclasses import fields
from pathlib import Path

from rich.console import Console

from avel.errors import UserError
from avel_run.interruption import interruptible


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--only", nargs="+", default=[], metavar="GROUP", help="what to measure (default: all that --list shows)")
    add("--list", action="store_true", help="show the groups and measure nothing")
    add("--device", choices=("cpu", "cuda"), default="cpu", help="of networks and decoders (default: %(default)s)")
    add("--threads", type=int, default=1, help="of PyTorch (default: %(default)s)")
    add("--repeats", type=int, default=3, help="samples of a row (default: %(default)s)")
    add("--warmup", type=int, default=1, help="rounds before the first sample (default: %(default)s)")
    add("--size", choices=("full", "narrow"), default="full", help="narrow: to try the command (default: %(default)s)")
    add("--videos", type=int, help="videos that features and ave write (default: 400 and 3339, or what fits)")
    add("--folder", type=Path, help="where they are written for a while (default: that of temporary files)")
    add("--annotations", type=Path, help="annotation file of UnAV-100, for metric (default: random events)")
    add("--profile", type=Path, metavar="DIR", help="folder for Chrome traces of the training steps")
    add("--json", type=Path, metavar="FILE", help="also write all samples, the machine and versions to this file")
    return parser


@interruptible
def main() -> None:
    """Measure, or list what can be measured."""
    parser = build_parser()
    args = parser.parse_args()
    from avel_bench.running import run, show_groups  # torch takes seconds to import: --help does without
    from avel_bench.settings import Settings

    console = Console(highlight=False, soft_wrap=True)
    if args.list:
        show_groups(console)
        return
    try:
        settings = Settings(**{field.name: getattr(args, field.name) for field in fields(Settings)})
        run(args.only, settings, args.json, console)
    except (UserError, OSError) as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
