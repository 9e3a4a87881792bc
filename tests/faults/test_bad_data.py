"""Data that are broken in thousands of ways: they are refused with a message, or they are good all the same."""

from pathlib import Path
from random import Random

import pytest

from tests.faults.data_doors import DOORS
from tests.faults.mutations import MISPLACED, misplace, replaced
from tests.faults.tally import Tally, tree

FEW, MANY = 12, 400
"""Inputs of a door, in the fast and in the slow test."""


def put(name: str, folder: Path, inputs: int) -> Tally:
    """Damage the file of a door again and again, then put other things in its place."""
    door, tally = DOORS[name], Tally()
    folder.mkdir(exist_ok=True)
    door.write(folder)
    path = folder / door.file
    good, files = path.read_bytes(), tree(folder)
    del files[door.file]
    for number in range(inputs):
        random = Random(f"{name} {number}")
        path.write_bytes(good)
        if number < len(MISPLACED):
            misplace(path, random)
        else:
            door.damage(path, random)
        tally.put(lambda: door.read(folder), door.names or path.name, str(number))
        replaced(path)
    assert tree(folder) == files, "readers write nothing"
    return tally


@pytest.mark.slow
@pytest.mark.parametrize("name", DOORS)
def test_bad_data_are_refused_with_a_message(name, tmp_path, monkeypatch, told):
    monkeypatch.chdir(tmp_path)
    tally = put(name, tmp_path, MANY)
    told(f"{MANY} bad inputs for {name}", tally.survived())
    assert not tally.wrong
    assert tally.inputs == MANY
    assert tally.messages


def test_a_few_bad_data_are_refused_with_a_message(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, (name, door) in enumerate(DOORS.items()):
        if door.cheap:
            tally = put(name, tmp_path / str(number), FEW)
            assert not tally.wrong, name
