"""Files of runs and of other programs that are broken in thousands of ways, and events with names of any kind."""

import shutil
from random import Random

import pytest
from hypothesis import given, settings

from avel.data.formats.events import read_events
from avel.exchange.formats import write_events
from tests.faults.file_doors import DOORS
from tests.faults.tally import Tally, tree
from tests.unit.exchange.drawn import TABLES

INPUTS, FEW = 220, 60
"""Of each door, and of those that take long."""
TABLES_PER_FORMAT = 200


@pytest.mark.slow
@pytest.mark.parametrize("name", DOORS)
def test_bad_files_are_refused_with_a_message(name, tmp_path, monkeypatch, told):
    monkeypatch.chdir(tmp_path)
    door, tally, folder = DOORS[name], Tally(), tmp_path / "in"
    folder.mkdir()
    door.write(folder)
    path, out = folder / door.file, tmp_path / "out"
    good = path.read_text(encoding="utf-8")
    inputs = FEW if name in ("results_table of results", "report of metrics") else INPUTS
    for number in range(inputs):
        path.write_bytes(door.damage(good, Random(f"{name} {number}")))
        before = tree(folder)
        out.mkdir()
        tally.put(lambda: door.read(folder, out), "", f"{name} {number}")
        assert tree(folder) == before, "readers change nothing"
        assert not [left for left in out.rglob(".*")], "nothing is left half-written"
        shutil.rmtree(out)
    told(f"{inputs} bad files for {name}", tally.survived())
    assert tally.wrong == {}
    assert tally.inputs == inputs


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["activitynet", "csv", "audacity", "elan"])
def test_events_of_any_name_come_back(kind, tmp_path_factory, told):
    folder, tables = tmp_path_factory.mktemp(kind), []

    @given(TABLES)
    @settings(max_examples=TABLES_PER_FORMAT)
    def come_back(table):
        out = folder / str(len(tables))
        tables.append(table)
        write_events(table, out, kind)
        assert sorted(map(str, read_events(out))) == sorted(map(str, table))

    come_back()
    told(f"{len(tables)} tables of events with hostile names, as {kind}", "all came back as they were")
    assert len(tables) >= TABLES_PER_FORMAT
