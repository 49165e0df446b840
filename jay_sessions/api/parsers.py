"""Parsers for the bodies that POST accepts. Each returns a dict and is stricter than DRF's own."""

import io
import json
from collections.abc import Mapping
from typing import IO, Any

from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadhandler import FileUploadHandler
from django.http.multipartparser import MultiPartParser as DjangoMultiPartParser
from django.http.multipartparser import MultiPartParserError
from django.utils.http import parse_header_parameters
from rest_framework.parsers import BaseParser

from ..core.strict_json import refuse_constant
from .errors import BadParameter
from .request import last_value

USER_ID = "user_id"
ZEPHR_SESSION_ID = "zephr_session_id"
FIELDS = (USER_ID, ZEPHR_SESSION_ID)
"""The fields that are read from a form."""


class StrictJSONParser(BaseParser):
    """A JSON object in UTF-8. Raises BadParameter for anything else, also if it is nested too deep."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        body = stream.read()
        try:
            data = json.loads(body.decode(), parse_constant=refuse_constant)
        except (ValueError, RecursionError) as error:
            raise BadParameter(("body",), "json_invalid", "The body is not valid JSON.") from error
        if not isinstance(data, dict):
            raise BadParameter(("body",), "dict_type", "The body should be a JSON object.")
        return data


class StrictFormParser(BaseParser):
    """A URL-encoded form. Returns only `FIELDS`, as bytes; the serializer decodes them."""

    media_type = "application/x-www-form-urlencoded"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, bytes]:
        form = stream.read()
        values = {name: last_value(form, name) for name in FIELDS}
        return {name: value for name, value in values.items() if value is not None}


class _NoFiles(FileUploadHandler):
    """Discards uploaded files, but remembers the names of their fields."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.names.add(self.field_name or "")

    def file_complete(self, file_size: int) -> None:
        self.names.add(self.field_name or "")


class StrictMultiPartParser(BaseParser):
    """A multipart form. Returns only `FIELDS`, which must not be files."""

    media_type = "multipart/form-data"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        body, files = stream.read(), _NoFiles()
        _, _, parameters = (media_type or "").partition(";")
        content_type = f"{self.media_type};{parameters}"
        meta = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(body))}
        try:
            # Latin-1 keeps every byte, so that invalid UTF-8 can still be refused.
            parser = DjangoMultiPartParser(meta, io.BytesIO(body), [files], "latin-1")
            fields, _ = parser.parse()
        except (MultiPartParserError, SuspiciousOperation, LookupError, TypeError, ValueError) as error:
            raise BadParameter(("body",), "multipart_invalid", "The body is no valid form.") from error
        # Django stops without an error at a part that it cannot read.
        if f"--{parse_header_parameters(content_type)[1]['boundary']}--".encode() not in body:
            raise BadParameter(("body",), "multipart_invalid", "The form does not end.")
        values = {name: str(fields[name]).encode("latin-1") for name in FIELDS if name in fields}
        # A file is not text: the serializer refuses any value that is not a string.
        return {**values, **{name: files for name in FIELDS if name in files.names}}
