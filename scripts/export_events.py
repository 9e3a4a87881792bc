"""Writes events in the format of another program.

    python scripts/export_events.py RUN --to elan --out DIR --min-score 0.3 --media VIDEOS
    python scripts/export_events.py DIR --to csv --out events.csv
    python scripts/export_events.py --list

What is read: predictions, results or annotations in any format that data/README.md lists, a folder of label tracks or
documents of ELAN, the folder of a run. What it holds tells which it is.
"""

import argparse
from pathlib import Path

from avel.data.formats.events import read_events
from avel.errors import UserError
from avel.exchange.formats import FORMATS, write_events
from avel.exchange.media import Media
from avel.extraction.sources import find_sources
from avel_run.interruption import interruptible


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--list", action=ListFormats, nargs=0, help="say which formats there are, and stop")
    add("table", type=Path, metavar="TABLE", help="file or folder of events")
    add("--to", choices=FORMATS, required=True, help="format to write")
    add("--out", type=Path, required=True, help="file or folder to write, as the format has it")
    add("--min-score", type=float, help="leave out less sure predictions (default: keep all)")
    add("--media", type=Path, metavar="DIR", help="where the videos lie, for ELAN and Label Studio to play them")
    add("--force", action="store_true", help="replace what is there")
    return parser


class ListFormats(argparse.Action):
    """Prints the formats and ends, as `--help` does: nothing else need be given."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print them."""
        print(*(f"{name:<13} {found.summary}" for name, found in FORMATS.items()), sep="\n")
        parser.exit()


def media_in(folder: Path | None) -> Media:
    """Find the files of videos."""
    return Media() if folder is None else Media(folder, dict(find_sources(folder)))


@interruptible
def main() -> None:
    """Read, write, and say what was written."""
    parser = build_parser()
    args = parser.parse_args()
    try:
        table, media = read_events(args.table), media_in(args.media)
        kept = table if args.min_score is None else table.above(args.min_score)
        write_events(kept, args.out, args.to, media=media, force=args.force)
    except (UserError, OSError) as error:
        parser.exit(2, f"{error}\n")
    without = sum(video not in media.paths for video in kept.videos) if args.media else 0
    unplayable = f"; {without} video{'s have' if without > 1 else ' has'} no file in {args.media}" if without else ""
    print(f"Wrote {len(kept)} events of {len(kept.videos)} videos to {args.out}{unplayable}")


if __name__ == "__main__":
    main()
