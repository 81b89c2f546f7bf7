"""Images that crash the process that decodes them: found by decoding every image in a child process.

Decoders are C libraries; a crafted or damaged file may end the process instead of raising an error.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from twinspect.errors import ImageError
from twinspect.images.decoder_process import DecoderCrashError, decode_in_child
from twinspect.images.decoding import MAX_PIXELS
from twinspect.scale.image_sources import MissingImage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.data.samples import Sample


def without_crashes(samples: Sequence[Sample]) -> list[Sample]:
    """Replace the images that crash the process that decodes them by an error that says so.

    Args:
        samples: images to be scored.
    """
    return [_replace_if_it_crashes(sample) for sample in samples]


def _replace_if_it_crashes(sample: Sample) -> Sample:
    try:
        content = None if sample.content is None else sample.content.read()
        decode_in_child(sample.address, content=content, max_pixels=MAX_PIXELS, discard=True)
    except DecoderCrashError as crash:
        message = str(crash).removeprefix(f"{sample.address}: ")
        return replace(sample, content=MissingImage(sample.address, message))
    except ImageError:  # an ordinary one, which scoring will report
        return sample
    return sample
