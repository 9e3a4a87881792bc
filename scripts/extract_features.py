"""Extracts features of videos: `python scripts/extract_features.py SRC OUT encoder=spectral [key=value …]`."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.progress import track

from avel.errors import check_number, harmless
from avel.training import ranks
from avel_run.arguments import check_arguments
from avel_run.interruption import answering_ctrl_c, interruptible
from avel_run.mistakes import Mistakes

if TYPE_CHECKING:  # torch takes seconds to import: --help does without
    from avel.extraction.job import Summary

CONF = Path(__file__).resolve().parent.parent / "conf"
EPILOG = """A run that was killed goes on where it was: start it again. Processes: trainer.devices=4; GPUs:
trainer.accelerator=gpu trainer.devices=-1. Exit code 1: some files have no features, for reasons that are listed; 2:
nothing could be done. Next: python run.py experiment=ccnet_custom data.feature_dir=OUT data.annotations=FILE"""


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    encoders = ", ".join(sorted(path.stem for path in (CONF / "encoder").glob("*.yaml")))
    parser = argparse.ArgumentParser(description=__doc__, epilog=EPILOG)
    parser.add_argument("src", type=Path, metavar="SRC", help="folder of videos, with the folders in it; or one video")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for features and manifest.json")
    options = f"encoder=NAME ({encoders}), encoder/audio=clap, encoder.visual.hop=0.5 and all else that --cfg shows"
    parser.add_argument("overrides", type=override, nargs="*", metavar="key=value", help=options)
    parser.add_argument("--cfg", action="store_true", help="show all keys and their values, and do nothing")
    return parser


def override(text: str) -> str:
    """Check the form of what stands behind SRC and OUT."""
    if "=" not in text:
        raise argparse.ArgumentTypeError(f"{text!r} is not key=value; SRC and OUT stand before all others")
    return text


def extract(src: Path, out: Path, cfg: DictConfig) -> Summary | None:
    """Extract all files; rank 0 returns what came of it."""
    from avel.data.pack_folder import check_packing
    from avel.extraction.job import extract_folder
    from avel.extraction.pair import EncoderPair

    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    check_number("chunk", cfg.chunk, above=True)
    for key in ("encoder", "trainer"):
        check_arguments(key, OmegaConf.to_container(cfg[key], resolve=True))
    encoders = EncoderPair(**instantiate(cfg.encoder, _convert_="all"))
    shapes = (encoders.visual.shape, encoders.audio.shape)
    packed = check_packing(out, packed=cfg.packed, dtype=cfg.dtype, shapes=shapes)
    trainer = instantiate(cfg.trainer, _convert_="all")
    with answering_ctrl_c(trainer):
        return extract_folder(src, out, encoders, trainer, overwrite=cfg.overwrite, chunk=cfg.chunk, packed=packed)


def tell(summary: Summary, out: Path, cfg: DictConfig) -> None:
    """Say what came of it, and pack the features if asked."""
    from avel.data.pack_folder import pack_extracted

    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(*map(harmless, summary.lines()), sep="\n")
    if cfg.packed and (packing := pack_extracted(out, dtype=cfg.dtype, track=track)):
        console.print(*packing.lines(), sep="\n")


@interruptible
def main() -> None:
    """Extract features."""
    args = build_parser().parse_args()
    with Mistakes(CONF, top="extract", show_keys="--cfg").told(), ranks.one_voice():
        with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
            cfg = hydra.compose("extract", overrides=args.overrides)
        if args.cfg:
            print(OmegaConf.to_yaml(cfg, resolve=True))
            return
        if summary := extract(args.src, args.out, cfg):
            tell(summary, args.out, cfg)
    sys.exit(1 if summary and summary.failed else 0)


if __name__ == "__main__":
    main()
