"""Model files on the command line: what is trained is kept, shown, adapted, evaluated, and predicts."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runs import RATES, SMALL, Data, run, train

import fastmaml
from fastmaml import FewShotReport, MAMLClassifier, load
from fastmaml.cli import main, plots

pytestmark = pytest.mark.compiled


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tables, and a model of each kind."""
    folder = tmp_path_factory.mktemp("models")
    for name, numbers in (("classes", False), ("numbers", True)):
        table = Data().write(folder / f"{name}.csv", numbers)
        options = ["--group", "who", "--target", "answer", *SMALL, *RATES]
        assert main(["train", str(table), *options, "--model", str(folder / f"{name}.fastmaml")]) == 0
        rows = list(csv.reader(io.StringIO(table.read_text())))
        first = [row for row in rows if row[0] == "person 001"]
        write(folder / f"{name}_support.csv", [rows[0], *first[:8]])
        write(folder / f"{name}_new.csv", [rows[0][:3], *(row[:3] for row in first[8:])])
    return folder


def write(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def features(path: Path) -> np.ndarray:
    """Encode by hand."""
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    return np.array([[float(r["x"]), r["colour"] == "blue", r["colour"] == "red"] for r in rows], dtype=float)


def answers(path: Path) -> list[str]:
    return [row["answer"] for row in csv.DictReader(io.StringIO(path.read_text()))]


def test_the_model_knows_its_columns(folder: Path) -> None:
    columns = load(folder / "classes.fastmaml").columns_
    assert columns.described() == {
        "numbers": ["x"],
        "categories": [["colour", ["blue", "red"]]],
        "group": ["who", "text"],
        "target": ["answer", "text"],
    }


def test_columns_are_of_what_was_saved(folder: Path, tmp_path: Path) -> None:
    model = load(folder / "classes.fastmaml")
    model.save(tmp_path / "again.fastmaml")
    assert load(tmp_path / "again.fastmaml").columns_ == model.columns_
    # What is fitted to something else has no such columns.
    model.fit(np.arange(8.0).reshape(-1, 1), [0, 1] * 4)
    assert model.columns_ is None
    model.save(tmp_path / "other.fastmaml")
    assert load(tmp_path / "other.fastmaml").columns_ is None


def test_show(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    code, out, err = run(capsys, "show", str(folder / "classes.fastmaml"))
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "model      MAMLClassifier, Logistic of 4 parameters, float64",
        "algorithm  MAML, 2 inner steps at rate 0.3",
        "trained    20 epochs with 6 shots, seed 0",
        "features   3: 'x', 'colour=blue', 'colour=red'",
        "classes    2: 'N', 'Y'",
        "target     column 'answer'",
        "groups     column 'who', 14 with parameters",
    ]
    code, out, err = run(capsys, "show", str(folder / "numbers.fastmaml"), "--json")
    found = json.loads(out)
    assert (code, err, found["classes"], found["estimator"]) == (0, "", None, "MAMLRegressor")
    assert found["algorithm"]["inner_rate"] == 0.3


def adapt(capsys: pytest.CaptureFixture[str], folder: Path, name: str, out: Path, *options: str) -> str:
    model, support = folder / f"{name}.fastmaml", folder / f"{name}_support.csv"
    code, text, err = run(capsys, "adapt", str(model), str(support), "--out", str(out), *options)
    assert (code, err) == (0, "")
    return text


@pytest.mark.parametrize(("name", "steps"), [("classes", None), ("classes", 7), ("numbers", 1)])
def test_adapt_and_predict_are_the_estimators(
    capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path, name: str, steps: int | None
) -> None:
    out = tmp_path / "adapted.fastmaml"
    told = adapt(capsys, folder, name, out, *([] if steps is None else ["--steps", str(steps)]))
    plural = "1 step" if steps == 1 else f"{steps or 2} steps"
    assert told == f"adapted  to 8 rows of 'person 001' in {plural}\nmodel    {out}\n"
    support, new = folder / f"{name}_support.csv", folder / f"{name}_new.csv"
    y = np.array(answers(support), dtype=float if name == "numbers" else str)
    model = load(folder / f"{name}.fastmaml").adapt(features(support), y, steps)
    code, text, err = run(capsys, "predict", str(out), str(new))
    assert (code, err) == (0, "")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["who"] for row in rows} == {"person 001"}
    expected = model.predict(features(new))
    assert [row["prediction"] for row in rows] == [str(value) for value in expected.tolist()]
    if name == "classes":
        found = [[float(row["probability_N"]), float(row["probability_Y"])] for row in rows]
        assert found == model.predict_proba(features(new)).tolist()
    else:
        assert list(rows[0]) == ["who", "prediction"]


def test_known_groups_are_predicted_with_their_own_parameters(
    capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path
) -> None:
    model, table = load(folder / "classes.fastmaml"), folder / "classes.csv"
    out = tmp_path / "predictions.csv"
    code, told, err = run(capsys, "predict", str(folder / "classes.fastmaml"), str(table), "--out", str(out))
    assert (code, told) == (0, f"written  {out}\n")
    # Said once, though classes and probabilities are asked for.
    assert err.startswith("warning: rows of 6 groups not seen in fit, such as 'person 002', ")
    assert err.count("\n") == 1
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    groups = [row["who"] for row in csv.DictReader(io.StringIO(table.read_text()))]
    assert [row["who"] for row in rows] == groups
    with pytest.warns(UserWarning, match="not seen in fit"):
        expected = model.predict(features(table), groups=groups)
    assert [row["prediction"] for row in rows] == expected.tolist()


def test_without_a_group_column_it_is_the_starting_point(
    capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("colour,x\ngreen,1.5\nred,2\n")
    code, out, err = run(capsys, "predict", str(folder / "classes.fastmaml"), str(path), "--json")
    assert code == 0
    assert "there is no column 'who': all rows are predicted from the starting point\n" in err
    assert "warning: training has not seen the categories 'green' in 'colour'" in err
    found = json.loads(out)["predictions"]
    expected = load(folder / "classes.fastmaml").predict_proba([[1.5, 0, 0], [2, 0, 1]])
    assert found["probability_Y"] == expected[:, 1].tolist()


def test_evaluate_is_the_libraries(capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path) -> None:
    model, table = folder / "classes.fastmaml", folder / "classes.csv"
    known = load(model).groups_.tolist()
    rows = list(csv.reader(io.StringIO(table.read_text())))
    unseen = write(tmp_path / "unseen.csv", [rows[0], *(row for row in rows[1:] if row[0] not in known)])
    seen = write(tmp_path / "seen.csv", [rows[0], *(row for row in rows[1:] if row[0] in known)])

    def tasks(path: Path) -> tuple[np.ndarray, list[str], list[str]]:
        return (
            features(path),
            answers(path),
            [row["who"] for row in csv.DictReader(io.StringIO(path.read_text()))],
        )

    code, out, err = run(
        capsys, "evaluate", str(model), str(unseen), "--train-file", str(seen), "--shots", "6,2", "-q"
    )
    assert (code, err) == (0, "")
    with pytest.warns(UserWarning, match="6 tasks to test on"):
        report = fastmaml.evaluate(load(model), tasks(unseen), (2, 6), (0, 1, 2), train_tasks=tasks(seen))
    assert out == f"{report}\n"
    code, out, err = run(capsys, "evaluate", str(model), str(unseen), "--json", "-q")
    starts = {one["start"] for one in json.loads(out)["report"]["results"]}
    assert starts == {"MAML", "from scratch", "nearest class mean"}


def test_groups_that_are_not_unseen_are_said(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    code, _, err = run(
        capsys, "evaluate", str(folder / "classes.fastmaml"), str(folder / "classes.csv"), "-q"
    )
    assert code == 0
    assert err.startswith("warning: the model was trained on 14 of these 20 groups, 'person 0")
    assert err.count("\n") == 1


def test_compare_shows_all_algorithms_on_the_same_rows(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    options = ["--group", "who", "--target", "answer", *SMALL, *RATES]
    code, out, err = run(capsys, "compare", str(folder / "classes.csv"), *options)
    assert (code, err) == (0, "")
    code, text, err = run(capsys, "compare", str(folder / "classes.csv"), *options, "--json")
    assert (code, err) == (0, "")
    found = json.loads(text)["algorithms"]
    assert list(found) == list(fastmaml.algorithms.ALGORITHMS)
    pooled = set()
    for one in found.values():
        report = one["report"]
        (own,) = (
            r for r in report["results"] if (r["start"], r["metric"]) == (report["algorithm"], "accuracy")
        )
        assert f"{100 * own['mean']:.1f} [" in next(
            line for line in out.splitlines() if line.startswith(f"{report['algorithm']}  ")
        )
        assert f"{report['algorithm']}: {report['conclusion']}" in out.splitlines()
        pooled |= {r["mean"] for r in report["results"] if (r["start"], r["metric"]) == ("pooled", "loss")}
    assert len(pooled) == 1
    # The member of the family that `train` trains is the same.
    alone = json.loads(train(capsys, folder / "classes.csv", "--steps", "2", "--json"))["report"]
    assert alone == found["maml"]["report"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "nothing.fastmaml"], "nothing.fastmaml does not exist"),
        (["show", "classes.csv"], "classes.csv is no model file, or damaged"),
        (["predict", "MODEL", "nothing.csv"], "nothing.csv does not exist"),
        (["predict", "MODEL", "other.csv"], "other.csv has no column 'x', a feature of the model;"),
        (["predict", "MODEL", "text.csv"], "column 'x' holds text, but held numbers when the model was"),
        (["predict", "python.fastmaml", "classes.csv"], "does not say which columns of a table are its"),
        (["predict", "MODEL", "classes.csv", "--out", "nowhere/p.csv"], "there is no folder nowhere"),
        (["predict", "MODEL", "classes.csv", "--out", "classes.csv"], "is a file that is read"),
        (["adapt", "MODEL", "classes_support.csv"], "--out"),
        (
            ["adapt", "MODEL", "classes.csv", "--out", "a"],
            "rows of 20 groups in column 'who'; give the rows of",
        ),
        (
            ["adapt", "MODEL", "classes_new.csv", "--out", "a"],
            "has no column 'answer', the target of the model",
        ),
        (["adapt", "MODEL", "strange.csv", "--out", "a"], "y holds 'maybe', which is none of the classes"),
        (
            ["adapt", "MODEL", "classes_support.csv", "--out", "a", "--steps", "9999999"],
            "--steps is 9999999;",
        ),
        (["evaluate", "MODEL", "classes_new.csv"], "has no column 'answer'"),
        (["evaluate", "MODEL", "classes.csv", "--shots", "14"], "shots"),
        (["evaluate", "MODEL", "classes.csv", "--shots", "0"], "--shots is 0; give a whole number"),
        (["compare", "classes.csv", "--group", "who"], "--target is needed"),
    ],
)
def test_mistakes(
    capsys: pytest.CaptureFixture[str],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(folder)
    (folder / "other.csv").write_text("a,b\n1,2\n")
    (folder / "text.csv").write_text("x,colour\n1,red\nlow,red\n")
    (folder / "strange.csv").write_text("x,colour,answer\n1,red,N\n2,red,maybe\n")
    MAMLClassifier().fit(np.arange(8.0).reshape(-1, 1), [0, 1] * 4).save("python.fastmaml")
    code, out, err = run(capsys, *("classes.fastmaml" if a == "MODEL" else a for a in arguments))
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1
    assert not (folder / "a").exists()


def test_a_write_that_fails_is_exit_code_1_and_leaves_the_old_file(
    capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "adapted.fastmaml"
    out.write_text("old")

    def fail(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", fail)
    code, told, err = run(
        capsys,
        "adapt",
        str(folder / "classes.fastmaml"),
        str(folder / "classes_support.csv"),
        "--out",
        str(out),
    )
    assert (code, told, err) == (1, "", "error: no space left\n")
    assert out.read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


class Figure:
    """Stands in for matplotlib's."""

    def __init__(self) -> None:
        self.canvas, self.drawn = self, []

    def get_supported_filetypes(self) -> dict[str, str]:
        return {"png": "", "svg": ""}

    def subplots(self) -> str:
        return "axes"

    def savefig(self, file: io.BytesIO, format: str) -> None:  # noqa: A002
        file.write(f"{format} of {self.drawn}".encode())


@pytest.fixture
def figure(monkeypatch: pytest.MonkeyPatch) -> Figure:
    figure = Figure()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: "there")
    monkeypatch.setattr(plots, "_figure", lambda: figure)
    monkeypatch.setattr(FewShotReport, "plot", lambda report, ax: figure.drawn.append((report.name, ax)))
    return figure


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_plots(
    capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path, figure: Figure, command: str
) -> None:
    path, table = tmp_path / "curve.SVG", folder / "classes.csv"
    if command == "train":
        out = train(capsys, table, "--plot", str(path))
    else:
        _, out, _ = run(capsys, "evaluate", str(folder / "classes.fastmaml"), str(table), "--plot", str(path))
    assert path.read_text() == "svg of [('MAML', 'axes')]"
    assert f"plot     {path}\n" in out


def test_plots_are_refused_before_training(
    capsys: pytest.CaptureFixture[str],
    folder: Path,
    tmp_path: Path,
    figure: Figure,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(path: Path) -> str:
        code, out, err = run(
            capsys, "train", str(folder / "classes.csv"), "--group", "who", "--target", "answer",
            "--plot", str(path),
        )  # fmt: skip
        assert (code, out) == (2, "")
        return err

    err = refused(tmp_path / "curve.doc")
    assert err == f"error: --plot {tmp_path / 'curve.doc'} must end in one of .png, .svg\n"
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    err = refused(tmp_path / "curve.png")
    assert "--plot needs matplotlib, which is not installed; pip install 'fastmaml[plot]'" in err
    assert not figure.drawn


def test_ctrl_c_while_a_table_is_trained_on_keeps_nothing(
    capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fastmaml.training import Training

    def interrupted(*_: Any, **__: Any) -> Callable[[], None]:
        raise KeyboardInterrupt

    monkeypatch.setattr(Training, "run", interrupted)
    code, _, err = run(
        capsys, "train", str(folder / "classes.csv"), "--group", "who", "--target", "answer", *SMALL, *RATES,
        "--model", str(tmp_path / "m"),
    )  # fmt: skip
    assert (code, err) == (130, "interrupted\n")
    assert not list(tmp_path.iterdir())
