"""For which tenders the award's proof is exact, and what looking for it costs beside the award.

python benchmarks/proofs.py [--seeds 5] [--write]     sourcing tenders of 100 to 20,000 bids, and the CATS files
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import NamedTuple

import procure_opt as po
from cats import procurement, read_auction
from instances import FILES
from procure_opt.proof import recompute
from results import brief, machine, table, write
from sourcing import sourcing


class Size(NamedTuple):
    """Lots, bidders, bids of each, and the largest share of the estimates for one bidder."""

    lots: int
    bidders: int
    bids_each: int
    share: float


SIZES = {
    "100 bids": Size(20, 5, 20, 0.4),
    "300 bids": Size(40, 10, 30, 0.2),
    "1,000 bids": Size(100, 20, 50, 0.2),
    "3,000 bids": Size(250, 30, 100, 0.2),
    "3,000 bids, caps bind": Size(250, 30, 100, 0.05),
    "10,000 bids": Size(600, 50, 200, 0.2),
    "10,000 bids, caps bind": Size(600, 50, 200, 0.05),
    "20,000 bids": Size(1000, 100, 200, 0.2),
}
HEAD = ["tenders", "exact", "share", "cases, at most", "award s", "proof s", "recomputed s"]


def groups(seeds: int) -> Iterator[tuple[str, list[tuple[po.Tender, po.Policy]]]]:
    """The tenders, in groups."""
    for name, (*size, share) in SIZES.items():
        policy = po.Policy([po.MaxShare(share)], tie_break=None)
        seeded = [po.Tender(*sourcing(*size, seed).tables()) for seed in range(1, seeds + 1)]
        yield f"sourcing, {name}", [(tender, policy) for tender in seeded]
    files = sorted(FILES.glob("*.txt"))
    for name, small in (("CATS, small files", True), ("CATS, 64 goods and 1,000 bids", False)):
        read = [procurement(read_auction(path))[0] for path in files if ("-g64-" not in path.name) == small]
        if read:
            yield name, [(tender, po.Policy(tie_break=None)) for tender in read]


def row(name: str, tenders: list[tuple[po.Tender, po.Policy]]) -> list[str]:
    """A group: how many proofs are exact, and mean seconds of the award, the proof, and its verification."""
    seconds, exact, most = [0.0, 0.0, 0.0], 0, 0
    for tender, policy in tenders:
        marks = [time.perf_counter()]
        award = po.award(tender, policy)
        marks.append(time.perf_counter())
        proven = award.proof == "exact"
        marks.append(time.perf_counter())
        assert award.status == "optimal"
        if proven:
            assert float(recompute(award)) == award.objective
        marks.append(time.perf_counter())
        exact += proven
        most = max(most, len(award.multipliers or ()))
        seconds = [spent + end - start for spent, start, end in zip(seconds, marks, marks[1:])]
    count = len(tenders)
    figures = [f"{exact} of {count}", f"{exact / count:.0%}", str(most) if exact else "–"]
    return [name, *figures, *(brief(spent / count) for spent in seconds)]


def text(rows: list[list[str]], seeds: int) -> str:
    """The section."""
    return f"""## Exact proofs

`python benchmarks/proofs.py --write`. {machine()}

The share of awards whose `.proof` is "exact": their multipliers prove in exact arithmetic that nothing is cheaper (the
others are optimal by the solver's word). Sourcing tenders of seeds 1 to {seeds}, means of seconds. The proof is looked
for when it is first asked for, not by `award`; `recomputed` is the verification that anyone can run.

{table(HEAD, rows)}"""


def main() -> None:
    """Print, or write, the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="put the table into RESULTS.md")
    options = parser.parse_args()
    rows = []
    for name, tenders in groups(options.seeds):
        rows.append(row(name, tenders))
        print(" | ".join(rows[-1]), flush=True)
    if options.write:
        write("proofs", text(rows, options.seeds))


if __name__ == "__main__":
    main()
