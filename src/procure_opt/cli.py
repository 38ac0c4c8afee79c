"""The command line: `procure-opt award`, `announce`, `report`, `compare`, `estimate` and `screen`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pandas as pd
import typer
from rich.markup import escape

from procure_opt.award import Award, OutOfTime, award
from procure_opt.cells import BadTable, as_quantity
from procure_opt.check import Violation, check
from procure_opt.contest import write_contest
from procure_opt.diagnose import price_of_constraints
from procure_opt.files import replacing
from procure_opt.infeasible import Infeasible
from procure_opt.payments import CATALOGUE, Payments, pay
from procure_opt.policy import Policy, Tied, announce
from procure_opt.printing import err, out, show_table, shown
from procure_opt.tables import read_policy, read_tender, write_csv

if TYPE_CHECKING:
    from procure_opt.auction.compare import Comparison

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
ENDS = ("_se", "_low", "_high")  # of the columns beside a measure

Source = Annotated[Path, typer.Argument(metavar="FOLDER_OR_FILE", help="A folder of tables, an .xlsx, or OCDS JSON.")]
PolicyFile = Annotated[Path | None, typer.Option("--policy", help="A policy.toml; left out: the one in the folder.")]


@app.callback()
def about() -> None:
    """Decide who provides an outsourced public service, at what price, and under which bidding rule."""


@app.command("award")
def award_command(
    source: Source,
    policy: PolicyFile = None,
    solver: Annotated[str, typer.Option(help="highs, CBC, or any solver PuLP knows.")] = "highs",
    to: Annotated[Path | None, typer.Option("--out", help="Folder for award.csv and the other tables.")] = None,
    time_limit: Annotated[float | None, typer.Option(help="Seconds; the best award so far is then taken.")] = None,
    gap: Annotated[float, typer.Option(help="Stop within this share of the optimum; 0 = proven optimal.")] = 0.0,
    announced: Annotated[str | None, typer.Option(help="The hash announced before opening.")] = None,
    lp: Annotated[Path | None, typer.Option(help="Write the program as an LP file for the auditor.")] = None,
    rule: Annotated[str | None, typer.Option("--pay", help=f"Payment rule: {', '.join(CATALOGUE)}.")] = None,
    by: Annotated[str, typer.Option(help="Who acts as one in payments: bidder, or owner.")] = "bidder",
    contest: Annotated[
        Path | None, typer.Option(help="Folder for award.json and the program a losing bidder checks it with.")
    ] = None,
) -> None:
    """Award a tender: print the award, the winners' shares, what binds and what it costs; write award.csv."""
    tender, rules = read_tender(source), _policy(source, policy)
    if lp is not None:
        rules.plan(tender).program.write_lp(lp)
    decided = award(
        tender, rules, solver=solver, time_limit=time_limit, gap=gap, announced=announced, progress=sys.stderr.isatty()
    )
    show(decided, None if rule == "pay_as_bid" else rule, by)
    folder = Path.cwd() if to is None else to
    written = write(decided, folder)
    payments = None if rule is None else pay(decided, rule, by=by)  # type: ignore[arg-type]
    if payments is not None:
        show_payments(payments)
        written += write_payments(payments, folder)
    out.print(f"Written to {escape(str(folder))}: {', '.join(written)}", soft_wrap=True)
    if contest is not None:
        digest = write_contest(decided, contest, payments)
        out.print(f"Written to {escape(str(contest))}: award.json, verify_award.py", soft_wrap=True)
        out.print(f"Digest of award.json, to be published with the award: {digest}", soft_wrap=True)


@app.command("announce")
def announce_command(source: Source, policy: PolicyFile = None) -> None:
    """Print the rules and the hash that fixes them, to be published before the bids are opened."""
    announcement = announce(_policy(source, policy), read_tender(source))
    out.print(escape(announcement.text), soft_wrap=True)
    out.print(f"Hash: {announcement.hash}", soft_wrap=True)


@app.command("report")
def report_command(
    source: Source,
    policy: PolicyFile = None,
    audience: Annotated[str, typer.Option(help="committee, public, or bidder:NAME.")] = "committee",
    lang: Annotated[str, typer.Option(help="en or zh.")] = "en",
    past: Annotated[Path | None, typer.Option(help="Past bids, to be screened: .csv, .parquet, .xlsx, OCDS.")] = None,
    fair: Annotated[
        str | None, typer.Option(help="A column of past bids and of lots, such as area: fair prices by size.")
    ] = None,
    rule: Annotated[str | None, typer.Option("--pay", help=f"Payment rule: {', '.join(CATALOGUE)}.")] = None,
    announced: Annotated[str | None, typer.Option(help="The hash announced before opening.")] = None,
    to: Annotated[Path, typer.Option("--out", help="The page.")] = Path("report.html"),
    xlsx: Annotated[bool, typer.Option("--xlsx", help="Write the tables as a workbook beside the page.")] = False,
    seconds: Annotated[float, typer.Option(help="After so many no further diagnosis is begun; 0 = no bound.")] = 120,
    time_limit: Annotated[float | None, typer.Option(help="Seconds for the award itself.")] = None,
) -> None:
    """Award a tender and write its report, for who decides, for the public, or for one bidder."""
    from procure_opt.auction.past_file import read_past
    from procure_opt.report.audience import Audience
    from procure_opt.report.document import hashes, report
    from procure_opt.report.findings import Bounds

    tender, rules = read_tender(source), _policy(source, policy)
    Audience.of(audience, tender)  # before the work, which may be long
    seen = None if past is None else read_past(past)
    decided = award(tender, rules, time_limit=time_limit, announced=announced, progress=sys.stderr.isatty())
    page = report(
        decided,
        audience=audience,
        lang=lang,
        payments=rule,
        fair_price=fair,
        past=seen,
        announced=announced,
        inputs=hashes(source, policy, past),
        bounds=Bounds(seconds=seconds or None),
    )
    written = [page.write(to)]
    if xlsx:
        written.append(page.workbook(to.with_suffix(".xlsx")))
    out.print(f"Written: {escape(', '.join(map(str, written)))}", soft_wrap=True)


@app.command("compare")
def compare_command(
    source: Annotated[Path, typer.Argument(metavar="MARKET_TOML", help="Suppliers' costs and the rules to compare.")],
    draws: Annotated[int | None, typer.Option(help="Tenders drawn; left out: the file's, or 100,000.")] = None,
    seed: Annotated[int | None, typer.Option(help="Left out: the file's, or 0.")] = None,
    table: Annotated[
        Path | None, typer.Option("--csv", help="Write the whole table, and the differences beside it.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Write payments and bid functions as a figure.")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="File that keeps finished draws, to go on from.")] = None,
) -> None:
    """Compare bidding rules on one market, with suppliers who bid their best under each: print what each rule costs."""
    from procure_opt.auction.compare import compare  # an award need not wait for what these stand on
    from procure_opt.auction.market_file import read_market

    described = read_market(source)
    given = {name: value for name, value in (("draws", draws), ("seed", seed)) if value is not None}
    how = {"draws": 100_000, "seed": 0} | described.how | given
    found = compare(described.rules, described.market, **how, checkpoint=checkpoint, progress=sys.stderr.isatty())
    show_comparison(found)
    if table is not None:
        beside = table.with_name(f"{table.stem}_differences{table.suffix}")
        write_csv(found.table.reset_index(), table)
        write_csv(found.differences, beside)
        out.print(f"Written: {escape(str(table))}, {escape(str(beside))}", soft_wrap=True)
    if plot is not None:
        with replacing(plot) as beside:
            found.plot().savefig(beside)
        out.print(f"Written: {escape(str(plot))}", soft_wrap=True)


@app.command("estimate")
def estimate_command(
    source: Annotated[Path, typer.Argument(metavar="BIDS", help="Past bids: .csv, .parquet, or .xlsx (sheet bids).")],
    method: Annotated[str, typer.Option(help="How costs are got at; a wrong name lists them.")] = "boundary",
    covariates: Annotated[str | None, typer.Option(help='Columns that tell auctions apart: "log(area),town".')] = None,
    scale: Annotated[str | None, typer.Option(help="A column in whose units bids are counted.")] = None,
    classes: Annotated[str | None, typer.Option(help="A column that tells classes of bidders apart.")] = None,
    potential: Annotated[str | None, typer.Option(help="Who could bid, as a number or a column.")] = None,
    bidders: Annotated[int, typer.Option(help="Bidders of the next tender.")] = 4,
    at: Annotated[
        list[str] | None, typer.Option(help="What tells the next tender apart, once for each covariate: area=1200.")
    ] = None,
    replications: Annotated[int, typer.Option(help="Of the bootstrap; 0 for no intervals.")] = 200,
    outside: Annotated[float | None, typer.Option(help="What the work costs if nobody bids, for the reserve.")] = None,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
    table: Annotated[Path | None, typer.Option("--csv", help="Write the cost and mark-up of each bid.")] = None,
) -> None:
    """Costs behind past bids: print mark-ups, quantiles of costs, a fair price and, with --outside, the reserve."""
    from procure_opt.auction.estimate import estimate_costs
    from procure_opt.auction.past_file import read_past
    from procure_opt.auction.report_past import show_estimate

    there = _values(at or [])
    past = read_past(source)
    found = estimate_costs(
        past,
        method,
        covariates=_columns(covariates),
        scale=scale,
        classes=classes,
        potential=int(potential) if potential is not None and potential.isdecimal() else potential,
        replications=replications,
        seed=seed,
    )
    if table is not None:
        write_csv(found.table.reset_index(), table)
    show_estimate(found, bidders, outside, there)
    if table is not None:
        out.print(f"Written: {escape(str(table))}", soft_wrap=True)


@app.command("screen")
def screen_command(
    source: Annotated[Path, typer.Argument(metavar="BIDS", help="Past bids (.csv, .parquet, .xlsx) or OCDS JSON.")],
    given: Annotated[str | None, typer.Option(help="Columns that split the market, such as region,trade.")] = None,
    level: Annotated[float, typer.Option(help="Of false questions among those asked.")] = 0.05,
    top: Annotated[int, typer.Option(help="Rows shown of each table.")] = 10,
    seed: Annotated[int, typer.Option(help="Of shuffled and simulated markets.")] = 0,
    folder: Annotated[Path | None, typer.Option("--out", help="Folder for all tables as CSV.")] = None,
) -> None:
    """Screens of past bids for collusion and for tenders that were no contest: questions to look into, no verdicts."""
    from procure_opt.auction.report_past import show_screens

    if not 0 < level < 1 or top < 1:
        raise ValueError("--level is a share between 0 and 1, such as 0.05, and --top at least 1")
    tables = show_screens(source, _columns(given) or (), level, top, seed)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, frame in tables.items():
            write_csv(frame, folder / f"{name}.csv")
        out.print(f"Written to {escape(str(folder))}: {', '.join(f'{name}.csv' for name in tables)}", soft_wrap=True)


def _values(pairs: list[str]) -> dict[str, float | str]:
    """What `name=value` says, with numbers as numbers."""
    values: dict[str, float | str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise ValueError(f"--at is {pair!r}; write name=value, such as --at area=1200")
        number = as_quantity(value.strip())
        values[name.strip()] = value.strip() if number is None else number
    return values


def _columns(names: str | None) -> list[str] | None:
    return None if names is None else [name.strip() for name in names.split(",") if name.strip()]


def _policy(source: Path, policy: Path | None) -> Policy:
    if policy is not None:
        return read_policy(policy)
    if source.is_dir() and not (source / "policy.toml").exists():
        return Policy()
    return Policy() if source.suffix == ".xlsx" else read_policy(source)


def show(decided: Award, rule: str | None = None, by: str = "bidder") -> None:
    """Print an award; with a payment rule also what each constraint costs in payments."""
    tender, currency = decided.tender, f" {decided.tender.currency}" if decided.tender.currency else ""
    out.print(
        f"[bold]{escape(tender.name)}[/bold]: {decided.status}, cost {decided.cost:,.2f}{currency}", soft_wrap=True
    )
    proof = "proven" if decided.status == "optimal" else f"gap {decided.gap:.4%}"
    out.print(f"objective {decided.objective:,.2f}, no award is below {decided.bound:,.2f} ({proof})", soft_wrap=True)
    for note in tender.notes:
        out.print(f"Note: {escape(note)}", soft_wrap=True)
    if decided.tied is None:
        out.print("Other awards of the same cost were not searched for.")
    elif decided.tied:
        out.print(f"Drawn among equals; optimal awards differ in {escape(', '.join(decided.tied))}.", soft_wrap=True)
    show_table("Award", decided.bids[["bid", "bidder", "lots", "price", "fraction", "net"]])
    show_table("Winners", decided.by_bidder.reset_index())
    if len(decided.in_house):
        show_table("In-house", decided.in_house)
    if len(decided.transaction_costs):
        show_table("Transaction costs", decided.transaction_costs.reset_index())
    if decided.unawarded:
        out.print(f"Unawarded: {escape(', '.join(decided.unawarded))}", soft_wrap=True)
    if len(decided.violations):
        show_table("Soft rules exceeded", decided.violations)
    aside = decided.policy.field(tender)[0].rejected
    if len(aside):
        show_table("Bids set aside", aside[["bid", "bidder", "lots", "reason"]])
    if decided.policy.constraints and decided.status == "optimal":
        priced = price_of_constraints(decided, rule, by=by)  # type: ignore[arg-type]
        columns = ["constraint", "costs", "binds", "costs_in_payments"]
        show_table("What each rule costs", priced[[column for column in columns if column in priced]])
    _print_check(check(decided))


def show_payments(payments: Payments) -> None:
    """Print payments: what each winner is paid beside its price, and what there is to know of them."""
    table = pd.DataFrame({payments.by: payments.amounts.index, "paid": payments.amounts.to_numpy()})
    if payments.by == "bidder":
        table.insert(1, "price", payments.award.by_bidder["price"].reindex(payments.amounts.index).to_numpy())
    show_table(f"Payments by {payments.rule.name}", table)
    out.print(f"Total: {shown(payments.total)}")
    if payments.pivotal:
        out.print(f"Without {escape(', '.join(payments.pivotal))} there is no award; give the lots an in-house cost.")
    for reason in payments.why_not:
        out.print(f"Truthful bids may not be best: {escape(reason)}.", soft_wrap=True)
    for over in payments.over_budget:
        out.print(f"{escape(over.budget)} is kept by the prices, but the payments come to {over.paid:,.2f}.")
    _print_check(check(payments))


def show_comparison(found: Comparison) -> None:
    """Print a comparison: what each rule costs and gives, and how its payments differ from the base."""
    out.print(f"{found.draws:,} tenders drawn; intervals of {found.level:.0%}.")
    shown = found.table.reset_index()
    shown["±"] = (shown["payment_high"] - shown["payment_low"]) / 2
    money = ["payment", "±", "outlay", "production_cost", "cost_ratio", "rents", "transaction_cost", "welfare"]
    shares = [column for column in found.table if str(column).startswith("share_") and not str(column).endswith(ENDS)]
    show_table("What it costs", shown[["rule", *money]])
    show_table(
        "Who wins",
        shown[["rule", *shares, *(name for name in ("hhi", "quality", "participation", "epsilon") if name in shown)]],
    )
    show_table(
        f"Outlay against {found.base}, on the same draws",
        found.differences.query("measure == 'outlay'")[["rule", "difference", "low", "high", "p_holm", "detectable"]],
    )
    for name, note in found.table["note"].items():
        if note:
            out.print(f"{escape(str(name))}: {escape(note)}", soft_wrap=True)


def _print_check(found: list[Violation]) -> None:
    out.print("Checked by other code: nothing found." if not found else "[bold]Checked by other code:[/bold]")
    for violation in found:
        out.print(f"  {escape(str(violation))}", soft_wrap=True)


def write(decided: Award, folder: Path) -> list[str]:
    """Write award.csv (accepted bids), winners.csv, and, where there is something in them, the other tables."""
    tables = {
        "award.csv": decided.bids,
        "winners.csv": decided.by_bidder.reset_index(),
        "in_house.csv": decided.in_house,
        "violations.csv": decided.violations,
        "rejected.csv": decided.policy.field(decided.tender)[0].rejected,
    }
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, frame in tables.items():
        if len(frame) or name == "award.csv":
            write_csv(frame, folder / name)
            written.append(name)
    return written


def write_payments(payments: Payments, folder: Path) -> list[str]:
    """Write payments.csv."""
    write_csv(payments.amounts.rename_axis(payments.by).reset_index(), folder / "payments.csv")
    return ["payments.csv"]


class _Stopped(SystemExit):
    """Ctrl-C was pressed, or the process is asked to end; the code is 128 and the signal's number."""


def _stopped(number: int, _frame: object) -> None:
    """Stop in good order, no file half written; at once if what is at work does not let go within a second."""
    late = threading.Timer(1.0, os._exit, [128 + number])
    late.daemon = True
    late.start()
    os.write(2, b"Stopped: files that are not listed as written are as they were.\n")
    children = Path(f"/proc/self/task/{os.getpid()}/children")  # solvers that are programs of their own; Linux alone
    for child in children.read_text(encoding="ascii").split() if children.exists() else ():
        os.kill(int(child), signal.SIGTERM)
    raise _Stopped(128 + number)


def main() -> None:
    """Run the command line; whatever is wrong is said in words, never as a traceback."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _stopped)
        app(standalone_mode=False)
    except typer.Exit as leaving:
        sys.exit(leaving.exit_code)
    except typer.Abort:
        sys.exit(130)
    except BadTable as bad:
        for problem in bad.problems:
            err.print(escape(str(problem)))
        sys.exit(2)
    except (Infeasible, OutOfTime, Tied) as none:
        err.print(escape(str(none)))
        sys.exit(1)
    except (ValueError, TypeError, OSError, ImportError) as wrong:
        err.print(escape(str(wrong)))
        sys.exit(2)
    except Exception as other:
        if other.__class__.__module__.startswith(("click", "typer")) and hasattr(other, "format_message"):
            err.print(escape(other.format_message()))
            sys.exit(2)
        raise
