"""How one org would have set the same facts up: its language, its naming habits, its picklists, where things lie.

Everything follows from a seed and the org's alias, so an org seeded again is the same org.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from localorg.seed.table import Column, Table

__all__ = ["Dialect", "LocalField", "dialect_of"]

_WORDS: Mapping[str, Mapping[str, str]] = {
    "de": {
        "monthly": "monatlich", "total": "gesamt", "charges": "Kosten", "contract": "Vertrag", "payment": "Zahlung",
        "method": "Art", "phone": "Telefon", "service": "Dienst", "internet": "Internet", "online": "Online",
        "security": "Sicherheit", "backup": "Sicherung", "device": "Geraet", "protection": "Schutz", "tech": "Technik",
        "support": "Hilfe", "tenure": "Laufzeit", "gender": "Geschlecht", "partner": "Partner", "senior": "Senior",
        "citizen": "Buerger", "age": "Alter", "job": "Beruf", "marital": "Familienstand", "education": "Bildung",
        "loan": "Kredit", "housing": "Wohnen", "month": "Monat", "day": "Tag", "week": "Woche", "campaign": "Kampagne",
        "previous": "Vorher", "region": "Region", "amount": "Betrag", "size": "Groesse", "client": "Kunde",
        "revenue": "Umsatz", "employee": "Mitarbeiter", "count": "Anzahl", "deal": "Geschaeft", "category": "Kategorie",
        "competitor": "Mitbewerber", "type": "Typ", "route": "Weg", "market": "Markt", "group": "Gruppe",
        "contact": "Kontakt", "billing": "Rechnung", "origin": "Herkunft", "first": "erster", "date": "Datum",
        "yes": "Ja", "no": "Nein",
    },
    "fr": {
        "monthly": "mensuel", "total": "total", "charges": "frais", "contract": "contrat", "payment": "paiement",
        "method": "mode", "phone": "telephone", "service": "service", "security": "securite", "backup": "sauvegarde",
        "device": "appareil", "protection": "protection", "support": "assistance", "tenure": "anciennete",
        "gender": "sexe", "age": "age", "job": "metier", "education": "formation", "loan": "pret", "month": "mois",
        "day": "jour", "week": "semaine", "campaign": "campagne", "previous": "precedent", "amount": "montant",
        "size": "taille", "client": "client", "revenue": "chiffre", "employee": "salarie", "count": "nombre",
        "category": "categorie", "competitor": "concurrent", "type": "type", "market": "marche", "group": "groupe",
        "contact": "contact", "origin": "origine", "date": "date", "yes": "Oui", "no": "Non",
    },
    "pt": {
        "monthly": "mensal", "total": "total", "charges": "encargos", "contract": "contrato", "payment": "pagamento",
        "method": "metodo", "phone": "telefone", "service": "servico", "security": "seguranca", "device": "aparelho",
        "support": "suporte", "tenure": "tempo", "gender": "genero", "age": "idade", "job": "profissao",
        "education": "escolaridade", "loan": "emprestimo", "housing": "habitacao", "month": "mes", "day": "dia",
        "week": "semana", "campaign": "campanha", "previous": "anterior", "amount": "valor", "size": "tamanho",
        "client": "cliente", "revenue": "receita", "count": "contagem", "category": "categoria", "type": "tipo",
        "market": "mercado", "group": "grupo", "contact": "contato", "origin": "origem", "date": "data",
        "yes": "Sim", "no": "Nao",
    },
}  # fmt: skip
# By task; checkbox and date.
_OUTCOMES: Mapping[str, Mapping[str, Sequence[tuple[str, str]]]] = {
    "en": {
        "churn": (("Cancelled", "Cancelled_On"), ("Lost_Customer", "Lost_Date"), ("Has_Left", "Exit_Date")),
        "": (("Outcome", "Outcome_Date"), ("Decided", "Decided_On"), ("Result", "Result_Date")),
    },
    "de": {
        "churn": (("Gekuendigt", "Kuendigung_am"), ("Abgang", "Abgangsdatum")),
        "": (("Ergebnis", "Ergebnisdatum"),),
    },
    "fr": {"churn": (("Resilie", "Date_de_resiliation"), ("Parti", "Depart_le")), "": (("Issue", "Date_de_issue"),)},
    "pt": {"churn": (("Cancelado", "Cancelado_em"), ("Saiu", "Data_de_saida")), "": (("Resultado", "Resultado_em"),)},
}
_LANGUAGES = ("en", "en", "en", "de", "fr", "pt")
_PREFIXES = ("", "", "", "CRM_", "X_", "SF_", "Acct_")
_SATELLITES = ("Details", "Profile", "Contract_Data", "Extra", "Attributes")


@dataclass(frozen=True, slots=True)
class LocalField:
    """What a column became in one org.

    api_name, label: on the main object, or on the satellite where `satellite`.
    type:    Metadata API's type: Number, Checkbox, Picklist, Text.
    values:  the org's value by the table's, for choices.
    fill:    share of present values the org really has, in (0, 1].
    scale:   number by which the org's unit multiplies the table's.
    changes: the org changes it now and then, and keeps its history; the others never change.
    """

    column: Column
    api_name: str
    label: str
    type: str
    values: Mapping[str, str | bool]
    fill: float
    satellite: bool
    scale: float = 1.0
    changes: bool = False

    @property
    def decimals(self) -> int:
        """Digits after the point of a number: a larger unit needs more for the same fact."""
        return 7 if self.scale < 1 else 4


@dataclass(frozen=True, slots=True)
class Dialect:
    """One org's set-up.

    satellite:    API name of a custom object that holds some of the facts, or "".
    outcome:      checkbox: it happened.
    outcome_date: date on which it happened; empty where it did not.
    """

    language: str
    fields: tuple[LocalField, ...]
    satellite: str
    outcome: str
    outcome_date: str

    def object_of(self, field: LocalField, main: str) -> str:
        """API name of the object that has the field; main: of the table's own."""
        return self.satellite if field.satellite else main


def dialect_of(table: Table, alias: str, seed: int) -> Dialect:
    """The org's own way with this table."""
    rng = random.Random(f"{seed}/{alias}/{table.name}")  # noqa: S311 - variety, not secrecy # nosec B311
    language = rng.choice(_LANGUAGES)
    prefix, style = rng.choice(_PREFIXES), rng.randrange(3)
    satellite = f"{prefix}{table.object_name}_{rng.choice(_SATELLITES)}__c" if rng.random() < 0.6 else ""
    taken: set[str] = set()
    fields = tuple(_local(column, language, prefix, style, bool(satellite), rng, taken) for column in table.columns)
    if not any(field.satellite for field in fields):
        satellite = ""
    happened, when = rng.choice(_OUTCOMES[language].get(table.task) or _OUTCOMES[language][""])
    outcome = _unique(prefix + happened, taken) + "__c"
    outcome_date = _unique(prefix + when, taken) + "__c"
    changing = _changing(fields, rng)
    fields = tuple(replace(field, changes=field in changing) for field in fields)
    return Dialect(language, fields, satellite, outcome, outcome_date)


def _changing(fields: Sequence[LocalField], rng: random.Random) -> list[LocalField]:
    """Up to two choices and one number."""
    found: list[LocalField] = []
    for kind, most in (("Picklist", 2), ("Number", 1)):
        candidates = [field for field in fields if field.type == kind]
        found += rng.sample(candidates, min(most, len(candidates)))
    return found


def _local(
    column: Column, language: str, prefix: str, style: int, may_move: bool, rng: random.Random, taken: set[str]
) -> LocalField:
    words = [_WORDS.get(language, {}).get(word.lower(), word) for word in _split(column.name)]
    label = " ".join(word.capitalize() for word in words)[:40]
    if style == 1:
        words = words[::-1]
    if style == 2:
        words = [_short(word) for word in words]
    name = _unique(prefix + "_".join(word.capitalize() for word in words), taken) + "__c"
    fill = rng.choice((1.0, 1.0, 0.95, 0.85, 0.7))
    moved = may_move and rng.random() < 0.35
    if column.kind == "number":
        scale = (
            rng.choice((1.0, 1.0, 1.0, 12.0, 0.001)) if re.search("charge|amount|revenue", column.name, re.I) else 1.0
        )
        return LocalField(column, name, label, "Number", {}, fill, moved, scale)
    if column.kind == "text":
        return LocalField(column, name, label, "Text", {}, fill, moved)
    if {value.lower() for value in column.choices} in ({"yes", "no"}, {"0", "1"}) and rng.random() < 0.5:
        truth: dict[str, str | bool] = {value: value.lower() in ("yes", "1") for value in column.choices}
        # A checkbox has no third state: what is not known is not ticked, so nothing is left out either.
        return LocalField(column, name, label, "Checkbox", truth, 1.0, moved)
    return LocalField(column, name, label, "Picklist", _choices(column.choices, language, rng), fill, moved)


def _choices(choices: Sequence[str], language: str, rng: random.Random) -> dict[str, str | bool]:
    words = _WORDS.get(language, {})
    habit = rng.randrange(3)
    found: dict[str, str | bool] = {}
    seen: set[str] = set()
    for number, value in enumerate(choices, 1):
        shown = " ".join(words.get(part.lower(), part) for part in value.split())
        if habit == 1:
            shown = shown.upper()
        if habit == 2:
            shown = f"{number} - {shown}"
        if shown.lower() in seen:
            shown = f"{shown} ({number})"
        seen.add(shown.lower())
        found[value] = shown[:255]
    return found


def _split(name: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return [word for word in re.split(r"[^A-Za-z0-9]+", spaced) if word] or ["Field"]


def _short(word: str) -> str:
    kept = word[0] + re.sub(r"[aeiou]", "", word[1:])
    return kept[:6] if len(kept) > 2 else word


def _unique(name: str, taken: set[str]) -> str:
    clean = re.sub(r"_+", "_", name).strip("_")[:36]
    if not clean[0].isalpha():
        clean = f"F_{clean}"[:36]
    number, made = 1, clean
    while made.lower() in taken:
        number += 1
        made = f"{clean}{number}"
    taken.add(made.lower())
    return made
