"""What is said of copies of public sets that have other numbers of images than published, in place of warnings."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from twinspect.errors import PartialCopyWarning

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def partial_copies() -> Iterator[list[str]]:
    """Collect what loaders say of partial copies while the block runs; other warnings pass.

    Yields:
        A list that has each message once when the block has ended.
    """
    messages: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PartialCopyWarning)
        yield messages
    for warning in caught:
        if not issubclass(warning.category, PartialCopyWarning):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        elif (text := str(warning.message)) not in messages:
            messages.append(text)
