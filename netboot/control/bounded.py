"""So many requests at a time on one listener; whoever is one too many is asked to come back."""

from starlette.types import ASGIApp, Receive, Scope, Send

from netboot.control.exchange import problem_reply
from netboot.control.problems import problem

RETRY_AFTER = 1
"""Seconds until who is asked to come back may."""


class Bounded:
    """An application that serves at most ``most`` requests at a time.

    Args:
        app: what serves them.
        most: more are answered 503 at once, which costs nothing.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most
        self._served = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or none."""
        if self._served >= self._most:
            said = f"{self._most} requests are served already; come back later"
            answer = problem_reply(problem(503, "Too busy", said))
            answer.headers["retry-after"] = str(RETRY_AFTER)
            await answer(scope, receive, send)
            return
        self._served += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._served -= 1
