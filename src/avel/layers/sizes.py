"""Sizes that networks can have."""

from __future__ import annotations

from avel.errors import UserError, check_count, check_number

MOST_LAYERS = 20
"""A level more doubles the length of what is padded: 20 levels are for videos of days."""

COUNTS = (
    ("dim", 1, None),
    ("heads", 1, None),
    ("embedding_layers", 1, MOST_LAYERS),
    ("stem_layers", 0, MOST_LAYERS),
    ("levels", 1, MOST_LAYERS),
)
"""Size of a pyramid, the smallest and the largest there is."""


def check_pyramid(config: object) -> None:
    """Raise a UserError for sizes that no pyramid, of one stream or of two, can have."""
    for name, least, most in COUNTS:
        check_count(f"method.pyramid.{name}", getattr(config, name), least, most)
    kernel_size, drop_path, scale = (getattr(config, name) for name in ("kernel_size", "drop_path", "residual_scale"))
    check_kernel("method.pyramid.kernel_size", kernel_size)
    check_number("method.pyramid.drop_path", drop_path, 0, 1, below=True)
    check_number("method.pyramid.residual_scale", scale)


def check_heads(dim: int, heads: int) -> None:
    """Raise a UserError unless attention can share the channels of a pyramid among its heads."""
    if dim % heads:
        raise UserError(f"method.pyramid.heads={heads}: must divide method.pyramid.dim={dim}")


def check_kernel(key: str, size: int) -> None:
    """Raise a UserError unless a convolution of this width can leave the length as it is."""
    check_count(key, size)
    if size % 2 == 0:
        raise UserError(f"{key}={size}: give an odd number")
