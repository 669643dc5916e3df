"""Reading a table: values against plain Python, every mistake against its message."""

from __future__ import annotations

import csv
import datetime
import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from fastmaml.tables import Kind, read_known_columns, read_table

ROWS = [
    {"who": "bob", "age": "31", "dose": "0.5", "city": "Rome", "ill": "true", "answer": "N"},
    {"who": "ann", "age": "47", "dose": "1e3", "city": "Oslo", "ill": "false", "answer": "Y"},
    {"who": "bob", "age": "31", "dose": "-2", "city": "Bonn", "ill": "true", "answer": "Y"},
    {"who": "cid", "age": "9", "dose": "0", "city": "Oslo", "ill": "true", "answer": "N"},
]


def write(path: Path, rows: Sequence[dict[str, str]] = ROWS, separator: str = ",") -> Path:
    """Write rows as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=separator)
        writer.writeheader()
        writer.writerows(rows)
    return path


def changed(column: str, values: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows with another column's values."""
    return [row | {column: value} for row, value in zip(ROWS, values, strict=True)]


def test_columns_of_a_csv(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "t.csv"), "who", "answer")
    assert table.number_names == ("age", "dose")
    assert table.numbers.tolist() == [[31, 0.5], [47, 1000], [31, -2], [9, 0]]
    assert table.category_names == ("city", "ill")
    assert table.category_values == (("Bonn", "Oslo", "Rome"), (False, True))
    assert table.categories.tolist() == [[2, 1], [1, 0], [0, 1], [1, 1]]
    assert table.target.tolist() == [0, 1, 1, 0]
    assert table.target_values.tolist() == ["N", "Y"]
    assert table.y.tolist() == ["N", "Y", "Y", "N"]
    assert table.groups.tolist() == [1, 0, 1, 2]
    assert table.labels.tolist() == ["bob", "ann", "bob", "cid"]
    assert (table.numbers.dtype, table.target.dtype) == (np.float64, np.int64)


def test_excluded_columns_are_no_features(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "t.csv"), "who", "answer", ["city", "age"])
    assert table.number_names + table.category_names == ("dose", "ill")


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators(tmp_path: Path, separator: str) -> None:
    expected = read_table(write(tmp_path / "comma.csv"), "who", "answer")
    table = read_table(write(tmp_path / "t.csv", separator=separator), "who", "answer")
    assert table.numbers.tolist() == expected.numbers.tolist()
    assert table.category_values == expected.category_values


def test_tsv_and_compressed_csv(tmp_path: Path) -> None:
    plain = write(tmp_path / "t.tsv", separator="\t")
    assert read_table(plain, "who", "answer").target.tolist() == [0, 1, 1, 0]
    packed = tmp_path / "t.csv.gz"
    packed.write_bytes(gzip.compress(write(tmp_path / "t.csv").read_bytes()))
    assert read_table(packed, "who", "answer").target.tolist() == [0, 1, 1, 0]


def test_parquet_agrees_with_csv(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "who": pa.array(["bob", "ann", "bob", "cid"]).dictionary_encode(),
        "age": pa.array([31, 47, 31, 9], pa.uint8()),
        "dose": pa.array([0.5, 1000, -2, 0], pa.float32()),
        "city": pa.array(["Rome", "Oslo", "Bonn", "Oslo"]).dictionary_encode(),
        "ill": [True, False, True, True],
        "answer": ["N", "Y", "Y", "N"],
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet", row_group_size=3)
    expected = read_table(write(tmp_path / "t.csv"), "who", "answer")
    for got, want in zip(read_table(tmp_path / "t.parquet", "who", "answer"), expected, strict=True):
        assert np.array_equal(got, want) if isinstance(want, np.ndarray) else got == want


@pytest.mark.parametrize(
    ("zero", "one"), [("0", "1"), ("2", "10"), ("no", "yes"), ("false", "true"), ("-0.5", "1.5")]
)
def test_the_greater_of_two_target_values_is_one(tmp_path: Path, zero: str, one: str) -> None:
    path = write(tmp_path / "t.csv", changed("answer", [zero, one, one, zero]))
    table = read_table(path, "who", "answer")
    assert table.target.tolist() == [0, 1, 1, 0]
    assert [str(value).lower() for value in table.target_values.tolist()] == [zero, one]


def test_groups_may_be_dates_and_numbers(tmp_path: Path) -> None:
    dates = ["2020-05-02", "2020-05-01", "2020-05-02", "2021-01-01"]
    for values, labels in ((dates, dates), (["7", "-3", "7", "100"], [7, -3, 7, 100])):
        table = read_table(write(tmp_path / "t.csv", changed("who", values)), "who", "answer")
        assert table.groups.tolist() == [1, 0, 1, 2]
        assert table.labels.tolist() == labels


def test_row_indices_are_left_out_with_a_warning(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", [{"": str(i)} | row for i, row in enumerate(ROWS)])
    with pytest.warns(UserWarning, match="'' looks like a saved row index and is left out"):
        table = read_table(path, "who", "answer")
    assert table.number_names == ("age", "dose")


def test_row_numbers_are_pointed_out(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", changed("age", ["5", "6", "7", "8"]))
    with pytest.warns(UserWarning, match="'age' looks like row numbers.*--exclude age"):
        table = read_table(path, "who", "answer")
    assert table.number_names == ("age", "dose")


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("age", ["31", "", "NA", "9"], r"column 'age' has no value in row 2 and 1 more; .*--exclude age"),
        ("city", ["Rome", "Oslo", "Bonn", ""], r"column 'city' has no value in row 4; .*--exclude city"),
        ("ill", ["", "", "", ""], r"column 'ill' holds no value at all; .*--exclude ill"),
        ("dose", ["1", "2.5", "-inf", "1"], r"column 'dose' is infinite in row 3"),
        ("dose", ["1", "nan", "3.5", "1"], r"column 'dose' has no value in row 2"),
        (
            "age",
            [f"2020-01-0{i}" for i in range(1, 5)],
            r"column 'age' holds dates or times; .*--exclude age",
        ),
        (
            "who",
            ["bob", "", "bob", "cid"],
            r"column 'who' has no value in row 2; fill it in or drop such rows",
        ),
        (
            "answer",
            ["", "Y", "Y", "N"],
            r"column 'answer' has no value in row 1; fill it in or drop such rows",
        ),
    ],
)
def test_bad_values(tmp_path: Path, column: str, values: list[str], message: str) -> None:
    path = write(tmp_path / "t.csv", changed(column, values))
    with pytest.raises(ValueError, match=message):
        read_table(path, "who", "answer")


def test_a_bad_column_may_be_excluded(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", changed("age", ["31", "", "NA", "9"]))
    assert read_table(path, "who", "answer", ["age"]).number_names == ("dose",)


@pytest.mark.parametrize(
    ("group", "target", "exclude", "message"),
    [
        (None, "answer", [], r"--group is needed; the columns of .* are 'who', 'age', .*, 'answer'$"),
        ("who", None, [], r"--target is needed; the columns of "),
        ("whom", "answer", [], r"--group 'whom' is no column of .*; its columns are 'who', 'age'"),
        ("who", "Answer", [], r"--target 'Answer' is no column of .*'answer'$"),
        ("who", "answer", ["town"], r"--exclude 'town' is no column of "),
        ("who", "who", [], r"--group and --target are both 'who'"),
        ("who", "answer", ["age", "who"], r"--exclude 'who' is the --group column"),
        ("who", "answer", ["answer"], r"--exclude 'answer' is the --target column"),
        ("who", "answer", ["age", "dose", "city", "ill"], r"has no feature left"),
    ],
)  # fmt: skip
def test_bad_columns(
    tmp_path: Path, group: str | None, target: str | None, exclude: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        read_table(write(tmp_path / "t.csv"), group, target, exclude)


def test_many_columns_are_listed_in_short(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", [{f"c{i}": "1" for i in range(1500)}])
    with pytest.raises(ValueError, match=r"'c0', .*'c19' and 1,480 more$"):
        read_table(path, "who", "answer")


@pytest.mark.parametrize(
    ("rows", "different", "fine"), [(60, 50, True), (60, 51, False), (3000, 1001, False)]
)
def test_too_many_categories(tmp_path: Path, rows: int, different: int, fine: bool) -> None:
    table = [{"who": "a", "name": f"n{i % different}", "age": "1", "answer": str(i % 2)} for i in range(rows)]
    path = write(tmp_path / "t.csv", table)
    if fine:
        assert len(read_table(path, "who", "answer").category_values[0]) == different
        return
    with pytest.raises(
        ValueError, match=rf"'name' has {different:,} different values in {rows:,} rows.*--exclude name"
    ):
        read_table(path, "who", "answer")


def test_the_advice_names_what_is_no_number(tmp_path: Path) -> None:
    rows = [{"who": "a", "x": "-" if i == 30 else f"0.{i}", "answer": str(i % 2)} for i in range(60)]
    with pytest.raises(ValueError, match="mend what is no number, like '-'"):
        read_table(write(tmp_path / "t.csv", rows), "who", "answer")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", r"t\.csv is empty$"),
        ("t.csv", b"who,age,answer\n", r"t\.csv has a header but no rows"),
        ("t.csv", b"who,age,answer\nann,1,Y\nbob,2\n", r"read as CSV: .*Row #3: Expected 3 columns, got 2"),
        ("t.csv", b"who,who,answer\nann,1,Y\n", r"more than one column named 'who'"),
        ("t.csv", b"who,b\xe9b\xe9,answer\nann,1,Y\n", r"column names that are not UTF-8"),
        ("t.csv", b"who,town,answer\nann,K\xf6ln,Y\nbob,Rome,N\n", r"'town' holds bytes .* save .* as UTF-8"),
        ("t.csv", b"who,town,answer\nann,K,\xf6\nbob,R,N\n", r"'answer' holds bytes .* save .* as UTF-8"),
        ("t.csv", "who,age,answer\nann,1,Y\n".encode("utf-16"), r"t\.csv is not text in UTF-8"),
        ("t.csv", b"who,age,answer", r"t\.csv has no rows$"),
        ("t.parquet", b"no parquet", r"t\.parquet cannot be read as Parquet: "),
        ("t.csv.gz", b"not compressed", r"cannot be read as CSV: "),
        ("t.xlsx", b"x", r"t\.xlsx must end in \.csv, \.tsv or \.parquet"),
        ("table", b"x", r"must end in \.csv"),
        ("t.parquet.gz", b"x", r"must end in \.csv"),
    ],
)  # fmt: skip
def test_bad_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_table(tmp_path / name, "who", "answer")


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"t\.csv does not exist"):
        read_table(tmp_path / "t.csv", "who", "answer")
    with pytest.raises(ValueError, match=r"is a folder; give a CSV or Parquet file"):
        read_table(tmp_path, "who", "answer")


def test_other_types_of_a_parquet_column(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def read(**columns: object) -> object:
        fixed = {"who": [1, 1, 2], "answer": [0, 1, 1]}
        pq.write_table(pa.table(fixed | columns), tmp_path / "t.parquet")
        return read_table(tmp_path / "t.parquet", "who", "answer")

    with pytest.raises(ValueError, match=r"'x' holds values of type list"):
        read(x=[[1], [2], [3]])
    with pytest.raises(ValueError, match=r"'x' holds bytes"):
        read(x=[b"a", b"b", b"c"])
    with pytest.raises(ValueError, match=r"'x' holds dates or times"):
        read(x=[datetime.datetime(2020, 1, day) for day in (1, 2, 4)])
    with pytest.raises(ValueError, match=r"'who' holds list.*, not numbers or text"):
        read(x=[1, 2, 4], who=[[1], [2], [3]])
    with pytest.raises(ValueError, match=r"'x' has no value in row 2"):
        read(x=pa.array(["a", None, "b"]).dictionary_encode())


def test_quoted_line_breaks(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", changed("city", ["a\nb", "c,d", 'e"f', "c,d"]))
    assert read_table(path, "who", "answer").category_values[0] == ("a\nb", "c,d", 'e"f')


KNOWN = {"age": Kind.number, "city": Kind.text, "ill": Kind.boolean}
GROUP, TARGET = ("who", Kind.text), ("answer", Kind.text)


def test_known_columns_are_read_whatever_stands_beside_them(tmp_path: Path) -> None:
    rows = [{"dose": "x", "ill": "TRUE", "city": "7", "age": "1.5", "other": ""}]
    table = read_known_columns(write(tmp_path / "t.csv", rows), KNOWN, GROUP, TARGET)
    assert (table.number_names, table.numbers.tolist()) == (("age",), [[1.5]])
    # A column that was text is text, though it looks like numbers now.
    assert table.category_names == ("city", "ill")
    assert table.category_values == (("7",), (True,))
    assert (table.num_rows, len(table.target), len(table.groups)) == (1, 0, 0)


def test_targets_are_read_where_they_are_needed(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", changed("answer", ["", "1", "0", "0"]))
    assert len(read_known_columns(path, KNOWN, GROUP, TARGET).target) == 0
    with pytest.raises(ValueError, match="column 'answer' has no value in row 1"):
        read_known_columns(path, KNOWN, GROUP, TARGET, needed=["answer"])
    path = write(tmp_path / "t.csv", changed("answer", ["01", "1", "0", "0"]))
    assert read_known_columns(path, KNOWN, GROUP, TARGET, needed=["answer"]).y.tolist() == [
        "01",
        "1",
        "0",
        "0",
    ]


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("age", ["x", "1", "2", "3"], "column 'age' holds text, but held numbers when the model was trained"),
        ("ill", ["1", "0", "1", "1"], "column 'ill' holds numbers, but held truth values when"),
        ("age", ["1", "", "2", "3"], "column 'age' has no value in row 2; fill it in.*, or leave such rows"),
        ("city", ["Rome", "Oslo", "", ""], "column 'city' has no value in row 3 and 1 more; fill it in or"),
        ("who", ["a", "", "b", "b"], "column 'who' has no value in row 2"),
    ],
)
def test_known_columns_that_changed(tmp_path: Path, column: str, values: list[str], message: str) -> None:
    path = write(tmp_path / "t.csv", changed(column, values))
    with pytest.raises(ValueError, match=message):
        read_known_columns(path, KNOWN, GROUP, TARGET)


@pytest.mark.parametrize(
    ("left_out", "message"),
    [
        ("city", "has no column 'city', a feature of the model; its columns are 'who', 'age',"),
        ("who", "has no column 'who', the group of the model"),
        ("answer", "has no column 'answer', the target of the model"),
    ],
)
def test_known_columns_that_are_missing(tmp_path: Path, left_out: str, message: str) -> None:
    rows = [{name: value for name, value in row.items() if name != left_out} for row in ROWS]
    with pytest.raises(ValueError, match=message):
        read_known_columns(write(tmp_path / "t.csv", rows), KNOWN, GROUP, TARGET, needed=["who", "answer"])
