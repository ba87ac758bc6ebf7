"""A group of commands that knows what else people call them."""

import difflib

import click

_ELSEWHERE = {
    # what the field's other tools call it -> what we call it, whichever this group has
    "ls": ("list",),
    "rm": ("remove", "down"),
    "del": ("remove",),
    "delete": ("remove",),
    "create": ("add", "set", "up"),
    "new": ("add", "set"),
    "update": ("set",),
    "edit": ("set",),
    "get": ("show", "list"),
    "describe": ("show",),
    "info": ("show",),
    "start": ("serve", "up"),
    "run": ("serve",),
    "status": ("doctor",),
    "check": ("doctor", "verify"),
    "logs": ("timeline",),
    "log": ("timeline",),
    "events": ("timeline",),
    "pull": ("fetch",),
    "download": ("fetch",),
}


class Commands(click.Group):
    """A group whose error for a command it does not have names the one that was meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's.

        Raises:
            UsageError: there is no such command; the text says which is like it.
        """
        if args and not ctx.resilient_parsing and self.get_command(ctx, args[0]) is None:
            ctx.fail(f"No such command '{args[0]}'.{self._meant(ctx, args[0])}")
        return super().resolve_command(ctx, args)

    def _meant(self, ctx: click.Context, name: str) -> str:
        names = self.list_commands(ctx)
        elsewhere = [other for other in _ELSEWHERE.get(name, ()) if other in names]
        near = elsewhere[:1] or difflib.get_close_matches(name, names, 1)
        return "".join(f" Did you mean '{one}'?" for one in near)
