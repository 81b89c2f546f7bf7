"""How errors look in notebooks."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from twinspect import errors


def test_a_notebook_shows_one_line_without_control_characters() -> None:
    error = errors.DataError("no such folder: a\n\x1b[2Jb; type: x")
    assert error._render_traceback_() == ["\x1b[31mDataError\x1b[0m: no such folder: a \\u001b[2Jb; type: x"]


def test_verbose_brings_the_traceback_back(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = SimpleNamespace(InteractiveTB=SimpleNamespace(mode="Verbose"))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    with pytest.raises(errors.ConfigError) as caught:
        raise errors.unknown_name("method", "mdk", ["mkd"])
    shown = "".join(caught.value._render_traceback_())
    assert "Traceback (most recent call last)" in shown
    assert "raise errors.unknown_name" in shown


def test_a_script_keeps_its_traceback() -> None:
    code = "from twinspect.errors import ConfigError; raise ConfigError('wrong')"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.stderr.startswith("Traceback (most recent call last)")
