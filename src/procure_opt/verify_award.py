"""Check the award of a tender on your own machine, with Python 3.9 or newer and nothing else:

    python3 verify_award.py award.json [HASH of the rules, published before opening] [DIGEST published with the award]
It leaves with 0 if all is verified, 1 if something is wrong, 2 if something could not be checked or is not proven.
Rules are rows: expressions of columns (a bid's is 1 if it is accepted, else 0) that must not exceed 0. Whatever the
multipliers y ≥ 0 of the rows and whoever made them, no award costs less than Σ_j min(0, d_j), d_j = c_j + Σ_i y_i a_ij.
A column whose |d_j| exceeds what is left up to the goal is settled; the rest falls into cases.
"""
import ast
import hashlib
import json
import sys
from fractions import Fraction
from math import gcd, lcm

NEAR, ONE = Fraction(1, 10**9), {"": 1}  # room in rows not of whole numbers; the column "" is always 1
KINDS = "Budget MinQuality AttributeBound MaxShare MinShare MaxLots MinWinners MaxWinners Separate".split()

def sha(words):
    return hashlib.sha256(words.encode()).hexdigest()
def exact(cell):  # the decimal that is written; whatever is no number raises
    return cell if isinstance(cell, Fraction) else Fraction(repr(cell))
def text(cell):
    return "" if cell is None else str(int(cell) if isinstance(cell, float) and cell.is_integer() else cell).strip()
def fields(words):  # of a rule as announced, `Kind(field=figure, ...)`
    return {word.arg: ast.literal_eval(word.value) for word in ast.parse(words, mode="eval").body.keywords}

def add(*parts):
    """Σ factor · expression; an expression is a figure for each column."""
    total = {}
    for column, figure in ((c, f * factor) for expression, factor in parts for c, f in expression.items()):
        total[column] = total.get(column, 0) + figure
    return total

def matching(rows, wanted):
    """The names that a list, or a filter {column: value or values}, stands for; None for all."""
    if not isinstance(wanted, dict):
        return set(rows) if wanted is None else {text(name) for name in wanted} & set(rows)
    some = {key: {text(v) for v in (v if isinstance(v, (list, tuple)) else [v])} for key, v in wanted.items()}
    return {name for name, row in rows.items() if all(text(row[key]) in values for key, values in some.items())}

class Case:
    """A tender, its announced rules and its award: the values of the columns there, what is wrong, and the rows."""

    def __init__(self, content):
        fixed, self.given, self.award = json.loads(content["announced"]["text"]), content["tender"], content["award"]
        said = [line[:-1].partition(": ")[::2] for line in fixed["rules"]]
        self.policy, self.unit = {key.split()[0]: words for key, words in said}, exact(fixed["money_unit"])
        self.lots, rules = {text(row["lot"]): row for row in fixed["lots"]}, [w for k, w in said if k == "Constraint"]
        self.wrong, self.rows, self.unchecked = [], {}, [f"{k}: {w}" for k, w in said if k.startswith("A lot with")]
        aside = {bid: row["status"] for bid, row in self.given["bids"].items() if row["status"]}
        self.unchecked += [f"bid {bid} is set aside: {reason}" for bid, reason in aside.items()]
        self.read_bids(aside)
        self.parts = ["volume discounts"] * bool(self.given["discounts"])
        self.parts += ["parts of bids"] * any(row["min_fraction"] != 1 for row in self.bids.values())
        self.beyond = self.parts + ["transaction costs"] * ("Transaction" in self.policy)
        self.beyond += ["rules that may be broken at a charge"] * any("penalty=None" not in words for words in rules)
        self.beyond += [self.policy["Objective"]] * (self.policy["Objective"] != "LowestCost()")
        self.read_award(set(self.award["unawarded"]) if any(words.startswith("Cover(") for words in rules) else set())
        for number, words in enumerate(rules, 1):
            kind = words.partition("(")[0]
            rule = fields(words) if kind in KINDS else {"penalty": "unknown", "lots": (), "each": None}
            blind = self.parts and (kind in ("Budget", "MaxLots", "Separate") or rule.get("of") == "spend")
            blind = blind or (kind == "MaxLots" and any(n < 1 for part in self.part.values() for n in part.values()))
            known = not blind and rule["penalty"] is rule.get("existing") is rule.get("at_most") is None
            self.unchecked += [] if known else [f"rule {number}, {words}"]
            every, each = matching(self.lots, rule["lots"]) if known else set(), rule["each"]
            for name in sorted({text(self.lots[lot][each]) if each else "" for lot in every}):
                lots = {lot for lot in every if not each or text(self.lots[lot][each]) == name}
                for label, small, large in self.constraint(kind, rule, lots, name):
                    self.keep(" ".join(f"rule {number}, {kind} {name} {label}".split()), small, large)

    def read_bids(self, aside):
        """Parts of lots, prices in money units, quality, and what columns cost; "~" and a lot is doing it in-house."""
        weights = ast.literal_eval(self.policy["Quality"]) if "Quality" in self.policy else {}
        home = {lot: row["in_house"] for lot, row in self.lots.items() if row["in_house"] is not None}
        self.cost, self.part, self.price = {f"~{lot}": exact(much) / self.unit for lot, much in home.items()}, {}, {}
        offers = {bid: row for bid, row in self.given["bids"].items() if bid not in aside}
        self.bids = {bid: {**self.given["bidders"][row["bidder"]], **row} for bid, row in offers.items()}
        self.wrong += [f"a bid cannot be called {bid!r}" for bid in self.bids if bid[:1] in "~"]
        for bid, row in self.bids.items():
            self.part[bid] = {lot: exact(n) / exact(self.lots[lot]["demand"]) for lot, n in row["lots"].items()}
            self.price[bid] = (exact(row["price"]) + exact(row["fixed"])) / self.unit
            self.cost[bid] = self.price[bid] * (1 - exact(row["deduction"]))
            limits = [self.lots[lot]["reserve"] for lot in self.part[bid]]
            ceiling = sum(exact(limit or 0) * part for limit, part in zip(limits, self.part[bid].values()))
            if None not in limits and self.price[bid] * self.unit > ceiling * (1 + NEAR):
                self.wrong.append(f"bid {bid} is above the reserve of {float(ceiling):.12g}, and is not set aside")
            means = {key: sum(map(exact, some)) / len(some) for key, some in self.given["scores"].get(bid, {}).items()}
            weight = {key: exact(weights[key]) if weights else 1 for key in means}
            total = sum(weight[key] * means[key] for key in means)
            row["quality"] = total / sum(weight.values()) if means else row["quality"]

    def read_award(self, left):
        """Only valid bids, whole, exclusive ones at most once, and every lot filled exactly once."""
        self.value, groups = {**ONE}, {}
        for mark, rows in (("", self.award["bids"]), ("~", self.award["in_house"])):
            for name, row in rows.items():
                part = self.value[mark + name] = exact(row["fraction"])
                if mark + name not in self.cost or not (("parts of bids" in self.parts and 0 < part < 1) or part == 1):
                    why = self.given["bids"].get(name, {}).get("status") or f"{row['fraction']} of it cannot be awarded"
                    self.wrong.append(f"{'in-house ' * bool(mark)}{name} is in the award: {why}")
        for bid, row in self.bids.items():
            groups.setdefault((row["bidder"], row["xor"] or (bid,)), {})[bid] = 1  # a tuple is nobody's label
        for (who, label), bids in groups.items():
            self.keep(f"bids {label} of {who} exclude each other", bids, ONE)
        for lot in self.lots.keys() - left:
            bids = {bid: part[lot] for bid, part in self.part.items() if lot in part}
            bids.update({f"~{lot}": 1} if f"~{lot}" in self.cost else {})
            self.keep(f"lot {lot} is filled at most once", bids, ONE)
            self.keep(f"lot {lot} is filled at least once", ONE, bids)
        self.wrong += [f"no rule lets lot {lot} stay unawarded" for lot in set(self.award["unawarded"]) - left]
        self.rows["another award"] = {"": 2 - len(self.value), **{c: 1 if c in self.value else -1 for c in self.cost}}

    def at(self, expression):
        return sum(figure * self.value.get(column, 0) for column, figure in expression.items())

    def keep(self, label, small, large):  # small ≤ large, as a row
        row = add((small, 1), (large, -1))
        room = 0 if all(figure == int(figure) for figure in row.values()) else NEAR * max(map(abs, [1, *row.values()]))
        row[""] = row.get("", 0) - room
        if self.at(row) > 0:
            self.wrong.append(f"{label}: {float(self.at(small)):.12g} exceeds {float(self.at(large)):.12g}")
        self.rows[label] = {column: f.numerator if f.denominator == 1 else f for column, f in row.items()}

    def taken(self, of, lots):
        """What each bid takes of a measure on these lots; a price belongs to its lots by estimate."""
        found = {}
        for bid, part in self.part.items():
            here, column = lots & part.keys(), "estimate" if of == "spend" else of
            if here:
                alike = of == "lots" or (of == "spend" and len(here) == len(part))
                worth = {lot: part[lot] if alike else part[lot] * exact(self.lots[lot][column]) for lot in part}
                share = sum(worth[lot] for lot in here)
                found[bid] = self.price[bid] * share / sum(worth.values()) if of == "spend" else share
        return found

    def each(self, per, taken):  # by entity, what its bids take
        found = {}
        for bid, much in taken.items():
            for entity, weight in self.given["counts"][per][self.bids[bid]["bidder"]].items():
                found.setdefault(entity, {})[bid] = exact(weight) * much
        return found

    def constraint(self, kind, rule, lots, name):  # what a rule says must not exceed what, and what that is about
        per, here, mean = rule.get("per", "bidder"), self.taken("lots", lots), rule.get("across") == "award"
        won = dict.fromkeys([bid for bid in here if bid in self.value], 1)
        kept = {f"~{lot}": self.cost[f"~{lot}"] for lot in lots if f"~{lot}" in self.cost}
        if kind == "Budget":
            amounts = rule["amount"] if isinstance(rule["amount"], dict) else {name: rule["amount"]}
            amount = {text(key): exact(money) / self.unit for key, money in amounts.items()}[name]
            yield "", {**self.taken("spend", lots), **kept}, {"": amount}
        elif kind in ("MinQuality", "AttributeBound"):
            bound, weight = rule.get("at_least", rule.get("score")), self.taken("estimate", lots) if mean else here
            lack = {bid: exact(bound) - exact(self.bids[bid][rule.get("column", "quality")]) for bid in here}
            if mean:
                yield "lacks in the mean", {bid: much * weight[bid] for bid, much in lack.items()}, {}
            else:
                yield from ((f"lacks in bid {bid}", {bid: much}, {}) for bid, much in lack.items() if much > 0)
        elif kind in ("MaxShare", "MinShare"):
            of, taken = rule["of"], self.taken(rule["of"], lots)
            sizes = {"": sum(1 if of == "lots" else exact(self.lots[lot][of]) for lot in lots if of != "spend")}
            total = {**taken, **kept} if of == "spend" else sizes
            bound = add((total if rule["base"] == "scope" else taken, exact(rule["share"])))
            if kind == "MaxShare":
                yield from ((entity, amount, bound) for entity, amount in self.each(per, taken).items())
            else:
                chosen = matching(self.given["bidders"], rule["bidders"])
                yield "", bound, {bid: much for bid, much in taken.items() if self.bids[bid]["bidder"] in chosen}
        elif kind == "MaxLots":
            for entity, bids in self.each(per, here).items():  # no two of which share a lot
                yield entity, {bid: len(lots & self.part[bid].keys()) for bid in bids}, {"": rule["n"]}
        elif kind in ("MinWinners", "MaxWinners"):
            count, n = {"": len(self.each(f"{per} as winner", won))}, {"": rule["n"]}
            yield ("", n, count) if kind == "MinWinners" else ("", count, n)
        else:  # Separate
            sides = [lots & matching(self.lots, rule[side]) for side in ("first", "second")]
            for entity, bids in self.each(per, here).items():
                first, second = ([bid for bid in bids if not side.isdisjoint(self.part[bid])] for side in sides)
                yield from ((f"{entity}: {a}, {b}", add(({a: 1}, 1), ({b: 1}, 1)), ONE) for a in first for b in second)

    def dearer(self, goal, proof, fixed):
        """Whether all awards with these columns fixed cost more than the goal; and the columns that this settles."""
        todo, per = [(fixed, {})], max(0, int(proof["per"]))
        for multipliers, split in proof["cases"]:
            fixed, y = todo.pop()
            fixed, y, slope = {**fixed}, {**y, **multipliers}, {column: per * f for column, f in self.cost.items()}
            for row, weight in ((row, max(0, int(some))) for row, some in y.items() if some):
                for column, figure in self.rows[row].items():
                    slope[column] = slope.get(column, 0) + weight * figure
            room = per * goal - sum(f * fixed[c] if c in fixed else min(f, 0) for c, f in slope.items())
            fixed.update((c, int(f < 0)) for c, f in slope.items() if abs(f) > room and c not in fixed)
            todo += [({**fixed, split: 1}, y), ({**fixed, split: 0}, y)] if split else [(fixed, y)] * (room >= 0)
        return not todo, fixed

    def draw(self, goal, proofs):
        """Go through the draw: each bid called is accepted, or no award with it and those before it costs as little."""
        seed, fixed = fields(self.policy["Ties"])["seed"], self.dearer(goal, proofs["all"], ONE)[1]
        for bid in sorted(self.bids, key=lambda bid: sha(f"{seed}:{bid}")):
            idle = bid in self.value or not fixed.get(bid, 1)
            if not idle and not self.dearer(goal, proofs["each"][bid], {**fixed, bid: 1})[0]:
                self.wrong.append(f"the draw calls bid {bid}, and nothing shows that it must be refused")
            fixed[bid] = int(bid in self.value)

def judge(file, published=()):
    """What is wrong and what could not be checked, as sentences."""
    content = file["content"]
    case, award, paid, proof = Case(content), content["award"], content["payments"], content["proof"]
    made = [("rules", sha(content["announced"]["text"])), ("file", sha(json.dumps(content, sort_keys=True)))] * 2
    told = zip(made, [content["announced"]["hash"], file["digest"], *published])
    case.wrong += [f"the hash of the {what} is {so}, and is given as {said}" for (what, so), said in told if so != said]
    goal, net = case.at(case.cost), dict.fromkeys({**case.given["bidders"], **paid["amounts"]}, 0)
    for bid, row in award["bids"].items():
        net[case.given["bids"][bid]["bidder"]] += exact(row["net"]) / case.unit
    amounts, as_bid = {who: exact(paid["amounts"].get(who, 0)) for who in net}, paid["rule"] == "pay_as_bid"
    home = case.at({column: cost for column, cost in case.cost.items() if column.startswith("~")})
    prices = {f"net price of {bid}": (row["net"], case.price.get(bid, 0)) for bid, row in award["bids"].items()}
    figures = {**({} if case.parts else prices), "cost": (award["cost"], sum(net.values()) + home)}
    less = {who: units for who, units in net.items() if as_bid or amounts[who] / case.unit < units}
    figures.update((f"payment of {who}", (amounts[who], units)) for who, units in less.items())
    for what, (told, units) in figures.items():
        if abs(exact(told) / case.unit - units) > Fraction(1, 10**6):
            case.wrong.append(f"the {what} is {float(units * case.unit):.12g}, and is given as {float(told):.12g}")
    case.unchecked += [f"that {paid['rule']} pays these amounts"] * (paid["rule"] != "pay_as_bid") + case.beyond
    scale = lcm(*(cost.denominator for cost in case.cost.values()))
    step = Fraction(gcd(*(int(cost * scale) for cost in case.cost.values())) or 1, scale)  # between two awards
    if case.beyond or "why" in proof:
        case.unchecked.append("that nothing is cheaper: " + proof.get("why", "it is not judged of such a tender"))
    elif not case.dearer(goal if proof["alone"] else goal - step, proof, ONE)[0]:
        case.wrong.append("the proof that nothing is cheaper does not hold")
    elif not proof["alone"] and "why" in proof["draw"]:
        case.unchecked += [f"the draw among equals: {proof['draw']['why']}"] * (case.policy["Ties"] != "None")
    elif not proof["alone"]:
        case.draw(goal, proof["draw"])
    return case.wrong, case.unchecked

def main(*arguments):
    try:
        with open(arguments[0], encoding="utf-8") as file:
            wrong, unchecked = judge(json.load(file), arguments[1:])
    except Exception as problem:  # whatever was done to the file, the answer is a sentence
        wrong, unchecked = [f"the file cannot be understood ({type(problem).__name__}: {problem})"], []
    lines = [f"WRONG: {x}" for x in wrong] + [f"NOT CHECKED: {x}" for x in unchecked] or ["Everything is verified."]
    print("\n".join("".join(c if c.isprintable() else "?" for c in line) for line in lines))
    return 1 if wrong else 2 if unchecked else 0

if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(main(*sys.argv[1:]))
