"""System checks of environment variables that can block the way to Zephr. They do not call Zephr."""

from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, register

from .. import conf
from ..zephr import egress
from .settings import parsed


@register()
def check_egress(**kwargs: Any) -> list[CheckMessage]:
    """Warn of a proxy or a certificate bundle in the environment that makes Zephr unreachable."""
    values, _ = parsed()
    zephr = values.get("zephr")
    if zephr is None:
        return []
    return [
        checks.Warning(
            f"Zephr cannot be reached: {problem}.",
            hint=f'Correct the variable, or write: {conf.NAME} = {{"ZEPHR": {{"{name}": …, …}}}}',
            id="jay_sessions.W120",
        )
        for name, problem in _problems(zephr)
    ]


def _problems(zephr: conf.ZephrSettings) -> list[tuple[str, str]]:
    route = egress.route(zephr.base_url, zephr.proxy, zephr.ca_bundle)
    problems = [("PROXY", route.problem)] if route.problem else []
    if route.ca_bundle and route.ca_bundle_from and (wrong := egress.bundle_problem(route.ca_bundle)):
        problems.append(("CA_BUNDLE", f"{route.ca_bundle_from} of the environment {wrong}"))
    return problems
