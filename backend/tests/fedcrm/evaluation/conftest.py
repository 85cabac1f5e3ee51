"""Settings for the tests of this package."""

from hypothesis import settings

settings.register_profile("fedcrm", deadline=None)  # a busy machine is not a failure
settings.load_profile("fedcrm")
