"""Past bids from a file."""

from __future__ import annotations

from pathlib import Path

from procure_opt.auction.past import PastBids, past_bids
from procure_opt.cells import BadTable
from procure_opt.tables import read_rows


def read_past(path: str | Path) -> PastBids:
    """The past bids of a .csv, a .parquet, or the sheet `bids` of an .xlsx; see `past_bids` for its columns.

    Raises:
        BadTable: with every problem, the file and the row it stands in.
    """
    rows = read_rows(path)
    try:
        return past_bids(rows)
    except BadTable as bad:
        raise BadTable(problem._replace(file=Path(path).name) for problem in bad.problems) from None
