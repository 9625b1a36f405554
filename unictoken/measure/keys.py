"""Keys of hosted judges: where one may come from, where it may be sent, and that none is shown.

A key is read from an environment variable, and only from one that is there for this. A config is
often somebody else's: it may say which of them, and cannot name another secret of this machine. A
provider's key goes to that provider, or to this machine, and nowhere else.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from unictoken.core.disk import quoted
from unictoken.core.errors import UserError

PROVIDERS = {
    "OPENAI_API_KEY": "api.openai.com",
    "ANTHROPIC_API_KEY": "api.anthropic.com",
    "GEMINI_API_KEY": "generativelanguage.googleapis.com",
    "MISTRAL_API_KEY": "api.mistral.ai",
    "OPENROUTER_API_KEY": "openrouter.ai",
    "TOGETHER_API_KEY": "api.together.xyz",
}
"""The variable of each provider's key, and the host that it is sent to."""
PREFIX = "UNICTOKEN_JUDGE_"
"""What variables begin with that hold any other server's key."""
HIDDEN = "***"
_LONG = 8  # letters; a shorter key would hide words of a text that mean something else
_USER_OF = re.compile(r"(?<=//)[^/\s@]*@")
_QUESTION_OF = re.compile(r"(https?://[^\s?#]*)[?#][^\s'\"]*")


class EndpointError(UserError):
    """An endpoint that gives no verdict: where, what was found, what to do."""


def check_address(url: str, *, allow_http: bool) -> None:
    """Refuse what is no address of a server's root, an address with a secret in it, and one that
    others can listen to.
    """
    parts = _parts(url)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise EndpointError(
            f"endpoint: url {quoted(without_secrets(url))}, expected http:// or https:// and a"
            " host. Write it so, such as http://localhost:8000/v1."
        )
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise EndpointError(
            "endpoint: url: found a name, a password or a question ('?') in it, expected an address"
            f" without secrets. Leave these out, and put the key into ${PREFIX}KEY."
        )
    if parts.scheme == "http" and not is_this_machine(url) and not allow_http:
        raise EndpointError(
            f"endpoint: url {quoted(url)}: what is sent to it can be read on the way. Expected"
            " https://, or this machine; use that, or say `allow_http: true`."
        )


def _parts(url: str) -> SplitResult | None:
    """The parts of an address; None for what is none."""
    if not url.isascii() or not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        return parts if parts.port != 0 else None
    except ValueError:  # half a bracket, a port that is no number
        return None


def is_this_machine(url: str) -> bool:
    """Whether an address is a loopback one."""
    parts = _parts(url)
    host = (parts.hostname or "") if parts else ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_variable(name: str) -> None:
    """Refuse a variable that is not there for judges' keys."""
    if name not in PROVIDERS and not name.startswith(PREFIX):
        raise EndpointError(
            f"endpoint: key_variable {quoted(name)}, expected one of {', '.join(PROVIDERS)}, or one"
            f" that begins with {PREFIX}. Put the key into such a one; null sends none."
        )


def key_for(
    url: str, variable: str | None, environment: Mapping[str, str] = os.environ
) -> str | None:
    """The key that is sent to an address; None where the variable is not set.

    Args:
        url: The address, as `check_address` lets it through.
        variable: Where the key is; None: there is none.
        environment: Of this process.
    """
    key = environment.get(variable, "").strip() if variable else ""
    if not variable or not key:
        return None
    host = PROVIDERS.get(variable)
    parts = _parts(url)
    if host and not is_this_machine(url) and (parts is None or parts.hostname != host):
        raise EndpointError(
            f"endpoint: url {quoted(url)}: ${variable} is sent to {host} alone. Expected another"
            f" variable for this server: put its key into ${PREFIX}KEY and say `key_variable:"
            f" {PREFIX}KEY`; null sends none."
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise EndpointError(
            f"endpoint: ${variable}: found line breaks, spaces or strange letters in it, expected a"
            " key. Set it again."
        )
    return key


def without_secrets(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """A text as it may be printed and shared: of addresses neither the user nor what follows '?',
    and of keys nothing.
    """
    for name, value in environment.items():
        if (name in PROVIDERS or name.startswith(PREFIX)) and len(key := value.strip()) >= _LONG:
            text = text.replace(key, HIDDEN)
    return _QUESTION_OF.sub(rf"\1?{HIDDEN}", _USER_OF.sub(f"{HIDDEN}@", text))
