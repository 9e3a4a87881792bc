"""Writes the report on a run, or compares runs: a page with scores, classes, mistakes and the videos themselves.

    python scripts/report.py logs/ccnet_unav100/TIME
    python scripts/report.py logs/unav_unav100/TIME logs/ccnet_unav100/TIME --out compared.html

A run's own report goes to its folder, as after every test. Several runs on the same videos are compared with the first.
Needed are predictions and annotations; features only of AVE, where they say how long videos are.
"""

import argparse
from pathlib import Path

from avel.errors import UserError
from avel.tasks.run_report import REPORT, read_run, write_run_report
from avel_run.interruption import interruptible
from hydra_plugins.avel_sweeps.summary import data_of


@interruptible
def main() -> None:
    """Write the page and say where it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folder of a run that tested")
    parser.add_argument("--videos", type=Path, metavar="DIR", help="folder of the videos, for a player: <id>.mp4 …")
    parser.add_argument("--out", type=Path, help="the page (default: report.html in the folder of the only run)")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where the data sets lie, if they were moved")
    parser.add_argument("--resamples", type=int, default=1000, help="draws of the bootstrap (default: %(default)s)")
    args = parser.parse_args()
    if args.resamples < 1:
        parser.exit(2, f"--resamples {args.resamples}: give a number from 1 on\n")
    if args.out is None and len(args.runs) > 1:
        parser.exit(2, "--out is missing: say where the comparison goes, e.g. --out compared.html\n")
    page = args.out or args.runs[0] / REPORT
    if page.is_dir():
        parser.exit(2, f"--out {page}: is a folder; give the name of a page, e.g. {page / REPORT}\n")
    try:
        runs = [read_run(folder) for folder in args.runs]
        data = data_of(args.runs[0], args.data_dir)
        write_run_report(page, runs, data, videos=args.videos, resamples=args.resamples)
    except PermissionError as error:
        parser.exit(2, f"{error}\n--out writes the page elsewhere\n")
    except (UserError, OSError) as error:
        parser.exit(2, f"{error}\n")
    print(f"wrote {page}")


if __name__ == "__main__":
    main()
