"""tap-ihc: settings and streams."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterable, Mapping
from math import ceil

from singer_sdk import typing as th
from singer_sdk.schema.source import SchemaDirectory
from typing_extensions import override

from attribution_elt.kit import settings
from attribution_elt.kit.row_source import RowSource
from attribution_elt.kit.stream import declared_in
from attribution_elt.kit.tap import VendorTap
from tap_ihc import readers
from tap_ihc.client import ACCOUNT, IhcClient
from tap_ihc.journeys import MOST_SESSIONS

JOURNEYS = RowSource("journeys", "journeys")
PHASE = th.ObjectType(
    th.Property(
        "direction",
        th.StringType(
            allowed_values=["earlier_sessions_only", "later_sessions_only", "any_session"]
        ),
        required=True,
        description="sessions that may receive credit",
    ),
    th.Property(
        "receive_threshold",
        th.NumberType(minimum=0, maximum=1),
        required=True,
        description="share of the phase's credit that a session needs to receive more",
    ),
    th.Property(
        "redistribution_channel_labels",
        th.ArrayType(th.StringType),
        required=True,
        description="channels whose credit goes to the others",
    ),
    additional_properties=False,
)


class TapIhc(VendorTap[IhcClient]):
    """Sends customer journeys to the IHC model of Haensel AMS and brings the credits back."""

    name = "tap-ihc"
    credentials = ("api_key",)
    backfill_refusal = "the setting journeys_query or journeys_file decides which journeys are sent"
    stream_types = declared_in(readers)
    schemas = SchemaDirectory(importlib.resources.files("schemas.ihc"))
    config_jsonschema = th.PropertiesList(
        th.Property(
            "api_key",
            th.StringType(min_length=1),
            required=True,
            secret=True,
            title="API key",
            description="API key of the service",
        ),
        th.Property(
            "conv_type_id",
            th.StringType(min_length=1),
            required=True,
            title="Conversion type",
            description="Conversion type that the model was trained for",
        ),
        *JOURNEYS.properties(
            file="`.csv`, `.jsonl`, `.json` or `.parquet` of sessions, with the columns "
            "`conversion_id`, `session_id`, `timestamp`, `channel_label`, `holder_engagement`, "
            "`closer_engagement`, `conversion` and optionally `impression_interaction`; has "
            "precedence over `journeys_url`",
            url="SQLAlchemy URL of a database with the sessions",
            query="SELECT with those columns; `:since` in it is bound to the bookmark",
        ),
        th.Property(
            "redistribution_parameter",
            th.ObjectType(
                th.Property("initializer", PHASE),
                th.Property("holder", PHASE),
                th.Property("closer", PHASE),
                additional_properties=False,
            ),
            title="Redistribution",
            description="For each phase (`initializer`, `holder`, `closer`): `direction`, "
            "`receive_threshold` and `redistribution_channel_labels`, as the vendor's document "
            "explains them",
        ),
        th.Property(
            "max_journeys_per_request",
            th.IntegerType(minimum=1, maximum=100),
            default=100,
            title="Journeys per request",
            description="Maximum number of journeys in one request",
        ),
        th.Property(
            "max_sessions_per_request",
            th.IntegerType(minimum=1, maximum=MOST_SESSIONS),
            default=MOST_SESSIONS,
            title="Sessions per request",
            description="Maximum number of sessions in one request; free plans allow 200",
        ),
        th.Property(
            "max_requests_per_run",
            th.IntegerType(minimum=1),
            title="Requests per run",
            description="Maximum number of requests in a run; the next run resumes",
        ),
        th.Property(
            "bisect_refused_requests",
            th.BooleanType,
            default=True,
            title="Halve refused requests",
            description="Split a refused request in halves to find the journey at fault; if false, "
            "all of its journeys go to `failures`",
        ),
        *settings.common("https://api.ihc-attribution.com/v1"),
    ).to_dict()

    @override
    def make_clients(self) -> dict[str, IhcClient]:
        return {ACCOUNT: IhcClient(self.config)}

    @property
    @override
    def listing_streams(self) -> list[str]:
        return ["attributions"]

    @override
    def count_requests(self, rows: Mapping[str, int] | None = None) -> int:
        """Return the least number of requests for the sessions that were computed."""
        sessions = (rows or {}).get("attributions", 0)
        return max(1, ceil(sessions / int(self.config["max_sessions_per_request"])))

    @override
    def setting_errors(self) -> Iterable[str]:
        yield from super().setting_errors()
        parameter = self.config.get("redistribution_parameter")
        for phase, given in parameter.items() if isinstance(parameter, dict) else ():
            name = f"redistribution_parameter.{phase}"
            if given is None:
                yield f"setting {name!r}: None must be of type object"
            elif isinstance(given, dict) and str(given.get("receive_threshold")).lower() == "nan":
                yield f"setting '{name}.receive_threshold': NaN must be from 0 to 1"
        if not self.config.get("journeys_file") and not self.config.get("journeys_url"):
            yield "setting 'journeys_file' or 'journeys_url' is missing: the source of the journeys"
        yield from JOURNEYS.setting_errors(self.config)
