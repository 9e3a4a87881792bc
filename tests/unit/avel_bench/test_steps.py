from avel.layers.transformer import AttentionBlock
from avel_bench.cases import cases
from avel_bench.steps import recomputing


def test_a_twin_computes_again_with_the_same_weights():
    method = cases(narrow=True)["UnAV"].build()
    twin = recomputing(method)
    for weight, same in zip(method.parameters(), twin.parameters(), strict=True):
        assert weight is same
    blocks, again = ([m for m in model.modules() if isinstance(m, AttentionBlock)] for model in (method, twin))
    assert len(blocks) == len(again) > 0
    assert all(block.recompute for block in again)
    assert not any(block.recompute for block in blocks)
