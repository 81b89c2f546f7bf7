"""Models on the Hugging Face hub: fetched into its cache, and pushed from a model folder.

An address is ``hf://owner/name``, or ``hf://owner/name@revision`` for a branch, a tag or a commit.
"""

from __future__ import annotations

import os
import re
import shutil
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

from twinspect.bundle.folder import (
    EXPORTS,
    IMAGES,
    LEARNT,
    RECORD,
    WEIGHTS,
    read_model_record,
    rewrite_record,
)
from twinspect.errors import BundleError, ConfigError
from twinspect.inference.model_card import model_card
from twinspect.teachers.hub import cache_folder, hub_address, why_unavailable
from twinspect.teachers.wording import summarize_error
from twinspect.utils.progress import announce

PREFIX: Final = "hf://"
# Path("hf://owner/name") has one slash less.
_ADDRESS: Final = re.compile(r"hf:/{1,2}(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")
FILES: Final = (
    RECORD,
    WEIGHTS,
    LEARNT,
    f"{IMAGES}/*.png",
    *(f"{EXPORTS}/*/{name}" for name in ("export.json", "*.onnx", "*.weights", "*.xml", "*.bin")),
)
"""Patterns of what belongs to a model. Nothing else of a repository is ever fetched, and nothing pickled."""
CARD: Final = "README.md"


class HubAddress(NamedTuple):
    """Where a model lies on the hub.

    Attributes:
        repository: owner and name.
        revision: a branch, a tag or a commit; ``None`` for the newest.
    """

    repository: str
    revision: str | None = None

    @classmethod
    def parse(cls, text: str | Path) -> HubAddress:
        """Read an address as it is typed.

        Raises:
            ConfigError: it is none.
        """
        found = _ADDRESS.fullmatch(str(text))
        if not found:
            raise ConfigError(
                f"no address of a model on the hub: {str(text)!r}; allowed is hf://OWNER/NAME[@REVISION]"
            )
        return cls(found["repository"], found["revision"])

    def __str__(self) -> str:
        return PREFIX + self.repository + (f"@{self.revision}" if self.revision else "")


def fetch_model(path: str | Path) -> Path:
    """Return the folder of a model in the hub's cache, fetched if there is a newer one.

    Args:
        path: its address.

    Raises:
        ConfigError: that is none.
        BundleError: it is not in the cache and cannot be fetched; or is no model of twinspect.
    """
    address = HubAddress.parse(path)
    announce(f"fetching the model {address}")
    reason = why_unavailable(address.repository, RECORD, hub_address(), address.revision)
    try:
        folder = _snapshot(address, only_cached=bool(reason))
    except (
        Exception
    ) as error:  # the client changes its exceptions, and its HTTP library, from version to version
        raise BundleError(_instructions(address, reason or summarize_error(error))) from error
    if not (folder / RECORD).is_file():
        raise BundleError(f"{address} is no model of twinspect: it has no {RECORD}")
    if reason:
        warnings.warn(f"{address}: the copy in the cache is used ({reason})", stacklevel=2)
    return folder


def _snapshot(address: HubAddress, *, only_cached: bool) -> Path:
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - slow, rarely needed

    return Path(
        snapshot_download(
            address.repository,
            revision=address.revision,
            allow_patterns=list(FILES),
            cache_dir=cache_folder(),
            endpoint=hub_address(),
            local_files_only=only_cached,
        )
    )


def _instructions(address: HubAddress, reason: str) -> str:
    revision = f" --revision {address.revision}" if address.revision else ""
    return (
        f"{address} is not in the cache ({cache_folder()}) and cannot be fetched from {hub_address()} ({reason}); if "
        "it is private, log in: hf auth login; without a network, type elsewhere: "
        f"hf download {address.repository}{revision} --local-dir M.twin, and copy that folder here"
    )


def push_folder(folder: Path, to: str, *, private: bool = True) -> str:
    """Upload a model folder with its exports, and a card that describes it.

    What the record says of places on this machine is left out: of files only their names go along.

    Args:
        folder: the model.
        to: ``hf://OWNER/NAME``, made if it is not there. Files of a model that lies there are replaced.
        private: of a repository that is made: whether only its owner sees it. The good images that a model keeps go
            along.

    Returns:
        The page of the model.

    Raises:
        ConfigError: no such address, or one with a revision.
        BundleError: the folder is no complete model, or the hub refuses it.
    """
    address = HubAddress.parse(to)
    if address.revision:
        raise ConfigError(f"{address}: a model is pushed to the main branch; leave out @{address.revision}")
    record = read_model_record(folder)
    with TemporaryDirectory() as temporary:
        copy = Path(temporary, "model.twin")
        shutil.copytree(folder, copy)
        rewrite_record(copy, without_paths(record))
        (copy / CARD).write_text(model_card(record, str(address)), encoding="utf-8")
        announce(f"uploading {folder} to {address}")
        try:
            _upload(copy, address.repository, private=private)
        except Exception as error:  # as in fetch_model
            raise BundleError(
                f"{address}: the hub at {hub_address()} did not take the model ({summarize_error(error)}); to log in "
                "with a token that may write, type: hf auth login"
            ) from error
    return f"{hub_address()}/{address.repository}"


def _upload(folder: Path, repository: str, *, private: bool) -> None:
    from huggingface_hub import HfApi  # noqa: PLC0415 - slow, rarely needed

    api = HfApi(endpoint=hub_address())
    api.create_repo(repository, private=private, exist_ok=True)
    api.upload_folder(
        repo_id=repository,
        folder_path=folder,
        allow_patterns=[*FILES, CARD],
        delete_patterns=[f"{IMAGES}/*", f"{EXPORTS}/*"],
        commit_message="twinspect push",
    )


def without_paths(record: Any) -> Any:
    """Copy a record, with the name alone of every file that it names by an absolute path."""
    if isinstance(record, dict):
        return {key: without_paths(value) for key, value in record.items()}
    if isinstance(record, list):
        return [without_paths(value) for value in record]
    return os.path.basename(record) if isinstance(record, str) and os.path.isabs(record) else record  # noqa: PTH119, PTH117
