"""A contestable award: what a losing bidder can check, and what tampering makes that say."""

from __future__ import annotations

import ast
import copy
import dataclasses
import itertools
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import brute
import procure_opt as po
import strategies
import tiny
from procure_opt import verify_award
from procure_opt.contest import _proof, _tender, contest, digest, write_contest
from strategies import awarded, examples
from tiny import bid, lots, tender

PROGRAM = Path(verify_award.__file__)
KNOWN = (*verify_award.ANY, *verify_award.WHOLE)
Json = Any
Path_ = tuple[Any, ...]


def judged(file: Json, *published: str) -> tuple[list[str], list[str]]:
    wrong, unchecked = verify_award.judge(file, published)
    return wrong, unchecked


def code(file: Json, tmp_path: Path, *published: str) -> int:
    """How the program leaves, run in this process on a file."""
    path = tmp_path / "award.json"
    path.write_text(json.dumps(file), encoding="utf-8")
    return int(verify_award.main(str(path), *published))


def repaired(file: Json) -> Json:
    """The file with its digest, and the hash of its rules, made anew: what a careful forger does."""
    announced = file["content"]["announced"]
    announced["hash"] = verify_award.sha(announced["text"])
    file["digest"] = digest(file["content"])
    return file


def park() -> tuple[po.Tender, po.Policy]:
    """Four lots, a package, exclusive bids, in-house, scores, affiliates; all rules hard, and several bind."""
    rows = [
        {"lot": "north", "estimate": 100, "in_house": 130, "reserve": 140, "kind": "cleaning"},
        {"lot": "south", "estimate": 80, "in_house": 110, "kind": "cleaning"},
        {"lot": "lake", "estimate": 60, "in_house": 90, "kind": "guards"},
        {"lot": "gate", "estimate": 40, "in_house": None, "kind": "guards"},
    ]
    bids = [
        bid("a1", "Alder", "north", 90, xor="one"),
        bid("a2", "Alder", "north;south;lake", 195, xor="one"),
        bid("b1", "Birch", "south", 76),
        bid("b2", "Birch", "south;lake", 120),
        bid("c1", "Cedar", "lake", 52),
        bid("c2", "Cedar", "gate", 39, fixed=2),
        bid("d1", "Dogwood", "gate", 41),
        bid("d2", "Dogwood", "north", 99.5),
    ]
    scores = [
        {"bid": row["bid"], "criterion": criterion, "evaluator": who, "score": 60 + 7 * i % 30}
        for i, (row, criterion, who) in enumerate(itertools.product(bids, ("method", "staff"), ("E1", "E2")))
    ]
    bidders = [
        {"bidder": "Alder", "owner": "Wood", "local": 1}, {"bidder": "Birch", "owner": "", "local": 1},
        {"bidder": "Cedar", "owner": "Wood", "local": 0}, {"bidder": "Dogwood", "owner": "", "local": 1},
    ]  # fmt: skip
    policy = po.Policy(
        [
            po.Budget(400), po.Budget({"cleaning": 210, "guards": 140}, each="kind"), po.MinQuality(60, across="bid"),
            po.MinQuality(65), po.AttributeBound("local", at_least=0), po.MaxShare(0.6, per="owner"),
            po.MaxShare(0.9, of="spend"), po.MinShare(0.1, {"local": 1}), po.MaxLots(3), po.MinWinners(2),
            po.MaxWinners(4), po.Separate({"kind": "cleaning"}, ["gate"]),
        ],
        tie_break=po.DrawLots(7),
        quality_weights={"method": 2, "staff": 1},
    )  # fmt: skip
    return po.Tender(rows, bids, bidders, scores=scores), policy


@pytest.fixture(scope="module")
def file() -> Json:
    award = po.award(*park())
    made = contest(award)
    assert judged(made) == ([], [])
    return made


# ---- the program ------------------------------------------------------------------------------------------


def test_the_program_is_short_and_imports_the_standard_library_alone() -> None:
    text = PROGRAM.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 250
    modules = {alias.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module or "" for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)}
    assert modules <= set(sys.stdlib_module_names)
    ast.parse(text, feature_version=(3, 9))


def test_it_runs_by_itself_on_what_was_written(tmp_path: Path) -> None:
    told = write_contest(po.award(*park()), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["award.json", "verify_award.py"]
    hash_ = po.announce(park()[1], park()[0]).hash
    run = [sys.executable, "-I", "-S", "-W", "error", str(tmp_path / "verify_award.py"), str(tmp_path / "award.json")]

    def left(*more: str) -> tuple[int, str, str]:
        done = subprocess.run([*run, *more], check=False, capture_output=True, encoding="utf-8", cwd=tmp_path)
        return done.returncode, done.stdout, done.stderr

    assert left(hash_, told) == (0, "Everything is verified.\n", "")
    assert left("0" * 64)[0] == 1
    assert left(hash_, "0" * 64)[0] == 1
    assert subprocess.run(run[:-1], check=False, capture_output=True, cwd=tmp_path).returncode == 1


def test_a_written_file_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    award = po.award(*park())
    write_contest(award, tmp_path)
    before = (tmp_path / "award.json").read_bytes()

    def fails(*_: Any) -> None:
        raise OSError("no room")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="no room"):
        write_contest(award, tmp_path)
    assert (tmp_path / "award.json").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["award.json", "verify_award.py"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", "null", '{"content": {}}', '{"content": []}', "NaN", "[" * 100_000, '"\\ud800"',
             '{"content": {"announced": {"text": "9"}}}'],
)  # fmt: skip
def test_whatever_is_no_award_is_answered_in_a_sentence(text: str, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "award.json").write_text(text, encoding="utf-8")
    assert verify_award.main(str(tmp_path / "award.json")) == 1
    assert capsys.readouterr().out.startswith("WRONG: the file cannot be understood")


# ---- tampering --------------------------------------------------------------------------------------------


def leaves(value: Json, path: Path_ = ()) -> Iterator[Path_]:
    """The place of everything in a file: leaves, and what holds them."""
    if path:
        yield path
    held = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inside in held:
        yield from leaves(inside, (*path, key))


def changed(value: Json) -> list[Json]:
    """Other values that could stand in a place."""
    if isinstance(value, bool) or value is None:
        return [not value, 1, "x"]
    if isinstance(value, (int, float)):
        return [value + 1, -value - 1, str(value), 1e400, float("nan"), None]
    if isinstance(value, str):
        return [value + "x", "", 5, value.upper() + " "]
    return [[], {}, None, "x"]


def variants(file: Json) -> Iterator[tuple[Path_, Json]]:
    """The file with one thing changed, removed or repeated, for everything there is in it."""
    text = json.dumps(file)
    for path in list(leaves(file)):

        def holder(made: Json, path: Path_ = path) -> Json:
            for key in path[:-1]:
                made = made[key]
            return made

        was = holder(file)[path[-1]]
        others = [new for new in changed(was) if type(new) is not type(was) or new != was]
        for new in others:
            made = json.loads(text)
            holder(made)[path[-1]] = new
            yield path, made
        made = json.loads(text)
        holder(made).pop(path[-1])
        yield path, made
        if isinstance(holder(file), list):
            made = json.loads(text)
            holder(made).insert(path[-1], was)
            yield path, made


def test_any_change_makes_it_speak(file: Json, tmp_path: Path) -> None:
    count = 0
    for path, made in variants(file):
        assert code(made, tmp_path) == 1, path
        count += 1
    assert count > 1500


def test_so_it_does_where_the_digest_is_made_anew(file: Json, tmp_path: Path) -> None:
    """It cannot know facts of the tender, which only their bidder can contest; other multipliers may prove it too."""
    silent = set()
    for path, made in variants(file["content"]):
        if code({"digest": digest(made), "content": made}, tmp_path) == 0:
            silent.add(path)
    assert {path[0] for path in silent} <= {"tender", "proof", "award"}
    assert {path for path in silent if path[0] == "award"} <= {("award", "unawarded")}  # {} lists as little as []
    accepted = file["content"]["award"]["bids"].keys()
    priced = {path[2] for path in silent if path[:2] == ("tender", "bids") and path[3:] in (("price",), ("fixed",))}
    assert not priced & accepted


FORGERIES: dict[str, Callable[[Json], Any]] = {
    "a winner's price is raised": lambda c: c["tender"]["bids"]["b2"].update(price=125),
    "a winner's price is raised, and what it is paid": lambda c: (
        c["tender"]["bids"]["b2"].update(price=225),
        c["award"]["bids"]["b2"].update(net=225),
        c["award"].update(cost=c["award"]["cost"] + 105),
        c["payments"]["amounts"].update(Birch=225),
    ),
    "a loser's price is lowered": lambda c: c["tender"]["bids"]["d1"].update(price=11),
    "a winner's scores are lowered": lambda c: c["tender"]["scores"]["b2"].update(method=[1, 2]),
    "a winner counts for another": lambda c: (
        c["tender"]["counts"]["MaxShare of estimate by owner"].update(Birch={"Wood": 1})
    ),
    "another bid is accepted": lambda c: c["award"]["bids"].update(c2={"fraction": 1, "net": 41}),
    "the loser of the draw wins": lambda c: (
        c["award"]["bids"].pop("d1"),
        c["award"]["bids"].update(c2={"fraction": 1, "net": 41}),
        c["payments"]["amounts"].pop("Dogwood"),
        c["payments"]["amounts"].update(Cedar=41),
    ),
    "a bid is not accepted": lambda c: c["award"]["bids"].pop("b2"),
    "a bid that is not there is accepted": lambda c: c["award"]["bids"].update(z={"fraction": 1, "net": 1}),
    "a lot is in-house too": lambda c: c["award"]["in_house"].update(north={"fraction": 1}),
    "a lot is in-house that cannot be": lambda c: c["award"]["in_house"].update(gate={"fraction": 1}),
    "part of a bid is accepted": lambda c: c["award"]["bids"]["b2"].update(fraction=0.5),
    "a lot is left open": lambda c: c["award"]["unawarded"].append("gate"),
    "the cost is lower": lambda c: c["award"].update(cost=c["award"]["cost"] - 0.01),
    "a net price is higher": lambda c: c["award"]["bids"]["b2"].update(net=120.01),
    "a winner is paid more": lambda c: c["payments"]["amounts"].update(Birch=120.01),
    "a winner is paid less": lambda c: c["payments"]["amounts"].update(Birch=119),
    "a loser is paid": lambda c: c["payments"]["amounts"].update(Dogwood=5),
    "multipliers are gone": lambda c: c["proof"]["cases"][0][0].clear(),
    "cases are gone": lambda c: c["proof"]["cases"].clear(),
    "all multipliers are 0": lambda c: [case[0].update(dict.fromkeys(case[0], 0)) for case in c["proof"]["cases"]],
    "multipliers are huge": lambda c: [
        case[0].update({row: y * 10**30 for row, y in case[0].items()}) for case in c["proof"]["cases"]
    ],
    "the divisor is negative": lambda c: c["proof"].update(per=-c["proof"]["per"]),
    "the divisor is endless": lambda c: c["proof"].update(per=float("inf")),
    "a case too many": lambda c: c["proof"]["cases"].append([{}, None]),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_careful_forger_is_found_out(name: str, file: Json, tmp_path: Path, capsys: Any) -> None:
    forged = copy.deepcopy(file)
    FORGERIES[name](forged["content"])
    assert forged != file
    assert code(repaired(forged), tmp_path) == 1
    said = capsys.readouterr().out
    assert said.startswith("WRONG: ")
    assert "Traceback" not in said


def test_changed_rules_do_not_match_what_was_published(file: Json) -> None:
    published = file["content"]["announced"]["hash"]
    rules = (("share=0.6", "share=0.9"), ("seed=7", "seed=8"), ("MaxLots(n=3", "MaxLots(n=9"), ("140.0", "150.0"))
    for old, new in rules:
        forged = copy.deepcopy(file)
        announced = forged["content"]["announced"]
        assert old in announced["text"], old
        announced["text"] = announced["text"].replace(old, new)
        assert judged({"digest": digest(forged["content"]), "content": forged["content"]})[0]
        wrong, _ = judged(repaired(forged), published)
        assert any("rules" in line for line in wrong)


def test_a_bid_set_aside_is_said_aloud(file: Json, tmp_path: Path, capsys: Any) -> None:
    forged = copy.deepcopy(file)
    del forged["content"]["tender"]["bids"]["a1"]
    forged["content"]["tender"]["aside"]["a1"] = "lost in the post"
    assert code(repaired(forged), tmp_path) != 0
    assert "a1" in capsys.readouterr().out


# ---- what is optimal --------------------------------------------------------------------------------------


def restated(file: Json, award: brute.Possible, offers: po.Tender) -> Json:
    """The file with another award, everything that can be computed made to fit."""
    made = copy.deepcopy(file)
    content = made["content"]
    price = dict(zip(offers.bids["bid"], offers.bids["price"] + offers.bids["fixed"]))
    who = dict(zip(offers.bids["bid"], offers.bids["bidder"]))
    content["award"] |= {
        "bids": {name: {"fraction": 1, "net": int(price[name])} for name in sorted(award.bids)},
        "in_house": {lot: {"fraction": 1} for lot in sorted(award.in_house)},
        "cost": int(award.cost),
    }
    amounts: dict[str, int] = {}
    for name in award.bids:
        amounts[who[name]] = amounts.get(who[name], 0) + int(price[name])
    content["payments"]["amounts"] = amounts
    return repaired(made)


@examples(60)
@given(st.data())
def test_it_agrees_with_enumeration(data: Any) -> None:
    """Only the drawn one of the cheapest awards passes; every dearer one, and every tie not drawn, is refused."""
    offers = data.draw(strategies.tenders(discounts=False))
    names = tuple(name for name in KNOWN if name in strategies.RULES)
    rules = data.draw(strategies.policies(offers, names=names, soft=False, ledger=False, scores=False))
    draw = po.DrawLots(data.draw(st.integers(0, 9)))
    policy = po.Policy(rules.constraints, quality_weights=rules.quality_weights, tie_break=draw)
    award = awarded(offers, policy)
    assume(award is not None)
    made = contest(award)
    wrong, unchecked = judged(made)
    assert wrong == []
    if "why" in made["content"]["proof"] or "why" in made["content"]["proof"].get("draw", {}):
        assert unchecked
        return
    for other in itertools.islice(brute.every_award(offers, policy), 60):
        mine = other.bids == set(award.bids["bid"]) and other.in_house == set(award.in_house["lot"])
        assert bool(judged_or_not(restated(made, other, offers))) == (not mine), other


@examples(60)
@given(st.data())
def test_of_equals_only_the_one_drawn_passes(data: Any) -> None:
    """Prices so small that several awards are cheapest in most tenders."""
    lot_rows, bid_rows = data.draw(tiny.tables(max_bids=6))
    seed = data.draw(st.integers(0, 99))
    offers = tiny.tender(lot_rows, *bid_rows)
    award = awarded(offers, po.Policy(tie_break=po.DrawLots(seed)))
    assume(award is not None)
    made = contest(award)
    assert judged(made) == ([], [])
    names = {lot["lot"] for lot in lot_rows}
    passed, best = set(), tiny.best_awards(lot_rows, bid_rows)
    for cost, bids in tiny.every_award(lot_rows, bid_rows):
        home = names - {lot for row in bid_rows if row["bid"] in bids for lot in row["lots"].split(";")}
        other = brute.Possible(bids, frozenset(home), frozenset(), Fraction(cost), Fraction(cost))
        if not judged_or_not(restated(made, other, offers)):
            passed.add(bids)
    assert passed == {frozenset(award.bids["bid"])} <= set(best[1])


def test_the_draw_is_carried_out_bid_by_bid() -> None:
    """Eight awards cost the same; under every seed another file, and each is verified in full."""
    rows = lots("A", "B", "C", in_house=9)
    bids = [bid(f"{lot}{who}", f"{who}{lot}", lot, 5) for lot in "ABC" for who in "xy"]
    won = set()
    for seed in range(12):
        award = po.award(tender(rows, *bids), po.Policy(tie_break=po.DrawLots(seed)))
        made = contest(award)
        assert judged(made) == ([], [])
        proof = made["content"]["proof"]
        assert not proof["alone"] and len(proof["draw"]["each"]) == 3
        won.add(frozenset(award.bids["bid"]))
        forged = copy.deepcopy(made)
        for cases in forged["content"]["proof"]["draw"]["each"].values():
            cases["cases"] = [[{}, None]]
        wrong, _ = judged(repaired(forged))
        # Once all of its choices are made, any further bid costs more without any multipliers.
        calls = sorted((verify_award.sha(f"{seed}:{name}"), name) for name in award.tender.bids["bid"])
        accepted = [name in set(award.bids["bid"]) for _, name in calls]
        assert bool(wrong) == (not all(accepted[:3])), (seed, accepted)
    assert len(won) > 4


def test_a_gap_is_closed_by_cases() -> None:
    """Three packages of two of three lots: the relaxation takes half of each, and no award does."""
    rows = lots("A", "B", "C", in_house=10)
    bids = [bid("ab", "X", "A;B", 10), bid("bc", "Y", "B;C", 10), bid("ca", "Z", "C;A", 10)]
    award = po.award(tender(rows, *bids, bid("abc", "W", "A;B;C", 19)))
    made = contest(award)
    assert award.cost == 19
    assert len(made["content"]["proof"]["cases"]) > 1
    assert judged(made) == ([], [])


def test_a_solver_that_knows_of_no_proof_is_not_believed() -> None:
    award = po.award(*park(), gap=0.5)
    made = contest(award)
    assert judged(made)[0] == []
    assert any("optimal" in line for line in judged(made)[1])


def test_no_multipliers_whatever_prove_a_dearer_award() -> None:
    """11 where 10 is possible: proofs of every shape, from whole numbers to what is none, and none of them passes."""
    bids = [bid("x", "X", "A", 5), bid("y", "Y", "A;B", 11), bid("z", "Z", "B", 5), bid("w", "W", "B", 6)]
    made = contest(po.award(tender(lots("A", "B", in_house=9), *bids)))
    content = made["content"]
    content["award"] |= {"bids": {"x": {"fraction": 1, "net": 5}, "w": {"fraction": 1, "net": 6}}, "cost": 11}
    content["payments"]["amounts"] = {"X": 5, "W": 6}
    case, rng = verify_award.Case(content), random.Random(5)
    multipliers = [0, 1, 5, -5, 500, 600, 1100, 10**30, -(10**30), 1e308, 0.5, "7", True]

    def proof() -> Json:
        def one() -> Json:
            return [
                {rng.choice(list(case.rows)): rng.choice(multipliers) for _ in range(rng.randint(0, 4))},
                rng.choice([*case.cost, "", "nonsense", None]),
            ]

        return {"per": rng.choice([0, 1, 1, 2, -1, 10**9, 0.5]), "cases": [one() for _ in range(rng.randint(0, 4))]}

    for alone in [True, False] * 1000:
        draw = {"all": proof(), "each": {name: proof() for name in "xyzw"}}
        content["proof"] = proof() | {"alone": alone, "draw": draw}
        assert judged_or_not(repaired(made))


@pytest.mark.parametrize(
    "policy, named",
    [
        (po.Policy([po.Resilient(500)]), "Resilient"),
        (po.Policy([po.Together(["north"])]), "Together"),
        (po.Policy([po.KeepIncumbents("kind", 9)]), "KeepIncumbents"),
        (po.Policy([po.MaxShare(0.9, penalty=5)]), "rules that may be broken at a charge"),
        (po.Policy(objective=po.QualityAdjusted(0.1)), "QualityAdjusted"),
        (po.Policy(ledger=po.Ledger(per_contract=1)), "transaction costs"),
        (po.Policy(min_bidders=2), "fewer than 2 bidders"),
        (po.Policy([lambda tender: po.MaxLots(4)(tender)]), "lambda"),
    ],
)
def test_what_it_does_not_know_it_names(policy: po.Policy, named: str, tmp_path: Path, capsys: Any) -> None:
    assert code(contest(po.award(park()[0], policy)), tmp_path) == 2
    said = capsys.readouterr().out
    assert named in said
    assert all(line.startswith("NOT CHECKED: ") for line in said.splitlines())


def test_payments_beyond_the_price_are_checked_from_below() -> None:
    award = po.award(*park())
    made = contest(award, po.pay(award, "vcg"))
    wrong, unchecked = judged(made)
    assert (wrong, unchecked) == ([], ["that vcg pays these amounts"])
    made["content"]["payments"]["amounts"]["Birch"] = 100
    assert "payment of Birch" in judged(repaired(made))[0][0]


@pytest.mark.parametrize(
    "offers, pay, reason",
    [
        (tender("A", bid("x", "X", "A", 5)), ("vcg", "bidder"), "X has no rival"),
        (tender("A", bid("x", "X", "A", 5)), ("pay_as_bid", "owner"), "by bidder"),
        (tender("A", bid("~x", "X", "A", 5)), ("pay_as_bid", "bidder"), "may not start with ~"),
    ],
)
def test_what_cannot_be_stated_is_refused(offers: po.Tender, pay: tuple[str, Any], reason: str) -> None:
    award = po.award(offers)
    with pytest.raises(ValueError, match=reason):
        contest(award, po.pay(award, pay[0], by=pay[1]))


def test_names_that_look_like_labels_do_no_harm(tmp_path: Path, capsys: Any) -> None:
    """An xor label that is another bid's name; names with escapes that would wipe a terminal."""
    bids = [bid("b1", "X", "A", 5), bid("b2", "X", "B", 5, xor="b1"), bid("\x1b[2Jb3", "X", "C", 5, xor="b1")]
    made = contest(po.award(tender(lots("A", "B", "C", in_house=9), *bids)))
    assert judged(made) == ([], [])
    made["content"]["tender"]["bids"]["\x1b[2Jb3"]["price"] = 4
    assert code(repaired(made), tmp_path) == 1
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize("example", sorted(Path(__file__).parents[1].glob("examples/0*/policy.toml")), ids=str)
def test_examples_are_told_nothing_wrong(example: Path) -> None:
    tender_, policy = po.read_tender(example.parent), po.read_policy(example.parent)
    wrong, unchecked = judged(contest(po.award(tender_, policy)))
    assert wrong == []
    assert unchecked  # each of them has something that this program does not know


# ---- what a referee found ---------------------------------------------------------------------------------


def forged(award: po.Award, names: list[str]) -> Json:
    """The file with other bids accepted, and whatever proof the program's own rows allow of that."""
    made = contest(award)
    content, tender_ = made["content"], award.tender
    price = dict(zip(tender_.bids["bid"], tender_.bids["price"] + tender_.bids["fixed"]))
    who = dict(zip(tender_.bids["bid"], tender_.bids["bidder"]))
    cost = round(sum(price[name] for name in names), 9)
    content["award"] |= {"bids": {name: {"fraction": 1, "net": price[name]} for name in names}, "in_house": {}}
    content["award"] |= {"cost": cost, "unawarded": []}
    content["payments"]["amounts"] = {
        winner: round(sum(price[name] for name in names if who[name] == winner), 9)
        for winner in {who[name] for name in names}
    }
    content["proof"] = _proof(verify_award.Case(content), True)
    return repaired(made)


def test_who_loses_the_draw_cannot_be_made_its_winner() -> None:
    """A split in what is settled beforehand would settle the bid that was drawn."""
    made = contest(po.award(tender(lots("A", in_house=9), bid("x", "X", "A", 5), bid("y", "Y", "A", 5)),
                            po.Policy(tie_break=po.DrawLots(1))))  # fmt: skip
    assert judged(made) == ([], []) and list(made["content"]["award"]["bids"]) == ["x"]
    content = made["content"]
    content["award"]["bids"] = {"y": {"fraction": 1, "net": 5}}
    content["payments"]["amounts"] = {"Y": 5}
    for cases in ([[{}, "x"], [{}, None]], [[{}, None]], [[{}, "x"]], [[{}, "y"], [{}, None]], []):
        content["proof"]["draw"] = {"all": {"per": 1, "cases": cases}, "each": {}}
        assert judged_or_not(repaired(made)), cases
    assert verify_award.ONE == {"": 1}


FLAGS = [{"lot": lot, "in_house": 30, "flag": lot != "C", "size": 2.0 if lot == "C" else 1.0, "kind": lot.lower()}
         for lot in "ABC"]  # fmt: skip
GREEN = [
    *(bid(f"x{lot}", "X", lot, 5, green=lot != "B", quality=60) for lot in "ABC"),
    *(bid(f"y{lot}", "Y", lot, 7, green=True, quality=50.5) for lot in "ABC"),
]


@pytest.mark.parametrize(
    "rule",
    [
        po.MaxLots(1, lots={"flag": True}), po.MaxLots(1, lots={"flag": [1]}), po.MaxLots(1, lots={"size": "1.0"}),
        po.MaxLots(1, lots={"size": 1}), po.MaxLots(1, lots={"kind": {"a", "b"}}), po.Exclude(bids={"green": False}),
        po.Exclude(bids={"green": 0, "bidder": "X"}), po.Require(bids={"green": True, "bidder": ["Y"], "price": 7}),
        po.Exclude(bidders={"bidder": "X"}, lots=["B"]), po.Exclude(bids={"bid": ["xA"]}),
        po.MinShare(0.3, {"sme": True}, of="lots"), po.MinShare(0.3, {"bidder": ["Y"]}, of="lots"),
        po.MaxShare(np.float64(0.5), of="lots"), po.MaxLots(np.int64(2), lots=[np.str_("A"), "B", "C"]),
        po.Exclude(["X"], lots=["A"]),
    ],
)  # fmt: skip
def test_filters_mean_what_they_mean_in_the_library(rule: Any) -> None:
    bidders = [{"bidder": "X", "sme": False}, {"bidder": "Y", "sme": True}]
    offers = po.Tender(FLAGS, GREEN, bidders)
    award = po.award(offers, po.Policy([rule]))
    assert award.cost > 15
    assert judged(contest(award))[0] == []
    every = ["xA", "xB", "xC"]
    assert any(line.startswith("rule 1") for line in judged(forged(award, every))[0])
    made = forged(award, every)
    counts = made["content"]["tender"]["counts"]
    if rule == po.Exclude(["X"], lots=["A"]):  # nobody counts for another where a rule does not count
        counts["Exclude of lots by bidder"] = counts["Exclude of lots by None"] = {"X": {"Y": 1}}
        assert judged(repaired(made))[0]


def test_a_filter_that_nothing_matches_is_not_passed_over() -> None:
    award = po.award(po.Tender(FLAGS, GREEN), po.Policy([po.Exclude(bids={"quality": 60})]))
    made = contest(award)
    for row in made["content"]["tender"]["bids"].values():
        row["quality"] = 61
    assert "nothing is" in judged_or_not(repaired(made))[0]


@pytest.mark.parametrize(
    ("rows", "bids", "rule", "names"),
    [
        # A price nobody would pay leaves no room for others.
        (["A", "B"], [bid("x", "X", "A;B", 100), bid("y", "Y", "A", 50), bid("y2", "Y", "B", 60),
                      bid("z", "Z", "A;B", 1e13)], po.Budget(66, lots=["B"]), ["x"]),
        (["A", "B"], [bid("x", "X", "A;B", 100), bid("y", "Y", "A", 50), bid("y2", "Y", "B", 60),
                      bid("z", "Z", "A;B", 999_999_999.99)], po.Budget(66.6, lots=["B"]), ["x"]),
        (["A", "B"], [bid("x", "X", "A;B", 1, noise=9), bid("y", "Y", "A;B", 2, noise=6),
                      bid("z", "Z", "A;B", 3, noise=1e11)], po.AttributeBound("noise", at_most=6, across="award"),
         ["x"]),
        # A column of the bids that is called as one of the bidders.
        (["A", "B"], [bid("x", "X", "A;B", 15, deduction=0), bid("y", "Y", "A;B", 21, deduction=0.5)], None, ["y"]),
    ],
)  # fmt: skip
def test_odd_figures_switch_nothing_off(rows: list[str], bids: Any, rule: Any, names: list[str]) -> None:
    sizes = [{"lot": lot, "estimate": 1 + n, "in_house": 500} for n, lot in enumerate(rows)]
    award = po.award(po.Tender(sizes, bids), po.Policy([rule] if rule else []))
    assert names != award.bids["bid"].tolist()
    assert judged(contest(award))[0] == []
    wrong, unchecked = judged(forged(award, names))
    assert wrong or "that nothing is cheaper" in " ".join(unchecked)
    assert not rule or any(line.startswith("rule 1") for line in wrong)


def test_a_consortium_keeps_its_room_whatever_others_are_called() -> None:
    rooms = (("X", 9, ""), ("Z", 9, ""), ("XZ", 1, "X:0.5;Z:0.5"), ("XZ as such", 9, ""))
    bidders = [{"bidder": who, "room": room, "members": members} for who, room, members in rooms]
    bids = [bid("a", "XZ", "A", 5), bid("b", "XZ", "B", 5), bid("c", "XZ as such", "C", 5), bid("d", "Z", "B", 9)]
    award = po.award(po.Tender(lots("A", "B", "C", in_house=50), bids, bidders), po.Policy([po.Capacity("room")]))
    assert judged(contest(award)) == ([], [])
    assert any("Capacity" in line for line in judged(forged(award, ["a", "b", "c"]))[0])


def test_no_name_stands_twice(file: Json, tmp_path: Path, capsys: Any) -> None:
    text = json.dumps(file).replace('"bids": {"', '"bids": {"d1": {"price": 1}, "', 1)
    assert json.loads(text) == file
    (tmp_path / "award.json").write_text(text, encoding="utf-8")
    assert verify_award.main(str(tmp_path / "award.json")) == 1
    assert "a name stands twice" in capsys.readouterr().out


def test_a_criterion_cannot_be_left_out(file: Json) -> None:
    for name in file["content"]["tender"]["scores"]:
        made = copy.deepcopy(file)
        del made["content"]["tender"]["scores"][name]["staff"]
        assert judged_or_not(repaired(made))


def test_another_choice_among_equals_is_no_draw() -> None:
    award = po.award(tender(lots("A", in_house=9), bid("x", "X", "A", 5), bid("y", "Y", "A", 5)),
                     po.Policy(tie_break=po.DrawLots(1)))  # fmt: skip
    made = contest(award)
    text = made["content"]["announced"]["text"]
    made["content"]["announced"]["text"] = text.replace("DrawLots(seed=1)", "Reverse(seed=1)")
    wrong, unchecked = judged(repaired(made))
    assert wrong == [] and "the choice among equals" in unchecked[0]


def test_bids_set_aside_by_hand_are_read_out() -> None:
    offers = tender(lots("A", in_house=9), bid("x", "X", "A", 5), bid("y", "Y", "A", 4))
    award = po.award(offers.set_aside({offers.bid_index("y"): "forged references"}))
    assert judged(contest(award)) == ([], ["bid y is set aside: forged references"])


def test_a_lot_left_open_is_not_filled_as_well() -> None:
    award = po.award(tender(lots("A"), bid("x", "X", "A", 5)), po.Policy([po.Cover(penalty=1)]))
    assert award.unawarded == ("A",)
    made = contest(award)
    made["content"]["award"] |= {"bids": {"x": {"fraction": 1, "net": 5}}, "cost": 5}
    made["content"]["payments"]["amounts"] = {"X": 5}
    assert "lot A is filled at most once: 1 exceeds 0" in judged(repaired(made))[0]


def test_parts_that_add_up_but_for_rounding_are_no_alarm() -> None:
    offers = po.Tender(lots("A", "B", estimate=1, in_house=5), [bid("b", "X", "A;B", 4, min_fraction=0)])
    award = po.award(offers, po.Policy([po.MaxShare(0.3)]))
    assert 0.29 < award.bids["fraction"][0] < 0.31
    assert judged(contest(award))[0] == []


def test_a_lot_may_stay_open_in_part() -> None:
    offers = po.Tender(lots("A", "B", estimate=1), [bid("b", "X", "A;B", 4, min_fraction=0)])
    award = po.award(offers, po.Policy([po.MaxShare(0.3), po.Cover(penalty=9)]))
    assert 0.29 < award.bids["fraction"][0] < 0.31 and award.unawarded == ("A", "B")
    assert judged(contest(award))[0] == []


def test_a_measure_is_asked_for_only_where_a_rule_counts() -> None:
    rows = [{"lot": "A", "estimate": 10, "in_house": 50}, {"lot": "B", "in_house": 50}]
    bids = [bid("x", "X", "A;B", 20), bid("y", "Y", "A", 8), bid("z", "Z", "B", 18)]
    for rule in (po.MaxShare(1, lots=["A"]), po.MinAward(5, of="estimate", lots=["A"]), po.MaxHHI(1, lots=["A"])):
        assert judged(contest(po.award(po.Tender(rows, bids), po.Policy([rule])))) == ([], [])


def test_large_sums_are_no_alarm() -> None:
    prices = [36344761224.09, 331113934355.04, 84325219932.55]
    bids = [bid(f"b{n}", "W", f"L{n}", price) for n, price in enumerate(prices)]
    made = contest(po.award(po.Tender([{"lot": f"L{n}"} for n in range(3)], bids)))
    assert judged(made) == ([], [])
    made["content"]["award"]["cost"] += 0.01
    assert judged(repaired(made))[0]


def test_prices_count_in_units_of_money() -> None:
    """0.1 + 0.2 and 0.3 are thirty cents both."""
    award = po.award(po.Tender(lots("A"), [bid("x", "X", "A", 0.1 + 0.2), bid("y", "Y", "A", 0.3)]),
                     po.Policy(tie_break=po.DrawLots(2)))  # fmt: skip
    assert judged(contest(award)) == ([], [])


def judged_or_not(file: Json) -> list[str]:
    """What is wrong, also where it cannot be read."""
    try:
        return judged(file)[0]
    except (KeyError, IndexError, ValueError) as problem:
        return [repr(problem)]


@pytest.mark.parametrize("kind", sorted(KNOWN))
@examples(20)
@given(st.data())
def test_what_breaks_a_rule_is_refused(kind: str, data: Any) -> None:
    """Each cover of the lots is an award without the rule; under it the program says what enumeration does."""
    offers = data.draw(strategies.tenders(discounts=False))
    rule = data.draw(strategies.rules(offers, kind, soft=False))
    free, bound = po.Policy(tie_break=None), po.Policy([rule], tie_break=None)
    award = awarded(offers, free)
    assume(award is not None)
    made = contest(award)
    announced = po.announce(bound, offers)
    made["content"]["announced"] = {"text": announced.fixed, "hash": announced.hash}
    # Who counts for whom is stated in the ways of counting that the rules use.
    made["content"]["tender"] = _tender(dataclasses.replace(award, policy=bound))
    made["content"]["proof"] = {"why": "it is not asked for"}
    kept = {(each.bids, each.in_house) for each in brute.every_award(offers, bound)}
    for each in itertools.islice(brute.every_award(offers, free), 40):
        wrong, unchecked = judged(restated(made, each, offers))
        if any(line.startswith("rule 1") for line in unchecked):
            continue
        assert bool(wrong) == ((each.bids, each.in_house) not in kept), (rule, each, wrong)


ROOMS = [
    {"bidder": "X", "owner": "O", "room": 1, "small": 1, "elsewhere": 2, "kind": "firm", "members": ""},
    {"bidder": "Y", "owner": "O", "room": 1, "small": 0, "elsewhere": 0, "kind": "club", "members": ""},
    {"bidder": "Z", "owner": "", "room": 9, "small": 9, "elsewhere": 0, "kind": "social", "members": ""},
    {"bidder": "XZ", "owner": "", "room": 1, "small": 9, "elsewhere": 0, "kind": "group", "members": "X:0.5;Z:0.5"},
]


@pytest.mark.parametrize(
    "rule, cost",
    [
        (None, 21),
        (po.Capacity("room"), 22),
        (po.Capacity("small", per="owner"), 23),
        (po.Exclude(["X"], lots=["A"]), 22),
        (po.Exclude(bids=["xa", "xb"]), 24),
        (po.Require(["Z"]), 23),
        (po.Require(bids=["za"]), 24),
        (po.Require(lots={"lot": ["C"]}), 22),
        (po.MinAward(3), 22),
        (po.MinAward(30, of="estimate"), 22),
        (po.AttributeBound("noise", at_most=4), 22),
        (po.MaxShare(0.5, existing="elsewhere", of="lots"), 24),
        (po.MaxLots(3, existing="elsewhere"), 22),
        (po.MinShare(0.3, {"kind": "social"}, of="lots"), 23),
    ],
)
def test_a_rule_that_costs_something_is_proven_with(rule: Any, cost: int) -> None:
    """The cheapest cover of three lots, and the cheapest under each rule: verified, and refused without the proof."""
    rows = [
        {"lot": lot, "estimate": 10, "in_house": home, "incumbent": who, "kind": kind}
        for lot, home, who, kind in (("A", 30, "Y", "park"), ("B", 30, "Z", "road"), ("C", 7, "", "park"))
    ]
    bids = [
        bid("xa", "X", "A", 6, noise=9), bid("xb", "X", "B", 8, noise=1), bid("xc", "X", "C", 8, noise=1),
        bid("ya", "Y", "A", 7, noise=1), bid("yb", "Y", "B", 10, noise=1), bid("za", "Z", "A", 9, noise=1),
        bid("zb", "Z", "B", 10, noise=1), bid("jb", "XZ", "B", 11, noise=1), bid("jab", "XZ", "A;B", 21, noise=1),
    ]  # fmt: skip
    offers = po.Tender(rows, bids, ROOMS)
    award = po.award(offers, po.Policy([rule] if rule else [], tie_break=po.DrawLots(3)))
    best = brute.every_award(offers, award.policy)
    assert award.cost == cost == min(each.cost for each in best)
    made = contest(award)
    assert judged(made) == ([], [])
    for case in made["content"]["proof"]["cases"]:
        case[0].clear()
    assert judged(repaired(made))[0] == ["the proof that nothing is cheaper does not hold"]


def test_which_bids_are_above_the_reserve_is_found_out(tmp_path: Path) -> None:
    rows = [{"lot": lot, "reserve": 10, "demand": 2, "in_house": 12} for lot in "AB"]
    bids = [
        bid("high", "X", {"A": 2}, 10.01), bid("even", "Y", {"A": 2}, 10), bid("part", "Z", {"A": 1, "B": 2}, 15.01),
        bid("fee", "V", {"B": 2}, 9, fixed=2), bid("last", "W", {"B": 2}, 9, status="late"),
    ]  # fmt: skip
    award = po.award(po.Tender(rows, bids))
    made = contest(award)
    assert award.bids["bid"].tolist() == ["even"]
    assert sorted(made["content"]["tender"]["bids"]) == ["even", "fee", "high", "part"]
    assert judged(made) == ([], ["bid last is set aside: late"])
    made["content"]["award"]["bids"] = {"high": {"fraction": 1, "net": 10.01}}
    made["content"]["award"]["cost"] = 22.01
    made["content"]["payments"]["amounts"] = {"X": 10.01}
    assert "1 of high is in the award, and cannot be" in judged(repaired(made))[0]


@examples(40)
@given(st.data())
def test_any_tender_is_verified_or_said_not_to_be(data: Any) -> None:
    """All features and all rules: never a false alarm, and never everything verified where something is not known."""
    offers = data.draw(strategies.tenders(divisible=data.draw(st.booleans()), max_bids=6))
    policy = data.draw(strategies.policies(offers))
    award = awarded(offers, policy)
    assume(award is not None)
    made = contest(award)
    wrong, unchecked = judged(json.loads(json.dumps(made)))
    assert wrong == []
    known = all(type(rule).__name__ in KNOWN and rule.penalty is None for rule in policy.constraints)
    plain = policy.ledger is None and isinstance(policy.objective, po.LowestCost) and not len(offers.discounts)
    assert unchecked or (known and plain)
