"""VGGish (Hershey et al., ICASSP 2017): what is heard, by a network that learned from the sound of YouTube's videos."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from avel.errors import check_choice
from avel.extraction.encoder import Encoded, Kept, Spans
from avel.extraction.encoders.pretrained import PretrainedEncoder
from avel.extraction.encoders.vgg import convolutions
from avel.extraction.sound import Samples
from avel.extraction.weight_files import fill, read_weights

Activation = Literal["post", "pre"]
Postprocess = Literal["truncated", "rounded"]

RATE = 16000
FRAME, SHIFT, TRANSFORM = 400, 160, 512
"""Samples of a spectrum, between two of them, and of the Fourier transform."""
BANDS, LOWEST, HIGHEST = 64, 125.0, 7500.0
"""Mel bands, and Hz where the first begins and the last ends."""
OFFSET = 0.01
"""Is added to magnitudes before their logarithm is taken."""
FRAMES = 96
"""Spectra that the network sees."""
EXAMPLE = FRAME + (FRAMES - 1) * SHIFT
"""Samples that these cover: 0.975 s."""
SHORTEST, LONGEST = 0.96, 1.0
"""Seconds of a window."""

WIDTH, BLOCKS = 128, ((64,), (128,), (256, 256), (512, 512))
FLATTENED, HIDDEN = 6 * 4 * 512, 4096
LOW, HIGH, LEVELS = -2.0, 2.0, 255
"""Range of whitened features that is kept, and the largest of the numbers that it is divided into."""

PCA = re.compile(r"pca_(eigen_vectors|means)")
ADVICE = (
    "Wanted are the weights of VGGish as PyTorch has them (torchvggish: vggish-10086976.pth): say where they lie,"
    " encoder.audio.weights=FILE. A checkpoint of TensorFlow cannot be read without TensorFlow"
)


class VGGishSound(PretrainedEncoder):
    """VGGish's embedding of the first 0.975 s of a window: of 96 spectra, 10 ms apart.

    With windows and hops of 1 s, so the features of AVE were made (Tian et al., ECCV 2018): second by second, behind
    the last activation and without postprocessing, since the published ones are never negative, mostly 0, and no whole
    numbers. With windows of 0.96 s and hops of 0.32 s, steps lie where those of UnAV-100 do (Geng et al., CVPR 2023).

    Args:
        weights: file of torchvggish's weights, see `read_weights`; for postprocessing, a folder with that file and the
            one of its principal components (vggish_pca_params-970ea276.pth, or TensorFlow's vggish_pca_params.npz).
        window: seconds that a step covers, 0.96 to 1; of a shorter one than 0.975 s, `context` is the rest.
        hop: seconds between two steps.
        activation: "post": behind the last ReLU, as torchvggish gives embeddings; "pre": before it, as later versions
            of TensorFlow's code give them.
        postprocess: whitening and 8 bits, numbers 0 to 255, as in the features published with AudioSet: "truncated" as
            TensorFlow's code does it, "rounded" as torchvggish does it; None: neither.
        precision: float32, bfloat16 or float16.
        batch: windows that the network sees at once.

    Raises:
        UserError: a setting makes no sense, or the weights are missing or of another network.
    """

    name = "vggish"
    width = WIDTH

    def __init__(
        self,
        *,
        weights: str,
        window: float = 1.0,
        hop: float = 1.0,
        activation: Activation = "post",
        postprocess: Postprocess | None = None,
        precision: str = "float32",
        batch: int = 32,
    ) -> None:
        super().__init__(weights=weights, window=window, hop=hop, precision=precision, batch=batch)
        self.require(SHORTEST <= window <= LONGEST, f"window={window} must be {SHORTEST} to {LONGEST} s")
        check_choice(f"encoder {self.name}: activation", activation, get_args(Activation))
        if postprocess is not None:
            check_choice(f"encoder {self.name}: postprocess", postprocess, get_args(Postprocess))
        self.rate = RATE
        self.context = max(EXAMPLE / RATE - window, 0.0)
        self.activation, self.postprocess = activation, postprocess
        tensors = {name.removeprefix("pproc."): tensor for name, tensor in read_weights(self.weights, ADVICE).items()}
        components = {name: tensors.pop(name).squeeze() for name in [*tensors] if PCA.fullmatch(name)}
        with torch.device("meta"):
            self.network = VGGish()
        fill(self.network, tensors, self.weights)
        self.freeze()
        self.quantize = Quantizer() if postprocess else None  # stays in float32, whatever the precision
        if self.quantize:
            fill(self.quantize, components, self.weights)

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments, as far as they change numbers."""
        return super().settings() | {"activation": self.activation, "postprocess": self.postprocess}

    def preprocess(self, sound: Samples) -> Kept:
        """Keep the samples."""
        return sound

    def encode(self, samples: Kept, spans: Spans) -> Encoded:
        """Encode each step on its own; where the file ends too early, silence follows."""
        examples = [samples[first : first + EXAMPLE] for first, _ in spans]
        return self.rows([np.pad(example, (0, EXAMPLE - len(example))) for example in examples])

    def embed(self, inputs: Tensor) -> Tensor:
        """Embed windows (b, samples)."""
        raw: Tensor = self.network(log_mel(inputs).to(self.dtype)).float()
        embedded = functional.relu(raw) if self.activation == "post" else raw
        if self.quantize is None:
            return embedded
        levels: Tensor = self.quantize(embedded)
        return levels.floor() if self.postprocess == "truncated" else levels.round()


class VGGish(nn.Module):
    """The network, up to before its last activation; its parts have torchvggish's names."""

    def __init__(self) -> None:
        super().__init__()
        self.features = convolutions(1, *BLOCKS)
        self.embeddings = nn.Sequential(
            nn.Linear(FLATTENED, HIDDEN),
            nn.ReLU(inplace=True),
            nn.Linear(HIDDEN, HIDDEN),
            nn.ReLU(inplace=True),
            nn.Linear(HIDDEN, WIDTH),
        )

    def forward(self, spectra: Tensor) -> Tensor:
        """Embed log-mel spectra, (b, 96, 64) to (b, 128)."""
        maps = self.features(spectra[:, None])
        return self.embeddings(maps.permute(0, 2, 3, 1).flatten(1))  # as TensorFlow flattens them: channels last


class Quantizer(nn.Module):
    """Whitens embeddings along their principal components and scales them to 0..255, (n, 128) to the same."""

    pca_eigen_vectors: Tensor
    pca_means: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("pca_eigen_vectors", torch.empty(WIDTH, WIDTH))
        self.register_buffer("pca_means", torch.empty(WIDTH))

    def forward(self, embedded: Tensor) -> Tensor:
        """Return the numbers before they are rounded or truncated."""
        whitened = (embedded - self.pca_means) @ self.pca_eigen_vectors.T
        return (whitened.clamp(LOW, HIGH) - LOW) * (LEVELS / (HIGH - LOW))


def log_mel(sound: Tensor) -> Tensor:
    """Return logarithmic magnitudes in mel bands of samples (b, n), (b, frames, 64): only frames that lie in them."""
    frames = sound.unfold(-1, FRAME, SHIFT) * torch.hann_window(FRAME, periodic=True, device=sound.device)
    magnitude = torch.fft.rfft(frames, TRANSFORM).abs()
    return (magnitude @ mel_filters().to(sound.device) + OFFSET).log()


@cache
def mel_filters() -> Tensor:
    """Return filters over the frequencies of the transform that are triangles over mels, (257, 64)."""
    hertz = torch.linspace(0, RATE / 2, TRANSFORM // 2 + 1, dtype=torch.float64)[:, None]
    mel, low, high = (1127 * (1 + f / 700).log() for f in (hertz, *torch.tensor([LOWEST, HIGHEST]).double()))
    edges = torch.linspace(low.item(), high.item(), BANDS + 2, dtype=torch.float64)
    rising = (mel - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - mel) / (edges[2:] - edges[1:-1])
    return torch.minimum(rising, falling).clamp(min=0).float()
