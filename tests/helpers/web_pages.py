"""All pages of the web page, and a stub world in which each has something to show."""

from __future__ import annotations

from studio_stub import Studio, source
from web_stub import World

PAGES = {
    "products": ".product-card",
    "product/bolts/photos": ".photo img[src]",
    "product/bolts/training": ".choice",
    "product/bolts/result": "table",
    "product/bolts/versions": ".version",
    "product/bolts/line": ".badge.large",
    "inspect": ".zone",
    "live": ".live-picture .heat",
    "history": "tbody tr",
    "feedback": ".contours path",
    "threshold": ".histogram",
    "drift": "figure svg",
    "region": ".paper",
    "inspection/7": ".contours path",
}
"""By address: what is there once a page is complete."""


def full_world() -> World:
    """A studio with a product of two versions, and inspections of every kind."""
    world = World()
    world.studio = studio = Studio(names=["bolts"], active=1, shadow=2, sources=[source()])
    for number in range(4):
        studio.photo(f"{number}.png", "good" if number else "defect")
    studio.version()
    studio.version("update", worse=True)
    studio.send_to({"target": {"kind": "webhook"}, "results": "all"})
    region = {
        "box": [60, 20, 40, 40],
        "area_px": 180,
        "extent_px": 21.5,
        "p_value": 0.01,
        "words": ["darker"],
    }
    for one in (world.inspections[6], world.inspections[-1]):
        one |= {"regions": [region], "notice": "the map's peak is higher than any good image's"}
    world.inspections[-2] |= {"is_inspectable": False, "not_inspectable": "far darker", "in_words": None}
    return world
