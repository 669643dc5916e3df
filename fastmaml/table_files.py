"""CSV, TSV and Parquet files, read by pyarrow, which loads when it is needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

KINDS = {".csv": "CSV", ".tsv": "TSV", ".parquet": "Parquet", ".pq": "Parquet"}
COMPRESSED = {".gz", ".bz2", ".zst"}


def read_file(path: Path, texts: Collection[str] = ()) -> Any:
    """Return a CSV, TSV (also compressed) or Parquet file as a pyarrow table, its columns' names different.

    Parameters
    ----------
    path : Path
        The file.
    texts : collection of str
        Columns of a CSV or TSV that are text, whatever they look like.

    Raises
    ------
    ValueError
        If it cannot be read; says why.
    """
    data = _read(path, texts)
    _check_names(data, path)
    return data


def _read(path: Path, texts: Collection[str]) -> Any:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    compressed = suffixes[-1:] != [] and suffixes[-1] in COMPRESSED
    kind = KINDS.get("".join(suffixes[-2:-1] if compressed else suffixes[-1:]))
    if not path.exists():
        raise ValueError(f"{path} does not exist")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give a CSV or Parquet file")
    if kind is None or (compressed and kind == "Parquet"):
        raise ValueError(f"{path} must end in .csv, .tsv or .parquet (a CSV may be compressed: .csv.gz)")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty")
    import pyarrow

    try:
        if kind == "Parquet":
            import pyarrow.parquet

            with pyarrow.parquet.ParquetFile(path) as file:
                return file.read()
        import pyarrow.csv

        separator = "\t" if kind == "TSV" else _separator(path, pyarrow)
        parse = pyarrow.csv.ParseOptions(delimiter=separator, newlines_in_values=True)
        convert = pyarrow.csv.ConvertOptions(
            strings_can_be_null=True, column_types=dict.fromkeys(texts, pyarrow.string())
        )
        try:
            return pyarrow.csv.read_csv(path, parse_options=parse, convert_options=convert)
        except pyarrow.ArrowInvalid:
            # One thread alone knows which row it is that is wrong.
            alone = pyarrow.csv.ReadOptions(use_threads=False)
            return pyarrow.csv.read_csv(path, alone, parse, convert)
    except (pyarrow.ArrowException, OSError) as error:
        if "Empty CSV" in str(error):
            raise ValueError(f"{path} has no rows") from None
        raise ValueError(f"{path} cannot be read as {kind}: {error}") from error


def _separator(path: Path, pyarrow: Any) -> str:
    """Return the separator in a CSV file's header: a comma, or else a semicolon or tab where there is one."""
    with pyarrow.input_stream(path) as stream:
        header = bytes(stream.read(65536)).split(b"\n", 1)[0]
    if b"\0" in header:
        raise ValueError(
            f"{path} is not text in UTF-8 (a UTF-16 file, or none of text at all); save it as UTF-8"
        )
    return next((mark for mark in ",;\t" if mark.encode() in header), ",")


def _check_names(data: Any, path: Path) -> None:
    """Raise unless the names of the columns can be read and differ."""
    try:
        names = list(data.schema.names)
    except UnicodeDecodeError:
        raise ValueError(f"{path} has column names that are not UTF-8; save it as UTF-8") from None
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ValueError(f"{path} has more than one column named {repeated[0]!r}; rename them")
