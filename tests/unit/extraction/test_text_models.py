"""Pretrained text encoders, tiny and with random weights."""

import sys

import pytest
import torch
from torch.testing import assert_close

from avel.errors import UserError
from avel.extraction.text import TextEncoder, embed, load_text_encoder
from avel.extraction.text_models import PretrainedText

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

SPECIAL = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
WORDS = [*SPECIAL.values(), *("an", "audio", "visual", "event", "of", "dog", "barking", "owl", "hooting", ".")]
SENTENCES = ["an audio visual event of dog barking .", "owl hooting", "owl"]
SIZES = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
TEXT = SIZES | {"vocab_size": len(WORDS), "max_position_embeddings": 16, "pad_token_id": 0}
ENDS = {"bos_token_id": 1, "eos_token_id": 2}
PICTURES = SIZES | {"image_size": 4, "patch_size": 2}
SOUNDS = {
    **{"hidden_size": 32, "patch_embeds_hidden_size": 4, "depths": [1, 1], "num_attention_heads": [1, 1]},
    **{"num_mel_bins": 16, "spec_size": 32, "window_size": 2, "projection_dim": 6},
}


def clip():
    return transformers.CLIPModel(
        transformers.CLIPConfig(text_config=TEXT | ENDS, vision_config=PICTURES, projection_dim=6)
    )


def clap():
    # as in RoBERTa, positions begin behind the padding's
    text = TEXT | {"max_position_embeddings": 20, "projection_dim": 6}
    return transformers.ClapModel(transformers.ClapConfig(text_config=text, audio_config=SOUNDS, projection_dim=6))


def siglip():
    text = TEXT | ENDS | {"projection_size": 6}
    return transformers.SiglipModel(transformers.SiglipConfig(text_config=text, vision_config=PICTURES))


def bert():
    return transformers.BertModel(transformers.BertConfig(**TEXT))


def t5():
    sizes = {"d_model": 8, "d_kv": 4, "d_ff": 8, "num_layers": 1, "num_heads": 2}
    return transformers.T5Model(transformers.T5Config(vocab_size=len(WORDS), decoder_start_token_id=0, **sizes))


@pytest.fixture
def saved(tmp_path):
    """Saves a model with a tokenizer of a few words."""

    def save(model):
        tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({w: i for i, w in enumerate(WORDS)}, "<unk>"))
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
        ends = [("<s>", 1), ("</s>", 2)]
        tokenizer.post_processor = tokenizers.processors.TemplateProcessing("<s> $A </s>", special_tokens=ends)
        fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=16, **SPECIAL)
        fast.save_pretrained(tmp_path)
        model.save_pretrained(tmp_path)
        return str(tmp_path)

    return save


@pytest.mark.parametrize(
    ("model", "width", "how"),
    [
        (clip, 6, "projected text features"),
        (clap, 6, "projected text features"),
        (siglip, 6, "projected text features"),
        (bert, 8, "mean of the last hidden states"),
        (t5, 8, "mean of the last hidden states"),
    ],
)
def test_a_sentence_has_the_same_row_whatever_the_others_are(saved, model, width, how):
    torch.manual_seed(0)
    folder = saved(model())
    encoder = load_text_encoder(folder)
    assert encoder.name == f"{folder} ({how})"
    together, alone = (embed(encoder, SENTENCES, batch_size=size, unit=False) for size in (3, 1))
    assert together.shape == (3, width)
    assert_close(together, alone, rtol=1e-4, atol=1e-6)
    assert len({tuple(row) for row in together.tolist()}) == 3


def test_means_leave_padding_out(saved):
    torch.manual_seed(0)
    model = bert().eval()
    rows = PretrainedText(saved(model))(SENTENCES)
    with torch.inference_mode():
        words = torch.tensor([[1, WORDS.index("owl"), 2]])
        assert_close(rows[2], model(words).last_hidden_state[0].mean(dim=0))


def test_models_that_cannot_be_loaded(tmp_path, saved, monkeypatch):
    with pytest.raises(UserError, match=r"--encoder=.*nowhere: cannot be loaded\. Give the name of a model on the hub"):
        load_text_encoder(str(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty: cannot be loaded"):
        load_text_encoder(str(tmp_path / "empty"))
    with pytest.raises(UserError, match="--device=warp: "):
        load_text_encoder(saved(bert()), "warp")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UserError, match=r"Install the optional packages: pip install -e '\.\[media\]'"):
        load_text_encoder("any/model")


def test_too_long_sentences_are_cut(saved):
    encoder = TextEncoder("bert", PretrainedText(saved(bert())))
    assert embed(encoder, ["owl " * 50]).shape == (1, 8)
