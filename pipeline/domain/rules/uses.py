"""Uses of grades 结果应用: what a grade leads to, and what is suspended."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from pipeline.domain.rules.engine import meets_bound
from pipeline.domain.rules.exact import Column, Mask, known
from pipeline.domain.rules.facts import Facts
from pipeline.domain.rules.schema import UseRule

USE_COLUMNS: Final = ("unit_code", "rule", "effect", "state", "rate", "because")


def find_uses(facts: Facts, grade: Column, past_grade: Column) -> pd.DataFrame:
    """Say which uses of the rule set each unit's grade leads to.

    ``state``: ``applies``; ``suspended``, with the rule ``because`` of which; ``undecided`` where the rate
    stands in a paper that is missing.

    Shape:  facts of n units, the grade of each as it is shown and that of the year before, or None, in;
            USE_COLUMNS out, by unit and rule.
    Units:  a rate as the rule has it.
    CRS:    none (no geometry).
    Errors: KeyError on an unknown fact.
    Source: docs/sources.md, 2.4.
    """
    rules, day = facts.rules, facts.evidence.as_of
    applies = {
        name: _applies(facts, rule, grade, past_grade)
        for name, rule in rules.use.items()
        if rule.is_in_force(day) and not any(bound.is_open for bound in rule.when)
    }
    codes = facts.evidence.units["unit_code"].to_numpy(dtype=object)
    rows: list[tuple[object, ...]] = []
    for name, mask in applies.items():
        rule = rules.use[name]
        if rule.suspends:
            continue
        because = np.full(facts.size, None, dtype=object)
        for other, holds_too in applies.items():
            if name in rules.use[other].suspends:
                because[mask & holds_too] = other
        waits = rule.needs_rate and rule.rate is None
        for at in np.flatnonzero(mask):
            state = "suspended" if because[at] else "undecided" if waits else "applies"
            rows.append((codes[at], name, rule.effect, state, rule.rate, because[at]))
    table = pd.DataFrame(rows, columns=list(USE_COLUMNS), dtype=object)
    return table.sort_values(["unit_code", "rule"], ignore_index=True)


def _applies(facts: Facts, rule: UseRule, grade: Column, past_grade: Column) -> Mask:
    found = known(grade)
    if rule.grades:
        found &= np.isin(grade, list(rule.grades))
    if rule.categories:
        found &= np.isin(facts.column["category"], list(rule.categories))
    for bound in rule.when:
        found &= meets_bound(facts, bound)
    if rule.is_risen:
        place = {name: number for number, name in enumerate(facts.rules.grades)}
        now = np.array([place.get(one, len(place)) for one in grade])
        then = np.array([place.get(one, -1) for one in past_grade])
        found &= now < then
    return found
