"""Generated products, locations, audiences and sales of a website."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from attribution_elt.sandbox.rhythm import Rhythm

CARS = (  # make, model, trim
    ("Honda", "HR-V", "LX"),
    ("Honda", "Accord", "EX-L"),
    ("Kia", "Rio5", None),
    ("Mercedes-Benz", "C-Class", "C 300 4MATIC®"),
    ("Citroën", "C3", "Édition spéciale"),
    ("Škoda", "Fabia", None),
    ("Ford", "F-150", "Lariat 6'6\" bed"),
)
CONDITIONS = ("NEW", "USED", "CERTIFIED")
COLOURS = ("PLATINUM", "RED", "BLEU NUIT NACRÉ", None)
CITIES = (  # city, state, zip, latitude, longitude
    ("Cary", "nc", "27513", "35.788", "-78.781"),
    ("Cambridge", "ma", "02139", "42.365", "-71.104"),
    ("Newark", "nj", "07102", "40.735", "-74.172"),
    ("San Juan", "pr", "00901", "18.466", "-66.106"),
    ("Cañon City", "co", "81212", "38.441", "-105.242"),
)
STREETS = ("Daylin Dr", "Example Ave", "Elm St Apt #4", "Calle de la Luna", "1/2 Mile Rd")
FIRST_NAMES = ("ARYA", "JON", "ZOË", "MARÍA JOSÉ", "SINÉAD")
LAST_NAMES = ("SNOW", "O'HARA", "SMITH-JONES", "NÚÑEZ", "VAN DER BERG")
SCORE_OF_HALF_A_STAR = 12


def product(rng: random.Random, number: int, host: str, visits: Rhythm, today: date) -> Any:
    """Return a product; `updated_at` is the day of the latest visit."""
    make, model, trim = rng.choice(CARS)
    condition, year = rng.choice(CONDITIONS), str(rng.randint(2015, 2026))
    stock = f"NM{700000 + number}"
    name = " ".join(filter(None, (condition.title(), year, make, model, trim)))
    slug = f"{condition}-{year}-{stock}".lower()
    return {
        "url": f"<https://www.{host}/inventory/{slug}/>",
        "title": f"{name} #{stock}",
        "item_condition": condition,
        "color": rng.choice(COLOURS),
        "created_at": f"{visits.first - timedelta(1)}{_time(rng)}",
        "updated_at": f"{visits.last(today)}{_time(rng)}",
        "year": year,
        "make": make,
        "model": model,
        "trim": trim,
        "stock": stock,
        "vin": rng.choice((None, f"3CZRU5H3X{stock}")),
        # photographed some visits later
        "feature_image_url": (
            f"<https://images.{host}/{stock}.png>"
            if visits.count(today) > rng.randrange(4)
            else None
        ),
    }


def location(rng: random.Random, number: int) -> dict[str, Any]:
    """Return a location."""
    city, state, zip_code, latitude, longitude = rng.choice(CITIES)
    return {
        "id": number,
        "latitude": Decimal(latitude) + Decimal(rng.randrange(1000)).scaleb(-6),
        "longitude": Decimal(longitude) + Decimal(rng.randrange(1000)).scaleb(-6),
        "street": f"{rng.randint(1, 4000)} {rng.choice(STREETS)}",
        "city": city,
        "state": state,
        "zip": zip_code,
        "resident": rng.choice((None, f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}")),
    }


def visits_paid(rng: random.Random, visits: Rhythm, today: date, host: str) -> dict[str, Any]:
    """Return a location's visits; the document does not show the entries of `pages`."""
    count = visits.count(today)
    time = _time(rng)  # the same at every visit
    score = count * rng.randint(2, 16)
    topic = rng.choice(CONDITIONS)
    make, model, _ = rng.choice(CARS)
    return {
        "summary": {
            "visit_last": f"{visits.day(count - 1)}{time}",
            "visit_first": f"{visits.first}{time}",
            "session_count": count,
            "traffic_score": score,
            "page_view_count": count * rng.randint(1, 5),
            "top_topic_segments": topic,
            "top_product_segment": rng.choice((None, f"{topic} {make} {model}".upper())),
            "traffic_score_stars": Decimal(min(10, 1 + score // SCORE_OF_HALF_A_STAR)) / 2,
        },
        "pages": [
            {
                "url": f"<https://www.{host}/inventory/?page={number}>",
                "viewed_at": f"{visits.day(number)}{time}",
                "seconds": 3 + number * 17 % 400,
                "referrer": {"host": "search.example.com"} if number % 3 == 0 else None,
            }
            for number in range(max(0, count - 3), count)
        ],
    }


def audience(rng: random.Random) -> dict[str, Any]:
    """Return an audience's properties."""
    make, model, _ = rng.choice(CARS)
    return {
        "primary_category": rng.choice(CONDITIONS),
        "brand": make.upper(),
        "model": rng.choice((None, model.upper())),
    }


def audience_group(rng: random.Random) -> dict[str, Any]:
    """Return an audience group's properties."""
    cars = rng.sample(CARS, rng.randrange(3))
    categories = rng.sample(CONDITIONS, rng.randint(1, 2))
    return {
        "label": f"{' & '.join(categories).title()} Visitors",
        "primary_categories": categories,
        "brands": [make.upper() for make, _, _ in cars],
        "models": [model.upper() for _, model, _ in cars],
    }


def sale(rng: random.Random, number: int, day: date) -> dict[str, Any]:
    """Return an uploaded sale: a third has an `id`, a third a `sale_id`, a third neither."""
    make, model, _ = rng.choice(CARS)
    sold = {
        "sold_on": day.isoformat(),
        "amount": Decimal(rng.randrange(500000, 9000000)).scaleb(-2),
        "item": {"make": make, "model": model},
        "salesperson": rng.choice((None, "Zoë", "R. O'Hara")),
    }
    return [{"id": 7000 + number, **sold}, {"sale_id": f"S-{number:05}", **sold}, sold][number % 3]


def _time(rng: random.Random) -> str:
    second, millisecond = rng.randrange(86400), rng.choice((0, rng.randrange(1000)))
    return f"T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.{millisecond:03}Z"
