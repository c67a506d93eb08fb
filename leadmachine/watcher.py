"""Ends the supervisor's programs when the supervisor is gone. Run as a script; imports next to nothing.

Reads standard input, a pipe that only the supervisor writes to: `+PID` for a process group to end one day,
`-PID` for one that is over. The end of the pipe means that the supervisor left or was killed.
"""

import os
import shutil
import signal
import sys
import time

GRACE = 5.0


def main() -> None:
    scratch = sys.argv[1]
    # The end of the pipe is the only reason to go.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    end(listen())
    shutil.rmtree(scratch, ignore_errors=True)


def listen() -> set[int]:
    """The groups that are still there when the supervisor goes."""
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    return groups


def end(groups: set[int]) -> None:
    """Asks the leaders, which see to their own children; then ends whatever is left in their groups."""
    for group in groups:
        send(os.kill, group, signal.SIGTERM)
    until = time.monotonic() + GRACE
    while time.monotonic() < until and any(send(os.kill, group, 0) for group in groups):
        time.sleep(0.05)
    for group in groups:
        send(os.killpg, group, signal.SIGKILL)


def send(how, to: int, number: int) -> bool:  # type: ignore[no-untyped-def]
    """Whether there was someone to send it to."""
    try:
        how(to, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    main()
