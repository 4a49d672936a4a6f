"""Requests are parsed strictly: query parameters, headers, JSON bodies and forms."""

import base64
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from chalice.app import Request
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.api.requests.bodies import (
    json_object,
    parse_bucket_description,
    parse_collection_change,
    parse_new_collection,
    parse_new_token,
    parse_new_upload,
    parse_sync_options,
)
from chalicelib.api.requests.forms import parse_form
from chalicelib.api.requests.queries import parse_failure_reason, parse_limit, parse_number, parse_whole_number
from chalicelib.domain.accounts import NewToken, Scope
from chalicelib.domain.collections import (
    AutoSync,
    BucketDescription,
    CollectionChange,
    CollectionType,
    NewManagedCollection,
    NewS3Collection,
    SyncOptions,
)
from chalicelib.domain.errors import InvalidRequest, SimilarixError, UnknownParameter, UnsupportedMediaType
from chalicelib.domain.files import FileState
from chalicelib.domain.selection import DEFAULT_EXCLUDE, Selection
from chalicelib.domain.uploads import NameRule, NewUpload
from tests.factories import a_collection

BOUNDARY = "frontier"
STORABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
NOW = datetime(2026, 3, 1, tzinfo=UTC)
ROLE = "arn:aws:iam::111122223333:role/similarix-reader"
SOURCE = {"bucket": "photographs", "region": "eu-west-1", "role_arn": ROLE}
S3_COLLECTION = {"type": "s3", "name": " Holidays ", **SOURCE}
MANAGED_COLLECTION = {"type": "managed", "name": "Mine"}
UPLOAD = {"path": "a.jpg", "size": 5, "mime_type": "image/jpeg"}


def sent(body: bytes, content_type: str = f"multipart/form-data; boundary={BOUNDARY}") -> Request:
    """A request as API Gateway passes it on: every body as base64."""
    return Request(
        {
            "requestContext": {"resourcePath": "/", "httpMethod": "POST"},
            "headers": {"content-type": content_type},
            "pathParameters": {},
            "multiValueQueryStringParameters": None,
            "stageVariables": None,
            "body": base64.b64encode(body).decode(),
            "isBase64Encoded": True,
        }
    )


def sent_json(body: bytes) -> Request:
    return sent(body, "application/json")


def part(name: str, body: bytes, file_name: str | None = None) -> bytes:
    disposition = f'; filename="{file_name}"' if file_name is not None else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{disposition}\r\n\r\n'
    return head.encode() + body + b"\r\n"


def form_of(*parts: bytes) -> Request:
    return sent(b"".join(parts) + f"--{BOUNDARY}--\r\n".encode())


def refused_field(parse: Callable[[], object]) -> str | None:
    with pytest.raises(InvalidRequest) as refused:
        parse()
    return refused.value.field


class TestLimit:
    def test_default_limit_is_16(self) -> None:
        assert parse_limit(None) == 16

    @given(st.integers(1, 100))
    def test_limit_is_any_whole_number_from_1_to_100(self, number: int) -> None:
        assert parse_limit(str(number)) == number

    @given(st.text() | st.integers(max_value=0).map(str) | st.integers(min_value=101).map(str))
    def test_every_other_limit_is_refused(self, text: str) -> None:
        if text.isascii() and text.isdigit() and 1 <= int(text) <= 100:
            return
        assert refused_field(lambda: parse_limit(text)) == "limit"


class TestNumber:
    @given(st.integers(-3, 12).map(str) | st.text())
    def test_whole_number_is_one_of_its_range_and_nothing_else(self, text: str) -> None:
        if text in {str(number) for number in range(2, 10)}:
            assert parse_whole_number(text, "size", 2, 9) == int(text)
        elif text.lstrip("0") not in {str(number) for number in range(2, 10)}:
            assert refused_field(lambda: parse_whole_number(text, "size", 2, 9)) == "size"

    @pytest.mark.parametrize(
        ("text", "number"),
        [("0", 0), ("2", 2), ("0.25", 0.25), (".5", 0.5), ("1.", 1), ("1e0", 1), ("1E-05", 1e-5), ("5e-324", 5e-324)],
    )
    def test_number_is_a_decimal_of_its_range(self, text: str, number: float) -> None:
        assert parse_number(text, "distance", 0, 2) == number

    @given(st.floats(0, 2, allow_subnormal=True))
    @example(1e-5)
    @example(5e-324)
    def test_a_number_is_read_however_a_program_writes_it(self, number: float) -> None:
        for text in (str(abs(number)), f"{abs(number):.17e}", f"{Decimal(abs(number)):f}"):
            assert parse_number(text, "distance", 0, 2) == abs(number)

    @pytest.mark.parametrize(
        "text", ["", "-1", "2.01", "nan", "inf", "2.1e0", "1e400", "1e", "e1", "1e1.0", "1_0", " 1", "1\n", "\u0661"]
    )
    def test_every_other_number_is_refused(self, text: str) -> None:
        assert refused_field(lambda: parse_number(text, "distance", 0, 2)) == "distance"

    def test_a_parameter_that_is_missing_has_no_number(self) -> None:
        assert (parse_whole_number(None, "size", 2, 9), parse_number(None, "distance", 0, 2)) == (None, None)


class TestJsonObject:
    @given(st.dictionaries(STORABLE, st.none() | st.booleans() | st.integers() | STORABLE))
    def test_every_json_object_is_read(self, values: dict[str, Any]) -> None:
        assert json_object(sent_json(json.dumps(values).encode())) == values
        assert json_object(sent_json(json.dumps(values, ensure_ascii=False).encode("utf-8-sig"))) == values

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le", "latin-1"])
    def test_json_in_another_encoding_than_utf8_is_refused(self, encoding: str) -> None:
        with pytest.raises(InvalidRequest):
            json_object(sent_json('{"name": "ü"}'.encode(encoding)))

    @pytest.mark.parametrize("text", ["\0", "\ud800"])
    @pytest.mark.parametrize("value", ["{}", ["{}"], {"a": {"{}": 1}}, [[{"a": ["{}"]}]]])
    def test_text_that_cannot_be_stored_is_refused_with_the_outermost_field(self, value: Any, text: str) -> None:
        body = json.dumps({"name": value}).replace("{}", json.dumps(text)[1:-1])
        assert refused_field(lambda: json_object(sent_json(body.encode()))) == "name"

    @given(st.binary())
    def test_every_other_body_is_refused_and_none_raises_another_error(self, body: bytes) -> None:
        with suppress(InvalidRequest):
            assert isinstance(json_object(sent_json(body)), dict)

    def test_deeply_nested_body_is_refused(self) -> None:
        with pytest.raises(InvalidRequest):
            json_object(sent_json(b"[" * 200_000))

    @pytest.mark.parametrize("content_type", ["", "application/json", "Application/JSON; charset=utf-8"])
    def test_a_body_without_a_type_or_with_that_of_json_is_read(self, content_type: str) -> None:
        assert json_object(sent(b"{}", content_type)) == {}

    @pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"])
    def test_a_body_of_another_type_is_refused(self, content_type: str) -> None:
        with pytest.raises(UnsupportedMediaType, match="application/json"):
            json_object(sent(b"{}", content_type))

    @pytest.mark.parametrize("body", [b'{"a": 1, "a": 1}', b'{"b": [{"a": 1, "c": 2, "a": 3}]}'])
    def test_a_name_that_is_given_twice_is_refused(self, body: bytes) -> None:
        assert refused_field(lambda: json_object(sent_json(body))) == "a"


class TestForm:
    @given(st.binary().filter(lambda body: BOUNDARY.encode() not in body))
    def test_file_of_a_form_is_read_byte_by_byte(self, body: bytes) -> None:
        form = parse_form(form_of(part("file", body, "a.jpg")))
        assert (form.body, form.file_name) == (body, "a.jpg")

    def test_other_fields_of_a_form_are_read_in_their_order(self) -> None:
        request = form_of(part("collection", b"x"), part("file", b"x", "a.jpg"), part("collection", b"y"))
        form = parse_form(request, ("collection", "limit"))
        assert form.values("collection") == ["x", "y"]
        assert form.values("limit") == []

    def test_values_of_a_list_are_read_however_clients_write_lists(self) -> None:
        request = form_of(part("collection[]", b"x"), part("file", b"x", "a.jpg"), part("collection[1]", b"y"))
        assert parse_form(request, ("collection",)).values("collection") == ["x", "y"]

    @pytest.mark.parametrize("part_", [part("colection", b"x"), part("picture", b"x", "b.jpg")], ids=["field", "file"])
    def test_a_part_of_an_unknown_name_is_refused_by_its_name(self, part_: bytes) -> None:
        request = form_of(part("file", b"x", "a.jpg"), part_)
        with pytest.raises(UnknownParameter) as refused:
            parse_form(request, ("collection",))
        assert refused.value.field in ("colection", "picture")

    @pytest.mark.parametrize(
        ("written", "name"),
        [
            ('filename="na\u00efve.jpg"', "na\u00efve.jpg"),
            ("filename*=utf-8''na%C3%AFve.jpg", "na\u00efve.jpg"),
            ("filename*=UTF-8'de'na%C3%AFve.jpg", "na\u00efve.jpg"),
            ("filename*=iso-8859-1''na%EFve.jpg", "na\u00efve.jpg"),
            ('filename="=?utf-8?B?bmHDr3ZlLmpwZw==?="', "na\u00efve.jpg"),
            ('filename="=?utf-8?Q?na=C3=AFve.jpg?="', "na\u00efve.jpg"),
            ("filename=\"=?utf-8?B?8J+YgC5qcGc=?=\"; filename*=utf-8''na%C3%AFve.jpg", "na\u00efve.jpg"),
            ("FileName*=\"utf-8''na%C3%AFve.jpg\"", "na\u00efve.jpg"),
            ("filename=\"a; filename*=utf-8''b.jpg\"", "a; filename*=utf-8''b.jpg"),
            ("filename=c.jpg; filename*=utf-8''%FF", "c.jpg"),
            ("filename=c.jpg; filename*=utf-8''a.jpg; filename*0=b.jpg", "a.jpg"),
            ("filename=c.jpg; filename*0*=utf-8''a.jpg; filename*0=b.jpg", "c.jpg"),
            ('filename="what=?.jpg"', "what=?.jpg"),
            ('filename="=?no-charset?B?bmHDr3ZlLmpwZw==?="', "=?no-charset?B?bmHDr3ZlLmpwZw==?="),
        ],
    )
    def test_a_file_name_is_read_however_clients_write_it(self, written: str, name: str) -> None:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; {written}\r\n\r\n'
        body = head.encode() + b"x\r\n" + f"--{BOUNDARY}--\r\n".encode()
        assert parse_form(sent(body)).file_name == name

    @pytest.mark.parametrize(
        "charset", ["punycode", "idna", "utf-7", "unicode_escape", "rot13", "utf-16", "unknown-8bit"]
    )
    def test_a_file_name_is_decoded_by_no_other_charset_than_those_of_the_standard(self, charset: str) -> None:
        for written, name in (
            (f"filename=c.jpg; filename*={charset}''a%5Cud800+2AA-", "c.jpg"),
            (f'filename="=?{charset}?Q?a=5Cud800+2AA-?="', f"=?{charset}?Q?a=5Cud800+2AA-?="),
        ):
            head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; {written}\r\n\r\n'
            body = head.encode() + b"x\r\n" + f"--{BOUNDARY}--\r\n".encode()
            assert parse_form(sent(body)).file_name == name

    def test_each_fault_of_a_form_has_words_of_its_own(self) -> None:
        whole, end = part("file", b"x", "a.jpg"), f"--{BOUNDARY}--\r\n".encode()
        latin1 = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="na\u00efve.jpg"\r\n\r\nx\r\n'
        faults = {
            "multipart/form-data": sent_json(b"{}"),
            "boundary": sent(whole + end, "multipart/form-data"),
            "cut off": sent(whole + end, "multipart/form-data; boundary=another"),
            "at most 32 parts": form_of(*[part("limit", b"5")] * 33, whole),
            "UTF-8": sent(latin1.encode("latin-1") + end),
            "no part": form_of(part("limit", b"5")),
            "more than one part": form_of(whole, whole),
        }
        for words, request in faults.items():
            with pytest.raises(InvalidRequest, match=words) as refused:
                parse_form(request, ("limit",))
            assert refused.value.field == "file"

    @given(
        written=st.lists(
            st.sampled_from(
                [
                    "*",
                    "0",
                    "1",
                    "0*",
                    "*0*=",
                    "*=",
                    "=",
                    ";",
                    "; filename",
                    "utf-8''",
                    "''",
                    "'",
                    '"',
                    "%ff",
                    "%C3",
                    "a",
                ]
            ),
            max_size=30,
        ).map("".join)
    )
    def test_no_parameters_of_a_file_name_fail_on_our_side(self, written: str) -> None:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename{written}\r\n\r\n'
        with suppress(SimilarixError):
            parse_form(sent(head.encode() + b"x\r\n" + f"--{BOUNDARY}--\r\n".encode()))

    @given(written=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200))
    def test_no_way_to_write_a_file_name_fails_on_our_side(self, written: str) -> None:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename{written}\r\n\r\n'
        with suppress(SimilarixError):
            parse_form(sent(head.encode() + b"x\r\n" + f"--{BOUNDARY}--\r\n".encode()))

    @pytest.mark.parametrize(
        "parts",
        [(), (part("file", b"x", "a.jpg"), part("file", b"y", "b.jpg"))],
        ids=["no part", "two files"],
    )
    def test_form_without_exactly_one_part_named_file_is_refused(self, parts: tuple[bytes, ...]) -> None:
        assert refused_field(lambda: parse_form(form_of(*parts))) == "file"

    @given(st.binary(max_size=200))
    def test_malformed_form_is_refused(self, body: bytes) -> None:
        with pytest.raises(InvalidRequest):
            parse_form(sent(b"--" + BOUNDARY.encode() + body))

    @pytest.mark.parametrize("content_type", ["", "application/json", "multipart/mixed; boundary=x"])
    def test_body_of_another_content_type_is_refused(self, content_type: str) -> None:
        with pytest.raises(InvalidRequest, match="multipart/form-data"):
            parse_form(sent(part("file", b"x"), content_type=content_type))


class TestFailureReason:
    def test_reason_is_a_code_of_failed_files(self) -> None:
        for state in (None, FileState.FAILED):
            assert parse_failure_reason("access_denied", state) == "access_denied"
            assert parse_failure_reason(None, state) is None

    @pytest.mark.parametrize(("text", "state"), [("", None), ("Empty", None), ("a-b", None), ("a" * 41, None)])
    def test_what_is_no_code_is_refused(self, text: str, state: FileState | None) -> None:
        assert refused_field(lambda: parse_failure_reason(text, state)) == "reason"

    @pytest.mark.parametrize("state", [FileState.INDEXED, FileState.PENDING])
    def test_files_in_another_state_have_no_reason(self, state: FileState) -> None:
        assert refused_field(lambda: parse_failure_reason("empty", state)) == "reason"


class TestNewCollection:
    def test_s3_collection_has_its_bucket_and_is_synced_by_hand_by_default(self) -> None:
        assert parse_new_collection(S3_COLLECTION) == NewS3Collection(
            "Holidays", BucketDescription("photographs", "", "eu-west-1", ROLE), AutoSync.MANUAL
        )

    def test_s3_collection_has_the_folder_and_the_interval_of_its_body(self) -> None:
        new = parse_new_collection({**S3_COLLECTION, "folder": "/2026/", "auto_sync_interval": "daily"})
        assert isinstance(new, NewS3Collection)
        assert (new.source.prefix, new.auto_sync) == ("2026/", AutoSync.DAILY)

    def test_s3_collection_leaves_out_the_folders_of_other_software_by_default(self) -> None:
        new = parse_new_collection({**S3_COLLECTION, "include": None, "exclude": None})
        assert isinstance(new, NewS3Collection)
        assert new.selection == Selection((), DEFAULT_EXCLUDE)

    def test_s3_collection_has_the_patterns_of_its_body(self) -> None:
        new = parse_new_collection({**S3_COLLECTION, "include": ["*.jpg"], "exclude": []})
        assert isinstance(new, NewS3Collection)
        assert new.selection == Selection(("*.jpg",), ())

    def test_managed_collection_has_a_name_only(self) -> None:
        assert parse_new_collection(MANAGED_COLLECTION) == NewManagedCollection("Mine")
        assert parse_new_collection({**MANAGED_COLLECTION, "auto_sync_interval": "manual"}) == NewManagedCollection(
            "Mine"
        )

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("name", " "),
            ("name", "a\x1b[31mb"),
            ("auto_sync_interval", "hourly"),
            ("auto_sync_at", 24),
            ("auto_sync_at", True),
            ("auto_sync_at", "3"),
            ("colour", "red"),
            ("role_arn", None),
            ("include", "*.jpg"),
            ("exclude", ["#"]),
        ],
    )
    def test_malformed_or_unknown_field_of_an_s3_collection_is_refused(self, field: str, value: object) -> None:
        assert refused_field(lambda: parse_new_collection({**S3_COLLECTION, field: value})) == field

    @pytest.mark.parametrize(
        ("field", "value"), [("auto_sync_interval", "daily"), ("bucket", "photographs"), ("include", [])]
    )
    def test_managed_collection_with_an_interval_a_bucket_or_patterns_is_refused(
        self, field: str, value: object
    ) -> None:
        assert refused_field(lambda: parse_new_collection({**MANAGED_COLLECTION, field: value})) == field

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"type": "ftp", "colour": "red"}, "type"),
            ({"colour": "red", "name": " "}, "colour"),
            ({"name": " ", "auto_sync_interval": "hourly"}, "name"),
            ({"auto_sync_interval": "hourly", "role_arn": "x"}, "auto_sync_interval"),
            ({"role_arn": "x", "bucket": "x"}, "role_arn"),
            ({"bucket": "x", "folder": 7}, "bucket"),
            ({"folder": 7, "region": "x"}, "folder"),
        ],
    )
    def test_first_of_several_wrong_fields_is_always_the_same(self, wrong: dict[str, object], field: str) -> None:
        assert refused_field(lambda: parse_new_collection({**S3_COLLECTION, **wrong})) == field


class TestBucketDescription:
    def test_bucket_may_be_described_before_its_role_exists(self) -> None:
        source = {"bucket": "photographs", "region": "eu-west-1", "folder": "a"}
        assert parse_bucket_description(source) == BucketDescription("photographs", "a/", "eu-west-1", None)
        assert parse_bucket_description(SOURCE).role_arn == ROLE

    @pytest.mark.parametrize("field", ["bucket", "region", "folder", "role_arn", "name"])
    def test_malformed_or_unknown_field_of_a_bucket_is_refused(self, field: str) -> None:
        assert refused_field(lambda: parse_bucket_description({**SOURCE, field: 7})) == field


ON_AWS, MANAGED = a_collection(), a_collection(type=CollectionType.MANAGED, role_arn=None, external_id=None)


class TestCollectionChange:
    def test_missing_settings_stay_as_they_are(self) -> None:
        assert parse_collection_change({}, ON_AWS) == CollectionChange()

    def test_each_setting_of_an_s3_collection_can_be_changed(self) -> None:
        patterns: dict[str, object] = {"include": ["*.jpg"], "exclude": []}
        body = {"name": " New ", "auto_sync_interval": "monthly", "role_arn": ROLE, **patterns}
        assert parse_collection_change(body, ON_AWS) == CollectionChange("New", AutoSync.MONTHLY, ROLE, ("*.jpg",), ())

    def test_null_patterns_are_those_of_a_new_collection(self) -> None:
        change = parse_collection_change({"include": None, "exclude": None}, ON_AWS)
        assert (change.include, change.exclude) == ((), DEFAULT_EXCLUDE)

    def test_null_interval_means_syncs_by_hand(self) -> None:
        change = parse_collection_change({"auto_sync_interval": None}, ON_AWS)
        assert change.auto_sync is AutoSync.MANUAL

    @pytest.mark.parametrize(
        ("body", "usual"), [({}, False), ({"auto_sync_at": 0}, False), ({"auto_sync_at": None}, True)]
    )
    def test_null_hour_means_the_usual_one(self, body: dict[str, object], usual: bool) -> None:
        assert parse_collection_change(body, ON_AWS).usual_hour is usual

    @pytest.mark.parametrize(
        "body",
        [
            {"bucket": "another-bucket"},
            {"folder": "b"},
            {"type": "managed"},
            {"name": None},
            {"role_arn": None},
            {"include": "*.jpg"},
            {"exclude": [""]},
        ],
    )
    def test_fixed_or_malformed_setting_is_refused(self, body: dict[str, object]) -> None:
        assert refused_field(lambda: parse_collection_change(body, ON_AWS)) in body

    @pytest.mark.parametrize("field", ["auto_sync_interval", "role_arn", "include", "exclude"])
    def test_managed_collection_has_no_interval_role_or_patterns(self, field: str) -> None:
        assert refused_field(lambda: parse_collection_change({field: "daily"}, MANAGED)) == field


class TestSyncOptions:
    @pytest.mark.parametrize("body", [b"", b"{}", b"null", b" null\n"])
    def test_options_are_off_by_default(self, body: bytes) -> None:
        assert parse_sync_options(sent_json(body)) == SyncOptions()

    def test_each_option_can_be_set(self) -> None:
        body = b'{"dry_run": true, "confirm_removals": true, "retry_failed": true}'
        options = parse_sync_options(sent_json(body))
        assert options == SyncOptions(dry_run=True, confirm_removals=True, retry_failed=True)

    @pytest.mark.parametrize(("body", "field"), [(b'{"fast": true}', "fast"), (b'{"dry_run": 1}', "dry_run")])
    def test_unknown_or_malformed_option_is_refused(self, body: bytes, field: str) -> None:
        assert refused_field(lambda: parse_sync_options(sent_json(body))) == field


class TestNewUpload:
    managed = a_collection(type=CollectionType.MANAGED)

    def test_upload_has_its_path(self) -> None:
        new = parse_new_upload({**UPLOAD, "path": "2024/ a\u0308.jpg"}, self.managed)
        assert new == NewUpload("2024/ä.jpg", 5, "image/jpeg")

    @pytest.mark.parametrize(
        ("field", "value"),
        [("path", None), ("path", "a\\b"), ("size", 0), ("mime_type", 7), ("replace", 1), ("colour", "red")],
    )
    def test_malformed_or_unknown_field_of_an_upload_is_refused(self, field: str, value: object) -> None:
        assert refused_field(lambda: parse_new_upload({**UPLOAD, field: value}, self.managed)) == field

    @pytest.mark.parametrize(
        ("written", "mime_type"),
        [
            *((each, "image/jpeg") for each in ("image/jpeg", "IMAGE/JPEG", "image/jpg", "image/pjpeg", "image/jfif")),
            *((f"image/jpeg{each}", "image/jpeg") for each in ("; charset=binary", ";q=1", " ;x", ";")),
            *((each, "image/png") for each in ("image/png", "image/x-png", "image/apng", "Image/X-PNG; a=b")),
            *((each, "image/bmp") for each in ("image/bmp", "image/x-bmp", "image/x-ms-bmp")),
            *((each, "image/tiff") for each in ("image/tiff", "image/tif", "image/x-tiff")),
            *((each, "image/jp2") for each in ("image/jp2", "image/jpx", "image/j2c")),
            *(
                ("image/heic-sequence", "image/heic"),
                ("image/heif-sequence", "image/heif"),
                ("image/avif", "image/avif"),
            ),
        ],
    )
    def test_type_is_read_whatever_its_case_its_parameters_and_its_other_names(
        self, written: str, mime_type: str
    ) -> None:
        assert parse_new_upload({**UPLOAD, "mime_type": written}, self.managed).mime_type == mime_type

    @pytest.mark.parametrize(
        "written",
        [
            *("", ";", "image", "image/", "/jpeg", "image/*", "*/*", "jpeg", "image/jpeg, image/png", "image/svg+xml"),
            *("image/x-icon", "image/vnd.adobe.photoshop", "video/mp4", "application/octet-stream", "image /jpeg"),
        ],
    )
    def test_a_type_that_is_not_read_is_refused(self, written: str) -> None:
        with pytest.raises(UnsupportedMediaType) as refused:
            parse_new_upload({**UPLOAD, "mime_type": written}, self.managed)
        assert refused.value.field == "mime_type"

    def test_size_is_a_whole_number_however_json_writes_it(self) -> None:
        assert parse_new_upload({**UPLOAD, "size": 5.0}, self.managed).size == 5
        for size in (5.5, float("nan"), float("inf"), -1.0):
            assert refused_field(lambda size=size: parse_new_upload({**UPLOAD, "size": size}, self.managed)) == "size"

    @pytest.mark.parametrize(
        ("only_new", "replace", "rule"),
        [(False, None, NameRule.NUMBER), (False, True, NameRule.REPLACE), (True, False, NameRule.REFUSE)],
    )
    def test_upload_has_the_callers_rule_for_names(self, only_new: bool, replace: bool | None, rule: NameRule) -> None:
        body = UPLOAD if replace is None else {**UPLOAD, "replace": replace}
        assert parse_new_upload(body, self.managed, only_new=only_new).rule is rule

    def test_upload_that_is_to_replace_and_to_be_refused_is_neither(self) -> None:
        assert refused_field(lambda: parse_new_upload({**UPLOAD, "replace": True}, self.managed, only_new=True)) == (
            "replace"
        )

    def test_type_that_is_not_accepted_is_refused(self) -> None:
        with pytest.raises(UnsupportedMediaType):
            parse_new_upload({**UPLOAD, "mime_type": "application/pdf"}, self.managed)

    def test_upload_to_a_customers_bucket_is_refused_before_its_fields(self) -> None:
        assert refused_field(lambda: parse_new_upload({"colour": "red"}, a_collection())) is None


class TestNewToken:
    def test_token_has_its_name_scope_and_expiry(self) -> None:
        body = {"name": " laptop ", "scope": "read", "expires_at": "2026-03-02T00:00:00+00:00"}
        assert parse_new_token(body, NOW) == NewToken("laptop", Scope.READ, datetime(2026, 3, 2, tzinfo=UTC))
        assert parse_new_token({"name": "n", "scope": "write"}, NOW) == NewToken("n", Scope.WRITE)

    @pytest.mark.parametrize(
        ("field", "value"),
        [("name", " "), ("name", "a\nb"), ("scope", "all"), ("expires_at", NOW.isoformat()), ("admin", True)],
    )
    def test_malformed_or_unknown_field_of_a_token_is_refused(self, field: str, value: object) -> None:
        assert refused_field(lambda: parse_new_token({"name": "n", "scope": "read", field: value}, NOW)) == field


@given(
    st.dictionaries(
        st.sampled_from(
            [
                *("type", "name", "bucket", "folder", "region", "role_arn", "auto_sync_interval", "auto_sync_at"),
                *("path", "replace", "size", "mime_type", "scope", "expires_at", "collections", "origins", "other"),
            ]
        ),
        st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=[])) | st.lists(st.text()),
    )
)
def test_no_body_raises_another_error_than_those_of_the_tree(body: dict[str, object]) -> None:
    parsers: list[Callable[[], object]] = [
        lambda: parse_new_collection(body),
        lambda: parse_bucket_description(body),
        lambda: parse_collection_change(body, ON_AWS),
        lambda: parse_new_upload(body, TestNewUpload.managed),
        lambda: parse_new_token(body, NOW),
    ]  # without json_object, which refuses some of these before
    for parse in parsers:
        with suppress(SimilarixError):
            parse()
