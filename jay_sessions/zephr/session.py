"""A Zephr session with types, by Zephr's reference page for `GET /v3/sessions/{id}`.

Reading is lenient, as Zephr may change. A field that is missing or has another type becomes None, or an
empty tuple or mapping if it holds many values. `ZephrSession.raw` has everything as it came.
"""

import dataclasses
import datetime
import enum
import re
from collections.abc import Mapping
from typing import Any, Self, TypeVar

T = TypeVar("T")

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2}) (\d{2}):(\d{2}) ([AP]M) UTC", re.ASCII)


class State(enum.StrEnum):
    """How well Zephr knows the user of a device."""

    ANONYMOUS = "anonymous"
    RECOGNISED = "recognised"
    PARTIALLY_REGISTERED = "partially_registered"
    AUTHENTICATED = "authenticated"


@dataclasses.dataclass(frozen=True, slots=True)
class DeviceSession:
    """A row of `sessions`: the session on one device. `country` is an ISO 3166 code."""

    supplied: bool | None = None
    expiry_date: datetime.datetime | None = None
    start_date: datetime.datetime | None = None
    state: State | None = None
    device: str | None = None
    browser: str | None = None
    os: str | None = None
    city: str | None = None
    geo_state: str | None = None
    device_name: str | None = None
    country: str | None = None
    session_id: str | None = dataclasses.field(default=None, repr=False)

    @classmethod
    def parse(cls, obj: Mapping[str, Any]) -> Self:
        """Read one object of the array."""
        return cls(
            supplied=_one(bool, obj.get("supplied")),
            expiry_date=_date(obj.get("expiryDate")),
            start_date=_date(obj.get("startDate")),
            state=_state(obj.get("state")),
            device=_one(str, obj.get("device")),
            browser=_one(str, obj.get("browser")),
            os=_one(str, obj.get("os")),
            city=_one(str, obj.get("city")),
            geo_state=_one(str, obj.get("geoState")),
            device_name=_one(str, obj.get("deviceName")),
            country=_one(str, obj.get("country")),
            session_id=_one(str, obj.get("session_id")),
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Entitlement:
    """A row of `access_model.delivered_entitlements`; the reference does not say what meters it."""

    id: str | None = None
    direct: bool | None = None
    metered_by: tuple[Any, ...] = ()
    credited_by: tuple[Any, ...] = ()

    @classmethod
    def parse(cls, obj: Mapping[str, Any]) -> Self:
        """Read one object of the array."""
        return cls(
            id=_one(str, obj.get("id")),
            direct=_one(bool, obj.get("direct")),
            metered_by=_array(obj.get("meteredBy")),
            credited_by=_array(obj.get("creditedBy")),
        )


@dataclasses.dataclass(frozen=True, slots=True)
class AccessModel:
    """The things that the session may use, and how often. `user_state` is, for example, `registered`."""

    meters: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    credits: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    delivered_entitlements: tuple[Entitlement, ...] = ()
    granted_bundles: tuple[str, ...] = ()
    jwt_bundles: tuple[Any, ...] = ()
    user_state: str | None = None

    @classmethod
    def parse(cls, obj: Mapping[str, Any]) -> Self:
        """Read the object."""
        return cls(
            meters=_mapping(obj.get("meters")),
            credits=_mapping(obj.get("credits")),
            delivered_entitlements=tuple(
                map(Entitlement.parse, _all(dict, obj.get("delivered_entitlements")))
            ),
            granted_bundles=_all(str, obj.get("granted_bundles")),
            jwt_bundles=_array(obj.get("jwt_bundles")),
            user_state=_one(str, obj.get("user_state")),
        )


@dataclasses.dataclass(frozen=True, slots=True)
class ZephrSession:
    """A session. `last_updated` is in milliseconds since the epoch; `raw` is what Zephr sent."""

    tenant_id: str | None = None
    sub_tenant_id: str | None = None
    authenticated: bool | None = None
    v: int | None = None
    session_variables: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    user_id: str | None = dataclasses.field(default=None, repr=False)
    sessions: tuple[DeviceSession, ...] = ()
    access_model: AccessModel | None = None
    last_updated: int | None = None
    test_groups: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    second_party_data: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    raw: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, obj: Mapping[str, Any]) -> Self:
        """Read the object of a 200. Raises nothing, whatever it holds."""
        access_model = _one(dict, obj.get("access_model"))
        return cls(
            tenant_id=_one(str, obj.get("tenantId")),
            sub_tenant_id=_one(str, obj.get("subTenantId")),
            authenticated=_one(bool, obj.get("authenticated")),
            v=_one(int, obj.get("v")),
            session_variables=_mapping(obj.get("session_variables")),
            user_id=_one(str, obj.get("user_id")),
            sessions=tuple(map(DeviceSession.parse, _all(dict, obj.get("sessions")))),
            access_model=None if access_model is None else AccessModel.parse(access_model),
            last_updated=_one(int, obj.get("last_updated")),
            test_groups=_mapping(obj.get("test_groups")),
            second_party_data=_mapping(obj.get("second_party_data")),
            raw=obj,
        )

    @property
    def last_updated_at(self) -> datetime.datetime | None:
        """`last_updated` in UTC; None if it is too large for a datetime."""
        if self.last_updated is None:
            return None
        try:
            return _EPOCH + datetime.timedelta(milliseconds=self.last_updated)
        except OverflowError:
            return None


def _one(kind: type[T], value: object) -> T | None:
    # Exactly this type, because isinstance takes True for an int.
    return value if type(value) is kind else None


def _all(kind: type[T], value: object) -> tuple[T, ...]:
    return tuple(item for item in _array(value) if type(item) is kind)


def _array(value: object) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list) else ()


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _state(value: object) -> State | None:
    try:
        return State(value)  # type: ignore[arg-type]
    except ValueError:
        return None


def _date(value: object) -> datetime.datetime | None:
    # "2025-02-08 14:29 PM UTC": the hour runs to 23, so AM and PM add nothing. If they contradict the
    # hour, it is unknown which of the two is right.
    match = _DATE.fullmatch(value) if isinstance(value, str) else None
    if match is None or (match[2] >= "12") != (match[4] == "PM"):
        return None
    try:
        return datetime.datetime.fromisoformat(f"{match[1]}T{match[2]}:{match[3]}+00:00")
    except ValueError:
        return None
