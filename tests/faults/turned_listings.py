"""`python tests/faults/turned_listings.py SCRIPT …` runs a script that sees folders listed the other way round."""

import os
import runpy
import sys

listdir, scandir = os.listdir, os.scandir


class Turned:
    """What `os.scandir` returns."""

    def __init__(self, *arguments):
        with scandir(*arguments) as entries:
            self.entries = iter([*entries][::-1])

    def __iter__(self):
        return self.entries

    def __next__(self):
        return next(self.entries)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def close(self):
        pass


if __name__ == "__main__":
    os.listdir = lambda *arguments: listdir(*arguments)[::-1]
    os.scandir = Turned
    del sys.argv[0]
    sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
    runpy.run_path(sys.argv[0], run_name="__main__")
