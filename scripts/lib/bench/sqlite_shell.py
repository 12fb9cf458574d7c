"""Executes the SQL that comes by standard input in a SQLite file: `python3 sqlite_shell.py FILE`.

A process of its own, so that what SQLite keeps in memory is not the bench's: a process that is
measured begins with the peak of the one that made it."""

import sqlite3
import sys

with sqlite3.connect(sys.argv[1]) as database:
    database.executescript(sys.stdin.read())
