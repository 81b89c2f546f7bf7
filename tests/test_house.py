"""The architecture: what is public, what is imported when, and which way imports point."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import twinspect

PACKAGE = Path(twinspect.__file__).parent
ROOT = Path(__file__).parents[1]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
HEAVY = (
    "torch",
    "timm",
    "lightning_fabric",
    "matplotlib",
    "pyarrow",
    "scipy",
    "skimage",
    "PIL",
    "numpy",
    "rich",
    "ray",
    "fsspec",
    "pandas",
)

# The architecture, from the ground up: a package or top-level file imports only from lines above its own.
LAYERS = (
    {"errors", "_lazy", "_version", "maps"},
    {"utils"},
    {"images", "metrics"},
    {"data", "teachers"},
    {"synthesis", "calibration", "bundle", "regions", "drawing"},
    {"methods"},
    {"model"},
    {"inference"},
    {"training"},
    {"detector"},
    {"ensemble", "evaluation"},
    {"loading", "report"},
    {"export", "serve", "benchmark", "testing"},
    {"comparison", "scale"},
    {"cli"},
    {"__main__"},
)
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}
EDGES = ("report", "export", "serve", "benchmark", "scale", "cli")


def test_the_public_names() -> None:
    assert twinspect.__all__ == [
        "Detector",
        "Scores",
        "__version__",
        "compare",
        "data",
        "errors",
        "evaluate",
        "load",
        "methods",
        "noisy_or",
        "teachers",
    ]
    assert all(getattr(twinspect, name) is not None for name in twinspect.__all__)


def test_public_functions_that_share_a_packages_name_stay_functions() -> None:
    import twinspect.methods.mkd
    import twinspect.teachers.base

    assert "mkd" in twinspect.methods()
    assert "resnet18" in twinspect.teachers()


@pytest.mark.parametrize(
    "code",
    [
        "import twinspect",
        "import twinspect; twinspect.methods()",
        "from twinspect.cli import main; main(['--help'])",
        "from twinspect.cli import main; main(['score', '--help'])",
        "from twinspect.cli import main; main(['benchmark', '--help'])",
        "from twinspect.cli import main; main(['plan', '--help'])",
        "from twinspect.cli import main; main(['--version'])",
    ],
)
def test_help_imports_nothing_heavy(code: str) -> None:
    check = f"{code}\nimport sys\nprint('HEAVY', [n for n in {HEAVY!r} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "HEAVY []"


MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


@cache
def imports(module: str) -> frozenset[str]:
    """Modules of the package that a module imports anywhere, for types too."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    ours = {name for name in names if name.startswith("twinspect.")}
    return frozenset(name if name in MODULES else name.rpartition(".")[0] for name in ours)


def top(module: str) -> str:
    """The package or top-level file that a module belongs to."""
    return module.split(".")[1]


@pytest.mark.parametrize("module", [name for name in MODULES if name != "twinspect"])
def test_imports_point_down(module: str) -> None:
    others = {top(name) for name in imports(module) if name != "twinspect"} - {top(module)}
    above = {name for name in others if LAYER[name] >= LAYER[top(module)]}
    assert not above, f"{module} (layer {LAYER[top(module)]}) imports {above}"


def test_modules_import_in_no_circle() -> None:
    graph = {name: imports(name) - {"twinspect"} for name in MODULES if name != "twinspect"}
    # A package's __init__ re-exports names; modules of the package import them from where they are defined.
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("edge", EDGES)
def test_edges_import_no_method_and_no_network(edge: str) -> None:
    for module in (name for name in MODULES if name.startswith(f"twinspect.{edge}.")):
        assert "twinspect.methods.mkd" not in MODULES[module].read_text(encoding="utf-8")
        networks = {
            name
            for name in imports(module) - {"twinspect.model.base"}
            if top(name) in {"model", "maps"} or ".methods.networks" in name
        }
        assert not networks | imports(module) & {"twinspect.methods.losses", "twinspect.training.trainer"}, (
            module
        )


def test_files_are_few_short_and_distinctly_named() -> None:
    files = list(PACKAGE.glob("*.py"))
    assert len(files) <= 8
    verbs = {path.stem for path in (PACKAGE / "cli").glob("*.py")}
    modules = [path for path in MODULES.values() if path.parent != PACKAGE / "cli" / "options"]
    counts = Counter(path.stem for path in modules if path.stem not in {"base", "__init__"})
    often = {name for name, count in counts.items() if count - (name in verbs) > 2}
    assert not often, "module names that stand for three things"
    long = {name for name, path in MODULES.items() if len(path.read_text("utf-8").splitlines()) > 450}
    assert not long, "files of more than 450 lines"


def test_contributing_states_the_layers() -> None:
    rows = re.findall(r"^\| \d+ \| ([^|]+) \|", CONTRIBUTING, re.MULTILINE)
    assert tuple(set(re.findall(r"`(\w+)(?:/|\.py)`", row)) for row in rows) == LAYERS


def test_contributing_names_paths_that_exist() -> None:
    named = set(re.findall(r"\b(?:\w+/)+(?:\w+\.(?:py|md|csv)\b|(?=`))", CONTRIBUTING)) - {
        "src/twinspect/methods/yours.py"
    }
    assert len(named) > 40
    assert not {path for path in named if not (ROOT / path).exists() and not (PACKAGE / path).exists()}


def test_nothing_pickled_is_loaded() -> None:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "torch.load",
                "pickle.load",
                "pickle.loads",
                "np.load",
            ):
                call = ast.unparse(node)
                safe = "allow_pickle=False" if call.startswith("np.load") else "weights_only=True"
                assert safe in call, f"{path}: {call}"
