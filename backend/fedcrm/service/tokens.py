"""Tokens that an org signs: RS256 or RS512, short, for this service, each usable once where it carries an id.

The claims: `iss` = `org_id` = the organisation, `aud` = this service, `exp` at most two minutes ahead, `scope` =
predict (where it says nothing) or admin, `sub` = the user, `jti` = an id that is refused the second time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import jwt

from fedcrm.service.tenants import Caller, Scope, Tenants

__all__ = ["ALGORITHMS", "TokenReader"]

ALGORITHMS = ("RS256", "RS512")
_MOST_TOKEN = 8_192


class TokenReader:
    """Says who signed a token, or nothing. Why one is refused goes to the log, never to the caller."""

    def __init__(
        self,
        tenants: Tenants,
        *,
        audience: str,
        seconds: int,
        skew: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._tenants, self._audience, self._seconds, self._skew = tenants, audience, seconds, skew
        self._clock = clock

    def caller_of(self, token: str) -> tuple[Caller | None, str]:
        """Who calls and "", or None and why not."""
        if len(token) > _MOST_TOKEN:
            return None, "too long"
        try:
            header = jwt.get_unverified_header(token)
            # Read before it is verified, only to know whose keys to verify it with.
            claimed = jwt.decode(token, options={"verify_signature": False})
        except jwt.PyJWTError:
            return None, "not a token"
        if header.get("alg") not in ALGORITHMS:
            return None, "algorithm"
        org_id = claimed.get("iss")
        if not isinstance(org_id, str) or not org_id:
            return None, "no issuer"
        for signer in self._tenants.signers(org_id):
            try:
                claims = jwt.decode(
                    token,
                    signer.public_key,
                    algorithms=list(ALGORITHMS),
                    audience=self._audience,
                    issuer=org_id,
                    options={
                        "require": ["exp", "iss", "aud"],
                        # Times are checked below, by this reader's own clock.
                        "verify_exp": False,
                        "verify_nbf": False,
                        "verify_iat": False,
                    },
                )
            except jwt.InvalidSignatureError:
                continue
            except jwt.PyJWTError as wrong:
                return None, type(wrong).__name__
            return self._checked(claims, org_id)
        return None, "signature"

    def _checked(self, claims: Mapping[str, Any], org_id: str) -> tuple[Caller | None, str]:
        now = self._clock()
        times: dict[str, float] = {}
        for name in ("exp", "nbf", "iat"):
            if name in claims:
                value = claims[name]
                if isinstance(value, bool) or not isinstance(value, int | float):
                    return None, "times"
                times[name] = float(value)
        expires = times["exp"]
        if expires <= now - self._skew:
            return None, "expired"
        if expires > now + self._seconds + self._skew:
            return None, "too long valid"
        if any(times.get(name, now) > now + self._skew for name in ("nbf", "iat")):
            return None, "not valid yet"
        if claims.get("org_id") != org_id:
            return None, "another organisation"
        try:
            scope = Scope(claims.get("scope", Scope.PREDICT))
        except ValueError:
            return None, "scope"
        user, token_id = claims.get("sub", ""), claims.get("jti")
        if not isinstance(user, str) or not (token_id is None or isinstance(token_id, str)):
            return None, "claims"
        if token_id is not None and not self._tenants.spend_token(org_id, token_id, expires + self._skew):
            return None, "used before"
        return Caller(org_id, scope, user[:255]), ""
