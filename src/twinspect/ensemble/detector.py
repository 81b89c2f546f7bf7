"""Joining detectors: any of them may find an image anomalous."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from twinspect.bundle.description import describe_join, join_names
from twinspect.bundle.folder import JOINED
from twinspect.detector import Detector
from twinspect.ensemble.calibration import GIVE_GOOD, leave_one_out
from twinspect.ensemble.model import JoinedModel
from twinspect.errors import CalibrationError, ConfigError, NotFittedError
from twinspect.inference.base_detector import BaseDetector
from twinspect.inference.torch_detector import TorchDetector
from twinspect.model.whole_image import Model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.data import DataSource

FITTED_ATTRIBUTES: Final = ("model_", "calibration_", "losses_", "curves_", "data_", "images_")

T = TypeVar("T")


class JoinedDetector(TorchDetector):
    """Detectors that judge together; :func:`noisy_or` makes one.

    The raw score is -log(1 - p) of p = 1 - prod(1 - p_i), where p_i says how far a member's score lies above those of
    good images. It is unbounded, higher is more anomalous. The map joins the members' maps so, pixel by pixel.

    Args:
        members: fitted detectors, which now belong to it.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        bits: significant bits of 16-bit image files; ``None`` for 16.
        workers: threads that read images; ``None`` for the number of processors, at most 8.

    Attributes:
        members_: the detectors as they were when they were joined.
        model_: all their networks in one :class:`torch.nn.Module`.
        calibration_: held-out joined scores, threshold and promised rate.
        data_: the fingerprints of what the members were fitted on, and the categories in it.
    """

    method = JOINED
    model_: JoinedModel

    def __init__(
        self,
        members: Sequence[Detector],
        *,
        device: str = "auto",
        bits: int | None = None,
        workers: int | None = None,
    ) -> None:
        self.device = device
        self.bits = bits
        self.workers = workers
        self.members_ = tuple(members)
        self.model_ = JoinedModel([_whole_image_model(member) for member in members]).eval()
        self.model_.measure([member.calibration_ for member in members])
        self.losses_, self.curves_ = {}, {}
        self.images_ = tuple(dict.fromkeys(image for member in members for image in member.images_))
        self.data_ = {
            "fingerprint": join_names(member.data_["fingerprint"] for member in members),
            "categories": sorted({name for member in members for name in member.data_["categories"]}),
        }

    def __repr__(self) -> str:
        return f"{JOINED}([{', '.join(map(repr, self.members_))}])"

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 - scikit-learn's signature
        """Return what may be changed: how images are read and where they are scored."""
        return {"device": self.device, "bits": self.bits, "workers": self.workers}

    def about(self) -> dict[str, Any]:
        """Say which members it has, exactly enough to make it again."""
        return describe_join(
            {"method": member.method, **member.about(), "data": member.data_} for member in self.members_
        )

    def _settings_record(self) -> dict[str, Any]:
        return {
            "parameters": self.get_params(),
            "members": [member.to_record() for member in self.members_],
        }

    @classmethod
    def from_record(cls, record: dict[str, Any], *, device: str = "auto") -> JoinedDetector:
        """Build what :meth:`to_record` described, without any weights.

        Args:
            record: plain JSON values.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        """
        members = [Detector.from_record(member, device=device) for member in record["members"]]
        detector = cls(members, **{**record["parameters"], "device": device})
        detector._restore_learnt(record)
        return detector


def noisy_or(
    detectors: Iterable[BaseDetector],
    *,
    good: DataSource | None = None,
    false_alarm_rate: float | None = None,
) -> JoinedDetector:
    """Join fitted detectors of any methods, teachers and sizes into one, by Noisy-OR; nothing is trained.

    Without ``good``, the threshold comes from the scores that the members kept of images held out by all of them,
    matched by name and category; each image is measured by the others. That is an estimate. With ``good`` the promise
    is the exact bound, if no member has learnt from these images or was calibrated on them.

    Args:
        detectors: two or more; none is changed, and none changes the join later.
        good: good images to calibrate the join on, as for :meth:`Detector.calibrate`.
        false_alarm_rate: the rate to promise; ``None`` for the smallest that the images allow.

    Returns:
        A detector that scores, is calibrated, saved and loaded as any other.

    Raises:
        ConfigError: what cannot be joined: fewer than two, a join, one detector twice, other things.
        NotFittedError: one of them has not been fitted.
        CalibrationError: too few images for that rate.
    """
    given = _check_detectors(detectors)
    joined = JoinedDetector(
        [_snapshot(member) for member in given],
        device=_common_value([member.device for member in given], "auto"),
        bits=given[0].bits,
        workers=_common_value([member.workers for member in given], None),
    )
    if good is not None:
        return joined.calibrate(good, false_alarm_rate=false_alarm_rate)
    _check_one_data_set(given)
    joined.calibration_ = leave_one_out([member.calibration_ for member in given], false_alarm_rate)
    return joined


def _snapshot(detector: Detector) -> Detector:
    """Copy a detector so that changes to it are not changes to the copy; its networks are shared."""
    copy = detector.clone()
    for name in FITTED_ATTRIBUTES:
        setattr(copy, name, getattr(detector, name))
    return copy


def _check_detectors(detectors: Any) -> list[Detector]:
    """Refuse what cannot be joined."""
    if isinstance(detectors, BaseDetector | str) or not isinstance(detectors, Iterable):
        raise ConfigError(
            f"noisy_or takes a list of detectors, got one {type(detectors).__name__}; type: noisy_or([a, b])"
        )
    given = [_check_detector(each, place) for place, each in enumerate(detectors, start=1)]
    if len(given) < 2:
        raise ConfigError(f"noisy_or joins two detectors or more, got {len(given)}; type: noisy_or([a, b])")
    for place, each in enumerate(given):
        for earlier, other in enumerate(given[:place]):
            if _are_same(other, each):
                raise ConfigError(
                    f"detectors {earlier + 1} and {place + 1} are the same, {each!r}; its evidence would count "
                    "twice: give each once"
                )
    _check_bits(given)
    return given


def _check_detector(each: Any, place: int) -> Detector:
    """Refuse a single thing that cannot be joined."""
    if isinstance(each, JoinedDetector):
        raise ConfigError(
            f"detector {place} is a join itself, and joins are not joined again; join what it was made of, all at "
            "once: noisy_or([*join.members_, other])"
        )
    if not isinstance(each, Detector):
        raise ConfigError(
            f"detector {place} is a {type(each).__name__}; allowed are fitted detectors: "
            "Detector(…).fit(good_images) or twinspect.load(path)"
        )
    if not hasattr(each, "model_"):
        raise NotFittedError(f"detector {place}, {each!r}, has not been fitted; call fit(good_images) first")
    return each


def _whole_image_model(detector: Detector) -> Model:
    """Give what judges whole images, and refuse what looks at tiles."""
    if not isinstance(detector.model_, Model):
        raise ConfigError(
            f"{detector!r} looks at tiles, and a join reads every image once for all its members: only detectors of "
            "whole images are joined; fit it without tile"
        )
    return detector.model_


def _are_same(one: Detector, other: Detector) -> bool:
    """Tell whether two detectors have the same networks, though one was loaded or fitted once more."""
    if one.model_ is other.model_:
        return True
    same_scores = one.calibration_.scores == other.calibration_.scores
    return same_scores and one.method == other.method and one.about() == other.about()


def _check_bits(detectors: Sequence[Detector]) -> None:
    """Refuse detectors to which one file is not the same pixels."""
    found = sorted({str(detector.bits) for detector in detectors})
    if len(found) > 1:
        raise ConfigError(
            f"the detectors read 16-bit files differently: bits={' and bits='.join(found)}; an image is read once, "
            "so fit them all with the same bits"
        )


def _check_one_data_set(detectors: Sequence[Detector]) -> None:
    """Refuse to match images by name where the names are of different images, such as the arrays' array[0]."""
    if len({detector.data_["fingerprint"] for detector in detectors}) > 1:
        raise CalibrationError(
            "the detectors were fitted on different images, so equal names need not mean the same image: "
            + GIVE_GOOD
        )


def _common_value(values: Sequence[T], otherwise: T) -> T:
    return values[0] if all(value == values[0] for value in values) else otherwise
