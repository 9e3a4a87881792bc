import pytest

from avel.errors import UserError
from avel.training.precision import check_precision


@pytest.mark.parametrize(("precision", "accelerator"), [("32-true", "cpu"), ("bf16-mixed", "cpu"), ("16-mixed", "gpu")])
def test_what_a_device_can_do_is_allowed(precision, accelerator):
    check_precision(precision, accelerator)


@pytest.mark.parametrize(
    ("precision", "message"),
    [("16-mixed", "needs a GPU"), ("bf16", "unknown, choose one of 32-true, bf16-mixed, 16-mixed"), (None, "unknown")],
)
def test_what_a_cpu_cannot_do_is_refused(precision, message):
    with pytest.raises(UserError, match=f"^trainer.precision={precision}: {message}"):
        check_precision(precision, "cpu")
