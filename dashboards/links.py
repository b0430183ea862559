"""Addresses inside Grafana that keep the time and the pickers."""

from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models.dashboard import DashboardLinkType

# In the order of the links on top of each dashboard.
TITLES = {
    "event-delivery": "Event delivery",
    "delivery-overview": "Delivery overview",
    "error-detail": "Error detail",
    "event-trace": "Event trace",
    "alerts": "Alerts",
    "operations": "Operations",
}


def kept(variable: str) -> str:
    """A variable handed on as it is."""
    return f"${{{variable}:queryparam}}"


def field(variable: str, column: str) -> str:
    """A variable set to a column of the row that was clicked."""
    return f'var-{variable}=${{__data.fields["{column}"]:percentencode}}'


def address(uid: str, *variables: str) -> str:
    """The address of a dashboard with the time of this one; ``variables`` from `kept`, `field` or written out."""
    return f"/d/{uid}/{uid}?{'&'.join((*variables, '${__url_time_range}'))}"


def address_of_period(uid: str, *variables: str, to: str) -> str:
    """The address of a dashboard from the time in column From, in Unix ms, to another one."""
    return f"/d/{uid}/{uid}?{'&'.join(variables)}&from=${{__data.fields.From}}&to={to}"


def links_to_others(uid: str) -> list[DashboardLink]:
    """Links on top of a dashboard, to each of the others."""
    return [
        DashboardLink(title)
        .type(DashboardLinkType.LINK)
        .url(f"/d/{other}/{other}")
        .icon("dashboard")
        .tooltip(title)
        .keep_time(True)
        .include_vars(True)
        for other, title in TITLES.items()
        if other != uid
    ]
