"""How columns of tables look: lists of Grafana's field properties, joined with ``+``.

column("Deliveries", count() + width(110))
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.models.dashboard import (
    DashboardRegexMapOptions,
    DynamicConfigValue,
    MatcherConfig,
    RegexMap,
    ValueMap,
    ValueMappingResult,
)

from dashboards.colours import PLAIN

Properties = list[DynamicConfigValue]


@dataclass(frozen=True, slots=True)
class Column:
    """The look of the columns a matcher finds."""

    matcher: MatcherConfig
    properties: Properties


class NestedMatcher(MatcherConfig):
    """Finds a column inside expanded rows, where other matchers do not look; the SDK has no word for it."""

    def to_json(self) -> dict[str, object]:
        return {"id": self.id_val, "options": self.options, "scope": "nested"}


def column(name: str, properties: Properties) -> Column:
    """The look of one column."""
    return Column(MatcherConfig("byName", name), properties)


def nested_column(name: str, properties: Properties) -> Column:
    """The look of one column of expanded rows."""
    return Column(NestedMatcher("byName", name), properties)


def every_column(properties: Properties) -> list[Column]:
    """The look of all columns, those of expanded rows too, unless one has its own."""
    return [Column(matcher("byRegexp", ".*"), properties) for matcher in (MatcherConfig, NestedMatcher)]


def prop(id_: str, value: Any) -> Properties:
    return [DynamicConfigValue(id_, value)]


def width(pixels: int) -> Properties:
    return prop("custom.width", pixels)


def unit(name: str, decimals: int | None = None) -> Properties:
    return prop("unit", name) + ([] if decimals is None else prop("decimals", decimals))


def count(pixels: int = 95) -> Properties:
    return unit("short") + width(pixels)


def share(colour: str, pixels: int = 135) -> Properties:
    """A number from 0 to 1 as a bar."""
    return (
        unit("percentunit", 1)
        + prop("min", 0)
        + prop("max", 1)
        + fixed(colour)
        + cell("gauge", mode="basic", valueDisplayMode="text")
        + width(pixels)
    )


def points() -> Properties:
    """A change in percentage points."""
    return unit("suffix: points", 1) + width(125)


def percent_change() -> Properties:
    return unit("percent", 1) + width(85)


def time() -> Properties:
    return unit("time:YYYY-MM-DD HH:mm:ss") + width(155)


def ago() -> Properties:
    """A time as how long ago it was."""
    return unit("dateTimeFromNow") + width(125)


def milliseconds(pixels: int = 100) -> Properties:
    return unit("ms") + width(pixels)


def fixed(colour: str) -> Properties:
    return prop("color", {"mode": "fixed", "fixedColor": colour})


def cell(kind: str, **more: Any) -> Properties:
    return prop("custom.cellOptions", {"type": kind, **more})


def words(values: Mapping[str, tuple[str, str]], pixels: int = 130) -> Properties:
    """Values shown as a text in a colour."""
    results = {
        value: ValueMappingResult(text=text, color=colour, index=at)
        for at, (value, (text, colour)) in enumerate(values.items())
    }
    return prop("mappings", [ValueMap(results)]) + cell("color-text") + width(pixels)


def red_unless_zero(pixels: int = 105) -> Properties:
    return (
        unit("short")
        + prop("color", {"mode": "thresholds"})
        + prop("thresholds", {"mode": "absolute", "steps": steps((None, PLAIN), (1, "red"))})
        + cell("color-text")
        + width(pixels)
    )


def steps(*pairs: tuple[float | None, str]) -> list[dict[str, Any]]:
    """Thresholds: from which value on which colour; the first from None."""
    return [{"color": colour, "value": value} for value, colour in pairs]


def wrapped() -> Properties:
    """Text in as many lines as it needs."""
    return prop("custom.wrapText", True)


def read_more() -> Properties:
    """The address of a page of our own catalogue, as a link; '' is none."""
    shown = RegexMap(DashboardRegexMapOptions("http.+", ValueMappingResult(text="Read more", index=0)))
    opened = [{"title": "Read more", "url": "${__value.raw}", "targetBlank": True}]
    return prop("mappings", [shown]) + prop("links", opened) + width(95)


def payload() -> Properties:
    """JSON that opens in full."""
    return cell("json-view") + prop("custom.inspect", True)


def hidden() -> Properties:
    """Not shown, but there for links."""
    return prop("custom.hideFrom", {"viz": True, "legend": True, "tooltip": True})


def link(title: str, address: str) -> Properties:
    return links((title, address))


def links(*pairs: tuple[str, str]) -> Properties:
    """Titles and addresses; a click on the cell shows them."""
    return prop("links", [{"title": title, "url": address} for title, address in pairs])
