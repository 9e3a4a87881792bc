"""Recurrent networks over the snippets of a clip."""

from __future__ import annotations

from torch import Tensor, nn

from avel.errors import check_count


class PairedLSTM(nn.Module):
    """Two bidirectional LSTMs of one layer that see the visual and the audio features, each for itself.

    Args:
        visual_dim: width of the visual features.
        audio_dim: width of the audio features.
        dim: width H of each direction.

    Raises:
        UserError: a width below 1.
    """

    def __init__(self, visual_dim: int, audio_dim: int, dim: int) -> None:
        super().__init__()
        check_count("method.lstm_dim", dim)
        self.visual = nn.LSTM(visual_dim, dim, batch_first=True, bidirectional=True)
        self.audio = nn.LSTM(audio_dim, dim, batch_first=True, bidirectional=True)

    def forward(self, visual: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, T, D_visual) and (B, T, D_audio) to (B, T, 2 H) each, forward and backward states joined."""
        return self.visual(visual)[0], self.audio(audio)[0]
