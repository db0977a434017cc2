"""A failed `meltano run` with the project's logging.yaml: short, with the cause at the end."""

from __future__ import annotations

import shutil
from pathlib import Path

from attribution_elt.sandbox import Sandbox
from tests.pipeline.meltano import PROJECT, environment, meltano, project, settings


def test_a_refused_connection_is_in_the_last_lines_of_a_short_output(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    folder = project(tmp_path / "project")
    shutil.copy(PROJECT / "logging.yaml", folder)
    ecdp = {"tap-ecdp": settings(sandbox)["tap-ecdp"]}
    url = "postgresql://nobody@127.0.0.1:1/nowhere"
    env = environment(ecdp, TARGET_WAREHOUSE_URL=url)
    done = meltano(folder, "run", "tap-ecdp", "target-warehouse", env=env, check=False)
    lines = done.stderr.splitlines()
    assert done.returncode == 1
    assert "Connection refused" in "\n".join(lines[-5:])
    assert len(lines) < 15, done.stderr
    assert "Traceback" not in done.stderr
