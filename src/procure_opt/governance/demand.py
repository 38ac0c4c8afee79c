"""What a service needs: calls, visitors and areas turned into staff, cost and lots.

A queue of Poisson arrivals at N agents with exponential handling times, offered load a = arrivals · handling time:
those who find all agents busy are lost (Erlang B), wait (Erlang C, M/M/N), or wait until their patience ends (Erlang A,
M/M/N+M).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from procure_opt.cells import NUMBER, TEXT, BadTable, Problem, Table, as_text, check_unique, check_within, read_table
from procure_opt.governance.arguments import above_zero, not_negative, number, whole

Floats = NDArray[np.float64]

MOST_AGENTS = 1_000_000  # a search that gets there was given targets that nothing meets


# ---- queues -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Queue:
    """A queue in its steady state.

    Attributes:
        agents: How many serve at the same time.
        load: Offered load a, in agents busy if nobody gave up.
        wait: Probability that a caller has to wait.
        service_level: Share of callers served who waited no longer than `within`, of all callers.
        within: That time, in the unit of the handling time.
        mean_wait: Mean wait of all callers, in the unit of the handling time.
        abandoned: Share of callers who give up.
        occupancy: Share of their time that agents are busy.
    """

    agents: int
    load: float
    wait: float
    service_level: float
    within: float
    mean_wait: float
    abandoned: float
    occupancy: float

    def staff(self, shrinkage: float = 0.0) -> float:
        """Staff to be paid so that this many are at work: agents / (1 − shrinkage).

        Args:
            shrinkage: Share of paid time spent on leave, sickness, training and breaks.

        >>> erlang_c(200, 180, within=20).staff(0.3)
        20.0
        """
        number("shrinkage", shrinkage, 0, 1, below=True)
        return self.agents / (1 - shrinkage)


def erlang_b(load: float, agents: int) -> float:
    """The probability that all agents are busy where callers who find them so are lost.

    B₀ = 1, B_k = a B_{k−1} / (k + a B_{k−1}): every term is between 0 and 1, however many agents (Erlang 1917).

    Args:
        load: Offered load a, arrivals · handling time.
        agents: N ≥ 0.

    Raises:
        ValueError: a load below 0, or agents that are no whole number.

    >>> round(erlang_b(10, 14), 10)
    0.0568191434
    """
    number("load", load, 0)
    blocked = 1.0
    for k in range(1, whole("agents", agents, 0) + 1):
        blocked = load * blocked / (k + load * blocked)
    return blocked


def erlang_c(
    calls: float,
    handling: float,
    agents: int | None = None,
    *,
    within: float = 20.0,
    target: float = 0.8,
    per: float = 3600.0,
) -> Queue:
    """Agents for calls whose callers wait for as long as it takes (M/M/N).

    C = B / (1 − ρ (1 − B)), ρ = a / N; P(wait > t) = C e^(−(N − a) t / handling); mean wait = C · handling / (N − a)
    (Erlang 1917; Koole 2013, Call Center Optimization).

    Args:
        calls: Arrivals in `per` units of time: an hour, if times are in seconds.
        handling: Mean handling time.
        agents: How many serve; None for the fewest that reach the target.
        within: The wait that counts as good service.
        target: Share of callers to be served within it.
        per: Units of time of `calls`; with minutes give 60.

    Raises:
        ValueError: no calls, times that are not above 0, a target outside 0 to 1, or so few agents that the queue
            grows without end.

    >>> queue = erlang_c(200, handling=180, within=20, target=0.8)
    >>> queue.agents, round(queue.service_level, 6), round(queue.mean_wait / 60, 6)
    (14, 0.88835, 0.130599)
    """
    load = _load(calls, handling, per)
    number("within", within, 0)
    if agents is not None:
        count = whole("agents", agents)
        if count <= load:
            raise ValueError(
                f"the queue is unstable: {count} agents for an offered load of {load:g} ({calls:g} calls at "
                f"{handling:g}); it takes at least {_above(load)}"
            )
        return _patient(load, handling, within, count, erlang_b(load, count))
    number("target", target, 0, 1, below=True)
    blocked, count = 1.0, 0
    while True:
        count += 1
        blocked = load * blocked / (count + load * blocked)
        if count > load:
            queue = _patient(load, handling, within, count, blocked)
            if queue.service_level >= target:
                return queue
        _refuse_endless(count, f"target {target:g} within {within:g}")


def _patient(load: float, handling: float, within: float, agents: int, blocked: float) -> Queue:
    idle = agents - load
    wait = agents * blocked / (agents - load * (1 - blocked))
    late = wait * math.exp(-idle * within / handling)
    return Queue(agents, load, wait, 1 - late, within, wait * handling / idle, 0.0, load / agents)


def erlang_a(
    calls: float,
    handling: float,
    patience: float,
    agents: int | None = None,
    *,
    within: float = 20.0,
    target: float | None = None,
    most_abandoned: float = 0.05,
    per: float = 3600.0,
) -> Queue:
    """Agents for calls whose callers give up after an exponential time (M/M/N+M).

    With s = N · patience / handling, y = arrivals · patience and A(s, y) = Σ_j y^j / ((s + 1) … (s + j)):
    P(wait) = A B / (1 + (A − 1) B); abandoned = P(wait) · Σ_j j t_j / (y A), t_j the terms of A; mean wait =
    abandoned · patience. All terms are positive (Palm 1946; Garnett, Mandelbaum and Reiman 2002, Manufacturing &
    Service Operations Management 4).

    Args:
        calls: Arrivals in `per` units of time.
        handling: Mean handling time.
        patience: Mean time after which a caller gives up.
        agents: How many serve, also fewer than the load; None for the fewest that reach the targets.
        within: The wait that counts as good service.
        target: Share of callers to be served within it; None for no such target.
        most_abandoned: Share of callers who may give up.
        per: Units of time of `calls`.

    Raises:
        ValueError: no calls, times that are not above 0, a target outside 0 to 1.

    >>> queue = erlang_a(200, handling=180, patience=120, agents=12)
    >>> round(queue.wait, 6), round(queue.abandoned, 6)
    (0.279807, 0.061597)
    >>> erlang_a(200, handling=180, patience=120, most_abandoned=0.05).agents
    13
    """
    load = _load(calls, handling, per)
    above_zero(patience=patience)
    number("within", within, 0)
    if agents is not None:
        count = whole("agents", agents)
        return _impatient(load, handling, patience, within, count, erlang_b(load, count))
    number("most_abandoned", most_abandoned, 0, 1, below=True)
    if target is not None:
        number("target", target, 0, 1, below=True)
    if not most_abandoned > 0:
        raise ValueError("most_abandoned is 0, and with patience that ends some always give up; allow a share above 0")
    # More agents never let more give up, so that the fewest are found by halving.
    low, high = 0, 1
    ok: Callable[[Queue], bool] = lambda queue: (  # noqa: E731
        queue.abandoned <= most_abandoned and (target is None or queue.service_level >= target)
    )

    def at(count: int) -> Queue:
        return _impatient(load, handling, patience, within, count, erlang_b(load, count))

    while not ok(at(high)):
        low, high = high, 2 * high
        _refuse_endless(high, f"most_abandoned {most_abandoned:g}, target {target}")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if ok(at(middle)) else (middle, high)
    return at(high)


def _impatient(load: float, handling: float, patience: float, within: float, agents: int, blocked: float) -> Queue:
    s, y = agents * patience / handling, load * patience / handling
    scale, terms = _kummer(s, y)
    total = float(terms.sum())
    wait = 1 / (1 + (1 - blocked) / blocked * math.exp(-scale) / total) if blocked else 0.0
    abandoned = wait * float(np.arange(len(terms)) @ terms) / (y * total)
    # Served after a wait of at most t: ∫₀ᵗ e^(−v/patience) dP(V ≤ v), V the wait of a caller who never gives up.
    x = y * math.exp(-within / patience)
    whole, more = _kummer(s + 1, y)
    part, less = _kummer(s + 1, x)
    late = math.exp(part - scale - (s + 1) * within / patience + y - x) * float(less.sum())
    soon = wait * s / (s + 1) * (math.exp(whole - scale) * float(more.sum()) - late) / total
    served = load * (1 - abandoned)
    return Queue(
        agents, load, wait, 1 - wait + soon, within, abandoned * patience, abandoned, min(served / agents, 1.0)
    )


def _kummer(s: float, y: float) -> tuple[float, Floats]:
    """The terms y^j / ((s + 1) … (s + j)) from j = 0 to where they no longer count, and the log of what they are
    divided by: where many more call than can be served, the terms themselves are beyond what floats hold."""
    if not y > 0:
        return 0.0, np.ones(1)
    many = max(0.0, y - s) + 10 * math.sqrt(y) + 60
    while True:
        logs = np.concatenate([[0.0], np.cumsum(math.log(y) - np.log(s + np.arange(1, int(many) + 1)))])
        if logs[-1] < logs.max() - 40 and y < s + many:
            return float(logs.max()), np.exp(logs - logs.max())
        many *= 2


def windows(
    visitors: float, minutes: float, count: int | None = None, *, within: float = 10.0, target: float = 0.9
) -> Queue:
    """Windows of a service centre where visitors queue: Erlang C in visitors an hour and minutes.

    Args:
        visitors: Arrivals an hour.
        minutes: Mean time of a visitor at the window.
        count: How many windows are open; None for the fewest that reach the target.
        within: The wait in minutes that counts as good service.
        target: Share of visitors to be served within it.

    Raises:
        ValueError: as `erlang_c`.

    >>> windows(60, minutes=6, within=10, target=0.9).agents
    8
    """
    return erlang_c(visitors, minutes, count, within=within, target=target, per=60.0)


# ---- areas and posts --------------------------------------------------------------------------------------


COUNTED = ("hours", "staff", "cost")  # columns that are added to a table of zones or posts


@dataclass(frozen=True, eq=False)
class Work:
    """Hours of work and what they cost in a month.

    Attributes:
        hours: A month.
        staff: Full-time staff, hours / hours that one works.
        cost: Wages with on-costs, and materials.
        table: One row a zone or post, with its hours, staff and cost, which add up to those.
    """

    hours: float
    staff: float
    cost: float
    table: pd.DataFrame

    def lots(self, column: str) -> pd.DataFrame:
        """The same summed by a column, as lots of a tender: `lot`, `hours`, `staff`, `estimate` (the cost).

        Raises:
            ValueError: there is no such column, or a row is blank there.
        """
        names = [name for name in self.table.columns if name not in COUNTED]
        if column not in names:
            raise ValueError(f"there is no column {column!r}; there are {', '.join(names)}")
        blank = self.table.loc[as_text(self.table[column]) == "", names[0]]
        if len(blank):
            raise ValueError(f"the column {column!r} is blank for {', '.join(blank[:8])}, which would be in no lot")
        summed = self.table.groupby(column, sort=False)[["hours", "staff", "cost"]].sum().reset_index()
        return summed.rename(columns={column: "lot", "cost": "estimate"})


def cleaning(
    zones: Table, *, wage: float, on_costs: float = 0.0, materials: float = 0.0, hours_of_one: float = 174.0
) -> Work:
    """Cleaning: hours = Σ area · times a month / area an hour.

    Args:
        zones: Columns `zone`, `area` (m²), `times` (a month), `rate` (m² one person cleans in an hour), any other.
            Rates are to be measured on the spot or taken from a norm: none is given here.
        wage: Money an hour.
        on_costs: Social insurance and overheads as a share of the wage.
        materials: Money for a m² of area and month.
        hours_of_one: Hours a month of one full-time member of staff.

    Raises:
        BadTable: a column that is missing, blank, or out of range, a zone that stands twice.
        ValueError: an amount below 0.

    >>> zones = [{"zone": "paths", "area": 42_000, "times": 30, "rate": 2_500},
    ...          {"zone": "squares", "area": 8_000, "times": 30, "rate": 900},
    ...          {"zone": "toilets", "area": 1_500, "times": 60, "rate": 150}]
    >>> work = cleaning(zones, wage=28, on_costs=0.25, materials=0.06)
    >>> round(work.hours, 5), round(work.staff, 6), round(work.cost, 4)
    (1370.66667, 7.877395, 51063.3333)
    """
    not_negative(wage=wage, on_costs=on_costs, materials=materials)
    table = _read("zones", zones, "zone", {"area": 0.0, "times": 0.0, "rate": math.nan})
    hours = table["area"] * table["times"] / table["rate"]
    return _work(table, hours, wage * (1 + on_costs), materials * table["area"], hours_of_one)


def security(
    posts: Table,
    *,
    wage: float,
    on_costs: float = 0.0,
    days: float = 365.0,
    hours_of_one: float = 174.0,
    presence: float = 1.0,
) -> Work:
    """Posts that must be manned: hours a month = Σ posts · hours a day · days / 12.

    Args:
        posts: Columns `post`, `count` (posts of that kind), `hours` (manned a day, up to 24), any other.
        wage: Money an hour.
        on_costs: As a share of the wage.
        days: Days a year on which they are manned.
        hours_of_one: Hours a month of one full-time member of staff: 21.75 days · 8 hours.
        presence: Share of these hours in which one is at work, leave and sickness taken off. It counts for staff; the
            cost is that of hours manned, so that pay for leave belongs into `on_costs`.

    Raises:
        BadTable: a column that is missing, blank, or out of range, a post that stands twice.
        ValueError: an amount below 0, days outside 0 to 366, presence outside 0 to 1.

    >>> gates = [{"post": "gate", "count": 3, "hours": 24}, {"post": "square", "count": 2, "hours": 12}]
    >>> round(security(gates, wage=30, presence=0.92).staff, 7)
    18.2408796
    """
    not_negative(wage=wage, on_costs=on_costs)
    number("days", days, 0, 366)
    number("presence", presence, 0, 1, above=True)
    table = _read("posts", posts, "post", {"count": 0.0, "hours": 0.0}, most={"hours": 24.0})
    hours = table["count"] * table["hours"] * days / 12
    return _work(table.rename(columns={"hours": "hours_a_day"}), hours, wage * (1 + on_costs), 0.0 * hours,
                 hours_of_one * presence)  # fmt: skip


def _work(table: pd.DataFrame, hours: pd.Series, hourly: float, materials: pd.Series, hours_of_one: float) -> Work:
    above_zero(hours_of_one=hours_of_one)
    shown = table.assign(hours=hours, staff=hours / hours_of_one, cost=hours * hourly + materials).reset_index(
        drop=True
    )
    sums = {name: float(shown[name].sum()) for name in ("hours", "staff", "cost")}
    return Work(**sums, table=shown)


def _read(
    name: str, data: Table, key: str, least: dict[str, float], most: dict[str, float] | None = None
) -> pd.DataFrame:
    """The table, its numbers at least as given; NaN for numbers that must be above 0."""
    problems: list[Problem] = []
    columns: dict[str, Any] = {key: TEXT} | dict.fromkeys(least, NUMBER)
    table = read_table(name, data, problems.append, columns, required=tuple(columns))
    check_unique(name, table, [key], problems.append)
    own = [column for column in COUNTED if column in table.columns and column not in least]
    problems += [Problem(name, 1, column, "the column is what is counted here; call yours otherwise") for column in own]
    for column, low in least.items():
        high = (most or {}).get(column, math.inf)
        check_within(name, table, column, np.nan_to_num(low), high, problems.append, open_below=math.isnan(low))
    if problems:
        raise BadTable(problems)
    return table


# ---- arguments --------------------------------------------------------------------------------------------


def _load(calls: float, handling: float, per: float) -> float:
    above_zero(calls=calls, handling=handling, per=per)
    load = calls * handling / per
    if load >= MOST_AGENTS:
        raise ValueError(f"the offered load is {load:,.0f}; queues of {MOST_AGENTS:,} agents and more are not counted")
    return load


def _above(load: float) -> int:
    return math.floor(load) + 1


def _refuse_endless(agents: int, wanted: str) -> None:
    if agents >= MOST_AGENTS:
        raise ValueError(f"{agents:,} agents do not reach {wanted}; the target is out of reach")
