"""Serve the sandbox: `python -m attribution_elt.sandbox`, or `scripts/sandbox`."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
import threading
import time
from ast import literal_eval
from datetime import date
from pathlib import Path

from attribution_elt.sandbox import Sandbox, environment
from attribution_elt.sandbox.vendor import Vendor


def main() -> None:
    """Print each vendor's base URL and credentials, or write them to a file, then serve."""
    arguments = parse_arguments()
    if arguments.env:
        continue_in_background(arguments.env)
    sandbox = Sandbox(arguments.seed, arguments.today, arguments.port)
    for path in arguments.vendor:
        sandbox.add(vendor_class(path))
    for setting in arguments.set:
        apply_setting(sandbox, setting)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with sandbox:
            if arguments.env:
                environment.write(sandbox, arguments.env)
                close_standard_streams()
            else:
                print_credentials(sandbox)
            threading.Event().wait()
    except KeyboardInterrupt:
        pass
    except OSError as error:
        sys.exit(f"cannot serve on port {arguments.port}: {error.strerror}")


def print_credentials(sandbox: Sandbox) -> None:
    """Print a line for each vendor."""
    for vendor in sandbox.vendors.values():
        credentials = [f"{name}={value}" for name, value in vendor.credentials.items()]
        sys.stdout.write(" ".join((vendor.name, vendor.url, *credentials)) + "\n")
    sys.stdout.flush()


def continue_in_background(path: Path) -> None:
    """Return in a child process; in this one, wait until the child has written the file, and exit.

    The child starts a new session, so that it outlives the terminal.
    """
    path.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        os.setsid()
        return
    while not path.exists():
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            sys.exit(os.waitstatus_to_exitcode(status))
        time.sleep(0.05)
    sys.stdout.write(
        f"The sandbox is running (process {child}); {path} has settings for every tap:\n"
        f"  set -a; source {path}; set +a\n"
        f"  kill $SANDBOX_PID  # to stop it\n"
    )
    sys.stdout.flush()
    os._exit(0)


def close_standard_streams() -> None:
    """Close the standard streams, so that the terminal or a reading pipe is released."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        "python -m attribution_elt.sandbox", description="Serve the vendors on localhost."
    )
    parser.add_argument(
        "--env",
        type=Path,
        metavar="FILE",
        help="serve in the background, and write settings for every tap to this file",
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the generated data")
    parser.add_argument(
        "--today", type=date.fromisoformat, help="first day of the sandbox (default: today in UTC)"
    )
    parser.add_argument("--port", type=int, default=0, help="port (default: any free port)")
    parser.add_argument(
        "--vendor",
        action="append",
        default=[],
        metavar="MODULE:CLASS",
        help="serve another vendor as well, e.g. tests.taps.test_tap_acme:Acme",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="VENDOR.SETTING=VALUE",
        help="set an attribute of a vendor, e.g. ecdp.latency=0.05 or ecdp.withdrawals.share=0.01",
    )
    return parser.parse_args()


def vendor_class(path: str) -> type[Vendor]:
    """Import a class of a simulated vendor; exit with a message if it does not exist."""
    module, _, name = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError as error:
        sys.exit(f"--vendor {path}: {error}")
    if not (isinstance(found, type) and issubclass(found, Vendor)):
        sys.exit(f"--vendor {path}: expected MODULE:CLASS with a subclass of Vendor")
    return found


def apply_setting(sandbox: Sandbox, setting: str) -> None:
    """Apply one `vendor.setting=value`; exit with a message if the setting does not exist."""
    path, _, value = setting.partition("=")
    *owners, name = path.split(".")
    target: object = sandbox
    try:
        for owner in owners:
            target = getattr(target, owner)
        current = getattr(target, name)
        changed = value if isinstance(current, str) else literal_eval(value)
        setattr(target, name, changed if current is None else type(current)(changed))
    except (AttributeError, SyntaxError, TypeError, ValueError):
        sys.exit(f"--set {setting}: expected vendor.setting=value with an existing setting")


if __name__ == "__main__":
    main()
