"""What a folder holds, told by its name: the one table of names that every layout is read by."""

from __future__ import annotations

import re
from typing import Final, Literal

Role = Literal[
    "train", "calibration", "test", "unlabelled", "good", "defect", "masks", "images", "batch", "unknown"
]
"""What a folder holds.

``train``, ``calibration``, ``test``: images for this split; ``unlabelled``: test images whose labels are not
published; ``good``, ``defect``: images of this kind; ``masks``: masks of images elsewhere; ``images``: images whose
labels other folders tell; ``batch``: images of one date, batch or camera, which says nothing of their labels;
``unknown``: all else.
"""

_NAMES: Final[dict[Role, str]] = {
    "train": "train training",
    "calibration": "val valid validation calibration",
    "test": "test tests testing testpublic",
    "unlabelled": "testprivate testprivatemixed",
    "good": "good goods normal normals ok okay io pass passed healthy intact undamaged flawless defectfree "
    "nodefect nodefects nondefect nondefective nonanomalous anomalyfree",
    "defect": "bad ko defect defects defective abnormal anomaly anomalies anomalous ng nok nio notok notgood nogood "
    "fail fails failed failure faulty fault faults reject rejects rejected damaged scrap",
    "masks": "mask masks label labels gt gts groundtruth groundtruths annotation annotations segmentation "
    "segmentations defectmask defectmasks anomalymask anomalymasks",
}
_ROLES: Final = {name: role for role, names in _NAMES.items() for name in names.split()}
"""Roles by name, in lower case and without spaces, underscores and hyphens."""
_WORDS: Final = {
    "filler": "dir folder set part parts sample samples only",
    "image": "image images img imgs picture pictures photo photos frame frames data",
    "batch": "batch lot charge series line camera cam shift day night week month year session run station tray roll "
    "side view capture captures left right top bottom front back morning evening monday tuesday wednesday thursday "
    "friday saturday sunday mon tue wed thu fri sat sun january february march april may june july august september "
    "october november december jan feb mar apr jun jul aug sep oct nov dec",
}
_FILLERS, _IMAGE_WORDS, _BATCH_WORDS = (frozenset(words.split()) for words in _WORDS.values())
"""Words that do not change a name's meaning, as in ``normal_dir``; words for images; for batches of them."""
_SPLITS: Final = frozenset({"train", "calibration", "test", "unlabelled"})


def role_of(name: str) -> Role:
    """Tell what a folder holds by its name, in any case.

    >>> role_of("normal_dir"), role_of("Ground Truth"), role_of("test_public"), role_of("2024-05-01"), role_of("pill")
    ('good', 'masks', 'test', 'batch', 'unknown')
    """
    # A capital within a word begins another word: GroundTruth.
    words = re.findall(r"[^\W\d_]+|\d+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).casefold())
    numbers = [word for word in words if word.isdecimal()]
    letters = [word for word in words if not word.isdecimal()]
    meaning = [word for word in letters if word not in _FILLERS and word not in _IMAGE_WORDS]
    role = _ROLES.get("".join(letters)) or _ROLES.get("".join(meaning))
    if role is not None and not (numbers and role in _SPLITS):
        return role
    if letters and not numbers and set(letters) <= _IMAGE_WORDS:
        return "images"
    return "batch" if _is_batch(letters, numbers) else "unknown"


def is_good_name(name: str) -> bool:
    """Whether a folder or a label of this name means images without anomalies."""
    return role_of(name) == "good"


def _is_batch(letters: list[str], numbers: list[str]) -> bool:
    if not letters:  # a date or a time; a single short number may be the name of a class
        digits = sum(map(len, numbers))
        return digits >= 6 or (len(numbers) > 1 and digits >= 4)
    named = [word for word in letters if len(word) > 1]
    return bool(named or numbers) and set(named) <= _BATCH_WORDS | _FILLERS | _IMAGE_WORDS
