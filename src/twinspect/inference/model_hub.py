"""Models on the Hugging Face hub: fetched into its cache, and pushed from a model folder.

An address is ``hf://owner/name``, or ``hf://owner/name@revision`` for a branch, a tag or a commit.
"""

from __future__ import annotations

import re
import shutil
import warnings
from pathlib import Path, PureWindowsPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from twinspect.bundle.folder import (
    EXPORTS,
    IMAGES,
    LEARNT,
    RECORD,
    WEIGHTS,
    read_model_record,
    read_record,
    rewrite_record,
)
from twinspect.errors import BundleError, ConfigError
from twinspect.inference.model_card import model_card
from twinspect.teachers.hub import cache_folder, hub_address, why_unavailable
from twinspect.teachers.wording import summarize_error
from twinspect.utils.progress import announce

if TYPE_CHECKING:
    from huggingface_hub import HfApi

PREFIX: Final = "hf://"
# Path("hf://owner/name") has one slash less.
# The hub takes no name that begins or ends with a dot or hyphen, or has two of them in a row.
_NAME: Final = r"(?!\S*(?:\.\.|--))[A-Za-z0-9_](?:[\w.-]{0,94}\w)?"
_ADDRESS: Final = re.compile(rf"hf:/{{1,2}}(?P<repository>{_NAME}/{_NAME})(@(?P<revision>[\w./-]+))?")
_ABSOLUTE: Final = re.compile(r"/|~[\\/]|\\\\|[A-Za-z]:[\\/]|file:|\.\.?[\\/]")
FILES: Final = (
    RECORD,
    WEIGHTS,
    LEARNT,
    f"{IMAGES}/*.png",
    *(
        f"{EXPORTS}/*/{name}"
        for name in ("export.json", "model.onnx", "model.weights", "model.xml", "model.bin")
    ),
)
"""Patterns of what belongs to a model. Nothing else of a repository is ever fetched, and nothing pickled."""
CARD: Final = "README.md"
TRACE: Final = b"pkg.torch.onnx.stack_trace"
"""Under this key torch notes in which file each node of a graph was traced."""


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
        if (folder / RECORD).is_file() and not reason and not _is_whole(folder):
            # The client takes what is in its cache for whole, whatever became of it there.
            folder = _snapshot(address, anew=True)
    except (
        Exception
    ) as error:  # the client changes its exceptions, and its HTTP library, from version to version
        if not reason:  # the hub answered, and what it has cannot be taken
            raise BundleError(f"{address} cannot be fetched: {summarize_error(error)}") from error
        raise BundleError(_instructions(address, reason)) from error
    if not (folder / RECORD).is_file():
        raise BundleError(f"{address} is no model of twinspect: it has no {RECORD}")
    if reason:
        warnings.warn(f"{address}: the copy in the cache is used ({reason})", stacklevel=2)
    return folder


def _is_whole(folder: Path) -> bool:
    """Tell whether the files of a model have the sizes in its record; contents are checked as it is loaded."""
    try:
        record = read_record(folder)
        entries = [record["weights"], *record.get("images", []), *filter(None, [record.get("learnt_images")])]
        return all((folder / entry["file"]).stat().st_size == entry["bytes"] for entry in entries)
    except (BundleError, OSError, LookupError, TypeError):
        return False


def _snapshot(address: HubAddress, *, only_cached: bool = False, anew: bool = False) -> Path:
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - slow, rarely needed

    return Path(
        snapshot_download(
            address.repository,
            revision=address.revision,
            allow_patterns=list(FILES),
            cache_dir=cache_folder(),
            endpoint=hub_address(),
            local_files_only=only_cached,
            force_download=anew,
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
        _leave_traced_exports_out(copy, folder)
        rewrite_record(copy, without_paths(record))
        (copy / CARD).write_text(model_card(record, str(address)), encoding="utf-8")
        announce(f"uploading {folder} to {address}")
        try:
            _upload(copy, address, private=private)
        except Exception as error:  # as in fetch_model
            raise BundleError(
                f"{address}: the hub at {hub_address()} did not take the model ({summarize_error(error)}); to log in "
                "with a token that may write, type: hf auth login"
            ) from error
    return f"{hub_address()}/{address.repository}"


def _leave_traced_exports_out(copy: Path, folder: Path) -> None:
    """Drop exports of earlier versions, whose graphs say in which files of this machine they were traced."""
    for graph in sorted(copy.glob(f"{EXPORTS}/*/*.onnx")):
        if TRACE in graph.read_bytes():
            warnings.warn(
                f"{folder / EXPORTS / graph.parent.name} is left out: an earlier version wrote it, with paths of "
                "this machine; export it again and push once more",
                stacklevel=3,
            )
            shutil.rmtree(graph.parent)


def _upload(folder: Path, address: HubAddress, *, private: bool) -> None:
    from huggingface_hub import HfApi  # noqa: PLC0415 - slow, rarely needed

    api = HfApi(endpoint=hub_address())
    api.create_repo(address.repository, private=private, exist_ok=True)
    if not _may_renew_card(api, address):
        (folder / CARD).unlink()
        warnings.warn(
            f"{CARD} of {address} stays as its owner wrote it; does it hold for this model?", stacklevel=4
        )
    api.upload_folder(
        repo_id=address.repository,
        folder_path=folder,
        allow_patterns=[*FILES, CARD],
        delete_patterns=[f"{IMAGES}/*", f"{EXPORTS}/*"],
        commit_message="twinspect push",
    )


def _may_renew_card(api: HfApi, address: HubAddress) -> bool:
    """Tell whether there is no card yet, or it is still the one that was written for the model that lies there."""
    if not api.file_exists(address.repository, CARD):
        return True
    if not api.file_exists(address.repository, RECORD):
        return False
    with TemporaryDirectory() as folder:
        for name in (CARD, RECORD):
            api.hf_hub_download(address.repository, name, local_dir=folder)
        card = Path(folder, CARD).read_text(encoding="utf-8")
        return card == model_card(read_model_record(Path(folder)), str(address))


def without_paths(record: Any) -> Any:
    """Copy a record, with the name alone of every file that it names by an absolute path, of any system."""
    if isinstance(record, dict):
        return {key: without_paths(value) for key, value in record.items()}
    if isinstance(record, list):
        return [without_paths(value) for value in record]
    return PureWindowsPath(record).name if isinstance(record, str) and _ABSOLUTE.match(record) else record
