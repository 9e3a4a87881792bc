"""Turns released weights into a checkpoint: `python scripts/convert_checkpoint.py FILE OUT.ckpt`."""

import argparse
import json
from pathlib import Path
from typing import Any

from rich.console import Console

from avel.errors import UserError, harmless
from avel_run.interruption import interruptible

EPILOG = """FILE: state dict or training state (.pth, .pth.tar) of UnAV, UniAV, CCNet, ActionFormer or CMRAN, whole
module (.pt) of AV-att, DMRN or PSP, weights of AVDLN (.h5). No code in it is run. OUT.ckpt is for stage=test
ckpt_path=OUT.ckpt, method.start_from=OUT.ckpt and avel.tasks.loading.load_method; these take FILE itself, too."""


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(description=__doc__, epilog=EPILOG)
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="as the authors released it, or as their code wrote it")
    add("out", type=Path, metavar="OUT.ckpt", help="checkpoint to write")
    add("--method", help="e.g. unav, psp_weak (default: recognized by the names of the weights)")
    add("--weights", choices=("ema", "last"), help="of a training state (default: averaged ones where there are some)")
    add(
        "--set",
        type=setting,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="what the weights do not tell, e.g. pyramid.heads=8 or supervision=weak",
    )
    add("--force", action="store_true", help="replace OUT.ckpt")
    return parser


def setting(text: str) -> tuple[str, Any]:
    """Read what stands behind `--set`: a value of JSON, or a word."""
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


@interruptible
def main() -> None:
    """Convert and say what came of it."""
    parser = build_parser()
    args = parser.parse_args()
    from avel.tasks.conversion import check_writable, convert_released, write_conversion  # takes seconds to import

    try:
        check_writable(args.out, source=args.file, force=args.force)
        converted = convert_released(args.file, method=args.method, weights=args.weights, given=dict(args.set))
        write_conversion(converted, args.out)
    except (UserError, OSError) as error:
        parser.exit(2, f"{error}\n")
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(*map(harmless, converted.lines()), f"wrote {args.out}", sep="\n")


if __name__ == "__main__":
    main()
