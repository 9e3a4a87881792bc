"""Which method released weights are of, and of which size, by their names and shapes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from avel.checkpoints import ave, ave_sizes, dense_sizes, official
from avel.checkpoints.official import Table, rename
from avel.checkpoints.shapes import Arguments, Shapes, Sizes, nested
from avel.errors import UserError, check_choice

IGNORABLE = (r"\.num_batches_tracked$", r"\bpos_embd$")
"""Names that every method may leave out: counters and tables of positions, which are computed anew."""


@dataclass(frozen=True, slots=True)
class Family:
    """A released code, by its weights.

    Attributes:
        method: our class.
        mark: pattern of a name that no other released code has; families are tried in their order.
        table: its names and ours.
        sizes: reads the arguments of our class from the shapes.
        unused: patterns of parameters that the released code never uses.
    """

    method: str
    mark: str
    table: Table
    sizes: Callable[[Shapes], Sizes]
    unused: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of our class."""
        return self.method.rpartition(".")[2]

    @property
    def ignorable(self) -> tuple[str, ...]:
        """Patterns of released names that are left out."""
        return (*IGNORABLE, *self.unused)


FAMILIES = {
    "ccnet": Family("avel.methods.ccnet.CCNet", r"^MTGC_block\.", official.CCNET, dense_sizes.ccnet),
    "uniav": Family("avel.methods.uniav.UniAV", r"^cls_head\.clip_proj\.", official.UNIAV, dense_sizes.uniav),
    "unav": Family("avel.methods.unav.UnAV", r"^backbone\.embd_V\.", official.UNAV, dense_sizes.unav),
    "actionformer": Family(
        "avel.methods.actionformer.ActionFormer",
        r"^backbone\.embd\.",
        official.ACTIONFORMER,
        dense_sizes.actionformer,
    ),
    "cmran": Family(
        "avel.methods.cmran.CMRAN", r"^spatial_channel_att\.", ave.CMRAN, ave_sizes.cmran, ave.CMRAN_UNUSED
    ),
    "psp": Family("avel.methods.psp.PSP", r"^psp\.v_fc\.", ave.PSP, ave_sizes.psp, ave.PSP_UNUSED),
    "psp_weak": Family("avel.methods.psp.PSP", r"^psp\.v_L1\.", ave.PSP, ave_sizes.psp, ave.PSP_WEAK_UNUSED),
    "dmrn": Family("avel.methods.dmrn.DMRN", r"^U_v\.", ave.DMRN, ave_sizes.dmrn),
    "av_att": Family("avel.methods.av_att.AVAtt", r"^affine_video\.", ave.AV_ATT, ave_sizes.av_att),
    "avdln": Family("avel.methods.avdln.AVDLN", r"^dense_1/", ave.AVDLN, ave_sizes.avdln),
}


@dataclass(frozen=True, slots=True)
class Network:
    """The network that released weights are of.

    Attributes:
        family: the released code.
        sizes: arguments of our class under dotted names.
        given: arguments that somebody gave in their place.
    """

    family: Family
    sizes: Sizes
    given: Mapping[str, Any]

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of our class in plain values, dictionaries in the place of dataclasses."""
        return nested(self.sizes.assumed | self.sizes.released | self.sizes.read | dict(self.given))

    @property
    def assumed(self) -> Arguments:
        """Arguments that neither shapes nor anybody told: the published values."""
        told = self.sizes.read.keys() | self.given.keys()
        return {name: value for name, value in self.sizes.assumed.items() if name not in told}

    @property
    def released(self) -> Arguments:
        """Arguments by which our class computes as the released code does."""
        return {name: value for name, value in self.sizes.released.items() if name not in self.given}


def recognize(tensors: Mapping[str, Tensor], *, method: str | None = None, given: Mapping[str, Any]) -> Network:
    """Find out what network weights are of.

    Args:
        tensors: under their released names, without the prefix of wrappers.
        method: one of `FAMILIES`; None finds it by the names.
        given: arguments of our class under dotted names, e.g. {"pyramid.heads": 8}.

    Raises:
        UserError: no known method has weights of these names, or weights are missing that tell its size.
    """
    if method is not None:
        check_choice("--method", method, FAMILIES)
        family = FAMILIES[method]
    else:
        family = _by_names(tensors)
    kept = [name for name in tensors if not any(re.search(pattern, name) for pattern in family.ignorable)]
    shapes = {rename(name, family.table): tuple(tensors[name].shape) for name in kept}
    try:
        return Network(family, family.sizes(shapes), given)
    except (KeyError, IndexError, ValueError, ZeroDivisionError) as error:
        raise UserError(f"looks like {family.name}, but these weights of it are missing or odd: {error}") from None


def _by_names(tensors: Mapping[str, Tensor]) -> Family:
    for family in FAMILIES.values():
        if any(re.search(family.mark, name) for name in tensors):
            return family
    shown = ", ".join(list(tensors)[:4]) + (", …" if len(tensors) > 4 else "")
    raise UserError(f"holds {len(tensors)} tensors ({shown}), of no method that is known: {', '.join(FAMILIES)}")
