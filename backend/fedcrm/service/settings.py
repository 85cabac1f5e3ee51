"""All settings of the prediction service, read once from the environment (FEDCRM_SERVICE_...) or a file.

`docs/settings.md` is this class as a table: `fedcrm settings` prints it, and a test holds the file to it.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from fedcrm.errors import SettingsError
from fedcrm.secrets import KeyCommand, KeyFile, KeySource

__all__ = ["ServiceSettings", "read_settings", "settings_table"]


class ServiceSettings(BaseSettings):
    """Settings of one service; every one has a default that is safe on one machine."""

    model_config = SettingsConfigDict(env_prefix="FEDCRM_SERVICE_", extra="forbid", frozen=True)

    data: Path = Field(
        Path("service"), description="Directory of sealed models, and of the database where it is a file."
    )
    database: str = Field(
        "", description="URL of a PostgreSQL database; empty: `service.sqlite` in the data directory."
    )
    storage_key_file: Path | None = Field(
        None, description="File with the key that models are sealed with; none: `storage.key` in the data directory."
    )
    storage_key_command: str = Field("", description="Command that prints that key, in place of a file.")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8443, ge=0, le=65535, description="Port to listen on; 0: any free one.")
    tls_certificate: Path | None = Field(
        None, description="Certificate chain (PEM); none: a proxy in front of the service ends TLS."
    )
    tls_key: Path | None = Field(None, description="Private key of the certificate (PEM).")
    audience: str = Field("fedcrm", min_length=1, description="What a token's `aud` must name.")
    token_seconds: int = Field(120, ge=10, le=3600, description="Most seconds a token may still be valid.")
    clock_skew_seconds: int = Field(10, ge=0, le=120, description="How far the clocks of org and service may differ.")
    records_per_minute: int = Field(20_000, ge=1, description="Most records an organisation scores in a minute.")
    calls_per_minute: int = Field(3_000, ge=1, description="Most calls of an organisation in a minute.")
    failures_per_minute: int = Field(
        60, ge=1, description="Most refused credentials from one address in a minute, before it has to wait."
    )
    body_bytes: int = Field(2_000_000, ge=1_000, description="Largest body of a call.")
    pairing_minutes: int = Field(15, ge=1, le=1440, description="How long a pairing code is valid.")
    watch_seconds: float = Field(30.0, gt=0, description="How often what the watch counted is written down.")
    drift_alert: float = Field(0.25, gt=0, description="Population stability index that raises an alert.")
    share_alert: float = Field(
        0.1, gt=0, lt=1, description="Change of the share above the threshold that raises an alert."
    )
    threshold: float = Field(0.67, gt=0, lt=1, description="Probability from which a record counts as high.")
    watch_records: int = Field(200, ge=1, description="Fewest records of a model before the watch judges.")
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="Least level that is logged.")

    def key_source(self) -> KeySource:
        """Where the storage key comes from. Raises SettingsError where two places are named."""
        if self.storage_key_command and self.storage_key_file is not None:
            raise SettingsError("storage_key_file and storage_key_command: one of them, not both")
        if self.storage_key_command:
            return KeyCommand(self.storage_key_command)
        return KeyFile(self.storage_key_file or self.data / "storage.key")


def read_settings(**given: object) -> ServiceSettings:
    """From the environment; what is given goes first. Raises SettingsError, naming the setting."""
    try:
        return ServiceSettings(**given)  # type: ignore[arg-type]  # pydantic checks what it is given
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_input=False)[0]
        name = ".".join(map(str, first["loc"])) or "settings"
        raise SettingsError(f"{name}: {first['msg']}") from None


def settings_table() -> str:
    """Markdown: one line a setting."""
    lines = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for name, field in ServiceSettings.model_fields.items():
        default = "" if field.default in (None, "") else f"`{field.default}`"
        lines.append(f"| `FEDCRM_SERVICE_{name.upper()}` | {default} | {field.description} |")
    return "\n".join(lines) + "\n"
