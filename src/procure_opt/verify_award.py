"""Check the award of a tender on your own machine, with Python 3.9 or newer and nothing else:
    python3 verify_award.py award.json [HASH of the rules, published before opening] [DIGEST published with the award]
It leaves with 0 if all is verified, 1 if something is wrong, 2 if something could not be checked or is not proven.
Rules are rows a_i x ≤ 0; whatever y_i ≥ 0, an award x of zeros and ones costs at least Σ_j min(0, c_j + Σ_i y_i a_ij).
"""
import ast, hashlib, json, sys
from fractions import Fraction
from math import gcd, lcm
NEAR, ONE = Fraction(1, 10**9), {"": 1}  # room in rows not of whole numbers; the column "" is always 1
WHOLE = "Budget MaxLots MinAward Separate Require".split()  # known where bids are accepted whole, and everywhere:
ANY = "MinQuality AttributeBound MaxShare MinShare MaxHHI MinWinners MaxWinners Capacity Exclude".split()

def sha(words):
    return hashlib.sha256(words.encode()).hexdigest()
def exact(cell):  # the decimal that is written; whatever is no number raises
    return cell if isinstance(cell, Fraction) else Fraction(repr(cell))
def text(cell):
    return "" if cell is None else str(int(cell) if isinstance(cell, float) and cell.is_integer() else cell).strip()
def fields(words):  # of a rule as announced, `Kind(field=figure, ...)`
    return {word.arg: ast.literal_eval(word.value) for word in ast.parse(words, mode="eval").body.keywords}
def add(*parts):  # Σ factor · expression; an expression is a figure for each column
    total = {}
    for column, figure in ((c, f * factor) for expression, factor in parts for c, f in expression.items()):
        total[column] = total.get(column, 0) + figure
    return total
def alike(cell, value):  # as figures where the cell is one (True is 1, "1.0" is 1), else as texts
    try:
        return text(cell) == text(value) if isinstance(cell, str) else round(float(cell), 15) == round(float(value), 15)
    except (TypeError, ValueError):
        return False
def matching(rows, wanted):  # the names that a list, or a filter {column: value or values}, stands for; None for all
    if not isinstance(wanted, dict):
        return set(rows) if wanted is None else {text(name) for name in wanted}
    some = [(key, v if isinstance(v, (list, tuple, set)) else [v]) for key, v in wanted.items()]
    found = {n for n, row in rows.items() if all(any(alike(row.get(key, n), v) for v in vs) for key, vs in some)}
    return found or refuse(f"nothing is {wanted}")
def refuse(why):
    raise ValueError(why)
def once(pairs):  # an object of the file, in which no name may stand twice
    return dict(pairs) if len(dict(pairs)) == len(pairs) else refuse("a name stands twice")

class Case:  # a tender, its announced rules and its award: the values of the columns there, what is wrong, the rows
    def __init__(self, content):
        fixed, self.given, self.award = json.loads(content["announced"]["text"]), content["tender"], content["award"]
        said = [line[:-1].partition(": ")[::2] for line in fixed["rules"]]
        self.policy, self.unit = {key.split()[0]: words for key, words in said}, exact(fixed["money_unit"])
        self.lots, rules = {text(row["lot"]): row for row in fixed["lots"]}, [w for k, w in said if k == "Constraint"]
        self.wrong, self.rows, self.unchecked = [], {}, [f"{k}: {w}" for k, w in said if k.startswith("A lot with")]
        self.read_bids()
        self.parts = bool(self.given["discounts"]) or any(row["min_fraction"] != 1 for row in self.bids.values())
        self.beyond = ["parts of bids, discounts"] * self.parts + ["transaction costs"] * ("Transaction" in self.policy)
        self.beyond += ["rules that may be broken at a charge"] * any("penalty=None" not in words for words in rules)
        self.beyond += [self.policy["Objective"]] * (self.policy["Objective"] != "LowestCost()")
        self.read_award([fields(words) for words in rules if words.startswith("Cover(")])
        shared = any(n < 1 for part in self.part.values() for n in part.values())
        for number, words in enumerate(rules, 1):
            kind, scopes = words.partition("(")[0], {}
            rule = fields(words) if kind in WHOLE + ANY else {"penalty": "unknown"}
            blind = rule["penalty"] is not None or (self.parts and (kind in WHOLE or rule.get("of") == "spend"))
            blind = blind or (shared and kind in ("MaxLots", "MinAward") and rule.get("of", "lots") == "lots")
            self.unchecked += [f"rule {number}, {words}"] * blind
            for lot in () if blind else self.lots.keys() & matching(self.lots, rule["lots"]):
                scopes.setdefault(text(self.lots[lot][rule["each"]]) if rule["each"] else "", set()).add(lot)
            for name, lots in sorted(scopes.items()):
                for label, small, large in self.constraint(kind, rule, lots, name):
                    self.keep(" ".join(f"rule {number}, {kind} {name} {label}".split()), small, large)
    def read_bids(self):  # parts of lots, money in units, quality, and what columns cost; "~" and a lot is in-house
        weights, self.bids, self.part, self.price = ast.literal_eval(self.policy.get("Quality", "{}")), {}, {}, {}
        home = {lot: row["in_house"] for lot, row in self.lots.items() if row["in_house"] is not None}
        self.cost = {f"~{lot}": round(exact(much) / self.unit) for lot, much in home.items()}
        for bid, row in self.given["bids"].items():
            part = {lot: exact(n) / exact(self.lots[lot]["demand"]) for lot, n in row["lots"].items()}
            limits, price = [self.lots[lot]["reserve"] for lot in part], exact(row["price"]) + exact(row["fixed"])
            if None in limits or price <= sum(exact(limit) * n for limit, n in zip(limits, part.values())) * (1 + NEAR):
                self.bids[bid], self.part[bid] = {**self.given["bidders"][row["bidder"]], **row}, part
                self.price[bid] = Fraction(round(price / self.unit))
                self.cost[bid] = self.price[bid] * (1 - exact(self.given["bidders"][row["bidder"]]["deduction"]))
        for bid in self.bids.keys() & self.given["scores"].keys():
            marks = self.given["scores"][bid]
            means = {key: sum(map(exact, marks[key])) / len(marks[key]) for key in weights or marks}
            weight = {key: exact(weights[key]) if weights else 1 for key in means}
            self.bids[bid]["quality"] = sum(weight[key] * means[key] for key in means) / sum(weight.values())
        self.unchecked += [f"bid {bid} is set aside: {reason}" for bid, reason in self.given["aside"].items()]
        self.wrong += [f"a bid cannot be called {bid!r}" for bid in self.given["bids"] if bid[:1] in "~"]
    def read_award(self, covers):  # valid bids, whole, exclusive ones at most once, and every lot filled exactly once
        rows = {**self.award["bids"], **{f"~{lot}": row for lot, row in self.award["in_house"].items()}}
        self.value, groups = {**ONE, **{column: exact(row["fraction"]) for column, row in rows.items()}}, {}
        for column, row in rows.items():
            least, part = self.bids.get(column, {"min_fraction": 1 - self.parts})["min_fraction"], row["fraction"]
            if column not in self.cost or not (part == 1 or (least < 1 and max(0, least - NEAR) < part < 1)):
                self.wrong.append(f"{part} of {column} is in the award, and cannot be")
        for bid, row in self.bids.items():
            groups.setdefault((row["bidder"], row["xor"] or (bid,)), {})[bid] = 1  # a tuple is nobody's label
        for (who, label), bids in groups.items():
            self.keep(f"bids {label} of {who} exclude each other", bids, ONE)
        left, may = set(self.award["unawarded"]), {lot for rule in covers for lot in matching(self.lots, rule["lots"])}
        for lot in self.lots:
            filled, least = self.on(lot, self.cost), {} if lot in left & may else ONE
            self.keep(f"lot {lot} is filled at most once", filled, ONE if self.parts else least)
            self.keep(f"lot {lot} is filled at least once", least, filled)
        self.wrong += [f"no rule lets lot {lot} stay unawarded" for lot in left - may]
        self.rows["another award"] = {"": 2 - len(self.value), **{c: 1 if c in self.value else -1 for c in self.cost}}
    def on(self, lot, columns):  # what each of these columns takes of a lot
        takes = {column: self.part.get(column, {}).get(lot, int(column == f"~{lot}")) for column in columns}
        return {column: much for column, much in takes.items() if much}
    def at(self, expression):
        return sum(figure * self.value.get(column, 0) for column, figure in expression.items())
    def keep(self, label, small, large):  # small ≤ large, as a row
        row, whole = add((small, 1), (large, -1)), not self.parts
        room = 0 if whole and all(f == int(f) for f in row.values()) else NEAR * max(1, abs(self.at(small)))
        row[""] = row.get("", 0) - room
        if self.at(row) > 0:
            self.wrong.append(f"{label}: {float(self.at(small)):.12g} exceeds {float(self.at(large)):.12g}")
        self.rows[label] = {column: f.numerator if f.denominator == 1 else f for column, f in row.items()}
    def taken(self, of, lots):  # what each bid takes of a measure on these lots; a price is shared by estimate
        found = {}
        for bid, part in self.part.items():
            here, column = lots & part.keys(), "estimate" if of == "spend" else of
            if here:
                equal = of == "lots" or (of == "spend" and len(here) == len(part))
                some = part if of == "spend" else here  # of a price, all its lots
                worth = {lot: part[lot] * (1 if equal else exact(self.lots[lot][column])) for lot in some}
                share = sum(worth[lot] for lot in here)
                found[bid] = self.price[bid] * share / sum(worth.values()) if of == "spend" else share
        return found
    def each(self, whom, taken, held):  # by entity, what its bids take, and what it holds already
        found, parts = {}, [(self.bids[bid]["bidder"], bid, much) for bid, much in taken.items()]
        for who, column, much in parts + [(who, "", much) for who, much in held.items()]:
            for entity, weight in whom[who].items():
                row = found.setdefault(entity, {})
                row[column] = row.get(column, 0) + exact(weight) * much
        return found
    def constraint(self, kind, rule, lots, name):  # what a rule says must not exceed what, and what that is about
        of, here = rule.get("of", {"Budget": "spend", "Capacity": "demand"}.get(kind, "lots")), self.taken("lots", lots)
        table, taken, unit = self.given["bidders"], self.taken(of, lots), self.unit if of == "spend" else 1
        spent, per = {f"~{lot}": self.cost[f"~{lot}"] for lot in lots if f"~{lot}" in self.cost}, rule.get("per")
        whom = {who: {who if per == "owner" else text(row.get(per, who)): 1} for who, row in table.items()}
        count = self.given["counts"].get(f"{kind} of {of} by {per}", {})
        whom.update((who, some) for who, some in count.items() if per and (per == "owner" or table[who]["members"]))
        chosen, asked = matching(table, rule.get("bidders")), matching(self.bids, rule.get("bids"))
        held = {who: exact(row[rule["existing"]]) / unit for who, row in table.items() if rule.get("existing")}
        rows = self.each(whom, taken, held)
        if "base" in rule:  # a share of everything here, or of all that is awarded
            sizes = {"": sum(1 if of == "lots" else exact(self.lots[lot][of]) for lot in lots if of != "spend")}
            total = taken if rule["base"] == "awarded" else {**taken, **spent} if of == "spend" else sizes
            total = add((total, 1), ({"": sum(held.values())}, 1))
            share = add((total, exact(rule.get("share", 0))))
        if kind == "Budget":
            amounts = rule["amount"] if isinstance(rule["amount"], dict) else {name: rule["amount"]}
            yield "", {**taken, **spent}, {"": {text(key): exact(much) / unit for key, much in amounts.items()}[name]}
        elif kind in ("MinQuality", "AttributeBound"):
            mean = self.taken("estimate", lots) if rule["across"] == "award" else {}
            limits = ((1, rule.get("at_least", rule.get("score"))), (-1, rule.get("at_most")))
            for sign, limit in ((sign, exact(limit)) for sign, limit in limits if limit is not None):
                lack = {bid: sign * (limit - exact(self.bids[bid][rule.get("column", "quality")])) for bid in here}
                if mean:
                    yield f"{limit} in the mean", {bid: much * mean[bid] for bid, much in lack.items()}, {}
                else:
                    yield from ((f"{limit} in bid {bid}", {bid: much}, {}) for bid, much in lack.items() if much > 0)
        elif kind in ("MaxShare", "MaxLots"):
            yield from ((who, row, {"": rule["n"]} if kind == "MaxLots" else share) for who, row in rows.items())
        elif kind == "MinShare":
            yield "", share, add(*((rows[who], 1) for who in chosen & rows.keys()))
        elif kind == "MaxHHI":
            squares = sum((self.at(row) / (self.at(total) or 1)) ** 2 for row in rows.values())
            yield "", {"": squares}, {"": exact(rule["index"])}
        elif kind in ("MinWinners", "MaxWinners"):
            sides = {"": sum(self.at(row) > 0 for row in rows.values())}, {"": rule["n"]}
            yield ("", *sides) if kind == "MaxWinners" else ("", *sides[::-1])
        elif kind == "MinAward":  # whoever has a bid accepted takes at least so much with all of them
            least = exact(rule["amount"]) / unit
            yield from ((f"{who}: {bid}", {bid: least}, row) for who, row in rows.items() for bid in row)
        elif kind == "Capacity":
            rooms = self.given["rooms"][f"{rule['column']} by {rule['per']}"]
            yield from ((who, row, {"": exact(rooms[who])}) for who, row in rows.items() if who in rooms)
        elif kind == "Exclude":
            yield from ((f"bid {bid}", {bid: 1}, {}) for who in chosen for bid in asked & rows.get(who, {}).keys())
        elif kind == "Require":
            if rule["bids"] is not None:
                yield from ((f"bid {bid}", ONE, {bid: 1}) for bid in asked if bid in here or bid not in self.bids)
            if rule["bidders"] is not None:
                yield from ((who, ONE, dict.fromkeys(rows.get(who, ()), 1)) for who in chosen)
            yield from ((lot, ONE, self.on(lot, here)) for lot in lots if rule["bids"] is rule["bidders"] is None)
        else:  # Separate
            sides = [lots & matching(self.lots, rule[side]) for side in ("first", "second")]
            for who, row in rows.items():
                first, second = ([bid for bid in row if not side.isdisjoint(self.part[bid])] for side in sides)
                yield from ((f"{who}: {a}, {b}", add(({a: 1}, 1), ({b: 1}, 1)), ONE) for a in first for b in second)
    def dearer(self, goal, proof, fixed):  # whether all awards with these columns fixed cost more, and what that fixes
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
        return not todo, {**fixed}
    def draw(self, goal, proofs):  # each bid called is accepted, or no award with it and those before costs as little
        seed, first = fields(self.policy["Ties"])["seed"], [[proofs["all"]["cases"][0][0], None]]
        fixed = self.dearer(goal, {**proofs["all"], "cases": first}, ONE)[1]  # what is settled without cases
        for bid in sorted(self.bids, key=lambda bid: sha(f"{seed}:{bid}")):
            idle = bid in self.value or not fixed.get(bid, 1)
            if not idle and not self.dearer(goal, proofs["each"][bid], {**fixed, bid: 1})[0]:
                self.wrong.append(f"the draw calls bid {bid}, and nothing shows that it must be refused")
            fixed[bid] = int(bid in self.value)

def judge(file, published=()):  # what is wrong and what could not be checked, as sentences
    content = file["content"]
    case, award, paid, proof = Case(content), content["award"], content["payments"], content["proof"]
    made = [("rules", sha(content["announced"]["text"])), ("file", sha(json.dumps(content, sort_keys=True)))] * 2
    told = zip(made, [content["announced"]["hash"], file["digest"], *published])
    case.wrong += [f"the hash of the {what} is {so}, and is given as {said}" for (what, so), said in told if so != said]
    nets = [(case.given["bids"][bid]["bidder"], exact(row["net"]) / case.unit) for bid, row in award["bids"].items()]
    goal, home = case.at(case.cost), case.at({column: f for column, f in case.cost.items() if column[0] == "~"})
    figures = {f"net price of {bid}": (row["net"], case.price.get(bid, 0)) for bid, row in award["bids"].items()}
    figures = {**({} if case.parts else figures), "cost": (award["cost"], sum(net for _, net in nets) + home)}
    for who in {**case.given["bidders"], **paid["amounts"]}:
        amount, net = exact(paid["amounts"].get(who, 0)), sum(net for winner, net in nets if winner == who)
        figures[f"payment of {who}"] = (amount, net if paid["rule"] == "pay_as_bid" else max(net, amount / case.unit))
    for what, (told, units) in figures.items():
        if abs(exact(told) / case.unit - units) > Fraction(1, 10**6) + abs(units) / 10**15:  # floats were added up
            case.wrong.append(f"the {what} is {float(units * case.unit):.12g}, and is given as {float(told):.12g}")
    case.unchecked += [f"that {paid['rule']} pays these amounts"] * (paid["rule"] != "pay_as_bid") + case.beyond
    scale = lcm(*(cost.denominator for cost in case.cost.values()))
    step = Fraction(gcd(*(int(cost * scale) for cost in case.cost.values())) or 1, scale)  # between two awards
    if case.beyond or "why" in proof:
        case.unchecked.append("that nothing is cheaper: " + proof.get("why", "it is not judged of such a tender"))
    elif not case.dearer(goal if proof["alone"] else goal - step, proof, ONE)[0]:
        case.wrong.append("the proof that nothing is cheaper does not hold")
    elif not proof["alone"] and ("why" in proof["draw"] or not case.policy["Ties"].startswith("DrawLots(")):
        case.unchecked += [f"the choice among equals: {proof['draw'].get('why')}"] * (case.policy["Ties"] != "None")
    elif not proof["alone"]:
        case.draw(goal, proof["draw"])
    return case.wrong, case.unchecked
def main(*arguments):
    try:
        with open(arguments[0], encoding="utf-8") as file:
            wrong, unchecked = judge(json.load(file, object_pairs_hook=once), arguments[1:])
    except Exception as problem:  # whatever was done to the file, the answer is a sentence
        wrong, unchecked = [f"the file cannot be understood ({type(problem).__name__}: {problem})"], []
    lines = [f"WRONG: {x}" for x in wrong] + [f"NOT CHECKED: {x}" for x in unchecked] or ["Everything is verified."]
    print("\n".join("".join(c if c.isprintable() else "?" for c in line) for line in lines))
    return 1 if wrong else 2 if unchecked else 0
if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(main(*sys.argv[1:]))
