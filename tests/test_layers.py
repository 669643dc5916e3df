"""Imports point downward, and compile flags are decided in one module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import fastmaml

PACKAGE = Path(fastmaml.__file__).parent

# From the top to the bottom. A module may import what stands in a lower layer: nothing above, nothing beside
# it, not even inside a function or for its types alone.
LAYERS: list[tuple[str, ...]] = [
    ("fastmaml.__main__",),
    ("fastmaml.cli",),
    ("fastmaml",),
    ("fastmaml.notebook", "fastmaml.gradient_check", "fastmaml.estimators"),
    ("fastmaml.meta_learning",),
    ("fastmaml.evaluation",),
    ("fastmaml.task_adapter", "fastmaml.group_adapter"),
    ("fastmaml.learner", "fastmaml.adapted", "fastmaml.pooled"),
    ("fastmaml.training", "fastmaml.sampling"),
    ("fastmaml.ways", "fastmaml.encoding"),
    (
        "fastmaml.tables",
        "fastmaml.reporting",
        "fastmaml.random_state",
        "fastmaml.scaling",
        "fastmaml.intervals",
    ),
    ("fastmaml.engine",),
    ("fastmaml.algorithms",),
    ("fastmaml.models", "fastmaml.sources", "fastmaml.optimizers"),
    ("fastmaml.tasks",),
    ("fastmaml.task_makers", "fastmaml.plotting"),
    (
        "fastmaml.labels",
        "fastmaml.validation",
        "fastmaml.frames",
        "fastmaml.table_files",
        "fastmaml.task_summary",
        "fastmaml.writing",
    ),
    ("fastmaml.arrays", "fastmaml.warning"),
    ("fastmaml.numerics",),
    ("fastmaml.runtime",),
    ("fastmaml.version",),
]
# Packages that stand in `LAYERS` as one.
PACKAGES = {
    "fastmaml.cli",
    "fastmaml.evaluation",
    "fastmaml.plotting",
    "fastmaml.estimators",
    "fastmaml.engine",
    "fastmaml.algorithms",
    "fastmaml.models",
    "fastmaml.sources",
    "fastmaml.optimizers",
    "fastmaml.numerics",
    "fastmaml.runtime",
}
KINDS = ("algorithms", "models", "sources", "optimizers")
# Kinds of part that only models are made of.
MODEL_KINDS = ("fastmaml.models.losses", "fastmaml.models.activations")
# What implementations of a kind have in common.
SHARED = {
    "fastmaml.algorithms.algorithm",
    "fastmaml.algorithms.inner_loop",
    # ANIL and Meta-SGD are MAML with other numbers.
    "fastmaml.algorithms.maml",
    "fastmaml.models.activations",
    "fastmaml.models.initializers",
    "fastmaml.models.layers",
    "fastmaml.models.losses",
    "fastmaml.models.model",
    "fastmaml.models.network",
    "fastmaml.models.single_layer",
    "fastmaml.optimizers.optimizer",
    "fastmaml.optimizers.outer_rate",
    "fastmaml.sources.shuffling",
    "fastmaml.sources.source",
}
RUNTIME = [
    ("information",),
    ("helper",),
    ("launch", "together"),
    ("entry", "dispatch", "intrinsics"),
    ("compilation", "emission"),
    ("cache", "threads", "interruption", "libraries"),
]
# The cache asks the registry, at run time, which modules a spec's code comes from.
RUNTIME_UPWARD = {("cache", "dispatch")}

FLAG_MODULE = "fastmaml.runtime.compilation"
COMPILERS = {"njit", "jit", "vectorize", "guvectorize", "cfunc", "stencil", "jitclass", "register_jitable"}
FLAGS = {
    "boundscheck",
    "cache",
    "error_model",
    "fastmath",
    "forceinline",
    "forceobj",
    "inline",
    "no_cfunc_wrapper",
    "no_cpython_wrapper",
    "nogil",
    "nopython",
}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}


# The sets of flags that may be used by name.
FLAG_SETS = {
    node.target.id
    for node in TREES[FLAG_MODULE].body
    if isinstance(node, ast.AnnAssign)
    and isinstance(node.target, ast.Name)
    and node.target.id.endswith("_FLAGS")
}


def imported(name: str, tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield every module of the package that a source imports, anywhere in it, with the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}:{node.lineno} imports relatively"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield (inner if inner in SOURCES else str(node.module)), node.lineno


def own_imports(name: str, tree: ast.AST) -> list[tuple[str, int]]:
    return [(target, line) for target, line in imported(name, tree) if target.partition(".")[0] == "fastmaml"]


def place(module: str) -> str:
    """Return the name under which a module stands in `LAYERS`."""
    package = ".".join(module.split(".")[:2])
    return package if package in PACKAGES else module


def depth(module: str) -> int:
    return next(i for i, layer in enumerate(LAYERS) if place(module) in layer)


def upward(name: str, tree: ast.AST) -> list[str]:
    """List the imports of a source that do not point to a layer further down."""
    return [
        f"{name}:{line} imports {target}"
        for target, line in own_imports(name, tree)
        if place(target) != place(name) and depth(target) <= depth(name)
    ]


def test_every_module_has_its_layer() -> None:
    listed = [module for layer in LAYERS for module in layer]
    assert len(set(listed)) == len(listed)
    assert {place(name) for name in SOURCES} == set(listed)


@pytest.mark.parametrize("name", SOURCES)
def test_nothing_imports_upward(name: str) -> None:
    assert upward(name, TREES[name]) == []


@pytest.mark.parametrize(
    ("name", "source", "wrong"),
    [
        ("fastmaml.engine.loop", "from fastmaml.training import Training", True),
        ("fastmaml.engine.loop", "def f():\n    from fastmaml import training", True),
        ("fastmaml.engine.loop", "import fastmaml", True),
        ("fastmaml.numerics.philox", "import fastmaml.engine.work", True),
        ("fastmaml.models.logistic", "from fastmaml.sources import draw", True),
        ("fastmaml.models.logistic", "from fastmaml.models.contract import predict", False),
        ("fastmaml.engine.loop", "import numpy\nfrom fastmaml.engine.outer_step import RUNNING", False),
    ],
)
def test_the_check_sees_what_it_should(name: str, source: str, wrong: bool) -> None:
    assert bool(upward(name, ast.parse(source))) is wrong


@pytest.mark.parametrize("package", [*(f"fastmaml.{kind}" for kind in KINDS), *MODEL_KINDS])
def test_an_implementation_knows_the_contract_and_no_other_implementation(package: str) -> None:
    assert f"{package}.contract" in SOURCES
    for name, tree in TREES.items():
        # What a package exports is imported in its own file.
        if name.rpartition(".")[0] == package and name not in MODEL_KINDS:
            imported = {target for target, _ in own_imports(name, tree)}
            inside = {target for target in imported if target.startswith(f"{package}.")}
            allowed = set() if name.endswith(".contract") else {f"{package}.contract"} | SHARED
            assert inside <= allowed - {name}, name


def test_parts_reach_each_other_through_contracts_alone() -> None:
    implementations = {
        name
        for name in SOURCES
        if name.count(".") == 2
        and name.split(".")[1] in KINDS
        and not name.endswith(".contract")
        and name not in SHARED
    }
    assert implementations
    for name, tree in TREES.items():
        if place(name).removeprefix("fastmaml.") in KINDS and name not in PACKAGES:
            assert not implementations & {target for target, _ in own_imports(name, tree)}, name


def test_the_runtime_is_layered_too() -> None:
    level = {module: i for i, layer in enumerate(RUNTIME) for module in layer}
    modules = {name.rpartition(".")[2] for name in SOURCES if name.startswith("fastmaml.runtime.")}
    assert modules == set(level)
    seen = set()
    for module in modules:
        for target, line in own_imports(module, TREES[f"fastmaml.runtime.{module}"]):
            if place(target) == "fastmaml.runtime":
                other = target.rpartition(".")[2]
                seen.add((module, other))
                if (module, other) not in RUNTIME_UPWARD:
                    assert level[other] > level[module], f"{module}:{line} imports {other}"
    assert seen >= RUNTIME_UPWARD


def test_the_oracle_imports_nothing_of_the_package() -> None:
    oracle = Path(__file__).with_name("naive.py")
    assert own_imports("naive", ast.parse(oracle.read_text(encoding="utf-8"))) == []


def flag_uses(tree: ast.AST) -> list[str]:
    """List where a source compiles with flags of its own."""
    uses = []
    for node in ast.walk(tree):
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        if name in COMPILERS:
            uses.append(f"line {node.lineno}: {name}")
        if isinstance(node, ast.ImportFrom):
            uses += [f"line {node.lineno}: import {a.name}" for a in node.names if a.name in COMPILERS]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            function = ast.unparse(node.func).rpartition(".")[2]
            for keyword in node.keywords:
                value = ast.unparse(keyword.value)
                if (
                    keyword.arg in FLAGS
                    or (keyword.arg == "parallel" and function != "driver")
                    or (keyword.arg == "jit_options" and value not in FLAG_SETS)
                ):
                    uses.append(f"line {node.lineno}: {function}({keyword.arg}={value})")
            if function.startswith("overload") and "jit_options" not in {k.arg for k in node.keywords}:
                uses.append(f"line {node.lineno}: {function} without jit_options")
    return uses


@pytest.mark.parametrize("name", [name for name in SOURCES if name != FLAG_MODULE])
def test_compile_flags_stand_in_one_module(name: str) -> None:
    assert flag_uses(TREES[name]) == []


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("import numba\n@numba.njit\ndef f(): pass", True),
        ("def g():\n    from numba import njit as compiled", True),
        ("import numba\nnumba.jit(fastmath=True)(f)", True),
        ("overload(f)(g)", True),
        ("overload(f, jit_options={'nogil': True})(g)", True),
        ("overload(f, jit_options=KERNEL_FLAGS)(g)", False),
        ("f = driver(g, parallel=True)", False),
        ("f = wrap(g, parallel=True)", True),
    ],
)
def test_the_check_of_flags_sees_what_it_should(source: str, wrong: bool) -> None:
    assert bool(flag_uses(ast.parse(source))) is wrong


def test_flags_keep_nan_and_infinity() -> None:
    from fastmaml.runtime import compilation

    assert {"KERNEL_FLAGS", "EXACT_FLAGS", "DRIVER_FLAGS"} <= FLAG_SETS
    for name in FLAG_SETS:
        flags = getattr(compilation, name)
        assert not {"nnan", "ninf", "fast"} & set(flags["fastmath"]), name
        assert flags["error_model"] == "numpy", name
    assert "reassoc" not in compilation.EXACT_FLAGS["fastmath"]
