"""From the store's records of products to response bodies."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from twinspect.serve.http.presenters import present_region
from twinspect.serve.http.product_schemas import (
    FeedbackCounts,
    JobAnswer,
    PhotoAnswer,
    ProductAnswer,
    RateAnswer,
    VersionAnswer,
)
from twinspect.serve.products.figures import RATES, photos_needed
from twinspect.serve.products.photo_check import GOOD_START
from twinspect.serve.products.steps import REPORT
from twinspect.serve.products.studio import LEAST_PHOTOS

if TYPE_CHECKING:
    from pathlib import Path

    from twinspect.serve.http.context import Context
    from twinspect.serve.products.studio import Studio
    from twinspect.serve.store.product_records import JobRow, PhotoRow, ProductRow, VersionRow


def present_product(studio: Studio, product: ProductRow) -> ProductAnswer:
    """Describe a product."""
    counts, job = studio.products.counts(product.id), studio.jobs.current(product.id)
    versions = len(studio.products.versions(product.id))
    judged = studio.products.feedback(product)
    verdicts = Counter(image.verdict for image in judged)
    feedback = FeedbackCounts(
        good=verdicts["good"],
        defect=verdicts["defect"],
        unsure=verdicts["unsure"],
        false_alarms=sum(image.is_false_alarm for image in judged),
    )
    return ProductAnswer(
        name=product.name,
        created_at=product.created_at,
        created_by=product.created_by,
        good=counts["good"],
        defects=counts["defect"],
        enough=counts["good"] + feedback.good >= LEAST_PHOTOS,
        advice=_advice(counts["good"], versions, feedback, job),
        active=product.active_version,
        shadow=product.shadow_version,
        versions=versions,
        job=present_job(studio, job) if job else None,
        region=present_region(product.region),
        feedback=feedback,
    )


def _advice(good: int, versions: int, feedback: FeedbackCounts, job: JobRow | None) -> str:
    if job is not None:
        return f"A job is {job.state}; inspection goes on meanwhile."
    if good + feedback.good < LEAST_PHOTOS:
        return "Add photographs of good parts, taken as the camera will take them later: 20 at least, 50 are better."
    if not versions:
        return "Check the photos, then train a first version."
    if judged := feedback.good + feedback.defect:
        return f"{judged} judged images are not learnt from yet: update the model."
    if good < (enough := photos_needed(GOOD_START)):
        return f"Inspect images, and judge what it says. With {enough} good photos it can promise more."
    return "Inspect images, and judge what it says; it learns from that."


def present_job(studio: Studio, job: JobRow) -> JobAnswer:
    """Describe a job, with where it stands."""
    progress = studio.trainer.progress(job)
    return JobAnswer(
        id=job.id,
        product=job.product,
        kind=job.kind,
        state=job.state,
        minutes=job.minutes,
        created_at=job.created_at,
        created_by=job.created_by,
        started_at=job.started_at,
        ended_at=job.ended_at,
        stage=progress.stage,
        share=progress.share,
        seconds_left=progress.seconds_left,
        error=job.error,
        version=job.version,
    )


def present_photo(context: Context, product: str, photo: PhotoRow) -> PhotoAnswer:
    """Describe a photo."""
    url = f"{product_url(context, product)}/photos/{photo.id}"
    return PhotoAnswer(
        id=photo.id,
        name=photo.name,
        role=photo.role,
        origin=photo.origin,
        added_at=photo.added_at,
        added_by=photo.added_by,
        width=photo.image.width,
        height=photo.image.height,
        sha256=photo.image.sha256,
        inspection_id=photo.inspection_id,
        url=f"{url}/image",
        thumbnail_url=f"{url}/thumbnail",
    )


def present_version(
    context: Context, studio: Studio, product: ProductRow, version: VersionRow, good: int
) -> VersionAnswer:
    """Describe a version; ``good`` is how many good photos there are now."""
    url = f"{product_url(context, product.name)}/versions/{version.number}"
    folders, figures = studio.folders(product.name), dict(version.figures)
    for hidden in ("held_out", "newest_photo"):
        figures.pop(hidden, None)
    figures["comparison"] = figures["comparison"] or _comparison(folders.report(version.number))
    exports = folders.model(version.number) / "exports"
    has_report = (folders.report(version.number) / REPORT).is_file()
    return VersionAnswer(
        number=version.number,
        kind=version.kind,
        parent=version.parent,
        created_at=version.created_at,
        created_by=version.created_by,
        active=product.active_version == version.number,
        shadow=product.shadow_version == version.number,
        for_a_rate=[_for_a_rate(rate, good) for rate in RATES],
        report_url=f"{url}/report" if has_report else None,
        download_url=f"{url}/download",
        exports=sorted(path.name for path in exports.iterdir()) if exports.is_dir() else [],
        **figures,
    )


def _comparison(report: Path) -> dict[str, Any] | None:
    """Read what `evaluate --against` wrote; a version that was trained from nothing is compared by it."""
    try:
        found = json.loads((report / "comparison.json").read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _for_a_rate(rate: float, good: int) -> RateAnswer:
    photos = photos_needed(rate)
    return RateAnswer(rate=rate, photos=photos, more=max(0, photos - good))


def product_url(context: Context, product: str) -> str:
    """Return the address of a product."""
    return f"{context.root_path}/v1/products/{quote(product, safe='')}"
