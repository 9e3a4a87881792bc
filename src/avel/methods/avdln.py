"""AVDLN: audio-visual distance learning network for cross-modality localization."""

from __future__ import annotations

from torch import Tensor, nn

from avel.batch import ClipBatch
from avel.errors import check_count, check_number
from avel.losses.contrastive import contrastive_loss, pair_distance
from avel.tasks.matching import MatchingLocalizer
from avel.training.optim import StepRecipe


class AVDLN(MatchingLocalizer):
    """Finds in the picture what is heard, and in the sound what is seen, by a distance that it learns.

    Tian et al., "Audio-Visual Event Localization in Unconstrained Videos", ECCV 2018, on cross-modality localization.

    Two small networks embed the visual and the audio feature of a snippet. Picture and sound of the same second are a
    pair; those of events shall be near to each other, those of background a margin apart. Maps are averaged over their
    positions. Weights start as in the released code (Keras): Glorot-uniform, biases zero.

    Args:
        num_classes: classes C.
        visual_dim: width of the visual features, vectors or maps.
        audio_dim: width of the audio features.
        hidden_dim: width of the hidden layers.
        embedding_dim: width E of the embeddings.
        margin: distance that background pairs shall have.
        optimizer: learning rate, its steps and clipping.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        visual_dim: int,
        audio_dim: int,
        hidden_dim: int = 128,
        embedding_dim: int = 64,
        margin: float = 2.0,
        optimizer: StepRecipe | None = None,
    ) -> None:
        super().__init__(num_classes, optimizer)
        check_count("method.hidden_dim", hidden_dim)
        check_count("method.embedding_dim", embedding_dim)
        check_number("method.margin", margin)
        self.save_hyperparameters(logger=False)
        self.margin = margin
        self.visual, self.audio = (_embedding(dim, hidden_dim, embedding_dim) for dim in (visual_dim, audio_dim))

    def embed(self, batch: ClipBatch) -> tuple[Tensor, Tensor]:
        """Embed the visual and the audio snippets, (B, T, E) each."""
        visual = batch.visual if batch.visual.dim() == 3 else batch.visual.mean(dim=(2, 3))
        return self.visual(visual), self.audio(batch.audio)

    def losses(self, batch: ClipBatch) -> dict[str, Tensor]:
        """Compare the distance of each second's picture and sound with whether they belong to an event."""
        event = batch.labels < self.num_classes
        return {"contrastive": contrastive_loss(pair_distance(*self.embed(batch)), event, self.margin)}


def _embedding(in_dim: int, hidden_dim: int, out_dim: int) -> nn.Sequential:
    layers = nn.Linear(in_dim, hidden_dim), nn.LeakyReLU(0.3), nn.Linear(hidden_dim, out_dim)
    for linear in (layers[0], layers[2]):
        nn.init.xavier_uniform_(linear.weight)
        nn.init.zeros_(linear.bias)
    return nn.Sequential(*layers)
