"""A chart of the page as a file of its own: in the page's light colours, on white, at its own size."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from twinspect.report.svg import SHEET, VARIABLES

if TYPE_CHECKING:
    from markupsafe import Markup

_NAMESPACE: Final = 'xmlns="http://www.w3.org/2000/svg"'
_FONT: Final = "font: 13px system-ui, 'DejaVu Sans', sans-serif"


def to_svg_file(chart: Markup) -> str:
    """Turn a chart of a page into a file that every viewer of SVG shows.

    Args:
        chart: what :func:`twinspect.report.svg.inline_svg` gave.
    """
    text = str(chart)
    for colour, variable in VARIABLES.items():
        text = text.replace(variable, colour)
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)
    width, height = size.groups() if size else ("640", "480")
    head = f'<svg {_NAMESPACE} width="{width}" height="{height}" style="{_FONT}; background: {SHEET}"'
    return text.replace("<svg", head, 1) + "\n"
