"""Machines that other programs' files name: text → ``Machine`` and what was not understood.

Each format is one module with one function, ``read(sources, files) → Reading``; nothing here
writes anything. ``formats`` knows them all and tells one from another by what is in a file,
``nodes`` makes nodes of what was found.
"""
