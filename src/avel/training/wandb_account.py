"""Whether a run is uploaded to W&B: decided without asking anyone, be it a person or a server."""

from __future__ import annotations

import logging
import netrc
import os
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import wandb

Mode = Literal["online", "offline", "disabled"]

log = logging.getLogger(__name__)


def choose_mode(offline: bool | None) -> Mode:
    """Decide whether a run is uploaded while it goes on: WANDB_MODE comes first, then `offline`, then the account."""
    settings = wandb.setup().settings
    if settings.mode == "disabled":
        return "disabled"
    if offline or settings.mode in ("offline", "dryrun"):
        return "offline"
    if account_exists(settings):
        return "online"
    log.info("W&B: there is no account here (`wandb login` or WANDB_API_KEY), the run is kept on disk")
    return "offline"


def account_exists(settings: wandb.Settings) -> bool:
    """Find out, without asking anyone, whether W&B knows who is here.

    Looks where its client looks: at WANDB_API_KEY, WANDB_IDENTITY_TOKEN_FILE and, for what `wandb login` has written,
    at the entry of the server in the file NETRC, ~/.netrc by default.
    """
    if settings.api_key or settings.identity_token_file:
        return True
    try:
        machines = netrc.netrc(Path(os.environ.get("NETRC", "~/.netrc")).expanduser())
    except (OSError, netrc.NetrcParseError):
        return False
    return machines.authenticators(urlsplit(str(settings.base_url)).netloc) is not None
