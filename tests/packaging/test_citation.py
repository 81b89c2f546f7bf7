"""Files about the project: they can be read, and say the same as the package."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import twinspect as ts
from twinspect.utils.toml import parse_toml

ROOT = Path(__file__).resolve().parents[2]
yaml = pytest.importorskip("yaml")


def test_the_citation_names_this_version_and_every_paper() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == ts.__version__
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    for reference in citation["references"]:
        assert reference["title"]
        assert reference["type"] in {"article", "conference-paper"}
        assert all(author["family-names"] and author["given-names"] for author in reference["authors"])
    cited = {
        each["value"] for reference in citation["references"] for each in reference.get("identifiers", ())
    }
    sources = "\n".join(info.source for info in ts.methods().values())
    assert {f"arXiv:{number}" for number in re.findall(r"arXiv (\d{4}\.\d{4,5})", sources)} <= cited


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda path: path.name)
def test_issue_forms_are_as_github_reads_them(path: Path) -> None:
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path.name == "config.yml":
        assert all({"name", "url", "about"} == link.keys() for link in form["contact_links"])
        return
    assert {"name", "description", "body"} <= form.keys()
    ids = [field["id"] for field in form["body"]]
    assert len(ids) == len(set(ids))
    assert all(
        field["type"] in {"textarea", "input"} and field["attributes"]["label"] for field in form["body"]
    )


def test_versions_of_python_are_those_that_are_allowed() -> None:
    project = parse_toml((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = [each.rpartition(" ")[2] for each in project["classifiers"] if re.search(r":: 3\.\d+$", each)]
    assert versions[0] == project["requires-python"].removeprefix(">=")
    assert {"Homepage", "Documentation", "Source", "Issues", "Changelog"} <= project["urls"].keys()
