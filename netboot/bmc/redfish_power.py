"""Power of a Redfish system by the ResetTypes it has (DSP0268, ComputerSystem.Reset)."""

from netboot.bmc.model import PowerAction, PowerState
from netboot.bmc.redfish_boot import part
from netboot.bmc.redfish_http import Connection, Reply
from netboot.bmc.redfish_words import Json
from netboot.errors import BmcError

RESET = "#ComputerSystem.Reset"
_VALUES = "ResetType@Redfish.AllowableValues"

_TYPES = {
    PowerAction.ON: ("On", "ForceOn", "PushPowerButton"),
    PowerAction.OFF: ("ForceOff",),
    PowerAction.SHUTDOWN: ("GracefulShutdown", "PushPowerButton"),
    PowerAction.CYCLE: ("PowerCycle",),
    PowerAction.RESET: ("ForceRestart", "PowerCycle"),
}
"""By preference; PushPowerButton is right only because the power state is read before."""
_STATES = {"On": PowerState.ON, "Off": PowerState.OFF}
_ALREADY = {
    PowerAction.ON: PowerState.ON,
    PowerAction.OFF: PowerState.OFF,
    PowerAction.SHUTDOWN: PowerState.OFF,
}
_RESTARTS = frozenset({PowerAction.CYCLE, PowerAction.RESET})


def state(system: Json) -> PowerState:
    """Its power; UNKNOWN while it is on its way from one to the other."""
    return _STATES.get(str(system.get("PowerState")), PowerState.UNKNOWN)


def change(connection: Connection, path: str, action: PowerAction) -> str | None:
    """Do ``action``, reading the power first; a machine that is as wanted is left alone.

    Args:
        connection: to the BMC.
        path: of the system.
        action: a cycle or reset of a machine that is off switches it on.

    Returns:
        the requests that were made, None for none.

    Raises:
        BmcError: refused; or not answered, and then perhaps done.
    """
    system = connection.get(path).said
    now = state(system)
    if _ALREADY.get(action) is now:
        return None
    if action in _RESTARTS and now is PowerState.OFF:
        action = PowerAction.ON
    target, values = _reset_action(connection, system)
    kind = next((one for one in _TYPES[action] if not values or one in values), None)
    if kind is not None:
        return _post(connection, target, kind).request
    if action is not PowerAction.CYCLE:
        raise BmcError(f"the BMC cannot {action}; it has {', '.join(values)}")
    off = _post(connection, target, "ForceOff")
    _await_off(connection, path, off)
    return f"{off.request}; {_post(connection, target, 'On').request}"


def _post(connection: Connection, target: str, kind: str) -> Reply:
    return connection.send("POST", target, {"ResetType": kind}, repeat=False)


def _await_off(connection: Connection, path: str, off: Reply) -> None:
    timing = connection.timing
    deadline = timing.clock() + timing.settle
    while state(connection.get(path).said) is not PowerState.OFF:
        if timing.clock() >= deadline:
            problem = f"{off.request}: not off after {timing.settle:.0f} s"
            raise BmcError(problem, retryable=True, effect_unknown=True, request=off.request)
        timing.sleep(timing.pause)


def _reset_action(connection: Connection, system: Json) -> tuple[str, tuple[str, ...]]:
    """Where to POST, and the ResetTypes there are; none where the BMC does not say."""
    action = part(part(system, "Actions"), RESET)
    target = action.get("target")
    if not isinstance(target, str):
        raise BmcError("the BMC has no Reset action for this system")
    values = action.get(_VALUES)
    info = action.get("@Redfish.ActionInfo")
    if values is None and isinstance(info, str):
        parameters = connection.find(info).get("Parameters")
        named = [one for one in parameters or () if isinstance(one, dict)]
        values = next(
            (one.get("AllowableValues") for one in named if one.get("Name") == "ResetType"), None
        )
    return target, tuple(str(value) for value in values) if isinstance(values, list) else ()
