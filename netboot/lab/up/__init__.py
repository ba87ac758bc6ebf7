"""A virtual lab that stays: networks, machines with real firmware, and a BMC for each of them.

A lab file (``file``) becomes namespaces, QEMU machines (``qemu``, ``node``) and virtual BMCs
(``lab``), kept by one process of its own (``process``); ``state`` is what the commands ``up``,
``status`` and ``down`` know of it.
"""
