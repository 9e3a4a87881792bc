"""CMRAN: cross-modal relation-aware networks for audio-visual event localization."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from avel.batch import ClipBatch, ClipPrediction
from avel.decoding.segment import by_relevance
from avel.errors import UserError, check_choice, check_count, check_number
from avel.floats import at_least_float32
from avel.losses.classification import class_loss, most_relevant_loss
from avel.losses.ranks import mean_over_ranks, world_size
from avel.tasks.segment import SegmentLocalizer
from avel.training.optim import StepRecipe

Supervision = Literal["full", "weak"]
WeakLoss = Literal["cross_entropy", "released", "likelihood"]


class CMRANOutput(NamedTuple):
    """What CMRAN says about B clips of T snippets.

    Attributes:
        relevance: logits of "there is an event", (B, T).
        video_logits: class logits of each video, (B, C), or (B, C + 1) under weak supervision.
        attention: where it looks, (B, T, H, W).
    """

    relevance: Tensor
    video_logits: Tensor
    attention: Tensor


class SpatialChannelAttention(nn.Module):
    """Sound tells first what to look for, then where (AGSCA): channels are amplified, positions are weighed.

    Args:
        visual_dim: width of the visual features.
        audio_dim: width of the audio features.
        dim: width of the channels' bottleneck and of the space in which positions are scored.
    """

    def __init__(self, visual_dim: int, audio_dim: int, dim: int) -> None:
        super().__init__()
        self.visual_channels, self.audio_channels = nn.Linear(visual_dim, visual_dim), nn.Linear(audio_dim, visual_dim)
        self.gate = nn.Sequential(nn.Linear(visual_dim, dim), nn.ReLU(), nn.Linear(dim, visual_dim), nn.Sigmoid())
        self.visual_places, self.audio_places = nn.Linear(visual_dim, dim), nn.Linear(audio_dim, dim)
        self.score = nn.Sequential(nn.Linear(dim, 1), nn.Tanh())

    def forward(self, visual: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Sum up each map.

        Args:
            visual: (B, T, H, W, D_visual).
            audio: (B, T, D_audio).

        Returns:
            Visual features (B, T, D_visual) and the weights of the positions (B, T, H, W), each map of which sums to 1.
        """
        places, audio = visual.flatten(2, 3), audio.unsqueeze(2)  # (B, T, P, D_visual), (B, T, 1, D_audio)
        seen = self.visual_channels(places).relu().mean(dim=2, keepdim=True)
        places = places * (1 + self.gate(seen * self.audio_channels(audio).relu()))
        common = self.visual_places(places).relu() * self.audio_places(audio).relu()
        weights = at_least_float32(self.score(common).mT).softmax(dim=-1)  # (B, T, 1, P)
        return (weights @ places).squeeze(2), weights.unflatten(3, visual.shape[2:4]).squeeze(2)


class CrossModalRelation(nn.Module):
    """Relates each snippet of one modality to all snippets of both (CMRA).

    Args:
        input_dim: width of the querying modality.
        dim: width E of the network.
        heads: attention heads.
        feedforward_dim: width of the hidden layer behind the attention.
        dropout: probability of dropping a feature or an attention weight.
    """

    def __init__(self, input_dim: int, dim: int, heads: int, *, feedforward_dim: int, dropout: float) -> None:
        super().__init__()
        self.embed = nn.Linear(input_dim, dim)
        self.attention = nn.MultiheadAttention(dim, heads, dropout=dropout, batch_first=True)
        self.feedforward = nn.Sequential(
            nn.Linear(dim, feedforward_dim), nn.ReLU(), nn.Dropout(dropout), nn.Linear(feedforward_dim, dim)
        )
        self.norm_attention, self.norm_feedforward = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, own: Tensor, other: Tensor) -> Tensor:
        """Map the querying modality (B, T, input_dim), given the other one (B, T, E), to (B, T, E)."""
        query = self.embed(own)
        kv = torch.cat([other, query], dim=1)  # relations across and within modalities, in one soft-max
        related, _ = self.attention(query, kv, kv, need_weights=False)
        query = self.norm_attention(query + self.dropout(related))
        return self.norm_feedforward(query + self.dropout(self.feedforward(query)))


class AudioVisualInteraction(nn.Module):
    """Fuses both modalities: what they agree on looks at all snippets of both (AVInter).

    Args:
        dim: width E of the network.
        heads: attention heads.
        dropout: probability of dropping a feature or an attention weight.
    """

    def __init__(self, dim: int, heads: int, *, dropout: float) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(dim, heads, dropout=dropout, batch_first=True)
        self.norm, self.dropout = nn.LayerNorm(dim), nn.Dropout(dropout)

    def forward(self, visual: Tensor, audio: Tensor) -> Tensor:
        """Map two modalities (B, T, E) to one (B, T, E)."""
        query, kv = visual * audio, torch.cat([audio, visual], dim=1)
        related, _ = self.attention(query, kv, kv, need_weights=False)
        return self.norm(query + self.dropout(related))


class CMRAN(SegmentLocalizer):
    """Localization by relations within and across modalities.

    Xu et al., "Cross-Modal Relation-Aware Networks for Audio-Visual Event Localization", ACM MM 2020.

    Sound guides spatial and channel attention over the visual maps; each modality, encoded by self-attention, is what
    the other one queries; their interaction is judged twice: each snippet for being part of an event, the whole clip,
    pooled over time by the maximum, for its class. A snippet of an event has the class of its clip. No layer knows the
    order of the snippets.

    Full supervision learns both judgements. A clip without a class (`video_labels` C, background only) teaches the
    relevance alone; one that has a class but no event, such as row 26 of AVE, teaches both.

    Weak supervision learns from the class of the clip, which may be background, through the maximum over time of
    relevance times class logits. A class whose logit is negative has its maximum at the least relevant snippet, so that
    snippet's relevance rises, too: expect the right class nearly everywhere, and hardly any localization. The loss
    "likelihood", which is not the paper's, takes the factors for probabilities instead (see `most_relevant_loss`).

    Args:
        num_classes: classes C.
        visual_dim: width of the visual features, which are maps of any height and width.
        audio_dim: width of the audio features.
        dim: width E of the network.
        feedforward_dim: width of the hidden layers behind attentions.
        attention_dim: see `SpatialChannelAttention`.
        heads: attention heads of encoders and relations.
        interaction_heads: attention heads of the interaction; the released code has 4 under full and 2 under weak
            supervision.
        encoder_layers: self-attention layers of each modality.
        dropout: probability of dropping a feature or an attention weight in encoders, relations and interaction.
        visual_dropout: probability of dropping a feature of the visual maps.
        supervision: "full" learns from the class of every snippet, "weak" from that of the video.
        loss: of weak supervision: "cross_entropy" or "released" (see `class_loss`), or "likelihood".
        optimizer: learning rate, its steps and clipping.

    Raises:
        UserError: an unknown option, a size that cannot be, or heads that do not divide `dim`; when called, visual
            features that are no maps.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        visual_dim: int,
        audio_dim: int,
        dim: int = 256,
        feedforward_dim: int = 2048,
        attention_dim: int = 256,
        heads: int = 4,
        interaction_heads: int = 4,
        encoder_layers: int = 2,
        dropout: float = 0.1,
        visual_dropout: float = 0.2,
        supervision: Supervision = "full",
        loss: WeakLoss = "cross_entropy",
        optimizer: StepRecipe | None = None,
    ) -> None:
        check_choice("method.supervision", supervision, get_args(Supervision))
        check_choice("method.loss", loss, get_args(WeakLoss))
        for name, width in (("dim", dim), ("feedforward_dim", feedforward_dim), ("attention_dim", attention_dim)):
            check_count(f"method.{name}", width)
        check_count("method.encoder_layers", encoder_layers)
        check_number("method.dropout", dropout, 0, 1)
        check_number("method.visual_dropout", visual_dropout, 0, 1)
        for name, number in (("heads", heads), ("interaction_heads", interaction_heads)):
            if number < 1 or dim % number:
                raise UserError(f"method.{name}={number}: must divide method.dim={dim}")
        super().__init__(num_classes, optimizer)
        self.save_hyperparameters(logger=False)
        self.supervision, self.loss = supervision, loss
        self.project = nn.Sequential(nn.Linear(visual_dim, visual_dim), nn.ReLU(), nn.Dropout(visual_dropout))
        self.attention = SpatialChannelAttention(visual_dim, audio_dim, attention_dim)
        self.visual_encoder, self.audio_encoder = (
            _encoder(input_dim, dim, heads, encoder_layers, feedforward_dim, dropout)
            for input_dim in (visual_dim, audio_dim)
        )
        self.visual_relation, self.audio_relation = (
            CrossModalRelation(input_dim, dim, heads, feedforward_dim=feedforward_dim, dropout=dropout)
            for input_dim in (visual_dim, audio_dim)
        )
        self.interaction = AudioVisualInteraction(dim, interaction_heads, dropout=dropout)
        self.relevance = nn.Linear(dim, 1)
        self.classify = nn.Linear(dim, num_classes if supervision == "full" else num_classes + 1)

    def forward(self, batch: ClipBatch) -> CMRANOutput:
        """Judge every snippet for relevance and every clip for its class."""
        if batch.visual.dim() != 5:
            raise UserError("CMRAN needs visual maps, height x width x channels: set data.visual=maps")
        visual, attention = self.attention(self.project(batch.visual), batch.audio)
        related_visual = self.visual_relation(visual, self.audio_encoder(batch.audio))
        related_audio = self.audio_relation(batch.audio, self.visual_encoder(visual))
        fused = self.interaction(related_visual, related_audio)
        return CMRANOutput(self.relevance(fused).squeeze(2), self.classify(fused.amax(dim=1)), attention)

    def losses(self, batch: ClipBatch) -> dict[str, Tensor]:
        """Compare with the labels of the snippets and the class of the video, or with the latter alone."""
        relevance, video_logits = (at_least_float32(logits) for logits in self(batch)[:2])
        if self.supervision == "weak":
            return {"classification": self._weak_loss(relevance, video_logits, batch.video_labels)}
        event = (batch.labels < self.num_classes).to(relevance.dtype)
        summed = cross_entropy(video_logits, batch.video_labels, ignore_index=self.num_classes, reduction="sum")
        of_event = (batch.video_labels < self.num_classes).sum()
        return {
            "relevance": binary_cross_entropy_with_logits(relevance, event),
            # of all ranks, so that the mean of their gradients is that of one process with all clips
            "classification": summed / mean_over_ranks(of_event.float()).clamp(min=1 / world_size()),
        }

    def _weak_loss(self, relevance: Tensor, video_logits: Tensor, video_labels: Tensor) -> Tensor:
        if self.loss == "likelihood":
            return most_relevant_loss(relevance, video_logits, video_labels)
        pooled = (relevance.sigmoid()[..., None] * video_logits[:, None]).amax(dim=1)
        return class_loss(pooled, video_labels, self.loss)

    def decide(self, batch: ClipBatch) -> ClipPrediction:
        """Give the class of the clip to every snippet that probably belongs to an event."""
        output = self(batch)
        labels, scores = by_relevance(output.relevance, output.video_logits, self.num_classes)
        return ClipPrediction(labels, scores, output.attention)


def _encoder(input_dim: int, dim: int, heads: int, layers: int, feedforward_dim: int, dropout: float) -> nn.Sequential:
    """Relates the snippets of one modality to each other; no activation follows the first linear map."""
    blocks = [nn.TransformerEncoderLayer(dim, heads, feedforward_dim, dropout, batch_first=True) for _ in range(layers)]
    return nn.Sequential(nn.Linear(input_dim, dim), *blocks)
