"""PSP: positive sample propagation along the audio-visual event line."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

from torch import Tensor, nn
from torch.nn.functional import one_hot

from avel.batch import ClipBatch, ClipPrediction
from avel.decoding.segment import by_argmax
from avel.errors import check_choice, check_count, check_number
from avel.floats import at_least_float32
from avel.layers.audio_guided import AudioAxis, AudioGuidedAttention
from avel.layers.recurrent import PairedLSTM
from avel.losses.classification import class_loss, share_loss
from avel.losses.pair_similarity import StaleSimilarityTargets, pair_similarity_loss, similarity_targets
from avel.tasks.segment import SegmentLocalizer
from avel.training.optim import StepRecipe

Supervision = Literal["full", "weak"]
PairTargets = Literal["clean", "stale"]
VideoTarget = Literal["class", "proportion"]
EPS = 1e-8


class PSPOutput(NamedTuple):
    """What PSP says about B clips of T snippets.

    Attributes:
        logits: class logits, (B, T, C + 1).
        attention: where it looks, (B, T, H, W).
        visual: visual features after propagation, (B, T, D).
        audio: audio features after propagation, (B, T, D).
    """

    logits: Tensor
    attention: Tensor
    visual: Tensor
    audio: Tensor


class PositiveSamplePropagation(nn.Module):
    """Passes features between those pairs of a visual and an audio snippet that belong together.

    Args:
        dim: width D of both modalities.
        hidden_dim: width of the space in which snippets are compared.
        threshold: smallest share (exclusive) of a snippet's similarities that makes a pair positive.
        dropout: probability of dropping a projected feature.
        supervision: "full" lets the shares of positive pairs sum to 1 again and passes the result through one more
            layer; the weakly supervised model does neither.
    """

    def __init__(
        self, dim: int, hidden_dim: int, *, threshold: float, dropout: float, supervision: Supervision
    ) -> None:
        super().__init__()
        self.threshold, self.renormalize = threshold, supervision == "full"
        self.visual_key, self.audio_key = (_projection(dim, hidden_dim, dropout) for _ in range(2))
        self.visual_value, self.audio_value = (_projection(dim, dim, dropout) for _ in range(2))
        self.visual_out, self.audio_out = (
            _projection(dim, dim, dropout) if supervision == "full" else nn.Identity() for _ in range(2)
        )
        self.norm = nn.LayerNorm(dim, eps=1e-6)  # one for both modalities

    def forward(self, visual: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, T, D) and (B, T, D) to the same shapes."""
        similarity = self.similarity(visual, audio)
        heard = self.positive(shares(similarity)) @ self.audio_value(audio)
        seen = self.positive(shares(similarity.mT)) @ self.visual_value(visual)
        return self.norm(self.visual_out(visual + heard)), self.norm(self.audio_out(audio + seen))

    def similarity(self, visual: Tensor, audio: Tensor) -> Tensor:
        """Compare all pairs, (B, T visual, T audio), zero where they are unlike."""
        keys = self.visual_key(visual)
        # behind it float32 at least: a sum below `EPS` is 0 in half precision, and would be divided by
        return at_least_float32(keys @ self.audio_key(audio).mT / keys.shape[-1] ** 0.5).relu()

    def positive(self, share: Tensor) -> Tensor:
        """Keep the shares (B, T, T) of positive pairs, zero the others."""
        kept = share * (share > self.threshold)
        return shares(kept) if self.renormalize else kept


def _projection(in_dim: int, out_dim: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(in_dim, out_dim, bias=False), nn.ReLU(), nn.Dropout(dropout))


def shares(similarity: Tensor) -> Tensor:
    """Divide by the sum of the last axis; rows of zeros stay zero."""
    return similarity / (similarity.sum(dim=-1, keepdim=True) + EPS)


class PSP(SegmentLocalizer):
    """Localization by propagation between the positive pairs of audio and visual snippets.

    Zhou et al., "Positive Sample Propagation along the Audio-Visual Event Line", CVPR 2021.

    Audio-guided attention and two bidirectional LSTMs as in AV-att, then every snippet takes up features of those
    snippets of the other modality that are similar enough, near or far. Full supervision adds that picture and sound
    shall resemble each other within the event only. Weak supervision weighs each snippet's logits by an estimate of
    its own and compares their mean over time with the class of the video.

    Weights start as the framework has it.

    Args:
        num_classes: classes C.
        visual_dim: width of the visual features, which are maps.
        audio_dim: width of the audio features.
        positions: positions of a visual map, height * width.
        attention_dim: width of the attention's common space.
        lstm_dim: width of each direction of the LSTMs; D is twice that.
        psp_dim: width of the space in which snippets are compared.
        classifier_dim: width of the classifier's hidden layer.
        threshold: see `PositiveSamplePropagation`; the paper takes 0.099 under full and 0.095 under weak supervision.
        pair_weight: weight of the pair similarity loss (full supervision).
        dropout: probability of dropping a feature in the propagation.
        supervision: "full" learns from the class of every snippet, "weak" from that of the video.
        audio_axis: "channels", or "positions" for the released code's attention (see `AudioGuidedAttention`).
        pair_targets: "clean", or "stale" for the released code's uncleared buffer (see `StaleSimilarityTargets`).
        video_target: what weak supervision learns from: "class" is that of the video. "proportion" is the released
            code's: the share of snippets of each class, background included, which gives away how long the event lasts
            and so is no longer weak; papers that learn from the class cannot be compared with it.
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
        psp_dim: int = 256,
        classifier_dim: int = 64,
        threshold: float = 0.099,
        pair_weight: float = 100.0,
        dropout: float = 0.1,
        supervision: Supervision = "full",
        audio_axis: AudioAxis = "channels",
        pair_targets: PairTargets = "clean",
        video_target: VideoTarget = "class",
        optimizer: StepRecipe | None = None,
    ) -> None:
        check_choice("method.supervision", supervision, get_args(Supervision))
        check_choice("method.pair_targets", pair_targets, get_args(PairTargets))
        check_choice("method.video_target", video_target, get_args(VideoTarget))
        check_count("method.psp_dim", psp_dim)
        check_count("method.classifier_dim", classifier_dim)
        check_number("method.threshold", threshold, 0, 1)
        check_number("method.pair_weight", pair_weight)
        check_number("method.dropout", dropout, 0, 1)
        super().__init__(num_classes, optimizer)
        self.save_hyperparameters(logger=False)
        self.supervision, self.video_target = supervision, video_target
        self.similarity_targets = StaleSimilarityTargets() if pair_targets == "stale" else similarity_targets
        self.pair_weight = pair_weight
        width = 2 * lstm_dim
        self.embed_visual: nn.Module
        self.embed_audio: nn.Module
        if supervision == "full":
            self.embed_visual = _two_maps(visual_dim, width, lstm_dim)
            self.embed_audio = _two_maps(audio_dim, width, lstm_dim)
            audio_dim = lstm_dim
        else:
            self.embed_visual, self.embed_audio = nn.Linear(visual_dim, lstm_dim), nn.Identity()
            self.weigh = nn.Linear(num_classes + 1, 1, bias=False)
        self.attention = AudioGuidedAttention(
            visual_dim, audio_dim, positions=positions, dim=attention_dim, audio_axis=audio_axis
        )
        self.lstm = PairedLSTM(lstm_dim, audio_dim, lstm_dim)
        self.propagate = PositiveSamplePropagation(
            width, psp_dim, threshold=threshold, dropout=dropout, supervision=supervision
        )
        self.hidden = nn.Linear(width, classifier_dim, bias=False)
        self.classify = nn.Linear(classifier_dim, num_classes + 1, bias=False)

    def forward(self, batch: ClipBatch) -> PSPOutput:
        """Classify every snippet."""
        audio = self.embed_audio(batch.audio)
        attended, attention = self.attention(batch.visual, audio)
        visual, audio = self.lstm(self.embed_visual(attended), audio)
        visual, audio = self.propagate(visual, audio)
        logits = self.classify(self.hidden((visual + audio) / 2).relu())
        if self.supervision == "weak":
            logits = logits * self.weigh(logits).relu().sigmoid()
        return PSPOutput(logits, attention, visual, audio)

    def losses(self, batch: ClipBatch) -> dict[str, Tensor]:
        """Compare with the classes of the snippets and where the event is, or with the class of the video."""
        output = self(batch)
        if self.supervision == "weak":
            return {"classification": share_loss(output.logits.mean(dim=1), self.video_shares(batch))}
        target = self.similarity_targets(batch.labels < self.num_classes)
        return {
            "classification": class_loss(output.logits, batch.labels),
            "similarity": self.pair_weight * pair_similarity_loss(output.visual, output.audio, target),
        }

    def video_shares(self, batch: ClipBatch) -> Tensor:
        """Share of each class in the B videos that weak supervision tells, (B, C + 1) float32."""
        labels = batch.labels if self.video_target == "proportion" else batch.video_labels[:, None]
        return one_hot(labels, self.num_classes + 1).float().mean(dim=1)

    def decide(self, batch: ClipBatch) -> ClipPrediction:
        """Take the best class of each snippet, background being one of them, however it was supervised."""
        output = self(batch)
        return ClipPrediction(*by_argmax(output.logits), output.attention)


def _two_maps(in_dim: int, hidden_dim: int, out_dim: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(in_dim, hidden_dim, bias=False), nn.Linear(hidden_dim, out_dim, bias=False))
