"""Runs taps like `attribution_elt.kit.testing.process`, and fails if an output has a secret."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attribution_elt.kit.tap import VendorTap
from attribution_elt.kit.testing import process
from attribution_elt.kit.testing.process import (
    Output,
    Row,
    Rows,
    command,
    environment,
    lists_in,
    merged,
    selected,
)
from tests import leaks

__all__ = [
    "Output",
    "Row",
    "Rows",
    "command",
    "environment",
    "killed",
    "lists_in",
    "merged",
    "run",
    "run_here",
    "selected",
]


def run(folder: Path, name: str, *arguments: str, **given: Any) -> Output:
    """Run a console script until it ends."""
    output = process.run(folder, name, *arguments, **given)
    leaks.guard(output.stdout, output.stderr, settings=given)
    return output


def killed(folder: Path, name: str, after: Callable[[bytes], bool], **given: Any) -> Output:
    """Run a console script and kill it after the first line for which `after` is true."""
    output = process.killed(folder, name, after, **given)
    leaks.guard(output.stdout, settings=given)
    return output


def run_here(tap_type: Callable[..., VendorTap], config: Mapping[str, Any], **given: Any) -> Output:
    """Run a tap in this process."""
    output = process.run_here(tap_type, config, **given)
    leaks.guard(output.stdout, settings=config)
    return output
