"""Models that a command line names by their address on the Hugging Face hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twinspect.errors import ConfigError

if TYPE_CHECKING:
    import argparse

_KEEPING: Final = ("calibrate", "export", "serve", "watch")
"""Verbs that change the model, or stay with it: these take a folder."""


def fetch_models(options: argparse.Namespace) -> None:
    """Put the folder in the hub's cache in the place of each address; nothing is imported where there is none.

    Raises:
        ConfigError: the verb needs a folder of the user's own, or it is no address.
        BundleError: a model cannot be fetched.
    """
    if _is_address(getattr(options, "model", None)):
        options.model = _fetched(options.verb, options.model)
    if isinstance(models := getattr(options, "models", None), list):
        options.models = [_fetched(options.verb, each) if _is_address(each) else each for each in models]


def _is_address(name: object) -> bool:
    from twinspect.bundle.folder import is_on_hub

    return isinstance(name, str) and is_on_hub(name)


def _fetched(verb: str, address: str) -> str:
    from twinspect.inference.model_hub import HubAddress, fetch_model

    repository = HubAddress.parse(address).repository
    if verb in _KEEPING:
        folder = f"{repository.rpartition('/')[2]}.twin"
        raise ConfigError(
            f"{verb} needs a folder of your own, not {address}; type: hf download {repository} --local-dir {folder}"
        )
    return str(fetch_model(address))
