"""Price book entries and line items: what they take over from the product, and what a sum of them makes.

An opportunity with products has the sum of their total prices as its amount.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from localorg.records.prepare import Row
from localorg.records.session import Session, chunks

__all__ = ["LINE_ITEMS", "PRICED", "renew_sums", "take_over"]

LINE_ITEMS: Mapping[str, tuple[str, str]] = {
    "OpportunityLineItem": ("Opportunity", "OpportunityId"),
    "QuoteLineItem": ("Quote", "QuoteId"),
    "OrderItem": ("Order", "OrderId"),
}
PRICED = frozenset({*LINE_ITEMS, "PricebookEntry"})

_OPPORTUNITY = """
UPDATE Opportunity SET (Amount, HasOpportunityLineItem) = (
  SELECT coalesce(sum(i.TotalPrice), Opportunity.Amount), count(*) > 0
  FROM OpportunityLineItem i WHERE i.OpportunityId = Opportunity.Id AND i.IsDeleted = 0)
WHERE Id IN (SELECT value FROM json_each(?))
"""
_EXPECTED = """
UPDATE Opportunity SET ExpectedRevenue = Amount * Probability / 100 WHERE Id IN (SELECT value FROM json_each(?))
"""
_QUOTE = """
UPDATE Quote SET (Subtotal, TotalPrice, LineItemCount) = (
  SELECT sum(i.Subtotal), sum(i.TotalPrice), count(*)
  FROM QuoteLineItem i WHERE i.QuoteId = Quote.Id AND i.IsDeleted = 0)
WHERE Id IN (SELECT value FROM json_each(?))
"""
_GRAND = """
UPDATE Quote SET
  GrandTotal = coalesce(TotalPrice, 0) + coalesce(Tax, 0) + coalesce(ShippingHandling, 0),
  Discount = CASE WHEN Subtotal > 0 THEN round((1 - TotalPrice / Subtotal) * 100, 2) END
WHERE Id IN (SELECT value FROM json_each(?))
"""
_ORDER = """
UPDATE "Order" SET TotalAmount = (
  SELECT sum(i.TotalPrice) FROM OrderItem i WHERE i.OrderId = "Order".Id AND i.IsDeleted = 0)
WHERE Id IN (SELECT value FROM json_each(?))
"""
_SUMS: Mapping[str, tuple[str, ...]] = {
    "OpportunityLineItem": (_OPPORTUNITY, _EXPECTED),
    "QuoteLineItem": (_QUOTE, _GRAND),
    "OrderItem": (_ORDER,),
}
_PRODUCTS = "SELECT Id, Name, ProductCode FROM Product2 WHERE Id IN (SELECT value FROM json_each(?))"
_DEALS = "SELECT Id, Name FROM Opportunity WHERE Id IN (SELECT value FROM json_each(?))"
_ENTRIES = """
SELECT Id, Product2Id, UnitPrice, ProductCode, Name FROM PricebookEntry WHERE Id IN (SELECT value FROM json_each(?))
"""


def take_over(session: Session, name: str, rows: Sequence[Row]) -> None:
    """Fill in what a new row takes from its price book entry, or an entry from its product."""
    good = [row for row in rows if not row.errors]
    if name == "PricebookEntry":
        products = _read(session, _PRODUCTS, (row.values.get("Product2Id") for row in good))
        for row in good:
            title, code = products.get(str(row.values.get("Product2Id")), (None, None))
            row.values.update(Name=title, ProductCode=code)
        return
    entries = _read(
        session,
        _ENTRIES,
        (row.values.get("PricebookEntryId") for row in good),
    )
    parents = _read(session, _DEALS, (row.values.get("OpportunityId") for row in good))
    for row in good:
        product, price, code, title = entries.get(str(row.values.get("PricebookEntryId")), (None, None, None, None))
        if product is None:
            continue
        row.values.update(Product2Id=product, ListPrice=price)
        if row.values.get("UnitPrice") is None:
            row.values["UnitPrice"] = price
        if name == "OpportunityLineItem":
            (deal,) = parents.get(str(row.values.get("OpportunityId")), ("",))
            row.values.update(ProductCode=code, Name=f"{deal} {title}")


def _read(session: Session, select: str, ids: Iterable[Any]) -> dict[str, tuple[Any, ...]]:
    wanted = sorted({str(item) for item in ids if item})
    found: dict[str, tuple[Any, ...]] = {}
    for part in chunks(wanted):
        rows = session.connection.execute(select, (json.dumps(part),))
        found.update({row[0]: row[1:] for row in rows})
    return found


def renew_sums(session: Session, name: str, items: Iterable[Mapping[str, Any]]) -> None:
    """Add up anew the line items of every record these hang on."""
    _, column = LINE_ITEMS[name]
    parents = sorted({str(item[column]) for item in items if item.get(column)})
    for part in chunks(parents):
        for statement in _SUMS[name]:
            session.connection.execute(statement, (json.dumps(part),))
