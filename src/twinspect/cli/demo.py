"""`twinspect demo`: the newcomer's first minute, without a network."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from twinspect.bundle.folder import is_model
from twinspect.cli.console import table, warn
from twinspect.cli.evaluate import outcome, write_scores
from twinspect.cli.outcome import Outcome
from twinspect.data import open_data
from twinspect.data.demo import PRODUCTS, write_demo
from twinspect.detector import Detector
from twinspect.errors import ConfigError
from twinspect.loading import use_threads
from twinspect.report import write_evaluation
from twinspect.report.demo_page import demo_product, render_demo
from twinspect.utils.desktop import open_page
from twinspect.utils.files import refuse_no_folder, write_atomically
from twinspect.utils.progress_bar import Bar

if TYPE_CHECKING:
    import argparse

    from twinspect.report.demo_page import DemoProduct

MARKER: Final = ".twinspect-demo"
"""The file that says that a demo has written the images."""
PAGE: Final = "gallery.html"
STEPS: Final = 120
"""Length of a fit, a third of the usual one: three models are fitted in a minute."""
FIRST: Final = next(iter(PRODUCTS))
"""The product that `demo.twin` and `report` are of."""


class _Paths(NamedTuple):
    """Where a product's model and report go, below the folder of the demo."""

    model: str
    report: str

    @classmethod
    def of(cls, product: str) -> _Paths:
        return cls("demo.twin", "report") if product == FIRST else cls(f"{product}.twin", f"{product}-report")


def run(options: argparse.Namespace) -> Outcome:
    """Write images, fit and evaluate a detector of each product, and open the page that shows all."""
    use_threads(options.threads)
    out = Path(options.out)
    refuse_no_folder(out, "--out")
    _refuse_foreign(out)
    started = time.monotonic()
    warn(
        f"three products, about a minute on two idle cores: writing photographs of {', '.join(PRODUCTS)}, some with "
        f"defects, to {out / 'data'}"
    )
    _clear(out / "data")
    write_demo(out / "data", options.seed)
    (out / "data" / MARKER).touch()
    done = {product: _inspect(product, out, options) for product in PRODUCTS}
    seconds = time.monotonic() - started
    page = render_demo([shown for shown, _ in done.values()], seconds)
    write_atomically(out / PAGE, page.encode())
    if not options.no_open:
        open_page(out / PAGE)
    return _outcome(done, out, seconds)


def _inspect(product: str, out: Path, options: argparse.Namespace) -> tuple[DemoProduct, Outcome]:
    """Fit a product's detector and evaluate it: three would share one threshold, set by the roughest of them."""
    paths, data = _Paths.of(product), open_data(out / "data" / product)
    model, report = out / paths.model, out / paths.report
    place = f"{list(PRODUCTS).index(product) + 1} of {len(PRODUCTS)}"
    warn(f"{product} ({place}): fitting on {len(data.split('train'))} good photographs")
    detector = Detector(teacher=options.teacher, weights=options.weights, seed=options.seed, steps=STEPS)
    with Bar() as bar:
        detector.fit(data, progress=bar)
        detector.save(model)
        bar.start("evaluate", total=len(data.split("test")))
        evaluation = write_evaluation(detector, data, report, model=str(model), tick=bar.advance)
    write_scores(evaluation, report)
    what, link = PRODUCTS[product].what, f"{paths.report}/report.html"
    shown = demo_product(detector, data, evaluation, what=what, model=str(model), report=link)
    return shown, outcome(evaluation, report)


def _outcome(done: dict[str, tuple[DemoProduct, Outcome]], out: Path, seconds: float) -> Outcome:
    """Tabulate the metrics, a column a product; the record is the first one's, with those of all beside it."""
    shown = [product for product, _ in done.values()]
    keys = [key for key, value in shown[0].metrics.items() if value is not None]
    lines = [
        table(("metric", *done), [(key, *[product.metrics[key] for product in shown]) for key in keys]),
        *[f"{product.name}: {product.in_words()}; {out / product.report}" for product in shown],
        shown[0].calibration.promise(),
        str(out / PAGE),
        f"took {seconds:.0f} s; now try: twinspect fit YOUR_GOOD_IMAGES --out parts.twin",
    ]
    products = {name: {"model": product.model, **each.record} for name, (product, each) in done.items()}
    record = {"products": products, "page": str(out / PAGE), "seconds": round(seconds, 1)}
    return Outcome(
        "\n".join(lines), done[FIRST][1].record | record, max(each.code for _, each in done.values())
    )


def _refuse_foreign(out: Path) -> None:
    """Refuse a folder of images or models that no demo has written; its own are replaced when it runs again."""
    data = out / "data"
    if data.is_dir() and any(data.iterdir()) and not (data / MARKER).exists():
        raise ConfigError(f"{data} holds images that no demo has written; choose another folder: --out DIR")
    if is_model(out):
        raise ConfigError(f"{out} is a model; choose another folder: --out DIR")
    for model in (out / _Paths.of(product).model for product in PRODUCTS):
        if model.exists() and not data.is_dir():
            raise ConfigError(
                f"{model} is a model without the demo's images; choose another folder: --out DIR"
            )


def _clear(data: Path) -> None:
    """Remove images of an earlier demo, which another version may have written under other names."""
    for path in data.glob("*/*/*/*.png"):
        if path.stem.removesuffix("_mask").isdigit():
            path.unlink()
    for folder in sorted((path for path in data.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
