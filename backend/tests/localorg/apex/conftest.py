import pytest

from localorg.apex.engine import Engine

VERSION = 67.0


@pytest.fixture
def deploy():
    """Store classes in an org as a deployment would, without compiling them."""

    def store(org, **bodies):
        with org.transaction(org.admin_context().as_platform()) as transaction:
            for name, body in bodies.items():
                row = {"Name": name, "Body": body, "ApiVersion": VERSION, "Status": "Active", "IsValid": True}
                [saved] = transaction.insert("ApexClass", [row])
                assert saved.success, saved.errors

    return store


@pytest.fixture
def engine(org):
    return Engine(org)


@pytest.fixture
def run(org, engine):
    """Run a block as the administrator; what it debugged, or the exception it ended in."""

    def execute(text, *, context=None):
        outcome = engine.execute_anonymous(context or org.admin_context(), text)
        assert outcome.problem is None, outcome.problem
        if outcome.exception is not None:
            return outcome.exception
        return [line.text for line in outcome.debug]

    return execute
