"""Settings from the environment (prefix STEMPEL_); the process refuses to start on unsafe values."""

from __future__ import annotations

import ipaddress
import os
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from app import setting_rules
from app.setting_rules import SettingFiles


def default_data_dir() -> Path:
    """Return the per-user folder that holds data, keys and the embedded database."""
    base = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
    return Path(base) / "stempel"


class Settings(BaseSettings):
    """What the operator may set; every field is an environment variable with the prefix STEMPEL_."""

    model_config = SettingsConfigDict(env_prefix="STEMPEL_", extra="ignore", frozen=True)

    database_url: str = Field(
        "", description="Login of the runtime role (stempel_app); empty: embedded PostgreSQL."
    )
    database_system_url: str = Field("", description="Login for the few cross-tenant reads (stempel_system).")
    database_admin_url: str = Field("", description="Owner login, used by migrate, backup and doctor only.")
    database_replica_url: str = Field(
        "", description="Login of stempel_app at a streaming replica, for figures and exports; optional."
    )
    database_replica_lag_seconds: float = Field(
        10, ge=0.5, le=3600, description="A replica further behind is not asked; the primary answers."
    )
    database_pool_size: int = Field(
        10,
        ge=1,
        le=200,
        description="Connections a process holds at most for requests, and as many again for stamps by the short way"
        " (none behind PgBouncer); a third of it for reads across merchants and up to 3 for PINs come on top."
        " With 10, count 26 for each web process in max_connections.",
    )
    database_pgbouncer: bool = Field(
        default=False, description="PgBouncer in transaction mode stands in front."
    )
    database_allow_async_commit: bool = Field(
        default=False, description="Test databases only: accept synchronous_commit=off; refused otherwise."
    )
    redis_url: str = Field(
        "", description="Optional; makes limits and fan-out cheaper, never the source of truth."
    )
    public_url: str = Field("http://localhost:8000", description="The one address customers and wallets use.")
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Further host names answered besides the one in STEMPEL_PUBLIC_URL, comma separated.",
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Addresses or networks whose X-Forwarded-* headers are believed, comma separated.",
    )
    data_dir: Path = Field(
        default_factory=default_data_dir, description="Folder for keys, uploads and the database."
    )
    secrets_dir: Path | None = Field(
        default=None, description="Folder of the key files; default: data_dir/secrets."
    )
    backup_dir: Path | None = Field(
        default=None, description="Folder that ./stempel backup writes to; default: data_dir/backups."
    )
    backup_keep: int = Field(
        14, ge=0, le=10_000, description="Backups kept in that folder, the newest ones; 0: all."
    )
    backup_passphrase: str = Field(
        "", repr=False, description="Encrypts and opens backups; better in a file, see below."
    )
    backup_passphrase_file: Path | None = Field(
        default=None, description="File whose first line is the passphrase of the backups."
    )
    backup_recipient: str = Field(
        "", description="Public key for backups (./stempel backup --new-key): this machine cannot open them."
    )
    demo: bool = Field(
        default=False, description="Demo mode: mailbox page, stand-ins, demo shops; no real data."
    )
    lan: bool = Field(
        default=False, description="Demo over plain HTTP on the local network: cookies without Secure."
    )
    clock_file: Path | None = Field(
        default=None, description="Demo only: a file with a clock offset in seconds."
    )
    sign_up: Literal["open", "invite", "closed"] = Field(
        "open",
        description="Who may sign up as a merchant: anybody, whom the operator invites, nobody by themselves.",
    )
    smtp_url: str = Field(
        "", description="smtp://user:password@host:587 (STARTTLS) or smtps://…:465; empty: no mail."
    )
    mail_from: str = Field("Stempel <stempel@localhost>", description="Sender of all mails.")
    mail_bounces: str = Field(
        "",
        pattern=r"^([^@+\s]{1,24}@[^@\s]{1,200})?$",
        description="Envelope sender, with +<message> added; its reports go to /mail/events. Empty: the sender.",
    )
    mail_events_secret: str = Field(
        "",
        repr=False,
        description="Secret of POST /mail/events (whsec_… of Standard Webhooks, or a bearer); empty: closed.",
    )
    mail_dkim_key: Path | None = Field(
        default=None,
        description="PEM file of the private key that signs mails (DKIM); none: the server signs.",
    )
    mail_dkim_selector: str = Field(
        "stempel", pattern="^[a-zA-Z0-9._-]{1,63}$", description="Selector of the DKIM key in the DNS."
    )
    mail_domain_pace: int = Field(
        300, ge=1, le=100_000, description="Mails a minute to one recipient's domain."
    )
    mail_daily_limit: int = Field(
        20_000, ge=0, le=10_000_000, description="Marketing mails of one merchant a day (UTC); 0: no limit."
    )
    google_service_account: Path | None = Field(
        default=None, description="File with the JSON key of Google Wallet's service account."
    )
    google_issuer_id: str = Field(
        "",
        pattern="^[0-9]{0,30}$",
        description="Issuer id of the Google Wallet console; merchants may have their own.",
    )
    google_api_url: str = Field(
        "https://walletobjects.googleapis.com/walletobjects/v1",
        description="Base address of Google's REST API.",
    )
    google_callback_keys_url: str = Field(
        "https://pay.google.com/gp/m/issuer/keys",
        description="Where Google publishes the keys of its callbacks.",
    )
    metrics_token: str = Field(
        "", description="Bearer token for /metrics; empty: closed, except on the demo's own machine."
    )
    security_contact: str = Field(
        "",
        pattern=r"^((mailto:|https://|tel:)[!-~]{3,200})?$",
        description="Who hears of weaknesses, shown in /.well-known/security.txt: mailto:…, https://… or tel:….",
    )
    otlp_endpoint: str = Field(
        "",
        description="Collector of traces (OTLP over HTTP), such as http://127.0.0.1:4318; empty: none are made.",
    )
    otlp_headers: str = Field(
        "", repr=False, description="Headers that the collector wants: name=value, comma separated."
    )
    otlp_ratio: float = Field(
        1.0, ge=0, le=1, description="Part of all requests and jobs that is traced, from 0 to 1."
    )
    log_format: Literal["json", "console"] = Field("json", description="How log lines are written.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severe line written."
    )
    web_processes: int = Field(
        1, ge=1, le=64, description="Web processes; above 1 limits are kept in PostgreSQL."
    )
    worker_metrics_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Port at which a worker in a container of its own shows its metrics; 0: none.",
    )
    host: str = Field("127.0.0.1", description="Address the web process listens on.")
    port: int = Field(8000, ge=0, le=65535, description="Port the web process listens on.")
    requests_at_once: int = Field(
        64,
        ge=4,
        le=10_000,
        description="Requests a web process works on at once; more get 503 and Retry-After without waiting.",
    )
    drain_seconds: int = Field(
        5,
        ge=0,
        le=120,
        description="Seconds a leaving web process gives callers and balancers to go elsewhere.",
    )
    body_limit_bytes: int = Field(
        1_000_000, ge=10_000, description="Largest request body; more is refused with 413."
    )
    plans_file: Path | None = Field(
        default=None, description="TOML file of plans and their limits; without it nothing is limited."
    )
    apple_certificate: str = Field(
        "",
        description="File of the Apple pass certificate: .p12, PEM or .cer; empty: merchants bring theirs.",
    )
    apple_key: str = Field("", description="PEM file of its private key, where the certificate is no .p12.")
    apple_key_password: str = Field(
        "", repr=False, description="Password of the .p12 or of the encrypted key."
    )
    apple_wwdr: str = Field(
        "", description="File of the Apple WWDR certificate that issued the pass certificate: .cer or PEM."
    )
    apple_pass_type: str = Field(
        "", description="Pass type identifier (pass.com.example.loyalty); empty: read from the certificate."
    )
    apple_team: str = Field("", description="Apple team identifier; empty: read from the certificate.")
    apns_url: str = Field("https://api.push.apple.com", description="Address of Apple's push service.")
    apns_ca_file: str = Field(
        "", description="PEM file of further authorities that may vouch for the push service."
    )
    default_currency: str = Field("EUR", pattern="^[A-Z]{3}$", description="Currency of a new merchant.")
    default_time_zone: str = Field("Europe/Luxembourg", description="IANA time zone of a new merchant.")

    @field_validator("allowed_hosts", "trusted_proxies", mode="before")
    @classmethod
    def _split_list(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @classmethod
    def settings_customise_sources(  # noqa: PLR0917 (the signature is pydantic's)
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the caller's values, the environment, and the files that the environment names."""
        return init_settings, env_settings, SettingFiles(settings_cls)

    @field_validator("trusted_proxies")
    @classmethod
    def _networks_only(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for part in value:
            try:
                ipaddress.ip_network(part, strict=False)
            except ValueError as error:
                raise ValueError(
                    "must be addresses or networks such as 10.0.0.0/8, comma separated"
                ) from error
        return value

    @field_validator("allowed_hosts")
    @classmethod
    def _hosts_only(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(setting_rules.check_host(part) for part in value)

    @field_validator(*setting_rules.SCHEMES)
    @classmethod
    def _address_of_its_kind(cls, value: str, info: ValidationInfo) -> str:
        return setting_rules.check_address(str(info.field_name), value)

    _host_only = field_validator("host")(setting_rules.check_host)
    _known_time_zone = field_validator("default_time_zone")(setting_rules.check_time_zone)
    _sender = field_validator("mail_from")(setting_rules.check_sender)
    _header_pairs = field_validator("otlp_headers")(setting_rules.check_pairs)

    @model_validator(mode="after")
    def _refuse_unsafe_values(self) -> Settings:
        parts = urlsplit(self.public_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(
                "STEMPEL_PUBLIC_URL must be an http(s) address such as https://cards.example.com"
            )
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError(
                "STEMPEL_PUBLIC_URL must be a bare address: Stempel needs a host name of its own"
            )
        if not self.demo:
            if self.clock_file is not None:
                raise ValueError("STEMPEL_CLOCK_FILE moves the clock and is accepted in demo mode only")
            if self.lan:
                raise ValueError(
                    "STEMPEL_LAN sends cookies over plain HTTP and is accepted in demo mode only"
                )
            if parts.scheme == "http" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
                raise ValueError("STEMPEL_PUBLIC_URL must be https outside demo mode")
        return self

    @cached_property
    def secure_cookies(self) -> bool:
        """Return whether cookies carry Secure and the __Host- prefix: always, except plain HTTP in demo mode."""
        return not (self.demo and urlsplit(self.public_url).scheme == "http")

    @property
    def keys_dir(self) -> Path:
        """Return the folder of the key files (0700)."""
        return self.secrets_dir or self.data_dir / "secrets"

    @property
    def backup_folder(self) -> Path:
        """Return the folder of the backups (0700)."""
        return self.backup_dir or self.data_dir / "backups"
