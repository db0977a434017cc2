"""CPU and memory of reading product feeds: tap-adtraction beside a conventional tap.

    python benchmarks/feeds.py [--sizes 20000 200000] [--rounds 3]

The taps read the same feeds from the sandbox in turn. Printed are, by feed size, the medians of CPU
seconds per million products, peak memory and the ratio of the two taps in the same round. The last
lines leave start-up out: what a product more costs, between the smallest and the largest feed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

HERE = Path(__file__).parent
CHANNEL = 114000001
TAPS = {
    "tap-adtraction": [str(Path(sys.executable).parent / "tap-adtraction")],
    "conventional": [sys.executable, str(HERE / "conventional_tap.py")],
}


def main() -> None:
    """Measure, and print a line for each tap and size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    totals: dict[str, dict[int, float]] = {name: {} for name in TAPS}
    print(f"{'products':>9}  {'tap':<15} {'CPU s / M':>10} {'peak MB':>8} {'ratio':>6}")
    for size in arguments.sizes:
        cpu: dict[str, list[float]] = {name: [] for name in TAPS}
        peak: dict[str, list[float]] = {name: [] for name in TAPS}
        with sandbox(size) as config, tempfile.TemporaryDirectory() as folder:
            files = files_of(config, Path(folder))
            for _ in range(arguments.rounds):
                for name, command in TAPS.items():
                    seconds, megabytes = measure([*command, *files])
                    cpu[name].append(seconds / size * 1e6)
                    peak[name].append(megabytes)
        ratios = [other / ours for ours, other in zip(*cpu.values(), strict=True)]
        for name in TAPS:
            totals[name][size] = statistics.median(cpu[name]) * size / 1e6
            ratio = f"{statistics.median(ratios):.1f}" if name == "conventional" else ""
            print(
                f"{size:>9,}  {name:<15} {statistics.median(cpu[name]):>10.1f} "
                f"{statistics.median(peak[name]):>8.0f} {ratio:>6}"
            )
    small, large = min(arguments.sizes), max(arguments.sizes)
    for name, spent in totals.items() if small < large else ():
        each = (spent[large] - spent[small]) / (large - small) * 1e6
        print(f"{'one more':>9}  {name:<15} {each:>10.1f}")


@contextmanager
def sandbox(size: int) -> Iterator[dict[str, Any]]:
    """Serve a single feed of so many products from a process of its own; yield its address."""
    settings = {"feed_sizes": (size,), "programs_per_market": 1, "markets": ("SE",)}
    options = [f"--set=adtraction.{name}={value!r}" for name, value in settings.items()]
    process = subprocess.Popen(  # noqa: S603 - our own command line
        [sys.executable, "-m", "sandbox", *options],
        cwd=HERE.parent,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        for line in process.stdout or ():
            name, url, *credentials = line.split()
            if name == "adtraction":
                break
        yield {"api_url": url, **dict(pair.split("=", 1) for pair in credentials)}
    finally:
        process.terminate()
        process.wait()


def files_of(config: dict[str, Any], folder: Path) -> list[str]:
    """Write what both taps need to read that feed and nothing else; return their options."""
    program = requests.post(
        f"{config['api_url']}/partner/programs/",
        json={"market": "SE", "channelId": CHANNEL},
        headers={"X-Token": config["partner_token"]},
        timeout=60,
    ).json()
    (feed,) = [
        (each["programId"], feed["feedId"]) for each in program for feed in each.get("feeds", ())
    ]
    (folder / "config.json").write_text(
        json.dumps(
            {
                "api_url": config["api_url"],
                "partner_token": config["partner_token"],
                "markets": ["SE"],
                "channel_ids": [CHANNEL],
                "channelId": CHANNEL,
                "programId": feed[0],
                "feedId": feed[1],
            }
        )
    )
    selected = [{"breadcrumb": [], "metadata": {"selected": True}}]
    schema = json.loads((HERE.parent / "schemas/adtraction/products.json").read_text())
    keys = ["channel_id", "program_id", "feed_id", "product_key"]
    stream = {
        "tap_stream_id": "products",
        "stream": "products",
        "schema": schema,
        "key_properties": keys,
        "metadata": selected,
    }
    (folder / "catalog.json").write_text(json.dumps({"streams": [stream]}))
    return ["--config", str(folder / "config.json"), "--catalog", str(folder / "catalog.json")]


def measure(command: list[str]) -> tuple[float, float]:
    """Run a command; return its CPU seconds, user and system, and its peak memory in MB."""
    with subprocess.Popen(  # noqa: S603 - our own command line
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        errors = process.stderr.read() if process.stderr else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{errors}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
