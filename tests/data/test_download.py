"""Benchmarks from the network, here the loopback interface: whole, checked, resumed, or not there at all."""

from __future__ import annotations

import hashlib
import io
import json
import re
import stat
import tarfile
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import twinspect as ts
from small_benchmarks import WRITERS, write_idx
from stub_mirror import StubMirror, stub_mirror
from twinspect.benchmark.protocols import PROTOCOLS, ClassSelection, tasks
from twinspect.cli import main
from twinspect.data.benchmarks import archive_extraction
from twinspect.data.benchmarks.archive_extraction import FREE_BYTES, unpack
from twinspect.data.benchmarks.catalogue import CATALOGUE
from twinspect.data.benchmarks.download import WORK_SUFFIX
from twinspect.data.benchmarks.download_urls import SOURCES, RemoteFile, total_size
from twinspect.data.benchmarks.http_download import TRIES, fetch
from twinspect.errors import ConfigError, DataError, DownloadError
from twinspect.utils.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

INSIDE = {
    "BTAD": "BTech_Dataset_transformed/",
    "CIFAR10": "cifar-10-batches-bin/",
    "CIFAR100": "cifar-100-binary/",
}
"""The folder that an official archive begins with; the others have none."""
CONTENT = bytes(range(256)) * 400


class Steps:
    """Progress that remembers."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, int, int]] = []
        self.steps = self.finished = 0

    def start(self, stage: str, total: int, done: int) -> None:
        self.begun.append((stage, total, done))

    def advance(self, loss: float | None = None) -> None:
        self.steps += 1

    def finish(self) -> None:
        self.finished += 1


class Interrupting(NoProgress):
    """Progress during which somebody presses Ctrl-C."""

    def __init__(self, stage: str) -> None:
        self.stage = stage

    def start(self, stage: str, total: int, done: int) -> None:
        if self.stage in stage:
            raise KeyboardInterrupt


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[StubMirror]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with stub_mirror({}) as served:
        yield served


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: object) -> tuple[int, str, str]:
        code = main(["download", *[str(argument) for argument in arguments]])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def remote(mirror: StubMirror, name: str, content: bytes, **changes: Any) -> RemoteFile:
    mirror.files[name] = content
    return replace(RemoteFile(name, (f"{mirror.base}/{name}",), sha256(content), len(content)), **changes)


def packed(root: Path, name: str, inside: str) -> bytes:
    """Pack a folder as the official archive of that name is."""
    buffer = io.BytesIO()
    files = sorted(path for path in root.rglob("*") if path.is_file())
    if name.endswith(".zip"):
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in files:
                archive.write(path, f"{inside}{path.relative_to(root).as_posix()}")
    else:
        with tarfile.open(fileobj=buffer, mode="w:gz" if name.endswith(".gz") else "w") as archive_tar:
            for path in files:
                archive_tar.add(path, f"{inside}{path.relative_to(root).as_posix()}")
    return buffer.getvalue()


@pytest.fixture
def offer(mirror: StubMirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], StubMirror]:
    """Put a tiny copy of a benchmark, laid out as the official one, on the stand-in and into the table."""

    def put(key: str) -> StubMirror:
        copy = tmp_path / "official" / key
        if key.endswith("MNIST"):
            write_idx(copy, ".gz")
            contents = {file.name: (copy / file.name).read_bytes() for file in SOURCES[key]}
        else:
            WRITERS[key](copy)
            name = SOURCES[key][0].name
            contents = {name: packed(copy, name, INSIDE.get(key, ""))}
        files = tuple(remote(mirror, name, content) for name, content in contents.items())
        monkeypatch.setitem(SOURCES, key, files)
        monkeypatch.setitem(CATALOGUE, key, replace(CATALOGUE[key], counts={}))
        return mirror

    return put


# ------------------------------------------------------------------------------------------------- the table


def test_the_table_is_well_formed() -> None:
    assert set(SOURCES) < set(CATALOGUE)
    assert not any(key.startswith("MVTec") for key in SOURCES), "these need a form"
    for files in SOURCES.values():
        assert files
        for file in files:
            assert re.fullmatch(r"md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}", file.checksum), file
            assert file.urls
            assert all(re.match(r"https?://", url) for url in file.urls)
            assert any(url.startswith("https://") for url in file.urls)
            assert file.size is None or file.size > 0
    checksums = [file.checksum for files in SOURCES.values() for file in files]
    assert len(set(checksums)) == len(checksums)
    assert total_size("FashionMNIST") == 26421880 + 29515 + 4422102 + 5148
    assert total_size("BTAD") is None
    assert total_size("MVTecAD") is None


def test_the_door_is_public() -> None:
    assert "download" in ts.data.__all__
    assert ts.data.download.__doc__


# ------------------------------------------------------------------------------------- from name to data set


@pytest.mark.parametrize("key", sorted(SOURCES))
def test_what_is_fetched_is_what_the_loader_reads(
    key: str, offer: Callable[[str], StubMirror], tmp_path: Path
) -> None:
    offer(key)
    steps, root = Steps(), tmp_path / "data" / key
    assert ts.data.download(key, root, progress=steps) == root
    data, official = (getattr(ts.data, key)(folder) for folder in (root, tmp_path / "official" / key))
    assert [(sample.name, sample.split, sample.label) for sample in data] == [
        (sample.name, sample.split, sample.label) for sample in official
    ]
    assert [path.name for path in root.parent.iterdir()] == [key], "nothing but the copy is left"
    assert steps.finished == len(steps.begun)
    assert steps.steps == sum(total - done for _, total, done in steps.begun)


@pytest.mark.parametrize(
    ("key", "protocol", "count"),
    [("FashionMNIST", "fmnist-ovr", 10), ("VisA", "visa", 12), ("KolektorSDD2", "kolektor2", 1)],
)
def test_a_protocol_runs_on_it(
    key: str, protocol: str, count: int, offer: Callable[[str], StubMirror], tmp_path: Path
) -> None:
    offer(key)
    root = ts.data.download(key, str(tmp_path / "set"))
    found = [task.read() for task in tasks(PROTOCOLS[protocol], str(root), ClassSelection())]
    assert len(found) == count
    for data in found:
        assert {sample.is_good for sample in data.split("test")} == {True, False}
        assert all(sample.is_good for sample in data.split("train"))


def test_a_whole_copy_is_left_alone(offer: Callable[[str], StubMirror], tmp_path: Path) -> None:
    for key in ("FashionMNIST", "KolektorSDD"):
        mirror, root = offer(key), tmp_path / key
        ts.data.download(key, root)
        before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
        mirror.asked.clear()
        assert ts.data.download(key, root) == root
        assert not mirror.asked
        assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_an_empty_folder_is_filled_and_a_home_folder_expanded(
    offer: Callable[[str], StubMirror], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "fashion").mkdir()
    offer("FashionMNIST")
    assert ts.data.download("FashionMNIST", "~/fashion") == tmp_path / "fashion"
    assert len(ts.data.FashionMNIST(tmp_path / "fashion")) == 30


def test_other_folders_are_refused_by_name(
    offer: Callable[[str], StubMirror], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = offer("FashionMNIST")
    with pytest.raises(
        DownloadError, match=r"holds something already, which is not a whole copy .*it lies further down"
    ):
        ts.data.download("FashionMNIST", tmp_path)
    (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
    with pytest.raises(DownloadError, match="is a file; name a new folder for Fashion-MNIST"):
        ts.data.download("FashionMNIST", tmp_path / "notes.txt")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(DownloadError, match=r"is the folder you are in; name a new one in it: FashionMNIST"):
        ts.data.download("FashionMNIST", ".")
    root = ts.data.download("FashionMNIST", tmp_path / "fashion")
    (root / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DownloadError, match=r"a partial copy of Fashion-MNIST, without t10k-labels"):
        ts.data.download("FashionMNIST", root)
    asked = len(mirror.asked)
    # The files of both are called the same: only their checksums tell them apart.
    digits = tmp_path / "official" / "MNIST"
    write_idx(digits, ".gz", count=7)
    with pytest.raises(DownloadError, match=r"train-images-idx3-ubyte\.gz is not the one that was published"):
        ts.data.download("FashionMNIST", digits)
    assert len(mirror.asked) == asked


def test_a_copy_with_too_few_images_is_not_whole(offer: Callable[[str], StubMirror], tmp_path: Path) -> None:
    offer("CIFAR10")
    root = ts.data.download("CIFAR10", tmp_path / "cifar")
    CATALOGUE["CIFAR10"] = replace(CATALOGUE["CIFAR10"], counts={"*": (50000, 0, 10000)})
    with pytest.raises(DownloadError, match=r"not a whole copy .*train 10 \(expected 50000\)"):
        ts.data.download("CIFAR10", root)


# ------------------------------------------------------------------------------- what the network does to it


def test_a_cut_connection_is_gone_on_with(mirror: StubMirror, tmp_path: Path) -> None:
    file = remote(mirror, "set.tar", CONTENT)
    mirror.cuts = [1000, 2000]
    assert fetch(file, tmp_path, NoProgress()).read_bytes() == CONTENT
    assert mirror.asked == ["set.tar", "set.tar bytes=1000-", "set.tar bytes=3000-"]


def test_a_later_call_goes_on_with_what_was_kept(offer: Callable[[str], StubMirror], tmp_path: Path) -> None:
    mirror, root = offer("CIFAR10"), tmp_path / "cifar"
    mirror.cuts = [100] + [0] * TRIES
    with pytest.raises(
        DownloadError, match=r"connection was cut after 100 of \d+ bytes, which are kept"
    ) as caught:
        ts.data.download("CIFAR10", root)
    assert not root.exists()
    assert f"which goes on from what {tmp_path / 'cifar.part'} keeps" in str(caught.value)
    part = tmp_path / f"cifar{WORK_SUFFIX}" / "cifar-10-binary.tar.gz.part"
    assert part.stat().st_size == 100
    mirror.cuts.clear()
    mirror.asked.clear()
    ts.data.download("CIFAR10", root)
    assert mirror.asked == ["cifar-10-binary.tar.gz bytes=100-"]
    assert len(ts.data.CIFAR10(root)) == 12


def test_a_server_that_cuts_again_and_again_is_given_up(mirror: StubMirror, tmp_path: Path) -> None:
    file = remote(mirror, "set.tar", CONTENT)
    mirror.cuts = [10] * 100
    with pytest.raises(DownloadError, match=f"cut {TRIES} times; {10 * TRIES} bytes are kept"):
        fetch(file, tmp_path, NoProgress())


@pytest.mark.parametrize("fault", ["no ranges", "shifted", "beyond the end", "wrong part"])
def test_a_part_that_cannot_be_gone_on_with(fault: str, mirror: StubMirror, tmp_path: Path) -> None:
    file = remote(mirror, "set.tar", CONTENT, size=None if fault == "beyond the end" else len(CONTENT))
    kept = {"wrong part": b"x" * 50, "beyond the end": CONTENT + b"more"}.get(fault, CONTENT[:50])
    (tmp_path / "set.tar.part").write_bytes(kept)
    mirror.ranges, mirror.shift = fault != "no ranges", 7 if fault == "shifted" else 0
    if fault == "shifted":
        with pytest.raises(DownloadError, match="was asked for the bytes from 50 on and gives bytes 57-"):
            fetch(file, tmp_path, NoProgress())
        assert (tmp_path / "set.tar.part").read_bytes() == kept
    else:
        assert fetch(file, tmp_path, NoProgress()).read_bytes() == CONTENT


def test_a_wrong_checksum_names_both_and_leaves_nothing(mirror: StubMirror, tmp_path: Path) -> None:
    file = remote(mirror, "set.tar", CONTENT)
    other = CONTENT[::-1]
    mirror.files["set.tar"] = other
    with pytest.raises(DownloadError) as caught:
        fetch(file, tmp_path, NoProgress())
    assert sha256(other) in str(caught.value)
    assert sha256(CONTENT) in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_md5_is_checked_too(mirror: StubMirror, tmp_path: Path) -> None:
    good = f"md5:{hashlib.md5(CONTENT).hexdigest()}"
    assert fetch(remote(mirror, "a", CONTENT, checksum=good), tmp_path, NoProgress()).read_bytes() == CONTENT
    with pytest.raises(DownloadError, match=good):
        fetch(remote(mirror, "b", CONTENT, checksum=f"md5:{'0' * 32}"), tmp_path, NoProgress())


def test_a_file_of_another_length_is_refused_before_it_comes(mirror: StubMirror, tmp_path: Path) -> None:
    file = remote(mirror, "set.tar", CONTENT, size=7)
    with pytest.raises(DownloadError, match=f"offers {len(CONTENT)} bytes; published are 7"):
        fetch(file, tmp_path, NoProgress())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fault", ["missing", "wrong", "cut", "refused", "ftp", "file", "no url"])
def test_the_second_mirror_serves_where_the_first_does_not(
    fault: str, mirror: StubMirror, tmp_path: Path
) -> None:
    file = remote(mirror, "set.tar", CONTENT)
    mirror.files["bad"] = CONTENT[::-1] if fault == "wrong" else CONTENT
    mirror.redirects = {"ftp": "ftp://127.0.0.1/x", "file": f"file://{tmp_path}"}
    mirror.cuts = [60, 0] if fault == "cut" else []
    first = {"wrong": f"{mirror.base}/bad", "cut": f"{mirror.base}/bad", "no url": "/etc/hostname"}
    first["refused"] = "http://127.0.0.1:9/set.tar"
    url = first.get(fault, f"{mirror.base}/{fault}")
    mirror.redirects.pop("file") if fault != "file" else None
    steps = Steps()
    path = fetch(replace(file, urls=(url, *file.urls)), tmp_path, steps)
    assert path.read_bytes() == CONTENT
    assert [entry.name for entry in tmp_path.iterdir()] == ["set.tar"]
    assert mirror.asked[-1] == ("set.tar bytes=60-" if fault == "cut" else "set.tar")


def test_no_network_says_what_to_do(
    offer: Callable[[str], StubMirror], run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer("CIFAR10")
    gone = replace(SOURCES["CIFAR10"][0], urls=("http://127.0.0.1:9/a", "http://127.0.0.1:9/b"))
    monkeypatch.setitem(SOURCES, "CIFAR10", (gone,))
    root = tmp_path / "cifar"
    code, out, error = run("CIFAR10", root)
    assert code == 2
    assert out == ""
    said = error.splitlines()
    assert said[0].startswith("twinspect: CIFAR-10: licence see the page; https://www.cs.toronto.edu/")
    assert len(said) == 2
    assert re.search(r"cannot be fetched from http://127.0.0.1:9/a \(.*refused.*\) nor from", said[1])
    assert "type the same again; behind a proxy, set HTTPS_PROXY" in said[1]
    assert "get it from https://www.cs.toronto.edu/~kriz/cifar.html" in said[1]
    assert "unpack it and type ts.data.CIFAR10('FOLDER')" in said[1]
    assert [path.name for path in tmp_path.iterdir()] == ["official"], "nothing came, so nothing is left"


def test_a_proxy_of_the_environment_is_used(
    mirror: StubMirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", mirror.base)
    file = remote(mirror, "set.tar", CONTENT, urls=("http://benchmarks.invalid/set.tar",))
    mirror.files["http://benchmarks.invalid/set.tar"] = CONTENT  # a proxy is asked for the whole address
    assert fetch(file, tmp_path, NoProgress()).read_bytes() == CONTENT


# -------------------------------------------------------------------------------------- Ctrl-C and a full disk


@pytest.mark.parametrize(("key", "stage"), [("FashionMNIST", "t10k-labels"), ("KolektorSDD", "unpack")])
def test_ctrl_c_leaves_no_half_copy(
    key: str, stage: str, offer: Callable[[str], StubMirror], tmp_path: Path
) -> None:
    mirror, root = offer(key), tmp_path / "set"
    with pytest.raises(KeyboardInterrupt, match=r"set\.part keeps what has come; the same command goes on"):
        ts.data.download(key, root, progress=Interrupting(stage))
    assert not root.exists()
    assert not any(path.is_dir() for path in (tmp_path / "set.part").iterdir())
    with pytest.raises(DataError, match="no such folder"):
        getattr(ts.data, key)(root)
    mirror.asked.clear()
    ts.data.download(key, root)
    assert mirror.asked == (["t10k-labels-idx1-ubyte.gz"] if key == "FashionMNIST" else [])
    assert not (tmp_path / "set.part").exists()
    assert len(getattr(ts.data, key)(root))


def test_a_run_that_was_killed_while_unpacking_is_begun_anew(
    offer: Callable[[str], StubMirror], tmp_path: Path
) -> None:
    offer("KolektorSDD")
    half = tmp_path / "set.part" / "unpacked" / "kos01"
    half.mkdir(parents=True)
    (half / "Part9.jpg").write_bytes(b"half")
    root = ts.data.download("KolektorSDD", tmp_path / "set")
    assert not (root / "kos01" / "Part9.jpg").exists()


@pytest.mark.parametrize("key", ["FashionMNIST", "CIFAR10"])
def test_somebody_elses_folder_is_not_worked_in(
    key: str, offer: Callable[[str], StubMirror], tmp_path: Path
) -> None:
    mirror = offer(key)
    (tmp_path / "set.part").mkdir()
    (tmp_path / "set.part" / "thesis.tex").write_text("x", encoding="utf-8")
    with pytest.raises(
        DownloadError, match=r"set\.part: is needed for .*, but holds thesis\.tex; name another"
    ):
        ts.data.download(key, tmp_path / "set")
    assert (tmp_path / "set.part" / "thesis.tex").read_text(encoding="utf-8") == "x"
    assert not mirror.asked


def test_a_damaged_file_of_an_earlier_run_is_fetched_again(
    offer: Callable[[str], StubMirror], tmp_path: Path
) -> None:
    offer("CIFAR100")
    work = tmp_path / "set.part"
    work.mkdir()
    (work / "cifar-100-binary.tar.gz").write_bytes(b"damaged")
    assert len(ts.data.CIFAR100(ts.data.download("CIFAR100", tmp_path / "set"))) == 4


def test_a_full_disk_is_foreseen(
    offer: Callable[[str], StubMirror], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = offer("CIFAR10")
    usage = archive_extraction.shutil._ntuple_diskusage(1000, 900, 100)  # type: ignore[attr-defined]
    monkeypatch.setattr(archive_extraction.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DownloadError, match=r"disk has 0\.0 GB left, and downloading CIFAR-10 takes"):
        ts.data.download("CIFAR10", tmp_path / "cifar")
    assert not mirror.asked


# ------------------------------------------------------------------------------------- archives that mean harm


def tar_of(*members: tarfile.TarInfo, content: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for member in members:
            member.size = len(content) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def zip_of(name: str, content: bytes = b"x", mode: int = 0) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        info = zipfile.ZipInfo(name)
        info.filename = info.orig_filename = name  # as another program may have written it
        info.external_attr, info.compress_type = mode << 16, zipfile.ZIP_DEFLATED
        archive.writestr(info, content)
    return buffer.getvalue()


HARMFUL = {
    "up.tar.gz": (tar_of(member("a/../../evil")), "would not lie in the folder"),
    "root.tar.gz": (tar_of(member("/tmp/evil")), "would not lie in the folder"),
    "link.tar.gz": (
        tar_of(member("a", tarfile.SYMTYPE, ".."), member("a/evil")),
        "neither a file nor a folder",
    ),
    "hard.tar.gz": (tar_of(member("a", tarfile.LNKTYPE, "/etc/passwd")), "neither a file nor a folder"),
    "device.tar.gz": (tar_of(member("a", tarfile.CHRTYPE)), "neither a file nor a folder"),
    "pipe.tar.gz": (tar_of(member("a", tarfile.FIFOTYPE)), "neither a file nor a folder"),
    "bomb.tar.gz": (tar_of(member("a"), content=bytes(2 * FREE_BYTES)), "grows implausibly"),
    "up.zip": (zip_of("../evil"), "would not lie in the folder"),
    "root.zip": (zip_of("/tmp/evil"), "would not lie in the folder"),
    "drive.zip": (zip_of("C:/evil"), "would not lie in the folder"),
    "windows.zip": (zip_of("..\\evil"), "would not lie in the folder"),
    "link.zip": (zip_of("a", b"..", stat.S_IFLNK | 0o777), "neither a file nor a folder"),
    "bomb.zip": (zip_of("a", bytes(2 * FREE_BYTES)), "grows implausibly"),
    "broken.zip": (b"PK nothing", "cannot be unpacked"),
    "broken.tar": (b"nothing", "cannot be unpacked"),
    "cut.tar.gz": (tar_of(member("a"), content=CONTENT)[:200], "cannot be unpacked"),
}


@pytest.mark.parametrize("name", HARMFUL)
def test_a_harmful_archive_is_refused_by_name(name: str, tmp_path: Path) -> None:
    content, why = HARMFUL[name]
    archive = tmp_path / name
    archive.write_bytes(content)
    with pytest.raises(DownloadError, match=why) as caught:
        unpack(archive, tmp_path / "deep" / "down", NoProgress())
    assert str(archive) in str(caught.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path != archive]


def test_a_harmful_archive_leaves_no_folder(offer: Callable[[str], StubMirror], tmp_path: Path) -> None:
    mirror = offer("CIFAR10")
    name = SOURCES["CIFAR10"][0].name
    SOURCES["CIFAR10"] = (remote(mirror, name, HARMFUL["link.tar.gz"][0]),)
    with pytest.raises(DownloadError, match="neither a file nor a folder"):
        ts.data.download("CIFAR10", tmp_path / "a")
    assert not (tmp_path / "a").exists()
    SOURCES["CIFAR10"] = (remote(mirror, name, tar_of(member("holiday.jpg"))),)
    with pytest.raises(DownloadError, match=r"not laid out as CIFAR-10 should be: .*there is: holiday\.jpg"):
        ts.data.download("CIFAR10", tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_permissions_of_the_archive_do_not_reach_the_disk(tmp_path: Path) -> None:
    evil = member("tool")
    evil.mode = 0o6777
    (tmp_path / "a.tar.gz").write_bytes(tar_of(evil, content=b"x"))
    unpack(tmp_path / "a.tar.gz", tmp_path / "out", NoProgress())
    assert not (tmp_path / "out" / "tool").stat().st_mode & 0o6111


# ------------------------------------------------------------------------------------------- the command line


def test_the_verb_fetches_and_says_so_once_more(
    offer: Callable[[str], StubMirror], run: Any, tmp_path: Path
) -> None:
    offer("FashionMNIST")
    root = tmp_path / "fashion"
    code, out, error = run("FashionMNIST", root)
    assert code == 0
    assert out == (
        f"{root}: Fashion-MNIST, checked and whole; in Python: ts.data.FashionMNIST('{root.as_posix()}')\n"
    )
    first, *stages = error.splitlines()
    assert first == "twinspect: Fashion-MNIST: licence MIT; https://github.com/zalandoresearch/fashion-mnist"
    assert [stage.partition(",")[0].removeprefix("twinspect: ") for stage in stages] == [
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
    ]
    code, out, _ = run("FashionMNIST", root, "--json")
    assert code == 0
    record = json.loads(out)
    assert (record["path"], record["fetched"], record["licence"]) == (str(root), False, "MIT")


def test_the_verb_lists_every_benchmark(run: Any) -> None:
    code, out, _ = run("--json")
    listed = {entry["name"]: entry for entry in json.loads(out)["benchmarks"]}
    assert code == 0
    assert set(listed) == set(CATALOGUE)
    assert {name for name, entry in listed.items() if entry["direct"]} == set(SOURCES)
    assert listed["VisA"]["bytes"] == 1929840640
    assert listed["MVTecAD"]["page"] == CATALOGUE["MVTecAD"].page
    code, out, _ = run()
    assert code == 0
    assert re.search(r"FashionMNIST +MIT +31 +direct", out)
    assert re.search(r"MVTecAD +CC BY-NC-SA 4.0 +- +https://www.mvtec.com", out)


def test_the_verb_explains_what_it_cannot_do(run: Any, tmp_path: Path) -> None:
    for arguments in (("MVTecAD",), ("MVTecAD", tmp_path / "mvtec")):
        code, _, error = run(*arguments)
        assert code == 2
        assert CATALOGUE["MVTecAD"].page in error
        assert "CC BY-NC-SA 4.0" in error
        assert "unpack it and type ts.data.MVTecAD('FOLDER')" in error
    assert run("FashionMNIST")[::2] == (
        2,
        "twinspect: error: where to? type: twinspect download FashionMNIST DIR\n",
    )
    assert "did you mean 'FashionMNIST'" in run("fashionMNIST", tmp_path)[2]
    assert not list(tmp_path.iterdir())


def test_an_unknown_name_is_answered_in_python_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no benchmark 'VisaA'; did you mean 'VisA'"):
        ts.data.download("VisaA", tmp_path)
    with pytest.raises(
        DownloadError, match="MVTec AD is not downloaded by twinspect: get it from https://www"
    ):
        ts.data.download("MVTecAD", tmp_path / "new")


def test_a_loader_points_to_the_verb_where_it_helps(tmp_path: Path) -> None:
    gone = tmp_path / "my data"
    with pytest.raises(DataError, match=f"or type: twinspect download VisA '{gone}'"):
        ts.data.VisA(gone)
    with pytest.raises(DataError, match="or type: twinspect download VisA DIR"):
        ts.data.VisA(tmp_path)
    with pytest.raises(DataError) as caught:
        ts.data.MVTecAD(gone)
    assert "twinspect download" not in str(caught.value)
