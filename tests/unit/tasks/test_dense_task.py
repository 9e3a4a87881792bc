import pytest

from avel.errors import UserError
from avel.tasks.dense_task import DenseTask


def test_names_may_come_as_yaml_has_them():
    assert DenseTask(2, 32, class_names=["owl", "bus"]).class_names == ("owl", "bus")
    assert DenseTask(2, 32, class_names=None).class_names == ()
    with pytest.raises(UserError, match="class_names has 1 names, num_classes is 2"):
        DenseTask(2, 32, class_names=["owl"])


@pytest.mark.parametrize("weight", [0, -1, float("nan")])
def test_weights_are_above_0(weight):
    with pytest.raises(UserError, match=r"method\.tasks\.NAME\.weight=.*: give a number above 0"):
        DenseTask(2, 32, weight=weight)
