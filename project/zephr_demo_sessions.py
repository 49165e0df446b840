"""The sessions of the demo's Zephr stand-in, with every field of the reference page."""

from collections.abc import Mapping
from typing import Any


def _demo_session(session_id: str, *devices: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    access_model = {
        "meters": {},
        "credits": {},
        "delivered_entitlements": [],
        "granted_bundles": [],
        "jwt_bundles": [],
        "user_state": "anonymous",
        **fields.pop("access_model", {}),
    }
    own = {"supplied": False, "expiryDate": "2027-02-08 14:29 PM UTC", "startDate": "2026-02-08 09:05 AM UTC"}
    first, *others = devices
    return {
        "tenantId": "demo",
        "subTenantId": "demo|live",
        "authenticated": False,
        "v": 2,
        "session_variables": {},
        "sessions": [{**own, **first, "session_id": session_id}, *({**own, **other} for other in others)],
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
_METER = {"allowed": 5, "used": 3, "remaining": 2, "reset": "2026-03-01T00:00:00Z"}

DEMO_SESSIONS: Mapping[str, dict[str, Any]] = {
    "26a73b7a-f7d0-48d8-85dd-a04b07313895": _demo_session(
        "26a73b7a-f7d0-48d8-85dd-a04b07313895",
        {"state": "anonymous", **_LAPTOP},
        access_model={"meters": {"articles": _METER}},
    ),
    "7d3c0a52-5f0e-4c07-9a4b-0f6f7f1f2a11": _demo_session(
        "7d3c0a52-5f0e-4c07-9a4b-0f6f7f1f2a11",
        {"state": "partially_registered", **_PHONE},
        user_id="UU0000000000REGI",
        session_variables={"newsletter": "weekly"},
        access_model={
            "meters": {"articles": {**_METER, "allowed": 10, "remaining": 7}},
            "delivered_entitlements": [
                {"id": "ENT-ARTICLES", "direct": False, "meteredBy": ["articles"], "creditedBy": []},
            ],
            "user_state": "registered",
        },
    ),
    "c1b0e6f4-90c5-4a6f-8f3c-5b1d2e3f4a55": _demo_session(
        "c1b0e6f4-90c5-4a6f-8f3c-5b1d2e3f4a55",
        {"state": "authenticated", **_TELEVISION},
        {
            "state": "authenticated",
            **_PHONE,
            "startDate": "2026-01-19 18:42 PM UTC",
            "session_id": "0b0e2c64-7d0b-4a53-9d3b-6a1a4f6f1c02",
        },
        {
            "state": "recognised",
            **_LAPTOP,
            "supplied": True,
            "startDate": "2025-11-02 07:30 AM UTC",
            "expiryDate": "2026-11-02 07:30 AM UTC",
            "session_id": "f3a9d0c1-2d5e-4b8a-8f60-97c1f0a4e703",
        },
        authenticated=True,
        user_id="UU0123456789ABCD",
        session_variables={"newsletter": "daily", "player": {"quality": "1080p", "subtitles": ["fr", "en"]}},
        test_groups={"paywall": "B", "front_page": "control"},
        second_party_data={"partner": {"segment": "sports", "since": "2024-09-01"}},
        access_model={
            "meters": {
                "articles": {**_METER, "allowed": 100, "used": 12, "remaining": 88},
                "live-streams": {"allowed": 4, "used": 4, "remaining": 0, "reset": "2026-02-09T00:00:00Z"},
            },
            "credits": {
                "films": {"total": 5, "remaining": 3, "expires": "2026-06-30"},
                "gift-articles": {
                    "total": 10,
                    "remaining": 10,
                    "given": {"by": "ENT-PREMIUM", "renewed": True},
                },
            },
            "delivered_entitlements": [
                {
                    "id": "ENT-PREMIUM",
                    "direct": True,
                    "meteredBy": [],
                    "creditedBy": ["films", "gift-articles"],
                },
                {"id": "ENT-ARTICLES", "direct": True, "meteredBy": ["articles"], "creditedBy": []},
                {"id": "ENT-LIVE", "direct": False, "meteredBy": ["live-streams"], "creditedBy": []},
            ],
            "granted_bundles": [
                "e10a5ff3-fc63-47fb-af04-75c2ec3fdf1c",
                "5d1c7a90-6f0e-4e0f-8a8e-2f6b0c9d4e17",
            ],
            "jwt_bundles": ["partner-sports"],
            "user_state": "registered",
        },
    ),
}
