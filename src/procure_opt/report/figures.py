"""Drawings where people would rather look than read, as SVG to stand in the page.

Text stays text, in the page's own font, so that Chinese names need no font here; ids are made unique, and no date or
random number gets in: the same award gives the same drawing.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from procure_opt.report.content import Figure
from procure_opt.report.texts import Words
from procure_opt.report.wording import money

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

    from procure_opt.auction.network import BidNetwork
    from procure_opt.auction.outcome import Equilibrium

Floats = NDArray[np.float64]

ACCENT, INK, GREY, PALE, SECOND = "#0b5f8a", "#1c2328", "#6b7680", "#d5dbe0", "#b4501e"
WIDTH, HEIGHT = 5.0, 3.3  # inches at 72 points: as wide as a phone is in pixels
STYLE: dict[str, Any] = {
    "svg.fonttype": "none", "svg.hashsalt": "procure_opt", "text.parse_math": False, "axes.unicode_minus": True,
    "font.size": 10, "font.family": "DejaVu Sans", "axes.edgecolor": GREY, "axes.labelcolor": INK, "text.color": INK,
    "axes.linewidth": 0.8, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10.5,
    "axes.titleweight": "normal", "axes.titlelocation": "left", "xtick.color": GREY, "ytick.color": GREY,
    "xtick.labelsize": 9, "ytick.labelsize": 9, "axes.grid": True, "grid.color": "#eceff1", "grid.linewidth": 0.8,
    "axes.axisbelow": True, "legend.frameon": False, "legend.fontsize": 9, "figure.facecolor": "none",
    "axes.facecolor": "none", "savefig.facecolor": "none", "lines.linewidth": 1.6,
}  # fmt: skip
NAMED = 26  # characters of a name that a drawing shows
DISCS, NAMES, LEAST = 60, 24, 0.1  # bidders drawn, of whom all are named up to so many; the least weight of a line
UNSHOWN = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")  # what XML cannot hold


class NoMatplotlib(ImportError):
    """Drawings need matplotlib."""

    def __init__(self) -> None:
        super().__init__('a report needs matplotlib for its figures: pip install "procure-opt[report]"')


@contextmanager
def _drawing(height: float = HEIGHT) -> Iterator[tuple[Drawing, Axes]]:
    """A drawing in the report's style."""
    try:
        from matplotlib import rc_context
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure as Drawing
    except ImportError:
        raise NoMatplotlib from None
    style: Any = STYLE
    with rc_context(style), warnings.catch_warnings():
        # The browser, not matplotlib, has the font that a name needs.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        drawing = Drawing(figsize=(WIDTH, height), layout="constrained")
        FigureCanvasSVG(drawing)
        yield drawing, drawing.add_subplot()


def _svg(drawing: Drawing, key: str, alt: str) -> str:
    """The drawing as an element to stand in a page."""
    raw = io.StringIO()
    drawing.savefig(raw, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return clean(raw.getvalue(), key, alt)


def clean(raw: str, key: str, alt: str) -> str:
    """SVG for a page: no prolog, no metadata, ids of its own, scaled by the page, labelled for who cannot see it."""
    space = "{http://www.w3.org/2000/svg}"
    root = ElementTree.fromstring(raw[raw.index("<svg") :])
    for each in root.findall(f"{space}metadata"):
        root.remove(each)
    for each in root.iter():
        each.tag = each.tag.removeprefix(space)
        for name, value in list(each.attrib.items()):
            bare = name.rpartition("}")[2]
            if bare == "href" and value.startswith("#"):
                del each.attrib[name]
                each.set("href", f"#{key}-{value[1:]}")
            elif bare == "id":
                each.set("id", f"{key}-{value}")
            elif "url(#" in value:
                each.set(name, value.replace("url(#", f"url(#{key}-"))
            elif name == "style" and each.tag == "text":
                each.set("style", value.replace("'DejaVu Sans'", "inherit"))
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.set("role", "img")
    root.set("aria-label", alt)
    return ElementTree.tostring(root, encoding="unicode")


def shortened(name: object, most: int = NAMED) -> str:
    """A name as a drawing shows it.

    >>> shortened("Fujian Services Review Institute")
    'Fujian Services Review In…'
    """
    text = UNSHOWN.sub("\ufffd", " ".join(str(name).split()))
    return text if len(text) <= most else text[: most - 1] + "…"


# ---- price and quality ------------------------------------------------------------------------------------


def price_quality(
    key: str, groups: Sequence[tuple[str, Floats, Floats, bool]], t: Words, axis: str,
    lines: Callable[[Floats, Floats], Floats] | None = None,
) -> Figure:  # fmt: skip
    """Bids by price (across) and quality (up); along a line the rules value them the same.

    Args:
        groups: Name, prices, qualities, and whether they were accepted.
        axis: What the horizontal axis is called.
        lines: The value of a (price, quality) grid by the rules.
    """
    prices = np.concatenate([group[1] for group in groups])
    qualities = np.concatenate([group[2] for group in groups])
    with _drawing() as (drawing, axes):
        low, high = _widened(prices), _widened(qualities)
        if lines is not None:
            across, up = np.meshgrid(np.linspace(*low, 25), np.linspace(*high, 25))
            value = lines(across, up)
            if np.isfinite(value).all() and np.ptp(value) > 0:
                axes.contour(across, up, value, levels=7, colors=PALE, linewidths=1.1, linestyles="solid", zorder=1)
        for name, price, quality, won in groups:
            if not len(price):
                continue
            fill, edge = (ACCENT, ACCENT) if won else ("white", GREY)
            axes.scatter(price, quality, s=34 if won else 22, linewidths=1, label=name, facecolors=fill,
                         edgecolors=edge, zorder=2 + won)  # fmt: skip
        axes.set(xlim=low, ylim=high, xlabel=axis, ylabel=t("fig.axis.quality"))
        _thousands(axes, "x")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, borderaxespad=0.1, handletextpad=0.3)
        return Figure("scatter", _svg(drawing, key, t("fig.scatter.alt")), t("fig.scatter.alt"))


def _widened(values: Floats) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    room = 0.08 * (high - low) if high > low else max(abs(high), 1.0) * 0.1
    return low - room, high + room


# ---- cost and concentration -------------------------------------------------------------------------------


def cost_concentration(
    key: str, hhi: Floats, cost: Floats, caps: Sequence[str], award: tuple[float, float], t: Words
) -> Figure:
    """Cost (up) against concentration (across) as the cap on a share is tightened, the award marked."""
    with _drawing() as (drawing, axes):
        axes.plot(hhi, cost, "-o", color=GREY, markersize=4, zorder=2)
        drawn: list[tuple[float, float]] = []
        scale = (max(float(np.ptp(hhi)), 1e-9), max(float(np.ptp(cost)), 1e-9))
        for x, y, cap in zip(hhi, cost, caps):
            near = any(abs(x - a) / scale[0] < 0.09 and abs(y - b) / scale[1] < 0.09 for a, b in drawn)
            if not near:
                axes.annotate(cap, (x, y), (4, 5), textcoords="offset points", fontsize=8.5, color=GREY)
                drawn.append((x, y))
        axes.scatter(*award, s=60, color=ACCENT, zorder=3)
        axes.annotate(t("fig.award"), award, (0, -15), textcoords="offset points", fontsize=9, color=ACCENT,
                      ha="center")  # fmt: skip
        axes.margins(x=0.14, y=0.16)
        axes.set(xlabel=t("fig.axis.hhi"), ylabel=t("fig.axis.cost"))
        _thousands(axes, "y")
        return Figure("frontier", _svg(drawing, key, t("fig.frontier.alt")), t("fig.frontier.alt"))


# ---- shares -----------------------------------------------------------------------------------------------


def share_bars(
    key: str, names: Sequence[str], shares: Floats, cap: float, per: str, of: str, t: Words
) -> Figure:
    """A bar for each entity's share, and the cap."""
    with _drawing(max(1.3, 0.55 + 0.29 * len(names))) as (drawing, axes):
        place = np.arange(len(names))
        over = shares > cap + 1e-9 if not math.isnan(cap) else np.zeros(len(names), dtype=bool)
        axes.barh(place, 100 * shares, height=0.62, color=np.where(over, SECOND, ACCENT).tolist())
        for at, share in zip(place, shares):
            axes.annotate(t.share(share), (100 * share, at), (4, 0), textcoords="offset points", va="center",
                          fontsize=9)  # fmt: skip
        if not math.isnan(cap):
            axes.axvline(100 * cap, color=SECOND, linewidth=1.2, linestyle=(0, (4, 3)))
            axes.annotate(t("fig.capped", cap=t.share(cap)), (100 * cap, -0.62), (3, 0), textcoords="offset points",
                          fontsize=8.5, color=SECOND, va="bottom")  # fmt: skip
        axes.set_yticks(place, [shortened(name, 22) for name in names])
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.set_ylim(len(names) - 0.4, -0.7)
        axes.set_xlim(0, 118 * max(float(shares.max()), 0 if math.isnan(cap) else cap))
        axes.set_xlabel(t("fig.axis.share"))
        axes.grid(visible=False, axis="y")
        alt = t("fig.shares.alt", per=per, of=of)
        return Figure("shares", _svg(drawing, key, alt), alt)


# ---- bids in equilibrium ----------------------------------------------------------------------------------


def bid_functions(key: str, found: Mapping[str, Equilibrium], t: Words) -> Figure:
    """The bid of a supplier of each cost, by rule and class, beside the cost itself."""
    colours, lines = (ACCENT, SECOND, "#4a7c3a", "#7a4b94", "#8a6d0b", GREY), ("-", "--", ":", "-.")
    with _drawing(HEIGHT + 0.3 + 0.16 * len(found)) as (drawing, axes):
        ends = []
        for place, (name, each) in enumerate(found.items()):
            for number, (distribution, _) in enumerate(each.market.classes):
                costs = np.linspace(float(distribution.ppf(0.0)), float(distribution.ppf(0.99)), 200)
                told = shortened(name, 34)
                if len(each.market.classes) > 1:
                    told += f" · {t('fig.class', number=number)}"
                axes.plot(costs, each.bid(costs, number), lines[number % 4], color=colours[place % 6], label=told)
                ends += [costs[0], costs[-1]]
        axes.plot([min(ends), max(ends)], [min(ends), max(ends)], color=PALE, zorder=1, label=t("fig.cost_itself"))
        axes.set(xlabel=t("fig.axis.cost"), ylabel=t("fig.axis.bid"))
        _thousands(axes, "x")
        _thousands(axes, "y")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, borderaxespad=0.1, columnspacing=1.0)
        return Figure("bid_functions", _svg(drawing, key, t("fig.bid_functions.alt")), t("fig.bid_functions.alt"))


# ---- the network of bidders -------------------------------------------------------------------------------


def network(key: str, found: BidNetwork, groups: Sequence[Sequence[str]], t: Words) -> Figure:
    """Bidders as discs sized by the tenders they bid in, joined where they often met, groups coloured and named."""
    import networkx as nx

    graph, colours = found.graph, (ACCENT, SECOND, "#4a7c3a", "#7a4b94", "#8a6d0b")
    hue = {one: colours[number % 5] for number, group in reversed([*enumerate(groups)]) for one in group}
    close = [(a, b, data["weight"]) for a, b, data in graph.edges(data=True) if data["weight"] >= LEAST]
    kept = list(dict.fromkeys([*hue, *(one for a, b, _ in close for one in (a, b))]))
    busiest = sorted(kept, key=lambda one: (one not in hue, -graph.nodes[one]["tenders"], one))[:DISCS]
    shown = graph.subgraph(busiest)
    place = nx.spring_layout(shown, weight="weight", seed=0)
    most = max((graph.nodes[one]["tenders"] for one in busiest), default=1)
    named = busiest if len(busiest) <= NAMES else [one for one in busiest if one in hue]
    with _drawing(4.2) as (drawing, axes):
        for a, b, weight in close:
            if a in place and b in place:
                within = a in hue and hue[a] == hue.get(b)
                line = {"color": hue[a], "alpha": 0.7} if within else {"color": PALE}
                axes.plot(*zip(place[a], place[b]), linewidth=4 * weight, zorder=1 + within, **line)
        for one in busiest:
            size = 30 + 220 * graph.nodes[one]["tenders"] / most
            x, y = place[one]
            axes.scatter(x, y, s=size, color=hue.get(one, "#9aa5ad"), zorder=3, edgecolors="white")
        for one in named:
            x, y = place[one]
            axes.annotate(shortened(one, 18), (x, y), (0, 9), textcoords="offset points", ha="center", fontsize=9,
                          color=hue.get(one, INK), zorder=4)  # fmt: skip
        axes.set_axis_off()
        axes.margins(0.14)
        note = "" if len(busiest) == len(kept) else t("out.bars", shown=len(busiest), all=len(kept))
        return Figure("network", _svg(drawing, key, t("fig.network.alt")), t("fig.network.alt"), note)


def _thousands(axes: Axes, side: str) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    ruler = axes.xaxis if side == "x" else axes.yaxis
    ruler.set_major_locator(MaxNLocator(5))
    ruler.set_major_formatter(FuncFormatter(lambda value, _: money(round(value, 6))))
