"""Writes the feature files of AVE: `python scripts/make_ave_features.py FEATURES ROOT`."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

from rich.console import Console
from rich.progress import track

from avel.errors import UserError
from avel_run.interruption import interruptible

EPILOG = """FEATURES is what scripts/extract_features.py made of the videos with encoder=vgg19_vggish, or with any other
and a window and hop of 1 s. ROOT has Annotations.txt and the order files, of AVE or of your own data; the features of
the video in line i become row i. Next: python run.py experiment=cmran_ave data.root=ROOT"""


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(description=__doc__, epilog=EPILOG)
    add = parser.add_argument
    add("features", type=Path, metavar="FEATURES", help="folder of features with a step per second")
    add("root", type=Path, metavar="ROOT", help="folder of the data set: gets visual_feature.h5 and audio_feature.h5")
    add(
        "--background",
        type=Path,
        metavar="FEATURES",
        help="folder of features of videos without any event, for weak supervision: *_feature_noisy.h5",
    )
    add("--snippets", type=int, default=10, help="seconds of a video that are kept (default: %(default)s)")
    add("--force", action="store_true", help="replace feature files in ROOT")
    return parser


@interruptible
def main() -> None:
    """Write the files and say which."""
    parser = build_parser()
    args = parser.parse_args()
    from avel.data.ave_features import write_ave_features  # torch takes seconds to import: --help does without

    options = {"background": args.background, "snippets": args.snippets, "force": args.force}
    console = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        with warnings.catch_warnings(record=True) as told:
            written = write_ave_features(args.root, args.features, **options, track=track)
    except (UserError, OSError) as error:
        parser.exit(2, f"{error}\n")
    console.print(
        *(f"Warning: {warning.message}" for warning in told), *(f"Wrote {path}" for path in written), sep="\n"
    )


if __name__ == "__main__":
    main()
