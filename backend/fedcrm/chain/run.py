"""The whole chain: from empty local orgs to scores on records, one organisation at a time and all of them together.

Each organisation goes through its steps by itself, those of one `localorg` process one after the other; what one of
them cannot do puts it aside, with the reason, and the others go on. Everything may be killed and begun again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from fedcrm.chain.certificates import Authority
from fedcrm.chain.joining import Joining, wrong_mapping_file
from fedcrm.chain.live import LiveScore, Person, live_scores, log_in
from fedcrm.chain.local_orgs import OrgFacts, fill, start_orgs, stop_orgs
from fedcrm.chain.page import show_page, stop_page
from fedcrm.chain.places import ORGS, SERVERS, TASKS, Organisation, Places, organisations
from fedcrm.chain.services import ServiceProcess
from fedcrm.chain.source_format import repository
from fedcrm.chain.state import ChainState
from fedcrm.chain.table import write_table
from fedcrm.chain.walk import Show, Walk
from fedcrm.errors import FedCRMError, MappingError, NightFailed, SettingsError, StorageError
from fedcrm.evaluation.locking import only_one
from fedcrm.evaluation.progress import Progress
from fedcrm.evaluation.results import DemoResults
from fedcrm.nodes import (
    FederationOptions,
    FederationResult,
    Night,
    Nightly,
    OrganisationNode,
    Outcome,
    State,
    run_federation,
)
from fedcrm.salesforce import Orgs, Purpose, Secret

__all__ = ["Chain", "ChainOptions", "ChainReport", "Show", "page_of", "run_chain", "stop_chain"]


@dataclass(frozen=True)
class ChainOptions:
    """What a chain was asked for.

    orgs:    how many organisations, 3 to 9, largest first.
    rows:    accounts of each org, at most; None: all.
    epsilon: of each training, and each privacy unit's budget. budgets: of an organisation by name, where it differs.
    fast:    fewer rounds for every task; the tasks beside the first have few in any case.
    """

    out: Path
    orgs: int = ORGS
    tasks: tuple[str, ...] = TASKS
    rows: int | None = None
    epsilon: float = 8.0
    budgets: Mapping[str, float] = field(default_factory=dict)
    seed: int = 1
    fast: bool = False

    def fixed(self) -> dict[str, object]:
        """What must be the same when the chain goes on."""
        return {
            "orgs": self.orgs,
            "tasks": list(self.tasks),
            "rows": self.rows,
            "epsilon": self.epsilon,
            "budgets": dict(self.budgets),
            "seed": self.seed,
            "fast": self.fast,
        }


@dataclass(frozen=True)
class ChainReport:
    """How a chain ended.

    out:     organisations that are put aside: the step and the reason, by name.
    results: of the first task, as `fedcrm demo` shows them; None where its training did not come to an end.
    outcomes: of every task's training, by task.
    live:    scores that came by themselves, in `where`'s org; person: who made those records.
    """

    places: Places
    options: ChainOptions
    out: Mapping[str, tuple[str, str]]
    results: DemoResults | None
    outcomes: Mapping[str, tuple[Outcome, ...]]
    failed: Mapping[str, str]
    live: tuple[LiveScore, ...]
    where: Organisation | None
    person: Person | None
    org: OrgFacts | None
    clock: Mapping[str, Mapping[str, float]]


def run_chain(
    options: ChainOptions,
    *,
    keep: bool = False,
    show: Show | None = None,
    noise: Callable[[str], Callable[[int], bytes]] = lambda _organisation: os.urandom,
) -> ChainReport:
    """Run, or go on with, a chain.

    keep:  leave orgs and services running behind it.
    noise: by organisation, where its privacy noise comes from.

    Raises SettingsError on options that cannot be, before anything is made; FedCRMError where nobody could go on.
    """
    _check(options)
    places = Places(options.out.absolute())
    if places.out.exists() and not places.state.exists() and any(places.out.iterdir()):
        raise SettingsError(f"{options.out} exists and holds no chain; give another --out")
    try:
        places.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{places.out}: {error.strerror}") from error
    state = ChainState.open(places.state, options.fixed())
    with only_one(places.out / ".lock", places.out):
        for name in state.out():
            state.take_in(name)  # whoever was out may have come back
        write_table(places.table)
        try:
            return Chain(options, state, show or Show(), noise).go(keep=keep)
        finally:
            if not keep:
                _stop(places)


def page_of(report: ChainReport) -> str:
    """Serve the record page of the org with live scores; its address. Raises SettingsError where that cannot be."""
    if report.org is None or report.person is None:
        raise SettingsError("no organisation came as far as a score on a record: there is no page to show")
    return show_page(report.places, repository(), report.org, report.person.token)


def stop_chain(out: Path) -> None:
    """End every process of a chain; what they keep stays. Raises SettingsError where there is none."""
    places = Places(out.absolute())
    if not places.state.exists():
        raise SettingsError(f"{out} holds no chain")
    _stop(places)


def _stop(places: Places) -> None:
    """End services, page and orgs."""
    stop_page(places)
    authority = Authority(places.authority)
    for one in organisations(ORGS):
        directory = places.node(one) / "service"
        if directory.exists():
            ServiceProcess(directory, authority, one.alias).stop()
    stop_orgs(places)


class Chain:
    """One chain at work in its directory; its orgs run from here on."""

    def __init__(
        self, options: ChainOptions, state: ChainState, show: Show, noise: Callable[[str], Callable[[int], bytes]]
    ) -> None:
        self.options, self.state, self.show, self._noise = options, state, show, noise
        self.places = Places(options.out.absolute())
        self.organisations = organisations(options.orgs)
        self.walk = Walk(self.organisations, state, show)
        authority = Authority.open(self.places.authority)
        self.joining = Joining(
            self.places,
            repository(),
            authority,
            self._start_orgs(authority),
            options.tasks,
            {"": options.epsilon, **options.budgets},
        )

    def go(self, *, keep: bool) -> ChainReport:
        """Everything, from where it stands. keep: every organisation's service runs at the end."""
        self.join()
        self.walk.each("extraction", self._extract)
        results: DemoResults | None = None
        outcomes: dict[str, tuple[Outcome, ...]] = {}
        failed: dict[str, str] = {}
        for task in self.options.tasks:
            try:
                found = self.train(task)
            except FedCRMError as error:
                failed[task] = " ".join(str(error).split())
                self.state.step_done(f"training {task}", {"failed": failed[task]})
                self.show.say(f"{task}: not trained: {failed[task]}")
            else:
                outcomes[task] = found.outcomes
                self._score_anew(task, found.outcomes)
                results = results or found.results
        self.walk.each("scores", self._score)
        live, where, person = self._live(outcomes)
        for one in self.walk.present() if keep else ():
            try:
                self.joining.service(one).start()
            except FedCRMError as reason:
                self.walk.put_aside(one, "service", reason)
        self.state.step_done("took", self.walk.clock.steps)
        return ChainReport(
            self.places,
            self.options,
            self.state.out(),
            results,
            outcomes,
            failed,
            live,
            where,
            person,
            None if where is None else self.joining.facts(where),
            self.walk.clock.steps,
        )

    # --- each organisation by itself --------------------------------------------------------------

    def join(self) -> None:
        """Every organisation from an empty org to a node that could extract."""
        if not Orgs.exists(self.places.administrators):
            Orgs.create(self.places.administrators)
        self.walk.each("records", self._fill)
        self.walk.each("package", self.joining.install)
        self.walk.each("users", self.joining.admit)
        self.walk.each("node", self.joining.make_node)
        self._show_a_refusal()
        self.walk.each("mapping", self.joining.apply_mapping)
        self.walk.each("check", self.joining.check)
        self.walk.each("service", self.joining.pair_service)

    def _fill(self, one: Organisation) -> Mapping[str, object]:
        planted = fill(self.places, one.server, [one], self.options.rows, self.options.seed)[one.alias]
        return {"records": planted["records"], "language": planted["language"]}

    def _show_a_refusal(self) -> None:
        """Once, to be seen: a mapping that names a deleted field is refused before anything is deployed."""
        if self.state.step("refused mapping") is not None or not self.walk.present():
            return
        one = self.walk.present()[0]
        try:
            self.joining.apply(one, wrong_mapping_file())
        except MappingError as refused:
            self.state.step_done("refused mapping", {"organisation": one.name, "problems": list(refused.problems)})
            self.show.say(f"a wrong mapping of {one.name} is refused: {refused.problems[0]}; on with the right one")
        except FedCRMError as reason:
            self.walk.put_aside(one, "mapping", reason)

    # --- the federation ---------------------------------------------------------------------------

    def train(self, task: str) -> FederationResult:
        """`fedcrm federation run` over everybody's nodes. Raises FedCRMError where it comes to no end."""
        first = task == self.options.tasks[0]
        out = self.places.federation(task)
        options = FederationOptions(
            tuple(self.places.node(one) for one in self.organisations),
            task,
            out,
            epsilon=self.options.epsilon,
            seed=self.options.seed,
            fast=self.options.fast or not first,
            compare=first,
        )
        with self.walk.clock.measure(f"training {task}"):
            result = run_federation(
                options, resume=(out / "federation.json").exists(), progress=_Named(self.show, task), noise=self._noise
            )
        for outcome in result.outcomes:
            if outcome.state is not State.IN:
                self.show.say(f"{task}: {outcome.organisation} is {outcome.state} ({outcome.when}): {outcome.why}")
        self.state.step_done(
            f"training {task}",
            {
                "rounds": len(result.rounds),
                "model": result.model_digest,
                "signal": "real" if task == "churn" else "synthetic",
                "organisations": {
                    one.organisation: {
                        "state": str(one.state),
                        "when": one.when,
                        "why": one.why,
                        "version": one.version,
                    }
                    for one in result.outcomes
                },
            },
        )
        return result

    def _score_anew(self, task: str, outcomes: Sequence[Outcome]) -> None:
        """Whoever serves another model than the one its scores are by has its records scored again."""
        for outcome in outcomes:
            scored = (self.state.facts(outcome.organisation, "scores") or {}).get(task, {})
            if outcome.version is not None and scored.get("version") != outcome.version:
                self.state.forget(outcome.organisation, "scores")

    # --- an organisation's night ------------------------------------------------------------------

    def _extract(self, one: Organisation) -> Mapping[str, object]:
        """`fedcrm node run`: the training data sets."""
        night = self._night(one, Purpose.TRAINING)
        return {
            task: {"rows": job.data.rows, "features": job.data.features}
            if (job := night.job(task, Purpose.TRAINING)).data is not None
            else {"problem": "" if job.failure is None else job.failure.line}
            for task in self.options.tasks
        }

    def _score(self, one: Organisation) -> Mapping[str, object]:
        """`fedcrm node run` once more, now that models serve: scores in the org."""
        night = self._night(one, Purpose.SCORING)
        return {
            task: {"scored": job.scores.scored, "version": job.scores.version, "origin": job.scores.origin}
            if (job := night.job(task, Purpose.SCORING)).scores is not None
            else {"problem": job.left_out or ("" if job.failure is None else job.failure.line)}
            for task in self.options.tasks
        }

    def _night(self, one: Organisation, purpose: Purpose) -> Night:
        """The nightly work. Raises NightFailed where it failed at what the chain is about, for this purpose."""
        node = OrganisationNode.open(self.places.node(one))
        try:
            night = Nightly(node, lambda _: None, self.options.tasks).run()
        finally:
            node.close()
        failure = night.job(self.options.tasks[0], purpose).failure
        if failure is not None:
            raise NightFailed(one.name, failure.line)
        return night

    # --- a working day ----------------------------------------------------------------------------

    def _live(
        self, outcomes: Mapping[str, Sequence[Outcome]]
    ) -> tuple[tuple[LiveScore, ...], Organisation | None, Person | None]:
        """Records of the first organisation with models; whoever fails is put aside, the next one asked."""
        for one in self.walk.present():
            tasks = tuple(t for t in outcomes if any(o.organisation == one.name and o.version for o in outcomes[t]))
            if not tasks:
                continue
            try:
                with self.walk.clock.measure("live"):
                    self.joining.service(one).start()
                    person = self.person(one)
                    watcher = self.joining.client_of_administrator(one)
                    return live_scores(person, watcher, tasks, say=self.show.say), one, person
            except FedCRMError as reason:
                self.walk.put_aside(one, "live", reason)
        return (), None, None

    def person(self, one: Organisation) -> Person:
        """A representative's session. The password is new each time and kept nowhere."""
        facts = self.state.facts(one.name, "users") or {}
        password = self.joining.administrator(one).give_password(str(facts["person"]))
        return log_in(self.joining.facts(one), str(facts["person_name"]), Secret(password))

    # --- the orgs' processes ----------------------------------------------------------------------

    def _start_orgs(self, authority: Authority) -> dict[int, dict[str, OrgFacts]]:
        """Both processes, on the ports they had before. The orgs of one that does not start are put aside."""
        found: dict[int, dict[str, OrgFacts]] = {}
        ports = {int(server): int(port) for server, port in (self.state.step("orgs") or {}).get("ports", {}).items()}
        with self.walk.clock.measure("orgs"):
            for server in range(1, SERVERS + 1):
                try:
                    found[server] = start_orgs(self.places, server, authority.certificate, ports.get(server))
                except FedCRMError as reason:
                    for one in self.organisations:
                        if one.server == server:
                            self.walk.put_aside(one, "orgs", reason)
                else:
                    ports[server] = urlsplit(next(iter(found[server].values())).instance_url).port or 443
        self.state.step_done("orgs", {"ports": {str(server): port for server, port in ports.items()}})
        return found


class _Named(Progress):
    """Steps of a training under its task's name."""

    def __init__(self, show: Progress, task: str) -> None:
        self._show, self._task = show, task

    def begin(self, step: str, total: int) -> None:
        """Pass it on."""
        self._show.begin(f"{self._task}: {step}", total)

    def advance(self, step: str, done: int, total: int) -> None:
        """Pass it on."""
        self._show.advance(f"{self._task}: {step}", done, total)


def _check(options: ChainOptions) -> None:
    if not 3 <= options.orgs <= ORGS:
        raise SettingsError(f"--orgs {options.orgs}: a federation has at least 3 organisations, the table has {ORGS}")
    strange = [task for task in options.tasks if task not in TASKS]
    if strange or not options.tasks:
        raise SettingsError(f"--tasks: {', '.join(strange) or 'none'}; known are {', '.join(TASKS)}")
