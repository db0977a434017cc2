"""Dagster definitions for a cluster, in which each task is a pod."""

from __future__ import annotations

import dagster
from dagster_k8s import k8s_job_executor

from attribution_elt.orchestration.definitions import of_this_project


@dagster.definitions
def definitions() -> dagster.Definitions:
    """Return the definitions for a cluster."""
    return of_this_project(k8s_job_executor)
