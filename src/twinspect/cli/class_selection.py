"""`--normal`, `--anomalous` and `--all-good`: what a user says of data whose folders do not say it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from twinspect.data import all_but_one, all_good, one_vs_rest
from twinspect.errors import ConfigError

if TYPE_CHECKING:
    import argparse

    from twinspect.data import DataSet, Split

Source = TypeVar("Source", bound="str | None")


def as_typed(options: argparse.Namespace) -> list[str]:
    """Return the words of the command line that name the data and say what of it is good."""
    words = [options.data]
    for name in ("normal", "anomalous"):
        if classes := getattr(options, name):
            words += [f"--{name}", classes if isinstance(classes, str) else ",".join(classes)]
    return [*words, "--all-good"] if options.all_good else words


def select_classes(options: argparse.Namespace, source: Source, split: Split = "train") -> DataSet | Source:
    """Read data by its classes if one of the options was given; otherwise return the source as it is.

    Args:
        options: those of the command line.
        source: the data.
        split: of the images that ``--all-good`` takes for good.

    Raises:
        ConfigError: two of the options were given, one perhaps in a configuration file; or an option without data.
    """
    chosen = {
        f"--{name.replace('_', '-')}": getattr(options, name)
        for name in ("normal", "anomalous", "all_good")
        if getattr(options, name) not in (None, False)
    }
    if not chosen:
        return source
    names = " and ".join(chosen)
    if len(chosen) > 1:
        raise ConfigError(f"both {names}, perhaps one of them from --config; remove one")
    if source is None:
        raise ConfigError(f"{names} says how to read data, but none is named; add a folder or .npz")
    if options.all_good:
        return all_good(source, split=split)
    normal, anomalous = options.normal, options.anomalous
    return one_vs_rest(source, normal) if normal is not None else all_but_one(source, anomalous)
