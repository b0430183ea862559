"""How columns of tables look: lists of Grafana's field properties, joined with ``+``.

A table gives the looks by column: ``{"Deliveries": count() + width(110), ("Age", "Waits"): unit("s", 0)}``. `USUAL` has
the looks of columns that are the same in every table.
"""

from collections.abc import Mapping
from typing import Any

from grafana_foundation_sdk.models.dashboard import (
    DashboardRegexMapOptions,
    DynamicConfigValue,
    RegexMap,
    ValueMap,
    ValueMappingResult,
)

from dashboards.colours import PLAIN, SEVERITIES

Properties = list[DynamicConfigValue]
Looks = Mapping[str | tuple[str, ...], Properties]


def by_name(looks: Looks) -> dict[str, Properties]:
    """Give each column its own entry."""
    return {name: look for names, look in looks.items() for name in ([names] if isinstance(names, str) else names)}


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
    bar = cell("gauge", mode="basic", valueDisplayMode="text")
    return unit("percentunit", 1) + prop("min", 0) + prop("max", 1) + fixed(colour) + bar + width(pixels)


def percent_change() -> Properties:
    return unit("percent", 1) + width(85)


def time(format_: str = "YYYY-MM-DD HH:mm:ss", pixels: int = 155) -> Properties:
    return unit(f"time:{format_}") + width(pixels)


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


def thresholds(*steps: tuple[float | None, str]) -> Properties:
    """Colours by value: from which value on which colour; the first from None."""
    colours = [{"color": colour, "value": value} for value, colour in steps]
    return prop("thresholds", {"mode": "absolute", "steps": colours})


def red_unless_zero(pixels: int = 105) -> Properties:
    colours = prop("color", {"mode": "thresholds"}) + thresholds((None, PLAIN), (1, "red"))
    return unit("short") + colours + cell("color-text") + width(pixels)


def wrapped() -> Properties:
    """Text in as many lines as it needs."""
    return prop("custom.wrapText", True)


def read_more() -> Properties:
    """The address of a page of the catalogue of reasons, as a link; '' is none."""
    shown = RegexMap(DashboardRegexMapOptions("http.+", ValueMappingResult(text="Read more", index=0)))
    opened = [{"title": "Read more", "url": "${__value.raw}", "targetBlank": True}]
    return prop("mappings", [shown]) + prop("links", opened) + width(95)


def payload() -> Properties:
    """JSON that opens in full."""
    return cell("json-view") + prop("custom.inspect", True)


def hidden() -> Properties:
    """Not shown, but available to links."""
    return prop("custom.hideFrom", {"viz": True, "legend": True, "tooltip": True})


def links(*pairs: tuple[str, str]) -> Properties:
    """Titles and addresses; a click on the cell shows them."""
    return prop("links", [{"title": title, "url": address} for title, address in pairs])


USUAL: dict[str, Properties] = by_name(
    {
        ("At", "First seen", "Last seen", "Sampled at", "Next call", "Acknowledged", "Muted until"): time(),
        "Since": unit("dateTimeFromNow") + width(125),
        ("What happened", "What to do", "Message", "Last error"): wrapped(),
        "Watches": wrapped() + width(140),
        "More": read_more(),
        "Mapping": width(90),
        "Severity": words(SEVERITIES, 90),
        ("Delivered", "Deliveries"): count(),
        "Unexplained": red_unless_zero(),
        "Change of share": unit("suffix: points", 1) + width(125),
        "Success rate": unit("percentunit", 1) + width(115),
        ("Rule id", "Pick source", "Pick destination", "From", "Failed with"): hidden(),
    }
)
