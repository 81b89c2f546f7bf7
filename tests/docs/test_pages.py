"""What is written holds: command lines parse, Python compiles and imports what exists, links lead somewhere."""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import re
import shlex
import sys
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

import twinspect
from pages import ROOT, SHELL, Block, Page, page_at, pages
from twinspect.cli.method_settings import add_settings
from twinspect.cli.parser import FITTING, VERBS, build_parser, verb_parser
from twinspect.cli.typing_mistakes import check_options, check_verb
from twinspect.methods import methods

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGES = [page for page in pages() if page.path.read_text(encoding="utf-8")]
BLOCKS = [block for page in PAGES for block in page.blocks]
BETWEEN_COMMANDS = set("();<>|&\n")
NAMES = {verb.name for verb in VERBS}


def commands(block: Block) -> Iterator[list[str]]:
    """The command lines of `twinspect` in a block of shell, without what redirects them."""
    code = re.sub(r"(^|\s)#[^\n]*", r"\1", block.code.replace("\\\n", " "))
    lexer = shlex.shlex(code, posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace_split, lexer.whitespace, lexer.commenters = True, " \t", ""
    words: list[str] | None = None
    for word in [*lexer, ";"]:
        if set(word) <= BETWEEN_COMMANDS:
            yield from [words] if words is not None else []
            words = None
        elif words is not None:
            words.append(word)
        elif word == "twinspect":
            words = []


def parse(words: list[str]) -> None:
    """Parse as `main` does, without looking for files."""
    if "--config" in words:
        del words[words.index("--config") : words.index("--config") + 2]
    parser = build_parser()
    check_verb(words, list(NAMES))
    own = verb_parser(parser, words[0]) if words[:1] and words[0][0] != "-" else parser
    if words and words[0] in FITTING:
        add_settings(own, words)
    check_options(own, words)
    parser.parse_args(words, argparse.Namespace(typed=words))


def code_of(words: list[str]) -> object:
    try:
        parse(words)
    except SystemExit as leaving:  # --help and the like, or a mistake
        return leaving.code
    return 0


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language in SHELL], ids=str)
def test_command_lines_parse(block: Block, capsys: pytest.CaptureFixture[str]) -> None:
    for words in commands(block):
        if not any("$" in word for word in words):
            assert not code_of(words), f"{' '.join(words)}: {capsys.readouterr().err}"


@cache
def options_of(verb: str) -> frozenset[str]:
    parser = build_parser()
    own = verb_parser(parser, verb)
    names = set(own._option_string_actions)
    for method in methods() if verb in FITTING else ():
        own = verb_parser(build_parser(), verb)
        add_settings(own, [verb, "--method", method])
        names |= set(own._option_string_actions)
    return frozenset(names)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_commands_in_sentences_have_these_options(page: Page) -> None:
    for text in page.commands:
        _, verb, *words = text.split()
        if verb[0].islower():
            assert verb in NAMES, text
            given = {word.partition("=")[0] for word in words if word.startswith("--")}
            assert given <= options_of(verb), text


def names_of_imports(node: ast.AST) -> list[tuple[str, str]]:
    if isinstance(node, ast.Import):
        return [(alias.name, "") for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [(node.module or "", alias.name) for alias in node.names]
    return []


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "python"], ids=str)
def test_python_compiles_and_its_names_exist(block: Block) -> None:
    for node in ast.walk(ast.parse(block.code, str(block.page))):
        for module, name in names_of_imports(node):
            if module != "tomllib" or sys.version_info >= (3, 11):
                assert not name or hasattr(importlib.import_module(module), name), (module, name)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ts":
            assert hasattr(twinspect, node.attr), f"ts.{node.attr}"


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language in ("toml", "json")], ids=str)
def test_files_are_what_they_say(block: Block) -> None:
    (tomllib.loads if block.language == "toml" else json.loads)(block.code)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page: Page) -> None:
    for link in page.links:
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        name, _, anchor = unquote(link).partition("#")
        target = (page.path.parent / name).resolve() if name else page.path
        made = (
            target.relative_to(ROOT).as_posix().startswith(("docs/reference/cli/", "docs/reference/methods/"))
        )
        assert target.exists() or made, link
        assert not anchor or target.suffix != ".md" or anchor in page_at(target).anchors, link


def test_every_block_is_run_or_says_why_not() -> None:
    code = [block for block in BLOCKS if block.is_code]
    left_out = [block for block in code if block.not_run is not None]
    assert not [str(block) for block in left_out if len(str(block.not_run).split()) < 2]
    assert len(code) - len(left_out) >= 20
    for page in PAGES:  # a comment that is not directly before its block leaves nothing out
        comments = [
            token for token in page.tokens if token.type == "html_block" and "not run:" in token.content
        ]
        assert len(comments) == sum(block.not_run is not None for block in page.blocks), page


def test_a_block_without_its_reason_is_run(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(
        "<!-- not run: too long -->\n```sh\ntwinspect a\n```\n\n<!-- not run: no -->\n\n```sh\ntwinspect b | x  # c\n"
        "twinspect c\n```\n```text\nout\n```\n"
    )
    first, second, output = Page(path).blocks
    assert (first.not_run, second.not_run, second.printed) == ("too long", None, "out\n")
    assert (first.line, second.line, output.is_code) == (3, 9, False)
    assert list(commands(second)) == [["b"], ["c"]]
