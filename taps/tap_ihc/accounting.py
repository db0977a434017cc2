"""Writes credits, refusals and missing responses for the sessions that were sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from attribution_elt.core.dates import now_text
from attribution_elt.core.text import counted
from attribution_elt.kit.errors import UnitError
from attribution_elt.kit.http.response import JsonResponse
from attribution_elt.kit.records.shaper import timestamp
from attribution_elt.kit.run import Run
from attribution_elt.kit.stream import VendorStream
from tap_ihc.journeys import Session, Summary, moment_of

Key = tuple[str, str]
"""A conversion and a session."""
ROUNDING = Decimal("0.00005")
"""The largest error of a credit, which the vendor rounds to four decimals."""


@dataclass(slots=True)
class Account:
    """The outcome of a request, by conversion.

    Attributes:
        settled: journeys of which every session has credits or a refusal.
        refused: journeys that the vendor refused.
    """

    settled: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)


class Accounting:
    """Writes the records of responses and refusals.

    Args:
        run: the run.
        streams: its selected streams, by name.
        parameters: hash of everything that credits depend on, except the sessions.
    """

    def __init__(self, run: Run[Any], streams: Mapping[str, VendorStream], parameters: str) -> None:
        self._run = run
        self._streams = streams
        self._parameters = parameters
        self._type: str = run.config["conv_type_id"]

    def account(
        self,
        about: str,
        sent: Mapping[str, list[Session]],
        journeys: Mapping[str, Summary],
        body: JsonResponse,
    ) -> Account:
        """Write a record for each session that was sent."""
        missing = {
            (conversion, session["session_id"]): session
            for conversion, sessions in sent.items()
            for session in sessions
        }
        computed_at = now_text()
        shares: dict[str, list[Any]] = {}
        for credit in map(_object, body.rows("value")):
            key = (str(credit.get("conversion_id")), str(credit.get("session_id")))
            session = missing.pop(key, None)
            if session is None:
                self._run.warn_once("IHC returned credits of sessions that were not sent")
            else:
                self._credit(journeys[key[0]], session, credit, computed_at)
                shares.setdefault(key[0], []).append(credit.get("ihc"))
        self._compare_sums(about, sent, shares)
        refused = self._write_refusals(body, missing, journeys)
        lost = [key for key in missing if key[0] not in refused]
        for conversion, session_id in lost:
            reason = "no result: IHC returned neither credits nor a reason"
            self.fail(journeys[conversion], session_id, reason)
        if lost:
            reason = f"IHC, {about}: sessions without a result: {len(lost)}"
            self._run.failures.append(UnitError(reason))
        return Account(sent.keys() - {conversion for conversion, _ in lost}, refused)

    def _credit(
        self, journey: Summary, session: Session, credit: dict[str, Any], computed_at: str
    ) -> None:
        if "attributions" in self._streams:
            moment = moment_of(session["timestamp"])
            self._streams["attributions"].emit(
                credit,
                conv_type_id=self._type,
                conversion_timestamp=journey.converted,
                timestamp=timestamp(moment.isoformat()),
                channel_label=session["channel_label"],
                computed_at=computed_at,
                parameters=self._parameters,
            )

    def _compare_sums(
        self, about: str, sent: Mapping[str, list[Session]], shares: Mapping[str, list[Any]]
    ) -> None:
        """Warn of journeys with credits for all sessions that do not add up to 1.

        The warning does not name the conversion, whose id may be a customer's.
        """
        for conversion, found in shares.items():
            numbers = [Decimal(each) for each in found if isinstance(each, (int, Decimal))]
            if len(numbers) == len(sent[conversion]):
                total = sum(numbers, Decimal(0))
                if abs(total - 1) > len(numbers) * ROUNDING:
                    unit = f"a journey of {counted(len(numbers), 'session')} among {about}"
                    difference = f"ihc adds up to {total:f}, not to 1"
                    self._run.totals.differ("attributions", unit, difference)

    def _write_refusals(
        self, body: JsonResponse, missing: Mapping[Key, Session], journeys: Mapping[str, Summary]
    ) -> set[str]:
        """Write the vendor's reasons, and return the conversions that they are about.

        A reason that names a session concerns its whole journey: the other sessions of the journey
        get a record too, if they have no credits.
        """
        named: set[Key] = set()
        refused: set[str] = set()
        errors = body.document.get("partialFailureErrors") or []
        for error in map(_object, errors if isinstance(errors, list) else [errors]):
            trigger = _object(error.get("trigger"))
            conversion, session = (trigger.get(name) for name in ("conversion_id", "session_id"))
            found = _journeys_of(conversion, session, missing)
            if not found:
                self._run.warn_once("IHC reports failures without naming a journey that was sent")
            for each in found:
                reason, status = str(error.get("reason")), error.get("statusCode")
                self.fail(journeys[each], session or "", reason, status)
                named.add((each, str(session or "")))
            refused |= found
        for conversion, session in missing:
            covered = {(conversion, session), (conversion, "")} & named
            if conversion in refused and not covered:
                self.fail(journeys[conversion], session, "IHC refused another session of it")
        return refused

    def fail(
        self, journey: Summary, session_id: str, reason: str, status: int | None = None
    ) -> None:
        """Write a record of a journey, or of one of its sessions, that has no credits."""
        if "failures" in self._streams:
            self._streams["failures"].emit(
                {"reason": reason, "status_code": status},
                conv_type_id=self._type,
                conversion_id=journey.conversion_id,
                session_id=session_id,
                conversion_timestamp=journey.converted or None,
            )


def _journeys_of(conversion: Any, session: Any, missing: Mapping[Key, Session]) -> set[str]:
    """Return the conversions that the trigger of a failure names.

    It may name a conversion, a session, or both. Journeys may share a session id: then it means
    those without credits.
    """
    return {
        key[0]
        for key in missing
        if conversion in (None, key[0]) and (conversion or session == key[1])
    }


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
