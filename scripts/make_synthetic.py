"""Writes a synthetic data set in an official format: `python scripts/make_synthetic.py unav100 --out DIR`."""

import argparse
from pathlib import Path

from rich.console import Console

from avel.data.features import FAMILIES
from avel.data.synthetic import DEFAULT_CLASSES, DEFAULT_VIDEOS, SyntheticOptions, write_unav100
from avel.errors import UserError


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    default = SyntheticOptions()
    parser = argparse.ArgumentParser(description=__doc__)
    datasets = parser.add_subparsers(dest="dataset", required=True)
    add = datasets.add_parser("unav100", help="annotations and feature files of UnAV-100").add_argument
    add("--out", type=Path, required=True, help="folder of data sets (paths.data_dir); writes OUT/unav100")
    add("--videos", type=int, help=f"default: {DEFAULT_VIDEOS}, or all of --annotations")
    add("--classes", type=int, help=f"default: {DEFAULT_CLASSES}, or all of --annotations")
    add("--visual-dim", type=int, default=default.visual_dim, help="channels (default: %(default)s)")
    add("--audio-dim", type=int, default=default.audio_dim, help="channels (default: %(default)s)")
    add("--features", choices=FAMILIES, default=default.features, help="family (default: %(default)s)")
    add("--difficulty", type=float, default=default.difficulty, help="0 to 1 (default: %(default)s)")
    add("--annotations", type=Path, help="real annotation file to plant features under")
    add("--seed", type=int, default=default.seed, help="default: %(default)s")
    add("--workers", type=int, default=2, help="threads (default: %(default)s)")
    add("--force", action="store_true", help="replace data that was made up with other options")
    return parser


def main() -> None:
    """Write the data set and say what to do with it."""
    parser = build_parser()
    args = parser.parse_args()
    try:
        options = SyntheticOptions(
            videos=args.videos,
            classes=args.classes,
            visual_dim=args.visual_dim,
            audio_dim=args.audio_dim,
            features=args.features,
            difficulty=args.difficulty,
            annotations=args.annotations,
            seed=args.seed,
        )
        written = write_unav100(args.out / "unav100", options, workers=args.workers, force=args.force)
    except (UserError, OSError) as error:
        parser.exit(2, f"{error}\n")
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"{args.out / 'unav100'}: wrote {len(written)} feature files, all others were there")
    command = f"python run.py experiment=ccnet_unav100 size=narrow data.features={args.features}"
    console.print(f"Next: [bold]{command} paths.data_dir={args.out}[/bold]")


if __name__ == "__main__":
    main()
