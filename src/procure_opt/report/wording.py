"""Rules, and what the other modules say in English, in the words of a report."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from procure_opt.policy import Policy
from procure_opt.report.texts import Words
from procure_opt.tender import Filter


def money(value: Any) -> str:
    """An amount with separators, and cents only where there are any.

    >>> money(1234567.5), money(1200.0), money(float("nan"))
    ('1,234,567.50', '1,200', '–')
    """
    amount = float(value)
    if math.isnan(amount):
        return "–"
    if math.isinf(amount):
        return "∞" if amount > 0 else "−∞"
    text = f"{abs(amount):,.2f}".removesuffix(".00")
    return f"−{text}" if amount < 0 and text != "0" else text


def number(value: Any, digits: int = 4) -> str:
    """A figure that is no money: to some digits, thousands apart.

    >>> number(0.03125), number(12345.678), number(7.0)
    ('0.03125', '12,345.68', '7')
    """
    figure = float(value)
    if math.isnan(figure):
        return "–"
    return money(figure) if abs(figure) >= 1000 else f"{figure:.{digits}g}".replace("-", "−")


def rough(value: Any) -> str:
    """An estimated amount: four digits, more is not known.

    >>> rough(2959.56), rough(123456.0)
    ('2,960', '123,500')
    """
    return f"{float(f'{value:.4g}'):,.10g}".replace("-", "−")


def blank(value: Any) -> bool:
    """Whether there is no figure.

    >>> blank(None), blank(float("nan")), blank("nan"), blank(0)
    (True, True, False, False)
    """
    return value is None or (not isinstance(value, str) and math.isnan(value))


def all_rules(policy: Policy, t: Words) -> list[str]:
    """Every rule of a policy, a sentence each."""
    said = [_objective(policy.objective, t)]
    said += [rule_in_words(rule, t) for rule in policy.constraints]
    tie = type(policy.tie_break).__name__ if policy.tie_break is not None else "None"
    if t.has(f"rule.tie.{tie}"):
        said.append(t(f"rule.tie.{tie}", seed=getattr(policy.tie_break, "seed", "")))
    else:
        said.append(t("rule.own", rule=repr(policy.tie_break)))
    if policy.quality_weights is not None:
        weights = [f"{name} {t.share(weight)}" for name, weight in _scaled(policy.quality_weights).items()]
        said.append(t("rule.weights", weights=t.listed(weights)))
    if policy.min_bidders > 1:
        said.append(t("rule.few.fail" if policy.few_bidders == "fail" else "rule.few.keep", n=policy.min_bidders))
    if policy.ledger is not None:
        said.append(t("rule.ledger"))
    return said


def _scaled(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def _objective(objective: Any, t: Words) -> str:
    key = f"rule.objective.{type(objective).__name__}"
    if not t.has(key):
        return t("rule.own", rule=repr(objective))
    value = getattr(objective, "value", "")
    return t(
        key,
        value=value if isinstance(value, str) else money(value),
        scoring=repr(getattr(objective, "scoring", "")),
    )


def rule_in_words(rule: Any, t: Words) -> str:
    """A constraint as a sentence; one of the buyer's own as it is written.

    >>> from procure_opt import MaxShare
    >>> rule_in_words(MaxShare(0.35, per="owner", lots={"service": "cleaning"}), Words("en"))
    'No owner holds more than 35 % of the estimated value on lots with service cleaning.'
    """
    name = type(rule).__name__
    across = getattr(rule, "across", None)
    key = f"rule.{name}" if across is None else f"rule.{name}.{across}"
    if not t.has(key):
        return t("rule.own", rule=repr(rule))
    given = {each.name: getattr(rule, each.name) for each in fields(rule)}
    values: dict[str, object] = {
        "scope": _scope(given.get("lots"), given.get("each"), t),
        "per": t.named("per", str(given.get("per", ""))),
        "of": t.named("of", str(given.get("of", ""))),
        "n": given.get("n", given.get("max_switches", "")),
        "column": given.get("column", ""),
        "score": number(given.get("score", 0)),
        "share": t.share(float(given.get("share", 0))),
        "index": number(given.get("index", 0)),
        "amount": _amount(given, t),
        "first": _lots(given.get("first"), t),
        "second": _lots(given.get("second"), t),
        "bidders": _who(given, t),
        "who": _who(given, t),
        "bounds": _bounds(given, t),
    }
    said = t(key, **values)
    if given.get("existing"):
        said += t("rule.existing", column=given["existing"])
    if given.get("penalty") is not None:
        said += t("rule.soft", penalty=money(given["penalty"]), unit=_unit(rule, t))
    return said


def _unit(rule: Any, t: Words) -> str:
    return UNITS.get(type(rule).__name__, ("unit", "单位"))[0 if t.lang == "en" else 1]


UNITS = {
    "Budget": ("unit of money", "货币单位"), "MaxShare": ("percentage point", "个百分点"),
    "MinShare": ("percentage point", "个百分点"), "MaxHHI": ("0.01 of HHI", " 0.01 HHI"),
    "MinQuality": ("point", "质量分"), "MaxLots": ("lot", "个标段"), "MinWinners": ("winner", "家中标人"),
    "MaxWinners": ("winner", "家中标人"), "Cover": ("lot", "个标段"), "KeepIncumbents": ("switch", "次更换"),
}  # fmt: skip


def _scope(lots: Filter, each: str | None, t: Words) -> str:
    said = t("scope.all") if lots is None else t("scope.some", lots=_lots(lots, t))
    return said + (t("scope.each", column=each) if each else "")


def _lots(lots: Filter, t: Words) -> str:
    if lots is None:
        return t("scope.all")
    if isinstance(lots, Mapping):
        parts = [t("scope.where", column=column, values=_values(values, t)) for column, values in lots.items()]
        return t.listed(parts)
    return t("scope.named", lots=_values(lots, t))


def _values(values: Any, t: Words) -> str:
    some = [values] if isinstance(values, str) or not hasattr(values, "__iter__") else list(values)
    return t.listed([str(value) for value in some[:12]]) + (" …" if len(some) > 12 else "")


def _who(given: Mapping[str, Any], t: Words) -> str:
    bidders, bids = given.get("bidders"), given.get("bids")
    said = []
    if isinstance(bidders, Mapping):
        said += [t("who.where", column=column, values=_values(values, t)) for column, values in bidders.items()]
    elif bidders is not None:
        said.append(t("who.named", names=_values(bidders, t)))
    if bids is not None:
        said.append(t("who.bids", names=_values(bids if not isinstance(bids, Mapping) else [str(bids)], t)))
    return t.listed(said) if said else t("who.all")


def _amount(given: Mapping[str, Any], t: Words) -> str:
    amount = given.get("amount", given.get("max_extra_cost", 0))
    if isinstance(amount, Mapping):
        return t.listed([f"{name}: {money(value)}" for name, value in amount.items()])
    return money(amount)


def _bounds(given: Mapping[str, Any], t: Words) -> str:
    low, high = given.get("at_least"), given.get("at_most")
    if low is not None and high is not None:
        return t("bounds.both", low=number(low), high=number(high))
    if low is not None:
        return t("bounds.least", value=number(low))
    return t("bounds.most", value=number(high)) if high is not None else ""


def translated(sentence: str, t: Words) -> str:
    """What another module said in English, in the report's language; as it is where there is no wording for it."""
    if t.lang == "en":
        return sentence
    for pattern, said in PHRASES:
        found = re.fullmatch(pattern, sentence, flags=re.DOTALL)
        if found:
            return found.expand(said)
    return sentence


# What other modules say of an award, of its check, of quality, payments and prices.
PHRASES: tuple[tuple[str, str], ...] = (
    (r"disqualified", "投标被否决"), (r"withdrawn", "已撤回"), (r"invited", "已邀请"), (r"pending", "待定"),
    (r"Whether costs are private was not tested: these are costs as given, not estimated from bids\.",
     "未检验成本是否为各方私有：此处成本为给定值，并非由投标估计。"),
    (r"the distribution of costs as given", "以给定的成本分布为前提"),
    (r"first price, (\d+) bidders of one kind with private costs who know nothing of each other's",
     r"以最低价中标、\1 家同类投标人、成本私有且互不知情为前提"),
    (r"under (\S+) a winner's own price enters what it is paid", r"在 \1 规则下，中标人自身报价影响其支付额"),
    (r'bidders of (.*) may act as one; pay with by="owner"', r"\1 控制的投标人可能一致行动，应按最终控制人支付"),
    (r"scores relative to other bids let a bid change what the others are worth",
     "相对评分使一份投标影响其他投标的得分"),
    (r"without (.*) there is no award, so that a payment is not defined", r"缺少 \1 则无法成交，支付额无定义"),
    (r"a lot with fewer than (\d+) bidders is not let, so a bid opens it to others",
     r"投标人不足 \1 家的标段不予发包，一份投标即可使该标段对他人开放"),
    (r"(.*) depends on the prices bid, so that a bid can change what the rule allows",
     r"\1 取决于报价，投标可改变规则的允许范围"),
    (r"award", "中标方案"), (r"check", "独立核验"), (r"public value", "公共价值"), (r"lock-in", "供应商锁定"),
    (r"screens", "投标筛查"), (r"red flag (\w+)", r"红旗指标 \1"), (r"indicators", "绩效指标"),
    (r"third party", "第三方评价"), (r"what may be outsourced", "外包边界"),
    (r"the award", "中标方案"), (r"the market", "市场"), (r"the tender", "本次采购"), (r"lot (.*)", r"标段 \1"),
    (r"contract (.*)", r"合同 \1"), (r"auction (.*)", r"采购项目 \1"),
    (r"nobody provides it", "无人提供"), (r"left unawarded", "流标"),
    (r"Who will, and at what cost\?", "由谁提供，成本多少？"), (r"few share the award", "中标过于集中"),
    (r"HHI ([\d.]+), above ([\d.]+); (.*) receives (\d+)% of what is spent",
     r"HHI \1，高于 \2；\3 获得支出的 \4%"),
    (r"Who could replace it, and what do share caps or two suppliers cost\?",
     "谁可以替代？设置份额上限或两家供应商的代价是多少？"),
    (r"(.*) is exceeded by (.*)", r"\1 被突破 \2"), (r"charged ([\d,.]+)", r"计费 \1"),
    (r"Was the exception announced\?", "该例外是否事先公布？"),
    (r"it is not proven to be the best", "尚未证明为最优"), (r"gap ([\d.]+)%", r"差距 \1%"),
    (r"Give the solver more time before anything is published\.", "公布之前应给予求解更多时间。"),
    (r"several awards cost the same", "存在并列方案"), (r"decided by (.*)", r"由 \1 决定"),
    (r"Was the tie-break announced before the bids were opened\?", "并列处理规则是否在开标前公布？"),
    (r"Do not publish the award before this is settled\.", "查清之前不得公布中标结果。"),
    (r"quality is below the floor", "质量低于最低要求"),
    (r"([\d.]+) of ([\d.]+), ([\d.]+) missing", r"\1，要求 \2，差 \3"),
    (r"What would MinQuality cost, and is the saving worth it\?", "设置质量下限的代价是多少，节约是否值得？"),
    (r"its quality is not known", "质量未知"), (r"no figure is given", "未提供数据"),
    (r"By what will its fulfilment be judged\?", "依据什么评价其履约？"),
    (r"its bids are unlike competition", "投标不似竞争结果"),
    (r"Is there an explanation on file\?", "档案中是否有解释？"),
    (r"the incumbent may become a monopoly", "现供应商可能形成垄断"),
    (r"What do paid bids, a cap on terms or two suppliers cost, and what do they save\?",
     "补偿投标费用、限制任期或设两家供应商的代价与节约各是多少？"),
    (r"(.*) was missed", r"未达到指标：\1"),
    (r"in (\d+) of (\d+) periods, at worst by (.*)", r"\2 期中 \1 期未达标，最大差距 \3"),
    (r"Were the credits and penalties of the contract applied\?", "是否按合同扣减价款和违约金？"),
    (r"evaluators do not agree", "评价者意见不一致"),
    (r"one evaluator alone is not to be relied on", "不能仅依靠一名评价者"),
    (r"Train the evaluators, or let more of them judge, before money depends on it\.",
     "在与付款挂钩之前，应培训评价者或增加人数。"),
    (r"Settle before the tender\.", "采购前应予解决。"),
)  # fmt: skip
