"""Checkpoints that are broken, in their bytes or in what they say: a method that works comes out, or a message."""

import json
from random import Random

import pytest
import torch

from avel.tasks.conversion import convert_released
from avel.tasks.loading import check_weights, load_method
from tests.faults.mutations import mutate_bytes, mutate_json
from tests.faults.tally import Tally, tree
from tests.unit.keras_files import write_keras
from tests.unit.tasks.test_conversion import KERAS
from tests.unit.tasks.test_localization import MEMORY, write_checkpoint

INPUTS = 80
SAID = ("method", "hyper_parameters", "data")
"""What a checkpoint says besides numbers."""


def damage_bytes(path, random):
    path.write_bytes(mutate_bytes(path.read_bytes(), random))


def damage_words(path, random):
    """Change what a checkpoint says; what is no JSON any more is tried again."""
    checkpoint = torch.load(path, weights_only=True)
    said = json.loads(json.dumps({name: checkpoint[name] for name in SAID}, default=str))
    while True:
        try:
            changed = json.loads(mutate_json(said, random))
            break
        except (ValueError, RecursionError):
            continue
    kept = {name: value for name, value in checkpoint.items() if name not in SAID}
    torch.save(kept | (changed if isinstance(changed, dict) else {"method": changed}), path)


def write_own(path):
    write_checkpoint(path, {"": MEMORY})


def write_state_dict(path):
    """Write a state dict as released codes do, of a method that nobody knows."""
    torch.save({"module.fc.weight": torch.ones(3, 4), "module.fc.bias": torch.ones(3)}, path)


DOORS = {
    "own bytes": ("a.ckpt", write_own, damage_bytes, load_method),
    "own words": ("a.ckpt", write_own, damage_words, load_method),
    "to resume from": ("a.ckpt", write_own, damage_bytes, lambda path: check_weights(path, resumes=True)),
    "Keras": ("a.h5", lambda path: write_keras(path, KERAS), damage_bytes, convert_released),
    "nobody's state dict": ("a.pth", write_state_dict, damage_bytes, convert_released),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DOORS)
def test_bad_checkpoints_are_refused_with_a_message(name, tmp_path, told):
    file, write, damage, read = DOORS[name]
    path, tally = tmp_path / file, Tally()
    write(path)
    good = path.read_bytes()
    for number in range(INPUTS):
        path.write_bytes(good)
        damage(path, Random(f"{name} {number}"))
        before = tree(tmp_path)
        tally.put(lambda: read(path), path.name, f"{name} {number}")
        assert tree(tmp_path) == before
    told(f"{INPUTS} bad checkpoints ({name})", tally.survived())
    assert tally.wrong == {}
    assert tally.inputs == INPUTS
    assert tally.messages
