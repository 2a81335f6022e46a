"""The native console, `emulator="native"`: C code behind the `Emulator` protocol."""

from __future__ import annotations
