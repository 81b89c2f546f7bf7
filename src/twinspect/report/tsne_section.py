"""Features of patches on a plane (t-SNE), before and after a method amplified them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from twinspect.errors import optional
from twinspect.report import charts
from twinspect.report.markup import Html, element, section

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twinspect.evaluation.patch_features import Patches

EXTRA: Final = "plots"
PERPLEXITY: Final = 30.0
WORDS: Final = (
    "Each point is a patch of a test image; near points are alike (t-SNE of cosine distances, {count} patches of "
    "level {level}). The further the anomalous patches lie from the normal ones, the more the teacher tells. For the "
    "eye only: distances between groups mean little."
)


def embedding(patches: Patches) -> Html:
    """Draw the patches by what the teacher says, and by what the method makes of it if it changes it.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    named = {"as the teacher sees them": patches.vanilla}
    if patches.amplified is not None:
        named["amplified"] = patches.amplified
    figures = [
        element(
            "figure",
            charts.scatter(_on_a_plane(features), patches.is_anomalous, f"patches {name}"),
            element("figcaption", f"Patches {name}."),
        )
        for name, features in named.items()
    ]
    words = WORDS.format(count=len(patches.is_anomalous), level=patches.level)
    return section("Features", element("div", *figures, class_="pair"), element("p", words, class_="note"))


def _on_a_plane(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Lay features out by t-SNE, always the same way: (n, 2) in 0..1."""
    manifold: Any = optional("sklearn.manifold", EXTRA)
    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    method = manifold.TSNE(metric="cosine", init="random", perplexity=perplexity, random_state=0)
    places = np.asarray(method.fit_transform(features), dtype=np.float64)
    low, high = places.min(axis=0), places.max(axis=0)
    scaled: NDArray[np.float64] = (places - low) / np.maximum(high - low, 1e-9)
    return scaled
