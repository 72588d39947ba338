"""The shape of the code, as docs/conventions.md promises it: sizes, layers, mirrored tests, no stranger's code."""

from __future__ import annotations

import ast
import os
import re
import resource
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import grimp
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "climdiff"
BIN = Path(sys.executable).parent

MAX_FILE_LINES = 400
MAX_BODY_LINES = 60
MAX_HELP_SECONDS = 0.3

# Anything that can run code that a file or a recipe brought along. Keywords are banned in any call.
BANNED_MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
BANNED_CALLS = {
    "eval",
    "exec",
    "__import__",
    "importlib.import_module",
    "importlib.__import__",
    "os.system",
    "os.popen",
    "torch.load",
    "torch.save",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
}
BANNED_KEYWORDS = {"allow_pickle": None, "shell": True}  # None: whatever its value

NEURAL_DOWNSCALERS = {"diffusion", "steering", "one_evaluation", "micro_batches"}


def sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def statements(node: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> list[ast.stmt]:
    """Return what follows the docstring."""
    return node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines from the first statement after the docstring to the last; inner functions count as well."""
    body = statements(function)
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def imported_names(tree: ast.Module) -> dict[str, str]:
    """Return what each imported name stands for: `import torch as t` gives t -> torch."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(
                {a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0] for a in node.names}
            )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.update({a.asname or a.name: f"{node.module}.{a.name}" for a in node.names})
    return names


def dotted(node: ast.expr, names: dict[str, str]) -> str | None:
    """Return the full dotted name of an expression such as `t.load`, or None if it is no plain name."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value, names)
        return f"{owner}.{node.attr}" if owner else None
    return None


def banned(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield (line, what) for every use of something that could run a stranger's code."""
    names = imported_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from ((node.lineno, module) for module in modules if set(module.split(".")) & BANNED_MODULES)
        name = dotted(node, names) if isinstance(node, ast.Name | ast.Attribute) else None
        if name and (name in BANNED_CALLS or name.split(".")[0] in BANNED_MODULES):
            yield node.lineno, name
        if isinstance(node, ast.keyword) and node.arg in BANNED_KEYWORDS:
            value = BANNED_KEYWORDS[node.arg]
            if value is None or not isinstance(node.value, ast.Constant) or node.value.value == value:
                yield node.value.lineno, f"{node.arg}="


@pytest.fixture(scope="module")
def graph():
    """Return every import of the package, read from its source."""
    return grimp.build_graph("climdiff", include_external_packages=True, cache_dir=None)


def test_no_file_is_longer_than_400_lines():
    lengths = {
        name_of(p): len(p.read_text(encoding="utf-8").splitlines())
        for p in [*sources(PACKAGE), *sources(ROOT / "tests")]
    }
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def test_no_function_body_is_longer_than_60_lines():
    lengths = {
        f"{name_of(path)}:{function.lineno} {function.name}": body_lines(function)
        for path in [*sources(PACKAGE), *sources(ROOT / "tests")]
        for function in functions(parsed(path))
    }
    assert {name: lines for name, lines in lengths.items() if lines > MAX_BODY_LINES} == {}


def test_the_docstring_of_a_function_is_not_part_of_its_body():
    tree = ast.parse('def f():\n    """One.\n\n    Two.\n    """\n    a = 1\n\n    return a\n')
    assert body_lines(next(functions(tree))) == 3


def test_every_module_opens_with_a_docstring_whose_first_line_is_a_sentence():
    first = {name_of(path): (ast.get_docstring(parsed(path)) or "").partition("\n")[0] for path in sources(PACKAGE)}
    assert [name for name, line in first.items() if not re.search(r"\w.*[.:?)]$", line)] == []


def test_every_module_has_its_test_at_the_mirrored_path():
    modules = [path.relative_to(PACKAGE) for path in sources(PACKAGE) if path.name != "__init__.py"]
    expected = [ROOT / "tests" / module.parent / f"test_{module.name}" for module in modules]
    assert [name_of(path) for path in expected if not path.is_file()] == []


def test_a_folder_says_what_it_is_for_and_nothing_else():
    folders = [path for path in sources(PACKAGE) if path.name == "__init__.py" and path.parent != PACKAGE]
    assert [name_of(path) for path in folders if statements(parsed(path))] == []
    code_folders = {path.parent for path in sources(PACKAGE)}
    assert [name_of(folder) for folder in code_folders if not (folder / "__init__.py").is_file()] == []


def test_no_file_is_named_for_what_does_not_fit_elsewhere():
    vague = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert [name_of(path) for path in sources(PACKAGE) if path.stem in vague or path.parent.name in vague] == []


def test_netcdf_is_written_in_the_one_place_that_tells_a_full_disk():
    found = [name_of(path) for path in sources(PACKAGE) if ".to_netcdf(" in path.read_text(encoding="utf-8")]
    assert found == ["climdiff/data/netcdf.py"]


def test_nothing_in_the_package_can_run_a_strangers_code():
    found = [f"{name_of(path)}:{line} {what}" for path in sources(PACKAGE) for line, what in banned(parsed(path))]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from pickle import loads",
        "import joblib as j",
        "eval('1')",
        "run = exec",
        "__import__('os')",
        "import torch as t\nt.load('x')",
        "from torch import load as read\nread('x')",
        "import importlib\nimportlib.import_module(name)",
        "import yaml\nyaml.load(text)",
        "import numpy as np\nnp.load('x', allow_pickle=False)",
        "import subprocess\nsubprocess.run('ls', shell=True)",
        "import subprocess\nsubprocess.run('ls', shell=flag)",
        "import os\nos.system('ls')",
    ],
)
def test_the_search_for_such_code_finds_it_under_any_name(code):
    assert list(banned(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "network.eval()",
        "from climdiff.bundle import load\nload('runs/x')",
        "yaml.safe_load(text)",
        "run(args, shell=False)",
    ],
)
def test_the_search_for_such_code_lets_the_harmless_pass(code):
    assert list(banned(ast.parse(code))) == []


def test_the_import_contracts_hold():
    done = subprocess.run([BIN / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_downscaler_that_is_no_network_imports_no_torch(graph):
    plain = graph.find_children("climdiff.downscalers") - {
        f"climdiff.downscalers.{name}" for name in NEURAL_DOWNSCALERS
    }
    chains = [
        graph.find_shortest_chain(importer=module, imported="torch")
        for module in sorted(plain)
        if "torch" in graph.modules
    ]
    assert [chain for chain in chains if chain] == []


def test_a_downscaler_imports_no_other_downscaler(graph):
    """A downscaler is a module that defines `downscale`; what several of them share is none."""
    paths = [path for path in sources(PACKAGE / "downscalers") if path.stem != "contract"]
    makers = [p.stem for p in paths if "downscale" in {function.name for function in functions(parsed(p))}]
    methods = {f"climdiff.downscalers.{name}" for name in makers}
    assert methods
    pairs = [(a, b) for a in sorted(methods) for b in graph.find_modules_directly_imported_by(a) & methods]
    assert pairs == []


def test_every_library_that_is_imported_is_a_declared_dependency(graph):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    declared = {canonicalize_name(Requirement(line).name) for line in lines}
    providers = packages_distributions()
    foreign = {m.partition(".")[0] for m in graph.modules} - {"climdiff"} - set(sys.stdlib_module_names)
    assert [m for m in sorted(foreign) if not {canonicalize_name(p) for p in providers.get(m, [m])} & declared] == []


def test_every_declared_dependency_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = [
        line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if not line.startswith("#")
    ]
    assert [line for line in pins if not re.fullmatch(r"[a-z0-9.-]+==[0-9][0-9a-z.]*", line)] == []
    pinned = {canonicalize_name(line.partition("==")[0]): line.partition("==")[2] for line in pins}
    needed = [
        Requirement(line)
        for line in [
            *project["dependencies"],
            *project["optional-dependencies"]["dev"],
            *project["optional-dependencies"]["bench"],
        ]
    ]
    assert [str(r) for r in needed if not r.specifier.contains(pinned.get(canonicalize_name(r.name), "0"))] == []
    assert pinned["torch"] == "2.13.0"


def help_run(**environment: str) -> tuple[str, str, float]:
    """Return what `climdiff --help` prints to stdout and stderr, and the CPU time it takes [s]."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [BIN / "climdiff", "--help"], capture_output=True, text=True, check=True, env=os.environ | environment
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout, done.stderr, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_help_imports_no_heavy_library():
    _, log, _ = help_run(PYTHONPROFILEIMPORTTIME="1")
    imported = {line.rpartition("|")[2].strip() for line in log.splitlines() if line.startswith("import time:")}
    assert "climdiff.cli" in imported
    heavy = {"torch", "xarray", "matplotlib.pyplot", "numpy", "dask", "zarr", "scipy", "pandas"}
    assert heavy & imported == set()


def test_help_takes_less_than_300_milliseconds():
    """The best of five CPU times: a busy neighbour slows a run down, it never makes one faster."""
    runs = [help_run() for _ in range(5)]
    assert "Usage" in runs[0][0]
    assert min(seconds for _, _, seconds in runs) < MAX_HELP_SECONDS


def test_importing_climdiff_imports_no_heavy_library():
    code = "import climdiff, sys; print(*sorted(sys.modules), sep='\\n'); assert 'load' in dir(climdiff)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"torch", "xarray", "numpy", "matplotlib", "climdiff.bundle"} & set(done.stdout.splitlines()) == set()


def test_an_unknown_public_name_is_an_attribute_error():
    import climdiff

    with pytest.raises(AttributeError, match="has no attribute 'lode'"):
        _ = climdiff.lode


def test_the_citation_names_the_current_version():
    import climdiff

    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: \"?([0-9.]+)\"?$", citation, flags=re.MULTILINE).group(1) == climdiff.__version__
