"""Products, and the check of their photos."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query

from twinspect.errors import ConfigError, NotStoredError
from twinspect.serve.api_errors import ApiError
from twinspect.serve.http.context import (
    BODY_ERRORS,
    Admin,
    Context,
    ContextDep,
    Trainer,
    Viewer,
    error_responses,
)
from twinspect.serve.http.product_presenters import present_product
from twinspect.serve.http.product_schemas import (
    CheckAnswer,
    DemoNames,
    FindingAnswer,
    ProductAnswer,
    ProductAsked,
    ProductRegionAsked,
    ProductsAnswer,
)
from twinspect.serve.http.regions import drawn_region
from twinspect.serve.products.demo_photos import NAMES, add_demo_photos
from twinspect.serve.products.photo_check import check_photos

if TYPE_CHECKING:
    from twinspect.serve.products.studio import Studio
    from twinspect.serve.store.product_records import ProductRow

ROUTER = APIRouter(prefix="/v1", tags=["products"])


def studio_of(context: Context) -> Studio:
    """Return the products of the server.

    Raises:
        ApiError: it only inspects.
    """
    if context.studio is None:
        raise ApiError(
            "not_found", "this server only inspects; to train, start it with: twinspect studio DIR"
        )
    return context.studio


def product_of(studio: Studio, name: str) -> ProductRow:
    """Return a product.

    Raises:
        ApiError: ``unknown_product``.
    """
    try:
        return studio.products.get(name)
    except NotStoredError as error:
        raise ApiError("unknown_product", str(error)) from None


@ROUTER.get("/demo-products", responses=error_responses("not_found"))
def demo_products(context: ContextDep, _: Viewer) -> DemoNames:
    """List the photographs that come with the installation, to try with."""
    studio_of(context)
    return DemoNames(names=list(NAMES))


@ROUTER.get("/products", responses=error_responses("not_found"))
def products(context: ContextDep, _: Viewer) -> ProductsAnswer:
    """List the products."""
    studio = studio_of(context)
    return ProductsAnswer(products=[present_product(studio, row) for row in studio.products.all()])


@ROUTER.post("/products", status_code=201, responses=error_responses("not_found", "conflict", *BODY_ERRORS))
def create(context: ContextDep, actor: Trainer, body: ProductAsked) -> ProductAnswer:
    """Make a product; its photos and versions follow. One of this name that was hidden comes back."""
    studio = studio_of(context)
    if body.demo is not None and body.demo not in NAMES:
        raise ApiError("invalid_request", f"no photographs {body.demo!r}; there are {', '.join(NAMES)}")
    try:
        product = studio.create(body.name, actor.name)
    except ConfigError as error:
        raise ApiError("conflict", str(error)) from None
    if body.demo is not None:
        add_demo_photos(context.store, studio.products, product, body.demo, actor.name)
    return present_product(studio, product)


@ROUTER.get("/products/{name}", responses=error_responses("unknown_product"))
def product(context: ContextDep, _: Viewer, name: str) -> ProductAnswer:
    """Return a product."""
    studio = studio_of(context)
    return present_product(studio, product_of(studio, name))


@ROUTER.delete("/products/{name}", status_code=204, responses=error_responses("unknown_product", "conflict"))
def hide(
    context: ContextDep, actor: Admin, name: str, reason: Annotated[str, Query(min_length=1, max_length=2000)]
) -> None:
    """Take a product out of the list and inspect it no more; nothing of it is deleted."""
    studio = studio_of(context)
    product_of(studio, name)
    try:
        studio.hide(name, actor.name, reason)
    except ConfigError as error:
        raise ApiError("conflict", str(error)) from None


@ROUTER.put("/products/{name}/region", responses=error_responses("unknown_product", *BODY_ERRORS))
def set_region(context: ContextDep, actor: Trainer, name: str, body: ProductRegionAsked) -> ProductAnswer:
    """Set where the next trainings look."""
    studio = studio_of(context)
    product_of(studio, name)
    return present_product(studio, studio.products.set_region(name, drawn_region(body), actor.name))


@ROUTER.get("/products/{name}/check", responses=error_responses("unknown_product"))
def check(context: ContextDep, _: Viewer, name: str) -> CheckAnswer:
    """Look for what is odd about the good photos; of many, this takes some 20 seconds."""
    studio = studio_of(context)
    photos = studio.products.photos(product_of(studio, name).id, "good")
    found = check_photos(context.store.archive, photos)
    findings = [FindingAnswer(kind=one.kind, text=one.text, photos=list(one.photos)) for one in found]
    return CheckAnswer(findings=findings, looked=len(photos))
