"""Names of runs that follow from what was asked for: the same overrides, in any order, are the same run.

A name has no "=" and no ",", which would have to be quoted in `ckpt_path=…`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from hashlib import blake2b

SAME_RESULT = (
    *("paths.log_dir", "paths.run_dir", "logger", "launcher", "sweep", "resume", "report"),
    *("callbacks.last", "callbacks.progress", "callbacks.panels", "callbacks.pictures"),
    *("callbacks.non_finite", "check_data"),
)
"""Keys that leave a result as it is, with all keys below them. (Where the data lie decides which data they are.)"""

LONGEST = 80
LONGEST_VALUE = 24

OVERRIDE = re.compile(r"(?P<kind>\+\+|\+|~)?(?P<key>[^=]+)(?:=(?P<value>.*))?", re.DOTALL)


def deciding(overrides: Iterable[str]) -> dict[str, str]:
    """Return what decides the result: key -> value, sorted; of a key that is given twice, the last value.

    Args:
        overrides: as in Hydra, e.g. "seed=1", "+trainer.max_steps=5", "~callbacks.best".
    """
    found = {}
    for override in overrides:
        match = OVERRIDE.fullmatch(override.strip())
        if match and not leaves_result(match["key"]):
            removed = "~" if match["kind"] == "~" else ""
            found[removed + match["key"]] = canonical(match["value"] or "")
    return dict(sorted(found.items()))


def leaves_result(key: str) -> bool:
    """Whether a key is one of, or below one of, `SAME_RESULT`."""
    return any(key == name or key.startswith((f"{name}.", f"{name}@")) for name in SAME_RESULT)


def canonical(value: str) -> str:
    """Write a number in one way, so that 1e-4 is 0.0001; other values stay as they are."""
    value = value.strip()
    for number in (int, float):
        with suppress(ValueError):
            return repr(number(value))
    return value


def run_name(overrides: Iterable[str], *, leave_out: Collection[str] = ()) -> str:
    """Name a run, e.g. "seed-1__lr-0.0001-5f0c2a91": words to read, cut where they are many, and a hash of them all.

    Args:
        overrides: what the run was asked for.
        leave_out: keys that need not be in the name, as a folder above has them in its own.
    """
    chosen = {key: value for key, value in deciding(overrides).items() if key not in leave_out}
    readable = sorted(chosen.items(), key=lambda pair: pair[0] != "seed")  # a cut would hide it
    words = "__".join(_word(key, value) for key, value in readable) or "default"
    digest = blake2b("\n".join(f"{key}={value}" for key, value in chosen.items()).encode(), digest_size=4).hexdigest()
    return f"{words[:LONGEST].rstrip('_-.')}-{digest}"


def _word(key: str, value: str) -> str:
    key = ("no_" if key.startswith("~") else "") + key.rpartition(".")[2].lstrip("~")
    value = value.rstrip("/").rpartition("/")[2][-LONGEST_VALUE:]
    return re.sub(r"[^\w.+-]+", "-", f"{key}-{value}", flags=re.ASCII).strip("-")
