"""DMRN: the dual multimodal residual network for audio-visual event localization."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args

import torch
from lightning import LightningModule
from torch import Tensor, nn

from avel.batch import ClipBatch, ClipPrediction
from avel.decoding.segment import by_argmax
from avel.errors import UserError, check_choice, check_count
from avel.layers.audio_guided import AudioAxis, AudioGuidedAttention
from avel.layers.recurrent import PairedLSTM
from avel.losses.classification import ClassLoss, class_loss
from avel.tasks.loading import load_method
from avel.tasks.segment import SegmentLocalizer
from avel.training.optim import StepRecipe

SHARED_WITH_AV_ATT = ("visual_dim", "audio_dim", "positions", "attention_dim", "lstm_dim", "audio_axis")
"""Arguments that AV-att and DMRN must have in common for its attention and LSTMs to serve here."""


class DMRNOutput(NamedTuple):
    """What DMRN says about B clips: class logits (B, T, C + 1) and where it looks (B, T, H, W)."""

    logits: Tensor
    attention: Tensor


class DMRN(SegmentLocalizer):
    """AV-att's attention and LSTMs, fused by residual updates that both modalities share.

    Tian et al., "Audio-Visual Event Localization in Unconstrained Videos", ECCV 2018.

    The published model was trained on from a trained AV-att: `start_from`. Only a training that begins reads that file,
    neither one that is resumed nor whoever loads the checkpoint of a trained DMRN; it is not saved among the arguments.

    Args:
        num_classes: classes C.
        visual_dim: width of the visual features, which are maps.
        audio_dim: width of the audio features.
        positions: positions of a visual map, height * width.
        attention_dim: width of the attention's common space.
        lstm_dim: width of each direction of the LSTMs.
        fusion_blocks: how often the residual update is repeated, with the same weights.
        swap_streams: let audio and visual change places in every block, as the released code does. Only from two blocks
            on does it change anything, because the streams are averaged in the end.
        start_from: checkpoint of a trained `AVAtt` whose attention and LSTMs a training begins with.
        audio_axis: "channels", or "positions" for the released code's attention (see `AudioGuidedAttention`).
        loss: "cross_entropy", or "released" for the released code's (see `class_loss`).
        optimizer: learning rate, its steps and clipping.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        visual_dim: int,
        audio_dim: int,
        positions: int = 49,
        attention_dim: int = 512,
        lstm_dim: int = 128,
        fusion_blocks: int = 1,
        swap_streams: bool = False,
        start_from: str | None = None,
        audio_axis: AudioAxis = "channels",
        loss: ClassLoss = "cross_entropy",
        optimizer: StepRecipe | None = None,
    ) -> None:
        check_choice("method.loss", loss, get_args(ClassLoss))
        check_count("method.fusion_blocks", fusion_blocks)
        super().__init__(num_classes, optimizer)
        self.save_hyperparameters(logger=False, ignore=["start_from"])
        self.fusion_blocks, self.swap_streams, self.loss = fusion_blocks, swap_streams, loss
        self.start_from = start_from
        self.attention = AudioGuidedAttention(
            visual_dim, audio_dim, positions=positions, dim=attention_dim, audio_axis=audio_axis
        )
        self.lstm = PairedLSTM(visual_dim, audio_dim, lstm_dim)
        width = 2 * lstm_dim
        self.visual_update, self.audio_update = (
            nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width)) for _ in range(2)
        )
        self.classify = nn.Linear(width, num_classes + 1)
        nn.init.xavier_uniform_(self.classify.weight)

    def forward(self, batch: ClipBatch) -> DMRNOutput:
        """Classify every snippet."""
        attended, attention = self.attention(batch.visual, batch.audio)
        visual, audio = self.lstm(attended, batch.audio)
        for _ in range(self.fusion_blocks):
            update = (self.visual_update(visual) + self.audio_update(audio)) / 2
            visual, audio = torch.tanh(visual + update), torch.tanh(audio + update)
            if self.swap_streams:
                visual, audio = audio, visual
        return DMRNOutput(self.classify((visual + audio) / 2), attention)

    def losses(self, batch: ClipBatch) -> dict[str, Tensor]:
        """Compare with the classes of the snippets."""
        return {"classification": class_loss(self(batch).logits, batch.labels, self.loss)}

    def decide(self, batch: ClipBatch) -> ClipPrediction:
        """Take the best class of each snippet, background being one of them."""
        output = self(batch)
        return ClipPrediction(*by_argmax(output.logits), output.attention)

    def on_fit_start(self) -> None:
        """Begin with AV-att's weights (called by the trainer, also where it resumes: then there are better ones)."""
        if self.start_from is not None and self.trainer.ckpt_path is None:
            av_att = trained_av_att(self.start_from, self.hparams)
            for part in ("attention", "lstm"):
                self.get_submodule(part).load_state_dict(av_att.get_submodule(part).state_dict())


def trained_av_att(path: str | Path, wanted: Mapping[str, Any]) -> LightningModule:
    """Load a trained AV-att whose attention and LSTMs fit a DMRN.

    Args:
        path: a checkpoint of `AVAtt`.
        wanted: the arguments of the DMRN.

    Raises:
        UserError: the file is missing or damaged, holds another method, or one of other sizes or another attention.
    """
    av_att = load_method(path)
    if type(av_att).__name__ != "AVAtt":
        raise UserError(f"method.start_from={path}: holds {type(av_att).__name__}, give the checkpoint of an AVAtt")
    found = av_att.hparams
    for name in SHARED_WITH_AV_ATT:
        if found[name] != wanted[name]:
            raise UserError(
                f"method.start_from={path}: was trained with {name}={found[name]}, here it is {wanted[name]}"
            )
    return av_att
