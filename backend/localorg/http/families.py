"""Every API family's routes in one table; the first pattern that fits wins."""

from __future__ import annotations

from localorg.http import (
    apex,
    apps,
    bulk1,
    bulk2_ingest,
    bulk2_query,
    clock,
    composite,
    credentials,
    devhub,
    faults,
    metadata_rest,
    metadata_soap,
    oauth,
    packages,
    partner_soap,
    query,
    rest,
    seeding,
    tooling,
)
from localorg.http.calls import Route

__all__ = ["ROUTES"]

ROUTES: tuple[Route, ...] = (
    *oauth.ROUTES,
    *devhub.ROUTES,
    *rest.ROUTES,
    *query.ROUTES,
    *composite.ROUTES,
    *bulk2_query.ROUTES,
    *bulk2_ingest.ROUTES,
    *bulk1.ROUTES,
    *apex.ROUTES,
    *tooling.ROUTES,
    *partner_soap.ROUTES,
    *metadata_rest.ROUTES,
    *metadata_soap.ROUTES,
    *credentials.ROUTES,
    *packages.ROUTES,
    *seeding.ROUTES,
    *apps.ROUTES,
    *faults.ROUTES,
    *clock.ROUTES,
)
