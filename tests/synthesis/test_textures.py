"""Where textures come from, and how they are changed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageOps

from drawn_parts import stripes, write_image
from twinspect.errors import DataError, ImageError
from twinspect.synthesis import FolderTextures, MixedTextures, OwnTextures, PatternTextures
from twinspect.synthesis import texture_augmentation as augment_module
from twinspect.synthesis.procedural_textures import COUNT, PATTERNS, SIDE, pattern_pool
from twinspect.synthesis.texture_augmentation import augment_texture, augmentations

if TYPE_CHECKING:
    from pathlib import Path


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(4):
        write_image(tmp_path / "kinds" / f"k{number}" / "a.png", stripes(number, 40 + 8 * number))
    (tmp_path / "kinds" / "notes.txt").write_text("not a texture")
    return tmp_path / "kinds"


def flips(image: np.ndarray) -> list[np.ndarray]:
    return [image[::down, ::right] for down in (1, -1) for right in (1, -1)]


def test_a_folder_gives_flipped_images_of_the_size_asked_for(folder: Path) -> None:
    textures, random = FolderTextures(folder), generator()
    assert len(textures.paths) == 4
    smallest = stripes(0, 40)
    exact = [textures.draw(random, (40, 40)) for _ in range(40)]
    assert any((drawn == flip).all() for drawn in exact for flip in flips(smallest))
    for shape in ((64, 64), (20, 90), (300, 31)):
        drawn = textures.draw(random, shape)
        assert drawn.shape == (*shape, 3)
        assert drawn.dtype == np.uint8
        assert drawn.flags.writeable


def test_what_is_drawn_does_not_depend_on_what_is_remembered(folder: Path) -> None:
    forgetful, keeping = FolderTextures(folder, cache_mb=0), FolderTextures(folder)
    for seed in range(12):
        shape = (32 + seed, 32)
        expected = keeping.draw(generator(seed), shape)
        np.testing.assert_array_equal(forgetful.draw(generator(seed), shape), expected)
    assert forgetful._bytes == 0
    assert keeping._bytes == sum(kept.nbytes for kept in keeping._kept.values()) > 0


def test_threads_share_a_folder(folder: Path) -> None:
    textures = FolderTextures(folder)
    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(lambda seed: textures.draw(generator(seed), (24, 24)), range(40)))
    for seed, texture in enumerate(drawn):
        np.testing.assert_array_equal(texture, textures.draw(generator(seed), (24, 24)))


def test_bad_folders_are_named_before_training(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such folder; textures come from a folder of images"):
        FolderTextures(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: no image in it or below it"):
        FolderTextures(tmp_path / "empty")
    (folder / "broken.png").write_bytes(b"no image at all")
    with pytest.raises(ImageError, match=r"broken\.png"):
        FolderTextures(folder)


def test_a_file_that_ends_early_is_named_when_it_is_drawn(tmp_path: Path) -> None:
    path = write_image(tmp_path / "cut.png", stripes(0, 200))
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(ImageError, match=r"cut\.png"):
        FolderTextures(tmp_path).draw(generator(), (64, 64))


def test_patterns_are_many_follow_the_seed_and_join_without_a_seam() -> None:
    pool = pattern_pool(0)
    assert pool.shape == (COUNT, SIDE, SIDE, 3)
    assert (pool.std(axis=(1, 2)).max(axis=-1) > 3).all()  # none is blank
    np.testing.assert_array_equal(pool, pattern_pool.__wrapped__(0))
    assert (pool != pattern_pool(1)).any(axis=(1, 2, 3)).all()
    values = pool.astype(np.float64)
    for axis in (1, 2):
        inside = np.abs(np.diff(values, axis=axis)).mean(axis=(1, 2, 3))
        edge = np.abs(values.take(0, axis) - values.take(-1, axis)).mean(axis=(1, 2))
        assert (edge < 2 * inside + 2).all()
    assert len(PATTERNS) == 4


def test_patterns_fill_any_size() -> None:
    textures = PatternTextures(0)
    drawn = textures.draw(generator(), (300, 37))
    assert drawn.shape == (300, 37, 3)
    some = {textures.draw(generator(seed), (16, 16)).tobytes() for seed in range(20)}
    assert len(some) == 20


def test_own_textures_come_from_the_other_images() -> None:
    images = np.stack([np.full((8, 8, 3), value, np.uint8) for value in (10, 20, 30)])
    drawn = {int(OwnTextures(images, 1).draw(generator(seed), (8, 8)).max()) for seed in range(30)}
    assert drawn == {10, 30}
    alone = OwnTextures(images[:1], 0).draw(generator(), (8, 8))
    assert (alone == 10).all()
    shifted = OwnTextures(stripes(0)[None], 0).draw(generator(3), (48, 48))
    assert sorted(shifted.ravel()) == sorted(stripes(0).ravel())  # all of it, elsewhere
    assert (shifted != stripes(0)).any()


def test_a_mixture_draws_from_every_source() -> None:
    black, white = (np.full((1, 8, 8, 3), value, np.uint8) for value in (0, 255))
    mixed = MixedTextures((OwnTextures(black, 0), OwnTextures(white, 0)))
    drawn = [int(mixed.draw(generator(seed), (4, 4)).max()) for seed in range(40)]
    assert set(drawn) == {0, 255}


def test_each_of_ten_augmentations_keeps_the_size_and_changes_the_image() -> None:
    assert len(augmentations()) == 10
    image = Image.fromarray(stripes(0, 64)[:, :40])
    for name, change in augmentations().items():
        changed = [change(image, generator(seed)) for seed in range(4)]
        assert all(each.size == image.size and each.mode == "RGB" for each in changed), name
        assert any((np.asarray(each) != np.asarray(image)).any() for each in changed), name


def test_augmentations_are_what_their_names_say() -> None:
    pixels = stripes(1, 64)
    image, table = Image.fromarray(pixels), augmentations()
    np.testing.assert_array_equal(table["invert"](image, generator()), 255 - pixels)
    np.testing.assert_array_equal(table["equalize"](image, generator()), ImageOps.equalize(image))
    np.testing.assert_array_equal(table["autocontrast"](image, generator()), ImageOps.autocontrast(image))
    power = 2 ** generator().uniform(-1, 1)
    gamma = np.asarray(table["gamma"](image, generator())).astype(float)
    np.testing.assert_allclose(gamma, 255 * (pixels / 255) ** power, atol=1)
    assert len(np.unique(table["posterize"](image, generator()))) <= 32


@pytest.mark.parametrize("size", [(64, 64), (100, 40)])
def test_a_turned_texture_has_no_empty_corner(size: tuple[int, int]) -> None:
    white = Image.new("RGB", size, (200, 200, 200))
    for seed in range(12):
        assert np.asarray(augmentations()["rotation"](white, generator(seed))).min() == 200


def test_three_different_augmentations_are_used_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[str] = []

    def note(name: str) -> object:
        return lambda image, _random: used.append(name) or image

    monkeypatch.setattr(augment_module, "augmentations", lambda: {name: note(name) for name in "abcdefghij"})
    for seed in range(50):
        used.clear()
        augment_texture(stripes(0), generator(seed))
        assert len(set(used)) == len(used) == 3


def test_augmenting_leaves_its_input_alone_and_follows_the_seed() -> None:
    texture = stripes(2)
    texture.flags.writeable = False
    first, again, other = (augment_texture(texture, generator(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    np.testing.assert_array_equal(augment_texture(texture, generator(), count=0), texture)
