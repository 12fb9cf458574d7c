"""What an experiment has found out: targets, and figures for people."""

from dataclasses import dataclass, field

from measure import Spread


@dataclass(frozen=True)
class Target:
    """One line of the issue's table, with what was seen."""

    what: str
    bound: float
    value: float
    unit: str
    ours: Spread
    ours_unit: str
    other: Spread | None = None
    other_name: str = ""
    at_least: bool = False

    @property
    def met(self):
        """Whether it is."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound


def ratio(what, bound, ours, other, other_name, unit="s"):
    """A target for our median over another's."""
    return Target(what, bound, ours.middle / other.middle, "", ours, unit, other, other_name)


def amount(what, bound, ours, unit):
    """A target that the worst of our samples has to keep."""
    return Target(what, bound, ours.most, unit, ours, unit)


def speed_up(what, bound, ours, other, other_name):
    """A target for how many times as fast ours is."""
    value = other.middle / ours.middle
    return Target(what, bound, value, "times", ours, "s", other, other_name, at_least=True)


@dataclass
class Result:
    """What one experiment has to tell."""

    name: str
    title: str
    #: How it was measured, where that is not plain from the title.
    about: str
    targets: list = field(default_factory=list)
    #: A table for people: its header, and rows of as many texts or numbers.
    header: tuple = ()
    rows: list = field(default_factory=list)
    #: Lines for charts: by the chart's name, a list of (name, [(x, y)]).
    lines: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)


def shown(spread):
    """Least, middle and most as one text."""
    if spread.count == 1:
        return number(spread.middle)
    return " / ".join(number(value) for value in (spread.least, spread.middle, spread.most))


def number(value):
    """A number with as many digits as it deserves."""
    if isinstance(value, str):
        return value
    if float(value).is_integer() and abs(value) >= 10:
        return f"{int(value):,}"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"
