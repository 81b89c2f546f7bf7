"""Options of `completion`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add them to the parser of the verb."""
    verb.add_argument("shell", choices=("bash", "zsh", "fish"), help="which shell")
    verb.epilog = (
        'bash: add  eval "$(twinspect completion bash)"  to ~/.bashrc; '
        'zsh: add  eval "$(twinspect completion zsh)"  to ~/.zshrc, after compinit; '
        "fish: twinspect completion fish > ~/.config/fish/completions/twinspect.fish"
    )
