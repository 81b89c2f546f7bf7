"""Maps are named after their images, and no name leads out of the folder or to another image's map."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from drawn_parts import stripes, write_image
from twinspect.data.samples import Sample
from twinspect.errors import ConfigError, DataError
from twinspect.inference.results import ImageScore
from twinspect.report.map_folder import MapFolder, map_names

ODD_NAMES = (
    "/abs/a.png",
    "../up/a.png",
    "in/../../a.png",
    ".",
    "..",
    "a",
    "n" * 251 + ".png",
    "é" * 125 + ".png",
)


def sample(path: Path | str, name: str) -> Sample:
    return Sample(Path(path), name)


def names_of(*samples: Sample, earlier: tuple[str, ...] = ()) -> list[str]:
    names = map_names(samples, earlier, 251)
    return [names[each.path] for each in samples]


def test_a_map_is_called_like_its_image_below_its_folder() -> None:
    assert names_of(sample("/x/1.png", "1.png"), sample("/x/sub/2.jpg", "sub/2.jpg")) == ["1", "sub/2"]


def test_of_images_with_one_name_the_folder_tells_them_apart_and_else_a_digest() -> None:
    assert names_of(sample("/x/a/1.png", "1.png"), sample("/x/b/1.png", "1.png")) == ["a/1", "b/1"]
    first, second = names_of(sample("/x/1.png", "1.png"), sample("/x/1.jpg", "1.jpg"))
    assert first != second
    assert all(name.startswith("1-") for name in (first, second))
    assert (
        len(set(map(str.casefold, names_of(sample("/x/A.png", "A.png"), sample("/x/a.png", "a.png"))))) == 2
    )


def test_no_name_is_absolute_or_leads_up_or_is_too_long_and_none_is_given_twice() -> None:
    samples = [sample(f"/images/{number}.png", name) for number, name in enumerate(ODD_NAMES * 2)]
    names = names_of(*samples)
    assert len(set(names)) == len(samples)
    for name in names:
        assert not name.startswith("/")
        assert os.path.normpath(f"/maps/{name}.png").startswith("/maps/")
        assert all(len(os.fsencode(part)) <= 251 for part in name.split("/"))


def test_a_name_that_ends_like_a_digest_is_never_taken_for_one() -> None:
    twins = (sample("/x/1.png", "1.png"), sample("/x/1.jpg", "1.jpg"))
    digest = names_of(*twins)[0]
    assert len(set(names_of(*twins, sample(f"/x/{digest}.png", f"{digest}.png")))) == 3


def test_a_table_that_grows_by_another_folder_keeps_the_maps_that_are_there() -> None:
    monday, tuesday = sample("/monday/1.png", "1.png"), sample("/tuesday/1.png", "1.png")
    assert names_of(monday) == ["1"]
    assert names_of(tuesday, earlier=("/monday/1.png",)) == ["tuesday/1"]
    assert names_of(sample("/tuesday/2.png", "2.png"), earlier=("/monday/1.png",)) == ["2"]


@pytest.fixture
def scored(tmp_path: Path) -> ImageScore:
    path = write_image(tmp_path / "images" / "1.png", stripes(1))
    return ImageScore(Sample(path, "1.png"), 0.5, map=np.zeros((48, 48), np.float32))


def folder(tmp_path: Path, name: str, scored: ImageScore, suffix: str = ".png") -> MapFolder:
    return MapFolder(tmp_path / name, [scored.sample], suffix, model=tmp_path / "m.twin")


def test_a_map_never_replaces_an_image_or_a_file_of_the_model(tmp_path: Path, scored: ImageScore) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "images")
    for name in ("images", "link"):
        with pytest.raises(ConfigError, match=r"would replace .*1\.png"):
            folder(tmp_path, name, scored)
    with pytest.raises(ConfigError, match="lies in the model"):
        folder(tmp_path, "m.twin/images", scored)
    folder(tmp_path, "images", scored, ".npy").write(scored, (0.0, 1.0))
    assert (tmp_path / "images" / "1.npy").is_file()


def test_an_image_that_is_reached_through_a_link_is_an_input_too(tmp_path: Path, scored: ImageScore) -> None:
    (tmp_path / "by" / "links").mkdir(parents=True)
    link = tmp_path / "by" / "links" / "1.png"
    link.symlink_to(scored.sample.path)
    with pytest.raises(ConfigError, match="would replace"):
        MapFolder(tmp_path / "images", [Sample(link, "1.png")], ".png", model=tmp_path / "m.twin")


def test_a_link_in_the_folder_leads_no_map_out_of_it(tmp_path: Path, scored: ImageScore) -> None:
    (tmp_path / "maps").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "maps" / "sub").symlink_to(tmp_path / "elsewhere")
    below = ImageScore(Sample(scored.sample.path, "sub/1.png"), 0.5, map=scored.map)
    with pytest.raises(DataError, match="leads out of"):
        folder(tmp_path, "maps", below).write(below, (0.0, 1.0))
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_map_that_cannot_be_written_says_why(tmp_path: Path, scored: ImageScore) -> None:
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "1.png").mkdir()
    with pytest.raises(DataError, match=r"1\.png: its map could not be written: .*irectory"):
        folder(tmp_path, "maps", scored).write(scored, (0.0, 1.0))
