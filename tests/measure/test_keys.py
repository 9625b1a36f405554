"""Keys come from few variables, go to few places, and are never shown."""

import pytest

from unictoken.measure import keys
from unictoken.measure.endpoint import EndpointConfig
from unictoken.measure.keys import EndpointError, check_address, key_for, without_secrets


@pytest.mark.parametrize(
    "name", ["AWS_SECRET_ACCESS_KEY", "HOME", "HF_TOKEN", "PATH", "", "openai_api_key"]
)
def test_a_config_cannot_name_another_secret_of_this_machine(name):
    with pytest.raises(
        EndpointError,
        match="key_variable .*, expected one of OPENAI_API_KEY, .* begins with UNICTOKEN_JUDGE_",
    ):
        EndpointConfig(url="https://judge.example/v1", model="m", key_variable=name)


def test_a_providers_key_goes_to_that_provider_alone():
    secret = {"OPENAI_API_KEY": "sk-1234567890", "UNICTOKEN_JUDGE_KEY": "own-1234567890"}
    assert key_for("https://api.openai.com/v1", "OPENAI_API_KEY", secret) == "sk-1234567890"
    assert key_for("http://localhost:8000/v1", "OPENAI_API_KEY", secret) == "sk-1234567890"
    assert key_for("https://judge.example/v1", "UNICTOKEN_JUDGE_KEY", secret) == "own-1234567890"
    assert key_for("https://judge.example/v1", "OPENAI_API_KEY", {}) is None
    assert key_for("https://judge.example/v1", None, secret) is None
    for url in ("https://judge.example/v1", "https://api.openai.com.judge.example/v1"):
        with pytest.raises(
            EndpointError, match=r"\$OPENAI_API_KEY is sent to api.openai.com alone"
        ) as error:
            key_for(url, "OPENAI_API_KEY", secret)
        assert "sk-1" not in str(error.value)


@pytest.mark.parametrize("key", ["sk-one\nX-Evil: 1", "sk-a b", "sk-\u00e9", "sk-\x07"])
def test_a_key_that_is_none_is_refused_and_not_printed(key):
    with pytest.raises(EndpointError, match=r"\$OPENAI_API_KEY: found line breaks") as error:
        key_for("https://api.openai.com/v1", "OPENAI_API_KEY", {"OPENAI_API_KEY": key})
    assert "sk-" not in str(error.value)


def test_line_breaks_around_a_key_are_taken_off():
    assert (
        key_for("https://api.openai.com/v1", "OPENAI_API_KEY", {"OPENAI_API_KEY": "sk-1\r\n"})
        == "sk-1"
    )


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8000/v1",
        "http://127.0.0.1/v1",
        "http://[::1]:8000",
        "https://judge.example",
        "https://10.0.0.7:8000/v1",
    ],
)
def test_an_address_that_nobody_can_listen_to_is_taken(url):
    check_address(url, allow_http=False)


@pytest.mark.parametrize(
    "url", ["http://judge.example/v1", "http://10.0.0.7:8000/v1", "http://localhost.evil.example"]
)
def test_plain_http_to_another_machine_must_be_asked_for(url):
    with pytest.raises(EndpointError, match="can be read on the way. Expected https://"):
        check_address(url, allow_http=False)
    check_address(url, allow_http=True)


@pytest.mark.parametrize(
    "url",
    [
        "https://me:hunter22@judge.example/v1",
        "https://hunter22@judge.example",
        "https://judge.example/v1?key=hunter22",
        "https://judge.example/#hunter22",
    ],
)
def test_an_address_with_a_secret_is_refused_and_not_printed(url):
    with pytest.raises(EndpointError, match="put the key into \\$UNICTOKEN_JUDGE_KEY") as error:
        EndpointConfig(url=url, model="m")
    assert "hunter22" not in str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "judge.example",
        "file:///etc/passwd",
        "ftp://x",
        "https://",
        "https://[1",
        "https://x:port",
        "https://a b",
        "https://\u0430pi.example",
        "me:hunter22@x",
        "https://x\n",
    ],
)
def test_what_is_no_address_is_refused_in_one_line(url):
    with pytest.raises(EndpointError, match="expected http:// or https://") as error:
        check_address(url, allow_http=True)
    assert str(error.value).isprintable()


def test_a_shared_command_holds_no_secret():
    command = "python eval/run.py --set endpoint.url=https://me:pw12345678@x/v1?key=abc --set a=sk-1234567890 --set data=https://x/y"
    shown = without_secrets(command, {"OPENAI_API_KEY": "sk-1234567890\n", "HOME": "/root"})
    assert (
        shown
        == f"python eval/run.py --set endpoint.url=https://{keys.HIDDEN}@x/v1?{keys.HIDDEN} --set a={keys.HIDDEN} --set data=https://x/y"
    )
