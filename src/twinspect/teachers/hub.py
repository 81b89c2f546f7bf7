"""Weights files of the Hugging Face hub: from its cache on this machine, or fetched once."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from twinspect.errors import TeacherError
from twinspect.teachers.wording import summarize_error

WEIGHTS_FILE = "model.safetensors"
"""Name of the weights file in a repository of the hub. Nothing pickled is ever fetched."""

TIMEOUT = 5.0
"""Seconds to wait for an answer from the hub."""

DEADLINE = 8.0
"""Seconds after which the hub counts as unreachable, including the DNS lookup."""


def cache_folder() -> Path:
    """Say where the hub's client keeps what it has fetched; follows the same variables as that client."""
    cache = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if not cache:
        general = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        home = os.environ.get("HF_HOME") or str(Path(general, "huggingface"))
        cache = str(Path(home, "hub"))
    return Path(os.path.expandvars(cache)).expanduser()


def repository_folder(repository: str) -> Path:
    """Say in which folder of the cache a repository lies, such as ``timm/resnet18.tv_in1k``."""
    return cache_folder() / f"models--{repository.replace('/', '--')}"


def cached(repository: str, filename: str = WEIGHTS_FILE) -> Path | None:
    """Find a file in the cache, without asking the network.

    Returns:
        Its path, or None where it is not there.
    """
    folder = repository_folder(repository)
    try:
        commit = (folder / "refs" / "main").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    path = folder / "snapshots" / commit / filename
    return path if path.is_file() else None


def fetch(repository: str, filename: str = WEIGHTS_FILE) -> Path:
    """Return a file of the hub, from the cache if possible.

    Args:
        repository: such as ``timm/resnet18.tv_in1k``.
        filename: the file in it.

    Returns:
        Its path in the cache.

    Raises:
        TeacherError: it is not in the cache, and the hub cannot be reached or has no such file; the message
            names repository and file and says how to bring them here.
    """
    path = cached(repository, filename)
    if path:
        return path
    endpoint = hub_address()
    reason = why_unavailable(repository, filename, endpoint)
    if not reason:
        try:
            return _download(repository, filename, endpoint)
        except Exception as error:  # noqa: BLE001 - the client changes its HTTP library from version to version
            reason = summarize_error(error)
    raise TeacherError(_download_instructions(repository, filename, endpoint, reason))


def hub_address() -> str:
    """Say where the hub is; follows the same variable as its client."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def why_unavailable(repository: str, filename: str, endpoint: str, revision: str | None = None) -> str:
    """Check once whether the hub can provide a file; return the reason if not, else an empty string.

    Without a network, the client's own download retries for half a minute, and a DNS failure ignores timeouts:
    hence a single request, in a thread that can be abandoned.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        return "HF_HUB_OFFLINE is set"
    from huggingface_hub import get_hf_file_metadata, hf_hub_url  # noqa: PLC0415 - slow, rarely needed

    url = hf_hub_url(repository, filename, endpoint=endpoint, revision=revision)
    reason = [f"no answer within {DEADLINE:g} s"]

    def request() -> None:
        try:
            get_hf_file_metadata(url, timeout=TIMEOUT)
        except Exception as error:  # noqa: BLE001 - see fetch
            reason[0] = summarize_error(error)
        else:
            reason[0] = ""

    thread = threading.Thread(target=request, daemon=True)
    thread.start()
    thread.join(DEADLINE)
    return reason[0]


def _download(repository: str, filename: str, endpoint: str) -> Path:
    from huggingface_hub import hf_hub_download  # noqa: PLC0415 - slow, rarely needed

    return Path(hf_hub_download(repository, filename, cache_dir=cache_folder(), endpoint=endpoint))


def _download_instructions(repository: str, filename: str, endpoint: str, reason: str) -> str:
    return (
        f"the weights are the file {filename!r} of {repository!r}, which is not in the cache "
        f"({cache_folder()}) and cannot be fetched from {endpoint} ({reason}); on a machine with network "
        f"type `hf download {repository} {filename}` and copy the folder it fills to "
        f"{repository_folder(repository)} here, or copy the file alone and name it: --weights {filename} "
        f"(in Python: weights={filename!r})"
    )
