"""How much decoding one image may take: settings that hold for the command line, the server and Python alike."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from twinspect.errors import ConfigError
from twinspect.utils.memory import TOO_LARGE

SECONDS_VARIABLE: Final = "TWINSPECT_DECODE_SECONDS"
GIB_VARIABLE: Final = "TWINSPECT_DECODE_GIB"


@dataclass(frozen=True)
class DecodeLimits:
    """What one image may take.

    Attributes:
        seconds: of processor time.
        memory: bytes.
    """

    seconds: float = 20.0
    memory: int = 4 * 2**30

    @property
    def more_time(self) -> str:
        """How to allow more processor time, and how much is allowed now."""
        return f"raise {SECONDS_VARIABLE} in the environment (now {self.seconds:g})"

    @property
    def more_memory(self) -> str:
        """How to allow more memory, and how much is allowed now."""
        return f"raise {GIB_VARIABLE} in the environment (now {self.memory / 2**30:g})"

    @property
    def out_of_memory(self) -> str:
        """What is said of an image whose decoder got no memory: the system or the limit gave no more."""
        return f"{TOO_LARGE}; or, if it is the limit of decoding, {self.more_memory}"


def decode_limits() -> DecodeLimits:
    """Read the limits from the environment, which processes hand on to those that they start.

    Raises:
        ConfigError: one of them is no positive number.
    """
    seconds = _positive(SECONDS_VARIABLE, DecodeLimits.seconds)
    return DecodeLimits(seconds, int(_positive(GIB_VARIABLE, DecodeLimits.memory / 2**30) * 2**30))


def _positive(variable: str, default: float) -> float:
    text = os.environ.get(variable, "")
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:  # also not NaN
        raise ConfigError(f"{variable} is {text!r}; allowed is a number above 0, such as {default:g}")
    return value
