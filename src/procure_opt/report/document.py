"""A report: what is known of a case, told to one audience, as a page and as a workbook."""

from __future__ import annotations

import hashlib
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

from procure_opt.award import Award
from procure_opt.check import Violation, check
from procure_opt.files import replacing
from procure_opt.payments import Payments, pay
from procure_opt.policy import Announcement, announce
from procure_opt.report.audience import Audience
from procure_opt.report.case import Case
from procure_opt.report.content import Section
from procure_opt.report.evidence import Evidence, evidence
from procure_opt.report.findings import Bounds, Clock, floor_of, look
from procure_opt.report.government import summary
from procure_opt.report.page import rendered
from procure_opt.report.sections import sections
from procure_opt.report.texts import Words
from procure_opt.report.workbook import bound

DECIDED_BY = ("procure-opt", "numpy", "scipy", "pandas", "highspy", "pulp")
OPEN_SOURCES = ("award", "public value")  # of the risk register: what these find is made of public figures


@dataclass(frozen=True)
class Report:
    """A report for one audience, in one language.

    Attributes:
        title: What it is called.
        lang: "en" or "zh".
        audience: "committee", "public" or "bidder:NAME".
        html: The page: one self-contained HTML text that asks no network for anything.
        sections: What it says, as data.
    """

    title: str
    lang: str
    audience: str
    html: str
    sections: tuple[Section, ...]

    def write(self, path: str | Path) -> Path:
        """Write the page; the file is there whole or not at all."""
        return _written(Path(path), self.html.encode("utf-8"))

    def workbook(self, path: str | Path) -> Path:
        """Write the tables as an Excel workbook; the file is there whole or not at all.

        Raises:
            ImportError: openpyxl is not there.
        """
        return _written(Path(path), bound(self.sections, Words(self.lang)))

    def __repr__(self) -> str:
        return f"Report({self.title!r}, audience={self.audience!r}, {len(self.sections)} sections)"


def report(
    award: Award,
    *,
    audience: str = "committee",
    lang: str = "en",
    payments: Payments | str | None = None,
    fair_price: Any = None,
    past: Any = None,
    market: Any = None,
    found: Sequence[Any] = (),
    announced: str | Announcement | None = None,
    inputs: Mapping[str, str] | None = None,
    seed: int = 0,
    bounds: Bounds | None = None,
) -> Report:
    """The report of an award: the tender, the rules, why each loser lost, what rules cost, how firm it is, what to ask.

    Sections follow who acts: government, suppliers and social organisations, third party, public. The committee sees
    everything. The public sees the award, the rules, the check and the reasons, and no price of a bid that did not win,
    nor any figure from which one could be told (a cost without a rule, a near tie, a price to win). A bidder sees that,
    its own bids and its own prices to win. Screens of past bids, fair prices and bid functions are for the committee.

    Args:
        award: The award.
        audience: "committee", "public", or "bidder:NAME".
        lang: "en" or "zh".
        payments: What winners are paid, or the name of a payment rule; None = as bid.
        fair_price: A `FairPrice`, a `CostEstimate`, or one of them by lot; or the name of a column of sizes, such as
            "area", that past bids and lots both have: it is then estimated from `past`, bids counted in its units.
        past: Past bids, as `auction.past_bids` takes them.
        market: A `Market` (its first-price equilibrium is drawn), an `Equilibrium`, a `Comparison`, or equilibria by
            rule.
        found: More for the risk register, as `governance.risk_register` takes it.
        announced: The hash announced before opening; another one is refused.
        inputs: Names of input files and their SHA-256.
        seed: Of the screens.
        bounds: How far to look; see `Bounds`.

    Raises:
        ValueError: an audience, bidder or language that there is not, rules that are not the announced ones, or no
            sizes of lots or past bids to estimate fair prices from.
        ImportError: jinja2 or matplotlib is not there (`procure-opt[report]`).

    >>> import procure_opt as po
    >>> tender = po.Tender([{"lot": "A"}], [{"bid": "x", "bidder": "X", "lots": "A", "price": 5},
    ...                                     {"bid": "y", "bidder": "Y", "lots": "A", "price": 7654}], name="park")
    >>> page = po.report(po.award(tender), audience="public")
    >>> page
    Report('Report on the award: park', audience='public', 11 sections)
    >>> "7,654" in page.html, "7,654" in po.report(po.award(tender)).html  # the price of the bid that did not win
    (False, True)
    """
    if not isinstance(award, Award):
        raise TypeError(f"report takes an award, not {award!r}: decide it first, award(tender, policy)")
    t, reader, bounds = Words(lang), Audience.of(audience, award.tender), bounds or Bounds()
    clock = Clock(bounds)
    announcement = announce(award.policy, award.tender)
    fixed = announced.hash if isinstance(announced, Announcement) else announced
    if fixed is not None and fixed != announcement.hash:
        raise ValueError(f"these are not the rules announced: their hash is {announcement.hash}, announced was {fixed}")
    paid = pay(award, payments) if isinstance(payments, str) else payments
    if paid is not None and paid.award is not award:
        raise ValueError("the payments are of another award; pay this one")
    findings = look(award, reader, paid, bounds)
    known = Evidence()
    if reader.committee:
        known = evidence(past, fair_price, market, award.tender, seed, clock)
    problems = check(award if paid is None else paid)
    case = Case(
        award=award, audience=reader, t=t, announcement=announcement, announced=fixed, findings=findings,
        evidence=known, payments=paid, problems=problems, risks=_risks(award, reader, problems, known, found),
        inputs=_for(reader, inputs or {}), versions=_versions(), seed=seed, within=bounds.within,
        left_out=(*findings.left_out, *clock.out),
    )  # fmt: skip
    told = sections(case)
    title = t("page.title", name=award.tender.name)
    whom = t(f"audience.{reader.kind}", name=reader.bidder)
    return Report(title, lang, str(reader), rendered(title, whom, summary(case), told, t), told)


def _risks(
    award: Award, reader: Audience, problems: list[Violation], known: Evidence, more: Sequence[Any]
) -> pd.DataFrame:
    """The register; to others than the committee what is told from the award and its quality alone."""
    from procure_opt.governance.risks import public_value, risk_register

    floor = floor_of(award.policy)
    worth = [] if math.isnan(floor) else [public_value(award, floor)]
    if not reader.committee:
        table = risk_register(award, *worth)
        return table[table["source"].isin(OPEN_SOURCES)].reset_index(drop=True)
    seen = [each for each in (known.flags, known.test) if each is not None]
    table = risk_register(award, problems, *worth, *seen, *more)
    # One finding about several is one row.
    alike = [name for name in table.columns if name != "subject"]
    merged = table.groupby(alike, sort=False, dropna=False)["subject"].agg(", ".join).reset_index()
    return merged[table.columns]


def _for(reader: Audience, inputs: Mapping[str, str]) -> dict[str, str]:
    """The inputs whose hashes an audience may see.

    Who knows all of a file but one price finds that price from the file's hash, by trying: hashes of files with bids
    are for the committee.
    """
    open_files = ("policy.toml", "lots.csv")
    return {name: digest for name, digest in inputs.items() if reader.committee or name in open_files}


def hashes(*sources: Path | None) -> dict[str, str]:
    """The SHA-256 of files, those of a folder by name."""
    files: list[Path] = []
    for source in sources:
        if source is not None:
            files += sorted(each for each in source.iterdir() if each.is_file()) if source.is_dir() else [source]
    tables = (".csv", ".toml", ".json", ".jsonl", ".parquet", ".xlsx")
    kept = dict.fromkeys(file for file in files if file.suffix.lower() in tables)
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in kept}


def _versions() -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for name in DECIDED_BY:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # run from its folder, without being installed
            continue
    return found


def _written(path: Path, content: bytes) -> Path:
    """The file with this content, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside:
        beside.write_bytes(content)
    return path
