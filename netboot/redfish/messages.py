"""Redfish's way of saying no: extended information by the Base message registry (DSP0268)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

_REGISTRY = "Base.1.19"
_TEXTS = {
    "AccessDenied": "The login did not succeed, or no login was sent.",
    "ActionParameterMissing": "The action %1 requires the parameter %2 to be present.",
    "ActionParameterNotSupported": "The parameter %1 for the action %2 is not supported.",
    "ActionParameterValueNotInList": "The value %1 for the parameter %2 is not one it can have.",
    "GeneralError": "%1",
    "iLO.2.19.UnableToModifyDuringSystemPOST": "Settings cannot be changed during POST.",
    "InsufficientPrivilege": "The account has not the privileges that this needs.",
    "InternalError": "The request failed: %1",
    "MalformedJSON": "The request body is not a JSON object.",
    "NoOperation": "The request body has nothing to act upon.",
    "OperationNotAllowed": "The HTTP method is not allowed on this resource.",
    "PreconditionFailed": "The ETag supplied did not match the current one.",
    "PreconditionRequired": "A precondition header, If-Match, is required.",
    "PropertyMissing": "The property %1 is required and must be included in the request.",
    "PropertyNotWritable": "The property %1 is read-only and cannot be given a value.",
    "PropertyUnknown": "The property %1 is not one of the resource's properties.",
    "PropertyValueFormatError": "The value %1 for the property %2 is not in the format it has.",
    "PropertyValueNotInList": "The value %1 for the property %2 is not one it can have.",
    "PropertyValueTypeError": "The value for the property %1 is of another type than it accepts.",
    "QueryParameterNotSupported": "The query parameter %1 is not supported.",
    "ResourceAlreadyExists": "The requested resource %1 exists already.",
    "ResourceInUse": "The state of the resource %1 does not allow the change.",
    "ResourceMissingAtURI": "The resource at the URI %1 was not found.",
    "ServiceTemporarilyUnavailable": "The service is temporarily unavailable; retry in %1 seconds.",
    "SessionLimitExceeded": "The session limit is exceeded; close a session and try again.",
    "Success": "The request completed successfully.",
}


class Problem(Exception):  # noqa: N818 -- an answer, not a failure of ours
    """A request is refused.

    Args:
        status: HTTP's.
        key: the message's key in the registry.
        arguments: for its %1, %2 …
        headers: more header fields of the reply.
    """

    def __init__(
        self,
        status: HTTPStatus,
        key: str,
        *arguments: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._message = message(key, *arguments)
        super().__init__(f"{status.value} {key}: {self._message['Message']}")
        self.status = status
        self.headers = dict(headers or {})

    @property
    def body(self) -> dict[str, Any]:
        """The error response of DSP0266, "Error responses"."""
        return {
            "error": {
                "code": self._message["MessageId"],
                "message": self._message["Message"],
                "@Message.ExtendedInfo": [self._message],
            }
        }


def message(key: str, *arguments: str) -> dict[str, Any]:
    """One Message object; ``key`` is of the Base registry where it names no other."""
    text = _TEXTS[key]
    for index, argument in enumerate(arguments, 1):
        text = text.replace(f"%{index}", argument)
    severity = "OK" if key == "Success" else "Warning"
    return {
        "@odata.type": "#Message.v1_1_4.Message",
        "MessageId": key if "." in key else f"{_REGISTRY}.{key}",
        "Message": text,
        "MessageArgs": list(arguments),
        "Severity": severity,
        "MessageSeverity": severity,
        "Resolution": "None.",
    }


def bad(key: str, *arguments: str) -> Problem:
    """A refusal with 400, the usual one."""
    return Problem(HTTPStatus.BAD_REQUEST, key, *arguments)
