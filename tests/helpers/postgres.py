"""A real PostgreSQL server for tests: its own folder, its own port on the loopback, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def binaries() -> Path | None:
    """The newest server that is installed, in Debian's places or on the path."""
    paths = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    initdb = str(paths[-1]) if paths else shutil.which("initdb")
    return Path(initdb).parent if initdb else None


@contextmanager
def server(programs: Path) -> Iterator[str]:
    """Run a server and give the URL of its databases, up to the name."""
    folder = Path(tempfile.mkdtemp(prefix="twinspect-postgres-"))
    owner = _owner(folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"
    _run(owner, programs / "initdb", "-D", data, "-A", "trust", "-U", "tester", "-E", "UTF8", "--no-sync")
    options = f"-p {port} -k {folder} -h 127.0.0.1 -c fsync=off -c shared_buffers=16MB"
    control = (programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log")
    try:
        _run(owner, *control, "-o", options, "start")
        yield f"postgresql+pg8000://tester@127.0.0.1:{port}/"
    finally:
        _run(owner, *control, "-m", "immediate", "stop")
        shutil.rmtree(folder)


def _owner(folder: Path) -> dict[str, Any]:
    """Who runs the server: not root, which it refuses."""
    if os.getuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _run(owner: dict[str, Any], *command: object) -> None:
    arguments = [str(argument) for argument in command]
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, timeout=120, cwd="/", **owner)
