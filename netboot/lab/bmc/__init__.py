"""Virtual BMCs: HTTP requests in, the power and boot order of a virtual machine out.

They share the quirk data with the client in ``netboot.bmc`` and no line of its code, so that client
and emulator cannot have one bug in common.
"""
