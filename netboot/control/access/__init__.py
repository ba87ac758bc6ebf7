"""Who may use the control plane, and what is written down of what they do.

Every request comes through a ``guard``: a ``doors`` says who asks (a user of this host on
``control.sock``, a token on TCP), the route says which role it needs (``roles``), and a write is in
the audit log before it is tried. ``hosts`` and ``attempts`` keep out a page of another site and
somebody who tries out tokens; ``certificate`` has TLS where the network can listen. ``api`` is
tokens, audit log and browser logins over HTTP, ``inventory`` the same for commands, ``audited``
what they write without a server.
"""
