"""Links of the dashboard's numbers: to the sessions behind them, or to another dashboard."""

from urllib.parse import urlencode

from django.urls import reverse

from ...models.rollups import Dimension
from ..changelist.filters import CountryFilter, DaysFilter, DeviceFilter, ProviderFilter
from .periods import Choice

_PARAMETERS = {
    Dimension.PLAYOUT: "q",
    Dimension.PROVIDER: ProviderFilter.parameter_name,
    Dimension.DEVICE: DeviceFilter.parameter_name,
    Dimension.COUNTRY: CountryFilter.parameter_name,
}
"""The session list's filter parameter for each dimension."""


def dashboard(site: str, choice: Choice) -> str:
    """Return the path of the dashboard for this choice, on the admin site named `site`."""
    return f"{reverse('admin:jay_sessions_dashboard', current_app=site)}?{choice.query}"


def sessions(site: str, choice: Choice) -> str:
    """Return the path of the session list for this choice, on the admin site named `site`."""
    parameters = {
        DaysFilter.FROM: choice.period.first.isoformat(),
        DaysFilter.TO: choice.period.last.isoformat(),
    }
    if choice.filters.dimension in _PARAMETERS:
        parameters[_PARAMETERS[choice.filters.dimension]] = choice.filters.name
    path = reverse("admin:jay_sessions_trackingsession_changelist", current_app=site)
    return f"{path}?{urlencode(parameters)}"
