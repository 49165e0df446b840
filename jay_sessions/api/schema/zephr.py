"""Zephr's objects in the OpenAPI document. They are open, as the app passes Zephr's answer on unchanged.

Any member may be missing or null, and any object may have more members. An enumeration of Zephr is a string
with today's values in its description. So code generated from the document can read later values too.
"""

from collections.abc import Mapping
from typing import Any

from ...zephr.session import State
from .components import Schema, array, json_object, ref, string, typed


def _open(properties: Mapping[str, Schema], **more: Any) -> Schema:
    return json_object(properties, additionalProperties=True, **more)


def _nullable(schema: Schema) -> Schema:
    # The form of OpenAPI 3.0. A `$ref` cannot be nullable itself, so the object it points to is.
    return schema if "$ref" in schema else {**schema, "nullable": True}


def _members(**properties: Schema) -> Schema:
    return _nullable(_open({name: _nullable(schema) for name, schema in properties.items()}))


def _any_object() -> Schema:
    return _open({})


COMPONENTS: dict[str, Schema] = {
    "ZephrDeviceSession": _members(
        supplied=typed("boolean"),
        expiryDate=string(example="2025-02-08 14:29 PM UTC"),
        startDate=string(example="2024-02-08 14:29 PM UTC"),
        state=string(
            f"How well Zephr knows the user of the device: {', '.join(State)}, or another value that "
            "Zephr adds.",
            State.AUTHENTICATED.value,
        ),
        device=string(example="pc"),
        browser=string(example="Chrome"),
        os=string(example="Mac OSX"),
        city=string(example="London"),
        geoState=string(example="London"),
        deviceName=string(example="Apple Macintosh"),
        country=string("ISO-3166-2 country code", "GB"),
        session_id=string(example="26a73b7a-f7d0-48d8-85dd-a04b07313895"),
    ),
    "ZephrEntitlement": _members(
        id=string(example="0123456789ABCD"),
        direct=typed("boolean", example=True),
        meteredBy=array({}, example=[]),
        creditedBy=array({}, example=[]),
    ),
    "ZephrAccessModel": _members(
        meters=_any_object(),
        credits=_any_object(),
        delivered_entitlements=array(ref("ZephrEntitlement")),
        granted_bundles=array({}, example=["e10a5ff3-fc63-47fb-af04-75c2ec3fdf1c"]),
        jwt_bundles=array({}, example=[]),
        user_state=string(example="registered"),
    ),
    "ZephrSession": {
        **_members(
            tenantId=string(example="company"),
            subTenantId=string(example="company|demo"),
            authenticated=typed("boolean", example=True),
            v=typed("integer", "version"),
            session_variables=_any_object(),
            user_id=string(example="UU0123456789ABCD"),
            sessions=array(ref("ZephrDeviceSession")),
            access_model=ref("ZephrAccessModel"),
            last_updated=typed(
                "integer",
                "A timestamp indicating the last update of the session, in milliseconds since the epoch.",
                1707230240685,
            ),
            test_groups=_any_object(),
            second_party_data=_any_object(),
        ),
        "nullable": False,
        "description": "The session as Zephr sends it, including fields that are not listed here.",
    },
}
