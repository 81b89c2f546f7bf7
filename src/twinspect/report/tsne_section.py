"""Features of patches on a plane (t-SNE), before and after a method amplified them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from twinspect.errors import optional
from twinspect.report import charts

if TYPE_CHECKING:
    from markupsafe import Markup
    from numpy.typing import NDArray

    from twinspect.evaluation.patch_features import Patches

EXTRA: Final = "plots"
PERPLEXITY: Final = 30.0


def patch_charts(patches: Patches) -> dict[str, Markup]:
    """Draw patches by their features, as the teacher gives them and as the method amplifies them if it does.

    Returns:
        Charts by what they show.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    features = {"patches as the teacher sees them": patches.vanilla}
    if patches.amplified is not None:
        features["patches amplified"] = patches.amplified
    return {
        name: charts.scatter(on_a_plane(values), patches.is_anomalous, name)
        for name, values in features.items()
    }


def on_a_plane(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Lay features out by t-SNE, always the same way.

    Args:
        features: (n, C).

    Returns:
        (n, 2) in 0..1.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    manifold: Any = optional("sklearn.manifold", EXTRA)
    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    method = manifold.TSNE(metric="cosine", init="random", perplexity=perplexity, random_state=0)
    points = np.asarray(method.fit_transform(features), dtype=np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    scaled: NDArray[np.float64] = (points - low) / np.maximum(high - low, 1e-9)
    return scaled
