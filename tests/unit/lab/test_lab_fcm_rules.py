"""FCM's rules for messages:send: shape first (the JSON front end), then FCM's own rules."""

from __future__ import annotations

import json
from typing import Any

import pytest

from heliograph.lab.fcm_errors import FAILURES, Failure, fail, fail_with_status
from heliograph.lab.fcm_rules import check_message
from heliograph.lab.fcm_schema import normalize, violations

FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"


def refused_field(message: dict[str, Any]) -> str | None:
    """The field FCM blames, `` for an oversized message, None if it takes the message."""
    reply = check_message(message)
    if reply is None:
        return None
    error = json.loads(reply.body)["error"]
    assert (reply.status, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT")
    detail = next(detail for detail in error["details"] if detail["@type"] == BAD_REQUEST)
    assert {"@type": FCM_ERROR, "errorCode": "INVALID_ARGUMENT"} in error["details"]
    return str(detail["fieldViolations"][0]["field"]) if "fieldViolations" in detail else ""


@pytest.mark.parametrize(
    "message",
    [
        {"token": "t", "notification": {"title": "Hi"}},
        {"fid": "f", "data": {"k": "v"}},
        {"topic": "news-1"},
        {"condition": "'a' in topics"},
        {"token": "t", "android": {"ttl": "0s", "priority": "high", "notification": {"color": "#00ff00"}}},
        {"token": "t", "android": {"ttl": "2419200s", "priority": "NORMAL"}},
        {"token": "t", "data": {"k": "x" * 4095}},
        {"token": "t", "webpush": {"headers": {"TTL": "60"}, "fcm_options": {"link": "https://x.io"}}},
        {"token": "t", "fcm_options": {"analytics_label": "spring-sale"}},
    ],
)
def test_what_fcm_takes_is_taken(message: dict[str, Any]) -> None:
    """No rule of the lab is stricter than FCM."""
    assert list(violations({"message": message})) == []
    assert refused_field(message) is None


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"notification": {"title": "Hi"}}, "message"),
        ({"token": "t", "topic": "news"}, "message"),
        ({"token": "t", "fid": "f"}, "message"),
        ({"token": " "}, "message.token"),
        ({"topic": "a b"}, "message.topic"),
        ({"token": "t", "android": {}, "android_v2": {}}, "message.android_v2"),
        ({"token": "t", "data": {"from": "x"}}, "message.data"),
        ({"token": "t", "data": {"google.x": "x"}}, "message.data"),
        ({"token": "t", "android": {"data": {"message_type": "x"}}}, "message.android.data"),
        ({"token": "t", "android": {"ttl": "60"}}, "message.android.ttl"),
        ({"token": "t", "android": {"ttl": "2419201s"}}, "message.android.ttl"),
        ({"token": "t", "android": {"ttl": "-1s"}}, "message.android.ttl"),
        ({"token": "t", "android": {"priority": "urgent"}}, "message.android.priority"),
        ({"token": "t", "android": {"notification": {"color": "red"}}}, "message.android.notification.color"),
        ({"token": "t", "webpush": {"headers": {"TTL": "-5"}}}, "message.webpush.headers.TTL"),
        ({"token": "t", "webpush": {"fcm_options": {"link": "http://x.io"}}}, "message.webpush.fcm_options.link"),
        ({"token": "t", "fcm_options": {"analytics_label": "a b"}}, "message.fcm_options.analytics_label"),
        ({"token": "t", "data": {"k": "x" * 4096}}, ""),
        ({"token": "t", "notification": {"body": "é" * 2049}}, ""),
        ({"topic": "t", "data": {"k": "x" * 2048}}, ""),
    ],
)
def test_what_fcm_refuses_is_refused_under_its_field(message: dict[str, Any], field: str) -> None:
    """400 INVALID_ARGUMENT with BadRequest and FcmError details; an oversized message names no field."""
    assert refused_field(message) == field


@pytest.mark.parametrize(
    ("document", "field", "description"),
    [
        (
            {"message": {"data": {"n": 12}}},
            "message.data[0].value",
            "Invalid value at 'message.data[0].value' (TYPE_STRING), 12",
        ),
        ({"message": {"token": 5}}, "message.token", "Invalid value at 'message.token' (TYPE_STRING), 5"),
        (
            {"message": {"tokn": "t"}},
            "message",
            "Invalid JSON payload received. Unknown name \"tokn\" at 'message': Cannot find field.",
        ),
        ({"massage": {}}, "", 'Invalid JSON payload received. Unknown name "massage": Cannot find field.'),
        ({"validate_only": "yes"}, "validate_only", "Invalid value at 'validate_only' (TYPE_BOOL), \"yes\""),
        (
            {"message": {"android": {"notification": {"notificationCount": 1.5}}}},
            "message.android.notification.notification_count",
            "Invalid value at 'message.android.notification.notification_count' (TYPE_INT32), 1.5",
        ),
        ({"message": {"apns": {"payload": []}}}, "message.apns.payload", None),
        ({"message": []}, "message", None),
    ],
)
def test_wrong_types_and_unknown_names_are_refused(document: Any, field: str, description: str | None) -> None:
    """As Google's JSON front end words it."""
    found = list(violations(document))
    assert [violation[0] for violation in found] == [field]
    assert description is None or found[0][1] == description


def test_camel_case_snake_case_and_null_are_all_understood() -> None:
    """Proto JSON takes both spellings and treats null as absent."""
    document = {"validateOnly": True, "message": {"fcmOptions": {"analyticsLabel": "x"}, "android": None, "fid": "f"}}
    assert list(violations(document)) == []
    expected = {"validate_only": True, "message": {"fcm_options": {"analytics_label": "x"}, "fid": "f"}}
    assert normalize(document) == expected


def test_keys_of_maps_keep_their_spelling() -> None:
    """Only field names are translated; a data key is the app's own."""
    document = {"message": {"data": {"orderId": "1"}, "apns": {"payload": {"myKey": 1}}}}
    assert normalize(document) == document


@pytest.mark.parametrize("failure", FAILURES.values())
def test_error_bodies_have_googles_shape(failure: Failure) -> None:
    """`code` repeats the HTTP status, `details` carries the FcmError exactly when there is a code."""
    reply = fail(failure)
    error = json.loads(reply.body)["error"]
    assert (reply.status, error["code"], error["status"]) == (failure.http, failure.http, failure.status)
    codes = [detail["errorCode"] for detail in error.get("details", []) if detail["@type"] == FCM_ERROR]
    assert codes == ([failure.code] if failure.code else [])
    assert ("Retry-After" in reply.headers) == (failure.http in (429, 503))


def test_gateway_errors_are_html() -> None:
    """502 and 504 come from the front end: no JSON, so that no client dares to assume it."""
    for status in (502, 504):
        reply = fail_with_status(status)
        assert reply.status == status
        assert reply.media_type.startswith("text/html")
        assert reply.body.startswith(b"<!DOCTYPE html>")


def test_device_quota_names_the_device() -> None:
    """A per-device 429 must be told from a project-wide one."""
    details = json.loads(fail(FAILURES["device_quota"], device="tok").body)["error"]["details"]
    assert details[1]["violations"][0]["subject"] == "device:tok"
