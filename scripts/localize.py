"""Finds events in videos: `python scripts/localize.py VIDEO … --checkpoint FILE --out DIR`."""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from avel.errors import UserError, harmless
from avel_run.interruption import interruptible

EPILOG = """DIR gets events.json (ActivityNet), events.csv, and per video labels/ID.txt (Audacity), subtitles/ID.srt and
pages/ID.html, all of which index.html lists. A run that was killed goes on where it was: start it again (until its end,
DIR/unfinished holds what was found so far). Exit code 1: some files could not be read, for reasons that are listed; 2:
nothing could be done."""


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(description=__doc__, epilog=EPILOG)
    add = parser.add_argument
    add("videos", type=Path, nargs="+", metavar="VIDEO", help="media file, or folder of such")
    add("--checkpoint", type=Path, required=True, help="of a run on features of extract_features.py: best.ckpt")
    add("--out", type=Path, required=True, help="folder of the results")
    add(
        "--threshold",
        type=float,
        help="lowest score, 0 to 1, of events in labels and subtitles; pages begin with it (default: half of the"
        " video's best, at least 0.1)",
    )
    add("--task", help="of a checkpoint of several tasks")
    add(
        "--weights",
        type=whereabouts,
        action="append",
        default=[],
        metavar="MODALITY=PATH",
        help="visual=PATH or audio=PATH: where the weights of that encoder lie, if not where they lay in training",
    )
    add("--device", default="cpu", help="of the networks, e.g. cuda (default: %(default)s)")
    add("--force", action="store_true", help="replace the results in DIR, and begin anew")
    return parser


def whereabouts(text: str) -> tuple[str, str]:
    """Read what stands behind `--weights`."""
    modality, _, path = text.partition("=")
    if modality not in ("visual", "audio") or not path:
        raise argparse.ArgumentTypeError(f"{text!r} is neither visual=PATH nor audio=PATH")
    return modality, path


@interruptible
def main() -> None:
    """Localize and tell what came of it."""
    parser = build_parser()
    args = parser.parse_args()
    from avel.tasks.localization import VideoLocalizer  # it takes seconds, and --help does without
    from avel.tasks.localization_job import localize_files

    try:
        localizer = VideoLocalizer(args.checkpoint, task=args.task, device=args.device, weights=dict(args.weights))
        outcome = localize_files(args.videos, localizer, args.out, threshold=args.threshold, force=args.force)
    except (UserError, OSError) as error:
        parser.exit(2, f"{error}\n")
    Console(soft_wrap=True, highlight=False, markup=False).print(*map(harmless, outcome.lines(args.out)), sep="\n")
    sys.exit(1 if outcome.failed else 0)


if __name__ == "__main__":
    main()
