"""Audio-guided visual attention: sound tells where to look (AV-att, DMRN and PSP)."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from avel.errors import UserError, check_choice, check_count
from avel.floats import at_least_float32

AudioAxis = Literal["channels", "positions"]


class AudioGuidedAttention(nn.Module):
    """Weighs the positions of each snippet's visual map by what is heard in that snippet.

    Tian et al., "Audio-Visual Event Localization in Unconstrained Videos", ECCV 2018: with U_v, U_a to a common space
    and W_v, W_a to one of P channels, P the number of positions,

        weights = softmax over positions of W_f tanh(W_v U_v(visual) + (W_a U_a(audio)) 1^T)

    The weights sum the visual features as they came, not the projected ones.

    Args:
        visual_dim: width of the visual features.
        audio_dim: width of the audio features.
        positions: positions P of a map, e.g. 49 for 7 x 7.
        dim: width of the common space.
        audio_axis: which axis of the (P positions, P channels) inside tanh the P audio values lie on. "channels" is the
            formula: every position meets the same audio vector, so sound chooses by what is seen. "positions" is the
            released code of AV-att, DMRN and PSP: audio value p is added to all channels of position p, so sound says
            where to look, whatever is seen there. The weights fit both.

    Raises:
        UserError: an unknown `audio_axis` or a size below 1; when called, visual features that are no maps of P
            positions.
    """

    def __init__(
        self, visual_dim: int, audio_dim: int, *, positions: int, dim: int, audio_axis: AudioAxis = "channels"
    ) -> None:
        super().__init__()
        check_choice("method.audio_axis", audio_axis, get_args(AudioAxis))
        check_count("method.positions", positions)
        check_count("method.attention_dim", dim)
        self.positions = positions
        self.broadcast_axis = {"channels": -2, "positions": -1}[audio_axis]
        self.visual, self.audio = nn.Linear(visual_dim, dim), nn.Linear(audio_dim, dim)
        self.visual_out, self.audio_out = (nn.Linear(dim, positions, bias=False) for _ in range(2))
        self.score = nn.Linear(positions, 1, bias=False)

    def forward(self, visual: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Sum up each map.

        Args:
            visual: (B, T, H, W, D_visual) with H * W = P.
            audio: (B, T, D_audio).

        Returns:
            Visual features (B, T, D_visual) and the attention (B, T, H, W), each map of which sums to 1.
        """
        if visual.dim() != 5 or visual.shape[2] * visual.shape[3] != self.positions:
            found = " x ".join(map(str, visual.shape[2:]))
            raise UserError(
                f"method.positions={self.positions}, but the visual features of a snippet are {found}: audio-guided"
                " attention needs maps height x width x channels (data.visual=maps) and method.positions=height * width"
            )
        places = visual.flatten(2, 3)  # (B, T, P, D_visual)
        seen = self.visual_out(self.visual(places).relu())  # (B, T, P, P)
        heard = self.audio_out(self.audio(audio).relu()).unsqueeze(self.broadcast_axis)
        weights = at_least_float32(self.score(torch.tanh(seen + heard)).mT).softmax(dim=-1)  # (B, T, 1, P)
        return (weights @ places).squeeze(2), weights.unflatten(3, visual.shape[2:4]).squeeze(2)
