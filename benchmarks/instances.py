"""The tenders that are measured, by name: what each is drawn or read from, and the rules it is awarded under.

python benchmarks/instances.py     lists them, with what each holds

A name says what a tender is: `sourcing-4000-cap5` has 4,000 bids and no bidder may hold more than 5 % of the
estimates; `regions-64-1000` is a file of the CATS suite with 64 goods and 1,000 bids, found beside the repository in
../shared/data/cats (and left out where that folder is not there); `regions-128-2000` is drawn by `cats.py`, seed 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import procure_opt as po
from cats import FAMILIES, procurement, read_auction
from sourcing import sourcing

FILES = Path(__file__).resolve().parents[2] / "shared" / "data" / "cats"

Instance = Callable[[], tuple[po.Tender, po.Policy]]


class Size(NamedTuple):
    """How many lots, bidders, and bids of each bidder; seed 1."""

    lots: int
    bidders: int
    bids_each: int

    @property
    def bids(self) -> int:
        """Bids in all."""
        return self.bidders * self.bids_each


def capped(size: Size, share: float) -> tuple[po.Tender, po.Policy]:
    """A sourcing tender in which nobody may hold more than a share of the estimates."""
    return po.Tender(*sourcing(*size, seed=1).tables()), po.Policy([po.MaxShare(share)], tie_break=None)


def from_file(path: Path) -> tuple[po.Tender, po.Policy]:
    """A combinatorial auction of the CATS suite as a tender."""
    return procurement(read_auction(path))[0], po.Policy(tie_break=None)


def drawn(family: str, goods: int, bids: int) -> tuple[po.Tender, po.Policy]:
    """A combinatorial auction of a CATS family as a tender."""
    return procurement(FAMILIES[family](goods, bids, 1))[0], po.Policy(tie_break=None)


# Bids of a sourcing tender, and the caps it is awarded under, in percent.
SOURCING: Mapping[Size, tuple[float, ...]] = {
    Size(300, 40, 100): (20, 5),
    Size(600, 50, 200): (20, 5),
    Size(1000, 100, 200): (20, 5, 3, 2.5),
    Size(3000, 200, 500): (20,),
}

REGISTRY: dict[str, Instance] = {
    f"sourcing-{size.bids}-cap{cap:g}": partial(capped, size, cap / 100)
    for size, caps in SOURCING.items()
    for cap in caps
}
for _family in FAMILIES:
    # The files spell families in their own way: L4 and Arbitrary with a capital.
    for _path in sorted(FILES.glob("*-g64-b1000-0.txt")):
        if _path.name.lower().startswith(f"{_family.lower()}-"):
            REGISTRY[f"{_family}-64-1000"] = partial(from_file, _path)
for _family in FAMILIES:
    REGISTRY[f"{_family}-128-2000"] = partial(drawn, _family, 128, 2000)

# Sourcing tenders that grow: twenty bids a lot, and a cap of 20 %.
GROWTH: dict[str, Instance] = {
    str(size.bids): partial(capped, size, 0.2)
    for size in (
        Size(50, 10, 100),
        Size(150, 20, 150),
        Size(500, 40, 250),
        Size(1500, 75, 400),
        Size(5000, 160, 625),
        Size(15_000, 300, 1000),
        Size(50_000, 500, 2000),
    )
}


def chosen(names: Iterable[str], among: Mapping[str, Instance], default: Iterable[str] | None = None) -> list[str]:
    """The names asked for, or else the default ones that are there (all).

    Raises:
        SystemExit: a name is not among them.
    """
    names = list(names)
    unknown = [name for name in names if name not in among]
    if unknown:
        raise SystemExit(f"there is no instance {', '.join(unknown)} here; there are {', '.join(among)}")
    return names or [name for name in (among if default is None else default) if name in among]


if __name__ == "__main__":
    for _name, _instance in REGISTRY.items():
        _tender, _policy = _instance()
        _sizes = f"{len(_tender.lots):,} lots, {len(_tender.bidders):,} bidders, {len(_tender.bids):,} bids"
        print(f"{_name:24}{_sizes:44}{', '.join(map(repr, _policy.constraints))}")
