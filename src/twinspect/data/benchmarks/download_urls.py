"""The files that may be downloaded without a form: their URLs, sizes and checksums.

Plain data. A benchmark is here only if its authors let anybody download it directly and its checksum is published, by
them or by projects that check it. All others have only their page, in the catalogue.

The checksums and sizes of CIFAR and Fashion-MNIST are on their authors' pages; those of MNIST in torchvision and of
VisA, BTAD and KolektorSDD in anomalib; KolektorSDD2's is what several projects computed of the official file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class RemoteFile:
    """One file to fetch.

    Attributes:
        name: its file name.
        urls: where it is, the authors' own first.
        checksum: ``sha256:`` or ``md5:`` and hexadecimal digits.
        size: in bytes; ``None`` where that is not certain.
    """

    name: str
    urls: tuple[str, ...]
    checksum: str
    size: int | None = None

    @property
    def packed(self) -> bool:
        """Whether it is an archive to unpack; a gzipped idx file is read as it is."""
        return self.name.endswith((".zip", ".tar", ".tar.gz"))


def _idx(
    bases: tuple[str, ...], checksums: tuple[str, ...], sizes: tuple[int, ...]
) -> tuple[RemoteFile, ...]:
    """List the four files of MNIST and of what is modelled on it."""
    names = [
        f"{stem}-{kind}-ubyte.gz" for stem in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
    ]
    return tuple(
        RemoteFile(name, tuple(f"{base}{name}" for base in bases), f"md5:{checksum}", size)
        for name, checksum, size in zip(names, checksums, sizes, strict=True)
    )


_MNIST: Final = _idx(
    (
        "http://yann.lecun.com/exdb/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    (
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ),
    (9912422, 28881, 1648877, 4542),
)
_FASHION_MNIST: Final = _idx(
    (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    (
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ),
    (26421880, 29515, 4422102, 5148),
)
_TORONTO: Final = "https://www.cs.toronto.edu/~kriz/"
_VICOS: Final = "https://data.vicos.si/datasets/KSDD/"

SOURCES: Final[dict[str, tuple[RemoteFile, ...]]] = {
    "BTAD": (
        RemoteFile(
            "btad.zip",
            ("https://avires.dimi.uniud.it/papers/btad/btad.zip",),
            "sha256:461c9387e515bfed41ecaae07c50cf6b10def647b36c9e31d239ab2736b10d2a",
        ),
    ),
    "CIFAR10": (
        RemoteFile(
            "cifar-10-binary.tar.gz",
            (
                f"{_TORONTO}cifar-10-binary.tar.gz",
                "https://cave.cs.toronto.edu/kriz/cifar-10-binary.tar.gz",
            ),
            "md5:c32a1d4ab5d03f1284b67883e8d87530",
            170052171,
        ),
    ),
    "CIFAR100": (
        RemoteFile(
            "cifar-100-binary.tar.gz",
            (f"{_TORONTO}cifar-100-binary.tar.gz",),
            "md5:03b5dce01913d631647c71ecec9e9cb8",
            168513733,
        ),
    ),
    "FashionMNIST": _FASHION_MNIST,
    "KolektorSDD": (
        RemoteFile(
            "KolektorSDD.zip",
            (f"{_VICOS}KolektorSDD.zip", "https://go.vicos.si/kolektorsdd"),
            "sha256:65dc621693418585de9c4467d1340ea7958a6181816f0dc2883a1e8b61f9d4dc",
            101831129,
        ),
    ),
    "KolektorSDD2": (
        RemoteFile(
            "KolektorSDD2.zip",
            (f"{_VICOS}KolektorSDD2.zip", "https://go.vicos.si/kolektorsdd2"),
            "sha256:edcdb486809b24f1d17b785e30c52fafc5999554dd5fe18ddf77b61ceb6f36a8",
            853126555,
        ),
    ),
    "MNIST": _MNIST,
    "VisA": (
        RemoteFile(
            "VisA_20220922.tar",
            ("https://amazon-visual-anomaly.s3.us-west-2.amazonaws.com/VisA_20220922.tar",),
            "sha256:2eb8690c803ab37de0324772964100169ec8ba1fa3f7e94291c9ca673f40f362",
            1929840640,
        ),
    ),
}
"""The files of each benchmark that can be fetched directly, by its name in ``ts.data``."""


def total_size(key: str) -> int | None:
    """Add up what is to be fetched for a benchmark, in bytes; ``None`` where that is not certain."""
    sizes = [file.size for file in SOURCES.get(key, ())]
    known = [size for size in sizes if size is not None]
    return sum(known) if known and len(known) == len(sizes) else None
