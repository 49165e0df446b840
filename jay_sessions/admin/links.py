"""Where the numbers of the dashboard lead: to the sessions behind them, or to another dashboard."""

from urllib.parse import urlencode

from django.urls import reverse

from ..rollup_models import Kind
from .filters import CountryFilter, DaysFilter, DeviceFilter, ProviderFilter
from .periods import Choice

_SUBJECTS = {
    Kind.PLAYOUT: "q",
    Kind.PROVIDER: ProviderFilter.parameter_name,
    Kind.DEVICE: DeviceFilter.parameter_name,
    Kind.COUNTRY: CountryFilter.parameter_name,
}
"""How the session list is asked for those of one subject."""


def dashboard(choice: Choice) -> str:
    """Return the path of the dashboard for this choice."""
    return f"{reverse('admin:jay_sessions_dashboard')}?{choice.query}"


def sessions(choice: Choice) -> str:
    """Return the path of the session list for the subject and the period."""
    parameters = {
        DaysFilter.FROM: choice.period.first.isoformat(),
        DaysFilter.TO: choice.period.last.isoformat(),
    }
    if choice.subject.kind in _SUBJECTS:
        parameters[_SUBJECTS[choice.subject.kind]] = choice.subject.name
    return f"{reverse('admin:jay_sessions_trackingsession_changelist')}?{urlencode(parameters)}"
