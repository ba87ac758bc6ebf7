"""The dashboard: plain HTML, CSS and ES modules, served as they stand in ``static/``.

What a browser may load, and how it is told to, is ``files``; everything the pages show comes from
the API by ``static/api.js``.
"""

from netboot.control.dashboard.files import add_dashboard

__all__ = ["add_dashboard"]
