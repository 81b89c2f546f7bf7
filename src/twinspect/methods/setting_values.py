"""Values of settings: what is a number of a range, what is a word that is allowed, and how they are typed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args, get_origin

from twinspect.errors import ConfigError

LARGEST: Final = 2**53
"""The largest integer that a setting may be: not all above are exact in JSON."""
_WORDS: Final = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


@dataclass(frozen=True)
class Interval:
    """The numbers from one to another.

    Attributes:
        low: the lowest.
        high: the highest; perhaps infinite.
        is_low_open: whether the lowest itself is left out.
        is_high_open: whether the highest is.
    """

    low: float
    high: float
    is_low_open: bool
    is_high_open: bool

    @classmethod
    def of(cls, text: str) -> Interval:
        """Read mathematicians' notation.

        >>> print(Interval.of("[0, 1)"), "-", Interval.of("(0, inf)"))
        0 or more and below 1 - above 0
        """
        low, high = text[1:-1].split(",")
        return cls(float(low), float(high), text[0] == "(", text[-1] == ")")

    def holds(self, value: float) -> bool:
        """Tell whether it has the value."""
        above = value > self.low if self.is_low_open else value >= self.low
        return above and (value < self.high if self.is_high_open else value <= self.high)

    def __str__(self) -> str:
        if math.isfinite(self.high) and not (self.is_low_open or self.is_high_open):
            return f"in {self.low:g}..{self.high:g}"
        low = f"above {self.low:g}" if self.is_low_open else f"{self.low:g} or more"
        if math.isinf(self.high):
            return low
        return f"{low} and " + (f"below {self.high:g}" if self.is_high_open else f"at most {self.high:g}")


def parse_value(name: str, hint: Any, text: str, owner: str) -> Any:
    """Convert the text of a command-line option to a setting's type.

    Args:
        name: of the setting.
        hint: its type.
        text: as it was typed.
        owner: whose setting it is, for the error message.

    Raises:
        ConfigError: the text cannot be converted, or is not one of the values that are allowed.
    """
    if hint is bool:
        require(text.lower() in _WORDS, name, text, "on or off")
        return _WORDS[text.lower()]
    if hint in (int, float):
        try:
            return hint(text)
        except ValueError:
            kind = "a whole number" if hint is int else "a number"
            raise ConfigError(f"{name} must be {kind}, got {text!r}") from None
    check_type(name, hint, text, owner)
    return text


def check_type(name: str, hint: Any, value: Any, owner: str) -> None:
    """Refuse a value that is not of a setting's type.

    Raises:
        ConfigError: says what it must be.
    """
    if get_origin(hint) is Literal:
        allowed = get_args(hint)
        require(value in allowed, name, value, f"one of {', '.join(map(repr, allowed))}")
        return
    # An int is accepted as a float, but a bool is not accepted as a number, nor a number as a bool.
    matches = isinstance(value, (int, float) if hint is float else hint) and (hint is bool) == isinstance(
        value, bool
    )
    require(matches, name, value, f"{getattr(hint, '__name__', hint)} (a setting of {owner})")
    if hint in (int, float):
        require(abs(value) <= LARGEST, name, value, f"a number of at most {LARGEST}")


def require(condition: bool, name: str, value: Any, expected: str) -> None:
    """Refuse a value of a setting where a condition does not hold.

    Raises:
        ConfigError: says what is expected.
    """
    if not condition:
        raise ConfigError(f"{name} must be {expected}, got {value!r}")
