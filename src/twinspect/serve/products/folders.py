"""Where the files of products lie, below the folder of the server's data."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from twinspect.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

PRODUCTS: Final = "products"
_NAME: Final = re.compile(r"[^\W_][\w .-]{0,63}")
_MOST_BYTES: Final = 255
"""Of the name of a folder on most file systems; rare letters take four each."""
_RESERVED: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices."""


def check_name(name: str) -> str:
    """Return the name of a product, which is also that of a folder on any system; letters in their composed form.

    Raises:
        ConfigError: it is not one.
    """
    name = unicodedata.normalize("NFC", name)
    too_long = len(name.encode()) > _MOST_BYTES
    if too_long or not _NAME.fullmatch(name) or name[-1] in " ." or _RESERVED.fullmatch(name):
        raise ConfigError(
            f"{name[:80]!r} cannot name a product; allowed are up to 64 letters, digits, and . _ - or "
            "spaces within"
        )
    return name


@dataclass(frozen=True)
class ProductFolders:
    """The folders of one product.

    Attributes:
        folder: holds the others.
    """

    folder: Path

    @classmethod
    def of(cls, data: Path, product: str) -> ProductFolders:
        """Name the folders of a product below the server's data folder."""
        return cls(data / PRODUCTS / product)

    def model(self, number: int) -> Path:
        """Name the model folder of a version."""
        return self.folder / "versions" / f"{number}.twin"

    def report(self, number: int) -> Path:
        """Name the folder of the report on a version."""
        return self.folder / "versions" / f"{number}-report"

    def job(self, job_id: int) -> Path:
        """Name the folder of a job, which is removed once that has ended well."""
        return self.folder / "jobs" / str(job_id)
