"""The version of this program: pyproject.toml has it from here.

Asking the installed distribution would load a parser of e-mail, and have it read the README: 8 ms.
"""

VERSION = "0.1.0"
