"""Where it was measured, and with which versions."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import torch

PACKAGES = ("avel", "torch", "numpy", "lightning")
CPUINFO = Path("/proc/cpuinfo")


def machine(*, on_gpu: bool) -> dict[str, str | int]:
    """Return what this machine is, in plain values."""
    found: dict[str, str | int] = {
        "cpu": _cpu(),
        "cores": os.cpu_count() or 0,
        "system": f"{platform.system()} {platform.release()}",
    }
    return found | ({"gpu": torch.cuda.get_device_name(), "driver": _driver()} if on_gpu else {})


def versions() -> dict[str, str]:
    """Return the versions that speed depends on."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def _cpu() -> str:
    lines = CPUINFO.read_text().splitlines() if CPUINFO.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _driver() -> str:
    """Ask the driver of the GPU which it is."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    if shutil.which(command[0]) is None:
        return "unknown"
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.partition("\n")[0] or "unknown"
