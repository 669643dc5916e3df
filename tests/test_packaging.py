"""What a user sees of the package before running anything: version, types, names and their documentation."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import inspect
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fastmaml
from fastmaml import version

PACKAGE = Path(fastmaml.__file__).parent
PROJECT = PACKAGE.parent / "pyproject.toml"
PACKAGES = [
    "fastmaml",
    *(f"fastmaml.{path.parent.name}" for path in sorted(PACKAGE.glob("*/__init__.py"))),
]


def test_the_version_stands_in_one_place() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", version.__version__)
    assert fastmaml.__version__ is version.__version__
    literal = repr(version.__version__).strip("'")
    elsewhere = [
        path
        for path in PACKAGE.rglob("*.py")
        if path.name != "version.py" and f'"{literal}"' in path.read_text(encoding="utf-8")
    ]
    assert elsewhere == []


def test_the_installed_version_is_this_one() -> None:
    try:
        installed = importlib.metadata.version("fastmaml")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the package is run from its folder without being installed")
    assert installed == version.__version__


def test_types_are_for_everyone() -> None:
    assert (PACKAGE / "py.typed").is_file()


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    if not PROJECT.is_file():
        pytest.skip("the sources are not here")
    return tomllib.loads(PROJECT.read_text(encoding="utf-8"))


def test_the_metadata_points_to_what_is_there(project: dict[str, Any]) -> None:
    assert "version" in project["project"]["dynamic"]
    assert PROJECT.parent / project["tool"]["hatch"]["version"]["path"] == PACKAGE / "version.py"
    assert (PROJECT.parent / project["project"]["readme"]).is_file()
    for file in project["project"]["license-files"]:
        assert (PROJECT.parent / file).is_file()
    module, _, function = project["project"]["scripts"]["fastmaml"].partition(":")
    assert callable(getattr(importlib.import_module(module), function))


# What is imported, and what it is called where it is installed from.
DISTRIBUTIONS = {"sklearn": "scikit-learn", "llvmlite": "numba"}


def test_what_is_imported_is_declared_and_what_is_declared_is_imported(project: dict[str, Any]) -> None:
    imported = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).partition(".")[0])
    own = {"__future__", "fastmaml"}
    others = {DISTRIBUTIONS.get(n, n) for n in imported - sys.stdlib_module_names - own}
    # Pictures are imported where they are drawn.
    needed = project["project"]["dependencies"] + project["project"]["optional-dependencies"]["plot"]
    assert others == {re.split(r"[<>=~!\[;]", line)[0].strip() for line in needed}
    assert all(">=" in line for line in needed)  # Each with a lower bound that was tried.


# Public names


def bound_names(tree: ast.Module) -> set[str]:
    """Return what a module binds that is the package's: its definitions, and its imports from the package."""
    bound = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == "fastmaml":
            bound |= {alias.asname or alias.name for alias in node.names}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.Assign):
            bound |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return bound


@pytest.mark.parametrize("name", PACKAGES)
def test_all_is_complete(name: str) -> None:
    module = importlib.import_module(name)
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    public = {n for n in bound_names(tree) if not n.startswith("_") or n == "__version__"}
    exported = list(getattr(module, "__all__", []))
    assert len(exported) == len(set(exported))
    assert set(exported) == public
    for n in exported:
        assert getattr(module, n) is not None
        assert n in dir(module)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'fastmaml' has no attribute 'NAML'"):
        fastmaml.NAML  # noqa: B018


def test_the_readers_names_are_there() -> None:
    assert {"MAML", "sample_points", "TaskSet", "__version__"} <= set(fastmaml.__all__)


# Documentation, in numpydoc's form

SECTION = re.compile(r"^(?P<title>[A-Z][A-Za-z ]+)\n-{3,}$", re.MULTILINE)


def sections(documented: Any) -> dict[str, str]:
    """Cut a docstring into its sections; the summary is under the empty title."""
    doc = inspect.getdoc(documented) or ""
    pieces = SECTION.split(doc)
    return {"": pieces[0], **dict(zip(pieces[1::2], pieces[2::2], strict=True))}


def entries(section: str) -> dict[str, str]:
    """Return what a section says about each name: type and description."""
    described: dict[str, str] = {}
    names: list[str] = []
    for line in section.strip("\n").splitlines():
        if line and not line.startswith(" "):
            head, _, kind = line.partition(":")
            names = [name.strip().lstrip("*") for name in head.split(",")]
            described |= dict.fromkeys(names, kind.strip())
        else:
            for name in names:
                described[name] += " " + line.strip()
    return described


def parameters(function: Callable[..., Any]) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self"]


PUBLIC = {name: getattr(fastmaml, name) for name in fastmaml.__all__ if name != "__version__"}
CLASSES = {name: thing for name, thing in PUBLIC.items() if inspect.isclass(thing)}
NAMED_TUPLES = {name for name, thing in CLASSES.items() if hasattr(thing, "_fields")}


def functions() -> dict[str, Callable[..., Any]]:
    """Return public functions and the public methods of public classes."""
    found = {name: thing for name, thing in PUBLIC.items() if inspect.isfunction(thing)}
    for name, thing in CLASSES.items():
        for attribute, member in vars(thing).items():
            if isinstance(member, classmethod | staticmethod):
                member = member.__func__  # noqa: PLW2901
            if inspect.isfunction(member) and not attribute.startswith("_") and name not in NAMED_TUPLES:
                found[f"{name}.{attribute}"] = member
    return found


FUNCTIONS = functions()


def test_there_is_something_to_check() -> None:
    assert {
        "MAML.train",
        "MAML.adapt",
        "TaskSet.from_groups",
        "AdaptedModel.predict",
        "sample_points",
    } <= set(FUNCTIONS)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_a_docstring(name: str) -> None:
    summary = sections(PUBLIC[name])[""].strip()
    assert summary.splitlines()[0].endswith(".")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_parameter_of_a_function_is_described(name: str) -> None:
    function = FUNCTIONS[name]
    documented = sections(function)
    assert documented[""].strip()
    wanted = [parameter for parameter in parameters(function) if parameter != "cls"]
    elsewhere = re.search(r"[Ss]ee `(\w+)`", documented[""])
    if elsewhere is not None and "Parameters" not in documented:
        documented = sections(FUNCTIONS[f"{name.partition('.')[0]}.{elsewhere[1]}"])
    described = entries(documented.get("Parameters", ""))
    assert list(described) == wanted
    assert all(text.strip() for text in described.values())


@pytest.mark.parametrize("name", sorted(set(CLASSES) - NAMED_TUPLES))
def test_every_parameter_of_a_class_is_described(name: str) -> None:
    described = entries(sections(CLASSES[name])["Parameters"])
    assert list(described) == parameters(CLASSES[name].__init__)
    assert all(text.strip() for text in described.values())


@pytest.mark.parametrize("name", sorted(NAMED_TUPLES))
def test_every_field_of_a_named_tuple_is_described(name: str) -> None:
    described = entries(sections(CLASSES[name])["Attributes"])
    assert sorted(described) == sorted(CLASSES[name]._fields)
    assert all(text.strip() for text in described.values())


@pytest.mark.parametrize("name", CLASSES)
def test_every_property_is_described(name: str) -> None:
    for attribute, member in vars(CLASSES[name]).items():
        if isinstance(member, property) and not attribute.startswith("_"):
            assert inspect.getdoc(member), f"{name}.{attribute}"


def test_defaults_are_described_as_they_are() -> None:
    described = entries(sections(fastmaml.MAML)["Parameters"])
    for name, parameter in inspect.signature(fastmaml.MAML).parameters.items():
        stated = re.search(r"default=([^ ,]+)", described[name])
        if stated is None:
            assert parameter.default is None, name
            assert "optional" in described[name], name
        else:
            assert ast.literal_eval(stated[1]) == parameter.default, name


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("x : int\n    One.\n", {"x": "int One."}),
        ("x, y : int, optional\n    Both.\n", {"x": "int, optional Both.", "y": "int, optional Both."}),
        ("x\n    Without a type.\ny : int", {"x": " Without a type.", "y": "int"}),
    ],
)
def test_the_reader_of_sections_reads(section: str, expected: dict[str, str]) -> None:
    assert entries(section) == expected
