"""What the stand-in for Zephr knows in the demo: sessions with every field of the reference page."""

from collections.abc import Mapping
from typing import Any


def _demo_session(session_id: str, state: str, device: Mapping[str, str], **fields: Any) -> dict[str, Any]:
    access_model = {
        "meters": {},
        "credits": {},
        "delivered_entitlements": [],
        "granted_bundles": [],
        "jwt_bundles": [],
        "user_state": "anonymous",
        **fields.pop("access_model", {}),
    }
    row = {
        "supplied": False,
        "expiryDate": "2027-02-08 14:29 PM UTC",
        "startDate": "2026-02-08 09:05 AM UTC",
        "state": state,
        **device,
        "session_id": session_id,
    }
    return {
        "tenantId": "demo",
        "subTenantId": "demo|live",
        "authenticated": False,
        "v": 2,
        "session_variables": {},
        "sessions": [row],
        "access_model": access_model,
        "last_updated": 1770541740685,
        "test_groups": {},
        "second_party_data": {},
        **fields,
    }


_LAPTOP = {
    "device": "pc",
    "browser": "Chrome",
    "os": "Mac OSX",
    "city": "London",
    "geoState": "London",
    "deviceName": "Apple Macintosh",
    "country": "GB",
}
_PHONE = {
    "device": "mobile",
    "browser": "Safari",
    "os": "iOS",
    "city": "München",
    "geoState": "Bavaria",
    "deviceName": "Apple iPhone",
    "country": "DE",
}
_TELEVISION = {
    "device": "tv",
    "browser": "Chrome",
    "os": "Android",
    "city": "Lyon",
    "geoState": "Auvergne-Rhône-Alpes",
    "deviceName": "Sony Bravia",
    "country": "FR",
}
_METER = {"allowed": 5, "remaining": 2, "reset": "2026-03-01T00:00:00Z"}

DEMO_SESSIONS: Mapping[str, dict[str, Any]] = {
    "26a73b7a-f7d0-48d8-85dd-a04b07313895": _demo_session(
        "26a73b7a-f7d0-48d8-85dd-a04b07313895",
        "anonymous",
        _LAPTOP,
        access_model={"meters": {"articles": _METER}},
    ),
    "7d3c0a52-5f0e-4c07-9a4b-0f6f7f1f2a11": _demo_session(
        "7d3c0a52-5f0e-4c07-9a4b-0f6f7f1f2a11",
        "partially_registered",
        _PHONE,
        user_id="UU0000000000REGI",
        session_variables={"newsletter": "weekly"},
        access_model={
            "meters": {"articles": {**_METER, "allowed": 10}},
            "delivered_entitlements": [
                {"id": "ENT-ARTICLES", "direct": False, "meteredBy": ["articles"], "creditedBy": []},
            ],
            "user_state": "registered",
        },
    ),
    "c1b0e6f4-90c5-4a6f-8f3c-5b1d2e3f4a55": _demo_session(
        "c1b0e6f4-90c5-4a6f-8f3c-5b1d2e3f4a55",
        "authenticated",
        _TELEVISION,
        authenticated=True,
        user_id="UU0123456789ABCD",
        test_groups={"paywall": "B"},
        second_party_data={"partner": {"segment": "sports"}},
        access_model={
            "credits": {"films": {"remaining": 3}},
            "delivered_entitlements": [
                {"id": "ENT-PREMIUM", "direct": True, "meteredBy": [], "creditedBy": ["films"]},
                {"id": "ENT-ARTICLES", "direct": True, "meteredBy": [], "creditedBy": []},
            ],
            "granted_bundles": ["e10a5ff3-fc63-47fb-af04-75c2ec3fdf1c"],
            "user_state": "registered",
        },
    ),
}
