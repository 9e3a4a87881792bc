"""AV-att: audio-visual event localization with audio-guided visual attention."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from avel.batch import ClipBatch, ClipPrediction
from avel.decoding.segment import by_argmax
from avel.errors import check_choice, check_count
from avel.layers.audio_guided import AudioAxis, AudioGuidedAttention
from avel.layers.recurrent import PairedLSTM
from avel.losses.classification import ClassLoss, class_loss
from avel.tasks.segment import SegmentLocalizer
from avel.training.optim import StepRecipe

Supervision = Literal["full", "weak"]


class AVAttOutput(NamedTuple):
    """What AV-att says about B clips: class logits (B, T, C + 1) and where it looks (B, T, H, W)."""

    logits: Tensor
    attention: Tensor


class AVAtt(SegmentLocalizer):
    """The first localizer of audio-visual events, with early attention and late fusion ("A+V-att" in the paper).

    Tian et al., "Audio-Visual Event Localization in Unconstrained Videos", ECCV 2018.

    Sound attends to the visual map of its snippet, two bidirectional LSTMs see the clip, their joined states are
    classified snippet by snippet. Weak supervision pools the logits over time by their maximum (multiple-instance
    learning) and compares them with the class of the video. As in the released code the LSTMs' states pass a ReLU
    before they are classified, and linear weights start Xavier-uniform.

    Args:
        num_classes: classes C.
        visual_dim: width of the visual features, which are maps.
        audio_dim: width of the audio features.
        positions: positions of a visual map, height * width.
        attention_dim: width of the attention's common space.
        lstm_dim: width of each direction of the LSTMs.
        classifier_dim: width of the classifier's hidden layer.
        supervision: "full" learns from the class of every snippet, "weak" from that of the video.
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
        classifier_dim: int = 64,
        supervision: Supervision = "full",
        audio_axis: AudioAxis = "channels",
        loss: ClassLoss = "cross_entropy",
        optimizer: StepRecipe | None = None,
    ) -> None:
        check_choice("method.supervision", supervision, get_args(Supervision))
        check_choice("method.loss", loss, get_args(ClassLoss))
        check_count("method.classifier_dim", classifier_dim)
        super().__init__(num_classes, optimizer)
        self.save_hyperparameters(logger=False)
        self.supervision, self.loss = supervision, loss
        self.attention = AudioGuidedAttention(
            visual_dim, audio_dim, positions=positions, dim=attention_dim, audio_axis=audio_axis
        )
        self.lstm = PairedLSTM(visual_dim, audio_dim, lstm_dim)
        self.hidden = nn.Linear(4 * lstm_dim, classifier_dim)
        self.classify = nn.Linear(classifier_dim, num_classes + 1)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)

    def forward(self, batch: ClipBatch) -> AVAttOutput:
        """Classify every snippet."""
        attended, attention = self.attention(batch.visual, batch.audio)
        visual, audio = self.lstm(attended, batch.audio)
        fused = torch.cat([audio, visual], dim=-1).relu()
        return AVAttOutput(self.classify(self.hidden(fused).relu()), attention)

    def losses(self, batch: ClipBatch) -> dict[str, Tensor]:
        """Compare with the classes of the snippets or of the videos."""
        logits = self(batch).logits
        if self.supervision == "weak":
            return {"classification": class_loss(logits.amax(dim=1), batch.video_labels, self.loss)}
        return {"classification": class_loss(logits, batch.labels, self.loss)}

    def decide(self, batch: ClipBatch) -> ClipPrediction:
        """Take the best class of each snippet, background being one of them, however it was supervised."""
        output = self(batch)
        return ClipPrediction(*by_argmax(output.logits), output.attention)
