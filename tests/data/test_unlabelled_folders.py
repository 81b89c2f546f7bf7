"""Folders that do not say which images are good: refused by every verb alike, with what settles it."""

from __future__ import annotations

import pickle
import shlex
from typing import TYPE_CHECKING
from unittest.mock import MagicMock

import pytest
from PIL import Image

from twinspect.cli import main
from twinspect.cli.remedies import with_options
from twinspect.data import one_vs_rest, open_data
from twinspect.data.summary import count_images, summarize
from twinspect.errors import UnlabelledError
from twinspect.evaluation.labelled_set import open_test_set

if TYPE_CHECKING:
    from pathlib import Path


def draw(root: Path, **numbers: int) -> Path:
    """Draw so many images in each folder."""
    for folder, number in numbers.items():
        (root / folder).mkdir(parents=True)
        for index in range(number):
            Image.new("RGB", (8, 8), (index, 0, 0)).save(root / folder / f"{index}.png")
    return root


def refusal(root: Path) -> UnlabelledError:
    """`fit` and `evaluate` refuse a folder for the same reason."""
    with pytest.raises(UnlabelledError) as for_fit:
        open_data(root)
    with pytest.raises(UnlabelledError) as for_evaluate:
        open_test_set(root)
    assert str(for_fit.value) == str(for_evaluate.value)
    return for_fit.value


@pytest.mark.parametrize(
    ("numbers", "good"),
    [
        ({"golden": 3, "reject": 9}, "golden"),
        ({"batch1": 2, "batch2": 2, "defects": 5}, "batch1,batch2"),
        ({"batch1": 2, "batch2": 2, "pill": 3, "defects": 5}, "batch1,batch2"),
        ({"alpha": 2, "zeta": 4, "bad": 1}, "zeta"),
        ({"crack": 9, "pill": 2, "ng_1": 1}, "pill"),
    ],
)
def test_class_folders_without_a_good_one(tmp_path: Path, numbers: dict[str, int], good: str) -> None:
    error = refusal(draw(tmp_path, **numbers))
    (remedy,) = error.remedies  # all are good is not what defects are called
    assert remedy.options == ("--normal", good)
    data = open_data(tmp_path, split="test")
    assert len(data) == sum(numbers.values())  # to score them nobody needs to know
    assert data.layout == "class folders, none of them good by its name"
    settled = one_vs_rest(tmp_path, good.split(","), test_every=2)
    assert {s.path.parent.name for s in settled if s.is_good} == set(good.split(","))


def test_folders_of_defects_alone_are_evaluated(tmp_path: Path) -> None:
    data = open_test_set(draw(tmp_path, bad=2, def_front=1, scratches=1))
    assert [s.label for s in data] == ["bad", "bad", "def_front", "scratches"]


def test_no_class_is_offered_as_good_where_all_look_like_defects(tmp_path: Path) -> None:
    (remedy,) = refusal(draw(tmp_path, scratch=3, dent=2)).remedies
    assert remedy.options == ("--all-good",)


def test_categories_in_doubt(tmp_path: Path) -> None:
    for line in ("cam1", "cam2"):
        draw(tmp_path / line, golden=2, reject=1)
    assert refusal(tmp_path).problem.startswith(f"{tmp_path / 'cam1'}: its sub-folders golden/, reject/")


def test_the_class_of_most_images_that_looks_good_is_offered(tmp_path: Path) -> None:
    draw(tmp_path, **{"0": 1, "1": 5, "scratches": 9})
    first, second = refusal(tmp_path).remedies
    assert (first.options, second.options) == (("--normal", "1"), ("--all-good",))


def test_the_casting_data_set(tmp_path: Path) -> None:
    draw(tmp_path / "train", ok_front=3, def_front=2)
    draw(tmp_path / "test", ok_front=2, def_front=4)
    data = open_data(tmp_path)
    assert count_images(data) | {"left_out": 2} == count_images(data)
    assert [(s.split, s.label) for s in data] == [
        *[("train", "good")] * 3,
        *[("test", "def_front")] * 4,
        *[("test", "good")] * 2,
    ]
    assert [(s.split, s.label) for s in open_data(draw(tmp_path / "classes", ok_front=1, not_ok=1))] == [
        ("train", "good"),
        ("test", "not_ok"),
    ]


def test_a_summary_says_that_it_would_be_refused(tmp_path: Path) -> None:
    data = open_data(draw(tmp_path, pill=3, tablet=2), split="test")
    assert summarize(data) == (
        f"{tmp_path.name}: would be refused: it is not known which of its 5 images are good"
    )
    assert set(count_images(data).values()) == {0}


def test_the_error_is_the_same_after_a_journey(tmp_path: Path) -> None:
    error = refusal(draw(tmp_path, pill=3, tablet=2))
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


# ------------------------------------------------------------------------------------------- what to type


def said(capsys: pytest.CaptureFixture[str], *typed: str) -> str:
    assert main(typed) == 2
    return capsys.readouterr().err.splitlines()[-1]


def commands(text: str) -> list[list[str]]:
    """The commands of a refusal, as a shell would take them apart."""
    return [shlex.split(part.partition(" if ")[0])[1:] for part in text.split("type ")[1:]]


@pytest.mark.parametrize(
    "typed",
    [
        ("fit", "DATA/", "--out", "it's.twin", "--seed", "3"),
        ("evaluate", "m.twin", "DATA", "--out", "r"),
        ("calibrate", "m.twin", "DATA"),
    ],
)
def test_commands_are_those_typed_and_what_they_lack(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    typed: tuple[str, ...],
) -> None:
    root = draw(tmp_path / "my parts", **{"a b": 3, "c": 2})
    monkeypatch.setattr("twinspect.cli.evaluate.load_chosen", MagicMock())
    monkeypatch.setattr("twinspect.cli.calibrate.load_chosen", MagicMock())
    text = said(capsys, *(word.replace("DATA", str(root)) for word in typed))
    same = [str(root) if word.startswith("DATA") else word for word in typed]
    assert commands(text) == [[*same, "--normal", "a b"], [*same, "--all-good"]]


def test_what_doctor_says_to_type_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = draw(tmp_path / "my parts" / "deep", **{"a b": 30, "c": 2}).parent
    assert main(["doctor", str(root)]) == 0
    text = capsys.readouterr().out
    assert "would be refused: it is not known which of its 32 images are good" in text
    assert "good to test" not in text
    (line,) = [line for line in text.splitlines() if line.startswith("fit would stop, as would evaluate")]
    for command, good in zip(commands(line), (24, 32), strict=True):
        assert main([*command, "--quick"]) == 0
        assert f"{good} good to train" in capsys.readouterr().out


def test_verbs_without_these_options_name_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = draw(tmp_path, pill=3, tablet=2)
    text = said(capsys, "synth", str(root), "--out", str(tmp_path / "o"))
    assert text.endswith("do not say which images are good; name a folder that holds good images only")


def test_images_beside_a_folder_need_another_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = draw(tmp_path, new=3)
    Image.new("RGB", (8, 8)).save(root / "loose.png")
    same = ["--out", "m.twin"]
    assert commands(said(capsys, "fit", str(root), *same)) == [
        ["fit", str(root / "new"), *same],
        ["fit", str(root), *same, "--all-good"],
    ]


def test_rows_of_a_table_are_told_the_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = draw(tmp_path / "parts", pill=3, tablet=2)
    error = refusal(root)
    assert with_options(error).endswith(
        f"; give --normal pill with {root} if pill is good and the others defects, "
        f"or give --all-good with {root} if all are good"
    )
