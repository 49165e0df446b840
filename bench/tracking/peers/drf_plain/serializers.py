from typing import Any

from rest_framework import serializers

from .models import Session


class SessionSerializer(serializers.ModelSerializer):
    """What a client sends, checked and stored."""

    class Meta:
        model = Session
        fields = ["playout_id", "user_id"]


class TokenSerializer(serializers.Serializer):
    """What a client sends back."""

    session_id = serializers.UUIDField()
    start_time = serializers.CharField()
    source = serializers.CharField()
    user_id = serializers.CharField(required=False)
    provider_name = serializers.CharField()


class AnswerSerializer(serializers.Serializer):
    """The same in camel case."""

    sessionId = serializers.UUIDField(source="session_id")
    startTime = serializers.CharField(source="start_time")
    source = serializers.CharField()
    userId = serializers.CharField(source="user_id", required=False)
    providerName = serializers.CharField(source="provider_name")


def envelope(session: dict[str, Any]) -> dict[str, Any]:
    return {"data": AnswerSerializer(session).data}
