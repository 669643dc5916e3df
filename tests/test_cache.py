"""The disk cache: it saves time, and never hands out other code, older code or broken code."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pickle
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np
import pytest
from numba import types
from numba.core import config

import fastmaml
from fastmaml.runtime import cache
from fastmaml.runtime.compilation import driver
from fastmaml.runtime.dispatch import contract

PACKAGE = Path(fastmaml.__file__).parent
SECONDS = 240  # Long past what anything here takes; only a process that hangs gets there.


# ------------------------------------------------------------------------------------------------------------
# Inside one process: a driver that has just been made stands for a new process.
# ------------------------------------------------------------------------------------------------------------


def scale(factor: Any, values: Any) -> None:
    for k in range(values.size):
        values[k] *= factor


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FASTMAML_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def kernels(folder: Path) -> list[Path]:
    """Return the files of a cache folder, of which nothing else may be there."""
    files = sorted(folder.iterdir()) if folder.exists() else []
    assert all(file.suffix == ".kernel" for file in files), files
    return files


def loaded(function: Callable[..., None] = scale, dtype: Any = np.float64) -> bool:
    """Run a new driver; check its numbers; tell whether it was loaded rather than compiled."""
    dispatcher: Any = driver(function)
    values = np.arange(5, dtype=dtype)
    dispatcher(3.0, values)
    np.testing.assert_array_equal(values, 3.0 * np.arange(5))
    stats = dispatcher.stats
    hits, misses = sum(stats.cache_hits.values()), sum(stats.cache_misses.values())
    assert hits + misses == 1
    return bool(hits)


def test_the_folder_is_chosen_by_the_environment_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTMAML_CACHE_DIR", "/somewhere/else")
    assert cache.cache_folder() == Path("/somewhere/else")
    monkeypatch.delenv("FASTMAML_CACHE_DIR")
    default = cache.cache_folder()
    assert default.is_absolute()
    assert "fastmaml" in default.parts
    monkeypatch.setenv("FASTMAML_CACHE_DIR", "")
    assert cache.cache_folder() == default


@pytest.mark.compiled
def test_compiled_once_for_each_type(folder: Path) -> None:
    assert not loaded()
    assert len(kernels(folder)) == 1
    assert loaded()
    assert not loaded(dtype=np.float32)
    assert len(kernels(folder)) == 2
    assert loaded()
    assert loaded(dtype=np.float32)


@pytest.mark.compiled
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_files_are_the_owners_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTMAML_CACHE_DIR", str(tmp_path / "new" / "cache"))
    before = os.umask(0)
    try:
        loaded()
    finally:
        os.umask(before)
    folder = tmp_path / "new" / "cache"
    (file,) = kernels(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def flip(content: bytes, place: int) -> bytes:
    damaged = bytearray(content)
    damaged[place] ^= 1
    return bytes(damaged)


def signed(payload: bytes) -> bytes:
    return hashlib.sha256(payload).digest() + payload


@pytest.mark.compiled
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: cache.DIGEST_BYTES],
        lambda content: content[: len(content) // 2],
        lambda content: flip(content, 0),
        lambda content: flip(content, len(content) // 2),
        lambda content: content + b"\0",
        lambda content: signed(b"no pickle"),
        lambda content: signed(pickle.dumps(("another", "form"))),
    ],
    ids=["empty", "digest-alone", "cut", "digest", "payload", "longer", "no-pickle", "another-form"],
)
def test_a_damaged_file_is_ignored_and_replaced(folder: Path, damage: Callable[[bytes], bytes]) -> None:
    loaded()
    (file,) = kernels(folder)
    file.write_bytes(damage(file.read_bytes()))
    assert not loaded()
    assert kernels(folder) == [file]
    assert loaded()


@pytest.mark.compiled
def test_a_folder_that_cannot_be_made_costs_a_compilation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("FASTMAML_CACHE_DIR", str(tmp_path / "file" / "cache"))
    assert not loaded()
    assert not loaded()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.compiled
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is closed to this user")
def test_a_folder_that_cannot_be_written_is_still_read(folder: Path) -> None:
    loaded()
    folder.chmod(0o500)
    try:
        assert loaded()
        assert not loaded(dtype=np.float32)
    finally:
        folder.chmod(0o700)
    assert len(kernels(folder)) == 1


@pytest.mark.compiled
def test_what_the_disk_refuses_leaves_nothing_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        assert not loaded()
    assert kernels(folder) == []
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            loaded()
    assert kernels(folder) == []
    assert not loaded()
    with monkeypatch.context() as patch:
        patch.setattr(os, "utime", full)
        assert loaded()


@pytest.mark.compiled
def test_what_nothing_loads_any_more_is_dropped(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    now = time.time()
    ages = {"old.kernel": 61, "fresh.kernel": 59, ".writing-old": 61, ".writing-fresh": 0, "notes.txt": 999}
    for name, days in ages.items():
        (folder / name).write_text(name)
        os.utime(folder / name, (now - days * 86400,) * 2)
    loaded()
    left = {path.name for path in folder.iterdir()}
    assert left >= {"fresh.kernel", ".writing-fresh", "notes.txt"}
    assert not left & {"old.kernel", ".writing-old"}

    (own,) = (file for file in folder.glob("*.kernel") if file.name != "fresh.kernel")
    os.utime(own, (now - 61 * 86400,) * 2)
    assert loaded()  # This says that it is in use.
    assert own.stat().st_mtime > now - 60
    loaded(dtype=np.float32)  # This drops what is not.
    assert own.exists()


def path_of(dispatcher: Any, *signature: Any) -> Path | None:
    return dispatcher._cache._path(signature, dispatcher.targetctx)


@pytest.mark.compiled
def test_versions_flags_and_sources_are_in_the_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def other(factor: Any, values: Any) -> None: ...

    signature = (types.float64, types.float64[::1])
    serial = driver(scale)
    first = path_of(serial, *signature)
    assert first is not None
    assert first.parent == folder
    assert path_of(driver(scale), *signature) == first
    paths = {
        first,
        path_of(driver(scale, parallel=True), *signature),
        path_of(driver(other), *signature),
        path_of(serial, types.float64, types.float64[:]),
    }
    for name in ("platform_stamp", "package_stamp"):
        with monkeypatch.context() as patch:
            patch.setattr(cache, name, lambda: "another")
            paths.add(path_of(serial, *signature))
    assert len(paths) == 6


@pytest.mark.parametrize(
    ("where", "name"),
    [
        (numba, "__version__"),
        (cache.llvmlite, "__version__"),
        (np, "__version__"),
        (config, "OPT"),
        (config, "LOOP_VECTORIZE"),
        (config, "SLP_VECTORIZE"),
        (config, "ENABLE_AVX"),
        (config, "BOUNDSCHECK"),
        (config, "DEBUGINFO_DEFAULT"),
    ],
    ids=str,
)
def test_the_platform_stamp_sees_versions_and_settings(
    monkeypatch: pytest.MonkeyPatch, where: Any, name: str
) -> None:
    before = cache.platform_stamp.__wrapped__()
    assert cache.platform_stamp.__wrapped__() == before
    monkeypatch.setattr(where, name, "another")
    assert cache.platform_stamp.__wrapped__() != before


def copied_package(tmp_path: Path) -> Path:
    """Copy the package's sources, and return where."""
    shutil.copytree(PACKAGE, tmp_path / "fastmaml", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "fastmaml"


def test_the_package_stamp_sees_every_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = copied_package(tmp_path)
    monkeypatch.setattr(cache, "PACKAGE_FOLDER", copy)
    stamp = cache.package_stamp.__wrapped__
    stamps = [stamp()]
    modules = sorted(copy.rglob("*.py"))
    assert len(modules) > 20
    for module in modules:
        source = module.read_bytes()
        module.write_bytes(source + b"\n# edited\n")
        stamps.append(stamp())
        module.write_bytes(source)
        assert stamp() == stamps[0]
    moved = copy / "models" / "logistic.py"
    moved.rename(copy / "models" / "logistics.py")
    stamps.append(stamp())
    (copy / "models" / "logistics.py").unlink()
    stamps.append(stamp())
    (copy / "models" / "new.py").touch()
    stamps.append(stamp())
    assert len(set(stamps)) == len(stamps)


# Parts of the user's own, in modules of the user's own.

SPEC_MODULE = """
from typing import NamedTuple

from test_cache_host import amount


class Spec(NamedTuple):
    rate: float


@amount.register(Spec)
def _amount(spec, x):
    return {formula}
"""


@contract
def amount(spec: Any, x: Any) -> Any:
    """Return an amount."""


def twice(first: Any, second: Any, values: Any) -> None:
    values[0] = amount(first, values[0])
    values[0] = amount(second, values[0])


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], Any]]:
    """Yield a function that writes and imports a module with a part of its own."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "test_cache_host", sys.modules[__name__])
    made = []

    def make(name: str, formula: str) -> Any:
        (tmp_path / f"{name}.py").write_text(SPEC_MODULE.format(formula=formula))
        module = __import__(name)
        made.append(module)
        return module

    yield make
    for module in made:
        sys.modules.pop(module.__name__, None)
        amount.registry.pop(module.Spec)


@pytest.mark.compiled
def test_specs_of_one_name_are_told_apart_by_place(folder: Path, modules: Callable[[str, str], Any]) -> None:
    left, right = modules("cache_left", "x + spec.rate"), modules("cache_right", "x * spec.rate")
    for hit in (False, True):
        for first, second, expected in (
            (left, left, 16.0),
            (left, right, 39.0),
            (right, left, 33.0),
            (right, right, 90.0),
        ):
            dispatcher: Any = driver(twice)
            values = np.array([10.0])
            dispatcher(first.Spec(3.0), second.Spec(3.0), values)
            assert values[0] == expected
            assert bool(dispatcher.stats.cache_hits) is hit
    assert len(kernels(folder)) == 4


def run_once(spec: Any) -> tuple[float, bool]:
    """Run a new driver on a spec, twice; return the number and whether it was loaded."""
    dispatcher: Any = driver(twice)
    values = np.array([10.0])
    dispatcher(spec, spec, values)
    return float(values[0]), bool(dispatcher.stats.cache_hits)


@pytest.mark.compiled
@pytest.mark.parametrize("gone", ["source", "module", "both"])
def test_a_part_whose_module_is_gone_runs(
    folder: Path, tmp_path: Path, modules: Callable[[str, str], Any], gone: str
) -> None:
    spec = modules("cache_gone", "x + spec.rate").Spec(3.0)
    if gone != "module":
        (tmp_path / "cache_gone.py").unlink()
    if gone != "source":
        # As for a module that was run from its file without being imported by name.
        (tmp_path / "cache_gone.py").unlink(missing_ok=True)
        del sys.modules["cache_gone"]
    for _ in range(2):
        assert run_once(spec)[0] == 16.0


class Nested(NamedTuple):
    inner: Any
    count: int


@pytest.mark.compiled
def test_a_spec_inside_a_spec_decides_too(modules: Callable[[str, str], Any]) -> None:
    left, right = modules("cache_left", "x + spec.rate"), modules("cache_right", "x * spec.rate")
    dispatcher = driver(twice)
    paths = {
        path_of(dispatcher, numba.typeof(Nested(module.Spec(1.0), 2)), types.float64)
        for module in (left, right)
    }
    assert len(paths) == 2
    assert None not in paths


# ------------------------------------------------------------------------------------------------------------
# From process to process
# ------------------------------------------------------------------------------------------------------------


class Folders:
    """A folder with modules of a user's own, a cache, and Python processes started there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / "cache"
        self.package = PACKAGE

    def write(self, name: str, source: str) -> Path:
        path = self.folder / name
        path.write_text(source)
        return path

    def start(self, script: str, *arguments: str) -> subprocess.Popen[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
        environment |= {
            "FASTMAML_CACHE_DIR": str(self.cache),
            "PYTHONPATH": os.pathsep.join([str(self.folder), str(self.package.parent)]),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return subprocess.Popen(
            [sys.executable, "-W", "error", str(self.folder / script), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=self.folder,
        )

    def result(self, process: subprocess.Popen[str]) -> Any:
        """Wait for a process, which must end well and in silence, and return what it printed last."""
        try:
            out, err = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
        assert (process.returncode, err) == (0, "")
        return json.loads(out.splitlines()[-1])

    def run(self, script: str, *arguments: str) -> Any:
        return self.result(self.start(script, *arguments))


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


ENGINE = """
import json
import sys

import numba
import numpy as np
from numba.core import event


@numba.njit
def of_the_user(matrix):
    return np.linalg.det(matrix @ matrix)


with event.install_recorder("numba:compile") as recorder:
    import fastmaml.training
    from fastmaml import MAML

    imported = len(recorder.buffer)
    fastmaml.training.WORTH_THREADS = 0
    # Threads that there may not be: the launcher for several is compiled all the same.
    fastmaml.training.resolve_threads = lambda n_jobs: 2
    model = MAML(3, 4, 30, alpha=0.1, beta=0.1, num_features=5, random_state=7, verbose=False)
    model.train()
# What Numba loads before it compiles, this among other things.
compiler = "numba.np.linalg" in sys.modules
results = [imported, len(recorder.buffer), model.theta.tobytes().hex(), fastmaml.__file__, compiler]
print(json.dumps([*results, round(of_the_user(np.eye(3) * 2), 9)]))
"""


@pytest.mark.compiled
def test_a_second_process_compiles_nothing_and_the_package_may_be_read_only(folders: Folders) -> None:
    folders.package = copied_package(folders.folder)
    tree = [folders.package, *folders.package.rglob("*")]
    for path in tree:
        path.chmod(path.stat().st_mode & ~0o222)
    folders.write("engine.py", ENGINE)
    try:
        first, second = folders.run("engine.py"), folders.run("engine.py")
        assert first[:2] == [0, first[1]]
        assert first[1] > 0
        assert second[:2] == [0, 0]
        assert second[2] == first[2]
        assert Path(second[3]).parent == folders.package
        # Nothing is made ready for compiling that nobody does, and whoever does it later can.
        assert first[4:] == [True, 64.0]
        assert second[4:] == [False, 64.0]
        # Root may write whatever the modes say; nothing was written.
        assert [folders.package, *folders.package.rglob("*")] == tree
    finally:
        for path in tree:
            path.chmod(path.stat().st_mode | 0o200)
    assert kernels(folders.cache)


# A driver of a tenth of a second, of parts of the package's own and of the user's.
HOST = """
import json
import sys

import numpy as np

from fastmaml.optimizers import SGD, update
from fastmaml.runtime.compilation import driver


def step(optimizer, theta, gradient, state):
    update(optimizer, 0, theta, gradient, state)


def run(spec):
    dispatcher = driver(step)
    theta = np.array([1.0, 2.0])
    dispatcher(spec, theta, np.array([10.0, 20.0]), np.zeros(0))
    return [theta.tolist(), bool(dispatcher.stats.cache_hits)]
"""
SGD_RUN = """
import json
import sys
from pathlib import Path

from host import SGD, run

if len(sys.argv) > 1:  # A file to edit after it was imported.
    path = Path(sys.argv[1])
    path.write_text(path.read_text() + "\\n# edited while a process that has imported it is running")
print(json.dumps(run(SGD(0.5).lower(1))))
"""
STEPPED = [-4.0, -8.0]


@pytest.mark.compiled
def test_an_edit_in_any_module_recompiles(folders: Folders) -> None:
    folders.package = copied_package(folders.folder)
    folders.write("host.py", HOST)
    folders.write("sgd.py", SGD_RUN)
    assert folders.run("sgd.py") == [STEPPED, False]
    # A leaf that this driver does not even use.
    leaf = folders.package / "numerics" / "elementary.py"
    source = leaf.read_text()
    leaf.write_text(source + "\n# edited\n")
    assert folders.run("sgd.py") == [STEPPED, False]
    assert len(kernels(folders.cache)) == 2
    leaf.write_text(source)
    assert folders.run("sgd.py") == [STEPPED, True]
    assert len(kernels(folders.cache)) == 2


@pytest.mark.compiled
def test_code_from_before_an_edit_is_not_kept_as_code_from_after_it(folders: Folders) -> None:
    folders.package = copied_package(folders.folder)
    folders.write("host.py", HOST)
    folders.write("sgd.py", SGD_RUN)
    # This process imports the module, and compiles it only after somebody has edited its file.
    edited = folders.package / "optimizers" / "sgd.py"
    assert folders.run("sgd.py", str(edited)) == [STEPPED, False]
    assert folders.run("sgd.py") == [STEPPED, False]


PART = """
from typing import NamedTuple

from fastmaml.optimizers import update


class {name}(NamedTuple):
    rate: float
"""
IMPLEMENTATION = """
{imports}

@update.register({name})
def _update(optimizer, epoch, theta, gradient, state):
    for k in range(theta.size):
        theta[k] -= {factor} * optimizer.rate * gradient[k]
"""
PART_RUN = """
import json
import sys
from pathlib import Path

import {module} as part
from host import run

if len(sys.argv) > 1:
    path = Path(sys.argv[1])
    path.write_text(path.read_text().replace("2.0 *", "3.0 *"))
print(json.dumps(run(part.{name}(0.5))))
"""
OTHERS_RUN = """
import json

import other
from host import SGD, run

print(json.dumps([run(other.MySpec(0.5)), run(SGD(0.5).lower(1))]))
"""
TWICE, THRICE = [-9.0, -18.0], [-14.0, -28.0]


def write_part(folders: Folders, module: str, name: str, factor: float) -> Path:
    implementation = IMPLEMENTATION.format(imports="", name=name, factor=factor)
    return folders.write(f"{module}.py", PART.format(name=name) + implementation)


@pytest.mark.compiled
def test_a_users_part_is_kept_until_its_module_is_edited(folders: Folders) -> None:
    folders.write("host.py", HOST)
    folders.write("run.py", PART_RUN.format(module="part", name="MySpec"))
    part = write_part(folders, "part", "MySpec", 2.0)
    assert folders.run("run.py") == [TWICE, False]
    assert folders.run("run.py") == [TWICE, True]
    part.write_text(part.read_text().replace("2.0 *", "3.0 *"))
    assert folders.run("run.py") == [THRICE, False]
    assert len(kernels(folders.cache)) == 2
    # The module is imported, then edited, then compiled: what it was is not kept as what it is now.
    part.write_text(part.read_text().replace("3.0 *", "2.0 *") + "\n# once more\n")
    assert folders.run("run.py", str(part)) == [TWICE, False]
    assert folders.run("run.py")[0] == THRICE

    # The part disappears: others go on, and it can come back.
    content = part.read_text()
    part.unlink()
    folders.write("other_run.py", OTHERS_RUN)
    write_part(folders, "other", "MySpec", 2.0)
    assert folders.run("other_run.py") == [[TWICE, False], [STEPPED, False]]
    part.write_text(content)
    assert folders.run("run.py") == [THRICE, True]


@pytest.mark.compiled
def test_an_implementation_in_another_module_than_its_spec(folders: Folders) -> None:
    folders.write("host.py", HOST)
    folders.write("run.py", PART_RUN.format(module="implementation", name="MySpec"))
    spec = folders.write("spec.py", PART.format(name="MySpec"))
    imports = "from fastmaml.optimizers import update\nfrom spec import MySpec\n"
    implementation = folders.write(
        "implementation.py", IMPLEMENTATION.format(imports=imports, name="MySpec", factor=2.0)
    )
    assert folders.run("run.py") == [TWICE, False]
    implementation.write_text(implementation.read_text().replace("2.0 *", "3.0 *"))
    assert folders.run("run.py") == [THRICE, False]
    spec.write_text(spec.read_text() + "\n# edited\n")
    assert folders.run("run.py") == [THRICE, False]


@pytest.mark.compiled
def test_a_part_in_main_is_compiled_and_never_kept(folders: Folders) -> None:
    folders.write("host.py", HOST)
    own = IMPLEMENTATION.format(imports="import json\nfrom host import run", name="MySpec", factor=2.0)
    folders.write("script.py", PART.format(name="MySpec") + own + "\nprint(json.dumps(run(MySpec(0.5))))")
    assert folders.run("script.py") == [TWICE, False]
    assert folders.run("script.py") == [TWICE, False]
    assert kernels(folders.cache) == []


SHAPES = """
from typing import Any, NamedTuple

from fastmaml.runtime.compilation import driver
from fastmaml.runtime.dispatch import contract


@contract
def value(spec, x):
    '''Return a value.'''


class Line(NamedTuple):
    a: float
    b: float


class Parabola(NamedTuple):
    a: float
    b: float


class Table(NamedTuple):
    values: Any


class Sum(NamedTuple):
    line: Any
    table: Any


@value.register(Line)
def _line(spec, x):
    return spec.a * x + spec.b


@value.register(Parabola)
def _parabola(spec, x):
    return spec.a * x * x + spec.b


@value.register(Table)
def _table(spec, x):
    return spec.values[int(x) % spec.values.size]


@value.register(Sum)
def _sum(spec, x):
    return value(spec.line, x) + value(spec.table, x)


def fill(spec, x, out):
    for k in range(x.size):
        out[k] = value(spec, x[k])
"""
SHAPES_RUN = """
import json
import sys
import time
from pathlib import Path

import numpy as np
from shapes import Line, Parabola, Sum, Table, driver, fill

table = np.array([5.0, 7.0, 11.0])
specs = {
    "Line": Line(2.0, 3.0),
    "Parabola": Parabola(2.0, 3.0),
    "Table": Table(table),
    "Sum": Sum(Line(4.0, 1.0), Table(table)),
}
Path(f"ready-{sys.argv[1]}").touch()
while sys.argv[1] != "all" and not Path("go").exists():
    time.sleep(0.001)
dispatcher = driver(fill)
results = {}
for name in sys.argv[2:]:
    out = np.zeros(6)
    dispatcher(specs[name], np.arange(6.0), out)
    results[name] = out.tolist()
print(json.dumps([results, sum(dispatcher.stats.cache_hits.values())]))
"""


@pytest.mark.compiled
def test_eight_processes_at_once_on_an_empty_cache(folders: Folders) -> None:
    folders.write("shapes.py", SHAPES)
    folders.write("run.py", SHAPES_RUN)
    x, table = np.arange(6.0), np.tile([5.0, 7.0, 11.0], 2)
    formulas = {"Line": 2 * x + 3, "Parabola": 2 * x**2 + 3, "Table": table, "Sum": 4 * x + 1 + table}
    expected = {name: values.tolist() for name, values in formulas.items()}
    processes = [folders.start("run.py", f"{name}-{i}", name) for name in formulas for i in range(2)]
    assert len(processes) == 8
    try:
        deadline = time.monotonic() + SECONDS
        while len(list(folders.folder.glob("ready-*"))) < 8:
            assert time.monotonic() < deadline
            assert all(process.poll() is None for process in processes)
            time.sleep(0.01)
        folders.write("go", "")
        outcomes = [folders.result(process) for process in processes]
    finally:
        for process in processes:
            process.kill()
    names = [name for results, _ in outcomes for name in results]
    assert names == [name for name in formulas for _ in range(2)]
    for results, _ in outcomes:
        assert results == {name: expected[name] for name in results}
    assert len(kernels(folders.cache)) == 4
    # What they left is whole and right, all of it.
    assert folders.run("run.py", "all", *formulas) == [expected, 4]
