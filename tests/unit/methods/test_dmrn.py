import pytest
import torch
from lightning import Trainer
from torch.testing import assert_close
from torch.utils.data import DataLoader

from avel.errors import UserError
from avel.methods.av_att import AVAtt
from avel.methods.dmrn import DMRN
from avel.tasks.loading import load_method
from avel.training.optim import StepRecipe
from tests.unit.methods.clips import narrow_on_clips, random_clips

AT_REST = StepRecipe(lr=0.0)


def logits(batch, **options):
    with torch.inference_mode():
        return narrow_on_clips(DMRN, **options)(batch).logits


def test_swapping_streams_matters_from_two_blocks_on():
    batch = random_clips()
    once, twice = (logits(batch, fusion_blocks=count) for count in (1, 2))
    assert_close(logits(batch, fusion_blocks=1, swap_streams=True), once)
    assert not torch.isclose(logits(batch, fusion_blocks=2, swap_streams=True), twice).any()
    assert not torch.isclose(once, twice).all()


def test_blocks_share_their_weights():
    one, three = (narrow_on_clips(DMRN, fusion_blocks=count).state_dict() for count in (1, 3))
    assert_close(one, three, rtol=0, atol=0)


@pytest.mark.parametrize("count", [0, 1.5, "two"])
def test_a_number_of_blocks_is_wanted(count):
    with pytest.raises(UserError, match=f"method.fusion_blocks={count}: give a whole number from 1 on"):
        narrow_on_clips(DMRN, fusion_blocks=count)


# The start from a trained AV-att


def fit(method, folder, epochs=1, ckpt_path=None):
    running = Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    loader = DataLoader([random_clips()], batch_size=None)
    running.fit(method, loader, loader, ckpt_path=ckpt_path)
    return running


@pytest.fixture
def av_att(tmp_path):
    """A checkpoint of an AV-att and its weights."""
    method = narrow_on_clips(AVAtt, seed=1, optimizer=AT_REST)
    fit(method, tmp_path).save_checkpoint(tmp_path / "av_att.ckpt")
    return tmp_path / "av_att.ckpt", method.state_dict()


def taken_over(state):
    return {name: tensor for name, tensor in state.items() if name.startswith(("attention.", "lstm."))}


def test_a_training_begins_with_the_attention_and_the_lstms_of_av_att(av_att, tmp_path):
    path, weights = av_att
    method = narrow_on_clips(DMRN, start_from=str(path), optimizer=AT_REST)
    before = {name: tensor.clone() for name, tensor in method.state_dict().items()}
    fit(method, tmp_path)
    after = method.state_dict()
    assert_close(taken_over(after), taken_over(weights), rtol=0, atol=0)
    rest = after.keys() - weights.keys() | {"classify.weight", "classify.bias"}
    assert rest == {name for name in after if name.startswith(("visual_update.", "audio_update.", "classify."))}
    for name in rest:
        assert_close(after[name], before[name], rtol=0, atol=0)


def test_later_the_file_does_not_matter(av_att, tmp_path):
    path, _ = av_att
    method = narrow_on_clips(DMRN, start_from=str(path), optimizer=StepRecipe(lr=0.01))
    last = tmp_path / "last.ckpt"
    fit(method, tmp_path).save_checkpoint(last)
    path.unlink()
    trained = method.state_dict()

    loaded = load_method(last)
    assert "start_from" not in loaded.hparams
    assert_close(loaded.state_dict(), trained, rtol=0, atol=0)

    resumed = narrow_on_clips(DMRN, start_from=str(path), optimizer=StepRecipe(lr=0.01))
    assert fit(resumed, tmp_path, epochs=2, ckpt_path=last).current_epoch == 2
    assert_close(resumed.state_dict(), trained, rtol=0, atol=0.011)  # one step away


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lstm_dim": 5}, r"av_att.ckpt: was trained with lstm_dim=4, here it is 5"),
        ({"audio_axis": "positions"}, r"was trained with audio_axis=channels, here it is positions"),
    ],
)
def test_an_av_att_that_does_not_fit_is_refused(av_att, tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        fit(narrow_on_clips(DMRN, start_from=str(av_att[0]), **changes), tmp_path)


def test_a_file_that_is_missing_or_holds_another_method_is_refused(tmp_path):
    with pytest.raises(UserError, match="no.ckpt cannot be opened as a checkpoint"):
        fit(narrow_on_clips(DMRN, start_from=str(tmp_path / "no.ckpt")), tmp_path)
    path = tmp_path / "dmrn.ckpt"
    fit(narrow_on_clips(DMRN), tmp_path).save_checkpoint(path)
    with pytest.raises(UserError, match=r"start_from=.*dmrn.ckpt: holds DMRN, give the checkpoint of an AVAtt"):
        fit(narrow_on_clips(DMRN, start_from=str(path)), tmp_path)
