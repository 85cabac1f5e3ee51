"""Invented orgs: a few accounts' years, told event by event at the time of each, so that history is the org's own."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

STAGES = ("Prospecting", "Qualification", "Proposal/Price Quote", "Negotiation/Review", "Closed Won", "Closed Lost")
TITLES = ("CEO", "VP, Sales", "Director of Ships", "Clerk", "Chief/Operations", "vice chief", "Executive", None)
TYPES = ("Prospect", "Customer - Direct", "Channel Partner / Reseller", "Other", None)
INDUSTRIES = ("Energy", "Banking", 'Ships, "boats"\nand more', "Ökostrom ", None)
PRIORITIES = ("Low", "Medium", "High", "Critical", None)
STATUSES = ("New", "Working", "Escalated", "Closed")


class InventedOrg:
    """Makes one by a seed.

    packaged: where it is made; its clock is moved while that goes on.
    years:    from the first account until now.
    """

    def __init__(self, packaged: Any, seed: int, *, accounts: int = 8, events: int = 300, years: float = 3) -> None:
        self.packaged, self.rng = packaged, random.Random(seed)
        self.now = dt.datetime.now(dt.UTC).replace(microsecond=0)
        self.start = self.now - dt.timedelta(days=365 * years)
        self.made: dict[str, list[str]] = {name: [] for name in OBJECTS}
        clock = packaged.org.clock
        try:
            for moment in self._moments(accounts, lambda share: share * 0.8):
                clock.move_to(moment)
                self._account()
            for moment in self._moments(events, lambda share: 0.02 + share * 0.98):
                clock.move_to(moment)
                self._event(moment)
        finally:
            clock.reset()

    def _moments(self, count, place):
        span = self.now - self.start - dt.timedelta(minutes=5)
        found = sorted(self.start + place(self.rng.random()) * span for _ in range(count))
        return [moment.replace(microsecond=0) for moment in found]

    def _account(self) -> None:
        self._make(
            "Account",
            Name=f"Account {self.rng.random()}",
            Industry=self.rng.choice(INDUSTRIES),
            Type=self.rng.choice(TYPES),
            NumberOfEmployees=self.rng.choice((None, 0, 7, 120, 5_000)),
            AnnualRevenue=self.rng.choice((None, 0, 0.005, 1234.565, 9_999_999.995, 12)),
        )

    def _event(self, moment: dt.datetime) -> None:
        kinds = (self._task, self._task, self._meeting, self._contact, self._retitle, self._case, self._change_case)
        kinds += (self._opportunity, self._change_opportunity, self._change_opportunity, self._email, self._asset)
        kinds += (self._retype, self._answer, self._comment, self._role)
        self.rng.choice(kinds)(moment)

    def _task(self, moment):
        about = self._some("Account", "Opportunity", "Case")
        self._make("Task", Subject="Call", WhatId=about, ActivityDate=str(moment.date()), Status="Completed")

    def _meeting(self, moment):
        begins = moment + dt.timedelta(days=self.rng.randint(-20, 60))
        self._make(
            "Event",
            Subject="Meeting",
            WhatId=self._some("Account", "Opportunity"),
            StartDateTime=stamp(begins),
            EndDateTime=stamp(begins + dt.timedelta(hours=1)),
            DurationInMinutes=60,
        )

    def _contact(self, _):
        self._make("Contact", LastName="Somebody", Title=self.rng.choice(TITLES), AccountId=self._some("Account"))

    def _retitle(self, _):
        self._change("Contact", Title=self.rng.choice(TITLES))

    def _retype(self, _):
        self._change("Account", Type=self.rng.choice(TYPES))

    def _case(self, _):
        self._make(
            "Case",
            AccountId=self.rng.choice((None, self._some("Account"), self._some("Account"))),
            Priority=self.rng.choice(PRIORITIES),
            Status=self.rng.choice(STATUSES),
            Origin=self.rng.choice(("Web", "Phone")),
            Type=self.rng.choice(("Mechanical", None)),
        )

    def _change_case(self, _):
        change = self.rng.choice(
            (
                {"Priority": self.rng.choice(PRIORITIES)},
                {"Status": self.rng.choice(STATUSES)},
                {"IsEscalated": self.rng.random() < 0.5},
                {"Type": self.rng.choice(("Electrical", "Other", None)), "Reason": self.rng.choice(("Feedback", None))},
            )
        )
        self._change("Case", **change)

    def _opportunity(self, moment):
        self._make(
            "Opportunity",
            Name="Deal",
            AccountId=self.rng.choice((None, self._some("Account"), self._some("Account"))),
            StageName=self.rng.choice(STAGES),
            Amount=self.rng.choice((None, 10, 2500.555, 0.125)),
            CloseDate=str((moment + dt.timedelta(days=30)).date()),
            Type=self.rng.choice(("New Customer", "Existing Customer - Upgrade", None)),
        )

    def _change_opportunity(self, moment):
        change = self.rng.choice(
            (
                {"StageName": self.rng.choice(STAGES)},
                {"StageName": self.rng.choice(STAGES)},
                {"Amount": self.rng.choice((None, 99, 1e6, 3.335))},
                {"CloseDate": str((moment + dt.timedelta(days=self.rng.randint(1, 90))).date())},
            )
        )
        self._change("Opportunity", **change)

    def _email(self, moment):
        self._make(
            "EmailMessage",
            RelatedToId=self._some("Account", "Opportunity"),
            Incoming=self.rng.random() < 0.5,
            Subject="Hello",
            MessageDate=stamp(moment),
            FirstOpenedDate=self.rng.choice((None, stamp(moment + dt.timedelta(days=2)))),
        )

    def _asset(self, _):
        self._make("Asset", Name="Link", AccountId=self._some("Account"))

    def _answer(self, moment):
        campaign = self._make("Campaign", Name=f"Campaign {moment}")
        contact = self._some("Contact")
        if campaign and contact:
            responded = self.rng.random() < 0.7
            self._make(
                "CampaignMember",
                CampaignId=campaign,
                ContactId=contact,
                Status="Responded",
                FirstRespondedDate=str(moment.date()) if responded else None,
            )

    def _comment(self, _):
        if case := self._some("Case"):
            self._make("CaseComment", ParentId=case, CommentBody="Noted")

    def _role(self, _):
        opportunity, contact = self._some("Opportunity"), self._some("Contact")
        if opportunity and contact:
            self._make("OpportunityContactRole", OpportunityId=opportunity, ContactId=contact)

    def _some(self, *names: str) -> str | None:
        ids = [one for name in names for one in self.made[name]]
        return self.rng.choice(ids) if ids else None

    def _make(self, name: str, **values: object) -> str:
        [made] = self.packaged.put(name, [values])
        self.made[name].append(made)
        return made

    def _change(self, name: str, **values: object) -> None:
        if found := self._some(name):
            self.packaged.change(name, [{"Id": found, **values}])


def stamp(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000")


OBJECTS = (
    "CampaignMember",
    "Campaign",
    "CaseComment",
    "OpportunityContactRole",
    "Asset",
    "EmailMessage",
    "Event",
    "Task",
    "Case",
    "Opportunity",
    "Contact",
    "Account",
)
