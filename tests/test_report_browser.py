"""The page in a real browser: Chromium, driven by Playwright. Skipped, saying so, where either is missing.

With PROCURE_OPT_BROWSER=1, as in CI, a missing browser is a failure.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

import procure_opt as po
from procure_opt import auction
from procure_opt.report import Bounds

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((found for name in NAMES if (found := shutil.which(name))), "")


def missing(what: str) -> None:
    if os.environ.get("PROCURE_OPT_BROWSER") == "1":
        pytest.fail(what)
    pytest.skip(f"{what}: the report is not looked at in a browser")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright is not installed")
    if not CHROMIUM:
        missing("there is no chromium")
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>"


def award() -> po.Award:
    """Some bidders with figures that sort otherwise than their texts do, and a name that is an attack."""
    names = ["Alder", "Birch", EVIL, "$Cedar$", "东湖公司", "W" * 60]
    lots = [{"lot": f"L{n}", "estimate": 10_000 * n, "in_house": 13_000 * n} for n in range(1, 13)]
    bids = [{"bid": f"{who[:2]}{n}", "bidder": who, "lots": f"L{n}", "quality": 60 + (7 * n + 5 * k) % 40,
             "price": 10_000 * n * (80 + (3 * n + 11 * k) % 31) // 100}
            for k, who in enumerate(names) for n in range(1, 13)]  # fmt: skip
    tender = po.Tender(lots, bids, name=EVIL, money_unit=1)
    return po.award(tender, po.Policy([po.MaxShare(0.5, per="owner")], objective=po.QualityAdjusted(100)))


def pages(folder: Path) -> dict[str, Path]:
    done = award()
    market = auction.Market((stats.uniform(80, 40), 3))
    past = [{"auction": f"t{n}", "bidder": f"{EVIL}{(n + b) % 5}", "bid": 100 + (7 * n + b) % 13} for n in range(30)
            for b in range(3)]  # fmt: skip
    bounds = Bounds(seconds=None, bids=4, near=2, caps=(1.0, 0.5, 0.3), scenarios=1)
    made = {
        "committee": po.report(done, past=past, market=market, payments="vcg", bounds=bounds),
        "zh": po.report(done, lang="zh", audience="public", bounds=bounds),
        "bidder": po.report(done, audience="bidder:Alder", bounds=bounds),
    }
    return {name: each.write(folder / f"{name}.html") for name, each in made.items()}


@pytest.fixture(scope="module")
def written(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return pages(tmp_path_factory.mktemp("pages"))


@pytest.fixture(params=["committee", "zh", "bidder"])
def which(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def opened(browser: Any, path: Path, width: int) -> tuple[Any, list[str]]:
    """The page, and everything it complained of or asked for."""
    page, heard = browser.new_page(viewport={"width": width, "height": 900}), list[str]()
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("dialog", lambda dialog: (heard.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda asked: heard.append(asked.url) if asked.url != path.as_uri() else None)
    page.goto(path.as_uri())
    return page, heard


@pytest.mark.parametrize("width", [1280, 400])
def test_it_opens_without_complaint_request_or_overflow(
    browser: Any, written: dict[str, Path], which: str, width: int
) -> None:
    page, heard = opened(browser, written[which], width)
    assert heard == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = page.evaluate("[...document.querySelectorAll('figure svg')].map(e => e.getBoundingClientRect().toJSON())")
    assert len(boxes) >= {"committee": 5, "zh": 1, "bidder": 2}[which]
    assert all(box["width"] > 200 and box["height"] > 60 and box["right"] <= width for box in boxes)
    # A letter is at least 9 pixels high also on a phone.
    sizes = page.evaluate("""[...document.querySelectorAll('figure svg text')].map(e => {
        const svg = e.ownerSVGElement, scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
        return parseFloat(getComputedStyle(e).fontSize) * scale })""")
    assert sizes and min(sizes) >= 8
    # What is in a drawing lies within it.
    outside = page.evaluate("""[...document.querySelectorAll('figure svg')].flatMap(svg => {
        const box = svg.getBoundingClientRect();
        return [...svg.querySelectorAll('text')].map(e => e.getBoundingClientRect())
            .filter(e => e.left < box.left - 3 || e.right > box.right + 12).map(e => e.right - box.right) })""")
    assert outside == []
    page.close()


def test_tables_sort_figures_as_figures(browser: Any, written: dict[str, Path]) -> None:
    page, heard = opened(browser, written["committee"], 1280)

    def column(table: str, at: int) -> list[str]:
        rows = f"[...document.querySelectorAll('table.{table} tbody tr')]"
        return list(page.evaluate(f"{rows}.map(row => row.cells[{at}].innerText)"))

    def click(table: str, at: int) -> str:
        page.click(f"table.{table} thead th:nth-child({at + 1}) button")
        return str(page.get_attribute(f"table.{table} thead th:nth-child({at + 1})", "aria-sort"))

    def value(text: str) -> float:
        return float(text.replace(",", "").replace("−", "-"))

    before = column("lots", 1)
    assert click("lots", 1) == "ascending"
    after = [value(text) for text in column("lots", 1)]
    assert after == sorted(after) and len(after) == 12
    assert sorted(before) != column("lots", 1), "as texts they would stand otherwise"
    assert click("lots", 1) == "descending"
    assert [value(text) for text in column("lots", 1)] == after[::-1]
    assert click("lots", 0) == "ascending"
    assert column("lots", 0) == [f"L{n}" for n in range(1, 13)]
    assert page.get_attribute("table.lots thead th:nth-child(2)", "aria-sort") is None
    # Blanks stand last, whichever way.
    for _ in range(2):
        click("lost", 6)
        told = column("lost", 6)
        assert "–" in told
        assert "–" not in told[: len([text for text in told if text != "–"])]
    assert heard == []
    page.close()


def test_headings_stay_in_sight(browser: Any, written: dict[str, Path]) -> None:
    page, _ = opened(browser, written["committee"], 1280)
    moved = page.evaluate("""(() => { const wrap = document.querySelector('table.lost').parentElement;
        wrap.scrollTop = 300; const th = wrap.querySelector('th').getBoundingClientRect();
        return [wrap.scrollTop, th.top - wrap.getBoundingClientRect().top] })()""")
    assert moved[0] == 300 and 0 <= moved[1] <= 2
    page.close()


def test_it_prints(browser: Any, written: dict[str, Path], which: str, tmp_path: Path) -> None:
    page, heard = opened(browser, written[which], 1280)
    page.emulate_media(media="print")
    cut = page.evaluate("""[...document.querySelectorAll('.wrap')].map(e => getComputedStyle(e))
        .filter(style => style.overflow !== 'visible' || style.maxHeight !== 'none').length""")
    assert cut == 0
    assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    printed = page.pdf(path=str(tmp_path / "report.pdf"), prefer_css_page_size=True)
    assert printed.startswith(b"%PDF") and printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page ") >= 1
    assert heard == []
    page.close()
