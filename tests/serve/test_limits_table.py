"""The table of limits in the docs has the numbers of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from twinspect.cli.parser import build_parser, verb_parser
from twinspect.images.decode_limits import DecodeLimits
from twinspect.images.file_structure import MAX_DIRECTORIES, MAX_SCANS
from twinspect.images.reading import MAX_PIXELS, MIN_SIDE
from twinspect.serve.api_errors import STATUS
from twinspect.serve.http import connections, context, lingering, rate_limit, request_guard
from twinspect.serve.routes import score
from twinspect.serve.settings import Settings
from twinspect.serve.sinks.sender import GIVE_UP_AFTER, Backoff
from twinspect.serve.sources import watcher
from twinspect.serve.uploads import checks
from twinspect.serve.uploads.checks import Limits

DOC = Path(__file__).parents[2] / "docs" / "guides" / "serve.md"
MIB = 2**20
SETTINGS = Settings(models=("m",), data=Path())
DEFAULTS = {
    "pixels of an image": f"{MAX_PIXELS / 1e6:g} million",
    "memory to decode an image": f"{DecodeLimits.memory / 2**30:g} GiB",
    "processor time to decode an image": f"{DecodeLimits.seconds:g} s",
    "directories of a TIFF": f"{MAX_DIRECTORIES}",
    "scans of a JPEG": f"{MAX_SCANS}, fewer of a very large one",
    "sides of an image": f"from {MIN_SIDE} pixels on",
    "bytes of a file": f"{Limits.image_bytes / MIB:g} MB",
    "bytes of a request": f"{Limits.body_bytes / MIB:g} MB",
    "images of a request": f"{Limits.images}",
    "bytes of JSON": f"{request_guard.MAX_JSON_BYTES / 1024:g} KiB, "
    f"{request_guard.MAX_DRAWING_BYTES / MIB:g} MiB with a drawn region",
    "tries of a delivery": f"{GIVE_UP_AFTER.days} days, every {Backoff().most:g} s or more often",
    "images that wait, for each model": f"{SETTINGS.queue}",
    "bytes of all uploads that arrive": f"{context.INCOMING_BYTES / 2**30:g} GiB",
    "requests of a client": f"{SETTINGS.rate_limit:g} a second; "
    f"{SETTINGS.rate_limit * rate_limit.BURST_SECONDS:g} at once after {rate_limit.BURST_SECONDS} s of rest",
    "until a request's header is complete": f"{connections.HEADER_SECONDS:g} s",
    "until the next piece of a body": f"{request_guard.PIECE_SECONDS:g} s",
    "until an upload is complete": f"{score._BODY_TIMEOUT:g} s",
    "rest of a refused body that is read": f"{lingering.LINGER_SECONDS:g} s or {lingering.LINGER_BYTES / MIB:g} MB",
    "connections": f"{100 * connections._SHARE:g} % of the files that a process may open (`ulimit -n`), "
    f"at most {connections._MOST}",
    "room on the disk": "all there is",
    "bytes of a watched file": f"{watcher._LIMITS.image_bytes / 2**30:g} GiB",
    "until a watched file is an image": f"{watcher.GRACE_PERIOD:g} s without a change",
    "a client's name for a file": f"{checks._MAX_NAME_LENGTH} characters",
}


def rows() -> list[list[str]]:
    table = DOC.read_text(encoding="utf-8").partition("## Limits")[2].partition("##")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_defaults_are_those_of_the_code() -> None:
    assert {name: default for name, default, _, _ in rows()} == DEFAULTS


def test_options_and_codes_exist() -> None:
    known = set(re.findall(r"--[a-z-]+", " ".join(_help(verb) for verb in ("serve", "watch"))))
    for _, _, change, beyond in rows():
        assert set(re.findall(r"--[a-z-]+", change)) <= known
        for status, code in re.findall(r"(\d{3}) `(\w+)`", beyond):
            assert STATUS[code] == int(status)


def _help(verb: str) -> str:
    return verb_parser(build_parser(), verb).format_help()
