"""The house keeps its shape: what is public, what is imported when, and which way imports point."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import twinspect

PACKAGE = Path(twinspect.__file__).parent
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

FLOORS = {
    0: (
        "errors",
        "_version",
        "files",
        "memory",
        "footprint",
        "devices",
        "progress",
        "maps",
        "losses",
        "metrics",
        "evidence",
        "tiling",
        "blending",
        "spacing",
        "optimizers",
        "looks",
        "toml",
        "ranks",
    ),
    1: ("images", "decoding", "data", "teachers", "nets", "synthesis"),
    2: ("methods",),
    3: (
        "scores",
        "rows",
        "scorable",
        "model",
        "joined_model",
        "tiled_model",
        "pictures",
        "leave_one_out",
        "batches",
        "best",
        "training",
        "checkpoint",
        "calibration",
        "bundle",
        "weights_file",
        "describing",
        "sealed",
        "kept_images",
        "torch_engine",
        "scoring",
        "fitting",
        "lines",
        "kinds",
        "objects",
        "measuring",
    ),
    4: ("judging", "runtime", "trained", "detector", "joining", "loading", "evaluation", "trial", "features"),
    5: ("cli", "export", "report", "serve", "benchmark", "scale", "__main__"),
}
LEVEL = {name: level for level, names in FLOORS.items() for name in names}


def test_the_public_names() -> None:
    assert twinspect.__all__ == [
        "Detector",
        "Scores",
        "__version__",
        "data",
        "errors",
        "evaluate",
        "load",
        "methods",
        "noisy_or",
        "teachers",
    ]
    assert all(getattr(twinspect, name) is not None for name in twinspect.__all__)


def test_doors_that_share_a_packages_name_stay_functions() -> None:
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
def test_the_first_answer_imports_nothing_heavy(code: str) -> None:
    check = f"{code}\nimport sys\nprint('HEAVY', [n for n in {HEAVY!r} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "HEAVY []"


def imports(path: Path) -> set[str]:
    """Top-level parts of the package that a file imports when it runs, type-checking blocks left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("twinspect"):
            names = (
                [node.module] if node.module != "twinspect" else [f"twinspect.{a.name}" for a in node.names]
            )
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith("twinspect.")]
        else:
            continue
        found |= {name.split(".")[1] for name in names}
    return found


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_imports_point_down(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own == "__init__":
        return
    above = {name for name in imports(path) if LEVEL[name] > LEVEL[own]}
    assert not above, f"{own} (floor {LEVEL[own]}) imports {above}"


@pytest.mark.parametrize("edge", FLOORS[5][:-1])
def test_edges_import_no_method_and_no_network(edge: str) -> None:
    for path in (PACKAGE / edge).rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "twinspect.methods.mkd" not in text
        assert not imports(path) & {
            "model",
            "joined_model",
            "tiled_model",
            "pictures",
            "training",
            "nets",
            "maps",
            "losses",
        }, path


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
