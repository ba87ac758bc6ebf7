"""A Redfish service for machines whose boot order nothing but our answers can change.

Requests come in over HTTPS (``app``), from users of its own (``accounts``); ``service`` says what
is at a path, ``resources`` what it looks like. What is set goes to the store and from there, with
the next snapshot, to the boot program (``fleet``); a reset goes to the node's own BMC driver.
"""
