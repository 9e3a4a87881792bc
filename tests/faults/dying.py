"""`python tests/faults/dying.py MOMENT FOLDER SCRIPT …` runs a script in a process that dies at a moment.

    count:FILE         never; FILE says what it did in FOLDER: seconds, event, file
    event:N            before it opens a file in FOLDER for writing, renames or removes one, the N-th time (from 0)
    torn:N:BYTES       there, too, but when it has written so many bytes to a file
    after:SECONDS      so long after it first did so; `group:SECONDS` kills its children with it
    signal:NUM:SECONDS so long after, by a signal that it may answer
    ctrl-c:SECONDS     so long after, with its children, as a terminal does it
    child:N            not itself, but a child of its, when it does so the N-th time

What it leaves behind has to end by itself; then this process ends as the script's did. After ten minutes it gives up.
"""

import ctypes
import os
import resource
import runpy
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

SET_CHILD_SUBREAPER = 36  # of prctl: orphans become children of this process
WRITING = os.O_WRONLY | os.O_RDWR
PATIENCE = 600


class Events:
    """Counts what this process does to the files in a folder, and acts at one."""

    def __init__(self, folder: str, first: int, moment: list[str]) -> None:
        self.folder, self.first, self.moment = folder, first, moment
        self.count = 0
        self.trace = os.open(moment[1], os.O_WRONLY | os.O_CREAT) if moment[0] == "count" else None

    def __call__(self, event: str, arguments: tuple) -> None:
        if event not in ("open", "os.rename", "os.remove") or (event == "open" and not arguments[2] & WRITING):
            return
        path = os.fsdecode(arguments[0]) if isinstance(arguments[0], str | bytes | Path) else ""
        if not os.path.abspath(path).startswith(self.folder):
            return
        number, self.count = self.count, self.count + 1
        if number == 0:
            os.write(self.first, b".")
        if self.trace:
            line = f"{time.monotonic():.3f} {event} {os.path.relpath(path, self.folder)}\n"
            os.write(self.trace, line.encode())
        if self.moment[0] in ("event", "torn", "child") and number == int(self.moment[1]):
            self.act()

    def act(self) -> None:
        if self.moment[0] == "event":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.moment[0] == "child":
            os.kill(children(os.getpid())[0], signal.SIGKILL)
            return
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(self.moment[2]),) * 2)


def strike(child: int, first: int, moment: list[str]) -> None:
    """Kill where that is a matter of time."""
    if moment[0] not in ("after", "group", "signal", "ctrl-c"):
        return
    os.read(first, 1)  # nothing, if the child ends before
    ends = os.pidfd_open(child)
    if not select.select([ends], [], [], float(moment[-1]))[0]:
        number = {"signal": int(float(moment[1])), "ctrl-c": signal.SIGINT}.get(moment[0], signal.SIGKILL)
        (os.killpg if moment[0] in ("group", "ctrl-c") else os.kill)(child, number)


def children(process: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def wait_for_all(child: int) -> int:
    """Return the child's status when no process that it started is left."""
    status = 0
    with suppress(ChildProcessError):
        while True:
            pid, ended = os.wait()
            status = ended if pid == child else status
    return os.waitstatus_to_exitcode(status)


def main(moment: str, folder: str, *command: str) -> None:
    ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.close(read)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # the kernel ends who writes more than the limit
        # a shell lets what it runs in the background ignore it
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.addaudithook(Events(os.path.abspath(folder), write, moment.split(":")))
        sys.argv[:] = command
        sys.path[0] = os.path.dirname(os.path.abspath(command[0]))
        runpy.run_path(command[0], run_name="__main__")
        return
    os.close(write)
    signal.alarm(PATIENCE)
    strike(child, read, moment.split(":"))
    code = wait_for_all(child)
    if code < 0:
        with suppress(OSError):  # SIGKILL needs none
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
