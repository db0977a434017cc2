"""Sources, event types and time zones of generated timelines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Source:
    """The source of a visit."""

    traffic_type: int
    traffic_type_name: str
    medium_id: int
    medium_name: str
    source_id: int
    source_name: str
    referrer: str | None = None
    link: tuple[int, str | None] | None = None  # id and name
    campaign: tuple[int, str] | None = None

    def attributed(self) -> dict[str, Any]:
        """Return the source's properties in an attribution; a name appears only with its id."""
        link_id, link_name = self.link or (None, None)
        campaign_id, campaign_name = self.campaign or (None, None)
        return {
            "link_id": link_id,
            "campaign_id": campaign_id,
            "source_id": self.source_id,
            "medium_id": self.medium_id,
            "medium_name": self.medium_name,
            "source_name": self.source_name,
            **({"link_name": link_name} if self.link else {}),
            **({"campaign_name": campaign_name} if self.campaign else {}),
            "traffic_type": self.traffic_type,
            "traffic_type_name": self.traffic_type_name,
        }


REFERRAL = (2, "Referral", 1066, "Referral")
PAID = (1, "Paid", 1063, "Paid")
SOURCES = (
    Source(*REFERRAL, 3247, "bechtelar.io", "http://bechtelar.io", link=(18, None)),
    Source(*REFERRAL, 3251, "blog.example.com", "https://blog.example.com/", link=(19, "Spring")),
    Source(*PAID, 3374, "adnetwork", "http://lebsack.info", campaign=(8, "myCampaign")),
    Source(*PAID, 3380, "search ads", campaign=(9, "Żółty: wiosna & lato")),
    Source(*PAID, 3381, "letter", link=(20, "Footer"), campaign=(10, "May 50%")),
    Source(3, "Organic", 1064, "Organic", 3260, "search", "https://search.example.com/?q=%C3%A9"),
    Source(4, "Direct", 1060, "Direct", 3200, "direct"),
)

PURCHASE = "PurchaseEventType"
EVENT_TYPES = ((35, PURCHASE), (35, PURCHASE), (36, "Sign up"), (41, "trial_24h"))

ZONES = (ZoneInfo("America/New_York"), ZoneInfo("Europe/Warsaw"), ZoneInfo("Asia/Kolkata"), UTC)
ADDRESSES = ("192.0.2.17", "198.51.100.250", "203.0.113.9", "2001:db8::7")
AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15",
    None,
)
METAS: tuple[dict[str, Any] | None, ...] = (
    None,
    {},
    {"first_name": "Zoë", "last_name": None},
    {"plan": {"name": "pro", "seats": 3}, "tags": ["vip", 7, None], "accepted": True},
    {"UTM Source": "letter", "score": 1.5, "big": 2**63 + 1},
)
