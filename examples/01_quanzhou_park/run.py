"""East Lake park: 34 lots of cleaning, security and monitoring, awarded under published rules. See README.md."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

import procure_opt as po

FOLDER = Path(__file__).parent
CRITERIA = ["staffing", "ecology", "security"]


def with_criteria(tender: po.Tender) -> po.Tender:
    """The tender with the panel's mean for each criterion as a column of the bids."""
    means = tender.scores.groupby(["bid", "criterion"])["score"].mean().unstack()[CRITERIA]
    bids = tender.bids.merge(means, left_on="bid", right_index=True)
    return tender.replace(bids=bids, scores=tender.scores[tender.scores["bid"].isin(bids["bid"])])


def frontier(tender: po.Tender, policy: po.Policy) -> pd.DataFrame:
    """Cost at each floor of the ecology mean (rows) and of the security mean (columns)."""
    table = {}
    for security in (76, 78, 80, 82):
        floor = po.AttributeBound("security", at_least=security, across="award")
        policy_here = replace(policy, constraints=(*policy.constraints, floor))
        curve = po.frontier(
            tender,
            policy_here,
            lambda ecology: po.AttributeBound("ecology", at_least=ecology, across="award"),
            [68, 70, 72, 74, 76],
        )
        table[security] = curve.set_index("value")["cost"]
    return pd.DataFrame(table).rename_axis(index="ecology", columns="security")


def without(policy: po.Policy, kind: type) -> po.Policy:
    """The policy without its constraints of this kind."""
    return replace(policy, constraints=tuple(c for c in policy.constraints if not isinstance(c, kind)))


def main() -> None:
    """Read, announce, award, explain, check."""
    pd.set_option("display.width", 160, "display.max_columns", 20)
    tender, policy = po.read_tender(FOLDER), po.read_policy(FOLDER)
    print(tender)
    print("\nBids that do not count:")
    print(tender.rejected[["bid", "bidder", "lots", "reason"]].to_string(index=False))

    # The rules are fixed before the bids are opened; the award refuses any others.
    rules = po.announce(policy, tender)
    award = po.award(tender, policy, announced=rules.hash)
    print(f"\nRules {rules.hash[:12]}…: {award.status}, cost {award.cost:,.0f}, bound {award.bound:,.0f}")
    print(award.bids[["bid", "bidder", "lots", "fraction", "net", "quality"]].to_string(index=False))
    print("\nKept in house:", ", ".join(award.in_house["lot"]))
    print(award.by_bidder.round(3).to_string())
    print(f"concentration of spend by owner (HHI): {award.hhi:.3f}")

    print("\nWhat each rule costs:")
    costs = po.price_of_constraints(award)
    print(costs.to_string())

    print("\nOther ways to let the park:")
    three_bidders = replace(policy, min_bidders=3)
    social = po.MinShare(0.30, bidders={"kind": "social_organisation"})
    ways = {
        "as announced": policy,
        "affiliates not capped": without(policy, po.MaxShare),
        "no licence asked": without(policy, po.AttributeBound),
        "operator may monitor": without(policy, po.Separate),
        "price alone": po.Policy(quality_weights=policy.quality_weights),
        "three bidders or in house": three_bidders,
        "30 % to social organisations": replace(policy, constraints=(*policy.constraints, social)),
    }
    scenarios = po.scenarios(tender, ways)
    print(scenarios.table.round(3).to_string())
    print("\nBy how much each is worse when judged by another's rules (blank: it breaks them):")
    print(scenarios.cross.round(4).to_string(na_rep=""))

    print("\nCost by the least mean score in ecology (rows) and security (columns):")
    rated = with_criteria(tender)
    curve = frontier(rated, policy)
    print(curve.to_string(float_format="{:,.0f}".format))

    problems = po.check(award)
    print("\nChecked by separate code:", "; ".join(map(str, problems)) or "nothing to report")

    assert award.status == "optimal"
    assert problems == []
    assert round(award.cost, 2) == 3_036_645.24
    assert award.in_house["lot"].tolist() == ["OH-CD", "OH-SD"]
    assert costs.loc[costs["constraint"].str.startswith("MaxShare"), "costs"].round(2).tolist() == [36_478.99]
    assert scenarios.table.at["price alone", "hhi"] > 2 * award.hhi
    assert len(award.by_bidder) >= 3
    assert curve.notna().to_numpy().any()
    assert curve.diff().min().min() >= -1e-6, "a higher floor cannot cost less"


if __name__ == "__main__":
    main()
