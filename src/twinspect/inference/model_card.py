"""The card of a model on the hub: what it is, what it promises, what it would find, and how to use it."""

from __future__ import annotations

from typing import Any

from twinspect.bundle.description import describe_model
from twinspect.bundle.folder import JOINED
from twinspect.calibration.conformal import Calibration
from twinspect.calibration.detectability import Detectability
from twinspect.utils.spelling import spell

_CARD = """\
---
library_name: twinspect
pipeline_tag: image-classification
tags:
- anomaly-detection
- twinspect
---

# {title}

An image anomaly detector, fitted on good images alone by twinspect {version}: method `{method}`, teacher `{teacher}`.

- **Promise**: {promise}; it holds for images from the same source as those of the calibration.
- **Fitted on**: {images} good images.
- **Licence of the teacher's weights**: {licence}. That of this model is for its owner to state.

{found}

```python
import twinspect as ts

det = ts.load("{address}")
scores = det.score("today")
print(scores.image, scores.p_value, scores.is_anomalous)
```

```sh
twinspect score {address} today/ --out today.csv
```
"""


def model_card(record: dict[str, Any], address: str) -> str:
    """Write the card, in Markdown.

    Args:
        record: the model's, checked.
        address: under which it is loaded.
    """
    calibration = Calibration.from_record(record["calibration"])
    tried = record.get("detectability")
    found = Detectability.from_record(tried).lines(calibration) if tried else []
    data = record["data"]
    return _CARD.format(
        title=address.rpartition("/")[2],
        version=record["twinspect"],
        method=record["method"],
        teacher=spell(describe_model(record)["teacher"]["name"]),
        promise=calibration.promise(),
        images=data.get("train", "an unknown number of"),
        licence=_licences(record),
        found="\n".join(["```text", *map(spell, found), "```"])
        if found
        else "Which defects it would find was not measured.",
        address=address,
    )


def _licences(record: dict[str, Any]) -> str:
    members = record["members"] if record["method"] == JOINED else [record]
    return "; ".join(
        dict.fromkeys(spell(member["teacher"].get("licence") or "not known") for member in members)
    )
