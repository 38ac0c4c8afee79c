"""Past bids from a file."""

from __future__ import annotations

from pathlib import Path

from procure_opt.auction.past import PastBids, past_bids
from procure_opt.auction.past_lots import bids_of, past_lots
from procure_opt.cells import BadTable
from procure_opt.tables import JSON, read_rows


def read_past(path: str | Path) -> PastBids:
    """The past bids of a .csv, a .parquet, the sheet `bids` of an .xlsx, or of OCDS documents.

    `past_bids` says which columns a table has, `past_lots.bids_of` what is taken from OCDS.

    Raises:
        BadTable: with every problem, the file and the row it stands in.
    """
    try:
        if Path(path).suffix.lower() in JSON:
            return bids_of(past_lots(path))
        return past_bids(read_rows(path))
    except BadTable as bad:
        at = Path(path).name
        raise BadTable(each._replace(file=at) if each.file == "bids" else each for each in bad.problems) from None
