"""What a folder holds, told by its name: the one table of names that every layout is read by."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
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
    "defect": "bad ko def defect defects defective abnormal anomaly anomalies anomalous ng nok nio notok notgood "
    "nogood fail fails failed failure faulty fault faults reject rejects rejected damaged scrap",
    "masks": "mask masks maske masken label labels gt gts groundtruth groundtruths anno annos annot annots "
    "annotation annotations seg segs segmentation segmentations defectmask defectmasks anomalymask anomalymasks",
}
_ROLES: Final = {name: role for role, names in _NAMES.items() for name in names.split()}
"""Roles by name, in lower case and without spaces, underscores and hyphens."""
_WORDS: Final = {
    "filler": "dir folder set part parts sample samples only",
    "image": "image images img imgs picture pictures photo photos frame frames data jpeg jpg png",
    "batch": "batch lot charge series line camera cam shift day night week month year session run station tray roll "
    "side view capture captures left right top bottom front back morning evening monday tuesday wednesday thursday "
    "friday saturday sunday mon tue wed thu fri sat sun january february march april may june july august september "
    "october november december jan feb mar apr jun jul aug sep oct nov dec",
    "kind of mask": "binary class classes object objects instance semantic pixel pixels color colour bmp tif tiff "
    "gif file files",
    "negation": "no not non nicht kein keine ohne without",
    "in doubt": "and or vs but with except almost nearly partly slightly minor semi mixed maybe unsure unclear",
    "damage": "anomal bent blister blur break broke burn burr chip contamin corro crack crush cut damag dent defect "
    "deform dirt dust err fail fault flaw foreign hole leak lump miss misplac pinhole poke reject rip rough rust "
    "scrap scratch smear spot squeez stain tear torn twist worn wrinkl wrong",
}
_FILLERS, _IMAGE_WORDS, _BATCH_WORDS, _MASK_KINDS, _NEGATIONS, _DOUBTFUL, _ = (
    frozenset(words.split()) for words in _WORDS.values()
)
"""Words that do not change a name's meaning, as in ``normal_dir``; words for images; for batches of them; for kinds
of masks; words that turn the next round; and those beside which good and bad mean little."""
_DAMAGE: Final = tuple(_WORDS["damage"].split())
"""How words for damage begin."""
_SURE: Final = frozenset(
    ["good", "goods", "ok", "okay", "bad", "defect", "defects", "defective", "ng", "nok"]
)
"""Words that say good or bad whatever stands beside them; the others do only beside words that mean nothing."""
_SPLITS: Final = frozenset({"train", "calibration", "test", "unlabelled"})
_AMBIGUOUS: Final = frozenset({"label", "labels"})
"""Words for masks that may be products, too: ``bad_labels``."""


@lru_cache(maxsize=4096)
def role_of(name: str) -> Role:
    """Tell what a folder holds by its name, in any case.

    >>> role_of("normal_dir"), role_of("Ground Truth"), role_of("test_public"), role_of("2024-05-01"), role_of("pill")
    ('good', 'masks', 'test', 'batch', 'unknown')
    >>> role_of("ok_front"), role_of("not_ok_front"), role_of("bad_masks"), role_of("good_but_scratched")
    ('good', 'defect', 'masks', 'unknown')
    """
    words = _words_of(name)
    numbers = [word for word in words if word.isdecimal()]
    letters = [word for word in words if not word.isdecimal()]
    meaning = [word for word in letters if word not in _FILLERS and word not in _IMAGE_WORDS]
    role = _ROLES.get("".join(letters)) or _ROLES.get("".join(meaning)) or _role_by_words(letters)
    # seg_01 may be a segment.
    if role is not None and not (numbers and (role in _SPLITS or letters == ["seg"])):
        return role
    if letters and not numbers and set(letters) <= _IMAGE_WORDS:
        return "images"
    return "batch" if _is_batch(letters, numbers) else "unknown"


def looks_defective(name: str) -> bool:
    """Whether a folder of this name may well hold defects: it says so, or names a kind of damage."""
    words = _words_of(name)
    return role_of(name) == "defect" or any(word.startswith(_DAMAGE) or word in _DOUBTFUL for word in words)


def masked_folder(name: str) -> str:
    """Return the name of the folder whose images the masks in a folder are of; empty if it does not say.

    >>> masked_folder("bad_masks"), masked_folder("gt-crack"), masked_folder("masks")
    ('bad', 'crack', '')
    """
    pieces = re.split(r"([ _-]+)", name)
    for rest, word in ((pieces[:-2], pieces[-1]), (pieces[2:], pieces[0])):
        if rest and _ROLES.get(word.casefold()) == "masks":
            return "".join(rest)
    return ""


def _words_of(name: str) -> list[str]:
    # A capital within a word begins another word: GroundTruth, JPEGImages.
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})", " ", name)
    return re.findall(r"[^\W\d_]+|\d+", apart.casefold())


def _role_by_words(words: list[str]) -> Role | None:
    """Tell a role by single words of a name; ``None`` if they do not say it, or contradict each other."""
    roles = {word: role for word in words if (role := _ROLES.get(word))}
    if "masks" in roles.values() or {"ground", "truth"} <= set(words):
        return "masks" if _is_of_masks(words) else None
    if _SPLITS & set(roles.values()) or _DOUBTFUL & set(words):
        return None
    for negation, word in pairwise(words):
        if negation in _NEGATIONS and word in roles:
            return "defect" if roles[word] == "good" else "good"
    if _says("defect", words):
        return "defect"
    return "good" if _says("good", words) and not any(word.startswith(_DAMAGE) for word in words) else None


def _says(role: Role, words: list[str]) -> bool:
    said = {word for word in words if _ROLES.get(word) == role}
    others = set(words) - said - _FILLERS - _IMAGE_WORDS - _BATCH_WORDS
    return bool(said & _SURE) or (bool(said) and not others)


def _is_of_masks(words: list[str]) -> bool:
    """Whether no word beside those for masks speaks of something else."""
    masks = {word for word in words if _ROLES.get(word) == "masks"}
    others = set(words) - masks - _FILLERS - _IMAGE_WORDS - _MASK_KINDS - {"ground", "truth"}
    others -= {word for word, role in _ROLES.items() if role in _SPLITS}
    if masks and masks <= _AMBIGUOUS:
        return not others
    return all(word in _ROLES or word in _BATCH_WORDS or word.startswith(_DAMAGE) for word in others)


def is_good_name(name: str) -> bool:
    """Whether a folder or a label of this name means images without anomalies."""
    return role_of(name) == "good"


def _is_batch(letters: list[str], numbers: list[str]) -> bool:
    if not letters:  # a date or a time; a single short number may be the name of a class
        digits = sum(map(len, numbers))
        return digits >= 6 or (len(numbers) > 1 and digits >= 4)
    named = [word for word in letters if len(word) > 1]
    return bool(named or numbers) and set(named) <= _BATCH_WORDS | _FILLERS | _IMAGE_WORDS
