"""Writes the README's table of results.

    python scripts/results_table.py logs
    python scripts/results_table.py --check

Numbers come from the runs in the folders and, where those are elsewhere by now, from logs/measured.json, which keeps
what the table is made of; published numbers from conf/published.yaml.
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from avel.errors import UserError
from avel.report.published import read_literature
from avel.report.results_table import Results, choose_runs, put_between, read_record, record, write_table
from avel.training.files import write_json, write_text
from avel.training.run_state import finished_runs, read_results
from avel_run.interruption import interruptible

ROOT = Path(__file__).resolve().parents[1]


@interruptible
def main() -> None:
    """Write the table, or see whether it is what it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="DIR", help="of runs, also above them")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where the table is another")
    parser.add_argument(
        "--readme", type=Path, default=ROOT / "README.md", help="page with the table (default: README.md)"
    )
    parser.add_argument(
        "--record",
        type=Path,
        default=ROOT / "logs" / "measured.json",
        help="what it is made of (default: logs/measured.json)",
    )
    args = parser.parse_args()
    try:
        runs, page = tabulate(args.folders, args.record, args.readme)
    except (UserError, OSError) as error:
        parser.exit(2, f"{error}\n")
    if args.check:
        current = page == args.readme.read_text(encoding="utf-8")
        parser.exit(not current, "" if current else f"{args.readme}: the table is not current: make results\n")
    if any(runs.values()):
        write_json(args.record, {"runs": [record(run) for of_one in runs.values() for run in of_one]})
    write_text(args.readme, page)
    print(f"{args.readme.name}: {sum(map(bool, runs.values()))} of {len(runs)} experiments have a run")


def tabulate(folders: list[Path], recorded: Path, readme: Path) -> tuple[dict[str, list[Results]], str]:
    """Choose the runs; return them by experiment, and the page with their table."""
    descriptions = {
        path.stem: str(OmegaConf.load(path).description) for path in (ROOT / "conf/experiment").glob("*.yaml")
    }
    published: Any = OmegaConf.to_container(OmegaConf.load(ROOT / "conf" / "published.yaml"))
    literature = read_literature(published, descriptions, "conf/published.yaml")
    if missing := [str(folder) for folder in folders if not folder.is_dir()]:
        raise UserError(f"{', '.join(missing)}: no such folder")
    paths = sorted({path for folder in folders for path in finished_runs(folder)})
    found = [document | {"finished": _finished(path)} for path in paths if (document := read_results(path))]
    runs = choose_runs([*read_record(recorded), *found], literature)
    return runs, put_between(
        readme.read_text(encoding="utf-8"), write_table(descriptions, literature, runs), readme.name
    )


def _finished(run: Path) -> str:
    return datetime.fromtimestamp((run / "results.json").stat().st_mtime, UTC).isoformat(timespec="milliseconds")


if __name__ == "__main__":
    main()
