"""Runs `python SCRIPT …` without the seconds that importing torch and Lightning takes.

A server imports them once and forks for every call. The process of a call is one of its own: it has the call's working
directory, environment, arguments and terminal, imports the script and this package anew, and ends as interpreters do.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

ROOT = Path(__file__).parents[1]
SLOW_TO_IMPORT = ("lightning.pytorch", "torchmetrics", "hydra", "h5py", "av", "rich.progress")
"""With all that they import."""


class ForkServer:
    """Stands in for `subprocess.run([sys.executable, script, …], capture_output=True, text=True)`."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.forked"]
        self.server = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def run(
        self, script: str | Path, *arguments: object, cwd: Path = ROOT, environment: Mapping[str, str] = os.environ
    ) -> subprocess.CompletedProcess[str]:
        assert self.server.stdin
        assert self.server.stdout
        command = [str(script), *map(str, arguments)]
        with TemporaryDirectory() as folder:
            terminal = [os.path.join(folder, name) for name in ("stdout", "stderr")]
            call = {"command": command, "cwd": str(cwd), "environment": {**environment}, "terminal": terminal}
            print(json.dumps(call), file=self.server.stdin)
            answer = self.server.stdout.readline()
            assert answer, "the server that forks has ended"
            shown = [Path(path).read_text() for path in terminal]
        return subprocess.CompletedProcess([sys.executable, *command], int(answer), *shown)

    def close(self) -> None:
        with self.server:  # closes its input, so that it ends
            pass


def serve() -> dict[str, Any] | None:
    """Fork for every line of the input and answer with the exit code; returns the call in the forked process."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            return json.loads(line)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    return None


def become(command: list[str], cwd: str, environment: dict[str, str], terminal: list[str]) -> None:
    """Be the process of `python script …`."""
    for stream, path in enumerate((os.devnull, *terminal)):
        file = os.open(path, os.O_RDWR | os.O_CREAT)
        os.dup2(file, stream)
        os.close(file)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[:] = command
    sys.path[0] = os.path.dirname(os.path.abspath(command[0]))
    try:
        runpy.run_path(command[0], run_name="__main__")
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            raise
        leave(end.code or 0)
    leave(0)


def leave(code: int) -> NoReturn:
    """End as interpreters do, but for taking all to pieces that the server has imported, for a third of a second."""
    threading._shutdown()
    atexit._run_exitfuncs()
    gc.collect()  # what is left of open files is written
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    for name in SLOW_TO_IMPORT:
        importlib.import_module(name)
    gc.freeze()  # or the collector touches, and so copies, all that the processes share
    if call := serve():
        become(**call)
