"""Columns as features: learned from some rows, the same for every other file."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastmaml.encoding import ColumnEncoding
from fastmaml.tables import read_table

HEADER = "who,age,dose,city,ill,answer\n"
ROWS = (
    HEADER + "bob,31,0.5,Rome,true,N\nann,47,1e3,Oslo,false,Y\nbob,31,-2,Bonn,true,Y\ncid,9,0,Oslo,true,N\n"
)


def written(path: Path, text: str = ROWS) -> Path:
    path.write_text(text)
    return path


@pytest.fixture
def encoding(tmp_path: Path) -> ColumnEncoding:
    table = read_table(written(tmp_path / "train.csv"), "who", "answer")
    return ColumnEncoding.fit(table, np.array([1, 0, 3]), group="who", target="answer")


def test_categories_are_those_of_the_given_rows_alone(encoding: ColumnEncoding, tmp_path: Path) -> None:
    assert encoding.feature_names == ("age", "dose", "city=Oslo", "city=Rome", "ill=False", "ill=True")
    assert encoding.num_features == 6
    assert (encoding.group, encoding.group_kind, encoding.target_kind) == ("who", "text", "text")
    with pytest.warns(UserWarning, match="has not seen the categories 'Bonn' in 'city'; they count as none"):
        features = encoding.encode(encoding.read(tmp_path / "train.csv"))
    # Numbers are as they came; Bonn was not among the given rows: no city at all.
    assert features.tolist() == [
        [31, 0.5, 0, 1, 0, 1],
        [47, 1000, 1, 0, 1, 0],
        [31, -2, 0, 0, 0, 1],
        [9, 0, 1, 0, 0, 1],
    ]


def test_the_order_of_columns_and_what_a_file_lacks_of_them_do_not_matter(
    encoding: ColumnEncoding, tmp_path: Path
) -> None:
    other = written(tmp_path / "other.csv", "city,ill,x,dose,age\nRome,true,?,3,4\n")
    assert encoding.encode(encoding.read(other)).tolist() == [[4, 3, 0, 1, 0, 1]]


def test_unknown_categories_are_said_once_for_all_columns(encoding: ColumnEncoding, tmp_path: Path) -> None:
    cities = "".join(f"a,1,2,{name},true,N\n" for name in "gfedcbab")
    with pytest.warns(UserWarning, match=r"'a', 'b', 'c', 'd', 'e' and others in 'city'; they") as said:
        features = encoding.encode(encoding.read(written(tmp_path / "other.csv", HEADER + cities)))
    assert len(said) == 1
    assert not features[:, 2:4].any()


def test_what_is_missing_is_named(encoding: ColumnEncoding, tmp_path: Path) -> None:
    path = written(tmp_path / "other.csv", "age,city,ill\n1,Rome,true\n")
    with pytest.raises(ValueError, match="no column 'dose', a feature of the model; its columns are 'age',"):
        encoding.read(path)
    path = written(tmp_path / "other.csv", "age,dose,city,ill\n1,2,Rome,true\n")
    with pytest.raises(ValueError, match="no column 'answer', the target of the model"):
        encoding.read(path, ["target"])


@pytest.mark.parametrize(("excluded", "width"), [(["age", "dose"], 5), (["city", "ill"], 2)])
def test_numbers_or_categories_alone(tmp_path: Path, excluded: list[str], width: int) -> None:
    table = read_table(written(tmp_path / "t.csv"), "who", "answer", excluded)
    encoding = ColumnEncoding.fit(table, np.arange(4), group="who", target="answer")
    assert encoding.encode(table).shape == (4, width)
    assert len(encoding.feature_names) == width


def test_numbers_too_large_to_scale(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", ROWS.replace("0.5", "1.7e308").replace("-2", "-1.7e308"))
    with pytest.raises(
        ValueError, match=r"column 'dose' goes up to 1.7e\+308, too large to scale; .*--exclude dose"
    ):
        ColumnEncoding.fit(read_table(path, "who", "answer"), np.arange(4), group="who", target="answer")


def test_a_description_makes_it_again(encoding: ColumnEncoding) -> None:
    described = json.loads(json.dumps(encoding.described()))
    assert ColumnEncoding.of_description(described) == encoding
    assert dataclasses.replace(encoding) == encoding


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (None, "its columns are None (NoneType); expected 'categories', 'group', 'numbers', 'target'"),
        ({"extra": 1}, "its columns are "),
        ({"numbers": "age"}, "its columns' numbers is 'age' (str), not a list"),
        ({"numbers": [1]}, "its columns are wrong: columns are 1, 'city'"),
        ({"numbers": ["age", "age"]}, "expected them all different"),
        ({"numbers": [["age"]]}, "its columns are wrong"),
        ({"numbers": [], "categories": []}, "there is no column of features"),
        ({"group": ["who"]}, "are not pairs of a name and what it holds"),
        ({"group": ["who", "dates"]}, "a column's kind is 'dates' (str), none of number, text, boolean"),
        ({"target": ["answer", ["text"]]}, "a column's kind is"),
        ({"target": ["age", "text"]}, "expected them all different"),
        ({"categories": [["city", "Rome"]]}, "its columns' categories are not lists"),
        (
            {"categories": [["city", []]]},
            "the categories of 'city' are () (tuple); expected texts or booleans",
        ),
        ({"categories": [["city", ["b", "a"]]]}, "the categories of 'city' are not sorted"),
        ({"categories": [["city", ["a", "a"]]]}, "or not all different"),
        ({"categories": [["city", ["a", True]]]}, "expected texts or booleans"),
        ({"categories": [["city", [["a"]]]]}, "expected texts or booleans"),
    ],
)
def test_wrong_descriptions(encoding: ColumnEncoding, changes: Any, message: str) -> None:
    described = None if changes is None else encoding.described() | changes
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        ColumnEncoding.of_description(described)
    assert message in str(raised.value)
