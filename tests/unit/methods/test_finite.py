"""Where a step goes wrong is told by the first output that is not finite: so none may be in a step that goes well."""

import pytest
import torch

from avel.training.first_non_finite import first_bad_output
from tests.unit.methods import test_uniav
from tests.unit.methods.clips import random_clips
from tests.unit.methods.test_half_precision import CLIPS, DENSE, total


@pytest.mark.parametrize("name", [*DENSE, *CLIPS])
def test_the_output_of_every_module_is_finite(name):
    torch.manual_seed(0)
    method = (DENSE | CLIPS)[name]()
    batch = test_uniav.batch("actions", 20, 9) if name in DENSE else random_clips()
    with torch.no_grad():
        assert first_bad_output(method, lambda: total(method.losses(batch))) is None
