"""Every block of code in the documentation runs, a page from top to bottom, and prints what the page says."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

import page_folder
from page_command import shorten_fits
from page_run import lines_not_printed, module_of, run_block, shell_with, write_programs
from pages import Page, pages

if TYPE_CHECKING:
    from pathlib import Path

RUN = [page for page in pages() if any(block.is_code and block.not_run is None for block in page.blocks)]


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images, and of the models that pages ask for."""
    folder = tmp_path_factory.mktemp("images")
    page_folder.write_images(folder)
    for model in {name for page in RUN for name in page.needs}:
        page_folder.give(model, folder)
    return folder


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the programs that pages call."""
    folder = tmp_path_factory.mktemp("programs")
    write_programs(folder)
    return folder


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("bash") is None or shutil.which("curl") is None, reason="no bash, or no curl"
)
@pytest.mark.parametrize("page", RUN, ids=str)
def test_blocks_run(
    page: Page, images: Path, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(page_folder.copy_of(images, tmp_path, page.needs))
    shorten_fits(monkeypatch.setattr)
    with module_of(page) as module, shell_with(programs) as shell:
        for block in page.blocks:
            if block.is_code and block.not_run is None:
                printed = run_block(block, module, shell)
                assert not lines_not_printed(block.printed, printed), f"{block}\n{printed}"


def test_what_is_printed_is_compared_by_words() -> None:
    said = "promise: at most 5.26 % false alarms\nwrote parts.twin in 12 s\n"
    assert lines_not_printed("promise: at most 5 % false alarms\n…\nwrote parts.twin …\n", said) == []
    assert lines_not_printed("promise: at most 5 % alarms\n---\nwrote\n", said) == [
        "promise: at most 5 % alarms",
        "wrote",
    ]
