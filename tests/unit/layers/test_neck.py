import pytest
import torch
from torch.testing import assert_close

from avel.errors import UserError
from avel.layers.neck import FeaturePyramidNeck, IdentityNeck, NeckConfig


def levels(*lengths, dim=4):
    torch.manual_seed(0)
    return [torch.randn(2, length, dim) for length in lengths]


def masks(*lengths, valid=(8, 5)):
    return [torch.arange(t) < torch.tensor([-(-v * t // lengths[0]) for v in valid])[:, None] for t in lengths]


def test_identity_normalizes_or_changes_nothing():
    features = levels(8, 4)
    normalized = IdentityNeck(4, 2)(features, masks(8, 4))
    assert_close(normalized, [torch.nn.functional.layer_norm(x, (4,)) for x in features])
    assert IdentityNeck(4, 2, norm=False)(features, masks(8, 4)) == features


def test_coarse_levels_inform_finer_ones():
    features, valid = levels(8, 4, 2), masks(8, 4, 2)
    neck = FeaturePyramidNeck(4, 3, 3, norm=False)
    before = neck(features, valid)
    assert [x.shape for x in before] == [(2, 8, 3), (2, 4, 3), (2, 2, 3)]
    features[1] = features[1] + 1
    changed = [not torch.equal(new, old) for new, old in zip(neck(features, valid), before, strict=True)]
    assert changed == [True, True, False]


def test_a_step_hears_from_the_coarse_step_that_covers_it():
    neck, valid = FeaturePyramidNeck(1, 1, 3, norm=False), masks(8, 4, 2)
    for lateral, conv in zip(neck.laterals, neck.convs, strict=True):
        torch.nn.init.ones_(lateral.conv.weight)
        torch.nn.init.zeros_(conv.conv.weight)
        torch.nn.init.ones_(conv.conv.weight[..., 1])
    features = [torch.arange(float(t)).repeat(2, 1)[..., None] * 10**level for level, t in enumerate((8, 4, 2))]
    fine, middle, coarse = (x[..., 0].tolist() for x in neck(features, valid))
    assert fine[0] == [0, 1, 12, 13, 124, 125, 136, 137]
    assert middle[0] == [0, 10, 120, 130]
    assert coarse[0] == [0, 100]
    assert fine[1][5:] == [0, 0, 0], "padding stays silent"


@pytest.mark.parametrize(("norm", "names"), [(True, {"weight", "norms"}), (False, {"weight", "bias"})])
def test_convolutions_have_biases_where_no_norm_has(norm, names):
    neck = FeaturePyramidNeck(4, 3, 2, norm=norm)
    convolutions = {name.rsplit(".")[-1] for name, _ in neck.named_parameters() if ".conv." in name}
    assert convolutions == names - {"norms"}
    assert any(name.startswith("norms.") for name, _ in neck.named_parameters()) == norm


def test_unknown_options_are_refused():
    with pytest.raises(UserError, match="method.neck.kind=pan: unknown, choose one of identity, fpn"):
        NeckConfig(kind="pan")
    with pytest.raises(UserError, match="method.neck.dim=8: method.neck.kind=identity changes no widths"):
        NeckConfig(dim=8)
