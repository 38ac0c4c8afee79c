"""Make or buy: what a district may put out, what it should, whom to ask, and what to sign. See README.md.

python examples/04_make_or_buy/run.py
"""

import math
from pathlib import Path

import pandas as pd
from scipy import stats

from procure_opt.governance import (
    Checklist,
    IncentiveContract,
    MakeOrBuy,
    bond,
    incentive_contract,
    inspection,
    invitations,
    make_or_buy,
    outsourcing_checklist,
    quality_shading,
)

HERE = Path(__file__).parent
PARK, ARCHIVE = stats.uniform(80, 40), stats.uniform(50, 30)  # what a supplier's costs may be, thousand yuan
BODIES = ("parks office", "registry")
PER_BID = 0.3  # of preparing and evaluating one more bid

# What inspections of the park find, by how it is cleaned; its effort costs the supplier so much.
FOUND = pd.DataFrame(
    {"dirty": [0.50, 0.25, 0.10], "fair": [0.30, 0.35, 0.30], "clean": [0.20, 0.40, 0.60]},
    index=["sweep", "sweep daily", "sweep and wash"],
)
EFFORT = [0.0, 1.0, 2.5]
WORTH = [2.0, 10.0, 18.0]


def read(name: str) -> pd.DataFrame:
    """A table of this example."""
    return pd.read_csv(HERE / f"{name}.csv")


def checked(lots: pd.DataFrame, duties: pd.DataFrame) -> Checklist:
    """What is missing before lots may go out."""
    return outsourcing_checklist(lots, duties, read("regime"), bodies=BODIES)


def decided() -> dict[str, MakeOrBuy]:
    """Make or buy, lot by lot: both are cheaper outside by price alone."""
    return {
        "park": make_or_buy(
            110, PARK, 5, adaptation=0.05, transaction=2, per_bid=PER_BID, monitoring=3, quality_loss=4
        ),
        "archive": make_or_buy(66, ARCHIVE, 5, adaptation=0.08, transaction=2, per_bid=PER_BID, monitoring=2),
    }


def signed() -> dict[float, IncentiveContract]:
    """The contract for the park, by what the supplier can lose."""
    return {held: incentive_contract(FOUND, EFFORT, WORTH, bond=held) for held in (0.0, 1.0, 2.0)}


def failures(contract: IncentiveContract) -> list[str]:
    """What of a contract does not hold, recomputed from its wages by hand."""
    left = {
        name: sum(chance * contract.wages[outcome] for outcome, chance in row.items()) - cost
        for (name, row), cost in zip(FOUND.iterrows(), EFFORT)
    }
    told = [f"{name} is better for the supplier" for name in left if left[name] > left[contract.action] + 1e-9]
    return told + (["the supplier does not take part"] if left[contract.action] < -1e-9 else [])


def main() -> None:
    """Check, decide, ask, sign."""
    pd.set_option("display.width", 140, "display.max_columns", 20)
    lots, duties = read("lots"), read("duties")
    before = checked(lots, duties)
    print("Before anything goes out:")
    for sentence in before.findings["sentence"]:
        print(f"- {sentence}")
    kept = lots[lots["lot"] != "counter"]
    # The registry goes on granting permits: a duty without a lot is done in house.
    after = checked(kept, duties[duties["owner"].isin(BODIES)].replace({"lot": {"counter": ""}}))
    print(f"\nWithout the counter, {after.front_share:.0%} of the estimates being front-end: {after}")

    choices = decided()
    print("\nMake or buy, thousand yuan:")
    print(pd.DataFrame({lot: choice.parts for lot, choice in choices.items()}).round(2).to_string())
    for lot, choice in choices.items():
        from_on = f"from {choice.fewest_bidders} bidders on" if choice.fewest_bidders else "with no number of bidders"
        print(
            f"{lot}: {choice.decision} ({choice.buy:.2f} against {choice.make:.2f}); buying pays {from_on}, and with "
            f"adaptation of up to {choice.break_even['adaptation']:.1%} of the price"
        )
    shading = {harm: quality_shading(1, harm, 0.8, 0.6) for harm in (0.2, 0.7)}
    for harm, told in shading.items():
        print(f"if saving 1 does harm of {harm}: {told.decision} ({told.contractor:.3f} against {told.employee:.3f})")
    print(f"both are alike at {told.break_even:.3f}")

    asked = invitations(PARK, PER_BID)
    print(f"\nAsk {asked.bidders} suppliers: price {asked.table.at[asked.bidders, 'price']:.2f}, bids and all "
          f"{asked.cost:.2f}")  # fmt: skip

    contracts = signed()
    print("\nThe contract for the park, by bond:")
    shown = {f"bond {held:g}": contract.wages for held, contract in contracts.items()}
    print(pd.DataFrame(shown).T.assign(rent=[contract.rent for contract in contracts.values()]).round(2).to_string())
    print(contracts[0.0].table.drop(columns="note").round(2).to_string())
    game, plan = inspection(4, 20, 3, 15), inspection(4, 20, 3, 15, commitment=True)
    print(f"\nInspecting {plan.inspect:.0%} of the time by a plan that is kept costs {plan.cost:.2f}; case by case "
          f"{game.cost:.2f}, and the supplier shirks {game.shirk:.1%} of the time")  # fmt: skip
    held = bond(4, 3, 0.06)
    print(f"The bond that deters at least cost is {held.amount:.2f}, with inspections {held.inspect:.0%} of the time")

    problems = [told for contract in contracts.values() for told in failures(contract)]
    print("\nThe contracts recomputed from their wages:", "; ".join(problems) or "nothing to report")

    assert problems == []
    assert set(before.by_lot) == {"", "counter"} and after.complete
    assert before.findings["source"].str.contains("Art. 10").sum() == 1
    # The price alone says buy, twice; all costs of the contract say it once.
    assert all(choice.parts["price"] < choice.make for choice in choices.values())
    assert [choice.decision for choice in choices.values()] == ["buy", "make"]
    assert choices["park"].fewest_bidders == 5 and math.isclose(choices["park"].buy, 108.5, abs_tol=1e-6)
    assert [told.decision for told in shading.values()] == ["buy", "make"]
    assert asked.bidders > choices["park"].fewest_bidders
    # Each unit of bond takes one unit of rent, until none is left.
    assert [round(contract.rent, 9) for contract in contracts.values()] == [2, 1, 0]
    assert all(contract.action == "sweep and wash" for contract in contracts.values())
    assert plan.cost < game.cost


if __name__ == "__main__":
    main()
