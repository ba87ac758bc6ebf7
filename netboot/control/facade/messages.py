"""How the facade says no: extended information by the Base message registry (DSP0266, DSP0268)."""

from http import HTTPStatus
from typing import Any

_REGISTRY = "Base.1.19"
_TEXTS = {
    "AccessDenied": "The login did not succeed, or no login was sent.",
    "ActionParameterMissing": "The action %1 requires the parameter %2 to be present.",
    "ActionParameterNotSupported": "The parameter %1 for the action %2 is not supported.",
    "ActionParameterValueNotInList": "The value %1 for the parameter %2 is not one it can have.",
    "GeneralError": "%1",
    "MalformedJSON": "The request body is not a JSON object.",
    "NoOperation": "The request body has nothing to act upon.",
    "OperationNotAllowed": "The HTTP method is not allowed on this resource.",
    "PreconditionFailed": "The ETag supplied did not match the current one.",
    "PropertyMissing": "The property %1 is required and must be included in the request.",
    "PropertyNotWritable": "The property %1 is read-only and cannot be given a value.",
    "PropertyUnknown": "The property %1 is not one of the resource's properties.",
    "PropertyValueNotInList": "The value %1 for the property %2 is not one it can have.",
    "PropertyValueTypeError": "The value for the property %1 is of another type than it accepts.",
    "QueryParameterNotSupported": "The query parameter %1 is not supported.",
    "ResourceMissingAtURI": "The resource at the URI %1 was not found.",
    "SessionLimitExceeded": "The session limit is exceeded; close a session and try again.",
}


class Problem(Exception):  # noqa: N818 -- an answer, not a failure of ours
    """A request is refused.

    Args:
        status: HTTP's.
        key: the message's key in the registry.
        arguments: for its %1 and %2.
        headers: more header fields of the reply.

    Attributes:
        body: the error response of DSP0266, "Error responses".
    """

    def __init__(
        self, status: HTTPStatus, key: str, *arguments: str, headers: dict[str, str] | None = None
    ) -> None:
        text = _TEXTS[key]
        for index, argument in enumerate(arguments, 1):
            text = text.replace(f"%{index}", argument)
        super().__init__(text)
        self.status = status
        self.headers = headers or {}
        message = {
            "@odata.type": "#Message.v1_1_4.Message",
            "MessageId": f"{_REGISTRY}.{key}",
            "Message": text,
            "MessageArgs": list(arguments),
            "MessageSeverity": "Warning",
            "Resolution": "None.",
        }
        self.body: dict[str, Any] = {
            "error": {
                "code": message["MessageId"],
                "message": text,
                "@Message.ExtendedInfo": [message],
            }
        }


def bad(key: str, *arguments: str) -> Problem:
    """A refusal with 400, the usual one."""
    return Problem(HTTPStatus.BAD_REQUEST, key, *arguments)
