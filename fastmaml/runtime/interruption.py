"""Ctrl-C while code is compiled or loaded: heard at once, or, where it would be lost, at the end.

LLVM calls back into Python with each piece of machine code, and Python cannot raise through such a call, nor
through a ``__del__``: it prints the exception and drops it. So a Ctrl-C in there waits.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

# Functions of llvmlite that nothing can be raised through.
DEAF = {"_raw_object_cache_notify", "_raw_object_cache_getbuffer", "__del__"}


@contextlib.contextmanager
def interrupts_heard() -> Iterator[None]:
    """Let no Ctrl-C inside be lost. Without effect outside the main thread, which alone hears it."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    waiting = False

    def hear(number: int, frame: Any) -> None:
        nonlocal waiting
        inside = frame
        while inside is not None:
            if inside.f_code.co_name in DEAF:
                waiting = True
                return
            inside = inside.f_back
        handler(number, frame)

    signal.signal(signal.SIGINT, hear)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if waiting:
            handler(signal.SIGINT, None)
