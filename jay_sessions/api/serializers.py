"""What goes in and out of the tracking endpoints, by name and type."""

from collections.abc import Callable
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any

from rest_framework import serializers

from ..exceptions import InvalidValue
from ..identifiers import MAX_LENGTH, clean_user_id, clean_zephr_session_id
from ..models import TrackingSession
from ..timeline import Bucket
from ..tokens import Token, format_time


class IdField(serializers.CharField):
    """An id as text, or as the bytes of a query or form; blank and null count as absent.

    `clean` returns the id as it is kept. Raises InvalidValue for one that breaks a rule.
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
    """What POST takes."""

    user_id = IdField(
        clean_user_id, help_text="Identifies a user across sessions; send it hashed or encrypted."
    )
    zephr_session_id = IdField(
        clean_zephr_session_id, help_text="Links the session to one of Zephr's, where the site does that."
    )


def represent(token: Token) -> dict[str, str]:
    """Return a session as `TrackingSessionSerializer` does, without making fields for it."""
    members = {
        "sessionId": token.session_id,
        "startTime": format_time(token.start_time),
        "source": token.source,
    }
    if token.user_id is not None:
        members["userId"] = token.user_id
    if token.provider_name is not None:
        members["providerName"] = token.provider_name
    return members


def rendered(token: Token) -> bytes:
    """Return the answer that has the session as its data, as the views render it."""
    user_id = "" if token.user_id is None else f',"userId":{_quoted(token.user_id)}'
    provider_name = "" if token.provider_name is None else f',"providerName":{_quoted(token.provider_name)}'
    # By hand, for the fast lane: an encoder that is set up for each answer costs several times as much.
    return (
        f'{{"data":{{"sessionId":{_quoted(token.session_id)},"startTime":"{format_time(token.start_time)}"'
        f',"source":{_quoted(token.source)}{user_id}{provider_name}}}}}'
    ).encode("ascii")


class TrackingSessionSerializer(serializers.Serializer):
    """A session as POST and GET answer it; what has no value is left out."""

    sessionId = serializers.CharField(source="session_id")
    startTime = serializers.SerializerMethodField()
    source = serializers.CharField()  # type: ignore[assignment]
    userId = serializers.CharField(source="user_id", required=False)
    providerName = serializers.CharField(source="provider_name", required=False)

    def get_startTime(self, token: Token) -> str:
        return format_time(token.start_time)

    def to_representation(self, instance: Any) -> dict[str, Any]:
        if type(self) is TrackingSessionSerializer:
            return represent(instance)
        members = super().to_representation(instance)
        return {name: value for name, value in members.items() if value is not None}


class RecordedSessionSerializer(TrackingSessionSerializer):
    """A session as the listing answers it, from its row."""

    playoutId = serializers.CharField(source="playout_id")
    endedAt = serializers.SerializerMethodField()

    def get_startTime(self, row: TrackingSession) -> str:  # type: ignore[override]
        return format_time(row.started_at)

    def get_endedAt(self, row: TrackingSession) -> str | None:
        return None if row.ended_at is None else format_time(row.ended_at)


class BucketSerializer(serializers.Serializer):
    """An hour or a day of the statistics; `start` with the offset of its zone."""

    start = serializers.SerializerMethodField()
    sessions = serializers.IntegerField()
    users = serializers.IntegerField()

    def get_start(self, bucket: Bucket) -> str:
        return bucket.start.isoformat()
