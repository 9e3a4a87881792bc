import json
import math

import pytest

from avel.training.files import write_json


def test_json_reads_back(tmp_path):
    write_json(tmp_path / "a.json", {"metrics": {"test/map": 0.5}, "commit": None})
    assert json.loads((tmp_path / "a.json").read_text()) == {"metrics": {"test/map": 0.5}, "commit": None}


def test_what_json_cannot_say_is_null(tmp_path):
    write_json(tmp_path / "a.json", {"metrics": {"map": math.nan}, "grid": [0.1, math.inf], "n": 3, "on": True})
    text = (tmp_path / "a.json").read_text()
    document = json.loads(text, parse_constant=pytest.fail)
    assert document == {"metrics": {"map": None}, "grid": [0.1, None], "n": 3, "on": True}
