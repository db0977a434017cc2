"""CPU and memory of reading product feeds: tap-adtraction compared with a conventional tap.

    python benchmarks/feeds.py [--sizes 20000 200000] [--rounds 3]

The taps read the same feeds from the sandbox in turn. Printed are, by feed size, the medians of CPU
seconds per million products, peak memory and the ratio of the two taps in the same round. The last
lines leave start-up out: what a product more costs, between the smallest and the largest feed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from loaders.contenders import compile_own
from loaders.measure import measure
from vendors.serving import PROJECT, serve

HERE = Path(__file__).parent
CHANNEL = 114000001
TAPS = {
    "tap-adtraction": [str(Path(sys.executable).parent / "tap-adtraction")],
    "conventional": [sys.executable, str(HERE / "conventional_tap.py"), "adtraction"],
}


def main() -> None:
    """Measure, and print a line for each tap and size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    compile_own()
    totals: dict[str, dict[int, float]] = {name: {} for name in TAPS}
    print(f"{'products':>9}  {'tap':<15} {'CPU s / M':>10} {'peak MB':>8} {'ratio':>6}")
    for size in arguments.sizes:
        cpu: dict[str, list[float]] = {name: [] for name in TAPS}
        peak: dict[str, list[float]] = {name: [] for name in TAPS}
        settings = {"feed_sizes": (size,), "programs_per_market": 1, "markets": ("SE",)}
        served = serve("adtraction", [f"--set=adtraction.{n}={v!r}" for n, v in settings.items()])
        with served as vendor, tempfile.TemporaryDirectory() as folder:
            config = {
                "api_url": vendor.url,
                "partner_token": vendor.credentials["partner_token"],
                "markets": ["SE"],
                "channel_ids": [CHANNEL],
            }
            options = options_of(config, Path(folder))
            for _ in range(arguments.rounds):
                for name, command in TAPS.items():
                    cost = measure([*command, *options[name]])
                    if cost.failure:
                        sys.exit(f"{name} failed: {cost.failure}")
                    cpu[name].append(cost.cpu / size * 1e6)
                    peak[name].append(cost.megabytes)
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


def options_of(config: dict[str, Any], folder: Path) -> dict[str, list[str]]:
    """Write the configuration that the taps need for a feed; return the options of each."""
    (folder / "config.json").write_text(json.dumps(config))
    schema = json.loads((PROJECT / "schemas/adtraction/products.json").read_text())
    stream = {
        "tap_stream_id": "products",
        "stream": "products",
        "schema": schema,
        "key_properties": ["channel_id", "program_id", "feed_id", "product_key"],
        "metadata": [{"breadcrumb": [], "metadata": {"selected": True}}],
    }
    (folder / "catalog.json").write_text(json.dumps({"streams": [stream]}))
    options = ["--config", str(folder / "config.json")]
    return {
        "tap-adtraction": [*options, "--catalog", str(folder / "catalog.json")],
        "conventional": options,
    }


if __name__ == "__main__":
    main()
