import itertools
from datetime import UTC, datetime

import pytest

from localorg.clock import Clock
from localorg.org import Org

NUMBERS = itertools.count(1)
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.fixture
def clock():
    """Stands at noon of 2026-11-24, a Tuesday, until a test moves it."""
    return Clock(lambda: NOON)


@pytest.fixture
def org(tmp_path, clock):
    made = Org.create(tmp_path, alias="acme", number=next(NUMBERS) % 3844, clock=clock)
    yield made
    made.close()


@pytest.fixture
def admin(org):
    """A transaction of the administrator, committed when the test ends well."""
    with org.transaction(org.admin_context()) as transaction:
        yield transaction


@pytest.fixture(scope="module")
def org_of_module(tmp_path_factory):
    """One org for all tests of a module that leave it as they found it."""
    made = Org.create(tmp_path_factory.mktemp("orgs"), alias="shared", number=77, clock=Clock(lambda: NOON))
    yield made
    made.close()
