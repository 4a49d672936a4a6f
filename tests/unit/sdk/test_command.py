"""The command ``similarix``: what each part does and prints, and how it ends."""

import json
import re
import stat
from pathlib import Path

import httpx
import pytest

from chalicelib.domain.accounts import Scope
from chalicelib.workers import find_duplicates
from similarix_sdk import Client
from similarix_sdk.cli.exits import Exit
from similarix_sdk.cli.output import printable, size
from tests.fakes.http_api import BASE_URL, HttpApi
from tests.fakes.messages import Context, InMemorySQS
from tests.unit.sdk.command import Command, words
from tests.unit.sdk.test_retries import refusal


@pytest.fixture
def command(http_api: HttpApi, tmp_path: Path) -> Command:
    return Command(http_api, tmp_path)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of pictures, one of which is none."""
    folder = tmp_path / "Pictures"
    (folder / "beach").mkdir(parents=True)
    (folder / "owl.jpg").write_bytes(b"an owl")
    (folder / "beach" / "cow.jpg").write_bytes(b"a cow")
    return folder


def test_results_are_lines_with_tabs_in_a_pipe_and_a_table_on_a_terminal(
    command: Command, client: Client, collection: str
) -> None:
    uuid = client.uploads.send(collection, b"an owl", path="2024/an owl.jpg").uuid
    assert command.lines("search", "owl") == [[command.out.split("\t")[0], uuid, "2024/an owl.jpg"]]
    assert command("search", "owl", pretty=True) == 0
    assert command.out.splitlines()[0].split() == ["distance", "uuid", "path"]
    assert uuid in command.out


def test_a_terminal_that_is_too_narrow_for_a_table_shows_lists_in_which_no_uuid_is_broken(
    command: Command, client: Client, collection: str
) -> None:
    client.uploads.send(collection, picture=b"an owl", path="owl.jpg")
    ((_, uuid, _),) = command.lines("search", "an owl")
    assert command("search", "an owl", pretty=True, width=56) == 0
    assert f" {uuid} " in command.out.splitlines()[1]
    assert command("search", "an owl", pretty=True, width=40) == 0
    distance, *others = command.out.splitlines()
    assert (distance.split()[0], others) == ("distance", [f"uuid      {uuid}", "path      owl.jpg"])
    client.collections.create_managed("another")
    command("collections", pretty=True, width=40)
    lines = command.out.splitlines()
    assert sorted(line.split()[1] for line in lines if line.startswith("name ")) == ["another", "n"]


def test_json_is_what_the_api_answers(command: Command, client: Client, collection: str) -> None:
    uuid = client.uploads.send(collection, b"an owl", path="owl.jpg").uuid
    assert command("search", "owl", "--json") == 0
    (found,) = json.loads(command.out)
    assert (found["uuid"], found["path"], found["collection"]) == (uuid, "owl.jpg", collection)
    assert command("collections", "--json") == 0
    assert json.loads(command.out)[0]["stats"] == {"total_files": 1, "total_size": 6}


def test_a_search_takes_a_picture_other_files_filters_and_collections(
    command: Command, client: Client, collection: str, pictures: Path
) -> None:
    assert command("upload", pictures, "--to", collection) == 0
    lines = command.lines("search", "--image", pictures / "owl.jpg", "--limit", 1)
    assert (lines[0][0], lines[0][2]) == ("0.000", "owl.jpg")
    owl = lines[0][1]
    lines = command.lines("search", "--like", owl, "--without", "snow", "--in", "n", "-f", "path=beach/")
    assert words(lines, 2) == ["beach/cow.jpg"]
    assert words(command.lines("similar", owl, "-f", "size.gte=1", "-f", "size.lt=9"), 2) == ["beach/cow.jpg"]
    assert command("search", "owl", "--filter", "size") == Exit.USAGE
    assert command("search") == Exit.USAGE
    assert command("search", "owl", "-f", "colour=red") == Exit.FAILED
    assert "colour" in command.err


def test_the_first_result_is_opened_in_the_browser(command: Command, client: Client, collection: str) -> None:
    client.uploads.send(collection, b"an owl", path="owl.jpg")
    assert command("search", "owl", "--open") == 0
    (opened,) = command.opened
    assert opened.startswith(BASE_URL)
    assert opened.endswith("&inline=1")


def test_nothing_found_is_said_beside_the_results(command: Command) -> None:
    assert command("search", "owl") == 0
    assert (command.out, command.err) == ("", "Nothing was found.\n")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (refusal(403, "forbidden"), Exit.FORBIDDEN),
        (refusal(404, "not_found"), Exit.NOT_FOUND),
        (refusal(400, "invalid_request"), Exit.FAILED),
        (refusal(429, "rate_limited", retry_after="999"), Exit.TRY_LATER),
        (httpx.Response(200, text="<html>"), Exit.FAILED),
        (httpx.Response(404, text="<html>"), Exit.NOT_FOUND),
    ],
)
def test_an_error_is_a_sentence_and_an_exit_code(
    command: Command, http_api: HttpApi, answer: httpx.Response, code: Exit
) -> None:
    http_api.failures = [answer]
    assert command("search", "owl") == code
    assert command.err.startswith("similarix: ")
    assert len(command.err.splitlines()) == 1


def test_a_token_that_is_not_known_is_told_without_words_of_http(command: Command) -> None:
    assert command("search", "owl", environ={"SIMILARIX_TOKEN": "smx_unknown"}) == Exit.FORBIDDEN
    assert "does not know this token" in command.err and "Authorization" not in command.err


def test_no_answer_can_be_tried_later(command: Command, http_api: HttpApi) -> None:
    http_api.failures = [httpx.ConnectError("refused")] * 9
    assert command("collections") == Exit.TRY_LATER


def test_a_token_is_read_from_standard_input_and_kept_from_others(
    command: Command, http_api: HttpApi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert command("logout") == 0
    assert command("collections") == Exit.FAILED
    (tmp_path / "token").write_text(http_api.token + "\n")
    with (tmp_path / "token").open() as file:
        monkeypatch.setattr("sys.stdin", file)
        assert command("login", BASE_URL + "/") == 0
    assert http_api.token not in command.out + command.err
    assert "(plan business)" in command.err
    assert stat.S_IMODE(command.file.path.stat().st_mode) == 0o600
    assert [path.name for path in command.file.path.parent.iterdir()] == ["credentials.json"]
    assert command("collections") == 0


def test_a_token_that_is_unknown_is_not_kept(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    command("logout")
    (tmp_path / "token").write_text("smx_" + "a" * 43)
    with (tmp_path / "token").open() as file:
        monkeypatch.setattr("sys.stdin", file)
        assert command("login", BASE_URL) == Exit.FORBIDDEN
    assert not command.file.path.exists()


def test_a_token_for_searches_can_sign_in(
    command: Command, client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(client.tokens.create("n", Scope.SEARCH).secret)
    with (tmp_path / "token").open() as file:
        monkeypatch.setattr("sys.stdin", file)
        assert command("login", BASE_URL) == 0
    assert "for searches" in command.err
    assert command("search", "owl") == 0
    assert command("collections") == Exit.FORBIDDEN


def test_a_file_that_others_can_read_or_that_is_damaged_is_refused(command: Command) -> None:
    command.file.path.chmod(0o644)
    assert command("collections") == Exit.FAILED
    assert "chmod 600" in command.err
    command.file.path.chmod(0o600)
    command.file.path.write_text("{}")
    assert command("collections") == Exit.FAILED


def test_the_saved_token_is_not_sent_to_another_api(command: Command, http_api: HttpApi) -> None:
    assert command("--url", "https://elsewhere.example", "collections") == Exit.FAILED
    assert command("collections", environ={"SIMILARIX_URL": "https://elsewhere.example"}) == Exit.FAILED
    assert http_api.requests == []
    assert command.tokens == []
    environ = {"SIMILARIX_URL": BASE_URL, "SIMILARIX_TOKEN": "smx_" + "a" * 43}
    assert command("collections", environ=environ) == Exit.FORBIDDEN
    assert command.tokens == [environ["SIMILARIX_TOKEN"]]


def test_collections_are_made_listed_and_deleted(command: Command) -> None:
    ((uuid,),) = command.lines("collections", "create", "Holidays")
    (line,) = command.lines("collections")
    assert (line[0], line[-1]) == ("Holidays", uuid)
    assert command("collections", "delete", "Holidays", "--yes") == 0
    assert command.lines("collections") == []
    assert command("collections", "delete", "Holidays", "--yes") == Exit.NOT_FOUND


def test_a_name_of_two_collections_is_no_name(command: Command, client: Client) -> None:
    for _ in range(2):
        client.collections.create_managed("twice")
    assert command("sync", "twice") == Exit.USAGE


def test_a_name_of_no_collection_is_told_as_a_uuid_of_none_is(command: Command) -> None:
    for name in ("nowhere", "00000000-0000-4000-8000-000000000000"):
        for before in (("sync",), ("duplicates",), ("failed",), ("collections", "delete"), ("upload", ".", "--to")):
            assert command(*before, name) == Exit.NOT_FOUND, before
            assert len(command.err.splitlines()) == 1
    command("sync", "nowhere")
    assert command.err == "similarix: No collection is called 'nowhere'; 'similarix collections' lists them.\n"


def test_a_folder_is_uploaded_once_and_again_where_it_changes(
    command: Command, client: Client, collection: str, pictures: Path
) -> None:
    lines = command.lines("upload", pictures, "--to", "n", "--prefix", "2024")
    assert sorted(lines) == [["uploaded", "2024/beach/cow.jpg"], ["uploaded", "2024/owl.jpg"]]
    (pictures / "owl.jpg").write_bytes(b"another owl")
    lines = command.lines("upload", pictures, "--to", "n", "--prefix", "2024")
    assert sorted(lines) == [["stored", "2024/beach/cow.jpg"], ["uploaded", "2024/owl.jpg"]]
    assert "1 uploaded, 1 stored before, 0 failed." in command.err
    (pictures / "bad.jpg").write_bytes(b"not a picture")
    assert command("upload", pictures / "bad.jpg", "--to", "n") == Exit.INCOMPLETE
    assert command.out.startswith("failed\tbad.jpg\t")
    assert command("upload", pictures, "--to", "n", "--json") == Exit.INCOMPLETE
    assert {json.loads(line)["outcome"] for line in command.out.splitlines()} == {"uploaded", "failed"}
    assert len(list(client.files.list(collection))) == 4


def test_no_picture_is_sent_to_a_collection_that_is_a_bucket_of_ones_own(
    command: Command, client: Client, pictures: Path
) -> None:
    command.http_api.ports.sources.bucket("photos").put("a.jpg", b"a picture")
    key = {"access_key_id": "AKID", "secret_access_key": "the-secret"}
    client.collections.connect("photos", name="Photos", endpoint="https://s3.example.com", **key)
    command.http_api.requests.clear()
    assert command("upload", pictures, "--to", "Photos") == Exit.USAGE
    assert {request.method for request in command.http_api.requests} == {"GET"}


def test_a_watched_folder_is_uploaded_as_it_changes(
    command: Command, client: Client, collection: str, pictures: Path
) -> None:
    (pictures / ".hidden").mkdir()
    new, hidden, words = pictures / "beach" / "horse.jpg", pictures / ".hidden" / "a.jpg", pictures / "words.txt"
    for file in (new, hidden, words):
        file.write_bytes(file.name.encode())
    command.changes = [{hidden, words}, {new, pictures / "gone.jpg"}]
    new.rename(pictures / "not yet")
    (pictures / "not yet").rename(new)
    assert command("upload", pictures / "owl.jpg", "--to", "n", "--watch") == 0
    assert {file.path for file in client.files.list(collection)} == {"owl.jpg"}
    assert command("upload", pictures, "--to", "n", "--watch") == 0
    assert command.out.splitlines()[-1] == "stored\tbeach/horse.jpg"
    assert {file.path for file in client.files.list(collection)} == {"owl.jpg", "beach/cow.jpg", "beach/horse.jpg"}


def test_a_folder_that_is_named_from_here_is_watched_too(
    command: Command, collection: str, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pictures.parent)
    (pictures / "new.jpg").write_bytes(b"a new picture")
    command.changes = [{pictures / "new.jpg"}]
    assert command("upload", pictures.name, "--to", "n", "--watch") == 0
    assert command.out.splitlines()[-1] == "stored\tnew.jpg"


def test_a_sync_is_previewed_started_and_followed(command: Command, client: Client, http_api: HttpApi) -> None:
    http_api.ports.sources.bucket("pictures").put("photos/a.jpg", b"a")
    role = "arn:aws:iam::123456789012:role/similarix-x"
    ((uuid,),) = command.lines("connect", "s3://pictures/photos/", "--region", "eu-west-1", "--role", role, "--no-sync")
    assert client.collections.get(uuid).name == "photos"
    assert ["to_add", "1"] in command.lines("sync", "photos", "--dry-run")
    assert command("sync", "photos") == 0
    assert "Sync triggered" in command.err
    assert command("sync", "photos") == Exit.FAILED
    client.syncs.cancel(uuid)
    assert command("sync", "photos", "--status", "--follow") == Exit.INCOMPLETE
    assert command.out.startswith("cancelled")


def test_files_that_failed_are_listed_and_tried_again(command: Command, client: Client, collection: str) -> None:
    assert command.lines("failed") == []
    prepared = client.uploads.prepare(collection, "bad.jpg", size=13, mime_type="image/jpeg")
    command.http_api.ports.sources.bucket("managed").put(prepared.form.fields["key"], b"not a picture")
    with pytest.raises(Exception, match="picture"):
        client.uploads.complete(collection, prepared.upload.id)
    assert command("failed") == Exit.INCOMPLETE
    (reason, _, path, _) = command.out.rstrip("\n").split("\t")
    assert (reason, path) == ("not_an_image", "bad.jpg")
    assert command("failed", "n", "--reason", "empty") == 0
    assert command("failed", "n", "--retry") == 0
    assert "1 of 1 files are tried again." in command.err


class Worker(list[float]):
    """Looks for duplicates while the command waits."""

    def __init__(self, http_api: HttpApi) -> None:
        self.http_api = http_api

    def append(self, seconds: float) -> None:
        super().append(seconds)
        sqs = InMemorySQS(self.http_api.ports.queues)
        sqs.collect()
        for message in sqs.waiting:
            if message.queue == "duplicates":
                find_duplicates(message.receive(), Context(), self.http_api.services)


def test_duplicates_are_looked_for_and_listed_with_the_one_to_keep(
    command: Command, client: Client, collection: str
) -> None:
    for path in ("a.jpg", "b.jpg"):
        client.uploads.send(collection, b"an owl", path=path)
    client.uploads.send(collection, b"a cow", path="cow.jpg")
    assert command("duplicates", "n") == Exit.INCOMPLETE
    assert (command.out, "never" in command.err) == ("", True)
    command.pauses = Worker(command.http_api)
    lines = command.lines("duplicates", "n", "--find", "--tier", "identical")
    assert command.pauses == [3.0]
    assert [line[:4] for line in lines] == [["1", "identical", "keep", "6"], ["1", "identical", "copy", "6"]]
    assert {line[5] for line in lines} == {"a.jpg", "b.jpg"}
    assert "1 groups; 6 B in copies" in command.err
    assert command.lines("duplicates", "n", "--tier", "similar") == []


def test_a_new_token_is_written_into_a_private_file_and_never_shown(
    command: Command, client: Client, collection: str, tmp_path: Path
) -> None:
    to = tmp_path / "shop.token"
    ((id,),) = command.lines(
        *("tokens", "create", "shop", "--in", "n", "--origin", "https://shop.example"),
        "--to",
        to,
        "--expires",
        "2030-01-01",
    )
    secret = to.read_text().strip()
    assert secret not in command.out + command.err
    assert stat.S_IMODE(to.stat().st_mode) == 0o600
    shown = {token.id: token for token in client.tokens.list()}[id]
    assert (shown.scope, shown.collections, shown.origins) == ("search", (collection,), ("https://shop.example",))
    line = next(line for line in command.lines("tokens") if line[-1] == id)
    assert line[:5] == ["shop", "search", "", "2030-01-01", f"{collection} https://shop.example"]
    assert command("tokens", "create", "again", "--to", to) == Exit.USAGE
    assert command("tokens", "revoke", id) == 0
    assert id not in {token.id for token in client.tokens.list()}


def test_no_token_is_made_for_a_file_that_cannot_be_written(command: Command, client: Client, tmp_path: Path) -> None:
    before = client.tokens.list()
    assert command("tokens", "create", "shop", "--to", tmp_path / "nowhere" / "shop.token") == Exit.FAILED
    assert client.tokens.list() == before


def test_no_file_is_left_where_no_token_was_made(command: Command, tmp_path: Path) -> None:
    (tmp_path / "tokens").mkdir()
    to = tmp_path / "tokens" / "shop.token"
    assert command("tokens", "create", "shop", "--scope", "all", "--to", to) == Exit.FAILED
    assert list(to.parent.iterdir()) == []


def test_a_name_that_is_not_utf_8_is_told_and_ends_no_upload(
    command: Command, client: Client, pictures: Path, collection: str
) -> None:
    (pictures / "caf\udce9.jpg").write_bytes(b"a cafe")
    assert command("upload", pictures, "--to", "n", "--json") == Exit.INCOMPLETE
    told = {line["path"]: line["outcome"] for line in map(json.loads, command.out.splitlines())}
    assert told == {"owl.jpg": "uploaded", "beach/cow.jpg": "uploaded", "caf\udce9.jpg": "failed"}
    assert command.out.encode()


def test_the_account_shows_its_limits(command: Command) -> None:
    assert command("account", pretty=True) == 0
    assert "plan business" in command.out
    assert ["managed bytes", "0 B", "1.0 TB"] in command.lines("account")


def test_the_names_of_files_move_no_cursor(command: Command, client: Client, collection: str) -> None:
    assert printable("a\x1b[2Jb\tc\nd\u202e") == "a\\x1b[2Jb\\tc\\nd\\u202e"
    assert printable("Käse 北京 👍 [bold]") == "Käse 北京 👍 [bold]"
    client.uploads.send(collection, b"an owl", path="[red]owl.jpg")
    assert command("search", "owl", pretty=True) == 0
    assert "[red]owl.jpg" in command.out


@pytest.mark.parametrize(("count", "shown"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2 * 10**13, "20.0 TB")])
def test_sizes_are_shown_as_people_read_them(count: int, shown: str) -> None:
    assert size(count) == shown


COMMANDS = (
    *(
        "",
        "login",
        "logout",
        "account",
        "search",
        "similar",
        "connect",
        "access-key",
        "upload",
        "sync",
        "failed",
        "duplicates",
        "mcp",
    ),
    *("collections", "collections create", "collections delete", "tokens", "tokens create", "tokens revoke"),
    *("webhooks", "webhooks create", "webhooks rotate", "webhooks test", "webhooks deliveries", "webhooks replay"),
    *("webhooks enable", "webhooks disable", "webhooks delete"),
)


def test_each_command_explains_itself(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    for name in COMMANDS:
        assert command(*name.split(), "--help") == 0
        assert len(capsys.readouterr().out.splitlines()) > 5, name
    command("connect", "--help")
    assert "--create-role this prints which" in capsys.readouterr().out, "a paragraph is filled, whatever its source"
    command("--help")
    listed = re.findall(r"^│ (\w[\w-]*) ", capsys.readouterr().out, re.M)
    assert set(listed) == {name.split()[0] for name in COMMANDS[1:]}


def test_the_version_is_that_of_the_package(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("--version") == 0
    assert re.fullmatch(r"similarix-sdk \S+\n", capsys.readouterr().out)


def test_an_interrupted_command_says_so_by_its_exit_code(
    command: Command,
) -> None:
    class Interrupted(HttpApi):
        def _answer(self, request: httpx.Request) -> httpx.Response:
            raise KeyboardInterrupt

    command.http_api = Interrupted()
    assert command("search", "owl") == Exit.INTERRUPTED
