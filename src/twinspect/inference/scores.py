"""The results of scoring images, as arrays, tables and pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from twinspect.errors import ConfigError, MissingExtraError, is_installed
from twinspect.inference.score_table import arrow_schema, to_brief_row, to_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from twinspect.calibration.conformal import Calibration
    from twinspect.inference.results import ImageScore, PartScore
    from twinspect.inference.score_table import Row
    from twinspect.regions.finding import FoundRegion

DRAWS: Final = ("jinja2", "matplotlib")
"""What it takes to show pictures, and an installation that only scores may lack."""
LISTED: Final = 5
"""Images that :func:`repr` lists."""


@dataclass(frozen=True, repr=False, eq=False)
class Scores:
    """What a detector says of N images, in the order they were given.

    A notebook shows the worst images with their heat maps, and :func:`repr` says which they are.

    Attributes:
        image: (N,) float32 raw scores, unbounded, higher is more anomalous; NaN where an image could not be read.
        map: the anomaly map of every image at that image's own size: (N, H, W) float32 where all images have one
            size, otherwise a list of N arrays (H_i, W_i). An unreadable image has an all-NaN map (in a list: of
            size 0 x 0). ``None`` if maps were not asked for.
        p_value: (N,) float64 in (0, 1], NaN where an image could not be read.
        is_anomalous: (N,) bool; false where an image cannot be inspected.
        paths: N file names.
        categories: N category names, empty strings where there are none.
        errors: N reasons why an image could not be read, empty strings where it could.
        is_inspectable: (N,) bool; false where an image is far darker, far brighter, of far less contrast or far less
            sharp than any good image, so that it is neither good nor anomalous, and where it could not be read.
        runtime: what scored: ``torch``, or the name of an export.
        regions: of every image what was found in its map, see :class:`.FoundRegion`; ``None`` for an image that could
            not be read. ``None`` in place of all if they were not asked for, and of a model without the peaks of good
            images' maps: one of an earlier version, or a joined one; calibrate it anew to have them.
        parts: a decision on each part that images say they show, see :class:`.PartScore`; nothing where none does.
        results: the same image by image, see :class:`.ImageScore`, without maps. Images that were given as arrays are
            kept with them, but not copied.
        calibration: what decided.
        bits: significant bits of 16-bit image files, as they were read.
    """

    image: NDArray[np.float32]
    map: NDArray[np.float32] | list[NDArray[np.float32]] | None
    p_value: NDArray[np.float64]
    is_anomalous: NDArray[np.bool_]
    paths: tuple[str, ...]
    categories: tuple[str, ...]
    errors: tuple[str, ...]
    is_inspectable: NDArray[np.bool_]
    runtime: str = "torch"
    regions: tuple[tuple[FoundRegion, ...] | None, ...] | None = None
    parts: tuple[PartScore, ...] = ()
    results: tuple[ImageScore, ...] = ()
    calibration: Calibration | None = None
    bits: int | None = None

    def __len__(self) -> int:
        return len(self.paths)

    @classmethod
    def collect(
        cls,
        rows: Sequence[ImageScore],
        *,
        maps: bool = True,
        runtime: str = "torch",
        parts: Sequence[PartScore] = (),
        calibration: Calibration | None = None,
        bits: int | None = None,
    ) -> Scores:
        """Gather single results into arrays."""
        return cls(
            image=np.array([row.score for row in rows], dtype=np.float32),
            map=_stack([row.map for row in rows]) if maps else None,
            p_value=np.array([row.p_value for row in rows], dtype=np.float64),
            is_anomalous=np.array([row.is_anomalous for row in rows], dtype=np.bool_),
            paths=tuple(row.sample.address for row in rows),
            categories=tuple(row.sample.category for row in rows),
            errors=tuple(row.error for row in rows),
            is_inspectable=np.array([row.is_inspectable for row in rows], dtype=np.bool_),
            runtime=runtime,
            regions=tuple(row.regions for row in rows)
            if any(row.regions is not None for row in rows)
            else None,
            parts=tuple(parts),
            results=tuple(replace(row, map=None, inside=None) for row in rows),
            calibration=calibration,
            bits=bits,
        )

    # Tables ---------------------------------------------------------------------------------------------------

    def to_arrow(self) -> Any:
        """Return a ``pyarrow.Table`` with the columns and types of the Parquet file that ``twinspect score`` writes.

        Raises:
            MissingExtraError: pyarrow is not installed.
        """
        if not is_installed("pyarrow"):
            raise MissingExtraError(
                "to_arrow needs pyarrow, which is not installed; type: pip install pyarrow"
            )
        import pyarrow as pa  # noqa: PLC0415 - slow to import

        return pa.Table.from_pylist([to_row(result) for result in self.results], schema=arrow_schema())

    def to_pandas(self) -> Any:
        """Return a ``pandas.DataFrame`` with the same columns.

        ``is_anomalous`` and ``inspectable`` are nullable booleans: missing where an image could not be read.

        Raises:
            MissingExtraError: pandas or pyarrow is not installed.
        """
        if not is_installed("pandas"):
            raise MissingExtraError(
                "to_pandas needs pandas, which is not installed; type: pip install pandas"
            )
        import pandas as pd  # noqa: PLC0415 - as above
        import pyarrow as pa  # noqa: PLC0415

        return self.to_arrow().to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get)

    def _brief_rows(self) -> list[Row]:
        return [to_brief_row(result) for result in self.results]

    # Showing --------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        from twinspect.inference.score_summary import count_verdicts, worst_lines  # noqa: PLC0415

        rows = self._brief_rows()
        if not rows or self.calibration is None:
            return f"Scores: {len(self)} images"
        listed = worst_lines(rows, self.calibration, LISTED, "to_pandas() has every one")
        return "\n  ".join([f"Scores: {count_verdicts(rows)}", *listed])

    def _repr_html_(self) -> str | None:
        """Show the worst images in a notebook; ``None`` leaves it to :func:`repr`."""
        if not self.results or self.calibration is None or not all(map(is_installed, DRAWS)):
            return None
        from twinspect.inference.scores_page import scores_html  # noqa: PLC0415 - drawn only where it is shown

        return scores_html(self.results, self.map, self.calibration, self._brief_rows(), bits=self.bits)

    def plot(self, index: int = 0, *, axes: Any = None) -> Any:
        """Draw an image and its heat map, with its regions outlined and its verdict as the title, by matplotlib.

        An image that could not be read has the reason in place of its picture.

        Args:
            index: which image; negative ones count from the end.
            axes: two ``matplotlib.axes.Axes`` to draw into; ``None`` for a new figure of ``pyplot``.

        Returns:
            Both axes; ``.figure`` of either is the figure.

        Raises:
            ConfigError: there is no such image, or other than two axes were given.
        """
        if isinstance(index, bool) or not isinstance(index, int | np.integer):
            raise ConfigError(f"plot({index!r}): the number of an image is a whole number, such as 0")
        if axes is not None and np.shape(axes) != (2,):
            raise ConfigError(
                f"plot(axes={type(axes).__name__}): two axes are needed, as of plt.subplots(1, 2)[1]"
            )
        if not -len(self) <= index < len(self):
            allowed = (
                f"allowed are 0 to {len(self) - 1}, or -1 to -{len(self)}" if len(self) else "there are none"
            )
            raise ConfigError(f"plot({index}) of {len(self)} images; {allowed}")
        from twinspect.inference.score_plot import plot_result  # noqa: PLC0415 - matplotlib is slow to import

        values = None if self.map is None else self.map[index]
        return plot_result(self.results[index], values, self.calibration, bits=self.bits, axes=axes)


def _stack(maps: list[NDArray[np.float32] | None]) -> NDArray[np.float32] | list[NDArray[np.float32]]:
    """Stack maps of one size into one array; keep maps of different sizes in a list."""
    sizes = {anomaly_map.shape for anomaly_map in maps if anomaly_map is not None}
    size = sizes.pop() if len(sizes) == 1 else (0, 0)
    unreadable = np.full(size, np.nan, dtype=np.float32)
    filled = [unreadable.copy() if anomaly_map is None else anomaly_map for anomaly_map in maps]
    return filled if sizes else np.stack(filled) if filled else np.empty((0, 0, 0), dtype=np.float32)
