"""The methods: one file each, and this table of names.

Listing the methods imports no torch; a method's file is imported when the method is used.
"""

from __future__ import annotations

import importlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from twinspect.errors import unknown_name
from twinspect.methods.default import AUTO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinspect.methods.base import Method

ENTRY_POINTS = "twinspect.methods"
"""The entry-point group through which other packages add methods; each entry is a :class:`Method` class."""


@dataclass(frozen=True)
class MethodInfo:
    """What a method is, without loading it.

    Attributes:
        name: its name on the command line and in ``Detector``.
        summary: one line.
        source: the paper, or the package that provides it.
        target: ``module:class``.
    """

    name: str
    summary: str
    source: str
    target: str


BUILT_IN: Final = (
    MethodInfo(
        "mkd",
        "a small cloner imitates a teacher at several depths; locates by activations or by gradients",
        "Salehi et al., CVPR 2021, arXiv 2011.11108",
        "twinspect.methods.mkd:MKD",
    ),
    MethodInfo(
        "hybrid",
        "a memory of good patches and a student that rebuilds patches, joined on one scale; fits within a minute",
        "ours, after Roth et al. 2022 and Shi et al. 2021",
        "twinspect.methods.hybrid:Hybrid",
    ),
    MethodInfo(
        "rd",
        "a decoder rebuilds the teacher's features backwards through a bottleneck",
        "Deng & Li, CVPR 2022, arXiv 2201.10703",
        "twinspect.methods.rd:RD",
    ),
    MethodInfo(
        "stfpm",
        "a student of the teacher's architecture imitates its features of the same image at several levels",
        "Wang et al., BMVC 2021, arXiv 2103.04257",
        "twinspect.methods.stfpm:STFPM",
    ),
    MethodInfo(
        "rdpp",
        "rd on projected features, which learn from patches of noise to leave out anomalies",
        "Tien et al., CVPR 2023",
        "twinspect.methods.rdpp:RDPP",
    ),
    MethodInfo(
        "aand",
        "amplifies drawn anomalies in the teacher, then rebuilds the amplified features as rd does",
        "Tang et al., IEEE TIP 2026, arXiv 2405.02068",
        "twinspect.methods.aand:AAND",
    ),
    MethodInfo(
        "destseg",
        "a student sees through drawn anomalies, and a head learns from them where it differs from the teacher",
        "Zhang et al., CVPR 2023, arXiv 2211.11317",
        "twinspect.methods.destseg:DeSTSeg",
    ),
    MethodInfo(
        "efficientad",
        "a student imitates a teacher patch by patch, and an autoencoder that knows how whole images are arranged",
        "Batzner et al., WACV 2024, arXiv 2303.14535",
        "twinspect.methods.efficientad:EfficientAD",
    ),
    MethodInfo(
        "dual",
        "one student rebuilds patches, one replicates the image as a whole; joined by Noisy-OR",
        "Park, Seo & Kim 2025, arXiv 2509.24448",
        "twinspect.methods.dual:Dual",
    ),
    MethodInfo(
        "patchcore",
        "keeps a coreset of the teacher's features of good patches; scores by the distance to the nearest",
        "Roth et al., CVPR 2022, arXiv 2106.08265",
        "twinspect.methods.patchcore:PatchCore",
    ),
    MethodInfo(
        "dinomaly",
        "a decoder of linear attention rebuilds a vision transformer's tokens through a noisy bottleneck",
        "Guo et al., CVPR 2025, arXiv 2405.14325",
        "twinspect.methods.dinomaly:Dinomaly",
    ),
    MethodInfo(
        "padim",
        "a Gaussian of the teacher's features at every place; scores by Mahalanobis distance; needs a fixed camera",
        "Defard et al., ICPR 2020, arXiv 2011.08785",
        "twinspect.methods.padim:PaDiM",
    ),
)

_BUILT_IN_BY_NAME: Final = {info.name: info for info in BUILT_IN}
_PROVIDED: Final[dict[str, type[Method[Any]]]] = {}
"""Classes that are known by a name for a while, see :func:`provided`."""


def methods() -> dict[str, MethodInfo]:
    """List the available methods, built in or provided by other packages, by name.

    >>> print(methods()["mkd"].source)
    Salehi et al., CVPR 2021, arXiv 2011.11108
    """
    from importlib.metadata import entry_points  # noqa: PLC0415 - slow to import, and not always wanted

    infos = dict(_BUILT_IN_BY_NAME)
    for entry in entry_points(group=ENTRY_POINTS):
        provider = entry.dist.name if entry.dist else "another package"
        infos.setdefault(entry.name, MethodInfo(entry.name, "", provider, entry.value))
    return dict(sorted(infos.items()))


def method_info(name: str) -> MethodInfo:
    """Look up a method by name.

    Raises:
        ConfigError: no such method; the message suggests the nearest name.
    """
    # Reading what every installed package offers takes longer than a small image's score.
    if name in _BUILT_IN_BY_NAME:
        return _BUILT_IN_BY_NAME[name]
    if name in _PROVIDED:
        found = _PROVIDED[name]
        return MethodInfo(name, "", f"module {found.__module__}", f"{found.__module__}:{found.__qualname__}")
    infos = methods()
    if name not in infos:
        raise unknown_name("method", name, [AUTO, *infos])
    return infos[name]


def method_class(name: str) -> type[Method[Any]]:
    """Load a method by name.

    Raises:
        ConfigError: no such method; the message suggests the nearest name.
    """
    if name in _PROVIDED:
        return _PROVIDED[name]
    module, _, attribute = method_info(name).target.partition(":")
    loaded: type[Method[Any]] = getattr(importlib.import_module(module), attribute)
    return loaded


@contextmanager
def provided(name: str, method: type[Method[Any]]) -> Iterator[None]:
    """Make a class known as a method by a name, while in the block; methods of this package keep theirs.

    Args:
        name: in ``Detector``.
        method: the class.
    """
    _PROVIDED[name] = method
    try:
        yield
    finally:
        del _PROVIDED[name]
