"""`--normal` and `--anomalous`: data in which whole classes are good or anomalous."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from twinspect.data import all_but_one, one_vs_rest
from twinspect.errors import ConfigError

if TYPE_CHECKING:
    import argparse

    from twinspect.data import DataSet

Source = TypeVar("Source", bound="str | None")


def select_classes(options: argparse.Namespace, source: Source) -> DataSet | Source:
    """Read data by its classes if one of the options was given; otherwise return the source as it is.

    Raises:
        ConfigError: both options were given, one perhaps in a configuration file; or an option without data.
    """
    normal, anomalous = options.normal, options.anomalous
    if normal is None and anomalous is None:
        return source
    if normal is not None and anomalous is not None:
        raise ConfigError("both --normal and --anomalous, perhaps one of them from --config; remove one")
    if source is None:
        raise ConfigError(
            "--normal and --anomalous say how to read data, but none is named; add a folder or .npz"
        )
    return one_vs_rest(source, normal) if normal is not None else all_but_one(source, anomalous)
