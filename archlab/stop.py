"""Stop: what Ctrl-C, or a scheduler's SIGTERM, asks of a program.

Once somebody asks between two steps whether to stop, the first signal waits for that, and a second
one ends the program there and then. Before, there is nothing to save, and the first one does. A
person is told that it waits; SIGTERM comes from a program, as where Ctrl-C is handed on.

Why a thread: Python runs its handlers between two of its own instructions, and compiling a large
model is one that takes minutes. Why no exception: raised anywhere, it may be swallowed anywhere.
"""

import os
import signal
import threading
from collections.abc import Callable

STATUS: dict[int, int] = {signal.SIGINT: 130, signal.SIGTERM: 75}  # 75 is EX_TEMPFAIL: run me again
ERRORS = 2  # standard error, whatever Python has put in its place
CURSOR = "\x1b[?25h"  # which a progress line hides


class Stop:
    """Listens for signals while it is entered.

    Example:
      with Stop() as stop:
          while not stop():
              step()

    Args:
      last: gives the program's last words, if it ends there and then; "" says nothing.
    """

    def __init__(self, last: Callable[[], str] = lambda: "stopped"):
        self.last = last
        self._heard: int | None = None
        self._is_asked = self._is_ending = False

    def __enter__(self) -> "Stop":
        self._end, self._ear = os.pipe()
        os.set_blocking(self._ear, False)
        self._wake = signal.set_wakeup_fd(self._ear, warn_on_full_buffer=False)
        # What a handler does is done by the thread; without one a signal would not be heard.
        self._before = {number: signal.signal(number, lambda *_: None) for number in STATUS}
        self._ears = threading.Thread(target=self._listen, args=(self._end,), daemon=True)
        self._ears.start()
        return self

    def __exit__(self, *error) -> None:
        if self._is_ending:
            self._ears.join()  # ends the program; what broke meanwhile broke because others end too
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wake)
        os.close(self._ear)

    def __call__(self) -> bool:
        """Says whether to stop now. Who asks saves first, and asks again soon if not."""
        self._is_asked = True
        return self._heard is not None

    @property
    def status(self) -> int:
        """The exit status of a program that was asked to stop; 0 if it was not."""
        return STATUS[self._heard] if self._heard is not None else 0

    def _listen(self, end: int) -> None:
        while heard := os.read(end, 1):
            if heard[0] not in STATUS:
                continue
            self._is_ending = self._heard is not None or not self._is_asked
            self._heard = heard[0]
            if self._is_ending:
                _say(self.last())
                os._exit(self.status)
            if heard[0] == signal.SIGINT:
                _say("stops after this step; once more, and it stops at once")
        os.close(end)


def _say(text: str) -> None:
    cursor = CURSOR if os.isatty(ERRORS) else ""
    said = f"\narchlab: {text}\n" if text else ""
    os.write(ERRORS, f"{cursor}{said}".encode())
