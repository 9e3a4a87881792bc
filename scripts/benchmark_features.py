"""Measure how many videos' features are read per second: a file per video and modality, and packed into one file."""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from avel.data.features import FeatureFolder
from avel.data.manifest import read_manifest
from avel.data.pack_folder import pack_folder
from avel.data.packing import DTYPES

SIZES = {"one_peace": (1536, 1536), "i3d_vggish": (2048, 128), "spectral": (96, 96)}
"""Channels of visual and audio features: those of UnAV-100, and narrow ones of encoders without weights."""
LENGTHS = 60, 240
"""Snippets of a video."""
BATCH = 16
MANIFEST = {"visual": ["_v.npy"], "audio": ["_a.npy"], "fps": 16, "stride": 4, "window": 16}


def make_features(folder: Path, widths: tuple[int, int], videos: int) -> None:
    """Write random features of videos of random lengths."""
    random = np.random.default_rng(0)
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps(MANIFEST), encoding="utf-8")
    for number, length in enumerate(random.integers(*LENGTHS, videos)):
        for ending, width in zip(("_v", "_a"), widths, strict=True):
            np.save(folder / f"{number:05d}{ending}.npy", random.standard_normal((length, width), np.float32))


def batched(videos: list[str]) -> list[list[str]]:
    """Divide videos into batches."""
    return [videos[start : start + BATCH] for start in range(0, len(videos), BATCH)]


def files_in(place: Path) -> list[Path]:
    """Return the files of a folder, or the one file."""
    return [place] if place.is_file() else list(place.iterdir())


def size(place: Path) -> float:
    """Return how large files are, in MiB."""
    return sum(path.stat().st_size for path in files_in(place)) / 2**20


def forget(place: Path) -> None:
    """Drop the contents of files from memory, not what the system knows of where they lie."""
    for path in files_in(place):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_all(features: FeatureFolder, videos: list[str]) -> float:
    """Read all videos, batch by batch as training does; return how many per second."""
    start = time.perf_counter()
    for batch in batched(videos):
        features.expect(batch)
        for video in batch:
            features.load(video)
    return len(videos) / (time.perf_counter() - start)


def measure(place: Path, repeats: int) -> dict[str, float]:
    """Return the median of videos per second, in random order: from the disk, and from memory as later epochs do."""
    features = FeatureFolder(place, read_manifest(place))
    videos = sorted(features.videos())
    np.random.default_rng(1).shuffle(videos)
    rates: dict[str, list[float]] = {"cold": [], "warm": []}
    for _ in range(repeats):
        features = FeatureFolder(place, read_manifest(place))
        features.load(videos[0])
        forget(place)
        rates["cold"].append(read_all(features, videos))
        read_all(features, videos)
        rates["warm"].append(read_all(features, videos))
    return {state: float(np.median(rate)) for state, rate in rates.items()}


def measure_all(widths: tuple[int, int], videos: int, repeats: int, folder: Path | None) -> dict[str, dict[str, float]]:
    """Return what was measured by kind of file, and their size in MiB."""
    with tempfile.TemporaryDirectory(dir=folder) as root:
        places = {"npy": Path(root) / "npy"} | {dtype: Path(root) / f"{dtype}.h5" for dtype in DTYPES}
        make_features(places["npy"], widths, videos)
        for dtype in DTYPES:
            pack_folder(places["npy"], places[dtype], dtype=dtype, track=track)
        return {files: {"mib": size(place)} | measure(place, repeats) for files, place in places.items()}


def main() -> None:
    """Measure, print a table and write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--videos", type=int, default=400, help="default: %(default)s, 0.7 GB of one_peace")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dir", type=Path, help="folder on the disk to measure (default: that for temporary files)")
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    args = parser.parse_args()
    torch.set_num_threads(1)
    machine = f"{platform.machine()}, {platform.system()} {platform.release()}, one process"
    columns = ("features", "files", "MiB", "cold, videos/s", "ratio", "warm, videos/s", "ratio")
    table, results = Table(*columns, title=machine), []
    for name in args.only:
        measured = measure_all(SIZES[name], args.videos, args.repeats, args.dir)
        for files, found in measured.items():
            ratios = {state: found[state] / measured["npy"][state] for state in ("cold", "warm")}
            speeds = [text for state, ratio in ratios.items() for text in (f"{found[state]:,.0f}", f"{ratio:.1f}")]
            table.add_row(name, files, f"{found['mib']:,.0f}", *speeds)
            results.append({"features": name, "files": files} | found)
    Console().print(table)
    if args.json:
        args.json.write_text(json.dumps({"machine": machine, "rows": results}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
