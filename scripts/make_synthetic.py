"""Writes a synthetic data set in its official files: `python scripts/make_synthetic.py unav100 --out DIR`."""

import argparse
from dataclasses import fields
from pathlib import Path
from typing import TypeVar, get_args

from rich.console import Console

from avel.data import synthetic, synthetic_ave
from avel.data.families import FAMILIES
from avel.data.synthetic import SyntheticOptions, write_unav100
from avel.data.synthetic_ave import Dtype, SyntheticAVEOptions, write_ave
from avel.data.synthetic_dense import FORMATS, SyntheticDenseOptions, write_dense
from avel.errors import UserError
from avel_run.interruption import interruptible

Options = TypeVar("Options", SyntheticOptions, SyntheticAVEOptions, SyntheticDenseOptions)


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    datasets = parser.add_subparsers(dest="dataset", required=True)
    unav100 = datasets.add_parser("unav100", help="its official files: annotations and features")
    default = SyntheticOptions()
    add_common(unav100, default, synthetic.DEFAULT_VIDEOS, synthetic.DEFAULT_CLASSES)
    unav100.add_argument("--features", choices=FAMILIES, default=default.features, help="family (default: %(default)s)")
    ave = datasets.add_parser("ave", help="all files of AVE, and where the object is that sounds")
    default_ave = SyntheticAVEOptions()
    add_common(ave, default_ave, synthetic_ave.DEFAULT_VIDEOS, synthetic_ave.DEFAULT_CLASSES)
    ave.add_argument("--background-videos", type=int, help="videos without any event (default: 178 for 4143 videos)")
    ave.add_argument("--dtype", choices=get_args(Dtype), default=default_ave.dtype, help="default: %(default)s")
    for name, form in FORMATS.items():
        dense = datasets.add_parser(name, help="its official files: annotations and features")
        add_common(dense, SyntheticDenseOptions(), form.videos, form.classes)
        families = list(form.reader.families)
        dense.add_argument("--features", choices=families, default=families[0], help="family (default: %(default)s)")
    return parser


def add_common(parser: argparse.ArgumentParser, default: Options, videos: int, classes: int) -> None:
    """Add the options of all data sets."""
    add = parser.add_argument
    add("--out", type=Path, required=True, help="folder of data sets (paths.data_dir); writes OUT/DATASET")
    add("--videos", type=int, help=f"default: {videos}, or all of --annotations")
    add("--classes", type=int, help=f"default: {classes}, or all of --annotations")
    add("--visual-dim", type=int, default=default.visual_dim, help="channels (default: %(default)s)")
    add("--audio-dim", type=int, default=default.audio_dim, help="channels (default: %(default)s)")
    add("--difficulty", type=float, default=default.difficulty, help="0 to 1 (default: %(default)s)")
    add(
        "--annotations",
        type=Path,
        help="real annotations to plant under: a file (ave: with its order files), else a root folder",
    )
    add("--seed", type=int, default=default.seed, help="default: %(default)s")
    add("--workers", type=int, default=2, help="threads (default: %(default)s)")
    add("--force", action="store_true", help="replace data that was made up with other options")


def chosen(args: argparse.Namespace, kind: type[Options]) -> Options:
    """Return the options that were given."""
    return kind(**{field.name: getattr(args, field.name) for field in fields(kind)})


def write_dataset(args: argparse.Namespace) -> tuple[int, str]:
    """Write a data set; return how many files, and the overrides of a run on them."""
    root, how = args.out / args.dataset, {"workers": args.workers, "force": args.force}
    if args.dataset == "ave":
        return len(write_ave(root, chosen(args, SyntheticAVEOptions), **how)), "experiment=av_att_ave size=narrow"
    if args.dataset == "unav100":
        written = write_unav100(root, chosen(args, SyntheticOptions), **how)
    else:
        written = write_dense(root, args.dataset, chosen(args, SyntheticDenseOptions), **how)
    method = {"unav100": "ccnet", "desed": "unav"}.get(args.dataset, "actionformer")
    return len(written), f"experiment={method}_{args.dataset} size=narrow data.features={args.features}"


@interruptible
def main() -> None:
    """Write the data set and say what to do with it."""
    parser = build_parser()
    args = parser.parse_args()
    try:
        files, overrides = write_dataset(args)
    except (UserError, OSError) as error:
        parser.exit(2, f"{error}\n")
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"{args.out / args.dataset}: wrote {files} files, all others were there")
    console.print(f"Next: [bold]python run.py {overrides} paths.data_dir={args.out}[/bold]")


if __name__ == "__main__":
    main()
