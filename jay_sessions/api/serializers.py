"""Names and types of the tracking endpoints' input and output."""

from collections.abc import Callable
from typing import Any

from rest_framework import serializers

from .. import sessions
from ..analytics.timeseries import Bucket
from ..core.identifiers import MAX_LENGTH, clean_zephr_session_id
from ..core.tokens import Token, format_time
from ..exceptions import InvalidValue
from ..models import TrackingSession


class IdField(serializers.CharField):
    """An id as text, or as the bytes of a query or form; blank and null count as absent.

    `clean` returns the id as it is stored. Raises InvalidValue for an id that breaks a rule.
    """

    def __init__(self, clean: Callable[[str], str | None], **kwargs: Any) -> None:
        super().__init__(max_length=MAX_LENGTH, required=False, allow_null=True, allow_blank=True, **kwargs)
        self.clean = clean

    def run_validation(self, data: Any = serializers.empty) -> str | None:
        try:
            if isinstance(data, bytes):
                data = data.decode()
            if isinstance(data, str):
                data = data.strip()
            return None if data in (serializers.empty, None, "") else self.clean(data)
        except UnicodeDecodeError as error:
            raise serializers.ValidationError("String should be valid UTF-8.", "string_unicode") from error
        except InvalidValue as error:
            raise serializers.ValidationError(error.message, error.kind) from error


class StartSessionSerializer(serializers.Serializer):
    """The input of POST."""

    user_id = IdField(
        sessions.given_user_id, help_text="Identifies a user across sessions; send it hashed or encrypted."
    )
    zephr_session_id = IdField(
        clean_zephr_session_id, help_text="Links the session to a Zephr session, if the site links sessions."
    )


class TrackingSessionSerializer(serializers.Serializer):
    """A session in the answers to POST and GET; fields without a value are left out."""

    sessionId = serializers.CharField(source="session_id")
    startTime = serializers.SerializerMethodField()
    source = serializers.CharField()  # type: ignore[assignment]
    userId = serializers.CharField(source="user_id", required=False)
    providerName = serializers.CharField(source="provider_name", required=False)

    def get_startTime(self, token: Token) -> str:
        return format_time(token.start_time)

    def to_representation(self, instance: Any) -> dict[str, Any]:
        members = super().to_representation(instance)
        return {name: value for name, value in members.items() if value is not None}


class RecordedSessionSerializer(TrackingSessionSerializer):
    """A session in the listing, made from its row."""

    playoutId = serializers.CharField(source="playout_id")
    endedAt = serializers.SerializerMethodField()

    def get_startTime(self, row: TrackingSession) -> str:  # type: ignore[override]
        return format_time(row.started_at)

    def get_endedAt(self, row: TrackingSession) -> str | None:
        return None if row.ended_at is None else format_time(row.ended_at)


class BucketSerializer(serializers.Serializer):
    """An hour or a day of the statistics; `start` has the offset of its zone."""

    start = serializers.SerializerMethodField()
    sessions = serializers.IntegerField()
    users = serializers.IntegerField()

    def get_start(self, bucket: Bucket) -> str:
        return bucket.start.isoformat()
