"""The photographs that come with the installation, as photos of a product."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PIL import Image

from twinspect.errors import unknown_name

if TYPE_CHECKING:
    from twinspect.serve.store import Store
    from twinspect.serve.store.product_records import ProductRow, Role
    from twinspect.serve.store.product_store import ProductStore

NAMES: Final = ("brick", "coins", "coffee")
_DEFECTS_SHOWN = 2
"""Of each kind are added; the page offers the others to be inspected."""


def add_demo_photos(store: Store, products: ProductStore, product: ProductRow, demo: str, who: str) -> None:
    """Fill a product with the photographs of one of the demo's.

    Raises:
        ConfigError: there is no such one.
    """
    from twinspect.data.demo import PRODUCTS, write_demo  # noqa: PLC0415 - it needs scikit-image

    if demo not in PRODUCTS:
        raise unknown_name("demo", demo, NAMES)
    with tempfile.TemporaryDirectory() as folder:
        write_demo(Path(folder), only=demo)
        root = Path(folder) / demo
        for path in sorted((root / "train" / "good").iterdir()):
            _add(store, products, product, path, "good", who)
        for kind in sorted(PRODUCTS[demo].defects):
            for path in sorted((root / "test" / kind).iterdir())[:_DEFECTS_SHOWN]:
                _add(store, products, product, path, "defect", who)


def _add(store: Store, products: ProductStore, product: ProductRow, path: Path, role: Role, who: str) -> None:
    with Image.open(path) as image:
        width, height = image.size
    stored: Any = store.archive.put(path.read_bytes(), path.suffix, width, height)
    name = f"{path.parent.name}-{path.name}"
    products.add_photo(product.id, stored, name=name, role=role, who=who, origin="demo")
