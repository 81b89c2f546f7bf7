"""The model folder: ``model.json``, ``weights.safetensors``, kept images and exports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect._lazy import lazy_names

if TYPE_CHECKING:
    from twinspect.bundle.folder import (
        IMAGES,
        JOINED,
        RECORD,
        WEIGHTS,
        describe_os_error,
        model_key,
        read_images,
        read_record,
        read_weights,
        replace_folder,
        rewrite_record,
        write_bundle,
    )

__all__ = [
    "IMAGES",
    "JOINED",
    "RECORD",
    "WEIGHTS",
    "describe_os_error",
    "model_key",
    "read_images",
    "read_record",
    "read_weights",
    "replace_folder",
    "rewrite_record",
    "write_bundle",
]

__getattr__ = lazy_names(
    __name__,
    {
        "twinspect.bundle.folder": (
            "RECORD",
            "WEIGHTS",
            "IMAGES",
            "JOINED",
            "write_bundle",
            "rewrite_record",
            "read_record",
            "model_key",
            "read_weights",
            "read_images",
            "replace_folder",
            "describe_os_error",
        ),
    },
)
