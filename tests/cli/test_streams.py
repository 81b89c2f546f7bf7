"""Standard output and error that are closed, full or read by nobody: what was asked for is done all the same."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="redirects by a POSIX shell")
TWINSPECT = f"{shlex.quote(sys.executable)} -m twinspect"


@pytest.mark.parametrize(
    ("arguments", "redirects", "code"),
    [
        ("methods nope", "2>&-", 2),
        ("methods nope", "2>/dev/full", 2),
        ("methods nope", "2> >(exec true)", 2),  # a pipe whose reader is gone
        ("methods", ">&- 2>&-", 0),
        ("methods", ">&-", 0),
    ],
)
def test_the_exit_code_stays(arguments: str, redirects: str, code: int) -> None:
    if "/dev/full" in redirects and sys.platform != "linux":
        pytest.skip("no /dev/full")
    command = f"{{ sleep 0.1; {TWINSPECT} {arguments}; }} {redirects}"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, "", "")
