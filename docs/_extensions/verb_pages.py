"""Pages of the command line: one a verb, from the parser that runs it."""

from __future__ import annotations

import argparse
import re
from functools import partial

from md import block, code, option, page, sentence, table, text, toctree
from twinspect.cli.parser import EPILOG, FITTING, VERBS, build_parser, verb_parser

_ONLY_WITH = "--fail-on-anomaly"
_WIDTH = 80


def pages() -> dict[str, str]:
    """Write the list of verbs, and a page of each."""
    parser = build_parser()
    verbs = {verb.name: _verb_page(verb.name, verb.summary, verb_parser(parser, verb.name)) for verb in VERBS}
    return {"cli/index": _index(), **{f"cli/{name}": content for name, content in verbs.items()}}


def _index() -> str:
    rows = [(f"[`{verb.name}`]({verb.name}.md)", text(verb.summary)) for verb in VERBS]
    return page(
        "Command line",
        "`twinspect VERB …`, or `python -m twinspect VERB …`. `twinspect VERB --help` says what is said here.",
        table(("verb", "what it does"), rows),
        "## Exit codes\n",
        table(("code", "meaning"), _exit_codes()),
        toctree(*(verb.name for verb in VERBS)),
    )


def _verb_page(name: str, summary: str, parser: argparse.ArgumentParser) -> str:
    parser.formatter_class = partial(argparse.HelpFormatter, width=_WIDTH)
    usage = re.sub(r"\n +", "\n    ", parser.format_usage().removeprefix("usage: "))
    groups = [_group(group) for group in parser._action_groups]  # noqa: SLF001 - argparse has no public list
    codes = _exit_codes(with_anomalies=_ONLY_WITH in parser.format_help())
    settings = "Settings of the method are options, too: see its page in [methods](../methods/index.md)."
    return page(
        f"twinspect {name}",
        sentence(text(summary)),
        block("text", usage),
        settings if name in FITTING else "",
        f"```{{program}} twinspect {name}\n```",
        *groups,
        sentence(text(parser.epilog)) if parser.epilog else "",
        "## Exit codes\n",
        table(("code", "meaning"), codes),
    )


def _group(group: argparse._ArgumentGroup) -> str:
    actions = [each for each in group._group_actions if each.help != argparse.SUPPRESS]  # noqa: SLF001
    title, _, note = (group.title or "").partition(", which ")
    heading = "arguments" if title == "positional arguments" else title
    described = [_argument(each) for each in actions if "--help" not in each.option_strings]
    if not described:
        return ""
    return "\n".join(
        [
            f"## {sentence(text(heading)).rstrip('.')}\n",
            sentence(f"Which {text(note)}") * bool(note),
            "",
            *described,
        ]
    )


def _argument(action: argparse.Action) -> str:
    described, default = _without_default(action)
    choices = ", ".join(code(choice) for choice in action.choices or ())
    facts = [
        "Required." if action.required and action.option_strings else "",
        f"One of {choices}." if choices else "",
        f"Default: {code(default)}." if default else "",
    ]
    said = sentence(text(described)) if described else ""
    return option(_signature(action), " ".join(filter(None, (said, *facts))))


def _signature(action: argparse.Action) -> str:
    shown = argparse.HelpFormatter("", width=_WIDTH)._format_args(  # noqa: SLF001 - as --help writes it
        action, action.dest.upper() if action.option_strings else action.dest
    )
    return ", ".join(f"{each} {shown}".strip() for each in action.option_strings) or shown


def _without_default(action: argparse.Action) -> tuple[str, str]:
    """Take the default from the end of the help text, between brackets, or else from the option itself."""
    help_text = (action.help or "").replace("%%", "%")
    is_plain = action.default not in (None, False, True, argparse.SUPPRESS, [], ())
    default = str(action.default) if is_plain else ""
    said = re.search(r" \(([^()]*)\)$", help_text)
    if said and (
        said[1] == default or (not default and action.nargs != 0 and re.fullmatch(r"[\w.]+", said[1]))
    ):
        return help_text[: said.start()], said[1]
    return help_text, "" if "default" in help_text else default


def _exit_codes(*, with_anomalies: bool = True) -> list[tuple[str, str]]:
    listed = " ".join(EPILOG.removeprefix("exit codes:").split()).rstrip(".")
    codes = [row.strip().partition(" ") for row in listed.split(";")]
    return [
        (code(number), text(meaning))
        for number, _, meaning in codes
        if with_anomalies or _ONLY_WITH not in meaning
    ]
