"""What a job does, step by step: command lines of ``twinspect``, each with the file that says that it is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from twinspect.bundle.exports import EXPORT, FOLDER, PRECISIONS
from twinspect.bundle.folder import RECORD
from twinspect.serve.products.training_data import ANEW, DEFECTS, FALSE_ALARMS, GOOD, REGION

if TYPE_CHECKING:
    from pathlib import Path

    from twinspect.serve.products.folders import ProductFolders
    from twinspect.serve.store.product_records import JobRow

REPORT: Final = "report.html"
TEST: Final = "test"


@dataclass(frozen=True)
class Step:
    """A step of a job.

    Attributes:
        name: in words, for people.
        arguments: of the command line.
        result: the file that is there once it is done.
        is_needed: whether the job fails with it.
    """

    name: str
    arguments: tuple[str, ...]
    result: Path
    is_needed: bool = True


def steps_of(job: JobRow, folders: ProductFolders, device: str) -> list[Step]:
    """Plan a job.

    Args:
        job: what is asked for.
        folders: of its product.
        device: to train on.
    """
    number = job.version or 0
    if job.kind == "export":
        return [_export(job, folders, number)]
    return [_training(job, folders, number, device), _evaluation(job, folders, number)]


def _export(job: JobRow, folders: ProductFolders, number: int) -> Step:
    model, target = folders.model(number), str(job.target)
    arguments = ("export", str(model), "--to", target)
    return Step(f"exports to {target}", arguments, model / FOLDER / f"{target}-{PRECISIONS[0]}" / EXPORT)


def _training(job: JobRow, folders: ProductFolders, number: int, device: str) -> Step:
    data, model = folders.job(job.id), folders.model(number)
    good, defects = data / GOOD, data / DEFECTS
    rest = ["--out", str(model), "--minutes", f"{job.minutes:g}", "--device", device, "--resume"]
    if job.kind == "update" and job.parent is not None:
        folder_of = {"--defects": defects, "--false-alarms": data / FALSE_ALARMS}
        for option, folder in folder_of.items():
            rest += [option, str(folder)] if any(folder.iterdir()) else []
        start = ("update", str(folders.model(job.parent)), "--good", str(good))
        return Step("learns from what was added", (*start, *rest), model / RECORD)
    if (data / REGION).exists():
        rest += ["--roi", str(data / REGION)]
    anew = data / ANEW  # where there are false alarms there are versions
    images = [str(anew)] if anew.exists() else [str(good), "--all-good"]
    return Step("learns", ("fit", *images, *rest), model / RECORD)


def _evaluation(job: JobRow, folders: ProductFolders, number: int) -> Step:
    data, report = folders.job(job.id) / TEST, folders.report(number)
    arguments = ["evaluate", str(folders.model(number)), str(data), "--held-out", "--out", str(report)]
    if job.kind == "fit" and job.parent is not None:
        arguments += ["--against", str(folders.model(job.parent))]  # an update has compared already
    return Step("writes the report", tuple(arguments), report / REPORT, is_needed=False)
