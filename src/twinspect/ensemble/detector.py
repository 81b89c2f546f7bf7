"""Joining detectors by Noisy-OR: an image is anomalous if any of them finds it anomalous."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from twinspect.bundle.description import describe_join, join_names
from twinspect.bundle.folder import JOINED
from twinspect.bundle.learnt_images import LearntImages
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

FITTED_ATTRIBUTES: Final = (
    "model_",
    "calibration_",
    "losses_",
    "curves_",
    "data_",
    "images_",
    "learnt_",
    "calibrated_on_",
    "scope_",
)
"""What a fit adds to a detector."""

T = TypeVar("T")


class JoinedDetector(TorchDetector):
    """Several detectors as one; :func:`noisy_or` makes it.

    The raw score is -log(1 - p) of p = 1 - prod(1 - p_i), where p_i is the value of the
    cumulative distribution of member i's scores on good images. It is unbounded, and higher is more anomalous. The
    map joins the members' maps in the same way, pixel by pixel.

    Args:
        members: fitted detectors, which the joined detector then owns.
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
        self.losses_, self.curves_, self.scope_ = {}, {}, members[0].scope_
        # The members' calibrations say how their scores are joined, so their images count as learnt.
        self.learnt_ = LearntImages.union(_learnt_images(member) for member in members)
        self.images_ = tuple(dict.fromkeys(image for member in members for image in member.images_))
        self.data_ = {
            "fingerprint": join_names(member.data_["fingerprint"] for member in members),
            "categories": sorted({name for member in members for name in member.data_["categories"]}),
        }

    def __repr__(self) -> str:
        return f"{JOINED}([{', '.join(map(repr, self.members_))}])"

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 - scikit-learn's signature
        """Return the parameters: how images are read and where they are scored."""
        return {"device": self.device, "bits": self.bits, "workers": self.workers}

    def about(self) -> dict[str, Any]:
        """Describe its members, completely enough to build it again."""
        return describe_join(
            {"method": member.method_name, **member.about(), "data": member.data_} for member in self.members_
        )

    def _settings_record(self) -> dict[str, Any]:
        return {
            "parameters": self.get_params(),
            "members": [member.to_record() for member in self.members_],
        }

    @classmethod
    def from_record(cls, record: dict[str, Any], *, device: str = "auto") -> JoinedDetector:
        """Build a joined detector from :meth:`to_record`, without weights.

        Args:
            record: plain JSON values.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        """
        members = [Detector.from_record(member, device=device) for member in record["members"]]
        detector = cls(members, **{**record["parameters"], "device": device})
        detector._restore_fitted_state(record)
        return detector


def noisy_or(
    detectors: Iterable[BaseDetector],
    *,
    good: DataSource | None = None,
    false_alarm_rate: float | None = None,
) -> JoinedDetector:
    """Join fitted detectors of any methods, teachers and sizes into one, by Noisy-OR; nothing is trained.

    Without ``good``, the threshold comes from the scores that the members kept of images held out by all of them,
    matched by name and category; each image is ranked by the distribution of the others. This is an estimate. With
    ``good`` the rate is the exact bound, provided that no member was trained or calibrated on these images.

    Args:
        detectors: two or more; they are not changed, and later changes to them do not affect the result.
        good: good images to calibrate on, as for :meth:`Detector.calibrate`.
        false_alarm_rate: the rate to promise; ``None`` for the smallest that the images can promise.

    Returns:
        A detector that scores, calibrates, saves and loads as any other.

    Raises:
        ConfigError: fewer than two detectors, a joined one, the same one twice, or another kind of object.
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
    """Copy a detector so that later changes to it do not affect the copy; the networks are shared."""
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
    given = [_check_detector(item, number) for number, item in enumerate(detectors, start=1)]
    if len(given) < 2:
        raise ConfigError(f"noisy_or joins two detectors or more, got {len(given)}; type: noisy_or([a, b])")
    for index, detector in enumerate(given):
        for earlier, other in enumerate(given[:index]):
            if _are_same(other, detector):
                raise ConfigError(
                    f"detectors {earlier + 1} and {index + 1} are the same, {detector!r}; its evidence would count "
                    "twice: give each once"
                )
    _check_bits(given)
    _check_scopes(given)
    return given


def _check_detector(item: Any, number: int) -> Detector:
    """Refuse an object that cannot be joined."""
    if isinstance(item, JoinedDetector):
        raise ConfigError(
            f"detector {number} is a joined detector itself and cannot be joined again; join its members, all at "
            "once: noisy_or([*join.members_, other])"
        )
    if not isinstance(item, Detector):
        raise ConfigError(
            f"detector {number} is a {type(item).__name__}; allowed are fitted detectors: "
            "Detector(…).fit(good_images) or twinspect.load(path)"
        )
    if not hasattr(item, "model_"):
        raise NotFittedError(f"detector {number}, {item!r}, has not been fitted; call fit(good_images) first")
    return item


def _whole_image_model(detector: Detector) -> Model:
    """Return the model of a detector of whole images, and refuse detectors of tiles."""
    if not isinstance(detector.model_, Model):
        raise ConfigError(
            f"{detector!r} scores tiles, and a joined detector reads every image once for all its members: only "
            "detectors of whole images can be joined; fit it without tile"
        )
    return detector.model_


def _learnt_images(member: Detector) -> LearntImages:
    learnt = member.learnt_ or LearntImages()
    return replace(learnt, digests=learnt.digests | member.calibrated_on_)


def _are_same(one: Detector, other: Detector) -> bool:
    """Tell whether two detectors have the same networks, even if one was loaded or fitted again."""
    if one.model_ is other.model_:
        return True
    same_scores = one.calibration_.scores == other.calibration_.scores
    return same_scores and one.method_name == other.method_name and one.about() == other.about()


def _check_bits(detectors: Sequence[Detector]) -> None:
    """Refuse detectors that decode the same file to different pixels."""
    values = sorted({str(detector.bits) for detector in detectors})
    if len(values) > 1:
        raise ConfigError(
            f"the detectors read 16-bit files differently: bits={' and bits='.join(values)}; an image is read once, "
            "so fit them all with the same bits"
        )


def _check_scopes(detectors: Sequence[Detector]) -> None:
    """Refuse detectors that look at different parts of the same image, or align it differently."""
    scopes = [detector.scope_ for detector in detectors]
    if len({scope.alignment.digest if scope and scope.alignment else "" for scope in scopes}) > 1:
        raise ConfigError(
            "the detectors align images differently; fit them all on the same images, with the same --align"
        )
    if len({scope.digest if scope else "" for scope in scopes}) > 1:
        raise ConfigError(
            "the detectors look at different regions of interest; calibrate them with the same: twinspect calibrate "
            "M.twin GOOD --roi FILE"
        )


def _check_one_data_set(detectors: Sequence[Detector]) -> None:
    """Refuse to match images by name where equal names may be different images, such as array[0] of arrays."""
    if len({detector.data_["fingerprint"] for detector in detectors}) > 1:
        raise CalibrationError(
            "the detectors were fitted on different images, so equal names need not mean the same image: "
            + GIVE_GOOD
        )


def _common_value(values: Sequence[T], otherwise: T) -> T:
    """Return the value that all have in common, or else another one."""
    return values[0] if all(value == values[0] for value in values) else otherwise
