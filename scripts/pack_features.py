"""Packs a folder of .npy features into one file: `python scripts/pack_features.py SRC OUT.h5 [key=value …]`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console
from rich.progress import track

from avel.errors import UserError, harmless
from avel_run.interruption import interruptible

if TYPE_CHECKING:  # torch takes seconds to import: --help does without
    from avel.data.families import FeatureFamily

CONF = Path(__file__).resolve().parents[1] / "conf"
EPILOG = """SRC stays as it is. Training finds the file as SRC/features.h5, and then reads it instead of the .npy files;
with data=custom also anywhere else: data.feature_dir=OUT.h5. It appears when all of it was read again and compared."""


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(description=__doc__, epilog=EPILOG)
    add = parser.add_argument
    add("src", type=Path, metavar="SRC", help="folder of .npy files, see data/README.md")
    add("out", type=Path, metavar="OUT.h5", help="file to write, e.g. SRC/features.h5")
    add(
        "overrides",
        nargs="*",
        metavar="key=value",
        help="where SRC has no manifest.json, whose features they are: data=unav100 data.features=i3d_vggish",
    )
    add("--dtype", default="float32", help="float32, or float16: half the space, 3 digits (default: %(default)s)")
    add("--force", action="store_true", help="replace OUT.h5")
    return parser


def named_family(overrides: list[str]) -> FeatureFamily:
    """Return the features of a data set and a family that are known by name."""
    from avel.data.dense_module import DenseDataModule

    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        config = hydra.compose("config", overrides=overrides)
    data = instantiate(config.get("data"), _convert_="all")
    if not isinstance(data, DenseDataModule):
        raise UserError("say whose features they are, for example data=unav100 data.features=one_peace")
    return data.features.family


@interruptible
def main() -> None:
    """Pack the features and say what came of it."""
    parser = build_parser()
    args = parser.parse_args()
    from avel.data.pack_folder import pack_folder

    try:
        family = named_family(args.overrides) if args.overrides else None
        packing, left_out = pack_folder(args.src, args.out, family, dtype=args.dtype, force=args.force, track=track)
    except (UserError, HydraException, OmegaConfBaseException, OSError) as error:
        parser.exit(2, f"{error.__cause__ if isinstance(error.__cause__, UserError) else error}\n")
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(*packing.lines(), sep="\n")
    if left_out:
        first = ", ".join(left_out[:3]) + (", …" if left_out[3:] else "")
        console.print(f"Left out, because files of theirs are missing: {len(left_out)} videos ({harmless(first)})")


if __name__ == "__main__":
    main()
