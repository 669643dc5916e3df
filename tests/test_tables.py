"""Reading a table: values against plain Python, every mistake against its message."""

from __future__ import annotations

import csv
import datetime
import gzip
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from fastmaml.tables import encode, read_table

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
    assert table.category_values == (("Bonn", "Oslo", "Rome"), ("False", "True"))
    assert table.categories.tolist() == [[2, 1], [1, 0], [0, 1], [1, 1]]
    assert table.target.tolist() == [0, 1, 1, 0]
    assert table.target_values == ("N", "Y")
    assert table.groups.tolist() == [1, 0, 1, 2]
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
    assert [value.lower() for value in table.target_values] == [zero, one]


def test_groups_may_be_dates_and_numbers(tmp_path: Path) -> None:
    for values in (["2020-05-02", "2020-05-01", "2020-05-02", "2021-01-01"], ["7", "-3", "7", "100"]):
        table = read_table(write(tmp_path / "t.csv", changed("who", values)), "who", "answer")
        assert table.groups.tolist() == [1, 0, 1, 2]


def test_encoding_learns_from_the_given_rows_alone(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "t.csv"), "who", "answer")
    features, names = encode(table, np.array([1, 0, 3]))
    assert names == ("age", "dose", "city=Oslo", "city=Rome", "ill=False", "ill=True")
    mean = (31 + 47 + 9) / 3
    deviation = math.sqrt(((31 - mean) ** 2 + (47 - mean) ** 2 + (9 - mean) ** 2) / 3)
    assert features[:, 0] == pytest.approx([(age - mean) / deviation for age in (31, 47, 31, 9)], rel=1e-14)
    # Bonn was not among the given rows: no city at all.
    assert features[:, 2:].tolist() == [[0, 1, 0, 1], [1, 0, 1, 0], [0, 0, 0, 1], [1, 0, 0, 1]]


def test_encoding_numbers_or_categories_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv")
    for exclude, width in ((["age", "dose"], 5), (["city", "ill"], 2)):
        features, names = encode(read_table(path, "who", "answer", exclude), np.arange(4))
        assert features.shape == (4, width)
        assert len(names) == width


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
        ("answer", ["Y", "N", "x", "N"], r"target 'answer' must have exactly two .* has 3: 'N', 'Y', 'x'"),
        (
            "answer",
            ["1", "1", "1", "1"],
            r"target 'answer' must have exactly two different values, .* has 1: 1$",
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


def test_numbers_too_large_to_scale(tmp_path: Path) -> None:
    table = read_table(
        write(tmp_path / "t.csv", changed("dose", ["1.7e308", "1.6e308", "1.7e308", "1"])), "who", "answer"
    )
    with pytest.raises(
        ValueError, match=r"column 'dose' goes up to 1.7e\+308, too large to scale; .*--exclude dose"
    ):
        encode(table, np.arange(4))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", r"t\.csv is empty$"),
        ("t.csv", b"who,age,answer\n", r"t\.csv has a header but no rows"),
        ("t.csv", b"who,age,answer\nann,1,Y\nbob,2\n", r"read as CSV: .*[Ee]xpected 3 columns, got 2"),
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
