"""Serve the sandbox until it is interrupted: `python -m attribution_elt.sandbox`."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from ast import literal_eval
from datetime import date

from attribution_elt.sandbox import Sandbox


def main() -> None:
    """Print each vendor's base URL and credentials, then serve."""
    arguments = parse_arguments()
    sandbox = Sandbox(arguments.seed, arguments.today, arguments.port)
    sandbox.withdraw_daily(arguments.withdrawals)
    for setting in arguments.set:
        apply_setting(sandbox, setting)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with sandbox:
            for vendor in sandbox.vendors.values():
                credentials = [f"{name}={value}" for name, value in vendor.credentials.items()]
                sys.stdout.write(" ".join((vendor.name, vendor.url, *credentials)) + "\n")
            sys.stdout.flush()
            threading.Event().wait()
    except KeyboardInterrupt:
        pass
    except OSError as error:
        sys.exit(f"cannot serve on port {arguments.port}: {error.strerror}")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        "python -m attribution_elt.sandbox", description="Serve the vendors on localhost."
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the generated data")
    parser.add_argument(
        "--today", type=date.fromisoformat, help="first day of the sandbox (default: today in UTC)"
    )
    parser.add_argument("--port", type=int, default=0, help="port (default: any free port)")
    parser.add_argument(
        "--withdrawals",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of the records that every vendor withdraws each day (default: 0)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="VENDOR.SETTING=VALUE",
        help="set an attribute of a vendor, e.g. ecdp.orders_per_day=100 or ecdp.latency=0.05",
    )
    return parser.parse_args()


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
