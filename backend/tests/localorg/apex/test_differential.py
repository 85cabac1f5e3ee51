"""Apex beside Python's own: what both can compute has to agree."""

import base64
import datetime
import decimal
import hashlib
import hmac
import json
import re
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localorg.apex.runtime.vocabulary import VOCABULARY
from localorg.apex.types.model import OBJECT, STRING
from localorg.apex.types.platform import PLATFORM_TYPES
from localorg.apex.values import numbers
from localorg.apex.values.collections import ApexList, ApexMap

LIGHT = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
INT = st.integers(-(2**31), 2**31 - 1)
LONG = st.integers(-(2**63), 2**63 - 1)


def method(owner, name, arity, *, static=True):
    """A library function by its Apex name."""
    spec = PLATFORM_TYPES[owner.lower()]
    table = spec.statics if static else spec.methods
    found = next(each for each in table[name.lower()] if len(each.parameters) == arity)
    return VOCABULARY[found.symbol]


def signed(value, bits):
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


@LIGHT
@given(INT, INT)
def test_integers_wrap_as_twos_complement(a, b):
    assert numbers.add_i(a, b) == signed(a + b, 32)
    assert numbers.sub_i(a, b) == signed(a - b, 32)
    assert numbers.mul_i(a, b) == signed(a * b, 32)
    if b:
        assert numbers.div_i(a, b) == signed(int(decimal.Decimal(a) / decimal.Decimal(b)), 32)


@LIGHT
@given(LONG, LONG)
def test_longs_wrap_as_twos_complement(a, b):
    assert numbers.add_l(a, b) == signed(a + b, 64)
    assert numbers.mul_l(a, b) == signed(a * b, 64)


@LIGHT
@given(st.decimals(-(10**12), 10**12, places=4), st.decimals(-(10**12), 10**12, places=3))
def test_decimals_are_exact_and_keep_their_scales(a, b):
    total, product = numbers.add_d(a, b), numbers.mul_d(a, b)
    assert -total.as_tuple().exponent == 4
    assert -product.as_tuple().exponent == 7
    from fractions import Fraction

    assert Fraction(total) == Fraction(a) + Fraction(b)
    assert Fraction(product) == Fraction(a) * Fraction(b)


PLAIN = st.recursive(
    st.none() | st.booleans() | INT | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)


def as_apex(value):
    if isinstance(value, list):
        return ApexList(OBJECT, map(as_apex, value))
    if isinstance(value, dict):
        return ApexMap(STRING, OBJECT, ((key, as_apex(each)) for key, each in value.items()))
    return value


@LIGHT
@given(PLAIN)
def test_json_means_what_python_reads(value):
    text = method("JSON", "serialize", 1)(as_apex(value))
    assert json.loads(text) == value
    assert method("JSON", "deserializeUntyped", 1)(json.dumps(value)) == as_apex(value)
    assert json.loads(method("JSON", "serializePretty", 1)(as_apex(value))) == value


@LIGHT
@given(st.binary(max_size=80), st.binary(min_size=1, max_size=40))
def test_digests_and_macs_are_hashlibs(data, key):
    assert method("Crypto", "generateDigest", 2)("SHA-512", data) == hashlib.sha512(data).digest()
    assert method("Crypto", "generateMac", 3)("hmacSHA256", data, key) == hmac.new(key, data, "sha256").digest()
    encoded = method("EncodingUtil", "base64Encode", 1)(data)
    assert base64.b64decode(encoded) == data
    assert method("EncodingUtil", "base64Decode", 1)(encoded) == data


@LIGHT
@given(
    st.datetimes(datetime.datetime(1971, 1, 1), datetime.datetime(2099, 1, 1)),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]),
)
def test_formats_in_a_zone_are_zoneinfos(moment, zone):
    aware = moment.replace(microsecond=0, tzinfo=datetime.UTC)
    shown = method("Datetime", "format", 2, static=False)(aware, "yyyy-MM-dd HH:mm:ss Z", zone)
    assert shown == aware.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S %z").replace(
        f"{aware.astimezone(ZoneInfo(zone)).year} ", f"{aware.astimezone(ZoneInfo(zone)).year:04d} "
    )


@LIGHT
@given(st.dates(datetime.date(1700, 1, 1), datetime.date(3999, 1, 1)), st.integers(-400, 400))
def test_days_move_as_dates(day, count):
    moved = method("Date", "addDays", 1, static=False)(day, count)
    assert moved == day + datetime.timedelta(days=count)
    assert method("Date", "daysBetween", 1, static=False)(day, moved) == count


@LIGHT
@given(st.text(alphabet="ab,.|", max_size=12), st.sampled_from([",", "\\|", "[,.]", "a+"]))
def test_split_is_javas(text, pattern):
    parts = re.split(pattern, text)
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    assert list(method("String", "split", 1, static=False)(text, pattern)) == parts


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1.0"), (0.1, "0.1"), (1e7, "1.0E7"), (123456.789, "123456.789"), (1.5e-5, "1.5E-5"), (-2.5e20, "-2.5E20")],
)
def test_doubles_are_shown_as_java_shows_them(value, text):
    assert method("String", "valueOf", 1)(None, value) == text
