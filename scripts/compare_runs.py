"""Puts runs side by side: mean and standard deviation over seeds, the best run, and how sure a difference is.

    python scripts/compare_runs.py logs/sweeps/NAME
    python scripts/compare_runs.py logs/ccnet_unav100 logs/unav_unav100 --out DIR

Runs that differ by their seeds alone are one row. Where there are two rows, a paired bootstrap over test videos tells
how sure the difference in mAP is.
"""

import argparse
from pathlib import Path

from avel.errors import UserError
from avel_run.interruption import interruptible
from hydra_plugins.avel_sweeps.summary import summarize


@interruptible
def main() -> None:
    """Show the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="of runs (also above them) or of a sweep")
    parser.add_argument("--out", type=Path, help="folder for summary.csv and summary.md (default: only show)")
    parser.add_argument("--resamples", type=int, default=1000, help="draws of the bootstrap (default: %(default)s)")
    args = parser.parse_args()
    if args.resamples < 1:
        parser.exit(2, f"--resamples {args.resamples}: give a number from 1 on\n")
    try:
        summarize(args.folders, args.out, resamples=args.resamples)
    except (UserError, OSError) as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
