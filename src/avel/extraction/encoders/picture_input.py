"""How pictures are prepared for a pretrained network: scaled, cut and normalized as its own processor does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from avel.errors import UserError
from avel.extraction.pictures import Pixels

Edges = dict[str, int]

STEPS = ("do_resize", "do_rescale", "do_normalize")


@dataclass(frozen=True, slots=True)
class PictureInput:
    """What a `preprocessor_config.json` says about pictures, under the same names.

    Pictures are scaled by Pillow; `transformers` takes torchvision instead where that is installed, with slightly other
    numbers.

    Attributes:
        size: {"shortest_edge": n} keeps the shape of a picture, {"height": n, "width": m} does not.
        crop_size: {"height": n, "width": m} of the middle that is cut out; None for all of it.
        resample: Pillow's number of the filter: 2 bilinear, 3 bicubic.
        rescale_factor: by which pixels are multiplied first.
        image_mean: of the three channels.
        image_std: of the three channels.
    """

    size: Edges
    crop_size: Edges | None
    resample: int
    rescale_factor: float
    image_mean: list[float]
    image_std: list[float]

    @classmethod
    def read(cls, config: Mapping[str, Any], *, resample: int) -> PictureInput:
        """Understand the content of a `preprocessor_config.json`, also in the forms of earlier versions.

        Args:
            config: the content.
            resample: the filter where it names none.

        Raises:
            UserError: it does not say what is needed, leaves a step out, or wants more pixels cut out than there are.
        """
        if off := [step for step in STEPS if config.get(step) is False]:
            raise UserError(f"preprocessing: {', '.join(off)} must not be false, since encoders do this")
        size: Any = config.get("size")
        crop: Any = config.get("crop_size") if config.get("do_center_crop", True) else None
        size = {"shortest_edge": size} if isinstance(size, int) else size
        crop = {"height": crop, "width": crop} if isinstance(crop, int) else crop
        try:
            found = cls(
                size={edge: int(size[edge]) for edge in _edges(size)},
                crop_size={edge: int(crop[edge]) for edge in ("height", "width")} if crop else None,
                resample=int(resample if config.get("resample") is None else config["resample"]),
                rescale_factor=float(config.get("rescale_factor") or 1 / 255),
                image_mean=[float(channel) for channel in config["image_mean"]],
                image_std=[float(channel) for channel in config["image_std"]],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"preprocessing={dict(config)}: is not that of pictures ({error!r})") from None
        if found.crop_size and max(found.crop_size.values()) > min(found.size.values()):
            raise UserError(f"preprocessing: crop_size={found.crop_size} is larger than size={found.size}")
        return found

    def plain(self) -> dict[str, Any]:
        """Return plain values that `read` understands."""
        return asdict(self)

    def cut(self, pictures: Pixels) -> Pixels:
        """Scale RGB pictures (n, H, W, 3) and cut their middle out, (n, h, w, 3)."""
        height, width = self._scaled(*pictures.shape[1:3])
        scaled = [Image.fromarray(picture).resize((width, height), self.resample) for picture in pictures]
        pixels: Pixels = np.stack([np.asarray(picture) for picture in scaled])
        cut = self.crop_size or {"height": height, "width": width}
        top, left = (height - cut["height"]) // 2, (width - cut["width"]) // 2
        return pixels[:, top : top + cut["height"], left : left + cut["width"]]

    def normalize(self, pixels: Tensor, dtype: torch.dtype) -> Tensor:
        """Normalize the channels of pictures, (…, h, w, 3) uint8 to (…, 3, h, w)."""
        mean, std = (torch.tensor(values, device=pixels.device) for values in (self.image_mean, self.image_std))
        return ((pixels * self.rescale_factor - mean) / std).movedim(-1, -3).to(dtype)

    def _scaled(self, height: int, width: int) -> tuple[int, int]:
        if "height" in self.size:
            return self.size["height"], self.size["width"]
        short = self.size["shortest_edge"]
        return (short, short * width // height) if height <= width else (short * height // width, short)


def _edges(size: Mapping[str, Any]) -> tuple[str, ...]:
    return ("height", "width") if "height" in size else ("shortest_edge",)
