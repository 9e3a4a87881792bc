"""Renders videos with events that are seen and heard, with annotations: `python scripts/make_clips.py OUT`."""

import argparse
from pathlib import Path

from rich.console import Console

from avel.data.synthetic_clips import ClipOptions, write_clips
from avel.errors import UserError
from avel_run.interruption import interruptible


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    default = ClipOptions()
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("out", type=Path, help="folder to write: OUT/videos/*.mp4 and OUT/annotations.json")
    add("--videos", type=int, default=default.videos, help="default: %(default)s")
    add("--classes", type=int, default=default.classes, help="default: %(default)s")
    add("--difficulty", type=float, default=default.difficulty, help="0 to 1 (default: %(default)s)")
    add("--seed", type=int, default=default.seed, help="default: %(default)s")
    add("--workers", type=int, default=2, help="processes (default: %(default)s)")
    add("--force", action="store_true", help="replace clips that were rendered with other options")
    return parser


@interruptible
def main() -> None:
    """Render the clips and say what to do with them."""
    parser = build_parser()
    args = parser.parse_args()
    try:
        options = ClipOptions(args.videos, args.classes, args.difficulty, args.seed)
        written = write_clips(args.out, options, workers=args.workers, force=args.force)
    except (UserError, OSError) as error:
        parser.exit(2, f"{error}\n")
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"{args.out / 'videos'}: wrote {len(written)} videos, all others were there")
    console.print(
        f"Next: [bold]python scripts/extract_features.py {args.out / 'videos'} {args.out / 'features'}[/bold]"
    )


if __name__ == "__main__":
    main()
