"""Makes prompts for UniAV: `python scripts/make_prompts.py OUT.npy --encoder NAME --classes "owl hooting" bus`."""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from avel.data.class_names import read_class_names
from avel.data.prompts import write_prompts
from avel.errors import UserError
from avel.extraction.text import TEMPLATE, embed, fill_template, load_text_encoder
from avel_run.interruption import interruptible


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("out", type=Path, help="OUT.npy: text embeddings (C, P); OUT.json says of what and by what")
    add(
        "--encoder",
        required=True,
        help="pretrained text encoder (CLIP, CLAP, SigLIP, BERT, ...): name on the hub or folder; or"
        " package.module:function of your own, which turns a list of sentences into an array (C, P)",
    )
    classes = parser.add_mutually_exclusive_group(required=True)
    classes.add_argument("--classes", nargs="+", metavar="NAME", help="names of the classes, by id")
    classes.add_argument(
        "--classes-from",
        type=Path,
        metavar="FILE",
        help="text with a name per line, JSON list, or annotations in the layout of UnAV-100 or ActivityNet",
    )
    add("--template", default=TEMPLATE, help="sentence about a class (default: %(default)s)")
    add("--batch-size", type=int, default=64, help="sentences at a time (default: %(default)s)")
    add("--normalize", action=argparse.BooleanOptionalAction, default=True, help="scale rows to norm 1")
    add("--device", default="cpu", help="of a pretrained encoder, e.g. cuda (default: %(default)s)")
    add("--force", action="store_true", help="replace existing files")
    return parser


def make(args: argparse.Namespace) -> tuple[int, ...]:
    """Make the prompts; return the shape of the array."""
    if args.out.suffix != ".npy":
        raise UserError(f"{args.out}: must end with .npy")
    for path in (args.out, args.out.with_suffix(".json")):
        if path.exists() and not args.force:
            raise UserError(f"{path}: is there already; --force replaces it")
    names = args.classes or read_class_names(args.classes_from)
    sentences = fill_template(args.template, names)
    encoder = load_text_encoder(args.encoder, args.device)
    rows = embed(encoder, sentences, batch_size=args.batch_size, unit=args.normalize)
    write_prompts(args.out, rows, names, sentences=sentences, encoder=encoder.name)
    return rows.shape


@interruptible
def main() -> None:
    """Make the prompts and say what to do with them."""
    parser = build_parser()
    args = parser.parse_args()
    if ":" in args.encoder:
        sys.path.append(str(Path.cwd()))  # where modules of the user's own are sought; nobody else's
    try:
        shape = make(args)
    except (UserError, OSError) as error:
        parser.exit(2, f"{error}\n")
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"wrote {args.out} {shape} and {args.out.with_suffix('.json').name}")
    console.print(f"Next: [bold]method.tasks.NAME.prompts={args.out}[/bold] of python run.py experiment=uniav_unav100")


if __name__ == "__main__":
    main()
