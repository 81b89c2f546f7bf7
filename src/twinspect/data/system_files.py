"""What operating systems and network drives leave in folders: never looked at, wherever files are listed."""

from __future__ import annotations

from typing import Final

_NAMES: Final = frozenset(
    {
        # Windows
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "$recycle.bin",
        "recycler",
        "system volume information",
        "found.000",
        # macOS; most of its names begin with a dot
        "__macosx",
        "icon\r",
        "network trash folder",
        "temporary items",
        # Linux and Android
        "lost+found",
        "lost.dir",
        # network drives
        "@eadir",
        "@recycle",
        "@recently-snapshot",
        "@sharebin",
        "@tmp",
        "@synoresource",
        "~snapshot",
        # programs that show images
        "thumbs",
        "thumbnails",
        "#recycle",
        "#snapshot",
    }
)
_BEGINNINGS: Final = ("synophoto_", "synofile_", "synoindex_")


def system_reason(name: str) -> str | None:
    """Say why a name is never looked at, whatever it names; ``None`` if it may be an image or a folder of some."""
    if name.startswith("."):
        return "hidden"
    folded = name.casefold()
    made_by_system = folded in _NAMES or folded.startswith(_BEGINNINGS)
    return "made by the operating system" if made_by_system else None
