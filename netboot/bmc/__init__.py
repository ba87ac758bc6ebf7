"""The hands on a machine: its BMC told what to do, and watched until it has done it.

In go an address, a login and what is wanted (``model``); out come readings of the machine and a
record of what was tried. ``plan`` decides what to do next and touches nothing; a ``Driver``
(``redfish``, ``ipmi``, ``wol``, ``manual``) does it; ``closed_loop`` joins the two. How vendors
differ is data (``quirks.toml``).
"""
